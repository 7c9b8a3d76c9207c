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

/* Whether there is a paging file. */
bool mi_pagefile_is_open(void);

/* How many slots are in use, and of them: being written to. For the audit. */
uint32_t mi_slots_used(void);
uint32_t mi_slots_in_writes(void);

/* How many slots from SLOT on lie together on the disk, and go into one request. */
uint32_t mi_slots_together(uint32_t slot);

/*
 * Reads COUNT slots that lie together (SLOT_READ_PAGES at most) in one request. Blocks; no locks.
 * What the device said.
 */
MUST_CHECK status_t mi_pagefile_read(uint32_t slot, uint32_t count, const pfn_t *frames);

/* Whether FRAME holds what was written for the PTE_PAGEFILE entry VALUE. */
bool mi_pagefile_check(pte_t value, pfn_t frame);

/*
 * Writes frames of the modified list to the file, several requests at once, and waits for them.
 * The number of pages that are on disk now.
 */
uint32_t mi_pagefile_write(void);

#endif
