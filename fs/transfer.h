/*
 * fs/transfer.h: moving data between a block device and memory, several requests at once; private
 * to fs/.
 *
 * A transfer gathers pieces; neighbours on the disk become one request; each full request starts
 * at once. Requests come from a fixed number made at start: a transfer waits for one, never fails
 * for want of one, and holds none while it waits.
 */
#ifndef FS_TRANSFER_H
#define FS_TRANSFER_H

#include "kernel/block.h"
#include "kernel/paging.h"

struct transfer_request;

struct transfer {
    struct block_device *device;
    enum block_operation operation;
    struct transfer_request *current; /* being filled */
    uint64_t next_sector;             /* just past what current holds */
    uint32_t pending;                 /* [transfer lock] unfinished requests, and 1 for the owner */
    status_t status;                  /* [transfer lock] the first error */
    struct waitable finished;
};

/* Once, before the first transfer. */
void transfer_start(void);

/* A transfer lies on the stack of the thread that makes it. May block; no spinlock. */
void transfer_begin(struct transfer *transfer, struct block_device *device,
                    enum block_operation operation);

/*
 * One piece more: NBYTES (whole sectors) from SECTOR on, and the physically contiguous memory at
 * ADDRESS.
 */
void transfer_add(struct transfer *transfer, uint64_t sector, paddr_t address, uint32_t nbytes);

/* Waits for all of it; the first error. */
MUST_CHECK status_t transfer_end(struct transfer *transfer);

#endif
