/*
 * include/kernel/device.h: finding and starting the devices.
 */
#ifndef KERNEL_DEVICE_H
#define KERNEL_DEVICE_H

#include "quire/types.h"

/* How drivers get memory at start: contiguous zeroed frames of the direct map, or PFN_NONE. */
struct device_memory {
    pfn_t (*take)(uint32_t npages);
};

/* Scans PCI and starts every device that has a driver. Once, with interrupts on. */
void devices_start(const struct device_memory *memory);

/* Maps NBYTES of device memory, uncached, supervisor; never undone. NULL when there is no room. */
void *device_map(paddr_t address, uint32_t nbytes);

#endif
