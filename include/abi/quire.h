/*
 * include/abi/quire.h: what Quire has beyond NT: its own information classes and their structures,
 * and the layout of the page that every process shares read-only. Usable from Win32 programs
 * (after <windows.h>) and from the kernel: fixed-size types, 32-bit layout.
 */
#ifndef ABI_QUIRE_H
#define ABI_QUIRE_H

#include <stdint.h>

/*
 * System calls. EAX = number, EDX = address of the arguments (32-bit words).
 * - int 0x2e: EAX = status on return; every other register keeps its value.
 * - sysenter, through the shared page: `call [0x7FFE0300]`; ECX and EDX are lost.
 */
#define QUIRE_SHARED_PAGE 0x7FFE0000u
#define QUIRE_SYSTEM_CALL 0x300u /* offset of the address of the system-call stub */
#define QUIRE_STUB        0x340u /* offset of the stub itself (code) */

/* NtQuerySection: how a section is used. */
#define SECTION_QUIRE_USAGE 0x5100u
struct quire_section_usage {
    uint32_t handles;        /* open handles, in all processes */
    uint32_t views;          /* mapped views, in all processes */
    uint32_t references;     /* the usage counter: handles + views */
    uint32_t resident_pages; /* of the segment, in memory */
    uint32_t modified_pages; /* of those: changed since they were read or written */
    uint32_t linked_chunks;  /* 2 MiB chunks whose table a process links, counted per process */
    uint32_t filled_chunks;  /* the same through tables of a process's own */
};

/* NtQueryVirtualMemory: the frame behind each page from BaseAddress; as many as the buffer holds.
 */
#define MEMORY_QUIRE_FRAMES 0x5101u
struct quire_frame {
    uint32_t frame;  /* physical address / 4096, UINT32_MAX when no frame is there */
    uint16_t state;  /* enum quire_frame_state */
    uint16_t shares; /* valid entries that map it, at most 65535 */
};
enum quire_frame_state {
    QUIRE_FRAME_NONE,       /* nothing in memory: never touched, or not committed */
    QUIRE_FRAME_VALID,      /* mapped here */
    QUIRE_FRAME_RESIDENT,   /* in memory, not mapped here yet */
    QUIRE_FRAME_TRANSITION, /* on its way in or out */
};

/* NtQueryVirtualMemory: the process's regions, in order, from BaseAddress on. */
#define MEMORY_QUIRE_REGIONS 0x5102u
struct quire_region {
    uint32_t base;
    uint32_t nbytes;
    uint32_t allocation_base;
    uint32_t state;      /* MEM_COMMIT, MEM_RESERVE */
    uint32_t protection; /* PAGE_ */
    uint32_t allocation_protection;
    uint32_t type;           /* MEM_PRIVATE, MEM_MAPPED, MEM_IMAGE */
    uint32_t resident_pages; /* with a valid entry in this process */
    uint32_t linked_chunks;  /* 2 MiB chunks shown through a linked table */
};

/* NtQuerySystemInformation: frames and charges. */
#define SYSTEM_QUIRE_MEMORY 0x5103u
struct quire_memory {
    uint32_t total_pages;
    uint32_t free_pages;
    uint32_t zeroed_pages;
    uint32_t active_pages;
    uint32_t standby_pages;
    uint32_t modified_pages;
    uint32_t high_pages; /* of the total: above the direct map */
    uint32_t commit_pages;
    uint32_t commit_limit_pages;
    uint32_t pool_pages;
    uint32_t pool_objects;
    uint32_t table_pages;
    uint32_t processes;
    uint32_t threads;
    uint64_t idle_time; /* nanoseconds */
    uint64_t faults;
    uint64_t tlb_flushes;
    uint64_t root_loads; /* writes to CR3 */
};

/* NtQuerySystemInformation: what paging does, and what the active frames hold. */
#define SYSTEM_QUIRE_PAGING 0x5110u
struct quire_paging {
    uint32_t private_pages; /* active frames: of private memory */
    uint32_t segment_pages; /* of sections, files and images */
    uint32_t table_pages;   /* page tables and directories */
    uint32_t prototype_pages;
    uint32_t kernel_pages;     /* stacks, devices, large blocks */
    uint32_t slab_pages;       /* of the pool */
    uint32_t transition_pages; /* frames under I/O */
    uint32_t bad_pages;        /* of defective RAM, among the others; in no other count */
    uint32_t commit_peak_pages;
    uint32_t resident_available_pages; /* may still be promised of what cannot leave RAM */
    uint32_t pagefile_pages;           /* 0: there is no paging file */
    uint32_t pagefile_used_pages;
    uint32_t handles;        /* open, in all processes */
    uint32_t database_bytes; /* of memory that the PFN database takes, in whole pages */
    uint64_t uptime;         /* nanoseconds since boot */
    uint64_t pages_read;     /* from the paging file; the counts begin at boot */
    uint64_t pages_written;
    uint64_t page_reads; /* requests */
    uint64_t page_writes;
    uint64_t page_write_errors;
    uint64_t disk_reads; /* requests to all disks, those of paging among them */
    uint64_t disk_writes;
    uint64_t disk_flushes;
    uint64_t disk_bytes_read;
    uint64_t disk_bytes_written;
    uint64_t tlb_page_flushes;
    uint64_t tlb_root_flushes; /* all of one address space */
    uint64_t tlb_all_flushes;  /* all of all address spaces */
    /* Page faults by what they came to; one that found nothing to do, or was refused, is in none.
     */
    uint64_t demand_zero_faults;   /* a new page of zeroes */
    uint64_t transition_faults;    /* soft: the page was still in memory, on standby or modified */
    uint64_t copy_on_write_faults; /* a private copy */
    uint64_t paging_file_faults;   /* hard: a request to the paging file */
    uint64_t file_faults;          /* hard: a request for pages of a file or image */
    uint64_t file_pages_read;      /* by those */
};

/*
 * NtQueryVirtualMemory: the regions as MEMORY_QUIRE_REGIONS gives them, and of each the pages by
 * where their contents are. What was never touched is in none of the counts.
 */
#define MEMORY_QUIRE_REGION_PAGES 0x5111u
struct quire_region_pages {
    struct quire_region region;
    uint32_t private_pages;   /* of the resident ones: the process's own, copies included */
    uint32_t shared_pages;    /* of the resident ones: another mapping shows them now */
    uint32_t linked_pages;    /* of the resident ones: seen through a linked table */
    uint32_t nearby_pages;    /* not mapped here, but in memory: a touch needs no I/O */
    uint32_t paged_out_pages; /* in the paging file */
    uint32_t unknown_pages;   /* their prototype table is out itself, so nobody looked */
    uint32_t private_tables;  /* page tables of the process's own that show the region */
};

/*
 * NtQuerySystemInformation, on debug kernels alone (elsewhere STATUS_INVALID_INFO_CLASS): makes
 * what a system call asks for fail, so that a test can see what comes of it. The buffer holds the
 * order and receives the answer. One thread at a time.
 */
#define SYSTEM_QUIRE_FAILURE 0x5120u
enum quire_failure_order {
    QUIRE_FAILURE_ARM,      /* the NTH of KIND that the caller's next system call asks for fails */
    QUIRE_FAILURE_RESULT,   /* of that call: MADE and FAILED */
    QUIRE_FAILURE_ACCOUNTS, /* gives back all that lingers on purpose, then counts */
    QUIRE_FAILURE_AUDIT,    /* the same, and AUDIT: it looks at all of memory */
};
enum quire_failure_kind {
    QUIRE_FAIL_ALLOCATION,   /* of kernel memory */
    QUIRE_FAIL_CHARGE,       /* of commit or of what cannot leave RAM */
    QUIRE_FAIL_DISK_REQUEST, /* STATUS_IO_DEVICE_ERROR */
};
struct quire_accounts {
    uint32_t pool_objects;
    uint32_t commit_pages;
    uint32_t resident_available_pages;
    uint32_t active_pages;
    uint32_t objects;
    uint32_t processes;
    uint32_t threads;
    uint32_t handles;
};
struct quire_failure {
    uint32_t order;
    uint32_t kind;
    uint32_t nth;
    uint32_t made;   /* how many the call asked for, the one that failed among them */
    uint32_t failed; /* 1: there was an NTH one */
    uint32_t audit;  /* how many invariants of the memory manager do not hold */
    struct quire_accounts accounts;
};

#endif
