/*
 * mm/resize.c: segments of files that grow and shrink.
 *
 * What lies past the end of a file in its last page is zero on its way in, but views may store
 * there, and on the disk there may be what a longer file had. So before a file grows its last page
 * is brought in, zeroed past the old end where a view may have stored, and made dirty: then the
 * file system writes it with zeroes in it.
 *
 * A file shrinks only while no section of it reaches past the new end, so no view shows the pages
 * that go; reads through kernel windows may be under way, and find nothing there any more.
 */
#include "kernel/string.h"
#include "mm/await.h"
#include "mm/cache.h"
#include "mm/dirty.h"
#include "mm/section.h"
#include "mm/segment.h"

static void set_size(struct segment *segment, uint64_t nbytes)
{
    spin_lock(&segment->lock);
    segment->nbytes = nbytes;
    segment->npages = mi_pages_for(nbytes);
    segment->shown = min_u32(segment->shown, segment->npages);
    spin_unlock(&segment->lock);
}

void mi_segment_show(struct segment *segment, uint32_t npages)
{
    spin_lock(&segment->lock);
    segment->shown = max_u32(segment->shown, npages);
    spin_unlock(&segment->lock);
}

/* The last page of a file that is about to grow. */
static status_t settle_last_page(struct segment *segment)
{
    uint64_t end = segment->nbytes;
    uint32_t tail = (uint32_t)end & PAGE_MASK;
    if (tail == 0) {
        return STATUS_SUCCESS;
    }
    uint32_t page = (uint32_t)(end >> PAGE_SHIFT);
    status_t status = mi_segment_reserve(segment, page / CHUNK_PAGES, page / CHUNK_PAGES);
    if (is_success(status)) {
        status = mi_make_dirty(segment, page);
        mi_await_nothing();
    }
    if (is_success(status) && segment->dirty.past_end) {
        status = mm_cache_zero(segment, end, PAGE_BYTES - tail);
    }
    return status;
}

status_t mm_segment_make_room(struct segment *segment, uint64_t nbytes)
{
    if (nbytes > SEGMENT_BYTES_MAX) {
        return STATUS_SECTION_TOO_BIG;
    }
    return mi_segment_make_room(segment, mi_chunks_for(mi_pages_for(nbytes)));
}

status_t mm_segment_extend(struct segment *segment, uint64_t nbytes)
{
    ASSERT(mi_notices_stores(segment));
    if (nbytes <= segment->nbytes) {
        return STATUS_SUCCESS;
    }
    status_t status = mm_segment_make_room(segment, nbytes);
    if (is_success(status)) {
        status = settle_last_page(segment);
    }
    if (is_success(status)) {
        set_size(segment, nbytes);
    }
    return status;
}

/* Takes page I out of the chunk, wherever it is. => chunk lock held; the flush follows. */
static void drop_page_locked(struct chunk *chunk, pte_t *entry, struct frame_batch *batch)
{
    pte_t value = pte_read(entry);
    if (pte_is_valid(value)) {
        value = pte_exchange(entry, pte_empty());
        chunk->resident--;
        mi_pfn(frame_of(entry))->use.shares--;
        MM_INVARIANT(M2, mi_pfn(pte_frame(value))->use.shares == 1);
        mi_pfn(pte_frame(value))->use.shares = 0;
        mi_batch_add(batch, pte_frame(value));
    } else {
        mi_free_proto_entry(batch, entry);
        pte_write(entry, pte_empty());
    }
}

/* Drops the pages of a chunk from FROM on. */
static void truncate_chunk(struct segment *segment, struct chunk *chunk, uint32_t from)
{
    struct frame_batch batch;
    uint32_t forgotten = 0;
    mi_batch_init(&batch);
    spin_lock(&chunk->lock);
    pte_t *table = mi_proto_entry_locked(chunk, 0);
    for (uint32_t i = from; table != NULL && i < CHUNK_PAGES; i++) {
        pte_t value = pte_read(&table[i]);
        if (!pte_is_empty(value)) {
            forgotten += pte_is_valid(value) && (value.v & PTE_WRITE) != 0;
            drop_page_locked(chunk, &table[i], &batch);
        }
    }
    chunk->dirty = (uint16_t)(chunk->dirty - forgotten);
    if (batch.count != 0) {
        tlb_flush_all_user(); /* M6: windows may show the pages */
    }
    spin_unlock(&chunk->lock);
    mi_batch_release(&batch);
    mi_forget_dirty(segment, forgotten);
}

/*
 * Zeroes the end of the last page, if it is shown; else it has to come again from the disk, and its
 * end is zero then.
 */
static void zero_end(struct segment *segment, uint64_t nbytes)
{
    struct frame_batch batch;
    uint32_t tail = (uint32_t)nbytes & PAGE_MASK;
    uint32_t page = (uint32_t)(nbytes >> PAGE_SHIFT);
    struct chunk *chunk = tail == 0 ? NULL : mi_chunk(segment, page / CHUNK_PAGES);
    if (chunk == NULL) {
        return;
    }
    mi_batch_init(&batch);
    spin_lock(&chunk->lock);
    pte_t *entry = mi_proto_entry_locked(chunk, page % CHUNK_PAGES);
    if (entry != NULL && pte_is_valid(pte_read(entry))) {
        char *window = window_open(pte_frame(pte_read(entry)));
        memset(window + tail, 0, PAGE_BYTES - tail);
        window_close(window);
    } else if (entry != NULL) {
        drop_page_locked(chunk, entry, &batch);
    }
    spin_unlock(&chunk->lock);
    mi_batch_release(&batch);
}

void mm_segment_truncate(struct segment *segment, uint64_t nbytes)
{
    uint32_t first = mi_pages_for(nbytes);
    ASSERT(nbytes <= segment->nbytes);
    mutex_lock(&segment->dirty.lock); /* no page is being written */
    set_size(segment, nbytes);
    struct chunk *chunk;
    for (uint32_t index = first / CHUNK_PAGES;
         (chunk = mi_chunk_at_or_after(segment, &index)) != NULL; index++) {
        truncate_chunk(segment, chunk, max_u32(first, index * CHUNK_PAGES) - index * CHUNK_PAGES);
    }
    zero_end(segment, nbytes);
    mutex_unlock(&segment->dirty.lock);
}
