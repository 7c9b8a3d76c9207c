/*
 * sys/shared.c: the page at 0x7FFE0000, KUSER_SHARED_DATA, that every process sees read-only: what
 * programs ask most often, without a system call.
 *
 * The timer tick writes the times; a reader takes high1, low, high2 in this order and tries again
 * until both highs agree, so the tick writes them the other way round. kernel/x86 puts the
 * system-call stub and its address there.
 */
#include "abi/process.h"
#include "abi/quire.h"
#include "kernel/clock.h"
#include "kernel/paging.h"
#include "kernel/thread.h"
#include "kernel/trap.h"
#include "mm/pfn.h"
#include "mm/space.h"
#include "quire/assert.h"
#include "sys/system.h"

#define NT_UNIT_NS          100
#define TICK_MULTIPLIER     (1u << 24) /* milliseconds: low * multiplier >> 24 */
#define PRODUCT_WORKSTATION 1u

#define CPUID_MMX  (1u << 23)
#define CPUID_SSE  (1u << 25)
#define CPUID_SSE2 (1u << 26)

STATIC_ASSERT(offsetof(struct nt_shared_data, system_call) == QUIRE_SYSTEM_CALL);
STATIC_ASSERT(sizeof(struct nt_shared_data) <= QUIRE_STUB);

static struct nt_shared_data *shared; /* in the direct map */

static void write_time(struct nt_system_time *time, int64_t value)
{
    volatile struct nt_system_time *target = time;
    target->high2 = (int32_t)(value >> 32);
    target->low = (uint32_t)value;
    target->high1 = (int32_t)(value >> 32);
}

/* Interrupt context. */
static void tick(int64_t now)
{
    int64_t milliseconds = now / NS_PER_MS;
    write_time(&shared->interrupt_time, now / NT_UNIT_NS);
    write_time(&shared->system_time, clock_system_time());
    write_time(&shared->tick_count, milliseconds);
    shared->tick_count_low = (uint32_t)milliseconds;
}

void shared_data_start(void)
{
    static const uint16_t root[] = u"C:\\quire";
    struct mm_frame_counts frames;
    shared = frame_address(mm_shared_page());
    mm_count_frames(&frames);
    shared->tick_count_multiplier = TICK_MULTIPLIER;
    for (uint32_t i = 0; i < ARRAY_COUNT(root); i++) {
        shared->nt_system_root[i] = root[i];
    }
    shared->image_number_low = 0x14C; /* i386 */
    shared->image_number_high = 0x14C;
    shared->large_page_minimum = 0;
    shared->nt_product_type = PRODUCT_WORKSTATION;
    shared->product_type_is_valid = 1;
    shared->nt_major_version = 6;
    shared->nt_minor_version = 1;
    shared->number_of_physical_pages = frames.total;
    shared->active_console_id = 1;
    shared->processor_features[NT_FEATURE_COMPARE_EXCHANGE_DOUBLE] = 1;
    shared->processor_features[NT_FEATURE_RDTSC] = 1;
    shared->processor_features[NT_FEATURE_PAE] = 1;
    shared->processor_features[NT_FEATURE_NX] = paging_has_nx();
    uint32_t instructions = cpu_instruction_sets();
    shared->processor_features[NT_FEATURE_MMX] = (instructions & CPUID_MMX) != 0;
    shared->processor_features[NT_FEATURE_XMMI] = (instructions & CPUID_SSE) != 0;
    shared->processor_features[NT_FEATURE_XMMI64] = (instructions & CPUID_SSE2) != 0;
    tick(clock_now());
    trap_write_stub(shared);
    scheduler_set_tick_hook(tick);
}
