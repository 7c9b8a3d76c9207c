/*
 * include/mm/trace.h: the trace: a ring of records of what the memory manager does.
 *
 * Nothing is recorded, and nothing is paid but the test of one global, until mm_trace_start. From
 * then on every page fault, page-in, trim, write to the paging file and reclaimed frame makes one
 * record of 40 bytes, whose format docs/internals.md keeps for readers outside. Somebody
 * (sys/trace.c) takes the records out in the order in which they were made. A record that finds the
 * ring full is lost; each record's sequence number counts the lost ones too, so a reader sees where
 * they were.
 */
#ifndef MM_TRACE_H
#define MM_TRACE_H

#include "kernel/clock.h"
#include "kernel/trap.h"
#include "quire/annotate.h"
#include "quire/assert.h"
#include "quire/status.h"
#include "quire/types.h"

struct space;

/* What a record tells of. The first five are events, the others tell a reader about the events. */
enum trace_event {
    TRACE_FAULT = 1, /* where: the address; detail: kind of access | result << 4 */
    TRACE_PAGE_IN,   /* where: the first page; count; frame: the first page's; detail: 1: failed */
    TRACE_TRIM,      /* where: the page; frame; detail: 1: dirty */
    TRACE_WRITE,     /* where: the first page; count; frame: its; slot: its; detail: 1: failed */
    TRACE_RECLAIM,   /* where: the page; frame; slot: what keeps the contents */
    TRACE_THREAD,    /* before a thread's first event: its name; owner: the space it runs in */
    TRACE_PROCESS,   /* thread: the process's id; owner: its space; name */
    TRACE_END,       /* the last record; where: how many were lost */
};

#define TRACE_NAME_NBYTES 16u

/* All little-endian, as it leaves the machine. */
struct trace_record {
    uint64_t time;     /* nanoseconds since boot when it began */
    uint32_t sequence; /* counts records and lost ones from 0 */
    uint8_t event;     /* enum trace_event */
    uint8_t detail;
    uint16_t count;  /* pages */
    uint32_t thread; /* which: the address of its struct thread, 0 before there are threads */
    uint32_t owner;  /* struct trace_owner */
    union {
        struct {
            uint32_t where;
            uint32_t frame;    /* UINT32_MAX: none */
            uint32_t duration; /* nanoseconds; UINT32_MAX: that or longer; 0: an instant */
            union {
                uint32_t available; /* fault: frames that could be taken then */
                uint32_t slot;      /* write, reclaim: of the paging file; UINT32_MAX: none */
            };
        };
        char name[TRACE_NAME_NBYTES]; /* ends with a zero when it is shorter */
    };
};

STATIC_ASSERT(sizeof(struct trace_record) == 40);

/* Whose page: a space's id or a segment's; 0: the kernel's. */
struct trace_owner {
    uint32_t v;
};

#define TRACE_OF_SEGMENT 0x80000000u

static inline struct trace_owner trace_space(uint32_t id)
{
    return (struct trace_owner){id};
}

static inline struct trace_owner trace_segment(uint32_t id)
{
    return (struct trace_owner){id | TRACE_OF_SEGMENT};
}

/* ---- for who takes the records out ---- */

/*
 * Takes a ring of NPAGES (of RAM, for good) and begins. Once; by a thread, after mm_init.
 * => STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER (no pages, or begun already).
 */
MUST_CHECK status_t mm_trace_start(uint32_t npages);

/* Ends the recording, with TRACE_END as the last record. */
void mm_trace_stop(void);

/* The process PID, whose space has the id SPACE, is called NAME. Nothing while no trace is on. */
void mm_trace_process(uint32_t space, uint32_t pid, const char *name);

/*
 * The oldest records, in one piece, which stay as they are until mm_trace_taken gives the room of
 * the first COUNT of them back. *FIRST and how many, 0 when the ring is empty. One thread at a
 * time.
 */
uint32_t mm_trace_peek(const struct trace_record **first);
void mm_trace_taken(uint32_t count);

/* Waits until the ring is half full, the recording has ended, or the time is DEADLINE. */
void mm_trace_wait(int64_t deadline);

/* ---- events: for mm/, any context but interrupts, any of its locks held ---- */

extern bool mi_tracing; /* between start and stop */

/* Out of line: what happens when a trace is on. */
void mi_trace_put_fault(int64_t begun, struct space *space, uint32_t address,
                        const struct access *access, enum fault_result result);
/* Makes one record like IT, whose time, duration and thread are still to be found. */
void mi_trace_put(const struct trace_record *it, int64_t begun);
/* One of COUNT pages of OWNER's from PAGE on; FRAME: the first one's. */
void mi_trace_put_pages(enum trace_event event, int64_t begun, struct trace_owner owner,
                        uint32_t page, uint32_t count, pfn_t frame, bool success);
/* The same as mi_trace_put, whose owner and page follow from its frame; IS_LOCKED: the PFN lock is
 * held. */
void mi_trace_put_frame(const struct trace_record *it, int64_t begun, bool is_locked);

static inline bool mi_trace_is_on(void)
{
    return __builtin_expect(mi_tracing, false);
}

/* When something that takes time begins: what its event wants to know. 0 while no trace is on. */
static inline int64_t mi_trace_begin(void)
{
    return mi_trace_is_on() ? clock_now() : 0;
}

/* A fault in SPACE (NULL: in a window of the kernel's) has been answered. => no lock held. */
static inline void mi_trace_fault(int64_t begun, struct space *space, uint32_t address,
                                  const struct access *access, enum fault_result result)
{
    if (mi_trace_is_on()) {
        mi_trace_put_fault(begun, space, address, access, result);
    }
}

/*
 * COUNT pages from PAGE on (of the space: address / 4096; of the segment: from its beginning) were
 * read from the paging file or by the pager; FRAME: the first one's. SUCCESS: they came.
 */
static inline void mi_trace_page_in(int64_t begun, struct trace_owner owner, uint32_t page,
                                    uint32_t count, pfn_t frame, bool success)
{
    if (mi_trace_is_on()) {
        mi_trace_put_pages(TRACE_PAGE_IN, begun, owner, page, count, frame, success);
    }
}

/* A page was taken out of its table, to leave. PAGE as above. */
static inline void mi_trace_trim(struct trace_owner owner, uint32_t page, pfn_t frame, bool dirty)
{
    if (mi_trace_is_on()) {
        mi_trace_put(&(struct trace_record){.event = TRACE_TRIM,
                                            .detail = dirty,
                                            .count = 1,
                                            .owner = owner.v,
                                            .where = page,
                                            .frame = frame.n,
                                            .slot = UINT32_MAX},
                     0);
    }
}

/* COUNT pages, of anyone, were written to the slots from SLOT on; FRAME: the first one's. */
static inline void mi_trace_write(int64_t begun, uint32_t slot, uint32_t count, pfn_t frame,
                                  bool success)
{
    if (mi_trace_is_on()) {
        mi_trace_put_frame(&(struct trace_record){.event = TRACE_WRITE,
                                                  .detail = !success,
                                                  .count = (uint16_t)count,
                                                  .frame = frame.n,
                                                  .slot = slot},
                           begun, false);
    }
}

/* COUNT pages of a file's segment from PAGE on were written by its pager. */
static inline void mi_trace_page_out(int64_t begun, struct trace_owner owner, uint32_t page,
                                     uint32_t count, pfn_t frame, bool success)
{
    if (mi_trace_is_on()) {
        mi_trace_put_pages(TRACE_WRITE, begun, owner, page, count, frame, success);
    }
}

/*
 * A standby frame is given away; SLOT keeps its contents (UINT32_MAX: a file's page). => the PFN
 * lock held, the record still says whose page it is.
 */
static inline void mi_trace_reclaim(pfn_t frame, uint32_t slot)
{
    if (mi_trace_is_on()) {
        mi_trace_put_frame(
            &(struct trace_record){
                .event = TRACE_RECLAIM, .count = 1, .frame = frame.n, .slot = slot},
            0, true);
    }
}

#endif
