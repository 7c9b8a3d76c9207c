/*
 * kernel/dev/virtio_blk.c: disks over virtio (Virtual I/O Device Specification 1.1, section 5.2).
 *
 * Everything a request needs besides its own structure is in a slot, made at start: header, status
 * byte and, where the device offers indirect descriptors, a table of its own. A request waits on
 * the disk's list while no slot or no ring descriptor is free; the interrupt that frees one takes
 * the next. So submitting allocates nothing and never fails for want of room.
 *
 *      submit --> waiting list --> slot + ring --> device --> interrupt --> done(request)
 *
 * Locks: one per disk (device rank, interrupts off) for list, slots and ring; `done` is called
 * without it, with interrupts off.
 */
#include "kernel/block.h"
#include "kernel/device.h"
#include "kernel/failpoint.h"
#include "kernel/format.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include "kernel/paging.h"
#include "kernel/string.h"
#include "kernel/virtio.h"
#include "quire/assert.h"

#include "kernel/dev/drivers.h"

#define DISKS_MAX 4u
#define SLOTS     32u

/* Section 5.2.3. */
#define VIRTIO_BLK_F_SEG_MAX (1ull << 2)
#define VIRTIO_BLK_F_RO      (1ull << 5)
#define VIRTIO_BLK_F_FLUSH   (1ull << 9)

#define CONFIG_CAPACITY 0u
#define CONFIG_SEG_MAX  12u

/* Section 5.2.6. */
#define VIRTIO_BLK_IN    0u
#define VIRTIO_BLK_OUT   1u
#define VIRTIO_BLK_FLUSH 4u

enum virtio_blk_status {
    VIRTIO_BLK_OK = 0,
    VIRTIO_BLK_PENDING = 0xFF, /* ours: the device has not answered */
};

#define PIECES_MAX   (BLOCK_SEGMENTS_MAX + 2u)
#define SEGMENTS_MIN 32u /* what everyone who uses a disk takes for granted */

/* What the device reads and writes of one request beside its data. */
struct slot {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
    uint8_t status;
    uint8_t padding[15];
    struct virtio_descriptor table[PIECES_MAX];
};

struct disk {
    struct spinlock lock; /* RANK_DEVICE */
    struct block_device block;
    struct virtio_device device;
    struct virtio_queue queue;              /* [lock] */
    struct list waiting;                    /* [lock] requests without a slot */
    struct block_counters counters;         /* [lock] */
    struct block_request *requests[SLOTS];  /* [lock] by slot */
    uint32_t free_slots;                    /* [lock] one bit each */
    struct virtio_piece pieces[PIECES_MAX]; /* [lock] of the request that is being built */
    struct slot *slots;                     /* [c] */
    paddr_t slots_address;                  /* [c] */
    bool indirect;                          /* [c] */
    bool flush;                             /* [c] the device has a cache to flush */
    char name[8];
};

static struct disk disks[DISKS_MAX];
static uint32_t ndisks;

static paddr_t slot_address(const struct disk *disk, uint32_t slot, size_t offset)
{
    return (paddr_t){disk->slots_address.v + (uint64_t)slot * sizeof(struct slot) + offset};
}

/* Describes REQUEST in disk->pieces; how many there are. */
static uint32_t describe(struct disk *disk, const struct block_request *request, uint32_t slot)
{
    struct virtio_piece *piece = disk->pieces;
    struct slot *shared = &disk->slots[slot];

    shared->type = request->operation == BLOCK_READ    ? VIRTIO_BLK_IN
                   : request->operation == BLOCK_WRITE ? VIRTIO_BLK_OUT
                                                       : VIRTIO_BLK_FLUSH;
    shared->reserved = 0;
    shared->sector = request->operation == BLOCK_FLUSH ? 0 : request->sector;
    shared->status = VIRTIO_BLK_PENDING;
    *piece++ = (struct virtio_piece){
        .address = slot_address(disk, slot, offsetof(struct slot, type)), .nbytes = 16};
    for (uint32_t i = 0; i < request->nsegments; i++) {
        *piece++ = (struct virtio_piece){.address = request->segments[i].address,
                                         .nbytes = request->segments[i].nbytes,
                                         .writable = request->operation == BLOCK_READ};
    }
    *piece++ =
        (struct virtio_piece){.address = slot_address(disk, slot, offsetof(struct slot, status)),
                              .nbytes = 1,
                              .writable = true};
    return (uint32_t)(piece - disk->pieces);
}

/* Puts one request on the ring; false when no slot or no descriptor is free. */
static bool start_request(struct disk *disk, struct block_request *request)
{
    if (disk->free_slots == 0) {
        return false;
    }
    uint32_t slot = (uint32_t)__builtin_ctz(disk->free_slots);
    uint32_t npieces = describe(disk, request, slot);
    if (!virtio_queue_put(
            &disk->queue, disk->pieces, npieces, disk->indirect ? disk->slots[slot].table : NULL,
            slot_address(disk, slot, offsetof(struct slot, table)), &disk->slots[slot])) {
        return false;
    }
    disk->free_slots &= ~(1u << slot);
    disk->requests[slot] = request;
    return true;
}

/* Starts as many waiting requests as there is room for. */
static void start_waiting(struct disk *disk)
{
    bool started = false;

    while (!list_is_empty(&disk->waiting)) {
        struct block_request *request = list_entry(disk->waiting.next, struct block_request, link);
        if (!start_request(disk, request)) {
            break;
        }
        list_remove(&request->link);
        started = true;
    }
    if (started) {
        virtio_queue_notify(&disk->queue);
    }
}

/* What is wrong with REQUEST before the device sees it, or STATUS_PENDING and its sectors. */
static status_t check_request(const struct disk *disk, const struct block_request *request,
                              uint64_t *nsectors)
{
    uint64_t nbytes = 0;

    *nsectors = 0;
    if (request->operation == BLOCK_FLUSH) {
        return disk->flush ? STATUS_PENDING : STATUS_SUCCESS;
    }
    if (request->operation == BLOCK_WRITE && disk->block.read_only) {
        return STATUS_MEDIA_WRITE_PROTECTED;
    }
    if (request->nsegments == 0 || request->nsegments > disk->block.max_segments) {
        return STATUS_INVALID_PARAMETER;
    }
    for (uint32_t i = 0; i < request->nsegments; i++) {
        if (request->segments[i].nbytes % SECTOR_BYTES != 0) {
            return STATUS_INVALID_PARAMETER;
        }
        nbytes += request->segments[i].nbytes;
    }
    *nsectors = nbytes / SECTOR_BYTES;
    if (*nsectors == 0 || request->sector > disk->block.nsectors ||
        *nsectors > disk->block.nsectors - request->sector) {
        return STATUS_INVALID_PARAMETER;
    }
    return STATUS_PENDING;
}

/* Counts a request that the device will get. => the disk's lock. */
static void count_request(struct block_counters *counters, enum block_operation operation,
                          uint64_t nsectors)
{
    switch (operation) {
    case BLOCK_READ:
        counters->reads++;
        counters->sectors_read += nsectors;
        break;
    case BLOCK_WRITE:
        counters->writes++;
        counters->sectors_written += nsectors;
        break;
    case BLOCK_FLUSH:
        counters->flushes++;
        break;
    }
}

static void submit(struct block_device *block, struct block_request *request)
{
    struct disk *disk = block->driver;
    uint64_t nsectors;
    status_t status = check_request(disk, request, &nsectors);

    if (failpoint_is_hit(FAILPOINT_DISK_REQUEST)) {
        status = STATUS_IO_DEVICE_ERROR;
    }
    if (status != STATUS_PENDING) {
        request->status = status;
        request->done(request);
        return;
    }
    if (request->operation == BLOCK_FLUSH) {
        request->nsegments = 0;
    }
    request->status = STATUS_PENDING;
    irq_state_t state = spin_lock_irq(&disk->lock);
    count_request(&disk->counters, request->operation, nsectors);
    list_insert_tail(&disk->waiting, &request->link);
    start_waiting(disk);
    spin_unlock_irq(&disk->lock, state);
}

static void read_counters(struct block_device *block, struct block_counters *counters)
{
    struct disk *disk = block->driver;
    irq_state_t state = spin_lock_irq(&disk->lock);
    *counters = disk->counters;
    spin_unlock_irq(&disk->lock, state);
}

/* Moves every request that the device is done with to FINISHED. */
static void collect(struct disk *disk, struct list *finished)
{
    uint32_t written;

    for (struct slot *slot = virtio_queue_take(&disk->queue, &written); slot != NULL;
         slot = virtio_queue_take(&disk->queue, &written)) {
        uint32_t index = (uint32_t)(slot - disk->slots);
        struct block_request *request = disk->requests[index];
        request->status = slot->status == VIRTIO_BLK_OK ? STATUS_SUCCESS : STATUS_IO_DEVICE_ERROR;
        disk->requests[index] = NULL;
        disk->free_slots |= 1u << index;
        list_insert_tail(finished, &request->link);
    }
}

/* The disk's interrupt. */
static void on_interrupt(void *context)
{
    struct disk *disk = context;
    struct list finished;

    list_init(&finished);
    irq_state_t state = spin_lock_irq(&disk->lock);
    collect(disk, &finished);
    start_waiting(disk);
    spin_unlock_irq(&disk->lock, state);
    while (!list_is_empty(&finished)) {
        struct block_request *request = list_entry(finished.next, struct block_request, link);
        list_remove(&request->link);
        request->done(request); /* the request is its owner's again */
    }
}

/* How many pieces of data the device takes in one request. */
static uint32_t most_segments(const struct disk *disk)
{
    uint32_t most = BLOCK_SEGMENTS_MAX;

    if ((disk->device.features & VIRTIO_BLK_F_SEG_MAX) != 0) {
        most = min_u32(most, virtio_read32(&disk->device, CONFIG_SEG_MAX));
    }
    if (!disk->indirect) {
        most = min_u32(most, disk->queue.size - min_u32(disk->queue.size, 2));
    }
    return most;
}

static status_t start_disk(struct disk *disk, const struct pci_function *function,
                           const struct device_memory *memory)
{
    status_t status = virtio_start(&disk->device, function,
                                   VIRTIO_F_INDIRECT_DESC | VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_RO |
                                       VIRTIO_BLK_F_FLUSH);
    if (is_error(status)) {
        return status;
    }
    uint64_t features = disk->device.features;
    pfn_t slots = memory->take(pages_of(SLOTS * sizeof(struct slot)));
    if (pfn_is_none(slots)) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    disk->slots = frame_address(slots);
    disk->slots_address = pfn_to_paddr(slots);
    disk->indirect = (features & VIRTIO_F_INDIRECT_DESC) != 0;
    disk->flush = (features & VIRTIO_BLK_F_FLUSH) != 0;
    disk->free_slots = UINT32_MAX;
    STATIC_ASSERT(SLOTS == 32);
    list_init(&disk->waiting);
    spin_init(&disk->lock, RANK_DEVICE);
    status = virtio_queue_start(&disk->device, &disk->queue, 0, memory, on_interrupt, disk);
    if (is_success(status)) {
        disk->block.max_segments = most_segments(disk);
        status = disk->block.max_segments >= SEGMENTS_MIN ? status : STATUS_NOT_SUPPORTED;
    }
    return status;
}

void virtio_blk_start(const struct pci_function *function, const struct device_memory *memory)
{
    if (ndisks == DISKS_MAX) {
        return;
    }
    struct disk *disk = &disks[ndisks];
    status_t status = start_disk(disk, function, memory);
    if (is_error(status)) {
        log_print("virtio-blk %02x:%02x: cannot be used: status 0x%08x\n", function->bus,
                  function->slot, (uint32_t)status);
        if (disk->device.common != NULL) {
            virtio_fail(&disk->device);
        }
        return;
    }
    kformat(disk->name, sizeof(disk->name), "disk%u", ndisks);
    disk->block = (struct block_device){
        .name = disk->name,
        .nsectors = virtio_read64(&disk->device, CONFIG_CAPACITY),
        .read_only = (disk->device.features & VIRTIO_BLK_F_RO) != 0,
        .max_segments = disk->block.max_segments,
        .submit = submit,
        .read_counters = read_counters,
        .driver = disk,
    };
    virtio_ready(&disk->device);
    ndisks++;
    block_device_add(&disk->block);
    log_print("%s: virtio-blk, %u KiB%s\n", disk->name, (uint32_t)(disk->block.nsectors / 2),
              disk->block.read_only ? ", read-only" : "");
}
