/*
 * user/kernel32/filename.c: files and directories by name: attributes, making, moving, replacing,
 * deleting.
 */
#include "user/kernel32/kernel32.h"

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

BOOL WINAPI GetFileAttributesExW(const WCHAR *path, GET_FILEEX_INFO_LEVELS level, void *result)
{
    FILE_NETWORK_OPEN_INFORMATION info;
    if (level != GetFileExInfoStandard) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    NTSTATUS status = query_attributes(path, &info);
    if (!NT_SUCCESS(status) && path && RtlIsDosDeviceName_U(path)) {
        info = (FILE_NETWORK_OPEN_INFORMATION){.FileAttributes = FILE_ATTRIBUTE_ARCHIVE};
        status = STATUS_SUCCESS; /* devices are always there */
    }
    if (NT_SUCCESS(status)) {
        *(WIN32_FILE_ATTRIBUTE_DATA *)result = (WIN32_FILE_ATTRIBUTE_DATA){
            .dwFileAttributes = info.FileAttributes,
            .ftCreationTime = time_of_number(info.CreationTime),
            .ftLastAccessTime = time_of_number(info.LastAccessTime),
            .ftLastWriteTime = time_of_number(info.LastWriteTime),
            .nFileSizeHigh = (DWORD)info.EndOfFile.u.HighPart,
            .nFileSizeLow = info.EndOfFile.u.LowPart,
        };
    }
    return finish(status);
}

BOOL WINAPI GetFileAttributesExA(const char *path, GET_FILEEX_INFO_LEVELS level, void *result)
{
    return WITH_WIDE(path, FALSE, GetFileAttributesExW(wide, level, result));
}

DWORD WINAPI GetFileAttributesW(const WCHAR *path)
{
    WIN32_FILE_ATTRIBUTE_DATA data;
    return GetFileAttributesExW(path, GetFileExInfoStandard, &data) ? data.dwFileAttributes
                                                                    : INVALID_FILE_ATTRIBUTES;
}

DWORD WINAPI GetFileAttributesA(const char *path)
{
    return WITH_WIDE(path, INVALID_FILE_ATTRIBUTES, GetFileAttributesW(wide));
}

/* The bytes that a file takes on its volume, without its holes. */
DWORD WINAPI GetCompressedFileSizeW(const WCHAR *path, DWORD *high)
{
    FILE_NETWORK_OPEN_INFORMATION info;
    NTSTATUS status = query_attributes(path, &info);
    if (!finish(status)) {
        return INVALID_FILE_SIZE;
    }
    if (high) {
        *high = (DWORD)info.AllocationSize.u.HighPart;
    }
    if (info.AllocationSize.u.LowPart == INVALID_FILE_SIZE) {
        SetLastError(NO_ERROR);
    }
    return info.AllocationSize.u.LowPart;
}

DWORD WINAPI GetCompressedFileSizeA(const char *path, DWORD *high)
{
    return WITH_WIDE(path, INVALID_FILE_SIZE, GetCompressedFileSizeW(wide, high));
}

/* Opens a file by name to change something about it. => NULL with the last error */
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
    /* No attribute at all would mean: leave them. */
    FILE_BASIC_INFORMATION basic = {.FileAttributes = attributes | FILE_ATTRIBUTE_NORMAL};
    BOOL done = set_file(file, &basic, sizeof(basic), NT_FILE_BASIC_INFORMATION);
    NtClose(file);
    return done;
}

BOOL WINAPI SetFileAttributesA(const char *path, DWORD attributes)
{
    return WITH_WIDE(path, FALSE, SetFileAttributesW(wide, attributes));
}

static BOOL delete_file(const WCHAR *path, ULONG options)
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
    return delete_file(path, FILE_NON_DIRECTORY_FILE);
}

BOOL WINAPI DeleteFileA(const char *path)
{
    return WITH_WIDE(path, FALSE, DeleteFileW(wide));
}

BOOL WINAPI RemoveDirectoryW(const WCHAR *path)
{
    return delete_file(path, FILE_DIRECTORY_FILE);
}

BOOL WINAPI RemoveDirectoryA(const char *path)
{
    return WITH_WIDE(path, FALSE, RemoveDirectoryW(wide));
}

BOOL WINAPI CreateDirectoryW(const WCHAR *path, SECURITY_ATTRIBUTES *security)
{
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING nt;
    IO_STATUS_BLOCK io;
    HANDLE directory = NULL;
    (void)security; /* the handle does not outlive the call */
    if (!path_attributes(&attributes, &nt, path, NULL)) {
        return FALSE;
    }
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
    return WITH_WIDE(path, FALSE, CreateDirectoryW(wide, security));
}

/* TEMPLATE must be a directory; it gives extended attributes only, which no volume has. */
BOOL WINAPI CreateDirectoryExW(const WCHAR *template, const WCHAR *path,
                               SECURITY_ATTRIBUTES *security)
{
    FILE_NETWORK_OPEN_INFORMATION info;
    NTSTATUS status = query_attributes(template, &info);
    if (!NT_SUCCESS(status)) {
        return finish(status);
    }
    if (!(info.FileAttributes & FILE_ATTRIBUTE_DIRECTORY)) {
        return fail(ERROR_DIRECTORY);
    }
    return CreateDirectoryW(path, security);
}

BOOL WINAPI CreateDirectoryExA(const char *template, const char *path,
                               SECURITY_ATTRIBUTES *security)
{
    return WITH_WIDE2(template, path, FALSE, CreateDirectoryExW(wide, wide2, security));
}

/* To another volume a file moves as a copy, which is made durable first if asked. */
static BOOL move_as_copy(const WCHAR *from, const WCHAR *to, LPPROGRESS_ROUTINE progress,
                         void *context, DWORD flags)
{
    BOOL replace = (flags & MOVEFILE_REPLACE_EXISTING) != 0;
    if (!CopyFileExW(from, to, progress, context, NULL, replace ? 0 : COPY_FILE_FAIL_IF_EXISTS)) {
        return FALSE;
    }
    if (flags & MOVEFILE_WRITE_THROUGH) {
        HANDLE copy = open_for(to, GENERIC_WRITE, FILE_NON_DIRECTORY_FILE);
        BOOL durable = copy && FlushFileBuffers(copy);
        if (copy) {
            NtClose(copy);
        }
        if (!durable) {
            return FALSE; /* the original stays */
        }
    }
    return DeleteFileW(from);
}

BOOL WINAPI MoveFileExW(const WCHAR *from, const WCHAR *to, DWORD flags)
{
    if (flags & MOVEFILE_DELAY_UNTIL_REBOOT) {
        return fail(ERROR_NOT_SUPPORTED);
    }
    if (!to) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    HANDLE file = open_for(from, DELETE, flags & MOVEFILE_WRITE_THROUGH ? FILE_WRITE_THROUGH : 0);
    if (!file) {
        return FALSE;
    }
    BOOL done = rename_file(file, to, (flags & MOVEFILE_REPLACE_EXISTING) != 0);
    NtClose(file);
    if (!done && GetLastError() == ERROR_NOT_SAME_DEVICE && (flags & MOVEFILE_COPY_ALLOWED)) {
        return move_as_copy(from, to, NULL, NULL, flags);
    }
    return done;
}

BOOL WINAPI CreateHardLinkW(const WCHAR *name, const WCHAR *existing, SECURITY_ATTRIBUTES *unused)
{
    (void)unused; /* a link has the security of its file */
    HANDLE file = open_for(existing, FILE_WRITE_ATTRIBUTES, 0);
    if (!file) {
        return FALSE;
    }
    BOOL done = link_file(file, name);
    NtClose(file);
    return done;
}

BOOL WINAPI CreateHardLinkA(const char *name, const char *existing, SECURITY_ATTRIBUTES *unused)
{
    return WITH_WIDE2(name, existing, FALSE, CreateHardLinkW(wide, wide2, unused));
}

BOOL WINAPI MoveFileW(const WCHAR *from, const WCHAR *to)
{
    return MoveFileExW(from, to, MOVEFILE_COPY_ALLOWED);
}

BOOL WINAPI MoveFileExA(const char *from, const char *to, DWORD flags)
{
    return WITH_WIDE2(from, to, FALSE, MoveFileExW(wide, wide2, flags));
}

BOOL WINAPI MoveFileA(const char *from, const char *to)
{
    return MoveFileExA(from, to, MOVEFILE_COPY_ALLOWED);
}

/* A file that only gets another name makes no progress to tell; one that is copied does. */
BOOL WINAPI MoveFileWithProgressW(const WCHAR *from, const WCHAR *to, LPPROGRESS_ROUTINE progress,
                                  void *context, DWORD flags)
{
    if (MoveFileExW(from, to, flags & ~(DWORD)MOVEFILE_COPY_ALLOWED)) {
        return TRUE;
    }
    if (GetLastError() != ERROR_NOT_SAME_DEVICE || !(flags & MOVEFILE_COPY_ALLOWED)) {
        return FALSE;
    }
    return move_as_copy(from, to, progress, context, flags);
}

BOOL WINAPI MoveFileWithProgressA(const char *from, const char *to, LPPROGRESS_ROUTINE progress,
                                  void *context, DWORD flags)
{
    return WITH_WIDE2(from, to, FALSE,
                      MoveFileWithProgressW(wide, wide2, progress, context, flags));
}

/* The replacement takes over what names and dates the replaced file. */
static void inherit_identity(HANDLE replaced, HANDLE replacement)
{
    FILE_BASIC_INFORMATION old;
    if (query_file(replaced, &old, sizeof(old), NT_FILE_BASIC_INFORMATION)) {
        FILE_BASIC_INFORMATION basic = {.CreationTime = old.CreationTime,
                                        .FileAttributes = old.FileAttributes};
        (void)set_file(replacement, &basic, sizeof(basic), NT_FILE_BASIC_INFORMATION);
    }
}

/*
 * Puts REPLACEMENT, open, in the place of REPLACED, open, which becomes BACKUP if there is one.
 * => closes REPLACED: what is open cannot be replaced
 */
static BOOL replace_open(const WCHAR *path, HANDLE replaced, HANDLE replacement,
                         const WCHAR *backup)
{
    DWORD error = backup ? ERROR_UNABLE_TO_MOVE_REPLACEMENT_2 : ERROR_UNABLE_TO_MOVE_REPLACEMENT;
    BOOL moved = !backup || rename_file(replaced, backup, TRUE);
    if (moved) {
        inherit_identity(replaced, replacement);
    }
    NtClose(replaced);
    if (!moved) {
        return fail(ERROR_UNABLE_TO_REMOVE_REPLACED);
    }
    return rename_file(replacement, path, TRUE) ? TRUE : fail(error);
}

BOOL WINAPI ReplaceFileW(const WCHAR *path, const WCHAR *replacement_path, const WCHAR *backup,
                         DWORD flags, void *exclude, void *reserved)
{
    if (!path || !replacement_path || exclude || reserved) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    (void)flags; /* nothing can go wrong with merging what they would have ignored */
    HANDLE replaced = open_for(path, DELETE | FILE_READ_ATTRIBUTES, FILE_NON_DIRECTORY_FILE);
    if (!replaced) {
        return FALSE;
    }
    HANDLE replacement =
        open_for(replacement_path, DELETE | FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES,
                 FILE_NON_DIRECTORY_FILE);
    if (!replacement) {
        DWORD error = GetLastError();
        NtClose(replaced);
        return fail(error);
    }
    BOOL done = replace_open(path, replaced, replacement, backup);
    NtClose(replacement);
    return done;
}

BOOL WINAPI ReplaceFileA(const char *path, const char *replacement, const char *backup, DWORD flags,
                         void *exclude, void *reserved)
{
    WCHAR *wide_backup = backup ? wide_from_ansi(backup) : NULL;
    BOOL done = backup && !wide_backup
                    ? FALSE
                    : WITH_WIDE2(path, replacement, FALSE,
                                 ReplaceFileW(wide, wide2, wide_backup, flags, exclude, reserved));
    release_memory(wide_backup);
    return done;
}
