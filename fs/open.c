/*
 * fs/open.c: opening and creating files.
 *
 * Under the file-system lock, from the walk along the path until the open stands in its file's
 * list, so that two opens can neither both pass the sharing check nor both create the file. What a
 * disposition overwrites is cut short afterwards, under the file's main lock: the open already
 * keeps others out then, and is taken back when it fails.
 *
 * The attributes that a program gives are those of a file that is made or overwritten, besides
 * ARCHIVE. Who overwrites a hidden or system file must know that it is.
 */
#include "fs/internal.h"

#include "abi/constants.h"
#include "kernel/string.h"
#include "mm/pool.h"

#define FILE_GENERIC_READ_RIGHTS    0x00120089u
#define FILE_GENERIC_WRITE_RIGHTS   0x00120116u
#define FILE_GENERIC_EXECUTE_RIGHTS 0x001200A0u
#define FILE_DELETE_CHILD           0x0040u

/* Rights that nobody gets on a volume that is read-only. */
#define RIGHTS_TO_CHANGE                                                                           \
    (FILE_WRITE_DATA | FILE_APPEND_DATA | FILE_WRITE_EA | FILE_DELETE_CHILD |                      \
     FILE_WRITE_ATTRIBUTES | WRITE_DAC | WRITE_OWNER)
#define RIGHTS_TO_WRITE (FILE_WRITE_DATA | FILE_APPEND_DATA)

#define MODE_FILE      (EXT2_TYPE_FILE | 0644u)
#define MODE_READ_ONLY (EXT2_TYPE_FILE | 0444u)
#define MODE_DIRECTORY (EXT2_TYPE_DIRECTORY | 0755u)

#define KERNEL_PATH_MAX 128u

/* One call of fs_open. */
struct opening {
    const struct open_request *request;
    uint32_t access;        /* granted */
    struct open_file *open; /* new */
    struct file *file;      /* with a user, or NULL */
    struct walked walked;
    uint32_t information;
};

uint32_t fs_map_access(uint32_t access)
{
    uint32_t mapped = access & ~(GENERIC_READ | GENERIC_WRITE | GENERIC_EXECUTE | GENERIC_ALL);

    mapped |= (access & GENERIC_READ) != 0 ? FILE_GENERIC_READ_RIGHTS : 0;
    mapped |= (access & GENERIC_WRITE) != 0 ? FILE_GENERIC_WRITE_RIGHTS : 0;
    mapped |= (access & GENERIC_EXECUTE) != 0 ? FILE_GENERIC_EXECUTE_RIGHTS : 0;
    mapped |= (access & GENERIC_ALL) != 0 ? FILE_ALL_ACCESS : 0;
    return mapped;
}

static bool overwrites(uint32_t disposition)
{
    return disposition == FILE_SUPERSEDE || disposition == FILE_OVERWRITE ||
           disposition == FILE_OVERWRITE_IF;
}

static bool creates(uint32_t disposition)
{
    return disposition != FILE_OPEN && disposition != FILE_OVERWRITE;
}

static bool deletes_on_close(const struct open_request *request)
{
    return (request->options & FILE_DELETE_ON_CLOSE) != 0;
}

/* What can be said before the disk is looked at. */
static status_t check_request(const struct open_request *request)
{
    if (!fs_is_mounted()) {
        return STATUS_NO_SUCH_DEVICE;
    }
    if (request->disposition > FILE_OVERWRITE_IF ||
        (request->share & ~(FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)) != 0) {
        return STATUS_INVALID_PARAMETER;
    }
    bool directory = (request->options & FILE_DIRECTORY_FILE) != 0;
    if (directory &&
        ((request->options & FILE_NON_DIRECTORY_FILE) != 0 || overwrites(request->disposition))) {
        return STATUS_INVALID_PARAMETER;
    }
    if (deletes_on_close(request) && (request->access & (DELETE_ACCESS | MAXIMUM_ALLOWED)) == 0) {
        return STATUS_INVALID_PARAMETER;
    }
    return STATUS_SUCCESS;
}

/* ---- what exists ---- */

/* Whether what the path names goes with its last open. */
static bool is_going(const struct walked *walked) REQUIRES(fsi.lock)
{
    const struct file *file = fsi_find_file(walked->volume, walked->number);

    return file != NULL &&
           fsi_name_is_going(file, walked->parent, fsi_path.disk, fsi_path.disk_length);
}

/* Whether what the path names is of the kind that was asked for. */
static status_t check_kind(const struct open_request *request, const struct ext2_inode *inode)
{
    bool directory = inode->information.is_directory;

    if (directory &&
        ((request->options & FILE_NON_DIRECTORY_FILE) != 0 || overwrites(request->disposition))) {
        return STATUS_FILE_IS_A_DIRECTORY;
    }
    if (!directory && (request->options & FILE_DIRECTORY_FILE) != 0) {
        return STATUS_NOT_A_DIRECTORY;
    }
    if (!directory && (inode->mode & EXT2_TYPE_MASK) != EXT2_TYPE_FILE) {
        return STATUS_NOT_SUPPORTED; /* symbolic links and devices */
    }
    return STATUS_SUCCESS;
}

/* What MAXIMUM_ALLOWED stands for. */
static void resolve_access(struct opening *opening, bool read_only)
{
    uint32_t most = FILE_ALL_ACCESS & ~(read_only ? RIGHTS_TO_WRITE : 0);

    opening->access = opening->request->access;
    if ((opening->access & MAXIMUM_ALLOWED) != 0) {
        most &= ~(opening->walked.volume->ext2.writable ? 0 : RIGHTS_TO_CHANGE);
        opening->access = (opening->access & ~MAXIMUM_ALLOWED) | most;
    }
}

/* What the file itself has against it. */
static status_t check_attributes(struct opening *opening) REQUIRES(fsi.lock)
{
    const struct file *file = opening->file;
    bool read_only = (file->information.attributes & FILE_ATTRIBUTE_READONLY) != 0;

    resolve_access(opening, read_only);
    if (read_only &&
        ((opening->access & RIGHTS_TO_WRITE) != 0 || overwrites(opening->request->disposition))) {
        return STATUS_ACCESS_DENIED;
    }
    uint32_t special = FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM;
    if (overwrites(opening->request->disposition) &&
        (file->information.attributes & ~opening->request->attributes & special) != 0) {
        return STATUS_ACCESS_DENIED;
    }
    bool root = opening->walked.parent == 0;
    return deletes_on_close(opening->request) && (read_only || root) ? STATUS_CANNOT_DELETE
                                                                     : STATUS_SUCCESS;
}

/* Whether FILE may be opened so: first those who use it, then the volume. */
static status_t check_users(const struct opening *opening) REQUIRES(fsi.lock)
{
    bool truncates = overwrites(opening->request->disposition);
    const struct share_request share = {
        .access = opening->access | (truncates ? FILE_WRITE_DATA : 0),
        .share = opening->request->share,
        .truncates = truncates,
        .deletes_on_close = deletes_on_close(opening->request),
    };
    status_t status = fsi_check_sharing(opening->file, &share);

    if (is_error(status)) {
        return status;
    }
    if (!fsi_is_writable(opening->file) &&
        ((share.access & RIGHTS_TO_CHANGE) != 0 || share.deletes_on_close)) {
        return STATUS_MEDIA_WRITE_PROTECTED;
    }
    return STATUS_SUCCESS;
}

/* Fills the open, which is new, and enters it. */
static status_t enter_open(struct opening *opening) REQUIRES(fsi.lock)
{
    struct open_file *open = opening->open;

    open->path = fsi_copy_text(fsi_path.disk, fsi_path.disk_length);
    if (open->path == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    open->path_length = fsi_path.disk_length;
    open->file = opening->file;
    open->parent = opening->walked.parent;
    open->access = opening->access;
    open->share = opening->request->share;
    open->options = opening->request->options;
    open->errors_told = opening->file->write_errors;
    mutex_init(&open->lock, RANK_OPEN);
    list_insert_tail(&open->file->opens, &open->link);
    return STATUS_SUCCESS;
}

static status_t open_existing(struct opening *opening) REQUIRES(fsi.lock)
{
    struct walked *walked = &opening->walked;

    if (is_going(walked)) {
        return STATUS_DELETE_PENDING;
    }
    if (opening->request->disposition == FILE_CREATE) {
        return STATUS_OBJECT_NAME_COLLISION;
    }
    status_t status = check_kind(opening->request, &walked->inode);

    if (is_success(status)) {
        status = fsi_take_file(walked->volume, walked->number, &walked->inode, &opening->file);
    }
    if (is_success(status)) {
        status = check_attributes(opening);
    }
    if (is_success(status)) {
        status = check_users(opening);
    }
    opening->information = opening->request->disposition == FILE_SUPERSEDE ? FILE_WAS_SUPERSEDED
                           : overwrites(opening->request->disposition)     ? FILE_WAS_OVERWRITTEN
                                                                           : FILE_WAS_OPENED;
    return is_success(status) ? enter_open(opening) : status;
}

/* ---- what does not exist yet ---- */

static status_t check_creation(const struct opening *opening) REQUIRES(fsi.lock)
{
    const struct open_request *request = opening->request;
    const struct walked *walked = &opening->walked;
    const struct file *parent = fsi_find_file(walked->volume, walked->parent);

    if (!walked->volume->ext2.writable) {
        return STATUS_MEDIA_WRITE_PROTECTED;
    }
    if (parent != NULL && fsi_is_going(parent)) {
        return STATUS_DELETE_PENDING;
    }
    if (fsi_path.ends_in_separator && (request->options & FILE_DIRECTORY_FILE) == 0) {
        return STATUS_OBJECT_NAME_INVALID;
    }
    bool read_only = (request->attributes & FILE_ATTRIBUTE_READONLY) != 0;
    return read_only && deletes_on_close(request) ? STATUS_CANNOT_DELETE : STATUS_SUCCESS;
}

static uint16_t mode_of(const struct open_request *request)
{
    return (request->options & FILE_DIRECTORY_FILE) != 0          ? MODE_DIRECTORY
           : (request->attributes & FILE_ATTRIBUTE_READONLY) != 0 ? MODE_READ_ONLY
                                                                  : MODE_FILE;
}

/* Opens what was created just now. */
static status_t open_created(struct opening *opening) REQUIRES(fsi.lock)
{
    struct walked *walked = &opening->walked;
    status_t status = ext2_read_inode(&walked->volume->ext2, walked->number, &walked->inode);

    if (is_success(status)) {
        status = fsi_take_file(walked->volume, walked->number, &walked->inode, &opening->file);
    }
    return is_success(status) ? enter_open(opening) : status;
}

/* Takes back what was created; the file, where there is one, ends with its user. */
static void undo_creation(struct opening *opening, const struct ext2_name *name) REQUIRES(fsi.lock)
{
    struct ext2 *ext2 = &opening->walked.volume->ext2;
    uint32_t number;
    uint32_t links;
    status_t status = ext2_remove(ext2, name, &number, &links);

    if (is_success(status) && opening->file != NULL) {
        opening->file->unlinked = true;
    } else if (is_success(status)) {
        status = ext2_release(ext2, number);
    }
    (void)status; /* an empty file is left: what went wrong first is told */
}

/* The attributes of what was created just now. */
static status_t set_first_attributes(const struct opening *opening)
{
    uint32_t wanted = opening->request->attributes;
    bool is_directory = (opening->request->options & FILE_DIRECTORY_FILE) != 0;
    const struct ext2_settings settings = {
        .set_attributes = true,
        .attributes = is_directory ? wanted : wanted | FILE_ATTRIBUTE_ARCHIVE,
    };
    bool usual =
        (wanted & ~(FILE_ATTRIBUTE_ARCHIVE | FILE_ATTRIBUTE_NORMAL | FILE_ATTRIBUTE_READONLY)) ==
        0; /* which mode_of has seen to */

    return usual ? STATUS_SUCCESS
                 : ext2_set_information(&opening->walked.volume->ext2, opening->walked.number,
                                        &settings);
}

static status_t create_and_open(struct opening *opening) REQUIRES(fsi.lock)
{
    struct walked *walked = &opening->walked;
    uint8_t bytes[EXT2_NAME_BYTES];
    struct ext2_name name;
    status_t status = check_creation(opening);

    resolve_access(opening, false);
    if (is_success(status)) {
        status = fsi_name_new(walked, bytes, &name);
    }
    if (is_success(status)) {
        status =
            ext2_create(&walked->volume->ext2, &name, mode_of(opening->request), &walked->number);
    }
    if (is_error(status)) {
        return status;
    }
    opening->information = FILE_WAS_CREATED;
    status = set_first_attributes(opening);
    if (is_success(status)) {
        status = open_created(opening);
    }
    if (is_success(status)) { /* a flush of the file is one of its name, too */
        mutex_lock(&opening->file->paging_lock);
        fsi_note_change_locked(opening->file);
        mutex_unlock(&opening->file->paging_lock);
    } else {
        undo_creation(opening, &name);
    }
    fsi_directory_changed(walked->volume, walked->parent);
    return status;
}

/* ---- both ---- */

static status_t open_locked(struct opening *opening) REQUIRES(fsi.lock)
{
    status_t status = fsi_walk(opening->request, &opening->walked);

    if (status == STATUS_OBJECT_NAME_NOT_FOUND && creates(opening->request->disposition)) {
        return create_and_open(opening);
    }
    return is_success(status) ? open_existing(opening) : status;
}

/* Makes the file, which was opened for that, empty, with the attributes that were given. */
static status_t overwrite(const struct opening *opening)
{
    struct file *file = opening->file;
    const struct file_settings settings = {
        .attributes =
            (opening->request->attributes & ~FILE_ATTRIBUTE_DIRECTORY) | FILE_ATTRIBUTE_ARCHIVE};

    mutex_lock(&file->main_lock);
    status_t status = fsi_shrink_locked(file, 0);
    mutex_unlock(&file->main_lock);
    return is_success(status) ? fs_set_information(opening->open, &settings) : status;
}

status_t fs_open(const struct open_request *request, struct open_file **open, uint32_t *information)
{
    struct opening opening = {.request = request};
    status_t status = check_request(request);

    if (is_error(status)) {
        return status;
    }
    opening.open = mm_allocate(sizeof(*opening.open));
    if (opening.open == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    mutex_lock(&fsi.lock);
    status = open_locked(&opening);
    mutex_unlock(&fsi.lock);
    if (is_error(status)) {
        mm_free(opening.open, sizeof(*opening.open));
        if (opening.file != NULL) {
            fsi_release_file(opening.file);
        }
        return status;
    }
    if (opening.information == FILE_WAS_OVERWRITTEN || opening.information == FILE_WAS_SUPERSEDED) {
        status = overwrite(&opening);
    }
    if (is_error(status)) {
        opening.open->options &= ~FILE_DELETE_ON_CLOSE;
        fs_close(opening.open);
        return status;
    }
    *open = opening.open;
    *information = opening.information;
    return STATUS_SUCCESS;
}

status_t fs_open_kernel(const char *path, struct open_file **open)
{
    uint16_t text[KERNEL_PATH_MAX];
    uint32_t information;
    size_t length = strnlen(path, KERNEL_PATH_MAX + 1);

    if (length > KERNEL_PATH_MAX) {
        return STATUS_NAME_TOO_LONG;
    }
    for (size_t i = 0; i < length; i++) {
        text[i] = (uint8_t)path[i];
    }
    const struct open_request request = {
        .path = text,
        .path_length = (uint32_t)length,
        .access = FILE_GENERIC_READ_RIGHTS | FILE_GENERIC_EXECUTE_RIGHTS,
        .share = FILE_SHARE_READ | FILE_SHARE_DELETE,
        .disposition = FILE_OPEN,
        .options = FILE_NON_DIRECTORY_FILE,
    };
    return fs_open(&request, open, &information);
}
