/*
 * tests/user/tap.h: the frame of the Win32 test programs.
 *
 * Each program is one C file that plain `i686-w64-mingw32-gcc x.c -o x.exe` builds; it prints TAP
 * and must pass under Wine and on Quire alike. What is here: TAP lines, the native calls, catching
 * of faults in a stock program, children that are copies of the program with a role, and what
 * Quire alone can tell. Checks that Wine cannot pass are marked by how they are written:
 *
 *   ok(condition, name...)                     the same everywhere
 *   quire_only(condition, name...)             needs Quire's own calls: skipped under Wine, by name
 *   unlike_wine(condition, name...)            Wine does otherwise: skipped there, by name
 *   quire_differs(quire, wine, name...)        each system has its own expectation
 *
 * The conditions of the other system are not evaluated. Names begin with the fact's number.
 */
#ifndef TAP_H
#define TAP_H

#define WIN32_NO_STATUS
#include <windows.h>
#undef WIN32_NO_STATUS
#include <winternl.h>

#include <ntstatus.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../include/abi/quire.h"

#ifndef STATUS_NOT_SAME_OBJECT
#define STATUS_NOT_SAME_OBJECT ((NTSTATUS)0xC00001AC)
#endif

#define TAP_UNUSED __attribute__((unused))

/* --- The native calls, by GetProcAddress: a stock program is not linked with ntdll. --- */

struct section_basic {
    void *base;
    ULONG attributes;
    LARGE_INTEGER size;
};

struct object_basic {
    ULONG attributes;
    ACCESS_MASK access;
    ULONG handles;
    ULONG pointers;
    ULONG reserved[10];
};

#define NT_CALLS(X)                                                                                \
    X(NtClose, (HANDLE handle))                                                                    \
    X(NtCreateSection, (HANDLE * section, ACCESS_MASK access, OBJECT_ATTRIBUTES * attributes,      \
                        LARGE_INTEGER * size, ULONG protection, ULONG flags, HANDLE file))         \
    X(NtOpenSection, (HANDLE * section, ACCESS_MASK access, OBJECT_ATTRIBUTES * attributes))       \
    X(NtMapViewOfSection,                                                                          \
      (HANDLE section, HANDLE process, void **base, ULONG_PTR zero_bits, SIZE_T commit,            \
       LARGE_INTEGER *offset, SIZE_T *nbytes, ULONG inherit, ULONG type, ULONG protection))        \
    X(NtUnmapViewOfSection, (HANDLE process, void *base))                                          \
    X(NtFlushVirtualMemory,                                                                        \
      (HANDLE process, const void **base, SIZE_T *nbytes, IO_STATUS_BLOCK *io))                    \
    X(NtQuerySection, (HANDLE section, ULONG class, void *buffer, ULONG nbytes, ULONG *done))      \
    X(NtExtendSection, (HANDLE section, LARGE_INTEGER * size))                                     \
    X(NtAllocateVirtualMemory, (HANDLE process, void **base, ULONG_PTR zero_bits, SIZE_T *nbytes,  \
                                ULONG type, ULONG protection))                                     \
    X(NtFreeVirtualMemory, (HANDLE process, void **base, SIZE_T *nbytes, ULONG type))              \
    X(NtProtectVirtualMemory,                                                                      \
      (HANDLE process, void **base, SIZE_T *nbytes, ULONG protection, ULONG *old))                 \
    X(NtQueryVirtualMemory, (HANDLE process, const void *address, ULONG class, void *buffer,       \
                             SIZE_T nbytes, SIZE_T *done))                                         \
    X(NtQueryObject, (HANDLE handle, ULONG class, void *buffer, ULONG nbytes, ULONG *done))        \
    X(NtDuplicateObject, (HANDLE source_process, HANDLE source, HANDLE target_process,             \
                          HANDLE * target, ACCESS_MASK access, ULONG attributes, ULONG options))   \
    X(NtCompareObjects, (HANDLE one, HANDLE two))                                                  \
    X(NtCreateEvent, (HANDLE * event, ACCESS_MASK access, OBJECT_ATTRIBUTES * attributes,          \
                      ULONG type, BOOLEAN state))                                                  \
    X(NtQuerySystemInformation, (ULONG class, void *buffer, ULONG nbytes, ULONG *done))            \
    X(NtYieldExecution, (void))                                                                    \
    X(RtlNtStatusToDosError, (NTSTATUS status))

#define NT_DECLARE(name, arguments) static TAP_UNUSED NTSTATUS(NTAPI *p##name) arguments;
NT_CALLS(NT_DECLARE)

/* --- TAP --- */

static int tap_count;
static int tap_failures;
static NTSTATUS tap_status; /* of the last STATUS_IS */

static TAP_UNUSED void tap_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
static TAP_UNUSED void tap_print(const char *format, ...)
{
    va_list arguments;
    char line[1024];

    va_start(arguments, format);
    _vsnprintf(line, sizeof line - 2, format, arguments);
    va_end(arguments);
    line[sizeof line - 2] = '\0';
    strcat(line, "\n");
    fputs(line, stdout);
    fflush(stdout);
}

static int tap_check(int passed, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static int tap_check(int passed, const char *file, int line, const char *format, ...)
{
    DWORD error = GetLastError();
    va_list arguments;
    char name[512];

    va_start(arguments, format);
    _vsnprintf(name, sizeof name - 1, format, arguments);
    va_end(arguments);
    name[sizeof name - 1] = '\0';
    tap_print("%sok %d - %s", passed ? "" : "not ", ++tap_count, name);
    if (!passed) {
        tap_failures++;
        tap_print("# %s:%d: last error %lu, last status 0x%08lX", file, line, error,
                  (unsigned long)tap_status);
    }
    return passed;
}

static TAP_UNUSED void tap_skip(const char *reason, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static TAP_UNUSED void tap_skip(const char *reason, const char *format, ...)
{
    va_list arguments;
    char name[512];

    va_start(arguments, format);
    _vsnprintf(name, sizeof name - 1, format, arguments);
    va_end(arguments);
    name[sizeof name - 1] = '\0';
    tap_print("ok %d - %s # SKIP %s", ++tap_count, name, reason);
}

/* Skips several, whose names stand one a line in NAMES. */
static TAP_UNUSED void tap_skip_all(const char *reason, const char *names)
{
    while (*names != '\0') {
        int length = (int)strcspn(names, "\n");

        tap_skip(reason, "%.*s", length, names);
        names += length + (names[length] == '\n');
    }
}

#define ok(condition, ...) tap_check((condition) != 0, __FILE__, __LINE__, __VA_ARGS__)

#define tap_on_quire(reason, condition, ...)                                                       \
    do {                                                                                           \
        if (is_quire()) {                                                                          \
            ok(condition, __VA_ARGS__);                                                            \
        } else {                                                                                   \
            tap_skip(reason, __VA_ARGS__);                                                         \
        }                                                                                          \
    } while (0)

#define quire_only(condition, ...)  tap_on_quire("needs Quire's own calls", condition, __VA_ARGS__)
#define unlike_wine(condition, ...) tap_on_quire("Wine 8.0 does otherwise", condition, __VA_ARGS__)

#define quire_differs(quire, wine, ...)                                                            \
    do {                                                                                           \
        if (is_quire()) {                                                                          \
            ok(quire, __VA_ARGS__);                                                                \
        } else {                                                                                   \
            tap_print("# Wine does otherwise in the next one");                                    \
            ok(wine, __VA_ARGS__);                                                                 \
        }                                                                                          \
    } while (0)

/* A call that must fail: gives FALSE or NULL and sets this last error. */
#define FAILS(expression, error)                                                                   \
    (SetLastError(0xDEADBEEF), (expression) == 0 && GetLastError() == (DWORD)(error))

/* The same of a call that gives a file handle. */
#define FILE_FAILS(expression, error)                                                              \
    (SetLastError(0xDEADBEEF),                                                                     \
     (expression) == INVALID_HANDLE_VALUE && GetLastError() == (DWORD)(error))

#define STATUS_IS(expression, expected) ((tap_status = (expression)) == (expected))

static TAP_UNUSED BOOL is_quire(void)
{
    static int known = -1;
    struct quire_memory memory;

    if (known < 0) {
        known = pNtQuerySystemInformation(SYSTEM_QUIRE_MEMORY, &memory, sizeof memory, NULL) >= 0;
    }
    return known;
}

static LONG CALLBACK tap_handler(EXCEPTION_POINTERS *exception);

/* First of all, in children too. */
static TAP_UNUSED void tap_begin(void)
{
    HMODULE ntdll = GetModuleHandleA("ntdll.dll");

#define NT_FIND(name, arguments) p##name = (void *)GetProcAddress(ntdll, #name);
    NT_CALLS(NT_FIND)
    AddVectoredExceptionHandler(1, tap_handler);
}

/* Last: the exit code. */
static TAP_UNUSED int tap_end(void)
{
    tap_print("1..%d", tap_count);
    return tap_failures != 0;
}

/* --- Faults --- */

struct fault {
    DWORD code; /* 0: none */
    DWORD parameters;
    ULONG_PTR kind; /* 0 read, 1 write, 8 execute */
    ULONG_PTR address;
    NTSTATUS status; /* of an in-page error: why */
    ULONG_PTR eip;
};

static struct fault fault;         /* the last one that was caught */
static jmp_buf *volatile tap_jump; /* where it goes; NULL: none is expected */
static DWORD tap_thread;           /* in which thread */

static LONG CALLBACK tap_handler(EXCEPTION_POINTERS *exception)
{
    EXCEPTION_RECORD *record = exception->ExceptionRecord;
    jmp_buf *target = tap_jump;

    if (target == NULL || GetCurrentThreadId() != tap_thread) {
        return EXCEPTION_CONTINUE_SEARCH;
    }
    tap_jump = NULL;
    fault.code = record->ExceptionCode;
    fault.parameters = record->NumberParameters;
    fault.kind = record->NumberParameters > 0 ? record->ExceptionInformation[0] : 0;
    fault.address = record->NumberParameters > 1 ? record->ExceptionInformation[1] : 0;
    fault.status = (NTSTATUS)(record->NumberParameters > 2 ? record->ExceptionInformation[2] : 0);
    fault.eip = exception->ContextRecord->Eip;
    longjmp(*target, 1);
}

/* Calls FUNCTION; gives the code of the exception that ended it, or 0. May be nested. */
static TAP_UNUSED DWORD fault_in(void (*function)(void *), void *argument)
{
    jmp_buf *volatile outer = tap_jump;
    volatile DWORD outer_thread = tap_thread;
    jmp_buf here;

    memset(&fault, 0, sizeof fault);
    if (setjmp(here) == 0) {
        tap_thread = GetCurrentThreadId();
        tap_jump = &here;
        function(argument);
    }
    tap_jump = outer;
    tap_thread = outer_thread;
    return fault.code;
}

static TAP_UNUSED void tap_read(void *address)
{
    *(volatile unsigned char *)address;
}

static TAP_UNUSED void tap_write(void *address)
{
    *(volatile unsigned char *)address = 0xA5;
}

static TAP_UNUSED void tap_run(void *address)
{
    ((void (*)(void))address)();
}

/* The exception that reading, writing (0xA5), running there raises; 0: none. */
static TAP_UNUSED DWORD read_fault(const volatile void *address)
{
    return fault_in(tap_read, (void *)(ULONG_PTR)address);
}

static TAP_UNUSED DWORD write_fault(volatile void *address)
{
    return fault_in(tap_write, (void *)(ULONG_PTR)address);
}

static TAP_UNUSED DWORD run_fault(const void *address)
{
    return fault_in(tap_run, (void *)(ULONG_PTR)address);
}

#define AV ((DWORD)STATUS_ACCESS_VIOLATION)

/* Whether the last fault was an access violation of this kind at this address. */
static TAP_UNUSED BOOL fault_was(ULONG_PTR kind, const volatile void *address)
{
    return fault.code == AV && fault.parameters == 2 && fault.kind == kind &&
           fault.address == (ULONG_PTR)address;
}

/* --- Small helpers --- */

#define PAGE  0x1000u
#define CHUNK 0x200000u

static TAP_UNUSED HANDLE memory_section(DWORD protection, DWORD nbytes)
{
    return CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, protection, 0, nbytes, NULL);
}

static TAP_UNUSED MEMORY_BASIC_INFORMATION query(const volatile void *address)
{
    MEMORY_BASIC_INFORMATION information;

    memset(&information, 0xCC, sizeof information);
    if (VirtualQuery((const void *)(ULONG_PTR)address, &information, sizeof information) == 0) {
        memset(&information, 0xCC, sizeof information);
    }
    return information;
}

static TAP_UNUSED ACCESS_MASK granted(HANDLE handle)
{
    struct object_basic basic;

    memset(&basic, 0, sizeof basic);
    tap_status = pNtQueryObject(handle, 0, &basic, sizeof basic, NULL);
    return tap_status < 0 ? 0xFFFFFFFF : basic.access;
}

static TAP_UNUSED struct section_basic section_basic(HANDLE section)
{
    struct section_basic basic;

    memset(&basic, 0xCC, sizeof basic);
    tap_status = pNtQuerySection(section, 0, &basic, sizeof basic, NULL);
    return basic;
}

/* A name that no other run has; eight may be in use at once. */
static TAP_UNUSED const char *unique(const char *stem)
{
    static char names[8][64];
    static unsigned next;
    char *name = names[next++ % 8];

    _snprintf(name, sizeof names[0], "quire-%s-%lu", stem, GetCurrentProcessId());
    return name;
}

/* OBJECT_ATTRIBUTES for a name, valid until the next call. */
static TAP_UNUSED OBJECT_ATTRIBUTES *attributes_of(const WCHAR *name, ULONG flags)
{
    static OBJECT_ATTRIBUTES attributes;
    static UNICODE_STRING string;

    string.Buffer = (WCHAR *)(ULONG_PTR)name;
    string.Length = (USHORT)(wcslen(name) * sizeof(WCHAR));
    string.MaximumLength = string.Length;
    memset(&attributes, 0, sizeof attributes);
    attributes.Length = sizeof attributes;
    attributes.ObjectName = &string;
    attributes.Attributes = flags;
    return &attributes;
}

/* The path of a file that lies beside the program; the program itself for "". */
static TAP_UNUSED const char *beside(const char *name)
{
    static char paths[4][MAX_PATH];
    static unsigned next;
    char *path = paths[next++ % 4];
    char *slash;

    GetModuleFileNameA(NULL, path, MAX_PATH);
    if (name[0] != '\0') {
        slash = strrchr(path, '\\');
        strcpy(slash == NULL ? path : &slash[1], name);
    }
    return path;
}

static TAP_UNUSED HANDLE open_for(const char *path, DWORD access, DWORD share)
{
    return CreateFileA(path, access, share, NULL, OPEN_EXISTING, 0, NULL);
}

static TAP_UNUSED HANDLE open_file(const char *name)
{
    return open_for(beside(name), GENERIC_READ, FILE_SHARE_READ);
}

/* What tests/user/data.py puts at this offset of its files. */
static TAP_UNUSED unsigned char data_byte(DWORD offset)
{
    return (unsigned char)(offset * 7 + (offset >> 8) * 13 + (offset >> 16) * 31 + 5);
}

/* --- Children: the program itself with a role --- */

struct child {
    HANDLE process, thread;
    DWORD id;
};

static TAP_UNUSED BOOL start_child(struct child *child, BOOL inherit, DWORD flags,
                                   const char *format, ...) __attribute__((format(printf, 4, 5)));
static TAP_UNUSED BOOL start_child(struct child *child, BOOL inherit, DWORD flags,
                                   const char *format, ...)
{
    PROCESS_INFORMATION information;
    STARTUPINFOA startup;
    va_list arguments;
    char command[1024];
    int length;

    length = _snprintf(command, sizeof command, "\"%s\" ", beside(""));
    va_start(arguments, format);
    _vsnprintf(command + length, sizeof command - (size_t)length - 1, format, arguments);
    va_end(arguments);
    command[sizeof command - 1] = '\0';
    memset(&startup, 0, sizeof startup);
    memset(child, 0, sizeof *child);
    startup.cb = sizeof startup;
    if (!CreateProcessA(NULL, command, NULL, NULL, inherit, flags, NULL, NULL, &startup,
                        &information)) {
        return FALSE;
    }
    child->process = information.hProcess;
    child->thread = information.hThread;
    child->id = information.dwProcessId;
    return TRUE;
}

#define NOT_ENDED 0xEEEEEEEE

/* Waits for the child's end; its exit code, or NOT_ENDED after 30 seconds (it is ended then). */
static TAP_UNUSED DWORD end_child(struct child *child)
{
    DWORD code = NOT_ENDED;

    if (child->process == NULL) {
        return NOT_ENDED;
    }
    if (WaitForSingleObject(child->process, 30000) != WAIT_OBJECT_0) {
        TerminateProcess(child->process, 1);
    } else {
        GetExitCodeProcess(child->process, &code);
    }
    CloseHandle(child->process);
    CloseHandle(child->thread);
    return code;
}

/* Starts a child and waits for it. */
#define run_child(...)                                                                             \
    ({                                                                                             \
        struct child tap_child;                                                                    \
        start_child(&tap_child, __VA_ARGS__) ? end_child(&tap_child) : NOT_ENDED;                  \
    })

/* In a child: what must hold; else it ends with code 99 and says where. */
#define must(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            tap_print("# child: %s:%d: %s: last error %lu, last status 0x%08lX", __FILE__,         \
                      __LINE__, #condition, GetLastError(), (unsigned long)tap_status);            \
            ExitProcess(99);                                                                       \
        }                                                                                          \
    } while (0)

static TAP_UNUSED HANDLE handle_argument(const char *text)
{
    return (HANDLE)(ULONG_PTR)strtoul(text, NULL, 0);
}

/* --- What Quire alone tells --- */

static TAP_UNUSED struct quire_section_usage usage_of(HANDLE section)
{
    struct quire_section_usage usage;

    memset(&usage, 0xCC, sizeof usage);
    tap_status = pNtQuerySection(section, SECTION_QUIRE_USAGE, &usage, sizeof usage, NULL);
    return usage;
}

static TAP_UNUSED struct quire_frame frame_of(const volatile void *address)
{
    struct quire_frame frame;

    memset(&frame, 0xCC, sizeof frame);
    tap_status = pNtQueryVirtualMemory(GetCurrentProcess(), (const void *)(ULONG_PTR)address,
                                       MEMORY_QUIRE_FRAMES, &frame, sizeof frame, NULL);
    return frame;
}

/* 2 MiB chunks from ADDRESS's region that are shown through a linked table. */
static TAP_UNUSED DWORD linked_chunks(const volatile void *address)
{
    struct quire_region region;

    memset(&region, 0xCC, sizeof region);
    tap_status = pNtQueryVirtualMemory(GetCurrentProcess(), (const void *)(ULONG_PTR)address,
                                       MEMORY_QUIRE_REGIONS, &region, sizeof region, NULL);
    return region.linked_chunks;
}

static TAP_UNUSED struct quire_memory memory_now(void)
{
    struct quire_memory memory;

    memset(&memory, 0, sizeof memory);
    tap_status = pNtQuerySystemInformation(SYSTEM_QUIRE_MEMORY, &memory, sizeof memory, NULL);
    return memory;
}

static TAP_UNUSED struct quire_region_pages region_at(const volatile void *address)
{
    struct quire_region_pages pages;

    memset(&pages, 0xCC, sizeof pages);
    tap_status = pNtQueryVirtualMemory(GetCurrentProcess(), (const void *)(ULONG_PTR)address,
                                       MEMORY_QUIRE_REGION_PAGES, &pages, sizeof pages, NULL);
    return pages;
}

static TAP_UNUSED struct quire_paging paging_now(void)
{
    struct quire_paging paging;

    memset(&paging, 0xCC, sizeof paging);
    tap_status = pNtQuerySystemInformation(SYSTEM_QUIRE_PAGING, &paging, sizeof paging, NULL);
    return paging;
}

#endif
