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

#include "abi/quire.h"
#include "kernel/lock.h"
#include "kernel/paging.h"
#include "kernel/string.h"
#include "kernel/thread.h"
#include "kernel/wait.h"
#include "mm/frame.h"
#include "mm/pfn.h"
#include "mm/segment.h"
#include "mm/space.h"
#include "mm/virtual.h"

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

void mi_trace_put(const struct trace_record *it, int64_t begun)
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

void mi_trace_put_fault(int64_t begun, struct space *space, uint32_t address,
                        const struct access *access, enum fault_result result)
{
    struct trace_record record = {.event = TRACE_FAULT,
                                  .detail =
                                      (uint8_t)((uint32_t)access->kind | (uint32_t)result << 4),
                                  .count = 1,
                                  .owner = space == NULL ? 0 : space->id,
                                  .where = address,
                                  .frame = UINT32_MAX,
                                  .available = mi_frames_available()};
    struct quire_frame shown;
    if (space != NULL && result == FAULT_DONE &&
        is_success(mm_query_frames(space, (uaddr_t){address}, 1, &shown))) {
        record.frame = shown.frame;
    }
    mi_trace_put(&record, begun);
}

/* Of a page table, or of what it is the table of. */
static void find_in_space(const struct pfn *record, struct trace_record *it)
{
    const struct pfn *directory = mi_pfn((pfn_t){record->table});
    ASSERT(record->kind == FRAME_TABLE && directory->kind == FRAME_DIRECTORY);
    it->owner = trace_space((uint32_t)directory->original).v;
    it->where = (directory->entry * CHUNK_PAGES + record->entry) * CHUNK_PAGES;
}

static void find_in_segment(pfn_t table, struct trace_record *it)
{
    const struct chunk *chunk = container_of(mi_entry_of(table), const struct chunk, table);
    ASSERT(mi_pfn(table)->kind == FRAME_PROTOTYPE);
    it->owner = trace_segment(chunk->segment_id).v;
    it->where = chunk->index * CHUNK_PAGES;
}

/* Whose page the record's frame holds, and which; of a table, the first page that it maps. */
static void find_place_locked(struct trace_record *it)
{
    const struct pfn *record = mi_pfn((pfn_t){it->frame});
    it->where = UINT32_MAX;
    switch ((enum frame_kind)record->kind) {
    case FRAME_PRIVATE:
        find_in_space(mi_pfn((pfn_t){record->table}), it);
        it->where += record->entry;
        break;
    case FRAME_SEGMENT:
        find_in_segment((pfn_t){record->table}, it);
        it->where += record->entry;
        break;
    case FRAME_TABLE:
        find_in_space(record, it);
        break;
    case FRAME_PROTOTYPE:
        find_in_segment((pfn_t){it->frame}, it);
        break;
    case FRAME_NOTHING: /* its page has gone meanwhile */
    case FRAME_DIRECTORY:
    case FRAME_KERNEL:
    case FRAME_POOL:
        break;
    }
}

void mi_trace_put_pages(enum trace_event event, int64_t begun, struct trace_owner owner,
                        uint32_t page, uint32_t count, pfn_t frame, bool success)
{
    mi_trace_put(&(struct trace_record){.event = (uint8_t)event,
                                        .detail = !success,
                                        .count = (uint16_t)count,
                                        .owner = owner.v,
                                        .where = page,
                                        .frame = frame.n,
                                        .slot = UINT32_MAX},
                 begun);
}

void mi_trace_put_frame(const struct trace_record *it, int64_t begun,
                        bool is_locked) UNCHECKED_LOCKS
{
    struct trace_record record = *it;
    if (!is_locked) {
        spin_lock(&mi_pfn_lock);
    }
    find_place_locked(&record);
    if (!is_locked) {
        spin_unlock(&mi_pfn_lock);
    }
    mi_trace_put(&record, begun);
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
