; kernel/x86/entry.asm: from user mode, or from the middle of the kernel, into C, and back.
;
; Every vector ends in the one frame shape of struct trap_frame (kernel/trap.h). There are three ways
; in: trap_common for most vectors, trap_page_fault_entry, and sysenter_entry, which builds the same
; frame itself. There is one way out, trap_exit; a system call by sysenter has a shorter one when the
; frame is as it was and nobody wants the thread.
;
; On entry from anywhere: DF is cleared for C, AC is cleared so that SMAP holds (interrupt gates
; leave it alone), DS and ES are made flat (the user may have changed them). FS and GS are saved but
; not used by the kernel.
;
; C takes its first three arguments in EAX, EDX and ECX (Makefile: -mregparm=3).

%include "kernel/x86/smap.inc"

%ifndef DEBUG_CHECKS
%define DEBUG_CHECKS 1
%endif

USER_CS         equ 0x1B
USER_DS         equ 0x23
PAGE_FAULT      equ 14
FRAME_SYSENTER  equ 0x100
EFLAGS_IF       equ 0x200
EFLAGS_TF       equ 0x100
EFLAGS_CLEAN    equ 2
USER_END        equ 0x7FFF0000
STUB_RETURN     equ 0x7FFE0000 + 0x340 + 4      ; behind the SYSENTER of the shared page
ARGUMENTS_MAX   equ 16
STATUS_ACCESS_VIOLATION         equ 0xC0000005
STATUS_INVALID_SYSTEM_SERVICE   equ 0xC000001C

; struct trap_frame
FRAME_EDI       equ 16
FRAME_ESI       equ 20
FRAME_EAX       equ 44
FRAME_VECTOR    equ 48
FRAME_EIP       equ 56
FRAME_CS        equ 60
FRAME_ESP       equ 68

extern trap_dispatch
extern trap_page_fault
extern trap_leave_user
extern trap_double_fault
extern cpu_here
extern syscall_table
extern syscall_count
extern offset_cpu_thread
extern offset_cpu_switch_wanted
extern offset_thread_terminating
extern offset_thread_suspend_count
extern offset_thread_awaited

global trap_stubs
global trap_page_fault_entry
global trap_debug_entry
global trap_double_fault_entry
global trap_return
global sysenter_entry

section .text

; Registers below the vector number; ECX is free afterwards.
%macro SAVE_REGISTERS 0
        pushad
        push    ds
        push    es
        push    fs
        push    gs
        mov     ecx, USER_DS
        mov     ds, ecx
        mov     es, ecx
%endmacro

; Jumps to %1 when a thread must not enter user mode just so; otherwise ECX is the thread.
; Interrupts off.
%macro CHECK_LEAVE 1
        mov     ecx, [cpu_here]
        cmp     byte [ecx + offset_cpu_switch_wanted], 0
        jne     %1
        mov     ecx, [ecx + offset_cpu_thread]
        cmp     byte [ecx + offset_thread_terminating], 0
        jne     %1
        cmp     dword [ecx + offset_thread_suspend_count], 0
        jne     %1
%if DEBUG_CHECKS
        jmp     %1                      ; for the checks there
%endif
%endmacro

; One stub per vector. The CPU pushes an error code for some of them; the others push 0.
        align   16
trap_stubs:
%assign vector 0
%rep 256
        align   16
%if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30
%else
        push    byte 0
%endif
        push    dword vector
        jmp     near trap_common
%assign vector vector + 1
%endrep

        align   16
trap_common:
        SAVE_REGISTERS
        cld
        USER_ACCESS_OFF
        mov     eax, esp
        call    trap_dispatch
        jmp     trap_exit

        align   16
trap_page_fault_entry:
        push    byte PAGE_FAULT
        SAVE_REGISTERS
        cld
        USER_ACCESS_OFF
        mov     eax, esp
        call    trap_page_fault

; Back to where the frame at ESP came from.
trap_exit:
        cli
        test    byte [esp + FRAME_CS], 3
        jz      .load
        CHECK_LEAVE .wanted
        mov     dword [ecx + offset_thread_awaited], 0  ; thread_goes_on
        mov     dword [ecx + offset_thread_awaited + 4], 0
.load:  pop     gs
        pop     fs
        pop     es
        pop     ds
        popad
        add     esp, 8
        iretd
.wanted:
        mov     eax, esp
        call    trap_leave_user
        jmp     .load

; void trap_return(struct trap_frame *frame)
trap_return:
        mov     esp, eax
        jmp     trap_exit.load

; A debug trap. In the kernel it is the trap flag that user code carried across SYSENTER, found at
; the first instruction there, on no real stack: the flag goes, nothing else happens.
trap_debug_entry:
        test    byte [esp + 4], 3
        jnz     .user
        and     dword [esp + 8], ~EFLAGS_TF
        iretd
.user:  push    byte 0
        push    byte 1
        jmp     trap_common

; Entered by a task switch, on a stack of its own.
trap_double_fault_entry:
        xor     ebp, ebp
        cld
        call    trap_double_fault

; A system call. EAX = number, EDX = arguments, ECX = the user's ESP; interrupts are off and ESP is
; the address of task.esp0. User flags are still in force, TF and NT among them.
;
; Until the call, EBX, ESI, EDI and EBP keep the user's values; C functions preserve them, so the
; short way out restores none of them.
        align   16
sysenter_entry:
        mov     esp, [esp]
        push    dword USER_DS
        push    ecx
        pushfd
        or      dword [esp], EFLAGS_IF
        push    byte EFLAGS_CLEAN
        popfd
        push    dword USER_CS
        push    dword STUB_RETURN
        push    eax
        push    dword FRAME_SYSENTER
        SAVE_REGISTERS
        sti
        cmp     eax, [syscall_count]
        jae     .unknown
        mov     ecx, [syscall_table]
        lea     ecx, [ecx + eax * 8]
        mov     eax, esp                ; the frame
        cmp     byte [ecx + 4], 0
        jne     .arguments
        xchg    eax, edx
        call    [ecx]

.done:  cli
        cmp     dword [esp + FRAME_VECTOR], FRAME_SYSENTER
        jne     trap_exit               ; the frame is new
        CHECK_LEAVE .wanted
        mov     edx, [esp + FRAME_EIP]
        mov     ecx, [esp + FRAME_ESP]
        sti                             ; takes effect behind the next instruction
        sysexit

.wanted:
        mov     [esp + FRAME_EAX], eax
        jmp     trap_exit.wanted

; The entry is at ECX, its arguments are at user address EDX.
.arguments:
        cmp     edx, USER_END - ARGUMENTS_MAX * 4
        ja      .outside
        push    ecx
        movzx   ecx, byte [ecx + 4]
        mov     esi, edx
        sub     esp, ARGUMENTS_MAX * 4
        mov     edi, esp
        USER_ACCESS_ON
.copy:  rep movsd
        USER_ACCESS_OFF
        mov     edi, [eax + FRAME_EDI]
        mov     esi, [eax + FRAME_ESI]
        mov     ecx, [esp + ARGUMENTS_MAX * 4]
        mov     edx, eax
        mov     eax, esp
        call    [ecx]
        add     esp, ARGUMENTS_MAX * 4 + 4
        jmp     .done

; The copy has faulted: EAX = why.
.fault: USER_ACCESS_OFF
        add     esp, ARGUMENTS_MAX * 4 + 4
        mov     edi, [esp + FRAME_EDI]
        mov     esi, [esp + FRAME_ESI]
        jmp     .done
.outside:
        mov     eax, STATUS_ACCESS_VIOLATION
        jmp     .done
.unknown:
        mov     eax, STATUS_INVALID_SYSTEM_SERVICE
        jmp     .done

section .extable progbits alloc noexec nowrite align=4
        dd      sysenter_entry.copy, sysenter_entry.copy, sysenter_entry.fault, 0
