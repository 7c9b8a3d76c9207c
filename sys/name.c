/*
 * sys/name.c: object names and OBJECT_ATTRIBUTES, read from user memory exactly once.
 *
 * A path is `\BaseNamedObjects\name`; each type keeps names of its own below that one directory.
 * The directory part is checked and dropped while it is read, so every byte of user memory is read
 * once and what was checked is what is used. Comparison is exact, or without regard to the case of
 * ASCII letters when the caller says OBJ_CASE_INSENSITIVE; the hash never regards case.
 *
 * `\KnownDlls\name` can only be opened: the kernel's own sections of the system's DLLs. Their names
 * keep the backslash, which no other name can have.
 */
#include "sys/name.h"

#include "abi/constants.h"
#include "abi/process.h"
#include "kernel/string.h"
#include "kernel/usercopy.h"
#include "mm/pool.h"
#include "sys/handle.h"
#include "sys/object.h"

void object_name_free(struct object_name *name)
{
    if (name != NULL) {
        mm_free(name, object_name_nbytes(name));
    }
}

static uint16_t fold(uint16_t character)
{
    return character >= 'a' && character <= 'z' ? (uint16_t)(character - 32) : character;
}

static void name_hash(struct object_name *name)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (uint32_t i = 0; i < name->length; i++) {
        hash = (hash ^ fold(name->characters[i])) * 16777619u;
    }
    name->hash = hash;
}

static struct object_name *name_allocate(uint32_t length)
{
    struct object_name *name = mm_allocate((uint32_t)sizeof(struct object_name) + length * 2u);
    if (name != NULL) {
        list_init(&name->link);
        name->length = length;
    }
    return name;
}

struct object_name *object_name_make(const char *text)
{
    uint32_t length = (uint32_t)strlen(text);
    struct object_name *name = name_allocate(length);
    if (name != NULL) {
        for (uint32_t i = 0; i < length; i++) {
            name->characters[i] = (uint8_t)text[i];
        }
        name_hash(name);
    }
    return name;
}

bool object_name_equal(const struct object_name *a, const struct object_name *b, bool fold_case)
{
    if (a->hash != b->hash || a->length != b->length) {
        return false;
    }
    if (!fold_case) {
        return memcmp(a->characters, b->characters, a->length * 2u) == 0;
    }
    for (uint32_t i = 0; i < a->length; i++) {
        uint16_t one = a->characters[i];
        uint16_t other = b->characters[i];
        if (one != other && fold(one) != fold(other)) {
            return false;
        }
    }
    return true;
}

/* A path of LENGTH characters that is not below the directory; HEAD holds its first ones. */
static status_t foreign_path_status(const uint16_t *head, uint32_t nhead, uaddr_t buffer,
                                    uint32_t length, enum name_purpose purpose)
{
    if (head[0] != u'\\' || (length > 1 && head[1] == u'\\')) {
        return STATUS_OBJECT_PATH_SYNTAX_BAD;
    }
    bool is_directory = length == NAME_DIRECTORY_LENGTH - 1u &&
                        memcmp(head, NAME_DIRECTORY, (NAME_DIRECTORY_LENGTH - 1u) * 2u) == 0;
    if (length == 1 || is_directory) {
        return STATUS_OBJECT_TYPE_MISMATCH;
    }
    for (uint32_t i = 1; i < length; i++) {
        uint16_t character = i < nhead ? head[i] : 0;
        if (i >= nhead) {
            status_t status =
                copy_from_user(&character, (uaddr_t){buffer.v + i * 2u}, sizeof(character));
            if (is_error(status)) {
                return status;
            }
        }
        if (character == u'\\') {
            return STATUS_OBJECT_PATH_NOT_FOUND;
        }
    }
    return purpose == NAME_OPEN ? STATUS_OBJECT_NAME_NOT_FOUND : STATUS_ACCESS_DENIED;
}

/* What follows the directory: one component. */
static status_t check_component(const struct object_name *name)
{
    if (name->characters[0] == u'\\') {
        return STATUS_OBJECT_NAME_INVALID; /* a component with nothing in it */
    }
    for (uint32_t i = 1; i < name->length; i++) {
        if (name->characters[i] == u'\\') {
            return STATUS_OBJECT_PATH_NOT_FOUND;
        }
    }
    return STATUS_SUCCESS;
}

/* The path of LENGTH > 0 characters at BUFFER, whose directory part is dropped. */
static status_t capture_path(uaddr_t buffer, uint32_t length, enum name_purpose purpose,
                             struct object_name **result)
{
    uint16_t head[NAME_DIRECTORY_LENGTH];
    uint32_t nhead = min_u32(length, NAME_DIRECTORY_LENGTH);
    uint32_t dropped = NAME_DIRECTORY_LENGTH;
    status_t status = copy_from_user(head, buffer, nhead * 2u);
    if (is_error(status)) {
        return status;
    }
    bool is_known = purpose == NAME_OPEN && length > KNOWN_DIRECTORY_LENGTH &&
                    memcmp(head, KNOWN_DIRECTORY, KNOWN_DIRECTORY_LENGTH * 2u) == 0;
    if (is_known) {
        dropped = KNOWN_DIRECTORY_LENGTH - 1u;
    } else if (nhead < NAME_DIRECTORY_LENGTH ||
               memcmp(head, NAME_DIRECTORY, NAME_DIRECTORY_LENGTH * 2u) != 0) {
        return foreign_path_status(head, nhead, buffer, length, purpose);
    } else if (length == NAME_DIRECTORY_LENGTH) {
        return STATUS_OBJECT_TYPE_MISMATCH; /* the directory itself (NAM15) */
    }
    struct object_name *name = name_allocate(length - dropped);
    if (name == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    status =
        copy_from_user(name->characters, (uaddr_t){buffer.v + dropped * 2u}, name->length * 2u);
    if (is_success(status) && !is_known) {
        status = check_component(name);
    }
    if (is_error(status)) {
        object_name_free(name);
        return status;
    }
    name_hash(name);
    *result = name;
    return STATUS_SUCCESS;
}

static status_t read_attributes(uaddr_t address, struct nt_object_attributes *attributes)
{
    status_t status = copy_from_user(attributes, address, sizeof(*attributes));
    if (is_success(status) && attributes->length != sizeof(*attributes)) {
        status = STATUS_INVALID_PARAMETER;
    }
    return status;
}

/*
 * A name below a root: there is one directory, and nobody has a handle to it. The name is read all
 * the same, since one that cannot be read is reported before the handle.
 */
static status_t refuse_root(uint32_t root, uaddr_t buffer, uint32_t length)
{
    struct object_name *name = name_allocate(length);
    struct object *object;
    if (name == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    status_t status = copy_from_user(name->characters, buffer, length * 2u);
    object_name_free(name);
    if (is_success(status)) {
        status = ob_reference(root, NULL, 0, &object);
    }
    if (is_error(status)) {
        return status;
    }
    ob_unref(object);
    return STATUS_OBJECT_TYPE_MISMATCH;
}

status_t capture_attributes(uaddr_t address, enum name_purpose purpose,
                            struct object_attributes *captured)
{
    captured->attributes = 0;
    captured->name = NULL;
    if (address.v == 0) {
        return purpose == NAME_CREATE ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
    }
    struct nt_object_attributes attributes;
    struct nt_unicode_string string = {0, 0, 0};
    status_t status = read_attributes(address, &attributes);
    if (is_success(status) && attributes.object_name != 0) {
        status = copy_from_user(&string, (uaddr_t){attributes.object_name}, sizeof(string));
    }
    if (is_error(status)) {
        return status;
    }
    captured->attributes = attributes.attributes;
    if (attributes.object_name == 0 && attributes.root_directory != 0) {
        return STATUS_OBJECT_NAME_INVALID;
    }
    if (string.length == 0 && (purpose == NAME_CREATE || attributes.root_directory == 0)) {
        return purpose == NAME_CREATE ? STATUS_SUCCESS : STATUS_OBJECT_PATH_SYNTAX_BAD;
    }
    if (string.length % 2u != 0 || string.length > NAME_NBYTES_MAX) {
        return STATUS_OBJECT_NAME_INVALID;
    }
    if (string.buffer % 2u != 0) {
        return STATUS_DATATYPE_MISALIGNMENT;
    }
    if (attributes.root_directory != 0) {
        return refuse_root(attributes.root_directory, (uaddr_t){string.buffer}, string.length / 2u);
    }
    return capture_path((uaddr_t){string.buffer}, string.length / 2u, purpose, &captured->name);
}

status_t capture_flags(uaddr_t address, uint32_t *attributes)
{
    *attributes = 0;
    if (address.v == 0) {
        return STATUS_SUCCESS;
    }
    struct nt_object_attributes captured;
    status_t status = read_attributes(address, &captured);
    if (is_success(status)) {
        *attributes = captured.attributes;
    }
    return status;
}

status_t capture_string(uaddr_t unicode_string, uint32_t limit, uint16_t **text, uint32_t *nbytes)
{
    struct nt_unicode_string string;
    status_t status = copy_from_user(&string, unicode_string, sizeof(string));
    if (is_error(status)) {
        return status;
    }
    *text = NULL;
    *nbytes = 0;
    if (string.length == 0) {
        return STATUS_SUCCESS;
    }
    if (string.length % 2u != 0) {
        return STATUS_OBJECT_NAME_INVALID;
    }
    if (string.buffer % 2u != 0) {
        return STATUS_DATATYPE_MISALIGNMENT;
    }
    if (string.length > limit) {
        return STATUS_NAME_TOO_LONG;
    }
    uint16_t *copy = mm_allocate(string.length);
    if (copy == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    status = copy_from_user(copy, (uaddr_t){string.buffer}, string.length);
    if (is_error(status)) {
        mm_free(copy, string.length);
        return status;
    }
    *text = copy;
    *nbytes = string.length;
    return STATUS_SUCCESS;
}
