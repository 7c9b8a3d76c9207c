/*
 * user/kernel32/system.c: the machine and the system: processors, memory, version, names; and the
 * small change of kernel32: interlocked operations, MulDiv, Beep.
 */
#include "user/kernel32/kernel32.h"

static const WCHAR computer_name[] = L"QUIRE";

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, void *reserved);

void WINAPI GetSystemInfo(SYSTEM_INFO *info)
{
    struct nt_system_basic_information basic = {0};
    struct nt_system_processor_information processor = {0};
    (void)NtQuerySystemInformation((SYSTEM_INFORMATION_CLASS)NT_SYSTEM_BASIC_INFORMATION, &basic,
                                   sizeof(basic), NULL);
    (void)NtQuerySystemInformation((SYSTEM_INFORMATION_CLASS)NT_SYSTEM_PROCESSOR_INFORMATION,
                                   &processor, sizeof(processor), NULL);
    *info = (SYSTEM_INFO){
        .dwPageSize = basic.page_size,
        .lpMinimumApplicationAddress = (void *)(uintptr_t)basic.minimum_user_mode_address,
        .lpMaximumApplicationAddress = (void *)(uintptr_t)basic.maximum_user_mode_address,
        .dwActiveProcessorMask = basic.active_processors_affinity_mask,
        .dwNumberOfProcessors = basic.number_of_processors,
        .dwProcessorType =
            processor.processor_level == 4 ? PROCESSOR_INTEL_486 : PROCESSOR_INTEL_PENTIUM,
        .dwAllocationGranularity = basic.allocation_granularity,
        .wProcessorLevel = processor.processor_level,
        .wProcessorRevision = processor.processor_revision,
    };
    info->wProcessorArchitecture = processor.processor_architecture;
}

void WINAPI GetNativeSystemInfo(SYSTEM_INFO *info)
{
    GetSystemInfo(info);
}

SIZE_T WINAPI GetLargePageMinimum(void)
{
    return 0;
}

static BOOL memory_of_system(ULONGLONG *physical, struct nt_system_performance_information *info)
{
    struct nt_system_basic_information basic;
    NTSTATUS status = NtQuerySystemInformation(
        (SYSTEM_INFORMATION_CLASS)NT_SYSTEM_BASIC_INFORMATION, &basic, sizeof(basic), NULL);
    if (NT_SUCCESS(status)) {
        *physical = (ULONGLONG)basic.number_of_physical_pages * basic.page_size;
        status = NtQuerySystemInformation(
            (SYSTEM_INFORMATION_CLASS)NT_SYSTEM_PERFORMANCE_INFORMATION, info, sizeof(*info), NULL);
    }
    return finish(status);
}

/* The address space that the process has not reserved. */
static ULONGLONG free_address_space(void)
{
    MEMORY_BASIC_INFORMATION info;
    ULONGLONG free = 0;
    for (uintptr_t at = 0x10000; VirtualQuery((void *)at, &info, sizeof(info));) {
        free += info.State == MEM_FREE ? info.RegionSize : 0;
        uintptr_t next = (uintptr_t)info.BaseAddress + info.RegionSize;
        if (next <= at) {
            break;
        }
        at = next;
    }
    return free;
}

BOOL WINAPI GlobalMemoryStatusEx(MEMORYSTATUSEX *status)
{
    const ULONGLONG page = 4096;
    struct nt_system_performance_information info;
    ULONGLONG physical = 0;
    if (status->dwLength != sizeof(*status)) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    if (!memory_of_system(&physical, &info)) {
        return FALSE;
    }
    status->ullTotalPhys = physical;
    status->ullAvailPhys = info.available_pages * page;
    status->ullTotalPageFile = info.commit_limit * page;
    status->ullAvailPageFile = (info.commit_limit - info.committed_pages) * page;
    status->ullTotalVirtual = 0x7FFE0000u;
    status->ullAvailVirtual = free_address_space();
    status->ullAvailExtendedVirtual = 0;
    status->dwMemoryLoad =
        physical ? (DWORD)((physical - status->ullAvailPhys) * 100 / physical) : 0;
    return TRUE;
}

static SIZE_T at_most_2g(ULONGLONG nbytes)
{
    return nbytes > 0x7FFFFFFF ? 0x7FFFFFFF : (SIZE_T)nbytes;
}

void WINAPI GlobalMemoryStatus(MEMORYSTATUS *status)
{
    MEMORYSTATUSEX ex = {.dwLength = sizeof(ex)};
    GlobalMemoryStatusEx(&ex);
    *status = (MEMORYSTATUS){
        .dwLength = sizeof(*status),
        .dwMemoryLoad = ex.dwMemoryLoad,
        .dwTotalPhys = at_most_2g(ex.ullTotalPhys),
        .dwAvailPhys = at_most_2g(ex.ullAvailPhys),
        .dwTotalPageFile = at_most_2g(ex.ullTotalPageFile),
        .dwAvailPageFile = at_most_2g(ex.ullAvailPageFile),
        .dwTotalVirtual = at_most_2g(ex.ullTotalVirtual),
        .dwAvailVirtual = at_most_2g(ex.ullAvailVirtual),
    };
}

DWORD WINAPI GetVersion(void)
{
    const struct peb *peb = this_peb();
    return peb->major_version | peb->minor_version << 8 | (DWORD)peb->build_number << 16;
}

BOOL WINAPI GetVersionExW(OSVERSIONINFOW *info)
{
    const struct peb *peb = this_peb();
    DWORD size = info->dwOSVersionInfoSize;
    if (size != sizeof(OSVERSIONINFOW) && size != sizeof(OSVERSIONINFOEXW)) {
        return fail(ERROR_INSUFFICIENT_BUFFER);
    }
    memset(info, 0, size);
    info->dwOSVersionInfoSize = size;
    info->dwMajorVersion = peb->major_version;
    info->dwMinorVersion = peb->minor_version;
    info->dwBuildNumber = peb->build_number;
    info->dwPlatformId = VER_PLATFORM_WIN32_NT;
    if (size == sizeof(OSVERSIONINFOEXW)) {
        ((OSVERSIONINFOEXW *)(void *)info)->wProductType = VER_NT_WORKSTATION;
    }
    return TRUE;
}

BOOL WINAPI GetVersionExA(OSVERSIONINFOA *info)
{
    OSVERSIONINFOW wide = {.dwOSVersionInfoSize = sizeof(wide)};
    DWORD size = info->dwOSVersionInfoSize;
    if (size != sizeof(OSVERSIONINFOA) && size != sizeof(OSVERSIONINFOEXA)) {
        return fail(ERROR_INSUFFICIENT_BUFFER);
    }
    GetVersionExW(&wide);
    memset(info, 0, size);
    info->dwOSVersionInfoSize = size;
    info->dwMajorVersion = wide.dwMajorVersion;
    info->dwMinorVersion = wide.dwMinorVersion;
    info->dwBuildNumber = wide.dwBuildNumber;
    info->dwPlatformId = wide.dwPlatformId;
    if (size == sizeof(OSVERSIONINFOEXA)) {
        ((OSVERSIONINFOEXA *)(void *)info)->wProductType = VER_NT_WORKSTATION;
    }
    return TRUE;
}

BOOL WINAPI GetComputerNameW(WCHAR *buffer, DWORD *size)
{
    const DWORD length = COUNT_OF(computer_name) - 1;
    DWORD given = give_wide(computer_name, length, buffer, *size);
    *size = given;
    return given == length ? TRUE : fail(ERROR_BUFFER_OVERFLOW);
}

BOOL WINAPI GetComputerNameA(char *buffer, DWORD *size)
{
    const DWORD length = COUNT_OF(computer_name) - 1;
    DWORD given = give_ansi(computer_name, length, buffer, *size);
    *size = given;
    return given == length ? TRUE : fail(ERROR_BUFFER_OVERFLOW);
}

LONG WINAPI InterlockedIncrement(volatile LONG *value)
{
    return __sync_add_and_fetch(value, 1);
}

LONG WINAPI InterlockedDecrement(volatile LONG *value)
{
    return __sync_sub_and_fetch(value, 1);
}

LONG WINAPI InterlockedExchange(volatile LONG *target, LONG value)
{
    return __atomic_exchange_n(target, value, __ATOMIC_SEQ_CST);
}

LONG WINAPI InterlockedExchangeAdd(volatile LONG *target, LONG value)
{
    return __sync_fetch_and_add(target, value);
}

LONG WINAPI InterlockedCompareExchange(volatile LONG *target, LONG value, LONG expected)
{
    return __sync_val_compare_and_swap(target, expected, value);
}

int WINAPI MulDiv(int number, int numerator, int denominator)
{
    if (!denominator) {
        return -1;
    }
    LONGLONG product = (LONGLONG)number * numerator;
    LONGLONG half = (denominator < 0 ? -(LONGLONG)denominator : denominator) / 2;
    LONGLONG rounded = (product < 0 ? product - half : product + half) / denominator;
    return rounded > INT32_MAX || rounded < -INT32_MAX ? -1 : (int)rounded;
}

BOOL WINAPI Beep(DWORD frequency, DWORD milliseconds)
{
    (void)frequency;
    Sleep(milliseconds);
    return TRUE; /* as on a machine without a speaker */
}

/* The loader tells of the process's and its threads' beginning and end. */
BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, void *reserved)
{
    (void)module;
    (void)reserved;
    switch (reason) {
    case DLL_PROCESS_ATTACH:
        RtlSetUnhandledExceptionFilter(UnhandledExceptionFilter);
        thread_begins();
        break;
    case DLL_THREAD_ATTACH:
        thread_begins();
        break;
    case DLL_THREAD_DETACH:
        thread_ends();
        break;
    default:
        break;
    }
    return TRUE;
}
