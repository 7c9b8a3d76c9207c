/*
 * tests/bench/bench.c: what single operations cost, in guest instructions.
 *
 * A stock Win32 program; measure.h says how it counts and what it prints. Each figure is the median
 * of several rounds.
 *
 * "bench.exe quick" takes smaller memory, fewer rounds and no process: seconds, for make test. As a
 * child: "bench.exe pong" answers the ping-pong, "bench.exe touch BYTES" touches as much and ends
 * when it is told to. Under Wine it runs too; the figures mean nothing.
 */
#include "win32.h"

#define CALLS        1000
#define SWITCHES     200
#define VIEWS_MAX    20000
#define PIECES_MAX   64
#define IDLE_STEP_MS 500
#define IDLE_MS_MAX  20000

typedef LONG(NTAPI *null_function)(void);

static unsigned large = 64 * MIB; /* of the regions whose cost per page is measured */
static unsigned rounds = 5;       /* over such a region */
static BOOL quick;
static BOOL on_wine;

/* ---- sections and memory ---- */

/* A section whose pages are all in memory. */
static HANDLE resident_section(unsigned nbytes)
{
    HANDLE made = section(nbytes);
    char *view = map(made, FILE_MAP_WRITE);

    touch(view, nbytes, TRUE);
    UnmapViewOfFile(view);
    return made;
}

/* A free place where no chunk of a section can be linked: 64 KiB past a multiple of 2 MiB. */
static char *odd_place(unsigned nbytes)
{
    char *memory = allocate(nbytes + 2 * CHUNK, MEM_RESERVE);

    VirtualFree(memory, 0, MEM_RELEASE);
    return (char *)(((ULONG_PTR)memory + CHUNK - 1) & ~(ULONG_PTR)(CHUNK - 1)) + SMALL;
}

/* ---- system calls ---- */

/* CALLS system calls in a row, by HOW; or none, for the loop alone. */
enum how { NOT, BY_STUB, BY_INTERRUPT };

static void make_calls(enum how how, null_function null)
{
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
}

static void time_calls(struct figures *figures, enum how how, null_function null)
{
    struct timer timer;

    begin(&timer);
    make_calls(how, null);
    end(&timer, figures);
    ticks before = now();
    make_calls(NOT, null);
    take_off(figures, now() - before);
}

static void null_calls(void)
{
    struct figures stub = {.count = 0}, interrupt = {.count = 0};
    null_function null =
        (null_function)(void *)GetProcAddress(GetModuleHandleA("ntdll.dll"), "NtTestAlert");

    for (unsigned i = 0; i < samples; i++) {
        time_calls(&stub, BY_STUB, null);
        if (!on_wine) {
            time_calls(&interrupt, BY_INTERRUPT, null);
        }
    }
    row("null-sysenter", &stub, CALLS);
    if (!on_wine) {
        row("null-int2e", &interrupt, CALLS);
    }
}

/* ---- private memory ---- */

/*
 * Touches memory until no zeroed frame is left: given back, those frames are free, not zeroed. One
 * piece at a time: how the tree of regions is balanced depends on those that came and went, too.
 */
static void use_up_zeroed(void)
{
    struct quire_memory memory;

    for (unsigned i = 0; i < PIECES_MAX && read_memory(&memory) && memory.zeroed_pages > 0; i++) {
        unsigned nbytes = memory.zeroed_pages > 4096 ? 16 * MIB : memory.zeroed_pages * PAGE;
        char *piece = allocate(nbytes, MEM_RESERVE | MEM_COMMIT);
        touch(piece, nbytes, TRUE);
        VirtualFree(piece, 0, MEM_RELEASE);
    }
}

static void touch_and_free(void)
{
    struct figures fault = {.count = 0}, release = {.count = 0};
    struct timer timer;

    use_up_zeroed();
    for (unsigned i = 0; i < rounds; i++) {
        char *memory = allocate(large, MEM_RESERVE | MEM_COMMIT);
        add_first_touch(&fault, memory, large, TRUE);
        begin(&timer);
        VirtualFree(memory, 0, MEM_RELEASE);
        end(&timer, &release);
    }
    row("zero-fault", &fault, large / PAGE);
    row("free-page", &release, large / PAGE);
}

static void one_fault(void)
{
    struct figures one = {.count = 0};
    struct timer timer;
    char *memory = allocate(samples * CHUNK, MEM_RESERVE | MEM_COMMIT);

    use_up_zeroed();
    for (unsigned i = 0; i < samples; i++) {
        volatile char *page = memory + i * CHUNK;
        page[PAGE] = 1; /* so the page table is there */
        begin(&timer);
        page[0] = 1;
        end(&timer, &one);
    }
    row("zero-fault-one", &one, 1);
    VirtualFree(memory, 0, MEM_RELEASE);
}

/*
 * Sleeps until frames have been zeroed, as many as the system keeps; adds what that took to
 * FIGURES, as one round. How many there are now; *GAINED: how many more than before.
 */
static unsigned wait_for_zeroed(struct figures *figures, unsigned *gained)
{
    struct quire_memory before, after;
    struct timer timer;
    unsigned last, slept = 0;

    read_memory(&before);
    after = before;
    begin(&timer);
    do {
        last = after.zeroed_pages;
        Sleep(IDLE_STEP_MS);
        read_memory(&after);
        slept += IDLE_STEP_MS;
    } while (after.zeroed_pages > last && slept < IDLE_MS_MAX);
    end(&timer, figures);
    *gained =
        after.zeroed_pages > before.zeroed_pages ? after.zeroed_pages - before.zeroed_pages : 0;
    return after.zeroed_pages;
}

/* The same fault when frames were zeroed before, and what a frame costs that is zeroed so. */
static void zeroed_at_hand(void)
{
    struct figures fault = {.count = 0}, background = {.count = 0};
    unsigned npages = 0, gained;

    for (unsigned i = 0; i < rounds; i++) {
        use_up_zeroed();
        unsigned zeroed = wait_for_zeroed(&background, &gained);
        npages = i == 0 ? zeroed / 4 * 3 : npages;
        if (npages == 0 || zeroed < npages || gained == 0) {
            return;
        }
        background.values[SPENT][i] /= gained;
        background.values[ELAPSED][i] /= gained;
        char *memory = allocate(npages * PAGE, MEM_RESERVE | MEM_COMMIT);
        add_first_touch(&fault, memory, npages * PAGE, TRUE);
        VirtualFree(memory, 0, MEM_RELEASE);
    }
    row("zero-fault-at-hand", &fault, npages);
    row("zero-background", &background, 1);
}

static void private_memory(void)
{
    touch_and_free();
    one_fault();
    zeroed_at_hand();
}

/* ---- views ---- */

/* What is done with a view before it is unmapped. */
enum use { UNTOUCHED, ALL_READ, ALL_WRITTEN };

/* Maps FROM, at PLACE or anywhere, touches all of it or nothing, unmaps it. */
static void time_view(struct figures *figures, HANDLE from, void *place, unsigned nbytes,
                      enum use use)
{
    struct timer timer;

    for (unsigned i = 0; i < samples; i++) {
        begin(&timer);
        char *view = map_at(from, FILE_MAP_WRITE, place);
        if (use != UNTOUCHED) {
            touch(view, nbytes, use == ALL_WRITTEN);
        }
        UnmapViewOfFile(view);
        end(&timer, figures);
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
                 {VIEWS_MAX, "map-beside-20000"}};
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
        use_up_zeroed();
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
    struct timer timer;

    for (unsigned i = 0; i < rounds; i++) {
        char *view = map_at(from, access, place);
        add_pass(&seen, view, large, write);
        begin(&timer);
        UnmapViewOfFile(view);
        end(&timer, &unmapped);
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

/*
 * From the call of CreateProcess to the end of the wait for a program that ends at once. No frame
 * is at hand that was zeroed at another time.
 */
static void create_exit(const char *name, const char *program)
{
    struct figures figures = {.count = 0};
    struct timer timer;

    WaitForSingleObject(start(program, ""), INFINITE); /* so its file is in memory */
    for (unsigned i = 0; i < 20; i++) {
        use_up_zeroed();
        begin(&timer);
        HANDLE process = start(program, "");
        WaitForSingleObject(process, INFINITE);
        end(&timer, &figures);
        CloseHandle(process);
    }
    row(name, &figures, 1);
}

static HANDLE event(const char *name)
{
    HANDLE made = CreateEventA(NULL, FALSE, FALSE, name);

    if (made == NULL) {
        give_up("CreateEvent");
    }
    return made;
}

/* "bench.exe touch BYTES": touches private memory, and ends when it is told to. */
static int touch_and_end(unsigned nbytes)
{
    HANDLE ready = event("bench-ready"), end_now = event("bench-end");

    if (nbytes > 0) {
        touch(allocate(nbytes, MEM_RESERVE | MEM_COMMIT), nbytes, TRUE);
    }
    SetEvent(ready);
    WaitForSingleObject(end_now, INFINITE);
    return 0;
}

/* From telling a child that has touched NBYTES to end, to the end of the wait for it. */
static void time_end(struct figures *figures, unsigned nbytes)
{
    HANDLE ready = event("bench-ready"), end_now = event("bench-end");
    char arguments[32];
    struct timer timer;

    snprintf(arguments, sizeof arguments, " touch %u", nbytes);
    for (unsigned i = 0; i < rounds; i++) {
        HANDLE process = start("bench.exe", arguments);
        WaitForSingleObject(ready, INFINITE);
        begin(&timer);
        SetEvent(end_now);
        WaitForSingleObject(process, INFINITE);
        end(&timer, figures);
        CloseHandle(process);
    }
    CloseHandle(ready);
    CloseHandle(end_now);
}

/* What the touched pages add to the end of a process. */
static void process_end(void)
{
    struct figures all = {.count = 0}, none = {.count = 0};

    time_end(&none, 0);
    time_end(&all, large);
    for (unsigned i = 0; i < all.count; i++) {
        for (unsigned what = 0; what < COUNTED; what++) {
            all.values[what][i] = without(all.values[what][i], none.values[what][i]);
        }
    }
    row("exit-page", &all, large / PAGE);
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
    struct timer timer;
    HANDLE ping = event("bench-ping"), answer = event("bench-pong"), done = event("bench-done");
    HANDLE process = start("bench.exe", " pong");

    SetEvent(ping);
    WaitForSingleObject(answer, INFINITE);
    for (unsigned i = 0; i < rounds; i++) {
        SetEvent(ping);
        WaitForSingleObject(answer, INFINITE);
        begin(&timer);
        for (unsigned turn = 0; turn < SWITCHES; turn++) {
            SetEvent(ping);
            WaitForSingleObject(answer, INFINITE);
        }
        end(&timer, &figures);
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
    if (argc > 2 && strcmp(argv[1], "touch") == 0) {
        return touch_and_end((unsigned)strtoul(argv[2], NULL, 0));
    }
    on_wine = GetProcAddress(GetModuleHandleA("ntdll.dll"), "wine_get_version") != NULL;
    if (argc > 1 && strcmp(argv[1], "quick") == 0) {
        quick = TRUE;
        large = 8 * MIB;
        rounds = 3;
        samples = 5;
    }
    calibrate();
    show_frequency();
    null_calls();
    small_views(); /* before regions come and go, which leave the tree of regions in other shapes */
    beside_others();
    private_memory();
    first_touch();
    section_faults();
    ping_pong();
    process_end();
    if (!quick) {
        by_size();
        if (!on_wine) {
            create_exit("process-nasm", "nothing.exe");
        }
        create_exit("process-mingw", "empty.exe");
    }
    return 0;
}
