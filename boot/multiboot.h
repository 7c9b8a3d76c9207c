/*
 * boot/multiboot.h: the information that a Multiboot loader leaves in memory (Multiboot
 * Specification 0.6.96, section 3.3).
 */
#ifndef BOOT_MULTIBOOT_H
#define BOOT_MULTIBOOT_H

#include "quire/annotate.h"
#include "quire/types.h"

#define MULTIBOOT_HAS_MEMORY       (1u << 0)
#define MULTIBOOT_HAS_COMMAND_LINE (1u << 2)
#define MULTIBOOT_HAS_MAP          (1u << 6)
#define MULTIBOOT_HAS_LOADER_NAME  (1u << 9)
#define MULTIBOOT_HAS_FRAMEBUFFER  (1u << 12)

#define MULTIBOOT_MEMORY_USABLE   1u
#define MULTIBOOT_MEMORY_BAD      5u
#define MULTIBOOT_FRAMEBUFFER_RGB 1u

struct multiboot_info {
    uint32_t flags;
    uint32_t memory_lower; /* KiB from 0 */
    uint32_t memory_upper; /* KiB from 1 MiB */
    uint32_t boot_device;
    uint32_t command_line; /* physical address of a string */
    uint32_t modules_count, modules;
    uint32_t symbols[4];
    uint32_t map_nbytes, map;
    uint32_t drives_nbytes, drives;
    uint32_t configuration_table;
    uint32_t loader_name;
    uint32_t apm_table;
    uint32_t vbe[4];
    uint64_t framebuffer;
    uint32_t framebuffer_pitch, framebuffer_width, framebuffer_height;
    uint8_t framebuffer_bpp, framebuffer_kind;
} PACKED;

struct multiboot_range {
    uint32_t nbytes; /* of what follows */
    uint64_t first;
    uint64_t length;
    uint32_t kind;
} PACKED;

/* Fills boot_info from the loader's information at physical address INFO. Once. */
void multiboot_read(uint32_t info);

#endif
