/*
 * user/ntdll/cstring.c: the string functions that ntdll exports under their C names. Case is
 * folded in ASCII here, as in the C locale.
 */
#include "ntdll.h"
#include <string.h>
#include <wchar.h>

size_t __cdecl strlen(const char *text)
{
    const char *end = text;

    while (*end) {
        end++;
    }
    return (size_t)(end - text);
}

size_t __cdecl strnlen(const char *text, size_t limit)
{
    size_t length = 0;

    while (length < limit && text[length]) {
        length++;
    }
    return length;
}

int __cdecl strcmp(const char *first, const char *second)
{
    while (*first && *first == *second) {
        first++;
        second++;
    }
    return (uint8_t)*first - (uint8_t)*second;
}

int __cdecl strncmp(const char *first, const char *second, size_t limit)
{
    for (; limit > 0; limit--, first++, second++) {
        if (*first != *second || !*first) {
            return (uint8_t)*first - (uint8_t)*second;
        }
    }
    return 0;
}

char *__cdecl strcpy(char *restrict to, const char *restrict from)
{
    return memcpy(to, from, strlen(from) + 1);
}

char *__cdecl strncpy(char *restrict to, const char *restrict from, size_t limit)
{
    size_t length = strnlen(from, limit);

    memcpy(to, from, length);
    memset(to + length, 0, limit - length);
    return to;
}

char *__cdecl strcat(char *restrict to, const char *restrict from)
{
    strcpy(to + strlen(to), from);
    return to;
}

char *__cdecl strchr(const char *text, int wanted)
{
    for (;; text++) {
        if (*text == (char)wanted) {
            return (char *)(uintptr_t)text;
        }
        if (!*text) {
            return NULL;
        }
    }
}

char *__cdecl strrchr(const char *text, int wanted)
{
    const char *found = NULL;

    for (;; text++) {
        if (*text == (char)wanted) {
            found = text;
        }
        if (!*text) {
            return (char *)(uintptr_t)found;
        }
    }
}

char *__cdecl strstr(const char *text, const char *wanted)
{
    size_t length = strlen(wanted);

    for (; *text || !length; text++) {
        if (strncmp(text, wanted, length) == 0) {
            return (char *)(uintptr_t)text;
        }
    }
    return NULL;
}

static int fold(int character)
{
    return character >= 'A' && character <= 'Z' ? character + 32 : character;
}

int __cdecl _strnicmp(const char *first, const char *second, size_t limit)
{
    for (; limit > 0; limit--, first++, second++) {
        int difference = fold((uint8_t)*first) - fold((uint8_t)*second);
        if (difference || !*first) {
            return difference;
        }
    }
    return 0;
}

int __cdecl _stricmp(const char *first, const char *second)
{
    return _strnicmp(first, second, SIZE_MAX);
}

size_t __cdecl wcslen(const wchar_t *text)
{
    const wchar_t *end = text;

    while (*end) {
        end++;
    }
    return (size_t)(end - text);
}

size_t __cdecl wcsnlen(const wchar_t *text, size_t limit)
{
    size_t length = 0;

    while (length < limit && text[length]) {
        length++;
    }
    return length;
}

int __cdecl wcsncmp(const wchar_t *first, const wchar_t *second, size_t limit)
{
    for (; limit > 0; limit--, first++, second++) {
        if (*first != *second || !*first) {
            return *first - *second;
        }
    }
    return 0;
}

int __cdecl wcscmp(const wchar_t *first, const wchar_t *second)
{
    return wcsncmp(first, second, SIZE_MAX);
}

wchar_t *__cdecl wcscpy(wchar_t *restrict to, const wchar_t *restrict from)
{
    return memcpy(to, from, (wcslen(from) + 1) * sizeof(wchar_t));
}

wchar_t *__cdecl wcsncpy(wchar_t *restrict to, const wchar_t *restrict from, size_t limit)
{
    size_t length = wcsnlen(from, limit);

    memcpy(to, from, length * sizeof(wchar_t));
    memset(to + length, 0, (limit - length) * sizeof(wchar_t));
    return to;
}

wchar_t *__cdecl wcscat(wchar_t *restrict to, const wchar_t *restrict from)
{
    wcscpy(to + wcslen(to), from);
    return to;
}

wchar_t *__cdecl wcschr(const wchar_t *text, wchar_t wanted)
{
    for (;; text++) {
        if (*text == wanted) {
            return (wchar_t *)(uintptr_t)text;
        }
        if (!*text) {
            return NULL;
        }
    }
}

wchar_t *__cdecl wcsrchr(const wchar_t *text, wchar_t wanted)
{
    const wchar_t *found = NULL;

    for (;; text++) {
        if (*text == wanted) {
            found = text;
        }
        if (!*text) {
            return (wchar_t *)(uintptr_t)found;
        }
    }
}

wchar_t *__cdecl wcsstr(const wchar_t *text, const wchar_t *wanted)
{
    size_t length = wcslen(wanted);

    for (; *text || !length; text++) {
        if (wcsncmp(text, wanted, length) == 0) {
            return (wchar_t *)(uintptr_t)text;
        }
    }
    return NULL;
}

int __cdecl _wcsnicmp(const wchar_t *first, const wchar_t *second, size_t limit)
{
    for (; limit > 0; limit--, first++, second++) {
        int difference = *first == *second ? 0 : fold(*first) - fold(*second);
        if (difference || !*first) {
            return difference;
        }
    }
    return 0;
}

int __cdecl _wcsicmp(const wchar_t *first, const wchar_t *second)
{
    return _wcsnicmp(first, second, SIZE_MAX);
}
