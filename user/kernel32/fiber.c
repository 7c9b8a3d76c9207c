/*
 * user/kernel32/fiber.c: fibers: stacks that a thread changes between by itself.
 *
 * A fiber is what the TEB names as the thread's; its first word is the parameter, where
 * GetFiberData looks for it. A stack grows as a thread's does: a guard page below what is
 * committed.
 */
#include "user/kernel32/kernel32.h"

#define STACK_RESERVE 0x100000u
#define STACK_COMMIT  0x2000u
#define STACK_PAGE    0x1000u
#define NO_HANDLER    ((void *)~0u)
#define X87_AT_FIRST  0x27Fu
#define FIRST_WORDS   8u /* those that switch_fibers takes, and the return of begin_fiber */
#define NO_FIBER      ((struct fiber *)0x1E00) /* what Windows has in the TEB of other threads */

/* fiber.asm knows the places of these. */
struct fiber {
    void *parameter;
    BYTE *base; /* the end of the stack, and its lowest page that is committed */
    BYTE *limit;
    void *allocation;
    void **stack;                /* while it does not run */
    LPFIBER_START_ROUTINE start; /* NULL: a thread that was converted; its stack goes with it */
};

void switch_fibers(struct fiber *from, struct fiber *to);

static struct fiber *current_fiber(void)
{
    struct fiber *fiber = this_teb()->tib.FiberData;
    return fiber == NO_FIBER ? NULL : fiber;
}

static void __attribute__((noreturn)) begin_fiber(void)
{
    struct fiber *fiber = current_fiber();
    fiber->start(fiber->parameter);
    RtlExitUserThread(0);
}

BOOL WINAPI IsThreadAFiber(void)
{
    return current_fiber() != NULL;
}

void *WINAPI ConvertThreadToFiberEx(void *parameter, DWORD flags)
{
    (void)flags; /* the x87 state is always switched */
    if (current_fiber()) {
        fail(ERROR_ALREADY_FIBER);
        return NULL;
    }
    struct fiber *fiber = take_memory(sizeof(*fiber));
    if (!fiber) {
        fail(ERROR_NOT_ENOUGH_MEMORY);
        return NULL;
    }
    *fiber = (struct fiber){.parameter = parameter,
                            .base = this_teb()->tib.StackBase,
                            .limit = this_teb()->tib.StackLimit,
                            .allocation = this_teb()->stack_allocation};
    this_teb()->tib.FiberData = fiber;
    return fiber;
}

void *WINAPI ConvertThreadToFiber(void *parameter)
{
    return ConvertThreadToFiberEx(parameter, 0);
}

BOOL WINAPI ConvertFiberToThread(void)
{
    struct fiber *fiber = current_fiber();
    if (!fiber) {
        return fail(ERROR_ALREADY_THREAD);
    }
    this_teb()->tib.FiberData = NULL;
    release_memory(fiber);
    return TRUE;
}

static SIZE_T whole_pages(SIZE_T nbytes, SIZE_T otherwise)
{
    return nbytes ? (nbytes + STACK_PAGE - 1) & ~(SIZE_T)(STACK_PAGE - 1) : otherwise;
}

/* A stack with COMMIT bytes and a guard page below them. */
static BOOL make_stack(struct fiber *fiber, SIZE_T commit, SIZE_T reserve)
{
    if (reserve < commit + 2 * STACK_PAGE) {
        reserve = commit + 2 * STACK_PAGE;
    }
    BYTE *memory = VirtualAlloc(NULL, reserve, MEM_RESERVE, PAGE_READWRITE);
    if (!memory) {
        return FALSE;
    }
    fiber->allocation = memory;
    fiber->base = memory + reserve;
    fiber->limit = fiber->base - commit;
    if (!VirtualAlloc(fiber->limit, commit, MEM_COMMIT, PAGE_READWRITE) ||
        !VirtualAlloc(fiber->limit - STACK_PAGE, STACK_PAGE, MEM_COMMIT,
                      PAGE_READWRITE | PAGE_GUARD)) {
        VirtualFree(memory, 0, MEM_RELEASE);
        return FALSE;
    }
    return TRUE;
}

void *WINAPI CreateFiberEx(SIZE_T commit, SIZE_T reserve, DWORD flags, LPFIBER_START_ROUTINE start,
                           void *parameter)
{
    (void)flags;
    struct fiber *fiber = take_memory(sizeof(*fiber));
    if (!fiber) {
        fail(ERROR_NOT_ENOUGH_MEMORY);
        return NULL;
    }
    *fiber = (struct fiber){.parameter = parameter, .start = start};
    if (!make_stack(fiber, whole_pages(commit, STACK_COMMIT),
                    whole_pages(reserve, STACK_RESERVE))) {
        release_memory(fiber);
        return NULL;
    }
    void **stack = (void **)fiber->base - FIRST_WORDS;
    stack[0] = NO_HANDLER;
    stack[1] = (void *)X87_AT_FIRST;
    stack[6] = (void *)begin_fiber; /* between: registers, zero; above: it returns to nowhere */
    fiber->stack = stack;
    return fiber;
}

void *WINAPI CreateFiber(SIZE_T commit, LPFIBER_START_ROUTINE start, void *parameter)
{
    return CreateFiberEx(commit, 0, 0, start, parameter);
}

void WINAPI SwitchToFiber(void *fiber)
{
    struct fiber *from = current_fiber();
    if (from != fiber) {
        switch_fibers(from, fiber);
    }
}

void WINAPI DeleteFiber(void *which)
{
    struct fiber *fiber = which;
    if (fiber == current_fiber()) {
        RtlExitUserThread(1);
    }
    if (fiber->start) {
        VirtualFree(fiber->allocation, 0, MEM_RELEASE);
    }
    release_memory(fiber);
}
