/*
 * tests/user/newpagefile.c: a disk without a paging file: NtCreatePagingFile makes one, and there
 * is more memory from then on.
 *
 * run with: --memory 16M --pagefile 0
 */
#include "pagingfile.h"

static DWORD opening_fails_with(void)
{
    HANDLE file = CreateFileA("C:\\pagefile.sys", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE,
                              NULL, OPEN_EXISTING, 0, NULL);
    if (file == INVALID_HANDLE_VALUE) {
        return GetLastError();
    }
    CloseHandle(file);
    return 0;
}

static unsigned long long promised(void)
{
    MEMORYSTATUSEX status = {.dwLength = sizeof(status)};
    GlobalMemoryStatusEx(&status);
    return status.ullTotalPageFile;
}

int main(void)
{
    static const WCHAR path[] = L"\\??\\C:\\pagefile.sys";
    tap_begin();
    unsigned wanted = 40 * MIB;
    unsigned long long before = promised();
    quire_only(opening_fails_with() == ERROR_FILE_NOT_FOUND, "there is no paging file");
    quire_only(VirtualAlloc(NULL, wanted, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) == NULL &&
                   GetLastError() == ERROR_COMMITMENT_LIMIT,
               "40 MiB are refused with 16 MiB and no paging file");
    quire_only(set_limits(path, 2000 * MIB, 2000 * MIB) == STATUS_DISK_FULL,
               "one that is larger than the disk: STATUS_DISK_FULL");
    quire_only(opening_fails_with() == ERROR_FILE_NOT_FOUND && promised() == before,
               "and nothing is left of it");
    quire_only(set_limits(path, 8 * MIB, 48 * MIB) == STATUS_SUCCESS, "8 to 48 MiB");
    quire_only(opening_fails_with() == ERROR_SHARING_VIOLATION, "it is there, and in use");
    quire_only(promised() - before == 8 * MIB, "so much more can be promised");
    unsigned *memory =
        is_quire() ? VirtualAlloc(NULL, wanted, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) : NULL;
    quire_only(memory != NULL, "40 MiB are there now: it grows");
    quire_only(write_rounds(memory, wanted, 3) == 0, "every page is as it was written");
    return tap_end();
}
