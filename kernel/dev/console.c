/*
 * kernel/dev/console.c: the terminal: input from the serial line and the keyboard, output to the
 * serial line and the screen.
 *
 *      interrupt --> raw ring --> (a reading thread edits a line) --> line --> read
 *
 * The line discipline runs in the thread that reads: it echoes, Backspace takes a character back,
 * Ctrl-U all of them, Enter ends the line (which then ends in '\n'), Ctrl-Z or Ctrl-D at the
 * beginning of a line is the end of input. What is typed ahead waits in the raw ring.
 *
 * Locks: the raw ring has a spinlock (device rank, interrupts off); one reader at a time has the
 * turn, an event that a thread that is being ended can stop waiting for.
 */
#include "kernel/console.h"

#include "kernel/lock.h"
#include "kernel/serial.h"
#include "kernel/stream.h"
#include "kernel/string.h"
#include "kernel/vga.h"
#include "kernel/wait.h"
#include "quire/assert.h"

#include "kernel/dev/drivers.h"

#define RAW_BYTES  1024u
#define LINE_BYTES 512u

#define CTRL(letter) ((uint8_t)((letter) - '@'))
#define BACKSPACE    0x08u
#define DELETE       0x7Fu
#define ESCAPE       0x1Bu

struct terminal {
    struct spinlock lock;     /* RANK_DEVICE */
    uint8_t raw[RAW_BYTES];   /* [lock] typed and not read */
    uint32_t raw_first;       /* [lock] */
    uint32_t raw_count;       /* [lock] */
    struct waitable arrived;  /* a byte came */
    struct waitable turn;     /* whose turn it is to read */
    uint8_t line[LINE_BYTES]; /* [turn] being edited, then being read */
    uint32_t line_length;     /* [turn] */
    uint32_t line_read;       /* [turn] given to readers */
    bool line_done;           /* [turn] it is being read */
    bool after_return;        /* [turn] the last byte was '\r': a '\n' belongs to it */
    uint32_t escape;          /* [turn] inside an escape sequence: how far */
    char last_written;        /* for '\n' to "\r\n"; a race only doubles a '\r' */
};

static struct terminal terminal;

void console_input(uint8_t byte)
{
    irq_state_t state = spin_lock_irq(&terminal.lock);

    if (terminal.raw_count < RAW_BYTES) {
        terminal.raw[(terminal.raw_first + terminal.raw_count) % RAW_BYTES] = byte;
        terminal.raw_count++;
    }
    spin_unlock_irq(&terminal.lock, state);
    event_set(&terminal.arrived);
}

/* Takes the oldest raw byte; false when there is none. */
static bool take_raw(uint8_t *byte)
{
    bool found = false;
    irq_state_t state = spin_lock_irq(&terminal.lock);

    if (terminal.raw_count > 0) {
        *byte = terminal.raw[terminal.raw_first];
        terminal.raw_first = (terminal.raw_first + 1) % RAW_BYTES;
        terminal.raw_count--;
        found = true;
    }
    spin_unlock_irq(&terminal.lock, state);
    return found;
}

static void put(const char *text, size_t nbytes)
{
    serial_write(text, nbytes);
    vga_write(text, nbytes);
}

static status_t terminal_write(struct stream *stream, const void *buffer, uint32_t nbytes)
{
    const char *text = buffer;
    uint32_t start = 0;

    (void)stream;
    for (uint32_t i = 0; i < nbytes; i++) {
        if (text[i] == '\n' && terminal.last_written != '\r') {
            put(text + start, i - start);
            put("\r", 1);
            start = i;
        }
        terminal.last_written = text[i];
    }
    put(text + start, nbytes - start);
    return STATUS_SUCCESS;
}

/* Shows what was typed. */
static void echo(const void *text, uint32_t nbytes)
{
    (void)terminal_write(NULL, text, nbytes);
}

static void erase_one(void)
{
    if (terminal.line_length > 0) {
        terminal.line_length--;
        echo("\b \b", 3);
    }
}

/* Adds BYTE to the line and shows it; the last place is kept for '\n'. */
static void append(uint8_t byte)
{
    if (terminal.line_length < LINE_BYTES - 1) {
        terminal.line[terminal.line_length++] = byte;
        echo(&byte, 1);
    }
}

/* Swallows escape sequences (arrow keys on the serial line): true when BYTE was part of one. */
static bool skip_escape(uint8_t byte)
{
    if (terminal.escape == 0) {
        terminal.escape = byte == ESCAPE ? 1 : 0;
        return byte == ESCAPE;
    }
    if (terminal.escape == 1) {
        terminal.escape = byte == '[' || byte == 'O' ? 2 : 0;
        return terminal.escape == 2;
    }
    if (byte >= '@' && byte <= '~') {
        terminal.escape = 0;
    }
    return true;
}

/*
 * One typed byte edits the line.
 * => STATUS_SUCCESS: the line is done; STATUS_PENDING: not yet; STATUS_END_OF_FILE.
 */
static status_t edit(uint8_t byte)
{
    bool was_return = terminal.after_return;

    terminal.after_return = byte == '\r';
    if (skip_escape(byte) || (byte == '\n' && was_return)) {
        return STATUS_PENDING;
    }
    if (byte == '\r' || byte == '\n') {
        terminal.line[terminal.line_length++] = '\n';
        echo("\n", 1);
        return STATUS_SUCCESS;
    }
    if ((byte == CTRL('Z') || byte == CTRL('D')) && terminal.line_length == 0) {
        echo("\n", 1);
        return STATUS_END_OF_FILE;
    }
    if (byte == BACKSPACE || byte == DELETE) {
        erase_one();
    } else if (byte == CTRL('U')) {
        while (terminal.line_length > 0) {
            erase_one();
        }
    } else if (byte >= ' ' || byte == '\t') {
        append(byte);
    }
    return STATUS_PENDING;
}

/* Reads typed bytes until there is a line. */
static status_t get_line(void)
{
    uint8_t byte = 0;

    for (;;) {
        while (take_raw(&byte)) {
            status_t status = edit(byte);
            if (status != STATUS_PENDING) {
                terminal.line_done = status == STATUS_SUCCESS;
                return status;
            }
        }
        status_t waited = wait_for(&terminal.arrived, WAIT_FOREVER, true);
        if (waited != STATUS_SUCCESS) {
            return waited;
        }
    }
}

static status_t terminal_read(struct stream *stream, void *buffer, uint32_t nbytes, uint32_t *done)
{
    (void)stream;
    *done = 0;
    status_t status = wait_for(&terminal.turn, WAIT_FOREVER, true);
    if (status != STATUS_SUCCESS) {
        return status;
    }
    if (!terminal.line_done) {
        status = get_line();
    }
    if (status == STATUS_SUCCESS) {
        uint32_t n = min_u32(nbytes, terminal.line_length - terminal.line_read);
        memcpy(buffer, terminal.line + terminal.line_read, n);
        terminal.line_read += n;
        *done = n;
        if (terminal.line_read == terminal.line_length) {
            terminal.line_read = 0;
            terminal.line_length = 0;
            terminal.line_done = false;
        }
    }
    event_set(&terminal.turn);
    return status;
}

static struct stream terminal_stream = {
    .read = terminal_read,
    .write = terminal_write,
    .is_terminal = true,
};

void console_start(void)
{
    spin_init(&terminal.lock, RANK_DEVICE);
    waitable_init_event(&terminal.arrived, false, false);
    waitable_init_event(&terminal.turn, false, true);
    serial_receive(console_input);
}

void console_use(void)
{
    for (enum stream_role role = STREAM_INPUT; role < STREAM_COUNT; role++) {
        stream_set(role, &terminal_stream);
    }
}
