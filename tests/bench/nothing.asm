; tests/bench/nothing.asm: ends at once: what a process costs without any DLL.
%include "syscalls.inc"

        bits    32
        global  _start

section .text
_start: mov     eax, SYS_NtTerminateProcess
        mov     edx, arguments
        int     0x2e
        hlt

section .data
arguments:
        dd      0xFFFFFFFF, 0
