/*
 * include/sys/statistics.h: the information classes that tell how memory is used.
 */
#ifndef SYS_STATISTICS_H
#define SYS_STATISTICS_H

#include "quire/annotate.h"
#include "quire/status.h"

struct mm_space_usage;
struct nt_io_counters;
struct nt_vm_counters;
struct process;
struct space;

/* Classes of NtQuerySystemInformation. */
MUST_CHECK status_t system_performance(const uint32_t *arguments);
MUST_CHECK status_t system_page_files(const uint32_t *arguments);
MUST_CHECK status_t system_quire_memory(const uint32_t *arguments);
MUST_CHECK status_t system_quire_paging(const uint32_t *arguments);

/* ProcessVmCounters; of a process that has ended, what it was at its end. */
MUST_CHECK status_t process_vm_counters(const uint32_t *arguments, struct process *process);
void fill_vm_counters(struct nt_vm_counters *counters, const struct mm_space_usage *usage);

/* NtReadFile or NtWriteFile of the calling thread has moved NBYTES. */
void statistics_count_read(uint32_t nbytes);
void statistics_count_write(uint32_t nbytes);

/* ProcessIoCounters. */
MUST_CHECK status_t process_io_counters(const uint32_t *arguments, struct process *process);
void fill_io_counters(struct nt_io_counters *counters, struct process *process);

/* Classes of NtQueryVirtualMemory: MemoryWorkingSetList and MemoryWorkingSetExInformation. */
MUST_CHECK status_t query_working_set(const uint32_t *arguments, struct space *space);
MUST_CHECK status_t query_working_set_ex(const uint32_t *arguments, struct space *space);

#endif
