/*
 * sys/quota.c: ProcessQuotaLimits: the minimum and maximum of a process's working set, in both of
 * NT's structures. Nothing else is limited, and the other fields say so.
 */
#include "sys/quota.h"

#include "abi/constants.h"
#include "abi/process.h"
#include "kernel/paging.h"
#include "kernel/usercopy.h"
#include "mm/working_set.h"
#include "sys/answer.h"
#include "sys/process.h"

/* Handle, InformationClass, Information, Length */
enum { ARG_HANDLE, ARG_CLASS, ARG_BUFFER, ARG_LENGTH };

#define ALL_FLAGS                                                                                  \
    (NT_QUOTA_HARD_MINIMUM_ENABLE | NT_QUOTA_HARD_MINIMUM_DISABLE | NT_QUOTA_HARD_MAXIMUM_ENABLE | \
     NT_QUOTA_HARD_MAXIMUM_DISABLE)

status_t process_quota_limits(const uint32_t *arguments, struct process *process)
{
    struct mm_working_set_limits limits = {0};
    struct space *space;
    if (is_success(ps_take_space(process, &space))) {
        mm_read_working_set_limits(space, &limits);
        ps_release_space(process, space);
    }
    const struct nt_quota_limits_ex answer = {
        .base = {.paged_pool_limit = NT_QUOTA_UNLIMITED,
                 .non_paged_pool_limit = NT_QUOTA_UNLIMITED,
                 .minimum_working_set_size = limits.minimum_pages << PAGE_SHIFT,
                 .maximum_working_set_size = limits.maximum_pages << PAGE_SHIFT,
                 .pagefile_limit = NT_QUOTA_UNLIMITED,
                 .time_limit = -1},
        .working_set_limit = NT_QUOTA_UNLIMITED,
        .flags =
            (limits.hard_minimum ? NT_QUOTA_HARD_MINIMUM_ENABLE : NT_QUOTA_HARD_MINIMUM_DISABLE) |
            (limits.hard_maximum ? NT_QUOTA_HARD_MAXIMUM_ENABLE : NT_QUOTA_HARD_MAXIMUM_DISABLE),
    };
    return arguments[ARG_LENGTH] == sizeof(answer)
               ? answer_exactly(arguments, &answer, sizeof(answer))
               : answer_exactly(arguments, &answer.base, sizeof(answer.base));
}

/* One of the hard limits: enabled, disabled, or as it was. */
static bool decode_flag(uint32_t flags, uint32_t enable, uint32_t disable, bool before)
{
    return (flags & enable) != 0 || (before && (flags & disable) == 0);
}

/* The structure that the caller gives, by its length. */
static status_t read_limits(const uint32_t *arguments, struct nt_quota_limits_ex *wanted)
{
    *wanted = (struct nt_quota_limits_ex){.flags = 0};
    uint32_t nbytes = arguments[ARG_LENGTH];
    if (nbytes != sizeof(*wanted) && nbytes != sizeof(wanted->base)) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    status_t status = copy_from_user(wanted, (uaddr_t){arguments[ARG_BUFFER]}, nbytes);
    if (is_error(status)) {
        return status;
    }
    uint32_t both = wanted->flags << 1 & wanted->flags &
                    (NT_QUOTA_HARD_MINIMUM_DISABLE | NT_QUOTA_HARD_MAXIMUM_DISABLE);
    return both != 0 || (wanted->flags & ~ALL_FLAGS) != 0 ||
                   wanted->base.minimum_working_set_size == 0 ||
                   wanted->base.maximum_working_set_size == 0
               ? STATUS_INVALID_PARAMETER
               : STATUS_SUCCESS;
}

static status_t apply(struct space *space, const struct nt_quota_limits_ex *wanted)
{
    struct mm_working_set_limits limits;
    if (wanted->base.minimum_working_set_size == UINT32_MAX &&
        wanted->base.maximum_working_set_size == UINT32_MAX) {
        mm_empty_working_set(space);
        return STATUS_SUCCESS;
    }
    mm_read_working_set_limits(space, &limits);
    limits.minimum_pages = wanted->base.minimum_working_set_size >> PAGE_SHIFT;
    limits.maximum_pages = wanted->base.maximum_working_set_size >> PAGE_SHIFT;
    limits.hard_minimum = decode_flag(wanted->flags, NT_QUOTA_HARD_MINIMUM_ENABLE,
                                      NT_QUOTA_HARD_MINIMUM_DISABLE, limits.hard_minimum);
    limits.hard_maximum = decode_flag(wanted->flags, NT_QUOTA_HARD_MAXIMUM_ENABLE,
                                      NT_QUOTA_HARD_MAXIMUM_DISABLE, limits.hard_maximum);
    return mm_set_working_set_limits(space, &limits);
}

status_t set_quota_limits(const uint32_t *arguments)
{
    struct nt_quota_limits_ex wanted;
    struct object *object;
    struct space *space;
    status_t status = read_limits(arguments, &wanted);
    if (is_success(status)) {
        status = ob_reference(arguments[ARG_HANDLE], &process_type, PROCESS_SET_QUOTA, &object);
    }
    if (is_error(status)) {
        return status;
    }
    struct process *process = container_of(object, struct process, object);
    status = ps_take_space(process, &space);
    if (is_success(status)) {
        status = apply(space, &wanted);
        ps_release_space(process, space);
    }
    ob_unref(object);
    return status;
}
