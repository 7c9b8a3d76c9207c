/*
 * user/programs/mem.c: the system's memory on one screen: frames by state and by what they hold,
 * what is promised, the paging file, what is moved, how idle the machine is.
 *
 *   mem              once; "a second" is the mean since boot
 *   mem -w           again each second in the same place, until Enter or the end of the input;
 *                    "a second" is that second
 *   mem -w COUNT     the same, COUNT times at most
 *
 * An ordinary Win32 console program. It asks for Quire's own classes of NtQuerySystemInformation
 * (abi/quire.h); another system does not know them, and it says so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "../../include/abi/quire.h"

#define INTERVAL_MS 1000
#define PAGE_KIB    4
#define SECOND      1000000000.0 /* in nanoseconds */

enum exit_code { EXIT_NOT_TOLD = 1, EXIT_USAGE = 2 };

typedef LONG(NTAPI *query_system_t)(ULONG, void *, ULONG, ULONG *);

/* One look at the system. */
struct look {
    struct quire_memory memory;
    struct quire_paging paging;
};

static unsigned lines; /* printed so far by one screen */

static BOOL take_look(struct look *look)
{
    query_system_t query = (query_system_t)(void *)GetProcAddress(GetModuleHandleA("ntdll.dll"),
                                                                  "NtQuerySystemInformation");

    return query != NULL &&
           query(SYSTEM_QUIRE_MEMORY, &look->memory, sizeof look->memory, NULL) >= 0 &&
           query(SYSTEM_QUIRE_PAGING, &look->paging, sizeof look->paging, NULL) >= 0;
}

static void end_line(void)
{
    printf("\n");
    lines++;
}

/* Half a line: a heading over two columns, or a count of pages. Always 38 characters wide. */
static void print_heading(const char *what, const char *first, const char *second)
{
    printf("%-20s%9s%9s", what, first, second);
}

static void print_pages(const char *what, uint32_t npages)
{
    printf("  %-18s%9lu%9.1f", what, (unsigned long)npages, npages / 256.0);
}

static void print_gap(void)
{
    printf("   ");
}

static void print_frames(const struct look *now)
{
    const struct quire_memory *memory = &now->memory;
    const struct quire_paging *paging = &now->paging;
    const struct {
        const char *left;
        uint32_t left_pages;
        const char *right;
        uint32_t right_pages;
    } rows[] = {
        {"all", memory->total_pages, "private memory", paging->private_pages},
        {"free", memory->free_pages, "sections, files", paging->segment_pages},
        {"zeroed", memory->zeroed_pages, "page tables", paging->table_pages},
        {"active", memory->active_pages, "prototype tables", paging->prototype_pages},
        {"standby", memory->standby_pages, "kernel's own", paging->kernel_pages},
        {"modified", memory->modified_pages, "pool's slabs", paging->slab_pages},
        {"in transition", paging->transition_pages, "(pool, all of it)", memory->pool_pages},
    };

    print_heading("frames", "pages", "MiB");
    print_gap();
    print_heading("active ones hold", "pages", "MiB");
    end_line();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_pages(rows[i].left, rows[i].left_pages);
        print_gap();
        print_pages(rows[i].right, rows[i].right_pages);
        end_line();
    }
    if (paging->bad_pages != 0) {
        print_pages("bad, not counted", paging->bad_pages);
        end_line();
    }
}

static void print_promises(const struct look *now)
{
    print_heading("promised", "pages", "MiB");
    print_gap();
    print_heading("paging file", "pages", "MiB");
    end_line();
    print_pages("commit charge", now->memory.commit_pages);
    print_gap();
    print_pages(now->paging.pagefile_pages != 0 ? "size" : "there is none",
                now->paging.pagefile_pages);
    end_line();
    print_pages("its limit", now->memory.commit_limit_pages);
    print_gap();
    print_pages("in use", now->paging.pagefile_used_pages);
    end_line();
    print_pages("its peak", now->paging.commit_peak_pages);
    print_gap();
    print_pages("failed writes", (uint32_t)now->paging.page_write_errors);
    end_line();
    print_pages("resident left", now->paging.resident_available_pages);
    print_gap();
    printf("%-38s", "");
    end_line();
}

/* Something that is counted: the total, and how much a second since BEFORE. */
static void print_count(const char *what, uint64_t now, uint64_t before, double seconds)
{
    printf("  %-16s%11llu%9.1f", what, (unsigned long long)now,
           seconds > 0 ? (double)(now - before) / seconds : 0.0);
}

static void print_traffic(const struct look *now, const struct look *before, double seconds)
{
    const struct quire_paging *here = &now->paging, *then = &before->paging;
    const struct {
        const char *what;
        uint64_t now, before;
    } counts[] = {
        {"page faults", now->memory.faults, before->memory.faults},
        {"paging file: in", here->pages_read, then->pages_read},
        {"  zeroes", here->demand_zero_faults, then->demand_zero_faults},
        {"  requests", here->page_reads, then->page_reads},
        {"  copies", here->copy_on_write_faults, then->copy_on_write_faults},
        {"paging file: out", here->pages_written, then->pages_written},
        {"  soft", here->transition_faults, then->transition_faults},
        {"  requests", here->page_writes, then->page_writes},
        {"  paging file", here->paging_file_faults, then->paging_file_faults},
        {"files: in", here->file_pages_read, then->file_pages_read},
        {"  files", here->file_faults, then->file_faults},
        {"disk reads", here->disk_reads, then->disk_reads},
        {"TLB: one page", here->tlb_page_flushes, then->tlb_page_flushes},
        {"disk KiB read", here->disk_bytes_read / 1024, then->disk_bytes_read / 1024},
        {"TLB: one space", here->tlb_root_flushes, then->tlb_root_flushes},
        {"disk writes", here->disk_writes, then->disk_writes},
        {"TLB: all spaces", here->tlb_all_flushes, then->tlb_all_flushes},
        {"disk KiB written", here->disk_bytes_written / 1024, then->disk_bytes_written / 1024},
        {"CR3 writes", now->memory.root_loads, before->memory.root_loads},
        {"disk flushes", here->disk_flushes, then->disk_flushes},
    };

    print_heading("since boot", "total", "a second");
    print_gap();
    print_heading("since boot", "total", "a second");
    end_line();
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        print_count(counts[i].what, counts[i].now, counts[i].before, seconds);
        if (i % 2 == 0) {
            print_gap();
        } else {
            end_line();
        }
    }
}

static void print_screen(const struct look *now, const struct look *before)
{
    double passed = (double)(now->paging.uptime - before->paging.uptime);
    double idle = (double)(now->memory.idle_time - before->memory.idle_time);
    char text[80];

    lines = 0;
    _snprintf(text, sizeof text, "up %.1f s, %.1f %% idle, %lu processes, %lu threads, %lu handles",
              (double)now->paging.uptime / SECOND, passed > 0 ? 100 * idle / passed : 0.0,
              (unsigned long)now->memory.processes, (unsigned long)now->memory.threads,
              (unsigned long)now->paging.handles);
    printf("%-79s", text);
    end_line();
    print_frames(now);
    print_promises(now);
    print_traffic(now, before, passed / SECOND);
    fflush(stdout);
}

/* --- until Enter --- */

static volatile BOOL line_typed;

static DWORD WINAPI wait_for_line(void *unused)
{
    char byte = 0;
    DWORD done = 0;

    (void)unused;
    while (ReadFile(GetStdHandle(STD_INPUT_HANDLE), &byte, 1, &done, NULL) && done == 1) {
        if (byte == '\n' || byte == '\r') {
            line_typed = TRUE;
            break;
        }
    }
    return 0;
}

/* COUNT 0: until the input ends, else so many times. A line that is typed ends it in any case. */
static int watch(unsigned long count)
{
    HANDLE reader = CreateThread(NULL, 0, wait_for_line, NULL, 0, NULL);
    struct look now, before;

    memset(&before, 0, sizeof before);
    for (unsigned long round = 1;; round++) {
        if (!take_look(&now)) {
            return EXIT_NOT_TOLD;
        }
        if (round > 1) {
            printf("\033[%uA\r", lines); /* up to where the last one began */
        }
        print_screen(&now, &before);
        before = now;
        if (round == count) {
            return 0;
        }
        if (reader == NULL) {
            Sleep(INTERVAL_MS);
        } else if (WaitForSingleObject(reader, INTERVAL_MS) == WAIT_OBJECT_0) {
            if (line_typed || count == 0) {
                return 0;
            }
            CloseHandle(reader); /* the input has ended: it cannot be stopped by it any more */
            reader = NULL;
        }
    }
}

static int usage(const char *problem, const char *word)
{
    fprintf(stderr, "mem: %s%s\nusage: mem [-w [COUNT]]   (-w: again each second, until Enter)\n",
            problem, word);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    unsigned long count = 0;
    struct look now, boot;
    char *end = NULL;

    if (argc > 1 && strcmp(argv[1], "-w") != 0) {
        return usage("what is ", argv[1]);
    }
    if (argc > 3) {
        return usage("too much: ", argv[3]);
    }
    if (argc > 2) {
        count = strtoul(argv[2], &end, 10);
        if (count == 0 || *end != '\0' || argv[2][0] == '-') {
            return usage("no count: ", argv[2]);
        }
    }
    if (!take_look(&now)) {
        fprintf(stderr, "mem: this system does not tell (it is not Quire)\n");
        return EXIT_NOT_TOLD;
    }
    if (argc > 1) {
        return watch(count);
    }
    memset(&boot, 0, sizeof boot);
    print_screen(&now, &boot);
    return 0;
}
