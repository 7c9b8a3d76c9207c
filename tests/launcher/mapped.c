/*
 * tests/launcher/mapped.c: stores to every page of a file through a view, and flushes nothing.
 *
 * usage: mapped NAME exit|off     `exit`: the program ends with the view mapped; `off`: it has the
 *                                 machine switched off
 */
#include <string.h>

#include <windows.h>

#include "../../include/abi/process.h"

#define NPAGES 300u

typedef LONG(NTAPI *shutdown_t)(ULONG);

int main(int argc, char **argv)
{
    HANDLE file =
        argc < 3 ? INVALID_HANDLE_VALUE
                 : CreateFileA(argv[1], GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_NEW, 0, NULL);
    HANDLE section = CreateFileMappingA(file, NULL, PAGE_READWRITE, 0, NPAGES * 4096, NULL);
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);

    if (file == INVALID_HANDLE_VALUE || view == NULL) {
        return 1;
    }
    for (unsigned i = 0; i < NPAGES; i++) {
        view[i * 4096 + i] = (char)(i + 1);
    }
    if (strcmp(argv[2], "off") == 0) {
        shutdown_t call =
            (shutdown_t)(void *)GetProcAddress(GetModuleHandleA("ntdll.dll"), "NtShutdownSystem");
        return call == NULL ? 2 : (int)call(2); /* 2: power off */
    }
    return 0;
}
