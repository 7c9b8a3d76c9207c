/*
 * kernel/dev/drivers.h: the drivers' starts, for devices.c.
 */
#ifndef KERNEL_DEV_DRIVERS_H
#define KERNEL_DEV_DRIVERS_H

struct device_memory;
struct pci_function;

void virtio_blk_start(const struct pci_function *function, const struct device_memory *memory);
void virtio_console_start(const struct pci_function *function, const struct device_memory *memory);

/* The PS/2 keyboard; characters go to console_input. */
void keyboard_start(void);

/* The terminal's own state; input may arrive afterwards. */
void console_start(void);

#endif
