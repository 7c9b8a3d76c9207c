/*
 * fs/range_lock.h: byte ranges of files that are locked; private to fs/ (programs' side:
 * fs/file.h).
 */
#ifndef FS_RANGE_LOCK_H
#define FS_RANGE_LOCK_H

#include "fs/file.h"

/*
 * Whether OWNER may read or write [offset, offset + nbytes) through OPEN.
 * => STATUS_FILE_LOCK_CONFLICT.
 */
MUST_CHECK status_t fsi_check_ranges(const struct open_file *open, const struct range_owner *owner,
                                     uint64_t offset, uint32_t nbytes, bool writes);

/* Gives up what is locked through OPEN, by PROCESS (NULL: by whoever). */
void fsi_release_ranges(const struct open_file *open, const void *process);

#endif
