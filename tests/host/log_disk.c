/*
 * tests/host/log_disk.c: a log of every write and flush that a simulated disk carried out.
 */
#define _GNU_SOURCE
#include "log_disk.h"

#include <stdlib.h>
#include <string.h>

#include "quire/assert.h"

struct record {
    uint64_t offset; /* bytes */
    uint32_t nbytes; /* 0: a flush */
    uint8_t *data;
};

static struct sim_disk *logged;
static uint8_t *beginning; /* what the disk held then */
static size_t disk_nbytes;
static struct record *records;
static uint32_t nrecords;
static uint32_t capacity;
static uint32_t torn_nbytes;

static void observe(struct sim_disk *disk, const struct block_request *request)
{
    if (nrecords == capacity) {
        capacity = capacity == 0 ? 1024 : capacity * 2;
        records = realloc(records, capacity * sizeof(records[0]));
        VERIFY(records != NULL);
    }
    struct record *record = &records[nrecords++];
    *record = (struct record){.offset = request->sector * SECTOR_BYTES};
    for (uint32_t i = 0; i < request->nsegments; i++) {
        record->nbytes += request->segments[i].nbytes;
    }
    if (request->operation == BLOCK_FLUSH) {
        record->nbytes = 0;
        return;
    }
    record->data = malloc(record->nbytes);
    VERIFY(record->data != NULL);
    memcpy(record->data, disk->contents + record->offset, record->nbytes);
}

void log_disk_start(struct sim_disk *disk, uint32_t block_bytes)
{
    torn_nbytes = block_bytes;
    VERIFY(logged == NULL && disk->contents != NULL);
    logged = disk;
    disk_nbytes = (size_t)disk->device.nsectors * SECTOR_BYTES;
    beginning = malloc(disk_nbytes);
    VERIFY(beginning != NULL);
    memcpy(beginning, disk->contents, disk_nbytes);
    disk->observe = observe;
}

void log_disk_stop(void)
{
    logged->observe = NULL;
}

uint32_t log_disk_count(void)
{
    return nrecords;
}

bool log_disk_is_flush(uint32_t n)
{
    return records[n].nbytes == 0;
}

static bool ignores_flushes;

void log_disk_ignore_flushes(void)
{
    ignores_flushes = true;
}

/* Just past the last flush before CUT. */
static uint32_t window_start(uint32_t cut)
{
    uint32_t start = cut;

    while (start > 0 && (ignores_flushes || !log_disk_is_flush(start - 1))) {
        start--;
    }
    return start;
}

uint32_t log_disk_pending(uint32_t cut)
{
    return cut - window_start(cut);
}

/* Writes some blocks of the record, or none. */
static void tear(uint8_t *image, const struct record *record, uint64_t seed)
{
    for (uint32_t at = 0; at < record->nbytes; at += torn_nbytes) {
        uint64_t hash = (seed + 1) * 0x9E3779B97F4A7C15ull ^ (at + 1) * 0xD6E8FEB86659FD93ull;
        if ((seed * 0x9E3779B97F4A7C15ull >> 62) != 0 && (hash >> 61 & 1) != 0) {
            memcpy(image + record->offset + at, record->data + at, torn_nbytes);
        }
    }
}

void log_disk_rebuild(uint8_t *image, uint32_t cut, uint64_t missing)
{
    uint32_t start = window_start(cut);

    memcpy(image, beginning, disk_nbytes);
    for (uint32_t i = 0; i < cut; i++) {
        const struct record *record = &records[i];
        bool is_missing = i >= start && i - start < 64 && (missing >> (i - start) & 1) != 0;
        if (record->nbytes > 0 && !is_missing) {
            memcpy(image + record->offset, record->data, record->nbytes);
        } else if (record->nbytes > 0) {
            tear(image, record, missing + i);
        }
    }
}
