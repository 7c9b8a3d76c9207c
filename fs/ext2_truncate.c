/*
 * fs/ext2_truncate.c: the size of a file, and giving its blocks up.
 *
 * Blocks are given up from the end, at most STEP_BLOCKS of them in a change, all of one leaf. With
 * each step the size goes down to where the blocks now end, so every step leaves a file that is as
 * it should be. Order: an indirect block that loses pointers before the inode. A block that was the
 * file system's own (an indirect block, a directory's) is forgotten by the cache at once.
 */
#include "abi/constants.h"
#include "fs/ext2.h"
#include "fs/ext2_format.h"
#include "kernel/clock.h"
#include "kernel/string.h"

#define STEP_BLOCKS     512u
#define LARGE_NBYTES    0x80000000ull /* files from here on need a feature */
#define ATTRIBUTE_USERS 4u /* in a block of extended attributes: how many inodes have it */
#define NOTHING         UINT32_MAX

struct truncation {
    uint32_t number;
    uint64_t nbytes; /* wanted */
    bool releasing;  /* nothing names the file: no order, and it may be a directory */
    bool progress;   /* a step gave something up */

    /* One change's. */
    struct metadata_block *inode;
    uint8_t *raw;
    struct metadata_block *chain[EXT2_DEPTH];
    uint8_t
        *pointers[EXT2_DEPTH + 1]; /* what points at each level's block; at level 0 in the inode */
    uint32_t depth;
    uint32_t level; /* of the block whose pointers go */
    uint32_t low;   /* the first of them */
    uint32_t high;  /* just past the last */
    bool whole;     /* no block stays of those below that level: its block goes as well */
    uint64_t first; /* the file's block that LOW stands for */
};

static uint64_t blocks_wanted(const struct ext2 *ext2, const struct truncation *truncation)
{
    return (truncation->nbytes + ext2->block_bytes - 1) >> ext2->block_shift;
}

/* The last pointer of COUNT that is not 0, from LOW on: its index, or NOTHING. */
static uint32_t find_last(const uint8_t *pointers, uint32_t low, uint32_t count)
{
    for (uint32_t i = count; i > low; i--) {
        if (get32(pointers + (size_t)(i - 1) * 4) != 0) {
            return i - 1;
        }
    }
    return NOTHING;
}

/* Pins the block that is at LEVEL of the chain; one that is in the chain already is corruption. */
static status_t get_level(struct ext2 *ext2, struct truncation *truncation, uint32_t level)
{
    uint32_t block = get32(truncation->pointers[level]);
    status_t status = ext2_check_own_locked(ext2, block);

    for (uint32_t i = 0; i < level && is_success(status); i++) {
        if (truncation->chain[i]->number == block) {
            status = STATUS_FILE_CORRUPT_ERROR;
        }
    }
    return is_error(status) ? status
                            : metadata_get(&ext2->metadata, block, &truncation->chain[level]);
}

/*
 * Looks for the last pointers to give up in the tree, of which KEEP blocks stay. Sets level, low,
 * high, whole and first. With high 0 there are no pointers, but perhaps an empty block (whole).
 */
static status_t find_in_tree(struct ext2 *ext2, struct truncation *truncation, uint64_t keep)
{
    uint32_t shift = ext2->block_shift - 2;
    uint32_t count = 1u << shift;

    for (uint32_t level = 0;; level++) {
        status_t status = get_level(ext2, truncation, level);
        if (is_error(status)) {
            return status;
        }
        uint32_t cover = (truncation->depth - 1 - level) * shift; /* of one pointer: a power of 2 */
        const uint8_t *pointers = truncation->chain[level]->bytes;
        uint32_t low = (uint32_t)(keep >> cover);
        uint32_t last = find_last(pointers, low, count);
        truncation->level = level;
        truncation->low = low;
        truncation->high = last == NOTHING ? 0 : last + 1;
        truncation->whole = keep == 0;
        if (last == NOTHING || level + 1 == truncation->depth) {
            truncation->first += low;
            return STATUS_SUCCESS;
        }
        truncation->pointers[level + 1] = truncation->chain[level]->bytes + (size_t)last * 4;
        truncation->first += (uint64_t)last << cover;
        keep = last == low ? keep & ((1ull << cover) - 1) : 0;
    }
}

/* Gives up the blocks of COUNT pointers, and clears them; how many there were. */
static uint32_t free_pointers(struct ext2 *ext2, uint8_t *pointers, uint32_t count)
{
    uint32_t freed = 0;

    for (uint32_t i = count; i > 0; i--) {
        uint32_t block = get32(pointers + (size_t)(i - 1) * 4);
        if (block != 0) {
            metadata_forget(&ext2->metadata, block);
            ext2_free_run_locked(ext2, block, 1);
            put32(pointers + (size_t)(i - 1) * 4, 0);
            freed++;
        }
    }
    return freed;
}

static status_t check_pointers(struct ext2 *ext2, const uint8_t *pointers, uint32_t count)
{
    status_t status = STATUS_SUCCESS;

    for (uint32_t i = 0; i < count && is_success(status); i++) {
        uint32_t block = get32(pointers + (size_t)i * 4);
        if (block != 0) {
            status = ext2_check_own_locked(ext2, block);
        }
    }
    return status;
}

/* The file ends at its block FIRST at the latest. */
static void lower_size(const struct ext2 *ext2, struct truncation *truncation)
{
    uint64_t end = truncation->first << ext2->block_shift;

    if (ext2_inode_size(truncation->raw) > end) {
        ext2_set_inode_size(truncation->raw, end);
    }
}

/* Gives up what find_in_tree found. */
static status_t free_in_tree(struct ext2 *ext2, struct truncation *truncation)
{
    uint32_t level = truncation->level;
    struct metadata_block *block = truncation->chain[level];

    if (truncation->high > truncation->low + STEP_BLOCKS) {
        truncation->first += truncation->high - STEP_BLOCKS - truncation->low;
        truncation->low = truncation->high - STEP_BLOCKS;
        truncation->whole = false;
    }
    uint32_t count = truncation->high > truncation->low ? truncation->high - truncation->low : 0;
    struct metadata_block *changed = !truncation->whole ? block
                                     : level == 0       ? NULL
                                                        : truncation->chain[level - 1];
    status_t status = check_pointers(ext2, block->bytes + (size_t)truncation->low * 4, count);
    if (is_error(status)) {
        return status;
    }
    if (changed != NULL && !truncation->releasing &&
        !ext2_is_newborn_locked(ext2, truncation->inode, truncation->raw) &&
        !metadata_order(&ext2->metadata, changed, truncation->inode)) {
        return EXT2_SYNC_FIRST;
    }
    uint32_t freed = free_pointers(ext2, block->bytes + (size_t)truncation->low * 4, count);
    if (truncation->whole) {
        uint32_t number = block->number;
        metadata_put(&ext2->metadata, block);
        truncation->chain[level] = NULL;
        metadata_forget(&ext2->metadata, number);
        ext2_free_run_locked(ext2, number, 1);
        put32(truncation->pointers[level], 0);
        freed++;
    }
    if (changed != NULL) {
        metadata_dirty(&ext2->metadata, changed);
    }
    ext2_count_inode_blocks(ext2, truncation->raw, -(int32_t)freed);
    lower_size(ext2, truncation);
    metadata_dirty(&ext2->metadata, truncation->inode);
    truncation->progress = true;
    return STATUS_SUCCESS;
}

/* One step in the last tree of indirect blocks that has something to give up. */
static status_t shrink_trees(struct ext2 *ext2, struct truncation *truncation)
{
    uint32_t shift = ext2->block_shift - 2;
    uint64_t keep = blocks_wanted(ext2, truncation);
    uint64_t start = EXT2_DIRECT + (1ull << shift) + (1ull << 2 * shift); /* of the last tree */

    for (uint32_t depth = EXT2_DEPTH; depth >= 1 && !truncation->progress; depth--) {
        uint8_t *slot = truncation->raw + INODE_MAP + (EXT2_DIRECT + depth - 1) * 4;
        if (get32(slot) != 0 && keep < start + (1ull << depth * shift)) {
            truncation->depth = depth;
            truncation->pointers[0] = slot;
            truncation->first = start;
            status_t status = find_in_tree(ext2, truncation, keep > start ? keep - start : 0);
            if (is_success(status) && (truncation->high > 0 || truncation->whole)) {
                status = free_in_tree(ext2, truncation);
            }
            for (uint32_t i = 0; i < EXT2_DEPTH; i++) {
                metadata_put(&ext2->metadata, truncation->chain[i]);
                truncation->chain[i] = NULL;
            }
            if (is_error(status)) {
                return status;
            }
        }
        start -= 1ull << (depth - 1) * shift;
    }
    return STATUS_SUCCESS;
}

/* The last step: the blocks that the inode itself points at, and the size. */
static status_t finish_size(struct ext2 *ext2, struct truncation *truncation)
{
    uint64_t keep = blocks_wanted(ext2, truncation);
    uint32_t low = keep < EXT2_DIRECT ? (uint32_t)keep : EXT2_DIRECT;
    uint8_t *pointers = truncation->raw + INODE_MAP + low * 4;
    status_t status = check_pointers(ext2, pointers, EXT2_DIRECT - low);

    if (is_success(status)) {
        uint32_t freed = free_pointers(ext2, pointers, EXT2_DIRECT - low);
        ext2_count_inode_blocks(ext2, truncation->raw, -(int32_t)freed);
        ext2_set_inode_size(truncation->raw, truncation->nbytes);
        ext2_touch_inode(ext2, truncation->raw, true);
        metadata_dirty(&ext2->metadata, truncation->inode);
    }
    return status;
}

/* The file system knows that it has large files, before it has one. */
static status_t allow_large_files(struct ext2 *ext2, struct metadata_block *inode)
{
    struct metadata_block *block;
    uint8_t *sb;
    status_t status = ext2_get_superblock_locked(ext2, &block, &sb);

    if (is_error(status)) {
        return status;
    }
    if (get32(sb + SB_REVISION) == 0) {
        status = STATUS_DISK_FULL;
    } else if ((get32(sb + SB_FEATURES_RO) & RO_LARGE_FILE) == 0) {
        if (metadata_order(&ext2->metadata, block, inode)) {
            put32(sb + SB_FEATURES_RO, get32(sb + SB_FEATURES_RO) | RO_LARGE_FILE);
            metadata_dirty(&ext2->metadata, block);
        } else {
            status = EXT2_SYNC_FIRST;
        }
    }
    metadata_put(&ext2->metadata, block);
    return status;
}

static status_t grow_size(struct ext2 *ext2, struct truncation *truncation)
{
    status_t status = STATUS_SUCCESS;

    if (blocks_wanted(ext2, truncation) > ext2_map_limit(ext2) || truncation->nbytes > INT64_MAX) {
        return STATUS_DISK_FULL;
    }
    if (truncation->nbytes >= LARGE_NBYTES) {
        status = allow_large_files(ext2, truncation->inode);
    }
    if (is_success(status)) {
        ext2_set_inode_size(truncation->raw, truncation->nbytes);
        ext2_touch_inode(ext2, truncation->raw, true);
        metadata_dirty(&ext2->metadata, truncation->inode);
    }
    return status;
}

static status_t change_size(struct ext2 *ext2, struct truncation *truncation)
{
    uint32_t type = get16(truncation->raw + INODE_MODE) & EXT2_TYPE_MASK;

    if (type != EXT2_TYPE_FILE && (type != EXT2_TYPE_DIRECTORY || !truncation->releasing)) {
        return STATUS_INVALID_PARAMETER;
    }
    if (truncation->nbytes > ext2_inode_size(truncation->raw)) {
        return grow_size(ext2, truncation);
    }
    if (!ext2_has_room_locked(ext2, STEP_BLOCKS + EXT2_DEPTH)) {
        return EXT2_SYNC_FIRST;
    }
    status_t status = shrink_trees(ext2, truncation);
    if (is_success(status) && !truncation->progress) {
        status = finish_size(ext2, truncation);
    }
    return status;
}

static status_t perform_truncation(struct ext2 *ext2, void *context)
{
    struct truncation *truncation = context;

    memset(truncation->chain, 0, sizeof(truncation->chain));
    truncation->progress = false;
    status_t status =
        ext2_get_inode_locked(ext2, truncation->number, &truncation->inode, &truncation->raw);
    if (is_success(status)) {
        status = change_size(ext2, truncation);
        metadata_put(&ext2->metadata, truncation->inode);
    }
    return status;
}

static status_t truncate(struct ext2 *ext2, struct truncation *truncation)
{
    status_t status;

    do {
        status = ext2_change(ext2, perform_truncation, truncation);
    } while (is_success(status) && truncation->progress);
    return status;
}

status_t ext2_set_size(struct ext2 *ext2, uint32_t number, uint64_t nbytes)
{
    struct truncation truncation = {.number = number, .nbytes = nbytes};

    return truncate(ext2, &truncation);
}

/* One user less of the block of extended attributes, which several inodes may share. */
static status_t release_attributes(struct ext2 *ext2, uint8_t *raw)
{
    uint32_t number = get32(raw + INODE_ATTRIBUTES);
    struct metadata_block *block;

    if (number == 0) {
        return STATUS_SUCCESS;
    }
    status_t status = ext2_check_own_locked(ext2, number);
    if (is_success(status)) {
        status = metadata_get(&ext2->metadata, number, &block);
    }
    if (is_error(status)) {
        return status;
    }
    uint32_t users = get32(block->bytes + ATTRIBUTE_USERS);
    if (users > 1) {
        put32(block->bytes + ATTRIBUTE_USERS, users - 1);
        metadata_dirty(&ext2->metadata, block);
    }
    metadata_put(&ext2->metadata, block);
    if (users <= 1) {
        metadata_forget(&ext2->metadata, number);
        ext2_free_run_locked(ext2, number, 1);
    }
    put32(raw + INODE_ATTRIBUTES, 0);
    return STATUS_SUCCESS;
}

static status_t perform_release(struct ext2 *ext2, void *context)
{
    const struct truncation *truncation = context;
    struct metadata_block *block;
    uint8_t *raw;

    if (!ext2_has_room_locked(ext2, 1)) {
        return EXT2_SYNC_FIRST;
    }
    status_t status = ext2_get_inode_locked(ext2, truncation->number, &block, &raw);
    if (is_error(status)) {
        return status;
    }
    status = release_attributes(ext2, raw);
    if (is_success(status)) {
        bool is_directory = (get16(raw + INODE_MODE) & EXT2_TYPE_MASK) == EXT2_TYPE_DIRECTORY;
        put32(raw + INODE_SECTORS, 0);
        put32(raw + INODE_DELETION_TIME,
              (uint32_t)(clock_system_time() / 10000000 - 11644473600ll));
        metadata_dirty(&ext2->metadata, block);
        ext2_free_inode_locked(ext2, truncation->number, is_directory);
        ext2_close_window_locked(ext2, truncation->number);
    }
    metadata_put(&ext2->metadata, block);
    return status;
}

status_t ext2_release(struct ext2 *ext2, uint32_t number)
{
    struct truncation truncation = {.number = number, .releasing = true};
    status_t status = truncate(ext2, &truncation);

    if (is_success(status)) {
        status = ext2_change(ext2, perform_release, &truncation);
    }
    if (is_error(status) && ext2->writable) {
        mutex_lock(&ext2->metadata.lock);
        ext2->damaged = true; /* an inode that nothing names is left: e2fsck takes it away */
        mutex_unlock(&ext2->metadata.lock);
    }
    return status;
}
