/*
 * kernel/x86/interrupt.c: the interrupt descriptor table, and who handles which vector.
 *
 * Vectors 0x30 to 0x3F are the ISA lines, 0x40 to 0xDF message-signalled interrupts, handed out in
 * order. Handlers are entered once, at boot, and never leave, so dispatch takes no lock.
 */
#include "kernel/cpu.h"
#include "kernel/port.h"
#include "kernel/trap.h"
#include "kernel/x86/x86.h"
#include "quire/assert.h"

/* Gates: Intel SDM volume 3A, section 6.11. All disable interrupts. */
#define GATE_INTERRUPT 0x8E00u
#define GATE_TASK      0x8500u
#define GATE_USER      0x6000u /* DPL 3: the INT instruction may use it */

#define PIC_MASTER 0x20u
#define PIC_SLAVE  0xA0u

#define MSI_ADDRESS 0xFEE00000u

struct handler {
    interrupt_handler function;
    void *context;
};

static uint64_t idt[VECTOR_COUNT];
static struct handler handlers[VECTOR_COUNT];
static uint32_t next_msi_vector = VECTOR_MSI;

static uint64_t gate(uint32_t selector, uint32_t offset, uint32_t kind)
{
    uint32_t low = selector << 16 | (offset & 0xFFFFu);
    uint32_t high = (offset & 0xFFFF0000u) | kind;
    return (uint64_t)high << 32 | low;
}

static void gate_set(uint32_t vector, void (*entry)(void))
{
    idt[vector] = gate(KERNEL_CS, (uint32_t)entry, GATE_INTERRUPT);
}

void idt_start(void)
{
    for (uint32_t i = 0; i < VECTOR_COUNT; i++) {
        uint32_t stub = (uint32_t)trap_stubs + i * TRAP_STUB_BYTES;
        bool user = i == VECTOR_BREAKPOINT || i == VECTOR_OVERFLOW || i == VECTOR_SYSTEM_CALL;
        idt[i] = gate(KERNEL_CS, stub, GATE_INTERRUPT | (user ? GATE_USER : 0));
    }
    gate_set(VECTOR_DEBUG, trap_debug_entry);
    gate_set(VECTOR_PAGE_FAULT, trap_page_fault_entry);
    idt[VECTOR_DOUBLE_FAULT] = gate(SELECTOR_FAULT_TASK, 0, GATE_TASK);
    struct PACKED {
        uint16_t limit;
        uint32_t base;
    } pointer = {sizeof(idt) - 1, (uint32_t)idt};
    __asm__ volatile("lidt %0" : : "m"(pointer));
}

/* The PICs are not used: moved away from the exceptions and masked. */
static void pic_mask(void)
{
    port_write8(PIC_MASTER, 0x11);
    port_write8(PIC_SLAVE, 0x11);
    port_write8(PIC_MASTER + 1, 0x20);
    port_write8(PIC_SLAVE + 1, 0x28);
    port_write8(PIC_MASTER + 1, 4);
    port_write8(PIC_SLAVE + 1, 2);
    port_write8(PIC_MASTER + 1, 1);
    port_write8(PIC_SLAVE + 1, 1);
    port_write8(PIC_MASTER + 1, 0xFF);
    port_write8(PIC_SLAVE + 1, 0xFF);
}

void interrupts_start(void)
{
    pic_mask();
    ioapic_start();
    lapic_start();
    interrupts_on();
}

void interrupt_dispatch(uint32_t vector)
{
    const struct handler *handler = &handlers[vector];
    if (vector == VECTOR_SPURIOUS) {
        return; /* needs no end-of-interrupt (Intel SDM volume 3A, section 10.9) */
    }
    if (handler->function != NULL) {
        handler->function(handler->context);
    }
    lapic_end_of_interrupt();
}

void interrupt_handle(uint32_t vector, interrupt_handler function, void *context)
{
    irq_state_t state = irq_disable();
    VERIFY(handlers[vector].function == NULL);
    handlers[vector] = (struct handler){function, context};
    irq_restore(state);
}

uint8_t interrupt_allocate_vector(interrupt_handler handler, void *context)
{
    if (next_msi_vector == VECTOR_MSI_END) {
        return 0;
    }
    uint8_t vector = (uint8_t)next_msi_vector++;
    interrupt_handle(vector, handler, context);
    return vector;
}

uint64_t interrupt_msi_address(uint8_t vector)
{
    (void)vector; /* all go to the boot CPU */
    return MSI_ADDRESS | (uint32_t)lapic_id() << 12;
}

uint32_t interrupt_msi_data(uint8_t vector)
{
    return vector; /* fixed delivery, edge */
}

void interrupt_connect_isa(uint8_t line, interrupt_handler handler, void *context)
{
    VERIFY(line < 16);
    interrupt_handle(VECTOR_ISA + line, handler, context);
    ioapic_route(line, (uint8_t)(VECTOR_ISA + line));
}
