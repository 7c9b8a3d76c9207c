/*
 * mm/pte.h: the forms that an entry of a page table or prototype table takes while it is not
 * valid, and the protections that both kinds carry.
 *
 *   63            40 39          12 11   9 8  7  6  4 3  1 0
 *  +----------------+--------------+------+--+--+----+----+-+
 *  |       0        | frame number |  0   |nc|gd|prot|form|0|   a software entry
 *  +----------------+--------------+------+--+--+----+----+-+
 *
 * A valid entry has the hardware's layout; its three free bits (9 to 11) hold the protection, which
 * the hardware's bits alone could not give back (READONLY and WRITECOPY look alike, as do
 * READONLY and EXECUTE_READ on a CPU without NX). Nothing here holds a pointer.
 */
#ifndef MM_PTE_H
#define MM_PTE_H

#include "kernel/paging.h"
#include "quire/assert.h"
#include "quire/status.h"

enum pte_form {
    PTE_EMPTY,       /* all zero: what the VAD, or the segment, says of the whole region */
    PTE_DEMAND_ZERO, /* committed, never touched */
    PTE_DECOMMITTED, /* not committed, though the region is */
    PTE_TRANSITION,  /* the frame holds the contents and is not mapped */
    PTE_PROTOTYPE,   /* a view's page with a protection of its own; contents in the segment */
    PTE_PAGEFILE,    /* the contents are in a slot of the paging file */
    PTE_PAGER,       /* a segment's page that its pager brings, with the protection of its views */
};

/*
 * A protection: bits 0 to 2 the base (PAGE_x is 1 << base), bit 3 guard, bit 4 no-cache.
 */
typedef uint8_t prot_t;

#define PROT_NOACCESS          0u
#define PROT_READONLY          1u
#define PROT_READWRITE         2u
#define PROT_WRITECOPY         3u
#define PROT_EXECUTE           4u
#define PROT_EXECUTE_READ      5u
#define PROT_EXECUTE_READWRITE 6u
#define PROT_EXECUTE_WRITECOPY 7u
#define PROT_BASE              7u
#define PROT_GUARD             8u
#define PROT_NOCACHE           16u

#define PTE_FORM_SHIFT 1u
#define PTE_PROT_SHIFT 4u

/* PAGE_ flags to a protection; STATUS_INVALID_PAGE_PROTECTION for what is none or a mix. */
MUST_CHECK status_t mi_prot_from_page(uint32_t page, prot_t *prot);
uint32_t mi_prot_to_page(prot_t prot);

static inline uint32_t prot_base(prot_t prot)
{
    return prot & PROT_BASE;
}

static inline bool prot_is_executable(prot_t prot)
{
    return (prot & 4u) != 0;
}

static inline bool prot_is_writecopy(prot_t prot)
{
    return (prot & 3u) == 3u;
}

/* A store may be allowed, be it to a copy. */
static inline bool prot_is_writable(prot_t prot)
{
    return (prot & 2u) != 0;
}

/* No touch of the page succeeds without something happening first. */
static inline bool prot_is_barred(prot_t prot)
{
    return prot_base(prot) == PROT_NOACCESS || (prot & PROT_GUARD) != 0;
}

/* What a write-copy page becomes once it is private. */
static inline prot_t prot_after_copy(prot_t prot)
{
    return prot_is_writecopy(prot) ? (prot_t)(prot & ~1u) : prot;
}

static inline bool pte_is_empty(pte_t pte)
{
    return pte.v == 0;
}

static inline enum pte_form pte_form(pte_t pte)
{
    return (enum pte_form)((pte.v >> PTE_FORM_SHIFT) & 7u);
}

static inline bool pte_has_form(pte_t pte, enum pte_form form)
{
    return !pte_is_valid(pte) && pte_form(pte) == form;
}

/* The protection that a valid or a software entry carries (not PTE_EMPTY). */
static inline prot_t pte_prot(pte_t pte)
{
    if (pte_is_valid(pte)) {
        return (prot_t)(((pte.v >> PTE_AVL_SHIFT) & PROT_BASE) |
                        ((pte.v & PTE_PCD) != 0 ? PROT_NOCACHE : 0u));
    }
    return (prot_t)((pte.v >> PTE_PROT_SHIFT) & 0x1Fu);
}

static inline pte_t pte_make_soft(enum pte_form form, prot_t prot)
{
    return (pte_t){((uint64_t)form << PTE_FORM_SHIFT) | ((uint64_t)prot << PTE_PROT_SHIFT)};
}

static inline pte_t pte_make_transition(pfn_t frame, prot_t prot)
{
    pte_t pte = pte_make_soft(PTE_TRANSITION, prot);
    pte.v |= (uint64_t)frame.n << PAGE_SHIFT;
    return pte;
}

/*
 * A slot of the paging file (20 bits: 4 GiB of them), the generation of the write that filled it (3
 * bits), and what both it and the contents must check to (32 bits): carried by a PTE_PAGEFILE
 * entry, and by a private frame's record while the slot holds its contents.
 *
 *   63            32 31          12 11    9 8        4 3  1 0
 *  +----------------+--------------+-------+----------+----+-+
 *  |     check      |     slot     |  gen  | as above |form|0|
 *  +----------------+--------------+-------+----------+----+-+
 */
#define PTE_GENERATION_SHIFT 9u
#define PTE_GENERATIONS      8u
#define PTE_SLOT_SHIFT       12u
#define PTE_SLOTS            (1u << 20)
#define PTE_CHECK_SHIFT      32u

static inline pte_t pte_make_pagefile(uint32_t slot, uint32_t generation, uint32_t check)
{
    ASSERT(slot < PTE_SLOTS && generation < PTE_GENERATIONS);
    return (pte_t){(uint64_t)check << PTE_CHECK_SHIFT | slot << PTE_SLOT_SHIFT |
                   generation << PTE_GENERATION_SHIFT | (uint32_t)PTE_PAGEFILE << PTE_FORM_SHIFT};
}

static inline uint32_t pte_slot(pte_t pte)
{
    return (uint32_t)pte.v >> PTE_SLOT_SHIFT;
}

static inline uint32_t pte_generation(pte_t pte)
{
    return (uint32_t)pte.v >> PTE_GENERATION_SHIFT & (PTE_GENERATIONS - 1u);
}

static inline uint32_t pte_check(pte_t pte)
{
    return (uint32_t)(pte.v >> PTE_CHECK_SHIFT);
}

/* The same software entry with another protection. */
static inline pte_t pte_with_prot(pte_t pte, prot_t prot)
{
    return (pte_t){(pte.v & ~(0x1Full << PTE_PROT_SHIFT)) | ((uint64_t)prot << PTE_PROT_SHIFT)};
}

/* The entry's frame: valid or in transition. */
static inline bool pte_has_frame(pte_t pte)
{
    return pte_is_valid(pte) || pte_form(pte) == PTE_TRANSITION;
}

/* The hardware's bits, and the protection's own, of a valid user entry; by base protection. */
extern const uint64_t mi_user_bits[PROT_BASE + 1u];

/*
 * A valid user entry for a page of protection PROT, which is not barred (M7: a write-copy page is
 * read-only). EXTRA: further PTE_ bits (PTE_DIRTY, PTE_ACCESSED). Inline, and the hardware's bits
 * by table: every page that is made valid passes here.
 */
static inline pte_t mi_pte_make_user(pfn_t frame, prot_t prot, uint64_t extra)
{
    ASSERT(!prot_is_barred(prot));
    uint64_t flags = mi_user_bits[prot_base(prot)] | extra;
    if ((prot & PROT_NOCACHE) != 0) {
        flags |= PTE_PCD;
    }
    MM_INVARIANT(M7, !prot_is_writecopy(prot) || (flags & PTE_WRITE) == 0);
    return pte_make_valid(frame, flags);
}

static inline pte_t pte_empty(void)
{
    return (pte_t){0};
}

#endif
