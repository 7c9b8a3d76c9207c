/*
 * tests/host/test_ext2.c: ext2 and files, on images that mke2fs makes while the test runs.
 *
 * The contents of a file are a function of file and offset (pattern_byte), so any part of it can be
 * compared without keeping a copy. The last tests damage images: whatever the disk says, the file
 * system answers with a status, within bounds, in finite time.
 */
#define _GNU_SOURCE
#include "test.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/file.h"
#include "fs/volume.h"
#include "fs_fixture.h"
#include "mm/cache.h"
#include "mm/fault.h"
#include "mm/init.h"
#include "mm/section.h"
#include "sim.h"

#define READ_RIGHTS (FILE_READ_DATA | FILE_READ_ATTRIBUTES | SYNCHRONIZE)
#define MIB         (1ull << 20)

/* ---- images ---- */

static char directory[64]; /* of this test, on the host */

static uint8_t pattern_byte(uint32_t file, uint64_t offset)
{
    uint64_t x = (offset / 7 + 1) * 0x9E3779B97F4A7C15ull + file * 0x100000001B3ull;

    return (uint8_t)(x >> 32 ^ offset);
}

static void run(const char *format, ...)
{
    char command[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(command, sizeof(command), format, arguments);
    va_end(arguments);
    if (system(command) != 0) {
        fprintf(stderr, "failed: %s\n", command);
        test_fail(__FILE__, __LINE__, "a host command failed");
        test_end();
    }
}

static void remove_directory(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf %s", directory);
    if (system(command) != 0) {
        fprintf(stderr, "cannot remove %s\n", directory);
    }
}

static void begin_image(void)
{
    strcpy(directory, "/tmp/quire-ext2-XXXXXX");
    REQUIRE(mkdtemp(directory) != NULL);
    run("mkdir %s/root", directory);
}

/* Writes [offset, offset + nbytes) of file NUMBER's pattern; the rest stays a hole. */
static void put_part(const char *name, uint32_t number, uint64_t offset, uint64_t nbytes)
{
    char path[512];
    static uint8_t buffer[65536];

    snprintf(path, sizeof(path), "%s/root/%s", directory, name);
    int file = open(path, O_WRONLY | O_CREAT, 0644);
    REQUIRE(file >= 0);
    while (nbytes > 0) {
        size_t n = nbytes < sizeof(buffer) ? nbytes : sizeof(buffer);
        for (size_t i = 0; i < n; i++) {
            buffer[i] = pattern_byte(number, offset + i);
        }
        REQUIRE(pwrite(file, buffer, n, (off_t)offset) == (ssize_t)n);
        offset += n;
        nbytes -= n;
    }
    close(file);
}

static void end_image(uint32_t block_bytes, const char *size, const char *features)
{
    run("mke2fs -q -F -t ext2 -b %u %s -d %s/root %s/image %s >/dev/null 2>&1", block_bytes,
        features, directory, directory, size);
}

/* ---- the machine ---- */

static const struct trap_operations operations = {.window_fault = mm_window_fault};

static struct sim_disk *boot(bool in_memory)
{
    char path[128];

    sim_boot(&(struct sim_config){.ram = {{0, 64 * MIB}}, .seed = 1});
    trap_register(&operations);
    REQUIRE(is_success(mm_init(&boot_info)));
    REQUIRE(is_success(mm_balancer_start()));
    if (!in_memory) {
        snprintf(path, sizeof(path), "%s/image", directory);
        struct sim_disk *disk = sim_disk_file(path, true);
        disk->shuffle = true;
        return disk;
    }
    return NULL;
}

static struct sim_disk *mount(void)
{
    struct sim_disk *disk = boot(false);

    REQUIRE(is_success(fs_start()));
    return disk;
}

static status_t open_read(const char *path, struct open_file **result)
{
    return ff_try_open(path, READ_RIGHTS, FF_SHARE, FILE_OPEN, 0, result);
}

static status_t try_open(const char *path)
{
    struct open_file *file;
    status_t status = open_read(path, &file);

    if (is_success(status)) {
        fs_close(file);
    }
    return status;
}

/* Whether [offset, offset + nbytes) is the pattern (or zero) in FILE. */
static bool is_pattern(struct open_file *file, uint32_t number, uint64_t offset, uint64_t nbytes,
                       bool zero)
{
    static uint8_t buffer[50000]; /* no multiple of anything */
    uint32_t done;

    while (nbytes > 0) {
        uint32_t n = nbytes < sizeof(buffer) ? (uint32_t)nbytes : sizeof(buffer);
        if (is_error(fs_read_kernel(file, offset, buffer, n, &done)) || done != n) {
            return false;
        }
        for (uint32_t i = 0; i < n; i++) {
            uint8_t wanted = zero ? 0 : pattern_byte(number, offset + i);
            if (buffer[i] != wanted) {
                fprintf(stderr, "file %u offset %llu: %02x, not %02x\n", number,
                        (unsigned long long)(offset + i), buffer[i], wanted);
                return false;
            }
        }
        offset += n;
        nbytes -= n;
    }
    return true;
}

/* ---- reading ---- */

/* Files of every kind of map, in an image with this block size. */
static void check_reading(uint32_t block_bytes)
{
    uint64_t p = block_bytes / 4;
    uint64_t single = 12ull * block_bytes;
    uint64_t twofold = single + p * block_bytes;
    uint64_t triple = twofold + p * p * block_bytes;
    struct open_file *file;
    struct file_information information;
    uint8_t byte;
    uint32_t done = 9;

    begin_image();
    put_part("empty", 1, 0, 0);
    put_part("one", 2, 0, 1);
    put_part("direct", 3, 0, 12 * block_bytes - 3);
    put_part("page", 4, 0, 4096);
    put_part("indirect", 5, 0, twofold + 5 * block_bytes + 17);
    put_part("sparse", 6, 3, 5000);
    put_part("sparse", 6, twofold - 100, 9000);
    put_part("sparse", 6, triple - 2 * block_bytes - 7, 5 * block_bytes);
    end_image(block_bytes, "24M", "");
    mount();

    REQUIRE(is_success(open_read("C:\\empty", &file)));
    EXPECT_STATUS(fs_read_kernel(file, 0, &byte, 1, &done), STATUS_END_OF_FILE);
    EXPECT_EQUAL(done, 0);
    EXPECT_STATUS(fs_read_kernel(file, 0, &byte, 0, &done), STATUS_SUCCESS);
    fs_close(file);

    REQUIRE(is_success(open_read("\\one", &file)));
    EXPECT(is_pattern(file, 2, 0, 1, false));
    EXPECT_STATUS(fs_read_kernel(file, 1, &byte, 1, &done), STATUS_END_OF_FILE);
    fs_close(file);

    static const struct {
        const char *path;
        uint32_t number;
    } whole[] = {{"\\??\\C:\\direct", 3}, {"C:\\page", 4}, {"C:/indirect", 5}};
    for (uint32_t i = 0; i < ARRAY_COUNT(whole); i++) {
        REQUIRE(is_success(open_read(whole[i].path, &file)));
        fs_query(file, &information);
        EXPECT(is_pattern(file, whole[i].number, 0, information.nbytes, false));
        fs_close(file);
    }

    REQUIRE(is_success(open_read("C:\\SPARSE", &file)));
    fs_query(file, &information);
    EXPECT_EQUAL(information.nbytes, triple + 3 * block_bytes - 7);
    EXPECT(information.allocation_nbytes < 200 * 1024);
    EXPECT(is_pattern(file, 6, 3, 5000, false));
    EXPECT(is_pattern(file, 6, 8192, 300000, true) || twofold < 310000);
    EXPECT(is_pattern(file, 6, twofold - 100, 9000, false));
    EXPECT(is_pattern(file, 6, twofold + 5 * MIB, MIB, true));
    EXPECT(is_pattern(file, 6, triple - 2 * block_bytes - 7, 5 * block_bytes, false));
    fs_close(file);
    fs_stop();
    remove_directory();
}

TEST("ext2: files of every kind of map, 1 KiB blocks")
{
    check_reading(1024);
}

TEST("ext2: files of every kind of map, 2 KiB blocks")
{
    check_reading(2048);
}

TEST("ext2: files of every kind of map, 4 KiB blocks")
{
    check_reading(4096);
}

TEST("ext2: bytes of the last page past the end of a file are zero")
{
    struct open_file *file;
    uint8_t page[4096];

    begin_image();
    put_part("tail", 7, 0, 8192);
    end_image(4096, "4M", "");
    run("debugfs -w -R 'set_inode_field tail size 5000' %s/image >/dev/null 2>&1", directory);
    mount();
    REQUIRE(is_success(open_read("C:\\tail", &file)));
    struct section section = {0};
    REQUIRE(is_success(fs_create_section(file, &section, 0, PAGE_READONLY, SEC_COMMIT, NULL)));
    EXPECT_EQUAL(section.nbytes, 5000);
    REQUIRE(is_success(mm_cache_read(section.segment, 4096, page, 904)));
    for (uint32_t i = 0; i < 904; i++) {
        EXPECT(page[i] == pattern_byte(7, 4096 + i));
    }
    fs_close(file);
    struct file_claim *claim = section.claim;
    mm_section_destroy(&section);
    fs_release_claim(claim);
    fs_stop();
    remove_directory();
}

TEST("ext2: an old file system, with inodes of 128 bytes and no features")
{
    struct open_file *file;

    begin_image();
    put_part("file", 8, 0, 100000);
    end_image(1024, "2M", "-I 128 -O none -r 0");
    mount();
    REQUIRE(is_success(open_read("C:\\file", &file)));
    EXPECT(is_pattern(file, 8, 0, 100000, false));
    fs_close(file);
    fs_stop();
    remove_directory();
}

TEST("ext2: several requests are on their way at once")
{
    struct open_file *file;

    begin_image();
    put_part("big", 9, 0, 6 * MIB);
    end_image(1024, "12M", "");
    struct sim_disk *disk = mount();
    REQUIRE(is_success(open_read("C:\\big", &file)));
    EXPECT(is_pattern(file, 9, 0, 6 * MIB, false));
    EXPECT(disk->reads < 6 * 1024 / 8); /* neighbours go together */
    fs_close(file);
    fs_stop();
    remove_directory();
}

TEST("ext2: a disk error is the reader's, and over when the disk is well again")
{
    struct open_file *file;
    static uint8_t buffer[65536];
    uint32_t done;

    begin_image();
    put_part("file", 10, 0, 500000);
    end_image(1024, "4M", "");
    struct sim_disk *disk = mount();
    REQUIRE(is_success(open_read("C:\\file", &file)));
    disk->fail_one_in = 1;
    EXPECT_STATUS(fs_read_kernel(file, 200000, buffer, 65536, &done), STATUS_IO_DEVICE_ERROR);
    EXPECT_EQUAL(done, 0);
    disk->fail_one_in = 0;
    EXPECT(is_pattern(file, 10, 0, 500000, false));
    fs_close(file);
    fs_stop();
    remove_directory();
}

/* ---- directories and paths ---- */

static bool next_name(struct open_file *dir, struct directory_entry *entry, char *name)
{
    if (is_error(fs_directory_next(dir, entry))) {
        return false;
    }
    for (uint32_t i = 0; i < entry->name_length; i++) {
        name[i] = (char)entry->name[i];
    }
    name[entry->name_length] = 0;
    fs_directory_accept(dir, entry);
    return true;
}

/* How many entries of PATH match PATTERN. */
static uint32_t count_entries(const char *path, const char *pattern)
{
    static struct directory_entry entry;
    uint16_t wide[256];
    char name[256];
    struct open_file *dir;
    uint32_t n = 0;

    REQUIRE(
        is_success(ff_try_open(path, READ_RIGHTS, FF_SHARE, FILE_OPEN, FILE_DIRECTORY_FILE, &dir)));
    EXPECT_STATUS(fs_directory_begin(dir, wide, ff_widen(pattern, wide), true), STATUS_SUCCESS);
    while (next_name(dir, &entry, name)) {
        n++;
    }
    EXPECT_STATUS(fs_directory_next(dir, &entry),
                  n > 0 ? STATUS_NO_MORE_FILES : STATUS_NO_SUCH_FILE);
    fs_close(dir);
    return n;
}

static void check_directories(uint32_t block_bytes, const char *features)
{
    char name[64];
    struct open_file *file;

    begin_image();
    run("mkdir -p %s/root/many %s/root/a/B/c", directory, directory);
    for (uint32_t i = 0; i < 900; i++) {
        snprintf(name, sizeof(name), "many/file-number-%04u.txt", i);
        put_part(name, 100 + i, 0, i % 50);
    }
    put_part("many/README", 50, 0, 10);
    end_image(block_bytes, "16M", features);
    run("e2fsck -fyD %s/image >/dev/null 2>&1; test $? -lt 4", directory); /* makes htrees */
    mount();
    EXPECT_EQUAL(count_entries("C:\\many", "*"), 903);
    EXPECT_EQUAL(count_entries("C:\\many", "*.*"), 903);
    EXPECT_EQUAL(count_entries("C:\\many", "*.TXT"), 900);
    EXPECT_EQUAL(count_entries("C:\\many", "file-number-01??.txt"), 100);
    EXPECT_EQUAL(count_entries("C:\\many", "nothing*"), 0);
    EXPECT_EQUAL(count_entries("C:\\many", "read<"), 1);
    EXPECT_EQUAL(count_entries("C:\\many", "file<"), 0);
    EXPECT_EQUAL(count_entries("C:\\many", "file<.txt"), 900);
    EXPECT_EQUAL(count_entries("C:\\", "*"), 3); /* a, many, lost+found */
    for (uint32_t i = 0; i < 900; i += 37) {
        snprintf(name, sizeof(name), "C:\\MANY\\File-Number-%04u.TXT", i);
        REQUIRE(is_success(open_read(name, &file)));
        EXPECT(is_pattern(file, 100 + i, 0, i % 50, false));
        fs_close(file);
    }
    fs_stop();
    remove_directory();
}

TEST("ext2: a directory of 900 entries, 1 KiB blocks")
{
    check_directories(1024, "");
}

TEST("ext2: a directory of 900 entries, 4 KiB blocks")
{
    check_directories(4096, "");
}

TEST("ext2: a directory of 900 entries, indexed")
{
    check_directories(1024, "-O dir_index");
}

TEST("ext2: a directory of 900 entries, without file types")
{
    check_directories(1024, "-O ^filetype");
}

TEST("files: paths")
{
    char longest[1500];
    struct open_file *file;

    begin_image();
    run("mkdir -p %s/root/dir/Sub", directory);
    put_part("dir/Sub/File.txt", 1, 0, 3);
    put_part("dir/case", 2, 0, 1);
    put_part("dir/CASE", 3, 0, 2);
    run("ln -s case %s/root/dir/link", directory);
    end_image(1024, "2M", "");
    mount();
    EXPECT_STATUS(try_open("C:\\dir\\Sub\\File.txt"), STATUS_SUCCESS);
    EXPECT_STATUS(try_open("C:\\DIR\\sub\\FILE.TXT"), STATUS_SUCCESS);
    EXPECT_STATUS(try_open("\\??\\c:/dir//./Sub/../sub/File.txt"), STATUS_SUCCESS);
    EXPECT_STATUS(try_open("C:\\..\\..\\dir\\none\\..\\case"), STATUS_SUCCESS);
    EXPECT_STATUS(try_open("C:\\dir\\Sub\\File.txt. ."), STATUS_SUCCESS);
    EXPECT_STATUS(try_open("C:\\dir\\Sub\\"), STATUS_SUCCESS);
    EXPECT_STATUS(try_open("C:\\"), STATUS_SUCCESS);
    EXPECT_STATUS(try_open("\\??\\C:"), STATUS_SUCCESS);
    EXPECT_STATUS(try_open("C:\\dir\\Sub\\File.txt\\"), STATUS_OBJECT_NAME_INVALID);
    EXPECT_STATUS(try_open("C:\\dir\\Sub\\none"), STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_STATUS(try_open("C:\\dir\\none\\File.txt"), STATUS_OBJECT_PATH_NOT_FOUND);
    EXPECT_STATUS(try_open("C:\\dir\\case\\File.txt"), STATUS_OBJECT_PATH_NOT_FOUND);
    EXPECT_STATUS(try_open("C:\\di?"), STATUS_OBJECT_NAME_INVALID);
    EXPECT_STATUS(try_open("C:\\dir\\a:b"), STATUS_OBJECT_NAME_INVALID);
    EXPECT_STATUS(try_open("D:\\dir"), STATUS_OBJECT_PATH_NOT_FOUND);
    EXPECT_STATUS(try_open(""), STATUS_OBJECT_NAME_INVALID);
    EXPECT_STATUS(try_open("C:\\dir\\link"), STATUS_NOT_SUPPORTED);
    memset(longest, 'x', sizeof(longest));
    memcpy(longest, "C:\\", 3);
    longest[1499] = 0;
    EXPECT_STATUS(try_open(longest), STATUS_NAME_TOO_LONG);
    longest[3 + 256] = 0;
    EXPECT_STATUS(try_open(longest), STATUS_OBJECT_NAME_INVALID);
    longest[3 + 255] = 0;
    EXPECT_STATUS(try_open(longest), STATUS_OBJECT_NAME_NOT_FOUND);

    struct file_information information;
    REQUIRE(is_success(open_read("C:\\dir\\CASE", &file)));
    fs_query(file, &information);
    EXPECT_EQUAL(information.nbytes, 2);
    fs_close(file);
    REQUIRE(is_success(open_read("C:\\dir\\case", &file)));
    fs_query(file, &information);
    EXPECT_EQUAL(information.nbytes, 1);
    fs_close(file);

    REQUIRE(is_success(open_read("c:\\DIR\\SUB\\file.TXT", &file)));
    static const char canonical[] = "\\dir\\Sub\\File.txt";
    REQUIRE(file->path_length == sizeof(canonical) - 1);
    for (uint32_t i = 0; i < file->path_length; i++) {
        EXPECT(file->path[i] == (uint8_t)canonical[i]);
    }
    fs_close(file);

    struct open_file *dir;
    uint16_t wide[64];
    uint32_t told;
    REQUIRE(is_success(open_read("C:\\dir", &dir)));
    struct open_request request = {.path = wide,
                                   .path_length = ff_widen("sub\\File.txt", wide),
                                   .root = dir,
                                   .access = READ_RIGHTS,
                                   .disposition = FILE_OPEN};
    REQUIRE(is_success(fs_open(&request, &file, &told)));
    EXPECT_EQUAL(told, FILE_WAS_OPENED);
    fs_close(file);
    request.path_length = ff_widen("\\sub", wide);
    EXPECT_STATUS(fs_open(&request, &file, &told), STATUS_OBJECT_NAME_INVALID);
    fs_close(dir);
    fs_stop();
    remove_directory();
}

/* The size of the file that PATH names, and the end of its name as it is on disk. */
static uint64_t size_by_path(const char *path, uint16_t last)
{
    struct file_information information;
    struct open_file *file;

    REQUIRE(is_success(open_read(path, &file)));
    fs_query(file, &information);
    EXPECT_EQUAL(file->path[file->path_length - 1], last);
    fs_close(file);
    return information.nbytes;
}

TEST("files: names looked up again: other directories, other cases, more than are remembered")
{
    static const char *const long_name = "/a-name-of-more-than-thirty-two-characters-X";
    char name[80];

    begin_image();
    run("mkdir -p %s/root/A %s/root/b", directory, directory);
    for (uint32_t i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "A/name%uX", i);
        put_part(name, 1, 0, 1 + i);
        snprintf(name, sizeof(name), "b/name%ux", i);
        put_part(name, 2, 0, 1001 + i);
    }
    snprintf(name, sizeof(name), "b%s", long_name);
    put_part(name, 3, 0, 7);
    end_image(1024, "4M", "");
    mount();
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < 100; i++) {
            snprintf(name, sizeof(name), i % 3 == 0 ? "C:\\a\\NAME%ux" : "C:\\A\\name%uX", i);
            EXPECT_EQUAL(size_by_path(name, 'X'), 1 + i);
            snprintf(name, sizeof(name), i % 5 == 0 ? "C:\\B\\name%uX" : "C:\\b\\name%ux", i);
            EXPECT_EQUAL(size_by_path(name, 'x'), 1001 + i);
            EXPECT_EQUAL(size_by_path(name, 'x'), 1001 + i);
        }
        snprintf(name, sizeof(name), "C:\\b%s", long_name);
        EXPECT_EQUAL(size_by_path(name, 'X'), 7);
        if (round == 1) {
            fs_drain();
        }
    }
    fs_stop();
    remove_directory();
}

/* ---- opening: kinds, share modes, a volume that is read-only ---- */

static void make_small_image(void)
{
    begin_image();
    run("mkdir -p %s/root/dir", directory);
    put_part("file", 1, 0, 20000);
    put_part("empty", 2, 0, 0);
    end_image(1024, "2M", "");
}

TEST("files: what cannot be opened, and the order in which it is refused")
{
    struct open_file *file;
    struct open_file *other;

    make_small_image();
    mount();
    EXPECT_STATUS(ff_try_open("C:\\file", READ_RIGHTS, 0, FILE_OPEN, FILE_DIRECTORY_FILE, &file),
                  STATUS_NOT_A_DIRECTORY);
    EXPECT_STATUS(ff_try_open("C:\\dir", READ_RIGHTS, 0, FILE_OPEN, FILE_NON_DIRECTORY_FILE, &file),
                  STATUS_FILE_IS_A_DIRECTORY);
    EXPECT_STATUS(ff_try_open("C:\\file", READ_RIGHTS, 0, FILE_CREATE, 0, &file),
                  STATUS_OBJECT_NAME_COLLISION);
    EXPECT_STATUS(ff_try_open("C:\\new", READ_RIGHTS, 0, FILE_CREATE, 0, &file),
                  STATUS_MEDIA_WRITE_PROTECTED);
    EXPECT_STATUS(ff_try_open("C:\\new", READ_RIGHTS, 0, FILE_OPEN_IF, 0, &file),
                  STATUS_MEDIA_WRITE_PROTECTED);
    EXPECT_STATUS(ff_try_open("C:\\new", READ_RIGHTS, 0, FILE_OVERWRITE, 0, &file),
                  STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_STATUS(ff_try_open("C:\\none\\new", READ_RIGHTS, 0, FILE_CREATE, 0, &file),
                  STATUS_OBJECT_PATH_NOT_FOUND);
    EXPECT_STATUS(ff_try_open("C:\\file", FILE_WRITE_DATA, 0, FILE_OPEN, 0, &file),
                  STATUS_MEDIA_WRITE_PROTECTED);
    EXPECT_STATUS(ff_try_open("C:\\file", READ_RIGHTS, 0, FILE_OVERWRITE_IF, 0, &file),
                  STATUS_MEDIA_WRITE_PROTECTED);
    EXPECT_STATUS(ff_try_open("C:\\file", READ_RIGHTS | DELETE_ACCESS, 0, FILE_OPEN,
                              FILE_DELETE_ON_CLOSE, &file),
                  STATUS_MEDIA_WRITE_PROTECTED);
    EXPECT_STATUS(ff_try_open("C:\\file", READ_RIGHTS, 8, FILE_OPEN, 0, &file),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(ff_try_open("C:\\file", READ_RIGHTS, 0, 6, 0, &file), STATUS_INVALID_PARAMETER);
    REQUIRE(
        is_success(ff_try_open("C:\\file", READ_RIGHTS, FILE_SHARE_READ, FILE_OPEN, 0, &other)));
    EXPECT_STATUS(ff_try_open("C:\\file", FILE_WRITE_DATA, FF_SHARE, FILE_OPEN, 0, &file),
                  STATUS_SHARING_VIOLATION);
    fs_close(other);
    fs_stop();
    remove_directory();
}

/* What SHR01 says of two opens. */
static bool are_compatible(uint32_t access1, uint32_t share1, uint32_t access2, uint32_t share2)
{
    static const uint32_t rights[3] = {FILE_READ_DATA | FILE_EXECUTE,
                                       FILE_WRITE_DATA | FILE_APPEND_DATA, DELETE_ACCESS};
    static const uint32_t shares[3] = {FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_SHARE_DELETE};
    uint32_t all = rights[0] | rights[1] | rights[2];

    if ((access1 & all) == 0 || (access2 & all) == 0) {
        return true;
    }
    for (uint32_t i = 0; i < 3; i++) {
        if (((access2 & rights[i]) != 0 && (share1 & shares[i]) == 0) ||
            ((access1 & rights[i]) != 0 && (share2 & shares[i]) == 0)) {
            return false;
        }
    }
    return true;
}

TEST("files: share modes, the full matrix of what can be opened")
{
    static const uint32_t accesses[] = {0,
                                        FILE_READ_ATTRIBUTES,
                                        FILE_READ_DATA,
                                        FILE_EXECUTE,
                                        DELETE_ACCESS,
                                        FILE_READ_DATA | DELETE_ACCESS,
                                        FILE_WRITE_DATA,
                                        FILE_APPEND_DATA};
    struct open_file *first;
    struct open_file *second;

    make_small_image();
    mount();
    for (uint32_t a1 = 0; a1 < 6; a1++) {
        for (uint32_t s1 = 0; s1 < 8; s1++) {
            REQUIRE(is_success(ff_try_open("C:\\file", accesses[a1], s1, FILE_OPEN, 0, &first)));
            for (uint32_t a2 = 0; a2 < 8; a2++) {
                for (uint32_t s2 = 0; s2 < 8; s2++) {
                    bool fits = are_compatible(accesses[a1], s1, accesses[a2], s2);
                    status_t wanted = !fits    ? STATUS_SHARING_VIOLATION
                                      : a2 < 6 ? STATUS_SUCCESS
                                               : STATUS_MEDIA_WRITE_PROTECTED;
                    status_t got = ff_try_open("C:\\FILE", accesses[a2], s2, FILE_OPEN, 0, &second);
                    EXPECT_STATUS(got, wanted);
                    if (is_success(got)) {
                        fs_close(second);
                    }
                }
            }
            fs_close(first);
        }
    }
    fs_stop();
    remove_directory();
}

TEST("files: a section needs rights to its file, and keeps it when the handle is closed")
{
    struct open_file *file;
    struct section section = {0};
    struct section second = {0};
    uint8_t bytes[100];

    make_small_image();
    mount();
    REQUIRE(is_success(ff_try_open("C:\\file", READ_RIGHTS, 0, FILE_OPEN, 0, &file)));
    EXPECT_STATUS(fs_create_section(file, &section, 0, PAGE_READWRITE, SEC_COMMIT, NULL),
                  STATUS_ACCESS_DENIED);
    EXPECT_STATUS(fs_create_section(file, &section, 0, PAGE_EXECUTE_READ, SEC_COMMIT, NULL),
                  STATUS_ACCESS_DENIED);
    EXPECT_STATUS(fs_create_section(file, &section, 20001, PAGE_READONLY, SEC_COMMIT, NULL),
                  STATUS_SECTION_TOO_BIG);
    EXPECT_STATUS(fs_create_section(file, &section, 0, 0x1234, SEC_COMMIT, NULL),
                  STATUS_INVALID_PAGE_PROTECTION);
    REQUIRE(is_success(fs_create_section(file, &section, 0, PAGE_READONLY, SEC_COMMIT, NULL)));
    REQUIRE(is_success(fs_create_section(file, &second, 0, PAGE_WRITECOPY, SEC_COMMIT, NULL)));
    EXPECT(section.segment == second.segment); /* one data segment per file */
    EXPECT_EQUAL(section.nbytes, 20000);
    fs_close(file);
    REQUIRE(is_success(mm_cache_read(section.segment, 777, bytes, sizeof(bytes))));
    for (uint32_t i = 0; i < sizeof(bytes); i++) {
        EXPECT(bytes[i] == pattern_byte(1, 777 + i));
    }
    EXPECT_STATUS(ff_try_open("C:\\file", READ_RIGHTS, FF_SHARE, FILE_OVERWRITE_IF, 0, &file),
                  STATUS_USER_MAPPED_FILE);
    EXPECT_STATUS(ff_try_open("C:\\file", READ_RIGHTS, 0, FILE_OPEN, 0, &file), STATUS_SUCCESS);
    fs_close(file);
    struct file_claim *claims[2] = {section.claim, second.claim};
    mm_section_destroy(&section);
    fs_release_claim(claims[0]);
    mm_section_destroy(&second);
    fs_release_claim(claims[1]);
    EXPECT_STATUS(ff_try_open("C:\\file", READ_RIGHTS, FF_SHARE, FILE_OVERWRITE_IF, 0, &file),
                  STATUS_MEDIA_WRITE_PROTECTED);

    REQUIRE(is_success(ff_try_open("C:\\file", FILE_READ_ATTRIBUTES, 0, FILE_OPEN, 0, &file)));
    EXPECT_STATUS(fs_create_section(file, &section, 0, PAGE_READONLY, SEC_COMMIT, NULL),
                  STATUS_ACCESS_DENIED);
    EXPECT_STATUS(fs_create_section(file, &section, 0, PAGE_WRITECOPY, SEC_COMMIT, NULL),
                  STATUS_ACCESS_DENIED);
    fs_close(file);
    REQUIRE(is_success(ff_try_open("C:\\empty", READ_RIGHTS, 0, FILE_OPEN, 0, &file)));
    EXPECT_STATUS(fs_create_section(file, &section, 0, PAGE_READONLY, SEC_COMMIT, NULL),
                  STATUS_MAPPED_FILE_SIZE_ZERO);
    EXPECT_STATUS(fs_create_section(file, &section, 0, PAGE_READONLY, SEC_IMAGE, NULL),
                  STATUS_INVALID_FILE_FOR_SECTION);
    fs_close(file);
    fs_stop();
    remove_directory();
}

/* ---- what is refused ---- */

TEST("ext2: a file system with features that are not known is refused by name")
{
    begin_image();
    run("mke2fs -q -F -t ext4 -b 1024 %s/image 8M >/dev/null 2>&1", directory);
    boot(false);
    EXPECT_STATUS(fs_start(), STATUS_NOT_SUPPORTED);
    EXPECT(!fs_is_mounted());
    EXPECT_STATUS(try_open("C:\\"), STATUS_NO_SUCH_DEVICE);
    remove_directory();
}

TEST("ext2: a disk without a file system, and no disk at all")
{
    boot(true);
    EXPECT_STATUS(fs_start(), STATUS_NO_SUCH_DEVICE);
    sim_disk_memory(64);
    EXPECT_STATUS(fs_start(), STATUS_NOT_SUPPORTED);
}

TEST("ext2: a disk whose size makes no sense")
{
    static const uint64_t sizes[] = {0, 1, 1ull << 32, 1ull << 55, UINT64_MAX};

    boot(true);
    struct sim_disk *disk = sim_disk_memory(64);
    for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        disk->device.nsectors = sizes[i];
        EXPECT_STATUS(fs_start(), STATUS_NOT_SUPPORTED);
    }
}

/* ---- damage ---- */

/* A bounded look at everything that can be reached: every status is welcome, no other harm is. */
static void look_at_everything(void)
{
    static struct directory_entry entry;
    static uint8_t buffer[20000];
    static char queue[64][300];
    uint32_t first = 0;
    uint32_t last = 1;
    char name[256];

    strcpy(queue[0], "C:\\");
    for (; first < last; first++) {
        struct open_file *file;
        uint32_t done;
        if (is_error(open_read(queue[first], &file))) {
            continue;
        }
        struct file_information information;
        fs_query(file, &information);
        if (!information.is_directory) {
            uint64_t end = information.nbytes;
            status_t ignored = fs_read_kernel(file, 0, buffer, sizeof(buffer), &done);
            if (end > 70000) {
                ignored = fs_read_kernel(file, end / 2, buffer, 3000, &done);
                ignored = fs_read_kernel(file, end - 5000, buffer, 6000, &done);
            }
            (void)ignored;
        } else if (is_success(fs_directory_begin(file, NULL, 0, true))) {
            for (uint32_t i = 0; i < 200 && next_name(file, &entry, name); i++) {
                if (last < 64 && name[0] != '.' && strlen(queue[first]) + strlen(name) < 290) {
                    memcpy(queue[last], queue[first], sizeof(queue[last]));
                    strcat(queue[last], "\\");
                    strcat(queue[last++], name);
                }
            }
        }
        fs_close(file);
    }
}

/* Flips bits of what is not file data, as the seed says. */
static void damage(uint8_t *contents, size_t nbytes, uint32_t count, uint32_t *seed)
{
    for (uint32_t i = 0; i < count; i++) {
        *seed = *seed * 1664525u + 1013904223u;
        uint32_t place = *seed >> 4;
        *seed = *seed * 1664525u + 1013904223u;
        size_t limit = (*seed >> 20) % 3 == 0 ? nbytes : (*seed >> 20) % 3 == 1 ? 3072 : 65536;
        contents[(place % limit + (limit == 3072 ? 1024 : 0)) % nbytes] ^=
            (uint8_t)(1u << ((*seed >> 8) & 7));
    }
}

static void check_damage(uint32_t block_bytes, uint32_t first_seed, uint32_t nseeds)
{
    char path[128];
    static uint8_t original[2 * 1024 * 1024];

    begin_image();
    run("mkdir -p %s/root/dir/sub", directory);
    put_part("dir/sub/file", 1, 0, 3000);
    put_part("dir/large", 2, 0, 300000);
    put_part("dir/sparse", 3, 500000, 1000);
    put_part("small", 4, 0, 100);
    end_image(block_bytes, "2M", "-N 64");
    snprintf(path, sizeof(path), "%s/image", directory);
    FILE *image = fopen(path, "rb");
    REQUIRE(image != NULL && fread(original, 1, sizeof(original), image) == sizeof(original));
    fclose(image);
    remove_directory();

    boot(true);
    struct sim_disk *disk = sim_disk_memory(sizeof(original) / 512);
    disk->latency = 1000;
    uint32_t mounted = 0;
    for (uint32_t seed = first_seed; seed < first_seed + nseeds; seed++) {
        uint32_t state = seed * 2654435761u + 1;
        memcpy(disk->contents, original, sizeof(original));
        damage(disk->contents, sizeof(original), 1 + seed % 40, &state);
        if (is_success(fs_start())) {
            mounted++;
            look_at_everything();
            fs_stop();
        }
    }
    EXPECT(mounted > nseeds / 10);
}

TEST("ext2: damaged images, 1 KiB blocks")
{
    check_damage(1024, 1, 1500);
}

TEST("ext2: damaged images, 4 KiB blocks")
{
    check_damage(4096, 100000, 1500);
}

TEST("ext2: directories that contain one another, and blocks that point at themselves")
{
    struct open_file *file;
    static uint8_t buffer[8192];
    uint32_t done;
    status_t status;

    begin_image();
    run("mkdir -p %s/root/a/b", directory);
    put_part("loop", 1, 0, 400000);
    end_image(1024, "2M", "");
    run("debugfs -w -R 'link a a/b/up' %s/image >/dev/null 2>&1", directory);
    /* The double indirect block points at itself: every level of the map is the same block. */
    run("b=$(debugfs -R 'bmap loop 0' %s/image 2>/dev/null); "
        "for i in 12 13 14; do debugfs -w -R \"set_inode_field loop block[$i] $b\" %s/image "
        ">/dev/null 2>&1; done",
        directory, directory);
    mount();
    EXPECT_STATUS(try_open("C:\\a\\b\\up\\b\\up\\b\\up"), STATUS_SUCCESS);
    REQUIRE(is_success(open_read("C:\\loop", &file)));
    for (uint32_t i = 0; i < 40; i++) {
        status = fs_read_kernel(file, i * 10000, buffer, sizeof(buffer), &done);
        EXPECT(is_success(status) || status == STATUS_FILE_CORRUPT_ERROR);
    }
    fs_close(file);
    fs_stop();
    remove_directory();
}
