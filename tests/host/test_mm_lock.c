/*
 * tests/host/test_mm_lock.c: locked pages: they stay in their frames while everything else is
 * evicted; how locks are taken, refused and taken back, with the charges exact.
 */
#include "kernel/failpoint.h"
#include "mm/link.h"
#include "mm/lock.h"
#include "mm/locked.h"
#include "mm/pagefile.h"
#include "mm/slots.h"
#include "tests/host/mm_fixture.h"

#define LOCKABLE 42u /* of the default minimum of 50 pages */

static status_t lock(struct space *space, uaddr_t base, uint32_t nbytes)
{
    return mm_lock_virtual(space, &base, &nbytes);
}

static status_t unlock(struct space *space, uaddr_t base, uint32_t nbytes)
{
    return mm_unlock_virtual(space, &base, &nbytes);
}

static status_t protect(struct space *space, uaddr_t base, uint32_t nbytes, uint32_t protection)
{
    uint32_t old;
    return mm_protect_virtual(space, &base, &nbytes, protection, &old);
}

/* The entry of the space's own for ADDRESS. */
static pte_t *entry_of(const struct space *space, uaddr_t address)
{
    pte_t *table = mi_private_table(space, address.v >> CHUNK_SHIFT);
    REQUIRE(table != NULL);
    return &table[(address.v >> PAGE_SHIFT) % CHUNK_PAGES];
}

/* The frame that a page shows, or PFN_NONE; its table may have left, too. */
static pfn_t frame_of_page(const struct space *space, uaddr_t address)
{
    if (mi_private_table(space, address.v >> CHUNK_SHIFT) == NULL) {
        return PFN_NONE;
    }
    pte_t value = pte_read(entry_of(space, address));
    return pte_is_valid(value) ? pte_frame(value) : PFN_NONE;
}

/* Fills NPAGES of new private memory and reads them back: whatever may leave, leaves. */
static uaddr_t push_out(struct space *space, uint32_t npages)
{
    uaddr_t base = fixture_allocate(space, npages * PAGE_BYTES, PAGE_READWRITE);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < npages; i++) {
            sim_store32(fixture_page(base, i), i + round);
        }
        for (uint32_t i = 0; i < npages; i++) {
            EXPECT_EQUAL(sim_load32(fixture_page(base, i)), i + round);
        }
    }
    return base;
}

TEST("lock: locked private pages keep their frames while three times the RAM passes through it")
{
    (void)fixture_boot_paging(8 * MIB, 8192);
    fixture_settle();
    struct fixture_usage before = fixture_usage();
    struct space *space = fixture_space();
    uaddr_t base = fixture_allocate(space, 80 * PAGE_BYTES, PAGE_READWRITE);
    pfn_t frames[40];
    for (uint32_t i = 0; i < 80; i++) {
        sim_store32(fixture_page(base, i), 1000 + i);
    }
    EXPECT_STATUS(lock(space, base, 40 * PAGE_BYTES), STATUS_SUCCESS);
    for (uint32_t i = 0; i < 40; i++) {
        frames[i] = frame_of_page(space, fixture_page(base, i));
        EXPECT(!pfn_is_none(frames[i]));
    }
    push_out(space, 5000);
    fixture_settle();
    uint32_t stayed = 0;
    for (uint32_t i = 0; i < 80; i++) {
        pfn_t frame = frame_of_page(space, fixture_page(base, i));
        EXPECT(i >= 40 || pfn_equal(frame, frames[i]));
        stayed += i >= 40 && !pfn_is_none(frame);
    }
    EXPECT(stayed < 4);
    uint64_t faults = sim_fault_count();
    for (uint32_t i = 0; i < 40; i++) {
        EXPECT_EQUAL(sim_load32(fixture_page(base, i)), 1000 + i);
    }
    EXPECT_EQUAL(sim_fault_count(), faults);
    fixture_check();
    EXPECT_STATUS(unlock(space, base, 40 * PAGE_BYTES), STATUS_SUCCESS);
    fixture_check();
    push_out(space, 2000);
    fixture_settle();
    stayed = 0;
    for (uint32_t i = 0; i < 40; i++) {
        stayed += !pfn_is_none(frame_of_page(space, fixture_page(base, i)));
    }
    EXPECT(stayed < 4);
    for (uint32_t i = 0; i < 80; i++) {
        EXPECT_EQUAL(sim_load32(fixture_page(base, i)), 1000 + i);
    }
    fixture_check();
    fixture_end_space(space);
    fixture_settle();
    fixture_check();
    EXPECT_EQUAL(mi_slots_used(), 0);
    EXPECT_SAME_USAGE(before);
}

TEST("lock: pages that are out are brought in, and locks are not counted")
{
    (void)fixture_boot_paging(8 * MIB, 8192);
    struct space *space = fixture_space();
    uaddr_t base = fixture_allocate(space, 16 * PAGE_BYTES, PAGE_READWRITE);
    for (uint32_t i = 0; i < 16; i++) {
        sim_store32(fixture_page(base, i), 7 + i);
    }
    push_out(space, 3000);
    fixture_settle();
    EXPECT(pfn_is_none(frame_of_page(space, base)));
    uaddr_t part = {base.v + PAGE_BYTES + 123};
    uint32_t nbytes = 4 * PAGE_BYTES;
    EXPECT_STATUS(mm_lock_virtual(space, &part, &nbytes), STATUS_SUCCESS);
    EXPECT_EQUAL(part.v, base.v + PAGE_BYTES);
    EXPECT_EQUAL(nbytes, 5 * PAGE_BYTES); /* the last byte's page, too */
    EXPECT_EQUAL(space->locked_pages, 5);
    EXPECT_STATUS(lock(space, base, 4 * PAGE_BYTES), STATUS_WAS_LOCKED);
    EXPECT_STATUS(lock(space, base, 4 * PAGE_BYTES), STATUS_WAS_LOCKED);
    EXPECT_EQUAL(space->locked_pages, 6);
    fixture_check();
    EXPECT_STATUS(unlock(space, base, 7 * PAGE_BYTES), STATUS_NOT_LOCKED);
    EXPECT_EQUAL(space->locked_pages, 6);
    EXPECT_STATUS(unlock(space, fixture_page(base, 2), 1), STATUS_SUCCESS);
    EXPECT_STATUS(unlock(space, fixture_page(base, 2), 1), STATUS_NOT_LOCKED);
    EXPECT_STATUS(unlock(space, fixture_page(base, 0), 3 * PAGE_BYTES), STATUS_NOT_LOCKED);
    EXPECT_STATUS(unlock(space, fixture_page(base, 0), 2 * PAGE_BYTES), STATUS_SUCCESS);
    EXPECT_STATUS(unlock(space, fixture_page(base, 3), 3 * PAGE_BYTES), STATUS_SUCCESS);
    EXPECT_EQUAL(space->locked_pages, 0);
    EXPECT_STATUS(unlock(space, (uaddr_t){0x60000000}, 1), STATUS_NOT_LOCKED);
    fixture_check();
    for (uint32_t i = 0; i < 16; i++) {
        EXPECT_EQUAL(sim_load32(fixture_page(base, i)), 7 + i);
    }
    fixture_end_space(space);
}

TEST("lock: no more than the minimum working set less an overhead, all or nothing")
{
    fixture_boot(8 * MIB, 0, 1);
    struct space *space = fixture_space();
    uaddr_t base = fixture_allocate(space, 100 * PAGE_BYTES, PAGE_READWRITE);
    EXPECT_STATUS(lock(space, base, (LOCKABLE + 1) * PAGE_BYTES), STATUS_WORKING_SET_QUOTA);
    EXPECT_EQUAL(space->locked_pages, 0);
    EXPECT_STATUS(lock(space, base, LOCKABLE * PAGE_BYTES), STATUS_SUCCESS);
    EXPECT_STATUS(lock(space, base, LOCKABLE * PAGE_BYTES), STATUS_WAS_LOCKED);
    EXPECT_STATUS(lock(space, fixture_page(base, LOCKABLE), 1), STATUS_WORKING_SET_QUOTA);
    EXPECT_STATUS(lock(space, base, (LOCKABLE + 1) * PAGE_BYTES), STATUS_WORKING_SET_QUOTA);
    EXPECT_EQUAL(space->locked_pages, LOCKABLE);
    EXPECT_STATUS(unlock(space, fixture_page(base, 5), PAGE_BYTES), STATUS_SUCCESS);
    EXPECT_STATUS(lock(space, fixture_page(base, LOCKABLE), 1), STATUS_SUCCESS);
    fixture_check();
    fixture_end_space(space);
}

TEST("lock: what cannot be touched cannot be locked, and a guard page only the second time")
{
    fixture_boot(8 * MIB, 0, 1);
    struct space *space = fixture_space();
    uaddr_t base = fixture_allocate(space, 8 * PAGE_BYTES, PAGE_READWRITE);
    uaddr_t hole = fixture_page(base, 2);
    uint32_t nbytes = PAGE_BYTES;
    EXPECT_STATUS(mm_free_virtual(space, &hole, &nbytes, MEM_DECOMMIT), STATUS_SUCCESS);
    EXPECT_STATUS(lock(space, base, 3 * PAGE_BYTES), STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(lock(space, fixture_page(base, 6), 11 * PAGE_BYTES), STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(lock(space, (uaddr_t){0x60000000}, 1), STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(protect(space, fixture_page(base, 4), 1, PAGE_NOACCESS), STATUS_SUCCESS);
    EXPECT_STATUS(lock(space, fixture_page(base, 3), 3 * PAGE_BYTES), STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(protect(space, fixture_page(base, 4), 1, PAGE_READONLY | PAGE_GUARD),
                  STATUS_SUCCESS);
    EXPECT_STATUS(lock(space, fixture_page(base, 3), 3 * PAGE_BYTES), STATUS_GUARD_PAGE_VIOLATION);
    EXPECT_EQUAL(space->locked_pages, 0);
    EXPECT_STATUS(lock(space, fixture_page(base, 3), 3 * PAGE_BYTES), STATUS_SUCCESS);
    EXPECT_STATUS(lock(space, base, 0), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(lock(space, (uaddr_t){0x7FFE0000u}, 1), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(lock(space, base, 0x7FFFFFFFu), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(unlock(space, base, 0), STATUS_INVALID_PARAMETER);
    fixture_check();
    fixture_end_space(space);
}

TEST("lock: pages that are decommitted, released, barred or whose process ends are unlocked")
{
    (void)fixture_boot_paging(8 * MIB, 8192);
    fixture_settle();
    struct fixture_usage before = fixture_usage();
    struct space *space = fixture_space();
    uaddr_t base = fixture_allocate(space, 1024 * PAGE_BYTES, PAGE_READWRITE);
    uaddr_t edge = {(base.v | ((1u << CHUNK_SHIFT) - 1u)) + 1 - 10 * PAGE_BYTES};
    struct mm_charges charges;
    mm_read_charges(&charges);
    EXPECT_STATUS(lock(space, edge, 20 * PAGE_BYTES), STATUS_SUCCESS); /* in two tables */
    struct mm_charges with;
    mm_read_charges(&with);
    EXPECT_EQUAL(charges.resident_available - with.resident_available, 20 + 1); /* and a slab */
    uaddr_t part = fixture_page(edge, 4);
    uint32_t nbytes = 2 * PAGE_BYTES;
    EXPECT_STATUS(mm_free_virtual(space, &part, &nbytes, MEM_DECOMMIT), STATUS_SUCCESS);
    EXPECT_EQUAL(space->locked_pages, 18);
    EXPECT_STATUS(protect(space, fixture_page(edge, 6), PAGE_BYTES, PAGE_READONLY), STATUS_SUCCESS);
    EXPECT_EQUAL(space->locked_pages, 18);
    EXPECT_STATUS(protect(space, fixture_page(edge, 9), 2 * PAGE_BYTES, PAGE_NOACCESS),
                  STATUS_WAS_UNLOCKED);
    EXPECT_STATUS(protect(space, fixture_page(edge, 9), 2 * PAGE_BYTES, PAGE_READWRITE),
                  STATUS_SUCCESS);
    EXPECT_EQUAL(space->locked_pages, 16);
    EXPECT_STATUS(protect(space, fixture_page(edge, 12), 1, PAGE_READWRITE | PAGE_GUARD),
                  STATUS_WAS_UNLOCKED);
    EXPECT_EQUAL(space->locked_pages, 15);
    fixture_check();
    uaddr_t upper = fixture_page(edge, 14); /* a release in the middle splits the region */
    nbytes = 2 * PAGE_BYTES;
    EXPECT_STATUS(mm_free_virtual(space, &upper, &nbytes, MEM_RELEASE), STATUS_SUCCESS);
    EXPECT_EQUAL(space->locked_pages, 13);
    fixture_check();
    push_out(space, 3000);
    fixture_settle();
    fixture_check();
    fixture_end_space(space);
    fixture_settle();
    fixture_check();
    EXPECT_SAME_USAGE(before);
}

TEST("lock: a locked page of a view unshares its chunk, and stays for all who map the section")
{
    (void)fixture_boot_paging(8 * MIB, 8192);
    fixture_settle();
    struct fixture_usage before = fixture_usage();
    struct section section;
    fixture_section(&section, 4 * MIB);
    struct space *spaces[2];
    uaddr_t views[2];
    for (uint32_t i = 0; i < 2; i++) {
        spaces[i] = fixture_space();
        views[i] = fixture_map(spaces[i], &section, 0, 0, 0, PAGE_READWRITE);
        for (uint32_t page = 0; page < 1024; page += 8) {
            sim_store32(fixture_page(views[i], page), page);
        }
        EXPECT(pde_is_linked(pte_read(mi_directory_entry(spaces[i], views[i].v >> CHUNK_SHIFT))));
    }
    EXPECT_STATUS(lock(spaces[1], fixture_page(views[1], 8), 9 * PAGE_BYTES), STATUS_SUCCESS);
    EXPECT(!pde_is_linked(pte_read(mi_directory_entry(spaces[1], views[1].v >> CHUNK_SHIFT))));
    EXPECT(pde_is_linked(pte_read(mi_directory_entry(spaces[0], views[0].v >> CHUNK_SHIFT))));
    EXPECT(pde_is_linked(pte_read(mi_directory_entry(spaces[1], (views[1].v >> CHUNK_SHIFT) + 1))));
    EXPECT_STATUS(lock(spaces[0], fixture_page(views[0], 16), PAGE_BYTES), STATUS_SUCCESS);
    pfn_t frame = frame_of_page(spaces[1], fixture_page(views[1], 16));
    EXPECT_EQUAL(mi_pfn(frame)->use.pins, 2 * PINS_LOCK);
    fixture_check();
    fixture_enter(spaces[1]);
    push_out(spaces[1], 5000);
    fixture_settle();
    fixture_check();
    for (uint32_t page = 8; page < 17; page++) {
        EXPECT(!pfn_is_none(frame_of_page(spaces[1], fixture_page(views[1], page))));
    }
    EXPECT(pfn_equal(frame_of_page(spaces[1], fixture_page(views[1], 16)), frame));
    EXPECT(pfn_equal(frame_of_page(spaces[0], fixture_page(views[0], 16)), frame));
    EXPECT_STATUS(unlock(spaces[1], fixture_page(views[1], 16), 1), STATUS_SUCCESS);
    EXPECT_EQUAL(mi_pfn(frame)->use.pins, PINS_LOCK);
    EXPECT_STATUS(mm_unmap_view(spaces[1], views[1]), STATUS_SUCCESS);
    EXPECT_EQUAL(spaces[1]->locked_pages, 0);
    fixture_check();
    push_out(spaces[1], 3000);
    fixture_settle();
    EXPECT(pfn_equal(frame_of_page(spaces[0], fixture_page(views[0], 16)), frame));
    fixture_enter(spaces[0]);
    for (uint32_t page = 0; page < 1024; page += 8) {
        EXPECT_EQUAL(sim_load32(fixture_page(views[0], page)), page);
    }
    fixture_check();
    fixture_end_space(spaces[1]);
    fixture_end_space(spaces[0]);
    mm_section_destroy(&section);
    fixture_settle();
    fixture_check();
    EXPECT_EQUAL(mi_slots_used(), 0);
    EXPECT_SAME_USAGE(before);
}

TEST("lock: the first store to a locked write-copy page moves the lock to the copy")
{
    (void)fixture_boot_paging(8 * MIB, 8192);
    struct section section;
    fixture_section(&section, 64 * PAGE_BYTES);
    struct space *space = fixture_space();
    uaddr_t view = fixture_map(space, &section, 0, 0, 0, PAGE_WRITECOPY);
    EXPECT_STATUS(lock(space, view, 4 * PAGE_BYTES), STATUS_SUCCESS);
    pfn_t source = frame_of_page(space, fixture_page(view, 1));
    EXPECT_EQUAL(mi_pfn(source)->use.pins, PINS_LOCK);
    sim_store32(fixture_page(view, 1), 42);
    pfn_t copy = frame_of_page(space, fixture_page(view, 1));
    EXPECT(!pfn_equal(source, copy));
    EXPECT_EQUAL(mi_pfn(source)->use.pins, 0);
    EXPECT_EQUAL(mi_pfn(copy)->use.pins, PINS_LOCK);
    fixture_check();
    push_out(space, 3000);
    fixture_settle();
    EXPECT(pfn_equal(frame_of_page(space, fixture_page(view, 1)), copy));
    EXPECT_EQUAL(sim_load32(fixture_page(view, 1)), 42);
    fixture_check();
    EXPECT_STATUS(protect(space, fixture_page(view, 0), 2 * PAGE_BYTES, PAGE_NOACCESS),
                  STATUS_WAS_UNLOCKED);
    EXPECT_EQUAL(space->locked_pages, 2);
    fixture_check();
    EXPECT_STATUS(unlock(space, fixture_page(view, 2), 2 * PAGE_BYTES), STATUS_SUCCESS);
    fixture_end_space(space);
    mm_section_destroy(&section);
}

TEST("lock: a page that cannot be read undoes the call, and leaves what was locked before")
{
    fixture_boot(8 * MIB, 0, 1);
    struct fixture_file file;
    struct section section;
    fixture_file(&file, 64);
    EXPECT_STATUS(mm_section_create_file(&section, file.segment, 64 * PAGE_BYTES, 0, PAGE_READONLY,
                                         SEC_COMMIT),
                  STATUS_SUCCESS);
    struct space *space = fixture_space();
    uaddr_t view = fixture_map(space, &section, 0, 0, 0, PAGE_READONLY);
    EXPECT_STATUS(lock(space, fixture_page(view, 3), 2 * PAGE_BYTES), STATUS_SUCCESS);
    EXPECT_EQUAL(sim_load32(fixture_page(view, 20)), fixture_word(20 * PAGE_BYTES));
    file.error = STATUS_IO_DEVICE_ERROR;
    EXPECT_STATUS(lock(space, view, 40 * PAGE_BYTES), STATUS_IN_PAGE_ERROR);
    EXPECT_EQUAL(space->locked_pages, 2);
    EXPECT_EQUAL(mi_count_locked(space, view.v >> PAGE_SHIFT, (view.v >> PAGE_SHIFT) + 63), 2);
    fixture_check();
    file.error = STATUS_SUCCESS;
    EXPECT_STATUS(lock(space, view, 40 * PAGE_BYTES), STATUS_WAS_LOCKED);
    fixture_check();
    fixture_end_space(space);
    mm_section_destroy(&section);
}

TEST("lock: each charge and each block of memory may fail: nothing is locked then")
{
    fixture_boot(8 * MIB, 0, 1);
    struct fixture_usage before = fixture_usage();
    struct space *space = fixture_space();
    uaddr_t base = fixture_allocate(space, 600 * PAGE_BYTES, PAGE_READWRITE);
    uaddr_t edge = {(base.v | ((1u << CHUNK_SHIFT) - 1u)) + 1 - 2 * PAGE_BYTES};
    uint32_t points = 0;
    for (uint32_t n = 1;; n++, points++) {
        (void)failpoint_arm(FAILPOINT_CHARGE, n);
        status_t status = lock(space, edge, 4 * PAGE_BYTES);
        (void)failpoint_arm(FAILPOINT_CHARGE, 0);
        if (is_success(status)) {
            break;
        }
        EXPECT(status == STATUS_INSUFFICIENT_RESOURCES || status == STATUS_COMMITMENT_LIMIT);
        EXPECT_EQUAL(space->locked_pages, 0);
        fixture_check();
    }
    EXPECT(points >= 4);
    EXPECT_STATUS(unlock(space, edge, 4 * PAGE_BYTES), STATUS_SUCCESS);
    for (uint32_t n = 1; n <= 2; n++) {
        (void)failpoint_arm(FAILPOINT_ALLOCATION, n);
        EXPECT_STATUS(lock(space, edge, 4 * PAGE_BYTES), STATUS_INSUFFICIENT_RESOURCES);
        (void)failpoint_arm(FAILPOINT_ALLOCATION, 0);
        EXPECT_EQUAL(space->locked_pages, 0);
        fixture_check();
    }
    fixture_end_space(space);
    EXPECT_SAME_USAGE(before);
}

TEST("lock: frames that are promised to others are not locked")
{
    (void)fixture_boot_paging(8 * MIB, 8192);
    struct space *space = fixture_space();
    space->minimum_pages = 4000;
    uaddr_t base = fixture_allocate(space, 3000 * PAGE_BYTES, PAGE_READWRITE);
    EXPECT_STATUS(lock(space, base, 3000 * PAGE_BYTES), STATUS_INSUFFICIENT_RESOURCES);
    EXPECT_EQUAL(space->locked_pages, 0);
    fixture_check();
    struct mm_charges charges;
    mm_read_charges(&charges);
    uint32_t most = charges.resident_available - 16;
    EXPECT_STATUS(lock(space, base, most * PAGE_BYTES), STATUS_SUCCESS);
    push_out(space, 2000); /* in what is left */
    fixture_settle();
    fixture_check();
    EXPECT_EQUAL(mi_count_locked(space, 0, UINT32_MAX), most);
    fixture_end_space(space);
    fixture_settle();
    fixture_check();
}

TEST("lock: a page that is locked while it is being written keeps its lock")
{
    (void)fixture_boot_paging(8 * MIB, 8192);
    struct space *space = fixture_space();
    uaddr_t base = fixture_allocate(space, PAGE_BYTES, PAGE_READWRITE);
    sim_store32(base, 5);
    EXPECT_STATUS(protect(space, base, 1, PAGE_NOACCESS), STATUS_SUCCESS);
    EXPECT_STATUS(protect(space, base, 1, PAGE_READWRITE), STATUS_SUCCESS);
    pfn_t frame;
    REQUIRE(mi_take_modified(&frame, 1) == 1);
    EXPECT_STATUS(lock(space, base, 1), STATUS_SUCCESS);
    EXPECT(pfn_equal(frame_of_page(space, base), frame));
    EXPECT(mi_pfn(frame)->use.pins > PINS_LOCK);
    mi_written(frame, pte_empty(), false);
    EXPECT_EQUAL(mi_pfn(frame)->use.pins, PINS_LOCK);
    EXPECT_EQUAL(sim_load32(base), 5);
    fixture_check();
    fixture_end_space(space);
    fixture_check();
}

/* ---- threads ---- */

static struct space *shared_space;
static uaddr_t shared_base;
static uint32_t odd_statuses;

static void locker(void *argument)
{
    (void)argument;
    fixture_enter(shared_space);
    for (uint32_t i = 0; i < 60; i++) {
        uint32_t first = sim_random(8);
        uint32_t count = 1 + sim_random(8);
        status_t status = lock(shared_space, fixture_page(shared_base, first), count * PAGE_BYTES);
        odd_statuses += status != STATUS_SUCCESS && status != STATUS_WAS_LOCKED &&
                        status != STATUS_ACCESS_VIOLATION && status != STATUS_GUARD_PAGE_VIOLATION;
        first = sim_random(8);
        status = unlock(shared_space, fixture_page(shared_base, first), 2 * PAGE_BYTES);
        odd_statuses += status != STATUS_SUCCESS && status != STATUS_NOT_LOCKED;
    }
    fixture_enter(NULL);
}

static void disturber(void *argument)
{
    (void)argument;
    fixture_enter(shared_space);
    for (uint32_t i = 0; i < 60; i++) {
        uaddr_t page = fixture_page(shared_base, sim_random(16));
        uint32_t nbytes = PAGE_BYTES;
        if (sim_random(2) == 0) {
            odd_statuses += is_error(mm_free_virtual(shared_space, &page, &nbytes, MEM_DECOMMIT));
            thread_yield();
            odd_statuses += is_error(
                mm_allocate_virtual(shared_space, &page, &nbytes, 0, MEM_COMMIT, PAGE_READWRITE));
        } else {
            odd_statuses += is_error(protect(shared_space, page, nbytes, PAGE_NOACCESS));
            thread_yield();
            odd_statuses += is_error(protect(shared_space, page, nbytes, PAGE_READWRITE));
        }
    }
    fixture_enter(NULL);
}

static void run_threads(uint32_t seed, uint32_t preempt_one_in)
{
    fixture_boot_preempted(8 * MIB, seed, preempt_one_in);
    struct fixture_usage before = fixture_usage();
    shared_space = fixture_space();
    shared_base = fixture_allocate(shared_space, 16 * PAGE_BYTES, PAGE_READWRITE);
    fixture_enter(NULL);
    sim_thread("locks", locker, NULL, PRIORITY_NORMAL);
    sim_thread("locks", locker, NULL, PRIORITY_NORMAL);
    sim_thread("disturbs", disturber, NULL, PRIORITY_NORMAL);
    sim_join();
    EXPECT_EQUAL(odd_statuses, 0);
    fixture_check();
    fixture_end_space(shared_space);
    fixture_check();
    EXPECT_SAME_USAGE(before);
}

TEST("lock: threads lock and unlock while others decommit and bar the pages: seed 1")
{
    run_threads(1, 3);
}

TEST("lock: threads lock and unlock while others decommit and bar the pages: seed 2")
{
    run_threads(2, 10);
}

TEST("lock: threads lock and unlock while others decommit and bar the pages: seed 3")
{
    run_threads(3, 1);
}

/* ---- the audit ---- */

static struct space *planted(uaddr_t *base)
{
    fixture_boot(8 * MIB, 0, 1);
    struct space *space = fixture_space();
    *base = fixture_allocate(space, 4 * PAGE_BYTES, PAGE_READWRITE);
    EXPECT_STATUS(lock(space, *base, 2 * PAGE_BYTES), STATUS_SUCCESS);
    sim_store32(fixture_page(*base, 3), 1);
    fixture_check();
    return space;
}

TEST("audit: a pin without a locked page is found")
{
    uaddr_t base;
    struct space *space = planted(&base);
    mi_lock_frame(frame_of_page(space, fixture_page(base, 3)));
    EXPECT(mm_audit() > 0);
}

TEST("audit: a locked page whose frame is not pinned is found")
{
    uaddr_t base;
    struct space *space = planted(&base);
    mi_unlock_frame(frame_of_page(space, base));
    EXPECT(mm_audit() > 0);
}

TEST("audit: a locked page that is not valid is found")
{
    uaddr_t base;
    struct space *space = planted(&base);
    (void)pte_exchange(entry_of(space, base), pte_make_soft(PTE_DEMAND_ZERO, PROT_READWRITE));
    EXPECT(mm_audit() > 0);
}

TEST("audit: a charge for locked pages that is not theirs is found")
{
    uaddr_t base;
    struct space *space = planted(&base);
    space->locked_pages++;
    EXPECT(mm_audit() > 0);
}

static void retire_locked(void)
{
    uaddr_t base;
    struct space *space = planted(&base);
    pfn_t frame = frame_of_page(space, base);
    mi_pfn(frame)->use.shares = 0;
    mi_retire_frame(frame);
}

TEST("audit: a locked frame that leaves stops the system (M6)")
{
    EXPECT(test_panics(retire_locked, "M6"));
}
