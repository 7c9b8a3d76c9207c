/*
 * tests/user/memory.c: what is done a hundred thousand times leaves the kernel's memory where it
 * was; what is too large is refused and leaves nothing.
 * time limit: 180 s
 */
#include "tap.h"

static struct quire_memory before;

/* Commit without that of the pool's pages: it keeps some empty ones for the next objects. */
static DWORD charge(const struct quire_memory *memory)
{
    return memory->commit_pages - memory->pool_pages;
}

/* Compares with BEFORE. */
static void check_memory(const char *what)
{
    struct quire_memory after;

    if (!is_quire()) {
        tap_skip("needs Quire's own calls", "%s: kernel memory is where it was", what);
        return;
    }
    Sleep(50);
    after = memory_now();
    if (!ok(charge(&after) == charge(&before) && after.pool_objects == before.pool_objects &&
                after.table_pages <= before.table_pages &&
                after.pool_pages <= before.pool_pages + 8,
            "%s: kernel memory is where it was", what)) {
        tap_print("# commit %u -> %u, pool %u -> %u pages, %u -> %u objects, tables %u -> %u",
                  before.commit_pages, after.commit_pages, before.pool_pages, after.pool_pages,
                  before.pool_objects, after.pool_objects, before.table_pages, after.table_pages);
    }
}

static void note_memory(void)
{
    if (is_quire()) {
        Sleep(50);
        before = memory_now();
    }
}

static void test_views(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, 0x10000);
    int count = is_quire() ? 100000 : 2000, right = 1;
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);

    view[0] = 1; /* the page table that this needs stays for the next view */
    UnmapViewOfFile(view);
    note_memory();
    for (int i = 0; i < count && right; i++) {
        view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
        right = view != NULL;
        if (right) {
            view[0] = (char)i;
            right = UnmapViewOfFile(view);
        }
    }
    ok(right, "a section mapped and unmapped time and again");
    check_memory("views");
    CloseHandle(section);
}

static void test_sections(void)
{
    int count = is_quire() ? 10000 : 1000, right = 1;

    for (int i = 0; i < count && right; i++) {
        HANDLE section =
            CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0,
                               (DWORD)(i % 50 + 1) * 0x10000, i % 2 ? "quire-often" : NULL);
        char *view = MapViewOfFile(section, i % 3 ? FILE_MAP_WRITE : FILE_MAP_COPY, 0, 0, 0);

        right = view != NULL && view[i % 0x10000] == 0;
        if (right) {
            view[i % 0x10000] = 1;
        }
        UnmapViewOfFile(view);
        CloseHandle(section);
        if (i == 0 || i == 60) {
            note_memory();
        }
    }
    ok(right, "sections made, mapped, written and closed");
    check_memory("sections");
}

static void test_large_views(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, 0x1000000);
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    int right = 1;

    for (DWORD at = 0; at < 0x1000000; at += PAGE) {
        view[at] = (char)(at >> 12);
    }
    UnmapViewOfFile(view);
    note_memory();
    for (int i = 0; i < 500 && right; i++) {
        view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
        for (DWORD at = (DWORD)i * PAGE; at < 0x1000000 && right; at += 97 * PAGE) {
            right = view[at] == (char)(at >> 12);
        }
        UnmapViewOfFile(view);
    }
    ok(right, "a view of 16 MiB mapped 500 times and looked at");
    check_memory("large views");
    CloseHandle(section);
}

static void test_private(void)
{
    int right = 1;

    for (int i = 0; i < 3000 && right; i++) {
        char *base = VirtualAlloc(NULL, 0x50000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
        DWORD old;

        right = base != NULL;
        base[0] = 1;
        base[0x4F000] = 1;
        VirtualProtect(base + 0x10000, 0x10000, PAGE_READONLY, &old);
        VirtualFree(base + 0x20000, 0x10000, MEM_DECOMMIT);
        VirtualFree(base, 0, MEM_RELEASE);
        if (i == 0) {
            note_memory();
        }
    }
    ok(right, "private memory reserved, protected, decommitted and released 3000 times");
    check_memory("private memory");
}

static void test_refused(void)
{
    int right = 1;

    if (!is_quire()) {
        tap_skip_all("needs Quire's own calls",
                     "more than the commit limit is refused, a thousand times\n"
                     "refused sections: kernel memory is where it was\n");
        return;
    }
    note_memory();
    for (int i = 0; i < 1000; i++) {
        DWORD pages = before.commit_limit_pages - before.commit_pages + 1 + (DWORD)i;
        HANDLE section = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, pages >> 20,
                                            pages << 12, NULL);

        right = right && section == NULL && GetLastError() == ERROR_COMMITMENT_LIMIT;
        CloseHandle(section);
    }
    ok(right, "more than the commit limit is refused, a thousand times");
    check_memory("refused sections");
}

/* Takes private memory until no more is given; every page of it can be touched. */
static void test_exhausted(void)
{
    static char *blocks[4096];
    int count = 0, right = 1;

    if (!is_quire()) {
        tap_skip_all("needs Quire's own calls",
                     "commit taken to the limit: refused, nothing else happens\n"
                     "every page of what was given can be touched\n"
                     "exhaustion: kernel memory is where it was\n");
        return;
    }
    note_memory();
    while (count < 4096 && before.commit_limit_pages < 0x60000 &&
           (blocks[count] = VirtualAlloc(NULL, 0x100000, MEM_COMMIT, PAGE_READWRITE)) != NULL) {
        count++;
    }
    right = count == 4096 || before.commit_limit_pages >= 0x60000 ||
            GetLastError() == ERROR_COMMITMENT_LIMIT || GetLastError() == ERROR_NOT_ENOUGH_MEMORY;
    ok(right, "commit taken to the limit: refused, nothing else happens");
    tap_print("# %d MiB", count);
    for (int i = 0; i < count; i++) {
        for (DWORD at = 0; at < 0x100000; at += PAGE) {
            blocks[i][at] = (char)i;
        }
    }
    for (int i = 0; i < count; i++) {
        right = right && blocks[i][0xFF000] == (char)i;
        VirtualFree(blocks[i], 0, MEM_RELEASE);
    }
    ok(right, "every page of what was given can be touched");
    check_memory("exhaustion");
}

/* The stack's own growth is done before anything is compared. */
static void __attribute__((noinline)) grow_stack(void)
{
    volatile char room[0x10000];

    for (size_t at = sizeof room; at > 0; at -= PAGE) {
        room[at - 1] = 1;
    }
}

int main(void)
{
    tap_begin();
    grow_stack();
    test_views();
    test_sections();
    test_large_views();
    test_private();
    test_refused();
    test_exhausted();
    return tap_end();
}
