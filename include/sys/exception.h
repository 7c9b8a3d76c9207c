/*
 * include/sys/exception.h: page faults and exceptions of programs, and their register contexts.
 */
#ifndef SYS_EXCEPTION_H
#define SYS_EXCEPTION_H

#include "abi/process.h"
#include "kernel/trap.h"

struct user_thread;

/* Registers with the trap floor what goes up from there. */
void exception_start(void);

/* Fills CONTEXT, as its flags ask, from THREAD's user registers; NULL: all of the caller's. */
void context_read(struct user_thread *thread, struct nt_context *context);

/* Changes THREAD's user registers as the flags of CONTEXT say. */
void context_write(struct user_thread *thread, const struct nt_context *context);

/*
 * Delivers the calling thread's `record` to its exception dispatcher; without one, or when its
 * stack cannot hold it, reports and ends the process.
 */
void exception_deliver(struct trap_frame *frame);

/* Prints what ended the process, on its standard error and in the log, and ends it. */
void exception_end_process(const struct nt_exception_record *record);

#endif
