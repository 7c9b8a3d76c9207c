/*
 * tests/host/test_simulate.c: what the simulation found, and that it sees a planted flaw.
 */
#include "tests/host/mm_fixture.h"
#include "tests/host/model.h"
#include "tests/host/simulate.h"

#include <string.h>

#include "abi/constants.h"
#include "mm/pfn.h"

TEST("simulate: flushes that nobody waits for are seen")
{
    EXPECT(simulate_seeds(1, 60, 4, true) != 0);
}

TEST("simulate: the same machine with its flushes passes")
{
    EXPECT_EQUAL(simulate_seeds(1, 3, 0, false), 0);
}

static bool is_same(const struct simulate_outcome *a, const struct simulate_outcome *b)
{
    return a->calls == b->calls && a->time == b->time && a->ram == b->ram;
}

TEST("simulate: a seed replays exactly, and a copy of the machine goes on as the machine does")
{
    struct simulate_outcome first[2], again[2], other[2];
    for (uint32_t seed = 1; seed <= 4; seed++) { /* on 2, 4 and 1 CPUs; the fourth without paging */
        REQUIRE(simulate_copied(seed, first) && simulate_copied(seed, again));
        EXPECT(first[0].calls != 0 && first[0].ram != 0);
        EXPECT(is_same(&first[0], &first[1]));
        EXPECT(is_same(&first[0], &again[0]) && is_same(&again[0], &again[1]));
        REQUIRE(simulate_copied(seed + 12, other));
        EXPECT(other[0].ram != first[0].ram);
    }
}

/* One access from its begin to its end at once, which must be right; a store: the word. */
static uint32_t store_word(struct model_region *region, uint32_t cell)
{
    struct model_access access = {.region = region, .cell = cell, .kind = ACCESS_WRITE};
    model_begin(&access);
    EXPECT(model_end(&access, FAULT_DONE, 0) == NULL);
    return access.value;
}

static bool may_read(struct model_region *region, uint32_t cell, uint32_t word)
{
    struct model_access access = {.region = region, .cell = cell, .kind = ACCESS_READ};
    model_begin(&access);
    return model_end(&access, FAULT_DONE, word) == NULL;
}

TEST("simulate: of two stores that copy a page at once either may be the one that does")
{
    static struct content content;
    static struct model_region shown, copied;
    model_content_init(&content, 1, 1);
    model_region_init(&shown, 2, 0x40000000, 1, PAGE_READWRITE, PAGE_COMMITTED);
    model_region_init(&copied, 3, 0x50000000, 1, PAGE_WRITECOPY, PAGE_COMMITTED);
    shown.shared = &content;
    copied.shared = &content;
    uint32_t before = store_word(&shown, 1);
    uint32_t during = store_word(&shown, 1);
    struct model_access first = {.region = &copied, .cell = 2, .kind = ACCESS_WRITE};
    model_begin(&first); /* copies here */
    uint32_t after = store_word(&shown, 1);
    (void)store_word(&copied, 0); /* finds the copy */
    EXPECT(model_end(&first, FAULT_DONE, 0) == NULL);
    EXPECT(may_read(&copied, 1, during) && may_read(&copied, 1, after));
    EXPECT(!may_read(&copied, 1, before));
    EXPECT(!may_read(&shown, 1, during) && may_read(&shown, 1, after));
}

static status_t move_page(struct sim_disk *disk, enum block_operation operation, pfn_t frame)
{
    const struct block_segment segment = {pfn_to_paddr(frame), PAGE_BYTES};
    struct block_request request = {
        .operation = operation, .sector = 8, .nsegments = 1, .segments = &segment};
    return block_perform(&disk->device, &request);
}

TEST("simulate: the disk knows what it has damaged, until it is written again")
{
    fixture_boot(4u << 20, 0, 1);
    struct sim_disk *disk = sim_disk_memory(64);
    pfn_t frame = mm_take_kernel_frame();
    pfn_t other = mm_take_kernel_frame();
    REQUIRE(!pfn_is_none(frame) && !pfn_is_none(other));
    memset(frame_address(frame), 0x5A, PAGE_BYTES);
    for (uint32_t i = 0; i < 20; i++) { /* lost, or with a bit turned */
        disk->damage_one_in = 1;
        EXPECT_STATUS(move_page(disk, BLOCK_WRITE, frame), STATUS_SUCCESS);
        EXPECT(sim_disk_is_damaged(disk, 8));
        EXPECT_STATUS(move_page(disk, BLOCK_READ, other), STATUS_SUCCESS);
        EXPECT(memcmp(frame_address(frame), frame_address(other), PAGE_BYTES) != 0);
        EXPECT_EQUAL(disk->damaged_reads, i + 1);
        memset(disk->contents, 0, 64 * SECTOR_BYTES);
    }
    disk->damage_one_in = 0;
    EXPECT_STATUS(move_page(disk, BLOCK_WRITE, frame), STATUS_SUCCESS);
    EXPECT(!sim_disk_is_damaged(disk, 8));
    disk->fail_one_in = 1;
    EXPECT_STATUS(move_page(disk, BLOCK_READ, other), STATUS_IO_DEVICE_ERROR);
    EXPECT(memcmp(frame_address(frame), frame_address(other), PAGE_BYTES) != 0);
    disk->fail_one_in = 0;
    EXPECT_STATUS(move_page(disk, BLOCK_READ, other), STATUS_SUCCESS);
    EXPECT(memcmp(frame_address(frame), frame_address(other), PAGE_BYTES) == 0);
    EXPECT_EQUAL(disk->damaged_reads, 20);
    mm_release_kernel_frame(frame);
    mm_release_kernel_frame(other);
}

TEST("views: a slot whose filled table went with a neighbour is linked again")
{
    fixture_boot(16u << 20, 0, 1);
    struct space *space = fixture_space();
    struct section section;
    fixture_section(&section, 3 * PAGE_BYTES);
    uaddr_t view = fixture_map(space, &section, 0x40000000, 0, 0, PAGE_READWRITE);
    uaddr_t neighbour = {0x40010000};
    uint32_t nbytes = PAGE_BYTES;
    EXPECT_STATUS(mm_allocate_virtual(space, &neighbour, &nbytes, 0, MEM_RESERVE | MEM_COMMIT,
                                      PAGE_READWRITE),
                  STATUS_SUCCESS);
    sim_store32(view, 7); /* the slot is filled: it has a neighbour */
    sim_store32(neighbour, 8);
    uint32_t old;
    uint32_t whole = 3 * PAGE_BYTES;
    EXPECT_STATUS(mm_protect_virtual(space, &view, &whole, PAGE_NOACCESS, &old), STATUS_SUCCESS);
    EXPECT_STATUS(mm_protect_virtual(space, &view, &whole, PAGE_READWRITE, &old), STATUS_SUCCESS);
    nbytes = 0;
    EXPECT_STATUS(mm_free_virtual(space, &neighbour, &nbytes, MEM_RELEASE), STATUS_SUCCESS);
    EXPECT(sim_load32(view) == 7);
    fixture_check();
    fixture_end_space(space);
    mm_section_destroy(&section);
}

TEST("sections: a page that two views have stored to is modified once")
{
    fixture_boot(16u << 20, 0, 1);
    struct space *space = fixture_space();
    struct section section;
    fixture_section(&section, PAGE_BYTES);
    uaddr_t first = fixture_map(space, &section, 0x40010000, 0, 0, PAGE_READWRITE);
    uaddr_t second = fixture_map(space, &section, 0x40020000, 0, 0, PAGE_READWRITE);
    sim_store32(first, 1);
    sim_store32(second, 2);
    struct mm_segment_usage usage;
    mm_segment_read_usage(section.segment, &usage);
    EXPECT_EQUAL(usage.modified_pages, 1);
    fixture_end_space(space);
    mm_section_destroy(&section);
}
