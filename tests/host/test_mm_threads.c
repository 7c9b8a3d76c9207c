/*
 * tests/host/test_mm_threads.c: several threads in several spaces on the same sections, interrupted
 * anywhere: what each stores it reads back, through every view, and nothing is left behind.
 */
#include <string.h>

#include "kernel/failpoint.h"
#include "mm/cache.h"
#include "mm/image.h"
#include "mm/init.h"
#include "mm/segment.h"
#include "tests/host/mm_fixture.h"
#include "tests/host/pe_file.h"

#define SPACES   2u
#define SECTIONS 2u
#define THREADS  4u
#define VIEWS    3u
#define PAGES    1300u /* of the larger section, and a bit */

static const uint32_t section_pages[SECTIONS] = {1280, 100};

/* What a thread knows of one page of one of its views. */
struct view_page {
    uint8_t protection; /* PAGE_: what is to be expected of an access */
    bool copied;
    uint32_t value; /* of the thread's word, in its private copy */
};

struct view_model {
    uint32_t base; /* 0: not mapped */
    uint32_t section;
    uint32_t first; /* page of the section */
    uint32_t npages;
    uint8_t most; /* PAGE_ as it was mapped */
    struct view_page pages[PAGES];
};

struct actor {
    uint32_t number;
    struct space *space;
    struct view_model views[VIEWS];
    uint32_t words[SECTIONS][PAGES]; /* what the thread's word of each page is in the section */
    uint32_t steps;
    uint32_t stores;
};

static struct section sections[SECTIONS];
static struct fixture_file file;
static struct section file_section;
static struct space *spaces[SPACES];
static struct actor actors[THREADS];

static uaddr_t word_of(const struct actor *actor, const struct view_model *view, uint32_t page)
{
    return (uaddr_t){view->base + page * PAGE_BYTES + actor->number * 64};
}

static void map(struct actor *actor, struct view_model *view)
{
    view->section = sim_random(SECTIONS);
    uint32_t total = section_pages[view->section];
    view->first = sim_random(2) == 0 ? 0 : sim_random(total / 16) * 16;
    view->npages = sim_random(2) == 0 ? total - view->first : 1 + sim_random(total - view->first);
    view->most = sim_random(3) == 0 ? PAGE_WRITECOPY : PAGE_READWRITE;
    struct view_request request = {.offset = (uint64_t)view->first << PAGE_SHIFT,
                                   .nbytes = view->npages << PAGE_SHIFT,
                                   .protection = view->most};
    status_t status = mm_map_view(actor->space, &sections[view->section], &request);
    EXPECT(is_success(status) || status == STATUS_COMMITMENT_LIMIT);
    view->base = is_success(status) ? request.base.v : 0;
    for (uint32_t i = 0; i < view->npages; i++) {
        view->pages[i] = (struct view_page){.protection = view->most};
    }
}

static void unmap(struct actor *actor, struct view_model *view)
{
    uaddr_t address = {view->base + sim_random(view->npages << PAGE_SHIFT)};
    EXPECT_STATUS(mm_unmap_view(actor->space, address), STATUS_SUCCESS);
    view->base = 0;
}

static void protect(struct actor *actor, struct view_model *view)
{
    static const uint8_t kinds[] = {PAGE_READONLY, PAGE_WRITECOPY, PAGE_NOACCESS, PAGE_READWRITE};
    uint32_t kind = kinds[sim_random(view->most == PAGE_WRITECOPY ? 3 : 4)];
    uint32_t first = sim_random(view->npages);
    uint32_t count = 1 + sim_random(min_u32(view->npages - first, 40));
    uaddr_t base = {view->base + first * PAGE_BYTES};
    uint32_t nbytes = count * PAGE_BYTES;
    uint32_t old = 0;
    status_t status = mm_protect_virtual(actor->space, &base, &nbytes, kind, &old);
    EXPECT(is_success(status) || status == STATUS_COMMITMENT_LIMIT);
    for (uint32_t i = first; is_success(status) && i < first + count; i++) {
        view->pages[i].protection = (uint8_t)kind;
    }
}

static void load(struct actor *actor, struct view_model *view, uint32_t page)
{
    const struct view_page *model = &view->pages[page];
    uint32_t expected =
        model->copied ? model->value : actor->words[view->section][view->first + page];
    uint32_t word = 0;
    enum fault_result result = sim_read(word_of(actor, view, page), &word, 4, NULL);
    if (model->protection == PAGE_NOACCESS) {
        EXPECT_EQUAL(result, FAULT_VIOLATION);
    } else {
        EXPECT_EQUAL(result, FAULT_DONE);
        EXPECT_EQUAL(word, expected);
    }
}

static void store(struct actor *actor, struct view_model *view, uint32_t page)
{
    struct view_page *model = &view->pages[page];
    uint32_t word = ++actor->stores * THREADS + actor->number;
    enum fault_result result = sim_write(word_of(actor, view, page), &word, 4, NULL);
    if (model->protection != PAGE_READWRITE && model->protection != PAGE_WRITECOPY) {
        EXPECT_EQUAL(result, FAULT_VIOLATION);
        return;
    }
    EXPECT_EQUAL(result, FAULT_DONE);
    model->copied = model->copied || model->protection == PAGE_WRITECOPY;
    if (model->copied) {
        model->value = word;
    } else {
        actor->words[view->section][view->first + page] = word;
    }
}

/* Reads of the file through a window, or through a view that lives for a moment. */
static void read_file(struct actor *actor)
{
    uint32_t offset = sim_random(file.npages) * PAGE_BYTES + 4 * sim_random(1024);
    uint32_t word = 0;
    if (sim_random(2) == 0) {
        EXPECT_STATUS(mm_cache_read(file.segment, offset, &word, 4), STATUS_SUCCESS);
        EXPECT_EQUAL(word, fixture_word(offset));
        return;
    }
    struct view_request request = {.protection = PAGE_READONLY};
    EXPECT_STATUS(mm_map_view(actor->space, &file_section, &request), STATUS_SUCCESS);
    EXPECT_EQUAL(sim_load32((uaddr_t){request.base.v + offset}), fixture_word(offset));
    EXPECT_STATUS(mm_unmap_view(actor->space, request.base), STATUS_SUCCESS);
}

static void act(struct actor *actor)
{
    struct view_model *view = &actor->views[sim_random(VIEWS)];
    if (view->base == 0) {
        map(actor, view);
        return;
    }
    switch (sim_random(40)) {
    case 0:
        unmap(actor, view);
        break;
    case 1:
    case 2:
        protect(actor, view);
        break;
    case 3:
        read_file(actor);
        break;
    case 4:
        if (sim_random(4) == 0) {
            mm_drain();
        }
        break;
    default: {
        uint32_t page = sim_random(view->npages);
        page = sim_random(2) == 0 ? page : min_u32(page, 20);
        if (sim_random(2) == 0) {
            store(actor, view, page);
        }
        load(actor, view, page);
    }
    }
}

static void run_actor(void *argument)
{
    struct actor *actor = argument;
    fixture_enter(actor->space);
    for (uint32_t i = 0; i < actor->steps; i++) {
        act(actor);
    }
    fixture_enter(NULL);
}

static void make_scene(void)
{
    for (uint32_t i = 0; i < SECTIONS; i++) {
        fixture_section(&sections[i], section_pages[i] * PAGE_BYTES);
    }
    fixture_file(&file, 1100);
    file.slow = true;
    EXPECT_STATUS(mm_section_create_file(&file_section, file.segment, file.npages * PAGE_BYTES, 0,
                                         PAGE_READONLY, SEC_COMMIT),
                  STATUS_SUCCESS);
    for (uint32_t i = 0; i < SPACES; i++) {
        spaces[i] = fixture_space();
    }
    fixture_enter(NULL);
}

static void end_scene(void)
{
    for (uint32_t i = 0; i < SPACES; i++) {
        fixture_end_space(spaces[i]);
        fixture_check();
    }
    for (uint32_t i = 0; i < SECTIONS; i++) {
        EXPECT_EQUAL(sections[i].views, 0);
        mm_section_destroy(&sections[i]);
    }
    mm_section_destroy(&file_section);
    mm_segment_unref(file.segment);
    EXPECT(file.released);
    fixture_check();
}

/* Threads of random steps, the scene made and checked around them. */
static void storm(uint32_t seed, uint32_t preempt_one_in)
{
    fixture_boot_preempted(48 * MIB, seed, preempt_one_in);
    struct fixture_usage before = fixture_usage();
    make_scene();
    for (uint32_t i = 0; i < THREADS; i++) {
        actors[i] = (struct actor){.number = i, .space = spaces[i % SPACES], .steps = 6000};
        sim_thread("actor", run_actor, &actors[i], PRIORITY_NORMAL);
    }
    sim_join();
    fixture_check();
    end_scene();
    EXPECT_SAME_USAGE(before);
}

TEST("threads of two spaces share two sections: seed 1, preempted often")
{
    storm(1, 3);
}

TEST("threads of two spaces share two sections: seed 2, preempted often")
{
    storm(2, 3);
}

TEST("threads of two spaces share two sections: seed 3, preempted at every point")
{
    storm(3, 1);
}

TEST("threads of two spaces share two sections: seed 4, preempted now and then")
{
    storm(4, 10);
}

TEST("threads of two spaces share two sections: seed 5, preempted rarely")
{
    storm(5, 60);
}

/* ---- a stack is one step ---- */

static struct space *stack_space;
static bool stacks_done;
static uint32_t stacks_made;
static uint32_t stacks_freed;

/* Frees whatever private region it finds, again and again. */
static void free_regions(void *argument)
{
    (void)argument;
    while (!stacks_done) {
        struct memory_region region;
        uint32_t address = 0x10000;
        while (address < USER_SHARED &&
               is_success(mm_query_virtual(stack_space, (uaddr_t){address}, &region))) {
            address = region.base.v + region.nbytes;
            uaddr_t base = region.allocation_base;
            uint32_t nbytes = 0;
            if (region.state != MEM_FREE && region.type == MEM_PRIVATE && base.v != 0) {
                stacks_freed +=
                    is_success(mm_free_virtual(stack_space, &base, &nbytes, MEM_RELEASE));
            }
            sim_poll();
        }
    }
}

static void make_stacks(void *argument)
{
    (void)argument;
    for (uint32_t i = 0; i < 400; i++) {
        uaddr_t base;
        uaddr_t limit;
        (void)failpoint_arm(FAILPOINT_CHARGE, i % 4 == 0 ? 0 : 1 + i % 4);
        status_t status = mm_allocate_stack(stack_space, 0x40000, 0x4000, &base, &limit);
        (void)failpoint_arm(FAILPOINT_CHARGE, 0);
        EXPECT(is_success(status) || status == STATUS_COMMITMENT_LIMIT ||
               status == STATUS_INSUFFICIENT_RESOURCES);
        stacks_made += is_success(status);
        sim_poll();
    }
    stacks_done = true;
}

TEST("threads: nobody frees a stack that is half made")
{
    fixture_boot_preempted(16 * MIB, 7, 1);
    stack_space = fixture_space();
    fixture_enter(NULL);
    sim_thread("frees", free_regions, NULL, PRIORITY_NORMAL);
    sim_thread("makes", make_stacks, NULL, PRIORITY_NORMAL);
    sim_join();
    EXPECT(stacks_made > 50 && stacks_freed > 10 && stacks_freed <= stacks_made);
    fixture_check();
    fixture_end_space(stack_space);
    fixture_check();
}

/* ---- CPUs that run at once ---- */

static bool frame_is_in_use(pfn_t frame, bool translated)
{
    enum frame_state state = (enum frame_state)mi_pfn(frame)->state;
    return state == FRAME_ACTIVE || (!translated && state == FRAME_TRANSITION);
}

#define FIXED 0x20000000u

static bool purge_over;
static uint32_t words_wrong;

/* Maps the file, reads, has one chunk unshared, unmaps. */
static void map_and_unmap(void *argument)
{
    (void)argument;
    fixture_enter(spaces[0]);
    for (uint32_t i = 0; i < 300; i++) {
        struct view_request request = {.base = {FIXED}, .protection = PAGE_READONLY};
        EXPECT_STATUS(mm_map_view(spaces[0], &file_section, &request), STATUS_SUCCESS);
        for (uint32_t j = 0; j < 4; j++) {
            uint32_t offset = sim_random(16) * PAGE_BYTES;
            words_wrong += sim_load32((uaddr_t){FIXED + offset}) != fixture_word(offset);
        }
        if (sim_random(2) == 0) {
            uaddr_t base = {FIXED};
            uint32_t nbytes = PAGE_BYTES;
            uint32_t old;
            EXPECT_STATUS(mm_protect_virtual(spaces[0], &base, &nbytes, PAGE_NOACCESS, &old),
                          STATUS_SUCCESS);
        }
        EXPECT_STATUS(mm_unmap_view(spaces[0], (uaddr_t){FIXED}), STATUS_SUCCESS);
    }
    purge_over = true;
    fixture_enter(NULL);
}

/* Reads where the file comes and goes: it sees the file, or faults. */
static void peep(void *argument)
{
    (void)argument;
    fixture_enter(spaces[0]);
    while (!purge_over) {
        uint32_t offset = sim_random(16) * PAGE_BYTES;
        uint32_t word = 0;
        if (sim_read((uaddr_t){FIXED + offset}, &word, 4, NULL) == FAULT_DONE) {
            words_wrong += word != fixture_word(offset);
        }
    }
    fixture_enter(NULL);
}

static void purge(void *argument)
{
    (void)argument;
    while (!purge_over) {
        mm_drain();
        sim_poll();
    }
}

TEST("threads: pages are not thrown away before the flush that follows their last mapper (M6)")
{
    fixture_boot_explored(16 * MIB, 11, 3);
    sim_watch_frames(frame_is_in_use);
    make_scene();
    file.slow = false;
    sim_thread("maps", map_and_unmap, NULL, PRIORITY_NORMAL);
    sim_thread("peeps", peep, NULL, PRIORITY_NORMAL);
    sim_thread("purges", purge, NULL, PRIORITY_NORMAL);
    sim_join();
    EXPECT_EQUAL(words_wrong, 0);
    fixture_check();
    sim_unload_root(&spaces[0]->root);
    end_scene();
}

static void storm_on_cpus(uint32_t seed, uint32_t ncpus)
{
    fixture_boot_explored(48 * MIB, seed, ncpus);
    sim_watch_frames(frame_is_in_use);
    struct fixture_usage before = fixture_usage();
    make_scene();
    for (uint32_t i = 0; i < THREADS; i++) {
        actors[i] = (struct actor){.number = i, .space = spaces[i % SPACES], .steps = 1500};
        sim_thread("actor", run_actor, &actors[i], PRIORITY_NORMAL);
    }
    sim_join();
    fixture_check();
    for (uint32_t i = 0; i < SPACES; i++) {
        sim_unload_root(&spaces[i]->root);
    }
    end_scene();
    EXPECT_SAME_USAGE(before);
}

TEST("threads of two spaces on two CPUs share two sections: seed 1")
{
    storm_on_cpus(1, 2);
}

TEST("threads of two spaces on two CPUs share two sections: seed 2")
{
    storm_on_cpus(2, 2);
}

TEST("threads of two spaces on four CPUs share two sections: seed 3")
{
    storm_on_cpus(3, 4);
}

/* ---- windows ---- */

#define READERS (CACHE_WINDOWS + 3u)

static struct space *reader_space;
static uint32_t reader_base;

/* Reads from a chunk of its own into pages of the image that are not there yet. */
static void read_into_image(void *argument)
{
    uint32_t number = (uint32_t)(uintptr_t)argument;
    uint64_t offset = (uint64_t)number << CHUNK_SHIFT;
    uaddr_t target = {reader_base + 0x2000 + number % 4 * PAGE_BYTES + number * 4};
    uint32_t copied = 0;
    fixture_enter(reader_space);
    EXPECT_STATUS(mm_cache_read_user(file.segment, offset, target, 4, READ_AS_SEEN, &copied),
                  STATUS_SUCCESS);
    EXPECT_EQUAL(copied, 4);
    EXPECT_EQUAL(sim_load32(target), fixture_word(offset));
    fixture_enter(NULL);
}

TEST("threads: copies into pages of an image leave windows for its page-in")
{
    static struct pe_file pe;
    static struct fixture_file program;
    struct section image;
    struct segment *kept = NULL;
    static const struct pe_part parts[] = {
        {0x1000, 0x1000, 0x200, PE_READ | PE_EXECUTE},
        {0x2000, 4 * PAGE_BYTES, 0x400, PE_READ | PE_WRITE},
    };
    fixture_boot_preempted(16 * MIB, 1, 0);
    pe_make(&pe, 0x400000, 0, parts, ARRAY_COUNT(parts));
    fixture_file_of(&program, pe.bytes, pe.nbytes);
    EXPECT_STATUS(mm_section_create_image(&image, program.segment, pe.nbytes, 0, PAGE_READONLY,
                                          SEC_IMAGE, &kept, NULL),
                  STATUS_SUCCESS);
    fixture_file(&file, READERS * CHUNK_PAGES);
    file.slow = true;
    reader_space = fixture_space();
    reader_base = fixture_map(reader_space, &image, 0, 0, 0, PAGE_READONLY).v;
    fixture_enter(NULL);
    for (uint32_t i = 0; i < READERS; i++) {
        sim_thread("reader", read_into_image, (void *)(uintptr_t)i, PRIORITY_NORMAL);
    }
    sim_join();
    fixture_check();
    fixture_end_space(reader_space);
    mm_section_destroy(&image);
    mm_segment_unref(kept);
    mm_segment_unref(program.segment);
    mm_segment_unref(file.segment);
    fixture_check();
}
