/*
 * sys/file.c: file objects, and the system calls that open them.
 *
 * A file object holds an open file or directory of fs/, a stream of the kernel (CONIN$, CONOUT$,
 * the first program's standard streams), or nothing (NUL). What a path means is fs/'s business;
 * only the three device names are known here.
 */
#include "sys/file.h"

#include "abi/constants.h"
#include "abi/process.h"
#include "fs/file.h"
#include "kernel/stream.h"
#include "kernel/string.h"
#include "kernel/thread.h"
#include "kernel/usercopy.h"
#include "mm/pool.h"
#include "sys/calls.h"
#include "sys/handle.h"
#include "sys/process.h"
#include "sys/statistics.h"
#include "sys/sync.h"

static void file_destroy(struct object *object);

struct object_type file_type = {
    .name = "File",
    .nbytes = sizeof(struct file_object),
    .generic_read =
        READ_CONTROL | SYNCHRONIZE | FILE_READ_DATA | FILE_READ_EA | FILE_READ_ATTRIBUTES,
    .generic_write = READ_CONTROL | SYNCHRONIZE | FILE_WRITE_DATA | FILE_APPEND_DATA |
                     FILE_WRITE_EA | FILE_WRITE_ATTRIBUTES,
    .generic_execute = READ_CONTROL | SYNCHRONIZE | FILE_EXECUTE | FILE_READ_ATTRIBUTES,
    .valid_access = FILE_ALL_ACCESS,
    .waitable_offset = offsetof(struct file_object, signalled),
    .destroy = file_destroy,
};

void file_start(void)
{
    ob_register_type(&file_type);
}

static void file_destroy(struct object *object)
{
    struct file_object *file = container_of(object, struct file_object, object);
    if (file->open != NULL) {
        fs_close(file->open);
    }
}

static status_t file_create(struct file_object **file)
{
    struct object *object;
    status_t status = ob_create(&file_type, &object);
    if (is_success(status)) {
        *file = container_of(object, struct file_object, object);
        waitable_init_event(&(*file)->signalled, true, true);
    }
    return status;
}

status_t file_create_stream(struct stream *stream, struct file_object **file)
{
    status_t status = file_create(file);
    if (is_success(status)) {
        (*file)->stream = stream;
    }
    return status;
}

status_t file_reference(uint32_t handle, uint32_t access, struct file_object **file)
{
    struct object *object;
    status_t status = ob_reference(handle, &file_type, access, &object);
    if (is_success(status)) {
        *file = container_of(object, struct file_object, object);
    }
    return status;
}

/* ---- paths ------------------------------------------------------------------------------------
 */

status_t capture_file_path(uaddr_t address, struct captured_path *path)
{
    struct nt_object_attributes attributes;
    memset(path, 0, sizeof(*path));
    status_t status = copy_from_user(&attributes, address, sizeof(attributes));
    if (is_error(status)) {
        return status;
    }
    if (attributes.length != sizeof(attributes)) {
        return STATUS_INVALID_PARAMETER;
    }
    path->attributes = attributes.attributes;
    if (attributes.object_name != 0) {
        status = capture_string((uaddr_t){attributes.object_name}, FILE_PATH_CHARACTERS * 2u,
                                &path->text, &path->nbytes);
    }
    if (is_success(status) && attributes.root_directory != 0) {
        status = file_reference(attributes.root_directory, 0, &path->root);
        if (is_success(status) && path->root->open == NULL) {
            status = STATUS_OBJECT_PATH_SYNTAX_BAD; /* nothing lies below a stream */
        }
    }
    if (is_error(status)) {
        captured_path_release(path);
    }
    return status;
}

void captured_path_release(struct captured_path *path)
{
    mm_free(path->text, path->nbytes);
    path->text = NULL;
    if (path->root != NULL) {
        ob_unref(&path->root->object);
        path->root = NULL;
    }
}

/* Whether PATH is `\??\NAME`, without regard to case. */
static bool path_is_device(const struct captured_path *path, const char *name)
{
    static const char prefix[] = "\\??\\";
    uint32_t length = path->nbytes / 2u;
    uint32_t npre = (uint32_t)sizeof(prefix) - 1u;
    if (path->root != NULL || length != npre + strlen(name)) {
        return false;
    }
    for (uint32_t i = 0; i < length; i++) {
        uint16_t wanted = (uint8_t)(i < npre ? prefix[i] : name[i - npre]);
        uint16_t given = path->text[i];
        if (given >= 'a' && given <= 'z') {
            given = (uint16_t)(given - 32);
        }
        if (given != wanted) {
            return false;
        }
    }
    return true;
}

/* ---- opening ----------------------------------------------------------------------------------
 */

struct open_arguments {
    uint32_t target;
    uint32_t access;
    uint32_t attributes;
    uint32_t status_block;
    uint32_t file_attributes;
    uint32_t share;
    uint32_t disposition;
    uint32_t options;
};

/* One of the devices; false when PATH is none of them. */
static bool open_device(const struct captured_path *path, struct file_object **file,
                        status_t *status)
{
    if (path_is_device(path, "NUL")) {
        *status = file_create_stream(NULL, file);
    } else if (path_is_device(path, "CONIN$")) {
        *status = file_create_stream(stream_get(STREAM_INPUT), file);
    } else if (path_is_device(path, "CONOUT$") || path_is_device(path, "CON")) {
        *status = file_create_stream(stream_get(STREAM_OUTPUT), file);
    } else {
        return false;
    }
    return true;
}

static status_t open_on_volume(const struct captured_path *path,
                               const struct open_arguments *arguments, struct file_object **file,
                               uint32_t *information)
{
    const struct open_request request = {
        .path = path->text,
        .path_length = path->nbytes / 2u,
        .root = path->root != NULL ? path->root->open : NULL,
        .access = fs_map_access(arguments->access),
        .share = arguments->share,
        .disposition = arguments->disposition,
        .options = arguments->options,
        .attributes = arguments->file_attributes,
    };
    struct file_object *made;
    status_t status = file_create(&made);
    if (is_error(status)) {
        return status;
    }
    status = fs_open(&request, &made->open, information);
    if (is_error(status)) {
        made->open = NULL;
        ob_unref(&made->object);
        return status;
    }
    *file = made;
    return STATUS_SUCCESS;
}

static status_t open_file(const struct open_arguments *arguments)
{
    uaddr_t target = {arguments->target};
    struct captured_path path;
    struct file_object *file = NULL;
    uint32_t information = FILE_WAS_OPENED;
    status_t status = ob_clear_target(target);
    if (is_success(status)) {
        status =
            user_probe_write((uaddr_t){arguments->status_block}, sizeof(struct nt_io_status_block));
    }
    if (is_success(status)) {
        status = capture_file_path((uaddr_t){arguments->attributes}, &path);
    }
    if (is_error(status)) {
        return status;
    }
    if (!open_device(&path, &file, &status)) {
        status = open_on_volume(&path, arguments, &file, &information);
    } else if (is_success(status) && (arguments->options & FILE_DIRECTORY_FILE) != 0) {
        ob_unref(&file->object);
        status = STATUS_NOT_A_DIRECTORY;
    }
    struct object_attributes attributes = {path.attributes, NULL};
    captured_path_release(&path);
    if (is_success(status)) {
        uint32_t access = arguments->access;
        if (file->open != NULL) {
            access = file->open->access; /* what fs granted */
        }
        status = ob_publish(&file->object, &attributes, access, target);
    }
    const struct nt_io_status_block block = {(uint32_t)status,
                                             is_success(status) ? information : 0};
    status_t stored = copy_to_user((uaddr_t){arguments->status_block}, &block, sizeof(block));
    return is_error(status) ? status : stored;
}

/*
 * FileHandle, DesiredAccess, ObjectAttributes, IoStatusBlock, AllocationSize*, FileAttributes,
 * ShareAccess, CreateDisposition, CreateOptions, EaBuffer, EaLength
 */
status_t sys_NtCreateFile(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    const struct open_arguments it = {arguments[0], arguments[1], arguments[2], arguments[3],
                                      arguments[5], arguments[6], arguments[7], arguments[8]};
    return open_file(&it);
}

/* FileHandle, DesiredAccess, ObjectAttributes, IoStatusBlock, ShareAccess, OpenOptions */
status_t sys_NtOpenFile(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    const struct open_arguments it = {arguments[0], arguments[1], arguments[2], arguments[3], 0,
                                      arguments[4], FILE_OPEN,    arguments[5]};
    return open_file(&it);
}
