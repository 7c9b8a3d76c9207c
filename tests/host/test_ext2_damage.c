/*
 * tests/host/test_ext2_damage.c: writing ext2 where something goes wrong: damaged images, requests
 * and allocations that fail, an unclean volume; the paging file; several threads.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/constants.h"
#include "ext2_fixture.h"
#include "ext2_model.h"
#include "fs/fresh.h"
#include "kernel/failpoint.h"
#include "mm/pagefile.h"
#include "test.h"

#define MIB  (1ull << 20)
#define ROOT EXT2_ROOT_INODE

/* ---- what goes wrong ---- */

TEST("ext2 writing: a volume that was not unmounted cleanly is read-only until e2fsck -p")
{
    uint32_t number = 0;
    const struct ext2_name name = {ROOT, (const uint8_t *)"other", 5};

    fx_begin_small(1024, "2M", "");
    fx_create("file", false);
    EXPECT_STATUS(ext2_sync(fx_volume()), STATUS_SUCCESS);
    memcpy(fx_image, fx_disk->contents, fx_image_nbytes);
    fs_stop();
    memcpy(fx_disk->contents, fx_image, fx_image_nbytes);
    REQUIRE(is_success(fs_start()));
    EXPECT(!fx_volume()->writable);
    EXPECT_STATUS(ext2_create(fx_volume(), &name, 0x81A4, &number), STATUS_MEDIA_WRITE_PROTECTED);
    fs_stop();
    fx_write_image(fx_image);
    EXPECT_EQUAL(fx_e2fsck("-p"), 1);
    fx_read_image(fx_disk->contents);
    REQUIRE(is_success(fs_start()));
    EXPECT(fx_volume()->writable);
    EXPECT_STATUS(ext2_create(fx_volume(), &name, 0x81A4, &number), STATUS_SUCCESS);
    EXPECT_EQUAL(fx_end(), 0);
    fx_end_work();
}

/* The inode that NAME has, 0 without one; on a damaged image, any number. */
static uint32_t resolve(const struct ext2_name *name, bool wild)
{
    uint8_t buffer[EXT2_BLOCK_MAX];
    uint8_t found[EXT2_NAME_BYTES];
    uint32_t nbytes;
    uint32_t number = 0;
    struct ext2_inode inode;

    if (wild) {
        return 1 + sim_random(30);
    }
    if (is_error(ext2_read_inode(fx_volume(), name->directory, &inode)) ||
        !inode.information.is_directory ||
        is_error(ext2_lookup(fx_volume(), &inode, name->bytes, name->nbytes, buffer, found, &nbytes,
                             &number))) {
        return 0;
    }
    return number;
}

/* A random call on NAME or OTHER. */
static status_t call_one(const struct ext2_name *name, const struct ext2_name *other,
                         uint32_t *directory, bool wild)
{
    uint32_t number = 0;
    uint32_t links = 1;
    struct ext2_renamed renamed = {0};
    status_t status;

    switch (sim_random(8)) {
    case 0:
    case 1:
        return ext2_create(fx_volume(), name, sim_random(3) != 0 ? 0x81A4 : 0x41ED, &number);
    case 2:
        status = ext2_remove(fx_volume(), name, &number, &links);
        return is_success(status) && links == 0 ? ext2_release(fx_volume(), number) : status;
    case 3:
        status = ext2_rename(fx_volume(), name, other, &renamed);
        return is_success(status) && renamed.replaced != 0 && renamed.links == 0
                   ? ext2_release(fx_volume(), renamed.replaced)
                   : status;
    case 4:
        number = resolve(name, wild);
        *directory = number == 0 ? ROOT : number;
        return STATUS_SUCCESS;
    case 5:
        number = resolve(name, wild);
        return ext2_set_size(fx_volume(), number, (uint64_t)sim_random(2000) << sim_random(18));
    case 6: {
        struct ext2_inode inode;
        uint32_t first = sim_random(20000) >> sim_random(14);
        uint32_t count = 1 + sim_random(40);
        number = resolve(name, wild);
        status = ext2_read_inode(fx_volume(), number, &inode);
        uint64_t end = (uint64_t)(first + count) << fx_volume()->block_shift;
        if (is_error(status) || inode.information.is_directory ||
            (!wild && inode.information.nbytes < end)) {
            return status;
        }
        return ext2_allocate(fx_volume(), number, first, count, sim_random(4) != 0);
    }
    default:
        return ext2_sync(fx_volume());
    }
}

/* Random calls whose results do not matter: names may exist or not, memory and disk may fail. */
static void call_anything(uint32_t count, bool wild)
{
    static const char *const names[] = {"a", "b", "dir", "c", "sub", "longer-name-here", "x"};
    uint32_t directory = ROOT;

    for (uint32_t i = 0; i < count; i++) {
        const char *one = names[sim_random(7)];
        const char *two = names[sim_random(7)];
        const struct ext2_name name = {directory, (const uint8_t *)one, (uint32_t)strlen(one)};
        const struct ext2_name other = {directory, (const uint8_t *)two, (uint32_t)strlen(two)};
        status_t status = call_one(&name, &other, &directory, wild);
        (void)status;
    }
}

/* Flips bits of metadata, mostly. */
static void damage(uint8_t *contents, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t limit = sim_random(3) == 0 ? (uint32_t)fx_image_nbytes : 65536;
        uint32_t place = 1024 + sim_random(limit - 1024);
        if (place == 1024 + 58) {
            continue; /* the state: nothing would be written */
        }
        contents[place] ^= (uint8_t)(1u << sim_random(8));
    }
}

static void damage_test(uint32_t block_bytes, uint32_t count)
{
    uint32_t nwritable = 0;

    fx_begin_small(block_bytes, "2M", "-N 64");
    call_anything(60, false);
    fs_stop();
    memcpy(fx_image, fx_disk->contents, fx_image_nbytes);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(fx_disk->contents, fx_image, fx_image_nbytes);
        damage(fx_disk->contents, 1 + i % 30);
        if (is_success(fs_start())) {
            nwritable += fx_volume()->writable;
            call_anything(40, true);
            fs_stop();
        }
    }
    printf("# %u of %u damaged images were written to\n", nwritable, count);
    EXPECT(nwritable > count / 10);
    fx_end_work();
}

TEST("ext2 writing: damaged images, 1 KiB blocks")
{
    damage_test(1024, 400);
}

TEST("ext2 writing: damaged images, 4 KiB blocks")
{
    damage_test(4096, 400);
}

TEST("ext2 writing: requests that fail leave a file system that e2fsck -p repairs")
{
    fx_begin_small(1024, "2M", "-N 64");
    for (uint32_t round = 0; round < 12; round++) {
        fx_disk->fail_one_in = 10;
        call_anything(100, false);
        fx_disk->fail_one_in = 0;
        fs_stop();
        fx_write_image(fx_disk->contents);
        int code = fx_e2fsck("-p");
        if (code > 1) {
            fx_show_said();
        }
        EXPECT(code == 0 || code == 1);
        EXPECT_EQUAL(fx_e2fsck("-fn"), 0);
        fx_read_image(fx_disk->contents);
        REQUIRE(is_success(fs_start()));
        EXPECT(fx_volume()->writable);
    }
    fs_stop();
    fx_end_work();
}

TEST("ext2 writing: the Nth allocation fails")
{
    uint32_t failed = 0;

    fx_begin_small(1024, "2M", "-N 64");
    for (uint32_t n = 1; n < 40; n++) {
        (void)failpoint_arm(FAILPOINT_ALLOCATION, n);
        call_anything(30, false);
        failed += n;
    }
    (void)failpoint_arm(FAILPOINT_ALLOCATION, 0);
    EXPECT(failed > 0);
    EXPECT_EQUAL(fx_end(), 0);
    fx_end_work();
}

/* ---- the paging file ---- */

TEST("ext2 writing: the paging file grows")
{
    struct pagefile_extent extents[64];
    uint32_t nextents = 0;
    uint32_t total = 0;
    struct open_file *open;

    fx_begin_small(1024, "8M", "");
    uint32_t number = fx_create("pagefile.sys", false);
    EXPECT_STATUS(ext2_set_size(fx_volume(), number, MIB), STATUS_SUCCESS);
    EXPECT_STATUS(ext2_allocate(fx_volume(), number, 0, 1024, true), STATUS_SUCCESS);
    EXPECT_STATUS(fs_extend_pagefile(1, extents, 64, &nextents), STATUS_NO_SUCH_DEVICE);
    REQUIRE(is_success(fs_start_paging()));
    EXPECT_STATUS(fx_open_path("C:\\pagefile.sys", &open), STATUS_SHARING_VIOLATION);
    EXPECT_STATUS(fs_extend_pagefile(300, extents, 64, &nextents), STATUS_SUCCESS);
    for (uint32_t i = 0; i < nextents; i++) {
        total += extents[i].npages;
        for (uint32_t page = 0; page < extents[i].npages; page++) {
            /* Each is where the file system says, past what there was. */
            uint64_t sector = extents[i].sector + page * 8ull;
            EXPECT(sector / 2 < fx_volume()->nblocks);
        }
    }
    EXPECT(total >= 290 && total <= 300);             /* pages in two pieces are not told of */
    EXPECT(fresh_count(&fx_volume()->fresh) <= 1024); /* what is new is not cleared */
    EXPECT_STATUS(fs_extend_pagefile(100000, extents, 64, &nextents), STATUS_DISK_FULL);
    EXPECT_STATUS(fs_extend_pagefile(10, extents, 64, &nextents), STATUS_SUCCESS);
    fs_stop_paging();
    EXPECT_EQUAL(fx_end(), 0);
    fx_end_work();
}

/* ---- several threads ---- */

#define WORKERS 4

static bool workers_failed;

/* Works in a directory of its own: its files are as it left them, whatever the others do. */
static void work_in_directory(void *argument)
{
    uint32_t directory = *(uint32_t *)argument;
    struct model_file *mine = calloc(1, sizeof(*mine));
    char text[16];

    REQUIRE(mine != NULL);
    for (uint32_t i = 0; i < 12; i++) {
        snprintf(text, sizeof(text), "file%u", i % 5);
        const struct ext2_name name = {directory, (const uint8_t *)text, (uint32_t)strlen(text)};
        uint32_t links = 1;
        status_t status = ext2_create(fx_volume(), &name, 0x81A4, &mine->inode);
        if (status == STATUS_OBJECT_NAME_COLLISION) {
            status = ext2_remove(fx_volume(), &name, &mine->inode, &links);
            status = is_success(status) ? ext2_release(fx_volume(), mine->inode) : status;
            workers_failed |= is_error(status);
            continue;
        }
        mine->nbytes = 20 * PAGE_BYTES;
        mine->npages = 0;
        workers_failed |=
            is_error(status) || is_error(ext2_set_size(fx_volume(), mine->inode, mine->nbytes));
        for (uint32_t page = 0; page < 20; page += 4) {
            for (uint32_t j = 0; j < 4; j++) {
                fx_set_seed(mine, page + j, directory * 100 + i);
            }
            workers_failed |= is_error(fx_write_pages(mine, page, 4, false));
        }
        if (sim_random(3) == 0) {
            workers_failed |= is_error(ext2_sync(fx_volume()));
        }
    }
    free(mine);
}

static void threads_test(uint32_t seed)
{
    static uint32_t directories[WORKERS];
    static const char *const names[] = {"one", "two", "three", "four"};

    fx_make_image(1024, "4M", "-N 128");
    fx_boot(seed, 3);
    fx_disk->shuffle = true;
    REQUIRE(is_success(fs_start()));
    fx_files[0].inode = ROOT;
    for (uint32_t i = 0; i < WORKERS; i++) {
        directories[i] = fx_create(names[i], true);
        sim_thread(names[i], work_in_directory, &directories[i], 8);
    }
    sim_join();
    EXPECT(!workers_failed);
    EXPECT_STATUS(ext2_sync(fx_volume()), STATUS_SUCCESS);
    for (uint32_t i = 0; i < WORKERS; i++) {
        char path[32];
        struct open_file *open;
        struct model_file wanted = {.nbytes = 20 * PAGE_BYTES};
        snprintf(path, sizeof(path), "C:\\%s\\file1", names[i]);
        REQUIRE(is_success(fx_open_path(path, &open)));
        for (uint32_t page = 0; page < 20; page++) {
            fx_set_seed(&wanted, page, directories[i] * 100 + 11);
        }
        EXPECT(fx_has_contents(open, &wanted, wanted.nbytes, NULL));
        fs_close(open);
    }
    EXPECT_EQUAL(fx_end(), 0);
    fx_end_work();
}

TEST("ext2 writing: several threads at once")
{
    threads_test(3 + fx_seed_offset());
}
