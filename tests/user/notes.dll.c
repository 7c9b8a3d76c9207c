/*
 * tests/user/notes.dll.c: a DLL of loader.c that notes down, in memory of the program's choosing,
 * what DllMain and its TLS callback are called for, and has thread-local data of its own.
 */
#include <windows.h>

/* One letter per call: P p = process attach, detach; T t = thread; small first letter v = callback.
 */
static char own_notes[64];
static char *notes = own_notes;

extern int _tls_index;
extern char *_tls_start;
static __attribute__((section(".tls$NNN"), used)) int thread_value = 1234;

static void note(DWORD reason, const char *letters)
{
    size_t length = lstrlenA(notes);

    if (length < 60) {
        notes[length] = letters[reason];
    }
}

static void NTAPI callback(void *base, DWORD reason, void *reserved)
{
    (void)base;
    (void)reserved;
    note(reason, "vVTw");
}
static __attribute__((section(".CRT$XLN"), used)) PIMAGE_TLS_CALLBACK callbacks = callback;

/* Where the notes go from now on. */
__declspec(dllexport) const char *notes_to(char *where);
__declspec(dllexport) const char *notes_to(char *where)
{
    const char *old = notes;

    notes = where;
    return old;
}

/* The calling thread's copy of thread_value. */
__declspec(dllexport) int *notes_value(void);
__declspec(dllexport) int *notes_value(void)
{
    char **blocks;

    __asm__("movl %%fs:0x2C, %0" : "=r"(blocks));
    return (int *)(void *)(blocks[_tls_index] + ((char *)&thread_value - (char *)&_tls_start));
}

__declspec(dllexport) void *notes_self(void);
__declspec(dllexport) void *notes_self(void)
{
    static void *self = &self; /* has a relocation */

    return self;
}

BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, void *reserved)
{
    (void)instance;
    (void)reserved;
    note(reason, "pPNn");
    return !GetEnvironmentVariableA("NOTES_REFUSE", NULL, 0) || reason != DLL_PROCESS_ATTACH;
}
