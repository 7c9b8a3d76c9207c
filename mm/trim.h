/*
 * mm/trim.h: the balancer: the thread that keeps frames available by taking pages out of address
 * spaces and having them written.
 */
#ifndef MM_TRIM_H
#define MM_TRIM_H

#include "mm/frame.h"
#include "quire/annotate.h"
#include "quire/types.h"

struct space;

void mi_trim_init(void);

/* While it is held no space and no segment ends. */
void mi_trim_lock(void) UNCHECKED_LOCKS;
void mi_trim_unlock(void) UNCHECKED_LOCKS;

/* The same, once the balancer does not wait for SPACE, which is about to end. */
void mi_trim_lock_quiet(const struct space *space) UNCHECKED_LOCKS;

/*
 * For who holds a space's lock (HELD; NULL: none) and finds no frame for a table: does what the
 * balancer does, which may wait for that very lock, and waits a little when that helps nothing.
 */
void mi_wait_with_lock(struct space *held);

/* A table's frame; waits for it in that way. ACTIVE, zeroed. */
pfn_t mi_wait_for_table_frame(enum frame_kind kind, struct space *held);

/* Evicts every page of a pager's segment that nobody maps. No locks. */
void mi_trim_unmapped(void);

/* => space lock held. The private pages of [first, last] leave, accessed or not; not locked ones.
 */
void mi_evict_pages(struct space *space, uint32_t first, uint32_t last);

/*
 * => space lock held. Private pages leave until at most NPAGES are valid: first those that were not
 * accessed since the clock's hand came by. Locked ones stay. How many have left.
 */
uint32_t mi_trim_space_to(struct space *space, uint32_t npages);

/* Frames run short: the balancer shall look. Any context, any lock of mm/. */
void mi_balancer_wake(void);

#endif
