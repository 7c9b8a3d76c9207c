/*
 * sys/sync.c: events, mutants and semaphores: the system calls that make, open and signal them.
 *
 * All the work is kernel/core's waitable; an object is a header and a waitable.
 */
#include "sys/sync.h"

#include "abi/constants.h"
#include "abi/process.h"
#include "kernel/usercopy.h"
#include "sys/answer.h"
#include "sys/calls.h"
#include "sys/handle.h"

static void mutant_destroy(struct object *object);

struct object_type event_type = {
    .name = "Event",
    .nbytes = sizeof(struct sync_object),
    .generic_read = READ_CONTROL | EVENT_QUERY_STATE,
    .generic_write = READ_CONTROL | EVENT_MODIFY_STATE,
    .generic_execute = READ_CONTROL | SYNCHRONIZE,
    .valid_access = EVENT_ALL_ACCESS,
    .waitable_offset = offsetof(struct sync_object, waitable),
    .is_named = true,
};

struct object_type mutant_type = {
    .name = "Mutant",
    .nbytes = sizeof(struct sync_object),
    .generic_read = READ_CONTROL | MUTANT_QUERY_STATE,
    .generic_write = READ_CONTROL,
    .generic_execute = READ_CONTROL | SYNCHRONIZE,
    .valid_access = MUTANT_ALL_ACCESS,
    .waitable_offset = offsetof(struct sync_object, waitable),
    .is_named = true,
    .destroy = mutant_destroy,
};

struct object_type semaphore_type = {
    .name = "Semaphore",
    .nbytes = sizeof(struct sync_object),
    .generic_read = READ_CONTROL | SEMAPHORE_QUERY_STATE,
    .generic_write = READ_CONTROL | SEMAPHORE_MODIFY_STATE,
    .generic_execute = READ_CONTROL | SYNCHRONIZE,
    .valid_access = SEMAPHORE_ALL_ACCESS,
    .waitable_offset = offsetof(struct sync_object, waitable),
    .is_named = true,
};

void sync_start(void)
{
    ob_register_type(&event_type);
    ob_register_type(&mutant_type);
    ob_register_type(&semaphore_type);
}

static void mutant_destroy(struct object *object)
{
    mutant_forget(&container_of(object, struct sync_object, object)->waitable);
}

/* ---- creation ---------------------------------------------------------------------------------
 */

/* Handle*, DesiredAccess and ObjectAttributes come first in all three calls. */
static status_t begin_create(const uint32_t *arguments, struct object_type *type,
                             struct object_attributes *attributes, struct sync_object **it)
{
    struct object *object;
    status_t status = ob_clear_target((uaddr_t){arguments[0]});
    if (is_success(status)) {
        status = capture_attributes((uaddr_t){arguments[2]}, NAME_CREATE, attributes);
    }
    if (is_error(status)) {
        return status;
    }
    status = ob_create(type, &object);
    if (is_error(status)) {
        object_name_free(attributes->name);
        return status;
    }
    *it = container_of(object, struct sync_object, object);
    return STATUS_SUCCESS;
}

static status_t end_create(const uint32_t *arguments, struct object_attributes *attributes,
                           struct sync_object *it)
{
    return ob_publish(&it->object, attributes, arguments[1], (uaddr_t){arguments[0]});
}

/* EventHandle, DesiredAccess, ObjectAttributes, EventType, InitialState */
status_t sys_NtCreateEvent(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct object_attributes attributes;
    struct sync_object *it;
    status_t status = ob_clear_target((uaddr_t){arguments[0]});
    if (is_success(status) && arguments[3] != NT_NOTIFICATION_EVENT &&
        arguments[3] != NT_SYNCHRONIZATION_EVENT) {
        status = STATUS_INVALID_PARAMETER;
    }
    if (is_error(status)) {
        return status;
    }
    status = begin_create(arguments, &event_type, &attributes, &it);
    if (is_error(status)) {
        return status;
    }
    waitable_init_event(&it->waitable, arguments[3] == NT_NOTIFICATION_EVENT,
                        (arguments[4] & 0xFFu) != 0);
    return end_create(arguments, &attributes, it);
}

/* MutantHandle, DesiredAccess, ObjectAttributes, InitialOwner */
status_t sys_NtCreateMutant(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct object_attributes attributes;
    struct sync_object *it;
    status_t status = begin_create(arguments, &mutant_type, &attributes, &it);
    if (is_error(status)) {
        return status;
    }
    waitable_init_mutant(&it->waitable, (arguments[3] & 0xFFu) != 0);
    return end_create(arguments, &attributes, it);
}

/* SemaphoreHandle, DesiredAccess, ObjectAttributes, InitialCount, MaximumCount */
status_t sys_NtCreateSemaphore(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct object_attributes attributes;
    struct sync_object *it;
    int32_t count = (int32_t)arguments[3];
    int32_t limit = (int32_t)arguments[4];
    status_t status = ob_clear_target((uaddr_t){arguments[0]});
    if (is_success(status) && (limit <= 0 || count < 0 || count > limit)) {
        status = STATUS_INVALID_PARAMETER;
    }
    if (is_error(status)) {
        return status;
    }
    status = begin_create(arguments, &semaphore_type, &attributes, &it);
    if (is_error(status)) {
        return status;
    }
    waitable_init_semaphore(&it->waitable, count, limit);
    return end_create(arguments, &attributes, it);
}

/* Handle*, DesiredAccess, ObjectAttributes: the three calls that open. */
status_t sys_NtOpenEvent(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    return ob_open_by_name(&event_type, (uaddr_t){arguments[0]}, arguments[1],
                           (uaddr_t){arguments[2]});
}

status_t sys_NtOpenMutant(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    return ob_open_by_name(&mutant_type, (uaddr_t){arguments[0]}, arguments[1],
                           (uaddr_t){arguments[2]});
}

status_t sys_NtOpenSemaphore(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    return ob_open_by_name(&semaphore_type, (uaddr_t){arguments[0]}, arguments[1],
                           (uaddr_t){arguments[2]});
}

/* ---- signalling -------------------------------------------------------------------------------
 */

static status_t store_previous(uint32_t address, int32_t previous)
{
    return address != 0 ? user_write_u32((uaddr_t){address}, (uint32_t)previous) : STATUS_SUCCESS;
}

static status_t reference_sync(uint32_t handle, const struct object_type *type, uint32_t access,
                               struct sync_object **it)
{
    struct object *object;
    status_t status = ob_reference(handle, type, access, &object);
    if (is_success(status)) {
        *it = container_of(object, struct sync_object, object);
    }
    return status;
}

/* EventHandle, PreviousState* */
static status_t change_event(const uint32_t *arguments, int32_t (*change)(struct waitable *event))
{
    struct sync_object *it;
    status_t status = reference_sync(arguments[0], &event_type, EVENT_MODIFY_STATE, &it);
    if (is_error(status)) {
        return status;
    }
    int32_t previous = change(&it->waitable);
    ob_unref(&it->object);
    return store_previous(arguments[1], previous);
}

status_t sys_NtSetEvent(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    return change_event(arguments, event_set);
}

status_t sys_NtResetEvent(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    return change_event(arguments, event_reset);
}

status_t sys_NtPulseEvent(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    return change_event(arguments, event_pulse);
}

/* EventHandle, InformationClass, Information, Length, ReturnLength* */
status_t sys_NtQueryEvent(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct nt_event_basic_information answer;
    struct sync_object *it;
    if (arguments[1] != 0) {
        return STATUS_INVALID_INFO_CLASS;
    }
    if (arguments[3] != sizeof(answer)) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    status_t status = reference_sync(arguments[0], &event_type, EVENT_QUERY_STATE, &it);
    if (is_error(status)) {
        return status;
    }
    answer.event_type = it->waitable.kind == WAITABLE_EVENT_MANUAL ? NT_NOTIFICATION_EVENT
                                                                   : NT_SYNCHRONIZATION_EVENT;
    answer.event_state = waitable_read(&it->waitable);
    ob_unref(&it->object);
    return answer_exactly(arguments, &answer, sizeof(answer));
}

/* MutantHandle, PreviousCount* */
status_t sys_NtReleaseMutant(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct sync_object *it;
    int32_t previous = 0;
    status_t status = reference_sync(arguments[0], &mutant_type, 0, &it);
    if (is_error(status)) {
        return status;
    }
    status = mutant_release(&it->waitable, &previous);
    ob_unref(&it->object);
    return is_success(status) ? store_previous(arguments[1], previous) : status;
}

/* SemaphoreHandle, ReleaseCount, PreviousCount* */
status_t sys_NtReleaseSemaphore(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct sync_object *it;
    int32_t previous = 0;
    int32_t count = (int32_t)arguments[1];
    if (count <= 0) {
        return STATUS_INVALID_PARAMETER;
    }
    status_t status = reference_sync(arguments[0], &semaphore_type, SEMAPHORE_MODIFY_STATE, &it);
    if (is_error(status)) {
        return status;
    }
    status = semaphore_release(&it->waitable, count, &previous);
    ob_unref(&it->object);
    return is_success(status) ? store_previous(arguments[2], previous) : status;
}
