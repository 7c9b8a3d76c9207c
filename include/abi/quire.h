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
    uint64_t root_loads;
};

#endif
