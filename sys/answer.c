/*
 * sys/answer.c: how queries end: the answer and its length, stored in the caller's memory.
 */
#include "sys/answer.h"

#include "kernel/usercopy.h"

enum { ARG_HANDLE, ARG_CLASS, ARG_BUFFER, ARG_LENGTH, ARG_RETURNED };

status_t answer_at_least(const uint32_t *arguments, const void *answer, uint32_t nbytes)
{
    if (arguments[ARG_LENGTH] < nbytes) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    status_t status = copy_to_user((uaddr_t){arguments[ARG_BUFFER]}, answer, nbytes);
    if (is_success(status) && arguments[ARG_RETURNED] != 0) {
        status = user_write_u32((uaddr_t){arguments[ARG_RETURNED]}, nbytes);
    }
    return status;
}

status_t answer_system(const uint32_t *arguments, const void *answer, uint32_t nbytes)
{
    if (arguments[3] != 0) {
        status_t status = user_write_u32((uaddr_t){arguments[3]}, nbytes);
        if (is_error(status)) {
            return status;
        }
    }
    if (arguments[2] < nbytes) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    return copy_to_user((uaddr_t){arguments[1]}, answer, nbytes);
}

status_t answer_exactly(const uint32_t *arguments, const void *answer, uint32_t nbytes)
{
    return arguments[ARG_LENGTH] == nbytes ? answer_at_least(arguments, answer, nbytes)
                                           : STATUS_INFO_LENGTH_MISMATCH;
}
