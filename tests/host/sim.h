/*
 * tests/host/sim.h: the simulated machine, for those who write tests against it.
 *
 * It implements include/kernel/{cpu,clock,paging,usercopy,trap}.h below the real kernel/core, mm/
 * and fs/: RAM in one arena, CPUs that each have an MMU (a walk of PAE tables) and a TLB that keeps
 * what it has seen until it is flushed, threads under the real scheduler, a clock that stands still
 * unless the code calls it, and disks that answer later. There is one flow of control: a test runs
 * as the thread "boot" on CPU 0, in a process of its own, and everything follows from the seed.
 *
 *     TEST("space: a write is seen by a read")
 *     {
 *         sim_boot(&(struct sim_config){.ram = {{0, 16 << 20}}, .ncpus = 2});
 *         ...mm_init(&boot_info), trap_register(...), a space, memory at 0x10000...
 *         sim_store32((uaddr_t){0x10000}, 42);
 *         EXPECT(sim_load32((uaddr_t){0x10000}) == 42);
 *         EXPECT(sim_check_tlbs() == 0);
 *     }
 *
 * User memory is accessed on the CPU that cpu_self() gives, through the root that it has loaded,
 * and on a fault calls the function registered with trap_register, as the kernel does.
 */
#ifndef TESTS_HOST_SIM_H
#define TESTS_HOST_SIM_H

#include "kernel/block.h"
#include "kernel/boot.h"
#include "kernel/clock.h"
#include "kernel/cpu.h"
#include "kernel/lock.h"
#include "kernel/paging.h"
#include "kernel/thread.h"
#include "kernel/trap.h"
#include "kernel/usercopy.h"

/* ---- the machine ---- */

struct sim_config {
    struct memory_range ram[8]; /* physical, page-aligned, ascending; up to {0, 0}; none: 32 MiB */
    struct memory_range bad[2]; /* what the loader reports as defective: no RAM is there */
    uint32_t ncpus;             /* 0: 1 */
    uint64_t direct_end;        /* end of the direct map; 0: 1 GiB, as in the kernel */
    bool without_nx;            /* a CPU without no-execute */
    uint32_t seed;              /* of everything random */
    uint32_t preempt_one_in;    /* a thread loses its CPU at one in this many points; 0: never */
    bool without_threads;       /* do not call scheduler_start */
    bool explore;               /* every CPU runs; see below */
    uint32_t interrupt_one_in;  /* explore: a CPU takes a flush at one step in this many; 0: 6 */
    uint32_t freeze_one_in;     /* explore: a CPU stands still for long so often; 0: never */
    bool unacknowledged;        /* a planted flaw: who flushes other CPUs does not wait for them */
    bool ram_is_copied;         /* a process that the test forks has a RAM of its own */
};

/*
 * With `explore` all CPUs run threads, a step at a time and in an order that follows from the seed.
 * A step may end, so another CPU or another thread may go on, at every lock, wait and user access
 * and before every change of a table entry. A flush of another CPU's TLB takes effect when that CPU
 * takes the interrupt, some steps later; the flusher waits for it. A CPU keeps the root that it has
 * loaded while it is idle.
 */

/*
 * Makes the machine and starts the scheduler: boot_info.usable holds the RAM, interrupts are on.
 * Once in a process.
 */
void sim_boot(const struct sim_config *config);

/*
 * The calling thread goes on on CPU n. The CPU that it leaves keeps its root and its TLB: so
 * it can hold a stale translation.
 */
void sim_use_cpu(uint32_t n);

/* A point where an interrupt may come: time passes, disks answer, a thread may be preempted. */
void sim_poll(void);

/* Lets simulated time pass (interrupts and threads that become ready are served). */
void sim_advance(int64_t nanoseconds);

/* A hash of the whole of simulated RAM. */
uint64_t sim_hash(void);

/* A random number below LIMIT, from the seed. */
uint32_t sim_random(uint32_t limit);

/* ---- user memory, as user code would access it ---- */

/*
 * NBYTES at ADDRESS, whole or up to the first byte that cannot be: FAULT_DONE, or what the
 * registered handler said (REPORT may be NULL).
 */
enum fault_result sim_read(uaddr_t address, void *target, uint32_t nbytes,
                           struct fault_report *report);
enum fault_result sim_write(uaddr_t address, const void *source, uint32_t nbytes,
                            struct fault_report *report);
enum fault_result sim_execute(uaddr_t address, struct fault_report *report);

/* The same for one word, which must succeed. */
uint32_t sim_load32(uaddr_t address);
void sim_store32(uaddr_t address, uint32_t value);

/*
 * NBYTES of user addresses from FIRST on stand for the test's own MEMORY, in every process: what
 * system calls are passed, where no page of a process shall hold it.
 */
void sim_lend_memory(uaddr_t first, void *memory, uint32_t nbytes);

/* As the hardware alone: no handler is called; false is a fault. */
bool sim_probe(uaddr_t address, enum access_kind kind);

/* How many page faults the MMU has raised. */
uint64_t sim_fault_count(void);

/* ---- the TLBs ---- */

/*
 * Compares every TLB entry of every CPU with the tables: how many grant what the tables no longer
 * do, or translate a page whose accessed bit is clear (each is printed). 0 at every quiet point.
 */
uint32_t sim_check_tlbs(void);

/* Plants a violation: the next N flushes do nothing. */
void sim_skip_flushes(uint32_t n);

/*
 * Explore: IN_USE says whether a frame may be reached: TRANSLATED through a TLB (a user page, or a
 * page table), else through a window; an access through a translation of one that may not is a
 * panic. A frame that is newly filled (zeroed, copied to, paged in) must be in no TLB at all.
 */
void sim_watch_frames(bool (*in_use)(pfn_t frame, bool translated));
void sim_check_new_frame(pfn_t frame);

/*
 * Explore: ALLOWED says whether the calling CPU may still have a translation to FRAME (or walk
 * through the table in it), from user space or in a cache WINDOW; an access by one that it may not
 * have is a panic.
 */
void sim_watch_translations(bool (*allowed)(pfn_t frame, bool window));

/*
 * Explore: the Nth read of ENTRY from now on calls THEN, once, before anything is made of what was
 * read. sim_stand_still, to be called there: the CPU does nothing until *OVER, or until the others
 * have had time for all that they can do: who does not come to an end waits for this one.
 */
void sim_on_read(const pte_t *entry, uint32_t nth, void (*then)(void));
void sim_stand_still(const bool *over);

/* Explore: whether all other CPUs wait in HLT. */
bool sim_others_are_idle(void);

/* Explore: no CPU keeps ROOT loaded; no thread runs in it any more. */
void sim_unload_root(const struct paging_root *root);

/* Whether CPU n holds a translation of ADDRESS. */
bool sim_tlb_holds(uint32_t n, uaddr_t address);

/* The bits PTE_WRITE, PTE_NX and PTE_DIRTY of that translation, and PTE_PRESENT; 0: none. */
uint64_t sim_tlb_rights(uint32_t n, uaddr_t address);

/* ---- threads ---- */

/* Starts a thread (its memory is the machine's); it runs when the calling thread waits or yields.
 */
struct thread *sim_thread(const char *name, void (*entry)(void *argument), void *argument,
                          uint8_t priority);

/* Waits until every thread of sim_thread has ended. */
void sim_join(void);

/* Whether no other thread of sim_thread than the one that asks lives. */
bool sim_is_alone(void);

/* ---- disks ---- */

struct sim_disk {
    struct block_device device;
    uint8_t *contents;       /* of a disk in memory, else NULL */
    int file;                /* host file, or -1 */
    int64_t latency;         /* nanoseconds until a request is answered; default 100 us */
    uint32_t latency_spread; /* a random part of it besides, at most this; 0: none */
    bool shuffle;            /* answers come in any order, and data is moved at any time */
    uint32_t fail_one_in;    /* requests fail at random; 0: none */
    uint32_t damage_one_in;  /* pages that are written are damaged or lost; 0: none */
    uint64_t fail_first;     /* requests that touch [fail_first, fail_end) fail */
    uint64_t fail_end;
    uint64_t reads, writes, flushes;
    uint64_t errors;        /* requests that failed */
    uint64_t damaged_reads; /* segments that were read and are not as they were written last */
    uint8_t *damaged;       /* of a disk in memory: for each sector */
    struct list queue;      /* of requests */
    /* Told of every write and flush that was carried out. */
    void (*observe)(struct sim_disk *disk, const struct block_request *request);
};

/* Whether the page at SECTOR is not as it was written last; whether no request is under way. */
bool sim_disk_is_damaged(struct sim_disk *disk, uint64_t sector);
bool sim_disk_is_idle(const struct sim_disk *disk);

/* A disk of zeroes; the Nth is block_device_get(n). */
struct sim_disk *sim_disk_memory(uint64_t nsectors);
/* A disk over the host's file PATH. */
struct sim_disk *sim_disk_file(const char *path, bool read_only);

#endif
