/*
 * include/sys/sync.h: events, mutexes (mutants) and semaphores as objects.
 */
#ifndef SYS_SYNC_H
#define SYS_SYNC_H

#include "kernel/wait.h"
#include "sys/object.h"

/* All three kinds: a header and the waitable. */
struct sync_object {
    struct object object;
    struct waitable waitable;
};

extern struct object_type event_type;
extern struct object_type mutant_type;
extern struct object_type semaphore_type;

void sync_start(void);

/* A relative (negative) or absolute NT time, in 100 ns units, as a deadline of clock_now(). */
int64_t deadline_of(int64_t nt_time);

/* The timeout at an address (0: for ever), read once. */
MUST_CHECK status_t capture_deadline(uaddr_t timeout, int64_t *deadline);

#endif
