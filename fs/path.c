/*
 * fs/path.c: paths: from the text that a program gives to an inode.
 *
 * A path is first split into components, by its text alone as Win32 does: `.` and empty components
 * vanish, `..` takes the one before it away, `/` is a backslash, blanks and dots at the end of a
 * component do not count. Then the components are looked up one by one, each under its exact name
 * or, failing that, without regard to the case of ASCII letters; first in the name cache.
 *
 * Everything here works in the volume's scratch space, under the file-system lock.
 */
#include "fs/internal.h"

#include "fs/name.h"
#include "kernel/string.h"

static bool is_separator(uint16_t character)
{
    return character == '\\' || character == '/';
}

/* Whether TEXT begins with PREFIX, in either case. */
static bool has_prefix(const uint16_t *text, uint32_t length, const char *prefix)
{
    uint32_t n = (uint32_t)strlen(prefix);

    if (length < n) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t character = text[i];
        if (character >= 'a' && character <= 'z') {
            character -= 'a' - 'A';
        }
        if (character != (uint8_t)prefix[i]) {
            return false;
        }
    }
    return true;
}

/* How much of a path stands before its first component: `\??\C:`, `C:`. */
static uint32_t prefix_length(const uint16_t *text, uint32_t length)
{
    static const char *const prefixes[] = {"\\??\\C:", "\\DOSDEVICES\\C:", "C:"};

    for (uint32_t i = 0; i < ARRAY_COUNT(prefixes); i++) {
        if (has_prefix(text, length, prefixes[i])) {
            return (uint32_t)strlen(prefixes[i]);
        }
    }
    return 0;
}

/* Adds the component [text, text + length), or does what `.` and `..` say. */
static status_t add_component(const uint16_t *text, uint32_t length)
{
    struct volume *volume = &fsi_volume;
    bool dots = (length == 1 || length == 2) && text[0] == '.' && text[length - 1] == '.';

    if (dots) {
        if (length == 2 && volume->ncomponents > 0) {
            volume->ncomponents--;
        }
        return STATUS_SUCCESS;
    }
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '.')) {
        length--;
    }
    if (length == 0) {
        return STATUS_OBJECT_NAME_INVALID;
    }
    for (uint32_t i = 0; i < length; i++) {
        if (!name_is_legal(text[i])) {
            return STATUS_OBJECT_NAME_INVALID;
        }
    }
    if (length > FILE_NAME_CHARACTERS) {
        return STATUS_OBJECT_NAME_INVALID;
    }
    if (volume->ncomponents == PATH_DEPTH_MAX ||
        length > FILE_PATH_CHARACTERS - volume->text_length) {
        return STATUS_NAME_TOO_LONG;
    }
    volume->components[volume->ncomponents++] =
        (struct component){.start = (uint16_t)volume->text_length, .length = (uint16_t)length};
    memcpy(volume->text + volume->text_length, text, length * sizeof(uint16_t));
    volume->text_length += length;
    return STATUS_SUCCESS;
}

/* Adds every component of TEXT. */
static status_t split(const uint16_t *text, uint32_t length)
{
    uint32_t start = 0;

    for (uint32_t i = 0; i <= length; i++) {
        if (i < length && !is_separator(text[i])) {
            continue;
        }
        if (i > start) {
            status_t status = add_component(text + start, i - start);
            if (is_error(status)) {
                return status;
            }
        }
        start = i + 1;
    }
    return STATUS_SUCCESS;
}

/* Splits the request's path into fsi_volume.components. */
static status_t parse(const struct open_request *request)
{
    struct volume *volume = &fsi_volume;
    const uint16_t *text = request->path;
    uint32_t length = request->path_length;

    volume->text_length = 0;
    volume->ncomponents = 0;
    if (length > FILE_PATH_CHARACTERS) {
        return STATUS_NAME_TOO_LONG;
    }
    volume->ends_in_separator = length > 0 && is_separator(text[length - 1]);
    if (request->root != NULL) {
        if (!request->root->file->information.is_directory) {
            return STATUS_INVALID_PARAMETER;
        }
        if (length > 0 && is_separator(text[0])) {
            return STATUS_OBJECT_NAME_INVALID;
        }
        status_t status = split(request->root->path, request->root->path_length);
        return is_error(status) ? status : split(text, length);
    }
    uint32_t prefix = prefix_length(text, length);
    text += prefix;
    length -= prefix;
    if (length > 0 ? !is_separator(text[0]) : prefix == 0) {
        return STATUS_OBJECT_NAME_INVALID;
    }
    return split(text, length);
}

/* Adds a name as it is on disk to fsi_volume.path. */
static status_t append_name(const uint16_t *name, uint32_t length)
{
    struct volume *volume = &fsi_volume;

    if (length + 1 > FILE_PATH_CHARACTERS - volume->path_length) {
        return STATUS_NAME_TOO_LONG;
    }
    volume->path[volume->path_length++] = '\\';
    memcpy(volume->path + volume->path_length, name, length * sizeof(uint16_t));
    volume->path_length += length;
    return STATUS_SUCCESS;
}

/*
 * Looks COMPONENT up in the directory *INODE, of number *NUMBER; both become what was found, and
 * fsi_volume.found its name on disk, *LENGTH characters.
 */
static status_t look_up(const struct component *component, uint32_t *number,
                        struct ext2_inode *inode, uint32_t *length) REQUIRES(fsi_volume.lock)
{
    struct volume *volume = &fsi_volume;
    const uint16_t *text = volume->text + component->start;
    uint32_t directory = *number;
    uint8_t wanted[EXT2_NAME_BYTES];
    uint8_t found[EXT2_NAME_BYTES];
    uint32_t wanted_bytes = 0;
    uint32_t found_bytes = 0;

    if (!name_to_utf8(text, component->length, wanted, sizeof(wanted), &wanted_bytes)) {
        return STATUS_OBJECT_NAME_NOT_FOUND; /* no name on disk is that long */
    }
    status_t status = ext2_lookup(&volume->ext2, inode, wanted, wanted_bytes, volume->block, found,
                                  &found_bytes, number);
    if (is_success(status)) {
        status = ext2_read_inode(&volume->ext2, *number, inode);
    }
    if (is_success(status)) {
        *length = name_to_utf16(found, found_bytes, volume->found);
        fsi_name_remember(directory, text, component->length, volume->found, *length, *number,
                          inode);
    }
    return status;
}

/* One step down, from the directory *INODE, which becomes what was found. */
static status_t step(const struct component *component, uint32_t *number, struct ext2_inode *inode)
    REQUIRES(fsi_volume.lock)
{
    struct volume *volume = &fsi_volume;
    const struct cached_name *cached =
        fsi_name_find(*number, volume->text + component->start, component->length);
    uint32_t length = 0;

    if (cached != NULL) {
        *number = cached->number;
        *inode = cached->inode;
        return append_name(cached->found, cached->found_length);
    }
    status_t status = look_up(component, number, inode, &length);
    return is_success(status) ? append_name(volume->found, length) : status;
}

/* Where a walk begins. */
static status_t find_root(struct ext2_inode *inode) REQUIRES(fsi_volume.lock)
{
    const struct cached_name *cached = fsi_name_find(0, NULL, 0);

    if (cached != NULL) {
        *inode = cached->inode;
        return STATUS_SUCCESS;
    }
    status_t status = ext2_read_inode(&fsi_volume.ext2, EXT2_ROOT_INODE, inode);
    if (is_success(status) && !inode->information.is_directory) {
        status = STATUS_FILE_CORRUPT_ERROR;
    }
    if (is_success(status)) {
        fsi_name_remember(0, NULL, 0, NULL, 0, EXT2_ROOT_INODE, inode);
    }
    return status;
}

status_t fsi_walk(const struct open_request *request, uint32_t *number, struct ext2_inode *inode)
{
    struct volume *volume = &fsi_volume;
    status_t status = parse(request);

    if (is_error(status)) {
        return status;
    }
    volume->path_length = 0;
    *number = EXT2_ROOT_INODE;
    status = find_root(inode);
    for (uint32_t i = 0; i < volume->ncomponents && is_success(status); i++) {
        if (!inode->information.is_directory) {
            return STATUS_OBJECT_PATH_NOT_FOUND;
        }
        status = step(&volume->components[i], number, inode);
        if (status == STATUS_OBJECT_NAME_NOT_FOUND && i + 1 < volume->ncomponents) {
            return STATUS_OBJECT_PATH_NOT_FOUND;
        }
    }
    if (is_error(status)) {
        return status;
    }
    if (volume->ends_in_separator && !inode->information.is_directory) {
        return STATUS_OBJECT_NAME_INVALID;
    }
    if (volume->path_length == 0) {
        volume->path[volume->path_length++] = '\\';
    }
    return STATUS_SUCCESS;
}
