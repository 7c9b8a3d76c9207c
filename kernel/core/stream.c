/*
 * kernel/core/stream.c: which stream plays which standard role. Set at boot, before the first
 * program runs; read without a lock afterwards.
 */
#include "kernel/stream.h"

#include "quire/assert.h"

static struct stream *streams[STREAM_COUNT]; /* [c] */

struct stream *stream_get(enum stream_role role)
{
    ASSERT(role < STREAM_COUNT);
    return streams[role];
}

void stream_set(enum stream_role role, struct stream *stream)
{
    ASSERT(role < STREAM_COUNT);
    streams[role] = stream;
}
