/*
 * mm/trace.c: the trace's ring.
 *
 *        taken                  made
 *          |   records to take   |
 *   [......################......]     both only grow; a record's place is its number modulo size
 *
 * A record is made in one piece under the ring's lock, which may be taken with any lock of mm/
 * held. The taker reads the records from `taken` on without it: they are not touched before he
 * gives their room back. The last place is kept for TRACE_END. Durations are of the thread that
 * makes the record, time spent waiting included; records lie in the order in which they ended.
 */
#include "mm/trace.h"

#include "kernel/lock.h"
#include "kernel/paging.h"
#include "kernel/string.h"
#include "kernel/thread.h"
#include "kernel/wait.h"
#include "mm/frame.h"
#include "mm/pfn.h"
#include "mm/space.h"

bool mi_tracing;

static struct spinlock trace_lock = SPINLOCK_INIT(RANK_TRACE);
static struct trace_record *ring; /* [c] */
static uint32_t nrecords;         /* [c] that it holds */
static uint32_t made;             /* [trace lock] */
static uint32_t taken;            /* [trace lock] */
static uint32_t nlost;            /* [trace lock] */
static struct waitable worth;     /* auto: taking is worth the while */

/* The next record's place; NULL: it is lost. => the trace lock held. */
static struct trace_record *next_record_locked(uint32_t kept)
{
    if (made - taken >= nrecords - kept) {
        nlost++;
        return NULL;
    }
    struct trace_record *record = &ring[made % nrecords];
    *record = (struct trace_record){.sequence = made + nlost};
    made++;
    return record;
}

/* Whether the record just made is the one that half fills the ring. => the trace lock held. */
static bool is_half_full_locked(void)
{
    return made - taken == nrecords / 2;
}

/* Before a thread's first event: its name. => the trace lock held. */
static void name_thread_locked(struct thread *thread, int64_t now)
{
    struct trace_record *record = next_record_locked(1);
    if (record == NULL) {
        return; /* at its next event, then */
    }
    thread->is_traced = true;
    record->time = (uint64_t)now;
    record->event = TRACE_THREAD;
    record->thread = (uint32_t)(uintptr_t)thread;
    record->owner = thread->space == NULL ? 0 : thread->space->id;
    memcpy(record->name, thread->name, TRACE_NAME_NBYTES);
}

static uint32_t nanoseconds_since(int64_t begun, int64_t now)
{
    uint64_t passed = (uint64_t)(now - begun);
    return passed < UINT32_MAX ? (uint32_t)passed : UINT32_MAX;
}

/* Makes one record like IT, whose time and duration are still to be found. */
static void put(const struct trace_record *it, int64_t begun)
{
    struct thread *thread = thread_self();
    bool wake = false;
    spin_lock(&trace_lock);
    int64_t now = clock_now();
    if (mi_tracing) { /* stopped since the caller has looked */
        if (thread != NULL && !thread->is_traced) {
            name_thread_locked(thread, now);
            wake = is_half_full_locked();
        }
        struct trace_record *record = next_record_locked(1);
        if (record != NULL) {
            uint32_t sequence = record->sequence;
            *record = *it;
            record->sequence = sequence;
            record->time = (uint64_t)(begun == 0 ? now : begun);
            record->duration = begun == 0 ? 0 : nanoseconds_since(begun, now);
            record->thread = (uint32_t)(uintptr_t)thread;
            wake = wake || is_half_full_locked();
        }
    }
    spin_unlock(&trace_lock);
    if (wake) {
        (void)event_set(&worth);
    }
}

void mi_trace_put_fault(int64_t begun, struct trace_owner owner, uint32_t address,
                        const struct access *access, enum fault_result result)
{
    const struct trace_record record = {
        .event = TRACE_FAULT,
        .detail = (uint8_t)((uint32_t)access->kind | (uint32_t)result << 4),
        .count = 1,
        .owner = owner.v,
        .where = address,
        .frame = UINT32_MAX,
        .available = mi_frames_available()};
    put(&record, begun);
}

void mi_trace_put(enum trace_event event, int64_t begun, struct trace_owner owner, uint32_t where,
                  pfn_t frame, uint32_t count, uint32_t detail)
{
    const struct trace_record record = {.event = (uint8_t)event,
                                        .detail = (uint8_t)detail,
                                        .count = (uint16_t)count,
                                        .owner = owner.v,
                                        .where = where,
                                        .frame = frame.n,
                                        .available = UINT32_MAX};
    put(&record, begun);
}

void mm_trace_process(uint32_t space, uint32_t pid, const char *name)
{
    spin_lock(&trace_lock);
    struct trace_record *record = mi_tracing ? next_record_locked(1) : NULL;
    if (record != NULL) {
        record->time = (uint64_t)clock_now();
        record->event = TRACE_PROCESS;
        record->thread = pid;
        record->owner = space;
        memcpy(record->name, name, strnlen(name, TRACE_NAME_NBYTES));
    }
    bool wake = record != NULL && is_half_full_locked();
    spin_unlock(&trace_lock);
    if (wake) {
        (void)event_set(&worth);
    }
}

status_t mm_trace_start(uint32_t npages)
{
    if (npages == 0 || ring != NULL) {
        return STATUS_INVALID_PARAMETER;
    }
    pfn_t first = mm_take_contiguous(npages);
    if (pfn_is_none(first)) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    waitable_init_event(&worth, false, false);
    nrecords = npages * PAGE_BYTES / (uint32_t)sizeof(struct trace_record);
    ring = frame_address(first);
    mi_tracing = true;
    return STATUS_SUCCESS;
}

void mm_trace_stop(void)
{
    spin_lock(&trace_lock);
    if (mi_tracing) {
        mi_tracing = false;
        struct trace_record *record = next_record_locked(0);
        ASSERT(record != NULL); /* its place was kept */
        record->time = (uint64_t)clock_now();
        record->event = TRACE_END;
        record->where = nlost;
    }
    spin_unlock(&trace_lock);
    if (ring != NULL) {
        (void)event_set(&worth);
    }
}

uint32_t mm_trace_peek(const struct trace_record **first)
{
    if (ring == NULL) {
        return 0;
    }
    spin_lock(&trace_lock);
    uint32_t place = taken % nrecords;
    uint32_t count = min_u32(made - taken, nrecords - place);
    *first = &ring[place];
    spin_unlock(&trace_lock);
    return count;
}

void mm_trace_taken(uint32_t count)
{
    spin_lock(&trace_lock);
    ASSERT(count <= made - taken);
    taken += count;
    spin_unlock(&trace_lock);
}

void mm_trace_wait(int64_t deadline)
{
    status_t status = wait_for(&worth, deadline, false);
    ASSERT(status == STATUS_SUCCESS || status == STATUS_TIMEOUT);
    (void)status;
}
