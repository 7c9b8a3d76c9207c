/*
 * tests/host/test_mm_views.c: sections and views: linking, unsharing, filled tables, write-copy,
 * file pagers, and what ends with what.
 */
#include <time.h>

#include "abi/quire.h"
#include "mm/cache.h"
#include "mm/link.h"
#include "mm/segment.h"
#include "tests/host/mm_fixture.h"

static bool is_linked(const struct space *space, uaddr_t address)
{
    return pde_is_linked(pte_read(mi_directory_entry(space, address.v >> CHUNK_SHIFT)));
}

static uint32_t frame_at(struct space *space, uaddr_t address)
{
    struct quire_frame frame;
    EXPECT_STATUS(mm_query_frames(space, address, 1, &frame), STATUS_SUCCESS);
    return frame.frame;
}

static uint32_t protect(struct space *space, uaddr_t address, uint32_t nbytes, uint32_t protection)
{
    uint32_t old = 0;
    EXPECT_STATUS(mm_protect_virtual(space, &address, &nbytes, protection, &old), STATUS_SUCCESS);
    return old;
}

static uint32_t protection_of(struct space *space, uaddr_t address)
{
    struct memory_region region;
    EXPECT_STATUS(mm_query_virtual(space, address, &region), STATUS_SUCCESS);
    return region.protection;
}

TEST("view: two spaces see one frame at different addresses")
{
    fixture_boot(16 * MIB, 0, 1);
    struct fixture_usage before = fixture_usage();
    struct section section;
    fixture_section(&section, 0x10000);
    struct space *a = fixture_space();
    struct space *b = fixture_space();
    uaddr_t in_a = fixture_map(a, &section, 0x20000000u, 0, 0, PAGE_READWRITE);
    uaddr_t in_b = fixture_map(b, &section, 0x30010000u, 0, 0, PAGE_READWRITE);
    fixture_enter(a);
    sim_store32((uaddr_t){in_a.v + 0x5000}, 0x1234);
    fixture_enter(b);
    EXPECT_EQUAL(sim_load32((uaddr_t){in_b.v + 0x5000}), 0x1234);
    EXPECT_EQUAL(frame_at(a, (uaddr_t){in_a.v + 0x5000}), frame_at(b, (uaddr_t){in_b.v + 0x5000}));
    EXPECT_EQUAL(section.views, 2);
    fixture_check();
    fixture_end_space(a);
    EXPECT_EQUAL(section.views, 1);
    EXPECT_EQUAL(sim_load32((uaddr_t){in_b.v + 0x5000}), 0x1234);
    EXPECT_STATUS(mm_unmap_view(b, (uaddr_t){in_b.v + 0x9000}), STATUS_SUCCESS);
    EXPECT(!sim_probe(in_b, ACCESS_READ));
    EXPECT_STATUS(mm_unmap_view(b, in_b), STATUS_NOT_MAPPED_VIEW);
    fixture_check();
    fixture_end_space(b);
    mm_section_destroy(&section);
    fixture_check();
    EXPECT_SAME_USAGE(before);
}

TEST("view: a large view links its chunks, one fault for each 2 MiB that is resident")
{
    fixture_boot(32 * MIB, 0, 1);
    struct fixture_usage before = fixture_usage();
    struct section section;
    fixture_section(&section, 8 * MIB);
    struct space *a = fixture_space();
    struct space *b = fixture_space();
    uaddr_t in_a = fixture_map(a, &section, 0, 0, 0, PAGE_READWRITE);
    EXPECT_EQUAL(in_a.v % CHUNK_BYTES, 0);
    fixture_enter(a);
    for (uint32_t offset = 0; offset < 8 * MIB; offset += PAGE_BYTES) {
        sim_store32((uaddr_t){in_a.v + offset}, offset);
    }
    EXPECT(is_linked(a, in_a));
    EXPECT_EQUAL(a->table_pages, 1); /* the shared page's */
    uaddr_t in_b = fixture_map(b, &section, 0, 0, 0, PAGE_READONLY);
    fixture_enter(b);
    uint64_t faults = sim_fault_count();
    for (uint32_t offset = 0; offset < 8 * MIB; offset += PAGE_BYTES) {
        EXPECT_EQUAL(sim_load32((uaddr_t){in_b.v + offset}), offset);
    }
    EXPECT_EQUAL(sim_fault_count() - faults, 4);
    EXPECT_EQUAL(sim_write(in_b, &(uint32_t){1}, 4, NULL), FAULT_VIOLATION);
    EXPECT_EQUAL(sim_execute(in_b, NULL), FAULT_VIOLATION);
    struct mm_segment_usage usage;
    mm_segment_read_usage(section.segment, &usage);
    EXPECT_EQUAL(usage.resident_pages, 2048);
    EXPECT_EQUAL(usage.modified_pages, 2048);
    EXPECT_EQUAL(usage.linked_chunks, 8);
    fixture_check();
    /* A page that A touches for the first time appears in B without a fault there. */
    fixture_end_space(a);
    fixture_end_space(b);
    mm_section_destroy(&section);
    fixture_check();
    EXPECT_SAME_USAGE(before);
}

TEST("view: what one process brings appears in a linked table without a fault")
{
    fixture_boot(32 * MIB, 0, 1);
    struct section section;
    fixture_section(&section, 4 * MIB);
    struct space *a = fixture_space();
    struct space *b = fixture_space();
    uaddr_t in_a = fixture_map(a, &section, 0, 0, 0, PAGE_READWRITE);
    uaddr_t in_b = fixture_map(b, &section, 0, 0, 0, PAGE_READWRITE);
    fixture_enter(a);
    sim_store32(in_a, 1);
    fixture_enter(b);
    EXPECT_EQUAL(sim_load32(in_b), 1);
    fixture_enter(a);
    sim_store32((uaddr_t){in_a.v + 0x7000}, 2);
    fixture_enter(b);
    EXPECT(sim_probe((uaddr_t){in_b.v + 0x7000}, ACCESS_WRITE));
    fixture_check();
    fixture_end_space(a);
    fixture_end_space(b);
    mm_section_destroy(&section);
}

TEST("view: a section smaller than 2 MiB links where nobody else is in the slot")
{
    fixture_boot(16 * MIB, 0, 1);
    struct section section;
    fixture_section(&section, 0x30000);
    struct space *space = fixture_space();
    uaddr_t base = fixture_map(space, &section, 0x40000000u, 0, 0, PAGE_READWRITE);
    sim_store32(base, 5);
    EXPECT(is_linked(space, base));
    EXPECT(!sim_probe((uaddr_t){base.v + 0x30000}, ACCESS_READ));
    /* A neighbour in the slot unshares it first (M3); contents stay. */
    uaddr_t other = {0x40100000u};
    uint32_t nbytes = 0x10000;
    EXPECT_STATUS(
        mm_allocate_virtual(space, &other, &nbytes, 0, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE),
        STATUS_SUCCESS);
    EXPECT(!is_linked(space, base));
    EXPECT_EQUAL(sim_load32(base), 5);
    EXPECT(!is_linked(space, base));
    sim_store32(other, 6);
    fixture_check();
    fixture_end_space(space);
    mm_section_destroy(&section);
    fixture_check();
}

TEST("view: changing one page's protection unshares that chunk of that space only")
{
    fixture_boot(32 * MIB, 0, 2);
    struct section section;
    fixture_section(&section, 4 * MIB);
    struct space *a = fixture_space();
    struct space *b = fixture_space();
    uaddr_t in_a = fixture_map(a, &section, 0, 0, 0, PAGE_READWRITE);
    uaddr_t in_b = fixture_map(b, &section, 0, 0, 0, PAGE_READWRITE);
    uaddr_t page = {in_a.v + 0x9000};
    fixture_enter(a);
    sim_store32(page, 9);
    sim_store32((uaddr_t){in_a.v + 2 * MIB}, 8);
    fixture_enter(b);
    sim_store32((uaddr_t){in_b.v + 0xA000}, 10);
    fixture_enter(a);
    EXPECT_EQUAL(protect(a, page, 1, PAGE_READONLY), PAGE_READWRITE);
    EXPECT(!is_linked(a, page));
    EXPECT(is_linked(a, (uaddr_t){in_a.v + 2 * MIB}));
    EXPECT_EQUAL(sim_write(page, &(uint32_t){1}, 4, NULL), FAULT_VIOLATION);
    EXPECT_EQUAL(sim_load32(page), 9);
    EXPECT_EQUAL(sim_load32((uaddr_t){in_a.v + 0xA000}), 10);
    EXPECT_EQUAL(protection_of(a, page), PAGE_READONLY);
    EXPECT_EQUAL(protection_of(a, in_a), PAGE_READWRITE);
    fixture_check();
    fixture_enter(b);
    EXPECT(is_linked(b, in_b));
    sim_store32((uaddr_t){in_b.v + 0x9000}, 11);
    fixture_enter(a);
    EXPECT_EQUAL(sim_load32(page), 11);
    protect(a, page, 1, PAGE_NOACCESS);
    EXPECT_EQUAL(sim_read(page, &(uint32_t){1}, 4, NULL), FAULT_VIOLATION);
    protect(a, page, 1, PAGE_READWRITE | PAGE_GUARD);
    EXPECT_EQUAL(sim_read(page, &(uint32_t){1}, 4, NULL), FAULT_GUARD);
    sim_store32(page, 12);
    fixture_check();
    fixture_enter(b);
    EXPECT_EQUAL(sim_load32((uaddr_t){in_b.v + 0x9000}), 12);
    fixture_end_space(a);
    fixture_end_space(b);
    mm_section_destroy(&section);
    fixture_check();
}

TEST("view: filled tables enter neighbours, and unmapping gives every alias back")
{
    fixture_boot(16 * MIB, 0, 1);
    struct section section;
    fixture_section(&section, 64 * PAGE_BYTES);
    struct space *a = fixture_space();
    uaddr_t in_a = fixture_map(a, &section, 0x20000000u, 0, 0, PAGE_READWRITE);
    for (uint32_t i = 0; i < 64; i++) {
        sim_store32((uaddr_t){in_a.v + i * PAGE_BYTES}, i);
    }
    struct space *b = fixture_space();
    uaddr_t in_b = fixture_map(b, &section, 0x20010000u, 0, 0, PAGE_READWRITE);
    fixture_enter(b);
    uint64_t faults = sim_fault_count();
    for (uint32_t i = 0; i < 64; i++) {
        EXPECT_EQUAL(sim_load32((uaddr_t){in_b.v + i * PAGE_BYTES}), i);
    }
    EXPECT_EQUAL(sim_fault_count() - faults, 4);
    EXPECT(!is_linked(b, in_b));
    fixture_check();
    EXPECT_STATUS(mm_unmap_view(b, in_b), STATUS_SUCCESS);
    fixture_check();
    fixture_end_space(b);
    fixture_end_space(a);
    mm_section_destroy(&section);
}

TEST("view: a write-copy view keeps its stores private, beside a shared view of the same chunk")
{
    fixture_boot(32 * MIB, 0, 2);
    struct fixture_usage before = fixture_usage();
    struct section section;
    fixture_section(&section, 2 * MIB);
    struct space *space = fixture_space();
    uaddr_t shared = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
    uaddr_t copy = fixture_map(space, &section, 0, 0, 0, PAGE_WRITECOPY);
    sim_store32(shared, 1);
    EXPECT_EQUAL(sim_load32(copy), 1);
    EXPECT(is_linked(space, copy));
    EXPECT_EQUAL(protection_of(space, copy), PAGE_WRITECOPY);
    sim_store32(copy, 2);
    EXPECT(!is_linked(space, copy));
    EXPECT_EQUAL(sim_load32(shared), 1);
    EXPECT_EQUAL(sim_load32(copy), 2);
    EXPECT_EQUAL(protection_of(space, copy), PAGE_READWRITE);
    EXPECT(frame_at(space, copy) != frame_at(space, shared));
    sim_store32((uaddr_t){shared.v + PAGE_BYTES}, 3);
    EXPECT_EQUAL(sim_load32((uaddr_t){copy.v + PAGE_BYTES}), 3);
    sim_store32((uaddr_t){copy.v + PAGE_BYTES}, 4);
    EXPECT_EQUAL(sim_load32((uaddr_t){shared.v + PAGE_BYTES}), 3);
    /* Write-copy again on a private page reports READWRITE; its contents stay. */
    protect(space, copy, 1, PAGE_READONLY);
    protect(space, copy, 1, PAGE_WRITECOPY);
    EXPECT_EQUAL(protection_of(space, copy), PAGE_READWRITE);
    EXPECT_EQUAL(sim_load32(copy), 2);
    fixture_check();
    /* A page of the shared view that becomes write-copy stops writing through. */
    protect(space, shared, 1, PAGE_WRITECOPY);
    sim_store32(shared, 5);
    struct space *other = fixture_space();
    uaddr_t seen = fixture_map(other, &section, 0, 0, 0, PAGE_READONLY);
    fixture_enter(other);
    EXPECT_EQUAL(sim_load32(seen), 1);
    fixture_check();
    fixture_end_space(other);
    fixture_end_space(space);
    mm_section_destroy(&section);
    fixture_check();
    EXPECT_SAME_USAGE(before);
}

TEST("view: SEC_RESERVE pages fault until any view commits them")
{
    fixture_boot(16 * MIB, 0, 1);
    struct fixture_usage before = fixture_usage();
    struct section section;
    EXPECT_STATUS(mm_section_create_memory(&section, 4 * MIB, PAGE_READWRITE, SEC_RESERVE),
                  STATUS_SUCCESS);
    struct space *space = fixture_space();
    uaddr_t one = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
    uaddr_t two = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
    EXPECT_EQUAL(sim_read(one, &(uint32_t){0}, 4, NULL), FAULT_VIOLATION);
    struct memory_region region;
    EXPECT_STATUS(mm_query_virtual(space, one, &region), STATUS_SUCCESS);
    EXPECT_EQUAL(region.state, MEM_RESERVE);
    EXPECT_EQUAL(region.nbytes, 4 * MIB);
    uaddr_t base = one;
    uint32_t nbytes = 0x10000;
    EXPECT_STATUS(mm_allocate_virtual(space, &base, &nbytes, 0, MEM_COMMIT, PAGE_READONLY),
                  STATUS_SUCCESS);
    EXPECT_STATUS(mm_query_virtual(space, one, &region), STATUS_SUCCESS);
    EXPECT_EQUAL(region.state, MEM_COMMIT);
    EXPECT_EQUAL(region.protection, PAGE_READONLY);
    EXPECT_EQUAL(region.nbytes, 0x10000);
    EXPECT_EQUAL(sim_load32(one), 0);
    sim_store32(two, 3);
    EXPECT_EQUAL(sim_load32(one), 3);
    EXPECT_EQUAL(sim_write(one, &(uint32_t){0}, 4, NULL), FAULT_VIOLATION);
    EXPECT_STATUS(mm_free_virtual(space, &base, &nbytes, MEM_DECOMMIT),
                  STATUS_UNABLE_TO_DELETE_SECTION);
    EXPECT_STATUS(mm_allocate_virtual(space, &base, &nbytes, 0, MEM_COMMIT, PAGE_EXECUTE_READ),
                  STATUS_SECTION_PROTECTION);
    fixture_check();
    fixture_end_space(space);
    mm_section_destroy(&section);
    EXPECT_SAME_USAGE(before);
}

/* Goes through the view run by run; each is as long as COMMITTED, by section page, says. */
static uint32_t check_runs(struct space *space, uaddr_t view, uint32_t first, const bool *committed,
                           uint32_t npages)
{
    uint32_t runs = 0;
    for (uint32_t page = 0; page < npages; runs++) {
        struct memory_region region;
        uint32_t end = page + 1;
        while (end < npages && committed[first + end] == committed[first + page]) {
            end++;
        }
        EXPECT_STATUS(mm_query_virtual(space, (uaddr_t){view.v + page * PAGE_BYTES}, &region),
                      STATUS_SUCCESS);
        REQUIRE(region.state == (committed[first + page] ? MEM_COMMIT : MEM_RESERVE));
        REQUIRE(region.nbytes == (end - page) * PAGE_BYTES);
        page = end;
    }
    return runs;
}

TEST("view: runs of a large SEC_RESERVE view, table by table")
{
    enum { PAGES = 512 * MIB / PAGE_BYTES, QUERIES = 20000 };
    static const uint32_t commits[][2] = {
        {0, 1},       {511, 2},         {1100, 5},         {3 * 512, 512},
        {4 * 512, 3}, {9 * 512 - 1, 1}, {PAGES - 300, 300}};
    static const uint32_t runs[] = {2, 4, 6, 8, 8, 10, 11};
    static bool committed[PAGES];
    fixture_boot(16 * MIB, 0, 1);
    struct section section;
    EXPECT_STATUS(mm_section_create_memory(&section, 512 * MIB, PAGE_READWRITE, SEC_RESERVE),
                  STATUS_SUCCESS);
    struct space *space = fixture_space();
    uaddr_t whole = fixture_map(space, &section, 0x10000000u, 0, 0, PAGE_READWRITE);
    uaddr_t part = fixture_map(space, &section, 0x40030000u, 0x50000, 0, PAGE_READWRITE);
    for (uint32_t i = 0; i < ARRAY_COUNT(commits); i++) {
        /* By a view that ends at once, so that nobody has entries of its own. */
        uaddr_t view = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
        uaddr_t base = {view.v + commits[i][0] * PAGE_BYTES};
        uint32_t nbytes = commits[i][1] * PAGE_BYTES;
        EXPECT_STATUS(mm_allocate_virtual(space, &base, &nbytes, 0, MEM_COMMIT, PAGE_READWRITE),
                      STATUS_SUCCESS);
        EXPECT_STATUS(mm_unmap_view(space, view), STATUS_SUCCESS);
        for (uint32_t page = 0; page < commits[i][1]; page++) {
            committed[commits[i][0] + page] = true;
        }
        EXPECT_EQUAL(check_runs(space, whole, 0, committed, PAGES), runs[i]);
        check_runs(space, part, 0x50, committed, PAGES - 0x50);
    }
    clock_t begin = clock();
    struct memory_region region;
    for (uint32_t i = 0; i < QUERIES; i++) {
        EXPECT_STATUS(mm_query_virtual(space, (uaddr_t){whole.v + 9 * 512 * PAGE_BYTES}, &region),
                      STATUS_SUCCESS);
    }
    EXPECT_EQUAL(region.nbytes, (PAGES - 300 - 9 * 512) * PAGE_BYTES);
    EXPECT(clock() - begin < 10 * CLOCKS_PER_SEC); /* 120 000 pages, one by one, take far longer */
    fixture_check();
    fixture_end_space(space);
    mm_section_destroy(&section);
}

TEST("view: refusals and their statuses")
{
    fixture_boot(16 * MIB, 0, 1);
    struct section section;
    fixture_section(&section, 0x20000);
    struct space *space = fixture_space();
    static const struct {
        struct view_request request;
        status_t status;
    } cases[] = {
        {{.offset = 1, .protection = PAGE_READONLY}, STATUS_MAPPED_ALIGNMENT},
        {{.base = {0x20001000u}, .protection = PAGE_READONLY}, STATUS_MAPPED_ALIGNMENT},
        {{.nbytes = 0x20001, .protection = PAGE_READONLY}, STATUS_INVALID_VIEW_SIZE},
        {{.offset = 0x20000, .protection = PAGE_READONLY}, STATUS_INVALID_VIEW_SIZE},
        {{.base = {0x90000000u}, .protection = PAGE_READONLY}, STATUS_INVALID_PARAMETER_3},
        {{.nbytes = UINT32_MAX, .protection = PAGE_READONLY}, STATUS_INVALID_PARAMETER_3},
        {{.zero_bits = 22, .protection = PAGE_READONLY}, STATUS_INVALID_PARAMETER_4},
        {{.zero_bits = 21, .protection = PAGE_READONLY}, STATUS_NO_MEMORY},
        {{.base = {0x20000000u}, .zero_bits = 8, .protection = PAGE_READONLY},
         STATUS_INVALID_PARAMETER_4},
        {{.allocation_type = MEM_COMMIT, .protection = PAGE_READONLY}, STATUS_INVALID_PARAMETER_9},
        {{.allocation_type = MEM_RESERVE, .protection = PAGE_READONLY}, STATUS_INVALID_PARAMETER_9},
        {{.commit_nbytes = 0x10000000, .protection = PAGE_READONLY}, STATUS_INVALID_PARAMETER_5},
        {{.protection = PAGE_READWRITE | PAGE_READONLY}, STATUS_INVALID_PAGE_PROTECTION},
        {{.protection = PAGE_EXECUTE_READ}, STATUS_SECTION_PROTECTION},
        {{.protection = PAGE_EXECUTE_WRITECOPY}, STATUS_SECTION_PROTECTION},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct view_request request = cases[i].request;
        EXPECT_STATUS(mm_map_view(space, &section, &request), cases[i].status);
    }
    uaddr_t base = fixture_map(space, &section, 0x20000000u, 0, 0, PAGE_READONLY);
    struct view_request again = {.base = base, .protection = PAGE_READONLY};
    EXPECT_STATUS(mm_map_view(space, &section, &again), STATUS_CONFLICTING_ADDRESSES);
    fixture_map(space, &section, 0, 0x10000, 0x8000, PAGE_READWRITE | PAGE_GUARD);
    EXPECT_EQUAL(section.views, 2);
    fixture_check();
    fixture_end_space(space);
    EXPECT_EQUAL(section.views, 0);
    mm_section_destroy(&section);
}

TEST("view: a view in part shows its part, at any 64 KiB")
{
    fixture_boot(32 * MIB, 0, 1);
    struct section section;
    fixture_section(&section, 6 * MIB);
    struct space *space = fixture_space();
    uaddr_t whole = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
    for (uint32_t offset = 0; offset < 6 * MIB; offset += PAGE_BYTES) {
        sim_store32((uaddr_t){whole.v + offset}, offset);
    }
    static const uint32_t parts[][2] = {
        {0x10000, 0x400000}, {0x1F0000, 0x20000}, {0x200000, 0x200000}, {0x3F0000, 0x123}};
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        uaddr_t part = fixture_map(space, &section, 0x40000000u + (uint32_t)i * 0x1010000u,
                                   parts[i][0], parts[i][1], PAGE_READONLY);
        uaddr_t chosen = fixture_map(space, &section, 0, parts[i][0], parts[i][1], PAGE_READONLY);
        for (uint32_t offset = 0; offset < parts[i][1]; offset += PAGE_BYTES) {
            EXPECT_EQUAL(sim_load32((uaddr_t){part.v + offset}), parts[i][0] + offset);
            EXPECT_EQUAL(sim_load32((uaddr_t){chosen.v + offset}), parts[i][0] + offset);
        }
        EXPECT(
            !sim_probe((uaddr_t){part.v + ((parts[i][1] + PAGE_MASK) & ~PAGE_MASK)}, ACCESS_READ));
        fixture_check();
    }
    fixture_end_space(space);
    mm_section_destroy(&section);
    fixture_check();
}

TEST("file: pages come from the pager, in clusters, and through a window")
{
    fixture_boot(32 * MIB, 0, 1);
    struct fixture_usage before = fixture_usage();
    struct fixture_file file;
    struct section section;
    fixture_file(&file, 1024);
    EXPECT_STATUS(mm_section_create_file(&section, file.segment, 1024 * PAGE_BYTES - 5, 0,
                                         PAGE_READONLY, SEC_COMMIT),
                  STATUS_SUCCESS);
    EXPECT_EQUAL(section.nbytes, 1024 * PAGE_BYTES - 5);
    struct space *space = fixture_space();
    uaddr_t base = fixture_map(space, &section, 0, 0, 0, PAGE_READONLY);
    for (uint32_t offset = 0; offset < 1024 * PAGE_BYTES; offset += PAGE_BYTES) {
        EXPECT_EQUAL(sim_load32((uaddr_t){base.v + offset + 8}), fixture_word(offset + 8));
    }
    EXPECT_EQUAL(file.pages_read, 1024);
    EXPECT(file.page_ins <= 1024 / 128 + 5); /* runs grow to 128 pages */
    EXPECT(is_linked(space, base));
    EXPECT_EQUAL(sim_write(base, &(uint32_t){1}, 4, NULL), FAULT_VIOLATION);
    uint32_t words[3];
    EXPECT_STATUS(mm_cache_read(file.segment, 2 * MIB - 4, words, 12), STATUS_SUCCESS);
    EXPECT_EQUAL(words[0], fixture_word(2 * MIB - 4));
    EXPECT_EQUAL(words[2], fixture_word(2 * MIB + 4));
    EXPECT_EQUAL(file.pages_read, 1024);
    fixture_check();
    EXPECT_STATUS(
        mm_section_create_file(&section, file.segment, 100, 101, PAGE_READONLY, SEC_COMMIT),
        STATUS_SECTION_TOO_BIG);
    fixture_end_space(space);
    mm_section_destroy(&section);
    EXPECT(!file.released);
    mm_segment_unref(file.segment);
    EXPECT(file.released);
    fixture_check();
    EXPECT_SAME_USAGE(before);
}

TEST("file: I/O error on page-in raises an in-page error, never shows stale bytes, and can pass")
{
    fixture_boot(16 * MIB, 0, 1);
    struct fixture_file file;
    struct section section;
    fixture_file(&file, 64);
    file.error = STATUS_IO_DEVICE_ERROR;
    EXPECT_STATUS(mm_section_create_file(&section, file.segment, 64 * PAGE_BYTES, 0, PAGE_READONLY,
                                         SEC_COMMIT),
                  STATUS_SUCCESS);
    struct space *space = fixture_space();
    uaddr_t base = fixture_map(space, &section, 0, 0, 0, PAGE_READONLY);
    struct fault_report report;
    uint32_t word;
    EXPECT_EQUAL(sim_read(base, &word, 4, &report), FAULT_IN_PAGE_ERROR);
    EXPECT_STATUS(report.status, STATUS_IN_PAGE_ERROR);
    EXPECT_STATUS(report.cause, STATUS_IO_DEVICE_ERROR);
    EXPECT(is_error(mm_cache_read(file.segment, 0, &word, 4)));
    fixture_check();
    file.error = STATUS_SUCCESS;
    EXPECT_EQUAL(sim_load32(base), fixture_word(0));
    fixture_check();
    fixture_end_space(space);
    mm_section_destroy(&section);
    mm_segment_unref(file.segment);
    fixture_check();
}

static struct space *race_space;
static uaddr_t race_base;
static uint32_t race_wrong;

static void race_thread(void *argument)
{
    (void)argument;
    fixture_enter(race_space);
    for (uint32_t offset = 0; offset < 64 * PAGE_BYTES; offset += PAGE_BYTES) {
        race_wrong += sim_load32((uaddr_t){race_base.v + offset}) != fixture_word(offset);
    }
    fixture_enter(NULL);
}

TEST("file: threads that fault the same absent page at once read it once")
{
    fixture_boot(16 * MIB, 0, 1);
    struct fixture_file file;
    struct section section;
    fixture_file(&file, 64);
    file.slow = true;
    EXPECT_STATUS(mm_section_create_file(&section, file.segment, 64 * PAGE_BYTES, 0, PAGE_READONLY,
                                         SEC_COMMIT),
                  STATUS_SUCCESS);
    race_space = fixture_space();
    race_base = fixture_map(race_space, &section, 0, 0, 0, PAGE_READONLY);
    fixture_enter(NULL);
    for (uint32_t i = 0; i < 4; i++) {
        sim_thread("race", race_thread, NULL, PRIORITY_NORMAL);
    }
    sim_join();
    EXPECT_EQUAL(race_wrong, 0);
    EXPECT_EQUAL(file.pages_read, 64);
    fixture_check();
    fixture_end_space(race_space);
    mm_section_destroy(&section);
    mm_segment_unref(file.segment);
    fixture_check();
}

TEST("file: a file larger than memory is read through, clean pages making room")
{
    fixture_boot(16 * MIB, 0, 1);
    struct fixture_file file;
    fixture_file(&file, 8192);
    for (uint32_t page = 0; page < 8192; page++) {
        uint32_t word = 0;
        EXPECT_STATUS(mm_cache_read(file.segment, (uint64_t)page << PAGE_SHIFT, &word, 4),
                      STATUS_SUCCESS);
        EXPECT_EQUAL(word, fixture_word((uint64_t)page << PAGE_SHIFT));
    }
    fixture_check();
    mm_segment_unref(file.segment);
    fixture_check();
}

TEST("view: a page stays modified when the view that modified it goes")
{
    fixture_boot(16 * MIB, 0, 1);
    struct section section;
    fixture_section(&section, 0x10000);
    struct space *space = fixture_space();
    /* Filled, for it shows a part; the aliases have the dirty bits. */
    uaddr_t base = fixture_map(space, &section, 0x20010000u, 0, 0x8000, PAGE_READWRITE);
    for (uint32_t page = 0; page < 5; page++) {
        sim_store32((uaddr_t){base.v + page * PAGE_BYTES}, 1);
    }
    struct mm_segment_usage usage;
    mm_segment_read_usage(section.segment, &usage);
    EXPECT_EQUAL(usage.modified_pages, 5);
    protect(space, base, 1, PAGE_NOACCESS);
    protect(space, (uaddr_t){base.v + PAGE_BYTES}, 1, PAGE_WRITECOPY);
    sim_store32((uaddr_t){base.v + PAGE_BYTES}, 2);
    mm_segment_read_usage(section.segment, &usage);
    EXPECT_EQUAL(usage.modified_pages, 5);
    EXPECT_STATUS(mm_unmap_view(space, base), STATUS_SUCCESS);
    mm_segment_read_usage(section.segment, &usage);
    EXPECT_EQUAL(usage.modified_pages, 5);
    EXPECT_EQUAL(usage.filled_chunks, 0);
    fixture_check();
    fixture_end_space(space);
    mm_section_destroy(&section);
}
