/*
 * sys/file.c: file objects, and the system calls that open, read and write.
 *
 * A file object holds an open file or directory of fs/, a stream of the kernel (CONIN$, CONOUT$,
 * the first program's standard streams), or nothing (NUL). What a path means is fs/'s business;
 * only the three device names are known here. Streams are copied through a small buffer of the
 * kernel, files by fs/ straight from the segment.
 *
 * Every call ends before it returns, so an event that is passed is set, and no callback is called.
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

#define STREAM_PIECE        1024u
#define OFFSET_USE_POSITION 0xFFFFFFFEu /* with a high word of -1 */
#define OFFSET_WRITE_END    0xFFFFFFFFu

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

/* The same with at least one of the rights in ANY_ACCESS, which are those of one look. */
static status_t reference_for_transfer(uint32_t handle, uint32_t any_access,
                                       struct file_object **file)
{
    struct handle_information information;
    status_t status = handle_query(&ps_current()->handles, handle, &information);
    if (is_error(status)) {
        return status;
    }
    if (information.object->type != &file_type) {
        status = STATUS_OBJECT_TYPE_MISMATCH;
    } else if ((information.access & any_access) == 0) {
        status = STATUS_ACCESS_DENIED;
    }
    if (is_error(status)) {
        ob_unref(information.object);
        return status;
    }
    *file = container_of(information.object, struct file_object, object);
    return STATUS_SUCCESS;
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
                                      arguments[6], arguments[7], arguments[8]};
    return open_file(&it);
}

/* FileHandle, DesiredAccess, ObjectAttributes, IoStatusBlock, ShareAccess, OpenOptions */
status_t sys_NtOpenFile(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    const struct open_arguments it = {arguments[0], arguments[1], arguments[2], arguments[3],
                                      arguments[4], FILE_OPEN,    arguments[5]};
    return open_file(&it);
}

/* ---- reading and writing ----------------------------------------------------------------------
 */

/*
 * FileHandle, Event, ApcRoutine, ApcContext, IoStatusBlock, Buffer, Length, ByteOffset*, Key*
 */
enum transfer_argument {
    ARG_FILE,
    ARG_EVENT,
    ARG_APC,
    ARG_APC_CONTEXT,
    ARG_STATUS_BLOCK,
    ARG_BUFFER,
    ARG_LENGTH,
    ARG_OFFSET
};

struct transfer {
    struct file_object *file;
    struct object *event; /* referenced, or NULL */
    uaddr_t status_block;
    uaddr_t buffer;
    uint32_t nbytes;
    uint64_t offset; /* FILE_AT_POSITION: none given */
    uint32_t done;
};

static status_t capture_offset(uaddr_t address, uint64_t *offset)
{
    *offset = FILE_AT_POSITION;
    if (address.v == 0) {
        return STATUS_SUCCESS;
    }
    uint64_t value;
    status_t status = copy_from_user(&value, address, sizeof(value));
    if (is_error(status)) {
        return status;
    }
    if ((value >> 32) == UINT32_MAX) {
        uint32_t low = (uint32_t)value;
        return low == OFFSET_USE_POSITION || low == OFFSET_WRITE_END ? STATUS_SUCCESS
                                                                     : STATUS_INVALID_PARAMETER;
    }
    if ((int64_t)value < 0) {
        return STATUS_INVALID_PARAMETER;
    }
    *offset = value;
    return STATUS_SUCCESS;
}

/* What the status block, the buffer and the offset are; the file and event come before and after.
 */
static status_t capture_transfer(const uint32_t *arguments, struct transfer *it)
{
    it->status_block.v = arguments[ARG_STATUS_BLOCK];
    it->buffer.v = arguments[ARG_BUFFER];
    it->nbytes = arguments[ARG_LENGTH];
    status_t status = user_probe_write(it->status_block, sizeof(struct nt_io_status_block));
    if (is_success(status)) {
        status = user_range_check(it->buffer, it->nbytes);
    }
    return is_success(status) ? capture_offset((uaddr_t){arguments[ARG_OFFSET]}, &it->offset)
                              : status;
}

/*
 * Captures the arguments and takes the references; nothing is left on an error. Any one right of
 * ANY_ACCESS will do.
 */
static status_t begin_transfer(const uint32_t *arguments, uint32_t any_access, struct transfer *it)
{
    memset(it, 0, sizeof(*it));
    status_t status = reference_for_transfer(arguments[ARG_FILE], any_access, &it->file);
    if (is_error(status)) {
        return status;
    }
    status = capture_transfer(arguments, it);
    if (is_success(status) && arguments[ARG_EVENT] != 0) {
        status = ob_reference(arguments[ARG_EVENT], &event_type, EVENT_MODIFY_STATE, &it->event);
    }
    if (is_error(status)) {
        ob_unref(&it->file->object);
    }
    return status;
}

static status_t end_transfer(struct transfer *it, status_t status)
{
    const struct nt_io_status_block block = {(uint32_t)status, it->done};
    status_t stored = copy_to_user(it->status_block, &block, sizeof(block));
    if (it->event != NULL) {
        event_set(&container_of(it->event, struct sync_object, object)->waitable);
        ob_unref(it->event);
    }
    ob_unref(&it->file->object);
    return is_error(status) ? status : stored;
}

/* What a stream has now, at most one piece: as reading a console does. */
static status_t read_stream(struct transfer *it)
{
    uint8_t piece[STREAM_PIECE / 2u];
    uint32_t got = 0;
    struct stream *stream = it->file->stream;
    if (stream->read == NULL) {
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    if (it->nbytes == 0) {
        return STATUS_SUCCESS;
    }
    status_t status =
        stream->read(stream, piece, min_u32(it->nbytes, (uint32_t)sizeof(piece)), &got);
    if (is_success(status)) {
        status = copy_to_user(it->buffer, piece, got);
        it->done = is_success(status) ? got : 0;
    }
    return status;
}

static status_t write_stream(struct transfer *it)
{
    uint8_t piece[STREAM_PIECE / 2u];
    struct stream *stream = it->file->stream;
    if (stream->write == NULL) {
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    while (it->done < it->nbytes) {
        uint32_t n = min_u32(it->nbytes - it->done, (uint32_t)sizeof(piece));
        status_t status = copy_from_user(piece, (uaddr_t){it->buffer.v + it->done}, n);
        if (is_success(status)) {
            status = stream->write(stream, piece, n);
        }
        if (is_error(status)) {
            return status;
        }
        it->done += n;
        if (thread_self()->terminating) {
            return STATUS_THREAD_IS_TERMINATING; /* not a long text more */
        }
    }
    return STATUS_SUCCESS;
}

status_t sys_NtReadFile(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct transfer it;
    status_t status = begin_transfer(arguments, FILE_READ_DATA, &it);
    if (is_error(status)) {
        return status;
    }
    if (it.file->open != NULL) {
        status = fs_read(it.file->open, it.offset, it.buffer, it.nbytes, &it.done);
    } else if (it.file->stream != NULL) {
        status = read_stream(&it);
    } else {
        status = STATUS_END_OF_FILE;
    }
    if (it.done != 0) {
        statistics_count_read(it.done);
    }
    return end_transfer(&it, status);
}

status_t sys_NtWriteFile(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct transfer it;
    status_t status = begin_transfer(arguments, FILE_WRITE_DATA | FILE_APPEND_DATA, &it);
    if (is_error(status)) {
        return status;
    }
    if (it.file->open != NULL) {
        status = STATUS_MEDIA_WRITE_PROTECTED;
    } else if (it.file->stream != NULL) {
        status = write_stream(&it);
    } else {
        it.done = it.nbytes; /* NUL takes everything */
    }
    if (it.done != 0) {
        statistics_count_write(it.done);
    }
    return end_transfer(&it, status);
}

/* FileHandle, IoStatusBlock */
status_t sys_NtFlushBuffersFile(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct file_object *file;
    status_t status = file_reference(arguments[0], 0, &file);
    if (is_error(status)) {
        return status;
    }
    status = file->open != NULL ? fs_flush(file->open) : STATUS_SUCCESS;
    ob_unref(&file->object);
    const struct nt_io_status_block block = {(uint32_t)status, 0};
    status_t stored = copy_to_user((uaddr_t){arguments[1]}, &block, sizeof(block));
    return is_error(status) ? status : stored;
}
