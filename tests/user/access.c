/*
 * tests/user/access.c: the access that a view asks for against what the section's handle grants and
 * what the section's protection allows (ACC).
 */
#include "tap.h"

#define X FILE_MAP_EXECUTE

/* The protection of a view mapped with ACCESS; 0xFFFFFFFF when it is refused (last error stands).
 */
static DWORD protection_of(HANDLE section, DWORD access)
{
    void *view = MapViewOfFile(section, access, 0, 0, 0);
    DWORD protection;

    if (view == NULL) {
        return 0xFFFFFFFF;
    }
    protection = query(view).Protect;
    UnmapViewOfFile(view);
    return protection;
}

static void test_protection_of_views(void)
{
    static const struct {
        DWORD access, protection;
    } rows[] = {
        {FILE_MAP_READ, PAGE_READONLY},
        {FILE_MAP_WRITE, PAGE_READWRITE},
        {FILE_MAP_READ | FILE_MAP_WRITE, PAGE_READWRITE},
        {FILE_MAP_ALL_ACCESS, PAGE_READWRITE},
        {FILE_MAP_COPY, PAGE_WRITECOPY},
        {0, PAGE_NOACCESS},
        {FILE_MAP_COPY | FILE_MAP_READ, PAGE_READONLY},
        {FILE_MAP_COPY | FILE_MAP_WRITE, PAGE_READWRITE},
        {X | FILE_MAP_READ, PAGE_EXECUTE_READ},
        {X | FILE_MAP_WRITE, PAGE_EXECUTE_READWRITE},
        {X | FILE_MAP_READ | FILE_MAP_WRITE, PAGE_EXECUTE_READWRITE},
        {X | FILE_MAP_COPY, PAGE_EXECUTE_WRITECOPY},
        {X, PAGE_NOACCESS},
        {SECTION_MAP_EXECUTE, PAGE_NOACCESS},
        {SECTION_MAP_EXECUTE | FILE_MAP_READ, PAGE_READONLY},
        {SECTION_MAP_EXECUTE | FILE_MAP_WRITE, PAGE_READWRITE},
        {SECTION_MAP_EXECUTE | FILE_MAP_COPY, PAGE_NOACCESS},
    };
    HANDLE section = memory_section(PAGE_EXECUTE_READWRITE, PAGE);

    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *fact =
            rows[i].access & SECTION_MAP_EXECUTE && rows[i].access != FILE_MAP_ALL_ACCESS ? "ACC05"
            : rows[i].access & X                                                          ? "ACC04"
                                                                                          : "ACC01";

        ok(protection_of(section, rows[i].access) == rows[i].protection,
           "%s access 0x%lX: protection 0x%02lX", fact, rows[i].access, rows[i].protection);
    }
    CloseHandle(section);
}

/* Every right that a handle may have against every access of a view. */
static void test_rights_of_the_handle(void)
{
    static const DWORD rights[] = {0,
                                   SECTION_QUERY,
                                   SECTION_MAP_READ,
                                   SECTION_MAP_WRITE,
                                   SECTION_MAP_READ | SECTION_MAP_WRITE,
                                   SECTION_MAP_READ | SECTION_MAP_EXECUTE,
                                   SECTION_MAP_WRITE | SECTION_MAP_EXECUTE,
                                   SECTION_MAP_READ | SECTION_MAP_WRITE | SECTION_MAP_EXECUTE};
    static const struct {
        DWORD access, needed;
    } views[] = {
        {0, SECTION_MAP_READ},
        {FILE_MAP_READ, SECTION_MAP_READ},
        {FILE_MAP_COPY, SECTION_MAP_READ},
        {FILE_MAP_WRITE, SECTION_MAP_WRITE},
        {FILE_MAP_READ | FILE_MAP_WRITE, SECTION_MAP_WRITE},
        {FILE_MAP_READ | X, SECTION_MAP_READ | SECTION_MAP_EXECUTE},
        {FILE_MAP_WRITE | X, SECTION_MAP_WRITE | SECTION_MAP_EXECUTE},
        {FILE_MAP_COPY | X, SECTION_MAP_READ | SECTION_MAP_EXECUTE},
    };
    HANDLE section = memory_section(PAGE_EXECUTE_READWRITE, PAGE), handle;

    for (unsigned i = 0; i < sizeof rights / sizeof rights[0]; i++) {
        int right = 1;

        ok(DuplicateHandle(GetCurrentProcess(), section, GetCurrentProcess(), &handle, rights[i],
                           FALSE, 0),
           "ACC06 a handle with rights 0x%lX", rights[i]);
        for (unsigned k = 0; k < sizeof views / sizeof views[0]; k++) {
            BOOL granted = (rights[i] & views[k].needed) == views[k].needed, mapped;

            SetLastError(0xDEADBEEF);
            mapped = protection_of(handle, views[k].access) != 0xFFFFFFFF;
            if (mapped != granted || (!mapped && GetLastError() != ERROR_ACCESS_DENIED)) {
                tap_print("# access 0x%lX: mapped %d, last error %lu", views[k].access, mapped,
                          GetLastError());
                right = 0;
            }
        }
        ok(right, "ACC06 rights 0x%lX admit just the views they cover", rights[i]);
        CloseHandle(handle);
    }
    CloseHandle(section);
}

static void test_open_with_less(void)
{
    const char *name = unique("access");
    HANDLE section = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, PAGE, name);
    HANDLE handle = OpenFileMappingA(FILE_MAP_READ, FALSE, name);

    ok(protection_of(handle, FILE_MAP_READ) == PAGE_READONLY, "ACC08 opened to read: read it is");
    ok(FAILS(MapViewOfFile(handle, FILE_MAP_WRITE, 0, 0, 0), ERROR_ACCESS_DENIED),
       "ACC08 opened to read: a view to write is refused");
    CloseHandle(handle);
    handle = OpenFileMappingA(FILE_MAP_WRITE, FALSE, name);
    ok(protection_of(handle, FILE_MAP_WRITE) == PAGE_READWRITE, "ACC08 opened to write");
    CloseHandle(handle);
    handle = OpenFileMappingA(FILE_MAP_ALL_ACCESS, FALSE, name);
    ok(protection_of(handle, FILE_MAP_ALL_ACCESS) == PAGE_READWRITE,
       "ACC08 FILE_MAP_ALL_ACCESS acts as write");
    CloseHandle(handle);
    CloseHandle(section);
}

static void test_protection_of_the_section(void)
{
    HANDLE section = memory_section(PAGE_READONLY, PAGE);

    ok(protection_of(section, FILE_MAP_READ) == PAGE_READONLY, "ACC09 READONLY section: READ");
    ok(protection_of(section, FILE_MAP_COPY) == PAGE_WRITECOPY, "ACC09 READONLY section: COPY");
    ok(protection_of(section, 0) == PAGE_NOACCESS, "ACC09 READONLY section: 0");
    ok(FAILS(MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0), ERROR_ACCESS_DENIED),
       "ACC09 READONLY section: WRITE is refused");
    CloseHandle(section);
    section = memory_section(PAGE_READWRITE, PAGE);
    ok(FAILS(MapViewOfFile(section, FILE_MAP_READ | X, 0, 0, 0), ERROR_ACCESS_DENIED),
       "ACC13 READWRITE section: EXECUTE is refused");
    CloseHandle(section);
}

/* The same rules with a handle that grants all, by NtMapViewOfSection. */
static NTSTATUS map_native(ULONG section_protection, ULONG protection)
{
    LARGE_INTEGER size = {.QuadPart = PAGE};
    HANDLE section = NULL;
    void *base = NULL;
    SIZE_T nbytes = 0;
    NTSTATUS status;

    status = pNtCreateSection(&section, SECTION_ALL_ACCESS, NULL, &size, section_protection,
                              SEC_COMMIT, NULL);
    if (status >= 0) {
        status = pNtMapViewOfSection(section, GetCurrentProcess(), &base, 0, 0, NULL, &nbytes, 1, 0,
                                     protection);
    }
    if (status >= 0) {
        pNtUnmapViewOfSection(GetCurrentProcess(), base);
    }
    CloseHandle(section);
    return status;
}

static void test_native(void)
{
    ok(STATUS_IS(map_native(PAGE_READONLY, PAGE_WRITECOPY), STATUS_SUCCESS),
       "ACC14 native: WRITECOPY view of a READONLY section");
    unlike_wine(STATUS_IS(map_native(PAGE_READONLY, PAGE_READWRITE), STATUS_SECTION_PROTECTION),
                "ACC14 native: READWRITE view of a READONLY section");
    unlike_wine(STATUS_IS(map_native(PAGE_WRITECOPY, PAGE_READWRITE), STATUS_SECTION_PROTECTION),
                "ACC14 native: READWRITE view of a WRITECOPY section");
    unlike_wine(STATUS_IS(map_native(PAGE_READWRITE, PAGE_EXECUTE_READ), STATUS_SECTION_PROTECTION),
                "ACC13 native: EXECUTE_READ view of a READWRITE section");
    unlike_wine(
        STATUS_IS(map_native(PAGE_READWRITE, PAGE_EXECUTE_WRITECOPY), STATUS_SECTION_PROTECTION),
        "ACC15 native: EXECUTE_WRITECOPY view of a READWRITE section");
    ok(STATUS_IS(map_native(PAGE_READWRITE, PAGE_READWRITE | PAGE_READONLY),
                 STATUS_INVALID_PAGE_PROTECTION),
       "ACC16 native: READWRITE and READONLY together");
    ok(STATUS_IS(map_native(PAGE_READWRITE, 0), STATUS_INVALID_PAGE_PROTECTION),
       "ACC16 native: protection 0");
}

static void test_guarded_view(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, PAGE);
    void *base = NULL;
    SIZE_T nbytes = 0;

    if (!is_quire()) {
        tap_skip("Wine refuses it", "ACC17 a view with PAGE_GUARD");
        tap_skip("Wine refuses it", "ACC17 its first touch raises, the next works");
    } else {
        ok(STATUS_IS(pNtMapViewOfSection(section, GetCurrentProcess(), &base, 0, 0, NULL, &nbytes,
                                         1, 0, PAGE_READWRITE | PAGE_GUARD),
                     STATUS_SUCCESS),
           "ACC17 a view with PAGE_GUARD");
        ok(read_fault(base) == (DWORD)STATUS_GUARD_PAGE_VIOLATION && read_fault(base) == 0 &&
               write_fault(base) == 0,
           "ACC17 its first touch raises, the next works");
        pNtUnmapViewOfSection(GetCurrentProcess(), base);
    }
    CloseHandle(section);
}

static void test_faults(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, PAGE);
    char *none = MapViewOfFile(section, 0, 0, 0, 0);
    char *reader = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
    char *writer = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);

    ok(none != NULL && query(none).Protect == PAGE_NOACCESS && query(none).State == MEM_COMMIT,
       "ACC11 access 0: committed, no access");
    ok(read_fault(none + 5) == AV && fault_was(0, none + 5), "EXC14 reading it");
    ok(write_fault(none + 6) == AV && fault_was(1, none + 6), "EXC14 writing it");
    ok(read_fault(reader) == 0 && write_fault(reader + 7) == AV && fault_was(1, reader + 7),
       "ACC18 the view to read raises on a write");
    ok(write_fault(writer + 7) == 0 && (unsigned char)reader[7] == 0xA5,
       "ACC18 the view to write accepts it, and both show it");
    UnmapViewOfFile(none);
    UnmapViewOfFile(reader);
    UnmapViewOfFile(writer);
    CloseHandle(section);
}

int main(void)
{
    tap_begin();
    test_protection_of_views();
    test_rights_of_the_handle();
    test_open_with_less();
    test_protection_of_the_section();
    test_native();
    test_guarded_view();
    test_faults();
    return tap_end();
}
