/*
 * include/kernel/usercopy.h: the only way to touch user memory. Each function survives a fault at
 * any byte: it resolves the page on the ordinary path, or gives the status that says why not
 * (STATUS_ACCESS_VIOLATION, STATUS_IN_PAGE_ERROR, STATUS_GUARD_PAGE_VIOLATION).
 *
 * => the calling thread's own space; may block; no spinlock held (M8: no lock that a page fault
 *    takes).
 */
#ifndef KERNEL_USERCOPY_H
#define KERNEL_USERCOPY_H

#include "quire/annotate.h"
#include "quire/status.h"

/* STATUS_ACCESS_VIOLATION when [address, address + nbytes) leaves user space or wraps. */
MUST_CHECK status_t user_range_check(uaddr_t address, uint32_t nbytes);

MUST_CHECK status_t copy_from_user(void *target, uaddr_t source, uint32_t nbytes);
MUST_CHECK status_t copy_to_user(uaddr_t target, const void *source, uint32_t nbytes);
MUST_CHECK status_t user_fill(uaddr_t target, uint8_t value, uint32_t nbytes);

/* One aligned or unaligned 32-bit word. */
MUST_CHECK status_t user_read_u32(uaddr_t source, uint32_t *value);
MUST_CHECK status_t user_write_u32(uaddr_t target, uint32_t value);

/* Touches every page for writing, contents unchanged: what an out-pointer is checked with. */
MUST_CHECK status_t user_probe_write(uaddr_t address, uint32_t nbytes);

/*
 * The same copies between a kernel cache window and user memory; both sides may fault.
 * => *COPIED says how far it came.
 */
MUST_CHECK status_t copy_window_to_user(uaddr_t target, const void *window, uint32_t nbytes,
                                        uint32_t *copied);
MUST_CHECK status_t copy_user_to_window(void *window, uaddr_t source, uint32_t nbytes,
                                        uint32_t *copied);

/* Kernel memory from a window, for file systems: STATUS_IN_PAGE_ERROR when the page cannot come. */
MUST_CHECK status_t copy_from_window(void *target, const void *window, uint32_t nbytes);
MUST_CHECK status_t copy_to_window(void *window, const void *source, uint32_t nbytes);
MUST_CHECK status_t window_fill(void *window, uint8_t value, uint32_t nbytes);

/* The same without resolving faults: false at the first byte that is not there (M8). */
MUST_CHECK bool copy_from_user_nofault(void *target, uaddr_t source, uint32_t nbytes);
MUST_CHECK bool copy_to_user_nofault(uaddr_t target, const void *source, uint32_t nbytes);

#endif
