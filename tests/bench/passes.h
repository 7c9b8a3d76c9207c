/*
 * tests/bench/passes.h: writing and reading more memory than there is, for Quire and for its peer.
 *
 * All of `memory` is written in order, read in order until nothing is left to be written, read in
 * order once more, and then at random, as many times as it has pages. Every page says which it is,
 * and that is checked. Output, beside what measure.h says:
 *     memory <bytes that were free> <bytes taken>
 *     disk <row> <pages touched> <reads> <bytes read> <writes> <bytes written> <major faults>
 * The disk's figures come from the host: a line "disk?" asks for them, and is answered on standard
 * input with the four totals.
 *
 * Who includes this defines major_faults(); 0 where each of them is a read of its own.
 */
#ifndef BENCH_PASSES_H
#define BENCH_PASSES_H

#include "measure.h"

#define SETTLE_MAX 4 /* passes over the memory that may still find dirty pages */

static ticks major_faults(void);

struct disk {
    ticks reads, read_bytes, writes, written_bytes;
};

static volatile unsigned *memory; /* in words */
static unsigned npages;
static const char *kind; /* private or shared */

/* All zero when nobody answers. */
static void read_disk(struct disk *disk)
{
    char line[200];

    memset(disk, 0, sizeof *disk);
    printf("disk?\n");
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) != NULL) {
        sscanf(line, "%llu %llu %llu %llu", &disk->reads, &disk->read_bytes, &disk->writes,
               &disk->written_bytes);
    }
}

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
    struct disk before, after;
    struct timer timer;
    char name[40];

    read_disk(&before);
    ticks major_before = major_faults();
    begin(&timer);
    pass();
    end(&timer, &figures);
    ticks major = major_faults() - major_before;
    read_disk(&after);
    snprintf(name, sizeof name, "paging-%s-%s", kind, what);
    row(name, &figures, npages);
    printf("disk\t%s\t%u\t%llu\t%llu\t%llu\t%llu\t%llu\n", name, npages, after.reads - before.reads,
           after.read_bytes - before.read_bytes, after.writes - before.writes,
           after.written_bytes - before.written_bytes, major);
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
