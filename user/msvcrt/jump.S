/*
 * user/msvcrt/jump.S: setjmp and longjmp.
 *
 * The buffer has Microsoft's layout: EBP, EBX, EDI, ESI, ESP, EIP, the head of the chain of
 * exception handlers, try level, cookie 'VC20', unwind function. longjmp unwinds the handlers that
 * were set since.
 */
        .text
        .globl  __setjmp3
        .globl  __setjmp
        .globl  _longjmp

__setjmp:
__setjmp3:
        movl    4(%esp), %edx
        movl    %ebp, (%edx)
        movl    %ebx, 4(%edx)
        movl    %edi, 8(%edx)
        movl    %esi, 12(%edx)
        movl    %esp, 16(%edx)
        movl    (%esp), %eax
        movl    %eax, 20(%edx)
        movl    %fs:0, %eax
        movl    %eax, 24(%edx)
        movl    $-1, 28(%edx)
        movl    $0x56433230, 32(%edx)
        movl    $0, 36(%edx)
        xorl    %eax, %eax
        ret

_longjmp:
        movl    4(%esp), %edx
        movl    24(%edx), %eax
        cmpl    %fs:0, %eax
        je      2f
        pushl   $0
        pushl   $0
        pushl   $1f
        pushl   %eax
        call    _RtlUnwind@16
1:      movl    4(%esp), %edx
        movl    24(%edx), %eax
        movl    %eax, %fs:0
2:      movl    8(%esp), %eax
        testl   %eax, %eax
        jnz     3f
        incl    %eax
3:      movl    (%edx), %ebp
        movl    4(%edx), %ebx
        movl    8(%edx), %edi
        movl    12(%edx), %esi
        movl    16(%edx), %esp
        addl    $4, %esp
        cld
        jmp     *20(%edx)
