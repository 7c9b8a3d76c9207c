/*
 * mm/section.c: sections: a segment with a protection, a size and users.
 *
 * Which protection, attributes and sizes go together is decided here, once, for memory and files.
 * The usage counter (handles + views) is the owner's: sys/ keeps it under the name-space lock and
 * is told of each view.
 */
#include "mm/section.h"

#include "abi/constants.h"
#include "mm/link.h"
#include "mm/pte.h"
#include "mm/regions.h"
#include "mm/segment.h"

static void count_view_mapped(struct section *section)
{
    section->views++;
}

static void count_view_unmapped(struct section *section)
{
    section->views--;
}

static const struct section_owner_operations counting = {count_view_mapped, count_view_unmapped};
static const struct section_owner_operations *owner = &counting;

const struct section_owner_operations *
mm_register_section_owner(const struct section_owner_operations *operations)
{
    const struct section_owner_operations *previous = owner;
    owner = operations == NULL ? &counting : operations;
    return previous;
}

void mi_view_comes(struct section *section)
{
    owner->view_mapped(section);
}

void mi_view_gone(struct section *section)
{
    owner->view_unmapped(section);
}

uint64_t mi_section_nbytes(const struct section *section)
{
    const volatile uint32_t *halves = (const volatile uint32_t *)&section->nbytes;
    uint32_t high;
    uint32_t low;
    do {
        high = halves[1];
        low = halves[0];
    } while (high != halves[1]); /* it grows meanwhile, past 4 GiB */
    return (uint64_t)high << 32 | low;
}

status_t mm_section_check(uint32_t protection, uint32_t attributes, bool file)
{
    uint32_t kind = attributes & ~SEC_NOCACHE;
    if (kind != SEC_COMMIT && kind != SEC_RESERVE && kind != SEC_IMAGE) {
        return STATUS_INVALID_PARAMETER_6;
    }
    prot_t prot;
    status_t status = mi_prot_from_page(protection, &prot);
    if (is_error(status)) {
        return status;
    }
    if (prot_is_barred(prot) || (prot & PROT_NOCACHE) != 0) {
        return STATUS_INVALID_PAGE_PROTECTION;
    }
    return kind == SEC_IMAGE && !file ? STATUS_INVALID_FILE_FOR_SECTION : STATUS_SUCCESS;
}

status_t mm_section_create_memory(struct section *section, uint64_t nbytes, uint32_t protection,
                                  uint32_t attributes)
{
    status_t status = mm_section_check(protection, attributes, false);
    if (is_error(status)) {
        return status;
    }
    if (nbytes == 0) {
        return STATUS_INVALID_PARAMETER_4;
    }
    if (nbytes >= 1ull << 63) {
        return STATUS_SECTION_TOO_BIG;
    }
    bool reserve = (attributes & SEC_RESERVE) != 0;
    if (nbytes >= SEGMENT_BYTES_MAX) {
        return reserve ? STATUS_SECTION_TOO_BIG : STATUS_COMMITMENT_LIMIT;
    }
    nbytes = (nbytes + PAGE_MASK) & ~(uint64_t)PAGE_MASK;
    struct segment *segment;
    status = mi_segment_create(&segment, SEGMENT_MEMORY, nbytes, reserve, NULL, NULL);
    if (is_error(status)) {
        return status;
    }
    *section = (struct section){
        .segment = segment, .nbytes = nbytes, .protection = protection, .attributes = attributes};
    return STATUS_SUCCESS;
}

status_t mm_section_create_file(struct section *section, struct segment *segment,
                                uint64_t file_bytes, uint64_t nbytes, uint32_t protection,
                                uint32_t attributes)
{
    status_t status = mm_section_check(protection, attributes, true);
    if (is_error(status)) {
        return status;
    }
    if (nbytes == 0) {
        nbytes = file_bytes;
    }
    if (nbytes == 0) {
        return STATUS_MAPPED_FILE_SIZE_ZERO;
    }
    if (nbytes > file_bytes || nbytes > segment->nbytes) {
        return STATUS_SECTION_TOO_BIG;
    }
    prot_t prot;
    VERIFY(is_success(mi_prot_from_page(protection, &prot)));
    if (prot_is_writable(prot) && !prot_is_writecopy(prot) && segment->pager->page_out == NULL) {
        return STATUS_ACCESS_DENIED;
    }
    mm_segment_ref(segment);
    *section = (struct section){.segment = segment,
                                .nbytes = nbytes,
                                .protection = protection,
                                .attributes = SEC_FILE | (attributes & SEC_NOCACHE)};
    return STATUS_SUCCESS;
}

void mm_section_destroy(struct section *section)
{
    mm_segment_unref(section->segment);
    section->segment = NULL;
}

/* Whether page I, of memory, is dirty in its prototype entry or in any alias. => chunk lock held.
 */
static bool page_is_dirty_locked(const struct chunk *chunk, uint32_t i)
{
    pte_t value = pte_read(mi_proto_entry_locked(chunk, i));
    if (!pte_is_valid(value) || (value.v & PTE_DIRTY) != 0) {
        return pte_is_valid(value);
    }
    list_for_each(link, &chunk->mappers) {
        const pte_t *alias =
            mi_alias_locked(list_entry(link, struct mapper, link), i, pte_frame(value));
        if (alias != NULL && (pte_read(alias).v & PTE_DIRTY) != 0) {
            return true;
        }
    }
    return false;
}

static void read_chunk_usage(const struct segment *segment, struct chunk *chunk,
                             struct mm_segment_usage *usage)
{
    spin_lock(&chunk->lock);
    usage->resident_pages += chunk->resident;
    usage->modified_pages += chunk->dirty;
    for (uint32_t i = 0; i < CHUNK_PAGES && chunk->resident > 0 && !mi_notices_stores(segment);
         i++) {
        usage->modified_pages += page_is_dirty_locked(chunk, i);
    }
    list_for_each(link, &chunk->mappers) {
        const struct mapper *mapper = list_entry(link, struct mapper, link);
        usage->linked_chunks += mapper->kind == MAPPER_LINKED;
        usage->filled_chunks += mapper->kind == MAPPER_FILLED;
    }
    spin_unlock(&chunk->lock);
}

void mm_segment_read_usage(struct segment *segment, struct mm_segment_usage *usage)
{
    *usage = (struct mm_segment_usage){0};
    uint32_t nchunks = segment->nchunks;
    for (uint32_t i = 0; i < nchunks; i++) {
        struct chunk *chunk = mi_chunk(segment, i);
        if (chunk != NULL) {
            read_chunk_usage(segment, chunk, usage);
        }
    }
}
