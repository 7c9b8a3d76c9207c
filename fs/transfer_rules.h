/*
 * fs/transfer_rules.h: what reading and writing have in common; private to fs/.
 */
#ifndef FS_TRANSFER_RULES_H
#define FS_TRANSFER_RULES_H

#include "abi/constants.h"
#include "fs/file.h"
#include "kernel/block.h"

/* Whether a transfer through OPEN moves its position wherever it begins. */
static inline bool transfer_moves_position(const struct open_file *open)
{
    return (open->options & (FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT)) != 0;
}

/* Without buffering only whole sectors can be asked for. */
static inline bool transfer_is_aligned(const struct open_file *open, uint64_t offset,
                                       uint32_t nbytes)
{
    return (open->options & FILE_NO_INTERMEDIATE_BUFFERING) == 0 ||
           ((offset | nbytes) & (SECTOR_BYTES - 1)) == 0;
}

#endif
