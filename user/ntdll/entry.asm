; user/ntdll/entry.asm: where the kernel enters ntdll, and what of exceptions cannot be C.
;
; A new thread starts at LdrInitializeThunk with [esp] = 0, [esp + 4] = its start address,
; [esp + 8] = its argument (first thread: the program's entry point and the PEB).
; An exception arrives at KiUserExceptionDispatcher with [esp] = EXCEPTION_RECORD *,
; [esp + 4] = CONTEXT *.

; Offsets in CONTEXT (include/abi/process.h) and its size.
CONTEXT_FLAGS equ 0x00
CONTEXT_GS    equ 0x8C
CONTEXT_FS    equ 0x90
CONTEXT_ES    equ 0x94
CONTEXT_DS    equ 0x98
CONTEXT_EDI   equ 0x9C
CONTEXT_ESI   equ 0xA0
CONTEXT_EBX   equ 0xA4
CONTEXT_EDX   equ 0xA8
CONTEXT_ECX   equ 0xAC
CONTEXT_EAX   equ 0xB0
CONTEXT_EBP   equ 0xB4
CONTEXT_EIP   equ 0xB8
CONTEXT_CS    equ 0xBC
CONTEXT_EFL   equ 0xC0
CONTEXT_ESP   equ 0xC4
CONTEXT_SS    equ 0xC8
CONTEXT_SIZE  equ 0x2CC
CONTEXT_FULL  equ 0x10007

EXCEPTION_FLAGS   equ 4
EXCEPTION_ADDRESS equ 12
UNWINDING         equ 2 | 4 ; EXCEPTION_UNWINDING, EXCEPTION_EXIT_UNWIND

CONTINUE_SEARCH  equ 1
NESTED_EXCEPTION equ 2
COLLIDED_UNWIND  equ 3

global _LdrInitializeThunk, _RtlUserThreadStart@8, _KiUserExceptionDispatcher
global _RtlCaptureContext@4, _RtlRaiseException@4, _RtlUnwind@16
global _DbgBreakPoint@0, _DbgUserBreakPoint@0
global _execute_dispatch_handler, _execute_unwind_handler
extern _loader_start_thread, _thread_final_handler, _raise_exception, _unwind_frames
extern _RtlDispatchException@8, _RtlExitUserThread@4, _RtlRaiseStatus@4
extern _NtContinue@8, _NtRaiseException@12

section .text align=16

_LdrInitializeThunk:
    mov ebx, [esp + 8]
    mov esi, [esp + 4]
    xor ebp, ebp
    and esp, -16
    sub esp, 8
    push ebx
    push esi
    call _loader_start_thread
    push ebx
    push esi
    call _RtlUserThreadStart@8

; RtlUserThreadStart(start, argument): the outermost frame of every thread. The start address sees
; a stack aligned to 16 bytes, EBX = argument, and need not keep the stack balanced.
align 16
_RtlUserThreadStart@8:
    mov eax, [esp + 4]
    mov ebx, [esp + 8]
    xor ebp, ebp
    push _thread_final_handler
    push dword [fs:0]
    mov [fs:0], esp
    and esp, -16
    sub esp, 12
    push ebx
    call eax
    push eax
    call _RtlExitUserThread@4
    int3

align 16
_KiUserExceptionDispatcher:
    cld
    mov ecx, [esp + 4]
    mov ebx, [esp]
    push ecx
    push ebx
    call _RtlDispatchException@8
    mov ebx, [esp]
    mov ecx, [esp + 4]
    test al, al
    jz .second_chance
    push 0
    push ecx
    call _NtContinue@8
    jmp .refused
.second_chance:
    push 0
    push ecx
    push ebx
    call _NtRaiseException@12
.refused:
    push eax
    call _RtlRaiseStatus@4
    int3

; Fills the CONTEXT at EAX with the caller's registers but EAX, EBP, EIP, ESP. Loses ECX.
capture:
    mov dword [eax + CONTEXT_FLAGS], CONTEXT_FULL
    mov [eax + CONTEXT_EDI], edi
    mov [eax + CONTEXT_ESI], esi
    mov [eax + CONTEXT_EBX], ebx
    mov [eax + CONTEXT_EDX], edx
    mov [eax + CONTEXT_ECX], ecx
    pushfd
    pop dword [eax + CONTEXT_EFL]
    mov ecx, gs
    mov [eax + CONTEXT_GS], ecx
    mov ecx, fs
    mov [eax + CONTEXT_FS], ecx
    mov ecx, es
    mov [eax + CONTEXT_ES], ecx
    mov ecx, ds
    mov [eax + CONTEXT_DS], ecx
    mov ecx, cs
    mov [eax + CONTEXT_CS], ecx
    mov ecx, ss
    mov [eax + CONTEXT_SS], ecx
    ret

; RtlCaptureContext(context): the caller's registers as they are after the call.
align 16
_RtlCaptureContext@4:
    push eax
    mov eax, [esp + 8]
    call capture
    pop dword [eax + CONTEXT_EAX]
    mov [eax + CONTEXT_EBP], ebp
    mov ecx, [esp]
    mov [eax + CONTEXT_EIP], ecx
    lea ecx, [esp + 8]
    mov [eax + CONTEXT_ESP], ecx
    mov ecx, [eax + CONTEXT_ECX]
    ret 4

; RtlRaiseException(record)
align 16
_RtlRaiseException@4:
    push ebp
    mov ebp, esp
    sub esp, CONTEXT_SIZE
    push eax
    lea eax, [ebp - CONTEXT_SIZE]
    call capture
    pop dword [eax + CONTEXT_EAX]
    mov ecx, [ebp]
    mov [eax + CONTEXT_EBP], ecx
    mov ecx, [ebp + 4]
    mov [eax + CONTEXT_EIP], ecx
    lea edx, [ebp + 12]
    mov [eax + CONTEXT_ESP], edx
    mov edx, [ebp + 8]
    mov [edx + EXCEPTION_ADDRESS], ecx
    push eax
    push edx
    call _raise_exception
    leave
    ret 4

; RtlUnwind(target frame, target address, record, value): calls the handlers of the frames above
; the target and returns VALUE. (The target address is not used on x86: it returns to its caller.)
align 16
_RtlUnwind@16:
    push ebp
    mov ebp, esp
    sub esp, CONTEXT_SIZE
    push eax
    lea eax, [ebp - CONTEXT_SIZE]
    call capture
    add esp, 4
    mov ecx, [ebp + 20]
    mov [eax + CONTEXT_EAX], ecx
    mov ecx, [ebp]
    mov [eax + CONTEXT_EBP], ecx
    mov ecx, [ebp + 4]
    mov [eax + CONTEXT_EIP], ecx
    lea ecx, [ebp + 24]
    mov [eax + CONTEXT_ESP], ecx
    push eax
    push dword [ebp + 16]
    push dword [ebp + 8]
    call _unwind_frames
    mov eax, [ebp + 20]
    leave
    ret 16

; int execute_..._handler(record, frame, context, dispatcher, handler), cdecl: calls HANDLER under
; a registration of our own, {previous, our handler, FRAME}, so that an exception (or an unwind)
; inside the handler is recognised when it comes past.
align 16
_execute_dispatch_handler:
    mov edx, nested_exception_handler
    jmp execute_handler
_execute_unwind_handler:
    mov edx, collided_unwind_handler
execute_handler:
    push ebp
    mov ebp, esp
    push ebx
    push esi
    push edi
    push dword [ebp + 12]
    push edx
    push dword [fs:0]
    mov [fs:0], esp
    push dword [ebp + 20]
    push dword [ebp + 16]
    push dword [ebp + 12]
    push dword [ebp + 8]
    call dword [ebp + 24]
    mov esp, [fs:0]
    pop dword [fs:0]
    add esp, 8
    pop edi
    pop esi
    pop ebx
    pop ebp
    ret

; (record, frame, context, dispatcher): tells the dispatcher which frame's handler was running.
nested_exception_handler:
    mov ecx, [esp + 4]
    mov eax, CONTINUE_SEARCH
    test dword [ecx + EXCEPTION_FLAGS], UNWINDING
    jnz .done
    mov ecx, [esp + 8]
    mov edx, [esp + 16]
    mov eax, [ecx + 8]
    mov [edx], eax
    mov eax, NESTED_EXCEPTION
.done:
    ret

collided_unwind_handler:
    mov ecx, [esp + 4]
    mov eax, CONTINUE_SEARCH
    test dword [ecx + EXCEPTION_FLAGS], UNWINDING
    jz .done
    mov ecx, [esp + 8]
    mov edx, [esp + 16]
    mov eax, [ecx + 8]
    mov [edx], eax
    mov eax, COLLIDED_UNWIND
.done:
    ret

_DbgBreakPoint@0:
_DbgUserBreakPoint@0:
    int3
    ret
