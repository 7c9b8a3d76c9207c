/*
 * fs/metadata.c: the one cache of the file system's own blocks: superblock, descriptors, bitmaps,
 * inodes, indirect blocks, directories.
 *
 *      number --hash--> block: clean (in a list, least recently used first; the oldest gives way)
 *                              dirty (stays until metadata_sync has written it)
 *
 * Order. A crash may come between any two writes, and a disk may lose any write that no FLUSH has
 * followed. A change therefore says which of its blocks must be durable before which. Each dirty
 * block has a level for that; metadata_sync writes level by level with a FLUSH after each. A block
 * has one level, so two changes can want opposite orders of the same two blocks (one makes a file
 * in a directory: inode before entry; the next takes an entry away in favour of another, whose
 * inode lies in the same block). Then the earlier ones are written first: metadata_order says no.
 * A change says its order before it changes anything, so this is possible at any time.
 *
 * A new block needs no order towards what refers to it alone: it cannot be reached before.
 *
 * Memory. A few blocks are made at the start, more when they are wanted and can be had, up to a
 * share of RAM. When a change begins, so many are not dirty that it can dirty as many as it likes
 * and a reader (a page-in, even a page-out) still finds one to use: nobody waits for memory under
 * the metadata lock.
 */
#include "fs/metadata.h"

#include "fs/transfer.h"
#include "kernel/string.h"
#include "mm/pfn.h"
#include "mm/pool.h"
#include "quire/assert.h"

#define BLOCKS_MIN 64u  /* from the start */
#define LIMIT_MIN  128u /* later, if there is memory */
#define BLOCKS_MAX 4096u
#define RAM_SHARE  64u /* of RAM, at most */

STATIC_ASSERT(BLOCKS_MIN >= 2 * METADATA_CHANGE_LIMIT);

/* A page of memory and the blocks that it holds. */
struct metadata_page {
    struct list link;
    uint8_t *bytes;
    struct metadata_block blocks[4];
};

static struct list *hash_of(struct metadata *metadata, uint32_t number)
{
    return &metadata->hash[number % METADATA_HASH_SIZE];
}

/* Makes the blocks of one more page; false when there is no memory. */
static bool add_page(struct metadata *metadata)
{
    uint32_t per_page = PAGE_BYTES >> metadata->block_shift;
    struct metadata_page *page = mm_allocate(sizeof(*page));
    uint8_t *bytes = mm_allocate(PAGE_BYTES);

    if (page == NULL || bytes == NULL) {
        mm_free(page, sizeof(*page));
        mm_free(bytes, PAGE_BYTES);
        return false;
    }
    page->bytes = bytes;
    list_insert_tail(&metadata->pages, &page->link);
    for (uint32_t i = 0; i < per_page; i++) {
        struct metadata_block *block = &page->blocks[i];
        uint32_t inside = i << metadata->block_shift;
        block->number = METADATA_NONE;
        block->bytes = bytes + inside;
        block->address = (paddr_t){pfn_to_paddr(frame_of(bytes)).v + inside};
        list_init(&block->hash_link);
        list_insert_head(&metadata->clean, &block->link);
    }
    metadata->count += per_page;
    return true;
}

status_t metadata_start(struct metadata *metadata, struct block_device *device,
                        uint32_t block_shift, uint32_t nblocks)
{
    struct mm_frame_counts counts;
    bool enough = true;

    mm_count_frames(&counts);
    memset(metadata, 0, sizeof(*metadata));
    mutex_init(&metadata->lock, RANK_METADATA);
    metadata->device = device;
    metadata->block_shift = block_shift;
    metadata->nblocks = nblocks;
    metadata->limit = counts.total / RAM_SHARE << (PAGE_SHIFT - block_shift);
    metadata->limit = max_u32(LIMIT_MIN, min_u32(BLOCKS_MAX, metadata->limit));
    for (uint32_t i = 0; i < METADATA_HASH_SIZE; i++) {
        list_init(&metadata->hash[i]);
    }
    list_init(&metadata->clean);
    list_init(&metadata->dirty);
    list_init(&metadata->pages);
    metadata->zeroes = mm_allocate(PAGE_BYTES);
    metadata->order = mm_allocate(metadata->limit * (uint32_t)sizeof(metadata->order[0]));
    while (enough && metadata->count < BLOCKS_MIN) {
        enough = add_page(metadata);
    }
    if (!enough || metadata->zeroes == NULL || metadata->order == NULL) {
        metadata_stop(metadata);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    memset(metadata->zeroes, 0, PAGE_BYTES);
    return STATUS_SUCCESS;
}

void metadata_stop(struct metadata *metadata)
{
    list_for_each_safe(link, after, &metadata->pages) {
        struct metadata_page *page = list_entry(link, struct metadata_page, link);
        list_remove(link);
        mm_free(page->bytes, PAGE_BYTES);
        mm_free(page, sizeof(*page));
    }
    mm_free(metadata->zeroes, PAGE_BYTES);
    mm_free(metadata->order, metadata->limit * (uint32_t)sizeof(metadata->order[0]));
    metadata->zeroes = NULL;
    metadata->order = NULL;
    metadata->count = 0;
}

/* ---- finding blocks ---- */

static struct metadata_block *find(struct metadata *metadata, uint32_t number)
{
    list_for_each(link, hash_of(metadata, number)) {
        struct metadata_block *block = list_entry(link, struct metadata_block, hash_link);
        if (block->number == number) {
            return block;
        }
    }
    return NULL;
}

/* Makes BLOCK, clean and not pinned, hold nothing. */
static void empty(struct metadata *metadata, struct metadata_block *block)
{
    ASSERT(!block->dirty && block->pins == 0);
    list_remove(&block->hash_link);
    list_remove(&block->link);
    list_insert_head(&metadata->clean, &block->link);
    block->number = METADATA_NONE;
    block->is_new = false;
}

/* The oldest clean block that nobody has pinned, or NULL. */
static struct metadata_block *find_oldest(struct metadata *metadata)
{
    list_for_each(link, &metadata->clean) {
        struct metadata_block *block = list_entry(link, struct metadata_block, link);
        if (block->pins == 0) {
            return block;
        }
    }
    return NULL;
}

/* A block that holds nothing. There always is one: see metadata_is_full. */
static struct metadata_block *take_empty(struct metadata *metadata)
{
    struct metadata_block *block = find_oldest(metadata);

    if ((block == NULL || block->number != METADATA_NONE) && metadata->count < metadata->limit &&
        add_page(metadata)) {
        block = find_oldest(metadata);
    }
    VERIFY(block != NULL);
    empty(metadata, block);
    return block;
}

/* BLOCK, which is empty, becomes block NUMBER, pinned once. */
static void assign(struct metadata *metadata, struct metadata_block *block, uint32_t number)
{
    block->number = number;
    block->pins = 1;
    block->change = 0;
    list_insert_head(hash_of(metadata, number), &block->hash_link);
    list_remove(&block->link);
    list_insert_tail(&metadata->clean, &block->link);
}

static status_t read_block(struct metadata *metadata, struct metadata_block *block)
{
    struct transfer transfer;
    uint64_t sector = (uint64_t)block->number << (metadata->block_shift - 9);

    metadata->nreads++;
    transfer_begin(&transfer, metadata->device, BLOCK_READ);
    transfer_add(&transfer, sector, block->address, 1u << metadata->block_shift);
    return transfer_end(&transfer);
}

status_t metadata_get(struct metadata *metadata, uint32_t number, struct metadata_block **block)
{
    ASSERT(mutex_is_mine(&metadata->lock));
    *block = NULL;
    if (number >= metadata->nblocks) {
        return STATUS_FILE_CORRUPT_ERROR;
    }
    struct metadata_block *found = find(metadata, number);
    if (found != NULL) {
        found->pins++;
        if (!found->dirty) {
            list_remove(&found->link);
            list_insert_tail(&metadata->clean, &found->link);
        }
        *block = found;
        return STATUS_SUCCESS;
    }
    found = take_empty(metadata);
    assign(metadata, found, number);
    status_t status = read_block(metadata, found);
    if (is_error(status)) {
        found->pins = 0;
        empty(metadata, found);
        return status;
    }
    *block = found;
    return STATUS_SUCCESS;
}

status_t metadata_get_new(struct metadata *metadata, uint32_t number, uint32_t referrer,
                          struct metadata_block **block)
{
    ASSERT(mutex_is_mine(&metadata->lock));
    *block = NULL;
    if (number >= metadata->nblocks) {
        return STATUS_FILE_CORRUPT_ERROR;
    }
    metadata_forget(metadata, number);
    struct metadata_block *created = take_empty(metadata);
    assign(metadata, created, number);
    memset(created->bytes, 0, 1u << metadata->block_shift);
    created->is_new = true;
    created->referrer = referrer;
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
    ASSERT(block->pins > 0);
    if (block->dirty) {
        return;
    }
    if (block->change != metadata->change) {
        block->level = 0;
    }
    block->dirty = true;
    metadata->ndirty++;
    list_remove(&block->link);
    list_insert_tail(&metadata->dirty, &block->link);
}

static void clean(struct metadata *metadata, struct metadata_block *block)
{
    block->dirty = false;
    block->is_new = false;
    block->change = 0;
    metadata->ndirty--;
    list_remove(&block->link);
    list_insert_tail(&metadata->clean, &block->link);
}

void metadata_forget(struct metadata *metadata, uint32_t number)
{
    struct metadata_block *block = find(metadata, number);

    if (block == NULL) {
        return;
    }
    if (block->dirty) {
        clean(metadata, block);
    }
    /* A pin can be left on it only where a damaged image uses one block twice. */
    if (block->pins == 0) {
        empty(metadata, block);
    }
}

void metadata_drop_clean(struct metadata *metadata)
{
    mutex_lock(&metadata->lock);
    list_for_each_safe(link, after, &metadata->clean) {
        struct metadata_block *block = list_entry(link, struct metadata_block, link);
        if (block->pins == 0) {
            empty(metadata, block);
        }
    }
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

/* ---- order ---- */

void metadata_begin_change(struct metadata *metadata)
{
    metadata->change++;
}

bool metadata_is_full(struct metadata *metadata)
{
    uint32_t wanted = metadata->ndirty + 2 * METADATA_CHANGE_LIMIT;

    while (wanted > metadata->count && metadata->count < metadata->limit && add_page(metadata)) {
    }
    return wanted > metadata->count;
}

static bool has_level(const struct metadata *metadata, const struct metadata_block *block)
{
    return block->dirty || block->change == metadata->change;
}

static void set_level(struct metadata *metadata, struct metadata_block *block, int32_t level)
{
    block->level = level;
    block->change = metadata->change;
}

/* Whether BLOCK is new, and reached first through FIRST, perhaps by way of other new blocks. */
static bool is_reached_through(struct metadata *metadata, const struct metadata_block *block,
                               const struct metadata_block *first)
{
    for (uint32_t depth = 0; depth < 4 && block != NULL && block->is_new; depth++) {
        if (block->referrer == first->number) {
            return true;
        }
        block = find(metadata, block->referrer);
    }
    return false;
}

bool metadata_order(struct metadata *metadata, struct metadata_block *first,
                    struct metadata_block *then)
{
    if (first == then || is_reached_through(metadata, then, first)) {
        return true;
    }
    bool has_first = has_level(metadata, first);
    bool has_then = has_level(metadata, then);
    if (has_first && has_then) {
        return first->level < then->level;
    }
    if (has_first) {
        set_level(metadata, then, first->level + 1);
    } else if (has_then) {
        set_level(metadata, first, then->level - 1);
    } else {
        set_level(metadata, first, 0);
        set_level(metadata, then, 1);
    }
    return true;
}

/* ---- writing ---- */

status_t metadata_flush_device(struct metadata *metadata)
{
    struct block_request request = {.operation = BLOCK_FLUSH};

    metadata->nflushes++;
    return block_perform(metadata->device, &request);
}

status_t metadata_clear(struct metadata *metadata, uint32_t first, uint32_t count)
{
    struct transfer transfer;
    uint32_t per_page = PAGE_BYTES >> metadata->block_shift;
    paddr_t zeroes = pfn_to_paddr(frame_of(metadata->zeroes));

    transfer_begin(&transfer, metadata->device, BLOCK_WRITE);
    while (count > 0) {
        uint32_t n = min_u32(count, per_page);
        transfer_add(&transfer, (uint64_t)first << (metadata->block_shift - 9), zeroes,
                     n << metadata->block_shift);
        first += n;
        count -= n;
    }
    return transfer_end(&transfer);
}

/* Sorts by number, so that neighbours become one request: Shell's method, with Ciura's gaps. */
static void sort(struct metadata_block **blocks, uint32_t count)
{
    static const uint32_t gaps[] = {701, 301, 132, 57, 23, 10, 4, 1};

    for (uint32_t g = 0; g < ARRAY_COUNT(gaps); g++) {
        for (uint32_t i = gaps[g]; i < count; i++) {
            struct metadata_block *block = blocks[i];
            uint32_t j = i;
            for (; j >= gaps[g] && blocks[j - gaps[g]]->number > block->number; j -= gaps[g]) {
                blocks[j] = blocks[j - gaps[g]];
            }
            blocks[j] = block;
        }
    }
}

/* Collects the dirty blocks of the lowest level; how many. */
static uint32_t collect_level(struct metadata *metadata)
{
    int32_t lowest = INT32_MAX;
    uint32_t count = 0;

    list_for_each(link, &metadata->dirty) {
        const struct metadata_block *block = list_entry(link, struct metadata_block, link);
        lowest = block->level < lowest ? block->level : lowest;
    }
    list_for_each(link, &metadata->dirty) {
        struct metadata_block *block = list_entry(link, struct metadata_block, link);
        if (block->level == lowest) {
            metadata->order[count++] = block;
        }
    }
    sort(metadata->order, count);
    return count;
}

/* Writes the COUNT blocks that were collected, and waits until they are durable. */
static status_t write_level(struct metadata *metadata, uint32_t count)
{
    struct transfer transfer;

    transfer_begin(&transfer, metadata->device, BLOCK_WRITE);
    for (uint32_t i = 0; i < count; i++) {
        const struct metadata_block *block = metadata->order[i];
        transfer_add(&transfer, (uint64_t)block->number << (metadata->block_shift - 9),
                     block->address, 1u << metadata->block_shift);
    }
    status_t status = transfer_end(&transfer);
    if (is_success(status)) {
        status = metadata_flush_device(metadata);
    }
    for (uint32_t i = 0; i < count && is_success(status); i++) {
        clean(metadata, metadata->order[i]);
    }
    metadata->nwrites += count;
    return status;
}

status_t metadata_sync(struct metadata *metadata)
{
    status_t status = STATUS_SUCCESS;

    ASSERT(mutex_is_mine(&metadata->lock));
    metadata->nsyncs += metadata->ndirty > 0;
    while (metadata->ndirty > 0 && is_success(status)) {
        uint32_t count = collect_level(metadata);
        status = write_level(metadata, count);
    }
    return status;
}
