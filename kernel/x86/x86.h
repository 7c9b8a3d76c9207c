/*
 * kernel/x86/x86.h: what the files of kernel/x86 share: instructions that C cannot express, the
 * CPU's features, descriptor tables, vectors, and the order in which boot starts them.
 */
#ifndef KERNEL_X86_X86_H
#define KERNEL_X86_X86_H

#include "kernel/cpu.h"
#include "kernel/trap.h"
#include "quire/annotate.h"
#include "quire/types.h"

/* ---- the image (boot/linker.ld, boot/entry.asm) ---- */

extern const uint8_t image_begin[], image_end[];
extern const uint8_t text_begin[], text_end[];
extern const uint8_t rodata_begin[], rodata_end[];
extern uint8_t boot_stack_guard[], boot_stack[], boot_stack_end[];

/* ---- instructions ---- */

#define EFLAGS_RESERVED (1u << 1)
#define EFLAGS_TF       (1u << 8)
#define EFLAGS_IF       (1u << 9)
/* What user code may change by itself: arithmetic flags, TF, DF, AC, ID. */
#define EFLAGS_USER ((1u << 21) | (1u << 18) | 0xDD5u)

#define CR0_MP (1u << 1)
#define CR0_EM (1u << 2)
#define CR0_TS (1u << 3)
#define CR0_NE (1u << 5)
#define CR0_WP (1u << 16)
#define CR0_AM (1u << 18)

#define CR4_PAE        (1u << 5)
#define CR4_PGE        (1u << 7)
#define CR4_OSFXSR     (1u << 9)
#define CR4_OSXMMEXCPT (1u << 10)
#define CR4_UMIP       (1u << 11)
#define CR4_SMEP       (1u << 20)
#define CR4_SMAP       (1u << 21)

#define MSR_APIC_BASE    0x1Bu
#define MSR_SYSENTER_CS  0x174u
#define MSR_SYSENTER_ESP 0x175u
#define MSR_SYSENTER_EIP 0x176u
#define MSR_EFER         0xC0000080u
#define EFER_NXE         (1u << 11)

static inline uint32_t read_cr0(void)
{
    uint32_t value;
    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

static inline void write_cr0(uint32_t value)
{
    __asm__ volatile("mov %0, %%cr0" : : "r"(value) : "memory");
}

static inline uint32_t read_cr2(void)
{
    uint32_t value;
    __asm__ volatile("mov %%cr2, %0" : "=r"(value));
    return value;
}

static inline uint32_t read_cr3(void)
{
    uint32_t value;
    __asm__ volatile("mov %%cr3, %0" : "=r"(value));
    return value;
}

static inline void write_cr3(uint32_t value)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(value) : "memory");
}

static inline uint32_t read_cr4(void)
{
    uint32_t value;
    __asm__ volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

static inline void write_cr4(uint32_t value)
{
    __asm__ volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}

static inline uint32_t read_dr6(void)
{
    uint32_t value;
    __asm__ volatile("mov %%dr6, %0" : "=r"(value));
    return value;
}

static inline void write_dr6(uint32_t value)
{
    __asm__ volatile("mov %0, %%dr6" : : "r"(value));
}

static inline void invalidate_page(const void *address)
{
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static inline uint64_t read_msr(uint32_t msr)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static inline void write_msr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static inline uint64_t read_tsc(void)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static inline void interrupts_on(void)
{
    __asm__ volatile("sti" : : : "memory");
}

static inline void interrupts_off(void)
{
    __asm__ volatile("cli" : : : "memory");
}

/* ---- the CPU ---- */

struct cpu_features {
    bool nx, global, smep, smap, umip, sysenter, sse;
    uint32_t physical_bits; /* of an address */
};
extern struct cpu_features cpu_features;

/* Features, descriptor tables, control registers: everything but paging. Once per CPU. */
void cpu_start(void);

/* Replaces the placeholders of kernel/x86/smap.inc by STAC and CLAC; kernel text still writable. */
void smap_patch(void);

/* ---- segments and tasks ---- */

#define SELECTOR_FAULT_TASK 0x30u
#define SELECTOR_TASK       0x40u
#define GDT_ENTRIES         9u

/* Intel SDM volume 3A, section 8.2.1. */
struct task_state {
    uint32_t link;
    uint32_t esp0, ss0;
    uint32_t esp1, ss1, esp2, ss2;
    uint32_t cr3, eip, eflags;
    uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi;
    uint32_t es, cs, ss, ds, fs, gs, ldt;
    uint16_t trap, io_map;
};

#define FAULT_STACK_BYTES 4096u

/*
 * What the hardware needs per CPU. SYSENTER loads ESP with the address of task.esp0, and the first
 * instruction there loads the thread's stack from it; so a thread switch writes one word. A debug
 * trap between the two pushes its frame into `entry_stack` (and task.link, which nothing uses).
 */
struct cpu_tables {
    uint64_t gdt[GDT_ENTRIES];
    uint32_t entry_stack[17];
    struct task_state task;
    struct task_state fault_task; /* double faults run here, on a stack of their own */
    uint8_t fault_stack[FAULT_STACK_BYTES];
};
extern struct cpu_tables cpu_tables[CPUS_MAX];

static inline struct cpu_tables *cpu_tables_self(void)
{
    return &cpu_tables[cpu_self()->number];
}

/* Sets the base of the segment that user FS names, on this CPU, and loads it. */
void segment_set_user_fs(uint32_t base);

/* ---- vectors ---- */

#define VECTOR_DIVIDE        0u
#define VECTOR_DEBUG         1u
#define VECTOR_NMI           2u
#define VECTOR_BREAKPOINT    3u
#define VECTOR_OVERFLOW      4u
#define VECTOR_BOUNDS        5u
#define VECTOR_ILLEGAL       6u
#define VECTOR_NO_FPU        7u
#define VECTOR_DOUBLE_FAULT  8u
#define VECTOR_INVALID_TASK  10u
#define VECTOR_NO_SEGMENT    11u
#define VECTOR_STACK         12u
#define VECTOR_PROTECTION    13u
#define VECTOR_PAGE_FAULT    14u
#define VECTOR_FPU           16u
#define VECTOR_ALIGNMENT     17u
#define VECTOR_MACHINE_CHECK 18u
#define VECTOR_SIMD          19u
#define VECTOR_EXCEPTIONS    32u /* the first that is no exception */
#define VECTOR_SYSTEM_CALL   0x2Eu
#define VECTOR_ISA           0x30u /* 16 lines */
#define VECTOR_MSI           0x40u
#define VECTOR_MSI_END       0xE0u
#define VECTOR_TIMER         0xF0u
#define VECTOR_SPURIOUS      0xFFu
#define VECTOR_COUNT         256u

/* In trap_frame.vector only: the frames that no vector made. */
#define FRAME_SYSENTER 0x100u
#define FRAME_FULL     0x101u /* all registers come from the frame, EAX too */

/* kernel/x86/trap.c, called by entry.asm with interrupts off. */
void trap_dispatch(struct trap_frame *frame);
void trap_page_fault(struct trap_frame *frame);
void trap_leave_user(struct trap_frame *frame);
NORETURN void trap_double_fault(void);

/* kernel/x86/entry.asm. */
extern const uint8_t trap_stubs[]; /* VECTOR_COUNT stubs of TRAP_STUB_BYTES */
#define TRAP_STUB_BYTES 16u
void trap_page_fault_entry(void);
void trap_debug_entry(void);
void trap_double_fault_entry(void);
void sysenter_entry(void);
NORETURN void trap_return(struct trap_frame *frame);
void thread_begin(void); /* kernel/x86/switch.asm */

void idt_start(void);
void interrupt_dispatch(uint32_t vector);
void interrupt_handle(uint32_t vector, interrupt_handler function, void *context);

/* ---- devices of the machine itself ---- */

void serial_start(void);
void vga_start(void);
void clock_start(void);
void lapic_start(void);
void lapic_end_of_interrupt(void);
uint8_t lapic_id(void);
void ioapic_start(void);
void ioapic_route(uint8_t line, uint8_t vector);
void fpu_start(void);
void fpu_init_state(void *state);
void fpu_switch(const struct thread *from, const struct thread *to);
extern bool fpu_has_sse; /* [c] after fpu_start: SSE instructions work */

/* pages.asm. => page-aligned, resident; preemption is disabled. */
void page_zero_sse(void *page);
void page_copy_sse(void *to, const void *from);

/* Waits at least NS nanoseconds, running. */
void clock_spin(int64_t ns);

/* ---- user copies (kernel/x86/usercopy.asm) ---- */

enum fixup_kind {
    FIXUP_RESOLVE, /* the fault is resolved if it can be; else on to the fixup, EAX = status */
    FIXUP_ALWAYS,  /* on to the fixup at once, EAX = STATUS_ACCESS_VIOLATION */
};

struct fixup {
    uint32_t first; /* the instructions: often only one */
    uint32_t last;
    uint32_t target;
    uint32_t kind;
};

/* The entry for the instruction at EIP, or NULL. */
const struct fixup *fixup_find(uint32_t eip);

/* Read and write a word of memory, mapped or not; false when it cannot be done. */
bool peek_u32(uint32_t address, uint32_t *value);
bool poke_u32(uint32_t address, uint32_t value);

/* ---- paging ---- */

/* Builds the final kernel tables from boot_info and loads them. Once. */
void paging_start(void);
uint32_t paging_kernel_root(void); /* CR3 */

/* ---- panics ---- */

/* The frame that arch_print_state shows when it is given none. */
extern const struct trap_frame *panic_frame;
void symbol_print(uint32_t address);

#endif
