/*
 * tests/user/guard.c: guard pages, VirtualLock and the stacks of threads (GRD).
 */
#include "tap.h"

#define GUARD ((DWORD)STATUS_GUARD_PAGE_VIOLATION)

static void test_guard_page(void)
{
    char *base =
        VirtualAlloc(NULL, 2 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD);
    MEMORY_BASIC_INFORMATION info = query(base);
    DWORD old;

    ok(info.Protect == (PAGE_READWRITE | PAGE_GUARD) &&
           info.AllocationProtect == (PAGE_READWRITE | PAGE_GUARD),
       "GRD04 reads back READWRITE and GUARD");
    ok(read_fault(base + 7) == GUARD && fault.parameters == 2 && fault.kind == 0 &&
           fault.address == (ULONG_PTR)base + 7,
       "GRD01 the first touch raises STATUS_GUARD_PAGE_VIOLATION");
    ok(read_fault(base + 7) == 0 && write_fault(base) == 0, "GRD01 the next ones work");
    info = query(base);
    ok(info.Protect == PAGE_READWRITE && info.RegionSize == PAGE &&
           info.AllocationProtect == (PAGE_READWRITE | PAGE_GUARD),
       "GRD04 after the hit: READWRITE");
    ok(query(base + PAGE).Protect == (PAGE_READWRITE | PAGE_GUARD),
       "GRD04 the next page is guarded");
    ok(write_fault(base + PAGE) == GUARD && fault.kind == 1 && (unsigned char)base[PAGE] == 0,
       "GRD01 a write raises too, and is not done");
    ok(VirtualProtect(base, PAGE, PAGE_READONLY | PAGE_GUARD, &old) && old == PAGE_READWRITE,
       "GRD01 guarded again by VirtualProtect, read-only");
    ok(write_fault(base) == GUARD && write_fault(base) == AV && (unsigned char)base[0] == 0xA5,
       "GRD01 the base protection then rules");
    VirtualFree(base, 0, MEM_RELEASE);
}

static void test_lock(void)
{
    char *base = VirtualAlloc(NULL, 2 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    DWORD old;

    ok(VirtualLock(base, PAGE), "GRD12 VirtualLock");
    base[0] = 1;
    ok(VirtualUnlock(base, PAGE), "GRD12 VirtualUnlock");
    VirtualProtect(base + PAGE, PAGE, PAGE_READWRITE | PAGE_GUARD, &old);
    unlike_wine(FAILS(VirtualLock(base + PAGE, PAGE), GUARD) &&
                    query(base + PAGE).Protect == PAGE_READWRITE && VirtualLock(base + PAGE, PAGE),
                "GRD05 VirtualLock on a guarded page takes the guard away, then works");
    VirtualFree(base, 0, MEM_RELEASE);
}

struct stack {
    MEMORY_BASIC_INFORMATION reserved, guard, committed;
    char *base, *limit, *allocation;
    BOOL below_unreadable, sound;
    DWORD npages;
};

/* TEB: StackBase at 4, StackLimit at 8, DeallocationStack at 0xE0C. */
static void *teb_field(DWORD offset)
{
    void *value;

    __asm__("movl %%fs:(%1), %0" : "=r"(value) : "r"(offset));
    return value;
}

static DWORD CALLBACK look_at_stack(void *argument)
{
    struct stack *stack = argument;

    stack->base = teb_field(4);
    stack->limit = teb_field(8);
    stack->allocation = teb_field(0xE0C);
    stack->reserved = query(stack->allocation);
    stack->guard = query((char *)stack->reserved.BaseAddress + stack->reserved.RegionSize);
    stack->committed = query((char *)stack->guard.BaseAddress + stack->guard.RegionSize);
    stack->below_unreadable = IsBadReadPtr(stack->allocation + PAGE, 1);
    return 0;
}

static struct stack stack_of_thread(SIZE_T nbytes, DWORD flags)
{
    struct stack stack;
    HANDLE thread;

    memset(&stack, 0, sizeof stack);
    thread = CreateThread(NULL, nbytes, look_at_stack, &stack, flags, NULL);
    WaitForSingleObject(thread, 10000);
    CloseHandle(thread);
    return stack;
}

static void test_layout(void)
{
    struct stack stack = stack_of_thread(0, 0);

    unlike_wine(stack.reserved.AllocationBase == stack.allocation &&
                    stack.reserved.AllocationProtect == PAGE_READWRITE &&
                    stack.reserved.Type == MEM_PRIVATE && stack.reserved.State == MEM_RESERVE &&
                    stack.reserved.Protect == 0,
                "GRD07 a thread's stack: one allocation, first reserved");
    ok(stack.guard.State == MEM_COMMIT && stack.guard.Protect == (PAGE_READWRITE | PAGE_GUARD) &&
           stack.guard.RegionSize >= PAGE && stack.guard.RegionSize <= 3 * PAGE,
       "GRD07 then 1 to 3 guard pages");
    ok(stack.committed.State == MEM_COMMIT && stack.committed.Protect == PAGE_READWRITE &&
           (char *)stack.committed.BaseAddress + stack.committed.RegionSize == stack.base,
       "GRD07 then committed up to StackBase");
    unlike_wine(stack.limit == (char *)stack.committed.BaseAddress,
                "GRD07 StackLimit is where that begins");
    ok(stack.below_unreadable, "GRD09 IsBadReadPtr(DeallocationStack + 0x1000)");
}

static void test_sizes(void)
{
    IMAGE_DOS_HEADER *dos = (void *)GetModuleHandleA(NULL);
    IMAGE_NT_HEADERS *headers = (void *)((char *)dos + dos->e_lfanew);
    DWORD reserve = headers->OptionalHeader.SizeOfStackReserve;
    struct stack stack = stack_of_thread(0x3F00, 0);

    ok((DWORD)(stack.base - stack.allocation) == reserve,
       "GRD11 size 0x3F00: reserve of the program's header");
    unlike_wine(stack.committed.RegionSize == 0x4000, "GRD11 size 0x3F00: 0x4000 committed");
    stack = stack_of_thread(0x3FF000, STACK_SIZE_PARAM_IS_A_RESERVATION);
    ok(stack.base - stack.allocation == 0x400000, "GRD11 as a reservation: 0x400000");
    ok(stack.committed.RegionSize >= 0x2000, "GRD11 as a reservation: default commit");
}

/* Goes down a page at a time. */
static char __attribute__((noinline)) descend(DWORD npages)
{
    volatile char page[PAGE];

    page[0] = (char)npages;
    if (npages > 1) {
        page[1] = descend(npages - 1);
    }
    return page[0];
}

static DWORD CALLBACK grow(void *argument)
{
    struct stack *stack = argument;
    char *before = teb_field(8);

    descend(stack->npages);
    stack->sound = (char *)teb_field(8) <= before;
    look_at_stack(stack);
    return 0;
}

static void test_growth(void)
{
    struct stack stack;
    HANDLE thread;

    memset(&stack, 0, sizeof stack);
    stack.npages = 150;
    thread = CreateThread(NULL, 0x1000, grow, &stack, 0, NULL);
    ok(WaitForSingleObject(thread, 10000) == WAIT_OBJECT_0, "GRD07 a stack grows by 150 pages");
    ok(stack.sound && stack.committed.RegionSize >= 150 * PAGE &&
           stack.guard.Protect == (PAGE_READWRITE | PAGE_GUARD),
       "GRD07 the committed part did, the guard moved below it");
    CloseHandle(thread);
}

/* Calls descend(NPAGES) on the stack that ends at TOP. */
static void __attribute__((noinline)) descend_on(char *top, DWORD npages)
{
    __asm__ volatile("movl %%esp, %%ebx\n\t"
                     "movl %0, %%esp\n\t"
                     "pushl %1\n\t"
                     "call *%2\n\t"
                     "movl %%ebx, %%esp"
                     :
                     : "S"(top), "D"(npages), "a"(descend)
                     : "ebx", "ecx", "edx", "memory", "cc");
}

static void set_teb_field(DWORD offset, void *value)
{
    __asm__ volatile("movl %0, %%fs:(%1)" : : "r"(value), "r"(offset) : "memory");
}

static DWORD CALLBACK on_own_stack(void *argument)
{
    void *saved[3] = {teb_field(4), teb_field(8), teb_field(0xE0C)};
    char *base = VirtualAlloc(NULL, 0x40000, MEM_RESERVE, PAGE_READWRITE), *top = base + 0x40000;
    BOOL grown;

    VirtualAlloc(top - PAGE, PAGE, MEM_COMMIT, PAGE_READWRITE);
    VirtualAlloc(top - 2 * PAGE, PAGE, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD);
    set_teb_field(4, top);
    set_teb_field(8, top - PAGE);
    set_teb_field(0xE0C, base);
    descend_on(top - 16, 20);
    grown = (char *)teb_field(8) <= top - 20 * PAGE;
    for (volatile char *page = top - PAGE; page >= base + 4 * PAGE; page -= PAGE) {
        page[0] |= 0; /* down to the fifth page from the end there is no overflow */
    }
    set_teb_field(4, saved[0]);
    set_teb_field(8, saved[1]);
    set_teb_field(0xE0C, saved[2]);
    *(BOOL *)argument = grown && query(base + 4 * PAGE).Protect == PAGE_READWRITE &&
                        query(base).State == MEM_RESERVE;
    VirtualFree(base, 0, MEM_RELEASE);
    return 0;
}

static void test_own_stack(void)
{
    BOOL right = FALSE;

    if (is_quire()) {
        HANDLE thread = CreateThread(NULL, 0, on_own_stack, &right, 0, NULL);

        WaitForSingleObject(thread, 10000);
        CloseHandle(thread);
    }
    unlike_wine(right, "GRD13 a stack of one's own, guarded at its top, grows in the same way");
}

static void overflow(void *argument)
{
    (void)argument;
    descend(0x10000000);
}

static DWORD CALLBACK overflowing(void *argument)
{
    *(DWORD *)argument = fault_in(overflow, NULL);
    return 0;
}

static void test_overflow(void)
{
    DWORD code = 0;
    HANDLE thread =
        CreateThread(NULL, 0x10000, overflowing, &code, STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);

    ok(WaitForSingleObject(thread, 10000) == WAIT_OBJECT_0,
       "GRD10 a thread that runs out of stack");
    ok(code == (DWORD)STATUS_STACK_OVERFLOW, "GRD10 gets STATUS_STACK_OVERFLOW");
    CloseHandle(thread);
}

static int overflowing_child(void)
{
    SetErrorMode(SEM_NOGPFAULTERRORBOX);
    descend(0x10000000);
    return 0;
}

static void test_overflow_ends(void)
{
    ok(run_child(FALSE, 0, "overflow") == (DWORD)STATUS_STACK_OVERFLOW,
       "GRD10 a process that runs out of stack ends with that code");
}

int main(int argc, char **argv)
{
    (void)argv;
    tap_begin();
    if (argc > 1) {
        return overflowing_child();
    }
    test_guard_page();
    test_lock();
    test_layout();
    test_sizes();
    test_growth();
    test_own_stack();
    test_overflow();
    test_overflow_ends();
    return tap_end();
}
