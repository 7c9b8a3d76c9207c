/*
 * user/ntdll/memory.c: the memory functions of the C run-time part and their Rtl names.
 *
 * Built with -fno-tree-loop-distribute-patterns, or the compiler would turn these loops into calls
 * of themselves. Long runs go through the string instructions.
 */
#include "ntdll.h"

#undef RtlFillMemory
#undef RtlMoveMemory
#undef RtlZeroMemory

void *__cdecl memcpy(void *restrict to, const void *restrict from, size_t nbytes)
{
    void *target = to;
    size_t words = nbytes / 4;

    __asm__ volatile("rep movsl" : "+D"(target), "+S"(from), "+c"(words)::"memory");
    nbytes &= 3;
    __asm__ volatile("rep movsb" : "+D"(target), "+S"(from), "+c"(nbytes)::"memory");
    return to;
}

void *__cdecl memmove(void *to, const void *from, size_t nbytes)
{
    if ((uintptr_t)to - (uintptr_t)from >= nbytes) {
        return memcpy(to, from, nbytes);
    }
    char *target = (char *)to + nbytes - 1;
    const char *source = (const char *)from + nbytes - 1;
    __asm__ volatile("std\n\trep movsb\n\tcld"
                     : "+D"(target), "+S"(source), "+c"(nbytes)::"memory");
    return to;
}

void *__cdecl memset(void *to, int byte, size_t nbytes)
{
    void *target = to;
    size_t words = nbytes / 4;
    uint32_t pattern = (uint8_t)byte * 0x01010101u;

    __asm__ volatile("rep stosl" : "+D"(target), "+c"(words) : "a"(pattern) : "memory");
    nbytes &= 3;
    __asm__ volatile("rep stosb" : "+D"(target), "+c"(nbytes) : "a"(pattern) : "memory");
    return to;
}

int __cdecl memcmp(const void *first, const void *second, size_t nbytes)
{
    const uint8_t *a = first;
    const uint8_t *b = second;

    for (; nbytes >= 4 && *(const uint32_t *)(const void *)a == *(const uint32_t *)(const void *)b;
         nbytes -= 4) {
        a += 4;
        b += 4;
    }
    for (; nbytes > 0; nbytes--, a++, b++) {
        if (*a != *b) {
            return *a < *b ? -1 : 1;
        }
    }
    return 0;
}

void *__cdecl memchr(const void *buffer, int byte, size_t nbytes)
{
    const uint8_t *at = buffer;

    for (; nbytes > 0; nbytes--, at++) {
        if (*at == (uint8_t)byte) {
            return (void *)(uintptr_t)at;
        }
    }
    return NULL;
}

int __cdecl _memicmp(const void *first, const void *second, size_t nbytes)
{
    const uint8_t *a = first;
    const uint8_t *b = second;

    for (; nbytes > 0; nbytes--, a++, b++) {
        int x = *a >= 'A' && *a <= 'Z' ? *a + 32 : *a;
        int y = *b >= 'A' && *b <= 'Z' ? *b + 32 : *b;
        if (x != y) {
            return x - y;
        }
    }
    return 0;
}

void NTAPI RtlMoveMemory(void *to, const void *from, SIZE_T nbytes);
void NTAPI RtlMoveMemory(void *to, const void *from, SIZE_T nbytes)
{
    memmove(to, from, nbytes);
}

void NTAPI RtlFillMemory(void *to, SIZE_T nbytes, BYTE byte);
void NTAPI RtlFillMemory(void *to, SIZE_T nbytes, BYTE byte)
{
    memset(to, byte, nbytes);
}

void NTAPI RtlZeroMemory(void *to, SIZE_T nbytes);
void NTAPI RtlZeroMemory(void *to, SIZE_T nbytes)
{
    memset(to, 0, nbytes);
}

/* How many bytes are equal from the start on. */
SIZE_T NTAPI RtlCompareMemory(const void *first, const void *second, SIZE_T nbytes)
{
    const uint8_t *a = first;
    const uint8_t *b = second;
    SIZE_T equal = 0;

    while (equal < nbytes && a[equal] == b[equal]) {
        equal++;
    }
    return equal;
}
