/*
 * tests/host/test_fs_write.c: writing open files: sizes, holes, what is durable, what fails; and
 * byte ranges that are locked.
 */
#include <stdio.h>
#include <string.h>

#include "fs_fixture.h"
#include "kernel/block.h"
#include "kernel/failpoint.h"
#include "log_disk.h"
#include "mm/cache.h"
#include "mm/section.h"
#include "mm/view.h"
#include "mm_fixture.h"
#include "pe_file.h"
#include "test.h"

static void check_writing(uint32_t block_bytes)
{
    struct open_file *open;
    uint32_t done;

    ff_begin(block_bytes, "4M", "");
    open = ff_open("C:\\file", FF_ALL, FILE_CREATE, FILE_SYNCHRONOUS_IO_NONALERT);
    ff_fill(open, 0, 100, 1);
    ff_fill(open, 100, 70000, 1);
    EXPECT_EQUAL(fs_get_position(open), 70100);
    EXPECT_STATUS(ff_write(open, FILE_AT_POSITION, 50, &done), STATUS_SUCCESS);
    EXPECT_STATUS(ff_write(open, FILE_AT_END, 0, &done), STATUS_SUCCESS);
    EXPECT_EQUAL(ff_size(open), 70150);
    ff_fill(open, 300001, 5000, 1); /* a hole before it */
    EXPECT(ff_is_zero(open, 70150, 300001 - 70150));
    EXPECT(ff_holds(open, 0, 70100, 1));
    EXPECT_STATUS(fs_set_size(open, 1234), STATUS_SUCCESS);
    EXPECT_STATUS(fs_set_size(open, 20000), STATUS_SUCCESS);
    EXPECT(ff_holds(open, 0, 1234, 1));
    EXPECT(ff_is_zero(open, 1234, 20000 - 1234));
    ff_fill(open, 15000, 9000, 1);
    EXPECT_EQUAL(ff_size(open), 24000);
    EXPECT_STATUS(ff_read(open, 24000, 1, &done), STATUS_END_OF_FILE);
    EXPECT_STATUS(fs_set_allocation(open, 1 << 20), STATUS_SUCCESS);
    EXPECT_EQUAL(ff_size(open), 24000);
    fs_close(open);
    ff_remount();
    open = ff_open("C:\\file", FF_ALL, FILE_OPEN, 0);
    EXPECT_EQUAL(ff_size(open), 24000);
    EXPECT(ff_holds(open, 0, 1234, 1));
    EXPECT(ff_is_zero(open, 1234, 15000 - 1234));
    EXPECT(ff_holds(open, 15000, 9000, 1));
    EXPECT_STATUS(fs_set_allocation(open, 100), STATUS_SUCCESS);
    EXPECT_EQUAL(ff_size(open), 100);
    fs_close(open);
    ff_end();
}

TEST("file writing: within, at the end, past it; cut short and made longer, 1 KiB blocks")
{
    check_writing(1024);
}

TEST("file writing: within, at the end, past it; cut short and made longer, 4 KiB blocks")
{
    check_writing(4096);
}

TEST("file writing: what may only append appends, wherever it says it writes")
{
    struct open_file *open;

    ff_begin(1024, "2M", "");
    fs_close(ff_open("C:\\log", FF_ALL, FILE_CREATE, 0));
    open = ff_open("C:\\log", FILE_APPEND_DATA | SYNCHRONIZE, FILE_OPEN, 0);
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t done;
        EXPECT_STATUS(ff_write(open, 0, 77, &done), STATUS_SUCCESS);
    }
    EXPECT_EQUAL(ff_size(open), 7700);
    fs_close(open);
    ff_end();
}

TEST("file writing: a buffer that is not there changes nothing")
{
    static const struct range_owner nobody;
    struct open_file *open;
    struct section section;
    uint32_t done = 9;

    ff_begin(1024, "2M", "");
    open = ff_open("C:\\file", FF_ALL, FILE_CREATE, 0);
    ff_fill(open, 0, 5000, 1);
    uaddr_t end = {FF_BUFFER.v + FF_BUFFER_NBYTES - 3000};
    EXPECT_STATUS(fs_write(open, &nobody, 5000, end, 9000, &done), STATUS_ACCESS_VIOLATION);
    EXPECT_EQUAL(done, 0);
    EXPECT_EQUAL(ff_size(open), 5000);
    EXPECT_STATUS(ff_section(open, 0, PAGE_READWRITE, SEC_COMMIT, &section), STATUS_SUCCESS);
    EXPECT_STATUS(fs_write(open, &nobody, 4000, end, 9000, &done), STATUS_ACCESS_VIOLATION);
    EXPECT_EQUAL(ff_size(open), 5000);
    ff_end_section(&section);
    EXPECT(ff_holds(open, 0, 4000, 1));
    fs_close(open);
    ff_end();
}

TEST("file writing: a full disk refuses the whole of a write, and nothing is lost")
{
    struct open_file *open;
    struct open_file *other;
    uint32_t done = 9;
    uint32_t written = 0;

    ff_begin(1024, "1M", "");
    open = ff_open("C:\\file", FF_ALL, FILE_CREATE, 0);
    other = ff_open("C:\\other", FF_ALL, FILE_CREATE, 0);
    ff_fill(open, 0, 1000, 1);
    for (status_t status = STATUS_SUCCESS; is_success(status); written += done) {
        status = ff_write(other, FILE_AT_END, 30000, &done);
        EXPECT(status == STATUS_SUCCESS || status == STATUS_DISK_FULL);
    }
    EXPECT_EQUAL(done, 0);
    EXPECT_EQUAL(ff_size(other), written);
    EXPECT(written > 600000);
    EXPECT_STATUS(ff_write(open, 1000, 100000, &done), STATUS_DISK_FULL);
    EXPECT_EQUAL(ff_size(open), 1000);
    EXPECT_STATUS(fs_set_size(open, 500000), STATUS_SUCCESS); /* a hole takes nothing */
    EXPECT_STATUS(ff_write(open, 200000, 100000, &done), STATUS_DISK_FULL);
    EXPECT(ff_holds(open, 0, 1000, 1));
    EXPECT(ff_is_zero(open, 400000, 100000));
    fs_close(other);
    fs_close(ff_open("C:\\other", FF_ALL, FILE_OPEN, FILE_DELETE_ON_CLOSE));
    ff_fill(open, 200000, 100000, 2);
    fs_close(open);
    ff_remount();
    open = ff_open("C:\\file", FF_READ, FILE_OPEN, 0);
    EXPECT(ff_holds(open, 200000, 100000, 2));
    fs_close(open);
    ff_end();
}

/* ---- durability ---- */

/* Whether the file holds what it should on the disk as it is now, were the power to fail. */
static void check_after_power_cut(const char *name, uint32_t nbytes, uint32_t seed)
{
    struct open_file *open;

    /* The machine goes on with the disk as a power cut leaves it; the old volume's state is lost.
     */
    log_disk_rebuild(fx_image, log_disk_count(), UINT64_MAX);
    fx_write_image(fx_image);
    EXPECT(fx_e2fsck("-p") <= 1);
    fx_read_image(fx_image);
    log_disk_stop();
    fs_stop();
    memcpy(fx_disk->contents, fx_image, fx_image_nbytes);
    REQUIRE(is_success(fs_start()));
    open = ff_open(name, FF_READ, FILE_OPEN, 0);
    EXPECT(ff_size(open) >= nbytes);
    EXPECT(ff_holds(open, 0, nbytes, seed));
    fs_close(open);
    ff_end();
}

TEST("file writing: after FlushFileBuffers everything survives a power cut")
{
    struct open_file *open;

    ff_begin(1024, "2M", "");
    log_disk_start(fx_disk, 512);
    open = ff_open("C:\\file", FF_ALL, FILE_CREATE, 0);
    ff_fill(open, 0, 50000, 1);
    EXPECT_STATUS(fs_flush(open), STATUS_SUCCESS);
    fs_close(open);
    check_after_power_cut("C:\\file", 50000, 1);
}

TEST("file writing: with FILE_WRITE_THROUGH each write survives a power cut")
{
    struct open_file *open;

    ff_begin(4096, "4M", "");
    log_disk_start(fx_disk, 512);
    open = ff_open("C:\\file", FF_ALL, FILE_CREATE, FILE_WRITE_THROUGH);
    for (uint32_t i = 0; i < 20; i++) {
        ff_fill(open, i * 1700, 1700, 1);
    }
    fs_close(open);
    check_after_power_cut("C:\\file", 34000, 1);
}

TEST("file writing: a write that the disk refuses is told once to each open, and tried again")
{
    struct open_file *first;
    struct open_file *second;

    ff_begin(1024, "2M", "");
    first = ff_open("C:\\file", FF_ALL, FILE_CREATE, 0);
    second = ff_open("C:\\file", FF_ALL, FILE_OPEN, 0);
    ff_fill(first, 0, 50000, 1);
    EXPECT_STATUS(fs_flush(first), STATUS_SUCCESS);
    ff_fill(first, 0, 50000, 2);
    (void)failpoint_arm(FAILPOINT_DISK_REQUEST, 1);
    EXPECT_STATUS(fs_flush(first), STATUS_IO_DEVICE_ERROR);
    EXPECT_STATUS(fs_flush(first), STATUS_SUCCESS);
    EXPECT_STATUS(fs_flush(second), STATUS_IO_DEVICE_ERROR);
    EXPECT_STATUS(fs_flush(second), STATUS_SUCCESS);
    fs_close(first);
    fs_close(second);
    ff_remount();
    first = ff_open("C:\\file", FF_READ, FILE_OPEN, 0);
    EXPECT(ff_holds(first, 0, 50000, 2));
    fs_close(first);
    ff_end();
}

/* ---- sections ---- */

TEST("file writing: a section that may write makes its file longer, one that may not does not")
{
    struct open_file *open;
    struct section section;
    uint64_t nbytes = 300000;

    ff_begin(1024, "2M", "");
    open = ff_open("C:\\file", FF_ALL, FILE_CREATE, 0);
    EXPECT_STATUS(ff_section(open, 0, PAGE_READWRITE, SEC_COMMIT, &section),
                  STATUS_MAPPED_FILE_SIZE_ZERO);
    ff_fill(open, 0, 4000, 1);
    EXPECT_STATUS(ff_section(open, 4001, PAGE_READONLY, SEC_COMMIT, &section),
                  STATUS_SECTION_TOO_BIG);
    EXPECT_STATUS(ff_section(open, UINT64_MAX, PAGE_READWRITE, SEC_COMMIT, &section),
                  STATUS_SECTION_TOO_BIG);
    EXPECT_EQUAL(ff_size(open), 4000);
    EXPECT_STATUS(ff_section(open, 100001, PAGE_READWRITE, SEC_COMMIT, &section), STATUS_SUCCESS);
    EXPECT_EQUAL(ff_size(open), 100001);
    EXPECT_EQUAL(section.nbytes, 100001);
    EXPECT(ff_is_zero(open, 4000, 96001));
    EXPECT_STATUS(mm_cache_write(section.segment, 50000, "stored", 6), STATUS_SUCCESS);
    EXPECT(ff_holds(open, 0, 4000, 1));
    EXPECT_STATUS(fs_extend_section(&section, &nbytes), STATUS_SUCCESS);
    EXPECT_EQUAL(section.nbytes, 300000);
    EXPECT_EQUAL(ff_size(open), 300000);
    nbytes = 100;
    EXPECT_STATUS(fs_extend_section(&section, &nbytes), STATUS_SUCCESS);
    EXPECT_EQUAL(nbytes, 300000);
    ff_end_section(&section);
    fs_close(open);
    ff_end();
}

TEST("file writing: views and transfers show each other what is stored, before anything is flushed")
{
    struct open_file *open;
    struct section section;
    uint32_t word;
    uint32_t done;

    ff_begin(1024, "4M", "");
    open = ff_open("C:\\file", FF_ALL, FILE_CREATE, 0);
    EXPECT_STATUS(ff_section(open, 3 * 0x200000 / 4, PAGE_READWRITE, SEC_COMMIT, &section),
                  STATUS_SUCCESS);
    uaddr_t view = fixture_map(ff_space, &section, 0, 0, 0, PAGE_READWRITE);
    for (uint32_t i = 0; i < 300000; i += 29996) {
        sim_store32((uaddr_t){view.v + i}, i + 1);
        EXPECT_STATUS(ff_read(open, i, 4, &done), STATUS_SUCCESS);
        memcpy(&word, ff_buffer, 4);
        EXPECT_EQUAL(word, i + 1);
        word = ~i;
        memcpy(ff_buffer, &word, 4);
        EXPECT_STATUS(ff_write(open, i + 8, 4, &done), STATUS_SUCCESS);
        EXPECT_EQUAL(sim_load32((uaddr_t){view.v + i + 8}), ~i);
    }
    /* COH23: the buffer is a view of the same file. */
    static const struct range_owner nobody;
    EXPECT_STATUS(fs_write(open, &nobody, 1000000, view, 50000, &done), STATUS_SUCCESS);
    EXPECT_STATUS(fs_read(open, &nobody, 1000000, (uaddr_t){view.v + 600000}, 50000, &done),
                  STATUS_SUCCESS);
    EXPECT_EQUAL(sim_load32((uaddr_t){view.v + 600000 + 29996}), 29997);
    EXPECT_STATUS(mm_unmap_view(ff_space, view), STATUS_SUCCESS);
    ff_end_section(&section);
    fs_close(open);
    ff_remount();
    open = ff_open("C:\\file", FF_READ, FILE_OPEN, 0);
    EXPECT_STATUS(ff_read(open, 1029996, 4, &done), STATUS_SUCCESS);
    memcpy(&word, ff_buffer, 4);
    EXPECT_EQUAL(word, 29997);
    fs_close(open);
    ff_end();
}

TEST("file writing: what a view stores past the end of the file is no part of it when it grows")
{
    struct open_file *open;
    struct section section;

    ff_begin(1024, "4M", "");
    open = ff_open("C:\\file", FF_ALL, FILE_CREATE, 0);
    ff_fill(open, 0, 1500, 1);
    EXPECT_STATUS(ff_section(open, 0, PAGE_READWRITE, SEC_COMMIT, &section), STATUS_SUCCESS);
    uaddr_t view = fixture_map(ff_space, &section, 0, 0, 0, PAGE_READWRITE);
    sim_store32((uaddr_t){view.v + 1500}, 0x11111111);
    sim_store32((uaddr_t){view.v + 4000}, 0x22222222);
    EXPECT_STATUS(fs_set_size(open, 1600), STATUS_SUCCESS);
    EXPECT(ff_is_zero(open, 1500, 100));
    sim_store32((uaddr_t){view.v + 1700}, 0x33333333);
    EXPECT_STATUS(fs_flush(open), STATUS_SUCCESS);
    EXPECT_STATUS(fs_set_size(open, 9000), STATUS_SUCCESS);
    EXPECT(ff_is_zero(open, 1500, 7500));
    EXPECT(ff_holds(open, 0, 1500, 1));
    EXPECT_STATUS(mm_unmap_view(ff_space, view), STATUS_SUCCESS);
    ff_end_section(&section);
    fs_close(open);
    ff_end();
}

/* The first word of the image's first part. */
static uint32_t word_of_image(const struct section *section)
{
    uint32_t word = 0;

    EXPECT_STATUS(mm_cache_read(section->segment, 0x1000, &word, sizeof(word)), STATUS_SUCCESS);
    return word;
}

TEST("file writing: nobody writes to a file that is a live image; later images show what was "
     "written")
{
    static const struct pe_part parts[] = {{0x1000, 0x1000, 0x400, PE_READ | PE_DATA}};
    static struct pe_file pe;
    struct open_file *open;
    struct open_file *other;
    struct section first;
    struct section second;
    uint32_t done;

    ff_begin(1024, "2M", "");
    pe_make(&pe, 0x40000000u, PE_DLL, parts, ARRAY_COUNT(parts));
    open = ff_open("C:\\file.dll", FF_ALL | FILE_EXECUTE, FILE_CREATE, 0);
    memcpy(ff_buffer, pe.bytes, pe.nbytes);
    EXPECT_STATUS(ff_write(open, 0, pe.nbytes, &done), STATUS_SUCCESS);
    EXPECT_STATUS(ff_section(open, 0, PAGE_EXECUTE_READ, SEC_IMAGE, &first), STATUS_SUCCESS);
    EXPECT_EQUAL(word_of_image(&first), pe_get32(&pe, pe.raw_offset[0]));
    EXPECT_STATUS(ff_try_open("C:\\file.dll", FF_WRITE, FF_SHARE, FILE_OPEN, 0, &other),
                  STATUS_SHARING_VIOLATION); /* COH22 */
    EXPECT_STATUS(ff_try_open("C:\\file.dll", FF_READ, FF_SHARE, FILE_OVERWRITE_IF, 0, &other),
                  STATUS_SHARING_VIOLATION); /* COH11 */
    EXPECT_STATUS(ff_try_open("C:\\file.dll", FF_READ | DELETE_ACCESS, FF_SHARE, FILE_OPEN,
                              FILE_DELETE_ON_CLOSE, &other),
                  STATUS_CANNOT_DELETE); /* COH18 */
    EXPECT_STATUS(ff_write(open, pe.raw_offset[0], 4, &done), STATUS_USER_MAPPED_FILE);
    EXPECT_STATUS(ff_section(open, 0, PAGE_EXECUTE_READ, SEC_IMAGE, &second), STATUS_SUCCESS);
    EXPECT(first.segment == second.segment);
    ff_end_section(&second);
    ff_end_section(&first);
    memcpy(ff_buffer, "new!", 4);
    EXPECT_STATUS(ff_write(open, pe.raw_offset[0], 4, &done), STATUS_SUCCESS);
    EXPECT_STATUS(ff_section(open, 0, PAGE_EXECUTE_READ, SEC_IMAGE, &first), STATUS_SUCCESS);
    EXPECT_EQUAL(word_of_image(&first), 0x2177656Eu);
    ff_end_section(&first);
    fs_close(open);
    ff_end();
}

/* ---- byte ranges ---- */

TEST("file ranges: shared and exclusive locks, and who may read and write beside them")
{
    static const int p1, p2;
    const struct range_owner a = {&p1, 0}, b = {&p2, 0}, keyed = {&p1, 7};
    struct open_file *open;
    uint32_t done;

    ff_begin(1024, "2M", "");
    open = ff_open("C:\\file", FF_ALL, FILE_CREATE, 0);
    ff_fill(open, 0, 1000, 1);
    EXPECT_STATUS(fs_lock_range(open, &a, 100, 100, true, false), STATUS_SUCCESS);
    EXPECT_STATUS(fs_lock_range(open, &b, 199, 1, false, false), STATUS_LOCK_NOT_GRANTED);
    EXPECT_STATUS(fs_lock_range(open, &a, 150, 10, true, false), STATUS_LOCK_NOT_GRANTED);
    EXPECT_STATUS(fs_lock_range(open, &keyed, 150, 10, false, false), STATUS_LOCK_NOT_GRANTED);
    EXPECT_STATUS(fs_lock_range(open, &a, 150, 10, false, false), STATUS_SUCCESS);
    EXPECT_STATUS(fs_lock_range(open, &b, 200, 10, true, false), STATUS_SUCCESS);
    EXPECT_STATUS(fs_lock_range(open, &b, UINT64_MAX, 2, true, false), STATUS_INVALID_LOCK_RANGE);
    EXPECT_STATUS(fs_lock_range(open, &b, UINT64_MAX, 1, true, false), STATUS_SUCCESS);
    EXPECT_STATUS(fs_read(open, &b, 0, FF_BUFFER, 101, &done), STATUS_FILE_LOCK_CONFLICT);
    EXPECT_STATUS(fs_read(open, &b, 0, FF_BUFFER, 100, &done), STATUS_SUCCESS);
    EXPECT_STATUS(fs_write(open, &b, 160, FF_BUFFER, 1, &done), STATUS_FILE_LOCK_CONFLICT);
    EXPECT_STATUS(fs_write(open, &a, 100, FF_BUFFER, 50, &done), STATUS_SUCCESS);
    EXPECT_STATUS(fs_write(open, &a, 150, FF_BUFFER, 1, &done), STATUS_FILE_LOCK_CONFLICT);
    EXPECT_STATUS(fs_unlock_range(open, &a, 100, 99), STATUS_RANGE_NOT_LOCKED);
    EXPECT_STATUS(fs_unlock_range(open, &b, 100, 100), STATUS_RANGE_NOT_LOCKED);
    EXPECT_STATUS(fs_unlock_range(open, &a, 100, 100), STATUS_SUCCESS);
    EXPECT_STATUS(fs_read(open, &b, 0, FF_BUFFER, 200, &done), STATUS_SUCCESS);
    EXPECT_STATUS(fs_write(open, &b, 160, FF_BUFFER, 1, &done), STATUS_SUCCESS);
    fs_release_ranges(&p1);
    EXPECT_STATUS(fs_write(open, &b, 155, FF_BUFFER, 1, &done), STATUS_SUCCESS);
    EXPECT_STATUS(fs_write(open, &a, 205, FF_BUFFER, 1, &done), STATUS_FILE_LOCK_CONFLICT);
    fs_close(open);
    open = ff_open("C:\\file", FF_ALL, FILE_OPEN, 0);
    EXPECT_STATUS(fs_write(open, &a, 205, FF_BUFFER, 1, &done), STATUS_SUCCESS);
    fs_close(open);
    ff_end();
}

static struct open_file *waited_for;
static const int waiting_process;
static uint32_t granted;

static void wait_for_range(void *argument)
{
    const struct range_owner owner = {&waiting_process, 0};

    (void)argument;
    EXPECT_STATUS(fs_lock_range(waited_for, &owner, 0, 10, true, true), STATUS_SUCCESS);
    granted++;
}

TEST("file ranges: who waits for a range gets it when it is given up")
{
    static const int mine;
    const struct range_owner owner = {&mine, 0};

    ff_begin(1024, "2M", "");
    waited_for = ff_open("C:\\file", FF_ALL, FILE_CREATE, 0);
    EXPECT_STATUS(fs_lock_range(waited_for, &owner, 5, 10, false, false), STATUS_SUCCESS);
    sim_thread("waits", wait_for_range, NULL, PRIORITY_NORMAL);
    sim_advance(1000000);
    EXPECT_EQUAL(granted, 0);
    EXPECT_STATUS(fs_unlock_range(waited_for, &owner, 5, 10), STATUS_SUCCESS);
    sim_join();
    EXPECT_EQUAL(granted, 1);
    fs_close(waited_for);
    ff_end();
}
