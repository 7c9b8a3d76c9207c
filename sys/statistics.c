/*
 * sys/statistics.c: how memory is used, for NtQuerySystemInformation and NtQueryInformationProcess:
 * frames, charges, the paging file, what is moved, working sets.
 *
 * Every figure is read from who keeps it, one after the other: each is right, though not all are of
 * the same moment. A field of NT's structures that is zero is one for which there is nothing here
 * to count (paged pool, the cache manager's copies).
 */
#include "sys/statistics.h"

#include "abi/process.h"
#include "abi/quire.h"
#include "kernel/block.h"
#include "kernel/clock.h"
#include "kernel/cpu.h"
#include "kernel/paging.h"
#include "kernel/string.h"
#include "kernel/usercopy.h"
#include "mm/commit.h"
#include "mm/fault.h"
#include "mm/pagefile.h"
#include "mm/pfn.h"
#include "mm/pool.h"
#include "mm/statistics.h"
#include "sys/answer.h"
#include "sys/process.h"

#define NT_UNIT_NS 100u

/* ---- transfers --------------------------------------------------------------------------------
 */

static struct io_counts system_io; /* [atomic] all processes, those that have ended too */

/* On this CPU 64 bits are read and changed at once by CMPXCHG8B alone. */
static void add(uint64_t *counter, uint64_t n)
{
    (void)__sync_fetch_and_add(counter, n);
}

static uint64_t read_counter(uint64_t *counter)
{
    return __sync_val_compare_and_swap(counter, 0, 0);
}

static struct io_counts read_counts(struct io_counts *counts)
{
    return (struct io_counts){.reads = read_counter(&counts->reads),
                              .writes = read_counter(&counts->writes),
                              .bytes_read = read_counter(&counts->bytes_read),
                              .bytes_written = read_counter(&counts->bytes_written)};
}

void statistics_count_read(uint32_t nbytes)
{
    add(&system_io.reads, 1);
    add(&system_io.bytes_read, nbytes);
    add(&ps_current()->io.reads, 1);
    add(&ps_current()->io.bytes_read, nbytes);
}

void statistics_count_write(uint32_t nbytes)
{
    add(&system_io.writes, 1);
    add(&system_io.bytes_written, nbytes);
    add(&ps_current()->io.writes, 1);
    add(&ps_current()->io.bytes_written, nbytes);
}

void fill_io_counters(struct nt_io_counters *counters, struct process *process)
{
    struct io_counts io = read_counts(&process->io);
    *counters = (struct nt_io_counters){.read_operations = io.reads,
                                        .write_operations = io.writes,
                                        .read_bytes = io.bytes_read,
                                        .write_bytes = io.bytes_written};
}

status_t process_io_counters(const uint32_t *arguments, struct process *process)
{
    struct nt_io_counters answer;
    fill_io_counters(&answer, process);
    return answer_exactly(arguments, &answer, sizeof(answer));
}

/* ---- the system -------------------------------------------------------------------------------
 */

status_t system_performance(const uint32_t *arguments)
{
    struct nt_system_performance_information answer;
    struct mm_frame_counts frames;
    struct mm_charges charges;
    struct mm_pagefile_usage file;
    struct mm_fault_counts faults;
    mm_count_frames(&frames);
    mm_read_charges(&charges);
    mm_read_pagefile_usage(&file);
    mm_read_fault_counts(&faults);
    struct io_counts io = read_counts(&system_io);
    memset(&answer, 0, sizeof(answer));
    answer.io_read_transfer_count = (int64_t)io.bytes_read;
    answer.io_write_transfer_count = (int64_t)io.bytes_written;
    answer.io_read_operations = (uint32_t)io.reads;
    answer.io_write_operations = (uint32_t)io.writes;
    answer.idle_time = (int64_t)(scheduler_idle_time() / NT_UNIT_NS);
    answer.available_pages = frames.free + frames.zeroed + frames.standby;
    answer.committed_pages = charges.commit;
    answer.commit_limit = charges.commit_limit;
    answer.peak_commitment = charges.commit_peak;
    answer.page_fault_count = (uint32_t)faults.all;
    answer.copy_on_write_count = (uint32_t)faults.copy_on_write;
    answer.transition_count = (uint32_t)faults.transition;
    answer.demand_zero_count = (uint32_t)faults.demand_zero;
    answer.page_read_count = (uint32_t)(file.pages_read + faults.pager_pages);
    answer.page_read_io_count = (uint32_t)(file.read_requests + faults.pager);
    answer.dirty_pages_write_count = (uint32_t)file.pages_written;
    answer.dirty_write_io_count = (uint32_t)file.write_requests;
    answer.non_paged_pool_pages = mm_pool_pages();
    answer.context_switches = (uint32_t)cpu_self()->switches;
    return answer_system(arguments, &answer, sizeof(answer));
}

/* One entry, with the file's name behind it; nothing at all without a paging file, as NT has it. */
status_t system_page_files(const uint32_t *arguments)
{
    static const uint16_t name[] = {'\\', '?', '?', '\\', 'C', ':', '\\', 'p', 'a', 'g',
                                    'e',  'f', 'i', 'l',  'e', '.', 's',  'y', 's', 0};
    struct {
        struct nt_system_page_file_information entry;
        uint16_t name[ARRAY_COUNT(name)];
    } answer;
    struct mm_pagefile_usage file;
    mm_read_pagefile_usage(&file);
    answer.entry = (struct nt_system_page_file_information){
        .total_size = file.total_pages,
        .total_in_use = file.used_pages,
        .peak_usage = file.peak_pages,
        .page_file_name = {sizeof(name) - sizeof(name[0]), sizeof(name),
                           arguments[1] + (uint32_t)sizeof(answer.entry)},
    };
    memcpy(answer.name, name, sizeof(name));
    return answer_system(arguments, &answer, file.total_pages != 0 ? sizeof(answer) : 0);
}

status_t system_quire_memory(const uint32_t *arguments)
{
    struct mm_frame_counts frames;
    struct mm_charges charges;
    struct process_counts counts;
    struct tlb_counters tlb;
    mm_count_frames(&frames);
    mm_read_charges(&charges);
    ps_count(&counts);
    tlb_read_counters(&tlb);
    const struct quire_memory answer = {
        .total_pages = frames.total,
        .free_pages = frames.free,
        .zeroed_pages = frames.zeroed,
        .active_pages = frames.active,
        .standby_pages = frames.standby,
        .modified_pages = frames.modified,
        .high_pages = frames.high,
        .commit_pages = charges.commit,
        .commit_limit_pages = charges.commit_limit,
        .pool_pages = mm_pool_pages(),
        .pool_objects = mm_pool_objects(),
        .table_pages = frames.tables,
        .processes = counts.processes,
        .threads = counts.threads,
        .idle_time = scheduler_idle_time(),
        .faults = mm_fault_count(),
        .tlb_flushes = tlb.pages + tlb.roots + tlb.all,
        .root_loads = tlb.loads,
    };
    return answer_system(arguments, &answer, sizeof(answer));
}

static void add_frames_and_charges(struct quire_paging *answer)
{
    struct mm_frame_uses uses;
    struct mm_charges charges;
    mm_count_frame_uses(&uses);
    mm_read_charges(&charges);
    answer->private_pages = uses.private_pages;
    answer->segment_pages = uses.segment_pages;
    answer->table_pages = uses.page_tables;
    answer->prototype_pages = uses.prototype_tables;
    answer->kernel_pages = uses.kernel_pages;
    answer->slab_pages = uses.slab_pages;
    answer->transition_pages = uses.transition;
    answer->bad_pages = uses.bad;
    answer->database_bytes = mm_database_bytes();
    answer->commit_peak_pages = charges.commit_peak;
    answer->resident_available_pages = charges.resident_available;
}

static void add_traffic(struct quire_paging *answer)
{
    struct mm_pagefile_usage file;
    struct block_counters disks;
    mm_read_pagefile_usage(&file);
    block_sum_counters(&disks);
    answer->pagefile_pages = file.total_pages;
    answer->pagefile_used_pages = file.used_pages;
    answer->pages_read = file.pages_read;
    answer->pages_written = file.pages_written;
    answer->page_reads = file.read_requests;
    answer->page_writes = file.write_requests;
    answer->page_write_errors = file.write_errors;
    answer->disk_reads = disks.reads;
    answer->disk_writes = disks.writes;
    answer->disk_flushes = disks.flushes;
    answer->disk_bytes_read = disks.sectors_read * SECTOR_BYTES;
    answer->disk_bytes_written = disks.sectors_written * SECTOR_BYTES;
}

static void add_faults(struct quire_paging *answer)
{
    struct mm_fault_counts faults;
    mm_read_fault_counts(&faults);
    answer->demand_zero_faults = faults.demand_zero;
    answer->transition_faults = faults.transition;
    answer->copy_on_write_faults = faults.copy_on_write;
    answer->paging_file_faults = faults.paging_file;
    answer->file_faults = faults.pager;
    answer->file_pages_read = faults.pager_pages;
}

status_t system_quire_paging(const uint32_t *arguments)
{
    struct quire_paging answer;
    struct process_counts counts;
    struct tlb_counters tlb;
    memset(&answer, 0, sizeof(answer));
    ps_count(&counts);
    tlb_read_counters(&tlb);
    add_frames_and_charges(&answer);
    add_traffic(&answer);
    add_faults(&answer);
    answer.handles = counts.handles;
    answer.uptime = (uint64_t)clock_now();
    answer.tlb_page_flushes = tlb.pages;
    answer.tlb_root_flushes = tlb.roots;
    answer.tlb_all_flushes = tlb.all;
    return answer_system(arguments, &answer, sizeof(answer));
}

/* ---- one process ------------------------------------------------------------------------------
 */

void fill_vm_counters(struct nt_vm_counters *counters, const struct mm_space_usage *usage)
{
    *counters = (struct nt_vm_counters){
        .peak_virtual_size = usage->peaks.reserved_pages << PAGE_SHIFT,
        .virtual_size = usage->reserved_pages << PAGE_SHIFT,
        .page_fault_count = (uint32_t)usage->peaks.faults,
        .peak_working_set_size = usage->peaks.working_set << PAGE_SHIFT,
        .working_set_size = usage->working_set << PAGE_SHIFT,
        .pagefile_usage = usage->commit_pages << PAGE_SHIFT,
        .peak_pagefile_usage = usage->peaks.commit_pages << PAGE_SHIFT,
    };
}

status_t process_vm_counters(const uint32_t *arguments, struct process *process)
{
    struct nt_vm_counters_ex answer;
    struct mm_space_usage usage;
    struct space *space;
    if (waitable_read(&process->ended) == 0 && is_success(ps_take_space(process, &space))) {
        mm_read_space_usage(space, &usage);
        ps_release_space(process, space);
    } else {
        usage = (struct mm_space_usage){.peaks = process->at_end}; /* it holds nothing any more */
    }
    fill_vm_counters(&answer.base, &usage);
    answer.private_usage = answer.base.pagefile_usage;
    bool is_long = arguments[3] == sizeof(answer);
    return answer_exactly(arguments, &answer, is_long ? sizeof(answer) : sizeof(answer.base));
}
