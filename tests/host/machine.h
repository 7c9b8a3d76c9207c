/*
 * tests/host/machine.h: what the files of the simulated machine share. Tests include sim.h.
 */
#ifndef TESTS_HOST_MACHINE_H
#define TESTS_HOST_MACHINE_H

#include "kernel/lock.h"
#include "sim.h"

#define SIM_RANGES 8u

struct sim_machine {
    struct sim_config config;
    bool running;     /* sim_boot has finished */
    bool irq_enabled; /* of the CPU that runs */
    bool in_interrupt;
    int64_t time; /* nanoseconds since boot */
    int64_t next_tick;
    uint64_t random;
    uint8_t *arena; /* RAM, range after range */
    size_t arena_nbytes;
    int arena_file; /* the memfd behind it */
    struct trap_operations trap;
    uint64_t faults;
    uint64_t steps; /* explore: points where another CPU could go on */
    bool (*frame_in_use)(pfn_t frame, bool translated);
    bool (*translation_allowed)(pfn_t frame, bool window);
};
extern struct sim_machine sim;

#define SIM_TICK_NS 1000000ll

/* Where FRAME lies in the arena; panics when there is no such RAM. */
uint8_t *sim_frame(pfn_t frame);
bool sim_frame_exists(pfn_t frame);

/* The offset of FRAME in the arena's file. */
uint64_t sim_frame_offset(pfn_t frame);

/* mmu.c: empty TLBs, reserved address ranges. */
void sim_mmu_start(void);
uint8_t *sim_reserve(size_t nbytes);

/*
 * Translates PAGE (a user page's number, or sim_window_page's) for ACCESS on the calling CPU: the
 * frame's memory, or NULL for a page fault, which has dropped what the TLB held of that page and
 * set access->present.
 */
uint8_t *sim_translate(uint32_t page, struct access *access);

/* Explore: walks the tables for some page as if it were to be read. */
void sim_speculate(void);

/* The page number that stands for ADDRESS, which lies in a cache window. */
uint32_t sim_window_page(const void *address);

/* stacks.c: the kernel-stack area. */
void sim_stacks_start(void);

/* fiber.c: the boot thread's context. */
void sim_fibers_start(void);

/* disk.c: the earliest time at which a disk answers (WAIT_FOREVER: none), and answering. */
int64_t sim_disk_next(void);
void sim_disk_deliver(void);

/* Explore: another step of the calling CPU begins here, if interrupts are on. */
static inline void sim_step(void)
{
    if (sim.config.explore) {
        sim_poll();
    }
}

/* Explore: whether CPU n waits in HLT. */
bool sim_cpu_is_idle(uint32_t n);

/* mmu.c: CPU n takes the flushes that others have asked it for. */
void sim_acknowledge(uint32_t n);

/* fiber.c: leaves what the CPU FROM runs, goes on with what the CPU TO runs; THREAD starts there.
 */
void sim_switch_flow(uint32_t from, uint32_t to);
void sim_flow_start(uint32_t n, const struct thread *thread);

/* Takes the interrupts that are due; interrupts are off before and after. */
void sim_interrupt(void);

#endif
