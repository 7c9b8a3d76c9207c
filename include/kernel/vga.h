/*
 * include/kernel/vga.h: the VGA text screen, 80 columns and 25 lines.
 */
#ifndef KERNEL_VGA_H
#define KERNEL_VGA_H

#include "quire/types.h"

/* Writes at the cursor; understands '\n', '\r', '\b' and '\t'; scrolls. Any context. */
void vga_write(const char *text, size_t nbytes);

#endif
