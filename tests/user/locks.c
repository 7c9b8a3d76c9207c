/*
 * tests/user/locks.c: the locks that live in the program's own memory: slim reader/writer locks,
 * condition variables, one-time initialization, critical sections between many threads.
 */
#include "tap.h"

#define THREADS 6
#define ROUNDS  3000

static SRWLOCK slim = SRWLOCK_INIT;
static CRITICAL_SECTION section;
static CONDITION_VARIABLE filled = CONDITION_VARIABLE_INIT, emptied = CONDITION_VARIABLE_INIT;
static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
static volatile LONG plain, twin, readers, met, wrong, made;
static int queue[8], queued;

static void run_all(LPTHREAD_START_ROUTINE function)
{
    HANDLE threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        threads[i] = CreateThread(NULL, 0, function, (void *)(LONG_PTR)i, 0, NULL);
    }
    if (WaitForMultipleObjects(THREADS, threads, TRUE, 50000) != WAIT_OBJECT_0) {
        wrong = 1000000;
    }
    for (int i = 0; i < THREADS; i++) {
        CloseHandle(threads[i]);
    }
}

/* Reads until all the others do; gives up after ten seconds. */
static void read_together(void)
{
    AcquireSRWLockShared(&slim);
    InterlockedIncrement(&met);
    for (int i = 0; i < 10000 && met < THREADS; i++) {
        Sleep(1);
    }
    ReleaseSRWLockShared(&slim);
}

static DWORD WINAPI read_and_write(void *number)
{
    read_together();
    for (int i = 0; i < ROUNDS; i++) {
        if ((i + (LONG_PTR)number) % 4 == 0) {
            AcquireSRWLockExclusive(&slim);
            wrong += readers != 0;
            plain++;
            if (i % 64 == 0) {
                Sleep(0);
            }
            twin++;
            ReleaseSRWLockExclusive(&slim);
        } else {
            AcquireSRWLockShared(&slim);
            InterlockedIncrement(&readers);
            wrong += plain != twin;
            if (i % 64 == 1) {
                Sleep(0);
            }
            InterlockedDecrement(&readers);
            ReleaseSRWLockShared(&slim);
        }
    }
    return 0;
}

static void test_slim(void)
{
    ok(TryAcquireSRWLockExclusive(&slim) && !TryAcquireSRWLockShared(&slim) &&
           !TryAcquireSRWLockExclusive(&slim),
       "slim: a writer is alone");
    ReleaseSRWLockExclusive(&slim);
    ok(TryAcquireSRWLockShared(&slim) && TryAcquireSRWLockShared(&slim) &&
           !TryAcquireSRWLockExclusive(&slim),
       "slim: readers are not");
    ReleaseSRWLockShared(&slim);
    ReleaseSRWLockShared(&slim);
    run_all(read_and_write);
    ok(wrong == 0 && plain == twin && plain == THREADS * ROUNDS / 4, "slim: nothing is lost");
    ok(met == THREADS, "slim: several read at once");
    ok(slim.Ptr == NULL, "slim: free at the end");
}

static DWORD WINAPI add_plain(void *number)
{
    (void)number;
    for (int i = 0; i < ROUNDS; i++) {
        EnterCriticalSection(&section);
        EnterCriticalSection(&section);
        LONG seen = plain;
        if (i % 50 == 0) {
            Sleep(0);
        }
        plain = seen + 1;
        LeaveCriticalSection(&section);
        LeaveCriticalSection(&section);
    }
    return 0;
}

static void test_section(void)
{
    plain = 0;
    run_all(add_plain);
    ok(plain == THREADS * ROUNDS, "critical section: nothing is lost");
    ok(TryEnterCriticalSection(&section), "critical section: free at the end");
    LeaveCriticalSection(&section);
}

/* Even threads put, odd ones take. */
static DWORD WINAPI put_or_take(void *number)
{
    for (int i = 0; i < ROUNDS / 3; i++) {
        EnterCriticalSection(&section);
        if ((LONG_PTR)number % 2 == 0) {
            while (queued == 8) {
                SleepConditionVariableCS(&emptied, &section, INFINITE);
            }
            queue[queued++] = i;
            plain += i;
            WakeConditionVariable(&filled);
        } else {
            while (queued == 0) {
                SleepConditionVariableCS(&filled, &section, INFINITE);
            }
            plain -= queue[--queued];
            WakeConditionVariable(&emptied);
        }
        LeaveCriticalSection(&section);
    }
    return 0;
}

static void test_condition(void)
{
    DWORD start;

    plain = wrong = 0;
    run_all(put_or_take);
    ok(wrong == 0 && plain == 0 && queued == 0, "condition: all that is put is taken");
    EnterCriticalSection(&section);
    start = GetTickCount();
    ok(!SleepConditionVariableCS(&filled, &section, 60) && GetLastError() == ERROR_TIMEOUT,
       "condition: a wait that ends by its time");
    ok(GetTickCount() - start >= 45, "condition: not before");
    LeaveCriticalSection(&section);
    AcquireSRWLockShared(&slim);
    ok(!SleepConditionVariableSRW(&filled, &slim, 10, CONDITION_VARIABLE_LOCKMODE_SHARED) &&
           GetLastError() == ERROR_TIMEOUT,
       "condition: with a slim lock");
    ok(!TryAcquireSRWLockExclusive(&slim), "condition: which is held again");
    ReleaseSRWLockShared(&slim);
}

static BOOL CALLBACK make(INIT_ONCE *which, void *parameter, void **context)
{
    (void)which;
    (void)parameter;
    Sleep(20);
    InterlockedIncrement(&made);
    *context = (void *)0x1230;
    return TRUE;
}

static DWORD WINAPI ask_once(void *number)
{
    void *context = NULL;

    (void)number;
    if (!InitOnceExecuteOnce(&once, make, NULL, &context) || context != (void *)0x1230) {
        InterlockedIncrement(&wrong);
    }
    return 0;
}

static void test_once(void)
{
    void *context = NULL;
    BOOL pending = TRUE;

    wrong = 0;
    run_all(ask_once);
    ok(made == 1 && wrong == 0, "once: made by one, seen by all");
    ok(InitOnceBeginInitialize(&once, 0, &pending, &context) && !pending &&
           context == (void *)0x1230,
       "once: done");
}

int main(void)
{
    tap_begin();
    InitializeCriticalSection(&section);
    test_slim();
    test_section();
    test_condition();
    test_once();
    DeleteCriticalSection(&section);
    return tap_end();
}
