/*
 * fs/ext2_map.c: from a file's block number to the disk's: direct blocks, then one, two and three
 * levels of indirect blocks.
 *
 *      map[0..11]   the first 12 blocks          p = block_bytes / 4 pointers in a block
 *      map[12]      an indirect block: p blocks
 *      map[13]      p indirect blocks: p^2 blocks
 *      map[14]      p times p indirect blocks: p^3 blocks
 *
 * A zero pointer at any level is a hole of all that it would cover. A pointer outside the file
 * system is corruption. Depth is fixed, so a loop among indirect blocks cannot hold us.
 */
#include "abi/constants.h"
#include "fs/ext2.h"
#include "kernel/string.h"

static uint32_t pointers_shift(const struct ext2 *ext2)
{
    return ext2->block_shift - 2;
}

uint64_t ext2_map_limit(const struct ext2 *ext2)
{
    uint64_t p = 1ull << pointers_shift(ext2);

    return EXT2_DIRECT + p + p * p + p * p * p;
}

bool ext2_find_path(const struct ext2 *ext2, uint64_t block, struct ext2_path *path)
{
    uint32_t shift = pointers_shift(ext2);
    uint32_t mask = (1u << shift) - 1;

    if (block < EXT2_DIRECT) {
        *path = (struct ext2_path){.slot = (uint32_t)block};
        return true;
    }
    block -= EXT2_DIRECT;
    for (uint32_t depth = 1; depth <= EXT2_DEPTH; depth++) {
        if (block < 1ull << depth * shift) {
            path->slot = EXT2_DIRECT + depth - 1;
            path->depth = depth;
            for (uint32_t i = 0; i < depth; i++) {
                path->index[i] = (uint32_t)(block >> (depth - 1 - i) * shift) & mask;
            }
            return true;
        }
        block -= 1ull << depth * shift;
    }
    return false;
}

/* Pointer INDEX and those after it of indirect block BLOCK. */
static status_t read_pointers(struct ext2 *ext2, uint32_t block, uint32_t index, uint32_t count,
                              uint32_t *pointers)
{
    if (!ext2_is_possible_block(ext2, block)) {
        return STATUS_FILE_CORRUPT_ERROR;
    }
    return metadata_read(&ext2->metadata,
                         ((uint64_t)block << ext2->block_shift) + (uint64_t)index * 4, pointers,
                         count * 4);
}

/* Follows PATH down to the lowest indirect block; *LEAF is 0 in a hole. */
static status_t find_leaf(struct ext2 *ext2, const uint32_t *map, const struct ext2_path *path,
                          uint32_t *leaf)
{
    *leaf = map[path->slot];
    for (uint32_t i = 0; i + 1 < path->depth && *leaf != 0; i++) {
        status_t status = read_pointers(ext2, *leaf, path->index[i], 1, leaf);
        if (is_error(status)) {
            return status;
        }
    }
    return STATUS_SUCCESS;
}

static status_t check_blocks(const struct ext2 *ext2, const uint32_t *blocks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (blocks[i] != 0 && !ext2_is_possible_block(ext2, blocks[i])) {
            return STATUS_FILE_CORRUPT_ERROR;
        }
    }
    return STATUS_SUCCESS;
}

status_t ext2_map_locked(struct ext2 *ext2, const uint32_t map[EXT2_MAP_WORDS], uint64_t first,
                         uint32_t *count, uint32_t blocks[EXT2_MAP_BATCH])
{
    struct ext2_path path;
    uint32_t leaf;

    if (!ext2_find_path(ext2, first, &path)) {
        return STATUS_FILE_CORRUPT_ERROR;
    }
    uint32_t n = min_u32(*count, EXT2_MAP_BATCH);
    if (path.depth == 0) {
        n = min_u32(n, EXT2_DIRECT - path.slot);
        memcpy(blocks, map + path.slot, n * sizeof(blocks[0]));
    } else {
        uint32_t index = path.index[path.depth - 1];
        n = min_u32(n, (1u << pointers_shift(ext2)) - index);
        status_t status = find_leaf(ext2, map, &path, &leaf);
        if (is_error(status)) {
            return status;
        }
        if (leaf == 0) {
            memset(blocks, 0, n * sizeof(blocks[0]));
        } else {
            status = read_pointers(ext2, leaf, index, n, blocks);
            if (is_error(status)) {
                return status;
            }
        }
    }
    *count = n;
    return check_blocks(ext2, blocks, n);
}

status_t ext2_map_one_locked(struct ext2 *ext2, const uint32_t map[EXT2_MAP_WORDS], uint64_t n,
                             uint32_t *block)
{
    uint32_t blocks[EXT2_MAP_BATCH] = {0};
    uint32_t count = 1;
    status_t status = ext2_map_locked(ext2, map, n, &count, blocks);

    *block = blocks[0];
    return status;
}

status_t ext2_map(struct ext2 *ext2, uint32_t number, uint64_t first, uint32_t *count,
                  uint32_t blocks[EXT2_MAP_BATCH])
{
    struct ext2_inode inode;

    mutex_lock(&ext2->metadata.lock);
    status_t status = ext2_read_inode_locked(ext2, number, &inode);
    if (is_success(status)) {
        status = ext2_map_locked(ext2, inode.map, first, count, blocks);
    }
    mutex_unlock(&ext2->metadata.lock);
    return status;
}
