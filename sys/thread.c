/*
 * sys/thread.c: threads of processes: made, started, asked to end, ended, freed.
 *
 * A thread begins in thread_run, on its kernel stack, and enters user mode at an address and with a
 * user stack that ps_create_thread prepared. It ends in exit_thread and nowhere else: either
 * by its own call, or, when somebody asked it to, at the last step before user mode, with no lock
 * and no reference held. So nothing is ever torn away from a thread that is in the middle of a
 * call. The structure holds one reference for the thread that runs, which the reaper drops.
 *
 * User memory of a thread: a stack (its own allocation) and a TEB (its own, or beside the PEB).
 *
 * Locks: the process lock, for the list of threads and all exit statuses.
 */
#include "abi/constants.h"
#include "kernel/clock.h"
#include "kernel/string.h"
#include "mm/space.h"
#include "mm/stack.h"
#include "mm/virtual.h"
#include "process_private.h"
#include "quire/assert.h"
#include "sys/image.h"

#define STACK_RESERVE_DEFAULT 0x100000u
#define STACK_COMMIT_DEFAULT  0x2000u
#define STACK_SPARE           0x4000u /* below what is committed: guard, kept back */
#define STACK_RESERVE_MAX     0x40000000u
#define TEB_NBYTES            ((uint32_t)sizeof(struct nt_teb))
#define EFLAGS_START          0x202u

static void thread_destroy(struct object *object);

struct object_type thread_type = {
    .name = "Thread",
    .nbytes = sizeof(struct user_thread),
    .generic_read = READ_CONTROL | THREAD_GET_CONTEXT | THREAD_QUERY_INFORMATION,
    .generic_write = READ_CONTROL | THREAD_TERMINATE | THREAD_SUSPEND_RESUME | THREAD_SET_CONTEXT |
                     THREAD_SET_INFORMATION | THREAD_SET_LIMITED_INFORMATION,
    .generic_execute =
        READ_CONTROL | SYNCHRONIZE | THREAD_QUERY_LIMITED_INFORMATION | THREAD_RESUME,
    .valid_access = THREAD_ALL_ACCESS,
    .waitable_offset = offsetof(struct user_thread, ended),
    .destroy = thread_destroy,
};

void psi_thread_init(void)
{
    ob_register_type(&thread_type);
}

static void thread_destroy(struct object *object)
{
    struct user_thread *thread = container_of(object, struct user_thread, object);
    if (thread->process == NULL) {
        return;
    }
    mutex_lock(&psi_process_lock);
    list_remove(&thread->id_link);
    mutex_unlock(&psi_process_lock);
    ob_unref(&thread->process->object);
}

/* ---- creation ---------------------------------------------------------------------------------
 */

/* What ps_create_thread gathers before the thread exists. */
struct preparation {
    struct process *process;
    struct space *space;
    const struct thread_start *start;
    struct user_thread *thread;
    void *kernel_stack;
    uaddr_t stack;       /* the allocation */
    uaddr_t stack_limit; /* lowest committed byte */
    uint32_t stack_base; /* one past the highest */
    uaddr_t teb;         /* allocated here; 0: given */
};

/* NT's rule (GRD11): what is not said comes from the image; commit above reserve raises it. */
static void choose_stack(const struct preparation *it, uint32_t *reserve, uint32_t *commit)
{
    const struct thread_start *start = it->start;
    const struct process *process = it->process;
    uint32_t r = start->stack_reserve != 0 ? start->stack_reserve : process->stack_reserve;
    uint32_t c = max_u32(process->stack_commit, STACK_COMMIT_DEFAULT);
    c = start->stack_commit != 0 ? start->stack_commit : c;
    r = r != 0 ? r : STACK_RESERVE_DEFAULT;
    r = min_u32(r, STACK_RESERVE_MAX);
    c = min_u32((c + PAGE_MASK) & ~PAGE_MASK, STACK_RESERVE_MAX);
    if (c + STACK_SPARE > r) {
        r = (c + STACK_SPARE + 0xFFFFFu) & ~0xFFFFFu;
    }
    *reserve = (r + 0xFFFFu) & ~0xFFFFu;
    *commit = c;
}

static status_t write_user(struct space *space, uint32_t address, const void *source,
                           uint32_t nbytes)
{
    uint32_t copied;
    return mm_write_space(space, (uaddr_t){address}, source, nbytes, &copied);
}

static status_t allocate_user_memory(struct preparation *it)
{
    uint32_t reserve;
    uint32_t commit;
    choose_stack(it, &reserve, &commit);
    status_t status = mm_allocate_stack(it->space, reserve, commit, &it->stack, &it->stack_limit);
    if (is_error(status)) {
        return status;
    }
    it->stack_base = it->stack.v + reserve;
    if (it->start->teb != 0) {
        return STATUS_SUCCESS;
    }
    uint32_t nbytes = TEB_NBYTES;
    return mm_allocate_virtual(it->space, &it->teb, &nbytes, 0,
                               MEM_RESERVE | MEM_COMMIT | MEM_TOP_DOWN, PAGE_READWRITE);
}

/* The words of the TEB that are not zero; ID is the thread's. */
static status_t write_teb(const struct preparation *it, uint32_t teb)
{
    const uint32_t head[] = {UINT32_MAX,
                             it->stack_base,
                             it->stack_limit.v,
                             0,
                             0x1E00,
                             0,
                             teb,
                             0, /* environment_pointer */
                             it->process->id,
                             it->thread->id,
                             0,
                             0,
                             it->process->peb};
    _Static_assert(offsetof(struct nt_teb, peb) == sizeof(head) - 4, "TEB");
    status_t status = write_user(it->space, teb, head, sizeof(head));
    if (is_success(status)) {
        const struct nt_unicode_string buffer = {
            0, 522, teb + (uint32_t)offsetof(struct nt_teb, static_unicode_buffer)};
        status =
            write_user(it->space, teb + (uint32_t)offsetof(struct nt_teb, static_unicode_string),
                       &buffer, sizeof(buffer));
    }
    if (is_success(status)) {
        status = write_user(it->space, teb + (uint32_t)offsetof(struct nt_teb, deallocation_stack),
                            &it->stack.v, sizeof(it->stack.v));
    }
    return status;
}

/*
 * Where the thread begins, and the words on its stack: [esp] = 0, then the argument; with ntdll the
 * start address before it (ntdll calls that).
 */
static status_t write_stack(const struct preparation *it)
{
    struct trap_frame *frame = &it->thread->initial;
    const struct thread_start *start = it->start;
    bool by_ntdll = it->process->has_ntdll;
    const uint32_t words[4] = {0, by_ntdll ? start->start : start->argument,
                               by_ntdll ? start->argument : 0, 0};
    memset(frame, 0, sizeof(*frame));
    frame->esp = it->stack_base - (uint32_t)sizeof(words);
    frame->eip = by_ntdll ? image_ntdll_start() : start->start;
    frame->eax = start->start;
    frame->ebx = start->argument;
    frame->cs = USER_CS;
    frame->ss = USER_DS;
    frame->ds = USER_DS;
    frame->es = USER_DS;
    frame->fs = USER_FS;
    frame->eflags = EFLAGS_START;
    return write_user(it->space, frame->esp, words, sizeof(words));
}

static void release_user_memory(struct space *space, uint32_t stack, uint32_t teb)
{
    const uint32_t allocations[] = {stack, teb};
    for (uint32_t i = 0; i < ARRAY_COUNT(allocations); i++) {
        uaddr_t base = {allocations[i]};
        uint32_t nbytes = 0;
        if (base.v != 0) {
            /* The program may have released or changed it itself: then there is nothing to do. */
            status_t status = mm_free_virtual(space, &base, &nbytes, MEM_RELEASE);
            (void)status;
        }
    }
}

static void thread_run(void *argument);
static void thread_reap(struct thread *thread);
static NORETURN void exit_thread(void);

/* Enters the thread in its process: from here on it is alive. Nothing fails any more. */
static status_t enter_thread(const struct preparation *it)
{
    struct process *process = it->process;
    struct user_thread *thread = it->thread;
    struct thread_parameters parameters = {
        .name = process->name,
        .entry = thread_run,
        .argument = thread,
        .stack_base = it->kernel_stack,
        .stack_nbytes = KERNEL_STACK_BYTES,
        .fpu_state = thread->fpu_state,
        .space = it->space,
        .root = &it->space->root,
        .owner = thread,
        .reap = thread_reap,
        .priority = process->base_priority,
    };
    mutex_lock(&psi_process_lock);
    if (process->is_ending) {
        mutex_unlock(&psi_process_lock);
        return STATUS_PROCESS_IS_TERMINATING;
    }
    thread_init(&thread->thread, &parameters);
    thread_set_user_fs(&thread->thread, thread->teb);
    if (it->start->is_suspended) {
        (void)thread_suspend(&thread->thread);
    }
    list_insert_tail(&process->threads, &thread->link);
    process->nthreads++;
    process->is_made = true;
    thread->is_made = true;
    mutex_unlock(&psi_process_lock);
    return STATUS_SUCCESS;
}

static status_t prepare_thread(struct preparation *it)
{
    struct user_thread *thread = it->thread;
    thread->process = it->process;
    ob_ref(&it->process->object);
    mutex_lock(&psi_process_lock);
    thread->id = psi_new_id_locked();
    psi_enter_thread_id_locked(thread);
    mutex_unlock(&psi_process_lock);
    status_t status = mm_create_kernel_stack(&it->kernel_stack);
    if (is_success(status)) {
        status = allocate_user_memory(it);
    }
    if (is_error(status)) {
        return status;
    }
    thread->teb = it->start->teb != 0 ? it->start->teb : it->teb.v;
    thread->teb_allocation = it->teb.v;
    thread->stack_allocation = it->stack.v;
    thread->start_address = it->start->start;
    status = write_teb(it, thread->teb);
    if (is_success(status)) {
        status = write_stack(it);
    }
    return is_success(status) ? enter_thread(it) : status;
}

status_t ps_create_thread(struct process *process, const struct thread_start *start,
                          struct user_thread **result)
{
    struct preparation it = {.process = process, .start = start};
    struct object *object;
    status_t status = ps_take_space(process, &it.space);
    if (is_error(status)) {
        return status;
    }
    status = ob_create(&thread_type, &object);
    if (is_error(status)) {
        ps_release_space(process, it.space);
        return status;
    }
    it.thread = container_of(object, struct user_thread, object);
    waitable_init_event(&it.thread->ended, true, false);
    list_init(&it.thread->link);
    list_init(&it.thread->id_link);
    it.thread->exit_status = STATUS_PENDING;
    it.thread->create_time = clock_system_time();
    status = prepare_thread(&it);
    if (is_success(status)) {
        ob_ref(object); /* the running thread's own */
        *result = it.thread;
    } else {
        release_user_memory(it.space, it.stack.v, it.teb.v);
        if (it.kernel_stack != NULL) {
            mm_destroy_kernel_stack(it.kernel_stack);
        }
        ob_unref(object);
    }
    ps_release_space(process, it.space);
    return status;
}

void ps_start_thread(struct user_thread *thread)
{
    thread_start(&thread->thread);
}

void ps_abandon_thread(struct user_thread *thread)
{
    ps_terminate_thread(thread, STATUS_THREAD_IS_TERMINATING);
    thread_start(&thread->thread);
}

/* ---- running ----------------------------------------------------------------------------------
 */

void ps_before_user(struct trap_frame *frame)
{
    (void)frame;
    status_t status = thread_wait_resumed();
    if (is_error(status)) {
        exit_thread();
    }
}

static void thread_run(void *argument)
{
    struct user_thread *self = argument;
    ps_before_user(&self->initial);
    /* From here to user mode nobody else runs; then the frame is where ps_thread_frame looks. */
    (void)irq_disable();
    self->has_started = true;
    trap_enter_user(&self->initial);
}

struct trap_frame *ps_thread_frame(struct user_thread *thread)
{
    if (!thread->has_started) {
        return &thread->initial;
    }
    char *top = (char *)thread->thread.stack_base + thread->thread.stack_nbytes;
    return (struct trap_frame *)(void *)(top - sizeof(struct trap_frame));
}

/* ---- the end ----------------------------------------------------------------------------------
 */

/* Takes the calling thread off its process; true: it was the last. */
static bool leave_process(struct user_thread *self)
{
    struct process *process = self->process;
    mutex_lock(&psi_process_lock);
    self->exit_time = clock_system_time();
    list_remove(&self->link);
    process->run_time += self->thread.run_time;
    bool was_last = --process->nthreads == 0;
    if (was_last && !process->is_ending) {
        process->is_ending = true;
        process->exit_status = self->exit_status;
    }
    mutex_unlock(&psi_process_lock);
    return was_last;
}

/* Ends the calling thread, and with the last one its process. No locks, no references left. */
static NORETURN void exit_thread(void)
{
    struct user_thread *self = ps_current_thread();
    struct process *process = self->process;
    struct space *space;
    mutants_abandon();
    /* Before nthreads says that it is gone: afterwards the last thread empties the space. */
    if (is_success(ps_take_space(process, &space))) {
        bool is_ending = process->is_ending;
        if (!is_ending && process->nthreads > 1) {
            release_user_memory(space, self->stack_allocation, self->teb_allocation);
        }
        ps_release_space(process, space);
    }
    thread_attach_space(NULL, NULL); /* the last thread frees a space that nobody walks */
    if (leave_process(self)) {
        psi_end_process(process);
    }
    event_set(&self->ended);
    thread_exit();
}

/* The thread has left its kernel stack for good. The reaper's context. */
static void thread_reap(struct thread *thread)
{
    struct user_thread *self = thread->owner;
    mm_destroy_kernel_stack(thread->stack_base);
    ob_unref(&self->object);
}

static void terminate_locked(struct user_thread *thread, status_t exit_status)
{
    if (!thread->thread.terminating) { /* the first one's code counts; any value is a code */
        thread->exit_status = exit_status;
    }
    thread_terminate(&thread->thread);
}

void ps_terminate_thread(struct user_thread *thread, status_t exit_status)
{
    mutex_lock(&psi_process_lock);
    if (!list_is_empty(&thread->link)) { /* else it has left already */
        terminate_locked(thread, exit_status);
    }
    mutex_unlock(&psi_process_lock);
}

void ps_terminate_other_threads(struct process *process, struct user_thread *except,
                                status_t exit_status)
{
    mutex_lock(&psi_process_lock);
    list_for_each(link, &process->threads) {
        struct user_thread *thread = list_entry(link, struct user_thread, link);
        if (thread != except) {
            terminate_locked(thread, exit_status);
        }
    }
    mutex_unlock(&psi_process_lock);
}

void ps_terminate_process(struct process *process, status_t exit_status)
{
    mutex_lock(&psi_process_lock);
    if (!process->is_ending) {
        process->is_ending = true;
        process->exit_status = exit_status;
        list_for_each(link, &process->threads) {
            terminate_locked(list_entry(link, struct user_thread, link), exit_status);
        }
    }
    mutex_unlock(&psi_process_lock);
}

void ps_set_base_priority(struct process *process, uint8_t priority)
{
    mutex_lock(&psi_process_lock);
    int32_t difference = priority - process->base_priority;
    process->base_priority = priority;
    list_for_each(link, &process->threads) {
        struct thread *thread = &list_entry(link, struct user_thread, link)->thread;
        int32_t moved = thread->base_priority + difference;
        moved = moved < PRIORITY_IDLE + 1 ? PRIORITY_IDLE + 1 : moved;
        thread_set_priority(thread, (uint8_t)(moved < PRIORITY_COUNT ? moved : PRIORITY_COUNT - 1));
    }
    mutex_unlock(&psi_process_lock);
}
