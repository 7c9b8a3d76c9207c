/*
 * tests/host/worlds_machine.c: a small world itself: a machine of two CPUs with a paging file, two
 * processes, and the system calls of sys/, called as the kernel's trap calls them.
 *
 * Each process has a CPU, which keeps its TLB while the other process acts. One thread makes all
 * calls: it moves to the process's CPU and becomes the caller. Arguments that are passed in memory
 * lie in memory lent to the processes, so that sections have the only pages.
 *
 * All frames but a few are held by others. Before and after each call they give back or take what
 * tables have taken or given back, so that contents can have WORLD_FRAMES frames before the
 * balancer wants some back, and a few more while a call runs.
 */
#include "worlds.h"

#include <string.h>

#include "abi/constants.h"
#include "abi/process.h"
#include "kernel/string.h"
#include "machine.h"
#include "mm/audit.h"
#include "mm/commit.h"
#include "mm/fault.h"
#include "mm/frame.h"
#include "mm/init.h"
#include "mm/pagefile.h"
#include "mm/pool.h"
#include "mm/slots.h"
#include "mm/space.h"
#include "mm/vad.h"
#include "sys/calls.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/process_private.h"
#include "sys/section.h"
#include "tests/host/mm_fixture.h"

#define RAM_BYTES      (2u << 20)
#define SLOTS          2048u
#define FIRST_SECTOR   64u /* of the paging file */
#define PAGE_SECTORS   (PAGE_BYTES / SECTOR_BYTES)
#define FRAME_RESERVE  2u /* what two tables of one fault need */
#define TABLES_OF_CALL 2u
#define OTHER_PROCESS  4u /* the handle that each process has to the other one */
#define NO_HANDLE      0x7000u
#define NO_VIEW        0x30000000u
#define LENT           0x1000u /* where the lent memory seems to lie: no process has pages there */
#define REST_TRIES     2000u
#define REST_STEP      NS_PER_MS
#define PAGE_WORDS     (PAGE_BYTES / 4u)
#define DISK_LATENCY   (10 * NS_PER_MS) /* longer than a few calls */

const char *const world_flaw_names[FLAWS] = {"none", "view", "name", "flush", "write"};

/* What a system call is passed in memory. */
struct passed {
    uint32_t handle;
    uint32_t base;
    uint32_t nbytes;
    uint64_t size;
    struct nt_object_attributes attributes;
    struct nt_unicode_string string;
    struct nt_io_status_block block;
    uint16_t text[NAME_DIRECTORY_LENGTH + 1];
};

static struct {
    struct process *processes[WORLD_PROCESSES];
    struct user_thread callers[WORLD_PROCESSES];
    struct passed passed;
    struct sim_disk *disk;
    enum world_flaw flaw;
    pfn_t held[RAM_BYTES / PAGE_BYTES]; /* the frames that others have */
    uint32_t nheld;
    struct fixture_usage before;
} world;

/* Threads and files are not part of a small world: sys/thread.c and sys/file.c are left out. */
void psi_thread_init(void)
{
}

struct object_type file_type = {.name = "File"};

status_t file_reference(uint32_t handle, uint32_t access, struct file_object **file)
{
    (void)handle;
    (void)access;
    (void)file;
    return STATUS_OBJECT_TYPE_MISMATCH;
}

/* ---- frames ---- */

static void hold_frame(void)
{
    VERIFY(is_success(mm_charge_commit(1)));
    world.held[world.nheld++] = mi_take_table_frame(FRAME_KERNEL);
}

static void give_frame(void)
{
    VERIFY(world.nheld != 0);
    mi_release_frame(world.held[--world.nheld]);
    mm_return_commit(1);
}

/* Frames that hold contents, or are on their way out of that, and are not available. */
static uint32_t content_frames(void)
{
    uint32_t count = 0;

    for (const struct pfn *record = mi_database; record < mi_database + mi_database_limit;
         record++) {
        bool contents = record->kind == FRAME_PRIVATE || record->kind == FRAME_SEGMENT;

        count += record->state == FRAME_TRANSITION || record->state == FRAME_MODIFIED ||
                 (record->state == FRAME_ACTIVE && contents);
    }
    return count;
}

/* Others hold so many frames that NFRAMES are there for contents at rest. */
static void portion_frames(uint32_t nframes)
{
    uint32_t all = mi_frames_wanted() + nframes;

    while (mi_frames_available() + content_frames() < all) {
        give_frame();
    }
    /* The balancer may be at work meanwhile: what it does is counted each time. */
    while (mi_frames_available() + content_frames() > all && mi_frames_available() > 1) {
        hold_frame();
    }
}

void world_portion_frames(void)
{
    portion_frames(WORLD_FRAMES);
}

static bool is_at_rest(void)
{
    if (sim_disk_next() != WAIT_FOREVER || mi_frames_available() < mi_frames_wanted()) {
        return false;
    }
    for (const struct pfn *record = mi_database; record < mi_database + mi_database_limit;
         record++) {
        if (record->state == FRAME_TRANSITION) {
            return false;
        }
    }
    return true;
}

const char *world_rest(void)
{
    for (uint32_t i = 0; i < REST_TRIES; i++) {
        if (is_at_rest()) {
            return NULL;
        }
        sim_advance(REST_STEP);
    }
    return "the machine does not come to rest";
}

/* Others want all frames of contents; the writes that this takes have begun. */
static status_t trim(void)
{
    portion_frames(0);
    sim_poll();
    return STATUS_SUCCESS;
}

static void use_standby(void)
{
    while (mi_frame_list_length(FRAME_STANDBY, ZONE_LOW) != 0) {
        hold_frame();
    }
}

/* And others use them, for a moment. */
static status_t squeeze(void)
{
    portion_frames(0);
    if (world_rest() != NULL) {
        return STATUS_UNSUCCESSFUL;
    }
    use_standby();
    return STATUS_SUCCESS;
}

/* Tables that have no page in RAM. */
static uint32_t idle_tables(void)
{
    uint32_t count = 0;

    for (uint32_t n = 0; n < mi_pfn_limit(); n++) {
        const struct pfn *record = mi_pfn((pfn_t){n});
        bool is_table = record->kind == FRAME_TABLE || record->kind == FRAME_PROTOTYPE;
        if (record->state != FRAME_ACTIVE || !is_table) {
            continue;
        }
        const pte_t *entries = frame_address((pfn_t){n});
        uint32_t i = 0;
        while (i < CHUNK_PAGES && !pte_has_frame(entries[i])) {
            i++;
        }
        count += i == CHUNK_PAGES;
    }
    return count;
}

/* And want the frames of tables; those are still there, on the standby list. */
static status_t wring(void)
{
    status_t status = squeeze();

    world_portion_frames();
    portion_frames(0);
    for (uint32_t left = idle_tables(); left != 0 && is_success(status); left = idle_tables()) {
        hold_frame();
        if (world_rest() != NULL || idle_tables() >= left) {
            return STATUS_UNSUCCESSFUL;
        }
    }
    return status;
}

/* ---- processes ---- */

struct process *world_process(uint32_t number)
{
    return world.processes[number];
}

/* The CPU of the process is where it was left: what it has loaded is loaded, its TLB as it was. */
void world_enter(uint32_t number)
{
    struct process *process = world.processes[number];
    struct thread *self = thread_self();

    self->owner = &world.callers[number];
    self->space = process->space;
    self->root = &process->space->root;
    sim_use_cpu(number);
    thread_attach_space(process->space, &process->space->root);
}

/* The process ends as one does whose last thread has left. */
static void exit_process(uint32_t number)
{
    world_enter(number);
    thread_attach_space(NULL, NULL);
    ps_abandon_process(world.processes[number], STATUS_SUCCESS);
}

static void make_processes(struct world_model *model)
{
    for (uint32_t i = 0; i < WORLD_PROCESSES; i++) {
        VERIFY(is_success(ps_create_process(NULL, false, &world.processes[i])));
        world.callers[i].process = world.processes[i];
        model->processes[i].alive = true;
    }
    for (uint32_t i = 0; i < WORLD_PROCESSES; i++) {
        uint32_t handle = 0;
        VERIFY(is_success(handle_open(&world.processes[i]->handles,
                                      &world.processes[WORLD_PROCESSES - 1 - i]->object,
                                      PROCESS_ALL_ACCESS, 0, &handle)));
        VERIFY(handle == OTHER_PROCESS);
    }
}

void world_stop_time(bool stop)
{
    sim.running = !stop;
}

struct section_object *world_find_section(uint32_t name)
{
    for (uint32_t i = 0; i < NAME_BUCKETS; i++) {
        list_for_each(link, &section_type.names[i]) {
            const struct object_name *candidate = list_entry(link, struct object_name, link);
            if (candidate->length == 1 && candidate->characters[0] == u'A' + name) {
                return container_of(candidate->object, struct section_object, object);
            }
        }
    }
    return NULL;
}

const struct vad *world_find_view(uint32_t process, uint32_t address)
{
    struct tree *vads = &world.processes[process]->space->vads;

    for (struct tree_node *node = tree_first(vads); node != NULL; node = tree_next(node)) {
        const struct vad *vad = container_of(node, struct vad, node);
        if (vad->kind == VAD_VIEW && vad->first == address >> PAGE_SHIFT) {
            return vad;
        }
    }
    return NULL;
}

const void *world_slot(uint32_t slot)
{
    return world.disk->contents + (FIRST_SECTOR + (size_t)slot * PAGE_SECTORS) * SECTOR_BYTES;
}

/* ---- system calls ---- */

#define PASSED(field) (LENT + (uint32_t)offsetof(struct passed, field))

static void pass_name(uint32_t name)
{
    static const uint16_t directory[] = NAME_DIRECTORY;
    struct passed *passed = &world.passed;

    memset(passed, 0, sizeof(*passed));
    memcpy(passed->text, directory, NAME_DIRECTORY_LENGTH * sizeof(uint16_t));
    passed->text[NAME_DIRECTORY_LENGTH] = (uint16_t)(u'A' + name);
    passed->string =
        (struct nt_unicode_string){sizeof(passed->text), sizeof(passed->text), PASSED(text)};
    passed->attributes = (struct nt_object_attributes){.length = sizeof(passed->attributes),
                                                       .object_name = PASSED(string),
                                                       .attributes = OBJ_OPENIF};
    passed->size = WORLD_PAGES * PAGE_BYTES;
}

static struct world_answer create_section(uint32_t name)
{
    const uint32_t arguments[] = {PASSED(handle),
                                  SECTION_ALL_ACCESS,
                                  PASSED(attributes),
                                  PASSED(size),
                                  PAGE_READWRITE,
                                  SEC_COMMIT,
                                  0};

    pass_name(name);
    status_t status = sys_NtCreateSection(arguments, NULL);
    return (struct world_answer){status, world.passed.handle};
}

static struct world_answer open_section(uint32_t name)
{
    const uint32_t arguments[] = {PASSED(handle), SECTION_ALL_ACCESS, PASSED(attributes)};

    pass_name(name);
    status_t status = sys_NtOpenSection(arguments, NULL);
    return (struct world_answer){status, world.passed.handle};
}

static struct world_answer duplicate_handle(uint32_t handle, bool into_other)
{
    const uint32_t arguments[] = {
        HANDLE_CURRENT_PROCESS, handle, into_other ? OTHER_PROCESS : HANDLE_CURRENT_PROCESS,
        PASSED(handle),         0,      0,
        DUPLICATE_SAME_ACCESS};
    status_t status = sys_NtDuplicateObject(arguments, NULL);
    return (struct world_answer){status, world.passed.handle};
}

static struct world_answer map_view(const struct world_process *process, uint32_t handle,
                                    enum world_map map)
{
    static const uint32_t protections[WORLD_MAPS] = {PAGE_READWRITE, PAGE_READWRITE, PAGE_READONLY,
                                                     PAGE_WRITECOPY};
    const uint32_t arguments[] = {
        handle, HANDLE_CURRENT_PROCESS, PASSED(base), 0, 0, 0, PASSED(nbytes), 1,
        0,      protections[map]};
    world.passed.base = world_base(process, map);
    world.passed.nbytes = 0;
    status_t status = sys_NtMapViewOfSection(arguments, NULL);
    if (is_success(status) && world.passed.nbytes != WORLD_PAGES * PAGE_BYTES) {
        status = STATUS_UNSUCCESSFUL;
    }
    return (struct world_answer){status, world.passed.base};
}

static status_t flush_view(uint32_t address)
{
    const uint32_t arguments[] = {HANDLE_CURRENT_PROCESS, PASSED(base), PASSED(nbytes),
                                  PASSED(block)};
    world.passed.base = address;
    world.passed.nbytes = 0;
    return sys_NtFlushVirtualMemory(arguments, NULL);
}

/* ---- stores and loads ---- */

/* A page's first and last word hold the value, the others zero. */
static status_t store_value(uint32_t address, uint32_t value)
{
    for (uint32_t offset = 0; offset < PAGE_BYTES; offset += PAGE_BYTES - 4) {
        struct fault_report report = {.status = STATUS_UNSUCCESSFUL};
        if (sim_write((uaddr_t){address + offset}, &value, 4, &report) != FAULT_DONE) {
            return report.status;
        }
    }
    return STATUS_SUCCESS;
}

static status_t load_value(uint32_t address, uint32_t value)
{
    static uint32_t words[PAGE_WORDS];

    if (sim_read((uaddr_t){address}, words, PAGE_BYTES, NULL) != FAULT_DONE) {
        return STATUS_IN_PAGE_ERROR;
    }
    for (uint32_t i = 0; i < PAGE_WORDS; i++) {
        if (words[i] != (i == 0 || i == PAGE_WORDS - 1 ? value : 0)) {
            return STATUS_DATA_ERROR;
        }
    }
    return STATUS_SUCCESS;
}

/* ---- one call ---- */

static struct world_answer perform_on_name(const struct world_model *model,
                                           const struct world_call *call)
{
    const struct world_process *process = &model->processes[call->process];
    uint32_t handle = world_handle_to(process, call->object);

    switch ((enum world_call_kind)call->kind) {
    case WORLD_CREATE:
        return create_section(call->object);
    case WORLD_OPEN:
        return open_section(call->object);
    case WORLD_DUPLICATE:
        return duplicate_handle(handle, call->detail != call->process);
    case WORLD_CLOSE:
        handle = call->object == WORLD_NOTHING ? NO_HANDLE : handle;
        return (struct world_answer){sys_NtClose(&handle, NULL), 0};
    default:
        return map_view(process, handle, (enum world_map)call->detail);
    }
}

static status_t perform_on_view(const struct world_model *model, const struct world_call *call,
                                uint32_t number)
{
    static const struct world_view none = {.address = NO_VIEW};
    const struct world_view *view = call->object == WORLD_NOTHING
                                        ? &none
                                        : &model->processes[call->process].views[call->object];
    uint32_t page = view->address + call->detail * PAGE_BYTES;

    switch ((enum world_call_kind)call->kind) {
    case WORLD_UNMAP: {
        const uint32_t arguments[] = {HANDLE_CURRENT_PROCESS, view->address};
        return sys_NtUnmapViewOfSection(arguments, NULL);
    }
    case WORLD_FLUSH:
        return flush_view(view->address);
    case WORLD_READ:
        return load_value(page, world_value(model, view, call->detail));
    default:
        return store_value(page, number);
    }
}

static struct world_answer perform(const struct world_model *model, const struct world_call *call,
                                   uint32_t number)
{
    switch ((enum world_call_kind)call->kind) {
    case WORLD_CREATE:
    case WORLD_OPEN:
    case WORLD_DUPLICATE:
    case WORLD_CLOSE:
    case WORLD_MAP:
        return perform_on_name(model, call);
    case WORLD_EXIT:
        exit_process(call->process);
        return (struct world_answer){STATUS_SUCCESS, 0};
    case WORLD_TRIM:
        return (struct world_answer){trim(), 0};
    case WORLD_SQUEEZE:
        return (struct world_answer){squeeze(), 0};
    case WORLD_WRING:
        return (struct world_answer){wring(), 0};
    default:
        return (struct world_answer){perform_on_view(model, call, number), 0};
    }
}

struct world_answer world_perform(const struct world_model *model, const struct world_call *call,
                                  uint32_t number)
{
    if (call->kind < WORLD_TRIM) {
        world_enter(call->process);
    }
    portion_frames(WORLD_FRAMES + TABLES_OF_CALL);
    struct world_answer answer = perform(model, call, number);
    lock_assert_none();
    world_portion_frames();
    return answer;
}

/* ---- flaws ---- */

static struct object *object_of(struct section *section)
{
    return &container_of(section, struct section_object, section)->object;
}

static void flawed_view_mapped(struct section *section)
{
    section->views++;
    if (world.flaw == FLAW_NAME) {
        ob_ref(object_of(section));
    }
}

static void flawed_view_unmapped(struct section *section)
{
    section->views--;
    if (world.flaw == FLAW_NAME) {
        ob_unref(object_of(section));
    }
}

static void (*submit)(struct block_device *device, struct block_request *request);

static void flawed_submit(struct block_device *device, struct block_request *request)
{
    if (request->operation == BLOCK_WRITE) {
        request->operation = BLOCK_FLUSH;
    }
    submit(device, request);
}

static void plant(enum world_flaw flaw)
{
    static const struct section_owner_operations flawed = {flawed_view_mapped,
                                                           flawed_view_unmapped};
    world.flaw = flaw;
    if (flaw == FLAW_VIEW || flaw == FLAW_NAME) {
        (void)mm_register_section_owner(&flawed);
    } else if (flaw == FLAW_FLUSH) {
        sim_skip_flushes(UINT32_MAX);
    } else if (flaw == FLAW_WRITE) {
        submit = world.disk->device.submit;
        world.disk->device.submit = flawed_submit;
    }
}

/* ---- beginning and end ---- */

static enum fault_result user_fault(uaddr_t address, const struct access *access,
                                    struct fault_report *report)
{
    return mm_access_fault(thread_self()->space, address, access, report);
}

static void boot(void)
{
    static const struct trap_operations traps = {.user_page_fault = user_fault,
                                                 .window_fault = mm_window_fault};
    static const struct pagefile_extent extent = {FIRST_SECTOR, SLOTS};

    sim_boot(&(struct sim_config){
        .ram = {{0, RAM_BYTES}}, .ncpus = WORLD_PROCESSES, .ram_is_copied = true});
    trap_register(&traps);
    sim_lend_memory((uaddr_t){LENT}, &world.passed, sizeof(world.passed));
    VERIFY(is_success(mm_init(&boot_info)));
    ps_init();
    section_start();
    world.disk = sim_disk_memory(FIRST_SECTOR + SLOTS * (uint64_t)PAGE_SECTORS);
    world.disk->latency = DISK_LATENCY;
    VERIFY(is_success(mm_pagefile_open(&world.disk->device, &extent, 1)));
    VERIFY(is_success(mm_balancer_start()));
}

/* What memory is in use, but for the frames that others have. */
static struct fixture_usage read_usage(void)
{
    struct fixture_usage usage = fixture_usage();
    usage.commit -= world.nheld;
    usage.available += world.nheld;
    return usage;
}

/* All that a call may take from the pool is made once, so that later none needs a slab. */
static void rehearse(struct world_model *model)
{
    static const char *const calls[] = {
        "p0 create A",     "p0 create B",     "p1 open A",       "p1 open B",
        "p0 map A linked", "p0 map A filled", "p0 map B copy",   "p0 map B filled",
        "p1 map A linked", "p1 map A filled", "p1 map B copy",   "p1 map B filled",
        "p0 unmap view 0", "p0 unmap view 0", "p0 unmap view 0", "p0 unmap view 0",
        "p1 unmap view 0", "p1 unmap view 0", "p1 unmap view 0", "p1 unmap view 0",
        "p0 close A",      "p0 close B",      "p1 close A",      "p1 close B"};

    for (uint32_t i = 0; i < ARRAY_COUNT(calls); i++) {
        struct world_call call;
        VERIFY(world_parse_call(calls[i], &call));
        world_enter(call.process);
        struct world_answer answer = perform(model, &call, i + 1);
        VERIFY(world_apply(model, &call, i + 1, &answer) == NULL);
    }
}

void world_start(enum world_flaw flaw, struct world_model *model)
{
    status_t status;

    boot();
    memset(model, 0, sizeof(*model));
    world.before = read_usage();
    make_processes(model);
    rehearse(model);
    thread_sleep_until(clock_now() + NS_PER_S, false,
                       &status); /* all frames are zeroed meanwhile */
    mi_set_reserve(FRAME_RESERVE);
    world_portion_frames();
    plant(flaw);
}

const char *world_end(struct world_model *model)
{
    for (uint32_t i = 0; i < WORLD_PROCESSES; i++) {
        if (model->processes[i].alive) {
            exit_process(i);
            model->processes[i].alive = false;
        }
    }
    for (uint32_t i = 0; i < WORLD_PROCESSES; i++) {
        ob_unref(&world.processes[i]->object);
    }
    const char *wrong = world_rest();
    if (wrong != NULL) {
        return wrong;
    }
    struct fixture_usage after = read_usage();
    if (section_type.objects != 0 || process_type.objects != 0) {
        return "objects are left when both processes have ended";
    }
    if (mi_slots_used() != 0) {
        return "slots are in use when both processes have ended";
    }
    if (memcmp(&after, &world.before, sizeof(after)) != 0) {
        return "frames, charges or pool are not as before when both processes have ended";
    }
    return mm_audit() == 0 ? NULL : "the audit finds something when both processes have ended";
}
