/*
 * fs/delete.c: closing files, and names that go.
 *
 * A file that is to be deleted keeps its name until its last open is closed; meanwhile nobody can
 * open it. Then the name goes; blocks and inode follow with the last user, which may be a section.
 *
 *      set_disposition, or closing an open with FILE_DELETE_ON_CLOSE: DELETE PENDING
 *      last close: UNLINKED     last user: its inode is given up (fs/table.c)
 */
#include "fs/internal.h"

#include "abi/constants.h"
#include "fs/range_lock.h"
#include "kernel/log.h"
#include "mm/pool.h"

/* Whether a directory block holds an entry besides `.` and `..`. */
static status_t check_block_empty(const struct ext2 *ext2, const uint8_t *block)
{
    struct ext2_entry entry;
    uint32_t offset = 0;

    for (;;) {
        status_t status = ext2_next_entry(ext2, block, &offset, &entry);
        if (is_error(status) || entry.inode == 0) {
            return status;
        }
        bool dots = entry.name_bytes <= 2 && entry.name[0] == '.' &&
                    entry.name[entry.name_bytes - 1] == '.';
        if (!dots) {
            return STATUS_DIRECTORY_NOT_EMPTY;
        }
    }
}

status_t fsi_check_empty(struct volume *volume, uint32_t number)
{
    struct ext2 *ext2 = &volume->ext2;
    struct ext2_inode inode;
    status_t status = ext2_read_inode(ext2, number, &inode);
    uint32_t nblocks =
        is_success(status) ? (uint32_t)(inode.information.nbytes >> ext2->block_shift) : 0;

    for (uint32_t n = 0; n < nblocks && is_success(status); n++) {
        status = ext2_read_directory_block(ext2, inode.map, n, fsi_path.block);
        if (is_success(status)) {
            status = check_block_empty(ext2, fsi_path.block);
        }
    }
    return status;
}

status_t fsi_unlink(struct file *file, uint32_t parent, const uint16_t *path, uint32_t length)
{
    uint8_t bytes[EXT2_NAME_BYTES];
    struct ext2_name name;
    uint32_t number;
    uint32_t links = 1;
    status_t status = fsi_name_of_path(parent, path, length, bytes, &name);

    if (is_success(status)) {
        status = ext2_remove(&file->volume->ext2, &name, &number, &links);
    }
    if (is_error(status)) {
        return status;
    }
    fsi_names_forget_inode(file->volume, file->inode);
    fsi_directory_changed(file->volume, parent);
    mutex_lock(&file->paging_lock);
    file->information.links = links;
    mutex_unlock(&file->paging_lock);
    file->unlinked = links == 0;
    return STATUS_SUCCESS;
}

/* The open's name is the one that goes, however long the file is open besides. */
static void doom_name(struct open_file *open) REQUIRES(fsi.lock)
{
    struct file *file = open->file;

    if (file->doomed_path == NULL) {
        file->doomed_parent = open->parent;
        file->doomed_path = open->path;
        file->doomed_length = open->path_length;
        open->path = NULL;
    }
}

static void forget_doom(struct file *file) REQUIRES(fsi.lock)
{
    file->delete_pending = false;
    fsi_free_text(file->doomed_path, file->doomed_length);
    file->doomed_path = NULL;
}

/* The last open was closed. */
static void delete_file(struct file *file) REQUIRES(fsi.lock)
{
    status_t status = fsi_unlink(file, file->doomed_parent, file->doomed_path, file->doomed_length);

    if (is_error(status) && status != STATUS_DIRECTORY_NOT_EMPTY) {
        log_print("%c:\\: a file could not be deleted: status 0x%08x\n", file->volume->letter,
                  (unsigned)status);
    }
    forget_doom(file);
}

void fs_close(struct open_file *open)
{
    struct file *file = open->file;

    fsi_release_ranges(open, NULL);
    mutex_lock(&fsi.lock);
    list_remove(&open->link);
    if ((open->options & FILE_DELETE_ON_CLOSE) != 0) {
        file->delete_pending = true;
        open->deletes = true;
    }
    if (file->delete_pending && open->deletes) {
        doom_name(open);
    }
    if (list_is_empty(&file->opens) && file->delete_pending) {
        delete_file(file);
    }
    mutex_unlock(&fsi.lock);
    status_t status = fsi_write_times(file);
    (void)status; /* they stay changed, and are written with the file */
    fsi_free_text(open->path, open->path_length);
    fsi_free_text(open->pattern, open->pattern_length);
    mm_free(open, sizeof(*open));
    fsi_release_file(file);
}

static status_t check_deletion(const struct open_file *open) REQUIRES(fsi.lock)
{
    const struct file *file = open->file;

    if (!fsi_is_writable(file)) {
        return STATUS_MEDIA_WRITE_PROTECTED;
    }
    if ((file->information.attributes & FILE_ATTRIBUTE_READONLY) != 0 || open->parent == 0 ||
        fsi_is_mapped(file, false)) {
        return STATUS_CANNOT_DELETE;
    }
    return file->information.is_directory ? fsi_check_empty(file->volume, file->inode)
                                          : STATUS_SUCCESS;
}

status_t fs_set_disposition(struct open_file *open, bool delete)
{
    struct file *file = open->file;
    status_t status = STATUS_SUCCESS;

    mutex_lock(&fsi.lock);
    if (!delete) {
        forget_doom(file);
        open->deletes = false;
    } else {
        status = check_deletion(open);
        if (is_success(status)) {
            file->delete_pending = true;
            open->deletes = true;
        }
    }
    mutex_unlock(&fsi.lock);
    return status;
}
