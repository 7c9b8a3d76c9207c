/*
 * include/kernel/serial.h: the first serial port (16550, COM1): the kernel's log and, with
 * console=serial, the terminal.
 */
#ifndef KERNEL_SERIAL_H
#define KERNEL_SERIAL_H

#include "quire/types.h"

/* Sends NBYTES, polling; any context. Nothing is added to '\n'. */
void serial_write(const char *text, size_t nbytes);

/*
 * From now on RECEIVE gets every byte that arrives, in interrupt context. Once, after
 * interrupts_start.
 */
void serial_receive(void (*receive)(uint8_t byte));

/*
 * Whether log lines go to the serial line too (they do from the start); off while a program owns
 * it. A panic is always shown.
 */
void serial_show_log(bool on);

#endif
