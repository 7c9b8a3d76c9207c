/*
 * mm/working_set.c: the limits of a process's working set, and emptying it.
 *
 * The working set is what is valid in a process's tables, linked ones included. What it is limited
 * to are private pages: a page that others may show too is the segment's, and the segments' clock
 * decides of it. mm/trim.c reads the limits; here they are set:
 *
 *   default (200 KiB, 1380 KiB)  spared below the minimum for one revolution of the clock
 *   set by the process           spared until nobody else has pages to give; above the maximum it
 *                                is trimmed before all others
 *   hard                         never trimmed below the minimum, whose pages are charged; above
 *                                the maximum its own faults trim it
 */
#include "mm/working_set.h"

#include "mm/commit.h"
#include "mm/commit_limits.h"
#include "mm/link.h"
#include "mm/lock.h"
#include "mm/locked.h"
#include "mm/trim.h"
#include "mm/working_sets.h"

#define DEFAULT_MINIMUM_PAGES 50u  /* 200 KiB */
#define DEFAULT_MAXIMUM_PAGES 345u /* 1380 KiB */

static uint32_t nlimited; /* [atomic] spaces that have set limits */

bool mi_limits_are_set(void)
{
    return __atomic_load_n(&nlimited, __ATOMIC_RELAXED) != 0;
}

void mi_working_set_init(struct space *space)
{
    space->minimum_pages = DEFAULT_MINIMUM_PAGES;
    space->maximum_pages = DEFAULT_MAXIMUM_PAGES;
}

uint32_t mi_working_set_charge(const struct space *space)
{
    return space->hard_minimum ? space->minimum_pages : 0;
}

void mi_working_set_end(struct space *space)
{
    mm_return_resident(mi_working_set_charge(space));
    space->hard_minimum = false;
    if (space->limits_are_set) {
        (void)__atomic_fetch_sub(&nlimited, 1, __ATOMIC_RELAXED);
        space->limits_are_set = false;
    }
}

void mm_read_working_set_limits(struct space *space, struct mm_working_set_limits *limits)
{
    mutex_lock(&space->lock);
    *limits = (struct mm_working_set_limits){.minimum_pages = space->minimum_pages,
                                             .maximum_pages = space->maximum_pages,
                                             .hard_minimum = space->hard_minimum,
                                             .hard_maximum = space->hard_maximum};
    mutex_unlock(&space->lock);
}

/* Brings the limits into range. => STATUS_SUCCESS: they were. */
static status_t adjust(struct mm_working_set_limits *limits)
{
    uint32_t frames = mi_frames_low() + mi_frames_high();
    uint32_t most = frames - mi_room(frames);
    uint32_t minimum = max_u32(limits->minimum_pages, WORKING_SET_MINIMUM_PAGES);
    uint32_t maximum = min_u32(max_u32(limits->maximum_pages, minimum), most);
    if (limits->maximum_pages < limits->minimum_pages) {
        return STATUS_BAD_WORKING_SET_LIMIT;
    }
    if (minimum > most) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    bool same = minimum == limits->minimum_pages && maximum == limits->maximum_pages;
    limits->minimum_pages = minimum;
    limits->maximum_pages = maximum;
    return same ? STATUS_SUCCESS : STATUS_WORKING_SET_LIMIT_RANGE;
}

/* Charges a hard minimum, or gives the charge of the old one back. => space lock held. */
static status_t charge_locked(const struct space *space, const struct mm_working_set_limits *limits)
{
    uint32_t before = mi_working_set_charge(space);
    uint32_t after = limits->hard_minimum ? limits->minimum_pages : 0;
    if (after > before) {
        return mm_charge_resident(after - before);
    }
    mm_return_resident(before - after);
    return STATUS_SUCCESS;
}

/* => space lock held. */
static status_t set_locked(struct space *space, const struct mm_working_set_limits *limits)
{
    if (space->dying) {
        return STATUS_PROCESS_IS_TERMINATING;
    }
    if (space->locked_pages != 0 &&
        limits->minimum_pages < space->locked_pages + LOCK_OVERHEAD_PAGES) {
        return STATUS_BAD_WORKING_SET_LIMIT;
    }
    status_t status = charge_locked(space, limits);
    if (is_error(status)) {
        return status;
    }
    space->minimum_pages = limits->minimum_pages;
    space->maximum_pages = limits->maximum_pages;
    space->hard_minimum = limits->hard_minimum;
    space->hard_maximum = limits->hard_maximum;
    if (!space->limits_are_set) {
        (void)__atomic_fetch_add(&nlimited, 1, __ATOMIC_RELAXED);
        space->limits_are_set = true;
    }
    (void)mi_trim_space_to(space, space->maximum_pages);
    return STATUS_SUCCESS;
}

status_t mm_set_working_set_limits(struct space *space, const struct mm_working_set_limits *wanted)
{
    struct mm_working_set_limits limits = *wanted;
    status_t status = adjust(&limits);
    if (is_error(status)) {
        return status;
    }
    mutex_lock(&space->lock);
    status_t set = set_locked(space, &limits);
    mutex_unlock(&space->lock);
    return is_error(set) ? set : status;
}

void mi_keep_hard_maximum(struct space *space)
{
    uint32_t maximum = space->maximum_pages;
    if (space->private_pages > maximum) {
        /* A few more, so that what an instruction needs may come before the next time. */
        (void)mi_trim_space_to(space, maximum - max_u32(maximum / 16, 4));
    }
}

/* ---- emptying ---- */

/* The aliases of a view in one slot's table, but for locked ones. => the flush follows. */
static void drop_aliases(const struct vad *vad, pte_t *table, uint32_t first, uint32_t last)
{
    for (uint32_t page = first; page <= last; page++) {
        pte_t *entry = &table[page % CHUNK_PAGES];
        struct chunk *chunk = mi_chunk(vad->segment, mi_segment_page(vad, page) / CHUNK_PAGES);
        spin_lock(&chunk->lock);
        pte_t value = pte_read(entry);
        if (pte_is_valid(value) && mi_pfn(pte_frame(value))->kind == FRAME_SEGMENT &&
            !mi_page_is_locked(vad->space, page)) {
            mi_drop_alias(pte_exchange(entry, pte_make_soft(PTE_PROTOTYPE, pte_prot(value))));
        }
        spin_unlock(&chunk->lock);
    }
}

/* => space lock held. */
static void drop_view(const struct vad *vad)
{
    for (uint32_t page = vad->first; page <= vad->last;) {
        uint32_t last = min_u32(vad->last, page | (CHUNK_PAGES - 1));
        mi_unshare_slot(vad->space, page / CHUNK_PAGES);
        pte_t *table = mi_private_table(vad->space, page / CHUNK_PAGES);
        if (table != NULL) {
            drop_aliases(vad, table, page, last);
        }
        page = last + 1;
    }
}

void mm_empty_working_set(struct space *space)
{
    mutex_lock(&space->lock);
    mi_evict_pages(space, 0, USER_LAST_PAGE);
    for (struct tree_node *node = tree_first(&space->vads); node != NULL; node = tree_next(node)) {
        const struct vad *vad = container_of(node, struct vad, node);
        if (vad_is_view(vad)) {
            drop_view(vad);
        }
    }
    tlb_flush_root(&space->root);
    mutex_unlock(&space->lock);
}
