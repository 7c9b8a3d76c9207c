/*
 * tests/host/test_mm_pitfalls.c: mistakes that other memory managers have made in paging, each as
 * the test that would have shown it. docs/testing.md lists them, with those that other tests cover.
 */
#include "kernel/failpoint.h"
#include "mm/link.h"
#include "mm/pagefile.h"
#include "mm/pfn.h"
#include "mm/pool.h"
#include "mm/slots.h"
#include "mm/trim.h"
#include "mm/working_set.h"
#include "tests/host/mm_fixture.h"

/* What is not used goes to the disk: other memory needs all frames for a while. */
static void push_out(struct space *space)
{
    uaddr_t base = fixture_allocate(space, 5000 * PAGE_BYTES, PAGE_READWRITE);
    uint32_t nbytes = 0;
    fixture_fill(base, 5000, 1);
    EXPECT_EQUAL(fixture_count_wrong(base, 5000, 1), 0);
    EXPECT_STATUS(mm_free_virtual(space, &base, &nbytes, MEM_RELEASE), STATUS_SUCCESS);
    fixture_settle();
}

TEST("pitfall: a page-file slot is freed when its page dies, however it does")
{
    (void)fixture_boot_paging(8 * MIB, 8192);
    struct space *space = fixture_space();
    struct section section;
    fixture_section(&section, 200 * PAGE_BYTES);
    uaddr_t base = fixture_allocate(space, 300 * PAGE_BYTES, PAGE_READWRITE);
    uaddr_t view = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
    fixture_fill(base, 300, 7);
    fixture_fill(view, 200, 9);
    push_out(space);
    uint32_t used = mi_slots_used();
    EXPECT(used >= 490 && used <= 510); /* tables too */
    uaddr_t part = base;
    uint32_t nbytes = 100 * PAGE_BYTES;
    EXPECT_STATUS(mm_free_virtual(space, &part, &nbytes, MEM_DECOMMIT), STATUS_SUCCESS);
    EXPECT(used - mi_slots_used() >= 90);
    used = mi_slots_used();
    part = fixture_page(base, 150);
    nbytes = 50 * PAGE_BYTES;
    EXPECT_STATUS(mm_free_virtual(space, &part, &nbytes, MEM_RELEASE), STATUS_SUCCESS);
    EXPECT(used - mi_slots_used() >= 45);
    used = mi_slots_used();
    EXPECT_STATUS(mm_unmap_view(space, view), STATUS_SUCCESS);
    EXPECT(used - mi_slots_used() < 5); /* the section has its contents still */
    mm_section_destroy(&section);
    EXPECT(used - mi_slots_used() >= 190);
    EXPECT(mi_slots_used() > 100);
    fixture_end_space(space);
    fixture_settle();
    EXPECT_EQUAL(mi_slots_used(), 0);
    fixture_check();
}

static uint32_t available(void)
{
    struct mm_frame_counts counts;
    mm_count_frames(&counts);
    return counts.free + counts.zeroed + counts.standby;
}

TEST("pitfall: the balancer keeps going until its target is met, whatever was accessed")
{
    (void)fixture_boot_paging(8 * MIB, 8192);
    struct mm_frame_counts counts;
    mm_count_frames(&counts);
    uint32_t target = 2 * mi_reserve_for(counts.total);
    struct space *space = fixture_space();
    uaddr_t base = fixture_allocate(space, 6000 * PAGE_BYTES, PAGE_READWRITE);
    for (uint32_t round = 0; round < 5; round++) {
        fixture_fill(base, 6000, round);
        fixture_settle();
        EXPECT(available() >= target);
        for (uint32_t i = 0; i < 6000; i++) { /* all that is here is young again */
            const pte_t *table = mi_private_table(space, fixture_page(base, i).v >> CHUNK_SHIFT);
            if (table != NULL &&
                pte_is_valid(
                    pte_read(&table[(fixture_page(base, i).v >> PAGE_SHIFT) % CHUNK_PAGES]))) {
                EXPECT_EQUAL(sim_load32(fixture_page(base, i)), round + i);
            }
        }
    }
    fixture_check();
    fixture_end_space(space);
}

static struct section race_section;
static uint32_t race_wrong;

static void race(void *argument)
{
    struct space *space = argument;
    fixture_enter(space);
    uaddr_t view = fixture_map(space, &race_section, 0, 0, 0, PAGE_READONLY);
    race_wrong += fixture_count_wrong(view, 64, 77);
    fixture_enter(NULL);
}

TEST("pitfall: two processes fault the same absent page at once, three here: each is read once")
{
    (void)fixture_boot_paging(8 * MIB, 8192);
    struct space *spaces[3];
    struct mm_pagefile_usage before, after;
    for (uint32_t i = 0; i < ARRAY_COUNT(spaces); i++) {
        spaces[i] = fixture_space();
    }
    fixture_section(&race_section, 64 * PAGE_BYTES);
    uaddr_t view = fixture_map(spaces[2], &race_section, 0, 0, 0, PAGE_READWRITE);
    fixture_fill(view, 64, 77);
    push_out(spaces[2]);
    mm_read_pagefile_usage(&before);
    race_wrong = 0;
    fixture_enter(NULL);
    for (uint32_t i = 0; i < ARRAY_COUNT(spaces); i++) {
        sim_thread("race", race, spaces[i], PRIORITY_NORMAL);
    }
    sim_join();
    mm_read_pagefile_usage(&after);
    EXPECT_EQUAL(race_wrong, 0);
    EXPECT(after.pages_read - before.pages_read >= 60);
    EXPECT(after.pages_read - before.pages_read <= 64 + 4); /* and tables */
    fixture_check();
    for (uint32_t i = 0; i < ARRAY_COUNT(spaces); i++) {
        fixture_end_space(spaces[i]);
    }
    mm_section_destroy(&race_section);
    EXPECT_EQUAL(mi_slots_used(), 0);
    fixture_check();
}

static void write_modified(void *argument)
{
    uint32_t *written = argument;
    *written = mi_pagefile_write();
}

TEST("pitfall: a page that is stored to while it is being written stays modified")
{
    struct sim_disk *disk = fixture_boot_paging(8 * MIB, 8192);
    struct space *space = fixture_space();
    uaddr_t base = fixture_allocate(space, 8 * PAGE_BYTES, PAGE_READWRITE);
    uint32_t old, written = 0;
    uint32_t nbytes = 8 * PAGE_BYTES;
    fixture_fill(base, 8, 5);
    EXPECT_STATUS(mm_protect_virtual(space, &base, &nbytes, PAGE_NOACCESS, &old), STATUS_SUCCESS);
    EXPECT_STATUS(mm_protect_virtual(space, &base, &nbytes, PAGE_READWRITE, &old), STATUS_SUCCESS);
    sim_thread("writer", write_modified, &written, PRIORITY_NORMAL);
    while (sim_disk_is_idle(disk)) {
        thread_yield();
    }
    fixture_fill(base, 3, 500); /* on their way now */
    sim_join();
    EXPECT(written >= 5);
    for (uint32_t i = 0; i < 8; i++) {
        EXPECT_EQUAL(sim_load32(fixture_page(base, i)), (i < 3 ? 500 : 5) + i);
        pte_t *table = mi_private_table(space, base.v >> CHUNK_SHIFT);
        pfn_t frame =
            pte_frame(pte_read(&table[(fixture_page(base, i).v >> PAGE_SHIFT) % CHUNK_PAGES]));
        EXPECT((mi_pfn(frame)->original == 0) == (i < 3));
    }
    EXPECT_EQUAL(mi_slots_used(), 5);
    fixture_check();
    push_out(space);
    EXPECT_EQUAL(fixture_count_wrong(base, 3, 500), 0);
    EXPECT_EQUAL(fixture_count_wrong(fixture_page(base, 3), 5, 8), 0);
    fixture_check();
    fixture_end_space(space);
}

/* How many of the entries of [base, base + npages) are valid, and how many of those accessed. */
static void count_entries(const struct space *space, uaddr_t base, uint32_t npages, uint32_t *valid,
                          uint32_t *accessed)
{
    *valid = *accessed = 0;
    for (uint32_t i = 0; i < npages; i++) {
        const pte_t *table = mi_private_table(space, fixture_page(base, i).v >> CHUNK_SHIFT);
        REQUIRE(table != NULL);
        pte_t value = pte_read(&table[(fixture_page(base, i).v >> PAGE_SHIFT) % CHUNK_PAGES]);
        *valid += pte_is_valid(value);
        *accessed += pte_is_valid(value) && (value.v & PTE_ACCESSED) != 0;
    }
}

TEST("pitfall: fault-around maps its pages as not accessed")
{
    (void)fixture_boot_paging(8 * MIB, 8192);
    struct space *space = fixture_space();
    struct section section;
    uint32_t valid, accessed;
    fixture_section(&section, 16 * PAGE_BYTES);
    uaddr_t writer = fixture_map(space, &section, 0x20010000u, 0, 0, PAGE_READWRITE);
    fixture_fill(writer, 16, 3);
    uaddr_t view = fixture_map(space, &section, 0x30010000u, 0, 0, PAGE_READWRITE);
    EXPECT_EQUAL(sim_load32(fixture_page(view, 5)), 8);
    count_entries(space, view, 16, &valid, &accessed);
    EXPECT_EQUAL(valid, 16); /* filled around */
    EXPECT_EQUAL(accessed, 1);
    uaddr_t base = fixture_allocate(space, 64 * PAGE_BYTES, PAGE_READWRITE);
    fixture_fill(base, 64, 4);
    push_out(space);
    uint32_t touched = 0;
    do { /* in order: more is read with each request */
        EXPECT_EQUAL(sim_load32(fixture_page(base, touched)), 4 + touched);
        touched++;
        count_entries(space, base, 64, &valid, &accessed);
        EXPECT_EQUAL(accessed, touched);
    } while (valid < touched + 8);
    fixture_check();
    fixture_end_space(space);
    mm_section_destroy(&section);
}

TEST("pitfall: counter saturation (65 536 handles, views, references): one page in more views")
{
    enum { SPACES = 3, VIEWS = 23000 };
    fixture_boot(128 * MIB, 0, 1);
    fixture_settle();
    struct fixture_usage before = fixture_usage();
    struct section section;
    struct space *spaces[SPACES];
    fixture_section(&section, PAGE_BYTES);
    for (uint32_t s = 0; s < SPACES; s++) {
        spaces[s] = fixture_space();
        for (uint32_t i = 0; i < VIEWS; i++) {
            uaddr_t view = {0x10010000u + i * 0x10000u};
            (void)fixture_map(spaces[s], &section, view.v, 0, 0, PAGE_READWRITE);
            EXPECT_EQUAL(sim_load32(view), s * VIEWS + i);
            sim_store32(view, s * VIEWS + i + 1);
        }
    }
    const pte_t *table = mi_private_table(spaces[0], 0x10010000u >> CHUNK_SHIFT);
    REQUIRE(table != NULL);
    pte_t value = pte_read(&table[(0x10010000u >> PAGE_SHIFT) % CHUNK_PAGES]);
    /* Where a view began a slot it was linked, until the next one came into the slot. */
    EXPECT(mi_pfn(pte_frame(value))->use.shares > 65536 + 1000);
    for (uint32_t s = 0; s < SPACES; s++) {
        fixture_end_space(spaces[s]);
    }
    mm_section_destroy(&section);
    fixture_check();
    EXPECT_SAME_USAGE(before);
}

/* ---- what leaves ---- */

TEST("pitfall: purge or trim drops only clean pages")
{
    enum { PAGES = 100, DIRTY = 30 };
    static struct fixture_file file;
    struct section memory, view_of_file;
    (void)fixture_boot_paging(8 * MIB, 8192);
    struct space *space = fixture_space();
    fixture_written_file(&file, PAGES);
    file.write_error = STATUS_IO_DEVICE_ERROR; /* what is dirty stays so */
    EXPECT_STATUS(mm_section_create_file(&view_of_file, file.segment, PAGES * PAGE_BYTES, 0,
                                         PAGE_READWRITE, SEC_COMMIT),
                  STATUS_SUCCESS);
    fixture_section(&memory, PAGES * PAGE_BYTES);
    uaddr_t own = fixture_allocate(space, PAGES * PAGE_BYTES, PAGE_READWRITE);
    uaddr_t shared = fixture_map(space, &memory, 0, 0, 0, PAGE_READWRITE);
    uaddr_t mapped = fixture_map(space, &view_of_file, 0, 0, 0, PAGE_READWRITE);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < PAGES; i++) {
            (void)sim_load32(fixture_page(mapped, i));
        }
        fixture_fill(own, PAGES, 100 * round);
        fixture_fill(shared, PAGES, 200 * round);
        fixture_fill(mapped, DIRTY, 300 * round);
        uint32_t read = file.pages_read;
        mm_empty_working_set(space);
        push_out(space);
        mi_purge_standby();
        fixture_check();
        EXPECT_EQUAL(fixture_count_wrong(own, PAGES, 100 * round), 0);
        EXPECT_EQUAL(fixture_count_wrong(shared, PAGES, 200 * round), 0);
        EXPECT_EQUAL(fixture_count_wrong(mapped, DIRTY, 300 * round), 0);
        EXPECT_EQUAL(file.pages_read, read); /* the dirty ones had to stay */
        for (uint32_t i = DIRTY; i < PAGES; i++) {
            EXPECT_EQUAL(sim_load32(fixture_page(mapped, i)), fixture_word(i * PAGE_BYTES));
        }
        EXPECT_EQUAL(file.pages_read, read + PAGES - DIRTY); /* the others had gone */
    }
    file.write_error = STATUS_SUCCESS;
    fixture_end_space(space);
    mm_section_destroy(&memory);
    mm_section_destroy(&view_of_file);
    mm_segment_unref(file.segment);
    fixture_settle();
    fixture_check();
}

TEST("pitfall: swap on a device that needs memory to write: nothing on the way asks for any")
{
    enum { PAGES = 6000 };
    (void)fixture_boot_paging(8 * MIB, 8192);
    struct space *space = fixture_space();
    struct mm_pagefile_usage usage;
    uaddr_t base = fixture_allocate(space, PAGES * PAGE_BYTES, PAGE_READWRITE);
    (void)failpoint_arm(FAILPOINT_ALLOCATION, 1);
    (void)failpoint_arm(FAILPOINT_CHARGE, 1);
    for (uint32_t round = 0; round < 2; round++) {
        fixture_fill(base, PAGES, round);
        EXPECT_EQUAL(fixture_count_wrong(base, PAGES, round), 0);
    }
    fixture_settle();
    mm_read_pagefile_usage(&usage);
    EXPECT(usage.pages_written > PAGES && usage.pages_read > PAGES);
    EXPECT(mm_allocate(16) == NULL); /* the first that was asked for */
    uaddr_t more = {0};
    uint32_t nbytes = PAGE_BYTES;
    EXPECT_STATUS(
        mm_allocate_virtual(space, &more, &nbytes, 0, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE),
        STATUS_COMMITMENT_LIMIT);
    fixture_end_space(space);
    fixture_settle();
    fixture_check();
}

/* ---- the least memory ---- */

#define SPARSE_SLOTS 300u /* a page in each: so many tables, too */

static struct space *sparse_spaces[2];
static uint32_t sparse_wrong;

static uaddr_t sparse_page(uint32_t i)
{
    return (uaddr_t){0x10000000u + i * CHUNK_BYTES + i % 16 * 0x10000u};
}

static void touch_sparse(void *argument)
{
    uint32_t n = (uint32_t)(uintptr_t)argument;
    fixture_enter(sparse_spaces[n]);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < SPARSE_SLOTS; i++) {
            sparse_wrong += round != 0 && sim_load32(sparse_page(i)) != n + i + round - 1;
            sim_store32(sparse_page(i), n + i + round);
        }
    }
    fixture_enter(NULL);
}

TEST("pitfall: page-out with no free frame, also when a page table must be brought in")
{
    (void)fixture_boot_paging(2 * MIB, 8192);
    for (uint32_t n = 0; n < 2; n++) {
        sparse_spaces[n] = fixture_space();
        for (uint32_t i = 0; i < SPARSE_SLOTS; i++) {
            uaddr_t page = sparse_page(i);
            uint32_t nbytes = PAGE_BYTES;
            EXPECT_STATUS(mm_allocate_virtual(sparse_spaces[n], &page, &nbytes, 0,
                                              MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE),
                          STATUS_SUCCESS);
        }
    }
    struct mm_charges charges;
    mm_read_charges(&charges);
    while (charges.resident_available > 20) { /* what cannot leave takes the rest */
        REQUIRE(!pfn_is_none(mm_take_kernel_frame()));
        mm_read_charges(&charges);
    }
    fixture_enter(NULL);
    for (uintptr_t n = 0; n < 2; n++) {
        sim_thread("sparse", touch_sparse, (void *)n, PRIORITY_NORMAL);
    }
    sim_join();
    EXPECT_EQUAL(sparse_wrong, 0);
    EXPECT(sparse_spaces[0]->table_pages + sparse_spaces[1]->table_pages < SPARSE_SLOTS);
    fixture_check();
}

/* ---- stale translations ---- */

static uaddr_t stored_page;
static bool storing_ends;
static uint32_t nstores;

static void store_all_the_time(void *argument)
{
    fixture_enter(argument);
    while (!storing_ends) {
        sim_store32(stored_page, ++nstores);
        sim_poll();
    }
    fixture_enter(NULL);
}

/* Takes the page out of the table and has it written. */
static uint32_t write_out(struct space *space)
{
    mutex_lock(&space->lock);
    mi_evict_pages(space, stored_page.v >> PAGE_SHIFT, stored_page.v >> PAGE_SHIFT);
    mutex_unlock(&space->lock);
    uint32_t written = mi_pagefile_write();
    mi_purge_standby();
    return written;
}

TEST("pitfall: a dirty page is never written while a CPU's TLB can still let a store through")
{
    fixture_boot_explored(16 * MIB, 1, 2);
    struct sim_disk *disk = sim_disk_memory(100 * (PAGE_BYTES / 512u));
    struct pagefile_extent extent = {0, 100};
    REQUIRE(is_success(mm_pagefile_open(&disk->device, &extent, 1)));
    struct space *space = fixture_space();
    stored_page = fixture_allocate(space, PAGE_BYTES, PAGE_READWRITE);
    fixture_enter(NULL);
    sim_thread("storer", store_all_the_time, space, PRIORITY_NORMAL);
    uint32_t written = 0;
    for (uint32_t i = 0; i < 60; i++) {
        uint32_t before = nstores;
        while (nstores == before) { /* another CPU's TLB knows the page */
            sim_poll();
        }
        written += write_out(space);
    }
    storing_ends = true;
    sim_join();
    EXPECT(written > 10);
    fixture_enter(space);
    EXPECT_EQUAL(sim_load32(stored_page), nstores);
    (void)write_out(space);
    EXPECT_EQUAL(sim_load32(stored_page), nstores); /* from the disk */
    fixture_end_space(space);
    fixture_check();
}
