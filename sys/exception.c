/*
 * sys/exception.c: page faults and exceptions of programs: resolved, delivered, or reported.
 *
 * A page fault goes to mm first. A guard page inside the calling thread's own stack, as its TEB
 * bounds it, grows the stack by a page (GRD07, GRD13); the last pages are kept back, and reaching
 * them raises a stack overflow with those pages committed, so that a handler can run. Everything
 * else becomes an exception: an EXCEPTION_RECORD and a CONTEXT on the user stack, and ntdll's
 * KiUserExceptionDispatcher as the next instruction. A process without ntdll, or one whose stack
 * cannot take them, ends with the exception's code and a line that says what happened and where.
 */
#include "sys/exception.h"

#include "abi/constants.h"
#include "kernel/format.h"
#include "kernel/log.h"
#include "kernel/stream.h"
#include "kernel/string.h"
#include "kernel/usercopy.h"
#include "mm/fault.h"
#include "mm/pagefile.h"
#include "mm/space.h"
#include "mm/virtual.h"
#include "sys/file.h"
#include "sys/image.h"
#include "sys/process.h"

#define STACK_KEPT_BACK 0x1000u /* below the last page that a stack ever gets (GRD09) */
#define STACK_RESERVE   0x2000u /* committed at once when a stack overflows */
#define REPORT_NBYTES   256u
#define EFLAGS_TF       0x100u
#define EFLAGS_DF       0x400u

/* ---- page faults, stacks that grow ------------------------------------------------------------
 */

struct stack_bounds {
    uint32_t base, limit, deallocation;
};

static bool read_bounds(const struct user_thread *thread, struct stack_bounds *bounds)
{
    uint32_t teb = thread->teb;
    return is_success(user_read_u32((uaddr_t){teb + (uint32_t)offsetof(struct nt_teb, stack_base)},
                                    &bounds->base)) &&
           is_success(user_read_u32((uaddr_t){teb + (uint32_t)offsetof(struct nt_teb, stack_limit)},
                                    &bounds->limit)) &&
           is_success(
               user_read_u32((uaddr_t){teb + (uint32_t)offsetof(struct nt_teb, deallocation_stack)},
                             &bounds->deallocation));
}

static status_t commit_pages(struct space *space, uint32_t first, uint32_t nbytes,
                             uint32_t protection)
{
    uaddr_t base = {first};
    return mm_allocate_virtual(space, &base, &nbytes, 0, MEM_COMMIT, protection);
}

static enum fault_result overflow(struct fault_report *report)
{
    report->status = STATUS_STACK_OVERFLOW;
    report->cause = STATUS_SUCCESS;
    return FAULT_STACK_OVERFLOW;
}

/* The guard page at ADDRESS was hit and is an ordinary page now. */
static enum fault_result grow_guarded(struct user_thread *thread, uint32_t address,
                                      struct fault_report *report)
{
    struct stack_bounds bounds;
    uint32_t page = address & ~PAGE_MASK;
    if (!read_bounds(thread, &bounds) || address < bounds.deallocation || address >= bounds.base) {
        return FAULT_GUARD;
    }
    struct space *space = thread->thread.space;
    uint32_t lowest = bounds.deallocation + STACK_KEPT_BACK + PAGE_BYTES;
    uint32_t limit = page;
    status_t status = STATUS_STACK_OVERFLOW;
    if (page >= lowest + STACK_RESERVE) {
        status = commit_pages(space, page - PAGE_BYTES, PAGE_BYTES, PAGE_READWRITE | PAGE_GUARD);
    } else if (page > lowest) {
        status_t committed = commit_pages(space, lowest, page - lowest, PAGE_READWRITE);
        limit = is_success(committed) ? lowest : page;
    }
    if (is_error(user_write_u32(
            (uaddr_t){thread->teb + (uint32_t)offsetof(struct nt_teb, stack_limit)}, limit))) {
        return FAULT_GUARD;
    }
    return is_success(status) ? FAULT_DONE : overflow(report);
}

/*
 * The TEB is read and written meanwhile, and its pages may be guard pages too, or made such by
 * another thread again and again: a fault there is not taken for the stack's.
 */
static enum fault_result grow_stack(struct user_thread *thread, uint32_t address,
                                    struct fault_report *report)
{
    if (thread->grows_stack) {
        return FAULT_GUARD;
    }
    thread->grows_stack = true;
    enum fault_result result = grow_guarded(thread, address, report);
    thread->grows_stack = false;
    return result;
}

/* A guard page, of a stack or not. Kept out of the way of other faults. */
static NOINLINE enum fault_result guard_fault(uaddr_t address, const struct access *access,
                                              struct fault_report *report)
{
    struct user_thread *thread = thread_self()->owner;
    if (thread == NULL) {
        return FAULT_GUARD;
    }
    if (access->trapped) {
        mm_pagefile_keep_ahead(); /* a stack charges a page at a time */
    }
    return grow_stack(thread, address.v, report);
}

static enum fault_result user_page_fault(uaddr_t address, const struct access *access,
                                         struct fault_report *report)
{
    struct thread *self = thread_self();
    if (self->space == NULL) {
        report->status = STATUS_ACCESS_VIOLATION;
        return FAULT_VIOLATION;
    }
    enum fault_result result = mm_access_fault(self->space, address, access, report);
    return result == FAULT_GUARD ? guard_fault(address, access, report) : result;
}

/* ---- the report -------------------------------------------------------------------------------
 */

static const char *words_for(uint32_t code)
{
    static const struct {
        status_t code;
        const char *words;
    } table[] = {
        {STATUS_ACCESS_VIOLATION, "access violation"},
        {STATUS_IN_PAGE_ERROR, "in-page error"},
        {STATUS_GUARD_PAGE_VIOLATION, "guard page violation"},
        {STATUS_DATATYPE_MISALIGNMENT, "misaligned access"},
        {STATUS_BREAKPOINT, "breakpoint"},
        {STATUS_SINGLE_STEP, "single step"},
        {STATUS_ILLEGAL_INSTRUCTION, "illegal instruction"},
        {STATUS_PRIVILEGED_INSTRUCTION, "privileged instruction"},
        {STATUS_INTEGER_DIVIDE_BY_ZERO, "integer division by zero"},
        {STATUS_INTEGER_OVERFLOW, "integer overflow"},
        {STATUS_ARRAY_BOUNDS_EXCEEDED, "array bounds exceeded"},
        {STATUS_STACK_OVERFLOW, "stack overflow"},
        {STATUS_NONCONTINUABLE_EXCEPTION, "noncontinuable exception"},
        {STATUS_INVALID_DISPOSITION, "invalid disposition of an exception"},
        {STATUS_BAD_STACK, "bad stack"},
        {STATUS_FLOAT_DENORMAL_OPERAND, "denormal floating-point operand"},
        {STATUS_FLOAT_DIVIDE_BY_ZERO, "floating-point division by zero"},
        {STATUS_FLOAT_INEXACT_RESULT, "inexact floating-point result"},
        {STATUS_FLOAT_INVALID_OPERATION, "invalid floating-point operation"},
        {STATUS_FLOAT_OVERFLOW, "floating-point overflow"},
        {STATUS_FLOAT_STACK_CHECK, "floating-point stack check"},
        {STATUS_FLOAT_UNDERFLOW, "floating-point underflow"},
        {STATUS_FLOAT_MULTIPLE_TRAPS, "floating-point exception"},
        {STATUS_DLL_NOT_FOUND, "DLL not found"},
        {STATUS_ENTRYPOINT_NOT_FOUND, "entry point not found"},
        {STATUS_ORDINAL_NOT_FOUND, "ordinal not found"},
        {STATUS_DLL_INIT_FAILED, "initialisation of a DLL failed"},
        {STATUS_ASSERTION_FAILURE, "assertion failure"},
    };
    for (uint32_t i = 0; i < ARRAY_COUNT(table); i++) {
        if ((uint32_t)table[i].code == code) {
            return table[i].words;
        }
    }
    return "unhandled exception";
}

/* " writing 0x00000010", for the exceptions that have an address. */
static size_t format_access(char *text, size_t nbytes, const struct nt_exception_record *record)
{
    bool has_address = record->exception_code == (uint32_t)STATUS_ACCESS_VIOLATION ||
                       record->exception_code == (uint32_t)STATUS_IN_PAGE_ERROR ||
                       record->exception_code == (uint32_t)STATUS_GUARD_PAGE_VIOLATION;
    if (!has_address || record->number_parameters < 2) {
        return 0;
    }
    const char *verb = "reading";
    if (record->exception_information[0] == (uint32_t)ACCESS_WRITE) {
        verb = "writing";
    } else if (record->exception_information[0] == (uint32_t)ACCESS_EXECUTE) {
        verb = "executing";
    }
    return kformat(text, nbytes, " %s 0x%08x", verb, record->exception_information[1]);
}

static void format_report(char *text, size_t nbytes, struct process *process,
                          const struct nt_exception_record *record)
{
    char module[PROCESS_NAME_CHARACTERS];
    uint32_t base;
    size_t at = kformat(text, nbytes, "quire: %s: %s (0x%08X)",
                        process->name[0] != '\0' ? process->name : "process",
                        words_for(record->exception_code), record->exception_code);
    at = at < nbytes ? at : nbytes - 1;
    at += format_access(text + at, nbytes - at, record);
    at = at < nbytes ? at : nbytes - 1;
    at += kformat(text + at, nbytes - at, " at 0x%08x", record->exception_address);
    at = at < nbytes ? at : nbytes - 1;
    if (image_name_at(process, process->space, record->exception_address, module, sizeof(module),
                      &base)) {
        at +=
            kformat(text + at, nbytes - at, " (%s+0x%x)", module, record->exception_address - base);
        at = at < nbytes ? at : nbytes - 1;
    }
    (void)kformat(text + at, nbytes - at, "\n");
}

/* To the process's standard error, when that is a stream. */
static void write_to_standard_error(struct process *process, const char *text)
{
    struct object *object;
    if (is_error(
            handle_reference(&process->handles, process->standard_error, &file_type, 0, &object))) {
        return;
    }
    struct stream *stream = container_of(object, struct file_object, object)->stream;
    if (stream != NULL && stream->write != NULL) {
        status_t status = stream->write(stream, text, (uint32_t)strlen(text));
        (void)status; /* it is in the log, too */
    }
    ob_unref(object);
}

void exception_end_process(const struct nt_exception_record *record)
{
    struct process *process = ps_current();
    char text[REPORT_NBYTES];
    format_report(text, sizeof(text), process, record);
    log_print("%s", text);
    write_to_standard_error(process, text);
    ps_terminate_process(process, (status_t)record->exception_code);
}

/* ---- delivery ---------------------------------------------------------------------------------
 */

/*
 * Puts record and context on the user stack; from ESP upwards: their two addresses, the record, the
 * context. => the new ESP in *ESP.
 */
static status_t push_exception(struct user_thread *self, uint32_t *esp)
{
    uint32_t context = (*esp - (uint32_t)sizeof(self->context)) & ~15u;
    uint32_t record = context - (uint32_t)sizeof(self->record);
    uint32_t top = record - 8u;
    const uint32_t words[2] = {record, context};
    status_t status = copy_to_user((uaddr_t){context}, &self->context, sizeof(self->context));
    if (is_success(status)) {
        status = copy_to_user((uaddr_t){record}, &self->record, sizeof(self->record));
    }
    if (is_success(status)) {
        status = copy_to_user((uaddr_t){top}, words, sizeof(words));
    }
    *esp = top;
    return status;
}

void exception_deliver(struct trap_frame *frame)
{
    struct user_thread *self = ps_current_thread();
    uint32_t esp = frame->esp;
    if (!self->process->has_ntdll) {
        exception_end_process(&self->record);
        return;
    }
    self->context.context_flags = NT_CONTEXT_FULL | NT_CONTEXT_FLOAT | NT_CONTEXT_EXTENDED;
    context_read(self, &self->context);
    if (is_error(push_exception(self, &esp))) {
        exception_end_process(&self->record);
        return;
    }
    frame->esp = esp;
    frame->eip = image_ntdll_dispatcher();
    frame->eflags &= ~(EFLAGS_TF | EFLAGS_DF);
    trap_return_full(frame);
}

static void user_exception(struct trap_frame *frame, const struct user_exception *exception)
{
    struct user_thread *self = ps_current_thread();
    struct nt_exception_record *record = &self->record;
    memset(record, 0, sizeof(*record));
    record->exception_code = (uint32_t)exception->code;
    record->exception_address = exception->address;
    record->number_parameters = exception->nparameters;
    memcpy(record->exception_information, exception->parameters, sizeof(exception->parameters));
    if (exception->code == STATUS_STACK_OVERFLOW) {
        record->number_parameters = 0;
    }
    exception_deliver(frame);
}

void exception_start(void)
{
    static const struct trap_operations operations = {
        .user_page_fault = user_page_fault,
        .window_fault = mm_window_fault,
        .user_exception = user_exception,
        .before_user = ps_before_user,
    };
    trap_register(&operations);
}
