/*
 * tests/host/test_locks.c: spinlocks, mutexes, the rank checks (with planted violations), and
 * priority inheritance.
 */
#include "sim.h"
#include "test.h"

#include "kernel/clock.h"
#include "kernel/lock.h"
#include "kernel/log.h"

static struct mutex outer, inner;
static struct spinlock spin_low, spin_high;

static void boot(void)
{
    sim_boot(&(struct sim_config){.seed = 1});
    mutex_init(&outer, RANK_PROCESS);
    mutex_init(&inner, RANK_SPACE);
    spin_init(&spin_low, RANK_CHUNK);
    spin_init(&spin_high, RANK_PFN);
}

TEST("locks: taken in order and released in any")
{
    boot();
    mutex_lock(&outer);
    mutex_lock(&inner);
    spin_lock(&spin_low);
    irq_state_t state = irq_disable();
    irq_restore(state);
    spin_lock(&spin_high);
    EXPECT(spin_is_held(&spin_high) && mutex_is_mine(&outer));
    EXPECT(cpu_self()->preempt_count == 2);
    spin_unlock(&spin_low);
    mutex_unlock(&outer);
    spin_unlock(&spin_high);
    mutex_unlock(&inner);
    EXPECT(cpu_self()->preempt_count == 0 && !mutex_is_mine(&outer));
    lock_assert_none();
}

static void take_wrong_spinlocks(void)
{
    boot();
    spin_lock(&spin_high);
    spin_lock(&spin_low);
}

static void take_wrong_mutexes(void)
{
    boot();
    mutex_lock(&inner);
    mutex_lock(&outer);
}

static void take_mutex_under_spinlock(void)
{
    boot();
    spin_lock(&spin_low);
    mutex_lock(&outer);
}

static void take_twice(void)
{
    boot();
    mutex_lock(&outer);
    mutex_lock_nested(&outer);
}

static void take_same_rank(void)
{
    static struct spinlock other;

    boot();
    spin_init(&other, RANK_CHUNK);
    spin_lock(&spin_low);
    spin_lock_nested(&other);
    spin_unlock(&other);
    spin_lock(&other);
}

static void release_what_is_not_held(void)
{
    boot();
    spin_unlock(&spin_low);
}

static void wait_with_spinlock(void)
{
    struct waitable event;

    boot();
    waitable_init_event(&event, true, true);
    spin_lock(&spin_low);
    (void)wait_for(&event, 0, false);
}

static void return_with_mutex(void)
{
    boot();
    mutex_lock(&outer);
    lock_assert_none();
}

TEST("locks: every planted violation is caught")
{
    EXPECT(test_panics(take_wrong_spinlocks, "lock order"));
    EXPECT(test_panics(take_wrong_mutexes, "lock order"));
    EXPECT(test_panics(take_mutex_under_spinlock, "spinlock held"));
    EXPECT(test_panics(take_twice, "that it holds"));
    EXPECT(test_panics(take_same_rank, "lock order"));
    EXPECT(test_panics(release_what_is_not_held, "does not hold"));
    EXPECT(test_panics(wait_with_spinlock, "spinlock held"));
    EXPECT(test_panics(return_with_mutex, "still holds"));
}

/* ---- mutual exclusion under random preemption ---- */

static uint32_t counter;

static void count_up(void *argument)
{
    (void)argument;
    for (uint32_t i = 0; i < 200; i++) {
        mutex_lock(&outer);
        uint32_t value = counter;
        sim_poll();
        counter = value + 1;
        mutex_unlock(&outer);
    }
}

TEST("locks: a mutex excludes under random preemption")
{
    sim_boot(&(struct sim_config){.seed = 7, .preempt_one_in = 3});
    mutex_init(&outer, RANK_PROCESS);
    for (uint32_t i = 0; i < 5; i++) {
        sim_thread("counter", count_up, NULL, PRIORITY_NORMAL);
    }
    sim_join();
    EXPECT_EQUAL(counter, 1000);
    EXPECT(outer.owner_bits == 0);
}

/* ---- priority inheritance: low holds, high waits, middle would starve low ---- */

static struct waitable gate;
static uint32_t order[8];
static uint32_t norder;

static void note(uint32_t what)
{
    order[norder] = what;
    norder++;
}

/* Lets every other thread run until it waits. */
static void settle(void)
{
    thread_sleep_until(clock_now() + 10 * NS_PER_MS, false, NULL);
}

static void run_low(void *argument)
{
    (void)argument;
    mutex_lock(&inner);
    (void)wait_for(&gate, WAIT_FOREVER, false);
    EXPECT_EQUAL(thread_self()->priority, 20);
    note(1);
    mutex_unlock(&inner);
    EXPECT_EQUAL(thread_self()->priority, 4);
    note(4);
}

static void run_between(void *argument)
{
    (void)argument;
    mutex_lock(&outer);
    mutex_lock(&inner);
    EXPECT_EQUAL(thread_self()->priority, 20); /* lent on by the one that waits for outer */
    note(2);
    mutex_unlock(&inner);
    mutex_unlock(&outer);
}

static void run_high(void *argument)
{
    (void)argument;
    mutex_lock(&outer);
    note(3);
    mutex_unlock(&outer);
}

static void run_middle(void *argument)
{
    (void)argument;
    note(9);
}

TEST("locks: priority is lent through a chain of mutexes, and given back")
{
    boot();
    waitable_init_event(&gate, true, false);
    struct thread *low = sim_thread("low", run_low, NULL, 4);
    settle();
    struct thread *between = sim_thread("between", run_between, NULL, 6);
    settle();
    EXPECT(low->state == THREAD_WAITING && between->blocked_on == &inner);
    EXPECT_EQUAL(low->priority, 6);
    sim_thread("high", run_high, NULL, 20);
    EXPECT_EQUAL(between->priority, 20);
    EXPECT_EQUAL(low->priority, 20);
    sim_thread("middle", run_middle, NULL, 7);
    event_set(&gate);
    sim_join();
    EXPECT_EQUAL(norder, 5);
    EXPECT(order[0] == 1 && order[1] == 2 && order[2] == 3 && order[3] == 9 && order[4] == 4);
}

TEST("locks: raising the priority of a waiter reaches the owner")
{
    boot();
    waitable_init_event(&gate, true, false);
    struct thread *low = sim_thread("low", run_low, NULL, 4);
    settle();
    struct thread *between = sim_thread("between", run_between, NULL, 6);
    settle();
    thread_set_priority(between, 20);
    EXPECT_EQUAL(low->priority, 20);
    event_set(&gate);
    sim_join();
    EXPECT(order[0] == 1 && order[1] == 2);
}

static void panic_in_panic(void)
{
    boot();
    log_start_panic();
    panic("first %d", 1);
}

TEST("panic: prints its message, the threads and the last lines")
{
    EXPECT(test_panics(panic_in_panic, "quire: panic: first 1"));
    EXPECT(test_panics(panic_in_panic, "thread reaper"));
}
