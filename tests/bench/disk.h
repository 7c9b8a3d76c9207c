/*
 * tests/bench/disk.h: what the disk was asked for while an operation was measured, for Quire and
 * for its peer.
 *
 * The figures come from the host: a line "disk?" asks for them, and is answered on standard input
 * with the four totals. Output, beside what measure.h says:
 *     disk <row> <pages touched> <reads> <bytes read> <writes> <bytes written> <major faults>
 */
#ifndef BENCH_DISK_H
#define BENCH_DISK_H

#include "measure.h"

struct disk {
    ticks reads, read_bytes, writes, written_bytes;
};

/* All zero when nobody answers. */
static inline void read_disk(struct disk *disk)
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

/* What was asked for since BEFORE; MAJOR faults: 0 where each of them is a read of its own. */
static inline void show_disk(const char *name, unsigned npages, const struct disk *before,
                             ticks major)
{
    struct disk after;

    read_disk(&after);
    printf("disk\t%s\t%u\t%llu\t%llu\t%llu\t%llu\t%llu\n", name, npages,
           after.reads - before->reads, after.read_bytes - before->read_bytes,
           after.writes - before->writes, after.written_bytes - before->written_bytes, major);
    fflush(stdout);
}

#endif
