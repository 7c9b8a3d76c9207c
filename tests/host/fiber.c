/*
 * tests/host/fiber.c: threads of the simulated machine: each has a host stack of its own.
 *
 * The kernel stacks that the kernel hands in are 12 KiB, too small for code under a sanitizer, so
 * they are left alone. A context is what arch_switch saves into and loads from; the sanitizer is
 * told of every switch. A context whose thread has ended serves the next new thread.
 */
#define _GNU_SOURCE
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "quire/assert.h"

#define STACK_BYTES (512u << 10)
#define GUARD_BYTES 4096u

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif

struct fiber {
    void *stack_pointer; /* while it does not run: the registers that a call keeps lie there */
    uint8_t *stack;
    size_t stack_nbytes;
    void *fake_stack; /* the sanitizer's */
    void (*entry)(void *argument);
    void *argument;
    struct fiber *next_free;
};

/*
 * Leaves the caller's stack, noting it in *SAVE, and returns on TARGET. Not swapcontext, which
 * makes two system calls: the CPUs of a simulation take turns at every step.
 */
void sim_switch_stacks(void **save, void *target);

#if defined(__x86_64__)
#define SAVED_WORDS 6u
__asm__(".text\n"
        ".globl sim_switch_stacks\n"
        "sim_switch_stacks:\n"
        "push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
        "mov %rsp, (%rdi)\n"
        "mov %rsi, %rsp\n"
        "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n"
        "ret\n");
#elif defined(__i386__)
#define SAVED_WORDS 4u
__asm__(".text\n"
        ".globl sim_switch_stacks\n"
        "sim_switch_stacks:\n"
        "mov 4(%esp), %eax\n"
        "mov 8(%esp), %edx\n"
        "push %ebp\n push %ebx\n push %esi\n push %edi\n"
        "mov %esp, (%eax)\n"
        "mov %edx, %esp\n"
        "pop %edi\n pop %esi\n pop %ebx\n pop %ebp\n"
        "ret\n");
#else
#error "the simulated machine switches stacks on x86 hosts only"
#endif

static struct fiber boot_fiber;
static struct fiber *current;
static struct fiber *free_fibers;
static bool current_has_ended;

#ifdef HAS_ASAN
void __sanitizer_start_switch_fiber(void **save, const void *bottom, size_t nbytes);
void __sanitizer_finish_switch_fiber(void *save, const void **bottom, size_t *nbytes);

static void announce_switch(struct fiber *from, const struct fiber *to)
{
    __sanitizer_start_switch_fiber(current_has_ended ? NULL : &from->fake_stack, to->stack,
                                   to->stack_nbytes);
}

/* SELF runs now; FROM is told the bounds of its stack, which nobody else knows of the boot's. */
static void announce_arrival(const struct fiber *self, struct fiber *from)
{
    const void *bottom;
    size_t nbytes;

    __sanitizer_finish_switch_fiber(self->fake_stack, &bottom, &nbytes);
    if (from == &boot_fiber) {
        from->stack = (uint8_t *)(uintptr_t)bottom;
        from->stack_nbytes = nbytes;
    }
}
#else
static void announce_switch(struct fiber *from, const struct fiber *to)
{
    (void)from;
    (void)to;
}

static void announce_arrival(const struct fiber *self, struct fiber *from)
{
    (void)self;
    (void)from;
}
#endif

static struct fiber *previous; /* whose context was left last */

static void begin(void)
{
    struct fiber *self = current;

    announce_arrival(self, previous);
    self->entry(self->argument);
    abort();
}

static struct fiber *new_fiber(void)
{
    struct fiber *fiber = free_fibers;

    if (fiber != NULL) {
        free_fibers = fiber->next_free;
        return fiber;
    }
    fiber = calloc(1, sizeof(*fiber));
    uint8_t *memory = mmap(NULL, STACK_BYTES + GUARD_BYTES, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (fiber == NULL || memory == MAP_FAILED || mprotect(memory, GUARD_BYTES, PROT_NONE) != 0) {
        perror("quire: tests: thread");
        exit(2);
    }
    fiber->stack = memory + GUARD_BYTES;
    fiber->stack_nbytes = STACK_BYTES;
    return fiber;
}

void arch_thread_init(struct thread *thread, void (*entry)(void *), void *argument)
{
    struct fiber *fiber = new_fiber();

    fiber->entry = entry;
    fiber->argument = argument;
    fiber->fake_stack = NULL;
    /* The first switch returns into begin(), whose stack is aligned as after a call from nowhere.
     */
    uintptr_t *top = (uintptr_t *)(void *)(fiber->stack + fiber->stack_nbytes);
    *--top = 0;
    *--top = (uintptr_t)begin;
    for (uint32_t i = 0; i < SAVED_WORDS; i++) {
        *--top = 0;
    }
    fiber->stack_pointer = top;
    thread->arch_stack_pointer = fiber;
}

void arch_switch_prepare(struct thread *from, struct thread *to)
{
    VERIFY(!sim.irq_enabled && thread_self() == to);
    current_has_ended = from->state == THREAD_ENDED;
}

void arch_switch(void **save, void *target)
{
    struct fiber *from = current;
    struct fiber *to = target;

    VERIFY(to != NULL && to != from);
    if (current_has_ended) {
        from->next_free = free_fibers;
        free_fibers = from;
    }
    *save = from;
    previous = from;
    current = to;
    announce_switch(from, to);
    sim_switch_stacks(&from->stack_pointer, to->stack_pointer);
    announce_arrival(from, previous);
}

/* ---- the CPUs' flows ---- */

static struct fiber *flows[CPUS_MAX]; /* what each CPU runs, while another one has its turn */

void sim_flow_start(uint32_t n, const struct thread *thread)
{
    flows[n] = thread->arch_stack_pointer;
}

void sim_switch_flow(uint32_t from, uint32_t to)
{
    struct fiber *self = current;

    flows[from] = self;
    current = flows[to];
    current_has_ended = false;
    previous = self;
    announce_switch(self, current);
    sim_switch_stacks(&self->stack_pointer, current->stack_pointer);
    announce_arrival(self, previous);
}

void sim_fibers_start(void)
{
    current = &boot_fiber;
}

/* ---- threads for tests ---- */

static struct waitable threads_ended;
static int32_t threads_live;

static void reap_test_thread(struct thread *thread)
{
    free(thread);
    threads_live--;
    if (threads_live == 0) {
        event_set(&threads_ended);
    }
}

struct thread *sim_thread(const char *name, void (*entry)(void *argument), void *argument,
                          uint8_t priority)
{
    struct thread *thread = calloc(1, sizeof(*thread));

    VERIFY(thread != NULL);
    if (threads_live == 0) {
        waitable_init_event(&threads_ended, true, false);
    }
    threads_live++;
    thread_init(thread, &(struct thread_parameters){.name = name,
                                                    .entry = entry,
                                                    .argument = argument,
                                                    .stack_nbytes = KERNEL_STACK_BYTES,
                                                    .reap = reap_test_thread,
                                                    .priority = priority});
    thread_start(thread);
    return thread;
}

bool sim_is_alone(void)
{
    return threads_live == (thread_self()->reap == reap_test_thread ? 1 : 0);
}

void sim_join(void)
{
    if (threads_live != 0) {
        (void)wait_for(&threads_ended, WAIT_FOREVER, false);
    }
}
