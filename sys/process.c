/*
 * sys/process.c: processes: made, found, ended.
 *
 * A process ends when its last thread leaves (sys/thread.c): that thread, which has stepped
 * out of the space, closes the handles, empties the space and only then signals the process; so
 * whoever waits for a process finds its names gone and its memory returned. The space itself is
 * freed when the last user of ps_take_space is done: a call that maps or reads in another process
 * never loses it in the middle, and after the end finds nothing to map into.
 *
 *   created --first thread--> running --last thread leaves--> ended --last reference--> gone
 *       \--ps_abandon_process------------------------------/
 *
 * Locks: the process lock (a mutex, the outermost of all) guards the list of processes, each
 * process's threads, the identifiers and the ending. Nothing is released under it.
 */
#include "sys/process.h"

#include "abi/constants.h"
#include "fs/file.h"
#include "kernel/clock.h"
#include "mm/pool.h"
#include "mm/space.h"
#include "process_private.h"
#include "quire/assert.h"

#define ID_BUCKETS 64u
#define ID_FIRST   8u /* 4 is the system's own, as in NT */

struct mutex psi_process_lock;

static struct list processes;               /* [process lock] */
static struct list process_ids[ID_BUCKETS]; /* [process lock] by struct process.id_link */
static struct list thread_ids[ID_BUCKETS];  /* [process lock] by struct user_thread.id_link */
static uint32_t next_id = ID_FIRST;         /* [process lock] */

static void process_destroy(struct object *object);

struct object_type process_type = {
    .name = "Process",
    .nbytes = sizeof(struct process),
    .generic_read = READ_CONTROL | PROCESS_VM_READ | PROCESS_QUERY_INFORMATION,
    .generic_write = READ_CONTROL | PROCESS_CREATE_PROCESS | PROCESS_CREATE_THREAD |
                     PROCESS_VM_OPERATION | PROCESS_VM_WRITE | PROCESS_DUP_HANDLE |
                     PROCESS_SET_QUOTA | PROCESS_SET_INFORMATION | PROCESS_SUSPEND_RESUME,
    .generic_execute =
        READ_CONTROL | SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_TERMINATE,
    .valid_access = PROCESS_ALL_ACCESS,
    .waitable_offset = offsetof(struct process, ended),
    .destroy = process_destroy,
};

void ps_init(void)
{
    mutex_init(&psi_process_lock, RANK_PROCESS);
    list_init(&processes);
    for (uint32_t i = 0; i < ID_BUCKETS; i++) {
        list_init(&process_ids[i]);
        list_init(&thread_ids[i]);
    }
    ob_register_type(&process_type);
    psi_thread_init();
}

/* ---- identifiers ------------------------------------------------------------------------------
 */

static struct list *bucket_of(struct list *table, uint32_t id)
{
    return &table[id / 4u % ID_BUCKETS];
}

static struct process *find_process_locked(uint32_t id)
{
    list_for_each(link, bucket_of(process_ids, id)) {
        struct process *process = list_entry(link, struct process, id_link);
        if (process->id == id) {
            return process;
        }
    }
    return NULL;
}

static struct user_thread *find_thread_locked(uint32_t id)
{
    list_for_each(link, bucket_of(thread_ids, id)) {
        struct user_thread *thread = list_entry(link, struct user_thread, id_link);
        if (thread->id == id) {
            return thread;
        }
    }
    return NULL;
}

uint32_t psi_new_id_locked(void)
{
    uint32_t id;
    do {
        id = next_id;
        next_id = next_id > INT32_MAX - 4u ? ID_FIRST : next_id + 4u;
    } while (find_process_locked(id) != NULL || find_thread_locked(id) != NULL);
    return id;
}

void psi_enter_thread_id_locked(struct user_thread *thread)
{
    list_insert_tail(bucket_of(thread_ids, thread->id), &thread->id_link);
}

status_t ps_find_process(uint32_t id, struct process **result)
{
    status_t status = STATUS_INVALID_PARAMETER;
    mutex_lock(&psi_process_lock);
    struct process *process = find_process_locked(id);
    if (process != NULL && process->is_made && ob_try_ref(&process->object)) {
        *result = process;
        status = STATUS_SUCCESS;
    }
    mutex_unlock(&psi_process_lock);
    return status;
}

status_t ps_find_thread(const struct nt_client_id *id, struct user_thread **result)
{
    status_t status = STATUS_INVALID_CID;
    mutex_lock(&psi_process_lock);
    struct user_thread *thread = find_thread_locked(id->thread);
    if (thread != NULL && thread->is_made &&
        (id->process == 0 || thread->process->id == id->process) && ob_try_ref(&thread->object)) {
        *result = thread;
        status = STATUS_SUCCESS;
    }
    mutex_unlock(&psi_process_lock);
    return status;
}

/* ---- the life of a process --------------------------------------------------------------------
 */

status_t ps_create_process(struct process *parent, bool inherit, struct process **result)
{
    struct object *object;
    status_t status = ob_create(&process_type, &object);
    if (is_error(status)) {
        return status;
    }
    struct process *process = container_of(object, struct process, object);
    handle_table_init(&process->handles);
    waitable_init_event(&process->ended, true, false);
    list_init(&process->threads);
    list_init(&process->link);
    list_init(&process->id_link);
    process->exit_status = STATUS_PENDING;
    process->base_priority = PRIORITY_NORMAL;
    process->create_time = clock_system_time();
    status = mm_space_create(&process->space);
    if (is_success(status)) {
        process->space_users = 1;
        if (inherit && parent != NULL) {
            status = handle_table_inherit(&process->handles, &parent->handles);
        }
    }
    if (is_error(status)) {
        ps_abandon_process(process, status);
        ob_unref(object);
        return status;
    }
    mutex_lock(&psi_process_lock);
    process->parent_id = parent != NULL ? parent->id : 0;
    process->id = psi_new_id_locked();
    list_insert_tail(bucket_of(process_ids, process->id), &process->id_link);
    list_insert_tail(&processes, &process->link);
    mutex_unlock(&psi_process_lock);
    *result = process;
    return STATUS_SUCCESS;
}

/* Handles, memory, the list: what both ways of ending have in common. */
static void release_resources(struct process *process)
{
    handle_table_close(&process->handles);
    fs_release_ranges(process); /* locked through handles that others have, too */
    if (process->space != NULL) {
        mm_read_space_peaks(process->space, &process->at_end);
        mm_space_empty(process->space);
        ASSERT(thread_self()->space != process->space);
        ps_release_space(process, process->space);
    }
    mutex_lock(&psi_process_lock);
    list_remove(&process->link);
    process->exit_time = clock_system_time();
    mutex_unlock(&psi_process_lock);
}

void psi_end_process(struct process *process)
{
    ASSERT(process->is_ending && process->nthreads == 0);
    release_resources(process);
    event_set(&process->ended);
}

void ps_abandon_process(struct process *process, status_t exit_status)
{
    mutex_lock(&psi_process_lock);
    ASSERT(process->nthreads == 0);
    bool is_first = !process->is_ending;
    process->is_ending = true;
    process->exit_status = exit_status;
    mutex_unlock(&psi_process_lock);
    if (is_first) {
        psi_end_process(process);
    }
}

static void process_destroy(struct object *object)
{
    struct process *process = container_of(object, struct process, object);
    mutex_lock(&psi_process_lock);
    list_remove(&process->id_link);
    mutex_unlock(&psi_process_lock);
    mm_free(process->path, process->path_nbytes);
}

/* ---- the space, from other processes ----------------------------------------------------------
 */

status_t ps_take_space(struct process *process, struct space **space)
{
    uint32_t seen = __atomic_load_n(&process->space_users, __ATOMIC_RELAXED);
    while (seen != 0) {
        if (__atomic_compare_exchange_n(&process->space_users, &seen, seen + 1, true,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            *space = process->space;
            return STATUS_SUCCESS;
        }
    }
    return STATUS_PROCESS_IS_TERMINATING;
}

void ps_release_space(struct process *process, struct space *space)
{
    ASSERT(process->space == space);
    if (__atomic_sub_fetch(&process->space_users, 1, __ATOMIC_ACQ_REL) == 0) {
        mm_space_destroy(space);
    }
}

/* ---- looking at them --------------------------------------------------------------------------
 */

void ps_for_each_process(void (*visit)(struct process *process, void *context), void *context)
{
    mutex_lock(&psi_process_lock);
    list_for_each(link, &processes) {
        visit(list_entry(link, struct process, link), context);
    }
    mutex_unlock(&psi_process_lock);
}

static void count_process(struct process *process, void *context)
{
    struct process_counts *counts = context;
    counts->processes++;
    counts->threads += process->nthreads;
    counts->handles += process->handles.count;
}

void ps_count(struct process_counts *counts)
{
    *counts = (struct process_counts){0};
    ps_for_each_process(count_process, counts);
}
