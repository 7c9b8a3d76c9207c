/*
 * user/kernel32/sync.c: events, mutexes, semaphores, waiting.
 */
#include "user/kernel32/kernel32.h"

#ifndef CREATE_EVENT_MANUAL_RESET
#define CREATE_EVENT_MANUAL_RESET 1u
#define CREATE_EVENT_INITIAL_SET  2u
#endif
#ifndef CREATE_MUTEX_INITIAL_OWNER
#define CREATE_MUTEX_INITIAL_OWNER 1u
#endif

HANDLE WINAPI CreateEventExW(SECURITY_ATTRIBUTES *security, const WCHAR *name, DWORD flags,
                             DWORD access)
{
    struct object_name object;
    HANDLE event = NULL;
    if (!object_name_create(&object, security, name, SYNC_NAME)) {
        return NULL;
    }
    ULONG type =
        flags & CREATE_EVENT_MANUAL_RESET ? NT_NOTIFICATION_EVENT : NT_SYNCHRONIZATION_EVENT;
    NTSTATUS status = NtCreateEvent(&event, access, &object.attributes, type,
                                    (flags & CREATE_EVENT_INITIAL_SET) != 0);
    object_name_done(&object);
    return created(status, event);
}

HANDLE WINAPI CreateEventExA(SECURITY_ATTRIBUTES *security, const char *name, DWORD flags,
                             DWORD access)
{
    WCHAR wide[MAX_PATH];
    if (name && !object_name_wide(name, wide)) {
        return NULL;
    }
    return CreateEventExW(security, name ? wide : NULL, flags, access);
}

static DWORD event_flags(BOOL manual, BOOL state)
{
    return (manual ? CREATE_EVENT_MANUAL_RESET : 0) | (state ? CREATE_EVENT_INITIAL_SET : 0);
}

HANDLE WINAPI CreateEventW(SECURITY_ATTRIBUTES *security, BOOL manual, BOOL state,
                           const WCHAR *name)
{
    return CreateEventExW(security, name, event_flags(manual, state), EVENT_ALL_ACCESS);
}

HANDLE WINAPI CreateEventA(SECURITY_ATTRIBUTES *security, BOOL manual, BOOL state, const char *name)
{
    return CreateEventExA(security, name, event_flags(manual, state), EVENT_ALL_ACCESS);
}

typedef NTSTATUS(NTAPI *open_call)(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *);

static HANDLE open_wide(open_call call, DWORD access, BOOL inherit, const WCHAR *name)
{
    struct object_name object;
    HANDLE handle = NULL;
    if (!object_name_open(&object, inherit, name, SYNC_NAME)) {
        return NULL;
    }
    NTSTATUS status = call(&handle, access, &object.attributes);
    object_name_done(&object);
    return finish(status) ? handle : NULL;
}

static HANDLE open_ansi(open_call call, DWORD access, BOOL inherit, const char *name)
{
    WCHAR wide[MAX_PATH];
    if (name && !object_name_wide(name, wide)) {
        return NULL;
    }
    return open_wide(call, access, inherit, name ? wide : NULL);
}

HANDLE WINAPI OpenEventW(DWORD access, BOOL inherit, const WCHAR *name)
{
    return open_wide(NtOpenEvent, access, inherit, name);
}

HANDLE WINAPI OpenEventA(DWORD access, BOOL inherit, const char *name)
{
    return open_ansi(NtOpenEvent, access, inherit, name);
}

BOOL WINAPI SetEvent(HANDLE event)
{
    return finish(NtSetEvent(event, NULL));
}

BOOL WINAPI ResetEvent(HANDLE event)
{
    return finish(NtResetEvent(event, NULL));
}

BOOL WINAPI PulseEvent(HANDLE event)
{
    return finish(NtPulseEvent(event, NULL));
}

HANDLE WINAPI CreateMutexExW(SECURITY_ATTRIBUTES *security, const WCHAR *name, DWORD flags,
                             DWORD access)
{
    struct object_name object;
    HANDLE mutex = NULL;
    if (!object_name_create(&object, security, name, SYNC_NAME)) {
        return NULL;
    }
    NTSTATUS status = NtCreateMutant(&mutex, access, &object.attributes,
                                     (flags & CREATE_MUTEX_INITIAL_OWNER) != 0);
    object_name_done(&object);
    return created(status, mutex);
}

HANDLE WINAPI CreateMutexExA(SECURITY_ATTRIBUTES *security, const char *name, DWORD flags,
                             DWORD access)
{
    WCHAR wide[MAX_PATH];
    if (name && !object_name_wide(name, wide)) {
        return NULL;
    }
    return CreateMutexExW(security, name ? wide : NULL, flags, access);
}

HANDLE WINAPI CreateMutexW(SECURITY_ATTRIBUTES *security, BOOL owned, const WCHAR *name)
{
    return CreateMutexExW(security, name, owned ? CREATE_MUTEX_INITIAL_OWNER : 0, MUTEX_ALL_ACCESS);
}

HANDLE WINAPI CreateMutexA(SECURITY_ATTRIBUTES *security, BOOL owned, const char *name)
{
    return CreateMutexExA(security, name, owned ? CREATE_MUTEX_INITIAL_OWNER : 0, MUTEX_ALL_ACCESS);
}

HANDLE WINAPI OpenMutexW(DWORD access, BOOL inherit, const WCHAR *name)
{
    return open_wide(NtOpenMutant, access, inherit, name);
}

HANDLE WINAPI OpenMutexA(DWORD access, BOOL inherit, const char *name)
{
    return open_ansi(NtOpenMutant, access, inherit, name);
}

BOOL WINAPI ReleaseMutex(HANDLE mutex)
{
    return finish(NtReleaseMutant(mutex, NULL));
}

HANDLE WINAPI CreateSemaphoreExW(SECURITY_ATTRIBUTES *security, LONG count, LONG maximum,
                                 const WCHAR *name, DWORD flags, DWORD access)
{
    struct object_name object;
    HANDLE semaphore = NULL;
    if (flags) {
        fail(ERROR_INVALID_PARAMETER);
        return NULL;
    }
    if (!object_name_create(&object, security, name, SYNC_NAME)) {
        return NULL;
    }
    NTSTATUS status = NtCreateSemaphore(&semaphore, access, &object.attributes, count, maximum);
    object_name_done(&object);
    return created(status, semaphore);
}

HANDLE WINAPI CreateSemaphoreExA(SECURITY_ATTRIBUTES *security, LONG count, LONG maximum,
                                 const char *name, DWORD flags, DWORD access)
{
    WCHAR wide[MAX_PATH];
    if (name && !object_name_wide(name, wide)) {
        return NULL;
    }
    return CreateSemaphoreExW(security, count, maximum, name ? wide : NULL, flags, access);
}

HANDLE WINAPI CreateSemaphoreW(SECURITY_ATTRIBUTES *security, LONG count, LONG maximum,
                               const WCHAR *name)
{
    return CreateSemaphoreExW(security, count, maximum, name, 0, SEMAPHORE_ALL_ACCESS);
}

HANDLE WINAPI CreateSemaphoreA(SECURITY_ATTRIBUTES *security, LONG count, LONG maximum,
                               const char *name)
{
    return CreateSemaphoreExA(security, count, maximum, name, 0, SEMAPHORE_ALL_ACCESS);
}

HANDLE WINAPI OpenSemaphoreW(DWORD access, BOOL inherit, const WCHAR *name)
{
    return open_wide(NtOpenSemaphore, access, inherit, name);
}

HANDLE WINAPI OpenSemaphoreA(DWORD access, BOOL inherit, const char *name)
{
    return open_ansi(NtOpenSemaphore, access, inherit, name);
}

BOOL WINAPI ReleaseSemaphore(HANDLE semaphore, LONG count, LONG *previous)
{
    return finish(NtReleaseSemaphore(semaphore, count, previous));
}

/* NULL for INFINITE, otherwise a time from now in buffer. */
LARGE_INTEGER *timeout_of(LARGE_INTEGER *buffer, DWORD milliseconds)
{
    if (milliseconds == INFINITE) {
        return NULL;
    }
    buffer->QuadPart = -(LONGLONG)milliseconds * 10000;
    return buffer;
}

static DWORD waited(NTSTATUS status)
{
    return finish(status) ? (DWORD)status : WAIT_FAILED;
}

DWORD WINAPI WaitForSingleObjectEx(HANDLE handle, DWORD milliseconds, BOOL alertable)
{
    LARGE_INTEGER timeout;
    return waited(NtWaitForSingleObject(real_handle(handle), alertable != 0,
                                        timeout_of(&timeout, milliseconds)));
}

DWORD WINAPI WaitForSingleObject(HANDLE handle, DWORD milliseconds)
{
    return WaitForSingleObjectEx(handle, milliseconds, FALSE);
}

DWORD WINAPI WaitForMultipleObjectsEx(DWORD count, const HANDLE *handles, BOOL all,
                                      DWORD milliseconds, BOOL alertable)
{
    LARGE_INTEGER timeout;
    if (!count || count > MAXIMUM_WAIT_OBJECTS) {
        fail(ERROR_INVALID_PARAMETER);
        return WAIT_FAILED;
    }
    return waited(NtWaitForMultipleObjects(count, handles, !all, alertable != 0,
                                           timeout_of(&timeout, milliseconds)));
}

DWORD WINAPI WaitForMultipleObjects(DWORD count, const HANDLE *handles, BOOL all,
                                    DWORD milliseconds)
{
    return WaitForMultipleObjectsEx(count, handles, all, milliseconds, FALSE);
}

DWORD WINAPI SignalObjectAndWait(HANDLE signal, HANDLE wait, DWORD milliseconds, BOOL alertable)
{
    LARGE_INTEGER timeout;
    return waited(NtSignalAndWaitForSingleObject(signal, wait, alertable != 0,
                                                 timeout_of(&timeout, milliseconds)));
}

void WINAPI InitializeCriticalSection(CRITICAL_SECTION *section)
{
    (void)RtlInitializeCriticalSectionAndSpinCount(section, 0);
}

BOOL WINAPI InitializeCriticalSectionAndSpinCount(CRITICAL_SECTION *section, DWORD spins)
{
    return finish(RtlInitializeCriticalSectionAndSpinCount(section, spins));
}

BOOL WINAPI InitializeCriticalSectionEx(CRITICAL_SECTION *section, DWORD spins, DWORD flags)
{
    (void)flags;
    return finish(RtlInitializeCriticalSectionAndSpinCount(section, spins));
}

BOOL WINAPI SleepConditionVariableCS(CONDITION_VARIABLE *variable, CRITICAL_SECTION *section,
                                     DWORD milliseconds)
{
    LARGE_INTEGER timeout;
    NTSTATUS status =
        RtlSleepConditionVariableCS(variable, section, timeout_of(&timeout, milliseconds));
    return status == STATUS_TIMEOUT ? fail(ERROR_TIMEOUT) : finish(status);
}

BOOL WINAPI SleepConditionVariableSRW(CONDITION_VARIABLE *variable, SRWLOCK *lock,
                                      DWORD milliseconds, ULONG flags)
{
    LARGE_INTEGER timeout;
    NTSTATUS status =
        RtlSleepConditionVariableSRW(variable, lock, timeout_of(&timeout, milliseconds), flags);
    return status == STATUS_TIMEOUT ? fail(ERROR_TIMEOUT) : finish(status);
}

BOOL WINAPI InitOnceExecuteOnce(INIT_ONCE *once, PINIT_ONCE_FN function, void *parameter,
                                void **context)
{
    return finish(RtlRunOnceExecuteOnce(once, (PRTL_RUN_ONCE_INIT_FN)function, parameter, context));
}

BOOL WINAPI InitOnceBeginInitialize(INIT_ONCE *once, DWORD flags, BOOL *pending, void **context)
{
    NTSTATUS status = RtlRunOnceBeginInitialize(once, flags, context);
    if (!NT_SUCCESS(status)) {
        return finish(status);
    }
    *pending = status == STATUS_PENDING;
    return TRUE;
}

BOOL WINAPI InitOnceComplete(INIT_ONCE *once, DWORD flags, void *context)
{
    return finish(RtlRunOnceComplete(once, flags, context));
}
