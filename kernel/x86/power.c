/*
 * kernel/x86/power.c: stopping the machine.
 */
#include "kernel/cpu.h"
#include "kernel/port.h"
#include "kernel/x86/x86.h"

#define DEBUG_EXIT       0xF4u
#define PIIX4_PM_CONTROL 0x604u
#define DELAY_PORT       0x80u
#define POWER_OFF_READS  1000000u
#define SLEEP_ENABLE     0x2000u /* with sleep type 0: soft off, on QEMU's machines */

static NORETURN void halt(void)
{
    for (;;) {
        interrupts_off();
        __asm__ volatile("hlt");
    }
}

void machine_stop(uint8_t code)
{
    interrupts_off();
    port_write8(DEBUG_EXIT, code);
    halt();
}

void machine_power_off(void)
{
    interrupts_off();
    port_write16(PIIX4_PM_CONTROL, SLEEP_ENABLE);
    for (uint32_t i = 0; i < POWER_OFF_READS; i++) {
        (void)port_read8(DELAY_PORT); /* the machine may take a while */
    }
    machine_stop(0);
}
