/*
 * include/sys/pagefile.h: growth of the paging file in the thread that asks for commit.
 */
#ifndef SYS_PAGEFILE_H
#define SYS_PAGEFILE_H

#include "kernel/trap.h"
#include "quire/status.h"

/* Tells mm/ how the file grows. Once. */
void pagefile_start(void);

/*
 * Performs a system call that charges commit; when it is refused for want of it and the paging file
 * can grow enough, again. => no locks. => what the call gives.
 */
status_t commit_and_grow(syscall_function call, const uint32_t *arguments,
                         struct trap_frame *frame);

#endif
