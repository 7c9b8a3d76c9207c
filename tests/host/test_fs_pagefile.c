/*
 * tests/host/test_fs_pagefile.c: the paging file grows on disks that are nearly full, or in pieces:
 * it takes what there is, keeps what it can use, and gives back the rest.
 */
#include <stdio.h>

#include "fs/volume.h"
#include "mm/commit.h"
#include "mm/commit_limits.h"
#include "mm/pagefile.h"
#include "tests/host/fs_fixture.h"
#include "tests/host/test.h"

#define FIRST_PAGES 256u /* of the paging file at first */
#define PIECES      256u

static uint32_t pagefile; /* its inode */

/* A file of NBLOCKS blocks, or of as many as there are; how many it has. */
static uint32_t make_file(const char *name, uint32_t nblocks)
{
    uint32_t number = fx_create(name, false);
    uint32_t made = 0;
    uint32_t step = nblocks;
    EXPECT_STATUS(ext2_set_size(fx_volume(), number, (uint64_t)nblocks * fx_volume()->block_bytes),
                  STATUS_SUCCESS);
    while (made < nblocks && step != 0) {
        uint32_t count = step < nblocks - made ? step : nblocks - made;
        status_t status = ext2_allocate(fx_volume(), number, made, count, false);
        made += is_success(status) ? count : 0;
        step = is_success(status) ? step : step / 2;
    }
    return made;
}

/* A volume with a paging file, which is in use; mm/ asks the file system when it shall grow. */
static void begin(uint32_t block_bytes, const char *size)
{
    fx_begin_small(block_bytes, size, "-N 1024");
    pagefile = fx_create("pagefile.sys", false);
    uint32_t nblocks = FIRST_PAGES * (PAGE_BYTES / block_bytes);
    EXPECT_STATUS(ext2_set_size(fx_volume(), pagefile, FIRST_PAGES * PAGE_BYTES), STATUS_SUCCESS);
    EXPECT_STATUS(ext2_allocate(fx_volume(), pagefile, 0, nblocks, true), STATUS_SUCCESS);
    REQUIRE(is_success(fs_start_paging()));
    mm_pagefile_register_extend(fs_extend_pagefile);
}

static void end(void)
{
    fs_stop_paging();
    EXPECT_EQUAL(fx_end(), 0);
    fx_end_work();
}

/* Leaves nothing free but PIECES pieces of NBLOCKS blocks, apart. */
static void break_up(uint32_t nblocks)
{
    char name[16];
    for (uint32_t i = 0; i < 2 * PIECES; i++) {
        snprintf(name, sizeof(name), "%s%u", i % 2 == 0 ? "gone" : "kept", i / 2);
        EXPECT_EQUAL(make_file(name, i % 2 == 0 ? nblocks : 1), i % 2 == 0 ? nblocks : 1);
    }
    (void)make_file("rest", fx_volume()->nblocks);
    for (uint32_t i = 0; i < PIECES; i++) {
        snprintf(name, sizeof(name), "gone%u", i);
        fx_remove_name(name);
    }
    EXPECT_STATUS(ext2_sync(fx_volume()), STATUS_SUCCESS);
}

static uint32_t pages_of_file(void)
{
    struct ext2_inode inode;
    REQUIRE(is_success(ext2_read_inode(fx_volume(), pagefile, &inode)));
    return (uint32_t)(inode.information.nbytes / PAGE_BYTES);
}

static uint32_t pages_in_use(void)
{
    struct mm_pagefile_usage usage;
    mm_read_pagefile_usage(&usage);
    return usage.total_pages;
}

TEST("paging file: what cannot be told of is given back")
{
    struct pagefile_extent extents[10];
    uint32_t nextents = 0;
    begin(4096, "16M");
    break_up(2);
    uint64_t before = ext2_count_free(fx_volume());
    EXPECT_STATUS(fs_extend_pagefile(200, extents, 10, &nextents), STATUS_SUCCESS);
    EXPECT_EQUAL(nextents, 10);
    uint32_t told = 0;
    for (uint32_t i = 0; i < nextents; i++) {
        told += extents[i].npages;
    }
    EXPECT(told >= 10 && told < 40);
    EXPECT_EQUAL(pages_of_file(), FIRST_PAGES + told);
    EXPECT(before - ext2_count_free(fx_volume()) <= told + 2); /* and indirect blocks */
    end();
}

TEST("paging file: where no page lies in one piece it stays as it was, however often it is asked")
{
    struct pagefile_extent extents[10];
    uint32_t nextents = 0;
    begin(1024, "8M");
    break_up(2);
    while (is_success(fs_extend_pagefile(50, extents, 10, &nextents))) {
        EXPECT(nextents != 0); /* pieces that lie side by side */
    }
    uint64_t before = ext2_count_free(fx_volume());
    uint32_t npages = pages_of_file();
    EXPECT(before > 200 && npages < FIRST_PAGES + 20);
    for (uint32_t round = 0; round < 5; round++) {
        EXPECT_STATUS(fs_extend_pagefile(50, extents, 10, &nextents), STATUS_DISK_FULL);
        EXPECT_EQUAL(nextents, 0);
        EXPECT_EQUAL(pages_of_file(), npages);
        EXPECT_EQUAL(ext2_count_free(fx_volume()), before);
    }
    end();
}

TEST("paging file: growth that the disk fails in takes nothing, and goes on when it works again")
{
    static struct pagefile_extent extents[64];
    uint32_t nextents = 0;
    begin(1024, "16M");
    EXPECT_EQUAL(make_file("gone", 8000), 8000);
    (void)make_file("rest", fx_volume()->nblocks);
    EXPECT_STATUS(ext2_sync(fx_volume()), STATUS_SUCCESS);
    fx_remove_name("gone"); /* its blocks are free when the disk knows */
    for (uint32_t round = 0; round < 3; round++) {
        fx_disk->fail_end = UINT64_MAX;
        EXPECT_STATUS(fs_extend_pagefile(1500, extents, 64, &nextents), STATUS_IO_DEVICE_ERROR);
        EXPECT_EQUAL(nextents, 0);
    }
    fx_disk->fail_end = 0;
    EXPECT_STATUS(fs_extend_pagefile(1500, extents, 64, &nextents), STATUS_SUCCESS);
    EXPECT(nextents != 0);
    EXPECT_EQUAL(pages_of_file(), FIRST_PAGES + 1500); /* and nothing of the failed ones */
    end();
}

TEST("paging file: a minimum on a disk in pieces is reached, or refused")
{
    begin(1024, "16M");
    break_up(6); /* 256 pages and a half, of which some lie in two pieces */
    EXPECT_STATUS(mm_pagefile_set_limits(FIRST_PAGES + 100, FIRST_PAGES + 200), STATUS_SUCCESS);
    EXPECT(pages_in_use() >= FIRST_PAGES + 100);
    EXPECT(pages_in_use() <= FIRST_PAGES + 200);
    EXPECT_STATUS(mm_pagefile_set_limits(FIRST_PAGES + 5000, FIRST_PAGES + 5000), STATUS_DISK_FULL);
    end();
}

TEST("paging file: on a disk with less left than a step, growth takes what is missing and more")
{
    struct mm_charges charges;
    begin(4096, "32M");
    uint64_t left = 8 * 256; /* 8 MiB */
    uint32_t fill = (uint32_t)(ext2_count_free(fx_volume()) - left);
    EXPECT_EQUAL(make_file("fill", fill), fill);
    EXPECT_STATUS(mm_pagefile_set_limits(FIRST_PAGES, 0x10000), STATUS_SUCCESS);
    for (uint32_t missing = 1; missing <= 1000; missing += 999) {
        mm_read_charges(&charges);
        uint32_t wanted = charges.commit_limit - charges.commit + missing;
        EXPECT_STATUS(mm_charge_commit(wanted), STATUS_COMMITMENT_LIMIT);
        EXPECT(mm_pagefile_grow(0));
        EXPECT_STATUS(mm_charge_commit(wanted), STATUS_SUCCESS);
        mm_return_commit(wanted);
    }
    EXPECT(pages_in_use() > FIRST_PAGES + 1024);
    EXPECT_EQUAL(pages_of_file(), pages_in_use());
    mm_read_charges(&charges);
    uint32_t wanted = charges.commit_limit - charges.commit + 3000;
    EXPECT_STATUS(mm_charge_commit(wanted), STATUS_COMMITMENT_LIMIT);
    EXPECT(!mm_pagefile_grow(0)); /* more than there is */
    end();
}
