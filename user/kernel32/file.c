/*
 * user/kernel32/file.c: files: opening, reading, writing, positions, attributes.
 *
 * A handle opened without FILE_FLAG_OVERLAPPED is synchronous for the kernel: it keeps a position,
 * and calls wait. An OVERLAPPED gives the position of one call, on either kind of handle.
 */
#include "user/kernel32/kernel32.h"

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
static BOOL path_attributes(OBJECT_ATTRIBUTES *attributes, UNICODE_STRING *nt, const WCHAR *path,
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

/* Size, times, attributes of a file by its name. */
NTSTATUS query_attributes(const WCHAR *path, FILE_NETWORK_OPEN_INFORMATION *info)
{
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING nt;
    if (!path_attributes(&attributes, &nt, path, NULL)) {
        return STATUS_OBJECT_PATH_NOT_FOUND;
    }
    NTSTATUS status = NtQueryFullAttributesFile(&attributes, info);
    release_memory(nt.Buffer);
    return status;
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
    (void)template;
    if (!path || !*path) {
        fail(ERROR_PATH_NOT_FOUND);
        return INVALID_HANDLE_VALUE;
    }
    if (disposition < CREATE_NEW || disposition > TRUNCATE_EXISTING) {
        fail(ERROR_INVALID_PARAMETER);
        return INVALID_HANDLE_VALUE;
    }
    if (!path_attributes(&attributes, &nt, console_name(path, access), security)) {
        return INVALID_HANDLE_VALUE;
    }
    if (flags & FILE_FLAG_DELETE_ON_CLOSE) {
        access |= DELETE;
    }
    NTSTATUS status = NtCreateFile(&file, access | SYNCHRONIZE | FILE_READ_ATTRIBUTES, &attributes,
                                   &io, NULL, flags & 0xFFFF & ~(DWORD)FILE_ATTRIBUTE_DIRECTORY,
                                   share, dispositions[disposition], open_options(flags), NULL, 0);
    release_memory(nt.Buffer);
    if (!NT_SUCCESS(status)) {
        if (status == STATUS_OBJECT_NAME_COLLISION) {
            fail(ERROR_FILE_EXISTS);
        } else {
            finish(status);
        }
        return INVALID_HANDLE_VALUE;
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
        fail(ERROR_PATH_NOT_FOUND);
        return INVALID_HANDLE_VALUE;
    }
    WCHAR *wide = wide_from_ansi(path);
    HANDLE file = INVALID_HANDLE_VALUE;
    if (wide) {
        file = CreateFileW(wide, access, share, security, disposition, flags, template);
        release_memory(wide);
    }
    return file;
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

BOOL WINAPI FlushFileBuffers(HANDLE file)
{
    IO_STATUS_BLOCK io;
    return finish(NtFlushBuffersFile(real_handle(file), &io));
}

static BOOL query_file(HANDLE file, void *info, ULONG length, ULONG class)
{
    IO_STATUS_BLOCK io;
    return finish(NtQueryInformationFile(real_handle(file), &io, info, length,
                                         (FILE_INFORMATION_CLASS) class));
}

static BOOL set_file(HANDLE file, void *info, ULONG length, ULONG class)
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

BOOL WINAPI SetFilePointerEx(HANDLE file, LARGE_INTEGER distance, LARGE_INTEGER *position,
                             DWORD method)
{
    LARGE_INTEGER base = {.QuadPart = 0};
    if (method > FILE_END) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    if (method == FILE_CURRENT &&
        !query_file(file, &base, sizeof(base), NT_FILE_POSITION_INFORMATION)) {
        return FALSE;
    }
    if (method == FILE_END && !GetFileSizeEx(file, &base)) {
        return FALSE;
    }
    base.QuadPart += distance.QuadPart;
    if (base.QuadPart < 0) {
        return fail(ERROR_NEGATIVE_SEEK);
    }
    if (!set_file(file, &base, sizeof(base), NT_FILE_POSITION_INFORMATION)) {
        return FALSE;
    }
    if (position) {
        *position = base;
    }
    return TRUE;
}

DWORD WINAPI SetFilePointer(HANDLE file, LONG low, LONG *high, DWORD method)
{
    LARGE_INTEGER distance, position;
    distance.QuadPart = low;
    if (high) {
        distance.u.LowPart = (DWORD)low;
        distance.u.HighPart = *high;
    }
    if (!SetFilePointerEx(file, distance, &position, method)) {
        return INVALID_SET_FILE_POINTER;
    }
    if (!high && position.u.HighPart) {
        fail(ERROR_INVALID_PARAMETER);
        return INVALID_SET_FILE_POINTER;
    }
    if (high) {
        *high = position.u.HighPart;
    }
    if (position.u.LowPart == INVALID_SET_FILE_POINTER) {
        SetLastError(NO_ERROR);
    }
    return position.u.LowPart;
}

BOOL WINAPI SetEndOfFile(HANDLE file)
{
    LARGE_INTEGER position;
    if (!query_file(file, &position, sizeof(position), NT_FILE_POSITION_INFORMATION)) {
        return FALSE;
    }
    return set_file(file, &position, sizeof(position), NT_FILE_END_OF_FILE_INFORMATION);
}

/* FILE_DEVICE_ number of what a handle names; 0 with the last error when it is no file. */
DWORD device_type(HANDLE handle)
{
    struct nt_fs_device_information info;
    IO_STATUS_BLOCK io;
    NTSTATUS status = NtQueryVolumeInformationFile(real_handle(handle), &io, &info, sizeof(info),
                                                   (FS_INFORMATION_CLASS)NT_FS_DEVICE_INFORMATION);
    return finish(status) ? info.device_type : 0;
}

DWORD WINAPI GetFileType(HANDLE file)
{
    switch (device_type(file)) {
    case 0:
        return FILE_TYPE_UNKNOWN;
    case NT_DEVICE_CONSOLE:
    case NT_DEVICE_NULL:
        return FILE_TYPE_CHAR;
    case NT_DEVICE_NAMED_PIPE:
        return FILE_TYPE_PIPE;
    default:
        return FILE_TYPE_DISK;
    }
}

static FILETIME file_time(LARGE_INTEGER time)
{
    return (FILETIME){time.u.LowPart, (DWORD)time.u.HighPart};
}

BOOL WINAPI GetFileInformationByHandle(HANDLE file, BY_HANDLE_FILE_INFORMATION *info)
{
    FILE_BASIC_INFORMATION basic;
    FILE_STANDARD_INFORMATION standard;
    LARGE_INTEGER index;
    struct {
        struct nt_fs_volume_information volume;
        WCHAR label[32];
    } volume = {0};
    IO_STATUS_BLOCK io;
    if (!query_file(file, &basic, sizeof(basic), NT_FILE_BASIC_INFORMATION) ||
        !query_file(file, &standard, sizeof(standard), NT_FILE_STANDARD_INFORMATION) ||
        !query_file(file, &index, sizeof(index), NT_FILE_INTERNAL_INFORMATION)) {
        return FALSE;
    }
    (void)NtQueryVolumeInformationFile(real_handle(file), &io, &volume, sizeof(volume),
                                       (FS_INFORMATION_CLASS)NT_FS_VOLUME_INFORMATION);
    *info = (BY_HANDLE_FILE_INFORMATION){
        .dwFileAttributes = basic.FileAttributes,
        .ftCreationTime = file_time(basic.CreationTime),
        .ftLastAccessTime = file_time(basic.LastAccessTime),
        .ftLastWriteTime = file_time(basic.LastWriteTime),
        .dwVolumeSerialNumber = volume.volume.serial_number,
        .nFileSizeHigh = (DWORD)standard.EndOfFile.u.HighPart,
        .nFileSizeLow = standard.EndOfFile.u.LowPart,
        .nNumberOfLinks = standard.NumberOfLinks,
        .nFileIndexHigh = (DWORD)index.u.HighPart,
        .nFileIndexLow = index.u.LowPart,
    };
    return TRUE;
}

BOOL WINAPI GetFileTime(HANDLE file, FILETIME *creation, FILETIME *access, FILETIME *write)
{
    FILE_BASIC_INFORMATION basic;
    if (!query_file(file, &basic, sizeof(basic), NT_FILE_BASIC_INFORMATION)) {
        return FALSE;
    }
    if (creation) {
        *creation = file_time(basic.CreationTime);
    }
    if (access) {
        *access = file_time(basic.LastAccessTime);
    }
    if (write) {
        *write = file_time(basic.LastWriteTime);
    }
    return TRUE;
}

static LARGE_INTEGER time_number(const FILETIME *time)
{
    LARGE_INTEGER number = {.QuadPart = 0}; /* zero: stays as it is */
    if (time) {
        number.u.LowPart = time->dwLowDateTime;
        number.u.HighPart = (LONG)time->dwHighDateTime;
    }
    return number;
}

BOOL WINAPI SetFileTime(HANDLE file, const FILETIME *creation, const FILETIME *access,
                        const FILETIME *write)
{
    FILE_BASIC_INFORMATION basic = {
        .CreationTime = time_number(creation),
        .LastAccessTime = time_number(access),
        .LastWriteTime = time_number(write),
    };
    return set_file(file, &basic, sizeof(basic), NT_FILE_BASIC_INFORMATION);
}

BOOL WINAPI GetFileAttributesExW(const WCHAR *path, GET_FILEEX_INFO_LEVELS level, void *result)
{
    FILE_NETWORK_OPEN_INFORMATION info;
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING nt;
    if (level != GetFileExInfoStandard) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    if (!path_attributes(&attributes, &nt, path, NULL)) {
        return FALSE;
    }
    NTSTATUS status = NtQueryFullAttributesFile(&attributes, &info);
    release_memory(nt.Buffer);
    if (NT_SUCCESS(status)) {
        *(WIN32_FILE_ATTRIBUTE_DATA *)result = (WIN32_FILE_ATTRIBUTE_DATA){
            .dwFileAttributes = info.FileAttributes,
            .ftCreationTime = file_time(info.CreationTime),
            .ftLastAccessTime = file_time(info.LastAccessTime),
            .ftLastWriteTime = file_time(info.LastWriteTime),
            .nFileSizeHigh = (DWORD)info.EndOfFile.u.HighPart,
            .nFileSizeLow = info.EndOfFile.u.LowPart,
        };
    }
    return finish(status);
}

BOOL WINAPI GetFileAttributesExA(const char *path, GET_FILEEX_INFO_LEVELS level, void *result)
{
    WCHAR *wide = wide_from_ansi(path);
    BOOL done = wide && GetFileAttributesExW(wide, level, result);
    release_memory(wide);
    return done;
}

DWORD WINAPI GetFileAttributesW(const WCHAR *path)
{
    WIN32_FILE_ATTRIBUTE_DATA data;
    return GetFileAttributesExW(path, GetFileExInfoStandard, &data) ? data.dwFileAttributes
                                                                    : INVALID_FILE_ATTRIBUTES;
}

DWORD WINAPI GetFileAttributesA(const char *path)
{
    WIN32_FILE_ATTRIBUTE_DATA data;
    return GetFileAttributesExA(path, GetFileExInfoStandard, &data) ? data.dwFileAttributes
                                                                    : INVALID_FILE_ATTRIBUTES;
}

/* Opens a file by name to change something about it. */
static HANDLE open_for(const WCHAR *path, ACCESS_MASK access, ULONG options)
{
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING nt;
    IO_STATUS_BLOCK io;
    HANDLE file = NULL;
    if (!path_attributes(&attributes, &nt, path, NULL)) {
        return NULL;
    }
    NTSTATUS status = NtOpenFile(&file, access | SYNCHRONIZE, &attributes, &io,
                                 FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                                 options | FILE_SYNCHRONOUS_IO_NONALERT);
    release_memory(nt.Buffer);
    return finish(status) ? file : NULL;
}

BOOL WINAPI SetFileAttributesW(const WCHAR *path, DWORD attributes)
{
    HANDLE file = open_for(path, FILE_WRITE_ATTRIBUTES, 0);
    if (!file) {
        return FALSE;
    }
    FILE_BASIC_INFORMATION basic = {.FileAttributes = attributes};
    BOOL done = set_file(file, &basic, sizeof(basic), NT_FILE_BASIC_INFORMATION);
    NtClose(file);
    return done;
}

BOOL WINAPI SetFileAttributesA(const char *path, DWORD attributes)
{
    WCHAR *wide = wide_from_ansi(path);
    BOOL done = wide && SetFileAttributesW(wide, attributes);
    release_memory(wide);
    return done;
}

static BOOL delete (const WCHAR *path, ULONG options)
{
    HANDLE file = open_for(path, DELETE, options);
    if (!file) {
        return FALSE;
    }
    BOOLEAN yes = TRUE;
    BOOL done = set_file(file, &yes, sizeof(yes), NT_FILE_DISPOSITION_INFORMATION);
    NtClose(file);
    return done;
}

BOOL WINAPI DeleteFileW(const WCHAR *path)
{
    return delete (path, FILE_NON_DIRECTORY_FILE);
}

BOOL WINAPI DeleteFileA(const char *path)
{
    WCHAR *wide = wide_from_ansi(path);
    BOOL done = wide && DeleteFileW(wide);
    release_memory(wide);
    return done;
}

BOOL WINAPI RemoveDirectoryW(const WCHAR *path)
{
    return delete (path, FILE_DIRECTORY_FILE);
}

BOOL WINAPI RemoveDirectoryA(const char *path)
{
    WCHAR *wide = wide_from_ansi(path);
    BOOL done = wide && RemoveDirectoryW(wide);
    release_memory(wide);
    return done;
}

BOOL WINAPI CreateDirectoryW(const WCHAR *path, SECURITY_ATTRIBUTES *security)
{
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING nt;
    IO_STATUS_BLOCK io;
    HANDLE directory = NULL;
    if (!path_attributes(&attributes, &nt, path, security)) {
        return FALSE;
    }
    attributes.Attributes &= ~(ULONG)OBJ_INHERIT;
    NTSTATUS status =
        NtCreateFile(&directory, FILE_LIST_DIRECTORY | SYNCHRONIZE, &attributes, &io, NULL,
                     FILE_ATTRIBUTE_NORMAL, FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_CREATE,
                     FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0);
    release_memory(nt.Buffer);
    if (NT_SUCCESS(status)) {
        NtClose(directory);
    }
    return finish(status);
}

BOOL WINAPI CreateDirectoryA(const char *path, SECURITY_ATTRIBUTES *security)
{
    WCHAR *wide = wide_from_ansi(path);
    BOOL done = wide && CreateDirectoryW(wide, security);
    release_memory(wide);
    return done;
}

BOOL WINAPI MoveFileExW(const WCHAR *from, const WCHAR *to, DWORD flags)
{
    UNICODE_STRING nt;
    if (!to || (flags & MOVEFILE_DELAY_UNTIL_REBOOT)) {
        return fail(ERROR_NOT_SUPPORTED);
    }
    HANDLE file = open_for(from, DELETE, 0);
    if (!file) {
        return FALSE;
    }
    BOOL done = FALSE;
    if (nt_path(to, &nt)) {
        ULONG length = (ULONG)(sizeof(FILE_RENAME_INFORMATION) + nt.Length);
        FILE_RENAME_INFORMATION *info = take_memory(length);
        if (info) {
            info->ReplaceIfExists = (flags & MOVEFILE_REPLACE_EXISTING) != 0;
            info->RootDirectory = NULL;
            info->FileNameLength = nt.Length;
            memcpy(info->FileName, nt.Buffer, nt.Length);
            done = set_file(file, info, length, FileRenameInformation);
            release_memory(info);
        } else {
            fail(ERROR_NOT_ENOUGH_MEMORY);
        }
        release_memory(nt.Buffer);
    }
    NtClose(file);
    return done;
}

BOOL WINAPI MoveFileW(const WCHAR *from, const WCHAR *to)
{
    return MoveFileExW(from, to, MOVEFILE_COPY_ALLOWED);
}

BOOL WINAPI MoveFileExA(const char *from, const char *to, DWORD flags)
{
    WCHAR *wide_from = wide_from_ansi(from), *wide_to = to ? wide_from_ansi(to) : NULL;
    BOOL done = wide_from && MoveFileExW(wide_from, wide_to, flags);
    release_memory(wide_from);
    release_memory(wide_to);
    return done;
}

BOOL WINAPI MoveFileA(const char *from, const char *to)
{
    return MoveFileExA(from, to, MOVEFILE_COPY_ALLOWED);
}

BOOL WINAPI CopyFileW(const WCHAR *from, const WCHAR *to, BOOL fail_if_exists)
{
    enum { CHUNK = 0x10000 };
    HANDLE source = CreateFileW(from, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                                OPEN_EXISTING, FILE_FLAG_SEQUENTIAL_SCAN, NULL);
    if (source == INVALID_HANDLE_VALUE) {
        return FALSE;
    }
    HANDLE target = CreateFileW(to, GENERIC_WRITE, 0, NULL,
                                fail_if_exists ? CREATE_NEW : CREATE_ALWAYS, 0, NULL);
    BYTE *buffer = target == INVALID_HANDLE_VALUE ? NULL : take_memory(CHUNK);
    BOOL done = buffer != NULL;
    DWORD n = 1, written;
    while (done && n) {
        done = ReadFile(source, buffer, CHUNK, &n, NULL) &&
               WriteFile(target, buffer, n, &written, NULL);
    }
    DWORD error = done ? NO_ERROR : GetLastError();
    release_memory(buffer);
    if (target != INVALID_HANDLE_VALUE) {
        CloseHandle(target);
    }
    CloseHandle(source);
    return done ? TRUE : fail(error);
}

BOOL WINAPI CopyFileA(const char *from, const char *to, BOOL fail_if_exists)
{
    WCHAR *wide_from = wide_from_ansi(from), *wide_to = wide_from_ansi(to);
    BOOL done = wide_from && wide_to && CopyFileW(wide_from, wide_to, fail_if_exists);
    release_memory(wide_from);
    release_memory(wide_to);
    return done;
}
