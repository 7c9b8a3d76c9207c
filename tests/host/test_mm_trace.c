/*
 * tests/host/test_mm_trace.c: the trace's ring: order, names, what is lost, and the end.
 */
#include <string.h>

#include "abi/quire.h"
#include "mm/frame.h"
#include "mm/link.h"
#include "mm/pfn.h"
#include "mm/segment.h"
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

static pfn_t frame_at(struct space *space, uaddr_t address)
{
    struct quire_frame shown;
    EXPECT_STATUS(mm_query_frames(space, address, 1, &shown), STATUS_SUCCESS);
    return (pfn_t){shown.frame};
}

static bool is_of_space(const struct trace_record *record, const struct space *space, uaddr_t page)
{
    return record->owner == space->id && record->where == page.v >> PAGE_SHIFT;
}

TEST("trace: each event carries what it is told, after its thread's name")
{
    fixture_boot(8 << 20, 0, 1);
    struct space *space = fixture_space();
    uaddr_t page = fixture_allocate(space, PAGE_BYTES, PAGE_READWRITE);
    sim_store32(page, 1);
    pfn_t frame = frame_at(space, page);
    REQUIRE(is_success(mm_trace_start(1)));
    const struct access access = {.kind = ACCESS_WRITE, .user = true};
    int64_t begun = mi_trace_begin();
    sim_advance(5000);
    mi_trace_fault(begun, space, page.v + 0x678, &access, FAULT_DONE);
    mi_trace_page_in(begun, trace_segment(7), 99, 16, (pfn_t){1234}, false);
    mi_trace_trim(trace_space(space->id), 0x12345, (pfn_t){77}, true);
    mi_trace_write(begun, 32, 31, frame, true);
    mi_trace_reclaim(frame, 33);
    mi_trace_page_out(begun, trace_segment(7), 99, 16, (pfn_t){1234}, false);
    mm_trace_process(space->id, 12, "a name longer than sixteen");
    struct trace_record records[8];
    uint32_t next = 0;
    uint32_t lost = 0;
    REQUIRE(take_all(records, &next, &lost) == 8);
    EXPECT_EQUAL(records[0].event, TRACE_THREAD);
    EXPECT_EQUAL(records[0].owner, space->id);
    EXPECT(memcmp(records[0].name, "boot", 5) == 0);
    EXPECT(records[1].event == TRACE_FAULT && records[1].owner == space->id);
    EXPECT(records[1].time == (uint64_t)begun && records[1].duration >= 5000);
    EXPECT(records[1].where == page.v + 0x678 && records[1].detail == ACCESS_WRITE);
    EXPECT_EQUAL(records[1].frame, frame.n);
    EXPECT_EQUAL(records[1].available, mi_frames_available());
    EXPECT(records[2].event == TRACE_PAGE_IN && records[2].owner == (7 | TRACE_OF_SEGMENT));
    EXPECT(records[2].where == 99 && records[2].count == 16 && records[2].frame == 1234);
    EXPECT_EQUAL(records[2].detail, 1);
    EXPECT(records[3].event == TRACE_TRIM && records[3].where == 0x12345);
    EXPECT(records[3].frame == 77 && records[3].detail == 1 && records[3].duration == 0);
    EXPECT(records[4].event == TRACE_WRITE && records[4].slot == 32 && records[4].count == 31);
    EXPECT(records[4].frame == frame.n && records[4].detail == 0);
    EXPECT(is_of_space(&records[4], space, page));
    EXPECT(records[5].event == TRACE_RECLAIM && records[5].slot == 33);
    EXPECT(records[5].frame == frame.n && is_of_space(&records[5], space, page));
    EXPECT(records[6].event == TRACE_WRITE && records[6].owner == (7 | TRACE_OF_SEGMENT));
    EXPECT(records[6].where == 99 && records[6].count == 16 && records[6].slot == UINT32_MAX);
    EXPECT_EQUAL(records[6].detail, 1);
    EXPECT(records[7].event == TRACE_PROCESS && records[7].thread == 12);
    EXPECT(memcmp(records[7].name, "a name longer than sixteen", TRACE_NAME_NBYTES) == 0);
    fixture_end_space(space);
}

TEST("trace: of a frame that is written or reclaimed it is told whose page it holds, and which")
{
    enum { PAGES = 100, PAGE = 70 };
    (void)fixture_boot_paging(8 << 20, 4096);
    struct space *space = fixture_space();
    struct section section;
    fixture_section(&section, (CHUNK_PAGES + PAGES) * PAGE_BYTES);
    uaddr_t own = fixture_allocate(space, PAGES * PAGE_BYTES, PAGE_READWRITE);
    uaddr_t high = {0x7FE00000u - 0x200000u};
    uint32_t nbytes = PAGE_BYTES;
    EXPECT_STATUS(
        mm_allocate_virtual(space, &high, &nbytes, 0, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE),
        STATUS_SUCCESS);
    uaddr_t view = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
    uaddr_t shared = fixture_page(view, CHUNK_PAGES + PAGE);
    sim_store32(fixture_page(own, PAGE), 1);
    sim_store32(high, 1);
    sim_store32(shared, 2);
    const struct chunk *chunk = mi_chunk(section.segment, 1);
    const struct {
        pfn_t frame;
        uint32_t owner, page;
    } rows[] = {
        {frame_at(space, fixture_page(own, PAGE)), space->id, (own.v >> PAGE_SHIFT) + PAGE},
        {frame_at(space, high), space->id, high.v >> PAGE_SHIFT},
        {frame_of(mi_private_table(space, own.v >> CHUNK_SHIFT)), space->id,
         own.v >> CHUNK_SHIFT << (CHUNK_SHIFT - PAGE_SHIFT)},
        {frame_at(space, shared), section.segment->id | TRACE_OF_SEGMENT, CHUNK_PAGES + PAGE},
        {pte_frame(chunk->table), section.segment->id | TRACE_OF_SEGMENT, CHUNK_PAGES},
        {mm_take_kernel_frame(), 0, UINT32_MAX},
    };
    REQUIRE(!pfn_is_none(rows[5].frame));
    REQUIRE(is_success(mm_trace_start(1)));
    for (uint32_t i = 0; i < ARRAY_COUNT(rows); i++) {
        mi_trace_write(mi_trace_begin(), i, 1, rows[i].frame, true);
    }
    struct trace_record records[ARRAY_COUNT(rows) + 1];
    uint32_t next = 0;
    uint32_t lost = 0;
    REQUIRE(take_all(records, &next, &lost) == ARRAY_COUNT(records));
    for (uint32_t i = 0; i < ARRAY_COUNT(rows); i++) {
        EXPECT_EQUAL(records[i + 1].frame, rows[i].frame.n);
        EXPECT_EQUAL(records[i + 1].owner, rows[i].owner);
        EXPECT_EQUAL(records[i + 1].where, rows[i].page);
    }
    fixture_end_space(space);
    mm_section_destroy(&section);
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
