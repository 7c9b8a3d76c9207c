/*
 * fs/ext2_entry.c: names that come and go.
 *
 * A new entry takes the place of an unused one, or what an entry has beyond its name; when no block
 * of the directory has room, the directory first grows by an empty block, a change of its own. An
 * entry that goes becomes part of the one before it, or unused at the beginning of a block.
 *
 * Order. e2fsck -p clears an inode that no entry names while it has no contents (no size, no
 * blocks), takes away an entry whose inode is not in use (no links), and corrects a count of links.
 * But it asks what to do with an inode with contents that no entry names, with a directory that two
 * entries name, or whose `..` is wrong. So, in each case, durable from left to right:
 *
 *      create    the initialised inode, the entry, the inode with its contents
 *      mkdir     the same; the contents are the new block
 *      remove    the inode without links, the entry gone
 *      rmdir     what the directory lost, the inode without links, the entry gone
 *      rename    the new entry, the old entry gone           (fs/ext2_rename.c)
 *      link      the inode with one link more, the entry     (fs/ext2_link.c)
 *
 * Until the next ext2_sync an inode that was made is newborn (fs/metadata_sync.c): nothing of it is
 * on the disk. Its contents are there only when everything else is, so they need no order of their
 * own; and it needs none to go. What lies in a newborn directory is of a later generation: no
 * contents without a name then, either. A file that is not newborn comes into a newborn directory
 * only after an ext2_sync: its old entry would go before the new one is reached.
 *
 * An entry counts as durable when its block is reachable: where the block itself is new, the
 * directory's inode stands for it.
 *
 * A directory with an index (htree) loses it with the first change, and the flag in its inode goes
 * before: without an index its blocks are what any directory's are.
 */
#include "fs/ext2_entry.h"
#include "abi/constants.h"
#include "kernel/string.h"

#define NONE UINT32_MAX

/* The length of the entry at OFFSET, 0 when it cannot be right. */
uint32_t ext2_entry_length(const struct ext2 *ext2, const uint8_t *bytes, uint32_t offset)
{
    uint32_t left = ext2->block_bytes - offset;

    if (left < ENTRY_HEADER) {
        return 0;
    }
    uint32_t length = get16(bytes + offset + ENTRY_LENGTH);
    bool right = length >= ENTRY_HEADER && length % 4 == 0 && length <= left &&
                 bytes[offset + ENTRY_NAME_BYTES] <= length - ENTRY_HEADER;
    return right ? length : 0;
}

/* How many bytes of the entry hold a name. */
uint32_t ext2_entry_used(const uint8_t *entry)
{
    return get32(entry + ENTRY_INODE) == 0 ? 0 : ext2_entry_bytes(entry[ENTRY_NAME_BYTES]);
}

static bool entry_is(const uint8_t *entry, const struct ext2_name *name)
{
    return get32(entry + ENTRY_INODE) != 0 && entry[ENTRY_NAME_BYTES] == name->nbytes &&
           memcmp(entry + ENTRY_HEADER, name->bytes, name->nbytes) == 0;
}

static void take_place(struct place *place, struct metadata_block *block, uint32_t offset)
{
    block->pins++;
    *place = (struct place){block, offset, get32(block->bytes + offset + ENTRY_INODE)};
}

/* Looks at one block: for the name, and for NEED bytes of room (0: none is wanted). */
static status_t scan_block(const struct ext2 *ext2, struct directory *directory,
                           struct metadata_block *block, const struct ext2_name *name,
                           uint32_t need)
{
    for (uint32_t offset = 0; offset < ext2->block_bytes;) {
        const uint8_t *entry = block->bytes + offset;
        uint32_t length = ext2_entry_length(ext2, block->bytes, offset);
        if (length == 0) {
            return STATUS_FILE_CORRUPT_ERROR;
        }
        if (entry_is(entry, name) && directory->match.block == NULL) {
            take_place(&directory->match, block, offset);
        }
        if (need != 0 && directory->slot.block == NULL && length - ext2_entry_used(entry) >= need) {
            take_place(&directory->slot, block, offset);
        }
        offset += length;
    }
    return STATUS_SUCCESS;
}

/* Pins block N of a directory that INODE describes. */
status_t ext2_get_directory_block(struct ext2 *ext2, const struct ext2_inode *inode, uint32_t n,
                                  struct metadata_block **block)
{
    uint32_t number;
    status_t status = ext2_map_one_locked(ext2, inode->map, n, &number);

    return is_error(status) ? status
           : number == 0    ? STATUS_FILE_CORRUPT_ERROR
                            : metadata_get(&ext2->metadata, number, block);
}

/* Looks at block after block until the name, and the room, are found. */
static status_t scan_directory(struct ext2 *ext2, struct directory *directory,
                               const struct ext2_inode *inode, const struct ext2_name *name,
                               uint32_t need)
{
    uint32_t nblocks = (uint32_t)(inode->information.nbytes >> ext2->block_shift);
    status_t status = STATUS_SUCCESS;

    for (uint32_t n = 0; n < nblocks && is_success(status); n++) {
        if (directory->match.block != NULL && (need == 0 || directory->slot.block != NULL)) {
            break;
        }
        struct metadata_block *block;
        status = ext2_get_directory_block(ext2, inode, n, &block);
        if (is_success(status)) {
            status = scan_block(ext2, directory, block, name, need);
            metadata_put(&ext2->metadata, block);
        }
    }
    return status;
}

void ext2_put_directory(struct ext2 *ext2, struct directory *directory)
{
    metadata_put(&ext2->metadata, directory->inode);
    metadata_put(&ext2->metadata, directory->match.block);
    metadata_put(&ext2->metadata, directory->slot.block);
    directory->inode = directory->match.block = directory->slot.block = NULL;
}

/* Gets the directory, the entry of NAME if there is one, and room for it where ROOM is set. */
status_t ext2_get_directory(struct ext2 *ext2, const struct ext2_name *name, uint32_t room,
                            struct directory *directory)
{
    struct ext2_inode inode;

    memset(directory, 0, sizeof(*directory));
    directory->number = name->directory;
    status_t status = ext2_read_inode_locked(ext2, name->directory, &inode);
    if (is_success(status)) {
        status =
            !inode.information.is_directory || inode.information.links == 0
                ? STATUS_FILE_CORRUPT_ERROR
                : ext2_get_inode_locked(ext2, name->directory, &directory->inode, &directory->raw);
    }
    if (is_success(status)) {
        status = scan_directory(ext2, directory, &inode, name, room);
    }
    if (is_error(status)) {
        ext2_put_directory(ext2, directory);
    }
    return status;
}

/* The directory's inode goes before BLOCK where that makes its index wrong. */
bool ext2_order_index(struct ext2 *ext2, const struct directory *directory,
                      struct metadata_block *block)
{
    bool indexed = (get32(directory->raw + INODE_FLAGS) & INODE_FLAG_INDEX) != 0;

    return !indexed || metadata_order(&ext2->metadata, directory->inode, block);
}

/* 0: the directory's inode is not newborn. */
static uint32_t generation_of(const struct ext2 *ext2, const struct directory *directory)
{
    return metadata_generation(&ext2->metadata, directory->inode, directory->raw);
}

/* What makes an entry in BLOCK reachable. */
static struct metadata_block *holder_of(const struct directory *directory,
                                        struct metadata_block *block)
{
    return block->is_new ? directory->inode : block;
}

bool ext2_order_inode(struct ext2 *ext2, struct metadata_block *inode,
                      const struct directory *directory, struct metadata_block *block)
{
    uint32_t generation = generation_of(ext2, directory);

    return generation > 0 ? generation < METADATA_GENERATIONS
                          : metadata_order(&ext2->metadata, inode, holder_of(directory, block));
}

bool ext2_order_entry(struct ext2 *ext2, const struct directory *directory,
                      struct metadata_block *block, struct metadata_block *then)
{
    return generation_of(ext2, directory) == 0 &&
           metadata_order(&ext2->metadata, holder_of(directory, block), then);
}

void ext2_note_newborn(struct ext2 *ext2, struct metadata_block *inode, const uint8_t *raw,
                       const struct directory *directory)
{
    metadata_set_newborn(&ext2->metadata, inode, raw, generation_of(ext2, directory) + 1);
}

/* The directory changed; LINKS more subdirectories. */
void ext2_touch_directory(struct ext2 *ext2, struct directory *directory, int32_t links)
{
    uint8_t *raw = directory->raw;

    put32(raw + INODE_FLAGS, get32(raw + INODE_FLAGS) & ~INODE_FLAG_INDEX);
    put16(raw + INODE_LINKS, get16(raw + INODE_LINKS) + (uint32_t)links);
    ext2_touch_inode(ext2, raw, true);
    metadata_dirty(&ext2->metadata, directory->inode);
}

uint8_t ext2_type_of(const struct ext2 *ext2, uint32_t mode)
{
    return !ext2->has_types                                 ? 0
           : (mode & EXT2_TYPE_MASK) == EXT2_TYPE_DIRECTORY ? ENTRY_TYPE_DIRECTORY
                                                            : ENTRY_TYPE_FILE;
}

static void write_entry(uint8_t *entry, uint32_t inode, uint32_t length, uint8_t type,
                        const uint8_t *name, uint32_t name_bytes)
{
    put32(entry + ENTRY_INODE, inode);
    put16(entry + ENTRY_LENGTH, length);
    entry[ENTRY_NAME_BYTES] = (uint8_t)name_bytes;
    entry[ENTRY_TYPE] = type;
    memcpy(entry + ENTRY_HEADER, name, name_bytes);
}

/* Writes an entry into the room that was found. */
void ext2_insert_entry(struct ext2 *ext2, const struct place *slot, const struct ext2_name *name,
                       uint32_t inode, uint8_t type)
{
    uint8_t *entry = slot->block->bytes + slot->offset;
    uint32_t length = get16(entry + ENTRY_LENGTH);
    uint32_t used = ext2_entry_used(entry);

    if (used > 0) {
        put16(entry + ENTRY_LENGTH, used);
        entry += used;
    }
    write_entry(entry, inode, length - used, type, name->bytes, name->nbytes);
    metadata_dirty(&ext2->metadata, slot->block);
}

/* Takes the entry away. What lies before it may have changed since it was found. */
void ext2_remove_entry(struct ext2 *ext2, const struct place *place)
{
    uint8_t *bytes = place->block->bytes;
    uint32_t previous = NONE;

    for (uint32_t offset = 0; offset < place->offset;) {
        previous = offset;
        offset += get16(bytes + offset + ENTRY_LENGTH);
    }
    put32(bytes + place->offset + ENTRY_INODE, 0);
    if (previous != NONE) {
        uint32_t length = get16(bytes + place->offset + ENTRY_LENGTH);
        put16(bytes + previous + ENTRY_LENGTH, get16(bytes + previous + ENTRY_LENGTH) + length);
    }
    metadata_dirty(&ext2->metadata, place->block);
}

/* ---- create ---- */

struct creation {
    const struct ext2_name *name;
    uint16_t mode;
    uint32_t number; /* 0: none allocated */
    struct metadata_block *inode;
    uint8_t *raw;
    struct metadata_block *entries; /* the block of a new directory */
};

bool ext2_is_directory_mode(uint16_t mode)
{
    return (mode & EXT2_TYPE_MASK) == EXT2_TYPE_DIRECTORY;
}

/* Allocates the inode, and a directory's block. */
static status_t allocate_for(struct ext2 *ext2, struct creation *creation)
{
    bool is_directory = ext2_is_directory_mode(creation->mode);
    uint32_t block;
    uint32_t count;
    status_t status = ext2_allocate_inode_locked(ext2, creation->name->directory, is_directory,
                                                 &creation->number);

    if (is_error(status)) {
        creation->number = 0;
        return status;
    }
    status = ext2_get_inode_locked(ext2, creation->number, &creation->inode, &creation->raw);
    if (is_error(status) || !is_directory) {
        return status;
    }
    status = ext2_allocate_run_locked(ext2, creation->number, 0, 1, &block, &count);
    if (is_success(status)) {
        status =
            metadata_get_new(&ext2->metadata, block, creation->inode->number, &creation->entries);
        if (is_error(status)) {
            ext2_return_run_locked(ext2, block, 1);
        }
    }
    return status;
}

static void undo_allocation(struct ext2 *ext2, struct creation *creation)
{
    if (creation->entries != NULL) {
        uint32_t block = creation->entries->number;
        metadata_put(&ext2->metadata, creation->entries);
        creation->entries = NULL;
        metadata_forget(&ext2->metadata, block);
        ext2_return_run_locked(ext2, block, 1);
    }
    if (creation->number != 0) {
        ext2_return_inode_locked(ext2, creation->number, ext2_is_directory_mode(creation->mode));
    }
}

static bool order_creation(struct ext2 *ext2, struct creation *creation,
                           struct directory *directory)
{
    return ext2_order_inode(ext2, creation->inode, directory, directory->slot.block) &&
           ext2_order_index(ext2, directory, directory->slot.block);
}

/* A new directory's block: `.` and `..`. */
static void fill_directory(struct ext2 *ext2, struct creation *creation)
{
    uint8_t *bytes = creation->entries->bytes;
    uint8_t type = ext2_type_of(ext2, EXT2_TYPE_DIRECTORY);

    write_entry(bytes, creation->number, EXT2_DOT_LENGTH, type, (const uint8_t *)".", 1);
    write_entry(bytes + EXT2_DOT_LENGTH, creation->name->directory,
                ext2->block_bytes - EXT2_DOT_LENGTH, type, (const uint8_t *)"..", 2);
    put32(creation->raw + INODE_MAP, creation->entries->number);
    ext2_set_inode_size(creation->raw, ext2->block_bytes);
    ext2_count_inode_blocks(ext2, creation->raw, 1);
    metadata_dirty(&ext2->metadata, creation->entries);
}

/* Nothing fails from here on. */
static void apply_creation(struct ext2 *ext2, struct creation *creation,
                           struct directory *directory)
{
    bool is_directory = creation->entries != NULL;

    ext2_init_inode(ext2, creation->raw, creation->mode, is_directory ? 2 : 1);
    if (is_directory) {
        fill_directory(ext2, creation);
    }
    metadata_dirty(&ext2->metadata, creation->inode);
    ext2_note_newborn(ext2, creation->inode, creation->raw, directory);
    ext2_insert_entry(ext2, &directory->slot, creation->name, creation->number,
                      ext2_type_of(ext2, creation->mode));
    ext2_touch_directory(ext2, directory, is_directory ? 1 : 0);
}

static status_t create_in(struct ext2 *ext2, struct creation *creation, struct directory *directory)
{
    if (directory->match.block != NULL) {
        return STATUS_OBJECT_NAME_COLLISION;
    }
    if (directory->slot.block == NULL) {
        return EXT2_EXTEND_FIRST;
    }
    if (ext2_is_directory_mode(creation->mode) &&
        get16(directory->raw + INODE_LINKS) >= EXT2_LINKS_MAX) {
        return STATUS_TOO_MANY_LINKS;
    }
    status_t status = allocate_for(ext2, creation);
    if (is_success(status) && !order_creation(ext2, creation, directory)) {
        status = EXT2_SYNC_FIRST;
    }
    if (is_error(status)) {
        undo_allocation(ext2, creation);
    } else {
        apply_creation(ext2, creation, directory);
    }
    metadata_put(&ext2->metadata, creation->entries);
    metadata_put(&ext2->metadata, creation->inode);
    return status;
}

static status_t perform_creation(struct ext2 *ext2, void *context)
{
    struct creation *creation = context;
    struct directory directory;

    creation->number = 0;
    creation->inode = creation->entries = NULL;
    status_t status = ext2_get_directory(ext2, creation->name,
                                         ext2_entry_bytes(creation->name->nbytes), &directory);
    if (is_success(status)) {
        status = create_in(ext2, creation, &directory);
        ext2_put_directory(ext2, &directory);
    }
    return status;
}

/* Makes the change; a directory without room grows first. */
status_t ext2_change_directory(struct ext2 *ext2, uint32_t directory, ext2_change_function *perform,
                               void *context)
{
    status_t status = ext2_change(ext2, perform, context);

    if (status == EXT2_EXTEND_FIRST) {
        status = ext2_extend_directory(ext2, directory);
        if (is_success(status)) {
            status = ext2_change(ext2, perform, context);
        }
    }
    return status == EXT2_EXTEND_FIRST ? STATUS_FILE_CORRUPT_ERROR : status;
}

status_t ext2_create(struct ext2 *ext2, const struct ext2_name *name, uint16_t mode,
                     uint32_t *number)
{
    struct creation creation = {.name = name, .mode = mode};
    status_t status = ext2_change_directory(ext2, name->directory, perform_creation, &creation);

    if (is_success(status)) {
        *number = creation.number;
    }
    return status;
}

/* ---- remove ---- */

struct removal {
    const struct ext2_name *name;
    uint32_t number;
    uint32_t links;
};

/* Whether a block of a directory holds nothing but `.` and `..`. */
static status_t check_block_empty(const struct ext2 *ext2, const uint8_t *bytes)
{
    for (uint32_t offset = 0; offset < ext2->block_bytes;) {
        const uint8_t *entry = bytes + offset;
        uint32_t length = ext2_entry_length(ext2, bytes, offset);
        uint32_t name_bytes = entry[ENTRY_NAME_BYTES];
        if (length == 0) {
            return STATUS_FILE_CORRUPT_ERROR;
        }
        bool dots = name_bytes <= 2 && entry[ENTRY_HEADER] == '.' &&
                    entry[ENTRY_HEADER + name_bytes - 1] == '.';
        if (get32(entry + ENTRY_INODE) != 0 && name_bytes != 0 && !dots) {
            return STATUS_DIRECTORY_NOT_EMPTY;
        }
        offset += length;
    }
    return STATUS_SUCCESS;
}

/* Whether the directory is empty. What it lost is durable before its inode, in BLOCK, is given up.
 */
static status_t check_directory_empty(struct ext2 *ext2, const struct ext2_inode *inode,
                                      struct metadata_block *block)
{
    uint32_t nblocks = (uint32_t)(inode->information.nbytes >> ext2->block_shift);
    status_t status = STATUS_SUCCESS;

    for (uint32_t n = 0; n < nblocks && is_success(status); n++) {
        struct metadata_block *entries;
        status = ext2_get_directory_block(ext2, inode, n, &entries);
        if (is_error(status)) {
            break;
        }
        status = check_block_empty(ext2, entries->bytes);
        if (is_success(status) && entries->dirty &&
            !metadata_order(&ext2->metadata, entries, block)) {
            status = EXT2_SYNC_FIRST;
        }
        metadata_put(&ext2->metadata, entries);
    }
    return status;
}

/* Whether the inode may lose a name: a file that can be given up, or an empty directory. */
static status_t check_removable(struct ext2 *ext2, uint32_t number, const struct ext2_inode *inode,
                                struct metadata_block *block)
{
    uint32_t type = inode->mode & EXT2_TYPE_MASK;

    if (number < ext2->first_inode || inode->information.links == 0) {
        return STATUS_FILE_CORRUPT_ERROR;
    }
    if (type == EXT2_TYPE_DIRECTORY) {
        return check_directory_empty(ext2, inode, block);
    }
    return type == EXT2_TYPE_FILE ? STATUS_SUCCESS : STATUS_NOT_SUPPORTED;
}

/* Whether the entry that goes may be written when its inode has lost the link. */
static bool order_removal(struct ext2 *ext2, struct metadata_block *inode, const uint8_t *raw,
                          const struct directory *directory)
{
    return ext2_order_index(ext2, directory, directory->match.block) &&
           (ext2_is_newborn_locked(ext2, inode, raw) ||
            metadata_order(&ext2->metadata, inode, directory->match.block));
}

/* Nothing fails from here on. */
static void apply_removal(struct ext2 *ext2, struct removal *removal, struct directory *directory,
                          struct metadata_block *inode, uint8_t *raw)
{
    bool is_directory = ext2_is_directory_mode((uint16_t)get16(raw + INODE_MODE));

    removal->links = is_directory ? 0 : get16(raw + INODE_LINKS) - 1;
    put16(raw + INODE_LINKS, removal->links);
    ext2_touch_inode(ext2, raw, false);
    metadata_dirty(&ext2->metadata, inode);
    ext2_remove_entry(ext2, &directory->match);
    ext2_touch_directory(ext2, directory, is_directory ? -1 : 0);
}

static status_t remove_from(struct ext2 *ext2, struct removal *removal, struct directory *directory)
{
    struct ext2_inode inode;
    struct metadata_block *block;
    uint8_t *raw;

    if (directory->match.block == NULL) {
        return STATUS_OBJECT_NAME_NOT_FOUND;
    }
    removal->number = directory->match.inode;
    status_t status = ext2_read_inode_locked(ext2, removal->number, &inode);
    if (is_success(status)) {
        status = ext2_get_inode_locked(ext2, removal->number, &block, &raw);
    }
    if (is_error(status)) {
        return status;
    }
    status = check_removable(ext2, removal->number, &inode, block);
    if (is_success(status) && !order_removal(ext2, block, raw, directory)) {
        status = EXT2_SYNC_FIRST;
    }
    if (is_success(status)) {
        apply_removal(ext2, removal, directory, block, raw);
    }
    metadata_put(&ext2->metadata, block);
    return status;
}

static status_t perform_removal(struct ext2 *ext2, void *context)
{
    struct removal *removal = context;
    struct directory directory;
    status_t status = ext2_get_directory(ext2, removal->name, 0, &directory);

    if (is_success(status)) {
        status = remove_from(ext2, removal, &directory);
        ext2_put_directory(ext2, &directory);
    }
    return status;
}

status_t ext2_remove(struct ext2 *ext2, const struct ext2_name *name, uint32_t *number,
                     uint32_t *links)
{
    struct removal removal = {.name = name};
    status_t status = ext2_change(ext2, perform_removal, &removal);

    if (is_success(status)) {
        *number = removal.number;
        *links = removal.links;
    }
    return status;
}
