/*
 * user/ntdll/unicode.c: UTF-8, UTF-16, the ANSI code page (1252) and letter case.
 *
 * Ill-formed input never fails: each maximal bad part becomes U+FFFD and the result is
 * STATUS_SOME_NOT_MAPPED, a success. Case covers Latin (with extension A), Greek and Cyrillic.
 */
#include "user/ntdll/loader.h"

#define REPLACEMENT 0xFFFDu

static bool is_surrogate(uint32_t c)
{
    return c >= 0xD800 && c < 0xE000;
}

/* Takes one character from TEXT (at least one byte); *GOOD is cleared when it is ill-formed. */
static uint32_t take_utf8(const uint8_t **text, const uint8_t *end, bool *good)
{
    const uint8_t *at = *text;
    uint32_t first = *at++;
    unsigned follow = first < 0x80                    ? 0
                      : first >= 0xC2 && first < 0xE0 ? 1
                      : first >= 0xE0 && first < 0xF0 ? 2
                      : first >= 0xF0 && first < 0xF5 ? 3
                                                      : 4;
    uint32_t c = follow == 0 ? first : first & (0x3Fu >> follow);

    *text = at;
    if (follow == 4) {
        *good = false;
        return REPLACEMENT;
    }
    for (unsigned i = 0; i < follow; i++, at++) {
        uint8_t low = i || (first != 0xE0 && first != 0xF0) ? 0x80 : first == 0xE0 ? 0xA0 : 0x90;
        uint8_t high = i || (first != 0xED && first != 0xF4) ? 0xBF : first == 0xED ? 0x9F : 0x8F;
        if (at == end || *at < low || *at > high) {
            *text = at;
            *good = false;
            return REPLACEMENT;
        }
        c = c << 6 | (*at & 0x3Fu);
    }
    *text = at;
    return c;
}

/* UNICODE NULL: only counts. */
NTSTATUS NTAPI RtlUTF8ToUnicodeN(WCHAR *unicode, ULONG unicode_size, ULONG *returned,
                                 const CHAR *text, ULONG text_size)
{
    const uint8_t *at = (const uint8_t *)text;
    const uint8_t *end = at + text_size;
    ULONG room = unicode ? unicode_size / sizeof(WCHAR) : UINT32_MAX;
    ULONG count = 0;
    bool good = true;
    bool fits = true;

    while (at < end) {
        uint32_t c = take_utf8(&at, end, &good);
        ULONG units = c >= 0x10000 ? 2 : 1;
        if (units > room - count) {
            fits = false;
            break;
        }
        if (unicode && units == 1) {
            unicode[count] = (WCHAR)c;
        } else if (unicode) {
            unicode[count] = (WCHAR)(0xD800 + ((c - 0x10000) >> 10));
            unicode[count + 1] = (WCHAR)(0xDC00 + (c & 0x3FF));
        }
        count += units;
    }
    if (returned) {
        *returned = count * sizeof(WCHAR);
    }
    return !fits ? STATUS_BUFFER_TOO_SMALL : good ? STATUS_SUCCESS : STATUS_SOME_NOT_MAPPED;
}

static uint32_t take_utf16(const WCHAR **text, const WCHAR *end, bool *good)
{
    uint32_t c = *(*text)++;

    if (!is_surrogate(c)) {
        return c;
    }
    if (c < 0xDC00 && *text < end && **text >= 0xDC00 && **text < 0xE000) {
        return 0x10000 + ((c - 0xD800) << 10) + (*(*text)++ - 0xDC00u);
    }
    *good = false;
    return REPLACEMENT;
}

static void put_utf8(uint8_t *to, uint32_t c, ULONG nbytes)
{
    static const uint8_t marks[5] = {0, 0, 0xC0, 0xE0, 0xF0};

    for (ULONG i = nbytes; i > 1; i--, c >>= 6) {
        to[i - 1] = (uint8_t)(0x80 | (c & 0x3F));
    }
    to[0] = (uint8_t)(marks[nbytes] | c);
}

/* TEXT NULL: only counts. */
NTSTATUS NTAPI RtlUnicodeToUTF8N(CHAR *text, ULONG text_size, ULONG *returned, const WCHAR *unicode,
                                 ULONG unicode_size)
{
    const WCHAR *at = unicode;
    const WCHAR *end = unicode + unicode_size / sizeof(WCHAR);
    ULONG room = text ? text_size : UINT32_MAX;
    ULONG count = 0;
    bool good = true;
    bool fits = true;

    while (at < end) {
        uint32_t c = take_utf16(&at, end, &good);
        ULONG nbytes = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        if (nbytes > room - count) {
            fits = false;
            break;
        }
        if (text) {
            put_utf8((uint8_t *)text + count, c, nbytes);
        }
        count += nbytes;
    }
    if (returned) {
        *returned = count;
    }
    return !fits ? STATUS_BUFFER_TOO_SMALL : good ? STATUS_SUCCESS : STATUS_SOME_NOT_MAPPED;
}

/*
 * The ANSI code page
 */

/* Where 1252 differs from Latin-1: 0x80 to 0x9F. */
static const WCHAR ansi_high[32] = {
    0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008D, 0x017D, 0x008F, 0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178,
};

static char ansi_of(WCHAR c)
{
    if (c < 0x80 || (c >= 0xA0 && c < 0x100)) {
        return (char)c;
    }
    for (unsigned i = 0; i < 32; i++) {
        if (ansi_high[i] == c) {
            return (char)(0x80 + i);
        }
    }
    return '?';
}

/* What does not fit is cut off, here and below. */
NTSTATUS NTAPI RtlMultiByteToUnicodeN(WCHAR *unicode, ULONG unicode_size, ULONG *returned,
                                      const CHAR *text, ULONG text_size)
{
    ULONG count =
        unicode_size / sizeof(WCHAR) < text_size ? unicode_size / sizeof(WCHAR) : text_size;

    for (ULONG i = 0; i < count; i++) {
        uint8_t byte = (uint8_t)text[i];
        unicode[i] = byte >= 0x80 && byte < 0xA0 ? ansi_high[byte - 0x80] : byte;
    }
    if (returned) {
        *returned = count * sizeof(WCHAR);
    }
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlUnicodeToMultiByteN(CHAR *text, ULONG text_size, ULONG *returned,
                                      const WCHAR *unicode, ULONG unicode_size)
{
    ULONG count =
        unicode_size / sizeof(WCHAR) < text_size ? unicode_size / sizeof(WCHAR) : text_size;

    for (ULONG i = 0; i < count; i++) {
        text[i] = ansi_of(unicode[i]);
    }
    if (returned) {
        *returned = count;
    }
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlMultiByteToUnicodeSize(ULONG *size, const CHAR *text, ULONG text_size)
{
    (void)text;
    *size = text_size * sizeof(WCHAR);
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlUnicodeToMultiByteSize(ULONG *size, WCHAR *unicode, ULONG unicode_size)
{
    (void)unicode;
    *size = unicode_size / sizeof(WCHAR);
    return STATUS_SUCCESS;
}

/*
 * Case
 */

WCHAR NTAPI RtlUpcaseUnicodeChar(WCHAR c)
{
    if (c < 0x80) {
        return c >= 'a' && c <= 'z' ? (WCHAR)(c - 32) : c;
    }
    if ((c >= 0xE0 && c <= 0xFE && c != 0xF7) || (c >= 0x3B1 && c <= 0x3CB && c != 0x3C2) ||
        (c >= 0x430 && c <= 0x44F)) {
        return (WCHAR)(c - 32);
    }
    if (c == 0xFF) {
        return 0x178;
    }
    if ((c >= 0x100 && c <= 0x137 && c != 0x131) || (c >= 0x14A && c <= 0x177) ||
        (c >= 0x460 && c <= 0x481) || (c >= 0x48A && c <= 0x4BF) || (c >= 0x4D0 && c <= 0x52F) ||
        (c >= 0x1E00 && c <= 0x1E95)) {
        return c & (WCHAR)~1;
    }
    if (((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E)) && c % 2 == 0) {
        return (WCHAR)(c - 1);
    }
    if (c >= 0x450 && c <= 0x45F) {
        return (WCHAR)(c - 80);
    }
    return c;
}

WCHAR NTAPI RtlDowncaseUnicodeChar(WCHAR c)
{
    if (c < 0x80) {
        return c >= 'A' && c <= 'Z' ? (WCHAR)(c + 32) : c;
    }
    static const uint8_t distances[] = {32, 1, 80};
    for (unsigned i = 0; i < 3; i++) {
        WCHAR lower = (WCHAR)(c + distances[i]);
        if (lower != c && RtlUpcaseUnicodeChar(lower) == c && RtlUpcaseUnicodeChar(c) == c) {
            return lower;
        }
    }
    return c == 0x178 ? 0xFF : c;
}

CHAR NTAPI RtlUpperChar(CHAR c)
{
    return c >= 'a' && c <= 'z' ? (CHAR)(c - 32) : c;
}
