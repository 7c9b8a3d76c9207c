/*
 * tests/user/exceptions.c: what a fault tells (EXC), who is asked about it, and how a process ends
 * by one.
 */
#include "tap.h"

static void test_access_violations(void)
{
    char *base = VirtualAlloc(NULL, 3 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    DWORD old;

    ok(read_fault((void *)0x10) == AV && fault_was(0, (void *)0x10), "EXC01 a read of 0x10");
    ok(write_fault((void *)0x11) == AV && fault_was(1, (void *)0x11), "EXC01 a write of 0x11");
    ok(read_fault((void *)0x80001235u) == AV && fault.kind == 0,
       "EXC01 a read of the kernel's half");
    unlike_wine(fault_was(0, (void *)0x80001235u), "EXC01 with its address");
    VirtualProtect(base + PAGE, PAGE, PAGE_READONLY, &old);
    ok(write_fault(base + PAGE + 0x123) == AV && fault_was(1, base + PAGE + 0x123),
       "EXC01 a write to read-only memory: byte exact");
    VirtualProtect(base + PAGE, PAGE, PAGE_NOACCESS, &old);
    ok(read_fault(base + PAGE + 1) == AV && fault_was(0, base + PAGE + 1), "EXC04 no access: read");
    ok(write_fault(base + PAGE + 2) == AV && fault_was(1, base + PAGE + 2),
       "EXC04 no access: write");
    VirtualProtect(base + PAGE, PAGE, PAGE_EXECUTE_READ, &old);
    ok(read_fault(base + PAGE) == 0, "EXC05 PAGE_EXECUTE_READ can be read");
    ok(write_fault(base + PAGE + 3) == AV && fault_was(1, base + PAGE + 3),
       "EXC05 and not be written");
    VirtualProtect(base + PAGE, PAGE, PAGE_READWRITE, &old);
    VirtualFree(base + 2 * PAGE, PAGE, MEM_DECOMMIT);
    ok(read_fault(base + 2 * PAGE) == AV, "EXC01 a decommitted page");
    VirtualFree(base, 0, MEM_RELEASE);
}

static void read_four(void *address)
{
    *(volatile DWORD *)address;
}

static void write_four(void *address)
{
    *(volatile DWORD *)address = 0x11223344;
}

static void test_straddling(void)
{
    char *base = VirtualAlloc(NULL, 2 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    DWORD old;

    VirtualProtect(base + PAGE, PAGE, PAGE_NOACCESS, &old);
    ok(fault_in(read_four, base + PAGE - 2) == AV && fault.kind == 0 &&
           fault.address >= (ULONG_PTR)base + PAGE && fault.address < (ULONG_PTR)base + PAGE + 2,
       "EXC15 a read over a border: an address in the bad page");
    ok(fault_in(write_four, base + PAGE - 2) == AV && fault.kind == 1 &&
           fault.address >= (ULONG_PTR)base + PAGE && fault.address < (ULONG_PTR)base + PAGE + 2,
       "EXC15 a write over a border");
    ok(base[PAGE - 2] == 0 && base[PAGE - 1] == 0, "EXC15 nothing was stored");
    VirtualFree(base, 0, MEM_RELEASE);
}

/* Runs these bytes of code from a fresh page; the exception. */
static DWORD run_bytes(const char *bytes, size_t length, DWORD protection)
{
    char *code = VirtualAlloc(NULL, PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    DWORD old, result;

    memcpy(code, bytes, length);
    VirtualProtect(code, PAGE, protection, &old);
    result = run_fault(code);
    if (result == AV && fault.address == (ULONG_PTR)code) {
        fault.address = 0x12345678; /* "at the code itself" */
    }
    VirtualFree(code, 0, MEM_RELEASE);
    return result;
}

#define RUN(bytes) run_bytes(bytes, sizeof(bytes) - 1, PAGE_EXECUTE_READ)

static void test_instructions(void)
{
    static const struct {
        const char *name, *bytes;
    } privileged[] = {
        {"cli", "\xFA\xC3"},
        {"sti", "\xFB\xC3"},
        {"hlt", "\xF4\xC3"},
        {"in al, dx", "\xEC\xC3"},
        {"out dx, al", "\xEE\xC3"},
        {"mov eax, cr0", "\x0F\x20\xC0\xC3"},
        {"mov cr3, eax", "\x0F\x22\xD8\xC3"},
    };

    for (unsigned i = 0; i < sizeof privileged / sizeof privileged[0]; i++) {
        ok(run_bytes(privileged[i].bytes, strlen(privileged[i].bytes), PAGE_EXECUTE_READ) ==
                   (DWORD)STATUS_PRIVILEGED_INSTRUCTION &&
               fault.parameters == 0,
           "EXC07 %s: privileged instruction", privileged[i].name);
    }
    ok(RUN("\xCD\xFF\xC3") == AV && fault.parameters == 2 && fault.kind == 0 &&
           fault.address == 0xFFFFFFFF,
       "EXC08 int 0xff: access violation, 0, 0xffffffff");
    RUN("\x66\xB8\x17\x12\x8E\xC0\xC3");
    quire_differs(fault.code == AV && fault.kind == 0 && fault.address == 0xFFFFFFFF,
                  fault.code == AV && fault.kind == 0, "EXC08 a bad selector");
    ok(RUN("\x0F\x0B\xC3") == (DWORD)STATUS_ILLEGAL_INSTRUCTION, "EXC08 ud2: illegal instruction");
    ok(RUN("\xCC\xC3") == (DWORD)STATUS_BREAKPOINT, "EXC08 int3: breakpoint");
    ok(RUN("\x31\xC9\x89\xC8\x99\xF7\xF9\xC3") == (DWORD)STATUS_INTEGER_DIVIDE_BY_ZERO,
       "EXC08 division by zero");
    RUN("\xB8\x00\x00\x00\x80\x99\x83\xC9\xFF\xF7\xF9\xC3");
    ok(fault.code == (DWORD)STATUS_INTEGER_OVERFLOW ||
           fault.code == (DWORD)STATUS_INTEGER_DIVIDE_BY_ZERO,
       "EXC08 the quotient does not fit: integer overflow, or division by zero");
    ok(RUN("\xC3") == 0, "EXC11 ret in executable memory");
    run_bytes("\xC3", 1, PAGE_READWRITE);
    ok(fault.code == 0 || (fault.code == AV && fault.kind == 8 && fault.address == 0x12345678),
       "EXC11 in memory without execute right: [0] = 8 where NX exists, else it runs");
    ok(run_bytes("\xC3", 1, PAGE_NOACCESS) == AV && (fault.kind == 8 || fault.kind == 0),
       "EXC11 in PAGE_NOACCESS memory: always a fault");
    ok(run_fault((void *)0x10) == AV && fault.address == 0x10, "EXC11 a call of 0x10");
    /* pushfd; push cs; call $+5; add dword [esp], 5; iret; ret. With SMAP QEMU before 9.1 refuses.
     */
    RUN("\x9C\x0E\xE8\x00\x00\x00\x00\x83\x04\x24\x05\xCF\xC3");
    ok(fault.code == 0 || fault.code == AV, "iret in user mode goes on, or ends in a fault");
}

static void test_bad_pointers(void)
{
    char *base = VirtualAlloc(NULL, PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READONLY);

    ok(!IsBadReadPtr(NULL, 0) && !IsBadReadPtr((void *)0x90000000u, 0) && !IsBadReadPtr(base, 0),
       "EXC13 IsBadReadPtr of 0 bytes is FALSE");
    ok(IsBadReadPtr(NULL, 1) && IsBadReadPtr((void *)(ULONG_PTR)0xDEAD0000, 1),
       "EXC13 of 1 byte at NULL or a bad address: TRUE");
    ok(!IsBadReadPtr(base, PAGE), "EXC13 of good memory: FALSE");
    ok(IsBadWritePtr(base, 1), "EXC13 IsBadWritePtr of read-only memory: TRUE");
    VirtualFree(base, 0, MEM_RELEASE);
    ok(IsBadReadPtr(base, 1), "EXC13 of freed memory: TRUE");
}

static int calls[3];
static DWORD skip_code;

/* Skips the two-byte `ud2` and goes on. */
static LONG CALLBACK skip_ud2(EXCEPTION_POINTERS *exception)
{
    calls[0]++;
    if (exception->ExceptionRecord->ExceptionCode != (DWORD)STATUS_ILLEGAL_INSTRUCTION) {
        return EXCEPTION_CONTINUE_SEARCH;
    }
    skip_code = exception->ExceptionRecord->ExceptionCode;
    exception->ContextRecord->Eip += 2;
    exception->ContextRecord->Edx = 0x600D;
    return EXCEPTION_CONTINUE_EXECUTION;
}

static LONG CALLBACK count_only(EXCEPTION_POINTERS *exception)
{
    (void)exception;
    calls[1]++;
    return EXCEPTION_CONTINUE_SEARCH;
}

static void test_continuing(void)
{
    DWORD ebx = 0x1111, ecx = 0x2222, edx = 0x3333, esi = 0x4444;
    void *handler = AddVectoredExceptionHandler(0, skip_ud2);
    void *counter = AddVectoredExceptionHandler(1, count_only);

    __asm__ volatile("ud2" : "+b"(ebx), "+c"(ecx), "+d"(edx), "+S"(esi) : : "memory", "cc");
    ok(skip_code == (DWORD)STATUS_ILLEGAL_INSTRUCTION && calls[0] == 1 && calls[1] == 1,
       "EXC01 vectored handlers are asked in their order");
    ok(ebx == 0x1111 && ecx == 0x2222 && esi == 0x4444 && edx == 0x600D,
       "EXC01 a handler changes one register and goes on; the others are kept");
    ok(RemoveVectoredExceptionHandler(handler) && RemoveVectoredExceptionHandler(counter),
       "EXC01 handlers removed");
    ok(RUN("\x0F\x0B\xC3") == (DWORD)STATUS_ILLEGAL_INSTRUCTION && calls[0] == 1,
       "EXC01 and not asked again");
}

/* A frame handler in fs:[0], as compilers for Win32 make it. */
struct registration {
    struct registration *next;
    void *handler;
};

static EXCEPTION_DISPOSITION __cdecl frame_handler(EXCEPTION_RECORD *record, void *frame,
                                                   CONTEXT *context, void *dispatcher)
{
    (void)frame;
    (void)dispatcher;
    calls[2]++;
    if (record->ExceptionCode != AV || (record->ExceptionFlags & 6) != 0) {
        return ExceptionContinueSearch;
    }
    context->Eip += 2; /* mov eax, [eax] */
    context->Eax = 0xF00D;
    return ExceptionContinueExecution;
}

static void test_frame_handler(void)
{
    struct registration registration = {NULL, frame_handler};
    DWORD value = 0x20;

    __asm__ volatile("movl %%fs:0, %%edx\n\t"
                     "movl %%edx, (%1)\n\t"
                     "movl %1, %%fs:0\n\t"
                     ".byte 0x8B, 0x00\n\t" /* mov eax, [eax] */
                     "movl (%1), %%edx\n\t"
                     "movl %%edx, %%fs:0"
                     : "+a"(value)
                     : "c"(&registration)
                     : "edx", "memory");
    ok(value == 0xF00D && calls[2] == 1, "EXC01 a frame handler in fs:[0] repairs and goes on");
}

static void raise_own(void *argument)
{
    ULONG_PTR parameters[3] = {1, 2, 3};

    RaiseException(0xE0001234, 0, 3, (void *)(ULONG_PTR)(argument == NULL ? parameters : argument));
}

static void test_raise(void)
{
    ok(fault_in(raise_own, NULL) == 0xE0001234 && fault.parameters == 3 && fault.kind == 1 &&
           fault.address == 2,
       "EXC01 RaiseException: code and parameters");
}

static LONG CALLBACK unhandled(EXCEPTION_POINTERS *exception)
{
    ExitProcess(exception->ExceptionRecord->ExceptionCode == AV ? 42 : 43);
    return EXCEPTION_EXECUTE_HANDLER;
}

static int child(const char *role)
{
    SetErrorMode(SEM_NOGPFAULTERRORBOX | SEM_FAILCRITICALERRORS);
    if (strcmp(role, "write") == 0) {
        *(volatile int *)0x10 = 1;
    } else if (strcmp(role, "illegal") == 0) {
        __asm__ volatile("ud2");
    } else if (strcmp(role, "jump") == 0) {
        ((void (*)(void))0x1234)();
    } else if (strcmp(role, "own") == 0) {
        RaiseException(0xE0004321, EXCEPTION_NONCONTINUABLE, 0, NULL);
    } else if (strcmp(role, "filter") == 0) {
        SetUnhandledExceptionFilter(unhandled);
        *(volatile int *)0x10 = 1;
    }
    return 1;
}

static void test_ends(void)
{
    ok(run_child(FALSE, 0, "write") == AV, "EXC01 a process ends with 0xC0000005");
    ok(run_child(FALSE, 0, "illegal") == (DWORD)STATUS_ILLEGAL_INSTRUCTION,
       "EXC01 another with 0xC000001D");
    ok(run_child(FALSE, 0, "jump") == AV, "EXC01 one that jumps to 0x1234");
    ok(run_child(FALSE, 0, "own") == 0xE0004321, "EXC01 one that raises its own code");
    ok(run_child(FALSE, 0, "filter") == 42, "EXC01 SetUnhandledExceptionFilter is asked");
}

int main(int argc, char **argv)
{
    tap_begin();
    if (argc > 1) {
        return child(argv[1]);
    }
    test_access_violations();
    test_straddling();
    test_instructions();
    test_bad_pointers();
    test_continuing();
    test_frame_handler();
    test_raise();
    test_ends();
    return tap_end();
}
