/*
 * user/kernel32/string.c: memory and string functions, kernel32's own and the lstr family.
 *
 * The compiler may call memcpy, memmove, memset and memcmp; kernel32 has its own, not exported.
 */
#include "user/kernel32/kernel32.h"

#pragma GCC optimize("no-tree-loop-distribute-patterns")

void *memcpy(void *to, const void *from, size_t nbytes)
{
    void *result = to;
    size_t words = nbytes / 4;
    nbytes &= 3;
    __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(nbytes) : : "memory");
    return result;
}

void *memmove(void *to, const void *from, size_t nbytes)
{
    if ((uintptr_t)to - (uintptr_t)from >= nbytes) {
        return memcpy(to, from, nbytes);
    }
    BYTE *t = to;
    const BYTE *f = from;
    while (nbytes--) {
        t[nbytes] = f[nbytes];
    }
    return to;
}

void *memset(void *to, int value, size_t nbytes)
{
    void *result = to;
    size_t words = nbytes / 4;
    uint32_t pattern = (BYTE)value * 0x01010101u;
    nbytes &= 3;
    __asm__ volatile("rep stosl" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(nbytes) : "a"(pattern) : "memory");
    return result;
}

int memcmp(const void *a, const void *b, size_t nbytes)
{
    const BYTE *p = a, *q = b;
    for (size_t i = 0; i < nbytes; i++) {
        if (p[i] != q[i]) {
            return p[i] - q[i];
        }
    }
    return 0;
}

size_t wide_length(const WCHAR *text)
{
    size_t n = 0;
    while (text[n]) {
        n++;
    }
    return n;
}

size_t narrow_length(const char *text)
{
    size_t n = 0;
    while (text[n]) {
        n++;
    }
    return n;
}

/* Capitals of ASCII and of Latin-1; other characters stay. */
WCHAR wide_upper(WCHAR c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 0xE0 && c <= 0xFE && c != 0xF7)) {
        return (WCHAR)(c - 32);
    }
    return c;
}

WCHAR wide_lower(WCHAR c)
{
    if ((c >= 'A' && c <= 'Z') || (c >= 0xC0 && c <= 0xDE && c != 0xD7)) {
        return (WCHAR)(c + 32);
    }
    return c;
}

BOOL wide_equal_insensitive(const WCHAR *a, const WCHAR *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (wide_upper(a[i]) != wide_upper(b[i])) {
            return FALSE;
        }
    }
    return TRUE;
}

/* A counted string over text of at most 32766 characters. */
void wide_string(UNICODE_STRING *string, const WCHAR *text)
{
    size_t nbytes = wide_length(text) * sizeof(WCHAR);
    string->Buffer = (WCHAR *)text;
    string->Length = (USHORT)nbytes;
    string->MaximumLength = (USHORT)(nbytes + sizeof(WCHAR));
}

int WINAPI lstrlenA(const char *text)
{
    return text ? (int)narrow_length(text) : 0;
}

int WINAPI lstrlenW(const WCHAR *text)
{
    return text ? (int)wide_length(text) : 0;
}

char *WINAPI lstrcpyA(char *to, const char *from)
{
    return to && from ? memmove(to, from, narrow_length(from) + 1) : NULL;
}

WCHAR *WINAPI lstrcpyW(WCHAR *to, const WCHAR *from)
{
    return to && from ? memmove(to, from, (wide_length(from) + 1) * sizeof(WCHAR)) : NULL;
}

char *WINAPI lstrcpynA(char *to, const char *from, int count)
{
    int i = 0;
    for (; i < count - 1 && from[i]; i++) {
        to[i] = from[i];
    }
    if (count > 0) {
        to[i] = 0;
    }
    return to;
}

WCHAR *WINAPI lstrcpynW(WCHAR *to, const WCHAR *from, int count)
{
    int i = 0;
    for (; i < count - 1 && from[i]; i++) {
        to[i] = from[i];
    }
    if (count > 0) {
        to[i] = 0;
    }
    return to;
}

char *WINAPI lstrcatA(char *to, const char *from)
{
    lstrcpyA(to + narrow_length(to), from);
    return to;
}

WCHAR *WINAPI lstrcatW(WCHAR *to, const WCHAR *from)
{
    lstrcpyW(to + wide_length(to), from);
    return to;
}

static int compare_wide(const WCHAR *a, const WCHAR *b, BOOL fold)
{
    for (;; a++, b++) {
        WCHAR x = fold ? wide_lower(*a) : *a;
        WCHAR y = fold ? wide_lower(*b) : *b;
        if (x != y) {
            return x < y ? -1 : 1;
        }
        if (!x) {
            return 0;
        }
    }
}

static int compare_narrow(const char *a, const char *b, BOOL fold)
{
    for (;; a++, b++) {
        WCHAR x = fold ? wide_lower((BYTE)*a) : (BYTE)*a;
        WCHAR y = fold ? wide_lower((BYTE)*b) : (BYTE)*b;
        if (x != y) {
            return x < y ? -1 : 1;
        }
        if (!x) {
            return 0;
        }
    }
}

/* NULL sorts before every string. */
static int compare_null(const void *a, const void *b)
{
    return a ? 1 : b ? -1 : 0;
}

int WINAPI lstrcmpA(const char *a, const char *b)
{
    return a && b ? compare_narrow(a, b, FALSE) : compare_null(a, b);
}

int WINAPI lstrcmpW(const WCHAR *a, const WCHAR *b)
{
    return a && b ? compare_wide(a, b, FALSE) : compare_null(a, b);
}

int WINAPI lstrcmpiA(const char *a, const char *b)
{
    return a && b ? compare_narrow(a, b, TRUE) : compare_null(a, b);
}

int WINAPI lstrcmpiW(const WCHAR *a, const WCHAR *b)
{
    return a && b ? compare_wide(a, b, TRUE) : compare_null(a, b);
}

int WINAPI CompareStringOrdinal(const WCHAR *a, int a_count, const WCHAR *b, int b_count,
                                BOOL ignore_case)
{
    if (!a || !b || a_count < -1 || b_count < -1) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    int na = a_count < 0 ? (int)wide_length(a) : a_count;
    int nb = b_count < 0 ? (int)wide_length(b) : b_count;
    for (int i = 0; i < na && i < nb; i++) {
        WCHAR x = ignore_case ? wide_upper(a[i]) : a[i];
        WCHAR y = ignore_case ? wide_upper(b[i]) : b[i];
        if (x != y) {
            return x < y ? CSTR_LESS_THAN : CSTR_GREATER_THAN;
        }
    }
    return na < nb ? CSTR_LESS_THAN : na > nb ? CSTR_GREATER_THAN : CSTR_EQUAL;
}

/* Letters by their lower case; where only case differs, lower case comes first. */
static int compare_counted(const WCHAR *a, int na, const WCHAR *b, int nb, BOOL fold)
{
    int by_case = 0;
    for (int i = 0; i < na && i < nb; i++) {
        WCHAR x = wide_lower(a[i]), y = wide_lower(b[i]);
        if (x != y) {
            return x < y ? CSTR_LESS_THAN : CSTR_GREATER_THAN;
        }
        if (!by_case && a[i] != b[i]) {
            by_case = a[i] == x ? CSTR_LESS_THAN : CSTR_GREATER_THAN;
        }
    }
    if (na != nb) {
        return na < nb ? CSTR_LESS_THAN : CSTR_GREATER_THAN;
    }
    return fold || !by_case ? CSTR_EQUAL : by_case;
}

/* One locale; of the flags only those that ignore case are known. */
int WINAPI CompareStringW(LCID locale, DWORD flags, const WCHAR *a, int a_count, const WCHAR *b,
                          int b_count)
{
    (void)locale;
    if (!a || !b) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    return compare_counted(a, a_count < 0 ? (int)wide_length(a) : a_count, b,
                           b_count < 0 ? (int)wide_length(b) : b_count,
                           (flags & (NORM_IGNORECASE | LINGUISTIC_IGNORECASE)) != 0);
}

int WINAPI CompareStringA(LCID locale, DWORD flags, const char *a, int a_count, const char *b,
                          int b_count)
{
    if (!a || !b) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    int na = MultiByteToWideChar(CP_ACP, 0, a, a_count, NULL, 0);
    int nb = MultiByteToWideChar(CP_ACP, 0, b, b_count, NULL, 0);
    WCHAR *wide = take_memory(((SIZE_T)na + (SIZE_T)nb + 1) * sizeof(WCHAR));
    if (!wide) {
        return fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    MultiByteToWideChar(CP_ACP, 0, a, a_count, wide, na);
    MultiByteToWideChar(CP_ACP, 0, b, b_count, wide + na, nb);
    /* A count of -1 has the terminating zero converted too: on both sides or on none. */
    int result = CompareStringW(locale, flags, wide, a_count < 0 ? -1 : na, wide + na,
                                b_count < 0 ? -1 : nb);
    release_memory(wide);
    return result;
}
