/*
 * user/kernel32/thread.c: threads, and what each has for itself: TLS and FLS slots.
 *
 * A slot of thread-local storage is an index into the TEB (64, then 1024 more in a block made at
 * the first use). A freed slot reads zero in every thread when it is given out again: for that,
 * kernel32 keeps a list of the threads it was told of. Bitmaps and list lie in the PEB, which is
 * written to anyway; the PEB lock guards them.
 */
#include "user/kernel32/kernel32.h"

#define TLS_SLOTS      TLS_MINIMUM_AVAILABLE
#define TLS_MORE_SLOTS 1024u
#define FLS_SLOT_COUNT 128u

_Static_assert(sizeof(((struct peb *)0)->tls_bitmap_bits) * 8 == TLS_SLOTS, "a bit each");
_Static_assert(sizeof(((struct peb *)0)->tls_expansion_bits) * 8 == TLS_MORE_SLOTS, "a bit each");
_Static_assert(sizeof(((struct peb *)0)->fls_bitmap_bits) * 8 == FLS_SLOT_COUNT, "a bit each");

static PFLS_CALLBACK_FUNCTION fls_callbacks[FLS_SLOT_COUNT];

/* One per thread that kernel32 was told of. */
struct thread_block {
    LIST_ENTRY links; /* [PEB lock] */
    struct teb *teb;
    void *fls[FLS_SLOT_COUNT];
};

/* The list of them. [PEB lock] */
static LIST_ENTRY *thread_blocks(void)
{
    LIST_ENTRY *list = &this_peb()->fls_list;
    if (!list->Flink) {
        list->Flink = list->Blink = list;
    }
    return list;
}

static struct thread_block *this_block(void)
{
    struct teb *teb = this_teb();
    if (!teb->fls_slots) {
        struct thread_block *block =
            RtlAllocateHeap(this_peb()->process_heap, HEAP_ZERO_MEMORY, sizeof(*block));
        if (!block) {
            return NULL;
        }
        block->teb = teb;
        RtlAcquirePebLock();
        LIST_ENTRY *list = thread_blocks();
        block->links.Flink = list;
        block->links.Blink = list->Blink;
        list->Blink->Flink = &block->links;
        list->Blink = &block->links;
        RtlReleasePebLock();
        teb->fls_slots = (void **)block;
    }
    return (struct thread_block *)teb->fls_slots;
}

/* A thread begins: kernel32 keeps a block for it. */
void thread_begins(void)
{
    (void)this_block();
}

/* A thread ends: its FLS callbacks run, its blocks go. */
void thread_ends(void)
{
    struct teb *teb = this_teb();
    struct thread_block *block = (struct thread_block *)teb->fls_slots;
    if (block) {
        for (DWORD i = 0; i < FLS_SLOT_COUNT; i++) {
            void *value = block->fls[i];
            block->fls[i] = NULL;
            if (value && fls_callbacks[i]) {
                fls_callbacks[i](value);
            }
        }
        RtlAcquirePebLock();
        block->links.Flink->Blink = block->links.Blink;
        block->links.Blink->Flink = block->links.Flink;
        RtlReleasePebLock();
        teb->fls_slots = NULL;
        release_memory(block);
    }
    void **more = teb->tls_expansion_slots;
    teb->tls_expansion_slots = NULL;
    release_memory(more);
}

/* Takes the first slot that is free in a bitmap of the PEB; TLS_OUT_OF_INDEXES when it is full. */
static DWORD take_slot(ULONG *bits, DWORD words)
{
    for (DWORD i = 0; i < words; i++) {
        if (~bits[i]) {
            DWORD bit = (DWORD)__builtin_ctz(~bits[i]);
            bits[i] |= 1u << bit;
            return i * 32 + bit;
        }
    }
    return TLS_OUT_OF_INDEXES;
}

/* The word of the bitmaps that holds SLOT's bit, or NULL when there is no such slot. */
static ULONG *tls_word(DWORD slot)
{
    struct peb *peb = this_peb();
    if (slot < TLS_SLOTS) {
        return &peb->tls_bitmap_bits[slot / 32];
    }
    slot -= TLS_SLOTS;
    return slot < TLS_MORE_SLOTS ? &peb->tls_expansion_bits[slot / 32] : NULL;
}

DWORD WINAPI TlsAlloc(void)
{
    struct peb *peb = this_peb();
    RtlAcquirePebLock();
    peb->tls_bitmap_bits[0] |= 1; /* never given out: many take 0 for "none" */
    DWORD slot = take_slot(peb->tls_bitmap_bits, COUNT_OF(peb->tls_bitmap_bits));
    if (slot == TLS_OUT_OF_INDEXES) {
        slot = take_slot(peb->tls_expansion_bits, COUNT_OF(peb->tls_expansion_bits));
        slot += slot != TLS_OUT_OF_INDEXES ? TLS_SLOTS : 0;
    }
    if (slot == TLS_OUT_OF_INDEXES) {
        fail(ERROR_NO_MORE_ITEMS);
    } else if (!TlsSetValue(slot, NULL)) {
        *tls_word(slot) &= ~(1u << slot % 32);
        slot = TLS_OUT_OF_INDEXES;
    }
    RtlReleasePebLock();
    return slot;
}

/* Whether the TEB of a listed thread is still there: a thread ended from outside leaves none. */
static BOOL is_alive(const struct teb *teb)
{
    return !IsBadWritePtr((void *)teb, sizeof(*teb)) && teb->tib.Self == (NT_TIB *)&teb->tib;
}

static void clear_slot(struct teb *teb, DWORD slot)
{
    if (slot < TLS_SLOTS) {
        teb->tls_slots[slot] = NULL;
    } else if (teb->tls_expansion_slots) {
        teb->tls_expansion_slots[slot - TLS_SLOTS] = NULL;
    }
}

BOOL WINAPI TlsFree(DWORD slot)
{
    BOOL freed = FALSE;
    RtlAcquirePebLock();
    ULONG *word = tls_word(slot), bit = 1u << slot % 32;
    if (slot && word && (*word & bit)) {
        LIST_ENTRY *list = thread_blocks();
        clear_slot(this_teb(), slot);
        for (LIST_ENTRY *link = list->Flink; link != list; link = link->Flink) {
            struct thread_block *block = CONTAINING_RECORD(link, struct thread_block, links);
            if (block->teb != this_teb() && is_alive(block->teb)) {
                clear_slot(block->teb, slot);
            }
        }
        *word &= ~bit;
        freed = TRUE;
    }
    RtlReleasePebLock();
    return freed ? TRUE : fail(ERROR_INVALID_PARAMETER);
}

void *WINAPI TlsGetValue(DWORD slot)
{
    struct teb *teb = this_teb();
    if (slot < TLS_SLOTS) {
        teb->last_error = NO_ERROR;
        return teb->tls_slots[slot];
    }
    if (slot < TLS_SLOTS + TLS_MORE_SLOTS) {
        teb->last_error = NO_ERROR;
        return teb->tls_expansion_slots ? teb->tls_expansion_slots[slot - TLS_SLOTS] : NULL;
    }
    fail(ERROR_INVALID_PARAMETER);
    return NULL;
}

BOOL WINAPI TlsSetValue(DWORD slot, void *value)
{
    struct teb *teb = this_teb();
    if (slot < TLS_SLOTS) {
        teb->tls_slots[slot] = value;
        return TRUE;
    }
    if (slot >= TLS_SLOTS + TLS_MORE_SLOTS) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    if (!teb->tls_expansion_slots) {
        teb->tls_expansion_slots = RtlAllocateHeap(this_peb()->process_heap, HEAP_ZERO_MEMORY,
                                                   TLS_MORE_SLOTS * sizeof(void *));
        if (!teb->tls_expansion_slots) {
            return fail(ERROR_NOT_ENOUGH_MEMORY);
        }
    }
    teb->tls_expansion_slots[slot - TLS_SLOTS] = value;
    return TRUE;
}

DWORD WINAPI FlsAlloc(PFLS_CALLBACK_FUNCTION callback)
{
    struct peb *peb = this_peb();
    RtlAcquirePebLock();
    peb->fls_bitmap_bits[0] |= 1; /* as for TLS */
    DWORD slot = take_slot(peb->fls_bitmap_bits, COUNT_OF(peb->fls_bitmap_bits));
    if (slot != FLS_OUT_OF_INDEXES) {
        fls_callbacks[slot] = callback;
    } else {
        fail(ERROR_NO_MORE_ITEMS);
    }
    RtlReleasePebLock();
    return slot;
}

BOOL WINAPI FlsFree(DWORD slot)
{
    ULONG *bits = this_peb()->fls_bitmap_bits;
    if (!slot || slot >= FLS_SLOT_COUNT || !(bits[slot / 32] & 1u << slot % 32)) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    RtlAcquirePebLock();
    LIST_ENTRY *list = thread_blocks();
    for (LIST_ENTRY *link = list->Flink; link != list; link = link->Flink) {
        struct thread_block *block = CONTAINING_RECORD(link, struct thread_block, links);
        void *value = block->fls[slot];
        block->fls[slot] = NULL;
        if (value && fls_callbacks[slot]) {
            fls_callbacks[slot](value);
        }
    }
    fls_callbacks[slot] = NULL;
    bits[slot / 32] &= ~(1u << slot % 32);
    RtlReleasePebLock();
    return TRUE;
}

void *WINAPI FlsGetValue(DWORD slot)
{
    struct thread_block *block = this_block();
    if (slot >= FLS_SLOT_COUNT || !slot || !block) {
        fail(ERROR_INVALID_PARAMETER);
        return NULL;
    }
    SetLastError(NO_ERROR);
    return block->fls[slot];
}

BOOL WINAPI FlsSetValue(DWORD slot, void *value)
{
    struct thread_block *block = this_block();
    if (slot >= FLS_SLOT_COUNT || !slot) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    if (!block) {
        return fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    block->fls[slot] = value;
    return TRUE;
}

HANDLE WINAPI CreateRemoteThreadEx(HANDLE process, SECURITY_ATTRIBUTES *security, SIZE_T stack,
                                   LPTHREAD_START_ROUTINE start, void *argument, DWORD flags,
                                   LPPROC_THREAD_ATTRIBUTE_LIST list, DWORD *id)
{
    OBJECT_ATTRIBUTES attributes = {
        .Length = sizeof(attributes),
        .Attributes = security && security->bInheritHandle ? OBJ_INHERIT : 0,
    };
    struct client_id client = {0};
    struct {
        ULONG length;
        struct process_attribute attribute;
    } out = {sizeof(out), {.attribute = NT_ATTRIBUTE_CLIENT_ID, .size = sizeof(client)}};
    out.attribute.out = &client;
    BOOL reservation = (flags & STACK_SIZE_PARAM_IS_A_RESERVATION) != 0;
    HANDLE thread = NULL;
    if (list || (flags & ~(DWORD)(CREATE_SUSPENDED | STACK_SIZE_PARAM_IS_A_RESERVATION))) {
        fail(ERROR_INVALID_PARAMETER);
        return NULL;
    }
    NTSTATUS status =
        NtCreateThreadEx(&thread, THREAD_ALL_ACCESS, &attributes, process, (void *)start, argument,
                         flags & CREATE_SUSPENDED ? NT_THREAD_CREATE_SUSPENDED : 0, 0,
                         reservation ? 0 : stack, reservation ? stack : 0, &out);
    if (!finish(status)) {
        return NULL;
    }
    if (id) {
        *id = (DWORD)(uintptr_t)client.thread;
    }
    return thread;
}

HANDLE WINAPI CreateRemoteThread(HANDLE process, SECURITY_ATTRIBUTES *security, SIZE_T stack,
                                 LPTHREAD_START_ROUTINE start, void *argument, DWORD flags,
                                 DWORD *id)
{
    return CreateRemoteThreadEx(process, security, stack, start, argument, flags, NULL, id);
}

HANDLE WINAPI CreateThread(SECURITY_ATTRIBUTES *security, SIZE_T stack,
                           LPTHREAD_START_ROUTINE start, void *argument, DWORD flags, DWORD *id)
{
    return CreateRemoteThreadEx(NtCurrentProcess(), security, stack, start, argument, flags, NULL,
                                id);
}

void WINAPI FreeLibraryAndExitThread(HMODULE module, DWORD code)
{
    FreeLibrary(module);
    RtlExitUserThread((NTSTATUS)code);
}

HANDLE WINAPI OpenThread(DWORD access, BOOL inherit, DWORD id)
{
    OBJECT_ATTRIBUTES attributes = {
        .Length = sizeof(attributes),
        .Attributes = inherit ? OBJ_INHERIT : 0,
    };
    struct client_id client = {NULL, (HANDLE)(uintptr_t)id};
    HANDLE thread = NULL;
    return finish(NtOpenThread(&thread, access, &attributes, &client)) ? thread : NULL;
}

HANDLE WINAPI GetCurrentThread(void)
{
    return NtCurrentThread();
}

DWORD WINAPI GetCurrentThreadId(void)
{
    return (DWORD)(uintptr_t)this_teb()->client_id.thread;
}

DWORD WINAPI SuspendThread(HANDLE thread)
{
    ULONG previous;
    return finish(NtSuspendThread(thread, &previous)) ? previous : (DWORD)-1;
}

DWORD WINAPI ResumeThread(HANDLE thread)
{
    ULONG previous;
    return finish(NtResumeThread(thread, &previous)) ? previous : (DWORD)-1;
}

BOOL WINAPI TerminateThread(HANDLE thread, DWORD code)
{
    return finish(NtTerminateThread(thread, (NTSTATUS)code));
}

static BOOL thread_information(HANDLE thread, struct thread_basic_information *info)
{
    return finish(
        NtQueryInformationThread(thread, NT_THREAD_BASIC_INFORMATION, info, sizeof(*info), NULL));
}

BOOL WINAPI GetExitCodeThread(HANDLE thread, DWORD *code)
{
    struct thread_basic_information info;
    if (!thread_information(thread, &info)) {
        return FALSE;
    }
    *code = (DWORD)info.exit_status;
    return TRUE;
}

DWORD WINAPI GetThreadId(HANDLE thread)
{
    struct thread_basic_information info;
    return thread_information(thread, &info) ? (DWORD)(uintptr_t)info.client_id.thread : 0;
}

DWORD WINAPI GetProcessIdOfThread(HANDLE thread)
{
    struct thread_basic_information info;
    return thread_information(thread, &info) ? (DWORD)(uintptr_t)info.client_id.process : 0;
}

BOOL WINAPI GetThreadContext(HANDLE thread, CONTEXT *context)
{
    return finish(NtGetContextThread(thread, context));
}

BOOL WINAPI SetThreadContext(HANDLE thread, const CONTEXT *context)
{
    return finish(NtSetContextThread(thread, context));
}

BOOL WINAPI SetThreadPriority(HANDLE thread, int priority)
{
    LONG base = priority;
    if (base == THREAD_PRIORITY_TIME_CRITICAL) {
        base = THREAD_BASE_PRIORITY_LOWRT + 1;
    } else if (base == THREAD_PRIORITY_IDLE) {
        base = THREAD_BASE_PRIORITY_IDLE - 1;
    }
    return finish(NtSetInformationThread(thread, NT_THREAD_BASE_PRIORITY, &base, sizeof(base)));
}

int WINAPI GetThreadPriority(HANDLE thread)
{
    struct thread_basic_information info;
    if (!thread_information(thread, &info)) {
        return THREAD_PRIORITY_ERROR_RETURN;
    }
    if (info.base_priority > THREAD_BASE_PRIORITY_LOWRT) {
        return THREAD_PRIORITY_TIME_CRITICAL;
    }
    return info.base_priority < THREAD_BASE_PRIORITY_IDLE ? THREAD_PRIORITY_IDLE
                                                          : info.base_priority;
}

DWORD_PTR WINAPI SetThreadAffinityMask(HANDLE thread, DWORD_PTR mask)
{
    struct thread_basic_information info;
    if (!thread_information(thread, &info) ||
        !finish(NtSetInformationThread(thread, NT_THREAD_AFFINITY_MASK, &mask, sizeof(mask)))) {
        return 0;
    }
    return info.affinity;
}

BOOL WINAPI GetThreadTimes(HANDLE thread, FILETIME *creation, FILETIME *end, FILETIME *kernel,
                           FILETIME *user)
{
    FILETIME times[4];
    if (!finish(NtQueryInformationThread(thread, NT_THREAD_TIMES, times, sizeof(times), NULL))) {
        return FALSE;
    }
    *creation = times[0];
    *end = times[1];
    *kernel = times[2];
    *user = times[3];
    return TRUE;
}

DWORD WINAPI SleepEx(DWORD milliseconds, BOOL alertable)
{
    LARGE_INTEGER timeout;
    if (!milliseconds && !alertable) {
        NtYieldExecution();
        return 0;
    }
    if (!timeout_of(&timeout, milliseconds)) {
        timeout.QuadPart = INT64_MIN;
    }
    NTSTATUS status;
    do {
        status = NtDelayExecution(alertable != 0, &timeout);
    } while (milliseconds == INFINITE && status == STATUS_SUCCESS);
    return status == STATUS_USER_APC ? WAIT_IO_COMPLETION : 0;
}

void WINAPI Sleep(DWORD milliseconds)
{
    SleepEx(milliseconds, FALSE);
}

BOOL WINAPI SwitchToThread(void)
{
    return NtYieldExecution() == STATUS_SUCCESS;
}
