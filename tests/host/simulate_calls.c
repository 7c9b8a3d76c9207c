/*
 * tests/host/simulate_calls.c: the random calls of the simulation: processes, sections and their
 * handles, and which call comes next. Each works out from the model what must come, calls the
 * memory manager, and tells the model what became of it.
 */
#include "simulate.h"

#include <string.h>

#include "abi/constants.h"
#include "kernel/failpoint.h"
#include "mm/commit.h"
#include "mm/init.h"

uint32_t sim_pick(const uint32_t *values, uint32_t count)
{
    return values[sim_random(count)];
}

void sim_pause(void)
{
    thread_sleep_until(clock_now() + 20000 + sim_random(60000), false, NULL);
}

bool sim_is_refusal(status_t status)
{
    return status == STATUS_COMMITMENT_LIMIT || status == STATUS_INSUFFICIENT_RESOURCES ||
           status == STATUS_NO_MEMORY;
}

bool sim_memory_was_short(void)
{
    struct mm_charges charges;

    mm_read_charges(&charges);
    /* With high memory a part of the low one is kept from pages. */
    uint32_t kept = boot_info.nusable > 1 ? charges.commit_limit / 2 : 0;
    return sim_pages() || simulation.failures || simulation.hogs ||
           charges.commit_limit - kept < charges.commit_peak + MODEL_PAGES + 100 ||
           charges.resident_available < 100;
}

bool sim_was_refused(status_t status)
{
    bool has_reason = status != STATUS_COMMITMENT_LIMIT || simulation.failures ||
                      thread_self()->commit_refused != 0;

    return sim_is_refusal(status) && has_reason && sim_memory_was_short();
}

/*
 * Whether STATUS is what EXPECTED says. A refusal, which needs a reason, counts as failure: nothing
 * has changed.
 */
bool sim_expect(const char *what, status_t status, status_t expected)
{
    if (status == expected) {
        return is_success(status);
    }
    if (!sim_was_refused(status) && !sim_is_disk_error(status)) {
        sim_wrong("%s gave 0x%08x, expected 0x%08x", what, (unsigned)status, (unsigned)expected);
    }
    return false;
}

/* ---- processes ---- */

struct sim_process *sim_any_process(void)
{
    struct sim_process *process = &simulation.processes[sim_random(simulation.nprocesses)];

    return process->space != NULL && !process->ending ? process : NULL;
}

void sim_enter(struct actor *actor, struct sim_process *process)
{
    struct sim_process *old = actor->process;

    if (process != NULL) {
        process->attached++;
    }
    actor->process = process;
    thread_attach_space(process == NULL ? NULL : process->space,
                        process == NULL ? NULL : &process->space->root);
    if (old != NULL) {
        old->attached--;
    }
}

void sim_start_process(struct sim_process *process)
{
    struct space *space = NULL;
    status_t status = mm_space_create(&space);

    (void)sim_expect("mm_space_create", status, STATUS_SUCCESS);
    process->space = space;
}

/* ---- sections ---- */

static void view_mapped(struct section *section)
{
    struct sim_section *owner = container_of(section, struct sim_section, section);

    owner->views++;
    owner->usage++;
}

void sim_release_section(struct sim_section *section)
{
    if (--section->usage == 0) {
        if (section->views != 0) {
            sim_wrong("a section ends with %u views", section->views);
        }
        mm_section_destroy(&section->section);
        section->used = false;
    }
}

static void view_unmapped(struct section *section)
{
    struct sim_section *owner = container_of(section, struct sim_section, section);

    owner->views--;
    sim_release_section(owner);
}

const struct section_owner_operations sim_owner = {view_mapped, view_unmapped};

static const uint32_t sizes[] = {1, 3, 3, 17, 40, 511, 512, 512, 512, 513, 530, 1033};

static status_t create(struct sim_section *section)
{
    static const uint32_t file_prots[] = {PAGE_READONLY, PAGE_WRITECOPY, PAGE_EXECUTE_READ,
                                          PAGE_EXECUTE_WRITECOPY};
    static const uint32_t prots[] = {PAGE_READWRITE, PAGE_READWRITE, PAGE_EXECUTE_READWRITE,
                                     PAGE_READONLY};

    section->file = sim_random(3) == 0;
    section->image = NULL;
    if (section->file && sim_random(2) == 0) {
        return sim_create_image(section);
    }
    if (section->file) {
        struct sim_file *file = &simulation.files[sim_random(FILES)];
        bool written = file->store != NULL;
        section->contents = &file->contents;
        return mm_section_create_file(&section->section, file->segment, file->nbytes,
                                      file->contents.file_bytes,
                                      sim_pick(written ? prots : file_prots, 4), SEC_COMMIT);
    }
    uint32_t npages = sim_pick(sizes, ARRAY_SIZE(sizes));
    bool reserve = sim_random(4) == 0;
    section->contents = &section->own;
    model_content_init(&section->own, PROCESSES * REGIONS + section->number, npages);
    section->own.reserve = reserve;
    return mm_section_create_memory(&section->section, (uint64_t)npages * PAGE_BYTES,
                                    sim_pick(prots, 4), reserve ? SEC_RESERVE : SEC_COMMIT);
}

static void call_create(struct actor *actor)
{
    struct sim_process *process = sim_any_process();

    for (uint32_t i = 0; i < simulation.nsections && process != NULL; i++) {
        struct sim_section *section = &simulation.sections[i];

        if (section->used) {
            continue;
        }
        memset(&section->section, 0, sizeof(section->section));
        section->used = true;
        section->made = false;
        section->usage = 1; /* this call */
        section->views = 0;
        section->number = i;
        process->users++;
        status_t status = create(section);
        if (status == STATUS_DATA_ERROR ||
            !sim_expect("create a section", status, STATUS_SUCCESS)) {
            section->used = false; /* of an image whose file cannot be read, or refused */
        } else {
            sim_say(actor, "creates section %u of %u pages%s", i, section->contents->npages,
                    section->image != NULL ? ", image"
                    : section->file        ? ", file"
                    : section->own.reserve ? ", reserve"
                                           : "");
            section->made = true;
            process->handles[i]++;
        }
        process->users--;
        return;
    }
}

/* A handle of one process becomes one of another. */
static void call_duplicate(struct actor *actor)
{
    struct sim_process *from = sim_any_process();
    struct sim_process *to = sim_any_process();
    uint32_t i = sim_random(simulation.nsections);

    (void)actor;
    if (from != NULL && to != NULL && from->handles[i] != 0 && to->handles[i] < 3) {
        to->handles[i]++;
        simulation.sections[i].usage++;
    }
}

static void call_close(struct actor *actor)
{
    struct sim_process *process = sim_any_process();
    uint32_t i = sim_random(simulation.nsections);

    if (process != NULL && process->handles[i] != 0) {
        process->handles[i]--;
        sim_say(actor, "closes section %u", i);
        sim_release_section(&simulation.sections[i]);
    }
}

/* ---- the end of processes ---- */

void sim_end_process(struct sim_process *process)
{
    struct space *space = process->space;

    mm_space_empty(space);
    for (uint32_t i = 0; i < REGIONS; i++) {
        if (process->regions[i].used) {
            sim_forget_region(process, &process->regions[i]);
        }
    }
    sim_unload_root(&space->root);
    mm_space_destroy(space);
    process->space = NULL;
    for (uint32_t i = 0; i < SECTIONS; i++) {
        while (process->handles[i] != 0) {
            process->handles[i]--;
            sim_release_section(&simulation.sections[i]);
        }
    }
}

static void call_end_process(struct actor *actor)
{
    struct sim_process *process = &simulation.processes[sim_random(simulation.nprocesses)];

    if (process->ending || process->users != 0) {
        return;
    }
    process->ending = true;
    sim_say(actor, "ends process %u", (unsigned)(process - simulation.processes));
    sim_enter(actor, NULL);
    while (process->users != 0 || process->attached != 0) {
        sim_pause();
    }
    if (process->space != NULL) {
        sim_end_process(process);
    }
    sim_start_process(process);
    process->ending = false;
}

static void call_attach(struct actor *actor)
{
    struct sim_process *process = sim_any_process();

    if (process != NULL) {
        sim_enter(actor, process);
    }
}

static void call_drain(struct actor *actor)
{
    sim_say(actor, "drains");
    mm_drain();
}

static void call_failing(struct actor *actor);

static struct {
    void (*call)(struct actor *actor);
    uint32_t usual;
    uint32_t weight; /* in this phase */
} calls[] = {{sim_call_access, 60, 0},  {sim_call_sweep, 6, 0}, {sim_call_transfer, 6, 0},
             {sim_call_map, 14, 0},     {sim_call_unmap, 6, 0}, {sim_call_protect, 8, 0},
             {sim_call_commit, 5, 0},   {sim_call_free, 5, 0},  {sim_call_release, 2, 0},
             {sim_call_allocate, 6, 0}, {sim_call_query, 5, 0}, {call_create, 5, 0},
             {call_duplicate, 6, 0},    {call_close, 4, 0},     {call_attach, 4, 0},
             {call_drain, 4, 0},        {sim_call_usage, 3, 0}, {sim_call_read_file, 3, 0},
             {call_end_process, 1, 0},  {call_failing, 40, 0},  {sim_call_forget_image, 2, 0},
             {sim_call_hog, 6, 0},      {sim_call_empty, 4, 0}, {sim_call_limits, 1, 0},
             {sim_call_lock, 4, 0},     {sim_call_chill, 1, 0}, {sim_call_file_io, 6, 0},
             {sim_call_flush, 3, 0},    {sim_call_resize, 2, 0}};

void sim_choose_calls(void)
{
    static const uint32_t parts[] = {0, 1, 2, 2, 2, 4, 12};

    for (uint32_t i = 0; i < ARRAY_SIZE(calls); i++) {
        calls[i].weight = calls[i].usual * sim_pick(parts, ARRAY_SIZE(parts));
    }
    calls[0].weight += calls[0].usual; /* never without accesses */
}

/* A call during which an allocation or a charge fails: its own, or that of another thread. */
static void call_failing(struct actor *actor)
{
    if (!simulation.failures || simulation.failing) {
        return;
    }
    simulation.failing = true;
    if (sim_random(2) == 0) {
        (void)failpoint_arm(FAILPOINT_CHARGE, 1 + sim_random(2));
    } else {
        (void)failpoint_arm(FAILPOINT_ALLOCATION, 1 + sim_random(3));
    }
    sim_random_call(actor);
    (void)failpoint_arm(FAILPOINT_CHARGE, 0);
    (void)failpoint_arm(FAILPOINT_ALLOCATION, 0);
    simulation.failing = false;
}

void sim_random_call(struct actor *actor)
{
    uint32_t total = 0;

    mm_forget_refusal();
    if (actor->process != NULL && actor->process->ending) {
        sim_enter(actor, NULL);
    }
    if (actor->process == NULL) {
        call_attach(actor);
    }
    for (uint32_t i = 0; i < ARRAY_SIZE(calls); i++) {
        total += calls[i].weight;
    }
    uint32_t roll = sim_random(total);
    uint32_t i = 0;
    while (roll >= calls[i].weight) {
        roll -= calls[i].weight;
        i++;
    }
    calls[i].call(actor);
}
