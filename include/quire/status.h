/*
 * include/quire/status.h: status_t, the result of every function that can fail, and its values,
 * which are NT's (success is >= 0; some successes are positive). The list is abi/status.def.
 */
#ifndef QUIRE_STATUS_H
#define QUIRE_STATUS_H

#include "quire/types.h"

typedef int32_t status_t;

#define STATUS(name, value, win32_error) STATUS_##name = (int32_t)(value),
enum status {
#include "abi/status.def"
};
#undef STATUS

static inline bool is_success(status_t status)
{
    return status >= 0;
}

static inline bool is_error(status_t status)
{
    return status < 0;
}

#endif
