/*
 * fs/metadata.c: the file system's own blocks: superblock, descriptors, bitmaps, inodes, indirect
 * blocks, directories. They lie in a segment over the device (mm/device.c), in pages of 4 KiB with
 * one to four blocks each.
 *
 *   in the segment   absent <--- clock, page-in ---> resident, clean: mm's to keep or drop
 *                                                       |     ^  the oldest gives way
 *   pinned here:     number --hash--> block, in a page: clean, in a list, oldest first
 *                                                       |     ^  metadata_sync wrote all of it
 *                                                      changed: has a dirty block
 *
 * Only fs/metadata_sync.c writes these blocks: a page with a dirty block or one in use stays
 * pinned, so mm neither writes nor drops it.
 *
 * Memory. Some pages may be pinned from the start, more when there are more dirty ones, up to a
 * share of RAM; each is charged, and always has a frame. When a change begins, so many are not
 * changed that it can dirty as many blocks as it likes and a reader (a page-in, even a page-out)
 * still finds one to use. Nobody waits for memory under the metadata lock: when a page cannot be
 * pinned without that, the oldest clean one is detached, and its frame holds the page outside the
 * segment.
 *
 * Stale blocks. A block that is given up, or has a page made for it without a read, or could not be
 * read with the others of its page, is stale: it is read on its own when it is asked for. A page
 * with a stale block is not left to the segment.
 */
#include "fs/metadata.h"

#include "fs/transfer.h"
#include "kernel/string.h"
#include "mm/device.h"
#include "mm/pfn.h"
#include "mm/pool.h"
#include "mm/section.h"
#include "quire/assert.h"

#define LEAST_MIN      64u  /* pages, from the start: as many, or */
#define LEAST_MAX      512u /* up to so many, */
#define LEAST_SHARE    128u /* as this share of RAM has */
#define LIMIT_MIN      128u /* later, if there is memory */
#define LIMIT_SHARE    64u
#define BLOCKS_MAX     4096u
#define BLOCKS_OF_PAGE 4u /* at most */

STATIC_ASSERT(LEAST_MIN >= 2 * METADATA_CHANGE_LIMIT);

/*
 * One that may be pinned: a frame, and what is in it. The frame is a pinned page's of the segment,
 * or detached from it.
 */
struct metadata_page {
    struct list link; /* in the list of clean pages, oldest first, or of changed ones */
    uint32_t number;  /* METADATA_NONE: holds nothing, and is detached */
    uint32_t ndirty;  /* of its blocks */
    uint32_t nstale;  /* of its blocks */
    bool is_detached;
    pfn_t frame;
    struct metadata_block blocks[BLOCKS_OF_PAGE];
};

static uint32_t blocks_per_page(const struct metadata *metadata)
{
    return 1u << metadata->page_shift;
}

/* Whether a block of PAGE is pinned: then PAGE stays. */
static bool is_in_use(const struct metadata_page *page)
{
    uint32_t pins = 0;

    for (uint32_t i = 0; i < BLOCKS_OF_PAGE; i++) {
        pins |= page->blocks[i].pins;
    }
    return pins != 0;
}

/* ---- the segment's pager ---- */

/* Fills frames with pages of the device; past the file system's end they are zero. */
static status_t page_in(void *context, uint32_t first, uint32_t npages, const pfn_t *frames)
{
    struct metadata *metadata = context;
    uint64_t end = (uint64_t)metadata->nblocks << metadata->block_shift;
    struct transfer transfer;

    metadata->nreads++;
    transfer_begin(&transfer, metadata->device, BLOCK_READ);
    for (uint32_t i = 0; i < npages; i++) {
        uint64_t offset = (uint64_t)(first + i) << PAGE_SHIFT;
        uint32_t nbytes = end - offset < PAGE_BYTES ? (uint32_t)(end - offset) : PAGE_BYTES;
        if (nbytes < PAGE_BYTES) {
            memset(frame_address(frames[i]), 0, PAGE_BYTES);
        }
        transfer_add(&transfer, offset / SECTOR_BYTES, pfn_to_paddr(frames[i]), nbytes);
    }
    return transfer_end(&transfer);
}

static const struct pager_operations pager = {.kind = "device", .page_in = page_in};

/* ---- pages ---- */

/* One more page may be pinned; false when there is no memory for it. */
static bool add_page(struct metadata *metadata)
{
    struct metadata_page *page = mm_allocate(sizeof(*page));
    status_t status = STATUS_NO_MEMORY;

    if (page != NULL) {
        status = mm_device_charge(metadata->segment, &page->frame);
    }
    if (is_error(status)) {
        mm_free(page, sizeof(*page));
        return false;
    }
    page->number = METADATA_NONE;
    page->is_detached = true;
    for (uint32_t i = 0; i < BLOCKS_OF_PAGE; i++) {
        page->blocks[i].page = page;
        list_init(&page->blocks[i].hash_link);
    }
    list_insert_head(&metadata->clean, &page->link);
    metadata->count++;
    return true;
}

/* PAGE's frame holds nothing any more that is wanted here; what is good is the segment's. */
static void let_go(struct metadata *metadata, struct metadata_page *page)
{
    if (page->is_detached) {
        mm_device_release(metadata->segment, page->frame);
        return;
    }
    mm_device_unpin(metadata->segment, page->number);
    if (page->nstale != 0) {
        mm_device_forget(metadata->segment, page->number, page->number);
    } else {
        metadata->left[page->number / 32 % METADATA_LEFT_WORDS] |= 1u << page->number % 32;
    }
}

/* One page less may be pinned: PAGE, whose blocks are clean and not pinned. */
static void remove_page(struct metadata *metadata, struct metadata_page *page)
{
    ASSERT(!is_in_use(page));
    let_go(metadata, page);
    mm_device_return(metadata->segment);
    for (uint32_t i = 0; i < BLOCKS_OF_PAGE; i++) {
        list_remove(&page->blocks[i].hash_link);
    }
    list_remove(&page->link);
    mm_free(page, sizeof(*page));
    metadata->count--;
}

/* The charge for the page that is pinned while the one that gives way still is. */
static bool charge_spare(struct metadata *metadata)
{
    pfn_t frame;

    if (is_error(mm_device_charge(metadata->segment, &frame))) {
        return false;
    }
    mm_device_release(metadata->segment, frame);
    return true;
}

static uint32_t order_nbytes(const struct metadata *metadata)
{
    return (metadata->limit << metadata->page_shift) * (uint32_t)sizeof(metadata->order[0]);
}

/* Makes what is there from the start. */
static bool make_pages(struct metadata *metadata)
{
    uint64_t nbytes = (uint64_t)metadata->nblocks << metadata->block_shift;
    bool enough = is_success(mm_device_create(&metadata->segment, nbytes, &pager, metadata));

    if (!enough) {
        metadata->segment = NULL;
        return false;
    }
    enough = charge_spare(metadata);
    metadata->has_spare = enough;
    while (enough && metadata->count < metadata->least) {
        enough = add_page(metadata);
    }
    return enough;
}

status_t metadata_start(struct metadata *metadata, struct block_device *device,
                        uint32_t block_shift, uint32_t nblocks)
{
    struct mm_frame_counts counts;

    mm_count_frames(&counts);
    memset(metadata, 0, sizeof(*metadata));
    mutex_init(&metadata->lock, RANK_METADATA);
    metadata->device = device;
    metadata->block_shift = block_shift;
    metadata->page_shift = PAGE_SHIFT - block_shift;
    metadata->nblocks = nblocks;
    metadata->limit = min_u32(BLOCKS_MAX >> metadata->page_shift, counts.total / LIMIT_SHARE);
    metadata->limit = max_u32(LIMIT_MIN, metadata->limit);
    metadata->least = max_u32(LEAST_MIN, min_u32(LEAST_MAX, counts.total / LEAST_SHARE));
    for (uint32_t i = 0; i < METADATA_HASH_SIZE; i++) {
        list_init(&metadata->hash[i]);
    }
    list_init(&metadata->clean);
    list_init(&metadata->changed);
    list_init(&metadata->dirty);
    list_init(&metadata->written);
    metadata->zeroes = mm_allocate(PAGE_BYTES);
    metadata->copies = mm_allocate(METADATA_COPIES_NBYTES);
    metadata->order = mm_allocate(order_nbytes(metadata));
    if (!make_pages(metadata) || metadata->zeroes == NULL || metadata->copies == NULL ||
        metadata->order == NULL) {
        metadata_stop(metadata);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    return STATUS_SUCCESS;
}

void metadata_set_parts(struct metadata *metadata, uint32_t part_shift,
                        metadata_roll_back_function *roll_back)
{
    ASSERT(1u << (metadata->block_shift - part_shift) <= METADATA_PARTS);
    metadata->part_shift = part_shift;
    metadata->roll_back = roll_back;
}

static void remove_pages(struct metadata *metadata, struct list *pages)
{
    list_for_each_safe(link, after, pages) {
        remove_page(metadata, list_entry(link, struct metadata_page, link));
    }
}

void metadata_stop(struct metadata *metadata)
{
    if (metadata->segment != NULL) {
        remove_pages(metadata, &metadata->clean);
        remove_pages(metadata, &metadata->changed);
        if (metadata->has_spare) {
            mm_device_return(metadata->segment);
        }
        mm_segment_unref(metadata->segment);
    }
    mm_free(metadata->zeroes, PAGE_BYTES);
    mm_free(metadata->copies, METADATA_COPIES_NBYTES);
    mm_free(metadata->order, order_nbytes(metadata));
    metadata->segment = NULL;
    metadata->zeroes = NULL;
    metadata->copies = NULL;
    metadata->order = NULL;
}

/* ---- finding pages and blocks ---- */

static struct list *hash_of(struct metadata *metadata, uint32_t number)
{
    return &metadata->hash[number % METADATA_HASH_SIZE];
}

struct metadata_block *metadata_find(struct metadata *metadata, uint32_t number)
{
    list_for_each(link, hash_of(metadata, number)) {
        struct metadata_block *block = list_entry(link, struct metadata_block, hash_link);
        if (block->number == number) {
            return block;
        }
    }
    return NULL;
}

/* The oldest clean page of which no block is pinned, or NULL. */
static struct metadata_page *find_oldest(struct metadata *metadata)
{
    list_for_each(link, &metadata->clean) {
        struct metadata_page *page = list_entry(link, struct metadata_page, link);
        if (!is_in_use(page)) {
            return page;
        }
    }
    return NULL;
}

static void set_stale(struct metadata_block *block, bool stale)
{
    block->page->nstale += (uint32_t)stale - (uint32_t)block->is_stale;
    block->is_stale = stale;
}

/* PAGE, clean and not pinned, holds nothing any more; its frame is detached. */
static void empty(struct metadata *metadata, struct metadata_page *page)
{
    ASSERT(page->ndirty == 0 && !is_in_use(page));
    if (!page->is_detached) {
        page->frame = mm_device_detach(metadata->segment, page->number);
        page->is_detached = true;
    }
    for (uint32_t i = 0; i < blocks_per_page(metadata); i++) {
        list_remove(&page->blocks[i].hash_link);
        list_init(&page->blocks[i].hash_link);
    }
    list_remove(&page->link);
    list_insert_head(&metadata->clean, &page->link);
    page->number = METADATA_NONE;
}

/* PAGE, whose frame is set, is page NUMBER of the device; its blocks are stale, or none is. */
static void assign(struct metadata *metadata, struct metadata_page *page, uint32_t number,
                   bool stale)
{
    uint8_t *bytes = frame_address(page->frame);
    paddr_t address = pfn_to_paddr(page->frame);

    page->number = number;
    page->nstale = 0;
    for (uint32_t i = 0; i < blocks_per_page(metadata); i++) {
        struct metadata_block *block = &page->blocks[i];
        uint32_t inside = i << metadata->block_shift;
        block->number = (number << metadata->page_shift) + i;
        block->is_stale = stale;
        block->is_new = false;
        block->is_ordered = false;
        block->change = 0;
        block->bytes = bytes + inside;
        block->address = (paddr_t){address.v + inside};
        page->nstale += stale;
        list_remove(&block->hash_link);
        list_insert_head(hash_of(metadata, block->number), &block->hash_link);
    }
    list_remove(&page->link);
    list_insert_tail(&metadata->clean, &page->link);
}

/* Memory is short: PAGE's own frame holds page NUMBER, outside the segment. */
static status_t bring_detached(struct metadata *metadata, struct metadata_page *page,
                               uint32_t number, bool read)
{
    status_t status = STATUS_SUCCESS;

    empty(metadata, page);
    mm_device_forget(metadata->segment, number, number);
    if (read) {
        status = page_in(metadata, number, 1, &page->frame);
    }
    if (is_success(status)) {
        assign(metadata, page, number, !read);
    }
    return status;
}

/*
 * The page of block NUMBER, which is not pinned here: the oldest clean one gives way. READ: its
 * contents are brought; else, where they are not in memory, its blocks are stale.
 */
static status_t bring(struct metadata *metadata, uint32_t block, bool read,
                      struct metadata_block **result)
{
    uint32_t number = block >> metadata->page_shift;
    struct metadata_page *page = find_oldest(metadata);
    struct device_page pinned;

    VERIFY(page != NULL); /* see metadata_is_full */
    status_t status = mm_device_pin(metadata->segment, number, read, &pinned);
    if (status == STATUS_NO_MEMORY) {
        status = bring_detached(metadata, page, number, read);
    } else if (is_success(status)) {
        let_go(metadata, page);
        page->frame = pinned.frame;
        page->is_detached = false;
        assign(metadata, page, number, !pinned.has_contents);
    }
    *result = &page->blocks[block & (blocks_per_page(metadata) - 1)];
    return status;
}

/* The contents of BLOCK, which is stale, come on their own. */
static status_t refresh(struct metadata *metadata, struct metadata_block *block)
{
    struct transfer transfer;
    uint64_t sector = (uint64_t)block->number << (metadata->block_shift - 9);

    metadata->nreads++;
    transfer_begin(&transfer, metadata->device, BLOCK_READ);
    transfer_add(&transfer, sector, block->address, 1u << metadata->block_shift);
    status_t status = transfer_end(&transfer);
    if (is_success(status)) {
        set_stale(block, false);
    }
    return status;
}

/* The page was used: it gives way last. */
static void note_use(struct metadata *metadata, struct metadata_page *page)
{
    if (page->ndirty == 0 && metadata->clean.prev != &page->link) {
        list_remove(&page->link);
        list_insert_tail(&metadata->clean, &page->link);
    }
}

/* Block NUMBER, whose contents have to be read; FOUND when its page is here, else NULL. */
static NOINLINE status_t get_absent(struct metadata *metadata, uint32_t number,
                                    struct metadata_block *found, struct metadata_block **block)
{
    status_t status = STATUS_SUCCESS;

    if (found == NULL) {
        status = bring(metadata, number, true, &found);
        if (is_error(status) && blocks_per_page(metadata) > 1) {
            status = bring(metadata, number, false, &found); /* it alone, perhaps */
        }
    }
    if (is_success(status) && found->is_stale) {
        status = refresh(metadata, found);
    }
    if (is_success(status)) {
        found->pins++;
        *block = found;
    }
    return status;
}

status_t metadata_get(struct metadata *metadata, uint32_t number, struct metadata_block **block)
{
    ASSERT(mutex_is_mine(&metadata->lock));
    *block = NULL;
    if (number >= metadata->nblocks) {
        return STATUS_FILE_CORRUPT_ERROR;
    }
    struct metadata_block *found = metadata_find(metadata, number);
    if (found == NULL || found->is_stale) {
        return get_absent(metadata, number, found, block);
    }
    found->pins++;
    note_use(metadata, found->page);
    *block = found;
    return STATUS_SUCCESS;
}

void metadata_clean(struct metadata *metadata, struct metadata_block *block)
{
    struct metadata_page *page = block->page;

    block->dirty = false;
    block->is_new = false;
    block->is_ordered = false;
    block->is_partial = false;
    block->change = 0;
    memset(block->newborn, 0, sizeof(block->newborn));
    metadata->ndirty--;
    list_remove(&block->link);
    if (--page->ndirty == 0) {
        metadata->nchanged--;
        list_remove(&page->link);
        list_insert_tail(&metadata->clean, &page->link);
    }
}

/* BLOCK's contents do not matter any more. */
static void forget(struct metadata *metadata, struct metadata_block *block)
{
    if (block->dirty) {
        metadata_clean(metadata, block);
    }
    /* A pin can be left on it only where a damaged image uses one block twice. */
    if (block->pins == 0) {
        set_stale(block, true);
        block->is_new = false;
    }
}

status_t metadata_get_new(struct metadata *metadata, uint32_t number, uint32_t referrer,
                          struct metadata_block **block)
{
    status_t status = STATUS_SUCCESS;

    ASSERT(mutex_is_mine(&metadata->lock));
    *block = NULL;
    if (number >= metadata->nblocks) {
        return STATUS_FILE_CORRUPT_ERROR;
    }
    struct metadata_block *created = metadata_find(metadata, number);
    if (created == NULL) {
        status = bring(metadata, number, false, &created);
        if (is_error(status)) {
            return status;
        }
    }
    forget(metadata, created);
    if (created->pins != 0) {
        return STATUS_FILE_CORRUPT_ERROR; /* free, says a bitmap, and in use */
    }
    set_stale(created, false);
    memset(created->bytes, 0, 1u << metadata->block_shift);
    created->change = 0;
    created->is_new = true;
    created->referrer = referrer;
    created->pins = 1;
    *block = created;
    return STATUS_SUCCESS;
}

void metadata_put(struct metadata *metadata, struct metadata_block *block)
{
    (void)metadata;
    if (block != NULL) {
        ASSERT(block->pins > 0);
        block->pins--;
    }
}

void metadata_dirty(struct metadata *metadata, struct metadata_block *block)
{
    struct metadata_page *page = block->page;

    ASSERT(block->pins > 0);
    if (block->dirty) {
        return;
    }
    if (block->change != metadata->change) {
        block->level = 0;
        block->is_ordered = false;
    }
    block->dirty = true;
    metadata->ndirty++;
    list_insert_tail(&metadata->dirty, &block->link);
    if (page->ndirty++ == 0) {
        metadata->nchanged++;
        list_remove(&page->link);
        list_insert_tail(&metadata->changed, &page->link);
    }
}

void metadata_forget(struct metadata *metadata, uint32_t number)
{
    struct metadata_block *block = metadata_find(metadata, number);
    uint32_t page = number >> metadata->page_shift;

    if (block != NULL) {
        forget(metadata, block);
    } else if ((metadata->left[page / 32 % METADATA_LEFT_WORDS] >> page % 32 & 1u) != 0) {
        mm_device_forget(metadata->segment, page, page);
    }
}

void metadata_drop_clean(struct metadata *metadata)
{
    mutex_lock(&metadata->lock);
    list_for_each_safe(link, after, &metadata->clean) {
        struct metadata_page *page = list_entry(link, struct metadata_page, link);
        if (!is_in_use(page)) {
            empty(metadata, page);
        }
    }
    mm_device_forget(metadata->segment, 0, (metadata->nblocks - 1) >> metadata->page_shift);
    mutex_unlock(&metadata->lock);
}

status_t metadata_read(struct metadata *metadata, uint64_t offset, void *target, uint32_t nbytes)
{
    uint64_t end = (uint64_t)metadata->nblocks << metadata->block_shift;
    uint8_t *bytes = target;

    if (offset > end || nbytes > end - offset) {
        return STATUS_FILE_CORRUPT_ERROR;
    }
    while (nbytes > 0) {
        struct metadata_block *block;
        uint32_t inside = (uint32_t)offset & ((1u << metadata->block_shift) - 1);
        uint32_t n = min_u32(nbytes, (1u << metadata->block_shift) - inside);
        status_t status =
            metadata_get(metadata, (uint32_t)(offset >> metadata->block_shift), &block);
        if (is_error(status)) {
            return status;
        }
        memcpy(bytes, block->bytes + inside, n);
        metadata_put(metadata, block);
        bytes += n;
        offset += n;
        nbytes -= n;
    }
    return STATUS_SUCCESS;
}

/* ---- changes ---- */

void metadata_begin_change(struct metadata *metadata)
{
    metadata->change++;
}

bool metadata_is_full(struct metadata *metadata)
{
    uint32_t wanted = metadata->nchanged + 2 * METADATA_CHANGE_LIMIT;

    while (wanted > metadata->count && metadata->count < metadata->limit && add_page(metadata)) {
    }
    return metadata->has_failed || wanted > metadata->count;
}

void metadata_give_back(struct metadata *metadata)
{
    while (metadata->count > metadata->least) {
        struct metadata_page *page = find_oldest(metadata);
        if (page == NULL) {
            return;
        }
        remove_page(metadata, page);
    }
}
