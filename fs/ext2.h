/*
 * fs/ext2.h: ext2 on disk; private to fs/. Layouts and numbers are those of "The Second Extended
 * File System" (nongnu.org/ext2-doc) and of e2fsprogs.
 *
 * Every value that comes from the disk is checked before it is used; what cannot be right gives
 * STATUS_FILE_CORRUPT_ERROR. All of it goes through the device's segment (fs/metadata.h).
 *
 * Readers and changes take the metadata lock themselves; a function whose name ends in _locked
 * wants it held. The names in a directory belong to the file-system lock, which the caller holds; a
 * file's size and blocks to the file's locks.
 */
#ifndef FS_EXT2_H
#define FS_EXT2_H

#include "fs/file.h"
#include "fs/fresh.h"
#include "fs/metadata.h"
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
#define EXT2_OWNER_WRITE    0x0080u

/* The blocks that a growing file will take next, kept from others as long as there is room. */
#define EXT2_WINDOWS 8u
struct ext2_window {
    uint32_t inode; /* 0: unused */
    uint32_t next;
    uint32_t end;
    uint32_t used; /* number of the change that used it last */
};

/* Blocks that are free when the next ext2_sync is over: something on the disk still has them. */
#define EXT2_PENDING 2048u
struct ext2_pending {
    uint32_t first;
    uint32_t count;
};

/* A mounted file system. What is not marked is constant after ext2_mount. */
struct ext2 {
    struct block_device *device;
    struct metadata metadata;
    struct fresh fresh;
    uint32_t block_shift;
    uint32_t block_bytes;
    uint32_t nblocks;
    uint32_t first_data_block;
    uint32_t blocks_per_group;
    uint32_t ninodes;
    uint32_t inodes_per_group;
    uint32_t inode_bytes;
    uint32_t first_inode; /* that is not reserved */
    uint32_t ngroups;
    uint32_t created; /* seconds since 1970 */
    uint8_t uuid[16];
    char label[17];
    bool has_types; /* directory entries say what kind of file they name */
    bool writable;  /* else READ_ONLY_REASON says why not */
    const char *read_only_reason;
    bool in_use;          /* [metadata lock] the disk says: not unmounted cleanly */
    bool damaged;         /* [metadata lock] something wrong was met: let e2fsck look */
    uint32_t free_blocks; /* [metadata lock] */
    uint64_t nsyncs;      /* [metadata lock] times that everything was written */
    struct ext2_window windows[EXT2_WINDOWS]; /* [metadata lock] */
    struct ext2_pending *pending;             /* [metadata lock] EXT2_PENDING of them */
    uint32_t npending;
    uint32_t *pending_inodes; /* [metadata lock] EXT2_PENDING; the top bit: a directory */
    uint32_t npending_inodes;
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

/* ---- mounting (ext2.c) ---- */

/*
 * Reads and checks the superblock of DEVICE.
 * => PROBLEM (EXT2_PROBLEM_BYTES) says in words why it was refused.
 */
MUST_CHECK status_t ext2_mount(struct ext2 *ext2, struct block_device *device, char *problem);

/*
 * Writes everything that is not yet on the disk, and says there that all is well; the file system
 * can still be used. Nothing to do where nothing was changed.
 */
MUST_CHECK status_t ext2_finish(struct ext2 *ext2);

/* Gives the memory back. What ext2_finish has not written is lost. */
void ext2_unmount(struct ext2 *ext2);

/*
 * On success everything that was changed, and all data whose writing has ended, is durable. Blocks
 * and inodes that were given up can be used again.
 */
MUST_CHECK status_t ext2_sync(struct ext2 *ext2);

/* Blocks that are free, or will be after the next ext2_sync. */
uint32_t ext2_count_free(struct ext2 *ext2);

/* Whether ext2_sync would have blocks to write. */
bool ext2_has_changes(struct ext2 *ext2);

/* How often ext2_sync has come to a good end; and how many changes have begun. */
uint64_t ext2_count_syncs(struct ext2 *ext2);
uint32_t ext2_count_changes(struct ext2 *ext2);

/*
 * How a change is made: PERFORM, under the metadata lock, first gets its blocks and says their
 * order, then changes them, which cannot fail. When it gives EXT2_SYNC_FIRST, having undone what
 * it did, everything is written and it is called again.
 * => MEDIA_WRITE_PROTECTED when the file system is not writable; what PERFORM gives.
 */
#define EXT2_SYNC_FIRST ((status_t)0xE0000001)
typedef status_t ext2_change_function(struct ext2 *ext2, void *context);
MUST_CHECK status_t ext2_change(struct ext2 *ext2, ext2_change_function *perform, void *context);

/* The descriptor of GROUP: bytes of *BLOCK, which is pinned. */
MUST_CHECK status_t ext2_get_group_locked(struct ext2 *ext2, uint32_t group,
                                          struct metadata_block **block, uint8_t **descriptor);

/* The superblock's bytes in *BLOCK, which is pinned. */
MUST_CHECK status_t ext2_get_superblock_locked(struct ext2 *ext2, struct metadata_block **block,
                                               uint8_t **superblock);

/* Whether BLOCK can belong to a file: it is in the file system, and not the file system's own. */
bool ext2_is_possible_block(const struct ext2 *ext2, uint32_t block);
MUST_CHECK status_t ext2_check_own_locked(struct ext2 *ext2, uint32_t block);

/* ---- inodes (ext2_inode.c) ---- */

/* What inode NUMBER says; the first form is for one that an entry names. */
MUST_CHECK status_t ext2_read_inode(struct ext2 *ext2, uint32_t number, struct ext2_inode *inode);
MUST_CHECK status_t ext2_read_inode_locked(struct ext2 *ext2, uint32_t number,
                                           struct ext2_inode *inode);

/* The inode's bytes in *BLOCK, which is pinned. */
MUST_CHECK status_t ext2_get_inode_locked(struct ext2 *ext2, uint32_t number,
                                          struct metadata_block **block, uint8_t **raw);

/* Makes RAW a new inode of MODE with LINKS. */
void ext2_init_inode(const struct ext2 *ext2, uint8_t *raw, uint16_t mode, uint32_t links);

/* Whether the inode RAW, in BLOCK, was made since the last ext2_sync: none of it is on the disk. */
bool ext2_is_newborn_locked(const struct ext2 *ext2, const struct metadata_block *block,
                            const uint8_t *raw);

/* Takes the contents from an inode: its size and its blocks; whether there were any. */
bool ext2_roll_back_inode(uint8_t *raw);

/* What ext2_set_information changes; 0: leave a time as it is. */
struct ext2_settings {
    int64_t creation_time; /* NT's; kept where inodes have room for it */
    int64_t access_time;
    int64_t write_time;
    int64_t change_time;
    bool set_attributes; /* ATTRIBUTES count, those that are kept */
    uint32_t attributes;
};
MUST_CHECK status_t ext2_set_information(struct ext2 *ext2, uint32_t number,
                                         const struct ext2_settings *settings);

/* Of ATTRIBUTES those that are kept, with what the kind of file adds; FILE_ATTRIBUTE_NORMAL: none.
 */
uint32_t ext2_kept_attributes(uint32_t attributes, bool is_directory);

/* Writing and changing the inode RAW happened now. */
void ext2_touch_inode(const struct ext2 *ext2, uint8_t *raw, bool written);

/* A file's size, and the count of its blocks in sectors. */
uint64_t ext2_inode_size(const uint8_t *raw);
void ext2_set_inode_size(uint8_t *raw, uint64_t nbytes);
void ext2_count_inode_blocks(const struct ext2 *ext2, uint8_t *raw, int32_t nblocks);

/* ---- free space (ext2_alloc.c) ---- */

/*
 * Allocates up to MAX blocks in one run, near GOAL (0: where INODE lies) and for INODE, whose next
 * blocks are kept free when there is room. *COUNT of them at *FIRST. => STATUS_DISK_FULL.
 */
MUST_CHECK status_t ext2_allocate_run_locked(struct ext2 *ext2, uint32_t inode, uint32_t goal,
                                             uint32_t max, uint32_t *first, uint32_t *count);

/* Undoes it at once: nothing has referred to them. */
void ext2_return_run_locked(struct ext2 *ext2, uint32_t first, uint32_t count);

/*
 * Blocks are free after the next ext2_sync. ext2_has_room_locked: at least COUNT more runs can be
 * noted (else EXT2_SYNC_FIRST is the answer).
 */
void ext2_free_run_locked(struct ext2 *ext2, uint32_t first, uint32_t count);
bool ext2_has_room_locked(const struct ext2 *ext2, uint32_t count);

/* An inode for a file in directory PARENT. => STATUS_DISK_FULL. */
MUST_CHECK status_t ext2_allocate_inode_locked(struct ext2 *ext2, uint32_t parent,
                                               bool is_directory, uint32_t *number);
void ext2_return_inode_locked(struct ext2 *ext2, uint32_t number, bool is_directory);
void ext2_free_inode_locked(struct ext2 *ext2, uint32_t number, bool is_directory);

/* What was given up is free: nothing on the disk has it any more. */
MUST_CHECK status_t ext2_apply_pending_locked(struct ext2 *ext2);

/* INODE needs no window any more. */
void ext2_close_window_locked(struct ext2 *ext2, uint32_t inode);

/* ---- block maps (ext2_map.c, ext2_grow.c, ext2_truncate.c) ---- */

#define EXT2_MAP_BATCH 32u
#define EXT2_DEPTH     3u

/* The way to a block: the slot of the map, and the index in each level below it. */
struct ext2_path {
    uint32_t slot;
    uint32_t depth; /* levels of indirect blocks */
    uint32_t index[EXT2_DEPTH];
};

/* False when no map reaches that far. */
bool ext2_find_path(const struct ext2 *ext2, uint64_t block, struct ext2_path *path);

/* How many blocks a map can describe: what limits a file's size. */
uint64_t ext2_map_limit(const struct ext2 *ext2);

/*
 * The device blocks of the blocks [first, first + *count) of file NUMBER, at most EXT2_MAP_BATCH;
 * 0 is a hole. *COUNT comes back smaller where the answer ends with an indirect block.
 */
MUST_CHECK status_t ext2_map(struct ext2 *ext2, uint32_t number, uint64_t first, uint32_t *count,
                             uint32_t blocks[EXT2_MAP_BATCH]);
MUST_CHECK status_t ext2_map_locked(struct ext2 *ext2, const uint32_t map[EXT2_MAP_WORDS],
                                    uint64_t first, uint32_t *count,
                                    uint32_t blocks[EXT2_MAP_BATCH]);
MUST_CHECK status_t ext2_map_one_locked(struct ext2 *ext2, const uint32_t map[EXT2_MAP_WORDS],
                                        uint64_t n, uint32_t *block);

/*
 * Sees to it that the blocks [first, first + count) of the file exist, all of them before the end
 * of the file; new ones are fresh (fs/fresh.h) unless FRESH is false: then whoever asks will never
 * show what they held. On an error some may have been made.
 * => DISK_FULL, INSUFFICIENT_RESOURCES, FILE_CORRUPT_ERROR, what the device says.
 */
MUST_CHECK status_t ext2_allocate(struct ext2 *ext2, uint32_t number, uint64_t first,
                                  uint32_t count, bool fresh);

/*
 * Makes the file NBYTES long: blocks past the end are given up, nothing is allocated. Nobody writes
 * to blocks past the new end any more; bytes of the last block past an end that moves up are zero.
 * => DISK_FULL when no map reaches that far.
 */
MUST_CHECK status_t ext2_set_size(struct ext2 *ext2, uint32_t number, uint64_t nbytes);

/* One block more, an empty one, at the end of a directory. */
MUST_CHECK status_t ext2_extend_directory(struct ext2 *ext2, uint32_t number);

/* Gives up a file that no entry names any more: its blocks and its inode. */
MUST_CHECK status_t ext2_release(struct ext2 *ext2, uint32_t number);

/* ---- directories (ext2_directory.c, ext2_entry.c, ext2_link.c, ext2_rename.c) ---- */

/* Reads the directory's block N (whole) to BUFFER, of EXT2_BLOCK_MAX bytes. */
MUST_CHECK status_t ext2_read_directory_block(struct ext2 *ext2, const uint32_t map[EXT2_MAP_WORDS],
                                              uint32_t n, uint8_t *buffer);

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
MUST_CHECK status_t ext2_lookup(struct ext2 *ext2, const struct ext2_inode *directory,
                                const uint8_t *name, uint32_t name_bytes, uint8_t *buffer,
                                uint8_t *found, uint32_t *found_bytes, uint32_t *number);

/* A name in a directory, exactly as it is on disk. */
struct ext2_name {
    uint32_t directory; /* inode number */
    const uint8_t *bytes;
    uint32_t nbytes; /* 1 to EXT2_NAME_BYTES */
};

/*
 * Makes an empty file, or directory, of that NAME; *NUMBER. MODE: a type and permission bits.
 * => OBJECT_NAME_COLLISION, DISK_FULL, TOO_MANY_LINKS.
 */
MUST_CHECK status_t ext2_create(struct ext2 *ext2, const struct ext2_name *name, uint16_t mode,
                                uint32_t *number);

/*
 * Makes NAME one more name of file NUMBER. It is durable (ext2_sync) before another name of the
 * file goes: the caller sees to that.
 * => OBJECT_NAME_COLLISION, DISK_FULL, TOO_MANY_LINKS.
 */
MUST_CHECK status_t ext2_link(struct ext2 *ext2, const struct ext2_name *name, uint32_t number);

/*
 * Takes NAME away. When *LINKS is 0, nothing names the file any more: ext2_release it when nobody
 * uses it. => OBJECT_NAME_NOT_FOUND, DIRECTORY_NOT_EMPTY.
 */
MUST_CHECK status_t ext2_remove(struct ext2 *ext2, const struct ext2_name *name, uint32_t *number,
                                uint32_t *links);

/*
 * FROM becomes TO; *NUMBER is its inode then, which for a directory may be another than before. A
 * file (not a directory) TO that exists is replaced by a file: *REPLACED is its inode, and *LINKS
 * as above; else 0. A directory does not move into itself: the caller sees to that. On an error a
 * directory may have moved in part; a file may have its new name (renamed->happened), and the one
 * that it replaced be left under a spare one.
 * => OBJECT_NAME_NOT_FOUND, OBJECT_NAME_COLLISION, DISK_FULL, TOO_MANY_LINKS, NAME_TOO_LONG (a
 *    directory too deep).
 */
struct ext2_renamed {
    bool happened; /* also when writing what followed failed */
    uint32_t number;
    uint32_t replaced;
    uint32_t links;
};
MUST_CHECK status_t ext2_rename(struct ext2 *ext2, const struct ext2_name *from,
                                const struct ext2_name *to, struct ext2_renamed *renamed);

static inline uint32_t get16(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8;
}

static inline uint32_t get32(const uint8_t *bytes)
{
    return get16(bytes) | get16(bytes + 2) << 16;
}

static inline void put16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

static inline void put32(uint8_t *bytes, uint32_t value)
{
    put16(bytes, value);
    put16(bytes + 2, value >> 16);
}

#endif
