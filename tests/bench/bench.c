/*
 * tests/bench/bench.c: measures single operations in guest instructions.
 *
 * Run with --icount, where one instruction is one nanosecond and the time-stamp counter counts
 * nanoseconds, so the difference of two readings is an instruction count. Each measurement is
 * taken several times; the line has the median: "name<TAB>instructions". A program that only wants
 * to know whether it works may run it without --icount, or under Wine.
 *
 * As a child: "bench.exe pong NAME" answers ping-pong, "bench.exe exit" ends at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#define PAGE     4096u
#define MIB      (1024u * 1024u)
#define LARGE    (64u * MIB)
#define PAGES    (LARGE / PAGE)
#define ROUNDS   15
#define SAMPLES  31
#define SWITCHES 200

typedef unsigned long long ticks;
typedef LONG(NTAPI *null_function)(void);

static char *program; /* this file, for children */

static inline ticks now(void)
{
    unsigned low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (ticks)high << 32 | low;
}

static void give_up(const char *what)
{
    printf("bench: %s failed: error %lu\n", what, GetLastError());
    exit(1);
}

static int compare(const void *a, const void *b)
{
    ticks x = *(const ticks *)a, y = *(const ticks *)b;

    return x < y ? -1 : x > y;
}

static void result(const char *name, ticks *samples, unsigned n, unsigned divisor)
{
    qsort(samples, n, sizeof *samples, compare);
    printf("%s\t%llu\n", name, samples[n / 2] / divisor);
    fflush(stdout);
}

static void touch_write(char *base, unsigned nbytes)
{
    for (unsigned at = 0; at < nbytes; at += PAGE) {
        *(volatile char *)(base + at) = 1;
    }
}

static void touch_read(const char *base, unsigned nbytes)
{
    for (unsigned at = 0; at < nbytes; at += PAGE) {
        (void)*(const volatile char *)(base + at);
    }
}

static HANDLE section(unsigned nbytes)
{
    HANDLE made = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, nbytes, NULL);

    if (made == NULL) {
        give_up("CreateFileMapping");
    }
    return made;
}

static char *map(HANDLE from, DWORD access, unsigned nbytes)
{
    char *view = MapViewOfFile(from, access, 0, 0, nbytes);

    if (view == NULL) {
        give_up("MapViewOfFile");
    }
    return view;
}

static char *reserve_commit(unsigned nbytes)
{
    char *memory = VirtualAlloc(NULL, nbytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);

    if (memory == NULL) {
        give_up("VirtualAlloc");
    }
    return memory;
}

static void null_call(void)
{
    null_function null =
        (null_function)(void *)GetProcAddress(GetModuleHandleA("ntdll.dll"), "NtTestAlert");
    ticks samples[SAMPLES];

    for (unsigned i = 0; i < SAMPLES; i++) {
        ticks begin = now();
        null();
        samples[i] = now() - begin;
    }
    result("null system call", samples, SAMPLES, 1);
}

static void private_memory(void)
{
    ticks fault[5], release[5], one[SAMPLES];

    for (unsigned i = 0; i < 5; i++) {
        char *memory = reserve_commit(LARGE);
        ticks begin = now();
        touch_write(memory, LARGE);
        fault[i] = now() - begin;
        begin = now();
        VirtualFree(memory, 0, MEM_RELEASE);
        release[i] = now() - begin;
    }
    result("demand-zero fault, per page", fault, 5, PAGES);
    result("free a touched private page, per page", release, 5, PAGES);
    char *memory = reserve_commit(SAMPLES * 2 * MIB);
    for (unsigned i = 0; i < SAMPLES; i++) {
        *(volatile char *)(memory + i * 2 * MIB + PAGE) = 1; /* its page table is there */
        ticks begin = now();
        *(volatile char *)(memory + i * 2 * MIB) = 1;
        one[i] = now() - begin;
    }
    result("demand-zero fault, one alone", one, SAMPLES, 1);
    VirtualFree(memory, 0, MEM_RELEASE);
}

static void map_unmap(const char *name, unsigned nbytes)
{
    HANDLE from = section(nbytes);
    ticks samples[SAMPLES];

    for (unsigned i = 0; i < SAMPLES; i++) {
        ticks begin = now();
        char *view = map(from, FILE_MAP_WRITE, 0);
        UnmapViewOfFile(view);
        samples[i] = now() - begin;
    }
    result(name, samples, SAMPLES, 1);
    CloseHandle(from);
}

/* Map, touch 16 pages, unmap: a whole small view. */
static void map_touch_unmap(const char *name, BOOL write)
{
    HANDLE from = section(65536);
    ticks samples[SAMPLES];

    for (unsigned i = 0; i < SAMPLES; i++) {
        ticks begin = now();
        char *view = map(from, FILE_MAP_WRITE, 0);
        if (write) {
            touch_write(view, 65536);
        } else {
            touch_read(view, 65536);
        }
        UnmapViewOfFile(view);
        samples[i] = now() - begin;
    }
    result(name, samples, SAMPLES, 1);
    CloseHandle(from);
}

/* The same beside N other small regions of alternating protection. */
static void map_beside(const char *name, unsigned n)
{
    char **others = calloc(n, sizeof *others);
    unsigned made = 0;

    while (made < n) {
        others[made] =
            VirtualAlloc(NULL, 16384, MEM_RESERVE, made % 2 != 0 ? PAGE_READWRITE : PAGE_READONLY);
        if (others[made] == NULL) {
            break;
        }
        made++;
    }
    if (made == n) {
        map_unmap(name, 65536);
    }
    while (made > 0) {
        VirtualFree(others[--made], 0, MEM_RELEASE);
    }
    free(others);
}

/* A view of all of it; ACCESS decides between linked tables and tables of its own. */
static void soft_faults(HANDLE from, const char *name, DWORD access, unsigned nbytes, BOOL write)
{
    ticks samples[ROUNDS];

    for (unsigned i = 0; i < ROUNDS; i++) {
        char *view = map(from, access, nbytes);
        ticks begin = now();
        if (write) {
            touch_write(view, nbytes);
        } else {
            touch_read(view, nbytes);
        }
        samples[i] = now() - begin;
        UnmapViewOfFile(view);
    }
    result(name, samples, ROUNDS, nbytes / PAGE);
}

static void unmap_touched(HANDLE from)
{
    ticks samples[ROUNDS];

    for (unsigned i = 0; i < ROUNDS; i++) {
        char *view = map(from, FILE_MAP_COPY, 0); /* tables of its own */
        touch_read(view, LARGE);
        ticks begin = now();
        UnmapViewOfFile(view);
        samples[i] = now() - begin;
    }
    result("unmap, per touched shared page", samples, ROUNDS, PAGES);
}

static void shared_memory(void)
{
    ticks first[3];
    HANDLE from = NULL;

    for (unsigned i = 0; i < 3; i++) {
        if (from != NULL) {
            CloseHandle(from);
        }
        from = section(LARGE);
        char *view = map(from, FILE_MAP_WRITE, 0);
        ticks begin = now();
        touch_write(view, LARGE);
        first[i] = now() - begin;
        UnmapViewOfFile(view);
    }
    result("first touch of a shared page", first, 3, PAGES);
    soft_faults(from, "resident section through a new view, per page", FILE_MAP_READ, LARGE, FALSE);
    soft_faults(from, "the same, written", FILE_MAP_WRITE, LARGE, TRUE);
    /* A write-copy view is filled, never linked. */
    soft_faults(from, "the same through filled tables, per page", FILE_MAP_COPY, LARGE, FALSE);
    soft_faults(from, "copy-on-write fault", FILE_MAP_COPY, 16 * MIB, TRUE);
    unmap_touched(from);
    CloseHandle(from);
}

/* ---- processes ---- */

static HANDLE start(const char *line)
{
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION made;
    char copy[512];

    strncpy(copy, line, sizeof copy - 1);
    copy[sizeof copy - 1] = '\0';
    if (!CreateProcessA(NULL, copy, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &made)) {
        give_up("CreateProcess");
    }
    CloseHandle(made.hThread);
    return made.hProcess;
}

static void create_exit(const char *name, const char *line)
{
    ticks samples[ROUNDS];

    for (unsigned i = 0; i < ROUNDS; i++) {
        ticks begin = now();
        HANDLE process = start(line);
        WaitForSingleObject(process, INFINITE);
        CloseHandle(process);
        samples[i] = now() - begin;
    }
    result(name, samples, ROUNDS, 1);
}

static int pong(void)
{
    HANDLE ping = OpenEventA(EVENT_ALL_ACCESS, FALSE, "bench-ping");
    HANDLE answer = OpenEventA(EVENT_ALL_ACCESS, FALSE, "bench-pong");

    for (unsigned i = 0; i < SWITCHES + 1; i++) {
        WaitForSingleObject(ping, INFINITE);
        SetEvent(answer);
    }
    return 0;
}

static void ping_pong(void)
{
    HANDLE ping = CreateEventA(NULL, FALSE, FALSE, "bench-ping");
    HANDLE answer = CreateEventA(NULL, FALSE, FALSE, "bench-pong");
    ticks samples[SWITCHES];
    char line[512];

    snprintf(line, sizeof line, "\"%s\" pong", program);
    HANDLE process = start(line);
    SetEvent(ping);
    WaitForSingleObject(answer, INFINITE);
    for (unsigned i = 0; i < SWITCHES; i++) {
        ticks begin = now();
        SetEvent(ping);
        WaitForSingleObject(answer, INFINITE);
        samples[i] = now() - begin;
    }
    WaitForSingleObject(process, INFINITE);
    result("two processes, ping-pong, round trip", samples, SWITCHES, 1);
    CloseHandle(process);
    CloseHandle(ping);
    CloseHandle(answer);
}

int main(int argc, char **argv)
{
    static char path[300];

    if (argc > 1 && strcmp(argv[1], "exit") == 0) {
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "pong") == 0) {
        return pong();
    }
    GetModuleFileNameA(NULL, path, sizeof path);
    program = path;
    null_call();
    private_memory();
    map_unmap("map + unmap a 64 KiB view, untouched", 65536);
    map_unmap("map + unmap a 64 MiB view, untouched", LARGE);
    map_touch_unmap("map + unmap a 64 KiB view, 16 pages read", FALSE);
    map_touch_unmap("map + unmap a 64 KiB view, 16 pages written", TRUE);
    map_beside("map + unmap a 64 KiB view beside 10 others", 10);
    map_beside("map + unmap a 64 KiB view beside 1000 others", 1000);
    map_beside("map + unmap a 64 KiB view beside 10000 others", 10000);
    shared_memory();
    ping_pong();
    create_exit("process create + exit, nasm", "C:\\nothing.exe");
    create_exit("process create + exit, mingw", "C:\\empty.exe");
    return 0;
}
