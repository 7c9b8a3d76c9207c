/*
 * user/kernel32/find.c: listing directories.
 *
 * FindFirstFile opens the directory of a pattern and reads it in blocks; names are matched here,
 * without case, as DOS did: `*` any characters, `?` one or, before a dot and at the end, none; a
 * dot before wildcards at the end of a pattern need not be there; `*.` is every name without one.
 */
#include "user/kernel32/kernel32.h"

#define FIND_BUFFER 4096u
#define FIND_MAGIC  0x444E4946u

struct find {
    DWORD magic;
    HANDLE directory; /* NULL: a device's name, which was given */
    WCHAR *pattern;
    BOOL without_dot; /* of the names that match, only those without a dot */
    ULONG next;       /* offset of the entry to give next; FIND_BUFFER: read on */
    __attribute__((aligned(8))) BYTE buffer[FIND_BUFFER];
};

static BOOL is_wildcard(WCHAR c)
{
    return c == '*' || c == '?';
}

/* Whether nothing more needs to come where PATTERN is reached. */
static BOOL matches_nothing(const WCHAR *pattern)
{
    while (is_wildcard(*pattern)) {
        pattern++;
    }
    if (*pattern == '.' && is_wildcard(pattern[1])) {
        pattern++;
        while (is_wildcard(*pattern)) {
            pattern++;
        }
    }
    return !*pattern;
}

static BOOL matches(const WCHAR *pattern, const WCHAR *name, size_t length)
{
    const WCHAR *star = NULL;
    size_t at = 0, star_at = 0;
    while (at < length) {
        if (*pattern == '*') {
            star = pattern++;
            star_at = at;
        } else if (*pattern == '?') {
            pattern++;
            at += name[at] != '.';
        } else if (*pattern && wide_upper(*pattern) == wide_upper(name[at])) {
            pattern++;
            at++;
        } else if (star) {
            pattern = star + 1;
            at = ++star_at;
        } else {
            return FALSE;
        }
    }
    return matches_nothing(pattern);
}

/* The full name of a path; one that begins with \\?\ is taken as it is. In the heap. */
static WCHAR *whole_path(const WCHAR *path)
{
    if (path[0] != '\\' || path[1] != '\\' || path[2] != '?') {
        return full_path(path);
    }
    size_t nbytes = (wide_length(path) + 1) * sizeof(WCHAR);
    WCHAR *copy = take_memory(nbytes);
    return copy ? memcpy(copy, path, nbytes) : NULL;
}

/* Splits a path into the directory to open, in the heap, and the pattern. */
static BOOL split(struct find *find, const WCHAR *path, WCHAR **directory)
{
    size_t given = wide_length(path);
    WCHAR *text = whole_path(path);
    if (!text) {
        return FALSE;
    }
    size_t length = wide_length(text), base = length;
    while (base && text[base - 1] != '\\') {
        base--;
    }
    *directory = text;
    find->without_dot = given > 1 && path[given - 1] == '.' && is_wildcard(path[given - 2]);
    find->pattern = take_memory((length - base + 1) * sizeof(WCHAR));
    if (!find->pattern) {
        return fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    lstrcpyW(find->pattern, text + base);
    text[base] = 0;
    if (!lstrcmpW(find->pattern, L"*.*")) {
        find->pattern[1] = 0;
    }
    return *find->pattern ? TRUE : fail(ERROR_FILE_NOT_FOUND);
}

static BOOL is_shown(const struct find *find, const WCHAR *name, size_t length)
{
    for (size_t i = 0; find->without_dot && i < length; i++) {
        if (name[i] == '.') {
            return FALSE;
        }
    }
    return matches(find->pattern, name, length);
}

/* Opens a directory to list it; what is none is a path that is not found. */
NTSTATUS open_directory(const WCHAR *path, HANDLE *directory)
{
    OBJECT_ATTRIBUTES attributes = {.Length = sizeof(attributes),
                                    .Attributes = OBJ_CASE_INSENSITIVE};
    UNICODE_STRING nt;
    IO_STATUS_BLOCK io;
    if (!nt_path(path, &nt)) {
        return STATUS_OBJECT_PATH_NOT_FOUND;
    }
    attributes.ObjectName = &nt;
    NTSTATUS status = NtOpenFile(directory, FILE_LIST_DIRECTORY | SYNCHRONIZE, &attributes, &io,
                                 FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                                 FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT);
    release_memory(nt.Buffer);
    if (status == STATUS_OBJECT_NAME_NOT_FOUND || status == STATUS_NOT_A_DIRECTORY) {
        return STATUS_OBJECT_PATH_NOT_FOUND;
    }
    return status;
}

/* The next entry that matches, or NULL with the status. */
static const FILE_BOTH_DIR_INFORMATION *next_entry(struct find *find, NTSTATUS *status)
{
    IO_STATUS_BLOCK io;
    *status = STATUS_NO_MORE_FILES;
    while (find->directory) {
        if (find->next >= FIND_BUFFER) {
            *status = NtQueryDirectoryFile(find->directory, NULL, NULL, NULL, &io, find->buffer,
                                           FIND_BUFFER, NT_FILE_BOTH_DIRECTORY_INFORMATION, FALSE,
                                           NULL, FALSE);
            if (!NT_SUCCESS(*status)) {
                return NULL;
            }
            find->next = 0;
        }
        const FILE_BOTH_DIR_INFORMATION *entry =
            (const FILE_BOTH_DIR_INFORMATION *)(const void *)(find->buffer + find->next);
        find->next = entry->NextEntryOffset ? find->next + entry->NextEntryOffset : FIND_BUFFER;
        if (is_shown(find, entry->FileName, entry->FileNameLength / sizeof(WCHAR))) {
            return entry;
        }
    }
    return NULL;
}

static void give_entry(const FILE_BOTH_DIR_INFORMATION *entry, WIN32_FIND_DATAW *data)
{
    size_t length = entry->FileNameLength / sizeof(WCHAR);
    length = length < MAX_PATH ? length : MAX_PATH - 1;
    data->dwFileAttributes = entry->FileAttributes;
    data->ftCreationTime = time_of_number(entry->CreationTime);
    data->ftLastAccessTime = time_of_number(entry->LastAccessTime);
    data->ftLastWriteTime = time_of_number(entry->LastWriteTime);
    data->nFileSizeHigh = (DWORD)entry->EndOfFile.u.HighPart;
    data->nFileSizeLow = entry->EndOfFile.u.LowPart;
    data->dwReserved0 = data->dwReserved1 = 0;
    memcpy(data->cFileName, entry->FileName, length * sizeof(WCHAR));
    data->cFileName[length] = 0;
    data->cAlternateFileName[0] = 0;
}

static void end_find(struct find *find)
{
    if (find->directory) {
        NtClose(find->directory);
    }
    find->magic = 0;
    release_memory(find->pattern);
    release_memory(find);
}

/* A device's name is found, wherever it is looked for. */
static BOOL find_device(const WCHAR *path, ULONG device, WIN32_FIND_DATAW *data)
{
    size_t length = (device >> 16) / sizeof(WCHAR);
    *data = (WIN32_FIND_DATAW){.dwFileAttributes = FILE_ATTRIBUTE_ARCHIVE};
    memcpy(data->cFileName, path + (device & 0xFFFF) / sizeof(WCHAR), length * sizeof(WCHAR));
    return TRUE;
}

/* Opens the directory and gives the first entry. => FALSE with the last error */
static BOOL find_first(struct find *find, const WCHAR *path, WIN32_FIND_DATAW *data)
{
    WCHAR *directory = NULL;
    ULONG device = RtlIsDosDeviceName_U(path);
    if (device) {
        return find_device(path, device, data);
    }
    BOOL done =
        split(find, path, &directory) && finish(open_directory(directory, &find->directory));
    release_memory(directory);
    if (!done) {
        return FALSE;
    }
    NTSTATUS status;
    const FILE_BOTH_DIR_INFORMATION *entry = next_entry(find, &status);
    if (entry) {
        give_entry(entry, data);
        return TRUE;
    }
    return status == STATUS_NO_MORE_FILES || status == STATUS_NO_SUCH_FILE
               ? fail(ERROR_FILE_NOT_FOUND)
               : finish(status);
}

HANDLE WINAPI FindFirstFileExW(const WCHAR *path, FINDEX_INFO_LEVELS level, void *data,
                               FINDEX_SEARCH_OPS search, void *filter, DWORD flags)
{
    DWORD error = NO_ERROR;
    if (level > FindExInfoBasic || search > FindExSearchLimitToDirectories || filter || !path ||
        (flags & ~7u)) {
        error = ERROR_INVALID_PARAMETER;
    } else if (!*path) {
        error = ERROR_PATH_NOT_FOUND;
    }
    struct find *find = error ? NULL : take_memory(sizeof(*find));
    if (!find) {
        fail(error ? error : ERROR_NOT_ENOUGH_MEMORY);
        return INVALID_HANDLE_VALUE;
    }
    *find = (struct find){.magic = FIND_MAGIC, .next = FIND_BUFFER};
    if (!find_first(find, path, data)) {
        end_find(find);
        return INVALID_HANDLE_VALUE;
    }
    return find;
}

HANDLE WINAPI FindFirstFileW(const WCHAR *path, WIN32_FIND_DATAW *data)
{
    return FindFirstFileExW(path, FindExInfoStandard, data, FindExSearchNameMatch, NULL, 0);
}

static struct find *find_of(HANDLE handle)
{
    struct find *find = handle;
    if (!handle || handle == INVALID_HANDLE_VALUE || find->magic != FIND_MAGIC) {
        fail(ERROR_INVALID_HANDLE);
        return NULL;
    }
    return find;
}

BOOL WINAPI FindNextFileW(HANDLE handle, WIN32_FIND_DATAW *data)
{
    struct find *find = find_of(handle);
    NTSTATUS status = STATUS_SUCCESS;
    if (!find) {
        return FALSE;
    }
    const FILE_BOTH_DIR_INFORMATION *entry = next_entry(find, &status);
    if (!entry) {
        return finish(status);
    }
    give_entry(entry, data);
    return TRUE;
}

BOOL WINAPI FindClose(HANDLE handle)
{
    struct find *find = find_of(handle);
    if (!find) {
        return FALSE;
    }
    end_find(find);
    return TRUE;
}

static void data_to_ansi(const WIN32_FIND_DATAW *wide, WIN32_FIND_DATAA *data)
{
    memcpy(data, wide, offsetof(WIN32_FIND_DATAW, cFileName));
    give_ansi(wide->cFileName, (DWORD)wide_length(wide->cFileName), data->cFileName, MAX_PATH);
    data->cAlternateFileName[0] = 0;
}

HANDLE WINAPI FindFirstFileExA(const char *path, FINDEX_INFO_LEVELS level, void *data,
                               FINDEX_SEARCH_OPS search, void *filter, DWORD flags)
{
    WIN32_FIND_DATAW found;
    WCHAR *wide = wide_from_ansi(path);
    if (!wide) {
        return INVALID_HANDLE_VALUE;
    }
    HANDLE handle = FindFirstFileExW(wide, level, &found, search, filter, flags);
    release_memory(wide);
    if (handle != INVALID_HANDLE_VALUE) {
        data_to_ansi(&found, data);
    }
    return handle;
}

HANDLE WINAPI FindFirstFileA(const char *path, WIN32_FIND_DATAA *data)
{
    return FindFirstFileExA(path, FindExInfoStandard, data, FindExSearchNameMatch, NULL, 0);
}

BOOL WINAPI FindNextFileA(HANDLE handle, WIN32_FIND_DATAA *data)
{
    WIN32_FIND_DATAW found;
    if (!FindNextFileW(handle, &found)) {
        return FALSE;
    }
    data_to_ansi(&found, data);
    return TRUE;
}
