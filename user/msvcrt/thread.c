/*
 * user/msvcrt/thread.c: threads, the data each has for itself, errno, and the numbered locks.
 */
#include "user/msvcrt/msvcrt.h"

#include <process.h>

static DWORD slot = TLS_OUT_OF_INDEXES;
static CRITICAL_SECTION locks[LOCK_COUNT] = {[0 ... LOCK_COUNT - 1] = FREE_SECTION};

int thread_data_start(void)
{
    slot = TlsAlloc();
    return slot != TLS_OUT_OF_INDEXES;
}

/* The calling thread's data, made at the first use; the last error stays. */
struct thread_data *thread_data(void)
{
    DWORD error = GetLastError();
    struct thread_data *data = TlsGetValue(slot);
    if (!data) {
        data = HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, sizeof(*data));
        if (!data) {
            ExitProcess(255);
        }
        data->seed = 1;
        TlsSetValue(slot, data);
    }
    SetLastError(error);
    return data;
}

void thread_data_free(void)
{
    struct thread_data *data = TlsGetValue(slot);
    if (data) {
        TlsSetValue(slot, NULL);
        HeapFree(GetProcessHeap(), 0, data->error_text);
        HeapFree(GetProcessHeap(), 0, data->wide_error_text);
        HeapFree(GetProcessHeap(), 0, data);
    }
}

int *_errno(void)
{
    return &thread_data()->error;
}

unsigned long *__doserrno(void)
{
    return &thread_data()->dos_error;
}

errno_t _get_errno(int *value)
{
    *value = errno;
    return 0;
}

errno_t _set_errno(int value)
{
    errno = value;
    return 0;
}

void _lock(int number)
{
    EnterCriticalSection(&locks[number]);
}

void _unlock(int number)
{
    LeaveCriticalSection(&locks[number]);
}

unsigned long __threadid(void)
{
    return GetCurrentThreadId();
}

uintptr_t __threadhandle(void)
{
    return (uintptr_t)GetCurrentThread();
}

/* What a new thread is to do. */
struct beginning {
    unsigned(__stdcall *start)(void *);
    void(__cdecl *plain)(void *);
    void *argument;
};

static DWORD WINAPI begin(void *context)
{
    struct beginning what = *(struct beginning *)context;
    free(context);
    if (what.start) {
        _endthreadex(what.start(what.argument));
    }
    what.plain(what.argument);
    _endthread();
    return 0;
}

static HANDLE create(void *security, unsigned stack, struct beginning what, unsigned flags,
                     DWORD *id)
{
    struct beginning *context = malloc(sizeof(*context));
    if (!context) {
        errno = ENOMEM;
        return NULL;
    }
    *context = what;
    HANDLE thread = CreateThread(security, stack, begin, context, flags, id);
    if (!thread) {
        set_win32_error(GetLastError());
        free(context);
    }
    return thread;
}

uintptr_t _beginthreadex(void *security, unsigned stack, unsigned(__stdcall *start)(void *),
                         void *argument, unsigned flags, unsigned *id)
{
    DWORD own;
    HANDLE thread = create(security, stack, (struct beginning){start, NULL, argument}, flags, &own);
    if (thread && id) {
        *id = own;
    }
    return (uintptr_t)thread;
}

/* The plain form: the handle is nobody's to close, and stays until the process ends. */
uintptr_t _beginthread(void(__cdecl *start)(void *), unsigned stack, void *argument)
{
    DWORD own;
    HANDLE thread = create(NULL, stack, (struct beginning){NULL, start, argument}, 0, &own);
    if (!thread) {
        return (uintptr_t)-1;
    }
    return (uintptr_t)thread;
}

void _endthreadex(unsigned code)
{
    ExitThread(code);
}

void _endthread(void)
{
    ExitThread(0);
}
