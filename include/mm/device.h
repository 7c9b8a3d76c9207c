/*
 * include/mm/device.h: a segment over a block device, in which a file system keeps its own blocks.
 *
 * Its pages are the device's, page N at byte N * 4096. The file system *pins* those that it uses or
 * has changed: a pinned page stays where it is, in the direct map, and is its pinner's alone, who
 * also writes it. What is not pinned is as it is on the device; the clock ages and drops it with
 * everything else in RAM, and pinning brings it back.
 *
 * Nothing here waits for memory, so that a page-in or page-out of a file can look up where its
 * blocks are. What cannot be had without waiting is refused (STATUS_NO_MEMORY), and then the pinner
 * helps itself: it detaches a page that it has pinned and does not need, and uses that frame for
 * what it wants, outside the segment, until it can be pinned again. Each page that it may pin is
 * charged, so it always has that many frames.
 *
 * Calls for one segment exclude one another: all but creation are made under one lock of the
 * pinner's, which ranks outside every spinlock of mm/.
 */
#ifndef MM_DEVICE_H
#define MM_DEVICE_H

#include "mm/pager.h"

/*
 * A segment of NBYTES, with one reference (mm_segment_unref when nothing is pinned or charged any
 * more). PAGER needs page_in alone. What lies past the largest segment cannot be pinned.
 * => STATUS_INSUFFICIENT_RESOURCES.
 */
MUST_CHECK status_t mm_device_create(struct segment **segment, uint64_t nbytes,
                                     const struct pager_operations *pager, void *context);

/*
 * One page more may be pinned: it and its table are charged as resident. *FRAME: a detached frame,
 * zeroed.
 * => STATUS_COMMITMENT_LIMIT, STATUS_INSUFFICIENT_RESOURCES.
 */
MUST_CHECK status_t mm_device_charge(struct segment *segment, pfn_t *frame);

/* One page less may be pinned. */
void mm_device_return(struct segment *segment);

/* A page that was pinned. */
struct device_page {
    pfn_t frame;
    bool has_contents; /* else the pinner gives it all of them before it unpins it */
};

/*
 * Pins PAGE, which is not pinned; READ: its contents are brought when they are not here. May block
 * for the device, never for memory.
 * => STATUS_NO_MEMORY; what the pager said. Nothing is pinned then.
 */
MUST_CHECK status_t mm_device_pin(struct segment *segment, uint32_t page, bool read,
                                  struct device_page *result);

/* Unpins PAGE: it holds what the device holds. */
void mm_device_unpin(struct segment *segment, uint32_t page);

/* The frame of PAGE, which is pinned, is the pinner's own; the segment knows nothing of PAGE. */
MUST_CHECK pfn_t mm_device_detach(struct segment *segment, uint32_t page);

/* Gives a detached frame back; its contents are dead. */
void mm_device_release(struct segment *segment, pfn_t frame);

/* Drops the pages [first, last] that are not pinned: they have another role, or are read anew. */
void mm_device_forget(struct segment *segment, uint32_t first, uint32_t last);

/* How many frames the pages of all devices have now, and their tables. */
uint32_t mm_device_frames(void);

#endif
