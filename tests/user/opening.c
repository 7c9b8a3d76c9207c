/*
 * tests/user/opening.c: CreateFile on files that can be written: every access against every share
 * mode (SHR), dispositions, flags, attributes at creation, deletion and what it leaves.
 */
#include "work.h"

/* --- Share modes --- */

static const struct {
    DWORD access, counts; /* counts: what another handle's share mode must admit */
} accesses[] = {
    {0, 0},
    {FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES | READ_CONTROL | SYNCHRONIZE, 0},
    {FILE_READ_EA | FILE_WRITE_EA, 0},
    {FILE_READ_DATA, FILE_SHARE_READ},
    {FILE_EXECUTE, FILE_SHARE_READ},
    {FILE_WRITE_DATA, FILE_SHARE_WRITE},
    {FILE_APPEND_DATA, FILE_SHARE_WRITE},
    {DELETE, FILE_SHARE_DELETE},
    {GENERIC_READ, FILE_SHARE_READ},
    {GENERIC_WRITE, FILE_SHARE_WRITE},
    {GENERIC_EXECUTE, FILE_SHARE_READ},
    {GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE},
    {GENERIC_READ | DELETE, FILE_SHARE_READ | FILE_SHARE_DELETE},
    {GENERIC_WRITE | DELETE, FILE_SHARE_WRITE | FILE_SHARE_DELETE},
    {GENERIC_ALL, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE},
};
#define ACCESSES (sizeof accesses / sizeof accesses[0])

/* The fact that an access is the example of. */
static const char *fact_of(DWORD access)
{
    switch (access) {
    case FILE_EXECUTE:
        return "SHR06";
    case DELETE:
        return "SHR07";
    case FILE_READ_DATA:
    case FILE_WRITE_DATA:
    case FILE_APPEND_DATA:
    case FILE_READ_EA | FILE_WRITE_EA:
        return "SHR02";
    default:
        return "SHR01";
    }
}

/* Opens a second time in every way; whether each was refused just where the rule says. */
static BOOL second_opens_right(unsigned a, DWORD share)
{
    BOOL right = TRUE;

    for (unsigned b = 0; b < ACCESSES; b++) {
        for (DWORD other = 0; other < 8; other++) {
            BOOL none = accesses[a].counts == 0 || accesses[b].counts == 0;
            BOOL allowed =
                none || ((accesses[b].counts & ~share) == 0 && (accesses[a].counts & ~other) == 0);
            HANDLE second;

            SetLastError(0xDEADBEEF);
            second = create("matrix", accesses[b].access, other, OPEN_EXISTING, 0);
            if ((second != NONE) != allowed ||
                (!allowed && GetLastError() != ERROR_SHARING_VIOLATION)) {
                tap_print("# 0x%lX/%lu then 0x%lX/%lu: %s, last error %lu", accesses[a].access,
                          share, accesses[b].access, other, second == NONE ? "refused" : "allowed",
                          GetLastError());
                right = FALSE;
            }
            if (second != NONE) {
                CloseHandle(second);
            }
        }
    }
    return right;
}

static void test_share_matrix(void)
{
    HANDLE first, second;

    make("matrix", 10);
    for (unsigned a = 0; a < ACCESSES; a++) {
        BOOL right = TRUE;

        for (DWORD share = 0; share < 8; share++) {
            first = create("matrix", accesses[a].access, share, OPEN_EXISTING, 0);
            right = first != NONE && second_opens_right(a, share) && right;
            CloseHandle(first);
        }
        ok(right, "%s access 0x%lX first: refused just where the rule says",
           fact_of(accesses[a].access), accesses[a].access);
    }
    first = create("matrix", READ, FILE_SHARE_READ, OPEN_EXISTING, 0);
    ok(FILE_FAILS(create("matrix", DELETE, FILE_SHARE_READ, OPEN_EXISTING, 0),
                  ERROR_SHARING_VIOLATION),
       "SHR08 DELETE access over a handle that shares reading only");
    ok(FILE_FAILS(create("matrix", BOTH, SHARE_ALL, CREATE_ALWAYS, 0), ERROR_SHARING_VIOLATION) &&
           size_of_file(first) == 10,
       "SHR01 CREATE_ALWAYS over it: refused, the file stays");
    CloseHandle(first);
    first = create("matrix", BOTH, SHARE_RW, OPEN_EXISTING, 0);
    second = create("matrix", BOTH, SHARE_RW, OPEN_EXISTING, 0);
    ok(first != NONE && second != NONE, "SHR01 two that write and share it");
    CloseHandle(first);
    ok(FILE_FAILS(create("matrix", READ, FILE_SHARE_READ, OPEN_EXISTING, 0),
                  ERROR_SHARING_VIOLATION),
       "SHR01 the claim of the one that is left");
    CloseHandle(second);
    first = create("matrix", READ, FILE_SHARE_READ, OPEN_EXISTING, 0);
    ok(first != NONE, "SHR01 closed: nothing is claimed");
    CloseHandle(first);
    DeleteFileA("matrix");
}

/* --- Dispositions --- */

/* Opens NAME; whether the last error and the size are what they must be. */
static BOOL opened(const char *name, DWORD disposition, DWORD error, LONGLONG size)
{
    HANDLE file;
    BOOL right;

    SetLastError(0xDEADBEEF);
    file = create(name, BOTH, 0, disposition, 0);
    right = file != NONE && GetLastError() == error && size_of_file(file) == size;
    CloseHandle(file);
    return right;
}

static void test_dispositions(void)
{
    DWORD done;
    HANDLE file;

    ok(FILE_FAILS(create("none", BOTH, 0, OPEN_EXISTING, 0), ERROR_FILE_NOT_FOUND),
       "SHR10 OPEN_EXISTING of nothing");
    ok(FILE_FAILS(create("none", BOTH, 0, TRUNCATE_EXISTING, 0), ERROR_FILE_NOT_FOUND),
       "SHR12 TRUNCATE_EXISTING of nothing");
    ok(!exists("none"), "SHR10 neither makes a file");
    ok(opened("new", CREATE_NEW, 0, 0), "SHR12 CREATE_NEW: last error 0, size 0");
    ok(FILE_FAILS(create("new", BOTH, 0, CREATE_NEW, 0), ERROR_FILE_EXISTS),
       "SHR12 CREATE_NEW of a file that exists");
    make("new", 100);
    ok(opened("new", OPEN_EXISTING, 0, 100), "SHR10 OPEN_EXISTING: last error 0, contents stay");
    ok(opened("new", OPEN_ALWAYS, ERROR_ALREADY_EXISTS, 100),
       "SHR12 OPEN_ALWAYS on a file that exists: ERROR_ALREADY_EXISTS, contents stay");
    ok(opened("new", CREATE_ALWAYS, ERROR_ALREADY_EXISTS, 0),
       "SHR12 CREATE_ALWAYS on an existing file: ERROR_ALREADY_EXISTS, size 0");
    make("new", 100);
    ok(opened("new", TRUNCATE_EXISTING, 0, 0), "SHR12 TRUNCATE_EXISTING: last error 0, size 0");
    ok(opened("always", OPEN_ALWAYS, 0, 0), "SHR12 OPEN_ALWAYS of nothing: last error 0");
    ok(opened("create", CREATE_ALWAYS, 0, 0), "SHR12 CREATE_ALWAYS of nothing: last error 0");
    ok(FILE_FAILS(create("bad", BOTH, 0, 0, 0), ERROR_INVALID_PARAMETER) &&
           FILE_FAILS(create("bad", BOTH, 0, 6, 0), ERROR_INVALID_PARAMETER),
       "SHR12 dispositions that are none");
    unlike_wine(FILE_FAILS(create("new", READ, 0, TRUNCATE_EXISTING, 0), ERROR_INVALID_PARAMETER),
                "SHR12 TRUNCATE_EXISTING without GENERIC_WRITE");
    ok(FILE_FAILS(create("", BOTH, 0, OPEN_EXISTING, 0), ERROR_PATH_NOT_FOUND) &&
           FILE_FAILS(create(NULL, BOTH, 0, OPEN_EXISTING, 0), ERROR_PATH_NOT_FOUND),
       "SHR10 an empty name, and none");
    ok(FILE_FAILS(create("no\\way", BOTH, 0, CREATE_ALWAYS, 0), ERROR_PATH_NOT_FOUND),
       "SHR12 in a directory that is not there");
    ok(FILE_FAILS(create("new\\below", BOTH, 0, CREATE_ALWAYS, 0), ERROR_PATH_NOT_FOUND),
       "SHR12 below a file");

    file = create("writer", WRITE, 0, CREATE_NEW, 0);
    ok(WriteFile(file, "abc", 3, &done, NULL) && done == 3 &&
           FAILS(ReadFile(file, &done, 1, &done, NULL), ERROR_ACCESS_DENIED),
       "SHR12 a handle that may write only");
    CloseHandle(file);
    file = create("writer", READ, 0, OPEN_EXISTING, 0);
    ok(FAILS(WriteFile(file, "abc", 3, &done, NULL), ERROR_ACCESS_DENIED),
       "SHR12 a handle that may read only");
    unlike_wine(FAILS(SetEndOfFile(file), ERROR_ACCESS_DENIED), "SHR12 nor can it SetEndOfFile");
    CloseHandle(file);
    DeleteFileA("new");
    DeleteFileA("always");
    DeleteFileA("create");
    DeleteFileA("writer");
}

static void test_directories(void)
{
    HANDLE file;

    CreateDirectoryA("below", NULL);
    ok(FILE_FAILS(create("below", READ, SHARE_ALL, OPEN_EXISTING, 0), ERROR_ACCESS_DENIED),
       "SHR10 a directory as a file");
    ok(FILE_FAILS(create("below", BOTH, SHARE_ALL, CREATE_ALWAYS, 0), ERROR_ACCESS_DENIED),
       "SHR12 CREATE_ALWAYS over a directory");
    ok(FILE_FAILS(create("below", BOTH, SHARE_ALL, CREATE_NEW, 0), ERROR_FILE_EXISTS),
       "SHR12 CREATE_NEW over a directory");
    file = create("below", READ, SHARE_ALL, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS);
    ok(file != NONE, "SHR10 a directory with FILE_FLAG_BACKUP_SEMANTICS");
    CloseHandle(file);
    file = create("below\\inside", BOTH, 0, CREATE_NEW, 0);
    ok(file != NONE, "SHR12 a file inside it");
    CloseHandle(file);
    DeleteFileA("below\\inside");
    RemoveDirectoryA("below");
}

/* --- Flags --- */

static void test_flags(void)
{
    static const DWORD flags[] = {FILE_FLAG_WRITE_THROUGH, FILE_FLAG_RANDOM_ACCESS,
                                  FILE_FLAG_SEQUENTIAL_SCAN};
    HANDLE file, other;
    char *page = VirtualAlloc(NULL, PAGE, MEM_COMMIT, PAGE_READWRITE);
    OVERLAPPED at = {.Offset = 0x2000};
    DWORD done = 0;

    for (DWORD i = 0; i < 8; i++) {
        DWORD some = (i & 1 ? flags[0] : 0) | (i & 2 ? flags[1] : 0) | (i & 4 ? flags[2] : 0);
        HANDLE section;
        BOOL right;

        file = fresh_with("flags", 0x3001, BOTH, some);
        section = section_of(file, PAGE_READWRITE, 0);
        right = section != NULL && put(file, 0x2FFF, "zyx", 3) == 3 &&
                byte_at(file, 0x3001) == 'x' && size_of_file(file) == 0x3002;
        CloseHandle(section);
        CloseHandle(file);
        ok(right && size_of_name("flags") == 0x3002,
           "SHR11 WRITE_THROUGH, RANDOM_ACCESS, SEQUENTIAL_SCAN: combination %lu", i);
    }
    file = create("direct", BOTH, SHARE_ALL, CREATE_NEW,
                  FILE_FLAG_NO_BUFFERING | FILE_FLAG_WRITE_THROUGH);
    memset(page, 0x42, PAGE);
    ok(WriteFile(file, page, PAGE, &done, NULL) && done == PAGE, "SHR11 NO_BUFFERING: WriteFile");
    other = reopen("direct", BOTH);
    ok(byte_at(other, 0xFFF) == 0x42 && put(other, 0x10, "q", 1) == 1, "SHR11 others see it");
    memset(page, 0, PAGE);
    ok(get(file, 0, page, PAGE) == PAGE && page[0x10] == 'q' && page[0xFFF] == 0x42,
       "SHR11 and it sees what they write");
    CloseHandle(other);
    CloseHandle(file);

    file = create("overlapped", BOTH, SHARE_ALL, CREATE_NEW, FILE_FLAG_OVERLAPPED);
    at.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL);
    ok((WriteFile(file, "text", 4, NULL, &at) || GetLastError() == ERROR_IO_PENDING) &&
           GetOverlappedResult(file, &at, &done, TRUE) && done == 4,
       "SHR11 OVERLAPPED: WriteFile at an offset, and its result");
    ok(WaitForSingleObject(at.hEvent, 1000) == WAIT_OBJECT_0, "SHR11 its event is set");
    other = reopen("overlapped", READ);
    ok(size_of_file(file) == 0x2004 && is_filled(other, 0, 0x2000, 0), "SHR11 zeroes before it");
    CloseHandle(other);
    ResetEvent(at.hEvent);
    ok((ReadFile(file, page, 10, NULL, &at) || GetLastError() == ERROR_IO_PENDING) &&
           GetOverlappedResult(file, &at, &done, TRUE) && done == 4 && memcmp(page, "text", 4) == 0,
       "SHR11 OVERLAPPED: ReadFile up to the end");
    ok(FAILS(WriteFile(file, "text", 4, &done, NULL), ERROR_INVALID_PARAMETER),
       "SHR11 OVERLAPPED without a structure");
    CloseHandle(at.hEvent);
    CloseHandle(file);
    VirtualFree(page, 0, MEM_RELEASE);
    DeleteFileA("flags");
    DeleteFileA("direct");
    DeleteFileA("overlapped");
}

/* How many pages came from files while a byte was read at each of COUNT places, STEP apart. */
static DWORD pages_read(DWORD flags, DWORD first, DWORD step, DWORD count)
{
    HANDLE file =
        CreateFileA(beside("large.bin"), GENERIC_READ, SHARE_ALL, NULL, OPEN_EXISTING, flags, NULL);
    struct quire_paging before = paging_now();
    BOOL right = TRUE;

    for (DWORD i = 0; i < count; i++) {
        DWORD at = first + i * step;
        right = byte_at(file, at) == data_byte(at) && right;
    }
    CloseHandle(file);
    return right ? (DWORD)(paging_now().file_pages_read - before.file_pages_read) : ~0u;
}

/* Each part of the file is read for the first time. */
static void test_advice(void)
{
    if (is_quire()) {
        pages_read(0, 0, 0x1000, 64); /* so that this program's own pages are here */
        pages_read(FILE_FLAG_RANDOM_ACCESS, 0, 0x1000, 64);
    }
    quire_only(pages_read(FILE_FLAG_RANDOM_ACCESS, 0x200000, 0x11000, 16) == 16,
               "RANDOM_ACCESS reads the pages that are asked for, and no others");
    quire_only(pages_read(FILE_FLAG_SEQUENTIAL_SCAN, 0x400000, 0x1000, 1) == 128,
               "SEQUENTIAL_SCAN reads a whole request ahead at once");
    quire_only(pages_read(0, 0x500800, 0x20000, 4) == 4 * 16,
               "without either something around each page comes along");
}

static void test_delete_on_close(void)
{
    HANDLE file, other;

    file = create("closing", BOTH, SHARE_ALL, CREATE_NEW, FILE_FLAG_DELETE_ON_CLOSE);
    ok(file != NONE && exists("closing") && put(file, 0, "x", 1) == 1,
       "SHR07 FILE_FLAG_DELETE_ON_CLOSE: the file is there while it is open");
    ok(FILE_FAILS(create("closing", READ, SHARE_RW, OPEN_EXISTING, 0), ERROR_SHARING_VIOLATION),
       "SHR07 first handle with DELETE access: an open without FILE_SHARE_DELETE");
    other = reopen("closing", READ);
    ok(other != NONE, "SHR07 with it: allowed");
    CloseHandle(file);
    ok(byte_at(other, 0) == 'x', "SHR07 closed: another handle goes on reading");
    unlike_wine(FILE_FAILS(reopen("closing", READ), ERROR_ACCESS_DENIED),
                "SHR07 nobody can open it any more");
    CloseHandle(other);
    ok(!exists("closing"), "SHR07 gone with the last handle");
    make("closing", 5);
    file = create("closing", READ | DELETE, SHARE_ALL, OPEN_EXISTING, FILE_FLAG_DELETE_ON_CLOSE);
    ok(size_of_file(file) == 5 && CloseHandle(file) && !exists("closing"),
       "SHR07 FILE_FLAG_DELETE_ON_CLOSE on a file that existed");
}

static void test_deleting_open_files(void)
{
    HANDLE file = fresh("open", 100), other;
    FILE_DISPOSITION_INFO info = {TRUE};

    CloseHandle(file);
    file = create("open", READ, SHARE_RW, OPEN_EXISTING, 0);
    ok(FAILS(DeleteFileA("open"), ERROR_SHARING_VIOLATION) && exists("open"),
       "SHR07 DeleteFile of a file that somebody has open without FILE_SHARE_DELETE");
    CloseHandle(file);
    file = reopen("open", READ);
    ok(DeleteFileA("open"), "SHR07 with it: TRUE");
    ok(has_data(file, 0, 100), "SHR07 its handle goes on reading");
    unlike_wine(FILE_FAILS(reopen("open", READ), ERROR_ACCESS_DENIED) &&
                    FILE_FAILS(create("open", BOTH, SHARE_ALL, CREATE_NEW, 0), ERROR_ACCESS_DENIED),
                "SHR07 the name stays taken until the handle is closed");
    CloseHandle(file);
    ok(!exists("open"), "SHR07 then it is gone");
    other = create("open", BOTH, SHARE_ALL, CREATE_NEW, 0);
    ok(other != NONE && size_of_file(other) == 0, "SHR12 and can be made anew");
    CloseHandle(other);
    file = reopen("open", READ | DELETE);
    ok(SetFileInformationByHandle(file, FileDispositionInfo, &info, sizeof info),
       "SHR07 FileDispositionInfo");
    info.DeleteFile = FALSE;
    ok(SetFileInformationByHandle(file, FileDispositionInfo, &info, sizeof info) &&
           CloseHandle(file) && exists("open"),
       "SHR07 taken back: the file stays");
    file = reopen("open", READ);
    info.DeleteFile = TRUE;
    ok(FAILS(SetFileInformationByHandle(file, FileDispositionInfo, &info, sizeof info),
             ERROR_ACCESS_DENIED),
       "SHR07 it needs DELETE access");
    CloseHandle(file);
    ok(DeleteFileA("open") && FAILS(DeleteFileA("open"), ERROR_FILE_NOT_FOUND),
       "SHR07 DeleteFile, and of nothing");
    CreateDirectoryA("dir", NULL);
    ok(FAILS(DeleteFileA("dir"), ERROR_ACCESS_DENIED), "SHR07 DeleteFile of a directory");
    RemoveDirectoryA("dir");
}

/* --- Attributes --- */

static void test_attributes(void)
{
    HANDLE file = create("locked", BOTH, SHARE_ALL, CREATE_NEW, FILE_ATTRIBUTE_READONLY);
    FILE_BASIC_INFO basic;
    DWORD attributes;

    ok(put(file, 0, "abc", 3) == 3, "SHR12 FILE_ATTRIBUTE_READONLY: its first handle may write");
    CloseHandle(file);
    attributes = GetFileAttributesA("locked");
    ok(attributes != GONE && (attributes & FILE_ATTRIBUTE_READONLY), "SHR12 it is read-only");
    /* Wine asks the file system, which lets root do it. */
    unlike_wine(FILE_FAILS(reopen("locked", WRITE), ERROR_ACCESS_DENIED), "SHR12 no open to write");
    unlike_wine(FILE_FAILS(create("locked", BOTH, 0, CREATE_ALWAYS, 0), ERROR_ACCESS_DENIED) &&
                    size_of_name("locked") == 3,
                "SHR12 no CREATE_ALWAYS");
    file = reopen("locked", READ);
    ok(byte_at(file, 1) == 'b', "SHR12 it can be read");
    CloseHandle(file);
    ok(FAILS(DeleteFileA("locked"), ERROR_ACCESS_DENIED) && exists("locked"),
       "SHR12 it cannot be deleted");
    ok(SetFileAttributesA("locked", FILE_ATTRIBUTE_NORMAL) &&
           !(GetFileAttributesA("locked") & FILE_ATTRIBUTE_READONLY),
       "SHR12 SetFileAttributes takes the attribute away");
    file = reopen("locked", BOTH);
    ok(file != NONE, "SHR12 now it can be written");
    ok(GetFileInformationByHandleEx(file, FileBasicInfo, &basic, sizeof basic) &&
           !(basic.FileAttributes & FILE_ATTRIBUTE_READONLY),
       "SHR12 FileBasicInfo tells the attributes");
    basic = (FILE_BASIC_INFO){.FileAttributes = FILE_ATTRIBUTE_READONLY};
    ok(SetFileInformationByHandle(file, FileBasicInfo, &basic, sizeof basic) &&
           (GetFileAttributesA("locked") & FILE_ATTRIBUTE_READONLY) && put(file, 0, "x", 1) == 1,
       "SHR12 and sets them; a handle keeps its rights");
    CloseHandle(file);
    ok(SetFileAttributesA("locked", 0) &&
           !(GetFileAttributesA("locked") & FILE_ATTRIBUTE_READONLY) && DeleteFileA("locked"),
       "SHR12 SetFileAttributes with none: normal");
    ok(FAILS(SetFileAttributesA("none", FILE_ATTRIBUTE_NORMAL), ERROR_FILE_NOT_FOUND),
       "SHR12 SetFileAttributes of nothing");
}

int main(void)
{
    tap_begin();
    work_begin();
    test_share_matrix();
    test_dispositions();
    test_directories();
    test_flags();
    test_advice();
    test_delete_on_close();
    test_deleting_open_files();
    test_attributes();
    return work_end();
}
