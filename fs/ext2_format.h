/*
 * fs/ext2_format.h: offsets and values of ext2's structures on the disk, all little-endian; private
 * to the ext2 files.
 */
#ifndef FS_EXT2_FORMAT_H
#define FS_EXT2_FORMAT_H

/* The superblock, at byte 1024 of the device. */
#define SUPERBLOCK_OFFSET 1024u
#define SUPERBLOCK_BYTES  1024u
#define SUPERBLOCK_MAGIC  0xEF53u

#define SB_INODES            0u
#define SB_BLOCKS            4u
#define SB_FREE_BLOCKS       12u
#define SB_FREE_INODES       16u
#define SB_FIRST_DATA_BLOCK  20u
#define SB_LOG_BLOCK_BYTES   24u /* block_bytes = 1024 << this */
#define SB_BLOCKS_PER_GROUP  32u
#define SB_INODES_PER_GROUP  40u
#define SB_WRITE_TIME        48u
#define SB_MAGIC             56u
#define SB_STATE             58u
#define SB_REVISION          76u
#define SB_FIRST_INODE       84u
#define SB_INODE_BYTES       88u
#define SB_FEATURES_INCOMPAT 96u
#define SB_FEATURES_RO       100u
#define SB_UUID              104u
#define SB_LABEL             120u
#define SB_CREATED           264u

#define STATE_CLEAN  0x1u
#define STATE_ERRORS 0x2u

#define INCOMPAT_FILE_TYPE 0x2u
#define RO_SPARSE_SUPER    0x1u
#define RO_LARGE_FILE      0x2u

#define OLD_INODE_BYTES 128u /* of revision 0 */
#define OLD_FIRST_INODE 11u

/* A group descriptor; they begin in the block after the superblock's. */
#define GROUP_BYTES        32u
#define GROUP_BLOCK_BITMAP 0u
#define GROUP_INODE_BITMAP 4u
#define GROUP_INODE_TABLE  8u
#define GROUP_FREE_BLOCKS  12u
#define GROUP_FREE_INODES  14u
#define GROUP_DIRECTORIES  16u

/* An inode: 128 bytes, and what larger ones have besides, as far as INODE_EXTRA_BYTES says. */
#define INODE_BYTES          128u
#define INODE_MODE           0u
#define INODE_SIZE           4u
#define INODE_ACCESS_TIME    8u
#define INODE_CHANGE_TIME    12u
#define INODE_WRITE_TIME     16u
#define INODE_DELETION_TIME  20u
#define INODE_LINKS          26u
#define INODE_SECTORS        28u
#define INODE_FLAGS          32u
#define INODE_MAP            40u
#define INODE_GENERATION     100u
#define INODE_ATTRIBUTES     104u /* the block of extended attributes */
#define INODE_SIZE_HIGH      108u
#define INODE_NT_ATTRIBUTES  126u /* reserved: nobody else uses or checks these two bytes */
#define INODE_EXTRA_BYTES    128u
#define INODE_CHANGE_EXTRA   132u
#define INODE_WRITE_EXTRA    136u
#define INODE_ACCESS_EXTRA   140u
#define INODE_CREATION_TIME  144u
#define INODE_CREATION_EXTRA 148u
#define INODE_EXTRA_USED     32u /* what mke2fs reserves; all of the above lies in it */

#define INODE_FLAG_INDEX 0x1000u /* a directory with an index, which a change makes wrong */

/* Flags that change what the map means: compressed, encrypted, extents, inline data. */
#define INODE_FLAGS_UNKNOWN (0x4u | 0x800u | 0x80000u | 0x10000000u)

/* An entry of a directory. */
#define ENTRY_INODE          0u
#define ENTRY_LENGTH         4u
#define ENTRY_NAME_BYTES     6u
#define ENTRY_TYPE           7u
#define ENTRY_HEADER         8u
#define ENTRY_TYPE_FILE      1u
#define ENTRY_TYPE_DIRECTORY 2u

#endif
