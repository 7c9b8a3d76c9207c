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
#include "fs/ext2.h"

#include "kernel/string.h"

/* What the search for a block needs: the slot of the map, and the index in each level below it. */
struct map_path {
    uint32_t slot;
    uint32_t depth; /* levels of indirect blocks */
    uint32_t index[3];
};

static uint32_t pointers_shift(const struct ext2 *ext2)
{
    return ext2->block_shift - 2;
}

uint64_t ext2_map_limit(const struct ext2 *ext2)
{
    uint64_t p = 1ull << pointers_shift(ext2);

    return EXT2_DIRECT + p + p * p + p * p * p;
}

static bool is_possible_block(const struct ext2 *ext2, uint32_t block)
{
    return block > ext2->first_data_block && block < ext2->nblocks;
}

/* Splits a block number; false when no map reaches that far. */
static bool find_path(const struct ext2 *ext2, uint64_t block, struct map_path *path)
{
    uint32_t shift = pointers_shift(ext2);
    uint32_t mask = (1u << shift) - 1;

    if (block < EXT2_DIRECT) {
        *path = (struct map_path){.slot = (uint32_t)block};
        return true;
    }
    block -= EXT2_DIRECT;
    for (uint32_t depth = 1; depth <= 3; depth++) {
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
static status_t read_pointers(const struct ext2 *ext2, uint32_t block, uint32_t index,
                              uint32_t count, uint32_t *pointers)
{
    if (!is_possible_block(ext2, block)) {
        return STATUS_FILE_CORRUPT_ERROR;
    }
    return ext2_read_metadata(ext2, ((uint64_t)block << ext2->block_shift) + (uint64_t)index * 4,
                              pointers, count * 4);
}

/* Follows PATH down to the lowest indirect block; *LEAF is 0 in a hole. */
static status_t find_leaf(const struct ext2 *ext2, const uint32_t *map, const struct map_path *path,
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
        if (blocks[i] != 0 && !is_possible_block(ext2, blocks[i])) {
            return STATUS_FILE_CORRUPT_ERROR;
        }
    }
    return STATUS_SUCCESS;
}

status_t ext2_map(const struct ext2 *ext2, const uint32_t map[EXT2_MAP_WORDS], uint64_t first,
                  uint32_t *count, uint32_t blocks[EXT2_MAP_BATCH])
{
    struct map_path path;
    uint32_t leaf;

    if (!find_path(ext2, first, &path)) {
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
