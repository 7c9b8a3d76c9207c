/*
 * tests/host/test_ext2_order.c: the order of an inode and the entries that name it: at no point of
 * a disk's log does an entry name an inode that is not initialised, nor has an inode contents and
 * no name, whichever writes the disk has lost. The images are judged as they are, before e2fsck.
 *
 * And what that costs: a batch of files is written with a handful of FLUSHes.
 */
#include <stdio.h>
#include <string.h>

#include "ext2_fixture.h"
#include "ext2_model.h"
#include "ext2_raw.h"
#include "log_disk.h"
#include "test.h"

#define DIRECTORIES_MAX 60u

static uint32_t ncuts;

static bool check_image(uint32_t cut, uint64_t missing, bool losing)
{
    ncuts++;
    log_disk_rebuild(fx_image, cut, missing);
    const char *wrong = raw_find_wrong(losing);
    if (wrong != NULL) {
        test_fail(__FILE__, __LINE__, "cut %u, missing 0x%llx: %s", cut,
                  (unsigned long long)missing, wrong);
    }
    return wrong == NULL;
}

/* Every cut; at the end of each window, each of its writes missing, and all but each. */
static void check_images(bool losing)
{
    uint32_t total = log_disk_count();
    bool right = true;

    log_disk_stop();
    for (uint32_t cut = 0; cut <= total && right; cut++) {
        uint32_t pending = log_disk_pending(cut);
        uint64_t all = pending >= 64 ? UINT64_MAX : (1ull << pending) - 1;
        bool ends = cut == total || log_disk_is_flush(cut);
        right = check_image(cut, 0, losing);
        for (uint32_t i = 0; i < pending && i < 64 && ends && right; i++) {
            right = check_image(cut, 1ull << i, losing) &&
                    check_image(cut, all & ~(1ull << i), losing);
        }
    }
    printf("# %u writes and flushes, %u cuts\n", total, ncuts);
}

/* ---- files that come ---- */

static uint32_t directories[DIRECTORIES_MAX]; /* their inodes */
static uint32_t ndirectories;
static uint32_t nnames;

/* A name in any of the directories that was never used before; it is in BYTES. */
static struct ext2_name new_name(char bytes[NAME_MAX_])
{
    snprintf(bytes, NAME_MAX_, "%0*u", 1 + (int)sim_random(20), ++nnames);
    return (struct ext2_name){directories[sim_random(ndirectories)], (const uint8_t *)bytes,
                              (uint32_t)strlen(bytes)};
}

/* Contents of file NUMBER: NBLOCKS from block FIRST on. */
static void fill_file(uint32_t number, uint32_t first, uint32_t nblocks)
{
    uint64_t nbytes = (uint64_t)(first + nblocks) << fx_volume()->block_shift;

    EXPECT_STATUS(ext2_set_size(fx_volume(), number, nbytes), STATUS_SUCCESS);
    EXPECT_STATUS(ext2_allocate(fx_volume(), number, first, nblocks, true), STATUS_SUCCESS);
}

/* A file that comes, and what may happen to it before it is written. */
static void make_file(void)
{
    char bytes[3][NAME_MAX_];
    const struct ext2_name name = new_name(bytes[0]);
    const struct ext2_name other = new_name(bytes[1]);
    const struct ext2_name third = new_name(bytes[2]);
    struct ext2_renamed renamed;
    uint32_t number = 0;

    EXPECT_STATUS(ext2_create(fx_volume(), &name, 0x81A4, &number), STATUS_SUCCESS);
    if (sim_random(4) != 0) {
        fill_file(number, sim_random(3) == 0 ? 10 : 0, 1 + sim_random(5));
    }
    if (sim_random(4) == 0) {
        EXPECT_STATUS(ext2_rename(fx_volume(), &name, &other, &renamed), STATUS_SUCCESS);
    } else if (sim_random(4) == 0) {
        EXPECT_STATUS(ext2_link(fx_volume(), &other, number), STATUS_SUCCESS);
        if (sim_random(2) == 0) {
            EXPECT_STATUS(ext2_rename(fx_volume(), &name, &third, &renamed), STATUS_SUCCESS);
        }
    }
    if (sim_random(4) == 0) {
        fill_file(number, 20, 2);
    }
}

static void make_directory(void)
{
    char bytes[NAME_MAX_];
    const struct ext2_name name = new_name(bytes);

    if (ndirectories < DIRECTORIES_MAX) {
        EXPECT_STATUS(ext2_create(fx_volume(), &name, 0x41ED, &directories[ndirectories]),
                      STATUS_SUCCESS);
        ndirectories++;
    }
}

/* COUNT files that go again, so that there are inodes and entries that were used before. */
static void leave_traces(uint32_t count)
{
    char name[NAME_MAX_];

    for (uint32_t i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "trace%u", i);
        fill_file(fx_create(name, false), 0, 1);
    }
    EXPECT_STATUS(ext2_sync(fx_volume()), STATUS_SUCCESS);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "trace%u", i);
        fx_remove_name(name);
    }
    fs_finish();
}

static void creation_test(uint32_t block_bytes, const char *options, uint32_t seed)
{
    fx_begin(block_bytes, "2M", options, seed);
    leave_traces(20);
    directories[0] = EXT2_ROOT_INODE;
    ndirectories = 1;
    log_disk_start(fx_disk, block_bytes);
    for (uint32_t i = 0; i < 150; i++) {
        if (sim_random(4) == 0) {
            make_directory();
        } else {
            make_file();
        }
        if (sim_random(25) == 0) {
            EXPECT_STATUS(ext2_sync(fx_volume()), STATUS_SUCCESS);
        }
    }
    EXPECT_EQUAL(fx_end(), 0);
    check_images(false);
    fx_end_work();
}

TEST("ext2 order: an inode is initialised before an entry names it, 1 KiB blocks")
{
    creation_test(1024, "-N 256", 31);
}

TEST("ext2 order: an inode is initialised before an entry names it, 4 KiB blocks")
{
    creation_test(4096, "-N 256", 32);
}

TEST("ext2 order: an inode is initialised before an entry names it, old inodes")
{
    creation_test(1024, "-N 256 -I 128 -O ^filetype", 33);
}

TEST("ext2 order: no entry without an inode, no contents without an entry, whatever comes and goes")
{
    fx_begin(1024, "2M", "-N 128", 34);
    fx_begin_model();
    for (uint32_t i = 0; i < 90; i++) {
        fx_change_something(100);
        if (sim_random(12) == 0) {
            EXPECT_STATUS(ext2_sync(fx_volume()), STATUS_SUCCESS);
        }
    }
    EXPECT_EQUAL(fx_end(), 0);
    check_images(true);
    fx_end_work();
}

/* ---- what it costs ---- */

/* COUNT files with contents in DIRECTORY, none written yet. */
static void make_batch(uint32_t directory, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char bytes[NAME_MAX_];
        uint32_t number = 0;
        snprintf(bytes, sizeof(bytes), "file-%u", i);
        const struct ext2_name name = {directory, (const uint8_t *)bytes, (uint32_t)strlen(bytes)};
        EXPECT_STATUS(ext2_create(fx_volume(), &name, 0x81A4, &number), STATUS_SUCCESS);
        fill_file(number, 0, 2);
    }
}

/* FLUSHes since there were BEFORE of them, for WHAT; everything is written first. */
static uint32_t count_flushes(const char *what, uint64_t before)
{
    EXPECT_STATUS(ext2_sync(fx_volume()), STATUS_SUCCESS);
    uint32_t nflushes = (uint32_t)(fx_volume()->metadata.nflushes - before);
    printf("# %s: %u FLUSHes\n", what, nflushes);
    return nflushes;
}

static void flush_test(uint32_t block_bytes)
{
    fx_begin(block_bytes, "8M", "-N 1024", 35);
    uint32_t old = fx_create("old", true);
    EXPECT_STATUS(ext2_sync(fx_volume()), STATUS_SUCCESS);
    uint64_t before = fx_volume()->metadata.nflushes;
    uint64_t syncs = fx_volume()->nsyncs;
    make_batch(old, 1);
    EXPECT(count_flushes("a file", before) <= 4);
    before = fx_volume()->metadata.nflushes;
    make_batch(EXT2_ROOT_INODE, 60);
    EXPECT(count_flushes("60 files in the root", before) <= 4);
    before = fx_volume()->metadata.nflushes;
    make_batch(fx_create("new", true), 300);
    EXPECT(count_flushes("a directory with 300 files", before) <= 6);
    before = fx_volume()->metadata.nflushes;
    for (uint32_t i = 0; i < 20; i++) {
        char name[NAME_MAX_];
        snprintf(name, sizeof(name), "dir%u", i);
        make_batch(fx_create(name, true), 10);
    }
    EXPECT(count_flushes("20 directories with 10 files each", before) <= 6);
    EXPECT_EQUAL(fx_volume()->nsyncs - syncs, 4); /* nothing was written in between */
    EXPECT_EQUAL(fx_end(), 0);
    fx_end_work();
}

TEST("ext2 order: a batch of files is written with a handful of FLUSHes, 1 KiB blocks")
{
    flush_test(1024);
}

TEST("ext2 order: a batch of files is written with a handful of FLUSHes, 4 KiB blocks")
{
    flush_test(4096);
}
