/*
 * tests/user/create.c: making sections: sizes and arguments (CFM), protection against the file's
 * access (FPA), attributes (SEC). Files are only read.
 */
#include "tap.h"

#define NO_FILE INVALID_HANDLE_VALUE

/* NtCreateSection of memory, or of FILE; closes what it made. */
static NTSTATUS native(LONGLONG nbytes, ULONG protection, ULONG flags, HANDLE file)
{
    LARGE_INTEGER size = {.QuadPart = nbytes};
    HANDLE handle = NULL;
    NTSTATUS status;

    status = pNtCreateSection(&handle, SECTION_ALL_ACCESS, NULL, &size, protection, flags, file);
    if (status >= 0) {
        CloseHandle(handle);
    }
    return status;
}

/* CreateFileMapping; closes what it made. */
static BOOL made(HANDLE file, DWORD flags, DWORD nbytes)
{
    HANDLE handle = CreateFileMappingA(file, NULL, flags, 0, nbytes, NULL);

    if (handle != NULL) {
        CloseHandle(handle);
    }
    return handle != NULL;
}

static LONGLONG size_of(HANDLE file, DWORD flags, DWORD nbytes, ULONG *attributes)
{
    HANDLE handle = CreateFileMappingA(file, NULL, flags, 0, nbytes, NULL);
    struct section_basic basic = section_basic(handle);

    CloseHandle(handle);
    if (attributes != NULL) {
        *attributes = basic.attributes;
    }
    return tap_status < 0 ? -1 : basic.size.QuadPart;
}

static void test_arguments(void)
{
    HANDLE event = CreateEventA(NULL, FALSE, FALSE, NULL), handle;
    LARGE_INTEGER size = {.QuadPart = PAGE};

    ok(FAILS(made(NO_FILE, PAGE_READWRITE, 0), ERROR_INVALID_PARAMETER), "CFM01 size 0");
    SetLastError(0xDEADBEEF);
    handle = memory_section(PAGE_READWRITE, PAGE);
    ok(handle != NULL && GetLastError() == 0, "CFM02 last error becomes 0");
    CloseHandle(handle);
    ok(FAILS(made((HANDLE)(ULONG_PTR)0x7770, PAGE_READONLY, 0), ERROR_INVALID_HANDLE),
       "CFM04 a value that is no handle");
    ok(FAILS(made(event, PAGE_READONLY, 0), ERROR_INVALID_HANDLE), "CFM05 an event as the file");
    ok(STATUS_IS(native(PAGE, PAGE_READONLY, SEC_COMMIT, event), STATUS_OBJECT_TYPE_MISMATCH),
       "CFM05 an event as the file, native");
    CloseHandle(event);
    quire_differs(STATUS_IS(native(0, PAGE_READWRITE, SEC_COMMIT, 0), STATUS_INVALID_PARAMETER_4),
                  STATUS_IS(native(0, PAGE_READWRITE, SEC_COMMIT, 0), STATUS_INVALID_PARAMETER),
                  "CFM18 native size 0");
    handle = (HANDLE)(ULONG_PTR)0x55;
    ok(pNtCreateSection(&handle, SECTION_ALL_ACCESS, NULL, &size, 0x1234, SEC_COMMIT, 0) < 0 &&
           handle == NULL,
       "CFM26 a failing NtCreateSection stores 0");
    ok(STATUS_IS(pNtCreateSection((HANDLE *)(ULONG_PTR)0xDEADBEE0, SECTION_ALL_ACCESS, NULL, &size,
                                  PAGE_READWRITE, SEC_COMMIT, 0),
                 STATUS_ACCESS_VIOLATION),
       "CFM27 an unwritable handle pointer");
    ok(STATUS_IS(pNtOpenSection((HANDLE *)(ULONG_PTR)0xDEADBEE0, SECTION_MAP_READ,
                                attributes_of(L"\\BaseNamedObjects\\quire-none", 0)),
                 STATUS_ACCESS_VIOLATION),
       "CFM27 an unwritable handle pointer for NtOpenSection");
    ok(STATUS_IS(pNtCreateSection(&handle, 0, NULL, &size, PAGE_READWRITE, SEC_COMMIT, 0), 0) &&
           handle != NULL,
       "CFM29 DesiredAccess 0");
    ok(granted(handle) == 0 && MapViewOfFile(handle, FILE_MAP_READ, 0, 0, 0) == NULL &&
           CloseHandle(handle),
       "CFM29 such a handle is good for closing only");
}

static void test_memory_sizes(void)
{
    ULONG attributes;

    ok(size_of(NO_FILE, PAGE_READWRITE, 0x3452, NULL) == 0x4000, "CFM16 0x3452 bytes: 0x4000");
    ok(size_of(NO_FILE, PAGE_READWRITE, 4090, NULL) == 4096, "CFM16 4090 bytes: 4096");
    ok(size_of(NO_FILE, PAGE_READWRITE, 0x123, NULL) == 0x1000, "CFM16 0x123 bytes: 0x1000");
    ok(size_of(NO_FILE, PAGE_READWRITE, 1, NULL) == 0x1000, "CFM16 1 byte: 0x1000");
    ok(size_of(NO_FILE, PAGE_READWRITE | SEC_RESERVE, 0x1001, &attributes) == 0x2000 &&
           attributes == SEC_RESERVE,
       "CFM17 0x1001 bytes with SEC_RESERVE: 0x2000");
    quire_differs(STATUS_IS(native(-1, PAGE_READWRITE, SEC_COMMIT, 0), STATUS_SECTION_TOO_BIG), 1,
                  "CFM19 native size -1");
    unlike_wine(
        STATUS_IS(native(0x8000000000, PAGE_READWRITE, SEC_COMMIT, 0), STATUS_COMMITMENT_LIMIT),
        "CFM20 512 GiB committed");
    unlike_wine(native(0x80000000000, PAGE_READWRITE, SEC_RESERVE, 0) == STATUS_SECTION_TOO_BIG ||
                    native(0x80000000000, PAGE_READWRITE, SEC_RESERVE, 0) ==
                        STATUS_INSUFFICIENT_RESOURCES,
                "CFM22 8 TiB reserved");
    unlike_wine(
        STATUS_IS(native(0x800000000000, PAGE_READWRITE, SEC_RESERVE, 0), STATUS_SECTION_TOO_BIG),
        "CFM22 128 TiB reserved");
    unlike_wine(FAILS(CreateFileMappingA(NO_FILE, NULL, PAGE_READWRITE, 0x80, 0, NULL),
                      ERROR_COMMITMENT_LIMIT),
                "CFM20 512 GiB by CreateFileMapping");
}

static void test_file_sizes(void)
{
    HANDLE empty = open_file("empty.bin"), odd = open_file("odd.bin"), file, handle;
    unsigned char *view;
    DWORD size;

    ok(empty != NO_FILE && odd != NO_FILE, "the data files are there");
    ok(FAILS(made(empty, PAGE_READONLY, 0), ERROR_FILE_INVALID), "CFM06 an empty file");
    ok(STATUS_IS(native(0, PAGE_READONLY, SEC_COMMIT, empty), STATUS_MAPPED_FILE_SIZE_ZERO),
       "CFM06 an empty file, native");
    ok(FAILS(made(empty, PAGE_READONLY | SEC_IMAGE, 0), ERROR_BAD_EXE_FORMAT),
       "CFM08 an empty file as an image");
    ok(STATUS_IS(native(0, PAGE_READONLY, SEC_IMAGE, empty), STATUS_INVALID_FILE_FOR_SECTION),
       "CFM08 an empty file as an image, native");
    ok(FAILS(made(odd, PAGE_READONLY, 0x3457), ERROR_NOT_ENOUGH_MEMORY),
       "CFM09 one byte more than the file");
    ok(STATUS_IS(native(0x3457, PAGE_READONLY, SEC_COMMIT, odd), STATUS_SECTION_TOO_BIG),
       "CFM09 one byte more than the file, native");
    ok(GetFileSize(odd, NULL) == 0x3456, "CFM09 the file did not grow");
    ok(size_of(odd, PAGE_READONLY, 0, NULL) == 0x3456, "CFM14 size 0: the file's, exactly");
    ok(size_of(odd, PAGE_READONLY, 0x1111, NULL) == 0x1111, "CFM14 a smaller size, exactly");
    ok(STATUS_IS(native(-1, PAGE_READONLY, SEC_COMMIT, odd), STATUS_SECTION_TOO_BIG),
       "CFM19 native size -1 of a file");
    ok(STATUS_IS(native(0, PAGE_READONLY, SEC_COMMIT, odd), STATUS_SUCCESS),
       "CFM23 native size 0 of a file");
    ok(FAILS(made(odd, PAGE_READWRITE, 0x10000), ERROR_ACCESS_DENIED),
       "CFM30 read-only file, PAGE_READWRITE and larger: access before size");
    CloseHandle(empty);
    CloseHandle(odd);

    file = open_for(beside("small.bin"), GENERIC_READ, 0);
    size = GetFileSize(file, NULL);
    handle = CreateFileMappingA(file, NULL, PAGE_READONLY, 0, 0, NULL);
    CloseHandle(file);
    view = MapViewOfFile(handle, FILE_MAP_READ, 0, 0, 0);
    ok(size == 5000 && view != NULL && view[0] == data_byte(0) && view[4999] == data_byte(4999),
       "CFM24 the file handle closed, share mode 0: the view works");
    ok(view != NULL && view[5000] == 0 && view[8191] == 0, "CFM13 past the end: zeroes");
    UnmapViewOfFile(view);
    CloseHandle(handle);
}

static void test_protection(void)
{
    static const DWORD good[] = {PAGE_READONLY,     PAGE_READWRITE,         PAGE_WRITECOPY,
                                 PAGE_EXECUTE_READ, PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY};
    static const DWORD bad[] = {
        PAGE_READONLY | PAGE_READWRITE,        PAGE_WRITECOPY | PAGE_READONLY,
        PAGE_EXECUTE_READ | PAGE_EXECUTE,      PAGE_READWRITE | PAGE_WRITECOPY,
        PAGE_READWRITE | PAGE_EXECUTE_READ,    PAGE_READONLY | PAGE_EXECUTE_READWRITE,
        PAGE_NOACCESS | PAGE_READWRITE,        PAGE_EXECUTE_READ | PAGE_EXECUTE_WRITECOPY,
        PAGE_READONLY | PAGE_EXECUTE_WRITECOPY};
    static const DWORD rights[] = {SECTION_QUERY | SECTION_MAP_READ,
                                   SECTION_QUERY | SECTION_MAP_READ | SECTION_MAP_WRITE,
                                   SECTION_QUERY | SECTION_MAP_READ,
                                   SECTION_QUERY | SECTION_MAP_READ | SECTION_MAP_EXECUTE,
                                   SECTION_QUERY | SECTION_MAP_READ | SECTION_MAP_WRITE |
                                       SECTION_MAP_EXECUTE,
                                   SECTION_QUERY | SECTION_MAP_READ | SECTION_MAP_EXECUTE};

    ok(FAILS(made(NO_FILE, PAGE_NOACCESS, PAGE), ERROR_INVALID_PARAMETER), "FPA01 PAGE_NOACCESS");
    ok(FAILS(made(NO_FILE, 0, PAGE), ERROR_INVALID_PARAMETER), "FPA03 protection 0");
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ok(FAILS(made(NO_FILE, bad[i], PAGE), ERROR_INVALID_PARAMETER), "FPA04 protection 0x%02lX",
           bad[i]);
        ok(STATUS_IS(native(PAGE, bad[i], SEC_COMMIT, 0), STATUS_INVALID_PAGE_PROTECTION),
           "FPA04 protection 0x%02lX, native", bad[i]);
    }
    for (unsigned i = 0; i < sizeof good / sizeof good[0]; i++) {
        HANDLE handle = memory_section(good[i], PAGE);

        ok(handle != NULL, "FPA13 protection 0x%02lX", good[i]);
        ok((granted(handle) & 0xFFFF) == rights[i], "FPA18 protection 0x%02lX: rights 0x%lX",
           good[i], rights[i]);
        CloseHandle(handle);
    }
    unlike_wine(
        STATUS_IS(native(PAGE, PAGE_NOACCESS, SEC_COMMIT, 0), STATUS_INVALID_PAGE_PROTECTION),
        "FPA14 PAGE_NOACCESS, native");
    ok(STATUS_IS(native(PAGE, 0x1234, SEC_COMMIT, 0), STATUS_INVALID_PAGE_PROTECTION),
       "FPA15 protection 0x1234");
}

/* A section of PAGE_EXECUTE admits only views that execute. */
static void test_execute_only(void)
{
    static const ULONG protections[] = {PAGE_EXECUTE, PAGE_READONLY, PAGE_READWRITE};
    LARGE_INTEGER size = {.QuadPart = PAGE};
    NTSTATUS status[3] = {0};
    HANDLE handle = NULL;

    if (!is_quire()) {
        tap_skip("not so in Wine", "FPA17 NtCreateSection accepts PAGE_EXECUTE");
        tap_skip("not so in Wine", "FPA17 its views execute, and neither read nor write");
        return;
    }
    ok(STATUS_IS(
           pNtCreateSection(&handle, SECTION_ALL_ACCESS, NULL, &size, PAGE_EXECUTE, SEC_COMMIT, 0),
           STATUS_SUCCESS),
       "FPA17 NtCreateSection accepts PAGE_EXECUTE");
    for (int i = 0; i < 3; i++) {
        void *base = NULL;
        SIZE_T nbytes = 0;

        status[i] = pNtMapViewOfSection(handle, GetCurrentProcess(), &base, 0, 0, NULL, &nbytes, 1,
                                        0, protections[i]);
    }
    ok(status[0] == STATUS_SUCCESS && status[1] == STATUS_SECTION_PROTECTION &&
           status[2] == STATUS_SECTION_PROTECTION,
       "FPA17 its views execute, and neither read nor write");
    CloseHandle(handle);
}

static void test_file_access(void)
{
    HANDLE file = open_file("small.bin");
    HANDLE none = open_for(beside("small.bin"), 0, FILE_SHARE_READ | FILE_SHARE_WRITE);

    ok(FAILS(made(file, PAGE_READWRITE, 0), ERROR_ACCESS_DENIED),
       "FPA06 file opened to read: PAGE_READWRITE");
    ok(made(file, PAGE_READONLY, 0), "FPA07 file opened to read: PAGE_READONLY");
    ok(made(file, PAGE_WRITECOPY, 0), "FPA07 file opened to read: PAGE_WRITECOPY");
    quire_differs(FAILS(made(file, PAGE_EXECUTE_READ, 0), ERROR_ACCESS_DENIED),
                  made(file, PAGE_EXECUTE_READ, 0), "FPA08 file opened to read: PAGE_EXECUTE_READ");
    ok(none != NO_FILE, "FPA11 a file opened with access 0");
    ok(FAILS(made(none, PAGE_READONLY, 0), ERROR_ACCESS_DENIED), "FPA11 PAGE_READONLY");
    ok(FAILS(made(none, PAGE_WRITECOPY, 0), ERROR_ACCESS_DENIED), "FPA11 PAGE_WRITECOPY");
    ok(FAILS(made(none, PAGE_READWRITE, 0), ERROR_ACCESS_DENIED), "FPA11 PAGE_READWRITE");
    CloseHandle(none);
    CloseHandle(file);
    file = open_for(beside("small.bin"), GENERIC_READ | GENERIC_EXECUTE, FILE_SHARE_READ);
    ok(made(file, PAGE_EXECUTE_READ, 0), "FPA05 with GENERIC_EXECUTE: PAGE_EXECUTE_READ");
    ok(made(file, PAGE_EXECUTE_WRITECOPY, 0), "FPA05 and PAGE_EXECUTE_WRITECOPY");
    CloseHandle(file);
}

static void test_attributes(void)
{
    HANDLE file = open_file("small.bin"), handle;
    MEMORY_BASIC_INFORMATION info;
    ULONG attributes;
    DWORD before;
    char *view;

    size_of(NO_FILE, PAGE_READWRITE, PAGE, &attributes);
    ok(attributes == SEC_COMMIT, "SEC01 no flag means SEC_COMMIT");
    ok(FAILS(made(NO_FILE, PAGE_READWRITE | SEC_RESERVE | SEC_COMMIT, PAGE),
             ERROR_INVALID_PARAMETER),
       "SEC02 SEC_RESERVE and SEC_COMMIT");
    ok(FAILS(made(file, PAGE_READONLY | SEC_RESERVE | SEC_COMMIT, 0), ERROR_INVALID_PARAMETER),
       "SEC02 SEC_RESERVE and SEC_COMMIT, of a file");
    ok(FAILS(made(file, PAGE_READONLY | SEC_IMAGE, 0), ERROR_BAD_EXE_FORMAT),
       "SEC04 SEC_IMAGE of a file that is no PE");
    ok(STATUS_IS(native(0, PAGE_READONLY, SEC_IMAGE, file), STATUS_INVALID_IMAGE_NOT_MZ),
       "SEC04 SEC_IMAGE of a file that is no PE, native");
    ok(FAILS(made(file, PAGE_READONLY | SEC_FILE, 0), ERROR_INVALID_PARAMETER), "SEC07 SEC_FILE");
    ok(FAILS(made(file, PAGE_READONLY | SEC_FILE | SEC_COMMIT, 0), ERROR_INVALID_PARAMETER),
       "SEC07 SEC_FILE and SEC_COMMIT");
    ok(FAILS(made(NO_FILE, PAGE_READWRITE | SEC_FILE | SEC_RESERVE, PAGE), ERROR_INVALID_PARAMETER),
       "SEC07 SEC_FILE and SEC_RESERVE");
    size_of(file, PAGE_READONLY, 0, &attributes);
    ok(attributes == SEC_FILE, "SEC09 a data file: SEC_FILE");
    size_of(file, PAGE_READONLY | SEC_COMMIT, 0, &attributes);
    ok(attributes == SEC_FILE, "SEC09 a data file with SEC_COMMIT: SEC_FILE");
    size_of(NO_FILE, PAGE_READWRITE | SEC_COMMIT | SEC_NOCACHE, PAGE, &attributes);
    ok(attributes == (SEC_COMMIT | SEC_NOCACHE), "SEC10 SEC_COMMIT and SEC_NOCACHE");
    size_of(file, PAGE_READONLY | SEC_COMMIT | SEC_NOCACHE, 0, &attributes);
    ok(attributes == (SEC_FILE | SEC_NOCACHE), "SEC10 SEC_COMMIT and SEC_NOCACHE, of a file");
    ok(FAILS(made(NO_FILE, PAGE_READWRITE | SEC_LARGE_PAGES, PAGE), ERROR_INVALID_PARAMETER),
       "SEC13 SEC_LARGE_PAGES");
    ok(FAILS(made(NO_FILE, PAGE_READWRITE | SEC_LARGE_PAGES | SEC_RESERVE, PAGE),
             ERROR_INVALID_PARAMETER),
       "SEC13 SEC_LARGE_PAGES and SEC_RESERVE");
    ok(FAILS(made(file, PAGE_READONLY | SEC_LARGE_PAGES, 0), ERROR_INVALID_PARAMETER),
       "SEC13 SEC_LARGE_PAGES of a file");

    handle = memory_section(PAGE_READWRITE | SEC_COMMIT | SEC_NOCACHE, 2 * PAGE);
    view = MapViewOfFile(handle, FILE_MAP_WRITE, 0, 0, 0);
    before = query(view).AllocationProtect;
    ok(VirtualAlloc(view, PAGE, MEM_COMMIT, PAGE_READONLY) == view, "SEC12 commit in the view");
    info = query(view);
    unlike_wine(info.Protect == (PAGE_READONLY | PAGE_NOCACHE) && info.AllocationProtect == before,
                "SEC12 reads back PAGE_READONLY and PAGE_NOCACHE");
    UnmapViewOfFile(view);
    CloseHandle(handle);

    handle = CreateFileMappingA(file, NULL, PAGE_READONLY | SEC_RESERVE, 0, 0, NULL);
    view = MapViewOfFile(handle, FILE_MAP_READ, 0, 0, 0);
    ok(view != NULL && query(view).State == MEM_COMMIT && query(view).RegionSize == 2 * PAGE,
       "SEC15 a file with SEC_RESERVE: its view is committed");
    UnmapViewOfFile(view);
    CloseHandle(handle);
    CloseHandle(file);
}

/* The paging file holds no image. */
static void test_image_of_memory(void)
{
    ok(FAILS(memory_section(PAGE_READONLY | SEC_IMAGE, PAGE), ERROR_BAD_EXE_FORMAT),
       "SEC04 SEC_IMAGE without a file");
    ok(STATUS_IS(native(PAGE, PAGE_READONLY, SEC_IMAGE, NULL), STATUS_INVALID_FILE_FOR_SECTION),
       "SEC04 NtCreateSection: STATUS_INVALID_FILE_FOR_SECTION");
    ok(FAILS(memory_section(PAGE_READONLY | SEC_IMAGE | SEC_RESERVE, PAGE),
             ERROR_INVALID_PARAMETER),
       "SEC04 with SEC_RESERVE");
}

static void test_native_attributes(void)
{
    static const ULONG bad[] = {0, 0xFFFFFFFF, SEC_COMMIT | SEC_RESERVE, SEC_IMAGE | SEC_COMMIT,
                                SEC_NOCACHE};

    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        HANDLE file = (bad[i] & SEC_IMAGE) && bad[i] != 0xFFFFFFFF ? open_file("small.bin") : NULL;

        quire_differs(
            STATUS_IS(native(PAGE, PAGE_READONLY, bad[i], file), STATUS_INVALID_PARAMETER_6),
            STATUS_IS(native(PAGE, PAGE_READONLY, bad[i], file), STATUS_INVALID_PARAMETER) ||
                file != NULL,
            "SEC14 AllocationAttributes 0x%lX", bad[i]);
        CloseHandle(file);
    }
}

int main(void)
{
    tap_begin();
    test_arguments();
    test_memory_sizes();
    test_file_sizes();
    test_protection();
    test_execute_only();
    test_file_access();
    test_attributes();
    test_image_of_memory();
    test_native_attributes();
    return tap_end();
}
