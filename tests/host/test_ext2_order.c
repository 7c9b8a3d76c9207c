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
#include "kernel/block.h"
#include "kernel/failpoint.h"
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
            right =
                check_image(cut, 1ull << i, losing) && check_image(cut, all & ~(1ull << i), losing);
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

static bool disk_fails; /* now and then */
static uint32_t nfailures;

/* Whether a call succeeded; that the disk failed is the only reason not to. */
static bool went_well(status_t status)
{
    if (status == STATUS_IO_DEVICE_ERROR && disk_fails) {
        nfailures++;
    } else {
        EXPECT_STATUS(status, STATUS_SUCCESS);
    }
    return is_success(status);
}

/* Contents of file NUMBER: NBLOCKS from block FIRST on. */
static void fill_file(uint32_t number, uint32_t first, uint32_t nblocks)
{
    uint64_t nbytes = (uint64_t)(first + nblocks) << fx_volume()->block_shift;

    if (went_well(ext2_set_size(fx_volume(), number, nbytes))) {
        (void)went_well(ext2_allocate(fx_volume(), number, first, nblocks, true));
    }
}

/* Another name for a newborn file, whose first one goes again, or becomes a third one. */
static void link_file(const struct ext2_name *name, uint32_t number, uint64_t syncs)
{
    char bytes[2][NAME_MAX_];
    const struct ext2_name other = new_name(bytes[0]);
    const struct ext2_name third = new_name(bytes[1]);
    struct ext2_renamed renamed;
    uint32_t links;

    if (!went_well(ext2_link(fx_volume(), &other, number))) {
        return;
    }
    if (ext2_count_syncs(fx_volume()) == syncs && sim_random(2) == 0) {
        (void)went_well(ext2_remove(fx_volume(), name, &number, &links)); /* it is newborn still */
    } else {
        (void)went_well(ext2_rename(fx_volume(), name, &third, &renamed));
    }
}

/* A file that comes, and what may happen to it before it is written. */
static void make_file(void)
{
    char bytes[2][NAME_MAX_];
    const struct ext2_name name = new_name(bytes[0]);
    const struct ext2_name other = new_name(bytes[1]);
    struct ext2_renamed renamed;
    uint32_t number = 0;
    uint64_t syncs = ext2_count_syncs(fx_volume());

    if (!went_well(ext2_create(fx_volume(), &name, 0x81A4, &number))) {
        return;
    }
    if (sim_random(4) != 0) {
        fill_file(number, sim_random(3) == 0 ? 10 : 0, 1 + sim_random(5));
    }
    if (sim_random(4) == 0) {
        (void)went_well(ext2_rename(fx_volume(), &name, &other, &renamed));
    } else if (sim_random(4) == 0) {
        link_file(&name, number, syncs);
    }
    if (sim_random(4) == 0) {
        fill_file(number, 20, 2);
    }
}

static void make_directory(void)
{
    char bytes[NAME_MAX_];
    const struct ext2_name name = new_name(bytes);

    if (ndirectories < DIRECTORIES_MAX &&
        went_well(ext2_create(fx_volume(), &name, 0x41ED, &directories[ndirectories]))) {
        ndirectories++;
    }
}

/* A file that was there before goes from directory to directory; it is lost when that fails. */
static void move_wanderer(void)
{
    static char bytes[2][NAME_MAX_];
    static struct ext2_name at = {EXT2_ROOT_INODE, (const uint8_t *)"wanderer", 8};
    static uint32_t which;
    struct ext2_renamed renamed;

    if (at.nbytes == 0) {
        return;
    }
    const struct ext2_name to = new_name(bytes[which]);
    which ^= 1;
    at = went_well(ext2_rename(fx_volume(), &at, &to, &renamed)) ? to : (struct ext2_name){0};
}

/* Writes everything; a disk that fails does it at one of the next requests. */
static void sync_volume(void)
{
    if (disk_fails) {
        (void)failpoint_arm(FAILPOINT_DISK_REQUEST, 1 + sim_random(12));
    }
    (void)went_well(ext2_sync(fx_volume()));
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

static void creation_test(uint32_t block_bytes, const char *options, uint32_t seed, bool failing)
{
    fx_begin(block_bytes, "2M", options, seed);
    fill_file(fx_create("wanderer", false), 0, 1);
    leave_traces(20);
    directories[0] = EXT2_ROOT_INODE;
    ndirectories = 1;
    log_disk_start(fx_disk, block_bytes);
    disk_fails = failing;
    for (uint32_t i = 0; i < 150; i++) {
        uint32_t what = sim_random(8);
        if (what < 2) {
            make_directory();
        } else if (what == 2) {
            move_wanderer();
        } else {
            make_file();
        }
        if (sim_random(failing ? 10 : 25) == 0) {
            sync_volume();
        }
    }
    (void)failpoint_arm(FAILPOINT_DISK_REQUEST, 0);
    EXPECT((nfailures > 0) == failing);
    EXPECT_EQUAL(fx_end(), 0);
    check_images(false);
    fx_end_work();
}

TEST("ext2 order: an inode is initialised before an entry names it, 1 KiB blocks")
{
    creation_test(1024, "-N 256", 31, false);
}

TEST("ext2 order: an inode is initialised before an entry names it, 4 KiB blocks")
{
    creation_test(4096, "-N 256", 32, false);
}

TEST("ext2 order: an inode is initialised before an entry names it, old inodes")
{
    creation_test(1024, "-N 256 -I 128 -O ^filetype", 33, false);
}

TEST("ext2 order: an inode is initialised before an entry names it, also on a disk that fails")
{
    creation_test(1024, "-N 256", 36, true);
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

/* COUNT files with contents in DIRECTORY, named from FIRST on, none written yet. */
static void make_batch(uint32_t directory, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
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
    make_batch(old, 0, 1);
    EXPECT(count_flushes("a file", before) <= 4);
    before = fx_volume()->metadata.nflushes;
    make_batch(EXT2_ROOT_INODE, 0, 60);
    EXPECT(count_flushes("60 files in the root", before) <= 4);
    before = fx_volume()->metadata.nflushes;
    make_batch(old, 1, 300); /* it has one file by now, and grows */
    EXPECT(count_flushes("300 files in a directory", before) <= 5);
    before = fx_volume()->metadata.nflushes;
    make_batch(fx_create("new", true), 0, 300);
    EXPECT(count_flushes("a directory with 300 files", before) <= 6);
    before = fx_volume()->metadata.nflushes;
    for (uint32_t i = 0; i < 20; i++) {
        char name[NAME_MAX_];
        snprintf(name, sizeof(name), "dir%u", i);
        make_batch(fx_create(name, true), 0, 10);
    }
    EXPECT(count_flushes("20 directories with 10 files each", before) <= 6);
    EXPECT_EQUAL(fx_volume()->nsyncs - syncs, 5); /* nothing was written in between */
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
