/*
 * user/ntdll/heap.h: the inside of heaps, shared by heap.c (the exported functions) and
 * heap_blocks.c (segments, free lists, blocks). heap.c's head explains the design.
 *
 * The functions declared here want the heap's lock held.
 */
#ifndef USER_NTDLL_HEAP_H
#define USER_NTDLL_HEAP_H

#include "user/ntdll/loader.h"

#define UNIT            8u
#define MIN_UNITS       2u
#define SMALL_CLASSES   64u
#define CLASSES         (SMALL_CLASSES + 15u * 16u)
#define BITMAP_WORDS    ((CLASSES + 31u) / 32u)
#define PAGE            4096u
#define GRANULARITY     0x10000u
#define LARGE_BYTES     0x80000u
#define MAX_SEGMENT     0xFF0000u
#define HEAP_MAGIC      0x51484550u
#define FIRST_COMMIT    0x10000u
#define MAX_COMMIT_STEP 0x100000u

/* header.size: units << 11 | check; header.previous: units << 11 | slack << 3 | flags. */
#define UNITS_SHIFT 11u
#define CHECK_MASK  0x7FFu
#define SLACK_SHIFT 3u
#define SLACK_MASK  0xFFu
#define BLOCK_USED  1u
#define BLOCK_LARGE 2u
#define BLOCK_LAST  4u

struct header {
    uint32_t size;
    uint32_t previous;
};
_Static_assert(sizeof(struct header) == UNIT, "a header is one unit");

struct free_block {
    struct header header;
    struct free_block *next;
    struct free_block *back;
};

struct segment {
    struct segment *next;
    uint8_t *end;       /* of the blocks: behind the sentinel */
    uint8_t *committed; /* end of what is committed */
    uint8_t *reserved;  /* end of the reservation */
};

/* In front of a large block's data: this, then a header with BLOCK_LARGE. */
struct large {
    struct large *next;
    struct large *back;
    SIZE_T nbytes;    /* of the allocation */
    SIZE_T requested; /* of the data */
    uint32_t unused[2];
    struct header header;
};

struct heap {
    uint32_t magic;
    uint32_t flags;
    uint32_t check;
    uint32_t summary; /* bit w: bitmap[w] is not 0 */
    RTL_CRITICAL_SECTION lock;
    struct heap *next;
    struct segment *segments; /* newest first; the last is the one that this structure lies in */
    struct large *large;
    SIZE_T next_segment; /* bytes to reserve next, 0: may not grow */
    uint32_t bitmap[BITMAP_WORDS];
    struct free_block *free[CLASSES];
};

static inline uint32_t units_of(const struct header *header)
{
    return header->size >> UNITS_SHIFT;
}

static inline uint32_t previous_units(const struct header *header)
{
    return header->previous >> UNITS_SHIFT;
}

static inline struct header *after(struct header *header)
{
    return header + units_of(header);
}

static inline struct header *before(struct header *header)
{
    return header - previous_units(header);
}

static inline SIZE_T slack_of(const struct header *header)
{
    return header->previous >> SLACK_SHIFT & SLACK_MASK;
}

static inline void set_units(const struct heap *heap, struct header *header, uint32_t units)
{
    header->size = units << UNITS_SHIFT | heap->check;
    struct header *next = header + units;
    next->previous = units << UNITS_SHIFT | (next->previous & ((1u << UNITS_SHIFT) - 1));
}

static inline void set_state(struct header *header, uint32_t flags, SIZE_T slack)
{
    header->previous =
        (header->previous & ~((1u << UNITS_SHIFT) - 1)) | (uint32_t)slack << SLACK_SHIFT | flags;
}

static inline SIZE_T round_up(SIZE_T nbytes, SIZE_T unit)
{
    return (nbytes + unit - 1) & ~(unit - 1);
}

static inline struct header *first_block(struct segment *segment)
{
    return (struct header *)round_up((uintptr_t)(segment + 1), UNIT);
}

static inline struct large *large_of(void *data)
{
    return (struct large *)data - 1;
}

/* The header of a block in use, or NULL when DATA is none of HEAP's. */
static inline struct header *header_of(const struct heap *heap, const void *data)
{
    struct header *header = (struct header *)(uintptr_t)data - 1;

    if ((uintptr_t)data % UNIT || (header->size & CHECK_MASK) != heap->check ||
        !(header->previous & BLOCK_USED) || (header->previous & BLOCK_LAST)) {
        return NULL;
    }
    return header;
}

static inline SIZE_T data_bytes(const struct header *header)
{
    if (header->previous & BLOCK_LARGE) {
        return ((const struct large *)(const void *)(header + 1) - 1)->requested;
    }
    return units_of(header) * UNIT - UNIT - slack_of(header);
}

/* heap_blocks.c */
unsigned heap_class_of(uint32_t units);
void heap_remove_free(struct heap *heap, struct header *header);
uint8_t *heap_take_memory(SIZE_T reserve, SIZE_T commit);
void heap_give_memory_back(void *base);
void heap_add_first_block(struct heap *heap, struct segment *segment);
void heap_trim_block(struct heap *heap, struct header *block, uint32_t units);
void heap_mark_used(struct header *block, SIZE_T nbytes);
void *heap_allocate_block(struct heap *heap, SIZE_T nbytes);
void heap_free_block(struct heap *heap, struct header *block);
void *heap_allocate_large(struct heap *heap, SIZE_T nbytes);
void heap_free_large(struct heap *heap, struct large *large);

#endif
