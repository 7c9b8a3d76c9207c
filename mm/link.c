/*
 * mm/link.c: an address space's tables: private ones, and linked prototype tables.
 *
 *   page directory entry ---linked--> prototype table of the chunk   (one for all processes)
 *                        ---private-> table of this space: private pages, and "filled" aliases
 *
 * A linked slot costs one entry, and pages that anyone brings in appear in it at once. Whatever a
 * linked table cannot express (M4) unshares the slot first: the directory entry is cleared and
 * flushed, the mapper leaves, and the next touch fills a private table. Entries of segment pages
 * change only under their chunk's lock, in private tables too (M2). A mapper stays on its chunk's
 * list until the flush is acknowledged: a chunk without mappers may lose its pages at any time.
 */
#include "mm/link.h"

#include "mm/locked.h"
#include "mm/peaks.h"
#include "mm/section.h"
#include "mm/slots.h"
#include "mm/table.h"
#include "quire/assert.h"

#define PDE_LINKED (1ull << PTE_AVL_SHIFT)

pte_t *mi_directory_entry(const struct space *space, uint32_t slot)
{
    ASSERT(slot < 2 * CHUNK_PAGES);
    pte_t *directory = frame_address(space->root.directories[slot / CHUNK_PAGES]);
    return &directory[slot % CHUNK_PAGES];
}

pte_t *mi_private_table(const struct space *space, uint32_t slot)
{
    pte_t pde = pte_read(mi_directory_entry(space, slot));
    if (!pte_is_valid(pde) || pde_is_linked(pde)) {
        return NULL;
    }
    return frame_address(pte_frame(pde));
}

void mi_entry_write(pte_t *entry, pte_t value)
{
    bool was = !pte_is_empty(pte_read(entry));
    bool is = !pte_is_empty(value);
    pte_write(entry, value);
    if (was != is) {
        uint32_t *used = &mi_pfn(frame_of(entry))->use.shares;
        *used += is ? 1u : UINT32_MAX;
    }
}

void mi_table_gains(const pte_t *entry, uint32_t count)
{
    mi_pfn(frame_of(entry))->use.shares += count;
}

pte_t mi_entry_take(pte_t *entry)
{
    pte_t old = pte_exchange(entry, pte_empty());
    if (!pte_is_empty(old)) {
        mi_pfn(frame_of(entry))->use.shares--;
    }
    return old;
}

void mi_frame_belongs_to(pfn_t frame, const pte_t *entry)
{
    pfn_t table = frame_of(entry);
    struct pfn *record = mi_pfn(frame);
    record->table = table.n;
    record->entry = (uint16_t)(entry - (const pte_t *)frame_address(table));
}

pte_t *mi_alias_locked(const struct mapper *mapper, uint32_t i, pfn_t frame)
{
    const struct vad *vad = mapper->vad;
    uint32_t page = mapper->first_page + i;
    if (mapper->kind != MAPPER_FILLED || page - vad->first > vad->last - vad->first) {
        return NULL;
    }
    pte_t *table = mi_private_table(vad->space, page / CHUNK_PAGES);
    if (table == NULL) {
        return NULL;
    }
    pte_t *entry = &table[page % CHUNK_PAGES];
    pte_t value = pte_read(entry);
    return pte_is_valid(value) && pfn_equal(pte_frame(value), frame) ? entry : NULL;
}

struct mapper *mi_mapper_of(const struct vad *vad, uint32_t segment_page)
{
    uint32_t index = segment_page / CHUNK_PAGES - vad->segment_page / CHUNK_PAGES;
    ASSERT(index < vad->nmappers);
    return &vad->mappers[index];
}

bool mi_can_link(const struct vad *vad, uint32_t slot)
{
    uint32_t first = slot * CHUNK_PAGES;
    if (vad->kind != VAD_VIEW || vad->segment->reserve || first < vad->first ||
        prot_is_barred(vad->prot) || (vad->prot & PROT_NOCACHE) != 0) {
        return false;
    }
    uint32_t page = mi_segment_page(vad, first);
    if (page % CHUNK_PAGES != 0) {
        return false;
    }
    if (vad_last_shown(vad) >= first + CHUNK_PAGES - 1) {
        return true;
    }
    /* The last chunk of a fixed-size section: all that it has, and nobody else in the slot. */
    if (vad->segment->kind != SEGMENT_MEMORY ||
        mi_segment_page(vad, vad->last) != vad->segment->npages - 1) {
        return false;
    }
    const struct vad *next = mi_vad_next(vad);
    return next == NULL || next->first / CHUNK_PAGES != slot;
}

void mi_link_locked(struct vad *vad, uint32_t slot, struct chunk *chunk)
{
    MM_INVARIANT(M3, mi_can_link(vad, slot));
    pte_t *entry = mi_directory_entry(vad->space, slot);
    ASSERT(pte_is_empty(pte_read(entry)) && pte_is_valid(chunk->table));
    uint64_t flags = PTE_USER | PDE_LINKED;
    if (prot_is_writable(vad->prot) && !prot_is_writecopy(vad->prot)) {
        flags |= PTE_WRITE;
    }
    if (!prot_is_executable(vad->prot)) {
        flags |= PTE_NX;
    }
    uint32_t page = mi_segment_page(vad, slot * CHUNK_PAGES);
    struct mapper *mapper = mi_mapper_of(vad, page);
    if (mapper->kind == MAPPER_FILLED) {
        mi_mapper_leave_locked(mapper); /* its table had become empty, and went with a neighbour */
    }
    mi_mapper_enter_locked(chunk, mapper, MAPPER_LINKED);
    vad->in_tables = true;
    pte_write(entry, pte_make_valid(pte_frame(chunk->table), flags));
}

/* Clears a linked directory entry of VAD. The caller flushes, and only then takes the mapper off.
 */
static void unlink_slot(struct vad *vad, uint32_t slot)
{
    uint32_t page = mi_segment_page(vad, slot * CHUNK_PAGES);
    struct chunk *chunk = mi_chunk(vad->segment, page / CHUNK_PAGES);
    spin_lock(&chunk->lock);
    (void)pte_exchange(mi_directory_entry(vad->space, slot), pte_empty());
    spin_unlock(&chunk->lock);
}

/*
 * Takes a view's mapper off its chunk, if it is on. => flushed: while the mapper was there nobody
 * threw away what stale translations could still reach (M6).
 */
static void leave_chunk(struct vad *vad, struct mapper *mapper)
{
    if (mapper->kind == MAPPER_NONE) {
        return; /* it enters under the space's lock only, which is held */
    }
    uint32_t index = vad->segment_page / CHUNK_PAGES + (uint32_t)(mapper - vad->mappers);
    struct chunk *chunk = mi_chunk(vad->segment, index);
    spin_lock(&chunk->lock);
    if (mapper->kind != MAPPER_NONE) { /* the table may have left while the lock was waited for */
        mi_mapper_leave_locked(mapper);
    }
    spin_unlock(&chunk->lock);
}

void mi_unshare_slot(struct space *space, uint32_t slot)
{
    if (!pde_is_linked(pte_read(mi_directory_entry(space, slot)))) {
        return;
    }
    struct vad *vad = mi_vad_find(space, slot * CHUNK_PAGES);
    VERIFY(vad != NULL && vad->kind == VAD_VIEW);
    unlink_slot(vad, slot);
    tlb_flush_root(&space->root);
    leave_chunk(vad, mi_mapper_of(vad, mi_segment_page(vad, slot * CHUNK_PAGES)));
    MM_INVARIANT(M4, pte_is_empty(pte_read(mi_directory_entry(space, slot))));
}

void mi_unshare_ends(struct space *space, uint32_t first, uint32_t last)
{
    mi_unshare_slot(space, first / CHUNK_PAGES);
    if (last / CHUNK_PAGES != first / CHUNK_PAGES) {
        mi_unshare_slot(space, last / CHUNK_PAGES);
    }
}

/* What is taken out of tables, until the flush. */
struct unmapping {
    struct frame_batch frames; /* private frames, and tables that became empty */
    bool flush;
    uint32_t private_pages; /* private pages that went */
};

/* An entry of a private table goes. */
static void drop_entry(struct unmapping *unmapping, pte_t *entry)
{
    pte_t value = pte_read(entry);
    while (pte_has_form(value, PTE_TRANSITION) && mi_pull_frame(entry, value, true) != PULL_DONE) {
        value = pte_read(entry); /* it was given away: the contents are in a slot now */
    }
    pte_t old = mi_entry_take(entry);
    if (pte_has_form(old, PTE_PAGEFILE)) {
        mi_slot_free(pte_slot(old));
    }
    if (!pte_has_frame(old)) {
        return;
    }
    pfn_t frame = pte_frame(old);
    struct pfn *record = mi_pfn(frame);
    if (record->kind == FRAME_SEGMENT) {
        mi_drop_alias(old);
        unmapping->flush = true;
        return;
    }
    if (pte_is_valid(old)) {
        ASSERT(record->kind == FRAME_PRIVATE && record->use.shares == 1);
        record->use.shares = 0;
        unmapping->flush = true;
        unmapping->private_pages++;
    }
    mi_batch_add(&unmapping->frames, frame);
}

/* The entries [low, high] of one private table that all belong to one chunk, or to none. */
static void drop_entries(struct unmapping *unmapping, pte_t *table, uint32_t low, uint32_t high,
                         struct chunk *chunk) UNCHECKED_LOCKS
{
    const struct pfn *record = mi_pfn(frame_of(table));
    if (chunk != NULL) {
        spin_lock(&chunk->lock);
    }
    for (uint32_t i = low; i <= high && record->use.shares > 0; i++) {
        if (table[i].v != 0) {
            drop_entry(unmapping, &table[i]);
        }
    }
    if (chunk != NULL) {
        spin_unlock(&chunk->lock);
    }
}

/* Pages [first, last] of one slot that has a private table; chunk by chunk in a view. */
static void unmap_private(struct unmapping *unmapping, const struct vad *vad, pte_t *table,
                          uint32_t first, uint32_t last)
{
    while (first <= last) {
        uint32_t end = last;
        struct chunk *chunk = NULL;
        if (vad_is_view(vad)) {
            uint32_t page = mi_segment_page(vad, first);
            chunk = mi_chunk(vad->segment, page / CHUNK_PAGES);
            end = min_u32(last, first + (CHUNK_PAGES - 1 - page % CHUNK_PAGES));
        }
        drop_entries(unmapping, table, first % CHUNK_PAGES, end % CHUNK_PAGES, chunk);
        first = end + 1;
    }
}

/*
 * The table of SLOT cannot be read. If nothing else lies there than the pages [first, last] of VAD,
 * which go, it is forgotten; else it is not read again, and whoever touches the others' pages gets
 * the error.
 */
static void forget_slot(struct vad *vad, uint32_t slot, uint32_t first, uint32_t last)
{
    const struct vad *below = mi_vad_prev(vad);
    const struct vad *above = mi_vad_next(vad);
    uint32_t low = max_u32(vad->first, slot * CHUNK_PAGES);
    uint32_t high = min_u32(vad->last, slot * CHUNK_PAGES + CHUNK_PAGES - 1);
    bool alone = first <= low && last >= high &&
                 (below == NULL || below->last / CHUNK_PAGES != slot) &&
                 (above == NULL || above->first / CHUNK_PAGES != slot);
    if (alone) {
        mi_table_forget(vad->space, slot);
    } else {
        mi_table_distrust(vad->space, slot);
    }
}

/* Takes every entry of VAD in [first, last] out; linked slots wholly. */
static void unmap_entries(struct unmapping *unmapping, struct vad *vad, uint32_t first,
                          uint32_t last)
{
    for (uint32_t slot = first / CHUNK_PAGES; slot <= last / CHUNK_PAGES; slot++) {
        pte_t pde = pte_read(mi_directory_entry(vad->space, slot));
        pte_t *table;
        if (pte_is_empty(pde)) {
            continue;
        }
        if (pde_is_linked(pde)) {
            unlink_slot(vad, slot);
            unmapping->flush = true;
            continue;
        }
        if (is_error(mi_table_get(vad->space, slot, false, &table))) {
            forget_slot(vad, slot, first, last);
        } else if (table != NULL) {
            unmap_private(unmapping, vad, table, max_u32(first, slot * CHUNK_PAGES),
                          min_u32(last, slot * CHUNK_PAGES + CHUNK_PAGES - 1));
        }
    }
}

/* Takes private tables out of the directories that hold nothing any more. */
static void drop_empty_tables(struct unmapping *unmapping, struct space *space, uint32_t first,
                              uint32_t last)
{
    for (uint32_t slot = first / CHUNK_PAGES; slot <= last / CHUNK_PAGES; slot++) {
        pte_t *table = mi_private_table(space, slot);
        if (table == NULL || mi_pfn(frame_of(table))->use.shares != 0) {
            continue;
        }
        (void)pte_exchange(mi_directory_entry(space, slot), pte_empty());
        mi_table_settle(space, slot); /* its neighbours' mappers led there, too */
        unmapping->flush = true;
        space->table_pages--;
        mi_batch_add(&unmapping->frames, frame_of(table));
    }
}

void mi_unmap_range(struct space *space, struct vad *vad, uint32_t first, uint32_t last)
{
    if (vad_is_view(vad) && !vad->in_tables && space->distrusted_tables == 0) {
        return; /* never touched: no table knows of it, nor does a chunk */
    }
    struct unmapping unmapping = {.flush = false};
    mi_batch_init(&unmapping.frames);
    (void)mi_unlock_range(space, first, last);
    unmap_entries(&unmapping, vad, first, last);
    drop_empty_tables(&unmapping, space, first, last);
    if (unmapping.flush) {
        tlb_flush_root(&space->root);
    }
    /* Between the flush and the release of tables: whoever holds a chunk's lock may look into the
     * tables of its mappers. */
    for (uint32_t i = 0; i < vad->nmappers; i++) {
        leave_chunk(vad, &vad->mappers[i]);
    }
    mi_note_working_set(space, space->private_pages);
    space->private_pages -= unmapping.private_pages;
    mi_batch_release(&unmapping.frames); /* M6: the flush above is acknowledged */
}
