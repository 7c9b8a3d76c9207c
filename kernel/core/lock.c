/*
 * kernel/core/lock.c: the slow halves of spinlocks and mutexes, and the rank checks.
 *
 * Taking a free lock and releasing one that nobody waits for are inline (kernel/lock.h). Here is
 * what happens under contention, and, in debug builds, the record of what each thread holds: a list
 * in the order of taking. A lock may be taken when its rank is above that of every lock held; so a
 * cycle of waiting threads is impossible, whatever the timing.
 *
 * Priority inheritance: a thread that waits for a mutex lends its priority to the owner, and, when
 * that one waits for a mutex itself, to the owner of that, and so on. The mutexes that others wait
 * for are listed in their owner (thread->contended), so a release restores exactly what is due: the
 * own priority, or that of the best thread still waiting for another mutex. A release hands the
 * mutex to the first waiter of the highest priority. Waits for mutants (Win32 mutexes) lend
 * nothing, as in NT.
 *
 * Interrupt handlers take locks too (ranks from RANK_DEVICE up, _irq kind); they are recorded in
 * the thread they interrupt, which is right: it cannot run on before they are released.
 */
#include "core.h"

#include "kernel/log.h"
#include "quire/assert.h"

#define SPIN_LIMIT 100000000u /* debug: a spinlock waited for this long will never come */

/* ---- what a thread holds (debug) ---- */

static const char *const rank_names[RANK_COUNT] = {
    [RANK_PROCESS] = "process",
    [RANK_OPEN] = "open",
    [RANK_FILE_MAIN] = "file main",
    [RANK_FILE_SYSTEM] = "file system",
    [RANK_HANDLE_TABLE] = "handle table",
    [RANK_SPACE] = "space",
    [RANK_FILE_PAGING] = "file paging",
    [RANK_METADATA] = "metadata",
    [RANK_CACHE] = "cache",
    [RANK_NAME_SPACE] = "name space",
    [RANK_CHUNK] = "chunk",
    [RANK_SEGMENT] = "segment",
    [RANK_POOL] = "pool",
    [RANK_COMMIT] = "commit",
    [RANK_PFN] = "PFN",
    [RANK_DEVICE] = "device",
    [RANK_SCHEDULER] = "scheduler",
    [RANK_LOG] = "log",
};

static const char *rank_name(uint32_t rank)
{
    const char *name = rank < RANK_COUNT ? rank_names[rank] : NULL;

    return name != NULL ? name : "?";
}

static void check_order(const struct thread *self, const void *lock, uint32_t rank, bool nested)
{
    for (uint32_t i = 0; i < self->held_count; i++) {
        uint32_t held = self->held_ranks[i];

        if (self->held_locks[i] == lock) {
            panic("thread %s takes a %s lock that it holds", self->name, rank_name(rank));
        }
        if (held > rank || (held == rank && !nested)) {
            panic("lock order: thread %s takes a %s lock while it holds a %s lock", self->name,
                  rank_name(rank), rank_name(held));
        }
    }
}

/* => interrupts off. */
static void record(struct thread *self, const void *lock, uint32_t rank, bool spinning)
{
    VERIFY(self->held_count < THREAD_LOCKS_MAX);
    self->held_ranks[self->held_count] = (uint16_t)rank;
    self->held_locks[self->held_count] = lock;
    self->held_count++;
    self->spin_count += spinning ? 1u : 0u;
}

/*
 * Checks the order and records LOCK as held, before it is waited for: so a wrong order is found
 * without contention. Called with preemption off for a spinlock.
 */
void lock_check_take(const void *lock, uint32_t rank, bool nested, bool spinning)
{
    struct thread *self = thread_self();

    if (self == NULL || log_is_panicking()) {
        return;
    }
    VERIFY(rank != 0 && rank < RANK_COUNT);
    irq_state_t state = irq_disable();
    if (!spinning) {
        lock_check_may_block();
    }
    check_order(self, lock, rank, nested);
    record(self, lock, rank, spinning);
    irq_restore(state);
}

/* LOCK was free and is taken: in no order, since its taker did not wait. */
void lock_check_took(const void *lock, uint32_t rank)
{
    struct thread *self = thread_self();

    if (self != NULL && !log_is_panicking()) {
        irq_state_t state = irq_disable();
        record(self, lock, rank, false);
        irq_restore(state);
    }
}

void lock_check_release(const void *lock, bool spinning)
{
    struct thread *self = thread_self();
    uint32_t i = 0;

    if (self == NULL || log_is_panicking()) {
        return;
    }
    irq_state_t state = irq_disable();
    while (i < self->held_count && self->held_locks[i] != lock) {
        i++;
    }
    if (i == self->held_count) {
        panic("thread %s releases a lock that it does not hold", self->name);
    }
    self->held_count--;
    for (; i < self->held_count; i++) {
        self->held_ranks[i] = self->held_ranks[i + 1];
        self->held_locks[i] = self->held_locks[i + 1];
    }
    self->spin_count -= spinning ? 1u : 0u;
    irq_restore(state);
}

/* Blocking is allowed: no spinlock held, preemption on. */
void lock_check_may_block(void)
{
    struct thread *self = thread_self();

    if (self != NULL && (self->spin_count != 0 || cpu_self()->preempt_count != 0)) {
        panic("thread %s blocks with a spinlock held or preemption off", self->name);
    }
}

void lock_check_none(void)
{
    const struct thread *self = thread_self();

    if (self != NULL && self->held_count != 0) {
        panic("thread %s still holds a %s lock", self->name, rank_name(self->held_ranks[0]));
    }
}

/* ---- spinlocks ---- */

void spin_init(struct spinlock *lock, enum lock_rank rank)
{
    lock->held = 0;
    lock->rank = (uint16_t)rank;
    lock->reserved = 0;
}

/* Reads until the lock looks free; the caller tries again. */
void spin_lock_contended(struct spinlock *lock)
{
    uint32_t rounds = 0;

    while (lock->held != 0) {
        if (log_is_panicking()) {
            lock->held = 0; /* its holder will not run again */
        }
        if (DEBUG_CHECKS && ++rounds == SPIN_LIMIT) {
            panic("a %s lock is never released", rank_name(lock->rank));
        }
        cpu_relax();
    }
}

/* ---- mutexes ---- */

void mutex_init(struct mutex *mutex, enum lock_rank rank)
{
    mutex->owner_bits = 0;
    list_init(&mutex->waiters);
    list_init(&mutex->contended);
    mutex->rank = (uint16_t)rank;
    mutex->reserved = 0;
}

/* Inserts THREAD behind the waiters of its priority and above. */
static void insert_waiter(struct mutex *mutex, struct thread *thread)
{
    struct list *place = &mutex->waiters;

    while (place->prev != &mutex->waiters &&
           list_entry(place->prev, struct thread, link)->priority < thread->priority) {
        place = place->prev;
    }
    list_insert_tail(place, &thread->link);
}

static struct thread *first_waiter(const struct mutex *mutex)
{
    return list_entry(mutex->waiters.next, struct thread, link);
}

uint8_t mutex_inherited_priority(const struct thread *thread)
{
    uint8_t priority = thread->base_priority;

    list_for_each(link, &thread->contended) {
        const struct mutex *mutex = list_entry(link, struct mutex, contended);
        uint8_t waiting = first_waiter(mutex)->priority;

        priority = waiting > priority ? waiting : priority;
    }
    return priority;
}

/*
 * Passes the priorities of MUTEX's waiters on to its owner, along the chain of mutexes. The chain
 * ends: lock ranks make it free of cycles, and it is as long as there are threads at most.
 */
static void lend_priority(struct mutex *mutex) REQUIRES(scheduler_lock)
{
    while (mutex != NULL) {
        struct thread *owner = mutex_owner(mutex);
        uint8_t priority = mutex_inherited_priority(owner);

        if (owner->priority == priority) {
            return;
        }
        scheduler_change_priority(owner, priority);
        mutex = owner->blocked_on;
        if (mutex != NULL) {
            list_remove(&owner->link);
            insert_waiter(mutex, owner);
        }
    }
}

void mutex_waiter_changed(struct thread *thread)
{
    struct mutex *mutex = thread->blocked_on;

    list_remove(&thread->link);
    insert_waiter(mutex, thread);
    lend_priority(mutex);
}

/* Says in the owner word that threads wait; false when the mutex was free and is now SELF's. */
static bool mark_contended(struct mutex *mutex, const struct thread *self)
{
    uintptr_t bits = mutex->owner_bits;

    while ((bits & MUTEX_CONTENDED) == 0) {
        uintptr_t wanted = bits == 0 ? (uintptr_t)self : bits | MUTEX_CONTENDED;

        if (__atomic_compare_exchange_n(&mutex->owner_bits, &bits, wanted, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED)) {
            if (bits == 0) {
                return false;
            }
            list_insert_tail(&mutex_owner(mutex)->contended, &mutex->contended);
            return true;
        }
    }
    return true;
}

void mutex_lock_contended(struct mutex *mutex)
{
    struct thread *self = thread_self();

    VERIFY(self != NULL && mutex_owner(mutex) != self);
    irq_state_t state = spin_lock_irq(&scheduler_lock);
    if (mark_contended(mutex, self)) {
        self->blocked_on = mutex;
        self->wait_interruptible = false;
        insert_waiter(mutex, self);
        lend_priority(mutex);
        scheduler_block(self); /* comes back as the owner */
    }
    spin_unlock_irq(&scheduler_lock, state);
}

/* Hands MUTEX to its first waiter, which runs on as its owner. */
void mutex_unlock_contended(struct mutex *mutex)
{
    struct thread *self = thread_self();

    VERIFY(mutex_owner(mutex) == self && (mutex->owner_bits & MUTEX_CONTENDED) != 0);
    irq_state_t state = spin_lock_irq(&scheduler_lock);
    struct thread *next = first_waiter(mutex);

    list_remove(&next->link);
    next->blocked_on = NULL;
    list_remove(&mutex->contended);
    if (list_is_empty(&mutex->waiters)) {
        mutex->owner_bits = (uintptr_t)next;
    } else {
        mutex->owner_bits = (uintptr_t)next | MUTEX_CONTENDED;
        list_insert_tail(&next->contended, &mutex->contended);
    }
    scheduler_change_priority(self, mutex_inherited_priority(self));
    scheduler_wake(next, STATUS_SUCCESS);
    spin_unlock_irq(&scheduler_lock, state);
}
