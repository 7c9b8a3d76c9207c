/*
 * kernel/core/panic.c: the end, when an invariant does not hold.
 *
 * A panic says what and where, prints the machine's state (registers, backtrace), the threads, and
 * the last lines of the log (which a quiet sink has not shown), and stops the machine. Locks are no
 * longer waited for. A panic inside a panic stops at once.
 */
#include "quire/assert.h"

#include <stdarg.h>

#include "kernel/cpu.h"
#include "kernel/format.h"
#include "kernel/log.h"
#include "kernel/string.h"
#include "kernel/thread.h"

#define STOP_PANIC 3

static bool panicking;
static char last_lines[2048];

static NORETURN void stop(const char *message)
{
    struct thread *self = thread_self();

    (void)irq_disable();
    if (panicking) {
        machine_stop(STOP_PANIC);
    }
    panicking = true;
    (void)log_tail(last_lines, sizeof(last_lines));
    log_start_panic();
    log_print("\nquire: panic: %s\n", message);
    log_print("quire: on CPU %u in thread %s\n", cpu_self()->number,
              self != NULL ? self->name : "(boot)");
    arch_print_state(NULL);
    if (self != NULL) {
        thread_print_wait_graph();
    }
    log_print("quire: the last lines of the log were:\n");
    log_write(last_lines, strlen(last_lines));
    log_print("\nquire: end of the log; the machine stops\n");
    machine_stop(STOP_PANIC);
}

void panic(const char *format, ...)
{
    static char message[512]; /* not on a stack that may be short; a second panic stops anyway */
    va_list arguments;

    va_start(arguments, format);
    (void)kformat_v(message, sizeof(message), format, arguments);
    va_end(arguments);
    stop(message);
}

void assertion_failed(const char *file, int line, const char *expression)
{
    panic("%s:%d: assertion failed: %s", file, line, expression);
}
