/*
 * fs/ext2.c: the superblock, group descriptors and inodes of ext2.
 *
 * A file system is used only when all of its incompatible features are known (there is one:
 * directory entries with file types) and its numbers agree with one another and with the disk's
 * size. Features that only forbid writing do not matter, for nothing is written.
 *
 * The metadata segment covers the block device; its pager reads whole pages of it.
 */
#include "fs/ext2.h"

#include "abi/constants.h"
#include "fs/transfer.h"
#include "kernel/format.h"
#include "kernel/string.h"
#include "mm/cache.h"
#include "mm/pool.h"
#include "mm/section.h"

#define SUPERBLOCK_OFFSET 1024u
#define SUPERBLOCK_BYTES  1024u
#define SUPERBLOCK_MAGIC  0xEF53u

/* Offsets in the superblock. */
#define SB_INODES            0u
#define SB_BLOCKS            4u
#define SB_FREE_BLOCKS       12u
#define SB_FIRST_DATA_BLOCK  20u
#define SB_LOG_BLOCK_BYTES   24u /* block_bytes = 1024 << this */
#define SB_BLOCKS_PER_GROUP  32u
#define SB_INODES_PER_GROUP  40u
#define SB_MAGIC             56u
#define SB_REVISION          76u
#define SB_INODE_BYTES       88u
#define SB_FEATURES_INCOMPAT 96u
#define SB_UUID              104u
#define SB_LABEL             120u
#define SB_CREATED           264u

#define GROUP_BYTES       32u
#define GROUP_INODE_TABLE 8u

/* Offsets in an inode. */
#define INODE_BYTES       128u /* of the oldest revision: all that is read */
#define INODE_MODE        0u
#define INODE_SIZE        4u
#define INODE_ACCESS_TIME 8u
#define INODE_CHANGE_TIME 12u
#define INODE_WRITE_TIME  16u
#define INODE_LINKS       26u
#define INODE_SECTORS     28u
#define INODE_FLAGS       32u
#define INODE_MAP         40u
#define INODE_SIZE_HIGH   108u

/* Flags that change what the map means: compressed, encrypted, extents, inline data. */
#define INODE_FLAGS_UNKNOWN (0x4u | 0x800u | 0x80000u | 0x10000000u)

#define INCOMPAT_FILE_TYPE 0x2u

static const char *const incompat_names[] = {
    "compression", "filetype", "needs_recovery", "journal_dev",   "meta_bg",
    NULL,          "extents",  "64bit",          "mmp",           "flex_bg",
    "ea_inode",    NULL,       "dirdata",        "metadata_csum", "large_dir",
    "inline_data", "encrypt",  "casefold",
};

/* Fills pages of the block device: the metadata segment's page_in. */
static status_t device_page_in(void *context, uint32_t first, uint32_t npages, const pfn_t *frames)
{
    struct block_device *device = context;
    struct transfer transfer;
    uint32_t whole = npages;
    uint32_t tail = 0; /* sectors of the page at which the device ends */

    for (uint32_t i = 0; i < npages; i++) {
        uint64_t end = ((uint64_t)first + i + 1) * (PAGE_BYTES / SECTOR_BYTES);
        if (end > device->nsectors) {
            whole = i;
            uint64_t begin = end - PAGE_BYTES / SECTOR_BYTES;
            tail = begin < device->nsectors ? (uint32_t)(device->nsectors - begin) : 0;
            break;
        }
    }
    for (uint32_t i = whole; i < npages; i++) {
        frame_zero(frames[i]);
    }
    transfer_begin(&transfer, device);
    for (uint32_t i = 0; i < whole; i++) {
        transfer_read(&transfer, ((uint64_t)first + i) * (PAGE_BYTES / SECTOR_BYTES),
                      pfn_to_paddr(frames[i]), PAGE_BYTES);
    }
    if (tail > 0) {
        transfer_read(&transfer, ((uint64_t)first + whole) * (PAGE_BYTES / SECTOR_BYTES),
                      pfn_to_paddr(frames[whole]), tail * SECTOR_BYTES);
    }
    return transfer_end(&transfer);
}

static void device_released(void *context)
{
    (void)context; /* the driver's */
}

static const struct pager_operations device_pager = {
    .kind = "block device",
    .page_in = device_page_in,
    .released = device_released,
};

status_t ext2_read_metadata(const struct ext2 *ext2, uint64_t offset, void *target, uint32_t nbytes)
{
    uint64_t end = (uint64_t)ext2->nblocks << ext2->block_shift;

    if (offset > end || nbytes > end - offset) {
        return STATUS_FILE_CORRUPT_ERROR;
    }
    return mm_cache_read(ext2->metadata, offset, target, nbytes);
}

/* Names the first unknown incompatible feature in PROBLEM. */
static status_t check_features(uint32_t incompat, char *problem)
{
    uint32_t unknown = incompat & ~INCOMPAT_FILE_TYPE;

    if (unknown == 0) {
        return STATUS_SUCCESS;
    }
    uint32_t bit = (uint32_t)__builtin_ctz(unknown);
    const char *name = bit < ARRAY_COUNT(incompat_names) ? incompat_names[bit] : NULL;
    if (name != NULL) {
        kformat(problem, EXT2_PROBLEM_BYTES, "the file system has the feature %s: only ext2 works",
                name);
    } else {
        kformat(problem, EXT2_PROBLEM_BYTES, "the file system has unknown features 0x%x", unknown);
    }
    return STATUS_NOT_SUPPORTED;
}

/* Takes the superblock's numbers, as they are. */
static void take_superblock(struct ext2 *ext2, const uint8_t *sb)
{
    ext2->block_shift = 10 + get32(sb + SB_LOG_BLOCK_BYTES);
    ext2->block_bytes = 1u << ext2->block_shift;
    ext2->nblocks = get32(sb + SB_BLOCKS);
    ext2->free_blocks = get32(sb + SB_FREE_BLOCKS);
    ext2->first_data_block = get32(sb + SB_FIRST_DATA_BLOCK);
    ext2->blocks_per_group = get32(sb + SB_BLOCKS_PER_GROUP);
    ext2->ninodes = get32(sb + SB_INODES);
    ext2->inodes_per_group = get32(sb + SB_INODES_PER_GROUP);
    ext2->inode_bytes = get32(sb + SB_REVISION) == 0 ? INODE_BYTES : get16(sb + SB_INODE_BYTES);
    ext2->created = get32(sb + SB_CREATED);
    memcpy(ext2->uuid, sb + SB_UUID, sizeof(ext2->uuid));
    memcpy(ext2->label, sb + SB_LABEL, sizeof(ext2->label) - 1);
}

/* Whether the numbers agree with one another; what is wrong, or NULL. Sets ngroups. */
static const char *check_numbers(struct ext2 *ext2)
{
    uint32_t group_max = ext2->block_bytes * 8;

    if (ext2->blocks_per_group == 0 || ext2->blocks_per_group > group_max ||
        ext2->inodes_per_group == 0 || ext2->inodes_per_group > group_max) {
        return "impossible group sizes";
    }
    if (ext2->inode_bytes < INODE_BYTES || ext2->inode_bytes > ext2->block_bytes ||
        (ext2->inode_bytes & (ext2->inode_bytes - 1)) != 0) {
        return "an impossible inode size";
    }
    if (ext2->first_data_block != (ext2->block_bytes == 1024 ? 1u : 0u) ||
        ext2->nblocks <= ext2->first_data_block + 1) {
        return "an impossible first block";
    }
    if ((uint64_t)ext2->nblocks << ext2->block_shift > ext2->device->nsectors * SECTOR_BYTES) {
        return "more blocks than the disk has";
    }
    uint32_t data = ext2->nblocks - ext2->first_data_block;
    ext2->ngroups = (data - 1) / ext2->blocks_per_group + 1;
    if (ext2->ninodes < EXT2_ROOT_INODE ||
        ext2->ninodes > (uint64_t)ext2->ngroups * ext2->inodes_per_group) {
        return "an impossible number of inodes";
    }
    return NULL;
}

static status_t check_superblock(struct ext2 *ext2, const uint8_t *sb, char *problem)
{
    if (get16(sb + SB_MAGIC) != SUPERBLOCK_MAGIC) {
        kformat(problem, EXT2_PROBLEM_BYTES, "it holds no ext2 file system");
        return STATUS_NOT_SUPPORTED;
    }
    if (get32(sb + SB_REVISION) > 1 || get32(sb + SB_LOG_BLOCK_BYTES) > 2) {
        kformat(problem, EXT2_PROBLEM_BYTES, "the ext2 revision or block size is not supported");
        return STATUS_NOT_SUPPORTED;
    }
    status_t status = get32(sb + SB_REVISION) == 0
                          ? STATUS_SUCCESS
                          : check_features(get32(sb + SB_FEATURES_INCOMPAT), problem);
    if (is_error(status)) {
        return status;
    }
    take_superblock(ext2, sb);
    const char *wrong = check_numbers(ext2);
    if (wrong != NULL) {
        kformat(problem, EXT2_PROBLEM_BYTES, "its ext2 superblock has %s", wrong);
        return STATUS_FILE_CORRUPT_ERROR;
    }
    return STATUS_SUCCESS;
}

static status_t read_superblock(struct ext2 *ext2, char *problem)
{
    uint8_t *sb = mm_allocate(SUPERBLOCK_BYTES);

    if (sb == NULL) {
        kformat(problem, EXT2_PROBLEM_BYTES, "there is too little memory");
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    status_t status = mm_cache_read(ext2->metadata, SUPERBLOCK_OFFSET, sb, SUPERBLOCK_BYTES);
    if (is_error(status)) {
        kformat(problem, EXT2_PROBLEM_BYTES, "it cannot be read: status 0x%08x", (uint32_t)status);
    } else {
        status = check_superblock(ext2, sb, problem);
    }
    mm_free(sb, SUPERBLOCK_BYTES);
    return status;
}

status_t ext2_mount(struct ext2 *ext2, struct block_device *device, char *problem)
{
    *ext2 = (struct ext2){.device = device};
    if (device->nsectors < (SUPERBLOCK_OFFSET + SUPERBLOCK_BYTES) / SECTOR_BYTES) {
        kformat(problem, EXT2_PROBLEM_BYTES, "it is too small for a file system");
        return STATUS_NOT_SUPPORTED;
    }
    uint64_t nbytes = device->nsectors <= UINT64_MAX / SECTOR_BYTES
                          ? device->nsectors * SECTOR_BYTES
                          : UINT64_MAX; /* what the device says need not make sense */
    status_t status = mm_segment_create(&ext2->metadata, nbytes, &device_pager, device);
    if (is_error(status)) {
        kformat(problem, EXT2_PROBLEM_BYTES,
                status == STATUS_SECTION_TOO_BIG ? "it is too large"
                                                 : "there is too little memory");
        return status;
    }
    status = read_superblock(ext2, problem);
    if (is_error(status)) {
        ext2_unmount(ext2);
    }
    return status;
}

void ext2_unmount(struct ext2 *ext2)
{
    mm_segment_unref(ext2->metadata);
    ext2->metadata = NULL;
}

/* Seconds since 1970 as NT's 100 ns since 1601. */
static int64_t nt_time(uint32_t seconds)
{
    return ((int64_t)(int32_t)seconds + 11644473600ll) * 10000000ll;
}

static void take_inode(struct ext2_inode *inode, uint32_t number, const uint8_t *raw)
{
    struct file_information *information = &inode->information;

    inode->mode = (uint16_t)get16(raw + INODE_MODE);
    for (uint32_t i = 0; i < EXT2_MAP_WORDS; i++) {
        inode->map[i] = get32(raw + INODE_MAP + i * 4);
    }
    bool is_directory = (inode->mode & EXT2_TYPE_MASK) == EXT2_TYPE_DIRECTORY;
    uint64_t size_high = is_directory ? 0 : get32(raw + INODE_SIZE_HIGH);
    int64_t changed = nt_time(get32(raw + INODE_CHANGE_TIME));
    int64_t written = nt_time(get32(raw + INODE_WRITE_TIME));
    *information = (struct file_information){
        .nbytes = size_high << 32 | get32(raw + INODE_SIZE),
        .allocation_nbytes = (uint64_t)get32(raw + INODE_SECTORS) * SECTOR_BYTES,
        .creation_time = changed < written ? changed : written,
        .access_time = nt_time(get32(raw + INODE_ACCESS_TIME)),
        .write_time = written,
        .change_time = changed,
        .attributes = is_directory ? FILE_ATTRIBUTE_DIRECTORY : FILE_ATTRIBUTE_ARCHIVE,
        .links = get16(raw + INODE_LINKS),
        .index = number,
        .is_directory = is_directory,
    };
    if (!is_directory && (inode->mode & EXT2_WRITE_BITS) == 0) {
        information->attributes |= FILE_ATTRIBUTE_READONLY;
    }
}

/* A directory lies wholly on the disk, without holes; a file's size is limited by its map. */
static status_t check_inode(const struct ext2 *ext2, const struct ext2_inode *inode, uint32_t flags)
{
    uint64_t limit = inode->information.is_directory ? ext2->nblocks : ext2_map_limit(ext2);
    uint64_t nbytes = inode->information.nbytes;

    if (inode->information.links == 0 || (flags & INODE_FLAGS_UNKNOWN) != 0 ||
        nbytes > limit << ext2->block_shift) {
        return STATUS_FILE_CORRUPT_ERROR;
    }
    if (inode->information.is_directory &&
        (nbytes % ext2->block_bytes != 0 || nbytes > INT32_MAX)) {
        return STATUS_FILE_CORRUPT_ERROR;
    }
    return STATUS_SUCCESS;
}

status_t ext2_read_inode(const struct ext2 *ext2, uint32_t number, struct ext2_inode *inode)
{
    uint8_t raw[INODE_BYTES];

    if (number == 0 || number > ext2->ninodes) {
        return STATUS_FILE_CORRUPT_ERROR;
    }
    uint32_t group = (number - 1) / ext2->inodes_per_group;
    uint32_t place = (number - 1) % ext2->inodes_per_group;
    uint64_t groups = (uint64_t)(ext2->first_data_block + 1) << ext2->block_shift;
    status_t status = ext2_read_metadata(
        ext2, groups + (uint64_t)group * GROUP_BYTES + GROUP_INODE_TABLE, raw, 4);
    if (is_error(status)) {
        return status;
    }
    uint64_t table = get32(raw);
    if (table <= ext2->first_data_block) {
        return STATUS_FILE_CORRUPT_ERROR;
    }
    status = ext2_read_metadata(
        ext2, (table << ext2->block_shift) + (uint64_t)place * ext2->inode_bytes, raw, INODE_BYTES);
    if (is_error(status)) {
        return status;
    }
    take_inode(inode, number, raw);
    return check_inode(ext2, inode, get32(raw + INODE_FLAGS));
}
