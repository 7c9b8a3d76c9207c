/*
 * tests/user/mapfile.c: sections of files that are written: flushing (FLU, UNM), growth at
 * CreateFileMapping and later (CFM, OFS), protection against the file's access (FPA).
 */
#include "work.h"

#define TRIES 5 /* what is dirty may be written by itself just then */

static unsigned modified(HANDLE section)
{
    return usage_of(section).modified_pages;
}

/* Whether storing to NBYTES at AT makes so many pages dirty. */
static BOOL dirties(const struct mapped *it, unsigned char *at, DWORD nbytes, unsigned pages)
{
    for (int i = 0; i < TRIES; i++) {
        FlushViewOfFile(it->view, 0);
        memset(at, 0x61 + i, nbytes);
        if (modified(it->section) == pages) {
            return TRUE;
        }
    }
    return FALSE;
}

/* Whether flushing NBYTES at AT leaves so many of the pages 1 and 3 dirty. */
static BOOL leaves(const struct mapped *it, const unsigned char *at, DWORD nbytes, unsigned pages)
{
    for (int i = 0; i < TRIES; i++) {
        FlushViewOfFile(it->view, 0);
        it->view[0x1000]++;
        it->view[0x3000]++;
        if (!FlushViewOfFile(at, nbytes)) {
            return FALSE;
        }
        if (modified(it->section) == pages) {
            return TRUE;
        }
    }
    return FALSE;
}

static void test_flushing(void)
{
    struct mapped it = map_new("flushed", 0x20000);
    const void *base = it.view;
    SIZE_T nbytes = 0x1000;
    IO_STATUS_BLOCK io;
    unsigned char *page;
    HANDLE direct;

    ok(FlushFileBuffers(it.file), "FLU01 FlushFileBuffers");
    quire_only(is_clean(it.section), "FLU01 no page is left to write");
    quire_only(dirties(&it, it.view, 0x3000, 3), "FLU01 three pages stored to");
    memset(it.view, 0x61, 0x3000);
    ok(FlushViewOfFile(it.view, 0), "FLU01 FlushViewOfFile of a view");
    quire_only(is_clean(it.section), "FLU01 they are written");
    direct = create("flushed", READ, SHARE_ALL, OPEN_EXISTING, FILE_FLAG_NO_BUFFERING);
    page = VirtualAlloc(NULL, 0x1000, MEM_COMMIT, PAGE_READWRITE);
    ok(get(direct, 0x2000, page, 0x1000) == 0x1000 && page[0] == 0x61 && page[0xFFF] == 0x61,
       "FLU09 a reader with FILE_FLAG_NO_BUFFERING sees the data");
    VirtualFree(page, 0, MEM_RELEASE);
    CloseHandle(direct);
    it.view[0] = 4;
    ok(STATUS_IS(pNtFlushVirtualMemory(GetCurrentProcess(), &base, &nbytes, &io), STATUS_SUCCESS),
       "FLU07 NtFlushVirtualMemory of a dirty page");
    quire_only(is_clean(it.section), "FLU07 it is written");
    unmap(&it);
    ok(FAILS(FlushFileBuffers(it.file), ERROR_INVALID_HANDLE),
       "FLU01 FlushFileBuffers of a closed handle");
    it.file = reopen("flushed", READ);
    ok(FAILS(FlushFileBuffers(it.file), ERROR_ACCESS_DENIED),
       "FLU01 FlushFileBuffers needs a handle that may write");
    CloseHandle(it.file);
}

static void test_two_views(void)
{
    struct mapped it = map_new("twice", 0x20000);
    unsigned char *other = view_of(it.section, FILE_MAP_WRITE);

    quire_only(dirties(&it, it.view + 0x5000, 1, 1), "two views: stored through one");
    it.view[0x5000] = 1;
    ok(FlushViewOfFile(other + 0x5000, 1), "two views: flush through one");
    quire_only(is_clean(it.section), "two views: the page is clean for both");
    quire_only(dirties(&it, other + 0x5000, 1, 1), "two views: store through the other");
    other[0x5000] = 2;
    it.view[0x5001] = 3;
    ok(FlushViewOfFile(it.view, 0) && byte_at(it.file, 0x5000) == 2 &&
           byte_at(it.file, 0x5001) == 3,
       "two views: flush through one, store through the other, flush again");
    quire_only(is_clean(it.section), "two views: clean again");
    UnmapViewOfFile(other);
    unmap(&it);
}

static void test_flushing_parts(void)
{
    struct mapped it = map_new("parts", 0x20000);
    unsigned char *other = view_of(it.section, FILE_MAP_READ), *copy;

    ok(FlushViewOfFile(it.view + 0x1800, 0x10), "FLU01 a part of a view");
    quire_only(leaves(&it, it.view + 0x1800, 0x10, 1), "FLU01 the rest waits");
    ok(FlushViewOfFile(other, 0), "FLU08 a view that cannot write: TRUE");
    quire_only(leaves(&it, other, 0, 2), "FLU08 it writes nothing");
    UnmapViewOfFile(other);
    copy = view_of(it.section, FILE_MAP_COPY);
    copy[0x3001] = (unsigned char)~copy[0x3001];
    ok(FlushViewOfFile(copy, 0) && byte_at(it.file, 0x3001) == data_byte(0x3001),
       "FLU10 a copy view writes nothing to the file");
    UnmapViewOfFile(copy);
    it.view[0x4000] = 6;
    UnmapViewOfFile(it.view);
    quire_only(is_clean(it.section), "UNM10 unmapping writes what is dirty, whoever stored to it");
    ok(!FlushViewOfFile(it.view, 0), "FLU04 a free address");
    ok(!FlushViewOfFile(NULL, 0), "FLU06 NULL");
    ok(byte_at(it.file, 0x4000) == 6, "UNM10 what was stored is in the file");
    CloseHandle(it.section);
    CloseHandle(it.file);
}

static void test_growth(void)
{
    HANDLE file = fresh("grown", 4096), section = section_of(file, PAGE_READWRITE, 0x100000);
    unsigned char *view;
    int right = 1;

    ok(section != NULL && size_of_file(file) == 0x100000,
       "CFM11 a larger section: the file is extended by CreateFileMapping");
    ok(section_basic(section).size.QuadPart == 0x100000, "CFM11 the section has that size");
    view = view_of(section, FILE_MAP_WRITE);
    for (DWORD at = 4096; at < 0x100000; at += 509) {
        right = right && view[at] == 0;
    }
    ok(right && has_data(file, 0, 4096), "CFM13 what it gains is zero in a view");
    ok(is_filled(file, 4096, 0x100000 - 4096, 0), "CFM13 and in ReadFile");
    view[0xFFFFF] = 3;
    UnmapViewOfFile(view);
    CloseHandle(section);
    ok(byte_at(file, 0xFFFFF) == 3, "CFM11 the last byte can be stored to");
    section = section_of(file, PAGE_READONLY, 0x2345);
    ok(section_basic(section).size.QuadPart == 0x2345 && size_of_file(file) == 0x100000,
       "CFM14 a smaller section: its size exactly, the file stays");
    CloseHandle(section);
    CloseHandle(file);

    file = fresh("empty", 0);
    ok(FAILS(section_of(file, PAGE_READWRITE, 0), ERROR_FILE_INVALID), "CFM06 an empty file");
    section = section_of(file, PAGE_READWRITE, 0x1234);
    ok(section != NULL && size_of_file(file) == 0x1234 &&
           section_basic(section).size.QuadPart == 0x1234,
       "CFM11 an empty file grows to an odd size");
    CloseHandle(section);
    ok(FAILS(section_of(file, PAGE_READONLY, 0x1235), ERROR_NOT_ENOUGH_MEMORY) &&
           size_of_file(file) == 0x1234,
       "CFM09 PAGE_READONLY does not make it grow");
    ok(FAILS(section_of(file, PAGE_WRITECOPY, 0x1235), ERROR_NOT_ENOUGH_MEMORY) &&
           size_of_file(file) == 0x1234,
       "CFM09 nor does PAGE_WRITECOPY");
    CloseHandle(file);
    file = reopen("empty", READ);
    ok(FAILS(section_of(file, PAGE_READWRITE, 0x10000), ERROR_ACCESS_DENIED) &&
           size_of_file(file) == 0x1234,
       "CFM30 opened to read: refused before the size is looked at");
    CloseHandle(file);
}

/* A section goes on as it is when its file becomes longer; NtExtendSection makes it longer. */
static void test_longer(void)
{
    struct mapped it = map_new("longer", 0x1800);
    LARGE_INTEGER size = {.QuadPart = 0x15000};
    unsigned char *more;
    HANDLE section;

    ok(put(it.file, 0x1800, "grown", 5) == 5 && size_of_file(it.file) == 0x1805 &&
           memcmp(it.view + 0x1800, "grown", 5) == 0,
       "COH01 written behind the end: the view's last page shows it");
    ok(put(it.file, 0x14000, "far", 3) == 3, "COH01 and far behind");
    ok(section_basic(it.section).size.QuadPart == 0x1800, "CFM14 the section keeps its size");
    section = section_of(it.file, PAGE_READWRITE, 0);
    more = view_of(section, FILE_MAP_WRITE);
    ok(more != NULL && section_basic(section).size.QuadPart == 0x14003 &&
           memcmp(more + 0x14000, "far", 3) == 0 && memcmp(more + 0x1800, "grown", 5) == 0,
       "COH01 a new section shows all of it");
    more[0x10] = 0x5A;
    ok(it.view[0x10] == 0x5A, "COH01 both show the same bytes");
    UnmapViewOfFile(more);
    CloseHandle(section);
    ok(STATUS_IS(pNtCreateSection(&section, SECTION_ALL_ACCESS, NULL, NULL, PAGE_READWRITE,
                                  SEC_COMMIT, it.file),
                 STATUS_SUCCESS),
       "CFM23 a native section of the file");
    unlike_wine(STATUS_IS(pNtExtendSection(section, &size), STATUS_SUCCESS) &&
                    size_of_file(it.file) == 0x15000,
                "CFM11 NtExtendSection extends section and file");
    more = view_of(section, FILE_MAP_WRITE);
    unlike_wine(more != NULL && section_basic(section).size.QuadPart == 0x15000 &&
                    memcmp(more + 0x14000, "far", 3) == 0 && more[0x14FFF] == 0,
                "CFM11 a new view shows the longer section");
    CloseHandle(section);
    UnmapViewOfFile(more);
    unmap(&it);
}

static void test_protection(void)
{
    static const DWORD good[] = {PAGE_READONLY,     PAGE_READWRITE,         PAGE_WRITECOPY,
                                 PAGE_EXECUTE_READ, PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY};
    HANDLE file = fresh_with("protected", 0x1000, BOTH | GENERIC_EXECUTE, 0), section;
    unsigned char *view;

    for (int i = 0; i < 6; i++) {
        section = section_of(file, good[i], 0);
        ok(section != NULL, "FPA05 read, write and execute: protection 0x%02lX", good[i]);
        CloseHandle(section);
    }
    CloseHandle(file);
    file = reopen("protected", WRITE);
    ok(FAILS(section_of(file, PAGE_READWRITE, 0), ERROR_ACCESS_DENIED) &&
           FAILS(section_of(file, PAGE_READONLY, 0), ERROR_ACCESS_DENIED),
       "FPA11 opened to write only: neither PAGE_READWRITE nor PAGE_READONLY");
    CloseHandle(file);
    file = reopen("protected", READ);
    ok(FAILS(section_of(file, PAGE_READWRITE, 0), ERROR_ACCESS_DENIED),
       "FPA06 opened to read: PAGE_READWRITE");
    section = section_of(file, PAGE_WRITECOPY, 0);
    view = view_of(section, FILE_MAP_COPY);
    ok(view != NULL && (view[0] = 0x44) == 0x44 && byte_at(file, 0) == data_byte(0),
       "FPA07 PAGE_WRITECOPY: stores stay private");
    UnmapViewOfFile(view);
    CloseHandle(section);
    unlike_wine(FAILS(section_of(file, PAGE_EXECUTE_READ, 0), ERROR_ACCESS_DENIED),
                "FPA08 PAGE_EXECUTE_READ");
    CloseHandle(file);
    file = reopen("protected", BOTH);
    unlike_wine(FAILS(section_of(file, PAGE_EXECUTE_READWRITE, 0), ERROR_ACCESS_DENIED),
                "FPA08 read and write, PAGE_EXECUTE_READWRITE");
    section = section_of(file, PAGE_READWRITE, 0);
    view = view_of(section, FILE_MAP_ALL_ACCESS);
    ok(view != NULL && query(view).Protect == PAGE_READWRITE, "FILE_MAP_ALL_ACCESS acts as write");
    UnmapViewOfFile(view);
    CloseHandle(section);
    CloseHandle(file);
}

static NTSTATUS map_reserved(HANDLE section, unsigned char **base, SIZE_T nbytes, ULONG protection)
{
    *base = NULL;
    return pNtMapViewOfSection(section, GetCurrentProcess(), (void **)base, 0, 0, NULL, &nbytes,
                               2 /* ViewUnmap */, MEM_RESERVE, protection);
}

/* Nothing of such a view is there but what its section has. */
static void test_reserved_part(HANDLE file, unsigned char *base)
{
    DWORD old;

    ok(base[0] == data_byte(0) && query(base).RegionSize == PAGE,
       "OFS21 its first page shows the file");
    ok(query(base + PAGE).State == MEM_RESERVE && query(base + PAGE).RegionSize == 0x9FF000 &&
           size_of_file(file) == 1,
       "OFS21 the rest is reserved");
    ok(read_fault(base + PAGE) == AV && read_fault(base + 0x9FFFFF) == AV,
       "OFS21 and cannot be touched");
    ok(FAILS(VirtualProtect(base + PAGE, PAGE, PAGE_NOACCESS, &old), ERROR_INVALID_ADDRESS),
       "OFS21 VirtualProtect there: ERROR_INVALID_ADDRESS");
}

static void test_committing(HANDLE file, unsigned char *base)
{
    ok(put(file, 0x54321, "later", 5) == 5 && read_fault(base + 0x54321) == AV &&
           VirtualAlloc(base + 0x54000, PAGE, MEM_COMMIT, PAGE_READONLY) == base + 0x54000 &&
           memcmp(base + 0x54321, "later", 5) == 0 && size_of_file(file) == 0x54326,
       "OFS21 a page that the file got since: committed, it shows");
    ok(VirtualAlloc(base + 0x60000, PAGE, MEM_COMMIT, PAGE_READONLY) == base + 0x60000 &&
           base[0x60FFF] == 0 && size_of_file(file) == 0x61000 &&
           query(base + 0x61000).State == MEM_RESERVE,
       "OFS21 commit makes the section longer, and the file where it lacks the page");
    ok(FAILS(VirtualAlloc(base + 0x60000, PAGE, MEM_COMMIT, PAGE_READWRITE),
             ERROR_INVALID_PARAMETER),
       "OFS21 with a protection that the view does not allow: refused");
    ok(VirtualAlloc(base + 0x9FF000, 2 * PAGE, MEM_COMMIT, PAGE_READONLY) == NULL &&
           size_of_file(file) == 0x61000,
       "OFS21 behind the view: refused");
}

/* A second view of the section, large enough for linked tables. */
static void test_large_view(HANDLE file, HANDLE section, unsigned char *base)
{
    unsigned char *large;

    ok(STATUS_IS(map_reserved(section, &large, 0x800000, PAGE_READWRITE), STATUS_SUCCESS) &&
           VirtualAlloc(large, 0x800000, MEM_COMMIT, PAGE_READWRITE) == large &&
           put(file, 0x6FFFFE, "abcd", 4) == 4 && memcmp(large + 0x6FFFFE, "abcd", 4) == 0 &&
           base[0x54321] == 'l',
       "OFS21 a view of megabytes, committed whole: what was written shows");
    ok(memcmp(base + 0x6FFFFE, "abcd", 4) == 0 && query(base + 0x6FF000).State == MEM_COMMIT &&
           query(base + 0x800000).State == MEM_RESERVE && read_fault(base + 0x800000) == AV,
       "OFS21 what one view has committed the others show, too");
    memset(large + 0x3FF000, 0x5C, 0x3000);
    ok(byte_at(file, 0x3FF000) == 0x5C && byte_at(file, 0x401FFF) == 0x5C &&
           FlushViewOfFile(large, 0) && FlushViewOfFile(base, 0),
       "OFS21 stores through such a view are in the file");
    pNtUnmapViewOfSection(GetCurrentProcess(), large);
}

/* A section that another process might have made of the file. */
static void test_other_section(unsigned char *base)
{
    HANDLE file = CreateFileA("growing", GENERIC_READ | GENERIC_WRITE,
                              FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
    HANDLE section = NULL;
    unsigned char *other;

    pNtCreateSection(&section, SECTION_MAP_READ | SECTION_MAP_WRITE, NULL, NULL, PAGE_READWRITE,
                     SEC_RESERVE, file);
    ok(STATUS_IS(map_reserved(section, &other, 0xA00000, PAGE_READWRITE), STATUS_SUCCESS) &&
           read_fault(base + 0x900000) == AV && read_fault(other + 0x900000) == AV,
       "OFS21 also those of other sections of the file");
    ok(VirtualAlloc(other + 0x900000, PAGE, MEM_COMMIT, PAGE_READWRITE) == other + 0x900000 &&
           read_fault(base + 0x900000) == 0 && query(base + 0x901000).State == MEM_RESERVE,
       "OFS21 and what those commit is in all of them");
    pNtUnmapViewOfSection(GetCurrentProcess(), other);
    CloseHandle(section);
    CloseHandle(file);
}

/* A large view of a small file, whose pages are committed when the file has them or is to. */
static void test_growing_view(void)
{
    static const char *const names =
        "OFS21 a view with MEM_RESERVE that is larger than its file\n"
        "OFS21 its first page shows the file\n"
        "OFS21 the rest is reserved\n"
        "OFS21 and cannot be touched\n"
        "OFS21 VirtualProtect there: ERROR_INVALID_ADDRESS\n"
        "OFS21 a page that the file got since: committed, it shows\n"
        "OFS21 commit makes the section longer, and the file where it lacks the page\n"
        "OFS21 with a protection that the view does not allow: refused\n"
        "OFS21 behind the view: refused\n"
        "OFS21 a view of megabytes, committed whole: what was written shows\n"
        "OFS21 what one view has committed the others show, too\n"
        "OFS21 stores through such a view are in the file\n"
        "OFS21 also those of other sections of the file\n"
        "OFS21 and what those commit is in all of them\n"
        "OFS21 MEM_RESERVE on a section that cannot write: refused";
    HANDLE file = fresh("growing", 1), section = NULL;
    unsigned char *base;

    if (!is_quire()) {
        tap_skip_all("Wine 8.0 does otherwise", names);
        CloseHandle(file);
        return;
    }
    ok(STATUS_IS(pNtCreateSection(&section, SECTION_MAP_READ | SECTION_MAP_WRITE, NULL, NULL,
                                  PAGE_READWRITE, SEC_RESERVE, file),
                 STATUS_SUCCESS) &&
           STATUS_IS(map_reserved(section, &base, 0xA00000, PAGE_READONLY), STATUS_SUCCESS),
       "OFS21 a view with MEM_RESERVE that is larger than its file");
    test_reserved_part(file, base);
    test_committing(file, base);
    test_large_view(file, section, base);
    test_other_section(base);
    pNtUnmapViewOfSection(GetCurrentProcess(), base);
    CloseHandle(section);
    section = section_of(file, PAGE_READONLY, 0);
    ok(map_reserved(section, &base, 0xA00000, PAGE_READONLY) < 0 &&
           STATUS_IS(map_reserved(section, &base, 0, PAGE_READONLY), STATUS_INVALID_PARAMETER_9),
       "OFS21 MEM_RESERVE on a section that cannot write: refused");
    CloseHandle(section);
    CloseHandle(file);
}

int main(void)
{
    tap_begin();
    work_begin();
    test_flushing();
    test_two_views();
    test_flushing_parts();
    test_growth();
    test_longer();
    test_protection();
    test_growing_view();
    return work_end();
}
