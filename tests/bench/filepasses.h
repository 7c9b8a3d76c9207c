/*
 * tests/bench/filepasses.h: what files cost through views, and by reading and writing, for Quire
 * and for its peer.
 *
 * Two files of as many bytes, none of which has been read since the system started. The first is
 * read in order through a view, then through new ones; the second at a quarter of its pages, in an
 * order that no reading ahead foresees. Every page of the first is stored to, flushed, and stored
 * to again. Then all of it is mapped and unmapped, and 64 KiB of it read and written.
 *
 * Who includes this defines the functions that follow; each ends the program when it fails. settle
 * waits until what the system does in the background is done, which it would else do while a disk
 * is waited for.
 */
#ifndef BENCH_FILEPASSES_H
#define BENCH_FILEPASSES_H

#include "disk.h"

#define FILE_ROUNDS 5

struct file; /* open for reading and writing */

static void settle(void);
static char *map_view(struct file *file, int writes); /* all of it, shared */
static void unmap_view(char *view);
static void flush_view(char *view);
static void rewind_file(struct file *file);
static void move_block(struct file *file, char *block, unsigned count, int writes);

static unsigned nbytes; /* of each file */

/* The first time each page is read, one after the other, and then through a new view. */
static void read_in_order(struct file *file)
{
    struct figures cold = {.count = 0}, warm = {.count = 0};
    struct disk before;

    settle();
    read_disk(&before);
    for (unsigned i = 0; i < FILE_ROUNDS; i++) {
        char *view = map_view(file, 0);
        if (i == 0) {
            add_first_touch(&cold, view, nbytes, 0);
        } else {
            add_pass(&warm, view, nbytes, 0);
        }
        unmap_view(view);
        if (i == 0) {
            show_disk("file-cold-read", nbytes / PAGE, &before, 0);
        }
    }
    row("file-cold-read", &cold, nbytes / PAGE);
    row("file-warm-read", &warm, nbytes / PAGE);
}

/* A quarter of the pages, each once, in an order that no reading ahead foresees. */
static void read_at_random(struct file *file)
{
    struct figures cold = {.count = 0};
    struct disk before;
    struct timer timer;
    unsigned npages = nbytes / PAGE, page = 0;
    char *view = map_view(file, 0);

    settle();
    read_disk(&before);
    begin(&timer);
    for (unsigned i = 0; i < npages / 4; i++) {
        page = (page * 5 + 4099) % npages; /* a full cycle for a power of two */
        touch(view + page * PAGE, PAGE, 0);
    }
    end(&timer, &cold);
    unmap_view(view);
    show_disk("file-cold-random", npages / 4, &before, 0);
    row("file-cold-random", &cold, npages / 4);
}

static void time_flush(struct figures *figures, char *view)
{
    struct timer timer;

    begin(&timer);
    flush_view(view);
    end(&timer, figures);
}

/* Stores to clean pages, flushes, stores again. */
static void write_by_view(struct file *file)
{
    struct figures first = {.count = 0}, again = {.count = 0}, flush = {.count = 0};
    struct disk before;
    char *view = map_view(file, 1);

    touch(view, nbytes, 0);
    for (unsigned i = 0; i < FILE_ROUNDS; i++) {
        add_first_touch(i == 0 ? &first : &again, view, nbytes, 1);
        read_disk(&before);
        time_flush(&flush, view);
    }
    show_disk("file-flush", nbytes / PAGE, &before, 0); /* the last one's */
    unmap_view(view);
    row("file-dirty-first", &first, nbytes / PAGE);
    row("file-dirty-again", &again, nbytes / PAGE);
    row("file-flush", &flush, nbytes / PAGE);
}

static void map_clean(struct file *file)
{
    struct figures figures = {.count = 0};
    struct timer timer;

    for (unsigned i = 0; i < samples; i++) {
        begin(&timer);
        unmap_view(map_view(file, 1));
        end(&timer, &figures);
    }
    row("file-map", &figures, 1);
}

/* 64 KiB at one place, all of whose pages are in memory. */
static void copy_block(const char *name, struct file *file, int writes)
{
    static char block[SMALL];
    struct figures figures = {.count = 0};
    struct timer timer;

    for (unsigned i = 0; i < samples; i++) {
        rewind_file(file);
        begin(&timer);
        move_block(file, block, sizeof block, writes);
        end(&timer, &figures);
    }
    row(name, &figures, 1);
}

static void show_files(struct file *first, struct file *second)
{
    read_in_order(first);
    read_at_random(second);
    write_by_view(first);
    map_clean(first);
    copy_block("file-read-64k", first, 0);
    copy_block("file-write-64k", first, 1);
}

#endif
