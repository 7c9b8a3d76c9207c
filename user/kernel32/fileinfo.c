/*
 * user/kernel32/fileinfo.c: what is known of an open file, and what can be set: kind, numbers,
 * size, times, name; renaming and deleting by handle.
 *
 * Win32's information classes are numbers of its own for some of NT's; the structures are the same.
 */
#include "user/kernel32/kernel32.h"

#include <winioctl.h>

/* FILE_DEVICE_ number of what a handle names; 0 with the last error when it is no file. */
DWORD device_type(HANDLE handle)
{
    struct nt_fs_device_information info;
    IO_STATUS_BLOCK io;
    NTSTATUS status = NtQueryVolumeInformationFile(real_handle(handle), &io, &info, sizeof(info),
                                                   (FS_INFORMATION_CLASS)NT_FS_DEVICE_INFORMATION);
    return finish(status) ? info.device_type : 0;
}

DWORD WINAPI GetFileType(HANDLE file)
{
    switch (device_type(file)) {
    case 0:
        return FILE_TYPE_UNKNOWN;
    case NT_DEVICE_CONSOLE:
    case NT_DEVICE_NULL:
        return FILE_TYPE_CHAR;
    case NT_DEVICE_NAMED_PIPE:
        return FILE_TYPE_PIPE;
    default:
        return FILE_TYPE_DISK;
    }
}

FILETIME time_of_number(LARGE_INTEGER time)
{
    return (FILETIME){time.u.LowPart, (DWORD)time.u.HighPart};
}

/* The serial number of the volume that a file lies on; 0 when it has none. */
static DWORD serial_number(HANDLE file)
{
    struct {
        struct nt_fs_volume_information volume;
        WCHAR label[32];
    } volume = {0};
    IO_STATUS_BLOCK io;
    (void)NtQueryVolumeInformationFile(real_handle(file), &io, &volume, sizeof(volume),
                                       (FS_INFORMATION_CLASS)NT_FS_VOLUME_INFORMATION);
    return volume.volume.serial_number;
}

/* The root of the volume that an open file lies on, as C:\. => FALSE with the last error */
static BOOL root_of(HANDLE file, WCHAR root[4])
{
    DWORD drives = GetLogicalDrives(), wanted = serial_number(file), serial;
    if (!device_type(file)) {
        return FALSE;
    }
    memcpy(root, L"A:\\", 4 * sizeof(WCHAR));
    for (; drives; drives >>= 1, root[0]++) {
        if ((drives & 1) && GetVolumeInformationW(root, NULL, 0, &serial, NULL, NULL, NULL, 0) &&
            serial == wanted) {
            return TRUE;
        }
    }
    return fail(ERROR_PATH_NOT_FOUND);
}

BOOL WINAPI GetFileInformationByHandle(HANDLE file, BY_HANDLE_FILE_INFORMATION *info)
{
    FILE_BASIC_INFORMATION basic;
    FILE_STANDARD_INFORMATION standard;
    LARGE_INTEGER index;
    if (!query_file(file, &basic, sizeof(basic), NT_FILE_BASIC_INFORMATION) ||
        !query_file(file, &standard, sizeof(standard), NT_FILE_STANDARD_INFORMATION) ||
        !query_file(file, &index, sizeof(index), NT_FILE_INTERNAL_INFORMATION)) {
        return FALSE;
    }
    *info = (BY_HANDLE_FILE_INFORMATION){
        .dwFileAttributes = basic.FileAttributes,
        .ftCreationTime = time_of_number(basic.CreationTime),
        .ftLastAccessTime = time_of_number(basic.LastAccessTime),
        .ftLastWriteTime = time_of_number(basic.LastWriteTime),
        .dwVolumeSerialNumber = serial_number(file),
        .nFileSizeHigh = (DWORD)standard.EndOfFile.u.HighPart,
        .nFileSizeLow = standard.EndOfFile.u.LowPart,
        .nNumberOfLinks = standard.NumberOfLinks,
        .nFileIndexHigh = (DWORD)index.u.HighPart,
        .nFileIndexLow = index.u.LowPart,
    };
    return TRUE;
}

/* Whether two handles are of one file. */
BOOL is_same_file(HANDLE one, HANDLE two)
{
    LARGE_INTEGER a, b;
    return query_file(one, &a, sizeof(a), NT_FILE_INTERNAL_INFORMATION) &&
           query_file(two, &b, sizeof(b), NT_FILE_INTERNAL_INFORMATION) &&
           a.QuadPart == b.QuadPart && serial_number(one) == serial_number(two);
}

/* FileIdInfo: the serial number and the file's number, in 128 bits. */
static BOOL query_id(HANDLE file, FILE_ID_INFO *info, DWORD size)
{
    LARGE_INTEGER index;
    if (size < sizeof(*info)) {
        return fail(ERROR_BAD_LENGTH);
    }
    if (!query_file(file, &index, sizeof(index), NT_FILE_INTERNAL_INFORMATION)) {
        return FALSE;
    }
    memset(info, 0, sizeof(*info));
    info->VolumeSerialNumber = serial_number(file);
    memcpy(&info->FileId, &index, sizeof(index));
    return TRUE;
}

BOOL WINAPI GetVolumeInformationByHandleW(HANDLE file, WCHAR *label, DWORD label_size,
                                          DWORD *serial, DWORD *component, DWORD *flags,
                                          WCHAR *system, DWORD system_size)
{
    WCHAR root[4];
    return root_of(file, root) ? GetVolumeInformationW(root, label, label_size, serial, component,
                                                       flags, system, system_size)
                               : FALSE;
}

/* The full name of an open file, as \\?\C:\path, or from the volume's root. => as give_wide */
DWORD WINAPI GetFinalPathNameByHandleW(HANDLE file, WCHAR *buffer, DWORD size, DWORD flags)
{
    enum { ROOM = 1024, PREFIX = 6 }; /* \\?\C: */
    struct {
        FILE_NAME_INFO info;
        WCHAR more[ROOM];
    } name;
    WCHAR text[PREFIX + ROOM] = L"\\\\?\\", root[4];
    DWORD kind = flags & (VOLUME_NAME_GUID | VOLUME_NAME_NT | VOLUME_NAME_NONE);
    if (kind != VOLUME_NAME_DOS && kind != VOLUME_NAME_NONE) {
        return (DWORD)fail(ERROR_PATH_NOT_FOUND);
    }
    if (!query_file(file, &name, sizeof(name), NT_FILE_NAME_INFORMATION) || !root_of(file, root)) {
        return 0;
    }
    DWORD length = name.info.FileNameLength / sizeof(WCHAR);
    memcpy(text + PREFIX - 2, root, 2 * sizeof(WCHAR));
    memcpy(text + PREFIX, name.info.FileName, length * sizeof(WCHAR));
    DWORD from = kind == VOLUME_NAME_NONE ? PREFIX : 0;
    return give_wide(text + from, PREFIX + length - from, buffer, size);
}

DWORD WINAPI GetFinalPathNameByHandleA(HANDLE file, char *buffer, DWORD size, DWORD flags)
{
    WCHAR text[MAX_PATH + 8];
    DWORD length = GetFinalPathNameByHandleW(file, text, COUNT_OF(text), flags);
    return length && length < COUNT_OF(text) ? give_ansi(text, length, buffer, size) : length;
}

/* The next entries of an open directory, or the first ones again. */
static BOOL query_entries(HANDLE directory, void *info, DWORD size, ULONG class, BOOLEAN restart)
{
    IO_STATUS_BLOCK io;
    return finish(NtQueryDirectoryFile(directory, NULL, NULL, NULL, &io, info, size, class, FALSE,
                                       NULL, restart));
}

BOOL WINAPI GetFileInformationByHandleEx(HANDLE file, FILE_INFO_BY_HANDLE_CLASS class, void *info,
                                         DWORD size)
{
    switch ((DWORD) class) {
    case FileBasicInfo:
        return query_file(file, info, size, NT_FILE_BASIC_INFORMATION);
    case FileStandardInfo:
        return query_file(file, info, size, NT_FILE_STANDARD_INFORMATION);
    case FileNameInfo:
        return query_file(file, info, size, NT_FILE_NAME_INFORMATION);
    case FileAttributeTagInfo:
        return query_file(file, info, size, NT_FILE_ATTRIBUTE_TAG_INFORMATION);
    case FileIdInfo:
        return query_id(file, info, size);
    case FileIdBothDirectoryInfo:
    case FileIdBothDirectoryRestartInfo:
        return query_entries(file, info, size, NT_FILE_ID_BOTH_DIRECTORY_INFORMATION,
                             class == FileIdBothDirectoryRestartInfo);
    case FileFullDirectoryInfo:
    case FileFullDirectoryRestartInfo:
        return query_entries(file, info, size, NT_FILE_FULL_DIRECTORY_INFORMATION,
                             class == FileFullDirectoryRestartInfo);
    default:
        return fail(ERROR_INVALID_PARAMETER);
    }
}

/* Gives an open file the name TO, a Win32 path, in place of its own or besides. */
static BOOL name_file(HANDLE file, const WCHAR *to, BOOL replace, ULONG class)
{
    UNICODE_STRING nt;
    if (!nt_path(to, &nt)) {
        return FALSE;
    }
    ULONG length = (ULONG)(sizeof(FILE_RENAME_INFORMATION) + nt.Length);
    FILE_RENAME_INFORMATION *info = take_memory(length);
    BOOL done = info ? TRUE : fail(ERROR_NOT_ENOUGH_MEMORY);
    if (info) {
        info->ReplaceIfExists = replace != 0;
        info->RootDirectory = NULL;
        info->FileNameLength = nt.Length;
        memcpy(info->FileName, nt.Buffer, nt.Length);
        done = set_file(file, info, length, class);
    }
    release_memory(info);
    release_memory(nt.Buffer);
    return done;
}

BOOL rename_file(HANDLE file, const WCHAR *to, BOOL replace)
{
    return name_file(file, to, replace, NT_FILE_RENAME_INFORMATION);
}

BOOL link_file(HANDLE file, const WCHAR *to)
{
    return name_file(file, to, FALSE, NT_FILE_LINK_INFORMATION);
}

static BOOL set_name(HANDLE file, const FILE_RENAME_INFO *info, DWORD size)
{
    if (size < sizeof(*info) ||
        size - offsetof(FILE_RENAME_INFO, FileName) < info->FileNameLength) {
        return fail(ERROR_BAD_LENGTH);
    }
    if (info->RootDirectory) {
        return set_file(file, (void *)info, size, NT_FILE_RENAME_INFORMATION);
    }
    WCHAR *name = take_memory(info->FileNameLength + sizeof(WCHAR));
    if (!name) {
        return fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    memcpy(name, info->FileName, info->FileNameLength);
    name[info->FileNameLength / sizeof(WCHAR)] = 0;
    BOOL done = rename_file(file, name, info->ReplaceIfExists);
    release_memory(name);
    return done;
}

BOOL WINAPI SetFileInformationByHandle(HANDLE file, FILE_INFO_BY_HANDLE_CLASS class, void *info,
                                       DWORD size)
{
    switch ((DWORD) class) {
    case FileBasicInfo:
        return set_file(file, info, size, NT_FILE_BASIC_INFORMATION);
    case FileRenameInfo:
        return set_name(file, info, size);
    case FileDispositionInfo:
        return set_file(file, info, size, NT_FILE_DISPOSITION_INFORMATION);
    case FileAllocationInfo:
        return set_file(file, info, size, NT_FILE_ALLOCATION_INFORMATION);
    case FileEndOfFileInfo:
        return set_file(file, info, size, NT_FILE_END_OF_FILE_INFORMATION);
    default:
        return fail(ERROR_INVALID_PARAMETER);
    }
}

BOOL WINAPI GetFileTime(HANDLE file, FILETIME *creation, FILETIME *access, FILETIME *write)
{
    FILE_BASIC_INFORMATION basic;
    if (!query_file(file, &basic, sizeof(basic), NT_FILE_BASIC_INFORMATION)) {
        return FALSE;
    }
    if (creation) {
        *creation = time_of_number(basic.CreationTime);
    }
    if (access) {
        *access = time_of_number(basic.LastAccessTime);
    }
    if (write) {
        *write = time_of_number(basic.LastWriteTime);
    }
    return TRUE;
}

static LARGE_INTEGER time_number(const FILETIME *time)
{
    LARGE_INTEGER number = {.QuadPart = 0}; /* zero: stays as it is */
    if (time) {
        number.u.LowPart = time->dwLowDateTime;
        number.u.HighPart = (LONG)time->dwHighDateTime;
    }
    return number;
}

BOOL WINAPI SetFileTime(HANDLE file, const FILETIME *creation, const FILETIME *access,
                        const FILETIME *write)
{
    FILE_BASIC_INFORMATION basic = {
        .CreationTime = time_number(creation),
        .LastAccessTime = time_number(access),
        .LastWriteTime = time_number(write),
    };
    return set_file(file, &basic, sizeof(basic), NT_FILE_BASIC_INFORMATION);
}

/*
 * Controls of the file system. FSCTL_SET_SPARSE succeeds, since every file may have holes; the
 * system has no others.
 */
BOOL WINAPI DeviceIoControl(HANDLE device, DWORD code, void *in, DWORD in_size, void *out,
                            DWORD out_size, DWORD *done, OVERLAPPED *overlapped)
{
    (void)in, (void)in_size, (void)out, (void)out_size, (void)overlapped;
    if (done) {
        *done = 0;
    }
    DWORD type = device_type(device);
    if (!type) {
        return FALSE;
    }
    return type == NT_DEVICE_DISK && code == FSCTL_SET_SPARSE ? TRUE : fail(ERROR_INVALID_FUNCTION);
}
