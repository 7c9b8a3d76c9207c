/*
 * include/kernel/lock.h: spinlocks and mutexes, both with ranks.
 *
 * A lock's rank says where in the one lock order it stands (below). Debug builds panic when a
 * thread takes a lock whose rank is not above that of every lock it holds, releases one that it
 * does not hold, or blocks, faults on user memory or returns to user mode with a spinlock held.
 *
 * A spinlock disables preemption; the _irq kind disables interrupts too, and is what an interrupt
 * handler may take. A mutex blocks; it cannot be taken in an interrupt or under a spinlock.
 */
#ifndef KERNEL_LOCK_H
#define KERNEL_LOCK_H

#include "kernel/cpu.h"
#include "quire/annotate.h"
#include "quire/assert.h"
#include "quire/list.h"

/*
 * The lock order, outermost first (rule M8: main, space, chunk, paging, metadata, device; the rest
 * has its place among them). The tree with call sites is in docs/internals.md.
 */
enum lock_rank {
    RANK_PROCESS = 1,  /* mutex: creation and end of processes, the list of processes */
    RANK_OPEN,         /* mutex: the position of one open of a file */
    RANK_FILE_MAIN,    /* mutex: a file's size and its writers */
    RANK_FILE_SYSTEM,  /* mutex: inode table, directories while they are searched */
    RANK_HANDLE_TABLE, /* mutex: one process's handles */
    RANK_SPACE,        /* mutex: an address space: VADs, private tables */
    RANK_TRIM,         /* mutex: what is being trimmed; the ends of spaces and segments */
    RANK_PAGE_WRITER,  /* mutex: the requests with which modified pages are written */
    RANK_IMAGE,        /* mutex: one image's page-in */
    RANK_FILE_PAGING,  /* mutex: a file's block map */
    RANK_METADATA,     /* mutex: file-system metadata */
    RANK_CACHE,        /* mutex: which segment each kernel window shows */
    RANK_NAME_SPACE,   /* spin: names, usage counts */
    RANK_SEGMENTS,     /* spin: the lists of segments and of spaces */
    RANK_CHUNK,        /* spin: one chunk of a segment: its table, its mappers, its aliases */
    RANK_SEGMENT,      /* spin: a segment's counters */
    RANK_POOL,         /* spin: one slab cache */
    RANK_COMMIT,       /* spin: the two charges */
    RANK_PFN,          /* spin: frame lists */
    RANK_PAGEFILE,     /* spin: the slots of the paging file */
    RANK_TRACE,        /* spin: the trace's ring */
    RANK_DEVICE,       /* spin_irq: one device's queues */
    RANK_SCHEDULER,    /* spin_irq: wait lists, run queues, timers */
    RANK_LOG,          /* spin_irq: the log ring and its sinks */
    RANK_COUNT
};

struct thread;

struct CAPABILITY("spinlock") spinlock {
    volatile uint32_t held;
    uint16_t rank;
    uint16_t reserved;
};

/*
 * `owner_bits` is 0 when the mutex is free, else the owner's struct thread, plus MUTEX_CONTENDED
 * while threads wait. Taking a free mutex and releasing one that nobody waits for are one
 * compare-exchange; everything else happens under the scheduler lock. A thread that waits lends
 * the owner its priority; a release hands the mutex to the first waiter.
 */
struct CAPABILITY("mutex") mutex {
    volatile uintptr_t owner_bits;
    struct list waiters;   /* [scheduler lock] threads, highest priority first */
    struct list contended; /* [scheduler lock] in the owner's list of mutexes with waiters */
    uint16_t rank;
    uint16_t reserved;
};

#define MUTEX_CONTENDED ((uintptr_t)1)

#define SPINLOCK_INIT(lock_rank_)                                                                  \
    {                                                                                              \
        .held = 0, .rank = (lock_rank_)                                                            \
    }

/* The slow halves, and the checks of debug builds, in kernel/core/lock.c. */
void lock_check_take(const void *lock, uint32_t rank, bool nested, bool spinning);
void lock_check_took(const void *lock, uint32_t rank);
void lock_check_release(const void *lock, bool spinning);
void lock_check_may_block(void);
void lock_check_none(void);
void spin_lock_contended(struct spinlock *lock);
void mutex_lock_contended(struct mutex *mutex);
void mutex_unlock_contended(struct mutex *mutex);

void spin_init(struct spinlock *lock, enum lock_rank rank);

/* By anyone: for assertions. */
static inline bool spin_is_held(const struct spinlock *lock)
{
    return lock->held != 0;
}

static inline void spin_lock_raw(struct spinlock *lock)
{
    while (__atomic_exchange_n(&lock->held, 1u, __ATOMIC_ACQUIRE) != 0) {
        spin_lock_contended(lock);
    }
}

static inline void spin_lock(struct spinlock *lock) ACQUIRES(lock) UNCHECKED_LOCKS
{
    preempt_disable();
    if (DEBUG_CHECKS) {
        lock_check_take(lock, lock->rank, false, true);
    }
    spin_lock_raw(lock);
}

/*
 * A second lock of the rank of one that is held already, where docs/internals.md gives the order
 * within the rank (two chunks of two segments, in the order of their addresses).
 */
static inline void spin_lock_nested(struct spinlock *lock) ACQUIRES(lock) UNCHECKED_LOCKS
{
    preempt_disable();
    if (DEBUG_CHECKS) {
        lock_check_take(lock, lock->rank, true, true);
    }
    spin_lock_raw(lock);
}

static inline void spin_unlock(struct spinlock *lock) RELEASES(lock) UNCHECKED_LOCKS
{
    if (DEBUG_CHECKS) {
        lock_check_release(lock, true);
    }
    __atomic_store_n(&lock->held, 0u, __ATOMIC_RELEASE);
    preempt_enable();
}

/* Interrupts off until the matching unlock, which gets the returned value back. */
static inline irq_state_t spin_lock_irq(struct spinlock *lock) ACQUIRES(lock) UNCHECKED_LOCKS
{
    irq_state_t state = irq_disable();

    if (DEBUG_CHECKS) {
        lock_check_take(lock, lock->rank, false, true);
    }
    spin_lock_raw(lock);
    return state;
}

static inline void spin_unlock_irq(struct spinlock *lock, irq_state_t state)
    RELEASES(lock) UNCHECKED_LOCKS
{
    if (DEBUG_CHECKS) {
        lock_check_release(lock, true);
    }
    __atomic_store_n(&lock->held, 0u, __ATOMIC_RELEASE);
    irq_restore(state);
    if (cpu_self()->switch_wanted && (state & IRQ_ENABLED) != 0) {
        preempt_now();
    }
}

void mutex_init(struct mutex *mutex, enum lock_rank rank);

static inline void mutex_lock_raw(struct mutex *mutex)
{
    uintptr_t expected = 0;

    if (!__atomic_compare_exchange_n(&mutex->owner_bits, &expected, (uintptr_t)thread_self(), false,
                                     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        mutex_lock_contended(mutex);
    }
}

static inline void mutex_lock(struct mutex *mutex) ACQUIRES(mutex) UNCHECKED_LOCKS
{
    if (DEBUG_CHECKS) {
        lock_check_take(mutex, mutex->rank, false, false);
    }
    mutex_lock_raw(mutex);
}

/* Takes the mutex if it is free; whatever is held: nobody waits here. */
static inline bool mutex_trylock(struct mutex *mutex) UNCHECKED_LOCKS
{
    uintptr_t expected = 0;

    if (!__atomic_compare_exchange_n(&mutex->owner_bits, &expected, (uintptr_t)thread_self(), false,
                                     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        return false;
    }
    if (DEBUG_CHECKS) {
        lock_check_took(mutex, mutex->rank);
    }
    return true;
}

/* See spin_lock_nested. */
static inline void mutex_lock_nested(struct mutex *mutex) ACQUIRES(mutex) UNCHECKED_LOCKS
{
    if (DEBUG_CHECKS) {
        lock_check_take(mutex, mutex->rank, true, false);
    }
    mutex_lock_raw(mutex);
}

static inline void mutex_unlock(struct mutex *mutex) RELEASES(mutex) UNCHECKED_LOCKS
{
    uintptr_t expected = (uintptr_t)thread_self();

    if (DEBUG_CHECKS) {
        lock_check_release(mutex, false);
    }
    if (!__atomic_compare_exchange_n(&mutex->owner_bits, &expected, (uintptr_t)0, false,
                                     __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
        mutex_unlock_contended(mutex);
    }
}

/* The owner, or NULL. */
static inline struct thread *mutex_owner(const struct mutex *mutex)
{
    return (struct thread *)(mutex->owner_bits & ~MUTEX_CONTENDED);
}

/* For assertions. Before scheduler_start there is one flow, to which everything belongs. */
static inline bool mutex_is_mine(const struct mutex *mutex)
{
    return mutex_owner(mutex) == thread_self();
}

/* Panics in debug builds when the calling thread holds any spinlock. */
static inline void lock_assert_none_spinning(void)
{
    if (DEBUG_CHECKS) {
        lock_check_may_block();
    }
}

/*
 * Panics in debug builds when the calling thread holds any lock at all (on return to user mode, at
 * the start of a page fault from user mode).
 */
static inline void lock_assert_none(void)
{
    if (DEBUG_CHECKS) {
        lock_check_none();
    }
}

#endif
