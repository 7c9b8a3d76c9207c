/*
 * mm/stack_cache.h: the spare kernel stacks, for the drain, and what the stack area's tables cost.
 */
#ifndef MM_STACK_CACHE_H
#define MM_STACK_CACHE_H

#include "quire/types.h"

/* Gives every spare stack back. */
void mi_stack_drain(void);

/* Page tables of the stack area: they stay once made. */
uint32_t mi_stack_table_pages(void);

#endif
