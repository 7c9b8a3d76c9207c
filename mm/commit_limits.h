/*
 * mm/commit_limits.h: how the charges learn their limits at start, and what the audit reads.
 */
#ifndef MM_COMMIT_LIMITS_H
#define MM_COMMIT_LIMITS_H

#include "mm/frame.h"
#include "quire/annotate.h"
#include "quire/status.h"
#include "quire/types.h"

/*
 * Sets both limits from the frames of each zone. While there are high frames, a part of the low
 * zone is kept for what must lie there (tables, pool, stacks), so that user pages cannot starve it.
 */
void mi_commit_init(uint32_t low_frames, uint32_t high_frames);

/*
 * The least number of available frames with which paging makes progress, of NFRAMES: the reserve,
 * which pages do not touch, and one.
 */
static inline uint32_t mi_least_frames(uint32_t nframes)
{
    return mi_reserve_for(nframes) + 1;
}

/*
 * Frames of NFRAMES that are promised to nobody, for paging to make progress in, and with ease:
 * four times the reserve, half of it for tables and the pool, half for pages on their way.
 */
static inline uint32_t mi_room(uint32_t nframes)
{
    return 4u * mi_reserve_for(nframes);
}

/*
 * Page tables and prototype tables, which can leave RAM: commit. While there are high frames they
 * cannot go into all of RAM, and are charged like what cannot leave it.
 */
MUST_CHECK status_t mi_charge_tables(uint32_t ntables);
void mi_return_tables(uint32_t ntables);

/*
 * Whether the calling thread was refused a charge to commit since it asked this last; *NPAGES: how
 * many are missing for it and SLACK more now, 0: none any more.
 */
bool mi_commit_is_missing(uint32_t slack, uint32_t *npages);

/* How many pages can be charged at the moment. */
uint32_t mi_commit_room(void);

/* The paging file has NPAGES more, or so many of those that were lost are back. */
void mi_commit_grow(uint32_t npages);

/*
 * Up to NPAGES slots cannot be used any more, since the table that names them cannot be read, or
 * so many frames, since they hold pages of files that cannot be written: the limits are lowered,
 * what is above what is charged at once, the rest when charges are returned.
 */
void mi_commit_lose(uint32_t npages);

#endif
