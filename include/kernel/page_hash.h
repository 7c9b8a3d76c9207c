/*
 * include/kernel/page_hash.h: a number for the contents of a page.
 */
#ifndef KERNEL_PAGE_HASH_H
#define KERNEL_PAGE_HASH_H

#include "quire/types.h"

/* 32 bits of the 4096 bytes at PAGE and of SEED. */
uint32_t page_hash(const void *page, uint32_t seed);

#endif
