/*
 * sys/wait.c: the system calls that wait.
 *
 * Handles become referenced objects first; the references keep the waitables while the thread
 * waits, whatever happens to the handles. A wait that is cut short because the thread is to end
 * unwinds through here like any other, and the thread ends before it sees user mode again.
 */
#include "kernel/wait.h"

#include "abi/constants.h"
#include "kernel/clock.h"
#include "kernel/thread.h"
#include "kernel/usercopy.h"
#include "sys/calls.h"
#include "sys/handle.h"
#include "sys/object.h"
#include "sys/process.h"
#include "sys/sync.h"

#define NT_UNIT_NS        100ll
#define DEADLINE_FARTHEST (INT64_MAX / 2)

int64_t deadline_of(int64_t nt_time)
{
    int64_t now = clock_now();
    int64_t from_now =
        nt_time < 0 ? (nt_time == INT64_MIN ? INT64_MAX : -nt_time) : nt_time - clock_system_time();
    if (from_now <= 0) {
        return now; /* it has passed */
    }
    return from_now > DEADLINE_FARTHEST / NT_UNIT_NS ? WAIT_FOREVER : now + from_now * NT_UNIT_NS;
}

status_t capture_deadline(uaddr_t timeout, int64_t *deadline)
{
    int64_t nt_time;
    if (timeout.v == 0) {
        *deadline = WAIT_FOREVER;
        return STATUS_SUCCESS;
    }
    status_t status = copy_from_user(&nt_time, timeout, sizeof(nt_time));
    if (is_success(status)) {
        /* 0 means: only look. The past does the same without asking the clock. */
        *deadline = nt_time == 0 ? INT64_MIN : deadline_of(nt_time);
    }
    return status;
}

static status_t reference_waitable(uint32_t handle, struct object **object)
{
    status_t status = ob_reference(handle, NULL, SYNCHRONIZE, object);
    if (is_success(status) && ob_waitable(*object) == NULL) {
        ob_unref(*object);
        return STATUS_OBJECT_TYPE_MISMATCH;
    }
    return status;
}

/* Handle, Alertable, Timeout* */
status_t sys_NtWaitForSingleObject(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct object *object;
    int64_t deadline;
    status_t status = capture_deadline((uaddr_t){arguments[2]}, &deadline);
    if (is_success(status)) {
        status = reference_waitable(arguments[0], &object);
    }
    if (is_error(status)) {
        return status;
    }
    status = wait_for(ob_waitable(object), deadline, true);
    ob_unref(object);
    return status;
}

static void release_objects(struct object **objects, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        ob_unref(objects[i]);
    }
}

/* For "all": an object given twice could never be consumed twice at once. */
static bool has_twins(struct object *const *objects, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (objects[i] == objects[j]) {
                return true;
            }
        }
    }
    return false;
}

/* COUNT referenced objects from the handles at ADDRESS; none is left referenced on an error. */
static status_t reference_all(uaddr_t address, uint32_t count, struct object **objects)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t handle;
        status_t status = user_read_u32((uaddr_t){address.v + i * 4u}, &handle);
        if (is_success(status)) {
            status = reference_waitable(handle, &objects[i]);
        }
        if (is_error(status)) {
            release_objects(objects, i);
            return status;
        }
    }
    return STATUS_SUCCESS;
}

/* Count, Handles*, WaitType (0: all, 1: any), Alertable, Timeout* */
status_t sys_NtWaitForMultipleObjects(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct object *objects[WAIT_MAXIMUM];
    struct waitable *waitables[WAIT_MAXIMUM];
    uint32_t count = arguments[0];
    bool all = arguments[2] == 0;
    int64_t deadline;
    if (count == 0 || count > WAIT_MAXIMUM) {
        return STATUS_INVALID_PARAMETER_1;
    }
    if (arguments[2] > 1) {
        return STATUS_INVALID_PARAMETER_3;
    }
    status_t status = capture_deadline((uaddr_t){arguments[4]}, &deadline);
    if (is_success(status)) {
        status = user_range_check((uaddr_t){arguments[1]}, count * 4u);
    }
    if (is_success(status)) {
        status = reference_all((uaddr_t){arguments[1]}, count, objects);
    }
    if (is_error(status)) {
        return status;
    }
    for (uint32_t i = 0; i < count; i++) {
        waitables[i] = ob_waitable(objects[i]);
    }
    if (all && has_twins(objects, count)) {
        status = STATUS_INVALID_PARAMETER_MIX;
    } else {
        status = wait_for_many(waitables, count, all, deadline, true);
    }
    release_objects(objects, count);
    return status;
}

/* What the first object of NtSignalAndWaitForSingleObject must allow. */
static status_t check_signal(const struct object *object, uint32_t access)
{
    if (object->type == &event_type) {
        return (access & EVENT_MODIFY_STATE) != 0 ? STATUS_SUCCESS : STATUS_ACCESS_DENIED;
    }
    if (object->type == &semaphore_type) {
        return (access & SEMAPHORE_MODIFY_STATE) != 0 ? STATUS_SUCCESS : STATUS_ACCESS_DENIED;
    }
    return object->type == &mutant_type ? STATUS_SUCCESS : STATUS_OBJECT_TYPE_MISMATCH;
}

/* SignalHandle, WaitHandle, Alertable, Timeout* */
status_t sys_NtSignalAndWaitForSingleObject(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct handle_information first;
    struct object *second;
    int64_t deadline;
    status_t status = capture_deadline((uaddr_t){arguments[3]}, &deadline);
    if (is_success(status)) {
        status = handle_query(&ps_current()->handles, arguments[0], &first);
    }
    if (is_error(status)) {
        return status;
    }
    status = check_signal(first.object, first.access);
    if (is_success(status)) {
        status = reference_waitable(arguments[1], &second);
    }
    if (is_success(status)) {
        status =
            wait_signal_and_wait(ob_waitable(first.object), ob_waitable(second), deadline, true);
        ob_unref(second);
    }
    ob_unref(first.object);
    return status;
}

/* Alertable, Interval* */
status_t sys_NtDelayExecution(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    int64_t interval;
    status_t status = copy_from_user(&interval, (uaddr_t){arguments[1]}, sizeof(interval));
    if (is_error(status)) {
        return status;
    }
    if (interval == 0) {
        thread_yield();
        return STATUS_SUCCESS;
    }
    int64_t deadline = interval == INT64_MIN ? WAIT_FOREVER : deadline_of(interval);
    thread_sleep_until(deadline, true, &status);
    return status;
}

status_t sys_NtYieldExecution(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)arguments;
    (void)frame;
    thread_yield();
    return STATUS_SUCCESS;
}

/* There are no asynchronous procedure calls that could be pending. */
status_t sys_NtTestAlert(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)arguments;
    (void)frame;
    return STATUS_SUCCESS;
}
