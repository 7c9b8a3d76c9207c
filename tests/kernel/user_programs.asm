; tests/kernel/user_programs.asm: small flat programs for user mode, without any DLL, that the
; self-tests of processes copy into a process and run at any address.
;
; A program begins at its first byte with [esp] = 0 and [esp + 4] = the test's argument; nothing in it
; refers to its own address. Each lies between `user_NAME` and `user_NAME_end`. System calls by
; int 0x2e (SYSCALL) or through the stub of the shared page (FASTCALL); both take EAX = number,
; EDX = arguments.

NT_CLOSE                equ 1
NT_WAIT_SINGLE          equ 5
NT_MAP_VIEW             equ 10
NT_UNMAP_VIEW           equ 11
NT_ALLOCATE             equ 15
NT_CREATE_EVENT         equ 21
NT_SET_EVENT            equ 23
NT_CREATE_MUTANT        equ 27
NT_TERMINATE_PROCESS    equ 46
NT_CREATE_THREAD        equ 48
NT_TERMINATE_THREAD     equ 50
NT_CONTINUE             equ 57
NT_YIELD                equ 0
NT_SHUTDOWN             equ 64
NT_DISPLAY_STRING       equ 63
SYSTEM_CALLS            equ 68
CURRENT_PROCESS         equ -1
PAGE_READWRITE          equ 4
VIEW_UNMAP              equ 2
EVENT_ALL_ACCESS        equ 0x1F0003

%macro PROGRAM 1
        align   16
global user_%1
global user_%1_end
user_%1:
%endmacro

%macro SYSCALL 1                        ; arguments at ESP
        mov     edx, esp
        mov     eax, %1
        int     0x2E
%endmacro

%macro FASTCALL 1
        mov     edx, esp
        mov     eax, %1
        call    [0x7FFE0300]
%endmacro

%macro EXIT 1                           ; with the exit code in register or constant %1
        push    %1
        push    dword CURRENT_PROCESS
        SYSCALL NT_TERMINATE_PROCESS
        jmp     $
%endmacro

section .rodata

; Ends with its argument.
PROGRAM exit
        mov     eax, [esp + 4]
        EXIT    eax
user_exit_end:

; Both ways into the kernel keep EBX, ESI, EDI, EBP; int 0x2e keeps ECX and EDX too. Ends with 0x51.
PROGRAM registers
        mov     ebx, 0x11111111
        mov     esi, 0x22222222
        mov     edi, 0x33333333
        mov     ebp, 0x44444444
        mov     ecx, 0x55555555
        push    dword 0                 ; no handle: STATUS_INVALID_HANDLE
        SYSCALL NT_CLOSE
        cmp     eax, 0xC0000008
        jne     .bad
        cmp     ecx, 0x55555555
        jne     .bad
        cmp     edx, esp
        jne     .bad
        mov     ecx, 1000
.again: push    ecx
        push    dword 0
        FASTCALL NT_CLOSE
        add     esp, 4
        pop     ecx
        cmp     eax, 0xC0000008
        jne     .bad
        cmp     ebx, 0x11111111
        jne     .bad
        cmp     esi, 0x22222222
        jne     .bad
        cmp     edi, 0x33333333
        jne     .bad
        cmp     ebp, 0x44444444
        jne     .bad
        dec     ecx
        jnz     .again
        mov     eax, 100000             ; no such system call
        int     0x2E
        cmp     eax, 0xC000001C
        jne     .bad
        mov     eax, NT_WAIT_SINGLE     ; arguments that cannot be read
        mov     edx, 0x10
        int     0x2E
        cmp     eax, 0xC0000005
        jne     .bad
        EXIT    0x51
.bad:   EXIT    eax
user_registers_end:

; Handles: 4 a section, 8 an event "go", 12 an event "done". Maps the section at the argument (0:
; anywhere), waits for go, adds 1 to its first word, sets done, ends with that word.
PROGRAM adder
        mov     eax, [esp + 4]
        push    dword 0                 ; view size
        mov     esi, esp
        push    eax                     ; base
        mov     edi, esp
        push    dword PAGE_READWRITE
        push    dword 0
        push    dword VIEW_UNMAP
        push    esi
        push    dword 0
        push    dword 0
        push    dword 0
        push    edi
        push    dword CURRENT_PROCESS
        push    dword 4
        FASTCALL NT_MAP_VIEW
        test    eax, eax
        js      .bad
        mov     ebx, [edi]
        push    dword 0
        push    dword 0
        push    dword 8
        FASTCALL NT_WAIT_SINGLE
        test    eax, eax
        jnz     .bad
        inc     dword [ebx]
        push    dword 0
        push    dword 12
        FASTCALL NT_SET_EVENT
        test    eax, eax
        jnz     .bad
        mov     ebx, [ebx]
        EXIT    ebx
.bad:   EXIT    eax
user_adder_end:

; Never ends by itself.
PROGRAM spin
        jmp     $
user_spin_end:

; Waits for handle 4 for ever; ends with the status of the wait.
PROGRAM wait
        push    dword 0
        push    dword 0
        push    dword 4
        FASTCALL NT_WAIT_SINGLE
        EXIT    eax
user_wait_end:

; Takes the mutex at handle 4 and ends this thread without releasing it.
PROGRAM keep_mutex
        push    dword 0
        push    dword 0
        push    dword 4
        FASTCALL NT_WAIT_SINGLE
        push    dword 7
        push    dword 0
        FASTCALL NT_TERMINATE_THREAD
        jmp     $
user_keep_mutex_end:

; For ever: an event, a mutex, a view of the section at handle 4 written to, memory; all given back
; or not. To be killed anywhere.
PROGRAM storm
        sub     esp, 64
        mov     ebp, esp
.again: push    dword 0                 ; an event
        push    dword 0
        push    dword 0
        push    dword EVENT_ALL_ACCESS
        push    ebp
        SYSCALL NT_CREATE_EVENT
        add     esp, 20
        push    dword [ebp]
        SYSCALL NT_CLOSE
        add     esp, 4
        push    dword 1                 ; a mutex, owned, its handle closed
        push    dword 0
        push    dword 0x1F0001
        push    ebp
        SYSCALL NT_CREATE_MUTANT
        add     esp, 16
        push    dword [ebp]
        SYSCALL NT_CLOSE
        add     esp, 4
        mov     dword [ebp + 4], 0      ; a view
        mov     dword [ebp + 8], 0
        lea     eax, [ebp + 4]
        lea     ecx, [ebp + 8]
        push    dword PAGE_READWRITE
        push    dword 0
        push    dword VIEW_UNMAP
        push    ecx
        push    dword 0
        push    dword 0
        push    dword 0
        push    eax
        push    dword CURRENT_PROCESS
        push    dword 4
        SYSCALL NT_MAP_VIEW
        add     esp, 40
        test    eax, eax
        js      .again
        mov     ebx, [ebp + 4]
        inc     dword [ebx]
        push    ebx
        push    dword CURRENT_PROCESS
        SYSCALL NT_UNMAP_VIEW
        add     esp, 8
        jmp     .again
user_storm_end:

; Keeps numbers that follow from the argument in all x87 registers, two SSE registers and the control
; words, while others do the same: for a time without a system call, then giving the CPU away, 300
; times over. Its thread ends with 0xF1, or the process with 0xBAD.
PROGRAM floats
        mov     ebx, [esp + 4]
        sub     esp, 32
        mov     ebp, esp
        mov     eax, ebx                ; the rounding mode, in both control words
        and     eax, 3
        mov     ecx, eax
        shl     eax, 10
        or      eax, 0x37F
        mov     [ebp], eax
        fldcw   [ebp]
        shl     ecx, 13
        or      ecx, 0x1F80
        mov     [ebp + 4], ecx
        ldmxcsr [ebp + 4]
        movd    xmm0, ebx
        not     ebx
        movd    xmm7, ebx
        not     ebx
        mov     [ebp + 8], ebx
        mov     ecx, 8
.load:  fild    dword [ebp + 8]         ; the last one is the argument + 7
        inc     dword [ebp + 8]
        dec     ecx
        jnz     .load
        mov     esi, 300
.again: mov     ecx, 20000
.spin:  dec     ecx
        jnz     .spin
        test    esi, 1
        jz      .look
        FASTCALL NT_YIELD
.look:  fnstcw  [ebp + 12]
        mov     ax, [ebp + 12]
        cmp     ax, [ebp]
        jne     .bad
        stmxcsr [ebp + 12]
        mov     eax, [ebp + 12]
        cmp     eax, [ebp + 4]
        jne     .bad
        movd    eax, xmm0
        cmp     eax, ebx
        jne     .bad
        movd    eax, xmm7
        not     eax
        cmp     eax, ebx
        jne     .bad
        lea     edi, [ebx + 8]
.next:  dec     edi
        fist    dword [ebp + 12]
        fincstp
        cmp     edi, [ebp + 12]
        jne     .bad
        cmp     edi, ebx
        jne     .next
        dec     esi
        jnz     .again
        push    dword 0xF1
        push    dword 0
        FASTCALL NT_TERMINATE_THREAD
        jmp     $
.bad:   EXIT    0xBAD
user_floats_end:

; Stores to the argument's address.
PROGRAM store
        mov     eax, [esp + 4]
        mov     dword [eax], 1
        EXIT    1
user_store_end:

; Touches its stack from the top down, a page at a time, as many pages as the argument says; ends
; with that number. More than there are raise a stack overflow.
PROGRAM stack
        mov     ecx, [esp + 4]
        mov     ebx, ecx
        mov     eax, esp
.again: sub     eax, 0x1000
        mov     [eax], ecx
        dec     ecx
        jnz     .again
        mov     esp, eax
        EXIT    ebx
user_stack_end:

; Divides by zero.
PROGRAM divide
        xor     ecx, ecx
        mov     eax, 1
        cdq
        idiv    ecx
        EXIT    1
user_divide_end:

; Calls every system call with garbage, over and over, from a generator that the argument seeds;
; only what would stop the machine or fill its log is left out.
PROGRAM hostile
        mov     ebx, [esp + 4]
        mov     esi, 4000               ; calls
        sub     esp, 1024
        mov     edi, esp
.again: mov     ecx, 16                 ; the arguments
.fill:  imul    ebx, ebx, 1103515245
        add     ebx, 12345
        mov     eax, ebx
        shr     eax, 16
        test    al, 7                   ; most often: a small number, or an address of this stack
        jz      .wild
        test    al, 1
        jz      .small
        shr     eax, 3
        and     eax, 0xFC
        lea     eax, [edi + eax + 128]
        jmp     .put
.small: shr     eax, 3
        and     eax, 0x1F
        jmp     .put
.wild:  rol     ebx, 7
        mov     eax, ebx
.put:   mov     [edi + ecx * 4 - 4], eax
        dec     ecx
        jnz     .fill
        imul    ebx, ebx, 1103515245
        add     ebx, 12345
        mov     eax, ebx
        shr     eax, 16
        xor     edx, edx
        mov     ecx, SYSTEM_CALLS + 2
        div     ecx
        mov     eax, edx
        cmp     eax, NT_SHUTDOWN
        je      .next
        cmp     eax, NT_DISPLAY_STRING
        je      .next
        cmp     eax, NT_CONTINUE
        je      .next
        cmp     eax, NT_TERMINATE_PROCESS
        je      .next
        cmp     eax, NT_TERMINATE_THREAD
        je      .next
        cmp     eax, 58                 ; NtRaiseException
        je      .next
        cmp     eax, 51                 ; NtSuspendThread
        je      .next
        cmp     eax, 59                 ; NtDelayExecution
        je      .next
        cmp     eax, 7                  ; waits, for whatever and for ever
        ja      .call
        cmp     eax, 5
        jae     .next
.call:  mov     edx, edi
        int     0x2E
.next:  dec     esi
        jnz     .again
        EXIT    0x60
user_hostile_end:

; Makes a thread at handle 4's ... the argument is the number of threads that are still to be made,
; one after the other; each ends itself, the last one ends the process with 0x70.
PROGRAM threads
        mov     ecx, [esp + 4]
        test    ecx, ecx
        jz      .last
        dec     ecx
        call    .here
.here:  pop     eax
        sub     eax, .here - user_threads
        sub     esp, 16
        mov     ebp, esp
        push    dword 0                 ; attributes
        push    dword 0                 ; reserve
        push    dword 0                 ; commit
        push    dword 0                 ; zero bits
        push    dword 0                 ; flags
        push    ecx                     ; argument
        push    eax                     ; start
        push    dword CURRENT_PROCESS
        push    dword 0
        push    dword 0x1FFFFF
        push    ebp
        FASTCALL NT_CREATE_THREAD
        test    eax, eax
        js      .bad
        push    dword 3
        push    dword 0
        FASTCALL NT_TERMINATE_THREAD
        jmp     $
.last:  EXIT    0x70
.bad:   EXIT    eax
user_threads_end:
