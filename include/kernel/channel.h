/*
 * include/kernel/channel.h: what the kernel tells the launcher over the channel (virtio-console)
 * beside the program's output; docs/testing.md describes the frames.
 */
#ifndef KERNEL_CHANNEL_H
#define KERNEL_CHANNEL_H

#include "quire/annotate.h"
#include "quire/status.h"
#include "quire/types.h"

/* Whether a virtio-console was found. */
bool channel_is_present(void);

/* Makes the channel's three streams the first program's (stream_set). */
void channel_use(void);

/*
 * A piece of the trace, in its turn among what the program says. Blocks until the device has it.
 * => STATUS_THREAD_IS_TERMINATING when the calling thread is being ended; there is a channel.
 */
MUST_CHECK status_t channel_send_trace(const void *data, uint32_t nbytes);

/*
 * The exit code of the first program, and the reason when Quire itself failed: sent and taken by
 * the device before the call returns. Any context: both poll and take no lock, so they are for a
 * system that is about to stop. Nothing happens without a channel.
 */
void channel_send_exit(uint32_t code);
void channel_send_failure(const char *text);

#endif
