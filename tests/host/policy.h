/*
 * tests/host/policy.h: how well the memory manager chooses what leaves RAM: reference strings, and
 * how often true LRU, CLOCK, Belady's optimum and the real mm/ on the simulated machine fault on
 * them with the same number of frames.
 *
 * A fault is a touch that has to wait for a read of the disk, of a page that had been touched
 * before: the first touch, which is zero-filled, is counted for none of the four, and neither is
 * one that finds the page in memory, mapped or not. For mm/ reads are counted where the disk is
 * asked, page tables that come back included.
 *
 * What is asked for: on a loop, which no memory holds, never more faults than LRU; on every other
 * string at most 1.1 times as many as LRU, and never more than CLOCK. The recorded sort is held to
 * LRU alone: what CLOCK makes of it is luck (docs/testing.md), and evens out over seeds only.
 */
#ifndef TESTS_HOST_POLICY_H
#define TESTS_HOST_POLICY_H

#include "quire/types.h"

/* What is touched, in order. */
struct references {
    uint32_t npages; /* all page numbers are below it */
    uint32_t count;
    uint32_t room;
    uint32_t *items; /* page << 1 | store */
};

#define REFERENCE_STORE 1u

/* Appends a touch; one of the page that was touched last, which no policy can see, adds nothing. */
void reference_add(struct references *references, uint32_t page, bool store);

/* The patterns by number: a name, NULL behind the last one; what it is. */
const char *policy_pattern_name(uint32_t pattern);
const char *policy_pattern_text(uint32_t pattern);

/* Makes the string of a pattern, scaled to a memory of NFRAMES. The same for the same SEED. */
void policy_make(struct references *references, uint32_t pattern, uint32_t nframes, uint32_t seed);

/*
 * Reads a recorded string: a page number in hexadecimal on each line, with `w` behind it for a
 * store; lines that begin with `#` are left out. The pages are numbered anew, so that those that
 * lie close together still do. False, and said on standard error, when it cannot be read.
 */
bool policy_read(struct references *references, const char *path);

/* How many different pages are touched. */
uint32_t policy_distinct(const struct references *references);

enum policy { POLICY_LRU, POLICY_CLOCK, POLICY_OPTIMUM, POLICY_MODELS };

/* Faults of a model with NFRAMES. */
uint32_t policy_model(enum policy policy, const struct references *references, uint32_t nframes);

/*
 * What is asked for on the pattern called NAME ("file" is a recorded program) and is not so with
 * these faults of the models and of ours; NULL when all is well.
 */
const char *policy_complaint(const char *name, const uint32_t models[POLICY_MODELS], uint32_t ours);

/* What the real memory manager did. */
struct policy_ours {
    uint32_t faults;  /* references that had to wait for the disk */
    uint32_t read;    /* pages */
    uint32_t written; /* pages */
    uint32_t soft;    /* page faults without I/O, first touches left out */
    uint32_t nframes; /* that contents could take, counted at the end */
    uint32_t wrong;   /* loads that did not give what was stored last */
};

/*
 * Plays the string on a simulated machine whose contents can take NFRAMES. SCATTERED: pages that
 * are neighbours in the string are none in memory, so that read-around, which the models do not
 * have, finds nothing to bring; else they lie as they are numbered. Once in a process, which must
 * not have booted the machine.
 */
struct policy_ours policy_play(const struct references *references, uint32_t nframes,
                               bool scattered);

/* The same in a process of its own, as often as you like. False: the machine has failed there. */
bool policy_play_apart(const struct references *references, uint32_t nframes, bool scattered,
                       struct policy_ours *ours);

/* `tests32 policy`: see its --help. */
int policy_main(int argc, char **argv);

#endif
