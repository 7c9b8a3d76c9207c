/*
 * mm/zero.h: the zero-page thread.
 */
#ifndef MM_ZERO_H
#define MM_ZERO_H

#include "quire/annotate.h"
#include "quire/status.h"

void mi_zero_init(void);

/* Starts the thread. Once. */
MUST_CHECK status_t mi_zero_start(void);

/* While it is held the thread has no frame. => the trim lock held. */
void mi_zero_lock(void) UNCHECKED_LOCKS;
void mi_zero_unlock(void) UNCHECKED_LOCKS;

/* Zeroed frames run short. Any context, any lock of mm/. */
void mi_zero_wake(void);

#endif
