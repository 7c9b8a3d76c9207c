/*
 * sys/volume.c: the system call that tells about volumes and devices.
 */
#include "fs/volume.h"
#include "abi/constants.h"
#include "abi/process.h"
#include "fs/file.h"
#include "kernel/stream.h"
#include "kernel/string.h"
#include "sys/calls.h"
#include "sys/file.h"
#include "sys/fileinfo.h"

#define NAMES_KEPT_AND_UNICODE 0x00000006u
#define READ_ONLY_VOLUME       0x00080000u

static status_t query_volume(const uint32_t *arguments, const struct file_object *file)
{
    struct volume_information volume;
    struct {
        struct nt_fs_volume_information head;
        uint16_t rest[17];
    } answer;
    status_t status = fs_query_volume(file->open, &volume);
    if (is_error(status)) {
        return status;
    }
    memset(&answer, 0, sizeof(answer));
    answer.head.creation_time = volume.created;
    answer.head.serial_number = volume.serial;
    answer.head.label_length = volume.label_length * 2u;
    uint32_t offset = (uint32_t)offsetof(struct nt_fs_volume_information, label);
    memcpy((char *)&answer + offset, volume.label, volume.label_length * 2u);
    return file_store_answer(arguments, &answer, offset + answer.head.label_length);
}

static status_t query_size(const uint32_t *arguments, const struct file_object *file)
{
    struct volume_information volume;
    status_t status = fs_query_volume(file->open, &volume);
    if (is_error(status)) {
        return status;
    }
    const struct nt_fs_size_information answer = {
        .total_allocation_units = (int64_t)volume.total_blocks,
        .available_allocation_units = (int64_t)volume.free_blocks,
        .sectors_per_allocation_unit = volume.block_bytes / 512u,
        .bytes_per_sector = 512,
    };
    return file_store_answer(arguments, &answer, sizeof(answer));
}

static status_t query_device(const uint32_t *arguments, const struct file_object *file)
{
    struct nt_fs_device_information answer = {NT_DEVICE_DISK, 0};
    if (file->open == NULL) {
        answer.device_type = NT_DEVICE_NULL;
        if (file->stream != NULL) {
            answer.device_type =
                file->stream->is_terminal ? NT_DEVICE_CONSOLE : NT_DEVICE_NAMED_PIPE;
        }
    }
    return file_store_answer(arguments, &answer, sizeof(answer));
}

static status_t query_attributes(const uint32_t *arguments, const struct file_object *file)
{
    struct volume_information volume;
    status_t status = fs_query_volume(file->open, &volume);
    if (is_error(status)) {
        return status;
    }
    const struct {
        uint32_t attributes;
        int32_t component;
        uint32_t name_length;
        uint16_t name[4];
    } answer = {NAMES_KEPT_AND_UNICODE | (volume.read_only ? READ_ONLY_VOLUME : 0),
                FILE_NAME_CHARACTERS,
                8,
                {'e', 'x', 't', '2'}};
    return file_store_answer(arguments, &answer, sizeof(answer));
}

/* FileHandle, IoStatusBlock, Information, Length, InformationClass */
status_t sys_NtQueryVolumeInformationFile(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct file_object *file;
    status_t status = file_reference(arguments[ARG_FILE], 0, &file);
    if (is_error(status)) {
        return status;
    }
    bool on_volume = file->open != NULL;
    switch (arguments[ARG_CLASS]) {
    case NT_FS_DEVICE_INFORMATION:
        status = query_device(arguments, file);
        break;
    case NT_FS_VOLUME_INFORMATION:
        status = on_volume ? query_volume(arguments, file) : STATUS_INVALID_DEVICE_REQUEST;
        break;
    case NT_FS_SIZE_INFORMATION:
        status = on_volume ? query_size(arguments, file) : STATUS_INVALID_DEVICE_REQUEST;
        break;
    case NT_FS_ATTRIBUTE_INFORMATION:
        status = on_volume ? query_attributes(arguments, file) : STATUS_INVALID_DEVICE_REQUEST;
        break;
    default:
        status = STATUS_INVALID_INFO_CLASS;
        break;
    }
    ob_unref(&file->object);
    return status;
}
