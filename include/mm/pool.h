/*
 * include/mm/pool.h: slab caches for kernel objects of one size, and blocks of mixed size.
 *
 * Pool memory is zeroed, resident, from the direct map, and charged to commit page by page.
 */
#ifndef MM_POOL_H
#define MM_POOL_H

#include "kernel/lock.h"
#include "quire/list.h"

struct pool_cache {
    struct spinlock lock;
    const char *name;
    uint32_t object_nbytes; /* rounded up to 8 */
    uint32_t per_slab;
    uint32_t live;       /* objects allocated now */
    struct list partial; /* slabs with free objects */
    struct list full;
    struct list empty; /* at most one slab is kept here */
    uint32_t nempty;
    struct list link; /* in the list of all caches */
};

/* A cache for objects of NBYTES (at most 4000). Never fails: it allocates nothing. */
void mm_pool_init(struct pool_cache *cache, const char *name, uint32_t nbytes);

/* A zeroed object, 8-byte aligned (16 when nbytes is a multiple of 16), or NULL. Does not block. */
void *mm_pool_allocate(struct pool_cache *cache);
void mm_pool_free(struct pool_cache *cache, void *object);

/* Blocks of any size up to 64 KiB: from shared caches below 2 KiB, whole contiguous frames above.
 */
void *mm_allocate(uint32_t nbytes);
void *mm_allocate_unset(uint32_t nbytes);   /* not zeroed: for who fills it at once */
void mm_free(void *block, uint32_t nbytes); /* the same nbytes; NULL is allowed */

/* Objects and pages in use, all caches together. */
uint32_t mm_pool_objects(void);
uint32_t mm_pool_pages(void);

/* Gives every empty slab back. */
void mm_pool_drain(void);

/* Calls VISIT for each cache: for reports and leak checks. */
void mm_pool_for_each(void (*visit)(const struct pool_cache *cache, void *context), void *context);

#endif
