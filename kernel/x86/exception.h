/*
 * kernel/x86/exception.h: what the CPU's exceptions mean to a program.
 */
#ifndef KERNEL_X86_EXCEPTION_H
#define KERNEL_X86_EXCEPTION_H

#include "kernel/trap.h"

/* What must be read from the CPU before interrupts are on. */
void exception_begin(struct trap_frame *frame);

/* The exception of user code that FRAME stands for, as Win32 names it. Interrupts on. */
void exception_decode(struct trap_frame *frame, struct user_exception *exception);

/* Panics. */
void exception_in_kernel(const struct trap_frame *frame);

/* Whether ADDRESS lies in the page below the running stack. */
bool is_stack_guard(uint32_t address);

#endif
