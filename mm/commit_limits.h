/*
 * mm/commit_limits.h: how the charges learn their limits at start, and what the audit reads.
 */
#ifndef MM_COMMIT_LIMITS_H
#define MM_COMMIT_LIMITS_H

#include "quire/annotate.h"
#include "quire/status.h"
#include "quire/types.h"

/*
 * Sets both limits from the frames of each zone. While there are high frames, a part of the low
 * zone is kept for what must lie there (tables, pool, stacks), so that user pages cannot starve it.
 */
void mi_commit_init(uint32_t low_frames, uint32_t high_frames);

/*
 * There is a paging file: commit's limit grows by its pages, less ROOM: so many frames are promised
 * to nobody, for pages to come and go through, and no resident or pinned memory may take them.
 */
void mi_commit_grow(uint32_t npages, uint32_t room);

/*
 * Commit for pages that could leave RAM but are not evicted yet: the pages of segments.
 * STATUS_COMMITMENT_LIMIT.
 */
MUST_CHECK status_t mi_charge_pinned(uint32_t npages);
void mi_return_pinned(uint32_t npages);

#endif
