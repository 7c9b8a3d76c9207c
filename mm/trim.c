/*
 * mm/trim.c: choosing what leaves RAM, and the balancer.
 *
 * Private pages are aged by their accessed bits, a clock over each space's private tables: a page
 * that was accessed since the hand last came by loses the bit and stays; one that was not is put
 * out of reach (TRANSITION), and when the flush is acknowledged (M6) its frame goes to the standby
 * list, if its slot still holds its contents, or to the modified list. A touch brings it back from
 * either without I/O. The spaces take turns.
 *
 * The balancer is one thread. It works from the moment when fewer than twice the reserve are
 * available until that many are, and never waits for memory: what it needs was made at start.
 */
#include "mm/trim.h"

#include "kernel/clock.h"
#include "kernel/thread.h"
#include "kernel/wait.h"
#include "mm/frame.h"
#include "mm/link.h"
#include "mm/slots.h"
#include "mm/space_list.h"
#include "mm/stack.h"
#include "mm/vad.h"

#define EVICT_BATCH 64u

static struct waitable work; /* auto: frames run short */
static bool started;
static struct thread balancer;

void mi_balancer_wake(void)
{
    if (started) {
        (void)event_set(&work);
    }
}

/* One pass over a part of a space. */
struct trimming {
    struct space *space;
    uint32_t wanted; /* pages to evict */
    uint32_t evicted;
    uint32_t count; /* frames in the batch */
    bool aged;      /* accessed bits were cleared: flush at the end */
    struct {
        pfn_t frame;
        bool dirty;
    } batch[EVICT_BATCH];
};

/* The batch's translations are flushed, and its frames leave. => space lock held. */
static void flush_batch(struct trimming *trimming)
{
    if (trimming->count == 0 && !trimming->aged) {
        return;
    }
    tlb_flush_root(&trimming->space->root);
    for (uint32_t i = 0; i < trimming->count; i++) {
        if (trimming->batch[i].dirty) {
            mi_forget_slot(trimming->batch[i].frame);
        }
        mi_retire_frame(trimming->batch[i].frame);
    }
    trimming->evicted += trimming->count;
    trimming->count = 0;
    trimming->aged = false;
}

/* Ages one entry, or puts its page out of reach. */
static void visit_entry(struct trimming *trimming, pte_t *entry)
{
    pte_t value = pte_read(entry);
    if (!pte_is_valid(value)) {
        return;
    }
    pfn_t frame = pte_frame(value);
    struct pfn *record = mi_pfn(frame);
    if (record->kind != FRAME_PRIVATE || record->state != FRAME_ACTIVE) {
        return;
    }
    if ((value.v & PTE_ACCESSED) != 0) {
        (void)pte_compare_exchange(entry, value, (pte_t){value.v & ~PTE_ACCESSED});
        trimming->aged = true;
        return;
    }
    pte_t old = pte_exchange(entry, pte_make_transition(frame, pte_prot(value)));
    record->use.shares = 0;
    trimming->space->private_pages--;
    trimming->batch[trimming->count].frame = frame;
    trimming->batch[trimming->count].dirty = (old.v & PTE_DIRTY) != 0;
    if (++trimming->count == EVICT_BATCH) {
        flush_batch(trimming);
    }
}

/* Moves the hand of a space around once, or until enough is evicted. => space lock held. */
static void trim_space(struct trimming *trimming)
{
    struct space *space = trimming->space;
    for (uint32_t step = 0; step <= 2 * CHUNK_PAGES; step++) {
        uint32_t slot = space->trim_page / CHUNK_PAGES;
        pte_t *table = mi_private_table(space, slot);
        while (table != NULL && space->trim_page / CHUNK_PAGES == slot) {
            visit_entry(trimming, &table[space->trim_page % CHUNK_PAGES]);
            space->trim_page++;
            if (trimming->evicted + trimming->count >= trimming->wanted) {
                return;
            }
        }
        uint32_t next = slot + 1 < 2 * CHUNK_PAGES ? slot + 1 : 0;
        space->trim_page = next * CHUNK_PAGES;
    }
}

static uint32_t trim_one(struct space *space, uint32_t wanted)
{
    static struct trimming trimming; /* [trim lock] */
    mutex_lock(&space->lock);
    trimming = (struct trimming){.space = space, .wanted = wanted};
    trim_space(&trimming);
    flush_batch(&trimming);
    mutex_unlock(&space->lock);
    return trimming.evicted;
}

/* Evicts up to WANTED pages, the spaces taking turns; how many. */
static uint32_t trim(uint32_t wanted)
{
    uint32_t evicted = 0;
    uint32_t nspaces = mi_spaces_lock();
    for (uint32_t i = 0; i < nspaces && evicted < wanted; i++) {
        evicted += trim_one(mi_spaces_next(), wanted - evicted);
    }
    mi_spaces_unlock();
    return evicted;
}

static uint32_t modified_frames(void)
{
    return mi_frame_list_length(FRAME_MODIFIED, ZONE_LOW) +
           mi_frame_list_length(FRAME_MODIFIED, ZONE_HIGH);
}

/*
 * Until enough is available. While nothing can be written (the disk fails), clean pages are still
 * looked for; when there is nothing to do at all, again a little later.
 */
static void balance(void)
{
    bool stuck = false;
    for (;;) {
        uint32_t available = mi_frames_available(); /* once: frames come and go meanwhile */
        if (available >= mi_frames_wanted()) {
            return;
        }
        uint32_t missing = mi_frames_wanted() - available;
        uint32_t modified = modified_frames();
        uint32_t evicted = 0;
        if (modified < missing || stuck) {
            evicted = trim(max_u32(missing, EVICT_BATCH));
        }
        uint32_t written = mi_pagefile_write();
        stuck = written == 0;
        if (evicted == 0 && written == 0) {
            status_t status;
            thread_sleep_until(clock_now() + NS_PER_MS, false, &status);
        }
    }
}

static void balancer_main(void *argument)
{
    (void)argument;
    for (;;) {
        VERIFY(wait_for(&work, WAIT_FOREVER, false) == STATUS_SUCCESS);
        balance();
    }
}

status_t mi_balancer_start(void)
{
    void *stack;
    status_t status = mm_create_kernel_stack(&stack);
    if (is_error(status)) {
        return status;
    }
    waitable_init_event(&work, false, false);
    thread_init(&balancer, &(struct thread_parameters){.name = "balancer",
                                                       .entry = balancer_main,
                                                       .stack_base = stack,
                                                       .stack_nbytes = KERNEL_STACK_BYTES,
                                                       .priority = PRIORITY_HIGH});
    started = true;
    mi_set_reserve(max_u32(64, min_u32(512, (mi_frames_low() + mi_frames_high()) / 64)));
    thread_start(&balancer);
    return STATUS_SUCCESS;
}
