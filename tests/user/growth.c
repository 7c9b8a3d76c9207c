/*
 * tests/user/growth.c: the paging file grows when commit is asked for, up to its limit, and what is
 * put into the new part is kept.
 *
 * run with: --memory 16M --pagefile 8M
 *
 * time limit: 60 s
 */
#include "tap.h"

#define MIB 0x100000u

typedef NTSTATUS(NTAPI *create_paging_file)(UNICODE_STRING *name, LARGE_INTEGER *minimum,
                                            LARGE_INTEGER *maximum, ULONG priority);

static NTSTATUS set_limits(const WCHAR *path, unsigned minimum, unsigned maximum)
{
    create_paging_file call = (create_paging_file)(void (*)(void))GetProcAddress(
        GetModuleHandleA("ntdll.dll"), "NtCreatePagingFile");
    UNICODE_STRING name = {(USHORT)(2 * lstrlenW(path)), (USHORT)(2 * lstrlenW(path)),
                           (WCHAR *)path};
    LARGE_INTEGER low = {.QuadPart = minimum};
    LARGE_INTEGER high = {.QuadPart = maximum};
    return call(&name, &low, &high, 0);
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
    unsigned wrong = 0;
    for (unsigned round = 0; memory != NULL && round < 2; round++) {
        for (unsigned i = 0; i < wanted / 4; i += 1024) {
            wrong += round != 0 && memory[i] != i * 7 + round - 1;
            memory[i] = i * 7 + round;
        }
    }
    quire_only(wrong == 0, "every page is as it was written");
    return tap_end();
}
