/*
 * tests/kernel/selftest.h: how an in-kernel self-test is written and run.
 *
 *     static void adds_up(void)
 *     {
 *         EXPECT(1 + 1 == 2);
 *         EXPECT_STATUS(something(), STATUS_SUCCESS);
 *     }
 *     SELFTEST("sums: one and one", adds_up);
 *
 * A failed expectation is printed and fails the test, which runs on; the system does too. Tests
 * run one after the other in the thread that calls selftest_run, in the linker's order.
 */
#ifndef TESTS_KERNEL_SELFTEST_H
#define TESTS_KERNEL_SELFTEST_H

#include "quire/annotate.h"
#include "quire/status.h"

struct selftest {
    const char *name; /* "noun: what is so" */
    void (*function)(void);
};

/* Puts a record into the section that boot/linker.ld collects. */
#define SELFTEST(name_, function_)                                                                 \
    static const struct selftest function_##_selftest                                              \
        __attribute__((section(".selftests"), used, aligned(sizeof(void *)))) = {name_, function_}

/* Registers the hooks that compare memory before and after every test. Before selftest_run. */
void selftest_prepare(void);

/*
 * Runs the tests whose name contains PATTERN (all when it is NULL or empty); prints TAP lines and
 * at the end `selftest: N passed, N failed` on the log. Returns how many failed.
 */
uint32_t selftest_run(const char *pattern);

/*
 * Hooks around every test: BEFORE notes where the counters stand; AFTER compares and audits, prints
 * what is wrong and returns the number of problems, which fail the test. At most 8 pairs; either
 * may be NULL. Call them before selftest_run.
 */
void selftest_set_before(void (*before)(void));
void selftest_set_after(uint32_t (*after)(void));

/* The running test counts as skipped: a feature that this machine has not. */
void selftest_skip(const char *reason);

struct thread;

/*
 * A kernel thread for a test: runs when the calling thread waits, or at once when its priority is
 * better. NULL (and the test has failed) when there is no memory. selftest_join waits until all of
 * them have ended and their memory is back.
 */
struct thread *selftest_thread(const char *name, void (*entry)(void *argument), void *argument,
                               uint8_t priority);
void selftest_join(void);

/* What the macros call. */
void selftest_fail(const char *file, int line, const char *format, ...) PRINTF(3, 4);

#define EXPECT(expression)                                                                         \
    do {                                                                                           \
        if (!(expression)) {                                                                       \
            selftest_fail(__FILE__, __LINE__, "expected: %s", #expression);                        \
        }                                                                                          \
    } while (0)

#define EXPECT_STATUS(expression, expected_)                                                       \
    do {                                                                                           \
        status_t status_got_ = (expression);                                                       \
        status_t status_expected_ = (expected_);                                                   \
        if (status_got_ != status_expected_) {                                                     \
            selftest_fail(__FILE__, __LINE__, "%s gave 0x%08X, expected 0x%08X", #expression,      \
                          (uint32_t)status_got_, (uint32_t)status_expected_);                      \
        }                                                                                          \
    } while (0)

#define EXPECT_EQUAL(got_, expected_)                                                              \
    do {                                                                                           \
        uint64_t value_got_ = (uint64_t)(got_);                                                    \
        uint64_t value_expected_ = (uint64_t)(expected_);                                          \
        if (value_got_ != value_expected_) {                                                       \
            selftest_fail(__FILE__, __LINE__, "%s is 0x%llX, expected 0x%llX", #got_, value_got_,  \
                          value_expected_);                                                        \
        }                                                                                          \
    } while (0)

/* Gives up the test when it cannot go on. */
#define REQUIRE(expression)                                                                        \
    do {                                                                                           \
        if (!(expression)) {                                                                       \
            selftest_fail(__FILE__, __LINE__, "required: %s", #expression);                        \
            return;                                                                                \
        }                                                                                          \
    } while (0)

#endif
