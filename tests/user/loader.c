/*
 * tests/user/loader.c: the loader as programs and debuggers see it: the lists of modules, DLLs
 * that come and go, what their entry points are told, thread-local data, where DLLs are found.
 */
#include "tap.h"

/* The loader's lists, by the documented part of LDR_DATA_TABLE_ENTRY and its old neighbours. */
struct entry {
    LIST_ENTRY load_links;
    LIST_ENTRY memory_links;
    LIST_ENTRY initialization_links;
    void *base;
    void *entry_point;
    ULONG size;
    UNICODE_STRING full_name;
    UNICODE_STRING base_name;
};

struct lists {
    ULONG length;
    ULONG initialized;
    HANDLE handle;
    LIST_ENTRY load;
    LIST_ENTRY memory;
    LIST_ENTRY initialization;
};

static struct lists *lists(void)
{
    struct lists **peb;

    __asm__("movl %%fs:0x30, %0" : "=r"(peb));
    return peb[3];
}

static struct entry *entry_of(void *base)
{
    LIST_ENTRY *head = &lists()->load;

    for (LIST_ENTRY *at = head->Flink; at != head; at = at->Flink) {
        if (((struct entry *)at)->base == base) {
            return (struct entry *)at;
        }
    }
    return NULL;
}

static int count_of(LIST_ENTRY *head)
{
    int count = 0;

    for (LIST_ENTRY *at = head->Flink; at != head && at->Flink->Blink == at; at = at->Flink) {
        count++;
    }
    return count;
}

static void test_lists(void)
{
    struct entry *program = (struct entry *)lists()->load.Flink;
    struct entry *ntdll = entry_of(GetModuleHandleA("ntdll.dll"));
    struct entry *kernel32 = entry_of(GetModuleHandleA("kernel32.dll"));

    ok(lists()->initialized, "lists: set up");
    ok(program->base == GetModuleHandleA(NULL), "lists: the program comes first");
    ok(ntdll && kernel32 && entry_of(GetModuleHandleA("msvcrt.dll")), "lists: the DLLs");
    ok(count_of(&lists()->load) == count_of(&lists()->memory),
       "lists: in load order and in memory order are the same modules");
    ok(kernel32 && kernel32->base_name.Length == 24 &&
           wcsnicmp(kernel32->base_name.Buffer, L"kernel32.dll", 12) == 0 &&
           kernel32->full_name.Length > 24 && kernel32->size >= 0x2000,
       "lists: names and size");
    ok(query(kernel32->base).AllocationBase == kernel32->base, "lists: the base");
}

/* The protection of a DLL's import address table; a store would have changed it (IMG06). */
static DWORD table_protection(const char *name)
{
    char *base = (char *)GetModuleHandleA(name);
    IMAGE_NT_HEADERS *headers = (IMAGE_NT_HEADERS *)(base + ((IMAGE_DOS_HEADER *)base)->e_lfanew);
    IMAGE_IMPORT_DESCRIPTOR *descriptor =
        (IMAGE_IMPORT_DESCRIPTOR *)(base + headers->OptionalHeader.DataDirectory[1].VirtualAddress);

    return query(base + descriptor->FirstThunk).Protect;
}

/* Our DLLs are bound to each other when they are built: nobody fills their tables. */
static void test_binding(void)
{
    quire_only(table_protection("kernel32.dll") == PAGE_WRITECOPY, "binding: kernel32's imports");
    quire_only(table_protection("msvcrt.dll") == PAGE_WRITECOPY, "binding: msvcrt's imports");
}

static const char *(*notes_to)(char *where);
static int *(*notes_value)(void);
static void *(*notes_self)(void);

static HMODULE load_notes(const char *path)
{
    HMODULE notes = LoadLibraryA(path);

    notes_to = (void *)GetProcAddress(notes, "notes_to");
    notes_value = (void *)GetProcAddress(notes, "notes_value");
    notes_self = (void *)GetProcAddress(notes, "notes_self");
    return notes;
}

static DWORD WINAPI change_value(void *first)
{
    *(int *)first = *notes_value();
    *notes_value() = 77;
    return *notes_value() == 77;
}

static DWORD run_thread(LPTHREAD_START_ROUTINE function, void *argument)
{
    DWORD result = 0;
    HANDLE thread = CreateThread(NULL, 0, function, argument, 0, NULL);

    WaitForSingleObject(thread, 10000);
    GetExitCodeThread(thread, &result);
    CloseHandle(thread);
    return result;
}

static DWORD WINAPI wait_there(void *event)
{
    SetEvent(((HANDLE *)event)[0]);
    WaitForSingleObject(((HANDLE *)event)[1], 10000);
    return *notes_value();
}

/* A thread that is older than the DLL has its block of thread-local data too. */
static void test_older_thread(void)
{
    HANDLE events[] = {CreateEventA(NULL, FALSE, FALSE, NULL),
                       CreateEventA(NULL, FALSE, FALSE, NULL)};
    HANDLE thread = CreateThread(NULL, 0, wait_there, events, 0, NULL);
    DWORD result = 0;

    WaitForSingleObject(events[0], 10000);
    HMODULE notes = load_notes(beside("notes.dll"));
    SetEvent(events[1]);
    WaitForSingleObject(thread, 10000);
    GetExitCodeThread(thread, &result);
    ok(result == 1234, "TLS: an older thread has the DLL's data");
    CloseHandle(thread);
    CloseHandle(events[0]);
    CloseHandle(events[1]);
    FreeLibrary(notes);
}

static void test_notes(void)
{
    char seen[64] = "";
    int first = 0;
    HMODULE notes = load_notes(beside("notes.dll"));

    if (!ok(notes != NULL && notes_to && notes_value && notes_self, "notes: loaded")) {
        return;
    }
    ok(strcmp(notes_to(seen), "VP") == 0, "notes: first the TLS callback, then DllMain");
    ok(*notes_value() == 1234, "TLS: begins as in the image");
    *notes_value() = 5;
    ok(run_thread(change_value, &first) && first == 1234, "TLS: another thread's begins so too");
    ok(*notes_value() == 5, "TLS: each thread has its own");
    ok(strcmp(seen, "TNwn") == 0 || strcmp(seen, "TNnw") == 0, "notes: of a thread, in order");
    ok(*(void **)notes_self() == notes_self(), "notes: a pointer to itself");

    ok(entry_of(notes) != NULL, "notes: in the lists");
    memset(seen, 0, sizeof seen);
    ok(FreeLibrary(notes), "notes: freed");
    ok(strchr(seen, 'p') && strchr(seen, 'v'), "notes: told of it");
    ok(entry_of(notes) == NULL, "notes: out of the lists");
    unlike_wine(query(notes).State == MEM_FREE, "notes: out of memory");
}

static void test_refusal(void)
{
    SetEnvironmentVariableA("NOTES_REFUSE", "1");
    SetLastError(0);
    ok(LoadLibraryA(beside("notes.dll")) == NULL && GetLastError() == ERROR_DLL_INIT_FAILED,
       "refusal: a DllMain that returns FALSE");
    ok(GetModuleHandleA("notes.dll") == NULL, "refusal: the DLL is gone");
    SetEnvironmentVariableA("NOTES_REFUSE", NULL);
}

/* Both images want the same base. */
static void test_rivals(void)
{
    HMODULE probe = LoadLibraryA(beside("probe.dll"));
    HMODULE notes = load_notes(beside("notes.dll"));

    ok(probe && notes && probe != notes, "rivals: two DLLs made for one base");
    ok(notes_self && *(void **)notes_self() == notes_self() &&
           query(notes_self()).AllocationBase == (void *)notes,
       "rivals: each has its own pointers");
    FreeLibrary(notes);
    FreeLibrary(probe);
}

static void test_forwarders(void)
{
    HMODULE kernel32 = GetModuleHandleA("kernel32"), ntdll = GetModuleHandleA("NTDLL.DLL");

    ok(GetProcAddress(kernel32, "HeapAlloc") == GetProcAddress(ntdll, "RtlAllocateHeap"),
       "forwarders: HeapAlloc is ntdll's");
    ok(GetProcAddress(kernel32, "EnterCriticalSection") ==
           GetProcAddress(ntdll, "RtlEnterCriticalSection"),
       "forwarders: EnterCriticalSection");
    SetLastError(0);
    ok(GetProcAddress(kernel32, "") == NULL, "exports: no name");
    ok(GetProcAddress(kernel32, (char *)0xFFF0) == NULL &&
           (GetLastError() == ERROR_INVALID_ORDINAL || GetLastError() == ERROR_PROC_NOT_FOUND),
       "exports: an ordinal that is not there");
    ok(GetProcAddress((HMODULE)0x12340000, "x") == NULL && GetLastError() == ERROR_MOD_NOT_FOUND,
       "exports: of no module");
}

static DWORD WINAPI count_up(void *total)
{
    for (int i = 0; i < 200; i++) {
        HMODULE probe = LoadLibraryA("probe.dll");
        if (probe && GetProcAddress(probe, "probe_add")) {
            InterlockedIncrement(total);
        }
        FreeLibrary(probe);
    }
    return 0;
}

/* Several threads load and free one DLL at once. */
static void test_crowd(void)
{
    HANDLE threads[4];
    volatile LONG total = 0;

    for (int i = 0; i < 4; i++) {
        threads[i] = CreateThread(NULL, 0, count_up, (void *)&total, 0, NULL);
    }
    ok(WaitForMultipleObjects(4, threads, TRUE, 60000) == WAIT_OBJECT_0 && total == 800,
       "crowd: four threads load and free it");
    for (int i = 0; i < 4; i++) {
        CloseHandle(threads[i]);
    }
    ok(GetModuleHandleA("probe.dll") == NULL, "crowd: gone at the end");
}

/* How a program of another name ends; what the loader says of it goes to our standard error. */
static DWORD end_of(const char *name)
{
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION process;
    DWORD code = 0;

    if (!CreateProcessA(beside(name), NULL, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &process)) {
        return GetLastError();
    }
    WaitForSingleObject(process.hProcess, 20000);
    GetExitCodeProcess(process.hProcess, &code);
    CloseHandle(process.hThread);
    CloseHandle(process.hProcess);
    return code;
}

/* Wine runs such programs until they call what is missing. */
static void test_missing(void)
{
    quire_only(end_of("import.bin") == (DWORD)STATUS_ENTRYPOINT_NOT_FOUND,
               "missing: a function that a DLL does not have");
    quire_only(end_of("library.bin") == (DWORD)STATUS_DLL_NOT_FOUND, "missing: a DLL");
}

int main(void)
{
    tap_begin();
    test_lists();
    test_binding();
    test_forwarders();
    test_notes();
    test_older_thread();
    test_refusal();
    test_rivals();
    test_crowd();
    test_missing();
    return tap_end();
}
