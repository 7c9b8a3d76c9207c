/*
 * include/kernel/trap.h: the one shape of a saved register frame, and the operations that the
 * floors above register for what goes up: page faults, exceptions, system calls, interrupts.
 */
#ifndef KERNEL_TRAP_H
#define KERNEL_TRAP_H

#include "quire/annotate.h"
#include "quire/status.h"
#include "quire/types.h"

struct thread;

/* Pushed by kernel/x86/entry.asm, lowest address first; the same for every vector. */
struct trap_frame {
    uint32_t gs, fs, es, ds;
    uint32_t edi, esi, ebp, esp_dummy, ebx, edx, ecx, eax;
    uint32_t vector;
    uint32_t error;
    uint32_t eip, cs, eflags;
    uint32_t esp, ss; /* only when it came from user mode */
};

#define USER_CS   0x1Bu
#define USER_DS   0x23u
#define USER_FS   0x3Bu /* base: the thread's TEB */
#define KERNEL_CS 0x08u
#define KERNEL_DS 0x10u

static inline bool trap_is_user(const struct trap_frame *frame)
{
    return (frame->cs & 3u) == 3u;
}

/* What an access wanted, in the machine's own terms no longer. */
enum access_kind {
    ACCESS_READ = 0,
    ACCESS_WRITE = 1,
    ACCESS_EXECUTE = 8, /* EXCEPTION_RECORD's value */
};

struct access {
    enum access_kind kind;
    bool user;    /* made by user code, or by the kernel on its behalf */
    bool present; /* the entry was valid: a protection fault */
    bool trapped; /* out of user mode: the kernel was in no call, and holds no lock */
};

enum fault_result {
    FAULT_DONE,
    FAULT_RETRY,
    FAULT_VIOLATION,
    FAULT_IN_PAGE_ERROR,
    FAULT_GUARD,          /* STATUS_GUARD_PAGE_VIOLATION */
    FAULT_STACK_OVERFLOW, /* STATUS_STACK_OVERFLOW */
};

/* Why a fault was not resolved, for the exception record. */
struct fault_report {
    status_t status; /* STATUS_ACCESS_VIOLATION, STATUS_IN_PAGE_ERROR, ... */
    status_t cause;  /* of an in-page error: what the pager said */
};

/* An exception as Win32 sees it (EXCEPTION_RECORD). */
struct user_exception {
    status_t code;
    uint32_t address; /* of the instruction */
    uint32_t nparameters;
    uint32_t parameters[4];
};

struct trap_operations {
    /*
     * A page fault at ADDRESS, from user mode or by the kernel on a user address, interrupts on.
     * FAULT_DONE: run on. Anything else: REPORT is filled.
     */
    enum fault_result (*user_page_fault)(uaddr_t address, const struct access *access,
                                         struct fault_report *report);
    /* The same for a cache window of the kernel half. */
    enum fault_result (*window_fault)(const void *address, const struct access *access,
                                      struct fault_report *report);
    /* An exception of user code that nothing resolved; may change FRAME, may not return. */
    void (*user_exception)(struct trap_frame *frame, const struct user_exception *exception);
    /* Before user mode is entered again: ends, suspends the thread. Interrupts on. */
    void (*before_user)(struct trap_frame *frame);
};

/* Once, at start, before the first user thread runs. */
void trap_register(const struct trap_operations *operations);

/*
 * System calls. TABLE has COUNT entries; entry n takes nargs[n] 32-bit arguments, which have been
 * copied from user memory once. FRAME is the caller's user frame: EIP, ESP, EFLAGS,
 * EBX, ESI, EDI, EBP are right in it; a call that changes it (NtContinue) calls trap_return_full.
 */
typedef status_t (*syscall_function)(const uint32_t *arguments, struct trap_frame *frame);
struct syscall_entry {
    syscall_function function; /* never NULL */
    uint8_t nargs;             /* at most 16 */
};
void trap_register_syscalls(const struct syscall_entry *table, uint32_t count);

/*
 * Marks that the frame was changed beyond EAX by this system call, so that all registers (EAX too)
 * are restored from it. Selectors and flags that user code may not have are made right here, and
 * again on every way out that is not the fast one: FRAME needs no check by the caller. FRAME may be
 * another, suspended thread's.
 */
void trap_return_full(struct trap_frame *frame);

/*
 * Puts the system-call stub of this CPU into SHARED_PAGE, the kernel's address of the page that
 * user code sees at USER_SHARED (abi/quire.h): code at QUIRE_STUB, its address at
 * QUIRE_SYSTEM_CALL.
 */
void trap_write_stub(void *shared_page);
/* The instructions that user code may use, as EDX of CPUID leaf 1 tells. */
uint32_t cpu_instruction_sets(void);

/* The calling thread's user frame at the top of its kernel stack (threads with a space). */
struct trap_frame *trap_user_frame(void);

/* Enters user mode for the first time: registers from FRAME. Does not return. */
NORETURN void trap_enter_user(const struct trap_frame *frame);

/* The calling thread's x87/SSE state in FXSAVE layout: fetch to, replace from a 512-byte image. */
void fpu_save_user(void *image);
void fpu_restore_user(const void *image); /* reserved MXCSR bits are cleared first */

/* Clears the bits of IMAGE, a save area, that the CPU refuses to load. */
void fpu_sanitize(void *image);

/* The base of user FS for THREAD (its TEB). */
void thread_set_user_fs(struct thread *thread, uint32_t base);

/* An interrupt handler: interrupts off, may take _irq locks, set events; nothing else. */
typedef void (*interrupt_handler)(void *context);

/* A vector of its own for a message-signalled interrupt; 0 when none is left. */
uint8_t interrupt_allocate_vector(interrupt_handler handler, void *context);

/* What a device must be told to signal VECTOR to this CPU (Intel SDM volume 3A, section 11.11). */
uint64_t interrupt_msi_address(uint8_t vector);
uint32_t interrupt_msi_data(uint8_t vector);

/* Starts the timer and the I/O APIC and enables interrupts. Once, after scheduler_start. */
void interrupts_start(void);

/* An ISA interrupt line (0 to 15) through the I/O APIC. */
void interrupt_connect_isa(uint8_t line, interrupt_handler handler, void *context);

#endif
