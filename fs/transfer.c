/*
 * fs/transfer.c: moving data between a block device and memory, several requests at once.
 *
 * Lock: one spinlock (device rank, interrupts off: requests end in interrupts) for the free
 * requests and the counts of all transfers.
 */
#include "fs/transfer.h"

#include "kernel/lock.h"
#include "quire/assert.h"

#define REQUESTS 32u

struct transfer_request {
    struct block_request block;
    struct block_segment segments[BLOCK_SEGMENTS_MAX];
    struct transfer *transfer;
    struct list link; /* [lock] in the list of free requests */
};

static struct spinlock lock = SPINLOCK_INIT(RANK_DEVICE);
static struct transfer_request requests[REQUESTS];
static struct list free_requests; /* [lock] */
static struct waitable any_free;  /* signalled when there may be one */

void transfer_start(void)
{
    list_init(&free_requests);
    waitable_init_event(&any_free, false, false);
    for (uint32_t i = 0; i < REQUESTS; i++) {
        list_insert_tail(&free_requests, &requests[i].link);
    }
}

/* One part of TRANSFER is over; wakes its owner after the last. */
static void finish_part_locked(struct transfer *transfer, status_t status)
{
    if (is_error(status) && is_success(transfer->status)) {
        transfer->status = status;
    }
    ASSERT(transfer->pending > 0);
    transfer->pending--;
    if (transfer->pending == 0) {
        event_set(&transfer->finished);
    }
}

/* The end of a request. Interrupt context. */
static void request_done(struct block_request *block)
{
    struct transfer_request *request = block->context;
    irq_state_t state = spin_lock_irq(&lock);

    finish_part_locked(request->transfer, block->status);
    list_insert_tail(&free_requests, &request->link);
    spin_unlock_irq(&lock, state);
    event_set(&any_free);
}

/* Takes a free request, waiting for one. One signal may stand for several: it is passed on. */
static struct transfer_request *take_request(void)
{
    for (;;) {
        struct transfer_request *request = NULL;
        irq_state_t state = spin_lock_irq(&lock);
        if (!list_is_empty(&free_requests)) {
            request = list_entry(free_requests.next, struct transfer_request, link);
            list_remove(&request->link);
        }
        bool more = !list_is_empty(&free_requests);
        spin_unlock_irq(&lock, state);
        if (request != NULL) {
            if (more) {
                event_set(&any_free);
            }
            return request;
        }
        status_t waited = wait_for(&any_free, WAIT_FOREVER, false);
        VERIFY(waited == STATUS_SUCCESS);
    }
}

static void submit_current(struct transfer *transfer)
{
    struct transfer_request *request = transfer->current;

    if (request != NULL) {
        transfer->current = NULL;
        transfer->device->submit(transfer->device, &request->block);
    }
}

static void begin_request(struct transfer *transfer, uint64_t sector)
{
    struct transfer_request *request = take_request();

    request->transfer = transfer;
    request->block.operation = transfer->operation;
    request->block.sector = sector;
    request->block.segments = request->segments;
    request->block.nsegments = 0;
    request->block.done = request_done;
    request->block.context = request;
    irq_state_t state = spin_lock_irq(&lock);
    transfer->pending++;
    spin_unlock_irq(&lock, state);
    transfer->current = request;
}

void transfer_begin(struct transfer *transfer, struct block_device *device,
                    enum block_operation operation)
{
    transfer->device = device;
    transfer->operation = operation;
    transfer->current = NULL;
    transfer->next_sector = 0;
    transfer->pending = 1;
    transfer->status = STATUS_SUCCESS;
    waitable_init_event(&transfer->finished, true, false);
}

void transfer_add(struct transfer *transfer, uint64_t sector, paddr_t address, uint32_t nbytes)
{
    struct transfer_request *request = transfer->current;

    ASSERT(nbytes > 0 && nbytes % SECTOR_BYTES == 0);
    if (request != NULL && (transfer->next_sector != sector ||
                            request->block.nsegments == transfer->device->max_segments)) {
        submit_current(transfer);
        request = NULL;
    }
    if (request == NULL) {
        begin_request(transfer, sector);
        request = transfer->current;
    }
    transfer->next_sector = sector + nbytes / SECTOR_BYTES;
    struct block_request *block = &request->block;
    if (block->nsegments > 0) {
        struct block_segment *last = &request->segments[block->nsegments - 1];
        if (last->address.v + last->nbytes == address.v) {
            last->nbytes += nbytes;
            return;
        }
    }
    request->segments[block->nsegments++] =
        (struct block_segment){.address = address, .nbytes = nbytes};
}

status_t transfer_end(struct transfer *transfer)
{
    submit_current(transfer);
    irq_state_t state = spin_lock_irq(&lock);
    finish_part_locked(transfer, STATUS_SUCCESS);
    spin_unlock_irq(&lock, state);
    status_t waited = wait_for(&transfer->finished, WAIT_FOREVER, false);
    VERIFY(waited == STATUS_SUCCESS); /* it lies on our stack */
    return transfer->status;
}
