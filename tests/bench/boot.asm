; tests/bench/boot.asm: how long the machine took to the first instruction of the first program.
;
; Reads the time-stamp counter, which runs from reset on, before anything else; then the time that
; the kernel was idle until then, which is the disk's and differs from run to run; and how many bytes
; the PFN database takes. Prints, for tests/bench/run, in nanoseconds and hexadecimal:
;     boot <counter> <idle> <bytes>

%include "syscalls.inc"

PEB_PARAMETERS          equ 0x10
PARAMETERS_STD_OUTPUT   equ 0x1C
CURRENT_PROCESS         equ -1
SYSTEM_QUIRE_MEMORY     equ 0x5103              ; struct quire_memory of include/abi/quire.h
SYSTEM_QUIRE_PAGING     equ 0x5110              ; struct quire_paging
ANSWER_BYTES            equ 512                 ; room for each and what may be added to it
MEMORY_IDLE_TIME        equ 56
PAGING_DATABASE_BYTES   equ 52

%macro call_system 1                            ; the arguments are on the stack
        mov     eax, SYS_%1
        mov     edx, esp
        int     0x2e
        add     esp, 4 * ARGS_%1
%endmacro

        bits    32
        global  _start

section .text
_start: rdtsc
        mov     edi, line.counter
        call    put_hex64
        mov     eax, SYSTEM_QUIRE_MEMORY
        call    query
        mov     eax, [answer + MEMORY_IDLE_TIME]
        mov     edx, [answer + MEMORY_IDLE_TIME + 4]
        mov     edi, line.idle
        call    put_hex64
        mov     eax, SYSTEM_QUIRE_PAGING
        call    query
        mov     eax, [answer + PAGING_DATABASE_BYTES]
        xor     edx, edx
        mov     edi, line.bytes
        call    put_hex64

        mov     ebx, [esp + 4]                  ; PEB
        mov     ebx, [ebx + PEB_PARAMETERS]
        push    0
        push    0
        push    line_length
        push    line
        push    io_status
        push    0
        push    0
        push    0
        push    dword [ebx + PARAMETERS_STD_OUTPUT]
        call_system NtWriteFile
        push    0
        push    CURRENT_PROCESS
        call_system NtTerminateProcess
        hlt                                     ; not reached

; What NtQuerySystemInformation says to class EAX.
query:  push    0
        push    ANSWER_BYTES
        push    answer
        push    eax
        call_system NtQuerySystemInformation
        ret

; EDX:EAX as 16 digits at EDI.
put_hex64:
        mov     ecx, 16
.digit: shld    ebx, edx, 4
        shld    edx, eax, 4
        shl     eax, 4
        and     ebx, 15
        mov     bl, [digits + ebx]
        mov     [edi], bl
        inc     edi
        dec     ecx
        jnz     .digit
        ret

section .data
digits: db      "0123456789abcdef"
line:   db      "boot", 9
.counter: times 16 db '0'
        db      9
.idle:  times 16 db '0'
        db      9
.bytes: times 16 db '0'
        db      10
line_length equ $ - line

section .bss
        alignb  8
answer: resb    ANSWER_BYTES
io_status: resd 2
