/*
 * kernel/dev/pci.c: PCI functions: finding them, their memory ranges, capabilities and MSI-X.
 *
 * Configuration space is reached by mechanism 1: the address in port 0xCF8, the data in 0xCFC.
 * That pair is not locked: only the start of devices, one thread, comes here. Firmware has placed
 * the BARs; nothing is moved. Sections named are those of the PCI Local Bus Specification 3.0.
 */
#include "kernel/pci.h"

#include "kernel/device.h"
#include "kernel/port.h"

#define CONFIG_ADDRESS 0xCF8u
#define CONFIG_DATA    0xCFCu
#define CONFIG_ENABLE  0x80000000u

/* Section 6.1: offsets in configuration space. */
#define PCI_ID           0x00u
#define PCI_COMMAND      0x04u /* command low, status high */
#define PCI_CLASS        0x08u
#define PCI_HEADER       0x0Cu /* header type in bits 16 to 23 */
#define PCI_BAR0         0x10u
#define PCI_BRIDGE_BUSES 0x18u /* a bridge's: primary, secondary, subordinate */
#define PCI_CAPABILITIES 0x34u

#define COMMAND_MEMORY        0x0002u
#define COMMAND_MASTER        0x0004u
#define COMMAND_NO_INTERRUPT  0x0400u
#define STATUS_CAPABILITIES   (0x0010u << 16)
#define HEADER_MULTI_FUNCTION 0x00800000u

#define CLASS_BRIDGE 0x06u
#define SUBCLASS_PCI 0x04u

#define CAPABILITIES_MAX 48u /* a list that is longer loops */

#define CAPABILITY_MSIX     0x11u
#define MSIX_ENABLE         0x80000000u /* in the dword that begins with the capability's ID */
#define MSIX_MASK_ALL       0x40000000u
#define MSIX_ENTRY_WORDS    4u
#define MSIX_ENTRY_MASKED   1u
#define MSIX_VECTOR_CONTROL 3u

static uint32_t config_address(const struct pci_function *function, uint32_t offset)
{
    return CONFIG_ENABLE | (uint32_t)function->bus << 16 | (uint32_t)function->slot << 11 |
           (uint32_t)function->function << 8 | (offset & 0xFCu);
}

uint32_t pci_read(const struct pci_function *function, uint32_t offset)
{
    port_write32(CONFIG_ADDRESS, config_address(function, offset));
    return port_read32(CONFIG_DATA);
}

void pci_write(const struct pci_function *function, uint32_t offset, uint32_t value)
{
    port_write32(CONFIG_ADDRESS, config_address(function, offset));
    port_write32(CONFIG_DATA, value);
}

/* Fills in what identifies FUNCTION (bus, slot and function are set); false when none is there. */
static bool identify(struct pci_function *function)
{
    uint32_t id = pci_read(function, PCI_ID);

    function->vendor = (uint16_t)id;
    function->device = (uint16_t)(id >> 16);
    if (function->vendor == 0xFFFFu) {
        return false;
    }
    uint32_t class_word = pci_read(function, PCI_CLASS);
    function->class_code = (uint8_t)(class_word >> 24);
    function->subclass = (uint8_t)(class_word >> 16);
    return true;
}

/* Buses that are known to be there, one bit each: the first, and those behind bridges. */
struct bus_set {
    uint32_t words[256 / 32];
};

/* A bridge's own buses join the set; firmware numbers them above the bus that it stands on. */
static void note_bridge(const struct pci_function *function, struct bus_set *buses)
{
    if (function->class_code == CLASS_BRIDGE && function->subclass == SUBCLASS_PCI) {
        uint32_t secondary = pci_read(function, PCI_BRIDGE_BUSES) >> 8 & 0xFFu;
        buses->words[secondary / 32] |= 1u << secondary % 32;
    }
}

static void scan_slot(uint8_t bus, uint8_t slot, struct bus_set *buses,
                      void (*visit)(const struct pci_function *function, void *context),
                      void *context)
{
    struct pci_function function = {.bus = bus, .slot = slot};
    uint8_t nfunctions = 1;

    for (uint8_t i = 0; i < nfunctions; i++) {
        function.function = i;
        if (!identify(&function)) {
            if (i == 0) {
                return;
            }
            continue;
        }
        if (i == 0 && (pci_read(&function, PCI_HEADER) & HEADER_MULTI_FUNCTION) != 0) {
            nfunctions = 8;
        }
        note_bridge(&function, buses);
        visit(&function, context);
    }
}

void pci_scan(void (*visit)(const struct pci_function *function, void *context), void *context)
{
    struct bus_set buses = {.words = {1}};

    for (uint32_t bus = 0; bus < 256; bus++) {
        if ((buses.words[bus / 32] & 1u << bus % 32) == 0) {
            continue;
        }
        for (uint8_t slot = 0; slot < 32; slot++) {
            scan_slot((uint8_t)bus, slot, &buses, visit, context);
        }
    }
}

uint32_t pci_find_capability(const struct pci_function *function, uint8_t id, uint32_t after)
{
    if ((pci_read(function, PCI_COMMAND) & STATUS_CAPABILITIES) == 0) {
        return 0;
    }
    uint32_t offset = after == 0 ? pci_read(function, PCI_CAPABILITIES) & 0xFCu
                                 : pci_read(function, after) >> 8 & 0xFCu;
    for (uint32_t i = 0; i < CAPABILITIES_MAX && offset >= 0x40u; i++) {
        uint32_t word = pci_read(function, offset);
        if ((word & 0xFFu) == id) {
            return offset;
        }
        offset = word >> 8 & 0xFCu;
    }
    return 0;
}

/* The bits of BAR register OFFSET that can be written: what says how large its range is. */
static uint32_t bar_size_mask(const struct pci_function *function, uint32_t offset)
{
    uint32_t value = pci_read(function, offset);
    pci_write(function, offset, UINT32_MAX);
    uint32_t mask = pci_read(function, offset);
    pci_write(function, offset, value);
    return mask;
}

/* Section 6.2.5.1: memory decoding is off while the BAR holds all ones. */
bool pci_memory_range(const struct pci_function *function, uint32_t bar, paddr_t *address,
                      uint64_t *nbytes)
{
    if (bar > 5) {
        return false;
    }
    uint32_t offset = PCI_BAR0 + bar * 4;
    uint32_t low = pci_read(function, offset);
    bool wide = (low & 0x6u) == 0x4u;
    if ((low & 1u) != 0 || (wide && bar == 5)) {
        return false;
    }
    uint32_t command = pci_read(function, PCI_COMMAND) & 0xFFFFu;
    pci_write(function, PCI_COMMAND, command & ~COMMAND_MEMORY);
    uint64_t base = low & ~0xFu;
    uint64_t mask = 0xFFFFFFFF00000000ull | (bar_size_mask(function, offset) & ~0xFu);
    if (wide) {
        base |= (uint64_t)pci_read(function, offset + 4) << 32;
        mask = (mask & UINT32_MAX) | (uint64_t)bar_size_mask(function, offset + 4) << 32;
    }
    pci_write(function, PCI_COMMAND, command);
    if (base == 0 || (mask & UINT32_MAX) == 0) {
        return false;
    }
    address->v = base;
    *nbytes = ~mask + 1;
    return true;
}

void pci_enable(const struct pci_function *function)
{
    uint32_t command = pci_read(function, PCI_COMMAND) & 0xFFFFu;

    pci_write(function, PCI_COMMAND,
              command | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_INTERRUPT);
}

bool pci_msix_start(const struct pci_function *function, struct pci_msix *msix)
{
    uint32_t capability = pci_find_capability(function, CAPABILITY_MSIX, 0);
    paddr_t range;
    uint64_t nbytes;

    if (capability == 0) {
        return false;
    }
    uint32_t control = pci_read(function, capability);
    uint32_t where = pci_read(function, capability + 4);
    uint32_t nentries = (control >> 16 & 0x7FFu) + 1;
    uint32_t offset = where & ~7u;
    uint32_t table_nbytes = nentries * MSIX_ENTRY_WORDS * 4;
    if (!pci_memory_range(function, where & 7u, &range, &nbytes) ||
        (uint64_t)offset + table_nbytes > nbytes) {
        return false;
    }
    uint32_t inside = offset & PAGE_MASK;
    uint8_t *mapped = device_map((paddr_t){range.v + (offset - inside)}, inside + table_nbytes);
    if (mapped == NULL) {
        return false;
    }
    msix->table = (volatile uint32_t *)(void *)(mapped + inside);
    msix->nentries = nentries;
    for (uint32_t i = 0; i < nentries; i++) {
        msix->table[i * MSIX_ENTRY_WORDS + MSIX_VECTOR_CONTROL] = MSIX_ENTRY_MASKED;
    }
    pci_write(function, capability, (control | MSIX_ENABLE) & ~MSIX_MASK_ALL);
    return true;
}

bool pci_msix_connect(struct pci_msix *msix, uint32_t entry, interrupt_handler handler,
                      void *context)
{
    if (entry >= msix->nentries) {
        return false;
    }
    uint8_t vector = interrupt_allocate_vector(handler, context);
    if (vector == 0) {
        return false;
    }
    volatile uint32_t *words = msix->table + entry * MSIX_ENTRY_WORDS;
    uint64_t address = interrupt_msi_address(vector);
    words[0] = (uint32_t)address;
    words[1] = (uint32_t)(address >> 32);
    words[2] = interrupt_msi_data(vector);
    words[MSIX_VECTOR_CONTROL] = 0;
    return true;
}
