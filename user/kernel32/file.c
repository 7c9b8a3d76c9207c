/*
 * user/kernel32/file.c: files: opening, reading, writing, positions, sizes.
 *
 * What is known of a file and can be set stands in fileinfo.c, what is done by name in filename.c
 * and copy.c. A handle opened without FILE_FLAG_OVERLAPPED is synchronous for the kernel: it keeps
 * a position, and calls wait. An OVERLAPPED gives the position of one call, on either kind of
 * handle.
 */
#include "user/kernel32/kernel32.h"

#define ATTRIBUTES_AT_CREATION 0x7FA7u /* those that a file may be created with */

/* The handle behind the pseudo-handles STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE. */
HANDLE real_handle(HANDLE handle)
{
    switch ((DWORD)(uintptr_t)handle) {
    case STD_INPUT_HANDLE:
        return this_peb()->parameters->standard_input;
    case STD_OUTPUT_HANDLE:
        return this_peb()->parameters->standard_output;
    case STD_ERROR_HANDLE:
        return this_peb()->parameters->standard_error;
    default:
        return handle;
    }
}

HANDLE WINAPI GetStdHandle(DWORD which)
{
    HANDLE handle = (HANDLE)(uintptr_t)which;
    if (which < STD_ERROR_HANDLE || which > STD_INPUT_HANDLE) {
        fail(ERROR_INVALID_HANDLE);
        return INVALID_HANDLE_VALUE;
    }
    return real_handle(handle);
}

BOOL WINAPI SetStdHandle(DWORD which, HANDLE handle)
{
    struct process_parameters *p = this_peb()->parameters;
    switch (which) {
    case STD_INPUT_HANDLE:
        p->standard_input = handle;
        return TRUE;
    case STD_OUTPUT_HANDLE:
        p->standard_output = handle;
        return TRUE;
    case STD_ERROR_HANDLE:
        p->standard_error = handle;
        return TRUE;
    default:
        return fail(ERROR_INVALID_HANDLE);
    }
}

/* Object attributes of a path; `nt` keeps the name, the caller's to release. */
BOOL path_attributes(OBJECT_ATTRIBUTES *attributes, UNICODE_STRING *nt, const WCHAR *path,
                     const SECURITY_ATTRIBUTES *security)
{
    if (!nt_path(path, nt)) {
        return FALSE;
    }
    *attributes = (OBJECT_ATTRIBUTES){
        .Length = sizeof(*attributes),
        .ObjectName = nt,
        .Attributes =
            OBJ_CASE_INSENSITIVE | (security && security->bInheritHandle ? OBJ_INHERIT : 0),
    };
    return TRUE;
}

static ULONG open_options(DWORD flags)
{
    static const struct {
        DWORD flag;
        ULONG option;
    } map[] = {
        {FILE_FLAG_WRITE_THROUGH, FILE_WRITE_THROUGH},
        {FILE_FLAG_NO_BUFFERING, FILE_NO_INTERMEDIATE_BUFFERING},
        {FILE_FLAG_RANDOM_ACCESS, FILE_RANDOM_ACCESS},
        {FILE_FLAG_SEQUENTIAL_SCAN, FILE_SEQUENTIAL_ONLY},
        {FILE_FLAG_DELETE_ON_CLOSE, FILE_DELETE_ON_CLOSE},
    };
    ULONG options = flags & FILE_FLAG_BACKUP_SEMANTICS ? 0 : FILE_NON_DIRECTORY_FILE;
    if (!(flags & FILE_FLAG_OVERLAPPED)) {
        options |= FILE_SYNCHRONOUS_IO_NONALERT;
    }
    for (size_t i = 0; i < COUNT_OF(map); i++) {
        if (flags & map[i].flag) {
            options |= map[i].option;
        }
    }
    return options;
}

/* `CON` is CONIN$ for reading and CONOUT$ for writing. */
static const WCHAR *console_name(const WCHAR *path, DWORD access)
{
    if (wide_length(path) == 3 && wide_equal_insensitive(path, L"CON", 3)) {
        return access & GENERIC_WRITE ? L"CONOUT$" : L"CONIN$";
    }
    return path;
}

static HANDLE no_file(DWORD error)
{
    fail(error);
    return INVALID_HANDLE_VALUE;
}

/* What is wrong with the arguments of CreateFile; NO_ERROR: nothing. */
static DWORD open_error(const WCHAR *path, DWORD access, DWORD disposition)
{
    if (!path || !*path) {
        return ERROR_PATH_NOT_FOUND;
    }
    if (disposition < CREATE_NEW || disposition > TRUNCATE_EXISTING ||
        (disposition == TRUNCATE_EXISTING && !(access & (GENERIC_WRITE | GENERIC_ALL)))) {
        return ERROR_INVALID_PARAMETER;
    }
    return NO_ERROR;
}

HANDLE WINAPI CreateFileW(const WCHAR *path, DWORD access, DWORD share,
                          SECURITY_ATTRIBUTES *security, DWORD disposition, DWORD flags,
                          HANDLE template)
{
    static const BYTE dispositions[] = {0,         FILE_CREATE,  FILE_OVERWRITE_IF,
                                        FILE_OPEN, FILE_OPEN_IF, FILE_OVERWRITE};
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING nt;
    IO_STATUS_BLOCK io = {0};
    HANDLE file = NULL;
    DWORD error = open_error(path, access, disposition);
    (void)template; /* it gives extended attributes only, which no volume has */
    if (error) {
        return no_file(error);
    }
    if (!path_attributes(&attributes, &nt, console_name(path, access), security)) {
        return INVALID_HANDLE_VALUE;
    }
    if (flags & FILE_FLAG_DELETE_ON_CLOSE) {
        access |= DELETE;
    }
    NTSTATUS status = NtCreateFile(&file, access | SYNCHRONIZE | FILE_READ_ATTRIBUTES, &attributes,
                                   &io, NULL, flags & ATTRIBUTES_AT_CREATION, share,
                                   dispositions[disposition], open_options(flags), NULL, 0);
    release_memory(nt.Buffer);
    if (status == STATUS_OBJECT_NAME_COLLISION) {
        return no_file(ERROR_FILE_EXISTS);
    }
    if (!NT_SUCCESS(status)) {
        return no_file(RtlNtStatusToDosError(status));
    }
    BOOL existed = (disposition == CREATE_ALWAYS && io.Information == FILE_OVERWRITTEN) ||
                   (disposition == OPEN_ALWAYS && io.Information == FILE_OPENED);
    SetLastError(existed ? ERROR_ALREADY_EXISTS : NO_ERROR);
    return file;
}

HANDLE WINAPI CreateFileA(const char *path, DWORD access, DWORD share,
                          SECURITY_ATTRIBUTES *security, DWORD disposition, DWORD flags,
                          HANDLE template)
{
    if (!path || !*path) {
        return no_file(ERROR_PATH_NOT_FOUND);
    }
    return WITH_WIDE(path, INVALID_HANDLE_VALUE,
                     CreateFileW(wide, access, share, security, disposition, flags, template));
}

/* The parts of a transfer that ReadFile and WriteFile share. */
struct transfer {
    HANDLE file;
    IO_STATUS_BLOCK own;
    IO_STATUS_BLOCK *io;
    HANDLE event;
    void *context;
    LARGE_INTEGER offset;
    LARGE_INTEGER *at;
};

static void begin_transfer(struct transfer *t, HANDLE file, OVERLAPPED *overlapped, DWORD *done)
{
    *t = (struct transfer){.file = real_handle(file), .io = &t->own};
    if (done) {
        *done = 0;
    }
    if (overlapped) {
        t->io = (IO_STATUS_BLOCK *)(void *)&overlapped->Internal;
        t->io->Status = STATUS_PENDING;
        t->io->Information = 0;
        t->event = overlapped->hEvent;
        t->context = (uintptr_t)t->event & 1 ? NULL : overlapped;
        t->offset.u.LowPart = overlapped->Offset;
        t->offset.u.HighPart = (LONG)overlapped->OffsetHigh;
        t->at = &t->offset;
    }
}

static BOOL end_transfer(struct transfer *t, NTSTATUS status, OVERLAPPED *overlapped, DWORD *done)
{
    if (status == STATUS_PENDING && !overlapped) {
        NTSTATUS waited = NtWaitForSingleObject(t->file, FALSE, NULL);
        status = NT_SUCCESS(waited) ? t->io->Status : waited;
    }
    if (status == STATUS_END_OF_FILE && !overlapped) {
        return TRUE;
    }
    if (status == STATUS_PENDING) {
        return fail(ERROR_IO_PENDING);
    }
    if (NT_SUCCESS(status) && done) {
        *done = (DWORD)t->io->Information;
    }
    if (!NT_SUCCESS(status) && overlapped) {
        t->io->Status = status;
    }
    return finish(status);
}

BOOL WINAPI ReadFile(HANDLE file, void *buffer, DWORD size, DWORD *done, OVERLAPPED *overlapped)
{
    struct transfer t;
    begin_transfer(&t, file, overlapped, done);
    NTSTATUS status = NtReadFile(t.file, t.event, NULL, t.context, t.io, buffer, size, t.at, NULL);
    return end_transfer(&t, status, overlapped, done);
}

BOOL WINAPI WriteFile(HANDLE file, const void *buffer, DWORD size, DWORD *done,
                      OVERLAPPED *overlapped)
{
    struct transfer t;
    begin_transfer(&t, file, overlapped, done);
    NTSTATUS status = NtWriteFile(t.file, t.event, NULL, t.context, t.io, buffer, size, t.at, NULL);
    return end_transfer(&t, status, overlapped, done);
}

BOOL WINAPI GetOverlappedResult(HANDLE file, OVERLAPPED *overlapped, DWORD *done, BOOL wait)
{
    NTSTATUS status = (NTSTATUS)overlapped->Internal;
    if (status == STATUS_PENDING) {
        if (!wait) {
            return fail(ERROR_IO_INCOMPLETE);
        }
        NTSTATUS waited = NtWaitForSingleObject(
            overlapped->hEvent ? overlapped->hEvent : real_handle(file), FALSE, NULL);
        if (!NT_SUCCESS(waited)) {
            return finish(waited);
        }
        status = (NTSTATUS)overlapped->Internal;
    }
    *done = (DWORD)overlapped->InternalHigh;
    return finish(status);
}

/* Every transfer ends before its call returns, so there is none to cancel. */
BOOL WINAPI CancelIo(HANDLE file)
{
    return device_type(file) != 0;
}

BOOL WINAPI CancelIoEx(HANDLE file, OVERLAPPED *overlapped)
{
    (void)overlapped;
    return device_type(file) ? fail(ERROR_NOT_FOUND) : FALSE;
}

BOOL WINAPI FlushFileBuffers(HANDLE file)
{
    IO_STATUS_BLOCK io;
    return finish(NtFlushBuffersFile(real_handle(file), &io));
}

BOOL query_file(HANDLE file, void *info, ULONG length, ULONG class)
{
    IO_STATUS_BLOCK io;
    return finish(NtQueryInformationFile(real_handle(file), &io, info, length,
                                         (FILE_INFORMATION_CLASS) class));
}

BOOL set_file(HANDLE file, void *info, ULONG length, ULONG class)
{
    IO_STATUS_BLOCK io;
    return finish(
        NtSetInformationFile(real_handle(file), &io, info, length, (FILE_INFORMATION_CLASS) class));
}

BOOL WINAPI GetFileSizeEx(HANDLE file, LARGE_INTEGER *size)
{
    FILE_STANDARD_INFORMATION info;
    if (!query_file(file, &info, sizeof(info), NT_FILE_STANDARD_INFORMATION)) {
        return FALSE;
    }
    *size = info.EndOfFile;
    return TRUE;
}

DWORD WINAPI GetFileSize(HANDLE file, DWORD *high)
{
    LARGE_INTEGER size;
    if (!GetFileSizeEx(file, &size)) {
        return INVALID_FILE_SIZE;
    }
    if (high) {
        *high = (DWORD)size.u.HighPart;
    }
    if (size.u.LowPart == INVALID_FILE_SIZE) {
        SetLastError(NO_ERROR);
    }
    return size.u.LowPart;
}

/* Where a move of the position would lead; FALSE with the last error. */
static BOOL target_position(HANDLE file, LONGLONG distance, DWORD method, LARGE_INTEGER *position)
{
    position->QuadPart = 0;
    if (method > FILE_END) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    if (method == FILE_CURRENT &&
        !query_file(file, position, sizeof(*position), NT_FILE_POSITION_INFORMATION)) {
        return FALSE;
    }
    if (method == FILE_END && !GetFileSizeEx(file, position)) {
        return FALSE;
    }
    position->QuadPart += distance;
    return position->QuadPart < 0 ? fail(ERROR_NEGATIVE_SEEK) : TRUE;
}

BOOL WINAPI SetFilePointerEx(HANDLE file, LARGE_INTEGER distance, LARGE_INTEGER *position,
                             DWORD method)
{
    LARGE_INTEGER target;
    if (!target_position(file, distance.QuadPart, method, &target) ||
        !set_file(file, &target, sizeof(target), NT_FILE_POSITION_INFORMATION)) {
        return FALSE;
    }
    if (position) {
        *position = target;
    }
    return TRUE;
}

/* => the low half; a caller without the high half cannot go past 4 GiB */
DWORD WINAPI SetFilePointer(HANDLE file, LONG low, LONG *high, DWORD method)
{
    LARGE_INTEGER target;
    LONGLONG distance = high ? (LONGLONG)((ULONGLONG)(ULONG)*high << 32 | (ULONG)low) : low;
    if (!target_position(file, distance, method, &target)) {
        return INVALID_SET_FILE_POINTER;
    }
    if (!high && target.u.HighPart) {
        fail(ERROR_INVALID_PARAMETER);
        return INVALID_SET_FILE_POINTER;
    }
    if (!set_file(file, &target, sizeof(target), NT_FILE_POSITION_INFORMATION)) {
        return INVALID_SET_FILE_POINTER;
    }
    if (high) {
        *high = target.u.HighPart;
    }
    if (target.u.LowPart == INVALID_SET_FILE_POINTER) {
        SetLastError(NO_ERROR);
    }
    return target.u.LowPart;
}

BOOL WINAPI SetEndOfFile(HANDLE file)
{
    LARGE_INTEGER position;
    if (!query_file(file, &position, sizeof(position), NT_FILE_POSITION_INFORMATION)) {
        return FALSE;
    }
    return set_file(file, &position, sizeof(position), NT_FILE_END_OF_FILE_INFORMATION);
}
