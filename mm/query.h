/*
 * mm/query.h: describing pages of a region.
 */
#ifndef MM_QUERY_H
#define MM_QUERY_H

#include "mm/vad.h"

/* A run of pages that look alike. */
struct page_run {
    uint32_t last;       /* its last page */
    uint32_t state;      /* MEM_COMMIT or MEM_RESERVE */
    uint32_t protection; /* PAGE_, 0 when reserved */
};

/*
 * => space lock held. The run from PAGE on, not beyond LIMIT, both in VAD; brings tables in. What
 * the disk said.
 */
MUST_CHECK status_t mi_describe_run(const struct vad *vad, uint32_t page, uint32_t limit,
                                    struct page_run *run);

#endif
