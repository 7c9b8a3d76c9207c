; tests/user/hostile.asm: a program without any DLL that calls every system call with garbage,
; thousands of times, from a seeded generator. It ends with 0 when it and the system are still
; there at the end.
;
; Garbage means: bad and good handles, addresses of nothing, of the kernel, of memory that cannot be
; written, of memory that ends in the middle of a structure; lengths that wrap; structures full of
; the same. What would only end or hang the program itself is kept from it, by lists below: calls
; that end or suspend a thread get handles that are none, waits get a timeout of 0, contexts get bad
; addresses. Addresses that calls work on are never those of the program's own image and stack.

        bits 32
%include "syscalls.inc"

%ifndef SEED
  %define SEED 20260722
%endif
ROUNDS        equ 300
PROCESS       equ -1
PEB_PARAMETERS equ 0x10
STANDARD_INPUT equ 0x18
STUB          equ 0x7FFE0300    ; the address of the sysenter stub stands there
VICTIM        equ 0x30000000    ; 64 KiB that may be freed, protected, mapped over
VICTIM_END    equ VICTIM + 0x10000
SCRATCH_WORDS equ 264           ; refilled before each call
ATTRIBUTES    equ 0x800         ; in scratch: copies of the templates below
BAD_POINTER   equ 0x80001000

; What a call's arguments must be made to be, to be harmless to the caller alone.
PLAIN  equ 0
SKIP   equ 1
HANDLE equ 2                    ; this argument: no handle
TIME   equ 3                    ; this argument: a timeout of 0, or a bad address
BAD    equ 4                    ; this argument: a bad address

        section .text
        global _start

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

_start:
        ; The standard streams are closed: a read would wait, a write would print garbage.
        mov     ebx, [esp + 4]
        mov     ebx, [ebx + PEB_PARAMETERS]
        call_nt NtClose, [ebx + STANDARD_INPUT]
        call_nt NtClose, [ebx + STANDARD_INPUT + 4]
        call_nt NtClose, [ebx + STANDARD_INPUT + 8]
        call_nt NtAllocateVirtualMemory, PROCESS, victim_base, 0, victim_size, 0x3000, 4
        mov     dword [rounds], ROUNDS
.round: mov     dword [current], 0
.call:  call    one_call
        inc     dword [current]
        cmp     dword [current], SYSCALL_COUNT
        jb      .call
        call    bad_numbers
        dec     dword [rounds]
        jnz     .round
        call    still_well
        call_nt NtTerminateProcess, PROCESS, eax
        ud2

; One call of [current] with fresh garbage; by int 0x2e or the stub, as the generator says.
one_call:
        call    fill_scratch
        mov     edi, arguments
        mov     ebp, 11
.fill:  call    garbage
        stosd
        dec     ebp
        jnz     .fill
        call    tame
        jc      .done
        mov     edx, arguments
        call    random
        test    eax, 0x1F000
        jnz     .good
        mov     edx, eax                ; the arguments themselves somewhere else
        call    keep_away
        mov     edx, eax
        call    forgiving
        jc      .done
.good:  call    random
        test    eax, 0x100
        mov     eax, [current]
        jnz     .stub
        int     0x2e
        ret
.stub:  call    [STUB]
.done:  ret

; CF when [current] must not get its arguments from a random place.
forgiving:
        mov     eax, [current]
        cmp     byte [rules + eax * 2], PLAIN
        je      .yes
        stc
        ret
.yes:   clc
        ret

; Numbers that are no system call.
bad_numbers:
        call    random
        or      eax, 0x1000
        mov     edx, arguments
        int     0x2e
        cmp     eax, 0xC000001C
        jne     failed
        ret

; Applies [current]'s rule to the arguments; CF: skip the call.
tame:
        mov     eax, [current]
        movzx   ecx, byte [rules + eax * 2 + 1]         ; which argument
        movzx   eax, byte [rules + eax * 2]
        cmp     eax, SKIP
        je      .skip
        cmp     eax, HANDLE
        je      .handle
        cmp     eax, TIME
        je      .time
        cmp     eax, BAD
        je      .bad
        clc
        ret
.skip:  stc
        ret
.handle:
        call    random
        and     eax, 3
        mov     eax, [no_handles + eax * 4]
        mov     [arguments + ecx * 4], eax
        clc
        ret
.time:  call    random
        test    eax, 0x700
        mov     eax, no_time
        jnz     .set
.bad:   mov     eax, BAD_POINTER
.set:   mov     [arguments + ecx * 4], eax
        clc
        ret

; EAX = the next random number. Keeps the other registers.
random:
        push    edx
        mov     eax, [seed]
        mov     edx, 1664525
        mul     edx
        add     eax, 1013904223
        mov     [seed], eax
        bswap   eax
        xor     eax, [seed]
        pop     edx
        ret

; EAX = a value of the kind that arguments have.
garbage:
        call    random
        mov     ecx, eax
        shr     ecx, 27
        and     ecx, 15
        jmp     [kinds + ecx * 4]
kind_zero:
        xor     eax, eax
        ret
kind_one:
        mov     eax, 1
        ret
kind_small:
        and     eax, 0xFF
        ret
kind_handle:
        and     eax, 0xFC
        ret
kind_process:
        mov     eax, -1
        ret
kind_thread:
        mov     eax, -2
        ret
kind_scratch:
        and     eax, 0x3FC
        add     eax, scratch
        jmp     own_address
kind_odd:
        and     eax, 0x3FF
        add     eax, scratch
        jmp     own_address
kind_attributes:
        and     eax, 7
        imul    eax, eax, 24
        add     eax, scratch + ATTRIBUTES
        jmp     own_address
kind_victim:
        and     eax, 0xFFFF
        add     eax, VICTIM
        ret
kind_edge:
        and     eax, 0x1F
        neg     eax
        add     eax, VICTIM_END
        ret
kind_kernel:
        or      eax, 0x80000000
        ret
kind_flag:
        test    ah, 1
        jz      .any
        and     eax, 15
        mov     eax, [useful + eax * 4]
        ret
.any:   mov     cl, al
        mov     eax, 1
        rol     eax, cl
        ret
kind_length:
        mov     cl, al
        and     cl, 15
        mov     eax, 1
        shl     eax, cl
        ret
kind_shared:
        and     eax, 0xFFF
        add     eax, 0x7FFE0000
        ret
kind_random:
        jmp     keep_away

; An address of the program's own data: not as the place that an unmap works on.
own_address:
        cmp     dword [current], SYS_NtUnmapViewOfSection
        jne     .keep
        xor     eax, eax
.keep:  ret

; EAX, unless it lies in the program's image or near its stack: then 0.
keep_away:
        push    ecx
        mov     ecx, eax
        shr     ecx, 20
        cmp     ecx, 4                  ; the image lies at 0x400000
        je      .away
        mov     ecx, eax
        xor     ecx, esp
        shr     ecx, 21
        jnz     .keep
.away:  xor     eax, eax
.keep:  pop     ecx
        ret

; Words of garbage that hold no address of the program itself, and the templates.
fill_scratch:
        mov     edi, scratch
        mov     ebp, SCRATCH_WORDS
.word:  call    garbage
        cmp     eax, scratch
        jb      .store
        cmp     eax, scratch_end
        jae     .store
        mov     eax, VICTIM + 0x1000
.store: stosd
        dec     ebp
        jnz     .word
        mov     esi, templates
        mov     edi, scratch + ATTRIBUTES
        mov     ecx, (templates_end - templates) / 4
        rep movsd
        ret

; The system still does what it should: EAX = 0.
still_well:
        mov     dword [size], 0x3000
        mov     dword [size + 4], 0
        mov     dword [handle], 0
        call_nt NtCreateEvent, handle, 0x1F0003, 0, 0, 1
        test    eax, eax
        js      failed
        call_nt NtWaitForSingleObject, [handle], 0, no_time
        test    eax, eax
        jnz     failed
        call_nt NtClose, [handle]
        ret
failed:
        call_nt NtTerminateProcess, PROCESS, 1
        ud2

        section .rdata
        align 4
kinds:  dd kind_zero, kind_one, kind_small, kind_handle, kind_process, kind_thread, kind_scratch
        dd kind_odd, kind_attributes, kind_victim, kind_edge, kind_kernel, kind_flag, kind_length
        dd kind_shared, kind_random

; Flags, protections and sizes that calls do something with.
useful: dd 0x1000, 0x2000, 0x3000, 0x4000, 0x8000, 4, 2, 8, 0x20, 0x40, 0x104, 0x08000000
        dd 0x04000000, 0x01000000, 0x1F0003, 0x10000

no_handles: dd 0x00FFFFF0, 0x80001234, 0xDEADBEEC, 0x7FFFFFFC
no_time:    dd 0, 0

; Two bytes a call: rule, argument.
%macro rule 3
        times (%1) * 2 - ($ - rules) db 0
        db %2, %3
%endmacro
rules:
        rule    SYS_NtWaitForSingleObject, TIME, 2
        rule    SYS_NtWaitForMultipleObjects, TIME, 4
        rule    SYS_NtSignalAndWaitForSingleObject, TIME, 3
        rule    SYS_NtTerminateProcess, HANDLE, 0
        rule    SYS_NtCreateThreadEx, HANDLE, 3
        rule    SYS_NtTerminateThread, HANDLE, 0
        rule    SYS_NtSuspendThread, HANDLE, 0
        rule    SYS_NtSetContextThread, HANDLE, 0
        rule    SYS_NtContinue, BAD, 0
        rule    SYS_NtRaiseException, BAD, 0
        rule    SYS_NtDelayExecution, TIME, 1
        rule    SYS_NtShutdownSystem, SKIP, 0
        times SYSCALL_COUNT * 2 - ($ - rules) db 0

; OBJECT_ATTRIBUTES that could be: their names lie here, where nothing can be written.
%macro attributes 2                     ; name, flags
        dd 24, 0, %1, %2, 0, 0
%endmacro
        align 4
templates:
        attributes name_section, 0x80
        attributes name_file, 0x40
        attributes name_directory, 0x40
        attributes name_bad, 0
        attributes 0, 0x02
        attributes name_section, 0xFFFFFFFF
        attributes name_wraps, 0
        attributes name_empty, 0
templates_end:

%macro unicode 2+                       ; label, text
        align 4
%1:     dw %%end - %%text, %%end - %%text
        dd %%text
%%text: dw %2
%%end:
%endmacro
        unicode name_section, __utf16__('\BaseNamedObjects\hostile')
        unicode name_file, __utf16__('\??\C:\hostile.exe')
        unicode name_directory, __utf16__('\??\C:\')
        unicode name_bad, __utf16__('\??\C:\\..\\*?')
        align 4
name_wraps: dw 0xFFFE, 0xFFFE
        dd 0xFFFFFFF0
name_empty: dw 0, 0
        dd 0

        section .data
seed:        dd SEED
victim_base: dd VICTIM
victim_size: dd VICTIM_END - VICTIM

        section .bss
current:     resd 1
rounds:      resd 1
size:        resd 2
handle:      resd 1
arguments:   resd 12
        alignb 4096
scratch:     resb 0x40000
scratch_end:
