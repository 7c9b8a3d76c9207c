/*
 * fs/pagefile.c: hands the paging file, C:\pagefile.sys, to the memory manager: where its blocks
 * lie on the device. It stays open for as long as the system runs and shares nothing, so that every
 * other open of it is a sharing violation; mm/ reads and writes it below the file system. When it
 * grows, its new blocks are not cleared: nobody sees what they held, for nobody can open it. It
 * stays as long as what mm/ knows of it: what a growth cannot use at its end is given back.
 */
#include "fs/internal.h"

#include "abi/constants.h"
#include "kernel/log.h"
#include "mm/pagefile.h"
#include "mm/pool.h"
#include "quire/assert.h"

#define PAGEFILE_PATH u"C:\\pagefile.sys"
#define EXTENTS_MAX   2048u /* pieces; what lies in further ones is not used */
#define SPARE_PAGES   64u /* pages in two pieces that a growth may take, and as many as it wants */

/* The pieces found so far. */
struct layout {
    struct pagefile_extent *extents;
    uint32_t limit; /* of them */
    uint32_t count;
    uint32_t npages; /* PAGEFILE_PAGES_MAX at most: what lies behind them is not used */
    uint64_t end;    /* of the file: the page after the last one that lies in a piece */
    bool full;       /* there is no room for a piece more */
};

static struct open_file *opened; /* [c] after fs_start_paging: the paging file, or NULL */

/* One page of the file lies at SECTOR; joins the last piece when it goes on there. False: no room.
 */
static bool add_page(struct layout *layout, uint64_t sector)
{
    if (layout->npages == PAGEFILE_PAGES_MAX) {
        return false;
    }
    struct pagefile_extent *last = layout->count == 0 ? NULL : &layout->extents[layout->count - 1];
    if (last != NULL && last->sector + (uint64_t)last->npages * (PAGE_BYTES / 512u) == sector) {
        last->npages++;
    } else if (layout->count < layout->limit) {
        layout->extents[layout->count++] = (struct pagefile_extent){sector, 1};
    } else {
        return false;
    }
    layout->npages++;
    return true;
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

/* Finds the pages of the file from page FIRST on that lie in one piece each, as far as there is
 * room. */
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
            if (!is_contiguous(blocks + i, per_page)) {
                continue;
            }
            if (!add_page(layout, (uint64_t)blocks[i] << (ext2->block_shift - 9))) {
                layout->full = true;
                return STATUS_SUCCESS;
            }
            layout->end = ((block + i) >> (PAGE_SHIFT - ext2->block_shift)) + 1;
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

/* The open file is as long as its inode says. => main lock. */
static status_t read_length_locked(struct file *file)
{
    struct ext2_inode inode;
    status_t status = ext2_read_inode(&file->volume->ext2, file->inode, &inode);
    if (is_success(status)) {
        mutex_lock(&file->paging_lock);
        file->information = inode.information;
        mutex_unlock(&file->paging_lock);
    }
    return status;
}

/*
 * What the file holds past NBYTES is given back. When that fails nothing is lost but these blocks,
 * and only until the file grows again, since they are its own. => main lock.
 */
static void give_back_locked(struct file *file, uint64_t nbytes)
{
    status_t status = ext2_set_size(&file->volume->ext2, file->inode, nbytes);
    if (is_success(status)) {
        status = read_length_locked(file);
    }
    if (is_error(status)) {
        log_print("paging: C:\\pagefile.sys is longer than what is used of it (0x%08x)\n",
                  (unsigned)status);
        mutex_lock(&file->paging_lock);
        file->information.nbytes = nbytes; /* where the next growth begins */
        mutex_unlock(&file->paging_lock);
    }
}

/* Makes the file NBYTES long, with all its blocks; as it was, on an error. => main lock. */
static status_t lengthen_locked(struct file *file, uint64_t nbytes)
{
    struct ext2 *ext2 = &file->volume->ext2;
    uint64_t first = (file->information.nbytes + ext2->block_bytes - 1) >> ext2->block_shift;
    uint64_t count = (nbytes >> ext2->block_shift) - first;

    uint64_t before = file->information.nbytes;
    status_t status = ext2_set_size(ext2, file->inode, nbytes);
    if (is_success(status)) {
        status = ext2_allocate(ext2, file->inode, first, (uint32_t)count, false);
    }
    if (is_success(status)) {
        status = read_length_locked(file);
    }
    if (is_error(status)) {
        give_back_locked(file, before);
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

/*
 * NPAGES more that lie in one piece each. Where pages lie in two the file takes others for them,
 * but not many times as many as are wanted. => main lock.
 */
static status_t extend_locked(struct file *file, uint32_t npages, struct layout *layout)
{
    uint64_t before = file->information.nbytes;
    uint64_t end = (before + PAGE_MASK) >> PAGE_SHIFT;
    uint64_t most = end + 2ull * npages + SPARE_PAGES;
    status_t status = STATUS_SUCCESS;
    while (is_success(status) && layout->npages < npages && !layout->full && end < most) {
        uint64_t from = end;
        end += npages - layout->npages;
        status = lengthen_locked(file, end << PAGE_SHIFT);
        if (is_success(status)) {
            status = find_layout(file, from, layout);
        }
    }
    uint64_t used = layout->npages != 0 ? layout->end << PAGE_SHIFT : before;
    if (used < file->information.nbytes) {
        give_back_locked(file, used);
    }
    if (layout->npages != 0) {
        return STATUS_SUCCESS; /* if with less: the next growth will say why */
    }
    return is_error(status) ? status : STATUS_DISK_FULL;
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
    status_t status = extend_locked(file, npages, &layout);
    mutex_unlock(&file->main_lock);
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
