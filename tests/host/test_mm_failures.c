/*
 * tests/host/test_mm_failures.c: every call of mm/ with its Nth allocation or charge refused, or
 * the Nth request to a pager failing, for every N: it says so, changes nothing, and leaves nothing
 * behind.
 *
 * A scenario is a row of calls on a scene; the sweep runs it again and again, the Nth allocation
 * (then the Nth charge, the Nth request) failing, until there is no Nth any more. After each run
 * all is audited, torn down, and compared with what was in use before.
 */
#include <stdio.h>
#include <string.h>

#include "kernel/failpoint.h"
#include "mm/cache.h"
#include "mm/device.h"
#include "mm/image.h"
#include "mm/lock.h"
#include "mm/segment.h"
#include "mm/stack.h"
#include "mm/working_set.h"
#include "tests/host/mm_fixture.h"
#include "tests/host/pe_file.h"

#define SECTIONS   2u
#define STACKS     7u
#define FILE_PAGES 700u
#define PINS       3u
#define N_MAX      200u

struct scene {
    struct space *space;
    struct section sections[SECTIONS];
    bool made[SECTIONS];
    struct fixture_file file;
    bool stored; /* the file may be dirty */
    struct segment *device;
    uint32_t npins; /* charged */
    pfn_t detached[PINS];
    struct segment *image;
    void *stacks[STACKS];
    uint32_t nstacks;
};

static struct pe_file pe;

/* What is charged but for slabs, which linger, and the tables that a segment keeps once made. */
static uint32_t charged(const struct scene *scene)
{
    struct mm_charges now;
    mm_read_charges(&now);
    uint32_t tables = 0;
    for (uint32_t i = 0; i < SECTIONS; i++) {
        tables += scene->made[i] ? scene->sections[i].segment->tables : 0;
    }
    return now.commit - mm_pool_pages() - tables;
}

/* Runs CALL; when it fails, it has charged nothing, and the scenario ends. */
#define STEP(scene_, call)                                                                         \
    do {                                                                                           \
        uint32_t before_ = charged(scene_);                                                        \
        status_t status_ = (call);                                                                 \
        if (is_error(status_)) {                                                                   \
            EXPECT_EQUAL(charged(scene_), before_);                                                \
            return status_;                                                                        \
        }                                                                                          \
    } while (0)

static status_t make_space(struct scene *scene)
{
    status_t status = mm_space_create(&scene->space);
    if (is_success(status)) {
        fixture_enter(scene->space);
    }
    return status;
}

static status_t make_memory(struct scene *scene, uint32_t index, uint32_t nbytes,
                            uint32_t attributes)
{
    status_t status =
        mm_section_create_memory(&scene->sections[index], nbytes, PAGE_READWRITE, attributes);
    scene->made[index] = is_success(status);
    return status;
}

static status_t map(struct scene *scene, uint32_t index, uint32_t base, uint32_t commit_nbytes,
                    uint32_t protection)
{
    struct view_request request = {
        .base = {base}, .commit_nbytes = commit_nbytes, .protection = protection};
    status_t status = mm_map_view(scene->space, &scene->sections[index], &request);
    return status;
}

static status_t allocate(struct scene *scene, uint32_t base, uint32_t nbytes, uint32_t type,
                         uint32_t protection)
{
    uaddr_t address = {base};
    return mm_allocate_virtual(scene->space, &address, &nbytes, 0, type, protection);
}

static status_t protect(struct scene *scene, uint32_t base, uint32_t nbytes, uint32_t protection)
{
    uaddr_t address = {base};
    uint32_t old;
    return mm_protect_virtual(scene->space, &address, &nbytes, protection, &old);
}

static status_t give_back(struct scene *scene, uint32_t base, uint32_t nbytes, uint32_t type)
{
    uaddr_t address = {base};
    return mm_free_virtual(scene->space, &address, &nbytes, type);
}

/* Memory that is committed can be touched, whatever fails. */
static void touch(uint32_t base, uint32_t nbytes)
{
    for (uint32_t offset = 0; offset < nbytes; offset += PAGE_BYTES) {
        EXPECT_EQUAL(sim_write((uaddr_t){base + offset}, &(uint32_t){offset}, 4, NULL), FAULT_DONE);
    }
}

static status_t memory_views(struct scene *scene)
{
    STEP(scene, make_space(scene));
    STEP(scene, make_memory(scene, 0, 3 * MIB, SEC_COMMIT));
    STEP(scene, map(scene, 0, 0x20000000u, 0, PAGE_READWRITE));
    touch(0x20000000u, 3 * MIB);
    STEP(scene, map(scene, 0, 0x30000000u, 0, PAGE_WRITECOPY));
    touch(0x30000000u, MIB);
    STEP(scene, protect(scene, 0x20100000u, 5 * PAGE_BYTES, PAGE_WRITECOPY));
    touch(0x20000000u, 3 * MIB);
    STEP(scene, protect(scene, 0x20102000u, PAGE_BYTES, PAGE_NOACCESS));
    return STATUS_SUCCESS;
}

static status_t reserved_views(struct scene *scene)
{
    STEP(scene, make_space(scene));
    STEP(scene, make_memory(scene, 0, 5 * MIB, SEC_RESERVE));
    STEP(scene, map(scene, 0, 0x20000000u, 0x2000, PAGE_READWRITE));
    touch(0x20000000u, 0x2000);
    STEP(scene, allocate(scene, 0x201F0000u, 0x20000, MEM_COMMIT, PAGE_READWRITE));
    touch(0x201F0000u, 0x20000);
    STEP(scene, allocate(scene, 0x20300000u, 0x4000, MEM_COMMIT, PAGE_WRITECOPY));
    touch(0x20300000u, 0x4000);
    STEP(scene, map(scene, 0, 0x30000000u, MIB, PAGE_WRITECOPY));
    touch(0x30000000u, MIB);
    return STATUS_SUCCESS;
}

static status_t private_memory(struct scene *scene)
{
    STEP(scene, make_space(scene));
    STEP(scene, allocate(scene, 0x20000000u, 5 * MIB, MEM_RESERVE, PAGE_READWRITE));
    STEP(scene, allocate(scene, 0x20100000u, 2 * MIB, MEM_COMMIT, PAGE_READWRITE));
    touch(0x20100000u, 2 * MIB);
    STEP(scene, allocate(scene, 0x20000000u, 5 * MIB, MEM_COMMIT, PAGE_EXECUTE_READWRITE));
    STEP(scene, protect(scene, 0x20180000u, MIB, PAGE_READWRITE | PAGE_GUARD));
    STEP(scene, give_back(scene, 0x20200000u, 0x10000, MEM_DECOMMIT));
    STEP(scene, give_back(scene, 0x20280000u, 0x10000, MEM_RELEASE));
    touch(0x20000000u, MIB);
    touch(0x20400000u, MIB);
    STEP(scene, allocate(scene, 0, 0x10000, MEM_COMMIT | MEM_TOP_DOWN, PAGE_READWRITE));
    return STATUS_SUCCESS;
}

static status_t stacks(struct scene *scene)
{
    STEP(scene, make_space(scene));
    uaddr_t base;
    uaddr_t limit;
    STEP(scene, mm_allocate_stack(scene->space, MIB, 0x3000, &base, &limit));
    touch(limit.v, 0x3000);
    STEP(scene, mm_allocate_stack(scene->space, 0, 3 * MIB, &base, &limit));
    while (scene->nstacks < STACKS) {
        STEP(scene, mm_create_kernel_stack(&scene->stacks[scene->nstacks]));
        scene->nstacks++;
    }
    return STATUS_SUCCESS;
}

static status_t make_file(struct scene *scene, const void *bytes, uint32_t nbytes)
{
    memset(&scene->file, 0, sizeof(scene->file));
    return fixture_try_file(&scene->file, bytes, nbytes);
}

static status_t make_file_section(struct scene *scene)
{
    status_t status =
        mm_section_create_file(&scene->sections[0], scene->file.segment, FILE_PAGES * PAGE_BYTES, 0,
                               PAGE_WRITECOPY, SEC_COMMIT);
    scene->made[0] = is_success(status);
    return status;
}

static status_t file_views(struct scene *scene)
{
    STEP(scene, make_space(scene));
    STEP(scene, make_file(scene, NULL, FILE_PAGES * PAGE_BYTES));
    STEP(scene, make_file_section(scene));
    STEP(scene, map(scene, 0, 0x20000000u, 0, PAGE_READONLY));
    EXPECT_EQUAL(sim_load32((uaddr_t){0x20000000u}), fixture_word(0));
    STEP(scene, map(scene, 0, 0x30010000u, 0, PAGE_WRITECOPY));
    touch(0x30010000u, 0x20000);
    STEP(scene, allocate(scene, 0x50000000u, 0x10000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
    uint32_t copied = 0;
    status_t status = mm_cache_read_user(scene->file.segment, 2 * MIB - 0x8000,
                                         (uaddr_t){0x50000000u}, 0x10000, READ_AS_SEEN, &copied);
    if (is_success(status)) {
        EXPECT_EQUAL(copied, 0x10000);
        EXPECT_EQUAL(sim_load32((uaddr_t){0x50008000u}), fixture_word(2 * MIB));
    }
    return status;
}

/* ---- files that are written ---- */

static status_t make_written_file(struct scene *scene, uint32_t npages)
{
    scene->stored = true;
    return fixture_try_written_file(&scene->file, npages);
}

static status_t make_written_section(struct scene *scene, uint32_t index, uint32_t npages)
{
    status_t status = mm_section_create_file(&scene->sections[index], scene->file.segment,
                                             npages * PAGE_BYTES, 0, PAGE_READWRITE, SEC_COMMIT);
    scene->made[index] = is_success(status);
    return status;
}

/* Stores to a file's pages: an in-page error says why. */
static status_t store(uint32_t base, uint32_t npages)
{
    struct fault_report report;
    for (uint32_t i = 0; i < npages; i++) {
        if (sim_write((uaddr_t){base + i * PAGE_BYTES}, &i, 4, &report) != FAULT_DONE) {
            EXPECT_EQUAL(report.status, STATUS_IN_PAGE_ERROR);
            return report.cause;
        }
    }
    return STATUS_SUCCESS;
}

static status_t flush(struct scene *scene, uint32_t base)
{
    uaddr_t address = {base};
    uint32_t nbytes = 0;
    return mm_flush_view(scene->space, &address, &nbytes);
}

static status_t extend(struct scene *scene, uint32_t npages)
{
    scene->file.npages = npages;
    return mm_segment_extend(scene->file.segment, (uint64_t)npages * PAGE_BYTES);
}

static status_t written_views(struct scene *scene)
{
    static uint8_t block[3 * PAGE_BYTES];
    STEP(scene, make_space(scene));
    STEP(scene, make_written_file(scene, 600));
    STEP(scene, make_written_section(scene, 0, 600));
    STEP(scene, map(scene, 0, 0x20000000u, 0, PAGE_READWRITE));
    STEP(scene, store(0x20000000u, 40));
    STEP(scene, flush(scene, 0x20000000u));
    STEP(scene, store(0x20000000u, 3));
    STEP(scene, extend(scene, 1100));
    STEP(scene, make_written_section(scene, 1, 1100));
    STEP(scene, map(scene, 1, 0x30010000u, 0, PAGE_READWRITE));
    STEP(scene, store(0x30010000u + 1090 * PAGE_BYTES, 10));
    uint32_t copied = 0;
    STEP(scene, mm_cache_write(scene->file.segment, 511 * PAGE_BYTES, block, sizeof(block)));
    STEP(scene, mm_cache_zero(scene->file.segment, 700 * PAGE_BYTES + 5, 100));
    STEP(scene, mm_cache_write_user(scene->file.segment, 800 * PAGE_BYTES, (uaddr_t){0x20000000u},
                                    sizeof(block), &copied));
    STEP(scene, flush(scene, 0x30010000u));
    STEP(scene, mm_segment_flush(scene->file.segment, 0, 0));
    return STATUS_SUCCESS;
}

/* What is cut off may be dirty, and nobody shows it any more. */
static status_t cut_files(struct scene *scene)
{
    STEP(scene, make_space(scene));
    STEP(scene, make_written_file(scene, 1100));
    STEP(scene, make_written_section(scene, 0, 1100));
    STEP(scene, map(scene, 0, 0x20000000u, 0, PAGE_READWRITE));
    STEP(scene, store(0x20000000u + 500 * PAGE_BYTES, 20));
    status_t status = mm_unmap_view(scene->space, (uaddr_t){0x20000000u});
    EXPECT_STATUS(status, STATUS_SUCCESS); /* what it could not write the next flush tells */
    mm_section_destroy(&scene->sections[0]);
    scene->made[0] = false;
    mm_segment_truncate(scene->file.segment, 510 * PAGE_BYTES + 7);
    STEP(scene, extend(scene, 2000));
    STEP(scene, make_written_section(scene, 0, 2000));
    STEP(scene, map(scene, 0, 0x20000000u, 0, PAGE_READWRITE));
    STEP(scene, store(0x20000000u + 505 * PAGE_BYTES, 20));
    return STATUS_SUCCESS;
}

static status_t map_growing(struct scene *scene, uint32_t npages)
{
    struct view_request request = {.base = {0x20000000u},
                                   .nbytes = npages * PAGE_BYTES,
                                   .allocation_type = MEM_RESERVE,
                                   .protection = PAGE_READWRITE};
    return mm_map_view(scene->space, &scene->sections[0], &request);
}

static status_t growing_views(struct scene *scene)
{
    STEP(scene, make_space(scene));
    STEP(scene, make_written_file(scene, 10));
    STEP(scene, make_written_section(scene, 0, 10));
    STEP(scene, mm_segment_make_room(scene->file.segment, 1100 * PAGE_BYTES));
    STEP(scene, map_growing(scene, 1100));
    STEP(scene, store(0x20000000u, 10));
    STEP(scene, extend(scene, 700));
    scene->sections[0].nbytes = 700 * PAGE_BYTES;
    STEP(scene, allocate(scene, 0x20000000u + 690 * PAGE_BYTES, 10 * PAGE_BYTES, MEM_COMMIT,
                         PAGE_READWRITE));
    STEP(scene, store(0x20000000u + 690 * PAGE_BYTES, 10));
    return STATUS_SUCCESS;
}

/* ---- working sets and devices ---- */

static status_t lock(struct scene *scene, uint32_t base, uint32_t npages)
{
    uaddr_t address = {base};
    uint32_t nbytes = npages * PAGE_BYTES;
    return mm_lock_virtual(scene->space, &address, &nbytes);
}

static status_t limit(struct scene *scene, uint32_t minimum, bool is_hard)
{
    struct mm_working_set_limits limits = {
        .minimum_pages = minimum, .maximum_pages = 600, .hard_minimum = is_hard};
    return mm_set_working_set_limits(scene->space, &limits);
}

static status_t working_sets(struct scene *scene)
{
    STEP(scene, make_space(scene));
    STEP(scene, allocate(scene, 0x20000000u, 4 * MIB, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
    STEP(scene, lock(scene, 0x20000000u, 5));
    STEP(scene, limit(scene, 300, false));
    STEP(scene, lock(scene, 0x201F0000u, 32));
    STEP(scene, limit(scene, 200, true));
    STEP(scene, make_memory(scene, 0, 3 * MIB, SEC_COMMIT));
    STEP(scene, map(scene, 0, 0x30000000u, 0, PAGE_READWRITE));
    STEP(scene, lock(scene, 0x30100000u, 20)); /* which unshares its chunk */
    mm_empty_working_set(scene->space);
    STEP(scene, limit(scene, 300, true));
    touch(0x20000000u, 4 * MIB);
    return STATUS_SUCCESS;
}

static status_t device_page_in(void *context, uint32_t first, uint32_t npages, const pfn_t *frames)
{
    (void)context;
    (void)first;
    for (uint32_t i = 0; i < npages; i++) {
        frame_zero(frames[i]);
    }
    return STATUS_SUCCESS;
}

static const struct pager_operations device_pager = {.kind = "test", .page_in = device_page_in};

/* One page more may be pinned. */
static status_t charge_pin(struct scene *scene)
{
    status_t status = mm_device_charge(scene->device, &scene->detached[scene->npins]);
    scene->npins += is_success(status);
    return status;
}

/* Pins PAGE, when there is memory for what leads to it, and lets go of it again. */
static status_t pin(struct scene *scene, uint32_t page)
{
    struct device_page pinned;
    mm_device_release(scene->device, scene->detached[scene->npins - 1]);
    status_t status = mm_device_pin(scene->device, page, true, &pinned);
    if (is_success(status)) {
        scene->detached[scene->npins - 1] = mm_device_detach(scene->device, page);
        return STATUS_SUCCESS;
    }
    EXPECT_EQUAL(status, STATUS_NO_MEMORY);
    scene->npins--;
    mm_device_return(scene->device);
    return STATUS_INSUFFICIENT_RESOURCES;
}

static status_t device_pages(struct scene *scene)
{
    STEP(scene, mm_device_create(&scene->device, 600 * (uint64_t)MIB, &device_pager, NULL));
    for (uint32_t i = 0; i < PINS; i++) {
        STEP(scene, charge_pin(scene));
    }
    status_t status = pin(scene, 5);
    if (is_success(status)) {
        status = pin(scene, 100000); /* a group of chunks of its own */
    }
    return status;
}

static void tear_down_device(struct scene *scene)
{
    while (scene->npins > 0) {
        mm_device_release(scene->device, scene->detached[--scene->npins]);
        mm_device_return(scene->device);
    }
    mm_segment_unref(scene->device);
}

static status_t make_image(struct scene *scene, uint32_t index, struct segment **image)
{
    status_t status = mm_section_create_image(&scene->sections[index], scene->file.segment,
                                              pe.nbytes, 0, PAGE_EXECUTE, SEC_IMAGE, image, NULL);
    scene->made[index] = is_success(status);
    return status;
}

static status_t image_views(struct scene *scene)
{
    static const struct pe_part parts[] = {
        {0x1000, 0x2000, 0x2000, PE_EXECUTE | PE_READ},
        {0x3000, 0x210000, 0x600, PE_READ | PE_WRITE},
        {0x213000, 0x200, 0x200, PE_READ},
    };
    /* The base is the kernel's: so the image must move. */
    pe_make(&pe, 0x80000000u, PE_DLL, parts, ARRAY_COUNT(parts));
    pe_relocate(&pe, parts, 2, (const uint32_t[]){0x1000, 0x1FFE}, 2);
    STEP(scene, make_space(scene));
    STEP(scene, make_file(scene, pe.bytes, pe.nbytes));
    status_t status = make_image(scene, 0, &scene->image);
    if (is_error(status)) {
        return status;
    }
    EXPECT_EQUAL(scene->sections[0].image->base & 0xF0000000u, 0x60000000u);
    STEP(scene, make_image(scene, 1, &scene->image));
    uint32_t base = scene->sections[0].image->base;
    STEP(scene, map(scene, 0, 0, 0, PAGE_READONLY));
    touch(base + 0x3000, 0x4000);
    STEP(scene, map(scene, 1, 0x20000000u, 0, PAGE_READONLY));
    STEP(scene, protect(scene, 0x20001000u, 0x2000, PAGE_EXECUTE_READWRITE));
    touch(0x20001000u, 0x4000);
    return STATUS_SUCCESS;
}

static void tear_down(struct scene *scene)
{
    fixture_check();
    if (scene->space != NULL) {
        fixture_end_space(scene->space);
    }
    if (scene->device != NULL) {
        tear_down_device(scene);
    }
    if (scene->stored && scene->file.segment != NULL) {
        status_t earlier = mm_segment_flush(scene->file.segment, 0, 0);
        EXPECT(is_success(earlier) || earlier == STATUS_IO_DEVICE_ERROR);
        EXPECT_STATUS(mm_segment_flush(scene->file.segment, 0, 0), STATUS_SUCCESS);
    }
    for (uint32_t i = 0; i < SECTIONS; i++) {
        if (scene->made[i]) {
            EXPECT_EQUAL(scene->sections[i].views, 0);
            mm_section_destroy(&scene->sections[i]);
        }
    }
    if (scene->image != NULL) {
        mm_segment_unref(scene->image);
    }
    if (scene->file.segment != NULL) {
        mm_segment_unref(scene->file.segment);
    }
    while (scene->nstacks > 0) {
        mm_destroy_kernel_stack(scene->stacks[--scene->nstacks]);
    }
}

typedef status_t scenario_function(struct scene *scene);

/* What fails, the Nth from now on; 0: none. What was left of the N before. */
struct failure {
    const char *what;
    enum failpoint kind;
};

static const struct failure allocations = {"allocations", FAILPOINT_ALLOCATION};
static const struct failure charges = {"charges", FAILPOINT_CHARGE};
static const struct failure requests = {"requests", FAILPOINT_DISK_REQUEST};

/* Runs SCENARIO with each of its points failing in turn; how many there were. */
static uint32_t sweep(scenario_function *scenario, const struct failure *failure)
{
    static struct scene scene;
    for (uint32_t n = 1; n < N_MAX; n++) {
        memset(&scene, 0, sizeof(scene));
        struct fixture_usage before = fixture_usage();
        (void)failpoint_arm(failure->kind, n);
        status_t status = scenario(&scene);
        bool was_reached = failpoint_arm(failure->kind, 0) == 0;
        EXPECT(is_success(status) || status == STATUS_COMMITMENT_LIMIT ||
               status == STATUS_INSUFFICIENT_RESOURCES ||
               (failure == &requests && status == STATUS_IO_DEVICE_ERROR));
        tear_down(&scene);
        EXPECT_SAME_USAGE(before);
        if (!was_reached) {
            EXPECT(is_success(status));
            return n - 1;
        }
    }
    test_fail(__FILE__, __LINE__, "still failing at point %u", N_MAX);
    return N_MAX;
}

/* Once without failures: what stays for good (tables of the stack area) is there then. */
static void warm_up(scenario_function *scenario)
{
    static struct scene warm;
    memset(&warm, 0, sizeof(warm));
    fixture_boot(24 * MIB, 0, 1);
    EXPECT_STATUS(scenario(&warm), STATUS_SUCCESS);
    tear_down(&warm);
}

static uint32_t sweep_and_tell(const char *name, scenario_function *scenario,
                               const struct failure *failure)
{
    uint32_t count = sweep(scenario, failure);
    printf("# %s: %u %s failed in turn\n", name, count, failure->what);
    return count;
}

static void sweep_both(const char *name, scenario_function *scenario)
{
    warm_up(scenario);
    EXPECT(sweep_and_tell(name, scenario, &allocations) >= 2);
    EXPECT(sweep_and_tell(name, scenario, &charges) >= 4);
}

/* The same with LEAST requests to pagers, at least. */
static void sweep_all(const char *name, scenario_function *scenario, uint32_t least)
{
    sweep_both(name, scenario);
    EXPECT(sweep_and_tell(name, scenario, &requests) >= least);
}

TEST("failures: memory sections, views, protection")
{
    sweep_both("memory sections", memory_views);
}

TEST("failures: SEC_RESERVE sections and commits in their views")
{
    sweep_both("reserved sections", reserved_views);
}

TEST("failures: private memory")
{
    sweep_both("private memory", private_memory);
}

TEST("failures: stacks of threads, and the kernel's")
{
    sweep_both("stacks", stacks);
}

TEST("failures: file sections, write-copy, reading through a window")
{
    sweep_both("file sections", file_views);
}

TEST("failures: files that are stored to, flushed, made longer and written")
{
    sweep_all("written files", written_views, 10);
}

TEST("failures: files that are cut off and grow again")
{
    sweep_all("cut files", cut_files, 5);
}

TEST("failures: views that grow")
{
    sweep_all("growing views", growing_views, 4);
}

TEST("failures: working sets and locked pages")
{
    sweep_both("working sets", working_sets);
}

TEST("failures: pinned pages of a device")
{
    sweep_both("device", device_pages);
}

TEST("failures: image sections")
{
    sweep_both("image sections", image_views);
}

TEST("failures: a view that finds no place commits nothing of its section")
{
    fixture_boot(16 * MIB, 0, 1);
    struct section section;
    EXPECT_STATUS(mm_section_create_memory(&section, MIB, PAGE_READWRITE, SEC_RESERVE),
                  STATUS_SUCCESS);
    struct space *space = fixture_space();
    uaddr_t base = fixture_map(space, &section, 0x20000000u, 0, 0, PAGE_READWRITE);
    struct view_request request = {
        .base = base, .commit_nbytes = 0x2000, .protection = PAGE_READWRITE};
    EXPECT_STATUS(mm_map_view(space, &section, &request), STATUS_CONFLICTING_ADDRESSES);
    struct memory_region region;
    EXPECT_STATUS(mm_query_virtual(space, base, &region), STATUS_SUCCESS);
    EXPECT_EQUAL(region.state, MEM_RESERVE);
    EXPECT_EQUAL(region.nbytes, MIB);
    fixture_check();
    fixture_end_space(space);
    mm_section_destroy(&section);
}
