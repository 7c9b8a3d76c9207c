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
 * For the balancer, under the trim lock: how many spaces there are; one after the other, beginning
 * where the last round ended. They do not end meanwhile.
 */
uint32_t mi_spaces_count(void);
struct space *mi_spaces_next(void);

/* Calls VISIT for each space, with the list's lock held. */
void mi_space_for_each(void (*visit)(struct space *space, void *context), void *context);

#endif
