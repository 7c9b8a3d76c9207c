/*
 * user/kernel32/volume.c: drives and volumes: which there are, their kind, name, size, free space.
 */
#include "user/kernel32/kernel32.h"

/* Asks the volume of a path; NULL is the current one. */
static BOOL query_volume(const WCHAR *path, void *info, ULONG length, ULONG class)
{
    WCHAR root[MAX_PATH];
    HANDLE directory;
    IO_STATUS_BLOCK io;
    if (!path) {
        if (!GetCurrentDirectoryW(COUNT_OF(root), root)) {
            return FALSE;
        }
        path = root;
    }
    NTSTATUS status = open_directory(path, &directory);
    if (!NT_SUCCESS(status)) {
        return finish(status);
    }
    status =
        NtQueryVolumeInformationFile(directory, &io, info, length, (FS_INFORMATION_CLASS) class);
    NtClose(directory);
    return status == STATUS_BUFFER_OVERFLOW ? TRUE : finish(status);
}

BOOL WINAPI GetDiskFreeSpaceW(const WCHAR *root, DWORD *sectors, DWORD *bytes, DWORD *free,
                              DWORD *total)
{
    struct nt_fs_size_information info;
    if (!query_volume(root, &info, sizeof(info), NT_FS_SIZE_INFORMATION)) {
        return FALSE;
    }
    if (sectors) {
        *sectors = info.sectors_per_allocation_unit;
    }
    if (bytes) {
        *bytes = info.bytes_per_sector;
    }
    if (free) {
        *free = (DWORD)info.available_allocation_units;
    }
    if (total) {
        *total = (DWORD)info.total_allocation_units;
    }
    return TRUE;
}

BOOL WINAPI GetDiskFreeSpaceA(const char *root, DWORD *sectors, DWORD *bytes, DWORD *free,
                              DWORD *total)
{
    return root ? WITH_WIDE(root, FALSE, GetDiskFreeSpaceW(wide, sectors, bytes, free, total))
                : GetDiskFreeSpaceW(NULL, sectors, bytes, free, total);
}

BOOL WINAPI GetDiskFreeSpaceExW(const WCHAR *path, ULARGE_INTEGER *available, ULARGE_INTEGER *total,
                                ULARGE_INTEGER *free)
{
    struct nt_fs_size_information info;
    if (!query_volume(path, &info, sizeof(info), NT_FS_SIZE_INFORMATION)) {
        return FALSE;
    }
    ULONGLONG unit = (ULONGLONG)info.sectors_per_allocation_unit * info.bytes_per_sector;
    if (available) {
        available->QuadPart = (ULONGLONG)info.available_allocation_units * unit;
    }
    if (total) {
        total->QuadPart = (ULONGLONG)info.total_allocation_units * unit;
    }
    if (free) {
        free->QuadPart = (ULONGLONG)info.available_allocation_units * unit;
    }
    return TRUE;
}

BOOL WINAPI GetDiskFreeSpaceExA(const char *path, ULARGE_INTEGER *available, ULARGE_INTEGER *total,
                                ULARGE_INTEGER *free)
{
    return path ? WITH_WIDE(path, FALSE, GetDiskFreeSpaceExW(wide, available, total, free))
                : GetDiskFreeSpaceExW(NULL, available, total, free);
}

UINT WINAPI GetDriveTypeW(const WCHAR *root)
{
    struct nt_fs_device_information info;
    if (!query_volume(root, &info, sizeof(info), NT_FS_DEVICE_INFORMATION)) {
        return DRIVE_NO_ROOT_DIR;
    }
    return info.device_type == NT_DEVICE_DISK ? DRIVE_FIXED : DRIVE_UNKNOWN;
}

UINT WINAPI GetDriveTypeA(const char *root)
{
    return root ? WITH_WIDE(root, (UINT)DRIVE_UNKNOWN, GetDriveTypeW(wide)) : GetDriveTypeW(NULL);
}

DWORD WINAPI GetLogicalDrives(void)
{
    WCHAR root[] = L"A:\\";
    FILE_NETWORK_OPEN_INFORMATION info;
    DWORD drives = 0;
    for (DWORD i = 0; i < 26; i++) {
        root[0] = (WCHAR)('A' + i);
        if (NT_SUCCESS(query_attributes(root, &info))) {
            drives |= 1u << i;
        }
    }
    return drives;
}

/* The roots, each with its end, and an empty one. => as GetCurrentDirectory */
DWORD WINAPI GetLogicalDriveStringsW(DWORD size, WCHAR *buffer)
{
    DWORD drives = GetLogicalDrives(), length = 0;
    WCHAR roots[26 * 4 + 1];
    for (DWORD i = 0; i < 26; i++) {
        if (drives & 1u << i) {
            const WCHAR root[4] = {(WCHAR)('A' + i), ':', '\\', 0};
            memcpy(roots + length, root, sizeof(root));
            length += COUNT_OF(root);
        }
    }
    return give_wide(roots, length, buffer, size);
}

DWORD WINAPI GetLogicalDriveStringsA(DWORD size, char *buffer)
{
    WCHAR roots[26 * 4 + 1];
    return give_ansi(roots, GetLogicalDriveStringsW(COUNT_OF(roots), roots), buffer, size);
}

/* Drives have no directories as mount points: the volume of a path is its drive or share. */
BOOL WINAPI GetVolumePathNameW(const WCHAR *path, WCHAR *buffer, DWORD size)
{
    WCHAR full[MAX_PATH];
    DWORD length = GetFullPathNameW(path, COUNT_OF(full), full, NULL);
    if (!length) {
        return FALSE;
    }
    if (length >= COUNT_OF(full)) {
        return fail(ERROR_FILENAME_EXCED_RANGE);
    }
    DWORD at = 2; /* behind a drive, or the two backslashes of a server */
    for (int part = 0; part < (full[1] == ':' ? 0 : 2); part++) {
        while (full[at] && full[at] != '\\') {
            at++;
        }
        at += part == 0 && full[at];
    }
    full[at] = '\\';
    return give_wide(full, at + 1, buffer, size) == at + 1 ? TRUE
                                                           : fail(ERROR_FILENAME_EXCED_RANGE);
}

BOOL WINAPI GetVolumePathNameA(const char *path, char *buffer, DWORD size)
{
    WCHAR found[MAX_PATH];
    if (!WITH_WIDE(path, FALSE, GetVolumePathNameW(wide, found, COUNT_OF(found)))) {
        return FALSE;
    }
    DWORD length = (DWORD)wide_length(found);
    return give_ansi(found, length, buffer, size) == length ? TRUE
                                                            : fail(ERROR_FILENAME_EXCED_RANGE);
}

BOOL WINAPI GetVolumeInformationW(const WCHAR *root, WCHAR *label, DWORD label_size, DWORD *serial,
                                  DWORD *component, DWORD *flags, WCHAR *system, DWORD system_size)
{
    struct {
        struct nt_fs_volume_information info;
        WCHAR more[64];
    } volume = {0};
    struct {
        struct nt_fs_attribute_information info;
        WCHAR more[64];
    } attributes = {0};
    if (!query_volume(root, &volume, sizeof(volume), NT_FS_VOLUME_INFORMATION) ||
        !query_volume(root, &attributes, sizeof(attributes), NT_FS_ATTRIBUTE_INFORMATION)) {
        return FALSE;
    }
    if (label && label_size) {
        DWORD n = volume.info.label_length / sizeof(WCHAR);
        if (give_wide((WCHAR *)volume.info.label, n, label, label_size) != n) {
            return fail(ERROR_BAD_LENGTH);
        }
    }
    if (serial) {
        *serial = volume.info.serial_number;
    }
    if (component) {
        *component = (DWORD)attributes.info.maximum_component_length;
    }
    if (flags) {
        *flags = attributes.info.attributes;
    }
    if (system && system_size) {
        DWORD n = attributes.info.name_length / sizeof(WCHAR);
        if (give_wide((WCHAR *)attributes.info.name, n, system, system_size) != n) {
            return fail(ERROR_BAD_LENGTH);
        }
    }
    return TRUE;
}

BOOL WINAPI GetVolumeInformationA(const char *root, char *label, DWORD label_size, DWORD *serial,
                                  DWORD *component, DWORD *flags, char *system, DWORD system_size)
{
    WCHAR wide_label[64] = L"", wide_system[64] = L"";
    BOOL done = root ? WITH_WIDE(root, FALSE,
                                 GetVolumeInformationW(wide, wide_label, 64, serial, component,
                                                       flags, wide_system, 64))
                     : GetVolumeInformationW(NULL, wide_label, 64, serial, component, flags,
                                             wide_system, 64);
    if (done && label && label_size) {
        give_ansi(wide_label, (DWORD)wide_length(wide_label), label, label_size);
    }
    if (done && system && system_size) {
        give_ansi(wide_system, (DWORD)wide_length(wide_system), system, system_size);
    }
    return done;
}
