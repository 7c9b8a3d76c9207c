/*
 * tests/host/model.h: what memory should hold: the reference that the simulation is checked
 * against.
 *
 * Plain arrays; shares no code with mm/. A content (of a section, a file, or a region's own pages)
 * has one word in each page for each writer, so every word has one writer, whose stores are
 * numbered: a read must give a store that may have been the last one. An access that overlaps a
 * change of its page (protect, decommit, unmap, a copy, another's guard fault) may see the page
 * before or after it; all others have exactly one right outcome.
 *
 * The model's functions are called between calls of the memory manager and do not switch threads.
 */
#ifndef TESTS_HOST_MODEL_H
#define TESTS_HOST_MODEL_H

#include "kernel/trap.h"
#include "quire/types.h"

#define MODEL_THREADS 5u
#define MODEL_PAGES   1040u /* of a content or region at most: two chunks and a bit */

struct cell {
    uint16_t floor;   /* the store that a read gives at least; 0: what was there at first */
    uint16_t begun;   /* the last store that has begun */
    uint16_t pending; /* the store under way, or 0 */
};

enum touch { UNTOUCHED, MAYBE_TOUCHED, TOUCHED };

struct content {
    uint32_t id;
    uint32_t npages;
    uint64_t file_bytes;   /* of a file, whose words are model_file_word; 0: zeroes at first */
    const uint32_t *words; /* of an image: what its pages hold at first */
    bool reserve;          /* committed[] counts */
    uint32_t busy;         /* commits of pages under way */
    uint32_t changes;
    bool committed[MODEL_PAGES];
    uint8_t touched[MODEL_PAGES]; /* enum touch: resident */
    struct cell cells[MODEL_PAGES][MODEL_THREADS];
};

enum page_state_model { PAGE_GONE, PAGE_RESERVED, PAGE_COMMITTED };

struct model_page {
    uint8_t state;    /* enum page_state_model */
    bool copied;      /* a view's: private now */
    bool loose;       /* nothing certain is known of its guard */
    uint16_t busy;    /* changes under way */
    uint16_t copiers; /* stores under way that began before it was copied */
    uint32_t changes; /* begun or ended */
    uint32_t prot;    /* PAGE_ */
};

struct model_region {
    bool used;
    bool claimed;   /* somebody changes it */
    bool exclusive; /* no access may begin: the change is about write-copy */
    uint32_t users; /* accesses under way */
    uint32_t hits;  /* guard faults */
    uint32_t base, npages;
    uint32_t allocated;     /* PAGE_ */
    struct content *shared; /* a view's; NULL: private memory */
    uint32_t shared_page;   /* of the content, at base */
    bool image;
    bool unsure; /* a change ended half-way */
    bool copy_charged;
    uint32_t copy_pages; /* that an image is charged for */
    struct content own;
    struct model_page pages[MODEL_PAGES];
};

void model_content_init(struct content *content, uint32_t id, uint32_t npages);
void model_region_init(struct model_region *region, uint32_t id, uint32_t base, uint32_t npages,
                       uint32_t prot, enum page_state_model state);

/* The word at byte OFFSET of a file with FILE_BYTES. */
uint32_t model_file_word(uint64_t offset, uint64_t file_bytes);
/* Where writer THREAD's word lies in each page. */
static inline uint32_t model_offset(uint32_t thread)
{
    return 16u + thread * 272u;
}

/* ---- one access ---- */

struct model_access {
    struct model_region *region;
    uint32_t page; /* of the region */
    uint32_t cell; /* whose word; the writer's own for a store */
    enum access_kind kind;
    uint32_t value; /* what a store stores */
    /* kept by the model */
    bool calm;
    bool may_copy;
    enum fault_result expected;
    uint16_t version;
    uint32_t changes, content_changes;
    uint16_t floors[MODEL_THREADS];
};
void model_begin(struct model_access *access);

/* VALUE: what a read gave. NULL, or what is wrong. => leaves the region. */
const char *model_end(struct model_access *access, enum fault_result result, uint32_t value);

/* ---- changes of pages [first, first + count) ---- */

struct model_change {
    struct model_region *region;
    uint32_t first, count;
    uint32_t hits;
};
void model_change_begin(struct model_change *change);
void model_change_end(struct model_change *change);
/* What became of them, before model_change_end. */
void model_protect(const struct model_change *change, uint32_t prot);
void model_commit(const struct model_change *change, uint32_t prot);
void model_decommit(const struct model_change *change, enum page_state_model state);

/* Whether pages of the range are all committed; all of one state. */
bool model_is_committed(const struct model_region *region, uint32_t page);
/* The protection that a query gives for a committed page. */
uint32_t model_prot(const struct model_region *region, uint32_t page);
bool model_is_calm(const struct model_region *region, uint32_t first, uint32_t count);

/* ---- counters ---- */

struct bounds {
    uint32_t least, most;
};
/* Valid private pages of the region; resident pages of a content. */
struct bounds model_private_pages(const struct model_region *region);
struct bounds model_resident(const struct content *content);
/* Pages of a section that were stored to. */
struct bounds model_modified(const struct content *content);
uint32_t model_region_commit(const struct model_region *region);

/* Whether VALUE may be the word of THREAD in a page of CONTENT, of store FLOOR or a later one. */
bool model_may_hold(const struct content *content, uint32_t page, uint32_t thread, uint32_t value,
                    uint32_t floor);

/* NULL, or what is wrong with the words of PAGE, whose memory lies at MEMORY. Quiet. */
const char *model_check_page(const struct model_region *region, uint32_t page, const void *memory);

#endif
