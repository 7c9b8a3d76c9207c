/*
 * fs/pager.c: the pager of a file's data segment: brings pages of a file from the disk, and takes
 * them there.
 *
 * One page_in of up to 32 pages looks the blocks up, gathers neighbours into few requests that run
 * at once, and waits for all of them. Holes, what lies past the end of the file, and the tail of
 * its last page are zero. A block that cannot be right fails the whole page_in.
 *
 * A page may become dirty only when it has all its blocks (fsi_file_reserve), so a page_out finds
 * them and allocates nothing: it looks the blocks up, writes, and waits. What it needs for that is
 * there from the start, and nobody holds the locks that it takes while waiting for memory.
 *
 * Lock: the file's paging lock while its block map is looked at; not while the disk works.
 */
#include "abi/constants.h"
#include "fs/fresh.h"
#include "fs/internal.h"
#include "fs/transfer.h"
#include "kernel/string.h"
#include "quire/assert.h"

struct page_job {
    const struct file *file;
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
    const struct ext2 *ext2 = &fsi_volume.ext2;
    pfn_t frame = job->frames[offset >> PAGE_SHIFT];
    uint32_t inside = offset & PAGE_MASK;

    if (block == 0 || fresh_has(block)) {
        zero_part(frame, inside, inside + ext2->block_bytes);
        return;
    }
    transfer_add(&job->transfer, (uint64_t)block << (ext2->block_shift - 9),
                 (paddr_t){pfn_to_paddr(frame).v + inside}, ext2->block_bytes);
}

/* Asks for the blocks of the job's pages, the file's last one included. */
static status_t place_blocks(struct page_job *job)
{
    struct ext2 *ext2 = &fsi_volume.ext2;
    uint32_t shift = PAGE_SHIFT - ext2->block_shift;
    uint64_t first = (uint64_t)job->first << shift;
    uint64_t file_end =
        (job->file->information.nbytes + ext2->block_bytes - 1) >> ext2->block_shift;
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
    uint64_t nbytes = job->file->information.nbytes - begin;
    uint32_t tail = (uint32_t)nbytes & PAGE_MASK;

    if (nbytes < (uint64_t)job->npages << PAGE_SHIFT && tail != 0) {
        zero_part(job->frames[job->npages - 1], tail, PAGE_BYTES);
    }
}

status_t fsi_file_page_in(void *context, uint32_t first, uint32_t npages, const pfn_t *frames)
{
    struct file *file = context;
    uint64_t file_pages = (file->information.nbytes + PAGE_MASK) >> PAGE_SHIFT;
    struct page_job job = {.file = file, .first = first, .frames = frames};

    job.npages = first >= file_pages ? 0 : npages;
    if (job.npages > file_pages - first) {
        job.npages = (uint32_t)(file_pages - first);
    }
    for (uint32_t i = job.npages; i < npages; i++) {
        frame_zero(frames[i]);
    }
    if (job.npages == 0) {
        return STATUS_SUCCESS;
    }
    transfer_begin(&job.transfer, fsi_volume.ext2.device, BLOCK_READ);
    mutex_lock(&file->paging_lock);
    status_t status = place_blocks(&job);
    mutex_unlock(&file->paging_lock);
    status_t transferred = transfer_end(&job.transfer);
    if (is_error(status) || is_error(transferred)) {
        return is_error(status) ? status : transferred;
    }
    zero_tail(&job);
    return STATUS_SUCCESS;
}

/* ---- writing ---- */

#define CLUSTER_BLOCKS (PAGER_CLUSTER_PAGES * 4u) /* of 1 KiB */

/* The blocks of NPAGES pages from FIRST on, as far as the file goes; *COUNT of them. */
static status_t find_blocks(struct file *file, uint32_t first, uint32_t npages, uint32_t *blocks,
                            uint32_t *count)
{
    struct ext2 *ext2 = &fsi_volume.ext2;
    uint32_t shift = PAGE_SHIFT - ext2->block_shift;
    uint64_t begin = (uint64_t)first << shift;
    uint64_t end = (file->information.nbytes + ext2->block_bytes - 1) >> ext2->block_shift;

    *count = npages << shift;
    if (begin + *count > end) {
        *count = end > begin ? (uint32_t)(end - begin) : 0;
    }
    for (uint32_t done = 0; done < *count;) {
        uint32_t n = *count - done;
        uint32_t found[EXT2_MAP_BATCH];
        status_t status = ext2_map(ext2, file->inode, begin + done, &n, found);
        if (is_error(status)) {
            return status;
        }
        for (uint32_t i = 0; i < n; i++) {
            if (found[i] == 0) {
                return STATUS_FILE_CORRUPT_ERROR; /* a dirty page without a block */
            }
            blocks[done++] = found[i];
        }
    }
    return STATUS_SUCCESS;
}

/* How many of the blocks from the first on are neighbours on the disk. */
static uint32_t run_length(const uint32_t *blocks, uint32_t count)
{
    uint32_t n = 1;

    while (n < count && blocks[n] == blocks[0] + n) {
        n++;
    }
    return n;
}

/* Writes COUNT blocks, which lie one after another in the frames. */
static status_t write_blocks(const uint32_t *blocks, uint32_t count, const pfn_t *frames)
{
    const struct ext2 *ext2 = &fsi_volume.ext2;
    struct transfer transfer;

    for (uint32_t i = 0; i < count; i += run_length(blocks + i, count - i)) {
        fresh_begin_write(blocks[i], run_length(blocks + i, count - i));
    }
    transfer_begin(&transfer, ext2->device, BLOCK_WRITE);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t offset = i << ext2->block_shift;
        transfer_add(&transfer, (uint64_t)blocks[i] << (ext2->block_shift - 9),
                     (paddr_t){pfn_to_paddr(frames[offset >> PAGE_SHIFT]).v + (offset & PAGE_MASK)},
                     ext2->block_bytes);
    }
    status_t status = transfer_end(&transfer);
    for (uint32_t i = 0; i < count; i += run_length(blocks + i, count - i)) {
        fresh_end_write(blocks[i], run_length(blocks + i, count - i), is_success(status));
    }
    return status;
}

status_t fsi_file_page_out(void *context, uint32_t first, uint32_t npages, const pfn_t *frames)
{
    struct file *file = context;
    uint32_t blocks[CLUSTER_BLOCKS];
    uint32_t count = 0;

    ASSERT(npages <= PAGER_CLUSTER_PAGES);
    mutex_lock(&file->paging_lock);
    status_t status = find_blocks(file, first, npages, blocks, &count);
    mutex_unlock(&file->paging_lock);
    return is_error(status) || count == 0 ? status : write_blocks(blocks, count, frames);
}

status_t fsi_file_reserve(struct file *file, uint32_t first, uint32_t npages)
{
    struct ext2 *ext2 = &fsi_volume.ext2;
    uint32_t shift = PAGE_SHIFT - ext2->block_shift;
    uint64_t begin = (uint64_t)first << shift;
    uint64_t end = begin + ((uint64_t)npages << shift);

    mutex_lock(&file->paging_lock);
    uint64_t file_end = (file->information.nbytes + ext2->block_bytes - 1) >> ext2->block_shift;
    end = end < file_end ? end : file_end;
    status_t status = STATUS_SUCCESS;
    if (begin < end) {
        status = ext2_allocate(ext2, file->inode, begin, (uint32_t)(end - begin), true);
    }
    mutex_unlock(&file->paging_lock);
    return status;
}
