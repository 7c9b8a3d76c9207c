/*
 * user/kernel32/later.c: functions that the system has nothing behind yet: locks on file ranges,
 * pipes.
 *
 * Programs import them and look at what they return; each fails with ERROR_CALL_NOT_IMPLEMENTED.
 */
#include "user/kernel32/kernel32.h"

BOOL WINAPI LockFile(HANDLE file, DWORD offset, DWORD offset_high, DWORD size, DWORD size_high)
{
    (void)file, (void)offset, (void)offset_high, (void)size, (void)size_high;
    return fail(ERROR_CALL_NOT_IMPLEMENTED);
}

BOOL WINAPI LockFileEx(HANDLE file, DWORD flags, DWORD reserved, DWORD size, DWORD size_high,
                       OVERLAPPED *overlapped)
{
    (void)file, (void)flags, (void)reserved, (void)size, (void)size_high, (void)overlapped;
    return fail(ERROR_CALL_NOT_IMPLEMENTED);
}

BOOL WINAPI UnlockFile(HANDLE file, DWORD offset, DWORD offset_high, DWORD size, DWORD size_high)
{
    (void)file, (void)offset, (void)offset_high, (void)size, (void)size_high;
    return fail(ERROR_CALL_NOT_IMPLEMENTED);
}

BOOL WINAPI UnlockFileEx(HANDLE file, DWORD reserved, DWORD size, DWORD size_high,
                         OVERLAPPED *overlapped)
{
    (void)file, (void)reserved, (void)size, (void)size_high, (void)overlapped;
    return fail(ERROR_CALL_NOT_IMPLEMENTED);
}

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

BOOL WINAPI CancelIo(HANDLE file)
{
    (void)file;
    return fail(ERROR_CALL_NOT_IMPLEMENTED);
}

BOOL WINAPI DeviceIoControl(HANDLE device, DWORD code, void *in, DWORD in_size, void *out,
                            DWORD out_size, DWORD *done, OVERLAPPED *overlapped)
{
    (void)device, (void)code, (void)in, (void)in_size, (void)out, (void)out_size, (void)done;
    (void)overlapped;
    return fail(ERROR_CALL_NOT_IMPLEMENTED);
}

DWORD WINAPI QueueUserAPC(PAPCFUNC function, HANDLE thread, ULONG_PTR data)
{
    (void)function, (void)thread, (void)data;
    return (DWORD)fail(ERROR_CALL_NOT_IMPLEMENTED);
}
