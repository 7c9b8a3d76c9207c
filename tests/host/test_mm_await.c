/*
 * tests/host/test_mm_await.c: M9: what a thread's fault is about stays until the thread has run,
 * however short memory is meanwhile; and no longer.
 */
#include "kernel/clock.h"
#include "kernel/thread.h"
#include "kernel/wait.h"
#include "mm/await.h"
#include "mm/cache.h"
#include "mm/cache_windows.h"
#include "mm/image.h"
#include "mm/link.h"
#include "mm/lock.h"
#include "mm/page_in.h"
#include "mm/segment.h"
#include "mm/stack.h"
#include "mm/table.h"
#include "mm/working_set.h"
#include "tests/host/mm_fixture.h"
#include "tests/host/pe_file.h"

#define FAR 300u /* pages: too far from the first one to be read with it */

static struct sim_disk *disk;
static struct space *space;

static void press(void *argument)
{
    (void)argument;
    fixture_press(space, 3000);
}

/* Another thread touches so much memory that all leaves that can. */
static void press_out(void)
{
    sim_thread("presser", press, NULL, PRIORITY_NORMAL);
    sim_join();
    fixture_settle();
}

static void boot(void)
{
    disk = fixture_boot_paging(8 * MIB, 8192);
    space = fixture_space();
}

static enum fault_result fault_on(uaddr_t address, enum access_kind kind)
{
    struct fault_report report;
    return mm_access_fault(space, address, &(struct access){.kind = kind, .user = true}, &report);
}

/* The same while nothing can be read. */
static void fail_on(uaddr_t address)
{
    disk->fail_end = disk->device.nsectors;
    EXPECT_EQUAL(fault_on(address, ACCESS_READ), FAULT_IN_PAGE_ERROR);
    disk->fail_end = 0;
}

static uaddr_t far_in(uaddr_t base)
{
    return fixture_page(base, FAR);
}

static pte_t *own_table(uaddr_t address)
{
    return mi_private_table(space, address.v / CHUNK_BYTES);
}

static bool is_valid(uaddr_t address)
{
    const pte_t *table = own_table(address);
    return table != NULL && pte_is_valid(pte_read(&table[address.v / PAGE_BYTES % CHUNK_PAGES]));
}

static pte_t *prototype_table(struct segment *segment)
{
    const struct chunk *chunk = mi_chunk(segment, 0);
    return chunk != NULL && pte_is_valid(chunk->table) ? frame_address(pte_frame(chunk->table))
                                                       : NULL;
}

static bool page_is_valid(struct segment *segment, uint32_t page)
{
    const pte_t *table = prototype_table(segment);
    return table != NULL && pte_is_valid(pte_read(&table[page]));
}

static bool table_is_valid(struct segment *segment)
{
    return prototype_table(segment) != NULL;
}

/* Ends the space, and then the section that it mapped, or NULL. */
static void end(struct section *section)
{
    fixture_end_space(space);
    if (section != NULL) {
        mm_section_destroy(section);
    }
    fixture_settle();
    fixture_check();
}

TEST("await: a private page that was faulted on is no victim until its thread has run (M9)")
{
    boot();
    uaddr_t base = fixture_allocate(space, CHUNK_BYTES, PAGE_READWRITE);
    sim_store32(far_in(base), 1);
    EXPECT_EQUAL(fault_on(base, ACCESS_WRITE), FAULT_DONE);
    press_out();
    EXPECT(is_valid(base));
    EXPECT(!is_valid(far_in(base)));
    thread_goes_on(thread_self());
    press_out();
    EXPECT(!is_valid(base));
    end(NULL);
}

#define CROWD 16u /* threads */

static struct waitable may_go_on; /* manual */

static void fault_and_wait(void *argument)
{
    fixture_enter(space);
    EXPECT_EQUAL(fault_on(*(const uaddr_t *)argument, ACCESS_WRITE), FAULT_DONE);
    VERIFY(wait_for(&may_go_on, WAIT_FOREVER, false) == STATUS_SUCCESS);
    thread_goes_on(thread_self());
}

TEST("await: of many threads that have faulted each one's page stays (M9)")
{
    boot();
    waitable_init_event(&may_go_on, true, false);
    uaddr_t base = fixture_allocate(space, CROWD * PAGE_BYTES, PAGE_READWRITE);
    uaddr_t pages[CROWD];
    for (uint32_t i = 0; i < CROWD; i++) {
        pages[i] = fixture_page(base, i);
        sim_thread("faulting", fault_and_wait, &pages[i], PRIORITY_NORMAL);
    }
    thread_sleep_until(clock_now() + 10 * NS_PER_MS, false, NULL);
    fixture_press(space, 3000);
    for (uint32_t i = 0; i < CROWD; i++) {
        EXPECT(is_valid(pages[i]));
    }
    (void)event_set(&may_go_on);
    sim_join();
    press_out();
    for (uint32_t i = 0; i < CROWD; i++) {
        EXPECT(!is_valid(pages[i]));
    }
    end(NULL);
}

/* A section, and two views of all of it: the first links its table, the second has its own. */
static void boot_views(struct section *section, uaddr_t views[2])
{
    boot();
    fixture_section(section, CHUNK_BYTES);
    views[0] = fixture_map(space, section, 0x20000000, 0, 0, PAGE_READWRITE);
    views[1] = fixture_map(space, section, 0x30010000, 0, 0, PAGE_READWRITE);
}

TEST("await: a section's page that was faulted on is no victim, linked or filled (M9)")
{
    struct section section;
    uaddr_t views[2];
    boot_views(&section, views);
    for (uint32_t i = 0; i < ARRAY_COUNT(views); i++) {
        sim_store32(far_in(views[i]), 1);
        EXPECT_EQUAL(fault_on(views[i], ACCESS_WRITE), FAULT_DONE);
        press_out();
        EXPECT(page_is_valid(section.segment, 0));
        EXPECT(!page_is_valid(section.segment, FAR));
        thread_goes_on(thread_self());
        press_out();
        EXPECT(!page_is_valid(section.segment, 0));
    }
    /* one that was never touched is found at once, and awaited by its alias alone */
    EXPECT_EQUAL(fault_on(fixture_page(views[1], 7), ACCESS_WRITE), FAULT_DONE);
    press_out();
    EXPECT(page_is_valid(section.segment, 7));
    end(&section);
}

TEST("await: a page table stays while a thread waits for a page of it (M9)")
{
    boot();
    uaddr_t base = fixture_allocate(space, 4 * CHUNK_BYTES, PAGE_READWRITE);
    base.v = (base.v + CHUNK_BYTES - 1) / CHUNK_BYTES * CHUNK_BYTES;
    sim_store32(base, 1);
    sim_store32(far_in(base), 2);
    press_out();
    EXPECT(own_table(base) == NULL);
    EXPECT_EQUAL(sim_load32(far_in(base)), 2);
    fail_on(base);
    press_out();
    EXPECT(own_table(base) != NULL);
    EXPECT(!is_valid(far_in(base)));
    thread_goes_on(thread_self());
    press_out();
    EXPECT(own_table(base) == NULL);
    EXPECT_EQUAL(sim_load32(base), 1);
    end(NULL);
}

TEST("await: prototype tables, and the tables of views, stay while a thread waits (M9)")
{
    struct section section;
    uaddr_t views[2];
    boot_views(&section, views);
    sim_store32(views[0], 1);
    sim_store32(far_in(views[0]), 2);
    for (uint32_t i = 0; i < ARRAY_COUNT(views); i++) {
        press_out();
        EXPECT(!table_is_valid(section.segment));
        EXPECT_EQUAL(sim_load32(far_in(views[i])), 2);
        fail_on(views[i]);
        press_out();
        EXPECT(table_is_valid(section.segment));
        EXPECT(i == 0 || own_table(views[i]) != NULL);
        EXPECT(!page_is_valid(section.segment, FAR));
        thread_goes_on(thread_self());
        press_out();
        EXPECT(!table_is_valid(section.segment));
        EXPECT(i == 0 || own_table(views[i]) == NULL);
    }
    EXPECT_EQUAL(sim_load32(views[1]), 1);
    end(&section);
}

TEST("await: a prototype table that has come stays until its page is asked for (M9)")
{
    boot();
    struct section section;
    fixture_section(&section, CHUNK_BYTES);
    uaddr_t view = fixture_map(space, &section, 0x20000000, 0, 0, PAGE_READWRITE);
    sim_store32(view, 1);
    sim_store32(far_in(view), 2);
    press_out();
    EXPECT(!table_is_valid(section.segment));
    EXPECT_STATUS(mi_page_in(section.segment, 0), STATUS_SUCCESS);
    EXPECT(table_is_valid(section.segment) && !page_is_valid(section.segment, 0));
    press_out();
    EXPECT(table_is_valid(section.segment));
    thread_goes_on(thread_self());
    EXPECT_EQUAL(sim_load32(far_in(view)), 2); /* the table is there, and the other page is not */
    disk->fail_end = disk->device.nsectors;
    EXPECT_STATUS(mi_page_in(section.segment, 0), STATUS_IO_DEVICE_ERROR);
    disk->fail_end = 0;
    press_out();
    EXPECT(table_is_valid(section.segment) && !page_is_valid(section.segment, FAR));
    thread_goes_on(thread_self());
    press_out();
    EXPECT(!table_is_valid(section.segment));
    end(&section);
}

static struct segment *shown; /* the file whose next fault in a window is looked at, or NULL */
static bool page_stayed;

/* All leaves that can while a fault in a window is about to be over. */
static enum fault_result window_fault(const void *address, const struct access *access,
                                      struct fault_report *report)
{
    enum fault_result result = mm_window_fault(address, access, report);
    if (shown != NULL) {
        struct segment *segment = shown;
        shown = NULL;
        press_out();
        page_stayed = page_is_valid(segment, FAR);
    }
    return result;
}

static status_t read_far(struct segment *segment)
{
    uint32_t word;
    return mm_cache_read(segment, FAR * PAGE_BYTES, &word, sizeof(word));
}

static status_t write_far(struct segment *segment)
{
    uint32_t word = 1;
    return mm_cache_write(segment, FAR * PAGE_BYTES, &word, sizeof(word));
}

/* COPY reads or writes a word of page FAR in a window; the page is out afterwards. */
static void copy_awaits(struct segment *segment, status_t (*copy)(struct segment *segment),
                        status_t expected)
{
    page_stayed = false;
    shown = segment;
    EXPECT_STATUS(copy(segment), expected);
    EXPECT(shown == NULL && page_stayed);
    press_out();
    EXPECT(!page_is_valid(segment, FAR));
}

/* Their prototype tables stay anyway, as long as the window shows them. */
TEST("await: a page that a copy waits for in a cache window is no victim (M9)")
{
    boot();
    struct trap_operations operations = fixture_operations;
    operations.window_fault = window_fault;
    trap_register(&operations);
    struct section section;
    fixture_section(&section, CHUNK_BYTES);
    copy_awaits(section.segment, write_far, STATUS_SUCCESS); /* found at once */
    struct fixture_file file;
    fixture_written_file(&file, 2 * CHUNK_PAGES);
    copy_awaits(file.segment, read_far, STATUS_SUCCESS); /* brought by the pager */
    EXPECT_STATUS(read_far(file.segment), STATUS_SUCCESS);
    file.reserve_error = STATUS_DISK_FULL;
    copy_awaits(file.segment, write_far,
                STATUS_DISK_FULL); /* there, and has no room for the store */
    mm_segment_unref(file.segment);
    end(&section);
}

static struct fixture_file stored;

/* A file that has no room for stores, and a view of it with a table of its own. */
static uaddr_t boot_stored(struct section *section)
{
    boot();
    fixture_written_file(&stored, CHUNK_PAGES);
    stored.reserve_error = STATUS_DISK_FULL;
    EXPECT_STATUS(
        mm_section_create_file(section, stored.segment, CHUNK_BYTES, 0, PAGE_READWRITE, SEC_COMMIT),
        STATUS_SUCCESS);
    return fixture_map(space, section, 0x30010000, 0, 0, PAGE_READWRITE);
}

/* Page FAR, which a store has failed on, stays without an alias, as long as it is awaited. */
static void end_stored(struct section *section, uaddr_t view)
{
    EXPECT(!is_valid(far_in(view)));
    press_out();
    EXPECT(page_is_valid(stored.segment, FAR));
    thread_goes_on(thread_self());
    press_out();
    EXPECT(!page_is_valid(stored.segment, FAR));
    end(section);
    mm_segment_unref(stored.segment);
}

TEST("await: a page of a file stays while a store through a filled view waits for room (M9)")
{
    struct section section;
    uaddr_t view = boot_stored(&section);
    EXPECT_STATUS(read_far(stored.segment), STATUS_SUCCESS);
    EXPECT_EQUAL(fault_on(far_in(view), ACCESS_WRITE), FAULT_IN_PAGE_ERROR);
    end_stored(&section, view);
}

TEST("await: it stays though its alias is taken meanwhile, when the working set is emptied (M9)")
{
    struct section section;
    uaddr_t view = boot_stored(&section);
    EXPECT_EQUAL(sim_load32(far_in(view)), fixture_word(FAR * PAGE_BYTES));
    EXPECT_EQUAL(fault_on(far_in(view), ACCESS_WRITE), FAULT_IN_PAGE_ERROR);
    EXPECT(is_valid(far_in(view)));
    mm_empty_working_set(space);
    end_stored(&section, view);
}

static uaddr_t image_page; /* while it is looked at: a page of an image, in a table of its own */
static uint32_t image_faults;
static bool image_table_stayed;

/* All leaves that can while the image's pager reads its file. */
static enum fault_result image_window_fault(const void *address, const struct access *access,
                                            struct fault_report *report)
{
    enum fault_result result = mm_window_fault(address, access, report);
    if (image_page.v != 0) {
        press_out();
        image_table_stayed = image_table_stayed && own_table(image_page) != NULL;
        image_faults++;
    }
    return result;
}

TEST("await: what a fault awaits stays while its pager faults itself (M9)")
{
    static const struct pe_part parts[] = {{0x1000, 0x4000, 0x4000, PE_CODE | PE_READ}};
    static struct pe_file pe;
    boot();
    struct trap_operations operations = fixture_operations;
    operations.window_fault = image_window_fault;
    trap_register(&operations);
    pe_make(&pe, 0x10000000, 0, parts, ARRAY_COUNT(parts));
    struct fixture_file file;
    fixture_file_of(&file, pe.bytes, pe.nbytes);
    struct section section;
    struct segment *image = NULL;
    char problem[IMAGE_PROBLEM_BYTES];
    REQUIRE(is_success(mm_section_create_image(&section, file.segment, pe.nbytes, 0, PAGE_READONLY,
                                               SEC_IMAGE, &image, problem)));
    struct view_request request = {.protection = PAGE_READONLY};
    EXPECT_STATUS(mm_map_view(space, &section, &request), STATUS_SUCCESS);
    press_out();
    image_faults = 0;
    image_table_stayed = true;
    image_page.v = request.base.v + 0x2000;
    uint32_t word = sim_load32(image_page);
    EXPECT_EQUAL(word & 0xFF, pe_pattern(pe.raw_offset[0] + 0x1000));
    EXPECT(image_faults > 1); /* each but the first behind a return from another */
    EXPECT(image_table_stayed);
    image_page.v = 0;
    fixture_end_space(space);
    mm_section_destroy(&section);
    mm_segment_unref(image);
    mm_segment_unref(file.segment);
    fixture_settle();
    fixture_check();
}

static bool awaits_nothing(void)
{
    return thread_self()->awaited.entries[0] == NULL && thread_self()->awaited.entries[1] == NULL;
}

TEST("await: calls that fault themselves let go at their end")
{
    boot();
    uaddr_t base = fixture_allocate(space, CHUNK_BYTES, PAGE_READWRITE);
    uint32_t nbytes = 2 * PAGE_BYTES;
    uint32_t word;
    uint32_t copied;
    EXPECT_STATUS(mm_lock_virtual(space, &base, &nbytes), STATUS_SUCCESS);
    EXPECT(awaits_nothing());
    EXPECT_STATUS(mm_read_space(space, far_in(base), &word, sizeof(word), &copied), STATUS_SUCCESS);
    EXPECT(awaits_nothing());

    struct fixture_file file;
    fixture_file(&file, 1);
    EXPECT_STATUS(mm_cache_read_user(file.segment, 0, base, sizeof(word), READ_AT_RANDOM, &copied),
                  STATUS_SUCCESS); /* it brings the page itself: it is told how the file is read */
    EXPECT(awaits_nothing());
    mm_segment_unref(file.segment);

    fixture_written_file(&file, 3);
    mm_segment_truncate(file.segment, PAGE_BYTES + 100);
    EXPECT_STATUS(mm_segment_extend(file.segment, 3 * PAGE_BYTES), STATUS_SUCCESS);
    EXPECT(awaits_nothing());
    mm_segment_unref(file.segment);

    struct section section;
    EXPECT_STATUS(mm_section_create_memory(&section, CHUNK_BYTES, PAGE_READWRITE, SEC_RESERVE),
                  STATUS_SUCCESS);
    uaddr_t view = fixture_map(space, &section, 0x20000000, 0, 0, PAGE_READWRITE);
    nbytes = PAGE_BYTES;
    EXPECT_STATUS(mm_allocate_virtual(space, &view, &nbytes, 0, MEM_COMMIT, PAGE_READWRITE),
                  STATUS_SUCCESS);
    sim_store32(view, 1);
    press_out();
    EXPECT(!table_is_valid(section.segment));
    struct memory_region region;
    EXPECT_STATUS(mm_query_virtual(space, view, &region), STATUS_SUCCESS);
    EXPECT(table_is_valid(section.segment) && awaits_nothing());
    press_out();
    EXPECT(!table_is_valid(section.segment));
    fixture_end_space(space);
    mm_section_destroy(&section);
    EXPECT(awaits_nothing());
    fixture_settle();
    fixture_check();
}

TEST("await: what a thread may await is charged with its kernel stack, and given back with it")
{
    boot();
    fixture_settle();
    void *stacks[6]; /* more than are kept as spare ones */
    struct mm_charges before;
    struct mm_charges after;
    for (uint32_t i = 0; i < ARRAY_COUNT(stacks); i++) {
        EXPECT_STATUS(mm_create_kernel_stack(&stacks[i]), STATUS_SUCCESS);
    }
    mm_read_charges(&before);
    mm_destroy_kernel_stack(stacks[0]);
    for (uint32_t i = 1; i < ARRAY_COUNT(stacks); i++) {
        mm_destroy_kernel_stack(stacks[i]);
    }
    mm_read_charges(&after);
    EXPECT_EQUAL((before.commit - after.commit) % (KERNEL_STACK_BYTES / PAGE_BYTES + AWAITED_PAGES),
                 0);
    EXPECT(before.commit > after.commit);
    EXPECT_EQUAL(after.resident_available - before.resident_available,
                 before.commit - after.commit);
    fixture_check();
}
