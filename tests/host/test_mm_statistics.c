/*
 * tests/host/test_mm_statistics.c: what is told of memory's use agrees with the memory manager's
 * own counts, with what single pages tell, and with itself: private, linked, filled, paged out.
 */
#include "mm/statistics.h"

#include "mm/link.h"
#include "mm/pagefile.h"
#include "mm/pfn.h"
#include "tests/host/mm_fixture.h"

static void touch(uaddr_t base, uint32_t npages)
{
    for (uint32_t i = 0; i < npages; i++) {
        sim_store32((uaddr_t){base.v + i * PAGE_BYTES}, i + 1);
    }
}

static struct mm_region_pages count(struct space *space, uaddr_t base, uint32_t npages)
{
    struct mm_region_pages pages;
    mm_count_region(space, base, npages << PAGE_SHIFT, &pages);
    return pages;
}

/* What the pages tell one by one must add up to what the range tells. */
static void check_single_pages(struct space *space, uaddr_t base, uint32_t npages)
{
    struct mm_region_pages pages = count(space, base, npages);
    uint32_t valid = 0;
    uint32_t linked = 0;
    uint32_t shared = 0;
    uint32_t private_pages = 0;
    for (uint32_t i = 0; i < npages; i++) {
        struct mm_page page;
        mm_query_page(space, (uaddr_t){base.v + i * PAGE_BYTES}, &page);
        valid += page.is_valid;
        linked += page.is_valid && page.is_linked;
        shared += page.is_valid && page.is_shareable && page.shares > 1;
        private_pages += page.is_valid && !page.is_shareable;
    }
    EXPECT_EQUAL(pages.resident, valid);
    EXPECT_EQUAL(pages.linked_pages, linked);
    EXPECT_EQUAL(pages.shared_pages, shared);
    EXPECT_EQUAL(pages.private_pages, private_pages);
}

/* The working set: the sum over tables, the list of pages, and the space's own count agree. */
static void check_working_set(struct space *space)
{
    struct mm_space_usage usage;
    struct mm_page page;
    uint32_t listed = 0;
    uint32_t private_pages = 0;
    mm_read_space_usage(space, &usage);
    for (uint32_t number = 0; mm_next_valid_page(space, &number, &page); number++) {
        listed++;
        private_pages += !page.is_shareable;
    }
    EXPECT_EQUAL(usage.working_set, listed);
    EXPECT_EQUAL(usage.private_pages, private_pages);
    EXPECT_EQUAL(usage.private_pages, space->private_pages);
    EXPECT(usage.peaks.working_set >= usage.working_set);
    EXPECT(usage.peaks.commit_pages >= usage.commit_pages);
}

static void check_frames(void)
{
    struct mm_frame_uses uses;
    struct mm_frame_counts counts;
    mm_count_frame_uses(&uses);
    mm_count_frames(&counts);
    EXPECT_EQUAL(counts.active, uses.private_pages + uses.segment_pages + uses.page_tables +
                                    uses.prototype_tables + uses.kernel_pages + uses.slab_pages);
    EXPECT_EQUAL(counts.tables, uses.page_tables + uses.prototype_tables);
    EXPECT_EQUAL(counts.total, counts.free + counts.zeroed + counts.active + counts.standby +
                                   counts.modified + uses.transition);
}

TEST("statistics: the PFN database takes 24 bytes a frame, and these are no frames to be had")
{
    struct mm_frame_counts counts;
    fixture_boot(16 * MIB, 0, 1);
    mm_count_frames(&counts);
    EXPECT_EQUAL(mm_database_bytes(), 24 * 16 * MIB / PAGE_BYTES);
    EXPECT_EQUAL(counts.total * PAGE_BYTES + mm_database_bytes(), 16 * MIB);
}

TEST("statistics: a private region, touched in part, decommitted and barred in part")
{
    fixture_boot(16 * MIB, 0, 1);
    struct space *space = fixture_space();
    uaddr_t base = fixture_allocate(space, 700 * PAGE_BYTES, PAGE_READWRITE);
    EXPECT_EQUAL(count(space, base, 700).resident, 0);
    touch(base, 600);
    struct mm_region_pages pages = count(space, base, 700);
    EXPECT_EQUAL(pages.resident, 600);
    EXPECT_EQUAL(pages.private_pages, 600);
    EXPECT_EQUAL(pages.nearby + pages.paged_out + pages.table_out + pages.shared_pages, 0);
    uaddr_t part = base;
    uint32_t nbytes = 100 * PAGE_BYTES;
    uint32_t old;
    EXPECT_STATUS(mm_protect_virtual(space, &part, &nbytes, PAGE_NOACCESS, &old), STATUS_SUCCESS);
    part.v = base.v + 100 * PAGE_BYTES;
    EXPECT_STATUS(mm_free_virtual(space, &part, &nbytes, MEM_DECOMMIT), STATUS_SUCCESS);
    pages = count(space, base, 700);
    EXPECT_EQUAL(pages.resident, 400);
    EXPECT_EQUAL(pages.nearby, 100);
    EXPECT_EQUAL(count(space, base, 100).nearby, 100);
    EXPECT_EQUAL(count(space, (uaddr_t){base.v + 100 * PAGE_BYTES}, 100).resident, 0);
    check_single_pages(space, base, 700);
    check_working_set(space);
    check_frames();
    struct mm_space_peaks peaks;
    mm_read_space_peaks(space, &peaks);
    EXPECT_EQUAL(peaks.commit_pages, 700);
    EXPECT_EQUAL(peaks.faults, 600);
    fixture_end_space(space);
}

TEST("statistics: a range outside any region, or one that has gone, has no pages")
{
    fixture_boot(16 * MIB, 0, 1);
    struct space *space = fixture_space();
    struct mm_page page;
    EXPECT_EQUAL(count(space, (uaddr_t){0x10000000}, 16).resident, 0);
    mm_query_page(space, (uaddr_t){0x10000000}, &page);
    EXPECT(!page.is_valid && !page.is_shareable);
    uint32_t number = USER_END >> PAGE_SHIFT;
    EXPECT(!mm_next_valid_page(space, &number, &page));
    number = 0;
    EXPECT(mm_next_valid_page(space, &number, &page));
    EXPECT_EQUAL(number, USER_SHARED >> PAGE_SHIFT); /* an empty space has nothing else */
    EXPECT(page.is_shareable);
    check_working_set(space);
    fixture_end_space(space);
}

TEST("statistics: a section through linked and filled tables, shared and not")
{
    fixture_boot(32 * MIB, 0, 1);
    struct space *space = fixture_space();
    struct section section;
    fixture_section(&section, 4 * MIB);
    uaddr_t one = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
    touch(one, 800);
    struct mm_region_pages pages = count(space, one, 1024);
    EXPECT_EQUAL(pages.resident, 800);
    EXPECT_EQUAL(pages.linked_pages, 800);
    EXPECT_EQUAL(pages.linked_chunks, 2);
    EXPECT_EQUAL(pages.shared_pages, 0);
    /* At an address that is not congruent: filled. */
    uaddr_t two = fixture_map(space, &section, 0x20010000, 0, 0, PAGE_READONLY);
    EXPECT_EQUAL(count(space, two, 1024).nearby, 800);
    EXPECT_EQUAL(sim_load32(two), 1);
    pages = count(space, two, 1024);
    EXPECT(pages.resident >= 1 && pages.resident <= 16);
    EXPECT_EQUAL(pages.linked_pages, 0);
    EXPECT_EQUAL(pages.shared_pages, pages.resident);
    EXPECT_EQUAL(pages.resident + pages.nearby, 800);
    EXPECT_EQUAL(count(space, one, 1024).shared_pages, pages.resident);
    check_single_pages(space, one, 1024);
    check_single_pages(space, two, 1024);
    check_working_set(space);
    /* A copy of one's own. */
    uaddr_t copy = fixture_map(space, &section, 0x30010000, 0, 0, PAGE_WRITECOPY);
    sim_store32(copy, 99);
    pages = count(space, copy, 1024);
    EXPECT_EQUAL(pages.private_pages, 1);
    check_single_pages(space, copy, 1024);
    check_working_set(space);
    check_frames();
    EXPECT_STATUS(mm_unmap_view(space, one), STATUS_SUCCESS);
    EXPECT_STATUS(mm_unmap_view(space, two), STATUS_SUCCESS);
    EXPECT_STATUS(mm_unmap_view(space, copy), STATUS_SUCCESS);
    fixture_end_space(space);
    mm_section_destroy(&section);
}

TEST("statistics: private pages that are paged out are counted once, and none is lost")
{
    (void)fixture_boot_paging(8 * MIB, 8192);
    struct space *space = fixture_space();
    uaddr_t base = fixture_allocate(space, 5000 * PAGE_BYTES, PAGE_READWRITE);
    touch(base, 4500);
    fixture_settle();
    struct mm_region_pages pages = count(space, base, 5000);
    EXPECT_EQUAL(pages.resident + pages.nearby + pages.paged_out + pages.table_out, 4500);
    EXPECT(pages.paged_out > 2000 && pages.resident > 0);
    EXPECT_EQUAL(pages.resident, space->private_pages);
    check_single_pages(space, base, 5000);
    check_working_set(space);
    check_frames();
    fixture_end_space(space);
}

TEST("statistics: a section's pages that are paged out, linked here and filled there")
{
    (void)fixture_boot_paging(8 * MIB, 8192);
    struct space *space = fixture_space();
    struct section section;
    fixture_section(&section, 20 * MIB);
    uaddr_t linked = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
    touch(linked, 5000);
    fixture_settle();
    for (uint32_t chunk = 0; chunk < 10; chunk++) { /* so that its prototype table is in memory */
        EXPECT_EQUAL(sim_load32((uaddr_t){linked.v + chunk * 2 * MIB}), chunk * 512 + 1);
    }
    struct mm_segment_usage usage;
    mm_segment_read_usage(section.segment, &usage);
    struct mm_region_pages pages = count(space, linked, 5120);
    EXPECT_EQUAL(pages.resident + pages.nearby + pages.paged_out + pages.table_out, 5000);
    EXPECT_EQUAL(pages.resident, usage.resident_pages);
    EXPECT_EQUAL(pages.resident, pages.linked_pages);
    EXPECT(pages.paged_out > 2000 && pages.resident > 0);
    uaddr_t filled = fixture_map(space, &section, 0x40010000, 0, 0, PAGE_READONLY);
    struct mm_region_pages there = count(space, filled, 5120);
    EXPECT_EQUAL(there.resident, 0);
    EXPECT_EQUAL(there.paged_out, pages.paged_out);
    EXPECT_EQUAL(there.nearby, pages.nearby + pages.resident);
    EXPECT_EQUAL(sim_load32(filled), 1);
    check_single_pages(space, filled, 5120);
    check_single_pages(space, linked, 5120);
    check_working_set(space);
    check_frames();
    EXPECT_STATUS(mm_unmap_view(space, filled), STATUS_SUCCESS);
    EXPECT_STATUS(mm_unmap_view(space, linked), STATUS_SUCCESS);
    fixture_end_space(space);
    mm_section_destroy(&section);
}
