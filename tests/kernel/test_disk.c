/*
 * tests/kernel/test_disk.c: self-tests of the disk driver: many requests in flight, requests that
 * are refused.
 */
#include "kernel/block.h"
#include "kernel/paging.h"
#include "kernel/string.h"
#include "mm/pfn.h"
#include "mm/pool.h"

#include "tests/kernel/selftest.h"

#define REQUESTS        48u /* more than the driver has slots */
#define REQUEST_SECTORS 8u  /* one page */

struct reading {
    struct block_request request;
    struct block_segment segments[PAGE_BYTES / SECTOR_BYTES];
    struct waitable finished;
    pfn_t frame;
};

static struct reading *readings[REQUESTS];

static void reading_done(struct block_request *request)
{
    event_set(request->context);
}

/* Describes a page's worth of sectors from SECTOR on, in pieces of PIECE bytes. */
static void prepare(struct reading *reading, uint64_t sector, uint32_t piece)
{
    struct block_request *request = &reading->request;

    waitable_init_event(&reading->finished, true, false);
    request->operation = BLOCK_READ;
    request->sector = sector;
    request->nsegments = PAGE_BYTES / piece;
    request->segments = reading->segments;
    for (uint32_t i = 0; i < request->nsegments; i++) {
        reading->segments[i].address =
            (paddr_t){pfn_to_paddr(reading->frame).v + (uint64_t)i * piece};
        reading->segments[i].nbytes = piece;
    }
    request->done = reading_done;
    request->context = &reading->finished;
}

static bool allocate_readings(void)
{
    for (uint32_t i = 0; i < REQUESTS; i++) {
        readings[i] = mm_allocate(sizeof(struct reading));
        if (readings[i] == NULL) {
            return false;
        }
        readings[i]->frame = mm_take_kernel_frame();
        if (pfn_is_none(readings[i]->frame)) {
            return false;
        }
    }
    return true;
}

static void free_readings(void)
{
    for (uint32_t i = 0; i < REQUESTS; i++) {
        if (readings[i] != NULL && !pfn_is_none(readings[i]->frame)) {
            mm_release_kernel_frame(readings[i]->frame);
        }
        mm_free(readings[i], sizeof(struct reading));
        readings[i] = NULL;
    }
}

/* Every page is asked for twice, in different pieces; all requests are submitted at once. */
static void many_requests(void)
{
    struct block_device *device = block_device_get(0);

    if (device == NULL) {
        selftest_skip("no disk");
        return;
    }
    if (!allocate_readings()) {
        selftest_skip("too little memory");
        free_readings();
        return;
    }
    for (uint32_t i = 0; i < REQUESTS; i++) {
        uint64_t sector = (uint64_t)(i / 2) * 64 % (device->nsectors - REQUEST_SECTORS);
        memset(frame_address(readings[i]->frame), (int)i, PAGE_BYTES);
        prepare(readings[i], sector, i % 2 == 0 ? PAGE_BYTES : SECTOR_BYTES);
    }
    for (uint32_t i = 0; i < REQUESTS; i++) {
        device->submit(device, &readings[i]->request);
    }
    for (uint32_t i = 0; i < REQUESTS; i++) {
        EXPECT_STATUS(wait_for(&readings[i]->finished, WAIT_FOREVER, false), STATUS_SUCCESS);
        EXPECT_STATUS(readings[i]->request.status, STATUS_SUCCESS);
    }
    for (uint32_t i = 0; i < REQUESTS; i += 2) {
        EXPECT(memcmp(frame_address(readings[i]->frame), frame_address(readings[i + 1]->frame),
                      PAGE_BYTES) == 0);
    }
    free_readings();
}
SELFTEST("disk: more requests at once than the driver has slots", many_requests);

static void refused_requests(void)
{
    struct block_device *device = block_device_get(0);

    if (device == NULL) {
        selftest_skip("no disk");
        return;
    }
    struct reading *reading = mm_allocate(sizeof(*reading));
    REQUIRE(reading != NULL);
    reading->frame = mm_take_kernel_frame();
    if (!pfn_is_none(reading->frame)) {
        prepare(reading, device->nsectors - REQUEST_SECTORS, PAGE_BYTES);
        EXPECT_STATUS(block_perform(device, &reading->request), STATUS_SUCCESS);
        prepare(reading, device->nsectors - REQUEST_SECTORS + 1, PAGE_BYTES);
        EXPECT_STATUS(block_perform(device, &reading->request), STATUS_INVALID_PARAMETER);
        prepare(reading, UINT64_MAX, PAGE_BYTES);
        EXPECT_STATUS(block_perform(device, &reading->request), STATUS_INVALID_PARAMETER);
        prepare(reading, 0, PAGE_BYTES);
        reading->segments[0].nbytes = 100;
        EXPECT_STATUS(block_perform(device, &reading->request), STATUS_INVALID_PARAMETER);
        reading->request.operation = BLOCK_FLUSH;
        EXPECT_STATUS(block_perform(device, &reading->request), STATUS_SUCCESS);
        mm_release_kernel_frame(reading->frame);
    }
    mm_free(reading, sizeof(*reading));
}
SELFTEST("disk: the last sectors, past them, half a sector, a flush", refused_requests);
