/*
 * kernel/lib/string.c: memory and string functions.
 *
 * Copying and filling use the CPU's string instructions, four bytes at a time: short code, few
 * instructions, and fast on every CPU for the sizes a kernel moves. The direction flag is clear
 * whenever kernel code runs (the System V ABI, and the entry code sees to it). The empty asm in
 * the loops keeps the compiler from recognising them and calling the function they are in.
 */
#include "kernel/string.h"

#include "quire/types.h"

#define KEEP_LOOP(variable) __asm__ volatile("" : "+r"(variable))

void *memcpy(void *restrict target, const void *restrict source, size_t nbytes)
{
    void *to = target;
    const void *from = source;
    size_t dwords = nbytes / 4;
    size_t rest = nbytes % 4;

    __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(dwords) : : "memory");
    if (rest != 0) {
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) : : "memory");
    }
    return target;
}

/* Copies from the end downwards, for a target that lies above an overlapping source. */
static void copy_backwards(char *target, const char *source, size_t nbytes)
{
    char *to = target + nbytes - 1;
    const char *from = source + nbytes - 1;

    __asm__ volatile("std\n\trep movsb\n\tcld" : "+D"(to), "+S"(from), "+c"(nbytes) : : "memory");
}

void *memmove(void *target, const void *source, size_t nbytes)
{
    if ((uintptr_t)target - (uintptr_t)source >= nbytes) {
        return memcpy(target, source, nbytes);
    }
    copy_backwards(target, source, nbytes);
    return target;
}

void *memset(void *target, int value, size_t nbytes)
{
    void *to = target;
    uint32_t pattern = (uint32_t)(uint8_t)value * 0x01010101u;
    size_t dwords = nbytes / 4;
    size_t rest = nbytes % 4;

    __asm__ volatile("rep stosl" : "+D"(to), "+c"(dwords) : "a"(pattern) : "memory");
    if (rest != 0) {
        __asm__ volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(pattern) : "memory");
    }
    return target;
}

int memcmp(const void *a, const void *b, size_t nbytes)
{
    const uint8_t *left = a;
    const uint8_t *right = b;
    size_t i = 0;

    for (; i + sizeof(uint32_t) <= nbytes; i += sizeof(uint32_t)) {
        uint32_t one;
        uint32_t other;
        __builtin_memcpy(&one, left + i, sizeof(one));
        __builtin_memcpy(&other, right + i, sizeof(other));
        if (one != other) {
            break;
        }
    }
    for (; i < nbytes; i++) {
        if (left[i] != right[i]) {
            return left[i] < right[i] ? -1 : 1;
        }
    }
    return 0;
}

size_t strlen(const char *string)
{
    const char *end = string;

    while (*end != '\0') {
        end++;
        KEEP_LOOP(end);
    }
    return (size_t)(end - string);
}

size_t strnlen(const char *string, size_t limit)
{
    size_t length = 0;

    while (length < limit && string[length] != '\0') {
        length++;
        KEEP_LOOP(length);
    }
    return length;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t limit)
{
    for (size_t i = 0; i < limit; i++) {
        uint8_t left = (uint8_t)a[i];
        uint8_t right = (uint8_t)b[i];

        if (left != right) {
            return left < right ? -1 : 1;
        }
        if (left == 0) {
            break;
        }
    }
    return 0;
}
