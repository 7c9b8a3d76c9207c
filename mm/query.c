/*
 * mm/query.c: describing memory: regions (NtQueryVirtualMemory), and the frames behind pages.
 */
#include "mm/query.h"

#include "abi/constants.h"
#include "abi/quire.h"
#include "mm/image_parts.h"
#include "mm/link.h"
#include "mm/table.h"
#include "mm/virtual.h"

struct page_look {
    uint32_t state;
    uint32_t protection;
};

static struct page_look look(uint32_t state, prot_t prot)
{
    return (struct page_look){state, state == MEM_COMMIT ? mi_prot_to_page(prot) : 0};
}

static struct page_look look_private(const struct vad *vad, pte_t value)
{
    if (pte_is_empty(value)) {
        return look(vad->committed ? MEM_COMMIT : MEM_RESERVE, vad->prot);
    }
    return pte_has_form(value, PTE_DECOMMITTED) ? look(MEM_RESERVE, 0)
                                                : look(MEM_COMMIT, pte_prot(value));
}

/*
 * A page of a view: its own entry, else the segment and the view say. False: the segment's table
 * that knows is out.
 */
static bool look_view(const struct vad *vad, uint32_t page, pte_t value, struct page_look *here)
{
    if (!pte_is_empty(value) && !pte_has_form(value, PTE_PROTOTYPE)) {
        *here = look(MEM_COMMIT, pte_prot(value));
        return true;
    }
    if (page > vad_last_shown(vad)) {
        *here = look(MEM_RESERVE, 0);
        return true;
    }
    uint32_t segment_page = mi_segment_page(vad, page);
    prot_t prot = vad->prot;
    if (!pte_is_empty(value)) {
        prot = pte_prot(value);
    } else if (vad->kind == VAD_IMAGE) {
        prot = mi_image_prot(vad->segment, segment_page);
    }
    enum commitment commitment = COMMITTED;
    if (vad->segment->reserve) {
        struct chunk *chunk = mi_chunk(vad->segment, segment_page / CHUNK_PAGES);
        spin_lock(&chunk->lock);
        commitment = mi_commitment_locked(chunk, segment_page);
        spin_unlock(&chunk->lock);
    }
    *here = look(commitment == COMMITTED ? MEM_COMMIT : MEM_RESERVE, prot);
    return commitment != COMMITMENT_OUT;
}

/* Brings the table of the view's segment that knows of PAGE. The space's own may leave meanwhile.
 */
static status_t bring_prototypes(const struct vad *vad, uint32_t page) UNCHECKED_LOCKS
{
    struct chunk *chunk = mi_chunk(vad->segment, mi_segment_page(vad, page) / CHUNK_PAGES);
    pte_t *table;
    status_t status = mi_chunk_table_lock(vad->segment, chunk, vad->space, &table);
    if (is_success(status)) {
        spin_unlock(&chunk->lock);
    }
    return status;
}

/*
 * *TABLE: the space's own of the page's slot, or NULL.
 * => what the disk said when a table that knows cannot be brought in.
 */
static status_t look_at(const struct vad *vad, uint32_t page, pte_t **table, struct page_look *here)
{
    for (;;) {
        pte_t value = *table == NULL ? pte_empty() : pte_read(&(*table)[page % CHUNK_PAGES]);
        if (!vad_is_view(vad)) {
            *here = look_private(vad, value);
            return STATUS_SUCCESS;
        }
        if (look_view(vad, page, value, here)) {
            return STATUS_SUCCESS;
        }
        status_t status = bring_prototypes(vad, page);
        if (is_success(status)) {
            status = mi_table_get(vad->space, page / CHUNK_PAGES, false, table);
        }
        if (is_error(status)) {
            return status;
        }
    }
}

/*
 * The last page that is sure to look like PAGE, where the slot has no table of its own: a look at
 * one table of a segment answers for all that it has in the slot.
 */
static uint32_t last_alike(const struct vad *vad, uint32_t page)
{
    uint32_t slot_last = page | (CHUNK_PAGES - 1);
    if (vad->kind != VAD_PRIVATE && vad->kind != VAD_VIEW) {
        return page;
    }
    if (vad->kind == VAD_PRIVATE || !vad->segment->reserve) {
        bool all_shown = vad->kind == VAD_PRIVATE || page > vad_last_shown(vad);
        return all_shown ? slot_last : min_u32(slot_last, vad_last_shown(vad));
    }
    uint32_t segment_page = mi_segment_page(vad, page);
    uint32_t in_chunk = segment_page % CHUNK_PAGES;
    uint32_t more = min_u32(slot_last - page, CHUNK_PAGES - 1 - in_chunk);
    struct chunk *chunk = mi_chunk(vad->segment, segment_page / CHUNK_PAGES);
    spin_lock(&chunk->lock);
    const pte_t *entry = mi_proto_entry_locked(chunk, in_chunk);
    if (entry != NULL) {
        bool reserved = pte_is_empty(pte_read(entry));
        uint32_t alike = 0;
        while (alike < more && pte_is_empty(pte_read(&entry[alike + 1])) == reserved) {
            alike++;
        }
        more = alike;
    } else if (!pte_is_empty(chunk->table)) {
        more = 0; /* it has left just now; without one nothing is committed */
    }
    spin_unlock(&chunk->lock);
    return page + more;
}

status_t mi_describe_run(const struct vad *vad, uint32_t page, uint32_t limit, struct page_run *run)
{
    pte_t *table;
    status_t status = mi_table_get(vad->space, page / CHUNK_PAGES, false, &table);
    if (is_error(status)) {
        return status;
    }
    struct page_look first = {0};
    struct page_look here;
    status = look_at(vad, page, &table, &first);
    run->state = first.state;
    run->protection = first.protection;
    while (page < limit && is_success(status)) {
        uint32_t next = page + 1;
        if (next % CHUNK_PAGES == 0) {
            status = mi_table_get(vad->space, next / CHUNK_PAGES, false, &table);
        }
        if (is_success(status)) {
            status = look_at(vad, next, &table, &here);
        }
        if (is_error(status) || here.state != first.state || here.protection != first.protection) {
            break;
        }
        page = table == NULL ? min_u32(limit, last_alike(vad, next)) : next;
    }
    run->last = page;
    return status;
}

static uint32_t type_of(const struct vad *vad)
{
    switch (vad->kind) {
    case VAD_PRIVATE:
    case VAD_SHARED_PAGE:
        return MEM_PRIVATE;
    case VAD_VIEW:
        return MEM_MAPPED;
    case VAD_IMAGE:
        return MEM_IMAGE;
    }
    unreachable();
}

static void describe_free(struct space *space, uint32_t page, struct memory_region *region)
{
    const struct vad *next = mi_vad_at_or_after(space, page);
    uint32_t end = next == NULL ? USER_END >> PAGE_SHIFT : next->first;
    *region = (struct memory_region){.base = {page << PAGE_SHIFT},
                                     .nbytes = (end - page) << PAGE_SHIFT,
                                     .state = MEM_FREE,
                                     .protection = PAGE_NOACCESS};
}

status_t mm_query_virtual(struct space *space, uaddr_t address, struct memory_region *region)
{
    if (address.v >= USER_END) {
        return STATUS_INVALID_PARAMETER;
    }
    uint32_t page = address.v >> PAGE_SHIFT;
    mutex_lock(&space->lock);
    const struct vad *vad = mi_vad_find(space, page);
    if (vad == NULL) {
        describe_free(space, page, region);
    } else {
        struct page_run run;
        status_t status = mi_describe_run(vad, page, vad->last, &run);
        if (is_error(status)) {
            mutex_unlock(&space->lock);
            return status;
        }
        *region = (struct memory_region){.base = {page << PAGE_SHIFT},
                                         .allocation_base = {vad->first << PAGE_SHIFT},
                                         .allocation_protection = mi_prot_to_page(vad->allocated),
                                         .nbytes = (run.last - page + 1) << PAGE_SHIFT,
                                         .state = run.state,
                                         .protection = run.protection,
                                         .type = type_of(vad)};
    }
    mutex_unlock(&space->lock);
    return STATUS_SUCCESS;
}

static struct quire_frame describe_frame(pte_t value, bool mapped)
{
    struct quire_frame result = {.frame = UINT32_MAX, .state = QUIRE_FRAME_NONE};
    if (!pte_has_frame(value)) {
        return result;
    }
    const struct pfn *record = mi_pfn(pte_frame(value));
    result.frame = pte_frame(value).n;
    if (!pte_is_valid(value)) {
        result.state = QUIRE_FRAME_TRANSITION;
        return result;
    }
    result.state = mapped ? QUIRE_FRAME_VALID : QUIRE_FRAME_RESIDENT;
    result.shares =
        record->state == FRAME_ACTIVE ? (uint16_t)min_u32(record->use.shares, UINT16_MAX) : 0;
    return result;
}

/* => space lock held. */
static struct quire_frame frame_behind(struct space *space, uint32_t page)
{
    const struct vad *vad = mi_vad_find(space, page);
    const pte_t *table = mi_private_table(space, page / CHUNK_PAGES);
    pte_t value = table == NULL ? pte_empty() : pte_read(&table[page % CHUNK_PAGES]);
    bool own = !pte_is_empty(value) && !pte_has_form(value, PTE_PROTOTYPE);
    if (vad == NULL || !vad_is_view(vad) || own) {
        return describe_frame(vad == NULL ? pte_empty() : value, true);
    }
    uint32_t segment_page = mi_segment_page(vad, page);
    struct chunk *chunk = mi_chunk(vad->segment, segment_page / CHUNK_PAGES);
    bool linked = pde_is_linked(pte_read(mi_directory_entry(space, page / CHUNK_PAGES)));
    spin_lock(&chunk->lock);
    const pte_t *proto = mi_proto_entry_locked(chunk, segment_page % CHUNK_PAGES);
    struct quire_frame result =
        describe_frame(proto == NULL ? pte_empty() : pte_read(proto), linked);
    spin_unlock(&chunk->lock);
    return result;
}

status_t mm_query_frames(struct space *space, uaddr_t address, uint32_t npages,
                         struct quire_frame *frames)
{
    uint32_t first = address.v >> PAGE_SHIFT;
    if (address.v >= USER_END || npages > (USER_END >> PAGE_SHIFT) - first) {
        return STATUS_INVALID_PARAMETER;
    }
    mutex_lock(&space->lock);
    for (uint32_t i = 0; i < npages; i++) {
        frames[i] = frame_behind(space, first + i);
    }
    mutex_unlock(&space->lock);
    return STATUS_SUCCESS;
}
