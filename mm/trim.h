/*
 * mm/trim.h: the balancer: the thread that keeps frames available by taking pages out of address
 * spaces and having them written.
 */
#ifndef MM_TRIM_H
#define MM_TRIM_H

#include "quire/annotate.h"
#include "quire/status.h"

void mi_trim_init(void);

/* While it is held no space and no segment ends. No other lock of mm/. */
void mi_trim_lock(void) UNCHECKED_LOCKS;
void mi_trim_unlock(void) UNCHECKED_LOCKS;

/* Evicts every page of a pager's segment that nobody maps. No locks. */
void mi_trim_unmapped(void);

/* Frames run short: the balancer shall look. Any context, any lock of mm/. */
void mi_balancer_wake(void);

#endif
