/*
 * tests/kernel/runner.c: runs the in-kernel self-tests.
 *
 * The output is the Test Anything Protocol on the log, a line per test, so that whoever reads the
 * serial line sees how far it came when the system stops.
 */
#include "selftest.h"

#include <stdarg.h>

#include "kernel/clock.h"
#include "kernel/format.h"
#include "kernel/log.h"
#include "kernel/string.h"

#define HOOKS_MAX 8u

/* The section that SELFTEST fills, from boot/linker.ld. */
extern const struct selftest selftests_begin[];
extern const struct selftest selftests_end[];

static void (*before_hooks[HOOKS_MAX])(void);
static uint32_t (*after_hooks[HOOKS_MAX])(void);
static uint32_t nbefore;
static uint32_t nafter;

static volatile uint32_t failures; /* of the running test; test threads add to it */
static const char *skip_reason;

void selftest_set_before(void (*before)(void))
{
    if (nbefore < HOOKS_MAX) {
        before_hooks[nbefore] = before;
        nbefore++;
    }
}

void selftest_set_after(uint32_t (*after)(void))
{
    if (nafter < HOOKS_MAX) {
        after_hooks[nafter] = after;
        nafter++;
    }
}

void selftest_skip(const char *reason)
{
    skip_reason = reason;
}

void selftest_fail(const char *file, int line, const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    (void)kformat_v(text, sizeof(text), format, arguments);
    va_end(arguments);
    log_print("# %s:%d: %s\n", file, line, text);
    __atomic_fetch_add(&failures, 1u, __ATOMIC_RELAXED);
}

static bool contains(const char *text, const char *pattern)
{
    size_t length = strlen(pattern);

    for (; *text != '\0'; text++) {
        if (strncmp(text, pattern, length) == 0) {
            return true;
        }
    }
    return length == 0;
}

/* Runs one test with its hooks; true when it passed. */
static bool run_one(const struct selftest *test, uint32_t number)
{
    failures = 0;
    skip_reason = NULL;
    log_print("# %s\n", test->name);
    int64_t start = clock_now();
    for (uint32_t i = 0; i < nbefore; i++) {
        before_hooks[i]();
    }
    test->function();
    for (uint32_t i = 0; i < nafter; i++) {
        uint32_t problems = after_hooks[i]();

        if (problems != 0) {
            selftest_fail(test->name, 0, "%u problems found after the test", problems);
        }
    }
    uint32_t milliseconds = (uint32_t)((clock_now() - start) / NS_PER_MS);
    if (skip_reason != NULL && failures == 0) {
        log_print("ok %u - %s # SKIP %s\n", number, test->name, skip_reason);
    } else {
        log_print("%s %u - %s (%u ms)\n", failures == 0 ? "ok" : "not ok", number, test->name,
                  milliseconds);
    }
    return failures == 0;
}

uint32_t selftest_run(const char *pattern)
{
    uint32_t passed = 0;
    uint32_t failed = 0;

    for (const struct selftest *test = selftests_begin; test != selftests_end; test++) {
        if (pattern != NULL && !contains(test->name, pattern)) {
            continue;
        }
        if (run_one(test, passed + failed + 1)) {
            passed++;
        } else {
            failed++;
        }
    }
    log_print("1..%u\n", passed + failed);
    log_print("selftest: %u passed, %u failed\n", passed, failed);
    return failed;
}
