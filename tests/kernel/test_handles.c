/*
 * tests/kernel/test_handles.c: handle tables: values, growth, access, inheritance, closing.
 */
#include "abi/constants.h"
#include "kernel/failpoint.h"
#include "selftest.h"
#include "sys/handle.h"
#include "sys/object.h"
#include "sys/sync.h"

#define MANY 70000u /* more than 16 bits count */

static struct object *make_event(void)
{
    struct object *object;
    if (is_error(ob_create(&event_type, &object))) {
        return NULL;
    }
    waitable_init_event(&container_of(object, struct sync_object, object)->waitable, true, false);
    return object;
}

static uint32_t handles_of(struct object *object)
{
    struct object_counts counts;
    ob_read_counts(object, &counts);
    return counts.handles;
}

static void lowest_is_taken(void)
{
    static struct handle_table table;
    struct object *event = make_event();
    uint32_t handles[4];
    uint32_t again = 0;
    REQUIRE(event != NULL);
    handle_table_init(&table);
    for (uint32_t i = 0; i < 4; i++) {
        EXPECT_STATUS(handle_open(&table, event, 0, 0, &handles[i]), STATUS_SUCCESS);
        EXPECT_EQUAL(handles[i], (i + 1) * 4);
    }
    EXPECT_STATUS(handle_close(&table, 12), STATUS_SUCCESS);
    EXPECT_STATUS(handle_close(&table, 8), STATUS_SUCCESS);
    EXPECT_STATUS(handle_close(&table, 8), STATUS_INVALID_HANDLE);
    EXPECT_STATUS(handle_open(&table, event, 0, 0, &again), STATUS_SUCCESS);
    EXPECT_EQUAL(again, 8);
    EXPECT_STATUS(handle_open(&table, event, 0, 0, &again), STATUS_SUCCESS);
    EXPECT_EQUAL(again, 12);
    EXPECT_EQUAL(handles_of(event), 4);
    handle_table_close(&table);
    EXPECT_EQUAL(handles_of(event), 0);
    EXPECT_STATUS(handle_open(&table, event, 0, 0, &again), STATUS_PROCESS_IS_TERMINATING);
    ob_unref(event);
}
SELFTEST("handles: the lowest free value is taken", lowest_is_taken);

static void many_handles(void)
{
    static struct handle_table table;
    struct object *event = make_event();
    struct handle_information information;
    uint32_t handle = 0;
    REQUIRE(event != NULL);
    handle_table_init(&table);
    for (uint32_t i = 0; i < MANY; i++) {
        if (is_error(handle_open(&table, event, i, 0, &handle)) || handle != (i + 1) * 4) {
            selftest_fail(__FILE__, __LINE__, "handle %u is %u", i, handle);
            break;
        }
    }
    EXPECT_EQUAL(handles_of(event), MANY);
    EXPECT_STATUS(handle_query(&table, 65537 * 4, &information), STATUS_SUCCESS);
    EXPECT(information.object == event);
    EXPECT_EQUAL(information.access, 65536);
    ob_unref(event);
    for (uint32_t i = 0; i < MANY; i += 2) {
        EXPECT(is_success(handle_close(&table, (i + 1) * 4)));
    }
    EXPECT_EQUAL(handles_of(event), MANY / 2);
    for (uint32_t i = 0; i < MANY; i += 2) {
        EXPECT(is_success(handle_open(&table, event, 0, 0, &handle)));
        EXPECT_EQUAL(handle, (i + 1) * 4);
    }
    handle_table_close(&table);
    EXPECT_EQUAL(handles_of(event), 0);
    ob_unref(event);
}
SELFTEST("handles: counter saturation (65 536 handles, views, references): more of one object",
         many_handles);

static void access_is_checked(void)
{
    static struct handle_table table;
    struct object *event = make_event();
    struct object *found = NULL;
    uint32_t handle = 0;
    REQUIRE(event != NULL);
    handle_table_init(&table);
    EXPECT_STATUS(handle_open(&table, event, SYNCHRONIZE, 0, &handle), STATUS_SUCCESS);
    EXPECT_STATUS(handle_reference(&table, handle, &event_type, SYNCHRONIZE, &found),
                  STATUS_SUCCESS);
    EXPECT(found == event);
    ob_unref(event);
    EXPECT_STATUS(handle_reference(&table, handle, &event_type, EVENT_MODIFY_STATE, &found),
                  STATUS_ACCESS_DENIED);
    EXPECT_STATUS(handle_reference(&table, handle, &mutant_type, 0, &found),
                  STATUS_OBJECT_TYPE_MISMATCH);
    EXPECT_STATUS(handle_reference(&table, 0, NULL, 0, &found), STATUS_INVALID_HANDLE);
    EXPECT_STATUS(handle_reference(&table, 0x7FFFFFFC, NULL, 0, &found), STATUS_INVALID_HANDLE);
    EXPECT_STATUS(handle_reference(&table, handle + 4, NULL, 0, &found), STATUS_INVALID_HANDLE);
    EXPECT_STATUS(handle_set_flags(&table, handle, HANDLE_PROTECT), STATUS_SUCCESS);
    EXPECT_STATUS(handle_close(&table, handle), STATUS_HANDLE_NOT_CLOSABLE);
    EXPECT_STATUS(handle_set_flags(&table, handle, 0), STATUS_SUCCESS);
    EXPECT_STATUS(handle_close(&table, handle), STATUS_SUCCESS);
    handle_table_close(&table);
    ob_unref(event);
}
SELFTEST("handles: access, type and protection are checked", access_is_checked);

static void children_inherit(void)
{
    static struct handle_table parent;
    static struct handle_table child;
    struct object *event = make_event();
    struct handle_information information;
    uint32_t handle = 0;
    REQUIRE(event != NULL);
    handle_table_init(&parent);
    handle_table_init(&child);
    for (uint32_t i = 0; i < 300; i++) {
        uint32_t flags = i % 3 == 0 ? HANDLE_INHERIT : 0;
        EXPECT(is_success(handle_open(&parent, event, i, flags, &handle)));
    }
    EXPECT_STATUS(handle_table_inherit(&child, &parent), STATUS_SUCCESS);
    EXPECT_EQUAL(child.count, 100);
    EXPECT_STATUS(handle_query(&child, 8, &information), STATUS_INVALID_HANDLE);
    EXPECT_STATUS(handle_query(&child, 299 * 4 - 4, &information), STATUS_SUCCESS);
    EXPECT_EQUAL(information.access, 297);
    EXPECT_EQUAL(information.flags, HANDLE_INHERIT);
    ob_unref(event);
    EXPECT_STATUS(handle_open(&child, event, 0, 0, &handle), STATUS_SUCCESS);
    EXPECT_EQUAL(handle, 8);
    EXPECT_EQUAL(handles_of(event), 401);
    handle_table_close(&child);
    handle_table_close(&parent);
    ob_unref(event);
}
SELFTEST("handles: children inherit values and access", children_inherit);

static void reserved_is_no_handle(void)
{
    static struct handle_table table;
    struct object *event = make_event();
    struct object *found = NULL;
    uint32_t reserved = 0;
    uint32_t handle = 0;
    REQUIRE(event != NULL);
    handle_table_init(&table);
    EXPECT_STATUS(handle_reserve(&table, &reserved), STATUS_SUCCESS);
    EXPECT_EQUAL(reserved, 4);
    EXPECT_STATUS(handle_reference(&table, reserved, NULL, 0, &found), STATUS_INVALID_HANDLE);
    EXPECT_STATUS(handle_close(&table, reserved), STATUS_INVALID_HANDLE);
    EXPECT_STATUS(handle_open(&table, event, 0, 0, &handle), STATUS_SUCCESS);
    EXPECT_EQUAL(handle, 8);
    handle_release(&table, reserved);
    EXPECT_STATUS(handle_open(&table, event, 0, 0, &handle), STATUS_SUCCESS);
    EXPECT_EQUAL(handle, 4);
    handle_table_close(&table);
    ob_unref(event);
}
SELFTEST("handles: a reserved entry is no handle yet", reserved_is_no_handle);

static void growth_fails_cleanly(void)
{
    static struct handle_table table;
    struct object *event = make_event();
    uint32_t handle = 0;
    REQUIRE(event != NULL);
    for (uint32_t n = 1; n < 4; n++) {
        handle_table_init(&table);
        (void)failpoint_arm(FAILPOINT_ALLOCATION, n);
        status_t status = handle_open(&table, event, 0, 0, &handle);
        (void)failpoint_arm(FAILPOINT_ALLOCATION, 0);
        EXPECT(n > 2 || status == STATUS_INSUFFICIENT_RESOURCES);
        EXPECT_STATUS(handle_open(&table, event, 0, 0, &handle), STATUS_SUCCESS);
        handle_table_close(&table);
    }
    EXPECT_EQUAL(handles_of(event), 0);
    ob_unref(event);
}
SELFTEST("handles: a table that cannot grow stays whole", growth_fails_cleanly);
