/*
 * user/ntdll/path.c: Win32 paths: full names, the current directory, and the NT paths of them.
 *
 * A full name has a drive or \\server\share, backslashes only, no "." or "..", and no dots or
 * spaces at its end. The current directory is in the process parameters, with a closing
 * backslash, under the PEB lock; a handle keeps it open.
 */
#include "user/ntdll/loader.h"

#define MAX_FULL 4096u /* characters of a full name, at most */

static bool is_separator(WCHAR c)
{
    return c == L'\\' || c == L'/';
}

ULONG NTAPI RtlDetermineDosPathNameType_U(const WCHAR *path)
{
    if (is_separator(path[0])) {
        if (!is_separator(path[1])) {
            return RTL_PATH_ROOTED;
        }
        if (path[2] != L'.' && path[2] != L'?') {
            return RTL_PATH_UNC;
        }
        if (is_separator(path[3])) {
            return RTL_PATH_LOCAL_DEVICE;
        }
        return path[3] ? RTL_PATH_UNC : RTL_PATH_ROOT_LOCAL_DEVICE;
    }
    if (!path[0] || path[1] != L':') {
        return RTL_PATH_RELATIVE;
    }
    return is_separator(path[2]) ? RTL_PATH_DRIVE_ABSOLUTE : RTL_PATH_DRIVE_RELATIVE;
}

/* The device that TEXT names: how many characters of it, 0: none. An extension does not count. */
static size_t device_length(const WCHAR *text, size_t length)
{
    static const WCHAR *const names[] = {L"CONIN$", L"CONOUT$", L"NUL", L"CON", L"PRN", L"AUX"};
    size_t n = 0;

    while (n < length && text[n] != L'.' && text[n] != L':') {
        n++;
    }
    while (n > 0 && text[n - 1] == L' ') {
        n--;
    }
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (n == wcslen(names[i]) && _wcsnicmp(text, names[i], n) == 0) {
            return n;
        }
    }
    bool has_number = n == 4 && text[3] >= L'1' && text[3] <= L'9';
    return has_number && (!_wcsnicmp(text, L"COM", 3) || !_wcsnicmp(text, L"LPT", 3)) ? n : 0;
}

/*
 * Device names mean the device wherever they stand: CON, NUL, COM1 and the like, also with an
 * extension or a colon.
 * => bytes of the name, and in the low half where it begins; 0: it is none
 */
ULONG NTAPI RtlIsDosDeviceName_U(const WCHAR *path)
{
    ULONG type = RtlDetermineDosPathNameType_U(path);
    size_t end = wcslen(path);
    size_t start = end;

    if (type == RTL_PATH_UNC || type == RTL_PATH_LOCAL_DEVICE ||
        type == RTL_PATH_ROOT_LOCAL_DEVICE || end == 0) {
        return 0;
    }
    end -= path[end - 1] == L':'; /* "NUL:" */
    start = end;
    while (start > 0 && !is_separator(path[start - 1]) && path[start - 1] != L':') {
        start--;
    }
    size_t length = device_length(path + start, end - start);
    return length ? (ULONG)(length * sizeof(WCHAR)) << 16 | (ULONG)(start * sizeof(WCHAR)) : 0;
}

/*
 * Full names
 */

struct builder {
    WCHAR *text;
    size_t length;
    size_t root; /* what ".." cannot remove: "C:\" or "\\server\share\" */
    bool overflow;
};

static void put(struct builder *builder, WCHAR c)
{
    if (builder->length < MAX_FULL - 1) {
        builder->text[builder->length++] = c;
    } else {
        builder->overflow = true;
    }
}

static void put_text(struct builder *builder, const WCHAR *text, size_t length)
{
    if (length < MAX_FULL - builder->length) {
        memcpy(builder->text + builder->length, text, length * sizeof(WCHAR));
        builder->length += length;
    } else {
        builder->overflow = true;
    }
}

static void put_parent(struct builder *builder)
{
    if (builder->length <= builder->root) {
        return;
    }
    builder->length--; /* the closing separator */
    while (builder->length > builder->root && builder->text[builder->length - 1] != L'\\') {
        builder->length--;
    }
}

/* Appends the components of PATH, each with a closing backslash, and takes "." and ".." away. */
static void put_components(struct builder *builder, const WCHAR *path, size_t length, bool *slash)
{
    size_t at = 0;

    *slash = true;
    while (at < length) {
        while (at < length && is_separator(path[at])) {
            at++;
        }
        size_t start = at;
        while (at < length && !is_separator(path[at])) {
            at++;
        }
        size_t end = at;
        if (end == start) {
            break;
        }
        *slash = at < length;
        if (end - start == 1 && path[start] == L'.') {
            continue;
        }
        if (end - start == 2 && path[start] == L'.' && path[start + 1] == L'.') {
            put_parent(builder);
            continue;
        }
        if (at < length && end - start > 1 && path[end - 1] == L'.' && path[end - 2] != L'.') {
            end--;
        }
        put_text(builder, path + start, end - start);
        put(builder, L'\\');
    }
}

static void put_server_root(struct builder *builder, const WCHAR **path)
{
    const WCHAR *at = *path + 2;

    put(builder, L'\\');
    put(builder, L'\\');
    for (unsigned part = 0; part < 2; part++) {
        while (is_separator(*at)) {
            at++;
        }
        while (*at && !is_separator(*at)) {
            put(builder, *at++);
        }
        if (*at || part == 0) {
            put(builder, L'\\');
        }
    }
    *path = at;
}

static void put_current_directory(struct builder *builder, bool root_only)
{
    const UNICODE_STRING *current = &this_peb()->parameters->current_directory;
    bool slash;

    RtlAcquirePebLock();
    size_t length = current->Length / sizeof(WCHAR);
    if (length < 3) {
        put(builder, L'C');
        put(builder, L':');
        put(builder, L'\\');
        builder->root = 3;
    } else {
        size_t root = 3;
        if (is_separator(current->Buffer[0])) {
            for (root = 2; root < length && !is_separator(current->Buffer[root]); root++) {
            }
            for (root++; root < length && !is_separator(current->Buffer[root]); root++) {
            }
            root = root < length ? root + 1 : length;
        }
        put_text(builder, current->Buffer, root);
        builder->root = root;
        if (!root_only) {
            put_components(builder, current->Buffer + root, length - root, &slash);
        }
    }
    RtlReleasePebLock();
}

/* Begins the full name of PATH; => where in PATH its components begin. */
static const WCHAR *put_root(struct builder *builder, const WCHAR *path)
{
    const UNICODE_STRING *current = &this_peb()->parameters->current_directory;

    switch (RtlDetermineDosPathNameType_U(path)) {
    case RTL_PATH_UNC:
        put_server_root(builder, &path);
        builder->root = builder->length;
        return path;
    case RTL_PATH_LOCAL_DEVICE:
    case RTL_PATH_ROOT_LOCAL_DEVICE:
        put(builder, L'\\');
        put(builder, L'\\');
        put(builder, path[2]);
        put(builder, L'\\');
        builder->root = 4;
        return path[3] ? path + 4 : path + 3;
    case RTL_PATH_DRIVE_RELATIVE:
        if (current->Length >= 2 && current->Buffer[1] == L':' &&
            RtlUpcaseUnicodeChar(current->Buffer[0]) == RtlUpcaseUnicodeChar(path[0])) {
            put_current_directory(builder, false);
            return path + 2;
        }
        /* fall through: another drive has no current directory but its root */
        __attribute__((fallthrough));
    case RTL_PATH_DRIVE_ABSOLUTE:
        put(builder, path[0]);
        put(builder, L':');
        put(builder, L'\\');
        builder->root = 3;
        return path + 2;
    case RTL_PATH_ROOTED:
        put_current_directory(builder, true);
        return path;
    default:
        put_current_directory(builder, false);
        return path;
    }
}

/* Writes the full name to TEXT (MAX_FULL characters); => its length in characters, 0: too long. */
static size_t make_full_name(const WCHAR *path, WCHAR *text)
{
    struct builder builder = {.text = text};
    ULONG device = RtlIsDosDeviceName_U(path);
    bool slash;

    if (device) {
        const WCHAR *name = path + (device & 0xFFFF) / sizeof(WCHAR);
        memcpy(text, L"\\\\.\\", 4 * sizeof(WCHAR));
        memcpy(text + 4, name, device >> 16);
        size_t length = 4 + (device >> 16) / sizeof(WCHAR);
        text[length] = 0;
        return length;
    }
    const WCHAR *rest = put_root(&builder, path);
    put_components(&builder, rest, wcslen(rest), &slash);
    if (!slash && builder.length > builder.root) {
        builder.length--;
        while (builder.length > builder.root &&
               (text[builder.length - 1] == L'.' || text[builder.length - 1] == L' ')) {
            builder.length--;
        }
    }
    text[builder.length] = 0;
    return builder.overflow ? 0 : builder.length;
}

ULONG NTAPI RtlGetFullPathName_U(const WCHAR *name, ULONG size, WCHAR *buffer, WCHAR **file_part)
{
    if (file_part) {
        *file_part = NULL;
    }
    if (!name || !*name) {
        return 0;
    }
    WCHAR *text = heap_take_raw(MAX_FULL * sizeof(WCHAR));
    size_t length = text ? make_full_name(name, text) : 0;
    ULONG result = (ULONG)(length * sizeof(WCHAR));
    if (length && result + sizeof(WCHAR) > size) {
        result += sizeof(WCHAR);
    } else if (length) {
        memcpy(buffer, text, result + sizeof(WCHAR));
        if (file_part && buffer[length - 1] != L'\\') {
            *file_part = wcsrchr(buffer, L'\\') ? wcsrchr(buffer, L'\\') + 1 : NULL;
        }
    }
    heap_give(text);
    return result;
}

/*
 * NT paths
 */

/* \\?\x and \\.\x are \??\x, \\server\share is \??\UNC\server\share, C:\x is \??\C:\x. */
static NTSTATUS make_nt_path(const WCHAR *path, WCHAR *text, size_t *result)
{
    static const WCHAR prefix[] = L"\\??\\";
    bool is_literal = path[0] == L'\\' && path[1] == L'\\' && path[2] == L'?' && path[3] == L'\\';
    size_t length;

    memcpy(text, prefix, sizeof(prefix));
    if (is_literal) {
        length = wcslen(path + 4);
        if (length + 5 > MAX_FULL) {
            return STATUS_NAME_TOO_LONG;
        }
        memcpy(text + 4, path + 4, (length + 1) * sizeof(WCHAR));
        *result = length + 4;
        return STATUS_SUCCESS;
    }
    WCHAR *full = text + 8; /* room for "\??\UNC\" less one of the two backslashes */
    length = make_full_name(path, full);
    if (length == 0) {
        return STATUS_NAME_TOO_LONG;
    }
    const WCHAR *from = full;
    size_t at = 4;
    if (full[0] == L'\\' && full[1] == L'\\') {
        bool is_device = (full[2] == L'.' || full[2] == L'?') && full[3] == L'\\';
        if (!is_device) {
            memcpy(text + 4, L"UNC\\", 4 * sizeof(WCHAR));
            at = 8;
        }
        from = full + (is_device ? 4 : 2);
        length -= is_device ? 4 : 2;
    }
    memmove(text + at, from, (length + 1) * sizeof(WCHAR));
    *result = at + length;
    return STATUS_SUCCESS;
}

/*
 * NT_PATH receives a buffer of the process heap (RtlFreeUnicodeString). FILE_PART may be NULL.
 * DIRECTORY (RTL_RELATIVE_NAME), when given, says that there is no directory handle.
 */
NTSTATUS NTAPI RtlDosPathNameToNtPathName_U_WithStatus(const WCHAR *path, UNICODE_STRING *nt_path,
                                                       const WCHAR **file_part, void *directory)
{
    size_t length;

    if (file_part) {
        *file_part = NULL;
    }
    if (directory) {
        memset(directory, 0, sizeof(UNICODE_STRING) + 2 * sizeof(void *));
    }
    if (!path || !*path) {
        return STATUS_OBJECT_NAME_INVALID;
    }
    WCHAR *text = heap_take_raw((MAX_FULL + 8) * sizeof(WCHAR));
    if (!text) {
        return STATUS_NO_MEMORY;
    }
    NTSTATUS status = make_nt_path(path, text, &length);
    if (!NT_SUCCESS(status)) {
        heap_give(text);
        return status;
    }
    nt_path->Length = (USHORT)(length * sizeof(WCHAR));
    nt_path->MaximumLength = (USHORT)(nt_path->Length + sizeof(WCHAR));
    nt_path->Buffer = RtlReAllocateHeap(this_peb()->process_heap, HEAP_REALLOC_IN_PLACE_ONLY, text,
                                        nt_path->MaximumLength);
    if (!nt_path->Buffer) {
        nt_path->Buffer = text;
    }
    if (file_part && length && nt_path->Buffer[length - 1] != L'\\') {
        *file_part = wcsrchr(nt_path->Buffer, L'\\') + 1;
    }
    return STATUS_SUCCESS;
}

BOOL NTAPI RtlDosPathNameToNtPathName_U(PCWSTR path, PUNICODE_STRING nt_path, PCWSTR *file_part,
                                        VOID *directory)
{
    return NT_SUCCESS(RtlDosPathNameToNtPathName_U_WithStatus(path, nt_path, file_part, directory));
}

/*
 * The current directory
 */

/* Without the closing backslash, but for a root. => bytes, as RtlGetFullPathName_U. */
ULONG NTAPI RtlGetCurrentDirectory_U(ULONG size, WCHAR *buffer)
{
    const UNICODE_STRING *current = &this_peb()->parameters->current_directory;

    RtlAcquirePebLock();
    size_t length = current->Length / sizeof(WCHAR);
    if (length > 3 && current->Buffer[length - 1] == L'\\') {
        length--;
    }
    ULONG nbytes = (ULONG)(length * sizeof(WCHAR));
    if (nbytes + sizeof(WCHAR) > size) {
        nbytes += sizeof(WCHAR);
    } else {
        memcpy(buffer, current->Buffer, nbytes);
        buffer[length] = 0;
    }
    RtlReleasePebLock();
    return nbytes;
}

static NTSTATUS open_directory(const WCHAR *path, HANDLE *handle)
{
    UNICODE_STRING nt_path;
    OBJECT_ATTRIBUTES attributes = {
        .Length = sizeof(attributes),
        .ObjectName = &nt_path,
        .Attributes = OBJ_CASE_INSENSITIVE | OBJ_INHERIT,
    };
    IO_STATUS_BLOCK io;
    NTSTATUS status = RtlDosPathNameToNtPathName_U_WithStatus(path, &nt_path, NULL, NULL);

    if (NT_SUCCESS(status)) {
        status = NtOpenFile(handle, SYNCHRONIZE | FILE_TRAVERSE, &attributes, &io,
                            FILE_SHARE_READ | FILE_SHARE_WRITE, /* it is not to be removed */
                            FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT);
        RtlFreeUnicodeString(&nt_path);
    }
    return status;
}

NTSTATUS NTAPI RtlSetCurrentDirectory_U(UNICODE_STRING *path)
{
    struct process_parameters *parameters = this_peb()->parameters;
    static WCHAR *own_buffer; /* ours, once it is no longer the one the kernel made */
    HANDLE handle;
    WCHAR *given = heap_take((size_t)path->Length + sizeof(WCHAR));
    WCHAR *full = heap_take_raw((MAX_FULL + 1) * sizeof(WCHAR));
    NTSTATUS status = given && full ? STATUS_SUCCESS : STATUS_NO_MEMORY;
    size_t length = 0;

    if (NT_SUCCESS(status)) {
        memcpy(given, path->Buffer, path->Length);
        length = make_full_name(given, full);
        status = length ? open_directory(full, &handle) : STATUS_OBJECT_NAME_INVALID;
    }
    heap_give(given);
    if (!NT_SUCCESS(status)) {
        heap_give(full);
        return status;
    }
    if (full[length - 1] != L'\\') {
        full[length++] = L'\\';
        full[length] = 0;
    }
    RtlAcquirePebLock();
    HANDLE old_handle = parameters->current_directory_handle;
    WCHAR *old_buffer = own_buffer;
    own_buffer = full;
    parameters->current_directory.Buffer = full;
    parameters->current_directory.Length = (USHORT)(length * sizeof(WCHAR));
    parameters->current_directory.MaximumLength = (USHORT)((length + 1) * sizeof(WCHAR));
    parameters->current_directory_handle = handle;
    RtlReleasePebLock();
    if (old_handle) {
        NtClose(old_handle);
    }
    heap_give(old_buffer);
    return STATUS_SUCCESS;
}

/*
 * Searching
 */

BOOLEAN NTAPI RtlDoesFileExists_U(const WCHAR *path)
{
    UNICODE_STRING nt_path;
    FILE_BASIC_INFORMATION info;
    OBJECT_ATTRIBUTES attributes = {
        .Length = sizeof(attributes),
        .ObjectName = &nt_path,
        .Attributes = OBJ_CASE_INSENSITIVE,
    };
    NTSTATUS status = RtlDosPathNameToNtPathName_U_WithStatus(path, &nt_path, NULL, NULL);

    if (NT_SUCCESS(status)) {
        status = NtQueryAttributesFile(&attributes, &info);
        RtlFreeUnicodeString(&nt_path);
    }
    return NT_SUCCESS(status) || status == STATUS_SHARING_VIOLATION;
}

/* Joins directory, name and (when the name has none) extension; => false when it is too long. */
static bool join(WCHAR *to, const WCHAR *directory, size_t length, const WCHAR *name,
                 const WCHAR *extension)
{
    const WCHAR *last = wcsrchr(name, L'\\') ? wcsrchr(name, L'\\') : name;
    bool has_extension = wcschr(last, L'.') != NULL;

    if (has_extension || !extension) {
        extension = L"";
    }
    if (length + wcslen(name) + wcslen(extension) + 2 > MAX_FULL) {
        return false;
    }
    memcpy(to, directory, length * sizeof(WCHAR));
    if (length && !is_separator(to[length - 1])) {
        to[length++] = L'\\';
    }
    wcscpy(to + length, name);
    wcscat(to, extension);
    return true;
}

/* NAME in the directories of PATH (semicolons between). => as RtlGetFullPathName_U, 0: not there */
ULONG NTAPI RtlDosSearchPath_U(const WCHAR *path, const WCHAR *name, const WCHAR *extension,
                               ULONG size, WCHAR *buffer, WCHAR **file_part)
{
    bool is_relative = RtlDetermineDosPathNameType_U(name) == RTL_PATH_RELATIVE;
    WCHAR *text = heap_take_raw(MAX_FULL * sizeof(WCHAR));
    ULONG result = 0;

    if (!text) {
        return 0;
    }
    if (!is_relative) {
        path = L"";
    }
    do {
        size_t length = wcslen(path);
        const WCHAR *end = wcschr(path, L';');
        length = end ? (size_t)(end - path) : length;
        if ((length || !is_relative) && join(text, path, length, name, extension) &&
            RtlDoesFileExists_U(text)) {
            result = RtlGetFullPathName_U(text, size, buffer, file_part);
            break;
        }
        path += end ? length + 1 : length;
    } while (*path);
    heap_give(text);
    return result;
}
