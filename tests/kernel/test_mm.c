/*
 * tests/kernel/test_mm.c: the memory manager on the real MMU: private memory, sections, views,
 * linking, unsharing, write-copy, through user accesses that fault as a program's would.
 */
#include "abi/constants.h"
#include "abi/quire.h"
#include "kernel/clock.h"
#include "kernel/thread.h"
#include "kernel/usercopy.h"
#include "mm/commit.h"
#include "mm/link.h"
#include "mm/pagefile.h"
#include "mm/pfn.h"
#include "mm/section.h"
#include "mm/space.h"
#include "mm/stack.h"
#include "mm/view.h"
#include "mm/virtual.h"
#include "tests/kernel/selftest.h"

#define MIB 0x100000u

static void enter(struct space *space)
{
    thread_attach_space(space, space == NULL ? NULL : &space->root);
}

static struct space *make_space(void)
{
    struct space *space = NULL;
    EXPECT_STATUS(mm_space_create(&space), STATUS_SUCCESS);
    enter(space);
    return space;
}

static void end_space(struct space *space)
{
    enter(NULL);
    mm_space_empty(space);
    mm_space_destroy(space);
}

static void store(uint32_t address, uint32_t value)
{
    EXPECT_STATUS(user_write_u32((uaddr_t){address}, value), STATUS_SUCCESS);
}

static uint32_t load(uint32_t address)
{
    uint32_t value = 0;
    EXPECT_STATUS(user_read_u32((uaddr_t){address}, &value), STATUS_SUCCESS);
    return value;
}

static uint32_t allocate(struct space *space, uint32_t nbytes, uint32_t type, uint32_t protection)
{
    uaddr_t base = {0};
    EXPECT_STATUS(mm_allocate_virtual(space, &base, &nbytes, 0, type, protection), STATUS_SUCCESS);
    return base.v;
}

static uint32_t map(struct space *space, struct section *section, uint32_t base,
                    uint32_t protection)
{
    struct view_request request = {.base = {base}, .protection = protection};
    EXPECT_STATUS(mm_map_view(space, section, &request), STATUS_SUCCESS);
    return request.base.v;
}

static bool is_linked(const struct space *space, uint32_t address)
{
    return pde_is_linked(pte_read(mi_directory_entry(space, address >> CHUNK_SHIFT)));
}

static const struct section_owner_operations *previous_owner;

/* These sections lie in no object: while they live, their views are only counted. */
static void make_section(struct section *section, uint32_t nbytes)
{
    previous_owner = mm_register_section_owner(NULL);
    EXPECT_STATUS(mm_section_create_memory(section, nbytes, PAGE_READWRITE, SEC_COMMIT),
                  STATUS_SUCCESS);
}

static void end_section(struct section *section)
{
    EXPECT_EQUAL(section->views, 0);
    mm_section_destroy(section);
    (void)mm_register_section_owner(previous_owner);
}

static void private_memory(void)
{
    struct space *space = make_space();
    uint32_t base = allocate(space, 3 * MIB, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    for (uint32_t offset = 0; offset < 3 * MIB; offset += PAGE_BYTES) {
        EXPECT_EQUAL(load(base + offset + 4), 0);
        store(base + offset, offset);
    }
    for (uint32_t offset = 0; offset < 3 * MIB; offset += PAGE_BYTES) {
        EXPECT_EQUAL(load(base + offset), offset);
    }
    uaddr_t address = {base};
    uint32_t nbytes = PAGE_BYTES;
    uint32_t old = 0;
    EXPECT_STATUS(mm_protect_virtual(space, &address, &nbytes, PAGE_READONLY, &old),
                  STATUS_SUCCESS);
    EXPECT_STATUS(user_write_u32((uaddr_t){base}, 1), STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(mm_protect_virtual(space, &address, &nbytes, PAGE_NOACCESS, &old),
                  STATUS_SUCCESS);
    EXPECT_STATUS(user_read_u32((uaddr_t){base}, &old), STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(mm_protect_virtual(space, &address, &nbytes, PAGE_READWRITE | PAGE_GUARD, &old),
                  STATUS_SUCCESS);
    EXPECT_STATUS(user_write_u32((uaddr_t){base}, 1), STATUS_GUARD_PAGE_VIOLATION);
    store(base, 2);
    EXPECT_EQUAL(load(base), 2);
    end_space(space);
}
SELFTEST("mm: private memory is zero, kept, and protected by the MMU", private_memory);

static void shared_section(void)
{
    struct section section;
    make_section(&section, 0x20000);
    struct space *a = make_space();
    struct space *b = make_space();
    uint32_t in_a = map(a, &section, 0x20000000u, PAGE_READWRITE);
    uint32_t in_b = map(b, &section, 0x31230000u, PAGE_READWRITE);
    enter(a);
    store(in_a + 0x3004, 0xC0FFEE);
    enter(b);
    EXPECT_EQUAL(load(in_b + 0x3004), 0xC0FFEE);
    struct quire_frame frame_a;
    struct quire_frame frame_b;
    EXPECT_STATUS(mm_query_frames(a, (uaddr_t){in_a + 0x3000}, 1, &frame_a), STATUS_SUCCESS);
    EXPECT_STATUS(mm_query_frames(b, (uaddr_t){in_b + 0x3000}, 1, &frame_b), STATUS_SUCCESS);
    EXPECT_EQUAL(frame_a.frame, frame_b.frame);
    end_space(a);
    enter(b);
    EXPECT_EQUAL(load(in_b + 0x3004), 0xC0FFEE);
    end_space(b);
    end_section(&section);
}
SELFTEST("mm: a section shows two spaces one frame", shared_section);

static void linking(void)
{
    struct section section;
    make_section(&section, 4 * MIB);
    struct space *a = make_space();
    struct space *b = make_space();
    uint32_t in_a = map(a, &section, 0, PAGE_READWRITE);
    uint32_t in_b = map(b, &section, 0, PAGE_READONLY);
    enter(a);
    for (uint32_t offset = 0; offset < 4 * MIB; offset += PAGE_BYTES) {
        store(in_a + offset, ~offset);
    }
    EXPECT(is_linked(a, in_a) && is_linked(a, in_a + 2 * MIB));
    enter(b);
    uint64_t faults = b->faults;
    for (uint32_t offset = 0; offset < 4 * MIB; offset += PAGE_BYTES) {
        EXPECT_EQUAL(load(in_b + offset), ~offset);
    }
    EXPECT_EQUAL(b->faults - faults, 2);
    EXPECT_STATUS(user_write_u32((uaddr_t){in_b}, 1), STATUS_ACCESS_VIOLATION);
    /* One page's protection changes: that chunk of that space is unshared, contents stay. */
    uaddr_t page = {in_b + 0x5000};
    uint32_t nbytes = 1;
    uint32_t old = 0;
    EXPECT_STATUS(mm_protect_virtual(b, &page, &nbytes, PAGE_NOACCESS, &old), STATUS_SUCCESS);
    EXPECT(!is_linked(b, in_b) && is_linked(b, in_b + 2 * MIB) && is_linked(a, in_a));
    EXPECT_STATUS(user_read_u32((uaddr_t){in_b + 0x5000}, &old), STATUS_ACCESS_VIOLATION);
    EXPECT_EQUAL(load(in_b + 0x6000), ~0x6000u);
    end_space(b);
    enter(a);
    EXPECT_EQUAL(load(in_a + 0x5000), ~0x5000u);
    end_space(a);
    end_section(&section);
}
SELFTEST("mm: whole chunks are linked, and unshared when one page differs", linking);

static void write_copy(void)
{
    struct section section;
    make_section(&section, 2 * MIB);
    struct space *space = make_space();
    uint32_t shared = map(space, &section, 0, PAGE_READWRITE);
    uint32_t copy = map(space, &section, 0, PAGE_WRITECOPY);
    store(shared + 0x1000, 1);
    EXPECT_EQUAL(load(copy + 0x1000), 1);
    store(copy + 0x1000, 2);
    EXPECT_EQUAL(load(shared + 0x1000), 1);
    EXPECT_EQUAL(load(copy + 0x1000), 2);
    store(shared + 0x2000, 3);
    EXPECT_EQUAL(load(copy + 0x2000), 3);
    end_space(space);
    end_section(&section);
}
SELFTEST("mm: stores to a write-copy view stay private", write_copy);

static void map_and_unmap(void)
{
    struct section section;
    make_section(&section, 0x10000);
    struct space *space = make_space();
    for (uint32_t i = 0; i < 100000; i++) {
        uint32_t base = map(space, &section, 0, PAGE_READWRITE);
        if (i % 1000 == 0) {
            store(base, i);
        }
        EXPECT_STATUS(mm_unmap_view(space, (uaddr_t){base}), STATUS_SUCCESS);
    }
    end_space(space);
    end_section(&section);
}
SELFTEST("mm: mapping and unmapping a section 100000 times leaves memory where it was",
         map_and_unmap);

static void spaces_come_and_go(void)
{
    for (uint32_t i = 0; i < 200; i++) {
        struct space *space = make_space();
        store(allocate(space, 5 * PAGE_BYTES, MEM_COMMIT, PAGE_READWRITE), i);
        end_space(space);
    }
}
SELFTEST("mm: 200 address spaces come and go", spaces_come_and_go);

static void commit_everything(void)
{
    struct space *space = make_space();
    uint32_t count = 0;
    for (;;) {
        uaddr_t base = {0};
        uint32_t nbytes = MIB;
        if (is_error(mm_allocate_virtual(space, &base, &nbytes, 0, MEM_COMMIT, PAGE_READWRITE)) ||
            count == 64) {
            break;
        }
        count++;
        for (uint32_t offset = 0; offset < MIB; offset += PAGE_BYTES) {
            store(base.v + offset, base.v + offset);
        }
    }
    EXPECT(count > 2);
    end_space(space);
}
SELFTEST("mm: memory is committed until refused, up to 64 MiB, and all of it touched",
         commit_everything);

/* Takes frames for good until hardly more than the room is left; they are chained. */
static pfn_t take_all_but_the_room(void)
{
    pfn_t taken = PFN_NONE;
    struct mm_charges charges;
    for (mm_read_charges(&charges); charges.resident_available > 40; mm_read_charges(&charges)) {
        pfn_t frame = mm_take_kernel_frame();
        if (pfn_is_none(frame)) {
            break;
        }
        *(pfn_t *)frame_address(frame) = taken;
        taken = frame;
    }
    return taken;
}

static void release_frames(pfn_t taken)
{
    while (!pfn_is_none(taken)) {
        pfn_t next = *(pfn_t *)frame_address(taken);
        mm_release_kernel_frame(taken);
        taken = next;
    }
}

static void page_in_the_least_memory(void)
{
    struct mm_frame_counts counts;
    struct mm_pagefile_usage usage;
    mm_count_frames(&counts);
    mm_read_pagefile_usage(&usage);
    if (counts.high != 0 || usage.total_pages - usage.used_pages < 12 * 256) {
        selftest_skip(counts.high != 0 ? "there are frames above the direct map"
                                       : "the paging file has no 12 MiB");
        return;
    }
    struct space *space = make_space();
    pfn_t taken = take_all_but_the_room();
    uint32_t base = allocate(space, 10 * MIB, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    for (uint32_t round = 1; round <= 2; round++) {
        for (uint32_t offset = 0; offset < 10 * MIB; offset += PAGE_BYTES) {
            store(base + offset, offset * round);
        }
        for (uint32_t offset = 0; offset < 10 * MIB; offset += PAGE_BYTES) {
            EXPECT_EQUAL(load(base + offset), offset * round);
        }
    }
    end_space(space);
    release_frames(taken);
    mm_read_pagefile_usage(&usage);
    EXPECT(usage.pages_read > 256);
}
SELFTEST("mm: with hardly more frames than paging needs, 10 MiB are paged",
         page_in_the_least_memory);

static void kernel_stacks(void)
{
    void *stacks[40];
    for (uint32_t i = 0; i < ARRAY_COUNT(stacks); i++) {
        EXPECT_STATUS(mm_create_kernel_stack(&stacks[i]), STATUS_SUCCESS);
        *(volatile uint32_t *)stacks[i] = i;
    }
    for (uint32_t i = 0; i < ARRAY_COUNT(stacks); i++) {
        EXPECT_EQUAL(*(volatile uint32_t *)stacks[i], i);
        mm_destroy_kernel_stack(stacks[i]);
    }
}
SELFTEST("mm: kernel stacks are mapped, apart, and given back", kernel_stacks);
