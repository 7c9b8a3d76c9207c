/*
 * tests/bench/linux/operations.c: the operations of tests/bench/bench.c in the terms of POSIX, for
 * the peer.
 *
 * Private memory is an anonymous mapping without huge pages, a section is a memfd, a view is mmap
 * with MAP_SHARED, copy-on-write is MAP_PRIVATE of a memfd, other views are mappings of 16 KiB with
 * alternating protection, ping-pong goes through a futex in shared memory, a process is vfork,
 * execve of a static program that only ends, and waitpid.
 */
#include <linux/futex.h>
#include <sys/auxv.h>

#include "linux.h"

#define CALLS     1000
#define SWITCHES  200
#define VIEWS_MAX 20000
#define LARGE     (64 * MIB)
#define ROUNDS    5

/* ---- system calls ---- */

static void make_calls(unsigned long entry)
{
    for (unsigned i = 0; i < CALLS; i++) {
        int result = SYS_getppid;
        if (entry != 0) {
            __asm__ volatile("call *%1" : "+a"(result) : "r"(entry) : "memory", "cc");
        } else {
            __asm__ volatile("" ::: "memory");
        }
    }
}

static void null_calls(void)
{
    struct figures figures = {.count = 0};
    unsigned long entry = getauxval(AT_SYSINFO);
    struct timer timer;

    for (unsigned i = 0; i < samples; i++) {
        begin(&timer);
        make_calls(entry);
        end(&timer, &figures);
        ticks before = now();
        make_calls(0);
        take_off(&figures, now() - before);
    }
    row("null-sysenter", &figures, CALLS);
}

/* ---- private memory ---- */

static void touch_and_free(void)
{
    struct figures fault = {.count = 0}, release = {.count = 0};
    struct timer timer;

    for (unsigned i = 0; i < ROUNDS; i++) {
        char *memory = private_memory(LARGE);
        add_first_touch(&fault, memory, LARGE, 1);
        begin(&timer);
        munmap(memory, LARGE);
        end(&timer, &release);
    }
    row("zero-fault", &fault, LARGE / PAGE);
    row("free-page", &release, LARGE / PAGE);
}

static void one_fault(void)
{
    struct figures one = {.count = 0};
    struct timer timer;
    char *memory = private_memory(samples * CHUNK);

    for (unsigned i = 0; i < samples; i++) {
        volatile char *page = memory + i * CHUNK;
        page[PAGE] = 1; /* so the page table is there */
        begin(&timer);
        page[0] = 1;
        end(&timer, &one);
    }
    row("zero-fault-one", &one, 1);
    munmap(memory, samples * CHUNK);
}

/* ---- views ---- */

enum use { UNTOUCHED, ALL_READ, ALL_WRITTEN };

/* A section whose pages are all in memory. */
static int resident_section(unsigned nbytes)
{
    int made = section(nbytes);
    char *view = map_shared(made, nbytes);

    touch(view, nbytes, 1);
    munmap(view, nbytes);
    return made;
}

static void time_view(struct figures *figures, int from, unsigned nbytes, enum use use)
{
    struct timer timer;

    for (unsigned i = 0; i < samples; i++) {
        begin(&timer);
        char *view = map_shared(from, nbytes);
        if (use != UNTOUCHED) {
            touch(view, nbytes, use == ALL_WRITTEN);
        }
        munmap(view, nbytes);
        end(&timer, figures);
    }
}

static void map_unmap(const char *name, unsigned nbytes, enum use use)
{
    struct figures figures = {.count = 0};
    int from = use == UNTOUCHED ? section(nbytes) : resident_section(nbytes);

    time_view(&figures, from, nbytes, use);
    row(name, &figures, 1);
    close(from);
}

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
    const unsigned nbytes = 4 * PAGE;
    unsigned made = 0;
    int from = section(SMALL);

    for (unsigned i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct figures figures = {.count = 0};
        for (; made < steps[i].count; made++) {
            int protection = made % 2 != 0 ? PROT_READ | PROT_WRITE : PROT_READ;
            others[made] = map_file(from, nbytes, protection, MAP_SHARED);
        }
        time_view(&figures, from, SMALL, UNTOUCHED);
        point("views", made, &figures);
        if (steps[i].row != NULL) {
            row(steps[i].row, &figures, 1);
        }
    }
    while (made > 0) {
        munmap(others[--made], nbytes);
    }
    close(from);
}

static void by_size(void)
{
    for (unsigned nbytes = SMALL; nbytes <= 256 * MIB; nbytes *= 4) {
        struct figures untouched = {.count = 0}, all_read = {.count = 0};
        int from = resident_section(nbytes);
        unsigned before = samples;

        samples = 3;
        time_view(&untouched, from, nbytes, UNTOUCHED);
        time_view(&all_read, from, nbytes, ALL_READ);
        samples = before;
        point("size-untouched", nbytes, &untouched);
        point("size-read", nbytes, &all_read);
        close(from);
    }
}

/* ---- faults in sections ---- */

static void first_touch(void)
{
    struct figures first = {.count = 0};

    for (unsigned i = 0; i < ROUNDS; i++) {
        int from = section(LARGE);
        char *view = map_shared(from, LARGE);
        add_first_touch(&first, view, LARGE, 1);
        munmap(view, LARGE);
        close(from);
    }
    row("section-first", &first, LARGE / PAGE);
}

/* Every page through a new view, which stands for both of Quire's rows, OTHER too. */
static void new_view(const char *name, const char *other, int from, int flags, int write,
                     const char *gone)
{
    struct figures seen = {.count = 0}, unmapped = {.count = 0};
    struct timer timer;

    for (unsigned i = 0; i < ROUNDS; i++) {
        char *view = map_file(from, LARGE, PROT_READ | PROT_WRITE, flags);
        add_pass(&seen, view, LARGE, write);
        begin(&timer);
        munmap(view, LARGE);
        end(&timer, &unmapped);
    }
    row(name, &seen, LARGE / PAGE);
    if (other != NULL) {
        row(other, &seen, LARGE / PAGE);
    }
    if (gone != NULL) {
        row(gone, &unmapped, LARGE / PAGE);
    }
}

static void section_faults(void)
{
    int from = resident_section(LARGE);

    new_view("filled-read", "linked-read", from, MAP_SHARED, 0, "filled-unmap");
    new_view("filled-written", "linked-written", from, MAP_SHARED, 1, NULL);
    new_view("copy-on-write", NULL, from, MAP_PRIVATE, 1, NULL);
    close(from);
}

/* ---- processes ---- */

static void wait_for(pid_t child)
{
    int status;

    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        give_up("a child process");
    }
}

static void run_nothing(void)
{
    static char *const arguments[] = {"/nothing", NULL}, *const environment[] = {NULL};
    pid_t child = vfork();

    if (child == 0) {
        execve(arguments[0], arguments, environment);
        _exit(1);
    }
    wait_for(child);
}

static void create_exit(void)
{
    struct figures figures = {.count = 0};
    struct timer timer;

    for (unsigned i = 0; i < 20; i++) {
        begin(&timer);
        run_nothing();
        end(&timer, &figures);
    }
    row("process-nasm", &figures, 1);
}

/* From telling a child that has touched NBYTES to end, to the end of the wait for it. */
static void time_end(struct figures *figures, unsigned nbytes)
{
    struct timer timer;

    for (unsigned i = 0; i < ROUNDS; i++) {
        int ready[2], end_now[2];
        char byte = 0;
        if (pipe(ready) != 0 || pipe(end_now) != 0) {
            give_up("pipe");
        }
        pid_t child = fork();
        if (child == 0) {
            touch(nbytes > 0 ? private_memory(nbytes) : &byte, nbytes > 0 ? nbytes : PAGE, 1);
            _exit(write(ready[1], &byte, 1) != 1 || read(end_now[0], &byte, 1) != 1);
        }
        if (read(ready[0], &byte, 1) != 1) {
            give_up("read");
        }
        begin(&timer);
        if (write(end_now[1], &byte, 1) != 1) {
            give_up("write");
        }
        wait_for(child);
        end(&timer, figures);
        close(ready[0]);
        close(ready[1]);
        close(end_now[0]);
        close(end_now[1]);
    }
}

static void process_end(void)
{
    struct figures all = {.count = 0}, none = {.count = 0};

    time_end(&none, 0);
    time_end(&all, LARGE);
    for (unsigned i = 0; i < all.count; i++) {
        for (unsigned what = 0; what < COUNTED; what++) {
            all.values[what][i] = without(all.values[what][i], none.values[what][i]);
        }
    }
    row("exit-page", &all, LARGE / PAGE);
}

static void hand_over(volatile int *turn, int to)
{
    *turn = to;
    syscall(SYS_futex, turn, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void wait_turn(volatile int *turn, int mine)
{
    while (*turn != mine) {
        syscall(SYS_futex, turn, FUTEX_WAIT, 1 - mine, NULL, NULL, 0);
    }
}

static void ping_pong(void)
{
    struct figures figures = {.count = 0};
    struct timer timer;
    const unsigned turns = (ROUNDS + 1) * SWITCHES;
    volatile int *turn = map_file(-1, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    pid_t child = fork();

    if (child == 0) {
        for (unsigned i = 0; i < turns; i++) {
            wait_turn(turn, 1);
            hand_over(turn, 0);
        }
        _exit(0);
    }
    for (unsigned i = 0; i <= ROUNDS; i++) {
        begin(&timer);
        for (unsigned n = 0; n < SWITCHES; n++) {
            hand_over(turn, 1);
            wait_turn(turn, 0);
        }
        end(&timer, &figures);
        figures.count = i == 0 ? 0 : figures.count; /* the first round warms up */
    }
    wait_for(child);
    row("ping-pong", &figures, SWITCHES);
    munmap((void *)turn, PAGE);
}

int main(void)
{
    ticks started = now();

    set_up();
    printf("boot\t%llx\t0\n", started);
    calibrate();
    show_frequency();
    null_calls();
    touch_and_free();
    one_fault();
    map_unmap("map-64k", SMALL, UNTOUCHED);
    map_unmap("map-64m", 64 * MIB, UNTOUCHED);
    map_unmap("map-64k-read", SMALL, ALL_READ);
    map_unmap("map-64k-written", SMALL, ALL_WRITTEN);
    beside_others();
    first_touch();
    section_faults();
    ping_pong();
    create_exit();
    process_end();
    by_size();
    printf("done\n");
    finish();
    return 0;
}
