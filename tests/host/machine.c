/*
 * tests/host/machine.c: the simulated machine: RAM, CPUs, interrupts, time.
 *
 * RAM lies in one arena at a fixed address, range after range; a physical address is translated by
 * looking for its range. Time stands still but for a microsecond at every point where an interrupt
 * may come; when no thread can run it jumps to the next deadline or answer of a disk. When there
 * is none of these either, all threads wait for one another: that is reported as a panic.
 *
 * With several CPUs that run at once (explore) there is still one flow of control: each CPU has
 * what it runs as a flow of its own, and passes the turn on at points where its interrupts are on.
 * A CPU that spins or waits for an acknowledgement passes it on at once.
 */
#define _GNU_SOURCE
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "inject.h"
#include "kernel/clock.h"
#include "kernel/log.h"
#include "quire/assert.h"

#define DEFAULT_RAM   (32u << 20)
#define POLL_NS       1000
#define BOOT_TIME     132223104000000000ll /* 2020-01-01 in 100 ns since 1601 */
#define STOP_PANIC    3
#define STEPS_MAX     20000000u
#define STILL_STEPS   30000u
#define FREEZE_ORDERS 13u /* of magnitude: up to 4096 steps, short ones as often as long ones */
#define ARENA_ADDRESS (sizeof(void *) == 8 ? (uintptr_t)0x200000000000ull : (uintptr_t)0x20000000u)

struct boot_info boot_info;
struct sim_machine sim;

/* ---- RAM ---- */

/* The offset of FRAME in the arena, or UINT64_MAX. */
static uint64_t find_frame(pfn_t frame)
{
    uint64_t address = pfn_to_paddr(frame).v;
    uint64_t offset = 0;

    for (uint32_t i = 0; i < SIM_RANGES && sim.config.ram[i].end != 0; i++) {
        const struct memory_range *range = &sim.config.ram[i];

        if (address >= range->first && address < range->end) {
            return offset + (address - range->first);
        }
        offset += range->end - range->first;
    }
    return UINT64_MAX;
}

bool sim_frame_exists(pfn_t frame)
{
    return find_frame(frame) != UINT64_MAX;
}

uint64_t sim_frame_offset(pfn_t frame)
{
    uint64_t offset = find_frame(frame);

    if (offset == UINT64_MAX) {
        panic("simulated machine: there is no frame 0x%x", frame.n);
    }
    return offset;
}

uint8_t *sim_frame(pfn_t frame)
{
    return sim.arena + sim_frame_offset(frame);
}

static uint32_t direct_end; /* the first frame that is not in the direct map */

static uint32_t find_direct_end(void)
{
    uint64_t last = 0;

    for (uint32_t i = 0; i < SIM_RANGES; i++) {
        last = sim.config.ram[i].end > last ? sim.config.ram[i].end : last;
    }
    return (uint32_t)((last < sim.config.direct_end ? last : sim.config.direct_end) >> PAGE_SHIFT);
}

uint32_t paging_direct_end(void)
{
    return direct_end;
}

void *frame_address(pfn_t frame)
{
    VERIFY(frame.n < paging_direct_end());
    return sim_frame(frame);
}

pfn_t frame_of(const void *direct_address)
{
    uint64_t offset = (uint64_t)((uintptr_t)direct_address - (uintptr_t)sim.arena);

    for (uint32_t i = 0; i < SIM_RANGES && sim.config.ram[i].end != 0; i++) {
        const struct memory_range *range = &sim.config.ram[i];

        if (offset < range->end - range->first) {
            return paddr_to_pfn((paddr_t){range->first + offset});
        }
        offset -= range->end - range->first;
    }
    panic("simulated machine: %p is no address of the direct map", direct_address);
}

static void make_arena(void)
{
    for (uint32_t i = 0; i < SIM_RANGES; i++) {
        sim.arena_nbytes += (size_t)(sim.config.ram[i].end - sim.config.ram[i].first);
    }
    sim.arena_file = memfd_create("quire RAM", MFD_CLOEXEC);
    if (sim.arena_file < 0 || ftruncate(sim.arena_file, (off_t)sim.arena_nbytes) != 0) {
        perror("quire: tests: RAM");
        exit(2);
    }
    sim.arena = mmap((void *)ARENA_ADDRESS, sim.arena_nbytes, PROT_READ | PROT_WRITE,
                     (sim.config.ram_is_copied ? MAP_PRIVATE : MAP_SHARED) | MAP_FIXED_NOREPLACE,
                     sim.arena_file, 0);
    if (sim.arena == MAP_FAILED) {
        perror("quire: tests: RAM");
        exit(2);
    }
}

uint64_t sim_hash(void)
{
    const uint64_t *words = (const uint64_t *)(const void *)sim.arena;
    uint64_t hash = 14695981039346656037ull;

    for (size_t i = 0; i < sim.arena_nbytes / sizeof(uint64_t); i++) {
        hash = (hash ^ words[i]) * 1099511628211ull;
    }
    return hash;
}

uint32_t sim_random(uint32_t limit)
{
    sim.random = sim.random * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(sim.random >> 33) % limit;
}

/* ---- interrupts and time ---- */

irq_state_t irq_disable(void)
{
    irq_state_t state = sim.irq_enabled ? IRQ_ENABLED : 0;

    sim.irq_enabled = false;
    return state;
}

void irq_restore(irq_state_t state)
{
    sim.irq_enabled = (state & IRQ_ENABLED) != 0;
    sim_poll();
}

bool irq_is_enabled(void)
{
    return sim.irq_enabled;
}

int64_t clock_now(void)
{
    return sim.time;
}

int64_t clock_system_time(void)
{
    return BOOT_TIME + sim.time / 100;
}

uint64_t clock_tsc_frequency(void)
{
    return 1000000000u;
}

void sim_interrupt(void)
{
    sim.in_interrupt = true;
    sim_disk_deliver();
    if (sim.time >= sim.next_tick) {
        sim.next_tick = sim.time + SIM_TICK_NS;
        scheduler_tick(sim.time);
    }
    sim.in_interrupt = false;
    scheduler_preempt();
}

/* Sometimes the running thread's slice is over early: this is how interleavings are explored. */
static void roll_preemption(void)
{
    if (sim.config.preempt_one_in != 0 && thread_self() != NULL &&
        sim_random(sim.config.preempt_one_in) == 0) {
        thread_self()->slice_left = 0;
        sim.next_tick = sim.time;
    }
}

/* ---- CPUs that run at once ---- */

struct processor {
    bool irq_enabled;      /* while another CPU has its turn */
    bool idle;             /* in HLT */
    uint64_t frozen_until; /* in steps */
    struct thread idle_thread;
};
static struct processor processors[CPUS_MAX];

bool sim_cpu_is_idle(uint32_t n)
{
    return processors[n].idle;
}

bool sim_others_are_idle(void)
{
    for (uint32_t i = 0; i < sim.config.ncpus; i++) {
        if (i != cpu_self()->number && !processors[i].idle) {
            return false;
        }
    }
    return true;
}

/* CPU N goes on; returns when the calling CPU has its turn again. */
static void pass_turn(uint32_t n)
{
    uint32_t self = cpu_self()->number;

    processors[self].irq_enabled = sim.irq_enabled;
    sim.irq_enabled = processors[n].irq_enabled;
    cpu_here = &cpus[n];
    sim_switch_flow(self, n);
}

/*
 * Sometimes a CPU stands still for long, wherever it is, as if something below the kernel had taken
 * it: what is a window of one instruction in its code is a wide one for the others then.
 */
static void roll_freeze(struct processor *self)
{
    if (sim.config.freeze_one_in != 0 && sim_random(sim.config.freeze_one_in) == 0) {
        self->frozen_until = sim.steps + sim_random(1u << sim_random(FREEZE_ORDERS));
    }
}

/* Another CPU may go on; rarely one that is idle: it looks whether there is something to run. */
static void offer_turn(void)
{
    uint32_t self = cpu_self()->number;
    uint32_t n = sim_random(sim.config.ncpus);

    if (++sim.steps > STEPS_MAX) {
        panic("simulated machine: no end after %u million steps", STEPS_MAX / 1000000u);
    }
    roll_freeze(&processors[self]);
    if (processors[self].frozen_until > sim.steps) {
        for (uint32_t i = 0; i < sim.config.ncpus && (n == self || processors[n].idle); i++) {
            n = (n + 1) % sim.config.ncpus;
        }
    } else if (processors[n].frozen_until > sim.steps) {
        return;
    }
    if (n != self && (!processors[n].idle || sim_random(8) == 0)) {
        pass_turn(n);
    }
}

void cpu_relax(void)
{
    if (!sim.config.explore || !sim.irq_enabled || sim.in_interrupt) {
        panic("simulated machine: a lock that nobody will release");
    }
    sim.time += POLL_NS;
    sim_acknowledge(cpu_self()->number);
    offer_turn();
}

void sim_stand_still(const bool *over)
{
    for (uint32_t step = 0; step < STILL_STEPS && !*over; step++) {
        cpu_relax();
    }
}

static bool all_are_idle(void)
{
    for (uint32_t i = 0; i < sim.config.ncpus; i++) {
        if (!processors[i].idle) {
            return false;
        }
    }
    return true;
}

/* What a CPU other than the first runs when nothing else can; as in kernel/core/scheduler.c. */
static void run_idle(void *argument)
{
    (void)argument;
    for (;;) {
        irq_state_t state = irq_disable();

        if (!cpu_self()->switch_wanted) {
            preempt_disable();
            arch_idle();
            preempt_enable();
        }
        irq_restore(state);
        scheduler_preempt();
    }
}

static void start_processors(void)
{
    for (uint32_t i = 1; i < sim.config.ncpus; i++) {
        struct thread *thread = &processors[i].idle_thread;

        thread_init(thread, &(struct thread_parameters){.name = "idle",
                                                        .entry = run_idle,
                                                        .stack_nbytes = KERNEL_STACK_BYTES,
                                                        .priority = PRIORITY_IDLE});
        thread->state = THREAD_RUNNING;
        cpus[i].thread = thread;
        cpus[i].idle = thread;
        sim_flow_start(i, thread);
    }
}

void sim_poll(void)
{
    if (!sim.running || !sim.irq_enabled || sim.in_interrupt) {
        return;
    }
    sim.time += POLL_NS;
    if (sim.config.explore) {
        if (sim_random(sim.config.interrupt_one_in) == 0) {
            sim_acknowledge(cpu_self()->number);
        }
        if (sim_random(6) == 0) {
            sim_speculate();
        }
        offer_turn();
    }
    roll_preemption();
    if (sim.time >= sim.next_tick || sim.time >= sim_disk_next()) {
        sim.irq_enabled = false;
        sim_interrupt();
        sim.irq_enabled = true;
    }
}

void sim_advance(int64_t nanoseconds)
{
    int64_t end = sim.time + nanoseconds;

    while (sim.time < end) {
        sim.time = end < sim.next_tick ? end : sim.next_tick;
        sim_poll();
    }
}

/* Waits in HLT while other CPUs run; true when all of them are idle and time has to pass. */
static bool idle_beside_others(void)
{
    struct processor *self = &processors[cpu_self()->number];

    sim_acknowledge(cpu_self()->number);
    self->idle = true;
    bool alone = all_are_idle();
    if (!alone) {
        uint32_t n = sim_random(sim.config.ncpus);

        while (processors[n].idle) {
            n = (n + 1) % sim.config.ncpus;
        }
        pass_turn(n);
    }
    self->idle = false;
    cpu_self()->switch_wanted = true; /* whatever became ready meanwhile may run here */
    return alone;
}

void arch_idle(void)
{
    if (sim.config.explore && !idle_beside_others()) {
        return;
    }
    int64_t deadline = scheduler_next_deadline();
    int64_t answer = sim_disk_next();
    int64_t next = deadline < answer ? deadline : answer;

    if (next == WAIT_FOREVER) {
        panic("simulated machine: every thread waits, and nothing can wake one");
    }
    sim.time = sim.time > next ? sim.time : next;
    sim.next_tick = sim.time;
    sim_interrupt();
}

/* ---- CPUs ---- */

void sim_use_cpu(uint32_t n)
{
    struct thread *self = thread_self();
    struct cpu *from = cpu_self();
    struct cpu *to = cpu_get(n);

    VERIFY(n < sim.config.ncpus && from->preempt_count == 0 && !sim.config.explore);
    if (from == to) {
        return;
    }
    irq_state_t state = irq_disable();
    to->thread = self;
    to->idle = from->idle;
    to->tick_time = from->tick_time;
    to->switch_wanted = from->switch_wanted;
    from->thread = NULL;
    from->switch_wanted = false;
    cpu_here = to;
    if (self != NULL && self->root != NULL && self->root != to->root) {
        paging_load(self->root);
    }
    irq_restore(state);
}

/* ---- the end ---- */

void arch_print_state(const struct trap_frame *frame)
{
    (void)frame;
    log_print("quire: simulated machine at %lld ns, seed %u\n", (long long)sim.time,
              sim.config.seed);
}

void machine_stop(uint8_t code)
{
    fflush(NULL);
    if (code == STOP_PANIC) {
        abort();
    }
    _exit(code);
}

void machine_power_off(void)
{
    machine_stop(0);
}

/* ---- start ---- */

static void write_log(const char *text, size_t nbytes)
{
    if (write(STDERR_FILENO, text, nbytes) < 0) {
        abort();
    }
}

static void fill_boot_info(void)
{
    for (uint32_t i = 0; i < SIM_RANGES && sim.config.ram[i].end != 0; i++) {
        boot_info.usable[i] = sim.config.ram[i];
        boot_info.nusable = i + 1;
        boot_info.total_bytes += sim.config.ram[i].end - sim.config.ram[i].first;
    }
    while (boot_info.nbad < ARRAY_COUNT(sim.config.bad) &&
           sim.config.bad[boot_info.nbad].end != 0) {
        boot_info.bad[boot_info.nbad] = sim.config.bad[boot_info.nbad];
        boot_info.nbad++;
    }
}

void sim_boot(const struct sim_config *config)
{
    static struct log_sink sink = {.write = write_log};

    inject_boots();
    sim.config = *config;
    if (sim.config.ram[0].end == 0) {
        sim.config.ram[0] = (struct memory_range){0x100000, 0x100000 + DEFAULT_RAM};
    }
    sim.config.ncpus = max_u32(sim.config.ncpus, 1);
    sim.config.direct_end = sim.config.direct_end != 0 ? sim.config.direct_end : DIRECT_MAP_MAX;
    direct_end = find_direct_end();
    if (sim.config.interrupt_one_in == 0) {
        sim.config.interrupt_one_in = 6;
    }
    VERIFY(sim.config.ncpus <= CPUS_MAX);
    sim.random = sim.config.seed;
    sim.next_tick = SIM_TICK_NS;
    for (uint32_t i = 0; i < CPUS_MAX; i++) {
        cpus[i].number = i;
    }
    log_add_sink(&sink);
    make_arena();
    fill_boot_info();
    sim_mmu_start();
    if (!sim.config.without_threads) {
        sim_fibers_start();
        scheduler_start();
        if (sim.config.explore) {
            start_processors();
        }
    }
    sim.running = true;
    sim.irq_enabled = true;
}
