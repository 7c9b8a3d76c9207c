/*
 * tests/host/test_mm_virtual.c: private memory: reserve, commit, decommit, release, protect, query,
 * guard pages, and touching it.
 */
#include "mm/link.h"
#include "tests/host/mm_fixture.h"

#define BASE 0x50000000u

static status_t allocate_at(struct space *space, uint32_t base, uint32_t nbytes, uint32_t type,
                            uint32_t protection)
{
    uaddr_t address = {base};
    return mm_allocate_virtual(space, &address, &nbytes, 0, type, protection);
}

static status_t free_at(struct space *space, uint32_t base, uint32_t nbytes, uint32_t type)
{
    uaddr_t address = {base};
    return mm_free_virtual(space, &address, &nbytes, type);
}

static status_t protect_at(struct space *space, uint32_t base, uint32_t nbytes, uint32_t protection,
                           uint32_t *old)
{
    uaddr_t address = {base};
    return mm_protect_virtual(space, &address, &nbytes, protection, old);
}

static void expect_region(struct space *space, uint32_t address, uint32_t base, uint32_t nbytes,
                          uint32_t state, uint32_t protection)
{
    struct memory_region region;
    EXPECT_STATUS(mm_query_virtual(space, (uaddr_t){address}, &region), STATUS_SUCCESS);
    EXPECT_EQUAL(region.base.v, base);
    EXPECT_EQUAL(region.nbytes, nbytes);
    EXPECT_EQUAL(region.state, state);
    EXPECT_EQUAL(region.protection, protection);
}

TEST("virtual: committed pages are zero, keep what is stored, and come back at release")
{
    fixture_boot(16u << 20, 0, 1);
    struct fixture_usage before = fixture_usage();
    struct space *space = fixture_space();
    uaddr_t base = fixture_allocate(space, 40 * PAGE_BYTES, PAGE_READWRITE);
    EXPECT_EQUAL(base.v % 0x10000u, 0);
    for (uint32_t i = 0; i < 40; i++) {
        uaddr_t word = {base.v + i * PAGE_BYTES + i * 4};
        EXPECT_EQUAL(sim_load32(word), 0);
        sim_store32(word, i + 1);
    }
    for (uint32_t i = 0; i < 40; i++) {
        EXPECT_EQUAL(sim_load32((uaddr_t){base.v + i * PAGE_BYTES + i * 4}), i + 1);
    }
    fixture_check();
    EXPECT_EQUAL(space->private_pages, 40);
    EXPECT_STATUS(free_at(space, base.v, 0, MEM_RELEASE), STATUS_SUCCESS);
    EXPECT(!sim_probe(base, ACCESS_READ));
    EXPECT_EQUAL(space->private_pages, 0);
    fixture_check();
    fixture_end_space(space);
    fixture_check();
    EXPECT_SAME_USAGE(before);
}

TEST("virtual: reserved memory faults until it is committed, and again after decommit")
{
    fixture_boot(16u << 20, 0, 1);
    struct space *space = fixture_space();
    EXPECT_STATUS(allocate_at(space, BASE, 64 * PAGE_BYTES, MEM_RESERVE, PAGE_READWRITE),
                  STATUS_SUCCESS);
    EXPECT_EQUAL(sim_read((uaddr_t){BASE}, &(uint32_t){0}, 4, NULL), FAULT_VIOLATION);
    EXPECT_STATUS(
        allocate_at(space, BASE + 2 * PAGE_BYTES, 3 * PAGE_BYTES, MEM_COMMIT, PAGE_READWRITE),
        STATUS_SUCCESS);
    sim_store32((uaddr_t){BASE + 2 * PAGE_BYTES}, 7);
    expect_region(space, BASE, BASE, 2 * PAGE_BYTES, MEM_RESERVE, 0);
    expect_region(space, BASE + 2 * PAGE_BYTES, BASE + 2 * PAGE_BYTES, 3 * PAGE_BYTES, MEM_COMMIT,
                  PAGE_READWRITE);
    EXPECT_EQUAL(space->commit, 3);
    EXPECT_STATUS(free_at(space, BASE + 2 * PAGE_BYTES, PAGE_BYTES, MEM_DECOMMIT), STATUS_SUCCESS);
    EXPECT_EQUAL(space->commit, 2);
    EXPECT_EQUAL(sim_write((uaddr_t){BASE + 2 * PAGE_BYTES}, &(uint32_t){0}, 4, NULL),
                 FAULT_VIOLATION);
    EXPECT_STATUS(allocate_at(space, BASE, 64 * PAGE_BYTES, MEM_COMMIT, PAGE_READWRITE),
                  STATUS_SUCCESS);
    EXPECT_EQUAL(space->commit, 64);
    EXPECT_EQUAL(sim_load32((uaddr_t){BASE + 2 * PAGE_BYTES}), 0);
    fixture_check();
    fixture_end_space(space);
}

TEST("virtual: decommitting inside memory committed as a whole leaves the rest")
{
    fixture_boot(16u << 20, 0, 1);
    struct space *space = fixture_space();
    uaddr_t base = fixture_allocate(space, 16 * PAGE_BYTES, PAGE_READWRITE);
    sim_store32((uaddr_t){base.v + 5 * PAGE_BYTES}, 5);
    sim_store32((uaddr_t){base.v + 6 * PAGE_BYTES}, 6);
    EXPECT_STATUS(free_at(space, base.v + 5 * PAGE_BYTES, PAGE_BYTES, MEM_DECOMMIT),
                  STATUS_SUCCESS);
    EXPECT_STATUS(free_at(space, base.v + 5 * PAGE_BYTES, PAGE_BYTES, MEM_DECOMMIT),
                  STATUS_SUCCESS);
    EXPECT_EQUAL(space->commit, 15);
    EXPECT(!sim_probe((uaddr_t){base.v + 5 * PAGE_BYTES}, ACCESS_READ));
    EXPECT_EQUAL(sim_load32((uaddr_t){base.v + 6 * PAGE_BYTES}), 6);
    expect_region(space, base.v, base.v, 5 * PAGE_BYTES, MEM_COMMIT, PAGE_READWRITE);
    expect_region(space, base.v + 5 * PAGE_BYTES, base.v + 5 * PAGE_BYTES, PAGE_BYTES, MEM_RESERVE,
                  0);
    fixture_check();
    fixture_end_space(space);
    fixture_check();
}

TEST("virtual: roundings, refusals and their statuses")
{
    fixture_boot(16u << 20, 0, 1);
    struct space *space = fixture_space();
    static const uint32_t roundings[][3] = {{0x50008000u, 1, 0x9000},
                                            {0x50000010u, 0x1000, 0x2000},
                                            {0x5000FFFFu, 0x3000, 0x13000},
                                            {0x50001010u, 0x7000, 0x9000},
                                            {0x50004080u, 0x1000, 0x6000}};
    for (size_t i = 0; i < ARRAY_COUNT(roundings); i++) {
        uaddr_t base = {roundings[i][0]};
        uint32_t nbytes = roundings[i][1];
        EXPECT_STATUS(mm_allocate_virtual(space, &base, &nbytes, 0, MEM_RESERVE, PAGE_READWRITE),
                      STATUS_SUCCESS);
        EXPECT_EQUAL(base.v, BASE);
        EXPECT_EQUAL(nbytes, roundings[i][2]);
        EXPECT_STATUS(free_at(space, BASE, 0, MEM_RELEASE), STATUS_SUCCESS);
    }
    EXPECT_STATUS(allocate_at(space, 0, 0, MEM_COMMIT, PAGE_READWRITE), STATUS_INVALID_PARAMETER_4);
    EXPECT_STATUS(allocate_at(space, 0, 1, 0, PAGE_READWRITE), STATUS_INVALID_PARAMETER_5);
    EXPECT_STATUS(allocate_at(space, 0, 1, MEM_TOP_DOWN, PAGE_READWRITE),
                  STATUS_INVALID_PARAMETER_5);
    EXPECT_STATUS(allocate_at(space, 0, 1, MEM_COMMIT | MEM_RESET, PAGE_READWRITE),
                  STATUS_INVALID_PARAMETER_5);
    EXPECT_STATUS(allocate_at(space, 0, UINT32_MAX, MEM_COMMIT, PAGE_READWRITE),
                  STATUS_INVALID_PARAMETER_4);
    EXPECT_STATUS(allocate_at(space, 0x90000000u, 1, MEM_RESERVE, PAGE_READWRITE),
                  STATUS_INVALID_PARAMETER_2);
    EXPECT_STATUS(allocate_at(space, 0, 1, MEM_RESERVE, 0), STATUS_INVALID_PAGE_PROTECTION);
    EXPECT_STATUS(allocate_at(space, 0, 1, MEM_RESERVE, PAGE_READWRITE | PAGE_READONLY),
                  STATUS_INVALID_PAGE_PROTECTION);
    EXPECT_STATUS(allocate_at(space, 0, 1, MEM_RESERVE, PAGE_WRITECOPY),
                  STATUS_INVALID_PAGE_PROTECTION);
    EXPECT_STATUS(allocate_at(space, 0, 1, MEM_RESERVE, PAGE_NOACCESS | PAGE_GUARD),
                  STATUS_INVALID_PAGE_PROTECTION);
    EXPECT_STATUS(allocate_at(space, BASE, 1, MEM_COMMIT, PAGE_READWRITE),
                  STATUS_CONFLICTING_ADDRESSES);
    EXPECT_STATUS(free_at(space, BASE, 0, MEM_RELEASE), STATUS_MEMORY_NOT_ALLOCATED);
    EXPECT_STATUS(free_at(space, BASE, 0, MEM_RELEASE | MEM_DECOMMIT), STATUS_INVALID_PARAMETER_4);
    EXPECT_STATUS(allocate_at(space, 0, 1u << 30, MEM_COMMIT, PAGE_READWRITE),
                  STATUS_COMMITMENT_LIMIT);
    fixture_check();
    fixture_end_space(space);
}

TEST("virtual: releasing a part splits the region")
{
    fixture_boot(16u << 20, 0, 1);
    struct fixture_usage before = fixture_usage();
    struct space *space = fixture_space();
    EXPECT_STATUS(
        allocate_at(space, BASE, 1024 * PAGE_BYTES, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE),
        STATUS_SUCCESS);
    sim_store32((uaddr_t){BASE + 3 * PAGE_BYTES}, 3);
    sim_store32((uaddr_t){BASE + 600 * PAGE_BYTES}, 600);
    sim_store32((uaddr_t){BASE + 1023 * PAGE_BYTES}, 1023);
    EXPECT_STATUS(free_at(space, BASE + 500 * PAGE_BYTES, 200 * PAGE_BYTES, MEM_RELEASE),
                  STATUS_SUCCESS);
    EXPECT_EQUAL(space->commit, 824);
    expect_region(space, BASE + 600 * PAGE_BYTES, BASE + 600 * PAGE_BYTES, 100 * PAGE_BYTES,
                  MEM_FREE, PAGE_NOACCESS);
    EXPECT_EQUAL(sim_load32((uaddr_t){BASE + 3 * PAGE_BYTES}), 3);
    EXPECT_EQUAL(sim_load32((uaddr_t){BASE + 1023 * PAGE_BYTES}), 1023);
    fixture_check();
    EXPECT_STATUS(free_at(space, BASE, 8 * PAGE_BYTES, MEM_RELEASE), STATUS_SUCCESS);
    EXPECT_STATUS(free_at(space, BASE + 1000 * PAGE_BYTES, 24 * PAGE_BYTES, MEM_RELEASE),
                  STATUS_SUCCESS);
    fixture_check();
    EXPECT_STATUS(free_at(space, BASE + 8 * PAGE_BYTES, 0, MEM_RELEASE), STATUS_SUCCESS);
    EXPECT_STATUS(free_at(space, BASE + 700 * PAGE_BYTES, 301 * PAGE_BYTES, MEM_RELEASE),
                  STATUS_UNABLE_TO_FREE_VM);
    fixture_check();
    fixture_end_space(space);
    EXPECT_SAME_USAGE(before);
}

TEST("virtual: protections are enforced and keep the contents")
{
    fixture_boot(16u << 20, 0, 1);
    struct space *space = fixture_space();
    uaddr_t base = fixture_allocate(space, 8 * PAGE_BYTES, PAGE_READWRITE);
    uint32_t word = 0;
    uint32_t old = 0;
    sim_store32(base, 99);
    EXPECT_STATUS(protect_at(space, base.v, 1, PAGE_READONLY, &old), STATUS_SUCCESS);
    EXPECT_EQUAL(old, PAGE_READWRITE);
    EXPECT_EQUAL(sim_write(base, &word, 4, NULL), FAULT_VIOLATION);
    EXPECT_EQUAL(sim_load32(base), 99);
    EXPECT_STATUS(protect_at(space, base.v, 1, PAGE_NOACCESS, &old), STATUS_SUCCESS);
    EXPECT_EQUAL(sim_read(base, &word, 4, NULL), FAULT_VIOLATION);
    fixture_check();
    EXPECT_EQUAL(sim_execute(base, NULL), FAULT_VIOLATION);
    EXPECT_STATUS(protect_at(space, base.v, 1, PAGE_EXECUTE_READ, &old), STATUS_SUCCESS);
    EXPECT_EQUAL(old, PAGE_NOACCESS);
    EXPECT_EQUAL(sim_execute(base, NULL), FAULT_DONE);
    EXPECT_EQUAL(sim_load32(base), 99);
    EXPECT_EQUAL(sim_write(base, &word, 4, NULL), FAULT_VIOLATION);
    EXPECT_STATUS(protect_at(space, base.v + PAGE_BYTES - 1, 2, PAGE_EXECUTE_READWRITE, &old),
                  STATUS_SUCCESS);
    sim_store32((uaddr_t){base.v + PAGE_BYTES}, 1);
    expect_region(space, base.v, base.v, 2 * PAGE_BYTES, MEM_COMMIT, PAGE_EXECUTE_READWRITE);
    EXPECT_STATUS(protect_at(space, base.v, 9 * PAGE_BYTES, PAGE_READONLY, &old),
                  STATUS_CONFLICTING_ADDRESSES);
    EXPECT_STATUS(protect_at(space, base.v, 1, PAGE_WRITECOPY, &old),
                  STATUS_INVALID_PAGE_PROTECTION);
    fixture_check();
    fixture_end_space(space);
    fixture_check();
}

TEST("virtual: a guard page raises once, whether touched before or not")
{
    fixture_boot(16u << 20, 0, 1);
    struct space *space = fixture_space();
    uaddr_t fresh = fixture_allocate(space, 2 * PAGE_BYTES, PAGE_READWRITE | PAGE_GUARD);
    uint32_t word = 5;
    uint32_t old = 0;
    struct fault_report report;
    expect_region(space, fresh.v, fresh.v, 2 * PAGE_BYTES, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD);
    EXPECT_EQUAL(sim_read(fresh, &word, 4, &report), FAULT_GUARD);
    EXPECT_STATUS(report.status, STATUS_GUARD_PAGE_VIOLATION);
    EXPECT_EQUAL(sim_load32(fresh), 0);
    expect_region(space, fresh.v, fresh.v, PAGE_BYTES, MEM_COMMIT, PAGE_READWRITE);
    sim_store32(fresh, 77);
    EXPECT_STATUS(protect_at(space, fresh.v, 1, PAGE_READWRITE | PAGE_GUARD, &old), STATUS_SUCCESS);
    fixture_check();
    EXPECT_EQUAL(sim_write(fresh, &word, 4, NULL), FAULT_GUARD);
    EXPECT_EQUAL(sim_load32(fresh), 77);
    fixture_check();
    fixture_end_space(space);
    fixture_check();
}

TEST("virtual: a stack has a guard page, and room below it")
{
    fixture_boot(16u << 20, 0, 1);
    struct space *space = fixture_space();
    uaddr_t base;
    uaddr_t limit;
    EXPECT_STATUS(mm_allocate_stack(space, 0x100000, 0x2000, &base, &limit), STATUS_SUCCESS);
    EXPECT_EQUAL(limit.v, base.v + 0x100000 - 0x2000);
    sim_store32(limit, 1);
    uint32_t word = 0;
    EXPECT_EQUAL(sim_read((uaddr_t){limit.v - 4}, &word, 4, NULL), FAULT_GUARD);
    EXPECT_EQUAL(sim_read((uaddr_t){limit.v - 4}, &word, 4, NULL), FAULT_DONE);
    EXPECT_EQUAL(sim_read((uaddr_t){limit.v - PAGE_BYTES - 4}, &word, 4, NULL), FAULT_VIOLATION);
    fixture_check();
    fixture_end_space(space);
}

TEST("virtual: high frames serve user pages first, and tables never lie there")
{
    fixture_boot(8u << 20, 8u << 20, 1);
    struct fixture_usage before = fixture_usage();
    struct space *space = fixture_space();
    uaddr_t base = fixture_allocate(space, 10u << 20, PAGE_READWRITE);
    for (uint32_t offset = 0; offset < 10u << 20; offset += PAGE_BYTES) {
        sim_store32((uaddr_t){base.v + offset}, offset);
    }
    for (uint32_t offset = 0; offset < 10u << 20; offset += PAGE_BYTES) {
        EXPECT_EQUAL(sim_load32((uaddr_t){base.v + offset}), offset);
    }
    pte_t first = pte_read(mi_private_table(space, base.v >> CHUNK_SHIFT) +
                           (base.v >> PAGE_SHIFT) % CHUNK_PAGES);
    EXPECT(pte_frame(first).n >= paging_direct_end());
    fixture_check();
    fixture_end_space(space);
    EXPECT_SAME_USAGE(before);
}

/* Commits what there is, page by page at the end, and touches all of it. */
static void fill_memory(uint32_t low_nbytes, uint32_t high_nbytes)
{
    fixture_boot(low_nbytes, high_nbytes, 1);
    struct fixture_usage before = fixture_usage();
    struct space *space = fixture_space();
    uint32_t regions = 0;
    while (is_success(allocate_at(space, 0, 16 * PAGE_BYTES, MEM_COMMIT, PAGE_READWRITE))) {
        regions++;
    }
    while (is_success(allocate_at(space, 0, PAGE_BYTES, MEM_COMMIT, PAGE_READWRITE))) {
        regions++;
    }
    EXPECT(regions > 100);
    for (const struct vad *vad = mi_vad_at_or_after(space, 0); vad != NULL;
         vad = mi_vad_next(vad)) {
        for (uint32_t page = vad->first; vad->kind == VAD_PRIVATE && page <= vad->last; page++) {
            sim_store32((uaddr_t){page << PAGE_SHIFT}, page);
        }
    }
    fixture_check();
    fixture_end_space(space);
    EXPECT_SAME_USAGE(before);
}

TEST("virtual: all memory can be committed and touched, and not a page more")
{
    fill_memory(16u << 20, 0);
}

TEST("virtual: the same with frames outside the direct map, of which the kernel uses some")
{
    fill_memory(16u << 20, 8u << 20);
}

/* A flag for each page of a small area: committed, and what it holds. */
#define AREA_PAGES 1200u
struct model_page {
    bool reserved;
    bool committed;
    uint32_t value;
};

static void model_free(struct model_page *model, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        model[i] = (struct model_page){0};
    }
}

TEST("virtual: random calls agree with a model")
{
    fixture_boot(16u << 20, 0, 1);
    struct fixture_usage before = fixture_usage();
    struct space *space = fixture_space();
    static struct model_page model[AREA_PAGES];
    EXPECT_STATUS(allocate_at(space, BASE, AREA_PAGES * PAGE_BYTES, MEM_RESERVE, PAGE_READWRITE),
                  STATUS_SUCCESS);
    for (uint32_t i = 0; i < AREA_PAGES; i++) {
        model[i].reserved = true;
    }
    for (uint32_t step = 0; step < 3000; step++) {
        uint32_t first = sim_random(AREA_PAGES);
        uint32_t count = 1 + sim_random(sim_random(20) == 0 ? AREA_PAGES - first : 12);
        count = min_u32(count, AREA_PAGES - first);
        uint32_t base = BASE + first * PAGE_BYTES;
        switch (sim_random(20)) {
        case 0:
        case 1:
        case 2:
        case 3: {
            status_t status =
                allocate_at(space, base, count * PAGE_BYTES, MEM_COMMIT, PAGE_READWRITE);
            for (uint32_t i = first; is_success(status) && i < first + count; i++) {
                EXPECT(model[i].reserved);
                model[i].value = model[i].committed ? model[i].value : 0;
                model[i].committed = true;
            }
            break;
        }
        case 4:
        case 5: {
            if (is_success(free_at(space, base, count * PAGE_BYTES, MEM_DECOMMIT))) {
                for (uint32_t i = first; i < first + count; i++) {
                    EXPECT(model[i].reserved);
                    model[i].committed = false;
                }
            }
            break;
        }
        case 6:
            if (sim_random(8) == 0 &&
                is_success(free_at(space, base, count * PAGE_BYTES, MEM_RELEASE))) {
                model_free(model, first, count);
            }
            break;
        default:
            if (model[first].committed) {
                EXPECT_EQUAL(sim_load32((uaddr_t){base}), model[first].value);
                sim_store32((uaddr_t){base}, step);
                model[first].value = step;
            } else {
                EXPECT_EQUAL(sim_read((uaddr_t){base}, &(uint32_t){0}, 4, NULL), FAULT_VIOLATION);
            }
        }
        if (step % 100 == 0) {
            fixture_check();
        }
    }
    fixture_end_space(space);
    fixture_check();
    EXPECT_SAME_USAGE(before);
}
