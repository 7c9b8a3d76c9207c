/*
 * include/kernel/wait.h: things a thread can wait for. One mechanism serves the kernel's own waits
 * and Win32's: events, mutexes, semaphores and one-shot completions (thread and process end).
 *
 * A waitable is signalled or not; waiting consumes the signal where the kind says so. All state
 * is guarded by the scheduler lock. A waitable lies inside its object, which must outlive the wait.
 */
#ifndef KERNEL_WAIT_H
#define KERNEL_WAIT_H

#include "quire/list.h"
#include "quire/status.h"

struct thread;

enum waitable_kind {
    WAITABLE_EVENT_MANUAL, /* stays signalled until reset */
    WAITABLE_EVENT_AUTO,   /* one waiter consumes the signal */
    WAITABLE_SEMAPHORE,    /* count > 0 is signalled; each wait takes 1 */
    WAITABLE_MUTANT,       /* recursive, owned by a thread; abandoned when the owner ends */
};

struct waitable {
    enum waitable_kind kind;
    int32_t count;        /* event: 0 or 1; semaphore: count; mutant: 1 free, <= 0 owned */
    int32_t limit;        /* semaphore: the largest count */
    bool abandoned;       /* mutant: the last owner ended while it owned it */
    struct thread *owner; /* mutant */
    struct list owned;    /* mutant: link in owner->mutants */
    struct list waiters;  /* of struct wait_block */
};

#define WAIT_MAXIMUM 64
#define WAIT_FOREVER INT64_MAX

void waitable_init_event(struct waitable *event, bool manual_reset, bool signalled);
void waitable_init_semaphore(struct waitable *semaphore, int32_t count, int32_t limit);
void waitable_init_mutant(struct waitable *mutant, bool owned_by_caller);

/* Each gives the previous state: event 0 or 1, semaphore its count, mutant its count. */
int32_t event_set(struct waitable *event); /* also from interrupts */
int32_t event_reset(struct waitable *event);
int32_t event_pulse(struct waitable *event);

/* STATUS_SEMAPHORE_LIMIT_EXCEEDED when count + n would pass the limit, nothing changed. */
status_t semaphore_release(struct waitable *semaphore, int32_t n, int32_t *previous);

/* STATUS_MUTANT_NOT_OWNED when the calling thread is not its owner. */
status_t mutant_release(struct waitable *mutant, int32_t *previous);

int32_t waitable_read(const struct waitable *waitable);

/* The calling thread's mutants become abandoned now; thread_exit does it, too. */
void mutants_abandon(void);

/* MUTANT, which nobody waits for, ceases to exist: an owner that it has forgets it. */
void mutant_forget(struct waitable *mutant);

/*
 * Waits until the waitable is signalled and consumes the signal.
 * => DEADLINE: absolute, in nanoseconds of clock_now(); WAIT_FOREVER; in the past: only looks.
 * => interruptible: a thread that is being terminated comes back with STATUS_THREAD_IS_TERMINATING;
 *    kernel-internal waits pass false.
 * => STATUS_SUCCESS, STATUS_TIMEOUT, STATUS_ABANDONED_WAIT_0 (mutant, now owned), as above.
 * => no spinlock held.
 */
status_t wait_for(struct waitable *waitable, int64_t deadline, bool interruptible);

/*
 * Waits for any one (ALL false: STATUS_SUCCESS + index, or ABANDONED_WAIT_0 + index) or all at once
 * (nothing is consumed until all can be) of COUNT waitables, 1 to WAIT_MAXIMUM.
 */
status_t wait_for_many(struct waitable *const *waitables, uint32_t count, bool all,
                       int64_t deadline, bool interruptible);

/* Sets or releases FIRST (event, semaphore by 1, mutant) and waits for SECOND, as one step. */
status_t wait_signal_and_wait(struct waitable *first, struct waitable *second, int64_t deadline,
                              bool interruptible);

#endif
