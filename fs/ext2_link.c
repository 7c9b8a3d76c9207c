/*
 * fs/ext2_link.c: one more name for a file.
 *
 * Order. e2fsck -p corrects a count of links that is too large, so the inode, with one link more,
 * is durable before the entry that needs it: nobody who finds both names ever finds a count of one,
 * and gives the file up with the first name that goes.
 *
 * The entry must be durable before the file's other name goes, or it could be left with none: that
 * is the caller's to see to.
 */
#include "abi/constants.h"
#include "fs/ext2_entry.h"

struct linking {
    const struct ext2_name *name;
    uint32_t number;
};

static status_t link_in(struct ext2 *ext2, const struct linking *linking,
                        struct directory *directory, struct metadata_block *inode, uint8_t *raw)
{
    uint32_t links = get16(raw + INODE_LINKS);
    uint32_t mode = get16(raw + INODE_MODE);

    if (directory->match.block != NULL) {
        return STATUS_OBJECT_NAME_COLLISION;
    }
    if (directory->slot.block == NULL) {
        return EXT2_EXTEND_FIRST;
    }
    if (links == 0 || (mode & EXT2_TYPE_MASK) != EXT2_TYPE_FILE) {
        return STATUS_FILE_CORRUPT_ERROR;
    }
    if (links >= EXT2_LINKS_MAX) {
        return STATUS_TOO_MANY_LINKS;
    }
    if (!ext2_order_index(ext2, directory, directory->slot.block) ||
        !ext2_order_inode(ext2, inode, directory, directory->slot.block)) {
        return EXT2_SYNC_FIRST;
    }
    if (ext2_is_newborn_locked(ext2, inode, raw)) {
        ext2_note_newborn(ext2, inode, raw, directory);
    }
    put16(raw + INODE_LINKS, links + 1);
    ext2_touch_inode(ext2, raw, false);
    metadata_dirty(&ext2->metadata, inode);
    ext2_insert_entry(ext2, &directory->slot, linking->name, linking->number,
                      ext2_type_of(ext2, mode));
    ext2_touch_directory(ext2, directory, 0);
    return STATUS_SUCCESS;
}

static status_t perform_linking(struct ext2 *ext2, void *context)
{
    const struct linking *linking = context;
    struct metadata_block *inode = NULL;
    struct directory directory;
    uint8_t *raw;
    status_t status = ext2_get_directory(ext2, linking->name,
                                         ext2_entry_bytes(linking->name->nbytes), &directory);

    if (is_error(status)) {
        return status;
    }
    status = ext2_get_inode_locked(ext2, linking->number, &inode, &raw);
    if (is_success(status)) {
        status = link_in(ext2, linking, &directory, inode, raw);
    }
    metadata_put(&ext2->metadata, inode);
    ext2_put_directory(ext2, &directory);
    return status;
}

status_t ext2_link(struct ext2 *ext2, const struct ext2_name *name, uint32_t number)
{
    struct linking linking = {.name = name, .number = number};

    return ext2_change_directory(ext2, name->directory, perform_linking, &linking);
}
