/*
 * fs/size.c: the size of a file.
 *
 * Growing: the disk first (the size, and blocks for what will be written), then the segment, last
 * what everyone reads the size from; each can fail, and what went before it is taken back. What is
 * gained reads as zeroes: blocks are fresh or missing, and the segment clears the rest of the page
 * in which the file ended.
 *
 * Shrinking: the segment lets go of the pages first, so that nothing writes to blocks that are
 * given up. No section may exist: it could show what is gone. The rest of the page in which the
 * file ends now becomes zero on the disk, too, with the next flush.
 */
#include "fs/internal.h"

#include "abi/constants.h"
#include "mm/cache.h"
#include "mm/section.h"

#define FILE_BYTES_MAX ((uint64_t)INT64_MAX)

/* The blocks that are needed before anything of [from, nbytes) is written; and of the page in which
 * the file ends now: it may be dirty, and its rest is part of the file from now on. */
static status_t reserve_new_locked(struct file *file, uint64_t nbytes, uint64_t from)
    REQUIRES(file->paging_lock)
{
    struct ext2 *ext2 = &file->volume->ext2;
    uint64_t old = file->information.nbytes;
    uint64_t page_end = (old + PAGE_MASK) & ~(uint64_t)PAGE_MASK;
    uint64_t tail_end = page_end < nbytes ? page_end : nbytes;
    uint64_t first = old >> ext2->block_shift;
    uint64_t count = ((tail_end + ext2->block_bytes - 1) >> ext2->block_shift) - first;
    status_t status = STATUS_SUCCESS;

    if (count > 0 && old < page_end) {
        status = ext2_allocate(ext2, file->inode, first, (uint32_t)count, true);
    }
    first = from >> ext2->block_shift;
    count = ((nbytes + ext2->block_bytes - 1) >> ext2->block_shift) - first;
    if (is_success(status) && from < nbytes) {
        status = ext2_allocate(ext2, file->inode, first, (uint32_t)count, true);
    }
    return status;
}

/* The file on the disk has the size it had before. */
static void take_back_locked(struct file *file) REQUIRES(file->paging_lock)
{
    status_t status = ext2_set_size(&file->volume->ext2, file->inode, file->information.nbytes);

    (void)status; /* what went wrong first is told */
}

status_t fsi_grow_locked(struct file *file, uint64_t nbytes, uint64_t from)
{
    struct segment *segment;

    if (nbytes > FILE_BYTES_MAX) {
        return STATUS_INVALID_PARAMETER;
    }
    status_t status = fsi_file_segment_locked(file, &segment);
    if (is_error(status)) {
        return status;
    }
    mutex_lock(&file->paging_lock);
    status = ext2_set_size(&file->volume->ext2, file->inode, nbytes);
    if (is_success(status)) {
        status = reserve_new_locked(file, nbytes, from);
    }
    fsi_note_change_locked(file);
    if (is_error(status)) {
        take_back_locked(file);
    }
    mutex_unlock(&file->paging_lock);
    if (is_error(status)) {
        return status;
    }
    status = mm_segment_extend(segment, nbytes);
    mutex_lock(&file->paging_lock); /* the blocks of the page in which it ended are there */
    if (is_success(status)) {
        file->information.nbytes = nbytes;
        fsi_touch_times_locked(file);
    } else {
        take_back_locked(file);
    }
    mutex_unlock(&file->paging_lock);
    return status == STATUS_SECTION_TOO_BIG ? STATUS_DISK_FULL : status;
}

/* The disk could not make the file as small as it should be: it is as long as the disk says. */
static void take_disk_size(struct file *file) REQUIRES(file->main_lock)
{
    struct ext2_inode inode;
    status_t status = ext2_read_inode(&file->volume->ext2, file->inode, &inode);

    if (is_success(status) && inode.information.nbytes > file->information.nbytes &&
        file->data != NULL) {
        status = mm_segment_extend(file->data, inode.information.nbytes);
    }
    if (is_success(status)) {
        mutex_lock(&file->paging_lock);
        file->information.nbytes = inode.information.nbytes;
        mutex_unlock(&file->paging_lock);
    }
}

static bool is_mapped(struct file *file)
{
    mutex_lock(&fsi.lock);
    bool mapped = fsi_is_mapped(file, false);
    mutex_unlock(&fsi.lock);
    return mapped;
}

status_t fsi_shrink_locked(struct file *file, uint64_t nbytes)
{
    if (nbytes == file->information.nbytes) {
        return STATUS_SUCCESS;
    }
    return is_mapped(file) ? STATUS_USER_MAPPED_FILE : fsi_cut_locked(file, nbytes);
}

/*
 * What the last block holds past the new end is still on the disk: a crash must not bring it back
 * when the file has become longer again. So the page is dirty, and zero there: whoever flushes has
 * it written, before anything that comes later.
 */
static status_t clear_tail_locked(struct file *file) REQUIRES(file->main_lock)
{
    struct ext2 *ext2 = &file->volume->ext2;
    uint64_t nbytes = file->information.nbytes;
    uint32_t blocks[EXT2_MAP_BATCH] = {0};
    uint32_t count = 1;

    if ((nbytes & (ext2->block_bytes - 1)) == 0) {
        return STATUS_SUCCESS;
    }
    status_t status = ext2_map(ext2, file->inode, nbytes >> ext2->block_shift, &count, blocks);
    if (is_error(status) || blocks[0] == 0) {
        return status;
    }
    struct segment *segment;
    uint32_t tail = (uint32_t)nbytes & PAGE_MASK;
    status = fsi_file_segment_locked(file, &segment);
    return is_error(status) ? status : mm_cache_zero(segment, nbytes, PAGE_BYTES - tail);
}

status_t fsi_cut_locked(struct file *file, uint64_t nbytes)
{
    mutex_lock(&file->paging_lock); /* before the pages go: a reader that misses one looks again */
    file->information.nbytes = nbytes;
    file->cuts++;
    file->image_is_stale = true;
    fsi_touch_times_locked(file);
    mutex_unlock(&file->paging_lock);
    if (file->data != NULL) {
        mm_segment_truncate(file->data, nbytes);
    }
    mutex_lock(&file->paging_lock);
    status_t status = ext2_set_size(&file->volume->ext2, file->inode, nbytes);
    fsi_note_change_locked(file);
    mutex_unlock(&file->paging_lock);
    if (is_error(status)) {
        take_disk_size(file);
        return status;
    }
    return clear_tail_locked(file);
}

/* => the file's main lock; grows, or shrinks when there is more than NBYTES. */
static status_t set_size_locked(struct file *file, uint64_t nbytes) REQUIRES(file->main_lock)
{
    if (nbytes > file->information.nbytes) {
        return fsi_grow_locked(file, nbytes, nbytes);
    }
    return fsi_shrink_locked(file, nbytes);
}

status_t fs_set_size(struct open_file *open, uint64_t nbytes)
{
    struct file *file = open->file;

    if (file->information.is_directory) {
        return STATUS_INVALID_PARAMETER;
    }
    mutex_lock(&file->main_lock);
    status_t status = set_size_locked(file, nbytes);
    mutex_unlock(&file->main_lock);
    if (is_success(status) && (open->options & FILE_WRITE_THROUGH) != 0) {
        status = fsi_file_sync(file, true);
    }
    return status;
}

status_t fs_set_allocation(struct open_file *open, uint64_t nbytes)
{
    struct file *file = open->file;
    status_t status = STATUS_SUCCESS;

    if (file->information.is_directory || nbytes > FILE_BYTES_MAX) {
        return STATUS_INVALID_PARAMETER;
    }
    mutex_lock(&file->main_lock);
    if (nbytes < file->information.nbytes) {
        status = fsi_shrink_locked(file, nbytes);
    }
    mutex_unlock(&file->main_lock);
    return status;
}
