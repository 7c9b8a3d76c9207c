/*
 * tests/user/fibers.c: fibers: switching, what each keeps, stacks that grow, exceptions on them.
 */
#include "tap.h"

static void *mother, *one, *two;
static char trace[64];
static volatile int depth_seen;

static void note(char what)
{
    size_t n = strlen(trace);

    trace[n] = what;
    trace[n + 1] = 0;
}

static void WINAPI ping(void *parameter)
{
    double kept = 1.5;

    for (int i = 0; i < 3; i++) {
        note(*(char *)parameter);
        kept *= 2;
        SwitchToFiber(two);
    }
    ok(kept == 12 && GetFiberData() == parameter && GetCurrentFiber() == one,
       "a fiber keeps its variables, and knows itself");
    SwitchToFiber(mother);
}

static void WINAPI pong(void *parameter)
{
    for (;;) {
        note(*(char *)parameter);
        SwitchToFiber(one);
    }
}

static int use_stack(int depth)
{
    volatile char room[3000];

    memset((char *)room, depth, sizeof room);
    return depth == 0 ? room[7] : use_stack(depth - 1) + (room[2999] == (char)depth);
}

static void WINAPI deep(void *parameter)
{
    (void)parameter;
    depth_seen = use_stack(200);
    SwitchToFiber(mother);
    ok(read_fault(NULL) == AV, "an exception on its stack is handled there");
    SwitchToFiber(mother);
}

static DWORD WINAPI thread(void *parameter)
{
    BOOL before = IsThreadAFiber();

    (void)parameter;
    ConvertThreadToFiber(NULL);
    return !before && IsThreadAFiber() && ConvertFiberToThread() && !IsThreadAFiber() ? 5 : 6;
}

int main(void)
{
    HANDLE other;
    DWORD code = 0;

    tap_begin();
    ok(!IsThreadAFiber(), "a thread is no fiber at first");
    mother = ConvertThreadToFiber("m");
    ok(mother != NULL && IsThreadAFiber() && GetFiberData() != NULL && GetCurrentFiber() == mother,
       "ConvertThreadToFiber");
    one = CreateFiber(0, ping, "1");
    two = CreateFiber(0x10000, pong, "2");
    ok(one != NULL && two != NULL && one != two && trace[0] == 0, "CreateFiber begins nothing");
    SwitchToFiber(one);
    ok(strcmp(trace, "121212") == 0, "they take turns");
    DeleteFiber(one);
    DeleteFiber(two);
    one = CreateFiberEx(0x1000, 0x200000, FIBER_FLAG_FLOAT_SWITCH, deep, NULL);
    SwitchToFiber(one);
    ok(depth_seen == 200, "a fiber's stack grows");
    SwitchToFiber(one);
    DeleteFiber(one);
    other = CreateThread(NULL, 0, thread, NULL, 0, NULL);
    WaitForSingleObject(other, INFINITE);
    GetExitCodeThread(other, &code);
    CloseHandle(other);
    ok(code == 5, "another thread becomes a fiber, and a thread again");
    ok(ConvertFiberToThread() && !IsThreadAFiber(), "ConvertFiberToThread");
    return tap_end();
}
