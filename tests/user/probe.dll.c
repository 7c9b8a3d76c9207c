/*
 * tests/user/probe.dll.c: the DLL of images.c: exports, data that programs share or change, a
 * DllMain and a TLS callback that count.
 */
#include <windows.h>

__declspec(dllexport) volatile LONG probe_value = 0x1234;
__declspec(dllexport) volatile LONG probe_attached;
__declspec(dllexport) volatile LONG probe_threads;
static const char constant[] = "read-only";
static char zeroes[5000];

/* A pointer in the data: has a relocation. */
__declspec(dllexport) const char *probe_pointer = constant;

__declspec(dllexport) int probe_add(int one, int two);
__declspec(dllexport) int probe_add(int one, int two)
{
    return one + two + (int)probe_value;
}

__declspec(dllexport) const char *__stdcall probe_text(void);
__declspec(dllexport) const char *__stdcall probe_text(void)
{
    return probe_pointer;
}

__declspec(dllexport) char *probe_zeroes(void);
__declspec(dllexport) char *probe_zeroes(void)
{
    return zeroes;
}

BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, void *reserved)
{
    (void)instance;
    (void)reserved;
    if (reason == DLL_PROCESS_ATTACH) {
        probe_attached++;
    } else if (reason == DLL_THREAD_ATTACH) {
        InterlockedIncrement(&probe_threads);
    } else if (reason == DLL_PROCESS_DETACH) {
        probe_attached--;
    }
    return TRUE;
}
