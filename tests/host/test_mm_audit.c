/*
 * tests/host/test_mm_audit.c: the checkers see what they are for: each test plants a violation of a
 * rule and expects the audit, the assertion or the TLB check to find it.
 */
#include "mm/frame.h"
#include "mm/link.h"
#include "mm/segment.h"
#include "tests/host/mm_fixture.h"

static struct section section;
static struct space *space;

/* One space with a linked 4 MiB view, a filled view, a write-copied page and private memory. */
static uaddr_t plant_ground(uaddr_t *filled, uaddr_t *copy)
{
    fixture_boot(32 * MIB, 0, 2);
    fixture_section(&section, 4 * MIB);
    space = fixture_space();
    uaddr_t linked = fixture_map(space, &section, 0, 0, 0, PAGE_READWRITE);
    *filled = fixture_map(space, &section, 0x50010000u, 0x10000, 0x20000, PAGE_READWRITE);
    *copy = fixture_map(space, &section, 0x60010000u, 0x10000, 0x20000, PAGE_WRITECOPY);
    sim_store32((uaddr_t){linked.v + 0x10000}, 1);
    sim_store32(*filled, 2);
    EXPECT_EQUAL(sim_load32((uaddr_t){copy->v + 0x1000}), 0);
    sim_store32(*copy, 3);
    sim_store32(fixture_allocate(space, 0x10000, PAGE_READWRITE), 4);
    fixture_check();
    return linked;
}

static pte_t *entry_of(uaddr_t address)
{
    pte_t *table = mi_private_table(space, address.v >> CHUNK_SHIFT);
    REQUIRE(table != NULL);
    return &table[(address.v >> PAGE_SHIFT) % CHUNK_PAGES];
}

TEST("audit: a wrong share count is found (M2)")
{
    uaddr_t filled;
    uaddr_t copy;
    (void)plant_ground(&filled, &copy);
    mi_pfn(pte_frame(pte_read(entry_of(filled))))->use.shares++;
    EXPECT(mm_audit() > 0);
}

TEST("audit: an alias that no mapper leads to is found (M2)")
{
    uaddr_t filled;
    uaddr_t copy;
    (void)plant_ground(&filled, &copy);
    struct vad *vad = mi_vad_at_or_after(space, filled.v >> PAGE_SHIFT);
    list_remove(&vad->mappers[0].link);
    EXPECT(mm_audit() > 0);
}

TEST("audit: a resident page whose prototype entry is gone is found (M1)")
{
    uaddr_t filled;
    uaddr_t copy;
    (void)plant_ground(&filled, &copy);
    struct chunk *chunk = mi_chunk(section.segment, 0);
    (void)pte_exchange(mi_proto_entry_locked(chunk, 0x10), pte_empty());
    EXPECT(mm_audit() > 0);
}

TEST("audit: a slot that must not be linked is found (M3)")
{
    uaddr_t filled;
    uaddr_t copy;
    uaddr_t linked = plant_ground(&filled, &copy);
    struct vad *vad = mi_vad_at_or_after(space, linked.v >> PAGE_SHIFT);
    vad->prot = PROT_READWRITE | PROT_GUARD;
    EXPECT(mm_audit() > 0);
}

TEST("audit: a private page in a linked table is found (M4)")
{
    uaddr_t filled;
    uaddr_t copy;
    (void)plant_ground(&filled, &copy);
    struct chunk *chunk = mi_chunk(section.segment, 0);
    pte_t *entry = mi_proto_entry_locked(chunk, 0x11);
    (void)pte_exchange(entry, pte_read(entry_of(copy)));
    EXPECT(mm_audit() > 0);
}

TEST("audit: a writable clean page of a file is found (M5)")
{
    fixture_boot(16 * MIB, 0, 1);
    struct fixture_file file;
    fixture_file(&file, 16);
    EXPECT_STATUS(mm_section_create_file(&section, file.segment, 16 * PAGE_BYTES, 0, PAGE_READONLY,
                                         SEC_COMMIT),
                  STATUS_SUCCESS);
    space = fixture_space();
    EXPECT_EQUAL(sim_load32(fixture_map(space, &section, 0, 0, 0, PAGE_READONLY)), fixture_word(0));
    fixture_check();
    pte_t *entry = mi_proto_entry_locked(mi_chunk(file.segment, 0), 0);
    pte_write(entry, (pte_t){pte_read(entry).v | PTE_WRITE});
    EXPECT(mm_audit() > 0);
}

static void release_shared(void)
{
    uaddr_t filled;
    uaddr_t copy;
    (void)plant_ground(&filled, &copy);
    mi_frame_set_state(pte_frame(pte_read(entry_of(filled))), FRAME_MODIFIED);
}

TEST("audit: a frame that leaves while entries map it stops the system (M6)")
{
    EXPECT(test_panics(release_shared, "M6"));
}

TEST("audit: a writable write-copy page is found (M7)")
{
    uaddr_t filled;
    uaddr_t copy;
    (void)plant_ground(&filled, &copy);
    pte_t *entry = entry_of((uaddr_t){copy.v + 0x1000});
    pte_write(entry, (pte_t){pte_read(entry).v | PTE_WRITE});
    EXPECT(mm_audit() > 0);
}

static void fault_under_spinlock(void)
{
    uaddr_t filled;
    uaddr_t copy;
    uaddr_t linked = plant_ground(&filled, &copy);
    struct chunk *chunk = mi_chunk(section.segment, 0);
    spin_lock(&chunk->lock);
    (void)sim_load32((uaddr_t){linked.v + 0x40000});
}

TEST("audit: a fault on user memory under a chunk lock stops the system (M8)")
{
    EXPECT(test_panics(fault_under_spinlock, "preemption off"));
}

static void resolve_under_spinlock(void)
{
    uaddr_t filled;
    uaddr_t copy;
    uaddr_t linked = plant_ground(&filled, &copy);
    struct fault_report report;
    spin_lock(&mi_chunk(section.segment, 0)->lock);
    (void)mm_access_fault(space, linked, &(struct access){.kind = ACCESS_READ}, &report);
}

TEST("audit: resolving a fault under a chunk lock stops the system (M8)")
{
    EXPECT(test_panics(resolve_under_spinlock, "M8"));
}

/* A page is being read when its page table leaves, whatever it holds. */
static void read_a_page(void *argument)
{
    fixture_enter(space);
    (void)sim_load32(*(const uaddr_t *)argument);
}

static void take_table_of_a_read(void)
{
    struct sim_disk *disk = fixture_boot_paging(8 * MIB, 8192);
    space = fixture_space();
    static uaddr_t base;
    base = fixture_allocate(space, PAGE_BYTES, PAGE_READWRITE);
    uint32_t npages = 3000;
    uaddr_t others = fixture_allocate(space, npages * PAGE_BYTES, PAGE_READWRITE);
    sim_store32(base, 1);
    for (uint32_t i = 0; i < 2 * npages; i++) {
        sim_store32((uaddr_t){others.v + i % npages * PAGE_BYTES}, i);
    }
    fixture_settle();
    REQUIRE(!pte_is_valid(pte_read(entry_of(base))));
    disk->latency = 100 * NS_PER_MS;
    sim_thread("reader", read_a_page, &base, PRIORITY_NORMAL);
    thread_sleep_until(clock_now() + 10 * NS_PER_MS, false, NULL);
    (void)pte_exchange(mi_directory_entry(space, base.v >> PAGE_SHIFT >> 9), pte_empty());
    sim_join();
}

TEST("audit: a page table that leaves while a page of it is read stops the system (M9)")
{
    EXPECT(test_panics(take_table_of_a_read, "M9"));
}

TEST("audit: a page that changed its protection without a flush is a stale translation")
{
    uaddr_t filled;
    uaddr_t copy;
    (void)plant_ground(&filled, &copy);
    uaddr_t base = {filled.v};
    uint32_t nbytes = PAGE_BYTES;
    uint32_t old;
    EXPECT_EQUAL(sim_load32(filled), 2);
    sim_skip_flushes(1);
    EXPECT_STATUS(mm_protect_virtual(space, &base, &nbytes, PAGE_READONLY, &old), STATUS_SUCCESS);
    EXPECT(sim_check_tlbs() > 0);
}

TEST("audit: an unsharing that another CPU's TLB has not seen is a stale translation (M4)")
{
    uaddr_t filled;
    uaddr_t copy;
    uaddr_t linked = plant_ground(&filled, &copy);
    EXPECT_EQUAL(sim_load32((uaddr_t){linked.v + 0x10000}), 2);
    sim_use_cpu(1);
    fixture_enter(space);
    EXPECT_EQUAL(sim_load32((uaddr_t){linked.v + 0x10000}), 2);
    uaddr_t base = {linked.v + 0x10000};
    uint32_t nbytes = PAGE_BYTES;
    uint32_t old;
    EXPECT_STATUS(mm_protect_virtual(space, &base, &nbytes, PAGE_NOACCESS, &old), STATUS_SUCCESS);
    EXPECT_EQUAL(sim_check_tlbs(), 0);
}

TEST("pool: objects are zeroed, aligned, apart, and their slabs come back")
{
    fixture_boot(16 * MIB, 0, 1);
    static struct pool_cache cache;
    static uint64_t *objects[1000];
    mm_pool_init(&cache, "test", 40);
    struct fixture_usage before = fixture_usage();
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 1000; i++) {
            objects[i] = mm_pool_allocate(&cache);
            REQUIRE(objects[i] != NULL);
            for (uint32_t word = 0; word < 5; word++) {
                EXPECT_EQUAL(objects[i][word], 0);
                objects[i][word] = i;
            }
        }
        for (uint32_t i = 0; i < 1000; i++) {
            uint32_t victim = round == 1 ? 999 - i : i;
            EXPECT_EQUAL(objects[victim][4], victim);
            mm_pool_free(&cache, objects[victim]);
        }
    }
    for (uint32_t nbytes = 1; nbytes < 60000; nbytes = nbytes * 3 / 2 + 1) {
        void *block = mm_allocate(nbytes);
        EXPECT(block != NULL);
        mm_free(block, nbytes);
    }
    fixture_check();
    EXPECT_SAME_USAGE(before);
}
