/*
 * user/msvcrt/heap.c: malloc and its family, over the process's heap.
 */
#include "user/msvcrt/msvcrt.h"

#include <malloc.h>

typedef int(__cdecl *memory_handler)(size_t);
static memory_handler new_handler;
static int handler_for_malloc;

/* Asks the program's handler for memory; nonzero to try again. */
static int try_again(size_t nbytes)
{
    return handler_for_malloc && new_handler && new_handler(nbytes);
}

void *malloc(size_t nbytes)
{
    void *block;
    do {
        block = HeapAlloc(GetProcessHeap(), 0, nbytes);
    } while (!block && try_again(nbytes));
    if (!block) {
        errno = ENOMEM;
    }
    return block;
}

void *calloc(size_t count, size_t size)
{
    void *block = NULL;
    if (!size || count <= (size_t)-1 / size) {
        block = HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, count * size);
    }
    if (!block) {
        errno = ENOMEM;
    }
    return block;
}

void free(void *block)
{
    if (block) {
        HeapFree(GetProcessHeap(), 0, block);
    }
}

void *realloc(void *block, size_t nbytes)
{
    if (!block) {
        return malloc(nbytes);
    }
    if (!nbytes) {
        free(block);
        return NULL;
    }
    void *moved = HeapReAlloc(GetProcessHeap(), 0, block, nbytes);
    if (!moved) {
        errno = ENOMEM;
    }
    return moved;
}

void *_recalloc(void *block, size_t count, size_t size)
{
    if (size && count > (size_t)-1 / size) {
        errno = ENOMEM;
        return NULL;
    }
    size_t old = block ? HeapSize(GetProcessHeap(), 0, block) : 0;
    char *moved = realloc(block, count * size);
    if (moved && count * size > old) {
        memset(moved + old, 0, count * size - old);
    }
    return moved;
}

void *_expand(void *block, size_t nbytes)
{
    return HeapReAlloc(GetProcessHeap(), HEAP_REALLOC_IN_PLACE_ONLY, block, nbytes);
}

size_t _msize(void *block)
{
    return HeapSize(GetProcessHeap(), 0, block);
}

/* Aligned blocks: the address of the whole block lies before the part that is given out. */
void *_aligned_offset_malloc(size_t nbytes, size_t alignment, size_t offset)
{
    if (!alignment || (alignment & (alignment - 1)) || (offset && offset >= nbytes)) {
        errno = EINVAL;
        return NULL;
    }
    alignment = alignment < sizeof(void *) ? sizeof(void *) : alignment;
    if (nbytes + alignment + sizeof(void *) < nbytes) {
        errno = ENOMEM;
        return NULL;
    }
    char *whole = malloc(nbytes + alignment + sizeof(void *));
    if (!whole) {
        return NULL;
    }
    uintptr_t start = (uintptr_t)whole + sizeof(void *) + offset;
    start = ((start + alignment - 1) & ~(alignment - 1)) - offset;
    memcpy((void *)(start - sizeof(void *)), &whole, sizeof(whole));
    return (void *)start;
}

static void *whole_block(void *block)
{
    void *whole;
    memcpy(&whole, (char *)block - sizeof(void *), sizeof(whole));
    return whole;
}

void *_aligned_malloc(size_t nbytes, size_t alignment)
{
    return _aligned_offset_malloc(nbytes, alignment, 0);
}

void _aligned_free(void *block)
{
    if (block) {
        free(whole_block(block));
    }
}

void *_aligned_offset_realloc(void *block, size_t nbytes, size_t alignment, size_t offset)
{
    if (!block) {
        return _aligned_offset_malloc(nbytes, alignment, offset);
    }
    if (!nbytes) {
        _aligned_free(block);
        return NULL;
    }
    char *whole = whole_block(block);
    size_t old = _msize(whole) - (size_t)((char *)block - whole);
    void *moved = _aligned_offset_malloc(nbytes, alignment, offset);
    if (moved) {
        memcpy(moved, block, old < nbytes ? old : nbytes);
        _aligned_free(block);
    }
    return moved;
}

void *_aligned_realloc(void *block, size_t nbytes, size_t alignment)
{
    return _aligned_offset_realloc(block, nbytes, alignment, 0);
}

int _heapchk(void)
{
    return HeapValidate(GetProcessHeap(), 0, NULL) ? _HEAPOK : _HEAPBADNODE;
}

int _heapmin(void)
{
    return 0; /* free memory goes back as it becomes free */
}

intptr_t _get_heap_handle(void)
{
    return (intptr_t)GetProcessHeap();
}

memory_handler _set_new_handler(memory_handler handler)
{
    memory_handler old = new_handler;
    new_handler = handler;
    return old;
}

int _set_new_mode(int mode)
{
    int old = handler_for_malloc;
    handler_for_malloc = mode;
    return old;
}

int _callnewh(size_t nbytes)
{
    return new_handler && new_handler(nbytes);
}
