/*
 * kernel/core/thread.c: the life of a thread: made, started, suspended, asked to end, ended, freed.
 *
 * A thread begins in thread_begin, which releases the scheduler lock that the switch to it has
 * brought along. It ends in thread_exit, on its own stack, which it cannot free: the reaper thread
 * does, when the scheduler lock tells that the CPU has left that stack. Until then it lies in the
 * list of the dead.
 *
 * To terminate a thread means to ask it: its interruptible waits end, and on its way back to user
 * mode it exits. Nothing is torn from under kernel code that runs.
 */
#include "core.h"

#include "kernel/clock.h"
#include "kernel/log.h"
#include "kernel/paging.h"
#include "kernel/string.h"
#include "quire/assert.h"

static struct list all_threads = {&all_threads, &all_threads}; /* [scheduler lock] */
static struct list dead = {&dead, &dead};                      /* [scheduler lock] by `link` */
static void (*reaper_hook)(struct thread *thread);             /* [c] */
static struct thread reaper;
static bool reaper_waits; /* [scheduler lock] */
static uint8_t reaper_stack[KERNEL_STACK_BYTES] ALIGNED(16);

/* ---- beginning ---- */

/* The first thing a new thread runs: the scheduler lock is held, interrupts are off. */
static void thread_begin(void *argument) UNCHECKED_LOCKS
{
    struct thread *self = argument;

    spin_unlock_irq(&scheduler_lock, IRQ_ENABLED);
    self->entry(self->argument);
    thread_exit();
}

void thread_prepare(struct thread *thread, const struct thread_parameters *parameters)
{
    size_t length = strnlen(parameters->name, sizeof(thread->name) - 1);

    memset(thread, 0, sizeof(*thread));
    memcpy(thread->name, parameters->name, length);
    list_init(&thread->link);
    list_init(&thread->all_link);
    list_init(&thread->timer_link);
    list_init(&thread->wait_block.link);
    thread->wait_block.thread = thread;
    thread->wait_blocks = &thread->wait_block;
    thread->wait_objects = &thread->wait_object;
    list_init(&thread->mutants);
    list_init(&thread->contended);
    waitable_init_event(&thread->resumed, true, true);
    thread->state = THREAD_NEW;
    thread->priority = parameters->priority;
    thread->base_priority = parameters->priority;
    thread->entry = parameters->entry;
    thread->argument = parameters->argument;
    thread->reap = parameters->reap;
    thread->space = parameters->space;
    thread->root = parameters->root;
    thread->owner = parameters->owner;
    thread->stack_base = parameters->stack_base;
    thread->stack_nbytes = parameters->stack_nbytes;
    thread->arch_fpu = parameters->fpu_state;

    irq_state_t state = spin_lock_irq(&scheduler_lock);
    list_insert_tail(&all_threads, &thread->all_link);
    spin_unlock_irq(&scheduler_lock, state);
}

void thread_init(struct thread *thread, const struct thread_parameters *parameters)
{
    ASSERT(parameters->priority < PRIORITY_COUNT && parameters->entry != NULL);
    thread_prepare(thread, parameters);
    if (DEBUG_CHECKS) { /* thread_begin releases it */
        thread->held_locks[0] = &scheduler_lock;
        thread->held_ranks[0] = RANK_SCHEDULER;
        thread->held_count = 1;
        thread->spin_count = 1;
    }
    arch_thread_init(thread, thread_begin, thread);
}

void thread_start(struct thread *thread)
{
    irq_state_t state = spin_lock_irq(&scheduler_lock);

    ASSERT(thread->state == THREAD_NEW);
    scheduler_add(thread);
    spin_unlock_irq(&scheduler_lock, state);
}

/* ---- end ---- */

void thread_set_reaper(void (*reap)(struct thread *thread))
{
    reaper_hook = reap;
}

/* Takes the oldest dead thread, waiting until there is one. */
static struct thread *next_dead(struct thread *self)
{
    irq_state_t state = spin_lock_irq(&scheduler_lock);

    self->wait_interruptible = false;
    while (list_is_empty(&dead)) {
        reaper_waits = true;
        scheduler_block(self);
    }
    struct thread *thread = list_entry(dead.next, struct thread, link);
    list_remove(&thread->link);
    spin_unlock_irq(&scheduler_lock, state);
    return thread;
}

static void reaper_run(void *argument)
{
    (void)argument;
    for (;;) {
        struct thread *thread = next_dead(&reaper);
        void (*reap)(struct thread *) = thread->reap != NULL ? thread->reap : reaper_hook;

        if (reap != NULL) {
            reap(thread);
        }
    }
}

void reaper_start(void)
{
    thread_init(&reaper, &(struct thread_parameters){.name = "reaper",
                                                     .entry = reaper_run,
                                                     .stack_base = reaper_stack,
                                                     .stack_nbytes = sizeof(reaper_stack),
                                                     .priority = PRIORITY_HIGH});
    thread_start(&reaper);
}

/* Leaves the address space for good, so that no CPU walks its tables when it is destroyed. */
static void leave_space(void)
{
    if (thread_self()->root != NULL) {
        thread_attach_space(NULL, NULL);
    }
}

void thread_exit(void)
{
    struct thread *self = thread_self();

    lock_assert_none();
    leave_space();
    (void)spin_lock_irq(&scheduler_lock);
    wait_abandon_mutants(self);
    list_remove(&self->all_link);
    self->state = THREAD_ENDED;
    list_insert_tail(&dead, &self->link);
    if (reaper_waits) {
        reaper_waits = false;
        scheduler_wake(&reaper, STATUS_SUCCESS);
    }
    scheduler_switch(self);
    unreachable();
}

void thread_terminate(struct thread *thread)
{
    irq_state_t state = spin_lock_irq(&scheduler_lock);

    thread->terminating = true;
    if (thread->state == THREAD_WAITING && thread->wait_interruptible) {
        scheduler_wake(thread, STATUS_THREAD_IS_TERMINATING);
    }
    spin_unlock_irq(&scheduler_lock, state);
}

/* ---- between ---- */

void thread_sleep_until(int64_t deadline, bool interruptible, status_t *status)
{
    struct thread *self = thread_self();
    status_t result = STATUS_SUCCESS;

    lock_assert_none_spinning();
    irq_state_t state = spin_lock_irq(&scheduler_lock);
    if (interruptible && self->terminating) {
        result = STATUS_THREAD_IS_TERMINATING;
    } else if (deadline > clock_now()) {
        self->wait_interruptible = interruptible;
        if (deadline != WAIT_FOREVER) {
            timer_insert(self, deadline);
        }
        result = scheduler_block(self);
    }
    spin_unlock_irq(&scheduler_lock, state);
    if (status != NULL) {
        *status = result == STATUS_TIMEOUT ? STATUS_SUCCESS : result;
    }
}

void thread_set_priority(struct thread *thread, uint8_t priority)
{
    irq_state_t state = spin_lock_irq(&scheduler_lock);

    ASSERT(priority < PRIORITY_COUNT);
    thread->base_priority = priority;
    scheduler_change_priority(thread, mutex_inherited_priority(thread));
    if (thread->blocked_on != NULL) {
        mutex_waiter_changed(thread);
    }
    spin_unlock_irq(&scheduler_lock, state);
}

uint32_t thread_suspend(struct thread *thread)
{
    irq_state_t state = spin_lock_irq(&scheduler_lock);
    uint32_t previous = thread->suspend_count++;

    thread->resumed.count = 0;
    spin_unlock_irq(&scheduler_lock, state);
    return previous;
}

uint32_t thread_resume(struct thread *thread)
{
    irq_state_t state = spin_lock_irq(&scheduler_lock);
    uint32_t previous = thread->suspend_count;

    thread->suspend_count -= previous != 0 ? 1u : 0u;
    if (previous == 1) { /* with the count: whoever suspends it next resets the event again */
        event_set_locked(&thread->resumed);
    }
    spin_unlock_irq(&scheduler_lock, state);
    return previous;
}

status_t thread_wait_resumed(void)
{
    struct thread *self = thread_self();

    while (self->suspend_count != 0) {
        status_t status = wait_for(&self->resumed, WAIT_FOREVER, true);

        if (is_error(status)) {
            return status;
        }
    }
    return self->terminating ? STATUS_THREAD_IS_TERMINATING : STATUS_SUCCESS;
}

void thread_attach_space(struct space *space, const struct paging_root *root)
{
    struct thread *self = thread_self();

    preempt_disable();
    self->space = space;
    self->root = root;
    if (cpu_self()->root != root) {
        paging_load(root);
    }
    preempt_enable();
}

/* ---- looking at them ---- */

void thread_for_each(void (*visit)(struct thread *thread, void *context), void *context)
{
    irq_state_t state = spin_lock_irq(&scheduler_lock);

    list_for_each(link, &all_threads) {
        visit(list_entry(link, struct thread, all_link), context);
    }
    spin_unlock_irq(&scheduler_lock, state);
}

static void print_waits(const struct thread *thread)
{
    static const char *const kinds[] = {"event", "auto event", "semaphore", "mutant"};

    for (uint32_t i = 0; i < thread->wait_count; i++) {
        const struct waitable *waitable = thread->wait_objects[i];
        const char *owner = waitable->owner != NULL ? waitable->owner->name : "-";

        log_print("    for %s %p count %d owner %s\n", kinds[waitable->kind],
                  (const void *)waitable, waitable->count, owner);
    }
    if (thread->blocked_on != NULL) {
        log_print("    for mutex %p rank %u owner %s\n", (void *)thread->blocked_on,
                  thread->blocked_on->rank, mutex_owner(thread->blocked_on)->name);
    }
}

static void print_thread(struct thread *thread, void *context)
{
    static const char *const states[] = {"new", "ready", "running", "waiting", "ended"};

    (void)context;
    log_print("thread %-15s %-7s priority %u (%u)%s suspended %u\n", thread->name,
              states[thread->state], thread->priority, thread->base_priority,
              thread->terminating ? " terminating" : "", thread->suspend_count);
    print_waits(thread);
    for (uint32_t i = 0; i < thread->held_count; i++) {
        log_print("    holds %p rank %u\n", thread->held_locks[i], thread->held_ranks[i]);
    }
}

void thread_print_wait_graph(void)
{
    thread_for_each(print_thread, NULL);
}
