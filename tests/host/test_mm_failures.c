/*
 * tests/host/test_mm_failures.c: every call of mm/ with its Nth allocation or charge refused, for
 * every N: it says so, changes nothing, and leaves nothing behind.
 *
 * A scenario is a row of calls on a scene; the sweep runs it again and again, the Nth allocation
 * (then the Nth charge) failing, until nothing failed any more. After each run all is audited, torn
 * down, and compared with what was in use before.
 */
#include <stdio.h>
#include <string.h>

#include "mm/cache.h"
#include "mm/image.h"
#include "mm/segment.h"
#include "mm/stack.h"
#include "tests/host/mm_fixture.h"
#include "tests/host/pe_file.h"

#define SECTIONS   2u
#define STACKS     7u
#define FILE_PAGES 700u
#define N_MAX      200u

struct scene {
    struct space *space;
    struct section sections[SECTIONS];
    bool made[SECTIONS];
    struct fixture_file file;
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
                                         (uaddr_t){0x50000000u}, 0x10000, &copied);
    if (is_success(status)) {
        EXPECT_EQUAL(copied, 0x10000);
        EXPECT_EQUAL(sim_load32((uaddr_t){0x50008000u}), fixture_word(2 * MIB));
    }
    return status;
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

/* Runs SCENARIO with each allocation or charge failing in turn; how many there were. */
static uint32_t sweep(status_t (*scenario)(struct scene *scene), void (*arm)(uint32_t n))
{
    static struct scene scene;
    for (uint32_t n = 1; n < N_MAX; n++) {
        memset(&scene, 0, sizeof(scene));
        struct fixture_usage before = fixture_usage();
        arm(n);
        status_t status = scenario(&scene);
        arm(0);
        EXPECT(is_success(status) || status == STATUS_COMMITMENT_LIMIT ||
               status == STATUS_INSUFFICIENT_RESOURCES);
        tear_down(&scene);
        EXPECT_SAME_USAGE(before);
        if (is_success(status)) {
            return n - 1;
        }
    }
    test_fail(__FILE__, __LINE__, "still failing at point %u", N_MAX);
    return N_MAX;
}

static void sweep_both(const char *name, status_t (*scenario)(struct scene *scene))
{
    static struct scene warm;
    fixture_boot(24 * MIB, 0, 1);
    /* Once without failures: what stays for good (tables of the stack area) is there then. */
    EXPECT_STATUS(scenario(&warm), STATUS_SUCCESS);
    tear_down(&warm);
    uint32_t allocations = sweep(scenario, mm_pool_fail_after);
    uint32_t charges = sweep(scenario, mm_charge_fail_after);
    printf("# %s: %u allocations and %u charges refused in turn\n", name, allocations, charges);
    EXPECT(allocations >= 2 && charges >= 4);
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
