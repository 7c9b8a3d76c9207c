/*
 * include/kernel/stream.h: byte streams to the outside: the console (serial, keyboard and screen)
 * and the launcher's channel (virtio-console). A stream is read and written by threads; it blocks.
 */
#ifndef KERNEL_STREAM_H
#define KERNEL_STREAM_H

#include "quire/annotate.h"
#include "quire/status.h"
#include "quire/types.h"

struct stream {
    /*
     * Reads 1 to nbytes bytes as soon as there is any; STATUS_END_OF_FILE at the end of input;
     * STATUS_THREAD_IS_TERMINATING when the waiting thread is being ended.
     */
    status_t (*read)(struct stream *stream, void *buffer, uint32_t nbytes, uint32_t *done);
    /* Writes all of it. */
    status_t (*write)(struct stream *stream, const void *buffer, uint32_t nbytes);
    bool is_terminal;
    void *driver;
};

/* Standard input, output and error of the first program, whichever device boot has chosen. */
enum stream_role { STREAM_INPUT, STREAM_OUTPUT, STREAM_ERROR, STREAM_COUNT };
struct stream *stream_get(enum stream_role role);
void stream_set(enum stream_role role, struct stream *stream);

#endif
