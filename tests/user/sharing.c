/*
 * tests/user/sharing.c: one section in several views and processes: the same frames at different
 * addresses, whole 2 MiB chunks beside partial ones, private pages beside shared ones.
 * time limit: 180 s
 */
#include "tap.h"

#define ANYWHERE NULL

/* A free address, aligned to 2 MiB, with room for NBYTES. */
static char *aligned_room(SIZE_T nbytes)
{
    char *base = VirtualAlloc(NULL, nbytes + CHUNK, MEM_RESERVE, PAGE_NOACCESS);

    VirtualFree(base, 0, MEM_RELEASE);
    return (char *)(((ULONG_PTR)base + CHUNK - 1) & ~(ULONG_PTR)(CHUNK - 1));
}

static void fill(char *view, SIZE_T nbytes)
{
    for (SIZE_T at = 0; at < nbytes; at += PAGE) {
        *(DWORD *)(view + at) = (DWORD)at * 3 + 1;
    }
}

static BOOL filled(const char *view, SIZE_T nbytes)
{
    for (SIZE_T at = 0; at < nbytes; at += PAGE) {
        if (*(const DWORD *)(view + at) != (DWORD)at * 3 + 1) {
            return FALSE;
        }
    }
    return TRUE;
}

struct report {
    char *view;      /* where the child mapped it */
    DWORD frames[4]; /* of pages 0, 1, 700, 1023 there */
    DWORD linked;
    LONG counter;
};

static const DWORD probes[4] = {0, 1, 700, 1023};

/* Child: maps the section elsewhere than at AVOID, reports, answers. */
static int other_process(const char *name, char *avoid)
{
    HANDLE section = OpenFileMappingA(FILE_MAP_ALL_ACCESS, FALSE, name);
    struct report *report;
    char *view;

    VirtualAlloc(avoid, PAGE, MEM_RESERVE, PAGE_NOACCESS); /* if that is free here */
    view = MapViewOfFileEx(section, FILE_MAP_WRITE, 0, 0, 0, aligned_room(0x400000));
    must(view != NULL && view != avoid);
    must(strcmp(view + 700 * PAGE, "hello") == 0);
    strcpy(view + 700 * PAGE + 64, "answer");
    report = (struct report *)(view + 2 * PAGE);
    report->view = view;
    for (int i = 0; is_quire() && i < 4; i++) {
        must(view[probes[i] * PAGE] != 99);
        report->frames[i] = frame_of(view + probes[i] * PAGE).frame;
    }
    report->linked = is_quire() ? linked_chunks(view) : 0;
    for (int i = 0; i < 100000; i++) {
        InterlockedIncrement(&report->counter);
    }
    return 41;
}

static void test_two_processes(void)
{
    const char *name = unique("sharing");
    HANDLE section =
        CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 0x400000, name);
    char *view = MapViewOfFileEx(section, FILE_MAP_WRITE, 0, 0, 0, aligned_room(0x400000));
    struct report *report = (struct report *)(view + 2 * PAGE);
    struct child child;
    int same = 1;

    strcpy(view + 700 * PAGE, "hello");
    start_child(&child, FALSE, 0, "other %s 0x%lX", name, (DWORD)(ULONG_PTR)view);
    for (int i = 0; i < 100000; i++) {
        InterlockedIncrement(&report->counter);
    }
    ok(end_child(&child) == 41, "another process maps the section");
    ok(report->view != NULL && report->view != view, "at another address");
    ok(strcmp(view + 700 * PAGE + 64, "answer") == 0, "and answers through it");
    ok(report->counter == 200000,
       "200 000 interlocked increments from two processes: none is lost");
    for (int i = 0; i < 4 && is_quire(); i++) {
        same = same && view[probes[i] * PAGE] != 99 && report->frames[i] != UINT32_MAX &&
               report->frames[i] == frame_of(view + probes[i] * PAGE).frame;
    }
    quire_only(same, "both see the same physical frames");
    quire_only(report->linked == 2, "M3 the other process links both chunks");
    quire_only(linked_chunks(view) == 2, "M3 this one too");
    UnmapViewOfFile(view);
    CloseHandle(section);
}

static void test_linked_and_filled(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, 0x400000);
    char *whole = MapViewOfFileEx(section, FILE_MAP_WRITE, 0, 0, 0, aligned_room(0x400000));
    char *room = aligned_room(0x800000), *skew, *part, *second;
    struct quire_section_usage usage;

    fill(whole, 0x400000);
    ok(filled(whole, 0x400000), "a whole view at a 2 MiB-aligned address");
    skew = MapViewOfFileEx(section, FILE_MAP_WRITE, 0, 0, 0, room + 0x10000);
    ok(skew == room + 0x10000 && filled(skew, 0x400000), "a whole view 64 KiB off");
    part = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0x1F0000, 0x20000);
    ok(part != NULL && *(DWORD *)part == 0x1F0000 * 3 + 1, "a part over the border of two chunks");
    second = MapViewOfFileEx(section, FILE_MAP_READ, 0, 0, 0, aligned_room(0x400000));
    ok(second != NULL && filled(second, 0x400000), "a second whole view, to read");
    if (is_quire()) {
        usage = usage_of(section);
        ok(linked_chunks(whole) == 2, "M3 the aligned view: both chunks linked");
        ok(linked_chunks(skew) == 0, "M3 the skewed view: none");
        ok(linked_chunks(part) == 0, "M3 the part: none");
        ok(linked_chunks(second) == 2, "M3 the view to read: both linked");
        ok(usage.linked_chunks == 4 && usage.filled_chunks >= 3, "M3 usage: linked and filled");
        ok(usage.resident_pages == 1024, "M1 usage: 1024 pages resident");
        ok(frame_of(whole + 0x1F0000).frame == frame_of(part).frame &&
               frame_of(skew + 0x1F0000).frame == frame_of(part).frame &&
               frame_of(second + 0x1F0000).frame == frame_of(part).frame,
           "M2 all four views show the same frame");
    } else {
        tap_skip_all("needs Quire's own calls", "M3 the aligned view: both chunks linked\n"
                                                "M3 the skewed view: none\n"
                                                "M3 the part: none\n"
                                                "M3 the view to read: both linked\n"
                                                "M3 usage: linked and filled\n"
                                                "M1 usage: 1024 pages resident\n"
                                                "M2 all four views show the same frame\n");
    }
    whole[0x1F0004] = 'a';
    part[0x10004] = 'b';
    skew[0x3FF004] = 'c';
    ok(part[4] == 'a' && whole[0x200004] == 'b' && second[0x3FF004] == 'c' && skew[0x1F0004] == 'a',
       "a store through each is seen through the others");
    ok(write_fault(second + 0x1000) == AV, "M3 the linked view to read cannot be written");
    ok(whole[0x1000] != (char)0xA5, "M3 and was not");
    UnmapViewOfFile(whole);
    ok(skew[0x1F0004] == 'a' && second[0x3FF004] == 'c', "M1 one view gone: the others stay");
    ok(read_fault(whole + 0x1000) == AV && read_fault(whole + 0x300000) == AV,
       "UNM01 its addresses fault");
    UnmapViewOfFile(skew);
    UnmapViewOfFile(part);
    UnmapViewOfFile(second);
    whole = MapViewOfFileEx(section, FILE_MAP_WRITE, 0, 0, 0, aligned_room(0x400000));
    ok(whole != NULL && whole[0x1F0004] == 'a' && whole[0x200004] == 'b' && whole[0x3FF004] == 'c',
       "M1 no view for a moment: everything is still there");
    UnmapViewOfFile(whole);
    CloseHandle(section);
}

/* One page of a linked chunk gets another protection. */
static void test_protection_in_a_linked_chunk(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, 0x400000);
    char *one = MapViewOfFileEx(section, FILE_MAP_WRITE, 0, 0, 0, aligned_room(0x400000));
    char *two = MapViewOfFileEx(section, FILE_MAP_WRITE, 0, 0, 0, aligned_room(0x400000));
    DWORD old;

    fill(one, 0x400000);
    ok(filled(two, 0x400000), "two whole views");
    quire_only(linked_chunks(one) == 2 && linked_chunks(two) == 2, "M3 both link both chunks");
    ok(VirtualProtect(one + 0x5000, PAGE, PAGE_READONLY, &old),
       "M4 one page read-only in one view");
    ok(write_fault(one + 0x5000) == AV && fault_was(1, one + 0x5000),
       "M4 it cannot be written there");
    ok(write_fault(two + 0x5000) == 0 && (unsigned char)one[0x5000] == 0xA5,
       "M4 through the other view it can");
    ok(write_fault(one + 0x4000) == 0 && write_fault(one + 0x6000) == 0 &&
           (unsigned char)two[0x4000] == 0xA5 && (unsigned char)two[0x6000] == 0xA5,
       "M4 its neighbours are still shared and writable");
    if (is_quire()) {
        one[0x300000] = 1;
        ok(usage_of(section).linked_chunks == 3, "M4 just that chunk of that view is unshared");
    } else {
        tap_skip("needs Quire's own calls", "M4 just that chunk of that view is unshared");
    }
    ok(VirtualProtect(one + 0x6000, PAGE, PAGE_NOACCESS, &old) && read_fault(one + 0x6000) == AV &&
           read_fault(two + 0x6000) == 0,
       "M4 no access to another page");
    ok(VirtualProtect(one + 0x7000, PAGE, PAGE_READWRITE | PAGE_GUARD, &old) &&
           read_fault(two + 0x7000) == 0 &&
           read_fault(one + 0x7000) == (DWORD)STATUS_GUARD_PAGE_VIOLATION &&
           write_fault(one + 0x7000) == 0 && (unsigned char)two[0x7000] == 0xA5,
       "M4 a guard on a third");
    ok(VirtualProtect(one + 0x5000, 3 * PAGE, PAGE_READWRITE, &old) &&
           write_fault(one + 0x6000) == 0,
       "M4 all of them back");
    ok(VirtualProtect(one, 0x400000, PAGE_READONLY, &old) && write_fault(one + 0x123000) == AV &&
           write_fault(two + 0x123000) == 0 && (unsigned char)one[0x123000] == 0xA5,
       "M3 the whole view read-only");
    ok(VirtualProtect(one, 0x400000, PAGE_READWRITE, &old) && write_fault(one + 0x124000) == 0 &&
           (unsigned char)two[0x124000] == 0xA5,
       "M3 and writable again");
    UnmapViewOfFile(one);
    UnmapViewOfFile(two);
    CloseHandle(section);
}

/* A copy view beside shared views of the same chunk. */
static void test_write_copy_beside(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, 0x400000);
    char *one = MapViewOfFileEx(section, FILE_MAP_WRITE, 0, 0, 0, aligned_room(0x400000));
    char *two, *copy, *part;
    DWORD frame = 0;

    fill(one, 0x400000);
    two = MapViewOfFileEx(section, FILE_MAP_WRITE, 0, 0, 0, aligned_room(0x400000));
    copy = MapViewOfFileEx(section, FILE_MAP_COPY, 0, 0, 0, aligned_room(0x400000));
    part = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0x10000, 0x10000);
    ok(filled(two, 0x400000) && filled(copy, 0x400000), "M7 two shared views and a copy view");
    if (is_quire()) {
        frame = frame_of(copy + 0x11000).frame;
    }
    quire_only(frame == frame_of(one + 0x11000).frame,
               "M7 before a store the copy shares the frame");
    copy[0x11004] = 'p';
    one[0x11005] = 's';
    ok(one[0x11004] != 'p' && two[0x11004] != 'p' && part[0x1004] != 'p' && copy[0x11004] == 'p',
       "M7 a store into the copy is seen nowhere else");
    ok(two[0x11005] == 's' && part[0x1005] == 's' && copy[0x11005] != 's',
       "M7 a store into the shared page is not seen in the copy");
    quire_only(frame_of(copy + 0x11000).frame != frame_of(one + 0x11000).frame &&
                   frame_of(two + 0x11000).frame == frame && frame_of(part + 0x1000).frame == frame,
               "M7 the copy has a frame of its own, the others share the old one");
    one[0x12004] = 't';
    unlike_wine(copy[0x12004] == 't', "M7 pages that were not stored to still follow");
    copy[0x3FF004] = 'q';
    ok(*(DWORD *)(two + 0x3FF000) == 0x3FF000 * 3 + 1 && two[0x3FF004] == 0 &&
           copy[0x3FF004] == 'q' && *(DWORD *)(copy + 0x3FF000) == 0x3FF000 * 3 + 1,
       "M7 the same in the other chunk");
    quire_only(linked_chunks(copy) == 0 && linked_chunks(one) == 2 && linked_chunks(two) == 2,
               "M4 the copy links nothing, the shared views everything");
    UnmapViewOfFile(copy);
    copy = MapViewOfFile(section, FILE_MAP_COPY, 0, 0, 0);
    ok(copy[0x11004] != 'p' && copy[0x11005] == 's', "M7 a new copy begins with what is shared");
    UnmapViewOfFile(copy);
    UnmapViewOfFile(part);
    UnmapViewOfFile(two);
    UnmapViewOfFile(one);
    CloseHandle(section);
}

/* Two sections side by side in one 2 MiB slot. */
static void test_neighbours_in_a_slot(void)
{
    HANDLE first = memory_section(PAGE_READWRITE, 0x80000);
    HANDLE second = memory_section(PAGE_READWRITE, 0x80000);
    char *room = aligned_room(CHUNK), *one, *two, *memory;

    one = MapViewOfFileEx(first, FILE_MAP_WRITE, 0, 0, 0, room);
    one[0] = 1;
    two = MapViewOfFileEx(second, FILE_MAP_WRITE, 0, 0, 0, room + 0x80000);
    memory = VirtualAlloc(room + 0x100000, 0x10000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    ok(one == room && two == room + 0x80000 && memory == room + 0x100000,
       "M3 two sections and private memory in one 2 MiB slot");
    two[0] = 2;
    memory[0] = 3;
    ok(one[0] == 1 && two[0] == 2 && memory[0] == 3 && one[0x7F000] == 0 && two[0x7F000] == 0,
       "M3 each keeps its own");
    UnmapViewOfFile(one);
    ok(two[0] == 2 && memory[0] == 3 && read_fault(room) == AV, "M3 the first unmapped");
    VirtualFree(memory, 0, MEM_RELEASE);
    ok(two[0] == 2 && read_fault(memory) == AV, "M3 the private memory freed");
    one = MapViewOfFileEx(first, FILE_MAP_WRITE, 0, 0, 0, room);
    ok(one == room && one[0] == 1, "M3 mapped there again");
    UnmapViewOfFile(one);
    UnmapViewOfFile(two);
    CloseHandle(first);
    CloseHandle(second);
}

/* Sections whose last chunk is not full, and one-page sections. */
static void test_short_chunks(void)
{
    static const DWORD sizes[] = {PAGE, 0x10000, 0x1FF000, CHUNK, 0x201000, 0x3FF000};
    int right = 1;

    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        HANDLE section = memory_section(PAGE_READWRITE, sizes[i]);
        char *one = MapViewOfFileEx(section, FILE_MAP_WRITE, 0, 0, 0, aligned_room(sizes[i]));
        char *two = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);

        fill(one, sizes[i]);
        right = right && filled(two, sizes[i]) && one[sizes[i] - 1] == 0;
        right = right && (query(one + sizes[i]).AllocationBase != one) &&
                query(one).RegionSize == sizes[i];
        UnmapViewOfFile(one);
        right = right && filled(two, sizes[i]);
        UnmapViewOfFile(two);
        CloseHandle(section);
    }
    ok(right, "M3 sections of one page to just under two chunks, twice mapped");
}

/* A page that was not there is brought in by several processes at once. */
static int racer(const char *name, const char *go)
{
    HANDLE section = OpenFileMappingA(FILE_MAP_ALL_ACCESS, FALSE, name);
    LONG *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);

    must(view != NULL);
    WaitForSingleObject(OpenEventA(SYNCHRONIZE, FALSE, go), 30000);
    for (int page = 0; page < 512; page++) {
        InterlockedIncrement(&view[page * 1024]);
    }
    return 43;
}

static void test_race(void)
{
    const char *name = unique("race"), *go = unique("go");
    HANDLE section = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, CHUNK, name);
    HANDLE event = CreateEventA(NULL, TRUE, FALSE, go);
    struct child children[4];
    LONG *view;
    int right = 1;

    for (int i = 0; i < 4; i++) {
        start_child(&children[i], FALSE, 0, "racer %s %s x", name, go);
    }
    Sleep(200);
    SetEvent(event);
    for (int i = 0; i < 4; i++) {
        right = end_child(&children[i]) == 43 && right;
    }
    view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    for (int page = 0; page < 512; page++) {
        right = right && view[page * 1024] == 4;
    }
    ok(right, "M1 four processes fault in the same absent pages: each page is one");
    UnmapViewOfFile(view);
    CloseHandle(section);
    CloseHandle(event);
}

int main(int argc, char **argv)
{
    tap_begin();
    if (argc > 4) {
        return racer(argv[2], argv[3]);
    }
    if (argc > 3) {
        return other_process(argv[2], (char *)handle_argument(argv[3]));
    }
    test_two_processes();
    test_linked_and_filled();
    test_protection_in_a_linked_chunk();
    test_write_copy_beside();
    test_neighbours_in_a_slot();
    test_short_chunks();
    test_race();
    return tap_end();
}
