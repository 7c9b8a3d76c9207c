/*
 * fs/path.c: paths: from the text that a program gives to an inode.
 *
 * A path is first split into components, by its text alone as Win32 does: `.` and empty components
 * vanish, `..` takes the one before it away, `/` is a backslash, blanks and dots at the end of a
 * component do not count. Then the components are looked up one by one, each under its exact name
 * or, failing that, without regard to the case of ASCII letters; first in the name cache.
 *
 * Everything here works in one scratch space, fsi_path, under the file-system lock.
 */
#include "fs/internal.h"

#include "fs/name.h"
#include "kernel/string.h"

struct path fsi_path;

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

/* The mounted volume of a drive's letter, or NULL. */
static struct volume *volume_of(uint16_t letter)
{
    for (uint32_t i = 0; i < VOLUMES_MAX; i++) {
        if (fsi_volumes[i].mounted && (letter & ~0x20u) == (uint8_t)fsi_volumes[i].letter) {
            return &fsi_volumes[i];
        }
    }
    return NULL;
}

static bool lacks_separator(const uint16_t *text, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++) {
        if (is_separator(text[i])) {
            return false;
        }
    }
    return true;
}

/*
 * How much of a path stands before its first component (`\??\C:`, `C:`), and whose volume it is:
 * the first one where no drive is named. => OBJECT_NAME_INVALID, OBJECT_PATH_NOT_FOUND: no such
 * drive or server; NO_SUCH_DEVICE.
 */
static status_t find_volume(const uint16_t *text, uint32_t length, uint32_t *prefix,
                            struct volume **volume)
{
    static const char *const prefixes[] = {"\\??\\", "\\DOSDEVICES\\", ""};

    for (uint32_t i = 0; i < ARRAY_COUNT(prefixes); i++) {
        uint32_t n = (uint32_t)strlen(prefixes[i]);
        if (has_prefix(text, length, prefixes[i]) && length >= n + 2 && text[n + 1] == ':' &&
            (text[n] & ~0x20u) >= 'A' && (text[n] & ~0x20u) <= 'Z') {
            *prefix = n + 2;
            *volume = volume_of(text[n]);
            return *volume != NULL ? STATUS_SUCCESS : STATUS_OBJECT_PATH_NOT_FOUND;
        }
        if (n > 0 && has_prefix(text, length, prefixes[i])) {
            return lacks_separator(text + n, length - n) ? STATUS_NO_SUCH_DEVICE
                                                         : STATUS_OBJECT_PATH_NOT_FOUND;
        }
    }
    *prefix = 0;
    *volume = &fsi_volumes[0];
    return length > 0 && is_separator(text[0]) ? STATUS_SUCCESS : STATUS_OBJECT_NAME_INVALID;
}

/* Adds the component [text, text + length), or does what `.` and `..` say. */
static status_t add_component(const uint16_t *text, uint32_t length)
{
    struct path *path = &fsi_path;
    bool dots = (length == 1 || length == 2) && text[0] == '.' && text[length - 1] == '.';

    if (dots) {
        if (length == 2 && path->ncomponents > 0) {
            path->ncomponents--;
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
    if (path->ncomponents == PATH_DEPTH_MAX || length > FILE_PATH_CHARACTERS - path->text_length) {
        return STATUS_NAME_TOO_LONG;
    }
    path->components[path->ncomponents++] =
        (struct component){.start = (uint16_t)path->text_length, .length = (uint16_t)length};
    memcpy(path->text + path->text_length, text, length * sizeof(uint16_t));
    path->text_length += length;
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

/* Splits the request's path into fsi_path.components. */
static status_t parse(const struct open_request *request)
{
    struct path *path = &fsi_path;
    const uint16_t *text = request->path;
    uint32_t length = request->path_length;
    uint32_t prefix;

    path->text_length = 0;
    path->ncomponents = 0;
    if (length > FILE_PATH_CHARACTERS) {
        return STATUS_NAME_TOO_LONG;
    }
    path->ends_in_separator = length > 0 && is_separator(text[length - 1]);
    if (request->root != NULL) {
        path->volume = request->root->file->volume;
        if (!request->root->file->information.is_directory) {
            return STATUS_INVALID_PARAMETER;
        }
        if (length > 0 && is_separator(text[0])) {
            return STATUS_OBJECT_NAME_INVALID;
        }
        status_t status = split(request->root->path, request->root->path_length);
        return is_error(status) ? status : split(text, length);
    }
    status_t status = find_volume(text, length, &prefix, &path->volume);
    if (is_error(status)) {
        return status;
    }
    text += prefix;
    length -= prefix;
    if (length > 0 && !is_separator(text[0])) {
        return STATUS_OBJECT_NAME_INVALID;
    }
    return split(text, length);
}

/* Adds a name to fsi_path.disk. */
static status_t append_name(const uint16_t *name, uint32_t length)
{
    struct path *path = &fsi_path;

    if (length + 1 > FILE_PATH_CHARACTERS - path->disk_length) {
        return STATUS_NAME_TOO_LONG;
    }
    path->disk[path->disk_length++] = '\\';
    memcpy(path->disk + path->disk_length, name, length * sizeof(uint16_t));
    path->disk_length += length;
    return STATUS_SUCCESS;
}

/*
 * Looks COMPONENT up in the directory that WALKED has got to, which becomes its parent;
 * fsi_path.found gets its name on disk, *LENGTH characters.
 */
static status_t look_up(const struct component *component, struct walked *walked, uint32_t *length)
    REQUIRES(fsi.lock)
{
    struct path *path = &fsi_path;
    struct ext2 *ext2 = &walked->volume->ext2;
    const uint16_t *text = path->text + component->start;
    uint8_t wanted[EXT2_NAME_BYTES];
    uint8_t found[EXT2_NAME_BYTES];
    uint32_t wanted_bytes = 0;
    uint32_t found_bytes = 0;

    if (!name_to_utf8(text, component->length, wanted, sizeof(wanted), &wanted_bytes)) {
        return STATUS_OBJECT_NAME_NOT_FOUND; /* no name on disk is that long */
    }
    status_t status = ext2_lookup(ext2, &walked->inode, wanted, wanted_bytes, path->block, found,
                                  &found_bytes, &walked->number);
    if (is_success(status)) {
        status = ext2_read_inode(ext2, walked->number, &walked->inode);
    }
    if (is_success(status)) {
        *length = name_to_utf16(found, found_bytes, path->found);
        fsi_name_remember(walked, text, component->length, path->found, *length);
    }
    return status;
}

/* One step down, from the directory WALKED->number. */
static status_t step(const struct component *component, struct walked *walked) REQUIRES(fsi.lock)
{
    walked->parent = walked->number;
    const struct cached_name *cached = fsi_name_find(
        walked->volume, walked->parent, fsi_path.text + component->start, component->length);
    uint32_t length = 0;

    if (cached != NULL) {
        walked->number = cached->number;
        walked->inode = cached->inode;
        return append_name(cached->found, cached->found_length);
    }
    status_t status = look_up(component, walked, &length);
    return is_success(status) ? append_name(fsi_path.found, length) : status;
}

/* Where a walk begins. */
static status_t find_root(struct walked *walked) REQUIRES(fsi.lock)
{
    static const uint16_t empty[1];
    const struct cached_name *cached = fsi_name_find(walked->volume, 0, empty, 0);

    walked->parent = 0;
    walked->number = EXT2_ROOT_INODE;
    if (cached != NULL) {
        walked->inode = cached->inode;
        return STATUS_SUCCESS;
    }
    status_t status = ext2_read_inode(&walked->volume->ext2, EXT2_ROOT_INODE, &walked->inode);
    if (is_success(status) && !walked->inode.information.is_directory) {
        status = STATUS_FILE_CORRUPT_ERROR;
    }
    if (is_success(status)) {
        fsi_name_remember(walked, empty, 0, empty, 0);
    }
    return status;
}

status_t fsi_walk(const struct open_request *request, struct walked *walked)
{
    struct path *path = &fsi_path;
    status_t status = parse(request);

    if (is_error(status)) {
        return status;
    }
    walked->volume = path->volume;
    path->disk_length = 0;
    status = find_root(walked);
    for (uint32_t i = 0; i < path->ncomponents && is_success(status); i++) {
        if (!walked->inode.information.is_directory) {
            return STATUS_OBJECT_PATH_NOT_FOUND;
        }
        status = step(&path->components[i], walked);
        if (status == STATUS_OBJECT_NAME_NOT_FOUND && i + 1 < path->ncomponents) {
            return STATUS_OBJECT_PATH_NOT_FOUND;
        }
    }
    if (is_error(status)) {
        return status;
    }
    if (path->ends_in_separator && !walked->inode.information.is_directory) {
        return STATUS_OBJECT_NAME_INVALID;
    }
    if (path->disk_length == 0) {
        path->disk[path->disk_length++] = '\\';
    }
    return STATUS_SUCCESS;
}

status_t fsi_name_new(const struct walked *walked, uint8_t *bytes, struct ext2_name *name)
{
    const struct component *last = &fsi_path.components[fsi_path.ncomponents - 1];
    const uint16_t *text = fsi_path.text + last->start;

    *name = (struct ext2_name){.directory = walked->parent, .bytes = bytes};
    if (!name_to_utf8(text, last->length, bytes, EXT2_NAME_BYTES, &name->nbytes)) {
        return STATUS_OBJECT_NAME_INVALID;
    }
    return append_name(text, last->length);
}

void fsi_drop_name(void)
{
    while (fsi_path.disk_length > 0 && fsi_path.disk[--fsi_path.disk_length] != '\\') {
    }
}

status_t fsi_name_of_path(uint32_t parent, const uint16_t *path, uint32_t length, uint8_t *bytes,
                          struct ext2_name *name)
{
    uint32_t start = length;

    while (start > 0 && path[start - 1] != '\\') {
        start--;
    }
    *name = (struct ext2_name){.directory = parent, .bytes = bytes};
    return start < length &&
                   name_to_utf8(path + start, length - start, bytes, EXT2_NAME_BYTES, &name->nbytes)
               ? STATUS_SUCCESS
               : STATUS_OBJECT_NAME_NOT_FOUND;
}
