/*
 * fs/ext2_rename.c: names that change.
 *
 * Within one block both entries change at once; a name that fits where the old one stood is written
 * there. Otherwise, for a file, the new entry is durable before the old one goes.
 *
 * Replacing a file. Neither may the file that has the name be given up before the other has it, nor
 * be without a name before it is given up. So it gets another name for a moment, `#` and its inode
 * number (as in lost+found), in the same step; that step is durable before the file is removed:
 *
 *      sync;  name -> new file, #n -> old file, the new file's old name gone;  sync;  remove #n
 *
 * Moving a directory to another one changes three blocks (both parents and its own `..`), of which
 * e2fsck -p accepts no part without the others. So the directory is made anew at the other place;
 * what it holds is moved file by file, directories within it in the same way, and what is then
 * empty is removed. After a crash in the middle, everything is at one place or the other.
 */
#include "abi/constants.h"
#include "fs/ext2_entry.h"
#include "kernel/format.h"
#include "kernel/string.h"
#include "mm/pool.h"

#define MOVE_TREE ((status_t)0xE0000003)
#define REPLACE   ((status_t)0xE0000004)
#define DEPTH_MAX 128u
#define SPARE_MAX 24u /* bytes of `#` and a number */

struct renaming {
    const struct ext2_name *from;
    const struct ext2_name *to;
    struct ext2_name spare; /* of the file that is replaced; nbytes 0: none may be */
    uint32_t number;

    /* One change's. */
    struct directory old;
    struct directory target;
    struct metadata_block *inode; /* of what is renamed */
    uint8_t *raw;
};

/* Room for NEED bytes in BLOCK; the entry at OFFSET will be gone. */
static bool find_room(const struct ext2 *ext2, struct metadata_block *block, uint32_t need,
                      struct place *slot)
{
    for (uint32_t offset = 0; offset < ext2->block_bytes;) {
        uint32_t length = ext2_entry_length(ext2, block->bytes, offset);
        if (length == 0) {
            return false;
        }
        if (length - ext2_entry_used(block->bytes + offset) >= need) {
            *slot = (struct place){.block = block, .offset = offset};
            return true;
        }
        offset += length;
    }
    return false;
}

/* Whether the new name can be written into the block of the old one; then it is. */
static bool rename_in_block(struct ext2 *ext2, struct renaming *renaming)
{
    struct place *old = &renaming->old.match;
    uint8_t *entry = old->block->bytes + old->offset;
    uint32_t need = ext2_entry_bytes(renaming->to->nbytes);
    struct place slot;

    if (renaming->from->directory != renaming->to->directory) {
        return false;
    }
    if (need <= get16(entry + ENTRY_LENGTH)) {
        entry[ENTRY_NAME_BYTES] = (uint8_t)renaming->to->nbytes;
        memcpy(entry + ENTRY_HEADER, renaming->to->bytes, renaming->to->nbytes);
        metadata_dirty(&ext2->metadata, old->block);
        return true;
    }
    if (!find_room(ext2, old->block, need, &slot)) {
        return false;
    }
    uint8_t type = entry[ENTRY_TYPE];
    ext2_insert_entry(ext2, &slot, renaming->to, renaming->number, type);
    ext2_remove_entry(ext2, old);
    return true;
}

/* The directories and the file itself changed. */
static void touch_all(struct ext2 *ext2, struct renaming *renaming)
{
    ext2_touch_directory(ext2, &renaming->old, 0);
    ext2_touch_directory(ext2, &renaming->target, 0);
    ext2_touch_inode(ext2, renaming->raw, false);
    metadata_dirty(&ext2->metadata, renaming->inode);
}

/*
 * Says the order of a file's new entry, in block TO, and its old one, in FROM. The old entry of an
 * inode that is newborn is not on the disk.
 */
static bool order_entries(struct ext2 *ext2, struct renaming *renaming, struct metadata_block *to,
                          struct metadata_block *from)
{
    if (!ext2_is_newborn_locked(ext2, renaming->inode, renaming->raw)) {
        return ext2_order_entry(ext2, &renaming->target, to, from);
    }
    return ext2_order_inode(ext2, renaming->inode, &renaming->target, to);
}

/* A file gets an entry in another block. */
static status_t rename_between(struct ext2 *ext2, struct renaming *renaming)
{
    struct metadata_block *from = renaming->old.match.block;
    struct metadata_block *to = renaming->target.slot.block;

    if (to == NULL) {
        return EXT2_EXTEND_FIRST;
    }
    if (!ext2_order_index(ext2, &renaming->old, from) ||
        !ext2_order_index(ext2, &renaming->target, to) ||
        !order_entries(ext2, renaming, to, from)) {
        return EXT2_SYNC_FIRST;
    }
    if (ext2_is_newborn_locked(ext2, renaming->inode, renaming->raw)) {
        ext2_note_newborn(ext2, renaming->inode, renaming->raw, &renaming->target);
    }
    ext2_insert_entry(ext2, &renaming->target.slot, renaming->to, renaming->number,
                      ext2_type_of(ext2, get16(renaming->raw + INODE_MODE)));
    ext2_remove_entry(ext2, &renaming->old.match);
    touch_all(ext2, renaming);
    return STATUS_SUCCESS;
}

/* The file TO is there: it gets the spare name. */
static status_t replace(struct ext2 *ext2, struct renaming *renaming)
{
    struct place *match = &renaming->target.match;
    struct metadata_block *from = renaming->old.match.block;
    struct metadata_block *spare = renaming->target.slot.block;
    uint8_t type = ext2_type_of(ext2, get16(renaming->raw + INODE_MODE));

    if (renaming->spare.nbytes == 0) {
        return REPLACE;
    }
    if (spare == NULL) {
        return EXT2_EXTEND_FIRST;
    }
    if (!ext2_order_index(ext2, &renaming->old, from) ||
        !ext2_order_index(ext2, &renaming->target, match->block) ||
        !ext2_order_index(ext2, &renaming->target, spare) ||
        ext2_is_newborn_locked(ext2, renaming->inode, renaming->raw) ||
        !ext2_order_entry(ext2, &renaming->target, spare, match->block) ||
        !metadata_order(&ext2->metadata, match->block, from)) {
        return EXT2_SYNC_FIRST;
    }
    ext2_insert_entry(ext2, &renaming->target.slot, &renaming->spare, match->inode, type);
    put32(match->block->bytes + match->offset + ENTRY_INODE, renaming->number);
    metadata_dirty(&ext2->metadata, match->block);
    ext2_remove_entry(ext2, &renaming->old.match);
    touch_all(ext2, renaming);
    return STATUS_SUCCESS;
}

/* Whether the file that has the name TO may be replaced. */
static status_t check_replaced(struct ext2 *ext2, const struct renaming *renaming)
{
    struct ext2_inode inode;
    struct metadata_block *block;
    uint8_t *raw;
    status_t status = ext2_read_inode_locked(ext2, renaming->target.match.inode, &inode);

    if (is_success(status)) {
        status = ext2_get_inode_locked(ext2, renaming->target.match.inode, &block, &raw);
    }
    if (is_error(status)) {
        return status;
    }
    bool is_newborn = ext2_is_newborn_locked(ext2, block, raw);
    metadata_put(&ext2->metadata, block);
    if (is_newborn) {
        return EXT2_SYNC_FIRST; /* it gets the spare name, which would need an order, too */
    }
    bool is_file = (inode.mode & EXT2_TYPE_MASK) == EXT2_TYPE_FILE &&
                   (get16(renaming->raw + INODE_MODE) & EXT2_TYPE_MASK) == EXT2_TYPE_FILE;
    return is_file && renaming->target.match.inode != renaming->number
               ? STATUS_SUCCESS
               : STATUS_OBJECT_NAME_COLLISION;
}

/* All that is needed is pinned. */
static status_t rename_found(struct ext2 *ext2, struct renaming *renaming)
{
    bool is_directory = ext2_is_directory_mode((uint16_t)get16(renaming->raw + INODE_MODE));

    if (renaming->target.match.block != NULL) {
        status_t status = check_replaced(ext2, renaming);
        return is_error(status) ? status : replace(ext2, renaming);
    }
    if (!ext2_order_index(ext2, &renaming->old, renaming->old.match.block)) {
        return EXT2_SYNC_FIRST;
    }
    if (rename_in_block(ext2, renaming)) {
        touch_all(ext2, renaming);
        return STATUS_SUCCESS;
    }
    return is_directory ? MOVE_TREE : rename_between(ext2, renaming);
}

static status_t perform_renaming(struct ext2 *ext2, void *context)
{
    struct renaming *renaming = context;
    uint32_t room = ext2_entry_bytes(renaming->spare.nbytes > 0 ? renaming->spare.nbytes
                                                                : renaming->to->nbytes);

    renaming->inode = NULL;
    memset(&renaming->target, 0, sizeof(renaming->target));
    status_t status = ext2_get_directory(ext2, renaming->from, 0, &renaming->old);
    if (is_success(status)) {
        status = ext2_get_directory(ext2, renaming->to, room, &renaming->target);
    }
    renaming->number = renaming->old.match.inode;
    if (is_success(status) && renaming->old.match.block == NULL) {
        status = STATUS_OBJECT_NAME_NOT_FOUND;
    }
    if (is_success(status)) {
        status = ext2_get_inode_locked(ext2, renaming->number, &renaming->inode, &renaming->raw);
    }
    if (is_success(status)) {
        status = get16(renaming->raw + INODE_LINKS) == 0 ? STATUS_FILE_CORRUPT_ERROR
                                                         : rename_found(ext2, renaming);
    }
    metadata_put(&ext2->metadata, renaming->inode);
    ext2_put_directory(ext2, &renaming->target);
    ext2_put_directory(ext2, &renaming->old);
    return status;
}

/* ---- replacing ---- */

/* A name of its own for the file that is replaced: no other file's. */
static void make_spare_name(char *text, struct ext2_name *spare, uint32_t number, uint32_t try)
{
    kformat(text, SPARE_MAX, "#%u.%u", number, try);
    spare->bytes = (const uint8_t *)text;
    spare->nbytes = (uint32_t)strnlen(text, SPARE_MAX);
}

static status_t rename_over(struct ext2 *ext2, struct renaming *renaming,
                            struct ext2_renamed *renamed)
{
    char text[SPARE_MAX];
    struct ext2_inode inode;
    uint8_t *buffer = mm_allocate(EXT2_BLOCK_MAX + EXT2_NAME_BYTES);

    if (buffer == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    status_t status = ext2_read_inode(ext2, renaming->to->directory, &inode);
    for (uint32_t try = 0; is_success(status); try++) {
        uint32_t nbytes;
        uint32_t other;
        renaming->spare.directory = renaming->to->directory;
        make_spare_name(text, &renaming->spare, renaming->number, try);
        status = ext2_lookup(ext2, &inode, renaming->spare.bytes, renaming->spare.nbytes, buffer,
                             buffer + EXT2_BLOCK_MAX, &nbytes, &other);
    }
    mm_free(buffer, EXT2_BLOCK_MAX + EXT2_NAME_BYTES);
    if (status == STATUS_OBJECT_NAME_NOT_FOUND) {
        status = ext2_sync(ext2);
    }
    if (is_success(status)) {
        status = ext2_change_directory(ext2, renaming->to->directory, perform_renaming, renaming);
        renamed->happened = is_success(status);
    }
    if (is_success(status)) {
        status = ext2_sync(ext2);
    }
    if (is_success(status)) {
        status = ext2_remove(ext2, &renaming->spare, &renamed->replaced, &renamed->links);
    }
    renaming->spare.bytes = NULL;
    return status;
}

/* ---- moving a directory ---- */

struct move {
    uint32_t depth; /* of the directory that is being emptied */
    uint32_t from[DEPTH_MAX];
    uint32_t to[DEPTH_MAX];
    uint8_t name[EXT2_NAME_BYTES]; /* of what is being moved */
    uint32_t name_bytes;
    uint8_t block[EXT2_BLOCK_MAX];
};

static bool is_dots(const struct ext2_entry *entry)
{
    return entry->name[0] == '.' &&
           (entry->name_bytes == 1 || (entry->name_bytes == 2 && entry->name[1] == '.'));
}

/* The first entry of a directory that is not `.` or `..`: move->name, and *NUMBER, 0: none. */
static status_t find_child(struct ext2 *ext2, struct move *move, uint32_t directory,
                           uint32_t *number)
{
    struct ext2_inode inode;
    struct ext2_entry entry;
    status_t status = ext2_read_inode(ext2, directory, &inode);
    uint32_t nblocks =
        is_success(status) ? (uint32_t)(inode.information.nbytes >> ext2->block_shift) : 0;

    *number = 0;
    for (uint32_t n = 0; n < nblocks && is_success(status); n++) {
        uint32_t offset = 0;
        status = ext2_read_directory_block(ext2, inode.map, n, move->block);
        while (is_success(status) && offset < ext2->block_bytes) {
            status = ext2_next_entry(ext2, move->block, &offset, &entry);
            if (is_success(status) && entry.inode != 0 && !is_dots(&entry)) {
                memcpy(move->name, entry.name, entry.name_bytes);
                move->name_bytes = entry.name_bytes;
                *number = entry.inode;
                return STATUS_SUCCESS;
            }
        }
    }
    return status;
}

/* Removes a directory that was emptied and gives it up, once the one in its place is durable. */
static status_t remove_emptied(struct ext2 *ext2, const struct ext2_name *name)
{
    uint32_t number = 0;
    uint32_t links = 0;
    status_t status = ext2_sync(ext2);

    if (is_success(status)) {
        status = ext2_remove(ext2, name, &number, &links);
    }

    return is_error(status) ? status : ext2_release(ext2, number);
}

/* A directory like inode NUMBER, of the name TO. */
static status_t create_like(struct ext2 *ext2, uint32_t number, const struct ext2_name *to,
                            uint32_t *created)
{
    struct ext2_inode inode;
    status_t status = ext2_read_inode(ext2, number, &inode);

    if (is_success(status)) {
        status = ext2_create(ext2, to, inode.mode, created);
    }
    if (is_error(status)) {
        return status;
    }
    const struct ext2_settings settings = {
        .creation_time = inode.information.creation_time,
        .access_time = inode.information.access_time,
    };
    return ext2_set_information(ext2, *created, &settings);
}

/* Moves one thing out of the directory at the present depth; a directory becomes the next depth. */
static status_t move_child(struct ext2 *ext2, struct move *move, uint32_t number)
{
    struct ext2_inode inode;
    const struct ext2_name from = {move->from[move->depth], move->name, move->name_bytes};
    const struct ext2_name to = {move->to[move->depth], move->name, move->name_bytes};
    status_t status = ext2_read_inode(ext2, number, &inode);

    if (is_error(status)) {
        return status;
    }
    if (!inode.information.is_directory) {
        struct renaming renaming = {.from = &from, .to = &to};
        return ext2_change_directory(ext2, to.directory, perform_renaming, &renaming);
    }
    if (move->depth + 1 == DEPTH_MAX) {
        return STATUS_NAME_TOO_LONG;
    }
    status = create_like(ext2, number, &to, &move->to[move->depth + 1]);
    if (is_success(status)) {
        move->depth++;
        move->from[move->depth] = number;
    }
    return status;
}

/* Empties move->from[0] into move->to[0]. */
static status_t move_children(struct ext2 *ext2, struct move *move)
{
    bool emptied = false; /* the first child is a directory that was emptied */

    for (;;) {
        uint32_t number;
        status_t status = find_child(ext2, move, move->from[move->depth], &number);
        if (is_error(status) || (number == 0 && move->depth == 0)) {
            return status;
        }
        if (number == 0) {
            move->depth--;
            emptied = true;
            continue;
        }
        if (emptied) {
            const struct ext2_name name = {move->from[move->depth], move->name, move->name_bytes};
            status = remove_emptied(ext2, &name);
            emptied = false;
        } else {
            status = move_child(ext2, move, number);
        }
        if (is_error(status)) {
            return status;
        }
    }
}

static status_t move_tree(struct ext2 *ext2, const struct renaming *renaming, uint32_t *number)
{
    struct move *move = mm_allocate(sizeof(*move));

    if (move == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    move->from[0] = renaming->number;
    status_t status = create_like(ext2, renaming->number, renaming->to, &move->to[0]);
    if (is_success(status)) {
        status = move_children(ext2, move);
    }
    if (is_success(status)) {
        *number = move->to[0];
        status = remove_emptied(ext2, renaming->from);
    }
    mm_free(move, sizeof(*move));
    return status;
}

status_t ext2_rename(struct ext2 *ext2, const struct ext2_name *from, const struct ext2_name *to,
                     struct ext2_renamed *renamed)
{
    struct renaming renaming = {.from = from, .to = to};
    status_t status = ext2_change_directory(ext2, to->directory, perform_renaming, &renaming);

    *renamed = (struct ext2_renamed){.number = renaming.number};
    if (status == REPLACE) {
        return rename_over(ext2, &renaming, renamed);
    }
    if (status == MOVE_TREE) {
        status = move_tree(ext2, &renaming, &renamed->number);
    }
    renamed->happened = is_success(status);
    return status;
}
