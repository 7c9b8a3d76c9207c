/*
 * user/msvcrt/directory.c: files and directories by name: stat, find, access, removing.
 */
#include "user/msvcrt/msvcrt.h"

#include <direct.h>

#define EPOCH_SECONDS 11644473600LL

static __int64 seconds_of(FILETIME time)
{
    unsigned __int64 ticks = (unsigned __int64)time.dwHighDateTime << 32 | time.dwLowDateTime;
    return ticks ? (__int64)(ticks / 10000000) - EPOCH_SECONDS : 0;
}

/* Permission bits by attributes and name: programs are those that end in .exe and the like. */
static unsigned short mode_of(DWORD attributes, const wchar_t *path)
{
    unsigned mode = _S_IREAD;
    if (!(attributes & FILE_ATTRIBUTE_READONLY)) {
        mode |= _S_IWRITE;
    }
    const wchar_t *dot = path ? wcsrchr(path, '.') : NULL;
    if (attributes & FILE_ATTRIBUTE_DIRECTORY) {
        mode |= _S_IFDIR | _S_IEXEC;
    } else {
        mode |= _S_IFREG;
        if (dot && (!_wcsicmp(dot, L".exe") || !_wcsicmp(dot, L".cmd") || !_wcsicmp(dot, L".bat") ||
                    !_wcsicmp(dot, L".com"))) {
            mode |= _S_IEXEC;
        }
    }
    return (unsigned short)(mode | (mode & 0700) >> 3 | (mode & 0700) >> 6);
}

static int stat_wide(const wchar_t *path, struct _stat64 *result)
{
    WIN32_FILE_ATTRIBUTE_DATA data;
    if (wcspbrk(path, L"?*")) {
        return fail_with(ENOENT);
    }
    if (!GetFileAttributesExW(path, GetFileExInfoStandard, &data)) {
        fail_win32();
        return fail_with(ENOENT);
    }
    memset(result, 0, sizeof(*result));
    int drive = path[0] && path[1] == ':' ? (path[0] | 32) - 'a' : 'c' - 'a';
    result->st_dev = result->st_rdev = (_dev_t)drive;
    result->st_nlink = 1;
    result->st_mode = mode_of(data.dwFileAttributes, path);
    result->st_size = (__int64)((unsigned __int64)data.nFileSizeHigh << 32 | data.nFileSizeLow);
    result->st_atime = seconds_of(data.ftLastAccessTime);
    result->st_mtime = seconds_of(data.ftLastWriteTime);
    result->st_ctime = seconds_of(data.ftCreationTime);
    return 0;
}

static int stat_descriptor(int fd, struct _stat64 *result)
{
    BY_HANDLE_FILE_INFORMATION info;
    if (!is_descriptor(fd)) {
        return fail_with(EBADF);
    }
    memset(result, 0, sizeof(*result));
    result->st_nlink = 1;
    result->st_dev = result->st_rdev = (_dev_t)fd;
    if (descriptors[fd].flags & FD_DEVICE) {
        result->st_mode = _S_IFCHR;
        return 0;
    }
    if (descriptors[fd].flags & FD_PIPE) {
        result->st_mode = _S_IFIFO;
        return 0;
    }
    if (!GetFileInformationByHandle(descriptors[fd].handle, &info)) {
        return fail_win32();
    }
    result->st_dev = result->st_rdev = 0;
    result->st_mode = mode_of(info.dwFileAttributes, NULL);
    result->st_size = (__int64)((unsigned __int64)info.nFileSizeHigh << 32 | info.nFileSizeLow);
    result->st_atime = seconds_of(info.ftLastAccessTime);
    result->st_mtime = seconds_of(info.ftLastWriteTime);
    result->st_ctime = seconds_of(info.ftCreationTime);
    return 0;
}

/* The other forms of the structure differ in the size of st_size and of the times. */
#define COPY_STAT(to, from)                                                                        \
    do {                                                                                           \
        memset(to, 0, sizeof(*(to)));                                                              \
        (to)->st_dev = (from)->st_dev;                                                             \
        (to)->st_rdev = (from)->st_rdev;                                                           \
        (to)->st_nlink = (from)->st_nlink;                                                         \
        (to)->st_mode = (from)->st_mode;                                                           \
        (to)->st_size = (__typeof__((to)->st_size))(from)->st_size;                                \
        (to)->st_atime = (__typeof__((to)->st_atime))(from)->st_atime;                             \
        (to)->st_mtime = (__typeof__((to)->st_mtime))(from)->st_mtime;                             \
        (to)->st_ctime = (__typeof__((to)->st_ctime))(from)->st_ctime;                             \
    } while (0)

static int stat_narrow(const char *path, struct _stat64 *result)
{
    wchar_t *wide = widen(path);
    int status = wide ? stat_wide(wide, result) : -1;
    free(wide);
    return status;
}

#define STAT_FUNCTIONS(suffix, type)                                                               \
    int crt_stat##suffix(const char *path, struct type *result)                                    \
    {                                                                                              \
        struct _stat64 s;                                                                          \
        int status = stat_narrow(path, &s);                                                        \
        if (!status) {                                                                             \
            COPY_STAT(result, &s);                                                                 \
        }                                                                                          \
        return status;                                                                             \
    }                                                                                              \
    int crt_wstat##suffix(const wchar_t *path, struct type *result)                                \
    {                                                                                              \
        struct _stat64 s;                                                                          \
        int status = stat_wide(path, &s);                                                          \
        if (!status) {                                                                             \
            COPY_STAT(result, &s);                                                                 \
        }                                                                                          \
        return status;                                                                             \
    }                                                                                              \
    int crt_fstat##suffix(int fd, struct type *result)                                             \
    {                                                                                              \
        struct _stat64 s;                                                                          \
        int status = stat_descriptor(fd, &s);                                                      \
        if (!status) {                                                                             \
            COPY_STAT(result, &s);                                                                 \
        }                                                                                          \
        return status;                                                                             \
    }
STAT_FUNCTIONS(32, _stat32)
STAT_FUNCTIONS(32i64, _stat32i64)
STAT_FUNCTIONS(64i32, _stat64i32)
STAT_FUNCTIONS(64, _stat64)

/* What a find function gives: four forms, alike but for the width of times and size. */
#define FIND_FUNCTIONS(suffix, type, wide_type)                                                    \
    static void crt_give##suffix(const WIN32_FIND_DATAW *data, struct wide_type *found)            \
    {                                                                                              \
        found->attrib = data->dwFileAttributes & ~(DWORD)FILE_ATTRIBUTE_NORMAL;                    \
        found->time_create = (__typeof__(found->time_create))seconds_of(data->ftCreationTime);     \
        found->time_access = (__typeof__(found->time_access))seconds_of(data->ftLastAccessTime);   \
        found->time_write = (__typeof__(found->time_write))seconds_of(data->ftLastWriteTime);      \
        found->size = (__typeof__(found->size))((unsigned __int64)data->nFileSizeHigh << 32 |      \
                                                data->nFileSizeLow);                               \
        wcscpy(found->name, data->cFileName);                                                      \
    }                                                                                              \
    static void crt_narrow##suffix(const struct wide_type *from, struct type *to)                  \
    {                                                                                              \
        to->attrib = from->attrib;                                                                 \
        to->time_create = from->time_create;                                                       \
        to->time_access = from->time_access;                                                       \
        to->time_write = from->time_write;                                                         \
        to->size = from->size;                                                                     \
        WideCharToMultiByte(CP_ACP, 0, from->name, -1, to->name, 260, NULL, NULL);                 \
    }                                                                                              \
    intptr_t crt_wfindfirst##suffix(const wchar_t *pattern, struct wide_type *found)               \
    {                                                                                              \
        WIN32_FIND_DATAW data;                                                                     \
        HANDLE find = FindFirstFileW(pattern, &data);                                              \
        if (find == INVALID_HANDLE_VALUE) {                                                        \
            return fail_win32();                                                                   \
        }                                                                                          \
        crt_give##suffix(&data, found);                                                            \
        return (intptr_t)find;                                                                     \
    }                                                                                              \
    int crt_wfindnext##suffix(intptr_t find, struct wide_type *found)                              \
    {                                                                                              \
        WIN32_FIND_DATAW data;                                                                     \
        if (!FindNextFileW((HANDLE)find, &data)) {                                                 \
            return fail_win32();                                                                   \
        }                                                                                          \
        crt_give##suffix(&data, found);                                                            \
        return 0;                                                                                  \
    }                                                                                              \
    intptr_t crt_findfirst##suffix(const char *pattern, struct type *found)                        \
    {                                                                                              \
        struct wide_type wide_found;                                                               \
        wchar_t *wide = widen(pattern);                                                            \
        intptr_t find = wide ? crt_wfindfirst##suffix(wide, &wide_found) : -1;                     \
        free(wide);                                                                                \
        if (find != -1) {                                                                          \
            crt_narrow##suffix(&wide_found, found);                                                \
        }                                                                                          \
        return find;                                                                               \
    }                                                                                              \
    int crt_findnext##suffix(intptr_t find, struct type *found)                                    \
    {                                                                                              \
        struct wide_type wide_found;                                                               \
        int status = crt_wfindnext##suffix(find, &wide_found);                                     \
        if (!status) {                                                                             \
            crt_narrow##suffix(&wide_found, found);                                                \
        }                                                                                          \
        return status;                                                                             \
    }
FIND_FUNCTIONS(32, _finddata32_t, _wfinddata32_t)
FIND_FUNCTIONS(32i64, _finddata32i64_t, _wfinddata32i64_t)
FIND_FUNCTIONS(64i32, _finddata64i32_t, _wfinddata64i32_t)
FIND_FUNCTIONS(64, __finddata64_t, _wfinddata64_t)

int _findclose(intptr_t find)
{
    return FindClose((HANDLE)find) ? 0 : fail_with(EINVAL);
}

/* Calls a Win32 function for a wide path and for a narrow one. */
#define PATH_FUNCTIONS(name, wide_name, call)                                                      \
    int wide_name(const wchar_t *path)                                                             \
    {                                                                                              \
        return call(path) ? 0 : fail_win32();                                                      \
    }                                                                                              \
    int name(const char *path)                                                                     \
    {                                                                                              \
        wchar_t *wide = widen(path);                                                               \
        int status = wide ? wide_name(wide) : -1;                                                  \
        free(wide);                                                                                \
        return status;                                                                             \
    }
static BOOL make_directory(const wchar_t *path)
{
    return CreateDirectoryW(path, NULL);
}
PATH_FUNCTIONS(_unlink, _wunlink, DeleteFileW)
PATH_FUNCTIONS(_rmdir, _wrmdir, RemoveDirectoryW)
PATH_FUNCTIONS(_chdir, _wchdir, SetCurrentDirectoryW)
PATH_FUNCTIONS(_mkdir, _wmkdir, make_directory)

int remove(const char *path)
{
    return _unlink(path);
}

int _wremove(const wchar_t *path)
{
    return _wunlink(path);
}

int _wrename(const wchar_t *from, const wchar_t *to)
{
    return MoveFileW(from, to) ? 0 : fail_win32();
}

int rename(const char *from, const char *to)
{
    wchar_t *wide_from = widen(from), *wide_to = widen(to);
    int status = wide_from && wide_to ? _wrename(wide_from, wide_to) : -1;
    free(wide_from);
    free(wide_to);
    return status;
}

int _waccess(const wchar_t *path, int mode)
{
    DWORD attributes = GetFileAttributesW(path);
    if (attributes == INVALID_FILE_ATTRIBUTES) {
        return fail_win32();
    }
    if ((mode & 2) && (attributes & FILE_ATTRIBUTE_READONLY) &&
        !(attributes & FILE_ATTRIBUTE_DIRECTORY)) {
        return fail_with(EACCES);
    }
    return 0;
}

int _access(const char *path, int mode)
{
    wchar_t *wide = widen(path);
    int status = wide ? _waccess(wide, mode) : -1;
    free(wide);
    return status;
}

int _wchmod(const wchar_t *path, int mode)
{
    DWORD attributes = GetFileAttributesW(path);
    if (attributes == INVALID_FILE_ATTRIBUTES) {
        return fail_win32();
    }
    DWORD wanted = mode & _S_IWRITE ? attributes & ~(DWORD)FILE_ATTRIBUTE_READONLY
                                    : attributes | FILE_ATTRIBUTE_READONLY;
    return wanted == attributes || SetFileAttributesW(path, wanted) ? 0 : fail_win32();
}

int _chmod(const char *path, int mode)
{
    wchar_t *wide = widen(path);
    int status = wide ? _wchmod(wide, mode) : -1;
    free(wide);
    return status;
}
