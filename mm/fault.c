/*
 * mm/fault.c: the page-fault path: one driver, one resolver for each form of an entry, on two
 * screens.
 *
 *   mm_access_fault: lock the space, find the VAD, resolve; page in without locks; again
 *     private region:  EMPTY/DEMAND_ZERO -> a zeroed frame     TRANSITION -> the frame again
 *                      valid -> protection, or a race           DECOMMITTED -> violation
 *     view, slot that can be linked -> link the prototype table (once for 2 MiB)
 *     view, filled table: EMPTY/PROTOTYPE -> aliases of resident pages around, or a private copy
 *                         valid -> protection, write-copy, or a race
 *
 * A resolver returns FAULT_RETRY when it needs a page that only the pager can bring; the driver
 * then brings it with no lock held and begins anew, since everything may have changed meanwhile.
 * What the fault awaits, its page and the tables on the way to it, stays until the thread has gone
 * on (M9: mm/await.h).
 *
 * No flush follows where an entry grants more than before: a fault drops what its CPU's TLB holds
 * of the page (SDM volume 3A, 4.10.4.1), and a CPU whose TLB grants less than the tables faults in
 * turn.
 */
#include "mm/fault.h"

#include "kernel/thread.h"

#include "mm/await.h"
#include "mm/cache_windows.h"
#include "mm/dirty.h"
#include "mm/fault_counts.h"
#include "mm/image_parts.h"
#include "mm/link.h"
#include "mm/locked.h"
#include "mm/page_in.h"
#include "mm/section.h"
#include "mm/table.h"
#include "mm/trace.h"
#include "mm/vad.h"
#include "mm/working_sets.h"

#define FILL_AROUND 16u /* aliases that one fault enters: an aligned run of pages */

struct fault {
    struct space *space;
    struct vad *vad;
    uint32_t page;
    const struct access *access;
    pte_t *entry; /* in a private table */
    enum {
        WANT_NOTHING, /* to look again */
        WANT_FRAME,
        WANT_PAGE,          /* of `wanted`, to be paged in */
        WANT_PRIVATE_PAGE,  /* the faulting page, from the paging file */
        WANT_READ,          /* the contents of `busy`, which are on their way */
        WANT_STORE,         /* to the page of `wanted`, for which its file must have room */
    } want;                 /* what FAULT_RETRY waits for */
    struct segment *wanted; /* referenced */
    uint32_t wanted_page;
    pfn_t busy;
    status_t cause; /* of FAULT_IN_PAGE_ERROR */
};

struct mm_fault_counts mi_faults;

uint64_t mm_fault_count(void)
{
    return mi_faults.all;
}

void mm_read_fault_counts(struct mm_fault_counts *counts)
{
    *counts = mi_faults;
}

/* What PROT says of the access. */
static enum fault_result check_protection(prot_t prot, const struct access *access)
{
    if (prot_base(prot) == PROT_NOACCESS) {
        return FAULT_VIOLATION;
    }
    if ((prot & PROT_GUARD) != 0) {
        return FAULT_GUARD; /* the first touch, whatever it wants; the next sees the rest */
    }
    if (access->kind == ACCESS_WRITE && !prot_is_writable(prot)) {
        return FAULT_VIOLATION;
    }
    if (access->kind == ACCESS_EXECUTE && !prot_is_executable(prot) && paging_has_nx()) {
        return FAULT_VIOLATION;
    }
    return FAULT_DONE;
}

static enum fault_result want_page(struct fault *fault, uint32_t segment_page)
{
    fault->want = WANT_PAGE;
    fault->wanted = fault->vad->segment;
    fault->wanted_page = segment_page;
    mm_segment_ref(fault->wanted);
    return FAULT_RETRY;
}

static enum fault_result want_store(struct fault *fault, uint32_t segment_page)
{
    (void)want_page(fault, segment_page);
    fault->want = WANT_STORE;
    return FAULT_RETRY;
}

static enum fault_result want_frame(struct fault *fault)
{
    fault->want = WANT_FRAME;
    return FAULT_RETRY;
}

/* Makes FRAME, just taken or copied to, the private page of the fault's entry. */
static void enter_private(struct fault *fault, pfn_t frame, prot_t prot, uint64_t extra)
{
    mi_pfn(frame)->use.shares = 1;
    mi_frame_belongs_to(frame, fault->entry);
    fault->space->private_pages++;
    mi_entry_write(fault->entry, mi_pte_make_user(frame, prot, extra));
}

/* EMPTY in committed private memory, or DEMAND_ZERO. */
static enum fault_result resolve_demand_zero(struct fault *fault, prot_t prot)
{
    enum fault_result result = check_protection(prot, fault->access);
    if (result == FAULT_GUARD) {
        mi_entry_write(fault->entry, pte_make_soft(PTE_DEMAND_ZERO, (prot_t)(prot & ~PROT_GUARD)));
    }
    if (result != FAULT_DONE) {
        return result;
    }
    pfn_t frame = mi_take_page_frame(FRAME_PRIVATE, true);
    if (pfn_is_none(frame)) {
        return want_frame(fault);
    }
    enter_private(fault, frame, prot, PTE_ACCESSED);
    mi_faults.demand_zero++;
    return FAULT_DONE;
}

static enum fault_result look_again(struct fault *fault)
{
    fault->want = WANT_NOTHING;
    return FAULT_RETRY;
}

/*
 * A private frame that is out of reach: trimmed, or barred by a guard or no-access protection. It
 * may be given away until it is pulled.
 */
static enum fault_result resolve_transition(struct fault *fault, pte_t value)
{
    prot_t prot = pte_prot(value);
    pfn_t frame = pte_frame(value);
    enum fault_result result = check_protection(prot, fault->access);
    if (result != FAULT_DONE && result != FAULT_GUARD) {
        return result;
    }
    if (result == FAULT_GUARD) {
        return mi_transition_protect(fault->entry, value, (prot_t)(prot & ~PROT_GUARD))
                   ? FAULT_GUARD
                   : look_again(fault);
    }
    switch (mi_pull_frame(fault->entry, value, false)) {
    case PULL_DONE:
        break;
    case PULL_CHANGED:
        return look_again(fault);
    case PULL_NO_FRAME:
        return want_frame(fault);
    case PULL_BUSY:
        fault->want = WANT_READ;
        fault->busy = frame;
        return FAULT_RETRY;
    }
    /* Without a slot that holds its contents it is as good as stored to. */
    uint64_t dirty = mi_pfn(frame)->original == 0 ? PTE_DIRTY : 0;
    mi_pfn(frame)->use.shares = 1;
    fault->space->private_pages++;
    mi_entry_write(fault->entry, mi_pte_make_user(frame, prot, dirty | PTE_ACCESSED));
    mi_faults.transition++;
    return FAULT_DONE;
}

/* A page in the paging file. */
static enum fault_result resolve_pagefile(struct fault *fault, pte_t value)
{
    prot_t prot = pte_prot(value);
    enum fault_result result = check_protection(prot, fault->access);
    if (result == FAULT_GUARD) {
        mi_entry_write(fault->entry, pte_with_prot(value, (prot_t)(prot & ~PROT_GUARD)));
    }
    if (result != FAULT_DONE) {
        return result;
    }
    fault->want = WANT_PRIVATE_PAGE;
    return FAULT_RETRY;
}

/*
 * The first store to a write-copy page: its contents move to a private frame. SOURCE is shown by
 * the entry (ALIASED) or only by the segment. => the chunk's lock held, which keeps the source.
 */
static enum fault_result copy_page_locked(struct fault *fault, pfn_t source, bool aliased,
                                          prot_t prot)
{
    pfn_t frame = mi_take_page_frame(FRAME_PRIVATE, false);
    if (pfn_is_none(frame)) {
        return want_frame(fault);
    }
    frame_copy(frame, source);
    if (aliased) {
        /* M7: the old translation is gone from every TLB before the copy becomes writable. */
        pte_t old = mi_entry_take(fault->entry);
        tlb_flush_page(&fault->space->root, (uaddr_t){fault->page << PAGE_SHIFT});
        mi_drop_alias(old);
    }
    enter_private(fault, frame, prot_after_copy(prot), PTE_DIRTY | PTE_ACCESSED);
    mi_move_lock(fault->space, fault->page, source, frame);
    mi_faults.copy_on_write++;
    return FAULT_DONE;
}

/*
 * A store through an alias of a file's page, which was clean when the alias was made (M5). => the
 * chunk's lock held.
 */
static enum fault_result store_by_alias_locked(struct fault *fault, struct chunk *chunk,
                                               uint32_t page)
{
    pte_t *proto = mi_proto_entry_locked(chunk, page % CHUNK_PAGES);
    if (!mi_store_locked(fault->vad->segment, chunk, proto)) {
        return want_store(fault, page);
    }
    pte_set(fault->entry, PTE_WRITE);
    return FAULT_DONE; /* more rights need no flush */
}

/* A view's fault that waits does so for the segment's page. => chunk lock held. */
static void await_prototype_locked(const struct chunk *chunk, uint32_t page,
                                   enum fault_result result)
{
    if (result == FAULT_RETRY) {
        mi_await(AWAIT_PROTOTYPE, mi_proto_entry_locked(chunk, page % CHUNK_PAGES));
    }
}

/* A valid entry of a private table: write-copy, a file's, a violation, or a race that is over. */
static enum fault_result resolve_valid(struct fault *fault, pte_t value)
{
    prot_t prot = pte_prot(value);
    enum fault_result result = check_protection(prot, fault->access);
    if (result != FAULT_DONE) {
        return result;
    }
    if (!vad_is_view(fault->vad)) {
        MM_INVARIANT(M7, fault->access->kind != ACCESS_WRITE || (value.v & PTE_WRITE) != 0);
        return FAULT_DONE; /* another thread resolved it, or the TLB was stale */
    }
    uint32_t page = mi_segment_page(fault->vad, fault->page);
    struct chunk *chunk = mi_chunk(fault->vad->segment, page / CHUNK_PAGES);
    spin_lock(&chunk->lock);
    pte_t now = pte_read(fault->entry);
    if (!pte_is_valid(now)) {
        result = look_again(fault); /* trimmed just now */
    } else if (fault->access->kind != ACCESS_WRITE || (now.v & PTE_WRITE) != 0) {
        result = FAULT_DONE; /* as above */
    } else if (prot_is_writecopy(prot)) {
        result = copy_page_locked(fault, pte_frame(now), true, prot);
    } else {
        MM_INVARIANT(M5, mi_notices_stores(fault->vad->segment));
        result = store_by_alias_locked(fault, chunk, page);
    }
    await_prototype_locked(chunk, page, result);
    spin_unlock(&chunk->lock);
    return result;
}

/* The fault's entry in the slot's own table, which is made or brought in. */
static enum fault_result find_entry(struct fault *fault)
{
    pte_t *table;
    fault->cause = mi_table_get(fault->space, fault->page / CHUNK_PAGES, true, &table);
    if (is_error(fault->cause)) {
        return FAULT_IN_PAGE_ERROR;
    }
    fault->entry = table + fault->page % CHUNK_PAGES;
    return FAULT_DONE;
}

/* The usual case of that: the table is in memory. */
static bool entry_is_at_hand(struct fault *fault)
{
    pte_t *table = mi_private_table(fault->space, fault->page / CHUNK_PAGES);
    fault->entry = table + fault->page % CHUNK_PAGES;
    return table != NULL;
}

static enum fault_result find_private_entry(struct fault *fault)
{
    const struct vad *vad = fault->vad;
    if (!mi_table_exists(fault->space, fault->page / CHUNK_PAGES) &&
        (!vad->committed || prot_base(vad->prot) == PROT_NOACCESS)) {
        return FAULT_VIOLATION;
    }
    return find_entry(fault);
}

static enum fault_result fault_private(struct fault *fault)
{
    struct vad *vad = fault->vad;
    enum fault_result found = entry_is_at_hand(fault) ? FAULT_DONE : find_private_entry(fault);
    if (found != FAULT_DONE) {
        return found;
    }
    mi_await(AWAIT_PAGE, fault->entry);
    pte_t value = pte_read(fault->entry);
    if (pte_is_valid(value)) {
        return resolve_valid(fault, value);
    }
    switch (pte_form(value)) {
    case PTE_EMPTY:
        return vad->committed ? resolve_demand_zero(fault, vad->prot) : FAULT_VIOLATION;
    case PTE_DEMAND_ZERO:
        return resolve_demand_zero(fault, pte_prot(value));
    case PTE_TRANSITION:
        return resolve_transition(fault, value);
    case PTE_PAGEFILE:
        return resolve_pagefile(fault, value);
    case PTE_DECOMMITTED:
        return FAULT_VIOLATION;
    case PTE_PROTOTYPE:
    case PTE_PAGER:
        break;
    }
    panic("entry %08x%08x in private memory", (unsigned)(value.v >> 32), (unsigned)value.v);
}

/* The pages around the fault that one fill covers: same table, same view, same chunk. */
static void fill_window(const struct fault *fault, uint32_t *low, uint32_t *high)
{
    const struct vad *vad = fault->vad;
    uint32_t page = fault->page;
    uint32_t slot_first = page / CHUNK_PAGES * CHUNK_PAGES;
    uint32_t first = slot_first;
    uint32_t last = slot_first + CHUNK_PAGES - 1;
    if (vad->kind != VAD_IMAGE) {
        first = page / FILL_AROUND * FILL_AROUND;
        last = first + FILL_AROUND - 1;
    }
    uint32_t in_chunk = mi_segment_page(vad, page) % CHUNK_PAGES;
    first = max_u32(first, max_u32(vad->first, in_chunk > page ? 0 : page - in_chunk));
    last = min_u32(last, min_u32(vad_last_shown(vad), page + (CHUNK_PAGES - 1 - in_chunk)));
    *low = first;
    *high = last;
}

/*
 * Fills the entries around the fault whose pages are resident; not marked accessed, so that ageing
 * is not misled. PROTO: the entry of the faulting page.
 */
static void fill_around_locked(struct fault *fault, const pte_t *proto)
{
    const struct vad *vad = fault->vad;
    uint32_t low;
    uint32_t high;
    fill_window(fault, &low, &high);
    const bool is_image = vad->kind == VAD_IMAGE;
    const bool is_file = mi_notices_stores(vad->segment);
    const prot_t view_prot = vad->prot;
    pte_t *entry = fault->entry - (fault->page - low);
    uint32_t gained = 0;
    proto -= fault->page - low;
    for (uint32_t left = high - low + 1; left > 0; left--, entry++, proto++) {
        pte_t value = pte_read(proto);
        if (!pte_is_valid(value)) {
            continue;
        }
        pte_t own = pte_read(entry);
        prot_t prot = is_image ? pte_prot(value) : view_prot;
        if (!pte_is_empty(own)) {
            if (!pte_has_form(own, PTE_PROTOTYPE)) {
                continue;
            }
            prot = pte_prot(own);
        }
        if (prot_is_barred(prot)) {
            continue;
        }
        gained += pte_is_empty(own) ? 1u : 0u;
        mi_share_frame(pte_frame(value));
        pte_t alias = mi_pte_make_user(pte_frame(value), prot, 0);
        pte_write(entry, is_file ? mi_alias_of_file(alias, value) : alias);
    }
    mi_table_gains(fault->entry, gained);
}

/* The resident page, by alias or by copy. => chunk lock held, PROTO is valid. */
static enum fault_result show_page_locked(struct fault *fault, struct chunk *chunk, pte_t *proto,
                                          prot_t prot)
{
    bool stores = fault->access->kind == ACCESS_WRITE;
    bool is_file = mi_notices_stores(fault->vad->segment);
    struct mapper *mapper = mi_mapper_of(fault->vad, mi_segment_page(fault->vad, fault->page));
    if (mapper->kind == MAPPER_NONE) {
        mi_mapper_enter_locked(chunk, mapper, MAPPER_FILLED);
    }
    pfn_t frame = pte_frame(pte_read(proto));
    if (stores && prot_is_writecopy(prot)) {
        return copy_page_locked(fault, frame, false, prot);
    }
    if (stores && is_file && !mi_store_locked(fault->vad->segment, chunk, proto)) {
        return want_store(fault, mi_segment_page(fault->vad, fault->page));
    }
    pte_t alias = mi_pte_make_user(frame, prot, PTE_ACCESSED);
    mi_share_frame(frame);
    mi_entry_write(fault->entry, is_file ? mi_alias_of_file(alias, pte_read(proto)) : alias);
    fill_around_locked(fault, proto);
    return FAULT_DONE;
}

/* The protection of a view's page whose own entry is EMPTY or PROTOTYPE. */
static prot_t view_prot(const struct fault *fault, uint32_t segment_page)
{
    pte_t own = pte_read(fault->entry);
    if (!pte_is_empty(own)) {
        return pte_prot(own);
    }
    if (fault->vad->kind == VAD_IMAGE) {
        return mi_image_prot(fault->vad->segment, segment_page);
    }
    return fault->vad->prot;
}

/* Whether PAGE of a SEC_RESERVE segment is committed. => chunk lock held. */
static enum fault_result check_commitment_locked(struct fault *fault, const struct chunk *chunk,
                                                 uint32_t page)
{
    switch (mi_commitment_locked(chunk, page)) {
    case COMMITTED:
        return FAULT_DONE;
    case NOT_COMMITTED:
        return FAULT_VIOLATION;
    case COMMITMENT_OUT:
        return want_page(fault, page);
    }
    unreachable();
}

/* EMPTY or PROTOTYPE: the contents are the segment's. */
static enum fault_result resolve_prototype(struct fault *fault)
{
    struct segment *segment = fault->vad->segment;
    uint32_t page = mi_segment_page(fault->vad, fault->page);
    struct chunk *chunk = mi_chunk(segment, page / CHUNK_PAGES);
    spin_lock(&chunk->lock);
    prot_t prot = view_prot(fault, page);
    enum fault_result result =
        segment->reserve ? check_commitment_locked(fault, chunk, page) : FAULT_DONE;
    if (result == FAULT_DONE) {
        result = check_protection(prot, fault->access);
    }
    if (result == FAULT_GUARD) {
        mi_entry_write(fault->entry, pte_make_soft(PTE_PROTOTYPE, (prot_t)(prot & ~PROT_GUARD)));
    } else if (result == FAULT_DONE) {
        switch (mi_page_make_ready_locked(segment, chunk, page)) {
        case PAGE_READY:
            result = show_page_locked(fault, chunk,
                                      mi_proto_entry_locked(chunk, page % CHUNK_PAGES), prot);
            break;
        case PAGE_NO_FRAME:
            result = want_frame(fault);
            break;
        case PAGE_ABSENT:
            result = want_page(fault, page);
            break;
        case PAGE_UNCOMMITTED:
            result = FAULT_VIOLATION;
            break;
        }
    }
    await_prototype_locked(chunk, page, result);
    spin_unlock(&chunk->lock);
    return result;
}

static enum fault_result fault_filled(struct fault *fault)
{
    enum fault_result found = entry_is_at_hand(fault) ? FAULT_DONE : find_entry(fault);
    if (found != FAULT_DONE) {
        return found;
    }
    mi_await(AWAIT_PAGE, fault->entry);
    fault->vad->in_tables = true;
    pte_t value = pte_read(fault->entry);
    if (pte_is_valid(value)) {
        return resolve_valid(fault, value);
    }
    switch (pte_form(value)) {
    case PTE_EMPTY:
    case PTE_PROTOTYPE:
        return resolve_prototype(fault);
    case PTE_TRANSITION:
        return resolve_transition(fault, value);
    case PTE_PAGEFILE:
        return resolve_pagefile(fault, value);
    case PTE_DEMAND_ZERO:
    case PTE_DECOMMITTED:
    case PTE_PAGER:
        break;
    }
    panic("entry %08x%08x in a view", (unsigned)(value.v >> 32), (unsigned)value.v);
}

/* A page of a slot that is linked, or shall be. */
static enum fault_result fault_linked(struct fault *fault, bool link)
{
    struct vad *vad = fault->vad;
    struct segment *segment = vad->segment;
    uint32_t page = mi_segment_page(vad, fault->page);
    struct chunk *chunk = mi_chunk(segment, page / CHUNK_PAGES);
    spin_lock(&chunk->lock);
    pte_t *entry = mi_proto_entry_locked(chunk, page % CHUNK_PAGES);
    enum page_state state = PAGE_READY;
    if (entry == NULL || !pte_is_valid(pte_read(entry))) {
        state = mi_page_make_ready_locked(segment, chunk, page);
        entry = mi_proto_entry_locked(chunk, page % CHUNK_PAGES); /* in a table that is new */
    }
    mi_await(AWAIT_PROTOTYPE, entry);
    if (state == PAGE_READY && link) {
        mi_link_locked(vad, fault->page / CHUNK_PAGES, chunk);
    }
    bool noticed = fault->access->kind == ACCESS_WRITE && mi_notices_stores(segment);
    bool waits = state == PAGE_READY && noticed && !mi_store_locked(segment, chunk, entry);
    spin_unlock(&chunk->lock);
    if (state == PAGE_ABSENT) {
        return want_page(fault, page);
    }
    if (state == PAGE_NO_FRAME) {
        return want_frame(fault);
    }
    MM_INVARIANT(M3, state == PAGE_READY); /* a linked chunk is wholly committed */
    return waits ? want_store(fault, page) : FAULT_DONE;
}

static enum fault_result fault_view(struct fault *fault)
{
    struct vad *vad = fault->vad;
    if (fault->page > vad_last_shown(vad)) {
        return FAULT_VIOLATION; /* not committed yet */
    }
    uint32_t slot = fault->page / CHUNK_PAGES;
    pte_t pde = pte_read(mi_directory_entry(fault->space, slot));
    if (pde_is_linked(pde) || (pte_is_empty(pde) && mi_can_link(vad, slot))) {
        enum fault_result result = check_protection(vad->prot, fault->access);
        if (result != FAULT_DONE) {
            return result;
        }
        if (fault->access->kind != ACCESS_WRITE || !prot_is_writecopy(vad->prot)) {
            return fault_linked(fault, pte_is_empty(pde));
        }
        mi_unshare_slot(fault->space, slot); /* M4: a copy needs a table of its own */
    }
    return fault_filled(fault);
}

static enum fault_result fault_locked(struct fault *fault)
{
    /* cppcheck-suppress ctuuninitvar ; access_fault has set it */
    struct space *space = fault->space;
    fault->vad = mi_vad_find(space, fault->page);
    if (fault->vad == NULL) {
        return FAULT_VIOLATION;
    }
    space->faults++;
    if (vad_is_view(fault->vad)) {
        return fault_view(fault);
    }
    return fault_private(fault);
}

static enum fault_result report_result(enum fault_result result, struct fault_report *report)
{
    report->cause = STATUS_SUCCESS;
    report->status = result == FAULT_GUARD ? STATUS_GUARD_PAGE_VIOLATION : STATUS_ACCESS_VIOLATION;
    return result;
}

/* What a page-in said: an error is what whoever touched the page sees. */
static enum fault_result page_in_result(status_t status, struct fault_report *report)
{
    if (is_success(status)) {
        return FAULT_RETRY;
    }
    report->status = STATUS_IN_PAGE_ERROR;
    report->cause = status;
    return FAULT_IN_PAGE_ERROR;
}

/* Waits for what a resolver wants, without locks. */
static enum fault_result fetch(struct fault *fault, struct fault_report *report)
{
    enum fault_result result = FAULT_RETRY;
    switch (fault->want) {
    case WANT_NOTHING:
        break;
    case WANT_FRAME:
        mi_wait_for_frames();
        break;
    case WANT_PAGE:
        result = page_in_result(mi_page_in(fault->wanted, fault->wanted_page), report);
        mm_segment_unref(fault->wanted);
        break;
    case WANT_PRIVATE_PAGE:
        result = page_in_result(mi_page_in_private(fault->space, fault->page), report);
        break;
    case WANT_READ:
        mi_wait_for_page_in(fault->busy);
        break;
    case WANT_STORE:
        result = page_in_result(mi_reserve_store(fault->wanted, fault->wanted_page), report);
        mm_segment_unref(fault->wanted);
        break;
    }
    return result;
}

static enum fault_result access_fault(struct space *space, uaddr_t address,
                                      const struct access *access, struct fault_report *report)
{
    struct fault fault; /* the rest is set when it is wanted */
    fault.space = space;
    fault.page = address.v >> PAGE_SHIFT;
    fault.access = access;
    MM_INVARIANT(M8, thread_self()->spin_count == 0);
    mi_faults.all++;
    for (;;) {
        mutex_lock(&space->lock);
        enum fault_result result = fault_locked(&fault);
        if (space->hard_maximum) {
            mi_keep_hard_maximum(space);
        }
        mutex_unlock(&space->lock);
        if (result == FAULT_DONE) {
            return FAULT_DONE;
        }
        if (result == FAULT_IN_PAGE_ERROR) {
            (void)page_in_result(fault.cause, report);
            return result;
        }
        if (result != FAULT_RETRY) {
            return report_result(result, report);
        }
        result = fetch(&fault, report);
        if (result != FAULT_RETRY) {
            return result;
        }
    }
}

static NOINLINE enum fault_result traced_fault(struct space *space, uaddr_t address,
                                               const struct access *access,
                                               struct fault_report *report)
{
    int64_t begun = mi_trace_begin();
    enum fault_result result = access_fault(space, address, access, report);
    mi_trace_fault(begun, space, address.v, access, result);
    return result;
}

enum fault_result mm_access_fault(struct space *space, uaddr_t address, const struct access *access,
                                  struct fault_report *report)
{
    return mi_trace_is_on() ? traced_fault(space, address, access, report)
                            : access_fault(space, address, access, report);
}

static bool can_be_stored_to(const struct segment *segment)
{
    return segment->kind == SEGMENT_MEMORY ||
           (segment->kind == SEGMENT_FILE && segment->pager->page_out != NULL);
}

/* What a fault in a window comes to: there is no exception, the copy gives the cause. */
static enum fault_result window_result(enum fault_result result, struct fault_report *report)
{
    if (result == FAULT_RETRY) {
        return FAULT_DONE;
    }
    report->status = report->cause;
    return result;
}

static enum fault_result window_fault(const void *address, const struct access *access,
                                      struct fault_report *report)
{
    uint32_t page;
    struct segment *segment = mi_cache_window_page(address, &page);
    mi_faults.all++;
    if (segment == NULL || access->kind == ACCESS_EXECUTE ||
        (access->kind == ACCESS_WRITE && !can_be_stored_to(segment))) {
        return report_result(FAULT_VIOLATION, report);
    }
    if (access->kind == ACCESS_WRITE && mi_notices_stores(segment)) {
        return window_result(page_in_result(mi_make_dirty(segment, page), report), report);
    }
    for (;;) {
        struct chunk *chunk = mi_chunk(segment, page / CHUNK_PAGES);
        spin_lock(&chunk->lock);
        enum page_state state = mi_page_make_ready_locked(segment, chunk, page);
        mi_await(AWAIT_PROTOTYPE, mi_proto_entry_locked(chunk, page % CHUNK_PAGES));
        spin_unlock(&chunk->lock);
        if (state == PAGE_READY) {
            return FAULT_DONE;
        }
        if (state == PAGE_UNCOMMITTED) {
            return report_result(FAULT_VIOLATION, report);
        }
        if (state == PAGE_NO_FRAME) {
            mi_wait_for_frames();
            continue;
        }
        enum fault_result result = page_in_result(mi_page_in(segment, page), report);
        if (result != FAULT_RETRY) {
            return window_result(result, report);
        }
    }
}

enum fault_result mm_window_fault(const void *address, const struct access *access,
                                  struct fault_report *report)
{
    int64_t begun = mi_trace_begin();
    enum fault_result result = window_fault(address, access, report);
    mi_trace_fault(begun, NULL, (uint32_t)(uintptr_t)address, access, result);
    return result;
}
