/*
 * include/mm/cache.h: copying between a segment and memory, through 2 MiB kernel windows that link
 * its prototype tables: what ReadFile, WriteFile and file systems use. Coherent with every view.
 */
#ifndef MM_CACHE_H
#define MM_CACHE_H

#include "quire/annotate.h"
#include "quire/status.h"
#include "quire/types.h"

struct segment;

/* To kernel memory. The range lies inside the segment's pages. May block. STATUS_IN_PAGE_ERROR's
 * cause. */
MUST_CHECK status_t mm_cache_read(struct segment *segment, uint64_t offset, void *target,
                                  uint32_t nbytes);

/* How a program has said that it reads. */
enum read_advice {
    READ_AS_SEEN,   /* nothing: how much is read ahead goes by what it does */
    READ_AT_RANDOM, /* nothing is read but what it asks for */
    READ_IN_ORDER,  /* as much as one request takes, from the first on */
};

/* To user memory of the calling thread; *COPIED says how far it came. */
MUST_CHECK status_t mm_cache_read_user(struct segment *segment, uint64_t offset, uaddr_t target,
                                       uint32_t nbytes, enum read_advice advice, uint32_t *copied);

/*
 * From kernel or user memory. Each page is reserved with the pager first; it becomes dirty.
 * => what the pager's reserve said; *COPIED says how far it came.
 */
MUST_CHECK status_t mm_cache_write(struct segment *segment, uint64_t offset, const void *source,
                                   uint32_t nbytes);
MUST_CHECK status_t mm_cache_write_user(struct segment *segment, uint64_t offset, uaddr_t source,
                                        uint32_t nbytes, uint32_t *copied);
MUST_CHECK status_t mm_cache_zero(struct segment *segment, uint64_t offset, uint32_t nbytes);

#endif
