; examples/bare.asm: a program without any DLL: system calls only. Two ways to make one:
;
;     mov eax, NUMBER          ; from syscalls.inc, generated from include/abi/syscalls.def
;     mov edx, ARGUMENTS       ; address of the arguments, 32-bit words, first one lowest
;     int 0x2e                 ; EAX = status, every other register keeps its value
;
; or, faster, `call [0x7FFE0300]` in place of `int 0x2e`: the kernel's stub in the shared page uses
; SYSENTER; ECX and EDX are lost.
;
;     nasm -f win32 -Ibuild/user/ bare.asm -o bare.obj
;     i686-w64-mingw32-ld -e _start --subsystem console bare.obj -o bare.exe
;
; An image without imports starts at its entry point with [esp] = 0 and [esp + 4] = its PEB.

%include "syscalls.inc"

SYSTEM_CALL equ 0x7FFE0300

PEB_PARAMETERS         equ 0x10
PARAMETERS_STD_OUTPUT  equ 0x1C
CURRENT_PROCESS        equ -1

; NtWriteFile(file, event, apc, context, io status, buffer, length, offset, key) on EBX, by either way.
%macro write 3 ; text, length, how
    push 0
    push 0
    push %2
    push %1
    push io_status
    push 0
    push 0
    push 0
    push ebx
    mov eax, SYS_NtWriteFile
    mov edx, esp
    %3
    add esp, 4 * ARGS_NtWriteFile
%endmacro

section .data
slow:  db "written with int 0x2e", 10
slow_length equ $ - slow
fast:  db "written with the system-call stub", 10
fast_length equ $ - fast

section .bss
io_status: resd 2

section .text
global _start
_start:
    mov ebx, [esp + 4]                      ; PEB
    mov ebx, [ebx + PEB_PARAMETERS]
    mov ebx, [ebx + PARAMETERS_STD_OUTPUT]
    write slow, slow_length, int 0x2e
    write fast, fast_length, call [SYSTEM_CALL]

    push eax                                ; the last status is the exit code: 0
    push CURRENT_PROCESS
    mov eax, SYS_NtTerminateProcess
    mov edx, esp
    int 0x2e
    hlt                                     ; not reached
