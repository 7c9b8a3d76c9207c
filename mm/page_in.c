/*
 * mm/page_in.c: bringing pages into memory.
 *
 * No lock is held while the pager or the paging file works (M8): the entries are in transition
 * meanwhile, and whoever else wants one of the pages waits for the same page_in, which it finds by
 * the frame. Its pages are published, or its entries put back as they were, under the entries'
 * lock: the chunk's, or the space's. A page that was dropped meanwhile is nobody's any more
 * (mi_read_end says so), and its frame is given back.
 */
#include "mm/page_in.h"

#include "kernel/block.h"
#include "kernel/string.h"
#include "mm/await.h"
#include "mm/fault_counts.h"
#include "mm/link.h"
#include "mm/read_around.h"
#include "mm/segment.h"
#include "mm/slots.h"
#include "mm/table.h"
#include "mm/trace.h"
#include "mm/trim.h"
#include "mm/vad.h"
#include "quire/assert.h"

#define PAGER_PAGES 16u /* what one fault brings from a pager, within an aligned run */

/* A page-in under way; lies on the stack of the thread that does it. */
struct page_in {
    struct list link; /* [page-in lock] */
    uint32_t first;   /* page number in the segment or space */
    uint32_t wanted;  /* the page of the fault, as an index into frames */
    uint32_t count;
    uint32_t waiters;                     /* [page-in lock] */
    struct waitable done;                 /* manual: published, or put back */
    struct waitable alone;                /* manual: no waiter is left */
    uint64_t good[PAGER_READ_PAGES / 64]; /* a bit for each page whose contents came */
    pfn_t frames[PAGER_READ_PAGES];
    uint32_t slot; /* of the first page, when they come from the paging file, */
    uint8_t generations[SLOT_READ_PAGES]; /* the writes' that filled the slots, */
    uint32_t checks[SLOT_READ_PAGES];     /* and what the contents must check to */
};

STATIC_ASSERT(PAGER_PAGES <= PAGER_READ_PAGES && PAGER_READ_PAGES % 64 == 0);
STATIC_ASSERT(SLOT_READ_PAGES <= PAGER_READ_PAGES && PAGER_READ_PAGES <= BLOCK_SEGMENTS_MAX);

static struct spinlock page_in_lock = SPINLOCK_INIT(RANK_SEGMENT);
static struct list page_ins; /* [page-in lock] */

void mi_page_in_init(void)
{
    list_init(&page_ins);
}

static bool is_good(const struct page_in *in, uint32_t i)
{
    return (in->good[i / 64] >> i % 64 & 1u) != 0;
}

static void set_good(struct page_in *in, uint32_t i)
{
    in->good[i / 64] |= 1ull << i % 64;
}

static void set_all_good(struct page_in *in)
{
    memset(in->good, 0xFF, sizeof(in->good));
}

/* The page_in that brings FRAME, or NULL. => page-in lock held. */
static struct page_in *find_page_in_locked(pfn_t frame)
{
    list_for_each(link, &page_ins) {
        struct page_in *in = list_entry(link, struct page_in, link);
        for (uint32_t i = 0; i < in->count; i++) {
            if (pfn_equal(in->frames[i], frame)) {
                return in;
            }
        }
    }
    return NULL;
}

void mi_wait_for_page_in(pfn_t frame)
{
    spin_lock(&page_in_lock);
    struct page_in *in = find_page_in_locked(frame);
    if (in != NULL) {
        in->waiters++;
    }
    spin_unlock(&page_in_lock);
    if (in == NULL) {
        return;
    }
    VERIFY(wait_for(&in->done, WAIT_FOREVER, false) == STATUS_SUCCESS);
    spin_lock(&page_in_lock);
    if (--in->waiters == 0) {
        event_set(&in->alone);
    }
    spin_unlock(&page_in_lock);
}

static void init_page_in(struct page_in *in)
{
    waitable_init_event(&in->done, true, false);
    waitable_init_event(&in->alone, true, false);
    in->waiters = 0;
    in->count = 0;
    memset(in->good, 0, sizeof(in->good));
}

/* The page-in becomes one to wait for. => the entries' lock held since they are in transition. */
static void enter_page_in(struct page_in *in)
{
    spin_lock(&page_in_lock);
    list_insert_tail(&page_ins, &in->link);
    spin_unlock(&page_in_lock);
}

/* It is over: who waits looks again. Returns when nobody uses IN any more. No locks. */
static void leave_page_in(struct page_in *in)
{
    spin_lock(&page_in_lock);
    list_remove(&in->link);
    bool waited_for = in->waiters != 0;
    event_set(&in->done);
    spin_unlock(&page_in_lock);
    if (waited_for) {
        VERIFY(wait_for(&in->alone, WAIT_FOREVER, false) == STATUS_SUCCESS);
        spin_lock(&page_in_lock); /* the last waiter has let go of the lock, and so of IN */
        spin_unlock(&page_in_lock);
    }
}

/* The run of entries to bring: [low, end) around INDEX in a table. */
struct run {
    uint32_t low;
    uint32_t end;
};

static bool entry_is_the_pagers(pte_t value)
{
    return pte_is_empty(value) || pte_has_form(value, PTE_PAGER);
}

/* What the pager can bring with INDEX: absent pages of an aligned run. */
static struct run find_pager_run(const pte_t *table, uint32_t index, uint32_t npages)
{
    uint32_t first = index / PAGER_PAGES * PAGER_PAGES;
    uint32_t last = min_u32(first + PAGER_PAGES, npages);
    struct run run = {index, index + 1};
    while (run.end < last && entry_is_the_pagers(pte_read(&table[run.end]))) {
        run.end++;
    }
    while (run.low > first && entry_is_the_pagers(pte_read(&table[run.low - 1]))) {
        run.low--;
    }
    return run;
}

static struct read_window window_in(struct segment *segment, uint32_t page, uint32_t most)
{
    spin_lock(&segment->lock);
    struct read_window window = mi_read_window(&segment->streams, page, most);
    spin_unlock(&segment->lock);
    return window;
}

/* What the pager can bring from INDEX on: up to COUNT absent pages. */
static struct run find_run_above(const pte_t *table, uint32_t index, uint32_t count,
                                 uint32_t npages)
{
    struct run run = {index, index + 1};
    uint32_t end = min_u32(npages, index + count);
    while (run.end < end && entry_is_the_pagers(pte_read(&table[run.end]))) {
        run.end++;
    }
    return run;
}

/*
 * The same of a file: as many as are asked for; when nobody says (0), more and more of what comes
 * next while it is read in order.
 */
static struct run find_file_run(struct segment *segment, const pte_t *table, uint32_t page,
                                uint32_t asked)
{
    uint32_t npages = mi_chunk_pages(segment, page / CHUNK_PAGES);
    uint32_t index = page % CHUNK_PAGES;
    if (asked != 0) {
        return find_run_above(table, index, min_u32(asked, PAGER_READ_PAGES), npages);
    }
    struct read_window window = window_in(segment, page, PAGER_READ_PAGES);
    if (window.high - window.low < PAGER_PAGES || window.low != page) {
        return find_pager_run(table, index, npages);
    }
    return find_run_above(table, index, window.high - window.low + 1, npages);
}

/* The entries next to INDEX, inside [low, high], whose slots are next to its own on the disk. */
static struct run find_slot_run(const pte_t *table, uint32_t index, uint32_t low, uint32_t high)
{
    uint32_t slot = pte_slot(pte_read(&table[index]));
    struct run run = {index, index + 1};
    while (run.end <= high) {
        pte_t value = pte_read(&table[run.end]);
        if (!pte_has_form(value, PTE_PAGEFILE) || pte_slot(value) != slot + (run.end - index)) {
            break;
        }
        run.end++;
    }
    while (run.low > low) {
        pte_t value = pte_read(&table[run.low - 1]);
        if (!pte_has_form(value, PTE_PAGEFILE) || pte_slot(value) + (index - run.low + 1) != slot) {
            break;
        }
        run.low--;
    }
    uint32_t before = index - run.low;
    uint32_t together = mi_slots_together(slot - before);
    if (together <= before) { /* the file goes on elsewhere between the two */
        run.low = index;
        together = mi_slots_together(slot);
    }
    run.end = min_u32(run.end, run.low + together);
    return run;
}

/* The same, of at most SLOT_READ_PAGES pages that WINDOW, of page numbers, allows. */
static struct run find_window_run(const pte_t *table, uint32_t page, struct read_window window)
{
    uint32_t base = page / CHUNK_PAGES * CHUNK_PAGES;
    uint32_t low = max_u32(window.low, base) - base;
    uint32_t high = min_u32(window.high, base + CHUNK_PAGES - 1) - base;
    return find_slot_run(table, page - base, low, high);
}

/* Takes up to COUNT frames; how many it got. */
static uint32_t take_frames(struct page_in *in, enum frame_kind kind, uint32_t count)
{
    uint32_t got = 0;
    while (got < count) {
        in->frames[got] = mi_take_page_frame(kind, false);
        if (pfn_is_none(in->frames[got])) {
            break;
        }
        got++;
    }
    return got;
}

/* Where page I is read from, and what it must check to, if that is the paging file. */
static void note_slot(struct page_in *in, uint32_t i, pte_t value)
{
    if (!pte_has_form(value, PTE_PAGEFILE)) {
        return;
    }
    if (i == 0) {
        in->slot = pte_slot(value);
    }
    ASSERT(i < SLOT_READ_PAGES && pte_slot(value) == in->slot + i);
    in->generations[i] = (uint8_t)pte_generation(value);
    in->checks[i] = pte_check(value);
}

static bool check_page(const struct page_in *in, uint32_t i)
{
    pte_t written = pte_make_pagefile(in->slot + i, in->generations[i], in->checks[i]);
    return mi_pagefile_check(written, in->frames[i]);
}

/*
 * Takes frames for the run and puts its entries in transition; when frames are short RUN shrinks,
 * from above, or to what begins with INDEX, the wanted page. False: not even one.
 */
static bool begin_run(struct page_in *in, enum frame_kind kind, pte_t *table, struct run *run,
                      uint32_t index)
{
    uint32_t got = take_frames(in, kind, run->end - run->low);
    if (got <= index - run->low) {
        run->low = index;
    }
    run->end = min_u32(run->end, run->low + got);
    in->count = run->end - run->low;
    while (got > in->count) {
        mi_release_frame(in->frames[--got]);
    }
    for (uint32_t i = 0; i < in->count; i++) {
        pte_t *entry = &table[run->low + i];
        pte_t value = pte_read(entry);
        prot_t prot = pte_is_empty(value) ? PROT_EXECUTE_READWRITE : pte_prot(value);
        note_slot(in, i, value);
        mi_read_begin(in->frames[i], entry,
                      pte_is_empty(value) ? pte_make_soft(PTE_PAGER, 0) : value, prot);
    }
    in->wanted = index - run->low;
    return in->count != 0;
}

/* Checks what came from the paging file; STATUS is the wanted page's. */
static status_t check_pages(struct page_in *in)
{
    for (uint32_t i = 0; i < in->count; i++) {
        if (check_page(in, i)) {
            set_good(in, i);
        }
    }
    return is_good(in, in->wanted) ? STATUS_SUCCESS : STATUS_DATA_ERROR;
}

/* Reads the run from the paging file; when that fails, at least the wanted page alone. */
static status_t read_slots(struct page_in *in)
{
    status_t status = mi_pagefile_read(in->slot, in->count, in->frames);
    if (is_success(status)) {
        return check_pages(in);
    }
    if (in->count > 1) {
        status = mi_pagefile_read(in->slot + in->wanted, 1, &in->frames[in->wanted]);
        if (is_success(status) && !check_page(in, in->wanted)) {
            status = STATUS_DATA_ERROR;
        }
    }
    if (is_success(status)) {
        set_good(in, in->wanted);
    }
    return status;
}

/* ---- segments ---- */

/*
 * ASKED pages of a file from PAGE on, or 0. => chunk lock held. False: there is nothing to do, or
 * *BUSY is on its way, or no frame is there.
 */
static bool begin_in_segment_locked(struct segment *segment, pte_t *table, uint32_t page,
                                    uint32_t asked, struct page_in *in, pfn_t *busy)
{
    uint32_t index = page % CHUNK_PAGES;
    pte_t value = pte_read(&table[index]);
    struct run run;
    *busy = PFN_NONE;
    ASSERT(page < segment->npages);
    if (pte_has_form(value, PTE_TRANSITION)) {
        *busy = pte_frame(value);
        return false;
    }
    if (segment->pager == NULL && pte_has_form(value, PTE_PAGEFILE)) {
        run = find_window_run(table, page, window_in(segment, page, SLOT_READ_PAGES));
    } else if (segment->kind == SEGMENT_FILE && entry_is_the_pagers(value)) {
        run = find_file_run(segment, table, page, asked);
    } else if (segment->pager != NULL && entry_is_the_pagers(value)) {
        run = find_pager_run(table, index, mi_chunk_pages(segment, page / CHUNK_PAGES));
    } else {
        return false;
    }
    if (!begin_run(in, FRAME_SEGMENT, table, &run, index)) {
        return false;
    }
    in->first = page - index + run.low;
    if (asked == 0) { /* what was asked for says nothing of how others read */
        spin_lock(&segment->lock);
        mi_read_note(&segment->streams, in->first, in->first + in->count);
        spin_unlock(&segment->lock);
    }
    enter_page_in(in);
    return true;
}

/* Publishes what came. => chunk lock held. */
static void end_in_segment_locked(const struct segment *segment, struct chunk *chunk,
                                  const struct page_in *in)
{
    for (uint32_t i = 0; i < in->count; i++) {
        if (mi_read_end(in->frames[i], is_good(in, i))) {
            pte_t *entry = mi_entry_of(in->frames[i]);
            mi_publish_locked(segment, chunk, entry, in->frames[i], pte_prot(pte_read(entry)),
                              i == in->wanted ? PTE_ACCESSED : 0);
        }
    }
}

/* Has the run brought from where it is; when that fails, at least the wanted page alone. */
static status_t read_segment(const struct segment *segment, struct page_in *in)
{
    if (segment->pager == NULL) {
        mi_faults.paging_file++;
        return read_slots(in);
    }
    mi_faults.pager++;
    mi_faults.pager_pages += in->count;
    status_t status = segment->pager->page_in(segment->context, in->first, in->count, in->frames);
    if (is_success(status)) {
        set_all_good(in);
    } else if (in->count > 1) {
        status = segment->pager->page_in(segment->context, in->first + in->wanted, 1,
                                         &in->frames[in->wanted]);
        if (is_success(status)) {
            set_good(in, in->wanted);
        }
    }
    return status;
}

/* PAGE, with ASKED - 1 pages behind it; 0: with as many as it pays to bring. */
static status_t page_in_some(struct segment *segment, uint32_t page, uint32_t asked)
{
    struct page_in in;
    pfn_t busy;
    init_page_in(&in);
    mi_wait_for_frames();
    struct chunk *chunk = mi_chunk(segment, page / CHUNK_PAGES);
    spin_lock(&chunk->lock);
    if (page >= segment->npages) {
        spin_unlock(&chunk->lock);
        return STATUS_END_OF_FILE; /* it was truncated meanwhile */
    }
    pte_t *table = mi_chunk_table_locked(segment, chunk);
    if (table == NULL) {
        spin_unlock(&chunk->lock);
        return mi_page_in_table(chunk, NULL);
    }
    mi_await(AWAIT_PROTOTYPE, &table[page % CHUNK_PAGES]);
    bool begun = begin_in_segment_locked(segment, table, page, asked, &in, &busy);
    spin_unlock(&chunk->lock);
    if (!begun) {
        if (!pfn_is_none(busy)) {
            mi_wait_for_page_in(busy);
        }
        return STATUS_SUCCESS; /* another thread brought it, or frames are short: look again */
    }
    int64_t since = mi_trace_begin();
    status_t status = read_segment(segment, &in);
    mi_trace_page_in(since, trace_segment(segment->id), in.first, in.count, in.frames[0],
                     is_success(status));
    spin_lock(&chunk->lock);
    end_in_segment_locked(segment, chunk, &in);
    spin_unlock(&chunk->lock);
    leave_page_in(&in);
    return status;
}

status_t mi_page_in(struct segment *segment, uint32_t page)
{
    return page_in_some(segment, page, 0);
}

status_t mi_page_in_run(struct segment *segment, uint32_t page, uint32_t count)
{
    ASSERT(count != 0);
    return page_in_some(segment, page, count);
}

/* => chunk lock held. False: not out on disk, or no frame is there. */
static bool begin_table_locked(struct chunk *chunk, struct page_in *in)
{
    pte_t value = chunk->table;
    if (!pte_has_form(value, PTE_PAGEFILE)) {
        return false;
    }
    pfn_t frame = mi_try_table_frame(FRAME_PROTOTYPE);
    if (pfn_is_none(frame)) {
        return false;
    }
    in->first = 0;
    in->wanted = 0;
    in->count = 1;
    in->frames[0] = frame;
    note_slot(in, 0, value);
    mi_read_begin(frame, &chunk->table, value, 0);
    enter_page_in(in);
    return true;
}

/* A table that is there is for the caller's fault. => chunk lock held. */
static void await_table_locked(const struct chunk *chunk)
{
    if (pte_is_valid(chunk->table)) {
        mi_await(AWAIT_PROTOTYPE, frame_address(pte_frame(chunk->table)));
    }
}

status_t mi_page_in_table(struct chunk *chunk, struct space *held)
{
    struct page_in in;
    init_page_in(&in);
    spin_lock(&chunk->lock);
    pte_t value = chunk->table;
    bool begun = begin_table_locked(chunk, &in);
    spin_unlock(&chunk->lock);
    if (!begun) {
        if (pte_has_form(value, PTE_TRANSITION)) {
            mi_wait_for_page_in(pte_frame(value));
        }
        if (!pte_is_valid(value) && held == NULL) {
            mi_wait_for_frames();
        } else if (!pte_is_valid(value)) {
            mi_wait_with_lock(held);
        }
        spin_lock(&chunk->lock);
        await_table_locked(chunk);
        spin_unlock(&chunk->lock);
        return STATUS_SUCCESS;
    }
    status_t status = read_slots(&in);
    spin_lock(&chunk->lock);
    if (mi_read_end(in.frames[0], is_good(&in, 0))) {
        mi_chunk_table_came_locked(chunk, in.frames[0]);
    }
    await_table_locked(chunk);
    spin_unlock(&chunk->lock);
    leave_page_in(&in);
    return status;
}

/* ---- private memory ---- */

/*
 * => space lock held, since when TABLE is there: so it does not leave again. False: nothing to do,
 * or no frame is there.
 */
static bool begin_in_space_locked(struct space *space, pte_t *table, uint32_t page,
                                  struct page_in *in)
{
    if (table == NULL || !pte_has_form(pte_read(&table[page % CHUNK_PAGES]), PTE_PAGEFILE)) {
        return false;
    }
    struct run run =
        find_window_run(table, page, mi_read_window(&space->streams, page, SLOT_READ_PAGES));
    if (!begin_run(in, FRAME_PRIVATE, table, &run, page % CHUNK_PAGES)) {
        return false;
    }
    in->first = page - page % CHUNK_PAGES + run.low;
    mi_read_note(&space->streams, in->first, in->first + in->count);
    enter_page_in(in);
    return true;
}

/* Makes what came valid, where the page's protection lets it be. => space lock held. */
static void end_in_space_locked(struct space *space, const struct page_in *in)
{
    for (uint32_t i = 0; i < in->count; i++) {
        pfn_t frame = in->frames[i];
        if (!mi_read_end(frame, is_good(in, i))) {
            continue;
        }
        pte_t *entry = mi_entry_of(frame);
        prot_t prot = pte_prot(pte_read(entry));
        MM_INVARIANT(M9, mi_private_table(space, (in->first + i) / CHUNK_PAGES) ==
                             frame_address(frame_of(entry)));
        if (prot_is_barred(prot)) {
            mi_retire_frame(frame);
            continue;
        }
        mi_pfn(frame)->use.shares = 1;
        space->private_pages++;
        mi_entry_write(entry, mi_pte_make_user(frame, prot, i == in->wanted ? PTE_ACCESSED : 0));
    }
}

status_t mi_page_in_private(struct space *space, uint32_t page)
{
    struct page_in in;
    init_page_in(&in);
    mi_wait_for_frames();
    pte_t *table;
    mutex_lock(&space->lock);
    status_t status = mi_table_get(space, page / CHUNK_PAGES, false, &table);
    bool begun = is_success(status) && begin_in_space_locked(space, table, page, &in);
    mutex_unlock(&space->lock);
    if (!begun) {
        return status;
    }
    mi_faults.paging_file++;
    int64_t since = mi_trace_begin();
    status = read_slots(&in);
    mi_trace_page_in(since, trace_space(space->id), in.first, in.count, in.frames[0],
                     is_success(status));
    mutex_lock(&space->lock);
    end_in_space_locked(space, &in);
    mutex_unlock(&space->lock);
    leave_page_in(&in);
    return status;
}
