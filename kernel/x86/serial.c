/*
 * kernel/x86/serial.c: the first serial port (16550, COM1): output by polling, input by interrupt.
 *
 * A byte at a time is sent, whoever calls, so no lock is needed; lines of two writers may mix. A
 * port that is not there reads as 0xFF, which looks ready: nothing ever hangs on it.
 */
#include "kernel/serial.h"

#include "kernel/log.h"
#include "kernel/port.h"
#include "kernel/x86/x86.h"

#define COM1      0x3F8u
#define COM1_LINE 4u

#define REGISTER_DATA   (COM1 + 0u)
#define REGISTER_ENABLE (COM1 + 1u)
#define REGISTER_FIFO   (COM1 + 2u)
#define REGISTER_FORMAT (COM1 + 3u)
#define REGISTER_MODEM  (COM1 + 4u)
#define REGISTER_STATUS (COM1 + 5u)
#define ENABLE_RECEIVE  1u
#define FORMAT_DIVISOR  0x80u
#define FORMAT_8N1      3u
#define FIFO_ON         0xC7u
#define MODEM_READY     0x0Bu /* DTR, RTS, OUT2: interrupts reach the line */
#define STATUS_RECEIVED 1u
#define STATUS_CAN_SEND 0x20u
#define STATUS_ABSENT   0xFFu
#define SEND_TRIES      100000u
#define RECEIVE_MAX     64u /* in one interrupt */

static void (*receiver)(uint8_t byte);
static bool log_is_shown = true;
static bool last_was_return;

static void send(uint8_t byte)
{
    for (uint32_t i = 0; i < SEND_TRIES; i++) {
        if ((port_read8(REGISTER_STATUS) & STATUS_CAN_SEND) != 0) {
            break;
        }
    }
    port_write8(REGISTER_DATA, byte);
}

void serial_write(const char *text, size_t nbytes)
{
    for (size_t i = 0; i < nbytes; i++) {
        send((uint8_t)text[i]);
    }
}

/* The log's sink: a terminal wants a carriage return with every new line. */
static void log_sink_write(const char *text, size_t nbytes)
{
    if (!log_is_shown && !log_is_panicking()) {
        return;
    }
    for (size_t i = 0; i < nbytes; i++) {
        if (text[i] == '\n' && !last_was_return) {
            send('\r');
        }
        last_was_return = text[i] == '\r';
        send((uint8_t)text[i]);
    }
}

void serial_show_log(bool on)
{
    log_is_shown = on;
}

static void received(void *context)
{
    (void)context;
    for (uint32_t i = 0; i < RECEIVE_MAX; i++) {
        uint8_t status = port_read8(REGISTER_STATUS);
        if (status == STATUS_ABSENT || (status & STATUS_RECEIVED) == 0) {
            break;
        }
        receiver(port_read8(REGISTER_DATA));
    }
}

void serial_receive(void (*receive)(uint8_t byte))
{
    receiver = receive;
    interrupt_connect_isa(COM1_LINE, received, NULL);
    port_write8(REGISTER_ENABLE, ENABLE_RECEIVE);
    irq_state_t state = irq_disable();
    received(NULL); /* what came before, whose edge is gone */
    irq_restore(state);
}

void serial_start(void)
{
    static struct log_sink sink = {.write = log_sink_write};
    port_write8(REGISTER_ENABLE, 0);
    port_write8(REGISTER_FORMAT, FORMAT_DIVISOR);
    port_write8(REGISTER_DATA, 1); /* 115200 baud */
    port_write8(REGISTER_ENABLE, 0);
    port_write8(REGISTER_FORMAT, FORMAT_8N1);
    port_write8(REGISTER_FIFO, FIFO_ON);
    port_write8(REGISTER_MODEM, MODEM_READY);
    log_add_sink(&sink);
}
