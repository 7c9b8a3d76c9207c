/*
 * fs/range_lock.c: byte ranges of files that programs lock.
 *
 * A lock belongs to an open, a process and a key together; whoever else reads or writes the bytes
 * is refused, views are not. A shared lock lets everyone read and nobody write, its owner included;
 * an exclusive one lets its owner do both. Locks that overlap can stand side by side when both are
 * shared, or when the newer is shared and the older belongs to the same owner.
 *
 * There are few: all of them lie in one list, in the order of their making. Lock: one spinlock.
 * Whoever waits for a range looks again when anything was given up.
 */
#include "fs/range_lock.h"

#include "fs/internal.h"
#include "mm/pool.h"
#include "quire/assert.h"

struct range_lock {
    struct list link;             /* [lock] */
    const struct open_file *open; /* [c] */
    struct range_owner owner;     /* [c] */
    uint64_t offset;              /* [c] */
    uint64_t nbytes;              /* [c] 0: it stands in nobody's way */
    bool exclusive;               /* [c] */
};

static struct spinlock lock = SPINLOCK_INIT(RANK_SEGMENT);
static struct list ranges = {&ranges, &ranges}; /* [lock] */
static uint32_t nwaiting;                       /* [lock] threads that wait for a change */
static struct waitable changed;                 /* manual; reset by who is about to wait */

void fsi_start_ranges(void)
{
    waitable_init_event(&changed, true, false);
}

static bool overlaps(const struct range_lock *range, const struct open_file *open, uint64_t offset,
                     uint64_t nbytes)
{
    return range->open->file == open->file && nbytes > 0 && range->nbytes > 0 &&
           offset <= range->offset + (range->nbytes - 1) && range->offset <= offset + (nbytes - 1);
}

static bool is_owner(const struct range_lock *range, const struct open_file *open,
                     const struct range_owner *owner)
{
    return range->open == open && range->owner.process == owner->process &&
           range->owner.key == owner->key;
}

/* Whether WANTED can stand beside the locks that there are. */
static bool can_have_locked(const struct range_lock *wanted)
{
    list_for_each(link, &ranges) {
        const struct range_lock *range = list_entry(link, struct range_lock, link);
        bool beside = !wanted->exclusive &&
                      (!range->exclusive || is_owner(range, wanted->open, &wanted->owner));
        if (!beside && overlaps(range, wanted->open, wanted->offset, wanted->nbytes)) {
            return false;
        }
    }
    return true;
}

static void wake_locked(void)
{
    if (nwaiting > 0) {
        event_set(&changed);
    }
}

/* Enters WANTED as soon as it can be had; the wait ends with the thread. */
static status_t enter_range(struct range_lock *wanted, bool wait)
{
    status_t status = STATUS_SUCCESS;

    spin_lock(&lock);
    while (!can_have_locked(wanted)) {
        if (!wait) {
            status = STATUS_LOCK_NOT_GRANTED;
            break;
        }
        nwaiting++;
        event_reset(&changed);
        spin_unlock(&lock);
        status = wait_for(&changed, WAIT_FOREVER, true);
        spin_lock(&lock);
        nwaiting--;
        if (is_error(status)) {
            break;
        }
    }
    if (is_success(status)) {
        list_insert_tail(&ranges, &wanted->link);
    }
    spin_unlock(&lock);
    return status;
}

status_t fs_lock_range(struct open_file *open, const struct range_owner *owner, uint64_t offset,
                       uint64_t nbytes, bool exclusive, bool wait)
{
    if (open->file->information.is_directory) {
        return STATUS_INVALID_PARAMETER;
    }
    if (nbytes > 0 && offset + (nbytes - 1) < offset) {
        return STATUS_INVALID_LOCK_RANGE;
    }
    struct range_lock *range = mm_allocate(sizeof(*range));
    if (range == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    *range = (struct range_lock){
        .open = open, .owner = *owner, .offset = offset, .nbytes = nbytes, .exclusive = exclusive};
    status_t status = enter_range(range, wait);
    if (is_error(status)) {
        mm_free(range, sizeof(*range));
    }
    return status;
}

/* The lock of exactly that range, the exclusive one first; or NULL. */
static struct range_lock *find_range_locked(const struct range_lock *wanted)
{
    struct range_lock *found = NULL;

    list_for_each(link, &ranges) {
        struct range_lock *range = list_entry(link, struct range_lock, link);
        if (is_owner(range, wanted->open, &wanted->owner) && range->offset == wanted->offset &&
            range->nbytes == wanted->nbytes && (found == NULL || range->exclusive)) {
            found = range;
        }
    }
    return found;
}

status_t fs_unlock_range(struct open_file *open, const struct range_owner *owner, uint64_t offset,
                         uint64_t nbytes)
{
    const struct range_lock wanted = {
        .open = open, .owner = *owner, .offset = offset, .nbytes = nbytes};

    spin_lock(&lock);
    struct range_lock *range = find_range_locked(&wanted);
    if (range != NULL) {
        list_remove(&range->link);
        wake_locked();
    }
    spin_unlock(&lock);
    if (range == NULL) {
        return STATUS_RANGE_NOT_LOCKED;
    }
    mm_free(range, sizeof(*range));
    return STATUS_SUCCESS;
}

status_t fsi_check_ranges(const struct open_file *open, const struct range_owner *owner,
                          uint64_t offset, uint32_t nbytes, bool writes)
{
    status_t status = STATUS_SUCCESS;

    spin_lock(&lock);
    list_for_each(link, &ranges) {
        const struct range_lock *range = list_entry(link, struct range_lock, link);
        bool allows = range->exclusive ? is_owner(range, open, owner) : !writes;
        if (!allows && overlaps(range, open, offset, nbytes)) {
            status = STATUS_FILE_LOCK_CONFLICT;
            break;
        }
    }
    spin_unlock(&lock);
    return status;
}

/* Takes one lock of OPEN (NULL: any) and PROCESS (NULL: any) out of the list; or NULL. */
static struct range_lock *take_range(const struct open_file *open, const void *process)
{
    struct range_lock *taken = NULL;

    spin_lock(&lock);
    list_for_each(link, &ranges) {
        struct range_lock *range = list_entry(link, struct range_lock, link);
        if ((open == NULL || range->open == open) &&
            (process == NULL || range->owner.process == process)) {
            taken = range;
            list_remove(&range->link);
            wake_locked();
            break;
        }
    }
    spin_unlock(&lock);
    return taken;
}

void fsi_release_ranges(const struct open_file *open, const void *process)
{
    struct range_lock *range;

    while ((range = take_range(open, process)) != NULL) {
        mm_free(range, sizeof(*range));
    }
}

void fs_release_ranges(const void *process)
{
    ASSERT(process != NULL);
    fsi_release_ranges(NULL, process);
}
