/*
 * kernel/x86/inline.h: the hot functions of the machine port, inline. Their contracts stand in
 * kernel/paging.h and kernel/cpu.h, which include this file at their end when the kernel itself is
 * compiled; on the host the simulated machine has its own.
 *
 * `extern inline` with gnu_inline: the earlier declarations stay as they are, and no second copy is
 * made.
 */
#ifndef KERNEL_X86_INLINE_H
#define KERNEL_X86_INLINE_H

#include "kernel/cpu.h"
#include "kernel/paging.h"
#include "quire/assert.h"

#define PORT_INLINE extern inline __attribute__((gnu_inline, always_inline))

/* Kept by kernel/x86/paging.c. */
extern uint32_t paging_nx_mask; /* of an entry's upper half */
extern uint32_t paging_direct_frames;

PORT_INLINE void cpu_relax(void)
{
    __builtin_ia32_pause();
}

PORT_INLINE pte_t pte_make_valid(pfn_t frame, uint64_t flags)
{
    uint32_t low = frame.n << PAGE_SHIFT | (uint32_t)flags | (uint32_t)PTE_PRESENT;
    uint32_t high = frame.n >> 20 | ((uint32_t)(flags >> 32) & paging_nx_mask);

    return (pte_t){(uint64_t)high << 32 | low};
}

/* Two loads: under the owner's lock only accessed and dirty change, and both are in one half. */
PORT_INLINE pte_t pte_read(const pte_t *entry)
{
    return (pte_t){*(const volatile uint64_t *)&entry->v};
}

/* The half with the present bit last: a CPU that walks sees the old entry or the whole new one. */
PORT_INLINE void pte_write(pte_t *entry, pte_t value)
{
    volatile uint32_t *half = (volatile uint32_t *)&entry->v;

    half[1] = (uint32_t)(value.v >> 32);
    half[0] = (uint32_t)value.v;
}

PORT_INLINE bool pte_compare_exchange(pte_t *entry, pte_t expected, pte_t value)
{
    return __sync_bool_compare_and_swap(&entry->v, expected.v, value.v);
}

PORT_INLINE void pte_set(pte_t *entry, uint32_t bits)
{
    (void)__atomic_fetch_or((uint32_t *)&entry->v, bits, __ATOMIC_SEQ_CST);
}

PORT_INLINE void pte_clear(pte_t *entry, uint32_t bits)
{
    (void)__atomic_fetch_and((uint32_t *)&entry->v, ~bits, __ATOMIC_SEQ_CST);
}

/*
 * To an entry that is not valid the lower half is exchanged first; from then on no CPU changes the
 * entry any more.
 */
PORT_INLINE pte_t pte_exchange(pte_t *entry, pte_t value)
{
    if ((value.v & PTE_PRESENT) == 0) {
        volatile uint32_t *half = (volatile uint32_t *)&entry->v;
        uint32_t low = __atomic_exchange_n(&half[0], (uint32_t)value.v, __ATOMIC_SEQ_CST);
        uint32_t high = half[1];

        half[1] = (uint32_t)(value.v >> 32);
        return (pte_t){(uint64_t)high << 32 | low};
    }
    uint64_t old = entry->v;
    uint64_t seen;

    while ((seen = __sync_val_compare_and_swap(&entry->v, old, value.v)) != old) {
        old = seen;
    }
    return (pte_t){old};
}

PORT_INLINE bool paging_has_nx(void)
{
    return paging_nx_mask != 0;
}

PORT_INLINE uint32_t paging_direct_end(void)
{
    return paging_direct_frames;
}

PORT_INLINE void *frame_address(pfn_t frame)
{
    ASSERT(frame.n < paging_direct_frames);
    return (void *)(KERNEL_FIRST + (frame.n << PAGE_SHIFT));
}

PORT_INLINE pfn_t frame_of(const void *direct_address)
{
    return (pfn_t){((uint32_t)direct_address - KERNEL_FIRST) >> PAGE_SHIFT};
}

PORT_INLINE irq_state_t irq_disable(void)
{
    irq_state_t state;

    __asm__ volatile("pushfl\n\tpopl %0\n\tcli" : "=r"(state) : : "memory");
    return state;
}

PORT_INLINE void irq_restore(irq_state_t state)
{
    if ((state & IRQ_ENABLED) != 0) {
        __asm__ volatile("sti" : : : "memory");
    }
}

PORT_INLINE bool irq_is_enabled(void)
{
    irq_state_t state;

    __asm__ volatile("pushfl\n\tpopl %0" : "=r"(state));
    return (state & IRQ_ENABLED) != 0;
}

#endif
