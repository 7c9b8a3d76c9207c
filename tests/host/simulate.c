/*
 * tests/host/simulate.c: the simulation of the memory manager: one run for each seed, in a process
 * of its own, and the check of everything at its quiet points.
 *
 *     tests64 simulate [-s FIRST] [-n COUNT] [-c CPUS] [-j JOBS] [-f] [-u] [-v]
 *
 * -f stops at the first seed that fails; -u plants a flaw (flushes that nobody waits for); -v says
 * every call. A run follows from its seed and the number of CPUs (1, 2 or 4 by the seed when none
 * is given), in the same binary, step by step.
 */
#define _GNU_SOURCE
#include "simulate.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "abi/constants.h"
#include "abi/quire.h"
#include "kernel/log.h"
#include "mm/audit.h"
#include "mm/commit.h"
#include "mm/fault.h"
#include "mm/frame.h"
#include "mm/init.h"
#include "mm/pagefile.h"
#include "mm/pool.h"
#include "mm/segment.h"
#include "mm/trim.h"
#include "mm/vad.h"
#include "mm/virtual.h"
#include "mm/writer.h"
#include "tests/host/mm_fixture.h"

#define LIMIT_SECONDS 60 /* of processor time */
#define JOBS_MAX      16u

struct simulation simulation;

void sim_wrong(const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    panic("simulation: %s", text);
}

void sim_say(const struct actor *actor, const char *format, ...)
{
    if (!simulation.verbose) {
        return;
    }
    va_list arguments;

    fprintf(stderr, "%9lld CPU %u thread %u process %d: ", (long long)clock_now(),
            cpu_self()->number, actor->number,
            actor->process == NULL ? -1 : (int)(actor->process - simulation.processes));
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

/* ---- the machine's side ---- */

static enum fault_result user_fault(uaddr_t address, const struct access *access,
                                    struct fault_report *report)
{
    return mm_access_fault(thread_self()->space, address, access, report);
}

static const struct trap_operations traps = {.user_page_fault = user_fault,
                                             .window_fault = mm_window_fault};

/* A frame that was not given back; one that a TLB leads to is not on its way out either. */
static bool frame_in_use(pfn_t frame, bool translated)
{
    enum frame_state state = (enum frame_state)mi_pfn(frame)->state;
    bool good = translated ? state == FRAME_ACTIVE : state != FRAME_FREE && state != FRAME_ZEROED;

    if (!good) {
        log_print("frame 0x%x is %s\n", frame.n, mi_frame_state_name(state));
    }
    return good;
}

/*
 * M2, M6: as long as a CPU may hold translations to a segment's page, or of its prototype table,
 * its space stays on the chunk's list of mappers, or a window is counted there.
 */
static bool is_mapped(pfn_t frame, bool window)
{
    const struct pfn *record = mi_pfn(frame);

    if (record->state != FRAME_ACTIVE ||
        (record->kind != FRAME_SEGMENT && record->kind != FRAME_PROTOTYPE)) {
        return true;
    }
    pfn_t table = record->kind == FRAME_SEGMENT ? (pfn_t){record->table} : frame;
    const struct chunk *chunk = container_of(mi_entry_of(table), struct chunk, table);
    if (window) {
        return chunk->pins != 0;
    }
    list_for_each(link, &chunk->mappers) {
        if (&list_entry(link, struct mapper, link)->vad->space->root == cpu_self()->root) {
            return true;
        }
    }
    return false;
}

/* ---- everything against everything ---- */

static void check_bounds(const char *what, uint32_t number, uint32_t got, struct bounds bounds)
{
    if (got < bounds.least || got > bounds.most) {
        sim_wrong("%s %u: %u, the model says %u to %u", what, number, got, bounds.least,
                  bounds.most);
    }
}

/* The entry that says where the contents of a page are; *ALONE: no other entry maps its frame.
 * False: a table cannot be read any more. */
static bool find_entry(const struct sim_process *process, const struct model_region *region,
                       uint32_t page, pte_t *value, bool *alone)
{
    const struct sim_section *section = process->sections[region - process->regions];

    if (!sim_private_entry(process->space, region->base / PAGE_BYTES + page, value)) {
        return false;
    }
    if (section != NULL && (pte_is_empty(*value) || pte_has_form(*value, PTE_PROTOTYPE)) &&
        !sim_segment_entry(section->section.segment, region->shared_page + page, value)) {
        return false;
    }
    *alone = !pte_is_valid(*value) || mi_pfn(pte_frame(*value))->use.shares == 1;
    return true;
}

static void check_page(const struct sim_process *process, const struct model_region *region,
                       uint32_t page)
{
    static uint32_t memory[PAGE_BYTES / 4];
    bool alone;
    pte_t value;

    if (region->unsure || !find_entry(process, region, page, &value, &alone) ||
        !sim_page_contents(value, alone, memory)) {
        return;
    }
    const char *wrong = model_check_page(region, page, memory);
    if (wrong != NULL) {
        sim_wrong("%s: page %u of the region at 0x%08x, whose entry is 0x%016llx", wrong, page,
                  region->base, (unsigned long long)value.v);
    }
}

static bool is_touched(const struct model_region *region, uint32_t page)
{
    return region->own.touched[page] != UNTOUCHED || region->pages[page].copied ||
           (region->shared != NULL &&
            region->shared->touched[region->shared_page + page] != UNTOUCHED);
}

/* The queries of a region, run by run. */
static void check_regions(struct sim_process *process, const struct model_region *region)
{
    for (uint32_t page = 0; page < region->npages;) {
        struct memory_region told;
        uaddr_t address = {region->base + page * PAGE_BYTES};

        status_t status = mm_query_virtual(process->space, address, &told);
        if (sim_is_disk_error(status)) {
            page = page / CHUNK_PAGES * CHUNK_PAGES + CHUNK_PAGES; /* the table is damaged */
            continue;
        }
        VERIFY(is_success(status));
        uint32_t end = page + told.nbytes / PAGE_BYTES;
        for (; page < end && page < region->npages; page++) {
            bool committed =
                region->pages[page].state != PAGE_GONE && model_is_committed(region, page);
            if (region->unsure || !model_is_calm(region, page, 1)) {
                continue;
            }
            if (committed != (told.state == MEM_COMMIT) ||
                (region->pages[page].state == PAGE_GONE) != (told.state == MEM_FREE) ||
                (committed && told.protection != model_prot(region, page))) {
                sim_wrong("page %u of the region at 0x%08x: state 0x%x protection 0x%x", page,
                          region->base, told.state, told.protection);
            }
        }
    }
}

/* Private pages of a region, mapped, out of reach, or in a slot; *UNSURE: or not to be found. */
static uint32_t private_pages(const struct sim_process *process, const struct model_region *region,
                              uint32_t *unsure)
{
    uint32_t count = 0;

    for (uint32_t page = 0; page < region->npages; page++) {
        pte_t value;

        if (!sim_private_entry(process->space, region->base / PAGE_BYTES + page, &value)) {
            *unsure += 1;
            continue;
        }
        count += pte_has_form(value, PTE_PAGEFILE);
        count += pte_has_frame(value) && mi_pfn(pte_frame(value))->kind == FRAME_PRIVATE;
    }
    return count;
}

static void check_process(struct sim_process *process)
{
    struct bounds commit = {0, 0};
    uint32_t number = (uint32_t)(process - simulation.processes);

    for (uint32_t i = 0; i < REGIONS; i++) {
        const struct model_region *region = &process->regions[i];

        if (!region->used) {
            continue;
        }
        commit.least += region->unsure ? 0 : model_region_commit(region);
        commit.most += model_region_commit(region) + (region->unsure ? 2 * region->npages : 0);
        check_regions(process, region);
        for (uint32_t page = 0; page < region->npages; page++) {
            if (is_touched(region, page)) {
                check_page(process, region, page);
            }
        }
        struct bounds pages = model_private_pages(region);
        uint32_t unsure = 0;
        uint32_t count = private_pages(process, region, &unsure);
        pages.least -= min_u32(pages.least, region->unsure ? region->npages : unsure);
        pages.most = region->unsure ? region->npages : pages.most;
        check_bounds("private pages of a region of process", number, count, pages);
    }
    check_bounds("commit of process", number, process->space->commit, commit);
}

static void check_section(struct sim_section *section)
{
    uint32_t views = 0;
    uint32_t handles = 0;

    for (uint32_t i = 0; i < PROCESSES; i++) {
        for (uint32_t j = 0; j < REGIONS; j++) {
            views += simulation.processes[i].sections[j] == section;
        }
        handles += simulation.processes[i].handles[section->number];
    }
    check_bounds("views of section", section->number, section->views,
                 (struct bounds){views, views});
    check_bounds("usage of section", section->number, section->usage,
                 (struct bounds){views + handles, views + handles});
    if (!section->file) {
        struct mm_segment_usage usage;

        mm_segment_read_usage(section->section.segment, &usage);
        struct bounds resident = model_resident(section->contents);
        struct bounds modified = model_modified(section->contents);
        if (sim_pages()) {
            resident.least = 0; /* some may be out, and clean again */
            modified.least = 0;
        }
        check_bounds("resident pages of section", section->number, usage.resident_pages, resident);
        check_bounds("modified pages of section", section->number, usage.modified_pages, modified);
    }
}

/*
 * Translations that the tables do not grant. The time of the balancer or of the file writer may
 * have come on another CPU: what they take from pages they have flushed when they let others in.
 */
static uint32_t stale_translations(void)
{
    if (sim_others_are_idle()) {
        return sim_check_tlbs();
    }
    mi_trim_lock();
    mi_writer_lock();
    uint32_t stale = sim_check_tlbs();
    mi_writer_unlock();
    mi_trim_unlock();
    return stale;
}

void sim_check_all(void)
{
    uint32_t found = mm_audit();
    uint32_t stale = stale_translations();

    if (found != 0 || stale != 0) {
        sim_wrong("the audit finds %u, the TLBs hold %u stale translations", found, stale);
    }
    sim_check_files();
    for (uint32_t i = 0; i < PROCESSES; i++) {
        if (simulation.processes[i].space != NULL) {
            check_process(&simulation.processes[i]);
        }
    }
    for (uint32_t i = 0; i < SECTIONS; i++) {
        if (simulation.sections[i].used) {
            check_section(&simulation.sections[i]);
        }
    }
}

/* ---- one run ---- */

static void act(void *argument)
{
    struct actor *actor = argument;

    while (actor->calls != 0) {
        actor->calls--;
        simulation.calls++;
        sim_random_call(actor);
    }
    sim_enter(actor, NULL);
}

static void run_phase(void)
{
    uint32_t nthreads = 2 + sim_random(MODEL_THREADS - 1);

    simulation.nprocesses = 1 + sim_random(PROCESSES);
    simulation.nregions = 2 + sim_random(REGIONS - 1);
    simulation.nsections = 1 + sim_random(SECTIONS);
    simulation.nhot = 2 + sim_random(7);
    simulation.error_one_in = sim_random(2) == 0 ? 0 : 2 + sim_random(10);
    simulation.failures = simulation.failures || sim_random(4) == 0;
    sim_choose_calls();
    bool errs = sim_random(3) == 0;
    sim_disk_errs(errs, sim_random(errs ? 2 : 5) == 0);
    for (uint32_t i = 0; i < nthreads; i++) {
        struct actor *actor = &simulation.actors[i];

        *actor = (struct actor){.number = i, .calls = 50 + sim_random(350)};
        (void)sim_thread("actor", act, actor, PRIORITY_NORMAL);
    }
    sim_join();
    sim_disk_errs(false, false);
    sim_rest();
    sim_check_all();
}

/* Three seeds in four have a paging file, and few frames. */
static bool is_paging(uint32_t seed)
{
    return seed % 4 != 0;
}

static struct simulate_outcome *outcome; /* of this run, if somebody asks */

static void boot(uint32_t seed, uint32_t ncpus, bool flaw)
{
    static const uint32_t preempt[] = {15, 60, 250};
    static const uint32_t interrupt[] = {4, 15, 60};
    static const uint32_t freeze[] = {0, 150, 1500};
    uint64_t nbytes = is_paging(seed) ? (7ull << 18) + ((uint64_t)(seed / 3 % 7) << 15)
                                      : (8ull + 8 * (seed / 3 % 3)) << 20;
    struct sim_config config = {.ram = {{0, nbytes}},
                                .ncpus = ncpus,
                                .seed = seed * 2654435761u + ncpus,
                                .preempt_one_in = preempt[seed / 9 % 3],
                                .explore = true,
                                .interrupt_one_in = interrupt[seed / 27 % 3],
                                .freeze_one_in = freeze[seed / 7 % 3],
                                .unacknowledged = flaw,
                                .ram_is_copied = outcome != NULL};

    if (seed % 5 == 0) { /* some RAM above the direct map */
        config.direct_end = nbytes;
        config.ram[1] =
            (struct memory_range){2 * nbytes, 2 * nbytes + (is_paging(seed) ? 1u << 20 : 8u << 20)};
    }
    sim_boot(&config);
    trap_register(&traps);
    VERIFY(is_success(mm_init(&boot_info)));
    VERIFY(is_success(mm_balancer_start()));
    sim_watch_frames(frame_in_use);
    sim_watch_translations(is_mapped);
}

/*
 * Copies the machine: fork copies RAM, the kernel's variables and all threads' stacks, and leaves
 * everything at its address, so that pointers hold in the copy.
 */
static pid_t copy_machine(void)
{
    fflush(NULL);
    pid_t copy = fork();
    VERIFY(copy >= 0);
    if (copy == 0) {
        outcome++;
    }
    return copy;
}

static void run(uint32_t seed, uint32_t ncpus, bool flaw)
{
    pid_t copy = -1;

    boot(seed, ncpus, flaw);
    if (is_paging(seed)) {
        sim_start_paging();
    }
    (void)mm_register_section_owner(&sim_owner);
    sim_rest();
    struct fixture_usage before = fixture_usage();
    sim_start_files();
    for (uint32_t i = 0; i < PROCESSES; i++) {
        sim_start_process(&simulation.processes[i]);
    }
    for (uint32_t phases = 2 + sim_random(3); phases != 0; phases--) {
        run_phase();
        if (outcome != NULL && copy < 0) {
            copy = copy_machine();
        }
    }
    for (uint32_t i = 0; i < PROCESSES; i++) {
        if (simulation.processes[i].space != NULL) {
            sim_end_process(&simulation.processes[i]);
        }
    }
    sim_end_files();
    for (uint32_t i = 0; i < SECTIONS; i++) {
        if (simulation.sections[i].used) {
            sim_wrong("section %u has no user and is not gone", i);
        }
    }
    sim_rest();
    sim_check_slots_are_free();
    struct fixture_usage after = fixture_usage();
    if (memcmp(&before, &after, sizeof(before)) != 0) {
        sim_wrong("objects %u, commit %u, frames %u at the end; %u, %u, %u at the beginning",
                  after.objects, after.commit, after.available, before.objects, before.commit,
                  before.available);
    }
    struct mm_pagefile_usage paged;
    mm_read_pagefile_usage(&paged);
    fprintf(stderr, "calls %llu, time %lld us, pages written %llu, read %llu, disk errors %u\n",
            (unsigned long long)simulation.calls, (long long)clock_now() / 1000,
            (unsigned long long)paged.pages_written, (unsigned long long)paged.pages_read,
            sim_disk_errors());
    if (outcome != NULL) {
        int status = 0;
        *outcome = (struct simulate_outcome){simulation.calls, clock_now(), sim_hash()};
        VERIFY(copy == 0 || (waitpid(copy, &status, 0) == copy && status == 0));
    }
}

/* ---- many runs ---- */

struct campaign {
    uint32_t first, count, ncpus, jobs;
    bool until_failure, flaw, verbose;
    uint32_t started, passed, failed;
};

struct job {
    pid_t child;
    uint32_t seed;
    int output;
};
static struct job running[JOBS_MAX];

static uint32_t cpus_of(const struct campaign *campaign, uint32_t seed)
{
    static const uint32_t by_seed[] = {1, 2, 4};

    return campaign->ncpus != 0 ? campaign->ncpus : by_seed[seed % 3];
}

static void start(const struct campaign *campaign, struct job *job, uint32_t seed)
{
    job->seed = seed;
    job->output = memfd_create("output", 0);
    fflush(NULL);
    job->child = fork();
    if (job->child == 0) {
        if (!campaign->verbose) {
            dup2(job->output, STDOUT_FILENO);
            dup2(job->output, STDERR_FILENO);
        }
        setrlimit(RLIMIT_CPU, &(struct rlimit){LIMIT_SECONDS, LIMIT_SECONDS + 1});
        simulation.verbose = campaign->verbose;
        run(seed, cpus_of(campaign, seed), campaign->flaw);
        fflush(NULL);
        _exit(0);
    }
    if (job->child < 0 || job->output < 0) {
        perror("quire: simulate");
        exit(2);
    }
}

/* The end of what a run said. */
static void print_output(int output)
{
    static char text[3000];
    off_t length = lseek(output, 0, SEEK_END);
    off_t from = length > (off_t)sizeof(text) - 1 ? length - (off_t)sizeof(text) + 1 : 0;
    ssize_t count = pread(output, text, sizeof(text) - 1, from);

    if (count > 0) {
        fwrite(text, 1, (size_t)count, stdout);
    }
}

static void finish(struct campaign *campaign, struct job *job, int status)
{
    if (status == 0) {
        campaign->passed++;
    } else {
        uint32_t ncpus = cpus_of(campaign, job->seed);

        campaign->failed++;
        print_output(job->output);
        printf("seed %u failed with %u CPU%s%s; again: make simulate SEED=%u SEEDS=1 CPUS=%u\n",
               job->seed, ncpus, ncpus == 1 ? "" : "s",
               WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU ? " (it took too long)" : "",
               job->seed, ncpus);
    }
    close(job->output);
    job->child = 0;
    uint32_t done = campaign->passed + campaign->failed;
    if (done % 500 == 0 && done != campaign->count) {
        printf("%u of %u seeds, %u failed\n", done, campaign->count, campaign->failed);
    }
    fflush(stdout);
}

static void wait_for_one(struct campaign *campaign)
{
    int status = 0;
    pid_t child = wait(&status);

    for (uint32_t i = 0; i < campaign->jobs; i++) {
        if (running[i].child == child) {
            finish(campaign, &running[i], status);
        }
    }
}

static bool may_start(const struct campaign *campaign)
{
    return campaign->started < campaign->count &&
           !(campaign->until_failure && campaign->failed != 0);
}

static void run_campaign(struct campaign *campaign)
{
    uint32_t busy = 0;

    while (may_start(campaign) || busy != 0) {
        for (uint32_t i = 0; i < campaign->jobs && may_start(campaign); i++) {
            if (running[i].child == 0) {
                start(campaign, &running[i], campaign->first + campaign->started);
                campaign->started++;
                busy++;
            }
        }
        wait_for_one(campaign);
        busy--;
    }
}

uint32_t simulate_seeds(uint32_t first, uint32_t count, uint32_t ncpus, bool flaw)
{
    struct campaign campaign = {.first = first,
                                .count = count,
                                .ncpus = ncpus,
                                .jobs = 1,
                                .until_failure = true,
                                .flaw = flaw};

    run_campaign(&campaign);
    return campaign.failed;
}

bool simulate_copied(uint32_t seed, struct simulate_outcome outcomes[2])
{
    size_t nbytes = 2 * sizeof(*outcomes);
    struct campaign campaign = {.first = seed, .count = 1, .jobs = 1};

    outcome = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    VERIFY(outcome != MAP_FAILED);
    run_campaign(&campaign);
    memcpy(outcomes, outcome, nbytes);
    munmap(outcome, nbytes);
    outcome = NULL;
    return campaign.failed == 0;
}

static bool parse_option(int option, struct campaign *campaign)
{
    switch (option) {
    case 's':
        return test_number("simulate", optarg, 0, UINT32_MAX, &campaign->first);
    case 'n':
        return test_number("simulate", optarg, 1, UINT32_MAX, &campaign->count);
    case 'c':
        return test_number("simulate", optarg, 0, CPUS_MAX, &campaign->ncpus);
    case 'j':
        if (!test_number("simulate", optarg, 1, UINT32_MAX, &campaign->jobs)) {
            return false;
        }
        campaign->jobs = min_u32(campaign->jobs, JOBS_MAX);
        return true;
    case 'f':
        campaign->until_failure = true;
        return true;
    case 'u':
        campaign->flaw = true;
        return true;
    case 'v':
        campaign->verbose = true;
        return true;
    default:
        return false;
    }
}

int simulate_main(int argc, char **argv)
{
    struct campaign campaign = {.first = 1, .count = 1, .jobs = 1};
    int option;

    while ((option = getopt(argc, argv, "s:n:c:j:fuv")) != -1) {
        if (!parse_option(option, &campaign)) {
            return 2;
        }
    }
    time_t begin = time(NULL);
    run_campaign(&campaign);
    printf("%u seeds from %u: %u passed, %u failed, %u seconds\n",
           campaign.passed + campaign.failed, campaign.first, campaign.passed, campaign.failed,
           (unsigned)(time(NULL) - begin));
    return campaign.failed == 0 ? 0 : 1;
}
