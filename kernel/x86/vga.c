/*
 * kernel/x86/vga.c: the VGA text screen: 80 columns, 25 lines, the last line scrolls.
 *
 * The log and the console both write here, from any context; a small lock of its own (interrupts
 * off, below every ranked lock, since nothing is called while it is held) keeps the cursor right.
 * A panic does not wait for it.
 *
 * Of a terminal's escape sequences it knows the one that programs need to print over what they
 * printed before: ESC [ n A, the cursor n lines up. Others are passed over.
 */
#include "kernel/vga.h"

#include "kernel/log.h"
#include "kernel/paging.h"
#include "kernel/port.h"
#include "kernel/string.h"
#include "kernel/x86/x86.h"

#define TEXT_MEMORY 0xB8000u
#define COLUMNS     80u
#define LINES       25u
#define CELLS       (COLUMNS * LINES)
#define ATTRIBUTE   0x0700u /* grey on black */
#define BLANK       (ATTRIBUTE | ' ')
#define TAB_STOP    8u
#define CRTC_INDEX  0x3D4u
#define CRTC_DATA   0x3D5u
#define CURSOR_HIGH 14u
#define CURSOR_LOW  15u

#define ESCAPE 0x1B

static uint32_t lock_word;
static uint32_t cursor; /* cell */

/* An escape sequence that has begun. */
static enum { PLAIN, AFTER_ESCAPE, IN_SEQUENCE } escape;
static uint32_t parameter; /* its number so far */

static volatile uint16_t *cells(void)
{
    return (volatile uint16_t *)(KERNEL_FIRST + TEXT_MEMORY);
}

static void crtc_write(uint8_t index, uint8_t value)
{
    port_write8(CRTC_INDEX, index);
    port_write8(CRTC_DATA, value);
}

static uint8_t crtc_read(uint8_t index)
{
    port_write8(CRTC_INDEX, index);
    return port_read8(CRTC_DATA);
}

static void show_cursor(void)
{
    crtc_write(CURSOR_HIGH, (uint8_t)(cursor >> 8));
    crtc_write(CURSOR_LOW, (uint8_t)cursor);
}

static void scroll(void)
{
    volatile uint16_t *cell = cells();
    for (uint32_t i = 0; i < CELLS - COLUMNS; i++) {
        cell[i] = cell[i + COLUMNS];
    }
    for (uint32_t i = CELLS - COLUMNS; i < CELLS; i++) {
        cell[i] = BLANK;
    }
    cursor -= COLUMNS;
}

/* ESC [ digits letter: ends with the letter. */
static void put_in_sequence(char c)
{
    if (escape == AFTER_ESCAPE) {
        escape = c == '[' ? IN_SEQUENCE : PLAIN;
        parameter = 0;
    } else if (c >= '0' && c <= '9') {
        parameter = min_u32(parameter * 10 + (uint32_t)(c - '0'), LINES);
    } else if (c >= '@') {
        uint32_t lines = min_u32(max_u32(parameter, 1), cursor / COLUMNS);
        cursor -= c == 'A' ? lines * COLUMNS : 0;
        escape = PLAIN;
    }
}

static void put(char c)
{
    if (escape != PLAIN && c != '\n') {
        put_in_sequence(c);
        return;
    }
    escape = PLAIN;
    switch (c) {
    case ESCAPE:
        escape = AFTER_ESCAPE;
        break;
    case '\n':
        cursor += COLUMNS - cursor % COLUMNS;
        break;
    case '\r':
        cursor -= cursor % COLUMNS;
        break;
    case '\b':
        cursor -= cursor % COLUMNS != 0 ? 1 : 0;
        break;
    case '\t':
        cursor += TAB_STOP - cursor % TAB_STOP;
        break;
    default:
        cells()[cursor++] = (uint16_t)(ATTRIBUTE | (uint8_t)c);
        break;
    }
    if (cursor >= CELLS) {
        scroll();
    }
}

void vga_write(const char *text, size_t nbytes)
{
    irq_state_t state = irq_disable();
    while (__atomic_exchange_n(&lock_word, 1u, __ATOMIC_ACQUIRE) != 0 && !log_is_panicking()) {
        __builtin_ia32_pause();
    }
    for (size_t i = 0; i < nbytes; i++) {
        put(text[i]);
    }
    show_cursor();
    __atomic_store_n(&lock_word, 0u, __ATOMIC_RELEASE);
    irq_restore(state);
}

/* Goes on below what the firmware and the loader have written. */
void vga_start(void)
{
    static struct log_sink sink = {.write = vga_write};
    cursor = (uint32_t)crtc_read(CURSOR_HIGH) << 8 | crtc_read(CURSOR_LOW);
    if (cursor >= CELLS) {
        cursor = CELLS - COLUMNS;
    }
    log_add_sink(&sink);
}
