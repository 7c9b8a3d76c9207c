/*
 * mm/placement.h: where regions may lie.
 */
#ifndef MM_PLACEMENT_H
#define MM_PLACEMENT_H

#include "quire/types.h"

/* The last page that an address with ZERO_BITS (0 to 20) clear upper bits can name. */
uint32_t mi_last_page(uint32_t zero_bits);

#endif
