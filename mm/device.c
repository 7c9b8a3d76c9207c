/*
 * mm/device.c: segments over block devices: pages that a file system pins while it uses them, and
 * that are mm's to keep or to drop when it does not.
 *
 *            pin: read, or given             unpin                     clock
 *   absent ------------------------> pinned -------> resident, clean --------> standby --> absent
 *      ^                              |   ^                |                      |
 *      +----------- detach -----------+   +----- pin ------+--------- pin --------+
 *
 * A pinned page's frame carries one lock (PINS_LOCK), so trimming passes it by as it passes locked
 * pages of processes by. Nobody maps a page of a device, so no entry here is ever in a TLB: what is
 * taken out needs no flush. Prototype tables are made when they can be had and dropped with their
 * last page.
 *
 * Locks: the pinner's over every call, and within it the chunk's.
 */
#include "mm/device.h"

#include "mm/commit.h"
#include "mm/section.h"
#include "mm/segment.h"
#include "mm/table.h"
#include "mm/trace.h"

/* Chunks whose descriptors are made with the segment: of 4 GiB; those of more when they are used.
 */
#define CHUNKS_AT_ONCE 2048u

status_t mm_device_create(struct segment **segment, uint64_t nbytes,
                          const struct pager_operations *pager, void *context)
{
    uint64_t held = nbytes < SEGMENT_BYTES_MAX ? nbytes : SEGMENT_BYTES_MAX;
    struct segment *created;
    status_t status = mi_segment_create(&created, SEGMENT_DEVICE, held, false, pager, context);
    if (is_error(status)) {
        return status;
    }
    status = mi_segment_reserve(created, 0, min_u32(created->nchunks, CHUNKS_AT_ONCE) - 1);
    if (is_error(status)) {
        mm_segment_unref(created);
        return status;
    }
    *segment = created;
    return STATUS_SUCCESS;
}

/* What one page more costs that may be pinned: a table too, while there are chunks for it. */
static uint32_t cost_of_pin(const struct segment *segment, uint32_t limit)
{
    return limit < segment->nchunks ? 2 : 1;
}

status_t mm_device_charge(struct segment *segment, pfn_t *frame)
{
    uint32_t cost = cost_of_pin(segment, segment->pinning.limit);
    status_t status = mm_charge_resident(cost);
    if (is_error(status)) {
        return status;
    }
    pfn_t taken = mi_try_table_frame(FRAME_KERNEL);
    if (pfn_is_none(taken)) {
        mm_return_resident(cost);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    segment->pinning.limit++;
    segment->pinning.detached++;
    segment->commit += cost;
    *frame = taken;
    return STATUS_SUCCESS;
}

void mm_device_return(struct segment *segment)
{
    struct pinning *pinning = &segment->pinning;
    ASSERT(pinning->npages + pinning->detached < pinning->limit);
    uint32_t cost = cost_of_pin(segment, --pinning->limit);
    segment->commit -= cost;
    mm_return_resident(cost);
}

/* The chunk of PAGE, or NULL: the segment does not reach so far, or there is no memory. */
static struct chunk *chunk_to_pin(struct segment *segment, uint32_t page)
{
    uint32_t index = page / CHUNK_PAGES;
    if (page >= segment->npages || is_error(mi_segment_reserve(segment, index, index))) {
        return NULL;
    }
    return mi_chunk(segment, index);
}

/* => chunk lock held; the page is resident. */
static pfn_t pin_locked(struct segment *segment, struct chunk *chunk, uint32_t page)
{
    pte_t *entry = mi_proto_entry_locked(chunk, page % CHUNK_PAGES);
    pte_t value = pte_read(entry);
    ASSERT(pte_is_valid(value) && mi_pfn(pte_frame(value))->use.pins == 0);
    pte_write(entry, (pte_t){value.v | PTE_ACCESSED}); /* the clock's: spared once, unpinned */
    mi_lock_frame(pte_frame(value));
    chunk->pins++;
    segment->pinning.npages++;
    return pte_frame(value);
}

/* => chunk lock held. */
static void unpin_locked(struct segment *segment, struct chunk *chunk, pfn_t frame)
{
    mi_unlock_frame(frame);
    chunk->pins--;
    segment->pinning.npages--;
}

/* Has the pager fill FRAME; its entry is in transition meanwhile. => chunk lock held, and dropped
 * while the pager works. */
static status_t read_locked(struct segment *segment, struct chunk *chunk, uint32_t page,
                            pfn_t frame) UNCHECKED_LOCKS
{
    pte_t *entry = mi_proto_entry_locked(chunk, page % CHUNK_PAGES);
    mi_read_begin(frame, entry, pte_make_soft(PTE_PAGER, 0), PROT_EXECUTE_READWRITE);
    spin_unlock(&chunk->lock);
    int64_t since = mi_trace_begin();
    status_t status = segment->pager->page_in(segment->context, page, 1, &frame);
    mi_trace_page_in(since, trace_segment(segment->id), page, 1, frame, is_success(status));
    spin_lock(&chunk->lock);
    if (mi_read_end(frame, is_success(status))) {
        mi_publish_locked(segment, chunk, entry, frame, PROT_EXECUTE_READWRITE, PTE_ACCESSED);
    }
    return status;
}

/* Makes PAGE resident, which is absent. => as read_locked. */
static status_t bring_locked(struct segment *segment, struct chunk *chunk, uint32_t page,
                             bool read) UNCHECKED_LOCKS
{
    pte_t *entry = mi_proto_entry_locked(chunk, page % CHUNK_PAGES);
    if (entry == NULL || pte_has_frame(pte_read(entry))) {
        return STATUS_NO_MEMORY;
    }
    pfn_t frame = mi_take_low_frame(FRAME_SEGMENT);
    if (pfn_is_none(frame)) {
        return STATUS_NO_MEMORY;
    }
    if (read) {
        return read_locked(segment, chunk, page, frame);
    }
    mi_pfn(frame)->original = pte_make_soft(PTE_PAGER, 0).v;
    mi_publish_locked(segment, chunk, entry, frame, PROT_EXECUTE_READWRITE, PTE_ACCESSED);
    return STATUS_SUCCESS;
}

status_t mm_device_pin(struct segment *segment, uint32_t page, bool read,
                       struct device_page *result) UNCHECKED_LOCKS
{
    struct chunk *chunk = chunk_to_pin(segment, page);
    status_t status = STATUS_SUCCESS;
    if (chunk == NULL) {
        return STATUS_NO_MEMORY;
    }
    ASSERT(segment->pinning.npages + segment->pinning.detached < segment->pinning.limit);
    spin_lock(&chunk->lock);
    enum page_state state = mi_page_make_ready_locked(segment, chunk, page);
    if (state == PAGE_NO_FRAME) {
        status = STATUS_NO_MEMORY;
    } else if (state == PAGE_ABSENT) {
        status = bring_locked(segment, chunk, page, read);
    }
    if (is_success(status)) {
        result->frame = pin_locked(segment, chunk, page);
        result->has_contents = read || state == PAGE_READY;
    }
    spin_unlock(&chunk->lock);
    return status;
}

void mm_device_unpin(struct segment *segment, uint32_t page)
{
    struct chunk *chunk = mi_chunk(segment, page / CHUNK_PAGES);
    spin_lock(&chunk->lock);
    const pte_t *entry = mi_proto_entry_locked(chunk, page % CHUNK_PAGES);
    unpin_locked(segment, chunk, pte_frame(pte_read(entry)));
    spin_unlock(&chunk->lock);
}

/* => chunk lock held. */
static void drop_empty_table_locked(const struct segment *segment, struct chunk *chunk)
{
    if (chunk->resident == 0) {
        mi_chunk_table_evict_locked(segment, chunk);
    }
}

/* The entry of a resident page becomes empty. => chunk lock held. */
static void clear_entry_locked(struct chunk *chunk, pte_t *entry)
{
    (void)pte_exchange(entry, pte_empty());
    mi_pfn(pte_frame(chunk->table))->use.shares--;
    chunk->resident--;
}

pfn_t mm_device_detach(struct segment *segment, uint32_t page)
{
    struct chunk *chunk = mi_chunk(segment, page / CHUNK_PAGES);
    spin_lock(&chunk->lock);
    pte_t *entry = mi_proto_entry_locked(chunk, page % CHUNK_PAGES);
    pfn_t frame = pte_frame(pte_read(entry));
    unpin_locked(segment, chunk, frame);
    clear_entry_locked(chunk, entry);
    mi_pfn(frame)->use.shares = 0;
    mi_frame_to_kernel(frame);
    drop_empty_table_locked(segment, chunk);
    spin_unlock(&chunk->lock);
    segment->pinning.detached++;
    return frame;
}

void mm_device_release(struct segment *segment, pfn_t frame)
{
    ASSERT(segment->pinning.detached > 0);
    segment->pinning.detached--;
    mi_release_frame(frame);
}

/* Drops what ENTRY holds unless it is pinned. => chunk lock held. */
static void drop_locked(struct chunk *chunk, pte_t *entry, struct frame_batch *batch)
{
    pte_t value = pte_read(entry);
    if (pte_has_form(value, PTE_TRANSITION)) {
        mi_free_proto_entry(batch, entry);
        pte_write(entry, pte_empty());
    } else if (!pte_is_valid(value)) {
        return;
    } else if (mi_pfn(pte_frame(value))->use.pins == 0) {
        mi_free_proto_entry(batch, entry);
        clear_entry_locked(chunk, entry);
    }
}

/*
 * The pages [from, end) of the chunk. Without a table there are none, nor can there be a moment
 * later: only pinning makes one.
 */
static void forget_in_chunk(struct segment *segment, struct chunk *chunk, uint32_t from,
                            uint32_t end)
{
    struct frame_batch batch;
    if (!pte_is_valid(chunk->table)) {
        return;
    }
    mi_batch_init(&batch);
    spin_lock(&chunk->lock);
    for (uint32_t i = from; i < end && pte_is_valid(chunk->table); i++) {
        drop_locked(chunk, mi_proto_entry_locked(chunk, i), &batch);
    }
    mi_batch_release(&batch); /* nobody maps them: there is no flush to wait for */
    drop_empty_table_locked(segment, chunk);
    spin_unlock(&chunk->lock);
}

void mm_device_forget(struct segment *segment, uint32_t first, uint32_t last)
{
    struct chunk *chunk;
    for (uint32_t index = first / CHUNK_PAGES; index <= last / CHUNK_PAGES; index++) {
        chunk = mi_chunk_at_or_after(segment, &index);
        if (chunk == NULL || index > last / CHUNK_PAGES) {
            return;
        }
        uint32_t base = index * CHUNK_PAGES;
        forget_in_chunk(segment, chunk, max_u32(first, base) - base,
                        min_u32(last - base, CHUNK_PAGES - 1) + 1);
    }
}

static void count_frames(struct segment *segment, void *context)
{
    uint32_t *count = context;
    const struct chunk *chunk;
    for (uint32_t i = 0;
         segment->kind == SEGMENT_DEVICE && (chunk = mi_chunk_at_or_after(segment, &i)) != NULL;
         i++) {
        *count += chunk->resident + pte_is_valid(chunk->table);
    }
    *count += segment->pinning.detached;
}

uint32_t mm_device_frames(void)
{
    uint32_t count = 0;
    mi_segment_for_each(count_frames, &count);
    return count;
}
