/*
 * fs/ext2.h: ext2 on disk, for reading; private to fs/. Layouts and numbers are those of "The
 * Second Extended File System" (nongnu.org/ext2-doc) and of e2fsprogs.
 *
 * Every value that comes from the disk is checked before it is used; what cannot be right gives
 * STATUS_FILE_CORRUPT_ERROR. Metadata is read through a segment over the whole block device, so
 * the page cache is the only cache.
 */
#ifndef FS_EXT2_H
#define FS_EXT2_H

#include "fs/file.h"
#include "kernel/block.h"

#define EXT2_ROOT_INODE    2u
#define EXT2_NAME_BYTES    255u
#define EXT2_BLOCK_MAX     4096u
#define EXT2_MAP_WORDS     15u
#define EXT2_DIRECT        12u
#define EXT2_PROBLEM_BYTES 80u

/* inode.mode */
#define EXT2_TYPE_MASK      0xF000u
#define EXT2_TYPE_FILE      0x8000u
#define EXT2_TYPE_DIRECTORY 0x4000u
#define EXT2_WRITE_BITS     0x0092u /* of anyone */

/* A mounted file system; constant after ext2_mount. */
struct ext2 {
    struct block_device *device;
    struct segment *metadata; /* the whole device */
    uint32_t block_shift;
    uint32_t block_bytes;
    uint32_t nblocks;
    uint32_t free_blocks;
    uint32_t first_data_block;
    uint32_t blocks_per_group;
    uint32_t ninodes;
    uint32_t inodes_per_group;
    uint32_t inode_bytes;
    uint32_t ngroups;
    uint32_t created; /* seconds since 1970 */
    uint8_t uuid[16];
    char label[17];
};

/* What an inode says, checked. */
struct ext2_inode {
    uint16_t mode;
    uint32_t map[EXT2_MAP_WORDS];
    struct file_information information;
};

/* An entry of a directory block; NAME points into the block. */
struct ext2_entry {
    uint32_t inode;
    const uint8_t *name;
    uint32_t name_bytes;
};

/*
 * Reads and checks the superblock of DEVICE.
 * => PROBLEM (EXT2_PROBLEM_BYTES) says in words why it was refused.
 */
MUST_CHECK status_t ext2_mount(struct ext2 *ext2, struct block_device *device, char *problem);
void ext2_unmount(struct ext2 *ext2);

/* Bytes of the file system's own; [offset, offset + nbytes) is checked against its size. */
MUST_CHECK status_t ext2_read_metadata(const struct ext2 *ext2, uint64_t offset, void *target,
                                       uint32_t nbytes);

MUST_CHECK status_t ext2_read_inode(const struct ext2 *ext2, uint32_t number,
                                    struct ext2_inode *inode);

#define EXT2_MAP_BATCH 32u

/*
 * The device blocks of the file's blocks [first, first + *count), at most EXT2_MAP_BATCH; 0 is a
 * hole. *COUNT comes back smaller where the answer ends with an indirect block.
 */
MUST_CHECK status_t ext2_map(const struct ext2 *ext2, const uint32_t map[EXT2_MAP_WORDS],
                             uint64_t first, uint32_t *count, uint32_t blocks[EXT2_MAP_BATCH]);

/* How many blocks a map can describe: what limits a file's size. */
uint64_t ext2_map_limit(const struct ext2 *ext2);

/* Reads the directory's block N (whole) to BUFFER, of EXT2_BLOCK_MAX bytes. */
MUST_CHECK status_t ext2_read_directory_block(const struct ext2 *ext2,
                                              const uint32_t map[EXT2_MAP_WORDS], uint32_t n,
                                              uint8_t *buffer);

/*
 * The entry at *OFFSET of a directory block, or the first used one after it; *OFFSET comes back
 * just past it, and is block_bytes when there is none (entry->inode is 0 then).
 */
MUST_CHECK status_t ext2_next_entry(const struct ext2 *ext2, const uint8_t *block, uint32_t *offset,
                                    struct ext2_entry *entry);

/*
 * Looks NAME up in a directory: the exact name, else the first that differs in the case of ASCII
 * letters only. FOUND (EXT2_NAME_BYTES) gets the name as it is on disk.
 * => STATUS_OBJECT_NAME_NOT_FOUND. BUFFER is scratch space of EXT2_BLOCK_MAX bytes.
 */
MUST_CHECK status_t ext2_lookup(const struct ext2 *ext2, const struct ext2_inode *directory,
                                const uint8_t *name, uint32_t name_bytes, uint8_t *buffer,
                                uint8_t *found, uint32_t *found_bytes, uint32_t *number);

static inline uint32_t get16(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8;
}

static inline uint32_t get32(const uint8_t *bytes)
{
    return get16(bytes) | get16(bytes + 2) << 16;
}

#endif
