/*
 * kernel/x86/state.c: registers and a symbolised backtrace, for a panic.
 *
 * A debug kernel's backtrace follows frame pointers. A release kernel has none: there the words on
 * the stack that point behind a call are shown, some of which may be left over from earlier calls.
 * Memory is read in the way that survives a fault, so a broken stack only ends it. Names come from
 * the table that tools/symbols.py makes after the first link; a kernel without it prints addresses.
 */
#include "kernel/cpu.h"
#include "kernel/log.h"
#include "kernel/thread.h"
#include "kernel/trap.h"
#include "kernel/x86/x86.h"

#define BACKTRACE_MAX 24u
#define SCAN_WORDS    512u

struct symbol {
    uint32_t address;
    const char *name;
};

/* In ascending order; absent after the first link. */
extern const struct symbol kernel_symbols[] __attribute__((weak));
extern const uint32_t kernel_symbol_count __attribute__((weak));

const struct trap_frame *panic_frame;

static const struct symbol *symbol_find(uint32_t address)
{
    if (&kernel_symbol_count == NULL || address < (uint32_t)text_begin ||
        address >= (uint32_t)text_end || address < kernel_symbols[0].address) {
        return NULL;
    }
    uint32_t low = 0;
    uint32_t high = kernel_symbol_count;
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (kernel_symbols[middle].address <= address) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &kernel_symbols[low];
}

void symbol_print(uint32_t address)
{
    const struct symbol *symbol = symbol_find(address);
    if (symbol != NULL) {
        log_print("    0x%08x %s+0x%x\n", address, symbol->name, address - symbol->address);
    } else {
        log_print("    0x%08x\n", address);
    }
}

static void print_chain(uint32_t ebp)
{
    for (uint32_t i = 0; i < BACKTRACE_MAX; i++) {
        uint32_t caller;
        uint32_t address;
        if (ebp < KERNEL_FIRST || ebp % 4 != 0 || !peek_u32(ebp, &caller) ||
            !peek_u32(ebp + 4, &address) || address == 0) {
            return;
        }
        symbol_print(address);
        if (caller <= ebp) {
            return;
        }
        ebp = caller;
    }
}

/* Whether a CALL lies before ADDRESS: E8 and an offset, or FF /2 with up to five bytes behind. */
static bool is_behind_call(uint32_t address)
{
    if (address < (uint32_t)text_begin + 8 || address >= (uint32_t)text_end) {
        return false;
    }
    const uint8_t *code = (const uint8_t *)address;
    if (code[-5] == 0xE8) {
        return true;
    }
    for (int32_t length = 2; length <= 7; length++) {
        if (code[-length] == 0xFF && (code[1 - length] & 0x38u) == 0x10) {
            return true;
        }
    }
    return false;
}

static void print_return_addresses(uint32_t esp)
{
    uint32_t word;
    uint32_t shown = 0;
    for (uint32_t i = 0; i < SCAN_WORDS && shown < BACKTRACE_MAX && peek_u32(esp, &word); i++) {
        if (is_behind_call(word)) {
            symbol_print(word);
            shown++;
        }
        esp += 4;
    }
}

static void print_backtrace(uint32_t ebp, uint32_t esp)
{
    if (DEBUG_CHECKS) {
        print_chain(ebp);
    } else {
        print_return_addresses(esp & ~3u);
    }
}

/* ESP when the frame was made. */
static uint32_t stack_of(const struct trap_frame *frame)
{
    bool has_esp = trap_is_user(frame) || frame->vector == VECTOR_DOUBLE_FAULT;
    return has_esp ? frame->esp : (uint32_t)&frame->esp;
}

static void print_registers(const struct trap_frame *frame)
{
    uint32_t esp = stack_of(frame);
    log_print("vector %u error 0x%x cr2 0x%08x cr3 0x%08x\n", frame->vector, frame->error,
              read_cr2(), read_cr3());
    log_print("eax 0x%08x ebx 0x%08x ecx 0x%08x edx 0x%08x\n", frame->eax, frame->ebx, frame->ecx,
              frame->edx);
    log_print("esi 0x%08x edi 0x%08x ebp 0x%08x esp 0x%08x\n", frame->esi, frame->edi, frame->ebp,
              esp);
    log_print("eip 0x%08x cs 0x%02x eflags 0x%08x\n", frame->eip, frame->cs & 0xFFFFu,
              frame->eflags);
}

void arch_print_state(const struct trap_frame *frame)
{
    if (frame == NULL) {
        frame = panic_frame;
    }
    if (frame == NULL) {
        log_print("cr2 0x%08x cr3 0x%08x\nbacktrace:\n", read_cr2(), read_cr3());
        print_backtrace((uint32_t)__builtin_frame_address(0), (uint32_t)&frame);
        return;
    }
    print_registers(frame);
    log_print("backtrace:\n");
    symbol_print(frame->eip);
    print_backtrace(frame->ebp, trap_is_user(frame) ? 0 : stack_of(frame));
}
