/*
 * sys/trace.c: sends the trace (mm/trace.c) over the channel to the launcher.
 *
 * One thread takes records out of the ring when it is half full, and a few times a second, so that
 * little is missing when the machine is stopped from outside. It goes before user threads: what it
 * waits for is the launcher, and the longer it is kept from asking, the more is lost.
 */
#include "sys/trace.h"

#include "kernel/boot.h"
#include "kernel/channel.h"
#include "kernel/clock.h"
#include "kernel/thread.h"
#include "kernel/wait.h"
#include "mm/stack.h"
#include "mm/trace.h"
#include "quire/assert.h"
#include "sys/system.h"

#define RING_PAGES 64u /* about 6500 records */
#define PAUSE_NS   (200 * NS_PER_MS)

static struct thread sender;
static bool is_begun;            /* [c] */
static struct waitable all_sent; /* manual */

/* Sends what the ring holds; whether the last record of all was among it. */
static bool send_all(void)
{
    const struct trace_record *records;
    bool is_end = false;
    uint32_t count = mm_trace_peek(&records);
    while (count != 0) {
        is_end = records[count - 1].event == TRACE_END;
        VERIFY(is_success(channel_send_trace(records, count * (uint32_t)sizeof(*records))));
        mm_trace_taken(count);
        count = mm_trace_peek(&records);
    }
    return is_end;
}

static void sender_main(void *argument)
{
    (void)argument;
    while (!send_all()) {
        mm_trace_wait(clock_now() + PAUSE_NS);
    }
    (void)event_set(&all_sent);
}

void trace_start(void)
{
    if (!boot_flag("trace")) {
        return;
    }
    if (!channel_is_present()) {
        system_fail("quire: trace, but there is no virtio-console device");
    }
    waitable_init_event(&all_sent, true, false);
    if (is_error(mm_trace_start(RING_PAGES)) ||
        is_error(mm_start_thread(&sender, "trace", sender_main, PRIORITY_HIGH))) {
        system_fail("quire: not enough memory for the trace");
    }
    is_begun = true;
}

void trace_end(void)
{
    if (is_begun) {
        mm_trace_stop();
        VERIFY(wait_for(&all_sent, WAIT_FOREVER, false) == STATUS_SUCCESS);
    }
}
