/*
 * tests/bench/win32.h: what the Win32 programs of tests/bench share: Quire's counters, and the end
 * when a call fails that must not.
 *
 * Under Wine the information class is not there and all counters stay 0.
 */
#ifndef BENCH_WIN32_H
#define BENCH_WIN32_H

#include <windows.h>

#include "abi/quire.h"
#include "measure.h"

typedef LONG(NTAPI *query_function)(ULONG, void *, ULONG, ULONG *);

static void give_up(const char *what)
{
    fprintf(stderr, "bench: %s failed: error %lu\n", what, GetLastError());
    exit(1);
}

/* FALSE: not on Quire. */
static BOOL read_memory(struct quire_memory *memory)
{
    static query_function query;

    if (query == NULL) {
        query = (query_function)(void *)GetProcAddress(GetModuleHandleA("ntdll.dll"),
                                                       "NtQuerySystemInformation");
    }
    memset(memory, 0, sizeof *memory);
    return query(SYSTEM_QUIRE_MEMORY, memory, sizeof *memory, NULL) >= 0;
}

static void read_counters(struct counters *counters)
{
    struct quire_memory memory;

    read_memory(&memory);
    counters->idle = memory.idle_time;
    counters->flushes = memory.tlb_flushes;
    counters->root_loads = memory.root_loads;
}

/* How many ticks a second of the wall has: over a tenth of one. */
static void show_frequency(void)
{
    LARGE_INTEGER frequency, first, last;

    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&first);
    ticks before = now();
    do {
        QueryPerformanceCounter(&last);
    } while (last.QuadPart - first.QuadPart < frequency.QuadPart / 10);
    printf("frequency\t%llu\t%llu\n", now() - before,
           (ticks)(last.QuadPart - first.QuadPart) * 1000000000u / (ticks)frequency.QuadPart);
}

static inline char *allocate(unsigned nbytes, DWORD type)
{
    char *memory = VirtualAlloc(NULL, nbytes, type, PAGE_READWRITE);

    if (memory == NULL) {
        give_up("VirtualAlloc");
    }
    return memory;
}

static inline HANDLE section(unsigned nbytes)
{
    HANDLE made = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, nbytes, NULL);

    if (made == NULL) {
        give_up("CreateFileMapping");
    }
    return made;
}

static inline char *map_at(HANDLE from, DWORD access, void *place)
{
    char *view = MapViewOfFileEx(from, access, 0, 0, 0, place);

    if (view == NULL) {
        give_up("MapViewOfFile");
    }
    return view;
}

static inline char *map(HANDLE from, DWORD access)
{
    return map_at(from, access, NULL);
}

#endif
