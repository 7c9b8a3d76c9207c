/*
 * sys/context.c: a thread's user registers as a CONTEXT, and the system calls that read, change and
 * load one.
 *
 * The registers of a thread that is in the kernel lie in the frame at the top of its kernel stack
 * (or, before it first runs, in its structure); its x87 and SSE state in its save area, or in the
 * CPU when it is the caller. They are looked at with preemption off: another thread then neither
 * runs on with registers that are half changed, nor ends and loses its kernel stack. Segments and
 * the flags that are not a program's own are not taken from a CONTEXT: the way back to user mode
 * would refuse them anyway.
 */
#include "abi/constants.h"
#include "kernel/string.h"
#include "kernel/usercopy.h"
#include "sys/calls.h"
#include "sys/exception.h"
#include "sys/process.h"

/* The FXSAVE image (Intel SDM volume 1, table 10-2). */
struct fxsave {
    uint16_t control, status;
    uint8_t tags;
    uint8_t reserved;
    uint16_t opcode;
    uint32_t eip, cs, operand, operand_segment;
    uint32_t mxcsr, mxcsr_mask;
    uint8_t registers[8][16];
    uint8_t rest[512 - 160];
};
_Static_assert(sizeof(struct fxsave) == FPU_STATE_BYTES, "FXSAVE");

/* FXSAVE has a bit for "not empty" per register; FSAVE two bits: what is not empty is valid. */
static uint32_t full_tags(uint8_t tags)
{
    uint32_t full = 0;
    for (uint32_t i = 0; i < 8; i++) {
        full |= ((uint32_t)tags >> i & 1u) != 0 ? 0 : 3u << (i * 2u);
    }
    return full;
}

static uint8_t short_tags(uint32_t full)
{
    uint32_t tags = 0;
    for (uint32_t i = 0; i < 8; i++) {
        tags |= (full >> (i * 2u) & 3u) != 3u ? 1u << i : 0;
    }
    return (uint8_t)tags;
}

static void float_from_fxsave(struct nt_float_save *save, const struct fxsave *image)
{
    *save = (struct nt_float_save){
        .control_word = image->control | 0xFFFF0000u,
        .status_word = image->status | 0xFFFF0000u,
        .tag_word = full_tags(image->tags) | 0xFFFF0000u,
        .error_offset = image->eip,
        .error_selector = (image->cs & 0xFFFFu) | (uint32_t)image->opcode << 16,
        .data_offset = image->operand,
        .data_selector = image->operand_segment | 0xFFFF0000u,
    };
    for (uint32_t i = 0; i < 8; i++) {
        memcpy(&save->register_area[i * 10u], image->registers[i], 10);
    }
}

static void float_to_fxsave(struct fxsave *image, const struct nt_float_save *save)
{
    image->control = (uint16_t)save->control_word;
    image->status = (uint16_t)save->status_word;
    image->tags = short_tags(save->tag_word);
    image->opcode = (uint16_t)(save->error_selector >> 16);
    image->eip = save->error_offset;
    image->cs = save->error_selector & 0xFFFFu;
    image->operand = save->data_offset;
    image->operand_segment = save->data_selector & 0xFFFFu;
    for (uint32_t i = 0; i < 8; i++) {
        memcpy(image->registers[i], &save->register_area[i * 10u], 10);
    }
}

static void read_fpu(struct user_thread *thread, void *image)
{
    if (thread == ps_current_thread()) {
        fpu_save_user(image);
    } else {
        memcpy(image, thread->fpu_state, FPU_STATE_BYTES);
    }
}

static void write_fpu(struct user_thread *thread, const void *image)
{
    if (thread == ps_current_thread()) {
        fpu_restore_user(image);
    } else {
        memcpy(thread->fpu_state, image, FPU_STATE_BYTES);
        fpu_sanitize(thread->fpu_state);
    }
}

static bool wants(const struct nt_context *context, uint32_t part)
{
    return (context->context_flags & part) == part;
}

static void read_float(struct user_thread *thread, struct nt_context *context)
{
    struct fxsave image;
    read_fpu(thread, &image);
    if (wants(context, NT_CONTEXT_FLOAT)) {
        float_from_fxsave(&context->float_save, &image);
    }
    if (wants(context, NT_CONTEXT_EXTENDED)) {
        memcpy(context->extended_registers, &image, sizeof(image));
    }
}

void context_read(struct user_thread *thread, struct nt_context *context)
{
    const struct trap_frame *frame = ps_thread_frame(thread);
    if (wants(context, NT_CONTEXT_CONTROL)) {
        context->ebp = frame->ebp;
        context->eip = frame->eip;
        context->seg_cs = USER_CS;
        context->eflags = frame->eflags;
        context->esp = frame->esp;
        context->seg_ss = USER_DS;
    }
    if (wants(context, NT_CONTEXT_INTEGER)) {
        context->edi = frame->edi;
        context->esi = frame->esi;
        context->ebx = frame->ebx;
        context->edx = frame->edx;
        context->ecx = frame->ecx;
        context->eax = frame->eax;
    }
    if (wants(context, NT_CONTEXT_SEGMENTS)) {
        context->seg_gs = frame->gs & 0xFFFFu;
        context->seg_fs = frame->fs & 0xFFFFu;
        context->seg_es = frame->es & 0xFFFFu;
        context->seg_ds = frame->ds & 0xFFFFu;
    }
    if (wants(context, NT_CONTEXT_FLOAT) || wants(context, NT_CONTEXT_EXTENDED)) {
        read_float(thread, context);
    }
    if (wants(context, NT_CONTEXT_DEBUG)) {
        context->dr0 = context->dr1 = context->dr2 = context->dr3 = 0;
        context->dr6 = context->dr7 = 0;
    }
}

static void write_float(struct user_thread *thread, const struct nt_context *context)
{
    struct fxsave image;
    if (wants(context, NT_CONTEXT_EXTENDED)) {
        write_fpu(thread, context->extended_registers);
    } else {
        read_fpu(thread, &image);
        float_to_fxsave(&image, &context->float_save);
        write_fpu(thread, &image);
    }
}

void context_write(struct user_thread *thread, const struct nt_context *context)
{
    struct trap_frame *frame = ps_thread_frame(thread);
    if (wants(context, NT_CONTEXT_CONTROL)) {
        frame->ebp = context->ebp;
        frame->eip = context->eip;
        frame->eflags = context->eflags;
        frame->esp = context->esp;
    }
    if (wants(context, NT_CONTEXT_INTEGER)) {
        frame->edi = context->edi;
        frame->esi = context->esi;
        frame->ebx = context->ebx;
        frame->edx = context->edx;
        frame->ecx = context->ecx;
        frame->eax = context->eax;
    }
    if (wants(context, NT_CONTEXT_FLOAT) || wants(context, NT_CONTEXT_EXTENDED)) {
        write_float(thread, context);
    }
    trap_return_full(frame);
}

/* ---- the system calls -------------------------------------------------------------------------
 */

/* ThreadHandle, CONTEXT*: the part that both calls share; the caller's own `context` is captured.
 */
static status_t exchange_context(const uint32_t *arguments, uint32_t access,
                                 void (*exchange)(struct user_thread *thread,
                                                  struct nt_context *context))
{
    struct nt_context *context = &ps_current_thread()->context;
    struct object *object;
    status_t status = copy_from_user(context, (uaddr_t){arguments[1]}, sizeof(*context));
    if (is_success(status)) {
        status = ob_reference(arguments[0], &thread_type, access, &object);
    }
    if (is_error(status)) {
        return status;
    }
    struct user_thread *thread = container_of(object, struct user_thread, object);
    preempt_disable();
    if (waitable_read(&thread->ended) == 0) {
        exchange(thread, context);
    } else {
        status = STATUS_THREAD_IS_TERMINATING;
    }
    preempt_enable();
    ob_unref(object);
    return status;
}

static void write_from(struct user_thread *thread, struct nt_context *context)
{
    context_write(thread, context);
}

/* ThreadHandle, CONTEXT* */
status_t sys_NtGetContextThread(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    const struct nt_context *context = &ps_current_thread()->context;
    status_t status = exchange_context(arguments, THREAD_GET_CONTEXT, context_read);
    return is_success(status) ? copy_to_user((uaddr_t){arguments[1]}, context, sizeof(*context))
                              : status;
}

/* ThreadHandle, CONTEXT* */
status_t sys_NtSetContextThread(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    return exchange_context(arguments, THREAD_SET_CONTEXT, write_from);
}

/* CONTEXT*, TestAlert */
status_t sys_NtContinue(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct user_thread *self = ps_current_thread();
    status_t status =
        copy_from_user(&self->context, (uaddr_t){arguments[0]}, sizeof(self->context));
    if (is_success(status)) {
        context_write(self, &self->context);
    }
    return status;
}

/* EXCEPTION_RECORD*, CONTEXT*, FirstChance */
status_t sys_NtRaiseException(const uint32_t *arguments, struct trap_frame *frame)
{
    struct user_thread *self = ps_current_thread();
    status_t status = copy_from_user(&self->record, (uaddr_t){arguments[0]}, sizeof(self->record));
    if (is_success(status)) {
        status = copy_from_user(&self->context, (uaddr_t){arguments[1]}, sizeof(self->context));
    }
    if (is_success(status) && self->record.number_parameters > NT_EXCEPTION_PARAMETERS) {
        status = STATUS_INVALID_PARAMETER;
    }
    if (is_error(status)) {
        return status;
    }
    context_write(self, &self->context);
    if ((arguments[2] & 0xFFu) != 0) {
        exception_deliver(frame);
    } else {
        exception_end_process(&self->record);
    }
    return STATUS_SUCCESS;
}
