/*
 * fs/table.c: the table of the files that exist.
 *
 * A file leaves memory when nobody has used it for a while: files without users stay in a list,
 * with their segments and so with their resident pages, until there are too many or they are too
 * large together. What is dirty is written first. Directories hold nothing, and go at once.
 *
 *      taken: users > 0  -- last release -->  unused list  -- oldest, or drain: written -->  gone
 *             ^------------- opened again --------'
 *
 * A file whose last name went while it was in use has its inode given up by its last release.
 *
 * Lock: the file-system lock guards the table and every file's user count, opens and claims. A
 * file that left the table is only its pager's; the last reference to its segment frees it.
 */
#include "fs/internal.h"

#include "kernel/log.h"
#include "kernel/string.h"
#include "mm/pfn.h"
#include "mm/pool.h"
#include "mm/section.h"
#include "quire/assert.h"

#define UNUSED_MAX   32u
#define UNUSED_SHARE 16u /* unused files may hold 1/16 of memory */

struct file_system fsi;

static struct pool_cache file_cache;

static void file_released(void *context);

const struct pager_operations fsi_file_pager = {
    .kind = "file",
    .page_in = fsi_file_page_in,
    .reserve = fsi_pager_reserve,
    .page_out = fsi_file_page_out,
    .sync = fsi_file_sync,
    .released = file_released,
};

void fsi_start_table(void)
{
    struct mm_frame_counts counts;

    mutex_init(&fsi.lock, RANK_FILE_SYSTEM);
    fsi_start_ranges();
    list_init(&fsi.unused);
    fsi.nunused = 0;
    fsi.unused_nbytes = 0;
    mm_count_frames(&counts);
    fsi.unused_limit = (uint64_t)counts.total / UNUSED_SHARE * PAGE_BYTES;
    if (file_cache.name == NULL) { /* not yet made */
        mm_pool_init(&file_cache, "file", sizeof(struct file));
    }
}

/* ---- finding and making ---- */

struct file *fsi_find_file(const struct volume *volume, uint32_t number)
{
    list_for_each(link, &volume->files) {
        struct file *file = list_entry(link, struct file, link);
        if (file->inode == number) {
            return file;
        }
    }
    return NULL;
}

static struct file *create_file(struct volume *volume, uint32_t number,
                                const struct ext2_inode *inode)
{
    struct file *file = mm_pool_allocate(&file_cache);

    if (file == NULL) {
        return NULL;
    }
    file->volume = volume;
    file->inode = number;
    file->information = inode->information;
    list_init(&file->opens);
    list_init(&file->claims);
    list_init(&file->unused_link);
    mutex_init(&file->main_lock, RANK_FILE_MAIN);
    mutex_init(&file->paging_lock, RANK_FILE_PAGING);
    if (ext2_has_changes(&volume->ext2)) { /* perhaps of this file, which was known before */
        file->changed_at = ext2_count_syncs(&volume->ext2) + 1;
    }
    list_insert_head(&volume->files, &file->link);
    return file;
}

/* One user more of a file in the table. */
static void use_file(struct file *file) REQUIRES(fsi.lock)
{
    if (file->users == 0) {
        list_remove(&file->unused_link);
        fsi.nunused--;
        fsi.unused_nbytes -= file->information.nbytes;
    }
    file->users++;
}

status_t fsi_take_file(struct volume *volume, uint32_t number, const struct ext2_inode *inode,
                       struct file **file)
{
    struct file *found = fsi_find_file(volume, number);

    if (found != NULL) {
        use_file(found);
    } else {
        found = create_file(volume, number, inode);
        if (found == NULL) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        found->users = 1;
    }
    *file = found;
    return STATUS_SUCCESS;
}

/* ---- ending ---- */

/* Nobody can page the file's data in any more. */
static void file_released(void *context)
{
    mm_pool_free(&file_cache, context);
}

/* Frees FILE, which is in no table any more, and gives its segments up. */
static void destroy_file(struct file *file)
{
    struct segment *data = file->data;

    if (file->image != NULL) {
        mm_segment_unref(file->image);
    }
    if (data != NULL) {
        mm_segment_unref(data); /* its pager frees the file when it is gone: file_released */
    } else {
        mm_pool_free(&file_cache, file);
    }
}

/* Gives up the contents and the inode of FILE, which has no name. */
static void release_inode(struct file *file)
{
    struct volume *volume = file->volume;
    status_t status = ext2_release(&volume->ext2, file->inode);

    if (is_error(status)) {
        log_print("%c:\\: the space of a deleted file is lost: status 0x%08x\n", volume->letter,
                  (unsigned)status);
    }
}

/* The end of a file that left the table, of which nobody wants what was not written. */
static void discard_file(struct file *file)
{
    if (file->data != NULL) {
        mm_segment_truncate(file->data, 0);
    }
    if (file->unlinked && !file->released) {
        release_inode(file);
    }
    destroy_file(file);
}

static void leave_table(struct file *file) REQUIRES(fsi.lock)
{
    ASSERT(file->users == 0);
    list_remove(&file->link);
    fsi_names_forget_inode(file->volume, file->inode);
}

/* The file, without users, stays for the next open. */
static void keep_file(struct file *file) REQUIRES(fsi.lock)
{
    list_insert_tail(&fsi.unused, &file->unused_link);
    fsi.nunused++;
    fsi.unused_nbytes += file->information.nbytes;
}

void fsi_release_file(struct file *file)
{
    mutex_lock(&fsi.lock);
    ASSERT(file->users > 0);
    file->users--;
    bool ends = file->users == 0 && (file->unlinked || file->information.is_directory);
    if (ends) {
        leave_table(file);
    } else if (file->users == 0) {
        keep_file(file);
    }
    mutex_unlock(&fsi.lock);
    if (ends) {
        discard_file(file);
    } else {
        fsi_forget_files(FORGET_EXCESS);
    }
}

/* ---- writing back, and forgetting ---- */

/* Writes what is dirty of a file that somebody uses. */
static status_t write_back(struct file *file)
{
    status_t status = STATUS_SUCCESS;

    if (file->unlinked) {
        return STATUS_SUCCESS;
    }
    if (file->data != NULL && mm_segment_is_dirty(file->data)) {
        status = mm_segment_flush(file->data, 0, 0);
    }
    status_t times = fsi_write_times(file);
    return is_error(status) ? status : times;
}

static bool keeps_too_much(void) REQUIRES(fsi.lock)
{
    return fsi.nunused > UNUSED_MAX || fsi.unused_nbytes > fsi.unused_limit;
}

/* The oldest unused file, with a user, if it should go; or NULL. */
static struct file *take_oldest(enum forget which) REQUIRES(fsi.lock)
{
    if (list_is_empty(&fsi.unused) || (which == FORGET_EXCESS && !keeps_too_much())) {
        return NULL;
    }
    struct file *file = list_entry(fsi.unused.next, struct file, unused_link);
    use_file(file);
    return file;
}

/* One user less of FILE, which goes if that was the last one. */
static void forget_file(struct file *file, bool may_go)
{
    mutex_lock(&fsi.lock);
    file->users--;
    bool goes = file->users == 0 && may_go;
    if (goes) {
        leave_table(file);
    } else if (file->users == 0) {
        keep_file(file);
    }
    mutex_unlock(&fsi.lock);
    if (goes) {
        discard_file(file);
    }
}

void fsi_forget_files(enum forget which)
{
    mutex_lock(&fsi.lock);
    uint32_t limit = fsi.nunused; /* each at most once, however many cannot be written */
    mutex_unlock(&fsi.lock);
    for (uint32_t i = 0; i < limit; i++) {
        mutex_lock(&fsi.lock);
        struct file *file = take_oldest(which);
        mutex_unlock(&fsi.lock);
        if (file == NULL) {
            return;
        }
        status_t status = write_back(file);
        forget_file(file, is_success(status) || which == FORGET_EVEN_DIRTY);
    }
}

/* The file after FILE (NULL: the first) in the volume's list, with one more user, or NULL. */
static struct file *take_next(struct volume *volume, struct file *file)
{
    mutex_lock(&fsi.lock);
    struct list *link = file == NULL ? volume->files.next : file->link.next;
    struct file *next = NULL;
    if (link != &volume->files) {
        next = list_entry(link, struct file, link);
        use_file(next);
    }
    mutex_unlock(&fsi.lock);
    return next;
}

status_t fsi_write_back_all(struct volume *volume)
{
    status_t status = STATUS_SUCCESS;
    struct file *next;

    for (struct file *file = take_next(volume, NULL); file != NULL; file = next) {
        status_t written = write_back(file);
        status = is_error(status) ? status : written;
        next = take_next(volume, file);
        fsi_release_file(file);
    }
    return status;
}

void fsi_release_unlinked(struct volume *volume)
{
    struct file *next;

    for (struct file *file = take_next(volume, NULL); file != NULL; file = next) {
        if (file->unlinked && !file->released) {
            mutex_lock(&file->main_lock);
            mutex_lock(&file->paging_lock);
            file->information.nbytes = 0; /* no page of it is written any more */
            mutex_unlock(&file->paging_lock);
            mutex_unlock(&file->main_lock);
            release_inode(file);
            file->released = true;
        }
        next = take_next(volume, file);
        fsi_release_file(file);
    }
}

/* ---- what is known of a file ---- */

void fsi_directory_changed(struct volume *volume, uint32_t number)
{
    struct file *file = fsi_find_file(volume, number);
    struct ext2_inode inode;

    fsi_names_forget_inode(volume, number);
    if (file != NULL && is_success(ext2_read_inode(&volume->ext2, number, &inode))) {
        mutex_lock(&file->paging_lock);
        file->information = inode.information;
        mutex_unlock(&file->paging_lock);
    }
}

status_t fsi_file_segment_locked(struct file *file, struct segment **segment)
{
    status_t status = STATUS_SUCCESS;

    if (file->data == NULL) {
        status = mm_segment_create(&file->data, file->information.nbytes, &fsi_file_pager, file);
    }
    *segment = file->data;
    return status;
}

status_t fsi_file_segment(struct file *file, struct segment **segment)
{
    status_t status = STATUS_SUCCESS;

    mutex_lock(&file->main_lock);
    *segment = file->data;
    if (file->information.nbytes > 0) {
        status = fsi_file_segment_locked(file, segment);
    }
    mutex_unlock(&file->main_lock);
    return status;
}

uint16_t *fsi_copy_text(const uint16_t *text, uint32_t length)
{
    uint16_t *copy = mm_allocate((length + 1) * (uint32_t)sizeof(uint16_t));

    if (copy != NULL) {
        memcpy(copy, text, length * sizeof(uint16_t));
    }
    return copy;
}

void fsi_free_text(uint16_t *text, uint32_t length)
{
    if (text != NULL) {
        mm_free(text, (length + 1) * (uint32_t)sizeof(uint16_t));
    }
}
