; tests/user/raw.asm: system calls without any DLL: int 0x2e and the sysenter stub, what they keep
; and what they refuse, and a section mapped twice. TAP goes to standard output.

        bits 32
%include "syscalls.inc"

STATUS_ACCESS_VIOLATION       equ 0xC0000005
STATUS_INVALID_HANDLE         equ 0xC0000008
STATUS_INVALID_SYSTEM_SERVICE equ 0xC000001C
PROCESS       equ -1
STUB          equ 0x7FFE0300    ; the address of the sysenter stub stands there
QUIRE_FRAMES  equ 0x5101
PEB_PARAMETERS equ 0x10
STANDARD_OUTPUT equ 0x1C        ; in the process parameters

        section .text
        global _start

; call_nt NAME, arguments in their order: by int 0x2e; EAX is the status.
%macro call_nt 1-*
  %define call_name %1
  %assign call_words %0 - 1
  %rep %0 - 1
    %rotate -1
        push    dword %1
  %endrep
        mov     eax, SYS_%+call_name
        mov     edx, esp
        int     0x2e
        add     esp, call_words * 4
%endmacro

; check "name": ok when ZF is set.
%macro check 1
        section .rdata
    %%text: db %1, 0
        section .text
        sete    al
        mov     edx, %%text
        call    report
%endmacro

_start:
        mov     eax, [esp + 4]
        mov     eax, [eax + PEB_PARAMETERS]
        mov     eax, [eax + STANDARD_OUTPUT]
        mov     [output], eax
        call    test_interrupt
        call    test_sysenter
        call    test_refusals
        call    test_floating_point
        call    test_time_stamp
        call    test_section
        mov     edx, plan
        call    print
        xor     eax, eax
        cmp     dword [failures], 0
        setne   al
        call_nt NtTerminateProcess, PROCESS, eax
        ud2

; Every register but EAX keeps its value over int 0x2e.
test_interrupt:
        call    load_registers
        mov     eax, SYS_NtYieldExecution
        int     0x2e
        mov     [status], eax
        call    compare_registers
        check   "int 0x2e keeps EBX, ECX, EDX, ESI, EDI, EBP"
        cmp     dword [status], 0x80000000
        sbb     eax, eax
        cmp     eax, -1
        check   "NtYieldExecution by int 0x2e"
        mov     [stack], esp
        mov     eax, SYS_NtTestAlert
        int     0x2e
        cmp     [stack], esp
        check   "int 0x2e keeps ESP"
        std
        stc
        mov     eax, SYS_NtYieldExecution
        int     0x2e
        pushfd
        cld
        pop     eax
        and     eax, 0x401
        cmp     eax, 0x401
        check   "int 0x2e keeps the flags, the direction flag too"
        mov     ax, ds
        mov     bx, es
        mov     cx, fs
        shl     ebx, 16
        mov     bx, ax
        push    ebx
        push    ecx
        mov     eax, SYS_NtYieldExecution
        int     0x2e
        pop     ecx
        pop     ebx
        mov     ax, es
        shl     eax, 16
        mov     ax, ds
        mov     dx, fs
        sub     dx, cx
        movzx   edx, dx
        xor     eax, ebx
        or      eax, edx
        check   "int 0x2e keeps DS, ES, FS"
        ret

; The stub keeps what C expects a function to keep.
test_sysenter:
        call    load_registers
        mov     [stack], esp
        mov     eax, SYS_NtYieldExecution
        call    [STUB]
        mov     [status], eax
        cmp     [stack], esp
        check   "the sysenter stub keeps ESP"
        call    load_registers
        mov     eax, SYS_NtYieldExecution
        call    [STUB]
        mov     ecx, 0x22222222
        mov     edx, 0x33333333
        call    compare_registers
        check   "the sysenter stub keeps EBX, ESI, EDI, EBP"
        push    dword 0xDEADBEEC
        mov     edx, esp
        mov     eax, SYS_NtClose
        call    [STUB]
        add     esp, 4
        cmp     eax, STATUS_INVALID_HANDLE
        check   "the sysenter stub: arguments by EDX, status in EAX"
        mov     esi, 10000
.again: mov     eax, SYS_NtYieldExecution
        call    [STUB]
        dec     esi
        jnz     .again
        check   "10 000 calls by the sysenter stub"
        std
        mov     eax, SYS_NtTestAlert
        call    [STUB]
        pushfd
        cld
        pop     ecx
        test    eax, eax
        check   "the sysenter stub with the direction flag set"
        ret

test_refusals:
        mov     eax, SYSCALL_COUNT
        mov     edx, esp
        int     0x2e
        cmp     eax, STATUS_INVALID_SYSTEM_SERVICE
        check   "the first number that is none"
        mov     eax, 0xFFFFFFFF
        int     0x2e
        cmp     eax, STATUS_INVALID_SYSTEM_SERVICE
        check   "number 0xFFFFFFFF"
        mov     eax, 0x80000000
        call    [STUB]
        cmp     eax, STATUS_INVALID_SYSTEM_SERVICE
        check   "number 0x80000000 by the sysenter stub"
        mov     eax, SYS_NtClose
        mov     edx, 0x10
        int     0x2e
        cmp     eax, STATUS_ACCESS_VIOLATION
        check   "arguments at 0x10"
        mov     eax, SYS_NtClose
        mov     edx, 0x80100000
        int     0x2e
        cmp     eax, STATUS_ACCESS_VIOLATION
        check   "arguments in the kernel"
        mov     eax, SYS_NtClose
        mov     edx, 0xFFFFFFFE
        call    [STUB]
        cmp     eax, STATUS_ACCESS_VIOLATION
        check   "arguments that wrap around, by the sysenter stub"
        call_nt NtClose, 0xDEADBEEC
        cmp     eax, STATUS_INVALID_HANDLE
        check   "a handle that is none"
        ret

; x87 and SSE registers live through calls.
test_floating_point:
        fninit
        fldpi
        fld1
        movups  xmm3, [pattern]
        mov     esi, 1000
.again: mov     eax, SYS_NtYieldExecution
        int     0x2e
        dec     esi
        jnz     .again
        movups  [scratch], xmm3
        fstp    qword [scratch + 16]
        fstp    qword [scratch + 24]
        mov     eax, [scratch]
        xor     eax, [pattern]
        mov     ecx, [scratch + 12]
        xor     ecx, [pattern + 12]
        or      eax, ecx
        check   "an SSE register over 1000 calls"
        mov     eax, [scratch + 20]
        xor     eax, 0x3FF00000         ; 1.0
        mov     ecx, [scratch + 28]
        xor     ecx, 0x400921FB         ; pi
        or      eax, ecx
        check   "x87 registers over 1000 calls"
        ret

test_time_stamp:
        rdtsc
        mov     esi, eax
        mov     edi, edx
        mov     eax, SYS_NtYieldExecution
        int     0x2e
        rdtsc
        sub     eax, esi
        sbb     edx, edi
        sets    al
        test    al, al
        check   "rdtsc works in user mode and goes on"
        ret

; A section of 64 KiB, two views: two addresses, one memory, one frame.
test_section:
        mov     dword [size], 0x10000
        mov     dword [size + 4], 0
        call_nt NtCreateSection, section_handle, 0xF001F, 0, size, 4, 0x08000000, 0
        test    eax, eax
        check   "NtCreateSection"
        call_nt NtMapViewOfSection, [section_handle], PROCESS, base, 0, 0, 0, nbytes, 1, 0, 4
        test    eax, eax
        check   "NtMapViewOfSection"
        mov     dword [nbytes], 0
        call_nt NtMapViewOfSection, [section_handle], PROCESS, other, 0, 0, 0, nbytes, 1, 0, 2
        test    eax, eax
        check   "a second view, to read"
        mov     esi, [base]
        mov     edi, [other]
        cmp     esi, edi
        setne   al
        dec     al
        check   "at another address"
        mov     dword [esi + 0x5004], 0x600DF00D
        cmp     dword [edi + 0x5004], 0x600DF00D
        check   "a store through the first is seen through the second"
        lea     eax, [esi + 0x5000]
        call_nt NtQueryVirtualMemory, PROCESS, eax, QUIRE_FRAMES, frame, 8, 0
        mov     ebx, eax
        lea     eax, [edi + 0x5000]
        call_nt NtQueryVirtualMemory, PROCESS, eax, QUIRE_FRAMES, other_frame, 8, 0
        or      ebx, eax
        mov     eax, [frame]
        xor     eax, [other_frame]
        or      eax, ebx
        check   "both show one frame"
        call_nt NtQueryVirtualMemory, PROCESS, 0x10000, 0, edi, 28, 0
        cmp     eax, STATUS_ACCESS_VIOLATION
        check   "the kernel does not write to the view to read either"
        call_nt NtClose, [section_handle]
        mov     ebx, eax
        call_nt NtUnmapViewOfSection, PROCESS, [base]
        or      ebx, eax
        cmp     dword [edi + 0x5004], 0x600DF00D
        check   "the handle and a view gone, the other view is whole"
        call_nt NtUnmapViewOfSection, PROCESS, [other]
        or      ebx, eax
        check   "NtClose, NtUnmapViewOfSection"
        ret

load_registers:
        mov     ebx, 0x11111111
        mov     ecx, 0x22222222
        mov     edx, 0x33333333
        mov     esi, 0x44444444
        mov     edi, 0x55555555
        mov     ebp, 0x66666666
        ret

; ZF: they are as load_registers left them.
compare_registers:
        xor     ebx, 0x11111111
        xor     ecx, 0x22222222
        xor     edx, 0x33333333
        xor     esi, 0x44444444
        xor     edi, 0x55555555
        xor     ebp, 0x66666666
        or      ebx, ecx
        or      ebx, edx
        or      ebx, esi
        or      ebx, edi
        or      ebx, ebp
        ret

; A TAP line: AL 1 ok, 0 not; EDX the name. Keeps every register but EAX, ECX, EDX.
report:
        push    edx
        test    al, al
        mov     edx, text_ok
        jnz     .say
        inc     dword [failures]
        mov     edx, text_not_ok
.say:   call    print
        inc     dword [count]
        mov     eax, [count]
        mov     cl, 10
        div     cl
        add     ax, "00"
        mov     [number], ax
        mov     edx, number
        call    print
        pop     edx
        call    print
        mov     edx, text_end
        ; falls through

; Writes the text at EDX to standard output.
print:
        push    ebx
        mov     ebx, edx
        xor     ecx, ecx
.more:  cmp     byte [edx + ecx], 1
        inc     ecx
        jnc     .more
        dec     ecx
        call_nt NtWriteFile, [output], 0, 0, 0, io, ebx, ecx, 0, 0
        pop     ebx
        ret

        section .rdata
pattern:     dd 0x01234567, 0x89ABCDEF, 0xFEDCBA98, 0x76543210
text_ok:     db "ok ", 0
text_not_ok: db "not ok ", 0
text_end:    db 10, 0
plan:        db "1..29", 10, 0

        section .data
number:      db "00 - ", 0

        section .bss
output:      resd 1
count:       resd 1
failures:    resd 1
status:      resd 1
stack:       resd 1
io:          resd 2
size:        resd 2
section_handle: resd 1
base:        resd 1
other:       resd 1
nbytes:      resd 1
frame:       resd 2
other_frame: resd 2
scratch:     resb 64
