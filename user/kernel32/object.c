/*
 * user/kernel32/object.c: the names of sections, events, mutexes and semaphores.
 *
 * A name `x` is `\BaseNamedObjects\x` for the kernel, where each type has its own name space. The
 * names of sections are taken as they are: a backslash at the beginning is a bad path, one inside
 * is a path that is not found. Events, mutexes and semaphores may begin with `Global\` or `Local\`,
 * exactly so spelt, which say nothing here and are cut off.
 */
#include "user/kernel32/kernel32.h"

#define DIRECTORY L"\\BaseNamedObjects\\"

/* The name without its prefix, when the rule cuts prefixes off. */
static const WCHAR *cut_prefix(const WCHAR *name, enum name_rule rule)
{
    static const WCHAR global[] = L"Global\\", local[] = L"Local\\";
    size_t length = wide_length(name);
    if (rule == SECTION_NAME) {
        return name;
    }
    if (length >= COUNT_OF(global) - 1 && !memcmp(name, global, sizeof(global) - sizeof(WCHAR))) {
        return name + COUNT_OF(global) - 1;
    }
    if (length >= COUNT_OF(local) - 1 && !memcmp(name, local, sizeof(local) - sizeof(WCHAR))) {
        return name + COUNT_OF(local) - 1;
    }
    return name;
}

static DWORD check_name(const WCHAR *name)
{
    if (*name == '\\') {
        return ERROR_BAD_PATHNAME;
    }
    for (; *name; name++) {
        if (*name == '\\') {
            return ERROR_PATH_NOT_FOUND;
        }
    }
    return NO_ERROR;
}

static BOOL set_name(struct object_name *object, const WCHAR *name, enum name_rule rule)
{
    name = cut_prefix(name, rule);
    DWORD error = check_name(name);
    size_t directory = sizeof(DIRECTORY) - sizeof(WCHAR);
    size_t nbytes = wide_length(name) * sizeof(WCHAR);
    if (error) {
        return fail(error);
    }
    if (directory + nbytes > 0xFFFC) {
        return fail(ERROR_FILENAME_EXCED_RANGE);
    }
    WCHAR *buffer = take_memory(directory + nbytes + sizeof(WCHAR));
    if (!buffer) {
        return fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    memcpy(buffer, DIRECTORY, directory);
    memcpy(buffer + directory / sizeof(WCHAR), name, nbytes + sizeof(WCHAR));
    wide_string(&object->name, buffer);
    object->attributes.ObjectName = &object->name;
    object->in_heap = TRUE;
    return TRUE;
}

static void set_attributes(struct object_name *object, BOOL inherit, ULONG more)
{
    object->attributes = (OBJECT_ATTRIBUTES){
        .Length = sizeof(OBJECT_ATTRIBUTES),
        .Attributes = (inherit ? OBJ_INHERIT : 0) | more,
    };
    object->in_heap = FALSE;
}

/*
 * Object attributes for creating; a NULL or empty name makes an unnamed object.
 * => object_name_done afterwards; FALSE with the last error, and nothing to undo
 */
BOOL object_name_create(struct object_name *object, const SECURITY_ATTRIBUTES *security,
                        const WCHAR *name, enum name_rule rule)
{
    set_attributes(object, security && security->bInheritHandle, OBJ_OPENIF);
    return !name || !*name || set_name(object, name, rule);
}

/*
 * Object attributes for opening: the name must be there. An empty one names the directory itself,
 * which is no object of any type that is asked for.
 */
BOOL object_name_open(struct object_name *object, BOOL inherit, const WCHAR *name,
                      enum name_rule rule)
{
    if (!name) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    if (!*name) {
        return fail(ERROR_INVALID_HANDLE);
    }
    set_attributes(object, inherit, 0);
    return set_name(object, name, rule);
}

void object_name_done(struct object_name *object)
{
    if (object->in_heap) {
        release_memory(object->name.Buffer);
    }
}

/* The name of an ANSI caller in UTF-16; names that long do not fit. */
BOOL object_name_wide(const char *name, WCHAR buffer[MAX_PATH])
{
    if (!MultiByteToWideChar(CP_ACP, 0, name, -1, buffer, MAX_PATH)) {
        return fail(ERROR_FILENAME_EXCED_RANGE);
    }
    return TRUE;
}

/*
 * The result of a creating call: the last error is 0, or ERROR_ALREADY_EXISTS when the object was
 * there before.
 */
HANDLE created(NTSTATUS status, HANDLE handle)
{
    if (!NT_SUCCESS(status)) {
        finish(status);
        return NULL;
    }
    SetLastError(status == STATUS_OBJECT_NAME_EXISTS ? ERROR_ALREADY_EXISTS : NO_ERROR);
    return handle;
}
