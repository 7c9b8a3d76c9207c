/*
 * examples/share.c: two processes share memory through a named section.
 *
 * Started without arguments the program makes a section backed by the paging file, writes a
 * sentence into it, and starts itself again with an argument. The second process opens the section
 * by its name, maps it at an address of its own, reads the sentence and answers in its place.
 */
#include <stdio.h>
#include <string.h>
#include <windows.h>

#define NAME  "example-share"
#define BYTES 4096

static int fail(const char *what)
{
    printf("%s failed: error %lu\n", what, GetLastError());
    return 1;
}

/* The second process. */
static int answer(void)
{
    HANDLE section = OpenFileMapping(FILE_MAP_WRITE, FALSE, NAME);
    if (!section) {
        return fail("OpenFileMapping");
    }
    /* Take the address that the first process had, so that ours differs. */
    VirtualAlloc(NULL, 0x100000, MEM_RESERVE, PAGE_NOACCESS);
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    if (!view) {
        return fail("MapViewOfFile");
    }
    printf("second: at %p I read: %s\n", (void *)view, view);
    strcpy(view, "And to you, from the second process.");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        return answer();
    }
    HANDLE section = CreateFileMapping(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, BYTES, NAME);
    if (!section) {
        return fail("CreateFileMapping");
    }
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    if (!view) {
        return fail("MapViewOfFile");
    }
    strcpy(view, "Greetings from the first process.");
    printf("first:  at %p I wrote: %s\n", (void *)view, view);
    fflush(stdout);

    char command[MAX_PATH + 16];
    STARTUPINFO startup = {.cb = sizeof(startup)};
    PROCESS_INFORMATION process;
    snprintf(command, sizeof(command), "\"%s\" second", argv[0]);
    if (!CreateProcess(NULL, command, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &process)) {
        return fail("CreateProcess");
    }
    WaitForSingleObject(process.hProcess, INFINITE);
    CloseHandle(process.hProcess);
    CloseHandle(process.hThread);

    printf("first:  at %p I read: %s\n", (void *)view, view);
    UnmapViewOfFile(view);
    CloseHandle(section);
    return 0;
}
