/*
 * tests/launcher/code.c: ends with the exit code that its argument names. "hang" never ends:
 * one thread waits for a mutex, whose owner waits for an event that nobody sets. "fault" stores to
 * address 16.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

static DWORD WINAPI wait_for_owner(void *mutex)
{
    return WaitForSingleObject(mutex, INFINITE);
}

static void hang(void)
{
    HANDLE mutex = CreateMutexA(NULL, TRUE, NULL);

    CreateThread(NULL, 0, wait_for_owner, mutex, 0, NULL);
    WaitForSingleObject(CreateEventA(NULL, FALSE, FALSE, NULL), INFINITE);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "0";
    volatile int *volatile nowhere = (volatile int *)16;

    printf("begins\n");
    fflush(stdout);
    if (strcmp(what, "hang") == 0) {
        hang();
    }
    if (strcmp(what, "fault") == 0) {
        *nowhere = 1;
    }
    ExitProcess(strtoul(what, NULL, 0));
}
