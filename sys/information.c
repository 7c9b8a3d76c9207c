/*
 * sys/information.c: the system calls that tell about processes, memory, time and the machine.
 */
#include "abi/constants.h"
#include "abi/process.h"
#include "abi/quire.h"
#include "kernel/clock.h"
#include "kernel/cpu.h"
#include "kernel/log.h"
#include "kernel/paging.h"
#include "kernel/string.h"
#include "kernel/usercopy.h"
#include "mm/pfn.h"
#include "mm/pool.h"
#include "quire/assert.h"
#include "sys/answer.h"
#include "sys/calls.h"
#include "sys/failure.h"
#include "sys/pagefile.h"
#include "sys/process.h"
#include "sys/quota.h"
#include "sys/statistics.h"
#include "sys/system.h"

#define NT_UNIT_NS            100u
#define COUNTER_FREQUENCY     10000000ll /* 100 ns */
#define GRANULARITY           0x10000u
#define DISPLAY_CHARACTERS    256u
#define PRIORITY_CLASS_NORMAL 2u

/* ---- time -------------------------------------------------------------------------------------
 */

/* SystemTime* */
status_t sys_NtQuerySystemTime(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    int64_t now = clock_system_time();
    return copy_to_user((uaddr_t){arguments[0]}, &now, sizeof(now));
}

/* Counter*, Frequency* */
status_t sys_NtQueryPerformanceCounter(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    int64_t now = clock_now() / (int64_t)NT_UNIT_NS;
    const int64_t frequency = COUNTER_FREQUENCY;
    status_t status = copy_to_user((uaddr_t){arguments[0]}, &now, sizeof(now));
    if (is_success(status) && arguments[1] != 0) {
        status = copy_to_user((uaddr_t){arguments[1]}, &frequency, sizeof(frequency));
    }
    return status;
}

/* ---- NtQuerySystemInformation -----------------------------------------------------------------
 */

static status_t system_basic(const uint32_t *arguments)
{
    struct mm_frame_counts frames;
    mm_count_frames(&frames);
    const struct nt_system_basic_information answer = {
        .timer_resolution = (uint32_t)CLOCK_TICK_NS / NT_UNIT_NS,
        .page_size = PAGE_BYTES,
        .number_of_physical_pages = frames.total,
        .lowest_physical_page_number = 1,
        .highest_physical_page_number = mm_highest_frame(),
        .allocation_granularity = GRANULARITY,
        .minimum_user_mode_address = USER_FIRST,
        .maximum_user_mode_address = USER_END - 1u,
        .active_processors_affinity_mask = (1u << cpu_count()) - 1u,
        .number_of_processors = (uint8_t)cpu_count(),
    };
    return answer_system(arguments, &answer, sizeof(answer));
}

static status_t system_processor(const uint32_t *arguments)
{
    const struct nt_system_processor_information answer = {
        .processor_level = 6,
        .maximum_processors = (uint16_t)cpu_count(),
    };
    return answer_system(arguments, &answer, sizeof(answer));
}

static status_t system_time_of_day(const uint32_t *arguments)
{
    int64_t now = clock_system_time();
    const struct nt_system_time_of_day answer = {
        .boot_time = now - clock_now() / (int64_t)NT_UNIT_NS,
        .current_time = now,
    };
    return answer_system(arguments, &answer, sizeof(answer));
}

static status_t system_processor_performance(const uint32_t *arguments)
{
    int64_t idle = (int64_t)(scheduler_idle_time() / NT_UNIT_NS);
    const struct nt_system_processor_performance answer = {
        .idle_time = idle,
        .kernel_time = idle, /* NT counts idle time as kernel time */
        .user_time = clock_now() / (int64_t)NT_UNIT_NS - idle,
    };
    return answer_system(arguments, &answer, sizeof(answer));
}

/* ---- the list of processes --------------------------------------------------------------------
 */

#define LIST_NBYTES_MAX 65536u

struct process_list {
    uint8_t *buffer; /* NULL: only count */
    uint32_t room;
    uint32_t base;   /* where the buffer goes in user memory */
    uint32_t nbytes; /* needed so far */
    uint32_t last;   /* offset of the entry before, UINT32_MAX: none */
};

static void fill_entry(struct nt_system_process_information *entry, struct process *process)
{
    entry->number_of_threads = process->nthreads;
    entry->create_time = process->create_time;
    entry->user_time = (int64_t)(process->run_time / NT_UNIT_NS);
    entry->base_priority = process->base_priority;
    entry->unique_process_id = process->id;
    entry->inherited_from_unique_process_id = process->parent_id;
    entry->handle_count = process->handles.count;
    struct mm_space_usage usage;
    mm_read_space_usage(process->space, &usage);
    fill_vm_counters(&entry->vm, &usage);
    entry->private_page_count = entry->vm.pagefile_usage;
    fill_io_counters(&entry->io_counters, process);
}

/* => the process lock is held, so the process's space is there as long as it has threads. */
static void list_process(struct process *process, void *context)
{
    struct process_list *list = context;
    uint32_t length = (uint32_t)strnlen(process->name, sizeof(process->name));
    uint32_t nbytes = (uint32_t)sizeof(struct nt_system_process_information) + (length + 1) * 2u;
    nbytes = (nbytes + 7u) & ~7u;
    if (process->nthreads == 0) {
        return;
    }
    uint32_t at = list->nbytes;
    list->nbytes += nbytes;
    if (list->buffer == NULL || list->nbytes > list->room) {
        return;
    }
    struct nt_system_process_information entry;
    memset(&entry, 0, sizeof(entry));
    fill_entry(&entry, process);
    uint32_t name_at = at + (uint32_t)sizeof(entry);
    entry.image_name = (struct nt_unicode_string){
        (uint16_t)(length * 2u), (uint16_t)(length * 2u + 2u), list->base + name_at};
    for (uint32_t i = 0; i < length; i++) {
        list->buffer[name_at + i * 2u] = (uint8_t)process->name[i];
    }
    memcpy(list->buffer + at, &entry, sizeof(entry));
    if (list->last != UINT32_MAX) {
        uint32_t distance = at - list->last;
        memcpy(list->buffer + list->last, &distance, sizeof(distance));
    }
    list->last = at;
}

static status_t system_processes(const uint32_t *arguments)
{
    struct process_list list = {.base = arguments[1], .last = UINT32_MAX};
    list.room = min_u32(arguments[2], LIST_NBYTES_MAX);
    list.buffer = list.room != 0 ? mm_allocate(list.room) : NULL;
    if (list.room != 0 && list.buffer == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    ps_for_each_process(list_process, &list);
    status_t status = STATUS_SUCCESS;
    if (arguments[3] != 0) {
        status = user_write_u32((uaddr_t){arguments[3]}, list.nbytes);
    }
    if (is_success(status)) {
        status = list.nbytes > list.room
                     ? STATUS_INFO_LENGTH_MISMATCH
                     : copy_to_user((uaddr_t){arguments[1]}, list.buffer, list.nbytes);
    }
    mm_free(list.buffer, list.room);
    return status;
}

status_t sys_NtQuerySystemInformation(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    switch (arguments[0]) {
    case NT_SYSTEM_BASIC_INFORMATION:
        return system_basic(arguments);
    case NT_SYSTEM_PROCESSOR_INFORMATION:
        return system_processor(arguments);
    case NT_SYSTEM_PERFORMANCE_INFORMATION:
        return system_performance(arguments);
    case NT_SYSTEM_PAGE_FILE_INFORMATION:
        return system_page_files(arguments);
    case NT_SYSTEM_TIME_OF_DAY:
        return system_time_of_day(arguments);
    case NT_SYSTEM_PROCESS_INFORMATION:
        return system_processes(arguments);
    case NT_SYSTEM_PROCESSOR_PERFORMANCE:
        return system_processor_performance(arguments);
    case SYSTEM_QUIRE_MEMORY:
        return system_quire_memory(arguments);
    case SYSTEM_QUIRE_PAGING:
        return system_quire_paging(arguments);
    case SYSTEM_QUIRE_FAILURE:
        return DEBUG_CHECKS ? system_quire_failure(arguments) : STATUS_INVALID_INFO_CLASS;
    default:
        return STATUS_INVALID_INFO_CLASS;
    }
}

/* ---- NtQueryInformationProcess, NtSetInformationProcess ---------------------------------------
 */

static status_t process_basic(const uint32_t *arguments, const struct process *process)
{
    const struct nt_process_basic_information answer = {
        .exit_status = waitable_read(&process->ended) != 0 ? process->exit_status : STATUS_PENDING,
        .peb_base_address = process->peb,
        .affinity_mask = (1u << cpu_count()) - 1u,
        .base_priority = process->base_priority,
        .unique_process_id = process->id,
        .inherited_from_unique_process_id = process->parent_id,
    };
    return answer_exactly(arguments, &answer, sizeof(answer));
}

static status_t process_times(const uint32_t *arguments, const struct process *process)
{
    uint64_t run_time = process->run_time;
    if (process == ps_current()) {
        run_time += ps_current_thread()->thread.run_time;
    }
    const struct nt_kernel_user_times answer = {
        .create_time = process->create_time,
        .exit_time = process->exit_time,
        .user_time = (int64_t)(run_time / NT_UNIT_NS),
    };
    return answer_exactly(arguments, &answer, sizeof(answer));
}

/* The Win32 path of the image, as a UNICODE_STRING with its text behind it. */
static status_t process_image_name(const uint32_t *arguments, const struct process *process)
{
    static const uint16_t zero;
    uint32_t text_nbytes = process->path_nbytes;
    uint32_t needed = (uint32_t)sizeof(struct nt_unicode_string) + text_nbytes + 2u;
    if (arguments[4] != 0) {
        status_t stored = user_write_u32((uaddr_t){arguments[4]}, needed);
        if (is_error(stored)) {
            return stored;
        }
    }
    if (arguments[3] < needed) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    const struct nt_unicode_string string = {(uint16_t)text_nbytes, (uint16_t)(text_nbytes + 2u),
                                             arguments[2] + (uint32_t)sizeof(string)};
    status_t status = copy_to_user((uaddr_t){arguments[2]}, &string, sizeof(string));
    if (is_success(status)) {
        status = copy_to_user((uaddr_t){string.buffer}, process->path, text_nbytes);
    }
    if (is_success(status)) {
        status = copy_to_user((uaddr_t){string.buffer + text_nbytes}, &zero, sizeof(zero));
    }
    return status;
}

/* The base priorities of the classes 0 to 6; 0 stands for "no such class". */
static const uint8_t class_priorities[] = {0, 4, PRIORITY_NORMAL, 13, 24, 6, 10};

static uint8_t base_priority_of(uint32_t class)
{
    return class < ARRAY_COUNT(class_priorities) ? class_priorities[class] : 0;
}

static uint8_t class_of(uint8_t base_priority)
{
    for (uint32_t i = 1; i < ARRAY_COUNT(class_priorities); i++) {
        if (class_priorities[i] == base_priority) {
            return (uint8_t)i;
        }
    }
    return PRIORITY_CLASS_NORMAL;
}

static status_t query_process(const uint32_t *arguments, struct process *process)
{
    uint32_t word = 0;
    switch (arguments[1]) {
    case NT_PROCESS_BASIC_INFORMATION:
        return process_basic(arguments, process);
    case NT_PROCESS_QUOTA_LIMITS:
        return process_quota_limits(arguments, process);
    case NT_PROCESS_TIMES:
        return process_times(arguments, process);
    case NT_PROCESS_IO_COUNTERS:
        return process_io_counters(arguments, process);
    case NT_PROCESS_VM_COUNTERS:
        return process_vm_counters(arguments, process);
    case NT_PROCESS_HANDLE_COUNT:
        word = process->handles.count;
        return answer_exactly(arguments, &word, sizeof(word));
    case NT_PROCESS_DEBUG_PORT:
    case NT_PROCESS_WOW64:
    case NT_PROCESS_SESSION:
        return answer_exactly(arguments, &word, sizeof(word));
    case NT_PROCESS_PRIORITY_CLASS: {
        const struct nt_priority_class class = {0, class_of(process->base_priority)};
        return answer_exactly(arguments, &class, sizeof(class));
    }
    case NT_PROCESS_IMAGE_FILE_NAME:
    case NT_PROCESS_IMAGE_NAME_WIN32:
        return process_image_name(arguments, process);
    default:
        return STATUS_INVALID_INFO_CLASS;
    }
}

/* ProcessHandle, InformationClass, Information, Length, ReturnLength* */
status_t sys_NtQueryInformationProcess(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct object *object;
    status_t status =
        ob_reference(arguments[0], &process_type, PROCESS_QUERY_LIMITED_INFORMATION, &object);
    if (status == STATUS_ACCESS_DENIED) { /* the older, larger right will do as well */
        status = ob_reference(arguments[0], &process_type, PROCESS_QUERY_INFORMATION, &object);
    }
    if (is_error(status)) {
        return status;
    }
    status = query_process(arguments, container_of(object, struct process, object));
    ob_unref(object);
    return status;
}

static status_t set_priority_class(const uint32_t *arguments)
{
    struct nt_priority_class class;
    struct object *object;
    if (arguments[3] != sizeof(class)) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    status_t status = copy_from_user(&class, (uaddr_t){arguments[2]}, sizeof(class));
    if (is_success(status) && base_priority_of(class.priority_class) == 0) {
        status = STATUS_INVALID_PARAMETER;
    }
    if (is_success(status)) {
        status = ob_reference(arguments[0], &process_type, PROCESS_SET_INFORMATION, &object);
    }
    if (is_success(status)) {
        ps_set_base_priority(container_of(object, struct process, object),
                             base_priority_of(class.priority_class));
        ob_unref(object);
    }
    return status;
}

/* ProcessHandle, InformationClass, Information, Length */
static status_t perform_set_information(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    switch (arguments[1]) {
    case NT_PROCESS_QUOTA_LIMITS:
        return set_quota_limits(arguments);
    case NT_PROCESS_PRIORITY_CLASS:
        return set_priority_class(arguments);
    default:
        return STATUS_INVALID_INFO_CLASS;
    }
}

status_t sys_NtSetInformationProcess(const uint32_t *arguments, struct trap_frame *frame)
{
    return commit_and_grow(perform_set_information, arguments, frame);
}

/* ---- the log, the end -------------------------------------------------------------------------
 */

/* UNICODE_STRING* */
status_t sys_NtDisplayString(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    char text[DISPLAY_CHARACTERS + 1];
    uint16_t *captured;
    uint32_t nbytes;
    status_t status =
        capture_string((uaddr_t){arguments[0]}, DISPLAY_CHARACTERS * 2u, &captured, &nbytes);
    if (is_error(status)) {
        return status;
    }
    uint32_t length = nbytes / 2u;
    for (uint32_t i = 0; i < length; i++) {
        bool is_plain = captured[i] == '\n' || (captured[i] >= ' ' && captured[i] < 127);
        text[i] = is_plain ? (char)captured[i] : '?';
    }
    mm_free(captured, nbytes);
    log_write(text, length);
    return STATUS_SUCCESS;
}

/* Action: 0 shutdown, 1 reboot, 2 power off; all of them power off. */
status_t sys_NtShutdownSystem(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    if (arguments[0] > 2) {
        return STATUS_INVALID_PARAMETER;
    }
    system_end(0);
}
