/*
 * tests/launcher/paged.c: private memory and the paging file.
 *
 * "limit" prints how much can be committed, in KiB, and what opening the paging file gives;
 * "fill MIB" fills so much memory and checks it. For a disk on which some sectors of the paging
 * file fail: "rewrite MIB" does the same and wants writes to have failed; "errors MIB COUNT", where
 * COUNT sectors cannot be read, prints TAP: two processes fill memory and read it back, each is
 * told of pages it cannot have and of no more than can be, one dies of such a page, a third goes
 * on.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "../../include/abi/quire.h"

#define PAGE_BYTES    4096u
#define TABLE_BYTES   0x200000u   /* what a page table shows */
#define DEVICE_ERROR  0xC0000185u /* STATUS_IO_DEVICE_ERROR */
#define SOME_ERRORS   77u         /* exit codes of the roles */
#define WRONG_ERRORS  78u
#define WRONG_WORDS   79u
#define NO_ERRORS     80u
#define IN_PAGE_ERROR EXCEPTION_IN_PAGE_ERROR

static unsigned char *memory;
static unsigned npages;
static unsigned *volatile touched;
static jmp_buf after_error;
static unsigned nwrong;

static unsigned value_of(unsigned page, unsigned seed)
{
    return (page + 1) * 2654435761u ^ seed;
}

static int fill(unsigned mib, unsigned seed)
{
    npages = mib * 256;
    memory = VirtualAlloc(NULL, npages * PAGE_BYTES, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    if (memory == NULL) {
        return 0;
    }
    for (unsigned page = 0; page < npages; page++) {
        unsigned *words = (unsigned *)(memory + page * PAGE_BYTES);
        words[0] = value_of(page, seed);
        words[1023] = ~words[0];
    }
    return 1;
}

static LONG CALLBACK note_error(EXCEPTION_POINTERS *pointers)
{
    const EXCEPTION_RECORD *record = pointers->ExceptionRecord;
    if (record->ExceptionCode != IN_PAGE_ERROR) {
        return EXCEPTION_CONTINUE_SEARCH;
    }
    if (record->NumberParameters != 3 || record->ExceptionInformation[0] != 0 ||
        (record->ExceptionInformation[1] & ~(PAGE_BYTES - 1)) != (ULONG_PTR)touched ||
        (unsigned)record->ExceptionInformation[2] != DEVICE_ERROR) {
        nwrong++;
    }
    longjmp(after_error, 1);
}

/* Reads PAGE: 1 as it was written, 0 in-page error, -1 other contents. */
static int read_page(unsigned page, unsigned seed)
{
    touched = (unsigned *)(memory + page * PAGE_BYTES);
    if (setjmp(after_error) != 0) {
        return 0;
    }
    return touched[0] == value_of(page, seed) && touched[1023] == ~touched[0] ? 1 : -1;
}

static int fill_and_check(unsigned mib, unsigned seed)
{
    if (!fill(mib, seed)) {
        return 1;
    }
    for (unsigned page = 0; page < npages; page++) {
        if (read_page(page, seed) != 1) {
            return WRONG_WORDS;
        }
    }
    return 0;
}

/* Keeps what the program itself is made of in memory: only the pages that it fills are to fail. */
static int stay_in_memory(void)
{
    MEMORY_BASIC_INFORMATION it;
    char *address = NULL;
    int ok = SetProcessWorkingSetSize(GetCurrentProcess(), 4 << 20, 8 << 20);
    for (; VirtualQuery(address, &it, sizeof(it)) != 0;
         address = (char *)it.BaseAddress + it.RegionSize) {
        if (it.State == MEM_COMMIT &&
            (it.Protect == PAGE_READWRITE || it.Protect == PAGE_WRITECOPY)) {
            ok = ok && VirtualLock(it.BaseAddress, it.RegionSize);
        }
    }
    return ok;
}

typedef LONG(NTAPI *query_system_t)(ULONG, void *, ULONG, ULONG *);

/* Fills and checks memory, of which some writes to the paging file fail. */
static int rewrite(unsigned mib, unsigned seed)
{
    struct quire_paging paging = {0};
    query_system_t query = (query_system_t)(void *)GetProcAddress(GetModuleHandleA("ntdll.dll"),
                                                                  "NtQuerySystemInformation");
    int code = fill_and_check(mib, seed);
    if (code != 0 || query(SYSTEM_QUIRE_PAGING, &paging, sizeof(paging), NULL) < 0) {
        return code != 0 ? code : 1;
    }
    return paging.page_write_errors != 0 ? 0 : (int)NO_ERRORS;
}

static unsigned char lost[64 << 8]; /* by page */

/*
 * How many bad sectors it takes to lose what was lost: one for each page, or for all pages of a
 * page table that cannot be read. Elsewhere only a few pages of so many lie in bad sectors.
 */
static unsigned sectors_lost(void)
{
    unsigned count = 0;
    for (unsigned page = 0; page < npages;) {
        unsigned in_table = 0;
        do {
            in_table += lost[page++];
        } while (page < npages && (ULONG_PTR)(memory + page * PAGE_BYTES) % TABLE_BYTES != 0);
        count += in_table > 100 ? 1 : in_table;
    }
    return count;
}

/*
 * Reads all memory twice; then again, with nobody to catch it, a page that cannot be read. Of each
 * bad sector only the page or table that lies there is lost: at most MOST.
 */
static unsigned meet_errors(unsigned mib, unsigned seed, unsigned most, int die)
{
    unsigned nerrors = 0;
    unsigned bad = 0;
    void *handler = AddVectoredExceptionHandler(1, note_error);
    if (!stay_in_memory() || !fill(mib, seed)) {
        return 1;
    }
    for (unsigned i = 0; i < 2 * npages; i++) {
        int result = read_page(i % npages, seed);
        if (result < 0) {
            return WRONG_WORDS;
        }
        if (result == 0) {
            nerrors++;
            lost[i % npages] = 1;
            bad = i % npages;
        }
    }
    if (nwrong != 0 || sectors_lost() > most) {
        return WRONG_ERRORS;
    }
    RemoveVectoredExceptionHandler(handler);
    if (nerrors != 0 && die) {
        volatile unsigned *word = (unsigned *)(memory + bad * PAGE_BYTES);
        (void)*word;
    }
    return nerrors != 0 ? SOME_ERRORS : 0;
}

static HANDLE start(const char *program, const char *role, const char *mib, const char *most)
{
    char command[MAX_PATH + 40];
    STARTUPINFOA startup = {.cb = sizeof(startup)};
    PROCESS_INFORMATION child;
    snprintf(command, sizeof(command), "\"%s\" %s %s %s", program, role, mib, most);
    if (!CreateProcessA(NULL, command, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &child)) {
        return NULL;
    }
    CloseHandle(child.hThread);
    return child.hProcess;
}

static DWORD code_of(HANDLE process)
{
    DWORD code = 99;
    WaitForSingleObject(process, INFINITE);
    GetExitCodeProcess(process, &code);
    CloseHandle(process);
    return code;
}

static int number;

static void ok(int condition, const char *name, unsigned code)
{
    printf("%s %d - %s\n", condition ? "ok" : "not ok", ++number, name);
    if (!condition) {
        printf("# 0x%X\n", code);
    }
}

static int check_errors(const char *program, const char *mib, const char *most)
{
    printf("1..4\n");
    HANDLE survivor = start(program, "survivor", mib, most);
    HANDLE victim = start(program, "victim", mib, most);
    unsigned code = code_of(survivor);
    ok(code == SOME_ERRORS, "a process that catches in-page errors meets some, and goes on", code);
    code = code_of(victim);
    ok(code == IN_PAGE_ERROR, "one that does not ends with STATUS_IN_PAGE_ERROR", code);
    code = code_of(start(program, "fill", "1", ""));
    ok(code == 0, "a new process that stays in memory meets none", code);
    ok(fill(1, 5) && read_page(255, 5) == 1, "the first process goes on", 0);
    return 0;
}

static int print_limit(void)
{
    MEMORYSTATUSEX status = {.dwLength = sizeof(status)};
    GlobalMemoryStatusEx(&status);
    HANDLE file = CreateFileA("C:\\pagefile.sys", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE,
                              NULL, OPEN_EXISTING, 0, NULL);
    long more = (long)(status.ullTotalPageFile >> 10) - (long)(status.ullTotalPhys >> 10);
    printf("%ld\n", more); /* some frames are promised to nobody: it can be below 0 */
    printf("%lu\n", file == INVALID_HANDLE_VALUE ? GetLastError() : 0);
    return 0;
}

int main(int argc, char **argv)
{
    const char *role = argc > 1 ? argv[1] : "limit";
    unsigned mib = argc > 2 ? (unsigned)atoi(argv[2]) : 1;
    unsigned seed = GetCurrentProcessId();

    if (strcmp(role, "errors") == 0) {
        return check_errors(argv[0], argv[2], argv[3]);
    }
    if (strcmp(role, "fill") == 0) {
        return fill_and_check(mib, seed);
    }
    if (strcmp(role, "rewrite") == 0) {
        return rewrite(mib, seed);
    }
    return strcmp(role, "limit") == 0
               ? print_limit()
               : (int)meet_errors(mib, seed, argc > 3 ? (unsigned)atoi(argv[3]) : 0,
                                  strcmp(role, "victim") == 0);
}
