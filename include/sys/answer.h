/*
 * include/sys/answer.h: how queries end: the answer and its length, stored in the caller's memory.
 */
#ifndef SYS_ANSWER_H
#define SYS_ANSWER_H

#include "quire/annotate.h"
#include "quire/status.h"
#include "quire/types.h"

/*
 * For calls whose ARGUMENTS are Handle, InformationClass, Information, Length, ReturnLength* (which
 * may be NULL): stores the NBYTES of ANSWER.
 * => STATUS_INFO_LENGTH_MISMATCH: Length is not exactly that (answer_exactly), or less than that
 *    (answer_at_least); STATUS_ACCESS_VIOLATION.
 */
MUST_CHECK status_t answer_exactly(const uint32_t *arguments, const void *answer, uint32_t nbytes);
MUST_CHECK status_t answer_at_least(const uint32_t *arguments, const void *answer, uint32_t nbytes);

/*
 * For NtQuerySystemInformation (InformationClass, Information, Length, ReturnLength*): the length
 * is stored also when the buffer is too short, which is STATUS_INFO_LENGTH_MISMATCH.
 */
MUST_CHECK status_t answer_system(const uint32_t *arguments, const void *answer, uint32_t nbytes);

#endif
