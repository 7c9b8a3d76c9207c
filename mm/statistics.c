/*
 * mm/statistics.c: what memory is used for: frames, working sets, regions.
 *
 * Only reads. A space's own entries are looked at under the space lock; what a segment has, and who
 * maps it, under the chunk's lock; the database some records at a time under the PFN lock, so that
 * a large machine is not held up. An entry in transition may become one in the paging file while it
 * is looked at (its standby frame is given away): then it counts as what it was. A page table that
 * is out is brought in to count a region, as describing it does; a prototype table is not.
 *
 *   a page of a view:   own entry valid -> resident (an alias, or a private copy)
 *                       own entry TRANSITION or PAGEFILE -> a private copy that is out
 *                       none, or PROTOTYPE -> what the prototype entry says
 *   a linked slot:      what the prototype entry says, and valid means resident
 */
#include "mm/statistics.h"

#include "mm/link.h"
#include "mm/peaks.h"
#include "mm/table.h"

#define RECORDS_AT_ONCE 256u

static void count_record(struct mm_frame_uses *uses, const struct pfn *record)
{
    uint32_t *const by_kind[] = {
        [FRAME_NOTHING] = NULL,
        [FRAME_PRIVATE] = &uses->private_pages,
        [FRAME_SEGMENT] = &uses->segment_pages,
        [FRAME_TABLE] = &uses->page_tables,
        [FRAME_DIRECTORY] = &uses->page_tables,
        [FRAME_PROTOTYPE] = &uses->prototype_tables,
        [FRAME_KERNEL] = &uses->kernel_pages,
        [FRAME_POOL] = &uses->slab_pages,
    };
    uses->transition += record->state == FRAME_TRANSITION;
    uses->bad += record->state == FRAME_BAD;
    if (record->state == FRAME_ACTIVE && by_kind[record->kind] != NULL) {
        (*by_kind[record->kind])++;
    }
}

void mm_count_frame_uses(struct mm_frame_uses *uses)
{
    *uses = (struct mm_frame_uses){0};
    for (uint32_t first = 0; first < mi_database_limit; first += RECORDS_AT_ONCE) {
        uint32_t end = min_u32(mi_database_limit, first + RECORDS_AT_ONCE);
        spin_lock(&mi_pfn_lock);
        for (uint32_t n = first; n < end; n++) {
            count_record(uses, mi_pfn((pfn_t){n}));
        }
        spin_unlock(&mi_pfn_lock);
    }
}

uint32_t mm_highest_frame(void)
{
    return mi_database_limit - 1;
}

uint32_t mm_database_bytes(void)
{
    return mi_database_bytes;
}

/* ---- an address space -------------------------------------------------------------------------
 */

static uint32_t count_valid(const pte_t *table)
{
    uint32_t valid = 0;
    for (uint32_t i = 0; i < CHUNK_PAGES; i++) {
        valid += pte_is_valid(pte_read(&table[i]));
    }
    return valid;
}

/* The pages that the space sees through the linked table of SLOT. => space lock held. */
static uint32_t count_linked(struct space *space, uint32_t slot)
{
    const struct vad *vad = mi_vad_find(space, slot * CHUNK_PAGES);
    VERIFY(vad != NULL && vad->kind == VAD_VIEW); /* M3 */
    struct chunk *chunk =
        mi_chunk(vad->segment, mi_segment_page(vad, slot * CHUNK_PAGES) / CHUNK_PAGES);
    spin_lock(&chunk->lock);
    uint32_t resident = chunk->resident;
    spin_unlock(&chunk->lock);
    return resident;
}

/* => space lock held. */
static uint32_t working_set_locked(struct space *space)
{
    uint32_t pages = 0;
    for (uint32_t slot = 0; slot < 2 * CHUNK_PAGES; slot++) {
        pte_t pde = pte_read(mi_directory_entry(space, slot));
        if (!pte_is_valid(pde)) {
            continue;
        }
        pages += pde_is_linked(pde) ? count_linked(space, slot)
                                    : count_valid(frame_address(pte_frame(pde)));
    }
    return pages;
}

/* => space lock held. */
static struct mm_space_peaks peaks_locked(struct space *space, uint32_t working_set)
{
    mi_note_working_set(space, working_set);
    return (struct mm_space_peaks){.reserved_pages = space->peak_reserved_pages,
                                   .commit_pages = space->peak_commit,
                                   .working_set = space->peak_working_set,
                                   .faults = space->faults};
}

void mm_read_space_peaks(struct space *space, struct mm_space_peaks *peaks)
{
    mutex_lock(&space->lock);
    *peaks = peaks_locked(space, space->private_pages);
    mutex_unlock(&space->lock);
}

void mm_read_space_usage(struct space *space, struct mm_space_usage *usage)
{
    mutex_lock(&space->lock);
    uint32_t working_set = working_set_locked(space);
    *usage = (struct mm_space_usage){.reserved_pages = space->reserved_pages,
                                     .commit_pages = space->commit,
                                     .private_pages = space->private_pages,
                                     .working_set = working_set,
                                     .table_pages = space->table_pages,
                                     .peaks = peaks_locked(space, working_set)};
    mutex_unlock(&space->lock);
}

/* ---- the pages of a region --------------------------------------------------------------------
 */

/* A part of a region that one page table, and of a view one chunk, shows. */
struct stretch {
    const struct vad *vad;
    uint32_t first; /* page numbers, both inside */
    uint32_t last;
    const pte_t *table; /* the space's own, or NULL */
    bool is_linked;
};

/* => chunk lock held. */
static uint32_t linked_mappers(const struct chunk *chunk)
{
    uint32_t linked = 0;
    list_for_each(link, &chunk->mappers) {
        linked += list_entry(link, struct mapper, link)->kind == MAPPER_LINKED;
    }
    return linked;
}

/* How many mappings show the segment page in FRAME: its aliases (the prototype entry is none), and
 * whoever links the table. => chunk lock held. */
static uint32_t shares_of(pfn_t frame, uint32_t linked)
{
    uint32_t entries = mi_pfn(frame)->use.shares;
    return linked + (entries > 0 ? entries - 1 : 0);
}

/* An entry of the space's own that says where the contents are. LINKED: of the view's chunk. */
static void count_own(struct mm_region_pages *pages, pte_t value, uint32_t linked)
{
    if (pte_is_valid(value)) {
        bool is_alias = mi_pfn(pte_frame(value))->kind == FRAME_SEGMENT;
        pages->resident++;
        pages->private_pages += mi_pfn(pte_frame(value))->kind == FRAME_PRIVATE;
        pages->shared_pages += is_alias && shares_of(pte_frame(value), linked) > 1;
    } else {
        pages->nearby += pte_has_form(value, PTE_TRANSITION);
        pages->paged_out += pte_has_form(value, PTE_PAGEFILE);
    }
}

/* A prototype entry, where the space has no entry of its own. */
static void count_prototype(struct mm_region_pages *pages, pte_t value, bool is_linked,
                            uint32_t linked)
{
    if (is_linked && pte_is_valid(value)) {
        pages->resident++;
        pages->linked_pages++;
        pages->shared_pages += shares_of(pte_frame(value), linked) > 1;
    } else {
        pages->nearby += pte_has_frame(value);
        pages->paged_out += pte_has_form(value, PTE_PAGEFILE);
    }
}

static bool says_where(pte_t own)
{
    return !pte_is_empty(own) && !pte_has_form(own, PTE_PROTOTYPE);
}

static void count_view(struct mm_region_pages *pages, const struct stretch *stretch)
{
    uint32_t segment_page = mi_segment_page(stretch->vad, stretch->first);
    struct chunk *chunk = mi_chunk(stretch->vad->segment, segment_page / CHUNK_PAGES);
    spin_lock(&chunk->lock);
    uint32_t linked = linked_mappers(chunk);
    const pte_t *prototypes = mi_proto_entry_locked(chunk, segment_page % CHUNK_PAGES);
    bool is_out = prototypes == NULL && !pte_is_empty(chunk->table);
    for (uint32_t page = stretch->first; page <= stretch->last; page++) {
        pte_t own =
            stretch->table == NULL ? pte_empty() : pte_read(&stretch->table[page % CHUNK_PAGES]);
        if (says_where(own)) {
            count_own(pages, own, linked);
        } else if (prototypes != NULL) {
            count_prototype(pages, pte_read(&prototypes[page - stretch->first]), stretch->is_linked,
                            linked);
        } else {
            pages->table_out += is_out;
        }
    }
    spin_unlock(&chunk->lock);
}

static void count_private(struct mm_region_pages *pages, const struct stretch *stretch)
{
    for (uint32_t page = stretch->first; stretch->table != NULL && page <= stretch->last; page++) {
        count_own(pages, pte_read(&stretch->table[page % CHUNK_PAGES]), 0);
    }
}

/* What one slot shows of VAD in [first, last]. => space lock held. */
static void count_slot(struct mm_region_pages *pages, const struct vad *vad, uint32_t first,
                       uint32_t last)
{
    pte_t *table;
    if (is_error(mi_table_get(vad->space, first / CHUNK_PAGES, false, &table))) {
        pages->table_out += last - first + 1;
        return;
    }
    pte_t pde = pte_read(mi_directory_entry(vad->space, first / CHUNK_PAGES));
    struct stretch stretch = {.vad = vad, .table = table, .is_linked = pde_is_linked(pde)};
    pages->linked_chunks += stretch.is_linked;
    pages->private_tables += table != NULL;
    while (first <= last) {
        stretch.first = first;
        stretch.last = last;
        if (vad_is_view(vad)) {
            uint32_t left = CHUNK_PAGES - mi_segment_page(vad, first) % CHUNK_PAGES;
            stretch.last = min_u32(last, first + left - 1);
            count_view(pages, &stretch);
        } else {
            count_private(pages, &stretch);
        }
        first = stretch.last + 1;
    }
}

void mm_count_region(struct space *space, uaddr_t base, uint32_t nbytes,
                     struct mm_region_pages *pages)
{
    uint32_t page = base.v >> PAGE_SHIFT;
    *pages = (struct mm_region_pages){0};
    mutex_lock(&space->lock);
    const struct vad *vad = mi_vad_find(space, page);
    if (vad != NULL && nbytes != 0) { /* it may have gone since the caller looked */
        uint32_t last = min_u32(vad->last, page + pages_of(nbytes) - 1);
        while (page <= last) {
            uint32_t end = min_u32(last, page | (CHUNK_PAGES - 1));
            count_slot(pages, vad, page, end);
            page = end + 1;
        }
    }
    mutex_unlock(&space->lock);
}

/* ---- single pages -----------------------------------------------------------------------------
 */

/* A page of a view whose entry, own or prototype, is the valid VALUE. => space lock held. */
static void describe_segment_page(const struct vad *vad, uint32_t page, pte_t value,
                                  struct mm_page *answer)
{
    struct chunk *chunk = mi_chunk(vad->segment, mi_segment_page(vad, page) / CHUNK_PAGES);
    spin_lock(&chunk->lock);
    answer->shares = shares_of(pte_frame(value), linked_mappers(chunk));
    spin_unlock(&chunk->lock);
    if (answer->is_linked) {
        answer->protection = mi_prot_to_page(vad->prot);
    }
}

/* => space lock held. */
static void describe_page(struct space *space, uint32_t page, struct mm_page *answer)
{
    const struct vad *vad = mi_vad_find(space, page);
    pte_t pde = pte_read(mi_directory_entry(space, page / CHUNK_PAGES));
    *answer = (struct mm_page){.is_shareable = vad != NULL && vad->kind != VAD_PRIVATE};
    if (vad == NULL || !pte_is_valid(pde)) {
        return;
    }
    const pte_t *table = frame_address(pte_frame(pde));
    pte_t value = pte_read(&table[page % CHUNK_PAGES]);
    if (!pte_is_valid(value)) {
        answer->is_shareable = answer->is_shareable && !says_where(value);
        return;
    }
    answer->is_valid = true;
    answer->is_linked = pde_is_linked(pde);
    answer->shares = 1;
    answer->protection = mi_prot_to_page(pte_prot(value));
    answer->is_shareable = mi_pfn(pte_frame(value))->kind != FRAME_PRIVATE;
    if (vad_is_view(vad) && answer->is_shareable) {
        describe_segment_page(vad, page, value, answer);
    }
}

void mm_query_page(struct space *space, uaddr_t address, struct mm_page *page)
{
    mutex_lock(&space->lock);
    describe_page(space, address.v >> PAGE_SHIFT, page);
    mutex_unlock(&space->lock);
}

bool mm_next_valid_page(struct space *space, uint32_t *page, struct mm_page *answer)
{
    bool found = false;
    mutex_lock(&space->lock);
    uint32_t at = *page;
    while (at < USER_END >> PAGE_SHIFT && !found) {
        if (!pte_is_valid(pte_read(mi_directory_entry(space, at / CHUNK_PAGES)))) {
            at = (at | (CHUNK_PAGES - 1)) + 1;
            continue;
        }
        describe_page(space, at, answer);
        found = answer->is_valid;
        at += !found;
    }
    mutex_unlock(&space->lock);
    *page = at;
    return found;
}
