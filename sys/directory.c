/*
 * sys/directory.c: the system call that lists a directory, in NT's five layouts.
 */
#include "abi/constants.h"
#include "abi/process.h"
#include "fs/file.h"
#include "kernel/string.h"
#include "kernel/usercopy.h"
#include "mm/pool.h"
#include "sys/calls.h"
#include "sys/file.h"

/*
 * FileHandle, Event, ApcRoutine, ApcContext, IoStatusBlock, Information, Length, InformationClass,
 * ReturnSingleEntry, FileName*, RestartScan
 */
enum directory_argument {
    DIR_FILE,
    DIR_EVENT,
    DIR_APC,
    DIR_APC_CONTEXT,
    DIR_STATUS_BLOCK,
    DIR_BUFFER,
    DIR_LENGTH,
    DIR_CLASS,
    DIR_SINGLE,
    DIR_NAME,
    DIR_RESTART
};

/* Where the name lies in an entry of each class; 0: the class is not known. */
static uint32_t name_offset_of(uint32_t class)
{
    switch (class) {
    case NT_FILE_DIRECTORY_INFORMATION:
        return 0x40;
    case NT_FILE_FULL_DIRECTORY_INFORMATION:
        return 0x44;
    case NT_FILE_BOTH_DIRECTORY_INFORMATION:
        return 0x5E;
    case NT_FILE_ID_BOTH_DIRECTORY_INFORMATION:
        return 0x68;
    case NT_FILE_NAMES_INFORMATION:
        return 0x0C;
    default:
        return 0;
    }
}

/* One entry at ADDRESS, its link to the next still 0. */
static status_t write_entry(uint32_t address, uint32_t class, const struct directory_entry *entry)
{
    const struct file_information *it = &entry->information;
    union {
        struct nt_file_directory_information directory;
        uint32_t names[3];
        uint8_t bytes[0x68];
    } head;
    uint32_t name_nbytes = entry->name_length * 2u;
    uint32_t offset = name_offset_of(class);
    memset(&head, 0, sizeof(head));
    if (class == NT_FILE_NAMES_INFORMATION) {
        head.names[2] = name_nbytes;
    } else {
        head.directory = (struct nt_file_directory_information){
            .creation_time = it->creation_time,
            .last_access_time = it->access_time,
            .last_write_time = it->write_time,
            .change_time = it->change_time,
            .end_of_file = (int64_t)it->nbytes,
            .allocation_size = (int64_t)it->allocation_nbytes,
            .file_attributes = it->attributes,
            .file_name_length = name_nbytes,
        };
    }
    if (class == NT_FILE_ID_BOTH_DIRECTORY_INFORMATION) {
        memcpy(&head.bytes[0x60], &it->index, sizeof(it->index));
    }
    status_t status = copy_to_user((uaddr_t){address}, &head, offset);
    return is_success(status) ? copy_to_user((uaddr_t){address + offset}, entry->name, name_nbytes)
                              : status;
}

/* As many entries as fit; *USED bytes. */
static status_t list_entries(const uint32_t *arguments, struct open_file *open,
                             struct directory_entry *entry, uint32_t *used)
{
    uint32_t offset = name_offset_of(arguments[DIR_CLASS]);
    uint32_t room = arguments[DIR_LENGTH];
    uint32_t last = UINT32_MAX;
    uint32_t at = 0;
    for (;;) {
        status_t status = fs_directory_next(open, entry);
        if (is_error(status)) {
            return last != UINT32_MAX && (status == STATUS_NO_MORE_FILES) ? STATUS_SUCCESS : status;
        }
        uint32_t nbytes = offset + entry->name_length * 2u;
        if (at > room || nbytes > room - at) {
            return last != UINT32_MAX ? STATUS_SUCCESS : STATUS_BUFFER_OVERFLOW;
        }
        status = write_entry(arguments[DIR_BUFFER] + at, arguments[DIR_CLASS], entry);
        if (is_success(status) && last != UINT32_MAX) {
            status = user_write_u32((uaddr_t){arguments[DIR_BUFFER] + last}, at - last);
        }
        if (is_error(status)) {
            return status;
        }
        fs_directory_accept(open, entry);
        *used = at + nbytes;
        last = at;
        at = (*used + 7u) & ~7u;
        if ((arguments[DIR_SINGLE] & 0xFFu) != 0) {
            return STATUS_SUCCESS;
        }
    }
}

static status_t list_directory(const uint32_t *arguments, struct open_file *open, uint32_t *used)
{
    uint16_t *pattern = NULL;
    uint32_t pattern_nbytes = 0;
    if (arguments[DIR_NAME] != 0) {
        status_t captured = capture_string((uaddr_t){arguments[DIR_NAME]},
                                           FILE_NAME_CHARACTERS * 2u, &pattern, &pattern_nbytes);
        if (is_error(captured)) {
            return captured;
        }
    }
    status_t status = fs_directory_begin(open, pattern, pattern_nbytes / 2u,
                                         (arguments[DIR_RESTART] & 0xFFu) != 0);
    mm_free(pattern, pattern_nbytes);
    if (is_error(status)) {
        return status;
    }
    struct directory_entry *entry = mm_allocate(sizeof(*entry));
    if (entry == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    status = list_entries(arguments, open, entry, used);
    mm_free(entry, sizeof(*entry));
    return status;
}

status_t sys_NtQueryDirectoryFile(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct file_object *file;
    uint32_t used = 0;
    uint32_t offset = name_offset_of(arguments[DIR_CLASS]);
    if (offset == 0) {
        return STATUS_INVALID_INFO_CLASS;
    }
    if (arguments[DIR_LENGTH] < offset) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    status_t status =
        user_probe_write((uaddr_t){arguments[DIR_STATUS_BLOCK]}, sizeof(struct nt_io_status_block));
    if (is_success(status)) {
        status = user_range_check((uaddr_t){arguments[DIR_BUFFER]}, arguments[DIR_LENGTH]);
    }
    if (is_success(status)) {
        status = file_reference(arguments[DIR_FILE], FILE_READ_DATA, &file);
    }
    if (is_error(status)) {
        return status;
    }
    status = file->open != NULL ? list_directory(arguments, file->open, &used)
                                : STATUS_INVALID_DEVICE_REQUEST;
    ob_unref(&file->object);
    const struct nt_io_status_block block = {(uint32_t)status, used};
    status_t stored = copy_to_user((uaddr_t){arguments[DIR_STATUS_BLOCK]}, &block, sizeof(block));
    return is_error(status) ? status : stored;
}
