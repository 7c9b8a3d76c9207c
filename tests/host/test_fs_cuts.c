/*
 * tests/host/test_fs_cuts.c: the power cut at every write while files are written through WriteFile
 * and through views, with and without write-through, grown, renamed over one another, linked and
 * deleted.
 *
 * What a flush or a write-through promised holds from then on until the file is next touched. At
 * every point of the disk's log, and with subsets of the writes since the last FLUSH missing,
 * e2fsck -p must end with 0 or 1 and each promise that holds there must be kept, byte for byte.
 */
#include <stdio.h>
#include <string.h>

#include "fs_fixture.h"
#include "log_disk.h"
#include "mm/section.h"
#include "mm/view.h"
#include "mm_fixture.h"
#include "test.h"

#define SLOTS        5u
#define PROMISES_MAX 400u

/* A file of that name holds NBYTES that follow from SEED, at every cut in [from, until). */
struct promise {
    uint32_t slot;
    uint32_t from;
    uint32_t until;
    bool exists;   /* else there is no such file */
    bool may_grow; /* it may be longer, too: zeroes follow then */
    uint32_t nbytes;
    uint32_t seed;
};

static struct promise promises[PROMISES_MAX];
static uint32_t npromises;
static uint32_t checked; /* promises that were looked at, at all cuts together */

/* What the file of each name holds. */
static struct slot {
    bool exists;
    uint32_t nbytes;
    uint32_t seed;
} slots[SLOTS];
static uint32_t next_seed = 1;

static const char *path_of(uint32_t slot)
{
    static char path[2][32];
    static uint32_t which;

    which ^= 1;
    snprintf(path[which], sizeof(path[which]), slot % 2 == 0 ? "C:\\file%u" : "C:\\dir\\file%u",
             slot);
    return path[which];
}

/* The slot is about to be touched: nothing is promised of it any more. */
static void break_promise(uint32_t slot)
{
    for (uint32_t i = 0; i < npromises; i++) {
        if (promises[i].slot == slot && promises[i].until == UINT32_MAX) {
            promises[i].until = log_disk_count();
        }
    }
}

static void promise(uint32_t slot)
{
    break_promise(slot);
    REQUIRE(npromises < PROMISES_MAX);
    promises[npromises++] = (struct promise){
        .slot = slot,
        .from = log_disk_count(),
        .until = UINT32_MAX,
        .exists = slots[slot].exists,
        .nbytes = slots[slot].nbytes,
        .seed = slots[slot].seed,
    };
}

static struct open_file *open_slot(uint32_t slot, uint32_t disposition, uint32_t options)
{
    break_promise(slot);
    slots[slot].exists = true;
    return ff_open(path_of(slot), FF_ALL, disposition, options);
}

/* ---- what is done ---- */

/* A file made anew, in some pieces, durable at the end; or with each piece. */
static void make_file(uint32_t slot, bool through)
{
    struct open_file *open = open_slot(slot, FILE_OVERWRITE_IF, through ? FILE_WRITE_THROUGH : 0);

    slots[slot].nbytes = 0;
    slots[slot].seed = next_seed++;
    for (uint32_t pieces = 1 + sim_random(4); pieces > 0; pieces--) {
        uint32_t nbytes = 1 + sim_random(sim_random(3) == 0 ? 30000 : 3000);
        break_promise(slot);
        ff_fill(open, slots[slot].nbytes, nbytes, slots[slot].seed);
        slots[slot].nbytes += nbytes;
        if (through) {
            promise(slot);
        }
    }
    if (!through && sim_random(4) != 0) {
        EXPECT_STATUS(fs_flush(open), STATUS_SUCCESS);
        promise(slot);
    }
    fs_close(open);
}

/* Stores to a view of a file whose section made it longer. */
static void store_to_view(uint32_t slot, bool through)
{
    static uint8_t bytes[20000];
    struct open_file *open = open_slot(slot, FILE_OVERWRITE_IF, through ? FILE_WRITE_THROUGH : 0);
    struct section section;
    uint32_t nbytes = 1 + sim_random(sizeof(bytes));

    slots[slot].nbytes = nbytes;
    slots[slot].seed = next_seed++;
    ff_make_bytes(bytes, 0, nbytes, slots[slot].seed);
    EXPECT_STATUS(ff_section(open, nbytes, PAGE_READWRITE, SEC_COMMIT, &section), STATUS_SUCCESS);
    uaddr_t view = fixture_map(ff_space, &section, 0, 0, 0, PAGE_READWRITE);
    EXPECT_EQUAL(sim_write(view, bytes, nbytes, NULL), FAULT_DONE);
    uaddr_t address = view;
    uint32_t whole = 0;
    if (through || sim_random(2) == 0) {
        EXPECT_STATUS(mm_flush_view(ff_space, &address, &whole), STATUS_SUCCESS);
        if (through) {
            promise(slot);
        }
    }
    EXPECT_STATUS(mm_unmap_view(ff_space, view), STATUS_SUCCESS);
    if (!through) {
        EXPECT_STATUS(fs_flush(open), STATUS_SUCCESS);
        promise(slot);
    }
    fs_close(open);
    ff_end_section(&section);
}

/* The end of a file goes, or it gets longer. */
static void resize(uint32_t slot)
{
    if (!slots[slot].exists || slots[slot].nbytes == 0) {
        return;
    }
    struct open_file *open = open_slot(slot, FILE_OPEN, 0);
    uint32_t nbytes = sim_random(slots[slot].nbytes);
    EXPECT_STATUS(fs_set_size(open, nbytes), STATUS_SUCCESS);
    slots[slot].nbytes = nbytes;
    if (sim_random(2) == 0) {
        uint32_t more = 1 + sim_random(5000);
        ff_fill(open, nbytes, more, slots[slot].seed);
        slots[slot].nbytes += more;
    }
    EXPECT_STATUS(fs_flush(open), STATUS_SUCCESS);
    promise(slot);
    promises[npromises - 1].may_grow = true;
    EXPECT_STATUS(fs_set_size(open, slots[slot].nbytes + 1 + sim_random(3000)), STATUS_SUCCESS);
    EXPECT_STATUS(ext2_sync(fx_volume()), STATUS_SUCCESS); /* another file's flush, say */
    EXPECT_STATUS(fs_flush(open), STATUS_SUCCESS);
    break_promise(slot);
    EXPECT_STATUS(fs_set_size(open, slots[slot].nbytes), STATUS_SUCCESS);
    EXPECT_STATUS(fs_flush(open), STATUS_SUCCESS);
    promise(slot);
    fs_close(open);
}

/* One file takes another's name, in its place. */
static void rename_over(uint32_t from, uint32_t to)
{
    if (!slots[from].exists || from == to) {
        return;
    }
    struct open_file *open = open_slot(from, FILE_OPEN, 0);
    break_promise(to);
    EXPECT_STATUS(ff_rename(open, path_of(to), true), STATUS_SUCCESS);
    slots[to] = slots[from];
    slots[from].exists = false;
    if (sim_random(2) == 0) {
        EXPECT_STATUS(fs_flush(open), STATUS_SUCCESS);
        promise(to);
        promise(from);
    }
    fs_close(open);
}

static void delete_slot(uint32_t slot)
{
    if (slots[slot].exists) {
        fs_close(open_slot(slot, FILE_OPEN, FILE_DELETE_ON_CLOSE));
        slots[slot].exists = false;
    }
}

/* A file gets another name, which is promised, and loses the one that it had, or both. */
static void link_to(uint32_t from, uint32_t to)
{
    if (!slots[from].exists || from == to) {
        return;
    }
    delete_slot(to);
    break_promise(to); /* that it does not exist, perhaps */
    struct open_file *open = open_slot(from, FILE_OPEN, 0);
    EXPECT_STATUS(fs_flush(open), STATUS_SUCCESS);
    promise(from);
    EXPECT_STATUS(ff_link(open, path_of(to)), STATUS_SUCCESS);
    slots[to] = slots[from];
    promise(to);
    fs_close(open);
    delete_slot(sim_random(3) == 0 ? to : from); /* the promise of the other one goes on */
}

static void do_something(void)
{
    uint32_t slot = sim_random(SLOTS);

    switch (sim_random(11)) {
    case 0:
    case 1:
        make_file(slot, false);
        break;
    case 2:
        make_file(slot, true);
        break;
    case 3:
    case 4:
        store_to_view(slot, sim_random(2) == 0);
        break;
    case 5:
    case 6:
        resize(slot);
        break;
    case 7:
        rename_over(slot, sim_random(SLOTS));
        break;
    case 8:
    case 9:
        link_to(slot, sim_random(SLOTS));
        break;
    default:
        delete_slot(slot);
        break;
    }
}

/* ---- what is left ---- */

static bool is_kept(const struct promise *it)
{
    struct open_file *open;
    status_t status = ff_try_open(path_of(it->slot), FF_READ, FF_SHARE, FILE_OPEN, 0, &open);

    checked++;
    if (!it->exists) {
        if (is_success(status)) {
            fs_close(open);
        }
        return status == STATUS_OBJECT_NAME_NOT_FOUND;
    }
    if (is_error(status)) {
        fprintf(stderr, "%s: 0x%08x\n", path_of(it->slot), (unsigned)status);
        return false;
    }
    uint64_t size = ff_size(open);
    bool kept = (size == it->nbytes || (it->may_grow && size > it->nbytes)) &&
                ff_holds(open, 0, it->nbytes, it->seed) &&
                ff_is_zero(open, it->nbytes, (uint32_t)(size - it->nbytes));
    fs_close(open);
    return kept;
}

static bool check_cut(uint32_t cut, uint64_t missing)
{
    bool right = true;

    log_disk_rebuild(fx_image, cut, missing);
    fx_write_image(fx_image);
    int code = fx_e2fsck("-p");
    if (code > 1) {
        fx_show_said();
        test_fail(__FILE__, __LINE__, "cut %u: e2fsck -p ends with %d", cut, code);
        return false;
    }
    fx_read_image(fx_disk->contents);
    REQUIRE(is_success(fs_start()));
    for (uint32_t i = 0; i < npromises && right; i++) {
        const struct promise *it = &promises[i];
        if (it->from <= cut && cut < it->until && !is_kept(it)) {
            test_fail(__FILE__, __LINE__, "cut %u, missing 0x%llx: %s, promised at %u, is lost",
                      cut, (unsigned long long)missing, path_of(it->slot), it->from);
            right = false;
        }
    }
    fs_stop();
    return right;
}

static void check_cuts(void)
{
    uint32_t total = log_disk_count();
    uint32_t cuts = 0;
    bool right = true;

    log_disk_stop();
    for (uint32_t cut = 0; cut <= total && right; cut++, cuts++) {
        right = check_cut(cut, 0);
        uint32_t pending = log_disk_pending(cut);
        bool ends = cut == total || log_disk_is_flush(cut);
        for (uint32_t i = 0; i < 2 && right && ends && pending > 0; i++, cuts++) {
            uint64_t all = pending >= 64 ? UINT64_MAX : (1ull << pending) - 1;
            uint64_t bits = ((uint64_t)sim_random(1u << 31) << 31) ^ sim_random(1u << 31);
            right = check_cut(cut, i == 0 ? all : bits & all);
        }
    }
    printf("# %u writes and flushes, %u cuts, %u promises looked at\n", total, cuts, checked);
    EXPECT(checked > total / 2);
}

static void cut_test(uint32_t block_bytes, uint32_t seed, uint32_t nrecords)
{
    fx_make_image(block_bytes, "2M", "-N 64");
    fx_boot(seed, 0);
    REQUIRE(is_success(fs_start()));
    ff_start();
    fs_close(ff_open("C:\\dir", FF_READ, FILE_CREATE, FILE_DIRECTORY_FILE));
    fs_finish();
    log_disk_start(fx_disk, block_bytes);
    while (log_disk_count() < nrecords) {
        do_something();
    }
    fs_stop();
    check_cuts();
    fx_end_work();
}

TEST("file cuts: what was promised of files survives the power cut at every write, 1 KiB blocks")
{
    cut_test(1024, 21, 250);
}

TEST("file cuts: what was promised of files survives the power cut at every write, 4 KiB blocks")
{
    cut_test(4096, 22, 250);
}

TEST("file cuts: a disk that does not heed flushes is found out")
{
    uint32_t lost = 0;

    fx_make_image(1024, "2M", "-N 64");
    fx_boot(23, 0);
    REQUIRE(is_success(fs_start()));
    ff_start();
    log_disk_start(fx_disk, 1024);
    for (uint32_t i = 0; i < 10; i++) {
        make_file(0, true);
    }
    fs_stop();
    log_disk_stop();
    log_disk_ignore_flushes();
    for (uint32_t cut = 20; cut < log_disk_count(); cut += 5) {
        log_disk_rebuild(fx_image, cut, 0x5555555555555555ull << cut % 7);
        fx_write_image(fx_image);
        if (fx_e2fsck("-p") > 1) {
            lost++;
            continue;
        }
        fx_read_image(fx_disk->contents);
        REQUIRE(is_success(fs_start()));
        for (uint32_t i = 0; i < npromises; i++) {
            const struct promise *it = &promises[i];
            lost += it->from <= cut && cut < it->until && !is_kept(it);
        }
        fs_stop();
    }
    EXPECT(lost > 0);
    fx_end_work();
}
