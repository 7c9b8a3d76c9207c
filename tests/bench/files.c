/*
 * tests/bench/files.c: what files cost through views, and by ReadFile and WriteFile.
 *
 * A stock Win32 program. `files.exe FIRST SECOND` takes two files of as many bytes, none of which
 * has been read since the system started.
 */
#include "win32.h"

static unsigned nbytes; /* of each file */

static HANDLE open_file(const char *path)
{
    HANDLE file = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);

    if (file == INVALID_HANDLE_VALUE) {
        give_up(path);
    }
    return file;
}

static HANDLE section_of(HANDLE file)
{
    HANDLE made = CreateFileMappingA(file, NULL, PAGE_READWRITE, 0, 0, NULL);

    if (made == NULL) {
        give_up("CreateFileMapping");
    }
    return made;
}

/* The first time each page of a file is read, one after the other, and then through a new view. */
static void read_in_order(HANDLE from)
{
    struct figures cold = {.count = 0}, warm = {.count = 0};

    for (unsigned i = 0; i < 5; i++) {
        char *view = map(from, FILE_MAP_READ);
        add_first_touch(i == 0 ? &cold : &warm, view, nbytes, FALSE);
        UnmapViewOfFile(view);
    }
    row("file-cold-read", &cold, nbytes / PAGE);
    row("file-warm-read", &warm, nbytes / PAGE);
}

/* Every page once, in an order that no reading ahead foresees. */
static void read_at_random(HANDLE from)
{
    struct figures cold = {.count = 0};
    struct timer timer;
    unsigned npages = nbytes / PAGE, page = 0, sum = 0;
    char *view = map(from, FILE_MAP_READ);

    begin(&timer);
    for (unsigned i = 0; i < npages / 4; i++) {
        page = (page * 5 + 4099) % npages; /* a full cycle for a power of two */
        sum += *(volatile unsigned *)(void *)(view + page * PAGE);
    }
    end(&timer, &cold);
    UnmapViewOfFile(view);
    row("file-cold-random", &cold, npages / 4 + (sum & 0));
}

/* Stores to clean pages, flushes, stores again. */
static void write_by_view(HANDLE from)
{
    struct figures first = {.count = 0}, again = {.count = 0}, flush = {.count = 0};
    struct timer timer;
    char *view = map(from, FILE_MAP_WRITE);

    touch(view, nbytes, FALSE);
    for (unsigned i = 0; i < 5; i++) {
        add_first_touch(i == 0 ? &first : &again, view, nbytes, TRUE);
        begin(&timer);
        if (!FlushViewOfFile(view, 0)) {
            give_up("FlushViewOfFile");
        }
        end(&timer, &flush);
    }
    UnmapViewOfFile(view);
    row("file-dirty-first", &first, nbytes / PAGE);
    row("file-dirty-again", &again, nbytes / PAGE);
    row("file-flush", &flush, nbytes / PAGE);
}

static void map_clean(HANDLE from)
{
    struct figures figures = {.count = 0};
    struct timer timer;

    for (unsigned i = 0; i < samples; i++) {
        begin(&timer);
        UnmapViewOfFile(map(from, FILE_MAP_WRITE));
        end(&timer, &figures);
    }
    row("file-map", &figures, 1);
}

/* 64 KiB at one place, all of whose pages are in memory. */
static void copy_block(HANDLE file, BOOL writes)
{
    static char block[SMALL];
    struct figures figures = {.count = 0};
    struct timer timer;
    DWORD moved;

    for (unsigned i = 0; i < samples; i++) {
        SetFilePointer(file, 0, NULL, FILE_BEGIN);
        begin(&timer);
        BOOL done = writes ? WriteFile(file, block, sizeof block, &moved, NULL)
                           : ReadFile(file, block, sizeof block, &moved, NULL);
        end(&timer, &figures);
        if (!done || moved != sizeof block) {
            give_up(writes ? "WriteFile" : "ReadFile");
        }
    }
    row(writes ? "file-write-64k" : "file-read-64k", &figures, 1);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: files FIRST SECOND\n");
        return 2;
    }
    HANDLE first = open_file(argv[1]), second = open_file(argv[2]);
    HANDLE of_first = section_of(first), of_second = section_of(second);

    nbytes = GetFileSize(first, NULL);
    calibrate();
    show_frequency();
    read_in_order(of_first);
    read_at_random(of_second);
    write_by_view(of_first);
    map_clean(of_first);
    copy_block(first, FALSE);
    copy_block(first, TRUE);
    return 0;
}
