/*
 * include/mm/lock.h: locking pages of an address space into memory (the VirtualLock family).
 */
#ifndef MM_LOCK_H
#define MM_LOCK_H

#include "quire/annotate.h"
#include "quire/status.h"
#include "quire/types.h"

struct space;

/* How many pages of its minimum working set a process cannot lock. */
#define LOCK_OVERHEAD_PAGES 8u

/*
 * What NtLockVirtualMemory and NtUnlockVirtualMemory refuse before they look at a handle: a range
 * that is empty or not of user memory. STATUS_INVALID_PARAMETER.
 */
MUST_CHECK status_t mm_check_lock_range(uaddr_t base, uint32_t nbytes);

/*
 * Brings every page of [*base, *base + *nbytes) in and keeps it in its frame until it is unlocked,
 * freed, unmapped, barred by a protection, or the process ends. All or nothing. Blocks; no locks.
 * *base and *nbytes become the range in whole pages. Checks the range, too.
 * => STATUS_WAS_LOCKED (a success) when some page was locked already: locks are not counted.
 *    STATUS_WORKING_SET_QUOTA: more pages would be locked than the minimum working set less
 *    LOCK_OVERHEAD_PAGES. STATUS_ACCESS_VIOLATION: a page is not committed or PAGE_NOACCESS.
 *    STATUS_GUARD_PAGE_VIOLATION: a page was guarded, and is no longer. STATUS_IN_PAGE_ERROR.
 *    STATUS_INSUFFICIENT_RESOURCES, STATUS_COMMITMENT_LIMIT: the frames are promised to others.
 */
MUST_CHECK status_t mm_lock_virtual(struct space *space, uaddr_t *base, uint32_t *nbytes);

/*
 * Unlocks; STATUS_NOT_LOCKED when a page of the range is not locked: none is unlocked then, and the
 * private ones that are not leave the working set.
 */
MUST_CHECK status_t mm_unlock_virtual(struct space *space, uaddr_t *base, uint32_t *nbytes);

#endif
