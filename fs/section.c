/*
 * fs/section.c: sections made from files: the access that they need, and the claim that they keep.
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
    mutex_lock(&fsi_volume.lock);
    open->file->users++;
    list_insert_tail(&open->file->claims, &created->link);
    mutex_unlock(&fsi_volume.lock);
    *claim = created;
    return STATUS_SUCCESS;
}

void fs_release_claim(struct file_claim *claim)
{
    struct file *file = claim->file;

    mutex_lock(&fsi_volume.lock);
    list_remove(&claim->link);
    mutex_unlock(&fsi_volume.lock);
    mm_free(claim, sizeof(*claim));
    fsi_release_file(file);
}

/* The section itself; the file's main lock covers the place of the image segment. */
static status_t create_on_segment(struct file *file, struct section *section, uint64_t nbytes,
                                  uint32_t protection, uint32_t attributes, char *problem)
{
    struct segment *segment;
    uint64_t file_nbytes = file->information.nbytes;
    bool image = (attributes & SEC_IMAGE) != 0;
    status_t status = fsi_file_segment(file, &segment);

    if (is_error(status)) {
        return status;
    }
    if (segment == NULL) {
        return image         ? STATUS_INVALID_FILE_FOR_SECTION
               : nbytes == 0 ? STATUS_MAPPED_FILE_SIZE_ZERO
                             : STATUS_SECTION_TOO_BIG;
    }
    if (!image) {
        return mm_section_create_file(section, segment, file_nbytes, nbytes, protection,
                                      attributes);
    }
    mutex_lock(&file->main_lock);
    status = mm_section_create_image(section, segment, file_nbytes, nbytes, protection, attributes,
                                     &file->image, problem);
    mutex_unlock(&file->main_lock);
    return status;
}

status_t fs_create_section(struct open_file *open, struct section *section, uint64_t nbytes,
                           uint32_t protection, uint32_t attributes, char *problem)
{
    struct file_claim *claim;
    status_t status = mm_section_check(protection, attributes, true);

    if (is_error(status)) {
        return status;
    }
    if (open->file->information.is_directory) {
        return STATUS_INVALID_FILE_FOR_SECTION;
    }
    if ((rights_for(protection) & ~open->access) != 0) {
        return STATUS_ACCESS_DENIED;
    }
    status = create_claim(open, protection, attributes, &claim);
    if (is_error(status)) {
        return status;
    }
    status = create_on_segment(open->file, section, nbytes, protection, attributes, problem);
    if (is_error(status)) {
        fs_release_claim(claim);
        return status;
    }
    section->claim = claim;
    return STATUS_SUCCESS;
}
