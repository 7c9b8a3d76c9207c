/*
 * kernel/x86/ioapic.c: the I/O APIC, which brings the ISA interrupt lines to the boot CPU.
 *
 * Where it is and which pins the ISA lines really use stands in ACPI's table "APIC" (ACPI
 * Specification 6.5, section 5.2.12); without that table it is the PC's standard: at 0xFEC00000,
 * line n on pin n. Devices on PCI use message-signalled interrupts and no pin.
 */
#include "kernel/device.h"
#include "kernel/paging.h"
#include "kernel/string.h"
#include "kernel/x86/x86.h"
#include "quire/assert.h"

#define IOAPIC_DEFAULT 0xFEC00000u
#define IOAPIC_BYTES   0x20u
#define SELECT         0u /* index of a 32-bit register */
#define DATA           4u
#define VERSION        1u
#define REDIRECTION    0x10u
#define PIN_MASKED     (1u << 16)
#define PIN_LEVEL      (1u << 15)
#define PIN_LOW        (1u << 13)

#define BIOS_AREA     0xE0000u
#define BIOS_AREA_END 0x100000u
#define TABLE_MAX     0x10000u

#define MADT_IOAPIC   1u
#define MADT_OVERRIDE 2u
#define MADT_HEADER   44u

struct PACKED acpi_pointer {
    char signature[8];
    uint8_t checksum;
    char oem[6];
    uint8_t revision;
    uint32_t rsdt;
};

struct PACKED acpi_header {
    char signature[4];
    uint32_t nbytes;
    uint8_t rest[28];
};

struct line_route {
    uint32_t pin;
    uint32_t flags; /* PIN_LEVEL, PIN_LOW */
};

static volatile uint32_t *registers;
static uint32_t ioapic_address = IOAPIC_DEFAULT;
static uint32_t ioapic_first_pin;
static struct line_route routes[16];

static uint32_t ioapic_read(uint32_t index)
{
    registers[SELECT] = index;
    return registers[DATA];
}

static void ioapic_write(uint32_t index, uint32_t value)
{
    registers[SELECT] = index;
    registers[DATA] = value;
}

/* ---- ACPI ---- */

static uint32_t get_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

/* Maps the table at ADDRESS when its length makes sense. */
static const uint8_t *acpi_map(uint32_t address)
{
    const struct acpi_header *header = device_map((paddr_t){address}, sizeof(*header));
    if (header == NULL || header->nbytes < sizeof(*header) || header->nbytes > TABLE_MAX) {
        return NULL;
    }
    return device_map((paddr_t){address}, header->nbytes);
}

static const struct acpi_pointer *acpi_find_pointer(void)
{
    for (uint32_t at = BIOS_AREA; at < BIOS_AREA_END; at += 16) {
        const struct acpi_pointer *pointer = (const struct acpi_pointer *)(KERNEL_FIRST + at);
        if (memcmp(pointer->signature, "RSD PTR ", 8) == 0) {
            return pointer;
        }
    }
    return NULL;
}

/* The table with interrupt controllers, or NULL. */
static const uint8_t *acpi_find_madt(void)
{
    const struct acpi_pointer *pointer = acpi_find_pointer();
    const uint8_t *root = pointer != NULL ? acpi_map(pointer->rsdt) : NULL;
    if (root == NULL) {
        return NULL;
    }
    uint32_t end = get_u32(root + 4);
    for (uint32_t at = sizeof(struct acpi_header); at + 4 <= end; at += 4) {
        const uint8_t *table = acpi_map(get_u32(root + at));
        if (table != NULL && memcmp(table, "APIC", 4) == 0) {
            return table;
        }
    }
    return NULL;
}

/* MPS flags: polarity in bits 0-1 (3: active low), trigger mode in bits 2-3 (3: level). */
static void madt_override(const uint8_t *entry)
{
    uint8_t line = entry[3];
    uint32_t flags = (uint32_t)entry[8] | (uint32_t)entry[9] << 8;
    if (line < ARRAY_COUNT(routes)) {
        routes[line].pin = get_u32(entry + 4);
        routes[line].flags =
            ((flags & 3u) == 3u ? PIN_LOW : 0) | ((flags & 12u) == 12u ? PIN_LEVEL : 0);
    }
}

static void madt_read(const uint8_t *madt)
{
    uint32_t end = get_u32(madt + 4);
    uint32_t at = MADT_HEADER;
    while (at + 2 <= end && madt[at + 1] >= 2 && at + madt[at + 1] <= end) {
        const uint8_t *entry = madt + at;
        if (entry[0] == MADT_IOAPIC && get_u32(entry + 8) == 0) {
            ioapic_address = get_u32(entry + 4);
            ioapic_first_pin = get_u32(entry + 8);
        } else if (entry[0] == MADT_OVERRIDE) {
            madt_override(entry);
        }
        at += entry[1];
    }
}

/* ---- the controller ---- */

void ioapic_start(void)
{
    for (uint32_t i = 0; i < ARRAY_COUNT(routes); i++) {
        routes[i].pin = i;
    }
    const uint8_t *madt = acpi_find_madt();
    if (madt != NULL) {
        madt_read(madt);
    }
    registers = device_map((paddr_t){ioapic_address}, IOAPIC_BYTES);
    VERIFY(registers != NULL);
    uint32_t last = (ioapic_read(VERSION) >> 16) & 0xFFu;
    for (uint32_t pin = 0; pin <= last; pin++) {
        ioapic_write(REDIRECTION + pin * 2, PIN_MASKED);
        ioapic_write(REDIRECTION + pin * 2 + 1, 0);
    }
}

void ioapic_route(uint8_t line, uint8_t vector)
{
    uint32_t index = REDIRECTION + (routes[line].pin - ioapic_first_pin) * 2;
    ioapic_write(index + 1, (uint32_t)lapic_id() << 24);
    ioapic_write(index, routes[line].flags | vector);
}
