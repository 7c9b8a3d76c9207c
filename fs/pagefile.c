/*
 * fs/pagefile.c: hands the paging file, C:\pagefile.sys, to the memory manager: where its blocks
 * lie on the device. It stays open for as long as the system runs and shares nothing, so that every
 * other open of it is a sharing violation; mm/ reads and writes it below the file system. When it
 * grows, its new blocks are not cleared: nobody sees what they held, for nobody can open it.
 */
#include "fs/internal.h"

#include "abi/constants.h"
#include "kernel/log.h"
#include "mm/pagefile.h"
#include "mm/pool.h"
#include "quire/assert.h"

#define PAGEFILE_PATH u"C:\\pagefile.sys"
#define EXTENTS_MAX   2048u /* pieces; what lies in further ones is not used */

/* The pieces found so far. */
struct layout {
    struct pagefile_extent *extents;
    uint32_t limit; /* of them */
    uint32_t count;
    uint32_t npages; /* PAGEFILE_PAGES_MAX at most: what lies behind them is not used */
};

static struct open_file *opened; /* [c] after fs_start_paging: the paging file, or NULL */

/* One page of the file lies at SECTOR; joins the last piece when it goes on there. */
static void add_page(struct layout *layout, uint64_t sector)
{
    if (layout->npages == PAGEFILE_PAGES_MAX) {
        return;
    }
    struct pagefile_extent *last = layout->count == 0 ? NULL : &layout->extents[layout->count - 1];
    if (last != NULL && last->sector + (uint64_t)last->npages * (PAGE_BYTES / 512u) == sector) {
        last->npages++;
    } else if (layout->count < layout->limit) {
        layout->extents[layout->count++] = (struct pagefile_extent){sector, 1};
    } else {
        return;
    }
    layout->npages++;
}

/* Whether COUNT blocks lie together; none is a hole. */
static bool is_contiguous(const uint32_t *blocks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (blocks[i] == 0 || blocks[i] != blocks[0] + i) {
            return false;
        }
    }
    return true;
}

/* The COUNT blocks of the file from FIRST on. */
static status_t find_blocks(const struct file *file, uint64_t first, uint32_t count,
                            uint32_t *blocks)
{
    for (uint32_t found = 0; found < count;) {
        uint32_t more = count - found;
        status_t status =
            ext2_map(&file->volume->ext2, file->inode, first + found, &more, blocks + found);
        if (is_error(status)) {
            return status;
        }
        found += more;
    }
    return STATUS_SUCCESS;
}

/* Finds the pages of the file from page FIRST on that lie in one piece each. */
static status_t find_layout(const struct file *file, uint64_t first, struct layout *layout)
{
    const struct ext2 *ext2 = &file->volume->ext2;
    uint32_t per_page = PAGE_BYTES >> ext2->block_shift;
    uint64_t end = (file->information.nbytes >> PAGE_SHIFT) * per_page;
    uint32_t blocks[EXT2_MAP_BATCH] = {0};
    for (uint64_t block = first * per_page; block < end; block += EXT2_MAP_BATCH) {
        uint32_t count = end - block < EXT2_MAP_BATCH ? (uint32_t)(end - block) : EXT2_MAP_BATCH;
        status_t status = find_blocks(file, block, count, blocks);
        if (is_error(status)) {
            return status;
        }
        for (uint32_t i = 0; i < count; i += per_page) {
            if (is_contiguous(blocks + i, per_page)) {
                add_page(layout, (uint64_t)blocks[i] << (ext2->block_shift - 9));
            }
        }
    }
    return STATUS_SUCCESS;
}

/* => the paging file is open, and nobody else has it. */
static status_t use_file(struct file *file)
{
    struct layout layout = {.extents = mm_allocate(EXTENTS_MAX * (uint32_t)sizeof(*layout.extents)),
                            .limit = EXTENTS_MAX};
    if (layout.extents == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    status_t status = find_layout(file, 0, &layout);
    if (is_success(status)) {
        status = mm_pagefile_open(file->volume->ext2.device, layout.extents, layout.count);
    }
    if (is_success(status)) {
        log_print("paging: C:\\pagefile.sys, %u KiB in %u pieces\n",
                  layout.npages * (PAGE_BYTES / 1024u), layout.count);
    }
    mm_free(layout.extents, EXTENTS_MAX * (uint32_t)sizeof(*layout.extents));
    return status;
}

static status_t open_pagefile(uint32_t access, uint32_t disposition, struct open_file **open)
{
    static const uint16_t path[] = PAGEFILE_PATH;
    const struct open_request request = {
        .path = path,
        .path_length = (uint32_t)ARRAY_COUNT(path) - 1,
        .access = access,
        .disposition = disposition,
        .options = FILE_NON_DIRECTORY_FILE,
    };
    uint32_t information;
    return fs_open(&request, open, &information);
}

status_t fs_start_paging(void)
{
    struct open_file *open;
    status_t status = open_pagefile(FILE_READ_DATA, FILE_OPEN, &open);
    if (status == STATUS_OBJECT_NAME_NOT_FOUND) {
        return STATUS_SUCCESS; /* none: commit's limit is RAM */
    }
    if (is_success(status)) {
        status = use_file(open->file);
        if (is_error(status)) {
            fs_close(open);
        } else {
            opened = open;
        }
    }
    if (is_error(status)) {
        log_print("paging: C:\\pagefile.sys is not used (0x%08x)\n", (unsigned)status);
    }
    return status;
}

/* Makes the file NBYTES long, with all its blocks. => main lock. */
static status_t lengthen_locked(struct file *file, uint64_t nbytes)
{
    struct ext2 *ext2 = &file->volume->ext2;
    uint64_t first = (file->information.nbytes + ext2->block_bytes - 1) >> ext2->block_shift;
    uint64_t count = (nbytes >> ext2->block_shift) - first;

    status_t status = ext2_set_size(ext2, file->inode, nbytes);
    if (is_success(status)) {
        status = ext2_allocate(ext2, file->inode, first, (uint32_t)count, false);
    }
    if (is_error(status)) {
        status_t undone = ext2_set_size(ext2, file->inode, file->information.nbytes);
        (void)undone; /* what went wrong first is told */
        return status;
    }
    struct ext2_inode inode;
    status = ext2_read_inode(ext2, file->inode, &inode);
    if (is_success(status)) {
        mutex_lock(&file->paging_lock);
        file->information = inode.information;
        mutex_unlock(&file->paging_lock);
    }
    return status;
}

status_t fs_create_pagefile(uint32_t npages)
{
    struct open_file *open;
    status_t status = open_pagefile(FILE_WRITE_DATA | DELETE_ACCESS, FILE_OVERWRITE_IF, &open);
    if (is_error(status)) {
        return status;
    }
    mutex_lock(&open->file->main_lock);
    status = lengthen_locked(open->file, (uint64_t)npages << PAGE_SHIFT);
    mutex_unlock(&open->file->main_lock);
    if (is_success(status)) {
        status = use_file(open->file);
    }
    if (is_error(status)) {
        status_t gone = fs_set_disposition(open, true);
        (void)gone; /* what went wrong first is told */
        fs_close(open);
        return status;
    }
    opened = open;
    return STATUS_SUCCESS;
}

status_t fs_extend_pagefile(uint32_t npages, struct pagefile_extent *extents, uint32_t max,
                            uint32_t *nextents)
{
    struct layout layout = {.extents = extents, .limit = max};

    *nextents = 0;
    if (opened == NULL) {
        return STATUS_NO_SUCH_DEVICE;
    }
    if (npages == 0 || max == 0) {
        return STATUS_INVALID_PARAMETER;
    }
    struct file *file = opened->file;
    mutex_lock(&file->main_lock);
    uint64_t old = (file->information.nbytes + PAGE_MASK) >> PAGE_SHIFT;
    status_t status = lengthen_locked(file, (old + npages) << PAGE_SHIFT);
    if (is_success(status)) {
        status = find_layout(file, old, &layout);
    }
    mutex_unlock(&file->main_lock);
    if (is_success(status) && layout.count == 0) {
        status = STATUS_DISK_FULL; /* no page of it lies in one piece */
    }
    *nextents = is_success(status) ? layout.count : 0;
    return status;
}

void fs_stop_paging(void)
{
    if (opened != NULL) {
        fs_close(opened);
        opened = NULL;
    }
}
