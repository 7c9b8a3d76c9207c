/*
 * tests/host/test_mm_frames.c: the PFN database: states, lists, frames taken and given back.
 */
#include "kernel/boot.h"
#include "kernel/clock.h"
#include "kernel/thread.h"
#include "mm/frame.h"
#include "mm/pfn.h"
#include "mm/slots.h"
#include "mm/statistics.h"
#include "mm/virtual.h"
#include "tests/host/mm_fixture.h"

static void illegal_change(void)
{
    fixture_boot(16 * MIB, 0, 1);
    pfn_t frame = mm_take_kernel_frame();
    REQUIRE(!pfn_is_none(frame));
    mm_release_kernel_frame(frame);
    mi_frame_set_state(frame, FRAME_STANDBY);
}

TEST("frames: an illegal change of state stops the system")
{
    EXPECT(test_panics(illegal_change, "legal_changes"));
}

TEST("frames: taken and released, single and contiguous, all come back")
{
    fixture_boot(16 * MIB, 4 * MIB, 1);
    struct fixture_usage before = fixture_usage();
    pfn_t frames[300];
    for (uint32_t i = 0; i < 300; i++) {
        frames[i] = mm_take_kernel_frame();
        REQUIRE(!pfn_is_none(frames[i]));
        EXPECT_EQUAL(*(uint32_t *)frame_address(frames[i]), 0);
        *(uint32_t *)frame_address(frames[i]) = i;
    }
    pfn_t run = mm_take_contiguous(40);
    REQUIRE(!pfn_is_none(run));
    fixture_check();
    for (uint32_t i = 0; i < 300; i++) {
        EXPECT_EQUAL(*(uint32_t *)frame_address(frames[i]), i);
        mm_release_kernel_frame(frames[i]);
    }
    mm_release_contiguous(run, 40);
    EXPECT(pfn_is_none(mm_take_contiguous(5000)));
    fixture_check();
    EXPECT_SAME_USAGE(before);
}

static uint32_t count_listed(enum frame_state state)
{
    return mi_frame_list_length(state, ZONE_LOW) + mi_frame_list_length(state, ZONE_HIGH);
}

TEST("frames: bad RAM among the good has records, is counted, and never given out")
{
    fixture_boot_config(&(struct sim_config){
        .ram = {{0, 4 * MIB}, {5 * MIB, 16 * MIB}},
        .bad = {{4 * MIB, 5 * MIB}, {16 * MIB, 17 * MIB}}, /* the second is above all others */
    });
    struct mm_frame_uses uses;
    struct mm_frame_counts counts;
    mm_count_frame_uses(&uses);
    mm_count_frames(&counts);
    EXPECT_EQUAL(uses.bad, 256);
    EXPECT_EQUAL(count_listed(FRAME_BAD), 256);
    EXPECT_EQUAL(counts.total + mm_database_bytes() / PAGE_BYTES, 15 * MIB / PAGE_BYTES);
    fixture_check();

    struct fixture_usage before = fixture_usage();
    pfn_t runs[128];
    uint32_t nruns = 0;
    while (!pfn_is_none(runs[nruns] = mm_take_contiguous(32))) {
        EXPECT(runs[nruns].n + 32 <= 1024 || runs[nruns].n >= 1280);
        nruns++;
    }
    EXPECT(nruns > 100); /* of 120 */
    while (nruns-- != 0) {
        mm_release_contiguous(runs[nruns], 32);
    }
    EXPECT(pfn_is_none(mm_take_contiguous(3000)));
    EXPECT_SAME_USAGE(before);
    fixture_check();
}

static void use_bad_frame(void)
{
    fixture_boot_config(&(struct sim_config){.ram = {{0, 4 * MIB}, {5 * MIB, 16 * MIB}},
                                             .bad = {{4 * MIB, 5 * MIB}}});
    mi_frame_set_state((pfn_t){1030}, FRAME_FREE);
}

TEST("frames: a bad frame that becomes free stops the system")
{
    EXPECT(test_panics(use_bad_frame, "legal_changes"));
}

static void protect(struct space *space, uaddr_t at, uint32_t npages, uint32_t protection)
{
    uint32_t nbytes = npages * PAGE_BYTES;
    uint32_t old;
    EXPECT_STATUS(mm_protect_virtual(space, &at, &nbytes, protection, &old), STATUS_SUCCESS);
}

TEST("frames: what leaves its place before there is a paging file is not written until there is")
{
    fixture_boot(16 * MIB, 4 * MIB, 1);
    struct space *space = fixture_space();
    uaddr_t memory = fixture_allocate(space, 40 * PAGE_BYTES, PAGE_READWRITE);
    fixture_fill(memory, 40, 7);
    protect(space, memory, 30, PAGE_NOACCESS);
    EXPECT_EQUAL(count_listed(FRAME_MODIFIED_NO_WRITE), 30);
    EXPECT_EQUAL(mi_frames_modified(), 0);
    struct mm_frame_counts counts;
    mm_count_frames(&counts);
    EXPECT_EQUAL(counts.modified, 30);
    EXPECT_EQUAL(mi_pagefile_write(), 0);
    fixture_check();

    protect(space, memory, 10, PAGE_READONLY); /* touched, they come back as they were */
    EXPECT_EQUAL(fixture_count_wrong(memory, 10, 7), 0);
    EXPECT_EQUAL(count_listed(FRAME_MODIFIED_NO_WRITE), 20);
    fixture_check();

    struct sim_disk *disk = fixture_open_pagefile(100);
    EXPECT_EQUAL(count_listed(FRAME_MODIFIED_NO_WRITE), 0);
    EXPECT_EQUAL(mi_frames_modified(), 20);
    fixture_check();
    EXPECT_EQUAL(mi_pagefile_write(), 20);
    EXPECT(disk->writes != 0);
    EXPECT_EQUAL(count_listed(FRAME_STANDBY), 20);
    protect(space, memory, 40, PAGE_READWRITE);
    EXPECT_EQUAL(fixture_count_wrong(memory, 40, 7), 0);
    fixture_end_space(space);
    fixture_check();
}

/* Nothing else runs for a while. */
static void rest(void)
{
    status_t status;
    thread_sleep_until(clock_now() + 1000 * NS_PER_MS, false, &status);
}

TEST("frames: free ones are zeroed when nothing else runs, and again when most have been used")
{
    fixture_boot(16 * MIB, 0, 1);
    rest();
    EXPECT_EQUAL(count_listed(FRAME_FREE), 0);
    uint32_t zeroed = count_listed(FRAME_ZEROED);
    EXPECT(zeroed > 3000);

    struct space *space = fixture_space();
    uaddr_t memory = fixture_allocate(space, 4 * MIB, PAGE_READWRITE);
    fixture_fill(memory, 1024, 7);
    uint32_t nbytes = 0;
    EXPECT_STATUS(mm_free_virtual(space, &memory, &nbytes, MEM_RELEASE), STATUS_SUCCESS);
    rest();
    EXPECT(count_listed(FRAME_FREE) >= 1000); /* enough are left */

    memory = fixture_allocate(space, 12 * MIB, PAGE_READWRITE);
    fixture_fill(memory, 3 * 1024, 7);
    nbytes = 0;
    EXPECT_STATUS(mm_free_virtual(space, &memory, &nbytes, MEM_RELEASE), STATUS_SUCCESS);
    fixture_end_space(space);
    rest();
    EXPECT_EQUAL(count_listed(FRAME_FREE), 0);
    EXPECT(count_listed(FRAME_ZEROED) + 20 > zeroed);
    for (uint32_t n = mi_frame_list_head(FRAME_ZEROED, ZONE_LOW); n != UINT32_MAX;
         n = mi_pfn((pfn_t){n})->list.next) {
        const uint32_t *words = frame_address((pfn_t){n});
        uint32_t sum = 0;
        for (uint32_t i = 0; i < PAGE_BYTES / 4; i++) {
            sum |= words[i];
        }
        EXPECT_EQUAL(sum, 0);
    }
    fixture_check();
}
