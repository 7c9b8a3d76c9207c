/*
 * tests/host/test_mm_pagefile.c: pages that come back from the paging file damaged or stale, in
 * ways that a weak checksum does not see: each is an in-page error, and none shows a wrong byte.
 */
#include <string.h>

#include "mm/pagefile.h"
#include "mm/pte.h"
#include "mm/slots.h"
#include "mm/table.h"
#include "tests/host/mm_fixture.h"

#define SLOTS      8192u
#define PAGES      5000u /* of the region; RAM has room for 2048 */
#define PAGE_WORDS (PAGE_BYTES / 4)
#define TOP_BIT    0x80000000u

static struct sim_disk *disk;
static struct space *space;
static uaddr_t region;

/* Every page has two words with the top bit and two without that the second round turns around. */
static uint32_t word_of(uint32_t page, uint32_t i, uint32_t round)
{
    uint32_t word = (page * PAGE_WORDS + i) * 2654435761u;
    return i == 6 || i == 900 ? word ^ (round * TOP_BIT) : word;
}

static void fill(uint32_t page, uint32_t round)
{
    uint32_t words[PAGE_WORDS];
    for (uint32_t i = 0; i < PAGE_WORDS; i++) {
        words[i] = word_of(page, i, round);
    }
    EXPECT_EQUAL(sim_write(fixture_page(region, page), words, PAGE_BYTES, NULL), FAULT_DONE);
}

static void boot(void)
{
    disk = fixture_boot_paging(8 * MIB, SLOTS);
    space = fixture_space();
    region = fixture_allocate(space, PAGES * PAGE_BYTES, PAGE_READWRITE);
}

static void end(void)
{
    fixture_settle();
    fixture_check();
    fixture_end_space(space);
    fixture_settle();
    EXPECT_EQUAL(mi_slots_used(), 0);
}

/* Where the disk keeps a page; NULL when the page is resident. */
static uint32_t *slot_of(uint32_t page)
{
    uint32_t number = fixture_page(region, page).v / PAGE_BYTES;
    pte_t *table = NULL;
    mutex_lock(&space->lock);
    REQUIRE(is_success(mi_table_get(space, number / CHUNK_PAGES, false, &table)));
    pte_t value = table == NULL ? pte_empty() : pte_read(&table[number % CHUNK_PAGES]);
    mutex_unlock(&space->lock);
    if (!pte_has_form(value, PTE_PAGEFILE)) {
        return NULL;
    }
    return (uint32_t *)(void *)(disk->contents + (size_t)pte_slot(value) * PAGE_BYTES);
}

/* Fills all pages, so that the first ones leave; the slot of PAGE. */
static uint32_t *fill_all(uint32_t page)
{
    for (uint32_t i = 0; i < PAGES; i++) {
        fill(i, 0);
    }
    fixture_settle();
    uint32_t *slot = slot_of(page);
    REQUIRE(slot != NULL);
    EXPECT_EQUAL(slot[17], word_of(page, 17, 0));
    return slot;
}

static void expect_refused(uint32_t page)
{
    uint32_t word = 0x5AFE5AFE;
    struct fault_report report = {0};
    EXPECT_EQUAL(sim_read(fixture_page(region, page), &word, 4, &report), FAULT_IN_PAGE_ERROR);
    EXPECT_STATUS(report.status, STATUS_IN_PAGE_ERROR);
    EXPECT_STATUS(report.cause, STATUS_DATA_ERROR);
    EXPECT_EQUAL(word, 0x5AFE5AFE);
}

static void expect_contents(uint32_t page, uint32_t round)
{
    uint32_t words[PAGE_WORDS];
    EXPECT_EQUAL(sim_read(fixture_page(region, page), words, PAGE_BYTES, NULL), FAULT_DONE);
    for (uint32_t i = 0; i < PAGE_WORDS; i++) {
        EXPECT_EQUAL(words[i], word_of(page, i, round));
    }
}

/* A number below PAGE_WORDS that is not OTHER. */
static uint32_t another_word(uint32_t other)
{
    return (other + 1 + sim_random(PAGE_WORDS - 1)) % PAGE_WORDS;
}

TEST("pagefile: the highest bit of two words is turned around: the page is refused")
{
    boot();
    uint32_t *slot = fill_all(40);
    for (uint32_t i = 0; i < 500; i++) {
        uint32_t a = i < PAGE_WORDS / 8 ? i * 8 : sim_random(PAGE_WORDS);
        uint32_t b = i < PAGE_WORDS / 8 ? a + 2 : another_word(a);
        slot[a] ^= TOP_BIT;
        slot[b] ^= TOP_BIT;
        expect_refused(40);
        slot[a] ^= TOP_BIT;
        slot[b] ^= TOP_BIT;
    }
    expect_contents(40, 0);
    end();
}

static void swap_words(uint32_t *slot, uint32_t a, uint32_t b)
{
    uint32_t word = slot[a];
    slot[a] = slot[b];
    slot[b] = word;
}

TEST("pagefile: two words have changed places, near each other or far away: the page is refused")
{
    boot();
    uint32_t *slot = fill_all(40);
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t a = sim_random(PAGE_WORDS);
        uint32_t b = i % 2 == 0 ? (a & ~7u) + (a + 1 + sim_random(7)) % 8 : another_word(a);
        swap_words(slot, a, b);
        expect_refused(40);
        swap_words(slot, a, b);
    }
    expect_contents(40, 0);
    end();
}

TEST("pagefile: random changes of highest bytes only: none of 2000 pages is shown")
{
    boot();
    uint32_t *slot = fill_all(40);
    uint32_t whole[PAGE_WORDS];
    memcpy(whole, slot, PAGE_BYTES);
    for (uint32_t i = 0; i < 2000; i++) {
        for (uint32_t changes = 1 + sim_random(8); changes != 0; changes--) {
            slot[sim_random(PAGE_WORDS)] ^= (1 + sim_random(255)) << 24;
        }
        if (memcmp(whole, slot, PAGE_BYTES) != 0) {
            expect_refused(40);
        }
        memcpy(slot, whole, PAGE_BYTES);
    }
    expect_contents(40, 0);
    end();
}

/* Puts what PAGE held in the first round into the slot of what it holds in the second. */
static void lose_write(uint32_t page, uint32_t *slot)
{
    for (uint32_t i = 0; i < PAGE_WORDS; i++) {
        EXPECT_EQUAL(slot[i], word_of(page, i, 1));
        slot[i] = word_of(page, i, 0);
    }
}

TEST("pagefile: a write was lost, and the slot has what the page held before: the page is refused")
{
    boot();
    (void)fill_all(0);
    for (uint32_t i = 0; i < PAGES; i++) {
        fill(i, 1);
    }
    fixture_settle();
    uint32_t lost = 0;
    for (uint32_t page = 0; page < PAGES; page++) {
        uint32_t *slot = slot_of(page);
        if (slot != NULL) {
            lose_write(page, slot);
            lost++;
        }
    }
    EXPECT(lost > PAGES / 2);
    for (uint32_t page = 0; page < lost; page++) {
        expect_refused(page);
    }
    end();
}

TEST("pagefile: a slot has what another slot ought to have: the page is refused, not shown")
{
    boot();
    uint32_t *slot = fill_all(40);
    const uint32_t *other = slot_of(400);
    uint32_t whole[PAGE_WORDS];
    REQUIRE(other != NULL);
    memcpy(whole, slot, PAGE_BYTES);
    memcpy(slot, other, PAGE_BYTES);
    expect_refused(40);
    memcpy(slot, whole, PAGE_BYTES);
    expect_contents(40, 0);
    expect_contents(400, 0);
    end();
}

TEST("pagefile: an entry keeps slot, generation and check apart from each other and the protection")
{
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t slot = i == 0 ? PTE_SLOTS - 1 : sim_random(PTE_SLOTS);
        uint32_t check = i == 0 ? UINT32_MAX : sim_random(UINT32_MAX);
        prot_t prot = (prot_t)(i % 32);
        pte_t value = pte_with_prot(pte_make_pagefile(slot, i % PTE_GENERATIONS, check), prot);
        EXPECT(pte_has_form(value, PTE_PAGEFILE));
        EXPECT_EQUAL(pte_slot(value), slot);
        EXPECT_EQUAL(pte_generation(value), i % PTE_GENERATIONS);
        EXPECT_EQUAL(pte_check(value), check);
        EXPECT_EQUAL(pte_prot(value), prot);
    }
}

TEST("pagefile: a paging file with more pages than an entry can name is not opened")
{
    fixture_boot(8 * MIB, 0, 1);
    disk = sim_disk_memory(64);
    struct pagefile_extent extents[] = {{0, PAGEFILE_PAGES_MAX}, {0, 1}};
    EXPECT_STATUS(mm_pagefile_open(&disk->device, extents, 2), STATUS_INVALID_PARAMETER);
}
