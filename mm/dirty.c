/*
 * mm/dirty.c: see dirty.h.
 *
 *              reserved with the pager, store            cleaning: read-only everywhere, flushed
 *   clean, r/o ------------------------> dirty, writable ------------> being written, r/o
 *      ^                                     ^                            |   |
 *      |                                     +--- stored to again, or failed -+
 *      +----------------------------------------------- written -----------+
 *
 * A page stays valid all the time; the clock leaves dirty pages and pages under I/O alone. One
 * batch of a segment is written at a time, under its dirtiness lock, so no two writes of a page can
 * pass each other, and who has taken that lock knows that earlier writes are over.
 *
 * A frame's record says in its `original` whether the pager is ready to write the page: then a
 * store needs nobody but the chunk's lock.
 */
#include "mm/dirty.h"

#include "kernel/clock.h"
#include "mm/await.h"
#include "mm/link.h"
#include "mm/page_in.h"
#include "mm/section.h"
#include "mm/trace.h"
#include "mm/writer.h"

#define ENTRY_READY (1ull << PTE_SLOT_SHIFT) /* in a PTE_PAGER entry: the page can be written */

struct dirty_quota mi_dirty_quotas[2] = {{0, INT32_MAX, INT32_MAX}, {0, INT32_MAX, INT32_MAX}};

/* The first dirty page of the segment, or one more of a segment that is stuck. */
static NOINLINE void count_rare(struct segment *segment, uint32_t npages)
{
    (void)__atomic_fetch_add(&mi_dirty_quota(npages)->count, 1, __ATOMIC_RELAXED);
    if ((npages & ~DIRTY_STUCK) == 0) {
        segment->dirty.since = clock_now();
        mi_writer_note();
    }
}

/* One more page of the segment. */
static void count_dirty(struct segment *segment)
{
    uint32_t npages = __atomic_fetch_add(&segment->dirty.npages, 1, __ATOMIC_RELAXED);
    if (npages == 0 || (npages & DIRTY_STUCK) != 0) { /* one test */
        count_rare(segment, npages);
        return;
    }
    int32_t before = __atomic_fetch_add(&mi_dirty_quotas[0].count, 1, __ATOMIC_RELAXED);
    if (before == mi_dirty_quotas[0].many) {
        mi_writer_note();
    }
}

void mi_forget_dirty(struct segment *segment, uint32_t count)
{
    uint32_t npages = __atomic_fetch_sub(&segment->dirty.npages, count, __ATOMIC_RELAXED);
    (void)__atomic_fetch_sub(&mi_dirty_quota(npages)->count, (int32_t)count, __ATOMIC_RELAXED);
}

/* The segment's count was BEFORE, and counts in the other quota now: one step decides for all. */
static void change_over(uint32_t before)
{
    int32_t count = (int32_t)(before & ~DIRTY_STUCK);
    (void)__atomic_fetch_add(&mi_dirty_quota(before ^ DIRTY_STUCK)->count, count, __ATOMIC_RELAXED);
    (void)__atomic_fetch_sub(&mi_dirty_quota(before)->count, count, __ATOMIC_RELAXED);
}

void mi_begin_stuck(struct segment *segment)
{
    uint32_t before = __atomic_fetch_or(&segment->dirty.npages, DIRTY_STUCK, __ATOMIC_RELAXED);
    if ((before & DIRTY_STUCK) == 0) {
        change_over(before);
    }
}

void mi_end_stuck(struct segment *segment)
{
    uint32_t before = __atomic_fetch_and(&segment->dirty.npages, ~DIRTY_STUCK, __ATOMIC_RELAXED);
    if ((before & DIRTY_STUCK) != 0) {
        change_over(before);
    }
}

static uint32_t index_of(const pte_t *entry)
{
    return (uint32_t)((uintptr_t)entry & PAGE_MASK) / (uint32_t)sizeof(*entry);
}

/* Page I of the chunk is writable from now on. => chunk lock held. */
static void become_dirty_locked(struct chunk *chunk, pte_t *entry)
{
    uint32_t i = index_of(entry);
    pte_set(entry, PTE_WRITE);
    if (chunk->dirty == 0 || i < chunk->first_dirty) {
        chunk->first_dirty = (uint16_t)i;
    }
    if (chunk->dirty == 0 || i >= chunk->end_dirty) {
        chunk->end_dirty = (uint16_t)(i + 1);
    }
    chunk->dirty++;
}

bool mi_store_locked(struct segment *segment, struct chunk *chunk, pte_t *entry)
{
    pte_t value = pte_read(entry);
    if ((value.v & PTE_WRITE) != 0) {
        return true;
    }
    if ((mi_pfn(pte_frame(value))->original & ENTRY_READY) == 0 || !mi_dirty_has_room(segment)) {
        return false;
    }
    become_dirty_locked(chunk, entry);
    count_dirty(segment);
    return true;
}

/* The pager is ready to write the pages of the run from FIRST on that have their bit in READY. */
static void note_ready(const struct segment *segment, uint32_t first, uint32_t ready)
{
    struct chunk *chunk = mi_chunk(segment, first / CHUNK_PAGES);
    spin_lock(&chunk->lock);
    pte_t *entry = mi_proto_entry_locked(chunk, first % CHUNK_PAGES);
    for (; entry != NULL && ready != 0; ready >>= 1, entry++) {
        pte_t value = pte_read(entry);
        if ((ready & 1u) == 0) {
            continue;
        }
        if (pte_is_valid(value)) {
            mi_pfn(pte_frame(value))->original |= ENTRY_READY;
        } else if (pte_has_form(value, PTE_PAGER)) {
            pte_write(entry, (pte_t){value.v | ENTRY_READY});
        }
    }
    spin_unlock(&chunk->lock);
}

status_t mi_reserve_store(struct segment *segment, uint32_t page)
{
    uint32_t first = page / PAGER_RESERVE_PAGES * PAGER_RESERVE_PAGES;
    uint32_t ready = 1u << (page - first);
    status_t status = mi_wait_for_dirty_room(segment);
    if (is_success(status) && segment->pager->reserve != NULL) {
        status = segment->pager->reserve(segment->context, first, page, &ready);
    }
    if (is_success(status)) {
        note_ready(segment, first, ready);
    }
    return status;
}

status_t mi_make_dirty(struct segment *segment, uint32_t page)
{
    struct chunk *chunk = mi_chunk(segment, page / CHUNK_PAGES);
    for (;;) {
        bool stored = false;
        spin_lock(&chunk->lock);
        enum page_state state = mi_page_make_ready_locked(segment, chunk, page);
        if (state == PAGE_READY) {
            stored =
                mi_store_locked(segment, chunk, mi_proto_entry_locked(chunk, page % CHUNK_PAGES));
        }
        mi_await(AWAIT_PROTOTYPE, mi_proto_entry_locked(chunk, page % CHUNK_PAGES));
        spin_unlock(&chunk->lock);
        if (stored) {
            return STATUS_SUCCESS;
        }
        status_t status = STATUS_SUCCESS;
        if (state == PAGE_READY) {
            status = mi_reserve_store(segment, page);
        } else if (state == PAGE_NO_FRAME) {
            mi_wait_for_frames();
        } else {
            status = mi_page_in(segment, page);
        }
        if (is_error(status)) {
            return status;
        }
    }
}

/* ---- cleaning ---- */

/* Pages of one chunk that are written together; lies on the stack of the thread that does it. */
struct batch {
    struct segment *segment;
    struct chunk *chunk;
    uint32_t base; /* the chunk's first page */
    uint32_t count;
    uint32_t first;                     /* in the chunk */
    uint32_t next;                      /* in the chunk: the page after the last one */
    pfn_t frames[PAGER_WRITE_PAGES];    /* of pages that ascend, */
    uint8_t skipped[PAGER_WRITE_PAGES]; /* with so many left out before each */
};

#define SKIPPED_MAX 255u

/* Page I of the chunk; false when it is too far from the one before. */
static bool add_to_batch(struct batch *batch, uint32_t i, pfn_t frame)
{
    if (batch->count == 0) {
        batch->next = i;
        batch->first = i;
    }
    if (i - batch->next > SKIPPED_MAX) {
        return false;
    }
    batch->skipped[batch->count] = (uint8_t)(i - batch->next);
    batch->frames[batch->count++] = frame;
    batch->next = i + 1;
    return true;
}

/* Page I becomes read-only in every table. => chunk lock held; the flush follows. */
static void protect_locked(struct chunk *chunk, pte_t *proto, uint32_t i)
{
    pfn_t frame = pte_frame(pte_read(proto));
    pte_clear(proto, PTE_WRITE);
    if (mi_pfn(frame)->use.shares == 1) {
        return;
    }
    list_for_each(link, &chunk->mappers) {
        pte_t *alias = mi_alias_locked(list_entry(link, struct mapper, link), i, frame);
        if (alias != NULL) {
            pte_clear(alias, PTE_WRITE);
        }
    }
}

/*
 * Takes dirty pages of [*from, last] into the batch; *FROM: where to go on. => chunk lock held.
 */
static void gather_locked(struct batch *batch, uint32_t *from, uint32_t last)
{
    struct chunk *chunk = batch->chunk;
    uint32_t i = max_u32(*from, chunk->first_dirty);
    uint32_t end = min_u32(last + 1, chunk->end_dirty);
    bool from_first = *from <= chunk->first_dirty;
    batch->count = 0;
    for (; i < end && chunk->dirty != 0 && batch->count < PAGER_WRITE_PAGES; i++) {
        pte_t *entry = mi_proto_entry_locked(chunk, i);
        pte_t value = pte_read(entry);
        if (!pte_is_valid(value) || (value.v & PTE_WRITE) == 0) {
            continue;
        }
        if (!add_to_batch(batch, i, pte_frame(value))) {
            break;
        }
        protect_locked(chunk, entry, i);
        chunk->dirty--;
    }
    if (from_first && i > chunk->first_dirty) {
        chunk->first_dirty = (uint16_t)i; /* none below it is dirty any more */
    }
    *from = i;
}

/* The next batch from *FROM on; false: nothing up to LAST is dirty. => dirtiness lock held. */
static bool begin_batch(struct batch *batch, uint32_t *from, uint32_t last)
{
    struct chunk *chunk = batch->chunk;
    spin_lock(&chunk->lock);
    if (chunk->dirty == 0) {
        spin_unlock(&chunk->lock);
        return false;
    }
    gather_locked(batch, from, last);
    if (batch->count != 0) {
        mi_frames_write_begin(batch->frames, batch->count);
        tlb_flush_all_user(); /* M5: from now on a store is noticed again */
        batch->segment->dirty.nwritten += batch->count;
    }
    spin_unlock(&chunk->lock);
    return batch->count != 0;
}

/* Neighbours in a batch. */
struct dirty_run {
    uint32_t page;  /* the first, in the chunk */
    uint32_t frame; /* its, in the batch */
    uint32_t count;
};

/* The run was written, or not. => dirtiness lock held. */
static void end_run(struct batch *batch, const struct dirty_run *run, bool success)
{
    struct chunk *chunk = batch->chunk;
    uint32_t clean = run->count;
    spin_lock(&chunk->lock);
    for (uint32_t i = 0; i < run->count && !success; i++) {
        pte_t *entry = mi_proto_entry_locked(chunk, run->page + i);
        MM_INVARIANT(M5, entry != NULL && pte_is_valid(pte_read(entry)));
        if ((pte_read(entry).v & PTE_WRITE) == 0) {
            become_dirty_locked(chunk, entry); /* it stays counted */
            clean--;
        }
    }
    mi_frames_write_end(batch->frames + run->frame, run->count);
    batch->segment->dirty.nwritten -= run->count;
    spin_unlock(&chunk->lock);
    mi_forget_dirty(batch->segment, clean);
    if (success) {
        (void)__atomic_fetch_add(&batch->segment->dirty.written, run->count, __ATOMIC_RELAXED);
        if (mi_is_stuck(batch->segment)) {
            mi_end_stuck(batch->segment);
        }
    }
}

/* The run after RUN; false: there is none. */
static bool next_run(const struct batch *batch, struct dirty_run *run)
{
    run->page += run->count;
    run->frame += run->count;
    if (run->frame == batch->count) {
        return false;
    }
    run->page += batch->skipped[run->frame];
    run->count = 1;
    while (run->frame + run->count < batch->count && batch->skipped[run->frame + run->count] == 0) {
        run->count++;
    }
    return true;
}

static status_t write_batch(struct batch *batch)
{
    const struct segment *segment = batch->segment;
    status_t result = STATUS_SUCCESS;
    struct dirty_run run = {.page = batch->first};
    while (next_run(batch, &run)) {
        int64_t begun = mi_trace_begin();
        status_t status = segment->pager->page_out(segment->context, batch->base + run.page,
                                                   run.count, batch->frames + run.frame);
        mi_trace_page_out(begun, trace_segment(segment->id), batch->base + run.page, run.count,
                          batch->frames[run.frame], is_success(status));
        end_run(batch, &run, is_success(status));
        result = is_error(result) ? result : status;
    }
    return result;
}

/* The pages [low, last] of chunk INDEX. */
static status_t clean_chunk(struct segment *segment, uint32_t index, uint32_t low, uint32_t last)
{
    struct batch batch = {.segment = segment, .base = index * CHUNK_PAGES};
    status_t result = STATUS_SUCCESS;
    uint32_t from = low;
    bool more = true;
    batch.chunk = mi_chunk(segment, index);
    while (more) {
        mutex_lock(&segment->dirty.lock);
        more = begin_batch(&batch, &from, last);
        if (more) {
            status_t status = write_batch(&batch);
            result = is_error(result) ? result : status;
        }
        mutex_unlock(&segment->dirty.lock);
    }
    return result;
}

status_t mi_clean(struct segment *segment, uint32_t first, uint32_t last)
{
    status_t result = STATUS_SUCCESS;
    if (mi_dirty_of(segment) == 0) {
        return STATUS_SUCCESS;
    }
    for (uint32_t index = first / CHUNK_PAGES; index <= last / CHUNK_PAGES; index++) {
        if (mi_chunk_at_or_after(segment, &index) == NULL || index > last / CHUNK_PAGES) {
            break;
        }
        uint32_t base = index * CHUNK_PAGES;
        status_t status = clean_chunk(segment, index, max_u32(first, base) - base,
                                      min_u32(last, base + CHUNK_PAGES - 1) - base);
        result = is_error(result) ? result : status;
    }
    return result;
}

void mi_note_write_error(struct segment *segment, status_t status)
{
    spin_lock(&segment->lock);
    segment->dirty.error = status;
    spin_unlock(&segment->lock);
}

static status_t take_error(struct segment *segment)
{
    status_t error = STATUS_SUCCESS;
    if (__atomic_load_n(&segment->dirty.error, __ATOMIC_RELAXED) != STATUS_SUCCESS) {
        spin_lock(&segment->lock);
        error = segment->dirty.error;
        segment->dirty.error = STATUS_SUCCESS;
        spin_unlock(&segment->lock);
    }
    return error;
}

status_t mm_segment_flush(struct segment *segment, uint64_t offset, uint64_t nbytes)
{
    uint64_t end =
        nbytes == 0 || nbytes > SEGMENT_BYTES_MAX - offset ? SEGMENT_BYTES_MAX : offset + nbytes;
    if (offset >= end) {
        return take_error(segment);
    }
    status_t status =
        mi_clean(segment, (uint32_t)(offset >> PAGE_SHIFT), (uint32_t)((end - 1) >> PAGE_SHIFT));
    status_t earlier = take_error(segment);
    return is_error(status) ? status : earlier;
}

bool mm_segment_is_dirty(const struct segment *segment)
{
    return mi_dirty_of(segment) != 0;
}
