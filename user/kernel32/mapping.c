/*
 * user/kernel32/mapping.c: file mappings: Win32's sections and views.
 *
 * A protection decides the rights of the handle, FILE_MAP_ rights decide the protection of the
 * view; everything else is the kernel's.
 */
#include "user/kernel32/kernel32.h"

#define SECTION_FLAGS                                                                              \
    (SEC_FILE | SEC_IMAGE | SEC_RESERVE | SEC_COMMIT | SEC_NOCACHE | SEC_LARGE_PAGES)
#ifndef FILE_MAP_EXECUTE
#define FILE_MAP_EXECUTE 0x20u
#endif

/* The rights of a handle made with this protection; 0 when there is no such protection. */
static ACCESS_MASK section_access(DWORD protection)
{
    const ACCESS_MASK base = STANDARD_RIGHTS_REQUIRED | SECTION_QUERY | SECTION_MAP_READ;
    switch (protection) {
    case PAGE_READONLY:
    case PAGE_WRITECOPY:
        return base;
    case PAGE_READWRITE:
        return base | SECTION_MAP_WRITE;
    case PAGE_EXECUTE_READ:
    case PAGE_EXECUTE_WRITECOPY:
        return base | SECTION_MAP_EXECUTE;
    case PAGE_EXECUTE_READWRITE:
        return base | SECTION_MAP_WRITE | SECTION_MAP_EXECUTE;
    default:
        return 0;
    }
}

HANDLE WINAPI CreateFileMappingW(HANDLE file, SECURITY_ATTRIBUTES *security, DWORD protection,
                                 DWORD size_high, DWORD size_low, const WCHAR *name)
{
    DWORD flags = protection & SECTION_FLAGS;
    ACCESS_MASK access = section_access(protection & ~(DWORD)SECTION_FLAGS);
    LARGE_INTEGER size = {.u = {.LowPart = size_low, .HighPart = (LONG)size_high}};
    struct object_name object;
    HANDLE section = NULL;
    if (!access || (file == INVALID_HANDLE_VALUE && !size.QuadPart)) {
        fail(ERROR_INVALID_PARAMETER);
        return NULL;
    }
    if (!object_name_create(&object, security, name, SECTION_NAME)) {
        return NULL;
    }
    NTSTATUS status =
        NtCreateSection(&section, access, &object.attributes, size.QuadPart ? &size : NULL,
                        protection & ~(DWORD)SECTION_FLAGS, flags ? flags : SEC_COMMIT,
                        file == INVALID_HANDLE_VALUE ? NULL : file);
    object_name_done(&object);
    return created(status, section);
}

HANDLE WINAPI CreateFileMappingA(HANDLE file, SECURITY_ATTRIBUTES *security, DWORD protection,
                                 DWORD size_high, DWORD size_low, const char *name)
{
    WCHAR wide[MAX_PATH];
    if (name && !object_name_wide(name, wide)) {
        return NULL;
    }
    return CreateFileMappingW(file, security, protection, size_high, size_low, name ? wide : NULL);
}

HANDLE WINAPI OpenFileMappingW(DWORD access, BOOL inherit, const WCHAR *name)
{
    struct object_name object;
    HANDLE section = NULL;
    if (!object_name_open(&object, inherit, name, SECTION_NAME)) {
        return NULL;
    }
    if (access == FILE_MAP_COPY) {
        access = SECTION_MAP_READ;
    } else if (access & FILE_MAP_EXECUTE) {
        access = (access & ~(DWORD)FILE_MAP_EXECUTE) | SECTION_MAP_EXECUTE;
    }
    NTSTATUS status = NtOpenSection(&section, access, &object.attributes);
    object_name_done(&object);
    return finish(status) ? section : NULL;
}

HANDLE WINAPI OpenFileMappingA(DWORD access, BOOL inherit, const char *name)
{
    WCHAR wide[MAX_PATH];
    if (name && !object_name_wide(name, wide)) {
        return NULL;
    }
    return OpenFileMappingW(access, inherit, name ? wide : NULL);
}

/* The protection of a view that is asked for with FILE_MAP_ rights. */
static ULONG view_protection(DWORD access)
{
    BOOL execute = (access & FILE_MAP_EXECUTE) != 0;
    access &= ~(DWORD)FILE_MAP_EXECUTE;
    if (access == FILE_MAP_COPY) {
        return execute ? PAGE_EXECUTE_WRITECOPY : PAGE_WRITECOPY;
    }
    if (access & FILE_MAP_WRITE) {
        return execute ? PAGE_EXECUTE_READWRITE : PAGE_READWRITE;
    }
    if (access & FILE_MAP_READ) {
        return execute ? PAGE_EXECUTE_READ : PAGE_READONLY;
    }
    return PAGE_NOACCESS;
}

void *WINAPI MapViewOfFileEx(HANDLE section, DWORD access, DWORD offset_high, DWORD offset_low,
                             SIZE_T size, void *base)
{
    LARGE_INTEGER offset = {.u = {.LowPart = offset_low, .HighPart = (LONG)offset_high}};
    NTSTATUS status = NtMapViewOfSection(section, NtCurrentProcess(), &base, 0, 0, &offset, &size,
                                         1 /* ViewShare */, 0, view_protection(access));
    return finish(status) ? base : NULL;
}

void *WINAPI MapViewOfFile(HANDLE section, DWORD access, DWORD offset_high, DWORD offset_low,
                           SIZE_T size)
{
    return MapViewOfFileEx(section, access, offset_high, offset_low, size, NULL);
}

BOOL WINAPI UnmapViewOfFile(const void *base)
{
    return finish(NtUnmapViewOfSection(NtCurrentProcess(), (void *)base));
}

BOOL WINAPI UnmapViewOfFileEx(void *base, ULONG flags)
{
    return flags ? fail(ERROR_INVALID_PARAMETER) : UnmapViewOfFile(base);
}

BOOL WINAPI FlushViewOfFile(const void *base, SIZE_T size)
{
    IO_STATUS_BLOCK io;
    void *start = (void *)base;
    NTSTATUS status = NtFlushVirtualMemory(NtCurrentProcess(), &start, &size, &io);
    /* Memory that is there but shows no file has nothing to flush, which is no failure. */
    return status == STATUS_NOT_MAPPED_DATA || finish(status);
}
