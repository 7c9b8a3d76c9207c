/*
 * user/ntdll/search.c: where a DLL's file is, and mapping it.
 *
 * A name without a directory is looked for in the program's own directory, the system directory,
 * the current directory and PATH, in that order. The DLLs that are part of the system come from
 * the system directory only: by way of the sections that the kernel keeps of them, or its files.
 */
#include "user/ntdll/loader.h"

#define FILE_ACCESS (FILE_READ_DATA | FILE_EXECUTE | SYNCHRONIZE)

static const WCHAR *const system_dlls[] = {L"kernel32.dll", L"msvcrt.dll", L"ntdll.dll",
                                           L"advapi32.dll", L"psapi.dll"};

static bool is_system_dll(const UNICODE_STRING *name)
{
    for (unsigned i = 0; i < sizeof(system_dlls) / sizeof(system_dlls[0]); i++) {
        size_t length = wcslen(system_dlls[i]);
        if (name->Length == length * sizeof(WCHAR) &&
            _wcsnicmp(name->Buffer, system_dlls[i], length) == 0) {
            return true;
        }
    }
    return false;
}

/* PATH's buffer holds "\??\" and room for MAX_PATH_CHARACTERS after it, where PATH begins. */
static NTSTATUS open_file(const UNICODE_STRING *path, HANDLE *file)
{
    UNICODE_STRING nt_name = {
        .Length = (USHORT)(path->Length + 4 * sizeof(WCHAR)),
        .MaximumLength = (USHORT)(path->Length + 4 * sizeof(WCHAR)),
        .Buffer = path->Buffer - 4,
    };
    OBJECT_ATTRIBUTES attributes = {
        .Length = sizeof(attributes),
        .ObjectName = &nt_name,
        .Attributes = OBJ_CASE_INSENSITIVE,
    };
    IO_STATUS_BLOCK io;

    memcpy(nt_name.Buffer, L"\\??\\", 4 * sizeof(WCHAR));
    return NtOpenFile(file, FILE_ACCESS, &attributes, &io, FILE_SHARE_READ | FILE_SHARE_DELETE,
                      FILE_NON_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT);
}

/* Makes PATH directory + "\" + name and opens it. */
static NTSTATUS try_directory(const WCHAR *directory, size_t length, const UNICODE_STRING *name,
                              UNICODE_STRING *path, HANDLE *file)
{
    size_t name_length = name->Length / sizeof(WCHAR);

    if (length == 0 || length + name_length + 2 > MAX_PATH_CHARACTERS) {
        return STATUS_DLL_NOT_FOUND;
    }
    memcpy(path->Buffer, directory, length * sizeof(WCHAR));
    if (path->Buffer[length - 1] != L'\\' && path->Buffer[length - 1] != L'/') {
        path->Buffer[length++] = L'\\';
    }
    memcpy(path->Buffer + length, name->Buffer, name->Length);
    length += name_length;
    path->Buffer[length] = 0;
    path->Length = (USHORT)(length * sizeof(WCHAR));
    return open_file(path, file);
}

/* Tries each directory of LIST, which semicolons separate. */
static NTSTATUS try_list(const WCHAR *list, size_t length, const UNICODE_STRING *name,
                         UNICODE_STRING *path, HANDLE *file)
{
    NTSTATUS status = STATUS_DLL_NOT_FOUND;
    size_t start = 0;

    while (start < length && !NT_SUCCESS(status)) {
        size_t end = start;
        while (end < length && list[end] != L';') {
            end++;
        }
        status = try_directory(list + start, end - start, name, path, file);
        start = end + 1;
    }
    return status;
}

static NTSTATUS try_environment(const UNICODE_STRING *name, UNICODE_STRING *path, HANDLE *file)
{
    NTSTATUS status = STATUS_DLL_NOT_FOUND;
    const WCHAR *at = this_peb()->parameters->environment;

    RtlAcquirePebLock();
    for (; at && *at; at += wcslen(at) + 1) {
        if (_wcsnicmp(at, L"PATH=", 5) == 0) {
            status = try_list(at + 5, wcslen(at + 5), name, path, file);
            break;
        }
    }
    RtlReleasePebLock();
    return status;
}

static NTSTATUS try_program_directory(const UNICODE_STRING *name, UNICODE_STRING *path,
                                      HANDLE *file)
{
    const UNICODE_STRING *image = &this_peb()->parameters->image_path;
    size_t length = image->Length / sizeof(WCHAR);

    while (length > 0 && image->Buffer[length - 1] != L'\\') {
        length--;
    }
    return try_directory(image->Buffer, length, name, path, file);
}

static NTSTATUS search(const WCHAR *search_path, const UNICODE_STRING *name, UNICODE_STRING *path,
                       HANDLE *file)
{
    static const size_t system_length = sizeof(SYSTEM_DIRECTORY) / sizeof(WCHAR) - 1;
    const UNICODE_STRING *current = &this_peb()->parameters->current_directory;

    if (is_system_dll(name)) {
        return try_directory(SYSTEM_DIRECTORY, system_length, name, path, file);
    }
    if (search_path && *search_path) {
        return try_list(search_path, wcslen(search_path), name, path, file);
    }
    NTSTATUS status = try_program_directory(name, path, file);
    if (!NT_SUCCESS(status)) {
        status = try_directory(SYSTEM_DIRECTORY, system_length, name, path, file);
    }
    if (!NT_SUCCESS(status)) {
        status = try_directory(current->Buffer, current->Length / sizeof(WCHAR), name, path, file);
    }
    if (!NT_SUCCESS(status)) {
        status = try_environment(name, path, file);
    }
    return status;
}

/* One of the system's DLLs, which the kernel keeps as sections with names. */
static NTSTATUS open_known(const UNICODE_STRING *name, UNICODE_STRING *path, HANDLE *section)
{
    WCHAR known[32] = L"\\KnownDlls\\";
    UNICODE_STRING known_name = {.Length = 11 * sizeof(WCHAR), sizeof(known), known};
    OBJECT_ATTRIBUTES attributes = {
        .Length = sizeof(attributes),
        .ObjectName = &known_name,
        .Attributes = OBJ_CASE_INSENSITIVE,
    };

    RtlAppendUnicodeStringToString(&known_name, name);
    NTSTATUS status = NtOpenSection(section, SECTION_MAP_READ | SECTION_MAP_EXECUTE, &attributes);
    if (NT_SUCCESS(status)) {
        RtlAppendUnicodeToString(path, SYSTEM_DIRECTORY);
        RtlAppendUnicodeStringToString(path, name);
    }
    return status;
}

static NTSTATUS find_file(const WCHAR *search_path, const UNICODE_STRING *name,
                          UNICODE_STRING *path, HANDLE *file)
{
    if (!wcschr(name->Buffer, L'\\') && !wcschr(name->Buffer, L'/') &&
        !wcschr(name->Buffer, L':')) {
        return search(search_path, name, path, file);
    }
    ULONG nbytes =
        RtlGetFullPathName_U(name->Buffer, MAX_PATH_CHARACTERS * sizeof(WCHAR), path->Buffer, NULL);
    if (nbytes == 0 || nbytes >= MAX_PATH_CHARACTERS * sizeof(WCHAR)) {
        return STATUS_DLL_NOT_FOUND;
    }
    path->Length = (USHORT)nbytes;
    return open_file(path, file);
}

/*
 * Makes a section of the DLL NAME. PATH is empty; its buffer has MAX_PATH_CHARACTERS characters,
 * and four more before its first; it receives the file's Win32 path.
 * => STATUS_DLL_NOT_FOUND, or NtCreateSection's
 */
NTSTATUS dll_open(const WCHAR *search_path, const UNICODE_STRING *name, UNICODE_STRING *path,
                  HANDLE *section)
{
    HANDLE file;

    if (is_system_dll(name) && NT_SUCCESS(open_known(name, path, section))) {
        return STATUS_SUCCESS;
    }
    if (!NT_SUCCESS(find_file(search_path, name, path, &file))) {
        return STATUS_DLL_NOT_FOUND;
    }
    NTSTATUS status = NtCreateSection(section, SECTION_MAP_READ | SECTION_MAP_EXECUTE, NULL, NULL,
                                      PAGE_EXECUTE, SEC_IMAGE, file);
    NtClose(file);
    return status;
}

/* Maps an image section, anywhere. */
NTSTATUS dll_map(HANDLE section, void **base)
{
    SIZE_T nbytes = 0;

    *base = NULL;
    return NtMapViewOfSection(section, THIS_PROCESS, base, 0, 0, NULL, &nbytes, 2 /* ViewUnmap */,
                              0, PAGE_EXECUTE);
}
