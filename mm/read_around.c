/*
 * mm/read_around.c: see include/mm/read_around.h.
 */
#include "mm/read_around.h"

/* Strides and threads that take turns skip some pages of a run. */
#define SLACK_PAGES 8u

static uint32_t twice(const struct read_stream *stream, uint32_t most)
{
    return min_u32(2 * (stream->end - stream->first), most);
}

/* The stream that PAGE goes on with, upwards or downwards, or NULL. */
static const struct read_stream *find_stream(const struct read_streams *streams, uint32_t page,
                                             bool *up)
{
    for (uint32_t i = 0; i < READ_STREAMS; i++) {
        const struct read_stream *stream = &streams->streams[i];
        if (stream->end == 0) {
            continue;
        }
        *up = page - stream->end < SLACK_PAGES;
        if (*up || stream->first - 1 - page < SLACK_PAGES) {
            return stream;
        }
    }
    return NULL;
}

struct read_window mi_read_window(const struct read_streams *streams, uint32_t page, uint32_t most)
{
    bool up = true;
    const struct read_stream *stream = find_stream(streams, page, &up);
    if (stream == NULL) {
        return (struct read_window){page, page};
    }
    uint32_t count = twice(stream, most);
    if (up) {
        return (struct read_window){page, page + count - 1};
    }
    return (struct read_window){page + 1 > count ? page + 1 - count : 0, page};
}

void mi_read_note(struct read_streams *streams, uint32_t first, uint32_t end)
{
    for (uint32_t i = 0; i < READ_STREAMS; i++) {
        struct read_stream *stream = &streams->streams[i];
        if (stream->end != 0 &&
            (first - stream->end < SLACK_PAGES || stream->first - end < SLACK_PAGES)) {
            *stream = (struct read_stream){first, end};
            return;
        }
    }
    streams->streams[streams->next] = (struct read_stream){first, end};
    streams->next = (streams->next + 1) % READ_STREAMS;
}
