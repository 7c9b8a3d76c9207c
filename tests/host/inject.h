/*
 * tests/host/inject.h: any host test, run again with its Nth allocation, charge or disk request
 * failing.
 */
#ifndef TESTS_HOST_INJECT_H
#define TESTS_HOST_INJECT_H

#include "quire/status.h"
#include "quire/types.h"

/* tests64 fail [-p FIRST] [-m MOST] [-t MS] [-k KIND [-n N]] [PATTERN...]; the exit status. */
int inject_main(int argc, char **argv);

/* A machine boots: until it has, nothing is made to fail. */
void inject_boots(void);

/* A machine has booted: from here on the test's allocations count, the first time. */
void inject_booted(void);

/*
 * The running test found what it did not expect, STATUS where that is one, else success: when
 * something is made to fail in it, it ends here.
 */
void inject_differs(status_t status);

/* Whether the audit can account for all: not while the test keeps frames for itself. */
void inject_audits(bool can);

#endif
