/*
 * mm/frame.h: the PFN database as mm/ sees it: one record of 24 bytes for each frame of RAM.
 *
 * A frame has one state and two counts: shares (valid entries that map it; for a table: entries
 * in use) and pins (copies, I/O, cache windows). On a list the counts are zero and their room holds
 * the links. mi_frame_set_state alone changes a state, checked against the table of legal changes.
 *
 *      take            last share gone, contents kept        written (a later state)
 *  FREE/ZEROED ---> ACTIVE ------------------> MODIFIED ---------------> STANDBY
 *      ^             |  ^ touched again           |                        |
 *      +-------------+  +-------------------------+------------------------+
 *        contents dead       ACTIVE <---> TRANSITION (page-in under way)
 */
#ifndef MM_FRAME_H
#define MM_FRAME_H

#include "kernel/lock.h"
#include "mm/pfn.h"
#include "mm/pte.h"
#include "quire/assert.h"

#define RESERVE_MIN 64u
#define RESERVE_MAX 512u

enum frame_state {
    FRAME_ABSENT, /* no RAM there, or the kernel's image and boot tables */
    FRAME_FREE,
    FRAME_ZEROED,
    FRAME_ACTIVE,
    FRAME_STANDBY,
    FRAME_MODIFIED,
    FRAME_MODIFIED_NO_WRITE, /* modified, and there is no paging file to write it to */
    FRAME_TRANSITION,
    FRAME_BAD, /* of defective RAM (boot_info.bad): never used */
    FRAME_STATES
};

/*
 * What an active frame is, and so what `table` and `entry` mean. The `original` of a page or
 * table is the entry
 * that finds its contents again (PTE_PAGEFILE with its slot, PTE_PAGER), without protection; 0 when
 * they are nowhere else.
 */
enum frame_kind {
    FRAME_NOTHING,
    FRAME_PRIVATE,   /* table, entry: where its PTE is */
    FRAME_SEGMENT,   /* table, entry: where its prototype PTE is */
    FRAME_TABLE,     /* table, entry: its directory entry */
    FRAME_DIRECTORY, /* original: space id */
    FRAME_PROTOTYPE, /* table, entry: where chunk->table lies in the pool */
    FRAME_KERNEL,    /* stacks, device memory, large pool blocks */
    FRAME_POOL,      /* a slab */
};

struct pfn {
    union {
        struct {
            uint32_t next;
            uint32_t prev;
        } list; /* FREE, ZEROED, STANDBY, MODIFIED, MODIFIED_NO_WRITE, BAD */
        struct {
            uint32_t shares;
            uint32_t pins;
        } use; /* ACTIVE, TRANSITION */
    };
    uint8_t state;
    uint8_t kind;
    uint16_t entry;
    uint32_t table;
    uint64_t original;
};

STATIC_ASSERT(sizeof(struct pfn) == 24);

enum frame_zone {
    ZONE_LOW,  /* in the direct map */
    ZONE_HIGH, /* above it: only user pages */
    ZONE_COUNT
};

/* Guards lists, states and counts of free frames; counts of active ones belong to the entry's lock.
 */
extern struct spinlock mi_pfn_lock;

/* The database, by frame number; one past the highest; its size. Set once at boot. */
extern struct pfn *mi_database;
extern uint32_t mi_database_limit;
extern uint32_t mi_database_bytes; /* of memory that it takes, in whole pages */

/* The record of FRAME, which is RAM. */
static inline struct pfn *mi_pfn(pfn_t frame)
{
    ASSERT(frame.n < mi_database_limit);
    return &mi_database[frame.n];
}

uint32_t mi_pfn_limit(void); /* one past the highest frame number in the database */

/*
 * A frame for a table or the pool: direct map, zeroed, ACTIVE, shares 0.
 * => covered by a charge: never PFN_NONE then.
 */
pfn_t mi_take_table_frame(enum frame_kind kind);

/*
 * The same for who can do without: PFN_NONE when there is none at the moment; page tables and
 * prototype tables leave half of the reserve to the pool.
 */
MUST_CHECK pfn_t mi_try_table_frame(enum frame_kind kind);

/*
 * A frame for a user page: high frames first. Zeroed when ZEROED is set, else with old contents
 * that the caller overwrites before anyone sees them. ACTIVE, shares 0. Covered by a charge.
 * => PFN_NONE when frames are short: the caller drops its locks, mi_wait_for_frames, begins anew.
 */
MUST_CHECK pfn_t mi_take_page_frame(enum frame_kind kind, bool zeroed);

/*
 * The same in the direct map, for a page whose bytes the kernel itself touches; its contents are
 * old. Not covered by a charge.
 */
MUST_CHECK pfn_t mi_take_low_frame(enum frame_kind kind);

/* A page's ACTIVE frame leaves its segment, whose entry is clear, and is the kernel's. */
void mi_frame_to_kernel(pfn_t frame);

/* Blocks until a page frame can be had. No locks. */
void mi_wait_for_frames(void);

/* Blocks until frames came, but not for long: a thread that holds locks waits so, and looks again.
 */
void mi_wait_a_little_for_frames(void);

/* Blocks until NTABLES tables can be had besides: before a call that makes many. No locks. */
void mi_wait_for_tables(uint32_t ntables);

/* How many available frames are kept for tables and the pool, of NFRAMES. */
static inline uint32_t mi_reserve_for(uint32_t nframes)
{
    return max_u32(RESERVE_MIN, min_u32(RESERVE_MAX, nframes / 64));
}
void mi_set_reserve(uint32_t nframes); /* once the balancer runs; 0 until then */
/* The balancer is woken, too, when fewer than NFRAMES are available; 0: not for that. */
void mi_set_low_mark(uint32_t nframes);

/* Frames that can be taken now: free, zeroed, standby. */
uint32_t mi_frames_available(void);
/* How many more the balancer wants to be; *LOW_ONLY: only in the low zone. */
uint32_t mi_frames_missing(bool *low_only);
bool mi_frame_is_low(pfn_t frame);
uint32_t mi_frames_of_pages(void); /* private and segment pages, in whatever state */
uint32_t mi_frames_modified(void); /* that wait for their write; a hint */
uint32_t mi_frames_wanted(void);   /* below it the balancer works, until twice as many are there */

/*
 * A page's frame whose entry is in TRANSITION. The relation between such an entry and its frame is
 * guarded by the PFN lock, since a standby frame may be given away at any moment.
 * => mi_pull_frame: PULL_DONE when *ENTRY still is VALUE: the frame is ACTIVE and the caller's.
 *    PULL_NO_FRAME: mi_wait_for_frames, without locks. PULL_BUSY: its contents are still on their
 * way (mi_wait_for_page_in); TO_DROP takes it then, too.
 * => mi_retire_frame: the caller's ACTIVE frame without shares, whose entry is in TRANSITION and
 *    flushed (M6), goes to STANDBY when its contents can be found again, else to MODIFIED; while
 *    there is no paging file, to MODIFIED_NO_WRITE.
 * => mi_frames_can_be_written: there is one now.
 * => mi_transition_protect: the entry takes PROT if it still is VALUE.
 */
enum pull_result {
    PULL_DONE,
    PULL_CHANGED, /* look at the entry again */
    PULL_BUSY,
    PULL_NO_FRAME, /* frames are short: a standby frame counts as one */
};
enum pull_result mi_pull_frame(const pte_t *entry, pte_t value, bool to_drop);
void mi_retire_frame(pfn_t frame);
void mi_frames_can_be_written(void);
bool mi_transition_protect(pte_t *entry, pte_t value, prot_t prot);

/*
 * A locked page's frame: each lock counts PINS_LOCK, above the bits for its I/O. => the frame is
 * ACTIVE and stays so: the lock of its entry held, or a lock on it.
 */
#define PINS_LOCK 4u
void mi_lock_frame(pfn_t frame);
void mi_unlock_frame(pfn_t frame);

/*
 * Pages of files are being written while they stay valid: pinned until it is over. => the lock of
 * their entries held.
 */
void mi_frames_write_begin(const pfn_t *frames, uint32_t count);
void mi_frames_write_end(const pfn_t *frames, uint32_t count);

/* The frame's contents are changed: its slot is given back. => the lock of its entry. */
void mi_forget_slot(pfn_t frame);

/*
 * A page-in. mi_read_begin: FRAME, just taken, waits for the contents of *ENTRY, which is ORIGINAL
 * and becomes TRANSITION. mi_read_end: true when they came and the frame is ACTIVE, the caller's to
 * publish; else the entry is as it was, or it is gone, and the frame is given back.
 * => the lock of the entry held.
 */
void mi_read_begin(pfn_t frame, pte_t *entry, pte_t original, prot_t prot);
bool mi_read_end(pfn_t frame, bool success);

/* The entry that FRAME's record names. */
static inline pte_t *mi_entry_of(pfn_t frame)
{
    const struct pfn *record = mi_pfn(frame);
    return (pte_t *)frame_address((pfn_t){record->table}) + record->entry;
}

/*
 * Takes up to COUNT frames off the modified list to be written: in TRANSITION state and pinned.
 * mi_written ends that for one: with the slot that holds its contents; or SUCCESS false.
 */
uint32_t mi_take_modified(pfn_t *frames, uint32_t count);
void mi_written(pfn_t frame, pte_t slot, bool success);

/* Gives back the slot of one clean page that is in memory; false when none is there. */
bool mi_steal_slot(void);

/* Frees every standby frame: the entries name where the contents are. */
void mi_purge_standby(void);

/*
 * For the zero-page thread: a free frame, or PFN_NONE when enough are zeroed or none is to spare;
 * from then on mi_zero_wake is called when it is time again. mi_frame_is_zeroed puts it on the
 * list.
 */
#define ZEROED_MAX 4096u /* of each zone: 16 MiB */
MUST_CHECK pfn_t mi_take_frame_to_zero(void);
void mi_frame_is_zeroed(pfn_t frame);

/* Gives a frame without shares and pins back, its contents dead. */
void mi_release_frame(pfn_t frame);

/*
 * Moves a frame between states. On a list (other than FREE and ZEROED, which take and release
 * handle) it is queued at the tail; counts must be zero.
 */
void mi_frame_set_state(pfn_t frame, enum frame_state state);

/*
 * Frames on their way out, chained through `table` until the TLB flush is acknowledged (M6).
 */
struct frame_batch {
    uint32_t head; /* UINT32_MAX: none */
    uint32_t count;
};

static inline void mi_batch_init(struct frame_batch *batch)
{
    batch->head = UINT32_MAX;
    batch->count = 0;
}
void mi_batch_add(struct frame_batch *batch, pfn_t frame);
void mi_batch_release(struct frame_batch *batch); /* after the flush */

/* The state's name, for reports. */
const char *mi_frame_state_name(enum frame_state state);

/* For the audit: head and length of a list. */
uint32_t mi_frame_list_head(enum frame_state state, enum frame_zone zone);
uint32_t mi_frame_list_length(enum frame_state state, enum frame_zone zone);

/* Frames that page frames may take, before anything is charged: what commit's limits come from. */
uint32_t mi_frames_low(void);
uint32_t mi_frames_high(void);

#endif
