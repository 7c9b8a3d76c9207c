/*
 * fs/share.c: share modes: who may open a file while others have it open or mapped.
 *
 * Reading and executing are covered by FILE_SHARE_READ, writing and appending by FILE_SHARE_WRITE,
 * deleting by FILE_SHARE_DELETE; no other right counts. An open must be allowed by the share mode
 * of every open with such a right, and must itself allow what those do. A section outlives the
 * handle it was made from with a claim of its own: a section whose views may store demands
 * that opens share writing, an image section that nobody opens the file for writing, and either
 * that the file is not cut short.
 */
#include "fs/internal.h"

#include "abi/constants.h"

#define READ_RIGHTS  (FILE_READ_DATA | FILE_EXECUTE)
#define WRITE_RIGHTS (FILE_WRITE_DATA | FILE_APPEND_DATA)
#define SHARE_RIGHTS (READ_RIGHTS | WRITE_RIGHTS | DELETE_ACCESS)
#define SHARE_ALL    (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

/* Whether an open with SHARE allows ACCESS. */
static bool is_allowed(uint32_t access, uint32_t share)
{
    return ((access & READ_RIGHTS) == 0 || (share & FILE_SHARE_READ) != 0) &&
           ((access & WRITE_RIGHTS) == 0 || (share & FILE_SHARE_WRITE) != 0) &&
           ((access & DELETE_ACCESS) == 0 || (share & FILE_SHARE_DELETE) != 0);
}

/* Against the opens that exist. */
static status_t check_opens(const struct file *file, const struct share_request *request)
{
    uint32_t access = 0;
    uint32_t share = SHARE_ALL;

    if ((request->access & SHARE_RIGHTS) == 0) {
        return STATUS_SUCCESS;
    }
    list_for_each(link, &file->opens) {
        const struct open_file *open = list_entry(link, struct open_file, link);
        if ((open->access & SHARE_RIGHTS) != 0) {
            access |= open->access;
            share &= open->share;
        }
    }
    return is_allowed(request->access, share) && is_allowed(access, request->share)
               ? STATUS_SUCCESS
               : STATUS_SHARING_VIOLATION;
}

/* Against the sections that exist. */
static status_t check_claims(const struct file *file, const struct share_request *request)
{
    status_t status = STATUS_SUCCESS;

    list_for_each(link, &file->claims) {
        const struct file_claim *claim = list_entry(link, struct file_claim, link);
        if ((claim->writable && (request->share & FILE_SHARE_WRITE) == 0) ||
            (claim->image && (request->access & WRITE_RIGHTS) != 0)) {
            return STATUS_SHARING_VIOLATION;
        }
        if (claim->image && request->deletes_on_close) {
            status = STATUS_CANNOT_DELETE;
        } else if (request->truncates && is_success(status)) {
            status = STATUS_USER_MAPPED_FILE;
        }
    }
    return status;
}

status_t fsi_check_sharing(const struct file *file, const struct share_request *request)
{
    status_t status = check_opens(file, request);

    return is_error(status) ? status : check_claims(file, request);
}

bool fsi_is_mapped(const struct file *file, bool image)
{
    list_for_each(link, &file->claims) {
        if (!image || list_entry(link, struct file_claim, link)->image) {
            return true;
        }
    }
    return false;
}
