/*
 * user/ntdll/heap.c: heaps: RtlAllocateHeap and its kin.
 *
 * A heap is a list of segments: reserved address ranges, committed from their start on. A segment
 * holds blocks back to back, each headed by its own size and its neighbour's (8 bytes), closed by
 * a sentinel of size 0:
 *
 *     segment header | header data ... | header data ... | ... | sentinel | (not used yet)
 *
 * Free blocks hang in lists by size class (two-level segregated fit): one class per 8 bytes below
 * 512 bytes, sixteen per power of two above. A bitmap finds the first class that is not empty, so
 * allocating and freeing cost the same however full the heap is. Neighbouring free blocks are
 * joined at once. Blocks from 512 KiB on get an allocation of their own ("large").
 *
 * The sizes are in units of 8 bytes. A header's check bits depend on the heap, so a foreign or
 * overwritten header is recognised; a block that is not in use cannot be freed again.
 *
 * A segment's blocks end well before what is committed: the sentinel moves up a little at a time,
 * so that a process touches no page of its heap before it needs it.
 *
 * A heap's lock guards all of it; heaps_lock the list of heaps.
 */
#include "user/ntdll/heap.h"

static RTL_CRITICAL_SECTION heaps_lock = {(void *)-1, -1, 0, NULL, NULL, 0};
static struct heap *heaps;

static bool enter(struct heap *heap, ULONG flags)
{
    if ((heap->flags | flags) & HEAP_NO_SERIALIZE) {
        return false;
    }
    RtlEnterCriticalSection(&heap->lock);
    return true;
}

static void leave(struct heap *heap, bool entered)
{
    if (entered) {
        RtlLeaveCriticalSection(&heap->lock);
    }
}

static void *out_of_memory(const struct heap *heap, ULONG flags)
{
    this_teb()->last_status = STATUS_NO_MEMORY;
    if ((heap->flags | flags) & HEAP_GENERATE_EXCEPTIONS) {
        RtlRaiseStatus(STATUS_NO_MEMORY);
    }
    return NULL;
}

/*
 * The exported functions
 */

PVOID NTAPI RtlCreateHeap(ULONG flags, PVOID base, SIZE_T reserve, SIZE_T commit, PVOID lock,
                          PRTL_HEAP_PARAMETERS parameters)
{
    bool grows = (flags & HEAP_GROWABLE) != 0;

    (void)base;
    (void)lock;
    (void)parameters;
    commit = round_up(commit < FIRST_COMMIT ? FIRST_COMMIT : commit, PAGE);
    reserve = round_up(reserve < commit || grows ? commit : reserve, GRANULARITY);
    if (reserve > MAX_SEGMENT) {
        reserve = MAX_SEGMENT;
        commit = commit > reserve ? reserve : commit;
    }
    struct heap *heap = (struct heap *)(void *)heap_take_memory(reserve, grows ? reserve : commit);
    if (!heap) {
        return NULL;
    }
    heap->magic = HEAP_MAGIC;
    heap->flags = flags;
    heap->check = ((uint32_t)(uintptr_t)heap >> 16 ^ 0x5A5u) & CHECK_MASK;
    heap->next_segment = grows ? 0x100000 : 0;
    RtlInitializeCriticalSection(&heap->lock);
    struct segment *segment = (struct segment *)(void *)(heap + 1);
    segment->end = (uint8_t *)heap + PAGE;
    segment->committed = (uint8_t *)heap + (grows ? reserve : commit);
    segment->reserved = (uint8_t *)heap + reserve;
    heap->segments = segment;
    heap_add_first_block(heap, segment);

    RtlEnterCriticalSection(&heaps_lock);
    heap->next = heaps;
    heaps = heap;
    this_peb()->heaps++;
    RtlLeaveCriticalSection(&heaps_lock);
    return heap;
}

/* => NULL; the heap itself when it could not be destroyed. */
PVOID NTAPI RtlDestroyHeap(PVOID handle)
{
    struct heap *heap = handle;

    if (!heap || heap->magic != HEAP_MAGIC || heap == this_peb()->process_heap) {
        return heap;
    }
    RtlEnterCriticalSection(&heaps_lock);
    for (struct heap **link = &heaps; *link; link = &(*link)->next) {
        if (*link == heap) {
            *link = heap->next;
            this_peb()->heaps--;
            break;
        }
    }
    RtlLeaveCriticalSection(&heaps_lock);
    heap->magic = 0;
    RtlDeleteCriticalSection(&heap->lock);
    while (heap->large) {
        heap_free_large(heap, heap->large);
    }
    struct segment *segment = heap->segments;
    while (segment->next) {
        struct segment *next = segment->next;
        heap_give_memory_back(segment);
        segment = next;
    }
    heap_give_memory_back(heap);
    return NULL;
}

PVOID NTAPI RtlAllocateHeap(PVOID handle, ULONG flags, SIZE_T nbytes)
{
    struct heap *heap = handle;
    bool entered = enter(heap, flags);
    bool is_large = nbytes >= LARGE_BYTES;
    void *data = is_large ? heap_allocate_large(heap, nbytes) : heap_allocate_block(heap, nbytes);

    leave(heap, entered);
    if (!data) {
        return out_of_memory(heap, flags);
    }
    if (((flags | heap->flags) & HEAP_ZERO_MEMORY) && !is_large) {
        memset(data, 0, nbytes);
    }
    return data;
}

BOOLEAN NTAPI RtlFreeHeap(PVOID handle, ULONG flags, PVOID data)
{
    struct heap *heap = handle;

    if (!data) {
        return TRUE;
    }
    bool entered = enter(heap, flags);
    struct header *header = header_of(heap, data);
    if (header && (header->previous & BLOCK_LARGE)) {
        heap_free_large(heap, large_of(data));
    } else if (header) {
        heap_free_block(heap, header);
    }
    leave(heap, entered);
    if (!header) {
        this_teb()->last_status = STATUS_INVALID_PARAMETER;
        this_teb()->last_error = ERROR_INVALID_PARAMETER;
    }
    return header != NULL;
}

/* Changes a block's size where it is: false when there is no room. */
static bool resize_in_place(struct heap *heap, struct header *block, SIZE_T nbytes)
{
    if (block->previous & BLOCK_LARGE) {
        struct large *large = large_of(block + 1);
        if (nbytes < LARGE_BYTES / 2 || nbytes > large->nbytes - sizeof(struct large)) {
            return false;
        }
        large->requested = nbytes;
        return true;
    }
    if (nbytes >= LARGE_BYTES) {
        return false;
    }
    uint32_t units = (uint32_t)((nbytes + UNIT + UNIT - 1) / UNIT);
    units = units < MIN_UNITS ? MIN_UNITS : units;
    if (units > units_of(block)) {
        struct header *next = after(block);
        if ((next->previous & BLOCK_USED) || units_of(block) + units_of(next) < units) {
            return false;
        }
        heap_remove_free(heap, next);
        set_units(heap, block, units_of(block) + units_of(next));
    }
    heap_trim_block(heap, block, units);
    heap_mark_used(block, nbytes);
    return true;
}

void *NTAPI RtlReAllocateHeap(HANDLE handle, ULONG flags, void *data, SIZE_T nbytes)
{
    struct heap *heap = handle;

    if (!data) {
        return NULL;
    }
    bool entered = enter(heap, flags);
    struct header *header = header_of(heap, data);
    SIZE_T old = header ? data_bytes(header) : 0;
    void *result = header && resize_in_place(heap, header, nbytes) ? data : NULL;
    leave(heap, entered);
    if (!header) {
        this_teb()->last_status = STATUS_INVALID_PARAMETER;
        this_teb()->last_error = ERROR_INVALID_PARAMETER;
        return NULL;
    }
    if (!result && (flags & HEAP_REALLOC_IN_PLACE_ONLY)) {
        return out_of_memory(heap, flags);
    }
    if (!result) {
        result = RtlAllocateHeap(heap, flags & ~(ULONG)HEAP_ZERO_MEMORY, nbytes);
        if (!result) {
            return NULL;
        }
        memcpy(result, data, old < nbytes ? old : nbytes);
        RtlFreeHeap(heap, flags, data);
    }
    if ((flags & HEAP_ZERO_MEMORY) && nbytes > old) {
        memset((uint8_t *)result + old, 0, nbytes - old);
    }
    return result;
}

SIZE_T NTAPI RtlSizeHeap(HANDLE handle, ULONG flags, const void *data)
{
    struct heap *heap = handle;
    bool entered = enter(heap, flags);
    struct header *header = data ? header_of(heap, data) : NULL;
    SIZE_T nbytes = header ? data_bytes(header) : (SIZE_T)-1;

    leave(heap, entered);
    return nbytes;
}

BOOLEAN NTAPI RtlLockHeap(HANDLE handle)
{
    struct heap *heap = handle;

    RtlEnterCriticalSection(&heap->lock);
    return TRUE;
}

BOOLEAN NTAPI RtlUnlockHeap(HANDLE handle)
{
    struct heap *heap = handle;

    RtlLeaveCriticalSection(&heap->lock);
    return TRUE;
}

static bool is_segment_valid(const struct heap *heap, struct segment *segment, const void *data,
                             bool *found)
{
    struct header *block = first_block(segment);
    uint32_t previous = 0;
    bool was_free = false;

    for (;; block = after(block)) {
        if ((uint8_t *)(block + 1) > segment->end || (block->size & CHECK_MASK) != heap->check ||
            previous_units(block) != previous) {
            return false;
        }
        bool is_free = !(block->previous & BLOCK_USED);
        if (block->previous & BLOCK_LAST) {
            return units_of(block) == 0 && (uint8_t *)(block + 1) == segment->end;
        }
        if (units_of(block) < MIN_UNITS || (was_free && is_free)) {
            return false;
        }
        if (!is_free && block + 1 == data) {
            *found = true;
        }
        was_free = is_free;
        previous = units_of(block);
    }
}

static bool are_lists_valid(const struct heap *heap)
{
    for (unsigned bin = 0; bin < CLASSES; bin++) {
        const struct free_block *back = NULL;
        if (!heap->free[bin] != !(heap->bitmap[bin / 32] & 1u << bin % 32)) {
            return false;
        }
        for (const struct free_block *block = heap->free[bin]; block; block = block->next) {
            if (block->back != back || heap_class_of(units_of(&block->header)) != bin ||
                (block->header.previous & BLOCK_USED)) {
                return false;
            }
            back = block;
        }
    }
    return true;
}

/* Whether the heap is sound; with DATA: whether that is a block in use. */
BOOLEAN NTAPI RtlValidateHeap(HANDLE handle, ULONG flags, const void *data)
{
    struct heap *heap = handle;
    bool found = !data;
    bool valid = heap && heap->magic == HEAP_MAGIC;

    if (!valid) {
        return FALSE;
    }
    bool entered = enter(heap, flags);
    for (struct segment *at = heap->segments; valid && at; at = at->next) {
        valid = is_segment_valid(heap, at, data, &found);
    }
    for (struct large *large = heap->large; valid && large; large = large->next) {
        valid = (large->header.size & CHECK_MASK) == heap->check &&
                large->requested <= large->nbytes - sizeof(*large);
        found |= data == large + 1;
    }
    valid = valid && are_lists_valid(heap);
    leave(heap, entered);
    return valid && found;
}

/* => the size of the largest free block. */
SIZE_T NTAPI RtlCompactHeap(HANDLE handle, ULONG flags)
{
    struct heap *heap = handle;
    bool entered = enter(heap, flags);
    SIZE_T nbytes = 0;

    for (unsigned bin = CLASSES; bin > 0 && !nbytes; bin--) {
        for (struct free_block *at = heap->free[bin - 1]; at; at = at->next) {
            SIZE_T size = units_of(&at->header) * UNIT - UNIT;
            nbytes = size > nbytes ? size : nbytes;
        }
    }
    leave(heap, entered);
    return nbytes;
}

ULONG NTAPI RtlGetProcessHeaps(ULONG count, HANDLE *handles)
{
    ULONG n = 0;

    RtlEnterCriticalSection(&heaps_lock);
    for (struct heap *heap = heaps; heap; heap = heap->next, n++) {
        if (n < count) {
            handles[n] = heap;
        }
    }
    RtlLeaveCriticalSection(&heaps_lock);
    return n;
}

static void describe_block(PROCESS_HEAP_ENTRY *entry, struct header *block)
{
    bool used = (block->previous & BLOCK_USED) != 0;

    memset(entry, 0, sizeof(*entry));
    entry->lpData = block + 1;
    entry->cbOverhead = UNIT;
    if (block->previous & BLOCK_LARGE) {
        entry->cbData = (DWORD)large_of(block + 1)->requested;
        entry->cbOverhead = sizeof(struct large);
    } else {
        entry->cbData = units_of(block) * UNIT - UNIT - (used ? slack_of(block) : 0);
    }
    entry->wFlags = used ? PROCESS_HEAP_ENTRY_BUSY : 0;
}

/* ENTRY->lpData: NULL at first; then the block described last. STATUS_NO_MORE_ENTRIES at the end.
 */
NTSTATUS NTAPI RtlWalkHeap(HANDLE handle, PROCESS_HEAP_ENTRY *entry)
{
    struct heap *heap = handle;
    bool passed = !entry->lpData;
    struct header *found = NULL;

    for (struct segment *at = heap->segments; at && !found; at = at->next) {
        struct header *block = first_block(at);
        for (; !(block->previous & BLOCK_LAST) && !found; block = after(block)) {
            found = passed ? block : NULL;
            passed |= block + 1 == entry->lpData;
        }
    }
    for (struct large *large = heap->large; large && !found; large = large->next) {
        found = passed ? &large->header : NULL;
        passed |= large + 1 == entry->lpData;
    }
    if (!found) {
        return STATUS_NO_MORE_ENTRIES;
    }
    describe_block(entry, found);
    return STATUS_SUCCESS;
}

DWORD NTAPI RtlSetHeapInformation(PVOID heap, HEAP_INFORMATION_CLASS kind, PVOID info,
                                  SIZE_T length)
{
    (void)heap;
    (void)kind;
    (void)info;
    (void)length;
    return STATUS_SUCCESS; /* there is one kind of heap, and it needs no advice */
}

DWORD NTAPI RtlQueryHeapInformation(PVOID heap, HEAP_INFORMATION_CLASS kind, PVOID info,
                                    SIZE_T length, PSIZE_T returned)
{
    (void)heap;
    if (kind != HeapCompatibilityInformation) {
        return (DWORD)STATUS_INVALID_INFO_CLASS;
    }
    if (returned) {
        *returned = sizeof(ULONG);
    }
    if (length < sizeof(ULONG)) {
        return (DWORD)STATUS_BUFFER_TOO_SMALL;
    }
    *(ULONG *)info = 0;
    return STATUS_SUCCESS;
}
