/*
 * include/sys/object.h: kernel objects: a header with counts and a name, types, name spaces.
 *
 * An object has references (it exists) and a usage counter (it is open or mapped): usage = handles
 * + views. Its name lives exactly as long as the usage counter is above zero: reaching zero removes
 * the name in the same critical section, so that a lookup either takes a handle on a live object
 * or finds nothing.
 */
#ifndef SYS_OBJECT_H
#define SYS_OBJECT_H

#include "mm/pool.h"
#include "quire/annotate.h"
#include "quire/list.h"
#include "quire/status.h"
#include "sys/name.h"

struct object;
struct waitable;

#define NAME_BUCKETS 32u

struct object_type {
    const char *name;                                      /* [c] "Section" */
    uint32_t nbytes;                                       /* [c] of the whole object */
    uint32_t generic_read, generic_write, generic_execute; /* [c] what the generic rights mean */
    uint32_t valid_access;                                 /* [c] all of them */
    uint16_t waitable_offset; /* [c] of the waitable inside the object; 0: nobody can wait for it */
    bool is_named;            /* [c] has a name space */
    /* Releases what the object holds; its memory is freed afterwards. May block; no locks. */
    void (*destroy)(struct object *object);

    /* Kept by sys/object.c. */
    uint32_t objects;                /* [name-space lock] alive now */
    uint32_t handles;                /* [name-space lock] open now, on all of them */
    struct list names[NAME_BUCKETS]; /* [name-space lock] of struct object_name */
    struct list link;                /* [c] in the list of types */
    struct pool_cache cache;
};

struct object {
    struct object_type *type;     /* [c] */
    volatile uint32_t references; /* pointers in use, and 1 while usage is above zero */
    uint32_t usage;               /* [name-space lock] handles + views */
    uint32_t handles;             /* [name-space lock] in all processes */
    struct object_name *name;     /* [name-space lock] NULL: none (any more) */
};

/* Before the first object of TYPE. */
void ob_register_type(struct object_type *type);

/*
 * A zeroed object with one reference, which is the caller's.
 * => STATUS_INSUFFICIENT_RESOURCES.
 */
MUST_CHECK status_t ob_create(struct object_type *type, struct object **object);

/* The count refuses to wrap: it panics long before (2^31 pointers do not fit into memory). */
void ob_ref(struct object *object);

/* False, and no reference, when the last one is gone already. */
MUST_CHECK bool ob_try_ref(struct object *object);

/* The last one destroys the object: may block; no locks. */
void ob_unref(struct object *object);

/*
 * One handle or one view more.
 * => STATUS_INSUFFICIENT_RESOURCES when the counter is at its limit. Any locks below the name-space
 *    lock may be held. The caller has a reference.
 */
MUST_CHECK status_t ob_add_handle(struct object *object);
MUST_CHECK status_t ob_add_view(struct object *object);

/* One less; the last usage removes the name and may destroy the object: may block; no locks. */
void ob_drop_handle(struct object *object);
void ob_drop_view(struct object *object);

/*
 * Gives OBJECT, or the object that already has the name, a handle's usage.
 * => NAME is consumed when the object gets it (*NAME is then NULL); NULL: no name.
 * => *USED: OBJECT (STATUS_SUCCESS) or the existing one with a reference of its own
 *    (STATUS_OBJECT_NAME_EXISTS, when OPEN_IF); STATUS_OBJECT_NAME_COLLISION without OPEN_IF.
 */
MUST_CHECK status_t ob_add_named_handle(struct object *object, struct object_name **name,
                                        uint32_t attributes, struct object **used);

/*
 * Finds the object of TYPE with NAME and adds a handle and a reference.
 * => STATUS_OBJECT_NAME_NOT_FOUND.
 */
MUST_CHECK status_t ob_find(struct object_type *type, const struct object_name *name,
                            uint32_t attributes, struct object **object);

/* The counts as one moment shows them. */
struct object_counts {
    uint32_t handles;
    uint32_t usage;
    bool is_named;
};
void ob_read_counts(struct object *object, struct object_counts *counts);

/* A copy of the object's name, for mm_free(copy, object_name_nbytes(copy)), or NULL (*status
   says whether it has none or memory is short). */
struct object_name *ob_copy_name(struct object *object, status_t *status);

/*
 * DESIRED with generic rights and MAXIMUM_ALLOWED replaced by TYPE's own.
 * => STATUS_ACCESS_DENIED for rights that nobody can have.
 */
MUST_CHECK status_t ob_map_access(const struct object_type *type, uint32_t desired,
                                  uint32_t *granted);

/* The waitable inside OBJECT, or NULL. */
static inline struct waitable *ob_waitable(struct object *object)
{
    uint16_t offset = object->type->waitable_offset;
    return offset != 0 ? (struct waitable *)(void *)((char *)object + offset) : NULL;
}

/* Memory of objects and names in all caches: the drain of the tests waits for none of it. */
uint32_t ob_count_all(void);

#endif
