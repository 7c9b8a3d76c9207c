/*
 * user/kernel32/filelock.c: byte ranges of files that are locked against other handles.
 *
 * A range may lie behind the end of the file. It is unlocked as it was locked, or goes with its
 * handle. On a synchronous handle LockFileEx waits for the range unless told otherwise.
 */
#include "user/kernel32/kernel32.h"

static LARGE_INTEGER number_of(DWORD low, DWORD high)
{
    return (LARGE_INTEGER){.u = {.LowPart = low, .HighPart = (LONG)high}};
}

BOOL WINAPI LockFile(HANDLE file, DWORD offset, DWORD offset_high, DWORD size, DWORD size_high)
{
    LARGE_INTEGER at = number_of(offset, offset_high), length = number_of(size, size_high);
    IO_STATUS_BLOCK io;
    return finish(
        NtLockFile(real_handle(file), NULL, NULL, NULL, &io, &at, &length, 0, TRUE, TRUE));
}

BOOL WINAPI LockFileEx(HANDLE file, DWORD flags, DWORD reserved, DWORD size, DWORD size_high,
                       OVERLAPPED *overlapped)
{
    if (reserved || !overlapped ||
        (flags & ~(DWORD)(LOCKFILE_FAIL_IMMEDIATELY | LOCKFILE_EXCLUSIVE_LOCK))) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    LARGE_INTEGER at = number_of(overlapped->Offset, overlapped->OffsetHigh);
    LARGE_INTEGER length = number_of(size, size_high);
    HANDLE event = overlapped->hEvent;
    overlapped->Internal = (ULONG_PTR)STATUS_PENDING;
    NTSTATUS status = NtLockFile(
        real_handle(file), event, NULL, (uintptr_t)event & 1 ? NULL : overlapped,
        (IO_STATUS_BLOCK *)(void *)&overlapped->Internal, &at, &length, 0,
        (flags & LOCKFILE_FAIL_IMMEDIATELY) != 0, (flags & LOCKFILE_EXCLUSIVE_LOCK) != 0);
    if (status == STATUS_PENDING) {
        return fail(ERROR_IO_PENDING);
    }
    if (!NT_SUCCESS(status)) {
        overlapped->Internal = (ULONG_PTR)status;
    }
    return finish(status);
}

BOOL WINAPI UnlockFile(HANDLE file, DWORD offset, DWORD offset_high, DWORD size, DWORD size_high)
{
    LARGE_INTEGER at = number_of(offset, offset_high), length = number_of(size, size_high);
    IO_STATUS_BLOCK io;
    return finish(NtUnlockFile(real_handle(file), &io, &at, &length, 0));
}

BOOL WINAPI UnlockFileEx(HANDLE file, DWORD reserved, DWORD size, DWORD size_high,
                         OVERLAPPED *overlapped)
{
    if (reserved || !overlapped) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    return UnlockFile(file, overlapped->Offset, overlapped->OffsetHigh, size, size_high);
}
