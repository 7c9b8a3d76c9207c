/*
 * include/kernel/cpu.h: the one accessor to what belongs to a CPU, and what the generic part of
 * kernel/core asks of the machine below it (kernel/x86; tests/host for the simulated machine).
 */
#ifndef KERNEL_CPU_H
#define KERNEL_CPU_H

#include "quire/annotate.h"
#include "quire/types.h"

#define CPUS_MAX 4

/*
 * Whether interrupts are on: bit 9 (EFLAGS.IF) set or clear, the other bits are the machine's.
 */
typedef uint32_t irq_state_t;
#define IRQ_ENABLED 0x200u

struct thread;
struct paging_root;
struct trap_frame;

struct cpu {
    uint32_t number;
    struct thread *thread; /* running here */
    struct thread *idle;
    uint32_t preempt_count;         /* > 0: no switch */
    volatile bool switch_wanted;    /* a better thread became ready */
    const struct paging_root *root; /* loaded here; NULL: the kernel's own */
    int64_t tick_time;              /* clock_now() at the last scheduler_tick */
    uint64_t idle_time;             /* nanoseconds in HLT */
    uint64_t switches;
};

/*
 * All CPUs; [0] boots. Defined by kernel/core/scheduler.c, counted by cpu_count. cpu_here is how
 * cpu_self finds its CPU and is used by nothing else: one CPU runs, so it is a plain variable; with
 * several it becomes a word of a per-CPU segment (on the host the simulated machine changes it).
 */
extern struct cpu cpus[CPUS_MAX];
extern struct cpu *cpu_here;

/* The CPU that calls; stable only while preemption or interrupts are off. */
static inline struct cpu *cpu_self(void)
{
    return cpu_here;
}

/* The thread that calls; NULL before scheduler_start. */
static inline struct thread *thread_self(void)
{
    return cpu_self()->thread;
}

uint32_t cpu_count(void);
struct cpu *cpu_get(uint32_t number);

/* Preemption off and on, nested; spinlocks do it by themselves. */
static inline void preempt_disable(void)
{
    cpu_self()->preempt_count++;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Does what scheduler_preempt does if interrupts are on. */
void preempt_now(void);

static inline void preempt_enable(void)
{
    struct cpu *cpu = cpu_self();

    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (--cpu->preempt_count == 0 && cpu->switch_wanted) {
        preempt_now();
    }
}

/* Interrupts off and on. */
irq_state_t irq_disable(void);
void irq_restore(irq_state_t state);
bool irq_is_enabled(void);

/*
 * Saves the running thread's context on its stack (*SAVE gets where), loads the one at TARGET.
 * Interrupts off. arch_switch_prepare does the rest of a switch: kernel stack for traps, FS, FPU.
 */
void arch_switch(void **save, void *target);
void arch_switch_prepare(struct thread *from, struct thread *to);

/* Makes a context on THREAD's stack that begins in ENTRY(argument). */
void arch_thread_init(struct thread *thread, void (*entry)(void *), void *argument);

/* One turn of a loop that waits for another CPU. */
void cpu_relax(void);

/* HLT until an interrupt, which is then taken; called with interrupts off, returns with them off.
 */
void arch_idle(void);

/* Registers, backtrace: for a panic. FRAME may be NULL. */
void arch_print_state(const struct trap_frame *frame);

/* Stops for good; CODE goes to isa-debug-exit where QEMU has one (exit status code * 2 + 1). */
NORETURN void machine_stop(uint8_t code);

/* Orderly power-off (ACPI; the debug exit where there is none). */
NORETURN void machine_power_off(void);

#if !__STDC_HOSTED__
#include "kernel/x86/inline.h"
#endif

#endif
