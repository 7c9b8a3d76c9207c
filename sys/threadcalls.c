/*
 * sys/threadcalls.c: the system calls that create, open, end, suspend and describe threads.
 */
#include "abi/constants.h"
#include "abi/process.h"
#include "kernel/usercopy.h"
#include "sys/answer.h"
#include "sys/calls.h"
#include "sys/pagefile.h"
#include "sys/process.h"

#define SUSPEND_MAX   127u
#define NT_UNIT_NS    100u
#define PRIORITY_STEP 15 /* THREAD_PRIORITY_TIME_CRITICAL: saturates */

static status_t reference_thread(uint32_t handle, uint32_t access, struct user_thread **thread)
{
    struct object *object;
    status_t status = ob_reference(handle, &thread_type, access, &object);
    if (is_success(status)) {
        *thread = container_of(object, struct user_thread, object);
    }
    return status;
}

/* ---- NtCreateThreadEx -------------------------------------------------------------------------
 */

/*
 * ThreadHandle*, DesiredAccess, ObjectAttributes, ProcessHandle, StartRoutine, Argument,
 * CreateFlags, ZeroBits, StackSize (commit), MaximumStackSize (reserve), AttributeList
 */
enum create_argument {
    ARG_HANDLE,
    ARG_ACCESS,
    ARG_ATTRIBUTES,
    ARG_PROCESS,
    ARG_START,
    ARG_ARGUMENT,
    ARG_FLAGS,
    ARG_ZERO_BITS,
    ARG_COMMIT,
    ARG_RESERVE,
    ARG_LIST
};

/* Where the caller wants to know identifiers and TEB. */
struct wishes {
    uint32_t client_id;
    uint32_t teb;
};

static status_t capture_wishes(uint32_t list, struct wishes *wishes)
{
    uint32_t total;
    *wishes = (struct wishes){0, 0};
    if (list == 0) {
        return STATUS_SUCCESS;
    }
    status_t status = user_read_u32((uaddr_t){list}, &total);
    for (uint32_t at = 4; is_success(status) && at + 16u <= min_u32(total, 4u + 16u * 16u);
         at += 16u) {
        struct nt_attribute attribute;
        status = copy_from_user(&attribute, (uaddr_t){list + at}, sizeof(attribute));
        if (is_success(status) && attribute.attribute == NT_ATTRIBUTE_CLIENT_ID) {
            wishes->client_id = attribute.value;
            status = user_probe_write((uaddr_t){attribute.value}, sizeof(struct nt_client_id));
        }
        if (is_success(status) && attribute.attribute == NT_ATTRIBUTE_TEB_ADDRESS) {
            wishes->teb = attribute.value;
            status = user_probe_write((uaddr_t){attribute.value}, 4);
        }
    }
    return status;
}

static status_t grant_wishes(const struct wishes *wishes, const struct user_thread *thread)
{
    status_t status = STATUS_SUCCESS;
    if (wishes->client_id != 0) {
        const struct nt_client_id id = {thread->process->id, thread->id};
        status = copy_to_user((uaddr_t){wishes->client_id}, &id, sizeof(id));
    }
    if (is_success(status) && wishes->teb != 0) {
        status = user_write_u32((uaddr_t){wishes->teb}, thread->teb);
    }
    return status;
}

static status_t create_thread(const uint32_t *arguments, struct process *process,
                              struct object_attributes *attributes, const struct wishes *wishes)
{
    const struct thread_start start = {
        .start = arguments[ARG_START],
        .argument = arguments[ARG_ARGUMENT],
        .stack_reserve = arguments[ARG_RESERVE],
        .stack_commit = arguments[ARG_COMMIT],
        .is_suspended = (arguments[ARG_FLAGS] & NT_THREAD_CREATE_SUSPENDED) != 0,
    };
    struct user_thread *thread;
    status_t status = ps_create_thread(process, &start, &thread);
    if (is_error(status)) {
        return status;
    }
    ob_ref(&thread->object);
    status = grant_wishes(wishes, thread);
    if (is_success(status)) {
        status = ob_publish(&thread->object, attributes, arguments[ARG_ACCESS],
                            (uaddr_t){arguments[ARG_HANDLE]});
    } else {
        ob_unref(&thread->object);
    }
    if (is_success(status)) {
        ps_start_thread(thread);
    } else {
        ps_abandon_thread(thread);
    }
    ob_unref(&thread->object);
    return status;
}

static status_t perform_create_thread(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct object_attributes attributes = {0, NULL};
    struct wishes wishes;
    struct object *process;
    status_t status = ob_clear_target((uaddr_t){arguments[ARG_HANDLE]});
    if (is_success(status)) {
        status = capture_flags((uaddr_t){arguments[ARG_ATTRIBUTES]}, &attributes.attributes);
    }
    if (is_success(status)) {
        status = capture_wishes(arguments[ARG_LIST], &wishes);
    }
    if (is_success(status)) {
        status =
            ob_reference(arguments[ARG_PROCESS], &process_type, PROCESS_CREATE_THREAD, &process);
    }
    if (is_error(status)) {
        return status;
    }
    status = create_thread(arguments, container_of(process, struct process, object), &attributes,
                           &wishes);
    ob_unref(process);
    return status;
}

status_t sys_NtCreateThreadEx(const uint32_t *arguments, struct trap_frame *frame)
{
    return commit_and_grow(perform_create_thread, arguments, frame);
}

/* ThreadHandle*, DesiredAccess, ObjectAttributes, ClientId* */
status_t sys_NtOpenThread(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct nt_client_id id;
    struct user_thread *thread;
    struct object_attributes attributes;
    status_t status = ps_capture_open(arguments, &attributes, &id);
    if (is_success(status)) {
        status = ps_find_thread(&id, &thread);
    }
    if (is_error(status)) {
        return status;
    }
    return ob_publish(&thread->object, &attributes, arguments[1], (uaddr_t){arguments[0]});
}

/* ---- ending, suspending -----------------------------------------------------------------------
 */

/* ThreadHandle (0: the caller), ExitStatus */
status_t sys_NtTerminateThread(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct user_thread *thread;
    uint32_t handle = arguments[0] != 0 ? arguments[0] : HANDLE_CURRENT_THREAD;
    status_t status = reference_thread(handle, THREAD_TERMINATE, &thread);
    if (is_error(status)) {
        return status;
    }
    /* The caller itself ends on its way to user mode. */
    ps_terminate_thread(thread, (status_t)arguments[1]);
    ob_unref(&thread->object);
    return STATUS_SUCCESS;
}

/* ThreadHandle, PreviousSuspendCount* */
status_t sys_NtSuspendThread(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct user_thread *thread;
    uint32_t previous = 0;
    status_t status = reference_thread(arguments[0], THREAD_SUSPEND_RESUME, &thread);
    if (is_error(status)) {
        return status;
    }
    if (thread->thread.terminating || thread->exit_status != STATUS_PENDING) {
        status = STATUS_THREAD_IS_TERMINATING;
    } else if (thread->thread.suspend_count >= SUSPEND_MAX) {
        status = STATUS_SUSPEND_COUNT_EXCEEDED;
    } else {
        previous = thread_suspend(&thread->thread);
    }
    ob_unref(&thread->object);
    if (is_success(status) && arguments[1] != 0) {
        status = user_write_u32((uaddr_t){arguments[1]}, previous);
    }
    return status;
}

/* ThreadHandle, PreviousSuspendCount* */
status_t sys_NtResumeThread(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct user_thread *thread;
    status_t status = reference_thread(arguments[0], THREAD_SUSPEND_RESUME, &thread);
    if (is_error(status)) {
        return status;
    }
    uint32_t previous = thread_resume(&thread->thread);
    ob_unref(&thread->object);
    return arguments[1] != 0 ? user_write_u32((uaddr_t){arguments[1]}, previous) : STATUS_SUCCESS;
}

/* ---- describing -------------------------------------------------------------------------------
 */

static status_t query_basic(const uint32_t *arguments, const struct user_thread *thread)
{
    bool is_over = waitable_read(&thread->ended) != 0;
    const struct nt_thread_basic_information answer = {
        .exit_status = is_over ? thread->exit_status : STATUS_PENDING,
        .teb_base_address = is_over ? 0 : thread->teb,
        .client_id = {thread->process->id, thread->id},
        .affinity_mask = 1,
        .priority = thread->thread.priority,
        .base_priority = thread->thread.base_priority - thread->process->base_priority,
    };
    return answer_exactly(arguments, &answer, sizeof(answer));
}

static status_t query_times(const uint32_t *arguments, const struct user_thread *thread)
{
    const struct nt_kernel_user_times answer = {
        .create_time = thread->create_time,
        .exit_time = thread->exit_time,
        .user_time = (int64_t)(thread->thread.run_time / NT_UNIT_NS),
    };
    return answer_exactly(arguments, &answer, sizeof(answer));
}

static status_t query_last(const uint32_t *arguments, const struct user_thread *thread)
{
    uint32_t is_last = thread->process->nthreads == 1;
    return answer_exactly(arguments, &is_last, sizeof(is_last));
}

/* ThreadHandle, InformationClass, Information, Length, ReturnLength* */
status_t sys_NtQueryInformationThread(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct user_thread *thread;
    uint32_t word;
    status_t status = reference_thread(arguments[0], THREAD_QUERY_INFORMATION, &thread);
    if (is_error(status)) {
        return status;
    }
    switch (arguments[1]) {
    case NT_THREAD_BASIC_INFORMATION:
        status = query_basic(arguments, thread);
        break;
    case NT_THREAD_TIMES:
        status = query_times(arguments, thread);
        break;
    case NT_THREAD_WIN32_START:
        status = answer_exactly(arguments, &thread->start_address, sizeof(uint32_t));
        break;
    case NT_THREAD_AM_I_LAST:
        status = query_last(arguments, thread);
        break;
    case NT_THREAD_IS_TERMINATED:
        word = waitable_read(&thread->ended) != 0;
        status = answer_exactly(arguments, &word, sizeof(word));
        break;
    case NT_THREAD_SUSPEND_COUNT:
        word = thread->thread.suspend_count;
        status = answer_exactly(arguments, &word, sizeof(word));
        break;
    default:
        status = STATUS_INVALID_INFO_CLASS;
        break;
    }
    ob_unref(&thread->object);
    return status;
}

/* Win32's relative priority (-15, -2 to 2, 15) on the process's base. */
static uint8_t priority_of(const struct process *process, int32_t relative)
{
    int32_t base = process->base_priority;
    if (relative >= PRIORITY_STEP) {
        return base >= PRIORITY_HIGH ? PRIORITY_COUNT - 1 : PRIORITY_HIGH - 1;
    }
    if (relative <= -PRIORITY_STEP) {
        return base >= PRIORITY_HIGH ? PRIORITY_HIGH : PRIORITY_IDLE + 1;
    }
    int32_t priority = base + relative;
    priority = priority < PRIORITY_IDLE + 1 ? PRIORITY_IDLE + 1 : priority;
    return (uint8_t)(priority > PRIORITY_COUNT - 1 ? PRIORITY_COUNT - 1 : priority);
}

/* ThreadHandle, InformationClass, Information, Length */
status_t sys_NtSetInformationThread(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct user_thread *thread;
    uint32_t value;
    if (arguments[1] != NT_THREAD_PRIORITY && arguments[1] != NT_THREAD_BASE_PRIORITY &&
        arguments[1] != NT_THREAD_AFFINITY_MASK) {
        return STATUS_INVALID_INFO_CLASS;
    }
    if (arguments[3] != sizeof(value)) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    status_t status = user_read_u32((uaddr_t){arguments[2]}, &value);
    if (is_success(status)) {
        status = reference_thread(arguments[0], THREAD_SET_INFORMATION, &thread);
    }
    if (is_error(status)) {
        return status;
    }
    if (waitable_read(&thread->ended) != 0) {
        status = STATUS_THREAD_IS_TERMINATING;
    } else if (arguments[1] == NT_THREAD_BASE_PRIORITY) {
        thread_set_priority(&thread->thread, priority_of(thread->process, (int32_t)value));
    } else if (arguments[1] == NT_THREAD_PRIORITY) {
        if (value == 0 || value >= PRIORITY_COUNT) {
            status = STATUS_INVALID_PARAMETER;
        } else {
            thread_set_priority(&thread->thread, (uint8_t)value);
        }
    } else {
        status = (value & 1u) != 0 ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
    }
    ob_unref(&thread->object);
    return status;
}
