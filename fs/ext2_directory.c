/*
 * fs/ext2_directory.c: reading directories of ext2: a sequence of whole blocks of entries.
 *
 * An entry is: inode (4 bytes; 0: unused), length of the entry (2), length of the name (1), type
 * of the file (1), name. Entries never cross a block and fill it. An indexed
 * directory (htree) looks the same to a linear search: its index hides in unused entries.
 */
#include "abi/constants.h"
#include "fs/ext2.h"
#include "fs/ext2_format.h"
#include "fs/name.h"
#include "kernel/string.h"

status_t ext2_read_directory_block(struct ext2 *ext2, const uint32_t map[EXT2_MAP_WORDS],
                                   uint32_t n, uint8_t *buffer)
{
    uint32_t block;

    mutex_lock(&ext2->metadata.lock);
    status_t status = ext2_map_one_locked(ext2, map, n, &block);
    if (is_success(status) && block == 0) {
        status = STATUS_FILE_CORRUPT_ERROR; /* directories have no holes */
    }
    if (is_success(status)) {
        status = metadata_read(&ext2->metadata, (uint64_t)block << ext2->block_shift, buffer,
                               ext2->block_bytes);
    }
    mutex_unlock(&ext2->metadata.lock);
    return status;
}

status_t ext2_next_entry(const struct ext2 *ext2, const uint8_t *block, uint32_t *offset,
                         struct ext2_entry *entry)
{
    entry->inode = 0;
    while (*offset < ext2->block_bytes) {
        const uint8_t *raw = block + *offset;
        uint32_t left = ext2->block_bytes - *offset;
        if (left < ENTRY_HEADER) {
            return STATUS_FILE_CORRUPT_ERROR;
        }
        uint32_t length = get16(raw + 4);
        uint32_t name_bytes = raw[6];
        if (length < ENTRY_HEADER || length % 4 != 0 || length > left ||
            name_bytes > length - ENTRY_HEADER) {
            return STATUS_FILE_CORRUPT_ERROR;
        }
        *offset += length;
        if (get32(raw) != 0 && name_bytes > 0) {
            entry->inode = get32(raw);
            entry->name = raw + ENTRY_HEADER;
            entry->name_bytes = name_bytes;
            return STATUS_SUCCESS;
        }
    }
    return STATUS_SUCCESS;
}

/* Where a search has got to. */
struct search {
    const uint8_t *name;
    uint32_t name_bytes;
    uint8_t *found;
    uint32_t found_bytes;
    uint32_t inode; /* 0: nothing yet */
    bool exact;
};

/* Looks at every entry of one block. */
static status_t search_block(const struct ext2 *ext2, const uint8_t *block, struct search *search)
{
    struct ext2_entry entry;
    uint32_t offset = 0;

    for (;;) {
        status_t status = ext2_next_entry(ext2, block, &offset, &entry);
        if (is_error(status) || entry.inode == 0) {
            return status;
        }
        if (entry.name_bytes != search->name_bytes) {
            continue;
        }
        search->exact = memcmp(entry.name, search->name, entry.name_bytes) == 0;
        if (search->exact ||
            (search->inode == 0 && names_equal_fold(entry.name, search->name, entry.name_bytes))) {
            search->inode = entry.inode;
            search->found_bytes = entry.name_bytes;
            memcpy(search->found, entry.name, entry.name_bytes);
        }
        if (search->exact) {
            return STATUS_SUCCESS;
        }
    }
}

status_t ext2_lookup(struct ext2 *ext2, const struct ext2_inode *directory, const uint8_t *name,
                     uint32_t name_bytes, uint8_t *buffer, uint8_t *found, uint32_t *found_bytes,
                     uint32_t *number)
{
    struct search search = {.name = name, .name_bytes = name_bytes, .found = found};
    uint32_t nblocks = (uint32_t)(directory->information.nbytes >> ext2->block_shift);

    for (uint32_t n = 0; n < nblocks && !search.exact; n++) {
        status_t status = ext2_read_directory_block(ext2, directory->map, n, buffer);
        if (is_success(status)) {
            status = search_block(ext2, buffer, &search);
        }
        if (is_error(status)) {
            return status;
        }
    }
    if (search.inode == 0) {
        return STATUS_OBJECT_NAME_NOT_FOUND;
    }
    *found_bytes = search.found_bytes;
    *number = search.inode;
    return STATUS_SUCCESS;
}
