/*
 * user/msvcrt/string.c: strings and memory, of bytes.
 */
#include "user/msvcrt/msvcrt.h"

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
    void *result = to;
    if ((size_t)to - (size_t)from >= nbytes) {
        return memcpy(to, from, nbytes);
    }
    to = (char *)to + nbytes - 1;
    from = (const char *)from + nbytes - 1;
    __asm__ volatile("std; rep movsb; cld" : "+D"(to), "+S"(from), "+c"(nbytes) : : "memory", "cc");
    return result;
}

void *memset(void *to, int value, size_t nbytes)
{
    void *result = to;
    size_t words = nbytes / 4;
    nbytes &= 3;
    value = (value & 0xFF) * 0x01010101;
    __asm__ volatile("rep stosl" : "+D"(to), "+c"(words) : "a"(value) : "memory");
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(nbytes) : "a"(value) : "memory");
    return result;
}

int memcmp(const void *a, const void *b, size_t nbytes)
{
    const unsigned char *p = a, *q = b;
    for (; nbytes; nbytes--, p++, q++) {
        if (*p != *q) {
            return *p < *q ? -1 : 1;
        }
    }
    return 0;
}

void *memchr(const void *block, int value, size_t nbytes)
{
    const unsigned char *p = block;
    for (; nbytes; nbytes--, p++) {
        if (*p == (unsigned char)value) {
            return (void *)p;
        }
    }
    return NULL;
}

void *_memccpy(void *to, const void *from, int value, size_t nbytes)
{
    unsigned char *t = to;
    const unsigned char *f = from;
    while (nbytes--) {
        *t++ = *f;
        if (*f++ == (unsigned char)value) {
            return t;
        }
    }
    return NULL;
}

static int lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static int upper(int c)
{
    return c >= 'a' && c <= 'z' ? c - 32 : c;
}

int _memicmp(const void *a, const void *b, size_t nbytes)
{
    const unsigned char *p = a, *q = b;
    for (; nbytes; nbytes--, p++, q++) {
        if (lower(*p) != lower(*q)) {
            return lower(*p) - lower(*q);
        }
    }
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;
    while (s[n]) {
        n++;
    }
    return n;
}

size_t strnlen(const char *s, size_t max)
{
    size_t n = 0;
    while (n < max && s[n]) {
        n++;
    }
    return n;
}

char *strcpy(char *to, const char *from)
{
    memcpy(to, from, strlen(from) + 1);
    return to;
}

char *strcat(char *to, const char *from)
{
    strcpy(to + strlen(to), from);
    return to;
}

char *strncpy(char *to, const char *from, size_t count)
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

char *strncat(char *to, const char *from, size_t count)
{
    size_t n = strnlen(from, count);
    char *end = to + strlen(to);
    memcpy(end, from, n);
    end[n] = 0;
    return to;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    int x = (unsigned char)*a, y = (unsigned char)*b;
    return x < y ? -1 : x > y;
}

int strncmp(const char *a, const char *b, size_t count)
{
    for (; count; count--, a++, b++) {
        if (*a != *b || !*a) {
            return (unsigned char)*a - (unsigned char)*b;
        }
    }
    return 0;
}

int strcoll(const char *a, const char *b)
{
    return strcmp(a, b); /* the "C" locale */
}

size_t strxfrm(char *to, const char *from, size_t size)
{
    size_t n = strlen(from);
    if (size) {
        strncpy(to, from, size);
    }
    return n;
}

int _stricmp(const char *a, const char *b)
{
    while (*a && lower((unsigned char)*a) == lower((unsigned char)*b)) {
        a++;
        b++;
    }
    return lower((unsigned char)*a) - lower((unsigned char)*b);
}

int _strnicmp(const char *a, const char *b, size_t count)
{
    for (; count; count--, a++, b++) {
        int x = lower((unsigned char)*a), y = lower((unsigned char)*b);
        if (x != y || !x) {
            return x - y;
        }
    }
    return 0;
}

char *strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char)c) {
            return (char *)s;
        }
        if (!*s) {
            return NULL;
        }
    }
}

char *strrchr(const char *s, int c)
{
    const char *found = NULL;
    do {
        if (*s == (char)c) {
            found = s;
        }
    } while (*s++);
    return (char *)found;
}

char *strstr(const char *s, const char *what)
{
    size_t n = strlen(what);
    for (; *s || !n; s++) {
        if (!strncmp(s, what, n)) {
            return (char *)s;
        }
    }
    return NULL;
}

size_t strspn(const char *s, const char *set)
{
    size_t n = 0;
    while (s[n] && strchr(set, s[n])) {
        n++;
    }
    return n;
}

size_t strcspn(const char *s, const char *set)
{
    size_t n = 0;
    while (s[n] && !strchr(set, s[n])) {
        n++;
    }
    return n;
}

char *strpbrk(const char *s, const char *set)
{
    s += strcspn(s, set);
    return *s ? (char *)s : NULL;
}

char *strtok_s(char *s, const char *set, char **context)
{
    s = s ? s : *context;
    if (!s) {
        return NULL;
    }
    s += strspn(s, set);
    if (!*s) {
        *context = s;
        return NULL;
    }
    char *end = s + strcspn(s, set);
    *context = *end ? end + 1 : end;
    *end = 0;
    return s;
}

char *strtok(char *s, const char *set)
{
    return strtok_s(s, set, &thread_data()->token);
}

char *_strdup(const char *s)
{
    if (!s) {
        return NULL;
    }
    size_t n = strlen(s) + 1;
    char *copy = malloc(n);
    return copy ? memcpy(copy, s, n) : NULL;
}

char *_strlwr(char *s)
{
    for (char *p = s; *p; p++) {
        *p = (char)lower((unsigned char)*p);
    }
    return s;
}

char *_strupr(char *s)
{
    for (char *p = s; *p; p++) {
        *p = (char)upper((unsigned char)*p);
    }
    return s;
}

char *_strrev(char *s)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < n / 2; i++) {
        char c = s[i];
        s[i] = s[n - 1 - i];
        s[n - 1 - i] = c;
    }
    return s;
}

char *_strset(char *s, int c)
{
    return memset(s, c, strlen(s));
}

char *_strnset(char *s, int c, size_t count)
{
    return memset(s, c, strnlen(s, count));
}

errno_t strcpy_s(char *to, rsize_t size, const char *from)
{
    if (!to || !size) {
        return EINVAL;
    }
    if (!from || strlen(from) >= size) {
        *to = 0;
        return from ? ERANGE : EINVAL;
    }
    strcpy(to, from);
    return 0;
}

errno_t strcat_s(char *to, rsize_t size, const char *from)
{
    size_t n = to ? strnlen(to, size) : 0;
    if (!to || n == size) {
        return EINVAL;
    }
    return strcpy_s(to + n, size - n, from);
}

errno_t strncpy_s(char *to, rsize_t size, const char *from, rsize_t count)
{
    if (!to || !size) {
        return EINVAL;
    }
    size_t n = strnlen(from, count);
    if (n >= size) {
        if (count == _TRUNCATE) {
            n = size - 1;
        } else {
            *to = 0;
            return ERANGE;
        }
    }
    memcpy(to, from, n);
    to[n] = 0;
    return 0;
}

errno_t memcpy_s(void *to, rsize_t size, const void *from, rsize_t count)
{
    if (!count) {
        return 0;
    }
    if (!to || !from || size < count) {
        if (to) {
            memset(to, 0, size);
        }
        return !to || !from ? EINVAL : ERANGE;
    }
    memcpy(to, from, count);
    return 0;
}

void _swab(char *from, char *to, int count)
{
    for (int i = 0; i + 1 < count; i += 2) {
        char first = from[i];
        to[i] = from[i + 1];
        to[i + 1] = first;
    }
}
