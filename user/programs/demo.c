/*
 * user/programs/demo.c: what Quire is for: two processes map one named section at different
 * addresses and see the same physical frames. Then a handle inherited, a handle duplicated with
 * less access, and the usage counter that lets a name go when nobody holds the section any more.
 *
 * An ordinary Win32 console program. It is both processes: A starts the program again as B, with
 * the section's name on the command line. The two take turns through a pair of events. Physical
 * frames and the usage counter come from Quire's own information classes (abi/quire.h); on
 * another system the demo runs too and says that they are not told there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "../../include/abi/quire.h"

#define SECTION_NAME "quire-demo"
#define NBYTES       0x400000u /* two chunks of 2 MiB */
#define PLACE        0x5000u   /* where in the section the two write */

typedef LONG(NTAPI *query_memory_t)(HANDLE, const void *, ULONG, void *, SIZE_T, SIZE_T *);
typedef LONG(NTAPI *query_section_t)(HANDLE, ULONG, void *, ULONG, ULONG *);

/* What both write into the section. */
struct page {
    char from_a[64];
    char from_b[64];
    DWORD address_of_b; /* where B mapped it */
    DWORD frame_of_b;   /* what lies behind that */
    DWORD handle;       /* duplicated for B */
    DWORD refused;      /* B's last error when it tried to write through that */
};

static void *native(const char *name)
{
    return (void *)GetProcAddress(GetModuleHandleA("ntdll.dll"), name);
}

/* The physical frame behind an address; FALSE when the system does not tell. */
static BOOL frame_behind(const void *address, DWORD *number)
{
    query_memory_t query = (query_memory_t)native("NtQueryVirtualMemory");
    struct quire_frame frame;

    if (query == NULL ||
        query(GetCurrentProcess(), address, MEMORY_QUIRE_FRAMES, &frame, sizeof frame, NULL) < 0) {
        return FALSE;
    }
    *number = frame.frame;
    return TRUE;
}

static void print_place(char who, const struct page *page, DWORD *number)
{
    DWORD address = (DWORD)(ULONG_PTR)page;

    if (frame_behind(page, number)) {
        printf("  %c  virtual address 0x%08lX   physical frame 0x%05lX\n", who, address, *number);
    } else {
        *number = 0;
        printf("  %c  virtual address 0x%08lX   (this system does not tell the frame)\n", who,
               address);
    }
}

static void print_usage(HANDLE section, const char *when)
{
    query_section_t query = (query_section_t)native("NtQuerySection");
    struct quire_section_usage usage;

    if (query == NULL || query(section, SECTION_QUIRE_USAGE, &usage, sizeof usage, NULL) < 0) {
        printf("  %-36s (this system does not tell the usage counter)\n", when);
        return;
    }
    printf("  %-36s %lu handle%s + %lu view%s = %lu\n", when, (unsigned long)usage.handles,
           usage.handles == 1 ? "" : "s", (unsigned long)usage.views, usage.views == 1 ? "" : "s",
           (unsigned long)usage.references);
}

/* Ends the program with the reason when something that must work does not. */
static void need(BOOL condition, const char *what)
{
    if (!condition) {
        printf("demo: %s failed, last error %lu\n", what, GetLastError());
        ExitProcess(1);
    }
}

/* The program once more, with a role. */
static HANDLE start(const char *role, BOOL inherit)
{
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION information;
    char path[MAX_PATH], command[MAX_PATH + 128];

    GetModuleFileNameA(NULL, path, sizeof path);
    _snprintf(command, sizeof command, "\"%s\" %s", path, role);
    need(CreateProcessA(NULL, command, NULL, NULL, inherit, 0, NULL, NULL, &startup, &information),
         "CreateProcess");
    CloseHandle(information.hThread);
    return information.hProcess;
}

static void finish(HANDLE process)
{
    DWORD code = 1;

    need(WaitForSingleObject(process, 30000) == WAIT_OBJECT_0, "waiting for the other process");
    GetExitCodeProcess(process, &code);
    need(code == 0, "the other process");
    CloseHandle(process);
}

/* Process B: opens the section by its name, maps it where A did not, answers. */
static int process_b(char *address_of_a)
{
    HANDLE section = OpenFileMappingA(FILE_MAP_ALL_ACCESS, FALSE, SECTION_NAME);
    HANDLE told = OpenEventA(EVENT_ALL_ACCESS, FALSE, SECTION_NAME "-told");
    HANDLE answered = OpenEventA(EVENT_ALL_ACCESS, FALSE, SECTION_NAME "-answered");
    struct page *page;
    char *view;

    need(section != NULL && told != NULL && answered != NULL, "OpenFileMapping");
    VirtualAlloc(address_of_a, 1, MEM_RESERVE, PAGE_NOACCESS); /* not at that address here */
    view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    need(view != NULL, "MapViewOfFile");
    page = (struct page *)(view + PLACE);
    printf("B (process %lu) opens \"%s\" by its name and maps it\n", GetCurrentProcessId(),
           SECTION_NAME);
    printf("  B  reads: %s\n", page->from_a);
    strcpy(page->from_b, "yes, and here is the answer from B");
    page->address_of_b = (DWORD)(ULONG_PTR)page;
    print_place('B', page, &page->frame_of_b);
    fflush(stdout);
    SetEvent(answered);

    WaitForSingleObject(told, 30000); /* A has duplicated a handle into this process */
    SetLastError(0);
    if (MapViewOfFile((HANDLE)(ULONG_PTR)page->handle, FILE_MAP_WRITE, 0, 0, 0) == NULL) {
        page->refused = GetLastError();
    }
    need(MapViewOfFile((HANDLE)(ULONG_PTR)page->handle, FILE_MAP_READ, 0, 0, 0) != NULL,
         "a view to read through the duplicated handle");
    SetEvent(answered);
    WaitForSingleObject(told, 30000);
    return 0;
}

/* Process C: has the handle by inheritance, under the same value. */
static int process_c(HANDLE section)
{
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);

    need(view != NULL, "MapViewOfFile of the inherited handle");
    printf("  C (process %lu) inherited handle 0x%lX and reads: %s\n", GetCurrentProcessId(),
           (DWORD)(ULONG_PTR)section, view);
    strcpy(view, "greetings from C, through the handle it inherited");
    return 0;
}

static HANDLE shared_section;
static struct page *shared;
static HANDLE told, answered;

static void show_sharing(HANDLE *b)
{
    char role[64];
    DWORD frame = 0;
    char *view;

    printf("\nOne section, two processes\n");
    shared_section =
        CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, NBYTES, SECTION_NAME);
    need(shared_section != NULL, "CreateFileMapping");
    need(GetLastError() != ERROR_ALREADY_EXISTS, "making a section that is not there yet");
    view = MapViewOfFile(shared_section, FILE_MAP_WRITE, 0, 0, 0);
    need(view != NULL, "MapViewOfFile");
    shared = (struct page *)(view + PLACE);
    printf("A (process %lu) makes the section \"%s\" of %u KiB and maps it\n",
           GetCurrentProcessId(), SECTION_NAME, NBYTES / 1024);
    strcpy(shared->from_a, "hello from A, do you see this?");
    printf("  A  writes: %s\n", shared->from_a);
    print_place('A', shared, &frame);
    fflush(stdout);

    sprintf(role, "--process-b 0x%lX", (DWORD)(ULONG_PTR)view);
    *b = start(role, FALSE);
    need(WaitForSingleObject(answered, 30000) == WAIT_OBJECT_0, "waiting for B");
    printf("  A  reads: %s\n", shared->from_b);
    printf("=> different addresses: %s; the same frame: %s\n",
           (DWORD)(ULONG_PTR)shared != shared->address_of_b ? "yes" : "NO",
           frame == 0                    ? "not told"
           : frame == shared->frame_of_b ? "yes"
                                         : "NO");
}

static void show_inheritance(void)
{
    SECURITY_ATTRIBUTES inheritable = {sizeof inheritable, NULL, TRUE};
    HANDLE section =
        CreateFileMappingA(INVALID_HANDLE_VALUE, &inheritable, PAGE_READWRITE, 0, 0x1000, NULL);
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    char role[64];

    printf("\nInheritance: a section without a name\n");
    need(view != NULL, "MapViewOfFile");
    strcpy(view, "left by A for its child");
    fflush(stdout);
    sprintf(role, "--process-c 0x%lX", (DWORD)(ULONG_PTR)section);
    finish(start(role, TRUE));
    printf("  A  reads: %s\n", view);
    UnmapViewOfFile(view);
    CloseHandle(section);
}

static void show_duplication(HANDLE b)
{
    HANDLE there = NULL;

    printf("\nDuplication: A gives B a second handle, to read only\n");
    need(DuplicateHandle(GetCurrentProcess(), shared_section, b, &there, FILE_MAP_READ, FALSE, 0),
         "DuplicateHandle");
    shared->handle = (DWORD)(ULONG_PTR)there;
    SetEvent(told);
    need(WaitForSingleObject(answered, 30000) == WAIT_OBJECT_0, "waiting for B");
    printf("  B maps it to read: yes; to write: %s (error %lu)\n",
           shared->refused == ERROR_ACCESS_DENIED ? "refused, access is denied" : "NOT REFUSED",
           shared->refused);
}

static void show_the_end(HANDLE b)
{
    HANDLE again;
    BOOL kept;

    printf("\nThe usage counter: handles and views of all processes together\n");
    print_usage(shared_section, "A and B hold the section:");
    SetEvent(told);
    finish(b);
    print_usage(shared_section, "B has ended:");
    CloseHandle(shared_section);
    again = OpenFileMappingA(FILE_MAP_ALL_ACCESS, FALSE, SECTION_NAME);
    kept = again != NULL;
    if (kept) {
        print_usage(again, "A closed its handle, opened it anew:");
        CloseHandle(again);
    }
    printf("  A's last handle closed: the view %s\n",
           kept ? "keeps the name" : "does not keep the name on this system");
    UnmapViewOfFile(shared);
    again = OpenFileMappingA(FILE_MAP_READ, FALSE, SECTION_NAME);
    printf("  A's view unmapped: the counter is 0, \"%s\" %s\n", SECTION_NAME,
           again == NULL ? "is gone (error 2: not found)" : "IS STILL THERE");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    HANDLE b;

    if (argc == 3) {
        char *value = (char *)(ULONG_PTR)strtoul(argv[2], NULL, 0);

        return strcmp(argv[1], "--process-b") == 0 ? process_b(value) : process_c((HANDLE)value);
    }
    told = CreateEventA(NULL, FALSE, FALSE, SECTION_NAME "-told");
    answered = CreateEventA(NULL, FALSE, FALSE, SECTION_NAME "-answered");
    show_sharing(&b);
    show_inheritance();
    show_duplication(b);
    show_the_end(b);
    return 0;
}
