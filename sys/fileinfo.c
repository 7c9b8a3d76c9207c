/*
 * sys/fileinfo.c: the system calls that tell about files, directories and volumes.
 *
 * Streams and NUL answer too, as devices do: no size, no times.
 */
#include "abi/constants.h"
#include "abi/process.h"
#include "fs/file.h"
#include "fs/volume.h"
#include "kernel/stream.h"
#include "kernel/string.h"
#include "kernel/usercopy.h"
#include "mm/pool.h"
#include "sys/calls.h"
#include "sys/file.h"

/* FileHandle, IoStatusBlock, Information, Length, InformationClass */
enum query_argument { ARG_FILE, ARG_STATUS_BLOCK, ARG_BUFFER, ARG_LENGTH, ARG_CLASS };

static void query_file(const struct file_object *file, struct file_information *information)
{
    memset(information, 0, sizeof(*information));
    if (file->open != NULL) {
        fs_query(file->open, information);
        if (information->attributes == 0) {
            information->attributes = FILE_ATTRIBUTE_NORMAL;
        }
    } else {
        information->attributes = FILE_ATTRIBUTE_NORMAL;
        information->links = 1;
    }
}

/* The end of a query: the answer, and IO_STATUS_BLOCK. */
static status_t store_answer(const uint32_t *arguments, const void *answer, uint32_t nbytes)
{
    if (arguments[ARG_LENGTH] < nbytes) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    const struct nt_io_status_block block = {STATUS_SUCCESS, nbytes};
    status_t status = copy_to_user((uaddr_t){arguments[ARG_BUFFER]}, answer, nbytes);
    return is_success(status)
               ? copy_to_user((uaddr_t){arguments[ARG_STATUS_BLOCK]}, &block, sizeof(block))
               : status;
}

static struct nt_file_basic_information basic_of(const struct file_information *it)
{
    return (struct nt_file_basic_information){it->creation_time, it->access_time, it->write_time,
                                              it->change_time,   it->attributes,  0};
}

static struct nt_file_standard_information standard_of(const struct file_information *it)
{
    return (struct nt_file_standard_information){
        .allocation_size = (int64_t)it->allocation_nbytes,
        .end_of_file = (int64_t)it->nbytes,
        .number_of_links = it->links,
        .directory = it->is_directory,
    };
}

static struct nt_file_network_open_information network_of(const struct file_information *it)
{
    return (struct nt_file_network_open_information){
        .creation_time = it->creation_time,
        .last_access_time = it->access_time,
        .last_write_time = it->write_time,
        .change_time = it->change_time,
        .allocation_size = (int64_t)it->allocation_nbytes,
        .end_of_file = (int64_t)it->nbytes,
        .file_attributes = it->attributes,
    };
}

/* FileNameInformation: a length, then the path from the volume's root. */
static status_t query_name(const uint32_t *arguments, const struct file_object *file)
{
    uint32_t nbytes = file->open != NULL ? file->open->path_length * 2u : 0;
    if (arguments[ARG_LENGTH] < 4u) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    uint32_t fits = min_u32(nbytes, (arguments[ARG_LENGTH] - 4u) & ~1u);
    status_t result = fits < nbytes ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
    const struct nt_io_status_block block = {(uint32_t)result, 4u + fits};
    status_t status = user_write_u32((uaddr_t){arguments[ARG_BUFFER]}, nbytes);
    if (is_success(status) && fits > 0) {
        status = copy_to_user((uaddr_t){arguments[ARG_BUFFER] + 4u}, file->open->path, fits);
    }
    if (is_success(status)) {
        status = copy_to_user((uaddr_t){arguments[ARG_STATUS_BLOCK]}, &block, sizeof(block));
    }
    return is_success(status) ? result : status;
}

static status_t query_position(const uint32_t *arguments, const struct file_object *file)
{
    uint64_t position = file->open != NULL ? fs_get_position(file->open) : 0;
    return store_answer(arguments, &position, sizeof(position));
}

/* Everything in one structure: basic, standard, and zeroes or numbers for the rest. */
static status_t query_all(const uint32_t *arguments, const struct file_object *file,
                          const struct file_information *it)
{
    struct {
        struct nt_file_basic_information basic;
        struct nt_file_standard_information standard;
        uint64_t index;
        uint32_t ea_size;
        uint32_t access;
        uint64_t position;
        uint32_t mode;
        uint32_t alignment;
        uint32_t name_length;
        uint32_t padding;
    } answer = {.basic = basic_of(it), .standard = standard_of(it), .index = it->index};
    if (file->open != NULL) {
        answer.access = file->open->access;
        answer.position = fs_get_position(file->open);
        answer.mode = file->open->options;
    }
    return store_answer(arguments, &answer, sizeof(answer));
}

static status_t query_class(const uint32_t *arguments, const struct file_object *file)
{
    struct file_information it;
    query_file(file, &it);
    switch (arguments[ARG_CLASS]) {
    case NT_FILE_BASIC_INFORMATION: {
        struct nt_file_basic_information answer = basic_of(&it);
        return store_answer(arguments, &answer, sizeof(answer));
    }
    case NT_FILE_STANDARD_INFORMATION: {
        struct nt_file_standard_information answer = standard_of(&it);
        return store_answer(arguments, &answer, sizeof(answer));
    }
    case NT_FILE_NETWORK_OPEN_INFORMATION: {
        struct nt_file_network_open_information answer = network_of(&it);
        return store_answer(arguments, &answer, sizeof(answer));
    }
    case NT_FILE_INTERNAL_INFORMATION:
        return store_answer(arguments, &it.index, sizeof(it.index));
    case NT_FILE_EA_INFORMATION: {
        uint32_t none = 0;
        return store_answer(arguments, &none, sizeof(none));
    }
    case NT_FILE_ACCESS_INFORMATION: {
        uint32_t access = file->open != NULL ? file->open->access : FILE_ALL_ACCESS;
        return store_answer(arguments, &access, sizeof(access));
    }
    case NT_FILE_MODE_INFORMATION: {
        uint32_t mode = file->open != NULL ? file->open->options : 0;
        return store_answer(arguments, &mode, sizeof(mode));
    }
    case NT_FILE_ATTRIBUTE_TAG_INFORMATION: {
        const uint32_t tag[2] = {it.attributes, 0};
        return store_answer(arguments, tag, sizeof(tag));
    }
    case NT_FILE_NAME_INFORMATION:
        return query_name(arguments, file);
    case NT_FILE_POSITION_INFORMATION:
        return query_position(arguments, file);
    case NT_FILE_ALL_INFORMATION:
        return query_all(arguments, file, &it);
    default:
        return STATUS_INVALID_INFO_CLASS;
    }
}

status_t sys_NtQueryInformationFile(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct file_object *file;
    status_t status = file_reference(arguments[ARG_FILE], 0, &file);
    if (is_error(status)) {
        return status;
    }
    status = query_class(arguments, file);
    ob_unref(&file->object);
    return status;
}

/* What changes a file is refused while volumes are read-only; the position is the open's own. */
static status_t set_class(const uint32_t *arguments, const struct file_object *file)
{
    int64_t position;
    switch (arguments[ARG_CLASS]) {
    case NT_FILE_POSITION_INFORMATION:
        break;
    case NT_FILE_BASIC_INFORMATION:
    case NT_FILE_DISPOSITION_INFORMATION:
    case NT_FILE_ALLOCATION_INFORMATION:
    case NT_FILE_END_OF_FILE_INFORMATION:
        return file->open != NULL ? STATUS_MEDIA_WRITE_PROTECTED : STATUS_INVALID_DEVICE_REQUEST;
    default:
        return STATUS_INVALID_INFO_CLASS;
    }
    if (arguments[ARG_LENGTH] < sizeof(position)) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    status_t status = copy_from_user(&position, (uaddr_t){arguments[ARG_BUFFER]}, sizeof(position));
    if (is_error(status)) {
        return status;
    }
    if (position < 0) {
        return STATUS_INVALID_PARAMETER;
    }
    if (file->open == NULL) {
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    fs_set_position(file->open, (uint64_t)position);
    return STATUS_SUCCESS;
}

status_t sys_NtSetInformationFile(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct file_object *file;
    status_t status = file_reference(arguments[ARG_FILE], 0, &file);
    if (is_error(status)) {
        return status;
    }
    status = set_class(arguments, file);
    ob_unref(&file->object);
    if (is_success(status)) {
        const struct nt_io_status_block block = {STATUS_SUCCESS, 0};
        status = copy_to_user((uaddr_t){arguments[ARG_STATUS_BLOCK]}, &block, sizeof(block));
    }
    return status;
}

/* ---- by name ----------------------------------------------------------------------------------
 */

static status_t query_path(uint32_t object_attributes, struct file_information *information)
{
    struct captured_path path;
    status_t status = capture_file_path((uaddr_t){object_attributes}, &path);
    if (is_error(status)) {
        return status;
    }
    const struct open_request request = {
        .path = path.text,
        .path_length = path.nbytes / 2u,
        .root = path.root != NULL ? path.root->open : NULL,
    };
    status = fs_query_path(&request, information);
    captured_path_release(&path);
    return status;
}

/* ObjectAttributes, FILE_BASIC_INFORMATION* */
status_t sys_NtQueryAttributesFile(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct file_information it;
    status_t status = query_path(arguments[0], &it);
    if (is_error(status)) {
        return status;
    }
    struct nt_file_basic_information answer = basic_of(&it);
    return copy_to_user((uaddr_t){arguments[1]}, &answer, sizeof(answer));
}

/* ObjectAttributes, FILE_NETWORK_OPEN_INFORMATION* */
status_t sys_NtQueryFullAttributesFile(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct file_information it;
    status_t status = query_path(arguments[0], &it);
    if (is_error(status)) {
        return status;
    }
    struct nt_file_network_open_information answer = network_of(&it);
    return copy_to_user((uaddr_t){arguments[1]}, &answer, sizeof(answer));
}

/* ---- directories ------------------------------------------------------------------------------
 */

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

/* ---- volumes ----------------------------------------------------------------------------------
 */

static status_t query_volume(const uint32_t *arguments)
{
    struct volume_information volume;
    struct {
        struct nt_fs_volume_information head;
        uint16_t rest[17];
    } answer;
    status_t status = fs_query_volume(&volume);
    if (is_error(status)) {
        return status;
    }
    memset(&answer, 0, sizeof(answer));
    answer.head.creation_time = volume.created;
    answer.head.serial_number = volume.serial;
    answer.head.label_length = volume.label_length * 2u;
    uint32_t offset = (uint32_t)offsetof(struct nt_fs_volume_information, label);
    memcpy((char *)&answer + offset, volume.label, volume.label_length * 2u);
    return store_answer(arguments, &answer, offset + answer.head.label_length);
}

static status_t query_size(const uint32_t *arguments)
{
    struct volume_information volume;
    status_t status = fs_query_volume(&volume);
    if (is_error(status)) {
        return status;
    }
    const struct nt_fs_size_information answer = {
        .total_allocation_units = (int64_t)volume.total_blocks,
        .available_allocation_units = (int64_t)volume.free_blocks,
        .sectors_per_allocation_unit = volume.block_bytes / 512u,
        .bytes_per_sector = 512,
    };
    return store_answer(arguments, &answer, sizeof(answer));
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
    return store_answer(arguments, &answer, sizeof(answer));
}

static status_t query_attributes(const uint32_t *arguments)
{
    /* Case-preserved names, Unicode, read-only volume. */
    const struct {
        uint32_t attributes;
        int32_t component;
        uint32_t name_length;
        uint16_t name[4];
    } answer = {0x00080006u, FILE_NAME_CHARACTERS, 8, {'e', 'x', 't', '2'}};
    return store_answer(arguments, &answer, sizeof(answer));
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
        status = on_volume ? query_volume(arguments) : STATUS_INVALID_DEVICE_REQUEST;
        break;
    case NT_FS_SIZE_INFORMATION:
        status = on_volume ? query_size(arguments) : STATUS_INVALID_DEVICE_REQUEST;
        break;
    case NT_FS_ATTRIBUTE_INFORMATION:
        status = on_volume ? query_attributes(arguments) : STATUS_INVALID_DEVICE_REQUEST;
        break;
    default:
        status = STATUS_INVALID_INFO_CLASS;
        break;
    }
    ob_unref(&file->object);
    return status;
}
