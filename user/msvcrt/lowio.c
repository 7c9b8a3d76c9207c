/*
 * user/msvcrt/lowio.c: files by descriptor: _open, _read, _write and their kin.
 *
 * A descriptor is an index into a table of handles. In text mode reading turns CR LF into LF and
 * ends at Ctrl+Z, writing turns LF into CR LF. The first three are the standard streams.
 * Lock: FILE_TABLE_LOCK for taking and giving back entries.
 */
#include "user/msvcrt/msvcrt.h"

#include <share.h>
#include <sys/locking.h>

#define CTRL_Z 0x1A

BIG_TABLE struct descriptor descriptors[FD_COUNT];
int crt_fmode;
static int umask_bits;

static unsigned char type_flags(HANDLE handle)
{
    switch (GetFileType(handle) & ~(DWORD)FILE_TYPE_REMOTE) {
    case FILE_TYPE_CHAR:
        return FD_DEVICE;
    case FILE_TYPE_PIPE:
        return FD_PIPE;
    default:
        return 0;
    }
}

void descriptors_start(void)
{
    static const DWORD names[3] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
    for (int fd = 0; fd < 3; fd++) {
        HANDLE handle = GetStdHandle(names[fd]);
        BOOL there = handle && handle != INVALID_HANDLE_VALUE;
        descriptors[fd].handle = there ? handle : (HANDLE)-2;
        descriptors[fd].flags = FD_OPEN | FD_TEXT | (there ? type_flags(handle) : FD_DEVICE);
        descriptors[fd].pushed = -1;
    }
}

int is_descriptor(int fd)
{
    return fd >= 0 && fd < FD_COUNT && (descriptors[fd].flags & FD_OPEN);
}

/* The entry of an open descriptor, or NULL with errno. */
static struct descriptor *descriptor_of(int fd)
{
    if (!is_descriptor(fd)) {
        fail_with(EBADF);
        return NULL;
    }
    return &descriptors[fd];
}

static int take_descriptor(HANDLE handle, unsigned char flags)
{
    int found = -1;
    _lock(FILE_TABLE_LOCK);
    for (int fd = 0; fd < FD_COUNT && found < 0; fd++) {
        if (!(descriptors[fd].flags & FD_OPEN)) {
            descriptors[fd] = (struct descriptor){handle, (unsigned char)(flags | FD_OPEN), -1};
            found = fd;
        }
    }
    _unlock(FILE_TABLE_LOCK);
    return found < 0 ? fail_with(EMFILE) : found;
}

static DWORD share_mode(int share)
{
    switch (share) {
    case _SH_DENYRW:
        return 0;
    case _SH_DENYWR:
        return FILE_SHARE_READ;
    case _SH_DENYRD:
        return FILE_SHARE_WRITE;
    default:
        return FILE_SHARE_READ | FILE_SHARE_WRITE;
    }
}

static DWORD disposition(int flags)
{
    switch (flags & (_O_CREAT | _O_EXCL | _O_TRUNC)) {
    case _O_CREAT:
        return OPEN_ALWAYS;
    case _O_CREAT | _O_EXCL:
    case _O_CREAT | _O_EXCL | _O_TRUNC:
        return CREATE_NEW;
    case _O_TRUNC:
    case _O_TRUNC | _O_EXCL:
        return TRUNCATE_EXISTING;
    case _O_CREAT | _O_TRUNC:
        return CREATE_ALWAYS;
    default:
        return OPEN_EXISTING;
    }
}

/* CreateFile's attributes and flags for those of open. */
static DWORD creation_flags(int flags, int mode)
{
    DWORD result = FILE_ATTRIBUTE_NORMAL;
    if ((flags & _O_CREAT) && !(mode & ~umask_bits & _S_IWRITE)) {
        result = FILE_ATTRIBUTE_READONLY;
    }
    result |= flags & _O_TEMPORARY ? FILE_FLAG_DELETE_ON_CLOSE : 0;
    result |= flags & _O_SHORT_LIVED ? FILE_ATTRIBUTE_TEMPORARY : 0;
    result |= flags & _O_SEQUENTIAL ? FILE_FLAG_SEQUENTIAL_SCAN : 0;
    result |= flags & _O_RANDOM ? FILE_FLAG_RANDOM_ACCESS : 0;
    return result;
}

/* A text file that is to be written further loses the Ctrl+Z at its end. */
static void cut_ctrl_z(HANDLE handle)
{
    LARGE_INTEGER last = {.QuadPart = -1}, first = {.QuadPart = 0};
    char byte = 0;
    DWORD done;
    if (!SetFilePointerEx(handle, last, &last, FILE_END)) {
        return; /* empty */
    }
    if (ReadFile(handle, &byte, 1, &done, NULL) && done && byte == CTRL_Z &&
        SetFilePointerEx(handle, last, NULL, FILE_BEGIN)) {
        SetEndOfFile(handle);
    }
    SetFilePointerEx(handle, first, NULL, FILE_BEGIN);
}

int crt_wsopen(const wchar_t *path, int flags, int share, int mode)
{
    static const DWORD accesses[4] = {GENERIC_READ, GENERIC_WRITE, GENERIC_READ | GENERIC_WRITE, 0};
    SECURITY_ATTRIBUTES security = {sizeof(security), NULL, !(flags & _O_NOINHERIT)};
    DWORD sharing = share_mode(share) | (flags & _O_TEMPORARY ? FILE_SHARE_DELETE : 0);
    if (!path || (flags & 3) == 3) {
        return fail_with(EINVAL);
    }
    HANDLE handle = CreateFileW(path, accesses[flags & 3], sharing, &security, disposition(flags),
                                creation_flags(flags, mode), NULL);
    if (handle == INVALID_HANDLE_VALUE) {
        return fail_win32();
    }
    int text = flags & (_O_TEXT | _O_BINARY) ? (flags & _O_TEXT) != 0 : !(crt_fmode & _O_BINARY);
    unsigned char type = type_flags(handle);
    if (text && !type && (flags & 3) == _O_RDWR) {
        cut_ctrl_z(handle);
    }
    int fd = take_descriptor(
        handle, (unsigned char)(type | (text ? FD_TEXT : 0) | (flags & _O_APPEND ? FD_APPEND : 0)));
    if (fd < 0) {
        CloseHandle(handle);
    }
    return fd;
}

errno_t _wsopen_s(int *fd, const wchar_t *path, int flags, int share, int mode)
{
    *fd = crt_wsopen(path, flags, share, mode);
    return *fd < 0 ? errno : 0;
}

int crt_wopen(const wchar_t *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    int mode = flags & _O_CREAT ? va_arg(list, int) : 0;
    va_end(list);
    return crt_wsopen(path, flags, _SH_DENYNO, mode);
}

static int open_narrow(const char *path, int flags, int share, int mode)
{
    wchar_t *wide = widen(path);
    int fd = wide ? crt_wsopen(wide, flags, share, mode) : -1;
    free(wide);
    return fd;
}

int crt_open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    int mode = flags & _O_CREAT ? va_arg(list, int) : 0;
    va_end(list);
    return open_narrow(path, flags, _SH_DENYNO, mode);
}

int crt_sopen(const char *path, int flags, int share, ...)
{
    va_list list;
    va_start(list, share);
    int mode = flags & _O_CREAT ? va_arg(list, int) : 0;
    va_end(list);
    return open_narrow(path, flags, share, mode);
}

errno_t _sopen_s(int *fd, const char *path, int flags, int share, int mode)
{
    *fd = open_narrow(path, flags, share, mode);
    return *fd < 0 ? errno : 0;
}

int _creat(const char *path, int mode)
{
    return open_narrow(path, _O_CREAT | _O_TRUNC | _O_RDWR, _SH_DENYNO, mode);
}

int _wcreat(const wchar_t *path, int mode)
{
    return crt_wsopen(path, _O_CREAT | _O_TRUNC | _O_RDWR, _SH_DENYNO, mode);
}

int _close(int fd)
{
    struct descriptor *d = descriptor_of(fd);
    if (!d) {
        return -1;
    }
    HANDLE handle = d->handle;
    BOOL shared = FALSE; /* another of the standard descriptors may have the same handle */
    for (int other = 0; other < 3; other++) {
        shared |= other != fd && is_descriptor(other) && descriptors[other].handle == handle;
    }
    d->flags = 0;
    if (handle == (HANDLE)-2 || (fd < 3 && shared)) {
        return 0;
    }
    return CloseHandle(handle) ? 0 : fail_win32();
}

/* Reads bytes as they are; 0 at the end, -1 with errno. */
int raw_read(int fd, void *buffer, unsigned count)
{
    DWORD done;
    if (!ReadFile(descriptors[fd].handle, buffer, count, &done, NULL)) {
        DWORD error = GetLastError();
        if (error == ERROR_BROKEN_PIPE) {
            return 0;
        }
        set_win32_error(error);
        if (error == ERROR_ACCESS_DENIED) {
            errno = EBADF;
        }
        return -1;
    }
    return (int)done;
}

/* Turns count bytes into text in place; may read one byte more. Returns what is left. */
static int translate(int fd, char *buffer, int count)
{
    struct descriptor *d = &descriptors[fd];
    char *to = buffer;
    for (int i = 0; i < count; i++) {
        char c = buffer[i];
        if (c == CTRL_Z) {
            if (d->flags & FD_DEVICE) {
                *to++ = c;
            } else {
                d->flags |= FD_END;
            }
            break;
        }
        if (c == '\r' && i + 1 < count && buffer[i + 1] == '\n') {
            c = '\n';
            i++;
        } else if (c == '\r' && i + 1 == count) {
            char next;
            if (raw_read(fd, &next, 1) == 1) {
                if (next == '\n') {
                    c = '\n';
                } else {
                    d->pushed = (unsigned char)next;
                }
            }
        }
        *to++ = c;
    }
    return (int)(to - buffer);
}

int _read(int fd, void *buffer, unsigned count)
{
    struct descriptor *d = descriptor_of(fd);
    char *bytes = buffer;
    unsigned have = 0;
    if (!d) {
        return -1;
    }
    if (!count || (d->flags & FD_END)) {
        return 0;
    }
    if (d->pushed >= 0) {
        bytes[have++] = (char)d->pushed;
        d->pushed = -1;
    }
    if (have < count && !(have && (d->flags & (FD_PIPE | FD_DEVICE)))) {
        int n = raw_read(fd, bytes + have, count - have);
        if (n < 0 && !have) {
            return -1;
        }
        have += n > 0 ? (unsigned)n : 0;
    }
    return d->flags & FD_TEXT ? translate(fd, bytes, (int)have) : (int)have;
}

static int raw_write(int fd, const void *buffer, unsigned count)
{
    DWORD done;
    if (!count) {
        return 0;
    }
    if (descriptors[fd].handle == (HANDLE)-2) {
        return (int)count; /* no standard handle: like a program without a console */
    }
    if (!WriteFile(descriptors[fd].handle, buffer, count, &done, NULL)) {
        DWORD error = GetLastError();
        set_win32_error(error);
        if (error == ERROR_ACCESS_DENIED) {
            errno = EBADF;
        }
        return -1;
    }
    return (int)done;
}

/* Writes with CR before every LF. */
static int write_text(int fd, const char *text, unsigned count)
{
    char buffer[1024];
    unsigned taken = 0;
    while (taken < count) {
        unsigned n = 0, from = taken;
        while (taken < count && n < sizeof(buffer) - 1) {
            if (text[taken] == '\n') {
                buffer[n++] = '\r';
            }
            buffer[n++] = text[taken++];
        }
        int done = raw_write(fd, buffer, n);
        if (done < 0) {
            return from ? (int)from : -1;
        }
        if ((unsigned)done < n) {
            fail_with(ENOSPC);
            return from ? (int)from : -1;
        }
    }
    return (int)count;
}

int _write(int fd, const void *buffer, unsigned count)
{
    struct descriptor *d = descriptor_of(fd);
    if (!d) {
        return -1;
    }
    if (!count) {
        return 0;
    }
    if (d->flags & FD_APPEND) {
        _lseeki64(fd, 0, SEEK_END);
    }
    if (d->flags & FD_TEXT) {
        return write_text(fd, buffer, count);
    }
    int done = raw_write(fd, buffer, count);
    if (!done && !(d->flags & FD_DEVICE)) {
        return fail_with(ENOSPC);
    }
    return done;
}

__int64 _lseeki64(int fd, __int64 offset, int origin)
{
    struct descriptor *d = descriptor_of(fd);
    LARGE_INTEGER distance, position;
    if (!d) {
        return -1;
    }
    if (d->flags & (FD_DEVICE | FD_PIPE)) {
        return fail_with(ESPIPE);
    }
    distance.QuadPart = offset - (origin == SEEK_CUR && d->pushed >= 0);
    if (!SetFilePointerEx(d->handle, distance, &position, (DWORD)origin)) {
        return fail_win32();
    }
    d->pushed = -1;
    d->flags &= (unsigned char)~FD_END;
    return position.QuadPart;
}

long _lseek(int fd, long offset, int origin)
{
    __int64 position = _lseeki64(fd, offset, origin);
    return position > LONG_MAX ? fail_with(EINVAL) : (long)position;
}

__int64 _telli64(int fd)
{
    return _lseeki64(fd, 0, SEEK_CUR);
}

long _tell(int fd)
{
    return _lseek(fd, 0, SEEK_CUR);
}

__int64 _filelengthi64(int fd)
{
    struct descriptor *d = descriptor_of(fd);
    LARGE_INTEGER size;
    if (!d) {
        return -1;
    }
    return GetFileSizeEx(d->handle, &size) ? size.QuadPart : fail_win32();
}

long _filelength(int fd)
{
    __int64 length = _filelengthi64(fd);
    return length > LONG_MAX ? fail_with(EINVAL) : (long)length;
}

int _eof(int fd)
{
    __int64 position = _telli64(fd), length = _filelengthi64(fd);
    return position < 0 || length < 0 ? -1 : position >= length;
}

errno_t _chsize_s(int fd, __int64 size)
{
    struct descriptor *d = descriptor_of(fd);
    __int64 position = d ? _telli64(fd) : -1;
    if (position >= 0 && size < 0) {
        fail_with(EINVAL);
    }
    if (position < 0 || size < 0 || _lseeki64(fd, size, SEEK_SET) < 0) {
        return errno;
    }
    errno_t result = SetEndOfFile(d->handle) ? 0 : (fail_win32(), errno);
    _lseeki64(fd, position, SEEK_SET);
    return result;
}

int _chsize(int fd, long size)
{
    return _chsize_s(fd, size) ? -1 : 0;
}

int _commit(int fd)
{
    struct descriptor *d = descriptor_of(fd);
    if (!d) {
        return -1;
    }
    return FlushFileBuffers(d->handle) ? 0 : fail_with(EBADF);
}

static HANDLE duplicate(HANDLE handle)
{
    HANDLE copy;
    HANDLE self = GetCurrentProcess();
    return DuplicateHandle(self, handle, self, &copy, 0, TRUE, DUPLICATE_SAME_ACCESS) ? copy : NULL;
}

int _dup(int fd)
{
    struct descriptor *d = descriptor_of(fd);
    if (!d) {
        return -1;
    }
    HANDLE copy = duplicate(d->handle);
    if (!copy) {
        return fail_win32();
    }
    int result = take_descriptor(copy, d->flags);
    if (result < 0) {
        CloseHandle(copy);
    }
    return result;
}

int _dup2(int fd, int to)
{
    struct descriptor *d = descriptor_of(fd);
    if (!d || to < 0 || to >= FD_COUNT) {
        return fail_with(EBADF);
    }
    if (fd == to) {
        return 0;
    }
    HANDLE copy = duplicate(d->handle);
    if (!copy) {
        return fail_win32();
    }
    if (is_descriptor(to)) {
        _close(to);
    }
    descriptors[to] = (struct descriptor){copy, d->flags, -1};
    if (to < 3) {
        SetStdHandle(to == 0   ? STD_INPUT_HANDLE
                     : to == 1 ? STD_OUTPUT_HANDLE
                               : STD_ERROR_HANDLE,
                     copy);
    }
    return 0;
}

int _isatty(int fd)
{
    struct descriptor *d = descriptor_of(fd);
    return d && (d->flags & FD_DEVICE) ? 64 : 0;
}

int _setmode(int fd, int mode)
{
    struct descriptor *d = descriptor_of(fd);
    if (!d) {
        return -1;
    }
    if (mode != _O_TEXT && mode != _O_BINARY) {
        return fail_with(EINVAL);
    }
    int old = d->flags & FD_TEXT ? _O_TEXT : _O_BINARY;
    d->flags = (unsigned char)(mode == _O_TEXT ? d->flags | FD_TEXT : d->flags & ~FD_TEXT);
    return old;
}

intptr_t _get_osfhandle(int fd)
{
    struct descriptor *d = descriptor_of(fd);
    return d ? (intptr_t)d->handle : -1;
}

int _open_osfhandle(intptr_t handle, int flags)
{
    unsigned char type = type_flags((HANDLE)handle);
    if (GetFileType((HANDLE)handle) == FILE_TYPE_UNKNOWN) {
        return fail_win32();
    }
    return take_descriptor((HANDLE)handle, (unsigned char)(type | (flags & _O_TEXT ? FD_TEXT : 0) |
                                                           (flags & _O_APPEND ? FD_APPEND : 0)));
}

int _umask(int mode)
{
    int old = umask_bits;
    umask_bits = mode & (_S_IREAD | _S_IWRITE);
    return old;
}

int _pipe(int *fds, unsigned size, int mode)
{
    HANDLE read, write;
    SECURITY_ATTRIBUTES security = {sizeof(security), NULL, !(mode & _O_NOINHERIT)};
    unsigned char text = mode & _O_TEXT ? FD_TEXT : 0;
    if (!CreatePipe(&read, &write, &security, size)) {
        return fail_win32();
    }
    fds[0] = take_descriptor(read, FD_PIPE | text);
    fds[1] = take_descriptor(write, FD_PIPE | text);
    return fds[0] < 0 || fds[1] < 0 ? -1 : 0;
}

/* Locks or unlocks COUNT bytes from the position on; _LK_LOCK tries ten times in ten seconds. */
int _locking(int fd, int mode, long count)
{
    struct descriptor *d = descriptor_of(fd);
    if (!d) {
        return -1;
    }
    if (mode < _LK_UNLCK || mode > _LK_NBRLCK || count < 0) {
        return fail_with(EINVAL);
    }
    DWORD at = (DWORD)_tell(fd);
    if (mode == _LK_UNLCK) {
        return UnlockFile(d->handle, at, 0, (DWORD)count, 0) ? 0 : fail_win32();
    }
    int attempts = mode == _LK_LOCK || mode == _LK_RLCK ? 10 : 1;
    while (!LockFile(d->handle, at, 0, (DWORD)count, 0)) {
        if (GetLastError() != ERROR_LOCK_VIOLATION || --attempts == 0) {
            fail_win32();
            return mode == _LK_LOCK || mode == _LK_RLCK ? fail_with(EDEADLOCK) : -1;
        }
        Sleep(1000);
    }
    return 0;
}

int *__p__fmode(void)
{
    return &crt_fmode;
}
