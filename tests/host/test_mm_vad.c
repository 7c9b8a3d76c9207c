/*
 * tests/host/test_mm_vad.c: VADs against a model: random regions come and go; lookups, the charge
 * for page tables and the room that is found agree with an array of slots.
 */
#include "mm/vad.h"
#include "tests/host/mm_fixture.h"

#define SLOTS (0x80000000u >> 16)

static bool model[SLOTS]; /* which 64 KiB slots are taken */

static bool model_is_free(uint32_t first, uint32_t count)
{
    for (uint32_t slot = first; slot < first + count; slot++) {
        if (model[slot]) {
            return false;
        }
    }
    return true;
}

/* The lowest or highest free run of COUNT slots that is aligned, or 0. */
static uint32_t model_find(uint32_t count, uint32_t alignment, bool top_down)
{
    uint32_t end = USER_SHARED >> 16;
    uint32_t last = (end - count) / alignment * alignment;
    for (uint32_t i = 0; i <= last; i += alignment) {
        uint32_t slot = top_down ? last - i : i;
        if (model_is_free(slot, count)) {
            return slot;
        }
    }
    return 0;
}

static void model_mark(uint32_t address, uint32_t nbytes, bool taken)
{
    for (uint32_t slot = address >> 16; slot <= (address + nbytes - 1) >> 16; slot++) {
        EXPECT(model[slot] != taken);
        model[slot] = taken;
    }
}

struct region {
    uint32_t base;
    uint32_t nbytes;
};

static void check_gaps(struct space *space)
{
    static const uint32_t alignments[] = {1, 32};
    for (uint32_t i = 0; i < 8; i++) {
        uint32_t count = 1 + sim_random(i < 4 ? 4 : 200);
        struct gap_request gap = {.npages = count * SLOT_PAGES - sim_random(SLOT_PAGES),
                                  .alignment = alignments[i % 2],
                                  .last_page = USER_LAST_PAGE,
                                  .top_down = (i & 2) != 0};
        mutex_lock(&space->lock);
        uint32_t page = mi_find_gap(space, &gap);
        mutex_unlock(&space->lock);
        EXPECT_EQUAL(page / SLOT_PAGES, model_find(count, gap.alignment, gap.top_down));
    }
}

TEST("vad: random regions agree with a model of slots")
{
    fixture_boot(32u << 20, 0, 1);
    struct fixture_usage before = fixture_usage();
    struct space *space = fixture_space();
    static struct region regions[600];
    uint32_t nregions = 0;
    model[0] = true;
    model[USER_SHARED >> 16] = true;
    for (uint32_t step = 0; step < 4000; step++) {
        if (nregions < ARRAY_COUNT(regions) && sim_random(5) != 0) {
            uaddr_t base = {sim_random(3) == 0 ? 0x10000u + sim_random(0x7FFD0000u) : 0};
            uint32_t nbytes = 1 + sim_random(sim_random(10) == 0 ? 0x800000u : 0x40000u);
            uint32_t type = MEM_RESERVE | (sim_random(2) != 0 ? MEM_TOP_DOWN : 0);
            if (is_success(mm_allocate_virtual(space, &base, &nbytes, 0, type, PAGE_READWRITE))) {
                model_mark(base.v, nbytes, true);
                regions[nregions++] = (struct region){base.v, nbytes};
            }
        } else if (nregions > 0) {
            uint32_t victim = sim_random(nregions);
            uaddr_t base = {regions[victim].base};
            uint32_t nbytes = 0;
            EXPECT_STATUS(mm_free_virtual(space, &base, &nbytes, MEM_RELEASE), STATUS_SUCCESS);
            EXPECT_EQUAL(nbytes, regions[victim].nbytes);
            model_mark(base.v, nbytes, false);
            regions[victim] = regions[--nregions];
        }
        if (step % 50 == 0) {
            check_gaps(space);
            fixture_check();
        }
    }
    fixture_end_space(space);
    fixture_check();
    EXPECT_SAME_USAGE(before);
}

TEST("vad: zero bits keep a region low, and room that is not there is refused")
{
    fixture_boot(16u << 20, 0, 1);
    struct space *space = fixture_space();
    uaddr_t base = {0};
    uint32_t nbytes = 0x10000;
    EXPECT_STATUS(
        mm_allocate_virtual(space, &base, &nbytes, 12, MEM_RESERVE | MEM_TOP_DOWN, PAGE_READWRITE),
        STATUS_SUCCESS);
    EXPECT(base.v + nbytes <= 0x100000u);
    nbytes = 0x200000;
    base.v = 0;
    EXPECT_STATUS(mm_allocate_virtual(space, &base, &nbytes, 12, MEM_RESERVE, PAGE_READWRITE),
                  STATUS_NO_MEMORY);
    nbytes = 0x7FFD0000u;
    EXPECT_STATUS(mm_allocate_virtual(space, &base, &nbytes, 0, MEM_RESERVE, PAGE_READWRITE),
                  STATUS_NO_MEMORY);
    fixture_check();
    fixture_end_space(space);
}
