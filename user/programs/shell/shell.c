/*
 * user/programs/shell/shell.c: a small shell on standard input and output: reads commands, runs
 * those on files (files.c) and programs (mem and vmmap look at memory).
 *
 *   shell.exe                 reads commands
 *   shell.exe /k COMMAND      runs COMMAND first, then reads commands
 *   shell.exe /c COMMAND      runs COMMAND and ends with its exit code
 *
 * After any command `> FILE` sends its output to a file, `>> FILE` to the end of one, `< FILE`
 * lets it read one. An ordinary Win32 console program.
 */
#include "shell.h"

#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <winternl.h>

#define PROGRAMS "C:\\quire\\programs"

static BOOL leaving;
static BOOL redirected; /* the command's input or output is a file */

DWORD last_code;

static void *native(const char *name)
{
    return (void *)GetProcAddress(GetModuleHandleA("ntdll.dll"), name);
}

/* --- Words --- */

char *next_word(char **line)
{
    char *word = *line + strspn(*line, " \t"), *end;

    if (*word == '\0') {
        *line = word;
        return NULL;
    }
    if (*word == '"') {
        word++;
        end = word + strcspn(word, "\"");
    } else {
        end = word + strcspn(word, " \t");
    }
    *line = *end == '\0' ? end : end + 1;
    *end = '\0';
    return word;
}

static const char *error_text(DWORD error)
{
    static char text[40];

    switch (error) {
    case ERROR_FILE_NOT_FOUND:
        return "no such file";
    case ERROR_PATH_NOT_FOUND:
        return "no such directory";
    case ERROR_ACCESS_DENIED:
        return "access is denied";
    case ERROR_SHARING_VIOLATION:
        return "another program has it open";
    case ERROR_BAD_EXE_FORMAT:
        return "not a 32-bit Windows program";
    case ERROR_DIRECTORY:
        return "not a directory";
    case ERROR_ALREADY_EXISTS:
    case ERROR_FILE_EXISTS:
        return "it exists";
    case ERROR_DIR_NOT_EMPTY:
        return "the directory is not empty";
    case ERROR_DISK_FULL:
        return "the disk is full";
    case ERROR_WRITE_PROTECT:
        return "the disk cannot be written";
    case ERROR_USER_MAPPED_FILE:
        return "a program has it mapped";
    case ERROR_INVALID_NAME:
        return "not a name";
    default:
        sprintf(text, "error %lu", error);
        return text;
    }
}

void complain(const char *what, DWORD error)
{
    last_code = 1;
    printf("%s: %s\n", what, error_text(error));
}

/* --- Processes --- */

typedef LONG(NTAPI *query_system_t)(ULONG, void *, ULONG, ULONG *);

static void command_ps(char *line)
{
    query_system_t query = (query_system_t)native("NtQuerySystemInformation");
    static char buffer[65536];
    SYSTEM_PROCESS_INFORMATION *process = (void *)buffer;

    (void)line;
    if (query == NULL || query(SystemProcessInformation, buffer, sizeof buffer, NULL) < 0) {
        printf("ps: this system does not tell\n");
        return;
    }
    printf("  %6s %8s %8s  %s\n", "pid", "threads", "handles", "program");
    for (;;) {
        printf("  %6lu %8lu %8lu  %.*ls\n", (DWORD)(ULONG_PTR)process->UniqueProcessId,
               process->NumberOfThreads, process->HandleCount,
               (int)(process->ImageName.Length / sizeof(WCHAR)),
               process->ImageName.Buffer == NULL ? L"" : process->ImageName.Buffer);
        if (process->NextEntryOffset == 0) {
            return;
        }
        process = (void *)((char *)process + process->NextEntryOffset);
    }
}

/* --- The shell itself --- */

static void command_help(char *line);

static void command_exit(char *line)
{
    const char *word = next_word(&line);

    last_code = word == NULL ? 0 : strtoul(word, NULL, 0);
    leaving = TRUE;
}

static void command_poweroff(char *line)
{
    LONG(NTAPI * shut_down)(ULONG) = (LONG(NTAPI *)(ULONG))native("NtShutdownSystem");

    (void)line;
    fflush(stdout);
    if (shut_down != NULL && shut_down(2) < 0) {
        printf("poweroff: refused\n");
    }
    leaving = TRUE;
}

static void command_echo(char *line)
{
    printf("%s\n", line + strspn(line, " "));
}

static const struct {
    const char *name;
    void (*run)(char *line);
    const char *arguments;
    const char *help;
} commands[] = {
    {"help", command_help, "", "this list"},
    {"dir", command_dir, "[PATH]", "files of a directory, or those like *.exe"},
    {"cd", command_cd, "[PATH]", "changes the current directory, or shows it"},
    {"type", command_type, "FILE...", "shows files"},
    {"copy", command_copy, "FILE TO", "copies a file, or those like *.txt into a directory"},
    {"move", command_move, "FILE TO", "moves them"},
    {"ren", command_ren, "OLD NEW", "gives a file or directory another name"},
    {"del", command_del, "FILE...", "deletes files, also those like *.tmp"},
    {"md", command_md, "PATH", "makes a directory, and those above it"},
    {"rd", command_rd, "[/s] PATH", "removes a directory; /s with what is in it"},
    {"echo", command_echo, "TEXT", "says it"},
    {"ps", command_ps, "", "the processes"},
    {"exit", command_exit, "[CODE]", "ends the shell"},
    {"poweroff", command_poweroff, "", "switches the machine off"},
};

static void command_help(char *line)
{
    WIN32_FIND_DATAA found;
    HANDLE search;

    (void)line;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        printf("  %-9s %-9s %s\n", commands[i].name, commands[i].arguments, commands[i].help);
    }
    printf("  ... > FILE           sends the output to a file (>> to its end); < FILE reads one\n");
    printf("  PROGRAM [ARGUMENTS]  runs a program; looked for in %s,\n"
           "                    the current directory and C:\\\n",
           PROGRAMS);
    search = FindFirstFileA(PROGRAMS "\\*.exe", &found);
    if (search == INVALID_HANDLE_VALUE) {
        return;
    }
    printf("  there are now:   ");
    do {
        printf(" %.*s", (int)strcspn(found.cFileName, "."), found.cFileName);
    } while (FindNextFileA(search, &found));
    printf("\n");
    FindClose(search);
}

static BOOL is_file(const char *path)
{
    DWORD attributes = GetFileAttributesA(path);

    return attributes != INVALID_FILE_ATTRIBUTES && !(attributes & FILE_ATTRIBUTE_DIRECTORY);
}

/* Where the program NAME lies: PATH. With a directory in its name it is looked for there only. */
static BOOL find_program(const char *name, char *path, size_t length)
{
    static const char *const places[] = {PROGRAMS "\\", "", "C:\\"};
    static const char *const endings[] = {"", ".exe"};
    BOOL has_place = strpbrk(name, "\\/:") != NULL;

    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 2; k++) {
            _snprintf(path, length - 1, "%s%s%s", has_place ? "" : places[i], name, endings[k]);
            path[length - 1] = '\0';
            if (is_file(path)) {
                return TRUE;
            }
        }
    }
    return FALSE;
}

static void show_code(DWORD code)
{
    if (code > 255) {
        printf("[exit code 0x%08lX]\n", code);
    } else if (code != 0) {
        printf("[exit code %lu]\n", code);
    }
}

/* Runs the program at PATH with what was typed as its command line; waits for it. */
static void run_program(const char *path, char *typed)
{
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION information;

    fflush(stdout);
    if (redirected) {
        startup.dwFlags = STARTF_USESTDHANDLES;
        startup.hStdInput = (HANDLE)_get_osfhandle(0);
        startup.hStdOutput = (HANDLE)_get_osfhandle(1);
        startup.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    }
    if (!CreateProcessA(path, typed, NULL, NULL, redirected, 0, NULL, NULL, &startup,
                        &information)) {
        complain(path, GetLastError());
        return;
    }
    CloseHandle(information.hThread);
    WaitForSingleObject(information.hProcess, INFINITE);
    GetExitCodeProcess(information.hProcess, &last_code);
    CloseHandle(information.hProcess);
    show_code(last_code);
}

static void run_command(char *line)
{
    char typed[LINE_LENGTH], path[MAX_PATH];
    char *word;

    _snprintf(typed, sizeof typed - 1, "%s", line);
    typed[sizeof typed - 1] = '\0';
    word = next_word(&line);
    if (word == NULL) {
        return;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (_stricmp(word, commands[i].name) == 0) {
            last_code = 0;
            commands[i].run(line);
            return;
        }
    }
    if (word[0] != '\0' && strcmp(word + 1, ":") == 0) { /* a drive: its root */
        last_code = 0;
        command_cd(word);
        return;
    }
    if (find_program(word, path, sizeof path)) {
        run_program(path, typed);
        return;
    }
    printf("%s: neither a command nor a program in %s, here or in C:\\ (try help)\n", word,
           PROGRAMS);
    last_code = 1;
}

/* --- Redirection --- */

struct redirection {
    char *input, *output; /* names of files; NULL: none */
    BOOL append;
    int saved_input, saved_output; /* descriptors of what was there; -1: not redirected */
};

/* Cuts `> FILE`, `>> FILE` and `< FILE` off a line; FALSE: one has no name. */
static BOOL parse_redirection(char *line, struct redirection *it)
{
    BOOL quoted = FALSE;

    *it = (struct redirection){.saved_input = -1, .saved_output = -1};
    while (*line != '\0') {
        char sign = *line;

        quoted ^= sign == '"';
        if (quoted || (sign != '<' && sign != '>')) {
            line++;
            continue;
        }
        *line++ = '\0';
        if (sign == '>') {
            it->append = *line == '>';
            line += *line == '>';
        }
        line += strspn(line, " \t");
        char *after = line, **name = sign == '<' ? &it->input : &it->output;
        size_t length = strcspn(after, *after == '"' ? "" : " \t<>");
        char next = after[length];

        *name = next_word(&line);
        if (*name == NULL || length == 0) {
            return FALSE;
        }
        if (next == '<' || next == '>') { /* it stood close to the next one */
            line = after + length;
            *line = next;
        }
    }
    return TRUE;
}

/* Puts a file in the place of descriptor FD. => the descriptor that keeps what was there, or -1 */
static int replace_descriptor(int fd, const char *name, int flags)
{
    int file = _open(name, flags | _O_TEXT, _S_IREAD | _S_IWRITE), saved = -1;

    if (file < 0) {
        complain(name, _doserrno);
        return -1;
    }
    saved = _dup(fd);
    if (saved >= 0 && _dup2(file, fd) < 0) {
        _close(saved);
        saved = -1;
    }
    _close(file);
    return saved;
}

static void restore_descriptor(int fd, int saved)
{
    if (saved >= 0) {
        _dup2(saved, fd);
        _close(saved);
    }
}

/* Runs a line with its input and output where it says. */
static void run_line(char *line)
{
    struct redirection it;

    if (!parse_redirection(line, &it)) {
        printf("a < or > without the name of a file\n");
        last_code = 1;
        return;
    }
    fflush(stdout);
    if (it.output != NULL) {
        it.saved_output = replace_descriptor(
            1, it.output, _O_WRONLY | _O_CREAT | (it.append ? _O_APPEND : _O_TRUNC));
    }
    if (it.input != NULL) {
        it.saved_input = replace_descriptor(0, it.input, _O_RDONLY);
    }
    redirected = it.saved_output >= 0 || it.saved_input >= 0;
    if ((it.output == NULL || it.saved_output >= 0) && (it.input == NULL || it.saved_input >= 0)) {
        run_command(line);
    }
    fflush(stdout);
    restore_descriptor(0, it.saved_input);
    restore_descriptor(1, it.saved_output);
    redirected = FALSE;
}

static void prompt(void)
{
    char here[MAX_PATH] = "";

    GetCurrentDirectoryA(sizeof here, here);
    printf("%s> ", here);
    fflush(stdout);
}

/* What follows /k or /c in the command line, NULL without one. */
static char *option(const char *which)
{
    char *line = GetCommandLineA();

    line = *line == '"' ? strchr(line + 1, '"') : strchr(line, ' ');
    if (line == NULL) {
        return NULL;
    }
    line += strspn(line, "\" ");
    return _strnicmp(line, which, 2) == 0 && (line[2] == ' ' || line[2] == '\0') ? line + 2 : NULL;
}

int main(void)
{
    char line[LINE_LENGTH];
    const char *first = option("/c");

    if (first != NULL) {
        _snprintf(line, sizeof line - 1, "%s", first + strspn(first, " "));
        line[sizeof line - 1] = '\0';
        run_line(line);
        return (int)last_code;
    }
    printf("Quire's shell. \"help\" lists what it does, \"exit\" leaves.\n");
    first = option("/k");
    if (first != NULL) {
        _snprintf(line, sizeof line - 1, "%s", first + strspn(first, " "));
        line[sizeof line - 1] = '\0';
        prompt();
        printf("%s\n", line);
        run_line(line);
    }
    while (!leaving) {
        prompt();
        if (fgets(line, sizeof line, stdin) == NULL) {
            break;
        }
        line[strcspn(line, "\r\n")] = '\0';
        run_line(line);
    }
    fflush(stdout);
    return (int)last_code;
}
