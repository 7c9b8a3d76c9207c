/*
 * sys/filetransfer.c: the system calls that read, write, flush and lock.
 *
 * Streams are copied through a small buffer of the kernel, files by fs/ straight from and to the
 * segment. Every call ends before it returns, so an event that is passed is set, and no callback is
 * called.
 */
#include "abi/constants.h"
#include "abi/process.h"
#include "fs/file.h"
#include "kernel/stream.h"
#include "kernel/string.h"
#include "kernel/thread.h"
#include "kernel/usercopy.h"
#include "mm/pagefile.h"
#include "sys/calls.h"
#include "sys/file.h"
#include "sys/handle.h"
#include "sys/process.h"
#include "sys/statistics.h"
#include "sys/sync.h"

#define STREAM_PIECE        1024u
#define OFFSET_USE_POSITION 0xFFFFFFFEu /* with a high word of -1 */
#define OFFSET_WRITE_END    0xFFFFFFFFu

/* The file object behind a handle with at least one of the rights in ANY_ACCESS. */
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
    ARG_OFFSET,
    ARG_KEY
};

struct transfer {
    struct file_object *file;
    struct object *event; /* referenced, or NULL */
    uaddr_t status_block;
    uaddr_t buffer;
    uint32_t nbytes;
    uint64_t offset; /* FILE_AT_POSITION: none given; FILE_AT_END */
    struct range_owner owner;
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
        *offset = low == OFFSET_WRITE_END ? FILE_AT_END : FILE_AT_POSITION;
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
    it->owner.process = ps_current();
    if (is_success(status) && arguments[ARG_KEY] != 0) {
        status = user_read_u32((uaddr_t){arguments[ARG_KEY]}, &it->owner.key);
    }
    if (is_success(status)) {
        status = capture_offset((uaddr_t){arguments[ARG_OFFSET]}, &it->offset);
    }
    bool needs_offset = it->file->open != NULL && !fs_is_synchronous(it->file->open);
    return is_success(status) && needs_offset && it->offset == FILE_AT_POSITION
               ? STATUS_INVALID_PARAMETER
               : status;
}

/*
 * Captures the arguments and takes the references; nothing is left on an error. Any one right of
 * ANY_ACCESS will do.
 */
static status_t begin_transfer(const uint32_t *arguments, uint32_t any_access, struct transfer *it)
{
    memset(it, 0, sizeof(*it));
    mm_pagefile_keep_ahead(); /* a transfer charges tables as it goes on */
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
        status = it.offset == FILE_AT_END
                     ? STATUS_INVALID_PARAMETER
                     : fs_read(it.file->open, &it.owner, it.offset, it.buffer, it.nbytes, &it.done);
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
        status = fs_write(it.file->open, &it.owner, it.offset, it.buffer, it.nbytes, &it.done);
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

static status_t store_status(uint32_t status_block, status_t status)
{
    const struct nt_io_status_block block = {(uint32_t)status, 0};
    status_t stored = copy_to_user((uaddr_t){status_block}, &block, sizeof(block));
    return is_error(status) ? status : stored;
}

/* FileHandle, IoStatusBlock */
status_t sys_NtFlushBuffersFile(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct file_object *file;
    status_t status =
        reference_for_transfer(arguments[0], FILE_WRITE_DATA | FILE_APPEND_DATA, &file);
    if (is_error(status)) {
        return status;
    }
    status = file->open != NULL ? fs_flush(file->open) : STATUS_SUCCESS;
    ob_unref(&file->object);
    return store_status(arguments[1], status);
}

/* ---- byte ranges ------------------------------------------------------------------------------
 */

/*
 * NtLockFile: FileHandle, Event, ApcRoutine, ApcContext, IoStatusBlock, ByteOffset*, Length*, Key,
 * FailImmediately, ExclusiveLock
 */
enum lock_argument {
    LOCK_FILE,
    LOCK_EVENT,
    LOCK_APC,
    LOCK_APC_CONTEXT,
    LOCK_STATUS_BLOCK,
    LOCK_OFFSET,
    LOCK_LENGTH,
    LOCK_KEY,
    LOCK_FAIL_IMMEDIATELY,
    LOCK_EXCLUSIVE
};

/* A range as both calls get it. */
struct range {
    uint64_t offset;
    uint64_t nbytes;
    struct range_owner owner;
};

static status_t capture_range(uint32_t offset, uint32_t length, uint32_t key, struct range *range)
{
    range->owner = (struct range_owner){ps_current(), key};
    status_t status = copy_from_user(&range->offset, (uaddr_t){offset}, sizeof(range->offset));
    return is_success(status)
               ? copy_from_user(&range->nbytes, (uaddr_t){length}, sizeof(range->nbytes))
               : status;
}

/* Locks; the event, which may be none, is set when it is done. */
static status_t lock_and_tell(const uint32_t *arguments, struct open_file *open,
                              const struct range *range)
{
    struct object *event = NULL;
    status_t status = STATUS_SUCCESS;
    if (arguments[LOCK_EVENT] != 0) {
        status = ob_reference(arguments[LOCK_EVENT], &event_type, EVENT_MODIFY_STATE, &event);
    }
    if (is_success(status)) {
        status = fs_lock_range(open, &range->owner, range->offset, range->nbytes,
                               (arguments[LOCK_EXCLUSIVE] & 0xFFu) != 0,
                               (arguments[LOCK_FAIL_IMMEDIATELY] & 0xFFu) == 0);
    }
    if (event != NULL) {
        event_set(&container_of(event, struct sync_object, object)->waitable);
        ob_unref(event);
    }
    return status;
}

status_t sys_NtLockFile(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct file_object *file;
    struct range range;
    status_t status =
        capture_range(arguments[LOCK_OFFSET], arguments[LOCK_LENGTH], arguments[LOCK_KEY], &range);
    if (is_success(status)) {
        status =
            reference_for_transfer(arguments[LOCK_FILE], FILE_READ_DATA | FILE_WRITE_DATA, &file);
    }
    if (is_error(status)) {
        return status;
    }
    status = file->open != NULL ? lock_and_tell(arguments, file->open, &range)
                                : STATUS_INVALID_DEVICE_REQUEST;
    ob_unref(&file->object);
    return store_status(arguments[LOCK_STATUS_BLOCK], status);
}

/* FileHandle, IoStatusBlock, ByteOffset*, Length*, Key */
status_t sys_NtUnlockFile(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct file_object *file;
    struct range range;
    status_t status = capture_range(arguments[2], arguments[3], arguments[4], &range);
    if (is_success(status)) {
        status = reference_for_transfer(arguments[0], FILE_READ_DATA | FILE_WRITE_DATA, &file);
    }
    if (is_error(status)) {
        return status;
    }
    status = file->open != NULL
                 ? fs_unlock_range(file->open, &range.owner, range.offset, range.nbytes)
                 : STATUS_INVALID_DEVICE_REQUEST;
    ob_unref(&file->object);
    return store_status(arguments[1], status);
}
