/*
 * mm/lock.c: locking pages into memory.
 *
 * A lock is a pin of the frame that the page shows: trimming and the segments' clock leave pinned
 * frames alone, so the entry stays valid, and with it its table. A segment's page is pinned by each
 * space that locks it. A linked table says nothing of one space alone: the slot is unshared first
 * (M4), and cannot be linked again while a locked entry is in its private table.
 *
 * Which pages a space has locked is kept per 2 MiB slot, one bit a page: so locks are not counted
 * (one unlock undoes any number of locks), and taking locks back, which must not fail in the middle
 * of a decommit, never needs memory. Each locked page is charged as resident, besides what its
 * contents are charged.
 *
 * Locking faults pages in, for which the space lock is dropped. What a call has locked so far is
 * marked fresh; when the call fails it takes those back, when it has seen the whole range locked
 * the marks go.
 *
 *   not locked --pinned--> fresh --the call succeeds--> locked
 *        ^                   | the call fails             | unlock, decommit, release, unmap,
 *        +-------------------+----------------------------+ no access or guard, end of process
 */
#include "mm/lock.h"

#include "abi/constants.h"
#include "mm/await.h"
#include "mm/commit.h"
#include "mm/fault.h"
#include "mm/link.h"
#include "mm/locked.h"
#include "mm/pool.h"
#include "mm/query.h"
#include "mm/table.h"
#include "mm/trim.h"

#define WORD_BITS  32u
#define SLOT_WORDS (CHUNK_PAGES / WORD_BITS)

/* The locked pages of one 2 MiB slot of a space; there while COUNT is not 0. [space lock] */
struct locked_slot {
    struct list link; /* in space->locked_slots */
    uint32_t slot;
    uint32_t count;
    uint32_t locked[SLOT_WORDS];
    uint32_t fresh[SLOT_WORDS]; /* of these: by calls that are not over */
};

static struct pool_cache slot_cache;

void mi_lock_init(void)
{
    mm_pool_init(&slot_cache, "locked slot", sizeof(struct locked_slot));
}

static bool test_bit(const uint32_t *words, uint32_t i)
{
    return (words[i / WORD_BITS] >> (i % WORD_BITS) & 1u) != 0;
}

static void set_bit(uint32_t *words, uint32_t i)
{
    words[i / WORD_BITS] |= 1u << (i % WORD_BITS);
}

static void clear_bit(uint32_t *words, uint32_t i)
{
    words[i / WORD_BITS] &= ~(1u << (i % WORD_BITS));
}

static struct locked_slot *find_slot(const struct space *space, uint32_t slot)
{
    list_for_each(link, &space->locked_slots) {
        struct locked_slot *locked = list_entry(link, struct locked_slot, link);
        if (locked->slot == slot) {
            return locked;
        }
    }
    return NULL;
}

bool mi_page_is_locked(const struct space *space, uint32_t page)
{
    const struct locked_slot *locked = find_slot(space, page / CHUNK_PAGES);
    return locked != NULL && test_bit(locked->locked, page % CHUNK_PAGES);
}

/* The part of [first, last] that lies in a slot; false: none does. */
static bool clip(const struct locked_slot *locked, uint32_t *first, uint32_t *last)
{
    uint32_t base = locked->slot * CHUNK_PAGES;
    *first = max_u32(*first, base);
    *last = min_u32(*last, base + CHUNK_PAGES - 1);
    return *first <= *last;
}

uint32_t mi_count_locked(const struct space *space, uint32_t first, uint32_t last)
{
    uint32_t count = 0;
    list_for_each(link, &space->locked_slots) {
        const struct locked_slot *locked = list_entry(link, struct locked_slot, link);
        uint32_t page = first;
        uint32_t end = last;
        for (bool inside = clip(locked, &page, &end); inside && page <= end; page++) {
            count += test_bit(locked->locked, page % CHUNK_PAGES);
        }
    }
    return count;
}

/* ---- taking locks back ---- */

/* The frame of a locked page, which its entry shows as long as it is locked. */
static pfn_t locked_frame(const struct space *space, uint32_t page)
{
    const pte_t *table = mi_private_table(space, page / CHUNK_PAGES);
    MM_INVARIANT(M4, table != NULL && pte_is_valid(pte_read(&table[page % CHUNK_PAGES])));
    return pte_frame(pte_read(&table[page % CHUNK_PAGES]));
}

/* One slot's pages of [first, last]: all, or only the fresh ones. */
static uint32_t unlock_in_slot(const struct space *space, struct locked_slot *locked,
                               uint32_t first, uint32_t last, bool only_fresh)
{
    uint32_t count = 0;
    for (uint32_t page = first; page <= last; page++) {
        uint32_t i = page % CHUNK_PAGES;
        if (test_bit(only_fresh ? locked->fresh : locked->locked, i)) {
            mi_unlock_frame(locked_frame(space, page));
            clear_bit(locked->locked, i);
            clear_bit(locked->fresh, i);
            count++;
        }
    }
    locked->count -= count;
    return count;
}

static uint32_t unlock(struct space *space, uint32_t first, uint32_t last, bool only_fresh)
{
    uint32_t count = 0;
    list_for_each_safe(link, after, &space->locked_slots) {
        struct locked_slot *locked = list_entry(link, struct locked_slot, link);
        uint32_t low = first;
        uint32_t high = last;
        if (clip(locked, &low, &high)) {
            count += unlock_in_slot(space, locked, low, high, only_fresh);
        }
        if (locked->count == 0) {
            list_remove(&locked->link);
            mm_pool_free(&slot_cache, locked);
        }
    }
    space->locked_pages -= count;
    if (count != 0) {
        mm_return_resident(count);
    }
    return count;
}

uint32_t mi_unlock_range(struct space *space, uint32_t first, uint32_t last)
{
    ASSERT(mutex_is_mine(&space->lock));
    return space->locked_pages == 0 ? 0 : unlock(space, first, last, false);
}

/* ---- locking ---- */

/* How many pages more the space may lock. */
static uint32_t quota_left(const struct space *space)
{
    uint32_t taken = space->locked_pages + LOCK_OVERHEAD_PAGES;
    return space->minimum_pages > taken ? space->minimum_pages - taken : 0;
}

/* PAGE, which shows a pinned frame, is entered as locked. */
static void enter_lock(struct space *space, struct locked_slot *locked, uint32_t page)
{
    set_bit(locked->locked, page % CHUNK_PAGES);
    set_bit(locked->fresh, page % CHUNK_PAGES);
    locked->count++;
    space->locked_pages++;
}

/*
 * Pins the frame that the page shows in its space's own table. A view's page stays as it is while
 * its chunk's lock is held, and from the pin on.
 * => STATUS_PENDING: it must be touched first; what the disk said of the table.
 */
static status_t pin_page(struct vad *vad, uint32_t page) UNCHECKED_LOCKS
{
    uint32_t slot = page / CHUNK_PAGES;
    struct chunk *chunk = NULL;
    pte_t *table;
    mi_unshare_slot(vad->space, slot);
    vad->in_tables = true;
    status_t status = mi_table_get(vad->space, slot, true, &table);
    if (is_error(status)) {
        return status;
    }
    const pte_t *entry = &table[page % CHUNK_PAGES];
    if (vad_is_view(vad)) {
        chunk = mi_chunk(vad->segment, mi_segment_page(vad, page) / CHUNK_PAGES);
        spin_lock(&chunk->lock);
    }
    pte_t value = pte_read(entry);
    if (pte_is_valid(value)) {
        mi_lock_frame(pte_frame(value));
    }
    if (chunk != NULL) {
        spin_unlock(&chunk->lock);
    }
    return pte_is_valid(value) ? STATUS_SUCCESS : STATUS_PENDING;
}

/* One page that is not locked. => STATUS_PENDING: it must be touched first. */
static status_t lock_page(struct space *space, uint32_t page)
{
    struct vad *vad = mi_vad_find(space, page);
    if (vad == NULL) {
        return STATUS_ACCESS_VIOLATION;
    }
    if (quota_left(space) == 0) {
        return STATUS_WORKING_SET_QUOTA;
    }
    struct locked_slot *locked = find_slot(space, page / CHUNK_PAGES);
    if (locked == NULL) {
        locked = mm_pool_allocate(&slot_cache);
        if (locked == NULL) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        locked->slot = page / CHUNK_PAGES;
        list_insert_tail(&space->locked_slots, &locked->link);
    }
    status_t status = mm_charge_resident(1);
    if (is_success(status)) {
        status = pin_page(vad, page);
        if (status == STATUS_SUCCESS) {
            enter_lock(space, locked, page);
        } else {
            mm_return_resident(1);
        }
    }
    if (locked->count == 0) {
        list_remove(&locked->link);
        mm_pool_free(&slot_cache, locked);
    }
    return status;
}

/* The marks of the range's locks go: the call that made them is over. */
static void keep_locks(const struct space *space, uint32_t first, uint32_t last)
{
    list_for_each(link, &space->locked_slots) {
        struct locked_slot *locked = list_entry(link, struct locked_slot, link);
        uint32_t page = first;
        uint32_t end = last;
        for (bool inside = clip(locked, &page, &end); inside && page <= end; page++) {
            clear_bit(locked->fresh, page % CHUNK_PAGES);
        }
    }
}

/*
 * Goes on locking from *PAGE to LAST; success: [first, last] is locked, all of it at this moment.
 * => STATUS_PENDING: *PAGE must be touched, without locks; from another thread's unlocking part of
 *    the range meanwhile it begins anew. Anything else: what this call had locked is not any more.
 */
static status_t lock_pages(struct space *space, uint32_t first, uint32_t last, uint32_t *page)
{
    status_t status = space->dying ? STATUS_PROCESS_IS_TERMINATING : STATUS_SUCCESS;
    while (status == STATUS_SUCCESS && *page <= last) {
        if (space->locked_pages == 0 || !mi_page_is_locked(space, *page)) {
            status = lock_page(space, *page);
        }
        *page += status == STATUS_SUCCESS;
        if (*page > last && mi_count_locked(space, first, last) != last - first + 1) {
            *page = first;
        }
    }
    return status;
}

/* Every page of the range is committed and may be touched, and there is quota for it. */
static status_t check_locking(struct space *space, uint32_t first, uint32_t last, bool *was_locked)
{
    uint32_t already = mi_count_locked(space, first, last);
    if (last - first + 1 - already > quota_left(space)) {
        return STATUS_WORKING_SET_QUOTA;
    }
    for (uint32_t page = first; page <= last;) {
        struct vad *vad = mi_vad_find(space, page);
        struct page_run run;
        if (vad == NULL) {
            return STATUS_ACCESS_VIOLATION;
        }
        status_t status = mi_describe_run(vad, page, min_u32(last, vad->last), &run);
        if (is_error(status)) {
            return status;
        }
        if (run.state != MEM_COMMIT || (run.protection & PAGE_NOACCESS) != 0) {
            return STATUS_ACCESS_VIOLATION;
        }
        page = run.last + 1;
    }
    *was_locked = already != 0;
    return STATUS_SUCCESS;
}

static status_t touch(struct space *space, uint32_t page)
{
    const struct access access = {.kind = ACCESS_READ, .user = true};
    struct fault_report report;
    enum fault_result result =
        mm_access_fault(space, (uaddr_t){page << PAGE_SHIFT}, &access, &report);
    return result == FAULT_DONE ? STATUS_SUCCESS : report.status;
}

/* [first, last], page by page. No locks. */
static status_t lock_range(struct space *space, uint32_t first, uint32_t last, bool *was_locked)
{
    uint32_t page = first;
    mutex_lock(&space->lock);
    status_t status = check_locking(space, first, last, was_locked);
    if (is_error(status)) {
        mutex_unlock(&space->lock);
        return status;
    }
    while ((status = lock_pages(space, first, last, &page)) == STATUS_PENDING) {
        mutex_unlock(&space->lock);
        mi_wait_for_tables(1);
        status = touch(space, page);
        mutex_lock(&space->lock);
        if (is_error(status)) {
            break;
        }
    }
    mi_await_nothing();
    if (is_success(status)) {
        keep_locks(space, first, last);
    } else {
        (void)unlock(space, first, last, true);
    }
    mutex_unlock(&space->lock);
    return status;
}

status_t mm_check_lock_range(uaddr_t base, uint32_t nbytes)
{
    return nbytes == 0 || base.v >= USER_SHARED || nbytes > USER_SHARED - base.v
               ? STATUS_INVALID_PARAMETER
               : STATUS_SUCCESS;
}

/* The range in whole pages. */
static void round_range(uaddr_t *base, uint32_t *nbytes, uint32_t *first, uint32_t *last)
{
    *first = base->v >> PAGE_SHIFT;
    *last = (base->v + *nbytes - 1) >> PAGE_SHIFT;
    *base = (uaddr_t){*first << PAGE_SHIFT};
    *nbytes = (*last - *first + 1) << PAGE_SHIFT;
}

status_t mm_lock_virtual(struct space *space, uaddr_t *base, uint32_t *nbytes)
{
    uint32_t first;
    uint32_t last;
    bool was_locked = false;
    status_t status = mm_check_lock_range(*base, *nbytes);
    if (is_error(status)) {
        return status;
    }
    round_range(base, nbytes, &first, &last);
    mi_wait_for_tables((last - first) / CHUNK_PAGES + 2);
    status = lock_range(space, first, last, &was_locked);
    return is_success(status) && was_locked ? STATUS_WAS_LOCKED : status;
}

status_t mm_unlock_virtual(struct space *space, uaddr_t *base, uint32_t *nbytes)
{
    uint32_t first;
    uint32_t last;
    status_t status = mm_check_lock_range(*base, *nbytes);
    if (is_error(status)) {
        return status;
    }
    round_range(base, nbytes, &first, &last);
    mutex_lock(&space->lock);
    if (mi_count_locked(space, first, last) == last - first + 1) {
        (void)mi_unlock_range(space, first, last);
    } else {
        mi_evict_pages(space, first, last);
        status = STATUS_NOT_LOCKED;
    }
    mutex_unlock(&space->lock);
    return status;
}
