/*
 * mm/space.c: address spaces: creation, emptying, end, and the page that all of them share.
 */
#include "mm/space.h"

#include "kernel/string.h"
#include "mm/commit.h"
#include "mm/frame.h"
#include "mm/link.h"
#include "mm/pool.h"
#include "mm/regions.h"
#include "mm/space_list.h"
#include "mm/table.h"
#include "mm/trim.h"
#include "mm/vad.h"
#include "mm/working_sets.h"

#define SPACE_FRAMES 4u /* root, two directories, slot bitmap */

static struct spinlock spaces_lock = SPINLOCK_INIT(RANK_SEGMENTS);
static struct list spaces = {&spaces, &spaces}; /* [spaces lock] */
static uint32_t next_id = 1;                    /* [spaces lock] */
static struct pool_cache space_cache;
static pfn_t shared_page;

void mi_space_init(void)
{
    mm_pool_init(&space_cache, "space", sizeof(struct space));
    VERIFY(is_success(mm_charge_resident(1)));
    shared_page = mi_take_table_frame(FRAME_KERNEL);
}

pfn_t mm_shared_page(void)
{
    return shared_page;
}

/* Enters the VAD of the shared page, and its one entry. */
static status_t map_shared_page(struct space *space)
{
    struct vad *vad = mi_vad_allocate(space);
    if (vad == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    vad->kind = VAD_SHARED_PAGE;
    vad->first = USER_SHARED >> PAGE_SHIFT;
    vad->last = vad->first;
    vad->prot = PROT_EXECUTE_READ;
    vad->allocated = PROT_EXECUTE_READ;
    vad->committed = true;
    status_t status = mi_vad_insert(space, vad);
    if (is_error(status)) {
        mi_vad_free(vad);
        return status;
    }
    pte_t *table;
    VERIFY(is_success(mi_table_get(space, vad->first / CHUNK_PAGES, true, &table)));
    mi_entry_write(&table[vad->first % CHUNK_PAGES],
                   mi_pte_make_user(shared_page, PROT_EXECUTE_READ, PTE_ACCESSED));
    return STATUS_SUCCESS;
}

static void unmap_shared_page(struct space *space, struct vad *vad)
{
    uint32_t slot = vad->first / CHUNK_PAGES;
    pte_t *table = mi_private_table(space, slot);
    (void)mi_entry_take(&table[vad->first % CHUNK_PAGES]);
    mi_unmap_range(space, vad, vad->first, vad->last); /* the table, if it is empty now */
    mi_vad_remove(space, vad);
    mi_vad_free(vad);
}

/* Root, directories, bitmap. => charged. */
static void make_frames(struct space *space)
{
    pfn_t top = mi_wait_for_table_frame(FRAME_DIRECTORY, NULL);
    pfn_t directories[2];
    for (uint32_t i = 0; i < 2; i++) {
        directories[i] = mi_wait_for_table_frame(FRAME_DIRECTORY, NULL);
        mi_pfn(directories[i])->original = space->id;
        mi_pfn(directories[i])->entry = (uint16_t)i; /* which of the two, for the trace */
    }
    mi_pfn(top)->original = space->id;
    paging_root_create(&space->root, top, directories);
    space->slots = frame_address(mi_wait_for_table_frame(FRAME_KERNEL, NULL));
    space->slots[0] = 1; /* the first 64 KiB are nobody's */
}

status_t mm_space_create(struct space **result)
{
    mi_wait_for_tables(2 * SPACE_FRAMES);
    status_t status = mm_charge_resident(SPACE_FRAMES);
    if (is_error(status)) {
        return status;
    }
    struct space *space = mm_pool_allocate(&space_cache);
    if (space == NULL) {
        mm_return_resident(SPACE_FRAMES);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    mutex_init(&space->lock, RANK_SPACE);
    list_init(&space->locked_slots);
    mi_working_set_init(space);
    spin_lock(&spaces_lock);
    space->id = next_id++;
    list_insert_tail(&spaces, &space->link);
    spin_unlock(&spaces_lock);
    make_frames(space);
    mutex_lock(&space->lock);
    status = map_shared_page(space);
    space->dying = is_error(status);
    mutex_unlock(&space->lock);
    if (is_error(status)) {
        mm_space_destroy(space);
        return status;
    }
    *result = space;
    return STATUS_SUCCESS;
}

void mm_space_empty(struct space *space)
{
    mutex_lock(&space->lock);
    space->dying = true;
    for (;;) {
        struct tree_node *node = tree_first(&space->vads);
        if (node == NULL) {
            break;
        }
        struct vad *vad = container_of(node, struct vad, node);
        switch (vad->kind) {
        case VAD_PRIVATE:
            mi_release_private(space, vad);
            break;
        case VAD_VIEW:
        case VAD_IMAGE: {
            struct section *section = mi_remove_view(space, vad);
            mutex_unlock(&space->lock);
            mi_view_gone(section);
            mutex_lock(&space->lock);
            break;
        }
        case VAD_SHARED_PAGE:
            unmap_shared_page(space, vad);
            break;
        }
    }
    mi_working_set_end(space);
    ASSERT(space->table_pages == 0 && space->private_pages == 0 && space->commit == 0);
    mutex_unlock(&space->lock);
}

void mm_space_destroy(struct space *space)
{
    ASSERT(space->vads.root == NULL && space->table_pages == 0 && space->table_slots == 0);
    mi_trim_lock_quiet(space);
    spin_lock(&spaces_lock);
    list_remove(&space->link);
    spin_unlock(&spaces_lock);
    mi_trim_unlock();
    mi_release_frame(frame_of(space->slots));
    mi_release_frame(space->root.directories[0]);
    mi_release_frame(space->root.directories[1]);
    mi_release_frame(space->root.top);
    mm_return_resident(SPACE_FRAMES);
    mm_pool_free(&space_cache, space);
}

uint32_t mi_spaces_count(void)
{
    spin_lock(&spaces_lock);
    uint32_t count = list_length(&spaces);
    spin_unlock(&spaces_lock);
    return count;
}

struct space *mi_spaces_next(void)
{
    spin_lock(&spaces_lock);
    struct space *space = list_entry(list_rotate(&spaces), struct space, link);
    spin_unlock(&spaces_lock);
    return space;
}

void mi_space_for_each(void (*visit)(struct space *space, void *context), void *context)
{
    spin_lock(&spaces_lock);
    list_for_each(link, &spaces) {
        visit(list_entry(link, struct space, link), context);
    }
    spin_unlock(&spaces_lock);
}
