/*
 * mm/zero.c: the zero-page thread: when nothing else runs it zeroes free frames, so that a
 * demand-zero fault finds one that is ready. It stops when ZEROED_MAX are, or no free one is left.
 */
#include "mm/zero.h"

#include "kernel/lock.h"
#include "kernel/thread.h"
#include "kernel/wait.h"
#include "mm/frame.h"
#include "mm/stack.h"

static struct waitable work; /* auto */
static struct thread zeroer;
static bool started;
static struct mutex zero_lock; /* the thread has a frame */

void mi_zero_init(void)
{
    mutex_init(&zero_lock, RANK_TRIM);
    started = false;
}

void mi_zero_wake(void)
{
    if (started) {
        (void)event_set(&work);
    }
}

void mi_zero_lock(void)
{
    mutex_lock_nested(&zero_lock);
}

void mi_zero_unlock(void)
{
    mutex_unlock(&zero_lock);
}

/* Zeroes one frame; false when there is none to zero. */
static bool zero_one(void)
{
    mutex_lock(&zero_lock);
    pfn_t frame = mi_take_frame_to_zero();
    if (!pfn_is_none(frame)) {
        frame_zero(frame);
        mi_frame_is_zeroed(frame);
    }
    mutex_unlock(&zero_lock);
    return !pfn_is_none(frame);
}

static void zero_main(void *argument)
{
    (void)argument;
    for (;;) {
        if (!zero_one()) {
            VERIFY(wait_for(&work, WAIT_FOREVER, false) == STATUS_SUCCESS);
        }
    }
}

status_t mi_zero_start(void)
{
    waitable_init_event(&work, false, false);
    started = true;
    return mm_start_thread(&zeroer, "zero", zero_main, PRIORITY_IDLE);
}
