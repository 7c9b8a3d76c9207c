/*
 * mm/writer.c: see writer.h.
 *
 * Dirty data of files is bounded in age and amount. A segment whose first page became dirty
 * AGE_LIMIT ago is written; so is everything, oldest first, when more than half of what may be
 * dirty is, when the balancer finds too few frames, and when the thread that wrote has no time to
 * wait. When as much is dirty as may be, whoever stores to a clean page waits until the writer has
 * caught up; when it can write nothing, since the device fails, the store fails with what the
 * device said.
 *
 * The writer takes no lock of a file's size and none of a space, and waits for no frame. So it goes
 * on whatever the threads wait for that made pages dirty.
 */
#include "mm/writer.h"

#include "kernel/clock.h"
#include "kernel/log.h"
#include "kernel/thread.h"
#include "kernel/wait.h"
#include "mm/dirty.h"
#include "mm/frame.h"
#include "mm/init.h"
#include "mm/section.h"
#include "mm/segment.h"
#include "mm/stack.h"

#define AGE_LIMIT   (5000 * NS_PER_MS)
#define AGE_CHECK   (1000 * NS_PER_MS)
#define RETRY_AFTER (100 * NS_PER_MS) /* while nothing can be written */
#define SHARE       4u                /* a quarter of the frames may hold dirty pages of files */

uint32_t mi_dirty_limit = UINT32_MAX;

static struct thread writer;
static struct mutex writing; /* held while the writer has pages of a segment written */
static struct waitable work; /* auto */
static struct waitable room; /* manual: something was written, or could not be */
static bool started;
static bool hurry;             /* [atomic] */
static uint32_t failed_passes; /* [atomic] in which nothing could be written */
static status_t failure;       /* of the last of them */

void mi_writer_note(void)
{
    if (started) {
        (void)event_set(&work);
    }
}

void mi_writer_hurry(void)
{
    if (started && mi_dirty_pages() != 0 && !__atomic_exchange_n(&hurry, true, __ATOMIC_RELAXED)) {
        (void)event_set(&work);
    }
}

void mi_writer_urge(struct segment *segment)
{
    if (mm_segment_is_dirty(segment)) {
        segment->dirty.urgent = true;
        mi_writer_note();
    }
}

status_t mi_wait_for_dirty_room(void)
{
    uint32_t failed = __atomic_load_n(&failed_passes, __ATOMIC_RELAXED);
    while (!mi_dirty_has_room()) {
        event_reset(&room);
        mi_writer_hurry();
        if (!mi_dirty_has_room()) {
            VERIFY(wait_for(&room, WAIT_FOREVER, false) == STATUS_SUCCESS);
        }
        if (__atomic_load_n(&failed_passes, __ATOMIC_RELAXED) != failed) {
            return failure;
        }
    }
    return STATUS_SUCCESS;
}

/* What is left to do for one segment's pages after they were written. */
static status_t finish(struct segment *segment, status_t status)
{
    if (is_success(status) && segment->pager->sync != NULL) {
        status = segment->pager->sync(segment->context, false);
    }
    if (is_error(status)) {
        mi_note_write_error(segment, status);
    }
    return status;
}

/* Writes what is dirty of SEGMENT; how many pages are clean now. */
static uint32_t write_segment(struct segment *segment, status_t *status)
{
    uint32_t before = segment->dirty.npages;
    segment->dirty.urgent = false;
    segment->dirty.since = clock_now();
    mutex_lock(&writing);
    status_t cleaned = mi_clean(segment, 0, UINT32_MAX);
    mutex_unlock(&writing);
    status_t result = finish(segment, cleaned);
    if (is_error(result)) {
        *status = result;
    }
    (void)event_set(&room);
    uint32_t after = segment->dirty.npages;
    return before > after ? before - after : 0;
}

/* A pass over all segments. */
struct pass {
    uint32_t number;
    int64_t begun;
    bool everything;
};

/* Whether SEGMENT has a turn in the pass and has not had it. => segments lock held. */
static bool is_due(struct segment *segment, void *context)
{
    const struct pass *pass = context;
    struct dirtiness *dirty = &segment->dirty;
    if (dirty->npages == 0 || dirty->pass == pass->number ||
        !(pass->everything || dirty->urgent || pass->begun - dirty->since >= AGE_LIMIT)) {
        return false;
    }
    dirty->pass = pass->number;
    return true;
}

static void write_due(bool everything)
{
    static uint32_t passes;
    struct pass pass = {++passes, clock_now(), everything};
    uint32_t written = 0;
    status_t status = STATUS_SUCCESS;
    struct segment *segment;
    while ((segment = mi_segments_take(is_due, &pass)) != NULL) {
        written += write_segment(segment, &status);
        mm_segment_unref(segment);
    }
    if (is_error(status) && written == 0) {
        failure = status;
        (void)__atomic_fetch_add(&failed_passes, 1, __ATOMIC_RELAXED);
        (void)event_set(&room);
        thread_sleep_until(clock_now() + RETRY_AFTER, false, &status);
    }
}

static void writer_main(void *argument)
{
    (void)argument;
    for (;;) {
        int64_t deadline = mi_dirty_pages() == 0 ? WAIT_FOREVER : clock_now() + AGE_CHECK;
        (void)wait_for(&work, deadline, false);
        bool everything = __atomic_exchange_n(&hurry, false, __ATOMIC_RELAXED);
        write_due(everything || mi_dirty_pages() >= mi_dirty_much());
    }
}

void mi_writer_init(void)
{
    mutex_init(&writing, RANK_TRIM);
}

void mi_writer_lock(void)
{
    mutex_lock_nested(&writing);
}

void mi_writer_unlock(void)
{
    mutex_unlock(&writing);
}

status_t mi_writer_start(void)
{
    uint32_t nframes = mi_frames_low() + mi_frames_high();
    waitable_init_event(&work, false, false);
    waitable_init_event(&room, true, false);
    mi_dirty_limit = nframes / SHARE;
    hurry = false;
    started = true;
    return mm_start_thread(&writer, "file writer", writer_main, PRIORITY_NORMAL);
}
