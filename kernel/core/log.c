/*
 * kernel/core/log.c: the kernel's log.
 *
 * Text goes into a ring that keeps the last 32 KiB, and at once to every sink. One lock of the
 * highest rank guards both, so any code may log whatever it holds. In a panic the lock is not
 * waited for: the CPU that panics may hold it.
 */
#include "kernel/log.h"

#include <stdarg.h>

#include "kernel/format.h"
#include "kernel/lock.h"
#include "kernel/string.h"
#include "quire/assert.h"

#define RING_BYTES 32768u
#define LINE_BYTES 512u

static struct spinlock log_lock = SPINLOCK_INIT(RANK_LOG);
static char ring[RING_BYTES];   /* [log lock] */
static uint32_t ring_written;   /* [log lock] all bytes ever, modulo 2^32 */
static bool ring_is_full;       /* [log lock] */
static struct log_sink *sinks;  /* [log lock] */
static volatile bool panicking; /* set once */

bool log_is_panicking(void)
{
    return panicking;
}

void log_start_panic(void)
{
    panicking = true;
}

static void ring_append(const char *text, size_t nbytes)
{
    for (size_t i = 0; i < nbytes; i++) {
        ring[ring_written % RING_BYTES] = text[i];
        ring_written++;
        ring_is_full = ring_is_full || ring_written == RING_BYTES;
    }
}

static void write_all(const char *text, size_t nbytes)
{
    ring_append(text, nbytes);
    for (struct log_sink *sink = sinks; sink != NULL; sink = sink->next) {
        sink->write(text, nbytes);
    }
}

void log_write(const char *text, size_t nbytes)
{
    if (panicking) {
        write_all(text, nbytes);
        return;
    }
    irq_state_t state = spin_lock_irq(&log_lock);
    write_all(text, nbytes);
    spin_unlock_irq(&log_lock, state);
}

void log_print(const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    size_t length = kformat_v(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (length >= sizeof(line)) { /* what was cut off is marked, and the line still ends */
        static const char mark[] = {'.', '.', '.', '\n'};

        length = sizeof(line) - 1;
        memcpy(line + length - sizeof(mark), mark, sizeof(mark));
    }
    log_write(line, length);
}

void log_add_sink(struct log_sink *sink)
{
    irq_state_t state = spin_lock_irq(&log_lock);

    sink->next = sinks;
    sinks = sink;
    spin_unlock_irq(&log_lock, state);
}

/* How many bytes of the ring to give for NBYTES wanted: from the beginning of a line on. */
static uint32_t tail_length(size_t nbytes)
{
    uint32_t available = ring_is_full ? RING_BYTES : ring_written;
    uint32_t length = available;

    if (available > nbytes) {
        length = (uint32_t)nbytes;
        while (length != 0 && ring[(ring_written - length - 1) % RING_BYTES] != '\n') {
            length--;
        }
    }
    return length;
}

size_t log_tail(char *buffer, size_t nbytes) UNCHECKED_LOCKS
{
    ASSERT(nbytes != 0);
    bool locked = !panicking && !spin_is_held(&log_lock);
    irq_state_t state = locked ? spin_lock_irq(&log_lock) : irq_disable();
    uint32_t length = tail_length(nbytes - 1);

    for (uint32_t i = 0; i < length; i++) {
        buffer[i] = ring[(ring_written - length + i) % RING_BYTES];
    }
    buffer[length] = '\0';
    if (locked) {
        spin_unlock_irq(&log_lock, state);
    } else {
        irq_restore(state);
    }
    return length;
}
