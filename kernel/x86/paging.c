/*
 * kernel/x86/paging.c: the machine port of kernel/paging.h: the kernel's own tables, roots, TLBs,
 * windows.
 *
 *   0x80000000  direct map: physical 0 to 1 GiB at most, in pages of 2 MiB; 4 KiB pages over the
 *               kernel's image: text read-only, rodata read-only and not executable, everything
 *               else not executable; the page below the boot stack is missing
 *   0xC0000000  kernel stacks: slots of 16 KiB, a guard page and three pages
 *   0xC4000000  cache windows: 32 of 2 MiB; a directory entry links a prototype table
 *   0xC8000000  frame windows: two pages per CPU, for frames above the direct map
 *   0xC8200000  device memory, uncached
 *
 * The two page directories of the kernel half are the same in every root, so an entry made here
 * appears everywhere. All tables that boot needs lie in bss; the stack area's come from above.
 * Kernel mappings are global, except the leaves of cache windows, which are prototype entries.
 *
 * One CPU runs. What is flushed is decided by the root that it has loaded (cpu->root).
 */
#include "kernel/paging.h"

#include "kernel/boot.h"
#include "kernel/cpu.h"
#include "kernel/device.h"
#include "kernel/string.h"
#include "kernel/x86/x86.h"
#include "quire/assert.h"

#define DIRECTORY_ENTRIES 512u
#define TABLE_ENTRIES     512u

#define STACK_AREA        0xC0000000u
#define STACK_SLOT_BYTES  16384u
#define STACK_SLOT_PAGES  (STACK_SLOT_BYTES / PAGE_BYTES)
#define STACK_PAGES       (KERNEL_STACK_BYTES / PAGE_BYTES)
#define STACK_TABLE_SLOTS (TABLE_ENTRIES / STACK_SLOT_PAGES) /* slots in one table */
#define CACHE_AREA        0xC4000000u
#define WINDOW_AREA       0xC8000000u
#define DEVICE_AREA       0xC8200000u
#define DEVICE_TABLES     16u
#define DEVICE_PAGES      (DEVICE_TABLES * TABLE_ENTRIES)
#define IMAGE_TABLES      8u /* the first 16 MiB can be mapped by 4 KiB pages */
#define WINDOWS_PER_CPU   2u
#define VGA_MEMORY        0xA0000u
#define VGA_MEMORY_END    0xC0000u

#define KERNEL_LEAF (PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_NX)
#define TABLE_ENTRY (PTE_PRESENT | PTE_WRITE | PTE_ACCESSED)

STATIC_ASSERT(STACK_AREA + KERNEL_STACK_SLOTS * STACK_SLOT_BYTES == CACHE_AREA);
STATIC_ASSERT(CACHE_AREA + CACHE_WINDOWS * CHUNK_BYTES == WINDOW_AREA);
STATIC_ASSERT(STACK_SLOT_BYTES == KERNEL_STACK_BYTES + PAGE_BYTES);

typedef pte_t table_t[TABLE_ENTRIES] ALIGNED(PAGE_BYTES);

static table_t kernel_directories[2]; /* of the third and fourth GiB */
static table_t image_tables[IMAGE_TABLES];
static table_t window_table;
static table_t device_tables[DEVICE_TABLES];
static pte_t kernel_root[4] ALIGNED(32);

static uint32_t device_pages_used;
static uint64_t global_flag; /* PTE_GLOBAL where the CPU has it */
static struct tlb_counters flushed;

uint32_t paging_nx_mask;
uint32_t paging_direct_frames;

/* ---- addresses ---- */

static uint32_t image_physical(const void *object)
{
    return (uint32_t)object - KERNEL_FIRST;
}

static pfn_t image_frame(const void *object)
{
    return (pfn_t){image_physical(object) >> PAGE_SHIFT};
}

/* The directory entry that covers a kernel ADDRESS. */
static pte_t *directory_entry(uint32_t address)
{
    return &kernel_directories[(address >> 30) - 2u][(address >> CHUNK_SHIFT) & 511u];
}

/* The leaf entry in a table that the port itself made and can reach through the direct map. */
static pte_t *leaf_entry(uint32_t address)
{
    pte_t directory = pte_read(directory_entry(address));
    pte_t *table = frame_address(pte_frame(directory));
    return &table[(address >> PAGE_SHIFT) & 511u];
}

/* ---- the kernel's tables ---- */

static bool is_within(uint32_t address, const uint8_t *first, const uint8_t *end)
{
    return address >= (uint32_t)first && address < (uint32_t)end;
}

/* Which rights the direct map gives to the 4 KiB page at physical address PAGE. */
static pte_t direct_page(uint32_t page)
{
    uint32_t address = KERNEL_FIRST + page;
    uint64_t flags = KERNEL_LEAF | global_flag;
    if (is_within(address, text_begin, text_end)) {
        flags &= ~(PTE_WRITE | PTE_NX);
    } else if (is_within(address, rodata_begin, rodata_end)) {
        flags &= ~PTE_WRITE;
    } else if (address == (uint32_t)boot_stack_guard) {
        return (pte_t){0};
    } else if (page >= VGA_MEMORY && page < VGA_MEMORY_END) {
        flags |= PTE_PCD;
    }
    return pte_make_valid((pfn_t){page >> PAGE_SHIFT}, flags);
}

/* The direct map, NBYTES long, rounded up to 2 MiB. */
static void map_direct(uint32_t nbytes)
{
    uint32_t small_chunks = (image_physical(image_end) + CHUNK_BYTES - 1) / CHUNK_BYTES;
    VERIFY(small_chunks <= IMAGE_TABLES);
    for (uint32_t i = 0; i * CHUNK_BYTES < nbytes; i++) {
        pte_t *entry = directory_entry(KERNEL_FIRST + i * CHUNK_BYTES);
        if (i >= small_chunks) {
            uint64_t flags = KERNEL_LEAF | PTE_LARGE | global_flag;
            *entry = pte_make_valid((pfn_t){i * CHUNK_PAGES}, flags);
            continue;
        }
        for (uint32_t k = 0; k < TABLE_ENTRIES; k++) {
            image_tables[i][k] = direct_page(i * CHUNK_BYTES + k * PAGE_BYTES);
        }
        *entry = pte_make_valid(image_frame(image_tables[i]), TABLE_ENTRY);
    }
}

/* The end of RAM, 1 GiB at most: how far the direct map goes. */
static uint32_t direct_bytes(void)
{
    uint64_t end = boot_info.image_end.v;
    for (uint32_t i = 0; i < boot_info.nusable; i++) {
        if (boot_info.usable[i].first < DIRECT_MAP_MAX && boot_info.usable[i].end > end) {
            end = boot_info.usable[i].end;
        }
    }
    return end < DIRECT_MAP_MAX ? (uint32_t)end : DIRECT_MAP_MAX;
}

void paging_start(void)
{
    paging_nx_mask = cpu_features.nx ? (uint32_t)(PTE_NX >> 32) : 0;
    global_flag = cpu_features.global ? PTE_GLOBAL : 0;
    paging_direct_frames = direct_bytes() >> PAGE_SHIFT;
    map_direct(paging_direct_frames << PAGE_SHIFT);
    *directory_entry(WINDOW_AREA) = pte_make_valid(image_frame(window_table), TABLE_ENTRY);
    for (uint32_t i = 0; i < DEVICE_TABLES; i++) {
        *directory_entry(DEVICE_AREA + i * CHUNK_BYTES) =
            pte_make_valid(image_frame(device_tables[i]), TABLE_ENTRY);
    }
    kernel_root[2] = (pte_t){image_physical(kernel_directories[0]) | PTE_PRESENT};
    kernel_root[3] = (pte_t){image_physical(kernel_directories[1]) | PTE_PRESENT};

    if (cpu_features.nx) {
        write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_NXE);
    }
    write_cr3(paging_kernel_root());
    uint32_t cr4 = read_cr4();
    cr4 |= cpu_features.global ? CR4_PGE : 0;
    cr4 |= cpu_features.smep ? CR4_SMEP : 0;
    cr4 |= cpu_features.smap ? CR4_SMAP : 0;
    cr4 |= cpu_features.umip ? CR4_UMIP : 0;
    write_cr4(cr4);
}

uint32_t paging_kernel_root(void)
{
    return image_physical(kernel_root);
}

/* ---- roots ---- */

void paging_root_create(struct paging_root *root, pfn_t top, const pfn_t directories[2])
{
    pte_t *entries = frame_address(top);
    ASSERT(pfn_to_paddr(top).v < 1ull << 32);
    root->top = top;
    for (uint32_t i = 0; i < 2; i++) {
        root->directories[i] = directories[i];
        entries[i] = (pte_t){pfn_to_paddr(directories[i]).v | PTE_PRESENT};
        entries[i + 2] = kernel_root[i + 2];
    }
}

static uint32_t root_register(const struct paging_root *root)
{
    return root == NULL ? paging_kernel_root() : root->top.n << PAGE_SHIFT;
}

void paging_load(const struct paging_root *root)
{
    struct cpu *cpu = cpu_self();
    if (cpu->root != root) {
        cpu->root = root;
        flushed.loads++;
        write_cr3(root_register(root));
    }
}

/* ---- invalidation ---- */

void tlb_flush_page(const struct paging_root *root, uaddr_t address)
{
    if (cpu_self()->root == root) {
        flushed.pages++;
        invalidate_page((const void *)address.v);
    }
}

void tlb_flush_root(const struct paging_root *root)
{
    if (cpu_self()->root == root) {
        flushed.roots++;
        flushed.loads++;
        write_cr3(read_cr3());
    }
}

/* Everything that is not global: cache windows too. */
void tlb_flush_all_user(void)
{
    flushed.all++;
    flushed.loads++;
    write_cr3(read_cr3());
}

void tlb_flush_kernel(const void *address)
{
    flushed.pages++;
    invalidate_page(address);
}

void tlb_read_counters(struct tlb_counters *counters)
{
    *counters = flushed;
}

/* ---- frames ---- */

/*
 * The CPU's first window that is free. An entry that is not valid is in no TLB, so opening flushes
 * nothing; closing does.
 */
static void *window_open_high(pfn_t frame)
{
    preempt_disable();
    uint32_t slot = cpu_self()->number * WINDOWS_PER_CPU;
    slot += pte_is_valid(pte_read(&window_table[slot])) ? 1u : 0u;
    ASSERT(!pte_is_valid(pte_read(&window_table[slot])));
    pte_write(&window_table[slot], pte_make_valid(frame, KERNEL_LEAF));
    return (void *)(WINDOW_AREA + slot * PAGE_BYTES);
}

void *window_open(pfn_t frame)
{
    return frame.n < paging_direct_frames ? frame_address(frame) : window_open_high(frame);
}

void window_close(void *address)
{
    uint32_t offset = ((uint32_t)address & ~PAGE_MASK) - WINDOW_AREA;
    if (offset >= CPUS_MAX * WINDOWS_PER_CPU * PAGE_BYTES) {
        return; /* the direct map */
    }
    pte_write(&window_table[offset >> PAGE_SHIFT], (pte_t){0});
    invalidate_page(address);
    preempt_enable();
}

/* Sixteen bytes to an instruction, where the CPU can: a string instruction moves four at a time. */
static void zero_page(void *at)
{
    if (fpu_has_sse) {
        preempt_disable();
        page_zero_sse(at);
        preempt_enable();
        return;
    }
    uint32_t dwords = PAGE_BYTES / 4;
    __asm__ volatile("rep stosl" : "+D"(at), "+c"(dwords) : "a"(0) : "memory");
}

static void copy_page(void *to, const void *from)
{
    if (fpu_has_sse) {
        preempt_disable();
        page_copy_sse(to, from);
        preempt_enable();
        return;
    }
    uint32_t dwords = PAGE_BYTES / 4;
    __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(dwords) : : "memory");
}

void frame_zero(pfn_t frame)
{
    if (frame.n < paging_direct_frames) {
        zero_page(frame_address(frame));
        return;
    }
    void *target = window_open_high(frame);
    zero_page(target);
    window_close(target);
}

void frame_copy(pfn_t target_frame, pfn_t source_frame)
{
    if (max_u32(target_frame.n, source_frame.n) < paging_direct_frames) {
        copy_page(frame_address(target_frame), frame_address(source_frame));
        return;
    }
    void *target = window_open(target_frame);
    void *source = window_open(source_frame);
    copy_page(target, source);
    window_close(source);
    window_close(target);
}

/* ---- kernel stacks ---- */

void *kernel_stack_address(uint32_t slot)
{
    ASSERT(slot < KERNEL_STACK_SLOTS);
    return (void *)(STACK_AREA + slot * STACK_SLOT_BYTES + PAGE_BYTES);
}

uint32_t kernel_stack_tables_missing(uint32_t slot)
{
    return pte_is_valid(pte_read(directory_entry((uint32_t)kernel_stack_address(slot)))) ? 0 : 1;
}

void kernel_stack_map(uint32_t slot, const pfn_t frames[STACK_PAGES], pfn_t table)
{
    uint32_t address = (uint32_t)kernel_stack_address(slot);
    if (kernel_stack_tables_missing(slot) != 0) {
        ASSERT(!pfn_is_none(table));
        pte_write(directory_entry(address), pte_make_valid(table, TABLE_ENTRY));
    }
    pte_t *entries = leaf_entry(address);
    for (uint32_t i = 0; i < STACK_PAGES; i++) {
        ASSERT(!pte_is_valid(pte_read(&entries[i])));
        pte_write(&entries[i], pte_make_valid(frames[i], KERNEL_LEAF | global_flag));
    }
}

void kernel_stack_unmap(uint32_t slot, pfn_t frames[STACK_PAGES])
{
    uint32_t address = (uint32_t)kernel_stack_address(slot);
    pte_t *entries = leaf_entry(address);
    for (uint32_t i = 0; i < STACK_PAGES; i++) {
        pte_t old = pte_exchange(&entries[i], (pte_t){0});
        ASSERT(pte_is_valid(old));
        frames[i] = pte_frame(old);
        tlb_flush_kernel((const void *)(address + i * PAGE_BYTES));
    }
}

/* ---- cache windows ---- */

void *cache_window_address(uint32_t window)
{
    ASSERT(window < CACHE_WINDOWS);
    return (void *)(CACHE_AREA + window * CHUNK_BYTES);
}

void cache_window_link(uint32_t window, pfn_t table)
{
    pte_t *entry = directory_entry((uint32_t)cache_window_address(window));
    ASSERT(!pte_is_valid(pte_read(entry)));
    pte_write(entry, pte_make_valid(table, TABLE_ENTRY | PTE_NX));
}

/* The window's leaves are prototype entries, which are not global: a load of CR3 flushes them. */
void cache_window_unlink(uint32_t window)
{
    pte_t *entry = directory_entry((uint32_t)cache_window_address(window));
    if (pte_is_valid(pte_exchange(entry, (pte_t){0}))) {
        tlb_flush_all_user();
    }
}

uint32_t cache_window_of(const void *address)
{
    uint32_t offset = (uint32_t)address - CACHE_AREA;
    return offset < CACHE_WINDOWS * CHUNK_BYTES ? offset / CHUNK_BYTES : CACHE_WINDOWS;
}

/* ---- devices ---- */

void *device_map(paddr_t address, uint32_t nbytes)
{
    uint32_t offset = (uint32_t)address.v & PAGE_MASK;
    uint32_t npages = pages_of(nbytes + offset);
    if (npages > DEVICE_PAGES - device_pages_used) {
        return NULL;
    }
    uint32_t first = device_pages_used;
    device_pages_used += npages;
    uint64_t flags = KERNEL_LEAF | PTE_PCD | PTE_PWT | global_flag;
    for (uint32_t i = 0; i < npages; i++) {
        pfn_t frame = {(uint32_t)(address.v >> PAGE_SHIFT) + i};
        pte_write(leaf_entry(DEVICE_AREA + (first + i) * PAGE_BYTES), pte_make_valid(frame, flags));
    }
    return (void *)(DEVICE_AREA + first * PAGE_BYTES + offset);
}
