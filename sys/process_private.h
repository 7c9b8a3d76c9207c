/*
 * sys/process_private.h: what sys/process.c and sys/thread.c share.
 */
#ifndef SYS_PROCESS_PRIVATE_H
#define SYS_PROCESS_PRIVATE_H

#include "kernel/lock.h"
#include "sys/process.h"

/* Creation and end of processes and threads, their lists and identifiers. */
extern struct mutex psi_process_lock;

/* The next identifier that nobody has: a multiple of 4, as NT's are. => process lock. */
uint32_t psi_new_id_locked(void);
void psi_enter_thread_id_locked(struct user_thread *thread);

/* The last thread of PROCESS, which calls, has left: releases everything. */
void psi_end_process(struct process *process);

void psi_thread_init(void);

#endif
