/*
 * mm/await.c: see await.h.
 */
#include "mm/await.h"

#include "kernel/paging.h"

/* An entry may have gone with its table: it is not read. */
static const pte_t *entry_of(const struct thread *thread, enum await which)
{
    return __atomic_load_n(&thread->awaited.entries[which], __ATOMIC_RELAXED);
}

/* The entries that are looked for, and whether a thread was found that awaits one. */
struct search {
    const pte_t *first;
    uint32_t count;
    bool found;
};

static void look_at(struct thread *thread, void *context)
{
    struct search *search = context;
    for (uint32_t i = AWAIT_PAGE; i <= AWAIT_PROTOTYPE; i++) {
        const pte_t *entry = entry_of(thread, i);
        search->found =
            search->found || (entry >= search->first && entry < search->first + search->count);
    }
}

bool mi_is_awaited(const pte_t *first, uint32_t count)
{
    struct search search = {.first = first, .count = count};
    thread_for_each(look_at, &search);
    return search.found;
}

static void add_to_filter(struct thread *thread, void *context)
{
    struct awaited_filter *filter = context;
    for (uint32_t i = AWAIT_PAGE; i <= AWAIT_PROTOTYPE; i++) {
        const pte_t *entry = entry_of(thread, i);
        if (entry != NULL) {
            uint32_t index = mi_index_in_table(entry);
            filter->words[index / 32] |= 1u << index % 32;
            filter->any = true;
        }
    }
}

void mi_filter_awaited(struct awaited_filter *filter)
{
    *filter = (struct awaited_filter){0};
    thread_for_each(add_to_filter, filter);
}
