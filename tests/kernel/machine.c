/*
 * tests/kernel/machine.c: what kernel/x86 promises: protection of the kernel's own memory, user
 * copies that stop at the right byte, page-table entries, windows, time.
 */
#include "abi/constants.h"
#include "kernel/clock.h"
#include "kernel/cpu.h"
#include "kernel/paging.h"
#include "kernel/string.h"
#include "kernel/thread.h"
#include "kernel/usercopy.h"
#include "kernel/x86/x86.h"
#include "mm/pfn.h"
#include "mm/space.h"
#include "mm/stack.h"
#include "mm/virtual.h"
#include "tests/kernel/selftest.h"

static const uint32_t constant = 0x51495245;

static void text_is_read_only(void)
{
    uint32_t value;
    EXPECT(peek_u32((uint32_t)text_begin, &value));
    EXPECT(!poke_u32((uint32_t)text_begin, value));
    EXPECT(!poke_u32((uint32_t)text_end - 4, 0));
}
SELFTEST("machine: kernel text cannot be written", text_is_read_only);

static void rodata_is_read_only(void)
{
    EXPECT(!poke_u32((uint32_t)&constant, 0));
    EXPECT(!poke_u32((uint32_t)rodata_begin, 0));
}
SELFTEST("machine: constants cannot be written", rodata_is_read_only);

static void stacks_are_guarded(void)
{
    void *base = NULL;
    uint32_t value;
    EXPECT(!peek_u32((uint32_t)boot_stack - 4, &value));
    EXPECT_STATUS(mm_create_kernel_stack(&base), STATUS_SUCCESS);
    REQUIRE(base != NULL);
    EXPECT(poke_u32((uint32_t)base, 1));
    EXPECT(poke_u32((uint32_t)base + KERNEL_STACK_BYTES - 4, 1));
    EXPECT(!peek_u32((uint32_t)base - 4, &value));
    mm_destroy_kernel_stack(base);
}
SELFTEST("machine: the page below a kernel stack is missing", stacks_are_guarded);

/* ---- with a space of its own ---- */

#define USER_PAGES 4u

struct playground {
    struct space *space;
    struct space *before;
    const struct paging_root *root_before;
    uaddr_t base; /* USER_PAGES committed pages, and one reserved behind them */
};

static bool playground_enter(struct playground *ground)
{
    uint32_t nbytes = (USER_PAGES + 1) * PAGE_BYTES;
    uint32_t committed = USER_PAGES * PAGE_BYTES;
    memset(ground, 0, sizeof(*ground));
    ground->before = thread_self()->space;
    ground->root_before = thread_self()->root;
    if (is_error(mm_space_create(&ground->space))) {
        return false;
    }
    thread_attach_space(ground->space, &ground->space->root);
    return is_success(mm_allocate_virtual(ground->space, &ground->base, &nbytes, 0, MEM_RESERVE,
                                          PAGE_READWRITE)) &&
           is_success(mm_allocate_virtual(ground->space, &ground->base, &committed, 0, MEM_COMMIT,
                                          PAGE_READWRITE));
}

static void playground_leave(struct playground *ground)
{
    if (ground->space != NULL) {
        mm_space_empty(ground->space);
        thread_attach_space(ground->before, ground->root_before);
        mm_space_destroy(ground->space);
    }
}

/* A copy that begins BEFORE bytes ahead of END, where nothing is committed. */
static void expect_stop(uint32_t end, uint32_t before)
{
    static uint8_t buffer[64];
    uint32_t copied = UINT32_MAX;
    uaddr_t at = {end - before};
    EXPECT_STATUS(copy_window_to_user(at, buffer, sizeof(buffer), &copied),
                  STATUS_ACCESS_VIOLATION);
    EXPECT_EQUAL(copied, before);
    EXPECT_STATUS(copy_user_to_window(buffer, at, sizeof(buffer), &copied),
                  STATUS_ACCESS_VIOLATION);
    EXPECT_EQUAL(copied, before);
}

static void copies_stop_exactly(void)
{
    struct playground ground;
    if (playground_enter(&ground)) {
        for (uint32_t before = 0; before < 20; before++) {
            expect_stop(ground.base.v + USER_PAGES * PAGE_BYTES, before);
        }
    }
    EXPECT(ground.base.v != 0);
    playground_leave(&ground);
}
SELFTEST("machine: a user copy stops at the first byte that is not there", copies_stop_exactly);

/* There and back again, then all but the last byte filled. */
static void expect_copies(uaddr_t at, const uint8_t *out, uint32_t nbytes)
{
    static uint8_t in[300];
    memset(in, 0, sizeof(in));
    EXPECT_STATUS(copy_to_user(at, out, nbytes), STATUS_SUCCESS);
    EXPECT_STATUS(copy_from_user(in, at, nbytes), STATUS_SUCCESS);
    EXPECT(memcmp(in, out, nbytes) == 0);
    EXPECT_STATUS(user_fill(at, 0x5A, nbytes - 1), STATUS_SUCCESS);
    EXPECT_STATUS(copy_from_user(in, at, nbytes), STATUS_SUCCESS);
    EXPECT(in[0] == 0x5A && in[nbytes - 2] == 0x5A && in[nbytes - 1] == out[nbytes - 1]);
}

static void copies_keep_bytes(void)
{
    static uint8_t out[300];
    struct playground ground;
    for (uint32_t i = 0; i < sizeof(out); i++) {
        out[i] = (uint8_t)(i * 7);
    }
    if (playground_enter(&ground)) {
        for (uint32_t offset = 0; offset < 5; offset++) {
            uaddr_t at = {ground.base.v + PAGE_BYTES - 150 + offset};
            expect_copies(at, out, sizeof(out) - offset);
        }
    }
    EXPECT(ground.base.v != 0);
    playground_leave(&ground);
}
SELFTEST("machine: user copies across pages keep every byte", copies_keep_bytes);

/* ---- long copies ---- */

#define LONG_BYTES (USER_PAGES * PAGE_BYTES + 1000u)

static uint8_t long_out[LONG_BYTES];
static uint8_t long_in[LONG_BYTES];

static void fill_long_out(void)
{
    for (uint32_t i = 0; i < LONG_BYTES; i++) {
        long_out[i] = (uint8_t)(i * 13 + (i >> 8));
    }
    memset(long_in, 0, LONG_BYTES);
}

/* A long copy there and back that begins BEFORE bytes ahead of END, where nothing is committed. */
static void expect_long_stop(uint32_t end, uint32_t before)
{
    uint32_t copied = UINT32_MAX;
    uaddr_t at = {end - before};
    fill_long_out();
    EXPECT_STATUS(copy_window_to_user(at, long_out, LONG_BYTES, &copied), STATUS_ACCESS_VIOLATION);
    EXPECT_EQUAL(copied, before);
    EXPECT_STATUS(copy_user_to_window(long_in, at, LONG_BYTES, &copied), STATUS_ACCESS_VIOLATION);
    EXPECT_EQUAL(copied, before);
    EXPECT(memcmp(long_in, long_out, before) == 0 && long_in[before] == 0);
}

static void long_copies_stop_exactly(void)
{
    static const uint32_t before[] = {0,    1,    127,  128,  129,
                                      511,  512,  513,  639,  4095,
                                      4096, 4097, 4223, 4224, PAGE_BYTES * USER_PAGES};
    for (uint32_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
        struct playground ground; /* a new one: its pages are not there yet */
        EXPECT(playground_enter(&ground));
        if (ground.base.v != 0) {
            expect_long_stop(ground.base.v + USER_PAGES * PAGE_BYTES, before[i]);
        }
        playground_leave(&ground);
    }
}
SELFTEST("machine: a long user copy stops at the first byte that is not there",
         long_copies_stop_exactly);

/* OFFSET bytes into the playground, from a source that is aligned otherwise. */
static void expect_long_copy(const struct playground *ground, uint32_t offset, uint32_t nbytes)
{
    uaddr_t at = {ground->base.v + offset};
    fill_long_out();
    EXPECT_STATUS(copy_to_user(at, long_out + 3, nbytes), STATUS_SUCCESS);
    EXPECT_STATUS(copy_from_user(long_in + 5, at, nbytes), STATUS_SUCCESS);
    EXPECT(memcmp(long_in + 5, long_out + 3, nbytes) == 0);
    EXPECT(long_in[4] == 0 && long_in[5 + nbytes] == 0);
}

static void long_copies_keep_bytes(void)
{
    for (uint32_t offset = 0; offset < 20; offset++) {
        struct playground ground;
        EXPECT(playground_enter(&ground));
        if (ground.base.v != 0) {
            expect_long_copy(&ground, PAGE_BYTES - 300 + offset * 16, 2 * PAGE_BYTES - offset * 37);
        }
        playground_leave(&ground);
    }
}
SELFTEST("machine: long user copies across absent pages keep every byte", long_copies_keep_bytes);

/* What a program has in its SSE registers, before and after. */
static NOINLINE bool registers_survive(uaddr_t at, uint32_t nbytes)
{
    static uint32_t before[16], after[16];
    for (uint32_t i = 0; i < 16; i++) {
        before[i] = 0x1000193u * (i + 1);
    }
    __asm__ volatile("movups (%0), %%xmm0; movups 16(%0), %%xmm1; movups 32(%0), %%xmm2;"
                     "movups 48(%0), %%xmm3"
                     :
                     : "r"(before)
                     : "memory");
    status_t status = copy_to_user(at, long_out, nbytes);
    __asm__ volatile("movups %%xmm0, (%0); movups %%xmm1, 16(%0); movups %%xmm2, 32(%0);"
                     "movups %%xmm3, 48(%0)"
                     :
                     : "r"(after)
                     : "memory");
    EXPECT_STATUS(status, STATUS_SUCCESS);
    return memcmp(before, after, sizeof(before)) == 0;
}

static void long_copies_keep_registers(void)
{
    struct playground ground;
    if (!fpu_has_sse) {
        selftest_skip("the CPU has no SSE");
        return;
    }
    EXPECT(playground_enter(&ground));
    if (ground.base.v != 0) {
        EXPECT(registers_survive(ground.base, USER_PAGES * PAGE_BYTES)); /* with faults */
        EXPECT(registers_survive(ground.base, USER_PAGES * PAGE_BYTES));
    }
    playground_leave(&ground);
}
SELFTEST("machine: long user copies leave the SSE registers as they were",
         long_copies_keep_registers);

static void ranges_are_checked(void)
{
    static uint8_t buffer[16];
    EXPECT_STATUS(copy_from_user(buffer, (uaddr_t){KERNEL_FIRST}, 4), STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(copy_from_user(buffer, (uaddr_t){UINT32_MAX}, 4), STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(copy_to_user((uaddr_t){USER_END - 2}, buffer, 4), STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(user_range_check((uaddr_t){16}, UINT32_MAX - 8), STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(user_range_check((uaddr_t){USER_END - 4}, 4), STATUS_SUCCESS);
    EXPECT_STATUS(user_probe_write((uaddr_t){KERNEL_FIRST - 4}, 8), STATUS_ACCESS_VIOLATION);
}
SELFTEST("machine: user copies refuse kernel addresses and wrapping ranges", ranges_are_checked);

static void nofault_does_not_resolve(void)
{
    uint32_t value = 1;
    struct playground ground;
    if (playground_enter(&ground)) {
        EXPECT(!copy_from_user_nofault(&value, ground.base, sizeof(value)));
        EXPECT_STATUS(user_read_u32(ground.base, &value), STATUS_SUCCESS);
        EXPECT_EQUAL(value, 0);
        EXPECT_STATUS(user_write_u32(ground.base, 77), STATUS_SUCCESS);
        EXPECT(copy_from_user_nofault(&value, ground.base, sizeof(value)));
        EXPECT_EQUAL(value, 77);
    }
    EXPECT(ground.base.v != 0);
    playground_leave(&ground);
}
SELFTEST("machine: a copy without faults fails where nothing is mapped", nofault_does_not_resolve);

static void smap_holds(void)
{
    uint32_t value;
    struct playground ground;
    if (!cpu_features.smap) {
        selftest_skip("the CPU has no SMAP");
        return;
    }
    if (playground_enter(&ground)) {
        EXPECT_STATUS(user_write_u32(ground.base, 77), STATUS_SUCCESS);
        EXPECT(!peek_u32(ground.base.v, &value));
        EXPECT(!poke_u32(ground.base.v, 1));
    }
    EXPECT(ground.base.v != 0);
    playground_leave(&ground);
}
SELFTEST("machine: the kernel reaches user pages by copies only", smap_holds);

/* ---- the rest ---- */

static void entries_change_whole(void)
{
    static pte_t entry;
    pfn_t high = {0x123456};
    pte_t valid = pte_make_valid(high, PTE_WRITE | PTE_USER);
    pte_t software = {0xABCDEF0012345670ull};
    EXPECT(pte_is_valid(valid) && pfn_equal(pte_frame(valid), high));
    pte_write(&entry, valid);
    EXPECT_EQUAL(pte_read(&entry).v, valid.v);
    EXPECT_EQUAL(pte_exchange(&entry, software).v, valid.v);
    EXPECT_EQUAL(pte_exchange(&entry, valid).v, software.v);
    EXPECT(!pte_compare_exchange(&entry, software, software));
    EXPECT(pte_compare_exchange(&entry, valid, software));
    EXPECT_EQUAL(pte_read(&entry).v, software.v);
    EXPECT_EQUAL(pte_exchange(&entry, valid).v, software.v);
    pte_clear(&entry, PTE_WRITE);
    EXPECT_EQUAL(pte_read(&entry).v, valid.v & ~PTE_WRITE);
    pte_set(&entry, PTE_WRITE | PTE_DIRTY);
    EXPECT_EQUAL(pte_read(&entry).v, valid.v | PTE_DIRTY);
}
SELFTEST("machine: page-table entries are exchanged whole", entries_change_whole);

static void frames_are_copied(void)
{
    pfn_t frames = mm_take_contiguous(2);
    REQUIRE(!pfn_is_none(frames));
    pfn_t second = {frames.n + 1};
    uint32_t *words = frame_address(frames);
    words[0] = 1;
    words[1023] = 2;
    frame_copy(second, frames);
    const uint32_t *copy = frame_address(second);
    EXPECT(copy[0] == 1 && copy[1023] == 2 && copy[512] == 0);
    frame_zero(frames);
    EXPECT(words[0] == 0 && words[1023] == 0);
    EXPECT(pfn_equal(frame_of(words), frames));
    mm_release_contiguous(frames, 2);
}
SELFTEST("machine: frames are copied and zeroed", frames_are_copied);

/* The last frame of RAM is somebody's: it is only looked at. */
static void windows_show_any_frame(void)
{
    pfn_t frame = {paging_direct_end() - 1};
    const uint32_t *direct = frame_address(frame);
    uint32_t *window = window_open(frame);
    EXPECT(window == direct);
    window_close(window);

    frame.n = paging_direct_end();
    uint32_t *first = window_open(frame);
    uint32_t *second = window_open((pfn_t){frame.n + 1});
    EXPECT(first != second);
    EXPECT(cpu_self()->preempt_count == 2);
    (void)*(volatile uint32_t *)first; /* the TLB knows it now */
    window_close(second);
    window_close(first);
    EXPECT(cpu_self()->preempt_count == 0);
    uint32_t value;
    EXPECT(!peek_u32((uint32_t)first, &value));
}
SELFTEST("machine: temporary kernel mappings are per CPU and flushed: windows nest",
         windows_show_any_frame);

static void time_passes(void)
{
    int64_t start = clock_now();
    int64_t system_start = clock_system_time();
    thread_sleep_until(start + 20 * NS_PER_MS, false, NULL);
    EXPECT(clock_now() - start >= 20 * NS_PER_MS);
    EXPECT(clock_system_time() - system_start >= 20 * NS_PER_MS / 100);
    EXPECT(clock_tsc_frequency() >= 1000000);
    int64_t last = clock_now();
    for (uint32_t i = 0; i < 1000; i++) {
        int64_t now = clock_now();
        EXPECT(now >= last);
        last = now;
    }
}
SELFTEST("machine: time passes, and a sleep is long enough", time_passes);

static void state_survives(void)
{
    static uint8_t image[FPU_STATE_BYTES];
    static const uint8_t zero[16];
    fpu_save_user(image);
    EXPECT_EQUAL(image[0] | image[1] << 8, 0x27F);
    EXPECT_EQUAL(image[24] | image[25] << 8, 0x1F80);
    EXPECT(memcmp(image + 160, zero, sizeof(zero)) == 0);
}
SELFTEST("machine: the first floating-point state is that of Windows", state_survives);
