/*
 * fs/write.c: writing files through their one data segment, and making what was written durable.
 *
 * One writer at a time per file: its main lock covers size and copying. What a file gains is
 * reserved on the disk before anything is copied, so a full disk refuses the whole of such a write.
 * A buffer that cannot be read to its end takes the size back. With FILE_WRITE_THROUGH, or without
 * buffering, the range is written and the device flushed before the call returns; else the pages
 * stay dirty in memory, and the lazy writer or a flush writes them.
 *
 * A page-out that failed is told to each open's next flush, once.
 */
#include "fs/internal.h"

#include "abi/constants.h"
#include "fs/range_lock.h"
#include "fs/transfer_rules.h"
#include "kernel/usercopy.h"
#include "mm/cache.h"
#include "mm/section.h"

/* One call of fs_write. */
struct writing {
    struct open_file *open;
    const struct range_owner *owner;
    uint64_t offset;
    uaddr_t source;
    uint32_t nbytes;
    struct segment *segment;
};

/* Where the write begins. */
static void resolve_offset(const struct file *file, struct writing *it) REQUIRES(file->main_lock)
{
    const struct open_file *open = it->open;
    bool appends_only = (open->access & FILE_WRITE_DATA) == 0;

    if (it->offset == FILE_AT_END || appends_only) {
        it->offset = file->information.nbytes;
    } else if (it->offset == FILE_AT_POSITION) {
        it->offset = open->position;
    }
}

static status_t check(const struct writing *it)
{
    struct file *file = it->open->file;

    if (!transfer_is_aligned(it->open, it->offset, it->nbytes)) {
        return STATUS_INVALID_PARAMETER;
    }
    if (it->offset > INT64_MAX - (uint64_t)it->nbytes) {
        return STATUS_INVALID_PARAMETER;
    }
    mutex_lock(&fsi.lock);
    bool image = fsi_is_mapped(file, true);
    mutex_unlock(&fsi.lock);
    return image ? STATUS_USER_MAPPED_FILE
                 : fsi_check_ranges(it->open, it->owner, it->offset, it->nbytes, true);
}

/* Touches every page of the buffer: one that cannot be read changes nothing. */
static status_t probe(uaddr_t source, uint32_t nbytes)
{
    uint8_t byte;
    status_t status = user_range_check(source, nbytes);

    for (uint32_t i = 0; i < nbytes && is_success(status);
         i += PAGE_BYTES - ((source.v + i) & PAGE_MASK)) {
        status = copy_from_user(&byte, (uaddr_t){source.v + i}, 1);
    }
    return status;
}

/* The file is long enough for the write. */
static status_t make_room(struct file *file, struct writing *it) REQUIRES(file->main_lock)
{
    uint64_t end = it->offset + it->nbytes;
    status_t status = STATUS_SUCCESS;

    if (end > file->information.nbytes) {
        status = probe(it->source, it->nbytes);
        if (is_success(status)) {
            status = fsi_grow_locked(file, end, it->offset);
        }
    }
    return is_success(status) ? fsi_file_segment_locked(file, &it->segment) : status;
}

/* The copy stopped at END: the file goes back to that, or to its size before if that was more. */
static void take_back(struct file *file, uint64_t end, uint64_t old) REQUIRES(file->main_lock)
{
    uint64_t keep = end > old ? end : old;
    status_t status = STATUS_SUCCESS;

    if (keep < file->information.nbytes) {
        status = fsi_cut_locked(file, keep);
    }
    (void)status; /* what went wrong first is told */
}

static status_t write_locked(struct file *file, struct writing *it, uint32_t *done)
    REQUIRES(file->main_lock)
{
    resolve_offset(file, it);
    uint64_t old = file->information.nbytes;
    status_t status = check(it);
    if (is_success(status) && it->nbytes > 0) {
        status = make_room(file, it);
    }
    if (is_error(status) || it->nbytes == 0) {
        return status;
    }
    status = mm_cache_write_user(it->segment, it->offset, it->source, it->nbytes, done);
    if (is_error(status)) {
        take_back(file, it->offset + *done, old);
    }
    mutex_lock(&file->paging_lock);
    fsi_touch_times_locked(file);
    mutex_unlock(&file->paging_lock);
    return status;
}

/* What was written is durable. */
static status_t write_through(const struct writing *it, uint32_t nbytes)
{
    status_t status = mm_segment_flush(it->segment, it->offset, nbytes);

    return is_success(status) ? fsi_file_sync(it->open->file, true) : status;
}

status_t fs_write(struct open_file *open, const struct range_owner *owner, uint64_t offset,
                  uaddr_t source, uint32_t nbytes, uint32_t *done)
{
    struct file *file = open->file;
    struct writing it = {open, owner, offset, source, nbytes, NULL};
    bool moves = offset == FILE_AT_POSITION || transfer_moves_position(open);

    *done = 0;
    if (file->information.is_directory) {
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    mutex_lock(&open->lock);
    mutex_lock(&file->main_lock);
    status_t status = write_locked(file, &it, done);
    mutex_unlock(&file->main_lock);
    if (is_success(status) && *done > 0 &&
        (open->options & (FILE_WRITE_THROUGH | FILE_NO_INTERMEDIATE_BUFFERING)) != 0) {
        status = write_through(&it, *done);
    }
    if (moves && is_success(status)) {
        open->position = it.offset + *done;
    }
    mutex_unlock(&open->lock);
    return status;
}

/* ---- flushing ---- */

/* What page-outs that failed have to tell this open. */
static status_t tell_errors(struct open_file *open, status_t status) REQUIRES(open->lock)
{
    struct file *file = open->file;

    mutex_lock(&file->paging_lock);
    if (is_success(status) && open->errors_told != file->write_errors) {
        status = file->write_error;
    }
    open->errors_told = file->write_errors;
    mutex_unlock(&file->paging_lock);
    return status;
}

status_t fs_flush(struct open_file *open)
{
    struct file *file = open->file;
    struct segment *data;
    status_t status = STATUS_SUCCESS;

    if (!fsi_is_writable(file)) {
        return STATUS_SUCCESS;
    }
    if (file->information.is_directory) {
        return ext2_sync(&file->volume->ext2);
    }
    mutex_lock(&open->lock);
    mutex_lock(&file->main_lock);
    data = file->data;
    mutex_unlock(&file->main_lock);
    if (data != NULL) {
        status = mm_segment_flush(data, 0, 0);
    }
    status_t times = fsi_write_times(file);
    status_t synced = fsi_file_sync(file, true);
    status = is_error(status) ? status : is_error(times) ? times : synced;
    status = tell_errors(open, status);
    mutex_unlock(&open->lock);
    return status;
}
