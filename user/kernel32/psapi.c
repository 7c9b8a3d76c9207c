/*
 * user/kernel32/psapi.c: what processes and the system use: working sets, charges, the paging file.
 *
 * psapi.dll forwards here, as do programs that are compiled for PSAPI_VERSION 2.
 */
#include "abi/quire.h"
#include "user/kernel32/kernel32.h"

#include <psapi.h>

#define LIST_NBYTES_FIRST 4096u

BOOL WINAPI K32GetProcessMemoryInfo(HANDLE process, PROCESS_MEMORY_COUNTERS *counters, DWORD size)
{
    struct nt_vm_counters_ex vm;
    if (size < sizeof(*counters)) {
        return fail(ERROR_INSUFFICIENT_BUFFER);
    }
    NTSTATUS status = NtQueryInformationProcess(process, (PROCESSINFOCLASS)NT_PROCESS_VM_COUNTERS,
                                                &vm, sizeof(vm), NULL);
    if (!NT_SUCCESS(status)) {
        return finish(status);
    }
    *counters = (PROCESS_MEMORY_COUNTERS){
        .cb = sizeof(*counters),
        .PageFaultCount = vm.base.page_fault_count,
        .PeakWorkingSetSize = vm.base.peak_working_set_size,
        .WorkingSetSize = vm.base.working_set_size,
        .PagefileUsage = vm.base.pagefile_usage,
        .PeakPagefileUsage = vm.base.peak_pagefile_usage,
    };
    if (size >= sizeof(PROCESS_MEMORY_COUNTERS_EX)) {
        PROCESS_MEMORY_COUNTERS_EX *longer = (void *)counters;
        longer->cb = sizeof(*longer);
        longer->PrivateUsage = vm.private_usage;
    }
    return TRUE;
}

BOOL WINAPI GetProcessIoCounters(HANDLE process, IO_COUNTERS *counters)
{
    return finish(NtQueryInformationProcess(process, (PROCESSINFOCLASS)NT_PROCESS_IO_COUNTERS,
                                            counters, sizeof(*counters), NULL));
}

BOOL WINAPI K32EmptyWorkingSet(HANDLE process)
{
    return SetProcessWorkingSetSize(process, (SIZE_T)-1, (SIZE_T)-1);
}

static NTSTATUS query_system(ULONG class, void *buffer, ULONG nbytes)
{
    return NtQuerySystemInformation((SYSTEM_INFORMATION_CLASS) class, buffer, nbytes, NULL);
}

BOOL WINAPI K32GetPerformanceInfo(PERFORMANCE_INFORMATION *info, DWORD size)
{
    struct nt_system_performance_information performance;
    struct nt_system_basic_information basic;
    struct quire_memory memory;
    struct quire_paging paging;
    if (size < sizeof(*info)) {
        return fail(ERROR_BAD_LENGTH);
    }
    NTSTATUS status =
        query_system(NT_SYSTEM_PERFORMANCE_INFORMATION, &performance, sizeof(performance));
    if (NT_SUCCESS(status)) {
        status = query_system(NT_SYSTEM_BASIC_INFORMATION, &basic, sizeof(basic));
    }
    if (NT_SUCCESS(status)) {
        status = query_system(SYSTEM_QUIRE_MEMORY, &memory, sizeof(memory));
    }
    if (NT_SUCCESS(status)) {
        status = query_system(SYSTEM_QUIRE_PAGING, &paging, sizeof(paging));
    }
    if (!NT_SUCCESS(status)) {
        return finish(status);
    }
    *info = (PERFORMANCE_INFORMATION){
        .cb = sizeof(*info),
        .CommitTotal = performance.committed_pages,
        .CommitLimit = performance.commit_limit,
        .CommitPeak = performance.peak_commitment,
        .PhysicalTotal = basic.number_of_physical_pages,
        .PhysicalAvailable = performance.available_pages,
        .SystemCache = paging.segment_pages + memory.standby_pages,
        .KernelTotal = performance.paged_pool_pages + performance.non_paged_pool_pages,
        .KernelPaged = performance.paged_pool_pages,
        .KernelNonpaged = performance.non_paged_pool_pages,
        .PageSize = basic.page_size,
        .HandleCount = paging.handles,
        .ProcessCount = memory.processes,
        .ThreadCount = memory.threads,
    };
    return TRUE;
}

BOOL WINAPI K32QueryWorkingSet(HANDLE process, void *buffer, DWORD size)
{
    return finish(NtQueryVirtualMemory(process, NULL, NT_MEMORY_WORKING_SET, buffer, size, NULL));
}

BOOL WINAPI K32QueryWorkingSetEx(HANDLE process, void *buffer, DWORD size)
{
    return finish(
        NtQueryVirtualMemory(process, NULL, NT_MEMORY_WORKING_SET_INFORMATION, buffer, size, NULL));
}

/* The list of processes, from the heap; NULL with the last error set. */
static struct nt_system_process_information *list_processes(void)
{
    for (ULONG nbytes = LIST_NBYTES_FIRST;; nbytes *= 2) {
        void *list = take_memory(nbytes);
        if (!list) {
            fail(ERROR_NOT_ENOUGH_MEMORY);
            return NULL;
        }
        NTSTATUS status = query_system(NT_SYSTEM_PROCESS_INFORMATION, list, nbytes);
        if (NT_SUCCESS(status)) {
            return list;
        }
        release_memory(list);
        if (status != STATUS_INFO_LENGTH_MISMATCH) {
            finish(status);
            return NULL;
        }
    }
}

BOOL WINAPI K32EnumProcesses(DWORD *ids, DWORD size, DWORD *used)
{
    struct nt_system_process_information *list = list_processes();
    const struct nt_system_process_information *entry = list;
    if (!list) {
        return FALSE;
    }
    for (*used = 0; entry && size - *used >= sizeof(DWORD); *used += sizeof(DWORD)) {
        *ids++ = entry->unique_process_id;
        entry = entry->next_entry_offset
                    ? (const void *)((const char *)entry + entry->next_entry_offset)
                    : NULL;
    }
    release_memory(list);
    return TRUE;
}

/* The one paging file; NULL: there is none, or (last error set) it cannot be told. */
static struct nt_system_page_file_information *page_file(BOOL *failed)
{
    const ULONG nbytes = sizeof(struct nt_system_page_file_information) + MAX_PATH * sizeof(WCHAR);
    ULONG done = 0;
    struct nt_system_page_file_information *file = take_memory(nbytes);
    *failed = TRUE;
    if (!file) {
        fail(ERROR_NOT_ENOUGH_MEMORY);
        return NULL;
    }
    NTSTATUS status = NtQuerySystemInformation(
        (SYSTEM_INFORMATION_CLASS)NT_SYSTEM_PAGE_FILE_INFORMATION, file, nbytes, &done);
    *failed = !finish(status);
    if (*failed || !done) {
        release_memory(file);
        return NULL;
    }
    return file;
}

BOOL WINAPI K32EnumPageFilesW(PENUM_PAGE_FILE_CALLBACKW callback, void *context)
{
    BOOL failed;
    struct nt_system_page_file_information *file = page_file(&failed);
    if (!file) {
        return !failed;
    }
    ENUM_PAGE_FILE_INFORMATION info = {.cb = sizeof(info),
                                       .TotalSize = file->total_size,
                                       .TotalInUse = file->total_in_use,
                                       .PeakUsage = file->peak_usage};
    const WCHAR *name = (const WCHAR *)(uintptr_t)file->page_file_name.buffer;
    callback(context, &info, name + 4); /* behind \??\ */
    release_memory(file);
    return TRUE;
}

struct narrow_callback {
    PENUM_PAGE_FILE_CALLBACKA callback;
    void *context;
    BOOL failed;
};

static BOOL call_narrow(void *context, ENUM_PAGE_FILE_INFORMATION *info, const WCHAR *name)
{
    struct narrow_callback *narrow = context;
    char *text = ansi_from_wide(name);
    if (!text) {
        narrow->failed = TRUE;
        return FALSE;
    }
    BOOL goes_on = narrow->callback(narrow->context, info, text);
    release_memory(text);
    return goes_on;
}

BOOL WINAPI K32EnumPageFilesA(PENUM_PAGE_FILE_CALLBACKA callback, void *context)
{
    struct narrow_callback narrow = {callback, context, FALSE};
    return K32EnumPageFilesW(call_narrow, &narrow) && !narrow.failed;
}
