/*
 * sys/handle.c: handle tables.
 *
 * A table is a directory of blocks of 128 entries; a handle's value is its entry's number times 4,
 * so entry 0 is never used. Three levels of bitmaps (a word of blocks, a block, an entry) find the
 * lowest free entry in a fixed number of steps; a close sets three bits. The table grows by one
 * block at a time, the directory by doubling.
 *
 *   free        bit set; entry all zero
 *   reserved    bit clear, object 0: taken by handle_reserve, nobody's handle yet
 *   open        bit clear, object set: holds one ob_add_handle
 *
 * Locks: the table's spinlock; under it only pool memory is taken and the name-space lock. What
 * closing a handle sets off happens after it.
 */
#include "sys/handle.h"

#include "abi/constants.h"
#include "kernel/string.h"
#include "kernel/usercopy.h"
#include "mm/pool.h"
#include "quire/assert.h"
#include "sys/object.h"
#include "sys/process.h"

#define BLOCK_NBYTES ((uint32_t)(HANDLE_BLOCK_ENTRIES * sizeof(struct handle_entry)))

void handle_table_init(struct handle_table *table)
{
    memset(table, 0, sizeof(*table));
    spin_init(&table->lock, RANK_HANDLE_TABLE);
}

static struct object *entry_object(const struct handle_entry *entry)
{
    return (struct object *)(entry->object & ~(uintptr_t)HANDLE_FLAGS);
}

static uint32_t entry_flags(const struct handle_entry *entry)
{
    return (uint32_t)(entry->object & HANDLE_FLAGS);
}

/* The entry of HANDLE, open or not; NULL when the table has none. The low two bits say nothing. */
static struct handle_entry *entry_of(struct handle_table *table, uint32_t handle)
{
    uint32_t index = handle >> 2;
    uint32_t block = index / HANDLE_BLOCK_ENTRIES;
    if (block >= table->nblocks) {
        return NULL;
    }
    return &table->blocks[block].entries[index % HANDLE_BLOCK_ENTRIES];
}

static struct handle_entry *open_entry_of(struct handle_table *table, uint32_t handle)
{
    struct handle_entry *entry = entry_of(table, handle);
    return entry != NULL && entry->object != 0 ? entry : NULL;
}

/* ---- the bitmaps ------------------------------------------------------------------------------
 */

static void mark_free_locked(struct handle_table *table, uint32_t index)
{
    uint32_t block = index / HANDLE_BLOCK_ENTRIES;
    uint32_t entry = index % HANDLE_BLOCK_ENTRIES;
    table->blocks[block].free[entry / 32u] |= 1u << (entry % 32u);
    table->block_free[block / 32u] |= 1u << (block % 32u);
    table->summary[block / 1024u] |= 1u << (block / 32u % 32u);
}

static void mark_taken_locked(struct handle_table *table, uint32_t index)
{
    uint32_t number = index / HANDLE_BLOCK_ENTRIES;
    uint32_t entry = index % HANDLE_BLOCK_ENTRIES;
    struct handle_block *block = &table->blocks[number];
    block->free[entry / 32u] &= ~(1u << (entry % 32u));
    if ((block->free[0] | block->free[1] | block->free[2] | block->free[3]) != 0) {
        return;
    }
    table->block_free[number / 32u] &= ~(1u << (number % 32u));
    if (table->block_free[number / 32u] == 0) {
        table->summary[number / 1024u] &= ~(1u << (number / 32u % 32u));
    }
}

/* The lowest free entry; 0: none. */
static uint32_t lowest_free_locked(const struct handle_table *table)
{
    for (uint32_t i = 0; i < ARRAY_COUNT(table->summary); i++) {
        if (table->summary[i] == 0) {
            continue;
        }
        uint32_t word = i * 32u + (uint32_t)__builtin_ctz(table->summary[i]);
        uint32_t number = word * 32u + (uint32_t)__builtin_ctz(table->block_free[word]);
        const struct handle_block *block = &table->blocks[number];
        uint32_t j = 0;
        while (block->free[j] == 0) {
            j++;
        }
        return number * HANDLE_BLOCK_ENTRIES + j * 32u + (uint32_t)__builtin_ctz(block->free[j]);
    }
    return 0;
}

/* ---- growth -----------------------------------------------------------------------------------
 */

static bool grow_directory_locked(struct handle_table *table)
{
    uint32_t size = table->directory_size == 0 ? 4u : table->directory_size * 2u;
    uint32_t entry_nbytes = (uint32_t)sizeof(struct handle_block);
    struct handle_block *blocks = mm_allocate(size * entry_nbytes);
    if (blocks == NULL) {
        return false;
    }
    if (table->blocks != NULL) {
        memcpy(blocks, table->blocks, table->nblocks * sizeof(struct handle_block));
        mm_free(table->blocks, table->directory_size * entry_nbytes);
    }
    table->blocks = blocks;
    table->directory_size = size;
    return true;
}

/* One block more. */
static bool grow_locked(struct handle_table *table)
{
    if (table->nblocks == HANDLE_BLOCKS_MAX ||
        (table->nblocks == table->directory_size && !grow_directory_locked(table))) {
        return false;
    }
    struct handle_entry *entries = mm_allocate(BLOCK_NBYTES);
    if (entries == NULL) {
        return false;
    }
    uint32_t number = table->nblocks++;
    struct handle_block *block = &table->blocks[number];
    block->entries = entries;
    memset(block->free, 0xFF, sizeof(block->free));
    table->block_free[number / 32u] |= 1u << (number % 32u);
    table->summary[number / 1024u] |= 1u << (number / 32u % 32u);
    if (number == 0) {
        mark_taken_locked(table, 0); /* 0 is no handle */
    }
    return true;
}

static status_t reserve_locked(struct handle_table *table, uint32_t *index)
{
    if (table->is_closed) {
        return STATUS_PROCESS_IS_TERMINATING;
    }
    uint32_t lowest = lowest_free_locked(table);
    if (lowest == 0) {
        if (!grow_locked(table)) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        lowest = lowest_free_locked(table);
    }
    mark_taken_locked(table, lowest);
    *index = lowest;
    return STATUS_SUCCESS;
}

/* ---- opening and closing ----------------------------------------------------------------------
 */

status_t handle_reserve(struct handle_table *table, uint32_t *handle)
{
    uint32_t index = 0;
    spin_lock(&table->lock);
    status_t status = reserve_locked(table, &index);
    spin_unlock(&table->lock);
    *handle = index << 2;
    return status;
}

void handle_release(struct handle_table *table, uint32_t handle)
{
    spin_lock(&table->lock);
    if (!table->is_closed) { /* else the memory is gone */
        ASSERT(entry_of(table, handle)->object == 0);
        mark_free_locked(table, handle >> 2);
    }
    spin_unlock(&table->lock);
}

static void fill_locked(struct handle_table *table, uint32_t index, struct object *object,
                        uint32_t access, uint32_t flags)
{
    struct handle_entry *entry = entry_of(table, index << 2);
    ASSERT(entry != NULL && entry->object == 0);
    entry->object = (uintptr_t)object | flags;
    entry->access = access;
    table->count++;
}

void handle_fill(struct handle_table *table, uint32_t handle, struct object *object,
                 uint32_t access, uint32_t flags)
{
    spin_lock(&table->lock);
    bool is_closed = table->is_closed;
    if (!is_closed) {
        fill_locked(table, handle >> 2, object, access, flags);
    }
    spin_unlock(&table->lock);
    if (is_closed) { /* the other process ended since the entry was reserved */
        ob_drop_handle(object);
    }
}

status_t handle_open(struct handle_table *table, struct object *object, uint32_t access,
                     uint32_t flags, uint32_t *handle)
{
    uint32_t index = 0;
    spin_lock(&table->lock);
    status_t status = reserve_locked(table, &index);
    if (is_success(status)) {
        status = ob_add_handle(object);
        if (is_success(status)) {
            fill_locked(table, index, object, access, flags);
            *handle = index << 2;
        } else {
            mark_free_locked(table, index);
        }
    }
    spin_unlock(&table->lock);
    return status;
}

/* Makes an open entry free; the object's handle is the caller's to drop. */
static struct object *take_out_locked(struct handle_table *table, uint32_t handle,
                                      struct handle_entry *entry)
{
    struct object *object = entry_object(entry);
    entry->object = 0;
    entry->access = 0;
    table->count--;
    mark_free_locked(table, handle >> 2);
    return object;
}

status_t handle_close(struct handle_table *table, uint32_t handle)
{
    struct object *object = NULL;
    status_t status = STATUS_INVALID_HANDLE;
    spin_lock(&table->lock);
    struct handle_entry *entry = open_entry_of(table, handle);
    if (entry != NULL) {
        if ((entry_flags(entry) & HANDLE_PROTECT) != 0) {
            status = STATUS_HANDLE_NOT_CLOSABLE;
        } else {
            object = take_out_locked(table, handle, entry);
            status = STATUS_SUCCESS;
        }
    }
    spin_unlock(&table->lock);
    if (object != NULL) {
        ob_drop_handle(object);
    }
    return status;
}

/* Drops the open handles among 32 entries of a block that nobody else finds any more. */
static void drop_word(struct handle_block *block, uint32_t word)
{
    uint32_t taken = ~block->free[word];
    while (taken != 0) {
        uint32_t bit = (uint32_t)__builtin_ctz(taken);
        struct object *object = entry_object(&block->entries[word * 32u + bit]);
        taken &= taken - 1u;
        if (object != NULL) {
            ob_drop_handle(object);
        }
    }
}

void handle_table_close(struct handle_table *table)
{
    spin_lock(&table->lock);
    table->is_closed = true;
    struct handle_block *blocks = table->blocks;
    uint32_t nblocks = table->nblocks;
    uint32_t directory_size = table->directory_size;
    table->blocks = NULL;
    table->nblocks = 0;
    table->directory_size = 0;
    table->count = 0;
    spin_unlock(&table->lock);
    /* Nobody else finds the blocks any more. */
    for (uint32_t i = 0; i < nblocks; i++) {
        for (uint32_t word = 0; word < ARRAY_COUNT(blocks[i].free); word++) {
            drop_word(&blocks[i], word);
        }
        mm_free(blocks[i].entries, BLOCK_NBYTES);
    }
    if (blocks != NULL) {
        mm_free(blocks, directory_size * (uint32_t)sizeof(struct handle_block));
    }
}

/* ---- inheritance ------------------------------------------------------------------------------
 */

static status_t inherit_entry(struct handle_table *child, uint32_t index,
                              const struct handle_entry *entry)
{
    while (index / HANDLE_BLOCK_ENTRIES >= child->nblocks) {
        if (!grow_locked(child)) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
    }
    status_t status = ob_add_handle(entry_object(entry));
    if (is_success(status)) {
        mark_taken_locked(child, index);
        fill_locked(child, index, entry_object(entry), entry->access, entry_flags(entry));
    }
    return status;
}

/* The handles of the parent's block NUMBER. */
static status_t inherit_block_locked(struct handle_table *child, const struct handle_table *parent,
                                     uint32_t number)
{
    status_t status = STATUS_SUCCESS;
    for (uint32_t i = 0; i < HANDLE_BLOCK_ENTRIES && is_success(status); i++) {
        const struct handle_entry *entry = &parent->blocks[number].entries[i];
        if ((entry->object & HANDLE_INHERIT) != 0) {
            status = inherit_entry(child, number * HANDLE_BLOCK_ENTRIES + i, entry);
        }
    }
    return status;
}

/*
 * Block by block, so that others run in between: a handle that the parent's other threads open or
 * close meanwhile is inherited or not, as it would be a moment earlier or later.
 */
status_t handle_table_inherit(struct handle_table *child, struct handle_table *parent)
{
    status_t status = STATUS_SUCCESS;
    bool is_more = true;
    for (uint32_t i = 0; is_more && is_success(status); i++) {
        spin_lock(&parent->lock);
        is_more = i < parent->nblocks;
        if (is_more) {
            status = inherit_block_locked(child, parent, i);
        }
        spin_unlock(&parent->lock);
    }
    return status;
}

/* ---- looking up -------------------------------------------------------------------------------
 */

status_t handle_query(struct handle_table *table, uint32_t handle,
                      struct handle_information *information)
{
    status_t status = STATUS_INVALID_HANDLE;
    spin_lock(&table->lock);
    const struct handle_entry *entry = open_entry_of(table, handle);
    if (entry != NULL) {
        information->object = entry_object(entry);
        information->access = entry->access;
        information->flags = entry_flags(entry);
        ob_ref(information->object);
        status = STATUS_SUCCESS;
    }
    spin_unlock(&table->lock);
    return status;
}

status_t handle_set_flags(struct handle_table *table, uint32_t handle, uint32_t flags)
{
    status_t status = STATUS_INVALID_HANDLE;
    spin_lock(&table->lock);
    struct handle_entry *entry = open_entry_of(table, handle);
    if (entry != NULL) {
        entry->object = (uintptr_t)entry_object(entry) | (flags & HANDLE_FLAGS);
        status = STATUS_SUCCESS;
    }
    spin_unlock(&table->lock);
    return status;
}

static status_t check_entry(const struct handle_entry *entry, const struct object_type *type,
                            uint32_t access)
{
    if (entry == NULL) {
        return STATUS_INVALID_HANDLE;
    }
    if (type != NULL && entry_object(entry)->type != type) {
        return STATUS_OBJECT_TYPE_MISMATCH;
    }
    return (access & ~entry->access) != 0 ? STATUS_ACCESS_DENIED : STATUS_SUCCESS;
}

status_t handle_reference(struct handle_table *table, uint32_t handle,
                          const struct object_type *type, uint32_t access, struct object **object)
{
    spin_lock(&table->lock);
    const struct handle_entry *entry = open_entry_of(table, handle);
    status_t status = check_entry(entry, type, access);
    if (is_success(status)) {
        *object = entry_object(entry);
        ob_ref(*object);
    }
    spin_unlock(&table->lock);
    return status;
}

status_t ob_reference(uint32_t handle, const struct object_type *type, uint32_t access,
                      struct object **object)
{
    if (handle < HANDLE_CURRENT_THREAD) {
        return handle_reference(&ps_current()->handles, handle, type, access, object);
    }
    struct object *self =
        handle == HANDLE_CURRENT_PROCESS ? &ps_current()->object : &ps_current_thread()->object;
    if (type != NULL && self->type != type) {
        return STATUS_OBJECT_TYPE_MISMATCH;
    }
    ob_ref(self);
    *object = self;
    return STATUS_SUCCESS;
}

/* ---- the common ends of calls -----------------------------------------------------------------
 */

status_t ob_clear_target(uaddr_t target)
{
    return user_write_u32(target, 0);
}

/* Stores the value of a handle that is open already; closes it again when that fails. */
static status_t store_handle(struct handle_table *table, uint32_t handle, uaddr_t target)
{
    status_t status = user_write_u32(target, handle);
    if (is_error(status)) {
        /* Another thread may have been quicker: whoever closes it, it is closed. */
        status_t closed = handle_close(table, handle);
        (void)closed;
    }
    return status;
}

static uint32_t flags_of(uint32_t attributes)
{
    return (attributes & OBJ_INHERIT) != 0 ? HANDLE_INHERIT : 0;
}

status_t ob_publish(struct object *object, struct object_attributes *attributes,
                    uint32_t desired_access, uaddr_t target)
{
    struct handle_table *table = &ps_current()->handles;
    uint32_t access = 0;
    uint32_t handle = 0;
    struct object *used = NULL;
    status_t status = ob_map_access(object->type, desired_access, &access);
    if (is_success(status)) {
        status = handle_reserve(table, &handle);
    }
    if (is_success(status)) {
        status = ob_add_named_handle(object, &attributes->name, attributes->attributes, &used);
        if (is_success(status)) {
            handle_fill(table, handle, used, access, flags_of(attributes->attributes));
            status_t stored = store_handle(table, handle, target);
            status = is_error(stored) ? stored : status;
        } else {
            handle_release(table, handle);
        }
    }
    if (used != NULL && used != object) {
        ob_unref(used);
    }
    ob_unref(object);
    object_name_free(attributes->name);
    attributes->name = NULL;
    return status;
}

/* A handle to the object with the captured name. */
static status_t open_named(struct object_type *type, const struct object_attributes *attributes,
                           uint32_t access, uaddr_t target)
{
    struct handle_table *table = &ps_current()->handles;
    struct object *object = NULL;
    uint32_t handle = 0;
    status_t status = handle_reserve(table, &handle);
    if (is_error(status)) {
        return status;
    }
    status = ob_find(type, attributes->name, attributes->attributes, &object);
    if (is_error(status)) {
        handle_release(table, handle);
        return status;
    }
    handle_fill(table, handle, object, access, flags_of(attributes->attributes));
    status = store_handle(table, handle, target);
    ob_unref(object);
    return status;
}

status_t ob_open_by_name(struct object_type *type, uaddr_t target, uint32_t desired,
                         uaddr_t attributes)
{
    struct object_attributes captured = {0, NULL};
    uint32_t access = 0;
    status_t status = ob_clear_target(target);
    if (is_success(status)) {
        status = capture_attributes(attributes, NAME_OPEN, &captured);
    }
    if (is_success(status)) {
        status = ob_map_access(type, desired, &access);
    }
    if (is_success(status)) {
        status = open_named(type, &captured, access, target);
    }
    object_name_free(captured.name);
    return status;
}
