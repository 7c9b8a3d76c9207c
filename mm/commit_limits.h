/*
 * mm/commit_limits.h: how the charges learn their limits at start, and what the audit reads.
 */
#ifndef MM_COMMIT_LIMITS_H
#define MM_COMMIT_LIMITS_H

#include "quire/types.h"

/*
 * Sets both limits from the frames of each zone. While there are high frames, a part of the low
 * zone is kept for what must lie there (tables, pool, stacks), so that user pages cannot starve it.
 */
void mi_commit_init(uint32_t low_frames, uint32_t high_frames);

#endif
