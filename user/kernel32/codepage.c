/*
 * user/kernel32/codepage.c: UTF-16 to and from code pages: UTF-8, ASCII and the Latin ones.
 *
 * The system's ANSI code page is 1252. The code pages known are 1252, 28591 (Latin-1), 20127
 * (ASCII), 437 (its ASCII half; other characters become '?') and UTF-8; CP_ACP, CP_OEMCP,
 * CP_MACCP and CP_THREAD_ACP name 1252 and 437.
 */
#include "user/kernel32/kernel32.h"

#define REPLACEMENT 0xFFFDu

/* Where 1252 differs from Latin-1: 0x80 to 0x9F. */
static const WCHAR cp1252_high[32] = {
    0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008D, 0x017D, 0x008F, 0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178,
};

/* The upper half of code page 437. */
static const WCHAR cp437_high[128] = {
    0x00C7, 0x00FC, 0x00E9, 0x00E2, 0x00E4, 0x00E0, 0x00E5, 0x00E7, 0x00EA, 0x00EB, 0x00E8, 0x00EF,
    0x00EE, 0x00EC, 0x00C4, 0x00C5, 0x00C9, 0x00E6, 0x00C6, 0x00F4, 0x00F6, 0x00F2, 0x00FB, 0x00F9,
    0x00FF, 0x00D6, 0x00DC, 0x00A2, 0x00A3, 0x00A5, 0x20A7, 0x0192, 0x00E1, 0x00ED, 0x00F3, 0x00FA,
    0x00F1, 0x00D1, 0x00AA, 0x00BA, 0x00BF, 0x2310, 0x00AC, 0x00BD, 0x00BC, 0x00A1, 0x00AB, 0x00BB,
    0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557,
    0x255D, 0x255C, 0x255B, 0x2510, 0x2514, 0x2534, 0x252C, 0x251C, 0x2500, 0x253C, 0x255E, 0x255F,
    0x255A, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550, 0x256C, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559,
    0x2558, 0x2552, 0x2553, 0x256B, 0x256A, 0x2518, 0x250C, 0x2588, 0x2584, 0x258C, 0x2590, 0x2580,
    0x03B1, 0x00DF, 0x0393, 0x03C0, 0x03A3, 0x03C3, 0x00B5, 0x03C4, 0x03A6, 0x0398, 0x03A9, 0x03B4,
    0x221E, 0x03C6, 0x03B5, 0x2229, 0x2261, 0x00B1, 0x2265, 0x2264, 0x2320, 0x2321, 0x00F7, 0x2248,
    0x00B0, 0x2219, 0x00B7, 0x221A, 0x207F, 0x00B2, 0x25A0, 0x00A0,
};

/*
 * Nearly all text is ASCII, and the same in every code page: these convert such text, two
 * characters at a time, up to the first that is none.
 * => how many
 */
static int narrow_ascii(const WCHAR *text, int count, char *buffer)
{
    int n = 0;
    for (; n + 2 <= count; n += 2) {
        uint32_t pair = *(const uint32_t *)(const void *)(text + n);
        if (pair & 0xFF80FF80u) {
            break;
        }
        buffer[n] = (char)pair;
        buffer[n + 1] = (char)(pair >> 16);
    }
    for (; n < count && text[n] < 0x80; n++) {
        buffer[n] = (char)text[n];
    }
    return n;
}

static int widen_ascii(const char *text, int count, WCHAR *buffer)
{
    int n = 0;
    for (; n + 2 <= count; n += 2) {
        uint16_t pair = *(const uint16_t *)(const void *)(text + n);
        if (pair & 0x8080u) {
            break;
        }
        buffer[n] = (WCHAR)(pair & 0x7F);
        buffer[n + 1] = (WCHAR)(pair >> 8);
    }
    for (; n < count && (BYTE)text[n] < 0x80; n++) {
        buffer[n] = (WCHAR)text[n];
    }
    return n;
}

/* Names made plain; 0 for a code page that is not known. */
static UINT plain_code_page(UINT code_page)
{
    switch (code_page) {
    case CP_ACP:
    case CP_MACCP:
    case CP_THREAD_ACP:
        return ANSI_CODE_PAGE;
    case CP_OEMCP:
        return OEM_CODE_PAGE;
    case 1252:
    case 28591:
    case 20127:
    case 437:
    case CP_UTF8:
        return code_page;
    default:
        return 0;
    }
}

static WCHAR wide_from_byte(UINT code_page, BYTE c)
{
    if (c < 0x80) {
        return c;
    }
    switch (code_page) {
    case 1252:
        return c < 0xA0 ? cp1252_high[c - 0x80] : c;
    case 437:
        return cp437_high[c - 0x80];
    case 20127:
        return (WCHAR)(c & 0x7F);
    default:
        return c;
    }
}

/* The byte for a character, or -1. */
static int byte_from_wide(UINT code_page, WCHAR c)
{
    if (c < 0x80 || (c < 0x100 && code_page == 28591)) {
        return c;
    }
    if (code_page == 1252) {
        if (c >= 0xA0 && c < 0x100) {
            return c;
        }
        for (int i = 0; i < 32; i++) {
            if (cp1252_high[i] == c) {
                return 0x80 + i;
            }
        }
    }
    if (code_page == 437) {
        for (int i = 0; i < 128; i++) {
            if (cp437_high[i] == c) {
                return 0x80 + i;
            }
        }
    }
    return -1;
}

/*
 * Decodes one code point of UTF-8.
 * => the bytes taken, at least 1; *value is -1 for an ill-formed sequence
 */
static int decode_utf8(const BYTE *s, int length, LONG *value)
{
    static const LONG least[4] = {0, 0x80, 0x800, 0x10000};
    int more = s[0] < 0x80                   ? 0
               : s[0] >= 0xC2 && s[0] < 0xE0 ? 1
               : (s[0] & 0xF0) == 0xE0       ? 2
               : s[0] >= 0xF0 && s[0] < 0xF5 ? 3
                                             : -1;
    *value = -1;
    if (more < 0) {
        return 1;
    }
    LONG v = more == 0 ? s[0] : s[0] & (0x3F >> more);
    for (int i = 1; i <= more; i++) {
        if (i >= length || (s[i] & 0xC0) != 0x80) {
            return i;
        }
        v = v << 6 | (s[i] & 0x3F);
        if (i == 1 && more == 2 &&
            ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F))) {
            return 1;
        }
        if (i == 1 && more == 3 &&
            ((s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))) {
            return 1;
        }
    }
    if (v >= least[more]) {
        *value = v;
    }
    return more + 1;
}

int WINAPI MultiByteToWideChar(UINT code_page, DWORD flags, const char *text, int length,
                               WCHAR *buffer, int size)
{
    UINT page = plain_code_page(code_page);
    if (!text || !length || length < -1 || size < 0 || (size && !buffer) || !page ||
        (const void *)text == buffer) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    if (flags & ~(DWORD)(MB_PRECOMPOSED | MB_COMPOSITE | MB_USEGLYPHCHARS | MB_ERR_INVALID_CHARS)) {
        return fail(ERROR_INVALID_FLAGS);
    }
    int count = length < 0 ? (int)narrow_length(text) + 1 : length;
    int done = widen_ascii(text, count < size ? count : size, buffer);
    for (int i = done; i < count;) {
        LONG c;
        if (page == CP_UTF8) {
            i += decode_utf8((const BYTE *)text + i, count - i, &c);
            if (c < 0) {
                if (flags & MB_ERR_INVALID_CHARS) {
                    return fail(ERROR_NO_UNICODE_TRANSLATION);
                }
                c = REPLACEMENT;
            }
        } else {
            c = wide_from_byte(page, (BYTE)text[i++]);
        }
        int units = c >= 0x10000 ? 2 : 1;
        if (size) {
            if (done + units > size) {
                return fail(ERROR_INSUFFICIENT_BUFFER);
            }
            if (units == 2) {
                buffer[done] = (WCHAR)(0xD7C0 + (c >> 10));
                buffer[done + 1] = (WCHAR)(0xDC00 | (c & 0x3FF));
            } else {
                buffer[done] = (WCHAR)c;
            }
        }
        done += units;
    }
    return done;
}

/* The code point at text; ill-formed surrogates give -1. */
static int take_code_point(const WCHAR *text, int length, LONG *value)
{
    WCHAR c = text[0];
    if (c >= 0xD800 && c < 0xDC00 && length > 1 && text[1] >= 0xDC00 && text[1] < 0xE000) {
        *value = ((c - 0xD7C0) << 10) | (text[1] & 0x3FF);
        return 2;
    }
    *value = c >= 0xD800 && c < 0xE000 ? -1 : c;
    return 1;
}

static int encode_utf8(LONG c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

int WINAPI WideCharToMultiByte(UINT code_page, DWORD flags, const WCHAR *text, int length,
                               char *buffer, int size, const char *substitute, BOOL *used)
{
    UINT page = plain_code_page(code_page);
    if (!text || !length || length < -1 || size < 0 || (size && !buffer) || !page ||
        (page == CP_UTF8 && (substitute || used))) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    int count = length < 0 ? (int)wide_length(text) + 1 : length;
    int done = narrow_ascii(text, count < size ? count : size, buffer);
    if (used) {
        *used = FALSE;
    }
    for (int i = done; i < count;) {
        char out[4];
        int nbytes = 1;
        if (page == CP_UTF8) {
            LONG c;
            i += take_code_point(text + i, count - i, &c);
            if (c < 0 && (flags & WC_ERR_INVALID_CHARS)) {
                return fail(ERROR_NO_UNICODE_TRANSLATION);
            }
            nbytes = encode_utf8(c < 0 ? (LONG)REPLACEMENT : c, out);
        } else {
            int c = byte_from_wide(page, text[i++]);
            if (c < 0) {
                c = substitute ? (BYTE)*substitute : '?';
                if (used) {
                    *used = TRUE;
                }
            }
            out[0] = (char)c;
        }
        if (size) {
            if (done + nbytes > size) {
                return fail(ERROR_INSUFFICIENT_BUFFER);
            }
            memcpy(buffer + done, out, (size_t)nbytes);
        }
        done += nbytes;
    }
    return done;
}

/* The text in UTF-16, in the heap; NULL with the last error. */
WCHAR *wide_from_ansi(const char *text)
{
    if (!text) {
        fail(ERROR_INVALID_PARAMETER);
        return NULL;
    }
    size_t n = narrow_length(text) + 1;
    WCHAR *wide = take_memory(n * sizeof(WCHAR));
    if (!wide) {
        fail(ERROR_NOT_ENOUGH_MEMORY);
        return NULL;
    }
    for (size_t i = (size_t)widen_ascii(text, (int)n, wide); i < n; i++) {
        wide[i] = wide_from_byte(ANSI_CODE_PAGE, (BYTE)text[i]);
    }
    return wide;
}

/* The text in the ANSI code page, in the heap; NULL with the last error. */
char *ansi_from_wide(const WCHAR *text)
{
    size_t n = wide_length(text) + 1;
    char *narrow = take_memory(n);
    if (!narrow) {
        fail(ERROR_NOT_ENOUGH_MEMORY);
        return NULL;
    }
    for (size_t i = (size_t)narrow_ascii(text, (int)n, narrow); i < n; i++) {
        int c = byte_from_wide(ANSI_CODE_PAGE, text[i]);
        narrow[i] = (char)(c < 0 ? '?' : c);
    }
    return narrow;
}

/*
 * Gives a string to a caller's buffer as most functions do.
 * => its length without the end, or the size that is needed with it
 */
DWORD give_ansi(const WCHAR *text, DWORD length, char *buffer, DWORD size)
{
    if (length >= size) {
        return length + 1;
    }
    for (DWORD i = (DWORD)narrow_ascii(text, (int)length, buffer); i < length; i++) {
        int c = byte_from_wide(ANSI_CODE_PAGE, text[i]);
        buffer[i] = (char)(c < 0 ? '?' : c);
    }
    buffer[length] = 0;
    return length;
}

DWORD give_wide(const WCHAR *text, DWORD length, WCHAR *buffer, DWORD size)
{
    if (length >= size) {
        return length + 1;
    }
    memcpy(buffer, text, length * sizeof(WCHAR));
    buffer[length] = 0;
    return length;
}

UINT WINAPI GetACP(void)
{
    return ANSI_CODE_PAGE;
}

UINT WINAPI GetOEMCP(void)
{
    return OEM_CODE_PAGE;
}

BOOL WINAPI IsValidCodePage(UINT code_page)
{
    return code_page > CP_THREAD_ACP && plain_code_page(code_page) != 0;
}

BOOL WINAPI GetCPInfo(UINT code_page, CPINFO *info)
{
    UINT page = plain_code_page(code_page);
    if (!page || !info) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    memset(info, 0, sizeof(*info));
    info->MaxCharSize = page == CP_UTF8 ? 4 : 1;
    info->DefaultChar[0] = '?';
    return TRUE;
}

BOOL WINAPI IsDBCSLeadByte(BYTE c)
{
    (void)c;
    return FALSE;
}

BOOL WINAPI IsDBCSLeadByteEx(UINT code_page, BYTE c)
{
    (void)code_page;
    (void)c;
    return FALSE;
}

BOOL WINAPI AreFileApisANSI(void)
{
    return TRUE;
}

LCID WINAPI GetUserDefaultLCID(void)
{
    return MAKELCID(MAKELANGID(LANG_ENGLISH, SUBLANG_ENGLISH_US), SORT_DEFAULT);
}

LCID WINAPI GetSystemDefaultLCID(void)
{
    return GetUserDefaultLCID();
}

LCID WINAPI GetThreadLocale(void)
{
    return GetUserDefaultLCID();
}

LANGID WINAPI GetUserDefaultLangID(void)
{
    return MAKELANGID(LANG_ENGLISH, SUBLANG_ENGLISH_US);
}

LANGID WINAPI GetSystemDefaultLangID(void)
{
    return GetUserDefaultLangID();
}
