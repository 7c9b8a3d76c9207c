/*
 * kernel/x86/trap.c: what happens after entry.asm has saved the registers: page faults, system
 * calls by int 0x2e, interrupts, and the way back to user mode.
 *
 * A page fault becomes an address and a struct access, free of the machine, and goes to the
 * operations that the floors above have registered. Three outcomes: the instruction is run again;
 * user code gets an exception; a copy routine of the kernel goes on at its fixup. Anything else in
 * the kernel is a bug and ends in a panic with this frame.
 */
#include "kernel/trap.h"

#include "abi/quire.h"
#include "kernel/cpu.h"
#include "kernel/lock.h"
#include "kernel/paging.h"
#include "kernel/string.h"
#include "kernel/thread.h"
#include "kernel/usercopy.h"
#include "kernel/x86/exception.h"
#include "kernel/x86/x86.h"
#include "quire/assert.h"

/* The error code of a page fault (Intel SDM volume 3A, figure 4-12). */
#define FAULT_PRESENT  (1u << 0)
#define FAULT_WRITE    (1u << 1)
#define FAULT_USER     (1u << 2)
#define FAULT_RESERVED (1u << 3)
#define FAULT_FETCH    (1u << 4)

#define ARGUMENTS_MAX 16u /* entry.asm knows it too */

STATIC_ASSERT(sizeof(struct trap_frame) == 76);
STATIC_ASSERT(offsetof(struct trap_frame, eax) == 44);
STATIC_ASSERT(offsetof(struct trap_frame, vector) == 48);
STATIC_ASSERT(offsetof(struct trap_frame, cs) == 60);
STATIC_ASSERT(offsetof(struct trap_frame, esp) == 68);
STATIC_ASSERT(sizeof(struct syscall_entry) == 8);
STATIC_ASSERT(USER_SHARED + QUIRE_STUB + 4 == 0x7FFE0344); /* STUB_RETURN of entry.asm */

static struct trap_operations registered;

/* Read by entry.asm. */
extern const struct syscall_entry *syscall_table;
extern uint32_t syscall_count;
const struct syscall_entry *syscall_table;
uint32_t syscall_count;

STATIC_ASSERT(sizeof(((struct thread *)NULL)->awaited) == 8); /* two, each cleared by itself */

/* Gives entry.asm the offsets of C structures as absolute symbols. */
#define OFFSET(name, type, member)                                                                 \
    __asm__ volatile(".globl " name "\n\t.set " name ", %c0" : : "i"(offsetof(type, member)))

__attribute__((used, noinline)) static void define_offsets(void)
{
    OFFSET("offset_cpu_thread", struct cpu, thread);
    OFFSET("offset_cpu_switch_wanted", struct cpu, switch_wanted);
    OFFSET("offset_thread_terminating", struct thread, terminating);
    OFFSET("offset_thread_suspend_count", struct thread, suspend_count);
    OFFSET("offset_thread_awaited", struct thread, awaited);
}

void trap_register(const struct trap_operations *operations)
{
    registered = *operations;
}

void trap_register_syscalls(const struct syscall_entry *table, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        VERIFY(table[i].nargs <= ARGUMENTS_MAX);
        VERIFY(table[i].function != NULL);
    }
    syscall_table = table;
    syscall_count = count;
}

/* SYSENTER comes back to the byte behind it; entry.asm knows that address. */
void trap_write_stub(void *shared_page)
{
    static const uint8_t fast[] = {0x89, 0xE1, 0x0F, 0x34, 0xC3}; /* mov ecx, esp; sysenter; ret */
    static const uint8_t slow[] = {0xCD, 0x2E, 0xC3};             /* int 0x2e; ret */
    uint8_t *page = shared_page;
    uint32_t address = USER_SHARED + QUIRE_STUB;
    memcpy(page + QUIRE_SYSTEM_CALL, &address, sizeof(address));
    if (cpu_features.sysenter) {
        memcpy(page + QUIRE_STUB, fast, sizeof(fast));
    } else {
        memcpy(page + QUIRE_STUB, slow, sizeof(slow));
    }
}

/* ---- frames ---- */

static uint32_t data_selector(uint32_t selector)
{
    selector &= 0xFFFFu;
    return selector == 0 || selector == USER_FS ? selector : USER_DS;
}

/* Whatever has written to a user FRAME: it returns to user mode, with the flags user code may set.
 */
static void frame_sanitize(struct trap_frame *frame)
{
    frame->cs = USER_CS;
    frame->ss = USER_DS;
    frame->ds = data_selector(frame->ds);
    frame->es = data_selector(frame->es);
    frame->fs = data_selector(frame->fs);
    frame->gs = data_selector(frame->gs);
    frame->eflags = (frame->eflags & EFLAGS_USER) | EFLAGS_IF | EFLAGS_RESERVED;
}

void trap_return_full(struct trap_frame *frame)
{
    frame_sanitize(frame);
    frame->vector = FRAME_FULL;
}

struct trap_frame *trap_user_frame(void)
{
    const struct thread *self = thread_self();
    uint8_t *top = (uint8_t *)self->stack_base + self->stack_nbytes;
    return (struct trap_frame *)(void *)(top - sizeof(struct trap_frame));
}

void trap_enter_user(const struct trap_frame *frame)
{
    struct trap_frame *own = trap_user_frame();
    if (frame != own) {
        *own = *frame;
    }
    trap_return_full(own);
    interrupts_off();
    trap_leave_user(own);
    trap_return(own);
}

/*
 * The long way back to user mode: gives the CPU away or ends the thread when that is wanted, until
 * nothing is. FRAME may have been changed meanwhile.
 * => interrupts off, on entry and on return.
 */
void trap_leave_user(struct trap_frame *frame)
{
    for (;;) {
        if (cpu_self()->switch_wanted) {
            scheduler_preempt();
        } else if (thread_is_summoned(thread_self())) {
            interrupts_on();
            registered.before_user(frame);
            interrupts_off();
        } else {
            break;
        }
    }
    thread_goes_on(thread_self());
    frame_sanitize(frame);
    lock_assert_none();
}

/* ---- page faults ---- */

static struct access decode_access(uint32_t error, bool user)
{
    struct access access = {.kind = ACCESS_READ, .user = user};
    if ((error & FAULT_FETCH) != 0) {
        access.kind = ACCESS_EXECUTE;
    } else if ((error & FAULT_WRITE) != 0) {
        access.kind = ACCESS_WRITE;
    }
    access.present = (error & FAULT_PRESENT) != 0;
    return access;
}

static NORETURN void kernel_page_fault_panic(const struct trap_frame *frame, uint32_t address,
                                             const struct access *access)
{
    const char *what = "reading";
    if (access->kind != ACCESS_READ) {
        what = access->kind == ACCESS_WRITE ? "writing" : "executing";
    }
    panic_frame = frame;
    if ((frame->error & FAULT_RESERVED) != 0) {
        panic("page fault: reserved bit set in an entry for 0x%08x", address);
    }
    if (is_stack_guard(address)) {
        panic("kernel stack overflow, at 0x%08x", frame->eip);
    }
    panic("page fault in the kernel: %s 0x%08x (%s), at 0x%08x", what, address,
          access->present ? "protected" : "not mapped", frame->eip);
}

static void user_page_fault(struct trap_frame *frame, uint32_t address)
{
    struct access access = decode_access(frame->error, true);
    struct fault_report report = {.status = STATUS_ACCESS_VIOLATION};
    access.trapped = true;
    if ((frame->error & FAULT_RESERVED) != 0) {
        kernel_page_fault_panic(frame, address, &access);
    }
    /* A page that is there, read by the CPU with the kernel's rights while user code runs: SMAP
     * would refuse it for ever. QEMU before 9.1 does so for IRET and RETF to a user stack. */
    bool hopeless = access.present && (frame->error & FAULT_USER) == 0;
    if (address < KERNEL_FIRST && !hopeless) {
        enum fault_result result = registered.user_page_fault((uaddr_t){address}, &access, &report);
        if (result == FAULT_DONE || result == FAULT_RETRY) {
            return;
        }
    }
    struct user_exception exception = {
        .code = report.status,
        .address = frame->eip,
        .nparameters = 2,
        .parameters = {(uint32_t)access.kind, address, (uint32_t)report.cause},
    };
    if (report.status == STATUS_IN_PAGE_ERROR) {
        exception.nparameters = 3;
    }
    registered.user_exception(frame, &exception);
}

/* A fault of the kernel on a user address or in a cache window, at an instruction with a fixup. */
static void kernel_page_fault(struct trap_frame *frame, uint32_t address)
{
    const struct fixup *fixup = fixup_find(frame->eip);
    bool in_user = address < KERNEL_FIRST;
    bool in_window = cache_window_of((const void *)address) < CACHE_WINDOWS;
    struct access access = decode_access(frame->error, in_user);
    struct fault_report report = {.status = STATUS_ACCESS_VIOLATION};
    bool resolve = fixup == NULL ? in_window : fixup->kind == FIXUP_RESOLVE;
    if ((frame->error & FAULT_RESERVED) != 0) {
        kernel_page_fault_panic(frame, address, &access);
    }
    if (resolve && (in_user || in_window)) {
        struct thread *self = thread_self();
        const struct awaited outer = self->awaited; /* of a fault that is being resolved */
        if ((frame->eflags & EFLAGS_IF) == 0) {
            kernel_page_fault_panic(frame, address, &access);
        }
        interrupts_on();
        enum fault_result result =
            in_user ? registered.user_page_fault((uaddr_t){address}, &access, &report)
                    : registered.window_fault((const void *)address, &access, &report);
        interrupts_off();
        self->awaited = outer;
        if (result == FAULT_DONE || result == FAULT_RETRY) {
            return;
        }
    }
    /* Only a peek may miss anywhere; a copy's kernel side must be there. */
    if (fixup == NULL || (fixup->kind == FIXUP_RESOLVE && !in_user && !in_window)) {
        kernel_page_fault_panic(frame, address, &access);
    }
    frame->eax = (uint32_t)report.status;
    frame->eip = fixup->target;
}

void trap_page_fault(struct trap_frame *frame)
{
    uint32_t address = read_cr2();
    if (trap_is_user(frame)) {
        interrupts_on();
        user_page_fault(frame, address);
    } else {
        kernel_page_fault(frame, address);
    }
}

/* ---- everything else ---- */

/* int 0x2e: the arguments are captured like sysenter_entry does it. */
static status_t system_call(struct trap_frame *frame)
{
    uint32_t number = frame->eax;
    uint32_t arguments[ARGUMENTS_MAX];
    if (number >= syscall_count) {
        return STATUS_INVALID_SYSTEM_SERVICE;
    }
    const struct syscall_entry *entry = &syscall_table[number];
    uint32_t nbytes = (uint32_t)entry->nargs * sizeof(uint32_t);
    if (nbytes != 0) {
        status_t status = copy_from_user(arguments, (uaddr_t){frame->edx}, nbytes);
        if (is_error(status)) {
            return status;
        }
    }
    return entry->function(arguments, frame);
}

static void system_call_by_interrupt(struct trap_frame *frame)
{
    status_t status = system_call(frame);
    if (frame->vector != FRAME_FULL) {
        frame->eax = (uint32_t)status;
    }
}

static void interrupt(struct trap_frame *frame)
{
    struct cpu *cpu = cpu_self();
    cpu->preempt_count++;
    interrupt_dispatch(frame->vector);
    cpu->preempt_count--;
    if (!trap_is_user(frame) && cpu->switch_wanted && cpu->preempt_count == 0) {
        scheduler_preempt();
    }
}

void trap_dispatch(struct trap_frame *frame)
{
    if (frame->vector >= VECTOR_EXCEPTIONS && frame->vector != VECTOR_SYSTEM_CALL) {
        interrupt(frame);
    } else if (!trap_is_user(frame)) {
        exception_in_kernel(frame);
    } else if (frame->vector == VECTOR_SYSTEM_CALL) {
        interrupts_on();
        system_call_by_interrupt(frame);
    } else {
        struct user_exception exception;
        exception_begin(frame);
        interrupts_on();
        exception_decode(frame, &exception);
        registered.user_exception(frame, &exception);
    }
}
