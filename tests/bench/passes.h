/*
 * tests/bench/passes.h: writing and reading more memory than there is, for Quire and for its peer.
 *
 * All of `memory` is written in order, read in order until nothing is left to be written, read in
 * order once more, and then at random, as many times as it has pages. Every page says which it is,
 * and that is checked. Output, beside what measure.h and disk.h say:
 *     memory <bytes that were free> <bytes taken>
 *
 * Who includes this defines major_faults(); 0 where each of them is a read of its own.
 */
#ifndef BENCH_PASSES_H
#define BENCH_PASSES_H

#include "disk.h"

#define SETTLE_MAX 4 /* passes over the memory that may still find dirty pages */

static ticks major_faults(void);

static volatile unsigned *memory; /* in words */
static unsigned npages;
static const char *kind; /* private or shared */

static inline volatile unsigned *word(unsigned page)
{
    return memory + page * (PAGE / sizeof *memory);
}

static void write_in_order(void)
{
    for (unsigned page = 0; page < npages; page++) {
        *word(page) = page + 1;
    }
}

static void check(unsigned page)
{
    unsigned found = *word(page);

    if (found != page + 1) {
        fprintf(stderr, "bench: page %u holds 0x%08x\n", page, found);
        exit(1);
    }
}

static void read_in_order(void)
{
    for (unsigned page = 0; page < npages; page++) {
        check(page);
    }
}

static void read_at_random(void)
{
    unsigned state = 1;

    for (unsigned i = 0; i < npages; i++) {
        state = state * 1664525u + 1013904223u;
        check((state >> 4) % npages);
    }
}

static void measure(const char *what, void (*pass)(void))
{
    struct figures figures = {.count = 0};
    struct disk before;
    struct timer timer;
    char name[40];

    read_disk(&before);
    ticks major_before = major_faults();
    begin(&timer);
    pass();
    end(&timer, &figures);
    ticks major = major_faults() - major_before;
    snprintf(name, sizeof name, "paging-%s-%s", kind, what);
    show_disk(name, npages, &before, major);
    row(name, &figures, npages);
}

/* Reads in order until a whole pass writes next to nothing: what is in memory is clean. */
static void settle(void)
{
    struct disk before, after;

    for (unsigned i = 0; i < SETTLE_MAX; i++) {
        read_disk(&before);
        read_in_order();
        read_disk(&after);
        if (after.written_bytes - before.written_bytes < npages * (PAGE / 50)) {
            break;
        }
    }
}

static void show_passes(ticks available)
{
    printf("memory\t%llu\t%llu\n", available, (ticks)npages * PAGE);
    measure("write", write_in_order);
    settle();
    measure("read", read_in_order);
    measure("random", read_at_random);
}

#endif
