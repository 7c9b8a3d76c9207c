/*
 * mm/peaks.h: how far an address space's counts once rose. All of it: => space lock held.
 */
#ifndef MM_PEAKS_H
#define MM_PEAKS_H

#include "mm/space.h"

/* NPAGES more are charged for the space's private contents. */
static inline void mi_add_commit(struct space *space, uint32_t npages)
{
    space->commit += npages;
    space->peak_commit = max_u32(space->peak_commit, space->commit);
}

/* PAGES were valid at once: called before pages are taken out, and by whoever counted them. */
static inline void mi_note_working_set(struct space *space, uint32_t pages)
{
    space->peak_working_set = max_u32(space->peak_working_set, pages);
}

#endif
