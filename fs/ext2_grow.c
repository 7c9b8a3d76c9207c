/*
 * fs/ext2_grow.c: giving blocks to files and directories.
 *
 * One change covers blocks of one leaf: the slots of the inode, or one indirect block. The
 * indirect blocks on the way that are missing are made too.
 *
 *      inode --> top --> ... --> p --> new --> new --> leaf (new, or p itself) --> blocks
 *                                ^ the last that is on the disk already
 *
 * Order, for a file: new indirect blocks before what refers to them; the inode before p, so that
 * the size is there before blocks beyond the old end are: e2fsck takes such blocks for a sign that
 * the size is wrong. For a directory, whose blocks must all be there as far as its size goes:
 * everything before the inode, the new block first of all. An inode that is newborn has contents
 * on the disk after everything else, whatever it is of (fs/ext2_entry.c).
 */
#include "abi/constants.h"
#include "fs/ext2.h"
#include "fs/ext2_format.h"
#include "kernel/string.h"

#define RUN_MAX 256u /* blocks of one change */

struct growth {
    uint32_t number; /* of the inode */
    uint64_t first;  /* block of the file: where to begin */
    uint64_t end;
    bool fresh;
    bool is_directory;

    /* One change's. */
    struct ext2_path path;
    struct metadata_block *inode;
    uint8_t *raw;
    struct metadata_block *chain[EXT2_DEPTH]; /* the indirect blocks, from the top */
    uint32_t nold;                            /* how many of them are on the disk already */
    uint32_t run;                             /* the new data blocks */
    uint32_t nrun;
    struct metadata_block *entries; /* of a directory: its new block */
};

/* The pointers of which the leaf's blocks are part, and how many there are. */
static uint8_t *leaf_pointers(const struct ext2 *ext2, const struct growth *growth, uint32_t *count)
{
    uint32_t depth = growth->path.depth;

    if (depth == 0) {
        *count = EXT2_DIRECT;
        return growth->raw + INODE_MAP;
    }
    *count = ext2->block_bytes / 4;
    return growth->chain[depth - 1]->bytes;
}

static uint32_t leaf_index(const struct growth *growth)
{
    return growth->path.depth == 0 ? growth->path.slot : growth->path.index[growth->path.depth - 1];
}

/* What points at the block at LEVEL of the chain. */
static uint8_t *pointer_to(struct growth *growth, uint32_t level)
{
    return level == 0 ? growth->raw + INODE_MAP + growth->path.slot * 4
                      : growth->chain[level - 1]->bytes + growth->path.index[level - 1] * 4;
}

static struct metadata_block *parent_of(struct growth *growth, uint32_t level)
{
    return level == 0 ? growth->inode : growth->chain[level - 1];
}

/* Gets the indirect blocks that exist. */
static status_t get_chain(struct ext2 *ext2, struct growth *growth)
{
    status_t status = STATUS_SUCCESS;

    growth->nold = 0;
    while (is_success(status) && growth->nold < growth->path.depth) {
        uint32_t block = get32(pointer_to(growth, growth->nold));
        if (block == 0) {
            break;
        }
        status = ext2_check_own_locked(ext2, block);
        if (is_success(status)) {
            status = metadata_get(&ext2->metadata, block, &growth->chain[growth->nold]);
        }
        growth->nold += is_success(status);
    }
    return status;
}

/* Where the next block should lie: behind the file's block before the first new one. */
static status_t find_goal(struct ext2 *ext2, const struct growth *growth, uint32_t *goal)
{
    uint32_t map[EXT2_MAP_WORDS];
    uint32_t block = 0;
    status_t status = STATUS_SUCCESS;

    for (uint32_t i = 0; i < EXT2_MAP_WORDS; i++) {
        map[i] = get32(growth->raw + INODE_MAP + i * 4);
    }
    if (growth->first > 0) {
        status = ext2_map_one_locked(ext2, map, growth->first - 1, &block);
    }
    *goal = block == 0 ? 0 : block + 1;
    return status;
}

/* Allocates and makes the indirect blocks that are missing; *GOAL: behind the last. */
static status_t make_chain(struct ext2 *ext2, struct growth *growth, uint32_t *goal)
{
    status_t status = STATUS_SUCCESS;

    for (uint32_t i = growth->nold; i < growth->path.depth && is_success(status); i++) {
        uint32_t block;
        uint32_t count;
        status = ext2_allocate_run_locked(ext2, growth->number, *goal, 1, &block, &count);
        if (is_error(status)) {
            break;
        }
        status = metadata_get_new(&ext2->metadata, block, parent_of(growth, i)->number,
                                  &growth->chain[i]);
        if (is_error(status)) {
            ext2_return_run_locked(ext2, block, 1);
        }
        *goal = block + 1;
    }
    return status;
}

/* How many blocks are missing from the first on, within the leaf. */
static uint32_t count_missing(const struct ext2 *ext2, const struct growth *growth)
{
    uint32_t limit = growth->path.depth == 0 ? EXT2_DIRECT : ext2->block_bytes / 4;
    uint32_t index = leaf_index(growth);
    uint64_t wanted = growth->end - growth->first;
    uint32_t most = wanted < RUN_MAX ? (uint32_t)wanted : RUN_MAX;
    bool exists = growth->nold == growth->path.depth;
    uint32_t count = 0;

    while (count < most && index + count < limit &&
           (!exists ||
            get32(leaf_pointers(ext2, growth, &limit) + (size_t)(index + count) * 4) == 0)) {
        count++;
    }
    return count;
}

static status_t allocate_data(struct ext2 *ext2, struct growth *growth, uint32_t missing,
                              uint32_t goal)
{
    status_t status =
        ext2_allocate_run_locked(ext2, growth->number, goal, missing, &growth->run, &growth->nrun);

    if (is_error(status)) {
        growth->nrun = 0;
        return status;
    }
    if (growth->is_directory) {
        return metadata_get_new(&ext2->metadata, growth->run,
                                parent_of(growth, growth->path.depth)->number, &growth->entries);
    }
    return growth->fresh ? fresh_add(&ext2->fresh, growth->run, growth->nrun) : STATUS_SUCCESS;
}

/* Says the order; false: EXT2_SYNC_FIRST. */
static bool order(struct ext2 *ext2, struct growth *growth)
{
    struct metadata *metadata = &ext2->metadata;
    struct metadata_block *old = growth->nold == 0 ? NULL : growth->chain[growth->nold - 1];
    bool can = true;

    if (ext2_is_newborn_locked(ext2, growth->inode, growth->raw)) {
        return true;
    }
    if (old != NULL) {
        can = growth->is_directory ? metadata_order(metadata, old, growth->inode)
                                   : metadata_order(metadata, growth->inode, old);
    }
    for (uint32_t i = growth->nold; i < growth->path.depth && can; i++) {
        can = metadata_order(metadata, growth->chain[i], parent_of(growth, i));
    }
    if (growth->entries != NULL && can) {
        can = metadata_order(metadata, growth->entries, parent_of(growth, growth->path.depth));
    }
    return can;
}

/* Nothing fails from here on. */
static void apply(struct ext2 *ext2, struct growth *growth)
{
    struct metadata *metadata = &ext2->metadata;
    uint32_t limit;
    uint8_t *pointers = leaf_pointers(ext2, growth, &limit) + (size_t)leaf_index(growth) * 4;

    for (uint32_t i = 0; i < growth->nrun; i++) {
        put32(pointers + (size_t)i * 4, growth->run + i);
    }
    for (uint32_t i = growth->nold; i < growth->path.depth; i++) {
        put32(pointer_to(growth, i), growth->chain[i]->number);
        metadata_dirty(metadata, growth->chain[i]);
    }
    uint32_t made = growth->nrun + growth->path.depth - growth->nold;
    ext2_count_inode_blocks(ext2, growth->raw, (int32_t)made);
    if (growth->nold > 0) {
        metadata_dirty(metadata, growth->chain[growth->nold - 1]);
    }
    if (growth->entries != NULL) {
        put16(growth->entries->bytes + ENTRY_LENGTH, ext2->block_bytes);
        metadata_dirty(metadata, growth->entries);
        ext2_set_inode_size(growth->raw, ext2_inode_size(growth->raw) + ext2->block_bytes);
        ext2_touch_inode(ext2, growth->raw, true);
    }
    metadata_dirty(metadata, growth->inode);
    growth->first += growth->nrun;
}

/* Gives back what a change that did not come about had allocated. */
static void undo(struct ext2 *ext2, struct growth *growth)
{
    if (growth->entries != NULL) {
        metadata_put(&ext2->metadata, growth->entries);
        growth->entries = NULL;
        metadata_forget(&ext2->metadata, growth->run);
    }
    if (growth->nrun > 0) {
        ext2_return_run_locked(ext2, growth->run, growth->nrun);
    }
    for (uint32_t i = growth->nold; i < EXT2_DEPTH && growth->chain[i] != NULL; i++) {
        uint32_t block = growth->chain[i]->number;
        metadata_put(&ext2->metadata, growth->chain[i]);
        growth->chain[i] = NULL;
        metadata_forget(&ext2->metadata, block);
        ext2_return_run_locked(ext2, block, 1);
    }
}

/* The part of a change between getting the inode and letting go of it. */
static status_t grow_leaf(struct ext2 *ext2, struct growth *growth)
{
    uint32_t goal;
    status_t status = get_chain(ext2, growth);

    if (is_error(status)) {
        return status;
    }
    uint32_t missing = count_missing(ext2, growth);
    if (missing == 0) {
        growth->first++;
        return STATUS_SUCCESS;
    }
    status = find_goal(ext2, growth, &goal);
    if (is_success(status)) {
        status = make_chain(ext2, growth, &goal);
    }
    if (is_success(status)) {
        status = allocate_data(ext2, growth, missing, goal);
    }
    if (is_success(status) && !order(ext2, growth)) {
        status = EXT2_SYNC_FIRST;
    }
    if (is_error(status)) {
        undo(ext2, growth);
    } else {
        apply(ext2, growth);
    }
    return status;
}

static status_t perform_growth(struct ext2 *ext2, void *context)
{
    struct growth *growth = context;

    memset(growth->chain, 0, sizeof(growth->chain));
    growth->nrun = 0;
    growth->entries = NULL;
    if (!ext2_find_path(ext2, growth->first, &growth->path)) {
        return STATUS_DISK_FULL;
    }
    status_t status = ext2_get_inode_locked(ext2, growth->number, &growth->inode, &growth->raw);
    if (is_error(status)) {
        return status;
    }
    uint32_t type = get16(growth->raw + INODE_MODE) & EXT2_TYPE_MASK;
    if (type != (growth->is_directory ? EXT2_TYPE_DIRECTORY : EXT2_TYPE_FILE)) {
        status = STATUS_FILE_CORRUPT_ERROR;
    } else {
        status = grow_leaf(ext2, growth);
    }
    metadata_put(&ext2->metadata, growth->entries);
    for (uint32_t i = 0; i < EXT2_DEPTH; i++) {
        metadata_put(&ext2->metadata, growth->chain[i]);
    }
    metadata_put(&ext2->metadata, growth->inode);
    return status;
}

/* Moves on to the first block that is missing: no change is needed where there is none. */
static status_t skip_existing(struct ext2 *ext2, struct growth *growth)
{
    uint32_t blocks[EXT2_MAP_BATCH];

    while (growth->first < growth->end) {
        uint64_t left = growth->end - growth->first;
        uint32_t count = left < EXT2_MAP_BATCH ? (uint32_t)left : EXT2_MAP_BATCH;
        status_t status = ext2_map(ext2, growth->number, growth->first, &count, blocks);
        if (is_error(status)) {
            return status;
        }
        for (uint32_t i = 0; i < count; i++, growth->first++) {
            if (blocks[i] == 0) {
                return STATUS_SUCCESS;
            }
        }
    }
    return STATUS_SUCCESS;
}

status_t ext2_allocate(struct ext2 *ext2, uint32_t number, uint64_t first, uint32_t count,
                       bool fresh)
{
    struct growth growth = {.number = number, .first = first, .end = first + count, .fresh = fresh};
    status_t status = STATUS_SUCCESS;

    while (is_success(status)) {
        status = skip_existing(ext2, &growth);
        if (is_error(status) || growth.first >= growth.end) {
            break;
        }
        status = ext2_change(ext2, perform_growth, &growth);
    }
    return status;
}

status_t ext2_extend_directory(struct ext2 *ext2, uint32_t number)
{
    struct ext2_inode inode;
    status_t status = ext2_read_inode(ext2, number, &inode);

    if (is_error(status)) {
        return status;
    }
    uint64_t nblocks = inode.information.nbytes >> ext2->block_shift;
    if (inode.information.nbytes + ext2->block_bytes > INT32_MAX) {
        return STATUS_DISK_FULL;
    }
    struct growth growth = {
        .number = number, .first = nblocks, .end = nblocks + 1, .is_directory = true};
    status = ext2_change(ext2, perform_growth, &growth);
    if (is_success(status) && growth.nrun == 0) {
        status = STATUS_FILE_CORRUPT_ERROR; /* there was a block past the end */
    }
    return status;
}
