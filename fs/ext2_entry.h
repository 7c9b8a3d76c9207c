/*
 * fs/ext2_entry.h: entries of directories that are being changed; private to the ext2 files.
 */
#ifndef FS_EXT2_ENTRY_H
#define FS_EXT2_ENTRY_H

#include "fs/ext2.h"
#include "fs/ext2_format.h"

#define EXT2_LINKS_MAX  32000u
#define EXT2_DOT_LENGTH 12u /* of the entry `.`: `..` follows */

/* A change's answer: the directory has no room for the name, it must grow. */
#define EXT2_EXTEND_FIRST ((status_t)0xE0000002)

/* An entry, in its block, which is pinned; block NULL: none. */
struct place {
    struct metadata_block *block;
    uint32_t offset;
    uint32_t inode;
};

/* A directory that is being changed. */
struct directory {
    uint32_t number;
    struct metadata_block *inode;
    uint8_t *raw;
    struct place match; /* the entry of the name */
    struct place slot;  /* room for one, where it was asked for */
};

static inline uint32_t ext2_entry_bytes(uint32_t name_bytes)
{
    return (ENTRY_HEADER + name_bytes + 3u) & ~3u;
}

/* The length of the entry at OFFSET of a block, 0 when it cannot be right; how much has a name. */
uint32_t ext2_entry_length(const struct ext2 *ext2, const uint8_t *bytes, uint32_t offset);
uint32_t ext2_entry_used(const uint8_t *entry);

/* What an entry says of a file of MODE. */
uint8_t ext2_type_of(const struct ext2 *ext2, uint32_t mode);
bool ext2_is_directory_mode(uint16_t mode);

/*
 * Gets a directory for a change: the entry of NAME, if there is one, and, with ROOM bytes wanted,
 * a place that has them, if there is one. ext2_put_directory lets go of all of it.
 */
MUST_CHECK status_t ext2_get_directory(struct ext2 *ext2, const struct ext2_name *name,
                                       uint32_t room, struct directory *directory);
void ext2_put_directory(struct ext2 *ext2, struct directory *directory);

/* Pins block N of the directory that INODE describes. */
MUST_CHECK status_t ext2_get_directory_block(struct ext2 *ext2, const struct ext2_inode *inode,
                                             uint32_t n, struct metadata_block **block);

/*
 * The order: the inode in block INODE before an entry in BLOCK; an entry in BLOCK before THEN; the
 * directory's index gone before BLOCK. False: EXT2_SYNC_FIRST.
 */
bool ext2_order_inode(struct ext2 *ext2, struct metadata_block *inode,
                      const struct directory *directory, struct metadata_block *block);
bool ext2_order_entry(struct ext2 *ext2, const struct directory *directory,
                      struct metadata_block *block, struct metadata_block *then);
bool ext2_order_index(struct ext2 *ext2, const struct directory *directory,
                      struct metadata_block *block);

/* The inode RAW in block INODE, which is dirty, is newborn, and gets an entry in DIRECTORY. */
void ext2_note_newborn(struct ext2 *ext2, struct metadata_block *inode, const uint8_t *raw,
                       const struct directory *directory);

/* What cannot fail: an entry where room was found; one that goes; the directory's inode. */
void ext2_insert_entry(struct ext2 *ext2, const struct place *slot, const struct ext2_name *name,
                       uint32_t inode, uint8_t type);
void ext2_remove_entry(struct ext2 *ext2, const struct place *place);
void ext2_touch_directory(struct ext2 *ext2, struct directory *directory, int32_t links);

/* Makes a change; where it answers EXT2_EXTEND_FIRST, DIRECTORY grows and it is made again. */
MUST_CHECK status_t ext2_change_directory(struct ext2 *ext2, uint32_t directory,
                                          ext2_change_function *perform, void *context);

#endif
