/*
 * sys/syscalls.c: the table of system calls, made from the one list in abi/syscalls.def. A debug
 * kernel's calls go through functions in which a test can make things fail.
 */
#include "quire/assert.h"
#include "sys/calls.h"
#include "sys/failure.h"

#define SYSCALL(number, name, nargs, text) [number] = {sys_##name, nargs},
static const struct syscall_entry table[] = {
#include "abi/syscalls.def"
};
#undef SYSCALL

#define SYSCALL(number, name, nargs, text)                                                         \
    static status_t failing_##name(const uint32_t *arguments, struct trap_frame *frame)            \
    {                                                                                              \
        bool is_chosen = failure_begin();                                                          \
        status_t status = sys_##name(arguments, frame);                                            \
        if (is_chosen) {                                                                           \
            failure_end();                                                                         \
        }                                                                                          \
        return status;                                                                             \
    }
#include "abi/syscalls.def"
#undef SYSCALL

#define SYSCALL(number, name, nargs, text) [number] = {failing_##name, nargs},
static const struct syscall_entry failing_table[] = {
#include "abi/syscalls.def"
};
#undef SYSCALL

#define SYSCALL(number, name, nargs, text) STATIC_ASSERT((nargs) <= 11);
#include "abi/syscalls.def"
#undef SYSCALL

void syscalls_start(void)
{
    trap_register_syscalls(DEBUG_CHECKS ? failing_table : table, ARRAY_COUNT(table));
}
