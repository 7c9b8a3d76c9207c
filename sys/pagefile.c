/*
 * sys/pagefile.c: the size of the paging file: NtCreatePagingFile, and growth.
 *
 * The file grows in the thread that asks for commit, never in the page-out path: a system call that
 * was refused for want of it has changed nothing, so after the file has grown it is simply done
 * again. Calls that charge a page now and then (for objects, tables, what a file transfer needs)
 * and would be hard to do again have it grow before, while a little is left.
 */
#include "sys/pagefile.h"

#include "fs/volume.h"
#include "kernel/string.h"
#include "kernel/usercopy.h"
#include "mm/commit.h"
#include "mm/pagefile.h"
#include "mm/pool.h"
#include "sys/calls.h"
#include "sys/name.h"

#define PATH_NBYTES 512u

void pagefile_start(void)
{
    mm_pagefile_register_extend(fs_extend_pagefile);
}

/* For want of commit the pool, too, has nothing left. */
static bool is_want_of_commit(status_t status)
{
    return status == STATUS_COMMITMENT_LIMIT || status == STATUS_INSUFFICIENT_RESOURCES;
}

/*
 * A call may charge more than once, and what it had when a later charge was refused is given back
 * before the file grows: then there seems to be room, and is not. So each time more is asked for.
 */
status_t commit_and_grow(syscall_function call, const uint32_t *arguments, struct trap_frame *frame)
{
    mm_forget_refusal();
    status_t status = call(arguments, frame);
    uint32_t slack = 0;
    while (is_want_of_commit(status) && mm_pagefile_grow(slack)) {
        status = call(arguments, frame);
        slack = 2 * slack + 16;
    }
    return status;
}

/* Whether the UNICODE_STRING at ADDRESS names the one paging file that there can be. */
static status_t check_name(uaddr_t address)
{
    static const char path[] = "\\??\\c:\\pagefile.sys";
    uint16_t *text = NULL;
    uint32_t nbytes = 0;
    status_t status = capture_string(address, PATH_NBYTES, &text, &nbytes);
    if (is_error(status)) {
        return status;
    }
    bool same = nbytes == (sizeof(path) - 1) * 2;
    for (uint32_t i = 0; same && i < sizeof(path) - 1; i++) {
        uint16_t letter = text[i] >= 'A' && text[i] <= 'Z' ? (uint16_t)(text[i] + 32) : text[i];
        same = letter == (uint8_t)path[i];
    }
    mm_free(text, nbytes);
    return same ? STATUS_SUCCESS : STATUS_NOT_SUPPORTED;
}

static status_t read_size(uint32_t address, uint32_t *npages)
{
    uint64_t nbytes;
    status_t status = copy_from_user(&nbytes, (uaddr_t){address}, sizeof(nbytes));
    if (is_success(status)) {
        nbytes = (nbytes + PAGE_MASK) >> PAGE_SHIFT;
        *npages = nbytes > UINT32_MAX ? UINT32_MAX : (uint32_t)nbytes;
    }
    return status;
}

/* PageFileName, MinimumSize*, MaximumSize*, Priority */
status_t sys_NtCreatePagingFile(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    uint32_t minimum = 0;
    uint32_t maximum = 0;
    status_t status = read_size(arguments[1], &minimum);
    if (is_success(status)) {
        status = read_size(arguments[2], &maximum);
    }
    if (is_success(status)) {
        status = check_name((uaddr_t){arguments[0]});
    }
    if (is_error(status)) {
        return status;
    }
    if (minimum == 0 || minimum > PAGEFILE_PAGES_MAX) {
        return STATUS_INVALID_PARAMETER_2;
    }
    if (maximum < minimum || maximum > PAGEFILE_PAGES_MAX) {
        return STATUS_INVALID_PARAMETER_3;
    }
    status = mm_pagefile_set_limits(minimum, maximum);
    if (status == STATUS_OBJECT_NAME_NOT_FOUND) { /* the disk had none at start */
        status = fs_create_pagefile(minimum);
        if (is_success(status)) {
            status = mm_pagefile_set_limits(minimum, maximum);
        }
    }
    return status;
}
