/*
 * tests/host/test_waits.c: events, semaphores, mutants, any and all, time limits, the end of
 * threads while they wait.
 */
#include "sim.h"
#include "test.h"

#include "kernel/clock.h"
#include "kernel/lock.h"

static struct waitable first, second, third;
static volatile uint32_t woken;
static status_t results[8];

static int64_t soon(void)
{
    return clock_now() + 5 * NS_PER_MS;
}

/* Lets every other thread run until it waits. */
static void settle(void)
{
    thread_sleep_until(clock_now() + 10 * NS_PER_MS, false, NULL);
}

static void boot(void)
{
    sim_boot(&(struct sim_config){.seed = 1});
}

static void wait_first(void *argument)
{
    results[(uintptr_t)argument] = wait_for(&first, WAIT_FOREVER, true);
    woken++;
}

TEST("waits: an auto event serves one waiter, in the order of their coming")
{
    boot();
    waitable_init_event(&first, false, false);
    for (uintptr_t i = 0; i < 3; i++) {
        results[i] = -1;
        sim_thread("waiter", wait_first, (void *)i, PRIORITY_NORMAL);
    }
    settle();
    EXPECT(event_set(&first) == 0);
    EXPECT(waitable_read(&first) == 0); /* handed over at once */
    settle();
    EXPECT(woken == 1 && results[0] == STATUS_SUCCESS && results[1] == -1);
    event_set(&first);
    event_set(&first);
    settle();
    EXPECT(woken == 3);
    EXPECT(event_set(&first) == 0 && event_set(&first) == 1 && event_reset(&first) == 1);
    EXPECT_STATUS(wait_for(&first, 0, false), STATUS_TIMEOUT);
}

TEST("waits: a manual event serves all and stays; a pulse serves and goes")
{
    boot();
    waitable_init_event(&first, true, false);
    sim_thread("a", wait_first, (void *)0, PRIORITY_NORMAL);
    sim_thread("b", wait_first, (void *)1, PRIORITY_NORMAL);
    settle();
    EXPECT(event_pulse(&first) == 0 && waitable_read(&first) == 0);
    settle();
    EXPECT(woken == 2);
    event_set(&first);
    EXPECT_STATUS(wait_for(&first, 0, false), STATUS_SUCCESS);
    EXPECT_STATUS(wait_for(&first, WAIT_FOREVER, false), STATUS_SUCCESS);
    EXPECT(waitable_read(&first) == 1);
}

TEST("waits: a semaphore counts, refuses to pass its limit, and serves as many as it may")
{
    int32_t previous = -1;

    boot();
    waitable_init_semaphore(&first, 1, 3);
    EXPECT_STATUS(semaphore_release(&first, 3, &previous), STATUS_SEMAPHORE_LIMIT_EXCEEDED);
    EXPECT(previous == -1 && waitable_read(&first) == 1);
    EXPECT_STATUS(semaphore_release(&first, INT32_MAX, &previous), STATUS_SEMAPHORE_LIMIT_EXCEEDED);
    EXPECT_STATUS(semaphore_release(&first, 2, &previous), STATUS_SUCCESS);
    EXPECT(previous == 1);
    for (uint32_t i = 0; i < 3; i++) {
        EXPECT_STATUS(wait_for(&first, 0, false), STATUS_SUCCESS);
    }
    EXPECT_STATUS(wait_for(&first, soon(), false), STATUS_TIMEOUT);
    for (uintptr_t i = 0; i < 4; i++) {
        sim_thread("waiter", wait_first, (void *)i, PRIORITY_NORMAL);
    }
    settle();
    EXPECT_STATUS(semaphore_release(&first, 3, &previous), STATUS_SUCCESS);
    EXPECT(waitable_read(&first) == 0);
    settle();
    EXPECT(woken == 3);
}

static void own_and_end(void *argument)
{
    (void)argument;
    EXPECT_STATUS(wait_for(&first, WAIT_FOREVER, true), STATUS_SUCCESS);
    EXPECT_STATUS(wait_for(&first, WAIT_FOREVER, true), STATUS_SUCCESS);
    if (argument != NULL) {
        (void)wait_for(&second, WAIT_FOREVER, true);
    }
}

TEST("waits: a mutant is recursive, belongs to its owner, and is abandoned when that ends")
{
    int32_t previous;

    boot();
    waitable_init_mutant(&first, true);
    EXPECT_STATUS(wait_for(&first, 0, false), STATUS_SUCCESS);
    EXPECT(waitable_read(&first) == -1);
    sim_thread("owner", own_and_end, NULL, PRIORITY_NORMAL);
    settle();
    EXPECT_STATUS(mutant_release(&first, &previous), STATUS_SUCCESS);
    EXPECT(previous == -1);
    EXPECT_STATUS(mutant_release(&first, &previous), STATUS_SUCCESS);
    EXPECT(previous == 0);
    EXPECT_STATUS(mutant_release(&first, &previous), STATUS_MUTANT_NOT_OWNED);
    sim_join();
    EXPECT_STATUS(wait_for(&first, 0, false), STATUS_ABANDONED_WAIT_0);
    EXPECT_STATUS(wait_for(&first, 0, false), STATUS_SUCCESS); /* told once */
    EXPECT(list_is_empty(&first.waiters) && first.owner == thread_self());
}

TEST("waits: abandoned to a thread that waits already")
{
    boot();
    waitable_init_mutant(&first, false);
    waitable_init_event(&second, true, false);
    sim_thread("owner", own_and_end, (void *)1, PRIORITY_NORMAL);
    settle();
    sim_thread("waiter", wait_first, (void *)0, PRIORITY_NORMAL);
    settle();
    EXPECT(woken == 0);
    event_set(&second);
    sim_join();
    EXPECT(woken == 1);
    EXPECT_STATUS(results[0], STATUS_ABANDONED_WAIT_0);
    EXPECT_STATUS(wait_for(&first, 0, false), STATUS_ABANDONED_WAIT_0); /* the waiter ended too */
}

/* ---- several ---- */

static struct waitable *const all_three[] = {&first, &second, &third};

static void wait_any(void *argument)
{
    results[(uintptr_t)argument] = wait_for_many(all_three, 3, false, WAIT_FOREVER, true);
    woken++;
}

static void wait_all(void *argument)
{
    results[(uintptr_t)argument] = wait_for_many(all_three, 3, true, WAIT_FOREVER, true);
    woken++;
}

TEST("waits: any: the index, the lowest of those that are signalled, the others untouched")
{
    boot();
    waitable_init_event(&first, false, false);
    waitable_init_event(&second, false, true);
    waitable_init_semaphore(&third, 1, 1);
    EXPECT_STATUS(wait_for_many(all_three, 3, false, 0, false), STATUS_SUCCESS + 1);
    EXPECT(waitable_read(&third) == 1);
    EXPECT_STATUS(wait_for_many(all_three, 3, false, 0, false), STATUS_SUCCESS + 2);
    EXPECT_STATUS(wait_for_many(all_three, 3, false, soon(), false), STATUS_TIMEOUT);
    EXPECT(list_is_empty(&first.waiters) && list_is_empty(&third.waiters));
    sim_thread("any", wait_any, (void *)0, PRIORITY_NORMAL);
    settle();
    event_set(&second);
    sim_join();
    EXPECT_STATUS(results[0], STATUS_SUCCESS + 1);
    EXPECT(list_is_empty(&first.waiters) && list_is_empty(&third.waiters));
}

TEST("waits: all: nothing is consumed before everything is there")
{
    boot();
    waitable_init_event(&first, false, false);
    waitable_init_mutant(&second, false);
    waitable_init_semaphore(&third, 0, 5);
    int32_t previous;

    sim_thread("all", wait_all, (void *)0, PRIORITY_NORMAL);
    settle();
    event_set(&first);
    (void)semaphore_release(&third, 1, &previous);
    EXPECT(waitable_read(&first) == 0 || woken == 0);
    sim_join();
    EXPECT(woken == 1);
    EXPECT_STATUS(results[0], STATUS_SUCCESS);
    EXPECT(waitable_read(&first) == 0 && waitable_read(&third) == 0);
    woken = 0;
    EXPECT_STATUS(wait_for(&second, 0, false), STATUS_ABANDONED_WAIT_0); /* "all" has ended */
    sim_thread("all", wait_all, (void *)1, PRIORITY_NORMAL);
    settle();
    event_set(&first);
    (void)semaphore_release(&third, 1, &previous);
    settle();
    EXPECT(woken == 0 && waitable_read(&first) == 1 && waitable_read(&third) == 1);
    sim_thread("thief", wait_first, (void *)2, PRIORITY_NORMAL); /* passes the one that waits */
    settle();
    EXPECT(woken == 1 && waitable_read(&first) == 0);
    EXPECT_STATUS(mutant_release(&second, &previous), STATUS_SUCCESS);
    settle();
    EXPECT(woken == 1);
    event_set(&first);
    sim_join();
    EXPECT(woken == 2);
}

TEST("waits: the same waitable twice in one wait")
{
    static struct waitable *const twice[] = {&first, &first};

    boot();
    waitable_init_event(&first, true, false);
    EXPECT_STATUS(wait_for_many(twice, 2, false, soon(), false), STATUS_TIMEOUT);
    EXPECT(list_is_empty(&first.waiters));
    sim_thread("a", wait_first, (void *)0, PRIORITY_NORMAL);
    settle();
    event_set(&first);
    EXPECT_STATUS(wait_for_many(twice, 2, true, WAIT_FOREVER, false), STATUS_SUCCESS);
    sim_join();
}

TEST("waits: 64 of them")
{
    static struct waitable events[WAIT_MAXIMUM];
    static struct waitable *pointers[WAIT_MAXIMUM];

    boot();
    for (uint32_t i = 0; i < WAIT_MAXIMUM; i++) {
        waitable_init_event(&events[i], false, i == 63);
        pointers[i] = &events[i];
    }
    EXPECT_STATUS(wait_for_many(pointers, 64, false, WAIT_FOREVER, false), STATUS_SUCCESS + 63);
    EXPECT_STATUS(wait_for_many(pointers, 64, false, soon(), false), STATUS_TIMEOUT);
    for (uint32_t i = 0; i < WAIT_MAXIMUM; i++) {
        EXPECT(list_is_empty(&events[i].waiters));
        event_set(&events[i]);
    }
    EXPECT_STATUS(wait_for_many(pointers, 64, true, 0, false), STATUS_SUCCESS);
}

/* ---- time ---- */

TEST("waits: a deadline in the past only looks; one in the future ends the wait, not early")
{
    boot();
    waitable_init_event(&first, false, true);
    EXPECT_STATUS(wait_for(&first, clock_now() - 1, false), STATUS_SUCCESS);
    EXPECT_STATUS(wait_for(&first, clock_now() - 1, false), STATUS_TIMEOUT);
    int64_t deadline = clock_now() + 50 * NS_PER_MS;
    EXPECT_STATUS(wait_for(&first, deadline, false), STATUS_TIMEOUT);
    EXPECT(clock_now() >= deadline && clock_now() < deadline + 3 * NS_PER_MS);
}

static uint32_t sleep_order[4];
static uint32_t nsleep;

static void sleeper(void *argument)
{
    status_t status = -1;

    thread_sleep_until((int64_t)(uintptr_t)argument * NS_PER_MS, true, &status);
    EXPECT_STATUS(status, STATUS_SUCCESS);
    sleep_order[nsleep] = (uint32_t)(uintptr_t)argument;
    nsleep++;
}

TEST("waits: sleepers wake in the order of their deadlines")
{
    boot();
    sim_thread("s", sleeper, (void *)90, PRIORITY_NORMAL);
    sim_thread("s", sleeper, (void *)30, PRIORITY_NORMAL);
    sim_thread("s", sleeper, (void *)120, PRIORITY_NORMAL);
    sim_thread("s", sleeper, (void *)60, PRIORITY_NORMAL);
    sim_join();
    for (uint32_t i = 0; i < 4; i++) {
        EXPECT_EQUAL(sleep_order[i], 30 * (i + 1));
    }
    EXPECT(clock_now() >= 120 * NS_PER_MS && scheduler_next_deadline() == WAIT_FOREVER);
}

/* ---- the end of a thread that waits ---- */

static void sleep_long(void *argument)
{
    (void)argument;
    thread_sleep_until(WAIT_FOREVER, true, &results[3]);
}

static void wait_deaf(void *argument)
{
    (void)argument;
    results[4] = wait_for(&second, WAIT_FOREVER, false);
    results[5] = wait_for(&second, WAIT_FOREVER, true);
}

TEST("waits: termination ends interruptible waits only")
{
    boot();
    waitable_init_event(&first, false, false);
    waitable_init_event(&second, false, false);
    waitable_init_event(&third, false, false);
    struct thread *one = sim_thread("one", wait_first, (void *)0, PRIORITY_NORMAL);
    struct thread *any = sim_thread("any", wait_any, (void *)1, PRIORITY_NORMAL);
    struct thread *sleeps = sim_thread("sleeps", sleep_long, NULL, PRIORITY_NORMAL);
    struct thread *deaf = sim_thread("deaf", wait_deaf, NULL, PRIORITY_NORMAL);
    settle();
    thread_terminate(deaf);
    thread_terminate(any);
    thread_terminate(one);
    thread_terminate(sleeps);
    settle();
    EXPECT_STATUS(results[0], STATUS_THREAD_IS_TERMINATING);
    EXPECT_STATUS(results[1], STATUS_THREAD_IS_TERMINATING);
    EXPECT_STATUS(results[3], STATUS_THREAD_IS_TERMINATING);
    EXPECT(deaf->state == THREAD_WAITING);
    event_set(&second);
    sim_join();
    EXPECT_STATUS(results[4], STATUS_SUCCESS);
    EXPECT_STATUS(results[5], STATUS_THREAD_IS_TERMINATING);
    EXPECT(list_is_empty(&first.waiters) && list_is_empty(&third.waiters));
}

/* ---- suspension ---- */

static void step(void *argument)
{
    (void)argument;
    results[0] = thread_wait_resumed();
    woken++;
}

TEST("waits: a suspended thread waits on its way to user mode, until it is resumed or ended")
{
    boot();
    struct thread *one = sim_thread("one", step, NULL, PRIORITY_NORMAL);
    EXPECT(thread_suspend(one) == 0 && thread_suspend(one) == 1 && thread_is_summoned(one));
    settle();
    EXPECT(thread_resume(one) == 2);
    settle();
    EXPECT(woken == 0);
    EXPECT(thread_resume(one) == 1);
    sim_join();
    EXPECT(woken == 1);
    EXPECT_STATUS(results[0], STATUS_SUCCESS);
    struct thread *two = sim_thread("two", step, NULL, PRIORITY_NORMAL);
    thread_suspend(two);
    settle();
    thread_terminate(two);
    sim_join();
    EXPECT_STATUS(results[0], STATUS_THREAD_IS_TERMINATING);
    EXPECT(thread_resume(thread_self()) == 0);
}

static bool woken_while_suspended;

/* Suspends the thread ARGUMENT and resumes it, looking in between. */
static void toggle(void *argument)
{
    struct thread *thread = argument;

    for (uint32_t i = 0; i < 500; i++) {
        thread_suspend(thread);
        sim_poll();
        irq_state_t state = irq_disable();
        if (thread->suspend_count != 0 && thread->resumed.count != 0) {
            woken_while_suspended = true;
        }
        irq_restore(state);
        thread_resume(thread);
    }
}

TEST("waits: a thread that one resumes while another suspends it is not woken")
{
    sim_boot(&(struct sim_config){.seed = 5, .preempt_one_in = 3});
    sim_thread("one", toggle, thread_self(), PRIORITY_NORMAL);
    sim_thread("two", toggle, thread_self(), PRIORITY_NORMAL);
    sim_join();
    EXPECT(!woken_while_suspended);
    EXPECT(thread_self()->suspend_count == 0 && thread_self()->resumed.count == 1);
}

/* ---- signal and wait ---- */

static void answer(void *argument)
{
    (void)argument;
    for (uint32_t i = 0; i < 100; i++) {
        REQUIRE(wait_for(&first, WAIT_FOREVER, true) == STATUS_SUCCESS);
        woken++;
        event_set(&second);
    }
}

TEST("waits: signal and wait as one step; ping-pong switches twice a round")
{
    int32_t previous;

    boot();
    waitable_init_event(&first, false, false);
    waitable_init_event(&second, false, false);
    sim_thread("answer", answer, NULL, PRIORITY_NORMAL);
    settle();
    uint64_t switches = cpu_self()->switches;
    for (uint32_t i = 0; i < 100; i++) {
        EXPECT_STATUS(wait_signal_and_wait(&first, &second, WAIT_FOREVER, true), STATUS_SUCCESS);
        EXPECT_EQUAL(woken, i + 1);
    }
    EXPECT(cpu_self()->switches - switches <= 210);
    waitable_init_mutant(&first, false);
    EXPECT_STATUS(wait_signal_and_wait(&first, &second, 0, false), STATUS_MUTANT_NOT_OWNED);
    waitable_init_semaphore(&first, 1, 1);
    EXPECT_STATUS(wait_signal_and_wait(&first, &second, 0, false), STATUS_SEMAPHORE_LIMIT_EXCEEDED);
    (void)wait_for(&first, 0, false);
    EXPECT_STATUS(wait_signal_and_wait(&first, &second, 0, false), STATUS_TIMEOUT);
    EXPECT_STATUS(semaphore_release(&first, 1, &previous), STATUS_SEMAPHORE_LIMIT_EXCEEDED);
}

static void deadlock(void)
{
    boot();
    waitable_init_event(&first, false, false);
    (void)wait_for(&first, WAIT_FOREVER, false);
}

TEST("waits: the simulated machine reports that nobody can wake anyone")
{
    EXPECT(test_panics(deadlock, "every thread waits"));
    EXPECT(test_panics(deadlock, "for auto event"));
}
