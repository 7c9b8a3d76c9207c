/*
 * tests/user/process.c: creating processes and how they end: arguments, environment, exit codes,
 * refusals; many in a row.
 * time limit: 180 s
 */
#include "tap.h"

static int child(int argc, char **argv)
{
    char text[300] = "";

    switch (argv[1][0]) {
    case 'e': /* ends with that code */
        return (int)strtoul(argv[2], NULL, 0);
    case 'x': /* ends by ExitProcess, in a deeper call */
        ExitProcess(strtoul(argv[2], NULL, 0));
        return 1;
    case 'k': /* ends itself by TerminateProcess */
        TerminateProcess(GetCurrentProcess(), 77);
        return 1;
    case 'a': /* counts and compares its arguments */
        must(argc == 7 && strcmp(argv[2], "two words") == 0 && strcmp(argv[3], "") == 0);
        must(strcmp(argv[4], "quo\"te") == 0 && strcmp(argv[5], "back\\slash\\") == 0);
        must(strcmp(argv[6], "last") == 0);
        return 61;
    case 'v': /* the environment that it was given */
        must(GetEnvironmentVariableA("QUIRE_ONE", text, sizeof text) == 3);
        must(strcmp(text, "uno") == 0);
        must(GetEnvironmentVariableA("QUIRE_NONE", text, sizeof text) == 0);
        must(GetLastError() == ERROR_ENVVAR_NOT_FOUND);
        must(getenv("QUIRE_TWO") != NULL && strcmp(getenv("QUIRE_TWO"), "a b=c") == 0);
        return 62;
    case 'c': /* its current directory */
        must(GetCurrentDirectoryA(sizeof text, text) != 0);
        must(_stricmp(text, argv[2]) == 0);
        return 63;
    case 's':
        Sleep(60000);
        return 1;
    default:
        return 64;
    }
}

static void test_exit_codes(void)
{
    static const DWORD codes[] = {0, 1, 42, 255, 256, 0x12345678, 0xFFFFFFFF, 0xC0000005};

    for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        ok(run_child(FALSE, 0, "e 0x%lX", codes[i]) == codes[i], "exit code 0x%lX", codes[i]);
    }
    ok(run_child(FALSE, 0, "x 77") == 77, "ExitProcess");
    ok(run_child(FALSE, 0, "k") == 77, "TerminateProcess of oneself");
    ok(run_child(FALSE, 0, "a \"two words\" \"\" \"quo\\\"te\" back\\slash\\ last") == 61,
       "the command line reaches main as arguments");
}

/* CreateProcess with all that can be given. */
static DWORD create(const char *program, const char *arguments, void *environment,
                    const char *directory)
{
    char command[600];
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION information;
    struct child process;

    _snprintf(command, sizeof command, "\"%s\" %s", beside(""), arguments);
    if (!CreateProcessA(program, command, NULL, NULL, FALSE, 0, environment, directory, &startup,
                        &information)) {
        return NOT_ENDED;
    }
    process.process = information.hProcess;
    process.thread = information.hThread;
    return end_child(&process);
}

static void test_environment_and_directory(void)
{
    static char block[4096];
    char directory[MAX_PATH];
    size_t length;
    char *root = getenv("SystemRoot");

    /* On other systems a process needs these two. */
    length = (size_t)sprintf(block, "QUIRE_ONE=uno") + 1;
    length += (size_t)sprintf(block + length, "QUIRE_TWO=a b=c") + 1;
    if (root != NULL) {
        length += (size_t)sprintf(block + length, "SystemRoot=%s", root) + 1;
    }
    block[length] = '\0';
    ok(create(NULL, "v", block, NULL) == 62, "an environment of its own");
    SetEnvironmentVariableA("QUIRE_ONE", "uno");
    SetEnvironmentVariableA("QUIRE_TWO", "a b=c");
    ok(create(beside(""), "v", NULL, NULL) == 62, "this one's environment");
    SetEnvironmentVariableA("QUIRE_ONE", NULL);
    strcpy(directory, beside(""));
    *strrchr(directory, '\\') = '\0';
    if (strlen(directory) == 2) {
        strcat(directory, "\\");
    }
    _snprintf(block, sizeof block, "c \"%s\"", directory);
    if (directory[strlen(directory) - 1] == '\\') {
        _snprintf(block, sizeof block, "c %s", directory);
    }
    ok(create(NULL, block, NULL, directory) == 63, "a current directory of its own");
}

static void test_refusals(void)
{
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION information;
    char command[] = "no-such-program.exe x";

#define CREATE(path, line)                                                                         \
    CreateProcessA(path, line, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &information)
    ok(FAILS(CREATE(beside("no-such-program.exe"), NULL), ERROR_FILE_NOT_FOUND),
       "refused: a program that is not there");
    ok(FAILS(CREATE(NULL, command), ERROR_FILE_NOT_FOUND), "refused: one by its name only");
    ok(FAILS(CREATE(beside("text.txt"), NULL), ERROR_BAD_EXE_FORMAT), "refused: a text file");
    unlike_wine(!CREATE(beside("cut.bin"), NULL), "refused: a program cut short");
    unlike_wine(!CREATE(beside("no-pe.bin"), NULL), "refused: a program without the PE signature");
    unlike_wine(FAILS(CREATE(beside("wide.bin"), NULL), ERROR_BAD_EXE_FORMAT) ||
                    GetLastError() == ERROR_EXE_MACHINE_TYPE_MISMATCH,
                "refused: a 64-bit program");
    ok(!CREATE(beside("empty.bin"), NULL), "refused: an empty file");
}

static void test_handles_of_a_process(void)
{
    struct child process;
    HANDLE opened;
    DWORD code = 0;

    ok(start_child(&process, FALSE, CREATE_SUSPENDED, "e 5"), "a process made suspended");
    ok(WaitForSingleObject(process.process, 100) == WAIT_TIMEOUT, "does not run");
    ok(GetExitCodeProcess(process.process, &code) && code == STILL_ACTIVE, "STILL_ACTIVE");
    ok(GetProcessId(process.process) == process.id && process.id != GetCurrentProcessId(),
       "its identifier");
    opened = OpenProcess(PROCESS_QUERY_INFORMATION | SYNCHRONIZE, FALSE, process.id);
    ok(opened != NULL && pNtCompareObjects(opened, process.process) == 0, "OpenProcess");
    ok(FAILS(TerminateProcess(opened, 1), ERROR_ACCESS_DENIED), "without the right to end it");
    ok(ResumeThread(process.thread) == 1, "resumed");
    ok(WaitForSingleObject(opened, 20000) == WAIT_OBJECT_0, "it ends");
    ok(GetExitCodeProcess(opened, &code) && code == 5, "with its code, by the other handle too");
    ok(WaitForSingleObject(process.thread, 1000) == WAIT_OBJECT_0 &&
           GetExitCodeThread(process.thread, &code) && code == 5,
       "its thread ended with it");
    unlike_wine(FAILS(TerminateProcess(process.process, 1), ERROR_ACCESS_DENIED),
                "it cannot be ended again");
    end_child(&process);
    CloseHandle(opened);
    ok(OpenProcess(PROCESS_QUERY_INFORMATION, FALSE, 0xFFFF0) == NULL, "an identifier of nobody");
    start_child(&process, FALSE, 0, "s");
    ok(TerminateProcess(process.process, 0xABCD) && end_child(&process) == 0xABCD,
       "TerminateProcess of another");
}

static DWORD CALLBACK end_process(void *argument)
{
    (void)argument;
    ExitProcess(71);
    return 0;
}

static DWORD CALLBACK forever(void *argument)
{
    volatile DWORD *counter = argument;

    while (*counter != 0xFFFFFFFF) {
        *counter = (*counter + 1) & 0xFFFFFF;
    }
    return 0;
}

/* Child: ends while threads run. */
static int child_with_threads(const char *how)
{
    static DWORD counter;
    HANDLE event = CreateEventA(NULL, FALSE, FALSE, NULL);

    for (int i = 0; i < 5; i++) {
        CreateThread(NULL, 0, forever, &counter, 0, NULL);
    }
    while (*(volatile DWORD *)&counter == 0) {
        Sleep(1);
    }
    if (how[0] == 't') {
        CreateThread(NULL, 0, end_process, NULL, 0, NULL);
        WaitForSingleObject(event, INFINITE);
    }
    return 72;
}

static void test_with_threads(void)
{
    ok(run_child(FALSE, 0, "threads main x") == 72, "main returns while other threads run");
    ok(run_child(FALSE, 0, "threads thread x") == 71, "ExitProcess in another thread");
}

static void test_several_at_once(void)
{
    HANDLE handles[8];
    struct child children[8];
    int right = 1;
    DWORD code;

    for (int i = 0; i < 8; i++) {
        right = start_child(&children[i], FALSE, 0, "e %d", i + 100) && right;
        handles[i] = children[i].process;
    }
    ok(right, "eight processes at once");
    ok(WaitForMultipleObjects(8, handles, TRUE, 30000) == WAIT_OBJECT_0, "waited for all");
    for (int i = 0; i < 8; i++) {
        right = GetExitCodeProcess(handles[i], &code) && code == (DWORD)i + 100 && right;
        end_child(&children[i]);
    }
    ok(right, "each with its own code");
}

static void test_in_a_row(void)
{
    struct quire_memory before, after;
    int count = is_quire() ? 200 : 10, right = 1;

    memset(&before, 0, sizeof before);
    for (int i = 0; i < 5; i++) { /* warms up */
        run_child(FALSE, 0, "e 9");
    }
    if (is_quire()) {
        Sleep(100);
        before = memory_now();
    }
    for (int i = 0; i < count && right; i++) {
        right = run_child(FALSE, 0, "e %d", i) == (DWORD)i;
    }
    ok(right, "processes in a row");
    tap_print("# %d", count);
    if (is_quire()) {
        Sleep(100);
        after = memory_now();
        tap_print("# commit %u -> %u, pool pages %u -> %u, pool objects %u -> %u, tables %u -> %u, "
                  "active %u -> %u",
                  before.commit_pages, after.commit_pages, before.pool_pages, after.pool_pages,
                  before.pool_objects, after.pool_objects, before.table_pages, after.table_pages,
                  before.active_pages, after.active_pages);
    }
    quire_only(
        after.commit_pages == before.commit_pages && after.pool_objects == before.pool_objects &&
            after.table_pages == before.table_pages && after.active_pages <= before.active_pages &&
            after.processes == before.processes && after.threads == before.threads,
        "they leave kernel memory where it was");
}

/* A class that was set is the one that is told. */
static void test_priority_class(void)
{
    static const DWORD classes[] = {IDLE_PRIORITY_CLASS, BELOW_NORMAL_PRIORITY_CLASS,
                                    ABOVE_NORMAL_PRIORITY_CLASS, HIGH_PRIORITY_CLASS,
                                    NORMAL_PRIORITY_CLASS};
    BOOL right = GetPriorityClass(GetCurrentProcess()) == NORMAL_PRIORITY_CLASS;
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        right = right && SetPriorityClass(GetCurrentProcess(), classes[i]) &&
                GetPriorityClass(GetCurrentProcess()) == classes[i];
    }
    ok(right, "the priority class of a process");
}

int main(int argc, char **argv)
{
    tap_begin();
    if (argc > 3 && strcmp(argv[1], "threads") == 0) {
        return child_with_threads(argv[2]);
    }
    if (argc > 1) {
        return child(argc, argv);
    }
    test_exit_codes();
    test_environment_and_directory();
    test_refusals();
    test_handles_of_a_process();
    test_with_threads();
    test_several_at_once();
    test_in_a_row();
    test_priority_class();
    return tap_end();
}
