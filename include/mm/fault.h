/*
 * include/mm/fault.h: the page-fault path's entry.
 */
#ifndef MM_FAULT_H
#define MM_FAULT_H

#include "kernel/trap.h"

struct space;

/*
 * Resolves an access to ADDRESS in SPACE. May block. Never FAULT_RETRY: the driver loops itself.
 * => FAULT_DONE: the access will now succeed. Else REPORT says what the program is told.
 * => no lock held.
 */
enum fault_result mm_access_fault(struct space *space, uaddr_t address, const struct access *access,
                                  struct fault_report *report);

/* The same for a cache window; REPORT's status is the pager's own. */
enum fault_result mm_window_fault(const void *address, const struct access *access,
                                  struct fault_report *report);

/* All faults since boot. */
uint64_t mm_fault_count(void);

#endif
