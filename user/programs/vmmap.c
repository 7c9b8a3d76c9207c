/*
 * user/programs/vmmap.c: a process's address space: every region with its kind, its protection, and
 * where the contents of its pages are.
 *
 *   vmmap            the processes there are
 *   vmmap PID        the regions of one, with totals by kind
 *
 * An ordinary Win32 console program. The regions come from one of Quire's own classes of
 * NtQueryVirtualMemory (abi/quire.h); another system does not know it, and it says so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "../../include/abi/process.h"
#include "../../include/abi/quire.h"

#define PAGE_KIB     4u
#define NAME_LENGTH  64
#define USER_KIB     (0x80000000u / 1024)
#define REGIONS_STEP 64u

enum exit_code { EXIT_NOT_TOLD = 1, EXIT_USAGE = 2 };

typedef LONG(NTAPI *query_system_t)(ULONG, void *, ULONG, ULONG *);
typedef LONG(NTAPI *query_memory_t)(HANDLE, const void *, ULONG, void *, SIZE_T, SIZE_T *);
typedef LONG(NTAPI *query_process_t)(HANDLE, ULONG, void *, ULONG, ULONG *);

static void *native(const char *name)
{
    return (void *)GetProcAddress(GetModuleHandleA("ntdll.dll"), name);
}

static int fail_with(const char *format, unsigned long number)
{
    fprintf(stderr, "vmmap: ");
    fprintf(stderr, format, number);
    fprintf(stderr, "\n");
    return EXIT_NOT_TOLD;
}

/* --- the processes --- */

/* All of them, from the heap; NULL when the system does not tell. */
static struct nt_system_process_information *list_processes(void)
{
    query_system_t query = (query_system_t)native("NtQuerySystemInformation");

    for (ULONG nbytes = 4096; query != NULL && nbytes < (1u << 24); nbytes *= 2) {
        void *list = malloc(nbytes);
        if (list != NULL && query(NT_SYSTEM_PROCESS_INFORMATION, list, nbytes, NULL) >= 0) {
            return list;
        }
        free(list);
    }
    return NULL;
}

static const struct nt_system_process_information *
next_process(const struct nt_system_process_information *process)
{
    return process->next_entry_offset == 0
               ? NULL
               : (const void *)((const char *)process + process->next_entry_offset);
}

static void copy_name(char name[NAME_LENGTH], const struct nt_system_process_information *process)
{
    _snprintf(name, NAME_LENGTH - 1, "%.*ls", (int)(process->image_name.length / sizeof(WCHAR)),
              process->image_name.buffer == 0
                  ? L""
                  : (const WCHAR *)(ULONG_PTR)process->image_name.buffer);
    name[NAME_LENGTH - 1] = '\0';
}

static int print_processes(void)
{
    struct nt_system_process_information *list = list_processes();

    printf("usage: vmmap PID   shows the address space of a process. The processes:\n\n");
    printf("%6s %8s %9s %9s %9s %8s  %s\n", "PID", "threads", "virtual K", "commit K", "working K",
           "faults", "program");
    for (const struct nt_system_process_information *process = list; process != NULL;
         process = next_process(process)) {
        char name[NAME_LENGTH];
        copy_name(name, process);
        printf("%6lu %8lu %9lu %9lu %9lu %8lu  %s\n", (unsigned long)process->unique_process_id,
               (unsigned long)process->number_of_threads,
               (unsigned long)process->vm.virtual_size / 1024,
               (unsigned long)process->vm.pagefile_usage / 1024,
               (unsigned long)process->vm.working_set_size / 1024,
               (unsigned long)process->vm.page_fault_count, name);
    }
    free(list);
    return list != NULL ? 0 : fail_with("this system does not tell the processes", 0);
}

/* --- the regions of one --- */

struct regions {
    struct quire_region_pages *all;
    size_t count;
};

/* FALSE: the system does not tell, or there is no memory for them. */
static BOOL read_regions(HANDLE process, struct regions *regions)
{
    query_memory_t query = (query_memory_t)native("NtQueryVirtualMemory");
    ULONG_PTR address = 0;

    memset(regions, 0, sizeof *regions);
    for (;;) {
        struct quire_region_pages *more =
            realloc(regions->all, (regions->count + REGIONS_STEP) * sizeof *more);
        SIZE_T done = 0, count;
        if (more == NULL) {
            return FALSE;
        }
        regions->all = more;
        if (query == NULL || query(process, (void *)address, MEMORY_QUIRE_REGION_PAGES,
                                   more + regions->count, REGIONS_STEP * sizeof *more, &done) < 0) {
            return FALSE;
        }
        count = done / sizeof *more;
        regions->count += count;
        if (count < REGIONS_STEP) {
            return TRUE;
        }
        address = more[regions->count - 1].region.base + more[regions->count - 1].region.nbytes;
    }
}

static const char *access_text(const struct quire_region *region)
{
    static const struct {
        uint32_t value;
        const char *text, *guarded;
    } names[] = {{PAGE_NOACCESS, "none", "none"},
                 {PAGE_READONLY, "r", "r g"},
                 {PAGE_READWRITE, "rw", "rw g"},
                 {PAGE_WRITECOPY, "rc", "rc g"},
                 {PAGE_EXECUTE, "x", "x g"},
                 {PAGE_EXECUTE_READ, "rx", "rx g"},
                 {PAGE_EXECUTE_READWRITE, "rwx", "rwxg"},
                 {PAGE_EXECUTE_WRITECOPY, "rcx", "rcxg"}};

    for (size_t i = 0; region->state == MEM_COMMIT && i < sizeof names / sizeof names[0]; i++) {
        if ((region->protection & 0xFF) == names[i].value) {
            return (region->protection & PAGE_GUARD) ? names[i].guarded : names[i].text;
        }
    }
    return "-";
}

enum kind { KIND_IMAGE, KIND_VIEW, KIND_PRIVATE, KIND_ALL, KINDS };
static const char *const kind_names[KINDS] = {"image", "view", "private", "all"};

static enum kind kind_of(const struct quire_region *region)
{
    return region->type == MEM_IMAGE    ? KIND_IMAGE
           : region->type == MEM_MAPPED ? KIND_VIEW
                                        : KIND_PRIVATE;
}

/* The columns that add up, in KiB. */
enum column {
    IN_ALL,
    IN_COMMIT,
    IN_RESIDENT,
    IN_SHARED,
    IN_LINKED,
    IN_NEARBY,
    IN_FILE,
    NOBODY_KNOWS,
    COLUMNS
};

static void measure(const struct quire_region_pages *pages, unsigned long columns[COLUMNS])
{
    columns[IN_ALL] = pages->region.nbytes / 1024;
    columns[IN_COMMIT] = pages->region.state == MEM_COMMIT ? columns[IN_ALL] : 0;
    columns[IN_RESIDENT] = pages->region.resident_pages * PAGE_KIB;
    columns[IN_SHARED] = pages->shared_pages * PAGE_KIB;
    columns[IN_LINKED] = pages->linked_pages * PAGE_KIB;
    columns[IN_NEARBY] = pages->nearby_pages * PAGE_KIB;
    columns[IN_FILE] = pages->paged_out_pages * PAGE_KIB;
    columns[NOBODY_KNOWS] = pages->unknown_pages * PAGE_KIB;
}

static void print_columns(const unsigned long columns[COLUMNS])
{
    printf(" %8lu %8lu", columns[IN_ALL], columns[IN_COMMIT]);
    for (int i = IN_RESIDENT; i <= IN_FILE; i++) {
        printf(" %7lu", columns[i]);
    }
}

/* The name of the image mapped at ADDRESS; empty when there is none. */
static void image_name(HANDLE process, uint32_t address, char name[NAME_LENGTH])
{
    query_memory_t query = (query_memory_t)native("NtQueryVirtualMemory");
    struct {
        struct nt_unicode_string string;
        WCHAR text[MAX_PATH];
    } answer;

    memset(&answer, 0, sizeof answer);
    name[0] = '\0';
    if (query(process, (void *)(ULONG_PTR)address, NT_MEMORY_MAPPED_NAME, &answer, sizeof answer,
              NULL) >= 0) {
        _snprintf(name, NAME_LENGTH - 1, "%.*ls", (int)(answer.string.length / sizeof(WCHAR)),
                  answer.text);
        name[NAME_LENGTH - 1] = '\0';
    }
}

/* Whether the allocation that begins at region FIRST has a guard page, as stacks do. */
static BOOL has_guard(const struct regions *regions, size_t first)
{
    uint32_t base = regions->all[first].region.allocation_base;

    for (size_t i = first; i < regions->count && regions->all[i].region.allocation_base == base;
         i++) {
        if (regions->all[i].region.protection & PAGE_GUARD) {
            return TRUE;
        }
    }
    return FALSE;
}

static void describe(HANDLE process, const struct regions *regions, size_t which, uint32_t peb,
                     char name[NAME_LENGTH])
{
    const struct quire_region *region = &regions->all[which].region;

    name[0] = '\0';
    if (region->base != region->allocation_base) {
        strcpy(name, "+");
    } else if (region->type == MEM_IMAGE) {
        image_name(process, region->base, name);
    } else if (region->base == QUIRE_SHARED_PAGE) {
        strcpy(name, "time page");
    } else if (peb - region->base < region->nbytes) {
        strcpy(name, "PEB");
    } else if (has_guard(regions, which)) {
        strcpy(name, "stack");
    }
}

static uint32_t peb_of(HANDLE process)
{
    query_process_t query = (query_process_t)native("NtQueryInformationProcess");
    struct nt_process_basic_information basic;

    return query != NULL &&
                   query(process, NT_PROCESS_BASIC_INFORMATION, &basic, sizeof basic, NULL) >= 0
               ? basic.peb_base_address
               : 0;
}

static void print_totals(unsigned long totals[KINDS][COLUMNS])
{
    for (int kind = 0; kind < KIND_ALL; kind++) {
        for (int i = 0; i < COLUMNS; i++) {
            totals[KIND_ALL][i] += totals[kind][i];
        }
    }
    printf("\n%-16s %8s %8s %7s %7s %7s %7s %7s\n", "totals, KiB", "size", "commit", "resid",
           "shared", "linked", "nearby", "out");
    for (int kind = 0; kind < KINDS; kind++) {
        printf("%-16s", kind_names[kind]);
        print_columns(totals[kind]);
        printf("\n");
    }
    printf("%-16s %8lu\n", "free", (unsigned long)USER_KIB - totals[KIND_ALL][IN_ALL]);
    if (totals[KIND_ALL][NOBODY_KNOWS] != 0) {
        printf("%lu KiB have a page table that is paged out itself; they are in none of these.\n",
               totals[KIND_ALL][NOBODY_KNOWS]);
    }
}

static void print_regions(HANDLE process, const struct regions *regions)
{
    unsigned long totals[KINDS][COLUMNS], columns[COLUMNS];
    uint32_t peb = peb_of(process);
    char name[NAME_LENGTH];

    memset(totals, 0, sizeof totals);
    printf("%-8s %-7s %-4s %4s %8s %7s %7s %7s %7s %7s\n", "address", "kind", "may", "size",
           "commit", "resid", "shared", "linked", "nearby", "out");
    for (size_t i = 0; i < regions->count; i++) {
        const struct quire_region *region = &regions->all[i].region;
        enum kind kind = kind_of(region);
        measure(&regions->all[i], columns);
        for (int k = 0; k < COLUMNS; k++) {
            totals[kind][k] += columns[k];
        }
        describe(process, regions, i, peb, name);
        printf("%08lX %-7s %-4s", (unsigned long)region->base, kind_names[kind],
               access_text(region));
        print_columns(columns);
        printf("  %s\n", name);
    }
    print_totals(totals);
}

static void print_title(DWORD id)
{
    struct nt_system_process_information *list = list_processes();

    for (const struct nt_system_process_information *process = list; process != NULL;
         process = next_process(process)) {
        if (process->unique_process_id == id) {
            char name[NAME_LENGTH];
            copy_name(name, process);
            printf("process %lu, %s: commit %lu K, working set %lu K (peak %lu K), %lu faults\n",
                   id, name, (unsigned long)process->vm.pagefile_usage / 1024,
                   (unsigned long)process->vm.working_set_size / 1024,
                   (unsigned long)process->vm.peak_working_set_size / 1024,
                   (unsigned long)process->vm.page_fault_count);
        }
    }
    free(list);
}

static int print_process(DWORD id)
{
    HANDLE process = OpenProcess(PROCESS_QUERY_INFORMATION, FALSE, id);
    struct regions regions;
    int result = 0;

    if (process == NULL) {
        return GetLastError() == ERROR_ACCESS_DENIED
                   ? fail_with("process %lu may not be looked at", id)
                   : fail_with("there is no process %lu (vmmap alone lists them)", id);
    }
    if (!read_regions(process, &regions)) {
        result =
            fail_with("process %lu has ended, or this system does not tell (is it Quire?)", id);
    } else {
        print_title(id);
        print_regions(process, &regions);
    }
    free(regions.all);
    CloseHandle(process);
    return result;
}

int main(int argc, char **argv)
{
    unsigned long id;
    char *end = NULL;

    if (argc == 1) {
        return print_processes();
    }
    id = strtoul(argv[1], &end, 10);
    if (argc > 2 || argv[1][0] < '0' || argv[1][0] > '9' || *end != '\0') {
        fprintf(stderr, "vmmap: '%s' is no process identifier\nusage: vmmap [PID]\n",
                argc > 2 ? argv[2] : argv[1]);
        return EXIT_USAGE;
    }
    return print_process(id);
}
