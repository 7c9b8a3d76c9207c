/*
 * mm/vad.h: virtual address descriptors: the regions of an address space, and finding room among
 * them.
 */
#ifndef MM_VAD_H
#define MM_VAD_H

#include "kernel/tree.h"
#include "mm/pte.h"
#include "mm/segment.h"
#include "mm/space.h"
#include "quire/status.h"

struct section;

#define SLOT_PAGES      16u /* allocation granularity: 64 KiB */
#define USER_FIRST_PAGE (USER_FIRST >> PAGE_SHIFT)
#define USER_LAST_PAGE  ((USER_SHARED >> PAGE_SHIFT) - 1u) /* below the shared page */

enum vad_kind {
    VAD_PRIVATE,
    VAD_VIEW,        /* of a memory or file section */
    VAD_IMAGE,       /* of an image section */
    VAD_SHARED_PAGE, /* the page at USER_SHARED */
};

/* All fields: [space lock]; what a mapper needs of them never changes after insertion. */
struct vad {
    struct tree_node node;
    struct space *space;
    uint32_t first; /* page numbers, both inside */
    uint32_t last;
    enum vad_kind kind;
    prot_t prot;       /* of a page whose entry is empty (images: the prototype entry says) */
    prot_t allocated;  /* AllocationProtect */
    bool committed;    /* private: an empty entry is a committed page */
    bool copy_charged; /* views: every page may become private */
    bool in_tables;    /* views: a table of the space has held something of it */
    bool stores;       /* views: may change a file */
    bool grows;        /* views: with its file, page by page (MEM_RESERVE) */
    uint32_t commit;   /* pages charged for private contents */
    struct section *section;
    struct segment *segment;
    uint32_t segment_page;  /* the segment's page at FIRST */
    struct mapper *mappers; /* one for each chunk that the view touches */
    uint32_t nmappers;
    struct mapper own_mapper; /* MAPPERS, when one is enough */
};

static inline uint32_t vad_npages(const struct vad *vad)
{
    return vad->last - vad->first + 1;
}

/*
 * The last page of a view that can be reached: of one that grows the last that its section had
 * when it was mapped, or that was committed since in any such view of the file, here or in another
 * process. It may rise at any time.
 */
uint32_t vad_last_shown(const struct vad *vad);

static inline bool vad_is_view(const struct vad *vad)
{
    return vad->kind == VAD_VIEW || vad->kind == VAD_IMAGE;
}

void mi_vad_init(void);
struct vad *mi_vad_allocate(struct space *space); /* NULL: no pool memory */
void mi_vad_free(struct vad *vad);

/* All of the following: => space lock held. */

/* The VAD that PAGE lies in, or NULL. */
struct vad *mi_vad_find(struct space *space, uint32_t page);

/* The lowest VAD that ends at or after PAGE, or NULL. */
struct vad *mi_vad_at_or_after(struct space *space, uint32_t page);

struct vad *mi_vad_next(const struct vad *vad);
struct vad *mi_vad_prev(const struct vad *vad);

/* Whether any VAD touches [first, last]. */
bool mi_vad_overlaps(struct space *space, uint32_t first, uint32_t last);

/*
 * Enters a VAD whose range is free, and charges the page tables that it may need: one for each
 * 2 MiB slot that no other VAD touches. STATUS_COMMITMENT_LIMIT, INSUFFICIENT_RESOURCES.
 */
MUST_CHECK status_t mi_vad_insert(struct space *space, struct vad *vad);

/* Takes it out and returns that charge. Its tables hold nothing of it any more. */
void mi_vad_remove(struct space *space, struct vad *vad);

/*
 * Splits VAD (private) before page AT: the new one has [at, last] and is entered. No charge.
 */
void mi_vad_split(struct vad *vad, struct vad *upper, uint32_t at);

/* Makes VAD (private) smaller at an end; the pages given up hold nothing any more. */
void mi_vad_shrink(struct space *space, struct vad *vad, uint32_t first, uint32_t last);

struct gap_request {
    uint32_t npages;
    uint32_t alignment; /* in 64 KiB slots: 1, or 32 for 2 MiB */
    uint32_t last_page; /* nothing above it */
    bool top_down;
};
/* The first page of a free range of whole 64 KiB slots; 0 when there is none. */
uint32_t mi_find_gap(struct space *space, const struct gap_request *request);

/* The number of 2 MiB slots in use, counted afresh: for the audit. */
uint32_t mi_count_table_slots(struct space *space);

#endif
