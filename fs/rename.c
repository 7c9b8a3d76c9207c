/*
 * fs/rename.c: files and directories that get another name, and files that get one more.
 *
 * All under the file-system lock: the walk to the new name, what speaks against it, the change on
 * the disk, the paths of the opens. Those are copied before, so that nothing fails after the
 * change.
 *
 * A directory moves only while nothing in it is open: the paths of those opens would become wrong,
 * and a directory that goes to another parent gets another inode (fs/ext2_rename.c).
 *
 * A link is durable before the lock is given up, so that every name that another call finds is
 * durable: it may take any of them away but the last.
 */
#include "fs/internal.h"

#include "abi/constants.h"
#include "kernel/string.h"
#include "mm/pool.h"

/* One call of fs_rename or fs_link. */
struct rename {
    struct open_file *open;
    bool links; /* the old name stays */
    bool replace;
    struct walked walked; /* to the new name */
    bool exists;          /* there is something of that name already */
    bool is_own;          /* it is this open's name, perhaps in another case */
    bool is_link;         /* it is another name of the same file */
    struct ext2_name from;
    struct ext2_name to;
    uint8_t from_bytes[EXT2_NAME_BYTES];
    uint8_t to_bytes[EXT2_NAME_BYTES];
    struct file *replaced; /* with a user, or NULL */
    struct list paths;     /* of struct new_path: one for each open */
};

/* What an open's path will be. */
struct new_path {
    struct list link;
    uint16_t *text;
};

/* Whether PATH lies below the directory of path DIRECTORY. */
static bool is_below(const uint16_t *path, uint32_t length, const uint16_t *directory,
                     uint32_t directory_length)
{
    return path != NULL && length > directory_length && path[directory_length] == '\\' &&
           memcmp(path, directory, directory_length * sizeof(uint16_t)) == 0;
}

/* Whether anything below the directory is open. */
static bool has_open_below(const struct open_file *open) REQUIRES(fsi.lock)
{
    list_for_each(link, &open->file->volume->files) {
        const struct file *file = list_entry(link, struct file, link);
        list_for_each(other_link, &file->opens) {
            const struct open_file *other = list_entry(other_link, struct open_file, link);
            if (is_below(other->path, other->path_length, open->path, open->path_length)) {
                return true;
            }
        }
    }
    return false;
}

/* What the file itself has against it. */
static status_t check_source(const struct rename *it) REQUIRES(fsi.lock)
{
    const struct open_file *open = it->open;

    if (!fsi_is_writable(open->file)) {
        return STATUS_MEDIA_WRITE_PROTECTED;
    }
    if (fsi_name_is_going(open->file, open->parent, open->path, open->path_length)) {
        return STATUS_DELETE_PENDING;
    }
    if (it->links) {
        return open->file->information.is_directory ? STATUS_FILE_IS_A_DIRECTORY : STATUS_SUCCESS;
    }
    if (open->parent == 0) {
        return STATUS_ACCESS_DENIED; /* the root */
    }
    return open->file->information.is_directory && has_open_below(open) ? STATUS_ACCESS_DENIED
                                                                        : STATUS_SUCCESS;
}

/* Whether what has the new name may give way; then it has one user more. */
static status_t check_replaced(struct rename *it) REQUIRES(fsi.lock)
{
    const struct walked *walked = &it->walked;

    if (!it->replace) {
        return STATUS_OBJECT_NAME_COLLISION;
    }
    if (walked->inode.information.is_directory || it->open->file->information.is_directory) {
        return STATUS_ACCESS_DENIED;
    }
    status_t status = fsi_take_file(walked->volume, walked->number, &walked->inode, &it->replaced);
    if (is_error(status)) {
        return status;
    }
    const struct file *file = it->replaced;
    bool busy = !list_is_empty(&file->opens) || fsi_is_mapped(file, false);
    bool read_only = (file->information.attributes & FILE_ATTRIBUTE_READONLY) != 0;
    return busy || read_only ? STATUS_ACCESS_DENIED : STATUS_SUCCESS;
}

/*
 * The names of both directory entries. Where the new name is another file's, it stays as it is on
 * the disk; where it is the file's own in another case, it is made new.
 */
static status_t find_names(struct rename *it) REQUIRES(fsi.lock)
{
    const struct open_file *open = it->open;
    status_t status =
        fsi_name_of_path(open->parent, open->path, open->path_length, it->from_bytes, &it->from);

    if (is_error(status)) {
        return status;
    }
    if (it->exists && (!it->is_own || it->links)) {
        return fsi_name_of_path(it->walked.parent, fsi_path.disk, fsi_path.disk_length,
                                it->to_bytes, &it->to);
    }
    if (it->exists) {
        fsi_drop_name();
    }
    return fsi_name_new(&it->walked, it->to_bytes, &it->to);
}

/* The new name is there already. */
static status_t check_existing(struct rename *it) REQUIRES(fsi.lock)
{
    const struct open_file *open = it->open;

    if (it->walked.number != open->file->inode) {
        return check_replaced(it);
    }
    it->is_own = fsi_has_name(open, it->walked.parent, fsi_path.disk, fsi_path.disk_length);
    it->is_link = !it->is_own;
    return (it->links || it->is_link) && !it->replace ? STATUS_OBJECT_NAME_COLLISION
                                                      : STATUS_SUCCESS;
}

static status_t walk(struct rename *it, const struct open_request *target) REQUIRES(fsi.lock)
{
    status_t status = fsi_walk(target, &it->walked);

    it->exists = is_success(status);
    if (is_error(status) && status != STATUS_OBJECT_NAME_NOT_FOUND) {
        return status;
    }
    if (it->walked.volume != it->open->file->volume) {
        return STATUS_NOT_SAME_DEVICE;
    }
    if (it->exists && it->walked.parent == 0) {
        return STATUS_OBJECT_NAME_COLLISION; /* the root */
    }
    const struct file *parent = fsi_find_file(it->walked.volume, it->walked.parent);
    if (parent != NULL && fsi_is_going(parent)) {
        return STATUS_DELETE_PENDING;
    }
    status = it->exists ? check_existing(it) : STATUS_SUCCESS;
    return is_success(status) ? find_names(it) : status;
}

/* ---- the paths of the opens ---- */

static void free_paths(struct rename *it)
{
    list_for_each_safe(link, after, &it->paths) {
        struct new_path *path = list_entry(link, struct new_path, link);
        fsi_free_text(path->text, fsi_path.disk_length);
        mm_free(path, sizeof(*path));
    }
}

static status_t copy_paths(struct rename *it) REQUIRES(fsi.lock)
{
    list_for_each(link, &it->open->file->opens) {
        struct new_path *path = mm_allocate(sizeof(*path));
        if (path == NULL) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        path->text = fsi_copy_text(fsi_path.disk, fsi_path.disk_length);
        list_insert_tail(&it->paths, &path->link);
        if (path->text == NULL) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
    }
    return STATUS_SUCCESS;
}

/* Every open of that name gets the new one; IT->open, which is compared with, last of all. */
static void use_paths(struct rename *it) REQUIRES(fsi.lock)
{
    struct open_file *open = it->open;
    struct list *opens = &open->file->opens;

    list_remove(&open->link);
    list_insert_tail(opens, &open->link);
    list_for_each(link, opens) {
        struct open_file *other = list_entry(link, struct open_file, link);
        if (fsi_has_name(other, open->parent, open->path, open->path_length)) {
            struct new_path *path = list_entry(it->paths.next, struct new_path, link);
            list_remove(&path->link);
            fsi_free_text(other->path, other->path_length);
            other->path = path->text;
            other->path_length = fsi_path.disk_length;
            other->parent = it->walked.parent;
            mm_free(path, sizeof(*path));
        }
    }
}

/* ---- the change ---- */

/* What the table of files and the name cache know is true again. */
static void tell_all(struct rename *it, const struct ext2_renamed *renamed) REQUIRES(fsi.lock)
{
    struct file *file = it->open->file;
    struct volume *volume = file->volume;

    fsi_names_forget(); /* a directory that moved: what lay in it has new numbers, too */
    if (file->information.is_directory) {
        file->inode = renamed->number;
        fsi_directory_changed(volume, file->inode);
    }
    fsi_directory_changed(volume, it->from.directory);
    fsi_directory_changed(volume, it->to.directory);
    if (it->replaced != NULL && renamed->replaced != 0 && renamed->links == 0) {
        it->replaced->unlinked = true;
    }
    mutex_lock(&file->paging_lock);
    fsi_note_change_locked(file);
    mutex_unlock(&file->paging_lock);
}

/* The new name is another one of the same file: nothing but the old one goes. */
static status_t drop_old_name(struct rename *it, struct ext2_renamed *renamed) REQUIRES(fsi.lock)
{
    uint32_t number;
    uint32_t links;
    status_t status = ext2_remove(&it->open->file->volume->ext2, &it->from, &number, &links);

    renamed->happened = is_success(status);
    return status;
}

static status_t rename_locked(struct rename *it, const struct open_request *target)
    REQUIRES(fsi.lock)
{
    const struct open_file *open = it->open;
    struct ext2_renamed renamed = {0};
    status_t status = check_source(it);

    if (is_success(status)) {
        status = walk(it, target);
    }
    if (is_error(status)) {
        return status;
    }
    if (is_below(fsi_path.disk, fsi_path.disk_length, open->path, open->path_length)) {
        return STATUS_ACCESS_DENIED; /* into itself */
    }
    if (it->from.directory == it->to.directory && it->from.nbytes == it->to.nbytes &&
        memcmp(it->from_bytes, it->to_bytes, it->to.nbytes) == 0) {
        return STATUS_SUCCESS; /* it has that name */
    }
    status = copy_paths(it);
    if (is_success(status) && it->is_link) {
        status = drop_old_name(it, &renamed);
    } else if (is_success(status)) {
        status = ext2_rename(&open->file->volume->ext2, &it->from, &it->to, &renamed);
    }
    if (renamed.happened) {
        tell_all(it, &renamed);
        use_paths(it);
    } else {
        fsi_names_forget(); /* a directory may have moved in part */
    }
    free_paths(it);
    return status;
}

/* What has the new name loses it. */
static status_t remove_replaced(struct rename *it) REQUIRES(fsi.lock)
{
    uint32_t number;
    uint32_t links;
    status_t status = ext2_remove(&it->replaced->volume->ext2, &it->to, &number, &links);

    if (is_success(status)) {
        fsi_names_forget_inode(it->replaced->volume, number);
        it->replaced->unlinked = links == 0;
    }
    return status;
}

static status_t link_locked(struct rename *it, const struct open_request *target) REQUIRES(fsi.lock)
{
    struct file *file = it->open->file;
    struct ext2 *ext2 = &file->volume->ext2;
    status_t status = check_source(it);

    if (is_success(status)) {
        status = walk(it, target);
    }
    if (is_error(status) || it->is_own || it->is_link) {
        return status; /* it has that name */
    }
    if (it->replaced != NULL) {
        status = remove_replaced(it);
    }
    if (is_success(status)) {
        status = ext2_link(ext2, &it->to, file->inode);
    }
    fsi_names_forget_inode(file->volume, file->inode);
    fsi_directory_changed(file->volume, it->to.directory);
    return is_success(status) ? ext2_sync(ext2) : status;
}

/* Performs a rename or a link. */
static status_t perform(struct rename *it, const struct open_request *target)
{
    list_init(&it->paths);
    mutex_lock(&fsi.lock);
    status_t status = it->links ? link_locked(it, target) : rename_locked(it, target);
    mutex_unlock(&fsi.lock);
    if (it->replaced != NULL) {
        fsi_release_file(it->replaced);
    }
    mm_free(it, sizeof(*it));
    return status;
}

status_t fs_rename(struct open_file *open, const struct open_request *target, bool replace)
{
    struct rename *it = mm_allocate(sizeof(*it));

    if (it == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    *it = (struct rename){.open = open, .replace = replace};
    return perform(it, target);
}

status_t fs_link(struct open_file *open, const struct open_request *target, bool replace)
{
    struct rename *it = mm_allocate(sizeof(*it));

    if (it == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    *it = (struct rename){.open = open, .links = true, .replace = replace};
    return perform(it, target);
}
