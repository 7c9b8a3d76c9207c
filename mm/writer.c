/*
 * mm/writer.c: see writer.h.
 *
 * Dirty data of files is bounded in age and amount. A segment whose first page became dirty
 * AGE_LIMIT ago is written; so is everything, oldest first, when more than half of what may be
 * dirty is, when the balancer finds too few frames, and when the thread that wrote has no time to
 * wait. When as much is dirty as may be, whoever stores to a clean page waits until the writer has
 * caught up.
 *
 * A segment of which nothing could be written is stuck: what is dirty of it stays so, and counts
 * apart, so that the others have room once each of them has had its turn. It is tried again every
 * RETRY_AFTER while somebody waits. When more is stuck than a part of the frames that are promised
 * to nobody, a store to a clean page of a stuck segment fails with what its device said. A segment
 * counts as well until it has failed, so many that fail could follow each other: once more than a
 * whole quota is stuck, the quota is half of what is left of three, and never less than a page.
 * What is stuck beyond its part of the room lies in frames that commit counts on: the limit of
 * commit is lower meanwhile, or as soon as charges are returned.
 *
 * The writer takes no lock of a file's size and none of a space, and waits for no frame. So it goes
 * on whatever the threads wait for that made pages dirty.
 */
#include "mm/writer.h"

#include "kernel/clock.h"
#include "kernel/thread.h"
#include "kernel/wait.h"
#include "mm/commit_limits.h"
#include "mm/dirty.h"
#include "mm/frame.h"
#include "mm/init.h"
#include "mm/section.h"
#include "mm/segment.h"
#include "mm/stack.h"

#define AGE_LIMIT   (5000 * NS_PER_MS)
#define AGE_CHECK   (1000 * NS_PER_MS)
#define RETRY_AFTER (100 * NS_PER_MS) /* while nothing of a segment can be written */
#define SHARE       4u                /* a quarter of the frames may hold dirty pages of files */
#define STUCK_SHARE 4u                /* and a quarter of the room stuck ones */

static struct thread writer;
static struct mutex writing; /* held while the writer has pages of a segment written */
static struct waitable work; /* auto */
static struct waitable room; /* manual: something was written, or could not be */
static bool started;
static bool hurry;            /* [atomic] */
static int32_t quota;         /* [c] pages that may be dirty while none is stuck */
static uint32_t not_promised; /* frames that the limit of commit does not count: of stuck pages */

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

status_t mi_wait_for_dirty_room(struct segment *segment)
{
    uint32_t failed = __atomic_load_n(&segment->dirty.failures, __ATOMIC_RELAXED);
    while (!mi_dirty_has_room(segment)) {
        if (__atomic_load_n(&segment->dirty.failures, __ATOMIC_ACQUIRE) != failed) {
            return __atomic_load_n(&segment->dirty.failure, __ATOMIC_RELAXED);
        }
        event_reset(&room);
        mi_writer_hurry();
        if (!mi_dirty_has_room(segment)) {
            VERIFY(wait_for(&room, WAIT_FOREVER, false) == STATUS_SUCCESS);
        }
    }
    return STATUS_SUCCESS;
}

/* What may be dirty of files that are well, by STUCK pages. */
static void set_quota(int32_t stuck)
{
    int32_t left = 3 * quota - stuck;
    int32_t limit = left / 2 < 1 ? 1 : left / 2;
    limit = limit < quota ? limit : quota;
    mi_dirty_quotas[0].limit = limit;
    mi_dirty_quotas[0].many = limit / 2;
}

/* The frames of STUCK pages that are not in the room cannot be promised. */
static void set_commit_limit(int32_t stuck)
{
    int32_t most = mi_dirty_quotas[1].limit;
    uint32_t now = stuck > most ? (uint32_t)(stuck - most) : 0;
    if (now > not_promised) {
        mi_commit_lose(now - not_promised);
    } else if (now < not_promised) {
        mi_commit_grow(not_promised - now);
    }
    not_promised = now;
}

static void set_limits(void)
{
    int32_t stuck = (int32_t)mi_stuck_pages();
    set_quota(stuck);
    set_commit_limit(stuck);
}

/* What is left to do for one segment's pages after they were written. */
static void finish(struct segment *segment, status_t status)
{
    if (is_success(status) && segment->pager->sync != NULL) {
        status = segment->pager->sync(segment->context, false);
    }
    if (is_error(status)) {
        mi_note_write_error(segment, status);
    }
}

/* Nothing of SEGMENT could be written, as STATUS says. */
static void note_failure(struct segment *segment, status_t status)
{
    segment->dirty.since = clock_now();
    mi_begin_stuck(segment);
    __atomic_store_n(&segment->dirty.failure, status, __ATOMIC_RELAXED);
    (void)__atomic_fetch_add(&segment->dirty.failures, 1, __ATOMIC_RELEASE);
}

/* Writes what is dirty of SEGMENT. */
static void write_segment(struct segment *segment)
{
    uint32_t before = __atomic_load_n(&segment->dirty.written, __ATOMIC_RELAXED);
    segment->dirty.urgent = false;
    segment->dirty.since = clock_now();
    mutex_lock(&writing);
    status_t cleaned = mi_clean(segment, 0, UINT32_MAX);
    if (is_error(cleaned) && __atomic_load_n(&segment->dirty.written, __ATOMIC_RELAXED) == before) {
        note_failure(segment, cleaned);
    }
    mutex_unlock(&writing);
    set_limits();
    finish(segment, cleaned);
    (void)event_set(&room);
}

/* A pass over all segments. */
struct pass {
    uint32_t number;
    int64_t begun;
    bool everything;
    bool postponed; /* a segment that failed a moment ago has no turn yet */
};

/* Whether SEGMENT has a turn in the pass and has not had it. => segments lock held. */
static bool is_due(struct segment *segment, void *context)
{
    struct pass *pass = context;
    struct dirtiness *dirty = &segment->dirty;
    int64_t age = pass->begun - dirty->since;
    if (mi_dirty_of(segment) == 0 || dirty->pass == pass->number ||
        !(pass->everything || dirty->urgent || age >= AGE_LIMIT)) {
        return false;
    }
    if (mi_is_stuck(segment) && age < RETRY_AFTER) {
        pass->postponed = true;
        return false;
    }
    dirty->pass = pass->number;
    return true;
}

/* Whether a segment shall be tried again after RETRY_AFTER. */
static bool write_due(bool everything)
{
    static uint32_t passes;
    struct pass pass = {++passes, clock_now(), everything, false};
    struct segment *segment;
    while ((segment = mi_segments_take(is_due, &pass)) != NULL) {
        write_segment(segment);
        mm_segment_unref(segment);
    }
    set_limits();
    (void)event_set(&room); /* pages may have gone unwritten */
    return pass.postponed;
}

static void writer_main(void *argument)
{
    (void)argument;
    bool again = false;
    for (;;) {
        int64_t interval = again ? RETRY_AFTER : AGE_CHECK;
        bool idle = mi_dirty_pages() == 0 && not_promised == 0;
        int64_t deadline = idle ? WAIT_FOREVER : clock_now() + interval;
        (void)wait_for(&work, deadline, false);
        bool everything = __atomic_exchange_n(&hurry, false, __ATOMIC_RELAXED);
        const struct dirty_quota *well = &mi_dirty_quotas[0];
        bool many = __atomic_load_n(&well->count, __ATOMIC_RELAXED) > well->many;
        again = write_due(everything || again || many);
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
    quota = (int32_t)(nframes / SHARE);
    set_quota(0);
    mi_dirty_quotas[1].limit = (int32_t)(mi_room(nframes) / STUCK_SHARE);
    not_promised = 0;
    hurry = false;
    started = true;
    return mm_start_thread(&writer, "file writer", writer_main, PRIORITY_NORMAL);
}
