/*
 * mm/stack_cache.h: the spare kernel stacks, for the drain, and what the stack area's tables cost.
 */
#ifndef MM_STACK_CACHE_H
#define MM_STACK_CACHE_H

#include "quire/types.h"

/* Gives every spare stack back. */
void mi_stack_drain(void);

/* What is charged for the pages and tables that the stacks' threads may await. */
uint32_t mi_stack_awaited_pages(void);

/* Page tables of the stack area: they stay once made. */
uint32_t mi_stack_table_pages(void);

#endif
