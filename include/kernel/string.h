/*
 * include/kernel/string.h: the few memory and string functions that kernel code uses; the C
 * library's on the host, kernel/lib/string.c in the kernel.
 */
#ifndef KERNEL_STRING_H
#define KERNEL_STRING_H

#include <stddef.h>

void *memcpy(void *restrict target, const void *restrict source, size_t nbytes);
void *memmove(void *target, const void *source, size_t nbytes);
void *memset(void *target, int value, size_t nbytes);
int memcmp(const void *a, const void *b, size_t nbytes);
size_t strlen(const char *string);
size_t strnlen(const char *string, size_t limit);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t limit);

#endif
