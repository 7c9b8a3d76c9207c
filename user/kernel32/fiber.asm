; user/kernel32/fiber.asm: leaves one fiber's stack and goes on with another's.
;
; void switch_fibers(struct fiber *from, struct fiber *to), cdecl. On the stack that is left lie, from
; the top: the chain of exception handlers, the x87's control word, EDI, ESI, EBX, EBP, where to return.
; user/kernel32/fiber.c makes such a stack for a fiber that has not begun.

global _switch_fibers

FIBER_BASE       equ 4
FIBER_LIMIT      equ 8
FIBER_ALLOCATION equ 12
FIBER_STACK      equ 16

TEB_HANDLERS     equ 0x00
TEB_STACK_BASE   equ 0x04
TEB_STACK_LIMIT  equ 0x08
TEB_FIBER        equ 0x10
TEB_ALLOCATION   equ 0xE0C

section .text
_switch_fibers:
        mov     eax, [esp + 4]
        mov     edx, [esp + 8]
        push    ebp
        push    ebx
        push    esi
        push    edi
        push    ecx                             ; room
        fnstcw  [esp]
        push    dword [fs:TEB_HANDLERS]
        mov     ecx, [fs:TEB_STACK_LIMIT]       ; it may have grown
        mov     [eax + FIBER_LIMIT], ecx
        mov     [eax + FIBER_STACK], esp
        mov     ecx, [edx + FIBER_BASE]
        mov     [fs:TEB_STACK_BASE], ecx
        mov     ecx, [edx + FIBER_LIMIT]
        mov     [fs:TEB_STACK_LIMIT], ecx
        mov     ecx, [edx + FIBER_ALLOCATION]
        mov     [fs:TEB_ALLOCATION], ecx
        mov     [fs:TEB_FIBER], edx
        mov     esp, [edx + FIBER_STACK]
        pop     dword [fs:TEB_HANDLERS]
        fldcw   [esp]
        pop     ecx
        pop     edi
        pop     esi
        pop     ebx
        pop     ebp
        ret
