/*
 * tests/host/test_mm_paging.c: private memory larger than RAM, on a simulated disk: contents,
 * counts, slots, errors, and what leaves and comes back without I/O.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/block.h"
#include "kernel/clock.h"
#include "kernel/failpoint.h"
#include "mm/commit.h"
#include "mm/commit_limits.h"
#include "mm/link.h"
#include "mm/pagefile.h"
#include "mm/pfn.h"
#include "mm/pool.h"
#include "mm/slots.h"
#include "mm/stack.h"
#include "mm/trim.h"
#include "tests/host/inject.h"
#include "tests/host/mm_fixture.h"

#define SLOTS 8192u /* 32 MiB */

static struct sim_disk *disk;

/* 8 MiB of RAM and a paging file in two pieces with a gap between them. */
static void boot_paging(uint32_t ncpus, uint32_t slots)
{
    static const uint64_t gap = 1000;
    fixture_boot(8 * MIB, 0, ncpus);
    disk = sim_disk_memory(2 * gap + (uint64_t)slots * 8);
    struct pagefile_extent extents[] = {{gap, slots / 3},
                                        {2 * gap + (uint64_t)(slots / 3) * 8, slots - slots / 3}};
    REQUIRE(is_success(mm_pagefile_open(&disk->device, extents, 2)));
}

static uint32_t value_of(uint32_t page, uint32_t round)
{
    return page * 2654435761u + round * 40503u + 1;
}

static void fill(uaddr_t base, uint32_t npages, uint32_t round)
{
    for (uint32_t i = 0; i < npages; i++) {
        sim_store32((uaddr_t){base.v + i * PAGE_BYTES + (i % 1000) * 4}, value_of(i, round));
    }
}

static uint32_t count_wrong(uaddr_t base, uint32_t npages, uint32_t round)
{
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < npages; i++) {
        wrong +=
            sim_load32((uaddr_t){base.v + i * PAGE_BYTES + (i % 1000) * 4}) != value_of(i, round);
    }
    return wrong;
}

TEST("paging: three times the RAM is written and read back, in rounds")
{
    boot_paging(1, SLOTS);
    fixture_settle();
    struct fixture_usage before = fixture_usage();
    struct space *space = fixture_space();
    uint32_t npages = 6000;
    uaddr_t base = fixture_allocate(space, npages * PAGE_BYTES, PAGE_READWRITE);
    for (uint32_t round = 0; round < 3; round++) {
        fill(base, npages, round);
        EXPECT_EQUAL(count_wrong(base, npages, round), 0);
    }
    for (uint32_t i = 0; i < 3000; i++) {
        uint32_t page = sim_random(npages);
        EXPECT_EQUAL(sim_load32((uaddr_t){base.v + page * PAGE_BYTES + (page % 1000) * 4}),
                     value_of(page, 2));
    }
    fixture_settle();
    fixture_check();
    struct mm_pagefile_usage usage;
    mm_read_pagefile_usage(&usage);
    EXPECT(usage.pages_written > 6000);
    EXPECT(usage.pages_read > 6000);
    EXPECT(usage.pages_written / usage.write_requests >= 16);
    fixture_end_space(space);
    fixture_settle();
    fixture_check();
    EXPECT_EQUAL(mi_slots_used(), 0);
    EXPECT_SAME_USAGE(before);
}

static uint32_t most_in_writes;

static void note_writes(struct sim_disk *it, const struct block_request *request)
{
    (void)it;
    (void)request;
    most_in_writes = max_u32(most_in_writes, mi_slots_in_writes());
}

/* Stores to twice the RAM in order and expects large requests, WANTED pages in all at once. */
static void expect_large_writes(uint32_t nbytes, uint32_t wanted)
{
    uint32_t npages = nbytes / PAGE_BYTES * 2;
    disk = fixture_boot_paging(nbytes, 2 * npages);
    disk->observe = note_writes;
    struct space *space = fixture_space();
    uaddr_t base = fixture_allocate(space, npages * PAGE_BYTES, PAGE_READWRITE);
    fill(base, npages, 0);
    struct mm_pagefile_usage usage;
    mm_read_pagefile_usage(&usage);
    EXPECT(usage.pages_written > npages / 2);
    EXPECT(usage.pages_written > 32 * usage.write_requests); /* of 128 KiB */
    EXPECT_EQUAL(usage.write_requests, disk->writes);
    EXPECT_EQUAL(most_in_writes, wanted);
    EXPECT(wanted <= mi_frames_wanted());
    EXPECT_EQUAL(count_wrong(base, npages, 0), 0);
    fixture_end_space(space);
    fixture_settle();
    fixture_check();
}

TEST("paging: what is stored in order leaves in requests of more than 128 KiB")
{
    expect_large_writes(40 * MIB, 256);
}

TEST("paging: in little memory requests are as large, but fewer at once")
{
    expect_large_writes(8 * MIB, 128);
}

TEST("paging: a device that takes few pages at a time gets no larger request")
{
    boot_paging(1, SLOTS);
    disk->device.max_segments = 33;
    struct space *space = fixture_space();
    uint32_t npages = 4000;
    uaddr_t base = fixture_allocate(space, npages * PAGE_BYTES, PAGE_READWRITE);
    for (uint32_t round = 0; round < 2; round++) {
        fill(base, npages, round);
        EXPECT_EQUAL(count_wrong(base, npages, round), 0);
    }
    struct mm_pagefile_usage usage;
    mm_read_pagefile_usage(&usage);
    EXPECT(usage.pages_written > 28 * usage.write_requests);
    EXPECT(usage.pages_read > 12 * usage.read_requests);
    fixture_end_space(space);
    fixture_settle();
    fixture_check();
}

TEST("paging: a clean page with a slot leaves without a write")
{
    boot_paging(1, SLOTS);
    struct space *space = fixture_space();
    uint32_t npages = 4000;
    uaddr_t base = fixture_allocate(space, npages * PAGE_BYTES, PAGE_READWRITE);
    fill(base, npages, 0);
    EXPECT_EQUAL(count_wrong(base, npages, 0), 0);
    fixture_settle();
    EXPECT_EQUAL(count_wrong(base, npages, 0), 0);
    fixture_settle();
    struct mm_pagefile_usage usage;
    mm_read_pagefile_usage(&usage);
    uint64_t written = usage.pages_written;
    EXPECT_EQUAL(count_wrong(base, npages, 0), 0);
    EXPECT_EQUAL(count_wrong(base, npages, 0), 0);
    fixture_settle();
    mm_read_pagefile_usage(&usage);
    EXPECT(usage.pages_written - written < 64); /* page tables */
    fixture_check();
    fixture_end_space(space);
}

TEST("paging: protections and guards hold for pages that are out, and keep their contents")
{
    boot_paging(1, SLOTS);
    struct space *space = fixture_space();
    uint32_t npages = 5000;
    uaddr_t base = fixture_allocate(space, npages * PAGE_BYTES, PAGE_READWRITE);
    fill(base, npages, 7);
    uint32_t old;
    uaddr_t part = {base.v};
    uint32_t nbytes = 1000 * PAGE_BYTES;
    EXPECT_STATUS(mm_protect_virtual(space, &part, &nbytes, PAGE_READONLY, &old), STATUS_SUCCESS);
    part.v = base.v + 1000 * PAGE_BYTES;
    EXPECT_STATUS(mm_protect_virtual(space, &part, &nbytes, PAGE_READWRITE | PAGE_GUARD, &old),
                  STATUS_SUCCESS);
    part.v = base.v + 2000 * PAGE_BYTES;
    EXPECT_STATUS(mm_protect_virtual(space, &part, &nbytes, PAGE_NOACCESS, &old), STATUS_SUCCESS);
    for (uint32_t i = 3000; i < npages; i++) {
        EXPECT_EQUAL(sim_load32((uaddr_t){base.v + i * PAGE_BYTES + (i % 1000) * 4}),
                     value_of(i, 7));
    }
    uint32_t word = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t offset = (i % 1000) * 4;
        EXPECT_EQUAL(sim_write((uaddr_t){base.v + i * PAGE_BYTES}, &word, 4, NULL),
                     FAULT_VIOLATION);
        EXPECT_EQUAL(sim_load32((uaddr_t){base.v + i * PAGE_BYTES + offset}), value_of(i, 7));
        uaddr_t guarded = {base.v + (1000 + i) * PAGE_BYTES + offset};
        EXPECT_EQUAL(sim_read(guarded, &word, 4, NULL), FAULT_GUARD);
        EXPECT_EQUAL(sim_load32(guarded), value_of(1000 + i, 7));
        EXPECT_EQUAL(sim_read((uaddr_t){base.v + (2000 + i) * PAGE_BYTES}, &word, 4, NULL),
                     FAULT_VIOLATION);
    }
    part.v = base.v + 2000 * PAGE_BYTES;
    EXPECT_STATUS(mm_protect_virtual(space, &part, &nbytes, PAGE_READWRITE, &old), STATUS_SUCCESS);
    EXPECT_EQUAL(count_wrong(base, npages, 7), 0);
    fixture_settle();
    fixture_check();
    fixture_end_space(space);
    fixture_settle();
    fixture_check();
    EXPECT_EQUAL(mi_slots_used(), 0);
}

/* Changes a byte of each sector; what the disk holds then. */
static uint8_t *damage_disk(void)
{
    size_t nbytes = (size_t)disk->device.nsectors * SECTOR_BYTES;
    uint8_t *damaged = malloc(nbytes);
    REQUIRE(damaged != NULL);
    for (size_t offset = 100; offset < nbytes; offset += SECTOR_BYTES) {
        disk->contents[offset] ^= 0x55;
    }
    memcpy(damaged, disk->contents, nbytes);
    return damaged;
}

/* Changes them back where nothing was written meanwhile. */
static void mend_disk(uint8_t *damaged)
{
    for (uint64_t sector = 0; sector < disk->device.nsectors; sector++) {
        uint8_t *contents = disk->contents + sector * SECTOR_BYTES;
        if (memcmp(contents, damaged + sector * SECTOR_BYTES, SECTOR_BYTES) == 0) {
            contents[100] ^= 0x55;
        }
    }
    free(damaged);
}

TEST("paging: a page that the disk damaged or cannot read is an in-page error, and others go on")
{
    boot_paging(1, SLOTS);
    struct space *space = fixture_space();
    uint32_t npages = 4000;
    uaddr_t base = fixture_allocate(space, npages * PAGE_BYTES, PAGE_READWRITE);
    fill(base, npages, 1);
    fixture_settle();
    uint8_t *damaged = damage_disk();
    uint32_t errors = 0;
    for (uint32_t i = 0; i < npages; i++) {
        uint32_t word = 0;
        struct fault_report report;
        enum fault_result result =
            sim_read((uaddr_t){base.v + i * PAGE_BYTES + (i % 1000) * 4}, &word, 4, &report);
        if (result == FAULT_DONE) {
            EXPECT_EQUAL(word, value_of(i, 1));
        } else {
            EXPECT_EQUAL(result, FAULT_IN_PAGE_ERROR);
            EXPECT_STATUS(report.status, STATUS_IN_PAGE_ERROR);
            EXPECT_STATUS(report.cause, STATUS_DATA_ERROR);
            errors++;
        }
    }
    EXPECT(errors > 1000);
    mend_disk(damaged);
    fixture_settle();
    disk->fail_end = disk->device.nsectors;
    struct fault_report report = {0};
    uint32_t failed = 0;
    for (uint32_t i = 0; i < npages; i++) {
        uint32_t word = 0;
        if (sim_read((uaddr_t){base.v + i * PAGE_BYTES}, &word, 4, &report) != FAULT_DONE) {
            EXPECT_STATUS(report.cause, STATUS_IO_DEVICE_ERROR);
            failed++;
            break;
        }
    }
    EXPECT_EQUAL(failed, 1);
    disk->fail_end = 0;
    EXPECT_EQUAL(count_wrong(base, npages, 1), 0);
    fixture_settle();
    fixture_check();
    fixture_end_space(space);
}

TEST("paging: a write that fails is tried again, and nothing is lost")
{
    boot_paging(1, SLOTS);
    struct space *space = fixture_space();
    uint32_t npages = 4000;
    uaddr_t base = fixture_allocate(space, npages * PAGE_BYTES, PAGE_READWRITE);
    for (uint32_t page = 0; page < npages; page += 100) {
        (void)failpoint_arm(FAILPOINT_DISK_REQUEST,
                            1 + page / 100 % 3); /* nothing is read yet: it is a write that fails */
        fill((uaddr_t){base.v + page * PAGE_BYTES}, 100, page);
    }
    fixture_settle();
    (void)failpoint_arm(FAILPOINT_DISK_REQUEST, 0);
    for (uint32_t page = 0; page < npages; page += 100) {
        EXPECT_EQUAL(count_wrong((uaddr_t){base.v + page * PAGE_BYTES}, 100, page), 0);
    }
    struct mm_pagefile_usage usage;
    mm_read_pagefile_usage(&usage);
    EXPECT(usage.write_errors > 5);
    fixture_settle();
    fixture_check();
    fixture_end_space(space);
}

TEST("paging: memory is committed to the last page, touched, and refused beyond")
{
    boot_paging(1, 2048);
    fixture_settle();
    struct fixture_usage before = fixture_usage();
    struct space *space = fixture_space();
    static uaddr_t regions[4096];
    uint32_t nregions = 0;
    for (uint32_t nbytes = 64 * PAGE_BYTES; nbytes >= PAGE_BYTES; nbytes /= 4) {
        for (;;) {
            uaddr_t base = {0};
            uint32_t size = nbytes;
            status_t status = mm_allocate_virtual(space, &base, &size, 0, MEM_RESERVE | MEM_COMMIT,
                                                  PAGE_READWRITE);
            if (is_error(status)) {
                EXPECT_STATUS(status, STATUS_COMMITMENT_LIMIT);
                break;
            }
            for (uint32_t offset = 0; offset < nbytes; offset += PAGE_BYTES) {
                sim_store32((uaddr_t){base.v + offset}, base.v + offset);
            }
            if (nbytes == 64 * PAGE_BYTES) {
                regions[nregions++] = base;
            }
        }
    }
    for (uint32_t i = 0; i < nregions; i++) {
        for (uint32_t offset = 0; offset < 64 * PAGE_BYTES; offset += PAGE_BYTES) {
            EXPECT_EQUAL(sim_load32((uaddr_t){regions[i].v + offset}), regions[i].v + offset);
        }
    }
    fixture_settle();
    fixture_check();
    fixture_end_space(space);
    fixture_settle();
    fixture_check();
    EXPECT_SAME_USAGE(before);
}

static struct space *thread_spaces[2];
static uaddr_t thread_bases[2];
static uint32_t thread_wrong;

static void paging_thread(void *argument)
{
    uint32_t n = (uint32_t)(uintptr_t)argument;
    fixture_enter(thread_spaces[n % 2]);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = n / 2; i < 2000; i += 2) {
            sim_store32((uaddr_t){thread_bases[n % 2].v + i * PAGE_BYTES}, value_of(i, round + n));
        }
        for (uint32_t i = n / 2; i < 2000; i += 2) {
            thread_wrong += sim_load32((uaddr_t){thread_bases[n % 2].v + i * PAGE_BYTES}) !=
                            value_of(i, round + n);
        }
    }
    fixture_enter(NULL);
}

/* Four threads in two processes write and read 2000 pages each, in rounds. */
static void run_pagers(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        thread_spaces[i] = fixture_space();
        thread_bases[i] = fixture_allocate(thread_spaces[i], 2000 * PAGE_BYTES, PAGE_READWRITE);
    }
    fixture_enter(NULL);
    for (uintptr_t n = 0; n < 4; n++) {
        sim_thread("pager", paging_thread, (void *)n, PRIORITY_NORMAL);
    }
    sim_join();
    EXPECT_EQUAL(thread_wrong, 0);
    fixture_settle();
    fixture_check();
}

TEST("paging: four threads of two processes page at once")
{
    boot_paging(1, SLOTS);
    run_pagers();
    fixture_end_space(thread_spaces[0]);
    fixture_end_space(thread_spaces[1]);
    fixture_settle();
    fixture_check();
    EXPECT_EQUAL(mi_slots_used(), 0);
}

/* ---- segments ---- */

/* The word that page I of round ROUND holds, where everyone looks for it. */
static uaddr_t place_of(uaddr_t base, uint32_t page)
{
    return (uaddr_t){base.v + page * PAGE_BYTES + page % 1000 * 4};
}

TEST("paging: a section of three times the RAM, linked and filled in three spaces")
{
    boot_paging(2, SLOTS);
    fixture_settle();
    struct fixture_usage before = fixture_usage();
    struct section section;
    struct space *spaces[3];
    uaddr_t bases[3];
    uint32_t npages = 6000;
    fixture_section(&section, npages * PAGE_BYTES);
    for (uint32_t i = 0; i < 3; i++) {
        spaces[i] = fixture_space();
        /* the last one lies at no congruent address: its tables are filled */
        bases[i] = fixture_map(spaces[i], &section, i == 2 ? 0x40010000 : 0, 0, 0, PAGE_READWRITE);
    }
    for (uint32_t round = 0; round < 3; round++) {
        fixture_enter(spaces[round]);
        for (uint32_t page = 0; page < npages; page++) {
            sim_store32(place_of(bases[round], page), value_of(page, round));
        }
        for (uint32_t i = 0; i < 3; i++) {
            fixture_enter(spaces[i]);
            uint32_t wrong = 0;
            for (uint32_t page = 0; page < npages; page++) {
                wrong += sim_load32(place_of(bases[i], page)) != value_of(page, round);
            }
            EXPECT_EQUAL(wrong, 0);
        }
        fixture_settle();
        fixture_check();
    }
    struct mm_pagefile_usage usage;
    mm_read_pagefile_usage(&usage);
    EXPECT(usage.pages_written > 12000);
    EXPECT(usage.pages_read / usage.read_requests >= 16);
    for (uint32_t i = 0; i < 3; i++) {
        fixture_end_space(spaces[i]);
    }
    mm_section_destroy(&section);
    fixture_settle();
    fixture_check();
    EXPECT_EQUAL(mi_slots_used(), 0);
    EXPECT_SAME_USAGE(before);
}

TEST("paging: write-copy views keep their copies, and see the section's other pages, while both "
     "page")
{
    boot_paging(1, SLOTS);
    struct section section;
    uint32_t npages = 3000;
    fixture_section(&section, npages * PAGE_BYTES);
    struct space *writer = fixture_space();
    uaddr_t base = fixture_map(writer, &section, 0, 0, 0, PAGE_READWRITE);
    struct space *copier = fixture_space();
    uaddr_t copy = fixture_map(copier, &section, 0, 0, 0, PAGE_WRITECOPY);
    fixture_enter(writer);
    for (uint32_t page = 0; page < npages; page++) {
        sim_store32(place_of(base, page), value_of(page, 1));
    }
    fixture_enter(copier);
    for (uint32_t page = 0; page < npages; page += 2) {
        EXPECT_EQUAL(sim_load32(place_of(copy, page)), value_of(page, 1));
        sim_store32(place_of(copy, page), value_of(page, 2));
    }
    fixture_enter(writer);
    for (uint32_t page = 0; page < npages; page++) {
        sim_store32(place_of(base, page), value_of(page, 3));
    }
    fixture_enter(copier);
    uint32_t wrong = 0;
    for (uint32_t page = 0; page < npages; page++) {
        uint32_t expected = value_of(page, page % 2 == 0 ? 2 : 3);
        wrong += sim_load32(place_of(copy, page)) != expected;
    }
    EXPECT_EQUAL(wrong, 0);
    fixture_settle();
    fixture_check();
    fixture_end_space(copier);
    fixture_end_space(writer);
    mm_section_destroy(&section);
    fixture_settle();
    fixture_check();
    EXPECT_EQUAL(mi_slots_used(), 0);
}

TEST("paging: a file of three times the RAM is read through a view, and nothing of it is written")
{
    boot_paging(1, SLOTS);
    struct fixture_file file;
    struct section section;
    uint32_t npages = 6000;
    fixture_file(&file, npages);
    EXPECT_STATUS(mm_section_create_file(&section, file.segment, (uint64_t)npages << PAGE_SHIFT, 0,
                                         PAGE_READONLY, SEC_COMMIT),
                  STATUS_SUCCESS);
    struct space *space = fixture_space();
    uaddr_t base = fixture_map(space, &section, 0, 0, 0, PAGE_READONLY);
    uint32_t wrong = 0;
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t page = 0; page < npages; page++) {
            wrong += sim_load32((uaddr_t){base.v + page * PAGE_BYTES}) !=
                     fixture_word((uint64_t)page << PAGE_SHIFT);
        }
    }
    EXPECT_EQUAL(wrong, 0);
    EXPECT(file.pages_read > npages);
    struct mm_pagefile_usage usage;
    mm_read_pagefile_usage(&usage);
    EXPECT_EQUAL(usage.pages_written, 0);
    fixture_settle();
    fixture_check();
    fixture_end_space(space);
    mm_section_destroy(&section);
    mm_segment_unref(file.segment);
    fixture_check();
}

TEST("paging: without a paging file a file larger than RAM is read, beside committed memory")
{
    fixture_boot(8 * MIB, 0, 1);
    struct fixture_file file;
    struct section section;
    uint32_t npages = 4000;
    fixture_file(&file, npages);
    EXPECT_STATUS(mm_section_create_file(&section, file.segment, (uint64_t)npages << PAGE_SHIFT, 0,
                                         PAGE_READONLY, SEC_COMMIT),
                  STATUS_SUCCESS);
    struct space *space = fixture_space();
    uaddr_t base = fixture_map(space, &section, 0, 0, 0, PAGE_READONLY);
    struct mm_charges charges;
    mm_read_charges(&charges);
    uint32_t ncommitted = charges.commit_limit - charges.commit - 16;
    uaddr_t memory = fixture_allocate(space, ncommitted * PAGE_BYTES, PAGE_READWRITE);
    uint32_t wrong = 0;
    for (uint32_t page = 0; page < npages; page++) {
        if (page < ncommitted) {
            sim_store32(place_of(memory, page), value_of(page, 1));
        }
        wrong += sim_load32((uaddr_t){base.v + page * PAGE_BYTES}) !=
                 fixture_word((uint64_t)page << PAGE_SHIFT);
    }
    for (uint32_t page = 0; page < ncommitted; page++) {
        wrong += sim_load32(place_of(memory, page)) != value_of(page, 1);
    }
    EXPECT_EQUAL(wrong, 0);
    fixture_check();
    fixture_end_space(space);
    mm_section_destroy(&section);
    mm_segment_unref(file.segment);
    fixture_check();
}

/* ---- page tables ---- */

#define CHUNK_STEP (CHUNK_PAGES * PAGE_BYTES)

TEST("paging: page tables leave RAM and come back: faults, queries, protections, decommit, release")
{
    boot_paging(1, SLOTS);
    fixture_settle();
    struct fixture_usage before = fixture_usage();
    struct space *space = fixture_space();
    uint32_t nslots = 200;
    uaddr_t base = {0x20000000};
    uint32_t nbytes = nslots * CHUNK_STEP;
    EXPECT_STATUS(mm_allocate_virtual(space, &base, &nbytes, 0, MEM_RESERVE, PAGE_READWRITE),
                  STATUS_SUCCESS);
    for (uint32_t i = 0; i < nslots; i++) {
        uaddr_t page = {base.v + i * CHUNK_STEP + i * PAGE_BYTES};
        uint32_t size = 2 * PAGE_BYTES;
        EXPECT_STATUS(mm_allocate_virtual(space, &page, &size, 0, MEM_COMMIT, PAGE_READWRITE),
                      STATUS_SUCCESS);
        sim_store32(page, i + 1);
    }
    EXPECT(space->table_pages >= nslots);
    fixture_press(space, 3000);
    fixture_settle();
    EXPECT(space->table_pages < nslots / 4);
    fixture_check();
    struct memory_region region;
    EXPECT_STATUS(
        mm_query_virtual(space, (uaddr_t){base.v + 7 * CHUNK_STEP + 7 * PAGE_BYTES}, &region),
        STATUS_SUCCESS);
    EXPECT_EQUAL(region.nbytes, 2 * PAGE_BYTES);
    for (uint32_t i = 0; i < nslots; i += 3) {
        uaddr_t page = {base.v + i * CHUNK_STEP + i * PAGE_BYTES};
        uint32_t size = 2 * PAGE_BYTES;
        uint32_t old;
        EXPECT_STATUS(mm_protect_virtual(space, &page, &size, PAGE_READONLY, &old), STATUS_SUCCESS);
        EXPECT_EQUAL(old, PAGE_READWRITE);
    }
    fixture_press(space, 3000);
    for (uint32_t i = 0; i < nslots; i++) {
        uaddr_t page = {base.v + i * CHUNK_STEP + i * PAGE_BYTES};
        EXPECT_EQUAL(sim_load32(page), i + 1);
        EXPECT_EQUAL(sim_write(page, &i, 4, NULL), i % 3 == 0 ? FAULT_VIOLATION : FAULT_DONE);
    }
    fixture_press(space, 3000);
    for (uint32_t i = 1; i < nslots; i += 3) {
        uaddr_t page = {base.v + i * CHUNK_STEP + i * PAGE_BYTES};
        uint32_t size = 2 * PAGE_BYTES;
        EXPECT_STATUS(mm_free_virtual(space, &page, &size, MEM_DECOMMIT), STATUS_SUCCESS);
    }
    fixture_press(space, 3000);
    fixture_settle();
    fixture_check();
    nbytes = 0;
    EXPECT_STATUS(mm_free_virtual(space, &base, &nbytes, MEM_RELEASE), STATUS_SUCCESS);
    fixture_end_space(space);
    fixture_settle();
    fixture_check();
    EXPECT_EQUAL(mi_slots_used(), 0);
    EXPECT_SAME_USAGE(before);
}

TEST("paging: prototype tables leave RAM, linked and filled, and come back")
{
    boot_paging(2, SLOTS);
    fixture_settle();
    struct fixture_usage before = fixture_usage();
    struct section section;
    fixture_section(&section, 8 * CHUNK_STEP);
    struct space *spaces[2] = {fixture_space(), fixture_space()};
    uaddr_t bases[2] = {fixture_map(spaces[0], &section, 0x20000000, 0, 0, PAGE_READWRITE),
                        fixture_map(spaces[1], &section, 0x30010000, 0, 0, PAGE_READWRITE)};
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < 8; i++) {
            fixture_enter(spaces[round % 2]);
            sim_store32((uaddr_t){bases[round % 2].v + i * CHUNK_STEP}, i * 10 + round);
            fixture_enter(spaces[1 - round % 2]);
            EXPECT_EQUAL(sim_load32((uaddr_t){bases[1 - round % 2].v + i * CHUNK_STEP}),
                         i * 10 + round);
        }
        struct mm_frame_counts counts;
        mm_count_frames(&counts);
        uint32_t tables = counts.tables;
        fixture_press(spaces[0], 3000);
        fixture_settle();
        mm_count_frames(&counts);
        EXPECT(counts.tables + 12 < tables);
        fixture_check();
    }
    for (uint32_t i = 0; i < 8; i++) {
        EXPECT_EQUAL(sim_load32((uaddr_t){bases[0].v + i * CHUNK_STEP}), i * 10 + 3);
    }
    fixture_press(spaces[0], 3000);
    fixture_end_space(spaces[0]);
    fixture_end_space(spaces[1]);
    mm_section_destroy(
        &section); /* its tables are out: they come back to say which slots are theirs */
    fixture_settle();
    fixture_check();
    EXPECT_EQUAL(mi_slots_used(), 0);
    EXPECT_SAME_USAGE(before);
}

/* One page in the middle of each chunk of a SEC_RESERVE section is committed, two in chunk 3. */
#define MIDDLE(base, i) ((uaddr_t){(base).v + (i)*CHUNK_STEP + 5 * PAGE_BYTES})

static status_t commit_in_view(struct space *space, uaddr_t page, uint32_t npages)
{
    uint32_t nbytes = npages * PAGE_BYTES;
    return mm_allocate_virtual(space, &page, &nbytes, 0, MEM_COMMIT, PAGE_READWRITE);
}

static uaddr_t map_reserved(struct space *space, struct section *section, uint32_t nchunks)
{
    EXPECT_STATUS(
        mm_section_create_memory(section, nchunks * CHUNK_STEP, PAGE_READWRITE, SEC_RESERVE),
        STATUS_SUCCESS);
    uaddr_t base = fixture_map(space, section, 0x20000000, 0, 0, PAGE_READWRITE);
    for (uint32_t i = 0; i < nchunks; i++) {
        EXPECT_STATUS(commit_in_view(space, MIDDLE(base, i), i == 3 ? 2 : 1), STATUS_SUCCESS);
        sim_store32(MIDDLE(base, i), i + 1);
    }
    return base;
}

static uint32_t count_tables_out(const struct section *section)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < section->segment->nchunks; i++) {
        count += pte_has_form(mi_chunk(section->segment, i)->table, PTE_PAGEFILE);
    }
    return count;
}

static void expect_region(struct space *space, uaddr_t page, uint32_t state, uint32_t npages)
{
    struct memory_region region;
    EXPECT_STATUS(mm_query_virtual(space, page, &region), STATUS_SUCCESS);
    EXPECT_EQUAL(region.state, state);
    EXPECT_EQUAL(region.nbytes, npages * PAGE_BYTES);
}

TEST("paging: the tables of SEC_RESERVE sections leave RAM: faults, queries and commits know what "
     "they say")
{
    boot_paging(1, SLOTS);
    fixture_settle();
    struct fixture_usage before = fixture_usage();
    struct space *space = fixture_space();
    struct section section;
    uaddr_t base = map_reserved(space, &section, 16);
    fixture_press(space, 3000);
    fixture_settle();
    EXPECT(count_tables_out(&section) >= 14);
    fixture_check();
    expect_region(space, MIDDLE(base, 3), MEM_COMMIT, 2);
    expect_region(space, (uaddr_t){MIDDLE(base, 3).v + 2 * PAGE_BYTES}, MEM_RESERVE,
                  CHUNK_PAGES - 2);
    fixture_press(space, 3000);
    for (uint32_t i = 0; i < 16; i++) {
        uint32_t word;
        uaddr_t next = {MIDDLE(base, i).v + 2 * PAGE_BYTES};
        EXPECT_EQUAL(sim_read(next, &word, 4, NULL), FAULT_VIOLATION);
        EXPECT_EQUAL(sim_load32(MIDDLE(base, i)), i + 1);
    }
    fixture_press(space, 3000);
    fixture_settle();
    EXPECT(count_tables_out(&section) >= 14);
    EXPECT_STATUS(commit_in_view(space, MIDDLE(base, 0), 6 * CHUNK_PAGES), STATUS_SUCCESS);
    EXPECT_EQUAL(section.segment->commit, 6 * CHUNK_PAGES + 10);
    fixture_press(space, 3000);
    fixture_check();
    expect_region(space, MIDDLE(base, 0), MEM_COMMIT, 6 * CHUNK_PAGES + 1);
    for (uint32_t i = 0; i < 16; i++) {
        EXPECT_EQUAL(sim_load32(MIDDLE(base, i)), i + 1);
    }
    fixture_press(space, 3000);
    fixture_end_space(space);
    mm_section_destroy(&section); /* with its tables out */
    fixture_settle();
    fixture_check();
    EXPECT_EQUAL(mi_slots_used(), 0);
    EXPECT_SAME_USAGE(before);
}

TEST("paging: a table of a SEC_RESERVE section that cannot be read is told to whoever asks for it")
{
    boot_paging(1, SLOTS);
    struct space *space = fixture_space();
    struct section section;
    uaddr_t base = map_reserved(space, &section, 16);
    fixture_press(space, 3000);
    fixture_settle();
    EXPECT(count_tables_out(&section) >= 14);
    EXPECT(pte_has_form(mi_chunk(section.segment, 3)->table, PTE_PAGEFILE));
    uint32_t commit = section.segment->commit;
    disk->fail_end = disk->device.nsectors;
    struct memory_region region;
    struct fault_report report;
    uint32_t word;
    EXPECT_STATUS(mm_query_virtual(space, MIDDLE(base, 3), &region), STATUS_IO_DEVICE_ERROR);
    EXPECT_EQUAL(sim_read(MIDDLE(base, 3), &word, 4, &report), FAULT_IN_PAGE_ERROR);
    EXPECT_STATUS(report.cause, STATUS_IO_DEVICE_ERROR);
    EXPECT_STATUS(commit_in_view(space, MIDDLE(base, 3), 7), STATUS_IO_DEVICE_ERROR);
    EXPECT_EQUAL(section.segment->commit, commit);
    disk->fail_end = 0;
    EXPECT_EQUAL(sim_load32(MIDDLE(base, 3)), 4);
    EXPECT_STATUS(commit_in_view(space, MIDDLE(base, 3), 7), STATUS_SUCCESS);
    EXPECT_EQUAL(section.segment->commit, commit + 5);
    fixture_check();
    fixture_end_space(space);
    mm_section_destroy(&section);
    fixture_settle();
    fixture_check();
    EXPECT_EQUAL(mi_slots_used(), 0);
}

TEST("paging: a page table that cannot be read is an in-page error where it matters, and is let go")
{
    boot_paging(1, SLOTS);
    struct space *space = fixture_space();
    uint32_t nslots = 100;
    uaddr_t base = fixture_allocate(space, nslots * CHUNK_STEP / 64, PAGE_READWRITE);
    uaddr_t far = {0x20000000};
    uint32_t nbytes = nslots * CHUNK_STEP;
    EXPECT_STATUS(mm_allocate_virtual(space, &far, &nbytes, 0, MEM_RESERVE, PAGE_READWRITE),
                  STATUS_SUCCESS);
    for (uint32_t i = 0; i < nslots; i++) {
        uaddr_t page = {far.v + i * CHUNK_STEP};
        uint32_t size = PAGE_BYTES;
        EXPECT_STATUS(mm_allocate_virtual(space, &page, &size, 0, MEM_COMMIT, PAGE_READWRITE),
                      STATUS_SUCCESS);
        sim_store32(page, i);
    }
    fixture_press(space, 3000);
    fixture_settle();
    EXPECT(space->table_pages < 20);
    disk->fail_end = disk->device.nsectors;
    uint32_t failed = 0;
    for (uint32_t i = 0; i < nslots; i++) {
        uint32_t word;
        struct fault_report report;
        if (sim_read((uaddr_t){far.v + i * CHUNK_STEP}, &word, 4, &report) != FAULT_DONE) {
            EXPECT_STATUS(report.status, STATUS_IN_PAGE_ERROR);
            EXPECT_STATUS(report.cause, STATUS_IO_DEVICE_ERROR);
            failed++;
        }
    }
    EXPECT(failed > 50);
    struct memory_region region;
    EXPECT_STATUS(mm_query_virtual(space, (uaddr_t){far.v + 50 * CHUNK_STEP}, &region),
                  STATUS_IO_DEVICE_ERROR);
    fixture_end_space(space); /* with tables that cannot be read: what they name is lost */
    disk->fail_end = 0;
    fixture_settle();
    fixture_check();
    (void)base;
}

TEST("paging: with memory above the direct map, tables always find room below it")
{
    fixture_boot(4 * MIB, 4 * MIB, 1);
    disk = sim_disk_memory((uint64_t)SLOTS * 8);
    struct pagefile_extent extent = {0, SLOTS};
    REQUIRE(is_success(mm_pagefile_open(&disk->device, &extent, 1)));
    struct space *space = fixture_space();
    uint32_t npages = 5000;
    uaddr_t base = fixture_allocate(space, npages * PAGE_BYTES, PAGE_READWRITE);
    for (uint32_t round = 0; round < 2; round++) {
        fill(base, npages, round);
        for (uint32_t i = 0; i < 40; i++) { /* each touch needs a table of its own */
            uaddr_t far = {0x40000000 + i * CHUNK_STEP};
            uint32_t nbytes = PAGE_BYTES;
            EXPECT_STATUS(mm_allocate_virtual(space, &far, &nbytes, 0, MEM_RESERVE | MEM_COMMIT,
                                              PAGE_READWRITE),
                          STATUS_SUCCESS);
            sim_store32(far, i);
            nbytes = 0;
            EXPECT_STATUS(mm_free_virtual(space, &far, &nbytes, MEM_RELEASE), STATUS_SUCCESS);
        }
        EXPECT_EQUAL(count_wrong(base, npages, round), 0);
    }
    fixture_settle();
    fixture_check();
    fixture_end_space(space);
}

TEST("paging: a table that could not be read once shows nothing of what went while it was out")
{
    boot_paging(1, SLOTS);
    struct space *space = fixture_space();
    uaddr_t going = {0x20000000};
    uaddr_t staying = {0x20100000};
    uint32_t nbytes = PAGE_BYTES;
    EXPECT_STATUS(
        mm_allocate_virtual(space, &going, &nbytes, 0, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE),
        STATUS_SUCCESS);
    EXPECT_STATUS(
        mm_allocate_virtual(space, &staying, &nbytes, 0, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE),
        STATUS_SUCCESS);
    sim_store32(going, 1);
    sim_store32(staying, 2);
    fixture_press(space, 3000);
    fixture_settle();
    disk->fail_end = disk->device.nsectors;
    uint32_t all = 0;
    EXPECT_STATUS(mm_free_virtual(space, &going, &all, MEM_RELEASE), STATUS_SUCCESS);
    disk->fail_end = 0;
    EXPECT_STATUS(
        mm_allocate_virtual(space, &going, &nbytes, 0, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE),
        STATUS_SUCCESS);
    uint32_t word;
    struct fault_report report = {0};
    EXPECT_EQUAL(sim_read(going, &word, 4, &report), FAULT_IN_PAGE_ERROR);
    EXPECT_STATUS(report.cause, STATUS_DATA_ERROR);
    EXPECT_EQUAL(sim_read(staying, &word, 4, &report), FAULT_IN_PAGE_ERROR);
    all = 0;
    EXPECT_STATUS(mm_free_virtual(space, &staying, &all, MEM_RELEASE), STATUS_SUCCESS);
    all = 0;
    EXPECT_STATUS(mm_free_virtual(space, &going, &all, MEM_RELEASE), STATUS_SUCCESS);
    EXPECT_STATUS(
        mm_allocate_virtual(space, &going, &nbytes, 0, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE),
        STATUS_SUCCESS);
    EXPECT_EQUAL(sim_load32(going), 0);
    fixture_settle();
    fixture_check();
    fixture_end_space(space);
}

TEST("paging: a table that cannot be read goes with the last region there, be it an untouched view")
{
    boot_paging(1, SLOTS);
    struct space *space = fixture_space();
    struct section section;
    fixture_section(&section, PAGE_BYTES);
    uaddr_t region = {0x20000000};
    uint32_t nbytes = PAGE_BYTES;
    EXPECT_STATUS(
        mm_allocate_virtual(space, &region, &nbytes, 0, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE),
        STATUS_SUCCESS);
    uaddr_t view = fixture_map(space, &section, 0x20010000, 0, 0, PAGE_READWRITE);
    sim_store32(region, 1);
    fixture_press(space, 3000);
    fixture_settle();
    disk->fail_end = disk->device.nsectors;
    uint32_t all = 0;
    struct mm_charges before, after;
    mm_read_charges(&before);
    EXPECT_STATUS(mm_free_virtual(space, &region, &all, MEM_RELEASE), STATUS_SUCCESS);
    EXPECT_STATUS(mm_unmap_view(space, view), STATUS_SUCCESS);
    disk->fail_end = 0;
    mm_read_charges(&after); /* nothing is promised on slots that it may have named */
    EXPECT_EQUAL(after.commit_limit, before.commit_limit - CHUNK_PAGES);
    EXPECT_STATUS(
        mm_allocate_virtual(space, &region, &nbytes, 0, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE),
        STATUS_SUCCESS);
    EXPECT_EQUAL(sim_load32(region), 0); /* nothing is left of what lay there */
    fixture_end_space(space);
    mm_section_destroy(&section);
    fixture_settle();
    fixture_check();
}

TEST("paging: in the least memory, with hardly more frames than the room, four threads make "
     "progress")
{
    (void)fixture_boot_paging(2 * MIB, SLOTS);
    struct mm_charges charges;
    mm_read_charges(&charges);
    while (charges.resident_available > 40) { /* what cannot leave takes nearly all the rest */
        REQUIRE(!pfn_is_none(mm_take_kernel_frame()));
        mm_read_charges(&charges);
    }
    run_pagers();
}

TEST("paging: pages that are used all the time stay, though a TLB translates them")
{
    enum { HOT = 8, COLD = 1400 }; /* of so many cold ones one turn evicts as many as are wanted */
    struct section section;
    boot_paging(1, SLOTS);
    struct space *cold = fixture_space();
    uaddr_t cold_base = fixture_allocate(cold, COLD * PAGE_BYTES, PAGE_READWRITE);
    fill(cold_base, COLD, 0);
    struct space *hot = fixture_space();
    fixture_section(&section, HOT * PAGE_BYTES);
    uaddr_t base = fixture_map(hot, &section, 0, 0, 0, PAGE_READWRITE);
    fixture_fill(base, HOT, 1);
    fixture_settle();
    fixture_chill(cold, cold_base, COLD);
    uint64_t faults = sim_fault_count();
    for (uint32_t i = 0; i < 6; i++) {
        EXPECT_EQUAL(fixture_count_wrong(base, HOT, 1), 0);
        mi_wait_with_lock(NULL); /* the hand comes by at least at every second call */
    }
    EXPECT_EQUAL(fixture_count_wrong(base, HOT, 1), 0);
    EXPECT_EQUAL(sim_fault_count(), faults);
    EXPECT(cold->private_pages < COLD - 5 * 64);
    fixture_end_space(hot);
    fixture_end_space(cold);
    mm_section_destroy(&section);
    fixture_settle();
    fixture_check();
}

#define MAKERS 80u /* their stacks take more frames than the balancer keeps available */

static void *stacks[MAKERS];
static struct waitable all_are_there;

static void make_stack(void *argument)
{
    EXPECT_STATUS(wait_for(&all_are_there, WAIT_FOREVER, false), STATUS_SUCCESS);
    EXPECT_STATUS(mm_create_kernel_stack(&stacks[(uintptr_t)argument]), STATUS_SUCCESS);
}

TEST("paging: threads that make kernel stacks at once wait for each other's frames")
{
    disk = fixture_boot_paging_preempted(4 * MIB, SLOTS, 1);
    struct space *space = fixture_space();
    uint32_t npages = 1500;
    uaddr_t base = fixture_allocate(space, npages * PAGE_BYTES, PAGE_READWRITE);
    fill(base, npages, 0);
    fixture_settle();
    waitable_init_event(&all_are_there, true, false);
    EXPECT(mi_frames_available() < MAKERS * (KERNEL_STACK_BYTES / PAGE_BYTES));
    for (uint32_t i = 0; i < MAKERS; i++) {
        sim_thread("makes a stack", make_stack, (void *)(uintptr_t)i, PRIORITY_NORMAL);
    }
    sim_advance(20 * NS_PER_MS);
    disk->latency = 20 * NS_PER_MS; /* what is taken does not come back at once */
    (void)event_set(&all_are_there);
    sim_join();
    for (uint32_t i = 0; i < MAKERS; i++) {
        memset(stacks[i], (int)i, KERNEL_STACK_BYTES);
    }
    EXPECT_EQUAL(count_wrong(base, npages, 0), 0);
    for (uint32_t i = 0; i < MAKERS; i++) {
        EXPECT_EQUAL(*(uint8_t *)stacks[i], i);
        mm_destroy_kernel_stack(stacks[i]);
    }
    fixture_end_space(space);
    fixture_settle();
    fixture_check();
}

/* ---- the least memory -------------------------------------------------------------------------
 */

static uint32_t frames_left;
static uint32_t pages_done;

/* Ends the test when nothing was done for a while. */
static void watch_progress(void *unused)
{
    (void)unused;
    for (uint32_t before = UINT32_MAX; before != pages_done;) {
        status_t status;
        before = pages_done;
        thread_sleep_until(clock_now() + 1000 * NS_PER_MS, false, &status);
    }
    test_end_with(1);
}

/* Pages 400 pages through as many frames as are left available; or it does not end. */
static void page_through_few(void)
{
    (void)fixture_boot_paging(2 * MIB, SLOTS);
    struct space *space = fixture_space();
    uaddr_t memory = fixture_allocate(space, 400 * PAGE_BYTES, PAGE_READWRITE);
    sim_store32(memory, 1); /* its tables are there */
    (void)sim_thread("watch", watch_progress, NULL, PRIORITY_HIGH);
    while (mi_frames_available() > frames_left) {
        VERIFY(!pfn_is_none(mi_try_table_frame(FRAME_KERNEL)));
    }
    for (uint32_t i = 0; i < 400; i++, pages_done++) {
        sim_store32(fixture_page(memory, i), value_of(i, 1));
    }
    for (uint32_t i = 0; i < 400; i++, pages_done++) {
        VERIFY(sim_load32(fixture_page(memory, i)) == value_of(i, 1));
    }
    test_end_with(0);
}

static bool makes_progress_with(uint32_t nframes)
{
    char *said;
    frames_left = nframes;
    int status = test_run(page_through_few, &said);
    free(said);
    return status == 0;
}

TEST("paging: the least number of frames with which it makes progress is what is said at the start")
{
    uint32_t least = mi_least_frames(2 * MIB / PAGE_BYTES);
    EXPECT(!makes_progress_with(least - 1));
    EXPECT(makes_progress_with(least));
    EXPECT(makes_progress_with(least + 1));
    EXPECT(least < mi_room(2 * MIB / PAGE_BYTES));
}

/* ---- charges, blocks and growth while memory is short -----------------------------------------
 */

TEST("paging: slots that are lost while all commit is in use lower the limit when some comes back")
{
    boot_paging(1, SLOTS);
    struct mm_charges charges;
    mm_read_charges(&charges);
    uint32_t limit = charges.commit_limit;
    uint32_t room = limit - charges.commit;
    inject_audits(false); /* what is charged here is nobody's */
    REQUIRE(is_success(mm_charge_commit(room)));
    mi_commit_lose(300);
    mm_read_charges(&charges);
    EXPECT_EQUAL(charges.commit_limit, limit);
    EXPECT_STATUS(mm_charge_commit(1), STATUS_COMMITMENT_LIMIT);
    mm_return_commit(100);
    EXPECT_STATUS(mm_charge_commit(1), STATUS_COMMITMENT_LIMIT);
    mm_return_commit(room - 100);
    mm_read_charges(&charges);
    EXPECT_EQUAL(charges.commit_limit, limit - 300);
    EXPECT_STATUS(mm_charge_commit(room - 299), STATUS_COMMITMENT_LIMIT);
    REQUIRE(is_success(mm_charge_commit(room - 300)));
    mm_return_commit(room - 300);
}

static uint32_t count_free(void)
{
    return mi_frame_list_length(FRAME_FREE, ZONE_LOW) +
           mi_frame_list_length(FRAME_ZEROED, ZONE_LOW);
}

TEST("paging: whole pages of the pool are had when all that is available is on standby")
{
    boot_paging(1, SLOTS);
    struct space *space = fixture_space();
    uaddr_t memory = fixture_allocate(space, 16 * MIB, PAGE_READWRITE);
    fill(memory, 4096, 1);
    fixture_settle();
    pfn_t taken[600];
    uint32_t ntaken = 0;
    while (count_free() != 0 && ntaken < ARRAY_COUNT(taken)) {
        taken[ntaken] = mm_take_kernel_frame();
        REQUIRE(!pfn_is_none(taken[ntaken]));
        ntaken++;
    }
    REQUIRE(count_free() == 0 && mi_frames_available() > 64);
    uint32_t *one = mm_allocate(PAGE_BYTES);
    uint32_t *small = mm_allocate(3000);
    uint32_t *two = mm_allocate(2 * PAGE_BYTES);
    EXPECT(one != NULL && one[1023] == 0);
    EXPECT(small != NULL && two != NULL && two[2047] == 0);
    mm_free(one, PAGE_BYTES);
    mm_free(small, 3000);
    mm_free(two, 2 * PAGE_BYTES);
    while (ntaken-- != 0) {
        mm_release_kernel_frame(taken[ntaken]);
    }
    EXPECT_EQUAL(count_wrong(memory, 4096, 1), 0);
    fixture_end_space(space);
    fixture_settle();
    fixture_check();
}

static uint32_t next_slot; /* where the file goes on, on the disk */
static uint32_t growths;

/* The file grows, and takes its time for it. */
static status_t extend_slowly(uint32_t npages, struct pagefile_extent *extents, uint32_t max,
                              uint32_t *nextents)
{
    status_t status;
    EXPECT(max != 0);
    thread_sleep_until(clock_now() + 10 * NS_PER_MS, false, &status);
    extents[0] = (struct pagefile_extent){(uint64_t)next_slot * 8, npages};
    *nextents = 1;
    next_slot += npages;
    growths++;
    return STATUS_SUCCESS;
}

static void boot_growing(uint32_t slots, uint32_t most)
{
    inject_audits(false); /* what is charged here is nobody's */
    fixture_boot(8 * MIB, 0, 1);
    disk = sim_disk_memory((uint64_t)most * 8);
    struct pagefile_extent extent = {0, slots};
    REQUIRE(is_success(mm_pagefile_open(&disk->device, &extent, 1)));
    mm_pagefile_register_extend(extend_slowly);
    next_slot = slots;
    growths = 0;
    REQUIRE(is_success(mm_pagefile_set_limits(slots, most)));
}

static uint32_t npages_wanted;
static uint32_t nserved;

/* As a system call does: refused, it lets the file grow, and tries again. */
static void want_commit(void *unused)
{
    (void)unused;
    mm_forget_refusal();
    status_t status = mm_charge_commit(npages_wanted);
    if (status == STATUS_COMMITMENT_LIMIT && mm_pagefile_grow(0)) {
        status = mm_charge_commit(npages_wanted);
    }
    nserved += is_success(status);
}

TEST("paging: threads that are refused commit at once all have it when the file has grown")
{
    boot_growing(1000, 30000);
    struct mm_charges charges;
    mm_read_charges(&charges);
    npages_wanted = charges.commit_limit - charges.commit + 1; /* of each of them */
    REQUIRE(3 * npages_wanted < 25000);
    for (uint32_t i = 0; i < 3; i++) {
        (void)sim_thread("wants commit", want_commit, NULL, PRIORITY_NORMAL);
    }
    sim_join();
    EXPECT_EQUAL(nserved, 3);
    mm_return_commit(nserved * npages_wanted);
}

static void is_refused(void *unused)
{
    (void)unused;
    EXPECT_STATUS(mm_charge_commit(1000000), STATUS_COMMITMENT_LIMIT);
}

TEST("paging: the file does not grow for a thread that was not refused")
{
    boot_growing(1000, 30000);
    (void)sim_thread("is refused", is_refused, NULL, PRIORITY_NORMAL);
    sim_join();
    EXPECT(!mm_pagefile_grow(0));
    EXPECT_EQUAL(growths, 0);
}

TEST("paging: the file grows while a little commit is left, and not before")
{
    boot_growing(1000, 6000);
    struct mm_charges charges;
    mm_read_charges(&charges);
    uint32_t npages = charges.commit_limit - charges.commit - 1000;
    REQUIRE(is_success(mm_charge_commit(npages)));
    mm_pagefile_keep_ahead();
    EXPECT_EQUAL(growths, 0);
    REQUIRE(is_success(mm_charge_commit(900)));
    mm_pagefile_keep_ahead();
    EXPECT_EQUAL(growths, 1);
    mm_pagefile_keep_ahead();
    EXPECT_EQUAL(growths, 1);
    mm_read_charges(&charges);
    uint32_t rest = charges.commit_limit - charges.commit - 10;
    REQUIRE(is_success(mm_charge_commit(rest)));
    mm_pagefile_keep_ahead(); /* up to its greatest size */
    EXPECT_EQUAL(growths, 2);
    mm_pagefile_keep_ahead();
    EXPECT_EQUAL(growths, 2);
    EXPECT_EQUAL(next_slot, 6000);
    mm_return_commit(npages + 900 + rest);
}
