/*
 * tests/user/paging.c: more memory than there is, all at once: private memory filled by one
 * process, and a section of the paging file filled by three, each at its own address; in
 * sequential, strided and random rounds, contents derived from address and round, every byte
 * checked. "paging 128" takes 128 MiB of each, and says how far it has come.
 *
 * run with: --memory 16M --pagefile 90M
 *
 * time limit: 120 s
 */
#include <stdlib.h>

#include "tap.h"

#define ROUNDS  3u
#define SHARERS 3u
#define LONG    (64u * 256u) /* pages: who takes as many says how far it has come */

static unsigned npages = 24 * 256;

static unsigned value_of(unsigned page, unsigned round)
{
    return page * 2654435761u ^ round * 40503u;
}

/* A permutation of the numbers below LIMIT, a power of two, without an order: each step can be
 * undone. */
static unsigned shuffle(unsigned i, unsigned limit)
{
    for (unsigned turn = 0; turn < 3; turn++) {
        i = (i * 0x9E3779B1u + 0x7F4A7C15u) & (limit - 1);
        i ^= i >> 7;
    }
    return i;
}

/* A permutation of the pages: sequential, strided, random. */
static unsigned page_of(unsigned i, unsigned round)
{
    unsigned limit = 1;
    unsigned page = i;

    if (round % 3 < 2) {
        return (unsigned)((unsigned long long)i * (round % 3 == 0 ? 1 : 97) % npages);
    }
    while (limit < npages) {
        limit *= 2;
    }
    do { /* whoever begins below npages comes back there */
        page = shuffle(page, limit);
    } while (page >= npages);
    return page;
}

static void fill_page(unsigned *words, unsigned page, unsigned round)
{
    unsigned value = value_of(page, round);
    for (unsigned i = 0; i < 1024; i++) {
        words[i] = value + i;
    }
}

static unsigned page_is_wrong(const unsigned *words, unsigned page, unsigned round)
{
    unsigned value = value_of(page, round);
    unsigned difference = 0;
    for (unsigned i = 0; i < 1024; i++) {
        difference |= words[i] ^ (value + i);
    }
    return difference != 0;
}

static void say_progress(const char *what, unsigned round, unsigned page)
{
    if (npages >= LONG && page % (npages / 8) == 0) {
        tap_print("# %s: round %u of %u, %u%%", what, round + 1, ROUNDS, page * 100u / npages);
    }
}

static unsigned fill_private(unsigned seed)
{
    unsigned wrong = 0;
    unsigned *memory = VirtualAlloc(NULL, npages * 4096u, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    if (memory == NULL) {
        return ~0u;
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < npages; i++) {
            unsigned page = page_of(i, round);
            say_progress("private", round, i);
            if (round > 0) {
                wrong += page_is_wrong(memory + page * 1024u, page, seed + round - 1);
            }
            fill_page(memory + page * 1024u, page, seed + round);
        }
    }
    for (unsigned page = 0; page < npages; page++) {
        wrong += page_is_wrong(memory + page * 1024u, page, seed + ROUNDS - 1);
    }
    VirtualFree(memory, 0, MEM_RELEASE);
    return wrong;
}

/* Sharer N's part of the section: every third page is its own to fill; all are its to check. */
static unsigned fill_shared(unsigned n)
{
    HANDLE section = OpenFileMappingA(FILE_MAP_WRITE, FALSE, "paging");
    char name[16];
    HANDLE arrived[SHARERS];
    unsigned wrong = 0;
    /* Each at its own address, the last where its tables cannot be linked. */
    unsigned *memory = MapViewOfFileEx(section, FILE_MAP_WRITE, 0, 0, 0,
                                       (void *)(0x20000000u + n * 0x10000000u + n / 2 * 0x10000u));
    for (unsigned i = 0; i < SHARERS; i++) {
        snprintf(name, sizeof(name), "paging%u", i);
        arrived[i] = OpenSemaphoreA(SYNCHRONIZE | SEMAPHORE_MODIFY_STATE, FALSE, name);
    }
    if (memory == NULL || arrived[SHARERS - 1] == NULL) {
        return ~0u;
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < npages; i++) {
            unsigned page = page_of(i, round);
            if (n == 0) {
                say_progress("shared", round, i);
            }
            if (page % SHARERS == n) {
                fill_page(memory + page * 1024u, page, round);
            }
        }
        for (unsigned phase = 0; phase < 2; phase++) { /* all have filled; all have checked */
            for (unsigned i = 0; i < SHARERS; i++) {
                ReleaseSemaphore(arrived[i], 1, NULL);
            }
            for (unsigned i = 0; i < SHARERS; i++) {
                WaitForSingleObject(arrived[n], INFINITE);
            }
            for (unsigned i = 0; phase == 0 && i < npages; i++) {
                unsigned page = page_of(i, round);
                wrong += page_is_wrong(memory + page * 1024u, page, round);
            }
        }
    }
    UnmapViewOfFile(memory);
    return wrong;
}

static HANDLE start(const char *program, unsigned who)
{
    STARTUPINFOA startup = {.cb = sizeof(startup)};
    PROCESS_INFORMATION child = {NULL};
    char command[MAX_PATH + 16];
    snprintf(command, sizeof(command), "\"%s\" %u %u", program, npages / 256u, who);
    ok(CreateProcessA(NULL, command, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &child),
       "process %u", who);
    CloseHandle(child.hThread);
    return child.hProcess;
}

/* Whether the pages of each round are all pages, once. */
static int are_permutations(void)
{
    unsigned char *seen = calloc(npages, 1);
    unsigned twice = 0;

    for (unsigned round = 0; seen != NULL && round < ROUNDS; round++) {
        for (unsigned i = 0; i < npages; i++) {
            twice += seen[page_of(i, round)]++ != round;
        }
    }
    free(seen);
    return seen != NULL && twice == 0;
}

int main(int argc, char **argv)
{
    tap_begin();
    if (argc > 1) {
        npages = 256u * (unsigned)atoi(argv[1]);
    }
    if (argc > 2) {
        unsigned who = (unsigned)atoi(argv[2]);
        return (who == SHARERS ? fill_private(1000) : fill_shared(who)) == 0 ? 0 : 1;
    }
    ok(are_permutations(), "each round has every page once");
    HANDLE file = CreateFileA("C:\\pagefile.sys", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE,
                              NULL, OPEN_EXISTING, 0, NULL);
    quire_only(file == INVALID_HANDLE_VALUE && GetLastError() == ERROR_SHARING_VIOLATION,
               "opening the paging file is a sharing violation");
    HANDLE section =
        CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, npages * 4096u, "paging");
    ok(section != NULL, "a section of %u MiB", npages / 256u);
    for (unsigned i = 0; i < SHARERS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "paging%u", i);
        ok(CreateSemaphoreA(NULL, 0, 100, name) != NULL, "a semaphore for sharer %u", i);
    }
    HANDLE children[SHARERS + 1];
    for (unsigned i = 0; i < SHARERS + 1; i++) {
        children[i] = start(argv[0], i);
    }
    for (unsigned i = 0; i < SHARERS + 1; i++) {
        DWORD code = 99;
        WaitForSingleObject(children[i], INFINITE);
        GetExitCodeProcess(children[i], &code);
        ok(code == 0,
           i == SHARERS ? "private memory: every byte as it was written"
                        : "the section: every byte as it was written, process %u",
           i);
    }
    return tap_end();
}
