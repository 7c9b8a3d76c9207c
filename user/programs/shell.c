/*
 * user/programs/shell.c: a small shell on standard input and output: lists directories, shows
 * files and processes, runs programs (mem and vmmap look at memory).
 *
 *   shell.exe                 reads commands
 *   shell.exe /k COMMAND      runs COMMAND first, then reads commands
 *   shell.exe /c COMMAND      runs COMMAND and ends with its exit code
 *
 * An ordinary Win32 console program.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>
#include <winternl.h>

#define LINE_LENGTH 1024
#define PROGRAMS    "C:\\quire\\programs"

static BOOL leaving;
static DWORD last_code; /* exit code of the last program; 0 after a command */

static void *native(const char *name)
{
    return (void *)GetProcAddress(GetModuleHandleA("ntdll.dll"), name);
}

/* --- Words --- */

/* Cuts the next word off LINE: "quoted" or up to a space; NULL at the end. */
static char *next_word(char **line)
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
    case ERROR_INVALID_NAME:
        return "not a name";
    default:
        sprintf(text, "error %lu", error);
        return text;
    }
}

static void complain(const char *what, DWORD error)
{
    printf("%s: %s\n", what, error_text(error));
}

/* --- Files --- */

static void print_entry(const WIN32_FIND_DATAA *found, unsigned long long *total)
{
    unsigned long long nbytes =
        ((unsigned long long)found->nFileSizeHigh << 32) | found->nFileSizeLow;

    if (found->dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) {
        printf("  %12s  %s\n", "<DIR>", found->cFileName);
    } else {
        printf("  %12llu  %s\n", nbytes, found->cFileName);
        *total += nbytes;
    }
}

/* dir [PATH]: a directory's entries, or those that match a pattern. */
static void command_dir(char *line)
{
    const char *path = next_word(&line);
    unsigned long long total = 0;
    WIN32_FIND_DATAA found;
    char pattern[MAX_PATH];
    unsigned count = 0;
    DWORD attributes;
    HANDLE search;

    path = path == NULL ? "." : path;
    attributes = GetFileAttributesA(path);
    if (attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY)) {
        size_t length = strlen(path);

        _snprintf(pattern, sizeof pattern - 1, "%s%s*", path,
                  length > 0 && (path[length - 1] == '\\' || path[length - 1] == '/') ? "" : "\\");
    } else {
        _snprintf(pattern, sizeof pattern - 1, "%s", path);
    }
    pattern[sizeof pattern - 1] = '\0';
    search = FindFirstFileA(pattern, &found);
    if (search == INVALID_HANDLE_VALUE) {
        complain(path, GetLastError());
        return;
    }
    do {
        if (strcmp(found.cFileName, ".") != 0 && strcmp(found.cFileName, "..") != 0) {
            print_entry(&found, &total);
            count++;
        }
    } while (FindNextFileA(search, &found));
    FindClose(search);
    printf("  %u entr%s, %llu bytes\n", count, count == 1 ? "y" : "ies", total);
}

static void command_cd(char *line)
{
    const char *path = next_word(&line);
    char here[MAX_PATH];

    if (path == NULL) {
        GetCurrentDirectoryA(sizeof here, here);
        printf("%s\n", here);
    } else if (!SetCurrentDirectoryA(path)) {
        DWORD error = GetLastError();

        complain(path, error == ERROR_FILE_NOT_FOUND ? ERROR_PATH_NOT_FOUND : error);
    }
}

static void command_type(char *line)
{
    const char *path = next_word(&line);
    char buffer[4096], last = '\n';
    DWORD done = 0;
    HANDLE file;

    if (path == NULL) {
        printf("type: which file?\n");
        return;
    }
    file = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING,
                       0, NULL);
    if (file == INVALID_HANDLE_VALUE) {
        complain(path, GetLastError());
        return;
    }
    while (ReadFile(file, buffer, sizeof buffer, &done, NULL) && done > 0) {
        for (DWORD i = 0; i < done; i++) {
            if (buffer[i] != '\r') {
                putchar(buffer[i]);
            }
        }
        last = buffer[done - 1];
    }
    if (last != '\n') {
        putchar('\n');
    }
    CloseHandle(file);
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
    {"type", command_type, "FILE", "shows a file"},
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
        printf("  %-9s %-7s %s\n", commands[i].name, commands[i].arguments, commands[i].help);
    }
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
    if (!CreateProcessA(path, typed, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &information)) {
        complain(path, GetLastError());
        last_code = 1;
        return;
    }
    CloseHandle(information.hThread);
    WaitForSingleObject(information.hProcess, INFINITE);
    GetExitCodeProcess(information.hProcess, &last_code);
    CloseHandle(information.hProcess);
    show_code(last_code);
}

static void run_line(char *line)
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
    if (find_program(word, path, sizeof path)) {
        run_program(path, typed);
        return;
    }
    printf("%s: neither a command nor a program in %s, here or in C:\\ (try help)\n", word,
           PROGRAMS);
    last_code = 1;
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
