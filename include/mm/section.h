/*
 * include/mm/section.h: segments and sections.
 *
 * A segment is contents: prototype tables and a pager. A section is a segment with a protection, a
 * size and users (handles and views); it lies inside the object that sys/ makes, and views
 * reference it.
 */
#ifndef MM_SECTION_H
#define MM_SECTION_H

#include "mm/pager.h"
#include "quire/annotate.h"
#include "quire/list.h"
#include "quire/status.h"

struct segment;
struct space;

/*
 * A segment whose contents a pager brings (clean ones can be thrown away); NBYTES is what can
 * be mapped now. The caller holds the first reference.
 * => STATUS_INSUFFICIENT_RESOURCES, STATUS_COMMITMENT_LIMIT.
 */
MUST_CHECK status_t mm_segment_create(struct segment **segment, uint64_t nbytes,
                                      const struct pager_operations *pager, void *context);
/*
 * The contents have grown to NBYTES, or are about to: until this returns nothing past the old end
 * can be reached, since then it can. The rest of the old last page is zero. => the caller keeps
 * other changes of size away. May block; no locks of mm/.
 * => INSUFFICIENT_RESOURCES, COMMITMENT_LIMIT, what the pager said of the old last page; nothing
 *    has changed then.
 */
MUST_CHECK status_t mm_segment_extend(struct segment *segment, uint64_t nbytes);

/*
 * Views that grow may reach to NBYTES from now on. => the caller keeps other changes of size away.
 * May block; no locks of mm/. INSUFFICIENT_RESOURCES, COMMITMENT_LIMIT, SECTION_TOO_BIG.
 */
MUST_CHECK status_t mm_segment_make_room(struct segment *segment, uint64_t nbytes);

/*
 * The contents end at NBYTES from now on: pages past it are gone, dirty or not, and no page_in or
 * page_out of them is under way; the rest of the last page is zero. => no section of the segment
 * reaches past NBYTES; the caller keeps other changes of size away. May block; no locks of mm/.
 */
void mm_segment_truncate(struct segment *segment, uint64_t nbytes);

/*
 * The last page becomes dirty, with zeroes past the end: the next flush takes from the disk what a
 * longer file had there. => the caller keeps changes of size away. May block; no locks of mm/.
 * => what the pager says of the page
 */
MUST_CHECK status_t mm_segment_settle(struct segment *segment);

/*
 * Has every dirty page in [offset, offset + nbytes) written (nbytes 0: to the end); returns when
 * the device has them. A page that could not be written stays dirty. May block; no locks of mm/.
 * => what the pager said, now or when the pages were last written without anybody waiting for it
 *    (that is told once).
 */
MUST_CHECK status_t mm_segment_flush(struct segment *segment, uint64_t offset, uint64_t nbytes);

bool mm_segment_is_dirty(const struct segment *segment);

void mm_segment_ref(struct segment *segment);
void mm_segment_unref(struct segment *segment); /* the last one frees it; may block; no locks */

struct section {
    struct segment *segment; /* [c] */
    uint64_t nbytes;         /* exact for files, which make it grow; whole pages for memory, [c] */
    uint32_t protection;     /* [c] PAGE_, as it was asked for */
    uint32_t attributes;     /* [c] SEC_, as NtQuerySection gives them */
    bool write_through;      /* [c] a flush of a view is durable when it returns */
    uint32_t views;          /* [name-space lock] kept by the owner's operations */
    void *claim;             /* [c] the share-mode claim on the file; fs/ owns its meaning */
    struct image_information *image; /* [c] SEC_IMAGE: what NtQuerySection tells; else NULL */
};

/*
 * What sys/ does with the usage counter (handles + views). view_mapped is called with the space
 * lock held, before the view exists; view_unmapped with no lock, after it is gone, and may end the
 * section. The default (NULL) only counts section->views. Returns the ones that were registered.
 */
struct section_owner_operations {
    void (*view_mapped)(struct section *section);
    void (*view_unmapped)(struct section *section);
};
const struct section_owner_operations *
mm_register_section_owner(const struct section_owner_operations *operations);

/*
 * A section that the paging file backs. NBYTES 1 or more, rounded up to pages.
 * => protection: one of READONLY ... EXECUTE_WRITECOPY or EXECUTE, else
 *    STATUS_INVALID_PAGE_PROTECTION. attributes: SEC_COMMIT or SEC_RESERVE, with SEC_NOCACHE or
 *    not, else STATUS_INVALID_PARAMETER_6. nbytes 0: STATUS_INVALID_PARAMETER_4; too large:
 *    STATUS_SECTION_TOO_BIG. STATUS_COMMITMENT_LIMIT.
 */
MUST_CHECK status_t mm_section_create_memory(struct section *section, uint64_t nbytes,
                                             uint32_t protection, uint32_t attributes);

/*
 * A section of a file: SEGMENT is the file's one data segment (referenced by the section),
 * FILE_BYTES the file's size now. nbytes 0: all of it; an empty file: STATUS_MAPPED_FILE_SIZE_ZERO;
 * nbytes above file_bytes: STATUS_SECTION_TOO_BIG (the caller has grown the file first where it
 * may). Access to the file is the caller's to check. A protection that lets views store needs a
 * segment that can be written (else STATUS_ACCESS_DENIED).
 */
MUST_CHECK status_t mm_section_create_file(struct section *section, struct segment *segment,
                                           uint64_t file_bytes, uint64_t nbytes,
                                           uint32_t protection, uint32_t attributes);

/*
 * Whether PROTECTION and ATTRIBUTES are allowed together, the statuses as above; FILE: the section
 * is backed by a file, without which SEC_IMAGE is STATUS_INVALID_FILE_FOR_SECTION. Checked before a
 * file is looked at.
 */
MUST_CHECK status_t mm_section_check(uint32_t protection, uint32_t attributes, bool file);

/* Drops the section's segment; no view is left. May block; no locks. */
void mm_section_destroy(struct section *section);

struct mm_segment_usage {
    uint32_t resident_pages;
    uint32_t modified_pages;
    uint32_t linked_chunks;
    uint32_t filled_chunks;
};
void mm_segment_read_usage(struct segment *segment, struct mm_segment_usage *usage);

#endif
