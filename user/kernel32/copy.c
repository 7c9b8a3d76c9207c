/*
 * user/kernel32/copy.c: copying files.
 *
 * The target is given its size first, so that its blocks lie together and a full disk is found
 * before anything is copied; then contents, then the time of the last write. What cannot be
 * finished is deleted again.
 */
#include "user/kernel32/kernel32.h"

#define COPY_PIECE 0x10000u

struct copy {
    HANDLE source, target;
    const WCHAR *source_path, *target_path;
    LARGE_INTEGER size, done;
    LPPROGRESS_ROUTINE progress; /* may be NULL */
    void *context;
    const BOOL *cancel; /* may be NULL */
    BYTE *buffer;
    BOOL keep; /* what is there when the copy is stopped */
};

/* Tells the caller how far it is. => NO_ERROR: go on */
static DWORD report(struct copy *copy, DWORD reason)
{
    if (copy->cancel && *(const volatile BOOL *)copy->cancel) {
        return ERROR_REQUEST_ABORTED;
    }
    if (!copy->progress) {
        return NO_ERROR;
    }
    switch (copy->progress(copy->size, copy->done, copy->size, copy->done, 1, reason, copy->source,
                           copy->target, copy->context)) {
    case PROGRESS_CANCEL:
        return ERROR_REQUEST_ABORTED;
    case PROGRESS_STOP:
        copy->keep = TRUE;
        return ERROR_REQUEST_ABORTED;
    case PROGRESS_QUIET:
        copy->progress = NULL;
        return NO_ERROR;
    default:
        return NO_ERROR;
    }
}

static DWORD copy_contents(struct copy *copy)
{
    DWORD error = report(copy, CALLBACK_STREAM_SWITCH), got = 1, put;
    while (!error) {
        if (!ReadFile(copy->source, copy->buffer, COPY_PIECE, &got, NULL)) {
            return GetLastError();
        }
        if (!got) {
            break;
        }
        if (!WriteFile(copy->target, copy->buffer, got, &put, NULL)) {
            return GetLastError();
        }
        copy->done.QuadPart += put;
        error = put < got ? ERROR_DISK_FULL : report(copy, CALLBACK_CHUNK_FINISHED);
    }
    return error;
}

/* Everything from the open source to the open target. */
static DWORD copy_open(struct copy *copy, const FILE_BASIC_INFORMATION *from)
{
    FILE_BASIC_INFORMATION basic = {.LastWriteTime = from->LastWriteTime};
    copy->buffer = take_memory(COPY_PIECE);
    if (!copy->buffer) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    if (!set_file(copy->target, &copy->size, sizeof(copy->size), NT_FILE_END_OF_FILE_INFORMATION)) {
        return GetLastError();
    }
    DWORD error = copy_contents(copy);
    if (!error && !set_file(copy->target, &basic, sizeof(basic), NT_FILE_BASIC_INFORMATION)) {
        error = GetLastError();
    }
    return error;
}

/* The drive of a path, in capitals; 0 when it has none. */
static WCHAR drive_of(const WCHAR *path)
{
    WCHAR full[MAX_PATH];
    DWORD length = GetFullPathNameW(path, COUNT_OF(full), full, NULL);
    return length && length < COUNT_OF(full) && full[1] == ':' ? wide_upper(full[0]) : 0;
}

/* Whether TO is the very file that is open as FILE: emptying it would lose everything. */
static BOOL is_copy_to_itself(HANDLE file, const WCHAR *from, const WCHAR *to)
{
    if (drive_of(from) != drive_of(to)) {
        return FALSE; /* images of disks may have one serial number */
    }
    HANDLE other = CreateFileW(to, 0, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                               OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    if (other == INVALID_HANDLE_VALUE) {
        return FALSE;
    }
    BOOL same = is_same_file(file, other);
    NtClose(other);
    return same;
}

/* Opens the target and copies. => FALSE with the last error */
static BOOL copy_to(struct copy *copy, DWORD flags)
{
    FILE_BASIC_INFORMATION basic;
    if (!query_file(copy->source, &basic, sizeof(basic), NT_FILE_BASIC_INFORMATION) ||
        !GetFileSizeEx(copy->source, &copy->size)) {
        return FALSE;
    }
    if (!(flags & COPY_FILE_FAIL_IF_EXISTS) &&
        is_copy_to_itself(copy->source, copy->source_path, copy->target_path)) {
        return fail(ERROR_SHARING_VIOLATION);
    }
    copy->target = CreateFileW(copy->target_path, GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                               NULL, flags & COPY_FILE_FAIL_IF_EXISTS ? CREATE_NEW : CREATE_ALWAYS,
                               basic.FileAttributes | FILE_FLAG_SEQUENTIAL_SCAN, NULL);
    if (copy->target == INVALID_HANDLE_VALUE) {
        return FALSE;
    }
    DWORD error = copy_open(copy, &basic);
    if (error && copy->keep) {
        (void)set_file(copy->target, &copy->done, sizeof(copy->done),
                       NT_FILE_END_OF_FILE_INFORMATION);
    }
    NtClose(copy->target);
    if (error && !copy->keep) {
        (void)SetFileAttributesW(copy->target_path, FILE_ATTRIBUTE_NORMAL);
        (void)DeleteFileW(copy->target_path);
    }
    release_memory(copy->buffer);
    SetLastError(error); /* NO_ERROR too: that the target existed is no news */
    return error == NO_ERROR;
}

BOOL WINAPI CopyFileExW(const WCHAR *from, const WCHAR *to, LPPROGRESS_ROUTINE progress,
                        void *context, BOOL *cancel, DWORD flags)
{
    struct copy copy = {.source_path = from,
                        .target_path = to,
                        .progress = progress,
                        .context = context,
                        .cancel = cancel};
    if (!from || !to) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    copy.source =
        CreateFileW(from, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                    NULL, OPEN_EXISTING, FILE_FLAG_SEQUENTIAL_SCAN, NULL);
    if (copy.source == INVALID_HANDLE_VALUE) {
        return FALSE;
    }
    BOOL done = copy_to(&copy, flags);
    NtClose(copy.source);
    return done;
}

BOOL WINAPI CopyFileExA(const char *from, const char *to, LPPROGRESS_ROUTINE progress,
                        void *context, BOOL *cancel, DWORD flags)
{
    return WITH_WIDE2(from, to, FALSE, CopyFileExW(wide, wide2, progress, context, cancel, flags));
}

BOOL WINAPI CopyFileW(const WCHAR *from, const WCHAR *to, BOOL fail_if_exists)
{
    return CopyFileExW(from, to, NULL, NULL, NULL, fail_if_exists ? COPY_FILE_FAIL_IF_EXISTS : 0);
}

BOOL WINAPI CopyFileA(const char *from, const char *to, BOOL fail_if_exists)
{
    return CopyFileExA(from, to, NULL, NULL, NULL, fail_if_exists ? COPY_FILE_FAIL_IF_EXISTS : 0);
}
