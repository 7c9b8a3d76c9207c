/*
 * tests/user/paging.c: more private memory than there is: 32 MiB filled in sequential, strided and
 * scattered rounds, every page checked, by two processes at once; "paging 96" takes 96 MiB each.
 * run with: --memory 16M
 * paging file: 90
 * time limit: 120 s
 */
#include <stdlib.h>

#include "tap.h"

static unsigned npages = 32 * 256;

static unsigned value_of(unsigned page, unsigned round)
{
    return page * 2654435761u ^ round * 40503u;
}

/* A permutation of the pages: sequential, strided, scattered. */
static unsigned page_of(unsigned i, unsigned round)
{
    static const unsigned steps[] = {1, 97, 10007};
    return i * steps[round % 3] % npages;
}

static unsigned fill_and_check(unsigned seed)
{
    unsigned wrong = 0;
    unsigned *memory = VirtualAlloc(NULL, npages * 4096u, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    if (memory == NULL) {
        return ~0u;
    }
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < npages; i++) {
            unsigned page = page_of(i, round);
            unsigned *words = memory + page * 1024u;
            if (round > 0) {
                unsigned before = value_of(page, seed + round - 1);
                wrong += words[page % 1000u] != before || words[1023] != ~before;
            }
            words[page % 1000u] = value_of(page, seed + round);
            words[1023] = ~value_of(page, seed + round);
        }
    }
    for (unsigned page = 0; page < npages; page++) {
        wrong += memory[page * 1024u + page % 1000u] != value_of(page, seed + 2);
    }
    VirtualFree(memory, 0, MEM_RELEASE);
    return wrong;
}

int main(int argc, char **argv)
{
    tap_begin();
    if (argc > 1) {
        npages = 256u * (unsigned)atoi(argv[1]);
    }
    if (argc > 2) {
        return fill_and_check(1000) == 0 ? 0 : 1;
    }
    HANDLE file = CreateFileA("C:\\pagefile.sys", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE,
                              NULL, OPEN_EXISTING, 0, NULL);
    quire_only(file == INVALID_HANDLE_VALUE && GetLastError() == ERROR_SHARING_VIOLATION,
               "opening the paging file is a sharing violation");
    STARTUPINFOA startup = {.cb = sizeof(startup)};
    PROCESS_INFORMATION child;
    char command[MAX_PATH + 8];
    snprintf(command, sizeof(command), "\"%s\" %u child", argv[0], npages / 256u);
    ok(CreateProcessA(NULL, command, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &child),
       "a second process that does the same");
    ok(fill_and_check(1) == 0, "three rounds, every page as it was written");
    WaitForSingleObject(child.hProcess, INFINITE);
    DWORD code = 99;
    GetExitCodeProcess(child.hProcess, &code);
    ok(code == 0, "the same in the second process at once");
    return tap_end();
}
