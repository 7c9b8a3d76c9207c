/*
 * user/kernel32/environment.c: environment variables and the command line.
 *
 * The environment is one block in the process parameters: NAME=value strings, each closed by a
 * zero, one more zero at the end; names compare without case. The first block came with the
 * process; a change makes a new one in the heap. The PEB lock guards the pointer.
 */
#include "user/kernel32/kernel32.h"

static WCHAR *our_block; /* the block that set_variable made last [PEB lock] */

static size_t block_length(const WCHAR *block)
{
    const WCHAR *s = block;
    while (*s) {
        s += wide_length(s) + 1;
    }
    return (size_t)(s - block) + 1;
}

/* The `NAME=value` of a name, or NULL. [PEB lock] */
static const WCHAR *find_variable(const WCHAR *name, size_t length)
{
    const WCHAR *s = this_peb()->parameters->environment;
    while (s && *s) {
        size_t n = wide_length(s);
        if (n > length && s[length] == '=' && wide_equal_insensitive(s, name, length)) {
            return s;
        }
        s += n + 1;
    }
    return NULL;
}

/* A name may begin with '=' (the directories of drives) but not hold one after that. */
static BOOL is_variable_name(const WCHAR *name)
{
    if (!name || !*name) {
        return FALSE;
    }
    for (const WCHAR *s = name + 1; *s; s++) {
        if (*s == '=') {
            return FALSE;
        }
    }
    return TRUE;
}

static BOOL set_variable(const WCHAR *name, const WCHAR *value)
{
    struct process_parameters *parameters = this_peb()->parameters;
    const WCHAR *old_block = parameters->environment ? parameters->environment : L"";
    size_t n = wide_length(name), v = value ? wide_length(value) : 0;
    const WCHAR *old = find_variable(name, n);
    if (!value && !old) {
        return TRUE;
    }
    size_t length = block_length(old_block);
    WCHAR *block = take_memory((length + n + v + 2) * sizeof(WCHAR));
    if (!block) {
        return fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    size_t before = old ? (size_t)(old - old_block) : length - 1, at = before;
    memcpy(block, old_block, before * sizeof(WCHAR));
    if (value) {
        memcpy(block + at, name, n * sizeof(WCHAR));
        block[at + n] = '=';
        memcpy(block + at + n + 1, value, (v + 1) * sizeof(WCHAR));
        at += n + v + 2;
    }
    size_t skip = before + (old ? wide_length(old) + 1 : 0);
    memcpy(block + at, old_block + skip, (length - skip) * sizeof(WCHAR));
    at += length - skip;
    release_memory(our_block);
    our_block = block;
    parameters->environment = block;
    parameters->environment_size = (ULONG)(at * sizeof(WCHAR));
    return TRUE;
}

BOOL WINAPI SetEnvironmentVariableW(const WCHAR *name, const WCHAR *value)
{
    if (!is_variable_name(name)) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    RtlAcquirePebLock();
    BOOL result = set_variable(name, value);
    RtlReleasePebLock();
    return result;
}

BOOL WINAPI SetEnvironmentVariableA(const char *name, const char *value)
{
    WCHAR *wide_name = wide_from_ansi(name);
    WCHAR *wide_value = value ? wide_from_ansi(value) : NULL;
    BOOL result =
        wide_name && (wide_value || !value) && SetEnvironmentVariableW(wide_name, wide_value);
    release_memory(wide_name);
    release_memory(wide_value);
    return result;
}

DWORD WINAPI GetEnvironmentVariableW(const WCHAR *name, WCHAR *buffer, DWORD size)
{
    DWORD result = 0;
    RtlAcquirePebLock();
    const WCHAR *found = name ? find_variable(name, wide_length(name)) : NULL;
    if (found) {
        found += wide_length(name) + 1;
        result = give_wide(found, (DWORD)wide_length(found), buffer, size);
    } else {
        SetLastError(ERROR_ENVVAR_NOT_FOUND);
    }
    RtlReleasePebLock();
    return result;
}

DWORD WINAPI GetEnvironmentVariableA(const char *name, char *buffer, DWORD size)
{
    WCHAR *wide = wide_from_ansi(name);
    DWORD result = 0;
    if (!wide) {
        return 0;
    }
    RtlAcquirePebLock();
    size_t length = wide_length(wide);
    const WCHAR *found = find_variable(wide, length);
    if (found) {
        found += length + 1;
        result = give_ansi(found, (DWORD)wide_length(found), buffer, size);
    } else {
        SetLastError(ERROR_ENVVAR_NOT_FOUND);
    }
    RtlReleasePebLock();
    release_memory(wide);
    return result;
}

/* The process's environment and its length in characters, 0 at its end. => PEB lock held. */
static const WCHAR *own_block(size_t *length)
{
    const struct process_parameters *parameters = this_peb()->parameters;
    *length = parameters->environment_size / sizeof(WCHAR);
    if (!parameters->environment || !*length) {
        *length = 1;
        return L"";
    }
    return parameters->environment;
}

WCHAR *WINAPI GetEnvironmentStringsW(void)
{
    size_t length;
    RtlAcquirePebLock();
    const WCHAR *block = own_block(&length);
    WCHAR *copy = take_memory(length * sizeof(WCHAR));
    if (copy) {
        memcpy(copy, block, length * sizeof(WCHAR));
    } else {
        fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    RtlReleasePebLock();
    return copy;
}

/* Both GetEnvironmentStringsA and the old name GetEnvironmentStrings. */
char *WINAPI GetEnvironmentStringsA(void)
{
    size_t length;
    RtlAcquirePebLock();
    const WCHAR *block = own_block(&length);
    char *copy = take_memory(length);
    if (copy) {
        WideCharToMultiByte(CP_ACP, 0, block, (int)length, copy, (int)length, NULL, NULL);
    } else {
        fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    RtlReleasePebLock();
    return copy;
}

BOOL WINAPI FreeEnvironmentStringsW(WCHAR *block)
{
    release_memory(block);
    return TRUE;
}

BOOL WINAPI FreeEnvironmentStringsA(char *block)
{
    release_memory(block);
    return TRUE;
}

DWORD WINAPI ExpandEnvironmentStringsW(const WCHAR *source, WCHAR *buffer, DWORD size)
{
    DWORD done = 0;
    RtlAcquirePebLock();
    for (const WCHAR *s = source; *s;) {
        size_t n = 0;
        const WCHAR *found = NULL;
        if (*s == '%') {
            while (s[n + 1] && s[n + 1] != '%') {
                n++;
            }
            found = n && s[n + 1] == '%' ? find_variable(s + 1, n) : NULL;
        }
        const WCHAR *text = found ? found + n + 1 : s;
        size_t count = found ? wide_length(text) : 1;
        for (size_t i = 0; i < count; i++, done++) {
            if (done + 1 < size) {
                buffer[done] = text[i];
            }
        }
        s += found ? n + 2 : 1;
    }
    RtlReleasePebLock();
    if (size) {
        buffer[done < size ? done : size - 1] = 0;
    }
    return done + 1;
}

DWORD WINAPI ExpandEnvironmentStringsA(const char *source, char *buffer, DWORD size)
{
    WCHAR *wide = wide_from_ansi(source);
    if (!wide) {
        return 0;
    }
    DWORD need = ExpandEnvironmentStringsW(wide, NULL, 0);
    WCHAR *expanded = take_memory(need * sizeof(WCHAR));
    if (expanded) {
        ExpandEnvironmentStringsW(wide, expanded, need);
        give_ansi(expanded, need - 1, buffer, size);
        release_memory(expanded);
    }
    release_memory(wide);
    return need;
}

WCHAR *WINAPI GetCommandLineW(void)
{
    return this_peb()->parameters->command_line.Buffer;
}

char *WINAPI GetCommandLineA(void)
{
    static char *volatile line;
    if (!line) {
        char *made = ansi_from_wide(GetCommandLineW());
        if (made && InterlockedCompareExchangePointer((void *volatile *)&line, made, NULL)) {
            release_memory(made);
        }
    }
    return line;
}
