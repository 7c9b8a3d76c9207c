/*
 * user/ntdll/exception.c: dispatching exceptions to handlers, and unwinding.
 *
 * An exception goes to the vectored handlers, then along the chain of registrations at FS:[0],
 * innermost frame first. A handler continues execution, passes on, or unwinds: RtlUnwind calls the
 * handlers of the frames that are left and takes them off the chain. An exception inside a handler
 * (nested) and an unwind inside an unwind (collided) are noticed by the registrations that
 * entry.asm puts around each handler.
 *
 * Vectored handlers are in two lists under vectored_lock; one that is being called is kept by a
 * reference.
 */
#include "user/ntdll/loader.h"

#define CHAIN_END ((struct registration *)(LONG_PTR)-1)

enum disposition {
    CONTINUE_EXECUTION,
    CONTINUE_SEARCH,
    NESTED_EXCEPTION,
    COLLIDED_UNWIND,
};

struct registration {
    struct registration *next;
    void *handler;
};

struct vectored {
    LIST_ENTRY links;
    PVECTORED_EXCEPTION_HANDLER handler;
    ULONG references; /* one for the list, one per call in progress */
    bool removed;
};

static RTL_CRITICAL_SECTION vectored_lock = {(void *)-1, -1, 0, NULL, NULL, 0};
static LIST_ENTRY vectored_exception = {&vectored_exception, &vectored_exception};
static LIST_ENTRY vectored_continue = {&vectored_continue, &vectored_continue};
static PTOP_LEVEL_EXCEPTION_FILTER unhandled_filter;

void __cdecl raise_exception(EXCEPTION_RECORD *record, CONTEXT *context);
void __cdecl unwind_frames(struct registration *target, EXCEPTION_RECORD *record, CONTEXT *context);

/*
 * Vectored handlers
 */

static void *add_vectored(LIST_ENTRY *list, ULONG first, PVECTORED_EXCEPTION_HANDLER handler)
{
    struct vectored *vectored = heap_take(sizeof(*vectored));

    if (!vectored) {
        return NULL;
    }
    vectored->handler = handler;
    vectored->references = 1;
    RtlEnterCriticalSection(&vectored_lock);
    LIST_ENTRY *at = first ? list : list->Blink;
    vectored->links.Flink = at->Flink;
    vectored->links.Blink = at;
    at->Flink->Blink = &vectored->links;
    at->Flink = &vectored->links;
    RtlLeaveCriticalSection(&vectored_lock);
    return vectored;
}

/* => vectored_lock held. */
static void unref_vectored(struct vectored *vectored)
{
    if (--vectored->references == 0) {
        vectored->links.Flink->Blink = vectored->links.Blink;
        vectored->links.Blink->Flink = vectored->links.Flink;
        heap_give(vectored);
    }
}

static ULONG remove_vectored(LIST_ENTRY *list, void *handle)
{
    ULONG found = 0;

    RtlEnterCriticalSection(&vectored_lock);
    for (LIST_ENTRY *at = list->Flink; at != list; at = at->Flink) {
        struct vectored *vectored = (struct vectored *)at;
        if (vectored == handle && !vectored->removed) {
            vectored->removed = true;
            unref_vectored(vectored);
            found = 1;
            break;
        }
    }
    RtlLeaveCriticalSection(&vectored_lock);
    return found;
}

/* Whether one of the handlers of LIST says that execution continues. */
static bool call_vectored(LIST_ENTRY *list, EXCEPTION_RECORD *record, CONTEXT *context)
{
    EXCEPTION_POINTERS pointers = {record, context};
    bool handled = false;

    if (list->Flink == list) {
        return false;
    }
    RtlEnterCriticalSection(&vectored_lock);
    LIST_ENTRY *at = list->Flink;
    while (at != list && !handled) {
        struct vectored *vectored = (struct vectored *)at;
        if (vectored->removed) {
            at = at->Flink;
            continue;
        }
        vectored->references++;
        RtlLeaveCriticalSection(&vectored_lock);
        handled = vectored->handler(&pointers) == EXCEPTION_CONTINUE_EXECUTION;
        RtlEnterCriticalSection(&vectored_lock);
        at = at->Flink;
        unref_vectored(vectored);
    }
    RtlLeaveCriticalSection(&vectored_lock);
    return handled;
}

void *NTAPI RtlAddVectoredExceptionHandler(ULONG first, PVECTORED_EXCEPTION_HANDLER handler)
{
    return add_vectored(&vectored_exception, first, handler);
}

ULONG NTAPI RtlRemoveVectoredExceptionHandler(void *handle)
{
    return remove_vectored(&vectored_exception, handle);
}

void *NTAPI RtlAddVectoredContinueHandler(ULONG first, PVECTORED_EXCEPTION_HANDLER handler)
{
    return add_vectored(&vectored_continue, first, handler);
}

ULONG NTAPI RtlRemoveVectoredContinueHandler(void *handle)
{
    return remove_vectored(&vectored_continue, handle);
}

/*
 * The chain of registrations
 */

static struct registration *chain(void)
{
    return (struct registration *)(void *)this_teb()->tib.ExceptionList;
}

static void set_chain(struct registration *registration)
{
    this_teb()->tib.ExceptionList = (struct _EXCEPTION_REGISTRATION_RECORD *)(void *)registration;
}

/* A registration lies on the thread's stack, aligned; its handler does not. */
static bool is_registration_sane(const struct registration *at)
{
    const struct teb *teb = this_teb();
    uintptr_t low = (uintptr_t)teb->tib.StackLimit;
    uintptr_t high = (uintptr_t)teb->tib.StackBase;

    if ((uintptr_t)at < low || (uintptr_t)at + sizeof(*at) > high || (uintptr_t)at % 4) {
        return false;
    }
    return (uintptr_t)at->handler < low || (uintptr_t)at->handler >= high;
}

/* Raises CODE because of what a handler did with RECORD. */
static void raise_noncontinuable(NTSTATUS code, EXCEPTION_RECORD *cause)
{
    EXCEPTION_RECORD record = {
        .ExceptionCode = (DWORD)code,
        .ExceptionFlags = EXCEPTION_NONCONTINUABLE,
        .ExceptionRecord = cause,
    };

    RtlRaiseException(&record);
}

static bool call_frame_handlers(EXCEPTION_RECORD *record, CONTEXT *context)
{
    struct registration *nested = NULL;

    for (struct registration *at = chain(); at != CHAIN_END; at = at->next) {
        struct registration *dispatcher = NULL;

        if (!is_registration_sane(at)) {
            record->ExceptionFlags |= EXCEPTION_STACK_INVALID;
            return false;
        }
        int disposition = execute_dispatch_handler(record, at, context, &dispatcher, at->handler);
        if (at == nested) {
            record->ExceptionFlags &= ~EXCEPTION_NESTED_CALL;
            nested = NULL;
        }
        if (disposition == CONTINUE_EXECUTION) {
            if (!(record->ExceptionFlags & EXCEPTION_NONCONTINUABLE)) {
                return true;
            }
            raise_noncontinuable(STATUS_NONCONTINUABLE_EXCEPTION, record);
        } else if (disposition == NESTED_EXCEPTION) {
            record->ExceptionFlags |= EXCEPTION_NESTED_CALL;
            if (dispatcher > nested) {
                nested = dispatcher;
            }
        } else if (disposition != CONTINUE_SEARCH) {
            raise_noncontinuable(STATUS_INVALID_DISPOSITION, record);
        }
    }
    return false;
}

/* Whether a handler wants execution to continue at CONTEXT, which it may have changed. */
BOOLEAN NTAPI RtlDispatchException(EXCEPTION_RECORD *record, CONTEXT *context)
{
    bool handled =
        call_vectored(&vectored_exception, record, context) || call_frame_handlers(record, context);

    if (handled) {
        call_vectored(&vectored_continue, record, context);
    }
    return handled;
}

/* What RtlRaiseException does once it has CONTEXT. Returns only when both chances are refused. */
void __cdecl raise_exception(EXCEPTION_RECORD *record, CONTEXT *context)
{
    NTSTATUS status = RtlDispatchException(record, context)
                          ? NtContinue(context, FALSE)
                          : NtRaiseException(record, context, FALSE);

    NtTerminateProcess(THIS_PROCESS, status);
}

void NTAPI RtlRaiseStatus(NTSTATUS status)
{
    EXCEPTION_RECORD record = {
        .ExceptionCode = (DWORD)status,
        .ExceptionFlags = EXCEPTION_NONCONTINUABLE,
    };

    RtlRaiseException(&record);
}

/*
 * What RtlUnwind does once it has CONTEXT: calls the handlers of all frames inside TARGET (NULL:
 * of all) and makes TARGET the first registration.
 */
void __cdecl unwind_frames(struct registration *target, EXCEPTION_RECORD *record, CONTEXT *context)
{
    EXCEPTION_RECORD own = {.ExceptionCode = (DWORD)STATUS_UNWIND,
                            .ExceptionAddress = (void *)(uintptr_t)context->Eip};

    record = record ? record : &own;
    record->ExceptionFlags |= EXCEPTION_UNWINDING | (target ? 0 : EXCEPTION_EXIT_UNWIND);
    for (struct registration *at = chain(); at != CHAIN_END && at != target;) {
        struct registration *dispatcher = NULL;

        if (target && at > target) {
            raise_noncontinuable(STATUS_INVALID_UNWIND_TARGET, record);
        }
        if (!is_registration_sane(at)) {
            raise_noncontinuable(STATUS_BAD_STACK, record);
        }
        int disposition = execute_unwind_handler(record, at, context, &dispatcher, at->handler);
        if (disposition == COLLIDED_UNWIND) {
            at = dispatcher; /* the frame whose handler the other unwind was calling */
        } else if (disposition != CONTINUE_SEARCH) {
            raise_noncontinuable(STATUS_INVALID_DISPOSITION, record);
        }
        at = at->next;
        set_chain(at);
    }
}

PTOP_LEVEL_EXCEPTION_FILTER volatile ntdll_program_filter;

void NTAPI RtlSetUnhandledExceptionFilter(PTOP_LEVEL_EXCEPTION_FILTER filter)
{
    unhandled_filter = filter;
}

/*
 * The handler of a thread's outermost frame: asks kernel32's filter. When that passes too, the
 * kernel reports the exception and ends the process (second chance).
 */
EXCEPTION_DISPOSITION __cdecl thread_final_handler(EXCEPTION_RECORD *record, void *frame,
                                                   CONTEXT *context, void *dispatcher)
{
    EXCEPTION_POINTERS pointers = {record, context};

    (void)frame;
    (void)dispatcher;
    if ((record->ExceptionFlags & (EXCEPTION_UNWINDING | EXCEPTION_EXIT_UNWIND)) ||
        !unhandled_filter) {
        return ExceptionContinueSearch;
    }
    LONG answer = unhandled_filter(&pointers);
    if (answer == EXCEPTION_CONTINUE_EXECUTION) {
        return ExceptionContinueExecution;
    }
    if (answer == EXCEPTION_EXECUTE_HANDLER) {
        NtTerminateProcess(THIS_PROCESS, (NTSTATUS)record->ExceptionCode);
    }
    return ExceptionContinueSearch;
}

/* The return addresses on the stack, by the chain of EBP. */
USHORT NTAPI RtlCaptureStackBackTrace(ULONG skip, ULONG count, void **frames, ULONG *hash)
{
    const uintptr_t *at = __builtin_frame_address(0);
    uintptr_t high = (uintptr_t)this_teb()->tib.StackBase;
    ULONG sum = 0;
    USHORT found = 0;

    while ((uintptr_t)at % 4 == 0 && (uintptr_t)at + 8 <= high && found < count && at[1]) {
        if (skip > 0) {
            skip--;
        } else {
            frames[found++] = (void *)at[1];
            sum += at[1];
        }
        if (at[0] <= (uintptr_t)at) {
            break;
        }
        at = (const uintptr_t *)at[0];
    }
    if (hash) {
        *hash = sum;
    }
    return found;
}
