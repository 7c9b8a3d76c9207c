/*
 * mm/slots.h: the slots of the paging file, and reading and writing them.
 */
#ifndef MM_SLOTS_H
#define MM_SLOTS_H

#include "mm/pte.h"
#include "quire/annotate.h"
#include "quire/status.h"

/* Gives a slot back. Any context but interrupts. */
void mi_slot_free(uint32_t slot);

/* How many slots are in use: for the audit. */
uint32_t mi_slots_used(void);

/*
 * Reads the page that a PTE_PAGEFILE entry names into FRAME and checks it. Blocks; no locks.
 * => what the device said; STATUS_DATA_ERROR when the contents are not what was written.
 */
MUST_CHECK status_t mi_pagefile_read(pte_t value, pfn_t frame);

/*
 * Writes frames of the modified list to the file, several requests at once, and waits for them.
 * The number of pages that are on disk now. Only the balancer calls it.
 */
uint32_t mi_pagefile_write(void);

#endif
