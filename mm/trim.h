/*
 * mm/trim.h: the balancer: the thread that keeps frames available by taking pages out of address
 * spaces and having them written.
 */
#ifndef MM_TRIM_H
#define MM_TRIM_H

#include "quire/annotate.h"
#include "quire/status.h"

/* Starts the thread and the reserve. Once, when there is somewhere to write to. */
MUST_CHECK status_t mi_balancer_start(void);

/* Frames run short: the balancer shall look. Any context, any lock of mm/. */
void mi_balancer_wake(void);

#endif
