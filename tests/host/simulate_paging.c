/*
 * tests/host/simulate_paging.c: the paging file of the simulation: a disk that is late and errs,
 * what lies on it, and the quiet points.
 *
 * The disk knows which pages of it are not as they were written last; so an in-page error that
 * nothing explains is a failure, and so is a page whose only copy, in a slot, is wrong.
 */
#include "simulate.h"

#include <string.h>

#include "mm/frame.h"
#include "mm/init.h"
#include "mm/link.h"
#include "mm/page_in.h"
#include "mm/pagefile.h"
#include "mm/pfn.h"
#include "mm/slots.h"
#include "mm/table.h"
#include "mm/trim.h"
#include "quire/assert.h"

#define GAP          64u /* sectors that are not the paging file's, before each piece */
#define PAGE_SECTORS (PAGE_BYTES / SECTOR_BYTES)
#define PIECES       3u
#define REST_TRIES   3000u
#define HOG_MAX      4096u
#define CHILLS       4u

static struct sim_disk *disk; /* NULL: a run without paging file */
static struct pagefile_extent pieces[PIECES];

void sim_start_paging(void)
{
    static const uint32_t sizes[] = {700, 1200, 3000};
    uint32_t npages = sizes[sim_random(ARRAY_SIZE(sizes))];
    uint64_t sector = 0;

    for (uint32_t i = 0; i < PIECES; i++) {
        pieces[i].sector = sector + GAP;
        pieces[i].npages = i + 1 < PIECES ? npages / (2 + sim_random(4)) : npages;
        npages -= i + 1 < PIECES ? pieces[i].npages : 0;
        sector = pieces[i].sector + (uint64_t)pieces[i].npages * PAGE_SECTORS;
    }
    disk = sim_disk_memory(sector + GAP);
    disk->latency = 1000 + sim_random(100000);
    disk->latency_spread = 1 + sim_random(1000000);
    disk->shuffle = true;
    VERIFY(is_success(mm_pagefile_open(&disk->device, pieces, PIECES)));
}

bool sim_pages(void)
{
    return disk != NULL;
}

void sim_disk_errs(bool reads_and_writes, bool damages)
{
    if (disk != NULL) {
        disk->fail_one_in = reads_and_writes ? 3 + sim_random(30) : 0;
        disk->damage_one_in = damages ? 4 + sim_random(1u << (2 + sim_random(6))) : 0;
    }
}

uint32_t sim_disk_errors(void)
{
    return disk == NULL ? 0 : (uint32_t)(disk->errors + disk->damaged_reads);
}

/* ---- pressure ---- */

void sim_call_hog(struct actor *actor)
{
    static bool hogging;
    static pfn_t frames[HOG_MAX];
    uint32_t count = 0;
    uint32_t leave = mi_frames_wanted() - 1 - sim_random(mi_frames_wanted() / 2 - 1);

    if (hogging) {
        return;
    }
    hogging = true;
    simulation.hogs = true;
    while (count < HOG_MAX && mi_frames_available() > leave) {
        mi_wait_for_tables(1); /* as everybody who is about to take frames without waiting */
        frames[count] = mm_take_kernel_frame();
        if (pfn_is_none(frames[count])) {
            break;
        }
        count++;
    }
    sim_say(actor, "hogs %u frames, %u are available", count, mi_frames_available());
    thread_sleep_until(clock_now() + sim_random(3000000), false, NULL);
    while (count != 0) {
        mm_release_kernel_frame(frames[--count]);
    }
    hogging = false;
}

/* The accessed bits of a table's pages go. => nobody else changes it meanwhile but CPUs. */
static void chill_table(pte_t *table)
{
    for (uint32_t i = 0; i < CHUNK_PAGES; i++) {
        pte_t value = pte_read(&table[i]);

        while (pte_is_valid(value) && (value.v & PTE_ACCESSED) != 0 &&
               !pte_compare_exchange(&table[i], value, (pte_t){value.v & ~PTE_ACCESSED})) {
            value = pte_read(&table[i]);
        }
    }
}

/*
 * They come back: a TLB may still hold what was chilled, and nothing was flushed, so that what is
 * evicted meanwhile needs a flush of its own.
 */
static void warm_table(pte_t *table)
{
    for (uint32_t i = 0; i < CHUNK_PAGES; i++) {
        if (pte_is_valid(pte_read(&table[i]))) {
            pte_set(&table[i], PTE_ACCESSED);
        }
    }
}

static void for_each_table(struct segment *segment, void (*perform)(pte_t *table))
{
    uint32_t index = 0;

    for (struct chunk *chunk; (chunk = mi_chunk_at_or_after(segment, &index)) != NULL; index++) {
        spin_lock(&chunk->lock);
        pte_t *table = mi_proto_entry_locked(chunk, 0);
        if (table != NULL) {
            perform(table);
        }
        spin_unlock(&chunk->lock);
    }
}

void sim_call_chill(struct actor *actor)
{
    struct sim_section *section = &simulation.sections[sim_random(simulation.nsections)];

    if (!sim_pages() || !section->used || !section->made || section->usage == 0) {
        return;
    }
    section->usage++;
    for (uint32_t i = 0; i < CHILLS; i++) {
        uint32_t resident = mi_segment_resident(section->section.segment);
        sim_say(actor, "chills section %u: %u pages are resident", section->number, resident);
        if (resident == 0) {
            break;
        }
        for_each_table(section->section.segment, chill_table);
        mi_wait_with_lock(NULL); /* evicts and writes, as who needs a frame for a table does */
        mm_drain();
    }
    for_each_table(section->section.segment, warm_table);
    sim_release_section(section);
}

/* ---- quiet points ---- */

static uint32_t frames_under_way(void)
{
    uint32_t count = 0;

    for (uint32_t n = 0; n < mi_pfn_limit(); n++) {
        count += mi_pfn((pfn_t){n})->state == FRAME_TRANSITION;
    }
    return count;
}

static bool rests(void)
{
    return sim_files_rest() && (disk == NULL || (sim_disk_is_idle(disk) && sim_others_are_idle() &&
                                                 frames_under_way() == 0 &&
                                                 mi_frames_available() >= mi_frames_wanted()));
}

void sim_rest(void)
{
    for (uint32_t i = 0; i < REST_TRIES; i++) {
        if (rests()) {
            return;
        }
        mi_balancer_wake(); /* frames that came back to their owners do not wake it */
        thread_sleep_until(clock_now() + NS_PER_MS, false, NULL);
    }
    sim_wrong("the balancer finds no rest: %u frames available of %u, %u on their way",
              mi_frames_available(), mi_frames_wanted(), frames_under_way());
}

/* ---- what lies in slots ---- */

static const uint8_t *slot_contents(uint32_t slot)
{
    const struct pagefile_extent *piece = pieces;

    while (slot >= piece->npages) {
        slot -= piece->npages;
        piece++;
        VERIFY(piece < &pieces[PIECES]);
    }
    uint64_t sector = piece->sector + (uint64_t)slot * PAGE_SECTORS;
    return sim_disk_is_damaged(disk, sector) ? NULL : disk->contents + sector * SECTOR_BYTES;
}

/* A frame that a slot backs and nobody has stored to since holds what the slot does. */
static void check_slot_of_frame(pte_t value, const uint8_t *memory)
{
    pte_t original = {mi_pfn(pte_frame(value))->original};

    if (!pte_has_form(original, PTE_PAGEFILE) ||
        (pte_is_valid(value) && (value.v & PTE_DIRTY) != 0)) {
        return;
    }
    const uint8_t *slot = slot_contents(pte_slot(original));
    if (slot != NULL && memcmp(slot, memory, PAGE_BYTES) != 0) {
        sim_wrong("frame 0x%x counts as clean, and its slot holds something else",
                  pte_frame(value).n);
    }
}

bool sim_page_contents(pte_t value, bool alone, void *buffer)
{
    const uint8_t *slot;

    if (pte_has_frame(value)) {
        void *memory = window_open(pte_frame(value));
        memcpy(buffer, memory, PAGE_BYTES);
        window_close(memory);
        if (disk != NULL && alone) {
            check_slot_of_frame(value, buffer);
        }
        return true;
    }
    if (!pte_has_form(value, PTE_PAGEFILE) || (slot = slot_contents(pte_slot(value))) == NULL) {
        return false;
    }
    memcpy(buffer, slot, PAGE_BYTES);
    return true;
}

/* ---- entries, whose tables may be on the disk, too ---- */

bool sim_private_entry(struct space *space, uint32_t page, pte_t *value)
{
    pte_t *table;

    mutex_lock(&space->lock);
    status_t status = mi_table_get(space, page / CHUNK_PAGES, false, &table);
    *value = table == NULL ? pte_empty() : pte_read(&table[page % CHUNK_PAGES]);
    mutex_unlock(&space->lock);
    return is_success(status);
}

bool sim_table_is_lost(const struct space *space, uint32_t page)
{
    pte_t pde = pte_read(mi_directory_entry(space, page / CHUNK_PAGES));

    return pte_has_form(pde, PTE_PAGEFILE) && pte_prot(pde) != 0;
}

bool sim_segment_entry(struct segment *segment, uint32_t page, pte_t *value)
{
    struct chunk *chunk = mi_chunk(segment, page / CHUNK_PAGES);

    for (;;) {
        spin_lock(&chunk->lock);
        bool none = pte_is_empty(chunk->table);
        const pte_t *table = none ? NULL : mi_chunk_table_locked(segment, chunk);
        *value = table == NULL ? pte_empty() : pte_read(&table[page % CHUNK_PAGES]);
        spin_unlock(&chunk->lock);
        if (none || table != NULL) {
            return true;
        }
        if (is_error(mi_page_in_table(chunk, NULL))) {
            return false;
        }
    }
}

bool sim_is_disk_error(status_t status)
{
    return (status == STATUS_IO_DEVICE_ERROR || status == STATUS_DATA_ERROR) &&
           sim_disk_errors() != 0;
}

void sim_check_slots_are_free(void)
{
    if (mi_slots_used() != 0 && !mi_slots_are_lost()) {
        sim_wrong("%u slots are used at the end", mi_slots_used());
    }
}
