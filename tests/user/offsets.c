/*
 * tests/user/offsets.c: where a view begins, how long it is and where it lies (OFS).
 */
#include "tap.h"

struct map {
    HANDLE section, process;
    void *base;
    ULONG_PTR zero_bits;
    SIZE_T commit, nbytes;
    LONGLONG offset;
    ULONG type, protection;
};

/* NtMapViewOfSection; the results in MAP. */
static NTSTATUS map_view(struct map *map)
{
    LARGE_INTEGER offset = {.QuadPart = map->offset};

    return pNtMapViewOfSection(map->section, map->process, &map->base, map->zero_bits, map->commit,
                               &offset, &map->nbytes, 1, map->type, map->protection);
}

/* The same; what it mapped is removed again. */
static NTSTATUS try_map(struct map map)
{
    NTSTATUS status;

    map.process = map.process == NULL ? GetCurrentProcess() : map.process;
    map.protection = map.protection == 0 ? PAGE_READWRITE : map.protection;
    status = map_view(&map);
    if (status >= 0) {
        pNtUnmapViewOfSection(map.process, map.base);
    }
    return status;
}

static void test_offsets(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, 0x30000);
    HANDLE file = open_file("odd.bin");
    HANDLE data = CreateFileMappingA(file, NULL, PAGE_READONLY, 0, 0, NULL);
    char *view;

    ok(FAILS(MapViewOfFile(section, FILE_MAP_READ, 0, 1, 0), ERROR_MAPPED_ALIGNMENT),
       "OFS01 offset 1");
    ok(FAILS(MapViewOfFile(section, FILE_MAP_READ, 0, 0x1000, 0), ERROR_MAPPED_ALIGNMENT),
       "OFS01 offset 0x1000");
    ok(STATUS_IS(try_map((struct map){.section = section, .offset = 1}), STATUS_MAPPED_ALIGNMENT),
       "OFS01 offset 1, native");
    view = MapViewOfFile(section, FILE_MAP_READ, 0, 0x10000, 0);
    ok(view != NULL && query(view).RegionSize == 0x20000, "OFS03 length 0: to the section's end");
    UnmapViewOfFile(view);
    view = MapViewOfFile(section, FILE_MAP_READ, 0, 0x10000, 0x1001);
    ok(view != NULL && query(view).RegionSize == 0x2000, "OFS03 a length: in whole pages");
    UnmapViewOfFile(view);
    view = MapViewOfFile(data, FILE_MAP_READ, 0, 0, 0x3456);
    ok(view != NULL, "OFS05 exactly the section's size");
    UnmapViewOfFile(view);
    ok(FAILS(MapViewOfFile(data, FILE_MAP_READ, 0, 0, 0x3457), ERROR_ACCESS_DENIED),
       "OFS05 one byte more, in the same page");
    ok(FAILS(MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0x30001), ERROR_ACCESS_DENIED),
       "OFS05 one byte more of memory");
    ok(STATUS_IS(try_map((struct map){.section = section, .nbytes = 0x30001}),
                 STATUS_INVALID_VIEW_SIZE),
       "OFS05 one byte more, native");
    unlike_wine(FAILS(MapViewOfFile(section, FILE_MAP_READ, 0, 0x30000, 0), ERROR_ACCESS_DENIED),
                "OFS06 offset at the end");
    unlike_wine(FAILS(MapViewOfFile(section, FILE_MAP_READ, 0, 0x40000, 0), ERROR_ACCESS_DENIED),
                "OFS06 offset beyond the end");
    unlike_wine(FAILS(MapViewOfFile(section, FILE_MAP_READ, 1, 0, 0), ERROR_ACCESS_DENIED),
                "OFS06 offset 4 GiB");
    CloseHandle(data);
    CloseHandle(file);
    CloseHandle(section);
}

static void test_bases(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, 0x30000), event;
    char *one = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0), *two, *three;

    ok(one != NULL && ((ULONG_PTR)one & 0xFFFF) == 0, "OFS09 the system's base: 64 KiB-aligned");
    two = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    ok(two != NULL && two != one, "OFS13 two views: two addresses");
    one[0x12345] = 77;
    ok(two[0x12345] == 77, "OFS13 one shows what the other wrote");
    three = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0x10000, 0x10000);
    ok(three != NULL && three[0x2345] == 77, "OFS27 a third, that overlaps in the section");
    UnmapViewOfFile(three);
    UnmapViewOfFile(two);
    ok(MapViewOfFileEx(section, FILE_MAP_WRITE, 0, 0, 0, two) == two,
       "OFS12 at a free base of one's choice");
    ok(two[0x12345] == 77, "OFS12 with the same contents");
    ok(FAILS(MapViewOfFileEx(section, FILE_MAP_WRITE, 0, 0, 0, two), ERROR_INVALID_ADDRESS),
       "OFS12 the same base again: it is taken");
    UnmapViewOfFile(two);
    ok(FAILS(MapViewOfFileEx(section, FILE_MAP_WRITE, 0, 0, 0, two + 0x1000),
             ERROR_MAPPED_ALIGNMENT),
       "OFS10 a base that is not 64 KiB-aligned");
    unlike_wine(STATUS_IS(try_map((struct map){.section = section, .base = (void *)0x90000000u}),
                          STATUS_INVALID_PARAMETER_3),
                "OFS15 a base in the kernel's half");
    UnmapViewOfFile(one);
    event = CreateEventA(NULL, FALSE, FALSE, NULL);
    ok(FAILS(MapViewOfFile(event, FILE_MAP_READ, 0, 0, 0), ERROR_INVALID_HANDLE),
       "OFS17 an event instead of a section");
    CloseHandle(event);
    CloseHandle(section);
}

static void test_native_arguments(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, 0x30000);
    struct map map = {.section = section, .process = NULL, .protection = PAGE_READWRITE};

    ok(STATUS_IS(try_map((struct map){.section = NULL}), STATUS_INVALID_HANDLE),
       "OFS16 section handle 0");
    ok(STATUS_IS(try_map((struct map){.section = (HANDLE)(ULONG_PTR)0x7770}),
                 STATUS_INVALID_HANDLE),
       "OFS16 a section handle that is none");
    ok(STATUS_IS(try_map((struct map){.section = (HANDLE)(LONG_PTR)-1}),
                 STATUS_OBJECT_TYPE_MISMATCH),
       "OFS16 a process as the section");
    ok(STATUS_IS(map_view(&map), STATUS_INVALID_HANDLE), "OFS16 process handle 0");
    quire_differs(STATUS_IS(try_map((struct map){.section = NULL, .base = (void *)0x50001000}),
                            STATUS_INVALID_HANDLE),
                  1, "OFS18 a bad handle before a misaligned base");
    unlike_wine(STATUS_IS(try_map((struct map){.section = section, .nbytes = (SIZE_T)-1}),
                          STATUS_INVALID_PARAMETER_3),
                "OFS19 ViewSize -1");
    ok(STATUS_IS(try_map((struct map){.section = section, .zero_bits = 21}), STATUS_NO_MEMORY),
       "OFS20 ZeroBits 21");
    ok(STATUS_IS(try_map((struct map){.section = section, .zero_bits = 22}),
                 STATUS_INVALID_PARAMETER_4),
       "OFS20 ZeroBits 22");
    ok(STATUS_IS(try_map((struct map){.section = section, .zero_bits = 31}),
                 STATUS_INVALID_PARAMETER_4),
       "OFS20 ZeroBits 31");
    map.process = GetCurrentProcess();
    map.zero_bits = 8;
    tap_status = map_view(&map);
    ok(tap_status == STATUS_NO_MEMORY ||
           (tap_status == STATUS_SUCCESS && (ULONG_PTR)map.base < 0x1000000),
       "OFS20 ZeroBits 8: below 16 MiB, or no memory");
    if (tap_status >= 0) {
        pNtUnmapViewOfSection(map.process, map.base);
    }
    ok(STATUS_IS(
           try_map((struct map){.section = section, .base = (void *)0x50000000, .zero_bits = 8}),
           STATUS_INVALID_PARAMETER_4),
       "OFS20 a base that breaks ZeroBits");
    unlike_wine(STATUS_IS(try_map((struct map){.section = section, .type = MEM_COMMIT}),
                          STATUS_INVALID_PARAMETER_9),
                "OFS21 MEM_COMMIT");
    unlike_wine(STATUS_IS(try_map((struct map){.section = section, .type = MEM_RESERVE}),
                          STATUS_INVALID_PARAMETER_9),
                "OFS21 MEM_RESERVE of a page-file section");
    unlike_wine(STATUS_IS(try_map((struct map){.section = section, .commit = 0x10000000}),
                          STATUS_INVALID_PARAMETER_5),
                "OFS23 CommitSize larger than the section");
    unlike_wine(STATUS_IS(try_map((struct map){.section = section, .commit = (SIZE_T)-1}),
                          STATUS_INVALID_PARAMETER_5),
                "OFS23 CommitSize -1");
    CloseHandle(section);
}

/* A SEC_RESERVE section mapped with its first page committed. */
static void test_commit_size(void)
{
    HANDLE section = memory_section(PAGE_READWRITE | SEC_RESERVE, 0x10000);
    struct map map = {.section = section,
                      .process = GetCurrentProcess(),
                      .commit = 0x1000,
                      .nbytes = 0x2000,
                      .protection = PAGE_READWRITE};

    if (is_quire()) {
        ok(STATUS_IS(map_view(&map), STATUS_SUCCESS), "OFS24 a page of two committed");
        ok(write_fault(map.base) == 0, "OFS24 the first is usable");
        ok(read_fault((char *)map.base + 0x1000) == AV, "OFS24 the second is not");
        pNtUnmapViewOfSection(map.process, map.base);
    } else {
        tap_skip("Wine raises no fault", "OFS24 a page of two committed");
        tap_skip("Wine raises no fault", "OFS24 the first is usable");
        tap_skip("Wine raises no fault", "OFS24 the second is not");
    }
    CloseHandle(section);
}

/* Flags, then addresses, then handles, then alignment. */
static void test_order(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, 0x20000), event;
    struct map map = {.process = GetCurrentProcess(), .protection = PAGE_READWRITE};

    event = CreateEventA(NULL, FALSE, FALSE, NULL);
    map.section = event;
    map.zero_bits = 22;
    ok(STATUS_IS(map_view(&map), STATUS_INVALID_PARAMETER_4), "OFS20 ZeroBits before the handle");
    map.zero_bits = 0;
    map.type = MEM_COMMIT;
    unlike_wine(STATUS_IS(map_view(&map), STATUS_INVALID_PARAMETER_9),
                "OFS21 AllocationType before the handle");
    map.type = 0;
    map.base = (void *)(ULONG_PTR)0x80000000;
    unlike_wine(STATUS_IS(map_view(&map), STATUS_INVALID_PARAMETER_3),
                "OFS15 an address in the kernel half before the handle");
    map.base = (void *)(ULONG_PTR)0x10001;
    unlike_wine(STATUS_IS(map_view(&map), STATUS_OBJECT_TYPE_MISMATCH),
                "OFS18 the handle before a misaligned base");
    map.section = section;
    ok(STATUS_IS(map_view(&map), STATUS_MAPPED_ALIGNMENT), "OFS18 then the base");
    map.base = (void *)(ULONG_PTR)0x10000000;
    map.zero_bits = 21;
    ok(STATUS_IS(map_view(&map), STATUS_INVALID_PARAMETER_4), "OFS20 a base that 21 bits forbid");
    CloseHandle(event);
    CloseHandle(section);
}

/* Hundreds of views at once: all different, all the same memory. */
static void test_many_views(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, 0x20000);
    static char *views[300];
    int distinct = 1, same = 1;

    for (int i = 0; i < 300; i++) {
        views[i] = MapViewOfFile(section, FILE_MAP_WRITE, 0, i % 2 ? 0x10000 : 0, 0x10000);
        distinct = distinct && views[i] != NULL;
        for (int k = 0; distinct && k < i; k++) {
            distinct = views[k] != views[i];
        }
    }
    ok(distinct, "OFS27 300 views have 300 addresses");
    for (int i = 0; distinct && i < 300; i++) {
        views[i][i] = (char)i;
    }
    for (int i = 0; distinct && i < 300; i++) {
        same = same && views[i % 2 ? 299 : 298][i] == (char)i;
    }
    ok(distinct && same, "OFS27 and show each other's writes");
    for (int i = 0; i < 300; i++) {
        same = UnmapViewOfFile(views[i]) && same;
    }
    ok(same, "OFS27 all are unmapped");
    CloseHandle(section);
}

int main(void)
{
    tap_begin();
    test_offsets();
    test_bases();
    test_native_arguments();
    test_commit_size();
    test_order();
    test_many_views();
    return tap_end();
}
