/*
 * tests/user/lifetime.c: how long a section lives: last handle, last view, a creator that dies
 * first, processes that are ended at any moment; the usage counter.
 * time limit: 180 s
 */
#include "tap.h"

static HANDLE create(const char *name)
{
    return CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 0x10000, name);
}

static BOOL exists(const char *name)
{
    HANDLE section = OpenFileMappingA(FILE_MAP_READ, FALSE, name);

    CloseHandle(section);
    return section != NULL;
}

static void test_usage(void)
{
    const char *name = unique("count");
    HANDLE section = create(name), second, reader;
    struct quire_section_usage usage;
    char *one, *two;

    if (!is_quire()) {
        tap_skip_all("needs Quire's own calls", "usage: one handle\n"
                                                "usage: and two views\n"
                                                "usage: nothing is resident before a touch\n"
                                                "usage: two pages touched, two resident\n"
                                                "usage: opened again\n"
                                                "HND21 it needs SECTION_QUERY\n"
                                                "usage: a view and a handle less\n"
                                                "NAM20 a view alone keeps the name\n"
                                                "NAM20 with the last view it goes\n");
        CloseHandle(section);
        return;
    }
    usage = usage_of(section);
    ok(usage.handles == 1 && usage.views == 0 && usage.references == 1, "usage: one handle");
    one = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    two = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
    usage = usage_of(section);
    ok(usage.handles == 1 && usage.views == 2 && usage.references == 3, "usage: and two views");
    ok(usage.resident_pages == 0, "usage: nothing is resident before a touch");
    one[0] = 1;
    one[0x5000] = 1;
    usage = usage_of(section);
    ok(usage.resident_pages == 2, "usage: two pages touched, two resident");
    second = OpenFileMappingA(FILE_MAP_ALL_ACCESS, FALSE, name);
    ok(usage_of(section).references == 4 && usage_of(second).handles == 2, "usage: opened again");
    reader = OpenFileMappingA(FILE_MAP_READ, FALSE, name);
    usage_of(reader);
    ok(tap_status == STATUS_ACCESS_DENIED, "HND21 it needs SECTION_QUERY");
    CloseHandle(reader);
    UnmapViewOfFile(two);
    CloseHandle(section);
    usage = usage_of(second);
    ok(usage.handles == 1 && usage.views == 1 && usage.references == 2,
       "usage: a view and a handle less");
    CloseHandle(second);
    ok(exists(name), "NAM20 a view alone keeps the name");
    UnmapViewOfFile(one);
    ok(!exists(name), "NAM20 with the last view it goes");
}

/* Child: makes a section, says so, waits to be told, ends without cleaning up. */
static int creator(const char *name, const char *ready, const char *go)
{
    HANDLE section = create(name);
    HANDLE event = OpenEventA(EVENT_ALL_ACCESS, FALSE, ready);
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);

    must(section != NULL && GetLastError() != ERROR_ALREADY_EXISTS && view != NULL);
    strcpy(view, "by the creator");
    strcpy(view + 0x8000, "far away");
    SetEvent(event);
    WaitForSingleObject(OpenEventA(EVENT_ALL_ACCESS, FALSE, go), 30000);
    return 31;
}

static void test_creator_dies_first(BOOL killed)
{
    const char *name = unique("creator"), *ready = unique("ready"), *go = unique("go");
    const char *how = killed ? "killed" : "ended";
    HANDLE events[2] = {CreateEventA(NULL, TRUE, FALSE, ready),
                        CreateEventA(NULL, TRUE, FALSE, go)};
    HANDLE section, waits[2];
    struct child child;
    char *view;

    start_child(&child, FALSE, 0, "creator %s %s %s", name, ready, go);
    waits[0] = events[0];
    waits[1] = child.process;
    WaitForMultipleObjects(2, waits, FALSE, 30000);
    section = OpenFileMappingA(FILE_MAP_ALL_ACCESS, FALSE, name);
    view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    ok(view != NULL && strcmp(view, "by the creator") == 0, "creator %s: opened while it lives",
       how);
    if (killed) {
        TerminateProcess(child.process, 31);
    } else {
        SetEvent(events[1]);
    }
    ok(end_child(&child) == 31, "creator %s: gone", how);
    ok(view != NULL && strcmp(view, "by the creator") == 0 &&
           strcmp(view + 0x8000, "far away") == 0,
       "creator %s: what it wrote is here", how);
    ok(exists(name), "creator %s: the name is there", how);
    quire_only(usage_of(section).handles == 1 && usage_of(section).views == 1,
               "creator %s: its handle and view are not counted any more", how);
    CloseHandle(section);
    unlike_wine(exists(name), "NAM20 creator %s: a view of another process keeps the name", how);
    UnmapViewOfFile(view);
    ok(!exists(name), "NAM24 creator %s: with the last user the name goes", how);
    CloseHandle(events[0]);
    CloseHandle(events[1]);
}

/* Child: ends with handles and views open. */
static int careless(const char *name)
{
    for (int i = 0; i < 10; i++) {
        HANDLE section = create(name);
        char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);

        must(view != NULL);
        view[i * PAGE] = 1;
    }
    return 32;
}

static void test_careless(void)
{
    const char *name = unique("careless");

    ok(run_child(FALSE, 0, "careless %s", name) == 32 && !exists(name),
       "NAM24 a process that closes nothing: its end does");
}

/* Child: works without end until it is killed. */
static void churn(const char *name, unsigned seed)
{
    for (;;) {
        HANDLE section = create(name), copy = NULL;
        char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0), *part, *memory;
        DWORD old;

        seed = seed * 1103515245 + 12345;
        part = MapViewOfFile(section, FILE_MAP_COPY, 0, 0, 0x1000 * (1 + (seed >> 16) % 16));
        view[(seed >> 8) & 0xFFFF] = 1;
        part[0] = 2;
        VirtualProtect(view + 0x3000, PAGE, PAGE_READONLY, &old);
        memory = VirtualAlloc(NULL, 0x40000, MEM_COMMIT, PAGE_READWRITE);
        memory[(seed >> 4) & 0x3FFFF] = 3;
        DuplicateHandle(GetCurrentProcess(), section, GetCurrentProcess(), &copy, 0, TRUE,
                        DUPLICATE_SAME_ACCESS);
        if (is_quire() && (seed >> 20) % 8 == 0) { /* Wine leaves such ones half made */
            struct child child;

            start_child(&child, TRUE, 0, "nothing"); /* left to itself */
        }
        UnmapViewOfFile(part);
        CloseHandle(section);
        UnmapViewOfFile(view);
        VirtualFree(memory, 0, MEM_RELEASE);
        CloseHandle(copy);
    }
}

static BOOL gone_soon(const char *name)
{
    for (int i = 0; i < 200; i++) { /* a grandchild may still hold an inherited handle */
        if (!exists(name)) {
            return TRUE;
        }
        Sleep(50);
    }
    return FALSE;
}

static void test_killed_at_any_moment(void)
{
    const char *name = unique("churn");
    int rounds = is_quire() ? 40 : 8, started = 1, gone = 1;

    for (int i = 0; i < rounds && gone; i++) {
        struct child child;

        started = start_child(&child, FALSE, 0, "churn %s %d", name, i * 7 + 1) && started;
        Sleep((DWORD)(i * 3 % 40) + 1);
        TerminateProcess(child.process, 33);
        started = end_child(&child) == 33 && started;
        gone = gone_soon(name);
    }
    ok(started, "NAM24 processes killed while they map, protect, duplicate, start others");
    ok(gone, "NAM24 each time the name went with them");
}

/* The frames and charges of all that are given back. */
static void test_nothing_is_left(void)
{
    struct quire_memory before, after;
    const char *name = unique("left");

    if (!is_quire()) {
        tap_skip("needs Quire's own calls", "killed processes leave nothing behind");
        return;
    }
    for (int round = 0; round < 2; round++) { /* the first one warms up */
        for (int i = 0; i < 10; i++) {
            struct child child;

            start_child(&child, FALSE, 0, "churn %s %d", name, i);
            Sleep((DWORD)i * 2 + 5);
            TerminateProcess(child.process, 33);
            end_child(&child);
            gone_soon(name);
        }
        for (int i = 0; i < 100 && memory_now().processes > 2; i++) {
            Sleep(20);
        }
        Sleep(200);
        after = memory_now();
        if (round == 0) {
            before = after;
        }
    }
    ok(after.commit_pages <= before.commit_pages + 4 &&
           after.pool_objects <= before.pool_objects + 8 && after.processes == before.processes &&
           after.threads == before.threads,
       "killed processes leave nothing behind");
    tap_print("# commit %u -> %u pages, pool objects %u -> %u, tables %u -> %u",
              before.commit_pages, after.commit_pages, before.pool_objects, after.pool_objects,
              before.table_pages, after.table_pages);
}

int main(int argc, char **argv)
{
    tap_begin();
    if (argc > 4) {
        return creator(argv[2], argv[3], argv[4]);
    }
    if (argc > 3) {
        churn(argv[2], (unsigned)atoi(argv[3]));
    }
    if (argc > 2) {
        return careless(argv[2]);
    }
    if (argc > 1) {
        return 0;
    }
    test_usage();
    test_creator_dies_first(FALSE);
    test_creator_dies_first(TRUE);
    test_careless();
    test_killed_at_any_moment();
    test_nothing_is_left();
    return tap_end();
}
