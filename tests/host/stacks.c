/*
 * tests/host/stacks.c: the kernel-stack area of the simulated machine: the frames of a stack,
 * mapped a second time by the host, with nothing below them.
 */
#define _GNU_SOURCE
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "quire/assert.h"

#define STACK_STRIDE     (KERNEL_STACK_BYTES + PAGE_BYTES)
#define STACKS_PER_TABLE (CHUNK_BYTES / STACK_STRIDE)
#define STACK_PAGES      (KERNEL_STACK_BYTES / PAGE_BYTES)

static uint8_t *stacks; /* addresses, mapped by kernel_stack_map */
static bool stack_has_table[KERNEL_STACK_SLOTS];
static bool stack_is_mapped[KERNEL_STACK_SLOTS];

void sim_stacks_start(void)
{
    stacks = sim_reserve((size_t)KERNEL_STACK_SLOTS * STACK_STRIDE);
}

void *kernel_stack_address(uint32_t slot)
{
    ASSERT(slot < KERNEL_STACK_SLOTS);
    return stacks + (size_t)slot * STACK_STRIDE + PAGE_BYTES;
}

uint32_t kernel_stack_tables_missing(uint32_t slot)
{
    return stack_has_table[slot / STACKS_PER_TABLE] ? 0 : 1;
}

static void map_page(uint8_t *address, int protection, int flags, uint64_t offset)
{
    if (mmap(address, PAGE_BYTES, protection, flags | MAP_FIXED,
             (flags & MAP_ANONYMOUS) != 0 ? -1 : sim.arena_file, (off_t)offset) == MAP_FAILED) {
        perror("quire: tests: kernel stack");
        exit(2);
    }
}

/* The frames that each stack is made of, as its table would say. */
static pfn_t stack_frames[KERNEL_STACK_SLOTS][STACK_PAGES];

void kernel_stack_map(uint32_t slot, const pfn_t frames[STACK_PAGES], pfn_t table)
{
    uint8_t *base = kernel_stack_address(slot);

    VERIFY(!stack_is_mapped[slot]);
    VERIFY(pfn_is_none(table) == (kernel_stack_tables_missing(slot) == 0));
    stack_has_table[slot / STACKS_PER_TABLE] = true;
    stack_is_mapped[slot] = true;
    for (uint32_t i = 0; i < STACK_PAGES; i++) {
        stack_frames[slot][i] = frames[i];
        map_page(base + (size_t)i * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
                 sim_frame_offset(frames[i]));
    }
}

void kernel_stack_unmap(uint32_t slot, pfn_t frames[STACK_PAGES])
{
    uint8_t *base = kernel_stack_address(slot);

    VERIFY(stack_is_mapped[slot]);
    stack_is_mapped[slot] = false;
    for (uint32_t i = 0; i < STACK_PAGES; i++) {
        frames[i] = stack_frames[slot][i];
        map_page(base + (size_t)i * PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
    }
}
