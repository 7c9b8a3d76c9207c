/*
 * sys/fileinfo.c: the system calls that tell about files.
 *
 * Streams and NUL answer too, as devices do: no size, no times.
 */
#include "sys/fileinfo.h"
#include "abi/constants.h"
#include "abi/process.h"
#include "fs/file.h"
#include "kernel/string.h"
#include "kernel/usercopy.h"
#include "mm/pool.h"
#include "sys/calls.h"
#include "sys/file.h"

static void query_file(const struct file_object *file, struct file_information *information)
{
    memset(information, 0, sizeof(*information));
    if (file->open != NULL) {
        fs_query(file->open, information);
    } else {
        information->attributes = FILE_ATTRIBUTE_NORMAL;
        information->links = 1;
    }
}

status_t file_store_answer(const uint32_t *arguments, const void *answer, uint32_t nbytes)
{
    if (arguments[ARG_LENGTH] < nbytes) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    const struct nt_io_status_block block = {STATUS_SUCCESS, nbytes};
    status_t status = copy_to_user((uaddr_t){arguments[ARG_BUFFER]}, answer, nbytes);
    return is_success(status)
               ? copy_to_user((uaddr_t){arguments[ARG_STATUS_BLOCK]}, &block, sizeof(block))
               : status;
}

static struct nt_file_basic_information basic_of(const struct file_information *it)
{
    return (struct nt_file_basic_information){it->creation_time, it->access_time, it->write_time,
                                              it->change_time,   it->attributes,  0};
}

static struct nt_file_standard_information standard_of(const struct file_information *it)
{
    return (struct nt_file_standard_information){
        .allocation_size = (int64_t)it->allocation_nbytes,
        .end_of_file = (int64_t)it->nbytes,
        .number_of_links = it->links,
        .delete_pending = it->delete_pending,
        .directory = it->is_directory,
    };
}

static struct nt_file_network_open_information network_of(const struct file_information *it)
{
    return (struct nt_file_network_open_information){
        .creation_time = it->creation_time,
        .last_access_time = it->access_time,
        .last_write_time = it->write_time,
        .change_time = it->change_time,
        .allocation_size = (int64_t)it->allocation_nbytes,
        .end_of_file = (int64_t)it->nbytes,
        .file_attributes = it->attributes,
    };
}

/* FileNameInformation: a length, then the path from the volume's root. */
static status_t store_name(const uint32_t *arguments, const uint16_t *path, uint32_t nbytes)
{
    uint32_t fits = min_u32(nbytes, (arguments[ARG_LENGTH] - 4u) & ~1u);
    status_t result = fits < nbytes ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
    const struct nt_io_status_block block = {(uint32_t)result, 4u + fits};
    status_t status = user_write_u32((uaddr_t){arguments[ARG_BUFFER]}, nbytes);
    if (is_success(status) && fits > 0) {
        status = copy_to_user((uaddr_t){arguments[ARG_BUFFER] + 4u}, path, fits);
    }
    if (is_success(status)) {
        status = copy_to_user((uaddr_t){arguments[ARG_STATUS_BLOCK]}, &block, sizeof(block));
    }
    return is_success(status) ? result : status;
}

static status_t query_name(const uint32_t *arguments, const struct file_object *file)
{
    uint32_t length = 0;
    if (arguments[ARG_LENGTH] < 4u) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    if (file->open == NULL) {
        return store_name(arguments, NULL, 0);
    }
    uint16_t *path = fs_copy_path(file->open, &length);
    if (path == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    status_t status = store_name(arguments, path, length * 2u);
    mm_free(path, (length + 1u) * 2u);
    return status;
}

static status_t query_position(const uint32_t *arguments, const struct file_object *file)
{
    uint64_t position = file->open != NULL ? fs_get_position(file->open) : 0;
    return file_store_answer(arguments, &position, sizeof(position));
}

/* Everything in one structure: basic, standard, and zeroes or numbers for the rest. */
static status_t query_all(const uint32_t *arguments, const struct file_object *file,
                          const struct file_information *it)
{
    struct {
        struct nt_file_basic_information basic;
        struct nt_file_standard_information standard;
        uint64_t index;
        uint32_t ea_size;
        uint32_t access;
        uint64_t position;
        uint32_t mode;
        uint32_t alignment;
        uint32_t name_length;
        uint32_t padding;
    } answer = {.basic = basic_of(it), .standard = standard_of(it), .index = it->index};
    if (file->open != NULL) {
        answer.access = file->open->access;
        answer.position = fs_get_position(file->open);
        answer.mode = file->open->options;
    }
    return file_store_answer(arguments, &answer, sizeof(answer));
}

static status_t query_class(const uint32_t *arguments, const struct file_object *file)
{
    struct file_information it;
    query_file(file, &it);
    switch (arguments[ARG_CLASS]) {
    case NT_FILE_BASIC_INFORMATION: {
        struct nt_file_basic_information answer = basic_of(&it);
        return file_store_answer(arguments, &answer, sizeof(answer));
    }
    case NT_FILE_STANDARD_INFORMATION: {
        struct nt_file_standard_information answer = standard_of(&it);
        return file_store_answer(arguments, &answer, sizeof(answer));
    }
    case NT_FILE_NETWORK_OPEN_INFORMATION: {
        struct nt_file_network_open_information answer = network_of(&it);
        return file_store_answer(arguments, &answer, sizeof(answer));
    }
    case NT_FILE_INTERNAL_INFORMATION:
        return file_store_answer(arguments, &it.index, sizeof(it.index));
    case NT_FILE_EA_INFORMATION: {
        uint32_t none = 0;
        return file_store_answer(arguments, &none, sizeof(none));
    }
    case NT_FILE_ACCESS_INFORMATION: {
        uint32_t access = file->open != NULL ? file->open->access : FILE_ALL_ACCESS;
        return file_store_answer(arguments, &access, sizeof(access));
    }
    case NT_FILE_MODE_INFORMATION: {
        uint32_t mode = file->open != NULL ? file->open->options : 0;
        return file_store_answer(arguments, &mode, sizeof(mode));
    }
    case NT_FILE_ATTRIBUTE_TAG_INFORMATION: {
        const uint32_t tag[2] = {it.attributes, 0};
        return file_store_answer(arguments, tag, sizeof(tag));
    }
    case NT_FILE_NAME_INFORMATION:
        return query_name(arguments, file);
    case NT_FILE_POSITION_INFORMATION:
        return query_position(arguments, file);
    case NT_FILE_ALL_INFORMATION:
        return query_all(arguments, file, &it);
    default:
        return STATUS_INVALID_INFO_CLASS;
    }
}

status_t sys_NtQueryInformationFile(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct file_object *file;
    status_t status = file_reference(arguments[ARG_FILE], 0, &file);
    if (is_error(status)) {
        return status;
    }
    status = query_class(arguments, file);
    ob_unref(&file->object);
    return status;
}

/* ---- by name ----------------------------------------------------------------------------------
 */

static status_t query_path(uint32_t object_attributes, struct file_information *information)
{
    struct captured_path path;
    status_t status = capture_file_path((uaddr_t){object_attributes}, &path);
    if (is_error(status)) {
        return status;
    }
    const struct open_request request = {
        .path = path.text,
        .path_length = path.nbytes / 2u,
        .root = path.root != NULL ? path.root->open : NULL,
    };
    status = fs_query_path(&request, information);
    captured_path_release(&path);
    return status;
}

/* ObjectAttributes, FILE_BASIC_INFORMATION* */
status_t sys_NtQueryAttributesFile(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct file_information it;
    status_t status = query_path(arguments[0], &it);
    if (is_error(status)) {
        return status;
    }
    struct nt_file_basic_information answer = basic_of(&it);
    return copy_to_user((uaddr_t){arguments[1]}, &answer, sizeof(answer));
}

/* ObjectAttributes, FILE_NETWORK_OPEN_INFORMATION* */
status_t sys_NtQueryFullAttributesFile(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct file_information it;
    status_t status = query_path(arguments[0], &it);
    if (is_error(status)) {
        return status;
    }
    struct nt_file_network_open_information answer = network_of(&it);
    return copy_to_user((uaddr_t){arguments[1]}, &answer, sizeof(answer));
}
