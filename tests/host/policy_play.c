/*
 * tests/host/policy_play.c: a reference string through the real memory manager on the simulated
 * machine: private memory of one process, a paging file that never runs short, one CPU.
 *
 * The machine's RAM is made scarce by taking frames away until exactly so many are left as contents
 * may take, page tables apart. Contents take whatever of them is active, modified, standby or being
 * written; what the balancer keeps free counts against mm/.
 */
#include "policy.h"

#include "mm/frame.h"
#include "mm/pagefile.h"
#include "mm/pfn.h"
#include "tests/host/mm_fixture.h"

#define SPARE_NBYTES (6u << 20) /* for everything but contents */
#define GAP_SECTORS  64u
#define PAGES_MOST   (1u << 18)

/* Where each page lies. */
static uint32_t places[PAGES_MOST];

static void settle(void)
{
    for (uint32_t i = 0; i < 100; i++) {
        sim_advance(NS_PER_MS);
    }
}

/* Page tables that the touched pages of the region at BASE need. */
static uint32_t tables_for(uaddr_t base, const struct references *references)
{
    static bool needed[USER_END >> CHUNK_SHIFT];
    uint32_t count = 0;
    for (uint32_t i = 0; i < references->count; i++) {
        uaddr_t address = {base.v + (places[references->items[i] >> 1] << PAGE_SHIFT)};
        count += !needed[address.v >> CHUNK_SHIFT];
        needed[address.v >> CHUNK_SHIFT] = true;
    }
    return count;
}

/* Takes frames away until NFRAMES are available. */
static void make_scarce(uint32_t nframes)
{
    REQUIRE(mi_frames_available() >= nframes);
    while (mi_frames_available() > nframes) {
        REQUIRE(!pfn_is_none(mm_take_kernel_frame()));
    }
}

static void boot(uint32_t npages, uint32_t nframes)
{
    fixture_boot((nframes << PAGE_SHIFT) + SPARE_NBYTES, 0, 1);
    uint32_t slots = 2 * npages + 4096;
    struct sim_disk *disk = sim_disk_memory(GAP_SECTORS + (uint64_t)slots * 8);
    struct pagefile_extent extent = {GAP_SECTORS, slots};
    REQUIRE(is_success(mm_pagefile_open(&disk->device, &extent, 1)));
    settle();
}

static void place_pages(uint32_t npages, bool scattered)
{
    for (uint32_t page = 0; page < npages; page++) {
        uint32_t other = scattered ? sim_random(page + 1) : page;
        places[page] = places[other];
        places[other] = page;
    }
}

/* A word of each page says how often it was stored to: wrong contents are seen at once. */
static uint32_t play_all(const struct references *references, uaddr_t base)
{
    static uint32_t stores[PAGES_MOST];
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < references->count; i++) {
        uint32_t page = references->items[i] >> 1;
        uaddr_t address = {base.v + (places[page] << PAGE_SHIFT) + page % 1000 * 4};
        sim_poll();
        if ((references->items[i] & REFERENCE_STORE) != 0) {
            sim_store32(address, ++stores[page]);
        } else {
            wrong += sim_load32(address) != stores[page];
        }
    }
    return wrong;
}

struct policy_ours policy_play(const struct references *references, uint32_t nframes,
                               bool scattered)
{
    struct mm_pagefile_usage before;
    struct mm_pagefile_usage after;
    REQUIRE(references->npages <= PAGES_MOST);
    boot(references->npages, nframes);
    place_pages(references->npages, scattered);
    struct space *space = fixture_space();
    uaddr_t base = fixture_allocate(space, references->npages << PAGE_SHIFT, PAGE_READWRITE);
    uint32_t ntables = tables_for(base, references);
    make_scarce(nframes + ntables);
    ntables += space->table_pages;
    mm_read_pagefile_usage(&before);
    uint64_t faults = mm_fault_count();
    struct policy_ours ours = {.wrong = play_all(references, base)};
    faults = mm_fault_count() - faults;
    mm_read_pagefile_usage(&after);
    settle();
    struct mm_frame_counts counts;
    mm_count_frames(&counts);
    ours.nframes =
        counts.free + counts.zeroed + counts.standby + counts.modified + space->private_pages;
    ours.nframes -= ntables - space->table_pages; /* tables that have left */
    ours.faults = (uint32_t)(after.read_requests - before.read_requests);
    ours.read = (uint32_t)(after.pages_read - before.pages_read);
    ours.written = (uint32_t)(after.pages_written - before.pages_written);
    ours.soft = (uint32_t)faults - ours.faults - policy_distinct(references);
    fixture_check();
    return ours;
}
