/*
 * mm/link.h: tables of an address space: private ones, and prototype tables that its page
 * directories link (rules M2, M3, M4).
 *
 * All of it: => space lock held. Chunk locks are taken inside.
 */
#ifndef MM_LINK_H
#define MM_LINK_H

#include "mm/segment.h"
#include "mm/vad.h"

/* The directory entry of the 2 MiB slot SLOT (page number / 512). */
pte_t *mi_directory_entry(const struct space *space, uint32_t slot);

static inline bool pde_is_linked(pte_t pde)
{
    return pte_is_valid(pde) && (pde.v & (1ull << PTE_AVL_SHIFT)) != 0;
}

/* The space's own table of SLOT if it is in memory (mm/table.h brings it), else NULL. */
pte_t *mi_private_table(const struct space *space, uint32_t slot);

/* Writes an entry of a private table, and keeps the table's count of entries in use. */
void mi_entry_write(pte_t *entry, pte_t value);

/* Tells the table of ENTRY that COUNT entries which were empty have been written, by pte_write. */
void mi_table_gains(const pte_t *entry, uint32_t count);

/* Takes an entry out of a private table; the old one with its last A and D bits. Flush follows. */
pte_t mi_entry_take(pte_t *entry);

/* Where the entry of PAGE in a private table lies, for the frame's record. */
void mi_frame_belongs_to(pfn_t frame, const pte_t *entry);

/*
 * The valid alias of page I of MAPPER's chunk in its private table, or NULL; FRAME is what the page
 * shows. => chunk lock held.
 */
pte_t *mi_alias_locked(const struct mapper *mapper, uint32_t i, pfn_t frame);

/* The view's mapper of the chunk that holds segment page PAGE. */
struct mapper *mi_mapper_of(const struct vad *vad, uint32_t segment_page);

/* The segment's page that PAGE of the view shows. */
static inline uint32_t mi_segment_page(const struct vad *vad, uint32_t page)
{
    return vad->segment_page + (page - vad->first);
}

/* Whether the chunk that SLOT shows of VAD may be linked there (M3); the slot has no table. */
bool mi_can_link(const struct vad *vad, uint32_t slot);

/*
 * Links SLOT to its chunk's prototype table with the view's rights. => chunk lock held, the chunk
 * has a table, mi_can_link.
 */
void mi_link_locked(struct vad *vad, uint32_t slot, struct chunk *chunk);

/* Unshares SLOT if it is linked (M4): the entry goes, the TLB is flushed; pages come back by fault.
 */
void mi_unshare_slot(struct space *space, uint32_t slot);

/* Unshares the slots at both ends of [first, last]: another VAD is about to enter them. */
void mi_unshare_ends(struct space *space, uint32_t first, uint32_t last);

/*
 * Removes every entry of [first, last] (of a view: all of it; its mappers leave), flushes, and
 * frees private pages and tables that became empty.
 */
void mi_unmap_range(struct space *space, struct vad *vad, uint32_t first, uint32_t last);

#endif
