/*
 * user/ntdll/start.c: the beginning and the end of processes and threads.
 *
 * Every thread comes in through LdrInitializeThunk (entry.asm). The first one sets the process up:
 * PEB fields, heap, the modules of the program and all it imports, their initialization. Others
 * wait until that is done, then tell the modules of themselves.
 *
 * When the program cannot be started, the process ends with the status of what failed, after one
 * line on standard error that names it.
 */
#include "user/ntdll/loader.h"

#include "abi/process.h"

_Static_assert(offsetof(struct nt_teb, deallocation_stack) ==
                   offsetof(struct teb, stack_allocation),
               "one layout");
_Static_assert(offsetof(struct nt_peb, tls_expansion_bitmap) ==
                   offsetof(struct peb, tls_expansion_bitmap),
               "one layout");
_Static_assert(offsetof(struct nt_process_parameters, environment_size) ==
                   offsetof(struct process_parameters, environment_size),
               "one layout");
_Static_assert(sizeof(struct nt_context) == sizeof(CONTEXT), "one layout");

enum { NOT_STARTED, STARTING, STARTED };

static volatile LONG process_state = NOT_STARTED;
static volatile bool ending;
static RTL_CRITICAL_SECTION peb_lock = {(void *)-1, -1, 0, NULL, NULL, 0};
static RTL_BITMAP tls_bitmap;
static RTL_BITMAP tls_expansion_bitmap;
static RTL_BITMAP fls_bitmap;

extern IMAGE_DOS_HEADER __ImageBase; /* ntdll's own, from the linker */

bool process_is_ending(void)
{
    return ending;
}

/*
 * Messages
 */

struct line {
    char text[512];
    ULONG length;
};

static void append(struct line *line, const char *text)
{
    while (*text && line->length < sizeof(line->text) - 1) {
        line->text[line->length++] = *text++;
    }
}

static void append_wide(struct line *line, const UNICODE_STRING *text)
{
    ULONG nbytes = 0;

    RtlUnicodeToUTF8N(line->text + line->length, sizeof(line->text) - 1 - line->length, &nbytes,
                      text->Buffer, text->Length);
    line->length += nbytes;
}

static const char *describe(NTSTATUS status)
{
    switch (status) {
    case STATUS_DLL_NOT_FOUND:
        return "was not found";
    case STATUS_INVALID_IMAGE_WIN_64:
        return "is a 64-bit image";
    case STATUS_INVALID_IMAGE_NOT_MZ:
        return "is not a PE image";
    case STATUS_INVALID_IMAGE_FORMAT:
        return "is damaged, or not an image for this system";
    case STATUS_NO_MEMORY:
    case STATUS_COMMITMENT_LIMIT:
        return "could not be loaded: there is not enough memory";
    default:
        return "could not be loaded";
    }
}

/* Ends the process with STATUS, having said on standard error what PROBLEM is. */
static void refuse(NTSTATUS status, const struct load_problem *problem, const struct module *failed)
{
    struct process_parameters *parameters = this_peb()->parameters;
    struct line line = {.length = 0};
    UNICODE_STRING name = parameters->image_path;
    IO_STATUS_BLOCK io;

    while (name.Length && name.Buffer[name.Length / sizeof(WCHAR) - 1] != L'\\') {
        name.Length -= sizeof(WCHAR);
    }
    name.Buffer += name.Length / sizeof(WCHAR);
    name.Length = (USHORT)(parameters->image_path.Length - name.Length);
    append(&line, "quire: ");
    append_wide(&line, &name);
    append(&line, ": ");
    if (failed) {
        append_wide(&line, &failed->entry.base_name);
        append(&line, " failed to initialize");
    } else if (problem->symbol[0]) {
        append(&line, "the import ");
        append(&line, problem->symbol);
        append(&line, " of ");
        append(&line, problem->library);
        append(&line, " does not exist");
    } else if (problem->library[0]) {
        append(&line, problem->library);
        append(&line, " ");
        append(&line, describe(status));
    } else {
        append(&line, "the program ");
        append(&line, describe(status));
    }
    if (problem->library[0] && problem->wanted_by.Buffer &&
        !RtlEqualUnicodeString(&problem->wanted_by, &name, TRUE)) {
        append(&line, " (wanted by ");
        append_wide(&line, &problem->wanted_by);
        append(&line, ")");
    }
    line.text[line.length++] = '\n';
    NtWriteFile(parameters->standard_error, NULL, NULL, NULL, &io, line.text, line.length, NULL,
                NULL);
    NtTerminateProcess(THIS_PROCESS, status);
}

/*
 * Start
 */

static void set_up_peb(struct peb *peb)
{
    modules_initialize(peb);
    peb->fast_lock = &peb_lock;
    RtlInitializeBitMap(&tls_bitmap, peb->tls_bitmap_bits, 64);
    RtlInitializeBitMap(&tls_expansion_bitmap, peb->tls_expansion_bits, 1024);
    RtlInitializeBitMap(&fls_bitmap, peb->fls_bitmap_bits, 128);
    peb->tls_bitmap = &tls_bitmap;
    peb->tls_expansion_bitmap = &tls_expansion_bitmap;
    peb->fls_bitmap = &fls_bitmap;
    peb->process_heap = RtlCreateHeap(HEAP_GROWABLE, NULL, 0, 0, NULL, NULL);
}

/* Makes the modules of the program and of ntdll, which the kernel has mapped. */
static NTSTATUS add_first_modules(struct peb *peb, struct module **program)
{
    UNICODE_STRING ntdll_path;
    struct module *ntdll;

    RtlInitUnicodeString(&ntdll_path, SYSTEM_DIRECTORY L"ntdll.dll");
    NTSTATUS status = module_add(peb->image_base, &peb->parameters->image_path, true, program);
    if (NT_SUCCESS(status)) {
        status = module_add(&__ImageBase, &ntdll_path, false, &ntdll);
    }
    return status;
}

static void start_process(void)
{
    struct peb *peb = this_peb();
    struct load_problem problem = {.library = ""};
    struct module *program;
    struct module *failed = NULL;

    set_up_peb(peb);
    NTSTATUS status = peb->process_heap ? add_first_modules(peb, &program) : STATUS_NO_MEMORY;
    if (NT_SUCCESS(status)) {
        RtlEnterCriticalSection(peb->loader_lock);
        status = image_relocate(program);
        if (NT_SUCCESS(status)) {
            status = import_all(program, 0, &problem);
        }
        if (NT_SUCCESS(status)) {
            status = tls_add_module(program);
        }
        modules_pin();
        if (NT_SUCCESS(status)) {
            status = tls_start_thread();
        }
        if (NT_SUCCESS(status)) {
            status = module_attach_all((void *)1, &failed);
        }
        if (NT_SUCCESS(status)) {
            tls_call(program, DLL_PROCESS_ATTACH, (void *)1);
        }
        RtlLeaveCriticalSection(peb->loader_lock);
    }
    if (!NT_SUCCESS(status)) {
        refuse(status, &problem, failed);
    }
}

static void start_thread(void)
{
    RtlEnterCriticalSection(this_peb()->loader_lock);
    if (NT_SUCCESS(tls_start_thread())) {
        modules_notify_thread(DLL_THREAD_ATTACH);
        RtlLeaveCriticalSection(this_peb()->loader_lock);
        return;
    }
    tls_end_thread();
    RtlLeaveCriticalSection(this_peb()->loader_lock);
    NtTerminateThread(THIS_THREAD, STATUS_NO_MEMORY);
}

/* Called by LdrInitializeThunk, before RtlUserThreadStart(start, argument). */
void __cdecl loader_start_thread(void *start, void *argument)
{
    LARGE_INTEGER pause = {.QuadPart = -10000};

    (void)start;
    (void)argument;
    if (InterlockedCompareExchange(&process_state, STARTING, NOT_STARTED) == NOT_STARTED) {
        start_process();
        process_state = STARTED;
        return;
    }
    while (process_state != STARTED) {
        NtDelayExecution(FALSE, &pause);
    }
    start_thread();
}

/*
 * End
 */

/* The calling thread leaves: modules first, then its TLS. */
NTSTATUS NTAPI LdrShutdownThread(void)
{
    struct teb *teb = this_teb();

    if (ending) {
        return STATUS_SUCCESS;
    }
    RtlEnterCriticalSection(this_peb()->loader_lock);
    modules_notify_thread(DLL_THREAD_DETACH);
    tls_end_thread();
    RtlLeaveCriticalSection(this_peb()->loader_lock);
    heap_give(teb->tls_expansion_slots);
    teb->tls_expansion_slots = NULL;
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI LdrShutdownProcess(void)
{
    if (!ending) {
        ending = true;
        modules_detach_all();
    }
    return STATUS_SUCCESS;
}

/*
 * Ends the process in order. The loader and the heap are locked while the other threads are ended,
 * so that both are whole when the modules are told.
 */
void NTAPI RtlExitUserProcess(NTSTATUS status)
{
    struct peb *peb = this_peb();

    RtlEnterCriticalSection(peb->loader_lock);
    RtlEnterCriticalSection(peb->fast_lock);
    RtlLockHeap(peb->process_heap);
    NtTerminateProcess(NULL, status);
    RtlUnlockHeap(peb->process_heap);
    RtlLeaveCriticalSection(peb->fast_lock);
    LdrShutdownProcess();
    for (;;) {
        NtTerminateProcess(THIS_PROCESS, status);
    }
}

/* Ends the thread in order, and with the last thread the process. */
void NTAPI RtlExitUserThread(NTSTATUS status)
{
    ULONG is_last = 0;

    if (NT_SUCCESS(NtQueryInformationThread(THIS_THREAD, (THREADINFOCLASS)NT_THREAD_AM_I_LAST,
                                            &is_last, sizeof(is_last), NULL)) &&
        is_last) {
        RtlExitUserProcess(status);
    }
    LdrShutdownThread();
    for (;;) {
        NtTerminateThread(THIS_THREAD, status);
    }
}

/* Frees the stack of a thread that has ended or never ran. */
void NTAPI RtlFreeUserThreadStack(HANDLE process, HANDLE thread)
{
    struct thread_basic_information info;
    void *stack = NULL;
    SIZE_T nbytes = 0;

    if (NT_SUCCESS(NtQueryInformationThread(thread, (THREADINFOCLASS)NT_THREAD_BASIC_INFORMATION,
                                            &info, sizeof(info), NULL)) &&
        info.teb &&
        NT_SUCCESS(NtReadVirtualMemory(process, &((struct teb *)info.teb)->stack_allocation, &stack,
                                       sizeof(stack), NULL)) &&
        stack) {
        NtFreeVirtualMemory(process, &stack, &nbytes, MEM_RELEASE);
    }
}

NTSTATUS NTAPI RtlCreateUserThread(HANDLE process, void *security, BOOLEAN suspended,
                                   ULONG zero_bits, SIZE_T reserve, SIZE_T commit, void *start,
                                   void *argument, HANDLE *thread, struct client_id *id)
{
    struct {
        SIZE_T nbytes;
        struct process_attribute attribute;
    } list = {sizeof(list), {ATTRIBUTE_CLIENT_ID, sizeof(struct client_id), {.out = id}, NULL}};
    OBJECT_ATTRIBUTES attributes = {.Length = sizeof(attributes), .SecurityDescriptor = security};
    HANDLE handle;
    NTSTATUS status = NtCreateThreadEx(&handle, THREAD_ALL_ACCESS, &attributes, process, start,
                                       argument, suspended ? THREAD_CREATE_SUSPENDED : 0, zero_bits,
                                       commit, reserve, id ? &list : NULL);

    if (NT_SUCCESS(status)) {
        if (thread) {
            *thread = handle;
        } else {
            NtClose(handle);
        }
    }
    return status;
}
