/*
 * boot/multiboot.c: the loader's information, turned into boot_info.
 *
 * The loader's memory map may be unordered, overlapping and not page-aligned. A page is usable when
 * one usable range holds all of it and no other kind of range touches it. Out come the first MiB
 * (firmware, VGA) and the kernel's image, whose bss holds everything that boot uses: tables, stack,
 * and boot_info itself, so the loader's own memory is free afterwards.
 *
 * Addresses here are physical and below 1 GiB: the first page tables show them at KERNEL_FIRST.
 */
#include "boot/multiboot.h"

#include "kernel/boot.h"
#include "kernel/paging.h"
#include "kernel/string.h"
#include "kernel/x86/x86.h"

#define FIRST_MIB 0x100000ull

struct boot_info boot_info;

static const void *at_physical(uint32_t address)
{
    return (const void *)(uintptr_t)(KERNEL_FIRST + address); /* below 1 GiB */
}

static void range_remove_at(uint32_t i)
{
    for (uint32_t k = i; k + 1 < boot_info.nusable; k++) {
        boot_info.usable[k] = boot_info.usable[k + 1];
    }
    boot_info.nusable--;
}

/* Puts [FIRST, END) in its place in the ascending list. A map with too many parts loses the rest.
 */
static void range_insert(uint64_t first, uint64_t end)
{
    if (first >= end || boot_info.nusable == BOOT_RANGES_MAX) {
        return;
    }
    uint32_t i = boot_info.nusable;
    while (i > 0 && boot_info.usable[i - 1].first > first) {
        boot_info.usable[i] = boot_info.usable[i - 1];
        i--;
    }
    boot_info.usable[i] = (struct memory_range){.first = first, .end = end};
    boot_info.nusable++;
}

/* Joins ranges that overlap or touch. */
static void ranges_merge(void)
{
    uint32_t i = 0;
    while (i + 1 < boot_info.nusable) {
        struct memory_range *range = &boot_info.usable[i];
        const struct memory_range *next = range + 1;
        if (next->first > range->end) {
            i++;
            continue;
        }
        if (next->end > range->end) {
            range->end = next->end;
        }
        range_remove_at(i + 1);
    }
}

/* Takes [FIRST, END) out of every usable range. */
static void ranges_subtract(uint64_t first, uint64_t end)
{
    uint32_t i = 0;
    while (i < boot_info.nusable) {
        struct memory_range range = boot_info.usable[i];
        if (range.end <= first || range.first >= end) {
            i++;
            continue;
        }
        range_remove_at(i);
        if (range.first < first) {
            range_insert(range.first, first);
            i++;
        }
        range_insert(end, range.end); /* looked at again, and left alone */
    }
}

/* Shrinks every range to whole pages and drops those that nothing is left of. */
static void ranges_align(void)
{
    uint32_t i = 0;
    while (i < boot_info.nusable) {
        struct memory_range *range = &boot_info.usable[i];
        range->first = (range->first + PAGE_MASK) & ~(uint64_t)PAGE_MASK;
        range->end &= ~(uint64_t)PAGE_MASK;
        if (range->first >= range->end) {
            range_remove_at(i);
        } else {
            i++;
        }
    }
}

/*
 * COUNT more ranges, at the end of the list of bad RAM, are no RAM to use: whole pages of it. What
 * a map has beyond BOOT_RANGES_MAX is not on the list, and not usable either.
 */
static void take_out_bad(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct memory_range *range = &boot_info.bad[boot_info.nbad++];
        range->first &= ~(uint64_t)PAGE_MASK;
        range->end = (range->end + PAGE_MASK) & ~(uint64_t)PAGE_MASK;
        ranges_subtract(range->first, range->end);
    }
}

/* Visits the loader's map: USABLE true inserts what is RAM, false takes out what is not. */
static void map_walk(const struct multiboot_info *info, bool usable)
{
    uint32_t at = 0;
    while (at + sizeof(struct multiboot_range) <= info->map_nbytes) {
        struct multiboot_range range;
        memcpy(&range, at_physical(info->map + at), sizeof(range));
        bool is_ram = range.kind == MULTIBOOT_MEMORY_USABLE;
        if (range.length != 0 && range.first + range.length > range.first) {
            if (usable && is_ram) {
                boot_info.total_bytes += range.length;
                range_insert(range.first, range.first + range.length);
            } else if (!usable && !is_ram) {
                ranges_subtract(range.first & ~(uint64_t)PAGE_MASK, range.first + range.length);
                if (range.kind == MULTIBOOT_MEMORY_BAD && boot_info.nbad < BOOT_RANGES_MAX) {
                    boot_info.bad[boot_info.nbad] =
                        (struct memory_range){range.first, range.first + range.length};
                    take_out_bad(1);
                }
            }
        }
        at += range.nbytes + (uint32_t)sizeof(range.nbytes);
    }
}

static uint64_t usable_bytes(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < boot_info.nusable; i++) {
        sum += boot_info.usable[i].end - boot_info.usable[i].first;
    }
    return sum;
}

/* badmem=ADDRESS+BYTES,... on the command line: RAM that a memory test has found to be defective.
 */
static void read_bad_memory(void)
{
    static char text[BOOT_RANGES_MAX * sizeof("0x0123456789ABC+0x0123456789ABC")];
    uint32_t count;
    if (boot_option("badmem", text, sizeof(text))) {
        uint64_t before = usable_bytes();
        boot_info.badmem_is_wrong = !boot_parse_ranges(text, &boot_info.bad[boot_info.nbad],
                                                       BOOT_RANGES_MAX - boot_info.nbad, &count);
        take_out_bad(count);
        boot_info.total_bytes -= before - usable_bytes();
    }
}

static void read_memory(const struct multiboot_info *info)
{
    if ((info->flags & MULTIBOOT_HAS_MAP) != 0) {
        map_walk(info, true);
        ranges_merge();
        map_walk(info, false);
    } else if ((info->flags & MULTIBOOT_HAS_MEMORY) != 0) {
        uint64_t upper = (uint64_t)info->memory_upper * 1024u;
        boot_info.total_bytes = upper + (uint64_t)info->memory_lower * 1024u;
        range_insert(FIRST_MIB, FIRST_MIB + upper);
    }
    read_bad_memory();
    ranges_align();
    ranges_subtract(0, FIRST_MIB);
    ranges_subtract(boot_info.image_first.v, boot_info.image_end.v);
    ranges_subtract(1ull << cpu_features.physical_bits, UINT64_MAX);
}

/* QEMU's own loader puts the name of the kernel's file before the command line; GRUB does not. */
static void read_command_line(const struct multiboot_info *info)
{
    if ((info->flags & MULTIBOOT_HAS_COMMAND_LINE) == 0) {
        return;
    }
    const char *line = at_physical(info->command_line);
    if ((info->flags & MULTIBOOT_HAS_LOADER_NAME) != 0 &&
        strncmp(at_physical(info->loader_name), "qemu", 4) == 0) {
        while (*line != 0 && *line != ' ') {
            line++;
        }
    }
    while (*line == ' ') {
        line++;
    }
    size_t n = strnlen(line, sizeof(boot_info.command_line) - 1);
    memcpy(boot_info.command_line, line, n);
    boot_info.command_line[n] = 0;
}

static void read_framebuffer(const struct multiboot_info *info)
{
    if ((info->flags & MULTIBOOT_HAS_FRAMEBUFFER) == 0 ||
        info->framebuffer_kind != MULTIBOOT_FRAMEBUFFER_RGB) {
        return;
    }
    boot_info.has_framebuffer = true;
    boot_info.framebuffer = (paddr_t){info->framebuffer};
    boot_info.framebuffer_width = info->framebuffer_width;
    boot_info.framebuffer_height = info->framebuffer_height;
    boot_info.framebuffer_pitch = info->framebuffer_pitch;
    boot_info.framebuffer_bpp = info->framebuffer_bpp;
}

void multiboot_read(uint32_t info_address)
{
    struct multiboot_info info;
    memcpy(&info, at_physical(info_address), sizeof(info));
    boot_info.image_first = (paddr_t){(uintptr_t)image_begin - KERNEL_FIRST};
    boot_info.image_end = (paddr_t){(uintptr_t)image_end - KERNEL_FIRST};
    read_command_line(&info);
    read_framebuffer(&info);
    read_memory(&info);
}
