/*
 * user/msvcrt/signal.c: signals that a program raises itself.
 *
 * Hardware faults are exceptions; mingw's start-up code turns them into signals and asks here for
 * the handler. Ctrl+C does not come as an event.
 */
#include "user/msvcrt/msvcrt.h"

#include <signal.h>

typedef void(__cdecl *handler)(int);

static struct {
    int number;
    handler handler;
} signals[] = {{SIGINT, SIG_DFL},  {SIGILL, SIG_DFL},   {SIGFPE, SIG_DFL},  {SIGSEGV, SIG_DFL},
               {SIGTERM, SIG_DFL}, {SIGBREAK, SIG_DFL}, {SIGABRT, SIG_DFL}, {6, SIG_DFL}};

static int index_of(int number)
{
    number = number == 6 ? SIGABRT : number;
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        if (signals[i].number == number) {
            return (int)i;
        }
    }
    return -1;
}

handler signal(int number, handler new_handler)
{
    int i = index_of(number);
    if (i < 0 || new_handler == SIG_SGE || new_handler == SIG_ACK) {
        errno = EINVAL;
        return SIG_ERR;
    }
    _lock(SIGNAL_LOCK);
    handler old = signals[i].handler;
    if (new_handler != SIG_GET) {
        signals[i].handler = new_handler;
    }
    _unlock(SIGNAL_LOCK);
    return old;
}

int raise(int number)
{
    int i = index_of(number);
    if (i < 0) {
        return -1;
    }
    _lock(SIGNAL_LOCK);
    handler call = signals[i].handler;
    if (call != SIG_IGN) {
        signals[i].handler = SIG_DFL;
    }
    _unlock(SIGNAL_LOCK);
    if (call == SIG_IGN) {
        return 0;
    }
    if (call == SIG_DFL) {
        _exit(3);
    }
    if (number == SIGFPE) {
        ((void(__cdecl *)(int, int))call)(number, thread_data()->floating_code);
    } else {
        call(number);
    }
    return 0;
}

void **__pxcptinfoptrs(void)
{
    return &thread_data()->exception_pointers;
}

int *__fpecode(void)
{
    return &thread_data()->floating_code;
}
