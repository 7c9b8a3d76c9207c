/*
 * tests/host/inject.c: see inject.h.
 *
 *     tests64 fail [-m MOST] [-t MS] [-k KIND -n N] [PATTERN...]
 *
 * A test is run once to count its allocations after the machine has booted, then again with the
 * first of them failing, the second, and so on (-m: at most so many, spread evenly); the same with
 * charges and disk requests (-k and -n make one run: kind 0, 1 or 2). -t leaves out tests that take
 * longer than that.
 *
 * What a test expects is no longer what must happen, so a run ends at the first thing that differs.
 * Something must have failed by then, and a status must be one that says so;
 * then the balancer comes to rest, and, where no other thread is in the middle of something, the
 * audit must find every frame, charge and entry accounted for. A panic, a fault of the sanitizers'
 * or a run that does not end fails.
 */
#define _GNU_SOURCE
#include "inject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel/block.h"
#include "kernel/thread.h"
#include "mm/audit.h"
#include "mm/commit.h"
#include "mm/pool.h"
#include "mm_fixture.h"
#include "sim.h"
#include "test.h"

#define WRONG      3   /* exit status of a run after which something is not in order */
#define TESTS_TOLD 20u /* a line of progress after as many */

struct countdown {
    const char *what;
    uint32_t (*fail_after)(uint32_t n);
};

static const struct countdown kinds[] = {{"allocation", mm_pool_fail_after},
                                         {"charge", mm_charge_fail_after},
                                         {"disk request", block_fail_after}};
#define KINDS ((uint32_t)(sizeof(kinds) / sizeof(kinds[0])))

static const struct countdown *kind; /* what fails in this run; NULL: this is no such run */
static uint32_t nth;
static bool booted;
static bool audits = true;

/* What the runs tell; in memory that all of them share. */
static struct told {
    uint32_t left;   /* of the countdown, at the end of the run that counts */
    uint32_t differ; /* runs that went another way than the test expects */
} * told;

void inject_audits(bool can)
{
    audits = can;
}

void inject_booted(void)
{
    if (kind != NULL && !booted) {
        booted = true;
        (void)kind->fail_after(nth);
    }
}

/* The rest of the machine comes to rest; whether the audit and the TLBs are then in order. */
static bool is_in_order(void)
{
    if (thread_self() == NULL || thread_self()->held_count != 0) {
        return true; /* told from inside a call: nothing can be said of its middle */
    }
    for (uint32_t i = 0; i < 200; i++) {
        sim_advance(NS_PER_MS);
    }
    return !audits || !sim_is_alone() || (mm_audit() == 0 && sim_check_tlbs() == 0);
}

/* Whether STATUS says what was made to fail, or is none. */
static bool is_documented(status_t status)
{
    return is_success(status) || status == STATUS_COMMITMENT_LIMIT ||
           status == STATUS_INSUFFICIENT_RESOURCES || status == STATUS_NO_MEMORY ||
           status == STATUS_IO_DEVICE_ERROR || status == STATUS_IN_PAGE_ERROR ||
           status == STATUS_MEDIA_WRITE_PROTECTED; /* what could not be unmounted is read-only */
}

void inject_differs(status_t status)
{
    static bool ending;

    if (kind == NULL || !booted) {
        return;
    }
    while (ending) {
        sim_advance(NS_PER_MS); /* another thread has begun to end it */
    }
    ending = true;
    told->differ++;
    bool is_good = kind->fail_after(0) == 0 && is_documented(status) && is_in_order();
    test_end_with(is_good ? 0 : WRONG);
}

static const struct test *running; /* the one that runs */

/* In the child: the test, with what was chosen. */
static void run_test(void)
{
    running->function();
    told->left = kind->fail_after(0);
}

static uint32_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

/*
 * A panic of a test or a fixture says that the test cannot go on, not that the kernel is wrong; one
 * of the simulated machine says that it is.
 */
static bool is_of_the_tests(const char *said)
{
    static const char path[] = "quire: panic: tests/host/";
    const char *panic = strstr(said, path);

    if (panic == NULL || strstr(panic, "assertion failed") == NULL) {
        return false;
    }
    const char *file = panic + sizeof(path) - 1;
    size_t length = strcspn(file, ":");
    return strncmp(file, "test_", 5) == 0 ||
           (length > 10 && strncmp(file + length - 10, "_fixture.c", 10) == 0);
}

/* One run with the Nth failing; whether it is in order. */
static bool run_nth(uint32_t n)
{
    char *said;

    nth = n;
    booted = false;
    audits = true;
    int status = test_run(run_test, &said);
    bool is_good = (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || /* it went well, or ended */
                                          WEXITSTATUS(status) == TEST_SKIPPED)) ||
                   (WIFSIGNALED(status) && is_of_the_tests(said));
    if (!is_good) {
        test_comment(said);
        printf("# status 0x%x; again: fail -k %u -n %u '%s'\n", (unsigned)status,
               (unsigned)(kind - kinds), n, running->name);
        fflush(stdout);
    }
    free(said);
    return is_good;
}

/* How many of the kind the test makes; 0: none, or it counts down itself. */
static uint32_t count(void)
{
    told->left = 0;
    if (!run_nth(UINT32_MAX) || told->left == 0) {
        return 0;
    }
    return UINT32_MAX - told->left;
}

struct sums {
    uint32_t points;
    uint32_t failed;
    uint32_t differ;
    uint32_t left_out; /* tests */
};

/* All points of one kind, or MOST of them. */
static void run_points(uint32_t most, struct sums *sums)
{
    uint32_t total = count();
    uint32_t npoints = total < most ? total : most;

    told->differ = 0;
    for (uint32_t i = 0; i < npoints; i++) {
        uint32_t n = npoints == total ? i + 1 : 1 + (uint32_t)((uint64_t)i * total / npoints);
        sums->points++;
        sums->failed += !run_nth(n);
    }
    sums->differ += told->differ;
}

static bool takes_too_long(uint32_t limit_ms)
{
    uint32_t since = now_ms();
    char *said;

    if (limit_ms == 0) {
        return false;
    }
    kind = NULL;
    (void)test_run(running->function, &said);
    free(said);
    return now_ms() - since > limit_ms;
}

static void run_kinds(uint32_t most, uint32_t limit_ms, struct sums sums[KINDS])
{
    if (takes_too_long(limit_ms)) {
        printf("# left out, it takes too long: %s\n", running->name);
        sums[0].left_out++;
        return;
    }
    for (uint32_t i = 0; i < KINDS; i++) {
        kind = &kinds[i];
        run_points(most, &sums[i]);
    }
}

static void tell_progress(const struct sums sums[KINDS], uint32_t ntests)
{
    uint32_t points = 0;

    for (uint32_t i = 0; i < KINDS; i++) {
        points += sums[i].points;
    }
    printf("# %u tests so far, %u failures\n", ntests, points);
    fflush(stdout);
}

static int tell(const struct sums sums[KINDS], uint32_t ntests)
{
    uint32_t failed = 0;

    for (uint32_t i = 0; i < KINDS; i++) {
        printf("%u %ss made to fail, %u runs went another way, %u failed\n", sums[i].points,
               kinds[i].what, sums[i].differ, sums[i].failed);
        failed += sums[i].failed;
    }
    printf("%u tests, %u left out\n", ntests, sums[0].left_out);
    return failed == 0 && ntests != 0 ? 0 : 1;
}

/* -k and -n: one run, of each chosen test. */
static int run_one(struct test *const *tests, char *const *patterns, uint32_t which, uint32_t n)
{
    uint32_t failed = 0;

    kind = &kinds[which];
    for (; *tests != NULL; tests++) {
        running = *tests;
        failed += test_is_chosen(running, patterns) && !run_nth(n);
    }
    return failed == 0 ? 0 : 1;
}

static void share_told(void)
{
    told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (told == MAP_FAILED) {
        perror("quire: tests: mmap");
        exit(2);
    }
}

int inject_main(int argc, char **argv)
{
    struct sums sums[KINDS] = {0};
    uint32_t most = UINT32_MAX;
    uint32_t limit_ms = 0;
    uint32_t which = 0;
    uint32_t n = 0;
    uint32_t ntests = 0;
    bool is_good = true;
    int option;

    while (is_good && (option = getopt(argc, argv, "m:t:k:n:")) != -1) {
        is_good = (option == 'm' && test_number("fail", optarg, 1, UINT32_MAX, &most)) ||
                  (option == 't' && test_number("fail", optarg, 1, UINT32_MAX, &limit_ms)) ||
                  (option == 'k' && test_number("fail", optarg, 0, KINDS - 1, &which)) ||
                  (option == 'n' && test_number("fail", optarg, 1, UINT32_MAX, &n));
    }
    if (!is_good) {
        return 2;
    }
    struct test **tests = test_sorted();
    share_told();
    if (n != 0) {
        return run_one(tests, argv + optind, which, n);
    }
    for (struct test **next = tests; *next != NULL; next++) {
        running = *next;
        if (test_is_chosen(running, argv + optind)) {
            run_kinds(most, limit_ms, sums);
            ntests++;
            if (ntests % TESTS_TOLD == 0) {
                tell_progress(sums, ntests);
            }
        }
    }
    free(tests);
    return tell(sums, ntests);
}

/* ---- the runs themselves ---- */

static void forgets_a_charge(void)
{
    fixture_boot(8 * MIB, 0, 1);
    REQUIRE(is_success(mm_charge_commit(3)));
    void *block = mm_allocate(100);
    EXPECT(block != NULL);
    mm_free(block, 100);
    mm_return_commit(3);
}

static void says(status_t status)
{
    fixture_boot(8 * MIB, 0, 1);
    void *block = mm_allocate(100);
    EXPECT_STATUS(block == NULL ? status : STATUS_SUCCESS, STATUS_SUCCESS);
    mm_free(block, 100);
}

static void says_something_strange(void)
{
    says(STATUS_CANNOT_DELETE);
}

static void says_what_failed(void)
{
    says(STATUS_INSUFFICIENT_RESOURCES);
}

static void differs_without_failure(void)
{
    fixture_boot(8 * MIB, 0, 1);
    EXPECT(booted && kind == NULL);
}

TEST("fail: what is forgotten, said wrongly, or has another cause is found")
{
    static const struct {
        void (*function)(void);
        bool is_good;
    } rows[] = {{forgets_a_charge, false},
                {says_something_strange, false},
                {says_what_failed, true},
                {differs_without_failure, false}};
    if (kind != NULL) {
        test_skip("it makes things fail itself");
    }
    share_told();
    for (uint32_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct test planted = {"planted", rows[i].function, NULL};
        running = &planted;
        kind = &kinds[0];
        bool is_good = run_nth(1);
        kind = NULL;
        EXPECT_EQUAL(is_good, rows[i].is_good);
    }
}
