/*
 * user/kernel32/console.c: the console functions, over the handles of the standard streams.
 *
 * The console is a stream of bytes: what is written appears, in UTF-8; input comes by lines, edited
 * and echoed by the kernel. A handle is a console's when its device is one; a channel or a file is
 * none, and these functions say so with ERROR_INVALID_HANDLE. The modes are those that the console
 * has; asking for others fails.
 */
#include "user/kernel32/kernel32.h"

#define INPUT_MODE  (ENABLE_PROCESSED_INPUT | ENABLE_LINE_INPUT | ENABLE_ECHO_INPUT)
#define OUTPUT_MODE (ENABLE_PROCESSED_OUTPUT | ENABLE_WRAP_AT_EOL_OUTPUT)
#ifndef ENABLE_VIRTUAL_TERMINAL_PROCESSING
#define ENABLE_VIRTUAL_TERMINAL_PROCESSING 4u
#endif
#define CONSOLE_COLUMNS 80
#define CONSOLE_ROWS    25

static BOOL is_console(HANDLE handle)
{
    return device_type(handle) == NT_DEVICE_CONSOLE ? TRUE : fail(ERROR_INVALID_HANDLE);
}

/* Whether a console's handle is one for input: it cannot be written. */
static BOOL is_input(HANDLE handle)
{
    OBJECT_BASIC_INFORMATION info;
    NTSTATUS status =
        NtQueryObject(real_handle(handle), ObjectBasicInformation, &info, sizeof(info), NULL);
    return NT_SUCCESS(status) && (info.GrantedAccess & FILE_READ_DATA) != 0;
}

BOOL WINAPI GetConsoleMode(HANDLE console, DWORD *mode)
{
    if (!is_console(console)) {
        return FALSE;
    }
    *mode = is_input(console) ? INPUT_MODE : OUTPUT_MODE;
    return TRUE;
}

BOOL WINAPI SetConsoleMode(HANDLE console, DWORD mode)
{
    if (!is_console(console)) {
        return FALSE;
    }
    if (is_input(console)) {
        return (mode & INPUT_MODE) == INPUT_MODE ? TRUE : fail(ERROR_INVALID_PARAMETER);
    }
    DWORD known = OUTPUT_MODE | ENABLE_VIRTUAL_TERMINAL_PROCESSING;
    return (mode & ~known) == 0 ? TRUE : fail(ERROR_INVALID_PARAMETER);
}

UINT WINAPI GetConsoleCP(void)
{
    return CP_UTF8;
}

UINT WINAPI GetConsoleOutputCP(void)
{
    return CP_UTF8;
}

BOOL WINAPI SetConsoleCP(UINT code_page)
{
    return code_page == CP_UTF8 ? TRUE : fail(ERROR_INVALID_PARAMETER);
}

BOOL WINAPI SetConsoleOutputCP(UINT code_page)
{
    return code_page == CP_UTF8 ? TRUE : fail(ERROR_INVALID_PARAMETER);
}

BOOL WINAPI WriteConsoleA(HANDLE console, const void *text, DWORD count, DWORD *done,
                          void *reserved)
{
    DWORD written;
    if (reserved) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    return is_console(console) && WriteFile(console, text, count, done ? done : &written, NULL);
}

BOOL WINAPI WriteConsoleW(HANDLE console, const void *text, DWORD count, DWORD *done,
                          void *reserved)
{
    DWORD written;
    if (reserved) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    if (!is_console(console)) {
        return FALSE;
    }
    char *bytes = take_memory(count * 3 + 1);
    if (!bytes) {
        return fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    int n =
        count ? WideCharToMultiByte(CP_UTF8, 0, text, (int)count, bytes, (int)count * 3, NULL, NULL)
              : 0;
    BOOL result = WriteFile(console, bytes, (DWORD)n, &written, NULL);
    release_memory(bytes);
    if (done) {
        *done = result ? count : 0;
    }
    return result;
}

BOOL WINAPI ReadConsoleA(HANDLE console, void *buffer, DWORD count, DWORD *done, void *control)
{
    (void)control;
    return is_console(console) && ReadFile(console, buffer, count, done, NULL);
}

BOOL WINAPI ReadConsoleW(HANDLE console, void *buffer, DWORD count, DWORD *done, void *control)
{
    DWORD n;
    char *bytes = take_memory(count + 1);
    if (!bytes) {
        return fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    BOOL result = ReadConsoleA(console, bytes, count, &n, control);
    *done =
        result && n ? (DWORD)MultiByteToWideChar(CP_UTF8, 0, bytes, (int)n, buffer, (int)count) : 0;
    release_memory(bytes);
    return result;
}

BOOL WINAPI GetConsoleScreenBufferInfo(HANDLE console, CONSOLE_SCREEN_BUFFER_INFO *info)
{
    if (!is_console(console) || is_input(console)) {
        return fail(ERROR_INVALID_HANDLE);
    }
    *info = (CONSOLE_SCREEN_BUFFER_INFO){
        .dwSize = {CONSOLE_COLUMNS, CONSOLE_ROWS},
        .wAttributes = FOREGROUND_RED | FOREGROUND_GREEN | FOREGROUND_BLUE,
        .srWindow = {0, 0, CONSOLE_COLUMNS - 1, CONSOLE_ROWS - 1},
        .dwMaximumWindowSize = {CONSOLE_COLUMNS, CONSOLE_ROWS},
    };
    return TRUE;
}

BOOL WINAPI SetConsoleTextAttribute(HANDLE console, WORD attributes)
{
    (void)attributes;
    return is_console(console) && fail(ERROR_CALL_NOT_IMPLEMENTED);
}

BOOL WINAPI SetConsoleCursorPosition(HANDLE console, COORD position)
{
    (void)position;
    return is_console(console) && fail(ERROR_CALL_NOT_IMPLEMENTED);
}

BOOL WINAPI FlushConsoleInputBuffer(HANDLE console)
{
    return is_console(console) && fail(ERROR_CALL_NOT_IMPLEMENTED);
}

BOOL WINAPI GetNumberOfConsoleInputEvents(HANDLE console, DWORD *count)
{
    (void)count;
    return is_console(console) && fail(ERROR_CALL_NOT_IMPLEMENTED);
}

BOOL WINAPI SetConsoleTitleA(const char *title)
{
    (void)title;
    return fail(ERROR_CALL_NOT_IMPLEMENTED);
}

BOOL WINAPI SetConsoleTitleW(const WCHAR *title)
{
    (void)title;
    return fail(ERROR_CALL_NOT_IMPLEMENTED);
}

BOOL WINAPI AllocConsole(void)
{
    return fail(ERROR_ACCESS_DENIED); /* a process has one from its start */
}

BOOL WINAPI FreeConsole(void)
{
    return fail(ERROR_CALL_NOT_IMPLEMENTED);
}

HWND WINAPI GetConsoleWindow(void)
{
    return NULL;
}

/* The handlers of Ctrl+C; the console raises no such event, so none is ever called. */
#define MAX_HANDLERS 16u
static PHANDLER_ROUTINE handlers[MAX_HANDLERS]; /* [PEB lock] */

static BOOL change_handler(PHANDLER_ROUTINE from, PHANDLER_ROUTINE to)
{
    for (DWORD i = 0; i < MAX_HANDLERS; i++) {
        if (handlers[i] == from) {
            handlers[i] = to;
            return TRUE;
        }
    }
    return fail(to ? ERROR_NOT_ENOUGH_MEMORY : ERROR_INVALID_PARAMETER);
}

BOOL WINAPI SetConsoleCtrlHandler(PHANDLER_ROUTINE handler, BOOL add)
{
    if (!handler) {
        return TRUE; /* Ctrl+C ignored, or not: it comes as a byte */
    }
    RtlAcquirePebLock();
    BOOL done = change_handler(add ? NULL : handler, add ? handler : NULL);
    RtlReleasePebLock();
    return done;
}

BOOL WINAPI GenerateConsoleCtrlEvent(DWORD event, DWORD group)
{
    (void)event;
    (void)group;
    return fail(ERROR_CALL_NOT_IMPLEMENTED);
}
