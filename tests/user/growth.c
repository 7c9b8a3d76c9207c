/*
 * tests/user/growth.c: the paging file grows when commit is asked for, up to its limit, and what is
 * put into the new part is kept.
 *
 * run with: --memory 16M --pagefile 8M
 *
 * time limit: 60 s
 */
#include "pagingfile.h"

static unsigned left_pages(void)
{
    MEMORYSTATUSEX status = {.dwLength = sizeof(status)};
    GlobalMemoryStatusEx(&status);
    return (unsigned)(status.ullAvailPageFile / PAGE);
}

/*
 * Each call charges a page and its page table: whichever of the two is the first to be refused, the
 * file grows, and the call succeeds.
 */
static void check_edges(void)
{
    unsigned edges = 0;
    for (unsigned odd = 0; odd < 2 && is_quire(); odd++) {
        unsigned failed = 0;
        SIZE_T most = (left_pages() - 20 + odd) * (SIZE_T)PAGE;
        void *rest = VirtualAlloc(NULL, most, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
        for (unsigned i = 0; i < 40; i++) {
            failed += VirtualAlloc((void *)(0x60000000u + i * 2 * MIB), PAGE,
                                   MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) == NULL;
        }
        for (unsigned i = 0; i < 40; i++) {
            VirtualFree((void *)(0x60000000u + i * 2 * MIB), 0, MEM_RELEASE);
        }
        VirtualFree(rest, 0, MEM_RELEASE);
        edges += rest != NULL && failed == 0;
    }
    quire_only(edges == 2, "it grows at any point of a call");
}

/* Takes all commit but LEFT pages, the tables of what it takes included. */
static void *take_all_but(unsigned left)
{
    unsigned npages = left_pages() - left;
    npages -= npages / 512 + 2;
    return VirtualAlloc(NULL, npages * (SIZE_T)PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

/* Uses DEPTH pages of stack and more; whether they hold what was put there. */
static unsigned use_stack(unsigned depth)
{
    volatile char page[PAGE];
    page[0] = (char)depth;
    return depth == 0 || (use_stack(depth - 1) && page[0] == (char)depth);
}

static DWORD WINAPI run_deep(void *depth)
{
    return use_stack((unsigned)(ULONG_PTR)depth);
}

/*
 * What is charged a page at a time, and not by a call that can be made again: it grows before. The
 * thread is there before memory is short, so only its stack's pages are charged afterwards.
 */
static void check_small_charges(void)
{
    enum { DEPTH = 180, EVENTS = 4000 };
    static HANDLE events[EVENTS];
    DWORD result = 0;
    unsigned made = 0;
    HANDLE thread = CreateThread(NULL, 0, run_deep, (void *)DEPTH, CREATE_SUSPENDED, NULL);
    void *rest = is_quire() ? take_all_but(20) : NULL;

    ResumeThread(thread);
    WaitForSingleObject(thread, INFINITE);
    GetExitCodeThread(thread, &result);
    CloseHandle(thread);
    quire_only(rest != NULL && result == 1, "a stack grows by 180 pages when 20 are left");
    VirtualFree(rest, 0, MEM_RELEASE);
    rest = is_quire() ? take_all_but(20) : NULL;
    while (made < EVENTS && (events[made] = CreateEventA(NULL, FALSE, FALSE, NULL)) != NULL) {
        made++;
    }
    quire_only(rest != NULL && made == EVENTS, "4000 events are made when 20 pages are left");
    while (made > 0) {
        CloseHandle(events[--made]);
    }
    VirtualFree(rest, 0, MEM_RELEASE);
}

int main(void)
{
    static const WCHAR path[] = L"\\??\\C:\\PageFile.sys";
    tap_begin();
    unsigned wanted = 40 * MIB;
    quire_only(VirtualAlloc(NULL, wanted, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) == NULL &&
                   GetLastError() == ERROR_COMMITMENT_LIMIT,
               "40 MiB are refused with 16 MiB and a paging file of 8 that may not grow");
    quire_only(set_limits(L"\\??\\C:\\other.sys", 16 * MIB, 16 * MIB) == STATUS_NOT_SUPPORTED,
               "another file: STATUS_NOT_SUPPORTED");
    quire_only(set_limits(path, 0, 16 * MIB) == STATUS_INVALID_PARAMETER_2, "no minimum");
    quire_only(set_limits(path, 16 * MIB, 8 * MIB) == STATUS_INVALID_PARAMETER_3,
               "a maximum below the minimum");
    quire_only(set_limits(path, 12 * MIB, 48 * MIB) == STATUS_SUCCESS, "12 to 48 MiB");
    MEMORYSTATUSEX status = {.dwLength = sizeof(status)};
    GlobalMemoryStatusEx(&status);
    quire_only(status.ullTotalPageFile > 20 * MIB && status.ullTotalPageFile < 28 * MIB,
               "it has the minimum at once");
    unsigned *memory =
        is_quire() ? VirtualAlloc(NULL, wanted, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) : NULL;
    quire_only(memory != NULL, "40 MiB are there now");
    quire_only(VirtualAlloc(NULL, wanted, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) == NULL &&
                   GetLastError() == ERROR_COMMITMENT_LIMIT,
               "40 more are refused: the maximum would not be enough");
    HANDLE section =
        CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 8 * MIB, NULL);
    quire_only(section != NULL, "a section of 8 MiB makes it grow, too");
    quire_only(write_rounds(memory, wanted, 2) == 0, "every page is as it was written");
    CloseHandle(section);
    VirtualFree(memory, 0, MEM_RELEASE);
    quire_only(set_limits(path, 48 * MIB, 80 * MIB) == STATUS_SUCCESS, "48 to 80 MiB");
    check_edges();
    quire_only(set_limits(path, 48 * MIB, 104 * MIB) == STATUS_SUCCESS, "48 to 104 MiB");
    check_small_charges();
    return tap_end();
}
