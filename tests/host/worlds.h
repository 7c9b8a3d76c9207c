/*
 * tests/host/worlds.h: small worlds: two processes, two names, sections of two pages, few frames;
 * every sequence of calls up to a length, run by the kernel's own sys/ and mm/.
 *
 *   worlds.c          the sequences, breadth first, equal worlds merged
 *   worlds_calls.c    the calls that a world can make, as text too
 *   worlds_model.c    what must be: who has which handle and view, what each byte holds
 *   worlds_machine.c  the world itself: booted, called, brought to rest, ended
 *   worlds_check.c    the world against the model
 *   worlds_state.c    the world's state under renaming, as one number
 */
#ifndef TESTS_HOST_WORLDS_H
#define TESTS_HOST_WORLDS_H

#include "quire/annotate.h"
#include "quire/status.h"
#include "quire/types.h"

struct object;
struct process;
struct section_object;
struct vad;

#define WORLD_PROCESSES 2u
#define WORLD_NAMES     2u
#define WORLD_PAGES     2u /* of a section */
#define WORLD_FRAMES    3u /* that contents have at rest; tables and objects are apart */
#define WORLD_HANDLES   16u
#define WORLD_VIEWS     16u
#define WORLD_STEPS     16u  /* of a sequence */
#define WORLD_CALLS     128u /* that one world can make */

/* ---- calls ---- */

enum world_call_kind {
    WORLD_CREATE,    /* process, name; the existing section when there is one */
    WORLD_OPEN,      /* process, name */
    WORLD_DUPLICATE, /* process, name: one of its handles, into the process `detail` */
    WORLD_CLOSE,     /* process, name: one of its handles; NOTHING: a handle it has not */
    WORLD_MAP,       /* process, name, detail: how */
    WORLD_UNMAP,     /* process, view; NOTHING: where none is */
    WORLD_FLUSH,     /* process, view */
    WORLD_READ,      /* process, view, detail: page */
    WORLD_WRITE,     /* process, view, detail: page */
    WORLD_EXIT,      /* process */
    WORLD_TRIM,      /* others want all frames that contents have: pages leave their tables */
    WORLD_SQUEEZE,   /* and others use those frames: the paging file alone has what was in them */
    WORLD_WRING,     /* and want those of tables that have no page in RAM */
    WORLD_CALL_KINDS
};

enum world_map {
    WORLD_LINKED,   /* read-write, where the table can be linked if it has no neighbour */
    WORLD_FILLED,   /* read-write, a neighbour of the first one of those */
    WORLD_READONLY, /* where the table can be linked, too */
    WORLD_COPY,     /* write-copy, where the kernel likes */
    WORLD_MAPS
};

#define WORLD_NOTHING 0xFFu

struct world_call {
    uint8_t kind;
    uint8_t process;
    uint8_t object; /* a name, or a view's place among the process's by address */
    uint8_t detail;
    bool rests; /* afterwards all I/O comes to its end; else the next call finds it under way */
};

struct world_model;

/* All calls that make sense in MODEL, at most WORLD_CALLS; how many. */
uint32_t world_list_calls(const struct world_model *model, struct world_call *calls);

/* One call, or a sequence separated by "; ", as text, and read back: false when it is none. */
void world_print_call(const struct world_call *call, char *text, size_t nbytes);
bool world_parse_call(const char *text, struct world_call *call);

/* ---- the model ---- */

struct world_view {
    uint32_t address;
    uint8_t name;
    uint8_t map; /* enum world_map */
    bool copied[WORLD_PAGES];
    uint32_t own[WORLD_PAGES]; /* the values of copied pages */
};

struct world_process {
    bool alive;
    uint32_t nhandles;
    uint32_t handles[WORLD_HANDLES]; /* ascending */
    uint8_t names[WORLD_HANDLES];
    uint32_t nviews;
    struct world_view views[WORLD_VIEWS]; /* ascending */
};

struct world_model {
    struct world_process processes[WORLD_PROCESSES];
    uint32_t values[WORLD_NAMES][WORLD_PAGES]; /* of a section's pages; 0: never stored to */
};

/* Handles of NAME, and views, in all processes. */
uint32_t world_handles_of(const struct world_model *model, uint32_t name);
uint32_t world_views_of(const struct world_model *model, uint32_t name);

/* The process's lowest handle to NAME's section; 0: none. The handle that it will get next. */
uint32_t world_handle_to(const struct world_process *process, uint32_t name);
uint32_t world_next_handle(const struct world_process *process);

/* Where the next view that is mapped as MAP says must go; 0: anywhere. */
uint32_t world_base(const struct world_process *process, enum world_map map);

/* What a page of a view holds. */
uint32_t world_value(const struct world_model *model, const struct world_view *view, uint32_t page);

/* What a call answered: its status, and the handle or the address that it gave. */
struct world_answer {
    status_t status;
    uint32_t value;
};

/*
 * Makes CALL, the one with NUMBER in its sequence, in the model. => what is wrong with ANSWER, or
 * NULL. A store stores NUMBER: no two of a sequence are alike.
 */
const char *world_apply(struct world_model *model, const struct world_call *call, uint32_t number,
                        const struct world_answer *answer);

/* ---- the world ---- */

/* What is taken out of the kernel, to see it found. */
enum world_flaw {
    FLAW_NONE,
    FLAW_VIEW,  /* a view does not raise the usage counter */
    FLAW_NAME,  /* the name goes with the last handle, though a view is left */
    FLAW_FLUSH, /* no TLB is ever flushed */
    FLAW_WRITE, /* the disk says that it has written, and has not */
    FLAWS
};
extern const char *const world_flaw_names[FLAWS];

/* Boots the machine and makes the two processes. Once. */
void world_start(enum world_flaw flaw, struct world_model *model);

/* Makes the call. NUMBER as above. */
struct world_answer world_perform(const struct world_model *model, const struct world_call *call,
                                  uint32_t number);

/* All I/O ends. => what does not come to rest, or NULL. */
const char *world_rest(void);

/* The machine's frames are what contents may have, whatever tables there are now. */
void world_portion_frames(void);

/* Both processes end; NULL when everything is as before they began, else what is not. */
const char *world_end(struct world_model *model);

/* The calling thread goes on in a process, on that process's CPU. */
void world_enter(uint32_t process);
struct process *world_process(uint32_t number);

/* Looking must change nothing: no interrupt comes, no disk answers meanwhile. */
void world_stop_time(bool stop);

/* The section with a name, or NULL. */
struct section_object *world_find_section(uint32_t name);

/* What a slot of the paging file holds. */
const void *world_slot(uint32_t slot);

/* The view at ADDRESS in the process, or NULL. */
const struct vad *world_find_view(uint32_t process, uint32_t address);

/* ---- checks ---- */

/* The counters, handles and views are the model's; NULL, or what is not. */
const char *world_check_counters(const struct world_model *model);

/* After a rest: audit and TLBs find nothing, and every mapped byte holds what the model says. */
const char *world_check_contents(const struct world_model *model);

/* ---- states ---- */

struct world_state {
    uint64_t words[2];
};

/*
 * The world under renaming: the same for worlds that differ in the names of frames, slots, handles,
 * addresses, processes or sections. Told in full to standard error when SAY.
 */
struct world_state world_read_state(const struct world_model *model, bool say);

/* ---- exploring ---- */

struct world_search {
    uint32_t depth;
    uint32_t jobs;
    enum world_flaw flaw;
    const char *first; /* calls that come before, or NULL */
    bool twins;        /* equal worlds all go on, and are compared */
    bool quiet;
    uint32_t states; /* out */
    uint64_t calls;  /* out */
    bool failed;     /* out */
    uint32_t length; /* out: of the sequence that failed */
};

void world_explore(struct world_search *search);

/* A world to begin from: both processes map both sections, and more pages are stored to than there
   are frames. */
extern const char world_full[];

/* The program: worlds [-d DEPTH] [-j JOBS] [-b CALLS] [-x FLAW] [-r CALLS]. */
int worlds_main(int argc, char **argv);

#endif
