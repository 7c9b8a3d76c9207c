/*
 * user/kernel32/module.c: modules: Win32's names for the loader in ntdll.
 */
#include "user/kernel32/kernel32.h"

#define AS_DATA                                                                                    \
    (LOAD_LIBRARY_AS_DATAFILE | LOAD_LIBRARY_AS_IMAGE_RESOURCE | LOAD_LIBRARY_AS_DATAFILE_EXCLUSIVE)

/*
 * The name as the loader wants it: `.dll` added to a name without extension, a dot at its end cut.
 * => the buffer in the heap, the caller's to release
 */
static BOOL module_name(const WCHAR *name, UNICODE_STRING *string)
{
    size_t length = wide_length(name), base = 0;
    BOOL dot = FALSE;
    for (size_t i = 0; i < length; i++) {
        if (name[i] == '\\' || name[i] == '/') {
            base = i + 1;
            dot = FALSE;
        }
        dot |= name[i] == '.' && i >= base;
    }
    WCHAR *text = take_memory((length + 5) * sizeof(WCHAR));
    if (!text) {
        return fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    memcpy(text, name, (length + 1) * sizeof(WCHAR));
    if (!dot) {
        memcpy(text + length, L".dll", 5 * sizeof(WCHAR));
    } else if (name[length - 1] == '.') {
        text[length - 1] = 0;
    }
    wide_string(string, text);
    return TRUE;
}

HMODULE WINAPI LoadLibraryExW(const WCHAR *name, HANDLE file, DWORD flags)
{
    UNICODE_STRING string;
    HMODULE module = NULL;
    if (!name || file || !*name) {
        fail(!name || file ? ERROR_INVALID_PARAMETER : ERROR_MOD_NOT_FOUND);
        return NULL;
    }
    if (flags & AS_DATA) {
        fail(ERROR_NOT_SUPPORTED);
        return NULL;
    }
    if (!module_name(name, &string)) {
        return NULL;
    }
    NTSTATUS status = LdrLoadDll(NULL, NULL, &string, &module);
    release_memory(string.Buffer);
    return finish(status) ? module : NULL;
}

HMODULE WINAPI LoadLibraryExA(const char *name, HANDLE file, DWORD flags)
{
    WCHAR *wide = wide_from_ansi(name);
    HMODULE module = wide ? LoadLibraryExW(wide, file, flags) : NULL;
    release_memory(wide);
    return module;
}

HMODULE WINAPI LoadLibraryW(const WCHAR *name)
{
    return LoadLibraryExW(name, NULL, 0);
}

HMODULE WINAPI LoadLibraryA(const char *name)
{
    return LoadLibraryExA(name, NULL, 0);
}

BOOL WINAPI FreeLibrary(HMODULE module)
{
    return module ? finish(LdrUnloadDll(module)) : fail(ERROR_INVALID_HANDLE);
}

BOOL WINAPI DisableThreadLibraryCalls(HMODULE module)
{
    return finish(LdrDisableThreadCalloutsForDll(module));
}

HMODULE WINAPI GetModuleHandleW(const WCHAR *name)
{
    UNICODE_STRING string;
    HMODULE module = NULL;
    if (!name) {
        return this_peb()->image_base;
    }
    wide_string(&string, name);
    if (!NT_SUCCESS(LdrGetDllHandle(NULL, NULL, &string, &module))) {
        fail(ERROR_MOD_NOT_FOUND);
        return NULL;
    }
    return module;
}

HMODULE WINAPI GetModuleHandleA(const char *name)
{
    if (!name) {
        return this_peb()->image_base;
    }
    WCHAR *wide = wide_from_ansi(name);
    HMODULE module = wide ? GetModuleHandleW(wide) : NULL;
    release_memory(wide);
    return module;
}

BOOL WINAPI GetModuleHandleExW(DWORD flags, const WCHAR *name, HMODULE *module)
{
    if (!module) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    *module = NULL;
    HMODULE found;
    if (name && (flags & GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS)) {
        struct ldr_entry *entry;
        NTSTATUS status = LdrFindEntryForAddress((void *)name, &entry);
        if (!NT_SUCCESS(status)) {
            return fail(ERROR_MOD_NOT_FOUND);
        }
        found = entry->base;
    } else {
        found = GetModuleHandleW(name);
    }
    if (!found) {
        return FALSE;
    }
    if (!(flags & GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT)) {
        NTSTATUS status = LdrAddRefDll((flags & GET_MODULE_HANDLE_EX_FLAG_PIN) != 0, found);
        if (!NT_SUCCESS(status)) {
            return finish(status);
        }
    }
    *module = found;
    return TRUE;
}

BOOL WINAPI GetModuleHandleExA(DWORD flags, const char *name, HMODULE *module)
{
    if (!name || (flags & GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS)) {
        return GetModuleHandleExW(flags, (const WCHAR *)name, module);
    }
    WCHAR *wide = wide_from_ansi(name);
    BOOL found = wide && GetModuleHandleExW(flags, wide, module);
    release_memory(wide);
    return found;
}

FARPROC WINAPI GetProcAddress(HMODULE module, const char *name)
{
    STRING string;
    void *address = NULL;
    ULONG ordinal = (ULONG)(uintptr_t)name;
    BOOL by_name = ordinal > 0xFFFF;
    if (by_name) {
        string.Buffer = (char *)name;
        string.Length = (USHORT)narrow_length(name);
        string.MaximumLength = (USHORT)(string.Length + 1);
    }
    NTSTATUS status =
        LdrGetProcedureAddress(module ? module : this_peb()->image_base, by_name ? &string : NULL,
                               by_name ? 0 : ordinal, &address);
    return finish(status) ? (FARPROC)address : NULL;
}

/* The full name of a module, with the loader lock held. */
static const UNICODE_STRING *full_name(HMODULE module)
{
    struct ldr_entry *entry;
    if (!module) {
        module = this_peb()->image_base;
    }
    NTSTATUS status = LdrFindEntryForAddress(module, &entry);
    if (!NT_SUCCESS(status) || entry->base != module) {
        fail(ERROR_MOD_NOT_FOUND);
        return NULL;
    }
    return &entry->full_name;
}

DWORD WINAPI GetModuleFileNameW(HMODULE module, WCHAR *buffer, DWORD size)
{
    ULONG_PTR cookie;
    DWORD result = 0;
    LdrLockLoaderLock(0, NULL, &cookie);
    const UNICODE_STRING *name = full_name(module);
    if (name) {
        DWORD length = name->Length / sizeof(WCHAR);
        result = length < size ? length : size;
        memcpy(buffer, name->Buffer, result * sizeof(WCHAR));
        if (length < size) {
            buffer[length] = 0;
        } else if (size) {
            buffer[size - 1] = 0;
        }
        SetLastError(length < size ? NO_ERROR : ERROR_INSUFFICIENT_BUFFER);
    }
    LdrUnlockLoaderLock(0, cookie);
    return result;
}

DWORD WINAPI GetModuleFileNameA(HMODULE module, char *buffer, DWORD size)
{
    WCHAR wide[MAX_PATH + 1];
    DWORD length = GetModuleFileNameW(module, wide, COUNT_OF(wide));
    if (!length || !size) {
        return 0;
    }
    DWORD given = give_ansi(wide, length, buffer, size);
    if (given != length) {
        give_ansi(wide, size - 1, buffer, size);
        SetLastError(ERROR_INSUFFICIENT_BUFFER);
        return size;
    }
    SetLastError(NO_ERROR);
    return length;
}

/* Resources: no function of ours finds one; programs get an error that says so. */
HRSRC WINAPI FindResourceW(HMODULE module, const WCHAR *name, const WCHAR *type)
{
    (void)module;
    (void)name;
    (void)type;
    fail(ERROR_RESOURCE_TYPE_NOT_FOUND);
    return NULL;
}

HRSRC WINAPI FindResourceA(HMODULE module, const char *name, const char *type)
{
    (void)name;
    (void)type;
    return FindResourceW(module, NULL, NULL);
}
