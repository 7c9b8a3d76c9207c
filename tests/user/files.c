/*
 * tests/user/files.c: reading files: share modes (SHR), views and ReadFile beside each other (COH),
 * names, positions and directories. The files lie beside the program; nothing is written.
 */
#include "tap.h"

#define NONE INVALID_HANDLE_VALUE

/* Every access that reads or does not, against every share mode, twice. */
static void test_share_matrix(void)
{
    static const struct {
        DWORD access, counts; /* counts: what the other's share mode must admit */
    } accesses[] = {{0, 0},
                    {FILE_READ_ATTRIBUTES, 0},
                    {GENERIC_READ, FILE_SHARE_READ},
                    {FILE_EXECUTE, FILE_SHARE_READ},
                    {FILE_READ_DATA | FILE_EXECUTE, FILE_SHARE_READ}};
    const char *path = beside("page.bin");

    for (unsigned a = 0; a < 5; a++) {
        int right = 1;

        for (DWORD share = 0; share < 8; share++) {
            HANDLE first = open_for(path, accesses[a].access, share);

            for (unsigned b = 0; b < 5; b++) {
                for (DWORD other = 0; other < 8; other++) {
                    BOOL none = accesses[a].counts == 0 || accesses[b].counts == 0;
                    BOOL allowed = none || ((accesses[b].counts & ~share) == 0 &&
                                            (accesses[a].counts & ~other) == 0);
                    HANDLE second;

                    SetLastError(0xDEADBEEF);
                    second = open_for(path, accesses[b].access, other);
                    if ((second != NONE) != allowed ||
                        (!allowed && GetLastError() != ERROR_SHARING_VIOLATION)) {
                        tap_print("# 0x%lX/%lu then 0x%lX/%lu: %s, last error %lu",
                                  accesses[a].access, share, accesses[b].access, other,
                                  second == NONE ? "refused" : "allowed", GetLastError());
                        right = 0;
                    }
                    CloseHandle(second);
                }
            }
            right = right && first != NONE;
            CloseHandle(first);
        }
        ok(right, "%s access 0x%lX first: refused just where the rule says",
           accesses[a].access == FILE_EXECUTE ? "SHR06" : "SHR01", accesses[a].access);
    }
}

static void test_opening(void)
{
    static const DWORD flags[] = {FILE_FLAG_WRITE_THROUGH, FILE_FLAG_RANDOM_ACCESS,
                                  FILE_FLAG_SEQUENTIAL_SCAN};
    HANDLE first, second;
    char path[MAX_PATH];
    int right = 1;

    SetLastError(0xDEADBEEF);
    first = open_file("page.bin");
    ok(first != NONE && GetLastError() == 0, "SHR10 OPEN_EXISTING sets last error to 0");
    second = open_file("page.bin");
    ok(second != NONE && second != first, "SHR01 opened twice to read");
    unlike_wine(FILE_FAILS(open_for(beside("page.bin"), GENERIC_READ | GENERIC_WRITE,
                                    FILE_SHARE_READ | FILE_SHARE_WRITE),
                           ERROR_SHARING_VIOLATION) ||
                    GetLastError() == ERROR_WRITE_PROTECT,
                "SHR01 opened to write: refused");
    CloseHandle(second);
    CloseHandle(first);
    for (DWORD i = 0; i < 8; i++) {
        DWORD some = (i & 1 ? flags[0] : 0) | (i & 2 ? flags[1] : 0) | (i & 4 ? flags[2] : 0);

        first = CreateFileA(beside("page.bin"), GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING,
                            some, NULL);
        second = CreateFileMappingA(first, NULL, PAGE_READONLY, 0, 0, NULL);
        right = right && first != NONE && second != NULL;
        CloseHandle(second);
        CloseHandle(first);
    }
    ok(right, "SHR11 WRITE_THROUGH, RANDOM_ACCESS, SEQUENTIAL_SCAN in every combination");
    ok(FILE_FAILS(open_file("no-such-file.bin"), ERROR_FILE_NOT_FOUND), "SHR10 no such file");
    ok(FILE_FAILS(open_file("no-such-directory\\file.bin"), ERROR_PATH_NOT_FOUND),
       "SHR10 no such directory");
    first = open_file("PAGE.BIN");
    ok(first != NONE && GetFileSize(first, NULL) == 4096, "SHR10 a name in capitals");
    CloseHandle(first);
    strcpy(path, beside("page.bin"));
    for (char *c = path; *c != '\0'; c++) {
        *c = *c == '\\' ? '/' : *c;
    }
    first = open_for(path, GENERIC_READ, FILE_SHARE_READ);
    ok(first != NONE, "SHR10 with forward slashes");
    CloseHandle(first);
    ok(FILE_FAILS(CreateFileA(beside("page.bin"), GENERIC_READ, FILE_SHARE_READ, NULL, CREATE_NEW,
                              0, NULL),
                  ERROR_FILE_EXISTS),
       "SHR12 CREATE_NEW of a file that exists");
}

/* Deleting needs to be shared, whoever comes first. */
static void test_delete_access(void)
{
    HANDLE first = open_for(beside("page.bin"), GENERIC_READ, FILE_SHARE_READ);

    ok(FILE_FAILS(open_for(beside("page.bin"), DELETE, FILE_SHARE_READ), ERROR_SHARING_VIOLATION),
       "SHR08 DELETE access over a handle that does not share it");
    CloseHandle(first);
}

static void test_reading(void)
{
    HANDLE file = open_file("large.bin");
    static unsigned char buffer[0x8000];
    DWORD done = 77, high = 77, at;
    LARGE_INTEGER size, position;
    OVERLAPPED overlapped;
    char *memory;
    int right = 1;

    ok(GetFileSize(file, &high) == 6 * 1024 * 1024 + 100 && high == 0, "COH01 GetFileSize");
    ok(GetFileSizeEx(file, &size) && size.QuadPart == 6 * 1024 * 1024 + 100, "COH01 GetFileSizeEx");
    ok(ReadFile(file, buffer, 100, &done, NULL) && done == 100 && buffer[99] == data_byte(99),
       "COH01 ReadFile");
    ok(ReadFile(file, buffer, 1, &done, NULL) && done == 1 && buffer[0] == data_byte(100),
       "COH01 it goes on from there");
    ok(SetFilePointer(file, 0, NULL, FILE_CURRENT) == 101, "COH01 the position is 101");
    for (at = 0x12345; at < 0x300000 && right; at += 0x7777) {
        SetFilePointer(file, (LONG)at, NULL, FILE_BEGIN);
        right = ReadFile(file, buffer, sizeof buffer, &done, NULL) && done == sizeof buffer;
        for (DWORD i = 0; i < sizeof buffer && right; i++) {
            right = buffer[i] == data_byte(at + i);
        }
    }
    ok(right, "COH01 32 KiB at a time, at odd positions: every byte");
    SetFilePointer(file, -10, NULL, FILE_END);
    ok(ReadFile(file, buffer, 100, &done, NULL) && done == 10 &&
           buffer[9] == data_byte(6 * 1024 * 1024 + 99),
       "COH01 the end of the file: what is there");
    ok(ReadFile(file, buffer, 100, &done, NULL) && done == 0, "COH01 at the end: TRUE and 0 bytes");
    position.QuadPart = -5;
    ok(SetFilePointer(file, -5, NULL, FILE_BEGIN) == INVALID_SET_FILE_POINTER &&
           GetLastError() == ERROR_NEGATIVE_SEEK,
       "COH01 a negative position");
    position.QuadPart = 0x180000000;
    ok(SetFilePointerEx(file, position, &position, FILE_BEGIN) &&
           position.QuadPart == 0x180000000 && ReadFile(file, buffer, 1, &done, NULL) && done == 0,
       "COH01 a position far past the end");
    memset(&overlapped, 0, sizeof overlapped);
    overlapped.Offset = 0x54321;
    ok(ReadFile(file, buffer, 16, &done, &overlapped) && done == 16 &&
           buffer[15] == data_byte(0x54321 + 15),
       "COH01 an offset in OVERLAPPED on a synchronous handle");
    overlapped.Offset = 0x7000000;
    ok(FAILS(ReadFile(file, buffer, 16, &done, &overlapped), ERROR_HANDLE_EOF),
       "COH01 past the end in OVERLAPPED: ERROR_HANDLE_EOF");
    memory = VirtualAlloc(NULL, PAGE, MEM_COMMIT, PAGE_READONLY);
    SetFilePointer(file, 0, NULL, FILE_BEGIN);
    ok(FAILS(ReadFile(file, memory, 16, &done, NULL), ERROR_NOACCESS),
       "COH01 into memory that cannot be written");
    VirtualFree(memory, 0, MEM_RELEASE);
    CloseHandle(file);
    ok(FAILS(ReadFile(file, buffer, 1, &done, NULL), ERROR_INVALID_HANDLE),
       "COH01 a closed handle");
    file = open_for(beside("large.bin"), FILE_READ_ATTRIBUTES, FILE_SHARE_READ);
    ok(FAILS(ReadFile(file, buffer, 1, &done, NULL), ERROR_ACCESS_DENIED),
       "COH01 a handle that may not read");
    CloseHandle(file);
}

static void test_views(void)
{
    HANDLE file = open_file("large.bin"), other = open_file("large.bin"), section, second, small;
    unsigned char *view, *part, *copy, *target;
    DWORD done = 0, size = 6 * 1024 * 1024 + 100;
    int right = 1;

    section = CreateFileMappingA(file, NULL, PAGE_WRITECOPY, 0, 0, NULL);
    second = CreateFileMappingA(other, NULL, PAGE_READONLY, 0, 0x30000, NULL);
    view = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
    for (DWORD at = 0; at < size && right; at += 997) {
        right = view[at] == data_byte(at);
    }
    ok(right && view[size - 1] == data_byte(size - 1), "COH01 a view of 6 MiB: every byte right");
    for (DWORD at = size; at & (PAGE - 1); at++) {
        right = right && view[at] == 0;
    }
    ok(right, "CFM13 zeroes behind the end of the file");
    ok(read_fault(view + ((size + PAGE - 1) & ~(PAGE - 1))) == AV ||
           query(view + size + PAGE).State != MEM_COMMIT ||
           query(view + size + PAGE).AllocationBase != view,
       "OFS03 the view ends with that page");
    part = MapViewOfFile(section, FILE_MAP_READ, 0, 0x450000, 0x10001);
    ok(part != NULL && part[0x10000] == data_byte(0x460000), "OFS03 a part from 0x450000");
    copy = MapViewOfFile(second, FILE_MAP_READ, 0, 0x20000, 0);
    ok(copy != NULL && copy[0xFFFF] == data_byte(0x2FFFF) && query(copy).RegionSize == 0x10000,
       "CFM14 a section of less than the file, through another handle");
    quire_only(frame_of(copy).frame == frame_of(view + 0x20000).frame &&
                   frame_of(copy).frame != UINT32_MAX,
               "COH01 two sections of one file: the same frames");
    UnmapViewOfFile(copy);
    UnmapViewOfFile(part);

    copy = MapViewOfFile(section, FILE_MAP_COPY, 0, 0x200000, 0x10000);
    SetFilePointer(file, 0x1111, NULL, FILE_BEGIN);
    ok(ReadFile(file, copy + 0xFF0, 0x2000, &done, NULL) && done == 0x2000 &&
           copy[0xFF0] == data_byte(0x1111) && copy[0xFF0 + 0x1FFF] == data_byte(0x1111 + 0x1FFF),
       "COH23 ReadFile into a copy view of the same file");
    ok(view[0x200FF0] == data_byte(0x200FF0) && copy[0xFEF] == data_byte(0x200FEF),
       "COH23 the file's own pages do not change");
    UnmapViewOfFile(copy);
    small = memory_section(PAGE_READWRITE, 0x10000);
    target = MapViewOfFile(small, FILE_MAP_WRITE, 0, 0, 0);
    ok(ReadFile(file, target + 1, 0x5000, &done, NULL) && done == 0x5000 &&
           target[1] == data_byte(0x3111),
       "COH23 ReadFile into a view of memory");
    UnmapViewOfFile(target);
    CloseHandle(small);
    CloseHandle(second);
    CloseHandle(section);
    CloseHandle(other);
    CloseHandle(file);
    ok(view[0x345678] == data_byte(0x345678), "CFM24 every handle closed: the view stays");
    UnmapViewOfFile(view);
}

static void test_claim_of_a_section(void)
{
    HANDLE file = open_for(beside("small.bin"), GENERIC_READ, 0);
    HANDLE section = CreateFileMappingA(file, NULL, PAGE_READONLY, 0, 0, NULL);
    char *view = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);

    CloseHandle(file);
    CloseHandle(section);
    file = open_file("small.bin");
    ok(file != NONE, "COH20 a view that cannot write claims nothing from another reader");
    ok((unsigned char)view[4321] == data_byte(4321), "CFM24 and goes on working");
    CloseHandle(file);
    UnmapViewOfFile(view);
}

static void test_attributes(void)
{
    BY_HANDLE_FILE_INFORMATION information;
    WIN32_FILE_ATTRIBUTE_DATA data;
    HANDLE file = open_file("odd.bin"), again = open_file("odd.bin");
    DWORD attributes = GetFileAttributesA(beside("odd.bin"));
    char directory[MAX_PATH];
    DWORD first;

    ok(attributes != INVALID_FILE_ATTRIBUTES && !(attributes & FILE_ATTRIBUTE_DIRECTORY),
       "SHR10 GetFileAttributes of a file");
    strcpy(directory, beside("odd.bin"));
    *strrchr(directory, '\\') = '\0';
    if (strlen(directory) == 2) {
        strcat(directory, "\\");
    }
    attributes = GetFileAttributesA(directory);
    ok(attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY),
       "SHR10 of a directory");
    ok(GetFileAttributesA(beside("no-such-file.bin")) == INVALID_FILE_ATTRIBUTES &&
           GetLastError() == ERROR_FILE_NOT_FOUND,
       "SHR10 of what is not there");
    ok(GetFileAttributesExA(beside("odd.bin"), GetFileExInfoStandard, &data) &&
           data.nFileSizeLow == 0x3456 && data.nFileSizeHigh == 0,
       "SHR10 GetFileAttributesEx tells the size");
    ok(GetFileInformationByHandle(file, &information) && information.nFileSizeLow == 0x3456,
       "SHR10 GetFileInformationByHandle");
    first = information.nFileIndexLow;
    ok(GetFileInformationByHandle(again, &information) && information.nFileIndexLow == first,
       "SHR10 two handles of one file have its number");
    ok(GetFileType(file) == FILE_TYPE_DISK, "SHR10 GetFileType");
    CloseHandle(again);
    CloseHandle(file);
}

static void test_directory(void)
{
    WIN32_FIND_DATAA found;
    HANDLE search;
    char pattern[MAX_PATH];
    int count = 0, seen = 0;

    strcpy(pattern, beside("*.bin"));
    search = FindFirstFileA(pattern, &found);
    ok(search != NONE, "SHR10 FindFirstFile");
    if (search != NONE) {
        do {
            count++;
            if (_stricmp(found.cFileName, "large.bin") == 0) {
                seen = found.nFileSizeLow == 6 * 1024 * 1024 + 100;
            }
        } while (FindNextFileA(search, &found));
        ok(GetLastError() == ERROR_NO_MORE_FILES, "SHR10 the list ends with ERROR_NO_MORE_FILES");
        ok(count >= 4 && seen, "SHR10 it holds the files and their sizes");
        ok(FindClose(search), "SHR10 FindClose");
    }
    ok(FILE_FAILS(FindFirstFileA(beside("no-such-*.none"), &found), ERROR_FILE_NOT_FOUND),
       "SHR10 FindFirstFile of nothing");
}

/* The directory of the system's DLLs, whatever it is called: two levels deep on both systems. */
static const struct {
    const char *name, *full; /* behind that directory; the last one: absolute */
} names[] = {{".", ""},           {"a", "\\a"},
             {"a\\..\\b", "\\b"}, {".\\a.\\", "\\a\\"},
             {"a/b", "\\a\\b"},   {"..\\..\\..\\x", "C:\\x"}};

static void test_paths(void)
{
    char root[MAX_PATH] = "";
    char path[MAX_PATH] = "", here[MAX_PATH] = "", full[MAX_PATH] = "", *name = NULL;
    HANDLE file;

    strcpy(path, beside(""));
    *strrchr(path, '\\') = '\0';
    if (strlen(path) == 2) {
        strcat(path, "\\");
    }
    ok(SetCurrentDirectoryA(path), "SHR10 SetCurrentDirectory");
    ok(GetCurrentDirectoryA(sizeof here, here) == strlen(path) && _stricmp(here, path) == 0,
       "SHR10 GetCurrentDirectory");
    file = open_for("odd.bin", GENERIC_READ, FILE_SHARE_READ);
    ok(file != NONE, "SHR10 a relative name");
    CloseHandle(file);
    file = open_for(".\\x\\..\\odd.bin", GENERIC_READ, FILE_SHARE_READ);
    ok(file != NONE, "SHR10 one with dots");
    CloseHandle(file);
    ok(GetFullPathNameA("odd.bin", sizeof full, full, &name) != 0 &&
           _stricmp(full, beside("odd.bin")) == 0 && name != NULL && strcmp(name, "odd.bin") == 0,
       "SHR10 GetFullPathName");
    GetModuleFileNameA(GetModuleHandleA("kernel32.dll"), root, sizeof root);
    *strrchr(root, '\\') = '\0';
    ok(SetCurrentDirectoryA(root) && GetCurrentDirectoryA(sizeof here, here) == strlen(root),
       "SHR10 another current directory");
    for (int i = 0; i < 6; i++) {
        _snprintf(path, sizeof path, "%s%s", i < 5 ? root : "", names[i].full);
        full[0] = '\0';
        ok(GetFullPathNameA(names[i].name, sizeof full, full, NULL) == strlen(path) &&
               _stricmp(full, path) == 0,
           "SHR10 the full name of \"%s\"", names[i].name);
    }
    ok(!SetCurrentDirectoryA("no-such-directory"), "SHR10 a directory that is not there");
}

/* Child: reads the file through its own view and gives a byte of it. */
static int child(void)
{
    HANDLE file = open_file("large.bin");
    HANDLE section = CreateFileMappingA(file, NULL, PAGE_READONLY, 0, 0, NULL);
    unsigned char *view = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);

    must(view != NULL);
    CloseHandle(file);
    for (DWORD at = 0; at < 0x600000; at += 4093) {
        must(view[at] == data_byte(at));
    }
    return view[0x5ABCDE];
}

static void test_two_processes(void)
{
    struct child children[4];
    int right = 1;

    for (int i = 0; i < 4; i++) {
        right = start_child(&children[i], FALSE, 0, "child") && right;
    }
    for (int i = 0; i < 4; i++) {
        right = end_child(&children[i]) == data_byte(0x5ABCDE) && right;
    }
    ok(right, "COH01 four processes read one file through their views at once");
}

int main(int argc, char **argv)
{
    (void)argv;
    tap_begin();
    if (argc > 1) {
        return child();
    }
    test_share_matrix();
    test_opening();
    test_delete_access();
    test_reading();
    test_views();
    test_claim_of_a_section();
    test_attributes();
    test_directory();
    test_paths();
    test_two_processes();
    return tap_end();
}
