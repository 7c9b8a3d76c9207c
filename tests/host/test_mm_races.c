/*
 * tests/host/test_mm_races.c: races whose window is one step wide: the CPU that is in it stands
 * still there, another one does what must not happen meanwhile, and has to wait.
 *
 * Seeds of the simulation hardly come there. Each test fails when the step of mm/ that it is about
 * is taken away, as tests/host/mutations.txt says.
 */
#include "mm/cache.h"
#include "mm/cache_windows.h"
#include "mm/init.h"
#include "mm/link.h"
#include "mm/lock.h"
#include "mm/pagefile.h"
#include "mm/segment.h"
#include "mm/slots.h"
#include "mm/table.h"
#include "mm/trim.h"
#include "mm/working_set.h"
#include "tests/host/mm_fixture.h"

#define SLOT_FIRST 0x40000000u /* of the slot where views lie */
#define FILLED     0x40010000u /* an address where nothing can be linked */
#define NEIGHBOUR  0x40100000u

static struct fixture_file file;
static struct section section;
static struct space *spaces[2];
static uaddr_t bases[2];

static void (*the_other)(void); /* what the other CPU does */
static bool stands_still;
static bool other_is_over;

static void stand_still(void)
{
    stands_still = true;
    sim_stand_still(&other_is_over);
}

static void wait_for_race(void *argument)
{
    (void)argument;
    while (!stands_still) {
        sim_poll();
    }
    the_other();
    other_is_over = true;
}

static bool frame_is_in_use(pfn_t frame, bool translated)
{
    enum frame_state state = (enum frame_state)mi_pfn(frame)->state;
    return translated ? state == FRAME_ACTIVE : state != FRAME_FREE && state != FRAME_ZEROED;
}

static void boot(void)
{
    fixture_boot_explored(16 * MIB, 1, 2);
    sim_watch_frames(frame_is_in_use);
}

static void open_pagefile(void)
{
    struct sim_disk *disk = sim_disk_memory(100 * 8);
    struct pagefile_extent extent = {0, 100};
    REQUIRE(is_success(mm_pagefile_open(&disk->device, &extent, 1)));
}

/* From the NTH read of ENTRY on, OTHER runs, and the reader stands still. */
static void begin_race(const pte_t *entry, uint32_t nth, void (*other)(void))
{
    the_other = other;
    sim_thread("other", wait_for_race, NULL, PRIORITY_NORMAL);
    sim_on_read(entry, nth, stand_still);
}

static void end_race(void)
{
    EXPECT(stands_still);
    sim_join();
    fixture_check();
}

/* The section in both spaces, and in no linked table. */
static void map_section(uint32_t protection)
{
    for (uint32_t i = 0; i < 2; i++) {
        spaces[i] = fixture_space();
        bases[i] = fixture_map(spaces[i], &section, FILLED, 0, 0, protection);
    }
    fixture_enter(NULL);
}

static void end_spaces(void)
{
    fixture_enter(NULL);
    for (uint32_t i = 0; i < 2; i++) {
        sim_unload_root(&spaces[i]->root);
        fixture_end_space(spaces[i]);
    }
}

static pte_t *prototype_entry(const struct segment *segment, uint32_t page)
{
    struct chunk *chunk = mi_chunk(segment, page / CHUNK_PAGES);
    spin_lock(&chunk->lock);
    pte_t *entry = mi_proto_entry_locked(chunk, page % CHUNK_PAGES);
    spin_unlock(&chunk->lock);
    REQUIRE(entry != NULL);
    return entry;
}

/* ---- SEC_RESERVE ---- */

static void commit_page(uint32_t who, uint32_t page)
{
    uaddr_t base = fixture_page(bases[who], page);
    uint32_t nbytes = PAGE_BYTES;
    EXPECT_STATUS(mm_allocate_virtual(spaces[who], &base, &nbytes, 0, MEM_COMMIT, PAGE_READWRITE),
                  STATUS_SUCCESS);
}

static void commit_too(void)
{
    commit_page(1, 5);
}

TEST("races: a page of a section that two processes commit at once is charged once")
{
    boot();
    EXPECT_STATUS(mm_section_create_memory(&section, CHUNK_BYTES, PAGE_READWRITE, SEC_RESERVE),
                  STATUS_SUCCESS);
    map_section(PAGE_READWRITE);
    commit_page(0, 0);
    begin_race(prototype_entry(section.segment, 5), 2, commit_too); /* 1: only counts */
    commit_page(0, 5);
    end_race();
    EXPECT_EQUAL(section.segment->commit, 2);
    end_spaces();
    mm_section_destroy(&section);
    fixture_check();
}

/* ---- private pages that leave ---- */

static void store_two(void)
{
    fixture_enter(spaces[0]);
    sim_store32(bases[0], 2);
    fixture_enter(NULL);
}

TEST("races: a private page that is stored to while it is taken out counts as modified")
{
    boot();
    open_pagefile();
    spaces[0] = fixture_space();
    bases[0] = fixture_allocate(spaces[0], PAGE_BYTES, PAGE_READWRITE);
    sim_store32(bases[0], 1);
    mm_empty_working_set(spaces[0]);
    EXPECT_EQUAL(mi_pagefile_write(), 1);
    EXPECT_EQUAL(sim_load32(bases[0]), 1); /* clean, with a slot */
    fixture_enter(NULL);
    uint32_t page = bases[0].v >> PAGE_SHIFT;
    const pte_t *entry = mi_private_table(spaces[0], page / CHUNK_PAGES) + page % CHUNK_PAGES;
    pfn_t frame = pte_frame(pte_read(entry));
    begin_race(entry, 1, store_two);
    mm_empty_working_set(spaces[0]);
    end_race();
    EXPECT_EQUAL(mi_pfn(frame)->state, FRAME_MODIFIED);
    fixture_enter(spaces[0]);
    EXPECT_EQUAL(sim_load32(bases[0]), 2);
    fixture_end_space(spaces[0]);
    fixture_check();
}

/* ---- copies from outside ---- */

static void evict_pages(void)
{
    while (mi_segment_resident(file.segment) != 0) {
        mi_wait_with_lock(NULL);
    }
    mm_drain();
}

static void evict_once(void)
{
    mi_wait_with_lock(NULL);
}

static void map_file(uint32_t protection)
{
    EXPECT_STATUS(mm_section_create_file(&section, file.segment,
                                         (uint64_t)file.npages << PAGE_SHIFT, 0, protection,
                                         SEC_COMMIT),
                  STATUS_SUCCESS);
    map_section(protection);
}

static void end_file(void)
{
    mm_section_destroy(&section);
    mm_segment_unref(file.segment);
}

/* Where the first space shows the file's page. */
static const pte_t *shown_entry(void)
{
    return mi_private_table(spaces[0], FILLED / CHUNK_BYTES) + FILLED / PAGE_BYTES % CHUNK_PAGES;
}

TEST("races: a page whose frame is being copied from outside keeps it")
{
    uint32_t word = 0;
    uint32_t copied;
    boot();
    fixture_file(&file, 1);
    map_file(PAGE_READONLY);
    EXPECT_STATUS(mm_read_space(spaces[0], bases[0], &word, 4, &copied), STATUS_SUCCESS);
    begin_race(shown_entry(), 1, evict_pages);
    EXPECT_STATUS(mm_read_space(spaces[0], bases[0], &word, 4, &copied), STATUS_SUCCESS);
    EXPECT_EQUAL(word, fixture_word(0));
    end_race();
    end_spaces();
    end_file();
    fixture_check();
}

static void unmap_second(void)
{
    EXPECT_STATUS(mm_unmap_view(spaces[1], bases[1]), STATUS_SUCCESS);
}

TEST("races: a view leaves its chunk when nobody goes through those who map it")
{
    uint32_t slot = FILLED / CHUNK_BYTES;
    struct mm_segment_usage usage;
    boot();
    open_pagefile();
    fixture_section(&section, PAGE_BYTES);
    map_section(PAGE_READWRITE);
    fixture_enter(spaces[1]);
    EXPECT_EQUAL(sim_load32(bases[1]), 0); /* its mapper comes first */
    sim_store32(fixture_allocate(spaces[1], PAGE_BYTES, PAGE_READWRITE), 1); /* the hand comes by */
    fixture_enter(NULL);
    while (mi_table_exists(spaces[1], slot)) {
        mi_wait_with_lock(NULL);
    }
    fixture_enter(spaces[0]);
    EXPECT_EQUAL(sim_load32(bases[0]), 0);
    fixture_enter(NULL);
    begin_race(mi_directory_entry(spaces[1], slot), 1, unmap_second);
    mm_segment_read_usage(section.segment, &usage);
    EXPECT_EQUAL(usage.filled_chunks, 2);
    end_race();
    end_spaces();
    mm_section_destroy(&section);
    fixture_check();
}

#define ABSENT 100 /* a page of the first chunk that nobody brings */

static const pte_t *absent_entry;

/*
 * The table of a view's chunk is about to leave: its lock is held, and the view, whose entry is out
 * of the directory already, comes to take its mapper off, and waits.
 */
static void hold_chunk(void)
{
    static const bool never;
    if (pte_has_frame(absent_entry[-ABSENT])) {
        sim_on_read(absent_entry, 1, hold_chunk); /* its pages first */
        return;
    }
    other_is_over = true;
    sim_stand_still(&never);
}

static void evict_to_table(void)
{
    absent_entry = prototype_entry(file.segment, ABSENT);
    sim_on_read(absent_entry, 1, hold_chunk);
    evict_pages();
    while (pte_is_valid(mi_chunk(file.segment, 0)->table)) {
        mi_wait_with_lock(NULL);
    }
}

TEST("races: a view and the evictor of its chunk's table both take its mapper off")
{
    boot();
    fixture_file(&file, 2 * CHUNK_PAGES);
    EXPECT_STATUS(mm_section_create_file(&section, file.segment, 2 * CHUNK_BYTES, 0, PAGE_READONLY,
                                         SEC_COMMIT),
                  STATUS_SUCCESS);
    spaces[0] = fixture_space();
    bases[0] = fixture_map(spaces[0], &section, SLOT_FIRST, 0, 0, PAGE_READONLY);
    EXPECT_EQUAL(sim_load32(bases[0]), fixture_word(0));
    EXPECT_EQUAL(sim_load32(fixture_page(bases[0], CHUNK_PAGES)), fixture_word(CHUNK_BYTES));
    fixture_enter(NULL);
    begin_race(mi_directory_entry(spaces[0], SLOT_FIRST / CHUNK_BYTES + 1), 1, evict_to_table);
    EXPECT_STATUS(mm_unmap_view(spaces[0], bases[0]), STATUS_SUCCESS);
    end_race();
    EXPECT(pte_is_empty(mi_chunk(file.segment, 0)->table));
    sim_unload_root(&spaces[0]->root);
    fixture_end_space(spaces[0]);
    end_file();
    fixture_check();
}

/* Frees the first space's page, and has another one in whatever frame that was. */
static void free_page(void)
{
    uint32_t nbytes = 0;
    EXPECT_STATUS(mm_free_virtual(spaces[0], &bases[0], &nbytes, MEM_RELEASE), STATUS_SUCCESS);
    fixture_enter(spaces[1]);
    sim_store32(bases[1], 2);
    fixture_enter(NULL);
}

TEST("races: a private page that is being copied from outside is not freed")
{
    uint32_t word = 0;
    uint32_t copied;
    boot();
    for (uint32_t i = 0; i < 2; i++) {
        spaces[i] = fixture_space();
        bases[i] = fixture_allocate(spaces[i], PAGE_BYTES, PAGE_READWRITE);
    }
    fixture_enter(spaces[0]);
    sim_store32(bases[0], 1);
    fixture_enter(NULL);
    uint32_t page = bases[0].v >> PAGE_SHIFT;
    begin_race(mi_private_table(spaces[0], page / CHUNK_PAGES) + page % CHUNK_PAGES, 1, free_page);
    EXPECT_STATUS(mm_read_space(spaces[0], bases[0], &word, 4, &copied), STATUS_SUCCESS);
    EXPECT_EQUAL(word, 1);
    end_race();
    end_spaces();
    fixture_check();
}

TEST("races: a page that is about to be locked does not leave")
{
    boot();
    fixture_file(&file, 1);
    map_file(PAGE_READONLY);
    fixture_enter(spaces[0]);
    EXPECT_EQUAL(sim_load32(bases[0]), fixture_word(0));
    fixture_enter(NULL);
    uint32_t nbytes = PAGE_BYTES;
    begin_race(shown_entry(), 2, evict_once); /* 1: whether it is committed */
    EXPECT_STATUS(mm_lock_virtual(spaces[0], &bases[0], &nbytes), STATUS_SUCCESS);
    end_race();
    EXPECT_EQUAL(mi_segment_resident(file.segment), 1);
    EXPECT_STATUS(mm_unlock_virtual(spaces[0], &bases[0], &nbytes), STATUS_SUCCESS);
    end_spaces();
    end_file();
    fixture_check();
}

/* ---- tables that leave while the holder of a chunk's lock looks into them ---- */

/*
 * The first space shows the file in a table in which nothing is entered any more, and is on the
 * chunk's list all the same: the store that would have entered a page was refused. The second has
 * stored to a page, which is about to be written: for that all on the list are looked at.
 */
static void make_empty_table(void)
{
    uint32_t word = 7;
    boot();
    fixture_written_file(&file, 8);
    map_file(PAGE_READWRITE);
    file.reserve_error = STATUS_DISK_FULL;
    fixture_enter(spaces[0]);
    EXPECT_EQUAL(sim_write(bases[0], &word, 4, NULL), FAULT_IN_PAGE_ERROR);
    file.reserve_error = STATUS_SUCCESS;
    fixture_enter(spaces[1]);
    EXPECT_EQUAL(sim_write(fixture_page(bases[1], 3), &word, 4, NULL), FAULT_DONE);
    fixture_enter(NULL);
}

/* The file is written, and OTHER takes the first space's table away meanwhile. */
static void race_for_table(void (*other)(void))
{
    begin_race(mi_directory_entry(spaces[0], SLOT_FIRST / CHUNK_BYTES), 1, other);
    EXPECT_STATUS(mm_segment_flush(file.segment, 0, 0), STATUS_SUCCESS);
    EXPECT_EQUAL(file.pages_written, 1);
    end_race();
    EXPECT(mi_private_table(spaces[0], SLOT_FIRST / CHUNK_BYTES) == NULL);
    end_spaces();
    end_file();
    fixture_check();
}

static void evict_table(void)
{
    mutex_lock(&spaces[0]->lock);
    mi_table_evict(spaces[0], SLOT_FIRST / CHUNK_BYTES);
    mutex_unlock(&spaces[0]->lock);
}

TEST("races: a table that is evicted stays until nobody looks for aliases in it")
{
    make_empty_table();
    race_for_table(evict_table);
}

static void unmap_neighbour(void)
{
    uaddr_t base = {NEIGHBOUR};
    uint32_t nbytes = 0;
    EXPECT_STATUS(mm_free_virtual(spaces[0], &base, &nbytes, MEM_RELEASE), STATUS_SUCCESS);
}

TEST("races: a table that went empty with a neighbour stays until nobody looks for aliases in it")
{
    uaddr_t base = {NEIGHBOUR};
    uint32_t nbytes = PAGE_BYTES;
    make_empty_table();
    EXPECT_STATUS(
        mm_allocate_virtual(spaces[0], &base, &nbytes, 0, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE),
        STATUS_SUCCESS);
    fixture_enter(spaces[0]);
    sim_store32(base, 1);
    fixture_enter(NULL);
    race_for_table(unmap_neighbour);
}

/* ---- a store just before ---- */

static bool is_cleaned;

/* Looks at the TLBs while this CPU's holds what the store brought. */
static void store_and_look(void)
{
    fixture_enter(spaces[1]);
    sim_store32(bases[1], 9);
    other_is_over = true;
    while (!is_cleaned) {
        sim_poll();
    }
    EXPECT_EQUAL(sim_check_tlbs(), 0);
}

TEST("races: a store while a page is about to be cleaned leaves no right to store in a TLB")
{
    boot();
    fixture_written_file(&file, 1);
    map_file(PAGE_READWRITE);
    for (uint32_t i = 0; i < 2; i++) {
        fixture_enter(spaces[i]);
        sim_store32(bases[i], 7);
    }
    fixture_enter(NULL);
    begin_race(prototype_entry(file.segment, 0), 1, store_and_look);
    EXPECT_STATUS(mm_segment_flush(file.segment, 0, 0), STATUS_SUCCESS);
    is_cleaned = true;
    end_race();
    end_spaces();
    end_file();
    fixture_check();
}

/* ---- a write that fails ---- */

static void store_again(void)
{
    uint32_t word = 8;
    fixture_enter(spaces[1]);
    EXPECT_EQUAL(sim_write(bases[1], &word, 4, NULL), FAULT_DONE);
    fixture_enter(NULL);
}

static void fail_write(void)
{
    sim_on_read(prototype_entry(file.segment, 0), 2, stand_still); /* 1: only checks */
}

TEST("races: a page that is stored to while its write fails becomes dirty once")
{
    uint32_t word = 7;
    boot();
    fixture_written_file(&file, 1);
    map_file(PAGE_READWRITE);
    fixture_enter(spaces[0]);
    EXPECT_EQUAL(sim_write(bases[0], &word, 4, NULL), FAULT_DONE);
    fixture_enter(NULL);
    file.write_error = STATUS_IO_DEVICE_ERROR;
    file.during_write = fail_write;
    begin_race(NULL, 0, store_again);
    EXPECT_STATUS(mm_segment_flush(file.segment, 0, 0), STATUS_IO_DEVICE_ERROR);
    end_race();
    EXPECT_EQUAL(mi_chunk(file.segment, 0)->dirty, 1);
    file.during_write = NULL;
    file.write_error = STATUS_SUCCESS;
    EXPECT_STATUS(mm_segment_flush(file.segment, 0, 0), STATUS_SUCCESS);
    EXPECT_EQUAL(file.pages_written, 1);
    end_spaces();
    end_file();
    fixture_check();
}

/* ---- a file that is cut off ---- */

static bool cuts_are_over;

/* Reads through a window what comes and goes: it sees the file, or its end. */
static void read_the_end(void *argument)
{
    (void)argument;
    while (!cuts_are_over) {
        uint32_t word = fixture_word(5 * PAGE_BYTES);
        if (is_error(mm_cache_read(file.segment, 5 * PAGE_BYTES, &word, 4))) {
            sim_poll();
        }
        EXPECT_EQUAL(word, fixture_word(5 * PAGE_BYTES));
    }
}

TEST("races: pages that are cut off stay until no window shows them")
{
    boot();
    fixture_written_file(&file, 8);
    sim_thread("reader", read_the_end, NULL, PRIORITY_NORMAL);
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t word;
        EXPECT_STATUS(mm_cache_read(file.segment, 5 * PAGE_BYTES, &word, 4), STATUS_SUCCESS);
        mm_segment_truncate(file.segment, 4 * PAGE_BYTES);
        EXPECT_STATUS(mm_segment_extend(file.segment, 8 * PAGE_BYTES), STATUS_SUCCESS);
    }
    cuts_are_over = true;
    sim_join();
    mm_segment_unref(file.segment);
    fixture_check();
}

/* ---- a segment that ends ---- */

static void end_segment(void)
{
    mm_segment_unref(file.segment);
}

TEST("races: a segment that ends waits for the clock's hand to leave it")
{
    uint32_t word;
    boot();
    fixture_file(&file, 2 * CHUNK_PAGES);
    for (uint32_t chunk = 0; chunk < 2; chunk++) {
        EXPECT_STATUS(mm_cache_read(file.segment, chunk * CHUNK_BYTES, &word, 4), STATUS_SUCCESS);
    }
    mi_cache_unlink_idle();                /* a segment that ends waits for these, too */
    file.segment->trim_page = CHUNK_PAGES; /* the hand comes to the first chunk after the second */
    begin_race(prototype_entry(file.segment, CHUNK_PAGES), 1, end_segment);
    mi_wait_with_lock(NULL);
    end_race();
    EXPECT(file.released);
}
