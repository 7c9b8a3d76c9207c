/*
 * user/kernel32/casemap.c: strings in another case, and what kinds of characters there are.
 *
 * There is one locale. Case is Unicode's, as ntdll has it; of the kinds only those of CT_CTYPE1 are
 * known, and beyond ASCII only letters, by their having two cases.
 */
#include "user/kernel32/kernel32.h"

#define CASES (LCMAP_LOWERCASE | LCMAP_UPPERCASE)

/* LENGTH of a string of COUNT characters, where -1 says that a zero ends it, which belongs to it.
 */
static int counted(const WCHAR *text, int count)
{
    int length = 0;
    while (count < 0 && text[length]) {
        length++;
    }
    return count < 0 ? length + 1 : count;
}

int WINAPI LCMapStringW(LCID locale, DWORD flags, const WCHAR *from, int count, WCHAR *to, int room)
{
    (void)locale;
    if (!from || count == 0 || room < 0 || (room > 0 && !to)) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    if ((flags & ~(CASES | LCMAP_LINGUISTIC_CASING)) != 0 || (flags & CASES) == 0 ||
        (flags & CASES) == CASES) {
        return fail(ERROR_INVALID_FLAGS); /* sort keys, widths, scripts */
    }
    int length = counted(from, count);
    if (room == 0) {
        return length;
    }
    if (room < length) {
        return fail(ERROR_INSUFFICIENT_BUFFER);
    }
    for (int i = 0; i < length; i++) {
        to[i] = flags & LCMAP_UPPERCASE ? wide_upper(from[i]) : wide_lower(from[i]);
    }
    return length;
}

/* COUNT narrow characters as wide ones: memory to be released, and *LENGTH; NULL with the error. */
static WCHAR *widen_counted(const char *text, int count, int *length)
{
    *length = MultiByteToWideChar(CP_ACP, 0, text, count, NULL, 0);
    WCHAR *wide = *length > 0 ? take_memory((SIZE_T)*length * sizeof(WCHAR)) : NULL;
    if (wide) {
        MultiByteToWideChar(CP_ACP, 0, text, count, wide, *length);
    } else if (*length > 0) {
        fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    return wide;
}

int WINAPI LCMapStringA(LCID locale, DWORD flags, const char *from, int count, char *to, int room)
{
    int length, result = 0;
    if (!from || count == 0 || room < 0 || (room > 0 && !to)) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    WCHAR *wide = widen_counted(from, count, &length);
    if (wide && LCMapStringW(locale, flags, wide, length, wide, length)) {
        result = WideCharToMultiByte(CP_ACP, 0, wide, length, to, room, NULL, NULL);
    }
    release_memory(wide);
    return result;
}

/* What an ASCII character is, for GetStringType. */
static WORD ascii_type(WCHAR c)
{
    if (c < ' ' || c == 0x7F) {
        WORD space = c >= '\t' && c <= '\r' ? C1_SPACE : 0;
        return (WORD)(C1_CNTRL | space | (c == '\t' ? C1_BLANK : 0));
    }
    if (c == ' ') {
        return C1_SPACE | C1_BLANK;
    }
    WCHAR lower = wide_lower(c);
    WORD hexadecimal = (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'f') ? C1_XDIGIT : 0;
    if (lower >= 'a' && lower <= 'z') {
        return (WORD)(C1_ALPHA | (lower == c ? C1_LOWER : C1_UPPER) | hexadecimal);
    }
    return hexadecimal ? C1_DIGIT | C1_XDIGIT : C1_PUNCT;
}

static WORD type_of(WCHAR c)
{
    if (c < 0x80) {
        return ascii_type(c) | C1_DEFINED;
    }
    return (WORD)(wide_lower(c) != c   ? C1_ALPHA | C1_UPPER | C1_DEFINED
                  : wide_upper(c) != c ? C1_ALPHA | C1_LOWER | C1_DEFINED
                                       : C1_DEFINED);
}

BOOL WINAPI GetStringTypeW(DWORD kind, const WCHAR *text, int count, WORD *types)
{
    if (!text || !types || kind != CT_CTYPE1) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    int length = counted(text, count);
    for (int i = 0; i < length; i++) {
        types[i] = type_of(text[i]);
    }
    return TRUE;
}

BOOL WINAPI GetStringTypeExW(LCID locale, DWORD kind, const WCHAR *text, int count, WORD *types)
{
    (void)locale;
    return GetStringTypeW(kind, text, count, types);
}

BOOL WINAPI GetStringTypeExA(LCID locale, DWORD kind, const char *text, int count, WORD *types)
{
    int length;
    if (!text || !types || count == 0) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    WCHAR *wide = widen_counted(text, count, &length);
    BOOL done = wide && GetStringTypeExW(locale, kind, wide, length, types);
    release_memory(wide);
    return done;
}

BOOL WINAPI GetStringTypeA(LCID locale, DWORD kind, const char *text, int count, WORD *types)
{
    return GetStringTypeExA(locale, kind, text, count, types);
}
