/*
 * tests/user/virtual.c: VirtualAlloc and VirtualFree (ALC, FRE).
 */
#include "tap.h"

static NTSTATUS allocate(void **base, SIZE_T *nbytes, ULONG_PTR zero_bits, ULONG type,
                         ULONG protection)
{
    return pNtAllocateVirtualMemory(GetCurrentProcess(), base, zero_bits, nbytes, type, protection);
}

static NTSTATUS release(void **base, SIZE_T *nbytes, ULONG type)
{
    return pNtFreeVirtualMemory(GetCurrentProcess(), base, nbytes, type);
}

/* One allocation with these arguments; what it made is released. */
static NTSTATUS try_allocate(void *base, SIZE_T nbytes, ULONG_PTR zero_bits, ULONG type,
                             ULONG protection)
{
    NTSTATUS status = allocate(&base, &nbytes, zero_bits, type, protection);

    if (status >= 0) {
        nbytes = 0;
        release(&base, &nbytes, MEM_RELEASE);
    }
    return status;
}

static void test_arguments(void)
{
    ok(FAILS(VirtualAlloc(NULL, 0, MEM_COMMIT, PAGE_READWRITE), ERROR_INVALID_PARAMETER),
       "ALC01 size 0");
    quire_differs(
        STATUS_IS(try_allocate(NULL, 0, 0, MEM_COMMIT, PAGE_READWRITE), STATUS_INVALID_PARAMETER_4),
        try_allocate(NULL, 0, 0, MEM_COMMIT, PAGE_READWRITE) < 0, "ALC01 size 0, native");
    ok(FAILS(VirtualAlloc(NULL, PAGE, 0, PAGE_READWRITE), ERROR_INVALID_PARAMETER), "ALC02 type 0");
    ok(FAILS(VirtualAlloc(NULL, PAGE, MEM_TOP_DOWN, PAGE_READWRITE), ERROR_INVALID_PARAMETER),
       "ALC02 MEM_TOP_DOWN alone");
    ok(FAILS(VirtualAlloc(NULL, PAGE, MEM_WRITE_WATCH, PAGE_READWRITE), ERROR_INVALID_PARAMETER),
       "ALC02 MEM_WRITE_WATCH alone");
    unlike_wine(
        STATUS_IS(try_allocate(NULL, PAGE, 0, 0, PAGE_READWRITE), STATUS_INVALID_PARAMETER_5),
        "ALC02 type 0, native");
    ok(FAILS(VirtualAlloc(NULL, PAGE, MEM_COMMIT, 0), ERROR_INVALID_PARAMETER),
       "ALC14 protection 0 to commit");
    ok(FAILS(VirtualAlloc(NULL, PAGE, MEM_RESERVE, PAGE_READONLY | PAGE_READWRITE),
             ERROR_INVALID_PARAMETER),
       "ALC14 a mix of protections to reserve");
    ok(STATUS_IS(try_allocate(NULL, PAGE, 0, MEM_RESERVE, 0), STATUS_INVALID_PAGE_PROTECTION),
       "ALC14 protection 0, native");
    ok(FAILS(VirtualAlloc(NULL, PAGE, MEM_COMMIT, PAGE_WRITECOPY), ERROR_INVALID_PARAMETER),
       "ALC15 PAGE_WRITECOPY");
    ok(FAILS(VirtualAlloc(NULL, PAGE, MEM_COMMIT, PAGE_EXECUTE_WRITECOPY), ERROR_INVALID_PARAMETER),
       "ALC15 PAGE_EXECUTE_WRITECOPY");
    unlike_wine(STATUS_IS(try_allocate(NULL, PAGE, 0, MEM_COMMIT, PAGE_NOACCESS | PAGE_GUARD),
                          STATUS_INVALID_PAGE_PROTECTION),
                "ALC16 PAGE_NOACCESS and PAGE_GUARD");
    unlike_wine(STATUS_IS(try_allocate(NULL, PAGE, 0, MEM_COMMIT | MEM_RESET, PAGE_READWRITE),
                          STATUS_INVALID_PARAMETER_5),
                "ALC18 MEM_COMMIT and MEM_RESET");
    ok(STATUS_IS(try_allocate(NULL, PAGE, 21, MEM_RESERVE, PAGE_READWRITE), STATUS_NO_MEMORY),
       "ALC19 ZeroBits 21");
    ok(STATUS_IS(try_allocate(NULL, PAGE, 22, MEM_RESERVE, PAGE_READWRITE),
                 STATUS_INVALID_PARAMETER_3),
       "ALC19 ZeroBits 22");
    ok(FAILS(VirtualAlloc(NULL, PAGE, MEM_RESERVE | 0x40000000, PAGE_READWRITE),
             ERROR_INVALID_PARAMETER),
       "ALC20 AT_ROUND_TO_PAGE");
    unlike_wine(STATUS_IS(try_allocate(NULL, (SIZE_T)-1, 0, MEM_RESERVE, PAGE_READWRITE),
                          STATUS_INVALID_PARAMETER_4),
                "ALC21 size -1");
    unlike_wine(STATUS_IS(try_allocate((void *)0x90000000u, PAGE, 0, MEM_RESERVE, PAGE_READWRITE),
                          STATUS_INVALID_PARAMETER_2),
                "ALC21 an address in the kernel's half");
    ok(STATUS_IS(pNtAllocateVirtualMemory(NULL, &(void *){NULL}, 0, &(SIZE_T){PAGE}, MEM_COMMIT,
                                          PAGE_READWRITE),
                 STATUS_INVALID_HANDLE),
       "ALC25 no process");
    ok(STATUS_IS(pNtAllocateVirtualMemory((HANDLE)(ULONG_PTR)0x7770, &(void *){NULL}, 0,
                                          &(SIZE_T){PAGE}, MEM_COMMIT, PAGE_READWRITE),
                 STATUS_INVALID_HANDLE),
       "ALC25 a handle that is none");
}

static void test_zero_bits(void)
{
    for (ULONG_PTR bits = 1; bits <= 20; bits += 3) {
        void *base = NULL;
        SIZE_T nbytes = PAGE;

        tap_status = allocate(&base, &nbytes, bits, MEM_RESERVE, PAGE_READWRITE);
        ok(tap_status == STATUS_NO_MEMORY ||
               (tap_status == STATUS_SUCCESS && ((ULONG_PTR)base >> (32 - bits)) == 0),
           "ALC19 ZeroBits %lu: that many upper bits are clear", (unsigned long)bits);
        if (tap_status >= 0) {
            VirtualFree(base, 0, MEM_RELEASE);
        }
    }
}

static void test_rounding(void)
{
    static const struct {
        DWORD address, nbytes, result;
    } rows[] = {{0x50008000, 1, 0x9000},
                {0x50000010, 0x1000, 0x2000},
                {0x5000FFFF, 0x3000, 0x13000},
                {0x50001010, 0x7000, 0x9000}};
    void *base;
    SIZE_T nbytes;
    char *memory;
    int good = 1;

    for (unsigned i = 0; i < 4; i++) {
        base = (void *)(ULONG_PTR)rows[i].address;
        nbytes = rows[i].nbytes;
        ok(STATUS_IS(allocate(&base, &nbytes, 0, MEM_RESERVE, PAGE_READWRITE), STATUS_SUCCESS) &&
               base == (void *)0x50000000 && nbytes == rows[i].result,
           "ALC05 reserve 0x%lX bytes at 0x%lX: 0x%lX at 0x50000000", rows[i].nbytes,
           rows[i].address, rows[i].result);
        VirtualFree(base, 0, MEM_RELEASE);
    }
    base = (void *)0x50004080;
    nbytes = 0x1000;
    ok(STATUS_IS(allocate(&base, &nbytes, 0, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE), 0) &&
           base == (void *)0x50000000 && nbytes == 0x6000,
       "ALC24 reserve and commit at once");
    memory = base;
    for (SIZE_T at = 0; at < 0x6000; at += PAGE) {
        good = good && write_fault(memory + at) == 0;
    }
    ok(good && query(memory).RegionSize == 0x6000, "ALC24 all of it is committed and writable");
    VirtualFree(base, 0, MEM_RELEASE);
    memory = VirtualAlloc(NULL, 0x10000, MEM_RESERVE, PAGE_READWRITE);
    ok(VirtualAlloc(memory + 0x1001, 1, MEM_COMMIT, PAGE_READWRITE) == memory + 0x1000,
       "ALC07 MEM_COMMIT rounds to pages, gives the page");
    ok(query(memory + 0x1000).RegionSize == PAGE, "ALC07 of one page");
    VirtualFree(memory, 0, MEM_RELEASE);
}

static void test_commit(void)
{
    char *one = VirtualAlloc(NULL, 0x20000, MEM_RESERVE, PAGE_READWRITE), *two;
    int zero = 1;

    VirtualFree(one, 0, MEM_RELEASE);
    two = VirtualAlloc(one, 0x10000, MEM_RESERVE, PAGE_READWRITE);
    ok(two == one, "ALC17 a freed base can be asked for again");
    two = VirtualAlloc(one + 0x10000, 0x10000, MEM_RESERVE, PAGE_READWRITE);
    ok(two == one + 0x10000, "ALC09 a second reservation right behind");
    unlike_wine(FAILS(VirtualAlloc(one + 0xF000, 0x2000, MEM_COMMIT, PAGE_READWRITE),
                      ERROR_INVALID_ADDRESS),
                "ALC09 a commit across both");
    ok(read_fault(one) == AV && fault_was(0, one), "ALC23 touching what is only reserved");
    ok(VirtualAlloc(one, 0x4000, MEM_COMMIT, PAGE_READWRITE) == one, "ALC12 commit");
    for (int i = 0; i < 0x4000; i++) {
        zero = zero && one[i] == 0;
    }
    ok(zero, "ALC12 fresh pages are zero");
    one[0x1000] = 3;
    ok(VirtualAlloc(one + 0x1000, 0x4000, MEM_COMMIT, PAGE_READONLY) == one + 0x1000 &&
           query(one + 0x1000).Protect == PAGE_READONLY &&
           query(one + 0x1000).RegionSize == 0x4000 && query(one).Protect == PAGE_READWRITE,
       "ALC10 commit again sets the protection of the whole range");
    ok(one[0x1000] == 3, "ALC10 and keeps the contents");
    VirtualFree(two, 0, MEM_RELEASE);
    ok(VirtualAlloc(one + 0x2000, 0xE000, MEM_RESET, PAGE_NOACCESS) == one + 0x2000 &&
           query(one + 0x2000).Protect == PAGE_READONLY,
       "ALC13 MEM_RESET keeps state and protection");
    ok(FAILS(VirtualAlloc(one, 0x11000, MEM_RESET, PAGE_NOACCESS), ERROR_INVALID_ADDRESS),
       "ALC13 MEM_RESET past the allocation");
    VirtualFree(one, 0, MEM_RELEASE);
    one = VirtualAlloc(NULL, 5, MEM_COMMIT, PAGE_READWRITE);
    ok(one != NULL && ((ULONG_PTR)one & 0xFFFF) == 0 && query(one).State == MEM_COMMIT &&
           query(one).RegionSize == PAGE,
       "ALC03 MEM_COMMIT at NULL reserves too, 64 KiB-aligned (ALC17)");
    ok(FAILS(VirtualAlloc(one, PAGE, MEM_RESERVE, PAGE_READWRITE), ERROR_INVALID_ADDRESS),
       "ALC17 its addresses are taken");
    VirtualFree(one, 0, MEM_RELEASE);
    one = VirtualAlloc(NULL, PAGE, MEM_COMMIT | MEM_TOP_DOWN, PAGE_READWRITE);
    unlike_wine(one != NULL && (ULONG_PTR)one > 0x70000000, "ALC17 MEM_TOP_DOWN: high up");
    VirtualFree(one, 0, MEM_RELEASE);
}

static void test_free_arguments(void)
{
    char *base = VirtualAlloc(NULL, 0x10000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);

    ok(FAILS(VirtualFree(base, 0, 0), ERROR_INVALID_PARAMETER), "FRE01 type 0");
    ok(FAILS(VirtualFree(base, 0, MEM_DECOMMIT | MEM_RELEASE), ERROR_INVALID_PARAMETER),
       "FRE01 both types");
    ok(FAILS(VirtualFree(base, 0, MEM_RELEASE | 1), ERROR_INVALID_PARAMETER), "FRE01 another bit");
    ok(FAILS(VirtualFree(base, 0, 0x10000), ERROR_INVALID_PARAMETER), "FRE13 MEM_FREE");
    quire_differs(STATUS_IS(pNtFreeVirtualMemory(NULL, NULL, NULL, 0), STATUS_INVALID_PARAMETER_4),
                  1, "FRE01 the type is checked before handle and pointers");
    ok(FAILS(VirtualFree(base, PAGE, MEM_RELEASE), ERROR_INVALID_PARAMETER),
       "FRE02 MEM_RELEASE with a size");
    ok(FAILS(VirtualFree(base, 0x11000, MEM_DECOMMIT), ERROR_INVALID_PARAMETER),
       "FRE10 decommit past the allocation");
    unlike_wine(STATUS_IS(release(&(void *){base}, &(SIZE_T){0x11000}, MEM_RELEASE),
                          STATUS_UNABLE_TO_FREE_VM),
                "FRE10 release past the allocation, native");
    ok(query(base).State == MEM_COMMIT && query(base).RegionSize == 0x10000, "FRE10 all is there");
    ok(STATUS_IS(release(&(void *){base + PAGE}, &(SIZE_T){0}, MEM_DECOMMIT),
                 STATUS_FREE_VM_NOT_AT_BASE),
       "FRE07 decommit size 0 elsewhere than at the base");
    ok(VirtualFree(base, 0, MEM_RELEASE), "FRE01 MEM_RELEASE");
    ok(!VirtualFree(base, 0, MEM_RELEASE), "FRE01 a second time fails");
}

static void test_decommit(void)
{
    char *base = VirtualAlloc(NULL, 0x10000, MEM_RESERVE, PAGE_READWRITE);
    void *at = base + 0x1FFF;
    SIZE_T nbytes = 2;

    ok(VirtualFree(base, 0x4000, MEM_DECOMMIT), "FRE06 pages that were never committed");
    VirtualAlloc(base, 0x8000, MEM_COMMIT, PAGE_READWRITE);
    memset(base, 0x77, 0x8000);
    ok(STATUS_IS(release(&at, &nbytes, MEM_DECOMMIT), STATUS_SUCCESS) && at == base + 0x1000 &&
           nbytes == 0x2000,
       "FRE05 2 bytes over a border: two pages");
    ok(query(base + 0x1000).State == MEM_RESERVE && query(base + 0x1000).RegionSize == 0x2000 &&
           base[0] == 0x77 && base[0x3000] == 0x77,
       "FRE05 just those");
    ok(read_fault(base + 0x1000) == AV, "FRE05 they fault");
    VirtualAlloc(base + 0x1000, 0x1000, MEM_COMMIT, PAGE_READWRITE);
    ok(base[0x1000] == 0, "ALC12 committed again: zero");
    ok(VirtualFree(base, 0, MEM_DECOMMIT), "FRE07 size 0 at the base");
    ok(query(base).State == MEM_RESERVE && query(base).RegionSize == 0x10000,
       "FRE07 decommits the whole allocation");
    VirtualFree(base, 0, MEM_RELEASE);
}

/* Releases a part of 16 pages; the pieces that stay are allocations of their own. */
static void release_part(const char *which, unsigned first, unsigned npages)
{
    char *base = VirtualAlloc(NULL, 16 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    void *at = base + first * PAGE;
    SIZE_T nbytes = npages * PAGE;
    int right = 1;

    memset(base, 0x33, 16 * PAGE);
    right = STATUS_IS(release(&at, &nbytes, MEM_RELEASE), STATUS_SUCCESS);
    for (unsigned page = 0; right && page < 16; page++) {
        MEMORY_BASIC_INFORMATION info = query(base + page * PAGE);
        BOOL freed = page >= first && page < first + npages;
        char *start = page < first ? base : base + (first + npages) * PAGE;

        right = freed ? info.State == MEM_FREE
                      : info.State == MEM_COMMIT && info.AllocationBase == start &&
                            base[page * PAGE] == 0x33;
    }
    ok(right, "FRE09 release of the %s pages frees just those", which);
    if (first > 0) {
        right = VirtualFree(base, 0, MEM_RELEASE);
    }
    if (first + npages < 16) {
        right = VirtualFree(base + (first + npages) * PAGE, 0, MEM_RELEASE) && right;
    }
    ok(right && query(base).State == MEM_FREE && query(base + 15 * PAGE).State == MEM_FREE,
       "FRE09 the rest are separate allocations (%s)", which);
}

static void test_partial_release(void)
{
    char *one, *two;
    void *at;
    SIZE_T nbytes = 0x20000;

    if (is_quire()) {
        release_part("first", 0, 3);
        release_part("middle", 5, 4);
        release_part("last", 12, 4);
    } else {
        tap_skip_all("Wine refuses it", "FRE09 release of the first pages frees just those\n"
                                        "FRE09 the rest are separate allocations (first)\n"
                                        "FRE09 release of the middle pages frees just those\n"
                                        "FRE09 the rest are separate allocations (middle)\n"
                                        "FRE09 release of the last pages frees just those\n"
                                        "FRE09 the rest are separate allocations (last)\n");
    }
    one = VirtualAlloc(NULL, 0x20000, MEM_RESERVE, PAGE_READWRITE);
    VirtualFree(one, 0, MEM_RELEASE);
    one = VirtualAlloc(one, 0x10000, MEM_RESERVE, PAGE_READWRITE);
    two = VirtualAlloc(one + 0x10000, 0x10000, MEM_RESERVE, PAGE_READWRITE);
    at = one;
    unlike_wine(two == one + 0x10000 &&
                    STATUS_IS(release(&at, &nbytes, MEM_RELEASE), STATUS_UNABLE_TO_FREE_VM),
                "FRE12 one release over two allocations");
    VirtualFree(one, 0, MEM_RELEASE);
    VirtualFree(two, 0, MEM_RELEASE);
}

/* A pattern of reservations, commits and releases; contents are checked all the while. */
static void test_pattern(void)
{
    static struct {
        unsigned char *base;
        DWORD npages;
    } blocks[64];
    DWORD seed = 12345;
    int good = 1;

    for (int step = 0; step < 3000 && good; step++) {
        seed = seed * 1103515245 + 12345;
        unsigned i = (seed >> 16) % 64;

        if (blocks[i].base != NULL) {
            for (DWORD page = 0; page < blocks[i].npages; page++) {
                good = good && blocks[i].base[page * PAGE + 17] == (unsigned char)(i + page);
            }
            good = good && VirtualFree(blocks[i].base, 0, MEM_RELEASE);
            blocks[i].base = NULL;
            continue;
        }
        blocks[i].npages = 1 + (seed >> 24) % 20;
        blocks[i].base =
            VirtualAlloc(NULL, blocks[i].npages * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
        good = blocks[i].base != NULL;
        for (DWORD page = 0; good && page < blocks[i].npages; page++) {
            good = blocks[i].base[page * PAGE + 17] == 0;
            blocks[i].base[page * PAGE + 17] = (unsigned char)(i + page);
        }
    }
    for (int i = 0; i < 64; i++) {
        if (blocks[i].base != NULL) {
            VirtualFree(blocks[i].base, 0, MEM_RELEASE);
        }
    }
    ok(good, "ALC12 3000 allocations and releases: each fresh, none disturbed");
}

int main(void)
{
    tap_begin();
    test_arguments();
    test_zero_bits();
    test_rounding();
    test_commit();
    test_free_arguments();
    test_decommit();
    test_partial_release();
    test_pattern();
    return tap_end();
}
