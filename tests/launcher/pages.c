/*
 * tests/launcher/pages.c: fills argv[1] MiB of private memory and reads them back, page by page,
 * argv[2] times: a known amount of paging, where there is less RAM than that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

int main(int argc, char **argv)
{
    const size_t page = 4096;
    const size_t npages = argc > 2 ? (size_t)atoi(argv[1]) << 8 : 0;
    const int rounds = argc > 2 ? atoi(argv[2]) : 0;
    size_t wrong = 0;
    unsigned *memory = VirtualAlloc(NULL, npages * page, MEM_COMMIT, PAGE_READWRITE);
    if (memory == NULL) {
        printf("VirtualAlloc: error %lu\n", GetLastError());
        return 1;
    }
    for (size_t i = 0; i < npages; i++) {
        memory[i * page / sizeof(*memory)] = (unsigned)i + 1;
    }
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < npages; i++) {
            wrong += memory[i * page / sizeof(*memory)] != (unsigned)i + 1;
        }
    }
    printf("%u pages are wrong\n", (unsigned)wrong);
    return wrong != 0;
}
