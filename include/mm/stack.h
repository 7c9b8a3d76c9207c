/*
 * include/mm/stack.h: kernel stacks, each with a guard page below it.
 */
#ifndef MM_STACK_H
#define MM_STACK_H

#include "quire/annotate.h"
#include "quire/status.h"

/*
 * A mapped kernel stack of KERNEL_STACK_BYTES; *BASE is its lowest usable byte.
 * => STATUS_INSUFFICIENT_RESOURCES, STATUS_COMMITMENT_LIMIT.
 */
MUST_CHECK status_t mm_create_kernel_stack(void **base);
void mm_destroy_kernel_stack(void *base);

#endif
