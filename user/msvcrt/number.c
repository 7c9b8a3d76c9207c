/*
 * user/msvcrt/number.c: integers and text, division, random numbers, sorting and searching.
 *
 * Floating-point text is libmingwex's (strtod, printf).
 */
#include "user/msvcrt/msvcrt.h"

#include <search.h>
#include <wctype.h>

/* Reads characters one by one: of bytes or of UTF-16. */
struct reader {
    const char *bytes;
    const wchar_t *wide;
};

static int peek(const struct reader *r)
{
    return r->wide ? *r->wide : (unsigned char)*r->bytes;
}

static void skip(struct reader *r)
{
    if (r->wide) {
        r->wide++;
    } else {
        r->bytes++;
    }
}

static int digit_of(int c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'Z' ? c - 'A' + 10 : 99;
}

/* The magnitude of a number; *negative and *overflow tell the rest. The reader ends behind it. */
static unsigned __int64 parse(struct reader *r, int base, int *negative, int *overflow, int *any)
{
    struct reader at = *r;
    unsigned __int64 value = 0;
    *negative = *overflow = *any = 0;
    while (peek(&at) == ' ' || (peek(&at) >= 9 && peek(&at) <= 13)) {
        skip(&at);
    }
    if (peek(&at) == '-' || peek(&at) == '+') {
        *negative = peek(&at) == '-';
        skip(&at);
    }
    if (peek(&at) == '0' && (base == 0 || base == 16)) {
        struct reader prefix = at;
        skip(&prefix);
        if (peek(&prefix) == 'x' || peek(&prefix) == 'X') {
            skip(&prefix);
            if (digit_of(peek(&prefix)) < 16) {
                at = prefix;
                base = 16;
            }
        }
        base = base ? base : 8;
    }
    base = base ? base : 10;
    for (int digit; (digit = digit_of(peek(&at))) < base; skip(&at)) {
        if (value > (~0ull - (unsigned)digit) / (unsigned)base) {
            *overflow = 1;
        }
        value = value * (unsigned)base + (unsigned)digit;
        *any = 1;
    }
    if (*any) {
        *r = at;
    }
    return value;
}

static unsigned __int64 parse_signed(struct reader *r, int base, unsigned __int64 max)
{
    int negative, overflow, any;
    unsigned __int64 value = parse(r, base, &negative, &overflow, &any);
    if (overflow || value > max + (unsigned)negative) {
        errno = ERANGE;
        value = max + (unsigned)negative;
    }
    return negative ? 0 - value : value;
}

static unsigned __int64 parse_unsigned(struct reader *r, int base, unsigned __int64 max)
{
    int negative, overflow, any;
    unsigned __int64 value = parse(r, base, &negative, &overflow, &any);
    if (overflow || value > max) {
        errno = ERANGE;
        return max;
    }
    return negative ? 0 - value : value;
}

long strtol(const char *s, char **end, int base)
{
    struct reader r = {s, NULL};
    long value = (long)parse_signed(&r, base, LONG_MAX);
    if (end) {
        *end = (char *)r.bytes;
    }
    return value;
}

unsigned long strtoul(const char *s, char **end, int base)
{
    struct reader r = {s, NULL};
    unsigned long value = (unsigned long)parse_unsigned(&r, base, ULONG_MAX);
    if (end) {
        *end = (char *)r.bytes;
    }
    return value;
}

__int64 _strtoi64(const char *s, char **end, int base)
{
    struct reader r = {s, NULL};
    __int64 value = (__int64)parse_signed(&r, base, _I64_MAX);
    if (end) {
        *end = (char *)r.bytes;
    }
    return value;
}

unsigned __int64 _strtoui64(const char *s, char **end, int base)
{
    struct reader r = {s, NULL};
    unsigned __int64 value = parse_unsigned(&r, base, _UI64_MAX);
    if (end) {
        *end = (char *)r.bytes;
    }
    return value;
}

long wcstol(const wchar_t *s, wchar_t **end, int base)
{
    struct reader r = {NULL, s};
    long value = (long)parse_signed(&r, base, LONG_MAX);
    if (end) {
        *end = (wchar_t *)r.wide;
    }
    return value;
}

unsigned long wcstoul(const wchar_t *s, wchar_t **end, int base)
{
    struct reader r = {NULL, s};
    unsigned long value = (unsigned long)parse_unsigned(&r, base, ULONG_MAX);
    if (end) {
        *end = (wchar_t *)r.wide;
    }
    return value;
}

__int64 _wcstoi64(const wchar_t *s, wchar_t **end, int base)
{
    struct reader r = {NULL, s};
    __int64 value = (__int64)parse_signed(&r, base, _I64_MAX);
    if (end) {
        *end = (wchar_t *)r.wide;
    }
    return value;
}

unsigned __int64 _wcstoui64(const wchar_t *s, wchar_t **end, int base)
{
    struct reader r = {NULL, s};
    unsigned __int64 value = parse_unsigned(&r, base, _UI64_MAX);
    if (end) {
        *end = (wchar_t *)r.wide;
    }
    return value;
}

int atoi(const char *s)
{
    return (int)strtol(s, NULL, 10);
}

long atol(const char *s)
{
    return strtol(s, NULL, 10);
}

__int64 _atoi64(const char *s)
{
    return _strtoi64(s, NULL, 10);
}

int _wtoi(const wchar_t *s)
{
    return (int)wcstol(s, NULL, 10);
}

long _wtol(const wchar_t *s)
{
    return wcstol(s, NULL, 10);
}

__int64 _wtoi64(const wchar_t *s)
{
    return _wcstoi64(s, NULL, 10);
}

double __strtod(const char *s, char **end);
double __mingw_wcstod(const wchar_t *s, wchar_t **end);

double crt_strtod(const char *s, char **end)
{
    return __strtod(s, end);
}

double atof(const char *s)
{
    return __strtod(s, NULL);
}

double crt_wcstod(const wchar_t *s, wchar_t **end)
{
    return __mingw_wcstod(s, end);
}

double _wtof(const wchar_t *s)
{
    return __mingw_wcstod(s, NULL);
}

/* Writes digits; returns the end. Only base 10 knows a sign. */
static char *put_number(unsigned __int64 value, char *to, int base, int negative)
{
    char digits[65], *start = to;
    int n = 0;
    if (base < 2 || base > 36) {
        *to = 0;
        errno = EINVAL;
        return start;
    }
    do {
        unsigned digit = (unsigned)(value % (unsigned)base);
        digits[n++] = (char)(digit < 10 ? '0' + digit : 'a' + digit - 10);
        value /= (unsigned)base;
    } while (value);
    if (negative) {
        *to++ = '-';
    }
    while (n) {
        *to++ = digits[--n];
    }
    *to = 0;
    return start;
}

char *_ltoa(long value, char *to, int base)
{
    int negative = base == 10 && value < 0;
    return put_number(negative ? 0 - (unsigned long)value : (unsigned long)value, to, base,
                      negative);
}

char *_itoa(int value, char *to, int base)
{
    return _ltoa(value, to, base);
}

char *_ultoa(unsigned long value, char *to, int base)
{
    return put_number(value, to, base, 0);
}

char *_i64toa(__int64 value, char *to, int base)
{
    int negative = base == 10 && value < 0;
    return put_number(negative ? 0 - (unsigned __int64)value : (unsigned __int64)value, to, base,
                      negative);
}

char *_ui64toa(unsigned __int64 value, char *to, int base)
{
    return put_number(value, to, base, 0);
}

wchar_t *_i64tow(__int64 value, wchar_t *to, int base)
{
    char text[72];
    mbstowcs(to, _i64toa(value, text, base), sizeof(text));
    return to;
}

wchar_t *_ui64tow(unsigned __int64 value, wchar_t *to, int base)
{
    char text[72];
    mbstowcs(to, _ui64toa(value, text, base), sizeof(text));
    return to;
}

wchar_t *_ltow(long value, wchar_t *to, int base)
{
    char text[72];
    mbstowcs(to, _ltoa(value, text, base), sizeof(text));
    return to;
}

wchar_t *_itow(int value, wchar_t *to, int base)
{
    return _ltow(value, to, base);
}

wchar_t *_ultow(unsigned long value, wchar_t *to, int base)
{
    return _ui64tow(value, to, base);
}

int abs(int value)
{
    return value < 0 ? -value : value;
}

long labs(long value)
{
    return value < 0 ? -value : value;
}

div_t div(int numerator, int denominator)
{
    return (div_t){numerator / denominator, numerator % denominator};
}

ldiv_t ldiv(long numerator, long denominator)
{
    return (ldiv_t){numerator / denominator, numerator % denominator};
}

unsigned crt_rotl(unsigned value, int count)
{
    return value << (count & 31) | value >> (-count & 31);
}

unsigned crt_rotr(unsigned value, int count)
{
    return value >> (count & 31) | value << (-count & 31);
}

void srand(unsigned seed)
{
    thread_data()->seed = seed;
}

int rand(void)
{
    struct thread_data *data = thread_data();
    data->seed = data->seed * 214013 + 2531011;
    return (int)(data->seed >> 16 & 0x7FFF);
}

static void swap(char *a, char *b, size_t size)
{
    while (size--) {
        char c = *a;
        *a++ = *b;
        *b++ = c;
    }
}

/* Lets the element at root sink to its place in the heap of count elements. */
static void sink(char *base, size_t root, size_t count, size_t size,
                 int(__cdecl *compare)(const void *, const void *))
{
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && compare(base + child * size, base + (child + 1) * size) < 0) {
            child++;
        }
        if (compare(base + root * size, base + child * size) >= 0) {
            return;
        }
        swap(base + root * size, base + child * size, size);
    }
}

/* Heap sort for long runs that quicksort splits badly: no input makes it quadratic. */
static void heap_sort(char *base, size_t count, size_t size,
                      int(__cdecl *compare)(const void *, const void *))
{
    for (size_t i = count / 2; i--;) {
        sink(base, i, count, size, compare);
    }
    while (count > 1) {
        count--;
        swap(base, base + count * size, size);
        sink(base, 0, count, size, compare);
    }
}

static void sort(char *base, size_t count, size_t size,
                 int(__cdecl *compare)(const void *, const void *), int depth)
{
    while (count > 8) {
        if (!depth--) {
            heap_sort(base, count, size, compare);
            return;
        }
        swap(base, base + count / 2 * size, size);
        size_t low = 0, high = count;
        for (;;) {
            do {
                low++;
            } while (low < count && compare(base + low * size, base) < 0);
            do {
                high--;
            } while (high > 0 && compare(base + high * size, base) > 0);
            if (low >= high) {
                break;
            }
            swap(base + low * size, base + high * size, size);
        }
        swap(base, base + high * size, size);
        size_t right = count - high - 1;
        if (high < right) {
            sort(base, high, size, compare, depth);
            base += (high + 1) * size;
            count = right;
        } else {
            sort(base + (high + 1) * size, right, size, compare, depth);
            count = high;
        }
    }
    for (size_t i = 1; i < count; i++) {
        for (size_t j = i; j && compare(base + (j - 1) * size, base + j * size) > 0; j--) {
            swap(base + (j - 1) * size, base + j * size, size);
        }
    }
}

void qsort(void *base, size_t count, size_t size, int(__cdecl *compare)(const void *, const void *))
{
    int depth = 4;
    for (size_t n = count; n > 1; n /= 2) {
        depth += 2;
    }
    if (size) {
        sort(base, count, size, compare, depth);
    }
}

void *bsearch(const void *key, const void *base, size_t count, size_t size,
              int(__cdecl *compare)(const void *, const void *))
{
    const char *first = base;
    while (count) {
        const char *middle = first + count / 2 * size;
        int order = compare(key, middle);
        if (!order) {
            return (void *)middle;
        }
        if (order > 0) {
            first = middle + size;
            count -= count / 2 + 1;
        } else {
            count /= 2;
        }
    }
    return NULL;
}

void *_lfind(const void *key, const void *base, unsigned *count, unsigned size,
             int(__cdecl *compare)(const void *, const void *))
{
    const char *at = base;
    for (unsigned i = 0; i < *count; i++, at += size) {
        if (!compare(key, at)) {
            return (void *)at;
        }
    }
    return NULL;
}

void *_lsearch(const void *key, void *base, unsigned *count, unsigned size,
               int(__cdecl *compare)(const void *, const void *))
{
    void *found = _lfind(key, base, count, size, compare);
    if (!found) {
        found = memcpy((char *)base + *count * size, key, size);
        ++*count;
    }
    return found;
}
