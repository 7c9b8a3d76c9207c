/*
 * tests/user/fulldisk.c: a disk without room, and one without inodes: what fails says so, what was
 * there stays, and when something is deleted everything goes on. Quire alone: Wine has the disk of
 * the machine that it runs on.
 * time limit: 240 s
 */
#include "work.h"

#include <errno.h>

static const char *const names[] = {
    "WriteFile on a full disk: ERROR_DISK_FULL",
    "every byte of what was written is there",
    "GetDiskFreeSpaceEx: next to nothing is left",
    "what has its place can be overwritten",
    "SetEndOfFile over a hole needs no room",
    "a store into a hole: in-page error with STATUS_DISK_FULL",
    "a store to a page that has its place",
    "a load from the hole: zero",
    "WriteFile into the hole: ERROR_DISK_FULL",
    "CopyFile: ERROR_DISK_FULL, and no copy is left",
    "fclose: ENOSPC or EOF",
    "names can be changed",
    "a file deleted: the store works",
    "WriteFile too, over the rest of the hole",
    "what was stored and written is there",
    "everything deleted: the space is back",
    "no more inodes: ERROR_DISK_FULL",
    "CreateDirectory: ERROR_DISK_FULL",
    "a file that exists can be written",
    "one deleted: one can be made",
    "all of them are there, and go",
};

static ULONGLONG free_space(void)
{
    ULARGE_INTEGER free;

    return GetDiskFreeSpaceExA(NULL, &free, NULL, NULL) ? free.QuadPart : 0;
}

static char piece[0x40000];

/* Writes pieces of this size until one fails. => how many bytes; the last error says why */
static DWORD fill(HANDLE file, DWORD at, DWORD nbytes)
{
    for (;; at += nbytes) {
        for (DWORD i = 0; i < nbytes; i += 4) {
            *(DWORD *)(void *)(piece + i) = at + i;
        }
        if (put(file, at, piece, nbytes) != nbytes) {
            return at;
        }
    }
}

static BOOL is_filled_right(HANDLE file, DWORD nbytes)
{
    for (DWORD at = 0; at < nbytes; at += 0x1000) {
        if (get(file, at, piece, 0x1000) != 0x1000) {
            return FALSE;
        }
        for (DWORD i = 0; i < 0x1000; i += 4) {
            if (*(DWORD *)(void *)(piece + i) != at + i) {
                return FALSE;
            }
        }
    }
    return TRUE;
}

/* How many checks were made: the name of the next. */
static const char *next_name(void)
{
    return names[tap_count];
}

static void test_copying(void)
{
    FILE *file = fopen("stream", "wb");
    int written = 1;

    make("small", 0); /* an inode costs no block */
    ok(FAILS(CopyFileA("big", "copy", FALSE), ERROR_DISK_FULL) && !exists("copy"), "%s",
       next_name());
    errno = 0;
    for (int i = 0; i < 100 && file != NULL; i++) {
        written = fwrite(piece, 1, 1000, file) == 1000 && written;
    }
    written = file != NULL && fclose(file) == 0 && written;
    ok(!written && (errno == ENOSPC || errno == 0), "%s", next_name());
    DeleteFileA("stream");
    DeleteFileA("small");
    ok(MoveFileA("keep", "kept") && MoveFileA("kept", "keep"), "%s", next_name());
}

static void test_space(void)
{
    HANDLE big = create("big", BOTH, SHARE_ALL, CREATE_NEW, 0), holes, section;
    HANDLE keep = fresh("keep", 0x80000);
    ULONGLONG before = free_space();
    unsigned char *view;
    DWORD filled, error;

    make("spare", 0x40000);
    holes = fresh("holes", 0x1000);
    filled = fill(big, 0, sizeof piece);
    filled = fill(big, filled, 0x1000);
    error = GetLastError();
    ok(error == ERROR_DISK_FULL && filled > before / 2, "%s", next_name());
    ok(is_filled_right(big, filled) && has_data(keep, 0, 0x80000), "%s", next_name());
    ok(free_space() < 0x10000, "%s", next_name());
    memset(piece, 0x5A, 0x4000);
    ok(put(keep, 0x4000, piece, 0x4000) == 0x4000 && FlushFileBuffers(keep), "%s", next_name());

    ok(set_end(holes, 0x20000) && size_of_file(holes) == 0x20000, "%s", next_name());
    section = section_of(holes, PAGE_READWRITE, 0);
    view = view_of(section, FILE_MAP_WRITE);
    ok(write_fault(view + 0x10000) == (DWORD)STATUS_IN_PAGE_ERROR &&
           fault.status == STATUS_DISK_FULL && fault.address == (ULONG_PTR)(view + 0x10000),
       "%s", next_name());
    ok(write_fault(view + 0x10) == 0, "%s", next_name());
    ok(view[0x10000] == 0 && view[0x1FFFF] == 0, "%s", next_name());
    ok(FAILS(put(holes, 0x11000, piece, 0x1000), ERROR_DISK_FULL), "%s", next_name());
    test_copying();
    DeleteFileA("spare");
    ok(write_fault(view + 0x10000) == 0, "%s", next_name());
    ok(put(holes, 0x11000, piece, 0xF000) == 0xF000, "%s", next_name());
    UnmapViewOfFile(view);
    CloseHandle(section);
    ok(byte_at(holes, 0x10000) == 0xA5 && byte_at(holes, 0x11000) == 0x5A &&
           byte_at(holes, 0x10) == 0xA5 && is_filled_right(big, filled) && FlushFileBuffers(holes),
       "%s", next_name());
    CloseHandle(holes);
    CloseHandle(keep);
    CloseHandle(big);
    DeleteFileA("holes");
    DeleteFileA("keep");
    DeleteFileA("big");
    ok(free_space() >= before, "%s", next_name());
}

/* In directories of 500, lest looking for a name takes long. */
static const char *numbered(unsigned number)
{
    static char name[40];

    _snprintf(name, sizeof name, "d%u\\f%u", number / 500, number);
    return name;
}

static BOOL make_numbered(unsigned number)
{
    char directory[20];
    HANDLE file;

    if (number % 500 == 0) {
        _snprintf(directory, sizeof directory, "d%u", number / 500);
        if (!CreateDirectoryA(directory, NULL)) {
            return FALSE;
        }
    }
    file = create(numbered(number), WRITE, 0, CREATE_NEW, 0);
    return file != NONE && CloseHandle(file);
}

static void test_inodes(void)
{
    unsigned count = 0, deleted = 0;
    char directory[20];
    HANDLE file;

    while (count < 100000 && make_numbered(count)) {
        count++;
    }
    ok(GetLastError() == ERROR_DISK_FULL && count > 1000 && count < 100000, "%s", next_name());
    tap_print("# %u files", count);
    ok(FAILS(CreateDirectoryA("another", NULL), ERROR_DISK_FULL) && !exists("another"), "%s",
       next_name());
    file = reopen(numbered(count / 2), BOTH);
    ok(put(file, 0, "text", 4) == 4 && CloseHandle(file), "%s", next_name());
    ok(DeleteFileA(numbered(count / 2)) && make_numbered(count / 2), "%s", next_name());
    for (unsigned i = 0; i < count; i++) {
        deleted += DeleteFileA(numbered(i)) != 0;
    }
    for (unsigned i = 0; i <= count / 500; i++) {
        _snprintf(directory, sizeof directory, "d%u", i);
        RemoveDirectoryA(directory);
    }
    ok(deleted == count, "%s", next_name());
}

int main(void)
{
    tap_begin();
    if (!is_quire()) {
        for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
            tap_skip("Wine has the disk of the machine it runs on", "%s", names[i]);
        }
        work_begin();
        return work_end();
    }
    work_begin();
    test_space();
    test_inodes();
    return work_end();
}
