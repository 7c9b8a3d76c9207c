/*
 * user/msvcrt/secure.c: the _s forms that check sizes, and conversions that restart.
 */
#include "user/msvcrt/msvcrt.h"

#include <stdint.h>

int __mingw_sprintf(char *buffer, const char *format, ...);

errno_t memmove_s(void *to, rsize_t size, const void *from, rsize_t count)
{
    if (!count) {
        return 0;
    }
    if (!to || !from || size < count) {
        return !to || !from ? EINVAL : ERANGE;
    }
    memmove(to, from, count);
    return 0;
}

errno_t strncat_s(char *to, rsize_t size, const char *from, rsize_t count)
{
    size_t n = to ? strnlen(to, size) : 0;
    if (!to || n == size) {
        return EINVAL;
    }
    return strncpy_s(to + n, size - n, from, count);
}

errno_t wcsncpy_s(wchar_t *to, rsize_t size, const wchar_t *from, rsize_t count)
{
    if (!to || !size) {
        return EINVAL;
    }
    size_t n = wcsnlen(from, count);
    if (n >= size) {
        if (count != _TRUNCATE) {
            *to = 0;
            return ERANGE;
        }
        n = size - 1;
    }
    memcpy(to, from, n * sizeof(wchar_t));
    to[n] = 0;
    return 0;
}

errno_t wcsncat_s(wchar_t *to, rsize_t size, const wchar_t *from, rsize_t count)
{
    size_t n = to ? wcsnlen(to, size) : 0;
    if (!to || n == size) {
        return EINVAL;
    }
    return wcsncpy_s(to + n, size - n, from, count);
}

errno_t mbstowcs_s(size_t *done, wchar_t *to, size_t size, const char *from, size_t count)
{
    size_t n = strnlen(from, count);
    if (to && n >= size) {
        if (count != _TRUNCATE) {
            if (size) {
                *to = 0;
            }
            return ERANGE;
        }
        n = size - 1;
    }
    for (size_t i = 0; to && i < n; i++) {
        to[i] = (unsigned char)from[i];
    }
    if (to) {
        to[n] = 0;
    }
    if (done) {
        *done = n + 1;
    }
    return 0;
}

errno_t wcstombs_s(size_t *done, char *to, size_t size, const wchar_t *from, size_t count)
{
    size_t n = wcsnlen(from, count);
    if (to && n >= size) {
        if (count != _TRUNCATE) {
            if (size) {
                *to = 0;
            }
            return ERANGE;
        }
        n = size - 1;
    }
    for (size_t i = 0; i < n; i++) {
        if (from[i] > 0xFF) {
            return errno = EILSEQ;
        }
        if (to) {
            to[i] = (char)from[i];
        }
    }
    if (to) {
        to[n] = 0;
    }
    if (done) {
        *done = n + 1;
    }
    return 0;
}

size_t mbsrtowcs(wchar_t *to, const char **from, size_t count, mbstate_t *state)
{
    (void)state;
    size_t n = mbstowcs(to, *from, count);
    if (to) {
        *from = n < count ? NULL : *from + n;
    }
    return n;
}

size_t wcsrtombs(char *to, const wchar_t **from, size_t count, mbstate_t *state)
{
    (void)state;
    size_t n = wcstombs(to, *from, count);
    if (to && n != (size_t)-1) {
        *from = n < count ? NULL : *from + n;
    }
    return n;
}

wint_t crt_btowc(int c)
{
    return c == EOF ? WEOF : (wint_t)(unsigned char)c;
}

int crt_wctob(wint_t c)
{
    return c > 0xFF ? EOF : c;
}

__int64 crt_abs64(__int64 value)
{
    return value < 0 ? -value : value;
}

/* Numbers that nobody chooses: a generator stirred by the clocks. */
errno_t rand_s(unsigned *value)
{
    static volatile LONG state;
    LARGE_INTEGER counter;
    QueryPerformanceCounter(&counter);
    uint32_t x = (uint32_t)InterlockedExchangeAdd(&state, (LONG)0x9E3779B9) ^ counter.u.LowPart ^
                 GetCurrentThreadId() << 16;
    x = (x ^ x >> 16) * 0x85EBCA6Bu;
    x = (x ^ x >> 13) * 0xC2B2AE35u;
    *value = x ^ x >> 16;
    return 0;
}

char *crt_gcvt(double value, int digits, char *buffer)
{
    __mingw_sprintf(buffer, "%.*g", digits, value);
    return buffer;
}
