/*
 * tests/host/test_fs_names.c: files that are created, overwritten, renamed and deleted, by way of
 * open files; e2fsck looks at the disk at the end of each test.
 */
#include <stdio.h>
#include <string.h>

#include "fs_fixture.h"
#include "mm/section.h"
#include "test.h"

/* ---- creating ---- */

TEST("file names: every disposition, on a file that is there and on one that is not")
{
    static const struct {
        uint32_t disposition;
        status_t missing, present;
        uint32_t made, found;
    } rows[] = {
        {FILE_SUPERSEDE, STATUS_SUCCESS, STATUS_SUCCESS, FILE_WAS_CREATED, FILE_WAS_SUPERSEDED},
        {FILE_OPEN, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS, 0, FILE_WAS_OPENED},
        {FILE_CREATE, STATUS_SUCCESS, STATUS_OBJECT_NAME_COLLISION, FILE_WAS_CREATED, 0},
        {FILE_OPEN_IF, STATUS_SUCCESS, STATUS_SUCCESS, FILE_WAS_CREATED, FILE_WAS_OPENED},
        {FILE_OVERWRITE, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS, 0, FILE_WAS_OVERWRITTEN},
        {FILE_OVERWRITE_IF, STATUS_SUCCESS, STATUS_SUCCESS, FILE_WAS_CREATED, FILE_WAS_OVERWRITTEN},
    };
    struct open_file *open;
    char name[32];

    ff_begin(1024, "2M", "");
    open = ff_open("C:\\there", FF_ALL, FILE_CREATE, 0);
    for (uint32_t i = 0; i < ARRAY_COUNT(rows); i++) {
        ff_fill(open, 0, 5000, i);
        fs_close(open);
        status_t status = ff_try_open("C:\\THERE", FF_ALL, 0, rows[i].disposition, 0, &open);
        EXPECT_STATUS(status, rows[i].present);
        if (is_success(status)) {
            bool empty = rows[i].found != FILE_WAS_OPENED;
            EXPECT_EQUAL(ff_information, rows[i].found);
            EXPECT_EQUAL(ff_size(open), empty ? 0 : 5000);
            fs_close(open);
        }
        snprintf(name, sizeof(name), "C:\\Missing%u", i);
        status = ff_try_open(name, FF_ALL, 0, rows[i].disposition, 0, &open);
        EXPECT_STATUS(status, rows[i].missing);
        if (is_success(status)) {
            EXPECT_EQUAL(ff_information, rows[i].made);
            fs_close(open);
        }
        EXPECT_STATUS(ff_find(name), rows[i].missing);
        open = ff_open("C:\\there", FF_ALL, FILE_OPEN, 0);
    }
    fs_close(open);
    ff_end();
}

TEST("file names: directories are made, and files in them, and found under any case")
{
    struct open_file *open;

    ff_begin(1024, "2M", "");
    fs_close(ff_open("C:\\Dir", FF_READ, FILE_CREATE, FILE_DIRECTORY_FILE));
    EXPECT_EQUAL(ff_information, FILE_WAS_CREATED);
    EXPECT_STATUS(ff_try_open("C:\\dir", FF_READ, 0, FILE_CREATE, FILE_DIRECTORY_FILE, &open),
                  STATUS_OBJECT_NAME_COLLISION);
    fs_close(ff_open("C:\\Dir\\sub\\", FF_READ, FILE_OPEN_IF, FILE_DIRECTORY_FILE));
    EXPECT_STATUS(ff_try_open("C:\\dir\\file\\", FF_ALL, 0, FILE_CREATE, 0, &open),
                  STATUS_OBJECT_NAME_INVALID);
    EXPECT_STATUS(ff_try_open("C:\\none\\file", FF_ALL, 0, FILE_CREATE, 0, &open),
                  STATUS_OBJECT_PATH_NOT_FOUND);
    EXPECT_STATUS(ff_try_open("C:\\dir\\a*b", FF_ALL, 0, FILE_CREATE, 0, &open),
                  STATUS_OBJECT_NAME_INVALID);
    open = ff_open("C:\\DIR\\SUB\\File.txt", FF_ALL, FILE_CREATE, 0);
    ff_fill(open, 0, 100, 1);
    fs_close(open);
    EXPECT_STATUS(ff_find("C:\\dir\\sub\\FILE.TXT"), STATUS_SUCCESS);
    ff_remount();
    open = ff_open("C:\\dir\\sub\\file.txt", FF_READ, FILE_OPEN, 0);
    EXPECT(ff_holds(open, 0, 100, 1));
    fs_close(open);
    ff_end();
}

TEST("file names: a read-only file: written to by who made it, by nobody later")
{
    uint16_t path[] = {'C', ':', '\\', 'r', 'o'};
    const struct open_request request = {.path = path,
                                         .path_length = 5,
                                         .access = FF_ALL,
                                         .share = FF_SHARE,
                                         .disposition = FILE_CREATE,
                                         .attributes = FILE_ATTRIBUTE_READONLY};
    struct open_file *open;
    struct file_information information;

    ff_begin(1024, "2M", "");
    REQUIRE(is_success(fs_open(&request, &open, &ff_information)));
    ff_fill(open, 0, 10, 1);
    EXPECT_STATUS(fs_set_disposition(open, true), STATUS_CANNOT_DELETE);
    fs_close(open);
    ff_remount();
    EXPECT_STATUS(ff_try_open("C:\\ro", FF_WRITE, FF_SHARE, FILE_OPEN, 0, &open),
                  STATUS_ACCESS_DENIED);
    EXPECT_STATUS(ff_try_open("C:\\ro", FF_READ, FF_SHARE, FILE_OVERWRITE_IF, 0, &open),
                  STATUS_ACCESS_DENIED);
    EXPECT_STATUS(ff_try_open("C:\\ro", FF_READ | DELETE_ACCESS, FF_SHARE, FILE_OPEN,
                              FILE_DELETE_ON_CLOSE, &open),
                  STATUS_CANNOT_DELETE);
    open = ff_open("C:\\ro", MAXIMUM_ALLOWED, FILE_OPEN, 0);
    EXPECT((open->access & FILE_WRITE_DATA) == 0 && (open->access & FILE_READ_DATA) != 0);
    fs_query(open, &information);
    EXPECT((information.attributes & FILE_ATTRIBUTE_READONLY) != 0);
    const struct file_settings settings = {.attributes = FILE_ATTRIBUTE_NORMAL,
                                           .write_time = 131000000000000000ll};
    EXPECT_STATUS(fs_set_information(open, &settings), STATUS_SUCCESS);
    fs_close(open);
    ff_remount();
    open = ff_open("C:\\ro", FF_ALL, FILE_OPEN, 0);
    fs_query(open, &information);
    EXPECT((information.attributes & FILE_ATTRIBUTE_READONLY) == 0);
    EXPECT_EQUAL(information.write_time, 131000000000000000ll);
    fs_close(open);
    ff_end();
}

/* ---- deleting ---- */

TEST("file names: a file that is to be deleted stays until its last close")
{
    struct open_file *open;
    struct open_file *other;

    ff_begin(1024, "2M", "");
    open = ff_open("C:\\file", FF_ALL, FILE_CREATE, 0);
    ff_fill(open, 0, 50000, 1);
    other = ff_open("C:\\file", FF_ALL, FILE_OPEN, 0);
    EXPECT_STATUS(fs_set_disposition(open, true), STATUS_SUCCESS);
    EXPECT_STATUS(ff_find("C:\\file"), STATUS_DELETE_PENDING);
    EXPECT_STATUS(fs_set_disposition(open, false), STATUS_SUCCESS);
    EXPECT_STATUS(ff_find("C:\\file"), STATUS_SUCCESS);
    EXPECT_STATUS(fs_set_disposition(open, true), STATUS_SUCCESS);
    fs_close(open);
    EXPECT_STATUS(ff_find("C:\\file"), STATUS_DELETE_PENDING);
    EXPECT(ff_holds(other, 0, 50000, 1));
    ff_fill(other, 10, 60000, 2);
    fs_close(other);
    EXPECT_STATUS(ff_find("C:\\file"), STATUS_OBJECT_NAME_NOT_FOUND);

    open = ff_open("C:\\file", FF_ALL, FILE_CREATE, FILE_DELETE_ON_CLOSE);
    fs_close(open);
    EXPECT_STATUS(ff_find("C:\\file"), STATUS_OBJECT_NAME_NOT_FOUND);
    ff_end();
}

TEST("file names: a directory is deleted when it is empty, and nothing is made in it any more")
{
    struct open_file *dir;
    struct open_file *open;

    ff_begin(1024, "2M", "");
    dir = ff_open("C:\\dir", FF_READ | DELETE_ACCESS, FILE_CREATE, FILE_DIRECTORY_FILE);
    fs_close(ff_open("C:\\dir\\file", FF_ALL, FILE_CREATE, 0));
    EXPECT_STATUS(fs_set_disposition(dir, true), STATUS_DIRECTORY_NOT_EMPTY);
    fs_close(ff_open("C:\\dir\\file", FF_ALL, FILE_OPEN, FILE_DELETE_ON_CLOSE));
    EXPECT_STATUS(fs_set_disposition(dir, true), STATUS_SUCCESS);
    EXPECT_STATUS(ff_try_open("C:\\dir\\file", FF_ALL, 0, FILE_CREATE, 0, &open),
                  STATUS_DELETE_PENDING);
    fs_close(dir);
    EXPECT_STATUS(ff_find("C:\\dir"), STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_STATUS(ff_try_open("C:\\", FF_READ | DELETE_ACCESS, FF_SHARE, FILE_OPEN,
                              FILE_DELETE_ON_CLOSE, &open),
                  STATUS_CANNOT_DELETE);
    ff_end();
}

TEST("file names: a file with a section is not deleted or cut short; its name may go before it")
{
    struct section section;
    struct open_file *open;

    ff_begin(1024, "2M", "");
    open = ff_open("C:\\file", FF_ALL, FILE_CREATE, 0);
    ff_fill(open, 0, 50000, 1);
    EXPECT_STATUS(ff_section(open, 0, PAGE_READWRITE, SEC_COMMIT, &section), STATUS_SUCCESS);
    EXPECT_STATUS(fs_set_disposition(open, true), STATUS_CANNOT_DELETE); /* COH15 */
    EXPECT_STATUS(fs_set_size(open, 100), STATUS_USER_MAPPED_FILE);      /* COH06 */
    EXPECT_STATUS(fs_set_size(open, 50000), STATUS_SUCCESS);
    EXPECT_STATUS(fs_set_size(open, 50001), STATUS_SUCCESS);
    fs_close(open);
    EXPECT_STATUS(ff_try_open("C:\\file", FF_ALL, FF_SHARE, FILE_OVERWRITE_IF, 0, &open),
                  STATUS_USER_MAPPED_FILE); /* COH11 */
    EXPECT_STATUS(ff_try_open("C:\\file", FF_READ, FILE_SHARE_READ, FILE_OPEN, 0, &open),
                  STATUS_SHARING_VIOLATION);                                /* COH20 */
    fs_close(ff_open("C:\\file", FF_ALL, FILE_OPEN, FILE_DELETE_ON_CLOSE)); /* COH18 */
    EXPECT_STATUS(ff_find("C:\\file"), STATUS_OBJECT_NAME_NOT_FOUND);
    fs_close(ff_open("C:\\file", FF_ALL, FILE_CREATE, 0));
    ff_end_section(&section);
    EXPECT_STATUS(ff_find("C:\\file"), STATUS_SUCCESS);
    ff_end();
}

TEST("file names: a file that is deleted while it is mapped is given up by an orderly end")
{
    struct section section;
    struct open_file *open;

    ff_begin(1024, "2M", "");
    open = ff_open("C:\\file", FF_ALL, FILE_CREATE, FILE_DELETE_ON_CLOSE);
    ff_fill(open, 0, 50000, 1);
    EXPECT_STATUS(ff_section(open, 0, PAGE_READWRITE, SEC_COMMIT, &section), STATUS_SUCCESS);
    fs_close(open);
    fs_finish();
    fx_write_image(fx_disk->contents);
    EXPECT_EQUAL(fx_e2fsck("-fn"), 0);
    ff_end_section(&section);
    ff_end();
}

/* ---- renaming ---- */

TEST("file names: renaming, over another, into another directory, in another case")
{
    struct open_file *open;
    struct open_file *second;
    struct open_file *other;

    ff_begin(1024, "2M", "");
    fs_close(ff_open("C:\\dir", FF_READ, FILE_CREATE, FILE_DIRECTORY_FILE));
    open = ff_open("C:\\one", FF_ALL, FILE_CREATE, 0);
    second = ff_open("C:\\one", FF_ALL, FILE_OPEN, 0);
    ff_fill(open, 0, 3000, 1);
    other = ff_open("C:\\two", FF_ALL, FILE_CREATE, 0);
    ff_fill(other, 0, 40000, 2);
    EXPECT_STATUS(ff_rename(open, "C:\\two", false), STATUS_OBJECT_NAME_COLLISION);
    EXPECT_STATUS(ff_rename(open, "C:\\two", true), STATUS_ACCESS_DENIED); /* it is open */
    EXPECT_STATUS(ff_rename(open, "C:\\none\\two", true), STATUS_OBJECT_PATH_NOT_FOUND);
    EXPECT_STATUS(ff_rename(open, "C:\\dir", true), STATUS_ACCESS_DENIED);
    fs_close(other);
    EXPECT_STATUS(ff_rename(open, "C:\\TWO", true), STATUS_SUCCESS);
    EXPECT_STATUS(ff_find("C:\\one"), STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT(ff_holds(open, 0, 3000, 1));
    EXPECT_STATUS(ff_rename(open, "C:\\Dir\\three", false), STATUS_SUCCESS);
    EXPECT_STATUS(ff_rename(second, "C:\\dir\\Three", false), STATUS_SUCCESS);
    EXPECT_EQUAL(open->path_length, 10);
    EXPECT_EQUAL(open->path[5], 'T');
    EXPECT_STATUS(ff_rename(second, "C:\\dir\\Three", false), STATUS_SUCCESS);
    fs_close(open);
    EXPECT_STATUS(fs_set_disposition(second, true), STATUS_SUCCESS);
    fs_close(second);
    EXPECT_STATUS(ff_find("C:\\dir\\three"), STATUS_OBJECT_NAME_NOT_FOUND);
    ff_end();
}

TEST("file names: a directory moves with what lies in it, but not while that is open")
{
    struct open_file *dir;
    struct open_file *open;

    ff_begin(1024, "2M", "");
    fs_close(ff_open("C:\\a", FF_READ, FILE_CREATE, FILE_DIRECTORY_FILE));
    fs_close(ff_open("C:\\a\\b", FF_READ, FILE_CREATE, FILE_DIRECTORY_FILE));
    fs_close(ff_open("C:\\c", FF_READ, FILE_CREATE, FILE_DIRECTORY_FILE));
    open = ff_open("C:\\a\\b\\file", FF_ALL, FILE_CREATE, 0);
    ff_fill(open, 0, 3000, 1);
    dir = ff_open("C:\\a", FF_READ | DELETE_ACCESS, FILE_OPEN, FILE_DIRECTORY_FILE);
    EXPECT_STATUS(ff_rename(dir, "C:\\c\\a", false), STATUS_ACCESS_DENIED);
    fs_close(open);
    EXPECT_STATUS(ff_rename(dir, "C:\\a\\b\\d", false), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(ff_rename(dir, "C:\\c\\moved", false), STATUS_SUCCESS);
    fs_close(ff_open("C:\\c\\moved\\new", FF_ALL, FILE_CREATE, 0));
    EXPECT_STATUS(ff_rename(dir, "C:\\c\\Moved again, under a longer name", false), STATUS_SUCCESS);
    fs_close(dir);
    EXPECT_STATUS(ff_find("C:\\a"), STATUS_OBJECT_NAME_NOT_FOUND);
    open = ff_open("C:\\c\\moved again, under a longer name\\b\\file", FF_READ, FILE_OPEN, 0);
    EXPECT(ff_holds(open, 0, 3000, 1));
    fs_close(open);
    ff_end();
}

/* ---- listing while entries change ---- */

TEST("file names: a listing shows each entry that stays exactly once, whatever comes and goes")
{
    static struct directory_entry entry;
    struct open_file *dir;
    uint32_t seen[60] = {0};
    char name[32];

    ff_begin(1024, "2M", "");
    for (uint32_t i = 0; i < 60; i++) {
        snprintf(name, sizeof(name), "C:\\f%02u", i);
        fs_close(ff_open(name, FF_ALL, FILE_CREATE, 0));
    }
    dir = ff_open("C:\\", FF_READ, FILE_OPEN, FILE_DIRECTORY_FILE);
    EXPECT_STATUS(fs_directory_begin(dir, NULL, 0, true), STATUS_SUCCESS);
    for (uint32_t n = 0; is_success(fs_directory_next(dir, &entry)); n++) {
        fs_directory_accept(dir, &entry);
        if (entry.name[0] == 'f' && entry.name_length == 3) {
            uint32_t i = (entry.name[1] - '0') * 10u + entry.name[2] - '0';
            seen[i]++;
            snprintf(name, sizeof(name), "C:\\f%02u", i);
            if (i % 3 != 0) { /* what was just shown goes; another comes */
                fs_close(ff_open(name, FF_ALL, FILE_OPEN, FILE_DELETE_ON_CLOSE));
            }
            if (i % 4 == 0) {
                snprintf(name, sizeof(name), "C:\\a-longer-name-%u", n);
                fs_close(ff_open(name, FF_ALL, FILE_CREATE, 0));
            }
        }
    }
    for (uint32_t i = 0; i < 60; i++) {
        EXPECT_EQUAL(seen[i], 1);
    }
    fs_close(dir);
    ff_end();
}

/* ---- two volumes ---- */

TEST("file names: a second disk is D:, with files and names of its own")
{
    struct volume_information information;
    struct open_file *open;

    fx_make_image(1024, "2M", "");
    fx_boot(3, 0);
    struct sim_disk *second = sim_disk_memory(fx_image_nbytes / SECTOR_BYTES);
    second->latency = 1000;
    memcpy(second->contents, fx_image, fx_image_nbytes);
    REQUIRE(is_success(fs_start()) && fsi_volumes[1].ext2.writable);
    ff_start();
    for (uint32_t i = 0; i < 2; i++) { /* the same inodes and blocks on both */
        open = ff_open(i == 0 ? "C:\\file" : "d:\\file", FF_ALL, FILE_CREATE, 0);
        ff_fill(open, 0, 100000, i);
        fs_close(open);
    }
    EXPECT_STATUS(ff_find("E:\\file"), STATUS_OBJECT_PATH_NOT_FOUND);
    open = ff_open("\\??\\D:\\file", FF_ALL, FILE_OPEN, 0);
    EXPECT_STATUS(ff_rename(open, "C:\\other", false), STATUS_NOT_SAME_DEVICE);
    EXPECT_STATUS(ff_rename(open, "D:\\other", false), STATUS_SUCCESS);
    EXPECT(ff_holds(open, 0, 100000, 1));
    REQUIRE(is_success(fs_query_volume(open, &information)));
    EXPECT(information.free_blocks < 2048 - 98);
    fs_close(open);
    EXPECT_STATUS(ff_find("C:\\file"), STATUS_SUCCESS);
    EXPECT_STATUS(ff_find("D:\\file"), STATUS_OBJECT_NAME_NOT_FOUND);
    ff_remount();
    REQUIRE(fsi_volumes[1].ext2.writable);
    open = ff_open("C:\\file", FF_READ, FILE_OPEN, 0);
    EXPECT(ff_holds(open, 0, 100000, 0));
    fs_close(open);
    open = ff_open("D:\\OTHER", FF_READ, FILE_OPEN, 0);
    EXPECT(ff_holds(open, 0, 100000, 1));
    fs_close(open);
    fs_stop();
    fx_write_image(second->contents);
    EXPECT_EQUAL(fx_e2fsck("-fn"), 0);
    REQUIRE(is_success(fs_start()) && fsi_volumes[1].ext2.writable);
    ff_end();
}
