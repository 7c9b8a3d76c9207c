/*
 * include/mm/space.h: an address space: what a process's memory is.
 */
#ifndef MM_SPACE_H
#define MM_SPACE_H

#include "kernel/lock.h"
#include "kernel/paging.h"
#include "kernel/tree.h"
#include "mm/read_around.h"
#include "quire/annotate.h"
#include "quire/list.h"

struct space {
    struct mutex lock;            /* RANK_SPACE */
    struct paging_root root;      /* [c] */
    struct tree vads;             /* [space lock] by address */
    struct vad *vad_hint;         /* [space lock] where the last lookup ended */
    uint32_t *slots;              /* [space lock] a bit for each 64 KiB that a VAD touches */
    uint32_t slot_hint;           /* [space lock] no free slot lies below */
    uint32_t id;                  /* [c] unique, what frames of page tables carry */
    uint32_t commit;              /* [space lock] pages charged: private, write-copy, tables */
    uint32_t peak_commit;         /* [space lock] */
    uint32_t peak_working_set;    /* [space lock] the most valid pages that were seen */
    uint32_t private_pages;       /* [space lock] valid private pages */
    uint32_t trim_page;           /* [space lock] where the clock's hand stands */
    struct read_streams streams;  /* [space lock] what was paged in last */
    uint32_t table_pages;         /* [space lock] page tables present */
    uint32_t table_slots;         /* [space lock] 2 MiB slots charged for a table */
    uint32_t distrusted_tables;   /* [space lock] page tables never to be read again */
    uint32_t reserved_pages;      /* [space lock] pages inside VADs */
    uint32_t peak_reserved_pages; /* [space lock] */
    uint64_t faults;              /* [space lock] */
    uint32_t trim_waits;          /* [trim lock] the balancer waits for the lock */
    struct list locked_slots;     /* [space lock] struct locked_slot (mm/lock.c) */
    uint32_t locked_pages;        /* [space lock] */
    uint32_t minimum_pages;       /* [space lock] of the working set, private pages */
    uint32_t maximum_pages;       /* [space lock] */
    bool limits_are_set;          /* [space lock] by the process: not the defaults */
    bool hard_minimum;            /* [space lock] charged as resident, never trimmed below */
    bool hard_maximum;            /* [space lock] */
    uint64_t trim_faults;         /* [space lock] FAULTS when the clock's hand last came by */
    bool dying;                   /* [space lock] nothing more may be mapped */
    struct list link;             /* [list of spaces] */
};

/*
 * An empty space. STATUS_COMMITMENT_LIMIT, STATUS_INSUFFICIENT_RESOURCES. The page at USER_SHARED
 * is mapped read-only, executable in it.
 */
MUST_CHECK status_t mm_space_create(struct space **space);

/*
 * Removes every view and region, and returns all they held; afterwards nothing can be mapped and
 * every lookup fails. May block. No other thread runs in the space.
 */
void mm_space_empty(struct space *space);

/* Frees an emptied space that no CPU has loaded and no thread is attached to. */
void mm_space_destroy(struct space *space);

/* The frame that every process sees at USER_SHARED; the kernel writes it through frame_address. */
pfn_t mm_shared_page(void);

#endif
