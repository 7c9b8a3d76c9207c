/*
 * fs/ext2.c: mounting ext2: the superblock, the group descriptors, and how changes are made.
 *
 * A file system is used only when all of its incompatible features are known (there is one:
 * directory entries with file types) and its numbers agree with one another and with the disk's
 * size. It is writable when, besides, its read-only features are known (backups of the superblock
 * in few groups, files above 2 GiB), its groups are what they should be, and it was unmounted
 * cleanly: bitmaps that cannot be trusted would give blocks away twice.
 *
 * The first change says on the disk, before anything else, that the file system is in use;
 * ext2_finish says that all is well again. In between, e2fsck -p looks at everything. That is why
 * bitmaps and counts need no place in the order of writing: e2fsck makes them anew. All else is
 * written in such an order (fs/metadata_sync.c) that e2fsck -p has nothing to ask.
 *
 * ext2_sync: 1. data blocks that are fresh get contents (fs/fresh.c), and a FLUSH; 2. metadata,
 * level by level, a FLUSH after each; 3. what was given up is free (fs/ext2_alloc.c).
 */
#include "fs/ext2.h"

#include "abi/constants.h"
#include "fs/ext2_format.h"
#include "fs/transfer.h"
#include "kernel/clock.h"
#include "kernel/format.h"
#include "kernel/string.h"
#include "mm/pool.h"

static const char *const incompat_names[] = {
    "compression", "filetype", "needs_recovery", "journal_dev",   "meta_bg",
    NULL,          "extents",  "64bit",          "mmp",           "flex_bg",
    "ea_inode",    NULL,       "dirdata",        "metadata_csum", "large_dir",
    "inline_data", "encrypt",  "casefold",
};

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
    bool is_old = get32(sb + SB_REVISION) == 0;
    ext2->inode_bytes = is_old ? OLD_INODE_BYTES : get16(sb + SB_INODE_BYTES);
    ext2->first_inode = is_old ? OLD_FIRST_INODE : get32(sb + SB_FIRST_INODE);
    ext2->has_types = !is_old && (get32(sb + SB_FEATURES_INCOMPAT) & INCOMPAT_FILE_TYPE) != 0;
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
    if (ext2->inode_bytes < OLD_INODE_BYTES || ext2->inode_bytes > ext2->block_bytes ||
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

/* Reads the superblock, which lies at the same place whatever the block size is. */
static status_t read_superblock(struct ext2 *ext2, uint8_t *sb, char *problem)
{
    struct transfer transfer;

    transfer_begin(&transfer, ext2->device, BLOCK_READ);
    transfer_add(&transfer, SUPERBLOCK_OFFSET / SECTOR_BYTES, pfn_to_paddr(frame_of(sb)),
                 SUPERBLOCK_BYTES);
    status_t status = transfer_end(&transfer);
    if (is_error(status)) {
        kformat(problem, EXT2_PROBLEM_BYTES, "it cannot be read: status 0x%08x", (uint32_t)status);
        return status;
    }
    return check_superblock(ext2, sb, problem);
}

/* ---- whether it can be written ---- */

status_t ext2_get_group_locked(struct ext2 *ext2, uint32_t group, struct metadata_block **block,
                               uint8_t **descriptor)
{
    uint32_t per_block = ext2->block_bytes / GROUP_BYTES;
    status_t status =
        metadata_get(&ext2->metadata, ext2->first_data_block + 1 + group / per_block, block);

    if (is_success(status)) {
        *descriptor = (*block)->bytes + group % per_block * GROUP_BYTES;
    }
    return status;
}

status_t ext2_get_superblock_locked(struct ext2 *ext2, struct metadata_block **block,
                                    uint8_t **superblock)
{
    status_t status = metadata_get(&ext2->metadata, SUPERBLOCK_OFFSET >> ext2->block_shift, block);

    if (is_success(status)) {
        *superblock = (*block)->bytes + (SUPERBLOCK_OFFSET & (ext2->block_bytes - 1));
    }
    return status;
}

bool ext2_is_possible_block(const struct ext2 *ext2, uint32_t block)
{
    return block > ext2->first_data_block && block < ext2->nblocks;
}

static uint32_t group_of(const struct ext2 *ext2, uint32_t block)
{
    return (block - ext2->first_data_block) / ext2->blocks_per_group;
}

static uint32_t table_blocks(const struct ext2 *ext2)
{
    uint64_t nbytes = (uint64_t)ext2->inodes_per_group * ext2->inode_bytes;

    return (uint32_t)((nbytes + ext2->block_bytes - 1) >> ext2->block_shift);
}

/* Whether BLOCK is one of the group's own: its bitmaps and its inode table. */
static bool is_own(const struct ext2 *ext2, const uint8_t *descriptor, uint32_t block)
{
    return block == get32(descriptor + GROUP_BLOCK_BITMAP) ||
           block == get32(descriptor + GROUP_INODE_BITMAP) ||
           block - get32(descriptor + GROUP_INODE_TABLE) < table_blocks(ext2);
}

status_t ext2_check_own_locked(struct ext2 *ext2, uint32_t block)
{
    struct metadata_block *descriptors;
    uint8_t *descriptor;
    uint32_t table_end =
        ext2->first_data_block + 1 + (ext2->ngroups * GROUP_BYTES - 1) / ext2->block_bytes;

    if (!ext2_is_possible_block(ext2, block) || block <= table_end) {
        return STATUS_FILE_CORRUPT_ERROR;
    }
    status_t status = ext2_get_group_locked(ext2, group_of(ext2, block), &descriptors, &descriptor);
    if (is_error(status)) {
        return status;
    }
    bool own = is_own(ext2, descriptor, block);
    metadata_put(&ext2->metadata, descriptors);
    return own ? STATUS_FILE_CORRUPT_ERROR : STATUS_SUCCESS;
}

/* Whether the group's bitmaps and table lie in the group, apart. */
static bool group_is_sound(const struct ext2 *ext2, uint32_t group, const uint8_t *descriptor)
{
    uint32_t blocks = get32(descriptor + GROUP_BLOCK_BITMAP);
    uint32_t inodes = get32(descriptor + GROUP_INODE_BITMAP);
    uint32_t table = get32(descriptor + GROUP_INODE_TABLE);
    uint32_t ntable = table_blocks(ext2);

    return ext2_is_possible_block(ext2, blocks) && group_of(ext2, blocks) == group &&
           ext2_is_possible_block(ext2, inodes) && group_of(ext2, inodes) == group &&
           ext2_is_possible_block(ext2, table) && group_of(ext2, table) == group &&
           ntable <= ext2->nblocks - table && group_of(ext2, table + ntable - 1) == group &&
           blocks != inodes && blocks - table >= ntable && inodes - table >= ntable;
}

static bool groups_are_sound_locked(struct ext2 *ext2)
{
    bool sound = true;

    for (uint32_t group = 0; group < ext2->ngroups && sound; group++) {
        struct metadata_block *block;
        uint8_t *descriptor;
        if (is_error(ext2_get_group_locked(ext2, group, &block, &descriptor))) {
            return false;
        }
        sound = group_is_sound(ext2, group, descriptor);
        metadata_put(&ext2->metadata, block);
    }
    return sound;
}

/* Why the file system is not writable, or NULL. */
static const char *find_read_only_reason(struct ext2 *ext2, const uint8_t *sb)
{
    uint32_t ro = get32(sb + SB_REVISION) == 0 ? 0 : get32(sb + SB_FEATURES_RO);

    if (ext2->device->read_only) {
        return "the disk is";
    }
    if ((ro & ~(RO_SPARSE_SUPER | RO_LARGE_FILE)) != 0) {
        return "it has features that only ext4 can write";
    }
    if ((get16(sb + SB_STATE) & (STATE_CLEAN | STATE_ERRORS)) != STATE_CLEAN) {
        return "it was not unmounted cleanly: run e2fsck -p on it";
    }
    if (ext2->inodes_per_group % 8 != 0 || ext2->first_inode < OLD_FIRST_INODE ||
        ext2->ninodes != (uint64_t)ext2->ngroups * ext2->inodes_per_group) {
        return "its numbers of inodes do not agree";
    }
    mutex_lock(&ext2->metadata.lock);
    bool sound = groups_are_sound_locked(ext2);
    mutex_unlock(&ext2->metadata.lock);
    return sound ? NULL : "its group descriptors are damaged";
}

/* ---- mounting ---- */

static status_t mount_with(struct ext2 *ext2, uint8_t *sb, char *problem)
{
    status_t status = read_superblock(ext2, sb, problem);

    if (is_error(status)) {
        return status;
    }
    fresh_start(&ext2->fresh);
    status = metadata_start(&ext2->metadata, ext2->device, ext2->block_shift, ext2->nblocks);
    metadata_set_parts(&ext2->metadata, (uint32_t)__builtin_ctz(ext2->inode_bytes),
                       ext2_roll_back_inode);
    ext2->pending = mm_allocate(EXT2_PENDING * (uint32_t)sizeof(ext2->pending[0]));
    ext2->pending_inodes = mm_allocate(EXT2_PENDING * (uint32_t)sizeof(uint32_t));
    if (is_error(status) || ext2->pending == NULL || ext2->pending_inodes == NULL) {
        kformat(problem, EXT2_PROBLEM_BYTES, "there is too little memory");
        ext2_unmount(ext2);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    ext2->read_only_reason = find_read_only_reason(ext2, sb);
    ext2->writable = ext2->read_only_reason == NULL;
    return STATUS_SUCCESS;
}

status_t ext2_mount(struct ext2 *ext2, struct block_device *device, char *problem)
{
    memset(ext2, 0, sizeof(*ext2));
    ext2->device = device;
    if (device->nsectors < (SUPERBLOCK_OFFSET + SUPERBLOCK_BYTES) / SECTOR_BYTES) {
        kformat(problem, EXT2_PROBLEM_BYTES, "it is too small for a file system");
        return STATUS_NOT_SUPPORTED;
    }
    uint8_t *sb = mm_allocate(PAGE_BYTES); /* a whole frame: the device fills it */
    if (sb == NULL) {
        kformat(problem, EXT2_PROBLEM_BYTES, "there is too little memory");
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    status_t status = mount_with(ext2, sb, problem);
    mm_free(sb, PAGE_BYTES);
    return status;
}

void ext2_unmount(struct ext2 *ext2)
{
    fresh_stop(&ext2->fresh);
    metadata_stop(&ext2->metadata);
    mm_free(ext2->pending, EXT2_PENDING * (uint32_t)sizeof(ext2->pending[0]));
    mm_free(ext2->pending_inodes, EXT2_PENDING * (uint32_t)sizeof(uint32_t));
    ext2->pending = NULL;
    ext2->pending_inodes = NULL;
}

/* ---- changes ---- */

static status_t sync_locked(struct ext2 *ext2)
{
    status_t status = fresh_settle(&ext2->fresh, &ext2->metadata);

    if (is_success(status)) {
        status = metadata_flush_device(&ext2->metadata);
    }
    if (is_success(status)) {
        status = metadata_sync(&ext2->metadata);
    }
    if (is_success(status)) {
        ext2->nsyncs++;
        status = ext2_apply_pending_locked(ext2);
    }
    return status;
}

/* Writes into the superblock whether all is well. */
static status_t write_state_locked(struct ext2 *ext2, bool clean)
{
    struct metadata_block *block;
    uint8_t *sb;
    status_t status = ext2_get_superblock_locked(ext2, &block, &sb);

    if (is_error(status)) {
        return status;
    }
    uint32_t state = get16(sb + SB_STATE) & ~STATE_CLEAN;
    put16(sb + SB_STATE, clean ? state | STATE_CLEAN : state);
    put32(sb + SB_WRITE_TIME, (uint32_t)(clock_system_time() / 10000000 - 11644473600ll));
    metadata_dirty(&ext2->metadata, block);
    metadata_put(&ext2->metadata, block);
    return metadata_sync(&ext2->metadata);
}

/* What must be so before a change can begin. */
static status_t prepare_change_locked(struct ext2 *ext2)
{
    status_t status = STATUS_SUCCESS;

    if (!ext2->writable) {
        return STATUS_MEDIA_WRITE_PROTECTED;
    }
    if (metadata_is_full(&ext2->metadata)) {
        status = sync_locked(ext2);
    }
    if (is_success(status) && !ext2->in_use) {
        status = write_state_locked(ext2, false);
        ext2->in_use = is_success(status);
    }
    metadata_begin_change(&ext2->metadata);
    return status;
}

/* Whether writing everything may make room: blocks were given up since the last time. */
static bool may_find_room_locked(const struct ext2 *ext2)
{
    return ext2->npending > 0 || ext2->npending_inodes > 0;
}

status_t ext2_change(struct ext2 *ext2, ext2_change_function *perform, void *context)
{
    mutex_lock(&ext2->metadata.lock);
    status_t status = prepare_change_locked(ext2);
    if (is_success(status)) {
        status = perform(ext2, context);
    }
    while (status == EXT2_SYNC_FIRST ||
           (status == STATUS_DISK_FULL && may_find_room_locked(ext2))) {
        status = sync_locked(ext2);
        metadata_begin_change(&ext2->metadata);
        if (is_success(status)) {
            status = perform(ext2, context);
        }
    }
    mutex_unlock(&ext2->metadata.lock);
    return status;
}

status_t ext2_sync(struct ext2 *ext2)
{
    mutex_lock(&ext2->metadata.lock);
    status_t status = sync_locked(ext2);
    mutex_unlock(&ext2->metadata.lock);
    return status;
}

uint32_t ext2_count_free(struct ext2 *ext2)
{
    mutex_lock(&ext2->metadata.lock);
    uint32_t count = ext2->free_blocks;
    for (uint32_t i = 0; i < ext2->npending; i++) {
        count += ext2->pending[i].count;
    }
    mutex_unlock(&ext2->metadata.lock);
    return count;
}

bool ext2_has_changes(struct ext2 *ext2)
{
    mutex_lock(&ext2->metadata.lock);
    bool has = ext2->metadata.ndirty > 0;
    mutex_unlock(&ext2->metadata.lock);
    return has;
}

uint64_t ext2_count_syncs(struct ext2 *ext2)
{
    mutex_lock(&ext2->metadata.lock);
    uint64_t count = ext2->nsyncs;
    mutex_unlock(&ext2->metadata.lock);
    return count;
}

uint32_t ext2_count_changes(struct ext2 *ext2)
{
    return __atomic_load_n(&ext2->metadata.change, __ATOMIC_RELAXED);
}

status_t ext2_finish(struct ext2 *ext2)
{
    status_t status = STATUS_SUCCESS;

    mutex_lock(&ext2->metadata.lock);
    if (ext2->in_use) {
        do {
            status = sync_locked(ext2); /* what was given up is free then: bitmaps change again */
        } while (is_success(status) && ext2->metadata.ndirty > 0);
        if (is_success(status) && !ext2->damaged) {
            status = write_state_locked(ext2, true);
            ext2->in_use = is_error(status);
        }
    }
    mutex_unlock(&ext2->metadata.lock);
    return status;
}
