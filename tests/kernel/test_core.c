/*
 * tests/kernel/test_core.c: kernel/core and kernel/lib on the real machine: interrupts preempt,
 * the clock runs, stacks are switched. What needs no machine is tested more closely on the host.
 */
#include "selftest.h"

#include "kernel/clock.h"
#include "kernel/cpu.h"
#include "kernel/format.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include "kernel/string.h"
#include "kernel/thread.h"
#include "kernel/wait.h"

/* ---- lib ---- */

static void formats(void)
{
    char text[64];

    EXPECT(kformat(text, sizeof(text), "%s %5d|%-5u|%08X", "a", -42, 7u, 0xBEEFu) == 22);
    EXPECT(strcmp(text, "a   -42|7    |0000BEEF") == 0);
    (void)kformat(text, sizeof(text), "%llu %lld %llx", 18446744073709551615ull, -1ll, 1ull << 40);
    EXPECT(strcmp(text, "18446744073709551615 -1 10000000000") == 0);
    EXPECT(kformat(text, 4, "%s", "abcdef") == 6 && strcmp(text, "abc") == 0);
}
SELFTEST("lib: format", formats);

static void moves_memory(void)
{
    static uint8_t bytes[64];

    for (uint32_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)i;
    }
    memmove(bytes + 3, bytes, 40);
    EXPECT(bytes[3] == 0 && bytes[42] == 39 && bytes[43] == 43);
    memmove(bytes, bytes + 3, 40);
    EXPECT(bytes[0] == 0 && bytes[39] == 39);
    memset(bytes + 1, 0xA5, 6);
    EXPECT(bytes[0] == 0 && bytes[1] == 0xA5 && bytes[6] == 0xA5 && bytes[7] == 7);
    memcpy(bytes + 50, bytes, 7);
    EXPECT(memcmp(bytes + 50, bytes, 7) == 0 && memcmp(bytes, bytes + 1, 2) < 0);
}
SELFTEST("lib: memory moves", moves_memory);

static void logs(void)
{
    char text[64];

    log_print("# a line for the ring\n");
    EXPECT(log_tail(text, sizeof(text)) != 0);
    size_t length = strlen(text);
    EXPECT(length >= 22 && strcmp(text + length - 22, "# a line for the ring\n") == 0);
}
SELFTEST("log: the ring keeps the last line", logs);

/* ---- locks ---- */

static struct mutex mutex;
static struct spinlock spinlock;
static volatile uint32_t counter;
static volatile uint32_t finished;

static void count_up(void *argument)
{
    (void)argument;
    for (uint32_t i = 0; i < 20000; i++) {
        mutex_lock(&mutex);
        uint32_t value = counter;
        if (i % 512 == 0) {
            thread_yield();
        }
        counter = value + 1;
        mutex_unlock(&mutex);
    }
}

static void excludes(void)
{
    counter = 0;
    mutex_init(&mutex, RANK_PROCESS);
    for (uint32_t i = 0; i < 4; i++) {
        (void)selftest_thread("counter", count_up, NULL, PRIORITY_NORMAL);
    }
    selftest_join();
    EXPECT_EQUAL(counter, 80000);
    EXPECT(mutex.owner_bits == 0);
}
SELFTEST("locks: a mutex excludes while the timer preempts", excludes);

static void count_spinning(void *argument)
{
    (void)argument;
    for (uint32_t i = 0; i < 100000; i++) {
        spin_lock(&spinlock);
        counter = counter + 1;
        spin_unlock(&spinlock);
    }
}

static void spins(void)
{
    counter = 0;
    spin_init(&spinlock, RANK_CHUNK);
    for (uint32_t i = 0; i < 3; i++) {
        (void)selftest_thread("spinner", count_spinning, NULL, PRIORITY_NORMAL);
    }
    selftest_join();
    EXPECT_EQUAL(counter, 300000);
    irq_state_t state = spin_lock_irq(&spinlock);
    EXPECT(!irq_is_enabled() && spin_is_held(&spinlock));
    spin_unlock_irq(&spinlock, state);
    EXPECT(irq_is_enabled() && cpu_self()->preempt_count == 0);
}
SELFTEST("locks: a spinlock keeps others and interrupts away", spins);

static struct waitable gate;
static uint8_t lent;

static void hold_mutex(void *argument)
{
    (void)argument;
    mutex_lock(&mutex);
    (void)wait_for(&gate, WAIT_FOREVER, false);
    lent = thread_self()->priority;
    mutex_unlock(&mutex);
    EXPECT_EQUAL(thread_self()->priority, PRIORITY_LOW);
}

static void want_mutex(void *argument)
{
    (void)argument;
    mutex_lock(&mutex);
    mutex_unlock(&mutex);
}

static void lends(void)
{
    mutex_init(&mutex, RANK_PROCESS);
    waitable_init_event(&gate, true, false);
    (void)selftest_thread("holder", hold_mutex, NULL, PRIORITY_LOW);
    thread_sleep_until(clock_now() + 20 * NS_PER_MS, false, NULL);
    (void)selftest_thread("wants", want_mutex, NULL, PRIORITY_HIGH);
    event_set(&gate);
    selftest_join();
    EXPECT_EQUAL(lent, PRIORITY_HIGH);
}
SELFTEST("locks: a waiter lends its priority", lends);

/* ---- waits ---- */

static struct waitable ping, pong;

static void answer(void *argument)
{
    uint32_t rounds = *(const uint32_t *)argument;

    for (uint32_t i = 0; i < rounds; i++) {
        (void)wait_for(&ping, WAIT_FOREVER, false);
        finished = i + 1;
        (void)event_set(&pong);
    }
}

static void plays_ping_pong(void)
{
    uint32_t rounds = 2000;

    waitable_init_event(&ping, false, false);
    waitable_init_event(&pong, false, false);
    (void)selftest_thread("answer", answer, &rounds, PRIORITY_NORMAL);
    for (uint32_t i = 0; i < rounds; i++) {
        (void)event_set(&ping);
        EXPECT_STATUS(wait_for(&pong, WAIT_FOREVER, false), STATUS_SUCCESS);
        EXPECT_EQUAL(finished, i + 1);
    }
    selftest_join();
}
SELFTEST("waits: ping-pong of two threads", plays_ping_pong);

static void waits_for_many(void)
{
    struct waitable event, semaphore, mutant;
    struct waitable *const all[] = {&event, &semaphore, &mutant};
    int32_t previous;

    waitable_init_event(&event, false, true);
    waitable_init_semaphore(&semaphore, 0, 2);
    waitable_init_mutant(&mutant, false);
    EXPECT_STATUS(wait_for_many(all, 3, true, clock_now() + 5 * NS_PER_MS, false), STATUS_TIMEOUT);
    EXPECT(waitable_read(&event) == 1);
    EXPECT_STATUS(semaphore_release(&semaphore, 3, &previous), STATUS_SEMAPHORE_LIMIT_EXCEEDED);
    EXPECT_STATUS(semaphore_release(&semaphore, 1, &previous), STATUS_SUCCESS);
    EXPECT_STATUS(wait_for_many(all, 3, true, 0, false), STATUS_SUCCESS);
    EXPECT(waitable_read(&event) == 0 && waitable_read(&mutant) == 0);
    EXPECT_STATUS(wait_for_many(all, 3, false, 0, false), STATUS_SUCCESS + 2);
    EXPECT_STATUS(mutant_release(&mutant, &previous), STATUS_SUCCESS);
    EXPECT(previous == -1);
    EXPECT_STATUS(mutant_release(&mutant, &previous), STATUS_SUCCESS);
    EXPECT_STATUS(mutant_release(&mutant, &previous), STATUS_MUTANT_NOT_OWNED);
}
SELFTEST("waits: any and all of several", waits_for_many);

static struct waitable mutant;

static void take_and_end(void *argument)
{
    (void)argument;
    (void)wait_for(&mutant, WAIT_FOREVER, false);
}

static void abandons(void)
{
    int32_t previous;

    waitable_init_mutant(&mutant, false);
    (void)selftest_thread("owner", take_and_end, NULL, PRIORITY_NORMAL);
    selftest_join();
    EXPECT_STATUS(wait_for(&mutant, 0, false), STATUS_ABANDONED_WAIT_0);
    EXPECT_STATUS(mutant_release(&mutant, &previous), STATUS_SUCCESS);
}
SELFTEST("waits: a mutant is abandoned by the end of its owner", abandons);

/* ---- time ---- */

static void sleeps(void)
{
    int64_t start = clock_now();
    status_t status = STATUS_UNSUCCESSFUL;
    struct waitable never;

    thread_sleep_until(start + 30 * NS_PER_MS, true, &status);
    EXPECT_STATUS(status, STATUS_SUCCESS);
    int64_t slept = clock_now() - start;
    EXPECT(slept >= 30 * NS_PER_MS && slept < 2 * NS_PER_S);
    waitable_init_event(&never, true, false);
    start = clock_now();
    EXPECT_STATUS(wait_for(&never, start + 20 * NS_PER_MS, false), STATUS_TIMEOUT);
    EXPECT(clock_now() - start >= 20 * NS_PER_MS && list_is_empty(&never.waiters));
    /* At first the zero-page thread takes what would be idle time. */
    for (uint32_t i = 0; i < 200 && scheduler_idle_time() == 0; i++) {
        thread_sleep_until(clock_now() + 20 * NS_PER_MS, true, &status);
    }
    EXPECT(clock_system_time() > 0 && scheduler_idle_time() > 0);
}
SELFTEST("timers: sleeping and waiting with a limit", sleeps);

/* ---- threads ---- */

static volatile bool stop;
static volatile uint32_t rounds[2];

static void spin(void *argument)
{
    volatile uint32_t *mine = argument;

    while (!stop) {
        *mine = *mine + 1;
    }
}

static void slices(void)
{
    stop = false;
    rounds[0] = rounds[1] = 0;
    (void)selftest_thread("one", spin, (void *)(uintptr_t)&rounds[0], PRIORITY_LOW);
    (void)selftest_thread("two", spin, (void *)(uintptr_t)&rounds[1], PRIORITY_LOW);
    thread_sleep_until(clock_now() + 300 * NS_PER_MS, false, NULL);
    stop = true;
    selftest_join();
    EXPECT(rounds[0] != 0 && rounds[1] != 0);
}
SELFTEST("threads: the timer shares the CPU between two that never wait", slices);

static void sleep_for_ever(void *argument)
{
    thread_sleep_until(WAIT_FOREVER, true, argument);
    finished = finished + 1;
}

static void ends_waits(void)
{
    static status_t status;

    finished = 0;
    status = STATUS_SUCCESS;
    struct thread *thread = selftest_thread("sleeper", sleep_for_ever, &status, PRIORITY_HIGH);
    REQUIRE(thread != NULL);
    EXPECT(thread->state == THREAD_WAITING);
    thread_terminate(thread);
    selftest_join();
    EXPECT_EQUAL(finished, 1);
    EXPECT_STATUS(status, STATUS_THREAD_IS_TERMINATING);
}
SELFTEST("threads: termination ends an interruptible wait", ends_waits);

static void do_nothing(void *argument)
{
    (void)argument;
    finished = finished + 1;
}

static void many_threads(void)
{
    finished = 0;
    for (uint32_t i = 0; i < 300; i++) {
        if (selftest_thread("short", do_nothing, NULL, PRIORITY_NORMAL) == NULL) {
            break;
        }
        if (i % 10 == 9) {
            selftest_join();
        }
    }
    selftest_join();
    EXPECT_EQUAL(finished, 300);
}
SELFTEST("threads: three hundred begin and end", many_threads);
