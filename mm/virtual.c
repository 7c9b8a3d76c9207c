/*
 * mm/virtual.c: private memory: reserving, committing, decommitting, releasing, and committing
 * inside views of SEC_RESERVE sections.
 *
 * A region that was committed as a whole says so in its VAD and needs no entries; otherwise each
 * committed page has one. Each call decodes first, counts what it will charge, and only then
 * changes anything.
 */
#include "mm/virtual.h"

#include "abi/constants.h"
#include "mm/commit.h"
#include "mm/link.h"
#include "mm/peaks.h"
#include "mm/placement.h"
#include "mm/protect.h"
#include "mm/regions.h"
#include "mm/section.h"
#include "mm/table.h"

#define ZERO_BITS_MAX 21u

/* An allocation under way: what was asked, in pages. */
struct allocation {
    struct space *space;
    uint32_t first; /* from 0 when it goes ANYWHERE, until it has its place */
    uint32_t last;
    bool anywhere;
    uint32_t zero_bits;
    uint32_t type;
    prot_t prot;
};

static status_t decode_type(uint32_t type)
{
    uint32_t operations = type & (MEM_COMMIT | MEM_RESERVE | MEM_RESET);
    if (operations == 0 || (type & ~(MEM_COMMIT | MEM_RESERVE | MEM_RESET | MEM_TOP_DOWN)) != 0) {
        return STATUS_INVALID_PARAMETER_5;
    }
    if ((operations & MEM_RESET) != 0 && operations != MEM_RESET) {
        return STATUS_INVALID_PARAMETER_5;
    }
    return STATUS_SUCCESS;
}

status_t mm_check_allocation_flags(uint32_t zero_bits, uint32_t type, uint32_t protection)
{
    prot_t prot;
    if (zero_bits > ZERO_BITS_MAX) {
        return STATUS_INVALID_PARAMETER_3;
    }
    status_t status = decode_type(type);
    return is_success(status) ? mi_prot_from_page(protection, &prot) : status;
}

status_t mm_check_allocation_range(uaddr_t base, uint32_t nbytes)
{
    if (base.v >= USER_SHARED) {
        return STATUS_INVALID_PARAMETER_2;
    }
    return nbytes == 0 || nbytes > USER_SHARED - base.v ? STATUS_INVALID_PARAMETER_4
                                                        : STATUS_SUCCESS;
}

static status_t decode_range(struct allocation *allocation, uint32_t base, uint32_t nbytes)
{
    status_t status = mm_check_allocation_range((uaddr_t){base}, nbytes);
    if (is_error(status)) {
        return status;
    }
    if (base == 0 && allocation->zero_bits == ZERO_BITS_MAX) {
        return STATUS_NO_MEMORY; /* nothing lies so low */
    }
    uint32_t first = base >> PAGE_SHIFT;
    if (base != 0 && (allocation->type & MEM_RESERVE) != 0) {
        first = first / SLOT_PAGES * SLOT_PAGES;
    }
    allocation->anywhere = base == 0;
    allocation->first = first;
    allocation->last = (base + nbytes - 1) >> PAGE_SHIFT;
    return STATUS_SUCCESS;
}

static status_t decode(struct allocation *allocation, uint32_t base, uint32_t nbytes,
                       uint32_t protection)
{
    status_t status =
        mm_check_allocation_flags(allocation->zero_bits, allocation->type, protection);
    if (is_success(status)) {
        status = mi_prot_from_page(protection, &allocation->prot);
    }
    if (is_success(status)) {
        status = decode_range(allocation, base, nbytes);
    }
    if (is_success(status) && base == 0 && (allocation->type & MEM_COMMIT) != 0) {
        allocation->type |= MEM_RESERVE;
    }
    return status;
}

/* Finds or checks the place of a new region. => space lock held. */
static status_t place(struct allocation *allocation)
{
    if (allocation->anywhere) {
        struct gap_request gap = {.npages = allocation->last + 1,
                                  .alignment = 1,
                                  .last_page = mi_last_page(allocation->zero_bits),
                                  .top_down = (allocation->type & MEM_TOP_DOWN) != 0};
        uint32_t page = mi_find_gap(allocation->space, &gap);
        if (page == 0) {
            return STATUS_NO_MEMORY;
        }
        allocation->first += page;
        allocation->last += page;
        return STATUS_SUCCESS;
    }
    if (allocation->first < USER_FIRST_PAGE || allocation->last > USER_LAST_PAGE ||
        mi_vad_overlaps(allocation->space, allocation->first, allocation->last)) {
        return STATUS_CONFLICTING_ADDRESSES;
    }
    return STATUS_SUCCESS;
}

/* => space lock held. */
static status_t reserve_locked(struct allocation *allocation)
{
    struct space *space = allocation->space;
    if (prot_is_writecopy(allocation->prot)) {
        return STATUS_INVALID_PAGE_PROTECTION;
    }
    status_t status = place(allocation);
    if (is_error(status)) {
        return status;
    }
    bool commit = (allocation->type & MEM_COMMIT) != 0;
    uint32_t npages = commit ? allocation->last - allocation->first + 1 : 0;
    status = commit ? mm_charge_commit(npages) : STATUS_SUCCESS;
    if (is_error(status)) {
        return status;
    }
    struct vad *vad = mi_vad_allocate(space);
    if (vad == NULL) {
        mm_return_commit(npages);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    vad->kind = VAD_PRIVATE;
    vad->first = allocation->first;
    vad->last = allocation->last;
    vad->prot = allocation->prot;
    vad->allocated = allocation->prot;
    vad->committed = commit;
    vad->commit = npages;
    mi_unshare_ends(space, vad->first, vad->last);
    status = mi_vad_insert(space, vad);
    if (is_error(status)) {
        mm_return_commit(npages);
        mi_vad_free(vad);
        return status;
    }
    mi_add_commit(space, npages);
    return STATUS_SUCCESS;
}

/* Whether a private page is committed. */
static bool is_committed(const struct vad *vad, pte_t value)
{
    if (pte_is_empty(value)) {
        return vad->committed;
    }
    return !pte_has_form(value, PTE_DECOMMITTED);
}

/* *COUNT: how many pages of [first, last] are committed. => an error when a table cannot be read.
 */
static status_t count_committed(const struct vad *vad, uint32_t first, uint32_t last,
                                uint32_t *count)
{
    *count = 0;
    for (uint32_t page = first; page <= last;) {
        uint32_t end = min_u32(last, page | (CHUNK_PAGES - 1));
        pte_t *table;
        status_t status = mi_table_get(vad->space, page / CHUNK_PAGES, false, &table);
        if (is_error(status)) {
            return status;
        }
        if (table == NULL) {
            *count += vad->committed ? end - page + 1 : 0;
        }
        for (; table != NULL && page <= end; page++) {
            *count += is_committed(vad, pte_read(&table[page % CHUNK_PAGES]));
        }
        page = end + 1;
    }
    return STATUS_SUCCESS;
}

static bool has_tables(const struct vad *vad)
{
    for (uint32_t slot = vad->first / CHUNK_PAGES; slot <= vad->last / CHUNK_PAGES; slot++) {
        if (mi_table_exists(vad->space, slot)) {
            return true;
        }
    }
    return false;
}

/* Every page of the range becomes what VALUE says, where it is not (not) committed already. */
static status_t set_committed(const struct vad *vad, uint32_t first, uint32_t last, pte_t value)
{
    pte_t *table = NULL;
    for (uint32_t page = first; page <= last; page++) {
        if (page == first || page % CHUNK_PAGES == 0) {
            status_t status = mi_table_get(vad->space, page / CHUNK_PAGES, true, &table);
            if (is_error(status)) {
                return status;
            }
        }
        pte_t *entry = &table[page % CHUNK_PAGES];
        if (is_committed(vad, pte_read(entry)) != is_committed(vad, value)) {
            mi_entry_write(entry, value);
        }
    }
    return STATUS_SUCCESS;
}

/* => space lock held; [first, last] lies in the private VAD. */
static status_t commit_private(const struct allocation *allocation, struct vad *vad)
{
    if (prot_is_writecopy(allocation->prot)) {
        return STATUS_INVALID_PAGE_PROTECTION;
    }
    uint32_t first = allocation->first;
    uint32_t last = allocation->last;
    uint32_t committed;
    status_t status = count_committed(vad, first, last, &committed);
    uint32_t charge = last - first + 1 - committed;
    if (is_success(status) && charge != 0) {
        status = mm_charge_commit(charge);
    }
    if (is_error(status)) {
        return status;
    }
    vad->commit += charge;
    mi_add_commit(vad->space, charge);
    if (charge == vad_npages(vad) && !has_tables(vad)) {
        vad->committed = true;
        vad->prot = allocation->prot;
        return STATUS_SUCCESS;
    }
    if (charge != last - first + 1) {
        status = mi_protect_private(vad, first, last, allocation->prot);
    }
    if (is_success(status) && charge != 0) {
        status = set_committed(vad, first, last, pte_make_soft(PTE_DEMAND_ZERO, allocation->prot));
    }
    return status; /* a table that cannot be read: what is charged goes back with the region */
}

/*
 * Commit inside a view that grows: the section reaches as far already, or another one of the file
 * does, and so do all such views from now on, up to the range's end.
 */
static status_t commit_growing(const struct allocation *allocation, struct vad *vad)
{
    uint32_t wanted = mi_segment_page(vad, allocation->last) + 1;
    uint64_t npages = (mi_section_nbytes(vad->section) + PAGE_MASK) >> PAGE_SHIFT;
    status_t status = mi_check_view_protection(vad, allocation->prot);
    if (is_success(status) && allocation->last > vad_last_shown(vad) && wanted > npages) {
        status = STATUS_SECTION_NOT_EXTENDED;
    }
    if (is_error(status)) {
        return status;
    }
    mi_segment_show(vad->segment, wanted);
    return allocation->prot == vad->prot
               ? STATUS_SUCCESS
               : mi_protect_view(vad, allocation->first, allocation->last, allocation->prot);
}

/*
 * Commit inside a view: of a SEC_RESERVE section, or a change of protection. The pages of other
 * files' views and images are all committed, and stay as they are.
 */
static status_t commit_view(const struct allocation *allocation, struct vad *vad)
{
    if (vad->grows) {
        return commit_growing(allocation, vad);
    }
    if (vad->kind != VAD_VIEW || (vad->section->attributes & SEC_FILE) != 0) {
        return STATUS_ALREADY_COMMITTED;
    }
    uint32_t commit_before = vad->commit;
    status_t status = mi_check_view_protection(vad, allocation->prot);
    if (is_success(status)) {
        status = mi_charge_copies(vad, allocation->prot);
    }
    if (is_error(status)) {
        return status;
    }
    status = mi_segment_commit(vad->segment, mi_segment_page(vad, allocation->first),
                               allocation->last - allocation->first + 1, allocation->space);
    if (is_error(status)) {
        mi_uncharge_copies(vad, commit_before);
        return status;
    }
    return mi_protect_view(vad, allocation->first, allocation->last, allocation->prot);
}

/* => space lock held. */
static status_t commit_locked(const struct allocation *allocation)
{
    struct vad *vad = mi_vad_find(allocation->space, allocation->first);
    if (vad == NULL || allocation->last > vad->last || vad->kind == VAD_SHARED_PAGE) {
        return STATUS_CONFLICTING_ADDRESSES;
    }
    if ((allocation->type & MEM_RESET) != 0) {
        return STATUS_SUCCESS; /* contents may be dropped: they are kept */
    }
    return vad->kind == VAD_PRIVATE ? commit_private(allocation, vad)
                                    : commit_view(allocation, vad);
}

status_t mm_allocate_virtual(struct space *space, uaddr_t *base, uint32_t *nbytes,
                             uint32_t zero_bits, uint32_t type, uint32_t protection)
{
    struct allocation allocation = {.space = space, .zero_bits = zero_bits, .type = type};
    status_t status = decode(&allocation, base->v, *nbytes, protection);
    if (is_error(status)) {
        return status;
    }
    mi_wait_for_tables((allocation.last - allocation.first) / CHUNK_PAGES + 2);
    mutex_lock(&space->lock);
    if (space->dying) {
        status = STATUS_PROCESS_IS_TERMINATING;
    } else if ((allocation.type & MEM_RESERVE) != 0) {
        status = reserve_locked(&allocation);
    } else {
        status = commit_locked(&allocation);
    }
    mutex_unlock(&space->lock);
    if (is_success(status)) {
        *base = (uaddr_t){allocation.first << PAGE_SHIFT};
        *nbytes = (allocation.last - allocation.first + 1) << PAGE_SHIFT;
    }
    return status;
}

static void return_charge(struct vad *vad, uint32_t npages)
{
    vad->commit -= npages;
    vad->space->commit -= npages;
    mm_return_commit(npages);
}

void mi_release_private(struct space *space, struct vad *vad)
{
    mi_unmap_range(space, vad, vad->first, vad->last);
    return_charge(vad, vad->commit);
    mi_vad_remove(space, vad);
    mi_vad_free(vad);
}

static status_t decommit(struct vad *vad, uint32_t first, uint32_t last)
{
    uint32_t charge;
    status_t status = count_committed(vad, first, last, &charge);
    if (is_error(status)) {
        return status;
    }
    mi_unmap_range(vad->space, vad, first, last);
    if (first == vad->first && last == vad->last) {
        vad->committed = false;
    } else if (vad->committed) {
        status = set_committed(vad, first, last, pte_make_soft(PTE_DECOMMITTED, 0));
    }
    if (is_success(status)) {
        return_charge(vad, charge);
    }
    return status;
}

/* Gives up [first, last], a true part of the region; a middle part splits it. */
static status_t release_part(struct vad *vad, uint32_t first, uint32_t last)
{
    struct space *space = vad->space;
    struct vad *upper = NULL;
    if (first > vad->first && last < vad->last) {
        upper = mi_vad_allocate(space);
        if (upper == NULL) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
    }
    uint32_t charge;
    uint32_t moved = 0;
    status_t status = count_committed(vad, first, last, &charge);
    if (is_success(status) && upper != NULL) {
        status = count_committed(vad, last + 1, vad->last, &moved);
    }
    if (is_error(status)) {
        if (upper != NULL) {
            mi_vad_free(upper);
        }
        return status;
    }
    mi_unmap_range(space, vad, first, last);
    return_charge(vad, charge);
    if (upper != NULL) {
        mi_vad_split(vad, upper, last + 1);
        upper->commit = moved;
        vad->commit -= moved;
    }
    if (first > vad->first) {
        mi_vad_shrink(space, vad, vad->first, first - 1);
    } else {
        mi_vad_shrink(space, vad, last + 1, vad->last);
    }
    return STATUS_SUCCESS;
}

/* => space lock held. FIRST and LAST are filled from the region when NBYTES is 0. */
static status_t find_freed(struct space *space, uaddr_t base, uint32_t nbytes, struct vad **vad,
                           uint32_t range[2])
{
    uint32_t first = base.v >> PAGE_SHIFT;
    *vad = mi_vad_find(space, first);
    if (*vad == NULL) {
        return STATUS_MEMORY_NOT_ALLOCATED;
    }
    if ((*vad)->kind != VAD_PRIVATE) {
        return STATUS_UNABLE_TO_DELETE_SECTION;
    }
    if (nbytes == 0) {
        if (first != (*vad)->first) {
            return STATUS_FREE_VM_NOT_AT_BASE;
        }
        range[0] = first;
        range[1] = (*vad)->last;
        return STATUS_SUCCESS;
    }
    if (nbytes > USER_END - base.v) {
        return STATUS_UNABLE_TO_FREE_VM;
    }
    range[0] = first;
    range[1] = (base.v + nbytes - 1) >> PAGE_SHIFT;
    return range[1] > (*vad)->last ? STATUS_UNABLE_TO_FREE_VM : STATUS_SUCCESS;
}

status_t mm_free_virtual(struct space *space, uaddr_t *base, uint32_t *nbytes, uint32_t type)
{
    if (type != MEM_DECOMMIT && type != MEM_RELEASE) {
        return STATUS_INVALID_PARAMETER_4;
    }
    if (base->v >= USER_SHARED) {
        return STATUS_INVALID_PARAMETER_2;
    }
    struct vad *vad;
    uint32_t range[2];
    mutex_lock(&space->lock);
    status_t status = find_freed(space, *base, *nbytes, &vad, range);
    if (is_success(status)) {
        if (type == MEM_DECOMMIT) {
            status = decommit(vad, range[0], range[1]);
        } else if (range[0] == vad->first && range[1] == vad->last) {
            mi_release_private(space, vad);
        } else {
            status = release_part(vad, range[0], range[1]);
        }
    }
    mutex_unlock(&space->lock);
    if (is_success(status)) {
        *base = (uaddr_t){range[0] << PAGE_SHIFT};
        *nbytes = (range[1] - range[0] + 1) << PAGE_SHIFT;
    }
    return status;
}

/* Pages [first, last] of a stack's reservation become committed with PROT. => space lock held. */
static status_t commit_stack_locked(struct space *space, uint32_t first, uint32_t last, prot_t prot)
{
    const struct allocation allocation = {
        .space = space, .first = first, .last = last, .type = MEM_COMMIT, .prot = prot};
    return commit_locked(&allocation);
}

/* One step for all other threads: nobody frees or fills a stack that is half made. */
static status_t make_stack_locked(struct allocation *stack, uint32_t ncommitted)
{
    status_t status = reserve_locked(stack);
    if (is_error(status)) {
        return status;
    }
    uint32_t low = stack->last + 1 - ncommitted;
    status = commit_stack_locked(stack->space, low, stack->last, PROT_READWRITE);
    if (is_success(status)) {
        status = commit_stack_locked(stack->space, low - 1, low - 1, PROT_READWRITE | PROT_GUARD);
    }
    if (is_error(status)) {
        mi_release_private(stack->space, mi_vad_find(stack->space, stack->first));
    }
    return status;
}

status_t mm_allocate_stack(struct space *space, uint32_t reserve, uint32_t commit, uaddr_t *base,
                           uaddr_t *limit)
{
    if (reserve > USER_SHARED || commit > USER_SHARED) {
        return STATUS_NO_MEMORY;
    }
    uint32_t ncommitted = max_u32(pages_of(commit), 1);
    struct allocation stack = {.space = space,
                               .last = max_u32(pages_of(reserve), ncommitted + 2) - 1,
                               .anywhere = true,
                               .type = MEM_RESERVE,
                               .prot = PROT_READWRITE};
    mutex_lock(&space->lock);
    status_t status =
        space->dying ? STATUS_PROCESS_IS_TERMINATING : make_stack_locked(&stack, ncommitted);
    mutex_unlock(&space->lock);
    if (is_success(status)) {
        *base = (uaddr_t){stack.first << PAGE_SHIFT};
        *limit = (uaddr_t){(stack.last + 1 - ncommitted) << PAGE_SHIFT};
    }
    return status;
}
