/*
 * include/sys/process.h: processes and their threads.
 *
 * A process is an address space, a table of handles and the threads that run there. It ends when
 * its last thread has left; that thread then releases everything it held, before the process
 * object is signalled. The object itself lives on while anyone has a handle or a pointer.
 */
#ifndef SYS_PROCESS_H
#define SYS_PROCESS_H

#include "abi/process.h"
#include "kernel/thread.h"
#include "kernel/trap.h"
#include "kernel/wait.h"
#include "mm/statistics.h"
#include "quire/annotate.h"
#include "quire/list.h"
#include "sys/handle.h"
#include "sys/object.h"

struct space;

/* What NtReadFile and NtWriteFile moved. Changed and read by statistics_ functions only. */
struct io_counts {
    uint64_t reads; /* calls that moved something */
    uint64_t writes;
    uint64_t bytes_read;
    uint64_t bytes_written;
};

#define PROCESS_NAME_CHARACTERS 64u

struct process {
    struct object object;
    struct waitable ended;         /* a manual event */
    struct handle_table handles;   /* its own lock */
    struct space *space;           /* [c] while space_users > 0 */
    volatile uint32_t space_users; /* 1 while threads live, and 1 for each ps_take_space */
    struct list threads;           /* [process lock] of struct user_thread, alive */
    uint32_t nthreads;             /* [process lock] */
    bool is_ending;                /* [process lock] no new threads; exit_status is set */
    bool is_made;                  /* [process lock] it has had a thread: identifiers find it */
    status_t exit_status;          /* [process lock] STATUS_PENDING while it runs */
    struct list link;              /* [process lock] in the list of all processes, until it ends */
    struct list id_link;           /* [process lock] in the table of identifiers */
    uint32_t id;                   /* [c] */
    uint32_t parent_id;            /* [c] */
    uint32_t peb;                  /* [c] once the first thread runs */
    uint32_t image_base;           /* [c] */
    uint32_t image_end;            /* [c] */
    uint32_t image_entry;          /* [c] */
    uint32_t stack_reserve;        /* [c] of a thread that does not say, from the image */
    uint32_t stack_commit;         /* [c] */
    bool has_ntdll;                /* [c] threads start there, exceptions go there */
    uint32_t standard_error;       /* [c] the handle value its report goes to; 0: none */
    uint8_t base_priority;         /* [process lock] */
    int64_t create_time;           /* [c] NT time */
    int64_t exit_time;             /* [process lock] */
    struct io_counts io;           /* [atomic] */
    struct mm_space_peaks at_end;  /* [c] once it has ended */
    uint64_t run_time;             /* [process lock] of ended threads, nanoseconds */
    uint16_t *path;                /* [c] Win32 path of its image, or NULL */
    uint32_t path_nbytes;          /* [c] */
    char name[PROCESS_NAME_CHARACTERS]; /* [c] its file's name, ASCII, for reports */
};

struct user_thread {
    struct object object;
    struct waitable ended;   /* a manual event */
    struct process *process; /* [c] referenced */
    struct list link;        /* [process lock] in process->threads */
    struct list id_link;     /* [process lock] */
    uint32_t id;             /* [c] */
    bool is_made;            /* [process lock] it is complete: its identifier finds it */
    bool grows_stack;        /* [o] in grow_stack, which a fault on the TEB must not enter again */
    status_t exit_status;    /* [process lock] what it was asked to end with */
    uint32_t teb;            /* [c] its address in the process */
    uint32_t teb_allocation; /* [c] to be released with the thread; 0: lies with the PEB */
    uint32_t stack_allocation;         /* [c] to be released with the thread; 0: not its own */
    uint32_t start_address;            /* [c] */
    volatile bool has_started;         /* [o] its user frame lies at the top of its kernel stack */
    struct trap_frame initial;         /* [o] until then */
    int64_t create_time;               /* [c] */
    int64_t exit_time;                 /* [process lock] */
    struct nt_context context;         /* [o] scratch for exceptions and for NtGetContextThread */
    struct nt_exception_record record; /* [o] the same */
    struct thread thread;              /* kernel/core's */
    uint8_t fpu_state[FPU_STATE_BYTES] ALIGNED(16);
};

extern struct object_type process_type;
extern struct object_type thread_type;

/* The caller's; only in threads that belong to a process. */
static inline struct user_thread *ps_current_thread(void)
{
    return thread_self()->owner;
}

static inline struct process *ps_current(void)
{
    return ps_current_thread()->process;
}

void ps_init(void);

/*
 * A process without memory or threads, of which the caller holds a reference. Handles that PARENT
 * has marked are inherited when INHERIT; PARENT may be NULL.
 * => STATUS_INSUFFICIENT_RESOURCES, STATUS_COMMITMENT_LIMIT.
 */
MUST_CHECK status_t ps_create_process(struct process *parent, bool inherit,
                                      struct process **process);

/* Ends a process that never got a thread. The caller keeps its reference. */
void ps_abandon_process(struct process *process, status_t exit_status);

struct thread_start {
    uint32_t start;         /* user address */
    uint32_t argument;      /* what it gets */
    uint32_t stack_reserve; /* bytes; 0: the process's default */
    uint32_t stack_commit;
    uint32_t teb; /* in memory that is there already; 0: to be allocated */
    bool is_suspended;
};

/*
 * A thread of PROCESS with a user stack, a TEB and a kernel stack; the caller gets a reference. It
 * runs only after ps_start_thread, so that handles can be made first.
 * => STATUS_PROCESS_IS_TERMINATING, STATUS_NO_MEMORY, STATUS_INSUFFICIENT_RESOURCES,
 *    STATUS_COMMITMENT_LIMIT; nothing is left behind then.
 */
MUST_CHECK status_t ps_create_thread(struct process *process, const struct thread_start *start,
                                     struct user_thread **thread);
void ps_start_thread(struct user_thread *thread);

/* Instead of ps_start_thread: the thread never runs. The caller keeps its reference. */
void ps_abandon_thread(struct user_thread *thread);

/* Asks all threads of PROCESS but EXCEPT (NULL: all) to end. */
void ps_terminate_process(struct process *process, status_t exit_status);
void ps_terminate_other_threads(struct process *process, struct user_thread *except,
                                status_t exit_status);
void ps_terminate_thread(struct user_thread *thread, status_t exit_status);

/* Before user mode: ends the calling thread when it has been asked to, waits while suspended. */
void ps_before_user(struct trap_frame *frame);

/*
 * The space of PROCESS for as long as the caller needs it.
 * => STATUS_PROCESS_IS_TERMINATING.
 */
MUST_CHECK status_t ps_take_space(struct process *process, struct space **space);
void ps_release_space(struct process *process, struct space *space);

/*
 * By identifier, referenced: STATUS_INVALID_PARAMETER / STATUS_INVALID_CID when there is none. What
 * is still being made is not found: its creator uses it without a lock.
 */
MUST_CHECK status_t ps_find_process(uint32_t id, struct process **process);
MUST_CHECK status_t ps_find_thread(const struct nt_client_id *id, struct user_thread **thread);

/*
 * What NtOpenProcess and NtOpenThread begin with (Handle*, DesiredAccess, ObjectAttributes,
 * ClientId*): clears the handle's place, captures the flags and the identifiers.
 */
MUST_CHECK status_t ps_capture_open(const uint32_t *arguments, struct object_attributes *attributes,
                                    struct nt_client_id *id);

/* Calls VISIT for each live process, with the process lock held. */
void ps_for_each_process(void (*visit)(struct process *process, void *context), void *context);

/* The base of the priorities of PROCESS and of the threads that it has. */
void ps_set_base_priority(struct process *process, uint8_t priority);

/* How many processes and threads are alive, and what handles they have open. */
struct process_counts {
    uint32_t processes;
    uint32_t threads;
    uint32_t handles;
};
void ps_count(struct process_counts *counts);

/* The user frame of THREAD, which is suspended, waits, or is the caller. */
struct trap_frame *ps_thread_frame(struct user_thread *thread);

#endif
