/*
 * tests/bench/files.c: what files cost through views, and by ReadFile and WriteFile.
 *
 * A stock Win32 program. `files.exe FIRST SECOND` takes two files of as many bytes, none of which
 * has been read since the system started; filepasses.h says what is done with them.
 */
#include "filepasses.h"
#include "win32.h"

struct file {
    HANDLE handle;
    HANDLE section;
};

static struct file open_file(const char *path)
{
    struct file file;

    file.handle = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    if (file.handle == INVALID_HANDLE_VALUE) {
        give_up(path);
    }
    file.section = CreateFileMappingA(file.handle, NULL, PAGE_READWRITE, 0, 0, NULL);
    if (file.section == NULL) {
        give_up("CreateFileMapping");
    }
    return file;
}

/* Zeroing frames takes that long at most. */
static void settle(void)
{
    Sleep(100);
}

static char *map_view(struct file *file, int writes)
{
    return map(file->section, writes ? FILE_MAP_WRITE : FILE_MAP_READ);
}

static void unmap_view(char *view)
{
    if (!UnmapViewOfFile(view)) {
        give_up("UnmapViewOfFile");
    }
}

static void flush_view(char *view)
{
    if (!FlushViewOfFile(view, 0)) {
        give_up("FlushViewOfFile");
    }
}

static void rewind_file(struct file *file)
{
    SetFilePointer(file->handle, 0, NULL, FILE_BEGIN);
}

static void move_block(struct file *file, char *block, unsigned count, int writes)
{
    DWORD moved;
    BOOL done = writes ? WriteFile(file->handle, block, count, &moved, NULL)
                       : ReadFile(file->handle, block, count, &moved, NULL);

    if (!done || moved != count) {
        give_up(writes ? "WriteFile" : "ReadFile");
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: files FIRST SECOND\n");
        return 2;
    }
    struct file first = open_file(argv[1]), second = open_file(argv[2]);

    nbytes = GetFileSize(first.handle, NULL);
    calibrate();
    show_frequency();
    show_files(&first, &second);
    return 0;
}
