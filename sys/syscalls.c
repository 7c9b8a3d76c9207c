/*
 * sys/syscalls.c: the table of system calls, made from the one list in abi/syscalls.def.
 */
#include "quire/assert.h"
#include "sys/calls.h"

#define SYSCALL(number, name, nargs, text) [number] = {sys_##name, nargs},
static const struct syscall_entry table[] = {
#include "abi/syscalls.def"
};
#undef SYSCALL

#define SYSCALL(number, name, nargs, text) STATIC_ASSERT((nargs) <= 11);
#include "abi/syscalls.def"
#undef SYSCALL

void syscalls_start(void)
{
    trap_register_syscalls(table, ARRAY_COUNT(table));
}
