/*
 * kernel/dev/virtio.c: modern virtio devices over PCI, and their split queues.
 *
 * A device is found by its vendor capabilities, which say in which BAR each structure lies
 * (section 4.1.4 of the Virtual I/O Device Specification 1.1); features are agreed as section
 * 3.1.1 orders; each queue has an MSI-X vector of its own. What the device says is checked before
 * it is used: offsets and lengths against the BAR, identifiers in the used ring against the queue.
 *
 * Locks: none here. Start is single-threaded; a queue is locked by the driver that owns it.
 */
#include "kernel/virtio.h"

#include "kernel/paging.h"
#include "quire/assert.h"

#define CAPABILITY_VENDOR 0x09u

/* Section 4.1.4: struct virtio_pci_cap. */
#define VIRTIO_PCI_COMMON   1u
#define VIRTIO_PCI_NOTIFY   2u
#define VIRTIO_PCI_SPECIFIC 4u

/* Section 4.1.4.3: struct virtio_pci_common_cfg. */
#define COMMON_DEVICE_FEATURE_SELECT 0u
#define COMMON_DEVICE_FEATURE        4u
#define COMMON_DRIVER_FEATURE_SELECT 8u
#define COMMON_DRIVER_FEATURE        12u
#define COMMON_CONFIG_MSIX_VECTOR    16u
#define COMMON_NUM_QUEUES            18u
#define COMMON_DEVICE_STATUS         20u
#define COMMON_QUEUE_SELECT          22u
#define COMMON_QUEUE_SIZE            24u
#define COMMON_QUEUE_MSIX_VECTOR     26u
#define COMMON_QUEUE_ENABLE          28u
#define COMMON_QUEUE_NOTIFY_OFF      30u
#define COMMON_QUEUE_DESC            32u
#define COMMON_QUEUE_DRIVER          40u
#define COMMON_QUEUE_DEVICE          48u
#define COMMON_NBYTES                56u

#define VIRTIO_NO_VECTOR 0xFFFFu

/* Section 2.1: device status. */
#define VIRTIO_ACKNOWLEDGE 1u
#define VIRTIO_DRIVER      2u
#define VIRTIO_DRIVER_OK   4u
#define VIRTIO_FEATURES_OK 8u
#define VIRTIO_FAILED      128u

/* Section 2.6.5: descriptor flags. */
#define DESCRIPTOR_NEXT     1u
#define DESCRIPTOR_WRITE    2u
#define DESCRIPTOR_INDIRECT 4u

#define USED_NO_NOTIFY 1u

#define RESET_POLLS 1000000u

static uint16_t common_read16(const struct virtio_device *device, uint32_t offset)
{
    return *(volatile uint16_t *)(volatile void *)(device->common + offset);
}

static uint32_t common_read32(const struct virtio_device *device, uint32_t offset)
{
    return *(volatile uint32_t *)(volatile void *)(device->common + offset);
}

static void common_write16(struct virtio_device *device, uint32_t offset, uint16_t value)
{
    *(volatile uint16_t *)(volatile void *)(device->common + offset) = value;
}

static void common_write32(struct virtio_device *device, uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(volatile void *)(device->common + offset) = value;
}

/* 64-bit registers are written as two 32-bit ones (section 4.1.3.1). */
static void common_write64(struct virtio_device *device, uint32_t offset, uint64_t value)
{
    common_write32(device, offset, (uint32_t)value);
    common_write32(device, offset + 4, (uint32_t)(value >> 32));
}

static void add_status(struct virtio_device *device, uint8_t bits)
{
    device->common[COMMON_DEVICE_STATUS] = device->common[COMMON_DEVICE_STATUS] | bits;
}

uint32_t virtio_device_type(const struct pci_function *function)
{
    if (function->vendor != VIRTIO_VENDOR) {
        return 0;
    }
    if (function->device >= 0x1040u && function->device < 0x1080u) {
        return function->device - 0x1040u;
    }
    if (function->device >= 0x1000u && function->device < 0x1040u) {
        return pci_read(function, 0x2Cu) >> 16; /* the subsystem is the device type */
    }
    return 0;
}

/* Maps the structure that the capability at OFFSET describes; NULL when it lies nowhere. */
static volatile uint8_t *map_structure(const struct pci_function *function, uint32_t offset,
                                       uint32_t *nbytes)
{
    uint32_t bar = pci_read(function, offset + 4) & 0xFFu;
    uint32_t first = pci_read(function, offset + 8);
    uint32_t length = pci_read(function, offset + 12);
    paddr_t range;
    uint64_t range_nbytes;

    if (!pci_memory_range(function, bar, &range, &range_nbytes) || length == 0 ||
        (uint64_t)first + length > range_nbytes) {
        return NULL;
    }
    uint32_t inside = first & PAGE_MASK;
    length = min_u32(length, 64 * 1024);
    uint8_t *mapped = device_map((paddr_t){range.v + (first - inside)}, inside + length);
    if (mapped == NULL) {
        return NULL;
    }
    *nbytes = length;
    return mapped + inside;
}

/* Finds the three structures; the first capability of each type is the preferred one. */
static bool map_structures(struct virtio_device *device)
{
    const struct pci_function *function = &device->function;
    uint32_t common_nbytes = 0;

    for (uint32_t offset = pci_find_capability(function, CAPABILITY_VENDOR, 0); offset != 0;
         offset = pci_find_capability(function, CAPABILITY_VENDOR, offset)) {
        uint32_t type = pci_read(function, offset) >> 24;
        if (type == VIRTIO_PCI_COMMON && device->common == NULL) {
            device->common = map_structure(function, offset, &common_nbytes);
        } else if (type == VIRTIO_PCI_NOTIFY && device->notify == NULL) {
            device->notify = map_structure(function, offset, &device->notify_nbytes);
            device->notify_multiplier = pci_read(function, offset + 16);
        } else if (type == VIRTIO_PCI_SPECIFIC && device->specific == NULL) {
            device->specific = map_structure(function, offset, &device->specific_nbytes);
        }
    }
    return device->common != NULL && device->notify != NULL && common_nbytes >= COMMON_NBYTES;
}

static bool reset(struct virtio_device *device)
{
    device->common[COMMON_DEVICE_STATUS] = 0;
    for (uint32_t i = 0; i < RESET_POLLS; i++) {
        if (device->common[COMMON_DEVICE_STATUS] == 0) {
            return true;
        }
    }
    return false;
}

static bool agree_on_features(struct virtio_device *device, uint64_t wanted)
{
    uint64_t offered;

    common_write32(device, COMMON_DEVICE_FEATURE_SELECT, 0);
    offered = common_read32(device, COMMON_DEVICE_FEATURE);
    common_write32(device, COMMON_DEVICE_FEATURE_SELECT, 1);
    offered |= (uint64_t)common_read32(device, COMMON_DEVICE_FEATURE) << 32;
    if ((offered & VIRTIO_F_VERSION_1) == 0) {
        return false;
    }
    device->features = offered & (wanted | VIRTIO_F_VERSION_1);
    common_write32(device, COMMON_DRIVER_FEATURE_SELECT, 0);
    common_write32(device, COMMON_DRIVER_FEATURE, (uint32_t)device->features);
    common_write32(device, COMMON_DRIVER_FEATURE_SELECT, 1);
    common_write32(device, COMMON_DRIVER_FEATURE, (uint32_t)(device->features >> 32));
    add_status(device, VIRTIO_FEATURES_OK);
    return (device->common[COMMON_DEVICE_STATUS] & VIRTIO_FEATURES_OK) != 0;
}

status_t virtio_start(struct virtio_device *device, const struct pci_function *function,
                      uint64_t wanted)
{
    *device = (struct virtio_device){.function = *function};
    pci_enable(function);
    if (!map_structures(device)) {
        return STATUS_NOT_SUPPORTED;
    }
    if (!reset(device)) {
        return STATUS_IO_DEVICE_ERROR;
    }
    add_status(device, VIRTIO_ACKNOWLEDGE);
    add_status(device, VIRTIO_DRIVER);
    if (!agree_on_features(device, wanted) || !pci_msix_start(function, &device->msix)) {
        virtio_fail(device);
        return STATUS_NOT_SUPPORTED;
    }
    common_write16(device, COMMON_CONFIG_MSIX_VECTOR, VIRTIO_NO_VECTOR);
    return STATUS_SUCCESS;
}

void virtio_ready(struct virtio_device *device)
{
    add_status(device, VIRTIO_DRIVER_OK);
}

void virtio_fail(struct virtio_device *device)
{
    if (!reset(device)) {
        add_status(device, VIRTIO_FAILED);
    }
}

/*
 * Lays the three rings and the tokens out in frames of their own: descriptors, available ring,
 * used ring, each at the beginning of a page.
 */
static bool take_rings(struct virtio_queue *queue, const struct device_memory *memory)
{
    uint32_t descriptor_pages = pages_of(queue->size * sizeof(struct virtio_descriptor));
    uint32_t token_pages = pages_of(queue->size * sizeof(void *));
    STATIC_ASSERT(VIRTIO_QUEUE_MAX * 8 + 6 <= PAGE_BYTES); /* either ring */
    STATIC_ASSERT(sizeof(struct virtio_descriptor) == 16);

    pfn_t first = memory->take(descriptor_pages + 2 + token_pages);
    if (pfn_is_none(first)) {
        return false;
    }
    uint8_t *base = frame_address(first);
    queue->descriptors = (volatile struct virtio_descriptor *)(void *)base;
    queue->available = (volatile uint16_t *)(void *)(base + descriptor_pages * PAGE_BYTES);
    queue->used = (volatile uint16_t *)(void *)(base + (descriptor_pages + 1) * PAGE_BYTES);
    queue->tokens = (void **)(void *)(base + (descriptor_pages + 2) * PAGE_BYTES);

    struct virtio_device *device = queue->device;
    uint64_t address = pfn_to_paddr(first).v;
    common_write64(device, COMMON_QUEUE_DESC, address);
    address += (uint64_t)descriptor_pages * PAGE_BYTES;
    common_write64(device, COMMON_QUEUE_DRIVER, address);
    common_write64(device, COMMON_QUEUE_DEVICE, address + PAGE_BYTES);

    for (uint16_t i = 0; i < queue->size; i++) {
        queue->descriptors[i].next = (uint16_t)(i + 1);
    }
    queue->nfree = queue->size;
    return true;
}

status_t virtio_queue_start(struct virtio_device *device, struct virtio_queue *queue,
                            uint16_t index, const struct device_memory *memory,
                            interrupt_handler handler, void *context)
{
    *queue = (struct virtio_queue){.device = device, .index = index};
    if (index >= common_read16(device, COMMON_NUM_QUEUES)) {
        return STATUS_NOT_SUPPORTED;
    }
    common_write16(device, COMMON_QUEUE_SELECT, index);
    uint32_t size = common_read16(device, COMMON_QUEUE_SIZE);
    if (size == 0 || (size & (size - 1)) != 0) {
        return STATUS_NOT_SUPPORTED;
    }
    queue->size = (uint16_t)min_u32(size, VIRTIO_QUEUE_MAX);
    common_write16(device, COMMON_QUEUE_SIZE, queue->size);

    uint64_t notify =
        (uint64_t)common_read16(device, COMMON_QUEUE_NOTIFY_OFF) * device->notify_multiplier;
    if (notify + sizeof(*queue->notify) > device->notify_nbytes) {
        return STATUS_NOT_SUPPORTED;
    }
    queue->notify = (volatile uint16_t *)(volatile void *)(device->notify + (uint32_t)notify);
    if (!take_rings(queue, memory)) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    if (!pci_msix_connect(&device->msix, index, handler, context)) {
        return STATUS_NOT_SUPPORTED;
    }
    common_write16(device, COMMON_QUEUE_MSIX_VECTOR, index);
    if (common_read16(device, COMMON_QUEUE_MSIX_VECTOR) != index) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    common_write16(device, COMMON_QUEUE_ENABLE, 1);
    return STATUS_SUCCESS;
}

/* Takes a free descriptor off the chain of free ones. */
static uint16_t take_descriptor(struct virtio_queue *queue)
{
    uint16_t taken = queue->free_head;

    queue->free_head = queue->descriptors[taken].next;
    queue->nfree--;
    return taken;
}

static void fill_indirect(const struct virtio_piece *pieces, uint32_t npieces,
                          struct virtio_descriptor *table)
{
    for (uint32_t i = 0; i < npieces; i++) {
        table[i].address = pieces[i].address.v;
        table[i].nbytes = pieces[i].nbytes;
        table[i].flags = (uint16_t)((pieces[i].writable ? DESCRIPTOR_WRITE : 0u) |
                                    (i + 1 < npieces ? DESCRIPTOR_NEXT : 0u));
        table[i].next = (uint16_t)(i + 1);
    }
}

/* Chains the pieces in the ring itself; the head. */
static uint16_t fill_direct(struct virtio_queue *queue, const struct virtio_piece *pieces,
                            uint32_t npieces)
{
    uint16_t head = queue->free_head;

    for (uint32_t i = 0; i < npieces; i++) {
        volatile struct virtio_descriptor *descriptor = &queue->descriptors[take_descriptor(queue)];
        descriptor->address = pieces[i].address.v;
        descriptor->nbytes = pieces[i].nbytes;
        descriptor->flags = (uint16_t)((pieces[i].writable ? DESCRIPTOR_WRITE : 0u) |
                                       (i + 1 < npieces ? DESCRIPTOR_NEXT : 0u));
    }
    return head;
}

bool virtio_queue_put(struct virtio_queue *queue, const struct virtio_piece *pieces,
                      uint32_t npieces, struct virtio_descriptor *indirect,
                      paddr_t indirect_address, void *token)
{
    uint16_t head;

    ASSERT(npieces > 0 && token != NULL);
    if (queue->nfree < (indirect != NULL ? 1u : npieces)) {
        return false;
    }
    if (indirect != NULL) {
        fill_indirect(pieces, npieces, indirect);
        head = take_descriptor(queue);
        queue->descriptors[head].address = indirect_address.v;
        queue->descriptors[head].nbytes = npieces * (uint32_t)sizeof(struct virtio_descriptor);
        queue->descriptors[head].flags = DESCRIPTOR_INDIRECT;
    } else {
        head = fill_direct(queue, pieces, npieces);
    }
    queue->tokens[head] = token;
    queue->available[2 + queue->next_available % queue->size] = head;
    queue->next_available++;
    __atomic_thread_fence(__ATOMIC_RELEASE); /* the entry before the index */
    queue->available[1] = queue->next_available;
    return true;
}

void virtio_queue_notify(struct virtio_queue *queue)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* our index before its flags (section 2.6.10) */
    if ((queue->used[0] & USED_NO_NOTIFY) == 0) {
        *queue->notify = queue->index;
    }
}

/* Gives the descriptors of the chain that begins at HEAD back. */
static void free_chain(struct virtio_queue *queue, uint16_t head)
{
    uint16_t last = head;
    uint16_t n = 1;

    while ((queue->descriptors[last].flags & DESCRIPTOR_NEXT) != 0) {
        last = queue->descriptors[last].next;
        n++;
    }
    queue->descriptors[last].next = queue->free_head;
    queue->free_head = head;
    queue->nfree = (uint16_t)(queue->nfree + n);
}

void *virtio_queue_take(struct virtio_queue *queue, uint32_t *nbytes)
{
    while (queue->last_used != queue->used[1]) {
        __atomic_thread_fence(__ATOMIC_ACQUIRE); /* the index before the entry */
        volatile uint32_t *entry = (volatile uint32_t *)(volatile void *)(queue->used + 2) +
                                   2u * (queue->last_used % queue->size);
        uint32_t id = entry[0];
        *nbytes = entry[1];
        queue->last_used++;
        if (id < queue->size && queue->tokens[id] != NULL) {
            void *token = queue->tokens[id];
            queue->tokens[id] = NULL;
            free_chain(queue, (uint16_t)id);
            return token;
        }
    }
    return NULL;
}

uint8_t virtio_read8(const struct virtio_device *device, uint32_t offset)
{
    return offset < device->specific_nbytes ? device->specific[offset] : 0;
}

uint32_t virtio_read32(const struct virtio_device *device, uint32_t offset)
{
    if (device->specific_nbytes < 4 || offset > device->specific_nbytes - 4) {
        return 0;
    }
    return *(volatile uint32_t *)(volatile void *)(device->specific + offset);
}

/* Two halves of one value: read again until they belong together. */
uint64_t virtio_read64(const struct virtio_device *device, uint32_t offset)
{
    uint32_t high = virtio_read32(device, offset + 4);

    for (uint32_t i = 0; i < 8; i++) {
        uint32_t low = virtio_read32(device, offset);
        uint32_t again = virtio_read32(device, offset + 4);
        if (again == high) {
            return (uint64_t)high << 32 | low;
        }
        high = again;
    }
    return 0;
}
