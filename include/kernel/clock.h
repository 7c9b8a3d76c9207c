/*
 * include/kernel/clock.h: time.
 */
#ifndef KERNEL_CLOCK_H
#define KERNEL_CLOCK_H

#include "quire/types.h"

#define NS_PER_MS 1000000ll
#define NS_PER_S  1000000000ll

#define CLOCK_TICK_NS NS_PER_MS /* between two calls of scheduler_tick */

/* Nanoseconds since boot, never going back. Any context. */
int64_t clock_now(void);

/* Time of day: 100 ns units since 1601-01-01 UTC (NT's system time). */
int64_t clock_system_time(void);

/* The time-stamp counter's frequency, ticks a second. */
uint64_t clock_tsc_frequency(void);

#endif
