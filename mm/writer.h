/*
 * mm/writer.h: the thread that writes dirty pages of files: old ones, and when there are many.
 */
#ifndef MM_WRITER_H
#define MM_WRITER_H

#include "mm/dirty.h"
#include "quire/annotate.h"
#include "quire/status.h"
#include "quire/types.h"

struct segment;

void mi_writer_init(void);
MUST_CHECK status_t mi_writer_start(void);

/* For the audit, after the trim lock: the writer writes no page meanwhile. */
void mi_writer_lock(void) UNCHECKED_LOCKS;
void mi_writer_unlock(void) UNCHECKED_LOCKS;

/* The first page of a segment has become dirty. Any lock of mm/. */
void mi_writer_note(void);

/* Everything that is dirty shall be written now: frames are short. Any lock of mm/. */
void mi_writer_hurry(void);

/* The segment's dirty pages shall be written soon: who stored to them is gone. */
void mi_writer_urge(struct segment *segment);

/* Whether one more page of the segment may become dirty now. */
static inline bool mi_dirty_has_room(const struct segment *segment)
{
    if (mi_is_stuck(segment)) {
        return __atomic_load_n(&mi_dirty_quotas[1].count, __ATOMIC_RELAXED) <
               mi_dirty_quotas[1].limit;
    }
    return __atomic_load_n(&mi_dirty_quotas[0].count, __ATOMIC_RELAXED) < mi_dirty_quotas[0].limit;
}

/*
 * Waits until that is so. No locks of mm/.
 * => what the disk said, when the writer has tried, and no page of the segment could be written.
 */
MUST_CHECK status_t mi_wait_for_dirty_room(struct segment *segment);

#endif
