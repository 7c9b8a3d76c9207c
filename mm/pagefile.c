/*
 * mm/pagefile.c: the paging file: slots, and what is read from and written to them.
 *
 * A slot is a page of the file; a bitmap says which are used. Slots are taken in runs, so that what
 * is evicted together is written together. Each page is checked on its way back: the entry beside
 * the slot holds the generation of the write (which counts requests) and a hash of generation and
 * contents, all 32 bits of it. So a page that the device damaged, took from elsewhere or never
 * wrote is not shown (kernel/lib/page_hash.c says what is always seen). What an older write left in
 * the slot with the same contents is the same page. The file's place on the device is known from
 * the start; nothing here allocates once it is open, and no lock is held while the device works.
 */
#include "mm/pagefile.h"

#include "kernel/bitmap.h"
#include "kernel/block.h"
#include "kernel/lock.h"
#include "kernel/page_hash.h"
#include "kernel/string.h"
#include "kernel/wait.h"
#include "mm/commit_limits.h"
#include "mm/frame.h"
#include "mm/pool.h"
#include "mm/read_around.h"
#include "mm/slots.h"
#include "mm/trace.h"

#define CLUSTER_PAGES  64u /* of one write, where the device takes as many: 256 KiB */
#define WRITES_AT_ONCE 4u
#define EXTENTS_MAX    2048u /* pieces of the file */
#define GROWTH_PAGES   4096u /* at a time, where the limit allows it: 16 MiB */
#define AHEAD_PAGES    256u  /* the file grows while this much commit is left */
#define PAGE_SECTORS   (PAGE_BYTES / SECTOR_BYTES)

STATIC_ASSERT(PAGEFILE_PAGES_MAX <= PTE_SLOTS);

static struct spinlock slot_lock = SPINLOCK_INIT(RANK_PAGEFILE);
static struct bitmap slots; /* [slot lock] */
static uint32_t nused;      /* [slot lock] */
static uint32_t nslots;     /* [slot lock] only grows; 0: no paging file */
static uint32_t capacity;   /* [growth lock] slots that the bitmap has room for */
static uint32_t greatest;   /* [growth lock] slots that there may be */
static uint32_t nextents;   /* [slot lock] only grows */
static bool ahead_fails;    /* [growth lock] the last growth ahead of need did */
static struct mutex growth_lock;
static status_t (*extend)(uint32_t npages, struct pagefile_extent *pieces, uint32_t max,
                          uint32_t *npieces); /* [c] */
static struct block_device *device;           /* [c] */
static struct pagefile_extent *extents;       /* [c] */
static uint32_t *first_slots;                 /* [c] of each extent */
static struct mm_pagefile_usage counters;     /* [slot lock] counters */

static struct mutex writer_lock;

/* A write under way. */
struct page_write {
    struct block_request request;
    struct block_segment segments[CLUSTER_PAGES];
    pfn_t frames[CLUSTER_PAGES];
    pte_t slots[CLUSTER_PAGES];
    uint32_t count;
    int64_t begun; /* for the trace */
    struct waitable done;
};
static struct page_write writes[WRITES_AT_ONCE]; /* [writer lock] */
static uint32_t generation;                      /* [writer lock] of the last write */
static uint32_t slots_in_writes;                 /* taken for a write that is not over */

bool mi_pagefile_is_open(void)
{
    return nslots != 0;
}

uint32_t mi_slots_used(void)
{
    return nused;
}

uint32_t mi_slots_in_writes(void)
{
    return slots_in_writes;
}

void mm_read_pagefile_usage(struct mm_pagefile_usage *now)
{
    spin_lock(&slot_lock);
    *now = counters;
    now->total_pages = nslots;
    now->used_pages = nused;
    spin_unlock(&slot_lock);
}

/* A run of up to COUNT slots; *FIRST; how many it has, 0 when none is left. */
static uint32_t allocate_run(uint32_t count, uint32_t *first)
{
    uint32_t got;
    spin_lock(&slot_lock);
    *first = bitmap_allocate_run(&slots, count, &got);
    nused += got;
    counters.peak_pages = max_u32(counters.peak_pages, nused);
    spin_unlock(&slot_lock);
    return got;
}

static void free_run(uint32_t first, uint32_t count)
{
    if (count != 0) {
        spin_lock(&slot_lock);
        bitmap_free(&slots, first, count);
        nused -= count;
        spin_unlock(&slot_lock);
    }
}

void mi_slot_free(uint32_t slot)
{
    free_run(slot, 1);
}

/* The piece of the file that a slot lies in. */
static uint32_t extent_of(uint32_t slot)
{
    uint32_t low = 0;
    uint32_t high = nextents;
    while (high - low > 1) { /* it is in [low, high) */
        uint32_t middle = (low + high) / 2;
        if (slot < first_slots[middle]) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return low;
}

static uint64_t sector_of(uint32_t slot)
{
    uint32_t i = extent_of(slot);
    return extents[i].sector + (uint64_t)(slot - first_slots[i]) * PAGE_SECTORS;
}

static uint32_t hash_of(pfn_t frame, uint32_t seed)
{
    void *page = window_open(frame);
    uint32_t hash = page_hash(page, seed);
    window_close(page);
    return hash;
}

uint32_t mi_slots_together(uint32_t slot)
{
    uint32_t i = extent_of(slot);
    return min_u32(first_slots[i] + extents[i].npages - slot, device->max_segments);
}

status_t mi_pagefile_read(uint32_t slot, uint32_t count, const pfn_t *frames)
{
    struct block_segment segments[SLOT_READ_PAGES];
    struct block_request request = {.operation = BLOCK_READ,
                                    .sector = sector_of(slot),
                                    .nsegments = count,
                                    .segments = segments};
    ASSERT(count <= mi_slots_together(slot) && count <= ARRAY_COUNT(segments));
    for (uint32_t i = 0; i < count; i++) {
        segments[i] = (struct block_segment){pfn_to_paddr(frames[i]), PAGE_BYTES};
    }
    status_t status = block_perform(device, &request);
    spin_lock(&slot_lock);
    counters.read_requests++;
    counters.pages_read += count;
    spin_unlock(&slot_lock);
    return status;
}

bool mi_pagefile_check(pte_t value, pfn_t frame)
{
    return hash_of(frame, pte_generation(value)) == pte_check(value);
}

static void write_done(struct block_request *request)
{
    (void)event_set(&((struct page_write *)request->context)->done);
}

/* A run of up to COUNT slots that lie together on the device, as allocate_run. */
static uint32_t allocate_together(uint32_t count, uint32_t *first)
{
    uint32_t got = allocate_run(count, first);
    if (got == 0 && mi_steal_slot()) {
        got = allocate_run(1, first);
    }
    uint32_t together = got != 0 ? min_u32(got, mi_slots_together(*first)) : 0;
    free_run(*first + together, got - together); /* the run goes on elsewhere on the device */
    return together;
}

/*
 * Takes slots, and for them frames that are to be written, LEAST to CLUSTER_PAGES of them; how many
 * there are.
 */
static uint32_t take_pages(struct page_write *write, uint32_t least, uint32_t *first)
{
    uint32_t modified = mi_frames_modified();
    if (modified < least) {
        return 0;
    }
    uint32_t got = allocate_together(min_u32(modified, CLUSTER_PAGES), first);
    write->count = mi_take_modified(write->frames, got);
    free_run(*first + write->count, got - write->count); /* pages were touched meanwhile */
    return write->count;
}

/* Submits one request for LEAST pages or more; false when there are not as many to write. */
static bool begin_write(struct page_write *write, uint32_t least)
{
    uint32_t first = 0;
    if (take_pages(write, least, &first) == 0) {
        return false;
    }
    write->request = (struct block_request){.operation = BLOCK_WRITE,
                                            .sector = sector_of(first),
                                            .nsegments = write->count,
                                            .segments = write->segments,
                                            .done = write_done,
                                            .context = write};
    generation = (generation + 1) % PTE_GENERATIONS;
    slots_in_writes += write->count;
    for (uint32_t i = 0; i < write->count; i++) {
        pfn_t frame = write->frames[i];
        write->slots[i] = pte_make_pagefile(first + i, generation, hash_of(frame, generation));
        write->segments[i] = (struct block_segment){pfn_to_paddr(frame), PAGE_BYTES};
    }
    write->begun = mi_trace_begin();
    waitable_init_event(&write->done, true, false);
    device->submit(device, &write->request);
    return true;
}

/* Waits for one request; how many pages are safe. */
static uint32_t end_write(struct page_write *write)
{
    VERIFY(wait_for(&write->done, WAIT_FOREVER, false) == STATUS_SUCCESS);
    bool success = is_success(write->request.status);
    mi_trace_write(write->begun, pte_slot(write->slots[0]), write->count, write->frames[0],
                   success);
    for (uint32_t i = 0; i < write->count; i++) {
        if (!success) {
            mi_slot_free(pte_slot(write->slots[i]));
        }
        mi_written(write->frames[i], write->slots[i], success);
        slots_in_writes--;
    }
    spin_lock(&slot_lock);
    counters.write_requests++;
    counters.pages_written += success ? write->count : 0;
    counters.write_errors += !success;
    spin_unlock(&slot_lock);
    return success ? write->count : 0;
}

/*
 * The first request is as long as it can be; the others have a whole cluster, or wait for one. More
 * pages than are to be available are not held by them, so that in little memory there are fewer.
 */
uint32_t mi_pagefile_write(void)
{
    uint32_t begun = 0;
    uint32_t written = 0;
    if (nslots == 0) {
        return 0;
    }
    mutex_lock(&writer_lock);
    if (begin_write(&writes[0], 1)) {
        begun = 1;
        while (begun < WRITES_AT_ONCE && (begun + 1) * CLUSTER_PAGES <= mi_frames_wanted() &&
               begin_write(&writes[begun], CLUSTER_PAGES)) {
            begun++;
        }
    }
    for (uint32_t i = 0; i < begun; i++) {
        written += end_write(&writes[i]);
    }
    mutex_unlock(&writer_lock);
    return written;
}

/* ---- growth ---- */

void mm_pagefile_register_extend(status_t (*operation)(uint32_t npages,
                                                       struct pagefile_extent *extents,
                                                       uint32_t max, uint32_t *nextents))
{
    extend = operation;
}

/* Room for the bits of MAXIMUM slots. => growth lock held. */
static status_t make_room_locked(uint32_t maximum)
{
    if (maximum <= capacity) {
        return STATUS_SUCCESS;
    }
    uint32_t *words = mm_allocate(BITMAP_WORDS(maximum) * 4u);
    if (words == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    spin_lock(&slot_lock);
    uint32_t *old = slots.words;
    memcpy(words, old, BITMAP_WORDS(slots.nbits) * 4u);
    slots.words = words;
    spin_unlock(&slot_lock);
    mm_free(old, BITMAP_WORDS(capacity) * 4u);
    capacity = maximum;
    return STATUS_SUCCESS;
}

/* COUNT more extents hold the slots from SLOT on. Those from the first unused one on are not read.
 */
static void note_first_slots(uint32_t slot, uint32_t count)
{
    for (uint32_t i = nextents; i < nextents + count; i++) {
        first_slots[i] = slot;
        slot += extents[i].npages;
    }
}

/* NPAGES more, or as many of them as lie well, one at least. => growth lock held, the bitmap has
 * room. */
static status_t grow_locked(uint32_t npages)
{
    uint32_t pieces = 0;
    if (extend == NULL || nextents == EXTENTS_MAX) {
        return STATUS_DISK_FULL;
    }
    status_t status = extend(npages, &extents[nextents], EXTENTS_MAX - nextents, &pieces);
    uint32_t got = 0;
    for (uint32_t i = 0; is_success(status) && i < pieces; i++) {
        got += extents[nextents + i].npages;
    }
    if (is_error(status)) {
        return status;
    }
    ASSERT(got <= npages && nslots + got <= PAGEFILE_PAGES_MAX);
    note_first_slots(nslots, pieces);
    spin_lock(&slot_lock);
    nextents += pieces;
    nslots += got;
    bitmap_grow(&slots, nslots);
    spin_unlock(&slot_lock);
    mi_commit_grow(got);
    return STATUS_SUCCESS;
}

/*
 * NPAGES more where the disk has them; else fewer, by half each time, but LEAST (up to NPAGES).
 * When there are not as many, what was got is kept. => growth lock held, the bitmap has room for
 * both.
 */
static status_t grow_by_locked(uint32_t npages, uint32_t least)
{
    uint32_t end = nslots + npages;
    uint32_t wanted = nslots + least;
    status_t status = STATUS_SUCCESS;
    while (is_success(status) && nslots < wanted) {
        uint32_t missing = wanted - nslots;
        npages = min_u32(max_u32(npages, missing), end - nslots);
        status = grow_locked(npages);
        if (status == STATUS_DISK_FULL && npages > missing) {
            npages /= 2;
            status = STATUS_SUCCESS;
        }
    }
    return status;
}

status_t mm_pagefile_set_limits(uint32_t minimum, uint32_t maximum)
{
    if (nslots == 0) {
        return STATUS_OBJECT_NAME_NOT_FOUND;
    }
    mutex_lock(&growth_lock);
    status_t status = make_room_locked(maximum);
    if (is_success(status) && minimum > nslots) {
        status = grow_by_locked(minimum - nslots, minimum - nslots);
    }
    if (is_success(status)) {
        greatest = maximum;
        ahead_fails = false;
    }
    mutex_unlock(&growth_lock);
    return status;
}

bool mm_pagefile_grow(uint32_t slack)
{
    bool grown = false;
    if (nslots == 0) {
        return false;
    }
    mutex_lock(&growth_lock);
    uint32_t missing;
    if (!mi_commit_is_missing(slack, &missing)) {
        mutex_unlock(&growth_lock);
        return false;
    }
    uint32_t most = greatest - min_u32(greatest, nslots);
    if (missing == 0) {
        grown = true; /* another thread made it grow, or gave commit back */
    } else if (most != 0 && missing <= most + slack) {
        uint32_t least = max_u32(missing - min_u32(missing, slack), 1);
        grown = is_success(grow_by_locked(min_u32(most, max_u32(missing, GROWTH_PAGES)), least));
    }
    ahead_fails = ahead_fails && !grown;
    mutex_unlock(&growth_lock);
    return grown;
}

void mm_pagefile_keep_ahead(void)
{
    lock_assert_none();
    if (nslots >= greatest || ahead_fails || mi_commit_room() >= AHEAD_PAGES) {
        return;
    }
    mutex_lock(&growth_lock);
    if (nslots < greatest && mi_commit_room() < AHEAD_PAGES) {
        uint32_t most = min_u32(greatest - nslots, GROWTH_PAGES);
        ahead_fails = is_error(grow_by_locked(most, min_u32(most, AHEAD_PAGES)));
    }
    mutex_unlock(&growth_lock);
}

status_t mm_pagefile_open(struct block_device *on, const struct pagefile_extent *from,
                          uint32_t count)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        total += from[i].npages;
    }
    if (total == 0 || total > PAGEFILE_PAGES_MAX || nslots != 0 || count > EXTENTS_MAX) {
        return STATUS_INVALID_PARAMETER;
    }
    uint32_t *words = mm_allocate(BITMAP_WORDS(total) * 4u);
    struct pagefile_extent *copy = mm_allocate(EXTENTS_MAX * (uint32_t)sizeof(*copy));
    uint32_t *firsts = mm_allocate(EXTENTS_MAX * (uint32_t)sizeof(*firsts));
    if (words == NULL || copy == NULL || firsts == NULL) {
        mm_free(words, BITMAP_WORDS(total) * 4u);
        mm_free(copy, EXTENTS_MAX * (uint32_t)sizeof(*copy));
        mm_free(firsts, EXTENTS_MAX * (uint32_t)sizeof(*firsts));
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    memcpy(copy, from, count * sizeof(*copy));
    mutex_init(&writer_lock, RANK_PAGE_WRITER);
    bitmap_init(&slots, words, total);
    device = on;
    extents = copy;
    first_slots = firsts;
    note_first_slots(0, count);
    nextents = count;
    capacity = total;
    greatest = total;
    mutex_init(&growth_lock, RANK_PROCESS);
    nslots = total;
    mi_commit_grow(total);
    mi_frames_can_be_written();
    return STATUS_SUCCESS;
}
