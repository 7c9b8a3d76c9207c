/*
 * kernel/dev/virtio_console.c: the launcher's channel: three streams in frames over the one port
 * of a virtio-console (Virtual I/O Device Specification 1.1, section 5.3).
 *
 * A frame is: kind (1 byte), zero (1 byte), length (2 bytes, little-endian), then that many bytes.
 *
 *      to the host     1 standard output   2 standard error   3 exit code (4 bytes)
 *                      4 Quire itself failed (text)           5 "send one frame of input"
 *                      6 "answer when you have taken all of this"
 *                      7 a piece of the trace
 *      from the host   0 standard input; with length 0: its end
 *                      6 the answer
 *
 * Input comes only when a reader has asked, so it never piles up. Received bytes stay in the
 * receive buffer that they came in until a reader has taken them; then the buffer goes back.
 *
 * Output: QEMU drops what a virtconsole writes while the host's end is full. So no more than a
 * window is ever on its way: a writer that would exceed it asks (6) and waits for the answer. The
 * interrupt sees answers pass by; the reader of the stream skips them.
 *
 * Locks: the rings have a spinlock (device rank, interrupts off). One writer and one reader at a
 * time have their turn, an event that a thread that is being ended can stop waiting for.
 * channel_send_exit and channel_send_failure are for the end of the system: they poll, lock-free.
 */
#include "kernel/channel.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include "kernel/paging.h"
#include "kernel/stream.h"
#include "kernel/string.h"
#include "kernel/virtio.h"
#include "kernel/wait.h"
#include "quire/assert.h"

#include "kernel/dev/drivers.h"

#define RECEIVE_QUEUE   0u
#define TRANSMIT_QUEUE  1u
#define RECEIVE_BUFFERS 4u
#define TRANSMIT_PAGES  4u
#define TRANSMIT_BYTES  (TRANSMIT_PAGES * PAGE_BYTES)

#define FRAME_HEADER 4u
#define WINDOW_BYTES 65536u /* that may be on their way to the host: less than its socket holds */
#define FRAME_COST   2048u  /* of the window, beside the bytes: a socket's own cost of a message */
#define FRAME_DATA   (TRANSMIT_BYTES - FRAME_HEADER) /* of one frame at most */
#define POLLS_MAX    100000000u

enum frame_kind {
    FRAME_INPUT = 0,
    FRAME_OUTPUT = 1,
    FRAME_ERROR = 2,
    FRAME_EXIT = 3,
    FRAME_FAILURE = 4,
    FRAME_ASK = 5,
    FRAME_TAKEN = 6,
    FRAME_TRACE = 7,
};

/* One page that the device fills. */
struct receive_buffer {
    uint8_t *bytes;   /* [c] */
    paddr_t address;  /* [c] */
    uint32_t filled;  /* [lock] by the device */
    struct list link; /* [lock] in channel.received */
};

struct channel {
    struct spinlock lock; /* RANK_DEVICE */
    struct virtio_device device;
    struct virtio_queue receive;  /* [lock] */
    struct virtio_queue transmit; /* [lock] */
    struct list received;         /* [lock] buffers with bytes, oldest first */
    struct waitable arrived;      /* `received` has grown */
    struct waitable sent;         /* the device has taken the transmit buffer */
    struct waitable taken;        /* the host has taken all output */
    struct waitable write_turn;
    struct waitable read_turn;
    struct receive_buffer buffers[RECEIVE_BUFFERS];
    uint8_t *out;        /* [write turn] the transmit buffer */
    paddr_t out_address; /* [c] */
    uint32_t on_its_way; /* [write turn] of the window */
    bool answer_due;     /* [write turn] the host has been asked */

    /* [lock] where the interrupt is in the stream of frames. */
    uint8_t seen_header[FRAME_HEADER];
    uint32_t seen_length; /* bytes of it that have come */
    uint32_t seen_left;   /* bytes of the frame still to come */

    /* [read turn] where the reader is in the stream of frames. */
    uint32_t offset;              /* in the oldest received buffer */
    uint8_t header[FRAME_HEADER]; /* of the frame that is being read */
    uint32_t header_length;       /* bytes of it that have come */
    uint32_t data_left;           /* bytes of the frame still to come */
    bool asked;                   /* the host owes us a frame */
    bool ended;                   /* the end of input has come */
    bool present;                 /* [c] */
};

static struct channel channel;

bool channel_is_present(void)
{
    return channel.present;
}

/* Gives BUFFER to the device. */
static void post_locked(struct receive_buffer *buffer)
{
    const struct virtio_piece piece = {
        .address = buffer->address, .nbytes = PAGE_BYTES, .writable = true};
    bool put = virtio_queue_put(&channel.receive, &piece, 1, NULL, (paddr_t){0}, buffer);

    VERIFY(put); /* start has made sure that the ring holds all of them */
}

/* Looks for answers in what has come. => *only_answers: a reader need not see it. */
static bool scan_locked(const uint8_t *bytes, uint32_t nbytes, bool *only_answers)
{
    bool answered = false, other = channel.seen_length != 0 || channel.seen_left != 0;

    while (nbytes > 0) {
        uint32_t n = min_u32(nbytes, channel.seen_left);
        if (n == 0) {
            n = 1;
            channel.seen_header[channel.seen_length++] = bytes[0];
            if (channel.seen_length == FRAME_HEADER) {
                bool answer = channel.seen_header[0] == FRAME_TAKEN;
                answered |= answer;
                other |= !answer;
                channel.seen_left = channel.seen_header[2] | (uint32_t)channel.seen_header[3] << 8;
                channel.seen_length = 0;
            }
        } else {
            channel.seen_left -= n;
        }
        bytes += n;
        nbytes -= n;
    }
    *only_answers = !other && channel.seen_length == 0;
    return answered;
}

static void on_receive(void *context)
{
    uint32_t nbytes;
    bool any = false, answered = false, only_answers;

    (void)context;
    irq_state_t state = spin_lock_irq(&channel.lock);
    for (struct receive_buffer *buffer = virtio_queue_take(&channel.receive, &nbytes);
         buffer != NULL; buffer = virtio_queue_take(&channel.receive, &nbytes)) {
        buffer->filled = min_u32(nbytes, PAGE_BYTES);
        answered |= scan_locked(buffer->bytes, buffer->filled, &only_answers);
        if (only_answers) {
            post_locked(buffer);
            virtio_queue_notify(&channel.receive);
        } else {
            list_insert_tail(&channel.received, &buffer->link);
            any = true;
        }
    }
    spin_unlock_irq(&channel.lock, state);
    if (any) {
        event_set(&channel.arrived);
    }
    if (answered) {
        event_set(&channel.taken);
    }
}

static void on_transmit(void *context)
{
    uint32_t nbytes;

    (void)context;
    irq_state_t state = spin_lock_irq(&channel.lock);
    bool taken = virtio_queue_take(&channel.transmit, &nbytes) != NULL;
    spin_unlock_irq(&channel.lock, state);
    if (taken) {
        event_set(&channel.sent);
    }
}

static void make_frame(enum frame_kind kind, const void *data, uint32_t nbytes)
{
    channel.out[0] = (uint8_t)kind;
    channel.out[1] = 0;
    channel.out[2] = (uint8_t)nbytes;
    channel.out[3] = (uint8_t)(nbytes >> 8);
    if (nbytes > 0) {
        memcpy(channel.out + FRAME_HEADER, data, nbytes);
    }
}

/* Puts the transmit buffer on the ring. */
static bool put_out(uint32_t nbytes)
{
    const struct virtio_piece piece = {.address = channel.out_address,
                                       .nbytes = FRAME_HEADER + nbytes};

    bool put = virtio_queue_put(&channel.transmit, &piece, 1, NULL, (paddr_t){0}, &channel);
    if (put) {
        virtio_queue_notify(&channel.transmit);
    }
    return put;
}

/* Sends one frame and waits until the device has taken it. => the write turn is the caller's. */
static status_t transmit(enum frame_kind kind, const void *data, uint32_t nbytes)
{
    make_frame(kind, data, nbytes);
    irq_state_t state = spin_lock_irq(&channel.lock);
    bool put = put_out(nbytes);
    spin_unlock_irq(&channel.lock, state);
    VERIFY(put); /* the buffer is ours, so the ring is empty */
    return wait_for(&channel.sent, WAIT_FOREVER, false);
}

/*
 * Waits until the window has room for a frame. A thread that is ended while it waits leaves the
 * answer due: the next writer waits for it.
 * => the write turn is the caller's.
 */
static status_t make_room(uint32_t nbytes)
{
    status_t status = STATUS_SUCCESS;

    if (!channel.answer_due && channel.on_its_way + nbytes + FRAME_COST > WINDOW_BYTES) {
        status = transmit(FRAME_TAKEN, NULL, 0);
        channel.answer_due = status == STATUS_SUCCESS;
    }
    if (channel.answer_due) {
        status = wait_for(&channel.taken, WAIT_FOREVER, true);
        if (status == STATUS_SUCCESS) {
            channel.answer_due = false;
            channel.on_its_way = 0;
        }
    }
    return status;
}

/* Sends one frame in its turn, when the window has room for it. */
static status_t send_frame(enum frame_kind kind, const void *data, uint32_t nbytes)
{
    status_t status = wait_for(&channel.write_turn, WAIT_FOREVER, true);

    if (status != STATUS_SUCCESS) {
        return status;
    }
    status = make_room(nbytes);
    if (status == STATUS_SUCCESS) {
        channel.on_its_way += nbytes + FRAME_COST;
        status = transmit(kind, data, nbytes);
    }
    event_set(&channel.write_turn);
    return status;
}

/* Sends NBYTES in as many frames as it takes. */
static status_t send_frames(enum frame_kind kind, const void *buffer, uint32_t nbytes)
{
    const uint8_t *bytes = buffer;

    while (nbytes > 0) {
        uint32_t n = min_u32(nbytes, FRAME_DATA);
        status_t status = send_frame(kind, bytes, n);
        if (status != STATUS_SUCCESS) {
            return status;
        }
        bytes += n;
        nbytes -= n;
    }
    return STATUS_SUCCESS;
}

static status_t channel_write(struct stream *stream, const void *buffer, uint32_t nbytes)
{
    const enum frame_kind *kind = stream->driver;

    return send_frames(*kind, buffer, nbytes);
}

status_t channel_send_trace(const void *data, uint32_t nbytes)
{
    return send_frames(FRAME_TRACE, data, nbytes);
}

/* The oldest received buffer, or NULL. */
static struct receive_buffer *first_received(void)
{
    irq_state_t state = spin_lock_irq(&channel.lock);
    struct receive_buffer *buffer =
        list_is_empty(&channel.received)
            ? NULL
            : list_entry(channel.received.next, struct receive_buffer, link);

    spin_unlock_irq(&channel.lock, state);
    return buffer;
}

/* Gives the oldest received buffer, all taken, back to the device. */
static void recycle(struct receive_buffer *buffer)
{
    irq_state_t state = spin_lock_irq(&channel.lock);

    list_remove(&buffer->link);
    post_locked(buffer);
    virtio_queue_notify(&channel.receive);
    spin_unlock_irq(&channel.lock, state);
    channel.offset = 0;
}

/* Takes 1 to NBYTES received bytes, waiting for them. */
static status_t take_bytes(uint8_t *target, uint32_t nbytes, uint32_t *done)
{
    struct receive_buffer *buffer;

    while ((buffer = first_received()) == NULL || buffer->filled == 0) {
        if (buffer != NULL) {
            recycle(buffer);
            continue;
        }
        status_t status = wait_for(&channel.arrived, WAIT_FOREVER, true);
        if (status != STATUS_SUCCESS) {
            return status;
        }
    }
    *done = min_u32(nbytes, buffer->filled - channel.offset);
    memcpy(target, buffer->bytes + channel.offset, *done);
    channel.offset += *done;
    if (channel.offset == buffer->filled) {
        recycle(buffer);
    }
    return STATUS_SUCCESS;
}

/*
 * Asks for a frame of input and reads its header; afterwards data_left or ended is set. Each step
 * is remembered, so that the next reader goes on where one that was ended has stopped.
 */
static status_t begin_frame(void)
{
    status_t status = STATUS_SUCCESS;

    if (!channel.asked) {
        status = send_frame(FRAME_ASK, NULL, 0);
        channel.asked = status == STATUS_SUCCESS;
    }
    while (status == STATUS_SUCCESS && channel.header_length < FRAME_HEADER) {
        uint32_t n = 0;
        status = take_bytes(channel.header + channel.header_length,
                            FRAME_HEADER - channel.header_length, &n);
        channel.header_length += n;
        if (channel.header_length == FRAME_HEADER && channel.header[0] == FRAME_TAKEN) {
            channel.header_length = 0; /* the interrupt has seen it */
        }
    }
    if (status != STATUS_SUCCESS) {
        return status;
    }
    channel.header_length = 0;
    channel.asked = false;
    channel.data_left = channel.header[2] | (uint32_t)channel.header[3] << 8;
    channel.ended = channel.data_left == 0;
    return channel.header[0] == FRAME_INPUT ? STATUS_SUCCESS : STATUS_IO_DEVICE_ERROR;
}

static status_t read_input(void *buffer, uint32_t nbytes, uint32_t *done)
{
    if (channel.data_left == 0 && !channel.ended) {
        status_t status = begin_frame();
        if (status != STATUS_SUCCESS) {
            return status;
        }
    }
    if (channel.ended) {
        return STATUS_END_OF_FILE;
    }
    status_t status = take_bytes(buffer, min_u32(nbytes, channel.data_left), done);
    channel.data_left -= *done;
    return status;
}

static status_t channel_read(struct stream *stream, void *buffer, uint32_t nbytes, uint32_t *done)
{
    (void)stream;
    *done = 0;
    status_t status = wait_for(&channel.read_turn, WAIT_FOREVER, true);
    if (status != STATUS_SUCCESS) {
        return status;
    }
    status = nbytes == 0 ? STATUS_SUCCESS : read_input(buffer, nbytes, done);
    event_set(&channel.read_turn);
    return status;
}

static enum frame_kind kinds[STREAM_COUNT] = {
    [STREAM_INPUT] = FRAME_OUTPUT, /* writing to standard input shows up as output */
    [STREAM_OUTPUT] = FRAME_OUTPUT,
    [STREAM_ERROR] = FRAME_ERROR,
};

static struct stream streams[STREAM_COUNT];

void channel_use(void)
{
    for (enum stream_role role = STREAM_INPUT; role < STREAM_COUNT; role++) {
        streams[role] =
            (struct stream){.read = channel_read, .write = channel_write, .driver = &kinds[role]};
        stream_set(role, &streams[role]);
    }
}

/* Waits, polling, until the device has taken what was sent before. */
static void poll_transmit(void)
{
    uint32_t nbytes;

    for (uint32_t i = 0; i < POLLS_MAX && channel.transmit.nfree < channel.transmit.size; i++) {
        (void)virtio_queue_take(&channel.transmit, &nbytes);
        __asm__ volatile("pause");
    }
}

/*
 * Sends one frame at the end of the system. Nobody else runs from here on: another writer would use
 * the same buffer, the interrupt the same ring.
 * => leaves interrupts off.
 */
static void send_last(enum frame_kind kind, const void *data, uint32_t nbytes)
{
    if (!channel.present) {
        return;
    }
    (void)irq_disable();
    poll_transmit();
    make_frame(kind, data, nbytes);
    if (put_out(nbytes)) {
        poll_transmit();
    }
}

void channel_send_exit(uint32_t code)
{
    const uint8_t bytes[4] = {(uint8_t)code, (uint8_t)(code >> 8), (uint8_t)(code >> 16),
                              (uint8_t)(code >> 24)};

    send_last(FRAME_EXIT, bytes, sizeof(bytes));
}

void channel_send_failure(const char *text)
{
    send_last(FRAME_FAILURE, text, (uint32_t)strnlen(text, FRAME_DATA));
}

static status_t take_buffers(const struct device_memory *memory)
{
    pfn_t frames = memory->take(RECEIVE_BUFFERS + TRANSMIT_PAGES);

    if (pfn_is_none(frames)) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    for (uint32_t i = 0; i < RECEIVE_BUFFERS; i++) {
        channel.buffers[i].bytes = frame_address((pfn_t){frames.n + i});
        channel.buffers[i].address = pfn_to_paddr((pfn_t){frames.n + i});
        list_init(&channel.buffers[i].link);
    }
    channel.out = frame_address((pfn_t){frames.n + RECEIVE_BUFFERS});
    channel.out_address = pfn_to_paddr((pfn_t){frames.n + RECEIVE_BUFFERS});
    return STATUS_SUCCESS;
}

static status_t start_channel(const struct pci_function *function,
                              const struct device_memory *memory)
{
    status_t status = virtio_start(&channel.device, function, 0);

    if (is_success(status)) {
        status = take_buffers(memory);
    }
    if (is_success(status)) {
        status = virtio_queue_start(&channel.device, &channel.receive, RECEIVE_QUEUE, memory,
                                    on_receive, NULL);
    }
    if (is_success(status)) {
        status = virtio_queue_start(&channel.device, &channel.transmit, TRANSMIT_QUEUE, memory,
                                    on_transmit, NULL);
    }
    if (is_success(status) && channel.receive.size < RECEIVE_BUFFERS) {
        status = STATUS_NOT_SUPPORTED;
    }
    return status;
}

void virtio_console_start(const struct pci_function *function, const struct device_memory *memory)
{
    if (channel.present) {
        return;
    }
    spin_init(&channel.lock, RANK_DEVICE);
    list_init(&channel.received);
    waitable_init_event(&channel.arrived, false, false);
    waitable_init_event(&channel.sent, false, false);
    waitable_init_event(&channel.taken, false, false);
    waitable_init_event(&channel.write_turn, false, true);
    waitable_init_event(&channel.read_turn, false, true);
    status_t status = start_channel(function, memory);
    if (is_error(status)) {
        log_print("virtio-console %02x:%02x: cannot be used: status 0x%08x\n", function->bus,
                  function->slot, (uint32_t)status);
        if (channel.device.common != NULL) {
            virtio_fail(&channel.device);
        }
        return;
    }
    virtio_ready(&channel.device);
    irq_state_t state = spin_lock_irq(&channel.lock);
    for (uint32_t i = 0; i < RECEIVE_BUFFERS; i++) {
        post_locked(&channel.buffers[i]);
    }
    virtio_queue_notify(&channel.receive);
    spin_unlock_irq(&channel.lock, state);
    channel.present = true;
    log_print("channel: virtio-console\n");
}
