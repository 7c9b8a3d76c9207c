/*
 * sys/processcalls.c: the system calls that create, open and end processes.
 *
 * NtCreateUserProcess decodes everything first: the flags, the attribute list, the image's path,
 * the parameters' lengths. Then the process is made, then both handles are opened and stored, and
 * only then the first thread runs; whatever fails in between ends the new process again.
 */
#include "abi/constants.h"
#include "abi/process.h"
#include "fs/file.h"
#include "kernel/string.h"
#include "kernel/usercopy.h"
#include "mm/pool.h"
#include "sys/calls.h"
#include "sys/file.h"
#include "sys/pagefile.h"
#include "sys/process.h"
#include "sys/start.h"

#define ATTRIBUTES_MAX 16u

/*
 * ProcessHandle*, ThreadHandle*, ProcessAccess, ThreadAccess, ProcessAttributes, ThreadAttributes,
 * ProcessFlags, ThreadFlags, Parameters, CreateInfo, AttributeList
 */
enum create_argument {
    ARG_PROCESS_HANDLE,
    ARG_THREAD_HANDLE,
    ARG_PROCESS_ACCESS,
    ARG_THREAD_ACCESS,
    ARG_PROCESS_ATTRIBUTES,
    ARG_THREAD_ATTRIBUTES,
    ARG_PROCESS_FLAGS,
    ARG_THREAD_FLAGS,
    ARG_PARAMETERS,
    ARG_CREATE_INFO,
    ARG_ATTRIBUTE_LIST
};

/* What was captured. In pool memory: it is too large for a stack frame. */
struct creation {
    struct program_start start;
    uint32_t process_access, thread_access;
    uint32_t process_flags, thread_flags; /* OBJ_ */
    uint16_t *path;
    uint32_t path_nbytes;
    uint32_t client_id; /* address, or 0 */
    uint32_t state;     /* NT_CREATE_ */
};

/* ---- decoding ---------------------------------------------------------------------------------
 */

static status_t capture_image_name(const struct nt_attribute *attribute, struct creation *it)
{
    if (it->path != NULL || attribute->size == 0 || attribute->size % 2u != 0) {
        return STATUS_INVALID_PARAMETER;
    }
    if (attribute->size > FILE_PATH_CHARACTERS * 2u) {
        return STATUS_NAME_TOO_LONG;
    }
    it->path = mm_allocate(attribute->size);
    if (it->path == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    it->path_nbytes = attribute->size;
    return copy_from_user(it->path, (uaddr_t){attribute->value}, attribute->size);
}

static status_t capture_attribute(uint32_t address, struct creation *it)
{
    struct nt_attribute attribute;
    status_t status = copy_from_user(&attribute, (uaddr_t){address}, sizeof(attribute));
    if (is_error(status)) {
        return status;
    }
    switch (attribute.attribute) {
    case NT_ATTRIBUTE_IMAGE_NAME:
        return capture_image_name(&attribute, it);
    case NT_ATTRIBUTE_CLIENT_ID:
        it->client_id = attribute.value;
        return user_probe_write((uaddr_t){attribute.value}, sizeof(struct nt_client_id));
    default:
        return STATUS_SUCCESS; /* the others only ask for more than Quire has to tell */
    }
}

static status_t capture_list(uint32_t list, struct creation *it)
{
    uint32_t total;
    status_t status = user_read_u32((uaddr_t){list}, &total);
    if (is_error(status)) {
        return status;
    }
    uint32_t count = total < 4u ? 0 : (total - 4u) / (uint32_t)sizeof(struct nt_attribute);
    if (count > ATTRIBUTES_MAX) {
        return STATUS_INVALID_PARAMETER;
    }
    for (uint32_t i = 0; i < count; i++) {
        status = capture_attribute(list + 4u + i * (uint32_t)sizeof(struct nt_attribute), it);
        if (is_error(status)) {
            return status;
        }
    }
    return it->path != NULL ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

static void text_of(struct start_text *text, const struct nt_unicode_string *string)
{
    text->user = string->buffer;
    text->nbytes = string->length & ~1u;
}

static status_t capture_parameters(uint32_t address, struct program_start *start)
{
    struct nt_process_parameters *parameters = &start->parameters;
    status_t status = copy_from_user(parameters, (uaddr_t){address}, sizeof(*parameters));
    if (is_error(status)) {
        return status;
    }
    if ((parameters->flags & NT_PARAMETERS_NORMALIZED) == 0 ||
        parameters->environment_size > START_ENVIRONMENT_MAX) {
        return STATUS_INVALID_PARAMETER;
    }
    struct start_text *texts = start->texts;
    text_of(&texts[START_CURRENT_DIRECTORY], &parameters->current_directory);
    text_of(&texts[START_DLL_PATH], &parameters->dll_path);
    text_of(&texts[START_IMAGE_PATH], &parameters->image_path_name);
    text_of(&texts[START_COMMAND_LINE], &parameters->command_line);
    text_of(&texts[START_WINDOW_TITLE], &parameters->window_title);
    text_of(&texts[START_DESKTOP], &parameters->desktop_info);
    text_of(&texts[START_SHELL], &parameters->shell_info);
    text_of(&texts[START_RUNTIME_DATA], &parameters->runtime_data);
    texts[START_ENVIRONMENT].user = parameters->environment;
    texts[START_ENVIRONMENT].nbytes =
        parameters->environment != 0 ? parameters->environment_size & ~1u : 0;
    return STATUS_SUCCESS;
}

/*
 * Without inheritance a child still gets its parent's streams as standard handles, as it would get
 * the console in NT; other standard handles mean nothing there.
 */
static void choose_standard_handles(struct program_start *start)
{
    uint32_t *const values[START_STANDARD_HANDLES] = {&start->parameters.standard_input,
                                                      &start->parameters.standard_output,
                                                      &start->parameters.standard_error};
    if (start->inherit) {
        return;
    }
    for (uint32_t i = 0; i < START_STANDARD_HANDLES; i++) {
        struct handle_information information;
        status_t status = handle_query(&ps_current()->handles, *values[i], &information);
        *values[i] = 0;
        if (is_error(status)) {
            continue;
        }
        if (information.object->type == &file_type &&
            container_of(information.object, struct file_object, object)->open == NULL) {
            start->standard[i] = information.object;
            start->standard_access[i] = information.access;
        } else {
            ob_unref(information.object);
        }
    }
}

static status_t decode(const uint32_t *arguments, struct creation *it)
{
    status_t status = ob_clear_target((uaddr_t){arguments[ARG_PROCESS_HANDLE]});
    if (is_success(status)) {
        status = ob_clear_target((uaddr_t){arguments[ARG_THREAD_HANDLE]});
    }
    if (is_success(status)) {
        status = capture_flags((uaddr_t){arguments[ARG_PROCESS_ATTRIBUTES]}, &it->process_flags);
    }
    if (is_success(status)) {
        status = capture_flags((uaddr_t){arguments[ARG_THREAD_ATTRIBUTES]}, &it->thread_flags);
    }
    if (is_success(status)) {
        status = ob_map_access(&process_type, arguments[ARG_PROCESS_ACCESS], &it->process_access);
    }
    if (is_success(status)) {
        status = ob_map_access(&thread_type, arguments[ARG_THREAD_ACCESS], &it->thread_access);
    }
    if (is_success(status)) {
        status = capture_parameters(arguments[ARG_PARAMETERS], &it->start);
    }
    if (is_success(status)) {
        status = capture_list(arguments[ARG_ATTRIBUTE_LIST], it);
    }
    it->start.parent = ps_current();
    it->start.inherit = (arguments[ARG_PROCESS_FLAGS] & NT_PROCESS_INHERIT_HANDLES) != 0;
    it->start.is_suspended = (arguments[ARG_THREAD_FLAGS] & NT_THREAD_CREATE_SUSPENDED) != 0;
    return status;
}

/* ---- performing -------------------------------------------------------------------------------
 */

static status_t open_image(struct creation *it)
{
    const struct open_request request = {
        .path = it->path,
        .path_length = it->path_nbytes / 2u,
        .access = FILE_EXECUTE | FILE_READ_DATA | FILE_READ_ATTRIBUTES | SYNCHRONIZE,
        .share = FILE_SHARE_READ | FILE_SHARE_DELETE,
        .disposition = FILE_OPEN,
        .options = FILE_NON_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT,
    };
    uint32_t information;
    return fs_open(&request, &it->start.image, &information);
}

/* Two handles in the calling process, stored; none is left open on an error. */
static status_t open_handles(const uint32_t *arguments, const struct creation *it,
                             struct process *process, struct user_thread *thread)
{
    struct handle_table *table = &ps_current()->handles;
    uint32_t handles[2] = {0, 0};
    status_t status =
        handle_open(table, &process->object, it->process_access,
                    (it->process_flags & OBJ_INHERIT) != 0 ? HANDLE_INHERIT : 0, &handles[0]);
    if (is_success(status)) {
        status =
            handle_open(table, &thread->object, it->thread_access,
                        (it->thread_flags & OBJ_INHERIT) != 0 ? HANDLE_INHERIT : 0, &handles[1]);
    }
    if (is_success(status)) {
        status = user_write_u32((uaddr_t){arguments[ARG_PROCESS_HANDLE]}, handles[0]);
    }
    if (is_success(status)) {
        status = user_write_u32((uaddr_t){arguments[ARG_THREAD_HANDLE]}, handles[1]);
    }
    if (is_success(status) && it->client_id != 0) {
        const struct nt_client_id id = {process->id, thread->id};
        status = copy_to_user((uaddr_t){it->client_id}, &id, sizeof(id));
    }
    for (uint32_t i = 0; is_error(status) && i < 2; i++) {
        if (handles[i] != 0) {
            status_t closed = handle_close(table, handles[i]);
            (void)closed;
        }
    }
    return status;
}

static status_t perform(const uint32_t *arguments, struct creation *it)
{
    struct process *process;
    struct user_thread *thread;
    it->state = NT_CREATE_FAIL_ON_FILE_OPEN;
    status_t status = open_image(it);
    if (is_error(status)) {
        return status;
    }
    it->state = NT_CREATE_FAIL_ON_SECTION;
    choose_standard_handles(&it->start);
    status = program_create(&it->start, &process, &thread);
    fs_close(it->start.image);
    if (is_error(status)) {
        it->state = it->start.problem[0] != '\0' ? NT_CREATE_FAIL_EXE_FORMAT : it->state;
        return status;
    }
    status = open_handles(arguments, it, process, thread);
    if (is_success(status)) {
        it->state = NT_CREATE_SUCCESS;
        ps_start_thread(thread);
    } else {
        ps_abandon_thread(thread);
    }
    ob_unref(&thread->object);
    ob_unref(&process->object);
    return status;
}

/* How it went, for the caller's CreateInfo: it is only information. */
static void report(uint32_t address, const struct creation *it)
{
    struct nt_create_info answer = {(uint32_t)sizeof(answer), it->state, {0}};
    if (address != 0) {
        memcpy(answer.problem, it->start.problem, sizeof(answer.problem));
        status_t stored = copy_to_user((uaddr_t){address}, &answer, sizeof(answer));
        (void)stored;
    }
}

static status_t create_user_process(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct creation *it = mm_allocate(sizeof(*it));
    if (it == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    status_t status = decode(arguments, it);
    if (is_success(status)) {
        status = perform(arguments, it);
        report(arguments[ARG_CREATE_INFO], it);
    }
    for (uint32_t i = 0; i < START_STANDARD_HANDLES; i++) {
        if (it->start.standard[i] != NULL) {
            ob_unref(it->start.standard[i]);
        }
    }
    mm_free(it->path, it->path_nbytes);
    mm_free(it, sizeof(*it));
    return status;
}

status_t sys_NtCreateUserProcess(const uint32_t *arguments, struct trap_frame *frame)
{
    return commit_and_grow(create_user_process, arguments, frame);
}

/* ---- opening and ending -----------------------------------------------------------------------
 */

status_t ps_capture_open(const uint32_t *arguments, struct object_attributes *attributes,
                         struct nt_client_id *id)
{
    attributes->name = NULL;
    status_t status = ob_clear_target((uaddr_t){arguments[0]});
    if (is_success(status)) {
        status = capture_flags((uaddr_t){arguments[2]}, &attributes->attributes);
    }
    return is_success(status) ? copy_from_user(id, (uaddr_t){arguments[3]}, sizeof(*id)) : status;
}

/* ProcessHandle*, DesiredAccess, ObjectAttributes, ClientId* */
status_t sys_NtOpenProcess(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct nt_client_id id;
    struct process *process;
    struct object_attributes attributes;
    status_t status = ps_capture_open(arguments, &attributes, &id);
    if (is_success(status)) {
        status = ps_find_process(id.process, &process);
    }
    if (is_error(status)) {
        return status == STATUS_INVALID_PARAMETER ? STATUS_INVALID_CID : status;
    }
    return ob_publish(&process->object, &attributes, arguments[1], (uaddr_t){arguments[0]});
}

/* ProcessHandle (0: the caller's other threads), ExitStatus */
status_t sys_NtTerminateProcess(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    status_t exit_status = (status_t)arguments[1];
    struct object *object;
    if (arguments[0] == 0) {
        ps_terminate_other_threads(ps_current(), ps_current_thread(), exit_status);
        return STATUS_SUCCESS;
    }
    status_t status = ob_reference(arguments[0], &process_type, PROCESS_TERMINATE, &object);
    if (is_error(status)) {
        return status;
    }
    struct process *process = container_of(object, struct process, object);
    bool is_over = process->is_ending && process != ps_current();
    ps_terminate_process(process, exit_status);
    ob_unref(object);
    /* The caller itself, if it is one of them, ends on its way to user mode. */
    return is_over ? STATUS_PROCESS_IS_TERMINATING : STATUS_SUCCESS;
}
