/*
 * mm/table.c: see table.h.
 *
 * A space's table is brought in under the space's lock, which is held while the disk works and
 * while frames are short: then the thread evicts pages of its own space, and the balancer, which
 * takes no space lock that it would have to wait for, does the rest. A chunk's table comes like a
 * page of the segment (mm/page_in.c), without any lock.
 *
 * Who holds a chunk's lock may look into the private tables of its mappers. So a private table
 * leaves in this order: its directory entry changes, each chunk that shows in the slot is locked
 * and unlocked once, the TLB is flushed, and only then the frame goes.
 */
#include "mm/table.h"

#include "mm/await.h"
#include "mm/commit_limits.h"
#include "mm/image_parts.h"
#include "mm/link.h"
#include "mm/page_in.h"
#include "mm/slots.h"
#include "mm/trim.h"
#include "mm/vad.h"

static uint32_t slots_in_tables; /* [atomic] */
static bool slots_are_lost;

uint32_t mi_slots_in_tables(void)
{
    return slots_in_tables;
}

/* A table cannot be read: the slots that it named, nobody knows how many, are lost. */
static void note_lost(void)
{
    slots_are_lost = true;
    mi_commit_lose(CHUNK_PAGES);
}

bool mi_slots_are_lost(void)
{
    return slots_are_lost;
}

/* What a table holds. */
struct table_count {
    uint32_t used;     /* entries that are not empty */
    uint32_t resident; /* valid, or in transition: their frames know the table */
    uint32_t slots;    /* in the paging file */
};

static struct table_count count_entries(const pte_t *table)
{
    struct table_count count = {0};
    for (uint32_t i = 0; i < CHUNK_PAGES; i++) {
        pte_t value = pte_read(&table[i]);
        count.used += !pte_is_empty(value);
        count.resident += pte_has_frame(value);
        count.slots += pte_has_form(value, PTE_PAGEFILE);
    }
    return count;
}

static bool has_resident(const pte_t *table)
{
    for (uint32_t i = 0; i < CHUNK_PAGES; i++) {
        if (pte_has_frame(pte_read(&table[i]))) {
            return true;
        }
    }
    return false;
}

/* A table has left, or has come back: the slots that it names are out of sight, or seen again. */
static void note_out(uint32_t nslots)
{
    (void)__atomic_fetch_add(&slots_in_tables, nslots, __ATOMIC_RELAXED);
}

static void note_in(const pte_t *table)
{
    (void)__atomic_fetch_sub(&slots_in_tables, count_entries(table).slots, __ATOMIC_RELAXED);
}

/* ---- tables of spaces ---- */

bool mi_table_exists(const struct space *space, uint32_t slot)
{
    pte_t pde = pte_read(mi_directory_entry(space, slot));
    return !pte_is_empty(pde) && !pde_is_linked(pde);
}

/* FRAME, which holds the table, stands in its directory entry from now on. */
static void install(struct space *space, uint32_t slot, pfn_t frame, uint32_t used)
{
    struct pfn *record = mi_pfn(frame);
    record->table = space->root.directories[slot / CHUNK_PAGES].n;
    record->entry = (uint16_t)(slot % CHUNK_PAGES);
    record->use.shares = used;
    space->table_pages++;
    pte_write(mi_directory_entry(space, slot), pte_make_valid(frame, PTE_WRITE | PTE_USER));
}

/* A table on its way out comes back, and is as good as changed: its slot goes. */
static void pull_table(struct space *space, uint32_t slot, pte_t pde)
{
    if (mi_pull_frame(mi_directory_entry(space, slot), pde, true) != PULL_DONE) {
        return; /* it was given away: look again */
    }
    pfn_t frame = pte_frame(pde);
    const pte_t *table = frame_address(frame);
    mi_forget_slot(frame);
    note_in(table);
    install(space, slot, frame, count_entries(table).used);
}

/* A directory entry in form PAGEFILE whose table is not to be read any more. */
#define DISTRUSTED PROT_GUARD

static status_t read_table(struct space *space, uint32_t slot, pte_t pde)
{
    if (pte_prot(pde) == DISTRUSTED) {
        return STATUS_DATA_ERROR;
    }
    pfn_t frame = mi_wait_for_table_frame(FRAME_TABLE, space);
    status_t status = mi_pagefile_read(pte_slot(pde), 1, &frame);
    if (is_success(status) && !mi_pagefile_check(pde, frame)) {
        status = STATUS_DATA_ERROR;
    }
    if (is_error(status)) {
        mi_release_frame(frame);
        return status;
    }
    const pte_t *table = frame_address(frame);
    mi_slot_free(pte_slot(pde));
    note_in(table);
    install(space, slot, frame, count_entries(table).used);
    return STATUS_SUCCESS;
}

status_t mi_table_get(struct space *space, uint32_t slot, bool make, pte_t **result)
{
    const pte_t *entry = mi_directory_entry(space, slot);
    for (;;) {
        pte_t pde = pte_read(entry);
        *result = NULL;
        if (pte_is_valid(pde)) {
            *result = pde_is_linked(pde) ? NULL : frame_address(pte_frame(pde));
            return STATUS_SUCCESS;
        }
        if (pte_has_form(pde, PTE_TRANSITION)) {
            pull_table(space, slot, pde);
        } else if (pte_has_form(pde, PTE_PAGEFILE)) {
            status_t status = read_table(space, slot, pde);
            if (is_error(status)) {
                return status;
            }
        } else if (make) {
            install(space, slot, mi_wait_for_table_frame(FRAME_TABLE, space), 0);
        } else {
            return STATUS_SUCCESS;
        }
    }
}

/* Aliases that were taken out left entries behind: those that say what their view says go. */
static void sweep_view(const struct vad *vad, uint32_t slot, pte_t *table)
{
    uint32_t first = max_u32(vad->first, slot * CHUNK_PAGES);
    uint32_t last = min_u32(vad->last, slot * CHUNK_PAGES + CHUNK_PAGES - 1);
    pte_t plain = pte_make_soft(PTE_PROTOTYPE, vad->prot);
    for (uint32_t page = first; vad->kind == VAD_VIEW && page <= last; page++) {
        if (pte_read(&table[page % CHUNK_PAGES]).v == plain.v) {
            mi_entry_write(&table[page % CHUNK_PAGES], pte_empty());
        }
    }
}

/* Takes each of the chunks' locks once that VIEW shows in the slot. */
static void settle_view(const struct vad *view, uint32_t slot)
{
    uint32_t first = max_u32(view->first, slot * CHUNK_PAGES);
    uint32_t last = min_u32(view->last, slot * CHUNK_PAGES + CHUNK_PAGES - 1);
    for (uint32_t page = first; page <= last;) {
        uint32_t segment_page = mi_segment_page(view, page);
        struct chunk *chunk = mi_chunk(view->segment, segment_page / CHUNK_PAGES);
        spin_lock(&chunk->lock);
        spin_unlock(&chunk->lock);
        page += CHUNK_PAGES - segment_page % CHUNK_PAGES;
    }
}

void mi_table_settle(struct space *space, uint32_t slot)
{
    uint32_t end = (slot + 1) * CHUNK_PAGES;
    for (const struct vad *vad = mi_vad_at_or_after(space, slot * CHUNK_PAGES);
         vad != NULL && vad->first < end; vad = mi_vad_next(vad)) {
        if (vad_is_view(vad)) {
            settle_view(vad, slot);
        }
    }
}

static void sweep_views(struct space *space, uint32_t slot, pte_t *table)
{
    uint32_t end = (slot + 1) * CHUNK_PAGES;
    for (const struct vad *vad = mi_vad_at_or_after(space, slot * CHUNK_PAGES);
         vad != NULL && vad->first < end; vad = mi_vad_next(vad)) {
        if (vad_is_view(vad)) {
            sweep_view(vad, slot, table);
        }
    }
}

void mi_table_evict(struct space *space, uint32_t slot)
{
    pte_t *table = mi_private_table(space, slot);
    pte_t *entry = mi_directory_entry(space, slot);
    if (table == NULL || has_resident(table) || mi_is_awaited(table, CHUNK_PAGES)) {
        return;
    }
    pfn_t frame = frame_of(table);
    struct table_count count = count_entries(table);
    if (count.slots != 0 && !mi_pagefile_is_open()) {
        return;
    }
    (void)pte_exchange(entry, pte_make_transition(frame, 0));
    sweep_views(space, slot, table);
    mi_table_settle(space, slot);
    tlb_flush_root(&space->root);
    space->table_pages--;
    if (mi_pfn(frame)->use.shares == 0) {
        pte_write(entry, pte_empty());
        mi_release_frame(frame);
    } else if (mi_pagefile_is_open()) {
        note_out(count.slots);
        mi_pfn(frame)->use.shares = 0;
        mi_retire_frame(frame);
    } else {
        install(space, slot, frame, mi_pfn(frame)->use.shares);
    }
}

void mi_table_distrust(struct space *space, uint32_t slot)
{
    pte_t *entry = mi_directory_entry(space, slot);
    pte_t pde = pte_read(entry);
    ASSERT(pte_has_form(pde, PTE_PAGEFILE));
    space->distrusted_tables += pte_prot(pde) != DISTRUSTED;
    pte_write(entry, pte_with_prot(pde, DISTRUSTED));
}

void mi_table_forget(struct space *space, uint32_t slot)
{
    pte_t *entry = mi_directory_entry(space, slot);
    pte_t pde = pte_read(entry);
    ASSERT(pte_has_form(pde, PTE_PAGEFILE));
    note_lost();
    space->distrusted_tables -= pte_prot(pde) == DISTRUSTED;
    mi_slot_free(pte_slot(pde));
    pte_write(entry, pte_empty());
}

/* ---- prototype tables ---- */

/* FRAME, which holds the table, stands in the chunk from now on. */
static pte_t *install_in_chunk(struct chunk *chunk, pfn_t frame)
{
    struct pfn *record = mi_pfn(frame);
    pfn_t place = frame_of(&chunk->table);
    record->table = place.n;
    record->entry = (uint16_t)(&chunk->table - (const pte_t *)frame_address(place));
    record->use.shares = 0;
    chunk->table = pte_make_valid(frame, 0);
    return frame_address(frame);
}

/* The table, as far as it takes no I/O; NULL: there is none, or it is out. => chunk lock held. */
static pte_t *table_at_hand_locked(struct chunk *chunk)
{
    ASSERT(spin_is_held(&chunk->lock));
    while (pte_has_form(chunk->table, PTE_TRANSITION)) {
        pfn_t frame = pte_frame(chunk->table);
        enum pull_result result = mi_pull_frame(&chunk->table, chunk->table, false);
        if (result == PULL_DONE) {
            mi_chunk_table_came_locked(chunk, frame);
        } else if (result != PULL_CHANGED) {
            return NULL;
        }
    }
    return pte_is_valid(chunk->table) ? frame_address(pte_frame(chunk->table)) : NULL;
}

pte_t *mi_chunk_table_obtain_locked(const struct segment *segment, struct chunk *chunk)
{
    pte_t *table = table_at_hand_locked(chunk);
    if (table != NULL || !pte_is_empty(chunk->table)) {
        return table;
    }
    pfn_t frame = mi_try_table_frame(FRAME_PROTOTYPE);
    if (pfn_is_none(frame)) {
        return NULL;
    }
    table = install_in_chunk(chunk, frame);
    if (segment->kind == SEGMENT_IMAGE) {
        mi_image_fill_table(segment, chunk->index, table);
    }
    return table;
}

void mi_chunk_table_came_locked(struct chunk *chunk, pfn_t frame)
{
    mi_forget_slot(frame);
    note_in(install_in_chunk(chunk, frame));
}

status_t mi_chunk_table_lock(const struct segment *segment, struct chunk *chunk, struct space *held,
                             pte_t **result)
{
    for (;;) {
        spin_lock(&chunk->lock);
        *result = mi_chunk_table_locked(segment, chunk);
        if (*result != NULL) {
            mi_await_nothing();
            return STATUS_SUCCESS;
        }
        spin_unlock(&chunk->lock);
        status_t status = mi_page_in_table(chunk, held);
        if (is_error(status)) {
            return status;
        }
    }
}

void mi_chunk_table_bring_to_free(struct chunk *chunk)
{
    for (;;) {
        spin_lock(&chunk->lock);
        bool out = table_at_hand_locked(chunk) == NULL && !pte_is_empty(chunk->table);
        spin_unlock(&chunk->lock);
        if (!out) {
            mi_await_nothing();
            return;
        }
        if (is_error(mi_page_in_table(chunk, NULL))) {
            note_lost();
            mi_slot_free(pte_slot(chunk->table));
            chunk->table = pte_empty();
        }
    }
}

/* Takes the table out of every directory that links it. => chunk lock held. */
static void unlink_all_locked(struct chunk *chunk)
{
    list_for_each(link, &chunk->mappers) {
        const struct mapper *mapper = list_entry(link, struct mapper, link);
        if (mapper->kind == MAPPER_LINKED) {
            (void)pte_exchange(
                mi_directory_entry(mapper->vad->space, mapper->first_page / CHUNK_PAGES),
                pte_empty());
        }
    }
    tlb_flush_all_user();
    list_for_each_safe(link, after, &chunk->mappers) {
        struct mapper *mapper = list_entry(link, struct mapper, link);
        if (mapper->kind == MAPPER_LINKED) {
            mi_mapper_leave_locked(mapper);
        }
    }
}

void mi_chunk_table_evict_locked(const struct segment *segment, struct chunk *chunk)
{
    if (!pte_is_valid(chunk->table) || chunk->pins != 0) {
        return;
    }
    pfn_t frame = pte_frame(chunk->table);
    struct table_count count = count_entries(frame_address(frame));
    bool drop = segment->kind != SEGMENT_MEMORY || count.used == 0;
    if (count.resident != 0 || (!drop && !mi_pagefile_is_open()) ||
        mi_is_awaited(frame_address(frame), CHUNK_PAGES)) {
        return;
    }
    if (!list_is_empty(&chunk->mappers)) {
        unlink_all_locked(chunk);
    }
    if (drop) {
        chunk->table = pte_empty();
        mi_release_frame(frame);
    } else {
        note_out(count.slots);
        chunk->table = pte_make_transition(frame, 0);
        mi_retire_frame(frame);
    }
}
