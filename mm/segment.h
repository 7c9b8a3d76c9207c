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

/* Larger than any section: what tables can hold and views can reach. */
#define SEGMENT_BYTES_MAX (1ull << 38)

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
    uint32_t segment_id; /* [c] whose, and which of its chunks */
    uint32_t index;      /* [c] */
    /* [chunk lock] the prototype table: empty, valid, TRANSITION or PAGEFILE (mm/table.h) */
    pte_t table ALIGNED(8);
    uint32_t pins;     /* [chunk lock] cache windows that show it; a device's: pages pinned */
    uint32_t resident; /* [chunk lock] valid prototype entries */
    /* [chunk lock] files: writable prototype entries, all of them in [first_dirty, end_dirty) */
    uint16_t dirty;
    uint16_t first_dirty;
    uint16_t end_dirty;
};

enum segment_kind {
    SEGMENT_MEMORY, /* the paging file: zeroes at first */
    SEGMENT_FILE,
    SEGMENT_IMAGE,
    SEGMENT_DEVICE, /* a file system's own blocks (mm/device.c) */
};

/* In a file's count of dirty pages: they are stuck, since none could be written at the last try. */
#define DIRTY_STUCK_SHIFT 31
#define DIRTY_STUCK       (1u << DIRTY_STUCK_SHIFT)

/* What of a file is dirty (mm/dirty.h). */
struct dirtiness {
    struct mutex lock; /* RANK_PAGE_WRITER: held while pages are written */
    uint32_t npages;   /* [atomic] dirty, or being written; with DIRTY_STUCK */
    uint32_t nwritten; /* [lock] of these: being written */
    uint32_t written;  /* [atomic] pages that were ever written */
    uint32_t failures; /* [atomic] tries of the writer in which none was, though some had to be */
    status_t failure;  /* [atomic] what the last of them said */
    int64_t since;     /* about when the first became dirty; when stuck, of the last try */
    uint32_t pass;     /* [segments lock] of the writer, in which it had its turn */
    status_t error;    /* [segment lock] of a write that nobody waited for */
    bool urgent;       /* write soon: a process ended without waiting */
    bool past_end;     /* views may have stored past the end */
};

/* What of a device is pinned (mm/device.c). [the pinner's lock] */
struct pinning {
    uint32_t limit;    /* pages that are charged */
    uint32_t npages;   /* pinned */
    uint32_t detached; /* frames that the pinner has instead */
};

struct segment {
    struct spinlock lock;        /* RANK_SEGMENT */
    struct list link;            /* [segments lock] */
    uint32_t id;                 /* [c] what frames of prototype tables carry */
    uint32_t refs;               /* [segment lock] */
    enum segment_kind kind;      /* [c] */
    bool reserve;                /* [c] SEC_RESERVE: an empty entry is not committed */
    uint32_t npages;             /* [segment lock to write] files: as many as now */
    uint64_t nbytes;             /* [segment lock to write] */
    uint32_t shown;              /* [segment lock to write] pages that views that grow show */
    uint32_t nchunks;            /* [segment lock to write] only grows */
    uint32_t commit;             /* [segment lock] pages charged for contents */
    uint32_t tables;             /* [segment lock] pages charged for prototype tables */
    struct chunk **groups;       /* [segment lock to add; entries never change] */
    uint32_t ngroups;            /* [segment lock to write] only grows */
    struct chunk **outgrown[6];  /* [segment lock] smaller arrays: somebody may read them */
    struct read_streams streams; /* [segment lock] */
    uint32_t trim_page;          /* [trim lock] where the clock's hand stands */
    const struct pager_operations *pager; /* [c] NULL: the paging file */
    void *context;                        /* [c] */
    struct dirtiness dirty;               /* files */
    struct pinning pinning;               /* devices */
};

/* Whether stores to pages are noticed one by one (M5): a clean page is read-only. */
static inline bool mi_notices_stores(const struct segment *segment)
{
    return segment->kind == SEGMENT_FILE;
}

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

/* How many pages NBYTES of contents have. */
static inline uint32_t mi_pages_for(uint64_t nbytes)
{
    return (uint32_t)((nbytes + PAGE_MASK) >> PAGE_SHIFT);
}

/* How many chunks NPAGES pages lie in. */
static inline uint32_t mi_chunks_for(uint32_t npages)
{
    return (npages + CHUNK_PAGES - 1) / CHUNK_PAGES;
}

/* Room for NCHUNKS chunks of a file, and the charge for their tables. */
MUST_CHECK status_t mi_segment_make_room(struct segment *segment, uint32_t nchunks);

/* Views that grow show at least the first NPAGES pages from now on. */
void mi_segment_show(struct segment *segment, uint32_t npages);

/*
 * Frees what ENTRY of a prototype table holds, a frame or a slot: frames, valid ones too, through
 * the batch. The caller writes the entry. => nobody maps the page.
 */
void mi_free_proto_entry(struct frame_batch *batch, pte_t *entry);

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
 * the space whose lock is held, or NULL. May wait for the disk and for frames.
 * => STATUS_COMMITMENT_LIMIT: nothing changed; or what the disk said when it could not bring a
 *    table back: what lies before it may be committed then.
 */
MUST_CHECK status_t mi_segment_commit(struct segment *segment, uint32_t first, uint32_t count,
                                      struct space *held);

enum commitment {
    COMMITTED,
    NOT_COMMITTED,
    COMMITMENT_OUT, /* only its table knows, which is out: mi_page_in_table */
};

/* Whether PAGE of a SEC_RESERVE segment is committed. => its chunk's lock held. */
enum commitment mi_commitment_locked(const struct chunk *chunk, uint32_t page);

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

/*
 * The first segment that IS_WANTED, with a reference more; NULL: none is. => IS_WANTED is called
 * with the segments lock held.
 */
struct segment *mi_segments_take(bool (*is_wanted)(struct segment *segment, void *context),
                                 void *context);

/* Calls VISIT for each segment, with the segments lock held. */
void mi_segment_for_each(void (*visit)(struct segment *segment, void *context), void *context);

#endif
