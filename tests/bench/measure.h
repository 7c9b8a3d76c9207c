/*
 * tests/bench/measure.h: counting what an operation costs; the same for Quire and for its peer.
 *
 * Under `-icount shift=0,sleep=off` one instruction takes one nanosecond and the time-stamp counter
 * counts nanoseconds, so the difference of two readings is an instruction count: the same in every
 * run and on every host. A loop of known length says what one instruction is in ticks; what reading
 * the counter costs is taken off, and so is the time that the system says it was idle in between.
 * Without that option the same readings are time on the wall: `frequency` says in what unit.
 *
 * Output, tab-separated, for tests/bench/run; a row's figures are medians over its rounds:
 *     calibration <ticks> <instructions>
 *     frequency <ticks> <nanoseconds>
 *     row <name> <operations> <ticks> <elapsed ticks, idle ones too> <TLB flushes> <CR3 writes>
 *     point <series> <x> <ticks>                  one point of a plot
 *
 * Who includes this defines read_counters().
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE       4096u
#define SMALL      65536u
#define MIB        (1024u * 1024u)
#define CHUNK      (2 * MIB) /* what one page table covers */
#define ROUNDS_MAX 32
#define CALIBRATED 200000u /* instructions of the loop that calibrates */

typedef unsigned long long ticks;

/* What the system itself has counted since it started. */
struct counters {
    ticks idle; /* nanoseconds */
    ticks flushes;
    ticks root_loads;
};

static void read_counters(struct counters *counters);

struct timer {
    struct counters before;
    ticks begin;
};

/* One array for each thing that is counted; a round has the same index in all. */
enum counted { SPENT, ELAPSED, FLUSHES, ROOT_LOADS, COUNTED };

struct figures {
    ticks values[COUNTED][ROUNDS_MAX];
    unsigned count;
};

static unsigned samples = 31; /* of a single operation */
static ticks reading;         /* what two readings of the counter have between them */

static inline ticks now(void)
{
    unsigned low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (ticks)high << 32 | low;
}

static void begin(struct timer *timer)
{
    read_counters(&timer->before);
    timer->begin = now();
}

static ticks without(ticks spent, ticks overhead)
{
    return spent > overhead ? spent - overhead : 0;
}

/*
 * Ends a round. Reading the counters may wait for the disk itself, when memory is so short that
 * this very code has been evicted: where there was idle time, the reading is part of the round.
 */
static void end(struct timer *timer, struct figures *figures)
{
    ticks elapsed = without(now() - timer->begin, reading);
    struct counters after;
    unsigned round = figures->count++;

    read_counters(&after);
    ticks idle = after.idle - timer->before.idle;
    figures->values[ELAPSED][round] = elapsed;
    figures->values[SPENT][round] = idle == 0 ? elapsed : without(now() - timer->begin, idle);
    figures->values[FLUSHES][round] = after.flushes - timer->before.flushes;
    figures->values[ROOT_LOADS][round] = after.root_loads - timer->before.root_loads;
}

/* Takes TICKS off the last round, measured after it. */
static inline void take_off(struct figures *figures, ticks overhead)
{
    unsigned round = figures->count - 1;

    figures->values[SPENT][round] = without(figures->values[SPENT][round], overhead);
    figures->values[ELAPSED][round] = without(figures->values[ELAPSED][round], overhead);
}

static int compare(const void *a, const void *b)
{
    ticks x = *(const ticks *)a, y = *(const ticks *)b;

    return x < y ? -1 : x > y;
}

static ticks median(struct figures *figures, enum counted what)
{
    qsort(figures->values[what], figures->count, sizeof(ticks), compare);
    return figures->values[what][figures->count / 2];
}

static inline void row(const char *name, struct figures *figures, unsigned operations)
{
    printf("row\t%s\t%u", name, operations);
    for (unsigned what = 0; what < COUNTED; what++) {
        printf("\t%llu", median(figures, what));
    }
    printf("\n");
    fflush(stdout);
}

static inline void point(const char *series, unsigned x, struct figures *figures)
{
    printf("point\t%s\t%u\t%llu\n", series, x, median(figures, SPENT));
    fflush(stdout);
}

static void calibrate(void)
{
    struct figures nothing = {.count = 0};
    struct timer timer;
    ticks spent[ROUNDS_MAX];

    for (unsigned i = 0; i < samples; i++) {
        begin(&timer);
        end(&timer, &nothing);
    }
    reading = median(&nothing, ELAPSED);
    for (unsigned i = 0; i < samples; i++) {
        unsigned count = CALIBRATED / 2;
        ticks before = now();
        __asm__ volatile("1: dec %0; jnz 1b" : "+r"(count)::"cc");
        spent[i] = now() - before;
    }
    qsort(spent, samples, sizeof spent[0], compare);
    printf("calibration\t%llu\t%u\n", spent[samples / 2], CALIBRATED);
}

/* ---- touching pages ---- */

/* Four instructions a page, whatever the compiler's options. */
static inline void touch(char *base, unsigned nbytes, int write)
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

/* A pass over the pages, the touches themselves included. */
static inline void add_pass(struct figures *figures, char *base, unsigned nbytes, int write)
{
    struct timer timer;

    begin(&timer);
    touch(base, nbytes, write);
    end(&timer, figures);
}

/* What the first touch of each page adds to a touch: the second one is taken off. */
static inline void add_first_touch(struct figures *figures, char *base, unsigned nbytes, int write)
{
    add_pass(figures, base, nbytes, write);
    ticks before = now();
    touch(base, nbytes, write);
    take_off(figures, now() - before);
}

#endif
