/*
 * include/quire/list.h: a doubly linked list whose links lie inside the things that are listed.
 * A list head and a link are the same structure; an empty list points at itself.
 */
#ifndef QUIRE_LIST_H
#define QUIRE_LIST_H

#include "quire/types.h"

struct list {
    struct list *next;
    struct list *prev;
};

static inline void list_init(struct list *list)
{
    list->next = list;
    list->prev = list;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->next == list;
}

static inline void list_insert_after(struct list *place, struct list *link)
{
    link->prev = place;
    link->next = place->next;
    place->next->prev = link; /* NOLINT(clang-analyzer-core.NullDereference): never uninitialised */
    place->next = link;
}

static inline void list_insert_head(struct list *list, struct list *link)
{
    list_insert_after(list, link);
}

static inline void list_insert_tail(struct list *list, struct list *link)
{
    list_insert_after(list->prev, link);
}

/* Takes LINK off its list; it then points at itself, so removing it again does nothing. */
static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

static inline uint32_t list_length(const struct list *list)
{
    uint32_t count = 0;
    for (const struct list *link = list->next; link != list; link = link->next) {
        count++;
    }
    return count;
}

/* Moves the first link of a list that is not empty to its end; that link. */
static inline struct list *list_rotate(struct list *list)
{
    struct list *first = list->next;
    list_remove(first);
    list_insert_tail(list, first);
    return first;
}

#define list_entry(link, type, member) container_of(link, type, member)

#define list_for_each(link, head)                                                                  \
    for (struct list *link = (head)->next; link != (head); link = link->next)

/* The same when the body may remove LINK. */
#define list_for_each_safe(link, after, head)                                                      \
    for (struct list *link = (head)->next, *after = link->next; link != (head);                    \
         link = after, after = link->next)

#endif
