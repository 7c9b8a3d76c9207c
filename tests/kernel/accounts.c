/*
 * tests/kernel/accounts.c: what every self-test leaves behind: nothing.
 *
 * Before a test the counters are noted, after it they must be where they were: pool objects,
 * charges, frames, objects of all types, processes; and mm_audit must find nothing. First
 * everything that lingers on purpose is drained: threads that the reaper has yet to free, files
 * that are kept for the next open, spare kernel stacks, empty slabs.
 */
#include "fs/volume.h"
#include "kernel/clock.h"
#include "kernel/log.h"
#include "kernel/string.h"
#include "kernel/thread.h"
#include "mm/audit.h"
#include "mm/commit.h"
#include "mm/device.h"
#include "mm/init.h"
#include "mm/pfn.h"
#include "mm/pool.h"
#include "mm/stack_cache.h"
#include "selftest.h"
#include "sys/object.h"
#include "sys/process.h"

#define SETTLE_MS 500u

static struct accounts {
    uint32_t pool_objects;
    uint32_t commit;
    uint32_t resident_available;
    uint32_t active_frames;
    uint32_t objects;
    uint32_t threads;
    uint32_t processes;
} before;

static void count_thread(struct thread *thread, void *context)
{
    (void)thread;
    *(uint32_t *)context += 1;
}

static void read_accounts(struct accounts *accounts)
{
    struct mm_charges charges;
    struct mm_frame_counts frames;
    struct process_counts counts;
    fs_drain();
    mm_drain();
    uint32_t tables = mi_stack_table_pages(); /* those of the stack area stay once made */
    mm_read_charges(&charges);
    mm_count_frames(&frames);
    ps_count(&counts);
    accounts->pool_objects = mm_pool_objects();
    accounts->commit = charges.commit - tables;
    accounts->resident_available = charges.resident_available + tables;
    /* What of the file systems' blocks is pinned depends on how much of it is dirty now. */
    accounts->active_frames = frames.active - tables - mm_device_frames();
    accounts->objects = ob_count_all();
    accounts->processes = counts.processes;
    accounts->threads = 0;
    thread_for_each(count_thread, &accounts->threads);
}

static void note(void)
{
    memset(&before, 0, sizeof(before)); /* no padding that differs */
    read_accounts(&before);
}

/* The accounts when nothing changes any more, or when there was time enough for it. */
static void settle(struct accounts *now)
{
    for (uint32_t i = 0; i < SETTLE_MS; i++) {
        memset(now, 0, sizeof(*now));
        read_accounts(now);
        if (memcmp(now, &before, sizeof(before)) == 0) {
            return;
        }
        thread_sleep_until(clock_now() + NS_PER_MS, false, NULL);
    }
}

static uint32_t compare(const char *what, uint32_t was, uint32_t is)
{
    if (was == is) {
        return 0;
    }
    log_print("#   %s: %u before the test, %u after it\n", what, was, is);
    return 1;
}

static void print_cache(const struct pool_cache *cache, void *context)
{
    (void)context;
    if (cache->live != 0) {
        log_print("#     pool %s: %u\n", cache->name, cache->live);
    }
}

static uint32_t check(void)
{
    struct accounts now;
    settle(&now);
    uint32_t problems = mm_audit();
    uint32_t lost = compare("pool objects", before.pool_objects, now.pool_objects);
    lost += compare("commit", before.commit, now.commit);
    lost += compare("resident-available", before.resident_available, now.resident_available);
    lost += compare("active frames", before.active_frames, now.active_frames);
    lost += compare("objects", before.objects, now.objects);
    lost += compare("threads", before.threads, now.threads);
    lost += compare("processes", before.processes, now.processes);
    if (lost != 0) {
        mm_pool_for_each(print_cache, NULL);
    }
    return problems + lost;
}

void selftest_prepare(void)
{
    selftest_set_before(note);
    selftest_set_after(check);
}
