/*
 * user/msvcrt/exit.c: the beginning and end of a program: initializers, exit functions, abort.
 *
 * exit runs what was registered, last first, flushes the streams and ends the process; _exit only
 * ends it. abort ends it with code 3. Lock: EXIT_LOCK for the table of functions.
 */
#include "user/msvcrt/msvcrt.h"

#include <signal.h>

typedef void(__cdecl *procedure)(void);
typedef int(__cdecl *initializer)(void);

static procedure *functions; /* [EXIT_LOCK] */
static size_t function_count, function_room;
int crt_app_type;

void _initterm(procedure *first, procedure *end)
{
    for (; first < end; first++) {
        if (*first) {
            (*first)();
        }
    }
}

int _initterm_e(initializer *first, initializer *end)
{
    for (; first < end; first++) {
        int result = *first ? (*first)() : 0;
        if (result) {
            return result;
        }
    }
    return 0;
}

procedure crt_onexit(procedure function)
{
    _lock(EXIT_LOCK);
    if (function_count == function_room) {
        size_t room = function_room ? 2 * function_room : 32;
        procedure *more = realloc(functions, room * sizeof(*functions));
        if (!more) {
            function = NULL;
        } else {
            functions = more;
            function_room = room;
        }
    }
    if (function) {
        functions[function_count++] = function;
    }
    _unlock(EXIT_LOCK);
    return function;
}

int atexit(procedure function)
{
    return crt_onexit(function) ? 0 : -1;
}

/* The table of a DLL that keeps its own. */
procedure crt_dllonexit(procedure function, procedure **start, procedure **end)
{
    size_t count = (size_t)(*end - *start);
    procedure *table = realloc(*start, (count + 1) * sizeof(*table));
    if (!table) {
        return NULL;
    }
    table[count] = function;
    *start = table;
    *end = table + count + 1;
    return function;
}

/* Runs what was registered; a function may register more. */
void run_exit_functions(void)
{
    for (;;) {
        _lock(EXIT_LOCK);
        procedure function = function_count ? functions[--function_count] : NULL;
        _unlock(EXIT_LOCK);
        if (!function) {
            return;
        }
        function();
    }
}

void _cexit(void)
{
    run_exit_functions();
    streams_end();
}

void _c_exit(void)
{
}

void exit(int code)
{
    _cexit();
    ExitProcess((UINT)code);
}

void _exit(int code)
{
    ExitProcess((UINT)code);
}

void abort(void)
{
    static const char message[] =
        "\r\nThis application has requested the Runtime to terminate it in an unusual way.\n"
        "Please contact the application's support team for more information.\n";
    _write(2, message, sizeof(message) - 1);
    raise(SIGABRT);
    _exit(3);
}

void _assert(const char *expression, const char *file, unsigned line)
{
    char number[16];
    fputs("Assertion failed: ", stderr);
    fputs(expression, stderr);
    fputs(", file ", stderr);
    fputs(file, stderr);
    fputs(", line ", stderr);
    fputs(_ultoa(line, number, 10), stderr);
    fputs("\n", stderr);
    abort();
}

void _wassert(const wchar_t *expression, const wchar_t *file, unsigned line)
{
    char *e = narrow(expression), *f = narrow(file);
    _assert(e ? e : "?", f ? f : "?", line);
}

void _amsg_exit(int number)
{
    char text[16];
    fputs("\nruntime error R60", stderr);
    fputs(_ultoa((unsigned long)number, text, 10), stderr);
    fputs("\n", stderr);
    _exit(255);
}

void _purecall(void)
{
    _amsg_exit(25);
}

void __set_app_type(int type)
{
    crt_app_type = type;
}

int _set_error_mode(int mode)
{
    static int current;
    int old = current;
    if (mode != 3) {
        current = mode;
    }
    return old;
}

int _XcptFilter(unsigned long code, EXCEPTION_POINTERS *pointers)
{
    (void)code;
    return UnhandledExceptionFilter(pointers);
}

/* The loader tells: the library starts before anything that imports it. */
BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, void *reserved)
{
    (void)module;
    switch (reason) {
    case DLL_PROCESS_ATTACH:
        if (!thread_data_start()) {
            return FALSE;
        }
        descriptors_start();
        return environment_start() && arguments_start();
    case DLL_THREAD_DETACH:
        thread_data_free();
        return TRUE;
    case DLL_PROCESS_DETACH:
        if (reserved) {
            streams_end(); /* ExitProcess: what is still in buffers goes out */
        }
        return TRUE;
    default:
        return TRUE;
    }
}
