/*
 * tests/host/access.c: user memory and cache windows as code sees them: each page is translated by
 * the simulated MMU, a fault calls what trap_register was given, and the access is tried again.
 * The port of include/kernel/usercopy.h.
 */
#include "machine.h"
#include "test.h"

#include <string.h>

#include "quire/assert.h"

#define RETRIES_MAX 64u

/* ---- accesses with faults ---- */

static struct fault_report no_report;

/* What the calling thread awaits: of the fault that it is resolving, or nothing. */
static struct awaited awaited(void)
{
    return thread_self() != NULL ? thread_self()->awaited : (struct awaited){{NULL, NULL}};
}

/* What faulted is run again, or given up: the thread awaits what it did before. */
static void go_on(const struct awaited *outer)
{
    if (thread_self() != NULL) {
        thread_self()->awaited = *outer;
    }
}

static enum fault_result raise_user(uaddr_t address, const struct access *access,
                                    struct fault_report *report)
{
    VERIFY(sim.trap.user_page_fault != NULL);
    if (!sim.irq_enabled || cpu_self()->preempt_count != 0) {
        panic("page fault at 0x%08x with interrupts or preemption off", address.v);
    }
    sim_poll();
    enum fault_result result = sim.trap.user_page_fault(address, access, report);
    sim_poll();
    return result;
}

/* What sim_lend_memory was given. */
static uaddr_t lent_first;
static uint8_t *lent_memory;
static uint32_t lent_nbytes;

void sim_lend_memory(uaddr_t first, void *memory, uint32_t nbytes)
{
    lent_first = first;
    lent_memory = memory;
    lent_nbytes = nbytes;
}

/* One page of user memory for KIND, faults resolved: its frame's memory, or NULL and *RESULT. */
static uint8_t *reach_user(uaddr_t address, enum access_kind kind, enum fault_result *result,
                           struct fault_report *report)
{
    if (address.v - lent_first.v < lent_nbytes) {
        return lent_memory + (address.v - lent_first.v);
    }
    const struct awaited outer = awaited();
    for (uint32_t i = 0; i < RETRIES_MAX; i++) {
        sim_step();
        struct access access = {.kind = kind, .user = true};
        uint8_t *memory = sim_translate(address.v >> PAGE_SHIFT, &access);

        if (memory != NULL) {
            go_on(&outer);
            return memory + (address.v & PAGE_MASK);
        }
        *result = raise_user(address, &access, report);
        if (*result != FAULT_DONE && *result != FAULT_RETRY) {
            go_on(&outer);
            return NULL;
        }
    }
    panic("simulated MMU: 0x%08x faults again and again", address.v);
}

/* How much of NBYTES at ADDRESS lies in its page. */
static uint32_t within_page(uint32_t address, uint32_t nbytes)
{
    return min_u32(nbytes, PAGE_BYTES - (address & PAGE_MASK));
}

enum fault_result sim_read(uaddr_t address, void *target, uint32_t nbytes,
                           struct fault_report *report)
{
    enum fault_result result = FAULT_DONE;

    for (uint32_t done = 0; done < nbytes;) {
        uaddr_t place = {address.v + done};
        uint32_t count = within_page(place.v, nbytes - done);
        const uint8_t *memory =
            reach_user(place, ACCESS_READ, &result, report != NULL ? report : &no_report);

        if (memory == NULL) {
            return result;
        }
        memcpy((uint8_t *)target + done, memory, count);
        done += count;
    }
    return FAULT_DONE;
}

enum fault_result sim_write(uaddr_t address, const void *source, uint32_t nbytes,
                            struct fault_report *report)
{
    enum fault_result result = FAULT_DONE;

    for (uint32_t done = 0; done < nbytes;) {
        uaddr_t place = {address.v + done};
        uint32_t count = within_page(place.v, nbytes - done);
        uint8_t *memory =
            reach_user(place, ACCESS_WRITE, &result, report != NULL ? report : &no_report);

        if (memory == NULL) {
            return result;
        }
        memcpy(memory, (const uint8_t *)source + done, count);
        done += count;
    }
    return FAULT_DONE;
}

enum fault_result sim_execute(uaddr_t address, struct fault_report *report)
{
    enum fault_result result = FAULT_DONE;

    (void)reach_user(address, ACCESS_EXECUTE, &result, report != NULL ? report : &no_report);
    return result == FAULT_RETRY ? FAULT_DONE : result;
}

uint32_t sim_load32(uaddr_t address)
{
    uint32_t value;

    REQUIRE(sim_read(address, &value, sizeof(value), NULL) == FAULT_DONE);
    return value;
}

void sim_store32(uaddr_t address, uint32_t value)
{
    REQUIRE(sim_write(address, &value, sizeof(value), NULL) == FAULT_DONE);
}

bool sim_probe(uaddr_t address, enum access_kind kind)
{
    struct access access = {.kind = kind, .user = true};

    return sim_translate(address.v >> PAGE_SHIFT, &access) != NULL;
}

void trap_register(const struct trap_operations *operations)
{
    sim.trap = *operations;
}

/* ---- user copies ---- */

status_t user_range_check(uaddr_t address, uint32_t nbytes)
{
    bool inside = nbytes <= USER_END && address.v <= USER_END - nbytes;

    return inside ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

static status_t status_of(enum fault_result result, const struct fault_report *report)
{
    return result == FAULT_DONE ? STATUS_SUCCESS : report->status;
}

status_t copy_from_user(void *target, uaddr_t source, uint32_t nbytes)
{
    struct fault_report report = {.status = STATUS_ACCESS_VIOLATION};

    lock_assert_none_spinning();
    if (is_error(user_range_check(source, nbytes))) {
        return STATUS_ACCESS_VIOLATION;
    }
    return status_of(sim_read(source, target, nbytes, &report), &report);
}

status_t copy_to_user(uaddr_t target, const void *source, uint32_t nbytes)
{
    struct fault_report report = {.status = STATUS_ACCESS_VIOLATION};

    lock_assert_none_spinning();
    if (is_error(user_range_check(target, nbytes))) {
        return STATUS_ACCESS_VIOLATION;
    }
    return status_of(sim_write(target, source, nbytes, &report), &report);
}

status_t user_fill(uaddr_t target, uint8_t value, uint32_t nbytes)
{
    uint8_t bytes[256];

    memset(bytes, value, sizeof(bytes));
    for (uint32_t done = 0; done < nbytes; done += sizeof(bytes)) {
        uint32_t count = min_u32(nbytes - done, sizeof(bytes));
        status_t status = copy_to_user((uaddr_t){target.v + done}, bytes, count);

        if (is_error(status)) {
            return status;
        }
    }
    return STATUS_SUCCESS;
}

status_t user_read_u32(uaddr_t source, uint32_t *value)
{
    return copy_from_user(value, source, sizeof(*value));
}

status_t user_write_u32(uaddr_t target, uint32_t value)
{
    return copy_to_user(target, &value, sizeof(value));
}

status_t user_probe_write(uaddr_t address, uint32_t nbytes)
{
    struct fault_report report = {.status = STATUS_ACCESS_VIOLATION};
    enum fault_result result = FAULT_DONE;

    if (is_error(user_range_check(address, nbytes))) {
        return STATUS_ACCESS_VIOLATION;
    }
    for (uint32_t done = 0; done < nbytes;) {
        uaddr_t place = {address.v + done};

        if (reach_user(place, ACCESS_WRITE, &result, &report) == NULL) {
            return status_of(result, &report);
        }
        done += within_page(place.v, nbytes - done);
    }
    return STATUS_SUCCESS;
}

/* Up to the first page that is not there: how many bytes were copied. */
static bool copy_nofault(uint8_t *kernel, uaddr_t user, uint32_t nbytes, enum access_kind kind)
{
    if (is_error(user_range_check(user, nbytes))) {
        return false;
    }
    for (uint32_t done = 0; done < nbytes;) {
        struct access access = {.kind = kind, .user = true};
        uint32_t place = user.v + done;
        uint32_t count = within_page(place, nbytes - done);
        uint8_t *memory = sim_translate(place >> PAGE_SHIFT, &access);

        if (memory == NULL) {
            return false;
        }
        memory += place & PAGE_MASK;
        memcpy(kind == ACCESS_WRITE ? memory : kernel + done,
               kind == ACCESS_WRITE ? kernel + done : memory, count);
        done += count;
    }
    return true;
}

bool copy_from_user_nofault(void *target, uaddr_t source, uint32_t nbytes)
{
    return copy_nofault(target, source, nbytes, ACCESS_READ);
}

bool copy_to_user_nofault(uaddr_t target, const void *source, uint32_t nbytes)
{
    return copy_nofault((uint8_t *)(uintptr_t)source, target, nbytes, ACCESS_WRITE);
}

/* ---- copies through windows ---- */

/* The memory behind a window's address, faults resolved; NULL: *STATUS says why. */
static uint8_t *reach_window(const void *address, enum access_kind kind, status_t *status)
{
    if (cache_window_of(address) == CACHE_WINDOWS) {
        panic("simulated MMU: %p is in no cache window", address);
    }
    const struct awaited outer = awaited();
    for (uint32_t i = 0; i < RETRIES_MAX; i++) {
        sim_step();
        struct access access = {.kind = kind};
        struct fault_report report = {.status = STATUS_IN_PAGE_ERROR};
        uint8_t *memory = sim_translate(sim_window_page(address), &access);

        if (memory != NULL) {
            go_on(&outer);
            return memory + ((uintptr_t)address & PAGE_MASK);
        }
        VERIFY(sim.trap.window_fault != NULL && sim.irq_enabled);
        sim_poll();
        enum fault_result result = sim.trap.window_fault(address, &access, &report);
        sim_poll();
        if (result != FAULT_DONE && result != FAULT_RETRY) {
            go_on(&outer);
            *status = report.status;
            return NULL;
        }
    }
    panic("simulated MMU: window address %p faults again and again", address);
}

/* The bytes that can be copied in one piece: no page ends on either side. */
static uint32_t piece(const void *window, uaddr_t user, uint32_t nbytes)
{
    uint32_t left = within_page((uint32_t)((uintptr_t)window & PAGE_MASK), nbytes);

    return within_page(user.v, left);
}

/*
 * Copies piece by piece. Reaching one side may take the other away again (a fault blocks, and what
 * is evicted meanwhile is anyone's guess), so both are translated anew until both are there.
 */
static status_t copy_window(void *window, uaddr_t user, uint32_t nbytes, bool to_user,
                            uint32_t *copied)
{
    status_t status = user_range_check(user, nbytes);

    *copied = 0;
    while (is_success(status) && *copied < nbytes) {
        struct fault_report report = {.status = STATUS_ACCESS_VIOLATION};
        struct access access = {.kind = to_user ? ACCESS_READ : ACCESS_WRITE};
        enum fault_result result = FAULT_DONE;
        uint8_t *place = (uint8_t *)window + *copied;
        uaddr_t address = {user.v + *copied};
        uint32_t count = piece(place, address, nbytes - *copied);

        if (reach_window(place, access.kind, &status) == NULL) {
            break;
        }
        uint8_t *there =
            reach_user(address, to_user ? ACCESS_WRITE : ACCESS_READ, &result, &report);
        if (there == NULL) {
            return status_of(result, &report);
        }
        uint8_t *here = sim_translate(sim_window_page(place), &access);
        if (here == NULL) {
            continue;
        }
        here += (uintptr_t)place & PAGE_MASK;
        memcpy(to_user ? there : here, to_user ? here : there, count);
        *copied += count;
    }
    return status;
}

status_t copy_window_to_user(uaddr_t target, const void *window, uint32_t nbytes, uint32_t *copied)
{
    lock_assert_none_spinning();
    return copy_window((void *)(uintptr_t)window, target, nbytes, true, copied);
}

status_t copy_user_to_window(void *window, uaddr_t source, uint32_t nbytes, uint32_t *copied)
{
    lock_assert_none_spinning();
    return copy_window(window, source, nbytes, false, copied);
}

/* To or from one window, page by page: MOVE does a piece. */
static status_t move_in_window(char *window, uint32_t nbytes, enum access_kind kind,
                               void (*move)(void *page, uint32_t done, uint32_t count,
                                            void *context),
                               void *context)
{
    status_t status = STATUS_SUCCESS;

    lock_assert_none_spinning();
    for (uint32_t done = 0; done < nbytes;) {
        char *place = window + done;
        uint32_t count = within_page((uint32_t)((uintptr_t)place & PAGE_MASK), nbytes - done);
        void *memory = reach_window(place, kind, &status);

        if (memory == NULL) {
            return status;
        }
        move(memory, done, count, context);
        done += count;
    }
    return STATUS_SUCCESS;
}

static void move_out(void *page, uint32_t done, uint32_t count, void *context)
{
    memcpy((char *)context + done, page, count);
}

static void move_in(void *page, uint32_t done, uint32_t count, void *context)
{
    memcpy(page, (const char *)context + done, count);
}

static void fill(void *page, uint32_t done, uint32_t count, void *context)
{
    (void)done;
    memset(page, *(const uint8_t *)context, count);
}

status_t copy_from_window(void *target, const void *window, uint32_t nbytes)
{
    return move_in_window((char *)(uintptr_t)window, nbytes, ACCESS_READ, move_out, target);
}

status_t copy_to_window(void *window, const void *source, uint32_t nbytes)
{
    return move_in_window(window, nbytes, ACCESS_WRITE, move_in, (void *)(uintptr_t)source);
}

status_t window_fill(void *window, uint8_t value, uint32_t nbytes)
{
    return move_in_window(window, nbytes, ACCESS_WRITE, fill, &value);
}
