/*
 * mm/image_parts.h: what an image's PE sections say of its pages, for those who fill tables, look
 * at views and charge them.
 */
#ifndef MM_IMAGE_PARTS_H
#define MM_IMAGE_PARTS_H

#include "mm/pte.h"

struct segment;

/* How many pages of an image a process may make private: what its view is charged. */
uint32_t mi_image_copy_pages(const struct segment *segment);

/* The protection that PAGE has in a view; PROT_NOACCESS where no PE section is. */
prot_t mi_image_prot(const struct segment *segment, uint32_t page);

/* Writes the entries of TABLE, which is new: the pages of chunk INDEX are the pager's. */
void mi_image_fill_table(const struct segment *segment, uint32_t index, pte_t *table);

#endif
