/*
 * tests/host/disk.c: simulated disks, in memory or over a file of the host.
 *
 * A request is queued, and carried out and answered when its time has come, in interrupt context,
 * oldest first or in random order. Requests can be told to fail.
 */
#define _GNU_SOURCE
#include "machine.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quire/assert.h"

#define DISKS_MAX       8u
#define DEFAULT_LATENCY 100000

static struct sim_disk *disks[DISKS_MAX];
static uint32_t ndisks;

/* A queued request's time is kept in order of submission: one latency a disk, so it ascends. */
struct pending {
    struct list link;
    struct block_request *request;
    int64_t due;
};

static bool transfer_memory(struct sim_disk *disk, uint64_t at, uint8_t *memory, uint32_t nbytes,
                            bool write)
{
    if (write) {
        memcpy(disk->contents + at, memory, nbytes);
    } else {
        memcpy(memory, disk->contents + at, nbytes);
    }
    return true;
}

static bool transfer(struct sim_disk *disk, uint64_t at, uint8_t *memory, uint32_t nbytes,
                     bool write)
{
    if (disk->contents != NULL) {
        return transfer_memory(disk, at, memory, nbytes, write);
    }
    ssize_t done = write ? pwrite(disk->file, memory, nbytes, (off_t)at)
                         : pread(disk->file, memory, nbytes, (off_t)at);
    return done == (ssize_t)nbytes;
}

static uint64_t request_nbytes(const struct block_request *request)
{
    uint64_t nbytes = 0;

    for (uint32_t i = 0; i < request->nsegments; i++) {
        nbytes += request->segments[i].nbytes;
    }
    return nbytes;
}

static bool must_fail(struct sim_disk *disk, const struct block_request *request)
{
    uint64_t end = request->sector + request_nbytes(request) / SECTOR_BYTES;

    if (disk->fail_in != 0 && --disk->fail_in == 0) {
        return true;
    }
    return request->sector < disk->fail_end && end > disk->fail_first;
}

static status_t perform_segments(struct sim_disk *disk, const struct block_request *request)
{
    uint64_t at = request->sector * SECTOR_BYTES;

    for (uint32_t i = 0; i < request->nsegments; i++) {
        const struct block_segment *segment = &request->segments[i];
        pfn_t frame = paddr_to_pfn(segment->address);
        pfn_t last = paddr_to_pfn((paddr_t){segment->address.v + segment->nbytes - 1});

        VERIFY(segment->nbytes % SECTOR_BYTES == 0 && segment->nbytes != 0);
        VERIFY(sim_frame_offset(last) - sim_frame_offset(frame) == (uint64_t)(last.n - frame.n)
                                                                       << PAGE_SHIFT);
        if (!transfer(disk, at, sim_frame(frame) + (segment->address.v & PAGE_MASK),
                      segment->nbytes, request->operation == BLOCK_WRITE)) {
            return STATUS_IO_DEVICE_ERROR;
        }
        at += segment->nbytes;
    }
    return STATUS_SUCCESS;
}

static status_t perform(struct sim_disk *disk, const struct block_request *request)
{
    disk->reads += request->operation == BLOCK_READ;
    disk->writes += request->operation == BLOCK_WRITE;
    disk->flushes += request->operation == BLOCK_FLUSH;
    if (must_fail(disk, request)) {
        return STATUS_IO_DEVICE_ERROR;
    }
    if (request->operation == BLOCK_FLUSH) {
        return STATUS_SUCCESS;
    }
    if (request->operation == BLOCK_WRITE && disk->device.read_only) {
        return STATUS_MEDIA_WRITE_PROTECTED;
    }
    if (request->sector + request_nbytes(request) / SECTOR_BYTES > disk->device.nsectors) {
        return STATUS_IO_DEVICE_ERROR;
    }
    return perform_segments(disk, request);
}

static void submit(struct block_device *device, struct block_request *request)
{
    struct sim_disk *disk = device->driver;
    struct pending *pending = calloc(1, sizeof(*pending));

    VERIFY(pending != NULL && request->nsegments <= BLOCK_SEGMENTS_MAX);
    irq_state_t state = irq_disable();
    pending->request = request;
    pending->due = sim.time + disk->latency;
    list_insert_tail(&disk->queue, &pending->link);
    irq_restore(state);
}

int64_t sim_disk_next(void)
{
    int64_t next = WAIT_FOREVER;

    for (uint32_t i = 0; i < ndisks; i++) {
        list_for_each(link, &disks[i]->queue) {
            int64_t due = list_entry(link, struct pending, link)->due;

            next = due < next ? due : next;
        }
    }
    return next;
}

/* A request of DISK that is due, or NULL. */
static struct pending *take_due(struct sim_disk *disk)
{
    struct pending *chosen = NULL;

    list_for_each(link, &disk->queue) {
        struct pending *pending = list_entry(link, struct pending, link);

        if (pending->due <= sim.time && (chosen == NULL || (disk->shuffle && sim_random(2) == 0))) {
            chosen = pending;
        }
    }
    if (chosen != NULL) {
        list_remove(&chosen->link);
    }
    return chosen;
}

void sim_disk_deliver(void)
{
    for (uint32_t i = 0; i < ndisks; i++) {
        struct pending *pending;

        while ((pending = take_due(disks[i])) != NULL) {
            struct block_request *request = pending->request;

            free(pending);
            request->status = perform(disks[i], request);
            request->done(request);
        }
    }
}

static struct sim_disk *add_disk(uint64_t nsectors, uint8_t *contents, int file, bool read_only)
{
    static const char *const names[DISKS_MAX] = {"disk0", "disk1", "disk2", "disk3",
                                                 "disk4", "disk5", "disk6", "disk7"};
    struct sim_disk *disk = calloc(1, sizeof(*disk));

    VERIFY(disk != NULL && ndisks < DISKS_MAX);
    disk->device.name = names[ndisks];
    disk->device.nsectors = nsectors;
    disk->device.read_only = read_only;
    disk->device.submit = submit;
    disk->device.driver = disk;
    disk->contents = contents;
    disk->file = file;
    disk->latency = DEFAULT_LATENCY;
    list_init(&disk->queue);
    disks[ndisks] = disk;
    ndisks++;
    block_device_add(&disk->device);
    return disk;
}

struct sim_disk *sim_disk_memory(uint64_t nsectors)
{
    uint8_t *contents = calloc((size_t)nsectors, SECTOR_BYTES);

    VERIFY(contents != NULL);
    return add_disk(nsectors, contents, -1, false);
}

struct sim_disk *sim_disk_file(const char *path, bool read_only)
{
    struct stat status;
    int file = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);

    if (file < 0 || fstat(file, &status) != 0) {
        perror(path);
        exit(2);
    }
    return add_disk((uint64_t)status.st_size / SECTOR_BYTES, NULL, file, read_only);
}
