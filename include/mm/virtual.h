/*
 * include/mm/virtual.h: the VirtualAlloc family: private memory, and protection and description of
 * every kind of memory.
 */
#ifndef MM_VIRTUAL_H
#define MM_VIRTUAL_H

#include "quire/annotate.h"
#include "quire/status.h"
#include "quire/types.h"

struct space;

/*
 * What NtAllocateVirtualMemory refuses before it looks at a handle: first flags
 * (INVALID_PARAMETER_3, 5, INVALID_PAGE_PROTECTION), then the range (INVALID_PARAMETER_2, 4).
 * mm_allocate_virtual checks both.
 */
MUST_CHECK status_t mm_check_allocation_flags(uint32_t zero_bits, uint32_t type,
                                              uint32_t protection);
MUST_CHECK status_t mm_check_allocation_range(uaddr_t base, uint32_t nbytes);

/*
 * NtAllocateVirtualMemory: in *base and *nbytes what is asked, out what was done, in whole pages.
 * => INVALID_PARAMETER_2..5, INVALID_PAGE_PROTECTION, CONFLICTING_ADDRESSES, NO_MEMORY,
 *    COMMITMENT_LIMIT; out values only on success.
 */
MUST_CHECK status_t mm_allocate_virtual(struct space *space, uaddr_t *base, uint32_t *nbytes,
                                        uint32_t zero_bits, uint32_t type, uint32_t protection);

/* NtFreeVirtualMemory: TYPE is MEM_DECOMMIT or MEM_RELEASE. */
MUST_CHECK status_t mm_free_virtual(struct space *space, uaddr_t *base, uint32_t *nbytes,
                                    uint32_t type);

/* Whether there is such a protection: STATUS_INVALID_PAGE_PROTECTION. */
MUST_CHECK status_t mm_check_protection(uint32_t protection);

/*
 * NtProtectVirtualMemory: *old is the protection that the first page had.
 * => STATUS_WAS_UNLOCKED (a success): a locked page is not locked any more, since no access or a
 *    guard puts it out of reach.
 */
MUST_CHECK status_t mm_protect_virtual(struct space *space, uaddr_t *base, uint32_t *nbytes,
                                       uint32_t protection, uint32_t *old);

/* MEMORY_BASIC_INFORMATION. */
struct memory_region {
    uaddr_t base;
    uaddr_t allocation_base;
    uint32_t allocation_protection;
    uint32_t nbytes;
    uint32_t state;
    uint32_t protection;
    uint32_t type;
};
/* STATUS_INVALID_PARAMETER for an address above user space. */
MUST_CHECK status_t mm_query_virtual(struct space *space, uaddr_t address,
                                     struct memory_region *region);

struct quire_frame;
/* The frames behind NPAGES pages from ADDRESS; touches nothing. */
MUST_CHECK status_t mm_query_frames(struct space *space, uaddr_t address, uint32_t npages,
                                    struct quire_frame *frames);

/*
 * Copies between another space and kernel memory, as Nt{Read,Write}VirtualMemory need it: faults
 * the pages in as that process would, copies through windows. *COPIED says how far it came.
 * => STATUS_ACCESS_VIOLATION, STATUS_IN_PAGE_ERROR. May block.
 */
MUST_CHECK status_t mm_read_space(struct space *space, uaddr_t source, void *target,
                                  uint32_t nbytes, uint32_t *copied);
MUST_CHECK status_t mm_write_space(struct space *space, uaddr_t target, const void *source,
                                   uint32_t nbytes, uint32_t *copied);

/*
 * A thread's stack (GRD07): reserves RESERVE bytes, commits COMMIT at the top, with a guard page
 * below. On FAULT_GUARD inside a stack the caller commits the next guard page. *base is the
 * allocation, *limit the lowest committed byte.
 */
MUST_CHECK status_t mm_allocate_stack(struct space *space, uint32_t reserve, uint32_t commit,
                                      uaddr_t *base, uaddr_t *limit);

#endif
