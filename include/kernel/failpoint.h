/*
 * include/kernel/failpoint.h: failures on purpose, for the tests of error paths. Debug kernels
 * only: in a release kernel nothing fails on purpose.
 */
#ifndef KERNEL_FAILPOINT_H
#define KERNEL_FAILPOINT_H

#include "quire/assert.h"
#include "quire/types.h"

enum failpoint {
    FAILPOINT_ALLOCATION,   /* from the pool: there is no memory */
    FAILPOINT_CHARGE,       /* of commit or of what is resident: it is refused */
    FAILPOINT_DISK_REQUEST, /* STATUS_IO_DEVICE_ERROR */
    FAILPOINTS
};

/*
 * The Nth of KIND from now on fails, whoever asks for it; 0: none.
 * => how many were left of the N before
 */
uint32_t failpoint_arm(enum failpoint kind, uint32_t n);

/* For failpoint_is_hit alone: counts one of KIND; whether it is the armed one. Any context. */
bool failpoint_count(enum failpoint kind);

/* Asked once for each allocation, charge and request: whether this is the one. */
static inline bool failpoint_is_hit(enum failpoint kind)
{
    return DEBUG_CHECKS && failpoint_count(kind);
}

#endif
