/*
 * mm/await.h: M9: what a thread's fault is about, its page and the tables on the way to it, is no
 * victim until the trap returns to what faulted.
 *
 * The thread notes the entries, in its page table and in the segment's prototype table, under the
 * locks that guard them. Whoever is about to evict a page or a table looks whether a thread awaits
 * it. The notes are hints to the evictor alone: a page that is freed meanwhile is freed, and the
 * entry says something else then. They go where the trap returns (thread_goes_on; after a
 * fault that a pager ran into, to what the outer fault had noted), or when a call is over that made
 * the page fault happen itself.
 *
 * It is one page at a time. An instruction may need several: of those that it does not await the
 * accessed bit says that they were just brought, and the clock passes them once.
 */
#ifndef MM_AWAIT_H
#define MM_AWAIT_H

#include "kernel/thread.h"
#include "quire/types.h"

/* Frames that a thread may keep from leaving: an alias's page with both its tables, and, until the
 * fault is over, another page with its prototype table. They are charged with the kernel stack. */
#define AWAITED_PAGES 5u

enum await {
    AWAIT_PAGE,      /* an entry in a space's own table */
    AWAIT_PROTOTYPE, /* one in a prototype table */
};

/*
 * The calling thread awaits the page of ENTRY, and the table that it lies in; NULL: none. Its
 * table's lock is held, the space's or the chunk's. Of an alias the thread takes the chunk's lock
 * afterwards, under which the evictor looks, and then looks at the entry again.
 */
static inline void mi_await(enum await which, const pte_t *entry)
{
    thread_self()->awaited.entries[which] = entry;
}

/* What the calling thread awaited is its own affair from now on. */
static inline void mi_await_nothing(void)
{
    thread_goes_on(thread_self());
}

/* Whether a thread awaits the page of one of the COUNT entries from FIRST on. */
bool mi_is_awaited(const pte_t *first, uint32_t count);

/* Which places in their tables the entries have that are awaited at a moment. */
struct awaited_filter {
    bool any;
    uint32_t words[CHUNK_PAGES / 32];
};
void mi_filter_awaited(struct awaited_filter *filter);

static inline uint32_t mi_index_in_table(const pte_t *entry)
{
    return (uint32_t)((uintptr_t)entry / sizeof(*entry) % CHUNK_PAGES);
}

/* For who looks at many entries: whether ENTRY may be one of them, and then whether it is. */
static inline bool mi_filter_has(const struct awaited_filter *filter, const pte_t *entry)
{
    uint32_t index = mi_index_in_table(entry);
    return (filter->words[index / 32] >> index % 32 & 1u) != 0 && mi_is_awaited(entry, 1);
}

#endif
