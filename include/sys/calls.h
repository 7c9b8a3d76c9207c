/*
 * include/sys/calls.h: the system calls' functions, one for each line of abi/syscalls.def. Each
 * gets its 32-bit arguments, which have been copied from user memory once.
 */
#ifndef SYS_CALLS_H
#define SYS_CALLS_H

#include "kernel/trap.h"

#define SYSCALL(number, name, nargs, text)                                                         \
    status_t sys_##name(const uint32_t *arguments, struct trap_frame *frame);
#include "abi/syscalls.def"
#undef SYSCALL

/* Registers the table of system calls with the trap floor. */
void syscalls_start(void);

#endif
