/*
 * tests/host/framework.c: finds, runs and reports the host tests: TAP on standard output.
 *
 * A test's own output is collected and shown, as comments, only when it fails.
 */
#define _GNU_SOURCE
#include "inject.h"
#include "policy.h"
#include "simulate.h"
#include "test.h"
#include "worlds.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_SECONDS 60

static struct test *tests;
static uint32_t ntests;
static bool failed;           /* in the child */
static void (*cleanup)(void); /* likewise */

/* Leaks are counted by the kernel's own means; the tests' processes just end. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0:print_legend=0:abort_on_error=0:detect_stack_use_after_return=0";
}

void test_register(struct test *test)
{
    test->next = tests;
    tests = test;
    ntests++;
}

void test_fail(const char *file, int line, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    failed = true;
    inject_differs(STATUS_SUCCESS);
}

void test_fail_status(const char *file, int line, const char *what, status_t got, status_t expected)
{
    fprintf(stderr, "%s:%d: %s gave 0x%08X, expected 0x%08X\n", file, line, what, (uint32_t)got,
            (uint32_t)expected);
    failed = true;
    inject_differs(got);
}

void test_end_with(int code)
{
    if (cleanup != NULL) {
        cleanup();
    }
    fflush(NULL);
    _exit(code);
}

void test_skip(const char *reason)
{
    fprintf(stderr, "SKIP %s\n", reason);
    test_end_with(TEST_SKIPPED);
}

void test_end(void)
{
    test_end_with(failed ? 1 : 0);
}

void test_at_end(void (*function)(void))
{
    cleanup = function;
}

/* Runs FUNCTION in a child whose output goes to the file OUTPUT; returns the wait status. */
static int run_child(void (*function)(void), int output)
{
    fflush(NULL);
    pid_t child = fork();

    if (child == 0) {
        dup2(output, STDOUT_FILENO);
        dup2(output, STDERR_FILENO);
        setvbuf(stdout, NULL, _IOLBF, 0);
        alarm(LIMIT_SECONDS);
        failed = false;
        cleanup = NULL;
        function();
        test_end();
    }
    int status = 0;

    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("quire: tests: fork");
        exit(2);
    }
    return status;
}

/* The text of the file DESCRIPTOR, ended by a zero; freed by the caller. */
static char *read_output(int descriptor)
{
    off_t length = lseek(descriptor, 0, SEEK_END);
    char *text = calloc(1, (size_t)length + 1);

    if (text == NULL || pread(descriptor, text, (size_t)length, 0) != length) {
        perror("quire: tests: output");
        exit(2);
    }
    return text;
}

bool test_number(const char *program, const char *text, uint32_t least, uint32_t most,
                 uint32_t *number)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (end == text || *end != '\0' || value < least || value > most) {
        fprintf(stderr, "%s: %s: not a number from %u to %u\n", program, text, least, most);
        return false;
    }
    *number = (uint32_t)value;
    return true;
}

int test_run(void (*function)(void), char **said)
{
    int output = memfd_create("output", 0);
    int status = run_child(function, output);
    *said = read_output(output);
    close(output);
    return status;
}

bool test_panics(void (*function)(void), const char *text)
{
    char *said;
    int status = test_run(function, &said);
    bool panicked = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    bool found = strstr(said, text) != NULL;

    if (!panicked || !found) {
        fprintf(stderr, "expected a panic with \"%s\"; status 0x%x, output:\n%s\n", text,
                (unsigned)status, said);
    }
    free(said);
    return panicked && found;
}

void test_comment(const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");

        printf("# %.*s\n", (int)length, text);
        text += length + (text[length] != '\0');
    }
}

static void print_result(const struct test *test, uint32_t number, int status, const char *said)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        printf("ok %u - %s\n", number, test->name);
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == TEST_SKIPPED) {
        const char *reason = strstr(said, "SKIP ");

        printf("ok %u - %s # SKIP %.*s\n", number, test->name,
               reason != NULL ? (int)strcspn(reason + 5, "\n") : 0,
               reason != NULL ? reason + 5 : "");
    } else {
        test_comment(said);
        if (WIFSIGNALED(status)) {
            printf("# ended by signal %d%s\n", WTERMSIG(status),
                   WTERMSIG(status) == SIGALRM ? ": it took too long" : "");
        }
        printf("not ok %u - %s\n", number, test->name);
    }
    fflush(stdout);
}

/* Runs one test; true when it did not fail. */
static bool run(const struct test *test, uint32_t number, bool verbose)
{
    char *said;
    int status = test_run(test->function, &said);

    if (verbose && status == 0) {
        test_comment(said);
    }
    print_result(test, number, status, said);
    free(said);
    return WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == TEST_SKIPPED);
}

bool test_is_chosen(const struct test *test, char *const *patterns)
{
    for (char *const *pattern = patterns; *pattern != NULL; pattern++) {
        if (strstr(test->name, *pattern) != NULL) {
            return true;
        }
    }
    return *patterns == NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct test *const *)a)->name, (*(struct test *const *)b)->name);
}

struct test **test_sorted(void)
{
    struct test **array = calloc(ntests + 1, sizeof(struct test *));
    uint32_t n = 0;

    if (array == NULL) {
        abort();
    }
    for (struct test *test = tests; test != NULL; test = test->next) {
        array[n++] = test;
    }
    qsort(array, n, sizeof(array[0]), by_name);
    return array;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "simulate") == 0) {
        return simulate_main(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "worlds") == 0) {
        return worlds_main(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "fail") == 0) {
        return inject_main(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "policy") == 0) {
        return policy_main(argc - 1, argv + 1);
    }
    struct test **array = test_sorted();
    bool list = false;
    bool verbose = false;
    uint32_t passed = 0;
    uint32_t number = 0;
    int option;

    while ((option = getopt(argc, argv, "lv")) != -1) {
        list = list || option == 'l';
        verbose = verbose || option == 'v';
        if (option == '?') {
            return 2;
        }
    }
    for (uint32_t i = 0; i < ntests; i++) {
        if (!test_is_chosen(array[i], argv + optind)) {
            continue;
        }
        if (list) {
            puts(array[i]->name);
            continue;
        }
        number++;
        passed += run(array[i], number, verbose) ? 1u : 0u;
    }
    free(array);
    if (!list) {
        printf("1..%u\n# %u passed, %u failed\n", number, passed, number - passed);
    }
    return passed == number || list ? 0 : 1;
}
