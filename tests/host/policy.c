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

static const char help[] =
    "usage: tests32 policy [-n FRAMES] [-s SEED] [-p PATTERN | -f FILE]\n"
    "       make policy [FRAMES=n] [SEED=n] [PATTERN=name | FILE=path]\n"
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
    "it for a store.\n"
    "\n"
    "Patterns, all unless one is named:\n";

struct task {
    uint32_t nframes;
    uint32_t seed;
    const char *pattern;
    const char *file;
};

static double ratio(uint32_t a, uint32_t b)
{
    return b == 0 ? (a == 0 ? 1.0 : 99.0) : (double)a / b;
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

/* One line of the table. */
static bool print_row(const char *name, const struct references *it, uint32_t nframes)
{
    uint32_t faults[POLICY_MODELS];
    struct policy_ours ours;
    struct policy_ours near;
    if (!policy_play_apart(it, nframes, true, &ours) ||
        !policy_play_apart(it, nframes, false, &near)) {
        fprintf(stderr, "policy: %s: the simulated machine has failed\n", name);
        return false;
    }
    for (enum policy policy = POLICY_LRU; policy < POLICY_MODELS; policy++) {
        faults[policy] = policy_model(policy, it, nframes);
    }
    printf("%-10s %8u %6u %8u %8u %8u %8u %6.3f %6.3f %8u %8u %8u\n", name, it->count,
           policy_distinct(it), faults[POLICY_OPTIMUM], faults[POLICY_LRU], faults[POLICY_CLOCK],
           ours.faults, ratio(ours.faults, faults[POLICY_LRU]),
           ratio(ours.faults, faults[POLICY_CLOCK]), ours.soft, ours.written, near.faults);
    if (ours.wrong + near.wrong != 0 || ours.nframes != nframes || near.nframes != nframes) {
        fprintf(stderr, "policy: %s: %u wrong loads; contents had %u and %u frames, not %u\n", name,
                ours.wrong + near.wrong, ours.nframes, near.nframes, nframes);
        return false;
    }
    return true;
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
        return print_row("file", &it, task->nframes) ? 0 : 1;
    }
    for (uint32_t i = 0; policy_pattern_name(i) != NULL; i++) {
        const char *name = policy_pattern_name(i);
        if (task->pattern != NULL && strcmp(task->pattern, name) != 0) {
            continue;
        }
        policy_make(&it, i, task->nframes, task->seed);
        right = print_row(name, &it, task->nframes) && right;
        free(it.items);
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
    struct task task = {.nframes = 1024, .seed = 1};
    int option;
    while ((option = getopt(argc, argv, "n:s:p:f:h")) != -1) {
        bool good = true;
        switch (option) {
        case 'n':
            good = test_number("policy", optarg, FRAMES_LEAST, FRAMES_MOST, &task.nframes);
            break;
        case 's':
            good = test_number("policy", optarg, 0, UINT32_MAX, &task.seed);
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
