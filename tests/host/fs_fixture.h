/*
 * tests/host/fs_fixture.h: for tests of open files: a mounted volume (ext2_fixture.h), user memory
 * for transfers, and short forms of opening, reading and writing.
 */
#ifndef TESTS_HOST_FS_FIXTURE_H
#define TESTS_HOST_FS_FIXTURE_H

#include "abi/constants.h"
#include "ext2_fixture.h"

#define FF_ALL   (FILE_READ_DATA | FILE_WRITE_DATA | FILE_APPEND_DATA | DELETE_ACCESS | SYNCHRONIZE)
#define FF_READ  (FILE_READ_DATA | SYNCHRONIZE)
#define FF_WRITE (FILE_WRITE_DATA | FILE_APPEND_DATA | SYNCHRONIZE)
#define FF_SHARE (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

#define FF_BUFFER_NBYTES 0x80000u
extern uint8_t ff_buffer[FF_BUFFER_NBYTES]; /* what programs' buffers hold: */
#define FF_BUFFER ((uaddr_t){0x10000000u})  /* its user address; what follows is not there */

extern struct space *ff_space; /* in which the test runs */

/* fx_begin with the balancer running, in a space of its own, and the buffer lent. */
void ff_begin(uint32_t block_bytes, const char *size, const char *options);

/* The same for a machine with a volume that was begun otherwise. */
void ff_start(void);

/* Unmounts; e2fsck must find nothing. */
void ff_end(void);

/* The disk is asked anew: nothing that is clean stays in memory. Nothing is open. */
void ff_remount(void);

/* TEXT in UTF-16, without an end; its length. */
uint32_t ff_widen(const char *text, uint16_t *wide);

/* Opens PATH (`C:\...`) with FF_SHARE; *INFORMATION, when not NULL, is what happened. */
status_t ff_try_open(const char *path, uint32_t access, uint32_t share, uint32_t disposition,
                     uint32_t options, struct open_file **open);
struct open_file *ff_open(const char *path, uint32_t access, uint32_t disposition,
                          uint32_t options);
extern uint32_t ff_information; /* of the last open */

/* Whether there is such a file: what opening it to read gives. */
status_t ff_find(const char *path);

/* Transfers of ff_buffer's first bytes; what they give. */
status_t ff_write(struct open_file *open, uint64_t offset, uint32_t nbytes, uint32_t *done);
status_t ff_read(struct open_file *open, uint64_t offset, uint32_t nbytes, uint32_t *done);

/* Bytes that follow from SEED and their place in a file. */
void ff_make_bytes(uint8_t *bytes, uint64_t offset, uint32_t nbytes, uint32_t seed);

/* Writes bytes that follow from SEED and their place; reads and compares; zeroes. */
void ff_fill(struct open_file *open, uint64_t offset, uint32_t nbytes, uint32_t seed);
bool ff_holds(struct open_file *open, uint64_t offset, uint32_t nbytes, uint32_t seed);
bool ff_is_zero(struct open_file *open, uint64_t offset, uint32_t nbytes);

uint64_t ff_size(struct open_file *open);

/* Renames to PATH. */
status_t ff_rename(struct open_file *open, const char *path, bool replace);
status_t ff_link(struct open_file *open, const char *path);

/* Sections: made, and ended. */
status_t ff_section(struct open_file *open, uint64_t nbytes, uint32_t protection,
                    uint32_t attributes, struct section *section);
void ff_end_section(struct section *section);

#endif
