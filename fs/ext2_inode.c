/*
 * fs/ext2_inode.c: inodes: what they say of a file, and changing it.
 *
 * Times are seconds; inodes of 256 bytes have room for nanoseconds, for the time of creation, and
 * for two more bits of seconds (the years up to 2446). There NT's times (100 ns since 1601) are
 * kept exactly; else a time outside of 1901 to 2038 becomes the nearest that can be kept.
 *
 * Of NT's attributes READONLY is a file without a write bit. Those of KEPT lie in two reserved
 * bytes of the inode, which neither Linux nor e2fsck look at: there stands in what they differ from
 * those of a file that any other system has made (ARCHIVE, or of a directory none).
 */
#include "abi/constants.h"
#include "fs/ext2.h"
#include "fs/ext2_format.h"
#include "kernel/clock.h"
#include "kernel/string.h"

#define KEPT                                                                                       \
    (FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM | FILE_ATTRIBUTE_ARCHIVE |                      \
     FILE_ATTRIBUTE_TEMPORARY | FILE_ATTRIBUTE_OFFLINE | FILE_ATTRIBUTE_NOT_CONTENT_INDEXED)

#define NT_SECOND  10000000ll
#define NT_EPOCH   11644473600ll /* seconds from 1601 to 1970 */
#define EPOCH_MASK 0x3u          /* of an extra field: bits 32 and 33 of the seconds */

/* Whether the inode has room for the field at OFFSET of its extra part. */
static bool has_extra(const struct ext2 *ext2, const uint8_t *raw, uint32_t offset)
{
    return ext2->inode_bytes >= offset + 4 &&
           get16(raw + INODE_EXTRA_BYTES) >= offset + 4 - INODE_BYTES &&
           get16(raw + INODE_EXTRA_BYTES) <= ext2->inode_bytes - INODE_BYTES;
}

/* The time at OFFSET, whose extra field (0: none) is at EXTRA, as NT's. */
static int64_t get_time(const struct ext2 *ext2, const uint8_t *raw, uint32_t offset,
                        uint32_t extra)
{
    int64_t seconds = (int32_t)get32(raw + offset);
    uint32_t more = has_extra(ext2, raw, extra) ? get32(raw + extra) : 0;

    seconds += (int64_t)(more & EPOCH_MASK) << 32;
    return (seconds + NT_EPOCH) * NT_SECOND + (more >> 2) % 1000000000u / 100u;
}

static void set_time(const struct ext2 *ext2, uint8_t *raw, uint32_t offset, uint32_t extra,
                     int64_t time)
{
    int64_t seconds = time / NT_SECOND - NT_EPOCH;
    uint32_t part = (uint32_t)(time % NT_SECOND);
    bool exact = has_extra(ext2, raw, extra);
    int64_t last = exact ? (3ll << 32) + INT32_MAX : INT32_MAX;

    seconds = seconds < INT32_MIN ? INT32_MIN : seconds > last ? last : seconds;
    put32(raw + offset, (uint32_t)seconds);
    if (exact) {
        uint32_t epoch = (uint32_t)((seconds - (int32_t)(uint32_t)seconds) >> 32);
        put32(raw + extra, part * 100u << 2 | (epoch & EPOCH_MASK));
    }
}

/* When the file was made: what the inode says, or the oldest time that it has. */
static int64_t creation_time(const struct ext2 *ext2, const uint8_t *raw, int64_t changed,
                             int64_t written)
{
    if (has_extra(ext2, raw, INODE_CREATION_EXTRA) && get32(raw + INODE_CREATION_TIME) != 0) {
        return get_time(ext2, raw, INODE_CREATION_TIME, INODE_CREATION_EXTRA);
    }
    return changed < written ? changed : written;
}

uint64_t ext2_inode_size(const uint8_t *raw)
{
    bool is_directory = (get16(raw + INODE_MODE) & EXT2_TYPE_MASK) == EXT2_TYPE_DIRECTORY;
    uint64_t high = is_directory ? 0 : get32(raw + INODE_SIZE_HIGH);

    return high << 32 | get32(raw + INODE_SIZE);
}

void ext2_set_inode_size(uint8_t *raw, uint64_t nbytes)
{
    bool is_directory = (get16(raw + INODE_MODE) & EXT2_TYPE_MASK) == EXT2_TYPE_DIRECTORY;

    put32(raw + INODE_SIZE, (uint32_t)nbytes);
    if (!is_directory) {
        put32(raw + INODE_SIZE_HIGH, (uint32_t)(nbytes >> 32));
    }
}

void ext2_count_inode_blocks(const struct ext2 *ext2, uint8_t *raw, int32_t nblocks)
{
    uint32_t sectors = ext2->block_bytes / SECTOR_BYTES;

    put32(raw + INODE_SECTORS, get32(raw + INODE_SECTORS) + (uint32_t)nblocks * sectors);
}

uint32_t ext2_kept_attributes(uint32_t attributes, bool is_directory)
{
    uint32_t kept = attributes & (KEPT | (is_directory ? 0 : FILE_ATTRIBUTE_READONLY));

    return is_directory ? kept | FILE_ATTRIBUTE_DIRECTORY
           : kept != 0  ? kept
                        : FILE_ATTRIBUTE_NORMAL;
}

static uint32_t usual_attributes(bool is_directory)
{
    return is_directory ? 0 : FILE_ATTRIBUTE_ARCHIVE;
}

static uint32_t get_attributes(const uint8_t *raw, bool is_directory)
{
    bool read_only = (get16(raw + INODE_MODE) & EXT2_WRITE_BITS) == 0;

    return ext2_kept_attributes(
        (get16(raw + INODE_NT_ATTRIBUTES) ^ usual_attributes(is_directory)) |
            (read_only ? FILE_ATTRIBUTE_READONLY : 0),
        is_directory);
}

static void set_attributes(uint8_t *raw, uint32_t attributes)
{
    uint32_t mode = get16(raw + INODE_MODE);
    bool is_directory = (mode & EXT2_TYPE_MASK) == EXT2_TYPE_DIRECTORY;

    if (!is_directory && (attributes & FILE_ATTRIBUTE_READONLY) != 0) {
        put16(raw + INODE_MODE, mode & ~EXT2_WRITE_BITS);
    } else if (!is_directory && (mode & EXT2_WRITE_BITS) == 0) {
        put16(raw + INODE_MODE, mode | EXT2_OWNER_WRITE);
    }
    put16(raw + INODE_NT_ATTRIBUTES, (attributes & KEPT) ^ usual_attributes(is_directory));
}

static void take_inode(const struct ext2 *ext2, struct ext2_inode *inode, uint32_t number,
                       const uint8_t *raw)
{
    inode->mode = (uint16_t)get16(raw + INODE_MODE);
    for (uint32_t i = 0; i < EXT2_MAP_WORDS; i++) {
        inode->map[i] = get32(raw + INODE_MAP + i * 4);
    }
    bool is_directory = (inode->mode & EXT2_TYPE_MASK) == EXT2_TYPE_DIRECTORY;
    int64_t changed = get_time(ext2, raw, INODE_CHANGE_TIME, INODE_CHANGE_EXTRA);
    int64_t written = get_time(ext2, raw, INODE_WRITE_TIME, INODE_WRITE_EXTRA);
    inode->information = (struct file_information){
        .nbytes = ext2_inode_size(raw),
        .allocation_nbytes = (uint64_t)get32(raw + INODE_SECTORS) * SECTOR_BYTES,
        .creation_time = creation_time(ext2, raw, changed, written),
        .access_time = get_time(ext2, raw, INODE_ACCESS_TIME, INODE_ACCESS_EXTRA),
        .write_time = written,
        .change_time = changed,
        .attributes = get_attributes(raw, is_directory),
        .links = get16(raw + INODE_LINKS),
        .index = number,
        .is_directory = is_directory,
    };
}

/* A directory lies wholly on the disk, without holes; a file's size is limited by its map. */
static status_t check_inode(const struct ext2 *ext2, const struct ext2_inode *inode, uint32_t flags)
{
    uint64_t limit = inode->information.is_directory ? ext2->nblocks : ext2_map_limit(ext2);
    uint64_t nbytes = inode->information.nbytes;

    if ((flags & INODE_FLAGS_UNKNOWN) != 0 || nbytes > limit << ext2->block_shift) {
        return STATUS_FILE_CORRUPT_ERROR;
    }
    if (inode->information.is_directory &&
        (nbytes % ext2->block_bytes != 0 || nbytes > INT32_MAX)) {
        return STATUS_FILE_CORRUPT_ERROR;
    }
    return STATUS_SUCCESS;
}

status_t ext2_get_inode_locked(struct ext2 *ext2, uint32_t number, struct metadata_block **block,
                               uint8_t **raw)
{
    uint8_t *descriptor;

    *block = NULL;
    if (number == 0 || number > ext2->ninodes) {
        return STATUS_FILE_CORRUPT_ERROR;
    }
    uint32_t group = (number - 1) / ext2->inodes_per_group;
    uint32_t place = (number - 1) % ext2->inodes_per_group * ext2->inode_bytes;
    status_t status = ext2_get_group_locked(ext2, group, block, &descriptor);
    if (is_error(status)) {
        return status;
    }
    uint32_t table = get32(descriptor + GROUP_INODE_TABLE);
    metadata_put(&ext2->metadata, *block);
    *block = NULL;
    if (!ext2_is_possible_block(ext2, table)) {
        return STATUS_FILE_CORRUPT_ERROR;
    }
    status = metadata_get(&ext2->metadata, table + (place >> ext2->block_shift), block);
    if (is_success(status)) {
        *raw = (*block)->bytes + (place & (ext2->block_bytes - 1));
    }
    return status;
}

status_t ext2_read_inode_locked(struct ext2 *ext2, uint32_t number, struct ext2_inode *inode)
{
    struct metadata_block *block;
    uint8_t *raw;
    status_t status = ext2_get_inode_locked(ext2, number, &block, &raw);

    if (is_success(status)) {
        take_inode(ext2, inode, number, raw);
        status = check_inode(ext2, inode, get32(raw + INODE_FLAGS));
        metadata_put(&ext2->metadata, block);
    }
    return status;
}

status_t ext2_read_inode(struct ext2 *ext2, uint32_t number, struct ext2_inode *inode)
{
    mutex_lock(&ext2->metadata.lock);
    status_t status = ext2_read_inode_locked(ext2, number, inode);
    mutex_unlock(&ext2->metadata.lock);
    if (is_success(status) && inode->information.links == 0) {
        status = STATUS_FILE_CORRUPT_ERROR; /* an entry names it */
    }
    return status;
}

/* ---- changing ---- */

void ext2_init_inode(const struct ext2 *ext2, uint8_t *raw, uint16_t mode, uint32_t links)
{
    int64_t now = clock_system_time();
    uint32_t generation = get32(raw + INODE_GENERATION) + 1;

    memset(raw, 0, ext2->inode_bytes);
    if (ext2->inode_bytes >= INODE_BYTES + INODE_EXTRA_USED) {
        put16(raw + INODE_EXTRA_BYTES, INODE_EXTRA_USED);
        set_time(ext2, raw, INODE_CREATION_TIME, INODE_CREATION_EXTRA, now);
    }
    put16(raw + INODE_MODE, mode);
    put16(raw + INODE_LINKS, links);
    put32(raw + INODE_GENERATION, generation);
    set_time(ext2, raw, INODE_ACCESS_TIME, INODE_ACCESS_EXTRA, now);
    set_time(ext2, raw, INODE_CHANGE_TIME, INODE_CHANGE_EXTRA, now);
    set_time(ext2, raw, INODE_WRITE_TIME, INODE_WRITE_EXTRA, now);
}

bool ext2_is_newborn_locked(const struct ext2 *ext2, const struct metadata_block *block,
                            const uint8_t *raw)
{
    return metadata_generation(&ext2->metadata, block, raw) != 0;
}

bool ext2_roll_back_inode(uint8_t *raw)
{
    uint32_t any =
        get32(raw + INODE_SIZE) | get32(raw + INODE_SIZE_HIGH) | get32(raw + INODE_SECTORS);

    for (uint32_t i = 0; i < EXT2_MAP_WORDS; i++) {
        any |= get32(raw + INODE_MAP + i * 4);
        put32(raw + INODE_MAP + i * 4, 0);
    }
    put32(raw + INODE_SIZE, 0);
    put32(raw + INODE_SIZE_HIGH, 0);
    put32(raw + INODE_SECTORS, 0);
    return any != 0;
}

void ext2_touch_inode(const struct ext2 *ext2, uint8_t *raw, bool written)
{
    int64_t now = clock_system_time();

    set_time(ext2, raw, INODE_CHANGE_TIME, INODE_CHANGE_EXTRA, now);
    if (written) {
        set_time(ext2, raw, INODE_WRITE_TIME, INODE_WRITE_EXTRA, now);
    }
}

struct information_change {
    uint32_t number;
    const struct ext2_settings *settings;
};

static void apply_settings(const struct ext2 *ext2, uint8_t *raw,
                           const struct ext2_settings *settings)
{
    if (settings->access_time != 0) {
        set_time(ext2, raw, INODE_ACCESS_TIME, INODE_ACCESS_EXTRA, settings->access_time);
    }
    if (settings->write_time != 0) {
        set_time(ext2, raw, INODE_WRITE_TIME, INODE_WRITE_EXTRA, settings->write_time);
    }
    if (settings->change_time != 0) {
        set_time(ext2, raw, INODE_CHANGE_TIME, INODE_CHANGE_EXTRA, settings->change_time);
    }
    if (settings->creation_time != 0 && has_extra(ext2, raw, INODE_CREATION_EXTRA)) {
        set_time(ext2, raw, INODE_CREATION_TIME, INODE_CREATION_EXTRA, settings->creation_time);
    }
    if (settings->set_attributes) {
        set_attributes(raw, settings->attributes);
    }
}

static status_t perform_information_change(struct ext2 *ext2, void *context)
{
    const struct information_change *change = context;
    struct metadata_block *block;
    uint8_t *raw;
    status_t status = ext2_get_inode_locked(ext2, change->number, &block, &raw);

    if (is_success(status)) {
        apply_settings(ext2, raw, change->settings);
        metadata_dirty(&ext2->metadata, block);
        metadata_put(&ext2->metadata, block);
    }
    return status;
}

status_t ext2_set_information(struct ext2 *ext2, uint32_t number,
                              const struct ext2_settings *settings)
{
    struct information_change change = {.number = number, .settings = settings};

    return ext2_change(ext2, perform_information_change, &change);
}
