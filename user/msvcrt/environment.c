/*
 * user/msvcrt/environment.c: environment variables: getenv, putenv, _environ.
 *
 * _environ is an array of "NAME=value" made from the process's environment when the library starts,
 * and kept with it afterwards; _wenviron is made when it is first asked for.
 * Lock: ENVIRONMENT_LOCK.
 */
#include "user/msvcrt/msvcrt.h"

char **crt_environ;
wchar_t **crt_wenviron;

/* The environment as an array of wide strings, without the directories of drives (=C:=...). */
static wchar_t **make_wide(void)
{
    wchar_t *block = GetEnvironmentStringsW();
    size_t count = 0, at = 0;
    if (!block) {
        return NULL;
    }
    for (const wchar_t *s = block; *s; s += wcslen(s) + 1) {
        count++;
    }
    wchar_t **list = calloc(count + 1, sizeof(*list));
    for (const wchar_t *s = block; list && *s; s += wcslen(s) + 1) {
        if (*s != '=') {
            list[at++] = _wcsdup(s);
        }
    }
    FreeEnvironmentStringsW(block);
    return list;
}

static void free_list(void **list)
{
    for (size_t i = 0; list && list[i]; i++) {
        free(list[i]);
    }
    free(list);
}

/* The same as an array of narrow strings, which stay in the block that kernel32 gave. */
static char **make_narrow(void)
{
    char *block = GetEnvironmentStringsA();
    size_t count = 0, room = 32;
    char **list = block ? malloc(room * sizeof(*list)) : NULL;
    for (char *s = block; list && *s; s += strlen(s) + 1) {
        if (count + 1 == room) {
            room *= 2;
            char **longer = realloc(list, room * sizeof(*list));
            if (!longer) {
                free(list);
            }
            list = longer;
        }
        if (list && *s != '=') {
            list[count++] = s;
        }
    }
    if (list) {
        list[count] = NULL;
    } else if (block) {
        FreeEnvironmentStringsA(block);
    }
    return list;
}

int environment_start(void)
{
    crt_environ = make_narrow();
    return crt_environ != NULL;
}

char **environment_narrow(void)
{
    return crt_environ;
}

wchar_t **environment_wide(void)
{
    _lock(ENVIRONMENT_LOCK);
    if (!crt_wenviron) {
        crt_wenviron = make_wide();
    }
    _unlock(ENVIRONMENT_LOCK);
    return crt_wenviron;
}

char *getenv(const char *name)
{
    size_t n = strlen(name);
    char *found = NULL;
    _lock(ENVIRONMENT_LOCK);
    for (char **e = crt_environ; e && *e && !found; e++) {
        if (!_strnicmp(*e, name, n) && (*e)[n] == '=') {
            found = *e + n + 1;
        }
    }
    _unlock(ENVIRONMENT_LOCK);
    return found;
}

wchar_t *_wgetenv(const wchar_t *name)
{
    size_t n = wcslen(name);
    for (wchar_t **e = environment_wide(); e && *e; e++) {
        if (!_wcsnicmp(*e, name, n) && (*e)[n] == '=') {
            return *e + n + 1;
        }
    }
    return NULL;
}

errno_t getenv_s(size_t *length, char *buffer, size_t size, const char *name)
{
    const char *value = getenv(name);
    *length = value ? strlen(value) + 1 : 0;
    if (size) {
        buffer[0] = 0;
    }
    if (value && size) {
        return strcpy_s(buffer, size, value);
    }
    return 0;
}

/* Both arrays anew. Strings given out by getenv stay, as programs keep them. [ENVIRONMENT_LOCK] */
static int refresh(void)
{
    wchar_t **wide = make_wide();
    if (!wide) {
        return -1;
    }
    char **list = make_narrow();
    if (crt_wenviron) {
        crt_wenviron = wide;
    } else {
        free_list((void **)wide);
    }
    if (list) {
        crt_environ = list;
    }
    return list ? 0 : -1;
}

int _wputenv(const wchar_t *text)
{
    const wchar_t *equals = wcschr(text, '=');
    if (!equals || equals == text) {
        return fail_with(EINVAL);
    }
    wchar_t *name = _wcsdup(text);
    if (!name) {
        return -1;
    }
    name[equals - text] = 0;
    _lock(ENVIRONMENT_LOCK);
    BOOL done = SetEnvironmentVariableW(name, equals[1] ? equals + 1 : NULL);
    int result = done || (!equals[1] && GetLastError() == ERROR_ENVVAR_NOT_FOUND) ? refresh() : -1;
    _unlock(ENVIRONMENT_LOCK);
    free(name);
    return result;
}

int _putenv(const char *text)
{
    wchar_t *wide = widen(text);
    int result = wide ? _wputenv(wide) : -1;
    free(wide);
    return result;
}

errno_t _putenv_s(const char *name, const char *value)
{
    char *text = malloc(strlen(name) + strlen(value) + 2);
    if (!text) {
        return ENOMEM;
    }
    strcpy(text, name);
    strcat(text, "=");
    strcat(text, value);
    int result = _putenv(text);
    free(text);
    return result ? errno : 0;
}

char ***__p__environ(void)
{
    return &crt_environ;
}

wchar_t ***__p__wenviron(void)
{
    environment_wide();
    return &crt_wenviron;
}
