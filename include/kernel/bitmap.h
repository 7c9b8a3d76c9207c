/*
 * include/kernel/bitmap.h: a bitmap over 32-bit words that the caller owns and locks.
 */
#ifndef KERNEL_BITMAP_H
#define KERNEL_BITMAP_H

#include "quire/types.h"

struct bitmap {
    uint32_t *words;
    uint32_t nbits;
    uint32_t hint; /* where the next search begins */
    uint32_t
        empty_words; /* words of 32 bits without one that is set; a last, partial one is none */
};

#define BITMAP_WORDS(nbits) (((nbits) + 31u) / 32u)
#define BITMAP_NONE         UINT32_MAX

/* All bits clear. WORDS holds BITMAP_WORDS(nbits) words. */
void bitmap_init(struct bitmap *bitmap, uint32_t *words, uint32_t nbits);
bool bitmap_test(const struct bitmap *bitmap, uint32_t bit);
void bitmap_set(struct bitmap *bitmap, uint32_t bit);
void bitmap_clear(struct bitmap *bitmap, uint32_t bit);

/* There are NBITS now, no fewer than before; WORDS has room for them, the new ones clear. */
void bitmap_grow(struct bitmap *bitmap, uint32_t nbits);

/* Finds NBITS consecutive clear bits (1 or more), sets them; the first one, or BITMAP_NONE. */
uint32_t bitmap_allocate(struct bitmap *bitmap, uint32_t nbits);
/*
 * Sets a run of clear bits, MOST (1 or more) at most; the first one, and *GOT: how many. It is MOST
 * when such a run is near the hint, or is found at once elsewhere; a long one among the next runs
 * otherwise. BITMAP_NONE with *GOT 0: no bit is clear.
 */
uint32_t bitmap_allocate_run(struct bitmap *bitmap, uint32_t most, uint32_t *got);
void bitmap_free(struct bitmap *bitmap, uint32_t first, uint32_t nbits);
uint32_t bitmap_count_set(const struct bitmap *bitmap);

#endif
