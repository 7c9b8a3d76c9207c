/*
 * tests/user/statistics.c: what memory is used for, as the documented calls tell it: the system's
 * memory, a process's counters, working sets page by page, idle time, the list of processes; and
 * that the figures move as the program does.
 */
#define PSAPI_VERSION 1 /* the names in psapi.dll; those in kernel32 are looked up */
#include "tap.h"

#include <psapi.h>

#include "../../include/abi/process.h"

#define MIB 0x100000u

static MEMORYSTATUSEX memory_status(void)
{
    MEMORYSTATUSEX status = {.dwLength = sizeof status};

    if (!GlobalMemoryStatusEx(&status)) {
        memset(&status, 0, sizeof status);
    }
    return status;
}

static PROCESS_MEMORY_COUNTERS_EX counters_of(HANDLE process)
{
    PROCESS_MEMORY_COUNTERS_EX counters;

    memset(&counters, 0, sizeof counters);
    GetProcessMemoryInfo(process, (PROCESS_MEMORY_COUNTERS *)&counters, sizeof counters);
    return counters;
}

static PSAPI_WORKING_SET_EX_BLOCK page_at(const volatile void *address)
{
    PSAPI_WORKING_SET_EX_INFORMATION information = {.VirtualAddress = (void *)(ULONG_PTR)address};

    if (!QueryWorkingSetEx(GetCurrentProcess(), &information, sizeof information)) {
        information.VirtualAttributes.Flags = 0xFFFFFFFF;
    }
    return information.VirtualAttributes;
}

static void touch(volatile char *base, SIZE_T npages)
{
    for (SIZE_T i = 0; i < npages; i++) {
        base[i * PAGE] = 1;
    }
}

static void *take(SIZE_T nbytes)
{
    return VirtualAlloc(NULL, nbytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

/* --- the system --- */

static void test_memory_status(void)
{
    MEMORYSTATUSEX before = memory_status(), after, wrong = {.dwLength = 12};
    MEMORYSTATUS old;
    char *block;

    ok(FAILS(GlobalMemoryStatusEx(&wrong), ERROR_INVALID_PARAMETER),
       "GlobalMemoryStatusEx with a wrong length");
    ok(before.ullTotalPhys >= 8 * MIB && before.ullTotalPhys % PAGE == 0 &&
           before.ullAvailPhys > 0 && before.ullAvailPhys < before.ullTotalPhys,
       "physical memory: some, and not all of it is free");
    ok(before.dwMemoryLoad <= 100, "the load is a percentage");
    ok(before.ullTotalVirtual > 0x7FF00000u && before.ullTotalVirtual <= 0x80000000u &&
           before.ullAvailVirtual < before.ullTotalVirtual,
       "virtual memory: 2 GiB, and not all of it is free");
    ok(before.ullTotalPageFile >= before.ullAvailPageFile && before.ullAvailPageFile > 0,
       "what may be committed");
    block = VirtualAlloc(NULL, 64 * MIB, MEM_RESERVE, PAGE_NOACCESS);
    after = memory_status();
    unlike_wine(before.ullAvailVirtual - after.ullAvailVirtual == 64 * MIB,
                "64 MiB reserved: so much less of virtual memory is free");
    VirtualAlloc(block, 4 * MIB, MEM_COMMIT, PAGE_READWRITE);
    before = memory_status();
    unlike_wine(after.ullAvailPageFile - before.ullAvailPageFile == 4 * MIB,
                "4 MiB of it committed: so much less may be committed");
    touch(block, 4 * MIB / PAGE);
    after = memory_status();
    unlike_wine(before.ullAvailPhys - after.ullAvailPhys >= 4 * MIB &&
                    before.ullAvailPhys - after.ullAvailPhys <= 4 * MIB + 16 * PAGE,
                "touched: so much less of physical memory is free, but for page tables");
    VirtualFree(block, 0, MEM_RELEASE);
    GlobalMemoryStatus(&old);
    ok(old.dwLength == sizeof old && old.dwMemoryLoad <= 100 && old.dwTotalPhys > 0 &&
           old.dwAvailPhys <= old.dwTotalPhys && old.dwTotalVirtual <= 0x7FFFFFFF,
       "GlobalMemoryStatus: the same in 32 bits");
}

static void test_performance_info(void)
{
    PERFORMANCE_INFORMATION info, again;
    struct child child;
    BOOL(WINAPI * in_kernel32)(PERFORMANCE_INFORMATION *, DWORD);

    memset(&info, 0xCC, sizeof info);
    ok(FAILS(GetPerformanceInfo(&info, sizeof info - 1), ERROR_BAD_LENGTH),
       "GetPerformanceInfo with too small a buffer");
    ok(GetPerformanceInfo(&info, sizeof info) && info.cb == sizeof info && info.PageSize == PAGE,
       "GetPerformanceInfo");
    ok((ULONGLONG)info.PhysicalTotal * PAGE == memory_status().ullTotalPhys &&
           info.PhysicalAvailable < info.PhysicalTotal,
       "physical memory as GlobalMemoryStatusEx has it");
    unlike_wine(info.CommitTotal > 0 && info.CommitTotal < info.CommitLimit &&
                    info.CommitPeak >= info.CommitTotal,
                "commit: total below the limit, peak above the total");
    ok(info.ProcessCount >= 1 && info.ThreadCount >= info.ProcessCount && info.HandleCount >= 3,
       "processes, threads, handles");
    unlike_wine(info.KernelNonpaged > 0 &&
                    info.KernelTotal == info.KernelPaged + info.KernelNonpaged,
                "the kernel's own memory");
    unlike_wine(info.SystemCache > 20 && info.SystemCache < info.PhysicalTotal,
                "pages of sections and files: this program and its DLLs at the least");
    in_kernel32 = (void *)GetProcAddress(GetModuleHandleA("kernel32"), "K32GetPerformanceInfo");
    ok(in_kernel32 != NULL && in_kernel32(&again, sizeof again) &&
           again.CommitLimit == info.CommitLimit,
       "K32GetPerformanceInfo of kernel32");
    must(start_child(&child, FALSE, CREATE_SUSPENDED, "sleep"));
    GetPerformanceInfo(&again, sizeof again);
    unlike_wine(again.ProcessCount == info.ProcessCount + 1 &&
                    again.ThreadCount == info.ThreadCount + 1 &&
                    again.HandleCount > info.HandleCount && again.CommitTotal > info.CommitTotal,
                "a process more: one process, one thread, some handles and commit more");
    TerminateProcess(child.process, 5);
    ok(end_child(&child) == 5, "it is ended");
}

static void test_system_information(void)
{
    struct nt_system_performance_information before, after;
    ULONG faults, done = 0;
    char *block = take(256 * PAGE), names[1024];

    ok(STATUS_IS(pNtQuerySystemInformation(NT_SYSTEM_PERFORMANCE_INFORMATION, &before,
                                           sizeof before, &done),
                 STATUS_SUCCESS) &&
           done == sizeof before,
       "SystemPerformanceInformation: 312 bytes");
    ok(STATUS_IS(pNtQuerySystemInformation(NT_SYSTEM_PERFORMANCE_INFORMATION, &after,
                                           sizeof after - 4, &done),
                 STATUS_INFO_LENGTH_MISMATCH),
       "with too small a buffer");
    touch(block, 256);
    pNtQuerySystemInformation(NT_SYSTEM_PERFORMANCE_INFORMATION, &after, sizeof after, NULL);
    faults = after.page_fault_count - before.page_fault_count;
    unlike_wine(faults >= 256 && faults < 300, "256 pages touched: so many page faults");
    unlike_wine(after.committed_pages == before.committed_pages,
                "and no commit: that was charged before");
    VirtualFree(block, 0, MEM_RELEASE);
    done = 99;
    tap_status =
        pNtQuerySystemInformation(NT_SYSTEM_PAGE_FILE_INFORMATION, names, sizeof names, &done);
    quire_only(tap_status == STATUS_SUCCESS && (done == 0) == (paging_now().pagefile_pages == 0),
               "SystemPageFileInformation: nothing at all without a paging file");
}

static ULONGLONG number(FILETIME time)
{
    return (ULONGLONG)time.dwHighDateTime << 32 | time.dwLowDateTime;
}

static void test_times(void)
{
    FILETIME idle, kernel, user, idle_after, kernel_after, user_after;
    ULONGLONG spent, rested = 0;
    DWORD begin;

    ok(GetSystemTimes(&idle, &kernel, &user), "GetSystemTimes");
    ok(number(kernel) >= number(idle), "kernel time contains idle time");
    for (int i = 0; i < 100 && rested < 500000; i++) { /* the kernel may zero free pages first */
        GetSystemTimes(&idle, &kernel, &user);
        Sleep(100);
        GetSystemTimes(&idle_after, &kernel_after, &user_after);
        rested = number(idle_after) - number(idle);
    }
    unlike_wine(rested >= 500000, "idle while this program sleeps, soon");
    GetSystemTimes(&idle, &kernel, &user);
    begin = GetTickCount();
    while (GetTickCount() - begin < 200) {
    }
    GetSystemTimes(&idle_after, &kernel_after, &user_after);
    spent = number(kernel_after) - number(kernel) + number(user_after) - number(user);
    unlike_wine(number(idle_after) - number(idle) < 500000, "not idle while it computes");
    ok(spent > 1000000, "time passes");
}

static void test_processes(void)
{
    static char buffer[65536];
    struct nt_system_process_information *process = (void *)buffer;
    DWORD ids[256], used = 0;
    BOOL listed = FALSE, found = FALSE;
    struct child child;

    must(start_child(&child, FALSE, CREATE_SUSPENDED, "sleep"));
    ok(EnumProcesses(ids, sizeof ids, &used) && used >= 8 && used % 4 == 0, "EnumProcesses");
    for (DWORD i = 0; i < used / 4; i++) {
        listed = listed || ids[i] == child.id;
    }
    ok(listed, "a child is listed");
    ok(EnumProcesses(ids, 4, &used) && used == 4, "no more than there is room for");
    if (pNtQuerySystemInformation(SystemProcessInformation, buffer, sizeof buffer, NULL) >= 0) {
        for (;;) {
            if (process->unique_process_id == GetCurrentProcessId()) {
                found = process->vm.working_set_size >= 16 * PAGE &&
                        process->vm.peak_working_set_size >= process->vm.working_set_size &&
                        process->vm.pagefile_usage >= 4 * PAGE && process->vm.virtual_size > MIB;
            }
            if (process->next_entry_offset == 0) {
                break;
            }
            process = (void *)((char *)process + process->next_entry_offset);
        }
    }
    ok(found, "SystemProcessInformation tells how much memory this process has");
    TerminateProcess(child.process, 5);
    end_child(&child);
}

/* --- one process --- */

static void test_arguments(void)
{
    PROCESS_MEMORY_COUNTERS counters;
    BOOL(WINAPI * in_kernel32)(HANDLE, PROCESS_MEMORY_COUNTERS *, DWORD);
    NTSTATUS(NTAPI * query_process)
    (HANDLE, int, void *, ULONG, ULONG *) =
        (void *)GetProcAddress(GetModuleHandleA("ntdll"), "NtQueryInformationProcess");
    struct nt_vm_counters vm;
    ULONG done = 0;

    ok(FAILS(GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters - 1),
             ERROR_INSUFFICIENT_BUFFER),
       "GetProcessMemoryInfo with too small a buffer");
    ok(FAILS(GetProcessMemoryInfo(NULL, &counters, sizeof counters), ERROR_INVALID_HANDLE),
       "of no process");
    memset(&counters, 0xCC, sizeof counters);
    ok(GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters) &&
           counters.cb == sizeof counters && counters.WorkingSetSize > 0 &&
           counters.PeakWorkingSetSize >= counters.WorkingSetSize,
       "GetProcessMemoryInfo: 40 bytes");
    unlike_wine(counters.PagefileUsage > 0 &&
                    counters.PeakPagefileUsage >= counters.PagefileUsage &&
                    counters.PageFaultCount > 0,
                "with commit and faults");
    in_kernel32 = (void *)GetProcAddress(GetModuleHandleA("kernel32"), "K32GetProcessMemoryInfo");
    ok(in_kernel32 != NULL && in_kernel32(GetCurrentProcess(), &counters, sizeof counters),
       "K32GetProcessMemoryInfo of kernel32");
    ok(STATUS_IS(query_process(GetCurrentProcess(), NT_PROCESS_VM_COUNTERS, &vm, sizeof vm, &done),
                 STATUS_SUCCESS) &&
           done == sizeof vm,
       "ProcessVmCounters: 44 bytes");
    ok(STATUS_IS(
           query_process(GetCurrentProcess(), NT_PROCESS_VM_COUNTERS, &vm, sizeof vm - 4, &done),
           STATUS_INFO_LENGTH_MISMATCH),
       "and not less");
}

static void test_counters(void)
{
    PROCESS_MEMORY_COUNTERS_EX start = counters_of(GetCurrentProcess()), committed, touched, freed;
    char *block = take(256 * PAGE);

    committed = counters_of(GetCurrentProcess());
    unlike_wine(committed.PrivateUsage - start.PrivateUsage == 256 * PAGE &&
                    committed.PagefileUsage == committed.PrivateUsage,
                "1 MiB committed: so much more private and paging-file usage");
    touch(block, 256);
    touched = counters_of(GetCurrentProcess());
    ok(touched.WorkingSetSize - committed.WorkingSetSize >= 256 * PAGE &&
           touched.WorkingSetSize - committed.WorkingSetSize < 300 * PAGE,
       "touched: so much more in the working set");
    unlike_wine(touched.PageFaultCount - committed.PageFaultCount >= 256 &&
                    touched.PageFaultCount - committed.PageFaultCount < 300,
                "by so many faults");
    unlike_wine(touched.PrivateUsage == committed.PrivateUsage, "without more commit");
    VirtualFree(block, 0, MEM_RELEASE);
    freed = counters_of(GetCurrentProcess());
    ok(touched.WorkingSetSize - freed.WorkingSetSize >= 250 * PAGE, "freed: it shrinks");
    unlike_wine(freed.PrivateUsage == start.PrivateUsage, "and so does private usage");
    unlike_wine(freed.PeakWorkingSetSize >= touched.WorkingSetSize &&
                    freed.PeakPagefileUsage >= committed.PagefileUsage,
                "the peaks stay");
}

/* What this process commits in CHILD, which waits, counts as the child's, and goes back to it. */
static void test_charge_of(HANDLE child)
{
    SIZE_T own = counters_of(GetCurrentProcess()).PrivateUsage;
    SIZE_T before = counters_of(child).PrivateUsage, with, after;
    void *block = VirtualAllocEx(child, NULL, 100 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);

    with = counters_of(child).PrivateUsage;
    VirtualFreeEx(child, block, 0, MEM_RELEASE);
    after = counters_of(child).PrivateUsage;
    unlike_wine(block != NULL && with - before >= 100 * PAGE && with - before < 104 * PAGE &&
                    after == before && counters_of(GetCurrentProcess()).PrivateUsage == own,
                "commit is returned to the process that was charged: a child, by another process");
}

static void test_child(void)
{
    PROCESS_MEMORY_COUNTERS_EX counters;
    struct child child;
    HANDLE done = CreateEventA(NULL, TRUE, FALSE, unique("filled"));

    must(start_child(&child, FALSE, 0, "fill %lu", GetCurrentProcessId()));
    must(WaitForSingleObject(done, 30000) == WAIT_OBJECT_0);
    counters = counters_of(child.process);
    ok(counters.WorkingSetSize >= 512 * PAGE, "a child that has touched 2 MiB");
    test_charge_of(child.process);
    SetEvent(OpenEventA(EVENT_MODIFY_STATE, FALSE, unique("leave")));
    WaitForSingleObject(child.process, 30000);
    counters = counters_of(child.process);
    unlike_wine(counters.WorkingSetSize == 0 && counters.PrivateUsage == 0 &&
                    counters.PeakWorkingSetSize >= 512 * PAGE && counters.PageFaultCount >= 512 &&
                    counters.PeakPagefileUsage >= 512 * PAGE,
                "when it has ended its peaks and faults are left");
    ok(end_child(&child) == 0, "it has ended well");
    CloseHandle(done);
}

static void test_transfers(void)
{
    struct nt_system_performance_information before_all, after_all;
    IO_COUNTERS before, after;
    HANDLE file = open_for(beside(""), GENERIC_READ, FILE_SHARE_READ);
    char buffer[1000];
    DWORD done = 0;

    must(file != INVALID_HANDLE_VALUE);
    ok(GetProcessIoCounters(GetCurrentProcess(), &before), "GetProcessIoCounters");
    pNtQuerySystemInformation(NT_SYSTEM_PERFORMANCE_INFORMATION, &before_all, sizeof before_all,
                              NULL);
    GetProcessIoCounters(GetCurrentProcess(), &before);
    for (int i = 0; i < 3; i++) {
        must(ReadFile(file, buffer, sizeof buffer, &done, NULL) && done == sizeof buffer);
    }
    GetProcessIoCounters(GetCurrentProcess(), &after);
    pNtQuerySystemInformation(NT_SYSTEM_PERFORMANCE_INFORMATION, &after_all, sizeof after_all,
                              NULL);
    unlike_wine(after.ReadOperationCount - before.ReadOperationCount == 3 &&
                    after.ReadTransferCount - before.ReadTransferCount == 3000 &&
                    after.WriteOperationCount == before.WriteOperationCount,
                "3 reads of 1000 bytes");
    unlike_wine(after_all.io_read_operations - before_all.io_read_operations == 3 &&
                    after_all.io_read_transfer_count - before_all.io_read_transfer_count == 3000,
                "for the system too");
    printf("# %d\n", 1);
    fflush(stdout);
    GetProcessIoCounters(GetCurrentProcess(), &before);
    unlike_wine(before.WriteOperationCount > after.WriteOperationCount &&
                    before.WriteTransferCount >= after.WriteTransferCount + 4,
                "a line that is printed is a write");
    CloseHandle(file);
}

/* Touches 2 MiB and waits. */
static int fill(const char *parent)
{
    char filled[64], leave[64];
    HANDLE event;

    _snprintf(filled, sizeof filled, "quire-filled-%s", parent);
    _snprintf(leave, sizeof leave, "quire-leave-%s", parent);
    event = CreateEventA(NULL, TRUE, FALSE, leave);
    touch(take(512 * PAGE), 512);
    SetEvent(OpenEventA(EVENT_MODIFY_STATE, FALSE, filled));
    return WaitForSingleObject(event, 30000) == WAIT_OBJECT_0 ? 0 : 1;
}

/* --- working sets, page by page --- */

static void test_pages(void)
{
    char *block = take(4 * PAGE);
    PSAPI_WORKING_SET_EX_BLOCK page;
    DWORD old;

    ok(!page_at(block).Valid, "a page that was never touched is not in the working set");
    touch(block, 2);
    page = page_at(block + 100);
    ok(page.Valid && page.Win32Protection == PAGE_READWRITE && !page.Shared &&
           page.ShareCount == 0 && !page.Locked && !page.LargePage && page.Node == 0,
       "a touched one is: read/write, the process's own");
    VirtualProtect(block, PAGE, PAGE_READONLY, &old);
    ok(page_at(block).Win32Protection == PAGE_READONLY, "read-only now");
    VirtualProtect(block, PAGE, PAGE_NOACCESS, &old);
    ok(!page_at(block).Valid, "without access it is out of the working set");
    VirtualProtect(block + PAGE, PAGE, PAGE_READWRITE | PAGE_GUARD, &old);
    ok(!page_at(block + PAGE).Valid, "so is a guard page");
    VirtualFree(block, 0, MEM_RELEASE);
    ok(page_at(block).Flags == 0, "nothing is where nothing is reserved");
    page = page_at((void *)(ULONG_PTR)test_pages);
    ok(page.Valid && page.Win32Protection == PAGE_EXECUTE_READ, "this program's code: executable");
    unlike_wine(page.Shared && page.ShareCount >= 1, "and shared");
    unlike_wine(page_at((void *)0x90000000u).Flags == 0, "nor above user space");
}

static void test_several_at_once(void)
{
    PSAPI_WORKING_SET_EX_INFORMATION pages[200];
    char *block = take(200 * PAGE);
    int wrong = 0;

    for (int i = 0; i < 200; i++) {
        pages[i].VirtualAddress = block + i * PAGE;
        if (i % 3 == 0) {
            block[i * PAGE] = 1;
        }
    }
    ok(QueryWorkingSetEx(GetCurrentProcess(), pages, sizeof pages), "200 pages in one call");
    for (int i = 0; i < 200; i++) {
        wrong += pages[i].VirtualAttributes.Valid != (i % 3 == 0);
    }
    ok(wrong == 0, "those that were touched, and no others");
    unlike_wine(STATUS_IS(pNtQueryVirtualMemory(GetCurrentProcess(), NULL,
                                                NT_MEMORY_WORKING_SET_INFORMATION, pages,
                                                sizeof pages[0] - 1, NULL),
                          STATUS_INFO_LENGTH_MISMATCH),
                "a buffer smaller than one entry");
    VirtualFree(block, 0, MEM_RELEASE);
}

static void test_views(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, 16 * PAGE);
    char *one = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    char *two = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
    PSAPI_WORKING_SET_EX_BLOCK page;

    ok(!page_at(one).Valid, "a page of a view that nobody touched");
    one[0] = 1;
    page = page_at(one);
    ok(page.Valid && page.Shared && page.Win32Protection == PAGE_READWRITE,
       "touched: valid, shared, read/write");
    unlike_wine(page.ShareCount == 1, "one view shows it");
    must(two[0] == 1);
    page = page_at(two);
    ok(page.Valid && page.Shared && page.Win32Protection == PAGE_READONLY,
       "the same through another view, read-only");
    unlike_wine(page.ShareCount == 2 && page_at(one).ShareCount == 2, "two views show it");
    UnmapViewOfFile(two);
    unlike_wine(page_at(one).ShareCount == 1, "one is left");
    UnmapViewOfFile(one);
    one = MapViewOfFile(section, FILE_MAP_COPY, 0, 0, 0);
    must(one[0] == 1);
    page = page_at(one);
    ok(page.Valid && page.Shared && page.Win32Protection == PAGE_WRITECOPY, "write-copy: shared");
    one[0] = 2;
    page = page_at(one);
    unlike_wine(page.Valid && !page.Shared && page.Win32Protection == PAGE_READWRITE,
                "until it is written: then it is the process's own");
    UnmapViewOfFile(one);
    CloseHandle(section);
}

/* Whether the words of a working-set list are in order and name the page of ADDRESS. */
static BOOL is_listed(const PSAPI_WORKING_SET_INFORMATION *list, const void *address)
{
    BOOL listed = FALSE;

    for (ULONG_PTR i = 0; i < list->NumberOfEntries; i++) {
        ULONG_PTR number = list->WorkingSetInfo[i].VirtualPage;

        if (i > 0 && number <= list->WorkingSetInfo[i - 1].VirtualPage) {
            return FALSE;
        }
        listed = listed || (number == (ULONG_PTR)address / PAGE &&
                            list->WorkingSetInfo[i].Protection == 4); /* read/write */
    }
    return listed;
}

static void test_list(void)
{
    static ULONG_PTR words[4096];
    PSAPI_WORKING_SET_INFORMATION *list = (void *)words;
    char *block = take(8 * PAGE);
    ULONG_PTR count;

    words[0] = words[4095] = 1; /* the buffer's own pages are there before they are counted */
    touch((void *)words, sizeof words / PAGE);
    touch(block, 8);
    unlike_wine(QueryWorkingSet(GetCurrentProcess(), words, sizeof words) &&
                    list->NumberOfEntries > 50 && is_listed(list, block + 7 * PAGE),
                "QueryWorkingSet: all pages in order, the one just touched among them");
    count = list->NumberOfEntries;
    unlike_wine(counters_of(GetCurrentProcess()).WorkingSetSize == count * PAGE,
                "as many as GetProcessMemoryInfo says");
    unlike_wine(FAILS(QueryWorkingSet(GetCurrentProcess(), words, 16), ERROR_BAD_LENGTH) &&
                    list->NumberOfEntries == count,
                "too small a buffer: ERROR_BAD_LENGTH, and how many there are");
    VirtualFree(block, 0, MEM_RELEASE);
}

/* --- what Quire alone tells --- */

static void test_linked(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, 4 * MIB);
    PROCESS_MEMORY_COUNTERS_EX before, after;
    char *one = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0), *two;
    struct quire_region_pages pages;

    before = counters_of(GetCurrentProcess());
    touch(one, 700);
    after = counters_of(GetCurrentProcess());
    quire_only(linked_chunks(one) == 2 &&
                   after.WorkingSetSize - before.WorkingSetSize == 700 * PAGE,
               "700 pages through linked tables: in the working set as others are");
    pages = region_at(one);
    quire_only(pages.region.resident_pages == 700 && pages.linked_pages == 700 &&
                   pages.shared_pages == 0 && pages.private_pages == 0 &&
                   pages.private_tables == 0 && pages.region.linked_chunks == 2,
               "MEMORY_QUIRE_REGION_PAGES: 700 resident, all linked, none shared");
    two = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
    pages = region_at(two);
    quire_only(pages.region.resident_pages == 0 && pages.nearby_pages == 700,
               "another view that was not touched: the same 700 nearby");
    must(two[0] == 1);
    pages = region_at(two);
    quire_only(pages.region.resident_pages == 512 && pages.linked_pages == 512 &&
                   pages.shared_pages == 512 && pages.nearby_pages == 188,
               "one touch: the 512 of its chunk resident, linked and shared");
    quire_only(region_at(one).shared_pages == 512 && page_at(one).ShareCount == 2 &&
                   page_at(one + 600 * PAGE).ShareCount == 1,
               "shared in the first view too, and only those");
    UnmapViewOfFile(two);
    UnmapViewOfFile(one);
    CloseHandle(section);
}

static void test_regions(void)
{
    char *block = take(20 * PAGE);
    struct quire_region_pages pages;
    struct quire_paging paging, after;
    DWORD old;

    touch(block, 12);
    pages = region_at(block);
    quire_only(pages.region.resident_pages == 12 && pages.private_pages == 12 &&
                   pages.shared_pages == 0 && pages.linked_pages == 0 && pages.nearby_pages == 0 &&
                   pages.paged_out_pages == 0 && pages.unknown_pages == 0 &&
                   pages.private_tables == 1,
               "20 pages, 12 touched: 12 resident and private");
    VirtualProtect(block, 4 * PAGE, PAGE_NOACCESS, &old);
    pages = region_at(block);
    quire_only(pages.region.nbytes == 4 * PAGE && pages.region.resident_pages == 0 &&
                   pages.nearby_pages == 4,
               "4 without access: nearby");
    memset(&paging, 0xCC, sizeof paging);
    quire_only(
        STATUS_IS(pNtQuerySystemInformation(SYSTEM_QUIRE_PAGING, &paging, sizeof paging, NULL),
                  STATUS_SUCCESS),
        "SYSTEM_QUIRE_PAGING");
    block = take(100 * PAGE);
    touch(block, 100);
    after = paging_now();
    quire_only(after.private_pages - paging.private_pages == 100 && after.uptime > paging.uptime &&
                   after.disk_reads > 0 && after.disk_bytes_read >= after.disk_reads * 512,
               "100 pages touched: 100 frames more hold private pages");
    quire_only(memory_now().active_pages == after.private_pages + after.segment_pages +
                                                after.table_pages + after.prototype_pages +
                                                after.kernel_pages + after.slab_pages,
               "what the active frames hold adds up");
    quire_only(after.database_bytes % PAGE == 0 &&
                   after.database_bytes >= memory_now().total_pages * 24,
               "the PFN database has a record of every frame");
    VirtualFree(block, 0, MEM_RELEASE);
}

/* One kind of fault at a time: what it counts, and that it counts as nothing else. */
struct kinds {
    uint64_t zero, soft, copy, paging_file, file;
};

static struct kinds kinds_now(void)
{
    struct quire_paging now = paging_now();

    return (struct kinds){now.demand_zero_faults, now.transition_faults, now.copy_on_write_faults,
                          now.paging_file_faults, now.file_faults};
}

static BOOL rose_by(struct kinds before, uint64_t zero, uint64_t soft, uint64_t copy)
{
    struct kinds now = kinds_now();

    return now.zero - before.zero == zero && now.soft - before.soft == soft &&
           now.copy - before.copy == copy && now.paging_file == before.paging_file &&
           now.file == before.file;
}

static void test_kinds(void)
{
    char *block = take(20 * PAGE);
    HANDLE section =
        CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 64 * PAGE, NULL);
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    volatile char *copy = MapViewOfFile(section, FILE_MAP_COPY, 0, 0, 0);
    struct nt_system_performance_information told;
    struct kinds before;
    DWORD old;

    kinds_now();     /* its own pages are there now */
    touch(block, 1); /* and the table */
    before = kinds_now();
    touch(block, 12);
    quire_only(rose_by(before, 11, 0, 0), "11 pages touched: 11 faults for zeroes");
    VirtualProtect(block, 4 * PAGE, PAGE_NOACCESS, &old);
    VirtualProtect(block, 4 * PAGE, PAGE_READWRITE, &old);
    before = kinds_now();
    touch(block, 12);
    quire_only(rose_by(before, 0, 4, 0), "4 that were out of reach: soft faults");
    before = kinds_now();
    touch(view, 16);
    quire_only(rose_by(before, 16, 0, 0), "16 of a section: zeroes again");
    (void)copy[0]; /* enters all 16 */
    before = kinds_now();
    touch(copy, 5);
    quire_only(rose_by(before, 0, 0, 5), "5 stored to in a write-copy view: copies");
    before = kinds_now();
    pNtQuerySystemInformation(NT_SYSTEM_PERFORMANCE_INFORMATION, &told, sizeof told, NULL);
    quire_only(told.demand_zero_count == before.zero && told.transition_count == before.soft &&
                   told.copy_on_write_count == before.copy &&
                   told.page_read_io_count == paging_now().page_reads + before.file &&
                   told.page_read_count == paging_now().pages_read + paging_now().file_pages_read,
               "SystemPerformanceInformation tells the same");
    quire_only(before.file > 0 && paging_now().file_pages_read > before.file,
               "this program itself came from a file, several pages to a request");
    UnmapViewOfFile((void *)copy);
    UnmapViewOfFile(view);
    CloseHandle(section);
    VirtualFree(block, 0, MEM_RELEASE);
}

int main(int argc, char **argv)
{
    tap_begin();
    if (argc > 2 && strcmp(argv[1], "fill") == 0) {
        return fill(argv[2]);
    }
    if (argc > 1) {
        return 0;
    }
    test_memory_status();
    test_performance_info();
    test_system_information();
    test_times();
    test_processes();
    test_arguments();
    test_counters();
    test_child();
    test_transfers();
    test_pages();
    test_several_at_once();
    test_views();
    test_list();
    test_linked();
    test_regions();
    test_kinds();
    return tap_end();
}
