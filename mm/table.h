/*
 * mm/table.h: page tables of spaces and prototype tables of chunks as things that come and go.
 *
 * A table that holds no valid entry and none in transition may leave RAM: it is dropped when
 * nothing is in it, else it goes the way of a page: the directory entry, or chunk->table, takes the
 * forms TRANSITION and PAGEFILE. The table of a memory section's chunk is paged like a space's; a
 * file's or a device's is dropped, since its entries say nothing, and an image's, since they say
 * what the image's parts say.
 */
#ifndef MM_TABLE_H
#define MM_TABLE_H

#include "mm/segment.h"
#include "mm/space.h"

/*
 * *RESULT: the space's own table of SLOT (page number / 512), brought in when it is out, made when
 * there is none and MAKE is set; NULL: there is none, or the slot is linked.
 * => space lock held, nothing else. Waits for the disk and for frames; tables of the space that
 * hold nothing resident may leave meanwhile.
 * => what the disk said when the table cannot be brought in.
 */
MUST_CHECK status_t mi_table_get(struct space *space, uint32_t slot, bool make, pte_t **result);

/* Whether SLOT has a table of its own, in memory or not. => space lock held. */
bool mi_table_exists(const struct space *space, uint32_t slot);

/* SLOT's table, which is in memory, leaves if it may. => space lock held. */
void mi_table_evict(struct space *space, uint32_t slot);

/*
 * SLOT's table has left its directory entry: returns when nobody who holds the lock of a chunk that
 * shows in the slot looks into it any more. => space lock held.
 */
void mi_table_settle(struct space *space, uint32_t slot);

/*
 * SLOT's table could not be read when a part of what it names went: it is never read again, and who
 * touches the rest gets the error. => space lock held.
 */
void mi_table_distrust(struct space *space, uint32_t slot);

/*
 * SLOT's table cannot be read, and nothing of the space lies there any more: it is forgotten, with
 * the slots that it names. => space lock held.
 */
void mi_table_forget(struct space *space, uint32_t slot);

/* The same as mi_chunk_table_locked, where the table is not at hand. */
pte_t *mi_chunk_table_obtain_locked(const struct segment *segment, struct chunk *chunk);

/*
 * The prototype table of the segment's chunk, made if there is none. NULL: it is out, or no frame
 * is there: mi_page_in_table, without locks of chunks. => chunk lock held.
 */
static inline pte_t *mi_chunk_table_locked(const struct segment *segment, struct chunk *chunk)
{
    return pte_is_valid(chunk->table) ? frame_address(pte_frame(chunk->table))
                                      : mi_chunk_table_obtain_locked(segment, chunk);
}

/*
 * The same, brought in when it is out, with the chunk lock, held on success. HELD: the space whose
 * lock the caller holds, or NULL. May wait for the disk and for frames.
 * => what the disk said when the table cannot be brought in.
 */
MUST_CHECK status_t mi_chunk_table_lock(const struct segment *segment, struct chunk *chunk,
                                        struct space *held, pte_t **result) UNCHECKED_LOCKS;

/*
 * FRAME, pulled or read in, is the chunk's table again, and as good as changed. => chunk lock held.
 */
void mi_chunk_table_came_locked(struct chunk *chunk, pfn_t frame);

/*
 * The chunk is nobody's any more: its table comes back if it is out, so that what it names can be
 * given back; when it cannot be read it is forgotten, with that. No locks.
 */
void mi_chunk_table_bring_to_free(struct chunk *chunk);

/* The chunk's table leaves if it may. => chunk lock held, no page of it is resident. */
void mi_chunk_table_evict_locked(const struct segment *segment, struct chunk *chunk);

/* For the audit: slots that tables name which are not in memory. */
uint32_t mi_slots_in_tables(void);
/* Whether a table was forgotten, so that some slots are nobody's. */
bool mi_slots_are_lost(void);

#endif
