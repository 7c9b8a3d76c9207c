/*
 * mm/vad.c: virtual address descriptors: a balanced tree by address, and a bitmap of the 64 KiB
 * slots in use, one page a space, that answers where there is room without walking the tree.
 *
 * Page tables are charged here: as many as 2 MiB slots are touched by any VAD. Both neighbours in
 * the tree tell which of a VAD's slots it does not share, so the charge is exact.
 */
#include "mm/vad.h"

#include "kernel/lock.h"
#include "kernel/string.h"
#include "mm/commit_limits.h"
#include "mm/pool.h"
#include "mm/segment.h"
#include "quire/assert.h"

#define SLOT_COUNT (0x80000000u >> 16)

static struct pool_cache vad_cache;

void mi_vad_init(void)
{
    mm_pool_init(&vad_cache, "vad", sizeof(struct vad));
}

struct vad *mi_vad_allocate(struct space *space)
{
    struct vad *vad = mm_pool_allocate(&vad_cache);
    if (vad != NULL) {
        vad->space = space;
    }
    return vad;
}

void mi_vad_free(struct vad *vad)
{
    mm_pool_free(&vad_cache, vad);
}

uint32_t vad_last_shown(const struct vad *vad)
{
    if (!vad->grows) {
        return vad->last;
    }
    return vad->first + min_u32(vad_npages(vad), vad->segment->shown - vad->segment_page) - 1;
}

static struct vad *vad_of(struct tree_node *node)
{
    return node == NULL ? NULL : container_of(node, struct vad, node);
}

struct vad *mi_vad_next(const struct vad *vad)
{
    return vad_of(tree_next(&vad->node));
}

struct vad *mi_vad_prev(const struct vad *vad)
{
    return vad_of(tree_prev(&vad->node));
}

struct vad *mi_vad_at_or_after(struct space *space, uint32_t page)
{
    struct vad *best = NULL;
    struct tree_node *node = space->vads.root;
    while (node != NULL) {
        struct vad *vad = container_of(node, struct vad, node);
        if (vad->last < page) {
            node = node->right;
        } else {
            best = vad;
            if (vad->first <= page) {
                break;
            }
            node = node->left;
        }
    }
    return best;
}

static NOINLINE struct vad *find_in_tree(struct space *space, uint32_t page)
{
    struct vad *vad = mi_vad_at_or_after(space, page);
    if (vad == NULL || vad->first > page) {
        return NULL;
    }
    space->vad_hint = vad;
    return vad;
}

struct vad *mi_vad_find(struct space *space, uint32_t page)
{
    struct vad *hint = space->vad_hint;
    bool here = hint != NULL && page - hint->first <= hint->last - hint->first;
    return here ? hint : find_in_tree(space, page);
}

bool mi_vad_overlaps(struct space *space, uint32_t first, uint32_t last)
{
    const struct vad *vad = mi_vad_at_or_after(space, first);
    return vad != NULL && vad->first <= last;
}

static void mark_bits(uint32_t *word, uint32_t bits, bool used)
{
    *word = used ? *word | bits : *word & ~bits;
}

static void mark_slots(struct space *space, uint32_t low, uint32_t high, bool used)
{
    uint32_t *word = &space->slots[low / 32];
    uint32_t *last = &space->slots[high / 32];
    uint32_t from_low = UINT32_MAX << (low % 32);
    uint32_t to_high = UINT32_MAX >> (31 - high % 32);
    if (word == last) {
        mark_bits(word, from_low & to_high, used);
        return;
    }
    mark_bits(word, from_low, used);
    memset(word + 1, used ? 0xFF : 0, (size_t)(last - word - 1) * sizeof(*word));
    mark_bits(last, to_high, used);
}

/* Clears the slots of [first, last] that no neighbour of VAD (itself out of them) touches. */
static void clear_slots(struct space *space, const struct vad *below, const struct vad *above,
                        uint32_t first, uint32_t last)
{
    uint32_t low = first / SLOT_PAGES;
    uint32_t high = last / SLOT_PAGES;
    if (below != NULL && below->last / SLOT_PAGES == low) {
        low++;
    }
    if (above != NULL && above->first / SLOT_PAGES == high) {
        if (high == 0) {
            return;
        }
        high--;
    }
    if (low <= high) {
        mark_slots(space, low, high, false);
        space->slot_hint = min_u32(space->slot_hint, low);
    }
}

/* The 2 MiB slots of [first, last] that neither neighbour touches. */
static uint32_t own_table_slots(const struct vad *below, const struct vad *above, uint32_t first,
                                uint32_t last)
{
    uint32_t low = first / CHUNK_PAGES;
    uint32_t end = last / CHUNK_PAGES + 1;
    if (below != NULL && below->last / CHUNK_PAGES == low) {
        low++;
    }
    if (above != NULL && end > low && above->first / CHUNK_PAGES == end - 1) {
        end--;
    }
    return end - low;
}

static void place_in_tree(struct space *space, struct vad *vad)
{
    struct tree_node *parent = NULL;
    struct tree_node *node = space->vads.root;
    bool left = false;
    while (node != NULL) {
        parent = node;
        left = vad->first < container_of(node, struct vad, node)->first;
        node = left ? node->left : node->right;
    }
    tree_insert(&space->vads, parent, left, &vad->node);
}

status_t mi_vad_insert(struct space *space, struct vad *vad)
{
    ASSERT(mutex_is_mine(&space->lock) && !mi_vad_overlaps(space, vad->first, vad->last));
    place_in_tree(space, vad);
    uint32_t tables = own_table_slots(mi_vad_prev(vad), mi_vad_next(vad), vad->first, vad->last);
    status_t status = tables == 0 ? STATUS_SUCCESS : mi_charge_tables(tables);
    if (is_error(status)) {
        tree_remove(&space->vads, &vad->node);
        return status;
    }
    space->table_slots += tables;
    space->reserved_pages += vad_npages(vad);
    space->peak_reserved_pages = max_u32(space->peak_reserved_pages, space->reserved_pages);
    mark_slots(space, vad->first / SLOT_PAGES, vad->last / SLOT_PAGES, true);
    space->vad_hint = vad;
    return STATUS_SUCCESS;
}

static void return_tables(struct space *space, uint32_t tables)
{
    if (tables != 0) {
        space->table_slots -= tables;
        mi_return_tables(tables);
    }
}

void mi_vad_remove(struct space *space, struct vad *vad)
{
    ASSERT(mutex_is_mine(&space->lock));
    const struct vad *below = mi_vad_prev(vad);
    const struct vad *above = mi_vad_next(vad);
    return_tables(space, own_table_slots(below, above, vad->first, vad->last));
    clear_slots(space, below, above, vad->first, vad->last);
    space->reserved_pages -= vad_npages(vad);
    tree_remove(&space->vads, &vad->node);
    if (space->vad_hint == vad) {
        space->vad_hint = NULL;
    }
}

void mi_vad_split(struct vad *vad, struct vad *upper, uint32_t at)
{
    ASSERT(vad->kind == VAD_PRIVATE && at > vad->first && at <= vad->last);
    struct tree_node node = upper->node;
    *upper = *vad;
    upper->node = node;
    upper->first = at;
    upper->commit = 0;
    vad->last = at - 1;
    place_in_tree(vad->space, upper);
}

void mi_vad_shrink(struct space *space, struct vad *vad, uint32_t first, uint32_t last)
{
    ASSERT(first <= last && first >= vad->first && last <= vad->last);
    uint32_t old_first = vad->first;
    uint32_t old_last = vad->last;
    space->reserved_pages -= vad_npages(vad);
    vad->first = first;
    vad->last = last;
    space->reserved_pages += vad_npages(vad);
    if (first > old_first) {
        const struct vad *below = mi_vad_prev(vad);
        return_tables(space, own_table_slots(below, vad, old_first, first - 1));
        clear_slots(space, below, vad, old_first, first - 1);
    }
    if (last < old_last) {
        const struct vad *above = mi_vad_next(vad);
        return_tables(space, own_table_slots(vad, above, last + 1, old_last));
        clear_slots(space, vad, above, last + 1, old_last);
    }
}

static bool slot_is_used(const struct space *space, uint32_t slot)
{
    return (space->slots[slot / 32] & (1u << (slot % 32))) != 0;
}

/* The first used slot of [first, first + count) from its end downwards, or UINT32_MAX. */
static uint32_t last_used(const struct space *space, uint32_t first, uint32_t count)
{
    uint32_t last = first + count - 1;
    uint32_t word = last / 32;
    uint32_t used = space->slots[word] & UINT32_MAX >> (31 - last % 32);
    while (used == 0 && word > first / 32) {
        used = space->slots[--word];
    }
    if (word == first / 32) {
        used &= UINT32_MAX << (first % 32);
    }
    return used == 0 ? UINT32_MAX : word * 32 + 31u - (uint32_t)__builtin_clz(used);
}

/* The same, or one below it: the first word alone tells of most ranges that they are not free. */
static uint32_t last_used_upwards(const struct space *space, uint32_t first, uint32_t count)
{
    uint32_t in_word = min_u32(count, 32 - first % 32);
    uint32_t used = last_used(space, first, in_word);
    return used == UINT32_MAX && count > in_word
               ? last_used(space, first + in_word, count - in_word)
               : used;
}

static uint32_t find_upwards(struct space *space, uint32_t count, uint32_t alignment, uint32_t end)
{
    uint32_t slot = space->slot_hint;
    while (slot < SLOT_COUNT && space->slots[slot / 32] == UINT32_MAX) {
        slot = (slot / 32 + 1) * 32;
    }
    while (slot < SLOT_COUNT && slot_is_used(space, slot)) {
        slot++;
    }
    space->slot_hint = slot;
    for (;;) {
        slot = (slot + alignment - 1) / alignment * alignment;
        if (slot >= end || count > end - slot) {
            return UINT32_MAX;
        }
        if (space->slots[slot / 32] == UINT32_MAX) {
            slot = (slot / 32 + 1) * 32;
            continue;
        }
        uint32_t used = last_used_upwards(space, slot, count);
        if (used == UINT32_MAX) {
            return slot;
        }
        slot = used + 1;
    }
}

static uint32_t find_downwards(const struct space *space, uint32_t count, uint32_t alignment,
                               uint32_t end)
{
    while (end >= USER_FIRST_PAGE / SLOT_PAGES + count) {
        uint32_t slot = (end - count) / alignment * alignment;
        uint32_t used = last_used(space, slot, count);
        if (used == UINT32_MAX) {
            return slot;
        }
        end = used;
    }
    return UINT32_MAX;
}

uint32_t mi_find_gap(struct space *space, const struct gap_request *request)
{
    uint32_t count = (request->npages + SLOT_PAGES - 1) / SLOT_PAGES;
    uint32_t end = (request->last_page + 1) / SLOT_PAGES;
    uint32_t slot = request->top_down ? find_downwards(space, count, request->alignment, end)
                                      : find_upwards(space, count, request->alignment, end);
    return slot == UINT32_MAX ? 0 : slot * SLOT_PAGES;
}

uint32_t mi_count_table_slots(struct space *space)
{
    uint32_t count = 0;
    uint32_t next = 0; /* the lowest slot not counted yet */
    for (struct tree_node *node = tree_first(&space->vads); node != NULL; node = tree_next(node)) {
        const struct vad *vad = container_of(node, struct vad, node);
        uint32_t low = max_u32(vad->first / CHUNK_PAGES, next);
        uint32_t high = vad->last / CHUNK_PAGES;
        if (low <= high) {
            count += high - low + 1;
            next = high + 1;
        }
    }
    return count;
}
