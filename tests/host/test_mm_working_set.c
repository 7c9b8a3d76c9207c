/*
 * tests/host/test_mm_working_set.c: the limits of working sets: whom trimming spares and whom it
 * takes first, hard limits and their charge, and emptying.
 */
#include "mm/frame.h"
#include "mm/link.h"
#include "mm/lock.h"
#include "mm/pagefile.h"
#include "mm/slots.h"
#include "mm/trim.h"
#include "mm/working_set.h"
#include "tests/host/mm_fixture.h"

/* A space with NPAGES of filled private memory. */
static struct space *filled_space(uint32_t npages, uint32_t value, uaddr_t *base)
{
    struct space *space = fixture_space();
    *base = fixture_allocate(space, npages * PAGE_BYTES, PAGE_READWRITE);
    fixture_fill(*base, npages, value);
    return space;
}

static status_t set_limits(struct space *space, uint32_t minimum, uint32_t maximum)
{
    struct mm_working_set_limits limits = {.minimum_pages = minimum, .maximum_pages = maximum};
    return mm_set_working_set_limits(space, &limits);
}

TEST("working set: limits out of range are refused or adjusted")
{
    fixture_boot(8 * MIB, 0, 1);
    struct space *space = fixture_space();
    struct mm_working_set_limits limits;
    mm_read_working_set_limits(space, &limits);
    EXPECT_EQUAL(limits.minimum_pages, 50);
    EXPECT_EQUAL(limits.maximum_pages, 345);
    EXPECT(!limits.hard_minimum && !limits.hard_maximum);
    EXPECT_STATUS(set_limits(space, 100, 99), STATUS_BAD_WORKING_SET_LIMIT);
    EXPECT_STATUS(set_limits(space, 1, 2), STATUS_WORKING_SET_LIMIT_RANGE);
    mm_read_working_set_limits(space, &limits);
    EXPECT_EQUAL(limits.minimum_pages, WORKING_SET_MINIMUM_PAGES);
    EXPECT_EQUAL(limits.maximum_pages, WORKING_SET_MINIMUM_PAGES);
    EXPECT_STATUS(set_limits(space, 100, 1000000), STATUS_WORKING_SET_LIMIT_RANGE);
    mm_read_working_set_limits(space, &limits);
    EXPECT(limits.maximum_pages < 8 * MIB / PAGE_BYTES);
    EXPECT_STATUS(set_limits(space, 3000, 1000000), STATUS_INSUFFICIENT_RESOURCES);
    EXPECT_STATUS(set_limits(space, 60, 100), STATUS_SUCCESS);
    uaddr_t base = fixture_allocate(space, 52 * PAGE_BYTES, PAGE_READWRITE);
    uint32_t nbytes = 52 * PAGE_BYTES;
    EXPECT_STATUS(mm_lock_virtual(space, &base, &nbytes), STATUS_SUCCESS);
    EXPECT_STATUS(set_limits(space, 59, 100), STATUS_BAD_WORKING_SET_LIMIT);
    EXPECT_STATUS(set_limits(space, 60, 60), STATUS_SUCCESS);
    fixture_check();
    fixture_end_space(space);
}

TEST("working set: a lower maximum takes pages out at once, not accessed ones first")
{
    (void)fixture_boot_paging(8 * MIB, 8192);
    uaddr_t base;
    struct space *space = filled_space(300, 5, &base);
    EXPECT_STATUS(set_limits(space, 20, 250), STATUS_SUCCESS);
    EXPECT_EQUAL(space->private_pages, 250);
    EXPECT_STATUS(set_limits(space, 20, 400), STATUS_SUCCESS);
    EXPECT_EQUAL(fixture_count_wrong(base, 300, 5), 0);
    EXPECT_EQUAL(space->private_pages, 300);
    fixture_check();
    EXPECT_STATUS(set_limits(space, 20, 100), STATUS_SUCCESS);
    EXPECT_EQUAL(space->private_pages, 100);
    fixture_settle();
    fixture_check();
    EXPECT_EQUAL(fixture_count_wrong(base, 300, 5), 0);
    fixture_end_space(space);
}

TEST("working set: a hard maximum holds while the process touches more, and data stays right")
{
    (void)fixture_boot_paging(8 * MIB, 8192);
    struct space *space = fixture_space();
    struct mm_working_set_limits limits = {
        .minimum_pages = 20, .maximum_pages = 64, .hard_maximum = true};
    EXPECT_STATUS(mm_set_working_set_limits(space, &limits), STATUS_SUCCESS);
    uaddr_t base = fixture_allocate(space, 500 * PAGE_BYTES, PAGE_READWRITE);
    for (uint32_t i = 0; i < 500; i++) {
        sim_store32(fixture_page(base, i), 9 + i);
        EXPECT(space->private_pages <= 64);
    }
    EXPECT_EQUAL(fixture_count_wrong(base, 500, 9), 0);
    EXPECT(space->private_pages <= 64);
    EXPECT_EQUAL(mi_slots_used(), 0); /* memory is not short: nothing had to be written */
    fixture_check();
    limits.hard_maximum = false;
    EXPECT_STATUS(mm_set_working_set_limits(space, &limits), STATUS_SUCCESS);
    EXPECT_EQUAL(fixture_count_wrong(base, 500, 9), 0);
    EXPECT_EQUAL(space->private_pages, 500);
    fixture_end_space(space);
    fixture_check();
}

TEST("working set: who is above its own maximum gives pages before others, whatever is accessed")
{
    (void)fixture_boot_paging(8 * MIB, 8192);
    uaddr_t idle_base;
    uaddr_t large_base;
    struct space *idle = filled_space(400, 1, &idle_base); /* never touched again */
    struct space *large = filled_space(200, 2, &large_base);
    EXPECT_STATUS(set_limits(large, 20, 500), STATUS_SUCCESS);
    uaddr_t base = fixture_allocate(large, 900 * PAGE_BYTES, PAGE_READWRITE);
    fixture_fill(base, 900, 3);
    EXPECT_EQUAL(large->private_pages, 1100); /* a soft maximum: memory is not short yet */
    fixture_fill(fixture_allocate(large, 500 * PAGE_BYTES, PAGE_READWRITE), 500, 4);
    fixture_settle();
    EXPECT(large->private_pages < 900); /* down to 500, and what it touched after that */
    EXPECT_EQUAL(idle->private_pages, 400);
    fixture_check();
    EXPECT_EQUAL(fixture_count_wrong(base, 900, 3), 0);
    fixture_enter(idle);
    EXPECT_EQUAL(fixture_count_wrong(idle_base, 400, 1), 0);
    fixture_end_space(idle);
    fixture_end_space(large);
}

/* What an idle space keeps while another fills more than RAM. */
static uint32_t kept_by(const struct mm_working_set_limits *limits)
{
    (void)fixture_boot_paging(8 * MIB, 8192);
    uaddr_t idle_base;
    struct space *idle = filled_space(300, 1, &idle_base);
    if (limits != NULL) {
        EXPECT_STATUS(mm_set_working_set_limits(idle, limits), STATUS_SUCCESS);
    }
    struct space *busy = fixture_space();
    uaddr_t base = fixture_allocate(busy, 4000 * PAGE_BYTES, PAGE_READWRITE);
    fixture_fill(base, 4000, 2);
    EXPECT_EQUAL(fixture_count_wrong(base, 4000, 2), 0);
    fixture_settle();
    uint32_t kept = idle->private_pages;
    fixture_check();
    fixture_enter(idle);
    EXPECT_EQUAL(fixture_count_wrong(idle_base, 300, 1), 0);
    fixture_end_space(idle);
    fixture_end_space(busy);
    fixture_settle();
    EXPECT_EQUAL(mi_slots_used(), 0);
    fixture_check();
    return kept;
}

/* How many of two spaces' idle pages are left after the hand came by some times; the second
 * faults meanwhile, NFAULTS times between two turns, on pages that it gives back at once. */
static void trim_two(uint32_t nfaults, uint32_t left[2])
{
    enum { PAGES = 1200, CALLS = 6 };
    struct space *spaces[2];
    uaddr_t bases[2];
    for (uint32_t i = 0; i < 2; i++) {
        spaces[i] = filled_space(PAGES, i, &bases[i]);
        fixture_chill(spaces[i], bases[i], PAGES);
    }
    for (uint32_t call = 0; call < CALLS; call++) {
        fixture_enter(spaces[1]);
        uaddr_t more = fixture_allocate(spaces[1], 200 * PAGE_BYTES, PAGE_READWRITE);
        uint32_t nbytes = 0;
        fixture_fill(more, nfaults, 9);
        EXPECT_STATUS(mm_free_virtual(spaces[1], &more, &nbytes, MEM_RELEASE), STATUS_SUCCESS);
        mi_wait_with_lock(NULL);
    }
    for (uint32_t i = 0; i < 2; i++) {
        left[i] = spaces[i]->private_pages;
    }
    for (uint32_t i = 0; i < 2; i++) {
        fixture_enter(spaces[i]);
        EXPECT_EQUAL(fixture_count_wrong(bases[i], PAGES, i), 0);
        fixture_end_space(spaces[i]);
    }
    fixture_check();
}

TEST("working set: trimming is driven by the rate of faults: who faults a lot gives half as much")
{
    uint32_t left[2];
    (void)fixture_boot_paging(16 * MIB, 8192);
    trim_two(0, left);
    EXPECT(left[0] < 1000 && left[0] < left[1] + 150 && left[1] < left[0] + 150);
    trim_two(200, left);
    EXPECT(left[0] < 1000 && left[1] > left[0] + 150);
    EXPECT((1200 - left[0]) * 10 > (1200 - left[1]) * 15);
}

TEST("working set: an idle process keeps its default minimum while a large one has pages to give")
{
    uint32_t kept = kept_by(NULL);
    EXPECT(kept >= 30 && kept < 60); /* on so small a machine a 64th of it */
}

TEST("working set: an idle process keeps the minimum that it has set")
{
    uint32_t kept =
        kept_by(&(struct mm_working_set_limits){.minimum_pages = 200, .maximum_pages = 345});
    EXPECT(kept >= 200 && kept < 260);
}

TEST("working set: a soft minimum gives way when nobody else has pages, a hard one does not")
{
    (void)fixture_boot_paging(8 * MIB, 8192);
    fixture_settle();
    struct fixture_usage before = fixture_usage();
    struct space *spaces[6];
    uaddr_t bases[6];
    struct mm_working_set_limits limits = {.minimum_pages = 400, .maximum_pages = 500};
    for (uint32_t i = 0; i < 6; i++) {
        spaces[i] = fixture_space();
        limits.hard_minimum = i == 0;
        EXPECT_STATUS(mm_set_working_set_limits(spaces[i], &limits), STATUS_SUCCESS);
        bases[i] = fixture_allocate(spaces[i], 400 * PAGE_BYTES, PAGE_READWRITE);
        fixture_fill(bases[i], 400, i);
    }
    fixture_settle();
    fixture_check();
    EXPECT_EQUAL(spaces[0]->private_pages, 400);
    uint32_t others = 0;
    for (uint32_t i = 1; i < 6; i++) {
        others += spaces[i]->private_pages;
    }
    EXPECT(others < 5 * 300); /* six times 400 is more than RAM */
    for (uint32_t i = 0; i < 6; i++) {
        fixture_enter(spaces[i]);
        EXPECT_EQUAL(fixture_count_wrong(bases[i], 400, i), 0);
        fixture_end_space(spaces[i]);
    }
    fixture_settle();
    fixture_check();
    EXPECT_SAME_USAGE(before);
}

TEST("working set: a hard minimum is charged as resident, refused beyond, and given back")
{
    (void)fixture_boot_paging(8 * MIB, 8192);
    struct space *space = fixture_space();
    struct mm_charges before;
    struct mm_charges after;
    mm_read_charges(&before);
    struct mm_working_set_limits limits = {
        .minimum_pages = 300, .maximum_pages = 900, .hard_minimum = true};
    EXPECT_STATUS(mm_set_working_set_limits(space, &limits), STATUS_SUCCESS);
    mm_read_charges(&after);
    EXPECT_EQUAL(before.resident_available - after.resident_available, 300);
    fixture_check();
    limits.minimum_pages = limits.maximum_pages = before.resident_available + 1;
    EXPECT_STATUS(mm_set_working_set_limits(space, &limits), STATUS_INSUFFICIENT_RESOURCES);
    mm_read_working_set_limits(space, &limits);
    EXPECT_EQUAL(limits.minimum_pages, 300);
    limits.minimum_pages = 100;
    EXPECT_STATUS(mm_set_working_set_limits(space, &limits), STATUS_SUCCESS);
    mm_read_charges(&after);
    EXPECT_EQUAL(before.resident_available - after.resident_available, 100);
    limits.hard_minimum = false;
    EXPECT_STATUS(mm_set_working_set_limits(space, &limits), STATUS_SUCCESS);
    mm_read_charges(&after);
    EXPECT_EQUAL(before.resident_available, after.resident_available);
    limits.hard_minimum = true;
    EXPECT_STATUS(mm_set_working_set_limits(space, &limits), STATUS_SUCCESS);
    fixture_check();
    fixture_end_space(space);
    mm_read_charges(&after);
    EXPECT(after.resident_available >= before.resident_available);
    fixture_check();
}

TEST("working set: emptied, all comes back by fault; locked pages stay")
{
    (void)fixture_boot_paging(8 * MIB, 8192);
    struct section section;
    fixture_section(&section, 4 * MIB);
    uaddr_t base;
    struct space *space = filled_space(100, 1, &base);
    uaddr_t linked = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
    uaddr_t filled = fixture_map(space, &section, 0x50010000u, 0x10000, 0x20000, PAGE_READWRITE);
    uaddr_t copy = fixture_map(space, &section, 0x60010000u, 0x10000, 0x20000, PAGE_WRITECOPY);
    fixture_fill(linked, 40, 2);
    EXPECT_EQUAL(sim_load32(filled), 2 + 16);
    EXPECT_EQUAL(sim_load32(copy), 2 + 16);
    sim_store32(fixture_page(copy, 1), 77);
    sim_store32(fixture_page(filled, 2), 78);
    uaddr_t part = base;
    uint32_t nbytes = 5 * PAGE_BYTES;
    EXPECT_STATUS(mm_lock_virtual(space, &part, &nbytes), STATUS_SUCCESS);
    part = filled;
    nbytes = PAGE_BYTES;
    EXPECT_STATUS(mm_lock_virtual(space, &part, &nbytes), STATUS_SUCCESS);
    mm_empty_working_set(space);
    EXPECT_EQUAL(space->private_pages, 5);
    EXPECT(pte_is_empty(pte_read(mi_directory_entry(space, linked.v >> CHUNK_SHIFT))));
    EXPECT(!sim_probe(fixture_page(base, 5), ACCESS_READ));
    EXPECT(sim_probe(fixture_page(base, 4), ACCESS_READ));
    EXPECT(!sim_probe(linked, ACCESS_READ));
    EXPECT(!sim_probe(copy, ACCESS_READ));
    EXPECT(!sim_probe(fixture_page(copy, 1), ACCESS_READ));
    EXPECT(!sim_probe(fixture_page(filled, 2), ACCESS_READ));
    EXPECT(sim_probe(filled, ACCESS_READ));
    fixture_check();
    EXPECT_EQUAL(fixture_count_wrong(base, 100, 1), 0);
    EXPECT_EQUAL(sim_load32(fixture_page(linked, 18)), 78);
    EXPECT_EQUAL(sim_load32(fixture_page(filled, 2)), 78);
    EXPECT_EQUAL(sim_load32(fixture_page(copy, 1)), 77);
    EXPECT_EQUAL(sim_load32(copy), 18);
    EXPECT(pde_is_linked(pte_read(mi_directory_entry(space, linked.v >> CHUNK_SHIFT))));
    EXPECT_EQUAL(fixture_count_wrong(linked, 18, 2), 0);
    fixture_check();
    fixture_settle();
    mm_empty_working_set(space);
    fixture_settle();
    fixture_check();
    fixture_end_space(space);
    mm_section_destroy(&section);
}

TEST("working set: unlocking what is not locked takes it out of the working set")
{
    (void)fixture_boot_paging(8 * MIB, 8192);
    uaddr_t base;
    struct space *space = filled_space(20, 1, &base);
    uint32_t nbytes = 3 * PAGE_BYTES;
    uaddr_t part = base;
    EXPECT_STATUS(mm_lock_virtual(space, &part, &nbytes), STATUS_SUCCESS);
    nbytes = 10 * PAGE_BYTES;
    EXPECT_STATUS(mm_unlock_virtual(space, &part, &nbytes), STATUS_NOT_LOCKED);
    EXPECT_EQUAL(space->locked_pages, 3);
    EXPECT_EQUAL(space->private_pages, 13);
    fixture_check();
    EXPECT_EQUAL(fixture_count_wrong(base, 20, 1), 0);
    fixture_end_space(space);
}
