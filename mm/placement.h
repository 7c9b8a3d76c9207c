/*
 * mm/placement.h: where regions may lie.
 */
#ifndef MM_PLACEMENT_H
#define MM_PLACEMENT_H

#include "quire/types.h"

struct segment;

/* The last page that an address with ZERO_BITS (0 to 20) clear upper bits can name. */
uint32_t mi_last_page(uint32_t zero_bits);

/* How many pages of an image a process may make private: what its view is charged. */
uint32_t mi_image_copy_pages(const struct segment *segment);

#endif
