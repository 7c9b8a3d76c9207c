/*
 * include/mm/pfn.h: the PFN database as others see it: taking and giving back frames.
 */
#ifndef MM_PFN_H
#define MM_PFN_H

#include "quire/status.h"
#include "quire/types.h"

struct boot_info;

/*
 * Builds the database in frames of the last usable range that holds it, and puts the rest on the
 * lists; frames of bad RAM that lie among the others get records, and are never used.
 * STATUS_INSUFFICIENT_RESOURCES when no range can hold it. Once, at boot.
 */
status_t mm_pfn_init(const struct boot_info *boot);

/*
 * A frame for the kernel itself (stacks, rings, device buffers): zeroed, in the direct map, charged
 * to commit and resident-available.
 * => PFN_NONE when the charge is refused.
 */
pfn_t mm_take_kernel_frame(void);
void mm_release_kernel_frame(pfn_t frame);

/*
 * NPAGES contiguous frames of the direct map, zeroed and charged like the one above; PFN_NONE when
 * the charge is refused, or no such run is free or on standby.
 */
pfn_t mm_take_contiguous(uint32_t npages);
void mm_release_contiguous(pfn_t first, uint32_t npages);

struct mm_frame_counts {
    uint32_t total;
    uint32_t free;
    uint32_t zeroed;
    uint32_t active;
    uint32_t standby;
    uint32_t modified;
    uint32_t high;   /* of the total: above the direct map */
    uint32_t tables; /* of the active: page tables and directories, prototype tables */
};
void mm_count_frames(struct mm_frame_counts *counts);

#endif
