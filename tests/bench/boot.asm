; tests/bench/boot.asm: how long the machine took to the first instruction of the first program.
;
; Reads the time-stamp counter, which runs from reset on, before anything else; then the time that
; the kernel was idle until then, which is the disk's and differs from run to run; and how many page
; frames can be had, which tells what the frames' own records take. Prints, for tests/bench/run, in
; nanoseconds and hexadecimal:
;     boot <counter> <idle> <frames>

%include "syscalls.inc"

PEB_PARAMETERS          equ 0x10
PARAMETERS_STD_OUTPUT   equ 0x1C
CURRENT_PROCESS         equ -1
SYSTEM_QUIRE_MEMORY     equ 0x5103              ; struct quire_memory of include/abi/quire.h
MEMORY_BYTES            equ 256                 ; room for it and what may be added to it
MEMORY_FREE             equ 4
MEMORY_ZEROED           equ 8
MEMORY_STANDBY          equ 16
MEMORY_IDLE_TIME        equ 56

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
        push    0
        push    MEMORY_BYTES
        push    memory
        push    SYSTEM_QUIRE_MEMORY
        call_system NtQuerySystemInformation
        mov     eax, [memory + MEMORY_IDLE_TIME]
        mov     edx, [memory + MEMORY_IDLE_TIME + 4]
        mov     edi, line.idle
        call    put_hex64
        mov     eax, [memory + MEMORY_FREE]
        add     eax, [memory + MEMORY_ZEROED]
        add     eax, [memory + MEMORY_STANDBY]
        xor     edx, edx
        mov     edi, line.frames
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
.frames: times 16 db '0'
        db      10
line_length equ $ - line

section .bss
        alignb  8
memory: resb    MEMORY_BYTES
io_status: resd 2
