/*
 * include/mm/view.h: views: a section, or a part of it, in an address space.
 */
#ifndef MM_VIEW_H
#define MM_VIEW_H

#include "quire/annotate.h"
#include "quire/status.h"
#include "quire/types.h"

struct section;
struct space;

struct view_request {
    uaddr_t base;             /* in: where, or 0: anywhere; out: where */
    uint32_t nbytes;          /* in: how much, 0: to the section's end, with MEM_RESERVE more than
                               * that (mm_segment_make_room first); out: whole pages */
    uint64_t offset;          /* in: of 64 KiB granularity */
    uint32_t zero_bits;       /* in: 0, or how many upper address bits must be clear */
    uint32_t commit_nbytes;   /* in: SEC_RESERVE: how much to commit from the view's start */
    uint32_t allocation_type; /* in: 0, MEM_RESERVE, MEM_TOP_DOWN */
    uint32_t protection;      /* in: PAGE_ */
};

/*
 * What NtMapViewOfSection refuses before it looks at a handle: first flags (INVALID_PARAMETER_4, 9,
 * INVALID_PAGE_PROTECTION), then base and length (INVALID_PARAMETER_3, 4). mm_map_view checks both.
 */
MUST_CHECK status_t mm_check_view_flags(const struct view_request *request);
MUST_CHECK status_t mm_check_view_range(const struct view_request *request);

/*
 * Maps. Writes no page-table entry: chunks are linked or filled by the first touch.
 * => the statuses of NtMapViewOfSection (docs/abi.md): MAPPED_ALIGNMENT, INVALID_VIEW_SIZE,
 *    SECTION_PROTECTION, INVALID_PAGE_PROTECTION, CONFLICTING_ADDRESSES, NO_MEMORY,
 *    COMMITMENT_LIMIT, INVALID_PARAMETER_3/4/5/9; IMAGE_NOT_AT_BASE (success).
 */
MUST_CHECK status_t mm_map_view(struct space *space, struct section *section,
                                struct view_request *request);

/*
 * Whether committing [address, address + nbytes) needs more of its section than a view that grows
 * (MEM_RESERVE) shows: *SECTION, which stays until mm_section_release, must reach to *WANTED bytes
 * before mm_allocate_virtual commits them.
 */
bool mm_view_lacks(struct space *space, uaddr_t address, uint32_t nbytes, struct section **section,
                   uint64_t *wanted);
void mm_section_release(struct section *section); /* no locks; may end the section */

/* Removes the view that ADDRESS lies in: STATUS_NOT_MAPPED_VIEW when there is none. May block. */
MUST_CHECK status_t mm_unmap_view(struct space *space, uaddr_t address);

/*
 * Writes what is dirty in [address, address + nbytes) (0: to the view's end) to the file.
 * => STATUS_NOT_MAPPED_VIEW when nothing is there, STATUS_NOT_MAPPED_DATA when no data view is,
 *    STATUS_INVALID_PARAMETER_2 when the view ends before the range does. On return *address and
 * *nbytes are the range in whole pages.
 */
MUST_CHECK status_t mm_flush_view(struct space *space, uaddr_t *address, uint32_t *nbytes);

#endif
