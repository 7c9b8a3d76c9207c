/*
 * tests/host/log_disk.h: a log of every write and flush that a simulated disk carried out, and the
 * disk as it would be had the power failed at any point of it.
 */
#ifndef TESTS_HOST_LOG_DISK_H
#define TESTS_HOST_LOG_DISK_H

#include "sim.h"

/*
 * Logs what happens to DISK, which is in memory, from now on. One disk in a process. A write that
 * the power failure interrupts may be torn into blocks of BLOCK_BYTES.
 */
void log_disk_start(struct sim_disk *disk, uint32_t block_bytes);

/* Stops, so that the disk can be used for other things; the log stays. */
void log_disk_stop(void);

/* How many writes and flushes there were so far. */
uint32_t log_disk_count(void);
bool log_disk_is_flush(uint32_t n);

/*
 * Fills IMAGE, as large as the disk, with what it held at the start and the first CUT records. Of
 * the writes among the last ones, which no flush has followed, write i (from 0) is left out where
 * bit i of MISSING is set: all of it, or some blocks of it, which depends on MISSING too.
 */
void log_disk_rebuild(uint8_t *image, uint32_t cut, uint64_t missing);

/* Plants a violation: a disk that does not heed flushes. */
void log_disk_ignore_flushes(void);

/* How many writes before CUT no flush has followed. */
uint32_t log_disk_pending(uint32_t cut);

#endif
