/*
 * kernel/core/block.c: the block devices that drivers have found, and waiting for a request.
 */
#include "kernel/block.h"

#include "quire/assert.h"

#define DEVICES_MAX 8u

static struct block_device *devices[DEVICES_MAX]; /* [c] after devices_start */
static uint32_t ndevices;

void block_device_add(struct block_device *device)
{
    VERIFY(ndevices < DEVICES_MAX);
    devices[ndevices] = device;
    ndevices++;
}

struct block_device *block_device_get(uint32_t n)
{
    return n < ndevices ? devices[n] : NULL;
}

void block_sum_counters(struct block_counters *sum)
{
    *sum = (struct block_counters){0};
    for (uint32_t i = 0; i < ndevices; i++) {
        struct block_counters one = {0};
        if (devices[i]->read_counters != NULL) {
            devices[i]->read_counters(devices[i], &one);
        }
        sum->reads += one.reads;
        sum->writes += one.writes;
        sum->flushes += one.flushes;
        sum->sectors_read += one.sectors_read;
        sum->sectors_written += one.sectors_written;
    }
}

static void set_event(struct block_request *request)
{
    event_set(request->context);
}

status_t block_perform(struct block_device *device, struct block_request *request)
{
    struct waitable completed;

    waitable_init_event(&completed, false, false);
    request->done = set_event;
    request->context = &completed;
    device->submit(device, request);
    (void)wait_for(&completed, WAIT_FOREVER, false);
    return request->status;
}

status_t block_flush(struct block_device *device)
{
    struct block_request request = {.operation = BLOCK_FLUSH};
    return block_perform(device, &request);
}
