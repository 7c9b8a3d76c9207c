/*
 * fs/read.c: reading files through their one data segment, and the position of an open.
 *
 * One transfer at a time per open, as NT's synchronous files have it: the open's lock covers the
 * position and the copying. A page fault on the way takes no lock of that rank (M8). Readers do not
 * keep writers away: a file that is cut short under a copy ends it early.
 */
#include "fs/internal.h"

#include "abi/constants.h"
#include "fs/range_lock.h"
#include "fs/transfer_rules.h"
#include "mm/cache.h"

/* A file's size (0 while it has no segment), and how often it was cut short before. */
struct extent {
    uint64_t nbytes;
    uint32_t cuts;
};

static struct extent extent_of(struct file *file, const struct segment *segment)
{
    mutex_lock(&file->paging_lock);
    struct extent extent = {segment == NULL ? 0 : file->information.nbytes, file->cuts};
    mutex_unlock(&file->paging_lock);
    return extent;
}

/* How much of NBYTES lies inside the file, *N; or what reading at OFFSET gives instead. */
static status_t clip(const struct extent *extent, uint64_t offset, uint32_t nbytes, uint32_t *n)
{
    *n = 0;
    if (nbytes == 0) {
        return STATUS_SUCCESS;
    }
    if (offset >= extent->nbytes) {
        return STATUS_END_OF_FILE;
    }
    uint64_t left = extent->nbytes - offset;
    *n = nbytes < left ? nbytes : (uint32_t)left;
    return STATUS_SUCCESS;
}

/* Where the data of OPEN lies, which must be a file's; NULL when it is empty. */
static status_t find_data(const struct open_file *open, struct segment **segment)
{
    return open->file->information.is_directory ? STATUS_INVALID_DEVICE_REQUEST
                                                : fsi_file_segment(open->file, segment);
}

/* What whoever opened the file said of how it will be read. */
static enum read_advice advice_of(const struct open_file *open)
{
    uint32_t said = open->options & (FILE_RANDOM_ACCESS | FILE_SEQUENTIAL_ONLY);
    return said == 0                          ? READ_AS_SEEN
           : (said & FILE_RANDOM_ACCESS) != 0 ? READ_AT_RANDOM
                                              : READ_IN_ORDER;
}

/* Reads; what fails because the file was cut short meanwhile begins again at what it is now. */
static status_t read_at(const struct open_file *open, struct segment *segment, uint64_t offset,
                        uaddr_t target, uint32_t nbytes, uint32_t *done)
{
    struct file *file = open->file;
    for (;;) {
        struct extent extent = extent_of(file, segment);
        uint32_t more = 0;
        uint32_t n;
        status_t status = clip(&extent, offset + *done, nbytes - *done, &n);
        if (n > 0) {
            status = mm_cache_read_user(segment, offset + *done, (uaddr_t){target.v + *done}, n,
                                        advice_of(open), &more);
            *done += more;
        }
        if (is_success(status) || (status == STATUS_END_OF_FILE && *done > 0)) {
            return STATUS_SUCCESS;
        }
        if (status == STATUS_END_OF_FILE || extent_of(file, segment).cuts == extent.cuts) {
            return status;
        }
    }
}

status_t fs_read(struct open_file *open, const struct range_owner *owner, uint64_t offset,
                 uaddr_t target, uint32_t nbytes, uint32_t *done)
{
    struct segment *segment;

    *done = 0;
    status_t status = find_data(open, &segment);
    if (is_error(status)) {
        return status;
    }
    mutex_lock(&open->lock);
    bool moves = offset == FILE_AT_POSITION || transfer_moves_position(open);
    if (offset == FILE_AT_POSITION) {
        offset = open->position;
    }
    status = transfer_is_aligned(open, offset, nbytes)
                 ? fsi_check_ranges(open, owner, offset, nbytes, false)
                 : STATUS_INVALID_PARAMETER;
    if (is_success(status)) {
        status = read_at(open, segment, offset, target, nbytes, done);
    }
    if (moves && is_success(status)) {
        open->position = offset + *done;
    }
    mutex_unlock(&open->lock);
    return status;
}

status_t fs_read_kernel(struct open_file *open, uint64_t offset, void *target, uint32_t nbytes,
                        uint32_t *done)
{
    struct segment *segment;
    uint32_t n = 0;

    *done = 0;
    status_t status = find_data(open, &segment);
    if (is_success(status)) {
        struct extent extent = extent_of(open->file, segment);
        status = clip(&extent, offset, nbytes, &n);
    }
    if (is_success(status) && n > 0) {
        status = mm_cache_read(segment, offset, target, n);
        *done = is_success(status) ? n : 0;
    }
    return status;
}

bool fs_is_synchronous(const struct open_file *open)
{
    return transfer_moves_position(open);
}

uint64_t fs_get_position(struct open_file *open)
{
    mutex_lock(&open->lock);
    uint64_t position = open->position;
    mutex_unlock(&open->lock);
    return position;
}

void fs_set_position(struct open_file *open, uint64_t position)
{
    mutex_lock(&open->lock);
    open->position = position;
    mutex_unlock(&open->lock);
}
