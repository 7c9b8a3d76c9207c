/*
 * tests/host/test.h: the unit-test framework of the host tests.
 *
 * TEST("noun: what is so") { ... } defines and registers a test. Each runs in a process of its own
 * with a limit of 20 seconds, so a crash, a panic or an endless loop fails one test. Failed
 * expectations are printed and fail the test, which runs on; REQUIRE ends it.
 *
 *     build/host/tests64 [-l] [-v] [PATTERN...]     -l lists, -v shows output of tests that pass
 */
#ifndef TESTS_HOST_TEST_H
#define TESTS_HOST_TEST_H

#include "quire/annotate.h"
#include "quire/status.h"

struct test {
    const char *name;
    void (*function)(void);
    struct test *next;
};

void test_register(struct test *test);

#define TEST_PASTE2(a, b) a##b
#define TEST_PASTE(a, b)  TEST_PASTE2(a, b)

#define TEST(name_)                                                                                \
    static void TEST_PASTE(test_function_, __LINE__)(void);                                        \
    __attribute__((constructor)) static void TEST_PASTE(test_constructor_, __LINE__)(void)         \
    {                                                                                              \
        static struct test test = {name_, TEST_PASTE(test_function_, __LINE__), NULL};             \
        test_register(&test);                                                                      \
    }                                                                                              \
    static void TEST_PASTE(test_function_, __LINE__)(void)

/* The running test fails; prints why. */
void test_fail(const char *file, int line, const char *format, ...) PRINTF(3, 4);
void test_fail_status(const char *file, int line, const char *what, status_t got,
                      status_t expected);

/* The running test ends here, skipped. */
NORETURN void test_skip(const char *reason);
NORETURN void test_end(void);
NORETURN void test_end_with(int code); /* its exit status */

/* Called when the running test ends, however; the last one counts. */
void test_at_end(void (*function)(void));

/* ---- for those who run tests ---- */

#define TEST_SKIPPED 77 /* the exit status of a test that was */

/* Runs FUNCTION in a child; its wait status. *SAID, what it printed, is freed by the caller. */
int test_run(void (*function)(void), char **said);

/* All tests in the order of their names, and NULL; freed by the caller. */
struct test **test_sorted(void);

/* Whether one of PATTERNS occurs in its name, or there are none. */
bool test_is_chosen(const struct test *test, char *const *patterns);

/* Prints TEXT, each line after a #. */
void test_comment(const char *text);

/*
 * An option of a host program: *NUMBER is what TEXT says, from LEAST to MOST; false, and PROGRAM
 * says so, when it does not.
 */
bool test_number(const char *program, const char *text, uint32_t least, uint32_t most,
                 uint32_t *number);

/* Runs FUNCTION in a child: true when it panics with TEXT in what it prints. */
bool test_panics(void (*function)(void), const char *text);

#define EXPECT(expression)                                                                         \
    do {                                                                                           \
        if (!(expression)) {                                                                       \
            test_fail(__FILE__, __LINE__, "expected: %s", #expression);                            \
        }                                                                                          \
    } while (0)

#define REQUIRE(expression)                                                                        \
    do {                                                                                           \
        if (!(expression)) {                                                                       \
            test_fail(__FILE__, __LINE__, "required: %s", #expression);                            \
            test_end();                                                                            \
        }                                                                                          \
    } while (0)

#define EXPECT_STATUS(expression, expected_)                                                       \
    do {                                                                                           \
        status_t status_got_ = (expression);                                                       \
        status_t status_expected_ = (expected_);                                                   \
        if (status_got_ != status_expected_) {                                                     \
            test_fail_status(__FILE__, __LINE__, #expression, status_got_, status_expected_);      \
        }                                                                                          \
    } while (0)

#define EXPECT_EQUAL(got_, expected_)                                                              \
    do {                                                                                           \
        uint64_t value_got_ = (uint64_t)(got_);                                                    \
        uint64_t value_expected_ = (uint64_t)(expected_);                                          \
        if (value_got_ != value_expected_) {                                                       \
            test_fail(__FILE__, __LINE__, "%s is 0x%llX, expected 0x%llX", #got_,                  \
                      (unsigned long long)value_got_, (unsigned long long)value_expected_);        \
        }                                                                                          \
    } while (0)

#endif
