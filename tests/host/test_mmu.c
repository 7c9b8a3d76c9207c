/*
 * tests/host/test_mmu.c: the simulated MMU itself: rights, accessed and dirty bits, TLBs that keep
 * stale entries (a planted missing flush is seen), cache windows, user copies.
 */
#include "sim.h"
#include "test.h"

#include <string.h>

#include "kernel/log.h"

#define ADDRESS ((uaddr_t){0x00400000})

static const pfn_t top = {0x100};
static const pfn_t directories[2] = {{0x101}, {0x102}};
static const pfn_t table = {0x103};
static const pfn_t page = {0x104};
static const pfn_t other = {0x105};
static struct paging_root root;
static pte_t *directory_entry;
static pte_t *entry;
static uint32_t faults;
static uint64_t fix_flags; /* what the handler maps; 0: violation */

static enum fault_result handle(uaddr_t address, const struct access *access,
                                struct fault_report *report)
{
    EXPECT(access->user);
    (void)address;
    faults++;
    if (fix_flags == 0) {
        report->status = STATUS_ACCESS_VIOLATION;
        return FAULT_VIOLATION;
    }
    (void)pte_exchange(entry, pte_make_valid(page, fix_flags));
    tlb_flush_page(&root, ADDRESS);
    return FAULT_DONE;
}

static enum fault_result handle_window(const void *address, const struct access *access,
                                       struct fault_report *report)
{
    EXPECT(!access->user && cache_window_of(address) == 3);
    faults++;
    if (fix_flags == 0) {
        report->status = STATUS_IN_PAGE_ERROR;
        return FAULT_IN_PAGE_ERROR;
    }
    pte_write(entry, pte_make_valid(page, fix_flags));
    return FAULT_DONE;
}

static void boot(const struct sim_config *config)
{
    sim_boot(config);
    trap_register(
        &(struct trap_operations){.user_page_fault = handle, .window_fault = handle_window});
    paging_root_create(&root, top, directories);
    directory_entry = (pte_t *)frame_address(directories[0]) + (ADDRESS.v >> CHUNK_SHIFT);
    entry = (pte_t *)frame_address(table) + ((ADDRESS.v >> PAGE_SHIFT) % CHUNK_PAGES);
    pte_write(directory_entry, pte_make_valid(table, PTE_USER | PTE_WRITE));
    thread_attach_space(NULL, &root);
    memset(frame_address(page), 0x11, PAGE_BYTES);
    memset(frame_address(other), 0x22, PAGE_BYTES);
}

TEST("mmu: rights of both levels, accessed and dirty bits")
{
    boot(&(struct sim_config){.ncpus = 1});
    EXPECT(!sim_probe(ADDRESS, ACCESS_READ));
    pte_write(entry, pte_make_valid(page, PTE_USER | PTE_NX));
    EXPECT(sim_probe(ADDRESS, ACCESS_READ));
    EXPECT((entry->v & PTE_ACCESSED) != 0 && (entry->v & PTE_DIRTY) == 0);
    EXPECT(!sim_probe(ADDRESS, ACCESS_WRITE) && !sim_probe(ADDRESS, ACCESS_EXECUTE));
    (void)pte_exchange(entry, pte_make_valid(page, PTE_USER | PTE_WRITE));
    tlb_flush_page(&root, ADDRESS);
    EXPECT(sim_probe(ADDRESS, ACCESS_READ) && (entry->v & PTE_DIRTY) == 0);
    EXPECT(sim_probe(ADDRESS, ACCESS_WRITE) && (entry->v & PTE_DIRTY) != 0);
    EXPECT(sim_probe(ADDRESS, ACCESS_EXECUTE));
    (void)pte_exchange(directory_entry, pte_make_valid(table, PTE_USER));
    tlb_flush_root(&root);
    EXPECT(sim_probe(ADDRESS, ACCESS_READ) && !sim_probe(ADDRESS, ACCESS_WRITE));
    (void)pte_exchange(directory_entry, pte_make_valid(table, PTE_WRITE | PTE_NX));
    tlb_flush_root(&root);
    EXPECT(!sim_probe(ADDRESS, ACCESS_READ));
    paging_load(NULL);
    EXPECT(!sim_probe(ADDRESS, ACCESS_READ));
}

TEST("mmu: a fault calls the handler and retries; a violation comes back")
{
    struct fault_report report = {0};
    uint32_t value = 0;

    boot(&(struct sim_config){.ncpus = 1});
    EXPECT(sim_read(ADDRESS, &value, 4, &report) == FAULT_VIOLATION);
    EXPECT_STATUS(report.status, STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(copy_from_user(&value, ADDRESS, 4), STATUS_ACCESS_VIOLATION);
    EXPECT(!copy_from_user_nofault(&value, ADDRESS, 4));
    EXPECT(faults == 2 && sim_fault_count() == 3);
    fix_flags = PTE_USER | PTE_WRITE;
    EXPECT(sim_load32(ADDRESS) == 0x11111111);
    EXPECT(faults == 3);
    sim_store32(ADDRESS, 7);
    EXPECT_STATUS(user_write_u32((uaddr_t){ADDRESS.v + 8}, 9), STATUS_SUCCESS);
    EXPECT_STATUS(user_fill((uaddr_t){ADDRESS.v + 100}, 0xAB, 700), STATUS_SUCCESS);
    EXPECT(copy_to_user_nofault((uaddr_t){ADDRESS.v + 12}, "abcd", 4));
    const uint8_t *memory = frame_address(page);
    EXPECT(memory[0] == 7 && memory[8] == 9 && memory[12] == 'a');
    EXPECT(memory[99] == 0x11 && memory[100] == 0xAB && memory[799] == 0xAB && memory[800] == 0x11);
    EXPECT_STATUS(copy_to_user((uaddr_t){USER_END - 2}, "abcd", 4), STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(user_range_check((uaddr_t){0x10000}, UINT32_MAX), STATUS_ACCESS_VIOLATION);
    EXPECT(faults == 3 && sim_check_tlbs() == 0);
}

TEST("mmu: a planted missing flush is seen as a stale translation")
{
    boot(&(struct sim_config){.ncpus = 1});
    pte_write(entry, pte_make_valid(page, PTE_USER | PTE_WRITE));
    EXPECT(sim_load32(ADDRESS) == 0x11111111);
    sim_skip_flushes(1);
    (void)pte_exchange(entry, pte_make_valid(other, PTE_USER | PTE_WRITE));
    tlb_flush_page(&root, ADDRESS); /* does nothing */
    EXPECT(sim_load32(ADDRESS) == 0x11111111);
    EXPECT(sim_check_tlbs() == 1);
    tlb_flush_page(&root, ADDRESS);
    EXPECT(sim_load32(ADDRESS) == 0x22222222 && sim_check_tlbs() == 0);
    sim_store32(ADDRESS, 1);
    (void)pte_exchange(entry, pte_make_valid(other, PTE_USER)); /* write-protected: not flushed */
    sim_store32(ADDRESS, 2);
    EXPECT(*(uint32_t *)frame_address(other) == 2 && sim_check_tlbs() == 1);
    tlb_flush_all_user();
    EXPECT(!sim_probe(ADDRESS, ACCESS_WRITE) && sim_check_tlbs() == 0);
}

TEST("mmu: another CPU keeps its translation until it is told")
{
    boot(&(struct sim_config){.ncpus = 2});
    pte_write(entry, pte_make_valid(page, PTE_USER));
    EXPECT(sim_load32(ADDRESS) == 0x11111111);
    sim_use_cpu(1);
    EXPECT(cpus[1].root == &root && sim_load32(ADDRESS) == 0x11111111);
    EXPECT(sim_tlb_holds(0, ADDRESS) && sim_tlb_holds(1, ADDRESS));
    (void)pte_exchange(entry, (pte_t){0});
    EXPECT(sim_check_tlbs() == 2);
    tlb_flush_page(&root, ADDRESS);
    EXPECT(!sim_tlb_holds(0, ADDRESS) && !sim_tlb_holds(1, ADDRESS));
    pte_write(entry, pte_make_valid(page, PTE_USER));
    EXPECT(sim_load32(ADDRESS) == 0x11111111);
    thread_attach_space(NULL, NULL); /* this CPU leaves the root, and forgets */
    EXPECT(!sim_tlb_holds(1, ADDRESS));
    sim_use_cpu(0);
    EXPECT(cpus[0].root == &root);
}

TEST("mmu: a directory entry is cached apart from its pages")
{
    boot(&(struct sim_config){.ncpus = 1});
    static const pfn_t table2 = {0x106};
    uaddr_t next = {ADDRESS.v + PAGE_BYTES};
    pte_write(entry, pte_make_valid(page, PTE_USER));
    pte_write(entry + 1, pte_make_valid(page, PTE_USER));
    pte_write((pte_t *)frame_address(table2) + 1, pte_make_valid(other, PTE_USER));
    EXPECT(sim_load32(ADDRESS) == 0x11111111);
    (void)pte_exchange(directory_entry, pte_make_valid(table2, PTE_USER | PTE_WRITE));
    EXPECT(sim_load32(next) == 0x11111111); /* never seen before, and through the old table */
    tlb_flush_root(&root);
    EXPECT(sim_load32(next) == 0x22222222);
}

static void touch_reserved(void)
{
    boot(&(struct sim_config){.without_nx = true});
    EXPECT((pte_make_valid(page, PTE_NX).v & PTE_NX) == 0);
    entry->v = pte_make_valid(page, PTE_USER).v | PTE_NX;
    (void)sim_probe(ADDRESS, ACCESS_READ);
}

static void touch_missing_frame(void)
{
    boot(&(struct sim_config){.ncpus = 1});
    pte_write(entry, pte_make_valid((pfn_t){0x90000}, PTE_USER));
    (void)sim_probe(ADDRESS, ACCESS_READ);
}

static void touch_global(void)
{
    boot(&(struct sim_config){.ncpus = 1});
    pte_write(entry, pte_make_valid(page, PTE_USER | PTE_GLOBAL));
    (void)sim_probe(ADDRESS, ACCESS_READ);
}

static void fault_with_spinlock(void)
{
    static struct spinlock lock = SPINLOCK_INIT(RANK_PFN);

    boot(&(struct sim_config){.ncpus = 1});
    spin_lock(&lock);
    (void)sim_load32(ADDRESS);
}

static void replace_frame_without_exchange(void)
{
    boot(&(struct sim_config){.ncpus = 1});
    pte_write(entry, pte_make_valid(page, PTE_USER));
    pte_write(entry, pte_make_valid(other, PTE_USER));
}

TEST("mmu: what the manual forbids is caught")
{
    EXPECT(test_panics(touch_reserved, "reserved bits"));
    EXPECT(test_panics(touch_missing_frame, "no frame"));
    EXPECT(test_panics(touch_global, "is global"));
    EXPECT(test_panics(fault_with_spinlock, "preemption off"));
    EXPECT(test_panics(replace_frame_without_exchange, "assertion failed"));
}

TEST("mmu: cache windows show a table to the kernel, and fault on the ordinary path")
{
    uint8_t bytes[8];
    uint32_t copied = 99;

    boot(&(struct sim_config){.ncpus = 2});
    uint32_t index = (ADDRESS.v >> PAGE_SHIFT) % CHUNK_PAGES;
    uint8_t *window = (uint8_t *)cache_window_address(3) + index * PAGE_BYTES;
    cache_window_link(3, table);
    EXPECT_STATUS(copy_from_window(bytes, window, 8), STATUS_IN_PAGE_ERROR);
    EXPECT_STATUS(copy_window_to_user(ADDRESS, window, 8, &copied), STATUS_IN_PAGE_ERROR);
    EXPECT(copied == 0);
    fix_flags = PTE_USER | PTE_WRITE;
    EXPECT_STATUS(copy_from_window(bytes, window + 4000, 8), STATUS_SUCCESS);
    EXPECT(bytes[0] == 0x11);
    EXPECT_STATUS(copy_window_to_user((uaddr_t){ADDRESS.v + 64}, window, 64, &copied),
                  STATUS_SUCCESS);
    EXPECT(copied == 64);
    EXPECT_STATUS(copy_user_to_window(window + 128, ADDRESS, 64, &copied), STATUS_SUCCESS);
    cache_window_unlink(3);
    EXPECT(sim_check_tlbs() == 0);
    EXPECT(cache_window_of(window) == 3 && cache_window_of(bytes) == CACHE_WINDOWS);
}

TEST("machine: frames, holes and high memory")
{
    sim_boot(&(struct sim_config){
        .ram = {{0, 0x80000}, {0x100000, 0x180000}, {0x100000000ull, 0x100100000ull}},
        .direct_end = 0x140000});
    EXPECT(boot_info.nusable == 3 && boot_info.total_bytes == 0x200000);
    EXPECT(paging_direct_end() == 0x140);
    pfn_t low = {0x13F};
    pfn_t high = {0x100010};
    EXPECT(pfn_equal(frame_of(frame_address(low)), low));
    EXPECT(pfn_equal(frame_of((uint8_t *)frame_address(low) + 4095), low));
    memset(frame_address(low), 0x77, PAGE_BYTES);
    frame_copy(high, low);
    uint8_t *window = window_open(high);
    EXPECT(window[4095] == 0x77 && cpu_self()->preempt_count == 1);
    uint64_t hash = sim_hash();
    window[5] = 0;
    window_close(window);
    EXPECT(cpu_self()->preempt_count == 0 && sim_hash() != hash);
    frame_zero(high);
    window = window_open(high);
    EXPECT(window[4095] == 0);
    window_close(window);
}

TEST("machine: a kernel stack shows its frames")
{
    static const pfn_t frames[3] = {{0x110}, {0x118}, {0x111}};
    pfn_t got[3];

    sim_boot(&(struct sim_config){.ncpus = 1});
    EXPECT(kernel_stack_tables_missing(5) == 1);
    kernel_stack_map(5, frames, (pfn_t){0x120});
    EXPECT(kernel_stack_tables_missing(6) == 0);
    uint8_t *base = kernel_stack_address(5);
    base[0] = 1;
    base[4096] = 2;
    base[3 * 4096 - 1] = 3;
    EXPECT(*(uint8_t *)frame_address(frames[0]) == 1 && *(uint8_t *)frame_address(frames[1]) == 2);
    EXPECT(((uint8_t *)frame_address(frames[2]))[4095] == 3);
    kernel_stack_unmap(5, got);
    EXPECT(pfn_equal(got[1], frames[1]));
}

static void touch_guard_page(void)
{
    static const pfn_t frames[3] = {{0x110}, {0x118}, {0x111}};

    sim_boot(&(struct sim_config){.ncpus = 1});
    kernel_stack_map(0, frames, (pfn_t){0x120});
    volatile uint8_t *base = kernel_stack_address(0);
    base[0] = 1;
    log_print("touching the guard page\n");
    base[-1] = 1;
    panic("not reached");
}

TEST("machine: below a kernel stack lies a guard page")
{
    EXPECT(!test_panics(touch_guard_page, "not reached")); /* the host's own fault ends it */
}
