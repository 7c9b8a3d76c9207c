/*
 * mm/segment.c: segments: contents in prototype tables.
 *
 * Owns chunk descriptors, prototype tables, residence (M1: a resident page is valid in its
 * prototype entry, published when the frame holds its final contents), commits in SEC_RESERVE
 * segments, throwing clean pages away, and the end of a segment. Does not know views beyond their
 * mappers. What the pager brings comes through mm/page_in.c.
 */
#include "mm/segment.h"

#include "kernel/string.h"
#include "mm/cache_windows.h"
#include "mm/commit.h"
#include "mm/commit_limits.h"
#include "mm/dirty.h"
#include "mm/fault_counts.h"
#include "mm/pool.h"
#include "mm/section.h"
#include "mm/slots.h"
#include "mm/table.h"
#include "mm/trim.h"

static struct spinlock segments_lock = SPINLOCK_INIT(RANK_SEGMENTS);
static struct list segments = {&segments, &segments}; /* [segments lock] */
static uint32_t next_id = 1;                          /* [segments lock] */
static struct pool_cache segment_cache;

void mi_segment_init(void)
{
    mm_pool_init(&segment_cache, "segment", sizeof(struct segment));
}

/* How many groups there is room for: of files a power of four, so that growing is rare. */
static uint32_t groups_for(enum segment_kind kind, uint32_t nchunks)
{
    uint32_t ngroups = max_u32((nchunks + GROUP_CHUNKS - 1) / GROUP_CHUNKS, 1);
    uint32_t room = 1;
    while (kind == SEGMENT_FILE && room < ngroups) {
        room *= 4;
    }
    return max_u32(room, ngroups);
}

/* The number of chunks in group INDEX that are charged; a file may grow into the others. */
static uint32_t group_chunks(const struct segment *segment, uint32_t index)
{
    return min_u32(GROUP_CHUNKS, segment->nchunks - index * GROUP_CHUNKS);
}

static uint32_t group_nbytes(const struct segment *segment, uint32_t index)
{
    uint32_t nchunks = segment->kind == SEGMENT_FILE ? GROUP_CHUNKS : group_chunks(segment, index);
    return nchunks * (uint32_t)sizeof(struct chunk);
}

static uint32_t groups_nbytes(uint32_t ngroups)
{
    return ngroups * (uint32_t)sizeof(struct chunk *);
}

status_t mi_segment_create(struct segment **result, enum segment_kind kind, uint64_t nbytes,
                           bool reserve, const struct pager_operations *pager, void *context)
{
    if (nbytes > SEGMENT_BYTES_MAX) {
        return STATUS_SECTION_TOO_BIG;
    }
    uint32_t npages = mi_pages_for(nbytes);
    uint32_t commit = kind == SEGMENT_MEMORY && !reserve ? npages : 0;
    status_t status = mm_charge_commit(commit);
    if (is_error(status)) {
        return status;
    }
    struct segment *segment = mm_pool_allocate(&segment_cache);
    uint32_t ngroups = groups_for(kind, mi_chunks_for(npages));
    struct chunk **groups = mm_allocate(groups_nbytes(ngroups));
    if (segment == NULL || groups == NULL) {
        if (segment != NULL) {
            mm_pool_free(&segment_cache, segment);
        }
        mm_free(groups, groups_nbytes(ngroups));
        mm_return_commit(commit);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    spin_init(&segment->lock, RANK_SEGMENT);
    segment->refs = 1;
    segment->kind = kind;
    segment->reserve = reserve;
    segment->npages = npages;
    segment->nbytes = nbytes;
    segment->nchunks = mi_chunks_for(npages);
    segment->commit = commit;
    segment->groups = groups;
    segment->ngroups = ngroups;
    mutex_init(&segment->dirty.lock, RANK_PAGE_WRITER);
    segment->pager = pager;
    segment->context = context;
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

/*
 * The tables to charge for NCHUNKS chunks. A device's are not charged: it can do without any, and
 * those of pinned pages are charged with the pins.
 */
static uint32_t tables_to_charge(const struct segment *segment, uint32_t nchunks)
{
    return segment->kind == SEGMENT_DEVICE ? 0 : nchunks;
}

/* Makes one group. => STATUS_SUCCESS also when another thread was faster. */
static status_t add_group(struct segment *segment, uint32_t index)
{
    uint32_t nchunks = group_chunks(segment, index);
    uint32_t ntables = tables_to_charge(segment, nchunks);
    status_t status = mi_charge_tables(ntables);
    if (is_error(status)) {
        return status;
    }
    struct chunk *group = mm_allocate(group_nbytes(segment, index));
    if (group == NULL) {
        mi_return_tables(ntables);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    for (uint32_t i = 0; i < group_nbytes(segment, index) / sizeof(*group); i++) {
        spin_init(&group[i].lock, RANK_CHUNK);
        group[i].segment_id = segment->id;
        group[i].index = index * GROUP_CHUNKS + i;
        list_init(&group[i].mappers);
    }
    spin_lock(&segment->lock);
    /* A file that grew meanwhile has another charge: the caller looks again. */
    bool mine = segment->groups[index] == NULL && group_chunks(segment, index) == nchunks;
    if (mine) {
        segment->groups[index] = group;
        segment->tables += ntables;
    }
    spin_unlock(&segment->lock);
    if (!mine) {
        mm_free(group, group_nbytes(segment, index));
        mi_return_tables(ntables);
    }
    return STATUS_SUCCESS;
}

status_t mi_segment_reserve(struct segment *segment, uint32_t first, uint32_t last)
{
    for (uint32_t group = first / GROUP_CHUNKS; group <= last / GROUP_CHUNKS; group++) {
        while (segment->groups[group] == NULL) {
            status_t status = add_group(segment, group);
            if (is_error(status)) {
                return status;
            }
        }
    }
    return STATUS_SUCCESS;
}

/* A larger array of groups; the old one stays, since it may be read without a lock. */
static status_t enlarge_groups(struct segment *segment, uint32_t ngroups)
{
    struct chunk **groups = mm_allocate(groups_nbytes(ngroups));
    if (groups == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    spin_lock(&segment->lock);
    memcpy(groups, segment->groups, groups_nbytes(segment->ngroups));
    segment->outgrown[(uint32_t)__builtin_ctz(segment->ngroups) / 2] = segment->groups;
    segment->groups = groups;
    segment->ngroups = ngroups;
    spin_unlock(&segment->lock);
    return STATUS_SUCCESS;
}

/* How many of the chunks [from, to) are in groups that exist already. => segment lock held. */
static uint32_t chunks_that_exist_locked(const struct segment *segment, uint32_t from, uint32_t to)
{
    uint32_t count = 0;
    for (uint32_t index = from; index < to; index++) {
        count += index / GROUP_CHUNKS < segment->ngroups && mi_chunk(segment, index) != NULL;
    }
    return count;
}

status_t mi_segment_make_room(struct segment *segment, uint32_t nchunks)
{
    uint32_t ngroups = groups_for(segment->kind, nchunks);
    if (nchunks <= segment->nchunks) {
        return STATUS_SUCCESS;
    }
    if (ngroups > segment->ngroups) {
        status_t status = enlarge_groups(segment, ngroups);
        if (is_error(status)) {
            return status;
        }
    }
    /* Only the last group can have chunks that were not charged: no more than it has. */
    status_t status = mi_charge_tables(GROUP_CHUNKS);
    if (is_error(status)) {
        return status;
    }
    spin_lock(&segment->lock);
    uint32_t group_end = (segment->nchunks + GROUP_CHUNKS - 1) / GROUP_CHUNKS * GROUP_CHUNKS;
    uint32_t charged =
        chunks_that_exist_locked(segment, segment->nchunks, min_u32(nchunks, group_end));
    segment->tables += charged;
    segment->nchunks = nchunks;
    spin_unlock(&segment->lock);
    mi_return_tables(GROUP_CHUNKS - charged);
    return STATUS_SUCCESS;
}

struct chunk *mi_chunk(const struct segment *segment, uint32_t index)
{
    struct chunk *group = segment->groups[index / GROUP_CHUNKS];
    return group == NULL ? NULL : &group[index % GROUP_CHUNKS];
}

uint32_t mi_chunk_pages(const struct segment *segment, uint32_t index)
{
    uint32_t npages = segment->npages;
    return npages > index * CHUNK_PAGES ? min_u32(CHUNK_PAGES, npages - index * CHUNK_PAGES) : 0;
}

pte_t *mi_proto_entry_locked(const struct chunk *chunk, uint32_t page_in_chunk)
{
    if (!pte_is_valid(chunk->table)) {
        return NULL;
    }
    return (pte_t *)frame_address(pte_frame(chunk->table)) + page_in_chunk;
}

void mi_publish_locked(const struct segment *segment, struct chunk *chunk, pte_t *entry,
                       pfn_t frame, prot_t prot, uint64_t extra)
{
    pfn_t table = pte_frame(chunk->table);
    struct pfn *record = mi_pfn(frame);
    record->use.shares = 1;
    record->table = table.n;
    record->entry = (uint16_t)(entry - (pte_t *)frame_address(table));
    chunk->resident++;
    mi_pfn(table)->use.shares++;
    /* M3: leaf entries are user and executable; M5: a file's clean page is read-only. */
    uint64_t flags = PTE_USER | extra | ((uint64_t)prot_base(prot) << PTE_AVL_SHIFT);
    if (segment->kind == SEGMENT_MEMORY) {
        flags |= PTE_WRITE;
    }
    pte_write(entry, pte_make_valid(frame, flags));
}

enum commitment mi_commitment_locked(const struct chunk *chunk, uint32_t page)
{
    const pte_t *entry = mi_proto_entry_locked(chunk, page % CHUNK_PAGES);
    if (entry == NULL) {
        return pte_is_empty(chunk->table) ? NOT_COMMITTED : COMMITMENT_OUT;
    }
    return pte_is_empty(pte_read(entry)) ? NOT_COMMITTED : COMMITTED;
}

/* A page whose frame is out of reach comes back without I/O, unless it is still on its way. */
static enum page_state pull_page_locked(const struct segment *segment, struct chunk *chunk,
                                        pte_t *entry, pte_t value)
{
    pfn_t frame = pte_frame(value);
    switch (mi_pull_frame(entry, value, false)) {
    case PULL_DONE:
        break;
    case PULL_NO_FRAME:
        return PAGE_NO_FRAME;
    case PULL_CHANGED:
    case PULL_BUSY:
        return PAGE_ABSENT; /* given away just now, or on its way: the page-in looks again */
    }
    uint64_t dirty = mi_pfn(frame)->original == 0 ? PTE_DIRTY : 0;
    mi_publish_locked(segment, chunk, entry, frame, pte_prot(value), dirty | PTE_ACCESSED);
    mi_faults.transition++;
    return PAGE_READY;
}

enum page_state mi_page_make_ready_locked(struct segment *segment, struct chunk *chunk,
                                          uint32_t page)
{
    pte_t *table = mi_chunk_table_locked(segment, chunk);
    if (table == NULL) {
        return PAGE_ABSENT; /* the table first */
    }
    pte_t *entry = &table[page % CHUNK_PAGES];
    pte_t value = pte_read(entry);
    if (pte_is_valid(value)) {
        return PAGE_READY;
    }
    if (pte_has_form(value, PTE_TRANSITION)) {
        return pull_page_locked(segment, chunk, entry, value);
    }
    if (segment->kind != SEGMENT_MEMORY || pte_has_form(value, PTE_PAGEFILE)) {
        return PAGE_ABSENT;
    }
    if (segment->reserve && pte_is_empty(value)) {
        return PAGE_UNCOMMITTED;
    }
    pfn_t frame = mi_take_page_frame(FRAME_SEGMENT, true);
    if (pfn_is_none(frame)) {
        return PAGE_NO_FRAME;
    }
    mi_publish_locked(segment, chunk, entry, frame, PROT_EXECUTE_READWRITE, PTE_ACCESSED);
    mi_faults.demand_zero++;
    return PAGE_READY;
}

void mi_drop_alias(pte_t old)
{
    const struct pfn *record = mi_pfn(pte_frame(old));
    if ((old.v & PTE_DIRTY) != 0) {
        pte_t *entry = (pte_t *)frame_address((pfn_t){record->table}) + record->entry;
        pte_t value = pte_read(entry);
        MM_INVARIANT(M1, pte_is_valid(value) && pfn_equal(pte_frame(value), pte_frame(old)));
        pte_set(entry, PTE_DIRTY);
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

/* Counts the uncommitted pages of one chunk in [first, end) into *FOUND; commits them if MARK. */
static status_t commit_in_chunk(struct segment *segment, uint32_t first, uint32_t end, bool mark,
                                struct space *held, uint32_t *found) UNCHECKED_LOCKS
{
    struct chunk *chunk = mi_chunk(segment, first / CHUNK_PAGES);
    pte_t *table;
    status_t status = mi_chunk_table_lock(segment, chunk, held, &table);
    if (is_error(status)) {
        return status;
    }
    for (uint32_t page = first; page < end; page++) {
        pte_t *entry = &table[page % CHUNK_PAGES];
        if (pte_is_empty(pte_read(entry))) {
            ++*found;
            if (mark) {
                pte_write(entry, pte_make_soft(PTE_DEMAND_ZERO, PROT_EXECUTE_READWRITE));
            }
        }
    }
    spin_unlock(&chunk->lock);
    return STATUS_SUCCESS;
}

static status_t commit_pass(struct segment *segment, uint32_t first, uint32_t count, bool mark,
                            struct space *held, uint32_t *found)
{
    status_t status = STATUS_SUCCESS;
    *found = 0;
    for (uint32_t page = first; page < first + count && is_success(status);) {
        uint32_t end = min_u32((page / CHUNK_PAGES + 1) * CHUNK_PAGES, first + count);
        status = commit_in_chunk(segment, page, end, mark, held, found);
        page = end;
    }
    return status;
}

status_t mi_segment_commit(struct segment *segment, uint32_t first, uint32_t count,
                           struct space *held)
{
    if (!segment->reserve) {
        return STATUS_SUCCESS;
    }
    /* Another view may commit the same pages meanwhile: charge the most, return what was not used.
     */
    uint32_t charged;
    uint32_t used;
    status_t status = commit_pass(segment, first, count, false, held, &charged);
    if (is_success(status)) {
        status = mm_charge_commit(charged);
    }
    if (is_error(status)) {
        return status;
    }
    status = commit_pass(segment, first, count, true, held, &used);
    spin_lock(&segment->lock);
    segment->commit += used;
    spin_unlock(&segment->lock);
    mm_return_commit(charged - used);
    return status;
}

struct chunk *mi_chunk_at_or_after(const struct segment *segment, uint32_t *index)
{
    while (*index < segment->nchunks) {
        struct chunk *chunk = mi_chunk(segment, *index);
        if (chunk != NULL) {
            return chunk;
        }
        *index = (*index | (GROUP_CHUNKS - 1)) + 1;
    }
    return NULL;
}

uint32_t mi_segment_resident(const struct segment *segment)
{
    uint32_t resident = 0;
    const struct chunk *chunk;
    for (uint32_t index = 0; (chunk = mi_chunk_at_or_after(segment, &index)) != NULL; index++) {
        resident += chunk->resident;
    }
    return resident;
}

uint32_t mi_segments_count(void)
{
    spin_lock(&segments_lock);
    uint32_t count = list_length(&segments);
    spin_unlock(&segments_lock);
    return count;
}

struct segment *mi_segments_next(void)
{
    spin_lock(&segments_lock);
    struct segment *segment = list_entry(list_rotate(&segments), struct segment, link);
    spin_unlock(&segments_lock);
    return segment;
}

void mi_free_proto_entry(struct frame_batch *batch, pte_t *entry)
{
    pte_t value = pte_read(entry);
    while (pte_has_form(value, PTE_TRANSITION) && mi_pull_frame(entry, value, true) != PULL_DONE) {
        value = pte_read(entry); /* it was given away */
    }
    if (pte_has_form(value, PTE_PAGEFILE)) {
        mi_slot_free(pte_slot(value));
    } else if (pte_has_frame(value)) {
        MM_INVARIANT(M1, !pte_is_valid(value) || mi_pfn(pte_frame(value))->use.shares == 1);
        mi_pfn(pte_frame(value))->use.shares = 0;
        mi_batch_add(batch, pte_frame(value));
    }
}

/* Gives a chunk's frames, slots and table back. No mapper is left. May wait for the disk. */
static void free_chunk(struct chunk *chunk)
{
    mi_chunk_table_bring_to_free(chunk);
    if (!pte_is_valid(chunk->table)) {
        return;
    }
    MM_INVARIANT(M2, list_is_empty(&chunk->mappers) && chunk->pins == 0);
    pfn_t table_frame = pte_frame(chunk->table);
    pte_t *table = frame_address(table_frame);
    struct frame_batch batch;
    mi_batch_init(&batch);
    for (uint32_t i = 0; i < CHUNK_PAGES; i++) {
        if (table[i].v != 0) {
            mi_free_proto_entry(&batch, &table[i]);
        }
    }
    mi_batch_release(&batch);
    mi_pfn(table_frame)->use.shares = 0;
    mi_release_frame(table_frame);
}

static void segment_free(struct segment *segment)
{
    mi_cache_forget(segment);
    mi_trim_lock();
    spin_lock(&segments_lock);
    list_remove(&segment->link);
    spin_unlock(&segments_lock);
    mi_trim_unlock();
    for (uint32_t i = 0; i < segment->ngroups; i++) {
        struct chunk *group = segment->groups[i];
        for (uint32_t j = 0; group != NULL && j < group_chunks(segment, i); j++) {
            free_chunk(&group[j]);
        }
        mm_free(group, group_nbytes(segment, i));
    }
    mi_forget_dirty(segment, mi_dirty_of(segment));
    mi_return_tables(segment->tables);
    mm_return_commit(segment->commit);
    if (segment->pager != NULL && segment->pager->released != NULL) {
        segment->pager->released(segment->context);
    }
    mm_free(segment->groups, groups_nbytes(segment->ngroups));
    for (uint32_t i = 0; i < ARRAY_COUNT(segment->outgrown); i++) {
        mm_free(segment->outgrown[i], groups_nbytes(1u << 2 * i));
    }
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

/* A reference more, unless the last has gone. */
static bool ref_unless_ending(struct segment *segment)
{
    spin_lock(&segment->lock);
    bool lives = segment->refs != 0;
    segment->refs += lives;
    spin_unlock(&segment->lock);
    return lives;
}

struct segment *mi_segments_take(bool (*is_wanted)(struct segment *segment, void *context),
                                 void *context)
{
    struct segment *found = NULL;
    spin_lock(&segments_lock);
    list_for_each(link, &segments) {
        struct segment *segment = list_entry(link, struct segment, link);
        if (is_wanted(segment, context) && ref_unless_ending(segment)) {
            found = segment;
            break;
        }
    }
    spin_unlock(&segments_lock);
    return found;
}

void mi_segment_for_each(void (*visit)(struct segment *segment, void *context), void *context)
{
    spin_lock(&segments_lock);
    list_for_each(link, &segments) {
        visit(list_entry(link, struct segment, link), context);
    }
    spin_unlock(&segments_lock);
}
