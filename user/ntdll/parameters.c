/*
 * user/ntdll/parameters.c: process parameters and the environment.
 *
 * An environment is a run of "NAME=value", each closed by a zero, with one more zero at the end.
 * Names are compared without regard to case; a name may begin with "=". The process's own lies
 * where the kernel put it until it first grows; then in the heap. The PEB lock guards it.
 */
#include "user/ntdll/loader.h"

#define PARAMETER_ALIGN 4u

/* The process's environment, when it is ours to free. */
static WCHAR *own_environment;

/*
 * Environment blocks
 */

static size_t environment_characters(const WCHAR *environment)
{
    const WCHAR *at = environment;

    while (*at) {
        at += wcslen(at) + 1;
    }
    return (size_t)(at - environment) + (at == environment ? 2 : 1);
}

/* The entry of NAME (length in characters); NULL. *VALUE: behind its "=". */
static WCHAR *find_variable(WCHAR *environment, const WCHAR *name, size_t length, WCHAR **value)
{
    for (WCHAR *at = environment; at && *at; at += wcslen(at) + 1) {
        WCHAR *equals = wcschr(at + 1, L'=');
        if (equals && (size_t)(equals - at) == length &&
            RtlCompareUnicodeStrings(at, length, name, length, TRUE) == 0) {
            *value = equals + 1;
            return at;
        }
    }
    return NULL;
}

NTSTATUS NTAPI RtlCreateEnvironment(BOOLEAN inherit, WCHAR **environment)
{
    NTSTATUS status = STATUS_NO_MEMORY;

    RtlAcquirePebLock();
    const WCHAR *source = inherit ? this_peb()->parameters->environment : L"\0";
    size_t nbytes = environment_characters(source ? source : L"\0") * sizeof(WCHAR);
    *environment = heap_take(nbytes);
    if (*environment) {
        memcpy(*environment, source ? source : L"\0", nbytes);
        status = STATUS_SUCCESS;
    }
    RtlReleasePebLock();
    return status;
}

NTSTATUS NTAPI RtlDestroyEnvironment(WCHAR *environment)
{
    heap_give(environment);
    return STATUS_SUCCESS;
}

/* Lengths in characters. *RETURNED: of the value; with its zero when VALUE is too short. */
NTSTATUS NTAPI RtlQueryEnvironmentVariable(WCHAR *environment, const WCHAR *name,
                                           SIZE_T name_length, WCHAR *value, SIZE_T value_length,
                                           SIZE_T *returned)
{
    NTSTATUS status = STATUS_VARIABLE_NOT_FOUND;
    WCHAR *found;

    RtlAcquirePebLock();
    if (find_variable(environment ? environment : this_peb()->parameters->environment, name,
                      name_length, &found)) {
        size_t length = wcslen(found);
        status = length <= value_length ? STATUS_SUCCESS : STATUS_BUFFER_TOO_SMALL;
        *returned = length + (NT_SUCCESS(status) ? 0 : 1);
        if (NT_SUCCESS(status)) {
            memcpy(value, found, (length + (length < value_length)) * sizeof(WCHAR));
        }
    }
    RtlReleasePebLock();
    return status;
}

NTSTATUS NTAPI RtlQueryEnvironmentVariable_U(WCHAR *environment, UNICODE_STRING *name,
                                             UNICODE_STRING *value)
{
    SIZE_T length = 0;
    NTSTATUS status =
        RtlQueryEnvironmentVariable(environment, name->Buffer, name->Length / sizeof(WCHAR),
                                    value->Buffer, value->MaximumLength / sizeof(WCHAR), &length);

    if (status == STATUS_BUFFER_TOO_SMALL) {
        length--;
    }
    if (status != STATUS_VARIABLE_NOT_FOUND) {
        value->Length = (USHORT)(length * sizeof(WCHAR));
    }
    return status;
}

/* Whether there is a "=" in NAME past its first character. */
static bool has_equals(const UNICODE_STRING *name)
{
    for (size_t i = 1; i < name->Length / sizeof(WCHAR); i++) {
        if (name->Buffer[i] == L'=') {
            return true;
        }
    }
    return false;
}

/* A copy of OLD without the entry at REMOVED (or NULL), with NAME=VALUE (or VALUE NULL). */
static WCHAR *rebuild(const WCHAR *old, const WCHAR *removed, const UNICODE_STRING *name,
                      const UNICODE_STRING *value)
{
    size_t characters = environment_characters(old);
    size_t extra = value ? (name->Length + value->Length) / sizeof(WCHAR) + 2 : 0;
    WCHAR *block = heap_take((characters + extra) * sizeof(WCHAR));
    WCHAR *to = block;

    if (!block) {
        return NULL;
    }
    for (const WCHAR *at = old; *at; at += wcslen(at) + 1) {
        if (at != removed) {
            wcscpy(to, at);
            to += wcslen(at) + 1;
        }
    }
    if (value) {
        memcpy(to, name->Buffer, name->Length);
        to += name->Length / sizeof(WCHAR);
        *to++ = L'=';
        memcpy(to, value->Buffer, value->Length);
    }
    return block;
}

/*
 * VALUE NULL removes the variable. ENVIRONMENT NULL: the process's own; else *ENVIRONMENT is a
 * block of RtlCreateEnvironment, replaced by another.
 */
NTSTATUS NTAPI RtlSetEnvironmentVariable(WCHAR **environment, UNICODE_STRING *name,
                                         UNICODE_STRING *value)
{
    struct process_parameters *parameters = this_peb()->parameters;
    NTSTATUS status = STATUS_SUCCESS;
    WCHAR *unused;

    if (name->Length < sizeof(WCHAR) || has_equals(name)) {
        return STATUS_INVALID_PARAMETER;
    }
    RtlAcquirePebLock();
    WCHAR *old = environment ? *environment : parameters->environment;
    WCHAR *entry = find_variable(old, name->Buffer, name->Length / sizeof(WCHAR), &unused);
    if (entry || value) {
        WCHAR *block = rebuild(old ? old : L"\0", entry, name, value);
        if (!block) {
            status = STATUS_NO_MEMORY;
        } else if (environment) {
            heap_give(old);
            *environment = block;
        } else {
            heap_give(own_environment);
            own_environment = block;
            parameters->environment = block;
            parameters->environment_size = (ULONG)(environment_characters(block) * sizeof(WCHAR));
        }
    } else {
        status = STATUS_VARIABLE_NOT_FOUND;
    }
    RtlReleasePebLock();
    return status;
}

struct expansion {
    WCHAR *text;
    size_t room;
    size_t length; /* what it takes, also past the room */
};

static void add(struct expansion *expansion, const WCHAR *text, size_t length)
{
    for (size_t i = 0; i < length; i++, expansion->length++) {
        if (expansion->length < expansion->room) {
            expansion->text[expansion->length] = text[i];
        }
    }
}

/* %NAME% becomes its value; an unknown name stays as it is. *RETURNED: bytes, with the zero. */
NTSTATUS NTAPI RtlExpandEnvironmentStrings_U(WCHAR *environment, UNICODE_STRING *source,
                                             UNICODE_STRING *destination, ULONG *returned)
{
    struct expansion expansion = {destination->Buffer, destination->MaximumLength / sizeof(WCHAR),
                                  0};
    const WCHAR *text = source->Buffer;
    size_t count = source->Length / sizeof(WCHAR);

    RtlAcquirePebLock();
    for (size_t at = 0; at < count;) {
        size_t end = at + 1;
        WCHAR *value;
        while (text[at] == L'%' && end < count && text[end] != L'%') {
            end++;
        }
        if (text[at] == L'%' && end < count &&
            find_variable(environment ? environment : this_peb()->parameters->environment,
                          text + at + 1, end - at - 1, &value)) {
            add(&expansion, value, wcslen(value));
            at = end + 1;
        } else {
            add(&expansion, text + at, 1);
            at++;
        }
    }
    RtlReleasePebLock();
    size_t length = expansion.length;
    add(&expansion, L"", 1);
    if (returned) {
        *returned = (ULONG)(expansion.length * sizeof(WCHAR));
    }
    if (expansion.length > expansion.room) {
        return STATUS_BUFFER_TOO_SMALL;
    }
    destination->Length = (USHORT)(length * sizeof(WCHAR));
    return STATUS_SUCCESS;
}

/*
 * Process parameters: one block of the heap, strings behind the structure.
 */

static size_t rounded(size_t nbytes)
{
    return (nbytes + PARAMETER_ALIGN - 1) & ~(size_t)(PARAMETER_ALIGN - 1);
}

static void place_string(char **at, UNICODE_STRING *to, const UNICODE_STRING *from,
                         USHORT maximum_length)
{
    to->Length = from->Length;
    to->MaximumLength = maximum_length;
    to->Buffer = (WCHAR *)(void *)*at;
    memcpy(to->Buffer, from->Buffer, from->Length);
    *at += rounded(maximum_length);
}

/*
 * Strings that are NULL: the DLL path and the directory of the calling process; else empty. The
 * environment is copied (NULL: the caller's). The result is normalized (absolute pointers),
 * whatever FLAGS say: the kernel takes it so.
 */
NTSTATUS NTAPI RtlCreateProcessParametersEx(struct process_parameters **result,
                                            UNICODE_STRING *image_path, UNICODE_STRING *dll_path,
                                            UNICODE_STRING *current_directory,
                                            UNICODE_STRING *command_line, WCHAR *environment,
                                            UNICODE_STRING *title, UNICODE_STRING *desktop,
                                            UNICODE_STRING *shell, UNICODE_STRING *runtime,
                                            ULONG flags)
{
    static const UNICODE_STRING empty = {0, sizeof(WCHAR), (WCHAR *)(uintptr_t)L""};
    struct process_parameters *own = this_peb()->parameters;
    NTSTATUS status = STATUS_NO_MEMORY;

    (void)flags;
    RtlAcquirePebLock();
    const UNICODE_STRING *sources[] = {
        current_directory ? current_directory : &own->current_directory,
        dll_path ? dll_path : &own->dll_path,
        image_path,
        command_line ? command_line : image_path,
        title ? title : &empty,
        desktop ? desktop : &empty,
        shell ? shell : &empty,
        runtime ? runtime : &empty,
    };
    const WCHAR *variables = environment ? environment : own->environment;
    size_t environment_bytes =
        environment_characters(variables ? variables : L"\0") * sizeof(WCHAR);
    size_t nbytes = rounded(sizeof(*own)) + environment_bytes;
    for (unsigned i = 0; i < 8; i++) {
        nbytes += rounded(sources[i]->Length + sizeof(WCHAR));
    }
    struct process_parameters *made = heap_take(nbytes);
    if (made) {
        UNICODE_STRING *targets[] = {
            &made->current_directory, &made->dll_path,     &made->image_path, &made->command_line,
            &made->window_title,      &made->desktop_info, &made->shell_info, &made->runtime_data,
        };
        char *at = (char *)made + rounded(sizeof(*made));
        made->maximum_length = (ULONG)nbytes;
        made->length = (ULONG)nbytes;
        made->flags = PARAMETERS_NORMALIZED;
        made->console_flags = own->console_flags;
        made->console = own->console;
        for (unsigned i = 0; i < 8; i++) {
            place_string(&at, targets[i], sources[i], (USHORT)(sources[i]->Length + sizeof(WCHAR)));
        }
        made->environment = (WCHAR *)(void *)at;
        made->environment_size = (ULONG)environment_bytes;
        memcpy(at, variables ? variables : L"\0", environment_bytes);
        *result = made;
        status = STATUS_SUCCESS;
    }
    RtlReleasePebLock();
    return status;
}

NTSTATUS NTAPI RtlCreateProcessParameters(struct process_parameters **result,
                                          UNICODE_STRING *image_path, UNICODE_STRING *dll_path,
                                          UNICODE_STRING *current_directory,
                                          UNICODE_STRING *command_line, WCHAR *environment,
                                          UNICODE_STRING *title, UNICODE_STRING *desktop,
                                          UNICODE_STRING *shell, UNICODE_STRING *runtime)
{
    return RtlCreateProcessParametersEx(result, image_path, dll_path, current_directory,
                                        command_line, environment, title, desktop, shell, runtime,
                                        PARAMETERS_NORMALIZED);
}

NTSTATUS NTAPI RtlDestroyProcessParameters(struct process_parameters *parameters)
{
    heap_give(parameters);
    return STATUS_SUCCESS;
}

/* Parameters are always normalized here. */
struct process_parameters *NTAPI RtlNormalizeProcessParams(struct process_parameters *parameters)
{
    return parameters;
}

struct process_parameters *NTAPI RtlDeNormalizeProcessParams(struct process_parameters *parameters)
{
    return parameters;
}
