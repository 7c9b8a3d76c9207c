/*
 * tests/user/names.c: names of sections (NAM): when they exist, what they may contain, and that
 * each type of object has a name space of its own.
 */
#include <ctype.h>

#include "tap.h"

static HANDLE create(const char *name)
{
    return CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, PAGE, name);
}

static HANDLE open_name(const char *name)
{
    return OpenFileMappingA(FILE_MAP_WRITE, FALSE, name);
}

/* The capitals of a name make another object. */
static void test_create_and_open(void)
{
    const char *name = unique("Names");
    char capitals[64], slash[80];
    HANDLE one, two, three;

    strcpy(capitals, name);
    for (char *letter = capitals; *letter != 0; letter++) {
        *letter = (char)toupper((unsigned char)*letter);
    }
    ok(FAILS(open_name(name), ERROR_FILE_NOT_FOUND), "NAM04 a name that is not there");
    SetLastError(0xDEADBEEF);
    one = create(name);
    ok(one != NULL && GetLastError() == 0, "CFM02 a new name: a handle, last error 0");
    SetLastError(0xDEADBEEF);
    two = create(name);
    ok(two != NULL && GetLastError() == ERROR_ALREADY_EXISTS, "NAM01 the name exists: the old one");
    ok(STATUS_IS(pNtCompareObjects(one, two), STATUS_SUCCESS), "NAM01 both handles: one object");
    CloseHandle(two);
    SetLastError(0xDEADBEEF);
    two = create(capitals);
    ok(two != NULL && GetLastError() == 0, "NAM02 in capitals: a second object");
    ok(STATUS_IS(pNtCompareObjects(one, two), STATUS_NOT_SAME_OBJECT), "NAM02 and not the first");
    three = open_name(capitals);
    ok(STATUS_IS(pNtCompareObjects(three, two), STATUS_SUCCESS), "NAM02 opens by its own case");
    CloseHandle(three);
    CloseHandle(two);
    CloseHandle(one);
    ok(FAILS(open_name(name), ERROR_FILE_NOT_FOUND), "NAM24 closed: the name is gone");
    _snprintf(slash, sizeof slash, "%s/b/c", name);
    one = create(slash);
    two = open_name(slash);
    ok(one != NULL && two != NULL, "NAM17 a forward slash is an ordinary character");
    CloseHandle(one);
    CloseHandle(two);
}

static void test_wide_and_narrow(void)
{
    const char *name = unique("wide");
    WCHAR wide[64];
    HANDLE one, two;

    MultiByteToWideChar(CP_ACP, 0, name, -1, wide, 64);
    one = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, PAGE, wide);
    two = open_name(name);
    ok(one != NULL && two != NULL, "NAM01 made by a wide name, opened by a narrow one");
    CloseHandle(two);
    two = OpenFileMappingW(FILE_MAP_READ, FALSE, wide);
    ok(two != NULL, "NAM01 opened by a wide name");
    CloseHandle(two);
    CloseHandle(one);
}

/* One name for an object of every type at once. */
static void test_name_space_per_type(void)
{
    const char *name = unique("types");
    HANDLE event, mutex, semaphore, section;

    event = CreateEventA(NULL, TRUE, FALSE, name);
    SetLastError(0xDEADBEEF);
    section = create(name);
    quire_differs(section != NULL && GetLastError() == 0,
                  section == NULL && GetLastError() == ERROR_INVALID_HANDLE,
                  "NAM05 a section with the name of a live event");
    SetLastError(0xDEADBEEF);
    mutex = CreateMutexA(NULL, FALSE, name);
    quire_differs(mutex != NULL && GetLastError() == 0,
                  mutex == NULL && GetLastError() == ERROR_INVALID_HANDLE,
                  "NAM05 a mutex with the name of a live event and section");
    SetLastError(0xDEADBEEF);
    semaphore = CreateSemaphoreA(NULL, 1, 1, name);
    quire_differs(semaphore != NULL && GetLastError() == 0,
                  semaphore == NULL && GetLastError() == ERROR_INVALID_HANDLE,
                  "NAM05 a semaphore with the same name too");
    if (is_quire()) {
        HANDLE again[4] = {OpenEventA(EVENT_ALL_ACCESS, FALSE, name), open_name(name),
                           OpenMutexA(MUTEX_ALL_ACCESS, FALSE, name),
                           OpenSemaphoreA(SEMAPHORE_ALL_ACCESS, FALSE, name)};

        ok(pNtCompareObjects(again[0], event) == 0 && pNtCompareObjects(again[1], section) == 0 &&
               pNtCompareObjects(again[2], mutex) == 0 &&
               pNtCompareObjects(again[3], semaphore) == 0,
           "NAM05 each is opened by its type");
        for (int i = 0; i < 4; i++) {
            CloseHandle(again[i]);
        }
        CloseHandle(event);
        ok(FAILS(OpenEventA(EVENT_ALL_ACCESS, FALSE, name), ERROR_FILE_NOT_FOUND),
           "NAM05 the event's name goes with the event");
        section = open_name(name);
        ok(section != NULL, "NAM05 the section's name stays");
    } else {
        tap_skip("Wine has one name space", "NAM05 each is opened by its type");
        tap_skip("Wine has one name space", "NAM05 the event's name goes with the event");
        tap_skip("Wine has one name space", "NAM05 the section's name stays");
        CloseHandle(event);
    }
}

static void test_bad_names(void)
{
    const char *name = unique("bad");
    char longer[400], text[128];
    HANDLE handle;

    _snprintf(text, sizeof text, "Global\\%s", name);
    quire_differs(FAILS(handle = create(text), ERROR_PATH_NOT_FOUND), (handle = create(text)) != 0,
                  "NAM09 a section Global\\x");
    CloseHandle(handle);
    _snprintf(text, sizeof text, "Local\\%s", name);
    quire_differs(FAILS(handle = create(text), ERROR_PATH_NOT_FOUND), (handle = create(text)) != 0,
                  "NAM09 a section Local\\x");
    CloseHandle(handle);
    _snprintf(text, sizeof text, "local\\%s", name);
    ok(FAILS(create(text), ERROR_PATH_NOT_FOUND), "NAM10 a section local\\x");
    ok(FAILS(open_name(text), ERROR_PATH_NOT_FOUND), "NAM10 opening local\\x");
    _snprintf(text, sizeof text, "a\\%s", name);
    ok(FAILS(create(text), ERROR_PATH_NOT_FOUND), "NAM09 a backslash inside");
    _snprintf(text, sizeof text, "\\%s", name);
    ok(FAILS(create(text), ERROR_BAD_PATHNAME), "NAM12 a backslash at the beginning");
    ok(FAILS(open_name(name), ERROR_FILE_NOT_FOUND), "NAM09 nothing was created");
    memset(longer, 'n', sizeof longer);
    longer[300] = '\0';
    ok(FAILS(create(longer), ERROR_FILENAME_EXCED_RANGE), "NAM13 a name of 300 characters");
    longer[200] = '\0';
    handle = create(longer);
    ok(handle != NULL, "NAM13 a name of 200 characters");
    CloseHandle(handle);
}

static void test_prefixes_of_others(void)
{
    const char *name = unique("prefix");
    char global[96], local[96];
    HANDLE one, two;

    _snprintf(global, sizeof global, "Global\\%s", name);
    _snprintf(local, sizeof local, "Local\\%s", name);
    one = CreateEventA(NULL, TRUE, FALSE, local);
    two = OpenEventA(EVENT_ALL_ACCESS, FALSE, name);
    ok(one != NULL && two != NULL && pNtCompareObjects(one, two) == 0,
       "NAM09 an event Local\\x is the event x");
    CloseHandle(one);
    CloseHandle(two);
    one = CreateMutexA(NULL, FALSE, global);
    two = OpenMutexA(MUTEX_ALL_ACCESS, FALSE, global);
    ok(one != NULL && two != NULL && pNtCompareObjects(one, two) == 0, "NAM09 a mutex Global\\x");
    CloseHandle(one);
    CloseHandle(two);
    one = CreateSemaphoreA(NULL, 0, 1, global);
    two = OpenSemaphoreA(SEMAPHORE_ALL_ACCESS, FALSE, global);
    ok(one != NULL && two != NULL && pNtCompareObjects(one, two) == 0,
       "NAM09 a semaphore Global\\x");
    CloseHandle(one);
    CloseHandle(two);
}

static void test_no_name(void)
{
    HANDLE one, two;

    SetLastError(0xDEADBEEF);
    one = create("");
    ok(one != NULL && GetLastError() == 0, "NAM14 the empty name: an unnamed section");
    SetLastError(0xDEADBEEF);
    two = create("");
    ok(two != NULL && GetLastError() == 0 && pNtCompareObjects(one, two) != 0,
       "NAM14 again: another one");
    CloseHandle(one);
    CloseHandle(two);
    ok(FAILS(open_name(""), ERROR_INVALID_HANDLE), "NAM15 opening the empty name");
    ok(FAILS(open_name(NULL), ERROR_INVALID_PARAMETER), "NAM16 opening NULL");
}

static void test_size_of_an_existing_name(void)
{
    const char *name = unique("size");
    HANDLE one = create(name), two;
    char *view;

    SetLastError(0);
    two = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 16 * PAGE, name);
    ok(two != NULL && GetLastError() == ERROR_ALREADY_EXISTS, "NAM18 larger, but it exists");
    view = MapViewOfFile(two, FILE_MAP_WRITE, 0, 0, 0);
    ok(query(view).RegionSize == PAGE, "NAM18 the old size stays");
    UnmapViewOfFile(view);
    ok(MapViewOfFile(two, FILE_MAP_WRITE, 0, 0, 2 * PAGE) == NULL, "NAM18 and bounds a view");
    CloseHandle(one);
    CloseHandle(two);
}

/* The name goes with the last handle and the last view (Wine: with the last handle). */
static void test_usage_counter(void)
{
    const char *name = unique("usage");
    HANDLE one = create(name), two;
    char *view = MapViewOfFile(one, FILE_MAP_WRITE, 0, 0, 0), *other;

    strcpy(view, "still here");
    CloseHandle(one);
    ok(strcmp(view, "still here") == 0, "NAM20 the handle closed: the memory stays usable");
    if (is_quire()) {
        two = open_name(name);
        other = MapViewOfFile(two, FILE_MAP_WRITE, 0, 0, 0);
        ok(other != NULL && strcmp(other, "still here") == 0,
           "NAM20 a view keeps the name: it opens and reaches the same memory");
        CloseHandle(two);
        UnmapViewOfFile(view);
        two = open_name(name);
        ok(two != NULL, "NAM20 one of two views unmapped: the name is there");
        CloseHandle(two);
        UnmapViewOfFile(other);
    } else {
        tap_skip("Wine's names die with the last handle",
                 "NAM20 a view keeps the name: it opens and reaches the same memory");
        tap_skip("Wine's names die with the last handle",
                 "NAM20 one of two views unmapped: the name is there");
        UnmapViewOfFile(view);
    }
    ok(FAILS(open_name(name), ERROR_FILE_NOT_FOUND), "NAM20 the last view gone: so is the name");
    SetLastError(0xDEADBEEF);
    two = create(name);
    ok(two != NULL && GetLastError() == 0, "NAM20 created again: a new object");
    view = MapViewOfFile(two, FILE_MAP_WRITE, 0, 0, 0);
    ok(view[0] == 0, "NAM20 of zeroes");
    UnmapViewOfFile(view);
    CloseHandle(two);
}

static NTSTATUS native(const WCHAR *name, ULONG flags, HANDLE *handle)
{
    LARGE_INTEGER size = {.QuadPart = PAGE};

    return pNtCreateSection(handle, SECTION_ALL_ACCESS, attributes_of(name, flags), &size,
                            PAGE_READWRITE, SEC_COMMIT, NULL);
}

static void test_native_collision(void)
{
    const char *name = unique("native");
    WCHAR path[96];
    HANDLE one = NULL, two = NULL;

    _snwprintf(path, 96, L"\\BaseNamedObjects\\%hs", name);
    ok(STATUS_IS(native(path, 0, &one), STATUS_SUCCESS), "NAM07 by its native name");
    ok(STATUS_IS(native(path, 0, &two), STATUS_OBJECT_NAME_COLLISION),
       "NAM07 again: a name collision");
    ok(two == NULL, "CFM26 and the handle variable is 0");
    ok(STATUS_IS(native(path, OBJ_OPENIF, &two), STATUS_OBJECT_NAME_EXISTS) && two != NULL,
       "NAM07 with OBJ_OPENIF: the one that exists");
    CloseHandle(two);
    two = (HANDLE)(ULONG_PTR)0x55;
    ok(STATUS_IS(pNtOpenSection(&two, SECTION_MAP_READ, attributes_of(path, 0)), STATUS_SUCCESS),
       "NAM07 NtOpenSection");
    CloseHandle(two);
    CloseHandle(one);
    two = (HANDLE)(ULONG_PTR)0x55;
    ok(STATUS_IS(pNtOpenSection(&two, SECTION_MAP_READ, attributes_of(path, 0)),
                 STATUS_OBJECT_NAME_NOT_FOUND) &&
           two == NULL,
       "CFM26 NtOpenSection of what is not there: handle variable 0");
}

/* Length and address of the native name. */
static void test_native_name_limits(void)
{
    static const WCHAR prefix[] = L"\\BaseNamedObjects\\";
    WCHAR *name = VirtualAlloc(NULL, 0x20000, MEM_COMMIT, PAGE_READWRITE);
    LARGE_INTEGER size = {.QuadPart = PAGE};
    UNICODE_STRING string = {65532, 65534, name};
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, &string, 0, NULL, NULL};
    HANDLE handle = NULL;

    for (int i = 0; i < 32768; i++) {
        name[i] = 'q';
    }
    memcpy(name, prefix, sizeof prefix - sizeof(WCHAR));
#define CREATE()                                                                                   \
    pNtCreateSection(&handle, SECTION_ALL_ACCESS, &attributes, &size, PAGE_READWRITE, SEC_COMMIT, 0)
    ok(STATUS_IS(CREATE(), STATUS_SUCCESS), "NAM25 a name of 65532 bytes");
    CloseHandle(handle);
    string.Length = 65534;
    ok(STATUS_IS(CREATE(), STATUS_OBJECT_NAME_INVALID), "NAM25 of 65534 bytes");
    string.Length = 61;
    ok(STATUS_IS(CREATE(), STATUS_OBJECT_NAME_INVALID), "NAM25 of an odd count of bytes");
    string.Length = 60;
    string.Buffer = (WCHAR *)((char *)name + 1);
    ok(STATUS_IS(CREATE(), STATUS_DATATYPE_MISALIGNMENT), "NAM27 at an odd address");
    string.Buffer = (WCHAR *)(ULONG_PTR)0xDEADBEE0;
    ok(STATUS_IS(CREATE(), STATUS_ACCESS_VIOLATION), "NAM27 at an unreadable address");
    attributes.ObjectName = (void *)(ULONG_PTR)0xDEADBEE0;
    ok(STATUS_IS(CREATE(), STATUS_ACCESS_VIOLATION), "NAM27 the name's structure unreadable");
    attributes.ObjectName = NULL;
    attributes.RootDirectory = (HANDLE)(ULONG_PTR)0xDEADBEEC;
    ok(STATUS_IS(CREATE(), STATUS_OBJECT_NAME_INVALID), "NAM26 a root and no name");
    attributes.RootDirectory = NULL;
    ok(STATUS_IS(CREATE(), STATUS_SUCCESS), "NAM26 NtCreateSection without a name: unnamed");
    CloseHandle(handle);
    ok(STATUS_IS(pNtOpenSection(&handle, SECTION_MAP_READ, &attributes),
                 STATUS_OBJECT_PATH_SYNTAX_BAD),
       "NAM26 NtOpenSection without a name");
    ok(STATUS_IS(pNtOpenSection(&handle, SECTION_MAP_READ, NULL), STATUS_INVALID_PARAMETER),
       "NAM26 NtOpenSection without attributes");
    string.Buffer = name + 1;
    attributes.ObjectName = &string;
    ok(STATUS_IS(CREATE(), STATUS_OBJECT_PATH_SYNTAX_BAD), "NAM28 without a leading backslash");
    ok(STATUS_IS(pNtCreateSection(&handle, SECTION_ALL_ACCESS, &attributes, &size, 0x1234,
                                  SEC_COMMIT, NULL),
                 STATUS_INVALID_PAGE_PROTECTION) &&
           handle == NULL,
       "FPA15 a bad protection is reported before a bad name");
    VirtualFree(name, 0, MEM_RELEASE);
}

/* Child: makes the same name, reads what the parent wrote, answers. */
static int second_process(const char *name)
{
    HANDLE handle = create(name);
    volatile LONG *view;

    must(handle != NULL && GetLastError() == ERROR_ALREADY_EXISTS);
    view = MapViewOfFile(handle, FILE_MAP_WRITE, 0, 0, 0);
    must(view != NULL && view[0] == 0x1234);
    view[1] = 0x5678;
    return 7;
}

static void test_second_process(void)
{
    const char *name = unique("second");
    HANDLE handle = create(name);
    volatile LONG *view = MapViewOfFile(handle, FILE_MAP_WRITE, 0, 0, 0);

    view[0] = 0x1234;
    ok(run_child(FALSE, 0, "second %s", name) == 7, "NAM29 a second process: it exists there");
    ok(view[1] == 0x5678, "NAM29 and what it wrote is here");
    UnmapViewOfFile((void *)view);
    CloseHandle(handle);
}

int main(int argc, char **argv)
{
    tap_begin();
    if (argc > 2) {
        return second_process(argv[2]);
    }
    test_create_and_open();
    test_wide_and_narrow();
    test_name_space_per_type();
    test_bad_names();
    test_prefixes_of_others();
    test_no_name();
    test_size_of_an_existing_name();
    test_usage_counter();
    test_native_collision();
    test_native_name_limits();
    test_second_process();
    return tap_end();
}
