/*
 * tests/host/simulate.h: the seeded simulation of the memory manager: several processes, threads on
 * several CPUs, random calls, everything compared with the model (model.h).
 */
#ifndef TESTS_HOST_SIMULATE_H
#define TESTS_HOST_SIMULATE_H

#include "kernel/log.h"
#include "kernel/paging.h"
#include "mm/section.h"
#include "mm/space.h"
#include "mm/view.h"
#include "tests/host/model.h"
#include "tests/host/sim.h"

#define ARRAY_SIZE(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

#define PROCESSES 3u
#define SECTIONS  5u
#define FILES     3u /* and those of images */
#define IMAGES    3u
#define REGIONS   9u /* of a process */

/* Where regions are put on purpose; elsewhere the memory manager chooses. */
#define AREA_FIRST 0x40000000u
#define UNIT_BYTES 0x10000u
#define AREA_UNITS 160u

struct sim_section {
    struct section section;
    bool used;
    bool made;               /* by a call that is over */
    bool file;               /* or an image */
    struct sim_image *image; /* or NULL */
    uint32_t number;
    uint32_t usage; /* handles, views, and calls under way that hold it */
    uint32_t views;
    struct content *contents; /* own, or the file's */
    struct content own;
};

struct sim_file {
    struct segment *segment;
    const uint8_t *bytes; /* of an image's file; NULL: model_file_word */
    uint64_t nbytes;
    uint8_t *store;        /* what the pager keeps of a file that is written; else NULL */
    uint32_t errors;       /* page-ins and reservations that failed */
    uint32_t write_errors; /* of the store */
    bool reserved[MODEL_PAGES];
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
    struct sim_file files[FILES + IMAGES];
    struct actor actors[MODEL_THREADS];
    uint32_t error_one_in; /* page-ins fail; 0: never */
    /* That calls use now: few, so that they meet. */
    uint32_t nprocesses, nregions, nsections, nhot;
    bool hogs;     /* frames were taken away for a while, so charges may be refused */
    bool failures; /* some calls' allocations and charges fail */
    bool failing;  /* such a call is under way */
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
void sim_call_sweep(struct actor *actor);
void sim_call_transfer(struct actor *actor);
void sim_call_read_file(struct actor *actor);
void sim_call_usage(struct actor *actor);

/* A process that does not end, or NULL; a region of it that nobody changes, claimed, or NULL. */
struct sim_process *sim_any_process(void);
struct model_region *sim_claim(struct sim_process *process);
/* Refused for want of memory or charges; whether they were, or were said to be, short so far. */
bool sim_is_refusal(status_t status);
bool sim_memory_was_short(void);
/* STATUS is a refusal, and there was a reason for it: for one of commit, that the thread was. */
bool sim_was_refused(status_t status);

/* simulate_files.c: a file of NBYTES behind the simulated pager; the word at OFFSET of one. */
void sim_start_file(struct sim_file *file, const uint8_t *bytes, uint64_t nbytes);
uint32_t sim_file_word(const struct sim_file *file, uint64_t offset);
void sim_start_files(void);
/* All that was stored is written, and found there. => no section is left. */
void sim_end_files(void);
/* Pages of the file that is written: who counts as clean is as the store has it. Quiet. */
void sim_check_files(void);
/* No page of it is being written. */
bool sim_files_rest(void);
/* WriteFile's and ReadFile's way; a flush of a view or of the file. */
void sim_call_file_io(struct actor *actor);
void sim_call_flush(struct actor *actor);
/* The end of the file that is written, past what sections show, moves. */
void sim_call_resize(struct actor *actor);
/* The stores of a file's pages that must be in its store once they are flushed. */
struct sim_floors {
    struct sim_file *file; /* NULL: nothing is to be flushed */
    uint32_t first, count;
    uint32_t write_errors;
    uint16_t floors[MODEL_PAGES][MODEL_THREADS];
};
void sim_note_floors(struct sim_floors *floors, const struct model_region *region);
void sim_check_floors(const struct sim_floors *floors);
/* An in-page error of a file may have had this cause: stores that cannot be written. */
bool sim_is_write_error(status_t status);

/* simulate_images.c: the files and what they become when they are mapped. */
void sim_start_images(void);
void sim_end_images(void);
/* Makes SECTION one of some image, its contents known; or the status of a refusal. */
status_t sim_create_image(struct sim_section *section);
/* The view of an image is in REGION. */
void sim_enter_image(const struct sim_section *section, struct model_region *region);
/* The STATUS of mapping an image: success when it is elsewhere, and it is said so. */
status_t sim_image_status(const struct sim_section *section, const struct view_request *request,
                          status_t status);
/* The file goes out of use; the image stays while it is mapped. */
void sim_call_forget_image(struct actor *actor);

/* simulate_regions.c: a region is nobody's any more, once no access to it is under way. */
void sim_forget_region(struct sim_process *process, struct model_region *region);
void sim_call_map(struct actor *actor);
void sim_call_unmap(struct actor *actor);
void sim_call_allocate(struct actor *actor);
void sim_call_protect(struct actor *actor);
void sim_call_commit(struct actor *actor);
void sim_call_free(struct actor *actor);
void sim_call_release(struct actor *actor);

/* One of COUNT values; a little time passes. */
uint32_t sim_pick(const uint32_t *values, uint32_t count);
void sim_pause(void);
/*
 * Whether STATUS is what EXPECTED says. A refusal, which needs a reason, counts as failure: nothing
 * has changed.
 */
bool sim_expect(const char *what, status_t status, status_t expected);

/* simulate_calls.c: one random call. */
void sim_random_call(struct actor *actor);
/* How often each kind of call comes, from now on: some not at all, some all the time. */
void sim_choose_calls(void);
/* The actor runs in PROCESS, or in none. */
void sim_enter(struct actor *actor, struct sim_process *process);
/* A process's space goes, and all it holds. => nobody else uses it. */
void sim_end_process(struct sim_process *process);
void sim_start_process(struct sim_process *process);
void sim_release_section(struct sim_section *section);
extern const struct section_owner_operations sim_owner;

/* simulate_paging.c: a paging file on a disk that is late, for the whole run. => once, at start. */
void sim_start_paging(void);
bool sim_pages(void);
/* Whether requests fail from now on, and pages are damaged on their way; what did so far. */
void sim_disk_errs(bool reads_and_writes, bool damages);
uint32_t sim_disk_errors(void);
/* Takes most frames that are there, and gives them back a little later: pages must leave. */
void sim_call_hog(struct actor *actor);
/* The pages of a section count as long unused from now on, so that even tables leave. */
void sim_call_chill(struct actor *actor);
/* Waits until enough frames are available and the balancer rests. => no other thread runs. */
void sim_rest(void);
/*
 * The contents of a page whose entry is VALUE, from its frame or its slot; false when there are
 * none, or what lies in the slot was damaged. ALONE: no other entry knows whether it is dirty;
 * then a clean frame is compared with its slot. Quiet.
 */
bool sim_page_contents(pte_t value, bool alone, void *buffer);
/* The entry of a page in the space's own table, or in the segment's; false: the disk has lost it.
 */
bool sim_private_entry(struct space *space, uint32_t page, pte_t *value);
bool sim_segment_entry(struct segment *segment, uint32_t page, pte_t *value);
/* The page's table could not be read once, and is not read any more. */
bool sim_table_is_lost(const struct space *space, uint32_t page);
/* A call needed a table that the disk cannot give. */
bool sim_is_disk_error(status_t status);
void sim_check_slots_are_free(void);

/* simulate_working_set.c: pages that leave a process at once, and pages that stay. */
void sim_call_empty(struct actor *actor);
void sim_call_limits(struct actor *actor);
void sim_call_lock(struct actor *actor);

/* simulate.c: everything against everything; no other thread runs. */
void sim_check_all(void);

/* The program: simulate [-s FIRST] [-n COUNT] [-c CPUS] [-j JOBS] [-x]. */
int simulate_main(int argc, char **argv);
/* Runs COUNT seeds until one fails, with the planted FLAW or without; how many failed. */
uint32_t simulate_seeds(uint32_t first, uint32_t count, uint32_t ncpus, bool flaw);

/* How a run ended. */
struct simulate_outcome {
    uint64_t calls;
    int64_t time; /* simulated */
    uint64_t ram; /* a hash of all of it: tables, database, pool, contents */
};
/*
 * Runs SEED; after its first phase the machine is copied, and both go on to the end: OUTCOMES[0] of
 * the machine, [1] of the copy. False when one of them fails.
 */
MUST_CHECK bool simulate_copied(uint32_t seed, struct simulate_outcome outcomes[2]);

#endif
