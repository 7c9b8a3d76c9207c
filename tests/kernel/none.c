/*
 * tests/kernel/none.c: what stands for the self-tests in the release kernel, which has none.
 */
#include "selftest.h"

#include "kernel/log.h"

uint32_t selftest_run(const char *pattern)
{
    (void)pattern;
    log_print("quire: this kernel has no self-tests; the debug kernel has\n");
    return 1;
}

void selftest_prepare(void)
{
}

void selftest_set_before(void (*before)(void))
{
    (void)before;
}

void selftest_set_after(uint32_t (*after)(void))
{
    (void)after;
}

void selftest_skip(const char *reason)
{
    (void)reason;
}

void selftest_fail(const char *file, int line, const char *format, ...)
{
    (void)format;
    log_print("quire: a self-test without a runner: %s:%d\n", file, line);
}
