/*
 * kernel/core/wait.c: waiting: events, semaphores, mutants, and any or all of several.
 *
 * A thread that has to wait puts one wait block into the list of each waitable and stops. Whoever
 * signals a waitable looks at its list: a waiter that can be satisfied has the signal consumed on
 * its behalf there and then (direct hand-off: nobody can come between), its blocks leave all lists,
 * and it becomes ready with the status that its wait returns. So a woken thread has nothing left
 * to do, and there are no wake-ups in vain. Waiters of one waitable are served in the order of
 * their coming, as in NT; the one exception is a waiter for all of several whose others are not
 * signalled, which is passed over.
 *
 * Everything is under the scheduler lock.
 */
#include "core.h"

#include "kernel/clock.h"
#include "quire/assert.h"

/* ---- what signalled means, and consuming it ---- */

static bool is_signalled(const struct waitable *waitable, const struct thread *thread)
{
    if (waitable->kind == WAITABLE_MUTANT) {
        return waitable->owner == NULL ||
               (waitable->owner == thread && waitable->count != INT32_MIN);
    }
    return waitable->count > 0;
}

/* Takes the signal for THREAD; STATUS_ABANDONED_WAIT_0 when the mutant was abandoned. */
static status_t consume(struct waitable *waitable, struct thread *thread)
{
    switch (waitable->kind) {
    case WAITABLE_EVENT_MANUAL:
        return STATUS_SUCCESS;
    case WAITABLE_EVENT_AUTO:
        waitable->count = 0;
        return STATUS_SUCCESS;
    case WAITABLE_SEMAPHORE:
        waitable->count--;
        return STATUS_SUCCESS;
    case WAITABLE_MUTANT:
        break;
    }
    waitable->count--;
    if (waitable->owner == NULL) {
        waitable->owner = thread;
        list_insert_tail(&thread->mutants, &waitable->owned);
    }
    if (waitable->abandoned) {
        waitable->abandoned = false;
        return STATUS_ABANDONED_WAIT_0;
    }
    return STATUS_SUCCESS;
}

static bool all_signalled(struct waitable *const *waitables, uint32_t count,
                          const struct thread *thread)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!is_signalled(waitables[i], thread)) {
            return false;
        }
    }
    return true;
}

static status_t consume_all(struct waitable *const *waitables, uint32_t count,
                            struct thread *thread)
{
    status_t status = STATUS_SUCCESS;

    for (uint32_t i = 0; i < count; i++) {
        if (consume(waitables[i], thread) != STATUS_SUCCESS) {
            status = STATUS_ABANDONED_WAIT_0;
        }
    }
    return status;
}

/* Wakes BLOCK's thread if WAITABLE, which is signalled, is what it lacked. */
static bool satisfy(struct waitable *waitable, struct wait_block *block) REQUIRES(scheduler_lock)
{
    struct thread *thread = block->thread;

    if (thread->wait_all) {
        if (!all_signalled(thread->wait_objects, thread->wait_count, thread)) {
            return false;
        }
        scheduler_wake(thread, consume_all(thread->wait_objects, thread->wait_count, thread));
        return true;
    }
    status_t index = (status_t)(block - thread->wait_blocks);
    scheduler_wake(thread, consume(waitable, thread) + index);
    return true;
}

/*
 * WAITABLE has been signalled: serves its waiters while the signal lasts. A woken thread takes all
 * its blocks out of the lists, the next one of this list perhaps among them, hence the new start.
 */
static void serve_waiters(struct waitable *waitable) REQUIRES(scheduler_lock)
{
    struct list *link = waitable->waiters.next;

    while (link != &waitable->waiters) {
        struct wait_block *block = list_entry(link, struct wait_block, link);

        if (!is_signalled(waitable, block->thread)) {
            return;
        }
        link = satisfy(waitable, block) ? waitable->waiters.next : link->next;
    }
}

/* ---- kinds ---- */

static void waitable_init(struct waitable *waitable, enum waitable_kind kind, int32_t count,
                          int32_t limit)
{
    *waitable = (struct waitable){.kind = kind, .count = count, .limit = limit};
    list_init(&waitable->owned);
    list_init(&waitable->waiters);
}

void waitable_init_event(struct waitable *event, bool manual_reset, bool signalled)
{
    waitable_init(event, manual_reset ? WAITABLE_EVENT_MANUAL : WAITABLE_EVENT_AUTO,
                  signalled ? 1 : 0, 1);
}

void waitable_init_semaphore(struct waitable *semaphore, int32_t count, int32_t limit)
{
    waitable_init(semaphore, WAITABLE_SEMAPHORE, count, limit);
}

void waitable_init_mutant(struct waitable *mutant, bool owned_by_caller)
{
    waitable_init(mutant, WAITABLE_MUTANT, 1, 1);
    if (owned_by_caller) {
        irq_state_t state = spin_lock_irq(&scheduler_lock);
        (void)consume(mutant, thread_self());
        spin_unlock_irq(&scheduler_lock, state);
    }
}

/* The common case, an auto event and a first waiter that wants nothing else, goes the short way. */
int32_t event_set_locked(struct waitable *event)
{
    int32_t previous = event->count;

    if (list_is_empty(&event->waiters)) {
        event->count = 1;
        return previous;
    }
    struct wait_block *block = list_entry(event->waiters.next, struct wait_block, link);
    if (event->kind == WAITABLE_EVENT_AUTO && block->thread->wait_count == 1) {
        scheduler_wake(block->thread, STATUS_SUCCESS);
        return previous;
    }
    event->count = 1;
    serve_waiters(event);
    return previous;
}

int32_t event_set(struct waitable *event)
{
    ASSERT(event->kind == WAITABLE_EVENT_MANUAL || event->kind == WAITABLE_EVENT_AUTO);
    irq_state_t state = spin_lock_irq(&scheduler_lock);
    int32_t previous = event_set_locked(event);
    spin_unlock_irq(&scheduler_lock, state);
    return previous;
}

int32_t event_reset(struct waitable *event)
{
    irq_state_t state = spin_lock_irq(&scheduler_lock);
    int32_t previous = event->count;

    event->count = 0;
    spin_unlock_irq(&scheduler_lock, state);
    return previous;
}

int32_t event_pulse(struct waitable *event)
{
    irq_state_t state = spin_lock_irq(&scheduler_lock);
    int32_t previous = event_set_locked(event);

    event->count = 0;
    spin_unlock_irq(&scheduler_lock, state);
    return previous;
}

static status_t semaphore_release_locked(struct waitable *semaphore, int32_t n, int32_t *previous)
    REQUIRES(scheduler_lock)
{
    if (n > semaphore->limit - semaphore->count) {
        return STATUS_SEMAPHORE_LIMIT_EXCEEDED;
    }
    *previous = semaphore->count;
    semaphore->count += n;
    serve_waiters(semaphore);
    return STATUS_SUCCESS;
}

status_t semaphore_release(struct waitable *semaphore, int32_t n, int32_t *previous)
{
    ASSERT(semaphore->kind == WAITABLE_SEMAPHORE && n > 0);
    irq_state_t state = spin_lock_irq(&scheduler_lock);
    status_t status = semaphore_release_locked(semaphore, n, previous);
    spin_unlock_irq(&scheduler_lock, state);
    return status;
}

static status_t mutant_release_locked(struct waitable *mutant, const struct thread *self,
                                      int32_t *previous) REQUIRES(scheduler_lock)
{
    if (mutant->owner != self) {
        return STATUS_MUTANT_NOT_OWNED;
    }
    *previous = mutant->count;
    mutant->count++;
    if (mutant->count == 1) {
        mutant->owner = NULL;
        list_remove(&mutant->owned);
        serve_waiters(mutant);
    }
    return STATUS_SUCCESS;
}

status_t mutant_release(struct waitable *mutant, int32_t *previous)
{
    ASSERT(mutant->kind == WAITABLE_MUTANT);
    irq_state_t state = spin_lock_irq(&scheduler_lock);
    status_t status = mutant_release_locked(mutant, thread_self(), previous);
    spin_unlock_irq(&scheduler_lock, state);
    return status;
}

void wait_abandon_mutants(struct thread *thread)
{
    while (!list_is_empty(&thread->mutants)) {
        struct waitable *mutant = list_entry(thread->mutants.next, struct waitable, owned);

        list_remove(&mutant->owned);
        mutant->owner = NULL;
        mutant->count = 1;
        mutant->abandoned = true;
        serve_waiters(mutant);
    }
}

void mutants_abandon(void)
{
    irq_state_t state = spin_lock_irq(&scheduler_lock);

    wait_abandon_mutants(thread_self());
    spin_unlock_irq(&scheduler_lock, state);
}

void mutant_forget(struct waitable *mutant)
{
    irq_state_t state = spin_lock_irq(&scheduler_lock);

    ASSERT(list_is_empty(&mutant->waiters));
    list_remove(&mutant->owned);
    mutant->owner = NULL;
    spin_unlock_irq(&scheduler_lock, state);
}

int32_t waitable_read(const struct waitable *waitable)
{
    return __atomic_load_n(&waitable->count, __ATOMIC_RELAXED);
}

/* ---- waiting ---- */

/* Whether DEADLINE has passed; the clock is read only when it must be. */
static bool has_passed(int64_t deadline)
{
    return deadline != WAIT_FOREVER && (deadline <= 0 || deadline <= clock_now());
}

/* Waits, the blocks being in the lists. */
static inline status_t wait_now(struct thread *self, int64_t deadline, bool interruptible)
    REQUIRES(scheduler_lock)
{
    self->wait_interruptible = interruptible;
    if (deadline != WAIT_FOREVER) {
        timer_insert(self, deadline);
    }
    return scheduler_block(self);
}

/* Puts COUNT BLOCKS into the lists of WAITABLES and waits; the thread's own block is set again. */
static status_t block_on_many(struct thread *self, struct wait_block *blocks,
                              struct waitable *const *waitables, uint32_t count, int64_t deadline,
                              bool interruptible) REQUIRES(scheduler_lock)
{
    self->wait_count = count;
    self->wait_objects = waitables;
    self->wait_blocks = blocks;
    for (uint32_t i = 0; i < count; i++) {
        blocks[i].thread = self;
        list_insert_tail(&waitables[i]->waiters, &blocks[i].link);
    }
    status_t status = wait_now(self, deadline, interruptible);
    self->wait_all = false;
    self->wait_objects = &self->wait_object;
    self->wait_blocks = &self->wait_block;
    return status;
}

/* A mutant that is its owner's already, as often as can be counted. */
static bool is_exhausted(const struct waitable *waitable, const struct thread *self)
{
    return waitable->kind == WAITABLE_MUTANT && waitable->owner == self &&
           waitable->count == INT32_MIN;
}

/* The blocks, objects and wait_all of a thread are always set for a wait for one. */
static inline __attribute__((always_inline)) status_t
wait_for_locked(struct thread *self, struct waitable *waitable, int64_t deadline,
                bool interruptible) REQUIRES(scheduler_lock)
{
    if (interruptible && self->terminating) {
        return STATUS_THREAD_IS_TERMINATING;
    }
    if (is_signalled(waitable, self)) {
        return consume(waitable, self);
    }
    if (is_exhausted(waitable, self)) {
        return STATUS_MUTANT_LIMIT_EXCEEDED;
    }
    if (has_passed(deadline)) {
        return STATUS_TIMEOUT;
    }
    self->wait_count = 1;
    self->wait_object = waitable;
    list_insert_tail(&waitable->waiters, &self->wait_block.link);
    return wait_now(self, deadline, interruptible);
}

status_t wait_for(struct waitable *waitable, int64_t deadline, bool interruptible)
{
    lock_assert_none_spinning();
    irq_state_t state = spin_lock_irq(&scheduler_lock);
    status_t status = wait_for_locked(thread_self(), waitable, deadline, interruptible);
    spin_unlock_irq(&scheduler_lock, state);
    return status;
}

/* Satisfies the wait at once if it can be: true, and *STATUS is its result. */
static bool try_many(struct thread *self, struct waitable *const *waitables, uint32_t count,
                     bool all, status_t *status)
{
    if (all) {
        if (!all_signalled(waitables, count, self)) {
            return false;
        }
        *status = consume_all(waitables, count, self);
        return true;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (is_signalled(waitables[i], self)) {
            *status = consume(waitables[i], self) + (status_t)i;
            return true;
        }
        if (is_exhausted(waitables[i], self)) {
            *status = STATUS_MUTANT_LIMIT_EXCEEDED;
            return true;
        }
    }
    return false;
}

status_t wait_for_many(struct waitable *const *waitables, uint32_t count, bool all,
                       int64_t deadline, bool interruptible)
{
    struct wait_block blocks[WAIT_MAXIMUM];
    struct thread *self = thread_self();
    status_t status;

    VERIFY(count != 0 && count <= WAIT_MAXIMUM);
    lock_assert_none_spinning();
    irq_state_t state = spin_lock_irq(&scheduler_lock);
    if (interruptible && self->terminating) {
        status = STATUS_THREAD_IS_TERMINATING;
    } else if (!try_many(self, waitables, count, all, &status)) {
        if (has_passed(deadline)) {
            status = STATUS_TIMEOUT;
        } else {
            self->wait_all = all;
            status = block_on_many(self, blocks, waitables, count, deadline, interruptible);
        }
    }
    spin_unlock_irq(&scheduler_lock, state);
    return status;
}

static status_t signal_locked(struct waitable *waitable, const struct thread *self)
    REQUIRES(scheduler_lock)
{
    int32_t previous;

    switch (waitable->kind) {
    case WAITABLE_EVENT_MANUAL:
    case WAITABLE_EVENT_AUTO:
        event_set_locked(waitable);
        return STATUS_SUCCESS;
    case WAITABLE_SEMAPHORE:
        return semaphore_release_locked(waitable, 1, &previous);
    case WAITABLE_MUTANT:
        return mutant_release_locked(waitable, self, &previous);
    }
    unreachable();
}

status_t wait_signal_and_wait(struct waitable *first, struct waitable *second, int64_t deadline,
                              bool interruptible)
{
    struct thread *self = thread_self();

    lock_assert_none_spinning();
    irq_state_t state = spin_lock_irq(&scheduler_lock);
    status_t status = signal_locked(first, self);
    if (is_success(status)) {
        status = wait_for_locked(self, second, deadline, interruptible);
    }
    spin_unlock_irq(&scheduler_lock, state);
    return status;
}
