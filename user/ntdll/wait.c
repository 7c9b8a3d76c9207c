/*
 * user/ntdll/wait.c: waiting until memory changes (RtlWaitOnAddress), and the locks made of it:
 * slim reader/writer locks, condition variables, one-time initialization.
 *
 * A waiter stands on its own stack in the list of its address's bucket and sleeps on an event of
 * its own. The waker takes it off the list, under the bucket's lock, before it sets the event, so
 * a waiter that times out knows from the list whether a wake-up is still on its way.
 *
 * A slim lock is one word: 0 free; else bit 0 = owned by a writer, bit 1 = somebody waits, the
 * rest counts readers. A condition variable is a sequence number.
 */
#include "user/ntdll/loader.h"

#define BUCKETS 64u

struct waiter {
    LIST_ENTRY links;
    const void *address;
    HANDLE event;
    bool woken;
};

struct bucket {
    RTL_CRITICAL_SECTION lock;
    LIST_ENTRY waiters;
};

static struct bucket buckets[BUCKETS];
static volatile LONG buckets_ready;
static RTL_CRITICAL_SECTION buckets_lock = {(void *)-1, -1, 0, NULL, NULL, 0};

static struct bucket *bucket_of(const void *address)
{
    if (!buckets_ready) {
        RtlEnterCriticalSection(&buckets_lock);
        for (unsigned i = 0; i < BUCKETS && !buckets_ready; i++) {
            RtlInitializeCriticalSection(&buckets[i].lock);
            buckets[i].waiters.Flink = buckets[i].waiters.Blink = &buckets[i].waiters;
        }
        buckets_ready = 1;
        RtlLeaveCriticalSection(&buckets_lock);
    }
    return &buckets[((uintptr_t)address >> 3 ^ (uintptr_t)address >> 12) % BUCKETS];
}

static void take_off(struct waiter *waiter)
{
    waiter->links.Flink->Blink = waiter->links.Blink;
    waiter->links.Blink->Flink = waiter->links.Flink;
    waiter->woken = true;
}

static NTSTATUS sleep_in(struct bucket *bucket, struct waiter *waiter, const LARGE_INTEGER *timeout)
{
    LARGE_INTEGER until;

    if (timeout) {
        until = *timeout;
    }
    NTSTATUS status = NtWaitForSingleObject(waiter->event, FALSE, timeout ? &until : NULL);
    if (status == STATUS_SUCCESS) {
        return status;
    }
    RtlEnterCriticalSection(&bucket->lock);
    if (waiter->woken) {
        status = STATUS_SUCCESS; /* between the timeout and here; the waker is done with us */
    } else {
        take_off(waiter);
    }
    RtlLeaveCriticalSection(&bucket->lock);
    return status;
}

/*
 * Sleeps until ADDRESS is woken, unless the SIZE bytes there differ from those at COMPARE already.
 * => may return early; the caller looks again. STATUS_TIMEOUT.
 */
NTSTATUS NTAPI RtlWaitOnAddress(const void *address, const void *compare, SIZE_T size,
                                const LARGE_INTEGER *timeout)
{
    struct bucket *bucket = bucket_of(address);
    struct waiter waiter = {.address = address};
    NTSTATUS status;

    if (size != 1 && size != 2 && size != 4 && size != 8) {
        return STATUS_INVALID_PARAMETER;
    }
    status = NtCreateEvent(&waiter.event, EVENT_ALL_ACCESS, NULL, SYNCHRONIZATION_EVENT, FALSE);
    if (!NT_SUCCESS(status)) {
        NtYieldExecution(); /* as if woken early */
        return STATUS_SUCCESS;
    }
    RtlEnterCriticalSection(&bucket->lock);
    bool differs = memcmp(address, compare, size) != 0;
    if (!differs) {
        waiter.links.Flink = &bucket->waiters;
        waiter.links.Blink = bucket->waiters.Blink;
        bucket->waiters.Blink->Flink = &waiter.links;
        bucket->waiters.Blink = &waiter.links;
    }
    RtlLeaveCriticalSection(&bucket->lock);
    if (!differs) {
        status = sleep_in(bucket, &waiter, timeout);
    }
    NtClose(waiter.event);
    return status;
}

static void wake(const void *address, bool all)
{
    struct bucket *bucket = bucket_of(address);

    RtlEnterCriticalSection(&bucket->lock);
    LIST_ENTRY *at = bucket->waiters.Flink;
    while (at != &bucket->waiters) {
        struct waiter *waiter = (struct waiter *)at;
        at = at->Flink;
        if (waiter->address != address) {
            continue;
        }
        take_off(waiter);
        NtSetEvent(waiter->event, NULL);
        if (!all) {
            break;
        }
    }
    RtlLeaveCriticalSection(&bucket->lock);
}

void NTAPI RtlWakeAddressSingle(const void *address)
{
    wake(address, false);
}

void NTAPI RtlWakeAddressAll(const void *address)
{
    wake(address, true);
}

/*
 * Slim reader/writer locks
 */

#define SRW_WRITER 1u
#define SRW_WAITED 2u
#define SRW_READER 4u

static volatile LONG *word_of(RTL_SRWLOCK *lock)
{
    return (volatile LONG *)(void *)&lock->Ptr;
}

static bool change(RTL_SRWLOCK *lock, ULONG from, ULONG to)
{
    return (ULONG)InterlockedCompareExchange(word_of(lock), (LONG)to, (LONG)from) == from;
}

static void wait_for_change(RTL_SRWLOCK *lock, ULONG seen)
{
    ULONG waited = seen | SRW_WAITED;

    if ((seen & SRW_WAITED) || change(lock, seen, waited)) {
        RtlWaitOnAddress(&lock->Ptr, &waited, sizeof(waited), NULL);
    }
}

void NTAPI RtlInitializeSRWLock(RTL_SRWLOCK *lock)
{
    lock->Ptr = NULL;
}

BOOLEAN NTAPI RtlTryAcquireSRWLockExclusive(RTL_SRWLOCK *lock)
{
    ULONG seen = (ULONG)*word_of(lock);

    return (seen & ~SRW_WAITED) == 0 && change(lock, seen, seen | SRW_WRITER);
}

void NTAPI RtlAcquireSRWLockExclusive(RTL_SRWLOCK *lock)
{
    while (!RtlTryAcquireSRWLockExclusive(lock)) {
        ULONG seen = (ULONG)*word_of(lock);
        if (seen & ~SRW_WAITED) {
            wait_for_change(lock, seen);
        }
    }
}

BOOLEAN NTAPI RtlTryAcquireSRWLockShared(RTL_SRWLOCK *lock)
{
    ULONG seen = (ULONG)*word_of(lock);

    return !(seen & SRW_WRITER) && change(lock, seen, seen + SRW_READER);
}

void NTAPI RtlAcquireSRWLockShared(RTL_SRWLOCK *lock)
{
    while (!RtlTryAcquireSRWLockShared(lock)) {
        ULONG seen = (ULONG)*word_of(lock);
        if (seen & SRW_WRITER) {
            wait_for_change(lock, seen);
        }
    }
}

static void release(RTL_SRWLOCK *lock, ULONG amount)
{
    for (;;) {
        ULONG seen = (ULONG)*word_of(lock);
        ULONG next = seen - amount;
        bool is_free = (next & ~SRW_WAITED) == 0;
        if (change(lock, seen, is_free ? 0 : next)) {
            if (is_free && (seen & SRW_WAITED)) {
                RtlWakeAddressAll(&lock->Ptr);
            }
            return;
        }
    }
}

void NTAPI RtlReleaseSRWLockExclusive(RTL_SRWLOCK *lock)
{
    release(lock, SRW_WRITER);
}

void NTAPI RtlReleaseSRWLockShared(RTL_SRWLOCK *lock)
{
    release(lock, SRW_READER);
}

/*
 * Condition variables
 */

static volatile LONG *sequence_of(RTL_CONDITION_VARIABLE *variable)
{
    return (volatile LONG *)(void *)&variable->Ptr;
}

void NTAPI RtlInitializeConditionVariable(RTL_CONDITION_VARIABLE *variable)
{
    variable->Ptr = NULL;
}

void NTAPI RtlWakeConditionVariable(RTL_CONDITION_VARIABLE *variable)
{
    InterlockedIncrement(sequence_of(variable));
    RtlWakeAddressSingle(&variable->Ptr);
}

void NTAPI RtlWakeAllConditionVariable(RTL_CONDITION_VARIABLE *variable)
{
    InterlockedIncrement(sequence_of(variable));
    RtlWakeAddressAll(&variable->Ptr);
}

NTSTATUS NTAPI RtlSleepConditionVariableCS(RTL_CONDITION_VARIABLE *variable,
                                           RTL_CRITICAL_SECTION *section,
                                           const LARGE_INTEGER *timeout)
{
    LONG seen = *sequence_of(variable);

    RtlLeaveCriticalSection(section);
    NTSTATUS status = RtlWaitOnAddress(&variable->Ptr, &seen, sizeof(seen), timeout);
    RtlEnterCriticalSection(section);
    return status;
}

NTSTATUS NTAPI RtlSleepConditionVariableSRW(RTL_CONDITION_VARIABLE *variable, RTL_SRWLOCK *lock,
                                            const LARGE_INTEGER *timeout, ULONG flags)
{
    bool shared = flags & CONDITION_VARIABLE_LOCKMODE_SHARED;
    LONG seen = *sequence_of(variable);

    release(lock, shared ? SRW_READER : SRW_WRITER);
    NTSTATUS status = RtlWaitOnAddress(&variable->Ptr, &seen, sizeof(seen), timeout);
    if (shared) {
        RtlAcquireSRWLockShared(lock);
    } else {
        RtlAcquireSRWLockExclusive(lock);
    }
    return status;
}

/*
 * One-time initialization. The word: 0 not begun, 1 under way, 2 done with the context's value in
 * the upper bits.
 */

#define ONCE_PENDING 1u
#define ONCE_DONE    2u
#define ONCE_MASK    3u

void NTAPI RtlRunOnceInitialize(RTL_RUN_ONCE *once)
{
    once->Ptr = NULL;
}

/* => STATUS_SUCCESS: it is done; STATUS_PENDING: the caller does it now. */
NTSTATUS NTAPI RtlRunOnceBeginInitialize(RTL_RUN_ONCE *once, ULONG flags, void **context)
{
    volatile LONG *word = (volatile LONG *)(void *)&once->Ptr;

    for (;;) {
        ULONG seen = (ULONG)*word;
        if ((seen & ONCE_MASK) == ONCE_DONE) {
            if (context) {
                *context = (void *)(uintptr_t)(seen & ~ONCE_MASK);
            }
            return STATUS_SUCCESS;
        }
        if (flags & RTL_RUN_ONCE_CHECK_ONLY) {
            return STATUS_UNSUCCESSFUL;
        }
        if (flags & RTL_RUN_ONCE_ASYNC) {
            return STATUS_PENDING; /* several may try; the first to complete wins */
        }
        if (seen == ONCE_PENDING) {
            RtlWaitOnAddress(&once->Ptr, &seen, sizeof(seen), NULL);
        } else if (InterlockedCompareExchange(word, ONCE_PENDING, 0) == 0) {
            return STATUS_PENDING;
        }
    }
}

NTSTATUS NTAPI RtlRunOnceComplete(RTL_RUN_ONCE *once, ULONG flags, void *context)
{
    volatile LONG *word = (volatile LONG *)(void *)&once->Ptr;
    LONG from = flags & RTL_RUN_ONCE_ASYNC ? 0 : (LONG)ONCE_PENDING;
    LONG to = flags & RTL_RUN_ONCE_INIT_FAILED ? 0 : (LONG)((ULONG)(uintptr_t)context | ONCE_DONE);

    if ((uintptr_t)context & ONCE_MASK) {
        return STATUS_INVALID_PARAMETER;
    }
    if (InterlockedCompareExchange(word, to, from) != from) {
        return STATUS_UNSUCCESSFUL;
    }
    RtlWakeAddressAll(&once->Ptr);
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlRunOnceExecuteOnce(RTL_RUN_ONCE *once, PRTL_RUN_ONCE_INIT_FN function,
                                     void *parameter, void **context)
{
    void *made = NULL;
    NTSTATUS status = RtlRunOnceBeginInitialize(once, 0, context);

    if (status != STATUS_PENDING) {
        return status;
    }
    if (!function(once, parameter, &made)) {
        RtlRunOnceComplete(once, RTL_RUN_ONCE_INIT_FAILED, NULL);
        return STATUS_UNSUCCESSFUL;
    }
    if (context) {
        *context = made;
    }
    return RtlRunOnceComplete(once, 0, made);
}
