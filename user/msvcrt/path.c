/*
 * user/msvcrt/path.c: paths as text: the current directory, full paths, their parts, temporary
 * names; and drives.
 *
 * The work is done in wide characters. The ANSI code page has one byte for each character, so an
 * index in the wide text is one in the narrow text too.
 */
#include "user/msvcrt/msvcrt.h"

#include <direct.h>
#include <share.h>

/* Where a path's parts begin; each ends where the next begins. */
struct parts {
    size_t directory, name, extension, end;
};

static int is_slash(wchar_t c)
{
    return c == '\\' || c == '/';
}

static struct parts parts_of(const wchar_t *path)
{
    struct parts parts = {.directory = path[0] && path[1] == ':' ? 2 : 0, .end = wcslen(path)};
    parts.name = parts.directory;
    for (size_t i = parts.directory; i < parts.end; i++) {
        if (is_slash(path[i])) {
            parts.name = i + 1;
        }
    }
    parts.extension = parts.end;
    for (size_t i = parts.name; i < parts.end; i++) {
        if (path[i] == '.') {
            parts.extension = i;
        }
    }
    return parts;
}

/* A part into a buffer that may be NULL; => 0 when it is too small */
static int take_wide(wchar_t *to, size_t size, const wchar_t *path, size_t from, size_t end)
{
    if (!to) {
        return 1;
    }
    size_t count = end - from < size ? end - from : size - 1;
    memcpy(to, path + from, count * sizeof(wchar_t));
    to[count] = 0;
    return count == end - from;
}

static int take_narrow(char *to, size_t size, const char *path, size_t from, size_t end)
{
    if (!to) {
        return 1;
    }
    size_t count = end - from < size ? end - from : size - 1;
    memcpy(to, path + from, count);
    to[count] = 0;
    return count == end - from;
}

errno_t _wsplitpath_s(const wchar_t *path, wchar_t *drive, size_t drive_size, wchar_t *directory,
                      size_t directory_size, wchar_t *name, size_t name_size, wchar_t *extension,
                      size_t extension_size)
{
    struct parts at = parts_of(path);
    int fits = take_wide(drive, drive_size, path, 0, at.directory);
    fits &= take_wide(directory, directory_size, path, at.directory, at.name);
    fits &= take_wide(name, name_size, path, at.name, at.extension);
    fits &= take_wide(extension, extension_size, path, at.extension, at.end);
    return fits ? 0 : ERANGE;
}

errno_t _splitpath_s(const char *path, char *drive, size_t drive_size, char *directory,
                     size_t directory_size, char *name, size_t name_size, char *extension,
                     size_t extension_size)
{
    wchar_t *wide = widen(path);
    if (!wide) {
        return ENOMEM;
    }
    struct parts at = parts_of(wide);
    free(wide);
    int fits = take_narrow(drive, drive_size, path, 0, at.directory);
    fits &= take_narrow(directory, directory_size, path, at.directory, at.name);
    fits &= take_narrow(name, name_size, path, at.name, at.extension);
    fits &= take_narrow(extension, extension_size, path, at.extension, at.end);
    return fits ? 0 : ERANGE;
}

void _wsplitpath(const wchar_t *path, wchar_t *drive, wchar_t *directory, wchar_t *name,
                 wchar_t *extension)
{
    _wsplitpath_s(path, drive, _MAX_DRIVE, directory, _MAX_DIR, name, _MAX_FNAME, extension,
                  _MAX_EXT);
}

void _splitpath(const char *path, char *drive, char *directory, char *name, char *extension)
{
    _splitpath_s(path, drive, _MAX_DRIVE, directory, _MAX_DIR, name, _MAX_FNAME, extension,
                 _MAX_EXT);
}

/* Puts a path together; what is missing between its parts is added. */
errno_t _wmakepath_s(wchar_t *path, size_t size, const wchar_t *drive, const wchar_t *directory,
                     const wchar_t *name, const wchar_t *extension)
{
    size_t n = directory ? wcslen(directory) : 0;
    const wchar_t *pieces[] = {
        drive && *drive ? (const wchar_t[]){*drive, ':', 0} : NULL,
        directory,
        n && !is_slash(directory[n - 1]) ? L"\\" : NULL,
        name,
        extension && *extension && *extension != '.' ? L"." : NULL,
        extension,
    };
    size_t at = 0;
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        size_t length = pieces[i] ? wcslen(pieces[i]) : 0;
        if (length >= size - at) {
            path[0] = 0;
            return (errno_t)(fail_with(ERANGE), ERANGE);
        }
        memcpy(path + at, pieces[i], length * sizeof(wchar_t));
        at += length;
    }
    path[at] = 0;
    return 0;
}

errno_t _makepath_s(char *path, size_t size, const char *drive, const char *directory,
                    const char *name, const char *extension)
{
    wchar_t *parts[4] = {drive ? widen(drive) : NULL, directory ? widen(directory) : NULL,
                         name ? widen(name) : NULL, extension ? widen(extension) : NULL};
    wchar_t wide[_MAX_PATH];
    errno_t error = _wmakepath_s(wide, size < _MAX_PATH ? size : _MAX_PATH, parts[0], parts[1],
                                 parts[2], parts[3]);
    WideCharToMultiByte(CP_ACP, 0, wide, -1, path, (int)size, NULL, NULL);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        free(parts[i]);
    }
    return error;
}

void _wmakepath(wchar_t *path, const wchar_t *drive, const wchar_t *directory, const wchar_t *name,
                const wchar_t *extension)
{
    _wmakepath_s(path, _MAX_PATH, drive, directory, name, extension);
}

void _makepath(char *path, const char *drive, const char *directory, const char *name,
               const char *extension)
{
    _makepath_s(path, _MAX_PATH, drive, directory, name, extension);
}

/*
 * A text for a caller that gave a buffer, or NULL and wants one of at least SIZE characters.
 * => NULL with errno when it does not fit
 */
static wchar_t *give_wide(const wchar_t *text, wchar_t *buffer, size_t size)
{
    size_t need = wcslen(text) + 1;
    if (!buffer) {
        size = size > need ? size : need;
        buffer = malloc(size * sizeof(wchar_t));
    }
    if (!buffer || need > size) {
        fail_with(buffer ? ERANGE : ENOMEM);
        return NULL;
    }
    return memcpy(buffer, text, need * sizeof(wchar_t));
}

static char *give_narrow(const wchar_t *text, char *buffer, size_t size)
{
    char *bytes = narrow(text);
    size_t need = bytes ? strlen(bytes) + 1 : 0;
    if (bytes && !buffer) {
        size = size > need ? size : need;
        buffer = malloc(size);
    }
    char *result = bytes && buffer && need <= size ? memcpy(buffer, bytes, need) : NULL;
    if (!result) {
        fail_with(bytes && buffer ? ERANGE : ENOMEM);
    }
    free(bytes);
    return result;
}

/* The current directory of a drive (1 is A:; 0 the current one), in the heap; NULL with errno. */
static wchar_t *directory_of(int drive)
{
    wchar_t name[3] = {(wchar_t)('A' + drive - 1), ':', 0};
    DWORD need = drive ? GetFullPathNameW(name, 0, NULL, NULL) : GetCurrentDirectoryW(0, NULL);
    wchar_t *text = need ? malloc(need * sizeof(wchar_t)) : NULL;
    if (!text) {
        fail_with(need ? ENOMEM : EACCES);
        return NULL;
    }
    if (drive) {
        GetFullPathNameW(name, need, text, NULL);
    } else {
        GetCurrentDirectoryW(need, text);
    }
    return text;
}

wchar_t *_wgetdcwd(int drive, wchar_t *buffer, int size)
{
    wchar_t *text = directory_of(drive);
    wchar_t *result = text ? give_wide(text, buffer, size > 0 ? (size_t)size : 0) : NULL;
    free(text);
    return result;
}

char *_getdcwd(int drive, char *buffer, int size)
{
    wchar_t *text = directory_of(drive);
    char *result = text ? give_narrow(text, buffer, size > 0 ? (size_t)size : 0) : NULL;
    free(text);
    return result;
}

wchar_t *_wgetcwd(wchar_t *buffer, int size)
{
    return _wgetdcwd(0, buffer, size);
}

char *_getcwd(char *buffer, int size)
{
    return _getdcwd(0, buffer, size);
}

int _getdrive(void)
{
    wchar_t current[MAX_PATH];
    return GetCurrentDirectoryW(MAX_PATH, current) && current[1] == ':'
               ? (current[0] | 32) - 'a' + 1
               : 0;
}

int _chdrive(int drive)
{
    wchar_t root[3] = {(wchar_t)('A' + drive - 1), ':', 0};
    return _wchdir(root);
}

unsigned long _getdrives(void)
{
    return GetLogicalDrives();
}

/* Room on a drive (1 is A:; 0 the current one). => 0, or a Win32 error */
unsigned _getdiskfree(unsigned drive, struct _diskfree_t *free)
{
    wchar_t root[4] = {(wchar_t)('A' + drive - 1), ':', '\\', 0};
    DWORD sectors, bytes, available, total;
    if (!GetDiskFreeSpaceW(drive ? root : NULL, &sectors, &bytes, &available, &total)) {
        fail_win32();
        return GetLastError();
    }
    *free = (struct _diskfree_t){total, available, sectors, bytes};
    return 0;
}

static wchar_t *full_path(const wchar_t *path)
{
    DWORD need = GetFullPathNameW(path, 0, NULL, NULL);
    wchar_t *full = need ? malloc(need * sizeof(wchar_t)) : NULL;
    if (!full) {
        fail_with(need ? ENOMEM : EINVAL);
        return NULL;
    }
    GetFullPathNameW(path, need, full, NULL);
    return full;
}

wchar_t *_wfullpath(wchar_t *buffer, const wchar_t *path, size_t size)
{
    if (!path || !*path) {
        return _wgetcwd(buffer, (int)size);
    }
    wchar_t *full = full_path(path);
    wchar_t *result = full ? give_wide(full, buffer, buffer ? size : 0) : NULL;
    free(full);
    return result;
}

char *_fullpath(char *buffer, const char *path, size_t size)
{
    if (!path || !*path) {
        return _getcwd(buffer, (int)size);
    }
    wchar_t *wide = widen(path);
    wchar_t *full = wide ? full_path(wide) : NULL;
    char *result = full ? give_narrow(full, buffer, buffer ? size : 0) : NULL;
    free(full);
    free(wide);
    return result;
}

/* Looks for NAME here, then in the directories that an environment variable lists. */
errno_t _wsearchenv_s(const wchar_t *name, const wchar_t *variable, wchar_t *buffer, size_t size)
{
    const wchar_t *directories = _wgetenv(variable);
    *buffer = 0;
    if (!_waccess(name, 0)) {
        _wfullpath(buffer, name, size);
    } else if (directories &&
               SearchPathW(directories, name, NULL, (DWORD)size, buffer, NULL) >= size) {
        *buffer = 0;
    }
    return *buffer ? 0 : (errno_t)(fail_with(ENOENT), ENOENT);
}

errno_t _searchenv_s(const char *name, const char *variable, char *buffer, size_t size)
{
    wchar_t *wide_name = widen(name), *wide_variable = widen(variable), found[_MAX_PATH];
    errno_t error = wide_name && wide_variable
                        ? _wsearchenv_s(wide_name, wide_variable, found, COUNT_OF(found))
                        : ENOMEM;
    free(wide_name);
    free(wide_variable);
    *buffer = 0;
    return error ? error : give_narrow(found, buffer, size) ? 0 : ERANGE;
}

void _wsearchenv(const wchar_t *name, const wchar_t *variable, wchar_t *buffer)
{
    _wsearchenv_s(name, variable, buffer, _MAX_PATH);
}

void _searchenv(const char *name, const char *variable, char *buffer)
{
    _searchenv_s(name, variable, buffer, _MAX_PATH);
}

/*
 * Temporary names
 */

/* Replaces the XXXXXX at the end of a pattern so that no file has the name; NULL with errno. */
wchar_t *_wmktemp(wchar_t *pattern)
{
    size_t n = wcslen(pattern);
    if (n < 6 || wcscmp(pattern + n - 6, L"XXXXXX")) {
        fail_with(EINVAL);
        return NULL;
    }
    wchar_t *at = pattern + n - 6;
    unsigned id = GetCurrentProcessId() % 100000;
    for (int i = 5; i; i--, id /= 10) {
        at[i] = (wchar_t)('0' + id % 10);
    }
    for (wchar_t c = 'a'; c <= 'z'; c++) {
        *at = c;
        if (_waccess(pattern, 0)) {
            return pattern;
        }
    }
    fail_with(EEXIST);
    return NULL;
}

char *_mktemp(char *pattern)
{
    wchar_t *wide = widen(pattern);
    wchar_t *made = wide ? _wmktemp(wide) : NULL;
    if (made) {
        WideCharToMultiByte(CP_ACP, 0, made, -1, pattern, (int)strlen(pattern) + 1, NULL, NULL);
    }
    free(wide);
    return made ? pattern : NULL;
}

/* The next of this process's temporary names; not yet looked whether it is free. */
static void next_name(wchar_t *buffer, const wchar_t *directory, const wchar_t *prefix)
{
    static LONG counter;
    wchar_t number[16];
    size_t n = wcslen(directory);
    wcscpy(buffer, directory);
    if (n && !is_slash(directory[n - 1])) {
        wcscat(buffer, L"\\");
    }
    wcscat(buffer, prefix);
    wcscat(buffer, _ultow(GetCurrentProcessId(), number, 36));
    wcscat(buffer, L".");
    wcscat(buffer, _ultow((unsigned long)InterlockedIncrement(&counter), number, 36));
}

/* A name that no file has, in buffer; NULL when there is none. */
static wchar_t *temporary_name(wchar_t *buffer, const wchar_t *directory, const wchar_t *prefix)
{
    for (int attempt = 0; attempt < 32767; attempt++) {
        next_name(buffer, directory, prefix);
        if (_waccess(buffer, 0)) {
            return buffer;
        }
    }
    return NULL;
}

#define TEMPORARY_LENGTH (L_tmpnam + 16)

wchar_t *_wtmpnam(wchar_t *buffer)
{
    static wchar_t own[TEMPORARY_LENGTH];
    return temporary_name(buffer ? buffer : own, L"\\", L"s");
}

char *tmpnam(char *buffer)
{
    static char own[TEMPORARY_LENGTH];
    wchar_t name[TEMPORARY_LENGTH];
    return temporary_name(name, L"\\", L"s")
               ? give_narrow(name, buffer ? buffer : own, TEMPORARY_LENGTH)
               : NULL;
}

errno_t tmpnam_s(char *buffer, size_t size)
{
    wchar_t name[TEMPORARY_LENGTH];
    return temporary_name(name, L"\\", L"s") && give_narrow(name, buffer, size) ? 0 : ERANGE;
}

wchar_t *_wtempnam(const wchar_t *directory, const wchar_t *prefix)
{
    const wchar_t *where = _wgetenv(L"TMP");
    if (!where || _waccess(where, 0)) {
        where = directory && !_waccess(directory, 0) ? directory : L".";
    }
    prefix = prefix ? prefix : L"";
    wchar_t *buffer = malloc((wcslen(where) + wcslen(prefix) + 32) * sizeof(wchar_t));
    return buffer ? temporary_name(buffer, where, prefix) : NULL;
}

char *_tempnam(const char *directory, const char *prefix)
{
    wchar_t *wide_directory = directory ? widen(directory) : NULL;
    wchar_t *wide_prefix = prefix ? widen(prefix) : NULL;
    wchar_t *name = _wtempnam(wide_directory, wide_prefix);
    char *result = name ? give_narrow(name, NULL, 0) : NULL;
    free(name);
    free(wide_directory);
    free(wide_prefix);
    return result;
}

/* A new file that goes when it is closed. => a descriptor, or -1 with errno */
int temporary_file(void)
{
    wchar_t name[TEMPORARY_LENGTH];
    for (int attempt = 0; attempt < 32767; attempt++) {
        next_name(name, L"\\", L"t");
        int fd = crt_wsopen(
            name, _O_CREAT | _O_EXCL | _O_RDWR | _O_BINARY | _O_TEMPORARY | _O_SHORT_LIVED,
            _SH_DENYNO, _S_IREAD | _S_IWRITE);
        if (fd >= 0 || errno != EEXIST) {
            return fd;
        }
    }
    return -1;
}
