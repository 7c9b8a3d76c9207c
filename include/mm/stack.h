/*
 * include/mm/stack.h: kernel stacks, each with a guard page below it.
 */
#ifndef MM_STACK_H
#define MM_STACK_H

#include "quire/annotate.h"
#include "quire/status.h"
#include "quire/types.h"

struct thread;

/*
 * A mapped kernel stack of KERNEL_STACK_BYTES; *BASE is its lowest usable byte.
 * => STATUS_INSUFFICIENT_RESOURCES, STATUS_COMMITMENT_LIMIT.
 */
MUST_CHECK status_t mm_create_kernel_stack(void **base);
void mm_destroy_kernel_stack(void *base);

/*
 * Starts THREAD, one of the system's own that never ends, on a stack made for it.
 * => as above.
 */
MUST_CHECK status_t mm_start_thread(struct thread *thread, const char *name,
                                    void (*entry)(void *argument), uint8_t priority);

#endif
