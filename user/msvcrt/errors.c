/*
 * user/msvcrt/errors.c: errno from Win32 errors, and the texts of errors.
 */
#include "user/msvcrt/msvcrt.h"

static const struct {
    unsigned short win32;
    unsigned char code;
} codes[] = {
    {ERROR_INVALID_FUNCTION, EINVAL},
    {ERROR_FILE_NOT_FOUND, ENOENT},
    {ERROR_PATH_NOT_FOUND, ENOENT},
    {ERROR_TOO_MANY_OPEN_FILES, EMFILE},
    {ERROR_ACCESS_DENIED, EACCES},
    {ERROR_INVALID_HANDLE, EBADF},
    {ERROR_ARENA_TRASHED, ENOMEM},
    {ERROR_NOT_ENOUGH_MEMORY, ENOMEM},
    {ERROR_INVALID_BLOCK, ENOMEM},
    {ERROR_BAD_ENVIRONMENT, E2BIG},
    {ERROR_BAD_FORMAT, ENOEXEC},
    {ERROR_INVALID_ACCESS, EINVAL},
    {ERROR_INVALID_DATA, EINVAL},
    {ERROR_OUTOFMEMORY, ENOMEM},
    {ERROR_INVALID_DRIVE, ENOENT},
    {ERROR_CURRENT_DIRECTORY, EACCES},
    {ERROR_NOT_SAME_DEVICE, EXDEV},
    {ERROR_NO_MORE_FILES, ENOENT},
    {ERROR_WRITE_PROTECT, EACCES},
    {ERROR_SHARING_VIOLATION, EACCES},
    {ERROR_LOCK_VIOLATION, EACCES},
    {ERROR_BAD_NETPATH, ENOENT},
    {ERROR_NETWORK_ACCESS_DENIED, EACCES},
    {ERROR_BAD_NET_NAME, ENOENT},
    {ERROR_FILE_EXISTS, EEXIST},
    {ERROR_CANNOT_MAKE, EACCES},
    {ERROR_FAIL_I24, EACCES},
    {ERROR_INVALID_PARAMETER, EINVAL},
    {ERROR_NO_PROC_SLOTS, EAGAIN},
    {ERROR_DRIVE_LOCKED, EACCES},
    {ERROR_BROKEN_PIPE, EPIPE},
    {ERROR_DISK_FULL, ENOSPC},
    {ERROR_CALL_NOT_IMPLEMENTED, ENOSYS},
    {ERROR_INVALID_TARGET_HANDLE, EBADF},
    {ERROR_INVALID_NAME, ENOENT},
    {ERROR_WAIT_NO_CHILDREN, ECHILD},
    {ERROR_CHILD_NOT_COMPLETE, ECHILD},
    {ERROR_DIRECT_ACCESS_HANDLE, EBADF},
    {ERROR_NEGATIVE_SEEK, EINVAL},
    {ERROR_SEEK_ON_DEVICE, EACCES},
    {ERROR_DIR_NOT_EMPTY, ENOTEMPTY},
    {ERROR_NOT_LOCKED, EACCES},
    {ERROR_BAD_PATHNAME, ENOENT},
    {ERROR_MAX_THRDS_REACHED, EAGAIN},
    {ERROR_LOCK_FAILED, EACCES},
    {ERROR_ALREADY_EXISTS, EEXIST},
    {ERROR_BAD_EXE_FORMAT, ENOEXEC},
    {ERROR_FILENAME_EXCED_RANGE, ENOENT},
    {ERROR_NESTING_NOT_ALLOWED, EAGAIN},
    {ERROR_DIRECTORY, ENOENT},
    {ERROR_NOT_ENOUGH_QUOTA, ENOMEM},
};

static const char *const texts[] = {
    "No error",
    "Operation not permitted",
    "No such file or directory",
    "No such process",
    "Interrupted function call",
    "Input/output error",
    "No such device or address",
    "Arg list too long",
    "Exec format error",
    "Bad file descriptor",
    "No child processes",
    "Resource temporarily unavailable",
    "Not enough space",
    "Permission denied",
    "Bad address",
    "Unknown error",
    "Resource device",
    "File exists",
    "Improper link",
    "No such device",
    "Not a directory",
    "Is a directory",
    "Invalid argument",
    "Too many open files in system",
    "Too many open files",
    "Inappropriate I/O control operation",
    "Unknown error",
    "File too large",
    "No space left on device",
    "Invalid seek",
    "Read-only file system",
    "Too many links",
    "Broken pipe",
    "Domain error",
    "Result too large",
    "Unknown error",
    "Resource deadlock avoided",
    "Unknown error",
    "Filename too long",
    "No locks available",
    "Function not implemented",
    "Directory not empty",
    "Illegal byte sequence",
};
int crt_sys_nerr = COUNT_OF(texts);
const char *const *const crt_sys_errlist = texts;

void set_win32_error(DWORD error)
{
    struct thread_data *data = thread_data();
    data->dos_error = error;
    data->error = EINVAL;
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        if (codes[i].win32 == error) {
            data->error = codes[i].code;
        }
    }
}

int fail_with(int error)
{
    struct thread_data *data = thread_data();
    data->error = error;
    data->dos_error = 0;
    return -1;
}

int fail_win32(void)
{
    set_win32_error(GetLastError());
    return -1;
}

static const char *text_of(int error)
{
    return error >= 0 && error < (int)COUNT_OF(texts) ? texts[error] : "Unknown error";
}

char *strerror(int error)
{
    return (char *)text_of(error);
}

errno_t strerror_s(char *buffer, size_t size, int error)
{
    return strncpy_s(buffer, size, text_of(error), _TRUNCATE);
}

/* `prefix: what errno says`, with a line end. */
char *_strerror(const char *prefix)
{
    enum { SIZE = 160 };
    struct thread_data *data = thread_data();
    const char *text = text_of(data->error);
    if (!data->error_text) {
        data->error_text = HeapAlloc(GetProcessHeap(), 0, SIZE);
    }
    if (!data->error_text) {
        return NULL;
    }
    data->error_text[0] = 0;
    if (prefix && *prefix) {
        strncat(data->error_text, prefix, 94);
        strcat(data->error_text, ": ");
    }
    strcat(data->error_text, text);
    strcat(data->error_text, "\n");
    return data->error_text;
}

wchar_t *_wcserror(int error)
{
    enum { SIZE = 64 };
    struct thread_data *data = thread_data();
    if (!data->wide_error_text) {
        data->wide_error_text = HeapAlloc(GetProcessHeap(), 0, SIZE * sizeof(wchar_t));
    }
    if (data->wide_error_text) {
        mbstowcs(data->wide_error_text, text_of(error), SIZE);
    }
    return data->wide_error_text;
}

void perror(const char *prefix)
{
    const char *text = text_of(errno);
    if (prefix && *prefix) {
        _write(2, prefix, (unsigned)strlen(prefix));
        _write(2, ": ", 2);
    }
    _write(2, text, (unsigned)strlen(text));
    _write(2, "\n", 1);
}

void _wperror(const wchar_t *prefix)
{
    char *bytes = prefix ? narrow(prefix) : NULL;
    perror(bytes);
    free(bytes);
}
