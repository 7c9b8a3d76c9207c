/*
 * kernel/x86/fpu.c: x87 and SSE state, per thread that enters user mode.
 *
 * The kernel itself uses neither, but to fill and copy pages (pages.asm) and in long copies
 * (usercopy.asm), where it puts back what it found. A thread's state is in the registers while it
 * runs and is saved and loaded by FXSAVE and FXRSTOR when threads change; threads without a save
 * area leave the registers alone.
 */
#include "kernel/cpu.h"
#include "kernel/string.h"
#include "kernel/thread.h"
#include "kernel/trap.h"
#include "kernel/x86/x86.h"
#include "quire/assert.h"

#define FPU_CONTROL_DEFAULT 0x27Fu /* as Windows: 53 bits, all exceptions masked */
#define MXCSR_DEFAULT       0x1F80u
#define MXCSR_MASK_DEFAULT  0xFFBFu

/* Offsets in the FXSAVE image (Intel SDM volume 1, table 10-2). */
#define FXSAVE_CONTROL    0u
#define FXSAVE_MXCSR      24u
#define FXSAVE_MXCSR_MASK 28u

static uint8_t start_state[FPU_STATE_BYTES] ALIGNED(16);
static uint32_t mxcsr_mask;
bool fpu_has_sse;

static void fxsave(void *state)
{
    __asm__ volatile("fxsave (%0)" : : "r"(state) : "memory");
}

static void fxrstor(const void *state)
{
    __asm__ volatile("fxrstor (%0)" : : "r"(state) : "memory");
}

static void put_u32(uint8_t *state, uint32_t offset, uint32_t value)
{
    memcpy(state + offset, &value, sizeof(value));
}

static uint32_t get_u32(const uint8_t *state, uint32_t offset)
{
    uint32_t value;
    memcpy(&value, state + offset, sizeof(value));
    return value;
}

void fpu_start(void)
{
    uint32_t cr0 = read_cr0() & ~(CR0_EM | CR0_TS | CR0_AM);
    write_cr0(cr0 | CR0_MP | CR0_NE | CR0_WP);
    write_cr4(read_cr4() | CR4_OSFXSR | (cpu_features.sse ? CR4_OSXMMEXCPT : 0));
    __asm__ volatile("fninit");
    fxsave(start_state);
    mxcsr_mask = get_u32(start_state, FXSAVE_MXCSR_MASK);
    if (mxcsr_mask == 0) {
        mxcsr_mask = MXCSR_MASK_DEFAULT;
    }
    memset(start_state, 0, sizeof(start_state));
    put_u32(start_state, FXSAVE_CONTROL, FPU_CONTROL_DEFAULT);
    put_u32(start_state, FXSAVE_MXCSR, MXCSR_DEFAULT);
    fxrstor(start_state);
    fpu_has_sse = cpu_features.sse;
}

void fpu_init_state(void *state)
{
    ASSERT((uint32_t)state % 16 == 0);
    memcpy(state, start_state, FPU_STATE_BYTES);
}

void fpu_switch(const struct thread *from, const struct thread *to)
{
    if (from->arch_fpu != NULL) {
        fxsave(from->arch_fpu);
    }
    if (to->arch_fpu != NULL) {
        fxrstor(to->arch_fpu);
    }
}

void fpu_save_user(void *image)
{
    irq_state_t state = irq_disable();
    struct thread *self = thread_self();
    if (self->arch_fpu == NULL) {
        memcpy(image, start_state, FPU_STATE_BYTES);
    } else {
        fxsave(self->arch_fpu);
        memcpy(image, self->arch_fpu, FPU_STATE_BYTES);
    }
    irq_restore(state);
}

void fpu_restore_user(const void *image)
{
    irq_state_t state = irq_disable();
    struct thread *self = thread_self();
    if (self->arch_fpu != NULL) {
        memcpy(self->arch_fpu, image, FPU_STATE_BYTES);
        put_u32(self->arch_fpu, FXSAVE_MXCSR, get_u32(self->arch_fpu, FXSAVE_MXCSR) & mxcsr_mask);
        fxrstor(self->arch_fpu);
    }
    irq_restore(state);
}

void fpu_sanitize(void *image)
{
    put_u32(image, FXSAVE_MXCSR, get_u32(image, FXSAVE_MXCSR) & mxcsr_mask);
}
