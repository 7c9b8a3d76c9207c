/*
 * fs/file.c: what is known of a file, and changing it: times and attributes.
 */
#include "fs/internal.h"

#include "abi/constants.h"
#include "kernel/clock.h"

void fsi_hide_directory_size(struct file_information *information)
{
    if (information->is_directory) {
        information->nbytes = 0;
        information->allocation_nbytes = 0;
    }
}

/* The space that the file takes, and how many names it has, are the inode's to tell. */
static void complete(struct file *file, struct file_information *information)
{
    struct ext2_inode inode;

    if (!file->unlinked && is_success(ext2_read_inode(&file->volume->ext2, file->inode, &inode))) {
        information->allocation_nbytes = inode.information.allocation_nbytes;
        information->links = inode.information.links;
    }
}

void fs_query(struct open_file *open, struct file_information *information)
{
    struct file *file = open->file;

    mutex_lock(&fsi.lock); /* a directory's inode may become another */
    mutex_lock(&file->paging_lock);
    *information = file->information;
    mutex_unlock(&file->paging_lock);
    complete(file, information);
    information->index = file->inode;
    information->delete_pending =
        fsi_name_is_going(file, open->parent, open->path, open->path_length);
    mutex_unlock(&fsi.lock);
    fsi_hide_directory_size(information);
}

status_t fs_query_path(const struct open_request *request, struct file_information *information)
{
    struct walked walked;

    if (!fs_is_mounted()) {
        return STATUS_NO_SUCH_DEVICE;
    }
    mutex_lock(&fsi.lock);
    status_t status = fsi_walk(request, &walked);
    if (is_success(status)) {
        struct file *file = fsi_find_file(walked.volume, walked.number);
        *information = walked.inode.information;
        if (file != NULL) { /* it knows better */
            mutex_lock(&file->paging_lock);
            *information = file->information;
            mutex_unlock(&file->paging_lock);
            information->allocation_nbytes = walked.inode.information.allocation_nbytes;
        }
        fsi_hide_directory_size(information);
    }
    mutex_unlock(&fsi.lock);
    return status;
}

uint16_t *fs_copy_path(struct open_file *open, uint32_t *length)
{
    mutex_lock(&fsi.lock);
    uint16_t *copy = fsi_copy_text(open->path, open->path_length);
    *length = open->path_length;
    mutex_unlock(&fsi.lock);
    return copy;
}

/* What the settings say, in the information; 0: nothing. */
static void apply(struct file_information *information, const struct ext2_settings *settings)
{
    if (settings->creation_time != 0) {
        information->creation_time = settings->creation_time;
    }
    if (settings->access_time != 0) {
        information->access_time = settings->access_time;
    }
    if (settings->write_time != 0) {
        information->write_time = settings->write_time;
    }
    if (settings->change_time != 0) {
        information->change_time = settings->change_time;
    }
    if (settings->set_attributes) {
        information->attributes =
            ext2_kept_attributes(settings->attributes, information->is_directory);
    }
}

/* -1 and -2 mean that a time is not to change by itself from now on: nobody sees a difference. */
static int64_t time_of(int64_t time)
{
    return time > 0 ? time : 0;
}

status_t fs_set_information(struct open_file *open, const struct file_settings *settings)
{
    struct file *file = open->file;
    bool directory = file->information.is_directory;
    struct ext2_settings change = {
        .creation_time = time_of(settings->creation_time),
        .access_time = time_of(settings->access_time),
        .write_time = time_of(settings->write_time),
        .change_time = settings->change_time > 0 ? settings->change_time : clock_system_time(),
        .set_attributes = settings->attributes != 0,
        .attributes = settings->attributes,
    };

    if (!directory && (settings->attributes & FILE_ATTRIBUTE_DIRECTORY) != 0) {
        return STATUS_INVALID_PARAMETER;
    }
    mutex_lock(&fsi.lock);
    mutex_lock(&file->paging_lock);
    if (file->times_changed && change.write_time == 0) {
        change.write_time = file->information.write_time;
    }
    if (file->times_changed && !change.set_attributes) {
        change.set_attributes = true;
        change.attributes = file->information.attributes;
    }
    status_t status = ext2_set_information(&file->volume->ext2, file->inode, &change);
    if (is_success(status)) {
        apply(&file->information, &change);
        file->times_changed = false;
        fsi_note_change_locked(file);
    }
    mutex_unlock(&file->paging_lock);
    fsi_names_forget_inode(file->volume, file->inode);
    mutex_unlock(&fsi.lock);
    return status;
}
