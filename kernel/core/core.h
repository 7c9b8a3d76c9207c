/*
 * kernel/core/core.h: what the files of kernel/core share: the scheduler lock and the few steps by
 * which a thread stops running and starts again.
 */
#ifndef KERNEL_CORE_CORE_H
#define KERNEL_CORE_CORE_H

#include "kernel/lock.h"
#include "kernel/thread.h"

/* Guards run queues, wait lists, timers, mutex waiters and all [s] fields of threads. */
extern struct spinlock scheduler_lock;

/*
 * The calling thread, whose state says why it does not run on, gives the CPU to the best ready
 * thread, and returns when it is chosen again. The lock is held across the switch: the thread that
 * comes releases it.
 */
void scheduler_switch(struct thread *self) REQUIRES(scheduler_lock);

/*
 * The calling thread, its wait prepared (wait_interruptible too), waits until somebody calls
 * scheduler_wake.
 */
static inline status_t scheduler_block(struct thread *self) REQUIRES(scheduler_lock)
{
    self->state = THREAD_WAITING;
    scheduler_switch(self);
    return self->wait_status;
}

/* Ends THREAD's wait with STATUS: its blocks leave their lists, it becomes ready. */
void scheduler_wake(struct thread *thread, status_t status) REQUIRES(scheduler_lock);

/* A new thread becomes ready for the first time. */
void scheduler_add(struct thread *thread) REQUIRES(scheduler_lock);

/* Gives THREAD its effective priority: moves it in the run queue that it is in, if any. */
void scheduler_change_priority(struct thread *thread, uint8_t priority) REQUIRES(scheduler_lock);

/* Puts the calling thread, which is about to wait, into the list of deadlines. */
void timer_insert(struct thread *thread, int64_t deadline) REQUIRES(scheduler_lock);

/* event_set, for those who hold the lock already. */
int32_t event_set_locked(struct waitable *event) REQUIRES(scheduler_lock);

/* THREAD ends: its mutants become abandoned, and whoever waits for them gets them. */
void wait_abandon_mutants(struct thread *thread) REQUIRES(scheduler_lock);

/* What THREAD's priority is to be: its own, or that of the best thread that waits for it. */
uint8_t mutex_inherited_priority(const struct thread *thread) REQUIRES(scheduler_lock);

/* THREAD, which waits for its mutex, has a new priority: sorts it in, passes the priority on. */
void mutex_waiter_changed(struct thread *thread) REQUIRES(scheduler_lock);

/* Makes a zeroed structure a thread without a context of its own: the boot thread. */
void thread_prepare(struct thread *thread, const struct thread_parameters *parameters);

/* Threads that have ended, oldest first; its CPU has left a thread's stack when it stands here. */
void reaper_start(void);

/* Wakes every thread whose deadline is not after NOW. */
void timer_expire(int64_t now) REQUIRES(scheduler_lock);

#endif
