/*
 * include/kernel/virtio.h: modern virtio devices over PCI and their split queues (Virtual I/O
 * Device Specification 1.1, sections 2.6 and 4.1).
 */
#ifndef KERNEL_VIRTIO_H
#define KERNEL_VIRTIO_H

#include "kernel/device.h"
#include "kernel/pci.h"
#include "quire/annotate.h"
#include "quire/status.h"

#define VIRTIO_VENDOR         0x1AF4u
#define VIRTIO_DEVICE_CONSOLE 3u
#define VIRTIO_DEVICE_BLOCK   2u

#define VIRTIO_F_INDIRECT_DESC (1ull << 28)
#define VIRTIO_F_VERSION_1     (1ull << 32)

struct virtio_device {
    struct pci_function function;
    volatile uint8_t *common;   /* the common configuration structure */
    volatile uint8_t *notify;   /* where queues are notified */
    volatile uint8_t *specific; /* the device's own configuration, or NULL */
    uint32_t notify_nbytes;
    uint32_t specific_nbytes;
    uint32_t notify_multiplier;
    uint64_t features; /* agreed */
    struct pci_msix msix;
};

/* A piece of a request: memory that the device reads, or (WRITABLE) fills. */
struct virtio_piece {
    paddr_t address;
    uint32_t nbytes;
    bool writable;
};

struct virtio_descriptor {
    uint64_t address;
    uint32_t nbytes;
    uint16_t flags;
    uint16_t next;
};

/*
 * One split queue. The owner locks. Each request takes descriptors of the ring: one with an
 * indirect table, else one a piece; TOKENS remembers what the owner gave for its head.
 */
struct virtio_queue {
    struct virtio_device *device;
    uint16_t index;
    uint16_t size; /* descriptors in the ring, a power of two */
    volatile struct virtio_descriptor *descriptors;
    volatile uint16_t *available; /* flags, index, ring */
    volatile uint16_t *used;      /* flags, index, ring of {id, length} */
    volatile uint16_t *notify;
    void **tokens;
    uint16_t free_head;
    uint16_t nfree;
    uint16_t next_available;
    uint16_t last_used;
};

#define VIRTIO_QUEUE_MAX 256u

/* The virtio device type of FUNCTION, transitional ones included, or 0. */
uint32_t virtio_device_type(const struct pci_function *function);

/*
 * Resets the device and agrees on features: VERSION_1 and what it has of WANTED.
 * => STATUS_NOT_SUPPORTED without the modern interface or MSI-X, STATUS_IO_DEVICE_ERROR.
 */
MUST_CHECK status_t virtio_start(struct virtio_device *device, const struct pci_function *function,
                                 uint64_t wanted);

/* Makes queue INDEX, of at most VIRTIO_QUEUE_MAX; HANDLER is told of used requests. */
MUST_CHECK status_t virtio_queue_start(struct virtio_device *device, struct virtio_queue *queue,
                                       uint16_t index, const struct device_memory *memory,
                                       interrupt_handler handler, void *context);

/* All queues are there: the device may run. */
void virtio_ready(struct virtio_device *device);

/* Gives the device up: it will touch no more memory. */
void virtio_fail(struct virtio_device *device);

/*
 * Puts a request on the ring: pieces that the device reads first. INDIRECT is a table of NPIECES
 * descriptors, or NULL. The device is not told before virtio_queue_notify. False when it is full.
 */
MUST_CHECK bool virtio_queue_put(struct virtio_queue *queue, const struct virtio_piece *pieces,
                                 uint32_t npieces, struct virtio_descriptor *indirect,
                                 paddr_t indirect_address, void *token);
void virtio_queue_notify(struct virtio_queue *queue);

/* The token of a request that the device is done with, or NULL; *NBYTES is what it wrote. */
void *virtio_queue_take(struct virtio_queue *queue, uint32_t *nbytes);

/* The device's own configuration. */
uint32_t virtio_read32(const struct virtio_device *device, uint32_t offset);
uint64_t virtio_read64(const struct virtio_device *device, uint32_t offset);

#endif
