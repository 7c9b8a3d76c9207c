/*
 * tests/host/ext2_fixture.h: for tests that write ext2: an image that mke2fs makes, a machine with
 * it, and e2fsck to judge what becomes of it. What fails on the host's side ends the test.
 */
#ifndef TESTS_HOST_EXT2_FIXTURE_H
#define TESTS_HOST_EXT2_FIXTURE_H

#include "fs/internal.h"
#include "sim.h"

extern uint8_t *fx_image; /* what mke2fs made, then scratch space of its size */
extern size_t fx_image_nbytes;
extern struct sim_disk *fx_disk;

/* Of the machines that are made from now on: with more CPUs than one, all of them run at once. */
extern uint64_t fx_ram_nbytes;
extern uint32_t fx_ncpus;

/* Makes an image; a machine with it as its disk; both, and mounts it. */
void fx_make_image(uint32_t block_bytes, const char *size, const char *options);
void fx_boot(uint32_t seed, uint32_t preempt_one_in);
void fx_begin(uint32_t block_bytes, const char *size, const char *options, uint32_t seed);
void fx_begin_small(uint32_t block_bytes, const char *size, const char *options);

/* QUIRE_SEED, in the environment: it makes other runs of these tests. */
uint32_t fx_seed_offset(void);

/* Unmounts and mounts again; the test ends if not all could be written. */
void fx_remount(void);

/* Unmounts; what e2fsck -fn says of the disk: 0, or it is shown. Then: the host's files go. */
int fx_end(void);
void fx_end_work(void);

/* The image file, for the host's tools: from BYTES, to BYTES; e2fsck on it: its exit code. */
void fx_write_image(const uint8_t *bytes);
void fx_read_image(uint8_t *bytes);
int fx_e2fsck(const char *option);
void fx_show_said(void);

/* Unmounts, lets debugfs change the disk, and mounts. */
void fx_edit_image(const char *commands);

struct ext2 *fx_volume(void);

/* Opens to read; PATH in ASCII. */
status_t fx_open_path(const char *path, struct open_file **open);

/* Files and directories of the root. fx_look_up: in any directory, by inode. */
uint32_t fx_create(const char *text, bool is_directory);
void fx_remove_name(const char *text);
status_t fx_look_up(uint32_t directory, const char *text, uint32_t *number);

#endif
