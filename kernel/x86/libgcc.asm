; kernel/x86/libgcc.asm: from the kernel's calling convention to that of the compiler's own library.
;
; libgcc divides 64-bit numbers and counts bits where one instruction does not. It takes everything on
; the stack; the kernel passes the first three words in EAX, EDX and ECX (-mregparm=3), of a 64-bit
; argument both words or none. The linker sends the kernel's calls here (Makefile: --wrap).

; %1: the function; %2: words that come in registers; %3: words on the stack.
%macro FROM_REGISTERS 3
global __wrap_%1
extern __real_%1
        align   16
__wrap_%1:
%rep %3
        push    dword [esp + %3 * 4]
%endrep
%if %2 > 1
        push    edx
%endif
        push    eax
        call    __real_%1
        add     esp, (%2 + %3) * 4
        ret
%endmacro

section .text

FROM_REGISTERS __udivdi3, 2, 2
FROM_REGISTERS __divdi3, 2, 2
FROM_REGISTERS __umoddi3, 2, 2
FROM_REGISTERS __moddi3, 2, 2
FROM_REGISTERS __udivmoddi4, 2, 3
FROM_REGISTERS __divmoddi4, 2, 3
FROM_REGISTERS __popcountsi2, 1, 0
