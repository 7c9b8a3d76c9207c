/*
 * mm/view.c: views: mapping a section, or a part of it, into an address space; unmapping; flushing.
 *
 * Unmapping removes the view first and then writes what was stored to a file through it; a write
 * that fails is told by the file's next flush. The end of a process only asks the file writer.
 *
 * Mapping decodes first (what may be mapped, where, what is charged), then enters a VAD and writes
 * no table entry: the first touch of each 2 MiB links or fills. A view of half a megabyte and more
 * is put where its chunks can be linked (congruent modulo 2 MiB).
 */
#include "mm/view.h"

#include "abi/constants.h"
#include "mm/commit.h"
#include "mm/dirty.h"
#include "mm/image.h"
#include "mm/image_parts.h"
#include "mm/link.h"
#include "mm/peaks.h"
#include "mm/placement.h"
#include "mm/pool.h"
#include "mm/regions.h"
#include "mm/rights.h"
#include "mm/section.h"
#include "mm/writer.h"

#define ZERO_BITS_MAX  21u
#define LINK_PAGES_MIN 128u /* smaller views are packed at 64 KiB instead */

uint32_t mi_rights_of(prot_t prot)
{
    static const uint8_t rights[] = {
        [PROT_NOACCESS] = 0,
        [PROT_READONLY] = RIGHT_READ,
        [PROT_READWRITE] = RIGHT_READ | RIGHT_WRITE,
        [PROT_WRITECOPY] = RIGHT_READ,
        [PROT_EXECUTE] = RIGHT_EXECUTE,
        [PROT_EXECUTE_READ] = RIGHT_READ | RIGHT_EXECUTE,
        [PROT_EXECUTE_READWRITE] = RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE,
        [PROT_EXECUTE_WRITECOPY] = RIGHT_READ | RIGHT_EXECUTE,
    };
    return rights[prot_base(prot)];
}

uint32_t mi_last_page(uint32_t zero_bits)
{
    if (zero_bits == 0) {
        return USER_LAST_PAGE;
    }
    return min_u32(USER_LAST_PAGE, (UINT32_MAX >> zero_bits) >> PAGE_SHIFT);
}

/* A mapping under way. */
struct mapping {
    struct space *space;
    struct section *section;
    struct view_request *request;
    prot_t prot;
    uint32_t npages;
    bool grows; /* the view may be larger than the section */
    uint32_t segment_page;
    uint32_t first; /* page number */
    uint32_t commit;
    status_t success;
};

static bool is_image(const struct mapping *mapping)
{
    return (mapping->section->attributes & SEC_IMAGE) != 0;
}

/* Whether the view may be larger than its section: then it shows more when that is committed. */
static bool may_grow(const struct mapping *mapping)
{
    const struct section *section = mapping->section;
    return (mapping->request->allocation_type & MEM_RESERVE) != 0 && !is_image(mapping) &&
           (section->attributes & SEC_FILE) != 0 &&
           (section->protection & (PAGE_READWRITE | PAGE_EXECUTE_READWRITE)) != 0;
}

static status_t check_flags(const struct view_request *request, prot_t *prot)
{
    if (request->zero_bits > ZERO_BITS_MAX) {
        return STATUS_INVALID_PARAMETER_4;
    }
    if ((request->allocation_type & ~(MEM_TOP_DOWN | MEM_RESERVE)) != 0) {
        return STATUS_INVALID_PARAMETER_9;
    }
    return mi_prot_from_page(request->protection, prot);
}

status_t mm_check_view_flags(const struct view_request *request)
{
    prot_t prot;
    return check_flags(request, &prot);
}

status_t mm_check_view_range(const struct view_request *request)
{
    if (request->base.v >= USER_SHARED || request->nbytes > USER_SHARED - request->base.v) {
        return STATUS_INVALID_PARAMETER_3;
    }
    if (request->base.v != 0 && request->zero_bits != 0 &&
        (request->base.v + max_u32(request->nbytes, 1) - 1) >> (32u - request->zero_bits) != 0) {
        return STATUS_INVALID_PARAMETER_4;
    }
    return STATUS_SUCCESS;
}

static status_t check_placement(const struct view_request *request)
{
    status_t status = mm_check_view_range(request);
    if (is_error(status)) {
        return status;
    }
    if (request->zero_bits == ZERO_BITS_MAX) {
        return STATUS_NO_MEMORY; /* nothing lies so low */
    }
    if (request->offset % 0x10000u != 0 || request->base.v % 0x10000u != 0) {
        return STATUS_MAPPED_ALIGNMENT;
    }
    return STATUS_SUCCESS;
}

/* Whether the section allows what is asked for, which is in mapping->prot. */
static status_t check_protection(struct mapping *mapping)
{
    if (is_image(mapping)) {
        mapping->prot = PROT_EXECUTE_WRITECOPY;
        return STATUS_SUCCESS;
    }
    /* It was checked when the section was made: one bit, and perhaps flags above. */
    prot_t section_prot = (prot_t)__builtin_ctz(mapping->section->protection & 0xFFu);
    if ((mi_rights_of(mapping->prot) & ~mi_rights_of(section_prot)) != 0) {
        return STATUS_SECTION_PROTECTION;
    }
    if ((mapping->section->attributes & SEC_NOCACHE) != 0 && prot_base(mapping->prot) != 0) {
        mapping->prot |= PROT_NOCACHE;
    }
    return STATUS_SUCCESS;
}

/* A view that may be larger than its section: the file must have room for it. */
static status_t check_growing_size(const struct mapping *mapping, uint64_t length)
{
    uint64_t offset = mapping->request->offset;
    uint64_t room = (uint64_t)mapping->section->segment->nchunks * CHUNK_PAGES;
    return (offset + length - 1) >> PAGE_SHIFT >= room ? STATUS_INVALID_VIEW_SIZE : STATUS_SUCCESS;
}

/* Offset and length inside the section; fills npages and segment_page. */
static status_t check_size(struct mapping *mapping)
{
    const struct view_request *request = mapping->request;
    const struct section *section = mapping->section;
    /* An image section's recorded size is whatever its maker said (IMG10): the image decides. */
    uint64_t nbytes = is_image(mapping) ? section->image->nbytes : section->nbytes;
    if (request->offset >= nbytes ||
        (request->nbytes > nbytes - request->offset && !mapping->grows)) {
        return STATUS_INVALID_VIEW_SIZE;
    }
    uint64_t length = request->nbytes != 0 ? request->nbytes : nbytes - request->offset;
    if (length > USER_SHARED) {
        return STATUS_NO_MEMORY;
    }
    mapping->npages = pages_of((uint32_t)length);
    mapping->segment_page = (uint32_t)(request->offset >> PAGE_SHIFT);
    return mapping->grows ? check_growing_size(mapping, length) : STATUS_SUCCESS;
}

static status_t check_types(const struct mapping *mapping)
{
    const struct view_request *request = mapping->request;
    if (mapping->grows) {
        return STATUS_SUCCESS;
    }
    if ((request->allocation_type & ~MEM_TOP_DOWN) != 0) {
        return STATUS_INVALID_PARAMETER_9; /* MEM_RESERVE needs a file that sections make longer */
    }
    bool file = (mapping->section->attributes & SEC_FILE) != 0;
    uint64_t most = file ? (uint64_t)mapping->npages << PAGE_SHIFT : mapping->section->nbytes;
    if (request->commit_nbytes > most) {
        return STATUS_INVALID_PARAMETER_5;
    }
    return STATUS_SUCCESS;
}

static status_t decode(struct mapping *mapping)
{
    status_t status = check_flags(mapping->request, &mapping->prot);
    mapping->grows = may_grow(mapping);
    if (is_success(status)) {
        status = check_placement(mapping->request);
    }
    if (is_success(status)) {
        status = check_protection(mapping);
    }
    if (is_success(status)) {
        status = check_size(mapping);
    }
    return is_success(status) ? check_types(mapping) : status;
}

/* The base that the system chooses. => space lock held. */
static uint32_t choose_place(const struct mapping *mapping)
{
    struct gap_request gap = {.npages = mapping->npages,
                              .alignment = 1,
                              .last_page = mi_last_page(mapping->request->zero_bits),
                              .top_down = (mapping->request->allocation_type & MEM_TOP_DOWN) != 0};
    if (mapping->npages >= LINK_PAGES_MIN && !is_image(mapping)) {
        uint32_t skew = mapping->segment_page % CHUNK_PAGES;
        struct gap_request congruent = gap;
        congruent.alignment = CHUNK_PAGES / SLOT_PAGES;
        congruent.npages += skew;
        uint32_t page = mi_find_gap(mapping->space, &congruent);
        if (page != 0) {
            return page + skew;
        }
    }
    return mi_find_gap(mapping->space, &gap);
}

/* Finds or checks the place. => space lock held. */
static status_t place(struct mapping *mapping)
{
    uint32_t wanted = mapping->request->base.v;
    uint32_t own =
        is_image(mapping) ? mapping->section->image->base + (uint32_t)mapping->request->offset : 0;
    if (wanted == 0 && own != 0) {
        uint32_t first = own >> PAGE_SHIFT;
        if (first >= USER_FIRST_PAGE && first + mapping->npages - 1 <= USER_LAST_PAGE &&
            !mi_vad_overlaps(mapping->space, first, first + mapping->npages - 1)) {
            wanted = own;
        }
    }
    if (own != 0 && wanted != own) {
        mapping->success = STATUS_IMAGE_NOT_AT_BASE;
    }
    if (wanted == 0) {
        mapping->first = choose_place(mapping);
        return mapping->first == 0 ? STATUS_NO_MEMORY : STATUS_SUCCESS;
    }
    mapping->first = wanted >> PAGE_SHIFT;
    if (mapping->first < USER_FIRST_PAGE || mapping->npages > USER_LAST_PAGE + 1 - mapping->first ||
        mi_vad_overlaps(mapping->space, mapping->first, mapping->first + mapping->npages - 1)) {
        return STATUS_CONFLICTING_ADDRESSES;
    }
    return STATUS_SUCCESS;
}

/* Whether stores through the view change a file. */
static bool stores_to_file(const struct mapping *mapping)
{
    return mi_notices_stores(mapping->section->segment) &&
           (mapping->section->protection & (PAGE_READWRITE | PAGE_EXECUTE_READWRITE)) != 0 &&
           (mi_rights_of(mapping->prot) & RIGHT_WRITE) != 0;
}

static struct vad *make_vad(const struct mapping *mapping)
{
    struct vad *vad = mi_vad_allocate(mapping->space);
    if (vad == NULL) {
        return NULL;
    }
    vad->kind = is_image(mapping) ? VAD_IMAGE : VAD_VIEW;
    vad->first = mapping->first;
    vad->last = mapping->first + mapping->npages - 1;
    vad->prot = mapping->prot;
    vad->allocated = mapping->prot;
    vad->section = mapping->section;
    vad->segment = mapping->section->segment;
    vad->segment_page = mapping->segment_page;
    vad->stores = stores_to_file(mapping);
    vad->grows = mapping->grows;
    vad->commit = mapping->commit;
    vad->copy_charged = prot_is_writecopy(mapping->prot) && vad->kind == VAD_VIEW;
    uint32_t first_chunk = vad->segment_page / CHUNK_PAGES;
    vad->nmappers = (vad->segment_page + mapping->npages - 1) / CHUNK_PAGES - first_chunk + 1;
    vad->mappers = vad->nmappers == 1
                       ? &vad->own_mapper
                       : mm_allocate_unset(vad->nmappers * (uint32_t)sizeof(struct mapper));
    if (vad->mappers == NULL) {
        mi_vad_free(vad);
        return NULL;
    }
    uint32_t page = vad->first - vad->segment_page + first_chunk * CHUNK_PAGES;
    const struct mapper *end = vad->mappers + vad->nmappers;
    for (struct mapper *mapper = vad->mappers; mapper < end; mapper++) {
        mapper->vad = vad;
        mapper->kind = MAPPER_NONE;
        mapper->first_page = page;
        page += CHUNK_PAGES;
    }
    return vad;
}

static void free_vad(struct vad *vad)
{
    if (vad->mappers != &vad->own_mapper) {
        mm_free(vad->mappers, vad->nmappers * (uint32_t)sizeof(struct mapper));
    }
    mi_vad_free(vad);
}

/* What the view's pages may cost once they are private. */
static uint32_t copy_charge(const struct mapping *mapping)
{
    if (is_image(mapping)) {
        return mi_image_copy_pages(mapping->section->segment);
    }
    return prot_is_writecopy(mapping->prot) ? mapping->npages : 0;
}

/* SEC_RESERVE: commits what the caller asked for at once, from the view's start. */
static status_t commit_start(const struct mapping *mapping)
{
    uint32_t nbytes = min_u32(mapping->request->commit_nbytes, mapping->npages << PAGE_SHIFT);
    if (nbytes == 0) {
        return STATUS_SUCCESS;
    }
    return mi_segment_commit(mapping->section->segment, mapping->segment_page, pages_of(nbytes),
                             mapping->space);
}

/* Places and enters the view. => space lock held, charges made. */
static status_t enter_locked(struct mapping *mapping)
{
    if (mapping->space->dying) {
        return STATUS_PROCESS_IS_TERMINATING;
    }
    status_t status = place(mapping);
    if (is_error(status)) {
        return status;
    }
    struct vad *vad = make_vad(mapping);
    if (vad == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    mi_unshare_ends(mapping->space, vad->first, vad->last);
    status = mi_vad_insert(mapping->space, vad);
    if (is_error(status)) {
        free_vad(vad);
        return status;
    }
    status = commit_start(mapping); /* last: nothing takes a commit back */
    if (is_error(status)) {
        mi_vad_remove(mapping->space, vad);
        free_vad(vad);
        return status;
    }
    if (vad->stores) {
        vad->segment->dirty.past_end = true;
    }
    if (vad->grows) {
        mi_segment_show(vad->segment, mi_pages_for(mi_section_nbytes(vad->section)));
    }
    mi_add_commit(mapping->space, mapping->commit);
    mi_view_comes(mapping->section);
    return STATUS_SUCCESS;
}

status_t mm_map_view(struct space *space, struct section *section, struct view_request *request)
{
    struct mapping mapping = {
        .space = space, .section = section, .request = request, .success = STATUS_SUCCESS};
    status_t status = decode(&mapping);
    if (is_success(status)) {
        uint32_t last = mapping.segment_page + mapping.npages - 1;
        status = mi_segment_reserve(section->segment, mapping.segment_page / CHUNK_PAGES,
                                    last / CHUNK_PAGES);
    }
    if (is_success(status)) {
        mapping.commit = copy_charge(&mapping);
        status = mapping.commit == 0 ? STATUS_SUCCESS : mm_charge_commit(mapping.commit);
    }
    if (is_error(status)) {
        return status;
    }
    mi_wait_for_tables(2);
    mutex_lock(&space->lock);
    status = enter_locked(&mapping);
    mutex_unlock(&space->lock);
    if (is_error(status)) {
        mm_return_commit(mapping.commit);
        return status;
    }
    request->base = (uaddr_t){mapping.first << PAGE_SHIFT};
    request->nbytes = mapping.npages << PAGE_SHIFT;
    return mapping.success;
}

/* Pages of a file that a view shows, and that stores through it may have changed. */
struct file_range {
    struct segment *segment; /* with a reference; NULL: the view cannot store to a file */
    uint32_t first;
    uint32_t last;
    bool durable; /* FILE_FLAG_WRITE_THROUGH */
};

/* => space lock held. */
static struct file_range range_of(const struct vad *vad, uint32_t first, uint32_t last)
{
    if (!vad->stores || first > vad_last_shown(vad)) {
        return (struct file_range){.segment = NULL};
    }
    last = min_u32(last, vad_last_shown(vad));
    mm_segment_ref(vad->segment);
    return (struct file_range){vad->segment, mi_segment_page(vad, first),
                               mi_segment_page(vad, last), vad->section->write_through};
}

/* Writes what is dirty in the range, whoever stored to it, and what is needed to find it. No locks.
 */
static status_t flush_range(const struct file_range *range)
{
    struct segment *segment = range->segment;
    if (segment == NULL) {
        return STATUS_SUCCESS;
    }
    status_t status = mm_segment_flush(segment, (uint64_t)range->first << PAGE_SHIFT,
                                       (uint64_t)(range->last - range->first + 1) << PAGE_SHIFT);
    if (is_success(status) && segment->pager->sync != NULL) {
        status = segment->pager->sync(segment->context, range->durable);
    }
    return status;
}

static void release_range(const struct file_range *range)
{
    if (range->segment != NULL) {
        mm_segment_unref(range->segment);
    }
}

struct section *mi_remove_view(struct space *space, struct vad *vad)
{
    struct section *section = vad->section;
    if (space->dying && vad->stores) {
        mi_writer_urge(vad->segment); /* nobody waits for its end */
    }
    mi_unmap_range(space, vad, vad->first, vad->last);
    mi_vad_remove(space, vad);
    if (vad->commit != 0) {
        space->commit -= vad->commit;
        mm_return_commit(vad->commit);
    }
    free_vad(vad);
    return section;
}

/* What was stored through a view that is gone; an error is for the next flush to tell. No locks. */
static void write_unmapped(const struct file_range *range)
{
    status_t status = flush_range(range);
    if (is_error(status)) {
        mi_note_write_error(range->segment, status);
    }
    release_range(range);
}

status_t mm_unmap_view(struct space *space, uaddr_t address)
{
    mutex_lock(&space->lock);
    struct vad *vad = mi_vad_find(space, address.v >> PAGE_SHIFT);
    if (vad == NULL || !vad_is_view(vad)) {
        mutex_unlock(&space->lock);
        return STATUS_NOT_MAPPED_VIEW;
    }
    struct file_range range;
    bool stores = vad->stores;
    if (stores) {
        range = range_of(vad, vad->first, vad->last);
    }
    struct section *section = mi_remove_view(space, vad);
    mutex_unlock(&space->lock);
    if (stores) {
        write_unmapped(&range);
    }
    mi_view_gone(section);
    return STATUS_SUCCESS;
}

status_t mm_flush_view(struct space *space, uaddr_t *address, uint32_t *nbytes)
{
    struct file_range range = {.segment = NULL};
    mutex_lock(&space->lock);
    uint32_t page = address->v >> PAGE_SHIFT;
    const struct vad *vad = mi_vad_find(space, page);
    status_t status = vad == NULL ? STATUS_NOT_MAPPED_VIEW : STATUS_NOT_MAPPED_DATA;
    if (vad != NULL && vad->kind == VAD_VIEW) {
        uint32_t inside = address->v & PAGE_MASK;
        uint32_t room = ((vad->last - page + 1) << PAGE_SHIFT) - inside;
        uint32_t wanted = *nbytes == 0 ? room : *nbytes;
        if (wanted <= room) {
            range = range_of(vad, page, page + pages_of(inside + wanted) - 1);
            *nbytes = (inside + wanted + PAGE_MASK) & ~PAGE_MASK;
            *address = (uaddr_t){page << PAGE_SHIFT};
            status = STATUS_SUCCESS;
        } else {
            status = STATUS_INVALID_PARAMETER_2;
        }
    }
    mutex_unlock(&space->lock);
    if (is_success(status)) {
        status = flush_range(&range);
    }
    release_range(&range);
    return status;
}

bool mm_view_lacks(struct space *space, uaddr_t address, uint32_t nbytes, struct section **section,
                   uint64_t *wanted)
{
    uint32_t page = address.v >> PAGE_SHIFT;
    mutex_lock(&space->lock);
    const struct vad *vad = mi_vad_find(space, page);
    uint32_t last = page + pages_of((address.v & PAGE_MASK) + nbytes) - 1;
    bool lacks = vad != NULL && vad_is_view(vad) && vad->grows && nbytes != 0 && last >= page &&
                 last > vad_last_shown(vad) && last <= vad->last;
    if (lacks) {
        *section = vad->section;
        *wanted = ((uint64_t)mi_segment_page(vad, last) + 1) << PAGE_SHIFT;
        mi_view_comes(*section); /* it stays until mm_section_release */
    }
    mutex_unlock(&space->lock);
    return lacks;
}

void mm_section_release(struct section *section)
{
    mi_view_gone(section);
}
