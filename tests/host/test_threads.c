/*
 * tests/host/test_threads.c: scheduling by priority and slice, the life of threads, disks.
 */
#include "kernel/failpoint.h"
#include "sim.h"
#include "test.h"

#include <string.h>

#include "kernel/block.h"
#include "kernel/clock.h"
#include "kernel/lock.h"

static char trace[64];
static uint32_t ntrace;

static void note(void *argument)
{
    trace[ntrace] = (char)(uintptr_t)argument;
    ntrace++;
}

TEST("threads: better priorities run first, equal ones in order")
{
    sim_boot(&(struct sim_config){.seed = 1});
    thread_set_priority(thread_self(), 31);
    sim_thread("a", note, (void *)'a', 5);
    sim_thread("b", note, (void *)'b', 9);
    sim_thread("c", note, (void *)'c', 9);
    sim_thread("d", note, (void *)'d', 20);
    sim_thread("e", note, (void *)'e', 0);
    EXPECT(ntrace == 0);
    sim_join();
    EXPECT(strcmp(trace, "dbcae") == 0);
}

TEST("threads: a better one that becomes ready runs at once")
{
    sim_boot(&(struct sim_config){.seed = 1});
    sim_thread("a", note, (void *)'a', PRIORITY_HIGH);
    EXPECT(ntrace == 1);
    preempt_disable();
    sim_thread("b", note, (void *)'b', PRIORITY_HIGH);
    EXPECT(ntrace == 1);
    preempt_enable();
    EXPECT(ntrace == 2);
    irq_state_t state = irq_disable();
    sim_thread("c", note, (void *)'c', PRIORITY_HIGH);
    irq_restore(state);
    sim_poll();
    sim_advance(2 * NS_PER_MS);
    EXPECT(ntrace == 3);
    sim_thread("d", note, (void *)'d', PRIORITY_NORMAL);
    EXPECT(ntrace == 3);
    thread_yield();
    EXPECT(ntrace == 4);
    sim_thread("e", note, (void *)'e', PRIORITY_LOW);
    thread_yield(); /* not to worse ones */
    EXPECT(ntrace == 4);
    sim_join();
    EXPECT(strcmp(trace, "abcde") == 0);
}

static volatile bool stop_spinning;
static uint64_t rounds[3];

static void spin(void *argument)
{
    while (!stop_spinning) {
        rounds[(uintptr_t)argument]++;
        sim_poll();
    }
}

TEST("threads: equal ones share the CPU by slices")
{
    sim_boot(&(struct sim_config){.seed = 1});
    for (uintptr_t i = 0; i < 3; i++) {
        sim_thread("spinner", spin, (void *)i, PRIORITY_LOW);
    }
    thread_sleep_until(clock_now() + 600 * NS_PER_MS, false, NULL);
    stop_spinning = true;
    sim_join();
    for (uint32_t i = 0; i < 3; i++) {
        EXPECT(rounds[i] > 150000 &&
               rounds[i] < 250000); /* a microsecond each, a third of 600 ms */
    }
}

static void end_at_once(void *argument)
{
    (void)argument;
    thread_exit();
}

static void do_nothing(void *argument)
{
    (void)argument;
}

static void count_thread(struct thread *thread, void *context)
{
    (void)thread;
    ++*(uint32_t *)context;
}

TEST("threads: a thousand begin and end, by return and by thread_exit")
{
    uint32_t before = 0;
    uint32_t after = 0;

    sim_boot(&(struct sim_config){.seed = 3, .preempt_one_in = 5});
    thread_for_each(count_thread, &before);
    for (uint32_t i = 0; i < 500; i++) {
        sim_thread("ends", end_at_once, NULL, PRIORITY_NORMAL);
        sim_thread("returns", do_nothing, NULL, i % PRIORITY_COUNT);
        if (i % 50 == 0) {
            sim_join();
        }
    }
    sim_join();
    thread_for_each(count_thread, &after);
    EXPECT_EQUAL(before, after);
}

TEST("threads: idle time is counted, and ticks charge who runs")
{
    sim_boot(&(struct sim_config){.seed = 1});
    uint64_t idle = scheduler_idle_time();
    uint64_t busy = thread_self()->run_time;
    sim_advance(100 * NS_PER_MS);
    EXPECT(thread_self()->run_time - busy >= 98u * NS_PER_MS);
    thread_sleep_until(clock_now() + 200 * NS_PER_MS, false, NULL);
    EXPECT(scheduler_idle_time() - idle >= 198u * NS_PER_MS);
}

/* ---- disks ---- */

static status_t transfer(struct sim_disk *disk, enum block_operation operation, uint64_t sector,
                         pfn_t frame)
{
    static struct block_request requests[8];
    static struct block_segment segments[8];
    static uint32_t n;
    uint32_t i = n++ % 8;
    struct block_request *request = &requests[i];

    request->operation = operation;
    request->sector = sector;
    request->nsegments = 1;
    segments[i] = (struct block_segment){pfn_to_paddr(frame), PAGE_BYTES};
    request->segments = &segments[i];
    return block_perform(&disk->device, request);
}

TEST("disks: what was written is read, after a while; failures are told")
{
    sim_boot(&(struct sim_config){.ram = {{0x100000, 0x200000}}});
    struct sim_disk *disk = sim_disk_memory(64);
    pfn_t one = {0x100};
    pfn_t two = {0x101};
    int64_t start = clock_now();

    EXPECT(block_device_get(0) == &disk->device && block_device_get(1) == NULL);
    memset(frame_address(one), 0x5A, PAGE_BYTES);
    EXPECT_STATUS(transfer(disk, BLOCK_WRITE, 8, one), STATUS_SUCCESS);
    EXPECT_STATUS(transfer(disk, BLOCK_READ, 8, two), STATUS_SUCCESS);
    EXPECT(memcmp(frame_address(one), frame_address(two), PAGE_BYTES) == 0);
    EXPECT(clock_now() - start >= 2 * disk->latency);
    EXPECT_STATUS(transfer(disk, BLOCK_READ, 60, two), STATUS_IO_DEVICE_ERROR);
    (void)failpoint_arm(FAILPOINT_DISK_REQUEST, 2);
    EXPECT_STATUS(transfer(disk, BLOCK_READ, 0, two), STATUS_SUCCESS);
    EXPECT_STATUS(transfer(disk, BLOCK_READ, 0, two), STATUS_IO_DEVICE_ERROR);
    disk->fail_first = 16;
    disk->fail_end = 17;
    EXPECT_STATUS(transfer(disk, BLOCK_WRITE, 16, two), STATUS_IO_DEVICE_ERROR);
    EXPECT_STATUS(transfer(disk, BLOCK_WRITE, 17, two), STATUS_SUCCESS);
}
