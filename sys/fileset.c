/*
 * sys/fileset.c: the system call that changes files: position, size, times and attributes, name,
 * deletion.
 *
 * One row for each class says what the handle must have been granted and how long the structure is
 * at least; then the structure is captured, and fs/ does the rest.
 */
#include "abi/constants.h"
#include "abi/process.h"
#include "fs/file.h"
#include "kernel/string.h"
#include "kernel/usercopy.h"
#include "mm/pool.h"
#include "sys/calls.h"
#include "sys/file.h"
#include "sys/fileinfo.h"

static status_t set_position(const uint32_t *arguments, struct open_file *open)
{
    int64_t position;
    status_t status = copy_from_user(&position, (uaddr_t){arguments[ARG_BUFFER]}, sizeof(position));
    if (is_error(status)) {
        return status;
    }
    if (position < 0) {
        return STATUS_INVALID_PARAMETER;
    }
    fs_set_position(open, (uint64_t)position);
    return STATUS_SUCCESS;
}

static status_t set_end_of_file(const uint32_t *arguments, struct open_file *open)
{
    int64_t nbytes;
    status_t status = copy_from_user(&nbytes, (uaddr_t){arguments[ARG_BUFFER]}, sizeof(nbytes));
    if (is_success(status) && nbytes < 0) {
        status = STATUS_INVALID_PARAMETER;
    }
    return is_success(status) ? fs_set_size(open, (uint64_t)nbytes) : status;
}

static status_t set_allocation(const uint32_t *arguments, struct open_file *open)
{
    int64_t nbytes;
    status_t status = copy_from_user(&nbytes, (uaddr_t){arguments[ARG_BUFFER]}, sizeof(nbytes));
    if (is_success(status) && nbytes < 0) {
        status = STATUS_INVALID_PARAMETER;
    }
    return is_success(status) ? fs_set_allocation(open, (uint64_t)nbytes) : status;
}

static status_t set_basic(const uint32_t *arguments, struct open_file *open)
{
    struct nt_file_basic_information it;
    status_t status = copy_from_user(&it, (uaddr_t){arguments[ARG_BUFFER]}, sizeof(it));
    if (is_error(status)) {
        return status;
    }
    const struct file_settings settings = {
        .creation_time = it.creation_time,
        .access_time = it.last_access_time,
        .write_time = it.last_write_time,
        .change_time = it.change_time,
        .attributes = it.file_attributes,
    };
    return fs_set_information(open, &settings);
}

static status_t set_disposition(const uint32_t *arguments, struct open_file *open)
{
    uint8_t delete;
    status_t status = copy_from_user(&delete, (uaddr_t){arguments[ARG_BUFFER]}, sizeof(delete));
    return is_success(status) ? fs_set_disposition(open, delete != 0) : status;
}

typedef status_t name_function(struct open_file *open, const struct open_request *target,
                               bool replace);

/* The new name, in TEXT; it is relative to ROOT, or to the file's own directory. */
static status_t name_captured(struct open_file *open, const struct nt_file_rename_information *it,
                              const uint16_t *text, name_function *perform)
{
    struct file_object *root = NULL;
    status_t status = STATUS_SUCCESS;
    if (it->root_directory != 0) {
        status = file_reference(it->root_directory, 0, &root);
    }
    if (is_success(status) && root != NULL && root->open == NULL) {
        status = STATUS_OBJECT_PATH_SYNTAX_BAD;
    }
    if (is_success(status)) {
        const struct open_request target = {.path = text,
                                            .path_length = it->file_name_length / 2u,
                                            .root = root != NULL ? root->open : NULL};
        status = perform(open, &target, it->replace_if_exists != 0);
    }
    if (root != NULL) {
        ob_unref(&root->object);
    }
    return status;
}

static status_t set_name(const uint32_t *arguments, struct open_file *open, name_function *perform)
{
    uint32_t head = (uint32_t)offsetof(struct nt_file_rename_information, file_name);
    struct nt_file_rename_information it;
    status_t status = copy_from_user(&it, (uaddr_t){arguments[ARG_BUFFER]}, head);
    if (is_error(status)) {
        return status;
    }
    if (it.file_name_length == 0 || it.file_name_length % 2u != 0 ||
        it.file_name_length > FILE_PATH_CHARACTERS * 2u ||
        it.file_name_length > arguments[ARG_LENGTH] - head) {
        return STATUS_INVALID_PARAMETER;
    }
    uint16_t *text = mm_allocate(it.file_name_length);
    if (text == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    status = copy_from_user(text, (uaddr_t){arguments[ARG_BUFFER] + head}, it.file_name_length);
    if (is_success(status)) {
        status = name_captured(open, &it, text, perform);
    }
    mm_free(text, it.file_name_length);
    return status;
}

static status_t set_rename(const uint32_t *arguments, struct open_file *open)
{
    return set_name(arguments, open, fs_rename);
}

static status_t set_link(const uint32_t *arguments, struct open_file *open)
{
    return set_name(arguments, open, fs_link);
}

static const struct set_class {
    uint32_t class;
    uint32_t access; /* that the handle must have */
    uint32_t nbytes; /* of the structure, at least */
    status_t (*set)(const uint32_t *arguments, struct open_file *open);
} classes[] = {
    {NT_FILE_BASIC_INFORMATION, FILE_WRITE_ATTRIBUTES, sizeof(struct nt_file_basic_information),
     set_basic},
    {NT_FILE_RENAME_INFORMATION, DELETE_ACCESS,
     (uint32_t)offsetof(struct nt_file_rename_information, file_name), set_rename},
    {NT_FILE_LINK_INFORMATION, 0, (uint32_t)offsetof(struct nt_file_rename_information, file_name),
     set_link},
    {NT_FILE_DISPOSITION_INFORMATION, DELETE_ACCESS, 1, set_disposition},
    {NT_FILE_POSITION_INFORMATION, 0, 8, set_position},
    {NT_FILE_ALLOCATION_INFORMATION, FILE_WRITE_DATA, 8, set_allocation},
    {NT_FILE_END_OF_FILE_INFORMATION, FILE_WRITE_DATA, 8, set_end_of_file},
};

status_t sys_NtSetInformationFile(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct file_object *file;
    const struct set_class *class = NULL;
    for (uint32_t i = 0; i < ARRAY_COUNT(classes); i++) {
        class = classes[i].class == arguments[ARG_CLASS] ? &classes[i] : class;
    }
    if (class == NULL) {
        return STATUS_INVALID_INFO_CLASS;
    }
    if (arguments[ARG_LENGTH] < class->nbytes) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    status_t status = file_reference(arguments[ARG_FILE], class->access, &file);
    if (is_error(status)) {
        return status;
    }
    status = file->open != NULL ? class->set(arguments, file->open) : STATUS_INVALID_DEVICE_REQUEST;
    ob_unref(&file->object);
    if (is_success(status)) {
        const struct nt_io_status_block block = {STATUS_SUCCESS, 0};
        status = copy_to_user((uaddr_t){arguments[ARG_STATUS_BLOCK]}, &block, sizeof(block));
    }
    return status;
}
