/*
 * kernel/core/failpoint.c: see include/kernel/failpoint.h.
 */
#include "kernel/failpoint.h"

static uint32_t countdowns[FAILPOINTS]; /* atomic; 0: none of that kind fails */

uint32_t failpoint_arm(enum failpoint kind, uint32_t n)
{
    return __atomic_exchange_n(&countdowns[kind], n, __ATOMIC_RELAXED);
}

bool failpoint_count(enum failpoint kind)
{
    return __atomic_load_n(&countdowns[kind], __ATOMIC_RELAXED) != 0 &&
           __atomic_sub_fetch(&countdowns[kind], 1, __ATOMIC_RELAXED) == 0;
}
