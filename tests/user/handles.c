/*
 * tests/user/handles.c: duplicating, closing, querying and comparing handles (HND).
 */
#include "tap.h"

static HANDLE self(void)
{
    return GetCurrentProcess();
}

/* Duplicated in this process; NULL when refused. */
static HANDLE duplicate(HANDLE handle, DWORD access, DWORD options)
{
    HANDLE copy = (HANDLE)(ULONG_PTR)0x55;

    return DuplicateHandle(self(), handle, self(), &copy, access, FALSE, options) ? copy : NULL;
}

static BOOL is_open(HANDLE handle)
{
    DWORD flags;

    return GetHandleInformation(handle, &flags);
}

static void test_duplicate(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, PAGE), copy, again;
    char *view;

    copy = duplicate(section, 0, DUPLICATE_SAME_ACCESS);
    ok(copy != NULL && copy != section && granted(copy) == granted(section),
       "HND01 DUPLICATE_SAME_ACCESS: equal rights");
    CloseHandle(section);
    view = MapViewOfFile(copy, FILE_MAP_WRITE, 0, 0, 0);
    ok(view != NULL, "HND01 closing one leaves the other usable");
    UnmapViewOfFile(view);
    again = duplicate(copy, FILE_MAP_READ, 0);
    view = MapViewOfFile(again, FILE_MAP_READ, 0, 0, 0);
    ok(view != NULL && (granted(again) & 0xFFFF) == FILE_MAP_READ, "HND02 duplicated to read only");
    ok(FAILS(MapViewOfFile(again, FILE_MAP_WRITE, 0, 0, 0), ERROR_ACCESS_DENIED),
       "HND02 refuses a view to write");
    UnmapViewOfFile(view);
    CloseHandle(again);
    again = duplicate(copy, 0, 0);
    ok(again != NULL && FAILS(MapViewOfFile(again, FILE_MAP_READ, 0, 0, 0), ERROR_ACCESS_DENIED),
       "HND04 duplicated with access 0: cannot be mapped");
    section = duplicate(again, 0, DUPLICATE_SAME_ACCESS);
    ok(section != NULL && CloseHandle(section) && CloseHandle(again),
       "HND04 can be duplicated and closed");
    again = duplicate(copy, 0, DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE);
    ok(again != NULL && is_open(again) && (again == copy || !is_open(copy)),
       "HND05 DUPLICATE_CLOSE_SOURCE");
    copy = duplicate(again, 0, DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE);
    ok(copy == again, "HND10 the source's slot, when it is the lowest, is taken again");
    CloseHandle(copy);
}

static void test_process_handle(void)
{
    HANDLE process = duplicate(self(), 0, DUPLICATE_SAME_ACCESS);

    ok(process != NULL && process != self() && GetProcessId(process) == GetCurrentProcessId(),
       "HND08 GetCurrentProcess() duplicated: a real handle");
    CloseHandle(process);
    process = duplicate(self(), 0, DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE);
    ok(process != NULL && process != self() && GetProcessId(self()) == GetCurrentProcessId(),
       "HND08 DUPLICATE_CLOSE_SOURCE of the pseudo-handle is harmless");
    CloseHandle(process);
}

static void test_lowest_slot(void)
{
    HANDLE first = memory_section(PAGE_READWRITE, PAGE);
    HANDLE second = memory_section(PAGE_READWRITE, PAGE), again;

    ok(((ULONG_PTR)first & 3) == 0 && first < second,
       "HND10 handles are multiples of four, rising");
    CloseHandle(first);
    again = memory_section(PAGE_READWRITE, PAGE);
    ok(again == first, "HND10 a new handle takes the lowest free slot");
    CloseHandle(again);
    CloseHandle(second);
}

static void test_refusals(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, PAGE), target = (HANDLE)(ULONG_PTR)0x55, copy;

    SetLastError(0xDEADBEEF);
    ok(!DuplicateHandle(self(), (HANDLE)(ULONG_PTR)0x7770, self(), &target, 0, FALSE,
                        DUPLICATE_SAME_ACCESS) &&
           GetLastError() == ERROR_INVALID_HANDLE && target == NULL,
       "HND11 a value that is no handle: target NULL");
    ok(DuplicateHandle(self(), section, self(), NULL, 0, FALSE, DUPLICATE_SAME_ACCESS),
       "HND12 a NULL target pointer");
    target = (HANDLE)(ULONG_PTR)0x55;
    ok(FAILS(DuplicateHandle(self(), duplicate(section, 0, DUPLICATE_SAME_ACCESS),
                             (HANDLE)(ULONG_PTR)0x7770, &target, 0, FALSE, DUPLICATE_SAME_ACCESS),
             ERROR_INVALID_HANDLE),
       "HND11 into a process that is none");
    copy = duplicate(section, 0, DUPLICATE_SAME_ACCESS);
    ok(FAILS(DuplicateHandle(self(), copy, (HANDLE)(ULONG_PTR)0x7770, &target, 0, FALSE,
                             DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE),
             ERROR_INVALID_HANDLE) &&
           !is_open(copy),
       "HND05 DUPLICATE_CLOSE_SOURCE closes the source even then");
    unlike_wine(STATUS_IS(pNtDuplicateObject(self(), section, self(), &target, 0xFFFFFFFF, 0, 0),
                          STATUS_ACCESS_DENIED) &&
                    target == NULL,
                "HND14 access 0xffffffff");
    ok(CloseHandle(section), "HND15 CloseHandle");
    ok(FAILS(CloseHandle(section), ERROR_INVALID_HANDLE), "HND15 a second time");
    ok(FAILS(CloseHandle(NULL), ERROR_INVALID_HANDLE), "HND15 of NULL");
    section = memory_section(PAGE_READONLY, PAGE);
    ok(duplicate(section, SECTION_MAP_READ, 0) != NULL, "HND02 the same access");
    CloseHandle(section);
}

static void test_query_object(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, PAGE), copy;
    struct object_basic basic, after;
    void *views[3];
    ULONG done = 0;

    tap_status = pNtQueryObject(section, 0, &basic, sizeof basic, &done);
    ok(tap_status == 0 && basic.handles == 1 && done == sizeof basic, "HND17 one handle");
    copy = duplicate(section, 0, DUPLICATE_SAME_ACCESS);
    pNtQueryObject(section, 0, &basic, sizeof basic, NULL);
    ok(basic.handles == 2, "HND17 two handles");
    for (int i = 0; i < 3; i++) {
        views[i] = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    }
    pNtQueryObject(section, 0, &after, sizeof after, NULL);
    ok(after.handles == 2 && after.pointers == basic.pointers,
       "HND17 views change neither HandleCount nor PointerCount");
    for (int i = 0; i < 3; i++) {
        UnmapViewOfFile(views[i]);
    }
    pNtQueryObject(section, 0, &after, sizeof after, NULL);
    ok(after.handles == 2 && after.pointers == basic.pointers, "HND17 nor does unmapping");
    CloseHandle(copy);
    pNtQueryObject(section, 0, &after, sizeof after, NULL);
    ok(after.handles == 1, "HND17 one of them closed");
    ok(STATUS_IS(pNtQueryObject(section, 0, &basic, 0, NULL), STATUS_INFO_LENGTH_MISMATCH),
       "HND20 basic information of length 0");
    ok(STATUS_IS(pNtQueryObject(section, 0, NULL, 0, NULL), STATUS_INFO_LENGTH_MISMATCH),
       "HND20 without a buffer");
    ok(pNtQueryObject((HANDLE)(ULONG_PTR)0x7770, 0, &basic, sizeof basic, NULL) < 0,
       "HND20 of no handle");
    CloseHandle(section);
}

static BOOL name_ends(const UNICODE_STRING *string, const char *name)
{
    size_t length = strlen(name), have = string->Length / sizeof(WCHAR);

    for (size_t i = 0; have >= length && i < length; i++) {
        if (string->Buffer[have - length + i] != (WCHAR)name[i]) {
            return FALSE;
        }
    }
    return have >= length;
}

static void test_query_names(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, PAGE), named;
    const char *name = unique("handles");
    struct {
        UNICODE_STRING string;
        WCHAR text[300];
    } buffer;
    ULONG done = 0;

    memset(&buffer, 0xCC, sizeof buffer);
    ok(STATUS_IS(pNtQueryObject(section, 1, &buffer, sizeof buffer, &done), STATUS_SUCCESS) &&
           done == sizeof(UNICODE_STRING) && buffer.string.Length == 0 &&
           buffer.string.Buffer == NULL,
       "HND27 the name of an unnamed section");
    named = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, PAGE, name);
    ok(STATUS_IS(pNtQueryObject(named, 1, &buffer, sizeof buffer, &done), STATUS_SUCCESS) &&
           name_ends(&buffer.string, name),
       "HND27 of a named one");
    ok(STATUS_IS(pNtQueryObject(named, 1, &buffer, done - sizeof(WCHAR), &done),
                 STATUS_INFO_LENGTH_MISMATCH) &&
           done > sizeof(UNICODE_STRING),
       "HND27 a buffer that is too short");
    ok(STATUS_IS(pNtQueryObject(section, 2, &buffer, sizeof buffer, &done), STATUS_SUCCESS) &&
           buffer.string.Length == 14 && name_ends(&buffer.string, "Section"),
       "HND26 its type is \"Section\"");
    CloseHandle(named);
    CloseHandle(section);
    named = CreateEventA(NULL, FALSE, FALSE, NULL);
    ok(STATUS_IS(pNtQueryObject(named, 2, &buffer, sizeof buffer, &done), STATUS_SUCCESS) &&
           name_ends(&buffer.string, "Event"),
       "HND26 an event's is \"Event\"");
    CloseHandle(named);
}

static HANDLE native(ACCESS_MASK access)
{
    LARGE_INTEGER size = {.QuadPart = PAGE};
    HANDLE section = NULL;

    tap_status =
        pNtCreateSection(&section, access, NULL, &size, PAGE_EXECUTE_READWRITE, SEC_COMMIT, NULL);
    return section;
}

static void test_generic_rights(void)
{
    static const struct {
        ACCESS_MASK asked, given;
    } rows[] = {
        {GENERIC_READ, STANDARD_RIGHTS_READ | SECTION_QUERY | SECTION_MAP_READ},
        {GENERIC_WRITE, STANDARD_RIGHTS_WRITE | SECTION_MAP_WRITE},
        {GENERIC_EXECUTE, STANDARD_RIGHTS_EXECUTE | SECTION_MAP_EXECUTE},
        {GENERIC_READ | GENERIC_WRITE,
         STANDARD_RIGHTS_READ | SECTION_QUERY | SECTION_MAP_READ | SECTION_MAP_WRITE},
        {GENERIC_ALL, SECTION_ALL_ACCESS},
    };

    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        HANDLE section = native(rows[i].asked);

        ok(granted(section) == rows[i].given, "HND26 generic access 0x%08lX", rows[i].asked);
        CloseHandle(section);
    }
}

static void test_query_section(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, PAGE), reader;
    struct section_basic basic[2];
    LARGE_INTEGER size = {.QuadPart = 4 * PAGE};
    ULONG done = 0;

    reader = duplicate(section, FILE_MAP_READ, 0);
    ok(STATUS_IS(pNtQuerySection(reader, 0, basic, sizeof basic[0], NULL), STATUS_ACCESS_DENIED),
       "HND21 NtQuerySection needs SECTION_QUERY");
    CloseHandle(reader);
    ok(STATUS_IS(pNtQuerySection(section, 0, basic, sizeof basic[0] - 1, NULL),
                 STATUS_INFO_LENGTH_MISMATCH),
       "HND22 a buffer one byte short");
    ok(STATUS_IS(pNtQuerySection(section, 0, basic, sizeof basic[0] + 1, &done), STATUS_SUCCESS) &&
           done == sizeof basic[0],
       "HND22 one byte long: success, the structure's size");
    ok(basic[0].base == NULL && basic[0].attributes == SEC_COMMIT && basic[0].size.QuadPart == PAGE,
       "HND25 BaseAddress is NULL");
    ok(STATUS_IS(pNtQuerySection(NULL, 0, basic, sizeof basic[0], NULL), STATUS_INVALID_HANDLE),
       "HND24 no handle");
    ok(STATUS_IS(pNtQuerySection(section, 0, NULL, sizeof basic[0], NULL), STATUS_ACCESS_VIOLATION),
       "HND24 no buffer");
    ok(STATUS_IS(pNtQuerySection(NULL, 0, basic, sizeof basic[0] - 1, NULL),
                 STATUS_INFO_LENGTH_MISMATCH),
       "HND22 a short buffer is reported before a bad handle");
    unlike_wine(STATUS_IS(pNtExtendSection(section, &size), STATUS_ACCESS_DENIED),
                "HND28 NtExtendSection needs SECTION_EXTEND_SIZE");
    CloseHandle(section);
    section = native(SECTION_ALL_ACCESS);
    unlike_wine(STATUS_IS(pNtExtendSection(section, &size), STATUS_SECTION_NOT_EXTENDED),
                "HND28 of a page-file section");
    CloseHandle(section);
}

static void test_compare(void)
{
    HANDLE one = memory_section(PAGE_READWRITE, PAGE), two, copy;

    two = memory_section(PAGE_READWRITE, PAGE);
    copy = duplicate(one, FILE_MAP_READ, 0);
    ok(STATUS_IS(pNtCompareObjects(one, copy), STATUS_SUCCESS), "HND29 two handles of one object");
    ok(STATUS_IS(pNtCompareObjects(one, two), STATUS_NOT_SAME_OBJECT), "HND29 of two objects");
    CloseHandle(one);
    CloseHandle(two);
    CloseHandle(copy);
}

static void test_information(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, PAGE);
    DWORD flags = 7;

    ok(GetHandleInformation(section, &flags) && flags == 0, "HND01 no handle flag at first");
    ok(SetHandleInformation(section, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) &&
           GetHandleInformation(section, &flags) && flags == HANDLE_FLAG_INHERIT,
       "HND01 made inheritable");
    ok(SetHandleInformation(section, HANDLE_FLAG_PROTECT_FROM_CLOSE,
                            HANDLE_FLAG_PROTECT_FROM_CLOSE),
       "HND15 protected from closing");
    ok(FAILS(CloseHandle(section), ERROR_INVALID_HANDLE) && is_open(section),
       "HND15 CloseHandle is refused");
    SetHandleInformation(section, HANDLE_FLAG_PROTECT_FROM_CLOSE, 0);
    ok(CloseHandle(section), "HND15 no longer protected: closed");
}

/* More handles than 16 bits count. */
static void test_many(void)
{
    static HANDLE handles[70000];
    HANDLE section = memory_section(PAGE_READWRITE, PAGE);
    struct object_basic basic;
    int good = 1;

    for (int i = 0; i < 70000; i++) {
        handles[i] = duplicate(section, 0, DUPLICATE_SAME_ACCESS);
        good = good && handles[i] != NULL;
    }
    pNtQueryObject(section, 0, &basic, sizeof basic, NULL);
    ok(good && basic.handles == 70001, "HND17 70 000 duplicates");
    for (int i = 0; i < 70000; i++) {
        good = CloseHandle(handles[i]) && good;
    }
    pNtQueryObject(section, 0, &basic, sizeof basic, NULL);
    ok(good && basic.handles == 1, "HND17 all closed");
    CloseHandle(section);
}

int main(void)
{
    tap_begin();
    test_duplicate();
    test_process_handle();
    test_lowest_slot();
    test_refusals();
    test_query_object();
    test_query_names();
    test_generic_rights();
    test_query_section();
    test_compare();
    test_information();
    test_many();
    return tap_end();
}
