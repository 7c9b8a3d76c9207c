/*
 * tests/host/mm_fixture.c: see mm_fixture.h.
 */
#include "tests/host/mm_fixture.h"

#include <string.h>

#include "kernel/failpoint.h"
#include "mm/audit.h"
#include "mm/init.h"
#include "mm/link.h"
#include "mm/pagefile.h"
#include "mm/pfn.h"
#include "tests/host/inject.h"

static enum fault_result user_fault(uaddr_t address, const struct access *access,
                                    struct fault_report *report)
{
    return mm_access_fault(thread_self()->space, address, access, report);
}

const struct trap_operations fixture_operations = {.user_page_fault = user_fault,
                                                   .window_fault = mm_window_fault};

void fixture_boot_config(const struct sim_config *config)
{
    sim_boot(config);
    trap_register(&fixture_operations);
    REQUIRE(is_success(mm_init(&boot_info)));
    REQUIRE(is_success(mm_balancer_start()));
    inject_booted();
}

void fixture_boot(uint32_t nbytes, uint32_t high_nbytes, uint32_t ncpus)
{
    struct sim_config config = {.ram = {{0, nbytes}}, .ncpus = ncpus};
    if (high_nbytes != 0) {
        config.direct_end = nbytes;
        config.ram[1] = (struct memory_range){2ull * nbytes, 2ull * nbytes + high_nbytes};
    }
    fixture_boot_config(&config);
}

void fixture_boot_preempted(uint32_t nbytes, uint32_t seed, uint32_t preempt_one_in)
{
    fixture_boot_config(
        &(struct sim_config){.ram = {{0, nbytes}}, .seed = seed, .preempt_one_in = preempt_one_in});
}

void fixture_boot_explored(uint32_t nbytes, uint32_t seed, uint32_t ncpus)
{
    fixture_boot_config(&(struct sim_config){
        .ram = {{0, nbytes}}, .ncpus = ncpus, .seed = seed, .preempt_one_in = 20, .explore = true});
}

struct sim_disk *fixture_boot_paging(uint32_t nbytes, uint32_t slots)
{
    return fixture_boot_paging_preempted(nbytes, slots, 0);
}

struct sim_disk *fixture_boot_paging_preempted(uint32_t nbytes, uint32_t slots,
                                               uint32_t preempt_one_in)
{
    fixture_boot_preempted(nbytes, 0, preempt_one_in);
    return fixture_open_pagefile(slots);
}

struct sim_disk *fixture_open_pagefile(uint32_t slots)
{
    struct sim_disk *disk = sim_disk_memory((uint64_t)slots * 8);
    struct pagefile_extent extent = {0, slots};
    REQUIRE(is_success(mm_pagefile_open(&disk->device, &extent, 1)));
    return disk;
}

void fixture_settle(void)
{
    for (uint32_t i = 0; i < 200; i++) {
        sim_advance(NS_PER_MS);
    }
}

struct space *fixture_space(void)
{
    struct space *space = NULL;
    REQUIRE(is_success(mm_space_create(&space)));
    fixture_enter(space);
    return space;
}

void fixture_enter(struct space *space)
{
    thread_attach_space(space, space == NULL ? NULL : &space->root);
}

void fixture_end_space(struct space *space)
{
    if (thread_self()->space == space) {
        fixture_enter(NULL);
    }
    mm_space_empty(space);
    mm_space_destroy(space);
}

void fixture_section(struct section *section, uint32_t nbytes)
{
    REQUIRE(is_success(mm_section_create_memory(section, nbytes, PAGE_READWRITE, SEC_COMMIT)));
}

uaddr_t fixture_map(struct space *space, struct section *section, uint32_t base, uint64_t offset,
                    uint32_t nbytes, uint32_t protection)
{
    struct view_request request = {
        .base = {base}, .offset = offset, .nbytes = nbytes, .protection = protection};
    EXPECT_STATUS(mm_map_view(space, section, &request), STATUS_SUCCESS);
    return request.base;
}

uaddr_t fixture_allocate(struct space *space, uint32_t nbytes, uint32_t protection)
{
    uaddr_t base = {0};
    EXPECT_STATUS(
        mm_allocate_virtual(space, &base, &nbytes, 0, MEM_RESERVE | MEM_COMMIT, protection),
        STATUS_SUCCESS);
    return base;
}

void fixture_fill(uaddr_t base, uint32_t npages, uint32_t value)
{
    for (uint32_t i = 0; i < npages; i++) {
        sim_store32(fixture_page(base, i), value + i);
    }
}

uint32_t fixture_count_wrong(uaddr_t base, uint32_t npages, uint32_t value)
{
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < npages; i++) {
        wrong += sim_load32(fixture_page(base, i)) != value + i;
    }
    return wrong;
}

void fixture_chill(struct space *space, uaddr_t base, uint32_t npages)
{
    for (uint32_t i = 0; i < npages; i++) {
        uint32_t page = (base.v >> PAGE_SHIFT) + i;
        pte_clear(&mi_private_table(space, page / CHUNK_PAGES)[page % CHUNK_PAGES], PTE_ACCESSED);
    }
    tlb_flush_root(&space->root);
}

void fixture_press(struct space *space, uint32_t npages)
{
    fixture_enter(space);
    uaddr_t base = fixture_allocate(space, npages * PAGE_BYTES, PAGE_READWRITE);
    for (uint32_t round = 0; round < 3; round++) {
        fixture_fill(base, npages, round);
    }
    uint32_t nbytes = 0;
    EXPECT_STATUS(mm_free_virtual(space, &base, &nbytes, MEM_RELEASE), STATUS_SUCCESS);
}

uint32_t fixture_word(uint64_t offset)
{
    return (uint32_t)(offset * 2654435761u + (offset >> 32) + 17u);
}

/* One page of a file that has contents of its own; zeroes past their end. */
static void fill_from_bytes(const struct fixture_file *file, uint32_t page, uint8_t *target)
{
    uint32_t offset = page << PAGE_SHIFT;
    uint32_t count = offset < file->nbytes ? min_u32(PAGE_BYTES, file->nbytes - offset) : 0;
    memcpy(target, file->bytes + offset, count);
    memset(target + count, 0, PAGE_BYTES - count);
}

static status_t file_page_in(void *context, uint32_t first, uint32_t npages, const pfn_t *frames)
{
    struct fixture_file *file = context;
    file->page_ins++;
    if (file->slow) {
        (void)thread_sleep_until(clock_now() + NS_PER_MS, false, NULL);
    }
    if (is_error(file->error)) {
        return file->error;
    }
    if (failpoint_is_hit(FAILPOINT_DISK_REQUEST)) {
        return STATUS_IO_DEVICE_ERROR;
    }
    for (uint32_t i = 0; i < npages; i++) {
        uint32_t *words = window_open(frames[i]);
        if (file->bytes != NULL) {
            fill_from_bytes(file, first + i, (uint8_t *)words);
        }
        for (uint32_t word = 0; file->bytes == NULL && word < PAGE_BYTES / 4; word++) {
            words[word] = fixture_word(((uint64_t)(first + i) << PAGE_SHIFT) + word * 4u);
        }
        window_close(words);
    }
    file->pages_read += npages;
    return STATUS_SUCCESS;
}

static void file_released(void *context)
{
    ((struct fixture_file *)context)->released = true;
}

static const struct pager_operations file_pager = {
    .kind = "test", .page_in = file_page_in, .released = file_released};

static status_t file_reserve(void *context, uint32_t first, uint32_t wanted, uint32_t *ready)
{
    *ready = 1u << (wanted - first);
    return failpoint_is_hit(FAILPOINT_DISK_REQUEST)
               ? STATUS_IO_DEVICE_ERROR
               : ((struct fixture_file *)context)->reserve_error;
}

static status_t file_page_out(void *context, uint32_t first, uint32_t npages, const pfn_t *frames)
{
    struct fixture_file *file = context;
    EXPECT(first + npages <= file->npages && !pfn_is_none(frames[npages - 1]));
    if (file->during_write != NULL) {
        file->during_write();
    }
    if (file->before_write != NULL) {
        file->before_write(file, first, npages);
    }
    if (failpoint_is_hit(FAILPOINT_DISK_REQUEST)) {
        return STATUS_IO_DEVICE_ERROR;
    }
    file->pages_written += is_success(file->write_error) ? npages : 0;
    return file->write_error;
}

static const struct pager_operations written_file_pager = {.kind = "test",
                                                           .page_in = file_page_in,
                                                           .reserve = file_reserve,
                                                           .page_out = file_page_out,
                                                           .released = file_released};

static status_t make_file(struct fixture_file *file, uint32_t npages,
                          const struct pager_operations *pager)
{
    memset(file, 0, sizeof(*file));
    file->npages = npages;
    return mm_segment_create(&file->segment, (uint64_t)npages << PAGE_SHIFT, pager, file);
}

void fixture_file(struct fixture_file *file, uint32_t npages)
{
    REQUIRE(is_success(make_file(file, npages, &file_pager)));
}

status_t fixture_try_written_file(struct fixture_file *file, uint32_t npages)
{
    return make_file(file, npages, &written_file_pager);
}

void fixture_written_file(struct fixture_file *file, uint32_t npages)
{
    REQUIRE(is_success(fixture_try_written_file(file, npages)));
}

status_t fixture_try_file(struct fixture_file *file, const void *bytes, uint32_t nbytes)
{
    *file = (struct fixture_file){
        .bytes = bytes, .nbytes = nbytes, .npages = (nbytes + PAGE_MASK) >> PAGE_SHIFT};
    return mm_segment_create(&file->segment, nbytes, &file_pager, file);
}

void fixture_file_of(struct fixture_file *file, const void *bytes, uint32_t nbytes)
{
    REQUIRE(is_success(fixture_try_file(file, bytes, nbytes)));
}

void fixture_check(void)
{
    EXPECT_EQUAL(mm_audit(), 0);
    EXPECT_EQUAL(sim_check_tlbs(), 0);
}

struct fixture_usage fixture_usage(void)
{
    struct mm_frame_counts counts;
    struct mm_charges charges;
    mm_drain();
    mm_count_frames(&counts);
    mm_read_charges(&charges);
    return (struct fixture_usage){.objects = mm_pool_objects(),
                                  .commit = charges.commit,
                                  .available = counts.free + counts.zeroed};
}
