/*
 * mm/working_sets.h: the limits of working sets, as the rest of mm/ sees them.
 */
#ifndef MM_WORKING_SETS_H
#define MM_WORKING_SETS_H

#include "mm/space.h"

/* A new space takes the default limits; one that ends gives back what a hard minimum was charged.
 */
void mi_working_set_init(struct space *space);
void mi_working_set_end(struct space *space);

/* Whether any space has set limits of its own. */
bool mi_limits_are_set(void);

/* What a hard minimum is charged. => space lock held. */
uint32_t mi_working_set_charge(const struct space *space);

/* After a fault of a space with a hard maximum: its own pages go. => space lock held. */
void mi_keep_hard_maximum(struct space *space);

#endif
