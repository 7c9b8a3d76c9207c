/*
 * mm/commit.c: the two charges.
 *
 * Everything that will ever need a frame or a slot is charged before it is promised; so taking a
 * charged frame cannot fail, and no touch of committed memory does. Memory that cannot leave RAM is
 * charged twice: to commit, and against resident-available. The limit of commit is RAM and the
 * paging file, less some room: frames promised to nobody, for pages to come and go through.
 */
#include "mm/commit.h"

#include "kernel/failpoint.h"
#include "kernel/lock.h"
#include "kernel/thread.h"
#include "mm/commit_limits.h"
#include "mm/frame.h"

static struct spinlock commit_lock = SPINLOCK_INIT(RANK_COMMIT);
static struct mm_charges charges; /* [commit lock] */
static uint32_t resident_charged; /* [commit lock] */
static uint32_t pageable_limit;   /* [commit lock] what is not resident may be this much */
static uint32_t owed;        /* [commit lock] lost slots and frames that the limits still count */
static bool has_high_frames; /* [c] */

void mi_commit_init(uint32_t low_frames, uint32_t high_frames)
{
    uint32_t room = mi_room(low_frames + high_frames);
    uint32_t reserve = high_frames == 0 ? room : low_frames / 2;
    charges =
        (struct mm_charges){.commit_limit = low_frames + high_frames - room,
                            .resident_available = high_frames == 0 ? low_frames - room : reserve};
    resident_charged = 0;
    owed = 0;
    has_high_frames = high_frames != 0;
    pageable_limit = low_frames + high_frames - max_u32(reserve, room);
}

static uint32_t room_locked(void)
{
    return min_u32(charges.commit_limit - charges.commit,
                   pageable_limit - (charges.commit - resident_charged));
}

uint32_t mi_commit_room(void)
{
    spin_lock(&commit_lock);
    uint32_t room = room_locked();
    spin_unlock(&commit_lock);
    return room;
}

/* What a charge that was refused asked for; each thread has its own, so that none takes another's.
 */
static void note_refused(uint32_t npages)
{
    thread_self()->commit_refused = npages;
}

void mm_forget_refusal(void)
{
    note_refused(0);
}

bool mi_commit_is_missing(uint32_t slack, uint32_t *npages)
{
    uint32_t refused = thread_self()->commit_refused;
    uint32_t room = mi_commit_room();
    *npages = refused + slack - min_u32(refused + slack, room);
    note_refused(0);
    return refused != 0;
}

/* Lowers the limits by what was lost, as far as nothing is promised on them. */
static void pay_locked(void)
{
    uint32_t now = min_u32(owed, room_locked());
    charges.commit_limit -= now;
    pageable_limit -= now;
    owed -= now;
}

void mi_commit_grow(uint32_t npages)
{
    spin_lock(&commit_lock);
    charges.commit_limit += npages;
    pageable_limit += npages;
    pay_locked();
    spin_unlock(&commit_lock);
}

void mi_commit_lose(uint32_t npages)
{
    spin_lock(&commit_lock);
    owed += npages;
    pay_locked();
    spin_unlock(&commit_lock);
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
    if (failpoint_is_hit(FAILPOINT_CHARGE)) {
        note_refused(0);
    } else if (npages <= charges.commit_limit - charges.commit &&
               npages <= pageable_limit - pageable) {
        charge_locked(npages);
        status = STATUS_SUCCESS;
    } else {
        note_refused(npages);
    }
    spin_unlock(&commit_lock);
    return status;
}

void mm_return_commit(uint32_t npages)
{
    spin_lock(&commit_lock);
    ASSERT(charges.commit >= resident_charged + npages);
    charges.commit -= npages;
    if (owed != 0) {
        pay_locked();
    }
    spin_unlock(&commit_lock);
}

status_t mm_charge_resident(uint32_t npages)
{
    status_t status = STATUS_SUCCESS;
    spin_lock(&commit_lock);
    if (failpoint_is_hit(FAILPOINT_CHARGE) || npages > charges.resident_available) {
        status = STATUS_INSUFFICIENT_RESOURCES;
    } else if (npages > charges.commit_limit - charges.commit) {
        status = STATUS_COMMITMENT_LIMIT;
        note_refused(npages);
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
    if (owed != 0) {
        pay_locked();
    }
    spin_unlock(&commit_lock);
}

status_t mi_charge_tables(uint32_t ntables)
{
    return has_high_frames ? mm_charge_resident(ntables) : mm_charge_commit(ntables);
}

void mi_return_tables(uint32_t ntables)
{
    if (has_high_frames) {
        mm_return_resident(ntables);
    } else {
        mm_return_commit(ntables);
    }
}

void mm_read_charges(struct mm_charges *now)
{
    spin_lock(&commit_lock);
    *now = charges;
    spin_unlock(&commit_lock);
}
