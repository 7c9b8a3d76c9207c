/*
 * tests/user/pagedout.c: what is told of memory that has been paged out.
 *
 * 24 MiB are filled on a machine of 16. Every page is counted once, as resident, nearby or paged
 * out; what the paging file holds and what it moved is told; a touch brings a page back.
 *
 * run with: --memory 16M --pagefile 64M
 * time limit: 120 s
 */
#define PSAPI_VERSION 1
#include "tap.h"

#include <psapi.h>

#include "../../include/abi/process.h"

#define NPAGES (24u * 256u)

static BOOL is_valid(volatile char *address)
{
    PSAPI_WORKING_SET_EX_INFORMATION information = {.VirtualAddress = (void *)(ULONG_PTR)address};

    return QueryWorkingSetEx(GetCurrentProcess(), &information, sizeof information) &&
           information.VirtualAttributes.Valid;
}

struct seen {
    int calls;
    ULONG_PTR total, used, peak;
    char name[MAX_PATH];
};

static BOOL note_file(void *context, ENUM_PAGE_FILE_INFORMATION *info, const char *name)
{
    struct seen *seen = context;

    seen->calls++;
    seen->total = info->TotalSize;
    seen->used = info->TotalInUse;
    seen->peak = info->PeakUsage;
    strcpy(seen->name, name);
    return TRUE;
}

/* A page of BLOCK that is not in memory; NULL: there is none. */
static volatile char *find_out(volatile char *block)
{
    for (unsigned i = 0; i < NPAGES; i++) {
        struct quire_frame frame = frame_of(block + i * PAGE);
        if (tap_status >= 0 && frame.state == QUIRE_FRAME_NONE) {
            return block + i * PAGE;
        }
    }
    return NULL;
}

static void test_page_file(void)
{
    struct seen seen = {0};
    struct {
        struct nt_system_page_file_information file;
        WCHAR name[64];
    } answer;
    ULONG done = 0;

    unlike_wine(EnumPageFilesA(note_file, &seen) && seen.calls == 1 &&
                    strcmp(seen.name, "C:\\pagefile.sys") == 0 && seen.total > 60 * 256 &&
                    seen.total <= 64 * 256,
                "EnumPageFiles: one, its name and its 64 MiB");
    unlike_wine(seen.used > 8 * 256 && seen.used < seen.total && seen.peak >= seen.used,
                "much of it is in use");
    memset(&answer, 0xCC, sizeof answer);
    tap_status =
        pNtQuerySystemInformation(NT_SYSTEM_PAGE_FILE_INFORMATION, &answer, sizeof answer, &done);
    unlike_wine(tap_status == STATUS_SUCCESS && done > sizeof answer.file &&
                    answer.file.next_entry_offset == 0 && answer.file.total_size == seen.total &&
                    answer.file.page_file_name.buffer == (ULONG_PTR)answer.name &&
                    wcscmp(answer.name, L"\\??\\C:\\pagefile.sys") == 0,
                "SystemPageFileInformation: the same");
    unlike_wine(
        STATUS_IS(pNtQuerySystemInformation(NT_SYSTEM_PAGE_FILE_INFORMATION, &answer, 8, NULL),
                  STATUS_INFO_LENGTH_MISMATCH),
        "not into too small a buffer");
}

static void test_region(volatile char *block)
{
    struct quire_region_pages pages = region_at(block);
    PROCESS_MEMORY_COUNTERS counters = {.cb = sizeof counters};

    quire_only(pages.region.nbytes == NPAGES * PAGE && pages.unknown_pages == 0 &&
                   pages.region.resident_pages + pages.nearby_pages + pages.paged_out_pages ==
                       NPAGES,
               "each of the pages is resident, nearby or paged out");
    quire_only(pages.paged_out_pages > 8 * 256 && pages.region.resident_pages > 256 &&
                   pages.private_pages == pages.region.resident_pages,
               "many are out, some are here");
    GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters);
    unlike_wine(counters.PagefileUsage >= NPAGES * PAGE &&
                    counters.WorkingSetSize < 16 * 256 * PAGE,
                "all of it is committed, and not all in the working set");
}

static void test_page_in(volatile char *block)
{
    struct quire_paging before = paging_now(), after;
    volatile char *out = find_out(block);

    quire_only(out != NULL && !is_valid(out), "a page that is out is not in the working set");
    quire_only(out != NULL && *out == 77 && is_valid(out), "a touch brings it back");
    after = paging_now();
    quire_only(after.paging_file_faults - before.paging_file_faults ==
                   after.page_reads - before.page_reads,
               "by one hard fault for each request");
    quire_only(after.pages_read > before.pages_read && after.page_reads > before.page_reads &&
                   after.disk_reads - before.disk_reads >= after.page_reads - before.page_reads &&
                   after.disk_bytes_read - before.disk_bytes_read >=
                       (after.pages_read - before.pages_read) * PAGE,
               "by a request that paging and the disk have counted");
    quire_only(after.pages_written > 8 * 256 && after.page_writes > 0 &&
                   after.pages_written >= after.page_writes && after.page_write_errors == 0 &&
                   after.disk_bytes_written >= after.pages_written * PAGE,
               "pages were written, several to a request");
    quire_only(after.pagefile_used_pages > 0 && after.pagefile_used_pages < after.pagefile_pages,
               "slots are in use");
}

int main(void)
{
    volatile char *block;

    tap_begin();
    block = VirtualAlloc(NULL, NPAGES * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    ok(block != NULL, "24 MiB are committed");
    for (unsigned i = 0; block != NULL && i < NPAGES; i++) {
        memset((void *)(block + i * PAGE), 77, 100);
    }
    if (block != NULL) {
        test_page_file();
        test_region(block);
        test_page_in(block);
        VirtualFree((void *)block, 0, MEM_RELEASE);
    }
    return tap_end();
}
