; kernel/x86/usercopy.asm: the instructions that touch user memory and cache windows.
;
; Each of them is listed in .extable with the place to go on at when its fault cannot be resolved
; (struct fixup in x86.h); there, EAX is the status that says why. Copies move four bytes at a time;
; when such a move faults for good, the up to three bytes that are there are still copied, so that
; the count that is left is exact. Long ones move sixteen as far as everything is there, and go on
; with four where a page has to come first.
;
; Arguments come in EAX, EDX, ECX and then on the stack, as everywhere in the kernel.

%include "kernel/x86/smap.inc"
%include "kernel/x86/sse.inc"

RESOLVE equ 0
ALWAYS  equ 1

WIDE_STEP equ 128               ; bytes of one turn; usercopy.c knows it too

global usercopy_resolve
global usercopy_nofault
global usercopy_wide
global usercopy_fill
global usercopy_touch
global usercopy_read_u32
global usercopy_write_u32
global usercopy_peek
global usercopy_poke

; FIXUP first instruction, where to go on, kind[, the last instruction of several]
%macro FIXUP 3-4
[section .extable progbits alloc noexec nowrite align=4]
%if %0 == 4
        dd      %1, %4, %2, %3
%else
        dd      %1, %1, %2, %3
%endif
__?SECT?__
%endmacro

section .text

; status_t usercopy_NAME(void *target, const void *source, uint32_t nbytes, uint32_t *left)
; The moves after a split fault with a status of their own, which must not replace the first.
%macro COPY 2
        align   16
%1:
        push    esi
        push    edi
        push    ebx
        mov     edi, eax
        mov     esi, edx
        mov     edx, ecx
        shr     ecx, 2
        and     edx, 3
        xor     eax, eax
        USER_ACCESS_ON
%%dwords:
        rep movsd
        mov     ecx, edx
%%bytes:
        rep movsb
%%out:  USER_ACCESS_OFF
        mov     edx, [esp + 16]
        mov     [edx], ecx
        pop     ebx
        pop     edi
        pop     esi
        ret
%%split:
        lea     ecx, [edx + ecx * 4]
        mov     ebx, eax
        mov     edx, 3
%%rest: movsb
        dec     ecx
        dec     edx
        jnz     %%rest
%%stop: mov     eax, ebx
        jmp     %%out
        FIXUP   %%dwords, %%split, %2
        FIXUP   %%bytes, %%out, %2
        FIXUP   %%rest, %%stop, ALWAYS
%endmacro

COPY usercopy_resolve, RESOLVE
COPY usercopy_nofault, ALWAYS

; uint32_t usercopy_wide(void *target, const void *source, uint32_t nbytes)
; How much of NBYTES, a multiple of WIDE_STEP, was copied before a page was not there, in whole
; turns. The registers and preemption: as in pages.asm.
        align   16
usercopy_wide:
        xchg    eax, ecx
        xchg    eax, edx                ; target, source, count: ECX, EAX, EDX
        push    edx
        SAVE_XMM 4
        add     ecx, edx
        add     eax, edx
        neg     edx
        USER_ACCESS_ON
.turn:
        COPY_TURN movups, ecx + edx, eax + edx, WIDE_STEP
.last:  add     edx, WIDE_STEP
        jnz     .turn
.out:   USER_ACCESS_OFF
        LOAD_XMM 4
        pop     eax
        add     eax, edx
        ret
        FIXUP   .turn, .out, ALWAYS, .last

; status_t usercopy_fill(uint32_t target, uint32_t value, uint32_t nbytes)
usercopy_fill:
        push    edi
        mov     edi, eax
        movzx   eax, dl
        imul    eax, eax, 0x01010101
        mov     edx, ecx
        shr     ecx, 2
        and     edx, 3
        USER_ACCESS_ON
.dwords:
        rep stosd
        mov     ecx, edx
.bytes: rep stosb
        xor     eax, eax
.out:   USER_ACCESS_OFF
        pop     edi
        ret
        FIXUP   .dwords, .out, RESOLVE
        FIXUP   .bytes, .out, RESOLVE

; status_t usercopy_touch(uint32_t address): a store that changes nothing, whoever else stores.
usercopy_touch:
        mov     edx, eax
        xor     eax, eax
        USER_ACCESS_ON
.move:  lock or byte [edx], 0
.out:   USER_ACCESS_OFF
        ret
        FIXUP   .move, .out, RESOLVE

; status_t usercopy_read_u32(uint32_t source, uint32_t *value)
usercopy_read_u32:
        mov     ecx, eax
        xor     eax, eax
        USER_ACCESS_ON
.move:  mov     ecx, [ecx]
        USER_ACCESS_OFF
        mov     [edx], ecx
        ret
.fault: USER_ACCESS_OFF
        ret
        FIXUP   .move, .fault, RESOLVE

; status_t usercopy_write_u32(uint32_t target, uint32_t value)
usercopy_write_u32:
        mov     ecx, eax
        xor     eax, eax
        USER_ACCESS_ON
.move:  mov     [ecx], edx
.out:   USER_ACCESS_OFF
        ret
        FIXUP   .move, .out, RESOLVE

; status_t usercopy_peek(uint32_t address, uint32_t *value): any memory, mapped or not.
usercopy_peek:
        mov     ecx, eax
        xor     eax, eax
.move:  mov     ecx, [ecx]
        mov     [edx], ecx
.out:   ret
        FIXUP   .move, .out, ALWAYS

; status_t usercopy_poke(uint32_t address, uint32_t value): the same for a store.
usercopy_poke:
        mov     ecx, eax
        xor     eax, eax
.move:  mov     [ecx], edx
.out:   ret
        FIXUP   .move, .out, ALWAYS
