/*
 * tests/host/simulate_working_set.c: the calls of the simulation that have to do with working sets:
 * emptying one, which takes pages out at any moment and not only when memory is short; limits;
 * pages that are locked, which must stay where they are until they are unlocked.
 */
#include "simulate.h"

#include "abi/constants.h"
#include "mm/lock.h"
#include "mm/working_set.h"

#define LOCK_MAX 12u

void sim_call_empty(struct actor *actor)
{
    struct sim_process *process = sim_any_process();

    if (process == NULL) {
        return;
    }
    sim_say(actor, "empties process %u", (unsigned)(process - simulation.processes));
    process->users++;
    mm_empty_working_set(process->space);
    process->users--;
}

/* A maximum that is often too small for what the process uses. */
void sim_call_limits(struct actor *actor)
{
    struct sim_process *process = sim_any_process();
    struct mm_working_set_limits limits = {.hard_minimum = sim_random(4) == 0,
                                           .hard_maximum = sim_random(2) == 0};

    if (process == NULL) {
        return;
    }
    limits.minimum_pages = WORKING_SET_MINIMUM_PAGES + sim_random(30);
    limits.maximum_pages = limits.minimum_pages + sim_random(sim_random(2) == 0 ? 10 : 300);
    process->users++;
    status_t status = mm_set_working_set_limits(process->space, &limits);
    sim_say(actor, "limits process %u to %u..%u: 0x%08x",
            (unsigned)(process - simulation.processes), limits.minimum_pages, limits.maximum_pages,
            (unsigned)status);
    if (status != STATUS_WORKING_SET_LIMIT_RANGE && status != STATUS_BAD_WORKING_SET_LIMIT) {
        (void)sim_expect("mm_set_working_set_limits", status, STATUS_SUCCESS);
    }
    process->users--;
}

/* Locked pages are valid in the process's own tables, whatever others do. */
static void check_locked(const struct sim_process *process, uint32_t first, uint32_t npages)
{
    for (uint32_t page = first; page < first + npages; page++) {
        pte_t value;

        if (!sim_private_entry(process->space, page, &value) || !pte_is_valid(value)) {
            sim_wrong("page 0x%05x is locked, and its entry is 0x%016llx", page,
                      (unsigned long long)value.v);
        }
    }
}

/* Whether locking may have ended so: of pages that are barred, guarded, lost or too many. */
static bool may_be_refused(status_t status)
{
    return status == STATUS_WORKING_SET_QUOTA || status == STATUS_ACCESS_VIOLATION ||
           status == STATUS_GUARD_PAGE_VIOLATION || status == STATUS_IN_PAGE_ERROR ||
           sim_is_disk_error(status) || sim_was_refused(status);
}

/* The pages may have been touched; a guard that was met, on whichever of them, is gone. */
static void note_touched(const struct model_change *change)
{
    struct model_region *region = change->region;

    for (uint32_t page = change->first; page < change->first + change->count; page++) {
        uint8_t *own = &region->own.touched[page];

        *own = *own == UNTOUCHED ? MAYBE_TOUCHED : *own;
        if (region->shared != NULL) {
            uint8_t *shared = &region->shared->touched[region->shared_page + page];
            *shared = *shared == UNTOUCHED ? MAYBE_TOUCHED : *shared;
        }
        region->pages[page].loose =
            region->pages[page].loose || (region->pages[page].prot & PAGE_GUARD) != 0;
    }
}

/* Locks a few pages for a while; sometimes they stay so until their region changes or goes. */
static void lock(struct actor *actor, struct sim_process *process, struct model_region *region)
{
    uint32_t first = sim_random(region->npages);
    uint32_t npages = 1 + sim_random(min_u32(LOCK_MAX, region->npages - first));
    uaddr_t base = {region->base + first * PAGE_BYTES};
    uint32_t nbytes = npages * PAGE_BYTES;
    struct model_change change = {.region = region, .first = first, .count = npages};

    model_change_begin(&change);
    status_t status = mm_lock_virtual(process->space, &base, &nbytes);
    sim_say(actor, "locks 0x%08x + %u: 0x%08x", base.v, npages, (unsigned)status);
    note_touched(&change);
    model_change_end(&change);
    if (status != STATUS_SUCCESS && status != STATUS_WAS_LOCKED) {
        if (!may_be_refused(status)) {
            sim_wrong("mm_lock_virtual gave 0x%08x", (unsigned)status);
        }
        return;
    }
    check_locked(process, base.v / PAGE_BYTES, npages);
    thread_sleep_until(clock_now() + sim_random(3000000), false, NULL);
    check_locked(process, base.v / PAGE_BYTES, npages);
    if (sim_random(4) != 0) {
        status = mm_unlock_virtual(process->space, &base, &nbytes);
        (void)sim_expect("mm_unlock_virtual", status, STATUS_SUCCESS);
    }
}

void sim_call_lock(struct actor *actor)
{
    struct sim_process *process = sim_any_process();
    struct model_region *region = process == NULL ? NULL : sim_claim(process);

    if (region == NULL) {
        return;
    }
    process->users++;
    lock(actor, process, region);
    region->claimed = false;
    process->users--;
}
