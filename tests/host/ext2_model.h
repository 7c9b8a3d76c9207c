/*
 * tests/host/ext2_model.h: random changes of a volume, a model that knows what every file holds,
 * and the power cut at every point of the disk's log.
 */
#ifndef TESTS_HOST_EXT2_MODEL_H
#define TESTS_HOST_EXT2_MODEL_H

#include "fs/internal.h"

#define NAME_MAX_      24
#define FX_FILES_MAX   400 /* ever made in one run */
#define FX_PAGES_MAX   160 /* written of one file */
#define FX_SNAPSHOTS   64
#define FX_CHANGES_MAX 400

struct page {
    uint32_t number;
    uint32_t seed;
};

struct model_file {
    bool exists;
    bool is_directory;
    uint32_t id;
    uint32_t inode;
    uint32_t parent; /* id; 0: the root */
    char name[NAME_MAX_];
    uint64_t nbytes;
    uint32_t npages;
    struct page pages[FX_PAGES_MAX]; /* those that were written; the others are zero */
};

/* What may have happened to a file. */
enum change_kind { CHANGE_MADE, CHANGE_WRITTEN, CHANGE_CUT, CHANGE_NAMED, CHANGE_GONE };

struct change {
    enum change_kind kind;
    uint32_t id;
    uint32_t log; /* how much of it was there when the change began */
    uint32_t page;
    uint64_t nbytes;
    uint32_t parent;
    char name[NAME_MAX_];
};

struct snapshot {
    uint32_t log;      /* promised from here on */
    uint32_t nchanges; /* made before */
    uint32_t nfiles;
    struct model_file *files;
};

extern struct model_file fx_files[FX_FILES_MAX]; /* by id; 0 is the root */
extern uint32_t fx_nfiles;
extern struct change fx_changes[FX_CHANGES_MAX];
extern uint32_t fx_nchanges;
extern struct snapshot fx_snapshots[FX_SNAPSHOTS];
extern uint32_t fx_nsnapshots;

/* Begins the log, and a model of an empty volume. QUIRE_VERBOSE, in the environment, tells changes.
 */
void fx_begin_model(void);

/* A random change of the volume and the model; files reach LIMIT pages and more. */
void fx_change_something(uint32_t limit);

/* What is there now is promised; fx_sync_volume makes it so. */
void fx_take_snapshot(void);
void fx_sync_volume(void);

/* Everything of the model is on the volume. */
void fx_check_model(void);

/* ---- for changes that a test makes itself ---- */

void fx_note(enum change_kind kind, const struct model_file *file, uint32_t page);
void fx_make_name(char *name);
struct ext2_name fx_name_of(const char *name, uint32_t parent);
void fx_change_size(struct model_file *file, uint64_t nbytes);

/*
 * What a file holds: words that follow from a seed and their place. The first word of each unit of
 * 1 KiB is the seed, and that says whose it is: so contents that are another file's are found out.
 */
#define FX_UNIT_WORDS 256u
uint32_t fx_word_of(uint32_t seed, uint32_t page, uint32_t i);
uint32_t fx_make_seed(const struct model_file *file);

/* The page's contents follow from SEED (0: zeroes); false: too many pages of the file have one. */
bool fx_set_seed(struct model_file *file, uint32_t page, uint32_t seed);

/* Writes pages as a page-out would, their blocks reserved before; LOST: never written. */
status_t fx_write_pages(const struct model_file *model, uint32_t first, uint32_t npages, bool lost);

/* Compares the pages that the model has, below NBYTES; DOUBT (may be NULL) says which not. */
bool fx_has_contents(struct open_file *open, const struct model_file *file, uint64_t nbytes,
                     bool (*doubt)(uint32_t id, uint32_t page));

/* ---- the power cut (ext2_cuts.c) ---- */

/* One cut, with writes missing as log_disk_rebuild has it: whether all is as it should be. */
bool fx_check_cut(uint32_t cut, uint64_t missing);
extern bool fx_expects_failure; /* then no cut fails the test */

/* Every cut; and at the end of each window between flushes, subsets of what it wrote. */
void fx_check_cuts(void);

#endif
