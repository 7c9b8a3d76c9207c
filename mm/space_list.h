/*
 * mm/space_list.h: all address spaces: start-up, and walking them for the audit and reports.
 */
#ifndef MM_SPACE_LIST_H
#define MM_SPACE_LIST_H

struct space;

/* Makes the shared page and the cache of spaces. Once. */
void mi_space_init(void);

/* Calls VISIT for each space, with the list's lock held. */
void mi_space_for_each(void (*visit)(struct space *space, void *context), void *context);

#endif
