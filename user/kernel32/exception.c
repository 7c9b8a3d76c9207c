/*
 * user/kernel32/exception.c: raising exceptions, and the last filter before the process ends.
 *
 * ntdll dispatches; when no handler of a thread's chain takes an exception it asks
 * UnhandledExceptionFilter, which asks the program's own filter. What that leaves goes back to the
 * kernel as a second chance: the process ends with the exception's code, and the kernel reports.
 */
#include "user/kernel32/kernel32.h"

/*
 * The program's own filter. Every program sets one when it starts: it lies in ntdll, of whose
 * variables each process has a copy anyway.
 */
extern __declspec(dllimport) PTOP_LEVEL_EXCEPTION_FILTER volatile ntdll_program_filter;

PTOP_LEVEL_EXCEPTION_FILTER WINAPI SetUnhandledExceptionFilter(PTOP_LEVEL_EXCEPTION_FILTER filter)
{
    return (PTOP_LEVEL_EXCEPTION_FILTER)(uintptr_t)InterlockedExchangePointer(
        (void *volatile *)&ntdll_program_filter, (void *)filter);
}

LONG WINAPI UnhandledExceptionFilter(EXCEPTION_POINTERS *pointers)
{
    PTOP_LEVEL_EXCEPTION_FILTER filter = ntdll_program_filter;
    if (filter) {
        LONG answer = filter(pointers);
        if (answer != EXCEPTION_CONTINUE_SEARCH) {
            return answer;
        }
    }
    return EXCEPTION_CONTINUE_SEARCH;
}

void WINAPI RaiseException(DWORD code, DWORD flags, DWORD count, const ULONG_PTR *parameters)
{
    EXCEPTION_RECORD record = {
        .ExceptionCode = code,
        .ExceptionFlags = flags & EXCEPTION_NONCONTINUABLE,
        .ExceptionAddress = (void *)RaiseException,
    };
    if (parameters) {
        record.NumberParameters =
            count < EXCEPTION_MAXIMUM_PARAMETERS ? count : EXCEPTION_MAXIMUM_PARAMETERS;
        memcpy(record.ExceptionInformation, parameters,
               record.NumberParameters * sizeof(*parameters));
    }
    RtlRaiseException(&record);
}

void WINAPI FatalExit(int code)
{
    RtlExitUserProcess((NTSTATUS)code);
}

void WINAPI FatalAppExitA(UINT action, const char *message)
{
    (void)action;
    OutputDebugStringA(message);
    RtlExitUserProcess(1);
}

BOOL WINAPI IsDebuggerPresent(void)
{
    return this_peb()->being_debugged;
}

void WINAPI OutputDebugStringW(const WCHAR *text)
{
    UNICODE_STRING string;
    if (text && wide_length(text) < 0x7FFF) {
        wide_string(&string, text);
        (void)NtDisplayString(&string);
    }
}

void WINAPI OutputDebugStringA(const char *text)
{
    WCHAR *wide = text ? wide_from_ansi(text) : NULL;
    OutputDebugStringW(wide);
    release_memory(wide);
}

static ULONG_PTR cookie(void)
{
    return (ULONG_PTR)this_peb() ^ 0x5A17C3E9u;
}

void *WINAPI EncodePointer(void *pointer)
{
    return (void *)((ULONG_PTR)pointer ^ cookie());
}

void *WINAPI DecodePointer(void *pointer)
{
    return (void *)((ULONG_PTR)pointer ^ cookie());
}

void *WINAPI EncodeSystemPointer(void *pointer)
{
    return EncodePointer(pointer);
}

void *WINAPI DecodeSystemPointer(void *pointer)
{
    return DecodePointer(pointer);
}
