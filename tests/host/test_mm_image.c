/*
 * tests/host/test_mm_image.c: image sections: protections, write-copy, zero fill, relocation, what
 * is refused and why, and damaged files by the thousand.
 */
#include <stdlib.h>
#include <string.h>

#include "abi/quire.h"
#include "mm/image.h"
#include "mm/init.h"
#include "mm/segment.h"
#include "mm/trim.h"
#include "tests/host/mm_fixture.h"
#include "tests/host/pe_file.h"

#define BASE 0x10000000u

/* A file on the simulated disk, and its image section. */
struct program {
    struct pe_file pe;
    struct fixture_file file;
    struct section section;
    struct segment *image; /* what the file keeps of its image */
    char problem[IMAGE_PROBLEM_BYTES];
};

static status_t load_sized(struct program *program, uint64_t nbytes)
{
    fixture_file_of(&program->file, program->pe.bytes, program->pe.nbytes);
    program->image = NULL;
    return mm_section_create_image(&program->section, program->file.segment, program->pe.nbytes,
                                   nbytes, PAGE_READONLY, SEC_IMAGE, &program->image,
                                   program->problem);
}

static status_t load(struct program *program)
{
    return load_sized(program, 0);
}

/* Drops what load made; STATUS is what it gave. */
static void unload(struct program *program, status_t status)
{
    if (is_success(status)) {
        mm_section_destroy(&program->section);
        mm_segment_unref(program->image);
    }
    mm_segment_unref(program->file.segment);
    EXPECT(program->file.released);
}

static uint32_t map(struct space *space, struct program *program, status_t expected)
{
    struct view_request request = {.protection = PAGE_READONLY};
    REQUIRE(program->section.segment != NULL); /* it was loaded */
    EXPECT_STATUS(mm_map_view(space, &program->section, &request), expected);
    return request.base.v;
}

static uint32_t frame_at(struct space *space, uint32_t address)
{
    struct quire_frame frame;
    EXPECT_STATUS(mm_query_frames(space, (uaddr_t){address}, 1, &frame), STATUS_SUCCESS);
    return frame.frame;
}

static uint32_t protection_at(struct space *space, uint32_t address)
{
    struct memory_region region;
    EXPECT_STATUS(mm_query_virtual(space, (uaddr_t){address}, &region), STATUS_SUCCESS);
    EXPECT_EQUAL(region.type, MEM_IMAGE);
    EXPECT_EQUAL(region.state, MEM_COMMIT);
    EXPECT_EQUAL(region.allocation_protection, PAGE_EXECUTE_WRITECOPY);
    return region.protection;
}

static uint32_t protect(struct space *space, uint32_t address, uint32_t protection)
{
    uaddr_t base = {address};
    uint32_t nbytes = 1;
    uint32_t old = 0;
    EXPECT_STATUS(mm_protect_virtual(space, &base, &nbytes, protection, &old), STATUS_SUCCESS);
    return old;
}

/* Code, data that is longer in memory, read-only data, relocations of three words. */
static const struct pe_part dll_parts[] = {
    {0x1000, 0x2000, 0x2000, PE_CODE | PE_EXECUTE | PE_READ},
    {0x3000, 0x3000, 0x600, PE_DATA | PE_READ | PE_WRITE},
    {0x6000, 0x800, 0x1000, PE_DATA | PE_READ},
    {0x7000, 0x200, 0x200, PE_DATA | PE_READ},
};
static const uint32_t fixups[] = {0x1010, 0x1FFE, 0x2004, 0x3100, 0x6FFC};

static uint32_t raw_place(const struct pe_file *pe, uint32_t rva)
{
    for (uint32_t i = ARRAY_COUNT(dll_parts); i-- > 0;) {
        if (rva >= dll_parts[i].rva) {
            return pe->raw_offset[i] + rva - dll_parts[i].rva;
        }
    }
    return rva;
}

static void make_dll(struct program *program, uint32_t base)
{
    pe_make(&program->pe, base, PE_DLL, dll_parts, ARRAY_COUNT(dll_parts));
    pe_relocate(&program->pe, dll_parts, 3, fixups, ARRAY_COUNT(fixups));
    for (uint32_t i = 0; i < ARRAY_COUNT(fixups); i++) {
        pe_put32(&program->pe, raw_place(&program->pe, fixups[i]), base + 0x1000 + i);
    }
}

static uint32_t load_word(uint32_t address)
{
    uint32_t word = 0;
    EXPECT_EQUAL(sim_read((uaddr_t){address}, &word, 4, NULL), FAULT_DONE);
    return word;
}

TEST("image: each page has the protection that its section asks for (IMG03)")
{
    static struct program program;
    static const struct {
        uint32_t flags;
        uint32_t protection;
        uint32_t copied; /* after a store, 0: none is allowed */
    } kinds[] = {
        {PE_DATA, PAGE_NOACCESS, 0},
        {PE_CODE | PE_READ, PAGE_READONLY, 0},
        {PE_WRITE, PAGE_WRITECOPY, PAGE_READWRITE},
        {PE_READ | PE_WRITE, PAGE_WRITECOPY, PAGE_READWRITE},
        {PE_EXECUTE, PAGE_EXECUTE, 0},
        {PE_DATA | PE_EXECUTE | PE_READ, PAGE_EXECUTE_READ, 0},
        {PE_EXECUTE | PE_WRITE, PAGE_EXECUTE_WRITECOPY, PAGE_EXECUTE_READWRITE},
        {PE_EXECUTE | PE_READ | PE_WRITE, PAGE_EXECUTE_WRITECOPY, PAGE_EXECUTE_READWRITE},
    };
    struct pe_part parts[ARRAY_COUNT(kinds)];
    for (uint32_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        /* Two pages apart: between them lies a page of no section. */
        parts[i] = (struct pe_part){0x1000 + i * 0x2000, 0x1000, 0x200, kinds[i].flags};
    }
    fixture_boot(16 * MIB, 0, 1);
    struct fixture_usage before = fixture_usage();
    pe_make(&program.pe, 0x400000, 0, parts, ARRAY_COUNT(parts));
    status_t status = load(&program);
    EXPECT_STATUS(status, STATUS_SUCCESS);
    struct space *space = fixture_space();
    uint32_t base = map(space, &program, STATUS_SUCCESS);
    EXPECT_EQUAL(base, 0x400000);
    EXPECT_EQUAL(protection_at(space, base), PAGE_READONLY);
    for (uint32_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        uint32_t page = base + parts[i].rva;
        uint32_t word;
        bool read = kinds[i].protection != PAGE_NOACCESS;
        bool execute = kinds[i].protection >= PAGE_EXECUTE;
        EXPECT_EQUAL(protection_at(space, page), kinds[i].protection);
        EXPECT_EQUAL(sim_execute((uaddr_t){page}, NULL), execute ? FAULT_DONE : FAULT_VIOLATION);
        EXPECT_EQUAL(sim_read((uaddr_t){page}, &word, 4, NULL),
                     read ? FAULT_DONE : FAULT_VIOLATION);
        EXPECT_EQUAL(sim_write((uaddr_t){page}, &(uint32_t){i}, 4, NULL),
                     kinds[i].copied != 0 ? FAULT_DONE : FAULT_VIOLATION);
        EXPECT_EQUAL(protection_at(space, page),
                     kinds[i].copied != 0 ? kinds[i].copied : kinds[i].protection);
        if (i + 1 < ARRAY_COUNT(kinds)) {
            EXPECT_EQUAL(protection_at(space, page + 0x1000), PAGE_NOACCESS);
            EXPECT_EQUAL(sim_read((uaddr_t){page + 0x1000}, &word, 4, NULL), FAULT_VIOLATION);
        }
    }
    fixture_check();
    fixture_end_space(space);
    unload(&program, status);
    fixture_check();
    EXPECT_SAME_USAGE(before);
}

TEST("image: raw data, its tail to the page's end, and zeroes after it (IMG08)")
{
    static struct program program;
    fixture_boot(16 * MIB, 0, 1);
    make_dll(&program, BASE);
    status_t status = load(&program);
    struct space *space = fixture_space();
    uint32_t base = map(space, &program, STATUS_SUCCESS);
    EXPECT_EQUAL(base, BASE);
    for (uint32_t i = 0; i < ARRAY_COUNT(dll_parts); i++) {
        uint32_t end = dll_parts[i].rva + ((dll_parts[i].nbytes + PAGE_MASK) & ~PAGE_MASK);
        for (uint32_t rva = dll_parts[i].rva; rva < end; rva++) {
            uint32_t offset = rva - dll_parts[i].rva;
            uint8_t expected = offset < dll_parts[i].raw_nbytes
                                   ? program.pe.bytes[program.pe.raw_offset[i] + offset]
                                   : 0;
            uint8_t byte = 0;
            REQUIRE(sim_read((uaddr_t){base + rva}, &byte, 1, NULL) == FAULT_DONE);
            REQUIRE(byte == expected);
        }
    }
    EXPECT_EQUAL(load_word(base + 0x400), 0); /* past the headers */
    fixture_check();
    fixture_end_space(space);
    unload(&program, status);
}

TEST("image: stores are private, unwritten pages one frame for all (IMG06, PRT22)")
{
    static struct program program;
    fixture_boot(16 * MIB, 0, 2);
    struct fixture_usage before = fixture_usage();
    make_dll(&program, BASE);
    status_t status = load(&program);
    struct space *a = fixture_space();
    struct space *b = fixture_space();
    map(b, &program, STATUS_SUCCESS);
    map(a, &program, STATUS_SUCCESS);
    uint32_t was = load_word(BASE + 0x3200);
    fixture_enter(a);
    EXPECT_EQUAL(load_word(BASE + 0x3200), was);
    EXPECT_EQUAL(frame_at(a, BASE + 0x3000), frame_at(b, BASE + 0x3000));
    sim_store32((uaddr_t){BASE + 0x3200}, 77);
    EXPECT_EQUAL(protection_at(a, BASE + 0x3000), PAGE_READWRITE);
    EXPECT_EQUAL(protection_at(a, BASE + 0x4000), PAGE_WRITECOPY);
    EXPECT(frame_at(a, BASE + 0x3000) != frame_at(b, BASE + 0x3000));
    /* What READWRITE asks for is stored as WRITECOPY, in code pages too. */
    EXPECT_EQUAL(protect(a, BASE + 0x1000, PAGE_EXECUTE_READWRITE), PAGE_EXECUTE_READ);
    EXPECT_EQUAL(protection_at(a, BASE + 0x1000), PAGE_EXECUTE_WRITECOPY);
    EXPECT_EQUAL(protect(a, BASE + 0x6000, PAGE_READWRITE), PAGE_READONLY);
    EXPECT_EQUAL(protection_at(a, BASE + 0x6000), PAGE_WRITECOPY);
    sim_store32((uaddr_t){BASE + 0x1200}, 78);
    EXPECT_EQUAL(protection_at(a, BASE + 0x1000), PAGE_EXECUTE_READWRITE);
    EXPECT_EQUAL(sim_execute((uaddr_t){BASE + 0x1000}, NULL), FAULT_DONE);
    fixture_check();
    fixture_enter(b);
    EXPECT_EQUAL(load_word(BASE + 0x3200), was);
    EXPECT(load_word(BASE + 0x1200) != 78);
    fixture_end_space(a);
    fixture_check();
    fixture_end_space(b);
    unload(&program, status);
    fixture_check();
    EXPECT_SAME_USAGE(before);
}

/* The words at the fixups and the ImageBase field, for an image at BASE. */
static void expect_relocated(uint32_t view, uint32_t base)
{
    for (uint32_t i = 0; i < ARRAY_COUNT(fixups); i++) {
        EXPECT_EQUAL(load_word(view + fixups[i]), base + 0x1000 + i);
    }
    EXPECT_EQUAL(load_word(view + PE_IMAGE_BASE), base);
}

static void relocation(uint32_t nbytes, uint32_t high_nbytes)
{
    static struct program one;
    static struct program two;
    fixture_boot(nbytes, high_nbytes, 1);
    struct fixture_usage before = fixture_usage();
    make_dll(&one, BASE);
    make_dll(&two, BASE);
    status_t status_one = load(&one);
    status_t status_two = load(&two);
    EXPECT_STATUS(status_one, STATUS_SUCCESS);
    EXPECT_STATUS(status_two, STATUS_SUCCESS);
    uint32_t moved = two.section.image->base;
    EXPECT_EQUAL(one.section.image->base, BASE);
    EXPECT(moved != BASE && moved % 0x10000u == 0);
    EXPECT_EQUAL(two.section.image->preferred_base, BASE);
    EXPECT_EQUAL(two.section.image->entry, moved + 0x1000);
    struct space *a = fixture_space();
    struct space *b = fixture_space();
    EXPECT_EQUAL(map(a, &one, STATUS_SUCCESS), BASE);
    EXPECT_EQUAL(map(a, &two, STATUS_SUCCESS), moved);
    EXPECT_EQUAL(map(b, &two, STATUS_SUCCESS), moved);
    /* The second page first: the word that straddles the border is put together either way. */
    EXPECT(load_word(moved + 0x2000) != 0);
    expect_relocated(moved, moved);
    fixture_enter(a);
    expect_relocated(BASE, BASE);
    expect_relocated(moved, moved);
    for (uint32_t rva = 0; rva < 0x8000; rva += PAGE_BYTES) {
        (void)load_word(moved + rva);
        fixture_enter(b);
        (void)load_word(moved + rva);
        EXPECT_EQUAL(frame_at(a, moved + rva), frame_at(b, moved + rva));
        fixture_enter(a);
    }
    /* A second view of one image in one process: another address, the same contents. */
    uint32_t again = map(a, &two, STATUS_IMAGE_NOT_AT_BASE);
    EXPECT(again != moved);
    expect_relocated(again, moved);
    fixture_check();
    fixture_end_space(a);
    fixture_end_space(b);
    unload(&one, status_one);
    unload(&two, status_two);
    fixture_check();
    EXPECT_SAME_USAGE(before);
}

TEST("image: of two live DLLs with one base, one is relocated, once for all who map it")
{
    relocation(16 * MIB, 0);
}

TEST("image: relocation in frames outside the direct map")
{
    relocation(8 * MIB, 8 * MIB);
}

TEST("image: a DLL keeps clear of a live program; without relocations it stays")
{
    static struct program exe;
    static struct program dll;
    static struct program fixed;
    static const struct pe_part parts[] = {{0x1000, 0x1000, 0x200, PE_EXECUTE | PE_READ}};
    fixture_boot(16 * MIB, 0, 1);
    pe_make(&exe.pe, 0x400000, 0, parts, 1);
    make_dll(&dll, 0x400000);
    pe_make(&fixed.pe, 0x400000, PE_DLL, parts, 1);
    status_t of_exe = load(&exe);
    status_t of_dll = load(&dll);
    status_t of_fixed = load(&fixed);
    EXPECT(is_success(of_exe) && is_success(of_dll) && is_success(of_fixed));
    EXPECT(dll.section.image->base != 0x400000);
    EXPECT_EQUAL(fixed.section.image->base, 0x400000);
    struct space *space = fixture_space();
    EXPECT_EQUAL(map(space, &exe, STATUS_SUCCESS), 0x400000);
    expect_relocated(map(space, &dll, STATUS_SUCCESS), dll.section.image->base);
    EXPECT(map(space, &fixed, STATUS_IMAGE_NOT_AT_BASE) != 0x400000);
    fixture_check();
    fixture_end_space(space);
    unload(&fixed, of_fixed);
    unload(&dll, of_dll);
    unload(&exe, of_exe);
    fixture_check();
}

TEST("image: a recorded size is what was given, a view is the image (IMG09, IMG10)")
{
    static const uint64_t sizes[] = {42, 0x1000, 0x8000, 0x9000, 0x40000000, 1ull << 40};
    static struct program program;
    fixture_boot(16 * MIB, 0, 1);
    struct fixture_usage before = fixture_usage();
    for (uint32_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        make_dll(&program, BASE);
        status_t status = load_sized(&program, sizes[i]);
        EXPECT_STATUS(status, STATUS_SUCCESS);
        EXPECT_EQUAL(program.section.nbytes, sizes[i]);
        EXPECT_EQUAL(program.section.attributes, SEC_FILE | SEC_IMAGE);
        struct space *space = fixture_space();
        struct view_request request = {.protection = PAGE_READONLY};
        EXPECT_STATUS(mm_map_view(space, &program.section, &request), STATUS_SUCCESS);
        EXPECT_EQUAL(request.nbytes, 0x8000);
        EXPECT_EQUAL(load_word(BASE + 0x7000), 0x1000);
        struct view_request beyond = {.nbytes = 0x8001, .protection = PAGE_READONLY};
        EXPECT_STATUS(mm_map_view(space, &program.section, &beyond), STATUS_INVALID_VIEW_SIZE);
        beyond = (struct view_request){.offset = 0x10000, .protection = PAGE_READONLY};
        EXPECT_STATUS(mm_map_view(space, &program.section, &beyond), STATUS_INVALID_VIEW_SIZE);
        uaddr_t inside = {BASE + 0x1000};
        uint32_t nbytes = 0x1000;
        EXPECT_STATUS(mm_allocate_virtual(space, &inside, &nbytes, 0, MEM_RESERVE, PAGE_READWRITE),
                      STATUS_CONFLICTING_ADDRESSES);
        EXPECT_STATUS(mm_allocate_virtual(space, &inside, &nbytes, 0, MEM_COMMIT, PAGE_READWRITE),
                      STATUS_ALREADY_COMMITTED);
        uint32_t flushed = 0;
        EXPECT_STATUS(mm_flush_view(space, &inside, &flushed), STATUS_NOT_MAPPED_DATA);
        fixture_check();
        fixture_end_space(space);
        unload(&program, status);
    }
    EXPECT_SAME_USAGE(before);
}

TEST("image: attributes and protections (IMG12, SEC04)")
{
    static struct program program;
    fixture_boot(16 * MIB, 0, 1);
    make_dll(&program, BASE);
    fixture_file_of(&program.file, program.pe.bytes, program.pe.nbytes);
    static const struct {
        uint32_t attributes;
        uint32_t protection;
        status_t status;
    } cases[] = {
        {SEC_IMAGE | SEC_NOCACHE, PAGE_EXECUTE, STATUS_SUCCESS},
        {SEC_IMAGE, PAGE_READWRITE, STATUS_SUCCESS},
        {SEC_IMAGE | SEC_COMMIT, PAGE_READONLY, STATUS_INVALID_PARAMETER_6},
        {SEC_IMAGE | SEC_FILE, PAGE_READONLY, STATUS_INVALID_PARAMETER_6},
        {SEC_IMAGE | SEC_RESERVE, PAGE_READONLY, STATUS_INVALID_PARAMETER_6},
        {SEC_IMAGE, PAGE_NOACCESS, STATUS_INVALID_PAGE_PROTECTION},
        {SEC_IMAGE, 0x1234, STATUS_INVALID_PAGE_PROTECTION},
    };
    struct segment *image = NULL;
    for (uint32_t i = 0; i < ARRAY_COUNT(cases); i++) {
        EXPECT_STATUS(mm_section_create_image(&program.section, program.file.segment,
                                              program.pe.nbytes, 0, cases[i].protection,
                                              cases[i].attributes, &image, NULL),
                      cases[i].status);
        if (is_success(cases[i].status)) {
            EXPECT_EQUAL(program.section.attributes, SEC_FILE | SEC_IMAGE);
            mm_section_destroy(&program.section);
        }
    }
    mm_segment_unref(image);
    mm_segment_unref(program.file.segment);
    fixture_check();
}

struct damage {
    uint32_t offset;
    uint32_t nbytes; /* 2 or 4 */
    uint32_t value;
    status_t status;
    const char *problem;
};

TEST("image: damaged files are refused, with what is wrong")
{
    static const struct damage damages[] = {
        {0, 2, 0x4D5A, STATUS_INVALID_IMAGE_NOT_MZ, "no MZ signature: not a program"},
        {PE_LFANEW, 4, 0x82, STATUS_INVALID_IMAGE_FORMAT, "the PE header lies outside the file"},
        {PE_LFANEW, 4, 0xFFFFFFFC, STATUS_INVALID_IMAGE_FORMAT,
         "the PE header lies outside the file"},
        {PE_SIGNATURE, 4, 0x454E, STATUS_INVALID_IMAGE_FORMAT, "no PE signature"},
        {PE_MACHINE, 2, 0x8664, STATUS_INVALID_IMAGE_WIN_64, "a 64-bit program"},
        {PE_MAGIC, 2, 0x20B, STATUS_INVALID_IMAGE_WIN_64, "a 64-bit program"},
        {PE_MACHINE, 2, 0x1C0, STATUS_INVALID_IMAGE_FORMAT, "made for another processor"},
        {PE_MAGIC, 2, 0x107, STATUS_INVALID_IMAGE_FORMAT, "not an executable PE32 image"},
        {PE_FLAGS, 2, 0x100, STATUS_INVALID_IMAGE_FORMAT, "not an executable PE32 image"},
        {PE_OPTIONAL_SIZE, 2, 0x5F, STATUS_INVALID_IMAGE_FORMAT, "the optional header is damaged"},
        {PE_OPTIONAL_SIZE, 2, 0xD8, STATUS_INVALID_IMAGE_FORMAT, "the optional header is damaged"},
        {PE_NDIRECTORIES, 4, 17, STATUS_INVALID_IMAGE_FORMAT, "the optional header is damaged"},
        {PE_SECTION_ALIGN, 4, 0x800, STATUS_INVALID_IMAGE_FORMAT, "sections are not page-aligned"},
        {PE_SECTION_ALIGN, 4, 0x1800, STATUS_INVALID_IMAGE_FORMAT, "sections are not page-aligned"},
        {PE_FILE_ALIGN, 4, 0x201, STATUS_INVALID_IMAGE_FORMAT, "sections are not page-aligned"},
        {PE_IMAGE_SIZE, 4, 0, STATUS_INVALID_IMAGE_FORMAT, "sizes in the header are damaged"},
        {PE_IMAGE_SIZE, 4, 0x80000000, STATUS_INVALID_IMAGE_FORMAT,
         "sizes in the header are damaged"},
        {PE_NSECTIONS, 2, 0, STATUS_INVALID_IMAGE_FORMAT, "sizes in the header are damaged"},
        {PE_NSECTIONS, 2, 97, STATUS_INVALID_IMAGE_FORMAT, "sizes in the header are damaged"},
        {PE_HEADERS_SIZE, 4, 0x100000, STATUS_INVALID_IMAGE_FORMAT,
         "sizes in the header are damaged"},
        {PE_HEADERS_SIZE, 4, 0, STATUS_INVALID_IMAGE_FORMAT, "sizes in the header are damaged"},
        {PE_IMAGE_BASE, 4, 0x10001000, STATUS_INVALID_IMAGE_FORMAT,
         "base or entry point is damaged"},
        {PE_ENTRY, 4, 0x8000, STATUS_INVALID_IMAGE_FORMAT, "base or entry point is damaged"},
        {PE_SECTIONS + 12, 4, 0x1010, STATUS_INVALID_IMAGE_FORMAT,
         "a section lies outside the image"},
        {PE_SECTIONS + 12, 4, 0, STATUS_INVALID_IMAGE_FORMAT, "a section lies outside the image"},
        {PE_SECTIONS + 40 + 12, 4, 0x2000, STATUS_INVALID_IMAGE_FORMAT,
         "a section lies outside the image"},
        {PE_SECTIONS + 120 + 8, 4, 0x1001, STATUS_INVALID_IMAGE_FORMAT,
         "a section lies outside the image"},
        {PE_SECTIONS + 120 + 12, 4, 0xFFFFF000, STATUS_INVALID_IMAGE_FORMAT,
         "a section lies outside the image"},
        {PE_SECTIONS + 20, 4, 0x7FFFFE00, STATUS_INVALID_IMAGE_FORMAT,
         "a section reaches past the file's end"},
        {PE_SECTIONS + 120 + 16, 4, 0x400, STATUS_INVALID_IMAGE_FORMAT,
         "a section reaches past the file's end"},
    };
    static struct program program;
    fixture_boot(16 * MIB, 0, 1);
    struct fixture_usage before = fixture_usage();
    for (uint32_t i = 0; i < ARRAY_COUNT(damages); i++) {
        const struct damage *damage = &damages[i];
        make_dll(&program, BASE);
        (damage->nbytes == 2 ? pe_put16 : pe_put32)(&program.pe, damage->offset, damage->value);
        status_t status = load(&program);
        EXPECT_STATUS(status, damage->status);
        if (strcmp(program.problem, damage->problem) != 0) {
            test_fail(__FILE__, __LINE__, "damage %u: \"%s\", expected \"%s\"", (unsigned)i,
                      program.problem, damage->problem);
        }
        unload(&program, status);
    }
    static const struct {
        uint32_t nbytes;
        status_t status;
        const char *problem;
    } cuts[] = {
        {1, STATUS_INVALID_IMAGE_NOT_MZ, "too short to be a program"},
        {63, STATUS_INVALID_IMAGE_NOT_MZ, "too short to be a program"},
        {64, STATUS_INVALID_IMAGE_FORMAT, "the PE header lies outside the file"},
        {0x177, STATUS_INVALID_IMAGE_FORMAT, "the PE header lies outside the file"},
        {0x178, STATUS_INVALID_IMAGE_FORMAT, "sizes in the header are damaged"},
        {0x2000, STATUS_INVALID_IMAGE_FORMAT, "a section reaches past the file's end"},
    };
    for (uint32_t i = 0; i < ARRAY_COUNT(cuts); i++) {
        make_dll(&program, BASE);
        program.pe.nbytes = cuts[i].nbytes;
        status_t status = load(&program);
        EXPECT_STATUS(status, cuts[i].status);
        EXPECT(strcmp(program.problem, cuts[i].problem) == 0);
        unload(&program, status);
    }
    fixture_check();
    EXPECT_SAME_USAGE(before);
}

TEST("image: damaged relocations leave the image where it wants to be")
{
    static const struct damage damages[] = {
        {4, 4, 7, 0, NULL},          /* a block smaller than its head */
        {4, 4, 9, 0, NULL},          /* odd */
        {4, 4, 0x10000, 0, NULL},    /* past the directory's end */
        {0, 4, 0x1001, 0, NULL},     /* no page */
        {0, 4, 0x8000, 0, NULL},     /* outside the image */
        {0, 4, 0xFFFFF000, 0, NULL}, /* the same */
        {8, 2, 0xA010, 0, NULL},     /* a 64-bit fixup */
    };
    static struct program live;
    static struct program program;
    fixture_boot(16 * MIB, 0, 1);
    make_dll(&live, BASE);
    EXPECT_STATUS(load(&live), STATUS_SUCCESS);
    for (uint32_t i = 0; i < ARRAY_COUNT(damages); i++) {
        make_dll(&program, BASE);
        uint32_t offset = program.pe.raw_offset[3] + damages[i].offset;
        (damages[i].nbytes == 2 ? pe_put16 : pe_put32)(&program.pe, offset, damages[i].value);
        status_t status = load(&program);
        EXPECT_STATUS(status, STATUS_SUCCESS);
        EXPECT_EQUAL(program.section.image->base, BASE);
        unload(&program, status);
    }
    unload(&live, STATUS_SUCCESS);
    fixture_check();
}

TEST("image: an error of the disk is an in-page error, and can pass")
{
    static struct program program;
    fixture_boot(16 * MIB, 0, 1);
    make_dll(&program, BASE);
    status_t status = load(&program);
    struct space *space = fixture_space();
    map(space, &program, STATUS_SUCCESS);
    fixture_enter(NULL);
    mm_drain();
    fixture_enter(space);
    program.file.error = STATUS_IO_DEVICE_ERROR;
    struct fault_report report;
    uint32_t word;
    EXPECT_EQUAL(sim_read((uaddr_t){BASE + 0x2000}, &word, 4, &report), FAULT_IN_PAGE_ERROR);
    EXPECT_STATUS(report.cause, STATUS_IO_DEVICE_ERROR);
    EXPECT_EQUAL(protection_at(space, BASE + 0x3000), PAGE_WRITECOPY);
    fixture_check();
    program.file.error = STATUS_SUCCESS;
    expect_relocated(BASE, BASE);
    fixture_check();
    fixture_end_space(space);
    unload(&program, status);
    fixture_check();
}

TEST("image: a table leaves with its last page, and says the same when it is made again")
{
    static struct program program;
    fixture_boot(16 * MIB, 0, 1);
    struct fixture_usage before = fixture_usage();
    make_dll(&program, BASE);
    status_t status = load(&program);
    struct space *space = fixture_space();
    map(space, &program, STATUS_SUCCESS);
    const struct chunk *chunk = mi_chunk(program.image, 0);
    EXPECT(pte_is_empty(chunk->table)); /* nobody asked for a page */
    EXPECT_EQUAL(protection_at(space, BASE + 0x3000), PAGE_WRITECOPY);
    for (uint32_t round = 0; round < 2; round++) {
        expect_relocated(BASE, BASE);
        EXPECT_EQUAL(sim_write((uaddr_t){BASE + 0x1010}, &round, 4, NULL), FAULT_VIOLATION);
        for (uint32_t tries = 0; !pte_is_empty(chunk->table) && tries < 1000; tries++) {
            mi_wait_with_lock(NULL);
            mm_drain();
        }
        EXPECT(pte_is_empty(chunk->table));
        fixture_check();
        EXPECT_EQUAL(protection_at(space, BASE + 0x1000), PAGE_EXECUTE_READ);
        EXPECT_EQUAL(protection_at(space, BASE + 0x3000), PAGE_WRITECOPY);
        EXPECT_EQUAL(sim_write((uaddr_t){BASE + 0x1010}, &round, 4, NULL), FAULT_VIOLATION);
        EXPECT(pte_is_empty(chunk->table)); /* it was not needed for that */
    }
    EXPECT_EQUAL(sim_write((uaddr_t){BASE + 0x3000}, &(uint32_t){7}, 4, NULL), FAULT_DONE);
    EXPECT_EQUAL(load_word(BASE + 0x3000), 7);
    fixture_check();
    fixture_end_space(space);
    unload(&program, status);
    fixture_check();
    EXPECT_SAME_USAGE(before);
}

/* Uses a view of a file that may say anything: no access may do more than fail. */
static void use_damaged(struct program *program)
{
    struct space *space = fixture_space();
    struct view_request request = {.protection = PAGE_READONLY};
    status_t status = mm_map_view(space, &program->section, &request);
    for (uint32_t i = 0; is_success(status) && i < 24; i++) {
        uint32_t page = i < 12 ? i : sim_random(request.nbytes >> PAGE_SHIFT);
        uaddr_t address = {request.base.v + (page << PAGE_SHIFT) + sim_random(PAGE_BYTES - 4)};
        uint32_t word = 1;
        if (page << PAGE_SHIFT >= request.nbytes) {
            continue;
        }
        (void)sim_read(address, &word, 4, NULL);
        (void)sim_write(address, &word, 4, NULL);
        (void)sim_execute(address, NULL);
    }
    fixture_end_space(space);
}

TEST("image: thousands of files with random damage")
{
    static struct program live;
    static struct program program;
    uint32_t accepted = 0;
    uint32_t moved = 0;
    fixture_boot(32 * MIB, 0, 1);
    make_dll(&live, BASE);
    EXPECT_STATUS(load(&live), STATUS_SUCCESS);
    struct fixture_usage before = fixture_usage();
    for (uint32_t round = 0; round < 4000; round++) {
        make_dll(&program, BASE);
        uint32_t header = sim_random(3);
        for (uint32_t i = 1 + sim_random(4); i > 0; i--) {
            uint32_t offset = header != 0 ? PE_SIGNATURE + sim_random(0x198)
                                          : program.pe.raw_offset[3] + sim_random(0x40);
            program.pe.bytes[offset] = (uint8_t)sim_random(256);
        }
        status_t status = load(&program);
        if (is_success(status)) {
            accepted++;
            moved += program.section.image->base != program.section.image->preferred_base;
            use_damaged(&program);
        }
        unload(&program, status);
        if (round % 200 == 0) {
            fixture_check();
        }
    }
    EXPECT(accepted > 500 && accepted < 3900);
    EXPECT(moved > 100);
    EXPECT_SAME_USAGE(before);
    unload(&live, STATUS_SUCCESS);
    fixture_check();
}
