/*
 * tests/host/test_fs_metadata.c: the file system's own blocks in a segment over the device: what is
 * clean leaves with everything else and comes back, what is dirty or in use stays, what has another
 * role is forgotten, and there is always a page for a reader, however little memory is left.
 */
#include <string.h>

#include "fs/metadata.h"
#include "fs/transfer.h"
#include "kernel/block.h"
#include "kernel/failpoint.h"
#include "mm/device.h"
#include "mm/frame.h"
#include "mm/segment.h"
#include "mm/trim.h"
#include "tests/host/inject.h"
#include "tests/host/mm_fixture.h"

#define DISK_BYTES (64 * MIB)

static struct sim_disk *disk;
static struct metadata metadata;

/* What block NUMBER of NBYTES begins with, of the VERSION that somebody has written. */
static uint32_t word_of(uint32_t number, uint32_t version)
{
    return number * 2654435761u + version;
}

static uint32_t *on_disk(uint32_t number)
{
    return (uint32_t *)(void *)(disk->contents + ((size_t)number << metadata.block_shift));
}

static void fill_disk(uint32_t version)
{
    for (uint32_t i = 0; i < metadata.nblocks; i++) {
        *on_disk(i) = word_of(i, version);
    }
}

static void begin_with(uint32_t nbytes, uint32_t high_nbytes, uint32_t block_shift)
{
    fixture_boot(nbytes, high_nbytes, 1);
    disk = sim_disk_memory(DISK_BYTES / SECTOR_BYTES);
    transfer_start();
    EXPECT_STATUS(metadata_start(&metadata, &disk->device, block_shift, DISK_BYTES >> block_shift),
                  STATUS_SUCCESS);
    fill_disk(0);
}

static void begin(uint32_t nbytes, uint32_t block_shift)
{
    begin_with(nbytes, 0, block_shift);
}

static void end(void)
{
    fixture_settle();
    fixture_check();
    metadata_stop(&metadata);
    fixture_check();
    EXPECT_EQUAL(mm_device_frames(), 0);
}

/* Block NUMBER, with a pin. */
static struct metadata_block *get(uint32_t number)
{
    struct metadata_block *block = NULL;
    status_t status = metadata_get(&metadata, number, &block);
    REQUIRE(is_success(status));
    return block;
}

static uint32_t look(uint32_t number)
{
    struct metadata_block *block = get(number);
    uint32_t word = *(const uint32_t *)(const void *)block->bytes;
    metadata_put(&metadata, block);
    return word;
}

/* How many of COUNT blocks, STEP apart, are not of VERSION. */
static uint32_t count_wrong(uint32_t count, uint32_t step, uint32_t version)
{
    uint32_t wrong = 0;
    mutex_lock(&metadata.lock);
    for (uint32_t i = 0; i < count; i++) {
        wrong += look(i * step) != word_of(i * step, version);
    }
    mutex_unlock(&metadata.lock);
    return wrong;
}

static void change(uint32_t number, uint32_t version)
{
    struct metadata_block *block = get(number);
    metadata_dirty(&metadata, block);
    *(uint32_t *)(void *)block->bytes = word_of(number, version);
    metadata_put(&metadata, block);
}

/* Changes COUNT blocks, STEP apart; what does not fit is written on the way. */
static void change_all(uint32_t count, uint32_t step, uint32_t version)
{
    mutex_lock(&metadata.lock);
    for (uint32_t i = 0; i < count; i++) {
        if (metadata_is_full(&metadata)) {
            EXPECT_STATUS(metadata_sync(&metadata), STATUS_SUCCESS);
        }
        metadata_begin_change(&metadata);
        change(i * step, version);
    }
    mutex_unlock(&metadata.lock);
}

static status_t sync_all(void)
{
    mutex_lock(&metadata.lock);
    status_t status = metadata_sync(&metadata);
    mutex_unlock(&metadata.lock);
    return status;
}

/* Reads a file of NPAGES through a view, twice: all that can leave RAM leaves. */
static void press(uint32_t npages)
{
    struct fixture_file file;
    struct section section;
    fixture_file(&file, npages);
    REQUIRE(is_success(mm_section_create_file(
        &section, file.segment, (uint64_t)npages << PAGE_SHIFT, 0, PAGE_READONLY, SEC_COMMIT)));
    struct space *space = fixture_space();
    uaddr_t base = fixture_map(space, &section, 0, 0, 0, PAGE_READONLY);
    for (uint32_t i = 0; i < 2 * npages; i++) {
        (void)sim_load32(fixture_page(base, i % npages));
    }
    fixture_settle();
    fixture_check();
    fixture_end_space(space);
    mm_section_destroy(&section);
    mm_segment_unref(file.segment);
}

static void check_leaving(uint32_t block_shift)
{
    uint32_t npages = 1000; /* far more than are pinned */
    uint32_t step = 3u << (PAGE_SHIFT - block_shift);

    begin(16 * MIB, block_shift);
    EXPECT_EQUAL(count_wrong(npages, step, 0), 0);
    uint64_t reads = metadata.nreads;
    EXPECT_EQUAL(reads, npages);
    EXPECT_EQUAL(count_wrong(npages, step, 0), 0);
    EXPECT_EQUAL(metadata.nreads, reads); /* mm has kept them */
    EXPECT(mm_device_frames() >= npages);
    fixture_check();
    press(6000);
    EXPECT(mm_device_frames() < npages / 2);
    EXPECT_EQUAL(count_wrong(npages, step, 0), 0);
    EXPECT(metadata.nreads > reads + npages / 2);
    end();
}

TEST("metadata: clean blocks stay while there is memory, leave with everything else, come back")
{
    check_leaving(12);
}

TEST("metadata: clean blocks, four in a page, stay, leave and come back")
{
    check_leaving(10);
}

TEST("metadata: with memory above the direct map, all blocks lie below it")
{
    begin_with(16 * MIB, 64 * MIB, 12);
    EXPECT_EQUAL(count_wrong(500, 5, 0), 0);
    change_all(100, 5, 1);
    fixture_check(); /* the audit looks where they are */
    EXPECT_STATUS(sync_all(), STATUS_SUCCESS);
    EXPECT_EQUAL(count_wrong(100, 5, 1), 0);
    end();
}

static void check_dirty(uint32_t block_shift)
{
    uint32_t count = 40;

    begin(8 * MIB, block_shift);
    change_all(count, 7, 1);
    EXPECT_EQUAL(metadata.ndirty, count);
    EXPECT_EQUAL(disk->writes, 0);
    uint64_t reads = metadata.nreads;
    press(3000);
    EXPECT_EQUAL(disk->writes, 0);
    EXPECT_EQUAL(*on_disk(7), word_of(7, 0));
    EXPECT_EQUAL(count_wrong(count, 7, 1), 0);
    EXPECT_EQUAL(metadata.nreads, reads); /* none had left */
    EXPECT_STATUS(sync_all(), STATUS_SUCCESS);
    for (uint32_t i = 0; i < 7 * count; i++) {
        EXPECT_EQUAL(*on_disk(i), word_of(i, i % 7 == 0 ? 1 : 0));
    }
    metadata_drop_clean(&metadata);
    EXPECT_EQUAL(mm_device_frames(), metadata.count);
    EXPECT_EQUAL(count_wrong(count, 7, 1), 0);
    end();
}

TEST("metadata: dirty blocks stay in memory until they are synced, and only they are written")
{
    check_dirty(12);
}

TEST("metadata: the same with four blocks in a page")
{
    check_dirty(10);
}

TEST("metadata: a dirty block keeps the pages that can be pinned, and gives them back")
{
    begin(16 * MIB, 12);
    uint32_t count = metadata.count;
    change_all(70, 200, 1); /* in many chunks */
    EXPECT(metadata.count > count);
    EXPECT_EQUAL(metadata.ndirty, 70);
    fixture_check();
    (void)failpoint_arm(FAILPOINT_DISK_REQUEST, 1);
    EXPECT(is_error(sync_all()));
    EXPECT_EQUAL(metadata.ndirty, 70);
    EXPECT_EQUAL(count_wrong(199, 1, 0), 1); /* who reads still finds room; the first is dirty */
    EXPECT_STATUS(sync_all(), STATUS_SUCCESS);
    EXPECT_EQUAL(metadata.count, count);
    EXPECT_EQUAL(count_wrong(70, 200, 1), 0);
    end();
}

/* Takes all frames but FEW, so that neither pages nor tables find any; gives them back. */
#define FEW 8u
static pfn_t hoard[0x1000];
static uint32_t nhoarded;

static void take_all(void)
{
    inject_audits(false);
    while (mi_frames_available() > FEW) {
        pfn_t frame = mi_try_table_frame(FRAME_POOL);
        REQUIRE(!pfn_is_none(frame) && nhoarded < ARRAY_COUNT(hoard));
        hoard[nhoarded++] = frame;
    }
}

static void give_all(void)
{
    while (nhoarded > 0) {
        mi_release_frame(hoard[--nhoarded]);
    }
    inject_audits(true);
}

static void check_progress(uint32_t block_shift)
{
    uint32_t step = (2 * MIB >> block_shift) / 4 + 1; /* every chunk in use takes a table */
    uint32_t count = (DISK_BYTES >> block_shift) / step;

    begin(16 * MIB, block_shift);
    take_all();
    EXPECT_EQUAL(count_wrong(count, step, 0), 0);
    change_all(count, step, 1);
    EXPECT_EQUAL(count_wrong(count, step, 1), 0);
    EXPECT_STATUS(sync_all(), STATUS_SUCCESS);
    EXPECT(metadata.segment->pinning.detached > 0);
    give_all();
    fixture_check();
    EXPECT_EQUAL(*on_disk(step), word_of(step, 1));
    EXPECT_EQUAL(count_wrong(count, step, 1), 0);
    metadata_drop_clean(&metadata);
    EXPECT_EQUAL(count_wrong(count, step, 1), 0);
    end();
}

TEST("metadata: with hardly a frame to be had, blocks are read, changed and written")
{
    check_progress(12);
}

TEST("metadata: with hardly a frame to be had, four blocks in a page")
{
    check_progress(10);
}

TEST("metadata: what had to be held outside the segment is not found there as it was before")
{
    uint32_t count = 200;

    begin(16 * MIB, 12);
    mutex_lock(&metadata.lock);
    for (uint32_t i = count; i-- > 0;) {
        (void)look(i);
    }
    mutex_unlock(&metadata.lock);
    mi_trim_unmapped(); /* the last FEW are the last of the standby list, and stay there */
    take_all();
    change_all(FEW, 1, 1);
    mutex_lock(&metadata.lock);
    for (uint32_t i = count - FEW; i < count; i++) {
        change(i, 1);
    }
    EXPECT(metadata.segment->pinning.detached > 0);
    EXPECT_STATUS(metadata_sync(&metadata), STATUS_SUCCESS);
    mutex_unlock(&metadata.lock);
    give_all();
    EXPECT_EQUAL(count_wrong(count - FEW, 1, 0), FEW);
    mutex_lock(&metadata.lock);
    for (uint32_t i = count - FEW; i < count; i++) {
        EXPECT_EQUAL(look(i), word_of(i, 1));
    }
    mutex_unlock(&metadata.lock);
    end();
}

static void check_roles(uint32_t block_shift)
{
    struct metadata_block *block;

    begin(16 * MIB, block_shift);
    for (uint32_t round = 0; round < 2; round++) { /* pinned here; the segment's alone */
        uint32_t number = 5 + round * 4;
        *on_disk(number) = word_of(number, 0);
        mutex_lock(&metadata.lock);
        EXPECT_EQUAL(look(number), word_of(number, 0));
        for (uint32_t i = 0; i < round * 100; i++) {
            (void)look(1000 + i * 8);
        }
        metadata_forget(&metadata, number);
        *on_disk(number) = word_of(number, 7); /* as a file's data */
        EXPECT_EQUAL(look(number), word_of(number, 7));
        change(number, 8);
        metadata_forget(&metadata, number); /* what is dirty too */
        EXPECT_EQUAL(metadata.ndirty, 0);
        EXPECT_STATUS(metadata_get_new(&metadata, number, 1, &block), STATUS_SUCCESS);
        EXPECT_EQUAL(*(uint32_t *)(void *)block->bytes, 0);
        metadata_dirty(&metadata, block);
        metadata_put(&metadata, block);
        EXPECT_STATUS(metadata_sync(&metadata), STATUS_SUCCESS);
        EXPECT_EQUAL(*on_disk(number), 0);
        EXPECT_EQUAL(look(number ^ 1), word_of(number ^ 1, 0)); /* its neighbours are themselves */
        EXPECT_EQUAL(*on_disk(number ^ 1), word_of(number ^ 1, 0));
        mutex_unlock(&metadata.lock);
    }
    end();
}

TEST("metadata: a block that ends a role is forgotten, whoever holds its page; a new one is zero")
{
    check_roles(12);
}

TEST("metadata: a block that ends a role, with others in its page, is forgotten")
{
    check_roles(10);
}

TEST("metadata: a sector that cannot be read fails its block, and not the others of its page")
{
    struct metadata_block *block;

    begin(16 * MIB, 10);
    disk->fail_first = 9 * 2;
    disk->fail_end = 10 * 2;
    mutex_lock(&metadata.lock);
    EXPECT_EQUAL(look(8), word_of(8, 0));
    EXPECT(is_error(metadata_get(&metadata, 9, &block)));
    EXPECT_EQUAL(look(10), word_of(10, 0));
    for (uint32_t i = 0; i < 100; i++) {
        (void)look(1000 + i * 8);
    }
    disk->fail_end = disk->fail_first;
    EXPECT_EQUAL(look(9), word_of(9, 0));
    EXPECT_EQUAL(look(8), word_of(8, 0));
    mutex_unlock(&metadata.lock);
    end();
}

/* ---- newborn parts: their second word follows when all else is durable ---- */

#define PART_SHIFT 7u
#define FLUSHES    16u

static bool take_second_word(uint8_t *part)
{
    uint32_t *words = (uint32_t *)(void *)part;
    bool had = words[1] != 0;

    words[1] = 0;
    return had;
}

/* Part PART of block NUMBER becomes newborn, with the second word SECOND. */
static void bear(uint32_t number, uint32_t part, uint32_t generation, uint32_t second)
{
    struct metadata_block *block = get(number);
    uint8_t *bytes = block->bytes + ((size_t)part << PART_SHIFT);
    uint32_t *words = (uint32_t *)(void *)bytes;

    words[0] = word_of(number, 1);
    words[1] = second;
    metadata_dirty(&metadata, block);
    metadata_set_newborn(&metadata, block, bytes, generation);
    metadata_put(&metadata, block);
}

/* The words of a part: on the disk; in memory. */
static uint32_t on_disk_of(uint32_t number, uint32_t part, uint32_t word)
{
    return on_disk(number)[(part << PART_SHIFT) / 4 + word];
}

static uint32_t in_memory_of(uint32_t number, uint32_t part, uint32_t word)
{
    struct metadata_block *block = get(number);
    uint32_t value = ((uint32_t *)(void *)block->bytes)[(part << PART_SHIFT) / 4 + word];

    metadata_put(&metadata, block);
    return value;
}

static void say_order(uint32_t first, uint32_t then)
{
    struct metadata_block *blocks[2] = {get(first), get(then)};

    EXPECT(metadata_order(&metadata, blocks[0], blocks[1]));
    metadata_put(&metadata, blocks[0]);
    metadata_put(&metadata, blocks[1]);
}

static struct seen {
    uint32_t entry;
    uint32_t first;
    uint32_t second;
    uint32_t child;
} seen[FLUSHES]; /* on the disk at each FLUSH */
static uint32_t nseen;

static void observe(struct sim_disk *observed, const struct block_request *request)
{
    if (request->operation == BLOCK_FLUSH && observed == disk && nseen < FLUSHES) {
        seen[nseen++] = (struct seen){*on_disk(20), on_disk_of(10, 2, 0), on_disk_of(10, 2, 1),
                                      on_disk_of(30, 0, 1)};
    }
}

/* A directory, say, in block 10, its entry in block 20, and in block 30 what lies in it. */
static void bear_family(void)
{
    metadata_begin_change(&metadata);
    say_order(10, 20);
    bear(10, 2, 1, 5);
    change(20, 1);
    metadata_begin_change(&metadata);
    bear(30, 0, 2, 6);
}

static void begin_newborn(uint32_t block_shift)
{
    begin(16 * MIB, block_shift);
    metadata_set_parts(&metadata, PART_SHIFT, take_second_word);
    nseen = 0;
    disk->observe = observe;
}

static void check_newborn(uint32_t block_shift)
{
    begin_newborn(block_shift);
    mutex_lock(&metadata.lock);
    bear_family();
    EXPECT_STATUS(metadata_sync(&metadata), STATUS_SUCCESS);
    EXPECT_EQUAL(nseen, 4);
    EXPECT(seen[0].first == word_of(10, 1) && seen[0].second == 0);
    EXPECT_EQUAL(seen[0].entry, word_of(20, 0));
    EXPECT_EQUAL(seen[1].entry, word_of(20, 1));
    EXPECT_EQUAL(seen[1].second, 0);
    EXPECT(seen[2].second == 5 && seen[2].child == 0);
    EXPECT_EQUAL(seen[3].child, 6);
    EXPECT_EQUAL(metadata.ndirty, 0);
    change(10, 2); /* newborn no more: it is written once */
    EXPECT_STATUS(metadata_sync(&metadata), STATUS_SUCCESS);
    EXPECT(nseen == 5 && seen[4].second == 5);
    bear(10, 2, 1, 0); /* and so is one that has nothing to follow */
    EXPECT_STATUS(metadata_sync(&metadata), STATUS_SUCCESS);
    EXPECT_EQUAL(nseen, 6);
    mutex_unlock(&metadata.lock);
    end();
}

TEST("metadata: a newborn part is whole on the disk after all else, generation by generation")
{
    check_newborn(12);
}

TEST("metadata: newborn parts with four blocks in a page")
{
    check_newborn(10);
}

TEST("metadata: newborn parts of more blocks than can be copied at once")
{
    uint32_t count = 60;

    begin_newborn(12);
    mutex_lock(&metadata.lock);
    for (uint32_t i = 0; i < count; i++) {
        metadata_begin_change(&metadata);
        bear(i * 2, 2, 1, i + 1);
    }
    EXPECT_STATUS(metadata_sync(&metadata), STATUS_SUCCESS);
    EXPECT(nseen == 2 && seen[0].first == word_of(10, 1) && seen[0].second == 0);
    for (uint32_t i = 0; i < count; i++) {
        EXPECT_EQUAL(on_disk_of(i * 2, 2, 0), word_of(i * 2, 1));
        EXPECT_EQUAL(on_disk_of(i * 2, 2, 1), i + 1);
    }
    mutex_unlock(&metadata.lock);
    end();
}

TEST(
    "metadata: a newborn part stays one where writing fails, and no change begins until it is done")
{
    begin_newborn(12);
    mutex_lock(&metadata.lock);
    for (uint32_t n = 1; n <= 9; n++) { /* two, one, one and one blocks, each time a FLUSH */
        fill_disk(0);
        bear_family();
        nseen = 0;
        (void)failpoint_arm(FAILPOINT_DISK_REQUEST, n);
        EXPECT(is_error(metadata_sync(&metadata)));
        EXPECT_EQUAL(in_memory_of(10, 2, 1), 5);
        EXPECT_EQUAL(in_memory_of(30, 0, 1), 6);
        EXPECT(metadata.ndirty > 0 && metadata_is_full(&metadata));
        struct metadata_block *block = get(10);
        EXPECT_EQUAL(metadata_generation(&metadata, block, block->bytes + (2u << PART_SHIFT)),
                     n <= 5);
        metadata_put(&metadata, block);
        EXPECT_STATUS(metadata_sync(&metadata), STATUS_SUCCESS);
        EXPECT_EQUAL(on_disk_of(10, 2, 1), 5);
        EXPECT_EQUAL(on_disk_of(30, 0, 1), 6);
        EXPECT_EQUAL(*on_disk(20), word_of(20, 1));
        EXPECT(metadata.ndirty == 0 && !metadata_is_full(&metadata));
        for (uint32_t i = 0; i < nseen; i++) {
            EXPECT(seen[i].second == 0 || seen[i].entry == word_of(20, 1));
            EXPECT(seen[i].child == 0 || seen[i].second != 0);
        }
        bear(10, 2, 1, 0);
        bear(30, 0, 1, 0);
        EXPECT_STATUS(metadata_sync(&metadata), STATUS_SUCCESS);
        change(20, 0);
        EXPECT_STATUS(metadata_sync(&metadata), STATUS_SUCCESS);
    }
    (void)failpoint_arm(FAILPOINT_DISK_REQUEST, 0);
    mutex_unlock(&metadata.lock);
    end();
}

TEST("device: what the audit says of pinned pages is found when it is wrong")
{
    begin(16 * MIB, 12);
    EXPECT_EQUAL(count_wrong(10, 1, 0), 0);
    fixture_check();
    struct segment *segment = metadata.segment;
    segment->pinning.npages++;
    EXPECT(mm_audit() > 0);
    segment->pinning.npages--;
    mi_chunk(segment, 0)->pins++;
    EXPECT(mm_audit() > 0);
    mi_chunk(segment, 0)->pins--;
    uint32_t limit = segment->pinning.limit;
    segment->pinning.limit = 10;
    EXPECT(mm_audit() > 0);
    segment->pinning.limit = limit;
    pfn_t frame = pte_frame(pte_read(mi_proto_entry_locked(mi_chunk(segment, 0), 3)));
    mi_pfn(frame)->use.pins += PINS_LOCK;
    EXPECT(mm_audit() > 0);
    mi_pfn(frame)->use.pins -= PINS_LOCK;
    end();
}
