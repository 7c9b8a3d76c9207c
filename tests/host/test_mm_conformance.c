/*
 * tests/host/test_mm_conformance.c: what mm/ decides of what a Win32 program observes: statuses,
 * roundings, the answers of VirtualQuery; each row names the fact.
 */
#include "mm/link.h"
#include "mm/segment.h"
#include "tests/host/mm_fixture.h"

#define VIEW 0x20000000u

static struct space *space;

static void expect_row(const char *fact, status_t got, status_t expected)
{
    if (got != expected) {
        test_fail(__FILE__, __LINE__, "%s: 0x%08X, expected 0x%08X", fact, (unsigned)got,
                  (unsigned)expected);
    }
}

static void expect_value(const char *fact, const char *what, uint64_t got, uint64_t expected)
{
    if (got != expected) {
        test_fail(__FILE__, __LINE__, "%s: %s is 0x%llX, expected 0x%llX", fact, what,
                  (unsigned long long)got, (unsigned long long)expected);
    }
}

static struct memory_region query(uint32_t address)
{
    struct memory_region region = {.nbytes = 0};
    EXPECT_STATUS(mm_query_virtual(space, (uaddr_t){address}, &region), STATUS_SUCCESS);
    return region;
}

/* ---- sections ---- */

TEST("conformance: sections of the paging file (CFM, FPA, SEC)")
{
    static const struct {
        const char *fact;
        uint64_t nbytes;
        uint32_t protection;
        uint32_t attributes;
        status_t status;
        uint64_t recorded;
    } rows[] = {
        {"CFM02", 0x1000, PAGE_READWRITE, SEC_COMMIT, STATUS_SUCCESS, 0x1000},
        {"CFM16", 0x3452, PAGE_READWRITE, SEC_COMMIT, STATUS_SUCCESS, 0x4000},
        {"CFM16", 4090, PAGE_READWRITE, SEC_COMMIT, STATUS_SUCCESS, 4096},
        {"CFM16", 0x123, PAGE_READWRITE, SEC_COMMIT, STATUS_SUCCESS, 0x1000},
        {"CFM17", 0x1001, PAGE_READWRITE, SEC_RESERVE, STATUS_SUCCESS, 0x2000},
        {"CFM18", 0, PAGE_READWRITE, SEC_COMMIT, STATUS_INVALID_PARAMETER_4, 0},
        {"CFM18", 0, PAGE_READWRITE, SEC_RESERVE, STATUS_INVALID_PARAMETER_4, 0},
        {"CFM19", UINT64_MAX, PAGE_READWRITE, SEC_COMMIT, STATUS_SECTION_TOO_BIG, 0},
        {"CFM20", 512ull << 30, PAGE_READWRITE, SEC_COMMIT, STATUS_COMMITMENT_LIMIT, 0},
        {"CFM20", 256ull << 30, PAGE_READWRITE, SEC_COMMIT, STATUS_COMMITMENT_LIMIT, 0},
        {"CFM20", 64 * MIB, PAGE_READWRITE, SEC_COMMIT, STATUS_COMMITMENT_LIMIT, 0},
        {"CFM22", 8ull << 40, PAGE_READWRITE, SEC_RESERVE, STATUS_SECTION_TOO_BIG, 0},
        {"CFM22", 128ull << 40, PAGE_READWRITE, SEC_RESERVE, STATUS_SECTION_TOO_BIG, 0},
        {"FPA03", 1, 0, SEC_COMMIT, STATUS_INVALID_PAGE_PROTECTION, 0},
        {"FPA04", 1, PAGE_READONLY | PAGE_READWRITE, SEC_COMMIT, STATUS_INVALID_PAGE_PROTECTION, 0},
        {"FPA04", 1, PAGE_WRITECOPY | PAGE_READONLY, SEC_COMMIT, STATUS_INVALID_PAGE_PROTECTION, 0},
        {"FPA04", 1, PAGE_EXECUTE_READ | PAGE_EXECUTE, SEC_COMMIT, STATUS_INVALID_PAGE_PROTECTION,
         0},
        {"FPA13", 1, PAGE_READONLY, SEC_COMMIT, STATUS_SUCCESS, 0x1000},
        {"FPA13", 1, PAGE_WRITECOPY, SEC_COMMIT, STATUS_SUCCESS, 0x1000},
        {"FPA13", 1, PAGE_EXECUTE_READ, SEC_COMMIT, STATUS_SUCCESS, 0x1000},
        {"FPA13", 1, PAGE_EXECUTE_READWRITE, SEC_COMMIT, STATUS_SUCCESS, 0x1000},
        {"FPA13", 1, PAGE_EXECUTE_WRITECOPY, SEC_COMMIT, STATUS_SUCCESS, 0x1000},
        {"FPA14", 1, PAGE_NOACCESS, SEC_COMMIT, STATUS_INVALID_PAGE_PROTECTION, 0},
        {"FPA15", 1, 0x1234, SEC_COMMIT, STATUS_INVALID_PAGE_PROTECTION, 0},
        {"FPA17", 1, PAGE_EXECUTE, SEC_COMMIT, STATUS_SUCCESS, 0x1000},
        {"SEC02", 1, PAGE_READWRITE, SEC_RESERVE | SEC_COMMIT, STATUS_INVALID_PARAMETER_6, 0},
        {"SEC07", 1, PAGE_READWRITE, SEC_FILE, STATUS_INVALID_PARAMETER_6, 0},
        {"SEC07", 1, PAGE_READWRITE, SEC_FILE | SEC_COMMIT, STATUS_INVALID_PARAMETER_6, 0},
        {"SEC10", 1, PAGE_READWRITE, SEC_COMMIT | SEC_NOCACHE, STATUS_SUCCESS, 0x1000},
        {"SEC13", 1, PAGE_READWRITE, 0x80000000u, STATUS_INVALID_PARAMETER_6, 0},
        {"SEC13", 1, PAGE_READWRITE, 0x80000000u | SEC_RESERVE, STATUS_INVALID_PARAMETER_6, 0},
        {"SEC14", 1, PAGE_READWRITE, 0, STATUS_INVALID_PARAMETER_6, 0},
        {"SEC14", 1, PAGE_READWRITE, UINT32_MAX, STATUS_INVALID_PARAMETER_6, 0},
        {"SEC14", 1, PAGE_READWRITE, SEC_IMAGE | SEC_COMMIT, STATUS_INVALID_PARAMETER_6, 0},
        {"SEC14", 1, PAGE_READWRITE, SEC_NOCACHE, STATUS_INVALID_PARAMETER_6, 0},
        {"SEC_IMAGE", 1, PAGE_READWRITE, SEC_IMAGE, STATUS_INVALID_FILE_FOR_SECTION, 0},
    };
    fixture_boot(16 * MIB, 0, 1);
    struct fixture_usage before = fixture_usage();
    for (uint32_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct section section = {.nbytes = 0};
        status_t status = mm_section_create_memory(&section, rows[i].nbytes, rows[i].protection,
                                                   rows[i].attributes);
        expect_row(rows[i].fact, status, rows[i].status);
        expect_value(rows[i].fact, "size", section.nbytes, rows[i].recorded);
        if (is_success(status)) {
            expect_value(rows[i].fact, "attributes", section.attributes, rows[i].attributes);
            mm_section_destroy(&section);
        }
    }
    EXPECT_SAME_USAGE(before);
}

TEST("conformance: sections of a file (CFM, SEC)")
{
    static const struct {
        const char *fact;
        uint64_t file_nbytes;
        uint64_t nbytes;
        uint32_t attributes;
        status_t status;
        uint64_t recorded;
    } rows[] = {
        {"CFM06", 0, 0, SEC_COMMIT, STATUS_MAPPED_FILE_SIZE_ZERO, 0},
        {"CFM09", 0x1234, 0x1235, SEC_COMMIT, STATUS_SECTION_TOO_BIG, 0},
        {"CFM14", 0x3456, 0, SEC_COMMIT, STATUS_SUCCESS, 0x3456},
        {"CFM19", 0x3456, UINT64_MAX, SEC_COMMIT, STATUS_SECTION_TOO_BIG, 0},
        {"CFM23", 0x4000, 0x123, SEC_COMMIT, STATUS_SUCCESS, 0x123},
        {"CFM09", 0x5000, 0x5000, SEC_COMMIT, STATUS_SECTION_TOO_BIG, 0}, /* not in the segment */
        {"SEC15", 0x3456, 0, SEC_RESERVE, STATUS_SUCCESS, 0x3456},
        {"SEC10", 0x3456, 0, SEC_COMMIT | SEC_NOCACHE, STATUS_SUCCESS, 0x3456},
        {"SEC02", 0x3456, 0, SEC_COMMIT | SEC_RESERVE, STATUS_INVALID_PARAMETER_6, 0},
        {"SEC07", 0x3456, 0, SEC_COMMIT | SEC_FILE, STATUS_INVALID_PARAMETER_6, 0},
    };
    fixture_boot(16 * MIB, 0, 1);
    struct fixture_file file;
    fixture_file(&file, 4);
    space = fixture_space();
    for (uint32_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct section section = {.nbytes = 0};
        status_t status = mm_section_create_file(&section, file.segment, rows[i].file_nbytes,
                                                 rows[i].nbytes, PAGE_READONLY, rows[i].attributes);
        expect_row(rows[i].fact, status, rows[i].status);
        expect_value(rows[i].fact, "size", section.nbytes, rows[i].recorded);
        if (is_success(status)) {
            expect_value("SEC09", "attributes", section.attributes,
                         SEC_FILE | (rows[i].attributes & SEC_NOCACHE));
            uaddr_t base = fixture_map(space, &section, 0, 0, 0, PAGE_READONLY);
            struct memory_region region = query(base.v);
            expect_value("SEC15", "state", region.state, MEM_COMMIT);
            expect_value("QRY15", "region", region.nbytes,
                         (rows[i].recorded + PAGE_MASK) & ~(uint64_t)PAGE_MASK);
            EXPECT_STATUS(mm_unmap_view(space, base), STATUS_SUCCESS);
            mm_section_destroy(&section);
        }
    }
    fixture_end_space(space);
    mm_segment_unref(file.segment);
    fixture_check();
}

/* ---- views ---- */

static const uint32_t protections[] = {
    PAGE_NOACCESS, PAGE_READONLY,     PAGE_READWRITE,         PAGE_WRITECOPY,
    PAGE_EXECUTE,  PAGE_EXECUTE_READ, PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY};

/* Read 1, write 2, execute 4; write-copy counts as read. */
static uint32_t rights_of(uint32_t protection)
{
    static const uint8_t rights[] = {0, 1, 3, 1, 4, 5, 7, 5};
    for (uint32_t i = 0; i < ARRAY_COUNT(protections); i++) {
        if (protections[i] == protection) {
            return rights[i];
        }
    }
    return 0;
}

TEST("conformance: view protection against section protection, all pairs (ACC, FPA17, PRT04)")
{
    fixture_boot(16 * MIB, 0, 1);
    space = fixture_space();
    for (uint32_t i = 1; i < ARRAY_COUNT(protections); i++) {
        struct section section;
        EXPECT_STATUS(mm_section_create_memory(&section, 0x2000, protections[i], SEC_COMMIT),
                      STATUS_SUCCESS);
        for (uint32_t j = 0; j < ARRAY_COUNT(protections); j++) {
            struct view_request request = {.base = {VIEW}, .protection = protections[j]};
            status_t status = mm_map_view(space, &section, &request);
            bool allowed = (rights_of(protections[j]) & ~rights_of(protections[i])) == 0;
            expect_row("ACC14", status, allowed ? STATUS_SUCCESS : STATUS_SECTION_PROTECTION);
            if (is_error(status)) {
                continue;
            }
            struct memory_region region = query(VIEW);
            expect_value("QRY01", "protection", region.protection, protections[j]);
            expect_value("QRY01", "type", region.type, MEM_MAPPED);
            expect_value("ACC11", "state", region.state, MEM_COMMIT);
            for (uint32_t k = 0; k < ARRAY_COUNT(protections); k++) {
                uaddr_t base = {VIEW};
                uint32_t nbytes = 1;
                uint32_t old = 0;
                bool may = (rights_of(protections[k]) & ~rights_of(protections[j])) == 0;
                expect_row("PRT04", mm_protect_virtual(space, &base, &nbytes, protections[k], &old),
                           may ? STATUS_SUCCESS : STATUS_SECTION_PROTECTION);
                if (may) {
                    region = query(VIEW);
                    expect_value("PRT05", "protection", region.protection, protections[k]);
                    expect_value("QRY10", "at first", region.allocation_protection, protections[j]);
                }
            }
            EXPECT_STATUS(mm_unmap_view(space, (uaddr_t){VIEW}), STATUS_SUCCESS);
        }
        mm_section_destroy(&section);
    }
    fixture_check();
    fixture_end_space(space);
    fixture_check();
}

TEST("conformance: addresses, sizes and offsets of views (OFS)")
{
    static const struct {
        const char *fact;
        struct view_request request;
        status_t status;
        uint32_t nbytes;
    } rows[] = {
        {"OFS01", {.offset = 1}, STATUS_MAPPED_ALIGNMENT, 0},
        {"OFS01", {.offset = 0x1000}, STATUS_MAPPED_ALIGNMENT, 0},
        {"OFS03", {.offset = 0x10000}, STATUS_SUCCESS, 0x13000},
        {"OFS05", {.nbytes = 0x23000}, STATUS_SUCCESS, 0x23000},
        {"OFS05", {.nbytes = 0x23001}, STATUS_INVALID_VIEW_SIZE, 0},
        {"OFS05", {.nbytes = 0x13001, .offset = 0x10000}, STATUS_INVALID_VIEW_SIZE, 0},
        {"OFS06", {.offset = 0x30000}, STATUS_INVALID_VIEW_SIZE, 0},
        {"OFS06", {.offset = 1ull << 40}, STATUS_INVALID_VIEW_SIZE, 0},
        {"OFS10", {.base = {VIEW + 0x1000}}, STATUS_MAPPED_ALIGNMENT, 0},
        {"OFS10", {.base = {VIEW + 1}}, STATUS_MAPPED_ALIGNMENT, 0},
        {"OFS12", {.base = {VIEW}}, STATUS_SUCCESS, 0x23000},
        {"OFS15", {.base = {0x80000000u}}, STATUS_INVALID_PARAMETER_3, 0},
        {"OFS15", {.base = {0xFFFF0000u}}, STATUS_INVALID_PARAMETER_3, 0},
        {"OFS19", {.nbytes = UINT32_MAX}, STATUS_INVALID_PARAMETER_3, 0},
        {"OFS20", {.zero_bits = 1}, STATUS_SUCCESS, 0x23000},
        {"OFS20", {.zero_bits = 12}, STATUS_SUCCESS, 0x23000},
        {"OFS20", {.zero_bits = 20}, STATUS_NO_MEMORY, 0},
        {"OFS20", {.zero_bits = 21}, STATUS_NO_MEMORY, 0},
        {"OFS20", {.zero_bits = 22}, STATUS_INVALID_PARAMETER_4, 0},
        {"OFS20", {.zero_bits = 32}, STATUS_INVALID_PARAMETER_4, 0},
        {"OFS20", {.base = {VIEW}, .zero_bits = 3}, STATUS_INVALID_PARAMETER_4, 0},
        {"OFS20", {.base = {VIEW}, .zero_bits = 2}, STATUS_SUCCESS, 0x23000},
        {"OFS21", {.allocation_type = MEM_COMMIT}, STATUS_INVALID_PARAMETER_9, 0},
        {"OFS21", {.allocation_type = MEM_RESERVE}, STATUS_INVALID_PARAMETER_9, 0},
        {"OFS21", {.allocation_type = MEM_TOP_DOWN}, STATUS_SUCCESS, 0x23000},
        {"OFS23", {.commit_nbytes = 0x10000000}, STATUS_INVALID_PARAMETER_5, 0},
        {"OFS23", {.commit_nbytes = UINT32_MAX}, STATUS_INVALID_PARAMETER_5, 0},
        {"ACC16",
         {.protection = PAGE_READWRITE | PAGE_READONLY},
         STATUS_INVALID_PAGE_PROTECTION,
         0},
        {"ACC17", {.protection = PAGE_READWRITE | PAGE_GUARD}, STATUS_SUCCESS, 0x23000},
    };
    fixture_boot(16 * MIB, 0, 1);
    struct section section;
    fixture_section(&section, 0x23000);
    space = fixture_space();
    for (uint32_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct view_request request = rows[i].request;
        request.protection = request.protection == 0 ? PAGE_READONLY : request.protection;
        status_t status = mm_map_view(space, &section, &request);
        expect_row(rows[i].fact, status, rows[i].status);
        if (is_success(status)) {
            expect_value(rows[i].fact, "size", request.nbytes, rows[i].nbytes);
            expect_value("OFS09", "base", request.base.v % 0x10000u, 0);
            EXPECT_STATUS(mm_unmap_view(space, request.base), STATUS_SUCCESS);
        }
    }
    fixture_check();
    fixture_end_space(space);
    mm_section_destroy(&section);
}

TEST("conformance: SEC_RESERVE views, CommitSize, NOCACHE (OFS24, RSV, SEC12, QRY04)")
{
    fixture_boot(16 * MIB, 0, 1);
    struct section section;
    EXPECT_STATUS(mm_section_create_memory(&section, 0x40000, PAGE_READWRITE, SEC_RESERVE),
                  STATUS_SUCCESS);
    space = fixture_space();
    struct view_request request = {
        .base = {VIEW}, .nbytes = 0x2000, .commit_nbytes = 0x1000, .protection = PAGE_READWRITE};
    EXPECT_STATUS(mm_map_view(space, &section, &request), STATUS_SUCCESS);
    sim_store32((uaddr_t){VIEW}, 1);
    EXPECT_EQUAL(sim_write((uaddr_t){VIEW + 0x1000}, &(uint32_t){0}, 4, NULL), FAULT_VIOLATION);
    uaddr_t base = {VIEW};
    uint32_t nbytes = 0x2000;
    EXPECT_STATUS(mm_allocate_virtual(space, &base, &nbytes, 0, MEM_RESET, PAGE_NOACCESS),
                  STATUS_SUCCESS); /* RSV11 */
    EXPECT_EQUAL(query(VIEW).nbytes, 0x1000);
    EXPECT_EQUAL(query(VIEW + 0x1000).state, MEM_RESERVE);
    EXPECT_EQUAL(query(VIEW + 0x1000).protection, 0);
    EXPECT_EQUAL(query(VIEW + 0x1000).allocation_protection, PAGE_READWRITE);
    uint32_t old;
    EXPECT_STATUS(mm_protect_virtual(space, &base, &nbytes, PAGE_READONLY, &old),
                  STATUS_NOT_COMMITTED); /* PRT17 */
    EXPECT_EQUAL(query(VIEW).protection, PAGE_READWRITE);
    nbytes = 0x1000;
    EXPECT_STATUS(mm_allocate_virtual(space, &base, &nbytes, 0, MEM_COMMIT, PAGE_READONLY),
                  STATUS_SUCCESS); /* RSV06 */
    EXPECT_EQUAL(query(VIEW).protection, PAGE_READONLY);
    EXPECT_EQUAL(sim_load32((uaddr_t){VIEW}), 1);
    EXPECT_STATUS(mm_allocate_virtual(space, &base, &nbytes, 0, MEM_COMMIT, PAGE_EXECUTE),
                  STATUS_SECTION_PROTECTION); /* RSV10 */
    EXPECT_STATUS(mm_allocate_virtual(space, &base, &nbytes, 0, MEM_RESERVE, PAGE_READWRITE),
                  STATUS_CONFLICTING_ADDRESSES); /* RSV08 */
    EXPECT_STATUS(mm_free_virtual(space, &base, &nbytes, MEM_DECOMMIT),
                  STATUS_UNABLE_TO_DELETE_SECTION); /* RSV04 */
    struct section uncached;
    EXPECT_STATUS(
        mm_section_create_memory(&uncached, 0x1000, PAGE_READWRITE, SEC_COMMIT | SEC_NOCACHE),
        STATUS_SUCCESS);
    base = fixture_map(space, &uncached, 0, 0, 0, PAGE_READWRITE);
    uint32_t allocated = query(base.v).allocation_protection;
    EXPECT_STATUS(mm_allocate_virtual(space, &base, &nbytes, 0, MEM_COMMIT, PAGE_READONLY),
                  STATUS_SUCCESS);
    EXPECT_EQUAL(query(base.v).protection, PAGE_READONLY | PAGE_NOCACHE); /* SEC12 */
    EXPECT_EQUAL(query(base.v).allocation_protection, allocated);
    fixture_check();
    fixture_end_space(space);
    mm_section_destroy(&section);
    mm_section_destroy(&uncached);
    fixture_check();
}

TEST("conformance: unmapping and flushing (UNM, FLU, QRY03)")
{
    fixture_boot(16 * MIB, 0, 1);
    struct section section;
    fixture_section(&section, 0x5000);
    space = fixture_space();
    uaddr_t private = fixture_allocate(space, 0x1000, PAGE_READWRITE);
    EXPECT_STATUS(mm_unmap_view(space, private), STATUS_NOT_MAPPED_VIEW);      /* UNM03 */
    EXPECT_STATUS(mm_unmap_view(space, (uaddr_t){0}), STATUS_NOT_MAPPED_VIEW); /* UNM06 */
    EXPECT_STATUS(mm_unmap_view(space, (uaddr_t){0x90000000u}), STATUS_NOT_MAPPED_VIEW);
    EXPECT_EQUAL(sim_load32(private), 0);
    uaddr_t base = fixture_map(space, &section, VIEW, 0, 0, PAGE_READWRITE);
    sim_store32(base, 1);
    uaddr_t address = {VIEW + 0x1234};
    uint32_t nbytes = 0;
    EXPECT_STATUS(mm_flush_view(space, &address, &nbytes), STATUS_SUCCESS); /* FLU01 */
    EXPECT_EQUAL(address.v, VIEW + 0x1000);
    EXPECT_EQUAL(nbytes, 0x4000);
    address.v = VIEW + 0xFFF;
    nbytes = 2;
    EXPECT_STATUS(mm_flush_view(space, &address, &nbytes), STATUS_SUCCESS); /* FLU07 */
    EXPECT_EQUAL(nbytes, 0x2000);
    address.v = 0;
    EXPECT(is_error(mm_flush_view(space, &address, &nbytes))); /* FLU06 */
    address.v = VIEW + 0x5000;
    EXPECT(is_error(mm_flush_view(space, &address, &nbytes))); /* FLU04 */
    EXPECT(is_error(mm_flush_view(space, &private, &nbytes)));
    EXPECT_STATUS(mm_unmap_view(space, (uaddr_t){VIEW + 100}), STATUS_SUCCESS); /* UNM01 */
    EXPECT_STATUS(mm_unmap_view(space, base), STATUS_NOT_MAPPED_VIEW);          /* UNM05 */
    struct memory_region region = query(VIEW);
    EXPECT_EQUAL(region.state, MEM_FREE); /* QRY03 */
    EXPECT_EQUAL(region.protection, PAGE_NOACCESS);
    EXPECT_EQUAL(region.allocation_base.v, 0);
    EXPECT_EQUAL(region.allocation_protection, 0);
    EXPECT_EQUAL(region.type, 0);
    EXPECT_STATUS(mm_query_virtual(space, (uaddr_t){0x80000000u}, &region),
                  STATUS_INVALID_PARAMETER); /* QRY09 */
    region = query(0);
    EXPECT_EQUAL(region.state, MEM_FREE); /* QRY12 */
    EXPECT_EQUAL(region.nbytes, private.v);
    fixture_end_space(space);
    mm_section_destroy(&section);
    fixture_check();
}

/* ---- private memory ---- */

TEST("conformance: allocation (ALC)")
{
    static const struct {
        const char *fact;
        uint32_t base, nbytes, zero_bits, type, protection;
        status_t status;
        uint32_t result_base, result_nbytes; /* base 0: anywhere */
    } rows[] = {
        {"ALC01", 0, 0, 0, MEM_RESERVE, PAGE_READWRITE, STATUS_INVALID_PARAMETER_4, 0, 0},
        {"ALC02", 0, 1, 0, 0, PAGE_READWRITE, STATUS_INVALID_PARAMETER_5, 0, 0},
        {"ALC02", 0, 1, 0, MEM_TOP_DOWN, PAGE_READWRITE, STATUS_INVALID_PARAMETER_5, 0, 0},
        {"ALC02", 0, 1, 0, 0x200000, PAGE_READWRITE, STATUS_INVALID_PARAMETER_5, 0, 0},
        {"ALC03", 0, 0x1234, 0, MEM_COMMIT, PAGE_READWRITE, STATUS_SUCCESS, 0, 0x2000},
        {"ALC05", 0x50008000, 1, 0, MEM_RESERVE, PAGE_READWRITE, STATUS_SUCCESS, 0x50000000,
         0x9000},
        {"ALC05", 0x5000FFFF, 0x3000, 0, MEM_RESERVE, PAGE_READWRITE, STATUS_SUCCESS, 0x50000000,
         0x13000},
        {"ALC24", 0x50004080, 0x1000, 0, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE, STATUS_SUCCESS,
         0x50000000, 0x6000},
        {"ALC14", 0, 1, 0, MEM_RESERVE, 0, STATUS_INVALID_PAGE_PROTECTION, 0, 0},
        {"ALC14", 0, 1, 0, MEM_COMMIT, PAGE_READONLY | PAGE_EXECUTE, STATUS_INVALID_PAGE_PROTECTION,
         0, 0},
        {"ALC15", 0, 1, 0, MEM_COMMIT, PAGE_WRITECOPY, STATUS_INVALID_PAGE_PROTECTION, 0, 0},
        {"ALC15", 0, 1, 0, MEM_RESERVE, PAGE_EXECUTE_WRITECOPY, STATUS_INVALID_PAGE_PROTECTION, 0,
         0},
        {"ALC16", 0, 1, 0, MEM_RESERVE, PAGE_NOACCESS | PAGE_GUARD, STATUS_INVALID_PAGE_PROTECTION,
         0, 0},
        {"ALC18", 0, 1, 0, MEM_COMMIT | MEM_RESET, PAGE_READWRITE, STATUS_INVALID_PARAMETER_5, 0,
         0},
        {"ALC19", 0, 1, 11, MEM_COMMIT, PAGE_READWRITE, STATUS_SUCCESS, 0, 0x1000},
        {"ALC19", 0, 1, 21, MEM_COMMIT, PAGE_READWRITE, STATUS_NO_MEMORY, 0, 0},
        {"ALC19", 0, 1, 22, MEM_COMMIT, PAGE_READWRITE, STATUS_INVALID_PARAMETER_3, 0, 0},
        {"ALC20", 0, 1, 0, MEM_COMMIT | 0x40000000u, PAGE_READWRITE, STATUS_INVALID_PARAMETER_5, 0,
         0},
        {"ALC21", 0, UINT32_MAX, 0, MEM_RESERVE, PAGE_READWRITE, STATUS_INVALID_PARAMETER_4, 0, 0},
        {"ALC21", 0x80000000, 1, 0, MEM_RESERVE, PAGE_READWRITE, STATUS_INVALID_PARAMETER_2, 0, 0},
        /* Below the first allocatable address: refused, not moved elsewhere. */
        {"low", 1, 0x1000, 0, MEM_RESERVE, PAGE_READWRITE, STATUS_CONFLICTING_ADDRESSES, 0, 0},
        {"low", 0x1000, 1, 0, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE,
         STATUS_CONFLICTING_ADDRESSES, 0, 0},
        {"low", 0xFFFF, 0x20000, 0, MEM_RESERVE, PAGE_READWRITE, STATUS_CONFLICTING_ADDRESSES, 0,
         0},
        {"low", 0x10000, 0x20000, 0, MEM_RESERVE, PAGE_READWRITE, STATUS_SUCCESS, 0x10000, 0x20000},
    };
    fixture_boot(16 * MIB, 0, 1);
    struct fixture_usage before = fixture_usage();
    space = fixture_space();
    for (uint32_t i = 0; i < ARRAY_COUNT(rows); i++) {
        uaddr_t base = {rows[i].base};
        uint32_t nbytes = rows[i].nbytes;
        status_t status = mm_allocate_virtual(space, &base, &nbytes, rows[i].zero_bits,
                                              rows[i].type, rows[i].protection);
        expect_row(rows[i].fact, status, rows[i].status);
        if (is_error(status)) {
            expect_value(rows[i].fact, "base", base.v, rows[i].base);
            continue;
        }
        expect_value(rows[i].fact, "base", base.v,
                     rows[i].result_base == 0 ? base.v : rows[i].result_base);
        expect_value("ALC17", "base", base.v % 0x10000u, 0);
        expect_value(rows[i].fact, "size", nbytes, rows[i].result_nbytes);
        expect_value(rows[i].fact, "region", query(base.v).nbytes, rows[i].result_nbytes);
        nbytes = 0;
        EXPECT_STATUS(mm_free_virtual(space, &base, &nbytes, MEM_RELEASE), STATUS_SUCCESS);
    }
    fixture_end_space(space);
    EXPECT_SAME_USAGE(before);
}

static status_t allocate_at(uint32_t base, uint32_t nbytes, uint32_t type, uint32_t protection)
{
    uaddr_t address = {base};
    return mm_allocate_virtual(space, &address, &nbytes, 0, type, protection);
}

TEST("conformance: commits inside reservations, MEM_RESET, queries (ALC, QRY)")
{
    fixture_boot(16 * MIB, 0, 1);
    space = fixture_space();
    EXPECT_STATUS(allocate_at(VIEW, 0xFFFC, MEM_RESERVE, PAGE_NOACCESS), STATUS_SUCCESS);
    struct memory_region region = query(VIEW + 0x3000);
    EXPECT_EQUAL(region.nbytes, 0xD000); /* QRY06 */
    EXPECT_EQUAL(region.state, MEM_RESERVE);
    EXPECT_EQUAL(region.protection, 0);
    EXPECT_EQUAL(region.allocation_protection, PAGE_NOACCESS);
    EXPECT_EQUAL(region.type, MEM_PRIVATE);
    EXPECT_STATUS(allocate_at(VIEW + 0x10000, 0x10000, MEM_RESERVE, PAGE_READWRITE),
                  STATUS_SUCCESS);
    EXPECT_STATUS(allocate_at(VIEW + 0xF000, 0x2000, MEM_COMMIT, PAGE_READWRITE),
                  STATUS_CONFLICTING_ADDRESSES); /* ALC09 */
    EXPECT_EQUAL(query(VIEW + 0xF000).state, MEM_RESERVE);
    uaddr_t base = {VIEW + 0x2FFF};
    uint32_t nbytes = 2;
    EXPECT_STATUS(mm_allocate_virtual(space, &base, &nbytes, 0, MEM_COMMIT, PAGE_READWRITE),
                  STATUS_SUCCESS);
    EXPECT_EQUAL(base.v, VIEW + 0x2000); /* ALC07 */
    EXPECT_EQUAL(nbytes, 0x2000);
    region = query(VIEW + 0x3000);
    EXPECT_EQUAL(region.base.v, VIEW + 0x3000); /* QRY13 */
    EXPECT_EQUAL(region.allocation_base.v, VIEW);
    EXPECT_EQUAL(region.allocation_protection, PAGE_NOACCESS);
    EXPECT_EQUAL(region.protection, PAGE_READWRITE);
    sim_store32((uaddr_t){VIEW + 0x3000}, 9);
    EXPECT_STATUS(allocate_at(VIEW + 0x2000, 0x3000, MEM_COMMIT, PAGE_READONLY), STATUS_SUCCESS);
    region = query(VIEW + 0x2000);
    EXPECT_EQUAL(region.nbytes, 0x3000); /* ALC10 */
    EXPECT_EQUAL(region.protection, PAGE_READONLY);
    EXPECT_EQUAL(sim_load32((uaddr_t){VIEW + 0x3000}), 9);
    EXPECT_STATUS(allocate_at(VIEW, 0x10000, MEM_RESET, PAGE_NOACCESS), STATUS_SUCCESS);
    EXPECT_EQUAL(query(VIEW + 0x2000).nbytes, 0x3000); /* ALC13 */
    EXPECT_STATUS(allocate_at(VIEW, 0x11000, MEM_RESET, PAGE_NOACCESS),
                  STATUS_CONFLICTING_ADDRESSES);
    fixture_check();
    fixture_end_space(space);
}

TEST("conformance: freeing (FRE)")
{
    static const struct {
        const char *fact;
        uint32_t base, nbytes, type;
        status_t status;
        uint32_t result_base, result_nbytes;
    } rows[] = {
        {"FRE01", VIEW, 0, 0, STATUS_INVALID_PARAMETER_4, 0, 0},
        {"FRE01", VIEW, 0, MEM_DECOMMIT | MEM_RELEASE, STATUS_INVALID_PARAMETER_4, 0, 0},
        {"FRE13", VIEW, 0, 0x10000, STATUS_INVALID_PARAMETER_4, 0, 0},
        {"FRE05", VIEW + 0x1FFF, 2, MEM_DECOMMIT, STATUS_SUCCESS, VIEW + 0x1000, 0x2000},
        {"FRE06", VIEW + 0x1000, 0x1000, MEM_DECOMMIT, STATUS_SUCCESS, VIEW + 0x1000, 0x1000},
        {"FRE07", VIEW + 0x1000, 0, MEM_DECOMMIT, STATUS_FREE_VM_NOT_AT_BASE, 0, 0},
        {"FRE07", VIEW + 0x1000, 0, MEM_RELEASE, STATUS_FREE_VM_NOT_AT_BASE, 0, 0},
        {"FRE10", VIEW, 0x10001, MEM_DECOMMIT, STATUS_UNABLE_TO_FREE_VM, 0, 0},
        {"FRE12", VIEW, 0x20000, MEM_RELEASE, STATUS_UNABLE_TO_FREE_VM, 0, 0},
        {"FRE10", VIEW, UINT32_MAX, MEM_RELEASE, STATUS_UNABLE_TO_FREE_VM, 0, 0},
        {"FRE07", VIEW, 0, MEM_DECOMMIT, STATUS_SUCCESS, VIEW, 0x10000},
        {"FRE09", VIEW + 0x4000, 0x2000, MEM_RELEASE, STATUS_SUCCESS, VIEW + 0x4000, 0x2000},
        {"FRE09", VIEW, 0x10000, MEM_RELEASE, STATUS_UNABLE_TO_FREE_VM, 0, 0},
        {"FRE09", VIEW + 0x6000, 0, MEM_RELEASE, STATUS_SUCCESS, VIEW + 0x6000, 0xA000},
        {"FRE09", VIEW, 0, MEM_RELEASE, STATUS_SUCCESS, VIEW, 0x4000},
        {"free", VIEW, 0, MEM_RELEASE, STATUS_MEMORY_NOT_ALLOCATED, 0, 0},
        {"shared", USER_SHARED, 0, MEM_RELEASE, STATUS_INVALID_PARAMETER_2, 0, 0},
    };
    fixture_boot(16 * MIB, 0, 1);
    space = fixture_space();
    EXPECT_STATUS(allocate_at(VIEW, 0x10000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE),
                  STATUS_SUCCESS);
    EXPECT_STATUS(allocate_at(VIEW + 0x10000, 0x10000, MEM_RESERVE, PAGE_READWRITE),
                  STATUS_SUCCESS);
    for (uint32_t i = 0; i < ARRAY_COUNT(rows); i++) {
        uaddr_t base = {rows[i].base};
        uint32_t nbytes = rows[i].nbytes;
        status_t status = mm_free_virtual(space, &base, &nbytes, rows[i].type);
        expect_row(rows[i].fact, status, rows[i].status);
        bool done = is_success(rows[i].status);
        expect_value(rows[i].fact, "base", base.v, done ? rows[i].result_base : rows[i].base);
        expect_value(rows[i].fact, "size", nbytes, done ? rows[i].result_nbytes : rows[i].nbytes);
        fixture_check();
    }
    fixture_end_space(space);
}

TEST("conformance: VirtualProtect of private memory (PRT)")
{
    fixture_boot(16 * MIB, 0, 1);
    space = fixture_space();
    uaddr_t memory = fixture_allocate(space, 0x4000, PAGE_READWRITE);
    uint32_t expected = PAGE_READWRITE;
    for (uint32_t value = 0; value < 0x1000; value++) {
        uaddr_t base = memory;
        uint32_t nbytes = 1;
        uint32_t old = 0;
        uint32_t kind = value & 0xFFu;
        bool one = kind != 0 && (kind & (kind - 1)) == 0 && kind != PAGE_WRITECOPY &&
                   kind != PAGE_EXECUTE_WRITECOPY;
        uint32_t flags = value & ~0xFFu;
        bool good = one && (flags & ~(uint32_t)(PAGE_GUARD | PAGE_NOCACHE)) == 0 &&
                    (kind != PAGE_NOACCESS || flags == 0);
        expect_row("PRT01", mm_protect_virtual(space, &base, &nbytes, value, &old),
                   good ? STATUS_SUCCESS : STATUS_INVALID_PAGE_PROTECTION);
        if (good) {
            expect_value("PRT08", "old", old, expected);
            expected = value;
        }
    }
    uaddr_t base = {memory.v + 0x1FFF};
    uint32_t nbytes = 2;
    uint32_t old;
    EXPECT_STATUS(mm_protect_virtual(space, &base, &nbytes, PAGE_READONLY, &old), STATUS_SUCCESS);
    EXPECT_EQUAL(base.v, memory.v + 0x1000); /* PRT19 */
    EXPECT_EQUAL(nbytes, 0x2000);
    EXPECT_EQUAL(query(memory.v + 0x1000).nbytes, 0x2000);
    fixture_check();
    fixture_end_space(space);
}

TEST("conformance: a thread's stack is one allocation with a guard (GRD07)")
{
    fixture_boot(16 * MIB, 0, 1);
    space = fixture_space();
    uaddr_t base;
    uaddr_t limit;
    EXPECT_STATUS(mm_allocate_stack(space, MIB, 0x4000, &base, &limit), STATUS_SUCCESS);
    static const struct {
        uint32_t offset, nbytes, state, protection;
    } rows[] = {{0, MIB - 0x5000, MEM_RESERVE, 0},
                {MIB - 0x5000, 0x1000, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD},
                {MIB - 0x4000, 0x4000, MEM_COMMIT, PAGE_READWRITE}};
    for (uint32_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct memory_region region = query(base.v + rows[i].offset);
        EXPECT_EQUAL(region.nbytes, rows[i].nbytes);
        EXPECT_EQUAL(region.state, rows[i].state);
        EXPECT_EQUAL(region.protection, rows[i].protection);
        EXPECT_EQUAL(region.allocation_base.v, base.v);
        EXPECT_EQUAL(region.allocation_protection, PAGE_READWRITE);
        EXPECT_EQUAL(region.type, MEM_PRIVATE);
    }
    EXPECT_EQUAL(limit.v, base.v + MIB - 0x4000);
    static const uint32_t sizes[][2] = {{0, UINT32_MAX},
                                        {UINT32_MAX, 0},
                                        {0, 0xFFFFE001u},
                                        {0x10000, 0x90000000u},
                                        {USER_SHARED, 0x1000}};
    for (uint32_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        expect_row("too large", mm_allocate_stack(space, sizes[i][0], sizes[i][1], &base, &limit),
                   STATUS_NO_MEMORY);
    }
    EXPECT_STATUS(mm_allocate_stack(space, 0, 0, &base, &limit), STATUS_SUCCESS);
    fixture_check();
    fixture_end_space(space);
    fixture_check();
}
