/*
 * kernel/lib/bitmap.c: a bitmap over 32-bit words.
 *
 * The search is next-fit: it begins at the hint, which is where the last allocation ended, and
 * wraps once. Whole words without a clear bit are skipped, so a nearly full map costs one look a
 * word. A run that is allocated never wraps around the end.
 *
 * Who is content with less than it asked for is served after a bounded number of looks: in a large
 * map of which nine bits in ten are set at random, a long run may be nowhere. Words without any set
 * bit are counted as they come and go, so it is known whether a search for one would end well.
 */
#include "kernel/bitmap.h"

#include "kernel/string.h"
#include "quire/assert.h"

#define WORD_BITS 32u
#define LOOKS_MAX 64u /* at runs of clear bits, before the longest one has to do */

/* A run of clear bits. */
struct run {
    uint32_t first;
    uint32_t nbits; /* 0: there is none */
};

void bitmap_init(struct bitmap *bitmap, uint32_t *words, uint32_t nbits)
{
    bitmap->words = words;
    bitmap->nbits = nbits;
    bitmap->hint = 0;
    bitmap->empty_words = nbits / WORD_BITS;
    memset(words, 0, BITMAP_WORDS(nbits) * sizeof(words[0]));
}

void bitmap_grow(struct bitmap *bitmap, uint32_t nbits)
{
    ASSERT(nbits >= bitmap->nbits);
    for (uint32_t word = bitmap->nbits / WORD_BITS; word < nbits / WORD_BITS; word++) {
        bitmap->empty_words += bitmap->words[word] == 0;
    }
    bitmap->nbits = nbits;
}

/* 1 if the word of BIT counts and has no bit set. */
static uint32_t is_empty_word(const struct bitmap *bitmap, uint32_t bit)
{
    uint32_t word = bit / WORD_BITS;
    return word < bitmap->nbits / WORD_BITS && bitmap->words[word] == 0;
}

bool bitmap_test(const struct bitmap *bitmap, uint32_t bit)
{
    ASSERT(bit < bitmap->nbits);
    return ((bitmap->words[bit / WORD_BITS] >> (bit % WORD_BITS)) & 1u) != 0;
}

void bitmap_set(struct bitmap *bitmap, uint32_t bit)
{
    ASSERT(bit < bitmap->nbits);
    bitmap->empty_words -= is_empty_word(bitmap, bit);
    bitmap->words[bit / WORD_BITS] |= 1u << (bit % WORD_BITS);
}

void bitmap_clear(struct bitmap *bitmap, uint32_t bit)
{
    ASSERT(bit < bitmap->nbits);
    bitmap->empty_words -= is_empty_word(bitmap, bit);
    bitmap->words[bit / WORD_BITS] &= ~(1u << (bit % WORD_BITS));
    bitmap->empty_words += is_empty_word(bitmap, bit);
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

/* Sets a run of bits, all clear; the next search begins behind it. */
static void take(struct bitmap *bitmap, uint32_t first, uint32_t nbits)
{
    for (uint32_t bit = first; bit < first + nbits; bit++) {
        bitmap_set(bitmap, bit);
    }
    bitmap->hint = first + nbits < bitmap->nbits ? first + nbits : 0;
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
    take(bitmap, first, nbits);
    return first;
}

/* The first run of MOST clear bits among the next NLOOKS from the hint on, or the longest one. */
static struct run best_run(const struct bitmap *bitmap, uint32_t most, uint32_t nlooks)
{
    struct run best = {0, 0};
    uint32_t from = bitmap->hint;
    uint32_t limit = bitmap->nbits;
    bool wrapped = false;

    while (nlooks > 0 && best.nbits < most) {
        uint32_t first = find(bitmap, from, limit, false);
        if (first >= limit) {
            if (wrapped) {
                break;
            }
            wrapped = true;
            from = 0;
            limit = bitmap->hint;
            continue;
        }
        from = find(bitmap, first, min_u32(first + most, bitmap->nbits), true);
        if (from - first > best.nbits) {
            best = (struct run){first, from - first};
        }
        nlooks--;
    }
    return best;
}

/* The run that begins with the next word without a set bit. => there is one. */
static struct run empty_word(const struct bitmap *bitmap, uint32_t most)
{
    uint32_t nwords = bitmap->nbits / WORD_BITS;
    uint32_t word = bitmap->hint / WORD_BITS;

    ASSERT(bitmap->empty_words != 0);
    while (word >= nwords || bitmap->words[word] != 0) {
        word = word < nwords ? word + 1 : 0;
    }
    uint32_t first = word * WORD_BITS;
    uint32_t end = find(bitmap, first, min_u32(first + most, bitmap->nbits), true);
    return (struct run){first, end - first};
}

uint32_t bitmap_allocate_run(struct bitmap *bitmap, uint32_t most, uint32_t *got)
{
    ASSERT(most != 0);
    struct run run = best_run(bitmap, most, 1);
    if (run.nbits < most) {
        bool is_long = most > WORD_BITS / 2;
        run = is_long && bitmap->empty_words != 0 ? empty_word(bitmap, most)
                                                  : best_run(bitmap, most, LOOKS_MAX);
    }
    *got = run.nbits;
    if (run.nbits == 0) {
        return BITMAP_NONE;
    }
    take(bitmap, run.first, run.nbits);
    return run.first;
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
