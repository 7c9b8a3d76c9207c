/*
 * kernel/x86/usercopy.c: copying to and from user memory and cache windows (kernel/usercopy.h).
 *
 * The instructions are in usercopy.asm; here are the checks of the range, and the table that leads
 * from a faulting instruction to what happens then.
 */
#include "kernel/usercopy.h"

#include "kernel/cpu.h"
#include "kernel/lock.h"
#include "kernel/paging.h"
#include "kernel/x86/x86.h"

/* kernel/x86/usercopy.asm: each gives a status; *LEFT is how many bytes were not copied. */
status_t usercopy_resolve(void *target, const void *source, uint32_t nbytes, uint32_t *left);
status_t usercopy_nofault(void *target, const void *source, uint32_t nbytes, uint32_t *left);
uint32_t usercopy_wide(void *target, const void *source, uint32_t nbytes);
status_t usercopy_fill(uint32_t target, uint32_t value, uint32_t nbytes);
status_t usercopy_touch(uint32_t address);
status_t usercopy_read_u32(uint32_t source, uint32_t *value);
status_t usercopy_write_u32(uint32_t target, uint32_t value);
status_t usercopy_peek(uint32_t address, uint32_t *value);
status_t usercopy_poke(uint32_t address, uint32_t value);

#define WIDE_STEP  128u         /* usercopy.asm knows it too */
#define WIDE_LEAST 512u         /* bytes: below that it does not pay */
#define WIDE_MOST  (16u * 1024) /* bytes with preemption off */

extern const struct fixup extable_begin[], extable_end[];

struct smap_site {
    uint32_t address;
    uint32_t opcode; /* its last byte */
};
extern const struct smap_site smap_sites_begin[], smap_sites_end[];

const struct fixup *fixup_find(uint32_t eip)
{
    uint32_t count = ((uint32_t)extable_end - (uint32_t)extable_begin) / sizeof(struct fixup);
    for (uint32_t i = 0; i < count; i++) {
        if (eip - extable_begin[i].first <= extable_begin[i].last - extable_begin[i].first) {
            return &extable_begin[i];
        }
    }
    return NULL;
}

void smap_patch(void)
{
    uint32_t nbytes = (uint32_t)smap_sites_end - (uint32_t)smap_sites_begin;
    uint32_t count = nbytes / sizeof(struct smap_site);
    for (uint32_t i = 0; i < count; i++) {
        volatile uint8_t *code = (volatile uint8_t *)smap_sites_begin[i].address;
        code[0] = 0x0F;
        code[1] = 0x01;
        code[2] = (uint8_t)smap_sites_begin[i].opcode;
    }
}

static void *user_pointer(uaddr_t address)
{
    return (void *)address.v;
}

/* A copy in one piece, as far as both sides are there; how far it came. */
static uint32_t copy_present(void *target, const void *source, uint32_t nbytes)
{
    preempt_disable();
    uint32_t done = usercopy_wide(target, source, nbytes);
    preempt_enable();
    return done;
}

/*
 * A copy that resolves faults. Sixteen bytes go to an instruction, where the CPU can, as long as
 * nothing faults; a fault is met again by a move that may wait for the page.
 */
static status_t copy_resolving(void *target, const void *source, uint32_t nbytes, uint32_t *left)
{
    uint32_t done = 0;
    while (fpu_has_sse && nbytes - done >= WIDE_LEAST) {
        uint32_t most = min_u32(nbytes - done, WIDE_MOST) / WIDE_STEP * WIDE_STEP;
        uint32_t there = copy_present((char *)target + done, (const char *)source + done, most);
        done += there;
        if (there < most) {
            status_t status = usercopy_resolve((char *)target + done, (const char *)source + done,
                                               WIDE_STEP, left);
            done += WIDE_STEP - *left;
            if (is_error(status)) {
                *left = nbytes - done;
                return status;
            }
        }
    }
    return usercopy_resolve((char *)target + done, (const char *)source + done, nbytes - done,
                            left);
}

status_t user_range_check(uaddr_t address, uint32_t nbytes)
{
    if (nbytes > USER_END || address.v > USER_END - nbytes) {
        return STATUS_ACCESS_VIOLATION;
    }
    return STATUS_SUCCESS;
}

status_t copy_from_user(void *target, uaddr_t source, uint32_t nbytes)
{
    uint32_t left;
    status_t status = user_range_check(source, nbytes);
    if (is_error(status)) {
        return status;
    }
    lock_assert_none_spinning();
    return copy_resolving(target, user_pointer(source), nbytes, &left);
}

status_t copy_to_user(uaddr_t target, const void *source, uint32_t nbytes)
{
    uint32_t left;
    status_t status = user_range_check(target, nbytes);
    if (is_error(status)) {
        return status;
    }
    lock_assert_none_spinning();
    return copy_resolving(user_pointer(target), source, nbytes, &left);
}

status_t user_fill(uaddr_t target, uint8_t value, uint32_t nbytes)
{
    status_t status = user_range_check(target, nbytes);
    if (is_error(status)) {
        return status;
    }
    lock_assert_none_spinning();
    return usercopy_fill(target.v, value, nbytes);
}

status_t user_read_u32(uaddr_t source, uint32_t *value)
{
    status_t status = user_range_check(source, sizeof(*value));
    if (is_error(status)) {
        return status;
    }
    lock_assert_none_spinning();
    return usercopy_read_u32(source.v, value);
}

status_t user_write_u32(uaddr_t target, uint32_t value)
{
    status_t status = user_range_check(target, sizeof(value));
    if (is_error(status)) {
        return status;
    }
    lock_assert_none_spinning();
    return usercopy_write_u32(target.v, value);
}

status_t user_probe_write(uaddr_t address, uint32_t nbytes)
{
    status_t status = user_range_check(address, nbytes);
    lock_assert_none_spinning();
    uint32_t end = address.v + nbytes;
    uint32_t at = address.v;
    while (is_success(status) && at < end) {
        status = usercopy_touch(at);
        at = (at & ~PAGE_MASK) + PAGE_BYTES;
    }
    return status;
}

status_t copy_window_to_user(uaddr_t target, const void *window, uint32_t nbytes, uint32_t *copied)
{
    uint32_t left = nbytes;
    status_t status = user_range_check(target, nbytes);
    if (is_success(status)) {
        lock_assert_none_spinning();
        status = copy_resolving(user_pointer(target), window, nbytes, &left);
    }
    *copied = nbytes - left;
    return status;
}

status_t copy_user_to_window(void *window, uaddr_t source, uint32_t nbytes, uint32_t *copied)
{
    uint32_t left = nbytes;
    status_t status = user_range_check(source, nbytes);
    if (is_success(status)) {
        lock_assert_none_spinning();
        status = copy_resolving(window, user_pointer(source), nbytes, &left);
    }
    *copied = nbytes - left;
    return status;
}

status_t copy_from_window(void *target, const void *window, uint32_t nbytes)
{
    uint32_t left;
    lock_assert_none_spinning();
    return copy_resolving(target, window, nbytes, &left);
}

status_t copy_to_window(void *window, const void *source, uint32_t nbytes)
{
    uint32_t left;
    lock_assert_none_spinning();
    return copy_resolving(window, source, nbytes, &left);
}

status_t window_fill(void *window, uint8_t value, uint32_t nbytes)
{
    lock_assert_none_spinning();
    return usercopy_fill((uint32_t)window, value, nbytes);
}

bool copy_from_user_nofault(void *target, uaddr_t source, uint32_t nbytes)
{
    uint32_t left;
    return is_success(user_range_check(source, nbytes)) &&
           is_success(usercopy_nofault(target, user_pointer(source), nbytes, &left));
}

bool copy_to_user_nofault(uaddr_t target, const void *source, uint32_t nbytes)
{
    uint32_t left;
    return is_success(user_range_check(target, nbytes)) &&
           is_success(usercopy_nofault(user_pointer(target), source, nbytes, &left));
}

bool peek_u32(uint32_t address, uint32_t *value)
{
    return is_success(usercopy_peek(address, value));
}

bool poke_u32(uint32_t address, uint32_t value)
{
    return is_success(usercopy_poke(address, value));
}
