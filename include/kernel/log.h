/*
 * include/kernel/log.h: the kernel's log: a ring in memory, copied to the sinks (serial, VGA text).
 * A panic prints the last lines of the ring.
 */
#ifndef KERNEL_LOG_H
#define KERNEL_LOG_H

#include "quire/annotate.h"
#include "quire/types.h"

struct list;

struct log_sink {
    void (*write)(const char *text, size_t nbytes); /* any context, interrupts off, cannot block */
    struct log_sink *next;
};

/* One line or a part of one; '\n' ends a line. Any context. */
void log_print(const char *format, ...) PRINTF(1, 2);
void log_write(const char *text, size_t nbytes);
void log_add_sink(struct log_sink *sink);

/*
 * True from the first line of a panic on: a sink that was told to be quiet speaks again, and
 * locks are no longer waited for.
 */
bool log_is_panicking(void);
void log_start_panic(void);

/* Copies the last lines, at most nbytes - 1 characters and a zero; returns the length. */
size_t log_tail(char *buffer, size_t nbytes);

#endif
