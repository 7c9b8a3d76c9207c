/*
 * mm/stack.c: kernel stacks: a slot of the stack area each, with an unmapped guard page below, so
 * that an overflow is a double fault and not a quiet overwrite.
 *
 * With a stack are charged the frames that its thread may await (M9). A few freed stacks are kept
 * mapped for the next thread; the drain gives them back.
 */
#include "mm/stack.h"

#include "kernel/bitmap.h"
#include "kernel/lock.h"
#include "kernel/paging.h"
#include "kernel/thread.h"
#include "mm/await.h"
#include "mm/commit.h"
#include "mm/frame.h"
#include "mm/stack_cache.h"
#include "mm/trim.h"

#define STACK_PAGES  (KERNEL_STACK_BYTES / PAGE_BYTES)
#define SPARE_STACKS 4u
#define STACK_CHARGE (STACK_PAGES + AWAITED_PAGES)

static struct spinlock stack_lock = SPINLOCK_INIT(RANK_SEGMENT);
static uint32_t slot_words[BITMAP_WORDS(KERNEL_STACK_SLOTS)]; /* [stack lock] */
static struct bitmap slots = {.words = slot_words, .nbits = KERNEL_STACK_SLOTS};
static void *spare[SPARE_STACKS]; /* [stack lock] */
static uint32_t nspare;           /* [stack lock] */
static uint32_t nstacks;          /* [stack lock] mapped, spare ones among them */
static uint32_t table_pages;      /* [stack lock] of the stack area; never freed */

static uint32_t slot_of(const void *base)
{
    uint32_t stride = (uint32_t)((char *)kernel_stack_address(1) - (char *)kernel_stack_address(0));
    return (uint32_t)((const char *)base - (char *)kernel_stack_address(0)) / stride;
}

/*
 * SLOT is mapped, with MISSING tables more, as it was when the slot was taken. The frames come one
 * by one, and nothing is locked meanwhile: whoever else makes a stack may wait for them, too.
 * => charged.
 */
static void map_slot(uint32_t slot, uint32_t missing)
{
    pfn_t frames[STACK_PAGES];
    for (uint32_t i = 0; i < STACK_PAGES; i++) {
        frames[i] = mi_wait_for_table_frame(FRAME_KERNEL, NULL);
    }
    pfn_t table = missing != 0 ? mi_wait_for_table_frame(FRAME_KERNEL, NULL) : PFN_NONE;
    spin_lock(&stack_lock);
    bool late = kernel_stack_tables_missing(slot) < missing; /* who has a neighbour made it */
    kernel_stack_map(slot, frames, late ? PFN_NONE : table);
    table_pages += late ? 0 : missing;
    nstacks++;
    spin_unlock(&stack_lock);
    if (late) {
        mi_release_frame(table);
        mm_return_resident(1);
    }
}

/* A spare stack, or SLOT to be mapped with MISSING tables; BITMAP_NONE: there is none. */
static void *take_spare_or_slot(uint32_t *slot, uint32_t *missing)
{
    void *base = NULL;
    *slot = BITMAP_NONE;
    *missing = 0;
    spin_lock(&stack_lock);
    if (nspare > 0) {
        base = spare[--nspare];
    } else {
        *slot = bitmap_allocate(&slots, 1);
        *missing = *slot == BITMAP_NONE ? 0 : kernel_stack_tables_missing(*slot);
    }
    spin_unlock(&stack_lock);
    return base;
}

status_t mm_create_kernel_stack(void **base)
{
    uint32_t slot;
    uint32_t missing;
    mi_wait_for_tables(STACK_PAGES + 1);
    void *found = take_spare_or_slot(&slot, &missing);
    if (found != NULL) {
        *base = found;
        return STATUS_SUCCESS;
    }
    if (slot == BITMAP_NONE) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    status_t status = mm_charge_resident(STACK_CHARGE + missing);
    if (is_error(status)) {
        spin_lock(&stack_lock);
        bitmap_free(&slots, slot, 1);
        spin_unlock(&stack_lock);
        return status;
    }
    map_slot(slot, missing);
    *base = kernel_stack_address(slot);
    return STATUS_SUCCESS;
}

status_t mm_start_thread(struct thread *thread, const char *name, void (*entry)(void *argument),
                         uint8_t priority)
{
    void *stack;
    status_t status = mm_create_kernel_stack(&stack);
    if (is_error(status)) {
        return status;
    }
    thread_init(thread, &(struct thread_parameters){.name = name,
                                                    .entry = entry,
                                                    .stack_base = stack,
                                                    .stack_nbytes = KERNEL_STACK_BYTES,
                                                    .priority = priority});
    thread_start(thread);
    return STATUS_SUCCESS;
}

/* => stack lock held. */
static void unmap_slot_locked(uint32_t slot)
{
    pfn_t frames[STACK_PAGES];
    kernel_stack_unmap(slot, frames);
    for (uint32_t i = 0; i < STACK_PAGES; i++) {
        mi_release_frame(frames[i]);
    }
    mm_return_resident(STACK_CHARGE);
    nstacks--;
    bitmap_free(&slots, slot, 1);
}

void mm_destroy_kernel_stack(void *base)
{
    spin_lock(&stack_lock);
    if (nspare < SPARE_STACKS) {
        spare[nspare++] = base;
    } else {
        unmap_slot_locked(slot_of(base));
    }
    spin_unlock(&stack_lock);
}

void mi_stack_drain(void)
{
    spin_lock(&stack_lock);
    while (nspare > 0) {
        unmap_slot_locked(slot_of(spare[--nspare]));
    }
    spin_unlock(&stack_lock);
}

uint32_t mi_stack_awaited_pages(void)
{
    return nstacks * AWAITED_PAGES;
}

uint32_t mi_stack_table_pages(void)
{
    return table_pages;
}
