/*
 * mm/protect.c: changing the protection of pages (NtProtectVirtualMemory).
 *
 * A protection that no valid entry can express (no access, guard) takes the page out of reach: a
 * private frame goes to TRANSITION on the modified list, an alias back to PROTOTYPE. A view's
 * linked slots are unshared first (M4), a locked page is unlocked. All changes of one call are
 * flushed once, before it returns.
 */
#include "mm/protect.h"

#include "abi/constants.h"
#include "mm/commit.h"
#include "mm/dirty.h"
#include "mm/link.h"
#include "mm/locked.h"
#include "mm/peaks.h"
#include "mm/query.h"
#include "mm/rights.h"
#include "mm/table.h"
#include "mm/virtual.h"

/* A page that is put out of reach cannot stay locked. */
static void unlock_barred(struct space *space, uint32_t first, uint32_t last, prot_t prot)
{
    if (prot_is_barred(prot)) {
        (void)mi_unlock_range(space, first, last);
    }
}

/* A valid private page takes PROT. => the flush of what stays mapped follows. */
static void protect_private_valid(struct space *space, uint32_t page, pte_t *entry, prot_t prot)
{
    pfn_t frame = pte_frame(pte_read(entry));
    if (!prot_is_barred(prot)) {
        pte_t old = pte_exchange(entry, pte_empty());
        pte_write(entry, mi_pte_make_user(frame, prot, old.v & (PTE_ACCESSED | PTE_DIRTY)));
        return;
    }
    pte_t old = pte_exchange(entry, pte_make_transition(frame, prot));
    tlb_flush_page(&space->root, (uaddr_t){page << PAGE_SHIFT}); /* M6: before the frame leaves */
    mi_pfn(frame)->use.shares = 0;
    mi_note_working_set(space, space->private_pages);
    space->private_pages--;
    if ((old.v & PTE_DIRTY) != 0) {
        mi_forget_slot(frame);
    }
    mi_retire_frame(frame);
}

/* A private page that is out of reach takes PROT, wherever its contents are. */
static void protect_private_absent(pte_t *entry, prot_t prot)
{
    pte_t value = pte_read(entry);
    while (pte_has_form(value, PTE_TRANSITION)) {
        if (mi_transition_protect(entry, value, prot)) {
            return;
        }
        value = pte_read(entry); /* it was given away */
    }
    mi_entry_write(entry, pte_with_prot(value, prot));
}

/* One private page, committed or not. */
static void protect_private_page(const struct vad *vad, uint32_t page, pte_t *entry, prot_t prot)
{
    pte_t value = pte_read(entry);
    if (pte_is_valid(value)) {
        protect_private_valid(vad->space, page, entry, prot);
        return;
    }
    switch (pte_form(value)) {
    case PTE_EMPTY:
        if (vad->committed) {
            mi_entry_write(entry, pte_make_soft(PTE_DEMAND_ZERO, prot));
        }
        break;
    case PTE_DEMAND_ZERO:
        mi_entry_write(entry, pte_make_soft(PTE_DEMAND_ZERO, prot));
        break;
    case PTE_TRANSITION:
    case PTE_PAGEFILE:
        protect_private_absent(entry, prot);
        break;
    case PTE_DECOMMITTED:
        break;
    case PTE_PROTOTYPE:
    case PTE_PAGER:
        unreachable();
    }
}

static bool slots_are_untouched(const struct vad *vad)
{
    for (uint32_t slot = vad->first / CHUNK_PAGES; slot <= vad->last / CHUNK_PAGES; slot++) {
        if (!pte_is_empty(pte_read(mi_directory_entry(vad->space, slot)))) {
            return false;
        }
    }
    return true;
}

status_t mi_protect_private(struct vad *vad, uint32_t first, uint32_t last, prot_t prot)
{
    status_t status = STATUS_SUCCESS;
    if (first == vad->first && last == vad->last && vad->committed && slots_are_untouched(vad)) {
        vad->prot = prot;
        return STATUS_SUCCESS;
    }
    unlock_barred(vad->space, first, last, prot);
    for (uint32_t page = first; page <= last && is_success(status);) {
        uint32_t end = min_u32(last, page | (CHUNK_PAGES - 1));
        pte_t *table;
        status = mi_table_get(vad->space, page / CHUNK_PAGES, vad->committed, &table);
        for (; table != NULL && page <= end; page++) {
            protect_private_page(vad, page, &table[page % CHUNK_PAGES], prot);
        }
        page = end + 1;
    }
    tlb_flush_root(&vad->space->root);
    return status;
}

status_t mi_check_view_protection(const struct vad *vad, prot_t prot)
{
    if (vad->kind == VAD_IMAGE) {
        return STATUS_SUCCESS;
    }
    return (mi_rights_of(prot) & ~mi_rights_of(vad->allocated)) != 0 ? STATUS_SECTION_PROTECTION
                                                                     : STATUS_SUCCESS;
}

/* What an image page stores when PROT is asked for (PRT22): stores stay private. */
static prot_t image_prot(prot_t prot)
{
    uint32_t base = prot_base(prot);
    if (base == PROT_READWRITE || base == PROT_EXECUTE_READWRITE) {
        return (prot_t)(prot | 1u);
    }
    return prot;
}

/* One page of a view. => its chunk's lock held. */
static void protect_view_page_locked(const struct vad *vad, uint32_t page, pte_t *entry,
                                     prot_t prot)
{
    pte_t value = pte_read(entry);
    if (pte_has_form(value, PTE_TRANSITION) || pte_has_form(value, PTE_PAGEFILE)) {
        protect_private_absent(entry, prot_after_copy(prot));
        return;
    }
    if (pte_is_valid(value) && mi_pfn(pte_frame(value))->kind == FRAME_PRIVATE) {
        protect_private_valid(vad->space, page, entry, prot_after_copy(prot));
        return;
    }
    if (pte_is_valid(value) && !prot_is_barred(prot)) {
        pte_t old = pte_exchange(entry, pte_empty());
        pte_t alias = mi_pte_make_user(pte_frame(value), prot, old.v & (PTE_ACCESSED | PTE_DIRTY));
        if (mi_notices_stores(vad->segment)) {
            alias =
                mi_alias_of_file(alias, pte_empty()); /* the next store faults, and is noticed */
        }
        pte_write(entry, alias);
        return;
    }
    if (pte_is_valid(value)) {
        mi_drop_alias(mi_entry_take(entry));
    }
    bool plain = vad->kind == VAD_VIEW && prot == vad->prot;
    mi_entry_write(entry, plain ? pte_empty() : pte_make_soft(PTE_PROTOTYPE, prot));
}

status_t mi_charge_copies(struct vad *vad, prot_t prot)
{
    if (!prot_is_writecopy(prot) || vad->copy_charged) {
        return STATUS_SUCCESS;
    }
    uint32_t npages = vad_npages(vad) - min_u32(vad->commit, vad_npages(vad));
    status_t status = mm_charge_commit(npages);
    if (is_error(status)) {
        return status;
    }
    vad->commit += npages;
    mi_add_commit(vad->space, npages);
    vad->copy_charged = true;
    return STATUS_SUCCESS;
}

void mi_uncharge_copies(struct vad *vad, uint32_t commit_before)
{
    uint32_t npages = vad->commit - commit_before;
    if (npages != 0) {
        vad->commit -= npages;
        vad->space->commit -= npages;
        vad->copy_charged = false;
        mm_return_commit(npages);
    }
}

/* The whole of an untouched view may take the protection in its VAD, and stay linkable. */
static bool protect_untouched_view(struct vad *vad, uint32_t first, uint32_t last, prot_t prot)
{
    if (vad->kind != VAD_VIEW || first != vad->first || last != vad->last ||
        !slots_are_untouched(vad)) {
        return false;
    }
    vad->prot = prot;
    return true;
}

status_t mi_protect_view(struct vad *vad, uint32_t first, uint32_t last, prot_t prot)
{
    prot = vad->kind == VAD_IMAGE ? image_prot(prot)
                                  : (prot_t)(prot | (vad->allocated & PROT_NOCACHE));
    status_t status = mi_charge_copies(vad, prot);
    if (is_error(status)) {
        return status;
    }
    if (protect_untouched_view(vad, first, last, prot)) {
        return STATUS_SUCCESS;
    }
    unlock_barred(vad->space, first, last, prot);
    vad->in_tables = true;
    pte_t *table = NULL;
    for (uint32_t page = first; page <= last && is_success(status); page++) {
        if (page == first || page % CHUNK_PAGES == 0) {
            mi_unshare_slot(vad->space, page / CHUNK_PAGES);
            status = mi_table_get(vad->space, page / CHUNK_PAGES, true, &table);
            if (is_error(status)) {
                break;
            }
        }
        struct chunk *chunk = mi_chunk(vad->segment, mi_segment_page(vad, page) / CHUNK_PAGES);
        spin_lock(&chunk->lock);
        protect_view_page_locked(vad, page, &table[page % CHUNK_PAGES], prot);
        spin_unlock(&chunk->lock);
    }
    tlb_flush_root(&vad->space->root);
    return status;
}

/* Every page of the range lies in one region and is committed. => space lock held. */
static status_t check_range(struct space *space, uint32_t first, uint32_t last, struct vad **result)
{
    struct vad *vad = mi_vad_find(space, first);
    if (vad == NULL || last > vad->last) {
        return STATUS_CONFLICTING_ADDRESSES;
    }
    if (vad->kind == VAD_SHARED_PAGE) {
        return STATUS_INVALID_PAGE_PROTECTION;
    }
    for (uint32_t page = first; page <= last;) {
        struct page_run run;
        status_t status = mi_describe_run(vad, page, last, &run);
        if (is_error(status)) {
            return status;
        }
        if (run.state != MEM_COMMIT) {
            return STATUS_NOT_COMMITTED;
        }
        page = run.last + 1;
    }
    *result = vad;
    return STATUS_SUCCESS;
}

/* => space lock held. */
static status_t protect_locked(struct space *space, uint32_t first, uint32_t last, prot_t prot,
                               uint32_t *old)
{
    struct vad *vad = NULL;
    status_t status = check_range(space, first, last, &vad);
    if (is_error(status)) {
        return status;
    }
    if (vad->kind == VAD_PRIVATE && prot_is_writecopy(prot)) {
        return STATUS_INVALID_PAGE_PROTECTION;
    }
    uint32_t locked = space->locked_pages;
    struct page_run run;
    status = mi_describe_run(vad, first, first, &run);
    if (is_error(status)) {
        return status;
    }
    if (vad->kind == VAD_PRIVATE) {
        status = mi_protect_private(vad, first, last, prot);
    } else {
        status = mi_check_view_protection(vad, prot);
        if (is_success(status)) {
            status = mi_protect_view(vad, first, last, prot);
        }
    }
    if (is_success(status)) {
        *old = run.protection;
        status = space->locked_pages < locked ? STATUS_WAS_UNLOCKED : status;
    }
    return status;
}

status_t mm_check_protection(uint32_t protection)
{
    prot_t prot;
    return mi_prot_from_page(protection, &prot);
}

status_t mm_protect_virtual(struct space *space, uaddr_t *base, uint32_t *nbytes,
                            uint32_t protection, uint32_t *old)
{
    prot_t prot;
    status_t status = mi_prot_from_page(protection, &prot);
    if (is_error(status)) {
        return status;
    }
    if (base->v >= USER_END || *nbytes == 0 || *nbytes > USER_END - base->v) {
        return base->v >= USER_END ? STATUS_INVALID_PARAMETER_2 : STATUS_INVALID_PARAMETER_3;
    }
    uint32_t first = base->v >> PAGE_SHIFT;
    uint32_t last = (base->v + *nbytes - 1) >> PAGE_SHIFT;
    mi_wait_for_tables((last - first) / CHUNK_PAGES + 2);
    mutex_lock(&space->lock);
    status = protect_locked(space, first, last, prot, old);
    mutex_unlock(&space->lock);
    if (is_success(status)) {
        *base = (uaddr_t){first << PAGE_SHIFT};
        *nbytes = (last - first + 1) << PAGE_SHIFT;
    }
    return status;
}
