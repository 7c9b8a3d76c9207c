/*
 * tests/user/pitfalls.c: mistakes that other systems have shipped in what a program sees of
 * sections and files, each by name as the test that would have shown it. docs/testing.md lists
 * them, with those that other tests cover.
 */
#include "work.h"

#define SECTION_NBYTES 0x30000u

static const char name[] = "quire-pitfalls", go[] = "quire-pitfalls-go",
                  ready[] = "quire-pitfalls-ready";

static HANDLE event(const char *which)
{
    return CreateEventA(NULL, TRUE, FALSE, which);
}

/* What a child waits for until its parent has done something. */
static void meet(void)
{
    must(SetEvent(event(ready)) && WaitForSingleObject(event(go), 30000) == WAIT_OBJECT_0);
}

/* --- Lifetimes --- */

/* Child: a named section of a file, stored to; nothing is closed. */
static int creator(void)
{
    HANDLE file = reopen("outlived", BOTH);
    HANDLE section = CreateFileMappingA(file, NULL, PAGE_READWRITE, 0, 0, name);
    unsigned char *view = view_of(section, FILE_MAP_WRITE);

    must(view != NULL);
    view[0x1001] = 'c';
    meet();
    return 50;
}

static void test_outlived(void)
{
    HANDLE events[2] = {event(ready), event(go)}, section, file;
    struct child child;
    unsigned char *view;
    int right;

    make("outlived", 0x3001);
    start_child(&child, FALSE, 0, "creator");
    WaitForSingleObject(events[0], 30000);
    section = OpenFileMappingA(FILE_MAP_WRITE, FALSE, name);
    view = view_of(section, FILE_MAP_WRITE);
    right = view != NULL && CloseHandle(section) && SetEvent(events[1]) && end_child(&child) == 50;
    right = right && view[0x1001] == 'c' && view[0x3000] == data_byte(0x3000) && view[0x3001] == 0;
    if (right) { /* nobody has a handle of the file or the section any more */
        view[0x3000] = 'v';
    }
    right = UnmapViewOfFile(view) && right;
    file = reopen("outlived", READ);
    ok(right && size_of_file(file) == 0x3001 && byte_at(file, 0x1001) == 'c' &&
           byte_at(file, 0x3000) == 'v' && has_data(file, 0x1002, 0x1FFE),
       "last handle closed, view still valid; creator dies first; file closed before unmap");
    CloseHandle(file);
    ResetEvent(events[0]);
    ResetEvent(events[1]);
    CloseHandle(events[0]);
    CloseHandle(events[1]);
}

/* --- Counters --- */

/* Child: has the handle by inheritance; its parent lets everything go meanwhile. */
static int heir(const char *handle)
{
    unsigned char *view = view_of(handle_argument(handle), FILE_MAP_WRITE);

    must(view != NULL && view[0x2000] == 'd');
    meet();
    must(view[0] == '1' && view[0x1000] == '2' && view[0x2000] == 'd');
    view[0x2000] = 'h';
    must(CloseHandle(handle_argument(handle)) && view[0x2000] == 'h');
    must(!is_quire() || OpenFileMappingA(FILE_MAP_READ, FALSE, name) != NULL); /* NAM20 */
    return 51;
}

static void test_counters(void)
{
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    HANDLE events[2] = {event(ready), event(go)}, copy = NULL;
    HANDLE source = CreateFileMappingA(INVALID_HANDLE_VALUE, &inherited, PAGE_READWRITE, 0,
                                       SECTION_NBYTES, name);
    unsigned char *one = view_of(source, FILE_MAP_WRITE), *two = view_of(source, FILE_MAP_WRITE);
    struct child child;
    int right = one != NULL && two != NULL && one != two;

    one[0] = '1';
    right = UnmapViewOfFile(one) && right && two[0] == '1' && read_fault(one) == AV;
    two[0x1000] = '2';
    right = DuplicateHandle(GetCurrentProcess(), source, GetCurrentProcess(), &copy, 0, TRUE,
                            DUPLICATE_SAME_ACCESS) &&
            CloseHandle(source) && right;
    one = view_of(copy, FILE_MAP_WRITE);
    right = right && one != NULL && one[0x1000] == '2';
    one[0x2000] = 'd';
    start_child(&child, TRUE, 0, "heir 0x%lX", (unsigned long)(ULONG_PTR)copy);
    WaitForSingleObject(events[0], 30000);
    right = UnmapViewOfFile(one) && UnmapViewOfFile(two) && CloseHandle(copy) && right;
    right = SetEvent(events[1]) && end_child(&child) == 51 && right;
    ok(right && OpenFileMappingA(FILE_MAP_READ, FALSE, name) == NULL,
       "unmap one of two views in one process; duplicate then close source; inherit then parent "
       "unmaps");
    CloseHandle(events[0]);
    CloseHandle(events[1]);
}

/* --- Arguments --- */

static void test_arguments(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, SECTION_NBYTES), none;
    unsigned char *whole;
    int right;

    SetLastError(0);
    none = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 0, NULL);
    right = none == NULL && GetLastError() == ERROR_INVALID_PARAMETER;
    for (DWORD offset = 0x1000; offset < 0x10000; offset += 0x5000) {
        right = right && FAILS(MapViewOfFile(section, FILE_MAP_READ, 0, offset, 0x1000),
                               ERROR_MAPPED_ALIGNMENT);
    }
    right = right &&
            FAILS(MapViewOfFile(section, FILE_MAP_READ, 0, 0x20000, 0x10001), ERROR_ACCESS_DENIED);
    right = right && FAILS(MapViewOfFile(section, FILE_MAP_READ, 0, 0x40000, 1),
                           is_quire() ? ERROR_ACCESS_DENIED : ERROR_INVALID_PARAMETER); /* OFS06 */
    whole = view_of(section, FILE_MAP_WRITE); /* size 0 of a view: up to the end */
    right = right && whole != NULL && query(whole).RegionSize == SECTION_NBYTES;
    ok(right, "size 0; offset not on 64 KiB; view past the end");
    UnmapViewOfFile(whole);
    CloseHandle(section);
}

/* --- Protections --- */

/* Two regions beside each other: what is done at the end of one is not done to the other. */
static void test_split(void)
{
    char *base = VirtualAlloc(NULL, 0x20000, MEM_RESERVE, PAGE_NOACCESS);
    int right = base != NULL && VirtualFree(base, 0, MEM_RELEASE);
    char *low = VirtualAlloc(base, 0x10000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    char *high = VirtualAlloc(base + 0x10000, 0x10000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    DWORD old = 0;

    right = right && low != NULL && high == low + 0x10000;
    right = right && VirtualProtect(low + 0xF000, 0x1000, PAGE_READONLY, &old) &&
            old == PAGE_READWRITE && query(low).RegionSize == 0xF000 &&
            query(low).Protect == PAGE_READWRITE && query(low + 0xF000).RegionSize == 0x1000 &&
            query(low + 0xF000).Protect == PAGE_READONLY && query(high).RegionSize == 0x10000 &&
            query(high).Protect == PAGE_READWRITE;
    right = right && write_fault(low + 0xEFFF) == 0 && write_fault(low + 0xF000) == AV &&
            write_fault(low + 0xFFFF) == AV && write_fault(high) == 0;
    right = right && VirtualProtect(low + 0xE000, 0x2000, PAGE_READWRITE, &old) &&
            query(low).RegionSize == 0x10000 && write_fault(low + 0xFFFF) == 0;
    ok(right, "protection change at the end of a region splits it right");
    VirtualFree(low, 0, MEM_RELEASE);
    VirtualFree(high, 0, MEM_RELEASE);
}

/* --- Files --- */

struct flushing {
    HANDLE file;
    volatile LONG stop, failed, count;
};

static DWORD WINAPI flush(void *argument)
{
    struct flushing *it = argument;

    while (!it->stop) {
        it->failed |= !FlushFileBuffers(it->file);
        it->count++;
    }
    return 0;
}

/* One thread has the file written all the while that another cuts it off and makes it longer. */
static void test_write_back_and_truncation(void)
{
    static unsigned char bytes[0xA000];
    HANDLE file = fresh("cut", 0);
    struct flushing flushing = {.file = reopen("cut", BOTH)};
    HANDLE thread = CreateThread(NULL, 0, flush, &flushing, 0, NULL);
    int right = 1;

    for (DWORD round = 1; round < 40; round++) {
        DWORD end = 1 + round * 977 % (sizeof bytes - 1);

        memset(bytes, (int)round, sizeof bytes);
        right = right && put(file, 0, bytes, sizeof bytes) == sizeof bytes && set_end(file, end) &&
                set_end(file, sizeof bytes) && is_filled(file, 0, end, (int)round) &&
                is_filled(file, end, sizeof bytes - end, 0);
    }
    flushing.stop = 1;
    WaitForSingleObject(thread, INFINITE);
    right = right && !flushing.failed && flushing.count > 0 && size_of_file(file) == sizeof bytes;
    ok(right, "write-back against truncate");
    CloseHandle(thread);
    CloseHandle(flushing.file);
    CloseHandle(file);
}

int main(int argc, char **argv)
{
    tap_begin();
    if (argc > 2) {
        return heir(argv[2]);
    }
    if (argc > 1) {
        return creator();
    }
    work_begin();
    test_outlived();
    test_counters();
    test_arguments();
    test_split();
    test_write_back_and_truncation();
    return work_end();
}
