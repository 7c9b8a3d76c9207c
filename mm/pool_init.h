/*
 * mm/pool_init.h: starting the pool.
 */
#ifndef MM_POOL_INIT_H
#define MM_POOL_INIT_H

/* Makes the caches of mm_allocate. Once, before any other cache. */
void mi_pool_init(void);

#endif
