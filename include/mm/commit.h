/*
 * include/mm/commit.h: the two charges (DESIGN: commit is a promise). Commit covers everything that
 * must find room in RAM or the paging file; resident-available what cannot leave RAM. Both are
 * refused at reservation, so that no later touch fails.
 */
#ifndef MM_COMMIT_H
#define MM_COMMIT_H

#include "quire/annotate.h"
#include "quire/status.h"
#include "quire/types.h"

/* STATUS_COMMITMENT_LIMIT when npages more would pass the limit; nothing charged then. */
MUST_CHECK status_t mm_charge_commit(uint32_t npages);
void mm_return_commit(uint32_t npages);

/* The calling thread was refused nothing yet (mm_pagefile_grow). */
void mm_forget_refusal(void);

/*
 * Memory that cannot leave RAM: charges both commit and resident-available.
 * STATUS_INSUFFICIENT_RESOURCES or STATUS_COMMITMENT_LIMIT.
 */
MUST_CHECK status_t mm_charge_resident(uint32_t npages);
void mm_return_resident(uint32_t npages);

struct mm_charges {
    uint32_t commit;
    uint32_t commit_limit;
    uint32_t commit_peak;
    uint32_t resident_available;
};
void mm_read_charges(struct mm_charges *now);

#endif
