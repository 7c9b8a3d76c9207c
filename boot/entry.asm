; boot/entry.asm: where the loader hands over (Multiboot Specification 0.6.96, section 3.2), and the
; way into the high half.
;
; The image is linked at 0x80100000 and lies at 1 MiB; paging is off when boot_entry begins, so until
; the jump every address is written as symbol - KERNEL_BASE. The first page directory shows the
; first GiB twice, at 0 and at 0x80000000, in pages of 2 MiB; kernel/x86/paging.c replaces it.
;
; A CPU that lacks what the kernel is compiled for is told so on the serial line and the screen, and
; stopped, before anything that it could not execute.

KERNEL_BASE     equ 0x80000000
HEADER_MAGIC    equ 0x1BADB002
HEADER_FLAGS    equ 3                   ; page-aligned modules, memory map
LOADER_MAGIC    equ 0x2BADB002
COM1            equ 0x3F8
VGA_TEXT        equ 0xB8000
DEBUG_EXIT      equ 0xF4
STACK_BYTES     equ 16384

CPUID_FPU       equ 1 << 0
CPUID_TSC       equ 1 << 4
CPUID_MSR       equ 1 << 5
CPUID_PAE       equ 1 << 6
CPUID_CX8       equ 1 << 8
CPUID_APIC      equ 1 << 9
CPUID_CMOV      equ 1 << 15
CPUID_FXSR      equ 1 << 24
CPUID_NEEDED    equ CPUID_FPU | CPUID_TSC | CPUID_MSR | CPUID_CX8 | CPUID_APIC | CPUID_CMOV | CPUID_FXSR

extern boot_start
global boot_entry
global boot_stack
global boot_stack_guard
global boot_stack_end

section .multiboot progbits alloc exec nowrite align=4
        dd HEADER_MAGIC
        dd HEADER_FLAGS
        dd -(HEADER_MAGIC + HEADER_FLAGS)

section .text
boot_entry:
        cli
        cld
        mov     esp, boot_stack_end - KERNEL_BASE
        mov     ebp, ebx                ; the loader's information
        mov     esi, message_loader - KERNEL_BASE
        cmp     eax, LOADER_MAGIC
        jne     boot_refuse

        ; A CPU without CPUID cannot change bit 21 of EFLAGS.
        mov     esi, message_pae - KERNEL_BASE
        pushfd
        pop     eax
        mov     ecx, eax
        xor     eax, 1 << 21
        push    eax
        popfd
        pushfd
        pop     eax
        xor     eax, ecx
        test    eax, 1 << 21
        jz      boot_refuse

        mov     eax, 1
        cpuid
        test    edx, CPUID_PAE
        jz      boot_refuse
        mov     esi, message_old - KERNEL_BASE
        and     edx, CPUID_NEEDED
        cmp     edx, CPUID_NEEDED
        jne     boot_refuse

        ; 512 large pages: present, writable.
        mov     edi, boot_directory - KERNEL_BASE
        mov     eax, 0x83
        mov     ecx, 512
.fill:  mov     [edi], eax
        mov     dword [edi + 4], 0
        add     eax, 0x200000
        add     edi, 8
        dec     ecx
        jnz     .fill
        mov     eax, (boot_directory - KERNEL_BASE) + 1
        mov     [boot_root - KERNEL_BASE], eax
        mov     [boot_root - KERNEL_BASE + 16], eax

        mov     eax, cr4
        or      eax, 1 << 5             ; PAE
        mov     cr4, eax
        mov     eax, boot_root - KERNEL_BASE
        mov     cr3, eax
        mov     eax, cr0
        or      eax, (1 << 31) | (1 << 16)      ; PG, WP
        mov     cr0, eax
        mov     eax, .high
        jmp     eax

.high:  mov     esp, boot_stack_end
        mov     eax, ebp
        xor     ebp, ebp                ; where a backtrace ends
        call    boot_start
        ud2

; Prints the line at ESI (physical) and stops. Paging is off; works on any CPU.
boot_refuse:
        mov     ebx, serial_setup - KERNEL_BASE
        mov     ecx, 6
.setup: movzx   edx, byte [ebx]
        add     edx, COM1
        mov     al, [ebx + 1]
        out     dx, al
        add     ebx, 2
        dec     ecx
        jnz     .setup

        mov     edi, VGA_TEXT + 24 * 160
.next:  lodsb
        test    al, al
        jz      .stop
        cmp     al, ' '
        jb      .line
        mov     ah, 0x07
        mov     [edi], ax
        add     edi, 2
.line:  mov     ah, al
        mov     ecx, 100000
.wait:  mov     edx, COM1 + 5
        in      al, dx
        test    al, 0x20
        jnz     .send
        dec     ecx
        jnz     .wait
.send:  mov     al, ah
        mov     edx, COM1
        out     dx, al
        jmp     .next

.stop:  mov     al, 2
        out     DEBUG_EXIT, al
.halt:  cli
        hlt
        jmp     .halt

section .rodata
message_pae:    db 13, 10, "quire: Quire needs a CPU with PAE (Pentium Pro or later); this one has none", 13, 10, 0
message_old:    db 13, 10, "quire: Quire needs a CPU with TSC, MSR, CMPXCHG8B, CMOV, FXSAVE and a local APIC", 13, 10, 0
message_loader: db 13, 10, "quire: Quire must be started by a Multiboot loader", 13, 10, 0
; Register and value: interrupts off, 115200 baud, 8N1, FIFO.
serial_setup:   db 1, 0, 3, 0x80, 0, 1, 1, 0, 3, 3, 2, 0xC7

section .bss.pages nobits alloc noexec write align=4096
boot_directory:         resb 4096
boot_stack_guard:       resb 4096       ; kernel/x86/paging.c takes it out of the map
boot_stack:             resb STACK_BYTES
boot_stack_end:
boot_root:              resb 32
