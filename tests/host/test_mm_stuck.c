/*
 * tests/host/test_mm_stuck.c: files of which nothing can be written: what is dirty of them stays,
 * and takes neither the room of other files' dirty pages nor the frames that paging needs.
 */
#include "kernel/clock.h"
#include "kernel/thread.h"
#include "mm/commit_limits.h"
#include "mm/dirty.h"
#include "mm/segment.h"
#include "mm/writer.h"
#include "tests/host/inject.h"
#include "tests/host/mm_fixture.h"

#define FILE_PAGES 2048u
#define FILES      12u

/* A file that is mapped whole. */
struct mapped_file {
    struct fixture_file file;
    struct section section;
    uaddr_t base;
};

static struct space *space;

static void begin_file(struct mapped_file *mapped, uint32_t npages)
{
    uint64_t nbytes = (uint64_t)npages * PAGE_BYTES;
    fixture_written_file(&mapped->file, npages);
    EXPECT_STATUS(mm_section_create_file(&mapped->section, mapped->file.segment, nbytes, 0,
                                         PAGE_READWRITE, SEC_COMMIT),
                  STATUS_SUCCESS);
    mapped->base = fixture_map(space, &mapped->section, 0, 0, 0, PAGE_READWRITE);
}

static void end_file(struct mapped_file *mapped)
{
    EXPECT_STATUS(mm_unmap_view(space, mapped->base), STATUS_SUCCESS);
    mm_section_destroy(&mapped->section);
    mm_segment_unref(mapped->file.segment);
}

/* Stores to pages from FIRST on, NPAGES of them or until one is refused; how many took it. */
static uint32_t store_to(const struct mapped_file *mapped, uint32_t first, uint32_t npages)
{
    struct fault_report report;
    uint32_t value = 3;
    for (uint32_t i = 0; i < npages; i++) {
        enum fault_result result =
            sim_write(fixture_page(mapped->base, first + i), &value, 4, &report);
        if (result != FAULT_DONE) {
            EXPECT_EQUAL(result, FAULT_IN_PAGE_ERROR);
            EXPECT_STATUS(report.cause, mapped->file.write_error);
            return i;
        }
    }
    return npages;
}

static void sleep_ms(uint32_t ms)
{
    thread_sleep_until(clock_now() + ms * NS_PER_MS, false, NULL);
}

TEST("stuck: a file whose every write fails takes no room from another")
{
    static struct mapped_file bad;
    static struct mapped_file good;
    fixture_boot(16 * MIB, 0, 1);
    space = fixture_space();
    begin_file(&bad, FILE_PAGES);
    begin_file(&good, FILE_PAGES);
    bad.file.write_error = STATUS_IO_DEVICE_ERROR;
    uint32_t stored = store_to(&bad, 0, FILE_PAGES);
    EXPECT(stored >= 512 && stored <= 16 * MIB / PAGE_BYTES / 4);
    EXPECT_EQUAL(mi_stuck_pages(), stored);
    fixture_check();

    int64_t begun = clock_now();
    EXPECT_EQUAL(store_to(&good, 0, FILE_PAGES), FILE_PAGES);
    EXPECT(clock_now() - begun < 1000 * NS_PER_MS);
    EXPECT(good.file.pages_written >= FILE_PAGES / 2);
    EXPECT_EQUAL(store_to(&bad, stored, 1), 0);
    EXPECT_EQUAL(store_to(&bad, 0, stored), stored); /* what is dirty can be stored to */
    EXPECT_EQUAL(mi_stuck_pages(), stored);
    fixture_check();

    bad.file.write_error = STATUS_SUCCESS;
    EXPECT_EQUAL(store_to(&bad, stored, FILE_PAGES - stored), FILE_PAGES - stored);
    EXPECT_EQUAL(mi_stuck_pages(), 0);
    end_file(&bad);
    end_file(&good);
    EXPECT(bad.file.pages_written >= FILE_PAGES);
    fixture_end_space(space);
    fixture_check();
}

TEST("stuck: once a file's writes fail, more of its pages become dirty only up to a part of the "
     "room")
{
    static struct mapped_file bad;
    fixture_boot(16 * MIB, 0, 1);
    space = fixture_space();
    begin_file(&bad, FILE_PAGES);
    bad.file.write_error = STATUS_FILE_CORRUPT_ERROR;
    EXPECT_EQUAL(store_to(&bad, 0, 5), 5);
    sleep_ms(7000); /* the writer has tried */
    EXPECT_EQUAL(mi_stuck_pages(), 5);
    uint32_t room = mi_room(mi_frames_low() + mi_frames_high());
    EXPECT_EQUAL(5 + store_to(&bad, 5, FILE_PAGES - 5), room / 4);
    fixture_check();

    /* Truncation makes room again, and so does the end of the file. */
    mm_segment_truncate(bad.file.segment, 16 * PAGE_BYTES);
    EXPECT_EQUAL(mi_stuck_pages(), 16);
    fixture_check();
    end_file(&bad);
    EXPECT_EQUAL(mi_stuck_pages(), 0);
    EXPECT_EQUAL(mi_dirty_pages(), 0);
    fixture_end_space(space);
    fixture_check();
}

static uint32_t refusals;

/* Fails the write of a run in which page 7 lies. */
static void spoil(struct fixture_file *file, uint32_t first, uint32_t npages)
{
    bool spoilt = first <= 7 && 7 < first + npages;
    refusals += spoilt;
    file->write_error = spoilt ? STATUS_IO_DEVICE_ERROR : STATUS_SUCCESS;
}

TEST("stuck: a file of which one page cannot be written goes on")
{
    static struct mapped_file bad;
    fixture_boot(16 * MIB, 0, 1);
    space = fixture_space();
    begin_file(&bad, FILE_PAGES);
    bad.file.before_write = spoil;
    refusals = 0;
    EXPECT_EQUAL(store_to(&bad, 7, 1), 1);
    sleep_ms(7000);
    EXPECT(refusals != 0);
    EXPECT_EQUAL(mi_stuck_pages(), 1);
    EXPECT_EQUAL(store_to(&bad, 10, FILE_PAGES - 10), FILE_PAGES - 10);
    sleep_ms(12000);
    EXPECT_EQUAL(mi_dirty_pages(), 1);
    EXPECT(bad.file.pages_written >= FILE_PAGES - 10);
    bad.file.before_write = NULL;
    bad.file.write_error = STATUS_SUCCESS;
    end_file(&bad);
    EXPECT_EQUAL(mi_dirty_pages(), 0);
    fixture_end_space(space);
    fixture_check();
}

TEST("stuck: however many files fail one after the other, there is room for one that is well")
{
    static struct mapped_file bad[FILES];
    static struct mapped_file good;
    fixture_boot(16 * MIB, 0, 1);
    space = fixture_space();
    for (uint32_t i = 0; i < FILES; i++) {
        begin_file(&bad[i], FILE_PAGES);
        bad[i].file.write_error = STATUS_IO_DEVICE_ERROR;
        uint32_t stored = store_to(&bad[i], 0, FILE_PAGES);
        EXPECT(stored < FILE_PAGES);
    }
    EXPECT(mi_dirty_pages() <= 16 * MIB / PAGE_BYTES / 4 * 3);
    fixture_check();
    begin_file(&good, FILE_PAGES);
    EXPECT_EQUAL(store_to(&good, 0, FILE_PAGES), FILE_PAGES);
    for (uint32_t i = 0; i < FILES; i++) {
        end_file(&bad[i]);
    }
    EXPECT_EQUAL(mi_stuck_pages(), 0);
    end_file(&good);
    fixture_end_space(space);
    fixture_check();
}

/* Private memory up to the limit of commit, all of which can be stored to and read back. */
static uaddr_t use_all_commit(void)
{
    struct mm_charges charges;
    mm_read_charges(&charges);
    uint32_t npages = charges.commit_limit - charges.commit - 40; /* and their tables */
    uaddr_t base = fixture_allocate(space, npages * PAGE_BYTES, PAGE_READWRITE);
    fixture_fill(base, npages, 77);
    EXPECT_EQUAL(fixture_count_wrong(base, npages, 77), 0);
    fixture_check();
    return base;
}

TEST("stuck: memory that is committed up to the limit can all be used beside files that fail")
{
    static struct mapped_file bad;
    (void)fixture_boot_paging(16 * MIB, 2048);
    space = fixture_space();
    begin_file(&bad, FILE_PAGES);
    bad.file.write_error = STATUS_IO_DEVICE_ERROR;
    EXPECT_EQUAL(store_to(&bad, 0, 3), 3);
    sleep_ms(7000);
    EXPECT(store_to(&bad, 3, FILE_PAGES - 3) < FILE_PAGES - 3);
    (void)use_all_commit();
    end_file(&bad);
    fixture_end_space(space);
}

static uint32_t commit_limit(void)
{
    struct mm_charges charges;
    mm_read_charges(&charges);
    return charges.commit_limit;
}

TEST("stuck: frames of pages that cannot be written are not promised, until they are written or "
     "gone")
{
    static struct mapped_file bad;
    (void)fixture_boot_paging(16 * MIB, 2048);
    space = fixture_space();
    uint32_t before = commit_limit();
    uint32_t room = mi_room(mi_frames_low() + mi_frames_high());
    for (uint32_t round = 0; round < 2; round++) {
        begin_file(&bad, FILE_PAGES);
        bad.file.write_error = STATUS_IO_DEVICE_ERROR;
        uint32_t stored = store_to(&bad, 0, FILE_PAGES);
        EXPECT_EQUAL(commit_limit(), before - (stored - room / 4));
        uaddr_t base = use_all_commit();
        EXPECT_STATUS(mm_free_virtual(space, &base, &(uint32_t){0}, MEM_RELEASE), STATUS_SUCCESS);
        bad.file.write_error = round == 0 ? STATUS_SUCCESS : STATUS_IO_DEVICE_ERROR;
        end_file(&bad);
        sleep_ms(7000);
        EXPECT_EQUAL(commit_limit(), before);
    }
    fixture_end_space(space);
}

TEST(
    "stuck: what was promised before the device failed stays so; the limit follows, and comes back")
{
    static struct mapped_file bad;
    struct mm_charges charges;
    inject_audits(false); /* what is charged here is nobody's */
    fixture_boot(16 * MIB, 0, 1);
    space = fixture_space();
    begin_file(&bad, FILE_PAGES);
    mm_read_charges(&charges);
    uint32_t before = charges.commit_limit;
    uint32_t promised = charges.commit_limit - charges.commit - 100;
    REQUIRE(is_success(mm_charge_commit(promised)));
    bad.file.write_error = STATUS_IO_DEVICE_ERROR;
    uint32_t stored = store_to(&bad, 0, FILE_PAGES);
    EXPECT(stored > 500);
    mm_read_charges(&charges);
    EXPECT_EQUAL(charges.commit_limit, charges.commit);
    mm_return_commit(70);
    mm_read_charges(&charges);
    EXPECT_EQUAL(charges.commit_limit, charges.commit);
    bad.file.write_error = STATUS_SUCCESS;
    end_file(&bad);
    sleep_ms(7000);
    EXPECT_EQUAL(commit_limit(), before);
    mm_return_commit(promised - 70);
    EXPECT_EQUAL(commit_limit(), before);
    fixture_end_space(space);
}
