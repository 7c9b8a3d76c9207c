/*
 * user/kernel32/heap.c: heaps, and the Local and Global functions over the process's heap.
 *
 * HeapAlloc, HeapReAlloc, HeapFree, HeapSize, HeapDestroy are ntdll's own. A movable Local or
 * Global block is a fixed one here: its handle is its address, and locking it changes nothing, as
 * programs must expect anyway (LMEM_FIXED).
 */
#include "user/kernel32/kernel32.h"

void *take_memory(SIZE_T nbytes)
{
    return RtlAllocateHeap(this_peb()->process_heap, 0, nbytes);
}

void release_memory(void *block)
{
    if (block) {
        RtlFreeHeap(this_peb()->process_heap, 0, block);
    }
}

HANDLE WINAPI GetProcessHeap(void)
{
    return this_peb()->process_heap;
}

HANDLE WINAPI HeapCreate(DWORD flags, SIZE_T initial, SIZE_T maximum)
{
    DWORD keep =
        flags & (HEAP_GENERATE_EXCEPTIONS | HEAP_NO_SERIALIZE | HEAP_CREATE_ENABLE_EXECUTE);
    HANDLE heap =
        RtlCreateHeap(keep | (maximum ? 0 : HEAP_GROWABLE), NULL, maximum, initial, NULL, NULL);
    if (!heap) {
        fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    return heap;
}

BOOL WINAPI HeapDestroy(HANDLE heap)
{
    return RtlDestroyHeap(heap) ? fail(ERROR_INVALID_HANDLE) : TRUE;
}

BOOL WINAPI HeapValidate(HANDLE heap, DWORD flags, const void *block)
{
    return RtlValidateHeap(heap, flags, block);
}

BOOL WINAPI HeapLock(HANDLE heap)
{
    return RtlLockHeap(heap) ? TRUE : fail(ERROR_INVALID_HANDLE);
}

BOOL WINAPI HeapUnlock(HANDLE heap)
{
    return RtlUnlockHeap(heap) ? TRUE : fail(ERROR_INVALID_HANDLE);
}

/* Free blocks are joined as they are freed: there is nothing to compact, and no size is known. */
SIZE_T WINAPI HeapCompact(HANDLE heap, DWORD flags)
{
    (void)heap;
    (void)flags;
    SetLastError(ERROR_CALL_NOT_IMPLEMENTED);
    return 0;
}

BOOL WINAPI HeapSetInformation(HANDLE heap, HEAP_INFORMATION_CLASS class, void *info, SIZE_T length)
{
    (void)heap;
    (void)info;
    (void)length;
    if (class == HeapEnableTerminationOnCorruption) {
        return TRUE; /* a damaged heap always ends the process */
    }
    return fail(ERROR_INVALID_PARAMETER);
}

DWORD WINAPI GetProcessHeaps(DWORD count, HANDLE *heaps)
{
    if (count) {
        heaps[0] = this_peb()->process_heap;
    }
    return 1;
}

static void *allocate(UINT flags, SIZE_T size)
{
    void *block = RtlAllocateHeap(this_peb()->process_heap,
                                  flags & LMEM_ZEROINIT ? HEAP_ZERO_MEMORY : 0, size);
    if (!block) {
        fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    return block;
}

static void *reallocate(void *block, SIZE_T size, UINT flags)
{
    if (flags & LMEM_MODIFY) {
        return block;
    }
    void *moved = RtlReAllocateHeap(this_peb()->process_heap,
                                    flags & LMEM_ZEROINIT ? HEAP_ZERO_MEMORY : 0, block, size);
    if (!moved) {
        fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    return moved;
}

/* NULL for success, the block itself for a failure. */
static void *free_block(void *block)
{
    if (block && !RtlFreeHeap(this_peb()->process_heap, 0, block)) {
        fail(ERROR_INVALID_HANDLE);
        return block;
    }
    return NULL;
}

static SIZE_T block_size(const void *block)
{
    SIZE_T size = RtlSizeHeap(this_peb()->process_heap, 0, block);
    if (size == (SIZE_T)-1) {
        fail(ERROR_INVALID_HANDLE);
        return 0;
    }
    return size;
}

HLOCAL WINAPI LocalAlloc(UINT flags, SIZE_T size)
{
    return allocate(flags, size);
}

HLOCAL WINAPI LocalReAlloc(HLOCAL block, SIZE_T size, UINT flags)
{
    return reallocate(block, size, flags);
}

HLOCAL WINAPI LocalFree(HLOCAL block)
{
    return free_block(block);
}

void *WINAPI LocalLock(HLOCAL block)
{
    return block;
}

BOOL WINAPI LocalUnlock(HLOCAL block)
{
    (void)block;
    return fail(ERROR_NOT_LOCKED); /* a fixed block is never locked */
}

HLOCAL WINAPI LocalHandle(const void *block)
{
    return (HLOCAL)block;
}

SIZE_T WINAPI LocalSize(HLOCAL block)
{
    return block_size(block);
}

UINT WINAPI LocalFlags(HLOCAL block)
{
    (void)block;
    return 0;
}

HGLOBAL WINAPI GlobalAlloc(UINT flags, SIZE_T size)
{
    return allocate(flags, size);
}

HGLOBAL WINAPI GlobalReAlloc(HGLOBAL block, SIZE_T size, UINT flags)
{
    return reallocate(block, size, flags);
}

HGLOBAL WINAPI GlobalFree(HGLOBAL block)
{
    return free_block(block);
}

void *WINAPI GlobalLock(HGLOBAL block)
{
    return block;
}

BOOL WINAPI GlobalUnlock(HGLOBAL block)
{
    (void)block;
    return TRUE;
}

HGLOBAL WINAPI GlobalHandle(const void *block)
{
    return (HGLOBAL)block;
}

SIZE_T WINAPI GlobalSize(HGLOBAL block)
{
    return block_size(block);
}

UINT WINAPI GlobalFlags(HGLOBAL block)
{
    (void)block;
    return 0;
}
