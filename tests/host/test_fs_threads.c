/*
 * tests/host/test_fs_threads.c: several threads at once on the same few files: they write, read,
 * cut short, flush, lock, map, rename and delete, interrupted at many points, while pages are
 * evicted and written behind their backs. Nothing hangs, what a thread reads was written there, and
 * at the end e2fsck finds nothing and nothing is left in use.
 */
#include <stdio.h>
#include <string.h>

#include "fs_fixture.h"
#include "mm/section.h"
#include "mm_fixture.h"
#include "test.h"

#define THREADS      4u
#define FILES        3u
#define STEPS        60u
#define RECORD_BYTES 64u /* never torn: each lies in one page */
#define PART_NBYTES  0x10000u

static struct actor {
    uint32_t number;
    uint8_t *bytes; /* of its part of ff_buffer */
    uaddr_t address;
} actors[THREADS];

/* A record says where it lies; a hole is zero. */
static void make_records(uint8_t *bytes, uint64_t offset, uint32_t nbytes)
{
    for (uint32_t i = 0; i < nbytes; i += RECORD_BYTES) {
        memset(bytes + i, (int)((offset + i) / RECORD_BYTES % 251 + 1), RECORD_BYTES);
    }
}

static bool are_records(const uint8_t *bytes, uint64_t offset, uint32_t nbytes)
{
    for (uint32_t i = 0; i < nbytes; i++) {
        uint8_t wanted = (uint8_t)((offset + i) / RECORD_BYTES % 251 + 1);
        if (bytes[i] != 0 && bytes[i] != wanted) {
            fprintf(stderr, "byte %llu is %02x, not %02x or 0\n", (unsigned long long)(offset + i),
                    bytes[i], wanted);
            return false;
        }
    }
    return true;
}

static const char *name_of(uint32_t file, char *name)
{
    snprintf(name, 32, "C:\\file%u", file);
    return name;
}

static uint32_t nrecords = 2000; /* about how many a file has */

static void write_records(struct actor *actor, struct open_file *open)
{
    const struct range_owner owner = {actor, 0};
    uint64_t offset = (uint64_t)sim_random(nrecords) * RECORD_BYTES;
    uint32_t nbytes = (1 + sim_random(300)) * RECORD_BYTES;
    uint32_t done;

    make_records(actor->bytes, offset, nbytes);
    status_t status = fs_write(open, &owner, offset, actor->address, nbytes, &done);
    EXPECT(status == STATUS_SUCCESS || status == STATUS_FILE_LOCK_CONFLICT);
    EXPECT_EQUAL(done, is_success(status) ? nbytes : 0);
}

static void read_records(struct actor *actor, struct open_file *open)
{
    const struct range_owner owner = {actor, 0};
    uint64_t offset = sim_random(nrecords * RECORD_BYTES);
    uint32_t done;

    status_t status =
        fs_read(open, &owner, offset, actor->address, 1 + sim_random(PART_NBYTES), &done);
    EXPECT(status == STATUS_SUCCESS || status == STATUS_END_OF_FILE ||
           status == STATUS_FILE_LOCK_CONFLICT);
    EXPECT(are_records(actor->bytes, offset, done));
}

static void change_size(struct open_file *open)
{
    status_t status = fs_set_size(open, (uint64_t)sim_random(nrecords * 3 / 2) * RECORD_BYTES);

    EXPECT(status == STATUS_SUCCESS || status == STATUS_USER_MAPPED_FILE);
}

static void lock_some(struct actor *actor, struct open_file *open)
{
    const struct range_owner owner = {actor, 0};
    uint64_t offset = sim_random(100000);
    uint64_t nbytes = 1 + sim_random(50000);

    status_t status = fs_lock_range(open, &owner, offset, nbytes, sim_random(2) == 0, true);
    EXPECT_STATUS(status, STATUS_SUCCESS);
    sim_poll();
    EXPECT_STATUS(fs_unlock_range(open, &owner, offset, nbytes), STATUS_SUCCESS);
}

static void make_section(struct open_file *open)
{
    struct section section;
    status_t status = ff_section(open, (uint64_t)sim_random(nrecords * 3 / 2) * RECORD_BYTES,
                                 PAGE_READWRITE, SEC_COMMIT, &section);

    EXPECT(status == STATUS_SUCCESS || status == STATUS_MAPPED_FILE_SIZE_ZERO);
    if (is_success(status)) {
        sim_poll();
        ff_end_section(&section);
    }
}

static void rename_or_delete(struct open_file *open)
{
    char name[32];
    status_t status = sim_random(3) == 0
                          ? fs_set_disposition(open, true)
                          : ff_rename(open, name_of(sim_random(FILES), name), sim_random(2) == 0);

    EXPECT(status == STATUS_SUCCESS || status == STATUS_CANNOT_DELETE ||
           status == STATUS_DELETE_PENDING || status == STATUS_ACCESS_DENIED ||
           status == STATUS_OBJECT_NAME_COLLISION);
}

static void use_open(struct actor *actor, struct open_file *open)
{
    switch (sim_random(10)) {
    case 0:
    case 1:
    case 2:
        write_records(actor, open);
        break;
    case 3:
    case 4:
        read_records(actor, open);
        break;
    case 5:
        change_size(open);
        break;
    case 6:
        EXPECT_STATUS(fs_flush(open), STATUS_SUCCESS);
        break;
    case 7:
        lock_some(actor, open);
        break;
    case 8:
        make_section(open);
        break;
    default:
        rename_or_delete(open);
        break;
    }
}

static void run_actor(void *argument)
{
    struct actor *actor = argument;
    char name[32];

    for (uint32_t i = 0; i < STEPS; i++) {
        struct open_file *open;
        uint32_t options = sim_random(6) == 0 ? FILE_WRITE_THROUGH : 0;
        options |= sim_random(6) == 0 ? FILE_RANDOM_ACCESS : 0;
        options |= sim_random(6) == 0 ? FILE_SEQUENTIAL_ONLY : 0;
        status_t status =
            ff_try_open(name_of(sim_random(FILES), name), FF_ALL, FF_SHARE,
                        sim_random(8) == 0 ? FILE_OVERWRITE_IF : FILE_OPEN_IF, options, &open);
        EXPECT(status == STATUS_SUCCESS || status == STATUS_DELETE_PENDING ||
               status == STATUS_USER_MAPPED_FILE);
        for (uint32_t n = sim_random(4); n > 0 && is_success(status); n--) {
            use_open(actor, open);
        }
        if (is_success(status)) {
            fs_close(open);
        }
        if (sim_random(20) == 0) {
            fs_drain();
        }
    }
}

static void thread_test(uint32_t block_bytes, uint32_t seed, uint32_t preempt_one_in)
{
    fx_make_image(block_bytes, "16M", "-N 64");
    fx_boot(seed, preempt_one_in);
    REQUIRE(is_success(fs_start()));
    ff_start();
    for (uint32_t i = 0; i < THREADS; i++) {
        actors[i] = (struct actor){i, ff_buffer + i * PART_NBYTES,
                                   (uaddr_t){FF_BUFFER.v + i * PART_NBYTES}};
        sim_thread("actor", run_actor, &actors[i], PRIORITY_NORMAL);
    }
    sim_join();
    fs_drain();
    ff_end();
}

TEST("file threads: four on three files, 1 KiB blocks, interrupted often")
{
    thread_test(1024, 31, 10);
}

TEST("file threads: four on three files, 4 KiB blocks, interrupted often")
{
    thread_test(4096, 32, 10);
}

TEST("file threads: four on three files, interrupted now and then")
{
    thread_test(1024, 33, 100);
}

/* Files of five times the memory together. */
static void little_memory_test(uint32_t block_bytes, uint32_t seed)
{
    nrecords = 40000;
    fx_ram_nbytes = 3ull << 20;
    thread_test(block_bytes, seed, 50);
}

TEST("file threads: four on three files that are larger than memory, 1 KiB blocks")
{
    little_memory_test(1024, 34);
}

TEST("file threads: four on three files that are larger than memory, 4 KiB blocks")
{
    little_memory_test(4096, 35);
}

TEST("file threads: four on three files, on two CPUs that run at once")
{
    fx_ncpus = 2;
    thread_test(1024, 36, 20);
}

TEST("file threads: four on three files that are larger than memory, on three CPUs")
{
    fx_ncpus = 3;
    little_memory_test(4096, 37);
}

/* ---- write-back against truncation ---- */

#define CUT_NBYTES 0x9000u

static bool cutting_ends;

static void flush_all_the_time(void *argument)
{
    struct open_file *open = argument;
    while (!cutting_ends) {
        EXPECT_STATUS(fs_flush(open), STATUS_SUCCESS);
        sim_poll();
    }
}

static void drain_all_the_time(void *argument)
{
    (void)argument;
    while (!cutting_ends) {
        fs_drain();
        sim_poll();
    }
}

static void cut_under_writes(uint32_t block_bytes, uint32_t seed)
{
    fx_make_image(block_bytes, "16M", "-N 64");
    fx_boot(seed, 10);
    REQUIRE(is_success(fs_start()));
    ff_start();
    struct open_file *open = ff_open("C:\\cut", FF_ALL, FILE_CREATE, 0);
    struct open_file *other = ff_open("C:\\cut", FF_ALL, FILE_OPEN, 0);
    uint32_t end = 0;
    sim_thread("flush", flush_all_the_time, other, PRIORITY_NORMAL);
    sim_thread("drain", drain_all_the_time, NULL, PRIORITY_NORMAL);
    for (uint32_t round = 1; round <= 40; round++) {
        end = 1 + round * 1237 % (CUT_NBYTES - 1);
        ff_fill(open, 0, CUT_NBYTES, round);
        EXPECT_STATUS(fs_set_size(open, end), STATUS_SUCCESS);
        EXPECT_STATUS(fs_set_size(open, CUT_NBYTES), STATUS_SUCCESS);
        EXPECT(ff_holds(open, 0, end, round) && ff_is_zero(open, end, CUT_NBYTES - end));
    }
    cutting_ends = true;
    sim_join();
    fs_close(open);
    fs_close(other);
    ff_remount();
    open = ff_open("C:\\cut", FF_READ, FILE_OPEN, 0);
    EXPECT(ff_holds(open, 0, end, 40) && ff_is_zero(open, end, CUT_NBYTES - end));
    fs_close(open);
    ff_end();
}

TEST("pitfall: write-back against truncate, 1 KiB blocks")
{
    cut_under_writes(1024, 41);
}

TEST("pitfall: write-back against truncate, 4 KiB blocks")
{
    cut_under_writes(4096, 42);
}
