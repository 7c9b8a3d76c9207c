/*
 * user/ntdll/heap_blocks.c: the mechanics of heaps: segments, lists of free blocks, blocks.
 *
 * Everything here runs under the heap's lock. Invariants (RtlValidateHeap checks them): the blocks
 * of a segment lie back to back up to its sentinel; each knows its neighbour's size; no two free
 * ones are neighbours; each free one hangs in the list of its class, and the bitmaps say which
 * lists are not empty.
 */
#include "user/ntdll/heap.h"

/*
 * Free lists
 */

unsigned heap_class_of(uint32_t units)
{
    if (units < SMALL_CLASSES) {
        return units;
    }
    unsigned top = 31u - (unsigned)__builtin_clz(units);
    return SMALL_CLASSES + (top - 6) * 16 + (units >> (top - 4) & 15);
}

/* The first class all of whose blocks have at least UNITS. */
static unsigned sufficient_class(uint32_t units)
{
    if (units >= SMALL_CLASSES) {
        unsigned top = 31u - (unsigned)__builtin_clz(units);
        units += (1u << (top - 4)) - 1;
    }
    return heap_class_of(units);
}

static void insert_free(struct heap *heap, struct header *header)
{
    struct free_block *block = (struct free_block *)header;
    unsigned bin = heap_class_of(units_of(header));

    set_state(header, 0, 0);
    block->back = NULL;
    block->next = heap->free[bin];
    if (block->next) {
        block->next->back = block;
    }
    heap->free[bin] = block;
    heap->bitmap[bin / 32] |= 1u << bin % 32;
    heap->summary |= 1u << bin / 32;
}

/* The first block of a list goes; NEXT takes its place. */
static void set_first(struct heap *heap, unsigned bin, struct free_block *next)
{
    heap->free[bin] = next;
    if (next) {
        next->back = NULL;
        return;
    }
    heap->bitmap[bin / 32] &= ~(1u << bin % 32);
    if (!heap->bitmap[bin / 32]) {
        heap->summary &= ~(1u << bin / 32);
    }
}

void heap_remove_free(struct heap *heap, struct header *header)
{
    struct free_block *block = (struct free_block *)header;

    if (!block->back) {
        set_first(heap, heap_class_of(units_of(header)), block->next);
        return;
    }
    block->back->next = block->next;
    if (block->next) {
        block->next->back = block->back;
    }
}

/* The first class with a free block whose blocks all have at least UNITS; CLASSES: none. */
static unsigned find_class(const struct heap *heap, uint32_t units)
{
    unsigned bin = sufficient_class(units);
    unsigned word = bin / 32;

    if (bin >= CLASSES) {
        return CLASSES;
    }
    uint32_t bits = heap->bitmap[word] & ~0u << bin % 32;
    if (!bits) {
        uint32_t words = heap->summary & ~1u << word;
        if (!words) {
            return CLASSES;
        }
        word = (unsigned)__builtin_ctz(words);
        bits = heap->bitmap[word];
    }
    return word * 32 + (unsigned)__builtin_ctz(bits);
}

/*
 * Segments
 */

uint8_t *heap_take_memory(SIZE_T reserve, SIZE_T commit)
{
    void *base = NULL;
    ULONG type = reserve == commit ? MEM_RESERVE | MEM_COMMIT : MEM_RESERVE;

    if (!NT_SUCCESS(
            NtAllocateVirtualMemory(THIS_PROCESS, &base, 0, &reserve, type, PAGE_READWRITE))) {
        return NULL;
    }
    if (type == MEM_RESERVE) {
        void *start = base;
        if (!NT_SUCCESS(NtAllocateVirtualMemory(THIS_PROCESS, &start, 0, &commit, MEM_COMMIT,
                                                PAGE_READWRITE))) {
            reserve = 0;
            NtFreeVirtualMemory(THIS_PROCESS, &base, &reserve, MEM_RELEASE);
            return NULL;
        }
    }
    return base;
}

void heap_give_memory_back(void *base)
{
    SIZE_T nbytes = 0;

    NtFreeVirtualMemory(THIS_PROCESS, &base, &nbytes, MEM_RELEASE);
}

static struct header *make_sentinel(const struct heap *heap, struct segment *segment)
{
    struct header *sentinel = (struct header *)(void *)segment->end - 1;

    sentinel->size = heap->check;
    sentinel->previous = BLOCK_USED | BLOCK_LAST;
    return sentinel;
}

/* Makes all of a new segment, up to its end, one free block with a sentinel after it. */
void heap_add_first_block(struct heap *heap, struct segment *segment)
{
    struct header *block = first_block(segment);
    struct header *sentinel = make_sentinel(heap, segment);

    block->previous = 0;
    set_units(heap, block, (uint32_t)(sentinel - block));
    insert_free(heap, block);
}

static SIZE_T between(SIZE_T low, SIZE_T value, SIZE_T high)
{
    return value < low ? low : value > high ? high : value;
}

/* Makes sure that a segment is committed up to END, and some way on. */
static bool commit_to(struct segment *segment, const uint8_t *end)
{
    SIZE_T room = (SIZE_T)(segment->reserved - segment->committed);
    SIZE_T used = (SIZE_T)(segment->committed - (uint8_t *)segment);

    if (end <= segment->committed) {
        return true;
    }
    SIZE_T wanted = (SIZE_T)(end - segment->committed);
    SIZE_T nbytes = between(FIRST_COMMIT, round_up(used / 4, PAGE), MAX_COMMIT_STEP);
    nbytes = between(wanted, nbytes, room);
    void *start = segment->committed;
    if (!NT_SUCCESS(NtAllocateVirtualMemory(THIS_PROCESS, &start, 0, &nbytes, MEM_COMMIT,
                                            PAGE_READWRITE))) {
        return false;
    }
    segment->committed += nbytes;
    return true;
}

/* Moves a segment's end up by at least UNITS, which become, or join, its last free block. */
static bool extend_segment(struct heap *heap, struct segment *segment, uint32_t units)
{
    SIZE_T room = (SIZE_T)(segment->reserved - segment->end);
    SIZE_T step = (SIZE_T)(segment->end - (uint8_t *)segment) / 8;
    SIZE_T nbytes = round_up((SIZE_T)units * UNIT, PAGE);

    if (nbytes > room) {
        return false;
    }
    nbytes = between(nbytes, round_up(step, PAGE), room);
    if (!commit_to(segment, segment->end + nbytes)) {
        return false;
    }
    struct header *block = (struct header *)(void *)segment->end - 1; /* the old sentinel */
    segment->end += nbytes;
    struct header *sentinel = make_sentinel(heap, segment);
    if (previous_units(block) && !(before(block)->previous & BLOCK_USED)) {
        block = before(block);
        heap_remove_free(heap, block);
    }
    set_units(heap, block, (uint32_t)(sentinel - block));
    insert_free(heap, block);
    return true;
}

static bool add_segment(struct heap *heap, uint32_t units)
{
    SIZE_T needed = round_up((SIZE_T)units * UNIT + sizeof(struct segment) + 2 * UNIT, PAGE);
    SIZE_T reserve = heap->next_segment;

    if (!reserve) {
        return false;
    }
    if (reserve < needed) {
        reserve = round_up(needed, GRANULARITY);
    }
    SIZE_T commit = needed < FIRST_COMMIT ? FIRST_COMMIT : needed;
    struct segment *segment = (struct segment *)(void *)heap_take_memory(reserve, commit);
    if (!segment) {
        return false;
    }
    segment->end = (uint8_t *)segment + needed;
    segment->committed = (uint8_t *)segment + commit;
    segment->reserved = (uint8_t *)segment + reserve;
    segment->next = heap->segments;
    heap->segments = segment;
    if (heap->next_segment < MAX_SEGMENT / 2) {
        heap->next_segment *= 2;
    }
    heap_add_first_block(heap, segment);
    return true;
}

/* Rare: kept out of its caller, so that what it computes is not. */
static __attribute__((noinline)) bool grow(struct heap *heap, uint32_t units)
{
    units += units / 16 + 1; /* what sufficient_class() rounds up */
    for (struct segment *segment = heap->segments; segment; segment = segment->next) {
        if (extend_segment(heap, segment, units)) {
            return true;
        }
    }
    return add_segment(heap, units);
}

static bool is_wholly_free(struct segment *segment)
{
    struct header *block = first_block(segment);

    return !(block->previous & BLOCK_USED) && (after(block)->previous & BLOCK_LAST);
}

/* BLOCK is free and all of its segment: gives that back, unless it is the heap's only spare one. */
static void release_segment(struct heap *heap, struct header *block)
{
    struct segment **found = NULL;
    bool has_spare = false;

    for (struct segment **link = &heap->segments; (*link)->next; link = &(*link)->next) {
        if (first_block(*link) == block) {
            found = link;
        } else if (is_wholly_free(*link)) {
            has_spare = true;
        }
    }
    if (found && has_spare) {
        struct segment *segment = *found;
        heap_remove_free(heap, block);
        *found = segment->next;
        heap_give_memory_back(segment);
    }
}

/*
 * Blocks
 */

/* Cuts a used block to UNITS, when what is left over makes a block. */
void heap_trim_block(struct heap *heap, struct header *block, uint32_t units)
{
    uint32_t rest = units_of(block) - units;

    if (rest < MIN_UNITS) {
        return;
    }
    struct header *tail = block + units;
    struct header *next = after(block);
    tail->previous = 0;
    set_units(heap, block, units);
    if (!(next->previous & BLOCK_USED)) {
        heap_remove_free(heap, next);
        rest += units_of(next);
    }
    set_units(heap, tail, rest);
    insert_free(heap, tail);
}

void heap_mark_used(struct header *block, SIZE_T nbytes)
{
    set_state(block, BLOCK_USED, units_of(block) * UNIT - UNIT - nbytes);
}

/*
 * Takes the first UNITS of the first block of class BIN, which is long enough. What is left stays
 * free, often in the same list: then it takes the whole block's place there.
 */
static struct header *take_front(struct heap *heap, unsigned bin, uint32_t units)
{
    struct free_block *whole = heap->free[bin];
    struct free_block *next = whole->next;
    uint32_t rest = units_of(&whole->header) - units;

    if (rest < MIN_UNITS) {
        set_first(heap, bin, next);
        return &whole->header;
    }
    struct free_block *tail = (struct free_block *)(&whole->header + units);
    tail->header.previous = 0;
    set_units(heap, &whole->header, units);
    set_units(heap, &tail->header, rest);
    if (heap_class_of(rest) != bin) {
        set_first(heap, bin, next);
        insert_free(heap, &tail->header);
        return &whole->header;
    }
    tail->next = next;
    tail->back = NULL;
    heap->free[bin] = tail;
    if (next) {
        next->back = tail;
    }
    return &whole->header;
}

void *heap_allocate_block(struct heap *heap, SIZE_T nbytes)
{
    uint32_t units = (uint32_t)((nbytes + UNIT + UNIT - 1) / UNIT);
    unsigned bin;

    units = units < MIN_UNITS ? MIN_UNITS : units;
    while ((bin = find_class(heap, units)) == CLASSES) {
        if (!grow(heap, units)) {
            return NULL;
        }
    }
    struct header *block = take_front(heap, bin, units);
    heap_mark_used(block, nbytes);
    return block + 1;
}

void heap_free_block(struct heap *heap, struct header *block)
{
    struct header *next = after(block);
    uint32_t units = units_of(block);

    if (!(next->previous & BLOCK_USED)) {
        heap_remove_free(heap, next);
        units += units_of(next);
    }
    if (previous_units(block) && !(before(block)->previous & BLOCK_USED)) {
        set_state(block, 0, 0); /* a second free of it is recognised while nothing overwrites it */
        block = before(block);
        heap_remove_free(heap, block);
        units += units_of(block);
    }
    set_units(heap, block, units);
    insert_free(heap, block);
    if (!previous_units(block) && (after(block)->previous & BLOCK_LAST)) {
        release_segment(heap, block);
    }
}

void *heap_allocate_large(struct heap *heap, SIZE_T nbytes)
{
    SIZE_T total = round_up(nbytes + sizeof(struct large), PAGE);

    if (total < nbytes || !heap->next_segment) {
        return NULL;
    }
    struct large *large = (struct large *)(void *)heap_take_memory(total, total);
    if (!large) {
        return NULL;
    }
    large->nbytes = total;
    large->requested = nbytes;
    large->header.size = heap->check;
    large->header.previous = BLOCK_USED | BLOCK_LARGE;
    large->back = NULL;
    large->next = heap->large;
    if (large->next) {
        large->next->back = large;
    }
    heap->large = large;
    return large + 1;
}

void heap_free_large(struct heap *heap, struct large *large)
{
    if (large->next) {
        large->next->back = large->back;
    }
    if (large->back) {
        large->back->next = large->next;
    } else {
        heap->large = large->next;
    }
    heap_give_memory_back(large);
}
