/*
 * boot/start.c: from the loader's hands to kernel_main: the order in which the machine comes up.
 *
 * Runs on the boot stack with interrupts off and the first page tables (boot/entry.asm). The
 * loader's information is copied before anything may overwrite it; the descriptor tables come
 * before the final page tables, so that a mistake there is reported; the log has its sinks before
 * anybody else runs.
 */
#include "boot/multiboot.h"
#include "kernel/boot.h"
#include "kernel/serial.h"
#include "kernel/vga.h"
#include "kernel/x86/x86.h"
#include "quire/annotate.h"

void boot_start(uint32_t info);

/* Called by boot/entry.asm with the physical address of the loader's information. */
void boot_start(uint32_t info)
{
    serial_start();
    vga_start();
    cpu_start();
    multiboot_read(info);
    paging_start();
    clock_start();
    kernel_main();
    machine_power_off();
}
