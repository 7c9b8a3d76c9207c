/*
 * include/kernel/boot.h: what the boot code learnt from the loader (Multiboot Specification 0.6.96,
 * section 3.3), in a form that does not depend on it.
 */
#ifndef KERNEL_BOOT_H
#define KERNEL_BOOT_H

#include "quire/annotate.h"
#include "quire/types.h"

#define BOOT_RANGES_MAX 64

struct memory_range {
    uint64_t first; /* physical, bytes */
    uint64_t end;   /* one past the last */
};

struct boot_info {
    struct memory_range usable[BOOT_RANGES_MAX]; /* ascending, page-aligned, disjoint: RAM free for
                                                    the PFN database; the kernel's image, the first
                                                    MiB and what boot has used are already out */
    uint32_t nusable;
    struct memory_range bad[BOOT_RANGES_MAX]; /* page-aligned, disjoint from the usable ones: RAM
                                                 that the loader or `badmem=` calls defective */
    uint32_t nbad;
    bool badmem_is_wrong; /* `badmem=` has no such form as boot_parse_ranges wants */
    uint64_t total_bytes; /* all RAM that the loader reported, but for `badmem=` */
    paddr_t image_first;  /* the kernel's image */
    paddr_t image_end;
    char command_line[8192];
    bool has_framebuffer;
    paddr_t framebuffer;
    uint32_t framebuffer_width, framebuffer_height, framebuffer_pitch, framebuffer_bpp;
};

/* Filled before kernel_main runs. */
extern struct boot_info boot_info;

/* The value of `name=value` on the command line (up to the next blank), false when absent. */
bool boot_option(const char *name, char *value, size_t nbytes);

/* Whether the word NAME stands on the command line before "--". */
bool boot_flag(const char *name);

/*
 * TEXT as a list of ranges: ADDRESS+BYTES[,ADDRESS+BYTES...], decimal or 0x hexadecimal, below
 * 2^52. False when it is none, or has more than MAX; *COUNT: those before that.
 */
MUST_CHECK bool boot_parse_ranges(const char *text, struct memory_range *ranges, uint32_t max,
                                  uint32_t *count);

/* What follows "-- " on the command line, unchanged, or NULL. */
const char *boot_rest(void);

/*
 * The top floor's beginning, called once by boot/start.c: boot stack, interrupts off, paging final,
 * log sinks live. Does not return.
 */
void kernel_main(void);

#endif
