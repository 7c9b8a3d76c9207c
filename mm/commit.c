/*
 * mm/commit.c: the two charges.
 *
 * Everything that will ever need a frame or a slot is charged before it is promised; so taking a
 * charged frame cannot fail, and no touch of committed memory does. Memory that cannot leave RAM is
 * charged twice: to commit, and against resident-available. The limit of commit is RAM and the
 * paging file. What cannot leave RAM yet, though it will (pages of segments), is charged as pinned:
 * with all that is resident it leaves private pages some room to move in.
 */
#include "mm/commit.h"

#include "kernel/lock.h"
#include "mm/commit_limits.h"
#include "mm/frame.h"

static struct spinlock commit_lock = SPINLOCK_INIT(RANK_COMMIT);
static struct mm_charges charges; /* [commit lock] */
static uint32_t resident_charged; /* [commit lock] */
static uint32_t pageable_limit;   /* [commit lock] what is not resident may be this much */
static uint32_t pinned_charged;   /* [commit lock] pageable in principle, but not yet evicted */
static uint32_t pinned_limit;     /* [commit lock] */
static uint32_t fail_countdown;   /* [commit lock] 0: charges do not fail on purpose */

void mi_commit_init(uint32_t low_frames, uint32_t high_frames)
{
    uint32_t reserve = high_frames == 0 ? 0 : low_frames / 2;
    charges = (struct mm_charges){.commit_limit = low_frames + high_frames,
                                  .resident_available = high_frames == 0 ? low_frames : reserve};
    resident_charged = 0;
    fail_countdown = 0;
    pageable_limit = low_frames + high_frames - reserve;
    pinned_charged = 0;
    pinned_limit = pageable_limit;
}

void mi_commit_grow(uint32_t npages, uint32_t room)
{
    spin_lock(&commit_lock);
    charges.commit_limit += npages - min_u32(npages, room);
    pageable_limit += npages - min_u32(npages, room);
    pinned_limit -= min_u32(pinned_limit, room);
    charges.resident_available -= min_u32(charges.resident_available, room);
    spin_unlock(&commit_lock);
}

/* => commit lock held. */
static bool fails_on_purpose(void)
{
    return fail_countdown != 0 && --fail_countdown == 0;
}

static void charge_locked(uint32_t npages)
{
    charges.commit += npages;
    if (charges.commit > charges.commit_peak) {
        charges.commit_peak = charges.commit;
    }
}

status_t mm_charge_commit(uint32_t npages)
{
    status_t status = STATUS_COMMITMENT_LIMIT;
    spin_lock(&commit_lock);
    uint32_t pageable = charges.commit - resident_charged;
    if (!fails_on_purpose() && npages <= charges.commit_limit - charges.commit &&
        npages <= pageable_limit - pageable) {
        charge_locked(npages);
        status = STATUS_SUCCESS;
    }
    spin_unlock(&commit_lock);
    return status;
}

status_t mi_charge_pinned(uint32_t npages)
{
    status_t status = mm_charge_commit(npages);
    if (is_error(status)) {
        return status;
    }
    spin_lock(&commit_lock);
    uint32_t resident = resident_charged < pinned_limit ? resident_charged : pinned_limit;
    if (npages > pinned_limit - pinned_charged ||
        pinned_charged + npages > pinned_limit - resident) {
        status = STATUS_COMMITMENT_LIMIT;
    } else {
        pinned_charged += npages;
    }
    spin_unlock(&commit_lock);
    if (is_error(status)) {
        mm_return_commit(npages);
    }
    return status;
}

void mi_return_pinned(uint32_t npages)
{
    spin_lock(&commit_lock);
    pinned_charged -= npages;
    spin_unlock(&commit_lock);
    mm_return_commit(npages);
}

void mm_return_commit(uint32_t npages)
{
    spin_lock(&commit_lock);
    ASSERT(charges.commit >= resident_charged + npages);
    charges.commit -= npages;
    spin_unlock(&commit_lock);
}

status_t mm_charge_resident(uint32_t npages)
{
    status_t status = STATUS_SUCCESS;
    spin_lock(&commit_lock);
    if (fails_on_purpose() || npages > charges.resident_available) {
        status = STATUS_INSUFFICIENT_RESOURCES;
    } else if (npages > charges.commit_limit - charges.commit ||
               (pinned_charged != 0 && resident_charged + npages > pinned_limit - pinned_charged)) {
        status = STATUS_COMMITMENT_LIMIT;
    } else {
        charge_locked(npages);
        resident_charged += npages;
        charges.resident_available -= npages;
    }
    spin_unlock(&commit_lock);
    return status;
}

void mm_return_resident(uint32_t npages)
{
    spin_lock(&commit_lock);
    ASSERT(resident_charged >= npages && charges.commit >= npages);
    charges.commit -= npages;
    resident_charged -= npages;
    charges.resident_available += npages;
    spin_unlock(&commit_lock);
}

void mm_read_charges(struct mm_charges *now)
{
    spin_lock(&commit_lock);
    *now = charges;
    spin_unlock(&commit_lock);
}

void mm_charge_fail_after(uint32_t n)
{
    spin_lock(&commit_lock);
    fail_countdown = n;
    spin_unlock(&commit_lock);
}
