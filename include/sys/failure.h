/*
 * include/sys/failure.h: failures on purpose inside one system call: SYSTEM_QUIRE_FAILURE.
 */
#ifndef SYS_FAILURE_H
#define SYS_FAILURE_H

#include "quire/annotate.h"
#include "quire/status.h"
#include "quire/types.h"

/* The information class, of debug kernels only. */
MUST_CHECK status_t system_quire_failure(const uint32_t *arguments);

/*
 * Around every system call of a debug kernel: true when this call is the one that something is to
 * fail in; failure_end then follows it.
 */
bool failure_begin(void);
void failure_end(void);

#endif
