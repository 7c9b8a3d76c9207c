/*
 * tests/kernel/test_failures.c: system calls whose nth allocation or charge fails, for every n.
 *
 * The test's own thread stands in for a thread of a process: it borrows that one's identity and
 * address space and calls the system calls' functions, so that nothing but the call allocates
 * meanwhile. Every call either succeeds, and is undone, or gives one of the documented statuses;
 * it has then opened no handle, and the accounts that are taken around each test show what it lost.
 */
#include "abi/constants.h"
#include "abi/process.h"
#include "fs/file.h"
#include "fs/volume.h"
#include "kernel/failpoint.h"
#include "kernel/log.h"
#include "kernel/string.h"
#include "kernel/usercopy.h"
#include "mm/pool.h"
#include "mm/space.h"
#include "mm/virtual.h"
#include "selftest.h"
#include "sys/calls.h"
#include "sys/process.h"

#define MEMORY_BASE   0x10000000u
#define MEMORY_NBYTES 0x10000u
#define POINTS_MAX    300u
#define ENOUGH        8u /* so many successes in a row: nothing is left that could fail */
#define PROGRAM       u"\\??\\C:\\quire\\programs\\demo.exe"
#define PROGRAM_ASCII "C:\\quire\\programs\\demo.exe"
#define NAME          u"\\BaseNamedObjects\\failing"

/* Whom the test's thread stands in for, and what the calls get. */
static struct {
    struct process *process;
    struct user_thread *thread;
    uint32_t used; /* bytes of its memory */
    uint32_t targets[2];
    uint32_t attributes; /* OBJECT_ATTRIBUTES of PROGRAM, then of NAME */
    uint32_t named;
    uint32_t status_block;
    uint32_t section;
    uint32_t range[2]; /* base and size of a view */
    uint32_t parameters, list;
    struct process *other;
    uint32_t other_handle;
} caller;

/* ---- the caller -------------------------------------------------------------------------------
 */

/* NBYTES in the caller's memory: a copy of DATA, or zeroes; the address. */
static uint32_t put(const void *data, uint32_t nbytes)
{
    uaddr_t address = {MEMORY_BASE + caller.used};
    caller.used += (nbytes + 7u) & ~7u;
    EXPECT_STATUS(user_fill(address, 0, nbytes), STATUS_SUCCESS);
    if (data != NULL) {
        EXPECT_STATUS(copy_to_user(address, data, nbytes), STATUS_SUCCESS);
    }
    return address.v;
}

static uint32_t get(uint32_t address)
{
    uint32_t word = 0;
    EXPECT_STATUS(user_read_u32((uaddr_t){address}, &word), STATUS_SUCCESS);
    return word;
}

static uint32_t put_attributes(const uint16_t *text, uint32_t nbytes)
{
    const struct nt_unicode_string string = {(uint16_t)nbytes, (uint16_t)nbytes, put(text, nbytes)};
    const struct nt_object_attributes attributes = {.length = sizeof(attributes),
                                                    .object_name = put(&string, sizeof(string))};
    return put(&attributes, sizeof(attributes));
}

static void put_program(void)
{
    static const uint16_t command_line[] = u"demo";
    struct nt_process_parameters *parameters = mm_allocate(sizeof(*parameters));
    const struct nt_attribute_list list = {
        sizeof(list),
        {{NT_ATTRIBUTE_IMAGE_NAME, sizeof(PROGRAM) - 2, put(PROGRAM, sizeof(PROGRAM)), 0}}};
    REQUIRE(parameters != NULL);
    parameters->flags = NT_PARAMETERS_NORMALIZED;
    parameters->command_line = (struct nt_unicode_string){
        sizeof(command_line) - 2, sizeof(command_line), put(command_line, sizeof(command_line))};
    caller.parameters = put(parameters, sizeof(*parameters));
    caller.list = put(&list, sizeof(list));
    mm_free(parameters, sizeof(*parameters));
}

/* A process with some memory and a thread that never runs, whose place this thread takes. */
static bool become_caller(void)
{
    const struct thread_start start = {.start = MEMORY_BASE, .is_suspended = true};
    uaddr_t base = {MEMORY_BASE};
    uint32_t nbytes = MEMORY_NBYTES;
    memset(&caller, 0, sizeof(caller));
    if (is_error(ps_create_process(NULL, false, &caller.process))) {
        return false;
    }
    if (is_error(ps_create_thread(caller.process, &start, &caller.thread))) {
        ps_abandon_process(caller.process, STATUS_UNSUCCESSFUL);
        ob_unref(&caller.process->object);
        return false;
    }
    ps_start_thread(caller.thread);
    struct space *space = caller.process->space;
    EXPECT_STATUS(
        mm_allocate_virtual(space, &base, &nbytes, 0, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE),
        STATUS_SUCCESS);
    thread_self()->owner = caller.thread;
    thread_attach_space(space, &space->root);
    caller.targets[0] = put(NULL, 4);
    caller.targets[1] = put(NULL, 4);
    caller.status_block = put(NULL, 8);
    caller.range[0] = put(NULL, 4);
    caller.range[1] = put(NULL, 4);
    caller.attributes = put_attributes(PROGRAM, sizeof(PROGRAM) - 2);
    caller.named = put_attributes(NAME, sizeof(NAME) - 2);
    put_program();
    return true;
}

static void end_process(struct process *process)
{
    ps_terminate_process(process, STATUS_UNSUCCESSFUL);
    EXPECT_STATUS(wait_for(&process->ended, WAIT_FOREVER, false), STATUS_SUCCESS);
}

static void leave_caller(void)
{
    thread_self()->owner = NULL;
    thread_attach_space(NULL, NULL);
    ob_unref(&caller.thread->object);
    end_process(caller.process);
    ob_unref(&caller.process->object);
}

static void close_handle(uint32_t handle)
{
    EXPECT_STATUS(sys_NtClose(&handle, NULL), STATUS_SUCCESS);
}

static void close_first(void)
{
    close_handle(get(caller.targets[0]));
}

/* ---- the sweep --------------------------------------------------------------------------------
 */

/* A call, what undoes it, and what comes before and after each try. */
struct trial {
    const char *name;
    status_t (*call)(void);
    void (*undo)(void);
    void (*before)(void); /* or NULL */
    void (*after)(void);  /* or NULL */
};

static bool is_documented(status_t status)
{
    return status == STATUS_INSUFFICIENT_RESOURCES || status == STATUS_NO_MEMORY ||
           status == STATUS_COMMITMENT_LIMIT;
}

/* One try with the nth chance to fail taken; whether it failed. */
static bool fails_at(const struct trial *trial, enum failpoint kind, uint32_t n)
{
    if (trial->before != NULL) {
        trial->before();
    }
    uint32_t handles = caller.process->handles.count;
    (void)failpoint_arm(kind, n);
    status_t status = trial->call();
    (void)failpoint_arm(kind, 0);
    if (is_success(status)) {
        trial->undo();
    } else if (!is_documented(status)) {
        selftest_fail(__FILE__, __LINE__, "%s, failure %u: status 0x%08X", trial->name, n,
                      (uint32_t)status);
    }
    EXPECT_EQUAL(caller.process->handles.count, handles);
    if (trial->after != NULL) {
        trial->after();
    }
    return is_error(status);
}

/* How many tries failed, until nothing was left that could. */
static uint32_t sweep(const struct trial *trial, enum failpoint kind)
{
    uint32_t failed = 0;
    uint32_t successes = 0;
    for (uint32_t n = 1; n < POINTS_MAX && successes < ENOUGH; n++) {
        bool has_failed = fails_at(trial, kind, n);
        failed += has_failed ? 1u : 0u;
        successes = has_failed ? 0 : successes + 1;
    }
    EXPECT_EQUAL(successes, ENOUGH);
    return failed;
}

static void run_trial(const struct trial *trial)
{
    EXPECT(!fails_at(trial, FAILPOINT_ALLOCATION, 0)); /* first as it is; it fills caches, too */
    uint32_t allocations = sweep(trial, FAILPOINT_ALLOCATION);
    uint32_t charges = sweep(trial, FAILPOINT_CHARGE);
    EXPECT(allocations > 0);
    log_print("# %s: %u allocations and %u charges failed\n", trial->name, allocations, charges);
}

static void run_trials(const struct trial *trials, uint32_t count)
{
    REQUIRE(become_caller());
    for (uint32_t i = 0; i < count; i++) {
        run_trial(&trials[i]);
    }
    leave_caller();
}

static bool has_program(void)
{
    struct open_file *file;
    if (!fs_is_mounted() || is_error(fs_open_kernel(PROGRAM_ASCII, &file))) {
        selftest_skip("no disk with " PROGRAM_ASCII);
        return false;
    }
    fs_close(file);
    return true;
}

/* ---- events, sections, views, handles ---------------------------------------------------------
 */

static status_t create_event(void)
{
    const uint32_t arguments[] = {caller.targets[0], EVENT_ALL_ACCESS, caller.named, 0, 0};
    return sys_NtCreateEvent(arguments, NULL);
}

static status_t create_section(void)
{
    const uint32_t arguments[] = {caller.targets[0],
                                  SECTION_ALL_ACCESS,
                                  caller.named,
                                  put(&(uint64_t){0x500000}, 8),
                                  PAGE_READWRITE,
                                  SEC_COMMIT,
                                  0};
    caller.used -= 8;
    return sys_NtCreateSection(arguments, NULL);
}

static void make_section(void)
{
    EXPECT_STATUS(create_section(), STATUS_SUCCESS);
    caller.section = get(caller.targets[0]);
}

static void close_section(void)
{
    close_handle(caller.section);
}

static status_t map_view(void)
{
    EXPECT_STATUS(user_write_u32((uaddr_t){caller.range[0]}, 0), STATUS_SUCCESS);
    EXPECT_STATUS(user_write_u32((uaddr_t){caller.range[1]}, 0), STATUS_SUCCESS);
    const uint32_t arguments[] = {
        caller.section, HANDLE_CURRENT_PROCESS, caller.range[0], 0, 0, 0, caller.range[1], 2, 0,
        PAGE_READWRITE};
    return sys_NtMapViewOfSection(arguments, NULL);
}

static void unmap_view(void)
{
    const uint32_t arguments[] = {HANDLE_CURRENT_PROCESS, get(caller.range[0])};
    EXPECT_STATUS(sys_NtUnmapViewOfSection(arguments, NULL), STATUS_SUCCESS);
}

/* Another process without any handle, so that its table has to grow. */
static void make_other(void)
{
    make_section();
    REQUIRE(is_success(ps_create_process(NULL, false, &caller.other)));
    EXPECT_STATUS(handle_open(&caller.process->handles, &caller.other->object, PROCESS_ALL_ACCESS,
                              0, &caller.other_handle),
                  STATUS_SUCCESS);
}

static void end_other(void)
{
    close_section();
    close_handle(caller.other_handle);
    ps_abandon_process(caller.other, STATUS_UNSUCCESSFUL);
    ob_unref(&caller.other->object);
}

static status_t duplicate(void)
{
    const uint32_t arguments[] = {
        HANDLE_CURRENT_PROCESS, caller.section, caller.other_handle, caller.targets[0], 0, 0,
        DUPLICATE_SAME_ACCESS};
    return sys_NtDuplicateObject(arguments, NULL);
}

static void close_duplicate(void)
{
    EXPECT_STATUS(handle_close(&caller.other->handles, get(caller.targets[0])), STATUS_SUCCESS);
}

static void memory_calls(void)
{
    static const struct trial trials[] = {
        {"NtCreateEvent", create_event, close_first, NULL, NULL},
        {"NtCreateSection", create_section, close_first, NULL, NULL},
        {"NtMapViewOfSection", map_view, unmap_view, make_section, close_section},
        {"NtDuplicateObject", duplicate, close_duplicate, make_other, end_other},
    };
    run_trials(trials, ARRAY_COUNT(trials));
}
SELFTEST("failures: events, sections, views and duplicates", memory_calls);

/* ---- files ------------------------------------------------------------------------------------
 */

static status_t create_file(void)
{
    const uint32_t arguments[] = {caller.targets[0],
                                  FILE_READ_DATA | FILE_EXECUTE | SYNCHRONIZE,
                                  caller.attributes,
                                  caller.status_block,
                                  0,
                                  0,
                                  FILE_SHARE_READ,
                                  FILE_OPEN,
                                  FILE_NON_DIRECTORY_FILE,
                                  0,
                                  0};
    return sys_NtCreateFile(arguments, NULL);
}

static void make_file(void)
{
    EXPECT_STATUS(create_file(), STATUS_SUCCESS);
    caller.section = get(caller.targets[0]);
}

/* The file's segments are made anew each time: nobody else has it open. */
static void close_file(void)
{
    close_handle(caller.section);
    fs_drain();
}

static status_t create_image_section(void)
{
    const uint32_t arguments[] = {caller.targets[0], SECTION_ALL_ACCESS, caller.named,  0,
                                  PAGE_EXECUTE,      SEC_IMAGE,          caller.section};
    return sys_NtCreateSection(arguments, NULL);
}

static status_t create_file_section(void)
{
    const uint32_t arguments[] = {caller.targets[0], SECTION_ALL_ACCESS, 0, 0, PAGE_READONLY,
                                  SEC_COMMIT,        caller.section};
    return sys_NtCreateSection(arguments, NULL);
}

static void file_calls(void)
{
    static const struct trial trials[] = {
        {"NtCreateFile", create_file, close_first, fs_drain, NULL},
        {"NtCreateSection of a file", create_file_section, close_first, make_file, close_file},
        {"NtCreateSection of an image", create_image_section, close_first, make_file, close_file},
    };
    if (!has_program()) {
        return;
    }
    run_trials(trials, ARRAY_COUNT(trials));
}
SELFTEST("failures: files and their sections", file_calls);

/* ---- threads and processes --------------------------------------------------------------------
 */

static status_t create_thread(void)
{
    const uint32_t arguments[] = {caller.targets[0],
                                  THREAD_ALL_ACCESS,
                                  0,
                                  HANDLE_CURRENT_PROCESS,
                                  MEMORY_BASE,
                                  0,
                                  NT_THREAD_CREATE_SUSPENDED,
                                  0,
                                  0,
                                  0,
                                  0};
    return sys_NtCreateThreadEx(arguments, NULL);
}

/* Ends what the first handle names by the system call TERMINATE, waits for it and closes it. */
static void end_first(status_t (*terminate)(const uint32_t *arguments, struct trap_frame *frame))
{
    const uint32_t handle = get(caller.targets[0]);
    const uint32_t arguments[] = {handle, 0, 0}; /* of the wait, too */
    EXPECT_STATUS(terminate(arguments, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(sys_NtWaitForSingleObject(arguments, NULL), STATUS_SUCCESS);
    close_handle(handle);
}

static void end_thread(void)
{
    end_first(sys_NtTerminateThread);
}

static status_t create_process(void)
{
    const uint32_t arguments[] = {caller.targets[0],
                                  caller.targets[1],
                                  PROCESS_ALL_ACCESS,
                                  THREAD_ALL_ACCESS,
                                  0,
                                  0,
                                  0,
                                  NT_THREAD_CREATE_SUSPENDED,
                                  caller.parameters,
                                  0,
                                  caller.list};
    return sys_NtCreateUserProcess(arguments, NULL);
}

static void end_created(void)
{
    end_first(sys_NtTerminateProcess);
    close_handle(get(caller.targets[1]));
}

static void process_calls(void)
{
    static const struct trial trials[] = {
        {"NtCreateThreadEx", create_thread, end_thread, NULL, NULL},
        {"NtCreateUserProcess", create_process, end_created, fs_drain, NULL},
    };
    if (!has_program()) {
        return;
    }
    run_trials(trials, ARRAY_COUNT(trials));
}
SELFTEST("failures: threads and processes", process_calls);

/* ---- what is still being made -----------------------------------------------------------------
 */

static status_t open_process(uint32_t id)
{
    const struct nt_client_id client = {id, 0};
    const uint32_t address = put(&client, sizeof(client));
    const uint32_t arguments[] = {caller.targets[0], PROCESS_TERMINATE, 0, address};
    caller.used -= sizeof(client);
    return sys_NtOpenProcess(arguments, NULL);
}

/* Who could end it while its creator maps the image into it would leave it behind for ever. */
static void half_made(void)
{
    REQUIRE(become_caller());
    REQUIRE(is_success(ps_create_process(NULL, false, &caller.other)));
    EXPECT_STATUS(open_process(caller.other->id), STATUS_INVALID_CID);
    const struct thread_start start = {.start = MEMORY_BASE, .is_suspended = true};
    struct user_thread *thread;
    REQUIRE(is_success(ps_create_thread(caller.other, &start, &thread)));
    EXPECT_STATUS(open_process(caller.other->id), STATUS_SUCCESS);
    close_first();
    ps_abandon_thread(thread);
    ob_unref(&thread->object);
    end_process(caller.other);
    ob_unref(&caller.other->object);
    leave_caller();
}
SELFTEST("process: one that is still being made cannot be opened", half_made);

/* 0x103, which also says "still running", is an exit code like any other. */
static void exit_code_pending(void)
{
    static const status_t codes[] = {STATUS_PENDING, 0, (status_t)UINT32_MAX};
    REQUIRE(become_caller());
    for (uint32_t i = 0; i < ARRAY_COUNT(codes); i++) {
        struct object *object;
        REQUIRE(is_success(create_thread()));
        REQUIRE(is_success(
            ob_reference(get(caller.targets[0]), &thread_type, THREAD_TERMINATE, &object)));
        struct user_thread *thread = container_of(object, struct user_thread, object);
        ps_terminate_thread(thread, codes[i]);
        ps_terminate_thread(thread, 77);
        EXPECT_STATUS(wait_for(&thread->ended, WAIT_FOREVER, false), STATUS_SUCCESS);
        EXPECT_STATUS(thread->exit_status, codes[i]);
        ob_unref(object);
        close_first();
    }
    leave_caller();
}
SELFTEST("process: a thread's exit code may be any number", exit_code_pending);
