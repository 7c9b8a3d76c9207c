/*
 * tests/host/test_simulate.c: what the simulation found, and that it sees a planted flaw.
 */
#include "tests/host/mm_fixture.h"
#include "tests/host/simulate.h"

#include "abi/constants.h"

TEST("simulate: flushes that nobody waits for are seen")
{
    EXPECT(simulate_seeds(1, 60, 4, true) != 0);
}

TEST("simulate: the same machine with its flushes passes")
{
    EXPECT_EQUAL(simulate_seeds(1, 6, 4, false), 0);
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
