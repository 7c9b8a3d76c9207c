/*
 * tests/host/test_fs_failures.c: open files with the Nth allocation, charge or disk request
 * refused, for every N: each call says so or succeeds, nothing leaks, what was there stays, and
 * e2fsck finds nothing at the end.
 */
#include <stdio.h>
#include <string.h>

#include "fs_fixture.h"
#include "kernel/failpoint.h"
#include "mm/section.h"
#include "mm_fixture.h"
#include "test.h"

#define N_MAX 600u

/* Whether a call that is refused something may give STATUS. */
static bool is_refusal(status_t status)
{
    return status == STATUS_INSUFFICIENT_RESOURCES || status == STATUS_COMMITMENT_LIMIT ||
           status == STATUS_IO_DEVICE_ERROR;
}

static uint32_t refusals; /* of one run */

static bool went_well(status_t status)
{
    if (is_error(status)) {
        refusals++;
        EXPECT(is_refusal(status));
    }
    return is_success(status);
}

/* Opens, if it can be; else NULL. */
static struct open_file *open_or_not(const char *path, uint32_t disposition, uint32_t options)
{
    struct open_file *open;
    status_t status = ff_try_open(path, FF_ALL, FF_SHARE, disposition, options, &open);

    if (status == STATUS_OBJECT_NAME_NOT_FOUND || status == STATUS_OBJECT_PATH_NOT_FOUND) {
        return NULL; /* what should have made it was refused */
    }
    return went_well(status) ? open : NULL;
}

static void close_if_open(struct open_file *open)
{
    if (open != NULL) {
        fs_close(open);
    }
}

static bool write_some(struct open_file *open, uint64_t offset, uint32_t nbytes)
{
    uint32_t done;

    return open != NULL && went_well(ff_write(open, offset, nbytes, &done));
}

/* Writes what the file holds already. */
static void rewrite(struct open_file *open, uint32_t nbytes, uint32_t seed)
{
    uint32_t done;

    if (open == NULL) {
        return;
    }
    ff_make_bytes(ff_buffer, 0, nbytes, seed);
    (void)went_well(ff_write(open, 0, nbytes, &done));
    (void)went_well(fs_flush(open));
}

/* A bit of everything. */
static void use_files(void)
{
    struct section section;
    struct open_file *keep = open_or_not("C:\\keep", FILE_OPEN, 0);
    struct open_file *dir = open_or_not("C:\\dir", FILE_OPEN_IF, FILE_DIRECTORY_FILE);
    struct open_file *one = open_or_not("C:\\dir\\one", FILE_OVERWRITE_IF, 0);

    rewrite(keep, 20000, 1);
    (void)write_some(one, 0, 30000);
    (void)write_some(one, 200000, 5000);
    if (one != NULL && went_well(ff_section(one, 300000, PAGE_READWRITE, SEC_COMMIT, &section))) {
        ff_end_section(&section);
    }
    struct open_file *two = open_or_not("C:\\two", FILE_CREATE, FILE_WRITE_THROUGH);
    (void)write_some(two, 100, 9000);
    if (two != NULL) {
        (void)went_well(fs_set_size(two, 700));
        (void)went_well(fs_set_size(two, 70000));
    }
    close_if_open(two);
    if (one != NULL) {
        status_t status = ff_rename(one, "C:\\two", true);
        EXPECT(status != STATUS_OBJECT_NAME_COLLISION);
        (void)went_well(status);
        (void)went_well(fs_set_disposition(one, true));
    }
    close_if_open(one);
    close_if_open(dir);
    rewrite(keep, 20000, 1);
    close_if_open(keep);
}

/* One run with the Nth refused; whether anything was. */
static void run(uint32_t n, enum failpoint kind)
{
    struct fixture_usage before = fixture_usage();
    struct open_file *keep;

    memcpy(fx_disk->contents, fx_image, fx_image_nbytes);
    REQUIRE(is_success(fs_start()));
    refusals = 0;
    (void)failpoint_arm(kind, n);
    use_files();
    (void)failpoint_arm(kind, 0);
    fs_drain();
    keep = ff_open("C:\\keep", FF_READ, FILE_OPEN, 0);
    EXPECT_EQUAL(ff_size(keep), 20000);
    EXPECT(ff_holds(keep, 0, 20000, 1));
    fs_close(keep);
    bool damaged = fx_volume()->damaged;
    fs_stop();
    EXPECT_SAME_USAGE(before);
    fx_write_image(fx_disk->contents);
    int code = fx_e2fsck(damaged ? "-p" : "-fn");
    EXPECT(code == 0 || (damaged && code == 1));
    if (code > 1) {
        fx_show_said();
    }
}

static void sweep(const char *what, enum failpoint kind, uint32_t least)
{
    struct open_file *keep;
    uint32_t refused = 0;
    uint32_t quiet = 0;
    uint32_t n;

    ff_begin(1024, "1M", "-N 64");
    keep = ff_open("C:\\keep", FF_ALL, FILE_CREATE, 0);
    ff_fill(keep, 0, 20000, 1);
    fs_close(keep);
    fs_stop();
    memcpy(fx_image, fx_disk->contents, fx_image_nbytes);
    run(0, kind); /* what stays for good is there then */
    for (n = 1; n < N_MAX && quiet < 25; n++) {
        run(n, kind);
        refused += refusals > 0;
        quiet = refusals > 0 ? 0 : quiet + 1; /* a read is tried again: many are made good */
    }
    printf("# %s: refused in turn, %u runs saw it\n", what, refused);
    EXPECT(refused >= least);
    fx_end_work();
}

TEST("file failures: allocations")
{
    sweep("allocations", FAILPOINT_ALLOCATION, 8);
}

TEST("file failures: charges")
{
    sweep("charges", FAILPOINT_CHARGE, 3);
}

TEST("file failures: disk requests")
{
    sweep("disk requests", FAILPOINT_DISK_REQUEST, 20);
}

TEST("file failures: a request that fails while a volume is unmounted is made again")
{
    uint32_t left = 0;
    uint32_t n;

    ff_begin(1024, "1M", "-N 64");
    for (n = 1; n < N_MAX && left == 0; n++) {
        struct open_file *file = ff_open("C:\\file", FF_ALL, FILE_OVERWRITE_IF, 0);
        ff_fill(file, 0, 20000, n);
        fs_close(file);
        (void)failpoint_arm(FAILPOINT_DISK_REQUEST, n);
        fs_stop();
        left = failpoint_arm(FAILPOINT_DISK_REQUEST, 0);
        REQUIRE(is_success(fs_start()) && fx_volume()->writable);
        file = ff_open("C:\\file", FF_READ, FILE_OPEN, 0);
        EXPECT_EQUAL(ff_size(file), 20000);
        EXPECT(ff_holds(file, 0, 20000, n));
        fs_close(file);
    }
    EXPECT(n > 8 && left != 0);
    EXPECT_EQUAL(fx_end(), 0);
    fx_end_work();
}
