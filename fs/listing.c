/*
 * fs/listing.c: listing a directory, entry by entry, with a pattern.
 *
 * The cursor is an offset in the directory. Entries stay where they are while others come and go;
 * but one that goes may become part of the one before it, so a block is always followed from its
 * beginning, up to the first entry at or after the cursor. The root shows no `.` and `..`, as on
 * Windows.
 */
#include "fs/internal.h"

#include "fs/ext2_entry.h"
#include "fs/name.h"

static bool is_dots(const struct ext2_entry *entry)
{
    return entry->name[0] == '.' &&
           (entry->name_bytes == 1 || (entry->name_bytes == 2 && entry->name[1] == '.'));
}

status_t fs_directory_begin(struct open_file *open, const uint16_t *pattern,
                            uint32_t pattern_length, bool restart)
{
    status_t status = STATUS_SUCCESS;

    if (!open->file->information.is_directory || pattern_length > FILE_NAME_CHARACTERS) {
        return STATUS_INVALID_PARAMETER;
    }
    mutex_lock(&open->lock);
    if (pattern != NULL && pattern_length > 0 && (restart || !open->listing)) {
        uint16_t *copy = fsi_copy_text(pattern, pattern_length);
        if (copy == NULL) {
            status = STATUS_INSUFFICIENT_RESOURCES;
        } else {
            fsi_free_text(open->pattern, open->pattern_length);
            open->pattern = copy;
            open->pattern_length = pattern_length;
        }
    }
    if (is_success(status)) {
        open->listing = true;
        if (restart) {
            open->cursor = 0;
            open->listed = false;
        }
    }
    mutex_unlock(&open->lock);
    return status;
}

/* Whether the listing shows NAME: `*.*` is every name, as it always was. */
static bool is_shown(const struct open_file *open, const uint16_t *name, uint32_t length)
{
    const uint16_t *pattern = open->pattern;

    if (pattern == NULL || (open->pattern_length == 3 && pattern[0] == '*' && pattern[1] == '.' &&
                            pattern[2] == '*')) {
        return true;
    }
    return name_matches(pattern, open->pattern_length, name, length);
}

/* Takes RAW over into ENTRY when the listing shows it; *SHOWN says so. */
static status_t take_entry_locked(const struct open_file *open, const struct ext2_entry *raw,
                                  struct directory_entry *entry, bool *shown) REQUIRES(fsi.lock)
{
    struct ext2_inode inode;

    *shown = false;
    if (is_dots(raw) && open->file->inode == EXT2_ROOT_INODE) {
        return STATUS_SUCCESS;
    }
    entry->name_length = name_to_utf16(raw->name, raw->name_bytes, entry->name);
    if (!is_shown(open, entry->name, entry->name_length)) {
        return STATUS_SUCCESS;
    }
    status_t status = ext2_read_inode(&open->file->volume->ext2, raw->inode, &inode);
    if (is_error(status)) {
        return status;
    }
    entry->information = inode.information;
    *shown = true;
    struct file *file = fsi_find_file(open->file->volume, raw->inode);
    if (file != NULL && !file->information.is_directory) { /* it knows better */
        mutex_lock(&file->paging_lock);
        entry->information = file->information;
        mutex_unlock(&file->paging_lock);
        entry->information.allocation_nbytes = inode.information.allocation_nbytes;
    }
    fsi_hide_directory_size(&entry->information);
    return STATUS_SUCCESS;
}

/* Where the first entry at or after FROM begins, in the block that was read. */
static status_t find_entry(const struct ext2 *ext2, uint32_t from, uint32_t *offset)
{
    *offset = 0;
    while (*offset < from && *offset < ext2->block_bytes) {
        uint32_t length = ext2_entry_length(ext2, fsi_path.block, *offset);
        if (length == 0) {
            return STATUS_FILE_CORRUPT_ERROR;
        }
        *offset += length;
    }
    return STATUS_SUCCESS;
}

/* Looks for the next entry in block N from *OFFSET on. */
static status_t search_block_locked(const struct open_file *open, uint32_t n, uint32_t *offset,
                                    struct directory_entry *entry, bool *shown) REQUIRES(fsi.lock)
{
    struct ext2 *ext2 = &open->file->volume->ext2;
    struct ext2_entry raw;
    struct ext2_inode inode;
    status_t status = ext2_read_inode(ext2, open->file->inode, &inode);

    if (is_success(status)) {
        status = ext2_read_directory_block(ext2, inode.map, n, fsi_path.block);
    }
    if (is_success(status)) {
        status = find_entry(ext2, *offset, offset);
    }
    *shown = false;
    while (is_success(status) && !*shown) {
        status = ext2_next_entry(ext2, fsi_path.block, offset, &raw);
        if (is_error(status) || raw.inode == 0) {
            break;
        }
        status = take_entry_locked(open, &raw, entry, shown);
    }
    return status;
}

status_t fs_directory_next(struct open_file *open, struct directory_entry *entry)
{
    const struct ext2 *ext2 = &open->file->volume->ext2;
    status_t status = STATUS_SUCCESS;
    bool shown = false;

    mutex_lock(&open->lock);
    mutex_lock(&fsi.lock);
    uint64_t end = open->file->information.nbytes;
    uint32_t n = open->cursor >> ext2->block_shift;
    uint32_t offset = open->cursor & (ext2->block_bytes - 1);
    while (is_success(status) && !shown && (uint64_t)n << ext2->block_shift < end) {
        status = search_block_locked(open, n, &offset, entry, &shown);
        if (is_success(status) && shown) {
            entry->next_cursor = (n << ext2->block_shift) + offset;
        }
        n++;
        offset = 0;
    }
    mutex_unlock(&fsi.lock);
    if (is_success(status) && !shown) {
        status = open->listed ? STATUS_NO_MORE_FILES : STATUS_NO_SUCH_FILE;
    }
    mutex_unlock(&open->lock);
    return status;
}

void fs_directory_accept(struct open_file *open, const struct directory_entry *entry)
{
    mutex_lock(&open->lock);
    open->cursor = entry->next_cursor;
    open->listed = true;
    mutex_unlock(&open->lock);
}
