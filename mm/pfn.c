/*
 * mm/pfn.c: the PFN database: states, counts, lists, taking and giving back frames by zone.
 *
 * The low zone is what the direct map covers: tables, pool and stacks must lie there. User pages
 * take high frames first. Each zone has a list of free frames and one of zeroed ones; the other
 * lists are common. Everything here is under mi_pfn_lock, which is the innermost lock of mm/.
 */
#include "mm/frame.h"

#include "kernel/boot.h"
#include "kernel/clock.h"
#include "kernel/paging.h"
#include "kernel/string.h"
#include "kernel/wait.h"
#include "mm/commit.h"
#include "mm/pte.h"
#include "mm/slots.h"
#include "mm/trace.h"
#include "mm/trim.h"
#include "mm/zero.h"

struct frame_list {
    uint32_t head;
    uint32_t tail;
    uint32_t count;
};

#define LIST_END UINT32_MAX /* PFN_NONE's number too */

struct spinlock mi_pfn_lock = SPINLOCK_INIT(RANK_PFN);

struct pfn *mi_database;
uint32_t mi_database_limit;
uint32_t mi_database_bytes;
/* The pins of a frame under I/O: being written, and nobody has touched it since, or somebody has;
 * being read. Above them its locks, of PINS_LOCK each. */
#define PINS_WRITTEN 1u
#define PINS_TOUCHED 2u
#define PINS_READ    3u
#define PINS_IO      3u

STATIC_ASSERT(PINS_LOCK == PINS_IO + 1);

static struct frame_list lists[FRAME_STATES][ZONE_COUNT];
static uint32_t reserve;             /* [c] available frames that page frames do not touch */
static uint32_t low_zone_mark;       /* [PFN lock] the balancer looks when fewer low ones */
static uint32_t low_mark;            /* [PFN lock] or fewer in all are available */
static bool short_of_frames;         /* [PFN lock] somebody may wait for frames_there */
static struct waitable frames_there; /* manual: page frames can be had */
static uint32_t
    available[ZONE_COUNT]; /* [PFN lock] that can be taken: on AVAILABLE_STATES' lists */
static uint32_t of_kind[FRAME_POOL + 1u]; /* [PFN lock] frames of each kind, in whatever state */
static uint32_t total_frames[ZONE_COUNT];
static uint32_t contiguous_hint; /* [PFN lock] */
static bool zeroer_rests;        /* [PFN lock] the zero-page thread has nothing to do */
static uint32_t zeroing;         /* [PFN lock] frames that it has: 0 or 1 */

/* The legal changes of state: [from] is a mask of states. */
#define TO(state)        (1u << (state))
#define AVAILABLE_STATES (TO(FRAME_FREE) | TO(FRAME_ZEROED) | TO(FRAME_STANDBY))
static const uint16_t legal_changes[FRAME_STATES] = {
    [FRAME_ABSENT] = TO(FRAME_FREE) | TO(FRAME_BAD),
    [FRAME_FREE] = TO(FRAME_ACTIVE) | TO(FRAME_ZEROED),
    [FRAME_ZEROED] = TO(FRAME_ACTIVE),
    [FRAME_ACTIVE] = TO(FRAME_FREE) | TO(FRAME_ZEROED) | TO(FRAME_STANDBY) | TO(FRAME_MODIFIED) |
                     TO(FRAME_MODIFIED_NO_WRITE) | TO(FRAME_TRANSITION),
    [FRAME_STANDBY] = TO(FRAME_ACTIVE),
    [FRAME_MODIFIED] = TO(FRAME_ACTIVE) | TO(FRAME_TRANSITION),
    [FRAME_MODIFIED_NO_WRITE] = TO(FRAME_ACTIVE) | TO(FRAME_MODIFIED),
    [FRAME_TRANSITION] = TO(FRAME_ACTIVE) | TO(FRAME_STANDBY) | TO(FRAME_MODIFIED) | TO(FRAME_FREE),
    [FRAME_BAD] = 0,
};

const char *mi_frame_state_name(enum frame_state state)
{
    static const char *const names[FRAME_STATES] = {"absent",   "free",       "zeroed",
                                                    "active",   "standby",    "modified",
                                                    "no-write", "transition", "bad"};
    return names[state];
}

uint32_t mi_pfn_limit(void)
{
    return mi_database_limit;
}

static enum frame_zone zone_of(pfn_t frame)
{
    return frame.n < paging_direct_end() ? ZONE_LOW : ZONE_HIGH;
}

static bool state_is_listed(enum frame_state state)
{
    return state != FRAME_ABSENT && state != FRAME_ACTIVE && state != FRAME_TRANSITION;
}

static struct frame_list *list_of(enum frame_state state, enum frame_zone zone)
{
    return &lists[state][zone];
}

static void list_append(struct frame_list *list, pfn_t frame)
{
    struct pfn *record = mi_pfn(frame);
    record->list.next = LIST_END;
    record->list.prev = list->tail;
    if (list->tail == LIST_END) {
        list->head = frame.n;
    } else {
        mi_database[list->tail].list.next = frame.n;
    }
    list->tail = frame.n;
    list->count++;
}

static void list_take_out(struct frame_list *list, pfn_t frame)
{
    struct pfn *record = mi_pfn(frame);
    if (record->list.prev == LIST_END) {
        list->head = record->list.next;
    } else {
        mi_database[record->list.prev].list.next = record->list.next;
    }
    if (record->list.next == LIST_END) {
        list->tail = record->list.prev;
    } else {
        mi_database[record->list.next].list.prev = record->list.prev;
    }
    list->count--;
}

/* The one function that changes a state. => mi_pfn_lock held. */
static void set_state_locked(pfn_t frame, enum frame_state state)
{
    struct pfn *record = mi_pfn(frame);
    enum frame_state old = (enum frame_state)record->state;
    ASSERT((legal_changes[old] & TO(state)) != 0);
    available[zone_of(frame)] +=
        ((AVAILABLE_STATES >> state) & 1u) - ((AVAILABLE_STATES >> old) & 1u);
    if (state_is_listed(old)) {
        list_take_out(list_of(old, zone_of(frame)), frame);
        record->use.shares = 0;
        record->use.pins = 0;
    }
    record->state = (uint8_t)state;
    if (state_is_listed(state)) {
        MM_INVARIANT(M6, record->use.shares == 0 && record->use.pins == 0);
        list_append(list_of(state, zone_of(frame)), frame);
    }
}

void mi_frame_set_state(pfn_t frame, enum frame_state state)
{
    spin_lock(&mi_pfn_lock);
    set_state_locked(frame, state);
    spin_unlock(&mi_pfn_lock);
}

static uint32_t available_locked(void)
{
    return available[ZONE_LOW] + available[ZONE_HIGH];
}

uint32_t mi_frames_available(void)
{
    spin_lock(&mi_pfn_lock);
    uint32_t now = available_locked();
    spin_unlock(&mi_pfn_lock);
    return now;
}

bool mi_frame_is_low(pfn_t frame)
{
    return zone_of(frame) == ZONE_LOW;
}

uint32_t mi_frames_missing(bool *low_only)
{
    spin_lock(&mi_pfn_lock);
    *low_only = available_locked() >= 2 * reserve;
    uint32_t now = *low_only ? available[ZONE_LOW] : available_locked();
    spin_unlock(&mi_pfn_lock);
    return now < 2 * reserve ? 2 * reserve - now : 0;
}

uint32_t mi_frames_of_pages(void)
{
    spin_lock(&mi_pfn_lock);
    uint32_t now = of_kind[FRAME_PRIVATE] + of_kind[FRAME_SEGMENT];
    spin_unlock(&mi_pfn_lock);
    return now;
}

uint32_t mi_frames_modified(void)
{
    return lists[FRAME_MODIFIED][ZONE_LOW].count + lists[FRAME_MODIFIED][ZONE_HIGH].count;
}

uint32_t mi_frames_wanted(void)
{
    return 2 * reserve;
}

/* Frames whose contents come and go: their entries take the software forms. */
static bool is_pageable(const struct pfn *record)
{
    return record->kind == FRAME_PRIVATE || record->kind == FRAME_SEGMENT ||
           record->kind == FRAME_TABLE || record->kind == FRAME_PROTOTYPE;
}

/* A frame holds nothing any more. */
static void become_nothing_locked(struct pfn *record)
{
    of_kind[record->kind]--;
    record->kind = FRAME_NOTHING;
}

/*
 * A frame's contents go: its entry, which is in TRANSITION, says where to find them again. A slot
 * is the entry's now.
 */
static void give_away_locked(pfn_t frame)
{
    struct pfn *record = mi_pfn(frame);
    pte_t *entry = mi_entry_of(frame);
    pte_t old = pte_read(entry);
    ASSERT(is_pageable(record) && record->original != 0);
    MM_INVARIANT(M6, pte_has_form(old, PTE_TRANSITION) && pfn_equal(pte_frame(old), frame));
    pte_write(entry, pte_with_prot((pte_t){record->original}, pte_prot(old)));
    record->original = 0;
    become_nothing_locked(record);
}

/* A standby frame is taken from its page. */
static void reclaim_locked(pfn_t frame)
{
    pte_t original = {mi_pfn(frame)->original};
    mi_trace_reclaim(frame, pte_has_form(original, PTE_PAGEFILE) ? pte_slot(original) : UINT32_MAX);
    give_away_locked(frame);
}

/* A frame of ZONE, from the preferred list first, a standby one last; *WAS_ZEROED: whence. */
static pfn_t take_from_zone_locked(enum frame_zone zone, bool prefer_zeroed, bool *was_zeroed)
{
    enum frame_state first = prefer_zeroed ? FRAME_ZEROED : FRAME_FREE;
    enum frame_state second = prefer_zeroed ? FRAME_FREE : FRAME_ZEROED;
    uint32_t head = lists[first][zone].head;
    *was_zeroed = prefer_zeroed;
    if (head == LIST_END) {
        head = lists[second][zone].head;
        *was_zeroed = !prefer_zeroed;
    }
    if (head == LIST_END) {
        head = lists[FRAME_STANDBY][zone].head;
        *was_zeroed = false;
        if (head != LIST_END) {
            reclaim_locked((pfn_t){head});
        }
    }
    return (pfn_t){head};
}

/* Whether the zero-page thread should start: a good part of the zeroed frames is used up. */
static bool enough_to_zero_locked(void)
{
    for (uint32_t zone = 0; zone < ZONE_COUNT; zone++) {
        if (lists[FRAME_ZEROED][zone].count < ZEROED_MAX / 2 &&
            lists[FRAME_FREE][zone].count > ZEROED_MAX / 16) {
            return true;
        }
    }
    return false;
}

pfn_t mi_take_frame_to_zero(void)
{
    pfn_t frame = PFN_NONE;
    spin_lock(&mi_pfn_lock);
    for (uint32_t zone = ZONE_COUNT; zone-- > 0 && pfn_is_none(frame);) {
        if (available_locked() > 2 * reserve && lists[FRAME_ZEROED][zone].count < ZEROED_MAX) {
            frame = (pfn_t){lists[FRAME_FREE][zone].head};
        }
    }
    if (pfn_is_none(frame)) {
        zeroer_rests = true;
    } else {
        set_state_locked(frame, FRAME_ACTIVE);
        zeroing++;
    }
    spin_unlock(&mi_pfn_lock);
    return frame;
}

void mi_frame_is_zeroed(pfn_t frame)
{
    spin_lock(&mi_pfn_lock);
    set_state_locked(frame, FRAME_ZEROED);
    zeroing--;
    spin_unlock(&mi_pfn_lock);
}

/* Whether there are fewer than NFRAMES available: in the low zone, since tables must lie there. */
static bool are_fewer_locked(uint32_t nframes)
{
    return available[ZONE_LOW] < nframes;
}

/* After frames were taken: wakes the balancer in time. */
static void note_taken_locked(void)
{
    if (are_fewer_locked(low_zone_mark) || available_locked() < low_mark) {
        mi_balancer_wake();
    }
}

/* After frames came: those who wait for them look again. */
static void note_given_locked(void)
{
    if (zeroer_rests && enough_to_zero_locked()) {
        zeroer_rests = false;
        mi_zero_wake();
    }
    if (short_of_frames && !are_fewer_locked(reserve + 1)) {
        short_of_frames = false;
        (void)event_set(&frames_there);
    }
}

void mi_wait_for_tables(uint32_t ntables)
{
    for (;;) {
        spin_lock(&mi_pfn_lock);
        bool enough =
            reserve == 0 || !are_fewer_locked(min_u32(reserve + 1 + ntables, 2 * reserve));
        if (!enough) {
            short_of_frames = true;
            (void)event_reset(&frames_there);
            mi_balancer_wake();
        }
        spin_unlock(&mi_pfn_lock);
        if (enough) {
            return;
        }
        VERIFY(wait_for(&frames_there, WAIT_FOREVER, false) == STATUS_SUCCESS);
    }
}

void mi_wait_a_little_for_frames(void)
{
    VERIFY(reserve != 0); /* without a balancer nothing comes */
    spin_lock(&mi_pfn_lock);
    short_of_frames = true;
    (void)event_reset(&frames_there);
    mi_balancer_wake();
    spin_unlock(&mi_pfn_lock);
    (void)wait_for(&frames_there, clock_now() + NS_PER_MS, false);
}

void mi_wait_for_frames(void)
{
    VERIFY(reserve != 0 || mi_frames_available() != 0); /* the charge promised it */
    mi_wait_for_tables(0);
}

static bool has_slot(const struct pfn *record)
{
    return is_pageable(record) && pte_form((pte_t){record->original}) == PTE_PAGEFILE;
}

/* Gives back the slot that holds a page's contents. */
static void drop_slot_locked(struct pfn *record)
{
    if (has_slot(record)) {
        mi_slot_free(pte_slot((pte_t){record->original}));
        record->original = 0;
    }
}

/* => ACTIVE. A frame under I/O is freed when that is over. */
static void free_locked(pfn_t frame)
{
    struct pfn *record = mi_pfn(frame);
    drop_slot_locked(record);
    become_nothing_locked(record);
    MM_INVARIANT(M6, record->use.pins < PINS_LOCK);
    if (record->use.pins != 0) {
        set_state_locked(frame, FRAME_TRANSITION);
        return;
    }
    set_state_locked(frame, FRAME_FREE);
    note_given_locked();
}

static void activate_locked(pfn_t frame, enum frame_kind kind)
{
    set_state_locked(frame, FRAME_ACTIVE);
    struct pfn *record = mi_pfn(frame);
    record->kind = (uint8_t)kind;
    of_kind[kind]++;
    record->table = 0;
    record->entry = 0;
    record->original = 0;
}

/* A frame of the low zone, while more than KEPT of them are available. */
static pfn_t take_low_frame(enum frame_kind kind, uint32_t kept, bool zeroed)
{
    bool was_zeroed = false;
    pfn_t frame = PFN_NONE;
    spin_lock(&mi_pfn_lock);
    if (available[ZONE_LOW] > kept) {
        frame = take_from_zone_locked(ZONE_LOW, zeroed, &was_zeroed);
    }
    if (!pfn_is_none(frame)) {
        activate_locked(frame, kind);
    }
    note_taken_locked();
    spin_unlock(&mi_pfn_lock);
    if (!pfn_is_none(frame) && zeroed && !was_zeroed) {
        frame_zero(frame);
    }
    return frame;
}

pfn_t mi_try_table_frame(enum frame_kind kind)
{
    bool is_table = kind == FRAME_TABLE || kind == FRAME_PROTOTYPE;
    return take_low_frame(kind, is_table ? reserve / 2 : 0, true);
}

pfn_t mi_take_table_frame(enum frame_kind kind)
{
    pfn_t frame = mi_try_table_frame(kind);
    VERIFY(!pfn_is_none(frame)); /* the charge promised it */
    return frame;
}

pfn_t mi_take_page_frame(enum frame_kind kind, bool zeroed)
{
    bool was_zeroed = false;
    pfn_t frame = PFN_NONE;
    spin_lock(&mi_pfn_lock);
    if (available_locked() > reserve) {
        if (total_frames[ZONE_HIGH] != 0) {
            frame = take_from_zone_locked(ZONE_HIGH, zeroed, &was_zeroed);
        }
        if (pfn_is_none(frame) && available[ZONE_LOW] > reserve) {
            frame = take_from_zone_locked(ZONE_LOW, zeroed, &was_zeroed);
        }
    }
    if (!pfn_is_none(frame)) {
        activate_locked(frame, kind);
    }
    note_taken_locked();
    spin_unlock(&mi_pfn_lock);
    if (!pfn_is_none(frame) && zeroed && !was_zeroed) {
        frame_zero(frame);
    }
    return frame;
}

pfn_t mi_take_low_frame(enum frame_kind kind)
{
    return take_low_frame(kind, reserve, false);
}

void mi_frame_to_kernel(pfn_t frame)
{
    spin_lock(&mi_pfn_lock);
    struct pfn *record = mi_pfn(frame);
    MM_INVARIANT(M6, record->state == FRAME_ACTIVE && record->use.pins == 0);
    ASSERT(record->kind == FRAME_SEGMENT && record->use.shares == 0);
    of_kind[FRAME_SEGMENT]--;
    of_kind[FRAME_KERNEL]++;
    record->kind = FRAME_KERNEL;
    record->table = 0;
    record->entry = 0;
    record->original = 0;
    spin_unlock(&mi_pfn_lock);
}

enum pull_result mi_pull_frame(const pte_t *entry, pte_t value, bool to_drop)
{
    enum pull_result result = PULL_CHANGED;
    spin_lock(&mi_pfn_lock);
    if (pte_read(entry).v == value.v) {
        struct pfn *record = mi_pfn(pte_frame(value));
        uint32_t pins = record->state == FRAME_TRANSITION ? record->use.pins : 0;
        if (pins == PINS_READ && !to_drop) {
            result = PULL_BUSY;
        } else if (record->state == FRAME_STANDBY && !to_drop &&
                   (mi_frame_is_low(pte_frame(value)) ? available[ZONE_LOW] : available_locked()) <=
                       reserve) {
            result = PULL_NO_FRAME;
        } else {
            set_state_locked(pte_frame(value), FRAME_ACTIVE);
            record->use.pins = pins == PINS_WRITTEN ? PINS_TOUCHED : pins;
            result = PULL_DONE;
        }
        note_taken_locked();
    }
    spin_unlock(&mi_pfn_lock);
    return result;
}

void mi_retire_frame(pfn_t frame)
{
    spin_lock(&mi_pfn_lock);
    struct pfn *record = mi_pfn(frame);
    MM_INVARIANT(M6, record->use.shares == 0 && record->use.pins < PINS_LOCK);
    MM_INVARIANT(M6, is_pageable(record));
    if (record->use.pins != 0) {
        set_state_locked(frame, FRAME_TRANSITION);
    } else if (record->original != 0) {
        set_state_locked(frame, FRAME_STANDBY);
        note_given_locked();
    } else {
        set_state_locked(frame, mi_pagefile_is_open() ? FRAME_MODIFIED : FRAME_MODIFIED_NO_WRITE);
    }
    spin_unlock(&mi_pfn_lock);
}

void mi_frames_can_be_written(void)
{
    spin_lock(&mi_pfn_lock);
    for (uint32_t zone = 0; zone < ZONE_COUNT; zone++) {
        while (lists[FRAME_MODIFIED_NO_WRITE][zone].head != LIST_END) {
            set_state_locked((pfn_t){lists[FRAME_MODIFIED_NO_WRITE][zone].head}, FRAME_MODIFIED);
        }
    }
    spin_unlock(&mi_pfn_lock);
}

bool mi_transition_protect(pte_t *entry, pte_t value, prot_t prot)
{
    spin_lock(&mi_pfn_lock);
    bool same = pte_read(entry).v == value.v;
    if (same) {
        pte_write(entry, pte_with_prot(value, prot));
    }
    spin_unlock(&mi_pfn_lock);
    return same;
}

void mi_read_begin(pfn_t frame, pte_t *entry, pte_t original, prot_t prot)
{
    pfn_t table = frame_of(entry);
    spin_lock(&mi_pfn_lock);
    struct pfn *record = mi_pfn(frame);
    record->table = table.n;
    record->entry = (uint16_t)(entry - (const pte_t *)frame_address(table));
    record->original = pte_with_prot(original, 0).v;
    set_state_locked(frame, FRAME_TRANSITION);
    record->use.pins = PINS_READ;
    pte_write(entry, pte_make_transition(frame, prot));
    spin_unlock(&mi_pfn_lock);
}

bool mi_read_end(pfn_t frame, bool success)
{
    bool mine = false;
    spin_lock(&mi_pfn_lock);
    struct pfn *record = mi_pfn(frame);
    ASSERT(record->use.pins == PINS_READ);
    record->use.pins = 0;
    if (record->state == FRAME_TRANSITION && record->kind != FRAME_NOTHING) {
        set_state_locked(frame, FRAME_ACTIVE);
        mine = success;
        if (!success) {
            give_away_locked(frame);
            free_locked(frame);
        }
    } else if (record->kind == FRAME_NOTHING) {
        set_state_locked(frame, FRAME_FREE); /* its page went meanwhile */
        note_given_locked();
    } /* else: whoever drops the page is about to give the frame back */
    spin_unlock(&mi_pfn_lock);
    return mine;
}

void mi_lock_frame(pfn_t frame)
{
    spin_lock(&mi_pfn_lock);
    struct pfn *record = mi_pfn(frame);
    MM_INVARIANT(M6, record->state == FRAME_ACTIVE && record->use.shares != 0);
    record->use.pins += PINS_LOCK;
    spin_unlock(&mi_pfn_lock);
}

void mi_unlock_frame(pfn_t frame)
{
    spin_lock(&mi_pfn_lock);
    struct pfn *record = mi_pfn(frame);
    MM_INVARIANT(M6, record->state == FRAME_ACTIVE && record->use.pins >= PINS_LOCK);
    record->use.pins -= PINS_LOCK;
    spin_unlock(&mi_pfn_lock);
}

void mi_frames_write_begin(const pfn_t *frames, uint32_t count)
{
    spin_lock(&mi_pfn_lock);
    for (uint32_t i = 0; i < count; i++) {
        struct pfn *record = mi_pfn(frames[i]);
        MM_INVARIANT(M5, record->state == FRAME_ACTIVE && (record->use.pins & PINS_IO) == 0);
        record->use.pins |= PINS_WRITTEN;
    }
    spin_unlock(&mi_pfn_lock);
}

void mi_frames_write_end(const pfn_t *frames, uint32_t count)
{
    spin_lock(&mi_pfn_lock);
    for (uint32_t i = 0; i < count; i++) {
        struct pfn *record = mi_pfn(frames[i]);
        MM_INVARIANT(M5, record->state == FRAME_ACTIVE && (record->use.pins & PINS_IO) != 0);
        record->use.pins &= ~PINS_IO;
    }
    spin_unlock(&mi_pfn_lock);
}

void mi_forget_slot(pfn_t frame)
{
    spin_lock(&mi_pfn_lock);
    drop_slot_locked(mi_pfn(frame));
    spin_unlock(&mi_pfn_lock);
}

uint32_t mi_take_modified(pfn_t *frames, uint32_t count)
{
    uint32_t taken = 0;
    spin_lock(&mi_pfn_lock);
    for (uint32_t zone = 0; zone < ZONE_COUNT; zone++) {
        while (taken < count && lists[FRAME_MODIFIED][zone].head != LIST_END) {
            pfn_t frame = {lists[FRAME_MODIFIED][zone].head};
            set_state_locked(frame, FRAME_TRANSITION);
            mi_pfn(frame)->use.pins = PINS_WRITTEN;
            frames[taken++] = frame;
        }
    }
    spin_unlock(&mi_pfn_lock);
    return taken;
}

void mi_written(pfn_t frame, pte_t slot, bool success)
{
    spin_lock(&mi_pfn_lock);
    struct pfn *record = mi_pfn(frame);
    bool alone = record->state == FRAME_TRANSITION && record->kind != FRAME_NOTHING &&
                 record->use.pins == PINS_WRITTEN;
    record->use.pins &= ~PINS_IO; /* a page touched meanwhile may be locked */
    if (success && !alone) {
        mi_slot_free(pte_slot(slot));
    }
    if (record->kind == FRAME_NOTHING) {
        set_state_locked(frame, FRAME_FREE);
        note_given_locked();
    } else if (record->state == FRAME_TRANSITION) {
        if (success && alone) {
            record->original = slot.v;
            set_state_locked(frame, FRAME_STANDBY);
            note_given_locked();
        } else {
            set_state_locked(frame, FRAME_MODIFIED);
        }
    }
    spin_unlock(&mi_pfn_lock);
}

bool mi_steal_slot(void)
{
    static uint32_t hand; /* [PFN lock] */
    bool found = false;
    spin_lock(&mi_pfn_lock);
    for (uint32_t i = 0; i < mi_database_limit && !found; i++) {
        hand = hand + 1 < mi_database_limit ? hand + 1 : 0;
        struct pfn *record = mi_pfn((pfn_t){hand});
        if (record->state == FRAME_ACTIVE && has_slot(record) && record->use.shares != 0) {
            drop_slot_locked(record);
            found = true;
        }
    }
    spin_unlock(&mi_pfn_lock);
    return found;
}

void mi_purge_standby(void)
{
    for (uint32_t zone = 0; zone < ZONE_COUNT; zone++) {
        spin_lock(&mi_pfn_lock);
        while (lists[FRAME_STANDBY][zone].head != LIST_END) {
            pfn_t frame = {lists[FRAME_STANDBY][zone].head};
            reclaim_locked(frame);
            set_state_locked(frame, FRAME_ACTIVE);
            free_locked(frame);
        }
        spin_unlock(&mi_pfn_lock);
    }
}

void mi_release_frame(pfn_t frame)
{
    spin_lock(&mi_pfn_lock);
    free_locked(frame);
    spin_unlock(&mi_pfn_lock);
}

void mi_batch_add(struct frame_batch *batch, pfn_t frame)
{
    mi_pfn(frame)->table = batch->head;
    batch->head = frame.n;
    batch->count++;
}

void mi_batch_release(struct frame_batch *batch)
{
    if (batch->head == UINT32_MAX) {
        return;
    }
    spin_lock(&mi_pfn_lock);
    while (batch->head != UINT32_MAX) {
        pfn_t frame = {batch->head};
        batch->head = mi_pfn(frame)->table;
        free_locked(frame);
    }
    spin_unlock(&mi_pfn_lock);
    batch->count = 0;
}

pfn_t mm_take_kernel_frame(void)
{
    if (is_error(mm_charge_resident(1))) {
        return PFN_NONE;
    }
    return mi_take_table_frame(FRAME_KERNEL);
}

void mm_release_kernel_frame(pfn_t frame)
{
    ASSERT(mi_pfn(frame)->kind == FRAME_KERNEL);
    mi_release_frame(frame);
    mm_return_resident(1);
}

/* The first of NPAGES low frames in a row in one of STATES, searched from the hint on and then
 * from 0. */
static pfn_t find_contiguous_locked(uint32_t npages, uint32_t states)
{
    uint32_t end = min_u32(mi_database_limit, paging_direct_end());
    uint32_t run = 0;
    for (uint32_t step = 0, frame = contiguous_hint; step < end + npages; step++, frame++) {
        if (frame >= end) {
            frame = 0;
            run = 0;
        }
        run = (states & TO(mi_database[frame].state)) != 0 ? run + 1 : 0;
        if (run == npages) {
            return (pfn_t){frame + 1 - npages};
        }
    }
    return PFN_NONE;
}

/*
 * NPAGES low frames in a row: free ones, or else, since while pages come and go none is free,
 * standby ones besides. Half of the reserve is left, as it is by tables.
 */
static pfn_t take_run_locked(uint32_t npages)
{
    pfn_t first = PFN_NONE;
    if (available[ZONE_LOW] < npages + reserve / 2) {
        return PFN_NONE;
    }
    if (lists[FRAME_FREE][ZONE_LOW].count + lists[FRAME_ZEROED][ZONE_LOW].count >= npages) {
        first = find_contiguous_locked(npages, TO(FRAME_FREE) | TO(FRAME_ZEROED));
    }
    if (pfn_is_none(first)) {
        first = find_contiguous_locked(npages, AVAILABLE_STATES);
    }
    for (uint32_t i = 0; !pfn_is_none(first) && i < npages; i++) {
        pfn_t frame = {first.n + i};
        if (mi_pfn(frame)->state == FRAME_STANDBY) {
            reclaim_locked(frame);
        }
        activate_locked(frame, FRAME_KERNEL);
    }
    return first;
}

static pfn_t take_run(uint32_t npages)
{
    spin_lock(&mi_pfn_lock);
    pfn_t first = take_run_locked(npages);
    if (!pfn_is_none(first)) {
        contiguous_hint = first.n + npages;
    }
    note_taken_locked();
    spin_unlock(&mi_pfn_lock);
    for (uint32_t i = 0; !pfn_is_none(first) && i < npages; i++) {
        frame_zero((pfn_t){first.n + i});
    }
    return first;
}

pfn_t mm_take_contiguous(uint32_t npages)
{
    if (is_error(mm_charge_resident(npages))) {
        return PFN_NONE;
    }
    pfn_t first = npages == 1 ? mi_try_table_frame(FRAME_KERNEL) : take_run(npages);
    if (pfn_is_none(first)) {
        mm_return_resident(npages);
    }
    return first;
}

void mm_release_contiguous(pfn_t first, uint32_t npages)
{
    spin_lock(&mi_pfn_lock);
    for (uint32_t i = 0; i < npages; i++) {
        free_locked((pfn_t){first.n + i});
    }
    contiguous_hint = min_u32(contiguous_hint, first.n);
    spin_unlock(&mi_pfn_lock);
    mm_return_resident(npages);
}

void mm_count_frames(struct mm_frame_counts *counts)
{
    memset(counts, 0, sizeof(*counts));
    spin_lock(&mi_pfn_lock);
    counts->total = total_frames[ZONE_LOW] + total_frames[ZONE_HIGH];
    counts->high = total_frames[ZONE_HIGH];
    for (uint32_t zone = 0; zone < ZONE_COUNT; zone++) {
        counts->free += lists[FRAME_FREE][zone].count;
        counts->zeroed += lists[FRAME_ZEROED][zone].count;
        counts->standby += lists[FRAME_STANDBY][zone].count;
        counts->modified +=
            lists[FRAME_MODIFIED][zone].count + lists[FRAME_MODIFIED_NO_WRITE][zone].count;
    }
    counts->free += zeroing;
    counts->tables = of_kind[FRAME_TABLE] + of_kind[FRAME_DIRECTORY] + of_kind[FRAME_PROTOTYPE];
    counts->active =
        counts->total - counts->free - counts->zeroed - counts->standby - counts->modified;
    spin_unlock(&mi_pfn_lock);
}

uint32_t mi_frame_list_head(enum frame_state state, enum frame_zone zone)
{
    return list_of(state, zone)->head;
}

uint32_t mi_frame_list_length(enum frame_state state, enum frame_zone zone)
{
    return list_of(state, zone)->count;
}

uint32_t mi_frames_low(void)
{
    return total_frames[ZONE_LOW];
}

uint32_t mi_frames_high(void)
{
    return total_frames[ZONE_HIGH];
}

static void lists_init(void)
{
    for (uint32_t zone = 0; zone < ZONE_COUNT; zone++) {
        for (uint32_t state = 0; state < FRAME_STATES; state++) {
            lists[state][zone] = (struct frame_list){LIST_END, LIST_END, 0};
        }
        total_frames[zone] = 0;
    }
    contiguous_hint = 0;
    memset(available, 0, sizeof(available));
    memset(of_kind, 0, sizeof(of_kind));
    reserve = 0;
    low_zone_mark = 0;
    low_mark = 0;
    short_of_frames = false;
    zeroer_rests = false;
    zeroing = 0;
    waitable_init_event(&frames_there, true, false);
}

void mi_set_reserve(uint32_t nframes)
{
    reserve = nframes;
    low_zone_mark = 2 * nframes;
}

void mi_set_low_mark(uint32_t nframes)
{
    spin_lock(&mi_pfn_lock);
    low_mark = nframes;
    spin_unlock(&mi_pfn_lock);
}

/* Where the database fits: the end of the highest low range with room for NBYTES; 0 when none. */
static uint64_t place_database(const struct memory_range *usable, uint32_t nusable, uint64_t nbytes,
                               uint32_t *range)
{
    uint64_t direct_end = (uint64_t)paging_direct_end() << PAGE_SHIFT;
    for (uint32_t i = nusable; i-- > 0;) {
        uint64_t end = usable[i].end < direct_end ? usable[i].end : direct_end;
        if (end > usable[i].first && end - usable[i].first >= nbytes) {
            *range = i;
            return end - nbytes;
        }
    }
    return 0;
}

/* Puts frames [first, end) on the free lists. */
static void add_frames(uint64_t first, uint64_t end)
{
    for (uint64_t number = first >> PAGE_SHIFT; number < end >> PAGE_SHIFT; number++) {
        pfn_t frame = {(uint32_t)number};
        total_frames[zone_of(frame)]++;
        set_state_locked(frame, FRAME_FREE);
    }
}

/* Gives the frames of [FIRST, END) that the database has records of to nobody. */
static void add_bad_frames(uint64_t first, uint64_t end)
{
    for (uint64_t number = first >> PAGE_SHIFT;
         number < end >> PAGE_SHIFT && number < mi_database_limit; number++) {
        if (mi_database[number].state == FRAME_ABSENT) {
            set_state_locked((pfn_t){(uint32_t)number}, FRAME_BAD);
        }
    }
}

status_t mm_pfn_init(const struct boot_info *boot)
{
    const struct memory_range *usable = boot->usable;
    uint32_t nusable = boot->nusable;
    lists_init();
    mi_database_limit = 0;
    for (uint32_t i = 0; i < nusable; i++) {
        mi_database_limit = max_u32(mi_database_limit, (uint32_t)(usable[i].end >> PAGE_SHIFT));
    }
    uint64_t nbytes =
        ((uint64_t)mi_database_limit * sizeof(struct pfn) + PAGE_MASK) & ~(uint64_t)PAGE_MASK;
    uint32_t range = 0;
    uint64_t place = place_database(usable, nusable, nbytes, &range);
    if (place == 0) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    mi_database = frame_address(paddr_to_pfn((paddr_t){place}));
    mi_database_bytes = (uint32_t)nbytes;
    memset(mi_database, 0, (size_t)nbytes);
    spin_lock(&mi_pfn_lock);
    for (uint32_t i = 0; i < nusable; i++) {
        if (i == range) {
            add_frames(usable[i].first, place);
            add_frames(place + nbytes, usable[i].end);
        } else {
            add_frames(usable[i].first, usable[i].end);
        }
    }
    for (uint32_t i = 0; i < boot->nbad; i++) {
        add_bad_frames(boot->bad[i].first, boot->bad[i].end);
    }
    spin_unlock(&mi_pfn_lock);
    return STATUS_SUCCESS;
}
