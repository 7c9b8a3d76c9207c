/*
 * include/mm/statistics.h: what memory is used for: frames by what they hold, an address space's
 * working set, the pages of a region by where their contents are. Reads what the memory manager
 * keeps anyway, and changes nothing.
 */
#ifndef MM_STATISTICS_H
#define MM_STATISTICS_H

#include "quire/types.h"

struct space;

/* Frames by what they hold. Counted one by one: not all of them at the same moment. */
struct mm_frame_uses {
    uint32_t private_pages; /* active: private memory and private copies */
    uint32_t segment_pages; /* active: of sections, files and images */
    uint32_t page_tables;   /* active: page tables and page directories */
    uint32_t prototype_tables;
    uint32_t kernel_pages; /* stacks, device memory, large blocks of the pool */
    uint32_t slab_pages;   /* the pool's slabs */
    uint32_t transition;   /* under I/O */
    uint32_t bad;
};
void mm_count_frame_uses(struct mm_frame_uses *uses);

/* The number of the highest frame of RAM. */
uint32_t mm_highest_frame(void);

/* Bytes of memory that the PFN database takes, in whole pages. */
uint32_t mm_database_bytes(void);

/* How far an address space's counts rose, in pages. */
struct mm_space_peaks {
    uint32_t reserved_pages;
    uint32_t commit_pages;
    uint32_t working_set; /* the most that was seen: by a query, before pages were taken out */
    uint64_t faults;
};
/* => takes the space lock. Cheap: of the working set the private pages are looked at only. */
void mm_read_space_peaks(struct space *space, struct mm_space_peaks *peaks);

/* An address space now, in pages. A linked table's pages count as if it had entries of its own. */
struct mm_space_usage {
    uint32_t reserved_pages;
    uint32_t commit_pages;
    uint32_t private_pages; /* valid, of no segment */
    uint32_t working_set;   /* valid, all of them */
    uint32_t table_pages;
    struct mm_space_peaks peaks;
};
/* => takes the space lock; costs 512 looks for each page table of the space's own. */
void mm_read_space_usage(struct space *space, struct mm_space_usage *usage);

/* The pages of a range by where their contents are; what was never touched is in none of these. */
struct mm_region_pages {
    uint32_t resident;       /* valid here */
    uint32_t private_pages;  /* of the resident: of no segment */
    uint32_t shared_pages;   /* of the resident: another mapping shows them at this moment */
    uint32_t linked_pages;   /* of the resident: seen through a linked table */
    uint32_t nearby;         /* not valid here, but in memory: a touch needs no I/O */
    uint32_t paged_out;      /* in the paging file */
    uint32_t table_out;      /* their prototype table is not in memory, so nobody looked */
    uint32_t linked_chunks;  /* 2 MiB chunks seen through a linked table */
    uint32_t private_tables; /* page tables of the space's own that show the range */
};
/*
 * [base, base + nbytes) lies in one region. => takes the space lock; may wait for the disk, to
 * bring page tables in.
 */
void mm_count_region(struct space *space, uaddr_t base, uint32_t nbytes,
                     struct mm_region_pages *pages);

/* One page as it is mapped now. */
struct mm_page {
    bool is_valid;
    bool is_linked;
    bool is_shareable;   /* of a segment */
    uint32_t shares;     /* valid: the mappings that show it, this one included */
    uint32_t protection; /* valid: PAGE_ */
};
/* ADDRESS is a user address. => takes the space lock. */
void mm_query_page(struct space *space, uaddr_t address, struct mm_page *page);

/*
 * The lowest valid page at or above *PAGE (a page number), which becomes its number.
 * => false: there is none. Takes the space lock.
 */
bool mm_next_valid_page(struct space *space, uint32_t *page, struct mm_page *answer);

#endif
