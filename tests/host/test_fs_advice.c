/*
 * tests/host/test_fs_advice.c: what whoever opens a file says of how it will be read
 * (FILE_FLAG_RANDOM_ACCESS, FILE_FLAG_SEQUENTIAL_SCAN) decides how much is read with what is asked
 * for; what is read is the same.
 */
#include "fs_fixture.h"
#include "kernel/failpoint.h"
#include "mm/fault.h"
#include "mm_fixture.h"
#include "sim.h"
#include "test.h"

#define FILE_PAGES 700u
#define SEED       9u

/* The requests for pages of files, and the pages they brought, since BEFORE. */
static struct mm_fault_counts brought_since(const struct mm_fault_counts *before)
{
    struct mm_fault_counts now;
    mm_read_fault_counts(&now);
    now.pager -= before->pager;
    now.pager_pages -= before->pager_pages;
    return now;
}

static void begin(void)
{
    ff_begin(4096, "8M", "");
    struct open_file *open = ff_open("C:\\file", FF_ALL, FILE_CREATE, 0);
    ff_fill(open, 0, FILE_PAGES * PAGE_BYTES - 100, SEED);
    fs_close(open);
}

/* The file, of which nothing is in memory, opened with OPTIONS. */
static struct open_file *open_cold(uint32_t options, struct mm_fault_counts *before)
{
    ff_remount();
    struct open_file *open = ff_open("C:\\file", FF_READ, FILE_OPEN, options);
    mm_read_fault_counts(before);
    return open;
}

/* Pages in an order that nothing foresees: each once, none beside the one before. */
static uint32_t scattered(uint32_t i)
{
    return i * 97u % FILE_PAGES;
}

static struct mm_fault_counts read_scattered(uint32_t options, uint32_t count)
{
    struct mm_fault_counts before;
    struct open_file *open = open_cold(options, &before);
    for (uint32_t i = 0; i < count; i++) {
        EXPECT(ff_holds(open, scattered(i) * PAGE_BYTES + 1000u, 512, SEED));
    }
    struct mm_fault_counts brought = brought_since(&before);
    fs_close(open);
    return brought;
}

TEST("file advice: at random, only the pages are read that are asked for")
{
    enum { READS = 40 };
    begin();
    EXPECT(read_scattered(0, READS).pager_pages > 10u * READS);
    struct mm_fault_counts brought = read_scattered(FILE_RANDOM_ACCESS, READS);
    EXPECT_EQUAL(brought.pager, READS);
    EXPECT_EQUAL(brought.pager_pages, READS);
    brought = read_scattered(FILE_RANDOM_ACCESS | FILE_SEQUENTIAL_ONLY, READS);
    EXPECT_EQUAL(brought.pager_pages, READS); /* who says both reads at random */
    ff_end();
}

TEST("file advice: at random, several pages that are asked for at once come at once")
{
    struct mm_fault_counts before;
    begin();
    struct open_file *open = open_cold(FILE_RANDOM_ACCESS, &before);
    EXPECT(ff_holds(open, 5 * PAGE_BYTES + 1, 10 * PAGE_BYTES, SEED));
    struct mm_fault_counts brought = brought_since(&before);
    EXPECT_EQUAL(brought.pager, 1);
    EXPECT_EQUAL(brought.pager_pages, 11);
    EXPECT(ff_holds(open, 0, 20 * PAGE_BYTES, SEED)); /* around those that are there */
    brought = brought_since(&before);
    EXPECT_EQUAL(brought.pager, 3);
    EXPECT_EQUAL(brought.pager_pages, 20);
    fs_close(open);
    ff_end();
}

/* Reads all of the file in small pieces; what that brought. */
static struct mm_fault_counts read_in_order(uint32_t options)
{
    struct mm_fault_counts before;
    struct open_file *open = open_cold(options, &before);
    for (uint32_t offset = 0; offset < FILE_PAGES * PAGE_BYTES - 2048; offset += 1024) {
        EXPECT(ff_holds(open, offset, 1024, SEED));
    }
    struct mm_fault_counts brought = brought_since(&before);
    fs_close(open);
    return brought;
}

TEST("file advice: in order, whole requests are read from the first on")
{
    begin();
    struct mm_fault_counts brought = read_in_order(FILE_SEQUENTIAL_ONLY);
    EXPECT_EQUAL(brought.pager, 6); /* of 128 pages each, a chunk has four */
    EXPECT_EQUAL(brought.pager_pages, FILE_PAGES);
    EXPECT(read_in_order(0).pager > 7);
    ff_end();
}

TEST("file advice: an error of the disk is whose read meets it, and can pass")
{
    struct mm_fault_counts before;
    begin();
    struct open_file *open = open_cold(FILE_RANDOM_ACCESS, &before);
    uint32_t done;
    (void)failpoint_arm(FAILPOINT_DISK_REQUEST, 1);
    EXPECT_STATUS(ff_read(open, 100 * PAGE_BYTES, 512, &done), STATUS_IO_DEVICE_ERROR);
    EXPECT_EQUAL(done, 0);
    EXPECT(ff_holds(open, 100 * PAGE_BYTES, 512, SEED));
    fs_close(open);
    ff_end();
}
