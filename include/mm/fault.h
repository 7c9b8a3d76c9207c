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

/*
 * The same by what they came to, counted since boot; a fault that found nothing to do, or that was
 * refused, is in `all` alone. Page tables that had to be read are in none of them.
 */
struct mm_fault_counts {
    uint64_t all;
    uint64_t demand_zero;   /* a new page of zeroes */
    uint64_t transition;    /* soft: the page was still in memory, on standby or modified */
    uint64_t copy_on_write; /* a private copy */
    uint64_t paging_file;   /* hard: a request to the paging file */
    uint64_t pager;         /* hard: a request to the pager of a file or image */
    uint64_t pager_pages;   /* what those brought, neighbours included */
};
void mm_read_fault_counts(struct mm_fault_counts *counts);

#endif
