/*
 * tests/kernel/threads.c: kernel threads for self-tests: memory, stack, and waiting for their end.
 */
#include "selftest.h"

#include "kernel/paging.h"
#include "kernel/thread.h"
#include "kernel/wait.h"
#include "mm/pool.h"
#include "mm/stack.h"

static struct waitable all_ended;
static uint32_t live; /* changed by the test's thread and by the reaper, atomically */

static void reap(struct thread *thread)
{
    mm_destroy_kernel_stack(thread->stack_base);
    mm_free(thread, sizeof(*thread));
    if (__atomic_sub_fetch(&live, 1u, __ATOMIC_ACQ_REL) == 0) {
        event_set(&all_ended);
    }
}

struct thread *selftest_thread(const char *name, void (*entry)(void *argument), void *argument,
                               uint8_t priority)
{
    struct thread *thread = mm_allocate(sizeof(*thread));
    void *stack;

    if (thread == NULL || is_error(mm_create_kernel_stack(&stack))) {
        selftest_fail(__FILE__, __LINE__, "no memory for the thread %s", name);
        mm_free(thread, sizeof(*thread));
        return NULL;
    }
    if (__atomic_add_fetch(&live, 1u, __ATOMIC_ACQ_REL) == 1) {
        waitable_init_event(&all_ended, true, false);
    }
    thread_init(thread, &(struct thread_parameters){.name = name,
                                                    .entry = entry,
                                                    .argument = argument,
                                                    .stack_base = stack,
                                                    .stack_nbytes = KERNEL_STACK_BYTES,
                                                    .reap = reap,
                                                    .priority = priority});
    thread_start(thread);
    return thread;
}

void selftest_join(void)
{
    if (__atomic_load_n(&live, __ATOMIC_ACQUIRE) != 0) {
        (void)wait_for(&all_ended, WAIT_FOREVER, false);
    }
}
