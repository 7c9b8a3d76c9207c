/*
 * include/quire/types.h: the basic types, and the ones that the compiler keeps apart.
 *
 * A frame number, a physical address, a user address and a page-table entry are one-member
 * structs: mixing them up does not compile. Kernel addresses are pointers. A size in pages is
 * called npages, a size in bytes nbytes.
 */
#ifndef QUIRE_TYPES_H
#define QUIRE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT  12u
#define PAGE_BYTES  4096u
#define PAGE_MASK   (PAGE_BYTES - 1u)
#define CHUNK_SHIFT 21u /* what one page table maps: 2 MiB */
#define CHUNK_BYTES (1u << CHUNK_SHIFT)
#define CHUNK_PAGES 512u

/* A frame number: physical address / 4096. */
typedef struct {
    uint32_t n;
} pfn_t;

/* A physical address. */
typedef struct {
    uint64_t v;
} paddr_t;

/* An address in a process. Never dereferenced: user memory is reached through usercopy.h. */
typedef struct {
    uint32_t v;
} uaddr_t;

/* A page-table entry in the hardware's PAE layout, or one of the software forms of mm/pte.h. */
typedef struct {
    uint64_t v;
} pte_t;

#define PFN_NONE ((pfn_t){UINT32_MAX})

static inline bool pfn_is_none(pfn_t pfn)
{
    return pfn.n == UINT32_MAX;
}

static inline bool pfn_equal(pfn_t a, pfn_t b)
{
    return a.n == b.n;
}

static inline paddr_t pfn_to_paddr(pfn_t pfn)
{
    return (paddr_t){(uint64_t)pfn.n << PAGE_SHIFT};
}

static inline pfn_t paddr_to_pfn(paddr_t paddr)
{
    return (pfn_t){(uint32_t)(paddr.v >> PAGE_SHIFT)};
}

/* The number of whole pages that hold nbytes; nbytes may be 0 and must not exceed 2^32 - 4096. */
static inline uint32_t pages_of(uint32_t nbytes)
{
    return (nbytes + PAGE_MASK) >> PAGE_SHIFT;
}

#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The structure of which MEMBER is the member that POINTER points at. */
#define container_of(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

#endif
