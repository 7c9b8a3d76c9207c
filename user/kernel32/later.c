/*
 * user/kernel32/later.c: functions that the system has nothing behind yet: pipes, procedures
 * that threads are asked to call.
 *
 * Programs import them and look at what they return; each fails with ERROR_CALL_NOT_IMPLEMENTED.
 */
#include "user/kernel32/kernel32.h"

BOOL WINAPI CreatePipe(HANDLE *read, HANDLE *write, SECURITY_ATTRIBUTES *security, DWORD size)
{
    (void)read, (void)write, (void)security, (void)size;
    return fail(ERROR_CALL_NOT_IMPLEMENTED);
}

BOOL WINAPI PeekNamedPipe(HANDLE pipe, void *buffer, DWORD size, DWORD *done, DWORD *available,
                          DWORD *left)
{
    (void)pipe, (void)buffer, (void)size, (void)done, (void)available, (void)left;
    return fail(ERROR_CALL_NOT_IMPLEMENTED);
}

DWORD WINAPI QueueUserAPC(PAPCFUNC function, HANDLE thread, ULONG_PTR data)
{
    (void)function, (void)thread, (void)data;
    return (DWORD)fail(ERROR_CALL_NOT_IMPLEMENTED);
}
