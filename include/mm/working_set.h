/*
 * include/mm/working_set.h: the limits of a process's working set, and emptying it.
 *
 * The limits count private pages alone: those of sections, files and images leave when nobody uses
 * them, whoever maps them.
 */
#ifndef MM_WORKING_SET_H
#define MM_WORKING_SET_H

#include "quire/annotate.h"
#include "quire/status.h"
#include "quire/types.h"

struct space;

#define WORKING_SET_MINIMUM_PAGES 20u /* the least minimum that may be set */

struct mm_working_set_limits {
    uint32_t minimum_pages;
    uint32_t maximum_pages;
    bool hard_minimum; /* trimming never goes below: the pages are charged as resident */
    bool hard_maximum; /* a fault above it trims the process itself */
};
void mm_read_working_set_limits(struct space *space, struct mm_working_set_limits *limits);

/*
 * Sets them; what is above the maximum leaves at once. May block; no locks.
 * => STATUS_WORKING_SET_LIMIT_RANGE (a success): what was asked for was out of range, and adjusted.
 *    STATUS_BAD_WORKING_SET_LIMIT: the maximum is below the minimum, or the minimum (with
 *    LOCK_OVERHEAD_PAGES) below what is locked. STATUS_INSUFFICIENT_RESOURCES,
 *    STATUS_COMMITMENT_LIMIT: there is less memory than the minimum, or it is promised to others.
 */
MUST_CHECK status_t mm_set_working_set_limits(struct space *space,
                                              const struct mm_working_set_limits *limits);

/*
 * Takes every page out of the process's tables that is not locked: private pages become standby or
 * modified, pages of views are no longer mapped. They come back by fault. May block; no locks.
 */
void mm_empty_working_set(struct space *space);

#endif
