/*
 * sys/failure.c: failures on purpose inside one system call, and what it has left behind.
 *
 *      IDLE -- ARM --> ARMED -- the thread's next system call --> RUNNING -- its end --> DONE
 *
 * Only in debug kernels: their table of system calls passes through failure_begin and failure_end,
 * and NtQuerySystemInformation knows the class. What fails is chosen by a failpoint, which counts
 * for everybody; but it is armed only while the call runs, so that what the thread's own page
 * faults ask for in between does not count. A call that does not return leaves it armed.
 *
 * The plan has no lock: it is the thread's whose identifier it holds.
 */
#include "sys/failure.h"

#include "abi/quire.h"
#include "fs/volume.h"
#include "kernel/failpoint.h"
#include "kernel/string.h"
#include "kernel/usercopy.h"
#include "mm/audit.h"
#include "mm/commit.h"
#include "mm/device.h"
#include "mm/init.h"
#include "mm/pfn.h"
#include "mm/pool.h"
#include "sys/answer.h"
#include "sys/process.h"

#define NTH_MAX 10000u

enum plan_state { PLAN_IDLE, PLAN_ARMED, PLAN_RUNNING, PLAN_DONE };

static struct {
    enum plan_state state;
    uint32_t thread; /* identifier */
    enum failpoint kind;
    uint32_t nth;
    uint32_t made;
    bool failed;
} plan;

_Static_assert((int)QUIRE_FAIL_ALLOCATION == (int)FAILPOINT_ALLOCATION &&
                   (int)QUIRE_FAIL_CHARGE == (int)FAILPOINT_CHARGE &&
                   (int)QUIRE_FAIL_DISK_REQUEST == (int)FAILPOINT_DISK_REQUEST,
               "a program's kinds of failure are the failpoints");

static bool is_mine(enum plan_state state)
{
    return plan.state == state && plan.thread == ps_current_thread()->id;
}

bool failure_begin(void)
{
    if (!is_mine(PLAN_ARMED)) {
        return false;
    }
    plan.state = PLAN_RUNNING;
    (void)failpoint_arm(plan.kind, plan.nth);
    return true;
}

void failure_end(void)
{
    uint32_t left = failpoint_arm(plan.kind, 0);
    plan.failed = left == 0;
    plan.made = plan.nth - left;
    plan.state = PLAN_DONE;
}

/* ---- the class --------------------------------------------------------------------------------
 */

static status_t arm(const struct quire_failure *order)
{
    if (order->kind > QUIRE_FAIL_DISK_REQUEST || order->nth == 0 || order->nth > NTH_MAX) {
        return STATUS_INVALID_PARAMETER;
    }
    plan.kind = (enum failpoint)order->kind;
    plan.nth = order->nth;
    plan.thread = ps_current_thread()->id;
    plan.state = PLAN_ARMED;
    return STATUS_SUCCESS;
}

static status_t tell_result(struct quire_failure *answer)
{
    if (!is_mine(PLAN_DONE)) {
        return STATUS_INVALID_PARAMETER;
    }
    answer->made = plan.made;
    answer->failed = plan.failed ? 1 : 0;
    plan.state = PLAN_IDLE;
    return STATUS_SUCCESS;
}

static void take_accounts(struct quire_accounts *accounts)
{
    struct mm_charges charges;
    struct mm_frame_counts frames;
    struct process_counts counts;
    fs_drain();
    mm_drain();
    mm_read_charges(&charges);
    mm_count_frames(&frames);
    ps_count(&counts);
    *accounts = (struct quire_accounts){
        .pool_objects = mm_pool_objects(),
        .commit_pages = charges.commit,
        .resident_available_pages = charges.resident_available,
        /* What of the file systems' blocks is pinned depends on how much of it is dirty now. */
        .active_pages = frames.active - mm_device_frames(),
        .objects = ob_count_all(),
        .processes = counts.processes,
        .threads = counts.threads,
        .handles = counts.handles,
    };
}

/* InformationClass, Information, Length, ReturnLength* */
status_t system_quire_failure(const uint32_t *arguments)
{
    struct quire_failure it;
    if (arguments[2] != sizeof(it)) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    status_t status = copy_from_user(&it, (uaddr_t){arguments[1]}, sizeof(it));
    if (is_error(status)) {
        return status;
    }
    switch (it.order) {
    case QUIRE_FAILURE_ARM:
        status = arm(&it);
        break;
    case QUIRE_FAILURE_RESULT:
        status = tell_result(&it);
        break;
    case QUIRE_FAILURE_ACCOUNTS:
        take_accounts(&it.accounts);
        break;
    case QUIRE_FAILURE_AUDIT:
        take_accounts(&it.accounts);
        it.audit = mm_audit();
        break;
    default:
        return STATUS_INVALID_PARAMETER;
    }
    return is_success(status) ? answer_system(arguments, &it, sizeof(it)) : status;
}
