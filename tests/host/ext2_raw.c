/*
 * tests/host/ext2_raw.c: what an image says, read without the file system under test.
 */
#include "ext2_raw.h"

#include <stdio.h>
#include <string.h>

#include "ext2_fixture.h"
#include "fs/ext2_format.h"

#define INODES_MAX 4096u
#define DEPTH_MAX  40u

static uint32_t block_bytes;
static bool reached[INODES_MAX]; /* by an entry */
static bool losing;
static char wrong[160];

static const uint8_t *superblock(void)
{
    return fx_image + SUPERBLOCK_OFFSET;
}

static const uint8_t *block_at(uint32_t block)
{
    size_t offset = (size_t)block * block_bytes;

    return block != 0 && offset + block_bytes <= fx_image_nbytes ? fx_image + offset : NULL;
}

static const uint8_t *inode_at(uint32_t number)
{
    const uint8_t *sb = superblock();
    uint32_t per_group = get32(sb + SB_INODES_PER_GROUP);
    uint32_t inode_bytes =
        get32(sb + SB_REVISION) == 0 ? OLD_INODE_BYTES : get16(sb + SB_INODE_BYTES);
    const uint8_t *descriptors = block_at(get32(sb + SB_FIRST_DATA_BLOCK) + 1);
    const uint8_t *descriptor = descriptors + (size_t)((number - 1) / per_group) * GROUP_BYTES;

    return block_at(get32(descriptor + GROUP_INODE_TABLE)) +
           (size_t)((number - 1) % per_group) * inode_bytes;
}

/* Block N of a directory, of those that the inode or its first indirect block points at. */
static const uint8_t *directory_block(const uint8_t *inode, uint32_t n)
{
    if (n < EXT2_DIRECT) {
        return block_at(get32(inode + INODE_MAP + n * 4));
    }
    const uint8_t *indirect = block_at(get32(inode + INODE_MAP + EXT2_DIRECT * 4));
    n -= EXT2_DIRECT;
    return indirect == NULL || n >= block_bytes / 4 ? NULL
                                                    : block_at(get32(indirect + (size_t)n * 4));
}

static bool is_directory(const uint8_t *inode)
{
    return (get16(inode + INODE_MODE) & EXT2_TYPE_MASK) == EXT2_TYPE_DIRECTORY;
}

static bool is_in_use(const uint8_t *inode)
{
    return get16(inode + INODE_MODE) != 0 && get16(inode + INODE_LINKS) != 0;
}

static bool walk(uint32_t directory, uint32_t depth);

/* One entry of a directory, neither `.` nor `..`. */
static bool check_entry(uint32_t directory, const uint8_t *entry, uint32_t depth)
{
    uint32_t number = get32(entry + ENTRY_INODE);
    int name_bytes = entry[ENTRY_NAME_BYTES];

    if (number >= INODES_MAX || number > get32(superblock() + SB_INODES)) {
        snprintf(wrong, sizeof(wrong), "an entry of %u names %u", directory, number);
        return false;
    }
    const uint8_t *inode = inode_at(number);
    if (!is_in_use(inode) && (!losing || get16(inode + INODE_MODE) == 0)) {
        snprintf(wrong, sizeof(wrong), "%.*s in directory %u names inode %u: mode 0%o, %u links",
                 name_bytes, (const char *)entry + ENTRY_HEADER, directory, number,
                 get16(inode + INODE_MODE), get16(inode + INODE_LINKS));
        return false;
    }
    bool again = reached[number];
    reached[number] = true;
    return again || !is_in_use(inode) || !is_directory(inode) || walk(number, depth + 1);
}

static bool walk_block(uint32_t directory, const uint8_t *bytes, uint32_t depth)
{
    for (uint32_t offset = 0; offset < block_bytes;) {
        const uint8_t *entry = bytes + offset;
        uint32_t length = get16(entry + ENTRY_LENGTH);
        uint32_t name_bytes = entry[ENTRY_NAME_BYTES];
        bool dots = name_bytes <= 2 && entry[ENTRY_HEADER] == '.' &&
                    entry[ENTRY_HEADER + name_bytes - 1] == '.';
        if (length < ENTRY_HEADER + name_bytes || length > block_bytes - offset) {
            snprintf(wrong, sizeof(wrong), "directory %u has no entries", directory);
            return false;
        }
        if (get32(entry + ENTRY_INODE) != 0 && !dots && !check_entry(directory, entry, depth)) {
            return false;
        }
        offset += length;
    }
    return true;
}

static bool walk(uint32_t directory, uint32_t depth)
{
    const uint8_t *inode = inode_at(directory);

    for (uint32_t n = 0; n < get32(inode + INODE_SIZE) / block_bytes; n++) {
        const uint8_t *bytes = directory_block(inode, n);
        if (bytes == NULL || depth == DEPTH_MAX) {
            snprintf(wrong, sizeof(wrong), "directory %u has no block %u", directory, n);
            return false;
        }
        if (!walk_block(directory, bytes, depth)) {
            return false;
        }
    }
    return true;
}

const char *raw_find_wrong(bool may_lose)
{
    uint32_t ninodes = get32(superblock() + SB_INODES);

    block_bytes = 1024u << get32(superblock() + SB_LOG_BLOCK_BYTES);
    losing = may_lose;
    memset(reached, 0, sizeof(reached));
    if (!walk(EXT2_ROOT_INODE, 0)) {
        return wrong;
    }
    for (uint32_t number = OLD_FIRST_INODE; number <= ninodes && number < INODES_MAX; number++) {
        const uint8_t *inode = inode_at(number);
        if (is_in_use(inode) && get32(inode + INODE_SECTORS) != 0 && !reached[number]) {
            snprintf(wrong, sizeof(wrong), "inode %u has contents, but no name", number);
            return wrong;
        }
    }
    return NULL;
}
