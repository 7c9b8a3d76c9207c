/*
 * user/kernel32/memory.c: the VirtualAlloc family and the memory of other processes.
 *
 * The kernel checks and rounds; here are only the rules that Win32 adds to its system calls:
 * addresses below 64 KiB cannot be asked for, a release has size 0, a write into code of another
 * process lifts its protection for the copy.
 */
#include "user/kernel32/kernel32.h"

#define LOWEST_ADDRESS 0x10000u

void *WINAPI VirtualAllocEx(HANDLE process, void *address, SIZE_T size, DWORD type,
                            DWORD protection)
{
    if (address && (uintptr_t)address < LOWEST_ADDRESS) {
        fail(ERROR_INVALID_PARAMETER);
        return NULL;
    }
    if (!finish(NtAllocateVirtualMemory(process, &address, 0, &size, type, protection))) {
        return NULL;
    }
    return address;
}

void *WINAPI VirtualAlloc(void *address, SIZE_T size, DWORD type, DWORD protection)
{
    return VirtualAllocEx(NtCurrentProcess(), address, size, type, protection);
}

BOOL WINAPI VirtualFreeEx(HANDLE process, void *address, SIZE_T size, DWORD type)
{
    if (type == MEM_RELEASE && size) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    return finish(NtFreeVirtualMemory(process, &address, &size, type));
}

BOOL WINAPI VirtualFree(void *address, SIZE_T size, DWORD type)
{
    return VirtualFreeEx(NtCurrentProcess(), address, size, type);
}

BOOL WINAPI VirtualProtectEx(HANDLE process, void *address, SIZE_T size, DWORD protection,
                             DWORD *old)
{
    return finish(NtProtectVirtualMemory(process, &address, &size, protection, old));
}

BOOL WINAPI VirtualProtect(void *address, SIZE_T size, DWORD protection, DWORD *old)
{
    return VirtualProtectEx(NtCurrentProcess(), address, size, protection, old);
}

SIZE_T WINAPI VirtualQueryEx(HANDLE process, const void *address, MEMORY_BASIC_INFORMATION *info,
                             SIZE_T length)
{
    SIZE_T returned = 0;
    NTSTATUS status = NtQueryVirtualMemory(process, address, 0, info, length, &returned);
    return finish(status) ? returned : 0;
}

SIZE_T WINAPI VirtualQuery(const void *address, MEMORY_BASIC_INFORMATION *info, SIZE_T length)
{
    return VirtualQueryEx(NtCurrentProcess(), address, info, length);
}

BOOL WINAPI VirtualLock(void *address, SIZE_T size)
{
    return finish(NtLockVirtualMemory(NtCurrentProcess(), &address, &size, NT_MAP_PROCESS));
}

BOOL WINAPI VirtualUnlock(void *address, SIZE_T size)
{
    return finish(NtUnlockVirtualMemory(NtCurrentProcess(), &address, &size, NT_MAP_PROCESS));
}

/* The limits of a working set; an informational status (they were adjusted) is a success. */
static BOOL set_working_set(HANDLE process, SIZE_T minimum, SIZE_T maximum, DWORD flags)
{
    struct nt_quota_limits_ex limits = {
        .base = {.minimum_working_set_size = minimum, .maximum_working_set_size = maximum},
        .flags = flags};
    return finish(NtSetInformationProcess(process, (PROCESSINFOCLASS)NT_PROCESS_QUOTA_LIMITS,
                                          &limits, sizeof(limits)));
}

BOOL WINAPI SetProcessWorkingSetSizeEx(HANDLE process, SIZE_T minimum, SIZE_T maximum, DWORD flags)
{
    return set_working_set(process, minimum, maximum, flags);
}

BOOL WINAPI SetProcessWorkingSetSize(HANDLE process, SIZE_T minimum, SIZE_T maximum)
{
    return set_working_set(process, minimum, maximum, 0);
}

BOOL WINAPI GetProcessWorkingSetSizeEx(HANDLE process, SIZE_T *minimum, SIZE_T *maximum,
                                       DWORD *flags)
{
    struct nt_quota_limits_ex limits;
    NTSTATUS status = NtQueryInformationProcess(process, (PROCESSINFOCLASS)NT_PROCESS_QUOTA_LIMITS,
                                                &limits, sizeof(limits), NULL);
    if (NT_SUCCESS(status)) {
        *minimum = limits.base.minimum_working_set_size;
        *maximum = limits.base.maximum_working_set_size;
        *flags = limits.flags;
    }
    return finish(status);
}

BOOL WINAPI GetProcessWorkingSetSize(HANDLE process, SIZE_T *minimum, SIZE_T *maximum)
{
    DWORD flags;
    return GetProcessWorkingSetSizeEx(process, minimum, maximum, &flags);
}

BOOL WINAPI ReadProcessMemory(HANDLE process, const void *address, void *buffer, SIZE_T size,
                              SIZE_T *done)
{
    return finish(NtReadVirtualMemory(process, address, buffer, size, done));
}

/* What stands in the way of a write at address: 0 when nothing is committed there. */
static DWORD protection_at(HANDLE process, const void *address)
{
    MEMORY_BASIC_INFORMATION info;
    NTSTATUS status = NtQueryVirtualMemory(process, address, 0, &info, sizeof(info), NULL);
    return NT_SUCCESS(status) && info.State == MEM_COMMIT ? info.Protect & 0xFF : 0;
}

/* Writes what lies in the page of address, which holds code, with its protection lifted. */
static NTSTATUS write_code(HANDLE process, char *address, const char *buffer, SIZE_T size,
                           SIZE_T *done)
{
    SIZE_T room = 0x1000 - ((uintptr_t)address & 0xFFF), length = size < room ? size : room;
    SIZE_T nbytes = length;
    void *base = address;
    ULONG old;
    NTSTATUS status = NtProtectVirtualMemory(process, &base, &nbytes, PAGE_EXECUTE_READWRITE, &old);
    if (!NT_SUCCESS(status)) {
        return status;
    }
    status = NtWriteVirtualMemory(process, address, buffer, length, done);
    (void)NtProtectVirtualMemory(process, &base, &nbytes, old, &old);
    return status;
}

BOOL WINAPI WriteProcessMemory(HANDLE process, void *address, const void *buffer, SIZE_T size,
                               SIZE_T *done)
{
    SIZE_T total = 0, piece = 0;
    NTSTATUS status = NtWriteVirtualMemory(process, address, buffer, size, &piece);
    DWORD protection = 0;
    while (status == STATUS_PARTIAL_COPY || status == STATUS_ACCESS_VIOLATION) {
        total += piece;
        piece = 0;
        protection = protection_at(process, (char *)address + total);
        if (protection != PAGE_EXECUTE && protection != PAGE_EXECUTE_READ) {
            break;
        }
        status = write_code(process, (char *)address + total, (const char *)buffer + total,
                            size - total, &piece);
        if (NT_SUCCESS(status)) {
            total += piece;
            piece = 0;
            status = NtWriteVirtualMemory(process, (char *)address + total,
                                          (const char *)buffer + total, size - total, &piece);
        }
    }
    if (done) {
        *done = total + piece;
    }
    if (status == STATUS_ACCESS_VIOLATION && total != 0) {
        status = STATUS_PARTIAL_COPY;
    }
    if (total == 0 && (protection == PAGE_READONLY || protection == PAGE_NOACCESS)) {
        return fail(ERROR_NOACCESS);
    }
    return finish(status);
}

BOOL WINAPI FlushInstructionCache(HANDLE process, const void *address, SIZE_T size)
{
    (void)process; /* x86 keeps its instruction cache coherent */
    (void)address;
    (void)size;
    return TRUE;
}

/* Whether every page of the range is committed, with a protection of those in allowed. */
static BOOL is_range(const void *address, SIZE_T size, DWORD allowed)
{
    uintptr_t at = (uintptr_t)address, end = at + size;
    if (end < at) {
        return FALSE;
    }
    while (at < end) {
        MEMORY_BASIC_INFORMATION info;
        NTSTATUS status =
            NtQueryVirtualMemory(NtCurrentProcess(), (void *)at, 0, &info, sizeof(info), NULL);
        if (!NT_SUCCESS(status) || info.State != MEM_COMMIT || !(info.Protect & allowed) ||
            (info.Protect & PAGE_GUARD)) {
            return FALSE;
        }
        at = (uintptr_t)info.BaseAddress + info.RegionSize;
    }
    return TRUE;
}

#define READABLE                                                                                   \
    (PAGE_READONLY | PAGE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_READ |                         \
     PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY)
#define WRITABLE (PAGE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY)

BOOL WINAPI IsBadReadPtr(const void *address, UINT_PTR size)
{
    return size && !is_range(address, size, READABLE);
}

BOOL WINAPI IsBadWritePtr(void *address, UINT_PTR size)
{
    return size && !is_range(address, size, WRITABLE);
}

BOOL WINAPI IsBadHugeReadPtr(const void *address, UINT_PTR size)
{
    return IsBadReadPtr(address, size);
}

BOOL WINAPI IsBadHugeWritePtr(void *address, UINT_PTR size)
{
    return IsBadWritePtr(address, size);
}

BOOL WINAPI IsBadCodePtr(FARPROC address)
{
    return IsBadReadPtr((const void *)(uintptr_t)address, 1);
}

BOOL WINAPI IsBadStringPtrA(const char *text, UINT_PTR max)
{
    for (UINT_PTR i = 0; i < max; i++) {
        if ((!i || !((uintptr_t)(text + i) & 0xFFF)) && IsBadReadPtr(text + i, 1)) {
            return TRUE;
        }
        if (!text[i]) {
            return FALSE;
        }
    }
    return FALSE;
}

BOOL WINAPI IsBadStringPtrW(const WCHAR *text, UINT_PTR max)
{
    for (UINT_PTR i = 0; i < max; i++) {
        if (IsBadReadPtr(text + i, sizeof(WCHAR))) {
            return TRUE;
        }
        if (!text[i]) {
            return FALSE;
        }
    }
    return FALSE;
}
