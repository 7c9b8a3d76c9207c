/*
 * fs/fresh.h: blocks that were given to a file and do not yet hold what it says they hold; private
 * to fs/.
 */
#ifndef FS_FRESH_H
#define FS_FRESH_H

#include "fs/metadata.h"

#define FRESH_HASH_SIZE 64u

/* Those of one volume. */
struct fresh {
    struct spinlock lock;              /* RANK_SEGMENT */
    struct list hash[FRESH_HASH_SIZE]; /* [lock] of nodes */
    uint32_t nwaiting;                 /* [lock] threads that wait for a change */
    struct waitable changed;           /* manual; reset by who is about to wait */
};

/* Once for each volume, before anything else. */
void fresh_start(struct fresh *fresh);

/* Forgets all of them: the volume is given up. */
void fresh_stop(struct fresh *fresh);

/*
 * COUNT blocks from FIRST on were allocated for data.
 * => STATUS_INSUFFICIENT_RESOURCES: none of them is noted.
 */
MUST_CHECK status_t fresh_add(struct fresh *fresh, uint32_t first, uint32_t count);

/* Whether the block is fresh, and so reads as zeroes. */
bool fresh_has(struct fresh *fresh, uint32_t block);

/* They are free again. */
void fresh_drop(struct fresh *fresh, uint32_t first, uint32_t count);

/*
 * Round a write of data to blocks, fresh or not. Needs no memory. fresh_begin_write waits while
 * fresh_settle is clearing one of them, which takes no lock that the caller may hold but the
 * metadata lock.
 */
void fresh_begin_write(struct fresh *fresh, uint32_t first, uint32_t count);
void fresh_end_write(struct fresh *fresh, uint32_t first, uint32_t count, bool success);

/*
 * On return no block is fresh: what is being written was waited for, all else was cleared. Nothing
 * becomes fresh meanwhile: the metadata lock is held.
 */
MUST_CHECK status_t fresh_settle(struct fresh *fresh, struct metadata *metadata);

/* How many there are: for tests. */
uint32_t fresh_count(struct fresh *fresh);

#endif
