; kernel/x86/pages.asm: a page filled with zeroes, or copied, sixteen bytes at a time.
;
; The registers that this needs hold what a user thread left in them; they are put back. Whoever
; calls has switched preemption off: a thread that has no place for its SSE state would lose what it
; holds here. An interrupt that fills or copies a page puts the registers back in turn.

global page_zero_sse
global page_copy_sse

PAGE_BYTES equ 4096
STEP       equ 256              ; bytes of one turn

section .text

; void page_zero_sse(void *page)
        align   16
page_zero_sse:
        sub     esp, 16
        movups  [esp], xmm0
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
        movups  xmm0, [esp]
        add     esp, 16
        ret

; void page_copy_sse(void *to, const void *from)
        align   16
page_copy_sse:
        mov     ecx, edx
        sub     esp, 64
%assign n 0
%rep 4
        movups  [esp + 16 * n], xmm %+ n
%assign n n + 1
%endrep
        mov     edx, -PAGE_BYTES
        sub     eax, edx
        sub     ecx, edx
.turn:
%assign at 0
%rep STEP / 64
        movaps  xmm0, [ecx + edx + at]
        movaps  xmm1, [ecx + edx + at + 16]
        movaps  xmm2, [ecx + edx + at + 32]
        movaps  xmm3, [ecx + edx + at + 48]
        movaps  [eax + edx + at], xmm0
        movaps  [eax + edx + at + 16], xmm1
        movaps  [eax + edx + at + 32], xmm2
        movaps  [eax + edx + at + 48], xmm3
%assign at at + 64
%endrep
        add     edx, STEP
        jnz     .turn
%assign n 0
%rep 4
        movups  xmm %+ n, [esp + 16 * n]
%assign n n + 1
%endrep
        add     esp, 64
        ret
