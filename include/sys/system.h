/*
 * include/sys/system.h: the machine's end, and the page that shows programs the time.
 */
#ifndef SYS_SYSTEM_H
#define SYS_SYSTEM_H

#include "quire/annotate.h"
#include "quire/types.h"

/* Tells the launcher that the first program has ended with EXIT_CODE, and powers off. */
NORETURN void system_end(uint32_t exit_code);

/* Quire itself cannot go on: TEXT, one line that begins with "quire: ", and the machine stops. */
NORETURN void system_fail(const char *text);

/* Fills the shared page (KUSER_SHARED_DATA) and keeps its times right from now on. */
void shared_data_start(void);

#endif
