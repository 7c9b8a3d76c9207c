/*
 * tests/user/heap.c: heaps: blocks of all sizes, sizes and contents kept, validation, heaps of
 * fixed size, several threads at once.
 * time limit: 120 s
 */
#include "tap.h"

#define BLOCKS 2000

struct block {
    unsigned char *data;
    SIZE_T nbytes;
    unsigned char fill;
};

static struct block blocks[BLOCKS];
static unsigned seed = 1;

static unsigned any(unsigned limit)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 8) % limit;
}

static SIZE_T any_size(void)
{
    unsigned kind = any(100);

    return kind < 70 ? any(200) : kind < 95 ? any(5000) : kind < 99 ? any(100000) : any(900000);
}

static BOOL is_filled(const unsigned char *data, SIZE_T nbytes, unsigned char fill)
{
    for (SIZE_T i = 0; i < nbytes; i++) {
        if (data[i] != fill) {
            return FALSE;
        }
    }
    return TRUE;
}

/* One step on one block: made, changed in size, freed. FALSE: something is wrong. */
static BOOL step(HANDLE heap, struct block *block)
{
    SIZE_T nbytes = any_size();
    BOOL zero = any(2);

    if (!block->data) {
        block->data = HeapAlloc(heap, zero ? HEAP_ZERO_MEMORY : 0, nbytes);
        if (!block->data || (zero && !is_filled(block->data, nbytes, 0))) {
            return FALSE;
        }
    } else if (!is_filled(block->data, block->nbytes, block->fill)) {
        return FALSE;
    } else if (any(3) == 0) {
        unsigned char *data = HeapReAlloc(heap, HEAP_ZERO_MEMORY, block->data, nbytes);
        SIZE_T kept = nbytes < block->nbytes ? nbytes : block->nbytes;
        if (!data || !is_filled(data, kept, block->fill) ||
            !is_filled(data + kept, nbytes - kept, 0)) {
            return FALSE;
        }
        block->data = data;
    } else {
        BOOL freed = HeapFree(heap, 0, block->data);
        block->data = NULL;
        return freed;
    }
    block->nbytes = nbytes;
    block->fill = (unsigned char)any(256);
    memset(block->data, block->fill, nbytes);
    return HeapSize(heap, 0, block->data) == nbytes && ((ULONG_PTR)block->data & 7) == 0;
}

static void test_random(void)
{
    HANDLE heap = HeapCreate(0, 0, 0);
    BOOL right = heap != NULL, valid = TRUE;

    for (int i = 0; i < 60000 && right; i++) {
        right = step(heap, &blocks[any(BLOCKS)]);
        if (i % 5000 == 0) {
            valid = valid && HeapValidate(heap, 0, NULL);
        }
    }
    ok(right, "random: contents, sizes, alignment, zeroes");
    ok(valid && HeapValidate(heap, 0, NULL), "random: valid all the time");
    for (int i = 0; i < BLOCKS && right; i++) {
        if (blocks[i].data) {
            right = HeapValidate(heap, 0, blocks[i].data) && HeapFree(heap, 0, blocks[i].data);
        }
    }
    ok(right && HeapValidate(heap, 0, NULL), "random: everything freed");
    ok(HeapDestroy(heap), "random: destroyed");
}

static void test_simple(void)
{
    HANDLE heap = GetProcessHeap();
    char *empty = HeapAlloc(heap, 0, 0);
    char *small = HeapAlloc(heap, 0, 100);
    char *large = HeapAlloc(heap, HEAP_ZERO_MEMORY, 3 << 20);

    ok(empty && HeapSize(heap, 0, empty) == 0, "simple: a block of no bytes");
    ok(small && HeapSize(heap, 0, small) == 100, "simple: a size");
    ok(large && HeapSize(heap, 0, large) == 3 << 20 && !large[0] && !large[(3 << 20) - 1],
       "simple: a large block");
    ok(HeapReAlloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, small, 50) == small &&
           HeapSize(heap, 0, small) == 50,
       "simple: made smaller in its place");
    ok(HeapReAlloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, small, 50 << 20) == NULL,
       "simple: not made larger where there is no room");
    strcpy(small, "kept");
    small = HeapReAlloc(heap, 0, small, 1 << 20);
    ok(small && strcmp(small, "kept") == 0 && HeapSize(heap, 0, small) == 1 << 20,
       "simple: from a small block to a large one");
    small = HeapReAlloc(heap, 0, small, 10);
    ok(small && strcmp(small, "kept") == 0 && HeapSize(heap, 0, small) == 10, "simple: and back");
    ok(HeapAlloc(heap, 0, 0x7FFF0000) == NULL, "simple: more than there can be");
    ok(HeapFree(heap, 0, NULL), "simple: freeing nothing");
    ok(HeapFree(heap, 0, empty) && HeapFree(heap, 0, small) && HeapFree(heap, 0, large),
       "simple: freed");
}

static void test_fixed(void)
{
    HANDLE heap = HeapCreate(0, 0x1000, 0x20000);
    int count = 0;

    while (HeapAlloc(heap, 0, 1000)) {
        count++;
    }
    ok(count >= 100 && count < 132, "fixed: no more than its size");
    ok(HeapValidate(heap, 0, NULL), "fixed: valid when full");
    ok(HeapDestroy(heap), "fixed: destroyed");
}

static void test_damage(void)
{
    HANDLE heap = HeapCreate(0, 0, 0);
    char *first = HeapAlloc(heap, 0, 64);
    char *second = HeapAlloc(heap, 0, 64);

    ok(HeapValidate(heap, 0, first) && HeapValidate(heap, 0, second), "damage: none yet");
    ok(!HeapValidate(heap, 0, first + 8), "damage: the middle of a block is none");
    HeapFree(heap, 0, first);
    ok(!HeapValidate(heap, 0, first), "damage: a freed block is none");
    quire_only(!HeapFree(heap, 0, first), "damage: a block freed twice is refused");
    ok(HeapValidate(heap, 0, NULL), "damage: still none");
    HeapDestroy(heap);
}

static DWORD WINAPI churn(void *heap)
{
    unsigned own = GetCurrentThreadId();
    void *kept[16] = {NULL};

    for (int i = 0; i < 20000; i++) {
        own = own * 1103515245u + 12345u;
        void **slot = &kept[(own >> 8) % 16];
        if (*slot && *(unsigned *)*slot != GetCurrentThreadId()) {
            return 1;
        }
        HeapFree(heap, 0, *slot);
        *slot = HeapAlloc(heap, 0, 4 + (own >> 12) % 700);
        if (!*slot) {
            return 2;
        }
        *(unsigned *)*slot = GetCurrentThreadId();
    }
    for (int i = 0; i < 16; i++) {
        HeapFree(heap, 0, kept[i]);
    }
    return 0;
}

static void test_threads(void)
{
    HANDLE heap = HeapCreate(0, 0, 0), threads[4];
    BOOL right = TRUE;

    for (int i = 0; i < 4; i++) {
        threads[i] = CreateThread(NULL, 0, churn, heap, 0, NULL);
    }
    right = WaitForMultipleObjects(4, threads, TRUE, 60000) == WAIT_OBJECT_0;
    for (int i = 0; i < 4; i++) {
        DWORD result = 9;
        GetExitCodeThread(threads[i], &result);
        right = right && result == 0;
        CloseHandle(threads[i]);
    }
    ok(right && HeapValidate(heap, 0, NULL), "threads: four on one heap");
    HeapDestroy(heap);
}

int main(void)
{
    tap_begin();
    test_simple();
    test_random();
    test_fixed();
    test_damage();
    test_threads();
    return tap_end();
}
