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
