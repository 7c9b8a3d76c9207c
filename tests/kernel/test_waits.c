/*
 * tests/kernel/test_waits.c: waits on objects as the system calls make them: deadlines, objects
 * that lose their last handle while somebody waits, mutexes that go while they are owned.
 */
#include "abi/constants.h"
#include "kernel/clock.h"
#include "kernel/thread.h"
#include "selftest.h"
#include "sys/handle.h"
#include "sys/object.h"
#include "sys/sync.h"

static struct sync_object *make_sync(struct object_type *type)
{
    struct object *object;
    if (is_error(ob_create(type, &object))) {
        return NULL;
    }
    return container_of(object, struct sync_object, object);
}

static void deadlines(void)
{
    int64_t now = clock_now();
    int64_t relative = deadline_of(-10000); /* 1 ms */
    EXPECT(relative >= now + NS_PER_MS && relative < now + 100 * NS_PER_MS);
    int64_t absolute = deadline_of(clock_system_time() + 10000);
    EXPECT(absolute > now && absolute < now + 100 * NS_PER_MS);
    EXPECT(deadline_of(1) <= clock_now());
    EXPECT(deadline_of(INT64_MIN) == WAIT_FOREVER);
    EXPECT(deadline_of(INT64_MAX) == WAIT_FOREVER);
}
SELFTEST("waits: relative and absolute times", deadlines);

static void owned_mutex_goes(void)
{
    struct sync_object *mutant = make_sync(&mutant_type);
    REQUIRE(mutant != NULL);
    waitable_init_mutant(&mutant->waitable, true);
    ob_unref(&mutant->object); /* while this thread owns it */
    struct sync_object *other = make_sync(&mutant_type);
    REQUIRE(other != NULL);
    waitable_init_mutant(&other->waitable, true);
    int32_t previous = 1;
    EXPECT_STATUS(mutant_release(&other->waitable, &previous), STATUS_SUCCESS);
    EXPECT_EQUAL(previous, 0);
    EXPECT_STATUS(mutant_release(&other->waitable, &previous), STATUS_MUTANT_NOT_OWNED);
    ob_unref(&other->object);
}
SELFTEST("waits: a mutex may go while it is owned", owned_mutex_goes);

struct waiter {
    struct sync_object *event;
    volatile status_t status;
};

static void wait_and_drop(void *argument)
{
    struct waiter *waiter = argument;
    waiter->status = wait_for(&waiter->event->waitable, clock_now() + 10 * NS_PER_S, false);
    ob_unref(&waiter->event->object);
}

static void waiter_keeps_object(void)
{
    static struct handle_table table;
    struct waiter waiter = {make_sync(&event_type), STATUS_PENDING};
    uint32_t handle = 0;
    REQUIRE(waiter.event != NULL);
    waitable_init_event(&waiter.event->waitable, true, false);
    handle_table_init(&table);
    EXPECT_STATUS(handle_open(&table, &waiter.event->object, SYNCHRONIZE, 0, &handle),
                  STATUS_SUCCESS);
    ob_ref(&waiter.event->object); /* the waiting thread's */
    REQUIRE(selftest_thread("waiter", wait_and_drop, &waiter, PRIORITY_HIGH) != NULL);
    thread_sleep_until(clock_now() + 5 * NS_PER_MS, false, NULL);
    EXPECT_STATUS(handle_close(&table, handle), STATUS_SUCCESS);
    handle_table_close(&table);
    EXPECT_EQUAL(waiter.status, STATUS_PENDING);
    event_set(&waiter.event->waitable);
    ob_unref(&waiter.event->object);
    selftest_join();
    EXPECT_EQUAL(waiter.status, STATUS_SUCCESS);
}
SELFTEST("waits: who waits keeps the object", waiter_keeps_object);

static void semaphore_limits(void)
{
    struct sync_object *semaphore = make_sync(&semaphore_type);
    int32_t previous = -1;
    REQUIRE(semaphore != NULL);
    waitable_init_semaphore(&semaphore->waitable, 1, 3);
    EXPECT_STATUS(semaphore_release(&semaphore->waitable, 2, &previous), STATUS_SUCCESS);
    EXPECT_EQUAL(previous, 1);
    EXPECT_STATUS(semaphore_release(&semaphore->waitable, 1, &previous),
                  STATUS_SEMAPHORE_LIMIT_EXCEEDED);
    for (uint32_t i = 0; i < 3; i++) {
        EXPECT_STATUS(wait_for(&semaphore->waitable, 0, false), STATUS_SUCCESS);
    }
    EXPECT_STATUS(wait_for(&semaphore->waitable, 0, false), STATUS_TIMEOUT);
    ob_unref(&semaphore->object);
}
SELFTEST("waits: a semaphore keeps to its limit", semaphore_limits);
