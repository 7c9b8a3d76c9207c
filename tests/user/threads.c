/*
 * tests/user/threads.c: threads, waits and what they wait for: events, mutexes, semaphores,
 * processes; critical sections, thread-local storage, registers of a thread.
 */
#include "tap.h"

static DWORD CALLBACK return_argument(void *argument)
{
    return (DWORD)(ULONG_PTR)argument;
}

static HANDLE start(DWORD(CALLBACK *function)(void *), void *argument)
{
    return CreateThread(NULL, 0, function, argument, 0, NULL);
}

static DWORD wait_for(HANDLE handle, DWORD milliseconds)
{
    return WaitForSingleObject(handle, milliseconds);
}

/* Waits for a thread's end; its exit code. */
static DWORD join(HANDLE thread)
{
    DWORD code = NOT_ENDED;

    if (wait_for(thread, 20000) == WAIT_OBJECT_0) {
        GetExitCodeThread(thread, &code);
    }
    CloseHandle(thread);
    return code;
}

static void test_events(void)
{
    HANDLE automatic = CreateEventA(NULL, FALSE, TRUE, NULL);
    HANDLE manual = CreateEventA(NULL, TRUE, FALSE, NULL);

    ok(wait_for(automatic, 0) == WAIT_OBJECT_0, "event: made signaled");
    ok(wait_for(automatic, 0) == WAIT_TIMEOUT, "event: a wait resets an automatic one");
    SetEvent(automatic);
    SetEvent(automatic);
    ok(wait_for(automatic, 0) == WAIT_OBJECT_0 && wait_for(automatic, 0) == WAIT_TIMEOUT,
       "event: set twice is set once");
    ok(wait_for(manual, 0) == WAIT_TIMEOUT, "event: made not signaled");
    SetEvent(manual);
    ok(wait_for(manual, 0) == WAIT_OBJECT_0 && wait_for(manual, 0) == WAIT_OBJECT_0,
       "event: a manual one stays set");
    ResetEvent(manual);
    ok(wait_for(manual, 0) == WAIT_TIMEOUT, "event: reset");
    CloseHandle(automatic);
    CloseHandle(manual);
    ok(wait_for(manual, 0) == WAIT_FAILED && GetLastError() == ERROR_INVALID_HANDLE,
       "wait: a closed handle");
}

static DWORD CALLBACK set_later(void *event)
{
    Sleep(50);
    SetEvent(event);
    return 1;
}

static void test_timeouts(void)
{
    HANDLE event = CreateEventA(NULL, FALSE, FALSE, NULL), thread;
    DWORD before = GetTickCount(), passed;

    ok(wait_for(event, 100) == WAIT_TIMEOUT, "timeout: 100 ms");
    passed = GetTickCount() - before;
    ok(passed >= 85 && passed < 2000, "timeout: it took about that long");
    tap_print("# %lu ms", passed);
    thread = start(set_later, event);
    ok(wait_for(event, 20000) == WAIT_OBJECT_0, "timeout: woken before it ends");
    ok(join(thread) == 1, "timeout: by another thread");
    before = GetTickCount();
    Sleep(60);
    passed = GetTickCount() - before;
    ok(passed >= 45 && passed < 2000, "Sleep(60)");
    thread = start(set_later, event);
    ok(wait_for(event, INFINITE) == WAIT_OBJECT_0, "timeout: INFINITE");
    join(thread);
    CloseHandle(event);
}

static void test_mutexes(void)
{
    HANDLE mutex = CreateMutexA(NULL, TRUE, NULL), thread;

    ok(wait_for(mutex, 0) == WAIT_OBJECT_0, "mutex: its owner takes it again");
    ok(ReleaseMutex(mutex) && ReleaseMutex(mutex), "mutex: released as often");
    ok(FAILS(ReleaseMutex(mutex), ERROR_NOT_OWNER), "mutex: once more is refused");
    ok(wait_for(mutex, 0) == WAIT_OBJECT_0, "mutex: free again");
    thread = start((DWORD(CALLBACK *)(void *))(void *)ReleaseMutex, mutex);
    ok(join(thread) == 0, "mutex: another thread cannot release it");
    ReleaseMutex(mutex);
    CloseHandle(mutex);
}

static DWORD CALLBACK take_and_end(void *mutex)
{
    return wait_for(mutex, 1000);
}

static void test_abandoned(void)
{
    HANDLE mutex = CreateMutexA(NULL, FALSE, NULL), thread = start(take_and_end, mutex);
    HANDLE both[2];

    ok(join(thread) == WAIT_OBJECT_0, "abandoned: a thread takes a mutex and ends");
    ok(wait_for(mutex, 1000) == WAIT_ABANDONED, "abandoned: the next owner is told");
    ReleaseMutex(mutex);
    ok(wait_for(mutex, 0) == WAIT_OBJECT_0, "abandoned: only once");
    ReleaseMutex(mutex);
    join(start(take_and_end, mutex));
    both[0] = CreateEventA(NULL, TRUE, FALSE, NULL);
    both[1] = mutex;
    ok(WaitForMultipleObjects(2, both, FALSE, 1000) == WAIT_ABANDONED_0 + 1,
       "abandoned: WaitForMultipleObjects tells which");
    ReleaseMutex(mutex);
    CloseHandle(both[0]);
    CloseHandle(mutex);
}

static void test_semaphores(void)
{
    HANDLE semaphore = CreateSemaphoreA(NULL, 2, 3, NULL);
    LONG previous = 77;

    ok(wait_for(semaphore, 0) == WAIT_OBJECT_0 && wait_for(semaphore, 0) == WAIT_OBJECT_0 &&
           wait_for(semaphore, 0) == WAIT_TIMEOUT,
       "semaphore: count 2 lets two through");
    ok(ReleaseSemaphore(semaphore, 2, &previous) && previous == 0, "semaphore: two more");
    ok(FAILS(ReleaseSemaphore(semaphore, 2, &previous), ERROR_TOO_MANY_POSTS),
       "semaphore: above its maximum");
    ok(ReleaseSemaphore(semaphore, 1, &previous) && previous == 2,
       "semaphore: the count is as it was");
    ok(FAILS(CreateSemaphoreA(NULL, 4, 3, NULL), ERROR_INVALID_PARAMETER),
       "semaphore: more than its maximum from the start");
    CloseHandle(semaphore);
}

static void test_any_and_all(void)
{
    HANDLE handles[MAXIMUM_WAIT_OBJECTS + 1], thread;

    for (int i = 0; i < 5; i++) {
        handles[i] = CreateEventA(NULL, FALSE, FALSE, NULL);
    }
    ok(WaitForMultipleObjects(5, handles, FALSE, 10) == WAIT_TIMEOUT, "any: none is set");
    SetEvent(handles[3]);
    SetEvent(handles[1]);
    ok(WaitForMultipleObjects(5, handles, FALSE, 1000) == WAIT_OBJECT_0 + 1, "any: the lowest");
    ok(WaitForMultipleObjects(5, handles, FALSE, 1000) == WAIT_OBJECT_0 + 3,
       "any: the other was not taken");
    for (int i = 0; i < 4; i++) {
        SetEvent(handles[i]);
    }
    ok(WaitForMultipleObjects(5, handles, TRUE, 50) == WAIT_TIMEOUT, "all: one is missing");
    ok(wait_for(handles[2], 0) == WAIT_OBJECT_0, "all: nothing was taken meanwhile");
    SetEvent(handles[2]);
    thread = start(set_later, handles[4]);
    ok(WaitForMultipleObjects(5, handles, TRUE, 20000) == WAIT_OBJECT_0, "all: the last one comes");
    ok(wait_for(handles[0], 0) == WAIT_TIMEOUT && wait_for(handles[4], 0) == WAIT_TIMEOUT,
       "all: each was taken");
    join(thread);
    for (int i = 5; i <= MAXIMUM_WAIT_OBJECTS; i++) {
        handles[i] = handles[0];
    }
    ok(WaitForMultipleObjects(MAXIMUM_WAIT_OBJECTS + 1, handles, FALSE, 0) == WAIT_FAILED &&
           GetLastError() == ERROR_INVALID_PARAMETER,
       "wait: 65 objects");
    ok(WaitForMultipleObjects(0, handles, FALSE, 0) == WAIT_FAILED, "wait: no object");
    for (int i = 5; i < MAXIMUM_WAIT_OBJECTS; i++) {
        handles[i] = CreateEventA(NULL, FALSE, FALSE, NULL);
    }
    SetEvent(handles[63]);
    ok(WaitForMultipleObjects(64, handles, FALSE, 100) == WAIT_OBJECT_0 + 63, "wait: 64 objects");
    handles[64] = handles[2];
    handles[2] = (HANDLE)(ULONG_PTR)0x7770;
    ok(WaitForMultipleObjects(64, handles, FALSE, 0) == WAIT_FAILED &&
           GetLastError() == ERROR_INVALID_HANDLE,
       "wait: one of them no handle");
    handles[2] = handles[64];
    for (int i = 0; i < 64; i++) {
        CloseHandle(handles[i]);
    }
}

struct pair {
    HANDLE request, answer;
    int rounds;
};

static DWORD CALLBACK answer_all(void *argument)
{
    struct pair *pair = argument;

    for (int i = 0; i < pair->rounds; i++) {
        wait_for(pair->request, INFINITE);
        SetEvent(pair->answer);
    }
    return 6;
}

static void test_ping_pong(void)
{
    struct pair pair = {CreateEventA(NULL, FALSE, FALSE, NULL),
                        CreateEventA(NULL, FALSE, FALSE, NULL), 2000};
    HANDLE thread = start(answer_all, &pair);
    int right = 1;

    for (int i = 0; i < pair.rounds && right; i++) {
        right = SignalObjectAndWait(pair.request, pair.answer, 20000, FALSE) == WAIT_OBJECT_0;
    }
    ok(right && join(thread) == 6, "SignalObjectAndWait: 2000 rounds between two threads");
    CloseHandle(pair.request);
    CloseHandle(pair.answer);
}

static CRITICAL_SECTION section;
static LONG guarded, unguarded;

static DWORD CALLBACK count_up(void *argument)
{
    for (int i = 0; i < 20000; i++) {
        EnterCriticalSection(&section);
        guarded++;
        LeaveCriticalSection(&section);
        InterlockedIncrement(&unguarded);
    }
    return return_argument(argument);
}

static void test_critical_section(void)
{
    HANDLE threads[4];
    int right = 1;

    InitializeCriticalSection(&section);
    for (int i = 0; i < 4; i++) {
        threads[i] = start(count_up, (void *)(ULONG_PTR)(i + 1));
    }
    for (int i = 0; i < 4; i++) {
        right = join(threads[i]) == (DWORD)i + 1 && right;
    }
    ok(right && guarded == 80000 && unguarded == 80000,
       "critical section: four threads, 20 000 times each");
    EnterCriticalSection(&section);
    ok(TryEnterCriticalSection(&section), "critical section: entered again by its owner");
    LeaveCriticalSection(&section);
    LeaveCriticalSection(&section);
    DeleteCriticalSection(&section);
}

static DWORD slot;

static DWORD CALLBACK use_slot(void *argument)
{
    if (TlsGetValue(slot) != NULL) {
        return 1;
    }
    TlsSetValue(slot, argument);
    Sleep(10);
    return TlsGetValue(slot) == argument ? 5 : 2;
}

static void test_tls(void)
{
    HANDLE threads[3];
    int right = 1;

    slot = TlsAlloc();
    ok(slot != TLS_OUT_OF_INDEXES && TlsGetValue(slot) == NULL, "TLS: a slot, empty");
    TlsSetValue(slot, &slot);
    for (int i = 0; i < 3; i++) {
        threads[i] = start(use_slot, &threads[i]);
    }
    for (int i = 0; i < 3; i++) {
        right = join(threads[i]) == 5 && right;
    }
    ok(right, "TLS: each thread has its own value, at first none");
    ok(TlsGetValue(slot) == &slot, "TLS: this thread's is as it was");
    ok(TlsFree(slot), "TLS: freed");
}

static DWORD CALLBACK last_error_of_its_own(void *argument)
{
    DWORD first = GetLastError();

    SetLastError(1234);
    Sleep(20);
    (void)argument;
    return first == 0 && GetLastError() == 1234 ? 5 : 2;
}

static DWORD CALLBACK exit_inside(void *argument)
{
    ExitThread((DWORD)(ULONG_PTR)argument + 1);
    return 0;
}

static DWORD CALLBACK wait_for_ever(void *argument)
{
    SetEvent(argument);
    Sleep(INFINITE);
    return 1;
}

static void test_ends(void)
{
    DWORD code = 0, id = 0;
    HANDLE event = CreateEventA(NULL, TRUE, FALSE, NULL), thread, copy = NULL;

    ok(join(start(return_argument, (void *)0x12345678)) == 0x12345678, "thread: its return value");
    ok(join(start(exit_inside, (void *)41)) == 42, "thread: ExitThread");
    SetLastError(77);
    ok(join(start(last_error_of_its_own, NULL)) == 5, "thread: a last error of its own");
    thread = CreateThread(NULL, 0, wait_for_ever, event, 0, &id);
    ok(GetExitCodeThread(thread, &code) && code == STILL_ACTIVE, "thread: STILL_ACTIVE");
    ok(id != 0 && id != GetCurrentThreadId(), "thread: its identifier");
    WaitForSingleObject(event, INFINITE);
    Sleep(50); /* Wine cannot end a thread that is still on its way into a wait */
    ok(TerminateThread(thread, 9) && join(thread) == 9, "thread: TerminateThread");
    DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(), &copy, 0, FALSE,
                    DUPLICATE_SAME_ACCESS);
    ok(copy != NULL && wait_for(copy, 10) == WAIT_TIMEOUT, "thread: GetCurrentThread duplicated");
    CloseHandle(copy);
    CloseHandle(event);
}

static volatile LONG progress;

static DWORD CALLBACK advance(void *argument)
{
    while (progress >= 0) {
        progress = progress + 1;
    }
    return return_argument(argument);
}

static void test_suspend(void)
{
    HANDLE thread = CreateThread(NULL, 0, advance, (void *)3, CREATE_SUSPENDED, NULL);
    LONG seen;
    CONTEXT context;

    Sleep(30);
    ok(progress == 0, "suspend: made suspended, it has not run");
    ok(ResumeThread(thread) == 1, "suspend: resumed, the count was 1");
    for (int i = 0; i < 200 && progress == 0; i++) {
        Sleep(5);
    }
    ok(progress > 0, "suspend: it runs");
    ok(SuspendThread(thread) == 0, "suspend: suspended again");
    memset(&context, 0, sizeof context);
    context.ContextFlags = CONTEXT_CONTROL | CONTEXT_INTEGER;
    ok(GetThreadContext(thread, &context) && context.Eip != 0 && context.Esp != 0 &&
           query((void *)(ULONG_PTR)context.Esp).State == MEM_COMMIT,
       "suspend: its registers");
    seen = progress;
    Sleep(40);
    ok(progress == seen, "suspend: it stands still");
    ok(ResumeThread(thread) == 1, "suspend: resumed");
    Sleep(40);
    ok(progress != seen, "suspend: it goes on");
    InterlockedExchange(&progress, LONG_MIN / 2);
    for (int i = 0; i < 100 && wait_for(thread, 0) != WAIT_OBJECT_0; i++) {
        InterlockedExchange(&progress, LONG_MIN / 2);
        Sleep(1);
    }
    ok(join(thread) == 3, "suspend: and ends");
}

/* Floating point of one thread does not disturb another's. */
static DWORD CALLBACK compute(void *argument)
{
    double start_value = (double)(ULONG_PTR)argument, value = start_value, expected = start_value;

    for (int i = 0; i < 300000; i++) {
        value = value * 1.0000001 + 0.5;
    }
    for (int round = 0; round < 5; round++) {
        expected = start_value;
        for (int i = 0; i < 300000; i++) {
            expected = expected * 1.0000001 + 0.5;
        }
        if (expected != value) {
            return 1;
        }
    }
    return 5;
}

static DWORD CALLBACK compute_sse(void *argument)
{
    float values[4] = {1, 2, 3, 4}, out[4];
    DWORD bad = 0;

    (void)argument;
    for (int i = 0; i < 200000 && !bad; i++) {
        __asm__ volatile("movups (%0), %%xmm5\n\t"
                         "addps %%xmm5, %%xmm5\n\t"
                         "movups %%xmm5, (%1)"
                         :
                         : "r"(values), "r"(out)
                         : "memory");
        bad = out[0] != 2 || out[3] != 8;
    }
    return bad ? 1 : 5;
}

static void test_floating_point(void)
{
    HANDLE threads[6];
    int right = 1;

    for (int i = 0; i < 6; i++) {
        threads[i] = start(i < 4 ? compute : compute_sse, (void *)(ULONG_PTR)(i * 100 + 1));
    }
    for (int i = 0; i < 6; i++) {
        right = join(threads[i]) == 5 && right;
    }
    ok(right, "threads: six compute at once, x87 and SSE registers are each one's own");
}

static void test_many(void)
{
    static HANDLE threads[100];
    int right = 1;

    for (int i = 0; i < 100; i++) {
        threads[i] = CreateThread(NULL, 0x10000, return_argument, (void *)(ULONG_PTR)(i + 1),
                                  STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
    }
    ok(WaitForMultipleObjects(64, threads, TRUE, 20000) == WAIT_OBJECT_0,
       "threads: wait for all of 64");
    for (int i = 0; i < 100; i++) {
        right = join(threads[i]) == (DWORD)i + 1 && right;
    }
    ok(right, "threads: 100 at once");
    for (int i = 0; i < 300; i++) {
        right = join(start(return_argument, (void *)7)) == 7 && right;
    }
    ok(right, "threads: 300 one after another");
}

/* Child: takes the mutex, sets the event, dies with it or waits. */
static int child(const char *mutex_name, const char *event_name)
{
    HANDLE mutex = OpenMutexA(MUTEX_ALL_ACCESS, FALSE, mutex_name);
    HANDLE event = OpenEventA(EVENT_MODIFY_STATE, FALSE, event_name);

    must(mutex != NULL && event != NULL);
    must(wait_for(mutex, 10000) == WAIT_OBJECT_0);
    must(SetEvent(event));
    must(wait_for(event, 10) == WAIT_FAILED); /* no SYNCHRONIZE on this handle */
    Sleep(50);
    return 51;
}

static void test_between_processes(void)
{
    const char *mutex_name = unique("mutex"), *event_name = unique("event");
    HANDLE mutex = CreateMutexA(NULL, FALSE, mutex_name), handles[2];
    HANDLE event = CreateEventA(NULL, FALSE, FALSE, event_name);
    struct child process;

    start_child(&process, FALSE, 0, "child %s %s", mutex_name, event_name);
    ok(wait_for(event, 20000) == WAIT_OBJECT_0, "processes: an event set by another");
    ok(wait_for(mutex, 0) == WAIT_TIMEOUT, "processes: it holds the mutex");
    handles[0] = process.process;
    handles[1] = mutex;
    ok(WaitForMultipleObjects(2, handles, TRUE, 20000) == WAIT_ABANDONED_0 ||
           wait_for(mutex, 0) != WAIT_TIMEOUT,
       "processes: its end gives the mutex up");
    ok(end_child(&process) == 51, "processes: waited for, its exit code");
    CloseHandle(mutex);
    CloseHandle(event);
}

int main(int argc, char **argv)
{
    tap_begin();
    if (argc > 3) {
        return child(argv[2], argv[3]);
    }
    test_events();
    test_timeouts();
    test_mutexes();
    test_abandoned();
    test_semaphores();
    test_any_and_all();
    test_ping_pong();
    test_critical_section();
    test_tls();
    test_ends();
    test_suspend();
    test_floating_point();
    test_many();
    test_between_processes();
    return tap_end();
}
