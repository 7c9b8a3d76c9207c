/*
 * tests/user/sweep.c: every system call, with the 1st, 2nd, ... nth allocation of kernel memory,
 * charge and disk request that it asks for failing.
 *
 * A trial makes what a call needs, calls it by call(), and undoes what it did. The kernel (debug
 * kernels know SYSTEM_QUIRE_FAILURE) fails one request of that one call. n grows until the call no
 * longer asks for n. Each time the call must succeed all the same or give a documented status, and
 * afterwards kernel memory, charges, frames, objects and handles must be where they were before;
 * at the end of each kind of failure the memory manager audits itself. A system call of
 * abi/syscalls.def without a trial fails, so the list stays complete.
 *
 * time limit: 240 s
 */
#include "tap.h"

#define SYSCALL(number, name, nargs, text) SYS_##name = (number),
enum {
#include "../../include/abi/syscalls.def"
    SYS_END
};
#undef SYSCALL

#define NTH_MAX      400
#define SETTLE_TRIES 100
#define SELF         0xFFFFFFFFu /* NtCurrentProcess() */
#define THIS_THREAD  0xFFFFFFFEu /* NtCurrentThread() */
#define MIB          0x100000u

/* ---- the kernel's side ---- */

static NTSTATUS system_call(unsigned number, const void *arguments)
{
    NTSTATUS status;

    __asm__ volatile("call *0x7FFE0300"
                     : "=a"(status), "+d"(arguments)
                     : "a"(number)
                     : "ecx", "memory", "cc");
    return status;
}

static struct quire_failure order(struct quire_failure it)
{
    const DWORD arguments[] = {SYSTEM_QUIRE_FAILURE, (DWORD)(ULONG_PTR)&it, sizeof it, 0};

    tap_status = system_call(SYS_NtQuerySystemInformation, arguments);
    return it;
}

static struct quire_accounts accounts(void)
{
    return order((struct quire_failure){.order = QUIRE_FAILURE_ACCOUNTS}).accounts;
}

/* The accounts, once they are WANTED or nothing is on its way any more. */
static struct quire_accounts settled(const struct quire_accounts *wanted)
{
    struct quire_accounts now = accounts();

    for (unsigned i = 0; i < SETTLE_TRIES && memcmp(&now, wanted, sizeof now) != 0; i++) {
        Sleep(1);
        now = accounts();
    }
    return now;
}

/* ---- the call under test ---- */

static struct {
    unsigned number;    /* of the call in which something is to fail */
    unsigned kind, nth; /* nth 0: nothing */
    unsigned round;     /* the same once more, because something seemed lost */
    BOOL called;
    struct quire_failure result;
} plan;

static void begin_call(unsigned number)
{
    if (number == plan.number && plan.nth != 0 && !plan.called) {
        order(
            (struct quire_failure){.order = QUIRE_FAILURE_ARM, .kind = plan.kind, .nth = plan.nth});
    }
}

/* By itself only after calls that go on elsewhere. */
static void end_call(unsigned number)
{
    if (number == plan.number && plan.nth != 0 && !plan.called) {
        plan.result = order((struct quire_failure){.order = QUIRE_FAILURE_RESULT});
        plan.called = TRUE;
    }
}

static NTSTATUS perform(unsigned number, const DWORD *arguments)
{
    begin_call(number);
    NTSTATUS status = system_call(number, arguments);
    end_call(number);
    return status;
}

#define call(name, ...) perform(SYS_##name, (const DWORD[]){__VA_ARGS__})
#define TITLE           "%s: what it asks for fails in turn"
#define P(pointer)      ((DWORD)(ULONG_PTR)(pointer))
#define CLOSE(handle)   ((void)call(NtClose, P(handle)))

/* ---- what calls are given ---- */

static OBJECT_ATTRIBUTES unnamed = {.Length = sizeof unnamed};
static IO_STATUS_BLOCK io;
static LARGE_INTEGER zero; /* a wait that does not wait */
static unsigned char buffer[65536];
static WCHAR own_path[MAX_PATH + 8]; /* \??\C:\... of this program */
static WCHAR file_path[MAX_PATH + 8], directory_path[MAX_PATH + 8];
static WCHAR scratch_path[MAX_PATH + 8], new_path[MAX_PATH + 8]; /* one is there to be written */

static DWORD named(void)
{
    return P(attributes_of(L"\\BaseNamedObjects\\quire-sweep", OBJ_CASE_INSENSITIVE));
}

static DWORD file(const WCHAR *path)
{
    return P(attributes_of(path, OBJ_CASE_INSENSITIVE));
}

static HANDLE new_event(void)
{
    HANDLE event = NULL;

    call(NtCreateEvent, P(&event), EVENT_ALL_ACCESS, 0, 0, 1);
    return event;
}

static HANDLE open_path(const WCHAR *path)
{
    HANDLE handle = NULL;

    call(NtOpenFile, P(&handle), FILE_READ_DATA | FILE_EXECUTE | SYNCHRONIZE, file(path), P(&io),
         FILE_SHARE_READ, FILE_SYNCHRONOUS_IO_NONALERT);
    return handle;
}

static HANDLE new_section(DWORD nbytes)
{
    LARGE_INTEGER size = {.QuadPart = nbytes};
    HANDLE section = NULL;

    call(NtCreateSection, P(&section), SECTION_ALL_ACCESS, named(), P(&size), PAGE_READWRITE,
         SEC_COMMIT, 0);
    return section;
}

static HANDLE file_section(const WCHAR *path, DWORD protection, DWORD flags)
{
    HANDLE section = NULL, from = open_path(path);

    call(NtCreateSection, P(&section), SECTION_ALL_ACCESS & ~SECTION_EXTEND_SIZE, P(&unnamed), 0,
         protection, flags, P(from));
    CLOSE(from);
    return section;
}

static NTSTATUS map(HANDLE section, void **base, DWORD protection)
{
    SIZE_T nbytes = 0;

    *base = NULL;
    return call(NtMapViewOfSection, P(section), SELF, P(base), 0, 0, 0, P(&nbytes), 2, 0,
                protection);
}

static void unmap(void *base)
{
    call(NtUnmapViewOfSection, SELF, P(base));
}

static NTSTATUS allocate(void **base, SIZE_T nbytes, DWORD type)
{
    *base = NULL;
    return call(NtAllocateVirtualMemory, SELF, P(base), 0, P(&nbytes), type, PAGE_READWRITE);
}

static void release(void *base)
{
    SIZE_T nbytes = 0;

    call(NtFreeVirtualMemory, SELF, P(&base), P(&nbytes), MEM_RELEASE);
}

struct started {
    HANDLE process, thread;
};

/* A process that has not begun to run. FLAGS 4: it inherits handles. */
static NTSTATUS start_process(struct started *it, DWORD flags)
{
    struct {
        ULONG nbytes, attribute, size;
        const void *value;
        ULONG returned;
    } list = {sizeof list, 0x20005, (ULONG)(wcslen(own_path) * sizeof(WCHAR)), own_path, 0};
    DWORD parameters;

    __asm__("mov %%fs:0x30, %0; mov 0x10(%0), %0" : "=r"(parameters));
    return call(NtCreateUserProcess, P(&it->process), P(&it->thread), PROCESS_ALL_ACCESS,
                THREAD_ALL_ACCESS, 0, 0, flags, 1, parameters, 0, P(&list));
}

static NTSTATUS end_process(struct started *it)
{
    NTSTATUS status = call(NtTerminateProcess, P(it->process), 7);

    if (status < 0) {
        TerminateProcess(it->process, 7);
    }
    WaitForSingleObject(it->process, INFINITE);
    CLOSE(it->process);
    CLOSE(it->thread);
    return status;
}

static NTSTATUS start_thread(HANDLE *thread)
{
    return call(NtCreateThreadEx, P(thread), THREAD_ALL_ACCESS, 0, SELF, P(GetTickCount), 0, 1, 0,
                0, 0, 0);
}

static void end_thread(HANDLE thread)
{
    call(NtTerminateThread, P(thread), 7);
    WaitForSingleObject(thread, INFINITE);
    CLOSE(thread);
}

/* ---- handles and objects ---- */

static NTSTATUS try_close(void)
{
    HANDLE event = new_event();
    NTSTATUS status = call(NtClose, P(event));

    if (status < 0) {
        CloseHandle(event);
    }
    return status;
}

static NTSTATUS try_duplicate(void)
{
    HANDLE event = new_event(), copy;
    NTSTATUS status =
        call(NtDuplicateObject, SELF, P(event), SELF, P(&copy), 0, 0, DUPLICATE_SAME_ACCESS);

    if (status >= 0) {
        CLOSE(copy);
    }
    CLOSE(event);
    return status;
}

/* Into another process, so often that its table has to grow; every one of the calls may fail. */
static NTSTATUS try_duplicate_often(void)
{
    HANDLE event = new_event(), copy;
    struct started other;
    NTSTATUS status = start_process(&other, 0);

    if (status >= 0) {
        for (unsigned i = 0; i < 200 && status >= 0 && !plan.result.failed; i++) {
            plan.called = FALSE;
            status = call(NtDuplicateObject, SELF, P(event), P(other.process), P(&copy), 0, 0,
                          DUPLICATE_SAME_ACCESS);
        }
        end_process(&other);
    }
    CLOSE(event);
    return status;
}

/* The source is closed whatever happens, as in NT. */
static NTSTATUS try_move(void)
{
    HANDLE event = new_event(), copy;
    struct started other;
    NTSTATUS status = start_process(&other, 0);

    if (status >= 0) {
        status = call(NtDuplicateObject, SELF, P(event), P(other.process), P(&copy), 0, 0,
                      DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE);
        end_process(&other);
    }
    return status;
}

static NTSTATUS try_query_object(void)
{
    HANDLE section = new_section(PAGE);
    NTSTATUS status = call(NtQueryObject, P(section), 1, P(buffer), 512, 0);

    CLOSE(section);
    return status;
}

static NTSTATUS try_compare(void)
{
    HANDLE event = new_event();
    NTSTATUS status = call(NtCompareObjects, P(event), P(event));

    CLOSE(event);
    return status;
}

static NTSTATUS try_set_object(void)
{
    HANDLE event = new_event();
    const UCHAR flags[2] = {1, 0};
    NTSTATUS status = call(NtSetInformationObject, P(event), 4, P(flags), sizeof flags);

    CLOSE(event);
    return status;
}

/* ---- waiting ---- */

static NTSTATUS try_wait(void)
{
    HANDLE event = new_event();
    NTSTATUS status = call(NtWaitForSingleObject, P(event), FALSE, P(&zero));

    CLOSE(event);
    return status;
}

static NTSTATUS try_wait_long(void)
{
    LARGE_INTEGER soon = {.QuadPart = -10000};
    HANDLE event = NULL;

    call(NtCreateEvent, P(&event), EVENT_ALL_ACCESS, 0, 0, 0);
    NTSTATUS status = call(NtWaitForSingleObject, P(event), FALSE, P(&soon));
    CLOSE(event);
    return status;
}

static NTSTATUS try_wait_many(void)
{
    HANDLE events[MAXIMUM_WAIT_OBJECTS];

    for (unsigned i = 0; i < MAXIMUM_WAIT_OBJECTS; i++) {
        events[i] = new_event();
    }
    NTSTATUS status =
        call(NtWaitForMultipleObjects, MAXIMUM_WAIT_OBJECTS, P(events), 0, FALSE, P(&zero));
    for (unsigned i = 0; i < MAXIMUM_WAIT_OBJECTS; i++) {
        CLOSE(events[i]);
    }
    return status;
}

static NTSTATUS try_signal_and_wait(void)
{
    HANDLE event = new_event(), other = new_event();
    NTSTATUS status = call(NtSignalAndWaitForSingleObject, P(event), P(other), FALSE, P(&zero));

    CLOSE(event);
    CLOSE(other);
    return status;
}

static NTSTATUS try_delay(void)
{
    LARGE_INTEGER soon = {.QuadPart = -10000};

    return call(NtDelayExecution, FALSE, P(&soon));
}

static NTSTATUS try_yield(void)
{
    return call(NtYieldExecution, 0);
}

static NTSTATUS try_alert(void)
{
    return call(NtTestAlert, 0);
}

/* ---- sections and views ---- */

/* What a call gave; the handle that it made is closed. */
static NTSTATUS created(NTSTATUS status, const HANDLE *handle)
{
    if (status >= 0) {
        CLOSE(*handle);
    }
    return status;
}

static NTSTATUS try_create_section(void)
{
    LARGE_INTEGER size = {.QuadPart = 5 * MIB};
    HANDLE section = NULL;
    NTSTATUS status = call(NtCreateSection, P(&section), SECTION_ALL_ACCESS, named(), P(&size),
                           PAGE_READWRITE, SEC_COMMIT, 0);

    return created(status, &section);
}

static NTSTATUS try_create_reserve(void)
{
    LARGE_INTEGER size = {.QuadPart = 64 * MIB};
    HANDLE section = NULL;
    NTSTATUS status = call(NtCreateSection, P(&section), SECTION_ALL_ACCESS, P(&unnamed), P(&size),
                           PAGE_READWRITE, SEC_RESERVE, 0);

    return created(status, &section);
}

static NTSTATUS create_from(const WCHAR *path, DWORD protection, DWORD flags)
{
    HANDLE section = NULL, from = open_path(path);
    NTSTATUS status = call(NtCreateSection, P(&section), SECTION_ALL_ACCESS, P(&unnamed), 0,
                           protection, flags, P(from));

    CLOSE(from);
    return created(status, &section);
}

static NTSTATUS try_create_file_section(void)
{
    return create_from(file_path, PAGE_READONLY, SEC_COMMIT);
}

/* An image that nobody runs, so that its segment is made each time. */
static NTSTATUS try_create_image_section(void)
{
    return create_from(L"\\??\\C:\\quire\\programs\\demo.exe", PAGE_EXECUTE, SEC_IMAGE);
}

static NTSTATUS try_open_section(void)
{
    HANDLE section = new_section(PAGE), opened = NULL;
    NTSTATUS status = call(NtOpenSection, P(&opened), SECTION_ALL_ACCESS, named());

    created(status, &opened);
    CLOSE(section);
    return status;
}

static NTSTATUS map_and_unmap(HANDLE section, DWORD protection)
{
    void *base;
    NTSTATUS status = map(section, &base, protection);

    if (status >= 0) {
        unmap(base);
    }
    CLOSE(section);
    return status;
}

static NTSTATUS try_map(void)
{
    return map_and_unmap(new_section(5 * MIB), PAGE_READWRITE);
}

static NTSTATUS try_map_copy(void)
{
    return map_and_unmap(new_section(5 * MIB), PAGE_WRITECOPY);
}

static NTSTATUS try_map_file(void)
{
    return map_and_unmap(file_section(file_path, PAGE_READONLY, SEC_COMMIT), PAGE_READONLY);
}

static NTSTATUS try_map_image(void)
{
    return map_and_unmap(
        file_section(L"\\??\\C:\\quire\\programs\\demo.exe", PAGE_EXECUTE, SEC_IMAGE),
        PAGE_EXECUTE);
}

/* In another process, at a place where no table can be linked. */
static NTSTATUS try_map_elsewhere(void)
{
    HANDLE section = new_section(5 * MIB);
    SIZE_T nbytes = 0;
    void *base = (void *)0x20010000;
    struct started other;
    NTSTATUS status = start_process(&other, 0);

    if (status >= 0) {
        status = call(NtMapViewOfSection, P(section), P(other.process), P(&base), 0, 0, 0,
                      P(&nbytes), 2, 0, PAGE_READWRITE);
        end_process(&other);
    }
    CLOSE(section);
    return status;
}

static NTSTATUS try_unmap(void)
{
    HANDLE section = new_section(5 * MIB);
    void *base;

    map(section, &base, PAGE_READWRITE);
    memset(base, 1, 3 * PAGE);
    NTSTATUS status = call(NtUnmapViewOfSection, SELF, P(base));
    if (status < 0) {
        UnmapViewOfFile(base);
    }
    CLOSE(section);
    return status;
}

static NTSTATUS try_flush_view(void)
{
    HANDLE section = file_section(file_path, PAGE_READONLY, SEC_COMMIT);
    SIZE_T nbytes = 0;
    void *base;

    map(section, &base, PAGE_READONLY);
    void *start = base;
    NTSTATUS status = call(NtFlushVirtualMemory, SELF, P(&start), P(&nbytes), P(&io));
    unmap(base);
    CLOSE(section);
    return status;
}

static NTSTATUS try_query_section(void)
{
    HANDLE section = new_section(PAGE);
    NTSTATUS status = call(NtQuerySection, P(section), 0, P(buffer), 16, 0);

    CLOSE(section);
    return status;
}

static NTSTATUS try_extend(void)
{
    HANDLE section = NULL, from = open_path(file_path);
    LARGE_INTEGER size = {.QuadPart = 100}; /* it is larger already */

    call(NtCreateSection, P(&section), SECTION_ALL_ACCESS, P(&unnamed), 0, PAGE_READONLY,
         SEC_COMMIT, P(from));
    NTSTATUS status = call(NtExtendSection, P(section), P(&size));
    CLOSE(section);
    CLOSE(from);
    return status;
}

/* ---- memory ---- */

static NTSTATUS try_allocate(void)
{
    void *base;
    NTSTATUS status = allocate(&base, 5 * MIB, MEM_RESERVE | MEM_COMMIT);

    if (status >= 0) {
        release(base);
    }
    return status;
}

/* Pages in the middle of what is reserved. */
static NTSTATUS try_commit(void)
{
    SIZE_T nbytes = 2 * MIB;
    char *base;

    plan.called = TRUE; /* not this one */
    allocate((void **)&base, 5 * MIB, MEM_RESERVE);
    plan.called = FALSE;
    void *start = base + MIB;
    NTSTATUS status =
        call(NtAllocateVirtualMemory, SELF, P(&start), 0, P(&nbytes), MEM_COMMIT, PAGE_READWRITE);
    release(base);
    return status;
}

/* In another process, from the top. */
static NTSTATUS try_allocate_elsewhere(void)
{
    struct started other;
    SIZE_T nbytes = 4 * MIB;
    void *base = NULL;
    NTSTATUS status = start_process(&other, 0);

    if (status >= 0) {
        status = call(NtAllocateVirtualMemory, P(other.process), P(&base), 0, P(&nbytes),
                      MEM_RESERVE | MEM_COMMIT | MEM_TOP_DOWN, PAGE_EXECUTE_READWRITE);
        end_process(&other);
    }
    return status;
}

/* Pages of a section that has none. */
static NTSTATUS try_commit_view(void)
{
    LARGE_INTEGER size = {.QuadPart = 4 * MIB};
    HANDLE section = NULL;
    SIZE_T nbytes = 3 * MIB;
    char *base;

    call(NtCreateSection, P(&section), SECTION_ALL_ACCESS, P(&unnamed), P(&size), PAGE_READWRITE,
         SEC_RESERVE, 0);
    map(section, (void **)&base, PAGE_READWRITE);
    void *start = base + PAGE;
    NTSTATUS status =
        call(NtAllocateVirtualMemory, SELF, P(&start), 0, P(&nbytes), MEM_COMMIT, PAGE_READWRITE);
    unmap(base);
    CLOSE(section);
    return status;
}

static NTSTATUS try_release(void)
{
    SIZE_T nbytes = 0;
    void *base;

    allocate(&base, 5 * MIB, MEM_RESERVE | MEM_COMMIT);
    NTSTATUS status = call(NtFreeVirtualMemory, SELF, P(&base), P(&nbytes), MEM_RELEASE);
    if (status < 0) {
        VirtualFree(base, 0, MEM_RELEASE);
    }
    return status;
}

static NTSTATUS try_decommit(void)
{
    SIZE_T nbytes = MIB;
    char *base;

    allocate((void **)&base, 5 * MIB, MEM_RESERVE | MEM_COMMIT);
    base[2 * MIB] = 1;
    void *start = base + 3 * MIB / 2;
    NTSTATUS status = call(NtFreeVirtualMemory, SELF, P(&start), P(&nbytes), MEM_DECOMMIT);
    VirtualFree(base, 0, MEM_RELEASE);
    return status;
}

static NTSTATUS protect(char *start, SIZE_T nbytes, DWORD protection)
{
    void *at = start;
    DWORD old;

    return call(NtProtectVirtualMemory, SELF, P(&at), P(&nbytes), protection, P(&old));
}

static NTSTATUS try_protect(void)
{
    char *base;

    allocate((void **)&base, 5 * MIB, MEM_RESERVE | MEM_COMMIT);
    base[2 * MIB] = 1;
    NTSTATUS status = protect(base + 2 * MIB, 2 * PAGE, PAGE_READONLY);
    release(base);
    return status;
}

static NTSTATUS try_lock(void)
{
    SIZE_T nbytes = 4 * PAGE;
    char *base;

    allocate((void **)&base, 5 * MIB, MEM_RESERVE | MEM_COMMIT);
    void *at = base + 2 * MIB;
    NTSTATUS status = call(NtLockVirtualMemory, SELF, P(&at), P(&nbytes), 1);
    release(base);
    return status;
}

static NTSTATUS try_unlock(void)
{
    SIZE_T nbytes = 4 * PAGE;
    char *base;

    allocate((void **)&base, 5 * MIB, MEM_RESERVE | MEM_COMMIT);
    void *at = base + 2 * MIB;
    VirtualLock(at, nbytes);
    NTSTATUS status = call(NtUnlockVirtualMemory, SELF, P(&at), P(&nbytes), 1);
    release(base);
    return status;
}

/* A page of a linked table: it has to be unshared. */
static NTSTATUS try_protect_view(void)
{
    HANDLE section = new_section(4 * MIB);
    char *base;

    map(section, (void **)&base, PAGE_READWRITE);
    base[PAGE] = base[3 * MIB] = 1;
    NTSTATUS status = protect(base + PAGE, PAGE, PAGE_READWRITE | PAGE_GUARD);
    unmap(base);
    CLOSE(section);
    return status;
}

/* A page of an image becomes a copy. */
static NTSTATUS try_protect_image(void)
{
    HANDLE section = file_section(L"\\??\\C:\\quire\\programs\\demo.exe", PAGE_EXECUTE, SEC_IMAGE);
    char *base;

    map(section, (void **)&base, PAGE_EXECUTE_WRITECOPY);
    NTSTATUS status = protect(base + PAGE, PAGE, PAGE_EXECUTE_READWRITE);
    if (status >= 0) {
        base[PAGE] = 1;
    }
    unmap(base);
    CLOSE(section);
    return status;
}

/* To write-copy, which promises every page a copy. */
static NTSTATUS try_protect_copy(void)
{
    HANDLE section = new_section(4 * MIB);
    char *base;

    map(section, (void **)&base, PAGE_READWRITE);
    NTSTATUS status = protect(base, MIB, PAGE_WRITECOPY);
    unmap(base);
    CLOSE(section);
    return status;
}

static NTSTATUS query_memory(DWORD class, DWORD nbytes)
{
    return call(NtQueryVirtualMemory, SELF, P(buffer), class, P(buffer), nbytes, 0);
}

static NTSTATUS try_query_memory(void)
{
    return query_memory(0, sizeof(MEMORY_BASIC_INFORMATION));
}

static NTSTATUS try_query_regions(void)
{
    return call(NtQueryVirtualMemory, SELF, 0x10000, MEMORY_QUIRE_REGION_PAGES, P(buffer),
                sizeof buffer, 0);
}

static NTSTATUS try_query_frames(void)
{
    return query_memory(MEMORY_QUIRE_FRAMES, 8 * sizeof(struct quire_frame));
}

/* Memory that has never been touched: the call makes the pages. */
static NTSTATUS try_read_memory(void)
{
    SIZE_T done;
    void *base;

    allocate(&base, 4 * MIB, MEM_RESERVE | MEM_COMMIT);
    NTSTATUS status =
        call(NtReadVirtualMemory, SELF, P(base) + 2 * MIB - 100, P(buffer), 5000, P(&done));
    release(base);
    return status;
}

/* A view of a file of which nothing is in memory. */
static NTSTATUS try_read_view(void)
{
    HANDLE section = file_section(file_path, PAGE_READONLY, SEC_COMMIT);
    SIZE_T done;
    void *base;

    map(section, &base, PAGE_READONLY);
    NTSTATUS status =
        call(NtReadVirtualMemory, SELF, P(base) + 2 * MIB - 100, P(buffer), 5000, P(&done));
    unmap(base);
    CLOSE(section);
    return status;
}

static NTSTATUS try_write_memory(void)
{
    struct started other;
    SIZE_T nbytes = 4 * MIB, done;
    void *base = NULL;
    NTSTATUS status = start_process(&other, 0);

    if (status >= 0) {
        call(NtAllocateVirtualMemory, P(other.process), P(&base), 0, P(&nbytes),
             MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
        status = call(NtWriteVirtualMemory, P(other.process), P(base) + 2 * MIB - 100, P(buffer),
                      5000, P(&done));
        end_process(&other);
    }
    return status;
}

/* ---- events, mutexes, semaphores ---- */

static NTSTATUS try_create_event(void)
{
    HANDLE event = NULL;

    return created(call(NtCreateEvent, P(&event), EVENT_ALL_ACCESS, named(), 0, 0), &event);
}

static NTSTATUS try_open_event(void)
{
    HANDLE event = NULL, opened = NULL;

    call(NtCreateEvent, P(&event), EVENT_ALL_ACCESS, named(), 0, 0);
    NTSTATUS status = created(call(NtOpenEvent, P(&opened), EVENT_ALL_ACCESS, named()), &opened);
    CLOSE(event);
    return status;
}

#define TRY_ON_EVENT(function, name)                                                               \
    static NTSTATUS function(void)                                                                 \
    {                                                                                              \
        HANDLE event = new_event();                                                                \
        LONG before;                                                                               \
        NTSTATUS status = call(name, P(event), P(&before));                                        \
                                                                                                   \
        CLOSE(event);                                                                              \
        return status;                                                                             \
    }
TRY_ON_EVENT(try_set_event, NtSetEvent)
TRY_ON_EVENT(try_reset_event, NtResetEvent)
TRY_ON_EVENT(try_pulse_event, NtPulseEvent)

static NTSTATUS try_query_event(void)
{
    HANDLE event = new_event();
    NTSTATUS status = call(NtQueryEvent, P(event), 0, P(buffer), 8, 0);

    CLOSE(event);
    return status;
}

static NTSTATUS try_create_mutant(void)
{
    HANDLE mutant = NULL;

    return created(call(NtCreateMutant, P(&mutant), MUTEX_ALL_ACCESS, named(), TRUE), &mutant);
}

/* One of that name is there, and is opened. */
static NTSTATUS try_create_mutant_again(void)
{
    HANDLE first = NULL, second = NULL;

    plan.called = TRUE; /* not this one */
    call(NtCreateMutant, P(&first), MUTEX_ALL_ACCESS, named(), FALSE);
    plan.called = FALSE;
    NTSTATUS status = created(call(NtCreateMutant, P(&second), MUTEX_ALL_ACCESS,
                                   P(attributes_of(L"\\BaseNamedObjects\\quire-sweep",
                                                   OBJ_CASE_INSENSITIVE | OBJ_OPENIF)),
                                   FALSE),
                              &second);
    CLOSE(first);
    return status;
}

static NTSTATUS try_open_mutant(void)
{
    HANDLE mutant = NULL, opened = NULL;

    call(NtCreateMutant, P(&mutant), MUTEX_ALL_ACCESS, named(), FALSE);
    NTSTATUS status = created(call(NtOpenMutant, P(&opened), MUTEX_ALL_ACCESS, named()), &opened);
    CLOSE(mutant);
    return status;
}

static NTSTATUS try_release_mutant(void)
{
    HANDLE mutant = NULL;

    call(NtCreateMutant, P(&mutant), MUTEX_ALL_ACCESS, 0, TRUE);
    NTSTATUS status = call(NtReleaseMutant, P(mutant), 0);
    CLOSE(mutant);
    return status;
}

static NTSTATUS try_create_semaphore(void)
{
    HANDLE semaphore = NULL;

    return created(call(NtCreateSemaphore, P(&semaphore), SEMAPHORE_ALL_ACCESS, named(), 0, 2),
                   &semaphore);
}

static NTSTATUS try_open_semaphore(void)
{
    HANDLE semaphore = NULL, opened = NULL;

    call(NtCreateSemaphore, P(&semaphore), SEMAPHORE_ALL_ACCESS, named(), 0, 2);
    NTSTATUS status =
        created(call(NtOpenSemaphore, P(&opened), SEMAPHORE_ALL_ACCESS, named()), &opened);
    CLOSE(semaphore);
    return status;
}

static NTSTATUS try_release_semaphore(void)
{
    HANDLE semaphore = NULL;

    call(NtCreateSemaphore, P(&semaphore), SEMAPHORE_ALL_ACCESS, 0, 0, 2);
    NTSTATUS status = call(NtReleaseSemaphore, P(semaphore), 1, 0);
    CLOSE(semaphore);
    return status;
}

/* ---- files ---- */

static NTSTATUS try_create_file(void)
{
    HANDLE handle = NULL;

    return created(call(NtCreateFile, P(&handle), GENERIC_READ | SYNCHRONIZE, file(file_path),
                        P(&io), 0, 0, FILE_SHARE_READ, FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT, 0,
                        0),
                   &handle);
}

/* By a name below an open directory. */
static NTSTATUS try_create_file_below(void)
{
    HANDLE handle = NULL, directory = open_path(directory_path);
    OBJECT_ATTRIBUTES *below = attributes_of(L"large.bin", OBJ_CASE_INSENSITIVE);

    below->RootDirectory = directory;
    NTSTATUS status = call(NtCreateFile, P(&handle), GENERIC_READ | SYNCHRONIZE, P(below), P(&io),
                           0, 0, FILE_SHARE_READ, FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT, 0, 0);
    created(status, &handle);
    CLOSE(directory);
    return status;
}

static NTSTATUS try_open_file(void)
{
    HANDLE handle = NULL;

    return created(call(NtOpenFile, P(&handle), GENERIC_READ | SYNCHRONIZE, file(file_path), P(&io),
                        FILE_SHARE_READ, FILE_SYNCHRONOUS_IO_NONALERT),
                   &handle);
}

static NTSTATUS read_at(DWORD offset, DWORD nbytes)
{
    HANDLE from = open_path(file_path);
    LARGE_INTEGER at = {.QuadPart = offset};
    NTSTATUS status = call(NtReadFile, P(from), 0, 0, 0, P(&io), P(buffer), nbytes, P(&at), 0);

    CLOSE(from);
    return status;
}

static NTSTATUS try_read(void)
{
    return read_at(0, 20000);
}

/* So far into the file that its blocks are found by way of indirect ones. */
static NTSTATUS try_read_far(void)
{
    return read_at(5 * MIB + 1000, 60000);
}

/* The buffer is a write-copy view: its pages are read and copied while the file is. */
static NTSTATUS try_read_into_view(void)
{
    HANDLE from = open_path(file_path),
           section = file_section(file_path, PAGE_WRITECOPY, SEC_COMMIT);
    LARGE_INTEGER at = {.QuadPart = MIB};
    void *base;

    map(section, &base, PAGE_WRITECOPY);
    NTSTATUS status =
        call(NtReadFile, P(from), 0, 0, 0, P(&io), P(base) + 4 * MIB - 100, 5000, P(&at), 0);
    unmap(base);
    CLOSE(section);
    CLOSE(from);
    return status;
}

static NTSTATUS try_write(void)
{
    HANDLE to = NULL;

    call(NtCreateFile, P(&to), GENERIC_WRITE | SYNCHRONIZE, file(L"\\??\\NUL"), P(&io), 0, 0, 0,
         FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT, 0, 0);
    NTSTATUS status = call(NtWriteFile, P(to), 0, 0, 0, P(&io), P(buffer), 100, 0, 0);
    CLOSE(to);
    return status;
}

static NTSTATUS query_file(DWORD class, DWORD nbytes)
{
    HANDLE from = open_path(file_path);
    NTSTATUS status = call(NtQueryInformationFile, P(from), P(&io), P(buffer), nbytes, class);

    CLOSE(from);
    return status;
}

static NTSTATUS try_query_file(void)
{
    return query_file(5, 24); /* FileStandardInformation */
}

static NTSTATUS try_query_file_name(void)
{
    return query_file(9, 600); /* FileNameInformation */
}

static NTSTATUS try_set_file(void)
{
    HANDLE from = open_path(file_path);
    LARGE_INTEGER position = {.QuadPart = 7};
    NTSTATUS status = call(NtSetInformationFile, P(from), P(&io), P(&position), 8, 14);

    CLOSE(from);
    return status;
}

/* What it is given lies in a view of a file of which nothing is in memory. */
static NTSTATUS try_set_file_from_view(void)
{
    HANDLE from = open_path(file_path),
           section = file_section(file_path, PAGE_READONLY, SEC_COMMIT);
    void *base;

    map(section, &base, PAGE_READONLY);
    NTSTATUS status = call(NtSetInformationFile, P(from), P(&io), P(base) + 2 * MIB, 8, 14);
    unmap(base);
    CLOSE(section);
    CLOSE(from);
    return status == STATUS_INVALID_PARAMETER ? STATUS_SUCCESS : status; /* no position there */
}

static NTSTATUS try_list(void)
{
    static WCHAR text[] = L"*.bin";
    UNICODE_STRING pattern = {10, 10, text};
    HANDLE directory = open_path(directory_path);
    NTSTATUS status = call(NtQueryDirectoryFile, P(directory), 0, 0, 0, P(&io), P(buffer), 4096, 3,
                           FALSE, P(&pattern), TRUE);

    CLOSE(directory);
    return status;
}

static NTSTATUS try_query_volume(void)
{
    HANDLE from = open_path(file_path);
    NTSTATUS status = call(NtQueryVolumeInformationFile, P(from), P(&io), P(buffer), 24, 3);

    CLOSE(from);
    return status;
}

static NTSTATUS try_query_attributes(void)
{
    return call(NtQueryAttributesFile, file(file_path), P(buffer));
}

static NTSTATUS try_query_full_attributes(void)
{
    return call(NtQueryFullAttributesFile, file(file_path), P(buffer));
}

/*
 * Writing. What each trial changed it undoes and flushes, so that nothing of it is on its way when
 * the accounts are compared. The scratch file has 100 000 bytes.
 */
#define SCRATCH_BYTES 100000

static HANDLE open_scratch(void)
{
    HANDLE handle = NULL;

    call(NtOpenFile, P(&handle), GENERIC_READ | GENERIC_WRITE | DELETE | SYNCHRONIZE,
         file(scratch_path), P(&io), FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
         FILE_SYNCHRONOUS_IO_NONALERT);
    return handle;
}

static NTSTATUS set_scratch_size(HANDLE scratch, LONGLONG nbytes)
{
    LARGE_INTEGER size = {.QuadPart = nbytes};

    return call(NtSetInformationFile, P(scratch), P(&io), P(&size), 8, 20);
}

/* Closes the scratch file as it was before. */
static void close_scratch(HANDLE scratch)
{
    set_scratch_size(scratch, SCRATCH_BYTES);
    call(NtFlushBuffersFile, P(scratch), P(&io));
    CLOSE(scratch);
}

static NTSTATUS write_scratch(DWORD offset, DWORD nbytes)
{
    HANDLE scratch = open_scratch();
    LARGE_INTEGER at = {.QuadPart = offset};
    NTSTATUS status = call(NtWriteFile, P(scratch), 0, 0, 0, P(&io), P(buffer), nbytes, P(&at), 0);

    close_scratch(scratch);
    return status;
}

static NTSTATUS try_overwrite(void)
{
    return write_scratch(1000, 20000);
}

/* Pages and blocks that the file did not have, the first through an indirect block. */
static NTSTATUS try_write_longer(void)
{
    return write_scratch(SCRATCH_BYTES - 10, 30000);
}

static NTSTATUS try_write_behind_a_hole(void)
{
    return write_scratch(5 * MIB, 5000);
}

static NTSTATUS try_flush_file(void)
{
    HANDLE scratch = open_scratch();
    LARGE_INTEGER at = {.QuadPart = 50000};

    call(NtWriteFile, P(scratch), 0, 0, 0, P(&io), P(buffer), 9000, P(&at), 0);
    NTSTATUS status = call(NtFlushBuffersFile, P(scratch), P(&io));
    close_scratch(scratch);
    return status;
}

static NTSTATUS try_size(void)
{
    HANDLE scratch = open_scratch();
    NTSTATUS status = set_scratch_size(scratch, 40001);

    close_scratch(scratch);
    return status;
}

static NTSTATUS try_create_new_file(void)
{
    HANDLE handle = NULL;
    BOOLEAN yes = TRUE;
    NTSTATUS status =
        call(NtCreateFile, P(&handle), GENERIC_WRITE | DELETE | SYNCHRONIZE, file(new_path), P(&io),
             0, 0, FILE_SHARE_DELETE, FILE_CREATE, FILE_SYNCHRONOUS_IO_NONALERT, 0, 0);

    if (status >= 0) {
        call(NtSetInformationFile, P(handle), P(&io), P(&yes), 1, 13);
        CLOSE(handle);
    }
    HANDLE scratch = open_scratch();
    close_scratch(scratch);
    return status;
}

static NTSTATUS set_name(HANDLE scratch, const WCHAR *path)
{
    struct {
        BOOLEAN replace;
        HANDLE root;
        ULONG nbytes;
        WCHAR text[MAX_PATH + 8];
    } name = {.nbytes = (ULONG)(wcslen(path) * sizeof(WCHAR))};

    wcscpy(name.text, path);
    return call(NtSetInformationFile, P(scratch), P(&io), P(&name), 12 + name.nbytes, 10);
}

static NTSTATUS try_rename(void)
{
    HANDLE scratch = open_scratch();
    NTSTATUS status = set_name(scratch, new_path);

    set_name(scratch, scratch_path);
    close_scratch(scratch);
    return status;
}

static NTSTATUS try_flush_dirty_view(void)
{
    HANDLE scratch = open_scratch(), section = NULL;
    volatile unsigned char *base;
    void *start;
    SIZE_T nbytes = 0;

    call(NtCreateSection, P(&section), SECTION_ALL_ACCESS, P(&unnamed), 0, PAGE_READWRITE,
         SEC_COMMIT, P(scratch));
    map(section, &start, PAGE_READWRITE);
    base = start;
    base[0]++;
    base[0x8000]++;
    NTSTATUS status = call(NtFlushVirtualMemory, SELF, P(&start), P(&nbytes), P(&io));
    unmap((void *)base);
    CLOSE(section);
    close_scratch(scratch);
    return status;
}

/* The view goes in any case; what could not be written stays with the file. */
static NTSTATUS try_unmap_dirty_view(void)
{
    HANDLE scratch = open_scratch(), section = NULL;
    void *base;

    call(NtCreateSection, P(&section), SECTION_ALL_ACCESS, P(&unnamed), 0, PAGE_READWRITE,
         SEC_COMMIT, P(scratch));
    map(section, &base, PAGE_READWRITE);
    ((volatile unsigned char *)base)[0x3000]++;
    NTSTATUS status = call(NtUnmapViewOfSection, SELF, P(base));
    CLOSE(section);
    close_scratch(scratch);
    return status;
}

static NTSTATUS grow_section(BOOL later)
{
    HANDLE scratch = open_scratch(), section = NULL;
    LARGE_INTEGER size = {.QuadPart = 3 * MIB};
    NTSTATUS status = call(NtCreateSection, P(&section), SECTION_ALL_ACCESS, P(&unnamed),
                           later ? 0 : P(&size), PAGE_READWRITE, SEC_COMMIT, P(scratch));

    if (later) {
        status = call(NtExtendSection, P(section), P(&size));
    }
    if (section != NULL) {
        CLOSE(section);
    }
    close_scratch(scratch);
    return status;
}

static NTSTATUS try_grow_section(void)
{
    return grow_section(FALSE);
}

static NTSTATUS try_extend_file_section(void)
{
    return grow_section(TRUE);
}

static NTSTATUS lock_scratch(BOOL unlock)
{
    HANDLE scratch = open_scratch();
    LARGE_INTEGER at = {.QuadPart = 10}, nbytes = {.QuadPart = 100};
    NTSTATUS status =
        call(NtLockFile, P(scratch), 0, 0, 0, P(&io), P(&at), P(&nbytes), 0, TRUE, TRUE);

    if (unlock) {
        status = call(NtUnlockFile, P(scratch), P(&io), P(&at), P(&nbytes), 0);
    }
    CLOSE(scratch);
    return status;
}

static NTSTATUS try_lock_range(void)
{
    return lock_scratch(FALSE);
}

static NTSTATUS try_unlock_range(void)
{
    return lock_scratch(TRUE);
}

static void make_scratch(void)
{
    HANDLE handle = NULL;

    call(NtCreateFile, P(&handle), GENERIC_WRITE | SYNCHRONIZE, file(scratch_path), P(&io), 0, 0, 0,
         FILE_CREATE, FILE_SYNCHRONOUS_IO_NONALERT, 0, 0);
    for (DWORD at = 0; at < SCRATCH_BYTES; at += 50000) {
        LARGE_INTEGER offset = {.QuadPart = at};

        call(NtWriteFile, P(handle), 0, 0, 0, P(&io), P(buffer), 50000, P(&offset), 0);
    }
    CLOSE(handle);
}

/* ---- processes and threads ---- */

static NTSTATUS create_process(DWORD flags)
{
    struct started it;
    NTSTATUS status = start_process(&it, flags);

    if (status >= 0) {
        end_process(&it);
    }
    return status;
}

static NTSTATUS try_create_process(void)
{
    return create_process(0);
}

static NTSTATUS try_create_heir(void)
{
    HANDLE event = NULL;
    OBJECT_ATTRIBUTES inherited = {.Length = sizeof inherited, .Attributes = OBJ_INHERIT};

    call(NtCreateEvent, P(&event), EVENT_ALL_ACCESS, P(&inherited), 0, 0);
    NTSTATUS status = create_process(4);
    CLOSE(event);
    return status;
}

static HANDLE filler[2048];

/* Opens handles until the table has room for one more and would have to grow for two. */
static unsigned fill_handles(HANDLE event)
{
    struct quire_failure arm = {.order = QUIRE_FAILURE_ARM, .nth = 1};
    unsigned count = 0;
    BOOL is_full = FALSE;

    while (!is_full && count < sizeof filler / sizeof filler[0]) {
        const DWORD arguments[] = {
            SELF, P(event), SELF, P(&filler[count]), 0, 0, DUPLICATE_SAME_ACCESS};
        order(arm);
        is_full = system_call(SYS_NtDuplicateObject, arguments) < 0;
        order((struct quire_failure){.order = QUIRE_FAILURE_RESULT});
        count += !is_full;
    }
    CLOSE(filler[--count]);
    return count;
}

/*
 * The process's handle finds room and the thread's makes the table grow, for good: so the handles
 * are counted here, and the next round is an ordinary one.
 */
static NTSTATUS try_create_process_full(void)
{
    HANDLE event = new_event();
    DWORD before, after;
    unsigned count = plan.round == 0 ? fill_handles(event) : 0;

    GetProcessHandleCount(GetCurrentProcess(), &before);
    NTSTATUS status = create_process(0);
    GetProcessHandleCount(GetCurrentProcess(), &after);
    while (count > 0) {
        CLOSE(filler[--count]);
    }
    CLOSE(event);
    return before == after ? status : STATUS_HANDLE_NOT_CLOSABLE;
}

/* A program that is not in memory, and of which nobody has a section. */
static NTSTATUS try_create_other_process(void)
{
    WCHAR saved[MAX_PATH + 8];

    wcscpy(saved, own_path);
    wcscpy(own_path, L"\\??\\C:\\quire\\programs\\demo.exe");
    NTSTATUS status = try_create_process();
    wcscpy(own_path, saved);
    return status;
}

static NTSTATUS try_end_process(void)
{
    struct started it;
    NTSTATUS status = start_process(&it, 0);

    return status >= 0 ? end_process(&it) : status;
}

static NTSTATUS open_by_id(BOOL is_process)
{
    HANDLE handle = NULL;
    const DWORD process[] = {GetCurrentProcessId(), 0}, thread[] = {0, GetCurrentThreadId()};

    if (is_process) {
        return created(call(NtOpenProcess, P(&handle), PROCESS_ALL_ACCESS, P(&unnamed), P(process)),
                       &handle);
    }
    return created(call(NtOpenThread, P(&handle), THREAD_ALL_ACCESS, P(&unnamed), P(thread)),
                   &handle);
}

static NTSTATUS try_open_process(void)
{
    return open_by_id(TRUE);
}

static NTSTATUS try_open_thread(void)
{
    return open_by_id(FALSE);
}

static NTSTATUS try_query_process(void)
{
    return call(NtQueryInformationProcess, SELF, 43, P(buffer), 600, 0); /* its image's name */
}

static NTSTATUS try_set_process(void)
{
    const UCHAR class[2] = {0, 2}; /* normal */

    return call(NtSetInformationProcess, SELF, 18, P(class), sizeof class);
}

static NTSTATUS try_create_thread(void)
{
    HANDLE thread = NULL;
    NTSTATUS status = start_thread(&thread);

    if (status >= 0) {
        end_thread(thread);
    }
    return status;
}

/* In another process, with a stack of a given size. */
static NTSTATUS try_create_thread_elsewhere(void)
{
    HANDLE thread = NULL;
    struct started other;
    NTSTATUS status = start_process(&other, 0);

    if (status >= 0) {
        status = call(NtCreateThreadEx, P(&thread), THREAD_ALL_ACCESS, 0, P(other.process),
                      P(GetTickCount), 0, 1, 0, MIB, 4 * MIB, 0);
        if (status >= 0) {
            CLOSE(thread);
        }
        end_process(&other);
    }
    return status;
}

static NTSTATUS try_end_thread(void)
{
    HANDLE thread = NULL;

    start_thread(&thread);
    NTSTATUS status = call(NtTerminateThread, P(thread), 7);
    if (status < 0) {
        TerminateThread(thread, 7);
    }
    WaitForSingleObject(thread, INFINITE);
    CLOSE(thread);
    return status;
}

static NTSTATUS on_thread(NTSTATUS (*try)(HANDLE thread))
{
    HANDLE thread = NULL;

    start_thread(&thread);
    NTSTATUS status = try(thread);
    end_thread(thread);
    return status;
}

static NTSTATUS suspend(HANDLE thread)
{
    return call(NtSuspendThread, P(thread), 0);
}

static NTSTATUS resume(HANDLE thread)
{
    call(NtSuspendThread, P(thread), 0);
    return call(NtResumeThread, P(thread), 0);
}

static NTSTATUS query_thread(HANDLE thread)
{
    return call(NtQueryInformationThread, P(thread), 0, P(buffer), 28, 0);
}

static NTSTATUS set_thread(HANDLE thread)
{
    const LONG priority = 1;

    return call(NtSetInformationThread, P(thread), 3, P(&priority), sizeof priority);
}

static NTSTATUS get_context(HANDLE thread)
{
    static CONTEXT context;

    context.ContextFlags = CONTEXT_FULL;
    return call(NtGetContextThread, P(thread), P(&context));
}

static NTSTATUS set_context(HANDLE thread)
{
    static CONTEXT context;

    context.ContextFlags = CONTEXT_FULL;
    call(NtGetContextThread, P(thread), P(&context));
    return call(NtSetContextThread, P(thread), P(&context));
}

static NTSTATUS try_suspend(void)
{
    return on_thread(suspend);
}

static NTSTATUS try_resume(void)
{
    return on_thread(resume);
}

static NTSTATUS try_query_thread(void)
{
    return on_thread(query_thread);
}

static NTSTATUS try_set_thread(void)
{
    return on_thread(set_thread);
}

static NTSTATUS try_get_context(void)
{
    return on_thread(get_context);
}

static NTSTATUS try_set_context(void)
{
    return on_thread(set_context);
}

static NTSTATUS try_continue(void)
{
    static CONTEXT context;
    static volatile BOOL has_gone_on;
    NTSTATUS status = STATUS_SUCCESS;

    has_gone_on = FALSE;
    RtlCaptureContext(&context); /* where the call goes on, if it succeeds */
    if (!has_gone_on) {
        has_gone_on = TRUE;
        status = call(NtContinue, P(&context), FALSE);
    }
    end_call(SYS_NtContinue);
    return status;
}

static void raise(void *status)
{
    static CONTEXT context;
    static EXCEPTION_RECORD record;

    RtlCaptureContext(&context);
    record.ExceptionCode = 0xE0000001;
    *(NTSTATUS *)status = call(NtRaiseException, P(&record), P(&context), TRUE);
}

static NTSTATUS try_raise(void)
{
    NTSTATUS status = STATUS_SUCCESS;

    fault_in(raise, &status);
    end_call(SYS_NtRaiseException);
    return status;
}

/* ---- time, the system ---- */

static NTSTATUS try_time(void)
{
    return call(NtQuerySystemTime, P(buffer));
}

/* Memory that is committed and was never touched: the call touches it, which never fails. */
static NTSTATUS try_touch_private(void)
{
    void *base;

    allocate(&base, 4 * MIB, MEM_RESERVE | MEM_COMMIT);
    NTSTATUS status = call(NtQuerySystemTime, P(base) + 3 * MIB - 4);
    release(base);
    return status;
}

static NTSTATUS touch_view(DWORD protection)
{
    HANDLE section = new_section(4 * MIB);
    void *base;

    map(section, &base, protection);
    NTSTATUS status = call(NtQuerySystemTime, P(base) + 3 * MIB - 4);
    unmap(base);
    CLOSE(section);
    return status;
}

static NTSTATUS try_touch_view(void)
{
    return touch_view(PAGE_READWRITE);
}

static NTSTATUS try_touch_copy(void)
{
    return touch_view(PAGE_WRITECOPY);
}

static NTSTATUS try_counter(void)
{
    return call(NtQueryPerformanceCounter, P(buffer), P(buffer + 8));
}

static NTSTATUS try_query_system(void)
{
    return call(NtQuerySystemInformation, 5, P(buffer), 32768, 0); /* processes */
}

static NTSTATUS try_display(void)
{
    static WCHAR text[] = L"sweep\n";
    const UNICODE_STRING string = {12, 14, text};

    return call(NtDisplayString, P(&string));
}

/* A mebibyte more than it has; it keeps what it got. */
static NTSTATUS try_paging_file(void)
{
    static WCHAR text[] = L"\\??\\C:\\pagefile.sys";
    const UNICODE_STRING name = {sizeof text - 2, sizeof text, text};
    LARGE_INTEGER least, most = {.QuadPart = 160 * MIB};

    call(NtQuerySystemInformation, 18, P(buffer), sizeof buffer, 0); /* page files */
    least.QuadPart = ((ULONG *)(void *)buffer)[1] * (LONGLONG)PAGE + MIB;
    return call(NtCreatePagingFile, P(&name), P(&least), P(&most), 0);
}

/* A wrong action: with a right one there would be no more tests. */
static NTSTATUS try_shutdown(void)
{
    return call(NtShutdownSystem, 3);
}

/* ---- the sweep ---- */

#define NEVER_FAILS 1 /* whatever fails in it */

static const struct trial {
    unsigned number;
    NTSTATUS (*try)(void);
    NTSTATUS normal; /* below zero: what it gives when nothing fails; or NEVER_FAILS */
} trials[] = {
    {SYS_NtYieldExecution, try_yield, 0},
    {SYS_NtClose, try_close, 0},
    {SYS_NtDuplicateObject, try_duplicate, 0},
    {SYS_NtDuplicateObject, try_duplicate_often, 0},
    {SYS_NtDuplicateObject, try_move, 0},
    {SYS_NtQueryObject, try_query_object, 0},
    {SYS_NtCompareObjects, try_compare, 0},
    {SYS_NtWaitForSingleObject, try_wait, 0},
    {SYS_NtWaitForSingleObject, try_wait_long, 0},
    {SYS_NtWaitForMultipleObjects, try_wait_many, 0},
    {SYS_NtSignalAndWaitForSingleObject, try_signal_and_wait, 0},
    {SYS_NtCreateSection, try_create_section, 0},
    {SYS_NtCreateSection, try_create_reserve, 0},
    {SYS_NtCreateSection, try_create_file_section, 0},
    {SYS_NtCreateSection, try_create_image_section, 0},
    {SYS_NtOpenSection, try_open_section, 0},
    {SYS_NtMapViewOfSection, try_map, 0},
    {SYS_NtMapViewOfSection, try_map_copy, 0},
    {SYS_NtMapViewOfSection, try_map_file, 0},
    {SYS_NtMapViewOfSection, try_map_image, 0},
    {SYS_NtMapViewOfSection, try_map_elsewhere, 0},
    {SYS_NtUnmapViewOfSection, try_unmap, 0},
    {SYS_NtFlushVirtualMemory, try_flush_view, 0},
    {SYS_NtFlushVirtualMemory, try_flush_dirty_view, 0},
    {SYS_NtUnmapViewOfSection, try_unmap_dirty_view, 0},
    {SYS_NtCreateSection, try_grow_section, 0},
    {SYS_NtQuerySection, try_query_section, 0},
    {SYS_NtExtendSection, try_extend, 0},
    {SYS_NtExtendSection, try_extend_file_section, 0},
    {SYS_NtAllocateVirtualMemory, try_allocate, 0},
    {SYS_NtAllocateVirtualMemory, try_allocate_elsewhere, 0},
    {SYS_NtAllocateVirtualMemory, try_commit, 0},
    {SYS_NtAllocateVirtualMemory, try_commit_view, 0},
    {SYS_NtFreeVirtualMemory, try_release, 0},
    {SYS_NtFreeVirtualMemory, try_decommit, 0},
    {SYS_NtProtectVirtualMemory, try_protect, 0},
    {SYS_NtProtectVirtualMemory, try_protect_view, 0},
    {SYS_NtProtectVirtualMemory, try_protect_copy, 0},
    {SYS_NtProtectVirtualMemory, try_protect_image, 0},
    {SYS_NtQueryVirtualMemory, try_query_memory, 0},
    {SYS_NtQueryVirtualMemory, try_query_regions, 0},
    {SYS_NtQueryVirtualMemory, try_query_frames, 0},
    {SYS_NtReadVirtualMemory, try_read_memory, 0},
    {SYS_NtReadVirtualMemory, try_read_view, 0},
    {SYS_NtWriteVirtualMemory, try_write_memory, 0},
    {SYS_NtCreateEvent, try_create_event, 0},
    {SYS_NtOpenEvent, try_open_event, 0},
    {SYS_NtSetEvent, try_set_event, 0},
    {SYS_NtResetEvent, try_reset_event, 0},
    {SYS_NtPulseEvent, try_pulse_event, 0},
    {SYS_NtQueryEvent, try_query_event, 0},
    {SYS_NtCreateMutant, try_create_mutant, 0},
    {SYS_NtCreateMutant, try_create_mutant_again, 0},
    {SYS_NtOpenMutant, try_open_mutant, 0},
    {SYS_NtReleaseMutant, try_release_mutant, 0},
    {SYS_NtCreateSemaphore, try_create_semaphore, 0},
    {SYS_NtOpenSemaphore, try_open_semaphore, 0},
    {SYS_NtReleaseSemaphore, try_release_semaphore, 0},
    {SYS_NtCreateFile, try_create_file, 0},
    {SYS_NtCreateFile, try_create_file_below, 0},
    {SYS_NtCreateFile, try_create_new_file, 0},
    {SYS_NtOpenFile, try_open_file, 0},
    {SYS_NtReadFile, try_read, 0},
    {SYS_NtReadFile, try_read_far, 0},
    {SYS_NtReadFile, try_read_into_view, 0},
    {SYS_NtWriteFile, try_write, 0},
    {SYS_NtWriteFile, try_overwrite, 0},
    {SYS_NtWriteFile, try_write_longer, 0},
    {SYS_NtWriteFile, try_write_behind_a_hole, 0},
    {SYS_NtLockFile, try_lock_range, 0},
    {SYS_NtUnlockFile, try_unlock_range, 0},
    {SYS_NtQueryInformationFile, try_query_file, 0},
    {SYS_NtQueryInformationFile, try_query_file_name, 0},
    {SYS_NtSetInformationFile, try_set_file, 0},
    {SYS_NtSetInformationFile, try_set_file_from_view, 0},
    {SYS_NtSetInformationFile, try_size, 0},
    {SYS_NtSetInformationFile, try_rename, 0},
    {SYS_NtQueryDirectoryFile, try_list, 0},
    {SYS_NtQueryVolumeInformationFile, try_query_volume, 0},
    {SYS_NtQueryAttributesFile, try_query_attributes, 0},
    {SYS_NtQueryFullAttributesFile, try_query_full_attributes, 0},
    {SYS_NtFlushBuffersFile, try_flush_file, 0},
    {SYS_NtCreateUserProcess, try_create_process, 0},
    {SYS_NtCreateUserProcess, try_create_heir, 0},
    {SYS_NtCreateUserProcess, try_create_process_full, 0},
    {SYS_NtCreateUserProcess, try_create_other_process, 0},
    {SYS_NtOpenProcess, try_open_process, 0},
    {SYS_NtTerminateProcess, try_end_process, 0},
    {SYS_NtQueryInformationProcess, try_query_process, 0},
    {SYS_NtCreateThreadEx, try_create_thread, 0},
    {SYS_NtCreateThreadEx, try_create_thread_elsewhere, 0},
    {SYS_NtOpenThread, try_open_thread, 0},
    {SYS_NtTerminateThread, try_end_thread, 0},
    {SYS_NtSuspendThread, try_suspend, 0},
    {SYS_NtResumeThread, try_resume, 0},
    {SYS_NtQueryInformationThread, try_query_thread, 0},
    {SYS_NtSetInformationThread, try_set_thread, 0},
    {SYS_NtGetContextThread, try_get_context, 0},
    {SYS_NtSetContextThread, try_set_context, 0},
    {SYS_NtContinue, try_continue, 0},
    {SYS_NtRaiseException, try_raise, 0},
    {SYS_NtDelayExecution, try_delay, 0},
    {SYS_NtQuerySystemTime, try_time, 0},
    {SYS_NtQuerySystemTime, try_touch_private, NEVER_FAILS},
    {SYS_NtQuerySystemTime, try_touch_view, NEVER_FAILS},
    {SYS_NtQuerySystemTime, try_touch_copy, NEVER_FAILS},
    {SYS_NtQueryPerformanceCounter, try_counter, 0},
    {SYS_NtQuerySystemInformation, try_query_system, 0},
    {SYS_NtDisplayString, try_display, 0},
    {SYS_NtCreatePagingFile, try_paging_file, 0},
    {SYS_NtShutdownSystem, try_shutdown, STATUS_INVALID_PARAMETER},
    {SYS_NtTestAlert, try_alert, 0},
    {SYS_NtLockVirtualMemory, try_lock, 0},
    {SYS_NtUnlockVirtualMemory, try_unlock, 0},
    {SYS_NtSetInformationProcess, try_set_process, 0},
    {SYS_NtSetInformationObject, try_set_object, 0},
};

static const char *const kinds[] = {"allocation", "charge", "disk request"};

static BOOL is_documented(unsigned kind, NTSTATUS status)
{
    switch (status) {
    case STATUS_INSUFFICIENT_RESOURCES:
    case STATUS_NO_MEMORY:
    case STATUS_COMMITMENT_LIMIT:
        return kind != QUIRE_FAIL_DISK_REQUEST;
    case STATUS_IO_DEVICE_ERROR:
        return kind == QUIRE_FAIL_DISK_REQUEST;
    case STATUS_PARTIAL_COPY:
        return plan.number == SYS_NtReadVirtualMemory;
    case STATUS_IN_PAGE_ERROR: /* a page of a mapped file found no room, or could not be read */
        return TRUE;
    default:
        return FALSE;
    }
}

static unsigned problems;
static BOOL is_quiet; /* they are meant to be found */

static void print_loss(const struct quire_accounts *before, const struct quire_accounts *after)
{
    static const char *const names[] = {"pool objects",  "commit",  "resident-available",
                                        "active frames", "objects", "processes",
                                        "threads",       "handles"};
    const uint32_t *was = (const uint32_t *)before, *is = (const uint32_t *)after;

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (was[i] != is[i]) {
            tap_print("#   %s: %lu before, %lu after", names[i], (unsigned long)was[i],
                      (unsigned long)is[i]);
        }
    }
}

static void problem(const struct trial *trial, const char *what, NTSTATUS status)
{
    problems++;
    if (is_quiet) {
        return;
    }
    tap_print("# trial %u, %s %u: %s (status 0x%08lX)", (unsigned)(trial - trials),
              kinds[plan.kind], plan.nth, what, (unsigned long)status);
}

/* One try; whether something failed in it. */
static BOOL try_once(const struct trial *trial, unsigned kind, unsigned nth)
{
    plan.kind = kind;
    plan.nth = nth;
    plan.called = FALSE;
    memset(&plan.result, 0, sizeof plan.result);
    NTSTATUS status = trial->try();
    if (nth != 0 && !plan.called) {
        problem(trial, "the call was not made", status);
    } else if (status < 0 && status != trial->normal &&
               (trial->normal == NEVER_FAILS || !plan.result.failed ||
                !is_documented(kind, status))) {
        problem(trial, "not a documented status", status);
    }
    return plan.result.failed;
}

/*
 * The same, and nothing is lost. What is lost for good is lost each time: a page that the program
 * itself touched for the first time is not.
 */
static BOOL try_and_count(const struct trial *trial, unsigned kind, unsigned nth)
{
    struct quire_accounts before = {0}, after = {0};

    for (unsigned i = 0; i < 3; i++) {
        plan.round = i;
        before = accounts();
        BOOL has_failed = try_once(trial, kind, nth);
        after = settled(&before);
        if (memcmp(&before, &after, sizeof before) == 0) {
            return has_failed;
        }
    }
    problem(trial, "something is lost", 0);
    if (!is_quiet) {
        print_loss(&before, &after);
    }
    return plan.result.failed;
}

/* How many times something failed; the first problem ends it. */
static unsigned sweep(const struct trial *trial, unsigned kind)
{
    unsigned nth = 1, before = problems;

    while (nth < NTH_MAX && try_and_count(trial, kind, nth) && problems == before) {
        nth++;
    }
    if (nth == NTH_MAX) {
        problem(trial, "no end of it", 0);
    }
    uint32_t audit = order((struct quire_failure){.order = QUIRE_FAILURE_AUDIT}).audit;
    if (audit != 0) {
        problem(trial, "the audit found something", (NTSTATUS)audit);
    }
    return nth - 1;
}

static unsigned points[3];

/* Every trial of one system call. */
static void sweep_call(unsigned number, const char *name)
{
    unsigned count = 0, failed[3] = {0};

    problems = 0;
    plan.number = number;
    for (unsigned i = 0; i < sizeof trials / sizeof trials[0]; i++) {
        if (trials[i].number == number) {
            count++;
            try_once(&trials[i], 0, 0); /* as it is: the program's own pages are there then */
            for (unsigned kind = 0; kind < 3; kind++) {
                failed[kind] += sweep(&trials[i], kind);
            }
        }
    }
    ok(count != 0 && problems == 0, TITLE, name);
    tap_print("# %s: %u allocations, %u charges, %u disk requests", name, failed[0], failed[1],
              failed[2]);
    for (unsigned kind = 0; kind < 3; kind++) {
        points[kind] += failed[kind];
    }
}

/* ---- the sweep itself is tested ---- */

static HANDLE lost[16];
static unsigned nlost;

static NTSTATUS try_lose(void)
{
    lost[nlost++] = new_event();
    return STATUS_SUCCESS;
}

static NTSTATUS try_strange(void)
{
    HANDLE event = NULL;
    NTSTATUS status = call(NtCreateEvent, P(&event), EVENT_ALL_ACCESS, named(), 0, 0);

    return status < 0 ? STATUS_ACCESS_DENIED : created(status, &event);
}

static void check_the_check(void)
{
    const struct trial loses = {SYS_NtCreateEvent, try_lose, 0};
    const struct trial strange = {SYS_NtCreateEvent, try_strange, 0};

    plan.number = SYS_NtCreateEvent;
    problems = 0;
    is_quiet = TRUE;
    try_and_count(&loses, QUIRE_FAIL_ALLOCATION, 100);
    quire_only(problems == 1, "a handle that stays open is found");
    while (nlost > 0) {
        CLOSE(lost[--nlost]);
    }
    problems = 0;
    try_and_count(&strange, QUIRE_FAIL_ALLOCATION, 1);
    quire_only(problems == 1, "a status that is not documented is found");
    is_quiet = FALSE;
}

static void make_path(WCHAR *path, const char *name)
{
    wcscpy(path, L"\\??\\");
    MultiByteToWideChar(CP_ACP, 0, beside(name), -1, path + 4, MAX_PATH);
}

int main(void)
{
    static const char *const names[] = {
#define SYSCALL(number, name, nargs, text) [number] = #name,
#include "../../include/abi/syscalls.def"
#undef SYSCALL
    };

    tap_begin();
    if (is_quire()) {
        accounts();
        if (tap_status == STATUS_INVALID_INFO_CLASS) {
            tap_print("1..0 # SKIP only debug kernels let things fail on purpose");
            return 0;
        }
        make_path(own_path, "");
        make_path(file_path, "large.bin");
        make_path(directory_path, "large.bin");
        make_path(scratch_path, "scratch.bin");
        make_path(new_path, "new.bin");
        make_scratch();
        wcsrchr(directory_path, '\\')[0] = 0;
        check_the_check();
    } else {
        tap_skip_all("needs Quire's own calls", "a handle that stays open is found\n"
                                                "a status that is not documented is found");
    }
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i] == NULL) {
            continue;
        }
        if (is_quire()) {
            sweep_call(i, names[i]);
        } else {
            tap_skip("needs Quire's own calls", TITLE, names[i]);
        }
    }
    quire_only(tap_failures == 0 && points[0] > 100 && points[1] > 50 && points[2] > 20,
               "exhaustion at each allocation of each call, counters back where they were");
    tap_print("# %u points of failure: %u allocations, %u charges, %u disk requests",
              points[0] + points[1] + points[2], points[0], points[1], points[2]);
    return tap_end();
}
