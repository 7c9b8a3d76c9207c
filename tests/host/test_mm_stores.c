/*
 * tests/host/test_mm_stores.c: pages of files that are stored to (M5), written back, and cut off:
 * the pager here keeps its file in an array, counts what is asked of it, and fails when it is told
 * to.
 */
#include "kernel/clock.h"
#include "kernel/paging.h"
#include "kernel/string.h"
#include "kernel/thread.h"
#include "mm/cache.h"
#include "mm/dirty.h"
#include "mm/segment.h"
#include "tests/host/mm_fixture.h"

#define DISK_PAGES 2048u

/* What the pager keeps; one word of each page stands for the page. */
static struct {
    uint32_t words[DISK_PAGES];
    uint32_t reserved[DISK_PAGES];
    uint32_t pages_written;
    uint32_t requests;
    uint32_t syncs;
    uint32_t durable_syncs;
    status_t write_error;
    status_t reserve_error;
    uint64_t nbytes;
    void (*during_write)(void);
} disk;

static struct section section;
static struct segment *file;

static status_t page_in(void *context, uint32_t first, uint32_t npages, const pfn_t *frames)
{
    (void)context;
    for (uint32_t i = 0; i < npages; i++) {
        uint32_t *words = window_open(frames[i]);
        memset(words, 0, PAGE_BYTES);
        words[0] = disk.words[first + i];
        window_close(words);
    }
    return STATUS_SUCCESS;
}

static status_t reserve(void *context, uint32_t first, uint32_t wanted, uint32_t *ready)
{
    (void)context;
    if (is_error(disk.reserve_error)) {
        return disk.reserve_error;
    }
    EXPECT(wanted - first < PAGER_RESERVE_PAGES);
    disk.reserved[wanted]++;
    *ready = 1u << (wanted - first);
    return STATUS_SUCCESS;
}

static status_t page_out(void *context, uint32_t first, uint32_t npages, const pfn_t *frames)
{
    (void)context;
    disk.requests++;
    EXPECT(npages <= PAGER_WRITE_PAGES);
    uint32_t taken[PAGER_WRITE_PAGES];
    for (uint32_t i = 0; i < npages; i++) {
        EXPECT(disk.reserved[first + i] != 0);
        const uint32_t *words = window_open(frames[i]);
        taken[i] = words[0];
        window_close((void *)(uintptr_t)words);
    }
    if (disk.during_write != NULL) {
        disk.during_write();
    }
    if (is_error(disk.write_error)) {
        return disk.write_error;
    }
    memcpy(&disk.words[first], taken, npages * sizeof(taken[0]));
    disk.pages_written += npages;
    return STATUS_SUCCESS;
}

static status_t sync(void *context, bool durable)
{
    (void)context;
    disk.syncs++;
    disk.durable_syncs += durable;
    return STATUS_SUCCESS;
}

static const struct pager_operations pager = {
    .kind = "test", .page_in = page_in, .reserve = reserve, .page_out = page_out, .sync = sync};

/* A file of NBYTES with a section that may be written. */
static void make_file(uint64_t nbytes)
{
    memset(&disk, 0, sizeof(disk));
    disk.nbytes = nbytes;
    for (uint32_t i = 0; i < DISK_PAGES; i++) {
        disk.words[i] = 1000 + i;
    }
    REQUIRE(is_success(mm_segment_create(&file, nbytes, &pager, NULL)));
    EXPECT_STATUS(mm_section_create_file(&section, file, nbytes, 0, PAGE_READWRITE, SEC_COMMIT),
                  STATUS_SUCCESS);
}

static void end_file(void)
{
    mm_section_destroy(&section);
    mm_segment_unref(file);
}

static status_t flush(struct space *space, uaddr_t base, uint32_t nbytes)
{
    return mm_flush_view(space, &base, &nbytes);
}

TEST("stores: a store is noticed once, and a flush writes what is dirty and nothing else")
{
    fixture_boot(16 * MIB, 0, 1);
    make_file(600 * PAGE_BYTES);
    struct space *space = fixture_space();
    uaddr_t base = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
    EXPECT_EQUAL(sim_load32(fixture_page(base, 3)), 1003);
    EXPECT_EQUAL(mi_dirty_pages(), 0);
    sim_store32(fixture_page(base, 3), 7);
    sim_store32(fixture_page(base, 3), 8);
    sim_store32(fixture_page(base, 4), 9);
    sim_store32(fixture_page(base, 599), 10); /* in a filled table: the last chunk is not whole */
    EXPECT_EQUAL(mi_dirty_pages(), 3);
    EXPECT_EQUAL(disk.reserved[3], 1);
    fixture_check();
    EXPECT_STATUS(flush(space, fixture_page(base, 3), 1), STATUS_SUCCESS);
    EXPECT_EQUAL(disk.pages_written, 1);
    EXPECT_STATUS(flush(space, base, 0), STATUS_SUCCESS);
    EXPECT_EQUAL(disk.pages_written, 3);
    EXPECT_EQUAL(disk.words[3], 8);
    EXPECT_EQUAL(disk.words[4], 9);
    EXPECT_EQUAL(disk.words[599], 10);
    EXPECT_EQUAL(mi_dirty_pages(), 0);
    EXPECT_STATUS(flush(space, base, 0), STATUS_SUCCESS);
    EXPECT_EQUAL(disk.pages_written, 3);
    fixture_check();
    sim_store32(fixture_page(base, 3), 11); /* again: the page is known to be ready */
    EXPECT_EQUAL(disk.reserved[3], 1);
    EXPECT_STATUS(mm_unmap_view(space, base), STATUS_SUCCESS);
    EXPECT_EQUAL(disk.words[3], 11);
    EXPECT(disk.syncs != 0 && disk.durable_syncs == 0);
    fixture_end_space(space);
    end_file();
    fixture_check();
}

TEST("stores: two views: flush through one, store through the other, flush again")
{
    fixture_boot(16 * MIB, 0, 2);
    make_file(1024 * PAGE_BYTES);
    struct space *space = fixture_space();
    uaddr_t linked = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
    uaddr_t filled = fixture_map(space, &section, 0, 0, 16 * PAGE_BYTES, PAGE_READWRITE);
    for (uint32_t round = 0; round < 4; round++) {
        sim_store32(fixture_page(round % 2 == 0 ? linked : filled, 5), 100 + round);
        EXPECT_EQUAL(sim_load32(fixture_page(round % 2 == 0 ? filled : linked, 5)), 100 + round);
        EXPECT_STATUS(flush(space, round < 2 ? linked : filled, 0), STATUS_SUCCESS);
        EXPECT_EQUAL(disk.words[5], 100 + round);
        fixture_check();
    }
    EXPECT_EQUAL(disk.pages_written, 4);
    section.write_through = true;
    EXPECT_STATUS(flush(space, filled, 0), STATUS_SUCCESS);
    EXPECT_EQUAL(disk.durable_syncs, 1);
    fixture_end_space(space);
    end_file();
}

/* Stores to every STEP-th page, and flushes: each is written to its place, in REQUESTS requests. */
static void expect_spread(struct space *space, uaddr_t base, uint32_t step, uint32_t requests)
{
    uint32_t npages = 0;
    uint32_t written = disk.pages_written;
    disk.requests = 0;
    for (uint32_t page = 0; page < 1024; page += step, npages++) {
        sim_store32(fixture_page(base, page), page * 8 + step);
    }
    EXPECT_EQUAL(mi_dirty_pages(), npages);
    EXPECT_STATUS(flush(space, base, 0), STATUS_SUCCESS);
    for (uint32_t page = 0; page < 1024; page += step) {
        EXPECT_EQUAL(disk.words[page], page * 8 + step);
    }
    EXPECT_EQUAL(disk.pages_written, written + npages);
    EXPECT_EQUAL(disk.requests, requests);
    EXPECT_EQUAL(mi_dirty_pages(), 0);
}

TEST("stores: pages far apart in a chunk go to their places, neighbours in few requests")
{
    fixture_boot(64 * MIB, 0, 1);
    make_file(1024 * PAGE_BYTES);
    struct space *space = fixture_space();
    uaddr_t base = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
    expect_spread(space, base, 1, 2 * ((512 + PAGER_WRITE_PAGES - 1) / PAGER_WRITE_PAGES));
    expect_spread(space, base, 2, 512);
    expect_spread(space, base, 255, 5);
    expect_spread(space, base, 256, 4);
    expect_spread(space, base, 257, 4); /* one more is left out than a batch can say */
    expect_spread(space, base, 500, 3);
    fixture_check();
    fixture_end_space(space);
    end_file();
}

static uaddr_t stored_during_write;
static struct space *storing_space;
static uint32_t stores_left;

static void store_once(void *argument)
{
    fixture_enter(argument);
    sim_store32(stored_during_write, 500);
}

static void store_during_write(void)
{
    if (stores_left != 0) {
        stores_left--;
        (void)sim_thread("storer", store_once, storing_space, PRIORITY_NORMAL);
        thread_sleep_until(clock_now() + NS_PER_MS, false, NULL);
    }
}

TEST("stores: a page that is stored to during its write stays dirty")
{
    fixture_boot(16 * MIB, 0, 1);
    make_file(16 * PAGE_BYTES);
    struct space *space = fixture_space();
    uaddr_t base = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
    storing_space = space;
    stored_during_write = fixture_page(base, 2);
    stores_left = 1;
    disk.during_write = store_during_write;
    sim_store32(fixture_page(base, 2), 5);
    EXPECT_STATUS(flush(space, base, 0), STATUS_SUCCESS);
    EXPECT_EQUAL(disk.words[2], 5);
    EXPECT_EQUAL(mi_dirty_pages(), 1);
    fixture_check();
    EXPECT_STATUS(flush(space, base, 0), STATUS_SUCCESS);
    EXPECT_EQUAL(disk.words[2], 500);
    EXPECT_EQUAL(mi_dirty_pages(), 0);
    stores_left = 1;
    disk.write_error = STATUS_IO_DEVICE_ERROR; /* stored to while a write fails: counted once */
    sim_store32(fixture_page(base, 2), 6);
    EXPECT_STATUS(flush(space, base, 0), STATUS_IO_DEVICE_ERROR);
    EXPECT_EQUAL(mi_dirty_pages(), 1);
    fixture_check();
    disk.write_error = STATUS_SUCCESS;
    fixture_end_space(space);
    EXPECT_STATUS(mm_segment_flush(file, 0, 0), STATUS_SUCCESS);
    EXPECT_EQUAL(disk.words[2], 500);
    end_file();
}

TEST("stores: I/O error on write-back keeps the page dirty and is reported, and tried again")
{
    fixture_boot(16 * MIB, 0, 1);
    make_file(300 * PAGE_BYTES);
    struct space *space = fixture_space();
    uaddr_t base = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
    for (uint32_t i = 0; i < 300; i += 3) {
        sim_store32(fixture_page(base, i), i);
    }
    disk.write_error = STATUS_IO_DEVICE_ERROR;
    EXPECT_STATUS(flush(space, base, 0), STATUS_IO_DEVICE_ERROR);
    EXPECT_EQUAL(mi_dirty_pages(), 100);
    EXPECT_STATUS(mm_unmap_view(space, base), STATUS_SUCCESS); /* nobody is told of this one */
    fixture_check();
    disk.write_error = STATUS_SUCCESS;
    EXPECT_STATUS(mm_segment_flush(file, 0, 0), STATUS_IO_DEVICE_ERROR);
    EXPECT_STATUS(mm_segment_flush(file, 0, 0), STATUS_SUCCESS);
    EXPECT_EQUAL(mi_dirty_pages(), 0);
    EXPECT_EQUAL(disk.words[297], 297);
    fixture_end_space(space);
    end_file();
    fixture_check();
}

TEST("stores: a store for which there is no room on the disk is an in-page error")
{
    fixture_boot(16 * MIB, 0, 1);
    make_file(600 * PAGE_BYTES);
    struct space *space = fixture_space();
    uaddr_t base = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
    struct fault_report report;
    uint32_t value = 4;
    disk.reserve_error = STATUS_DISK_FULL;
    for (uint32_t page = 7; page < 600; page += 590) { /* linked, and filled */
        EXPECT_EQUAL(sim_write(fixture_page(base, page), &value, 4, &report), FAULT_IN_PAGE_ERROR);
        EXPECT_STATUS(report.status, STATUS_IN_PAGE_ERROR);
        EXPECT_STATUS(report.cause, STATUS_DISK_FULL);
        EXPECT_EQUAL(sim_load32(fixture_page(base, page)), 1000 + page);
    }
    EXPECT_STATUS(mm_cache_write(file, 9 * PAGE_BYTES, &value, 4), STATUS_DISK_FULL);
    EXPECT_EQUAL(mi_dirty_pages(), 0);
    fixture_check();
    disk.reserve_error = STATUS_SUCCESS;
    sim_store32(fixture_page(base, 7), 4);
    fixture_end_space(space);
    EXPECT_STATUS(mm_segment_flush(file, 0, 0), STATUS_SUCCESS);
    EXPECT_EQUAL(disk.words[7], 4);
    end_file();
}

TEST("stores: protection changes and write-copy views do not get around M5")
{
    fixture_boot(16 * MIB, 0, 1);
    make_file(64 * PAGE_BYTES);
    struct space *space = fixture_space();
    uaddr_t base = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
    uaddr_t copy = fixture_map(space, &section, 0, 0, 0, PAGE_WRITECOPY);
    uint32_t old;
    uint32_t nbytes = PAGE_BYTES;
    uaddr_t part = fixture_page(base, 1);
    EXPECT_EQUAL(sim_load32(part), 1001);
    EXPECT_STATUS(mm_protect_virtual(space, &part, &nbytes, PAGE_READONLY, &old), STATUS_SUCCESS);
    EXPECT_STATUS(mm_protect_virtual(space, &part, &nbytes, PAGE_READWRITE, &old), STATUS_SUCCESS);
    fixture_check();
    sim_store32(part, 77);
    sim_store32(fixture_page(copy, 1), 78);
    EXPECT_EQUAL(mi_dirty_pages(), 1);
    EXPECT_STATUS(flush(space, base, 0), STATUS_SUCCESS);
    EXPECT_STATUS(flush(space, copy, 0), STATUS_SUCCESS);
    EXPECT_EQUAL(disk.words[1], 77);
    EXPECT_EQUAL(disk.pages_written, 1);
    fixture_end_space(space);
    end_file();
    fixture_check();
}

TEST("stores: copies through the cache are seen by views, and written")
{
    fixture_boot(16 * MIB, 0, 1);
    make_file(600 * PAGE_BYTES);
    struct space *space = fixture_space();
    uaddr_t base = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
    uint32_t words[2] = {41, 42};
    uint32_t copied;
    EXPECT_STATUS(mm_cache_write(file, 511 * PAGE_BYTES, words, 8), STATUS_SUCCESS);
    EXPECT_EQUAL(sim_load32(fixture_page(base, 511)), 41);
    sim_store32(fixture_page(base, 20), 43);
    /* The buffer is a view of the same file. */
    EXPECT_STATUS(mm_cache_write_user(file, 512 * PAGE_BYTES, fixture_page(base, 20), 4, &copied),
                  STATUS_SUCCESS);
    EXPECT_EQUAL(copied, 4);
    EXPECT_EQUAL(sim_load32(fixture_page(base, 512)), 43);
    EXPECT_STATUS(mm_cache_zero(file, 30 * PAGE_BYTES, PAGE_BYTES), STATUS_SUCCESS);
    EXPECT_EQUAL(sim_load32(fixture_page(base, 30)), 0);
    EXPECT_STATUS(mm_segment_flush(file, 0, 0), STATUS_SUCCESS);
    EXPECT_EQUAL(disk.words[511], 41);
    EXPECT_EQUAL(disk.words[512], 43);
    EXPECT_EQUAL(disk.words[30], 0);
    fixture_check();
    fixture_end_space(space);
    end_file();
}

TEST("stores: truncation drops pages, dirty or not; growth shows zeroes past the old end")
{
    fixture_boot(16 * MIB, 0, 1);
    struct fixture_usage before = fixture_usage();
    make_file(3 * CHUNK_BYTES);
    mm_section_destroy(&section);
    uint32_t word = 5;
    char bytes[8];
    for (uint32_t page = 0; page < 3 * CHUNK_PAGES; page += 100) {
        EXPECT_STATUS(mm_cache_write(file, page * PAGE_BYTES, &word, 4), STATUS_SUCCESS);
    }
    EXPECT_STATUS(mm_cache_write(file, 100 * PAGE_BYTES + 20, "abcdefgh", 8), STATUS_SUCCESS);
    mm_segment_truncate(file, 100 * PAGE_BYTES + 24);
    EXPECT_EQUAL(mi_dirty_pages(), 2);
    EXPECT_STATUS(mm_cache_read(file, 100 * PAGE_BYTES + 20, bytes, 8), STATUS_SUCCESS);
    EXPECT(memcmp(bytes, "abcd\0\0\0\0", 8) == 0);
    EXPECT_STATUS(mm_cache_read(file, 101 * PAGE_BYTES, bytes, 8), STATUS_INVALID_PARAMETER);
    fixture_check();
    for (uint32_t i = 101; i < DISK_PAGES; i++) {
        disk.words[i] = 0;
    }
    EXPECT_STATUS(mm_segment_extend(file, 40 * (uint64_t)CHUNK_BYTES), STATUS_SUCCESS);
    EXPECT_STATUS(mm_cache_read(file, 101 * PAGE_BYTES, bytes, 4), STATUS_SUCCESS);
    EXPECT(memcmp(bytes, "\0\0\0\0", 4) == 0);
    EXPECT_STATUS(mm_segment_flush(file, 0, 0), STATUS_SUCCESS);
    fixture_check();
    mm_segment_truncate(file, 0);
    EXPECT_EQUAL(mm_segment_is_dirty(file), false);
    mm_segment_unref(file);
    EXPECT_SAME_USAGE(before);
    fixture_check();
}

TEST("stores: what a view stores past the end is not in the file when it grows")
{
    fixture_boot(16 * MIB, 0, 1);
    make_file(PAGE_BYTES + 100);
    struct space *space = fixture_space();
    uaddr_t base = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
    sim_store32((uaddr_t){base.v + PAGE_BYTES + 96}, 1);
    sim_store32((uaddr_t){base.v + PAGE_BYTES + 100}, 2);
    EXPECT_STATUS(mm_segment_extend(file, 2 * PAGE_BYTES), STATUS_SUCCESS);
    EXPECT_EQUAL(sim_load32((uaddr_t){base.v + PAGE_BYTES + 96}), 1);
    EXPECT_EQUAL(sim_load32((uaddr_t){base.v + PAGE_BYTES + 100}), 0);
    fixture_end_space(space);
    end_file();
}

TEST("stores: dirty pages are written after a while, and soon when a process has ended")
{
    fixture_boot(16 * MIB, 0, 1);
    make_file(16 * PAGE_BYTES);
    struct space *space = fixture_space();
    uaddr_t base = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
    sim_store32(fixture_page(base, 1), 31);
    thread_sleep_until(clock_now() + 2000 * NS_PER_MS, false, NULL);
    EXPECT_EQUAL(disk.words[1], 1001);
    thread_sleep_until(clock_now() + 6000 * NS_PER_MS, false, NULL);
    EXPECT_EQUAL(disk.words[1], 31);
    EXPECT_EQUAL(disk.syncs, 1);
    sim_store32(fixture_page(base, 2), 32);
    fixture_end_space(space);
    thread_sleep_until(clock_now() + 100 * NS_PER_MS, false, NULL);
    EXPECT_EQUAL(disk.words[2], 32);
    end_file();
    fixture_check();
}

TEST("stores: dirty data stays bounded while eight times memory is written through a view")
{
    struct sim_disk *swap = fixture_boot_paging(8 * MIB, 1024);
    (void)swap;
    uint32_t most = 0;
    make_file((uint64_t)DISK_PAGES * PAGE_BYTES);
    struct space *space = fixture_space();
    uaddr_t base = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
    for (uint32_t round = 1; round <= 8; round++) {
        for (uint32_t i = 0; i < DISK_PAGES; i++) {
            sim_store32(fixture_page(base, i), round * 10000 + i);
            most = max_u32(most, mi_dirty_pages());
        }
        for (uint32_t i = 0; i < DISK_PAGES; i += 7) {
            EXPECT_EQUAL(sim_load32(fixture_page(base, i)), round * 10000 + i);
        }
    }
    EXPECT(most <= 8 * MIB / PAGE_BYTES / 4);
    EXPECT_STATUS(flush(space, base, 0), STATUS_SUCCESS);
    for (uint32_t i = 0; i < DISK_PAGES; i++) {
        EXPECT_EQUAL(disk.words[i], 80000 + i);
    }
    fixture_end_space(space);
    end_file();
    fixture_check();
}

TEST("stores: a disk that fails every write stops nobody for ever")
{
    (void)fixture_boot_paging(8 * MIB, 1024);
    make_file((uint64_t)DISK_PAGES * PAGE_BYTES);
    struct space *space = fixture_space();
    uaddr_t base = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
    struct fault_report report;
    enum fault_result result = FAULT_DONE;
    uint32_t value = 3;
    disk.write_error = STATUS_IO_DEVICE_ERROR;
    for (uint32_t i = 0; i < DISK_PAGES && result == FAULT_DONE; i++) {
        result = sim_write(fixture_page(base, i), &value, 4, &report);
    }
    EXPECT_EQUAL(result, FAULT_IN_PAGE_ERROR);
    EXPECT_STATUS(report.cause, STATUS_IO_DEVICE_ERROR);
    disk.write_error = STATUS_SUCCESS;
    status_t earlier = mm_segment_flush(file, 0, 0); /* tells of the earlier error */
    (void)earlier;
    EXPECT_STATUS(mm_segment_flush(file, 0, 0), STATUS_SUCCESS);
    sim_store32(fixture_page(base, DISK_PAGES - 1), 4);
    EXPECT_STATUS(flush(space, base, 0), STATUS_SUCCESS);
    EXPECT_EQUAL(disk.words[0], 3);
    EXPECT_EQUAL(disk.words[DISK_PAGES - 1], 4);
    fixture_end_space(space);
    end_file();
    fixture_check();
}

/* The section reaches to so many pages from now on, as it does when its file was extended. */
static void extend_to(uint32_t npages)
{
    REQUIRE(is_success(mm_segment_extend(file, (uint64_t)npages * PAGE_BYTES)));
    section.nbytes = (uint64_t)npages * PAGE_BYTES;
}

static status_t commit(struct space *space, uaddr_t at, uint32_t npages)
{
    uint32_t nbytes = npages * PAGE_BYTES;
    return mm_allocate_virtual(space, &at, &nbytes, 0, MEM_COMMIT, PAGE_READWRITE);
}

TEST("stores: a view that grows shows what was committed, and links a chunk once it is whole")
{
    fixture_boot(16 * MIB, 0, 2);
    make_file(10 * PAGE_BYTES);
    struct space *space = fixture_space();
    struct view_request request = {
        .nbytes = 1100 * PAGE_BYTES, .allocation_type = MEM_RESERVE, .protection = PAGE_READWRITE};
    EXPECT_STATUS(mm_map_view(space, &section, &request), STATUS_INVALID_VIEW_SIZE); /* no room */
    REQUIRE(is_success(mm_segment_make_room(file, 1100 * PAGE_BYTES)));
    REQUIRE(is_success(mm_map_view(space, &section, &request)));
    uaddr_t base = request.base;
    EXPECT_EQUAL(sim_load32(fixture_page(base, 9)), 1009);
    EXPECT_EQUAL(sim_read(fixture_page(base, 10), &(uint32_t){0}, 4, NULL), FAULT_VIOLATION);
    EXPECT_EQUAL(sim_write(fixture_page(base, 1099), &(uint32_t){1}, 4, NULL), FAULT_VIOLATION);
    fixture_check();

    struct section *lacking;
    uint64_t wanted;
    EXPECT(!mm_view_lacks(space, fixture_page(base, 5), 5 * PAGE_BYTES, &lacking, &wanted));
    REQUIRE(mm_view_lacks(space, fixture_page(base, 99), 1, &lacking, &wanted));
    EXPECT(lacking == &section && wanted == 100 * PAGE_BYTES);
    mm_section_release(lacking);
    EXPECT_STATUS(commit(space, fixture_page(base, 99), 1), STATUS_SECTION_NOT_EXTENDED);
    extend_to(100);
    EXPECT_STATUS(commit(space, fixture_page(base, 99), 1), STATUS_SUCCESS);
    EXPECT_EQUAL(sim_load32(fixture_page(base, 50)), 1050);
    sim_store32(fixture_page(base, 99), 5);
    EXPECT_EQUAL(sim_read(fixture_page(base, 100), &(uint32_t){0}, 4, NULL), FAULT_VIOLATION);
    fixture_check();

    struct mm_segment_usage usage;
    extend_to(1100);
    EXPECT_EQUAL(sim_read(fixture_page(base, 512), &(uint32_t){0}, 4, NULL), FAULT_VIOLATION);
    EXPECT_STATUS(commit(space, fixture_page(base, 100), 1000), STATUS_SUCCESS);
    EXPECT_EQUAL(sim_load32(fixture_page(base, 600)), 1600);
    EXPECT_EQUAL(sim_load32(fixture_page(base, 1099)), 2099);
    mm_segment_read_usage(file, &usage);
    EXPECT_EQUAL(usage.linked_chunks, 1); /* the first was filled already, the last is not whole */
    sim_store32(fixture_page(base, 600), 6);
    EXPECT_STATUS(flush(space, base, 0), STATUS_SUCCESS);
    EXPECT(disk.words[99] == 5 && disk.words[600] == 6 && mi_dirty_pages() == 0);
    fixture_check();
    EXPECT_STATUS(mm_unmap_view(space, base), STATUS_SUCCESS);
    fixture_end_space(space);
    end_file();
    fixture_check();
}
