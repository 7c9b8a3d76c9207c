/*
 * mm/page_in.c: bringing pages of a segment from its pager.
 *
 * No lock is held while the pager works (M8): the entries are in transition meanwhile, and whoever
 * else wants one of the pages waits for the same page_in. It is entered in the segment's list, and
 * its entries are put in transition, as one step under the chunk's lock; it leaves in the same way:
 * so who sees an entry in transition under that lock finds its page_in.
 */
#include "mm/commit_limits.h"
#include "mm/segment.h"
#include "quire/assert.h"

#define PAGE_IN_PAGES 16u /* what one fault brings at most, within an aligned run */

/* A page-in under way; lies on the stack of the thread that does it. */
struct page_in {
    struct list link; /* [segment lock] in segment->page_ins */
    uint32_t first;
    uint32_t count;
    uint32_t waiters;      /* [segment lock] */
    struct waitable done;  /* manual: the entries are valid, or back as they were */
    struct waitable alone; /* manual: no waiter is left */
    pfn_t frames[PAGE_IN_PAGES];
};

/* The page_in that PAGE is part of, or NULL. => segment lock held. */
static struct page_in *find_page_in_locked(struct segment *segment, uint32_t page)
{
    list_for_each(link, &segment->page_ins) {
        struct page_in *in = list_entry(link, struct page_in, link);
        if (page - in->first < in->count) {
            return in;
        }
    }
    return NULL;
}

/* Waits until somebody else's page-in of PAGE is over; false when there is none. */
static bool wait_for_page_in(struct segment *segment, uint32_t page)
{
    spin_lock(&segment->lock);
    struct page_in *in = find_page_in_locked(segment, page);
    if (in != NULL) {
        in->waiters++;
    }
    spin_unlock(&segment->lock);
    if (in == NULL) {
        return false;
    }
    VERIFY(wait_for(&in->done, WAIT_FOREVER, false) == STATUS_SUCCESS);
    spin_lock(&segment->lock);
    bool last = --in->waiters == 0;
    if (last) {
        event_set(&in->alone);
    }
    spin_unlock(&segment->lock);
    return true;
}

static bool entry_is_absent(const pte_t *table, uint32_t index)
{
    pte_t value = pte_read(&table[index]);
    return pte_is_empty(value) || pte_has_form(value, PTE_PAGER);
}

/* Puts the entries back as they were before the page-in, and its frames too. */
static void undo_page_in(const struct segment *segment, pte_t *entries, const struct page_in *in,
                         uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        prot_t prot = pte_prot(pte_read(&entries[i]));
        pte_write(&entries[i],
                  segment->kind == SEGMENT_IMAGE ? pte_make_soft(PTE_PAGER, prot) : pte_empty());
        mi_release_frame(in->frames[i]);
    }
}

/* Puts frames in transition under ENTRIES; false, and nothing done, when frames are short. */
static bool take_frames(const struct segment *segment, pte_t *entries, struct page_in *in)
{
    for (uint32_t i = 0; i < in->count; i++) {
        pte_t value = pte_read(&entries[i]);
        prot_t prot = pte_is_empty(value) ? PROT_EXECUTE_READWRITE : pte_prot(value);
        in->frames[i] = mi_take_page_frame(FRAME_SEGMENT, false);
        if (pfn_is_none(in->frames[i])) {
            undo_page_in(segment, entries, in, i);
            return false;
        }
        mi_frame_set_state(in->frames[i], FRAME_TRANSITION);
        pte_write(&entries[i], pte_make_transition(in->frames[i], prot));
    }
    return true;
}

/*
 * Finds the run of absent pages around PAGE, at most BUDGET long and inside its aligned cluster,
 * and puts frames in transition under its entries. => chunk lock held; false: nothing to do.
 */
static bool begin_page_in_locked(struct segment *segment, struct chunk *chunk, uint32_t page,
                                 uint32_t budget, struct page_in *in)
{
    uint32_t base = page / CHUNK_PAGES * CHUNK_PAGES;
    pte_t *table = mi_chunk_table_locked(segment, chunk, page / CHUNK_PAGES);
    uint32_t first = page % CHUNK_PAGES;
    uint32_t low = first / PAGE_IN_PAGES * PAGE_IN_PAGES;
    uint32_t high = min_u32(low + PAGE_IN_PAGES, mi_chunk_pages(segment, page / CHUNK_PAGES));
    if (!entry_is_absent(table, first)) {
        return false;
    }
    uint32_t end = first + 1;
    while (end < high && end - first < budget && entry_is_absent(table, end)) {
        end++;
    }
    while (first > low && end - first < budget && entry_is_absent(table, first - 1)) {
        first--;
    }
    in->first = base + first;
    in->count = end - first;
    return take_frames(segment, &table[first], in);
}

/* Publishes what came, or puts the entries back as they were. => chunk lock held. */
static void end_page_in_locked(struct segment *segment, struct chunk *chunk, struct page_in *in,
                               status_t status)
{
    pte_t *table = mi_chunk_table_locked(segment, chunk, in->first / CHUNK_PAGES);
    pte_t *entries = &table[in->first % CHUNK_PAGES];
    if (is_error(status)) {
        undo_page_in(segment, entries, in, in->count);
        return;
    }
    for (uint32_t i = 0; i < in->count; i++) {
        prot_t prot = pte_prot(pte_read(&entries[i]));
        mi_frame_set_state(in->frames[i], FRAME_ACTIVE);
        mi_publish_locked(segment, chunk, &entries[i], in->frames[i], prot);
    }
}

/* Charges a cluster, purging clean pages when there is no room; then one page; *COUNT: how many. */
static status_t charge_page_in(uint32_t *count)
{
    *count = PAGE_IN_PAGES;
    if (is_success(mi_charge_pinned(PAGE_IN_PAGES))) {
        return STATUS_SUCCESS;
    }
    if (mi_purge_clean(4 * PAGE_IN_PAGES) >= PAGE_IN_PAGES &&
        is_success(mi_charge_pinned(PAGE_IN_PAGES))) {
        return STATUS_SUCCESS;
    }
    *count = 1;
    return mi_charge_pinned(1);
}

status_t mi_page_in(struct segment *segment, uint32_t page)
{
    if (wait_for_page_in(segment, page)) {
        return STATUS_SUCCESS;
    }
    uint32_t charged;
    status_t status = charge_page_in(&charged);
    if (is_error(status)) {
        return status;
    }
    mi_wait_for_tables(charged);
    struct page_in in = {.waiters = 0};
    waitable_init_event(&in.done, true, false);
    waitable_init_event(&in.alone, true, false);
    struct chunk *chunk = mi_chunk(segment, page / CHUNK_PAGES);
    spin_lock(&chunk->lock);
    bool begun = begin_page_in_locked(segment, chunk, page, charged, &in);
    uint32_t used = begun ? in.count : 0;
    spin_lock(&segment->lock);
    if (begun) {
        list_insert_tail(&segment->page_ins, &in.link);
        segment->commit += used;
    }
    spin_unlock(&segment->lock);
    spin_unlock(&chunk->lock);
    mi_return_pinned(charged - used);
    if (!begun) {
        return STATUS_SUCCESS; /* another thread brought it, or is about to: look again */
    }
    status = segment->pager->page_in(segment->context, in.first, in.count, in.frames);
    spin_lock(&chunk->lock);
    end_page_in_locked(segment, chunk, &in, status);
    spin_lock(&segment->lock);
    list_remove(&in.link);
    if (is_error(status)) {
        segment->commit -= used;
    }
    bool waited_for = in.waiters != 0;
    event_set(&in.done);
    spin_unlock(&segment->lock);
    spin_unlock(&chunk->lock);
    if (is_error(status)) {
        mi_return_pinned(used);
    }
    if (waited_for) {
        VERIFY(wait_for(&in.alone, WAIT_FOREVER, false) == STATUS_SUCCESS);
        spin_lock(&segment->lock); /* the last waiter has let go of the lock, and so of IN */
        spin_unlock(&segment->lock);
    }
    return status;
}
