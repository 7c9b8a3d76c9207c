/*
 * tests/host/inject.c: see inject.h.
 *
 *     tests64 fail [-p FIRST] [-m MOST] [-t MS] [-k KIND [-n N]] [PATTERN...]
 *
 * A test is run once to see its points of failure after the machine has booted: its allocations,
 * charges and disk requests (kinds 0, 1 and 2). Then it is run again with the first of them
 * failing, the second, and so on. -m: at most so many of each kind, spread evenly. -p: also the
 * first so many of every path, which is the calls that led to a point. -t leaves out tests that
 * take longer than that. -k takes one kind only, and -n one point of it.
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

#include "kernel/failpoint.h"
#include "kernel/thread.h"
#include "mm/audit.h"
#include "mm/commit.h"
#include "mm/pool.h"
#include "mm_fixture.h"
#include "sim.h"
#include "test.h"

#define WRONG      3          /* exit status of a run after which something is not in order */
#define TESTS_TOLD 20u        /* a line of progress after as many */
#define MADE_MAX   (1u << 20) /* points of one kind in one test */

static const char *const names[FAILPOINTS] = {"allocation", "charge", "disk request"};

#define NONE FAILPOINTS /* this is no such run */

static enum failpoint kind = NONE; /* what fails in this run */
static uint32_t nth;               /* 0: none, it is to be seen how many there are */
static bool booted;                /* a machine has, once */
static bool boots;                 /* a machine does now: it must not fail */
static bool ends;                  /* something has differed: nothing more is made to fail */
static bool audits = true;
static const uintptr_t *bottom; /* the frame below which the test has its calls */

/* What the runs tell; in memory that all of them share. */
static struct told {
    uint32_t differ;          /* runs that went another way than the test expects */
    uint32_t made;            /* points so far, in this run */
    bool ended;               /* this run, in order, where it went another way */
    uint32_t path;            /* by which the one came that failed */
    uint32_t paths[MADE_MAX]; /* by which each came, in the run that counts */
} * told;

void inject_audits(bool can)
{
    audits = can;
}

void inject_boots(void)
{
    boots = true;
}

void inject_booted(void)
{
    boots = false;
    booted = true;
}

/* A hash of the calls that led here, from the test or from where a thread begins. */
__attribute__((no_sanitize("address", "undefined"))) static uint32_t path_to_here(void)
{
    uint32_t hash = 2166136261u;
    const uintptr_t *frame = __builtin_frame_address(0);

    while (frame != NULL && frame != bottom) {
        const uintptr_t *outer = (const uintptr_t *)frame[0];
        hash = (hash ^ (uint32_t)frame[1]) * 16777619u;
        hash ^= hash >> 15;
        frame = outer > frame ? outer : NULL;
    }
    return hash;
}

bool __real_failpoint_count(enum failpoint which);
bool __wrap_failpoint_count(enum failpoint which);

/* The linker has the kernel call this in place of its own (host.mk), which the test may use, too.
 */
bool __wrap_failpoint_count(enum failpoint which)
{
    if (which == kind && booted && !boots && !ends) {
        uint32_t path = path_to_here();
        if (nth == 0 && told->made < MADE_MAX) {
            told->paths[told->made] = path;
        }
        told->made++;
        if (told->made == nth) {
            told->path = path;
            return true;
        }
    }
    return __real_failpoint_count(which);
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
    if (kind == NONE) {
        return;
    }
    if (told->ended) {
        test_end_with(0); /* a process that the test has forked has, and that is what differs */
    }
    if (!booted) {
        return;
    }
    while (ends) {
        sim_advance(NS_PER_MS); /* another thread has begun to end it */
    }
    ends = true;
    told->differ++;
    bool has_failed = nth != 0 && told->made >= nth;
    (void)failpoint_arm(kind, 0);
    bool is_good = has_failed && is_documented(status) && is_in_order();
    told->ended = is_good;
    test_end_with(is_good ? 0 : WRONG);
}

static const struct test *running; /* the one that runs */

/* In the child: the test, with what was chosen. */
static void run_test(void)
{
    bottom = __builtin_frame_address(0);
    running->function();
    kind = NONE;
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
    told->made = 0;
    told->path = 0;
    told->ended = false;
    int status = test_run(run_test, &said);
    bool is_good = (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || /* it went well, or ended */
                                          WEXITSTATUS(status) == TEST_SKIPPED)) ||
                   (WIFSIGNALED(status) && is_of_the_tests(said));
    if (!is_good) {
        test_comment(said);
        printf("# status 0x%x; again: fail -k %u -n %u '%s'\n", (unsigned)status, (unsigned)kind, n,
               running->name);
        fflush(stdout);
    }
    free(said);
    return is_good;
}

struct sums {
    uint32_t points;
    uint32_t all;   /* points that there are */
    uint32_t paths; /* on which there are any */
    uint32_t failed;
    uint32_t differ;
    uint32_t left_out; /* tests */
};

/* How much of each kind is tried. */
struct effort {
    uint32_t most;     /* of each kind in a test, spread evenly */
    uint32_t first;    /* of each path */
    uint32_t kinds;    /* bits */
    uint32_t limit_ms; /* longer tests are left out; 0: none */
};

struct path {
    uint32_t hash; /* 0: none */
    uint32_t points;
};

static struct path *make_table(uint32_t count)
{
    struct path *table = calloc(count, sizeof(*table));
    if (table == NULL) {
        perror("quire: tests: calloc");
        exit(2);
    }
    return table;
}

/* How many points of the path HASH there were before; TABLE, of MASK + 1 paths, has one more. */
static uint32_t count_point(struct path *table, uint32_t mask, uint32_t hash)
{
    uint32_t i = hash & mask;
    hash += hash == 0;
    while (table[i].hash != 0 && table[i].hash != hash) {
        i = (i + 1) & mask;
    }
    table[i].hash = hash;
    return table[i].points++;
}

/* One kind of points of the test that runs. */
static void run_points(const struct effort *effort, struct sums *sums)
{
    bool is_good = run_nth(0);
    uint32_t total = told->made;
    uint32_t mask = 1;

    if (!is_good || total > MADE_MAX) {
        printf("# %u points, which cannot be told apart: %s\n", total, running->name);
        sums->failed++;
        return;
    }
    while (mask < 2 * total) {
        mask = 2 * mask + 1;
    }
    struct path *table = make_table(mask + 1);
    uint32_t nspread = total < effort->most ? total : effort->most;
    uint32_t spread = 0; /* of them, so many are behind */

    sums->all += total;
    told->differ = 0;
    for (uint32_t i = 0; i < total; i++) {
        uint32_t earlier = count_point(table, mask, told->paths[i]);
        bool is_spread = spread < nspread && i == (uint64_t)spread * total / nspread;
        uint32_t path = told->paths[i];
        sums->paths += earlier == 0;
        spread += is_spread;
        if (is_spread || earlier < effort->first) {
            sums->points++;
            sums->failed += !run_nth(i + 1);
            if (told->path != path) {
                printf("# point %u was come to by another way: %s\n", i + 1, running->name);
                sums->failed++;
            }
        }
    }
    sums->differ += told->differ;
    free(table);
}

static bool takes_too_long(uint32_t limit_ms)
{
    uint32_t since = now_ms();
    char *said;

    if (limit_ms == 0) {
        return false;
    }
    kind = NONE;
    (void)test_run(running->function, &said);
    free(said);
    return now_ms() - since > limit_ms;
}

static void run_kinds(const struct effort *effort, struct sums sums[FAILPOINTS])
{
    if (takes_too_long(effort->limit_ms)) {
        printf("# left out, it takes too long: %s\n", running->name);
        sums[0].left_out++;
        return;
    }
    for (kind = 0; kind < FAILPOINTS; kind++) {
        if ((effort->kinds & (1u << kind)) != 0) {
            run_points(effort, &sums[kind]);
        }
    }
}

static void tell_progress(const struct sums sums[FAILPOINTS], uint32_t ntests)
{
    uint32_t points = 0;

    for (uint32_t i = 0; i < FAILPOINTS; i++) {
        points += sums[i].points;
    }
    printf("# %u tests so far, %u failures\n", ntests, points);
    fflush(stdout);
}

static int tell(const struct sums sums[FAILPOINTS], uint32_t ntests)
{
    uint32_t failed = 0;

    for (uint32_t i = 0; i < FAILPOINTS; i++) {
        printf("%u of %u %ss made to fail, on %u paths; %u runs went another way, %u failed\n",
               sums[i].points, sums[i].all, names[i], sums[i].paths, sums[i].differ,
               sums[i].failed);
        failed += sums[i].failed;
    }
    printf("%u tests, %u left out\n", ntests, sums[0].left_out);
    return failed == 0 && ntests != 0 ? 0 : 1;
}

/* -k and -n: one run, of each chosen test. */
static int run_one(struct test *const *tests, char *const *patterns, uint32_t n)
{
    uint32_t failed = 0;

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
    struct effort effort = {.most = UINT32_MAX, .kinds = (1u << FAILPOINTS) - 1u};
    struct sums sums[FAILPOINTS] = {0};
    uint32_t which = FAILPOINTS;
    uint32_t n = 0;
    uint32_t ntests = 0;
    bool is_good = true;
    int option;

    while (is_good && (option = getopt(argc, argv, "p:m:t:k:n:")) != -1) {
        is_good = (option == 'p' && test_number("fail", optarg, 0, UINT32_MAX, &effort.first)) ||
                  (option == 'm' && test_number("fail", optarg, 0, UINT32_MAX, &effort.most)) ||
                  (option == 't' && test_number("fail", optarg, 1, UINT32_MAX, &effort.limit_ms)) ||
                  (option == 'k' && test_number("fail", optarg, 0, FAILPOINTS - 1, &which)) ||
                  (option == 'n' && test_number("fail", optarg, 1, UINT32_MAX - 1, &n));
    }
    if (is_good && n != 0 && which == FAILPOINTS) {
        fprintf(stderr, "fail: -n needs -k\n");
        is_good = false;
    }
    if (!is_good) {
        return 2;
    }
    struct test **tests = test_sorted();
    share_told();
    if (n != 0) {
        kind = which;
        return run_one(tests, argv + optind, n);
    }
    effort.kinds = which == FAILPOINTS ? effort.kinds : 1u << which;
    for (struct test **next = tests; *next != NULL; next++) {
        running = *next;
        if (test_is_chosen(running, argv + optind)) {
            run_kinds(&effort, sums);
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
    EXPECT(booted && kind == NONE);
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
    if (kind != NONE) {
        test_skip("it makes things fail itself");
    }
    share_told();
    for (uint32_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct test planted = {"planted", rows[i].function, NULL};
        running = &planted;
        kind = FAILPOINT_ALLOCATION;
        bool is_good = run_nth(1);
        kind = NONE;
        EXPECT_EQUAL(is_good, rows[i].is_good);
    }
}

static void allocate_once(void)
{
    void *block = mm_allocate(100);
    EXPECT(block != NULL);
    mm_free(block, 100);
}

static void allocates_in_two_ways(void)
{
    fixture_boot(8 * MIB, 0, 1);
    for (uint32_t i = 0; i < 100; i++) {
        allocate_once();
    }
    allocate_once();
}

TEST("fail: the first points of every path fail, however many another has")
{
    static const struct {
        struct effort effort;
        uint32_t points;
    } rows[] = {{{.most = 1}, 1},
                {{.first = 1}, 2},
                {{.first = 3}, 4},
                {{.most = 10, .first = 1}, 11},
                {{.most = 1000}, 101}};
    static const struct test planted = {"planted", allocates_in_two_ways, NULL};
    if (kind != NONE) {
        test_skip("it makes things fail itself");
    }
    share_told();
    running = &planted;
    kind = FAILPOINT_ALLOCATION;
    for (uint32_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct sums sums = {0};
        run_points(&rows[i].effort, &sums);
        EXPECT(sums.all == 101 && sums.paths == 2 && sums.failed == 0);
        EXPECT(sums.points == rows[i].points && sums.differ == sums.points);
    }
    kind = NONE;
}
