/*
 * tests/user/writing.c: WriteFile, positions, sizes, holes, files of more than 2 and 4 GiB, times,
 * and what is told of an open file.
 */
#include "work.h"

#define GIB 0x40000000ll

static void test_positions(void)
{
    HANDLE file = create("positions", BOTH, SHARE_ALL, CREATE_NEW, 0);
    LARGE_INTEGER at;
    LONG high = 0;
    DWORD done = 77;
    char text[16] = "";

    ok(WriteFile(file, "0123456789", 10, &done, NULL) && done == 10 && size_of_file(file) == 10,
       "WriteFile tells how much it wrote; the file has that size");
    ok(SetFilePointer(file, 0, NULL, FILE_CURRENT) == 10, "the position is behind it");
    ok(WriteFile(file, "ab", 2, &done, NULL) && size_of_file(file) == 12, "the next goes on there");
    ok(SetFilePointer(file, 3, NULL, FILE_BEGIN) == 3 && WriteFile(file, "X", 1, &done, NULL) &&
           size_of_file(file) == 12 && SetFilePointer(file, 0, NULL, FILE_CURRENT) == 4,
       "in the middle: the size stays");
    ok(SetFilePointer(file, -2, NULL, FILE_END) == 10 && ReadFile(file, text, 2, &done, NULL) &&
           memcmp(text, "ab", 2) == 0,
       "from the end");
    ok(SetFilePointer(file, -6, NULL, FILE_CURRENT) == 6, "from where it is, backwards");
    ok(SetFilePointer(file, -7, NULL, FILE_CURRENT) == INVALID_SET_FILE_POINTER &&
           GetLastError() == ERROR_NEGATIVE_SEEK &&
           SetFilePointer(file, 0, NULL, FILE_CURRENT) == 6,
       "before the beginning: ERROR_NEGATIVE_SEEK, the position stays");
    ok(SetFilePointer(file, 0, NULL, 3) == INVALID_SET_FILE_POINTER &&
           GetLastError() == ERROR_INVALID_PARAMETER,
       "from nowhere: ERROR_INVALID_PARAMETER");
    ok(SetFilePointer(file, 100, NULL, FILE_BEGIN) == 100 && size_of_file(file) == 12 &&
           ReadFile(file, text, 1, &done, NULL) && done == 0,
       "behind the end: allowed, nothing is read, the size stays");
    ok(WriteFile(file, "", 0, &done, NULL) && done == 0 && size_of_file(file) == 12,
       "writing nothing there changes nothing");
    ok(WriteFile(file, "!", 1, &done, NULL) && size_of_file(file) == 101 &&
           is_filled(file, 12, 88, 0),
       "writing there: zeroes between");
    ok(set_end(file, 50) && size_of_file(file) == 50 && set_end(file, 60) &&
           is_filled(file, 12, 48, 0),
       "SetEndOfFile: shorter, longer");
    ok(put(file, 20, "at", 2) == 2 && SetFilePointer(file, 0, NULL, FILE_CURRENT) == 22,
       "OVERLAPPED gives the place, and the position follows");
    ok(get(file, 58, text, 10) == 2, "OVERLAPPED at the end: what is there");
    high = 1;
    ok(SetFilePointer(file, 5, &high, FILE_BEGIN) == 5 && high == 1, "a position past 4 GiB");
    unlike_wine(SetFilePointer(file, 0, NULL, FILE_CURRENT) == INVALID_SET_FILE_POINTER &&
                    GetLastError() == ERROR_INVALID_PARAMETER,
                "which cannot be told without the high half");
    at.QuadPart = 0;
    ok(SetFilePointerEx(file, at, &at, FILE_CURRENT) && at.QuadPart == 0x100000005ll,
       "SetFilePointerEx tells it");
    SetLastError(1);
    high = 0;
    ok(SetFilePointer(file, -1, &high, FILE_BEGIN) == 0xFFFFFFFF && GetLastError() == 0 &&
           high == 0,
       "a position of 0xFFFFFFFF: last error 0");
    ok(FAILS(WriteFile(file, (void *)(ULONG_PTR)0x10, 4, &done, NULL), ERROR_INVALID_USER_BUFFER) ||
           GetLastError() == ERROR_NOACCESS,
       "from memory that is not there");
    ok(size_of_file(file) == 60, "and nothing is written");
    CloseHandle(file);
    ok(FAILS(WriteFile(file, "x", 1, &done, NULL), ERROR_INVALID_HANDLE), "a closed handle");
}

static void test_append(void)
{
    HANDLE file = create("append", FILE_APPEND_DATA | SYNCHRONIZE, SHARE_ALL, CREATE_NEW, 0);
    OVERLAPPED end = {.Offset = 0xFFFFFFFF, .OffsetHigh = 0xFFFFFFFF};
    HANDLE other = reopen("append", BOTH);
    DWORD done;
    char text[16];

    ok(WriteFile(file, "one ", 4, &done, NULL) && WriteFile(other, "ONE two ", 8, &done, NULL) &&
           WriteFile(file, "three", 5, &done, NULL),
       "FILE_APPEND_DATA: two handles write");
    ok(get(other, 0, text, 16) == 13 && memcmp(text, "ONE two three", 13) == 0,
       "a handle that may only append writes at the end");
    ok(WriteFile(other, "!", 1, &done, &end) && size_of_file(other) == 14 &&
           byte_at(other, 13) == '!',
       "an offset of -1 in OVERLAPPED: at the end");
    CloseHandle(other);
    CloseHandle(file);
}

static void test_sizes(void)
{
    static const DWORD sizes[] = {1,    511,    512,    513,     1023,     1024,     4095,    4096,
                                  4097, 0xC000, 0xC001, 0xFFFFF, 0x100000, 0x10C000, 0x10C001};
    HANDLE file;
    DWORD high = 7;

    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        file = fresh("sizes", sizes[i]);
        ok(size_of_file(file) == sizes[i] && GetFileSize(file, &high) == sizes[i] && high == 0 &&
               has_data(file, 0, sizes[i]) && byte_at(file, sizes[i]) == -1,
           "a file of %lu bytes", sizes[i]);
        CloseHandle(file);
    }
    file = reopen("sizes", BOTH);
    for (unsigned i = sizeof sizes / sizeof sizes[0]; i-- > 0;) {
        if (!set_end(file, sizes[i]) || !has_data(file, 0, sizes[i]) ||
            size_of_file(file) != sizes[i]) {
            ok(0, "cut to %lu bytes", sizes[i]);
        }
    }
    ok(size_of_file(file) == 1, "cut step by step: what is left is right each time");
    ok(set_end(file, 0) && size_of_file(file) == 0, "and to nothing");
    CloseHandle(file);
    ok(DeleteFileA("sizes"), "deleted");
}

static unsigned next_random(unsigned *state)
{
    *state = *state * 1103515245 + 12345;
    return *state >> 8;
}

/* Pieces of odd lengths at odd places, compared with an array. */
static void test_random_writes(void)
{
    enum { LENGTH = 300000, PIECE = 9000 };
    static unsigned char model[LENGTH], read[LENGTH], piece[PIECE];
    HANDLE file = create("random", BOTH, SHARE_ALL, CREATE_NEW, 0);
    unsigned state = 42;
    int right = 1;

    for (int i = 0; i < 300 && right; i++) {
        DWORD n = 1 + next_random(&state) % (PIECE - 1);
        DWORD at = next_random(&state) % (LENGTH - n);

        memset(piece, i + 1, n);
        right = put(file, at, piece, n) == n;
        memcpy(model + at, piece, n);
    }
    ok(right, "300 pieces of odd lengths at odd places");
    right = get(file, 0, read, LENGTH) == (DWORD)size_of_file(file);
    ok(right && memcmp(read, model, (size_t)size_of_file(file)) == 0,
       "each byte is the last written");
    CloseHandle(file);
    file = reopen("random", READ);
    right = get(file, 0, read, LENGTH) == (DWORD)size_of_file(file);
    ok(right && memcmp(read, model, (size_t)size_of_file(file)) == 0, "and after it was closed");
    CloseHandle(file);
    DeleteFileA("random");
}

static void test_large(void)
{
    HANDLE file = create("large", BOTH, SHARE_ALL, CREATE_NEW, 0), section;
    LARGE_INTEGER place = {.QuadPart = 3 * GIB};
    DWORD high = 0, low;
    unsigned char *view;

    DeviceIoControl(file, 0x900C4 /* FSCTL_SET_SPARSE */, NULL, 0, NULL, 0, &low, NULL);
    ok(set_end(file, 5 * GIB) && size_of_file(file) == 5 * GIB, "SetEndOfFile at 5 GiB");
    ok(GetFileSize(file, &high) == (DWORD)(5 * GIB) && high == 1, "GetFileSize gives both halves");
    ok(put(file, 2 * GIB - 2, "abcd", 4) == 4 && put(file, 4 * GIB - 1, "ef", 2) == 2 &&
           put(file, 5 * GIB - 1, "g", 1) == 1,
       "written across 2 GiB, across 4 GiB and at the end");
    ok(byte_at(file, 2 * GIB - 2) == 'a' && byte_at(file, 2 * GIB + 1) == 'd' &&
           byte_at(file, 4 * GIB - 1) == 'e' && byte_at(file, 4 * GIB) == 'f' &&
           byte_at(file, 5 * GIB - 1) == 'g' && byte_at(file, 5 * GIB) == -1,
       "and read back");
    ok(is_filled(file, 3 * GIB, 0x10000, 0) && is_filled(file, 4096, 4096, 0), "holes are zeroes");
    low = GetCompressedFileSizeA("large", &high);
    unlike_wine(low < 0x1000000 && high == 0, "and take no room");
    section = CreateFileMappingA(file, NULL, PAGE_READWRITE, 0, 0, NULL);
    ok(section != NULL && section_basic(section).size.QuadPart == 5 * GIB, "a section of 5 GiB");
    view = MapViewOfFile(section, FILE_MAP_WRITE, place.HighPart, place.LowPart, 0x20000);
    ok(view != NULL && view[0] == 0, "a view at 3 GiB: zero");
    view[0x1FFFF] = 0x66;
    ok(byte_at(file, 3 * GIB + 0x1FFFF) == 0x66, "stored there: ReadFile sees it");
    UnmapViewOfFile(view);
    view = MapViewOfFile(section, FILE_MAP_READ, 1, 0, 0x10000);
    ok(view != NULL && view[0] == 'f', "a view at 4 GiB shows what was written");
    UnmapViewOfFile(view);
    CloseHandle(section);
    ok(set_end(file, 3 * GIB) && size_of_file(file) == 3 * GIB &&
           byte_at(file, 2 * GIB + 1) == 'd' && byte_at(file, 3 * GIB) == -1,
       "cut to 3 GiB");
    ok(set_end(file, 4 * GIB + 2) && byte_at(file, 4 * GIB) == 0 && byte_at(file, 3 * GIB) == 0,
       "extended again: zeroes");
    CloseHandle(file);
    ok(size_of_name("large") == 4 * GIB + 2 && DeleteFileA("large"), "deleted");
}

static LONGLONG number_of(const FILETIME *time)
{
    return (LONGLONG)((ULONGLONG)time->dwHighDateTime << 32 | time->dwLowDateTime);
}

static LONGLONG write_time(HANDLE file)
{
    FILETIME time;

    return GetFileTime(file, NULL, NULL, &time) ? number_of(&time) : -1;
}

static void test_times(void)
{
    FILETIME before, after, created, accessed, written;
    SYSTEMTIME system = {2011, 11, 0, 11, 11, 11, 11, 0};
    WIN32_FILE_ATTRIBUTE_DATA data;
    HANDLE file;
    LONGLONG was;

    GetSystemTimeAsFileTime(&before);
    file = fresh("times", 10);
    CloseHandle(file);
    GetSystemTimeAsFileTime(&after);
    file = reopen("times", BOTH);
    ok(GetFileTime(file, &created, &accessed, &written) &&
           number_of(&written) >= number_of(&before) - 20000000 &&
           number_of(&written) <= number_of(&after) + 20000000,
       "a new file was written now");
    SystemTimeToFileTime(&system, &before);
    ok(SetFileTime(file, NULL, &before, &before) && write_time(file) == number_of(&before),
       "SetFileTime");
    ok(CloseHandle(file) && GetFileAttributesExA("times", GetFileExInfoStandard, &data) &&
           number_of(&data.ftLastWriteTime) == number_of(&before) &&
           number_of(&data.ftLastAccessTime) == number_of(&before),
       "it stays when the file is closed");
    file = reopen("times", BOTH);
    was = write_time(file);
    ok(SetFileTime(file, NULL, NULL, NULL) && write_time(file) == was,
       "no time given: none is set");
    put(file, 0, "x", 1);
    CloseHandle(file);
    file = reopen("times", READ);
    ok(write_time(file) > was, "writing changes the time");
    was = write_time(file);
    get(file, 0, &data, 1);
    ok(write_time(file) == was, "reading does not");
    unlike_wine(FAILS(SetFileTime(file, NULL, NULL, &before), ERROR_ACCESS_DENIED),
                "SetFileTime needs the right to write attributes");
    CloseHandle(file);
}

static void test_information(void)
{
    BY_HANDLE_FILE_INFORMATION one, two;
    FILE_STANDARD_INFO standard;
    FILE_ATTRIBUTE_TAG_INFO tag;
    FILE_ID_INFO id;
    FILE_END_OF_FILE_INFO end = {.EndOfFile = {.QuadPart = 0x2222}};
    FILE_ALLOCATION_INFO allocation = {.AllocationSize = {.QuadPart = 0x100}};
    struct {
        FILE_NAME_INFO info;
        WCHAR more[MAX_PATH];
    } name;
    HANDLE file = fresh("told", 0x1234), other = fresh("other", 1);

    ok(GetFileInformationByHandle(file, &one) && one.nFileSizeLow == 0x1234 &&
           one.nNumberOfLinks == 1 && !(one.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY),
       "GetFileInformationByHandle");
    ok(GetFileInformationByHandle(other, &two) &&
           two.dwVolumeSerialNumber == one.dwVolumeSerialNumber &&
           (two.nFileIndexLow != one.nFileIndexLow || two.nFileIndexHigh != one.nFileIndexHigh),
       "another file has another number on the same volume");
    CloseHandle(other);
    ok(GetFileInformationByHandleEx(file, FileStandardInfo, &standard, sizeof standard) &&
           standard.EndOfFile.QuadPart == 0x1234 && standard.AllocationSize.QuadPart >= 0x1234 &&
           standard.NumberOfLinks == 1 && !standard.Directory && !standard.DeletePending,
       "FileStandardInfo");
    ok(GetFileInformationByHandleEx(file, FileAttributeTagInfo, &tag, sizeof tag) &&
           tag.FileAttributes == one.dwFileAttributes && tag.ReparseTag == 0,
       "FileAttributeTagInfo");
    ok(GetFileInformationByHandleEx(file, FileIdInfo, &id, sizeof id) &&
           memcmp(&id.FileId, &one.nFileIndexLow, 4) == 0,
       "FileIdInfo has the same number");
    memset(&name, 0, sizeof name);
    ok(GetFileInformationByHandleEx(file, FileNameInfo, &name, sizeof name) &&
           name.info.FileName[0] == '\\' && name.info.FileNameLength > 10 &&
           memcmp((char *)name.info.FileName + name.info.FileNameLength - 10, L"\\told", 10) == 0,
       "FileNameInfo ends with the name");
    ok(FAILS(GetFileInformationByHandleEx(file, FileStandardInfo, &standard, 4), ERROR_BAD_LENGTH),
       "a buffer that is too small");
    ok(SetFileInformationByHandle(file, FileEndOfFileInfo, &end, sizeof end) &&
           size_of_file(file) == 0x2222 && is_filled(file, 0x1234, 0xFEE, 0),
       "FileEndOfFileInfo");
    unlike_wine(
        SetFileInformationByHandle(file, FileAllocationInfo, &allocation, sizeof allocation) &&
            size_of_file(file) == 0x100,
        "FileAllocationInfo of less than the size cuts the file");
    CloseHandle(file);
    file = reopen("told", READ);
    unlike_wine(FAILS(SetFileInformationByHandle(file, FileEndOfFileInfo, &end, sizeof end),
                      ERROR_ACCESS_DENIED),
                "FileEndOfFileInfo needs a handle that may write");
    CloseHandle(file);
}

static void test_volume(void)
{
    ULARGE_INTEGER before, after, total;
    DWORD sectors, bytes, free, clusters, drives = GetLogicalDrives(), length, most;
    char roots[256] = "", label[64], system[64] = "", path[MAX_PATH] = "";
    HANDLE file;

    ok(GetDiskFreeSpaceExA(NULL, &before, &total, NULL) && before.QuadPart > 0 &&
           before.QuadPart <= total.QuadPart,
       "GetDiskFreeSpaceEx");
    file = fresh("space", 0x200000);
    ok(FlushFileBuffers(file), "FlushFileBuffers");
    unlike_wine(GetDiskFreeSpaceExA(NULL, &after, NULL, NULL) &&
                    before.QuadPart - after.QuadPart >= 0x200000 &&
                    before.QuadPart - after.QuadPart < 0x220000,
                "a file takes what it is long");
    CloseHandle(file);
    DeleteFileA("space");
    unlike_wine(GetDiskFreeSpaceExA(NULL, &after, NULL, NULL) && after.QuadPart == before.QuadPart,
                "and gives it back");
    ok(GetDiskFreeSpaceA("C:\\", &sectors, &bytes, &free, &clusters) && bytes >= 512 &&
           free <= clusters && sectors > 0,
       "GetDiskFreeSpace");
    ok(drives & 4, "GetLogicalDrives has C:");
    length = GetLogicalDriveStringsA(sizeof roots, roots);
    ok(length > 0 && length % 4 == 0 && roots[length] == '\0' && strstr(roots, ":\\") != NULL,
       "GetLogicalDriveStrings");
    ok(GetDriveTypeA("C:\\") == DRIVE_FIXED && GetDriveTypeA("Q:\\") == DRIVE_NO_ROOT_DIR,
       "GetDriveType of a disk, and of none");
    ok(GetVolumeInformationA("C:\\", label, sizeof label, NULL, &most, NULL, system,
                             sizeof system) &&
           most == 255 && system[0] != '\0',
       "GetVolumeInformation");
    ok(GetVolumePathNameA("C:\\some\\where", path, sizeof path) && strcmp(path, "C:\\") == 0,
       "GetVolumePathName");
}

static void test_final_name(void)
{
    char full[MAX_PATH] = "", path[MAX_PATH] = "";
    HANDLE file = fresh("Final Name", 1);
    DWORD length;

    GetFullPathNameA("Final Name", sizeof full, full, NULL);
    length = GetFinalPathNameByHandleA(file, path, sizeof path, VOLUME_NAME_DOS);
    ok(length == strlen(path) && strncmp(path, "\\\\?\\", 4) == 0 && _stricmp(path + 4, full) == 0,
       "GetFinalPathNameByHandle");
    ok(GetFinalPathNameByHandleA(file, path, sizeof path, VOLUME_NAME_NONE) == length - 6 &&
           _stricmp(path, full + 2) == 0,
       "VOLUME_NAME_NONE: from the root of the volume");
    CloseHandle(file);
    ok(FAILS(GetFinalPathNameByHandleA(file, path, sizeof path, 0), ERROR_INVALID_HANDLE),
       "of a closed handle");
    DeleteFileA("Final Name");
}

/* The functions of 16-bit Windows. */
static void test_legacy(void)
{
    HFILE file = _lcreat("legacy", 0);
    OFSTRUCT info;
    char text[8] = "";

    ok(file != HFILE_ERROR && _lwrite(file, "0123456789", 10) == 10 &&
           _llseek(file, 4, FILE_BEGIN) == 4 && _lread(file, text, 3) == 3 &&
           memcmp(text, "456", 3) == 0,
       "_lcreat, _lwrite, _llseek, _lread");
    ok(_llseek(file, 5, FILE_BEGIN) == 5 && _lwrite(file, "", 0) == 0 && _lclose(file) == 0 &&
           size_of_name("legacy") == 5,
       "_lwrite of nothing ends the file");
    file = _lopen("legacy", OF_READ);
    ok(file != HFILE_ERROR && _hread(file, text, 8) == 5 && _hwrite(file, "x", 1) == HFILE_ERROR &&
           _lclose(file) == 0,
       "_lopen to read");
    ok(_lopen("none", OF_READ) == HFILE_ERROR && GetLastError() == ERROR_FILE_NOT_FOUND,
       "_lopen of nothing");
    file = OpenFile("legacy", &info, OF_READWRITE);
    ok(file != HFILE_ERROR && strstr(info.szPathName, "\\") != NULL &&
           _stricmp(info.szPathName + strlen(info.szPathName) - 7, "\\legacy") == 0 &&
           _lclose(file) == 0,
       "OpenFile");
    ok(OpenFile("legacy", &info, OF_DELETE) != HFILE_ERROR && !exists("legacy") &&
           OpenFile("legacy", &info, OF_EXIST) == HFILE_ERROR,
       "OpenFile with OF_DELETE and OF_EXIST");
}

int main(void)
{
    tap_begin();
    work_begin();
    test_positions();
    test_append();
    test_sizes();
    test_random_writes();
    test_large();
    test_times();
    test_information();
    test_volume();
    test_final_name();
    test_legacy();
    return work_end();
}
