/*
 * tests/host/simulate.h: the seeded simulation of the memory manager: several processes, threads on
 * several CPUs, random calls, everything compared with the model (model.h).
 */
#ifndef TESTS_HOST_SIMULATE_H
#define TESTS_HOST_SIMULATE_H

#include "kernel/log.h"
#include "mm/section.h"
#include "mm/space.h"
#include "tests/host/model.h"
#include "tests/host/sim.h"

#define ARRAY_SIZE(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

#define PROCESSES 3u
#define SECTIONS  5u
#define FILES     2u
#define REGIONS   9u /* of a process */

/* Where regions are put on purpose; elsewhere the memory manager chooses. */
#define AREA_FIRST 0x40000000u
#define UNIT_BYTES 0x10000u
#define AREA_UNITS 160u

struct sim_section {
    struct section section;
    bool used;
    bool file;
    uint32_t number;
    uint32_t usage; /* handles, views, and calls under way that hold it */
    uint32_t views;
    struct content *contents; /* own, or the file's */
    struct content own;
};

struct sim_file {
    struct segment *segment;
    uint64_t nbytes;
    uint32_t errors; /* page-ins that failed */
    struct content contents;
};

struct sim_process {
    struct space *space; /* NULL: there is none now */
    bool ending;
    uint32_t users;    /* calls under way from elsewhere */
    uint32_t attached; /* threads */
    uint32_t handles[SECTIONS];
    uint8_t units[AREA_UNITS]; /* who claims them: region + 1 */
    struct model_region regions[REGIONS];
    struct sim_section *sections[REGIONS]; /* a view's */
};

/* One thread of the simulation. */
struct actor {
    uint32_t number;
    uint32_t calls; /* still to do */
    struct sim_process *process;
};

struct simulation {
    struct sim_process processes[PROCESSES];
    struct sim_section sections[SECTIONS];
    struct sim_file files[FILES];
    struct actor actors[MODEL_THREADS];
    uint32_t error_one_in;               /* page-ins fail; 0: never */
    uint32_t nprocesses, nregions, nhot; /* that calls use now: few, so that they meet */
    bool verbose;
    uint64_t calls;
};
extern struct simulation simulation;

/* Says what is wrong, and ends the run. */
NORETURN void sim_wrong(const char *format, ...) PRINTF(1, 2);
/* One line for whoever looks at a run. */
void sim_say(const struct actor *actor, const char *format, ...) PRINTF(2, 3);

/* simulate_access.c: the calls that look and store. */
void sim_call_query(struct actor *actor);
void sim_call_access(struct actor *actor);
void sim_call_transfer(struct actor *actor);
void sim_call_read_file(struct actor *actor);
void sim_call_usage(struct actor *actor);

/* A process that does not end, or NULL; a region of it that nobody changes, claimed, or NULL. */
struct sim_process *sim_any_process(void);
struct model_region *sim_claim(struct sim_process *process);
/* Refused for want of memory or charges: allowed at any time. */
bool sim_is_refusal(status_t status);

/* simulate_calls.c: one random call. */
void sim_random_call(struct actor *actor);
/* The actor runs in PROCESS, or in none. */
void sim_enter(struct actor *actor, struct sim_process *process);
/* A process's space goes, and all it holds. => nobody else uses it. */
void sim_end_process(struct sim_process *process);
void sim_start_process(struct sim_process *process);
void sim_release_section(struct sim_section *section);
extern const struct section_owner_operations sim_owner;

/* simulate.c: everything against everything; no other thread runs. */
void sim_check_all(void);

/* The program: simulate [-s FIRST] [-n COUNT] [-c CPUS] [-j JOBS] [-x]. */
int simulate_main(int argc, char **argv);
/* Runs COUNT seeds until one fails, with the planted FLAW or without; how many failed. */
uint32_t simulate_seeds(uint32_t first, uint32_t count, uint32_t ncpus, bool flaw);

#endif
