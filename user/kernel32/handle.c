/*
 * user/kernel32/handle.c: handles: closing, duplicating, their flags, comparing.
 */
#include "user/kernel32/kernel32.h"

BOOL WINAPI CloseHandle(HANDLE handle)
{
    return finish(NtClose(real_handle(handle)));
}

/*
 * Duplicates a handle, with less access if asked.
 * => *target is NULL after a failure; target itself may be NULL
 */
BOOL WINAPI DuplicateHandle(HANDLE source_process, HANDLE source, HANDLE target_process,
                            HANDLE *target, DWORD access, BOOL inherit, DWORD options)
{
    NTSTATUS status = NtDuplicateObject(source_process, real_handle(source), target_process, target,
                                        access, inherit ? OBJ_INHERIT : 0, options);
    if (!NT_SUCCESS(status) && status != STATUS_ACCESS_VIOLATION && target) {
        *target = NULL;
    }
    return finish(status);
}

BOOL WINAPI GetHandleInformation(HANDLE handle, DWORD *flags)
{
    OBJECT_DATA_INFORMATION info;
    NTSTATUS status =
        NtQueryObject(real_handle(handle), NT_OBJECT_HANDLE_INFORMATION, &info, sizeof(info), NULL);
    if (NT_SUCCESS(status)) {
        *flags = (info.InheritHandle ? HANDLE_FLAG_INHERIT : 0) |
                 (info.ProtectFromClose ? HANDLE_FLAG_PROTECT_FROM_CLOSE : 0);
    }
    return finish(status);
}

BOOL WINAPI SetHandleInformation(HANDLE handle, DWORD mask, DWORD flags)
{
    OBJECT_DATA_INFORMATION info;
    handle = real_handle(handle);
    NTSTATUS status =
        NtQueryObject(handle, NT_OBJECT_HANDLE_INFORMATION, &info, sizeof(info), NULL);
    if (!NT_SUCCESS(status)) {
        return finish(status);
    }
    if (mask & HANDLE_FLAG_INHERIT) {
        info.InheritHandle = (flags & HANDLE_FLAG_INHERIT) != 0;
    }
    if (mask & HANDLE_FLAG_PROTECT_FROM_CLOSE) {
        info.ProtectFromClose = (flags & HANDLE_FLAG_PROTECT_FROM_CLOSE) != 0;
    }
    return finish(
        NtSetInformationObject(handle, NT_OBJECT_HANDLE_INFORMATION, &info, sizeof(info)));
}

BOOL WINAPI CompareObjectHandles(HANDLE first, HANDLE second)
{
    NTSTATUS status = NtCompareObjects(first, second);
    return status == STATUS_SUCCESS ? TRUE : finish(status);
}
