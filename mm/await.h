/*
 * mm/await.h: M9: what a thread's fault is about, its page and the tables on the way to it, is no
 * victim until the thread has gone on.
 *
 * The thread notes the entries, in its page table and in the segment's prototype table, under the
 * lock that guards them. Whoever is about to evict a page or a table looks whether a thread awaits
 * it. The notes are hints to the evictor alone: a page that is freed meanwhile is freed, and the
 * entry says something else then. They go where the thread goes back to what faulted
 * (thread_goes_on), or when a call is over that made the page fault happen itself.
 */
#ifndef MM_AWAIT_H
#define MM_AWAIT_H

#include "kernel/thread.h"
#include "quire/types.h"

/* Frames that a thread may keep from leaving: a page, its page table, its prototype table. They are
 * charged with its kernel stack. */
#define AWAITED_PAGES 3u

enum awaited {
    AWAIT_PAGE,      /* an entry in a space's own table */
    AWAIT_PROTOTYPE, /* one in a prototype table */
};

/* The calling thread awaits the page of ENTRY, and the table that it lies in; NULL: none. => the
 * lock held that the entry's becoming valid takes. */
static inline void mi_await(enum awaited which, const pte_t *entry)
{
    thread_self()->awaited[which] = entry;
}

/* What the calling thread awaited is its own affair from now on. */
static inline void mi_await_nothing(void)
{
    thread_goes_on(thread_self());
}

/* What is awaited at a moment, for who looks at many entries. */
#define AWAITED_LISTED 8u
struct awaited_list {
    uint32_t count; /* more than fit: each entry is looked for among all threads */
    const pte_t *entries[AWAITED_LISTED];
};
void mi_list_awaited(struct awaited_list *list);
bool mi_list_has(const struct awaited_list *list, const pte_t *entry);

/* Whether a thread awaits the page of one of the COUNT entries from FIRST on. */
bool mi_is_awaited(const pte_t *first, uint32_t count);

#endif
