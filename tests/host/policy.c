/*
 * tests/host/policy.c: `tests32 policy`, what `make policy` runs: a table of how often each policy
 * faults on each reference string.
 */
#define _GNU_SOURCE
#include "policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/host/test.h"

#define FRAMES_LEAST 512u
#define FRAMES_MOST  16384u
#define SEEDS_MOST   100000u

static const char help[] =
    "usage: tests32 policy [-n FRAMES] [-s SEED] [-k SEEDS] [-p PATTERN | -f FILE]\n"
    "       make policy [FRAMES=n] [SEED=n] [SEEDS=n] [PATTERN=name | FILE=path]\n"
    "\n"
    "Plays reference strings through the memory manager on the simulated machine, and through "
    "true\n"
    "LRU, CLOCK and Belady's optimum with the same number of frames for contents (1024). A fault "
    "is\n"
    "a page that had been touched before and had to be brought back. Pages that are neighbours in\n"
    "the string are none in memory, so that read-around helps nobody. Beside it: page faults of "
    "ours\n"
    "without I/O (soft), pages that ours wrote, and the faults of ours that are left when "
    "neighbours\n"
    "are neighbours (around). FILE has a page number in hexadecimal on each line, with ` w` "
    "behind\n"
    "it for a store. With several seeds the faults of all are summed, and the ratios are those of\n"
    "the worst seed.\n"
    "\n"
    "Exits with 1 when ours faults more than 1.1 times as often as LRU or more often than CLOCK\n"
    "(a loop: more often than LRU; of sort and FILE nothing is asked beside CLOCK) with any\n"
    "seed.\n"
    "\n"
    "Patterns, all unless one is named:\n";

struct task {
    uint32_t nframes;
    uint32_t seed;
    uint32_t nseeds;
    const char *pattern;
    const char *file;
};

static double ratio(uint32_t a, uint32_t b)
{
    return b == 0 ? (a == 0 ? 1.0 : 99.0) : (double)a / b;
}

static double max_double(double a, double b)
{
    return a > b ? a : b;
}

bool policy_play_apart(const struct references *it, uint32_t nframes, bool scattered,
                       struct policy_ours *ours)
{
    int ends[2];
    int status = 1;
    fflush(stdout);
    if (pipe(ends) != 0) {
        perror("policy: pipe");
        return false;
    }
    pid_t child = fork();
    if (child == 0) {
        *ours = policy_play(it, nframes, scattered);
        _exit(write(ends[1], ours, sizeof(*ours)) == sizeof(*ours) ? 0 : 1);
    }
    close(ends[1]);
    bool got = child > 0 && read(ends[0], ours, sizeof(*ours)) == sizeof(*ours);
    close(ends[0]);
    return child > 0 && waitpid(child, &status, 0) == child && status == 0 && got;
}

/* 1.1 times EACH, rounded down. */
static uint32_t a_tenth_more(uint32_t each)
{
    return each + each / 10;
}

const char *policy_complaint(const char *name, const uint32_t models[POLICY_MODELS], uint32_t ours)
{
    bool is_loop = strncmp(name, "loop", 4) == 0;
    bool has_luck = strcmp(name, "sort") == 0 || strcmp(name, "file") == 0;
    if (ours < models[POLICY_OPTIMUM]) {
        return "fewer faults than the optimum: they are not all counted";
    }
    if (ours > (is_loop ? models[POLICY_LRU] : a_tenth_more(models[POLICY_LRU]))) {
        return is_loop ? "more faults than LRU" : "more than 1.1 times LRU's faults";
    }
    if (ours > models[POLICY_CLOCK] && !has_luck) {
        return "more faults than CLOCK";
    }
    return NULL;
}

/* A line of the table: one string, or the sums of several and their worst ratios. */
struct row {
    const char *name;
    uint64_t touches;
    uint32_t pages;
    uint32_t models[POLICY_MODELS];
    struct policy_ours ours;
    uint32_t near_faults;
    double to_lru;
    double to_clock;
    uint32_t complaints;
};

/* Plays one string; false, and said, when it cannot be judged. */
static bool play_one(struct row *row, const struct references *it, const struct task *task)
{
    uint32_t faults[POLICY_MODELS];
    struct policy_ours ours;
    struct policy_ours near;
    if (!policy_play_apart(it, task->nframes, true, &ours) ||
        !policy_play_apart(it, task->nframes, false, &near)) {
        fprintf(stderr, "policy: %s: the simulated machine has failed\n", row->name);
        return false;
    }
    if (ours.wrong + near.wrong != 0 || ours.nframes != task->nframes ||
        near.nframes != task->nframes) {
        fprintf(stderr, "policy: %s: %u wrong loads; contents had %u and %u frames, not %u\n",
                row->name, ours.wrong + near.wrong, ours.nframes, near.nframes, task->nframes);
        return false;
    }
    for (enum policy policy = POLICY_LRU; policy < POLICY_MODELS; policy++) {
        faults[policy] = policy_model(policy, it, task->nframes);
        row->models[policy] += faults[policy];
    }
    row->touches += it->count;
    row->pages = max_u32(row->pages, policy_distinct(it));
    row->ours.faults += ours.faults;
    row->ours.soft += ours.soft;
    row->ours.written += ours.written;
    row->near_faults += near.faults;
    row->to_lru = max_double(row->to_lru, ratio(ours.faults, faults[POLICY_LRU]));
    row->to_clock = max_double(row->to_clock, ratio(ours.faults, faults[POLICY_CLOCK]));
    const char *complaint = policy_complaint(row->name, faults, ours.faults);
    if (complaint != NULL) {
        fprintf(stderr, "policy: %s: %s: LRU %u, CLOCK %u, ours %u\n", row->name, complaint,
                faults[POLICY_LRU], faults[POLICY_CLOCK], ours.faults);
        row->complaints++;
    }
    return true;
}

static void print_row(const struct row *row)
{
    printf("%-10s %8llu %6u %8u %8u %8u %8u %6.3f %6.3f %8u %8u %8u\n", row->name,
           (unsigned long long)row->touches, row->pages, row->models[POLICY_OPTIMUM],
           row->models[POLICY_LRU], row->models[POLICY_CLOCK], row->ours.faults, row->to_lru,
           row->to_clock, row->ours.soft, row->ours.written, row->near_faults);
    fflush(stdout);
}

/* The line of pattern NUMBER with all seeds. */
static bool print_pattern(uint32_t number, const struct task *task)
{
    struct row row = {.name = policy_pattern_name(number)};
    bool right = true;
    for (uint32_t i = 0; i < task->nseeds && right; i++) {
        struct references it;
        policy_make(&it, number, task->nframes, task->seed + i);
        right = play_one(&row, &it, task);
        if (row.complaints != 0 && right) {
            fprintf(stderr, "policy: that was -n %u -s %u -p %s\n", task->nframes, task->seed + i,
                    row.name);
            right = false;
        }
        free(it.items);
    }
    print_row(&row);
    return right;
}

static bool print_file(const struct references *it, const struct task *task)
{
    struct row row = {.name = "file"};
    if (!play_one(&row, it, task)) {
        return false;
    }
    print_row(&row);
    return row.complaints == 0;
}

static int print_table(const struct task *task)
{
    bool right = true;
    bool found = task->pattern == NULL;
    struct references it;
    if (task->file != NULL && !policy_read(&it, task->file)) {
        return 2;
    }
    for (uint32_t i = 0; policy_pattern_name(i) != NULL && task->pattern != NULL; i++) {
        found = found || strcmp(task->pattern, policy_pattern_name(i)) == 0;
    }
    if (!found) {
        fprintf(stderr, "policy: there is no pattern %s; -h lists them\n", task->pattern);
        return 2;
    }
    printf("%u frames\n%-10s %8s %6s %8s %8s %8s %8s %6s %6s %8s %8s %8s\n", task->nframes, "",
           "touches", "pages", "optimum", "LRU", "CLOCK", "ours", "/LRU", "/CLOCK", "soft",
           "written", "around");
    if (task->file != NULL) {
        return print_file(&it, task) ? 0 : 1;
    }
    for (uint32_t i = 0; policy_pattern_name(i) != NULL; i++) {
        const char *name = policy_pattern_name(i);
        if (task->pattern == NULL || strcmp(task->pattern, name) == 0) {
            right = print_pattern(i, task) && right;
        }
    }
    return right ? 0 : 1;
}

static int print_help(void)
{
    fputs(help, stdout);
    for (uint32_t i = 0; policy_pattern_name(i) != NULL; i++) {
        printf("  %-10s %s\n", policy_pattern_name(i), policy_pattern_text(i));
    }
    return 0;
}

int policy_main(int argc, char **argv)
{
    struct task task = {.nframes = 1024, .seed = 1, .nseeds = 1};
    int option;
    while ((option = getopt(argc, argv, "n:s:k:p:f:h")) != -1) {
        bool good = true;
        switch (option) {
        case 'n':
            good = test_number("policy", optarg, FRAMES_LEAST, FRAMES_MOST, &task.nframes);
            break;
        case 's':
            good = test_number("policy", optarg, 0, UINT32_MAX, &task.seed);
            break;
        case 'k':
            good = test_number("policy", optarg, 1, SEEDS_MOST, &task.nseeds);
            break;
        case 'p':
            task.pattern = optarg;
            break;
        case 'f':
            task.file = optarg;
            break;
        case 'h':
            return print_help();
        default:
            good = false;
            break;
        }
        if (!good) {
            return 2;
        }
    }
    if (optind != argc || (task.pattern != NULL && task.file != NULL)) {
        fputs("policy: one pattern or one file at most; -h says more\n", stderr);
        return 2;
    }
    return print_table(&task);
}
