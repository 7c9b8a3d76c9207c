/*
 * kernel/dev/keyboard.c: the PS/2 keyboard behind an 8042 controller: scan codes of set 1 (the
 * controller translates) to characters of the US layout.
 *
 * Owns the state of the modifier keys, which only the interrupt touches. Keys without a character
 * (arrows, functions) are ignored; Enter is '\r', Backspace 0x08, Ctrl with a letter its control
 * character.
 */
#include "kernel/console.h"
#include "kernel/port.h"
#include "kernel/trap.h"

#include "kernel/dev/drivers.h"

#define PORT_DATA    0x60u
#define PORT_COMMAND 0x64u /* written */
#define PORT_STATUS  0x64u /* read */

#define STATUS_OUTPUT_FULL 0x01u /* a byte for us */
#define STATUS_INPUT_FULL  0x02u /* the controller has not taken ours */
#define STATUS_FROM_MOUSE  0x20u

#define COMMAND_READ_CONFIG     0x20u
#define COMMAND_WRITE_CONFIG    0x60u
#define COMMAND_ENABLE_KEYBOARD 0xAEu

#define CONFIG_KEYBOARD_INTERRUPT 0x01u
#define CONFIG_KEYBOARD_DISABLED  0x10u
#define CONFIG_TRANSLATE          0x40u

#define KEYBOARD_LINE 1u
#define POLLS         100000u
#define DRAIN_MAX     64u

#define SCAN_RELEASED    0x80u
#define SCAN_EXTENDED    0xE0u
#define SCAN_EXTENDED_1  0xE1u
#define SCAN_CTRL        0x1Du
#define SCAN_LEFT_SHIFT  0x2Au
#define SCAN_RIGHT_SHIFT 0x36u
#define SCAN_CAPS_LOCK   0x3Au
#define SCAN_KEYPAD_DIV  0x35u
#define SCAN_ENTER       0x1Cu

static const char plain[] = "\0\033"
                            "1234567890-=\b"
                            "\tqwertyuiop[]\r"
                            "\0asdfghjkl;'`"
                            "\0\\zxcvbnm,./"
                            "\0*\0 ";
static const char shifted[] = "\0\033"
                              "!@#$%^&*()_+\b"
                              "\tQWERTYUIOP{}\r"
                              "\0ASDFGHJKL:\"~"
                              "\0|ZXCVBNM<>?"
                              "\0*\0 ";

static bool shift, caps, ctrl; /* only the interrupt touches them */
static bool extended;          /* the last byte was SCAN_EXTENDED */
static uint32_t skip;          /* bytes of a Pause sequence still to come */

/* The character of a pressed key, or 0. */
static uint8_t translate(uint8_t code)
{
    if (code >= sizeof(plain) - 1) {
        return 0;
    }
    if (extended && code != SCAN_ENTER && code != SCAN_KEYPAD_DIV) {
        return 0;
    }
    char letter = plain[code];
    bool is_letter = letter >= 'a' && letter <= 'z';
    if (ctrl) {
        return is_letter ? (uint8_t)(letter - 'a' + 1) : 0;
    }
    bool upper = !extended && (is_letter ? shift != caps : shift);
    return (uint8_t)(upper ? shifted[code] : letter);
}

static void handle_code(uint8_t code)
{
    bool pressed = (code & SCAN_RELEASED) == 0;
    uint8_t key = code & (uint8_t)~SCAN_RELEASED;

    if ((key == SCAN_LEFT_SHIFT || key == SCAN_RIGHT_SHIFT) && !extended) {
        shift = pressed;
    } else if (key == SCAN_CTRL) {
        ctrl = pressed;
    } else if (key == SCAN_CAPS_LOCK && pressed) {
        caps = !caps;
    } else if (pressed) {
        uint8_t byte = translate(key);
        if (byte != 0) {
            console_input(byte);
        }
    }
}

static void on_interrupt(void *context)
{
    (void)context;
    for (uint32_t i = 0; i < DRAIN_MAX; i++) {
        uint8_t status = port_read8(PORT_STATUS);
        if ((status & STATUS_OUTPUT_FULL) == 0) {
            return;
        }
        uint8_t code = port_read8(PORT_DATA);
        if ((status & STATUS_FROM_MOUSE) != 0) {
            continue;
        }
        if (skip > 0) {
            skip--;
        } else if (code == SCAN_EXTENDED) {
            extended = true;
        } else if (code == SCAN_EXTENDED_1) {
            skip = 2; /* Pause sends E1 and two bytes, when pressed and when released */
        } else {
            handle_code(code);
            extended = false;
        }
    }
}

/* Waits until the controller has taken our last byte; false when there is no controller. */
static bool wait_writable(void)
{
    for (uint32_t i = 0; i < POLLS; i++) {
        if ((port_read8(PORT_STATUS) & STATUS_INPUT_FULL) == 0) {
            return true;
        }
    }
    return false;
}

static bool wait_readable(void)
{
    for (uint32_t i = 0; i < POLLS; i++) {
        if ((port_read8(PORT_STATUS) & STATUS_OUTPUT_FULL) != 0) {
            return true;
        }
    }
    return false;
}

void keyboard_start(void)
{
    if (port_read8(PORT_STATUS) == 0xFFu || !wait_writable()) {
        return; /* no controller */
    }
    for (uint32_t i = 0; i < DRAIN_MAX && (port_read8(PORT_STATUS) & STATUS_OUTPUT_FULL) != 0;
         i++) {
        (void)port_read8(PORT_DATA);
    }
    port_write8(PORT_COMMAND, COMMAND_READ_CONFIG);
    if (!wait_readable()) {
        return;
    }
    uint32_t config = port_read8(PORT_DATA);
    config |= CONFIG_KEYBOARD_INTERRUPT | CONFIG_TRANSLATE;
    config &= ~CONFIG_KEYBOARD_DISABLED;
    interrupt_connect_isa(KEYBOARD_LINE, on_interrupt, NULL);
    port_write8(PORT_COMMAND, COMMAND_WRITE_CONFIG);
    if (wait_writable()) {
        port_write8(PORT_DATA, (uint8_t)config);
    }
    if (wait_writable()) {
        port_write8(PORT_COMMAND, COMMAND_ENABLE_KEYBOARD);
    }
}
