/*
 * fs/pager.c: the pager of a file's data segment: brings pages of a file from the disk, and takes
 * them there.
 *
 * A page_in looks the blocks up, gathers neighbours into few requests that run at once, and waits
 * for all of them. Holes, what lies past the end of the file, and the tail of its last page are
 * zero. A block that cannot be right fails the whole page_in.
 *
 * A page may become dirty only when it has all its blocks (fsi_file_reserve), so a page_out finds
 * them and allocates nothing: it looks the blocks up, writes, and waits. What it needs for that is
 * there from the start, and nobody holds the locks that it takes while waiting for memory.
 *
 * Lock: the file's paging lock while its block map is looked at; not while the disk works.
 */
#include "abi/constants.h"
#include "fs/internal.h"
#include "fs/transfer.h"
#include "kernel/clock.h"
#include "kernel/string.h"
#include "quire/assert.h"

struct page_job {
    const struct file *file;
    uint64_t nbytes; /* of the file, when its blocks were looked up */
    uint32_t first;  /* page of the file */
    uint32_t npages; /* of it, up to its end */
    const pfn_t *frames;
    struct transfer transfer;
};

/* Zeroes bytes [start, end) of a frame. */
static void zero_part(pfn_t frame, uint32_t start, uint32_t end)
{
    if (start == 0 && end == PAGE_BYTES) {
        frame_zero(frame);
        return;
    }
    uint8_t *bytes = window_open(frame);
    memset(bytes + start, 0, end - start);
    window_close(bytes);
}

/* Asks for one block of the file, at OFFSET from the first page, or zeroes its place. */
static void place_block(struct page_job *job, uint32_t offset, uint32_t block)
{
    struct ext2 *ext2 = &job->file->volume->ext2;
    pfn_t frame = job->frames[offset >> PAGE_SHIFT];
    uint32_t inside = offset & PAGE_MASK;

    if (block == 0 || fresh_has(&ext2->fresh, block)) {
        zero_part(frame, inside, inside + ext2->block_bytes);
        return;
    }
    transfer_add(&job->transfer, (uint64_t)block << (ext2->block_shift - 9),
                 (paddr_t){pfn_to_paddr(frame).v + inside}, ext2->block_bytes);
}

/* Asks for the blocks of the job's pages, the file's last one included. */
static status_t place_blocks(struct page_job *job)
{
    struct ext2 *ext2 = &job->file->volume->ext2;
    uint32_t shift = PAGE_SHIFT - ext2->block_shift;
    uint64_t first = (uint64_t)job->first << shift;
    uint64_t file_end = (job->nbytes + ext2->block_bytes - 1) >> ext2->block_shift;
    uint32_t total = job->npages << shift;
    uint32_t blocks[EXT2_MAP_BATCH];

    for (uint32_t done = 0; done < total;) {
        uint32_t count = total - done;
        if (first + done >= file_end) {
            place_block(job, done << ext2->block_shift, 0);
            done++;
            continue;
        }
        status_t status = ext2_map(ext2, job->file->inode, first + done, &count, blocks);
        if (is_error(status)) {
            return status;
        }
        for (uint32_t i = 0; i < count; i++, done++) {
            bool inside = first + done < file_end;
            place_block(job, done << ext2->block_shift, inside ? blocks[i] : 0);
        }
    }
    return STATUS_SUCCESS;
}

/* What the last block holds past the end of the file is not the file's. */
static void zero_tail(const struct page_job *job)
{
    uint64_t begin = (uint64_t)job->first << PAGE_SHIFT;
    uint64_t nbytes = job->nbytes - begin;
    uint32_t tail = (uint32_t)nbytes & PAGE_MASK;

    if (nbytes < (uint64_t)job->npages << PAGE_SHIFT && tail != 0) {
        zero_part(job->frames[job->npages - 1], tail, PAGE_BYTES);
    }
}

status_t fsi_file_page_in(void *context, uint32_t first, uint32_t npages, const pfn_t *frames)
{
    struct file *file = context;
    struct page_job job = {.file = file, .first = first, .frames = frames};

    transfer_begin(&job.transfer, file->volume->ext2.device, BLOCK_READ);
    mutex_lock(&file->paging_lock);
    job.nbytes = file->information.nbytes;
    uint64_t file_pages = (job.nbytes + PAGE_MASK) >> PAGE_SHIFT;
    uint64_t inside = first < file_pages ? file_pages - first : 0;
    job.npages = inside < npages ? (uint32_t)inside : npages;
    status_t status = place_blocks(&job);
    mutex_unlock(&file->paging_lock);
    status_t transferred = transfer_end(&job.transfer);
    if (is_error(status) || is_error(transferred)) {
        return is_error(status) ? status : transferred;
    }
    for (uint32_t i = job.npages; i < npages; i++) {
        frame_zero(frames[i]);
    }
    if (job.npages > 0) {
        zero_tail(&job);
    }
    return STATUS_SUCCESS;
}

/* ---- writing ---- */

#define RUNS_MAX 32u

/* What a page-out writes at once: runs of blocks of the disk, which follow each other in the file.
 */
struct runs {
    uint32_t count;
    uint32_t nblocks; /* in all of them */
    struct {
        uint32_t first;
        uint32_t count;
    } run[RUNS_MAX];
};

/* The file's blocks from BEGIN on, *COUNT of them at most, as far as the file goes and a batch. */
static status_t find_blocks_locked(struct file *file, uint64_t begin, uint32_t *count,
                                   uint32_t blocks[EXT2_MAP_BATCH]) REQUIRES(file->paging_lock)
{
    struct ext2 *ext2 = &file->volume->ext2;
    uint64_t end = (file->information.nbytes + ext2->block_bytes - 1) >> ext2->block_shift;

    if (begin + *count > end) {
        *count = end > begin ? (uint32_t)(end - begin) : 0;
    }
    return *count == 0 ? STATUS_SUCCESS : ext2_map(ext2, file->inode, begin, count, blocks);
}

/*
 * Zeroes what a page has past the end of the file. Whoever makes the file larger takes the paging
 * lock for it, before anything is stored there.
 */
static void zero_past_end_locked(struct file *file, uint32_t first, uint32_t npages,
                                 const pfn_t *frames) REQUIRES(file->paging_lock)
{
    uint64_t page = file->information.nbytes >> PAGE_SHIFT;
    uint32_t tail = (uint32_t)file->information.nbytes & PAGE_MASK;

    if (tail != 0 && page >= first && page - first < npages) {
        zero_part(frames[page - first], tail, PAGE_BYTES);
    }
}

/* Adds blocks to the runs; false when there are too many runs for all of them. */
static bool add_blocks(struct runs *runs, const uint32_t *blocks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t last = runs->count - 1;
        if (runs->count > 0 && runs->run[last].first + runs->run[last].count == blocks[i]) {
            runs->run[last].count++;
        } else if (runs->count < RUNS_MAX) {
            runs->run[runs->count].first = blocks[i];
            runs->run[runs->count++].count = 1;
        } else {
            return false;
        }
        runs->nblocks++;
    }
    return true;
}

/*
 * Looks up the file's blocks [begin, end): as many of them as there is room to tell of. All of that
 * comes before anything is written: who waits for a write may hold the metadata lock.
 */
static status_t find_runs_locked(struct file *file, uint64_t begin, uint64_t end, struct runs *runs)
    REQUIRES(file->paging_lock)
{
    bool room = true;

    runs->count = runs->nblocks = 0;
    while (room && begin + runs->nblocks < end) {
        uint32_t blocks[EXT2_MAP_BATCH];
        uint32_t count = (uint32_t)(end - begin) - runs->nblocks;
        status_t status = find_blocks_locked(file, begin + runs->nblocks, &count, blocks);
        if (is_error(status) || count == 0) {
            return status;
        }
        for (uint32_t i = 0; i < count; i++) {
            if (blocks[i] == 0) {
                return STATUS_FILE_CORRUPT_ERROR; /* a dirty page without a block */
            }
        }
        room = add_blocks(runs, blocks, count);
    }
    return STATUS_SUCCESS;
}

/* Writes the runs, which lie in FRAMES from byte OFFSET on. */
static status_t write_runs(struct ext2 *ext2, const struct runs *runs, uint32_t offset,
                           const pfn_t *frames)
{
    struct transfer transfer;

    for (uint32_t i = 0; i < runs->count; i++) {
        fresh_begin_write(&ext2->fresh, runs->run[i].first, runs->run[i].count);
    }
    transfer_begin(&transfer, ext2->device, BLOCK_WRITE);
    for (uint32_t i = 0; i < runs->count; i++) {
        uint64_t sector = (uint64_t)runs->run[i].first << (ext2->block_shift - 9);
        for (uint32_t j = 0; j < runs->run[i].count; j++, offset += ext2->block_bytes) {
            paddr_t frame = pfn_to_paddr(frames[offset >> PAGE_SHIFT]);
            transfer_add(&transfer, sector + ((uint64_t)j << (ext2->block_shift - 9)),
                         (paddr_t){frame.v + (offset & PAGE_MASK)}, ext2->block_bytes);
        }
    }
    status_t status = transfer_end(&transfer);
    for (uint32_t i = 0; i < runs->count; i++) {
        fresh_end_write(&ext2->fresh, runs->run[i].first, runs->run[i].count, is_success(status));
    }
    return status;
}

/* Notes that a page-out failed, for the flushes that come. */
static void note_error(struct file *file, status_t status)
{
    mutex_lock(&file->paging_lock);
    file->write_errors++;
    file->write_error = status;
    mutex_unlock(&file->paging_lock);
}

status_t fsi_file_page_out(void *context, uint32_t first, uint32_t npages, const pfn_t *frames)
{
    struct file *file = context;
    struct ext2 *ext2 = &file->volume->ext2;
    uint32_t shift = PAGE_SHIFT - ext2->block_shift;
    uint64_t begin = (uint64_t)first << shift;
    uint64_t end = begin + ((uint64_t)npages << shift);
    status_t status = STATUS_SUCCESS;
    struct runs runs = {.nblocks = 1};

    for (uint64_t at = begin; at < end && is_success(status) && runs.nblocks > 0;
         at += runs.nblocks) {
        mutex_lock(&file->paging_lock);
        file->image_is_stale = true;
        zero_past_end_locked(file, first, npages, frames);
        status = find_runs_locked(file, at, end, &runs);
        mutex_unlock(&file->paging_lock);
        if (is_success(status)) {
            status = write_runs(ext2, &runs, (uint32_t)(at - begin) << ext2->block_shift, frames);
        }
    }
    if (is_error(status)) {
        note_error(file, status);
    }
    return status;
}

/* ---- before pages become dirty ---- */

void fsi_note_change_locked(struct file *file)
{
    file->changed_at = ext2_count_syncs(&file->volume->ext2) + 1;
}

/* The blocks of the pages, as far as the file goes. */
static status_t reserve_locked(struct file *file, uint32_t first, uint32_t npages)
    REQUIRES(file->paging_lock)
{
    struct ext2 *ext2 = &file->volume->ext2;
    uint32_t shift = PAGE_SHIFT - ext2->block_shift;
    uint64_t begin = (uint64_t)first << shift;
    uint64_t end = begin + ((uint64_t)npages << shift);
    uint64_t file_end = (file->information.nbytes + ext2->block_bytes - 1) >> ext2->block_shift;
    uint32_t changes = ext2_count_changes(ext2);

    end = end < file_end ? end : file_end;
    if (begin >= end) {
        return STATUS_SUCCESS;
    }
    status_t status = ext2_allocate(ext2, file->inode, begin, (uint32_t)(end - begin), true);
    if (ext2_count_changes(ext2) != changes) {
        fsi_note_change_locked(file);
    }
    return status;
}

status_t fsi_file_reserve(struct file *file, uint32_t first, uint32_t npages)
{
    mutex_lock(&file->paging_lock);
    status_t status = reserve_locked(file, first, npages);
    mutex_unlock(&file->paging_lock);
    return status;
}

/* A bit for each page of the run from FIRST on that has all its blocks. */
static status_t find_ready_locked(struct file *file, uint32_t first, uint32_t *ready)
    REQUIRES(file->paging_lock)
{
    uint32_t shift = PAGE_SHIFT - file->volume->ext2.block_shift;
    uint32_t total = PAGER_RESERVE_PAGES << shift;
    uint32_t missing = 0;
    uint32_t npages = 0;

    for (uint32_t done = 0; done < total;) {
        uint32_t blocks[EXT2_MAP_BATCH];
        uint32_t count = total - done;
        status_t status =
            find_blocks_locked(file, ((uint64_t)first << shift) + done, &count, blocks);
        if (is_error(status)) {
            return status;
        }
        if (count == 0) {
            break;
        }
        for (uint32_t i = 0; i < count; i++, done++) {
            missing |= blocks[i] == 0 ? 1u << (done >> shift) : 0;
        }
        npages = (done + (1u << shift) - 1) >> shift;
    }
    *ready = ~missing & (npages == 32 ? UINT32_MAX : (1u << npages) - 1);
    return STATUS_SUCCESS;
}

status_t fsi_pager_reserve(void *context, uint32_t first, uint32_t wanted, uint32_t *ready)
{
    struct file *file = context;
    uint32_t bit = 1u << (wanted - first);

    STATIC_ASSERT(PAGER_RESERVE_PAGES == 32);
    if (!fsi_is_writable(file)) {
        return STATUS_MEDIA_WRITE_PROTECTED;
    }
    mutex_lock(&file->paging_lock);
    status_t status = find_ready_locked(file, first, ready);
    if (is_success(status) && (*ready & bit) == 0) {
        status = (uint64_t)wanted << PAGE_SHIFT < file->information.nbytes
                     ? reserve_locked(file, wanted, 1)
                     : STATUS_END_OF_FILE;
        *ready |= bit;
    }
    fsi_touch_times_locked(file);
    mutex_unlock(&file->paging_lock);
    return status;
}

/* ---- durability ---- */

void fsi_touch_times_locked(struct file *file)
{
    file->information.write_time = clock_system_time();
    file->information.change_time = file->information.write_time;
    file->information.attributes &= ~FILE_ATTRIBUTE_NORMAL;
    file->information.attributes |= FILE_ATTRIBUTE_ARCHIVE;
    file->times_changed = true;
}

status_t fsi_write_times(struct file *file)
{
    status_t status = STATUS_SUCCESS;

    mutex_lock(&file->paging_lock);
    if (file->times_changed && !file->unlinked) {
        const struct ext2_settings settings = {
            .write_time = file->information.write_time,
            .change_time = file->information.change_time,
            .set_attributes = true,
            .attributes = file->information.attributes,
        };
        status = ext2_set_information(&file->volume->ext2, file->inode, &settings);
        file->times_changed = is_error(status);
        fsi_note_change_locked(file);
    }
    mutex_unlock(&file->paging_lock);
    return status;
}

status_t fsi_file_sync(void *context, bool durable)
{
    struct file *file = context;
    struct ext2 *ext2 = &file->volume->ext2;

    mutex_lock(&file->paging_lock);
    bool changed = file->changed_at > ext2_count_syncs(ext2);
    mutex_unlock(&file->paging_lock);
    if (changed) {
        return ext2_sync(ext2);
    }
    return durable ? block_flush(ext2->device) : STATUS_SUCCESS;
}
