/*
 * include/kernel/format.h: the kernel's own small printf.
 *
 * Understands %s %c %d %i %u %x %X %p %% with l, ll and z lengths, a width, zero padding, '-' and
 * a precision for %s. No floating point.
 */
#ifndef KERNEL_FORMAT_H
#define KERNEL_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

#include "quire/annotate.h"

/*
 * Writes at most nbytes - 1 characters and a zero to BUFFER (nothing when nbytes is 0).
 * Returns the length that the whole text would have had.
 */
size_t kformat(char *buffer, size_t nbytes, const char *format, ...) PRINTF(3, 4);
size_t kformat_v(char *buffer, size_t nbytes, const char *format, va_list arguments) PRINTF(3, 0);

#endif
