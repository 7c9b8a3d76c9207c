/*
 * user/ntdll/lock.c: critical sections.
 *
 * LockCount is -1 when free, else the number of threads inside or waiting, less one. Whoever
 * raises it from -1 owns the section; everyone else waits for the section's event, made by the
 * first that needs it. Leaving hands the section to one waiter: each count above 0 is a waiter
 * that will take one signal of the event. There is no spinning: the owner's CPU may be ours.
 */
#include "user/ntdll/loader.h"

#define NO_DEBUG_INFO ((RTL_CRITICAL_SECTION_DEBUG *)(LONG_PTR)-1)

NTSTATUS NTAPI RtlInitializeCriticalSectionEx(RTL_CRITICAL_SECTION *section, ULONG spins,
                                              ULONG flags)
{
    (void)flags;
    section->DebugInfo = NO_DEBUG_INFO;
    section->LockCount = -1;
    section->RecursionCount = 0;
    section->OwningThread = NULL;
    section->LockSemaphore = NULL;
    section->SpinCount = spins & 0x00FFFFFF;
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlInitializeCriticalSectionAndSpinCount(RTL_CRITICAL_SECTION *section, ULONG spins)
{
    return RtlInitializeCriticalSectionEx(section, spins, 0);
}

NTSTATUS NTAPI RtlInitializeCriticalSection(RTL_CRITICAL_SECTION *section)
{
    return RtlInitializeCriticalSectionEx(section, 0, 0);
}

ULONG NTAPI RtlSetCriticalSectionSpinCount(RTL_CRITICAL_SECTION *section, ULONG spins)
{
    ULONG old = (ULONG)section->SpinCount;

    section->SpinCount = spins & 0x00FFFFFF;
    return old;
}

/*
 * The section's event, made now if it has none.
 * => never fails: with no memory for the event it tries again until there is.
 */
static HANDLE section_event(RTL_CRITICAL_SECTION *section)
{
    LARGE_INTEGER pause = {.QuadPart = -100000};
    HANDLE event;

    while (!section->LockSemaphore) {
        if (!NT_SUCCESS(NtCreateEvent(&event, EVENT_ALL_ACCESS, NULL, SYNCHRONIZATION_EVENT, 0))) {
            NtDelayExecution(FALSE, &pause);
        } else if (InterlockedCompareExchangePointer(&section->LockSemaphore, event, NULL)) {
            NtClose(event); /* another thread was first */
        }
    }
    return section->LockSemaphore;
}

NTSTATUS NTAPI RtlEnterCriticalSection(RTL_CRITICAL_SECTION *section)
{
    HANDLE self = this_teb()->client_id.thread;

    if (InterlockedIncrement(&section->LockCount) != 0) {
        if (section->OwningThread == self) {
            section->RecursionCount++;
            return STATUS_SUCCESS;
        }
        if (process_is_ending()) {
            /* The owner is gone, and no other thread runs: the section is ours. */
            section->LockCount = 0;
        } else {
            NtWaitForSingleObject(section_event(section), FALSE, NULL);
        }
    }
    section->OwningThread = self;
    section->RecursionCount = 1;
    return STATUS_SUCCESS;
}

BOOLEAN NTAPI RtlTryEnterCriticalSection(RTL_CRITICAL_SECTION *section)
{
    HANDLE self = this_teb()->client_id.thread;

    if (InterlockedCompareExchange(&section->LockCount, 0, -1) == -1) {
        section->OwningThread = self;
        section->RecursionCount = 1;
        return TRUE;
    }
    if (section->OwningThread == self) {
        InterlockedIncrement(&section->LockCount);
        section->RecursionCount++;
        return TRUE;
    }
    return FALSE;
}

NTSTATUS NTAPI RtlLeaveCriticalSection(RTL_CRITICAL_SECTION *section)
{
    if (--section->RecursionCount > 0) {
        InterlockedDecrement(&section->LockCount);
        return STATUS_SUCCESS;
    }
    section->OwningThread = NULL;
    if (InterlockedDecrement(&section->LockCount) >= 0) {
        NtSetEvent(section_event(section), NULL);
    }
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlDeleteCriticalSection(RTL_CRITICAL_SECTION *section)
{
    HANDLE event = section->LockSemaphore;

    section->DebugInfo = NULL;
    section->LockCount = -1;
    section->RecursionCount = 0;
    section->OwningThread = NULL;
    section->LockSemaphore = NULL;
    return event ? NtClose(event) : STATUS_SUCCESS;
}

BOOLEAN NTAPI RtlIsCriticalSectionLocked(RTL_CRITICAL_SECTION *section)
{
    return section->RecursionCount != 0;
}

ULONG NTAPI RtlIsCriticalSectionLockedByThread(RTL_CRITICAL_SECTION *section)
{
    return section->OwningThread == this_teb()->client_id.thread && section->RecursionCount != 0;
}

void NTAPI RtlAcquirePebLock(void)
{
    RtlEnterCriticalSection(this_peb()->fast_lock);
}

void NTAPI RtlReleasePebLock(void)
{
    RtlLeaveCriticalSection(this_peb()->fast_lock);
}
