/*
 * user/kernel32/path.c: DOS paths for Win32 programs: full names, the current directory, the
 * system's directories, temporary names, searching.
 *
 * ntdll knows what a path means (RtlGetFullPathName_U, RtlDosPathNameToNtPathName_U); here are the
 * Win32 forms of it.
 */
#include "user/kernel32/kernel32.h"

#define SYSTEM_DIRECTORY  L"C:\\quire\\system"
#define WINDOWS_DIRECTORY L"C:\\quire"

static BOOL is_slash(WCHAR c)
{
    return c == '\\' || c == '/';
}

/*
 * The full name of a path.
 * => in the heap, the caller's to release; NULL with the last error
 */
WCHAR *full_path(const WCHAR *path)
{
    ULONG need = RtlGetFullPathName_U(path, 0, NULL, NULL);
    if (!need) {
        fail(ERROR_FILENAME_EXCED_RANGE);
        return NULL;
    }
    WCHAR *text = take_memory(need + sizeof(WCHAR));
    if (!text) {
        fail(ERROR_NOT_ENOUGH_MEMORY);
        return NULL;
    }
    ULONG length = RtlGetFullPathName_U(path, need, text, NULL);
    if (!length || length >= need) {
        release_memory(text);
        fail(ERROR_INVALID_NAME);
        return NULL;
    }
    return text;
}

/*
 * The kernel's name of a path.
 * => nt->Buffer in the heap, the caller's to release; FALSE with the last error
 */
BOOL nt_path(const WCHAR *path, UNICODE_STRING *nt)
{
    if (!path || !*path) {
        return fail(ERROR_PATH_NOT_FOUND);
    }
    return finish(RtlDosPathNameToNtPathName_U_WithStatus(path, nt, NULL, NULL));
}

/* Where the last component begins; a device has none. */
static DWORD file_part_at(const WCHAR *path)
{
    DWORD at = 0;
    BOOL is_device = path[0] == '\\' && path[1] == '\\' && path[2] == '.';
    DWORD start = is_device ? 4 : 0;
    for (DWORD i = start; path[i]; i++) {
        if (path[i] == '\\') {
            at = i + 1;
        }
    }
    return is_device && !at ? (DWORD)wide_length(path) : at;
}

DWORD WINAPI GetFullPathNameW(const WCHAR *path, DWORD size, WCHAR *buffer, WCHAR **file_part)
{
    if (file_part) {
        *file_part = NULL;
    }
    if (!path || !*path) {
        return (DWORD)fail(ERROR_INVALID_NAME);
    }
    ULONG room = size < 0x8000 ? size * sizeof(WCHAR) : 0x10000;
    DWORD result = RtlGetFullPathName_U(path, room, buffer, NULL) / sizeof(WCHAR);
    if (!result) {
        return (DWORD)fail(ERROR_FILENAME_EXCED_RANGE);
    }
    if (file_part && result < size && buffer[file_part_at(buffer)]) {
        *file_part = buffer + file_part_at(buffer);
    }
    return result;
}

DWORD WINAPI GetFullPathNameA(const char *path, DWORD size, char *buffer, char **file_part)
{
    if (file_part) {
        *file_part = NULL;
    }
    if (!path || !*path) {
        return (DWORD)fail(ERROR_INVALID_NAME);
    }
    WCHAR *wide = wide_from_ansi(path);
    WCHAR *full = wide ? full_path(wide) : NULL;
    DWORD result = 0;
    if (full) {
        DWORD length = (DWORD)wide_length(full), at = file_part_at(full);
        result = give_ansi(full, length, buffer, size);
        if (result == length && file_part && full[at]) {
            *file_part = buffer + at;
        }
    }
    release_memory(full);
    release_memory(wide);
    return result;
}

DWORD WINAPI GetCurrentDirectoryW(DWORD size, WCHAR *buffer)
{
    ULONG nbytes = size < 0x8000 ? size * sizeof(WCHAR) : 0x10000;
    return RtlGetCurrentDirectory_U(nbytes, buffer) / sizeof(WCHAR);
}

DWORD WINAPI GetCurrentDirectoryA(DWORD size, char *buffer)
{
    ULONG need = RtlGetCurrentDirectory_U(0, NULL);
    WCHAR *wide = take_memory(need);
    if (!wide) {
        return (DWORD)fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    DWORD length = RtlGetCurrentDirectory_U(need, wide) / sizeof(WCHAR);
    DWORD result = give_ansi(wide, length, buffer, size);
    release_memory(wide);
    return result;
}

BOOL WINAPI SetCurrentDirectoryW(const WCHAR *path)
{
    UNICODE_STRING string;
    if (!path || !*path || wide_length(path) > 0x7FFE) {
        return fail(ERROR_INVALID_NAME);
    }
    wide_string(&string, path);
    return finish(RtlSetCurrentDirectory_U(&string));
}

BOOL WINAPI SetCurrentDirectoryA(const char *path)
{
    return WITH_WIDE(path, FALSE, SetCurrentDirectoryW(wide));
}

UINT WINAPI GetSystemDirectoryW(WCHAR *buffer, UINT size)
{
    return give_wide(SYSTEM_DIRECTORY, COUNT_OF(SYSTEM_DIRECTORY) - 1, buffer, size);
}

UINT WINAPI GetSystemDirectoryA(char *buffer, UINT size)
{
    return give_ansi(SYSTEM_DIRECTORY, COUNT_OF(SYSTEM_DIRECTORY) - 1, buffer, size);
}

UINT WINAPI GetWindowsDirectoryW(WCHAR *buffer, UINT size)
{
    return give_wide(WINDOWS_DIRECTORY, COUNT_OF(WINDOWS_DIRECTORY) - 1, buffer, size);
}

UINT WINAPI GetWindowsDirectoryA(char *buffer, UINT size)
{
    return give_ansi(WINDOWS_DIRECTORY, COUNT_OF(WINDOWS_DIRECTORY) - 1, buffer, size);
}

UINT WINAPI GetSystemWindowsDirectoryW(WCHAR *buffer, UINT size)
{
    return GetWindowsDirectoryW(buffer, size);
}

UINT WINAPI GetSystemWindowsDirectoryA(char *buffer, UINT size)
{
    return GetWindowsDirectoryA(buffer, size);
}

DWORD WINAPI GetTempPathW(DWORD size, WCHAR *buffer)
{
    static const WCHAR *const names[] = {L"TMP", L"TEMP", L"USERPROFILE"};
    WCHAR value[MAX_PATH + 2] = WINDOWS_DIRECTORY;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        DWORD n = GetEnvironmentVariableW(names[i], value, MAX_PATH);
        if (n && n < MAX_PATH) {
            break;
        }
        lstrcpyW(value, WINDOWS_DIRECTORY);
    }
    DWORD length = (DWORD)wide_length(value);
    if (value[length - 1] != '\\') {
        value[length++] = '\\';
        value[length] = 0;
    }
    return give_wide(value, length, buffer, size);
}

DWORD WINAPI GetTempPathA(DWORD size, char *buffer)
{
    WCHAR wide[MAX_PATH + 2];
    DWORD length = GetTempPathW(COUNT_OF(wide), wide);
    return give_ansi(wide, length, buffer, size);
}

/* PATH\PREnnnn.tmp in BUFFER; PREFIX counts up to three characters. */
static void put_temporary_name(const WCHAR *path, const WCHAR *prefix, UINT number, WCHAR *buffer)
{
    static const WCHAR digits[] = L"0123456789ABCDEF";
    DWORD at = (DWORD)wide_length(path);
    memcpy(buffer, path, at * sizeof(WCHAR));
    if (at && !is_slash(buffer[at - 1])) {
        buffer[at++] = '\\';
    }
    for (int i = 0; i < 3 && prefix && prefix[i]; i++) {
        buffer[at++] = prefix[i];
    }
    BOOL leading = TRUE;
    for (int shift = 12; shift >= 0; shift -= 4) {
        UINT digit = number >> shift & 0xF;
        if (digit || !leading || !shift) {
            buffer[at++] = digits[digit];
            leading = FALSE;
        }
    }
    lstrcpyW(buffer + at, L".tmp");
}

/* A name for a temporary file, made with the number UNIQUE; with 0 one that is free, and made. */
UINT WINAPI GetTempFileNameW(const WCHAR *path, const WCHAR *prefix, UINT unique, WCHAR *buffer)
{
    FILE_NETWORK_OPEN_INFORMATION info;
    UINT number = unique ? unique & 0xFFFF : GetTickCount() & 0xFFFF;
    if (!path || !buffer) {
        return (UINT)fail(ERROR_INVALID_PARAMETER);
    }
    if (wide_length(path) > MAX_PATH - 14) {
        return (UINT)fail(ERROR_BUFFER_OVERFLOW);
    }
    if (!NT_SUCCESS(query_attributes(*path ? path : L".", &info)) ||
        !(info.FileAttributes & FILE_ATTRIBUTE_DIRECTORY)) {
        return (UINT)fail(ERROR_DIRECTORY);
    }
    for (UINT attempt = 0; attempt < 0xFFFF; attempt++) {
        number = number ? number : 1; /* 0 is the answer for a failure */
        put_temporary_name(path, prefix, number, buffer);
        if (unique) {
            return number;
        }
        HANDLE file =
            CreateFileW(buffer, GENERIC_WRITE, 0, NULL, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
        if (file != INVALID_HANDLE_VALUE) {
            NtClose(file);
            return number;
        }
        if (GetLastError() != ERROR_FILE_EXISTS) {
            return 0;
        }
        number = (number + 1) & 0xFFFF;
    }
    return (UINT)fail(ERROR_FILE_EXISTS);
}

UINT WINAPI GetTempFileNameA(const char *path, const char *prefix, UINT unique, char *buffer)
{
    WCHAR result[MAX_PATH];
    UINT number = WITH_WIDE2(path, prefix, (UINT)0, GetTempFileNameW(wide, wide2, unique, result));
    if (number) {
        give_ansi(result, (DWORD)wide_length(result), buffer, MAX_PATH);
    }
    return number;
}

static BOOL has_path(const WCHAR *name)
{
    for (const WCHAR *s = name; *s; s++) {
        if (is_slash(*s)) {
            return TRUE;
        }
    }
    return name[0] && name[1] == ':';
}

static BOOL has_extension(const WCHAR *name)
{
    BOOL dot = FALSE;
    for (; *name; name++) {
        dot = *name == '.' || (dot && !is_slash(*name));
    }
    return dot;
}

static BOOL is_file(UNICODE_STRING *nt)
{
    OBJECT_ATTRIBUTES attributes = {
        .Length = sizeof(attributes),
        .ObjectName = nt,
        .Attributes = OBJ_CASE_INSENSITIVE,
    };
    FILE_NETWORK_OPEN_INFORMATION info;
    return NT_SUCCESS(NtQueryFullAttributesFile(&attributes, &info)) &&
           !(info.FileAttributes & FILE_ATTRIBUTE_DIRECTORY);
}

/* The list of directories to search: that of the program, the current one, ours, PATH. */
static WCHAR *default_search_path(void)
{
    const UNICODE_STRING *image = &this_peb()->parameters->image_path;
    DWORD program = image->Length / sizeof(WCHAR);
    while (program && image->Buffer[program - 1] != '\\') {
        program--;
    }
    static const WCHAR middle[] = L";.;" SYSTEM_DIRECTORY L";" WINDOWS_DIRECTORY L";";
    DWORD path = GetEnvironmentVariableW(L"PATH", NULL, 0);
    WCHAR *list = take_memory((program + COUNT_OF(middle) + path + 1) * sizeof(WCHAR));
    if (list) {
        memcpy(list, image->Buffer, program * sizeof(WCHAR));
        memcpy(list + program, middle, sizeof(middle));
        if (path) {
            GetEnvironmentVariableW(L"PATH", list + program + COUNT_OF(middle) - 1, path);
        }
    }
    return list;
}

/* One candidate: directory \ name extension. => FALSE when it is no file */
static BOOL candidate(const WCHAR *directory, size_t length, const WCHAR *name,
                      const WCHAR *extension, struct found_file *found)
{
    size_t n = wide_length(name), e = extension ? wide_length(extension) : 0;
    WCHAR *path = take_memory((length + n + e + 2) * sizeof(WCHAR));
    if (!path) {
        return FALSE;
    }
    memcpy(path, directory, length * sizeof(WCHAR));
    if (length && !is_slash(directory[length - 1])) {
        path[length++] = '\\';
    }
    memcpy(path + length, name, n * sizeof(WCHAR));
    if (e) {
        memcpy(path + length + n, extension, e * sizeof(WCHAR));
    }
    path[length + n + e] = 0;
    found->path = path;
    if (nt_path(path, &found->nt) && is_file(&found->nt)) {
        return TRUE;
    }
    found_file_done(found);
    return FALSE;
}

/*
 * Looks for NAME, with EXTENSION if it has none, in DIRECTORIES (NULL: where programs are looked
 * for).
 * => FOUND is the caller's: found_file_done
 */
BOOL search_file(const WCHAR *directories, const WCHAR *name, const WCHAR *extension,
                 struct found_file *found)
{
    *found = (struct found_file){0};
    if (has_extension(name)) {
        extension = NULL;
    }
    if (has_path(name)) {
        return candidate(L"", 0, name, extension, found);
    }
    WCHAR *list = directories ? NULL : default_search_path();
    const WCHAR *s = directories ? directories : list;
    BOOL done = FALSE;
    while (s && *s && !done) {
        size_t length = 0;
        while (s[length] && s[length] != ';') {
            length++;
        }
        if (length) {
            done = candidate(s, length, name, extension, found);
        }
        s += length + (s[length] == ';');
    }
    release_memory(list);
    return done;
}

void found_file_done(struct found_file *found)
{
    release_memory(found->path);
    release_memory(found->nt.Buffer);
    *found = (struct found_file){0};
}

/* The full name of PATH, whose NT path is known: for a drive it stands in that. */
DWORD dos_name(const WCHAR *path, const UNICODE_STRING *nt, WCHAR *buffer, DWORD size)
{
    static const DWORD prefix = 4; /* \??\ */
    DWORD length = nt->Length / sizeof(WCHAR);
    BOOL begins_with_drive = length > prefix + 1 && nt->Buffer[prefix + 1] == ':';
    if (!begins_with_drive || (is_slash(path[0]) && is_slash(path[1]))) {
        return GetFullPathNameW(path, size, buffer, NULL);
    }
    return give_wide(nt->Buffer + prefix, length - prefix, buffer, size);
}

DWORD WINAPI SearchPathW(const WCHAR *directories, const WCHAR *name, const WCHAR *extension,
                         DWORD size, WCHAR *buffer, WCHAR **file_part)
{
    struct found_file found;
    if (file_part) {
        *file_part = NULL;
    }
    if (!name || !*name) {
        return (DWORD)fail(ERROR_INVALID_PARAMETER);
    }
    if (!search_file(directories, name, extension, &found)) {
        return (DWORD)fail(ERROR_FILE_NOT_FOUND);
    }
    DWORD result = dos_name(found.path, &found.nt, buffer, size);
    if (file_part && result < size && buffer[file_part_at(buffer)]) {
        *file_part = buffer + file_part_at(buffer);
    }
    found_file_done(&found);
    return result;
}

DWORD WINAPI SearchPathA(const char *directories, const char *name, const char *extension,
                         DWORD size, char *buffer, char **file_part)
{
    WCHAR *wide_directories = directories ? wide_from_ansi(directories) : NULL;
    WCHAR *wide_extension = extension ? wide_from_ansi(extension) : NULL;
    WCHAR *wide_name = wide_from_ansi(name);
    WCHAR found[MAX_PATH];
    DWORD result = 0;
    if (wide_name) {
        DWORD length =
            SearchPathW(wide_directories, wide_name, wide_extension, COUNT_OF(found), found, NULL);
        if (length && length < COUNT_OF(found)) {
            result = give_ansi(found, length, buffer, size);
            if (file_part && result == length) {
                *file_part = buffer + file_part_at(found);
            }
        }
    }
    release_memory(wide_directories);
    release_memory(wide_extension);
    release_memory(wide_name);
    return result;
}

/*
 * Writes the component of PATH that begins at FROM and ends before END as its directory has it.
 * => how many characters; 0 with the last error
 */
static DWORD put_stored_name(WCHAR *path, DWORD from, DWORD end, WCHAR *to, DWORD room)
{
    WIN32_FIND_DATAW data;
    WCHAR after = path[end];
    BOOL is_dots =
        path[from] == '.' && (end == from + 1 || (end == from + 2 && path[from + 1] == '.'));
    path[end] = 0;
    HANDLE find = is_dots ? NULL : FindFirstFileW(path, &data);
    if (is_dots) {
        lstrcpyW(data.cFileName, path + from);
    }
    path[end] = after;
    if (find == INVALID_HANDLE_VALUE) {
        return 0;
    }
    if (find) {
        FindClose(find);
    }
    DWORD length = (DWORD)wide_length(data.cFileName);
    if (length >= room) {
        return (DWORD)fail(ERROR_FILENAME_EXCED_RANGE);
    }
    memcpy(to, data.cFileName, length * sizeof(WCHAR));
    return length;
}

/* Where the components of a path begin: behind its drive, or server and share. */
static DWORD components_at(const WCHAR *path)
{
    DWORD at = path[0] && path[1] == ':' ? 2 : 0;
    if (is_slash(path[0]) && is_slash(path[1])) {
        at = 2;
        for (int part = 0; part < 2; part++) {
            at += at > 2;
            while (path[at] && !is_slash(path[at])) {
                at++;
            }
        }
    }
    return at;
}

/* PATH with each of its names as it is stored: there are no short ones, but capitals differ. */
DWORD WINAPI GetLongPathNameW(const WCHAR *path, WCHAR *buffer, DWORD size)
{
    enum { ROOM = 1024 };
    if (!path || wide_length(path) >= ROOM) {
        return (DWORD)fail(path ? ERROR_FILENAME_EXCED_RANGE : ERROR_INVALID_PARAMETER);
    }
    if (GetFileAttributesW(path) == INVALID_FILE_ATTRIBUTES) {
        return 0;
    }
    WCHAR *copy = take_memory(2 * ROOM * sizeof(WCHAR)), *result = copy ? copy + ROOM : NULL;
    if (!copy) {
        return (DWORD)fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    lstrcpyW(copy, path);
    DWORD at = components_at(path), length = at, done = 1;
    memcpy(result, path, at * sizeof(WCHAR));
    while (path[at] && done && length < ROOM - 1) {
        if (is_slash(path[at])) {
            result[length++] = path[at++];
            continue;
        }
        DWORD end = at;
        while (path[end] && !is_slash(path[end])) {
            end++;
        }
        done = put_stored_name(copy, at, end, result + length, ROOM - length);
        length += done;
        at = end;
    }
    DWORD given = done ? give_wide(result, length, buffer, size) : 0;
    release_memory(copy);
    return given;
}

DWORD WINAPI GetShortPathNameW(const WCHAR *path, WCHAR *buffer, DWORD size)
{
    return GetLongPathNameW(path, buffer, size); /* there are no short names: the long one serves */
}

DWORD WINAPI GetLongPathNameA(const char *path, char *buffer, DWORD size)
{
    WCHAR found[MAX_PATH];
    DWORD length = WITH_WIDE(path, (DWORD)0, GetLongPathNameW(wide, found, COUNT_OF(found)));
    return length && length < COUNT_OF(found) ? give_ansi(found, length, buffer, size) : length;
}

DWORD WINAPI GetShortPathNameA(const char *path, char *buffer, DWORD size)
{
    return GetLongPathNameA(path, buffer, size);
}
