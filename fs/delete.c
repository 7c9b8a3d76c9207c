/*
 * fs/delete.c: closing files, and names that go.
 *
 * A name that is to go stays until the last open of it is closed; meanwhile nobody can open it.
 * When the file's last name has gone, blocks and inode follow with the last user, which may be a
 * section.
 *
 *      set_disposition, or closing an open with FILE_DELETE_ON_CLOSE: DELETE PENDING
 *      last close: the name goes; it was the last one: UNLINKED
 *      last user: its inode is given up (fs/table.c)
 *
 * That a name is going, some open of it knows; when that is closed, it tells another.
 */
#include "fs/internal.h"

#include "abi/constants.h"
#include "fs/range_lock.h"
#include "kernel/log.h"
#include "kernel/string.h"
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

/* ---- names that are going ---- */

bool fsi_has_name(const struct open_file *open, uint32_t parent, const uint16_t *path,
                  uint32_t length)
{
    return open->parent == parent && open->path_length == length &&
           memcmp(open->path, path, length * sizeof(uint16_t)) == 0;
}

/* An open of the same name, but OPEN itself; or NULL. */
static struct open_file *find_namesake(const struct open_file *open) REQUIRES(fsi.lock)
{
    list_for_each(link, &open->file->opens) {
        struct open_file *other = list_entry(link, struct open_file, link);
        if (other != open && fsi_has_name(other, open->parent, open->path, open->path_length)) {
            return other;
        }
    }
    return NULL;
}

bool fsi_name_is_going(const struct file *file, uint32_t parent, const uint16_t *path,
                       uint32_t length)
{
    list_for_each(link, &file->opens) {
        const struct open_file *open = list_entry(link, struct open_file, link);
        if (open->deletes && fsi_has_name(open, parent, path, length)) {
            return true;
        }
    }
    return false;
}

bool fsi_is_going(const struct file *file)
{
    list_for_each(link, &file->opens) {
        if (list_entry(link, struct open_file, link)->deletes) {
            return true;
        }
    }
    return false;
}

/* The open, which is no more, wanted its name to go: another of that name does now, or it goes. */
static void delete_name(const struct open_file *open) REQUIRES(fsi.lock)
{
    struct file *file = open->file;
    struct open_file *other = find_namesake(open);

    if (other != NULL) {
        other->deletes = true;
        return;
    }
    status_t status = fsi_unlink(file, open->parent, open->path, open->path_length);
    if (is_error(status) && status != STATUS_DIRECTORY_NOT_EMPTY) {
        log_print("%c:\\: a file could not be deleted: status 0x%08x\n", file->volume->letter,
                  (unsigned)status);
    }
}

void fs_close(struct open_file *open)
{
    struct file *file = open->file;

    fsi_release_ranges(open, NULL);
    mutex_lock(&fsi.lock);
    list_remove(&open->link);
    if (open->deletes || (open->options & FILE_DELETE_ON_CLOSE) != 0) {
        delete_name(open);
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

/* Nobody wants the open's name to go any more. */
static void keep_name(struct open_file *open) REQUIRES(fsi.lock)
{
    list_for_each(link, &open->file->opens) {
        struct open_file *other = list_entry(link, struct open_file, link);
        if (fsi_has_name(other, open->parent, open->path, open->path_length)) {
            other->deletes = false;
        }
    }
}

status_t fs_set_disposition(struct open_file *open, bool delete)
{
    status_t status = STATUS_SUCCESS;

    mutex_lock(&fsi.lock);
    if (!delete) {
        keep_name(open);
    } else {
        status = check_deletion(open);
        open->deletes = open->deletes || is_success(status);
    }
    mutex_unlock(&fsi.lock);
    return status;
}
