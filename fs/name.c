/*
 * fs/name.c: names of files: conversions between UTF-16 and UTF-8, case, wildcards.
 */
#include "fs/name.h"

#include "quire/assert.h"

#define REPLACEMENT 0xFFFDu

static uint32_t fold(uint32_t character)
{
    return character >= 'A' && character <= 'Z' ? character + ('a' - 'A') : character;
}

bool names_equal_fold(const uint8_t *a, const uint8_t *b, uint32_t nbytes)
{
    for (uint32_t i = 0; i < nbytes; i++) {
        if (fold(a[i]) != fold(b[i])) {
            return false;
        }
    }
    return true;
}

static bool is_high_surrogate(uint32_t unit)
{
    return (unit & 0xFC00u) == 0xD800u;
}

static bool is_low_surrogate(uint32_t unit)
{
    return (unit & 0xFC00u) == 0xDC00u;
}

/* Writes one code point; how many bytes. */
static uint32_t encode(uint32_t point, uint8_t bytes[4])
{
    if (point < 0x80u) {
        bytes[0] = (uint8_t)point;
        return 1;
    }
    uint32_t n = point < 0x800u ? 2 : point < 0x10000u ? 3 : 4;
    for (uint32_t i = n; i-- > 1;) {
        bytes[i] = (uint8_t)(0x80u | (point & 0x3Fu));
        point >>= 6;
    }
    bytes[0] = (uint8_t)((0xF00u >> n & 0xF0u) | point);
    return n;
}

bool name_to_utf8(const uint16_t *name, uint32_t length, uint8_t *target, uint32_t limit,
                  uint32_t *nbytes)
{
    uint32_t used = 0;
    uint8_t bytes[4];

    for (uint32_t i = 0; i < length; i++) {
        uint32_t point = name[i];
        if (point < 0x80u && used < limit) { /* what nearly all names are made of */
            target[used++] = (uint8_t)point;
            continue;
        }
        if (is_high_surrogate(point) && i + 1 < length && is_low_surrogate(name[i + 1])) {
            point = 0x10000u + ((point & 0x3FFu) << 10 | (name[i + 1] & 0x3FFu));
            i++;
        } else if (is_high_surrogate(point) || is_low_surrogate(point)) {
            return false;
        }
        uint32_t n = encode(point, bytes);
        if (n > limit - used) {
            return false;
        }
        for (uint32_t j = 0; j < n; j++) {
            target[used++] = bytes[j];
        }
    }
    *nbytes = used;
    return true;
}

/* Reads one code point of at most NBYTES; how many bytes it takes. */
static uint32_t decode(const uint8_t *bytes, uint32_t nbytes, uint32_t *point)
{
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t first = bytes[0];
    uint32_t n = first < 0x80u              ? 1
                 : (first & 0xE0u) == 0xC0u ? 2
                 : (first & 0xF0u) == 0xE0u ? 3
                 : (first & 0xF8u) == 0xF0u ? 4
                                            : 0;

    *point = REPLACEMENT;
    if (n == 0 || n > nbytes) {
        return 1;
    }
    uint32_t value = n == 1 ? first : first & (0xFFu >> (n + 1));
    for (uint32_t i = 1; i < n; i++) {
        if ((bytes[i] & 0xC0u) != 0x80u) {
            return 1;
        }
        value = value << 6 | (bytes[i] & 0x3Fu);
    }
    if (value < smallest[n] || value > 0x10FFFFu || is_high_surrogate(value) ||
        is_low_surrogate(value)) {
        return 1;
    }
    *point = value;
    return n;
}

uint32_t name_to_utf16(const uint8_t *name, uint32_t nbytes, uint16_t *target)
{
    uint32_t length = 0;
    uint32_t point;

    for (uint32_t i = 0; i < nbytes;) {
        if (name[i] < 0x80u) {
            target[length++] = name[i++];
            continue;
        }
        i += decode(name + i, nbytes - i, &point);
        if (point >= 0x10000u) {
            point -= 0x10000u;
            target[length++] = (uint16_t)(0xD800u | point >> 10);
            target[length++] = (uint16_t)(0xDC00u | (point & 0x3FFu));
        } else {
            target[length++] = (uint16_t)point;
        }
    }
    ASSERT(length <= nbytes);
    return length;
}

/* Where the last dot of NAME is, or its length. */
static uint32_t last_dot(const uint16_t *name, uint32_t length)
{
    for (uint32_t i = length; i-- > 0;) {
        if (name[i] == '.') {
            return i;
        }
    }
    return length;
}

/* How one character of the pattern takes the name's next one (which may be its end). */
enum match { MATCH_NO, MATCH_TAKE, MATCH_SKIP };

static enum match match_one(uint16_t wanted, const uint16_t *name, uint32_t at, uint32_t length)
{
    bool at_end = at == length;

    if (wanted == '>') { /* any character; nothing at a dot or at the end */
        return at_end || name[at] == '.' ? MATCH_SKIP : MATCH_TAKE;
    }
    if (wanted == '"') { /* a dot, or the end */
        return at_end ? MATCH_SKIP : name[at] == '.' ? MATCH_TAKE : MATCH_NO;
    }
    if (at_end) {
        return MATCH_NO;
    }
    return wanted == '?' || fold(wanted) == fold(name[at]) ? MATCH_TAKE : MATCH_NO;
}

/*
 * The pattern is followed from left to right; at a mismatch the last star takes one character
 * more; `<` does not take the last dot.
 */
bool name_matches(const uint16_t *pattern, uint32_t pattern_length, const uint16_t *name,
                  uint32_t name_length)
{
    uint32_t p = 0;
    uint32_t n = 0;
    uint32_t star = UINT32_MAX; /* just after the last star of the pattern */
    uint32_t star_at = 0;       /* where in the name it has got to */
    uint32_t star_limit = 0;    /* what it does not take */

    for (;;) {
        if (p < pattern_length && (pattern[p] == '*' || pattern[p] == '<')) {
            star_limit = pattern[p] == '*' ? name_length : last_dot(name, name_length);
            star = ++p;
            star_at = n;
            continue;
        }
        if (p == pattern_length && n == name_length) {
            return true;
        }
        enum match match =
            p < pattern_length ? match_one(pattern[p], name, n, name_length) : MATCH_NO;
        if (match != MATCH_NO) {
            p++;
            n += match == MATCH_TAKE ? 1 : 0;
        } else if (star != UINT32_MAX && star_at < name_length && star_at != star_limit) {
            p = star;
            n = ++star_at;
        } else {
            return false;
        }
    }
}
