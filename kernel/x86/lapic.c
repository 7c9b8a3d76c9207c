/*
 * kernel/x86/lapic.c: the local APIC: end of interrupt, and the timer that drives the scheduler.
 *
 * Intel SDM volume 3A, chapter 10. The timer is periodic; its rate is measured against the clock.
 */
#include "kernel/clock.h"
#include "kernel/cpu.h"
#include "kernel/device.h"
#include "kernel/thread.h"
#include "kernel/x86/x86.h"
#include "quire/assert.h"

#define APIC_BASE_ENABLE (1u << 11)

#define REGISTER_ID       0x20u
#define REGISTER_PRIORITY 0x80u
#define REGISTER_END      0xB0u
#define REGISTER_SPURIOUS 0xF0u
#define REGISTER_TIMER    0x320u
#define REGISTER_LINT0    0x350u
#define REGISTER_LINT1    0x360u
#define REGISTER_ERROR    0x370u
#define REGISTER_INITIAL  0x380u
#define REGISTER_CURRENT  0x390u
#define REGISTER_DIVIDE   0x3E0u
#define SPURIOUS_ENABLE   (1u << 8)
#define ENTRY_MASKED      (1u << 16)
#define ENTRY_PERIODIC    (1u << 17)
#define ENTRY_NMI         (4u << 8)
#define DIVIDE_BY_16      3u
#define CALIBRATION_NS    (2 * NS_PER_MS)

static volatile uint32_t *registers;

static uint32_t lapic_read(uint32_t offset)
{
    return registers[offset / 4];
}

static void lapic_write(uint32_t offset, uint32_t value)
{
    registers[offset / 4] = value;
}

void lapic_end_of_interrupt(void)
{
    lapic_write(REGISTER_END, 0);
}

uint8_t lapic_id(void)
{
    return (uint8_t)(lapic_read(REGISTER_ID) >> 24);
}

static void tick(void *context)
{
    (void)context;
    scheduler_tick(clock_now());
}

/*
 * Timer counts in one tick. The clock is read next to the counter, so a pause in between (of a
 * virtual machine) makes the span longer and not wrong.
 */
static uint32_t measure_tick(void)
{
    lapic_write(REGISTER_TIMER, ENTRY_MASKED);
    lapic_write(REGISTER_INITIAL, UINT32_MAX);
    int64_t start = clock_now();
    uint32_t first = lapic_read(REGISTER_CURRENT);
    clock_spin(CALIBRATION_NS);
    int64_t end = clock_now();
    uint32_t last = lapic_read(REGISTER_CURRENT);
    uint64_t counts = (uint64_t)(first - last) * (uint64_t)CLOCK_TICK_NS;
    return (uint32_t)(counts / (uint64_t)(end - start));
}

void lapic_start(void)
{
    uint64_t base = read_msr(MSR_APIC_BASE) | APIC_BASE_ENABLE;
    write_msr(MSR_APIC_BASE, base);
    registers = device_map((paddr_t){base & PTE_ADDRESS}, PAGE_BYTES);
    VERIFY(registers != NULL);
    lapic_write(REGISTER_PRIORITY, 0);
    lapic_write(REGISTER_LINT0, ENTRY_MASKED);
    lapic_write(REGISTER_LINT1, ENTRY_NMI); /* where it is wired (MP Specification, 3.6.2.2) */
    lapic_write(REGISTER_ERROR, ENTRY_MASKED);
    lapic_write(REGISTER_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
    lapic_write(REGISTER_DIVIDE, DIVIDE_BY_16);
    uint32_t counts = measure_tick();
    interrupt_handle(VECTOR_TIMER, tick, NULL);
    lapic_write(REGISTER_TIMER, ENTRY_PERIODIC | VECTOR_TIMER);
    lapic_write(REGISTER_INITIAL, counts != 0 ? counts : 1);
}
