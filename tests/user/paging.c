/*
 * tests/user/paging.c: more private memory than there is: 96 MiB filled in sequential, strided and
 * random rounds, every page checked, by two processes at once.
 * run with: --memory 16M
 * paging file: 240M
 * time limit: 120 s
 */
#include <stdlib.h>

#include "tap.h"

#define PAGES 24576u /* 96 MiB */

static unsigned value_of(unsigned page, unsigned round)
{
    return page * 2654435761u ^ round * 40503u;
}

/* A permutation of the pages: sequential, strided, scattered. */
static unsigned page_of(unsigned i, unsigned round)
{
    static const unsigned steps[] = {1, 97, 10007};
    return i * steps[round % 3] % PAGES;
}

static unsigned fill_and_check(unsigned seed)
{
    unsigned wrong = 0;
    unsigned *memory = VirtualAlloc(NULL, PAGES * 4096u, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    if (memory == NULL) {
        return ~0u;
    }
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < PAGES; i++) {
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
    for (unsigned page = 0; page < PAGES; page++) {
        wrong += memory[page * 1024u + page % 1000u] != value_of(page, seed + 2);
    }
    VirtualFree(memory, 0, MEM_RELEASE);
    return wrong;
}

int main(int argc, char **argv)
{
    tap_begin();
    if (argc > 1) {
        return fill_and_check(1000) == 0 ? 0 : 1;
    }
    HANDLE file = CreateFileA("C:\\pagefile.sys", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE,
                              NULL, OPEN_EXISTING, 0, NULL);
    quire_only(file == INVALID_HANDLE_VALUE && GetLastError() == ERROR_SHARING_VIOLATION,
               "opening the paging file is a sharing violation");
    STARTUPINFOA startup = {.cb = sizeof(startup)};
    PROCESS_INFORMATION child;
    char command[MAX_PATH + 8];
    snprintf(command, sizeof(command), "\"%s\" child", argv[0]);
    ok(CreateProcessA(NULL, command, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &child),
       "a second process that does the same");
    ok(fill_and_check(1) == 0, "96 MiB in three rounds, every page as it was written");
    WaitForSingleObject(child.hProcess, INFINITE);
    DWORD code = 99;
    GetExitCodeProcess(child.hProcess, &code);
    ok(code == 0, "the same in the second process at once");
    return tap_end();
}
