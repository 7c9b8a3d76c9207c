/*
 * fs/fresh.c: blocks that were given to a file and do not yet hold what it says they hold.
 *
 * What a block held for its last owner must never be seen in the file that has it now. So no
 * pointer to a data block reaches the disk before the block's contents: metadata is written only
 * when no block is fresh. Most become it by being written; the others are cleared.
 *
 *      allocated -> FRESH --written--> holds its contents
 *                     |   --settle: CLEARING, zeroes written--^
 *
 * A fresh block reads as zeroes.
 *
 * A write of data and a clearing of the same block exclude one another: a write waits until the
 * clearing is over, and clearing leaves alone what is being written and waits for it afterwards.
 *
 * Blocks are kept by 32 in nodes of a hash table, so that a write only turns bits. Lock: one
 * spinlock, held for a few instructions.
 */
#include "fs/fresh.h"

#include "mm/pool.h"
#include "quire/assert.h"

#define NODE_SHIFT 5u
#define NODE_MASK  31u

struct fresh_node {
    struct list link;
    uint32_t base;     /* first block, >> NODE_SHIFT */
    uint32_t fresh;    /* a bit for each block */
    uint32_t writing;  /* those of the fresh that are being written */
    uint32_t clearing; /* or cleared */
};

static struct pool_cache node_cache;

void fresh_start(struct fresh *fresh)
{
    spin_init(&fresh->lock, RANK_SEGMENT);
    fresh->nwaiting = 0;
    for (uint32_t i = 0; i < FRESH_HASH_SIZE; i++) {
        list_init(&fresh->hash[i]);
    }
    waitable_init_event(&fresh->changed, true, false);
    if (node_cache.name == NULL) { /* not yet made */
        mm_pool_init(&node_cache, "fresh", sizeof(struct fresh_node));
    }
}

static struct fresh_node *find_locked(struct fresh *fresh, uint32_t block)
{
    uint32_t base = block >> NODE_SHIFT;

    list_for_each(link, &fresh->hash[base % FRESH_HASH_SIZE]) {
        struct fresh_node *node = list_entry(link, struct fresh_node, link);
        if (node->base == base) {
            return node;
        }
    }
    return NULL;
}

static void free_if_empty_locked(struct fresh_node *node)
{
    if ((node->fresh | node->writing | node->clearing) == 0) {
        list_remove(&node->link);
        mm_pool_free(&node_cache, node);
    }
}

/* The bits of blocks [first, first + count) in the node of FIRST; *NEXT is what lies behind it. */
static uint32_t bits_of(uint32_t first, uint32_t count, uint32_t *next)
{
    uint32_t inside = first & NODE_MASK;
    uint32_t n = min_u32(count, NODE_MASK + 1 - inside);

    *next = first + n;
    return (n == NODE_MASK + 1 ? UINT32_MAX : (1u << n) - 1) << inside;
}

void fresh_stop(struct fresh *fresh)
{
    spin_lock(&fresh->lock);
    for (uint32_t i = 0; i < FRESH_HASH_SIZE; i++) {
        list_for_each_safe(link, after, &fresh->hash[i]) {
            struct fresh_node *node = list_entry(link, struct fresh_node, link);
            node->fresh = 0;
            free_if_empty_locked(node);
        }
    }
    spin_unlock(&fresh->lock);
}

/* Notes the blocks of one node; false without memory. */
static bool add_bits(struct fresh *fresh, uint32_t first, uint32_t bits)
{
    struct fresh_node *spare = mm_pool_allocate(&node_cache);

    spin_lock(&fresh->lock);
    struct fresh_node *node = find_locked(fresh, first);
    if (node == NULL && spare != NULL) {
        node = spare;
        spare = NULL;
        node->base = first >> NODE_SHIFT;
        list_insert_head(&fresh->hash[node->base % FRESH_HASH_SIZE], &node->link);
    }
    if (node != NULL) {
        node->fresh |= bits;
    }
    spin_unlock(&fresh->lock);
    if (spare != NULL) {
        mm_pool_free(&node_cache, spare);
    }
    return node != NULL;
}

status_t fresh_add(struct fresh *fresh, uint32_t first, uint32_t count)
{
    uint32_t next;

    for (uint32_t at = first; at < first + count; at = next) {
        uint32_t bits = bits_of(at, first + count - at, &next);
        if (!add_bits(fresh, at, bits)) {
            fresh_drop(fresh, first, at - first);
            return STATUS_INSUFFICIENT_RESOURCES;
        }
    }
    return STATUS_SUCCESS;
}

void fresh_drop(struct fresh *fresh, uint32_t first, uint32_t count)
{
    uint32_t next;

    spin_lock(&fresh->lock);
    for (uint32_t at = first; at < first + count; at = next) {
        uint32_t bits = bits_of(at, first + count - at, &next);
        struct fresh_node *node = find_locked(fresh, at);
        if (node != NULL) {
            node->fresh &= ~bits;
            free_if_empty_locked(node);
        }
    }
    spin_unlock(&fresh->lock);
}

/* Waits until something changes. => the lock held, and again on return. */
static void wait_locked(struct fresh *fresh) UNCHECKED_LOCKS
{
    fresh->nwaiting++;
    event_reset(&fresh->changed);
    spin_unlock(&fresh->lock);
    status_t waited = wait_for(&fresh->changed, WAIT_FOREVER, false);
    VERIFY(waited == STATUS_SUCCESS);
    spin_lock(&fresh->lock);
    fresh->nwaiting--;
}

static void wake_locked(struct fresh *fresh)
{
    if (fresh->nwaiting > 0) {
        event_set(&fresh->changed);
    }
}

bool fresh_has(struct fresh *fresh, uint32_t block)
{
    spin_lock(&fresh->lock);
    const struct fresh_node *node = find_locked(fresh, block);
    bool has = node != NULL && (node->fresh >> (block & NODE_MASK) & 1u) != 0;
    spin_unlock(&fresh->lock);
    return has;
}

void fresh_begin_write(struct fresh *fresh, uint32_t first, uint32_t count)
{
    uint32_t next;

    spin_lock(&fresh->lock);
    for (uint32_t at = first; at < first + count; at = next) {
        uint32_t bits = bits_of(at, first + count - at, &next);
        struct fresh_node *node = find_locked(fresh, at);
        while (node != NULL && (node->clearing & bits) != 0) {
            wait_locked(fresh);
            node = find_locked(fresh, at); /* it may have gone */
        }
        if (node != NULL) {
            node->writing |= node->fresh & bits;
        }
    }
    spin_unlock(&fresh->lock);
}

void fresh_end_write(struct fresh *fresh, uint32_t first, uint32_t count, bool success)
{
    uint32_t next;

    spin_lock(&fresh->lock);
    for (uint32_t at = first; at < first + count; at = next) {
        uint32_t bits = bits_of(at, first + count - at, &next);
        struct fresh_node *node = find_locked(fresh, at);
        if (node != NULL) {
            node->writing &= ~bits;
            node->fresh &= success ? ~bits : UINT32_MAX;
            free_if_empty_locked(node);
        }
    }
    wake_locked(fresh);
    spin_unlock(&fresh->lock);
}

uint32_t fresh_count(struct fresh *fresh)
{
    uint32_t count = 0;

    spin_lock(&fresh->lock);
    for (uint32_t i = 0; i < FRESH_HASH_SIZE; i++) {
        list_for_each(link, &fresh->hash[i]) {
            count += (uint32_t)__builtin_popcount(list_entry(link, struct fresh_node, link)->fresh);
        }
    }
    spin_unlock(&fresh->lock);
    return count;
}

/* A node with blocks to clear, or with blocks that are being written; NULL: neither. */
static struct fresh_node *find_unsettled_locked(struct fresh *fresh, bool writing)
{
    for (uint32_t i = 0; i < FRESH_HASH_SIZE; i++) {
        list_for_each(link, &fresh->hash[i]) {
            struct fresh_node *node = list_entry(link, struct fresh_node, link);
            if ((writing ? node->writing : node->fresh & ~node->writing) != 0) {
                return node;
            }
        }
    }
    return NULL;
}

/* Clears the blocks of BITS, run by run. */
static status_t clear_bits(struct metadata *metadata, uint32_t base, uint32_t bits)
{
    status_t status = STATUS_SUCCESS;

    while (bits != 0 && is_success(status)) {
        uint32_t first = (uint32_t)__builtin_ctz(bits);
        uint32_t after = ~(bits >> first);
        uint32_t count = after == 0 ? NODE_MASK + 1 : (uint32_t)__builtin_ctz(after);
        status = metadata_clear(metadata, (base << NODE_SHIFT) + first, count);
        bits &= first + count > NODE_MASK ? 0 : UINT32_MAX << (first + count);
    }
    return status;
}

status_t fresh_settle(struct fresh *fresh, struct metadata *metadata)
{
    status_t status = STATUS_SUCCESS;

    spin_lock(&fresh->lock);
    while (is_success(status)) {
        struct fresh_node *node = find_unsettled_locked(fresh, false);
        if (node == NULL && find_unsettled_locked(fresh, true) == NULL) {
            break;
        }
        if (node == NULL) {
            wait_locked(fresh); /* for writes; one that fails leaves its block to be cleared */
            continue;
        }
        uint32_t bits = node->fresh & ~node->writing;
        uint32_t base = node->base;
        node->clearing = bits;
        spin_unlock(&fresh->lock);
        status = clear_bits(metadata, base, bits);
        spin_lock(&fresh->lock); /* the node is still there: it is being cleared */
        node->clearing = 0;
        node->fresh &= is_success(status) ? ~bits : UINT32_MAX;
        free_if_empty_locked(node);
        wake_locked(fresh);
    }
    spin_unlock(&fresh->lock);
    return status;
}
