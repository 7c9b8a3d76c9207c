/*
 * kernel/core/scheduler.c: which thread runs.
 *
 * 32 run queues, one a priority, and a word that says which are not empty: the best ready thread is
 * found in a few instructions. A running thread stands in no queue. It runs until it waits, until a
 * better one becomes ready, or until its time slice is over and an equal one is ready. One lock
 * guards everything, and is held across the switch from one thread to the next; interrupts are off
 * meanwhile.
 *
 * A thread that becomes ready marks its CPU (switch_wanted) when it is better than the one that
 * runs; the switch happens when preemption is next allowed: at the release of the last spinlock, or
 * on the way out of the interrupt. There is one set of queues for all CPUs.
 *
 * Deadlines stand in one list, earliest first. Time is counted by the timer's ticks: the switch
 * itself reads no clock.
 */
#include "core.h"

#include "kernel/clock.h"
#include "kernel/cpu.h"
#include "kernel/paging.h"
#include "quire/assert.h"

#define SLICE_TICKS 10u

struct cpu cpus[CPUS_MAX];
struct cpu *cpu_here = &cpus[0];

struct spinlock scheduler_lock = SPINLOCK_INIT(RANK_SCHEDULER);

static void (*tick_hook)(int64_t now);    /* [c] after start */
static struct list ready[PRIORITY_COUNT]; /* [scheduler lock] threads, by `link` */
static volatile uint32_t ready_mask;      /* [scheduler lock] bit n: ready[n] is not empty */
static struct list timers;                /* [scheduler lock] threads, by `timer_link` */

static struct thread boot_thread;
static struct thread idle_thread;
static uint8_t idle_stack[KERNEL_STACK_BYTES] ALIGNED(16);

uint32_t cpu_count(void)
{
    return 1;
}

struct cpu *cpu_get(uint32_t number)
{
    ASSERT(number < CPUS_MAX);
    return &cpus[number];
}

/* ---- run queues ---- */

static uint32_t best_ready(void)
{
    return 31u - (uint32_t)__builtin_clz(ready_mask);
}

static inline void enqueue(struct thread *thread, bool at_head)
{
    struct list *queue = &ready[thread->priority];

    thread->state = THREAD_READY;
    list_insert_after(at_head ? queue : queue->prev, &thread->link);
    ready_mask |= 1u << thread->priority;
}

static inline void dequeue(struct thread *thread)
{
    list_remove(&thread->link);
    if (list_is_empty(&ready[thread->priority])) {
        ready_mask &= ~(1u << thread->priority);
    }
}

/* Whether a thread of PRIORITY goes before the one that runs on this CPU. */
static bool is_better(const struct cpu *cpu, uint32_t priority)
{
    return cpu->thread == cpu->idle || priority > cpu->thread->priority;
}

static inline void make_ready(struct thread *thread)
{
    struct cpu *cpu = cpu_self();

    enqueue(thread, false);
    if (is_better(cpu, thread->priority)) {
        cpu->switch_wanted = true;
    }
}

static inline struct thread *take_best(const struct cpu *cpu)
{
    if (ready_mask == 0) {
        return cpu->idle;
    }
    struct thread *thread = list_entry(ready[best_ready()].next, struct thread, link);

    dequeue(thread);
    return thread;
}

void scheduler_change_priority(struct thread *thread, uint8_t priority)
{
    if (thread->priority == priority) {
        return;
    }
    if (thread->state == THREAD_READY) {
        dequeue(thread);
        thread->priority = priority;
        make_ready(thread);
        return;
    }
    thread->priority = priority;
    struct cpu *cpu = cpu_self();
    if (thread == cpu->thread && ready_mask != 0 && is_better(cpu, best_ready())) {
        cpu->switch_wanted = true;
    }
}

/* ---- switching ---- */

void scheduler_switch(struct thread *self)
{
    struct cpu *cpu = cpu_self();
    struct thread *next = take_best(cpu);

    cpu->switch_wanted = false;
    next->state = THREAD_RUNNING;
    if (next == self) {
        return;
    }
    cpu->thread = next;
    cpu->switches++;
    if (next->root != NULL && next->root != cpu->root) {
        paging_load(next->root);
    }
    arch_switch_prepare(self, next);
    arch_switch(&self->arch_stack_pointer, next->arch_stack_pointer);
}

static void leave_many(struct thread *thread)
{
    for (uint32_t i = 0; i < thread->wait_count; i++) {
        list_remove(&thread->wait_blocks[i].link);
    }
}

void scheduler_wake(struct thread *thread, status_t status)
{
    ASSERT(thread->state == THREAD_WAITING);
    if (thread->wait_count == 1) {
        list_remove(&thread->wait_blocks->link);
    } else {
        leave_many(thread);
    }
    thread->wait_count = 0;
    thread->wait_status = status;
    if (!list_is_empty(&thread->timer_link)) {
        list_remove(&thread->timer_link);
    }
    thread->slice_left = SLICE_TICKS;
    make_ready(thread);
}

/* Whether SELF, which runs, should let another one run now. */
static bool is_outdone(const struct cpu *cpu, const struct thread *self)
{
    if (ready_mask == 0) {
        return false;
    }
    uint32_t best = best_ready();

    return is_better(cpu, best) || (best == self->priority && self->slice_left == 0);
}

/* SELF gives way, and stays ready. A thread that was preempted early goes on before its equals. */
static void give_way(const struct cpu *cpu, struct thread *self) REQUIRES(scheduler_lock)
{
    if (self != cpu->idle) {
        bool ended = self->slice_left == 0;

        self->slice_left = ended ? SLICE_TICKS : self->slice_left;
        enqueue(self, !ended);
    }
    scheduler_switch(self);
}

/* Releases the lock without looking at switch_wanted: scheduler_preempt does so itself. */
static void unlock_quietly(irq_state_t state) RELEASES(scheduler_lock) UNCHECKED_LOCKS
{
    if (DEBUG_CHECKS) {
        lock_check_release(&scheduler_lock, true);
    }
    __atomic_store_n(&scheduler_lock.held, 0u, __ATOMIC_RELEASE);
    irq_restore(state);
}

void scheduler_preempt(void)
{
    while (cpu_self()->switch_wanted && cpu_self()->preempt_count == 0 && thread_self() != NULL) {
        irq_state_t state = spin_lock_irq(&scheduler_lock);
        struct cpu *cpu = cpu_self();
        struct thread *self = cpu->thread;

        cpu->switch_wanted = false;
        if (is_outdone(cpu, self)) {
            give_way(cpu, self);
        }
        unlock_quietly(state);
    }
}

void preempt_now(void)
{
    if (irq_is_enabled()) {
        scheduler_preempt();
    }
}

void thread_yield(void)
{
    struct thread *self = thread_self();

    if (ready_mask >> self->priority == 0) {
        return;
    }
    lock_assert_none_spinning();
    irq_state_t state = spin_lock_irq(&scheduler_lock);
    if (ready_mask >> self->priority != 0) {
        self->slice_left = SLICE_TICKS;
        enqueue(self, false);
        scheduler_switch(self);
    }
    spin_unlock_irq(&scheduler_lock, state);
}

/* ---- time ---- */

void timer_insert(struct thread *thread, int64_t deadline)
{
    struct list *place = &timers;

    thread->wait_deadline = deadline;
    while (place->prev != &timers &&
           list_entry(place->prev, struct thread, timer_link)->wait_deadline > deadline) {
        place = place->prev;
    }
    list_insert_tail(place, &thread->timer_link);
}

void timer_expire(int64_t now)
{
    while (!list_is_empty(&timers)) {
        struct thread *thread = list_entry(timers.next, struct thread, timer_link);

        if (thread->wait_deadline > now) {
            return;
        }
        scheduler_wake(thread, STATUS_TIMEOUT);
    }
}

int64_t scheduler_next_deadline(void)
{
    irq_state_t state = spin_lock_irq(&scheduler_lock);
    int64_t deadline = WAIT_FOREVER;

    if (!list_is_empty(&timers)) {
        deadline = list_entry(timers.next, struct thread, timer_link)->wait_deadline;
    }
    spin_unlock_irq(&scheduler_lock, state);
    return deadline;
}

void scheduler_set_tick_hook(void (*hook)(int64_t now))
{
    tick_hook = hook;
}

void scheduler_tick(int64_t now)
{
    struct cpu *cpu = cpu_self();
    struct thread *self = cpu->thread;

    if (self == NULL) {
        return;
    }
    irq_state_t state = spin_lock_irq(&scheduler_lock);
    self->run_time += (uint64_t)(now - cpu->tick_time);
    cpu->tick_time = now;
    timer_expire(now);
    if (self != cpu->idle) {
        self->slice_left -= self->slice_left != 0 ? 1u : 0u;
        if (self->slice_left == 0 && ready_mask >> self->priority != 0) {
            cpu->switch_wanted = true;
        }
    }
    spin_unlock_irq(&scheduler_lock, state);
    if (tick_hook != NULL) {
        tick_hook(now);
    }
}

uint64_t scheduler_idle_time(void)
{
    return cpu_self()->idle_time;
}

/* ---- start ---- */

/*
 * What runs when nothing else can. Preemption is off in arch_idle, so that the interrupt that ends
 * it comes back here: the time is counted before somebody else runs.
 */
static void idle(void *argument)
{
    (void)argument;
    for (;;) {
        irq_state_t state = irq_disable();
        struct cpu *cpu = cpu_self();

        if (!cpu->switch_wanted) {
            int64_t before = clock_now();

            preempt_disable();
            arch_idle();
            cpu->idle_time += (uint64_t)(clock_now() - before);
            preempt_enable();
        }
        irq_restore(state);
        scheduler_preempt();
    }
}

void scheduler_start(void)
{
    struct cpu *cpu = cpu_self();

    for (uint32_t i = 0; i < PRIORITY_COUNT; i++) {
        list_init(&ready[i]);
    }
    list_init(&timers);
    thread_prepare(&boot_thread,
                   &(struct thread_parameters){.name = "boot", .priority = PRIORITY_NORMAL});
    thread_init(&idle_thread, &(struct thread_parameters){.name = "idle",
                                                          .entry = idle,
                                                          .stack_base = idle_stack,
                                                          .stack_nbytes = sizeof(idle_stack),
                                                          .priority = PRIORITY_IDLE});
    boot_thread.state = THREAD_RUNNING;
    boot_thread.slice_left = SLICE_TICKS;
    cpu->idle = &idle_thread;
    cpu->tick_time = clock_now();
    cpu->thread = &boot_thread;
    reaper_start();
}

void scheduler_add(struct thread *thread)
{
    thread->slice_left = SLICE_TICKS;
    make_ready(thread);
}
