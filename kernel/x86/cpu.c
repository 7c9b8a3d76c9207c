/*
 * kernel/x86/cpu.c: the CPU itself: features, segments, task states, control registers.
 *
 * Segmentation does nothing here but what the architecture insists on: flat code and data for both
 * privilege levels, one small segment for the thread's TEB (user FS), a task state that says where
 * the kernel stack is, and a second one on which double faults run, because the stack is usually
 * what they are about. Kernel code runs with DS and ES flat, whichever selector is in them.
 */
#include "kernel/cpu.h"
#include "kernel/boot.h"
#include "kernel/string.h"
#include "kernel/thread.h"
#include "kernel/x86/x86.h"
#include "quire/assert.h"

/* Descriptors: Intel SDM volume 3A, section 3.4.5. */
#define GDT_KERNEL_CODE 0x00CF9B000000FFFFull
#define GDT_KERNEL_DATA 0x00CF93000000FFFFull
#define GDT_USER_CODE   0x00CFFB000000FFFFull
#define GDT_USER_DATA   0x00CFF3000000FFFFull
#define DESCRIPTOR_TEB  0x0040F30000000FFFull /* 4 KiB of data, DPL 3 */
#define DESCRIPTOR_TASK 0x0000890000000000ull

#define LEAF1_EDX_PGE   (1u << 13)
#define LEAF1_EDX_SEP   (1u << 11)
#define LEAF1_EDX_SSE   (1u << 25)
#define LEAF1_EDX_PSE36 (1u << 17)
#define LEAF7_EBX_SMEP  (1u << 7)
#define LEAF7_EBX_SMAP  (1u << 20)
#define LEAF7_ECX_UMIP  (1u << 2)
#define EXT1_EDX_NX     (1u << 20)

STATIC_ASSERT(sizeof(struct task_state) == 104);
STATIC_ASSERT(offsetof(struct cpu_tables, task) ==
              offsetof(struct cpu_tables, entry_stack) + sizeof(uint32_t[17]));
STATIC_ASSERT(offsetof(struct cpu_tables, fault_stack) % 4 == 0);

struct cpu_features cpu_features;
struct cpu_tables cpu_tables[CPUS_MAX] ALIGNED(64);

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static struct cpuid cpuid(uint32_t leaf)
{
    struct cpuid r;
    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(0));
    return r;
}

uint32_t cpu_instruction_sets(void)
{
    return cpuid(1).edx;
}

/* The first Pentium Pros report SYSENTER and do not have it (Intel SDM volume 2B, SYSENTER). */
static bool has_sysenter(const struct cpuid *leaf1)
{
    uint32_t family = (leaf1->eax >> 8) & 15u;
    uint32_t model = (leaf1->eax >> 4) & 15u;
    uint32_t stepping = leaf1->eax & 15u;
    return (leaf1->edx & LEAF1_EDX_SEP) != 0 && !(family == 6 && model < 3 && stepping < 3);
}

static void detect_features(void)
{
    uint32_t leaves = cpuid(0).eax;
    uint32_t extended = cpuid(0x80000000u).eax;
    struct cpuid leaf1 = cpuid(1);
    cpu_features.global = (leaf1.edx & LEAF1_EDX_PGE) != 0;
    cpu_features.sse = (leaf1.edx & LEAF1_EDX_SSE) != 0;
    cpu_features.sysenter = has_sysenter(&leaf1);
    if (leaves >= 7) {
        struct cpuid leaf7 = cpuid(7);
        cpu_features.smep = (leaf7.ebx & LEAF7_EBX_SMEP) != 0;
        cpu_features.smap = (leaf7.ebx & LEAF7_EBX_SMAP) != 0;
        cpu_features.umip = (leaf7.ecx & LEAF7_ECX_UMIP) != 0;
    }
    if (extended >= 0x80000001u && extended < 0x80010000u) {
        cpu_features.nx = (cpuid(0x80000001u).edx & EXT1_EDX_NX) != 0;
    }
    /* Without the leaf that says so: 36 where large pages have them, else none above 4 GiB. */
    cpu_features.physical_bits = (leaf1.edx & LEAF1_EDX_PSE36) != 0 ? 36 : 32;
    if (extended >= 0x80000008u && extended < 0x80010000u) {
        cpu_features.physical_bits = cpuid(0x80000008u).eax & 0xFFu;
    }
    /* An entry has room for 40 more bits than the 12 of the offset; a frame number is 32 bits. */
    cpu_features.physical_bits = min_u32(cpu_features.physical_bits, 44);
}

static uint64_t descriptor_with_base(uint64_t descriptor, uint32_t base)
{
    return descriptor | (uint64_t)(base & 0xFFFFFFu) << 16 | (uint64_t)(base >> 24) << 56;
}

static uint64_t task_descriptor(const struct task_state *task)
{
    return descriptor_with_base(DESCRIPTOR_TASK, (uint32_t)task) | (sizeof(*task) - 1);
}

static void start_task_states(struct cpu_tables *tables)
{
    struct task_state *task = &tables->task;
    task->ss0 = KERNEL_DS;
    task->esp0 = (uint32_t)boot_stack_end;
    task->io_map = sizeof(*task);

    struct task_state *fault = &tables->fault_task;
    fault->cr3 = paging_kernel_root();
    fault->eip = (uint32_t)trap_double_fault_entry;
    fault->eflags = EFLAGS_RESERVED;
    fault->esp = (uint32_t)(tables->fault_stack + FAULT_STACK_BYTES);
    fault->esp0 = fault->esp;
    fault->ss0 = KERNEL_DS;
    fault->cs = KERNEL_CS;
    fault->ds = fault->es = fault->ss = fault->fs = fault->gs = KERNEL_DS;
    fault->io_map = sizeof(*fault);
}

static void load_segments(struct cpu_tables *tables)
{
    uint64_t *gdt = tables->gdt;
    gdt[KERNEL_CS >> 3] = GDT_KERNEL_CODE;
    gdt[KERNEL_DS >> 3] = GDT_KERNEL_DATA;
    gdt[USER_CS >> 3] = GDT_USER_CODE;
    gdt[USER_DS >> 3] = GDT_USER_DATA;
    gdt[USER_FS >> 3] = DESCRIPTOR_TEB;
    gdt[SELECTOR_FAULT_TASK >> 3] = task_descriptor(&tables->fault_task);
    gdt[SELECTOR_TASK >> 3] = task_descriptor(&tables->task);
    struct PACKED {
        uint16_t limit;
        uint32_t base;
    } pointer = {sizeof(tables->gdt) - 1, (uint32_t)gdt};
    __asm__ volatile("lgdt %0\n\t"
                     "ljmp %1, $1f\n"
                     "1:\tmov %2, %%ds\n\t"
                     "mov %2, %%es\n\t"
                     "mov %2, %%ss\n\t"
                     "mov %3, %%fs\n\t"
                     "mov %4, %%gs\n\t"
                     "lldt %w4\n\t" /* none: a reset leaves one at address 0 */
                     "ltr %w5"
                     :
                     : "m"(pointer), "i"(KERNEL_CS), "r"(KERNEL_DS), "r"(USER_FS), "r"(0),
                       "r"(SELECTOR_TASK)
                     : "memory");
}

void cpu_start(void)
{
    struct cpu_tables *tables = cpu_tables_self();
    detect_features();
    if (cpu_features.smap) {
        smap_patch();
    }
    start_task_states(tables);
    load_segments(tables);
    idt_start();
    if (cpu_features.sysenter) {
        write_msr(MSR_SYSENTER_CS, KERNEL_CS);
        write_msr(MSR_SYSENTER_ESP, (uint32_t)&tables->task.esp0);
        write_msr(MSR_SYSENTER_EIP, (uint32_t)sysenter_entry);
    }
    fpu_start();
}

/* FS is reloaded: the CPU keeps the old base with the selector. */
void segment_set_user_fs(uint32_t base)
{
    cpu_tables_self()->gdt[USER_FS >> 3] = descriptor_with_base(DESCRIPTOR_TEB, base);
    __asm__ volatile("mov %0, %%fs" : : "r"(USER_FS) : "memory");
}

void thread_set_user_fs(struct thread *thread, uint32_t base)
{
    irq_state_t state = irq_disable();
    thread->user_fs_base = base;
    if (thread == thread_self()) {
        segment_set_user_fs(base);
    }
    irq_restore(state);
}

/* ---- what the scheduler needs ---- */

/* What arch_switch pops, and the first return address. */
struct switch_frame {
    uint32_t edi, esi, ebx, ebp;
    uint32_t return_address;
    uint32_t entry, argument; /* for thread_begin */
};

/* The top of the stack is kept free for the user frame (trap_user_frame). */
void arch_thread_init(struct thread *thread, void (*entry)(void *), void *argument)
{
    uint32_t top = (uint32_t)thread->stack_base + thread->stack_nbytes;
    struct switch_frame *frame =
        (struct switch_frame *)((top - sizeof(struct trap_frame) - sizeof(*frame)) & ~15u);
    memset(frame, 0, sizeof(*frame));
    frame->return_address = (uint32_t)thread_begin;
    frame->entry = (uint32_t)entry;
    frame->argument = (uint32_t)argument;
    thread->arch_stack_pointer = frame;
    if (thread->arch_fpu != NULL) {
        fpu_init_state(thread->arch_fpu);
    }
}

void arch_switch_prepare(struct thread *from, struct thread *to)
{
    struct cpu_tables *tables = cpu_tables_self();
    tables->task.esp0 = (uint32_t)to->stack_base + to->stack_nbytes;
    if (to->user_fs_base != from->user_fs_base) {
        segment_set_user_fs(to->user_fs_base);
    }
    fpu_switch(from, to);
}

void arch_idle(void)
{
    __asm__ volatile("sti\n\thlt\n\tcli" : : : "memory");
}
