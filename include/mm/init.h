/*
 * include/mm/init.h: starting the memory manager.
 */
#ifndef MM_INIT_H
#define MM_INIT_H

#include "kernel/boot.h"
#include "quire/annotate.h"
#include "quire/status.h"

/*
 * PFN database, pool, charges, shared page. After it every mm/ function works; nothing of it needs
 * threads. STATUS_INSUFFICIENT_RESOURCES: too little memory.
 */
status_t mm_init(const struct boot_info *boot);

/*
 * Starts the balancer, which keeps frames available (from then on a touch that finds none waits),
 * and the zero-page thread. Once; needs threads. STATUS_INSUFFICIENT_RESOURCES,
 * STATUS_COMMITMENT_LIMIT.
 */
MUST_CHECK status_t mm_balancer_start(void);

/*
 * Gives back all that lingers on purpose: clean pages that nobody maps, spare kernel stacks, empty
 * slabs. What is in use afterwards has an owner: leak checks compare before and after.
 */
void mm_drain(void);

#endif
