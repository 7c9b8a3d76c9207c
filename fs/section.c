/*
 * fs/section.c: sections made from files: the access that they need, and the claim that they keep.
 *
 * A section that may write makes its file as long as it wants to be, before any view exists; all
 * of that under the file's main lock, so that nobody cuts the file short meanwhile.
 *
 * A claim counts as a user of the file, so file, segment and share mode outlive the handle.
 */
#include "mm/section.h"

#include "abi/constants.h"
#include "fs/internal.h"
#include "mm/image.h"
#include "mm/pool.h"

/* The rights to a file that a section with PROTECTION needs. */
static uint32_t rights_for(uint32_t protection)
{
    switch (protection & 0xFFu) {
    case PAGE_EXECUTE:
        return FILE_EXECUTE;
    case PAGE_EXECUTE_READ:
    case PAGE_EXECUTE_WRITECOPY:
        return FILE_READ_DATA | FILE_EXECUTE;
    case PAGE_READWRITE:
        return FILE_READ_DATA | FILE_WRITE_DATA;
    case PAGE_EXECUTE_READWRITE:
        return FILE_READ_DATA | FILE_WRITE_DATA | FILE_EXECUTE;
    default:
        return FILE_READ_DATA;
    }
}

/* Makes the claim and enters it. */
static status_t create_claim(struct open_file *open, uint32_t protection, uint32_t attributes,
                             struct file_claim **claim)
{
    struct file_claim *created = mm_allocate(sizeof(*created));

    if (created == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    created->file = open->file;
    created->image = (attributes & SEC_IMAGE) != 0;
    created->writable = !created->image && (rights_for(protection) & FILE_WRITE_DATA) != 0;
    mutex_lock(&fsi.lock);
    open->file->users++;
    list_insert_tail(&open->file->claims, &created->link);
    mutex_unlock(&fsi.lock);
    *claim = created;
    return STATUS_SUCCESS;
}

void fs_release_claim(struct file_claim *claim)
{
    struct file *file = claim->file;

    mutex_lock(&fsi.lock);
    list_remove(&claim->link);
    mutex_unlock(&fsi.lock);
    mm_free(claim, sizeof(*claim));
    fsi_release_file(file);
}

/* How many image sections of the file there are. */
static uint32_t count_images(const struct file *file)
{
    uint32_t count = 0;

    mutex_lock(&fsi.lock);
    list_for_each(link, &file->claims) {
        count += list_entry(link, struct file_claim, link)->image;
    }
    mutex_unlock(&fsi.lock);
    return count;
}

/*
 * An image that was made of the file before it was written to is of no use any more, unless a
 * section of it still exists besides the one that is being made. That it was is known from what was
 * written to the disk: so what is dirty is written first.
 */
static status_t renew_image_locked(struct file *file) REQUIRES(file->main_lock)
{
    status_t status = STATUS_SUCCESS;

    if (mm_segment_is_dirty(file->data)) {
        status = mm_segment_flush(file->data, 0, 0);
    }
    if (is_error(status) || count_images(file) > 1) {
        return status;
    }
    mutex_lock(&file->paging_lock);
    bool stale = file->image_is_stale;
    file->image_is_stale = false;
    mutex_unlock(&file->paging_lock);
    if (stale && file->image != NULL) {
        mm_segment_unref(file->image);
        file->image = NULL;
    }
    return STATUS_SUCCESS;
}

static status_t create_image_locked(struct file *file, struct section *section, uint64_t nbytes,
                                    uint32_t protection, uint32_t attributes, char *problem)
    REQUIRES(file->main_lock)
{
    struct segment *segment;

    if (file->information.nbytes == 0) {
        return STATUS_INVALID_FILE_FOR_SECTION;
    }
    status_t status = fsi_file_segment_locked(file, &segment);
    if (is_success(status)) {
        status = renew_image_locked(file);
    }
    return is_error(status)
               ? status
               : mm_section_create_image(section, segment, file->information.nbytes, nbytes,
                                         protection, attributes, &file->image, problem);
}

/* A section of data; one that may write, of more than the file has, makes the file longer first. */
static status_t create_data_locked(struct file *file, struct section *section, uint64_t nbytes,
                                   uint32_t protection, uint32_t attributes)
    REQUIRES(file->main_lock)
{
    bool writes = (rights_for(protection) & FILE_WRITE_DATA) != 0;
    uint64_t size = file->information.nbytes;
    status_t status = STATUS_SUCCESS;
    struct segment *segment;

    if (nbytes > INT64_MAX) {
        return STATUS_SECTION_TOO_BIG;
    }
    if (size == 0 && nbytes == 0) {
        return STATUS_MAPPED_FILE_SIZE_ZERO;
    }
    if (nbytes > size) {
        status = writes ? fsi_grow_locked(file, nbytes, nbytes) : STATUS_SECTION_TOO_BIG;
    }
    if (is_success(status)) {
        status = fsi_file_segment_locked(file, &segment);
    }
    if (is_success(status)) {
        status = mm_section_create_file(section, segment, file->information.nbytes, nbytes,
                                        protection, attributes);
        if (is_error(status) && file->information.nbytes > size) {
            status_t undone = fsi_cut_locked(file, size);
            (void)undone; /* what went wrong first is told */
        }
    }
    return status;
}

status_t fs_create_section(struct open_file *open, struct section *section, uint64_t nbytes,
                           uint32_t protection, uint32_t attributes, char *problem)
{
    struct file *file = open->file;
    struct file_claim *claim;
    status_t status = mm_section_check(protection, attributes, true);

    if (is_error(status)) {
        return status;
    }
    if (file->information.is_directory) {
        return STATUS_INVALID_FILE_FOR_SECTION;
    }
    if ((rights_for(protection) & ~open->access) != 0) {
        return STATUS_ACCESS_DENIED;
    }
    status = create_claim(open, protection, attributes, &claim);
    if (is_error(status)) {
        return status;
    }
    mutex_lock(&file->main_lock);
    status = claim->image
                 ? create_image_locked(file, section, nbytes, protection, attributes, problem)
                 : create_data_locked(file, section, nbytes, protection, attributes);
    mutex_unlock(&file->main_lock);
    if (is_error(status)) {
        fs_release_claim(claim);
        return status;
    }
    section->claim = claim;
    section->write_through = (open->options & FILE_WRITE_THROUGH) != 0;
    return STATUS_SUCCESS;
}

static status_t extend_locked(struct file *file, struct section *section, uint64_t nbytes)
    REQUIRES(file->main_lock)
{
    const struct file_claim *claim = section->claim;
    status_t status = STATUS_SUCCESS;

    if (nbytes > file->information.nbytes) {
        status = !claim->writable     ? STATUS_SECTION_NOT_EXTENDED
                 : nbytes > INT64_MAX ? STATUS_SECTION_TOO_BIG
                                      : fsi_grow_locked(file, nbytes, nbytes);
    }
    if (is_success(status) && nbytes > section->nbytes) {
        section->nbytes = nbytes;
    }
    return status;
}

status_t fs_extend_section(struct section *section, uint64_t *nbytes)
{
    const struct file_claim *claim = section->claim;

    if (claim == NULL || claim->image) {
        return STATUS_SECTION_NOT_EXTENDED;
    }
    struct file *file = claim->file;
    mutex_lock(&file->main_lock);
    status_t status = extend_locked(file, section, *nbytes);
    if (is_success(status)) {
        *nbytes = section->nbytes;
    }
    mutex_unlock(&file->main_lock);
    return status;
}

status_t fs_extend_section_to_page(struct section *section, uint64_t nbytes)
{
    const struct file_claim *claim = section->claim;
    struct file *file = claim->file;

    mutex_lock(&file->main_lock);
    uint64_t size = file->information.nbytes;
    bool has_page = ((size + PAGE_MASK) & ~(uint64_t)PAGE_MASK) >= nbytes;
    status_t status = extend_locked(file, section, has_page && size < nbytes ? size : nbytes);
    mutex_unlock(&file->main_lock);
    return status;
}

status_t fs_reserve_section(const struct section *section, uint64_t offset, uint32_t nbytes)
{
    const struct file_claim *claim = section->claim;
    status_t status = STATUS_SUCCESS;

    if (claim == NULL || claim->image || !claim->writable) {
        return STATUS_SUCCESS;
    }
    mutex_lock(&claim->file->main_lock);
    if (offset < section->nbytes) {
        status = mm_segment_make_room(section->segment, offset + nbytes);
    }
    mutex_unlock(&claim->file->main_lock);
    return status;
}
