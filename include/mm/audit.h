/*
 * include/mm/audit.h: the invariants, checked.
 */
#ifndef MM_AUDIT_H
#define MM_AUDIT_H

#include "quire/types.h"

/*
 * Compares PFN database, lists, every table entry, mapper lists, counts and charges with one
 * another. Returns the number of violations; each is printed with its rule. Call it when no other
 * thread changes memory.
 */
uint32_t mm_audit(void);

#endif
