/*
 * user/kernel32/legacy.c: the file functions of 16-bit Windows, which old programs still call:
 * _lopen and its kin, OpenFile. A handle is an int, HFILE_ERROR a failure.
 */
#include "user/kernel32/kernel32.h"

static HFILE hfile(HANDLE handle)
{
    return handle == INVALID_HANDLE_VALUE ? HFILE_ERROR : (HFILE)(intptr_t)handle;
}

static HANDLE handle_of(HFILE file)
{
    return (HANDLE)(intptr_t)file;
}

static DWORD access_of(int mode)
{
    switch (mode & 3) {
    case OF_WRITE:
        return GENERIC_WRITE;
    case OF_READWRITE:
        return GENERIC_READ | GENERIC_WRITE;
    default:
        return GENERIC_READ;
    }
}

static DWORD share_of(int mode)
{
    switch (mode & 0x70) {
    case OF_SHARE_EXCLUSIVE:
        return 0;
    case OF_SHARE_DENY_WRITE:
        return FILE_SHARE_READ;
    case OF_SHARE_DENY_READ:
        return FILE_SHARE_WRITE;
    default:
        return FILE_SHARE_READ | FILE_SHARE_WRITE;
    }
}

HFILE WINAPI _lopen(const char *path, int mode)
{
    return hfile(CreateFileA(path, access_of(mode), share_of(mode), NULL, OPEN_EXISTING,
                             FILE_ATTRIBUTE_NORMAL, NULL));
}

HFILE WINAPI _lcreat(const char *path, int attributes)
{
    return hfile(CreateFileA(path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                             NULL, CREATE_ALWAYS, (DWORD)attributes & 7, NULL));
}

HFILE WINAPI _lclose(HFILE file)
{
    return CloseHandle(handle_of(file)) ? 0 : HFILE_ERROR;
}

long WINAPI _hread(HFILE file, void *buffer, long size)
{
    DWORD done;
    return ReadFile(handle_of(file), buffer, (DWORD)size, &done, NULL) ? (long)done : HFILE_ERROR;
}

/* Writing nothing ends the file at the position. */
long WINAPI _hwrite(HFILE file, const char *buffer, long size)
{
    DWORD done;
    if (!size) {
        return SetEndOfFile(handle_of(file)) ? 0 : HFILE_ERROR;
    }
    return WriteFile(handle_of(file), buffer, (DWORD)size, &done, NULL) ? (long)done : HFILE_ERROR;
}

UINT WINAPI _lread(HFILE file, void *buffer, UINT size)
{
    return (UINT)_hread(file, buffer, (long)size);
}

UINT WINAPI _lwrite(HFILE file, const char *buffer, UINT size)
{
    return (UINT)_hwrite(file, buffer, (long)size);
}

LONG WINAPI _llseek(HFILE file, LONG offset, int origin)
{
    return (LONG)SetFilePointer(handle_of(file), offset, NULL, (DWORD)origin);
}

/* What OpenFile does once it knows the full name. */
static HFILE open_as_asked(const char *path, UINT style)
{
    if (style & OF_DELETE) {
        return DeleteFileA(path) ? TRUE : HFILE_ERROR;
    }
    if (style & OF_PARSE) {
        return 0;
    }
    DWORD disposition = style & OF_CREATE ? CREATE_ALWAYS : OPEN_EXISTING;
    HANDLE file = CreateFileA(path, access_of((int)style), share_of((int)style), NULL, disposition,
                              FILE_ATTRIBUTE_NORMAL, NULL);
    if (file != INVALID_HANDLE_VALUE && (style & OF_EXIST)) {
        CloseHandle(file);
        return TRUE;
    }
    return hfile(file);
}

HFILE WINAPI OpenFile(const char *name, OFSTRUCT *info, UINT style)
{
    char path[MAX_PATH];
    DWORD length;
    if (style & OF_REOPEN) {
        name = info->szPathName;
    }
    length = SearchPathA(NULL, name, NULL, sizeof(path), path, NULL);
    if (!length || length >= sizeof(path) || (style & (OF_CREATE | OF_PARSE))) {
        length = GetFullPathNameA(name, sizeof(path), path, NULL);
    }
    if (!length || length >= sizeof(info->szPathName)) {
        info->nErrCode = ERROR_INVALID_NAME;
        fail(ERROR_INVALID_NAME);
        return HFILE_ERROR;
    }
    info->cBytes = sizeof(*info);
    info->fFixedDisk = TRUE;
    lstrcpyA(info->szPathName, path);
    HFILE file = open_as_asked(path, style);
    info->nErrCode = file == HFILE_ERROR ? (WORD)GetLastError() : 0;
    return file;
}
