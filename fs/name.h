/*
 * fs/name.h: names of files: UTF-16 as programs give them, UTF-8 as ext2 has them; private to fs/.
 */
#ifndef FS_NAME_H
#define FS_NAME_H

#include "quire/types.h"

/* Whether two names of NBYTES are the same but for the case of ASCII letters. */
bool names_equal_fold(const uint8_t *a, const uint8_t *b, uint32_t nbytes);

/*
 * UTF-16 to UTF-8. False when it does not fit LIMIT bytes or is no UTF-16.
 */
bool name_to_utf8(const uint16_t *name, uint32_t length, uint8_t *target, uint32_t limit,
                  uint32_t *nbytes);

/*
 * UTF-8 to UTF-16, never more characters than bytes: how many. A byte that is no UTF-8 becomes
 * U+FFFD.
 */
uint32_t name_to_utf16(const uint8_t *name, uint32_t nbytes, uint16_t *target);

/* Whether a character may stand in a name: neither control characters may nor any of "<>:|?*. */
static inline bool name_is_legal(uint16_t character)
{
    static const uint32_t forbidden[4] = {0xFFFFFFFFu, 0xD4000404u, 0, 0x10000000u};

    return character >= 128u || (forbidden[character / 32u] >> character % 32u & 1u) == 0;
}

/*
 * Whether NAME matches PATTERN: `*` any characters, `?` any one, and NT's forms of the same that
 * Win32 makes: `<` (DOS_STAR), `>` (DOS_QM), `"` (DOS_DOT). ASCII letters match in either case.
 */
bool name_matches(const uint16_t *pattern, uint32_t pattern_length, const uint16_t *name,
                  uint32_t name_length);

#endif
