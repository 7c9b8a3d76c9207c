/*
 * mm/fault_counts.h: what page faults came to, counted where they come to it.
 *
 * Plain increments: a count that two CPUs lose between them is not worth a locked instruction in
 * every fault.
 */
#ifndef MM_FAULT_COUNTS_H
#define MM_FAULT_COUNTS_H

#include "mm/fault.h"

extern struct mm_fault_counts mi_faults;

#endif
