/*
 * include/kernel/pci.h: PCI functions, by configuration mechanism 1 (PCI Local Bus Specification
 * 3.0, section 3.2.2.3.2): finding them, their memory ranges, capabilities and MSI-X.
 */
#ifndef KERNEL_PCI_H
#define KERNEL_PCI_H

#include "kernel/trap.h"
#include "quire/annotate.h"
#include "quire/types.h"

struct pci_function {
    uint8_t bus, slot, function;
    uint16_t vendor;
    uint16_t device;
    uint8_t class_code, subclass;
};

/* Calls VISIT for every function of every bus: the first one, and those behind bridges. At start,
 * one thread only (as all of pci_). */
void pci_scan(void (*visit)(const struct pci_function *function, void *context), void *context);

uint32_t pci_read(const struct pci_function *function, uint32_t offset);
void pci_write(const struct pci_function *function, uint32_t offset, uint32_t value);

/* Configuration offset of the first capability ID after offset AFTER (0: from the start), or 0. */
uint32_t pci_find_capability(const struct pci_function *function, uint8_t id, uint32_t after);

/* Where the memory range of BAR 0 to 5 lies and how large it is; false for none or for ports. */
bool pci_memory_range(const struct pci_function *function, uint32_t bar, paddr_t *address,
                      uint64_t *nbytes);

/* Memory decoding and bus mastering on, pin interrupts off. */
void pci_enable(const struct pci_function *function);

/* A function's MSI-X table (PCI Local Bus Specification 3.0, section 6.8.2). */
struct pci_msix {
    volatile uint32_t *table; /* 4 words an entry */
    uint32_t nentries;
};

/* Maps the table and switches MSI-X on, every entry masked; false when there is none. */
MUST_CHECK bool pci_msix_start(const struct pci_function *function, struct pci_msix *msix);

/* Lets entry ENTRY call HANDLER; false when the table is too short or no vector is left. */
MUST_CHECK bool pci_msix_connect(struct pci_msix *msix, uint32_t entry, interrupt_handler handler,
                                 void *context);

#endif
