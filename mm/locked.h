/*
 * mm/locked.h: locked pages as the rest of mm/ sees them.
 *
 * A page that a space has locked is valid in a private table of that space, and the frame that it
 * shows carries one PINS_LOCK for it. All of it: => space lock held.
 */
#ifndef MM_LOCKED_H
#define MM_LOCKED_H

#include "mm/frame.h"
#include "mm/space.h"

void mi_lock_init(void);

/* Out of line: SPACE has locked pages. */
bool mi_page_is_locked(const struct space *space, uint32_t page);

/* Unlocks what is locked of [first, last] (page numbers); how many pages that were. */
uint32_t mi_unlock_range(struct space *space, uint32_t first, uint32_t last);

/* How many of [first, last] are locked. */
uint32_t mi_count_locked(const struct space *space, uint32_t first, uint32_t last);

/* PAGE is about to show TO instead of FROM, both active: its lock, if it is locked, moves. */
static inline void mi_move_lock(const struct space *space, uint32_t page, pfn_t from, pfn_t to)
{
    if (space->locked_pages != 0 && mi_page_is_locked(space, page)) {
        mi_lock_frame(to);
        mi_unlock_frame(from);
    }
}

#endif
