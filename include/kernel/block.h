/*
 * include/kernel/block.h: block devices: asynchronous requests on 512-byte sectors.
 */
#ifndef KERNEL_BLOCK_H
#define KERNEL_BLOCK_H

#include "kernel/wait.h"
#include "quire/annotate.h"
#include "quire/list.h"
#include "quire/status.h"

#define SECTOR_BYTES       512u
#define BLOCK_SEGMENTS_MAX 171u /* pieces of one request, where the device takes as many */

enum block_operation {
    BLOCK_READ,
    BLOCK_WRITE,
    BLOCK_FLUSH, /* all completed writes are durable when it completes */
};

/* A physically contiguous piece of memory. */
struct block_segment {
    paddr_t address;
    uint32_t nbytes;
};

/*
 * One request. The owner fills it, keeps it until `done` was called, and is told in interrupt
 * context. Segments are multiples of 512 bytes.
 */
struct block_request {
    enum block_operation operation;
    uint64_t sector;
    uint32_t nsegments;
    const struct block_segment *segments;        /* the owner's, too; not looked at for a flush */
    void (*done)(struct block_request *request); /* status is set */
    void *context;
    status_t status;       /* STATUS_SUCCESS, STATUS_IO_DEVICE_ERROR, STATUS_DISK_FULL */
    struct list link;      /* the driver's, while it is queued */
    uint32_t driver_index; /* the driver's */
};

/* What a device has done since boot; failed requests count too. */
struct block_counters {
    uint64_t reads; /* requests */
    uint64_t writes;
    uint64_t flushes;
    uint64_t sectors_read;
    uint64_t sectors_written;
};

struct block_device {
    const char *name;
    uint64_t nsectors;
    bool read_only;
    uint32_t max_segments; /* of a request: at most BLOCK_SEGMENTS_MAX */
    void (*submit)(struct block_device *device, struct block_request *request); /* any thread */
    /* NULL: it does not count. */
    void (*read_counters)(struct block_device *device, struct block_counters *counters);
    void *driver;
};

/* Submits and waits (not interruptible); the request's status. */
MUST_CHECK status_t block_perform(struct block_device *device, struct block_request *request);

/* All completed writes are durable when it returns. Blocks. => IO_DEVICE_ERROR. */
MUST_CHECK status_t block_flush(struct block_device *device);

/* What all devices together have done. */
void block_sum_counters(struct block_counters *sum);

/* The Nth disk, or NULL. */
struct block_device *block_device_get(uint32_t n);
void block_device_add(struct block_device *device);

#endif
