/*
 * include/sys/quota.h: the information class that tells and sets the limits of a working set.
 */
#ifndef SYS_QUOTA_H
#define SYS_QUOTA_H

#include "quire/annotate.h"
#include "quire/status.h"

struct process;

/* ProcessQuotaLimits of NtQueryInformationProcess, and of NtSetInformationProcess. */
MUST_CHECK status_t process_quota_limits(const uint32_t *arguments, struct process *process);
MUST_CHECK status_t set_quota_limits(const uint32_t *arguments);

#endif
