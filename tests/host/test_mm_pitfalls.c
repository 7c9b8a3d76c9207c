/*
 * tests/host/test_mm_pitfalls.c: mistakes that other memory managers have made in paging, each as
 * the test that would have shown it. docs/testing.md lists them, with those that other tests cover.
 */
#include "mm/link.h"
#include "mm/pagefile.h"
#include "mm/pfn.h"
#include "mm/slots.h"
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

TEST("pitfall: a slot is freed when its page dies, however it does")
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

TEST("pitfall: the balancer goes on until its target is met, whatever was accessed")
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

TEST("pitfall: processes that fault the same absent pages at once read each of them once")
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

TEST("pitfall: pages that come along with a fault do not count as accessed")
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

TEST("pitfall: one page that more than 65536 views show")
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
