/*
 * kernel/lib/page_hash.c: a hash of a page, at three instructions for two words.
 *
 * Every page that goes to the paging file or comes from it passes here. A step takes in a word of
 * each quarter of the page; after two of them the number is turned around, after the other two it
 * is multiplied by an odd number. All of this can be undone, for each word as for the number: so a
 * change inside one word is always seen. Changes of several words would have to meet. The same bit
 * of two words does not: the words of each quarter are read a byte further off than those of the
 * one before, so that in one step equal bits stand at different places, and between two steps they
 * are moved. Nor do words that change places. The price: bytes 1025 places apart, which one step
 * takes in together, can make up for each other. What has no such order passes once in 2^32.
 */
#include "kernel/page_hash.h"

#include "quire/annotate.h"

#define QUARTER    (PAGE_BYTES / 4)
#define MULTIPLIER 0x9E3779B1u /* odd, its bits without an order: 2^32 / golden ratio */
#define TURN       11u         /* odd, too: 32 steps until a bit stands where it stood */
#define STEPS      8u          /* of one pass */

static inline uint32_t load(const uint8_t *at)
{
    return ((const struct PACKED { uint32_t word; } *)(const void *)at)->word;
}

static inline uint32_t step(uint32_t hash, const uint8_t *at, uint32_t last)
{
    hash = (hash + load(at)) ^ load(at + QUARTER + 1);
    hash = hash << TURN | hash >> (32 - TURN);
    return ((hash + load(at + 2 * QUARTER + 2)) ^ last) * MULTIPLIER;
}

#define STEP(i) hash = step(hash, at + 4 * (i), load(at + 3 * QUARTER + 3 + 4 * (i)))

uint32_t page_hash(const void *page, uint32_t seed)
{
    const uint8_t *bytes = page;
    const uint8_t *at = bytes;
    const uint8_t *end = bytes + QUARTER - 4 * STEPS;
    uint32_t hash = (seed + 1) * MULTIPLIER;
    for (; at != end; at += 4 * STEPS) {
        STEP(0), STEP(1), STEP(2), STEP(3), STEP(4), STEP(5), STEP(6), STEP(7);
    }
    STEP(0), STEP(1), STEP(2), STEP(3), STEP(4), STEP(5), STEP(6);
    /* The bytes that the quarters leave out, where the last one would read beyond the page. */
    uint32_t last = bytes[PAGE_BYTES - 1] | (uint32_t)bytes[QUARTER] << 8 |
                    (uint32_t)bytes[2 * QUARTER + 1] << 16 | (uint32_t)bytes[3 * QUARTER + 2] << 24;
    hash = step(hash, at + 4 * (STEPS - 1), last);
    return hash ^ hash >> 16;
}
