/*
 * fs/metadata_sync.c: the order in which the file system's own blocks are written.
 *
 * Order. A crash may come between any two writes, and a disk may lose any write that no FLUSH has
 * followed. A change therefore says which of its blocks must be durable before which. Each dirty
 * block has a level for that; metadata_sync writes level by level with a FLUSH after each. A block
 * has one level, so two changes can want opposite orders of the same two blocks (one makes a file:
 * the block with its inode before that with its entry; the next removes an empty directory, whose
 * inode lies in the first of them: what is gone from the second before that). Then the earlier ones
 * are written first: metadata_order says no. A change says its order before it changes anything, so
 * this is possible at any time. A dirty block of which nobody has said an order can have any level.
 *
 * A new block needs no order towards what refers to it alone: it cannot be reached before.
 *
 * Newborn parts. Some things need both orders at once: an inode is initialised before its entry,
 * but has contents only after it (fs/ext2_entry.c). So a part of a block can be newborn, as soft
 * updates have it: a block is written at its level with its newborn parts rolled back, in a copy,
 * and again, whole, when every block is durable. What lies in a newborn directory is whole after
 * the directory: it is of the next generation, and each generation has a FLUSH of its own.
 *
 *      level, FLUSH, next level, FLUSH, ...  generation 1 whole, FLUSH, generation 2 whole, FLUSH
 *
 * When metadata_sync fails, the disk may have any of that. No change begins then until one
 * succeeds, so that a change only ever meets parts of which nothing is on the disk, or all.
 */
#include "fs/metadata.h"

#include "fs/transfer.h"
#include "kernel/string.h"
#include "quire/assert.h"

/* ---- order ---- */

static bool has_level(const struct metadata *metadata, const struct metadata_block *block)
{
    return block->is_ordered && (block->dirty || block->change == metadata->change);
}

static void set_level(struct metadata *metadata, struct metadata_block *block, int32_t level)
{
    block->level = level;
    block->is_ordered = true;
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
        block = metadata_find(metadata, block->referrer);
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

/* ---- newborn parts ---- */

static uint32_t part_index(const struct metadata *metadata, const struct metadata_block *block,
                           const uint8_t *part)
{
    return (uint32_t)(part - block->bytes) >> metadata->part_shift;
}

void metadata_set_newborn(struct metadata *metadata, struct metadata_block *block,
                          const uint8_t *part, uint32_t generation)
{
    uint8_t *newborn = &block->newborn[part_index(metadata, block, part)];

    ASSERT(block->dirty && generation <= METADATA_GENERATIONS);
    *newborn = (uint8_t)max_u32(*newborn, generation);
}

uint32_t metadata_generation(const struct metadata *metadata, const struct metadata_block *block,
                             const uint8_t *part)
{
    return block->newborn[part_index(metadata, block, part)];
}

/* The lowest generation of BLOCK's newborn parts, or METADATA_NONE. */
static uint32_t lowest_generation(const struct metadata_block *block)
{
    uint32_t lowest = METADATA_NONE;

    for (uint32_t i = 0; i < METADATA_PARTS; i++) {
        if (block->newborn[i] != 0) {
            lowest = min_u32(lowest, block->newborn[i]);
        }
    }
    return lowest;
}

static bool has_newborn(const struct metadata_block *block)
{
    return lowest_generation(block) != METADATA_NONE;
}

/* Makes COPY what can be written of BLOCK while it has newborn parts. */
static void copy_rolled_back(struct metadata *metadata, struct metadata_block *block, uint8_t *copy)
{
    memcpy(copy, block->bytes, 1u << metadata->block_shift);
    for (uint32_t i = 0; i < METADATA_PARTS; i++) {
        if (block->newborn[i] != 0) {
            block->is_partial |= metadata->roll_back(copy + ((size_t)i << metadata->part_shift));
        }
    }
}

/* ---- writing ---- */

status_t metadata_flush_device(struct metadata *metadata)
{
    metadata->nflushes++;
    return block_flush(metadata->device);
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

/* Writes the COUNT blocks that were collected, rolled back where they must be. */
static status_t write_collected(struct metadata *metadata, uint32_t count)
{
    struct transfer transfer;
    uint32_t nbytes = 1u << metadata->block_shift;
    uint32_t copied = 0; /* bytes, in this transfer */
    status_t status = STATUS_SUCCESS;

    transfer_begin(&transfer, metadata->device, BLOCK_WRITE);
    for (uint32_t i = 0; i < count; i++) {
        struct metadata_block *block = metadata->order[i];
        paddr_t address = block->address;
        if (has_newborn(block)) {
            if (copied == METADATA_COPIES_NBYTES) {
                status = transfer_end(&transfer);
                if (is_error(status)) {
                    return status;
                }
                transfer_begin(&transfer, metadata->device, BLOCK_WRITE);
                copied = 0;
            }
            copy_rolled_back(metadata, block, metadata->copies + copied);
            address = pfn_to_paddr(frame_of(metadata->copies));
            address.v += copied;
            copied += nbytes;
        }
        transfer_add(&transfer, (uint64_t)block->number << (metadata->block_shift - 9), address,
                     nbytes);
    }
    return transfer_end(&transfer);
}

/*
 * Writes them, and waits until they are durable. They are clean then, or, with newborn parts, in
 * the list of those that were written.
 */
static status_t write_durably(struct metadata *metadata, uint32_t count)
{
    status_t status = write_collected(metadata, count);

    if (is_success(status)) {
        status = metadata_flush_device(metadata);
    }
    for (uint32_t i = 0; i < count && is_success(status); i++) {
        struct metadata_block *block = metadata->order[i];
        if (has_newborn(block)) {
            list_remove(&block->link);
            list_insert_tail(&metadata->written, &block->link);
        } else {
            metadata_clean(metadata, block);
        }
    }
    metadata->nwrites += count;
    return status;
}

/* BLOCK's parts of that GENERATION, if there are any, are newborn no more. */
static bool end_generation(struct metadata_block *block, uint32_t generation)
{
    bool any = false;

    for (uint32_t i = 0; i < METADATA_PARTS; i++) {
        if (block->newborn[i] == generation) {
            block->newborn[i] = 0;
            any = true;
        }
    }
    return any;
}

/* Collects the blocks whose parts of the lowest generation were rolled back; how many. */
static uint32_t collect_generation(struct metadata *metadata)
{
    uint32_t lowest = METADATA_NONE;
    uint32_t count = 0;

    list_for_each(link, &metadata->written) {
        lowest = min_u32(lowest, lowest_generation(list_entry(link, struct metadata_block, link)));
    }
    list_for_each_safe(link, after, &metadata->written) {
        struct metadata_block *block = list_entry(link, struct metadata_block, link);
        if (!end_generation(block, lowest)) {
            continue;
        }
        if (block->is_partial) {
            metadata->order[count++] = block;
        } else if (!has_newborn(block)) {
            metadata_clean(metadata, block);
        }
    }
    sort(metadata->order, count);
    return count;
}

/* Writes, generation by generation, what was rolled back. */
static status_t write_newborns(struct metadata *metadata)
{
    status_t status = STATUS_SUCCESS;

    while (!list_is_empty(&metadata->written) && is_success(status)) {
        uint32_t count = collect_generation(metadata);
        if (count > 0) {
            status = write_durably(metadata, count);
        }
    }
    return status;
}

status_t metadata_sync(struct metadata *metadata)
{
    status_t status = STATUS_SUCCESS;

    ASSERT(mutex_is_mine(&metadata->lock));
    metadata->nsyncs += metadata->ndirty > 0;
    while (!list_is_empty(&metadata->dirty) && is_success(status)) {
        uint32_t count = collect_level(metadata);
        status = write_durably(metadata, count);
    }
    if (is_success(status)) {
        status = write_newborns(metadata);
    }
    list_for_each_safe(link, after, &metadata->written) { /* something failed */
        list_remove(link);
        list_insert_tail(&metadata->dirty, link);
    }
    metadata->has_failed = is_error(status);
    if (metadata->nchanged == 0) {
        metadata_give_back(metadata);
    }
    return status;
}
