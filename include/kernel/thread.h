/*
 * include/kernel/thread.h: threads and the scheduler.
 *
 * A thread has a kernel stack with a guard page, a priority (0 lowest to 31; equal ones take turns
 * by time slice), and, when it runs user code, an address space. The floor above allocates the
 * structure and hands it in; kernel/ allocates nothing after boot.
 */
#ifndef KERNEL_THREAD_H
#define KERNEL_THREAD_H

#include "kernel/cpu.h"
#include "kernel/wait.h"
#include "quire/annotate.h"
#include "quire/list.h"
#include "quire/status.h"

#define PRIORITY_IDLE   0
#define PRIORITY_LOW    4
#define PRIORITY_NORMAL 8
#define PRIORITY_HIGH   16
#define PRIORITY_COUNT  32

#define THREAD_LOCKS_MAX 12

struct mutex;
struct paging_root;
struct space;

enum thread_state {
    THREAD_NEW,
    THREAD_READY,
    THREAD_RUNNING,
    THREAD_WAITING,
    THREAD_ENDED,
    THREAD_STATE_COUNT,
};

struct wait_block {
    struct list link;      /* in waitable->waiters */
    struct thread *thread; /* who waits; its wait_objects says for what */
};

/* What a thread awaits that has faulted: mm/await.h. */
struct awaited {
    const pte_t *entries[2];
};

struct thread {
    /* Kept by kernel/core; [s] guarded by the scheduler lock, [o] touched by the thread itself. */
    struct list link;        /* [s] in a run queue or a mutex's waiters */
    struct list all_link;    /* [s] in the list of all threads */
    enum thread_state state; /* [s] */
    uint8_t priority;        /* [s] effective: base, or inherited through a mutex */
    uint8_t base_priority;   /* [s] */
    bool terminating;        /* [s] interruptible waits end, user mode is not entered again */
    uint32_t suspend_count;  /* [s] looked at before user mode is entered */
    uint32_t slice_left;     /* [s] timer ticks */
    uint64_t run_time;       /* [s] nanoseconds on a CPU */
    status_t wait_status;    /* [s] why the last wait ended */
    bool wait_all;           /* [s] */
    bool wait_interruptible; /* [s] */
    uint32_t wait_count;     /* [s] blocks in use */
    struct wait_block *wait_blocks;       /* [s] the one below, or an array on the waiter's stack */
    struct waitable *const *wait_objects; /* [s] what each block waits for */
    struct wait_block wait_block;
    struct waitable *wait_object;
    int64_t wait_deadline;                 /* [s] */
    struct list timer_link;                /* [s] in the timer list */
    struct list mutants;                   /* [s] mutants that it owns */
    struct mutex *blocked_on;              /* [s] for the wait graph and priority inheritance */
    struct list contended;                 /* [s] mutexes that it owns and others wait for */
    struct waitable resumed;               /* set while suspend_count is 0 */
    void (*entry)(void *argument);         /* [c] */
    void *argument;                        /* [c] */
    void (*reap)(struct thread *thread);   /* [c] called by the reaper: frees it; or NULL */
    uint16_t held_ranks[THREAD_LOCKS_MAX]; /* [o] debug: the locks it holds, in the order taken */
    const void *held_locks[THREAD_LOCKS_MAX];
    uint32_t held_count;
    uint32_t spin_count; /* [o] spinlocks held */

    /* Handed in from above. */
    struct space *space;            /* [o] the space it runs in, or NULL: any will do */
    const struct paging_root *root; /* [o] that space's root, or NULL */
    void *owner;                    /* what sys/ hangs on a thread; kernel/ passes it on */
    uint32_t commit_refused;        /* [o] mm/: pages that its last refused charge asked for */
    struct awaited awaited;         /* of its fault: written by itself, read by all */
    char name[16];
    bool is_traced; /* [trace lock] its name is in the trace */

    /* Kept by kernel/x86 (or the simulated machine). */
    void *stack_base; /* lowest usable byte of the kernel stack */
    uint32_t stack_nbytes;
    void *arch_stack_pointer; /* where the saved context lies while it does not run */
    void *arch_fpu;           /* 16-byte aligned save area, FPU_STATE_BYTES, or NULL */
    uint32_t user_fs_base;    /* base of the segment that user FS holds: the TEB */
};

#define FPU_STATE_BYTES 512u /* FXSAVE */

struct thread_parameters {
    const char *name;
    void (*entry)(void *argument); /* runs on the thread's kernel stack; returning ends it */
    void *argument;
    void *stack_base;
    uint32_t stack_nbytes;
    void *fpu_state; /* NULL for threads that never enter user mode */
    struct space *space;
    const struct paging_root *root;
    void *owner;
    void (*reap)(struct thread *thread); /* NULL: nobody frees it */
    uint8_t priority;
};

/* Prepares THREAD (zeroed memory); it does not run before thread_start. */
void thread_init(struct thread *thread, const struct thread_parameters *parameters);
void thread_start(struct thread *thread);

/*
 * Ends the calling thread. Its mutants become abandoned. When it has left its stack for good,
 * the thread's `reap` is called, in another thread's context, so that the owner can free
 * structure and stack.
 */
NORETURN void thread_exit(void);

/* Asks a thread to end: interruptible waits return, and it exits before it enters user mode. */
void thread_terminate(struct thread *thread);

/* For the way back to what faulted: the thread runs on, and awaits no page any more (M9). */
static inline void thread_goes_on(struct thread *thread)
{
    thread->awaited = (struct awaited){{NULL, NULL}};
}

void thread_yield(void);
void thread_sleep_until(int64_t deadline, bool interruptible, status_t *status);
void thread_set_priority(struct thread *thread, uint8_t priority);
uint32_t thread_suspend(struct thread *thread); /* previous count */
uint32_t thread_resume(struct thread *thread);

/* Whether the way back to user mode has to look at this: it ends or is suspended. */
static inline bool thread_is_summoned(const struct thread *thread)
{
    return thread->terminating || thread->suspend_count != 0;
}

/*
 * For the way back to user mode: waits while the calling thread is suspended.
 * => STATUS_SUCCESS, or STATUS_THREAD_IS_TERMINATING when it is to end.
 */
status_t thread_wait_resumed(void);

/* Switches the calling thread to another address space (NULL: none of its own). */
void thread_attach_space(struct space *space, const struct paging_root *root);

/* Calls VISIT for every thread, with the scheduler lock held. */
void thread_for_each(void (*visit)(struct thread *thread, void *context), void *context);

/* Prints every thread, what it waits for and what it holds. */
void thread_print_wait_graph(void);

/*
 * Called once at boot, interrupts off: makes the caller the first thread, and an idle thread and
 * one that tells the reaper's hook, both on static stacks.
 */
void scheduler_start(void);

/* From the timer interrupt: NOW is clock_now(). Wakes sleepers, ends slices. */
void scheduler_tick(int64_t now);

/* HOOK is called at every tick, in the timer interrupt: what shows the time to programs. */
void scheduler_set_tick_hook(void (*hook)(int64_t now));

/*
 * On the way out of every interrupt and system call: switches when a better thread is ready and
 * preemption is not off. Cheap to skip while cpu_self()->switch_wanted is false.
 */
void scheduler_preempt(void);

/* The earliest time that a waiting thread is to be woken at, or WAIT_FOREVER. */
int64_t scheduler_next_deadline(void);

/* How many nanoseconds this CPU has been idle (HLT). */
uint64_t scheduler_idle_time(void);

#endif
