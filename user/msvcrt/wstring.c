/*
 * user/msvcrt/wstring.c: strings of UTF-16, and conversion between them and bytes.
 *
 * In the "C" locale a character below 256 is its byte and no other has one.
 */
#include "user/msvcrt/msvcrt.h"

#pragma GCC optimize("no-tree-loop-distribute-patterns")

static wint_t lower(wint_t c)
{
    return c >= 'A' && c <= 'Z' ? (wint_t)(c + 32) : c;
}

static wint_t upper(wint_t c)
{
    return c >= 'a' && c <= 'z' ? (wint_t)(c - 32) : c;
}

size_t wcslen(const wchar_t *s)
{
    size_t n = 0;
    while (s[n]) {
        n++;
    }
    return n;
}

size_t wcsnlen(const wchar_t *s, size_t max)
{
    size_t n = 0;
    while (n < max && s[n]) {
        n++;
    }
    return n;
}

wchar_t *wcscpy(wchar_t *to, const wchar_t *from)
{
    memcpy(to, from, (wcslen(from) + 1) * sizeof(wchar_t));
    return to;
}

wchar_t *wcscat(wchar_t *to, const wchar_t *from)
{
    wcscpy(to + wcslen(to), from);
    return to;
}

wchar_t *wcsncpy(wchar_t *to, const wchar_t *from, size_t count)
{
    size_t i = 0;
    for (; i < count && from[i]; i++) {
        to[i] = from[i];
    }
    for (; i < count; i++) {
        to[i] = 0;
    }
    return to;
}

wchar_t *wcsncat(wchar_t *to, const wchar_t *from, size_t count)
{
    size_t n = wcsnlen(from, count);
    wchar_t *end = to + wcslen(to);
    memcpy(end, from, n * sizeof(wchar_t));
    end[n] = 0;
    return to;
}

int wcscmp(const wchar_t *a, const wchar_t *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a < *b ? -1 : *a > *b;
}

int wcsncmp(const wchar_t *a, const wchar_t *b, size_t count)
{
    for (; count; count--, a++, b++) {
        if (*a != *b || !*a) {
            return *a - *b;
        }
    }
    return 0;
}

int wcscoll(const wchar_t *a, const wchar_t *b)
{
    return wcscmp(a, b);
}

size_t wcsxfrm(wchar_t *to, const wchar_t *from, size_t size)
{
    if (size) {
        wcsncpy(to, from, size);
    }
    return wcslen(from);
}

int _wcsicmp(const wchar_t *a, const wchar_t *b)
{
    while (*a && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) - lower(*b);
}

int _wcsnicmp(const wchar_t *a, const wchar_t *b, size_t count)
{
    for (; count; count--, a++, b++) {
        if (lower(*a) != lower(*b) || !*a) {
            return lower(*a) - lower(*b);
        }
    }
    return 0;
}

wchar_t *wcschr(const wchar_t *s, wchar_t c)
{
    for (;; s++) {
        if (*s == c) {
            return (wchar_t *)s;
        }
        if (!*s) {
            return NULL;
        }
    }
}

wchar_t *wcsrchr(const wchar_t *s, wchar_t c)
{
    const wchar_t *found = NULL;
    do {
        if (*s == c) {
            found = s;
        }
    } while (*s++);
    return (wchar_t *)found;
}

wchar_t *wcsstr(const wchar_t *s, const wchar_t *what)
{
    size_t n = wcslen(what);
    for (; *s || !n; s++) {
        if (!wcsncmp(s, what, n)) {
            return (wchar_t *)s;
        }
    }
    return NULL;
}

size_t wcsspn(const wchar_t *s, const wchar_t *set)
{
    size_t n = 0;
    while (s[n] && wcschr(set, s[n])) {
        n++;
    }
    return n;
}

size_t wcscspn(const wchar_t *s, const wchar_t *set)
{
    size_t n = 0;
    while (s[n] && !wcschr(set, s[n])) {
        n++;
    }
    return n;
}

wchar_t *wcspbrk(const wchar_t *s, const wchar_t *set)
{
    s += wcscspn(s, set);
    return *s ? (wchar_t *)s : NULL;
}

wchar_t *wcstok_s(wchar_t *s, const wchar_t *set, wchar_t **context)
{
    s = s ? s : *context;
    if (!s) {
        return NULL;
    }
    s += wcsspn(s, set);
    if (!*s) {
        *context = s;
        return NULL;
    }
    wchar_t *end = s + wcscspn(s, set);
    *context = *end ? end + 1 : end;
    *end = 0;
    return s;
}

wchar_t *crt_wcstok(wchar_t *s, const wchar_t *set)
{
    return wcstok_s(s, set, &thread_data()->wide_token);
}

wchar_t *_wcsdup(const wchar_t *s)
{
    if (!s) {
        return NULL;
    }
    size_t n = (wcslen(s) + 1) * sizeof(wchar_t);
    wchar_t *copy = malloc(n);
    return copy ? memcpy(copy, s, n) : NULL;
}

wchar_t *_wcslwr(wchar_t *s)
{
    for (wchar_t *p = s; *p; p++) {
        *p = lower(*p);
    }
    return s;
}

wchar_t *_wcsupr(wchar_t *s)
{
    for (wchar_t *p = s; *p; p++) {
        *p = upper(*p);
    }
    return s;
}

wchar_t *_wcsrev(wchar_t *s)
{
    size_t n = wcslen(s);
    for (size_t i = 0; i < n / 2; i++) {
        wchar_t c = s[i];
        s[i] = s[n - 1 - i];
        s[n - 1 - i] = c;
    }
    return s;
}

errno_t wcscpy_s(wchar_t *to, rsize_t size, const wchar_t *from)
{
    if (!to || !size) {
        return EINVAL;
    }
    if (!from || wcslen(from) >= size) {
        *to = 0;
        return from ? ERANGE : EINVAL;
    }
    wcscpy(to, from);
    return 0;
}

errno_t wcscat_s(wchar_t *to, rsize_t size, const wchar_t *from)
{
    size_t n = to ? wcsnlen(to, size) : 0;
    if (!to || n == size) {
        return EINVAL;
    }
    return wcscpy_s(to + n, size - n, from);
}

int mblen(const char *s, size_t count)
{
    return !s ? 0 : !count ? -1 : *s != 0;
}

int mbtowc(wchar_t *to, const char *s, size_t count)
{
    if (!s) {
        return 0;
    }
    if (!count) {
        return -1;
    }
    if (to) {
        *to = (unsigned char)*s;
    }
    return *s != 0;
}

int wctomb(char *to, wchar_t c)
{
    if (!to) {
        return 0;
    }
    if (c > 0xFF) {
        errno = EILSEQ;
        return -1;
    }
    *to = (char)c;
    return 1;
}

size_t mbstowcs(wchar_t *to, const char *from, size_t count)
{
    size_t n = 0;
    if (!to) {
        return strlen(from);
    }
    for (; n < count; n++) {
        to[n] = (unsigned char)from[n];
        if (!from[n]) {
            break;
        }
    }
    return n;
}

size_t wcstombs(char *to, const wchar_t *from, size_t count)
{
    size_t n = 0;
    for (; !to || n < count; n++) {
        if (from[n] > 0xFF) {
            errno = EILSEQ;
            return (size_t)-1;
        }
        if (to) {
            to[n] = (char)from[n];
        }
        if (!from[n]) {
            break;
        }
    }
    return n;
}

/* What libmingwex asks for in place of mbrtowc and its kin. */
size_t mbrtowc(wchar_t *to, const char *s, size_t count, mbstate_t *state)
{
    (void)state;
    if (!s) {
        return 0;
    }
    return count ? (size_t)mbtowc(to, s, count) : (size_t)-2;
}

size_t mbrlen(const char *s, size_t count, mbstate_t *state)
{
    return mbrtowc(NULL, s, count, state);
}

size_t wcrtomb(char *to, wchar_t c, mbstate_t *state)
{
    char buffer[4];
    (void)state;
    return (size_t)wctomb(to ? to : buffer, to ? c : 0);
}

/* Text of the ANSI code page and UTF-16, for file names and the environment; to be freed. */
wchar_t *widen(const char *text)
{
    if (!text) {
        errno = EINVAL;
        return NULL;
    }
    int n = MultiByteToWideChar(CP_ACP, 0, text, -1, NULL, 0);
    wchar_t *wide = malloc((size_t)n * sizeof(wchar_t));
    if (wide) {
        MultiByteToWideChar(CP_ACP, 0, text, -1, wide, n);
    }
    return wide;
}

/* The ANSI code page has one byte for a character. */
char *narrow(const wchar_t *text)
{
    size_t n = wcslen(text) + 1;
    char *bytes = malloc(n);
    if (bytes) {
        WideCharToMultiByte(CP_ACP, 0, text, (int)n, bytes, (int)n, NULL, NULL);
    }
    return bytes;
}
