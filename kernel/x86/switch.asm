; kernel/x86/switch.asm: from one thread's kernel stack to another's.
;
; A context is the four registers that a C function preserves, on the stack of its thread, below the
; address to return to. Interrupts are off on both sides.

global arch_switch
global thread_begin

section .text

; void arch_switch(void **save, void *target)
arch_switch:
        push    ebp
        push    ebx
        push    esi
        push    edi
        mov     [eax], esp
        mov     esp, edx
        pop     edi
        pop     esi
        pop     ebx
        pop     ebp
        ret

; Where a new thread's context returns to: the entry and its argument lie on the stack.
thread_begin:
        pop     edx
        pop     eax
        xor     ebp, ebp
        call    edx
        ud2
