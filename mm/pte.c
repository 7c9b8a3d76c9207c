/*
 * mm/pte.c: protections to and from PAGE_ flags and hardware bits.
 */
#include "mm/pte.h"

#include "abi/constants.h"
#include "quire/assert.h"

STATIC_ASSERT(PAGE_NOACCESS == 1u << PROT_NOACCESS);
STATIC_ASSERT(PAGE_WRITECOPY == 1u << PROT_WRITECOPY);
STATIC_ASSERT(PAGE_EXECUTE_WRITECOPY == 1u << PROT_EXECUTE_WRITECOPY);

status_t mi_prot_from_page(uint32_t page, prot_t *prot)
{
    uint32_t bases = page & 0xFFu;
    if ((page & ~(0xFFu | PAGE_GUARD | PAGE_NOCACHE)) != 0 || bases == 0 ||
        (bases & (bases - 1u)) != 0) {
        return STATUS_INVALID_PAGE_PROTECTION;
    }
    if (bases == PAGE_NOACCESS && page != PAGE_NOACCESS) {
        return STATUS_INVALID_PAGE_PROTECTION;
    }
    uint32_t result = (uint32_t)__builtin_ctz(bases);
    if ((page & PAGE_GUARD) != 0) {
        result |= PROT_GUARD;
    }
    if ((page & PAGE_NOCACHE) != 0) {
        result |= PROT_NOCACHE;
    }
    *prot = (prot_t)result;
    return STATUS_SUCCESS;
}

uint32_t mi_prot_to_page(prot_t prot)
{
    return (1u << prot_base(prot)) | ((prot & PROT_GUARD) != 0 ? PAGE_GUARD : 0u) |
           ((prot & PROT_NOCACHE) != 0 ? PAGE_NOCACHE : 0u);
}

pte_t mi_pte_make_user(pfn_t frame, prot_t prot, uint64_t extra)
{
    ASSERT(!prot_is_barred(prot));
    uint64_t flags = PTE_USER | extra | ((uint64_t)prot_base(prot) << PTE_AVL_SHIFT);
    if (prot_is_writable(prot) && !prot_is_writecopy(prot)) {
        flags |= PTE_WRITE;
    }
    if (!prot_is_executable(prot)) {
        flags |= PTE_NX;
    }
    if ((prot & PROT_NOCACHE) != 0) {
        flags |= PTE_PCD;
    }
    MM_INVARIANT(M7, !prot_is_writecopy(prot) || (flags & PTE_WRITE) == 0);
    return pte_make_valid(frame, flags);
}
