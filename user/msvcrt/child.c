/*
 * user/msvcrt/child.c: other programs: spawn, exec, system, popen.
 *
 * There is no command interpreter of cmd's kind: system and _popen run the program that the command
 * names, with its arguments, and no redirection.
 */
#include "user/msvcrt/msvcrt.h"

#include <process.h>

/* The arguments with blanks between. As in Microsoft's library, quoting is the caller's. */
static wchar_t *command_line(const wchar_t *const *argv)
{
    size_t length = 1;
    for (size_t i = 0; argv[i]; i++) {
        length += wcslen(argv[i]) + 1;
    }
    wchar_t *line = malloc(length * sizeof(wchar_t));
    if (line) {
        line[0] = 0;
        for (size_t i = 0; argv[i]; i++) {
            wcscat(line, i ? L" " : L"");
            wcscat(line, argv[i]);
        }
    }
    return line;
}

static wchar_t *environment_block(const wchar_t *const *environment)
{
    size_t length = 2;
    for (size_t i = 0; environment[i]; i++) {
        length += wcslen(environment[i]) + 1;
    }
    wchar_t *block = calloc(length, sizeof(wchar_t)), *to = block;
    for (size_t i = 0; block && environment[i]; i++) {
        wcscpy(to, environment[i]);
        to += wcslen(to) + 1;
    }
    return block;
}

/* Starts a program; the process's handle, or NULL with errno. */
static HANDLE start(const wchar_t *application, wchar_t *line, const wchar_t *const *environment)
{
    STARTUPINFOW startup = {.cb = sizeof(startup)};
    PROCESS_INFORMATION process;
    wchar_t *block = environment ? environment_block(environment) : NULL;
    fflush(NULL);
    BOOL done = CreateProcessW(application, line, NULL, NULL, TRUE, CREATE_UNICODE_ENVIRONMENT,
                               block, NULL, &startup, &process);
    DWORD error = GetLastError();
    free(block);
    if (!done) {
        set_win32_error(error);
        return NULL;
    }
    CloseHandle(process.hThread);
    return process.hProcess;
}

static intptr_t wait_for(HANDLE process)
{
    DWORD code;
    WaitForSingleObject(process, INFINITE);
    BOOL done = GetExitCodeProcess(process, &code);
    CloseHandle(process);
    return done ? (intptr_t)code : -1;
}

/* The file of a program, found with .exe added and (if asked) along PATH; in buffer. */
static int find_program(const wchar_t *path, int search, wchar_t buffer[MAX_PATH])
{
    if (!search || wcspbrk(path, L"\\/:")) {
        if (wcslen(path) + 5 > MAX_PATH) {
            return 0;
        }
        wcscpy(buffer, path);
        if (GetFileAttributesW(buffer) == INVALID_FILE_ATTRIBUTES) {
            wcscat(buffer, L".exe");
        }
        return GetFileAttributesW(buffer) != INVALID_FILE_ATTRIBUTES;
    }
    DWORD n = SearchPathW(NULL, path, L".exe", MAX_PATH, buffer, NULL);
    return n && n < MAX_PATH;
}

static intptr_t spawn(int mode, const wchar_t *path, const wchar_t *const *argv,
                      const wchar_t *const *environment, int search)
{
    wchar_t program[MAX_PATH];
    if (!path || !argv || !argv[0]) {
        return fail_with(EINVAL);
    }
    if (!find_program(path, search, program)) {
        return fail_with(ENOENT);
    }
    wchar_t *line = command_line(argv);
    if (!line) {
        return fail_with(ENOMEM);
    }
    HANDLE process = start(program, line, environment);
    free(line);
    if (!process) {
        return -1;
    }
    switch (mode) {
    case _P_WAIT:
        return wait_for(process);
    case _P_OVERLAY:
        /* The program takes our place: whoever waits for us gets its exit code. */
        _exit((int)wait_for(process));
    case _P_DETACH:
        CloseHandle(process);
        return 0;
    default:
        return (intptr_t)process;
    }
}

intptr_t _wspawnv(int mode, const wchar_t *path, const wchar_t *const *argv)
{
    return spawn(mode, path, argv, NULL, 0);
}

intptr_t _wspawnve(int mode, const wchar_t *path, const wchar_t *const *argv,
                   const wchar_t *const *environment)
{
    return spawn(mode, path, argv, environment, 0);
}

intptr_t _wspawnvp(int mode, const wchar_t *path, const wchar_t *const *argv)
{
    return spawn(mode, path, argv, NULL, 1);
}

intptr_t _wspawnvpe(int mode, const wchar_t *path, const wchar_t *const *argv,
                    const wchar_t *const *environment)
{
    return spawn(mode, path, argv, environment, 1);
}

/* A list of strings in UTF-16; to be freed with free_list. */
static wchar_t **widen_list(const char *const *list)
{
    size_t count = 0;
    while (list[count]) {
        count++;
    }
    wchar_t **wide = calloc(count + 1, sizeof(*wide));
    for (size_t i = 0; wide && i < count; i++) {
        wide[i] = widen(list[i]);
    }
    return wide;
}

static void free_list(wchar_t **list)
{
    for (size_t i = 0; list && list[i]; i++) {
        free(list[i]);
    }
    free(list);
}

static intptr_t spawn_narrow(int mode, const char *path, const char *const *argv,
                             const char *const *environment, int search)
{
    wchar_t *wide_path = path ? widen(path) : NULL;
    wchar_t **wide_argv = argv ? widen_list(argv) : NULL;
    wchar_t **wide_environment = environment ? widen_list(environment) : NULL;
    intptr_t result = spawn(mode, wide_path, (const wchar_t *const *)wide_argv,
                            (const wchar_t *const *)wide_environment, search);
    free(wide_path);
    free_list(wide_argv);
    free_list(wide_environment);
    return result;
}

intptr_t _spawnv(int mode, const char *path, const char *const *argv)
{
    return spawn_narrow(mode, path, argv, NULL, 0);
}

intptr_t _spawnve(int mode, const char *path, const char *const *argv,
                  const char *const *environment)
{
    return spawn_narrow(mode, path, argv, environment, 0);
}

intptr_t _spawnvp(int mode, const char *path, const char *const *argv)
{
    return spawn_narrow(mode, path, argv, NULL, 1);
}

intptr_t _spawnvpe(int mode, const char *path, const char *const *argv,
                   const char *const *environment)
{
    return spawn_narrow(mode, path, argv, environment, 1);
}

/* The arguments of the l forms lie on the stack as an array, closed by NULL. */
intptr_t _spawnl(int mode, const char *path, const char *first, ...)
{
    return spawn_narrow(mode, path, &first, NULL, 0);
}

intptr_t _spawnlp(int mode, const char *path, const char *first, ...)
{
    return spawn_narrow(mode, path, &first, NULL, 1);
}

intptr_t _wspawnl(int mode, const wchar_t *path, const wchar_t *first, ...)
{
    return spawn(mode, path, &first, NULL, 0);
}

intptr_t _wspawnlp(int mode, const wchar_t *path, const wchar_t *first, ...)
{
    return spawn(mode, path, &first, NULL, 1);
}

intptr_t _execv(const char *path, const char *const *argv)
{
    return spawn_narrow(_P_OVERLAY, path, argv, NULL, 0);
}

intptr_t _execve(const char *path, const char *const *argv, const char *const *environment)
{
    return spawn_narrow(_P_OVERLAY, path, argv, environment, 0);
}

intptr_t _execvp(const char *path, const char *const *argv)
{
    return spawn_narrow(_P_OVERLAY, path, argv, NULL, 1);
}

intptr_t _execvpe(const char *path, const char *const *argv, const char *const *environment)
{
    return spawn_narrow(_P_OVERLAY, path, argv, environment, 1);
}

intptr_t _execl(const char *path, const char *first, ...)
{
    return spawn_narrow(_P_OVERLAY, path, &first, NULL, 0);
}

intptr_t _execlp(const char *path, const char *first, ...)
{
    return spawn_narrow(_P_OVERLAY, path, &first, NULL, 1);
}

intptr_t _cwait(int *status, intptr_t process, int action)
{
    (void)action;
    intptr_t code = wait_for((HANDLE)process);
    if (status) {
        *status = (int)code;
    }
    return code < 0 ? -1 : process;
}

int _getpid(void)
{
    return (int)GetCurrentProcessId();
}

int _wsystem(const wchar_t *command)
{
    if (!command) {
        return 0; /* no command interpreter */
    }
    wchar_t *line = _wcsdup(command);
    HANDLE process = line ? start(NULL, line, NULL) : NULL;
    free(line);
    return process ? (int)wait_for(process) : -1;
}

int system(const char *command)
{
    wchar_t *wide = command ? widen(command) : NULL;
    int result = _wsystem(wide);
    free(wide);
    return result;
}

/* Starts a child with one of its standard streams on a pipe. */
FILE *_wpopen(const wchar_t *command, const wchar_t *mode)
{
    SECURITY_ATTRIBUTES security = {sizeof(security), NULL, TRUE};
    STARTUPINFOW startup = {.cb = sizeof(startup), .dwFlags = STARTF_USESTDHANDLES};
    PROCESS_INFORMATION process;
    HANDLE read, write;
    int reading = *mode == 'r';
    if (!CreatePipe(&read, &write, &security, 0)) {
        fail_win32();
        return NULL;
    }
    HANDLE ours = reading ? read : write, theirs = reading ? write : read;
    SetHandleInformation(ours, HANDLE_FLAG_INHERIT, 0);
    startup.hStdInput = reading ? GetStdHandle(STD_INPUT_HANDLE) : theirs;
    startup.hStdOutput = reading ? theirs : GetStdHandle(STD_OUTPUT_HANDLE);
    startup.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    wchar_t *line = _wcsdup(command);
    fflush(NULL);
    BOOL done =
        line && CreateProcessW(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &process);
    free(line);
    CloseHandle(theirs);
    if (!done) {
        fail_win32();
        CloseHandle(ours);
        return NULL;
    }
    CloseHandle(process.hThread);
    int fd = _open_osfhandle((intptr_t)ours, wcschr(mode, 'b') ? 0 : _O_TEXT);
    FILE *file = fd < 0 ? NULL : _wfdopen(fd, mode);
    if (file) {
        stream_of(file)->child = process.hProcess;
    }
    return file;
}

FILE *_popen(const char *command, const char *mode)
{
    wchar_t *wide_command = widen(command), *wide_mode = widen(mode);
    FILE *file = wide_command && wide_mode ? _wpopen(wide_command, wide_mode) : NULL;
    free(wide_command);
    free(wide_mode);
    return file;
}

int _pclose(FILE *file)
{
    HANDLE child = file ? stream_of(file)->child : NULL;
    if (!child) {
        return fail_with(EBADF);
    }
    fclose(file);
    return (int)wait_for(child);
}

void crt_sleep(unsigned long milliseconds)
{
    Sleep(milliseconds ? milliseconds : 1);
}

void crt_beep(unsigned frequency, unsigned milliseconds)
{
    Beep(frequency, milliseconds);
}
