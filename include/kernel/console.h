/*
 * include/kernel/console.h: the terminal: serial line and keyboard in, serial line and screen out.
 */
#ifndef KERNEL_CONSOLE_H
#define KERNEL_CONSOLE_H

#include "quire/types.h"

/* Makes the terminal the first program's three streams (stream_set). After devices_start. */
void console_use(void);

/* A byte from the serial line or the keyboard. Interrupt context. */
void console_input(uint8_t byte);

#endif
