/*
 * mm/trim.c: choosing what leaves RAM, and the balancer.
 *
 * Pages are aged by their accessed bits, one clock for everything: spaces (private pages) and
 * segments take turns, and a turn moves an object's hand over a share of its resident pages, so
 * that all age at one rate. A page that was accessed since the hand last came by loses the bits, in
 * its prototype entry and in every alias, and stays; one that was not is put out of reach
 * (TRANSITION), and when the flush is acknowledged (M6) its frame goes to the standby list, if its
 * contents can be found again, or to the modified list. A touch brings it back from either without
 * I/O.
 *
 * A segment's pages are found through its own tables, linked or not (M1), their aliases through the
 * chunk's mappers (M2): no space lock is taken for them. An alias that goes leaves a PROTOTYPE
 * entry, so that the count of its table's entries, which belongs to the space, stays as it is.
 *
 * One bit cannot tell the oldest page from one that was only not used for a while. So more pages
 * are put out of reach than are needed: a share of all of them waits on the two lists, and those
 * that are touched there come back for the price of a soft fault. What is at the head of the
 * standby list when a frame is needed has been left alone for long.
 *
 * Dirty pages of files stay until the file writer (mm/writer.c) has cleaned them: they are bounded,
 * and it is told to hurry.
 *
 * Working sets: a space that is above the maximum that it has set gives pages before all others;
 * one at its minimum is spared (enum mercy), and one that faulted a lot since the hand last came by
 * is looked at less. Only private pages count: no segment is any space's own.
 *
 * What a thread awaits that has faulted and not run since is passed (M9: mm/await.h).
 *
 * The balancer is one thread. It works from the moment when fewer than twice the reserve are
 * available until that many are, and when a part of the share that is kept out of reach has gone.
 * It never waits for memory: what it needs was made at start. Who needs a table's frame while it
 * holds a space's lock does the same work itself.
 */
#include "mm/trim.h"

#include "kernel/clock.h"
#include "kernel/log.h"
#include "kernel/thread.h"
#include "kernel/wait.h"
#include "mm/await.h"
#include "mm/commit_limits.h"
#include "mm/frame.h"
#include "mm/init.h"
#include "mm/link.h"
#include "mm/peaks.h"
#include "mm/slots.h"
#include "mm/space_list.h"
#include "mm/stack.h"
#include "mm/table.h"
#include "mm/trace.h"
#include "mm/vad.h"
#include "mm/working_sets.h"
#include "mm/writer.h"
#include "mm/zero.h"

#define EVICT_BATCH 64u
#define INACTIVE    5u               /* one in so many pages in memory is kept out of reach */
#define REFILL      16u              /* the balancer looks when one in so many of them has gone */
#define SHARES      16u              /* turns that an object's hand needs to come around */
#define SHARE_MIN   16u              /* pages that a turn looks at, at least */
#define ROUNDS      (2 * SHARES + 2) /* after them every page was looked at twice */

static struct mutex trim_lock;
static struct waitable work; /* auto: frames run short */
static bool started;
static struct thread balancer;

void mi_trim_init(void)
{
    mutex_init(&trim_lock, RANK_TRIM);
    started = false;
}

void mi_trim_lock(void)
{
    mutex_lock(&trim_lock);
}

void mi_trim_unlock(void)
{
    mutex_unlock(&trim_lock);
}

void mi_trim_lock_quiet(const struct space *space)
{
    mi_trim_lock();
    while (space->trim_waits != 0) {
        mi_trim_unlock();
        thread_yield();
        mi_trim_lock();
    }
}

void mi_balancer_wake(void)
{
    if (started) {
        (void)event_set(&work);
    }
}

/* What is spared of spaces while others have pages to give. */
enum mercy {
    MERCY_MAXIMUM,     /* all but what is above a maximum that was set */
    MERCY_MINIMUM,     /* every space's minimum */
    MERCY_SET_MINIMUM, /* one that the process has set */
    MERCY_NONE         /* only a hard minimum, which is charged */
};

/* A turn of one space or one segment: of its lock's holder, or of the trim lock's. */
struct turn {
    struct space *space;     /* or NULL */
    struct segment *segment; /* or NULL */
    uint32_t chunk;          /* the segment's, of which pages are looked at */
    enum mercy mercy;
    bool low_only;   /* only pages in low frames */
    bool everything; /* accessed or not */
    bool is_exact;   /* the turn is over when MOST are taken */
    uint32_t left;   /* resident pages still to look at */
    uint32_t most;   /* private pages still to be taken */
    uint32_t evicted;
    uint32_t count;   /* frames in the batch */
    bool aged;        /* accessed bits were cleared: flush at the end */
    bool is_filtered; /* by what was awaited since the lock was taken */
    struct awaited_filter awaited;
    struct {
        pfn_t frame;
        bool dirty;
    } batch[EVICT_BATCH];
};

static uint32_t share_of(uint32_t resident)
{
    return resident / SHARES + SHARE_MIN;
}

/*
 * The batch's translations are flushed, and its frames leave. => the space's or the chunk's lock
 * held since the first of them was taken out.
 */
static void flush_batch(struct turn *turn)
{
    if (turn->count == 0 && !turn->aged) {
        return;
    }
    if (turn->space != NULL) {
        tlb_flush_root(&turn->space->root);
    } else {
        tlb_flush_all_user();
    }
    for (uint32_t i = 0; i < turn->count; i++) {
        if (turn->batch[i].dirty) {
            mi_forget_slot(turn->batch[i].frame);
        }
        mi_retire_frame(turn->batch[i].frame);
    }
    turn->evicted += turn->count;
    turn->count = 0;
    turn->aged = false;
}

/* FRAME's last entry is taken out; DIRTY: it was stored to. */
static void add_to_batch(struct turn *turn, pfn_t frame, bool dirty)
{
    mi_pfn(frame)->use.shares = 0;
    turn->batch[turn->count].frame = frame;
    turn->batch[turn->count].dirty = dirty;
    if (++turn->count == EVICT_BATCH) {
        flush_batch(turn);
    }
}

/*
 * Whether a thread that faulted on an entry has still to run (M9). One look at all threads will do
 * for as long as the lock is held: who notes an entry later takes this lock before it trusts it.
 * => the space's or the chunk's lock held.
 */
static bool is_awaited(struct turn *turn, const pte_t *entry)
{
    if (!turn->is_filtered) {
        turn->is_filtered = true;
        mi_filter_awaited(&turn->awaited);
    }
    return turn->awaited.any && mi_filter_has(&turn->awaited, entry);
}

/* Clears the accessed bit; whether it was set. */
static bool age_entry(pte_t *entry)
{
    pte_t value = pte_read(entry);
    while ((value.v & PTE_ACCESSED) != 0) {
        if (pte_compare_exchange(entry, value, (pte_t){value.v & ~PTE_ACCESSED})) {
            return true;
        }
        value = pte_read(entry);
    }
    return false;
}

/* ---- private pages ---- */

/* Ages one entry, or puts its page out of reach. */
static void visit_private(struct turn *turn, pte_t *entry, uint32_t page)
{
    pte_t value = pte_read(entry);
    if (!pte_is_valid(value)) {
        return;
    }
    pfn_t frame = pte_frame(value);
    const struct pfn *record = mi_pfn(frame);
    if (record->kind != FRAME_PRIVATE || record->state != FRAME_ACTIVE ||
        record->use.pins >= PINS_LOCK) {
        return;
    }
    turn->left--;
    if (turn->most == 0 || (turn->low_only && !mi_frame_is_low(frame))) {
        return;
    }
    if (!turn->everything && age_entry(entry)) {
        turn->aged = true;
        return;
    }
    if (is_awaited(turn, entry)) {
        return;
    }
    pte_t old = pte_exchange(entry, pte_make_transition(frame, pte_prot(value)));
    turn->space->private_pages--;
    turn->most--;
    mi_trace_trim(trace_space(turn->space->id), page, frame, (old.v & PTE_DIRTY) != 0);
    add_to_batch(turn, frame, (old.v & PTE_DIRTY) != 0);
}

static bool is_over(const struct turn *turn)
{
    return turn->left == 0 || (turn->is_exact && turn->most == 0);
}

/* Moves the hand of a space on by a share of its pages. => space lock held. */
static void trim_space_locked(struct turn *turn)
{
    struct space *space = turn->space;
    uint32_t tables = space->table_pages + 1; /* the one where the hand stands twice */
    for (uint32_t step = 0; step <= 2 * CHUNK_PAGES && tables > 0; step++) {
        uint32_t slot = space->trim_page / CHUNK_PAGES;
        pte_t *table = mi_private_table(space, slot);
        tables -= table != NULL;
        while (table != NULL && space->trim_page / CHUNK_PAGES == slot) {
            visit_private(turn, &table[space->trim_page % CHUNK_PAGES], space->trim_page);
            space->trim_page++;
            if (is_over(turn) && space->trim_page % CHUNK_PAGES != 0) {
                return;
            }
        }
        if (table != NULL) {
            flush_batch(turn);
            mi_table_evict(space, slot);
        }
        if (is_over(turn)) {
            space->trim_page %= 2 * CHUNK_PAGES * CHUNK_PAGES;
            return;
        }
        uint32_t next = slot + 1 < 2 * CHUNK_PAGES ? slot + 1 : 0;
        space->trim_page = next * CHUNK_PAGES;
    }
}

/* How many private pages the space may give. => space lock held. */
static uint32_t spare_pages(const struct space *space, enum mercy mercy)
{
    uint32_t kept = 0;
    if (space->limits_are_set) {
        kept = mercy != MERCY_NONE || space->hard_minimum ? space->minimum_pages : 0;
    } else if (mercy == MERCY_MINIMUM) {
        kept = min_u32(space->minimum_pages, (mi_frames_low() + mi_frames_high()) / 64);
    }
    return space->private_pages > kept ? space->private_pages - kept : 0;
}

/* How many pages a turn of the space looks at; half while it faults a lot. => space lock held. */
static uint32_t private_share(struct space *space)
{
    uint32_t share = share_of(space->private_pages);
    uint64_t recent = space->faults - space->trim_faults;
    space->trim_faults = space->faults;
    return recent > share ? share / 2 : share;
}

static void trim_space_share_locked(struct turn *turn)
{
    struct space *space = turn->space;
    mi_note_working_set(space, space->private_pages);
    if (turn->mercy == MERCY_MAXIMUM) {
        turn->evicted = space->limits_are_set ? mi_trim_space_to(space, space->maximum_pages) : 0;
        return;
    }
    turn->most = spare_pages(space, turn->mercy);
    turn->left = private_share(space);
    trim_space_locked(turn);
    flush_batch(turn);
}

uint32_t mi_trim_space_to(struct space *space, uint32_t npages)
{
    uint32_t evicted = 0;
    mi_note_working_set(space, space->private_pages);
    for (uint32_t pass = 0; pass < 3 && space->private_pages > npages; pass++) {
        struct turn turn = {.space = space,
                            .everything = pass == 2,
                            .is_exact = true,
                            .left = space->private_pages,
                            .most = space->private_pages - npages};
        trim_space_locked(&turn);
        flush_batch(&turn);
        evicted += turn.evicted;
    }
    return evicted;
}

void mi_evict_pages(struct space *space, uint32_t first, uint32_t last)
{
    struct turn turn = {.space = space, .everything = true, .left = UINT32_MAX, .most = UINT32_MAX};
    mi_note_working_set(space, space->private_pages);
    for (uint32_t page = first; page <= last;) {
        uint32_t end = min_u32(last, page | (CHUNK_PAGES - 1));
        pte_t *table = mi_private_table(space, page / CHUNK_PAGES);
        for (; table != NULL && page <= end; page++) {
            visit_private(&turn, &table[page % CHUNK_PAGES], page);
        }
        page = end + 1;
    }
    flush_batch(&turn);
}

/*
 * Nobody waits for a space's lock here: who holds it may wait for the trim lock. False: it was
 * taken.
 */
static bool trim_space(struct turn *turn, const struct space *held) UNCHECKED_LOCKS
{
    if (held != NULL && turn->space == held) {
        trim_space_share_locked(turn);
        return true;
    }
    if (!mutex_trylock(&turn->space->lock)) {
        return false;
    }
    trim_space_share_locked(turn);
    mutex_unlock(&turn->space->lock);
    return true;
}

/* ---- segments ---- */

/* Whether page I was accessed, through whichever entry; the bits are cleared. => chunk lock held.
 */
static bool age_page_locked(const struct chunk *chunk, pte_t *proto, uint32_t i)
{
    bool accessed = age_entry(proto);
    pfn_t frame = pte_frame(pte_read(proto));
    if (mi_pfn(frame)->use.shares == 1) {
        return accessed;
    }
    list_for_each(link, &chunk->mappers) {
        pte_t *alias = mi_alias_locked(list_entry(link, struct mapper, link), i, frame);
        if (alias != NULL && age_entry(alias)) {
            accessed = true;
        }
    }
    return accessed;
}

/* Whether a thread awaits page I, through whichever entry. => chunk lock held. */
static bool page_is_awaited_locked(struct turn *turn, const struct chunk *chunk, const pte_t *proto,
                                   uint32_t i)
{
    if (is_awaited(turn, proto)) {
        return true;
    }
    pfn_t frame = pte_frame(pte_read(proto));
    uint32_t aliases = mi_pfn(frame)->use.shares - 1;
    list_for_each(link, &chunk->mappers) {
        if (aliases == 0 || !turn->awaited.any) {
            break;
        }
        const pte_t *alias = mi_alias_locked(list_entry(link, struct mapper, link), i, frame);
        if (alias != NULL && is_awaited(turn, alias)) {
            return true;
        }
        aliases -= alias != NULL;
    }
    return false;
}

/* Takes page I out of every table; whether it was stored to. => chunk lock held. */
static bool take_out_locked(struct chunk *chunk, pte_t *proto, uint32_t i, pfn_t frame)
{
    prot_t prot = pte_prot(pte_read(proto));
    pte_t old = pte_exchange(proto, pte_make_transition(frame, prot));
    bool dirty = (old.v & PTE_DIRTY) != 0;
    uint32_t aliases = mi_pfn(frame)->use.shares - 1;
    list_for_each(link, &chunk->mappers) {
        if (aliases == 0) {
            break;
        }
        pte_t *alias = mi_alias_locked(list_entry(link, struct mapper, link), i, frame);
        if (alias != NULL) {
            prot = pte_prot(pte_read(alias));
            old = pte_exchange(alias, pte_make_soft(PTE_PROTOTYPE, prot));
            dirty = dirty || (old.v & PTE_DIRTY) != 0;
            aliases--;
        }
    }
    MM_INVARIANT(M2, aliases == 0);
    mi_pfn(pte_frame(chunk->table))->use.shares--;
    chunk->resident--;
    return dirty;
}

/* Ages one page, or puts it out of reach. => chunk lock held. */
static void visit_segment_page_locked(struct turn *turn, struct chunk *chunk, uint32_t i)
{
    pte_t *proto = mi_proto_entry_locked(chunk, i);
    pte_t value = pte_read(proto);
    if (!pte_is_valid(value) || mi_pfn(pte_frame(value))->use.pins != 0) {
        return;
    }
    turn->left--;
    if (turn->low_only && !mi_frame_is_low(pte_frame(value))) {
        return;
    }
    if (mi_notices_stores(turn->segment) && (value.v & PTE_WRITE) != 0) {
        return; /* M5: it is dirty, and leaves when it has been written */
    }
    if (!turn->everything && age_page_locked(chunk, proto, i)) {
        turn->aged = true;
        return;
    }
    if (page_is_awaited_locked(turn, chunk, proto, i)) {
        return;
    }
    pfn_t frame = pte_frame(value);
    bool dirty = take_out_locked(chunk, proto, i, frame);
    mi_trace_trim(trace_segment(turn->segment->id), turn->chunk * CHUNK_PAGES + i, frame, dirty);
    add_to_batch(turn, frame, dirty);
}

/*
 * Whether a look at the chunk can free anything: of a device, not where all that is resident is
 * pinned. A hint: it may change meanwhile.
 */
static bool has_to_give(const struct segment *segment, const struct chunk *chunk)
{
    return segment->kind != SEGMENT_DEVICE ||
           (pte_is_valid(chunk->table) && (chunk->resident == 0 || chunk->resident > chunk->pins));
}

/* From page FROM of chunk INDEX on; where the hand stands then. */
static uint32_t trim_chunk(struct turn *turn, struct chunk *chunk, uint32_t index, uint32_t from)
{
    uint32_t i = from;
    turn->chunk = index;
    if (!has_to_give(turn->segment, chunk)) {
        return CHUNK_PAGES;
    }
    spin_lock(&chunk->lock);
    turn->is_filtered = false;
    if (pte_is_valid(chunk->table) && chunk->resident != 0) {
        while (i < CHUNK_PAGES && turn->left > 0) {
            visit_segment_page_locked(turn, chunk, i++);
        }
        flush_batch(turn);
    } else {
        i = CHUNK_PAGES;
    }
    if (i == CHUNK_PAGES && chunk->resident == 0) {
        mi_chunk_table_evict_locked(turn->segment, chunk);
    }
    spin_unlock(&chunk->lock);
    return i;
}

/* Moves the hand of a segment on by a share of its pages. */
static void trim_segment(struct turn *turn)
{
    struct segment *segment = turn->segment;
    uint32_t nchunks = segment->nchunks;
    turn->left = share_of(mi_segment_resident(segment));
    for (uint32_t step = 0; step <= nchunks && turn->left > 0; step++) {
        uint32_t index = segment->trim_page / CHUNK_PAGES;
        uint32_t from = segment->trim_page % CHUNK_PAGES;
        uint32_t found = index;
        struct chunk *chunk = mi_chunk_at_or_after(segment, &found);
        if (chunk == NULL) {
            segment->trim_page = 0;
            continue;
        }
        from = trim_chunk(turn, chunk, found, found == index ? from : 0);
        segment->trim_page = found * CHUNK_PAGES + from;
    }
}

void mi_trim_unmapped(void)
{
    static struct turn turn; /* [trim lock] */
    mi_trim_lock();
    for (uint32_t left = mi_segments_count(); left > 0; left--) {
        turn = (struct turn){.segment = mi_segments_next(), .everything = true};
        struct chunk *chunk;
        for (uint32_t index = 0; turn.segment->pager != NULL &&
                                 (chunk = mi_chunk_at_or_after(turn.segment, &index)) != NULL;
             index++) {
            turn.left = list_is_empty(&chunk->mappers) ? UINT32_MAX : 0;
            (void)trim_chunk(&turn, chunk, index, 0);
        }
    }
    mi_trim_unlock();
}

/* ---- the balancer ---- */

/* A call of trim, in one of its rounds. */
struct pass {
    const struct space *held; /* whose lock the caller holds, or NULL */
    bool low_only;
    enum mercy mercy;
    bool is_whole; /* out: the round has looked at every page there is */
};

/* Whether the turn has nothing to give in this pass: there is nowhere to put its pages, or only
 * spaces above their maximum have a turn. */
static bool is_skipped(const struct turn *turn)
{
    const struct space *space = turn->space;
    if (!mi_pagefile_is_open() && (turn->segment == NULL || turn->segment->pager == NULL)) {
        return true;
    }
    return turn->mercy == MERCY_MAXIMUM && (space == NULL || !space->limits_are_set);
}

/*
 * Gives every space and every segment its turn, until WANTED pages are evicted; how many are.
 * *BUSY: a space whose lock was taken, kept from ending, or NULL.
 */
static uint32_t trim_round(uint32_t wanted, struct pass *pass, struct space **busy)
{
    static struct turn turn;  /* [trim lock] */
    static uint32_t position; /* [trim lock] whose turn it is */
    uint32_t evicted = 0;
    *busy = NULL;
    pass->is_whole = true;
    mi_trim_lock();
    uint32_t nspaces = mi_spaces_count();
    uint32_t nturns = nspaces + mi_segments_count();
    for (uint32_t i = 0; i < nturns && evicted < wanted; i++) {
        bool is_space = position++ % nturns < nspaces;
        turn = (struct turn){.space = is_space ? mi_spaces_next() : NULL,
                             .segment = is_space ? NULL : mi_segments_next(),
                             .mercy = pass->mercy,
                             .low_only = pass->low_only};
        if (is_skipped(&turn)) {
            continue;
        }
        if (!is_space) {
            trim_segment(&turn);
        } else if (!trim_space(&turn, pass->held)) {
            *busy = turn.space;
        }
        pass->is_whole = pass->is_whole && turn.left != 0;
        evicted += turn.evicted;
    }
    if (*busy != NULL) {
        (*busy)->trim_waits++;
    }
    mi_trim_unlock();
    return evicted;
}

/*
 * A turn of a space whose lock was taken; waits for it. Its holder may have lost the CPU to the
 * balancer, and goes on with its priority then. No locks.
 */
static uint32_t trim_busy(struct space *space, const struct pass *pass, bool wait)
{
    struct turn turn = {.space = space, .mercy = pass->mercy, .low_only = pass->low_only};
    if (wait) {
        mutex_lock(&space->lock);
        trim_space_share_locked(&turn);
        mutex_unlock(&space->lock);
    }
    mi_trim_lock();
    space->trim_waits--;
    mi_trim_unlock();
    return turn.evicted;
}

/*
 * Once what is above a maximum; once around sparing every minimum, once those that were set, twice
 * none. Where nobody has set limits it is once around sparing the minimum, which is small enough to
 * be looked at twice in the other time around.
 */
static enum mercy mercy_in(uint32_t round)
{
    if (round <= SHARES + 1) {
        return round == 0 ? MERCY_MAXIMUM : MERCY_MINIMUM;
    }
    return round <= ROUNDS && mi_limits_are_set() ? MERCY_SET_MINIMUM : MERCY_NONE;
}

static uint32_t round_last(void)
{
    return mi_limits_are_set() ? 2 * ROUNDS : ROUNDS;
}

/*
 * Evicts WANTED pages; what is accessed goes in the second time around, when nothing else is left.
 * HELD: the space whose lock the caller holds, or NULL.
 */
static uint32_t trim(uint32_t wanted, bool low_only, const struct space *held)
{
    uint32_t evicted = 0;
    uint32_t round = mi_limits_are_set() ? 0 : 1;
    uint32_t nwhole = 0;
    for (; round <= round_last() && evicted < wanted; round++) {
        struct pass pass = {.held = held, .low_only = low_only, .mercy = mercy_in(round)};
        struct space *busy;
        evicted += trim_round(wanted - evicted, &pass, &busy);
        if (busy != NULL) {
            evicted += trim_busy(busy, &pass, held == NULL && evicted < wanted);
        }
        nwhole += pass.is_whole;
        if (nwhole == 2 && pass.mercy == MERCY_MINIMUM) {
            round = SHARES + 1; /* all were looked at twice: there is no more to give above it */
        }
    }
    return evicted;
}

void mi_wait_with_lock(struct space *held)
{
    mi_writer_hurry();
    uint32_t evicted = trim(EVICT_BATCH, true, held);
    uint32_t written = mi_pagefile_write();
    if (evicted == 0 && written == 0) {
        mi_wait_a_little_for_frames();
    }
}

pfn_t mi_wait_for_table_frame(enum frame_kind kind, struct space *held)
{
    pfn_t frame = mi_try_table_frame(kind);
    while (pfn_is_none(frame)) {
        mi_wait_with_lock(held);
        frame = mi_try_table_frame(kind);
    }
    return frame;
}

/* How many pages shall be out of reach. */
static uint32_t inactive_share(void)
{
    return max_u32(mi_frames_wanted(), mi_frames_of_pages() / INACTIVE);
}

/*
 * Brings the pages out of reach up to their share, as far as there are any to take, and has the
 * balancer woken when a sixteenth of them has gone: so the hand moves in small steps, and what it
 * finds not accessed was left alone for a whole way around, and not only for as long as it took to
 * clear the bits of all.
 */
static void refill(void)
{
    uint32_t share = inactive_share();
    uint32_t inactive = mi_frames_available() + mi_frames_modified();
    if (inactive < share) {
        (void)trim(share - inactive, false, NULL);
        (void)mi_pagefile_write();
    }
    uint32_t mark = min_u32(share, mi_frames_available());
    mi_set_low_mark(mark - min_u32(mark, share / REFILL));
}

/*
 * Until enough is available. While nothing can be written (the disk fails, or there is no paging
 * file), clean pages are still looked for; when there is nothing to do at all, again a little
 * later.
 */
static void balance(void)
{
    bool stuck = false;
    for (;;) {
        bool low_only;
        uint32_t missing = mi_frames_missing(&low_only); /* once: frames come and go meanwhile */
        if (missing == 0) {
            return;
        }
        mi_writer_hurry();
        uint32_t modified = mi_frames_modified();
        uint32_t inactive = mi_frames_available() + modified;
        uint32_t share = inactive_share();
        uint32_t evicted = 0;
        if (inactive < share) {
            evicted = trim(max_u32(share - inactive, EVICT_BATCH), false, NULL);
        } else if (modified < missing || low_only || stuck) {
            evicted = trim(max_u32(missing, EVICT_BATCH), low_only, NULL);
        }
        uint32_t written = mi_pagefile_write();
        stuck = written == 0;
        if (evicted == 0 && written == 0) {
            status_t status;
            thread_sleep_until(clock_now() + NS_PER_MS, false, &status);
        }
    }
}

static void balancer_main(void *argument)
{
    (void)argument;
    for (;;) {
        VERIFY(wait_for(&work, WAIT_FOREVER, false) == STATUS_SUCCESS);
        balance();
        refill();
    }
}

status_t mm_balancer_start(void)
{
    uint32_t nframes = mi_frames_low() + mi_frames_high();
    waitable_init_event(&work, false, false);
    status_t status = mm_start_thread(&balancer, "balancer", balancer_main, PRIORITY_HIGH);
    if (is_error(status)) {
        return status;
    }
    started = true;
    mi_set_reserve(mi_reserve_for(nframes));
    if (DEBUG_CHECKS) {
        log_print("mm: paging makes progress with %u frames; it has %u that no charge takes\n",
                  mi_least_frames(nframes), mi_room(nframes));
    }
    status = mi_writer_start();
    return is_error(status) ? status : mi_zero_start();
}
