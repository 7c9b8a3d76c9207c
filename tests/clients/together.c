/*
 * tests/clients/together.c: runs commands at the same time, each with files for its standard input
 * and output, and ends with 0 when all have.
 *
 * usage: together INPUT OUTPUT "COMMAND" [INPUT OUTPUT "COMMAND"]...
 */
#include <stdio.h>
#include <windows.h>

enum { COMMANDS_MAX = 8 };

static HANDLE open_inherited(const char *name, DWORD access, DWORD how)
{
    SECURITY_ATTRIBUTES inherited = {.nLength = sizeof inherited, .bInheritHandle = TRUE};
    HANDLE file = CreateFileA(name, access, FILE_SHARE_READ, &inherited, how, 0, NULL);

    if (file == INVALID_HANDLE_VALUE) {
        fprintf(stderr, "together: %s: error %lu\n", name, GetLastError());
        ExitProcess(2);
    }
    return file;
}

/* Starts the command of three arguments; its process. */
static HANDLE start(char **arguments)
{
    STARTUPINFOA startup = {.cb = sizeof startup, .dwFlags = STARTF_USESTDHANDLES};
    PROCESS_INFORMATION process;

    startup.hStdInput = open_inherited(arguments[0], GENERIC_READ, OPEN_EXISTING);
    startup.hStdOutput = open_inherited(arguments[1], GENERIC_WRITE, CREATE_ALWAYS);
    startup.hStdError = startup.hStdOutput;
    if (!CreateProcessA(NULL, arguments[2], NULL, NULL, TRUE, 0, NULL, NULL, &startup, &process)) {
        fprintf(stderr, "together: %s: error %lu\n", arguments[2], GetLastError());
        ExitProcess(2);
    }
    CloseHandle(process.hThread);
    CloseHandle(startup.hStdInput);
    CloseHandle(startup.hStdOutput);
    return process.hProcess;
}

int main(int argc, char **argv)
{
    HANDLE processes[COMMANDS_MAX];
    int count = (argc - 1) / 3, failed = 0;

    if (count < 1 || count > COMMANDS_MAX || argc != 3 * count + 1) {
        fprintf(stderr, "usage: together INPUT OUTPUT \"COMMAND\" [INPUT OUTPUT \"COMMAND\"]...\n");
        return 2;
    }
    for (int i = 0; i < count; i++) {
        processes[i] = start(argv + 1 + 3 * i);
    }
    WaitForMultipleObjects((DWORD)count, processes, TRUE, INFINITE);
    for (int i = 0; i < count; i++) {
        DWORD code = 1;

        GetExitCodeProcess(processes[i], &code);
        if (code != 0) {
            fprintf(stderr, "together: %s: ended with %lu\n", argv[3 + 3 * i], code);
            failed = 1;
        }
    }
    return failed;
}
