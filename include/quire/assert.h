/*
 * include/quire/assert.h: assertions. ASSERT is checked in debug builds, VERIFY always; both state
 * an invariant and never replace an error path that input can reach. MM_INVARIANT names the M rule
 * of docs/internals.md that it checks.
 */
#ifndef QUIRE_ASSERT_H
#define QUIRE_ASSERT_H

#include "quire/annotate.h"

#ifndef DEBUG_CHECKS
#define DEBUG_CHECKS 1
#endif

/* Ends the system (the test, on the host) with a message. Implemented by kernel/core/panic.c. */
NORETURN void assertion_failed(const char *file, int line, const char *expression);
NORETURN void panic(const char *format, ...) PRINTF(1, 2);

#define VERIFY(expression)                                                                         \
    do {                                                                                           \
        if (!(expression)) {                                                                       \
            assertion_failed(__FILE__, __LINE__, #expression);                                     \
        }                                                                                          \
    } while (0)

#define ASSERT(expression)                                                                         \
    do {                                                                                           \
        if (DEBUG_CHECKS && !(expression)) {                                                       \
            assertion_failed(__FILE__, __LINE__, #expression);                                     \
        }                                                                                          \
    } while (0)

#define MM_INVARIANT(rule, expression)                                                             \
    do {                                                                                           \
        if (DEBUG_CHECKS && !(expression)) {                                                       \
            assertion_failed(__FILE__, __LINE__, #rule ": " #expression);                          \
        }                                                                                          \
    } while (0)

#define STATIC_ASSERT(expression) _Static_assert(expression, #expression)

#define unreachable() assertion_failed(__FILE__, __LINE__, "unreachable")

#endif
