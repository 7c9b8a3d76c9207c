/*
 * tests/host/test_mm_trace.c: the trace's ring: order, names, what is lost, and the end.
 */
#include <string.h>

#include "mm/frame.h"
#include "mm/trace.h"
#include "tests/host/mm_fixture.h"

#define RING_RECORDS (PAGE_BYTES / (uint32_t)sizeof(struct trace_record)) /* of one page */

static void reclaim(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        mi_trace_reclaim((pfn_t){i + 1}, i);
    }
}

/* Takes all records; *LOST: how many the sequence numbers leave out. */
static uint32_t take_all(struct trace_record *target, uint32_t *next, uint32_t *lost)
{
    const struct trace_record *first;
    uint32_t total = 0;
    for (uint32_t count = mm_trace_peek(&first); count != 0; count = mm_trace_peek(&first)) {
        for (uint32_t i = 0; i < count; i++) {
            *lost += first[i].sequence - *next;
            *next = first[i].sequence + 1;
            target[total++] = first[i];
        }
        mm_trace_taken(count);
    }
    return total;
}

TEST("trace: nothing is recorded before it starts, and it starts once")
{
    fixture_boot(8 << 20, 0, 1);
    const struct trace_record *first;
    reclaim(3);
    EXPECT_EQUAL(mm_trace_peek(&first), 0);
    EXPECT_EQUAL(mi_trace_begin(), 0);
    mm_trace_stop();
    EXPECT_STATUS(mm_trace_start(0), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(mm_trace_start(1), STATUS_SUCCESS);
    EXPECT_STATUS(mm_trace_start(1), STATUS_INVALID_PARAMETER);
    EXPECT_EQUAL(mm_trace_peek(&first), 0);
    reclaim(1);
    EXPECT_EQUAL(mm_trace_peek(&first), 2);
}

TEST("trace: each event carries what it is told, after its thread's name")
{
    fixture_boot(8 << 20, 0, 1);
    struct space *space = fixture_space();
    REQUIRE(is_success(mm_trace_start(1)));
    const struct access access = {.kind = ACCESS_WRITE, .user = true};
    int64_t begun = mi_trace_begin();
    sim_advance(5000);
    mi_trace_fault(begun, trace_space(space->id), 0x12345678, &access, FAULT_DONE);
    mi_trace_page_in(begun, trace_segment(7), 99, 16, (pfn_t){1234}, false);
    mi_trace_trim(trace_space(space->id), 0x12345, (pfn_t){77}, true);
    mi_trace_write(begun, 32, 31, (pfn_t){78}, true);
    mi_trace_reclaim((pfn_t){79}, 33);
    mm_trace_process(space->id, 12, "a name longer than sixteen");
    struct trace_record records[8];
    uint32_t next = 0;
    uint32_t lost = 0;
    REQUIRE(take_all(records, &next, &lost) == 7);
    EXPECT_EQUAL(records[0].event, TRACE_THREAD);
    EXPECT_EQUAL(records[0].owner, space->id);
    EXPECT(memcmp(records[0].name, "boot", 5) == 0);
    EXPECT(records[1].event == TRACE_FAULT && records[1].owner == space->id);
    EXPECT(records[1].time == (uint64_t)begun && records[1].duration >= 5000);
    EXPECT(records[1].where == 0x12345678 && records[1].detail == ACCESS_WRITE);
    EXPECT_EQUAL(records[1].available, mi_frames_available());
    EXPECT(records[2].event == TRACE_PAGE_IN && records[2].owner == (7 | TRACE_OF_SEGMENT));
    EXPECT(records[2].where == 99 && records[2].count == 16 && records[2].frame == 1234);
    EXPECT_EQUAL(records[2].detail, 1);
    EXPECT(records[3].event == TRACE_TRIM && records[3].where == 0x12345);
    EXPECT(records[3].frame == 77 && records[3].detail == 1 && records[3].duration == 0);
    EXPECT(records[4].event == TRACE_WRITE && records[4].where == 32 && records[4].count == 31);
    EXPECT(records[4].frame == 78 && records[4].detail == 0);
    EXPECT(records[5].event == TRACE_RECLAIM && records[5].where == 33 && records[5].frame == 79);
    EXPECT(records[6].event == TRACE_PROCESS && records[6].thread == 12);
    EXPECT(memcmp(records[6].name, "a name longer than sixteen", TRACE_NAME_NBYTES) == 0);
    fixture_end_space(space);
}

TEST("trace: what finds the ring full is counted, and the end has its place")
{
    fixture_boot(8 << 20, 0, 1);
    REQUIRE(is_success(mm_trace_start(1)));
    struct trace_record records[RING_RECORDS];
    uint32_t next = 0;
    uint32_t lost = 0;
    reclaim(RING_RECORDS + 100); /* one place is the thread's name, the last one is kept */
    EXPECT_EQUAL(take_all(records, &next, &lost), RING_RECORDS - 1);
    EXPECT_EQUAL(lost, 0);
    reclaim(10);
    EXPECT_EQUAL(take_all(records, &next, &lost), 10);
    EXPECT_EQUAL(lost, 102);
    EXPECT(records[0].frame == 1 && records[9].frame == 10);
    reclaim(RING_RECORDS);
    mm_trace_stop();
    reclaim(5);
    EXPECT_EQUAL(take_all(records, &next, &lost), RING_RECORDS);
    EXPECT_EQUAL(records[RING_RECORDS - 1].event, TRACE_END);
    EXPECT_EQUAL(records[RING_RECORDS - 1].where, 103);
    EXPECT_EQUAL(lost, 103);
    mm_trace_stop();
    EXPECT_EQUAL(take_all(records, &next, &lost), 0);
}

static uint32_t wakes;
static bool taker_ends;

static void taker(void *argument)
{
    struct trace_record *records = argument;
    uint32_t next = 0;
    uint32_t lost = 0;
    while (!taker_ends) {
        mm_trace_wait(WAIT_FOREVER);
        wakes++;
        uint32_t count = take_all(records, &next, &lost);
        taker_ends = count != 0 && records[count - 1].event == TRACE_END;
    }
    EXPECT_EQUAL(lost, 0);
    EXPECT_EQUAL(next, 40 * (RING_RECORDS / 2) + 3);
}

TEST("trace: who takes the records is woken when the ring is half full")
{
    static struct trace_record records[RING_RECORDS];
    fixture_boot(8 << 20, 0, 1);
    REQUIRE(is_success(mm_trace_start(1)));
    sim_thread("taker", taker, records, PRIORITY_HIGH);
    thread_yield();
    reclaim(40 * (RING_RECORDS / 2) + 1);
    EXPECT_EQUAL(wakes, 40);
    mm_trace_stop();
    sim_join();
    EXPECT(taker_ends);
}
