/*
 * include/kernel/paging.h: the machine as mm/ sees it: page-table entries, TLBs, frames.
 *
 * The hardware's bits are named here and nowhere else. In the kernel kernel/x86/paging.c implements
 * the port; on the host tests/host/machine.c does, with memory, CPUs and TLBs that are
 * simulated (and keep stale entries until told otherwise).
 *
 * Tables are PAE: 512 entries of 8 bytes; entry i of a page directory covers 2 MiB; a root is a
 * page-directory-pointer table of 4 entries (Intel SDM volume 3A, section 4.4). The first two
 * belong to user space and never change after paging_root_create; the last two are the kernel's,
 * the same in every root.
 */
#ifndef KERNEL_PAGING_H
#define KERNEL_PAGING_H

#include "quire/annotate.h"
#include "quire/status.h"
#include "quire/types.h"

#define USER_FIRST     0x00010000u /* the lowest user address */
#define USER_END       0x7FFF0000u /* one past the highest */
#define USER_SHARED    0x7FFE0000u /* the read-only page that every process has */
#define KERNEL_FIRST   0x80000000u /* the direct map begins here */
#define DIRECT_MAP_MAX 0x40000000u /* physical bytes that the direct map covers at most: 1 GiB */

/* Intel SDM volume 3A, tables 4-8 to 4-11. */
#define PTE_PRESENT   (1ull << 0)
#define PTE_WRITE     (1ull << 1)
#define PTE_USER      (1ull << 2)
#define PTE_PWT       (1ull << 3)
#define PTE_PCD       (1ull << 4)
#define PTE_ACCESSED  (1ull << 5)
#define PTE_DIRTY     (1ull << 6)
#define PTE_LARGE     (1ull << 7)
#define PTE_GLOBAL    (1ull << 8)
#define PTE_AVL_SHIFT 9u /* three bits free for software in a valid entry */
#define PTE_AVL_MASK  (7ull << PTE_AVL_SHIFT)
#define PTE_NX        (1ull << 63)
#define PTE_ADDRESS   0x000FFFFFFFFFF000ull

static inline bool pte_is_valid(pte_t pte)
{
    return (pte.v & PTE_PRESENT) != 0;
}

static inline pfn_t pte_frame(pte_t pte)
{
    return (pfn_t){(uint32_t)((pte.v & PTE_ADDRESS) >> PAGE_SHIFT)};
}

/* A valid entry; FLAGS are PTE_ bits (PTE_NX is dropped on a CPU without it). */
pte_t pte_make_valid(pfn_t frame, uint64_t flags);

/* True when the CPU has no-execute and uses it. */
bool paging_has_nx(void);

/*
 * Reading and changing entries in tables that a CPU may be walking.
 * => pte_read: the entry's owner lock held; only accessed and dirty bits may change meanwhile.
 * => pte_write: the old entry is not valid, or only grows rights and keeps its frame.
 * => pte_exchange: returns the old entry with its last accessed and dirty bits; flush afterwards.
 * => pte_compare_exchange: true when *entry was EXPECTED.
 * => pte_set, pte_clear: BITS of the lower half of a valid entry, whatever else CPUs change in it.
 */
pte_t pte_read(const pte_t *entry);
void pte_write(pte_t *entry, pte_t value);
pte_t pte_exchange(pte_t *entry, pte_t value);
bool pte_compare_exchange(pte_t *entry, pte_t expected, pte_t value);
void pte_set(pte_t *entry, uint32_t bits);
void pte_clear(pte_t *entry, uint32_t bits);

/*
 * Frames of the low zone (physical address below paging_direct_end) are always mapped; a table
 * or a kernel object lies in one of them. frame_address ASSERTs that.
 */
uint32_t paging_direct_end(void); /* first frame number that is not in the direct map */
void *frame_address(pfn_t frame);
pfn_t frame_of(const void *direct_address);

/*
 * Any frame, high ones included, through a window of this CPU. Preemption is off while a window
 * is open; at most two at once; nothing may fault or block meanwhile.
 */
void *window_open(pfn_t frame);
void window_close(void *address);

/* 1024 and 2048 instructions: one string instruction. */
void frame_zero(pfn_t frame);
void frame_copy(pfn_t target, pfn_t source);

/*
 * An address space's root. DIRECTORIES are the two zeroed frames of user page directories, TOP a
 * zeroed frame of the low zone whose first 32 bytes become the root.
 */
struct paging_root {
    pfn_t top;
    pfn_t directories[2];
};
void paging_root_create(struct paging_root *root, pfn_t top, const pfn_t directories[2]);

/* Makes ROOT the one that this CPU walks; NULL: the kernel's own, without user space. */
void paging_load(const struct paging_root *root);

/*
 * Invalidation. Whom to flush is decided by the root that each CPU has loaded. On return no CPU
 * uses the old translation.
 * => tlb_flush_page: one user page of one root. tlb_flush_root: all user pages of one root.
 * => tlb_flush_all_user: all user pages of all roots (a change in a linked table).
 * => tlb_flush_kernel: a page of the kernel half.
 */
void tlb_flush_page(const struct paging_root *root, uaddr_t address);
void tlb_flush_root(const struct paging_root *root);
void tlb_flush_all_user(void);
void tlb_flush_kernel(const void *address);

/* What has been flushed since boot, for the figures. */
struct tlb_counters {
    uint64_t pages;
    uint64_t roots;
    uint64_t all;
    uint64_t loads; /* writes to CR3: other roots, and the flushes of roots and of all */
};
void tlb_read_counters(struct tlb_counters *counters);

/*
 * Kernel address ranges outside the direct map: 4 KiB mappings (stacks with guard pages, devices),
 * and 2 MiB cache windows. kernel_tables_init gives the port the table frames it needs at boot.
 */
#define KERNEL_STACK_BYTES 12288u /* usable; a guard page lies below */
#define KERNEL_STACK_SLOTS 4096u

/* The address of kernel-stack slot N's lowest usable byte; mapped by kernel_stack_map. */
void *kernel_stack_address(uint32_t slot);

/* Page tables of the stack area that are missing for SLOT: 0 or 1; handed in as zeroed frames. */
uint32_t kernel_stack_tables_missing(uint32_t slot);
void kernel_stack_map(uint32_t slot, const pfn_t frames[KERNEL_STACK_BYTES / PAGE_BYTES],
                      pfn_t table);
void kernel_stack_unmap(uint32_t slot, pfn_t frames[KERNEL_STACK_BYTES / PAGE_BYTES]);

#define CACHE_WINDOWS 32u

/*
 * Cache windows: each shows one 2 MiB prototype table to the kernel (supervisor, no-execute).
 * cache_window_link returns nothing; a later access faults on the ordinary path when an entry is
 * not valid. cache_window_unlink flushes.
 */
void *cache_window_address(uint32_t window);
void cache_window_link(uint32_t window, pfn_t table);
void cache_window_unlink(uint32_t window);

/* The window that ADDRESS lies in, or CACHE_WINDOWS. */
uint32_t cache_window_of(const void *address);

#if !__STDC_HOSTED__
#include "kernel/x86/inline.h"
#endif

#endif
