/*
 * include/sys/fileinfo.h: what the calls that tell about files and volumes have in common.
 */
#ifndef SYS_FILEINFO_H
#define SYS_FILEINFO_H

#include "quire/annotate.h"
#include "quire/status.h"

/* FileHandle, IoStatusBlock, Information, Length, InformationClass */
enum query_argument { ARG_FILE, ARG_STATUS_BLOCK, ARG_BUFFER, ARG_LENGTH, ARG_CLASS };

/* The end of a query: the answer, and IO_STATUS_BLOCK. => INFO_LENGTH_MISMATCH, ACCESS_VIOLATION */
MUST_CHECK status_t file_store_answer(const uint32_t *arguments, const void *answer,
                                      uint32_t nbytes);

#endif
