/*
 * mm/segment.h: segments as mm/ sees them: contents in chunks of 2 MiB, a prototype table each, and
 * the list of those who map the chunk.
 *
 *   segment -> groups of 32 chunk descriptors -> chunk: lock, table, mappers
 *                                                   |         |
 *                         linked: a page directory's entry    mapper {vad, first page, kind}
 *                         points at the very same table       filled: a table of the space's own
 *
 * A chunk's lock guards its table, every entry that maps one of its pages in whichever table (M2),
 * and its mapper list.
 */
#ifndef MM_SEGMENT_H
#define MM_SEGMENT_H

#include "kernel/lock.h"
#include "kernel/paging.h"
#include "kernel/wait.h"
#include "mm/frame.h"
#include "mm/pager.h"
#include "mm/pte.h"
#include "mm/read_around.h"

struct space;
struct vad;

#define GROUP_CHUNKS 32u

enum mapper_kind {
    MAPPER_NONE,   /* nothing of the chunk is mapped in this view yet */
    MAPPER_LINKED, /* the page directory points at the prototype table (M3) */
    MAPPER_FILLED, /* a private table holds entries of some pages */
};

/* One view's part in one chunk. Lies in the view's VAD; [chunk lock]. */
struct mapper {
    struct list link;    /* in chunk->mappers while kind is not NONE */
    struct vad *vad;     /* [c] */
    uint32_t first_page; /* [c] page number that the chunk's page 0 has, or would have, here */
    enum mapper_kind kind;
};

struct chunk {
    struct spinlock lock;
    struct list mappers; /* [chunk lock] */
    /* [chunk lock] the prototype table: empty, valid, TRANSITION or PAGEFILE (mm/table.h) */
    pte_t table ALIGNED(8);
    uint32_t pins;     /* [chunk lock] cache windows that show it */
    uint32_t resident; /* [chunk lock] valid prototype entries */
};

enum segment_kind {
    SEGMENT_MEMORY, /* the paging file: zeroes at first */
    SEGMENT_FILE,
    SEGMENT_IMAGE,
};

struct segment {
    struct spinlock lock;                 /* RANK_SEGMENT */
    struct list link;                     /* [segments lock] */
    uint32_t id;                          /* [c] what frames of prototype tables carry */
    uint32_t refs;                        /* [segment lock] */
    enum segment_kind kind;               /* [c] */
    bool reserve;                         /* [c] SEC_RESERVE: an empty entry is not committed */
    uint32_t npages;                      /* [c] */
    uint64_t nbytes;                      /* [c] */
    uint32_t commit;                      /* [segment lock] pages charged for contents */
    uint32_t tables;                      /* [segment lock] pages charged for prototype tables */
    struct chunk **groups;                /* [segment lock to add; entries never change] */
    uint32_t ngroups;                     /* [c] */
    struct read_streams streams;          /* [segment lock] */
    uint32_t trim_page;                   /* [trim lock] where the clock's hand stands */
    const struct pager_operations *pager; /* [c] NULL: the paging file */
    void *context;                        /* [c] */
};

void mi_segment_init(void);

/* Creates a segment with one reference; SEGMENT_MEMORY charges its contents unless RESERVE. */
MUST_CHECK status_t mi_segment_create(struct segment **result, enum segment_kind kind,
                                      uint64_t nbytes, bool reserve,
                                      const struct pager_operations *pager, void *context);

/*
 * Makes the descriptors of chunks [first, last] and charges their tables, so that touching them
 * later cannot fail for want of either.
 */
MUST_CHECK status_t mi_segment_reserve(struct segment *segment, uint32_t first, uint32_t last);

/* Chunk INDEX, which was reserved; NULL when it was not. */
struct chunk *mi_chunk(const struct segment *segment, uint32_t index);

/* How many pages chunk INDEX has: 512, or fewer in the last one. */
uint32_t mi_chunk_pages(const struct segment *segment, uint32_t index);

/* The entry of a page when the chunk has its table in memory, else NULL. => chunk lock held. */
pte_t *mi_proto_entry_locked(const struct chunk *chunk, uint32_t page_in_chunk);

/*
 * Publishes FRAME, which holds its final contents, in a prototype entry; EXTRA: PTE_DIRTY,
 * PTE_ACCESSED. => chunk lock held.
 */
void mi_publish_locked(const struct segment *segment, struct chunk *chunk, pte_t *entry,
                       pfn_t frame, prot_t prot, uint64_t extra);

enum page_state {
    PAGE_READY,       /* valid in its prototype entry */
    PAGE_UNCOMMITTED, /* SEC_RESERVE, not committed */
    PAGE_NO_FRAME,    /* frames are short: mi_wait_for_frames, without locks */
    PAGE_ABSENT,      /* it has to be brought: mi_page_in, without locks */
};

/* Makes PAGE (of the segment) resident if that takes no I/O. => its chunk's lock held. */
enum page_state mi_page_make_ready_locked(struct segment *segment, struct chunk *chunk,
                                          uint32_t page);

/* Adds or takes away one valid entry of a segment page's frame. => the chunk's lock held. */
static inline void mi_share_frame(pfn_t frame)
{
    struct pfn *record = mi_pfn(frame);
    ASSERT(record->state == FRAME_ACTIVE && record->kind == FRAME_SEGMENT);
    record->use.shares++;
}

static inline void mi_unshare_frame(pfn_t frame)
{
    struct pfn *record = mi_pfn(frame);
    MM_INVARIANT(M1, record->kind == FRAME_SEGMENT && record->use.shares > 1);
    record->use.shares--;
}

/*
 * OLD, a valid alias of a segment page, has been taken out of its table: the share goes, and what
 * it knew of the page's being dirty passes to the prototype entry. => the chunk's lock held.
 */
void mi_drop_alias(pte_t old);

/* Enters a mapper at its first link or fill; takes it off. => chunk lock held. */
void mi_mapper_enter_locked(struct chunk *chunk, struct mapper *mapper, enum mapper_kind kind);
void mi_mapper_leave_locked(struct mapper *mapper);

/*
 * Commits pages [first, first + count) of a SEC_RESERVE segment that are not; charges them. HELD:
 * the space whose lock is held, or NULL. May wait for frames.
 */
MUST_CHECK status_t mi_segment_commit(struct segment *segment, uint32_t first, uint32_t count,
                                      struct space *held);

/* Whether PAGE is committed. => its chunk's lock held. */
bool mi_page_is_committed_locked(const struct segment *segment, const struct chunk *chunk,
                                 uint32_t page);

/* Every chunk of the segment that was reserved, in order: the next at or after INDEX, or NULL. */
struct chunk *mi_chunk_at_or_after(const struct segment *segment, uint32_t *index);

/* How many of its pages are resident, roughly: chunks change meanwhile. */
uint32_t mi_segment_resident(const struct segment *segment);

/*
 * For the balancer, under the trim lock: how many segments there are; one after the other,
 * beginning where the last round ended. They do not end meanwhile.
 */
uint32_t mi_segments_count(void);
struct segment *mi_segments_next(void);

/* Calls VISIT for each segment, with the segments lock held. */
void mi_segment_for_each(void (*visit)(struct segment *segment, void *context), void *context);

#endif
