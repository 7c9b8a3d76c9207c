/*
 * tests/host/test_ext2_write.c: writing ext2: random sequences of changes, judged by e2fsck; the
 * power cut at every point of them; space, times, and what others have made.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/constants.h"
#include "ext2_fixture.h"
#include "ext2_model.h"
#include "fs/ext2_format.h"
#include "fs/fresh.h"
#include "kernel/clock.h"
#include "log_disk.h"
#include "test.h"

#define MIB  (1ull << 20)
#define ROOT EXT2_ROOT_INODE

/* COUNT random changes on a new image, logged. */
static void make_changes(uint32_t block_bytes, const char *options, uint32_t seed, uint32_t count)
{
    fx_begin(block_bytes, "2M", options, seed);
    fx_begin_model();
    for (uint32_t i = 0; i < count; i++) {
        fx_change_something(200);
        if (sim_random(9) == 0) {
            fx_sync_volume();
        }
    }
    fs_stop();
    fx_take_snapshot();
}

static void crash_test(uint32_t block_bytes, const char *options, uint32_t seed, uint32_t count)
{
    make_changes(block_bytes, options, seed, count);
    fx_check_cuts();
    fx_end_work();
}

TEST("ext2 writing: the power cut at every write, 1 KiB blocks")
{
    crash_test(1024, "-N 64", 1, 60);
}

TEST("ext2 writing: the power cut at every write, 4 KiB blocks")
{
    crash_test(4096, "-N 64", 2, 60);
}

TEST("ext2 writing: a disk that does not heed flushes is found out")
{
    bool right = true;

    make_changes(1024, "-N 64", 1, 60);
    log_disk_stop();
    log_disk_ignore_flushes();
    fx_expects_failure = true;
    for (uint32_t cut = 20; cut <= log_disk_count() && right; cut += 3) {
        right = fx_check_cut(cut, 0x5555555555555555ull << cut % 7);
    }
    EXPECT(!right);
    fx_end_work();
}

/* ---- sequences that end by themselves ---- */

static void run_test(uint32_t block_bytes, const char *size, const char *options, uint32_t seed,
                     uint32_t limit)
{
    fx_begin(block_bytes, size, options, seed);
    fx_begin_model();
    log_disk_stop();
    for (uint32_t i = 0; i < 300; i++) {
        fx_nchanges = 0;
        fx_change_something(limit);
        if (sim_random(25) == 0) {
            EXPECT_STATUS(ext2_sync(fx_volume()), STATUS_SUCCESS);
        }
        if (i % 100 == 99) {
            fx_check_model();
            fs_drain();
        }
    }
    EXPECT_EQUAL(fx_end(), 0);
    REQUIRE(is_success(fs_start()));
    fx_check_model();
    fs_stop();
    fx_end_work();
}

TEST("ext2 writing: random changes, 1 KiB blocks")
{
    run_test(1024, "16M", "", 11, 40000);
}

TEST("ext2 writing: random changes, 2 KiB blocks and old inodes")
{
    run_test(2048, "8M", "-I 128 -O ^filetype", 12, 3000);
}

TEST("ext2 writing: random changes, 4 KiB blocks")
{
    run_test(4096, "16M", "-O ^dir_index", 13, 400000);
}

TEST("ext2 writing: random changes on a disk that is nearly full")
{
    run_test(1024, "700K", "-N 40", 14, 50);
}

/* ---- space ---- */

/* How many pieces the blocks [0, count) of a file lie in. */
static uint32_t count_pieces(uint32_t number, uint32_t count)
{
    uint32_t blocks[EXT2_MAP_BATCH];
    uint32_t pieces = 0;
    uint32_t last = 0;

    for (uint32_t first = 0; first < count;) {
        uint32_t n = count - first;
        REQUIRE(is_success(ext2_map(fx_volume(), number, first, &n, blocks)));
        for (uint32_t i = 0; i < n; i++) {
            /* An indirect block may lie between two blocks of the file. */
            pieces += blocks[i] != last + 1 && blocks[i] != last + 2 && blocks[i] != last + 3;
            last = blocks[i];
        }
        first += n;
    }
    return pieces;
}

TEST("ext2 writing: files that grow side by side are contiguous")
{
    uint32_t numbers[4];
    static const char *const names[] = {"a", "b", "c", "d"};

    fx_begin_small(1024, "16M", "");
    for (uint32_t i = 0; i < 4; i++) {
        numbers[i] = fx_create(names[i], false);
        EXPECT_STATUS(ext2_set_size(fx_volume(), numbers[i], 2 * MIB), STATUS_SUCCESS);
    }
    for (uint32_t block = 0; block < 2048; block += 4) {
        for (uint32_t i = 0; i < 4; i++) {
            EXPECT_STATUS(ext2_allocate(fx_volume(), numbers[i], block, 4, true), STATUS_SUCCESS);
        }
    }
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t pieces = count_pieces(numbers[i], 2048);
        printf("# %s: %u pieces\n", names[i], pieces);
        EXPECT(pieces <= 2048 / 64 + 4);
    }
    uint32_t alone = fx_create("alone", false);
    EXPECT_STATUS(ext2_set_size(fx_volume(), alone, 2 * MIB), STATUS_SUCCESS);
    for (uint32_t block = 0; block < 2048; block += 4) {
        EXPECT_STATUS(ext2_allocate(fx_volume(), alone, block, 4, true), STATUS_SUCCESS);
    }
    EXPECT(count_pieces(alone, 2048) <= 3);
    EXPECT_EQUAL(fx_end(), 0);
    fx_end_work();
}

TEST("ext2 writing: a disk that is full, and empty again")
{
    char name[16];
    uint32_t number = 0;
    status_t status = STATUS_SUCCESS;

    fx_begin_small(1024, "2M", "-N 48");
    fx_create("first", false);
    fx_remove_name("first");
    EXPECT_STATUS(ext2_sync(fx_volume()), STATUS_SUCCESS);
    uint32_t before = fx_volume()->free_blocks;
    uint32_t large = fx_create("large", false);
    EXPECT_STATUS(ext2_set_size(fx_volume(), large, 8 * MIB), STATUS_SUCCESS);
    EXPECT_STATUS(ext2_allocate(fx_volume(), large, 0, 8192, true), STATUS_DISK_FULL);
    EXPECT(fx_volume()->free_blocks <= 1); /* an indirect block and its first block are two */
    EXPECT_STATUS(ext2_set_size(fx_volume(), large, 1 * MIB), STATUS_SUCCESS);
    EXPECT_STATUS(ext2_sync(fx_volume()), STATUS_SUCCESS);
    EXPECT(fx_volume()->free_blocks > 300);
    fx_remove_name("large");
    EXPECT_STATUS(ext2_sync(fx_volume()), STATUS_SUCCESS);
    EXPECT_EQUAL(fx_volume()->free_blocks, before);

    uint32_t made = 0;
    for (; made < 60 && is_success(status); made++) {
        snprintf(name, sizeof(name), "file%u", made);
        const struct ext2_name wanted = fx_name_of(name, 0);
        status = ext2_create(fx_volume(), &wanted, 0x81A4, &number);
    }
    EXPECT_STATUS(status, STATUS_DISK_FULL);
    EXPECT(made > 30);
    for (uint32_t i = 0; i + 1 < made; i++) {
        snprintf(name, sizeof(name), "file%u", i);
        fx_remove_name(name);
    }
    fx_create("again", true);
    fx_remove_name("again");
    EXPECT_STATUS(ext2_sync(fx_volume()), STATUS_SUCCESS);
    EXPECT_EQUAL(fx_volume()->free_blocks, before);
    EXPECT_EQUAL(fx_end(), 0);
    fx_end_work();
}

TEST("ext2 writing: files above 2 GiB, the feature set before the first of them")
{
    struct model_file *file = &fx_files[1];

    fx_make_image(4096, "2M", "-N 64 -O ^large_file");
    fx_boot(1, 0);
    REQUIRE(is_success(fs_start()));
    fx_begin_model();
    fx_make_name(file->name);
    *file = (struct model_file){.exists = true, .id = 1, .name = "large"};
    fx_nfiles = 2;
    fx_note(CHANGE_MADE, file, 0);
    file->inode = fx_create("large", false);
    fx_change_size(file, 5ull << 30);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t page = i == 0   ? 3
                        : i == 1 ? (3u << 30 >> 12) + 1
                                 : (uint32_t)(5ull << 30 >> 12) - 1;
        fx_note(CHANGE_WRITTEN, file, page);
        REQUIRE(fx_set_seed(file, page, fx_make_seed(file)));
        EXPECT_STATUS(fx_write_pages(file, page, 1, false), STATUS_SUCCESS);
    }
    fx_sync_volume();
    fx_change_size(file, (3ull << 30) + 5 * 4096);
    fx_sync_volume();
    fx_check_model();
    EXPECT_EQUAL(fx_end(), 0);
    fx_take_snapshot();
    fx_check_cuts();
    fx_end_work();
}

TEST("ext2 writing: times are kept to 100 ns, the time of creation too")
{
    struct ext2_inode inode;
    struct ext2_settings settings = {.creation_time = 116444736000000000ll + 1234567891,
                                     .write_time = 133500000001234567ll,
                                     .access_time = 158500000000000001ll,
                                     .set_attributes = true,
                                     .attributes = FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_HIDDEN};

    fx_begin_small(1024, "2M", "");
    uint32_t number = fx_create("file", false);
    EXPECT_STATUS(ext2_read_inode(fx_volume(), number, &inode), STATUS_SUCCESS);
    int64_t now = clock_system_time();
    EXPECT(now - inode.information.creation_time < 10000000);
    EXPECT_EQUAL(inode.information.write_time, inode.information.creation_time);
    EXPECT_STATUS(ext2_set_information(fx_volume(), number, &settings), STATUS_SUCCESS);
    fx_remount();
    EXPECT_STATUS(ext2_read_inode(fx_volume(), number, &inode), STATUS_SUCCESS);
    EXPECT_EQUAL(inode.information.creation_time, settings.creation_time);
    EXPECT_EQUAL(inode.information.write_time, settings.write_time);
    EXPECT_EQUAL(inode.information.access_time, settings.access_time);
    EXPECT_EQUAL(inode.information.attributes, FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_HIDDEN);
    EXPECT_EQUAL(fx_end(), 0);
    fx_end_work();
}

/* ---- what others have made ---- */

/* COUNT files in DIRECTORY, or without them again; every STEP-th. */
static void fill_directory(uint32_t directory, uint32_t count, uint32_t step, bool remove)
{
    for (uint32_t i = 0; i < count; i += step) {
        char text[40];
        uint32_t number = 0;
        uint32_t links = 9;
        snprintf(text, sizeof(text), "a-name-that-takes-some-room-%u", i);
        const struct ext2_name name = {directory, (const uint8_t *)text, (uint32_t)strlen(text)};
        if (!remove) {
            REQUIRE(is_success(ext2_create(fx_volume(), &name, 0x81A4, &number)));
            continue;
        }
        REQUIRE(is_success(ext2_remove(fx_volume(), &name, &number, &links)));
        REQUIRE(is_success(ext2_release(fx_volume(), number)));
    }
}

TEST("ext2 writing: a directory of 1500 files, with indirect blocks")
{
    uint32_t number;
    uint32_t links;

    fx_begin_small(1024, "8M", "-N 2000");
    uint32_t directory = fx_create("dir", true);
    const struct ext2_name name = fx_name_of("dir", 0);
    fill_directory(directory, 1500, 1, false);
    EXPECT_EQUAL(fx_end(), 0);
    REQUIRE(is_success(fs_start()));
    EXPECT_STATUS(fx_look_up(directory, "a-name-that-takes-some-room-1499", &number),
                  STATUS_SUCCESS);
    fill_directory(directory, 1500, 2, true);
    EXPECT_STATUS(fx_look_up(directory, "a-name-that-takes-some-room-2", &number),
                  STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_STATUS(ext2_remove(fx_volume(), &name, &number, &links), STATUS_DIRECTORY_NOT_EMPTY);
    fill_directory(directory, 1500, 2, false);
    fill_directory(directory, 1500, 1, true);
    fx_remove_name("dir");
    EXPECT_EQUAL(fx_end(), 0);
    fx_end_work();
}

static bool is_indexed(uint32_t directory)
{
    struct metadata_block *block;
    uint8_t *raw;

    mutex_lock(&fx_volume()->metadata.lock);
    REQUIRE(is_success(ext2_get_inode_locked(fx_volume(), directory, &block, &raw)));
    bool indexed = (get32(raw + INODE_FLAGS) & INODE_FLAG_INDEX) != 0;
    metadata_put(&fx_volume()->metadata, block);
    mutex_unlock(&fx_volume()->metadata.lock);
    return indexed;
}

TEST("ext2 writing: a directory with an index loses it, and no crash shows")
{
    uint32_t number;

    fx_begin_small(1024, "2M", "-N 256");
    uint32_t directory = fx_create("dir", true);
    fill_directory(directory, 150, 1, false);
    fs_stop();
    fx_write_image(fx_disk->contents);
    EXPECT_EQUAL(fx_e2fsck("-fyD"), 0);
    fx_read_image(fx_disk->contents);
    REQUIRE(is_success(fs_start()));
    EXPECT(is_indexed(directory));
    fx_begin_model();
    fill_directory(directory, 150, 10, true);
    EXPECT_STATUS(ext2_sync(fx_volume()), STATUS_SUCCESS);
    fill_directory(directory, 150, 10, false);
    EXPECT_STATUS(fx_look_up(directory, "a-name-that-takes-some-room-140", &number),
                  STATUS_SUCCESS);
    EXPECT(!is_indexed(directory));
    EXPECT_EQUAL(fx_end(), 0);
    fx_take_snapshot();
    fx_check_cuts();
    fx_end_work();
}

TEST("ext2 writing: files with extended attributes, and with two names")
{
    uint32_t number = 0;
    uint32_t links = 9;
    const struct ext2_name one = {ROOT, (const uint8_t *)"one", 3};
    const struct ext2_name two = {ROOT, (const uint8_t *)"two", 3};

    fx_begin_small(1024, "2M", "-N 64");
    fx_create("one", false);
    fx_create("plain", false);
    EXPECT_STATUS(ext2_sync(fx_volume()), STATUS_SUCCESS);
    uint32_t before = fx_volume()->free_blocks;
    fx_edit_image(
        "ea_set plain user.large 01234567890123456789012345678901234567890123456789012345678"
        "901234567890123456789012345678901234567890123456789012345678901234567890123456789"
        "\\nsif one links_count 2\\nlink one two\\n");
    EXPECT_STATUS(fx_look_up(ROOT, "two", &number), STATUS_SUCCESS);
    EXPECT(fx_volume()->free_blocks < before);
    fx_remove_name("plain");
    EXPECT_STATUS(ext2_remove(fx_volume(), &one, &number, &links), STATUS_SUCCESS);
    EXPECT_EQUAL(links, 1);
    EXPECT_STATUS(ext2_remove(fx_volume(), &two, &number, &links), STATUS_SUCCESS);
    EXPECT_EQUAL(links, 0);
    EXPECT_STATUS(ext2_release(fx_volume(), number), STATUS_SUCCESS);
    EXPECT_STATUS(ext2_sync(fx_volume()), STATUS_SUCCESS);
    EXPECT_EQUAL(fx_volume()->free_blocks, before);
    EXPECT_EQUAL(fx_end(), 0);
    fx_end_work();
}
