/*
 * tests/host/worlds.c: every sequence of calls up to a length, breadth first; worlds that are equal
 * under renaming go on once.
 *
 *     tests64 worlds [-d DEPTH] [-j JOBS] [-b CALLS] [-x FLAW] [-t]
 *     tests64 worlds [-b CALLS] [-x FLAW] [-v] -r CALLS
 *
 * -b: the calls that lead to the world from which all begin, or "full"; -x: what is taken out of
 * the kernel (view, name, flush, write); -r: one sequence, call by call, -v with the state after
 * each.
 *
 * This process keeps the world of the beginning, and forks for each world that it goes on from a
 * worker, which leads its world there and forks again for each call: so nothing has to be undone,
 * and whatever the kernel keeps anywhere is part of the world. A child makes its call, tells the
 * state (at once, and when all I/O has ended), then checks: counters, audit, bytes; and ends both
 * processes, after which everything must be back.
 */
#define _GNU_SOURCE
#include "worlds.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "quire/assert.h"
#include "tests/host/test.h"

#define JOBS_MAX      16u
#define LIMIT_SECONDS 20
#define TEXT_BYTES    80u
#define NO_NODE       UINT32_MAX

const char world_full[] =
    "p0 create A; p0 map A linked; p1 open A; p1 map A filled; p0 create B; p0 map B copy; "
    "p1 open B; p1 map B linked; p0 write view 0 page 0; p1 write view 0 page 1; "
    "p0 write view 1 page 0; p1 write view 1 page 1";

/* A world that was reached, and how. */
struct node {
    uint32_t parent;
    uint32_t twin; /* the node that was reached first, with the same state; NO_NODE: itself */
    struct world_call call;
    struct world_state state;
    uint64_t next; /* the states that its calls lead to, whatever their order */
};

/* What a worker finds out about one call. */
struct result {
    struct world_call call;
    char wrong[TEXT_BYTES]; /* empty: nothing */
    struct world_state at_once, at_rest;
};

struct report {
    pid_t worker;
    uint32_t node;
    uint32_t count;
    struct result results[WORLD_CALLS];
};

struct explorer {
    struct world_search *search;
    struct world_model model; /* of the beginning */
    uint32_t number;          /* calls made before it */
    struct node *nodes;
    uint32_t count, room;
    uint32_t *table; /* nodes by state, open addressing */
    uint32_t table_size;
    struct report *reports; /* shared with the workers */
};

/* ---- one sequence ---- */

/* Makes a call, and rests when it says so. => what is wrong, or NULL. */
static const char *step(struct world_model *model, const struct world_call *call, uint32_t number,
                        struct world_answer *answer)
{
    const char *wrong;

    *answer = world_perform(model, call, number);
    wrong = world_apply(model, call, number, answer);
    if (wrong == NULL && call->rests) {
        wrong = world_rest();
        world_portion_frames();
    }
    return wrong;
}

/* The checks after a sequence, which is over then. */
static const char *conclude(struct world_model *model)
{
    const char *wrong = world_check_contents(model);

    return wrong == NULL ? world_end(model) : wrong;
}

/* What the worker's child does: one call, and all there is to say of it. */
static void try_call(struct world_model *model, struct result *result, uint32_t number)
{
    struct world_answer answer;
    const char *wrong = step(model, &result->call, number, &answer);

    wrong = wrong == NULL ? world_check_counters(model) : wrong;
    if (wrong == NULL) {
        result->at_once = world_read_state(model, false);
        wrong = world_rest();
        world_portion_frames();
    }
    if (wrong == NULL) {
        result->at_rest = world_read_state(model, false);
        wrong = conclude(model);
    }
    snprintf(result->wrong, TEXT_BYTES, "%s", wrong == NULL ? "" : wrong);
}

static void describe_end(struct result *result, int status)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        snprintf(result->wrong, TEXT_BYTES, "it takes too long");
    } else if (status != 0) {
        snprintf(result->wrong, TEXT_BYTES, "the kernel panics");
    }
}

/* ---- workers ---- */

/* The calls that lead to a node from the beginning, in order; how many. */
static uint32_t path_to(const struct explorer *it, uint32_t node, struct world_call *path)
{
    uint32_t length = 0;

    for (uint32_t i = node; it->nodes[i].parent != NO_NODE; i = it->nodes[i].parent) {
        length++;
    }
    for (uint32_t i = node, at = length; at != 0; i = it->nodes[i].parent) {
        path[--at] = it->nodes[i].call;
    }
    return length;
}

static void silence(void)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (null < 0 || dup2(null, STDERR_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0) {
        _exit(2);
    }
}

static void try_in_child(struct world_model *model, struct result *result, uint32_t number)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        alarm(LIMIT_SECONDS);
        try_call(model, result, number);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        _exit(2);
    }
    describe_end(result, status);
}

static void work(struct explorer *it, struct report *report)
{
    struct world_call path[WORLD_STEPS];
    struct world_call calls[WORLD_CALLS];
    struct world_answer answer;
    uint32_t length = path_to(it, report->node, path);

    silence();
    for (uint32_t i = 0; i < length; i++) {
        VERIFY(step(&it->model, &path[i], ++it->number, &answer) == NULL);
    }
    uint32_t count = world_list_calls(&it->model, calls);
    for (uint32_t i = 0; i < count; i++) {
        report->results[i] = (struct result){.call = calls[i]};
        try_in_child(&it->model, &report->results[i], it->number + 1);
    }
    report->count = count;
}

static void start_worker(struct explorer *it, struct report *report, uint32_t node)
{
    report->node = node;
    report->count = 0;
    fflush(NULL);
    pid_t worker = fork();
    if (worker == 0) {
        work(it, report);
        _exit(0);
    }
    if (worker < 0) {
        perror("quire: worlds");
        exit(2);
    }
    report->worker = worker;
}

/* ---- states ---- */

static bool same_state(const struct world_state *a, const struct world_state *b)
{
    return a->words[0] == b->words[0] && a->words[1] == b->words[1];
}

static uint32_t *find_place(const struct explorer *it, const struct world_state *state)
{
    uint32_t at = (uint32_t)state->words[0] & (it->table_size - 1);

    while (it->table[at] != NO_NODE && !same_state(&it->nodes[it->table[at]].state, state)) {
        at = (at + 1) & (it->table_size - 1);
    }
    return &it->table[at];
}

static void *reallocate(void *memory, size_t nbytes)
{
    void *larger = realloc(memory, nbytes);

    if (larger == NULL) {
        perror("quire: worlds");
        exit(2);
    }
    return larger;
}

static void grow(struct explorer *it)
{
    it->room = it->room == 0 ? 1024 : it->room * 2;
    it->nodes = reallocate(it->nodes, it->room * sizeof(struct node));
    it->table_size = it->room * 4;
    it->table = reallocate(it->table, it->table_size * sizeof(uint32_t));
    for (uint32_t i = 0; i < it->table_size; i++) {
        it->table[i] = NO_NODE;
    }
    for (uint32_t i = 0; i < it->count; i++) {
        if (it->nodes[i].twin == NO_NODE) {
            *find_place(it, &it->nodes[i].state) = i;
        }
    }
}

/* A world is there; when it is a new one, it will be gone on from. */
static void reach(struct explorer *it, uint32_t parent, const struct world_call *call,
                  const struct world_state *state)
{
    if (it->count == it->room) {
        grow(it);
    }
    uint32_t *place = find_place(it, state);
    bool is_new = *place == NO_NODE;
    if (is_new || it->search->twins) {
        it->nodes[it->count] = (struct node){
            .parent = parent, .twin = is_new ? NO_NODE : *place, .call = *call, .state = *state};
        *place = is_new ? it->count : *place;
        it->search->states += is_new;
        it->count++;
    }
}

/* ---- failures ---- */

static void print_path(const struct explorer *it, uint32_t node, const struct world_call *last)
{
    struct world_call path[WORLD_STEPS + 1];
    uint32_t length = path_to(it, node, path);
    char text[TEXT_BYTES];

    path[length] = *last;
    if (it->search->first != NULL) {
        printf("%s; ", it->search->first);
    }
    for (uint32_t i = 0; i <= length; i++) {
        world_print_call(&path[i], text, sizeof(text));
        printf("%s%s", text, i == length ? "" : "; ");
    }
}

static void report_failure(struct explorer *it, uint32_t node, const struct result *result)
{
    struct world_call path[WORLD_STEPS];
    struct world_search *search = it->search;

    search->failed = true;
    search->length = path_to(it, node, path) + 1;
    if (search->quiet) {
        return;
    }
    printf("a sequence of %u calls fails: %s:\n    ", search->length, result->wrong);
    print_path(it, node, &result->call);
    printf("\nagain: make worlds CALLS='");
    print_path(it, node, &result->call);
    printf("'%s%s\n", search->flaw == FLAW_NONE ? "" : " FLAW=",
           search->flaw == FLAW_NONE ? "" : world_flaw_names[search->flaw]);
}

/* Equal worlds must go on alike: else the state leaves something out. */
static void compare_twins(struct explorer *it, uint32_t node)
{
    const struct node *twin = &it->nodes[it->nodes[node].twin];
    struct result result = {.call = it->nodes[node].call};

    if (twin->next == it->nodes[node].next) {
        return;
    }
    snprintf(result.wrong, TEXT_BYTES, "a world like another goes on differently");
    report_failure(it, it->nodes[node].parent, &result);
    printf("the other one:\n    ");
    print_path(it, twin->parent, &twin->call);
    printf("\n");
}

static void take_result(struct explorer *it, uint32_t node, const struct result *result)
{
    struct world_call call = result->call;

    it->search->calls++;
    if (result->wrong[0] != '\0') {
        if (!it->search->failed) {
            report_failure(it, node, result);
        }
        return;
    }
    it->nodes[node].next +=
        result->at_once.words[0] * 3 + result->at_rest.words[0] * result->at_rest.words[1];
    reach(it, node, &call, &result->at_once);
    call.rests = true;
    reach(it, node, &call, &result->at_rest);
}

static void take_report(struct explorer *it, const struct report *report)
{
    int status = 0;

    if (waitpid(report->worker, &status, 0) != report->worker || status != 0) {
        const struct result lost = {.wrong = "it does not go as it did before"};
        report_failure(it, report->node, &lost);
        return;
    }
    for (uint32_t i = 0; i < report->count; i++) {
        take_result(it, report->node, &report->results[i]);
    }
    if (it->nodes[report->node].twin != NO_NODE && !it->search->failed) {
        compare_twins(it, report->node);
    }
}

/* ---- breadth first ---- */

static void explore_level(struct explorer *it, uint32_t first, uint32_t end)
{
    for (uint32_t node = first; node < end && !it->search->failed;) {
        uint32_t busy = min_u32(it->search->jobs, end - node);

        for (uint32_t i = 0; i < busy; i++) {
            start_worker(it, &it->reports[i], node + i);
        }
        for (uint32_t i = 0; i < busy; i++) {
            take_report(it, &it->reports[i]);
        }
        node += busy;
    }
}

static uint32_t next_word(const char *text, char *word, size_t nbytes)
{
    size_t length = strcspn(text, ";");
    size_t begin = strspn(text, " ");
    size_t end = length;

    while (end > begin && text[end - 1] == ' ') {
        end--;
    }
    snprintf(word, nbytes, "%.*s", (int)(end - begin), text + begin);
    return (uint32_t)(length + (text[length] == ';'));
}

/* Whether the world of MODEL can make the call. */
static bool is_possible(const struct world_model *model, const struct world_call *call)
{
    struct world_call calls[WORLD_CALLS];
    uint32_t count = world_list_calls(model, calls);

    for (uint32_t i = 0; i < count; i++) {
        calls[i].rests = call->rests;
        if (memcmp(&calls[i], call, sizeof(*call)) == 0) {
            return true;
        }
    }
    return false;
}

/* Makes the calls of TEXT; SAY tells each, and its state when 2. => what is wrong, or NULL. */
static const char *run_text(struct world_model *model, const char *text, uint32_t *number,
                            uint32_t say)
{
    const char *wrong = NULL;
    char word[TEXT_BYTES];

    while (*text != '\0' && wrong == NULL) {
        struct world_call call;
        struct world_answer answer;

        text += next_word(text, word, sizeof(word));
        if (!world_parse_call(word, &call) || !is_possible(model, &call)) {
            fprintf(stderr, "quire: worlds: the world cannot do this: %s\n", word);
            exit(2);
        }
        if (say != 0) {
            fprintf(stderr, "%2u %s\n", *number + 1, word);
        }
        wrong = step(model, &call, ++*number, &answer);
        wrong = wrong == NULL ? world_check_counters(model) : wrong;
        if (say != 0) {
            fprintf(stderr, "      0x%08X 0x%x\n", (unsigned)answer.status, answer.value);
        }
        if (say > 1) {
            (void)world_read_state(model, true);
        }
    }
    return wrong;
}

static void begin(struct explorer *it)
{
    struct world_search *search = it->search;
    const struct world_call none = {0};

    world_start(search->flaw, &it->model);
    if (search->first != NULL) {
        const char *wrong = run_text(&it->model, search->first, &it->number, 0);
        if (wrong != NULL) {
            fprintf(stderr, "quire: worlds: %s\n", wrong);
            exit(1);
        }
    }
    it->reports = mmap(NULL, search->jobs * sizeof(struct report), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (it->reports == MAP_FAILED) {
        perror("quire: worlds");
        exit(2);
    }
    const struct world_state state = world_read_state(&it->model, false);
    reach(it, NO_NODE, &none, &state);
}

void world_explore(struct world_search *search)
{
    static struct explorer it;
    uint32_t first = 0;

    VERIFY(search->depth <= WORLD_STEPS && search->jobs != 0 && search->jobs <= JOBS_MAX);
    it = (struct explorer){.search = search};
    begin(&it);
    for (uint32_t depth = 1; depth <= search->depth && !search->failed; depth++) {
        uint32_t end = it.count;
        uint32_t states = search->states;
        time_t start = time(NULL);

        explore_level(&it, first, end);
        first = end;
        if (!search->quiet) {
            printf("depth %u: %llu calls so far, %u states, %u of them new, %u seconds\n", depth,
                   (unsigned long long)search->calls, search->states, search->states - states,
                   (unsigned)(time(NULL) - start));
            fflush(stdout);
        }
    }
}

/* ---- the program ---- */

static int replay(const struct world_search *search, const char *calls, uint32_t say)
{
    struct world_model model;
    uint32_t number = 0;
    const char *wrong = NULL;

    world_start(search->flaw, &model);
    if (search->first != NULL) {
        wrong = run_text(&model, search->first, &number, say);
    }
    if (wrong == NULL) {
        wrong = run_text(&model, calls, &number, say);
    }
    if (wrong == NULL) {
        wrong = world_rest();
        world_portion_frames();
    }
    wrong = wrong == NULL ? conclude(&model) : wrong;
    printf("%s\n", wrong == NULL ? "nothing is wrong" : wrong);
    return wrong == NULL ? 0 : 1;
}

static bool parse_flaw(const char *text, enum world_flaw *flaw)
{
    for (uint32_t i = 0; i < FLAWS; i++) {
        if (strcmp(text, world_flaw_names[i]) == 0) {
            *flaw = (enum world_flaw)i;
            return true;
        }
    }
    fprintf(stderr, "quire: worlds: no such flaw: %s\n", text);
    return false;
}

static bool parse_option(int option, struct world_search *search, const char **calls, uint32_t *say)
{
    switch (option) {
    case 'd':
        return test_number("worlds", optarg, 1, WORLD_STEPS, &search->depth);
    case 'j':
        if (!test_number("worlds", optarg, 1, UINT32_MAX, &search->jobs)) {
            return false;
        }
        search->jobs = min_u32(search->jobs, JOBS_MAX);
        return true;
    case 'x':
        return parse_flaw(optarg, &search->flaw);
    case 'b':
        search->first = strcmp(optarg, "full") == 0 ? world_full : optarg;
        return true;
    case 'r':
        *calls = optarg;
        return true;
    case 't':
        search->twins = true;
        return true;
    case 'v':
        *say = 2;
        return true;
    default:
        return false;
    }
}

int worlds_main(int argc, char **argv)
{
    struct world_search search = {.depth = 4, .jobs = 1};
    const char *calls = NULL;
    uint32_t say = 1;
    int option;

    while ((option = getopt(argc, argv, "d:j:b:x:r:tv")) != -1) {
        if (!parse_option(option, &search, &calls, &say)) {
            return 2;
        }
    }
    if (optind != argc) {
        fprintf(stderr, "quire: worlds: what is %s?\n", argv[optind]);
        return 2;
    }
    if (calls != NULL) {
        return replay(&search, calls, say);
    }
    time_t start = time(NULL);
    world_explore(&search);
    printf("depth %u: %u states, %llu calls, %u seconds: %s\n", search.depth, search.states,
           (unsigned long long)search.calls, (unsigned)(time(NULL) - start),
           search.failed ? "FAILED" : "nothing is wrong");
    return search.failed ? 1 : 0;
}
