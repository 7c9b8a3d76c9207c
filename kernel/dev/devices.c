/*
 * kernel/dev/devices.c: finds the devices and starts their drivers, in the order of the PCI bus:
 * the first disk found is disk 0.
 */
#include "kernel/device.h"

#include "kernel/pci.h"
#include "kernel/virtio.h"

#include "kernel/dev/drivers.h"

static void start_function(const struct pci_function *function, void *context)
{
    const struct device_memory *memory = context;
    uint32_t type = virtio_device_type(function);

    if (type == VIRTIO_DEVICE_BLOCK) {
        virtio_blk_start(function, memory);
    } else if (type == VIRTIO_DEVICE_CONSOLE) {
        virtio_console_start(function, memory);
    }
}

void devices_start(const struct device_memory *memory)
{
    struct device_memory copy = *memory;

    pci_scan(start_function, &copy);
    console_start();
    keyboard_start();
}
