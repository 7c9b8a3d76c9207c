/*
 * kernel/x86/exception.c: the CPU's exceptions: NTSTATUS codes for programs, panics for the kernel.
 *
 * A general protection fault is a privileged instruction when the bytes at EIP are one; every other
 * is reported as NT does it: an access violation reading 0xFFFFFFFF, since the CPU does not say
 * where.
 */
#include "kernel/x86/exception.h"

#include "kernel/lock.h"
#include "kernel/log.h"
#include "kernel/paging.h"
#include "kernel/string.h"
#include "kernel/thread.h"
#include "kernel/usercopy.h"
#include "kernel/x86/x86.h"
#include "quire/assert.h"

#define INSTRUCTION_MAX 15u

static const char *const names[VECTOR_EXCEPTIONS] = {
    [VECTOR_DIVIDE] = "divide error",
    [VECTOR_DEBUG] = "debug trap",
    [VECTOR_NMI] = "non-maskable interrupt",
    [VECTOR_BREAKPOINT] = "breakpoint",
    [VECTOR_OVERFLOW] = "overflow",
    [VECTOR_BOUNDS] = "bounds exceeded",
    [VECTOR_ILLEGAL] = "illegal instruction",
    [VECTOR_NO_FPU] = "no FPU",
    [VECTOR_INVALID_TASK] = "invalid task state",
    [VECTOR_NO_SEGMENT] = "segment not present",
    [VECTOR_STACK] = "stack segment fault",
    [VECTOR_PROTECTION] = "general protection fault",
    [VECTOR_FPU] = "x87 error",
    [VECTOR_ALIGNMENT] = "alignment check",
    [VECTOR_MACHINE_CHECK] = "machine check",
    [VECTOR_SIMD] = "SSE error",
};

/* ---- privileged instructions ---- */

static bool is_prefix(uint8_t byte)
{
    static const uint8_t prefixes[] = {0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65,
                                       0x66, 0x67, 0xF0, 0xF2, 0xF3};
    for (uint32_t i = 0; i < sizeof(prefixes); i++) {
        if (prefixes[i] == byte) {
            return true;
        }
    }
    return false;
}

/* INS, OUTS, IN, OUT, HLT, CLI, STI. */
static bool is_privileged_one_byte(uint8_t opcode)
{
    return (opcode >= 0x6C && opcode <= 0x6F) || (opcode >= 0xE4 && opcode <= 0xE7) ||
           (opcode >= 0xEC && opcode <= 0xEF) || opcode == 0xF4 || opcode == 0xFA || opcode == 0xFB;
}

/* The same behind 0F; REG is the middle field of the byte that follows. */
static bool is_privileged_two_bytes(uint8_t opcode, uint32_t reg)
{
    switch (opcode) {
    case 0x00: /* LLDT, LTR */
        return reg == 2 || reg == 3;
    case 0x01: /* LGDT, LIDT, LMSW, INVLPG */
        return reg == 2 || reg == 3 || reg == 6 || reg == 7;
    case 0x06: /* CLTS */
    case 0x08: /* INVD */
    case 0x09: /* WBINVD */
    case 0x20: /* MOV from and to control and debug registers */
    case 0x21:
    case 0x22:
    case 0x23:
    case 0x30: /* WRMSR */
    case 0x32: /* RDMSR */
    case 0x33: /* RDPMC */
    case 0x35: /* SYSEXIT */
        return true;
    default:
        return false;
    }
}

static bool read_code(uint32_t *eip, uint8_t *byte)
{
    return is_success(copy_from_user(byte, (uaddr_t){(*eip)++}, 1));
}

static bool is_privileged_instruction(uint32_t eip)
{
    uint8_t opcode = 0;
    uint8_t next = 0;
    for (uint32_t i = 0; i < INSTRUCTION_MAX; i++) {
        if (!read_code(&eip, &opcode)) {
            return false;
        }
        if (!is_prefix(opcode)) {
            break;
        }
    }
    if (opcode != 0x0F) {
        return is_privileged_one_byte(opcode);
    }
    if (!read_code(&eip, &opcode)) {
        return false;
    }
    bool has_next = read_code(&eip, &next);
    return is_privileged_two_bytes(opcode, has_next ? (next >> 3) & 7u : 0);
}

/* ---- floating point ---- */

/* FNSTENV's 32-bit image (Intel SDM volume 1, figure 8-9). */
struct x87_environment {
    uint32_t control, status, tag;
    uint32_t eip, cs, operand, operand_segment;
};

/* The first unmasked exception in the order of NT: bits are IE, DE, ZE, OE, UE, PE, SF. */
static status_t x87_status(uint32_t bits, bool stack)
{
    if ((bits & 1u) != 0) {
        return stack ? STATUS_FLOAT_STACK_CHECK : STATUS_FLOAT_INVALID_OPERATION;
    }
    if ((bits & 4u) != 0) {
        return STATUS_FLOAT_DIVIDE_BY_ZERO;
    }
    if ((bits & 2u) != 0) {
        return STATUS_FLOAT_DENORMAL_OPERAND;
    }
    if ((bits & 8u) != 0) {
        return STATUS_FLOAT_OVERFLOW;
    }
    if ((bits & 16u) != 0) {
        return STATUS_FLOAT_UNDERFLOW;
    }
    return STATUS_FLOAT_INEXACT_RESULT;
}

static void decode_x87(struct user_exception *exception)
{
    struct x87_environment environment;
    /* FNSTENV masks all exceptions; FLDENV puts the old mask back. */
    __asm__ volatile("fnstenv %0\n\tfldenv %0" : "+m"(environment) : : "memory");
    uint32_t bits = environment.status & ~environment.control & 0x3Fu;
    exception->code = x87_status(bits, (environment.status & 0x40u) != 0);
    exception->address = environment.eip;
    exception->nparameters = 1;
}

static void decode_simd(struct user_exception *exception)
{
    uint32_t mxcsr;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    exception->code = STATUS_FLOAT_MULTIPLE_TRAPS;
    exception->nparameters = 2;
    exception->parameters[1] = mxcsr;
}

/* ---- user code ---- */

/* The trap flag is used up by its trap; DR6 is sticky. */
void exception_begin(struct trap_frame *frame)
{
    if (frame->vector == VECTOR_DEBUG) {
        write_dr6(0);
        frame->eflags &= ~EFLAGS_TF;
    }
}

static void decode_protection(const struct trap_frame *frame, struct user_exception *exception)
{
    if (frame->vector == VECTOR_PROTECTION && frame->error == 0 &&
        is_privileged_instruction(frame->eip)) {
        exception->code = STATUS_PRIVILEGED_INSTRUCTION;
        return;
    }
    exception->code = STATUS_ACCESS_VIOLATION;
    exception->nparameters = 2;
    exception->parameters[0] = ACCESS_READ;
    exception->parameters[1] = UINT32_MAX;
}

void exception_decode(struct trap_frame *frame, struct user_exception *exception)
{
    *exception = (struct user_exception){.code = STATUS_ILLEGAL_INSTRUCTION, .address = frame->eip};
    switch (frame->vector) {
    case VECTOR_DIVIDE:
        exception->code = STATUS_INTEGER_DIVIDE_BY_ZERO;
        break;
    case VECTOR_DEBUG:
        exception->code = STATUS_SINGLE_STEP;
        break;
    case VECTOR_BREAKPOINT: /* NT's context names the INT3 itself */
        frame->eip--;
        exception->code = STATUS_BREAKPOINT;
        exception->address = frame->eip;
        exception->nparameters = 1;
        break;
    case VECTOR_OVERFLOW:
        exception->code = STATUS_INTEGER_OVERFLOW;
        exception->address = frame->eip - 1;
        break;
    case VECTOR_BOUNDS:
        exception->code = STATUS_ARRAY_BOUNDS_EXCEEDED;
        break;
    case VECTOR_INVALID_TASK:
    case VECTOR_NO_SEGMENT:
    case VECTOR_STACK:
    case VECTOR_PROTECTION:
        decode_protection(frame, exception);
        break;
    case VECTOR_FPU:
        decode_x87(exception);
        break;
    case VECTOR_ALIGNMENT:
        exception->code = STATUS_DATATYPE_MISALIGNMENT;
        break;
    case VECTOR_SIMD:
        decode_simd(exception);
        break;
    case VECTOR_NMI:
    case VECTOR_NO_FPU:
    case VECTOR_MACHINE_CHECK:
        panic_frame = frame;
        panic("%s", names[frame->vector]);
    default: /* an illegal instruction, or a vector that the CPU does not use yet */
        break;
    }
}

/* ---- the kernel ---- */

bool is_stack_guard(uint32_t address)
{
    const struct thread *self = thread_self();
    uint32_t base = (uint32_t)boot_stack;
    if (self != NULL && self->stack_base != NULL) {
        base = (uint32_t)self->stack_base;
    }
    return address < base && base - address <= PAGE_BYTES;
}

void exception_in_kernel(const struct trap_frame *frame)
{
    const char *name = frame->vector < VECTOR_EXCEPTIONS ? names[frame->vector] : NULL;
    panic_frame = frame;
    panic("%s in the kernel, at 0x%08x, error code 0x%x", name != NULL ? name : "unknown exception",
          frame->eip, frame->error);
}

/*
 * The registers at the time of the fault are in the task state that the CPU has left. A stack
 * pointer outside its stack is what a double fault usually is.
 */
void trap_double_fault(void)
{
    static struct trap_frame frame;
    const struct task_state *task = &cpu_tables_self()->task;
    frame = (struct trap_frame){
        .gs = task->gs,
        .fs = task->fs,
        .es = task->es,
        .ds = task->ds,
        .edi = task->edi,
        .esi = task->esi,
        .ebp = task->ebp,
        .ebx = task->ebx,
        .edx = task->edx,
        .ecx = task->ecx,
        .eax = task->eax,
        .vector = VECTOR_DOUBLE_FAULT,
        .eip = task->eip,
        .cs = task->cs,
        .esp = task->esp,
        .ss = task->ss,
        .eflags = task->eflags,
    };
    panic_frame = &frame;
    uint32_t address = read_cr2();
    if (is_stack_guard(address)) {
        panic("double fault: kernel stack overflow, at 0x%08x", task->eip);
    }
    panic("double fault at 0x%08x, ESP 0x%08x, CR2 0x%08x", task->eip, task->esp, address);
}
