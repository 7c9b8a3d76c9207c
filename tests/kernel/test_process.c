/*
 * tests/kernel/test_process.c: processes and threads in user mode, running the flat programs of
 * user_programs.asm: system calls both ways, sections shared between two processes, waits, faults,
 * and being killed anywhere.
 */
#include "abi/constants.h"
#include "abi/quire.h"
#include "kernel/clock.h"
#include "kernel/cpu.h"
#include "kernel/failpoint.h"
#include "kernel/log.h"
#include "kernel/paging.h"
#include "mm/space.h"
#include "mm/view.h"
#include "mm/virtual.h"
#include "selftest.h"
#include "sys/handle.h"
#include "sys/process.h"
#include "sys/section.h"
#include "sys/sync.h"

#define PROGRAM_BASE 0x00400000u
#define LONG_NS      (20 * NS_PER_S)

#define PROGRAM(name) extern const uint8_t user_##name[], user_##name##_end[]
PROGRAM(exit);
PROGRAM(registers);
PROGRAM(adder);
PROGRAM(spin);
PROGRAM(wait);
PROGRAM(keep_mutex);
PROGRAM(storm);
PROGRAM(store);
PROGRAM(stack);
PROGRAM(divide);
PROGRAM(hostile);
PROGRAM(threads);
PROGRAM(floats);

struct program {
    const uint8_t *first;
    const uint8_t *end;
};
#define PROGRAM_OF(name) ((struct program){user_##name, user_##name##_end})

/* ---- running a program ------------------------------------------------------------------------
 */

/* A process with the program's text at PROGRAM_BASE, and no thread yet. */
static struct process *load(struct program program)
{
    struct process *process;
    uaddr_t base = {PROGRAM_BASE};
    uint32_t nbytes = (uint32_t)(program.end - program.first);
    uint32_t room = nbytes;
    uint32_t copied;
    if (is_error(ps_create_process(NULL, false, &process))) {
        return NULL;
    }
    status_t status = mm_allocate_virtual(process->space, &base, &room, 0, MEM_RESERVE | MEM_COMMIT,
                                          PAGE_EXECUTE_READWRITE);
    if (is_success(status)) {
        status = mm_write_space(process->space, base, program.first, nbytes, &copied);
    }
    if (is_error(status)) {
        ps_abandon_process(process, status);
        ob_unref(&process->object);
        return NULL;
    }
    return process;
}

static bool start(struct process *process, uint32_t argument)
{
    const struct thread_start begin = {.start = PROGRAM_BASE, .argument = argument};
    struct user_thread *thread;
    if (is_error(ps_create_thread(process, &begin, &thread))) {
        ps_abandon_process(process, STATUS_UNSUCCESSFUL);
        return false;
    }
    ps_start_thread(thread);
    ob_unref(&thread->object);
    return true;
}

/* Waits for the end; the exit status, and the process is gone. */
static uint32_t finish(struct process *process)
{
    status_t status = wait_for(&process->ended, clock_now() + LONG_NS, false);
    if (status == STATUS_TIMEOUT) {
        selftest_fail(__FILE__, __LINE__, "the process does not end");
        ps_terminate_process(process, STATUS_TIMEOUT);
        status = wait_for(&process->ended, WAIT_FOREVER, false);
    }
    uint32_t exit_status = (uint32_t)process->exit_status;
    ob_unref(&process->object);
    return is_success(status) ? exit_status : (uint32_t)status;
}

static uint32_t run(struct program program, uint32_t argument)
{
    struct process *process = load(program);
    if (process == NULL || !start(process, argument)) {
        selftest_fail(__FILE__, __LINE__, "the process cannot be made");
        return UINT32_MAX;
    }
    return finish(process);
}

static uint32_t kill(struct process *process, uint32_t milliseconds)
{
    thread_sleep_until(clock_now() + milliseconds * NS_PER_MS, false, NULL);
    ps_terminate_process(process, (status_t)0xDEAD);
    return finish(process);
}

/* ---- the tests --------------------------------------------------------------------------------
 */

static void exit_codes(void)
{
    EXPECT_EQUAL(run(PROGRAM_OF(exit), 0), 0);
    EXPECT_EQUAL(run(PROGRAM_OF(exit), 42), 42);
    EXPECT_EQUAL(run(PROGRAM_OF(exit), 0x80000001), 0x80000001);
}
SELFTEST("process: exit codes", exit_codes);

static void registers_stay(void)
{
    EXPECT_EQUAL(run(PROGRAM_OF(registers), 0), 0x51);
}
SELFTEST("process: system calls both ways keep registers", registers_stay);

static void two_hundred(void)
{
    for (uint32_t i = 0; i < 200; i++) {
        EXPECT_EQUAL(run(PROGRAM_OF(exit), i), i);
    }
}
SELFTEST("process: 200 in a row", two_hundred);

static void create_threads(void)
{
    EXPECT_EQUAL(run(PROGRAM_OF(threads), 100), 0x70);
}
SELFTEST("process: threads that make threads", create_threads);

/* Two processes of two threads each, every one with numbers and rounding modes of its own. */
static void floats_stay(void)
{
    struct process *process[2] = {load(PROGRAM_OF(floats)), load(PROGRAM_OF(floats))};
    REQUIRE(process[0] != NULL && process[1] != NULL);
    for (uint32_t i = 0; i < 4; i++) {
        EXPECT(start(process[i / 2], i * 1001));
    }
    EXPECT_EQUAL(finish(process[0]), 0xF1);
    EXPECT_EQUAL(finish(process[1]), 0xF1);
}
SELFTEST("process: threads keep their x87 and SSE registers to themselves", floats_stay);

/* An event or mutant, whose reference is the caller's. */
static struct sync_object *make_sync(struct object_type *type)
{
    struct object *object;
    if (is_error(ob_create(type, &object))) {
        return NULL;
    }
    struct sync_object *it = container_of(object, struct sync_object, object);
    if (type == &mutant_type) {
        waitable_init_mutant(&it->waitable, false);
    } else {
        waitable_init_event(&it->waitable, false, false);
    }
    return it;
}

static struct section_object *make_section(uint64_t nbytes)
{
    struct section_object *section;
    status_t status = section_create_memory(nbytes, PAGE_READWRITE, SEC_COMMIT, &section);
    return is_success(status) ? section : NULL;
}

/* Handles 4, 8 and 12 for the program `adder`. */
static bool give_handles(struct process *process, struct section_object *section,
                         struct sync_object *go, struct sync_object *done)
{
    uint32_t handle = 0;
    struct object *const objects[] = {&section->object, &go->object, &done->object};
    for (uint32_t i = 0; i < ARRAY_COUNT(objects); i++) {
        status_t status =
            handle_open(&process->handles, objects[i], objects[i]->type->valid_access, 0, &handle);
        if (is_error(status) || handle != (i + 1) * 4) {
            return false;
        }
    }
    return true;
}

static uint32_t frame_at(struct process *process, uint32_t address)
{
    struct quire_frame frame = {UINT32_MAX, 0, 0};
    status_t status = mm_query_frames(process->space, (uaddr_t){address}, 1, &frame);
    return is_success(status) ? frame.frame : UINT32_MAX;
}

/* The two processes take turns; each sees what the other has stored, on one frame. */
static void shared_section(void)
{
    struct section_object *section = make_section(0x400000);
    struct sync_object *go[2] = {make_sync(&event_type), make_sync(&event_type)};
    struct sync_object *done = make_sync(&event_type);
    struct process *process[2] = {load(PROGRAM_OF(adder)), load(PROGRAM_OF(adder))};
    REQUIRE(section != NULL && go[0] != NULL && go[1] != NULL && done != NULL);
    REQUIRE(process[0] != NULL && process[1] != NULL);
    const uint32_t address[2] = {0x20000000, 0x30000000};
    for (uint32_t i = 0; i < 2; i++) {
        EXPECT(give_handles(process[i], section, go[i], done));
        EXPECT(start(process[i], address[i]));
    }
    event_set(&go[0]->waitable);
    EXPECT_STATUS(wait_for(&done->waitable, clock_now() + LONG_NS, false), STATUS_SUCCESS);
    EXPECT_EQUAL(finish(process[0]), 1);
    struct view_request request = {.base = {0x10000000}, .protection = PAGE_READONLY};
    EXPECT_STATUS(mm_map_view(process[1]->space, &section->section, &request), STATUS_SUCCESS);
    uint32_t word = 0;
    uint32_t copied = 0;
    EXPECT_STATUS(mm_read_space(process[1]->space, request.base, &word, 4, &copied),
                  STATUS_SUCCESS);
    EXPECT_EQUAL(word, 1);
    EXPECT(frame_at(process[1], 0x10000000) != UINT32_MAX);
    EXPECT_EQUAL(frame_at(process[1], 0x10000000), frame_at(process[1], address[1]));
    event_set(&go[1]->waitable);
    EXPECT_STATUS(wait_for(&done->waitable, clock_now() + LONG_NS, false), STATUS_SUCCESS);
    EXPECT_EQUAL(finish(process[1]), 2);
    ob_unref(&section->object);
    ob_unref(&go[0]->object);
    ob_unref(&go[1]->object);
    ob_unref(&done->object);
}
SELFTEST("process: two share a section at different addresses", shared_section);

static void kill_spinning(void)
{
    struct process *process = load(PROGRAM_OF(spin));
    REQUIRE(process != NULL);
    EXPECT(start(process, 0));
    EXPECT(start(process, 0));
    EXPECT_EQUAL(kill(process, 20), 0xDEAD);
}
SELFTEST("process: killed while it runs", kill_spinning);

static void kill_waiting(void)
{
    uint32_t handle = 0;
    struct sync_object *event = make_sync(&event_type);
    struct process *process = load(PROGRAM_OF(wait));
    REQUIRE(process != NULL && event != NULL);
    EXPECT(is_success(handle_open(&process->handles, &event->object, SYNCHRONIZE, 0, &handle)));
    EXPECT(start(process, 0));
    EXPECT(start(process, 0));
    EXPECT_EQUAL(kill(process, 20), 0xDEAD);
    ob_unref(&event->object);
}
SELFTEST("process: killed while it waits", kill_waiting);

static void kill_at_once(void)
{
    for (uint32_t i = 0; i < 20; i++) {
        struct process *process = load(PROGRAM_OF(spin));
        REQUIRE(process != NULL);
        EXPECT(start(process, 0));
        ps_terminate_process(process, (status_t)0xDEAD);
        EXPECT_EQUAL(finish(process), 0xDEAD);
    }
}
SELFTEST("process: killed before its first instruction", kill_at_once);

static void kill_in_the_middle(void)
{
    struct section_object *section = make_section(0x10000);
    REQUIRE(section != NULL);
    for (uint32_t i = 0; i < 25; i++) {
        uint32_t handle = 0;
        struct process *process = load(PROGRAM_OF(storm));
        REQUIRE(process != NULL);
        EXPECT(is_success(handle_open(&process->handles, &section->object,
                                      section_type.valid_access, 0, &handle)));
        EXPECT(start(process, 0));
        EXPECT(start(process, 0));
        EXPECT_EQUAL(kill(process, i % 7), 0xDEAD);
    }
    struct object_counts counts;
    ob_read_counts(&section->object, &counts);
    EXPECT_EQUAL(counts.usage, 0);
    ob_unref(&section->object);
}
SELFTEST("process: killed in the middle of system calls", kill_in_the_middle);

/* Every few allocations one fails, wherever it is, while programs make all kinds of things. */
static void memory_is_short(void)
{
    struct section_object *section = make_section(0x10000);
    REQUIRE(section != NULL);
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t handle = 0;
        struct process *process = load(i % 2 == 0 ? PROGRAM_OF(storm) : PROGRAM_OF(threads));
        REQUIRE(process != NULL);
        EXPECT(is_success(handle_open(&process->handles, &section->object,
                                      section_type.valid_access, 0, &handle)));
        EXPECT(start(process, 1000));
        for (uint32_t n = 1; n < 60; n++) {
            (void)failpoint_arm(FAILPOINT_ALLOCATION, n % 7 + 1);
            (void)failpoint_arm(FAILPOINT_CHARGE, n % 11 + 1);
            thread_sleep_until(clock_now() + NS_PER_MS, false, NULL);
        }
        (void)failpoint_arm(FAILPOINT_ALLOCATION, 0);
        (void)failpoint_arm(FAILPOINT_CHARGE, 0);
        (void)kill(process, 1);
    }
    ob_unref(&section->object);
}
SELFTEST("process: allocations that fail in the middle of system calls", memory_is_short);

static void suspended(void)
{
    const struct thread_start begin = {.start = PROGRAM_BASE, .argument = 9, .is_suspended = true};
    struct user_thread *thread;
    struct process *process = load(PROGRAM_OF(exit));
    REQUIRE(process != NULL);
    REQUIRE(is_success(ps_create_thread(process, &begin, &thread)));
    ps_start_thread(thread);
    EXPECT_STATUS(wait_for(&process->ended, clock_now() + 20 * NS_PER_MS, false), STATUS_TIMEOUT);
    EXPECT_EQUAL(thread_resume(&thread->thread), 1);
    ob_unref(&thread->object);
    EXPECT_EQUAL(finish(process), 9);
}
SELFTEST("process: a suspended thread waits to be resumed", suspended);

static void mutex_abandoned(void)
{
    uint32_t handle = 0;
    struct sync_object *mutant = make_sync(&mutant_type);
    struct process *process = load(PROGRAM_OF(keep_mutex));
    REQUIRE(process != NULL && mutant != NULL);
    EXPECT(is_success(handle_open(&process->handles, &mutant->object, SYNCHRONIZE, 0, &handle)));
    EXPECT(start(process, 0));
    EXPECT_EQUAL(finish(process), 7);
    EXPECT_STATUS(wait_for(&mutant->waitable, 0, false), STATUS_ABANDONED_WAIT_0);
    int32_t previous = 0;
    EXPECT_STATUS(mutant_release(&mutant->waitable, &previous), STATUS_SUCCESS);
    ob_unref(&mutant->object);
}
SELFTEST("process: a mutex whose owner has ended is abandoned", mutex_abandoned);

static void faults_end_it(void)
{
    EXPECT_EQUAL(run(PROGRAM_OF(store), 0x10), (uint32_t)STATUS_ACCESS_VIOLATION);
    EXPECT_EQUAL(run(PROGRAM_OF(store), 0x80100000), (uint32_t)STATUS_ACCESS_VIOLATION);
    EXPECT_EQUAL(run(PROGRAM_OF(store), USER_SHARED), (uint32_t)STATUS_ACCESS_VIOLATION);
    EXPECT_EQUAL(run(PROGRAM_OF(divide), 0), (uint32_t)STATUS_INTEGER_DIVIDE_BY_ZERO);
}
SELFTEST("process: a fault ends it with its code", faults_end_it);

static void stack_grows(void)
{
    EXPECT_EQUAL(run(PROGRAM_OF(stack), 1), 1);
    EXPECT_EQUAL(run(PROGRAM_OF(stack), 200), 200);
    EXPECT_EQUAL(run(PROGRAM_OF(stack), 255), (uint32_t)STATUS_STACK_OVERFLOW);
}
SELFTEST("process: stacks grow page by page, and end", stack_grows);

static void hostile(void)
{
    struct section_object *section = make_section(0x300000);
    struct sync_object *event = make_sync(&event_type);
    REQUIRE(section != NULL && event != NULL);
    for (uint32_t seed = 1; seed <= 20; seed++) {
        struct process *process = load(PROGRAM_OF(hostile));
        REQUIRE(process != NULL);
        EXPECT(give_handles(process, section, event, event));
        EXPECT(start(process, seed * 7919));
        status_t status = wait_for(&process->ended, clock_now() + 2 * NS_PER_S, false);
        if (status == STATUS_TIMEOUT) { /* it waits or sleeps somewhere */
            ps_terminate_process(process, 0x60);
        }
        (void)finish(process);
    }
    ob_unref(&section->object);
    ob_unref(&event->object);
}
SELFTEST("process: every system call with garbage", hostile);

static void creation_fails_cleanly(void)
{
    uint32_t failed = 0;
    for (uint32_t n = 1; n < 40; n++) {
        (void)failpoint_arm(FAILPOINT_ALLOCATION, n);
        struct process *process = load(PROGRAM_OF(exit));
        bool started = process != NULL && start(process, 1);
        (void)failpoint_arm(FAILPOINT_ALLOCATION, 0);
        failed += started ? 0 : 1;
        if (process != NULL) {
            (void)finish(process);
        }
    }
    EXPECT(failed > 3);
    for (uint32_t n = 1; n < 25; n++) {
        (void)failpoint_arm(FAILPOINT_CHARGE, n);
        struct process *process = load(PROGRAM_OF(exit));
        bool started = process != NULL && start(process, 1);
        (void)failpoint_arm(FAILPOINT_CHARGE, 0);
        failed += started ? 0 : 1;
        if (process != NULL) {
            (void)finish(process);
        }
    }
    EXPECT(failed > 6);
}
SELFTEST("process: one that cannot be made leaves nothing", creation_fails_cleanly);
