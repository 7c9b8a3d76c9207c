/*
 * tests/bench/bench.c: what single operations cost, in guest instructions.
 *
 * A stock Win32 program. Under `./quire run --icount` one instruction takes one nanosecond and the
 * time-stamp counter counts nanoseconds, so the difference of two readings is an instruction count:
 * the same in every run and on every host. A loop of known length says what one instruction is in
 * ticks; the cost of reading the counter, and of the loop around what is measured, is taken off.
 * Each figure is the median of several rounds.
 *
 * Output, tab-separated, for tests/bench/run:
 *     calibration <ticks> <instructions>
 *     row <name> <ticks> <operations>             the cost is ticks / operations
 *     point <series> <x> <ticks>                  one point of a plot
 *
 * "bench.exe quick" takes smaller memory, fewer rounds and no process: seconds, for make test. As a
 * child: "bench.exe pong" answers the ping-pong. Under Wine it runs too; the figures mean nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#define PAGE       4096u
#define SMALL      65536u
#define MIB        (1024u * 1024u)
#define CHUNK      (2 * MIB) /* what one page table covers */
#define ROUNDS_MAX 32
#define CALLS      1000
#define SWITCHES   200
#define VIEWS_MAX  20000

typedef unsigned long long ticks;
typedef LONG(NTAPI *null_function)(void);

static unsigned large = 64 * MIB; /* of the regions whose cost per page is measured */
static unsigned rounds = 5;       /* over such a region */
static unsigned samples = 31;     /* of a single operation */
static BOOL quick;
static BOOL on_wine;
static ticks reading; /* what two readings of the counter have between them */

struct figures {
    ticks values[ROUNDS_MAX];
    unsigned count;
};

static inline ticks now(void)
{
    unsigned low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (ticks)high << 32 | low;
}

static void give_up(const char *what)
{
    fprintf(stderr, "bench: %s failed: error %lu\n", what, GetLastError());
    exit(1);
}

static int compare(const void *a, const void *b)
{
    ticks x = *(const ticks *)a, y = *(const ticks *)b;

    return x < y ? -1 : x > y;
}

static void add(struct figures *figures, ticks spent, ticks overhead)
{
    figures->values[figures->count++] = spent > overhead ? spent - overhead : 0;
}

static ticks median(struct figures *figures)
{
    qsort(figures->values, figures->count, sizeof figures->values[0], compare);
    return figures->values[figures->count / 2];
}

static void row(const char *name, struct figures *figures, unsigned operations)
{
    printf("row\t%s\t%llu\t%u\n", name, median(figures), operations);
    fflush(stdout);
}

static void point(const char *series, unsigned x, struct figures *figures)
{
    printf("point\t%s\t%u\t%llu\n", series, x, median(figures));
    fflush(stdout);
}

/* ---- touching pages ---- */

/* Four instructions a page, whatever the compiler's options. */
static void touch(char *base, unsigned nbytes, BOOL write)
{
    unsigned pages = nbytes / PAGE;

    if (write) {
        __asm__ volatile("1: movb $1, (%0); add $4096, %0; dec %1; jnz 1b"
                         : "+r"(base), "+r"(pages)::"memory", "cc");
    } else {
        __asm__ volatile("1: testb $1, (%0); add $4096, %0; dec %1; jnz 1b"
                         : "+r"(base), "+r"(pages)::"memory", "cc");
    }
}

static ticks time_touch(char *base, unsigned nbytes, BOOL write)
{
    ticks begin = now();

    touch(base, nbytes, write);
    return now() - begin;
}

/* What the first touch of each page adds to a touch: the second one is taken off. */
static void add_first_touch(struct figures *figures, char *base, unsigned nbytes, BOOL write)
{
    ticks first = time_touch(base, nbytes, write);

    add(figures, first, time_touch(base, nbytes, write));
}

/* ---- sections and memory ---- */

static HANDLE section(unsigned nbytes)
{
    HANDLE made = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, nbytes, NULL);

    if (made == NULL) {
        give_up("CreateFileMapping");
    }
    return made;
}

static char *map_at(HANDLE from, DWORD access, void *place)
{
    char *view = MapViewOfFileEx(from, access, 0, 0, 0, place);

    if (view == NULL) {
        give_up("MapViewOfFile");
    }
    return view;
}

static char *map(HANDLE from, DWORD access)
{
    return map_at(from, access, NULL);
}

/* A section whose pages are all in memory. */
static HANDLE resident_section(unsigned nbytes)
{
    HANDLE made = section(nbytes);
    char *view = map(made, FILE_MAP_WRITE);

    touch(view, nbytes, TRUE);
    UnmapViewOfFile(view);
    return made;
}

static char *reserve(unsigned nbytes, DWORD type)
{
    char *memory = VirtualAlloc(NULL, nbytes, type, PAGE_READWRITE);

    if (memory == NULL) {
        give_up("VirtualAlloc");
    }
    return memory;
}

/* A free place where no chunk of a section can be linked: 64 KiB past a multiple of 2 MiB. */
static char *odd_place(unsigned nbytes)
{
    char *memory = reserve(nbytes + 2 * CHUNK, MEM_RESERVE);

    VirtualFree(memory, 0, MEM_RELEASE);
    return (char *)(((ULONG_PTR)memory + CHUNK - 1) & ~(ULONG_PTR)(CHUNK - 1)) + SMALL;
}

/* ---- calibration, system calls ---- */

static void calibrate(void)
{
    struct figures read = {.count = 0}, loop = {.count = 0};
    const unsigned turns = 100000;

    for (unsigned i = 0; i < samples; i++) {
        ticks begin = now();
        add(&read, now() - begin, 0);
    }
    reading = median(&read);
    for (unsigned i = 0; i < samples; i++) {
        unsigned count = turns;
        ticks begin = now();
        __asm__ volatile("1: dec %0; jnz 1b" : "+r"(count)::"cc");
        add(&loop, now() - begin, reading);
    }
    printf("calibration\t%llu\t%u\n", median(&loop), 2 * turns);
}

/* CALLS system calls in a row, by HOW; or none, for the loop alone. */
enum how { NOT, BY_STUB, BY_INTERRUPT };

static ticks time_calls(enum how how, null_function null)
{
    ticks begin = now();

    for (unsigned i = 0; i < CALLS; i++) {
        if (how == BY_STUB) {
            null();
        } else if (how == BY_INTERRUPT) {
            unsigned number = 65; /* NtTestAlert */
            __asm__ volatile("int $0x2e" : "+a"(number)::"memory", "cc");
        } else {
            __asm__ volatile("" ::: "memory");
        }
    }
    return now() - begin;
}

static void null_calls(void)
{
    struct figures stub = {.count = 0}, interrupt = {.count = 0};
    null_function null =
        (null_function)(void *)GetProcAddress(GetModuleHandleA("ntdll.dll"), "NtTestAlert");

    for (unsigned i = 0; i < samples; i++) {
        ticks loop = time_calls(NOT, null);
        add(&stub, time_calls(BY_STUB, null), loop);
        if (!on_wine) {
            add(&interrupt, time_calls(BY_INTERRUPT, null), loop);
        }
    }
    row("null-sysenter", &stub, CALLS);
    if (!on_wine) {
        row("null-int2e", &interrupt, CALLS);
    }
}

/* ---- private memory ---- */

static void private_memory(void)
{
    struct figures fault = {.count = 0}, release = {.count = 0};

    for (unsigned i = 0; i < rounds; i++) {
        char *memory = reserve(large, MEM_RESERVE | MEM_COMMIT);
        add_first_touch(&fault, memory, large, TRUE);
        ticks begin = now();
        VirtualFree(memory, 0, MEM_RELEASE);
        add(&release, now() - begin, reading);
    }
    row("zero-fault", &fault, large / PAGE);
    row("free-page", &release, large / PAGE);
}

static void one_fault(void)
{
    struct figures one = {.count = 0};
    char *memory = reserve(samples * CHUNK, MEM_RESERVE | MEM_COMMIT);

    for (unsigned i = 0; i < samples; i++) {
        volatile char *page = memory + i * CHUNK;
        page[PAGE] = 1; /* so the page table is there */
        ticks begin = now();
        page[0] = 1;
        add(&one, now() - begin, reading);
    }
    row("zero-fault-one", &one, 1);
    VirtualFree(memory, 0, MEM_RELEASE);
}

/* ---- views ---- */

/* What is done with a view before it is unmapped. */
enum use { UNTOUCHED, ALL_READ, ALL_WRITTEN };

/* Maps FROM, at PLACE or anywhere, touches all of it or nothing, unmaps it. */
static void time_view(struct figures *figures, HANDLE from, void *place, unsigned nbytes,
                      enum use use)
{
    for (unsigned i = 0; i < samples; i++) {
        ticks begin = now();
        char *view = map_at(from, FILE_MAP_WRITE, place);
        if (use != UNTOUCHED) {
            touch(view, nbytes, use == ALL_WRITTEN);
        }
        UnmapViewOfFile(view);
        add(figures, now() - begin, reading);
    }
}

static void map_unmap(const char *name, unsigned nbytes, enum use use)
{
    struct figures figures = {.count = 0};
    HANDLE from = use == UNTOUCHED ? section(nbytes) : resident_section(nbytes);

    time_view(&figures, from, NULL, nbytes, use);
    row(name, &figures, 1);
    CloseHandle(from);
}

static void small_views(void)
{
    map_unmap("map-64k", SMALL, UNTOUCHED);
    map_unmap("map-64m", 64 * MIB, UNTOUCHED);
    map_unmap("map-64k-read", SMALL, ALL_READ);
    map_unmap("map-64k-written", SMALL, ALL_WRITTEN);
}

/* Map + unmap of 64 KiB beside a growing number of other views, readable and writable in turn. */
static void beside_others(void)
{
    static const struct {
        unsigned count;
        const char *row;
    } steps[] = {{1, NULL},
                 {10, "map-beside-10"},
                 {100, NULL},
                 {1000, "map-beside-1000"},
                 {10000, "map-beside-10000"},
                 {VIEWS_MAX, NULL}};
    static char *others[VIEWS_MAX];
    unsigned made = 0;
    HANDLE from = section(SMALL);

    for (unsigned i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (quick && steps[i].count > 1000) {
            break;
        }
        while (made < steps[i].count) {
            others[made] = map(from, made % 2 != 0 ? FILE_MAP_WRITE : FILE_MAP_READ);
            made++;
        }
        struct figures figures = {.count = 0};
        time_view(&figures, from, NULL, SMALL, UNTOUCHED);
        point("views", made, &figures);
        if (steps[i].row != NULL) {
            row(steps[i].row, &figures, 1);
        }
    }
    while (made > 0) {
        UnmapViewOfFile(others[--made]);
    }
    CloseHandle(from);
}

/* The whole of a resident section, by its size: mapped and unmapped; every page read besides. */
static void by_size(void)
{
    for (unsigned nbytes = SMALL; nbytes <= 256 * MIB; nbytes *= 4) {
        struct figures untouched = {.count = 0}, linked = {.count = 0}, filled = {.count = 0};
        HANDLE from = resident_section(nbytes);
        char *odd = odd_place(nbytes);
        unsigned before = samples;

        samples = 3;
        time_view(&untouched, from, NULL, nbytes, UNTOUCHED);
        time_view(&linked, from, NULL, nbytes, ALL_READ);
        time_view(&filled, from, odd, nbytes, ALL_READ);
        samples = before;
        point("size-untouched", nbytes, &untouched);
        point("size-linked", nbytes, &linked);
        point("size-filled", nbytes, &filled);
        CloseHandle(from);
    }
}

/* ---- faults in sections ---- */

static void first_touch(void)
{
    struct figures first = {.count = 0};

    for (unsigned i = 0; i < rounds; i++) {
        HANDLE from = section(large);
        char *view = map(from, FILE_MAP_WRITE);
        add_first_touch(&first, view, large, TRUE);
        UnmapViewOfFile(view);
        CloseHandle(from);
    }
    row("section-first", &first, large / PAGE);
}

/* Every page through a new view; GONE, when wanted, is what its unmap costs. */
static void new_view(const char *name, HANDLE from, void *place, DWORD access, BOOL write,
                     const char *gone)
{
    struct figures seen = {.count = 0}, unmapped = {.count = 0};

    for (unsigned i = 0; i < rounds; i++) {
        char *view = map_at(from, access, place);
        add_first_touch(&seen, view, large, write);
        ticks begin = now();
        UnmapViewOfFile(view);
        add(&unmapped, now() - begin, reading);
    }
    row(name, &seen, large / PAGE);
    if (gone != NULL) {
        row(gone, &unmapped, large / PAGE);
    }
}

static void section_faults(void)
{
    HANDLE from = resident_section(large);
    char *odd = odd_place(large);

    new_view("linked-read", from, NULL, FILE_MAP_READ, FALSE, NULL);
    new_view("linked-written", from, NULL, FILE_MAP_WRITE, TRUE, NULL);
    new_view("filled-read", from, odd, FILE_MAP_READ, FALSE, "filled-unmap");
    new_view("filled-written", from, odd, FILE_MAP_WRITE, TRUE, NULL);
    new_view("copy-on-write", from, NULL, FILE_MAP_COPY, TRUE, NULL);
    CloseHandle(from);
}

/* ---- processes ---- */

static HANDLE start(const char *program, const char *arguments)
{
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION made;
    char line[600], path[MAX_PATH];

    GetModuleFileNameA(NULL, path, sizeof path);
    char *name = strrchr(path, '\\');
    *(name != NULL ? name + 1 : path) = '\0';
    snprintf(line, sizeof line, "\"%s%s\"%s", path, program, arguments);
    if (!CreateProcessA(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &made)) {
        give_up(program);
    }
    CloseHandle(made.hThread);
    return made.hProcess;
}

/* From the call of CreateProcess to the end of the wait for a program that ends at once. */
static void create_exit(const char *name, const char *program)
{
    struct figures figures = {.count = 0};

    WaitForSingleObject(start(program, ""), INFINITE); /* so its file is in memory */
    for (unsigned i = 0; i < 20; i++) {
        ticks begin = now();
        HANDLE process = start(program, "");
        WaitForSingleObject(process, INFINITE);
        add(&figures, now() - begin, reading);
        CloseHandle(process);
    }
    row(name, &figures, 1);
}

static int pong(void)
{
    HANDLE ping = OpenEventA(EVENT_ALL_ACCESS, FALSE, "bench-ping");
    HANDLE answer = OpenEventA(EVENT_ALL_ACCESS, FALSE, "bench-pong");
    HANDLE done = OpenEventA(EVENT_ALL_ACCESS, FALSE, "bench-done");
    HANDLE both[] = {ping, done};

    WaitForSingleObject(ping, INFINITE);
    SetEvent(answer);
    while (WaitForMultipleObjects(2, both, FALSE, INFINITE) == WAIT_OBJECT_0) {
        SetEvent(answer);
        for (unsigned i = 0; i < SWITCHES; i++) {
            WaitForSingleObject(ping, INFINITE);
            SetEvent(answer);
        }
    }
    return 0;
}

static void ping_pong(void)
{
    struct figures figures = {.count = 0};
    HANDLE ping = CreateEventA(NULL, FALSE, FALSE, "bench-ping");
    HANDLE answer = CreateEventA(NULL, FALSE, FALSE, "bench-pong");
    HANDLE done = CreateEventA(NULL, FALSE, FALSE, "bench-done");
    HANDLE process = start("bench.exe", " pong");

    SetEvent(ping);
    WaitForSingleObject(answer, INFINITE);
    for (unsigned i = 0; i < rounds; i++) {
        SetEvent(ping);
        WaitForSingleObject(answer, INFINITE);
        ticks begin = now();
        for (unsigned turn = 0; turn < SWITCHES; turn++) {
            SetEvent(ping);
            WaitForSingleObject(answer, INFINITE);
        }
        add(&figures, now() - begin, reading);
    }
    row("ping-pong", &figures, SWITCHES);
    SetEvent(done);
    WaitForSingleObject(process, INFINITE);
    CloseHandle(process);
    CloseHandle(ping);
    CloseHandle(answer);
    CloseHandle(done);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "pong") == 0) {
        return pong();
    }
    on_wine = GetProcAddress(GetModuleHandleA("ntdll.dll"), "wine_get_version") != NULL;
    if (argc > 1 && strcmp(argv[1], "quick") == 0) {
        quick = TRUE;
        large = 8 * MIB;
        rounds = 3;
        samples = 5;
    }
    calibrate();
    null_calls();
    private_memory();
    one_fault();
    small_views();
    beside_others();
    first_touch();
    section_faults();
    ping_pong();
    if (!quick) {
        by_size();
        if (!on_wine) {
            create_exit("process-nasm", "nothing.exe");
        }
        create_exit("process-mingw", "empty.exe");
    }
    return 0;
}
