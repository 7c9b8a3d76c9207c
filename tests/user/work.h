/*
 * tests/user/work.h: what the tests that write files share: a directory of their own to work in,
 * and short ways to make files, to look into them and to compare them.
 *
 * work_begin() makes the directory and enters it, so names in a test are relative; children of the
 * test start there too. work_end() removes it with all that is left in it.
 */
#ifndef WORK_H
#define WORK_H

#include "tap.h"

#define NONE      INVALID_HANDLE_VALUE
#define READ      GENERIC_READ
#define WRITE     GENERIC_WRITE
#define BOTH      (GENERIC_READ | GENERIC_WRITE)
#define SHARE_RW  (FILE_SHARE_READ | FILE_SHARE_WRITE)
#define SHARE_ALL (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)
#define GONE      INVALID_FILE_ATTRIBUTES

static char work_directory[MAX_PATH];

static TAP_UNUSED void remove_wide_tree(const WCHAR *path)
{
    WCHAR name[MAX_PATH * 2];
    WIN32_FIND_DATAW found;
    HANDLE search;

    _snwprintf(name, MAX_PATH * 2 - 1, L"%ls\\*", path);
    name[MAX_PATH * 2 - 1] = 0;
    search = FindFirstFileW(name, &found);
    if (search != NONE) {
        do {
            if (wcscmp(found.cFileName, L".") == 0 || wcscmp(found.cFileName, L"..") == 0) {
                continue;
            }
            _snwprintf(name, MAX_PATH * 2 - 1, L"%ls\\%ls", path, found.cFileName);
            if (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) {
                remove_wide_tree(name);
            } else {
                SetFileAttributesW(name, FILE_ATTRIBUTE_NORMAL);
                DeleteFileW(name);
            }
        } while (FindNextFileW(search, &found));
        FindClose(search);
    }
    RemoveDirectoryW(path);
}

/* Removes a directory and everything in it, read-only files too, whatever they are called. */
static TAP_UNUSED void remove_tree(const char *path)
{
    WCHAR wide[MAX_PATH];

    MultiByteToWideChar(CP_ACP, 0, path, -1, wide, MAX_PATH);
    remove_wide_tree(wide);
}

static TAP_UNUSED void work_begin(void)
{
    char temporary[MAX_PATH];

    if (GetTempPathA(sizeof temporary, temporary) == 0) {
        strcpy(temporary, ".\\");
    }
    _snprintf(work_directory, sizeof work_directory - 1, "%squire-%lu", temporary,
              GetCurrentProcessId());
    remove_tree(work_directory); /* of a run that was killed */
    if (!CreateDirectoryA(work_directory, NULL) || !SetCurrentDirectoryA(work_directory)) {
        tap_print("Bail out! no directory %s: error %lu", work_directory, GetLastError());
        exit(1);
    }
}

static TAP_UNUSED int work_end(void)
{
    char *slash = strrchr(work_directory, '\\');

    *slash = '\0';
    SetCurrentDirectoryA(strlen(work_directory) == 2 ? "C:\\" : work_directory);
    *slash = '\\';
    remove_tree(work_directory);
    ok(GetFileAttributesA(work_directory) == GONE, "the directory of the test is gone");
    return tap_end();
}

static TAP_UNUSED HANDLE create(const char *name, DWORD access, DWORD share, DWORD disposition,
                                DWORD flags)
{
    return CreateFileA(name, access, share, NULL, disposition, flags, NULL);
}

/* Opens a file that exists, and shares everything. */
static TAP_UNUSED HANDLE reopen(const char *name, DWORD access)
{
    return create(name, access, SHARE_ALL, OPEN_EXISTING, 0);
}

/* Writes at an offset, whatever the position. => the bytes written */
static TAP_UNUSED DWORD put(HANDLE file, ULONGLONG offset, const void *data, DWORD nbytes)
{
    OVERLAPPED at = {.Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32)};
    DWORD done = 0;

    return WriteFile(file, data, nbytes, &done, &at) ? done : 0;
}

/* Reads from an offset. => the bytes read */
static TAP_UNUSED DWORD get(HANDLE file, ULONGLONG offset, void *data, DWORD nbytes)
{
    OVERLAPPED at = {.Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32)};
    DWORD done = 0;

    memset(data, 0xEE, nbytes);
    return ReadFile(file, data, nbytes, &done, &at) ? done : 0;
}

/* The byte at an offset; -1 past the end. */
static TAP_UNUSED int byte_at(HANDLE file, ULONGLONG offset)
{
    unsigned char byte;

    return get(file, offset, &byte, 1) == 1 ? byte : -1;
}

/* Moves the end of the file; the last error says why not. */
static TAP_UNUSED BOOL set_end(HANDLE file, LONGLONG nbytes)
{
    LARGE_INTEGER end = {.QuadPart = nbytes};

    return SetFilePointerEx(file, end, NULL, FILE_BEGIN) && SetEndOfFile(file);
}

static TAP_UNUSED LONGLONG size_of_file(HANDLE file)
{
    LARGE_INTEGER size;

    return GetFileSizeEx(file, &size) ? size.QuadPart : -1;
}

/* The size of a file by its name; -1: it is not there. */
static TAP_UNUSED LONGLONG size_of_name(const char *name)
{
    WIN32_FILE_ATTRIBUTE_DATA data;

    if (!GetFileAttributesExA(name, GetFileExInfoStandard, &data)) {
        return -1;
    }
    return (LONGLONG)data.nFileSizeHigh << 32 | data.nFileSizeLow;
}

static TAP_UNUSED BOOL exists(const char *name)
{
    return GetFileAttributesA(name) != GONE;
}

/* A new file of NBYTES of data_byte(), open to read and write; FLAGS as for CreateFile. */
static TAP_UNUSED HANDLE fresh_with(const char *name, DWORD nbytes, DWORD access, DWORD flags)
{
    static unsigned char piece[0x4000];
    HANDLE file = create(name, access, SHARE_ALL, CREATE_ALWAYS, flags);

    for (DWORD at = 0; file != NONE && at < nbytes; at += sizeof piece) {
        DWORD n = nbytes - at < sizeof piece ? nbytes - at : sizeof piece;

        for (DWORD i = 0; i < n; i++) {
            piece[i] = data_byte(at + i);
        }
        if (put(file, at, piece, n) != n) {
            CloseHandle(file);
            return NONE;
        }
    }
    return file;
}

static TAP_UNUSED HANDLE fresh(const char *name, DWORD nbytes)
{
    return fresh_with(name, nbytes, BOTH, 0);
}

/* The same, closed again. */
static TAP_UNUSED BOOL make(const char *name, DWORD nbytes)
{
    HANDLE file = fresh(name, nbytes);

    return file != NONE && CloseHandle(file);
}

/* Whether NBYTES from OFFSET, read with ReadFile, all are BYTE; DATA_BYTES: data_byte()'s. */
#define DATA_BYTES (-1)
static TAP_UNUSED BOOL is_filled(HANDLE file, ULONGLONG offset, DWORD nbytes, int byte)
{
    static unsigned char piece[0x4000];

    for (DWORD at = 0; at < nbytes; at += sizeof piece) {
        DWORD n = nbytes - at < sizeof piece ? nbytes - at : sizeof piece;

        if (get(file, offset + at, piece, n) != n) {
            return FALSE;
        }
        for (DWORD i = 0; i < n; i++) {
            if (piece[i] != (byte == DATA_BYTES ? data_byte((DWORD)offset + at + i) : byte)) {
                return FALSE;
            }
        }
    }
    return TRUE;
}

/* The same for data_byte()'s. */
static TAP_UNUSED BOOL has_data(HANDLE file, DWORD offset, DWORD nbytes)
{
    return is_filled(file, offset, nbytes, DATA_BYTES);
}

/* A section of an open file; SIZE 0: the file's. */
static TAP_UNUSED HANDLE section_of(HANDLE file, DWORD protection, DWORD size)
{
    return CreateFileMappingA(file, NULL, protection, 0, size, NULL);
}

/* A view of a whole section. */
static TAP_UNUSED unsigned char *view_of(HANDLE section, DWORD access)
{
    return MapViewOfFile(section, access, 0, 0, 0);
}

/* A new file with a section and a writable view of it. */
struct mapped {
    HANDLE file, section;
    unsigned char *view;
};

static TAP_UNUSED struct mapped map_new(const char *name, DWORD nbytes)
{
    struct mapped it = {.file = fresh(name, nbytes)};

    it.section = section_of(it.file, PAGE_READWRITE, 0);
    it.view = view_of(it.section, FILE_MAP_WRITE);
    return it;
}

static TAP_UNUSED void unmap(struct mapped *it)
{
    UnmapViewOfFile(it->view);
    CloseHandle(it->section);
    CloseHandle(it->file);
}

/* Quire alone: whether no page of the section's file waits to be written. */
static TAP_UNUSED BOOL is_clean(HANDLE section)
{
    return usage_of(section).modified_pages == 0;
}

#endif
