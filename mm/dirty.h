/*
 * mm/dirty.h: which pages of files have been stored to (rule M5).
 *
 * A clean page of a file is read-only in its prototype entry and so in every alias. The first store
 * faults, once, and makes the prototype entry writable: writable means dirty. Cleaning makes it
 * read-only again in every table, flushes, and only then has the page written; a store meanwhile
 * faults again and makes it dirty again.
 */
#ifndef MM_DIRTY_H
#define MM_DIRTY_H

#include "mm/segment.h"
#include "quire/annotate.h"
#include "quire/status.h"

/*
 * A store to the valid page of *ENTRY, a prototype entry of a file: true when it may go on, the
 * page is dirty then; false: mi_reserve_store first, without locks. => chunk lock held.
 */
bool mi_store_locked(struct segment *segment, struct chunk *chunk, pte_t *entry);

/*
 * Waits until there may be another dirty page, and has the pager reserve what writing PAGE takes.
 * Look again. No locks of mm/.
 * => what the pager said; what the disk said when no dirty page of the segment can be written.
 */
MUST_CHECK status_t mi_reserve_store(struct segment *segment, uint32_t page);

/* Brings PAGE and makes it dirty. No locks of mm/. => the statuses of both. */
MUST_CHECK status_t mi_make_dirty(struct segment *segment, uint32_t page);

/*
 * Writes every page of [first, last] that is dirty; on return none that was is being written. A
 * page that could not be written stays dirty. No locks of mm/.
 * => the first error.
 */
MUST_CHECK status_t mi_clean(struct segment *segment, uint32_t first, uint32_t last);

/* A write failed that nobody waited for: the next flush of the file tells. */
void mi_note_write_error(struct segment *segment, status_t status);

/* COUNT dirty pages of the segment go, unwritten. */
void mi_forget_dirty(struct segment *segment, uint32_t count);

/*
 * How many pages of files are dirty, and may be. Those of files of which nothing could be written
 * at the last try are stuck and count apart, so that they take no room from files that are well.
 */
struct dirty_quota {
    int32_t count; /* [atomic] may be below zero while a file changes over */
    int32_t limit; /* a word that only the writer sets, */
    int32_t many;  /* and this: from how many on it does not wait until they are old */
};
extern struct dirty_quota mi_dirty_quotas[2]; /* of files that are well; of stuck ones */

/* The one that a file counts in whose count of dirty pages is NPAGES. */
static inline struct dirty_quota *mi_dirty_quota(uint32_t npages)
{
    return &mi_dirty_quotas[npages >> DIRTY_STUCK_SHIFT];
}

/* The segment's dirty pages are stuck from now on; they no longer are. Any lock of mm/. */
void mi_begin_stuck(struct segment *segment);
void mi_end_stuck(struct segment *segment);

static inline bool mi_is_stuck(const struct segment *segment)
{
    return (__atomic_load_n(&segment->dirty.npages, __ATOMIC_RELAXED) & DIRTY_STUCK) != 0;
}

/* Dirty pages, those that are being written included: of one file; of all files that are stuck; of
 * all. */
static inline uint32_t mi_dirty_of(const struct segment *segment)
{
    return __atomic_load_n(&segment->dirty.npages, __ATOMIC_RELAXED) & ~DIRTY_STUCK;
}

static inline uint32_t mi_stuck_pages(void)
{
    return (uint32_t)__atomic_load_n(&mi_dirty_quotas[1].count, __ATOMIC_RELAXED);
}

static inline uint32_t mi_dirty_pages(void)
{
    return (uint32_t)__atomic_load_n(&mi_dirty_quotas[0].count, __ATOMIC_RELAXED) +
           mi_stuck_pages();
}

/* A valid alias of a file's page with the prototype entry PROTO: writable only when that is. */
static inline pte_t mi_alias_of_file(pte_t alias, pte_t proto)
{
    return (pte_t){alias.v & (proto.v | ~PTE_WRITE)};
}

#endif
