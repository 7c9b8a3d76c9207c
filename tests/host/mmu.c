/*
 * tests/host/mmu.c: the simulated MMU: the port of include/kernel/paging.h.
 *
 * A CPU walks PAE tables as Intel's manual describes (SDM volume 3A, sections 4.4, 4.6 and 4.10):
 * PDPTEs are copied when the root is loaded; a directory entry may be cached apart from the pages
 * below it; accessed bits are set by the walk, the dirty bit by the first store through a TLB
 * entry; rights are those of both levels together. A translation stays in the TLB, whatever becomes
 * of the tables, until a flush, a load of another root, or a fault on that very page removes it.
 * When CPUs run at once they speculate, too: they walk the tables for pages that were accessed not
 * long ago, at any moment, and keep what they find.
 * What the manual forbids (reserved bits, a large page or a global entry in user space, a table
 * that is no RAM) is a bug of the kernel: it panics.
 *
 * Cache windows are walked the same way, below a supervisor directory entry each.
 */
#define _GNU_SOURCE
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel/log.h"
#include "quire/assert.h"

#define TLB_ENTRIES         8192u
#define TLB_ENTRIES_EXPLORE 512u
#define RECENT_PAGES        24u
#define SPECULATED_ONE_IN   16u
#define READ_STEP_ONE_IN    16u      /* explore: some reads of entries begin a step, too */
#define USER_SLOTS          1024u    /* 2 MiB slots of user space */
#define KERNEL_PAGE         0x80000u /* page numbers from here on: the cache windows */
#define WINDOW_BYTES        CHUNK_BYTES
#define PHYSICAL_BITS       36u
#define RIGHTS              (PTE_WRITE | PTE_USER | PTE_NX)
#define RESERVED_BITS       (0x7FF0000000000000ull | (PTE_ADDRESS & ~((1ull << PHYSICAL_BITS) - 1)))
#define PDPTE_RESERVED      0x1E6ull

struct tlb_entry {
    uint32_t page;       /* page number, windows from KERNEL_PAGE on */
    uint32_t generation; /* valid when it is the CPU's */
    uint64_t entry;      /* frame and rights of both levels, PTE_DIRTY when it was set */
};

struct directory_entry {
    uint64_t entry;
    uint32_t generation;
};

struct sim_cpu {
    uint64_t pdpte[4];
    bool loaded; /* a root other than the kernel's own */
    uint32_t generation;
    uint32_t directory_generation;
    uint32_t recent[RECENT_PAGES]; /* user pages accessed of late: speculation goes there again */
    struct tlb_entry tlb[TLB_ENTRIES];
    struct directory_entry directories[USER_SLOTS];
};

static struct sim_cpu sim_cpus[CPUS_MAX];
static struct tlb_counters counters;
static uint32_t flushes_to_skip;
static uint64_t window_directory[CACHE_WINDOWS]; /* the kernel's directory entries of the windows */
static uint8_t *windows;                         /* addresses only: nothing is mapped */
static uint32_t open_windows[CPUS_MAX];
static uint32_t tlb_entries = TLB_ENTRIES; /* fewer when CPUs run at once */

static struct sim_cpu *this_cpu(void)
{
    return &sim_cpus[cpu_self()->number];
}

/* ---- entries ---- */

bool paging_has_nx(void)
{
    return !sim.config.without_nx;
}

pte_t pte_make_valid(pfn_t frame, uint64_t flags)
{
    if (sim.config.without_nx) {
        flags &= ~PTE_NX;
    }
    return (pte_t){pfn_to_paddr(frame).v | flags | PTE_PRESENT};
}

/* Whoever looks at an entry, or changes it, knows that its table is not given up. */
static void check_table(const pte_t *entry)
{
    uintptr_t offset = (uintptr_t)entry - (uintptr_t)sim.arena;

    if (sim.frame_in_use != NULL && offset < sim.arena_nbytes &&
        !sim.frame_in_use(frame_of(entry), false)) {
        panic("simulated MMU: an entry of a table in frame 0x%x, which was given up",
              frame_of(entry).n);
    }
}

/* What a test waits for. */
static struct {
    const pte_t *entry; /* NULL: nothing */
    uint32_t left;
    void (*then)(void);
} awaited_read;

void sim_on_read(const pte_t *entry, uint32_t nth, void (*then)(void))
{
    awaited_read.entry = entry;
    awaited_read.left = nth;
    awaited_read.then = then;
}

static void note_read(const pte_t *entry)
{
    if (entry == awaited_read.entry && --awaited_read.left == 0) {
        awaited_read.entry = NULL;
        awaited_read.then();
    }
}

pte_t pte_read(const pte_t *entry)
{
    if (sim.config.explore && sim_random(READ_STEP_ONE_IN) == 0) {
        sim_poll();
    }
    check_table(entry);
    pte_t value = {__atomic_load_n(&entry->v, __ATOMIC_RELAXED)};
    if (sim.config.explore && sim_random(READ_STEP_ONE_IN) == 0) {
        sim_poll(); /* before anything is made of it */
    }
    note_read(entry);
    return value;
}

void pte_write(pte_t *entry, pte_t value)
{
    sim_step();
    check_table(entry);
    uint64_t old = entry->v;

    if ((old & PTE_PRESENT) != 0) {
        ASSERT((value.v & PTE_PRESENT) != 0 && ((old ^ value.v) & PTE_ADDRESS) == 0);
        ASSERT((old & PTE_NX) != 0 || (value.v & PTE_NX) == 0);
        ASSERT((old & (PTE_WRITE | PTE_USER) & ~value.v) == 0);
        ASSERT((old & PTE_DIRTY & ~value.v) == 0); /* a CPU has set it meanwhile: exchange */
    }
    __atomic_store_n(&entry->v, value.v, __ATOMIC_RELAXED);
}

pte_t pte_exchange(pte_t *entry, pte_t value)
{
    sim_step();
    check_table(entry);
    return (pte_t){__atomic_exchange_n(&entry->v, value.v, __ATOMIC_SEQ_CST)};
}

/* Some CPU may have walked the tables just now. */
static void speculate(pte_t *entry)
{
    if (sim.config.explore && (entry->v & (PTE_PRESENT | PTE_ACCESSED)) == PTE_PRESENT &&
        sim_random(SPECULATED_ONE_IN) == 0) {
        entry->v |= PTE_ACCESSED;
    }
}

bool pte_compare_exchange(pte_t *entry, pte_t expected, pte_t value)
{
    sim_step();
    check_table(entry);
    speculate(entry);
    return __atomic_compare_exchange_n(&entry->v, &expected.v, value.v, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

void pte_set(pte_t *entry, uint32_t bits)
{
    sim_step();
    check_table(entry);
    speculate(entry);
    ASSERT((entry->v & PTE_PRESENT) != 0);
    (void)__atomic_fetch_or(&entry->v, bits, __ATOMIC_SEQ_CST);
}

void pte_clear(pte_t *entry, uint32_t bits)
{
    sim_step();
    check_table(entry);
    speculate(entry);
    ASSERT((entry->v & PTE_PRESENT) != 0);
    (void)__atomic_fetch_and(&entry->v, ~(uint64_t)bits, __ATOMIC_SEQ_CST);
}

/* ---- frames ---- */

void *window_open(pfn_t frame)
{
    sim_step();
    preempt_disable();
    open_windows[cpu_self()->number]++;
    VERIFY(open_windows[cpu_self()->number] <= 2);
    if (sim.frame_in_use != NULL && !sim.frame_in_use(frame, false)) {
        panic("simulated MMU: a window shows frame 0x%x, which was given up", frame.n);
    }
    return sim_frame(frame);
}

void window_close(void *address)
{
    VERIFY(open_windows[cpu_self()->number] != 0 && (uint8_t *)address >= sim.arena &&
           (uint8_t *)address < sim.arena + sim.arena_nbytes);
    open_windows[cpu_self()->number]--;
    preempt_enable();
}

void frame_zero(pfn_t frame)
{
    sim_check_new_frame(frame);
    memset(sim_frame(frame), 0, PAGE_BYTES);
}

void frame_copy(pfn_t target, pfn_t source)
{
    sim_check_new_frame(target);
    memcpy(sim_frame(target), sim_frame(source), PAGE_BYTES);
}

/* ---- flushes ---- */

static bool skip_flush(void)
{
    if (flushes_to_skip == 0) {
        return false;
    }
    flushes_to_skip--;
    return true;
}

void sim_skip_flushes(uint32_t n)
{
    flushes_to_skip = n;
}

static struct tlb_entry *tlb_slot(struct sim_cpu *cpu, uint32_t page)
{
    return &cpu->tlb[(page ^ (page >> 13)) % tlb_entries];
}

/* What INVLPG does: that page, and every cached directory entry. */
static void drop_page(struct sim_cpu *cpu, uint32_t page)
{
    struct tlb_entry *entry = tlb_slot(cpu, page);

    if (entry->page == page) {
        entry->generation = cpu->generation - 1;
    }
    cpu->directory_generation++;
}

static void drop_all(struct sim_cpu *cpu)
{
    cpu->generation++;
    cpu->directory_generation++;
}

/* ---- roots ---- */

void paging_root_create(struct paging_root *root, pfn_t top, const pfn_t directories[2])
{
    uint64_t *entries = frame_address(top);

    root->top = top;
    for (uint32_t i = 0; i < 2; i++) {
        root->directories[i] = directories[i];
        entries[i] = pfn_to_paddr(directories[i]).v | PTE_PRESENT;
    }
}

void paging_load(const struct paging_root *root)
{
    struct sim_cpu *cpu = this_cpu();

    counters.loads++;
    drop_all(cpu);
    cpu->loaded = root != NULL;
    memset(cpu->pdpte, 0, sizeof(cpu->pdpte));
    if (root != NULL) {
        memcpy(cpu->pdpte, frame_address(root->top), sizeof(cpu->pdpte));
        for (uint32_t i = 0; i < 2; i++) {
            VERIFY((cpu->pdpte[i] & (PDPTE_RESERVED | RESERVED_BITS | PTE_NX)) == 0);
            VERIFY(pfn_equal(pte_frame((pte_t){cpu->pdpte[i]}), root->directories[i]));
        }
    }
    cpu_self()->root = root;
}

/* ---- the flushes of the port ---- */

/*
 * A flush of [page, page + count) on several CPUs; count 0: everything. The CPU that asks does its
 * part at once. Another one that runs does it when it takes the interrupt; the asker waits, with
 * preemption off, and takes what it is asked for meanwhile.
 */
struct shootdown {
    uint32_t page;
    uint32_t count;
    uint32_t waiting; /* a bit for each CPU that has not acknowledged */
};
static struct shootdown shootdowns[CPUS_MAX]; /* one for each CPU that asks */

static void perform(struct sim_cpu *cpu, const struct shootdown *shootdown)
{
    if (shootdown->count == 0) {
        drop_all(cpu);
    }
    for (uint32_t i = 0; i < shootdown->count; i++) {
        drop_page(cpu, shootdown->page + i);
    }
}

void sim_acknowledge(uint32_t n)
{
    for (uint32_t i = 0; i < sim.config.ncpus; i++) {
        if ((shootdowns[i].waiting & (1u << n)) != 0) {
            perform(&sim_cpus[n], &shootdowns[i]);
            shootdowns[i].waiting &= ~(1u << n);
        }
    }
}

/* On every CPU that has ROOT loaded; EVERY: on all. */
static void shoot_down(const struct paging_root *root, bool every, uint32_t page, uint32_t count)
{
    if (skip_flush()) {
        return;
    }
    preempt_disable();
    uint32_t self = cpu_self()->number;
    struct shootdown *shootdown = &shootdowns[self];

    while (shootdown->waiting != 0) { /* the planted flaw left it */
        cpu_relax();
    }
    *shootdown = (struct shootdown){.page = page, .count = count};
    for (uint32_t i = 0; i < sim.config.ncpus; i++) {
        if (!every && cpus[i].root != root) {
            continue;
        }
        if (i == self || !sim.config.explore || sim_cpu_is_idle(i)) {
            perform(&sim_cpus[i], shootdown);
        } else {
            shootdown->waiting |= 1u << i;
        }
    }
    while (shootdown->waiting != 0 && !sim.config.unacknowledged) {
        cpu_relax();
    }
    preempt_enable();
}

void tlb_flush_page(const struct paging_root *root, uaddr_t address)
{
    counters.pages++;
    shoot_down(root, false, address.v >> PAGE_SHIFT, 1);
}

void tlb_flush_root(const struct paging_root *root)
{
    counters.roots++;
    shoot_down(root, false, 0, 0);
}

void tlb_flush_all_user(void)
{
    counters.all++;
    shoot_down(NULL, true, 0, 0);
}

uint32_t sim_window_page(const void *address)
{
    return KERNEL_PAGE + (uint32_t)(((uintptr_t)address - (uintptr_t)windows) >> PAGE_SHIFT);
}

void tlb_flush_kernel(const void *address)
{
    if (cache_window_of(address) != CACHE_WINDOWS) {
        shoot_down(NULL, true, sim_window_page(address), 1);
    }
}

void tlb_read_counters(struct tlb_counters *out)
{
    *out = counters;
}

/* ---- what TLBs may not hold ---- */

void sim_watch_frames(bool (*in_use)(pfn_t frame, bool translated))
{
    sim.frame_in_use = in_use;
}

void sim_check_new_frame(pfn_t frame)
{
    if (sim.frame_in_use == NULL) {
        return;
    }
    for (uint32_t i = 0; i < sim.config.ncpus; i++) {
        for (uint32_t j = 0; j < tlb_entries; j++) {
            const struct tlb_entry *entry = &sim_cpus[i].tlb[j];

            if (entry->generation == sim_cpus[i].generation && entry->entry != 0 &&
                pfn_equal(pte_frame((pte_t){entry->entry}), frame)) {
                panic("simulated MMU: frame 0x%x is filled anew, and CPU %u still translates page "
                      "0x%05x to it",
                      frame.n, i, entry->page);
            }
        }
    }
}

void sim_unload_root(const struct paging_root *root)
{
    for (uint32_t i = 0; i < sim.config.ncpus; i++) {
        if (cpus[i].root == root) {
            VERIFY(cpus[i].thread->root != root);
            drop_all(&sim_cpus[i]);
            sim_cpus[i].loaded = false;
            cpus[i].root = NULL;
        }
    }
}

void sim_watch_translations(bool (*allowed)(pfn_t frame, bool window))
{
    sim.translation_allowed = allowed;
}

/* An access goes through a translation to FRAME, or a walk through a table in it. */
static void check_use(pfn_t frame, uint32_t page)
{
    if (sim.translation_allowed != NULL && !sim.translation_allowed(frame, page >= KERNEL_PAGE)) {
        panic("simulated MMU: CPU %u reaches page 0x%05x through frame 0x%x, which its root does "
              "not map any more",
              cpu_self()->number, page, frame.n);
    }
    if (sim.frame_in_use != NULL && !sim.frame_in_use(frame, true)) {
        panic("simulated MMU: CPU %u reaches page 0x%05x through frame 0x%x, which was given up",
              cpu_self()->number, page, frame.n);
    }
}

/* ---- the walk ---- */

static void check_entry(uint64_t entry, uint32_t page, const char *level)
{
    uint64_t reserved = RESERVED_BITS | (sim.config.without_nx ? PTE_NX : 0);

    if ((entry & reserved) != 0 || !sim_frame_exists(pte_frame((pte_t){entry}))) {
        panic("simulated MMU: %s of page 0x%05x has reserved bits or no frame: 0x%016llx", level,
              page, (unsigned long long)entry);
    }
    if (page < KERNEL_PAGE && (entry & (PTE_GLOBAL | PTE_LARGE)) != 0) {
        panic("simulated MMU: %s of page 0x%05x is global or large: 0x%016llx", level, page,
              (unsigned long long)entry);
    }
}

static uint64_t *table_entry(uint64_t upper, uint32_t index)
{
    return (uint64_t *)(void *)sim_frame(pte_frame((pte_t){upper})) + index;
}

/* The directory entry for PAGE as CPU sees it, its accessed bit set; 0 when it is not present. */
static uint64_t walk_directory(struct sim_cpu *cpu, uint32_t page)
{
    uint32_t slot = page / CHUNK_PAGES;

    if (page >= KERNEL_PAGE) {
        return window_directory[slot - KERNEL_PAGE / CHUNK_PAGES];
    }
    if (!cpu->loaded) {
        return 0;
    }
    struct directory_entry *cached = &cpu->directories[slot];
    if (cached->generation == cpu->directory_generation) {
        return cached->entry;
    }
    uint64_t *entry = table_entry(cpu->pdpte[slot / CHUNK_PAGES], slot % CHUNK_PAGES);
    if ((*entry & PTE_PRESENT) == 0) {
        return 0;
    }
    check_entry(*entry, page, "directory entry");
    *entry |= PTE_ACCESSED;
    *cached = (struct directory_entry){*entry, cpu->directory_generation};
    return *entry;
}

/* The rights of both levels: what either forbids is forbidden. */
static uint64_t combine(uint64_t upper, uint64_t lower)
{
    return (lower & (PTE_ADDRESS | PTE_PRESENT | PTE_DIRTY | PTE_ACCESSED)) |
           (lower & upper & (PTE_WRITE | PTE_USER)) | ((lower | upper) & PTE_NX);
}

static bool permits(uint64_t entry, const struct access *access)
{
    return (!access->user || (entry & PTE_USER) != 0) &&
           (access->kind != ACCESS_WRITE || (entry & PTE_WRITE) != 0) &&
           (access->kind != ACCESS_EXECUTE || (entry & PTE_NX) == 0);
}

/* Walks the tables for PAGE; true and the TLB filled, or a fault and access->present. */
static bool walk(struct sim_cpu *cpu, uint32_t page, struct access *access)
{
    uint64_t upper = walk_directory(cpu, page);

    if ((upper & PTE_PRESENT) == 0) {
        access->present = false;
        return false;
    }
    check_use(pte_frame((pte_t){upper}), page);
    uint64_t *lower = table_entry(upper, page % CHUNK_PAGES);
    access->present = (*lower & PTE_PRESENT) != 0;
    if (!access->present) {
        return false;
    }
    check_entry(*lower, page, "table entry");
    if (!permits(combine(upper, *lower), access)) {
        return false;
    }
    *lower |= PTE_ACCESSED | (access->kind == ACCESS_WRITE ? PTE_DIRTY : 0);
    *tlb_slot(cpu, page) = (struct tlb_entry){page, cpu->generation, combine(upper, *lower)};
    return true;
}

void sim_speculate(void)
{
    struct sim_cpu *cpu = this_cpu();
    uint32_t page = cpu->recent[sim_random(RECENT_PAGES)];
    struct access access = {.kind = ACCESS_READ, .user = true};

    if (page != 0) {
        (void)walk(cpu, page, &access);
    }
}

/* What a fault does: that page and the directory entry that its walk used. */
static void drop_faulted(struct sim_cpu *cpu, uint32_t page)
{
    struct tlb_entry *entry = tlb_slot(cpu, page);

    if (entry->page == page) {
        entry->generation = cpu->generation - 1;
    }
    if (page < KERNEL_PAGE) {
        cpu->directories[page / CHUNK_PAGES].generation = cpu->directory_generation - 1;
    }
}

/* What the tables say of PAGE now, without a trace: 0 when nothing. */
static uint64_t look_up(const struct sim_cpu *cpu, uint32_t page)
{
    uint32_t slot = page / CHUNK_PAGES;
    uint64_t upper;

    if (page >= KERNEL_PAGE) {
        upper = window_directory[slot - KERNEL_PAGE / CHUNK_PAGES];
    } else {
        upper = *table_entry(cpu->pdpte[slot / CHUNK_PAGES], slot % CHUNK_PAGES);
    }
    if ((upper & PTE_PRESENT) == 0) {
        return 0;
    }
    uint64_t lower = *table_entry(upper, page % CHUNK_PAGES);
    return (lower & PTE_PRESENT) != 0 ? combine(upper, lower) : 0;
}

/*
 * A store goes through ENTRY, which knows that its page is dirty: so do the tables, as long as they
 * grant the store. Else somebody has overwritten the bit that a CPU set.
 */
static void check_dirty(const struct sim_cpu *cpu, const struct tlb_entry *entry,
                        const struct access *access)
{
    if (sim.frame_in_use == NULL || access->kind != ACCESS_WRITE || entry->page >= KERNEL_PAGE) {
        return;
    }
    uint64_t now = look_up(cpu, entry->page);
    if ((now & (PTE_WRITE | PTE_DIRTY)) == PTE_WRITE && ((now ^ entry->entry) & PTE_ADDRESS) == 0) {
        panic("simulated MMU: CPU %u stores to page 0x%05x, which it has made dirty and which is "
              "clean",
              cpu_self()->number, entry->page);
    }
}

uint8_t *sim_translate(uint32_t page, struct access *access)
{
    struct sim_cpu *cpu = this_cpu();

    if (page < KERNEL_PAGE) {
        cpu->recent[sim.config.explore ? sim_random(RECENT_PAGES) : 0] = page;
    }
    struct tlb_entry *entry = tlb_slot(cpu, page);
    bool hit = entry->page == page && entry->generation == cpu->generation;

    if (hit && permits(entry->entry, access) &&
        (access->kind != ACCESS_WRITE || (entry->entry & PTE_DIRTY) != 0)) {
        check_use(pte_frame((pte_t){entry->entry}), page);
        check_dirty(cpu, entry, access);
        return sim_frame(pte_frame((pte_t){entry->entry}));
    }
    if (hit && !permits(entry->entry, access)) {
        access->present = true; /* a stale entry may fault where the tables would not */
    } else if (walk(cpu, page, access)) {
        return sim_frame(pte_frame((pte_t){entry->entry}));
    }
    drop_faulted(cpu, page);
    sim.faults++;
    return NULL;
}

uint64_t sim_fault_count(void)
{
    return sim.faults;
}

/* ---- looking into the TLBs ---- */

bool sim_tlb_holds(uint32_t n, uaddr_t address)
{
    const struct tlb_entry *entry = tlb_slot(&sim_cpus[n], address.v >> PAGE_SHIFT);

    return entry->page == address.v >> PAGE_SHIFT && entry->generation == sim_cpus[n].generation;
}

uint64_t sim_tlb_rights(uint32_t n, uaddr_t address)
{
    uint64_t entry = tlb_slot(&sim_cpus[n], address.v >> PAGE_SHIFT)->entry;

    return sim_tlb_holds(n, address) ? entry & (PTE_PRESENT | PTE_WRITE | PTE_NX | PTE_DIRTY) : 0;
}

/*
 * Whether HELD grants what NOW does not. So does one whose page counts as not used: a page used all
 * the time would leave, since its accessed bit is set by a walk alone.
 */
static bool is_stale(uint64_t held, uint64_t now)
{
    return (now & PTE_PRESENT) == 0 || ((held ^ now) & PTE_ADDRESS) != 0 ||
           (held & ~now & (PTE_WRITE | PTE_USER | PTE_ACCESSED)) != 0 ||
           (~held & now & PTE_NX) != 0 ||
           ((held & PTE_WRITE) != 0 && (held & ~now & PTE_DIRTY) != 0);
}

/* Cached directory entries of CPU I that lead elsewhere than the directory does. */
static uint32_t count_stale_directories(uint32_t i)
{
    const struct sim_cpu *cpu = &sim_cpus[i];
    uint32_t count = 0;

    for (uint32_t slot = 0; cpu->loaded && slot < USER_SLOTS; slot++) {
        const struct directory_entry *cached = &cpu->directories[slot];
        uint64_t now = *table_entry(cpu->pdpte[slot / CHUNK_PAGES], slot % CHUNK_PAGES);

        if (cached->generation == cpu->directory_generation && is_stale(cached->entry, now)) {
            log_print("CPU %u: stale directory entry of slot %u: 0x%016llx, now 0x%016llx\n", i,
                      slot, (unsigned long long)cached->entry, (unsigned long long)now);
            count++;
        }
    }
    return count;
}

uint32_t sim_check_tlbs(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < sim.config.ncpus; i++) {
        const struct sim_cpu *cpu = &sim_cpus[i];

        count += count_stale_directories(i);
        for (uint32_t j = 0; j < tlb_entries; j++) {
            const struct tlb_entry *entry = &cpu->tlb[j];

            if (entry->generation != cpu->generation || entry->entry == 0) {
                continue;
            }
            uint64_t now = look_up(cpu, entry->page);
            if (is_stale(entry->entry, now)) {
                log_print("CPU %u: stale translation of page 0x%05x: 0x%016llx, now 0x%016llx\n", i,
                          entry->page, (unsigned long long)entry->entry, (unsigned long long)now);
                count++;
            }
        }
    }
    return count;
}

/* ---- cache windows ---- */

void *cache_window_address(uint32_t window)
{
    ASSERT(window < CACHE_WINDOWS);
    return windows + (size_t)window * WINDOW_BYTES;
}

uint32_t cache_window_of(const void *address)
{
    uintptr_t offset = (uintptr_t)address - (uintptr_t)windows;

    return offset < (uintptr_t)CACHE_WINDOWS * WINDOW_BYTES ? (uint32_t)(offset / WINDOW_BYTES)
                                                            : CACHE_WINDOWS;
}

void cache_window_link(uint32_t window, pfn_t table)
{
    ASSERT(window < CACHE_WINDOWS && window_directory[window] == 0);
    window_directory[window] =
        pfn_to_paddr(table).v | PTE_PRESENT | PTE_WRITE | (sim.config.without_nx ? 0 : PTE_NX);
}

void cache_window_unlink(uint32_t window)
{
    ASSERT(window < CACHE_WINDOWS && window_directory[window] != 0);
    window_directory[window] = 0;
    shoot_down(NULL, true, KERNEL_PAGE + window * CHUNK_PAGES, CHUNK_PAGES);
}

/* ---- start ---- */

uint8_t *sim_reserve(size_t nbytes)
{
    uint8_t *base =
        mmap(NULL, nbytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (base == MAP_FAILED) {
        perror("quire: tests: address space");
        exit(2);
    }
    return base;
}

void sim_mmu_start(void)
{
    if (sim.config.explore) {
        tlb_entries = TLB_ENTRIES_EXPLORE;
    }
    windows = sim_reserve((size_t)CACHE_WINDOWS * WINDOW_BYTES);
    sim_stacks_start();
    for (uint32_t i = 0; i < CPUS_MAX; i++) {
        sim_cpus[i].generation = 1;
        sim_cpus[i].directory_generation = 1;
    }
}
