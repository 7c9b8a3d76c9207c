; kernel/x86/pages.asm: a page filled with zeroes, or copied, sixteen bytes at a time.
;
; The registers that this needs hold what a user thread left in them; they are put back. Whoever
; calls has switched preemption off: a thread that has no place for its SSE state would lose what it
; holds here. An interrupt that fills or copies a page puts the registers back in turn.

%include "kernel/x86/sse.inc"

global page_zero_sse
global page_copy_sse

PAGE_BYTES equ 4096
STEP       equ 256              ; bytes of one turn

section .text

; void page_zero_sse(void *page)
        align   16
page_zero_sse:
        SAVE_XMM 1
        xorps   xmm0, xmm0
        lea     edx, [eax + PAGE_BYTES]
.turn:
%assign at 0
%rep STEP / 16
        movaps  [eax + at], xmm0
%assign at at + 16
%endrep
        add     eax, STEP
        cmp     eax, edx
        jne     .turn
        LOAD_XMM 1
        ret

; void page_copy_sse(void *to, const void *from)
        align   16
page_copy_sse:
        mov     ecx, edx
        SAVE_XMM 4
        mov     edx, -PAGE_BYTES
        sub     eax, edx
        sub     ecx, edx
.turn:
        COPY_TURN movaps, eax + edx, ecx + edx, STEP
        add     edx, STEP
        jnz     .turn
        LOAD_XMM 4
        ret
