/*
 * mm/space_list.h: all address spaces: start-up, and walking them for the audit and reports.
 */
#ifndef MM_SPACE_LIST_H
#define MM_SPACE_LIST_H

#include "quire/annotate.h"
#include "quire/types.h"

struct space;

/* Makes the shared page and the cache of spaces. Once. */
void mi_space_init(void);

/*
 * For the balancer: spaces neither end nor are skipped between lock and unlock; the count of them.
 * mi_spaces_next gives one after the other, beginning where the last round ended.
 */
uint32_t mi_spaces_lock(void) UNCHECKED_LOCKS;
struct space *mi_spaces_next(void);
void mi_spaces_unlock(void) UNCHECKED_LOCKS;

/* Calls VISIT for each space, with the list's lock held. */
void mi_space_for_each(void (*visit)(struct space *space, void *context), void *context);

#endif
