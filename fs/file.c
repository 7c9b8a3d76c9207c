/*
 * fs/file.c: opening and closing files, and what is known of them.
 *
 * The volume is read-only, so an open that would write, create or delete is refused with
 * STATUS_MEDIA_WRITE_PROTECTED, after everything else that could be wrong with it was looked at.
 *
 * Lock: the file-system lock from the walk along the path until the open stands in its file's list,
 * so that two opens cannot both pass the sharing check.
 */
#include "fs/internal.h"

#include "abi/constants.h"
#include "fs/name.h"
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

#define KERNEL_PATH_MAX 128u

uint32_t fs_map_access(uint32_t access)
{
    uint32_t mapped =
        access & ~(GENERIC_READ | GENERIC_WRITE | GENERIC_EXECUTE | GENERIC_ALL | MAXIMUM_ALLOWED);

    mapped |= (access & GENERIC_READ) != 0 ? FILE_GENERIC_READ_RIGHTS : 0;
    mapped |= (access & GENERIC_WRITE) != 0 ? FILE_GENERIC_WRITE_RIGHTS : 0;
    mapped |= (access & GENERIC_EXECUTE) != 0 ? FILE_GENERIC_EXECUTE_RIGHTS : 0;
    mapped |= (access & GENERIC_ALL) != 0 ? FILE_ALL_ACCESS : 0;
    if ((access & MAXIMUM_ALLOWED) != 0) {
        mapped |= FILE_GENERIC_READ_RIGHTS | FILE_GENERIC_EXECUTE_RIGHTS;
    }
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

/* What can be said before the disk is looked at. */
static status_t check_request(const struct open_request *request)
{
    if (!fsi_volume.mounted) {
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
    if ((request->options & FILE_DELETE_ON_CLOSE) != 0 && (request->access & DELETE_ACCESS) == 0) {
        return STATUS_INVALID_PARAMETER;
    }
    return STATUS_SUCCESS;
}

/* Whether what the path names is of the kind that was asked for. */
static status_t check_kind(const struct open_request *request, const struct ext2_inode *inode)
{
    bool directory = inode->information.is_directory;

    if (request->disposition == FILE_CREATE) {
        return STATUS_OBJECT_NAME_COLLISION;
    }
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

/* Whether FILE may be opened so: first those who use it, then the volume. */
static status_t check_access_locked(const struct open_request *request, const struct file *file)
    REQUIRES(fsi_volume.lock)
{
    bool truncates = overwrites(request->disposition);
    const struct share_request share = {
        .access = request->access | (truncates ? FILE_WRITE_DATA : 0),
        .share = request->share,
        .truncates = truncates,
        .deletes_on_close = (request->options & FILE_DELETE_ON_CLOSE) != 0,
    };
    status_t status = fsi_check_sharing(file, &share);

    if (is_error(status)) {
        return status;
    }
    if ((share.access & RIGHTS_TO_CHANGE) != 0 || share.deletes_on_close) {
        return STATUS_MEDIA_WRITE_PROTECTED;
    }
    return STATUS_SUCCESS;
}

/* Fills OPEN, which is new, and enters it. */
static status_t enter_open_locked(struct open_file *open, const struct open_request *request,
                                  struct file *file)
{
    open->path = fsi_copy_text(fsi_volume.path, fsi_volume.path_length);
    if (open->path == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    open->path_length = fsi_volume.path_length;
    open->file = file;
    open->access = request->access;
    open->share = request->share;
    open->options = request->options;
    mutex_init(&open->lock, RANK_FILE_MAIN);
    list_insert_tail(&file->opens, &open->link);
    return STATUS_SUCCESS;
}

/*
 * Walks, checks, enters; *FILE comes back with a user that the caller gives back when this fails
 * (NULL: none).
 */
static status_t open_locked(const struct open_request *request, struct open_file *open,
                            struct file **file) REQUIRES(fsi_volume.lock)
{
    struct ext2_inode inode;
    uint32_t number = 0;
    status_t status = fsi_walk(request, &number, &inode);

    if (status == STATUS_OBJECT_NAME_NOT_FOUND && creates(request->disposition)) {
        return STATUS_MEDIA_WRITE_PROTECTED;
    }
    if (is_success(status)) {
        status = check_kind(request, &inode);
    }
    if (is_success(status)) {
        status = fsi_take_file(number, &inode, file);
    }
    if (is_success(status)) {
        status = check_access_locked(request, *file);
    }
    if (is_success(status)) {
        status = enter_open_locked(open, request, *file);
    }
    return status;
}

status_t fs_open(const struct open_request *request, struct open_file **open, uint32_t *information)
{
    struct file *file = NULL;
    status_t status = check_request(request);

    if (is_error(status)) {
        return status;
    }
    struct open_file *created = mm_allocate(sizeof(*created));
    if (created == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    mutex_lock(&fsi_volume.lock);
    status = open_locked(request, created, &file);
    mutex_unlock(&fsi_volume.lock);
    if (is_error(status)) {
        mm_free(created, sizeof(*created));
        if (file != NULL) {
            fsi_release_file(file);
        }
        return status;
    }
    *open = created;
    *information = FILE_WAS_OPENED;
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

void fs_close(struct open_file *open)
{
    struct file *file = open->file;

    mutex_lock(&fsi_volume.lock);
    list_remove(&open->link);
    mutex_unlock(&fsi_volume.lock);
    fsi_free_text(open->path, open->path_length);
    fsi_free_text(open->pattern, open->pattern_length);
    mm_free(open, sizeof(*open));
    fsi_release_file(file);
}

void fs_query(struct open_file *open, struct file_information *information)
{
    *information = open->file->information;
}

status_t fs_query_path(const struct open_request *request, struct file_information *information)
{
    struct ext2_inode inode;
    uint32_t number = 0;

    if (!fsi_volume.mounted) {
        return STATUS_NO_SUCH_DEVICE;
    }
    mutex_lock(&fsi_volume.lock);
    status_t status = fsi_walk(request, &number, &inode);
    mutex_unlock(&fsi_volume.lock);
    if (is_success(status)) {
        *information = inode.information;
    }
    return status;
}
