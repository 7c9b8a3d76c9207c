/*
 * tests/launcher/code.c: ends with the exit code that its argument names; "hang" never ends,
 * "fault" stores to address 16.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "0";
    volatile int *volatile nowhere = (volatile int *)16;

    printf("begins\n");
    fflush(stdout);
    if (strcmp(what, "hang") == 0) {
        Sleep(INFINITE);
    }
    if (strcmp(what, "fault") == 0) {
        *nowhere = 1;
    }
    ExitProcess(strtoul(what, NULL, 0));
}
