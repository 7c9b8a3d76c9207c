/*
 * tests/user/pagingfile.h: NtCreatePagingFile, for the tests of the paging file's size.
 */
#ifndef PAGINGFILE_H
#define PAGINGFILE_H

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

/* Writes ROUNDS times to each page of memory, which may be NULL; how many were not as before. */
static unsigned write_rounds(unsigned *memory, unsigned nbytes, unsigned rounds)
{
    unsigned wrong = 0;
    for (unsigned round = 0; memory != NULL && round < rounds; round++) {
        for (unsigned i = 0; i < nbytes / 4; i += 1024) {
            wrong += round != 0 && memory[i] != i * 7 + round - 1;
            memory[i] = i * 7 + round;
        }
    }
    return wrong;
}

#endif
