/*
 * tests/host/disk.c: simulated disks, in memory or over a file of the host.
 *
 * A request is queued, and carried out and answered when its time has come, in interrupt context,
 * oldest first or in random order; a disk that shuffles carries some writes out when they are
 * queued. Requests can be told to fail: a read then leaves rubbish in memory, a write an unknown
 * part of it on the disk. Pages that are written can be damaged: a bit of them turns, or the write
 * is lost; the disk knows which, until they are written again.
 */
#define _GNU_SOURCE
#include "machine.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/failpoint.h"
#include "quire/assert.h"

#define DISKS_MAX       8u
#define DEFAULT_LATENCY 100000

static struct sim_disk *disks[DISKS_MAX];
static uint32_t ndisks;

#define SECTORS_OF_PAGE (PAGE_BYTES / SECTOR_BYTES)

struct pending {
    struct list link;
    struct block_request *request;
    int64_t due;
    bool written; /* carried out when it was queued */
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

    if (failpoint_is_hit(FAILPOINT_DISK_REQUEST)) {
        return true;
    }
    if (disk->fail_one_in != 0 && sim_random(disk->fail_one_in) == 0) {
        return true;
    }
    return request->sector < disk->fail_end && end > disk->fail_first;
}

/* Where the device sees a segment's memory: that of frames that are in use, and RAM in one piece.
 */
static uint8_t *segment_memory(const struct block_segment *segment, bool fills)
{
    pfn_t frame = paddr_to_pfn(segment->address);
    pfn_t last = paddr_to_pfn((paddr_t){segment->address.v + segment->nbytes - 1});

    VERIFY(segment->nbytes % SECTOR_BYTES == 0 && segment->nbytes != 0);
    VERIFY(sim_frame_offset(last) - sim_frame_offset(frame) == (uint64_t)(last.n - frame.n)
                                                                   << PAGE_SHIFT);
    if (sim.frame_in_use != NULL && !sim.frame_in_use(frame, false)) {
        panic("simulated disk: a request for frame 0x%x, which was given up", frame.n);
    }
    if (fills) {
        sim_check_new_frame(frame);
    }
    return sim_frame(frame) + (segment->address.v & PAGE_MASK);
}

/* Whether sectors from SECTOR on hold something else than was written last; MARK: they do now. */
static bool damage(struct sim_disk *disk, uint64_t sector, uint32_t count, const bool *mark)
{
    bool found = false;

    for (uint64_t i = sector; disk->damaged != NULL && i < sector + count; i++) {
        found = found || disk->damaged[i] != 0;
        if (mark != NULL) {
            disk->damaged[i] = *mark;
        }
    }
    return found;
}

bool sim_disk_is_damaged(struct sim_disk *disk, uint64_t sector)
{
    return damage(disk, sector, SECTORS_OF_PAGE, NULL);
}

/* One segment of a write; a page of it may be lost, or a bit of it turn. */
static bool write_segment(struct sim_disk *disk, uint64_t at, uint8_t *memory, uint32_t nbytes)
{
    bool bad = disk->damage_one_in != 0 && sim_random(disk->damage_one_in) == 0;
    bool lost = bad && sim_random(2) == 0;

    damage(disk, at / SECTOR_BYTES, nbytes / SECTOR_BYTES, &bad);
    if (!lost && !transfer(disk, at, memory, nbytes, true)) {
        return false;
    }
    if (bad && !lost) {
        disk->contents[at + sim_random(nbytes)] ^= (uint8_t)(1u << sim_random(8));
    }
    return true;
}

static status_t perform_segments(struct sim_disk *disk, const struct block_request *request,
                                 uint32_t nsegments)
{
    uint64_t at = request->sector * SECTOR_BYTES;
    bool write = request->operation == BLOCK_WRITE;

    for (uint32_t i = 0; i < nsegments; i++) {
        const struct block_segment *segment = &request->segments[i];
        uint8_t *memory = segment_memory(segment, !write);

        if (!(write ? write_segment(disk, at, memory, segment->nbytes)
                    : transfer(disk, at, memory, segment->nbytes, false))) {
            return STATUS_IO_DEVICE_ERROR;
        }
        disk->damaged_reads +=
            !write && damage(disk, at / SECTOR_BYTES, segment->nbytes / SECTOR_BYTES, NULL);
        at += segment->nbytes;
    }
    return STATUS_SUCCESS;
}

/* A request fails: part of what it writes is on the disk, what it reads into is rubbish. */
static status_t fail(struct sim_disk *disk, const struct block_request *request)
{
    disk->errors++;
    if (request->operation == BLOCK_WRITE && disk->shuffle) {
        (void)perform_segments(disk, request, sim_random(request->nsegments));
    }
    for (uint32_t i = 0; request->operation == BLOCK_READ && i < request->nsegments; i++) {
        memset(segment_memory(&request->segments[i], true), 0xDD, request->segments[i].nbytes);
    }
    return STATUS_IO_DEVICE_ERROR;
}

static status_t perform(struct sim_disk *disk, const struct block_request *request)
{
    disk->reads += request->operation == BLOCK_READ;
    disk->writes += request->operation == BLOCK_WRITE;
    disk->flushes += request->operation == BLOCK_FLUSH;
    if (must_fail(disk, request)) {
        return fail(disk, request);
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
    return perform_segments(disk, request, request->nsegments);
}

static void carry_out(struct sim_disk *disk, struct block_request *request)
{
    request->status = perform(disk, request);
    if (disk->observe != NULL && is_success(request->status) && request->operation != BLOCK_READ) {
        disk->observe(disk, request);
    }
}

static void submit(struct block_device *device, struct block_request *request)
{
    struct sim_disk *disk = device->driver;
    struct pending *pending = calloc(1, sizeof(*pending));

    VERIFY(pending != NULL && request->nsegments <= device->max_segments);
    irq_state_t state = irq_disable();
    pending->request = request;
    pending->due = sim.time + disk->latency;
    if (disk->latency_spread != 0) {
        pending->due += sim_random(disk->latency_spread);
    }
    if (request->operation == BLOCK_WRITE && disk->shuffle && sim_random(3) == 0) {
        carry_out(disk, request);
        pending->written = true;
    }
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

bool sim_disk_is_idle(const struct sim_disk *disk)
{
    return list_is_empty(&disk->queue);
}

void sim_disk_deliver(void)
{
    for (uint32_t i = 0; i < ndisks; i++) {
        struct pending *pending;

        while ((pending = take_due(disks[i])) != NULL) {
            struct block_request *request = pending->request;

            if (!pending->written) {
                carry_out(disks[i], request);
            }
            free(pending);
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
    disk->device.max_segments = BLOCK_SEGMENTS_MAX;
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
    struct sim_disk *disk = add_disk(nsectors, contents, -1, false);

    disk->damaged = calloc((size_t)nsectors, 1);
    VERIFY(contents != NULL && disk->damaged != NULL);
    return disk;
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
