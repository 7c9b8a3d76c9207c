/*
 * mm/segment.c: segments: contents in prototype tables.
 *
 * Owns chunk descriptors, prototype tables, residence (M1: a resident page is valid in its
 * prototype entry, published when the frame holds its final contents), page-in, and the end of a
 * segment. Does not know views beyond their mappers. Page-in holds no lock while the pager works:
 * the entries are in transition meanwhile, and whoever else wants one waits for the same page_in.
 */
#include "mm/segment.h"

#include "kernel/string.h"
#include "mm/cache_windows.h"
#include "mm/commit.h"
#include "mm/commit_limits.h"
#include "mm/pool.h"
#include "mm/section.h"

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

static struct spinlock segments_lock = SPINLOCK_INIT(RANK_SEGMENTS);
static struct list segments = {&segments, &segments}; /* [segments lock] */
static uint32_t next_id = 1;                          /* [segments lock] */
static struct pool_cache segment_cache;

void mi_segment_init(void)
{
    mm_pool_init(&segment_cache, "segment", sizeof(struct segment));
}

static uint32_t chunks_of(const struct segment *segment)
{
    return (segment->npages + CHUNK_PAGES - 1) / CHUNK_PAGES;
}

/* The number of chunks in group INDEX. */
static uint32_t group_chunks(const struct segment *segment, uint32_t index)
{
    return min_u32(GROUP_CHUNKS, chunks_of(segment) - index * GROUP_CHUNKS);
}

static uint32_t group_nbytes(const struct segment *segment, uint32_t index)
{
    return group_chunks(segment, index) * (uint32_t)sizeof(struct chunk);
}

status_t mi_segment_create(struct segment **result, enum segment_kind kind, uint64_t nbytes,
                           bool reserve, const struct pager_operations *pager, void *context)
{
    if (nbytes > ((uint64_t)UINT32_MAX << PAGE_SHIFT) / 64u) {
        return STATUS_SECTION_TOO_BIG;
    }
    uint32_t npages = (uint32_t)((nbytes + PAGE_MASK) >> PAGE_SHIFT);
    uint32_t commit = kind == SEGMENT_MEMORY && !reserve ? npages : 0;
    status_t status = mi_charge_pinned(commit);
    if (is_error(status)) {
        return status;
    }
    struct segment *segment = mm_pool_allocate(&segment_cache);
    uint32_t ngroups = (npages + GROUP_CHUNKS * CHUNK_PAGES - 1) / (GROUP_CHUNKS * CHUNK_PAGES);
    struct chunk **groups = mm_allocate(max_u32(ngroups, 1) * (uint32_t)sizeof(*groups));
    if (segment == NULL || groups == NULL) {
        if (segment != NULL) {
            mm_pool_free(&segment_cache, segment);
        }
        mm_free(groups, max_u32(ngroups, 1) * (uint32_t)sizeof(*groups));
        mi_return_pinned(commit);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    spin_init(&segment->lock, RANK_SEGMENT);
    segment->refs = 1;
    segment->kind = kind;
    segment->reserve = reserve;
    segment->npages = npages;
    segment->nbytes = nbytes;
    segment->commit = commit;
    segment->groups = groups;
    segment->ngroups = ngroups;
    segment->pager = pager;
    segment->context = context;
    list_init(&segment->page_ins);
    spin_lock(&segments_lock);
    segment->id = next_id++;
    list_insert_tail(&segments, &segment->link);
    spin_unlock(&segments_lock);
    *result = segment;
    return STATUS_SUCCESS;
}

status_t mm_segment_create(struct segment **segment, uint64_t nbytes,
                           const struct pager_operations *pager, void *context)
{
    return mi_segment_create(segment, SEGMENT_FILE, nbytes, false, pager, context);
}

void mm_segment_ref(struct segment *segment)
{
    spin_lock(&segment->lock);
    VERIFY(segment->refs < UINT32_MAX);
    segment->refs++;
    spin_unlock(&segment->lock);
}

uint64_t mm_segment_nbytes(const struct segment *segment)
{
    return segment->nbytes;
}

/* Makes one group. => STATUS_SUCCESS also when another thread was faster. */
static status_t add_group(struct segment *segment, uint32_t index)
{
    uint32_t nchunks = group_chunks(segment, index);
    status_t status = mm_charge_resident(nchunks);
    if (is_error(status)) {
        return status;
    }
    struct chunk *group = mm_allocate(group_nbytes(segment, index));
    if (group == NULL) {
        mm_return_resident(nchunks);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    for (uint32_t i = 0; i < nchunks; i++) {
        spin_init(&group[i].lock, RANK_CHUNK);
        list_init(&group[i].mappers);
    }
    spin_lock(&segment->lock);
    bool mine = segment->groups[index] == NULL;
    if (mine) {
        segment->groups[index] = group;
        segment->tables += nchunks;
    }
    spin_unlock(&segment->lock);
    if (!mine) {
        mm_free(group, group_nbytes(segment, index));
        mm_return_resident(nchunks);
    }
    return STATUS_SUCCESS;
}

status_t mi_segment_reserve(struct segment *segment, uint32_t first, uint32_t last)
{
    for (uint32_t group = first / GROUP_CHUNKS; group <= last / GROUP_CHUNKS; group++) {
        if (segment->groups[group] == NULL) {
            status_t status = add_group(segment, group);
            if (is_error(status)) {
                return status;
            }
        }
    }
    return STATUS_SUCCESS;
}

struct chunk *mi_chunk(const struct segment *segment, uint32_t index)
{
    struct chunk *group = segment->groups[index / GROUP_CHUNKS];
    return group == NULL ? NULL : &group[index % GROUP_CHUNKS];
}

uint32_t mi_chunk_pages(const struct segment *segment, uint32_t index)
{
    return min_u32(CHUNK_PAGES, segment->npages - index * CHUNK_PAGES);
}

pte_t *mi_chunk_table_locked(struct segment *segment, struct chunk *chunk, uint32_t index)
{
    ASSERT(spin_is_held(&chunk->lock));
    if (!pte_is_valid(chunk->table)) {
        pfn_t frame = mi_take_table_frame(FRAME_PROTOTYPE);
        struct pfn *record = mi_pfn(frame);
        record->table = segment->id;
        record->original = index;
        chunk->table = pte_make_valid(frame, 0);
    }
    return frame_address(pte_frame(chunk->table));
}

pte_t *mi_proto_entry_locked(const struct chunk *chunk, uint32_t page_in_chunk)
{
    if (!pte_is_valid(chunk->table)) {
        return NULL;
    }
    return (pte_t *)frame_address(pte_frame(chunk->table)) + page_in_chunk;
}

/* Publishes FRAME, which holds its final contents, in a prototype entry. => chunk lock held. */
static void publish_locked(struct segment *segment, struct chunk *chunk, pte_t *entry, pfn_t frame,
                           prot_t prot)
{
    pfn_t table = pte_frame(chunk->table);
    struct pfn *record = mi_pfn(frame);
    record->use.shares = 1;
    record->table = table.n;
    record->entry = (uint16_t)(entry - (pte_t *)frame_address(table));
    chunk->resident++;
    mi_pfn(table)->use.shares++;
    /* M3: leaf entries are user and executable; M5: a file's clean page is read-only. */
    uint64_t flags = PTE_USER | ((uint64_t)prot_base(prot) << PTE_AVL_SHIFT);
    if (segment->kind == SEGMENT_MEMORY) {
        flags |= PTE_WRITE;
    }
    pte_write(entry, pte_make_valid(frame, flags));
}

bool mi_page_is_committed_locked(const struct segment *segment, const struct chunk *chunk,
                                 uint32_t page)
{
    if (!segment->reserve) {
        return true;
    }
    const pte_t *entry = mi_proto_entry_locked(chunk, page % CHUNK_PAGES);
    return entry != NULL && !pte_is_empty(pte_read(entry));
}

enum page_state mi_page_make_ready_locked(struct segment *segment, struct chunk *chunk,
                                          uint32_t page)
{
    pte_t *entry = mi_chunk_table_locked(segment, chunk, page / CHUNK_PAGES) + page % CHUNK_PAGES;
    pte_t value = pte_read(entry);
    if (pte_is_valid(value)) {
        return PAGE_READY;
    }
    if (segment->kind != SEGMENT_MEMORY) {
        return PAGE_ABSENT;
    }
    if (segment->reserve && pte_is_empty(value)) {
        return PAGE_UNCOMMITTED;
    }
    pfn_t frame = mi_take_page_frame(FRAME_SEGMENT, true);
    if (pfn_is_none(frame)) {
        return PAGE_NO_FRAME;
    }
    publish_locked(segment, chunk, entry, frame, PROT_EXECUTE_READWRITE);
    return PAGE_READY;
}

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
        publish_locked(segment, chunk, &entries[i], in->frames[i], prot);
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

void mi_drop_alias(pte_t old)
{
    const struct pfn *record = mi_pfn(pte_frame(old));
    if ((old.v & PTE_DIRTY) != 0) {
        pte_t *entry = (pte_t *)frame_address((pfn_t){record->table}) + record->entry;
        pte_t value = pte_read(entry);
        MM_INVARIANT(M1, pte_is_valid(value) && pfn_equal(pte_frame(value), pte_frame(old)));
        while (!pte_compare_exchange(entry, value, (pte_t){value.v | PTE_DIRTY})) {
            value = pte_read(entry); /* a CPU set the accessed bit meanwhile */
        }
    }
    mi_unshare_frame(pte_frame(old));
}

void mi_mapper_enter_locked(struct chunk *chunk, struct mapper *mapper, enum mapper_kind kind)
{
    MM_INVARIANT(M2, spin_is_held(&chunk->lock));
    ASSERT(mapper->kind == MAPPER_NONE && kind != MAPPER_NONE);
    mapper->kind = kind;
    list_insert_tail(&chunk->mappers, &mapper->link);
}

void mi_mapper_leave_locked(struct mapper *mapper)
{
    ASSERT(mapper->kind != MAPPER_NONE);
    mapper->kind = MAPPER_NONE;
    list_remove(&mapper->link);
}

/* Marks the uncommitted pages of one chunk in [first, end); the number of them. */
static uint32_t commit_in_chunk(struct segment *segment, uint32_t first, uint32_t end, bool mark)
{
    struct chunk *chunk = mi_chunk(segment, first / CHUNK_PAGES);
    uint32_t found = 0;
    spin_lock(&chunk->lock);
    pte_t *table = mi_chunk_table_locked(segment, chunk, first / CHUNK_PAGES);
    for (uint32_t page = first; page < end; page++) {
        pte_t *entry = &table[page % CHUNK_PAGES];
        if (pte_is_empty(pte_read(entry))) {
            found++;
            if (mark) {
                pte_write(entry, pte_make_soft(PTE_DEMAND_ZERO, PROT_EXECUTE_READWRITE));
            }
        }
    }
    spin_unlock(&chunk->lock);
    return found;
}

static uint32_t commit_pass(struct segment *segment, uint32_t first, uint32_t count, bool mark)
{
    uint32_t found = 0;
    for (uint32_t page = first; page < first + count;) {
        uint32_t end = min_u32((page / CHUNK_PAGES + 1) * CHUNK_PAGES, first + count);
        found += commit_in_chunk(segment, page, end, mark);
        page = end;
    }
    return found;
}

status_t mi_segment_commit(struct segment *segment, uint32_t first, uint32_t count)
{
    if (!segment->reserve) {
        return STATUS_SUCCESS;
    }
    /* Another view may commit the same pages meanwhile: charge the most, return what was not used.
     */
    uint32_t charged = commit_pass(segment, first, count, false);
    status_t status = mi_charge_pinned(charged);
    if (is_error(status)) {
        return status;
    }
    uint32_t used = commit_pass(segment, first, count, true);
    spin_lock(&segment->lock);
    segment->commit += used;
    spin_unlock(&segment->lock);
    mi_return_pinned(charged - used);
    return STATUS_SUCCESS;
}

/* Throws the clean pages of one chunk away that nobody maps; how many. => chunk lock held. */
static uint32_t purge_chunk_locked(struct segment *segment, struct chunk *chunk, uint32_t npages)
{
    uint32_t purged = 0;
    pte_t *table = frame_address(pte_frame(chunk->table));
    for (uint32_t i = 0; i < CHUNK_PAGES && chunk->resident > 0 && purged < npages; i++) {
        pte_t value = pte_read(&table[i]);
        if (!pte_is_valid(value)) {
            continue;
        }
        ASSERT((value.v & PTE_WRITE) == 0);
        pfn_t frame = pte_frame(value);
        if (mi_pfn(frame)->use.shares != 1 || mi_pfn(frame)->use.pins != 0) {
            continue;
        }
        (void)pte_exchange(&table[i], segment->kind == SEGMENT_IMAGE
                                          ? pte_make_soft(PTE_PAGER, pte_prot(value))
                                          : pte_empty());
        mi_pfn(frame)->use.shares = 0;
        mi_release_frame(frame);
        mi_pfn(pte_frame(chunk->table))->use.shares--;
        chunk->resident--;
        purged++;
    }
    return purged;
}

/* Gives the table of a file's chunk back that holds nothing any more. => chunk lock held. */
static void drop_empty_table_locked(const struct segment *segment, struct chunk *chunk)
{
    pfn_t frame = pte_frame(chunk->table);
    const pte_t *table = frame_address(frame);
    if (segment->kind != SEGMENT_FILE || chunk->resident != 0) {
        return;
    }
    for (uint32_t i = 0; i < CHUNK_PAGES; i++) {
        if (!pte_is_empty(pte_read(&table[i]))) {
            return; /* a page-in is under way */
        }
    }
    chunk->table = pte_empty();
    mi_release_frame(frame);
}

/* Purges one segment; how many pages went. => segments lock held. */
static uint32_t purge_segment(struct segment *segment, uint32_t npages)
{
    uint32_t purged = 0;
    for (uint32_t i = 0; i < chunks_of(segment) && purged < npages; i++) {
        struct chunk *chunk = mi_chunk(segment, i);
        if (chunk == NULL) {
            i |= GROUP_CHUNKS - 1;
            continue;
        }
        spin_lock(&chunk->lock);
        if (pte_is_valid(chunk->table) && chunk->pins == 0 && list_is_empty(&chunk->mappers)) {
            purged += purge_chunk_locked(segment, chunk, npages - purged);
            drop_empty_table_locked(segment, chunk);
        }
        spin_unlock(&chunk->lock);
    }
    spin_lock(&segment->lock);
    segment->commit -= purged;
    spin_unlock(&segment->lock);
    return purged;
}

uint32_t mi_purge_clean(uint32_t npages)
{
    uint32_t purged = 0;
    mi_cache_unlink_idle();
    spin_lock(&segments_lock);
    list_for_each(link, &segments) {
        struct segment *segment = list_entry(link, struct segment, link);
        if (segment->pager != NULL && purged < npages) {
            purged += purge_segment(segment, npages - purged);
        }
    }
    spin_unlock(&segments_lock);
    mi_return_pinned(purged);
    return purged;
}

/* Gives a chunk's frames and table back. No mapper is left. */
static void free_chunk(struct chunk *chunk)
{
    if (!pte_is_valid(chunk->table)) {
        return;
    }
    MM_INVARIANT(M2, list_is_empty(&chunk->mappers) && chunk->pins == 0);
    pfn_t table_frame = pte_frame(chunk->table);
    pte_t *table = frame_address(table_frame);
    struct frame_batch batch;
    mi_batch_init(&batch);
    for (uint32_t i = 0; i < CHUNK_PAGES && chunk->resident > 0; i++) {
        pte_t value = pte_read(&table[i]);
        if (pte_is_valid(value)) {
            struct pfn *record = mi_pfn(pte_frame(value));
            MM_INVARIANT(M1, record->use.shares == 1);
            record->use.shares = 0;
            mi_batch_add(&batch, pte_frame(value));
            chunk->resident--;
        }
    }
    mi_batch_release(&batch);
    mi_pfn(table_frame)->use.shares = 0;
    mi_release_frame(table_frame);
}

static void segment_free(struct segment *segment)
{
    mi_cache_forget(segment);
    spin_lock(&segments_lock);
    list_remove(&segment->link);
    spin_unlock(&segments_lock);
    for (uint32_t i = 0; i < segment->ngroups; i++) {
        struct chunk *group = segment->groups[i];
        for (uint32_t j = 0; group != NULL && j < group_chunks(segment, i); j++) {
            free_chunk(&group[j]);
        }
        mm_free(group, group_nbytes(segment, i));
    }
    mm_return_resident(segment->tables);
    mi_return_pinned(segment->commit);
    if (segment->pager != NULL && segment->pager->released != NULL) {
        segment->pager->released(segment->context);
    }
    mm_free(segment->groups, max_u32(segment->ngroups, 1) * (uint32_t)sizeof(*segment->groups));
    mm_pool_free(&segment_cache, segment);
}

void mm_segment_unref(struct segment *segment)
{
    spin_lock(&segment->lock);
    ASSERT(segment->refs > 0);
    bool last = --segment->refs == 0;
    spin_unlock(&segment->lock);
    if (last) {
        segment_free(segment);
    }
}

void mi_segment_for_each(void (*visit)(struct segment *segment, void *context), void *context)
{
    spin_lock(&segments_lock);
    list_for_each(link, &segments) {
        visit(list_entry(link, struct segment, link), context);
    }
    spin_unlock(&segments_lock);
}
