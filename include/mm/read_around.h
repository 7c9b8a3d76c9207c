/*
 * include/mm/read_around.h: how many neighbours of a page to bring with it: more and more while
 * pages are wanted in order, none while they are not.
 *
 * A few runs that were read last are remembered, since a program walks several arrays at once. A
 * page just after or just before one of them goes on with it, and doubles what is brought.
 */
#ifndef MM_READ_AROUND_H
#define MM_READ_AROUND_H

#include "quire/types.h"

#define READ_STREAMS    4u
#define SLOT_READ_PAGES 64u /* of the paging file in one request, at most */

struct read_stream {
    uint32_t first; /* the pages of the last run: [first, end) */
    uint32_t end;
};

/* Guarded by its owner's lock. */
struct read_streams {
    struct read_stream streams[READ_STREAMS];
    uint32_t next; /* the one to give up */
};

/* Which pages to bring. */
struct read_window {
    uint32_t low;  /* not below */
    uint32_t high; /* not above, inclusive */
};

/* What to bring with PAGE, itself included; at most MOST pages. */
struct read_window mi_read_window(const struct read_streams *streams, uint32_t page, uint32_t most);

/* [first, end) is what was brought. */
void mi_read_note(struct read_streams *streams, uint32_t first, uint32_t end);

#endif
