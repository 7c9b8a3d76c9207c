/*
 * sys/handlecalls.c: the system calls on handles of any type: close, duplicate, compare, query.
 */
#include "abi/constants.h"
#include "abi/process.h"
#include "fs/file.h"
#include "kernel/string.h"
#include "kernel/usercopy.h"
#include "sys/calls.h"
#include "sys/file.h"
#include "sys/handle.h"
#include "sys/process.h"
#include "sys/section.h"

/* Handle. The pseudo-handles may be closed: nothing happens (HND08). */
status_t sys_NtClose(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    if (arguments[0] >= HANDLE_CURRENT_THREAD) {
        return STATUS_SUCCESS;
    }
    return handle_close(&ps_current()->handles, arguments[0]);
}

/* Handle, Handle */
status_t sys_NtCompareObjects(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct object *first;
    struct object *second;
    status_t status = ob_reference(arguments[0], NULL, 0, &first);
    if (is_error(status)) {
        return status;
    }
    status = ob_reference(arguments[1], NULL, 0, &second);
    if (is_success(status)) {
        status = first == second ? STATUS_SUCCESS : STATUS_NOT_SAME_OBJECT;
        ob_unref(second);
    }
    ob_unref(first);
    return status;
}

/* ---- NtDuplicateObject ------------------------------------------------------------------------
 */

struct duplication {
    uint32_t source_handle;
    uint32_t desired_access;
    uint32_t attributes;
    uint32_t options;
    uint32_t new_handle;
    struct process *source;
    struct process *target;
};

/* The object in the source process; the pseudo-handles name the caller or the source process. */
static status_t query_source(const struct duplication *it, struct handle_information *information)
{
    if (it->source_handle < HANDLE_CURRENT_THREAD) {
        return handle_query(&it->source->handles, it->source_handle, information);
    }
    bool is_process = it->source_handle == HANDLE_CURRENT_PROCESS;
    information->object = is_process ? &it->source->object : &ps_current_thread()->object;
    information->access = information->object->type->valid_access;
    information->flags = 0;
    ob_ref(information->object);
    return STATUS_SUCCESS;
}

/*
 * The access of the new handle: the same or less. What a handle was given cannot grow by
 * duplicating it.
 */
static status_t choose_access(const struct duplication *it, const struct handle_information *source,
                              uint32_t *access)
{
    if ((it->options & DUPLICATE_SAME_ACCESS) != 0) {
        *access = source->access;
        return STATUS_SUCCESS;
    }
    uint32_t desired = it->desired_access;
    if ((desired & MAXIMUM_ALLOWED) != 0) {
        desired = (desired & ~MAXIMUM_ALLOWED) | source->access;
    }
    status_t status = ob_map_access(source->object->type, desired, access);
    if (is_success(status) && (*access & ~source->access) != 0) {
        status = STATUS_ACCESS_DENIED;
    }
    return status;
}

/*
 * The source's slot is free now: in the same table it is where the new handle belongs, when it is
 * the lower one (a new handle takes the lowest free slot). The new handle is held meanwhile, so
 * that the object is never without one.
 */
static status_t take_lower_slot(struct duplication *it, const struct handle_information *source,
                                uint32_t access, uint32_t flags)
{
    uint32_t held = it->new_handle;
    if (it->source != it->target || held < it->source_handle) {
        return STATUS_SUCCESS;
    }
    status_t status =
        handle_open(&it->target->handles, source->object, access, flags, &it->new_handle);
    if (is_error(status)) {
        it->new_handle = held; /* it serves as well */
        return STATUS_SUCCESS;
    }
    return handle_close(&it->target->handles, held);
}

static status_t perform_duplicate(struct duplication *it)
{
    struct handle_information source;
    uint32_t access;
    status_t status = query_source(it, &source);
    if (is_error(status)) {
        return status;
    }
    uint32_t flags = 0;
    if (it->target != NULL) {
        status = choose_access(it, &source, &access);
        flags = (it->options & DUPLICATE_SAME_ATTRIBUTES) != 0 ? source.flags
                : (it->attributes & OBJ_INHERIT) != 0          ? HANDLE_INHERIT
                                                               : 0;
        if (is_success(status)) {
            status =
                handle_open(&it->target->handles, source.object, access, flags, &it->new_handle);
        }
    }
    /* The source goes even when the target could not be made, as in NT. */
    if ((it->options & DUPLICATE_CLOSE_SOURCE) != 0 && it->source_handle < HANDLE_CURRENT_THREAD) {
        status_t closed = handle_close(&it->source->handles, it->source_handle);
        if (it->target == NULL) {
            status = is_success(status) ? closed : status;
        } else if (is_success(status) && is_success(closed)) {
            status = take_lower_slot(it, &source, access, flags);
        }
    }
    ob_unref(source.object);
    return status;
}

static status_t with_processes(struct duplication *it, uint32_t source, uint32_t target)
{
    struct object *from;
    struct object *to = NULL;
    status_t status = ob_reference(source, &process_type, PROCESS_DUP_HANDLE, &from);
    if (is_error(status)) {
        return status;
    }
    it->source = container_of(from, struct process, object);
    bool only_close = target == 0 && (it->options & DUPLICATE_CLOSE_SOURCE) != 0;
    if (!only_close) {
        status = ob_reference(target, &process_type, PROCESS_DUP_HANDLE, &to);
    }
    if (is_success(status)) {
        it->target = to != NULL ? container_of(to, struct process, object) : NULL;
        status = perform_duplicate(it);
    }
    if (to != NULL) {
        ob_unref(to);
    }
    ob_unref(from);
    return status;
}

/*
 * SourceProcess, SourceHandle, TargetProcess, TargetHandle*, DesiredAccess, Attributes, Options
 */
status_t sys_NtDuplicateObject(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    uaddr_t answer = {arguments[3]};
    struct duplication it = {.source_handle = arguments[1],
                             .desired_access = arguments[4],
                             .attributes = arguments[5],
                             .options = arguments[6]};
    if (answer.v != 0) {
        status_t cleared = ob_clear_target(answer);
        if (is_error(cleared)) {
            return cleared;
        }
    }
    status_t status = with_processes(&it, arguments[0], arguments[2]);
    if (is_success(status) && answer.v != 0 && it.new_handle != 0) {
        status = user_write_u32(answer, it.new_handle);
    }
    return status;
}

/* ---- NtQueryObject ----------------------------------------------------------------------------
 */

/* Handle, InformationClass, Information, Length, ReturnLength* */
enum query_argument { ARG_HANDLE, ARG_CLASS, ARG_BUFFER, ARG_LENGTH, ARG_RETURNED };

static status_t store_length(const uint32_t *arguments, uint32_t nbytes)
{
    if (arguments[ARG_RETURNED] == 0) {
        return STATUS_SUCCESS;
    }
    return user_write_u32((uaddr_t){arguments[ARG_RETURNED]}, nbytes);
}

static uint32_t attributes_of(const struct handle_information *it)
{
    return (it->flags & HANDLE_INHERIT) != 0 ? OBJ_INHERIT : 0;
}

static status_t query_basic(const uint32_t *arguments, const struct handle_information *it)
{
    struct nt_object_basic_information answer;
    struct object_counts counts;
    if (arguments[ARG_LENGTH] < sizeof(answer) || arguments[ARG_BUFFER] == 0) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    ob_read_counts(it->object, &counts);
    memset(&answer, 0, sizeof(answer));
    answer.attributes = attributes_of(it);
    answer.granted_access = it->access;
    answer.handle_count = counts.handles;
    answer.pointer_count = counts.handles + 1u + (counts.is_named ? 1u : 0u);
    answer.type_information_length = (uint32_t)sizeof(struct nt_object_type_information);
    status_t status = copy_to_user((uaddr_t){arguments[ARG_BUFFER]}, &answer, sizeof(answer));
    return is_success(status) ? store_length(arguments, sizeof(answer)) : status;
}

/* A UNICODE_STRING and its text: PREFIX, then TEXT, then a zero. */
struct name_pieces {
    const uint16_t *prefix;
    uint32_t prefix_nbytes;
    const uint16_t *text;
    uint32_t text_nbytes;
};

static status_t write_name(const uint32_t *arguments, const struct name_pieces *pieces)
{
    static const uint16_t zero;
    uint32_t buffer = arguments[ARG_BUFFER];
    uint32_t length = pieces->prefix_nbytes + pieces->text_nbytes;
    struct nt_unicode_string string = {(uint16_t)length, (uint16_t)(length + 2u),
                                       buffer + (uint32_t)sizeof(string)};
    status_t status = copy_to_user((uaddr_t){buffer}, &string, sizeof(string));
    if (is_success(status)) {
        status = copy_to_user((uaddr_t){string.buffer}, pieces->prefix, pieces->prefix_nbytes);
    }
    if (is_success(status)) {
        status = copy_to_user((uaddr_t){string.buffer + pieces->prefix_nbytes}, pieces->text,
                              pieces->text_nbytes);
    }
    if (is_success(status)) {
        status = copy_to_user((uaddr_t){string.buffer + length}, &zero, sizeof(zero));
    }
    return status;
}

/* A buffer that is too short: files and other objects differ in what is said. */
static status_t answer_name(const uint32_t *arguments, const struct name_pieces *pieces,
                            bool is_file)
{
    struct nt_unicode_string empty = {0, 0, 0};
    uint32_t length = pieces->prefix_nbytes + pieces->text_nbytes;
    uint32_t needed = (uint32_t)sizeof(empty) + (length != 0 ? length + 2u : 0);
    status_t status = store_length(arguments, needed);
    if (is_error(status)) {
        return status;
    }
    if (arguments[ARG_LENGTH] < needed) {
        return arguments[ARG_LENGTH] < sizeof(empty) || !is_file ? STATUS_INFO_LENGTH_MISMATCH
                                                                 : STATUS_BUFFER_OVERFLOW;
    }
    if (length == 0) {
        return copy_to_user((uaddr_t){arguments[ARG_BUFFER]}, &empty, sizeof(empty));
    }
    return write_name(arguments, pieces);
}

static status_t query_name(const uint32_t *arguments, const struct handle_information *it)
{
    struct name_pieces pieces = {NULL, 0, NULL, 0};
    if (it->object->type == &file_type) {
        const struct file_object *file = container_of(it->object, struct file_object, object);
        if (file->open != NULL) {
            pieces = (struct name_pieces){u"\\??\\C:", 12, file->open->path,
                                          file->open->path_length * 2u};
        }
        return answer_name(arguments, &pieces, true);
    }
    status_t status;
    struct object_name *name = ob_copy_name(it->object, &status);
    if (is_error(status)) {
        return status;
    }
    if (name != NULL) {
        pieces = (struct name_pieces){NAME_DIRECTORY, NAME_DIRECTORY_LENGTH * 2u, name->characters,
                                      name->length * 2u};
    }
    status = answer_name(arguments, &pieces, false);
    object_name_free(name);
    return status;
}

static status_t query_type(const uint32_t *arguments, const struct handle_information *it)
{
    const struct object_type *type = it->object->type;
    struct nt_object_type_information answer;
    uint16_t text[16];
    uint32_t length = (uint32_t)strnlen(type->name, ARRAY_COUNT(text) - 1u);
    for (uint32_t i = 0; i < length; i++) {
        text[i] = (uint8_t)type->name[i];
    }
    text[length] = 0;
    uint32_t text_nbytes = (length + 1u) * 2u;
    uint32_t needed = ((uint32_t)sizeof(answer) + text_nbytes + 3u) & ~3u;
    status_t status = store_length(arguments, needed);
    if (is_error(status)) {
        return status;
    }
    if (arguments[ARG_LENGTH] < needed) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    memset(&answer, 0, sizeof(answer));
    answer.type_name = (struct nt_unicode_string){(uint16_t)(length * 2u), (uint16_t)text_nbytes,
                                                  arguments[ARG_BUFFER] + (uint32_t)sizeof(answer)};
    answer.total_objects = type->objects;
    answer.total_handles = type->handles;
    answer.generic_read = type->generic_read;
    answer.generic_write = type->generic_write;
    answer.generic_execute = type->generic_execute;
    answer.generic_all = type->valid_access;
    answer.valid_access_mask =
        type->valid_access | (type == &section_type ? SYNCHRONIZE : 0); /* as NT says (HND26) */
    answer.maintain_handle_count = 1;
    status = copy_to_user((uaddr_t){arguments[ARG_BUFFER]}, &answer, sizeof(answer));
    return is_success(status) ? copy_to_user((uaddr_t){answer.type_name.buffer}, text, text_nbytes)
                              : status;
}

static status_t query_flags(const uint32_t *arguments, const struct handle_information *it)
{
    struct nt_object_handle_information answer = {(it->flags & HANDLE_INHERIT) != 0,
                                                  (it->flags & HANDLE_PROTECT) != 0};
    if (arguments[ARG_LENGTH] != sizeof(answer)) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    status_t status = copy_to_user((uaddr_t){arguments[ARG_BUFFER]}, &answer, sizeof(answer));
    return is_success(status) ? store_length(arguments, sizeof(answer)) : status;
}

/* Any handle, the pseudo-handles included. */
static status_t query_handle(uint32_t handle, struct handle_information *it)
{
    if (handle < HANDLE_CURRENT_THREAD) {
        return handle_query(&ps_current()->handles, handle, it);
    }
    status_t status = ob_reference(handle, NULL, 0, &it->object);
    it->access = is_success(status) ? it->object->type->valid_access : 0;
    it->flags = 0;
    return status;
}

status_t sys_NtQueryObject(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct handle_information it;
    status_t status = query_handle(arguments[ARG_HANDLE], &it);
    if (is_error(status)) {
        return status;
    }
    switch (arguments[ARG_CLASS]) {
    case NT_OBJECT_BASIC_INFORMATION:
        status = query_basic(arguments, &it);
        break;
    case NT_OBJECT_NAME_INFORMATION:
        status = query_name(arguments, &it);
        break;
    case NT_OBJECT_TYPE_INFORMATION:
        status = query_type(arguments, &it);
        break;
    case NT_OBJECT_HANDLE_INFORMATION:
        status = query_flags(arguments, &it);
        break;
    default:
        status = STATUS_INVALID_INFO_CLASS;
        break;
    }
    ob_unref(it.object);
    return status;
}

/* Handle, InformationClass, Information, Length */
status_t sys_NtSetInformationObject(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct nt_object_handle_information flags;
    if (arguments[ARG_CLASS] != NT_OBJECT_HANDLE_INFORMATION) {
        return STATUS_INVALID_INFO_CLASS;
    }
    if (arguments[ARG_LENGTH] != sizeof(flags)) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    status_t status = copy_from_user(&flags, (uaddr_t){arguments[ARG_BUFFER]}, sizeof(flags));
    if (is_error(status)) {
        return status;
    }
    return handle_set_flags(&ps_current()->handles, arguments[ARG_HANDLE],
                            (flags.inherit != 0 ? HANDLE_INHERIT : 0) |
                                (flags.protect_from_close != 0 ? HANDLE_PROTECT : 0));
}
