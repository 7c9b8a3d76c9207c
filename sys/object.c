/*
 * sys/object.c: objects, their counts, and the name spaces, one per type.
 *
 * Owns the header of every object, the tables of names and the one name-space lock that guards
 * names and usage counters. What an object is beyond its header is its type's business.
 *
 *   references   pointers in use; plus one while usage is above zero. Zero destroys the object.
 *   usage        handles + views. Zero takes the name away, in the same critical section; so
 *                whoever finds a name finds an object that is in use.
 *   handles      what NtQueryObject calls HandleCount.
 *
 * Locks: the name-space lock (a spinlock) alone. Nothing is allocated, freed or destroyed under it.
 */
#include "sys/object.h"

#include "abi/constants.h"
#include "kernel/lock.h"
#include "mm/pagefile.h"
#include "quire/assert.h"

static struct spinlock name_space_lock = SPINLOCK_INIT(RANK_NAME_SPACE);
static struct list types = {&types, &types}; /* [c] after start */

#define ACCESS_SYSTEM_SECURITY 0x01000000u
#define ACCESS_RESERVED        0x0CE00000u

void ob_register_type(struct object_type *type)
{
    for (uint32_t i = 0; i < NAME_BUCKETS; i++) {
        list_init(&type->names[i]);
    }
    mm_pool_init(&type->cache, type->name, (type->nbytes + 15u) & ~15u);
    list_insert_tail(&types, &type->link);
}

uint32_t ob_count_all(void)
{
    uint32_t count = 0;
    list_for_each(link, &types) {
        count += list_entry(link, struct object_type, link)->objects;
    }
    return count;
}

status_t ob_create(struct object_type *type, struct object **result)
{
    mm_pagefile_keep_ahead();
    struct object *object = mm_pool_allocate(&type->cache);
    if (object == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    object->type = type;
    object->references = 1;
    spin_lock(&name_space_lock);
    type->objects++;
    spin_unlock(&name_space_lock);
    *result = object;
    return STATUS_SUCCESS;
}

void ob_ref(struct object *object)
{
    uint32_t before = __atomic_fetch_add(&object->references, 1, __ATOMIC_RELAXED);
    VERIFY(before != 0 && before < INT32_MAX);
}

bool ob_try_ref(struct object *object)
{
    uint32_t seen = __atomic_load_n(&object->references, __ATOMIC_RELAXED);
    while (seen != 0) {
        if (__atomic_compare_exchange_n(&object->references, &seen, seen + 1, true,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            return true;
        }
    }
    return false;
}

static void object_destroy(struct object *object)
{
    struct object_type *type = object->type;
    ASSERT(object->usage == 0 && object->handles == 0 && object->name == NULL);
    if (type->destroy != NULL) {
        type->destroy(object);
    }
    spin_lock(&name_space_lock);
    type->objects--;
    spin_unlock(&name_space_lock);
    mm_pool_free(&type->cache, object);
}

void ob_unref(struct object *object)
{
    uint32_t left = __atomic_sub_fetch(&object->references, 1, __ATOMIC_ACQ_REL);
    ASSERT(left != UINT32_MAX);
    if (left == 0) {
        object_destroy(object);
    }
}

/* One usage more; the first one is a reference. */
static status_t add_usage_locked(struct object *object)
{
    if (object->usage == UINT32_MAX) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    if (object->usage++ == 0) {
        ob_ref(object);
    }
    return STATUS_SUCCESS;
}

static status_t add_handle_locked(struct object *object)
{
    status_t status = add_usage_locked(object);
    if (is_success(status)) {
        object->handles++;
        object->type->handles++;
    }
    return status;
}

status_t ob_add_handle(struct object *object)
{
    spin_lock(&name_space_lock);
    status_t status = add_handle_locked(object);
    spin_unlock(&name_space_lock);
    return status;
}

status_t ob_add_view(struct object *object)
{
    spin_lock(&name_space_lock);
    status_t status = add_usage_locked(object);
    spin_unlock(&name_space_lock);
    return status;
}

/*
 * One usage less. The last one takes the name off: *NAME is then the caller's to free.
 * => true: it was the last, and the reference that went with it is the caller's to drop.
 */
static bool drop_usage_locked(struct object *object, struct object_name **name)
{
    ASSERT(object->usage > 0);
    if (--object->usage > 0) {
        return false;
    }
    if (object->name != NULL) {
        *name = object->name;
        list_remove(&object->name->link);
        object->name->object = NULL;
        object->name = NULL;
    }
    return true;
}

static void drop_usage(struct object *object, uint32_t handles)
{
    struct object_name *name = NULL;
    spin_lock(&name_space_lock);
    ASSERT(object->handles >= handles);
    object->handles -= handles;
    object->type->handles -= handles;
    bool was_last = drop_usage_locked(object, &name);
    spin_unlock(&name_space_lock);
    if (was_last) {
        object_name_free(name);
        ob_unref(object);
    }
}

void ob_drop_handle(struct object *object)
{
    drop_usage(object, 1);
}

void ob_drop_view(struct object *object)
{
    drop_usage(object, 0);
}

static struct object *find_locked(struct object_type *type, const struct object_name *name,
                                  uint32_t attributes)
{
    bool fold_case = (attributes & OBJ_CASE_INSENSITIVE) != 0;
    list_for_each(link, &type->names[name->hash % NAME_BUCKETS]) {
        struct object_name *candidate = list_entry(link, struct object_name, link);
        if (object_name_equal(candidate, name, fold_case)) {
            ASSERT(candidate->object->usage > 0);
            return candidate->object;
        }
    }
    return NULL;
}

status_t ob_find(struct object_type *type, const struct object_name *name, uint32_t attributes,
                 struct object **result)
{
    status_t status = STATUS_OBJECT_NAME_NOT_FOUND;
    spin_lock(&name_space_lock);
    struct object *object = find_locked(type, name, attributes);
    if (object != NULL) {
        status = add_handle_locked(object);
        if (is_success(status)) {
            ob_ref(object);
            *result = object;
        }
    }
    spin_unlock(&name_space_lock);
    return status;
}

/* Another object has the name already: its handle, if the caller takes one. */
static status_t use_existing_locked(struct object *existing, uint32_t attributes,
                                    struct object **used)
{
    if ((attributes & OBJ_OPENIF) == 0) {
        return STATUS_OBJECT_NAME_COLLISION;
    }
    status_t status = add_handle_locked(existing);
    if (is_error(status)) {
        return status;
    }
    ob_ref(existing);
    *used = existing;
    return STATUS_OBJECT_NAME_EXISTS;
}

status_t ob_add_named_handle(struct object *object, struct object_name **name, uint32_t attributes,
                             struct object **used)
{
    struct object_type *type = object->type;
    spin_lock(&name_space_lock);
    if (*name != NULL) {
        struct object *existing = find_locked(type, *name, attributes);
        if (existing != NULL) {
            status_t status = use_existing_locked(existing, attributes, used);
            spin_unlock(&name_space_lock);
            return status;
        }
    }
    status_t status = add_handle_locked(object);
    if (is_success(status)) {
        *used = object;
        if (*name != NULL) {
            (*name)->object = object;
            object->name = *name;
            list_insert_tail(&type->names[(*name)->hash % NAME_BUCKETS], &(*name)->link);
            *name = NULL;
        }
    }
    spin_unlock(&name_space_lock);
    return status;
}

void ob_read_counts(struct object *object, struct object_counts *counts)
{
    spin_lock(&name_space_lock);
    counts->handles = object->handles;
    counts->usage = object->usage;
    counts->is_named = object->name != NULL;
    spin_unlock(&name_space_lock);
}

struct object_name *ob_copy_name(struct object *object, status_t *status)
{
    struct object_name *copy = NULL;
    *status = STATUS_SUCCESS;
    /* A name never changes while it is there: its length, read first, sizes the copy. */
    spin_lock(&name_space_lock);
    uint32_t length = object->name != NULL ? object->name->length : 0;
    spin_unlock(&name_space_lock);
    if (length == 0) {
        return NULL;
    }
    uint32_t nbytes = (uint32_t)sizeof(struct object_name) + length * 2u;
    copy = mm_allocate(nbytes);
    if (copy == NULL) {
        *status = STATUS_INSUFFICIENT_RESOURCES;
        return NULL;
    }
    bool is_there = false;
    spin_lock(&name_space_lock);
    if (object->name != NULL && object->name->length == length) {
        copy->length = length;
        for (uint32_t i = 0; i < length; i++) {
            copy->characters[i] = object->name->characters[i];
        }
        is_there = true;
    }
    spin_unlock(&name_space_lock);
    if (!is_there) { /* it went meanwhile, with the last usage */
        mm_free(copy, nbytes);
        return NULL;
    }
    return copy;
}

status_t ob_map_access(const struct object_type *type, uint32_t desired, uint32_t *granted)
{
    if ((desired & (ACCESS_SYSTEM_SECURITY | ACCESS_RESERVED)) != 0) {
        return STATUS_ACCESS_DENIED;
    }
    uint32_t access = desired;
    access |= (desired & GENERIC_READ) != 0 ? type->generic_read : 0;
    access |= (desired & GENERIC_WRITE) != 0 ? type->generic_write : 0;
    access |= (desired & GENERIC_EXECUTE) != 0 ? type->generic_execute : 0;
    access |= (desired & (GENERIC_ALL | MAXIMUM_ALLOWED)) != 0 ? type->valid_access : 0;
    *granted = access & type->valid_access;
    return STATUS_SUCCESS;
}
