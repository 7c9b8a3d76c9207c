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

#define USER_BITS(prot, bits) [prot] = PTE_USER | ((uint64_t)(prot) << PTE_AVL_SHIFT) | (bits)

const uint64_t mi_user_bits[PROT_BASE + 1u] = {
    USER_BITS(PROT_NOACCESS, PTE_NX),
    USER_BITS(PROT_READONLY, PTE_NX),
    USER_BITS(PROT_READWRITE, PTE_NX | PTE_WRITE),
    USER_BITS(PROT_WRITECOPY, PTE_NX),
    USER_BITS(PROT_EXECUTE, 0),
    USER_BITS(PROT_EXECUTE_READ, 0),
    USER_BITS(PROT_EXECUTE_READWRITE, PTE_WRITE),
    USER_BITS(PROT_EXECUTE_WRITECOPY, 0),
};
