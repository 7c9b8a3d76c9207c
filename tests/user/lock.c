/*
 * tests/user/lock.c: VirtualLock and VirtualUnlock, the limits of the working set, and locked pages
 * while everything else is evicted (LCK).
 *
 * run with: --memory 16M --pagefile 64M
 *
 * time limit: 120 s
 */
#include "tap.h"

#define LOCKABLE 42u /* pages, of the default minimum of 50 */

typedef NTSTATUS(NTAPI *lock_call)(HANDLE process, void **base, SIZE_T *nbytes, ULONG type);
typedef NTSTATUS(NTAPI *set_call)(HANDLE process, ULONG class, void *buffer, ULONG nbytes);
typedef NTSTATUS(NTAPI *query_call)(HANDLE process, ULONG class, void *buffer, ULONG nbytes,
                                    ULONG *done);
typedef BOOL(WINAPI *empty_call)(HANDLE process);

static lock_call nt_lock, nt_unlock;
static set_call nt_set_process;
static query_call nt_query_process;
static empty_call empty_working_set;

static void find_calls(void)
{
    HMODULE ntdll = GetModuleHandleA("ntdll.dll");
    nt_lock = (lock_call)(void *)GetProcAddress(ntdll, "NtLockVirtualMemory");
    nt_unlock = (lock_call)(void *)GetProcAddress(ntdll, "NtUnlockVirtualMemory");
    nt_set_process = (set_call)(void *)GetProcAddress(ntdll, "NtSetInformationProcess");
    nt_query_process = (query_call)(void *)GetProcAddress(ntdll, "NtQueryInformationProcess");
    empty_working_set =
        (empty_call)(void *)GetProcAddress(GetModuleHandleA("kernel32.dll"), "K32EmptyWorkingSet");
}

static NTSTATUS lock_at(void *address, SIZE_T nbytes, ULONG type)
{
    return nt_lock(GetCurrentProcess(), &address, &nbytes, type);
}

static NTSTATUS unlock_at(void *address, SIZE_T nbytes, ULONG type)
{
    return nt_unlock(GetCurrentProcess(), &address, &nbytes, type);
}

static char *allocate(SIZE_T npages)
{
    return VirtualAlloc(NULL, npages * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

static void test_lock(void)
{
    char *base = allocate(64);
    void *start = base + 5;
    SIZE_T nbytes = PAGE;
    DWORD old;

    ok(VirtualLock(base, 3 * PAGE), "LCK01 VirtualLock of three pages");
    ok(VirtualLock(base + PAGE, 1), "LCK01 a locked page may be locked again");
    ok(VirtualUnlock(base, 3 * PAGE), "LCK02 one VirtualUnlock undoes any number of locks");
    unlike_wine(FAILS(VirtualUnlock(base, 3 * PAGE), ERROR_NOT_LOCKED),
                "LCK02 so the second one fails with ERROR_NOT_LOCKED");
    ok(NT_SUCCESS(nt_lock(GetCurrentProcess(), &start, &nbytes, 1)) && start == base &&
           nbytes == 2 * PAGE,
       "LCK03 NtLockVirtualMemory gives the range back in whole pages");
    unlike_wine(STATUS_IS(lock_at(base, PAGE, 1), STATUS_WAS_LOCKED),
                "LCK03 STATUS_WAS_LOCKED, a success, for a page that is locked already");
    unlike_wine(FAILS(VirtualUnlock(base, 3 * PAGE), ERROR_NOT_LOCKED) && VirtualUnlock(base, 1) &&
                    VirtualUnlock(base + PAGE, 1),
                "LCK04 unlocking more than is locked changes nothing; parts may be unlocked");
    VirtualFree(base + 4 * PAGE, PAGE, MEM_DECOMMIT);
    quire_differs(FAILS(VirtualLock(base, 6 * PAGE), ERROR_NOACCESS), !VirtualLock(base, 6 * PAGE),
                  "LCK05 a page that is not committed: all fails");
    unlike_wine(FAILS(VirtualUnlock(base, PAGE), ERROR_NOT_LOCKED), "LCK05 and nothing is locked");
    quire_differs(FAILS(VirtualLock((void *)(ULONG_PTR)0x60000000, 1), ERROR_NOACCESS),
                  !VirtualLock((void *)(ULONG_PTR)0x60000000, 1), "LCK05 nor what is free");
    unlike_wine(FAILS(VirtualUnlock((void *)(ULONG_PTR)0x60000000, 1), ERROR_NOT_LOCKED),
                "LCK05 VirtualUnlock there: ERROR_NOT_LOCKED");
    VirtualProtect(base + 5 * PAGE, PAGE, PAGE_NOACCESS, &old);
    quire_differs(FAILS(VirtualLock(base + 5 * PAGE, 1), ERROR_NOACCESS),
                  !VirtualLock(base + 5 * PAGE, 1), "LCK06 PAGE_NOACCESS cannot be locked");
    unlike_wine(VirtualLock(base + 6 * PAGE, PAGE) &&
                    VirtualProtect(base + 6 * PAGE, PAGE, PAGE_READONLY, &old) &&
                    STATUS_IS(lock_at(base + 6 * PAGE, 1, 1), STATUS_WAS_LOCKED),
                "LCK07 another protection leaves the lock");
    start = base + 6 * PAGE;
    nbytes = PAGE;
    unlike_wine(STATUS_IS(pNtProtectVirtualMemory(GetCurrentProcess(), &start, &nbytes,
                                                  PAGE_NOACCESS, &old),
                          STATUS_WAS_UNLOCKED) &&
                    FAILS(VirtualUnlock(base + 6 * PAGE, 1), ERROR_NOT_LOCKED),
                "LCK07 no access takes it away: STATUS_WAS_UNLOCKED");
    VirtualFree(base, 0, MEM_RELEASE);
}

static void test_arguments(void)
{
    char *base = allocate(4);
    HANDLE weak = OpenProcess(PROCESS_QUERY_INFORMATION, FALSE, GetCurrentProcessId());
    void *start = base;
    SIZE_T nbytes = PAGE;

    unlike_wine(STATUS_IS(lock_at(base, PAGE, 0), STATUS_INVALID_PARAMETER) &&
                    STATUS_IS(lock_at(base, PAGE, 4), STATUS_INVALID_PARAMETER) &&
                    STATUS_IS(unlock_at(base, PAGE, 8), STATUS_INVALID_PARAMETER),
                "LCK08 kinds of locks that there are not");
    unlike_wine(STATUS_IS(lock_at(base, PAGE, 2), STATUS_PRIVILEGE_NOT_HELD) &&
                    STATUS_IS(unlock_at(base, PAGE, 3), STATUS_PRIVILEGE_NOT_HELD),
                "LCK08 locks for good take a privilege");
    unlike_wine(
        STATUS_IS(lock_at(base, 0, 1), STATUS_INVALID_PARAMETER) &&
            STATUS_IS(lock_at((void *)(ULONG_PTR)0x90000000, 1, 1), STATUS_INVALID_PARAMETER) &&
            STATUS_IS(lock_at(base, 0x7FFFFFFF, 1), STATUS_INVALID_PARAMETER),
        "LCK08 no range, and ranges outside user memory");
    ok(STATUS_IS(nt_lock((HANDLE)(ULONG_PTR)0xDEAC, &start, &nbytes, 1), STATUS_INVALID_HANDLE),
       "LCK08 no handle");
    ok(STATUS_IS(nt_lock(weak, &start, &nbytes, 1), STATUS_ACCESS_DENIED),
       "LCK08 a handle without PROCESS_VM_OPERATION");
    CloseHandle(weak);
    VirtualFree(base, 0, MEM_RELEASE);
}

static void test_quota(void)
{
    char *base = allocate(1024);
    SIZE_T minimum = 0, maximum = 0;

    quire_differs(GetProcessWorkingSetSize(GetCurrentProcess(), &minimum, &maximum) &&
                      minimum == 50 * PAGE && maximum == 345 * PAGE,
                  GetProcessWorkingSetSize(GetCurrentProcess(), &minimum, &maximum),
                  "LCK09 the limits of a new process: 200 KiB and 1380 KiB");
    unlike_wine(FAILS(VirtualLock(base, (LOCKABLE + 1) * PAGE), ERROR_WORKING_SET_QUOTA),
                "LCK10 no more than the minimum less an overhead can be locked");
    ok(VirtualLock(base, LOCKABLE * PAGE), "LCK10 so much can");
    unlike_wine(FAILS(VirtualLock(base + LOCKABLE * PAGE, 1), ERROR_WORKING_SET_QUOTA),
                "LCK10 and then nothing more");
    unlike_wine(FAILS(SetProcessWorkingSetSize(GetCurrentProcess(), 49 * PAGE, 400 * PAGE),
                      ERROR_INVALID_PARAMETER),
                "LCK11 the minimum cannot go below what is locked");
    ok(SetProcessWorkingSetSize(GetCurrentProcess(), 300 * PAGE, 600 * PAGE),
       "LCK11 a larger minimum");
    unlike_wine(GetProcessWorkingSetSize(GetCurrentProcess(), &minimum, &maximum) &&
                    minimum == 300 * PAGE && maximum == 600 * PAGE,
                "LCK11 reads back");
    ok(VirtualLock(base, 200 * PAGE), "LCK11 and lets more be locked");
    ok(VirtualUnlock(base, 200 * PAGE), "LCK11 which one call unlocks");
    unlike_wine(FAILS(SetProcessWorkingSetSize(GetCurrentProcess(), 400 * PAGE, 300 * PAGE),
                      ERROR_INVALID_PARAMETER) &&
                    FAILS(SetProcessWorkingSetSize(GetCurrentProcess(), 0, 300 * PAGE),
                          ERROR_INVALID_PARAMETER),
                "LCK12 a maximum below the minimum, a minimum of 0");
    unlike_wine(FAILS(SetProcessWorkingSetSize(GetCurrentProcess(), 0x20000000, 0x30000000),
                      ERROR_NO_SYSTEM_RESOURCES),
                "LCK12 a minimum above all memory");
    VirtualFree(base, 0, MEM_RELEASE);
}

static void test_hard_limits(void)
{
    SIZE_T minimum = 0, maximum = 0;
    DWORD flags = 0, resident;
    char *base = allocate(512);

    unlike_wine(GetProcessWorkingSetSizeEx(GetCurrentProcess(), &minimum, &maximum, &flags) &&
                    flags == (QUOTA_LIMITS_HARDWS_MIN_DISABLE | QUOTA_LIMITS_HARDWS_MAX_DISABLE),
                "LCK13 the limits are soft");
    unlike_wine(SetProcessWorkingSetSizeEx(GetCurrentProcess(), 100 * PAGE, 200 * PAGE,
                                           QUOTA_LIMITS_HARDWS_MIN_ENABLE |
                                               QUOTA_LIMITS_HARDWS_MAX_ENABLE) &&
                    GetProcessWorkingSetSizeEx(GetCurrentProcess(), &minimum, &maximum, &flags) &&
                    flags == (QUOTA_LIMITS_HARDWS_MIN_ENABLE | QUOTA_LIMITS_HARDWS_MAX_ENABLE),
                "LCK13 and may be hard");
    memset(base, 1, 512 * PAGE);
    resident = 0;
    for (DWORD i = 0; is_quire() && i < 512; i++) {
        struct quire_frame frame;
        SIZE_T done;
        pNtQueryVirtualMemory(GetCurrentProcess(), base + i * PAGE, MEMORY_QUIRE_FRAMES, &frame,
                              sizeof frame, &done);
        resident += frame.state == QUIRE_FRAME_VALID;
    }
    quire_only(resident > 0 && resident <= 200, "LCK14 above a hard maximum nothing is mapped");
    unlike_wine(
        FAILS(SetProcessWorkingSetSizeEx(GetCurrentProcess(), 100 * PAGE, 200 * PAGE, 0xC),
              ERROR_INVALID_PARAMETER) &&
            FAILS(SetProcessWorkingSetSizeEx(GetCurrentProcess(), 100 * PAGE, 200 * PAGE, 0x100),
                  ERROR_INVALID_PARAMETER),
        "LCK15 flags that contradict, or that there are not");
    unlike_wine(SetProcessWorkingSetSizeEx(GetCurrentProcess(), 50 * PAGE, 2000 * PAGE,
                                           QUOTA_LIMITS_HARDWS_MIN_DISABLE |
                                               QUOTA_LIMITS_HARDWS_MAX_DISABLE),
                "LCK15 soft again");
    VirtualFree(base, 0, MEM_RELEASE);
}

static void test_quota_class(void)
{
    QUOTA_LIMITS limits;
    QUOTA_LIMITS_EX longer;
    HANDLE weak = OpenProcess(PROCESS_QUERY_INFORMATION, FALSE, GetCurrentProcessId());
    ULONG done = 0;

    memset(&limits, 0, sizeof limits);
    memset(&longer, 0, sizeof longer);
    unlike_wine(
        STATUS_IS(nt_query_process(weak, 1, &limits, sizeof limits, &done), STATUS_SUCCESS) &&
            done == sizeof limits && limits.MinimumWorkingSetSize == 50 * PAGE &&
            limits.PagefileLimit == (SIZE_T)-1,
        "LCK16 ProcessQuotaLimits");
    unlike_wine(
        STATUS_IS(nt_query_process(weak, 1, &longer, sizeof longer, &done), STATUS_SUCCESS) &&
            done == sizeof longer && longer.MaximumWorkingSetSize == 2000 * PAGE &&
            longer.Flags == 0xA,
        "LCK16 the longer structure");
    unlike_wine(STATUS_IS(nt_query_process(weak, 1, &longer, sizeof longer - 4, &done),
                          STATUS_INFO_LENGTH_MISMATCH),
                "LCK16 no other length");
    unlike_wine(STATUS_IS(nt_set_process(weak, 1, &limits, sizeof limits), STATUS_ACCESS_DENIED),
                "LCK16 setting takes PROCESS_SET_QUOTA");
    limits.MinimumWorkingSetSize = PAGE;
    limits.MaximumWorkingSetSize = 1000 * PAGE;
    unlike_wine(
        STATUS_IS(nt_set_process(GetCurrentProcess(), 1, &limits, sizeof limits),
                  STATUS_WORKING_SET_LIMIT_RANGE) &&
            STATUS_IS(nt_query_process(weak, 1, &limits, sizeof limits, NULL), STATUS_SUCCESS) &&
            limits.MinimumWorkingSetSize == 20 * PAGE,
        "LCK16 less than 20 pages become 20: STATUS_WORKING_SET_LIMIT_RANGE");
    ok(SetProcessWorkingSetSize(GetCurrentProcess(), 100 * PAGE, 400 * PAGE), "LCK16 and back");
    CloseHandle(weak);
}

/* The frame behind a page, UINT32_MAX when none is mapped there. */
static uint32_t frame_at(const void *address)
{
    struct quire_frame frame;
    SIZE_T done;

    tap_status = pNtQueryVirtualMemory(GetCurrentProcess(), address, MEMORY_QUIRE_FRAMES, &frame,
                                       sizeof frame, &done);
    return tap_status >= 0 && frame.state == QUIRE_FRAME_VALID ? frame.frame : UINT32_MAX;
}

/* Writes 32 MiB and reads them back: twice the memory that there is. */
static unsigned push_out(void)
{
    const unsigned npages = 32 * 256;
    unsigned *memory = (unsigned *)(void *)allocate(npages);
    unsigned wrong = 0;

    for (unsigned i = 0; i < npages; i++) {
        memory[i * 1024] = i ^ 0x5A5A;
    }
    for (unsigned i = 0; i < npages; i++) {
        wrong += memory[i * 1024] != (i ^ 0x5A5A);
    }
    VirtualFree(memory, 0, MEM_RELEASE);
    return wrong;
}

static void test_pressure(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, 2 * CHUNK);
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    char *copy = MapViewOfFile(section, FILE_MAP_COPY, 0, 0, 0x10000);
    char *base = allocate(60);
    uint32_t frames[44];
    unsigned moved = 0, stayed = 0, wrong = 0;

    for (unsigned i = 0; i < 60; i++) {
        base[i * PAGE] = (char)(i + 1);
        view[i * PAGE] = (char)(i + 2);
    }
    ok(VirtualLock(base, 40 * PAGE) && VirtualLock(view + 7 * PAGE, 2 * PAGE) &&
           VirtualLock(copy + PAGE, 2 * PAGE),
       "LCK17 private pages, pages of a view and of a write-copy view are locked");
    copy[PAGE] = 'c'; /* the lock moves to the copy */
    for (unsigned i = 0; i < 44; i++) {
        const char *page = i < 40   ? base + i * PAGE
                           : i < 42 ? view + (i - 33) * PAGE
                                    : copy + (i - 41) * PAGE;
        frames[i] = is_quire() ? frame_at(page) : 0;
    }
    ok(push_out() == 0 && push_out() == 0, "LCK17 twice the memory passes");
    for (unsigned i = 0; is_quire() && i < 44; i++) {
        const char *page = i < 40   ? base + i * PAGE
                           : i < 42 ? view + (i - 33) * PAGE
                                    : copy + (i - 41) * PAGE;
        moved += frames[i] == UINT32_MAX || frame_at(page) != frames[i];
    }
    for (unsigned i = 40; is_quire() && i < 60; i++) {
        stayed += frame_at(base + i * PAGE) != UINT32_MAX;
        stayed += frame_at(view + i * PAGE) != UINT32_MAX;
    }
    quire_only(moved == 0, "LCK17 the locked pages are in their frames");
    quire_only(stayed < 5, "LCK17 of the others (nearly) none is: %u of 40", stayed);
    for (unsigned i = 0; i < 60; i++) {
        wrong += base[i * PAGE] != (char)(i + 1);
        wrong += view[i * PAGE] != (char)(i + 2);
    }
    ok(wrong == 0 && copy[PAGE] == 'c' && copy[2 * PAGE] == 4, "LCK17 all contents are right");
    ok(VirtualUnlock(base, 40 * PAGE), "LCK18 unlocked");
    ok(UnmapViewOfFile(view) && UnmapViewOfFile(copy) && CloseHandle(section),
       "LCK18 views with locked pages are unmapped");
    ok(push_out() == 0, "LCK18 memory passes again");
    stayed = 0;
    for (unsigned i = 0; is_quire() && i < 40; i++) {
        stayed += frame_at(base + i * PAGE) != UINT32_MAX;
    }
    quire_only(stayed < 5, "LCK18 and pushes out what was locked: %u of 40 left", stayed);
    VirtualFree(base, 0, MEM_RELEASE);
}

static void test_emptying(void)
{
    char *base = allocate(32);
    unsigned left = 0;

    memset(base, 'e', 32 * PAGE);
    ok(VirtualLock(base, 4 * PAGE), "LCK19 four pages of 32 are locked");
    ok(SetProcessWorkingSetSize(GetCurrentProcess(), (SIZE_T)-1, (SIZE_T)-1),
       "LCK19 SetProcessWorkingSetSize(-1, -1)");
    for (unsigned i = 0; is_quire() && i < 32; i++) {
        left += frame_at(base + i * PAGE) != UINT32_MAX;
    }
    quire_only(left == 4, "LCK19 leaves the locked ones");
    ok(base[31 * PAGE] == 'e' && base[0] == 'e', "LCK19 the others come back");
    ok(empty_working_set(GetCurrentProcess()), "LCK20 EmptyWorkingSet");
    quire_only(frame_at(base + 31 * PAGE) == UINT32_MAX && frame_at(base) != UINT32_MAX,
               "LCK20 does the same");
    base[30 * PAGE] = 'f';
    unlike_wine(FAILS(VirtualUnlock(base + 30 * PAGE, PAGE), ERROR_NOT_LOCKED),
                "LCK21 VirtualUnlock of a page that is not locked");
    quire_only(frame_at(base + 30 * PAGE) == UINT32_MAX, "LCK21 takes it out of the working set");
    ok(base[30 * PAGE] == 'f', "LCK21 and its contents stay");
    VirtualFree(base, 0, MEM_RELEASE);
}

int main(int argc, char **argv)
{
    (void)argv;
    tap_begin();
    find_calls();
    if (argc > 1) { /* ends with pages locked, in another process's eyes too */
        char *base = allocate(16);
        return VirtualLock(base, 16 * PAGE) && VirtualLock((void *)(ULONG_PTR)main, 1) ? 7 : 1;
    }
    test_lock();
    test_arguments();
    test_quota();
    test_hard_limits();
    test_quota_class();
    test_pressure();
    test_emptying();
    struct child child;
    DWORD code = 0;
    if (ok(start_child(&child, FALSE, 0, "locks"), "LCK22 a child that ends with locked pages")) {
        WaitForSingleObject(child.process, INFINITE);
        GetExitCodeProcess(child.process, &code);
        ok(code == 7, "LCK22 locked them, its code too");
    }
    return tap_end();
}
