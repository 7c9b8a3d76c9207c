/*
 * fs/volume.c: mounting disk 0 as C:\, and the table of the files that exist.
 *
 * A file leaves memory when nobody has used it for a while: files without users stay in a list,
 * with their segments and so with their resident pages, until there are too many or they are too
 * large together. fs_drain empties that list.
 *
 *      taken: users > 0  -- last release -->  unused list  -- oldest, or drain -->  gone
 *             ^------------- opened again --------'
 *
 * Lock: the file-system lock guards the table and every file's user count, opens and claims. A
 * file that left the table is only its pager's; the last reference to its segment frees it.
 */
#include "fs/internal.h"

#include "fs/fresh.h"
#include "fs/name.h"
#include "fs/transfer.h"
#include "kernel/log.h"
#include "kernel/string.h"
#include "mm/pfn.h"
#include "mm/pool.h"
#include "mm/section.h"
#include "quire/assert.h"

#define UNUSED_MAX   32u
#define UNUSED_SHARE 16u /* unused files may hold 1/16 of memory */

struct volume fsi_volume;

static struct pool_cache file_cache;

bool fs_is_mounted(void)
{
    return fsi_volume.mounted;
}

static void init_volume(struct volume *volume)
{
    struct mm_frame_counts counts;

    mutex_init(&volume->lock, RANK_FILE_SYSTEM);
    list_init(&volume->files);
    list_init(&volume->unused);
    fsi_names_forget();
    mm_count_frames(&counts);
    volume->unused_limit = (uint64_t)counts.total / UNUSED_SHARE * PAGE_BYTES;
    if (file_cache.name == NULL) { /* not yet made */
        mm_pool_init(&file_cache, "file", sizeof(struct file));
    }
    transfer_start();
    fresh_start();
}

status_t fs_start(void)
{
    struct block_device *device = block_device_get(0);
    char problem[EXT2_PROBLEM_BYTES] = "";

    init_volume(&fsi_volume);
    if (device == NULL) {
        log_print("quire: no disk found: Quire needs a virtio-blk disk with an ext2 file system\n");
        return STATUS_NO_SUCH_DEVICE;
    }
    status_t status = ext2_mount(&fsi_volume.ext2, device, problem);
    if (is_error(status)) {
        log_print("quire: cannot use %s: %s\n", device->name, problem);
        return status;
    }
    fsi_volume.mounted = true;
    log_print("%s: C:\\, ext2, %u blocks of %u bytes\n", device->name, fsi_volume.ext2.nblocks,
              fsi_volume.ext2.block_bytes);
    if (!fsi_volume.ext2.writable) {
        log_print("%s: C:\\ is read-only: %s\n", device->name, fsi_volume.ext2.read_only_reason);
    }
    return STATUS_SUCCESS;
}

status_t fs_query_volume(struct volume_information *information)
{
    const struct ext2 *ext2 = &fsi_volume.ext2;

    if (!fsi_volume.mounted) {
        return STATUS_NO_SUCH_DEVICE;
    }
    *information = (struct volume_information){
        .block_bytes = ext2->block_bytes,
        .total_blocks = ext2->nblocks,
        .free_blocks = ext2->free_blocks,
        .serial = get32(ext2->uuid),
        .created = ((int64_t)ext2->created + 11644473600ll) * 10000000ll,
    };
    information->label_length = name_to_utf16(
        (const uint8_t *)ext2->label, (uint32_t)strnlen(ext2->label, 16), information->label);
    return STATUS_SUCCESS;
}

/* Frees FILE, which is in no table any more, and gives its segments up. No locks. */
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

/* Nobody can page the file's data in any more. */
static void file_released(void *context)
{
    mm_pool_free(&file_cache, context);
}

/* Takes the oldest unused file out of the table, or NULL. */
static struct file *take_oldest_locked(void)
{
    struct volume *volume = &fsi_volume;

    if (list_is_empty(&volume->unused)) {
        return NULL;
    }
    struct file *file = list_entry(volume->unused.next, struct file, unused_link);
    ASSERT(file->users == 0);
    list_remove(&file->unused_link);
    list_remove(&file->link);
    volume->nunused--;
    volume->unused_nbytes -= file->information.nbytes;
    return file;
}

static bool keeps_too_much_locked(void)
{
    return fsi_volume.nunused > UNUSED_MAX || fsi_volume.unused_nbytes > fsi_volume.unused_limit;
}

/* Forgets unused files: all of them, or only what is too much. */
static void forget_files(bool all)
{
    for (;;) {
        mutex_lock(&fsi_volume.lock);
        struct file *file = all || keeps_too_much_locked() ? take_oldest_locked() : NULL;
        mutex_unlock(&fsi_volume.lock);
        if (file == NULL) {
            return;
        }
        destroy_file(file);
    }
}

void fs_drain(void)
{
    if (fsi_volume.mounted) {
        mutex_lock(&fsi_volume.lock);
        fsi_names_forget();
        mutex_unlock(&fsi_volume.lock);
        forget_files(true);
        metadata_drop_clean(&fsi_volume.ext2.metadata);
    }
}

void fs_finish(void)
{
    if (fsi_volume.mounted) {
        status_t status = ext2_finish(&fsi_volume.ext2);
        if (is_error(status)) {
            log_print("quire: C:\\ could not be written: status 0x%08x\n", (uint32_t)status);
        }
    }
}

void fs_stop(void)
{
    if (fsi_volume.mounted) {
        forget_files(true);
        VERIFY(list_is_empty(&fsi_volume.files));
        fs_finish();
        fsi_volume.mounted = false;
        ext2_unmount(&fsi_volume.ext2);
    }
}

static struct file *find_file_locked(uint32_t number)
{
    list_for_each(link, &fsi_volume.files) {
        struct file *file = list_entry(link, struct file, link);
        if (file->inode == number) {
            return file;
        }
    }
    return NULL;
}

static struct file *create_file_locked(uint32_t number, const struct ext2_inode *inode)
{
    struct file *file = mm_pool_allocate(&file_cache);

    if (file == NULL) {
        return NULL;
    }
    file->inode = number;
    file->mode = inode->mode;
    file->information = inode->information;
    list_init(&file->opens);
    list_init(&file->claims);
    list_init(&file->unused_link);
    mutex_init(&file->main_lock, RANK_FILE_MAIN);
    mutex_init(&file->paging_lock, RANK_FILE_PAGING);
    list_insert_head(&fsi_volume.files, &file->link);
    return file;
}

status_t fsi_take_file(uint32_t number, const struct ext2_inode *inode, struct file **file)
{
    struct file *found = find_file_locked(number);

    if (found == NULL) {
        found = create_file_locked(number, inode);
        if (found == NULL) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
    } else if (found->users == 0) {
        list_remove(&found->unused_link);
        fsi_volume.nunused--;
        fsi_volume.unused_nbytes -= found->information.nbytes;
    }
    found->users++;
    *file = found;
    return STATUS_SUCCESS;
}

void fsi_release_file(struct file *file)
{
    mutex_lock(&fsi_volume.lock);
    ASSERT(file->users > 0);
    file->users--;
    if (file->users == 0) {
        list_insert_tail(&fsi_volume.unused, &file->unused_link);
        fsi_volume.nunused++;
        fsi_volume.unused_nbytes += file->information.nbytes;
    }
    mutex_unlock(&fsi_volume.lock);
    forget_files(false);
}

const struct pager_operations fsi_file_pager = {
    .kind = "file",
    .page_in = fsi_file_page_in,
    .released = file_released,
};

status_t fsi_file_segment(struct file *file, struct segment **segment)
{
    status_t status = STATUS_SUCCESS;

    mutex_lock(&file->main_lock);
    if (file->data == NULL && file->information.nbytes > 0) {
        status = mm_segment_create(&file->data, file->information.nbytes, &fsi_file_pager, file);
    }
    *segment = file->data;
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
