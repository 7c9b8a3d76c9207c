/*
 * fs/metadata.h: the file system's own blocks, read and written through a segment over the device;
 * private to fs/.
 *
 * A block is looked up by number, used while it is pinned, and marked when its contents change.
 * What changed stays in memory until metadata_sync, which writes all of it, in the order that
 * metadata_order asked for. Everything but start and stop needs the metadata lock (RANK_METADATA),
 * which the callers hold over a whole change, so that no half of one is ever written. A pin lasts
 * no longer than the lock is held.
 */
#ifndef FS_METADATA_H
#define FS_METADATA_H

#include "kernel/block.h"
#include "kernel/lock.h"

#define METADATA_BLOCK_MAX    4096u
#define METADATA_HASH_SIZE    256u
#define METADATA_LEFT_WORDS   256u
#define METADATA_NONE         UINT32_MAX
#define METADATA_CHANGE_LIMIT 24u /* blocks that one change may dirty */
#define METADATA_PARTS        32u /* of a block, at most */
#define METADATA_GENERATIONS  UINT8_MAX

struct metadata_page;
struct segment;

/* A block of a pinned page. */
struct metadata_block {
    struct list hash_link;
    struct list link;           /* dirty: in the list of those */
    struct metadata_page *page; /* [c] */
    uint32_t number;
    uint32_t pins;
    bool dirty;
    bool is_stale;     /* its contents are not here */
    bool is_new;       /* nothing on the disk refers to it yet, and */
    uint32_t referrer; /* this block, when it is written, will be the first that does */
    int32_t level;     /* dirty blocks are written in ascending order of it, flushed between */
    bool is_ordered;   /* metadata_order has set the level */
    uint32_t change;   /* level counts for a clean block only during this change */
    paddr_t address;   /* of its contents */
    uint8_t *bytes;    /* block_bytes of them */
    bool is_partial;   /* metadata_sync wrote it, but something was rolled back */
    uint8_t newborn[METADATA_PARTS]; /* of each part: its generation, 0 when it is not newborn */
};

/* Takes from a copy of a newborn part what follows when all else is durable; whether it had it. */
typedef bool metadata_roll_back_function(uint8_t *part);

/* One device's blocks. [lock] all of it. */
struct metadata {
    struct mutex lock; /* RANK_METADATA */
    struct block_device *device;
    struct segment *segment; /* over the device */
    bool has_spare;          /* one page more than COUNT is charged */
    uint32_t block_shift;
    uint32_t page_shift; /* from the number of a block to that of its page */
    uint32_t nblocks;    /* of the file system */
    uint32_t least;      /* pages that may be pinned from the start, */
    uint32_t count;      /* now, */
    uint32_t limit;      /* and at most */
    uint32_t ndirty;
    uint32_t nchanged; /* pages with dirty blocks */
    uint32_t change;   /* number of the change under way */
    struct list hash[METADATA_HASH_SIZE];
    struct list clean;   /* pages without dirty blocks, oldest first */
    struct list changed; /* pages with dirty blocks */
    struct list dirty;   /* blocks */
    struct list written; /* during metadata_sync: dirty because of newborn parts */
    bool has_failed;     /* the last metadata_sync */
    uint32_t part_shift; /* [c] 1 << PART_SHIFT bytes are a part of a block */
    metadata_roll_back_function *roll_back; /* [c] */
    uint32_t left[METADATA_LEFT_WORDS];     /* a bit for pages, by number, that were left to mm */
    uint8_t *zeroes;                        /* a page */
    uint8_t *copies;                        /* of blocks, for metadata_sync */
    struct metadata_block **order;          /* scratch space of metadata_sync */
    uint64_t nreads, nwrites, nflushes, nsyncs; /* counters */
};

/*
 * Begins to cache DEVICE's blocks of 1 << BLOCK_SHIFT bytes. May block; no locks.
 * => STATUS_INSUFFICIENT_RESOURCES.
 */
MUST_CHECK status_t metadata_start(struct metadata *metadata, struct block_device *device,
                                   uint32_t block_shift, uint32_t nblocks);

/* Blocks have parts of 1 << PART_SHIFT bytes, which can be newborn. Once, after metadata_start. */
void metadata_set_parts(struct metadata *metadata, uint32_t part_shift,
                        metadata_roll_back_function *roll_back);

/* Forgets everything, dirty blocks too. No locks. */
void metadata_stop(struct metadata *metadata);

/*
 * Block NUMBER with one more pin, its contents read. No memory is waited for: a page whose blocks
 * are clean and not pinned gives way.
 * => FILE_CORRUPT_ERROR outside the file system; what the device says.
 */
MUST_CHECK status_t metadata_get(struct metadata *metadata, uint32_t number,
                                 struct metadata_block **block);

/*
 * The same for a block that was just allocated and takes up its role now: whatever the cache knew
 * of it is forgotten, it is zero and dirty; REFERRER is the block that will point at it.
 */
MUST_CHECK status_t metadata_get_new(struct metadata *metadata, uint32_t number, uint32_t referrer,
                                     struct metadata_block **block);

/* One pin less; NULL is allowed. */
void metadata_put(struct metadata *metadata, struct metadata_block *block);

/* The contents of a pinned block are being changed. */
void metadata_dirty(struct metadata *metadata, struct metadata_block *block);

/* Block NUMBER, which nobody has pinned, is free from now on: its contents do not matter. */
void metadata_forget(struct metadata *metadata, uint32_t number);

/* Drops every block that is on the disk as it is here. May block; no locks. */
void metadata_drop_clean(struct metadata *metadata);

/*
 * Copies NBYTES at byte OFFSET of the device.
 * => FILE_CORRUPT_ERROR outside the file system; what the device says.
 */
MUST_CHECK status_t metadata_read(struct metadata *metadata, uint64_t offset, void *target,
                                  uint32_t nbytes);

/* A new change begins: what metadata_order says of clean blocks counts until the next one. */
void metadata_begin_change(struct metadata *metadata);

/* Whether no change can begin before metadata_sync: there are too many dirty blocks, or the last
 * one failed, and the disk may have anything between before and after. */
bool metadata_is_full(struct metadata *metadata);

/*
 * What this change does to FIRST must be durable before what it does to THEN is written; to be said
 * before either is changed. A block that is not reachable on the disk before FIRST is needs
 * nothing.
 * => false: earlier changes want it the other way round. metadata_sync, and say all of it again.
 */
MUST_CHECK bool metadata_order(struct metadata *metadata, struct metadata_block *first,
                               struct metadata_block *then);

/*
 * The part at PART of BLOCK, which is dirty, is newborn: nothing of it is on the disk. It is
 * written twice, first at its block's level, rolled back; whole when every block is durable, and
 * every newborn part of a lower GENERATION (from 1 to METADATA_GENERATIONS). It is of the highest
 * that was said. metadata_generation: 0 when it is not newborn.
 */
void metadata_set_newborn(struct metadata *metadata, struct metadata_block *block,
                          const uint8_t *part, uint32_t generation);
uint32_t metadata_generation(const struct metadata *metadata, const struct metadata_block *block,
                             const uint8_t *part);

/*
 * Writes every dirty block, level by level, each durable before the next begins; then those with
 * newborn parts again, generation by generation. When it fails, what has not been written stays
 * dirty, and newborn. Pinned blocks are written too: no change is under way.
 */
MUST_CHECK status_t metadata_sync(struct metadata *metadata);

/* Makes everything that the device has completed durable. */
MUST_CHECK status_t metadata_flush_device(struct metadata *metadata);

/* Writes zeroes to COUNT blocks from FIRST on. */
MUST_CHECK status_t metadata_clear(struct metadata *metadata, uint32_t first, uint32_t count);

/* ---- between fs/metadata.c and fs/metadata_sync.c ---- */

#define METADATA_COPIES_NBYTES 0x8000u /* of the copies of blocks */

/* Block NUMBER, when its page is pinned here; else NULL. */
struct metadata_block *metadata_find(struct metadata *metadata, uint32_t number);

/* BLOCK is dirty no more. */
void metadata_clean(struct metadata *metadata, struct metadata_block *block);

/* Pages beyond those that are there from the start are mm's alone again, while they can be. */
void metadata_give_back(struct metadata *metadata);

#endif
