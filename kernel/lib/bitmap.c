/*
 * kernel/lib/bitmap.c: a bitmap over 32-bit words.
 *
 * The search is next-fit: it begins at the hint, which is where the last allocation ended, and
 * wraps once. Whole words without a clear bit are skipped, so a nearly full map costs one look a
 * word. A run that is allocated never wraps around the end.
 */
#include "kernel/bitmap.h"

#include "kernel/string.h"
#include "quire/assert.h"

#define WORD_BITS 32u

void bitmap_init(struct bitmap *bitmap, uint32_t *words, uint32_t nbits)
{
    bitmap->words = words;
    bitmap->nbits = nbits;
    bitmap->hint = 0;
    memset(words, 0, BITMAP_WORDS(nbits) * sizeof(words[0]));
}

bool bitmap_test(const struct bitmap *bitmap, uint32_t bit)
{
    ASSERT(bit < bitmap->nbits);
    return ((bitmap->words[bit / WORD_BITS] >> (bit % WORD_BITS)) & 1u) != 0;
}

void bitmap_set(struct bitmap *bitmap, uint32_t bit)
{
    ASSERT(bit < bitmap->nbits);
    bitmap->words[bit / WORD_BITS] |= 1u << (bit % WORD_BITS);
}

void bitmap_clear(struct bitmap *bitmap, uint32_t bit)
{
    ASSERT(bit < bitmap->nbits);
    bitmap->words[bit / WORD_BITS] &= ~(1u << (bit % WORD_BITS));
}

/* The first bit at or after FROM whose value is SET, or LIMIT. */
static uint32_t find(const struct bitmap *bitmap, uint32_t from, uint32_t limit, bool set)
{
    while (from < limit) {
        uint32_t word = bitmap->words[from / WORD_BITS];
        uint32_t wanted = (set ? word : ~word) >> (from % WORD_BITS);

        if (wanted != 0) {
            return min_u32(from + (uint32_t)__builtin_ctz(wanted), limit);
        }
        from = (from / WORD_BITS + 1) * WORD_BITS;
    }
    return limit;
}

/* The first run of NBITS clear bits that begins in [FROM, LIMIT), or BITMAP_NONE. */
static uint32_t find_run(const struct bitmap *bitmap, uint32_t from, uint32_t limit, uint32_t nbits)
{
    for (;;) {
        uint32_t first = find(bitmap, from, limit, false);

        if (first >= limit || bitmap->nbits - first < nbits) {
            return BITMAP_NONE;
        }
        uint32_t end = find(bitmap, first, first + nbits, true);
        if (end == first + nbits) {
            return first;
        }
        from = end;
    }
}

uint32_t bitmap_allocate(struct bitmap *bitmap, uint32_t nbits)
{
    ASSERT(nbits != 0);
    uint32_t first = find_run(bitmap, bitmap->hint, bitmap->nbits, nbits);
    if (first == BITMAP_NONE) {
        first = find_run(bitmap, 0, bitmap->hint, nbits);
    }
    if (first == BITMAP_NONE) {
        return BITMAP_NONE;
    }
    for (uint32_t bit = first; bit < first + nbits; bit++) {
        bitmap_set(bitmap, bit);
    }
    bitmap->hint = first + nbits < bitmap->nbits ? first + nbits : 0;
    return first;
}

void bitmap_free(struct bitmap *bitmap, uint32_t first, uint32_t nbits)
{
    for (uint32_t bit = first; bit < first + nbits; bit++) {
        ASSERT(bitmap_test(bitmap, bit));
        bitmap_clear(bitmap, bit);
    }
}

uint32_t bitmap_count_set(const struct bitmap *bitmap)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < BITMAP_WORDS(bitmap->nbits); i++) {
        for (uint32_t word = bitmap->words[i]; word != 0; word &= word - 1) {
            count++;
        }
    }
    return count;
}
