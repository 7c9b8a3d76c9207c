/*
 * tests/host/mm_fixture.h: what tests of mm/ begin and end with: a simulated machine with a memory
 * manager, processes' spaces, sections, a pager whose contents are known, and the full check.
 */
#ifndef TESTS_HOST_MM_FIXTURE_H
#define TESTS_HOST_MM_FIXTURE_H

#include "abi/constants.h"
#include "mm/audit.h"
#include "mm/commit.h"
#include "mm/fault.h"
#include "mm/pool.h"
#include "mm/section.h"
#include "mm/space.h"
#include "mm/view.h"
#include "mm/virtual.h"
#include "tests/host/sim.h"
#include "tests/host/test.h"

#define MIB 0x100000u

/* Where page PAGE of the region at BASE is. */
static inline uaddr_t fixture_page(uaddr_t base, uint32_t page)
{
    return (uaddr_t){base.v + page * PAGE_BYTES};
}

/* Stores VALUE + N to each page N of a region; how many pages do not hold that. */
void fixture_fill(uaddr_t base, uint32_t npages, uint32_t value);
uint32_t fixture_count_wrong(uaddr_t base, uint32_t npages, uint32_t value);

/* The accessed bits of a space's pages go. => it runs nowhere. */
void fixture_chill(struct space *space, uaddr_t base, uint32_t npages);

/* Touches NPAGES of other memory so often that everything else leaves. */
void fixture_press(struct space *space, uint32_t npages);

/* Boots NBYTES of RAM (and HIGH_NBYTES above the direct map) with NCPUS CPUs, and starts mm/. */
void fixture_boot(uint32_t nbytes, uint32_t high_nbytes, uint32_t ncpus);
/* The same, threads losing their CPU at one in PREEMPT_ONE_IN points. */
void fixture_boot_preempted(uint32_t nbytes, uint32_t seed, uint32_t preempt_one_in);
/* The same, NCPUS of them running at once. */
void fixture_boot_explored(uint32_t nbytes, uint32_t seed, uint32_t ncpus);

/* Boots what CONFIG says; faults go to mm/ by these operations. */
extern const struct trap_operations fixture_operations;
void fixture_boot_config(const struct sim_config *config);

/* fixture_boot with one CPU, and a paging file of SLOTS on the disk that it returns. */
struct sim_disk *fixture_boot_paging(uint32_t nbytes, uint32_t slots);
/* The same, threads losing their CPU at one in PREEMPT_ONE_IN points. */
struct sim_disk *fixture_boot_paging_preempted(uint32_t nbytes, uint32_t slots,
                                               uint32_t preempt_one_in);
/* Opens a paging file of SLOTS on a new disk. */
struct sim_disk *fixture_open_pagefile(uint32_t slots);
/* Lets the balancer finish, so that nothing is on its way. */
void fixture_settle(void);

/* A space, which the calling thread then runs in; fixture_enter switches. */
struct space *fixture_space(void);
void fixture_enter(struct space *space);
void fixture_end_space(struct space *space);

/* A memory section, READWRITE, SEC_COMMIT. */
void fixture_section(struct section *section, uint32_t nbytes);

/* Maps a part of a section: base 0 for anywhere; the view's address. */
uaddr_t fixture_map(struct space *space, struct section *section, uint32_t base, uint64_t offset,
                    uint32_t nbytes, uint32_t protection);

/* Private memory, reserved and committed. */
uaddr_t fixture_allocate(struct space *space, uint32_t nbytes, uint32_t protection);

/* A file of NPAGES whose word at byte N is fixture_word(N). */
struct fixture_file {
    struct segment *segment;
    uint32_t npages;
    uint32_t page_ins;   /* calls of the pager */
    uint32_t pages_read; /* pages that they brought */
    status_t error;      /* what page_in gives instead, unless success */
    bool slow;           /* page_in lets other threads run first */
    bool released;
    const uint8_t *bytes; /* the contents instead, of the length below */
    uint32_t nbytes;
    uint32_t pages_written; /* and forgotten */
    status_t write_error;
    status_t reserve_error;
    void (*during_write)(void); /* or NULL */
    /* Before so many pages are written, or NULL: may set write_error for them. */
    void (*before_write)(struct fixture_file *file, uint32_t first, uint32_t npages);
};
void fixture_file(struct fixture_file *file, uint32_t npages);
void fixture_file_of(struct fixture_file *file, const void *bytes, uint32_t nbytes);
status_t fixture_try_file(struct fixture_file *file, const void *bytes, uint32_t nbytes);
/* The same that may be stored to. */
void fixture_written_file(struct fixture_file *file, uint32_t npages);
status_t fixture_try_written_file(struct fixture_file *file, uint32_t npages);
uint32_t fixture_word(uint64_t offset);

/* The audit finds nothing, and no TLB grants what the tables do not. */
void fixture_check(void);

/* What memory is in use: equal at two moments when nothing leaked between them (after a drain). */
struct fixture_usage {
    uint32_t objects;
    uint32_t commit;
    uint32_t available;
};
struct fixture_usage fixture_usage(void);
#define EXPECT_SAME_USAGE(before)                                                                  \
    do {                                                                                           \
        struct fixture_usage now_ = fixture_usage();                                               \
        EXPECT_EQUAL(now_.objects, (before).objects);                                              \
        EXPECT_EQUAL(now_.commit, (before).commit);                                                \
        EXPECT_EQUAL(now_.available, (before).available);                                          \
    } while (0)

#endif
