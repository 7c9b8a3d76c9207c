/*
 * sys/virtual.c: the system calls on memory: allocate, free, protect, lock, query, read, write.
 *
 * Each captures its in-out arguments once, finds the process, holds its space for the time of the
 * call, and lets mm perform. mm checks everything about addresses and protections.
 */
#include "mm/virtual.h"

#include "abi/constants.h"
#include "abi/process.h"
#include "abi/quire.h"
#include "fs/file.h"
#include "kernel/paging.h"
#include "kernel/usercopy.h"
#include "mm/lock.h"
#include "mm/pool.h"
#include "mm/statistics.h"
#include "mm/view.h"
#include "sys/calls.h"
#include "sys/image.h"
#include "sys/pagefile.h"
#include "sys/process.h"
#include "sys/statistics.h"

#define COPY_NBYTES    4096u
#define FRAMES_AT_ONCE 64u

#define MODULE_NAME_NBYTES   64u
#define STRING_MAXIMUM_EXTRA 2u

/* A process whose space this call uses. */
struct target {
    struct process *process;
    struct space *space;
};

static status_t take_target(uint32_t handle, uint32_t access, struct target *target)
{
    struct object *object;
    status_t status = ob_reference(handle, &process_type, access, &object);
    if (is_error(status)) {
        return status;
    }
    target->process = container_of(object, struct process, object);
    status = ps_take_space(target->process, &target->space);
    if (is_error(status)) {
        ob_unref(object);
    }
    return status;
}

static void release_target(const struct target *target)
{
    ps_release_space(target->process, target->space);
    ob_unref(&target->process->object);
}

/* The range at two in-out pointers. */
static status_t read_range(uint32_t base_pointer, uint32_t nbytes_pointer, uaddr_t *base,
                           uint32_t *nbytes)
{
    status_t status = user_read_u32((uaddr_t){base_pointer}, &base->v);
    return is_success(status) ? user_read_u32((uaddr_t){nbytes_pointer}, nbytes) : status;
}

static status_t write_range(uint32_t base_pointer, uint32_t nbytes_pointer, uaddr_t base,
                            uint32_t nbytes)
{
    status_t status = user_write_u32((uaddr_t){base_pointer}, base.v);
    return is_success(status) ? user_write_u32((uaddr_t){nbytes_pointer}, nbytes) : status;
}

/* A commit in a view that grows takes the section, and so the file, along. */
static status_t extend_for_commit(struct space *space, uaddr_t base, uint32_t nbytes, uint32_t type)
{
    struct section *section;
    uint64_t wanted;
    if ((type & (MEM_COMMIT | MEM_RESERVE)) != MEM_COMMIT ||
        !mm_view_lacks(space, base, nbytes, &section, &wanted)) {
        return STATUS_SUCCESS;
    }
    status_t status = fs_extend_section_to_page(section, wanted);
    mm_section_release(section);
    return status;
}

/* ProcessHandle, BaseAddress*, ZeroBits, RegionSize*, AllocationType, Protection */
static status_t allocate_virtual(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct target target;
    uaddr_t base = {0};
    uint32_t nbytes = 0;
    status_t status = mm_check_allocation_flags(arguments[2], arguments[4], arguments[5]);
    if (is_success(status)) {
        status = read_range(arguments[1], arguments[3], &base, &nbytes);
    }
    if (is_success(status)) {
        status = mm_check_allocation_range(base, nbytes);
    }
    if (is_success(status)) {
        status = take_target(arguments[0], PROCESS_VM_OPERATION, &target);
    }
    if (is_error(status)) {
        return status;
    }
    status = extend_for_commit(target.space, base, nbytes, arguments[4]);
    if (is_success(status)) {
        status = mm_allocate_virtual(target.space, &base, &nbytes, arguments[2], arguments[4],
                                     arguments[5]);
    }
    release_target(&target);
    return is_success(status) ? write_range(arguments[1], arguments[3], base, nbytes) : status;
}

status_t sys_NtAllocateVirtualMemory(const uint32_t *arguments, struct trap_frame *frame)
{
    return commit_and_grow(allocate_virtual, arguments, frame);
}

/* ProcessHandle, BaseAddress*, RegionSize*, FreeType */
status_t sys_NtFreeVirtualMemory(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct target target;
    uaddr_t base;
    uint32_t nbytes;
    if (arguments[3] != MEM_DECOMMIT && arguments[3] != MEM_RELEASE) {
        return STATUS_INVALID_PARAMETER_4; /* before handle and pointers (FRE01) */
    }
    status_t status = read_range(arguments[1], arguments[2], &base, &nbytes);
    if (is_success(status)) {
        status = take_target(arguments[0], PROCESS_VM_OPERATION, &target);
    }
    if (is_error(status)) {
        return status;
    }
    status = mm_free_virtual(target.space, &base, &nbytes, arguments[3]);
    release_target(&target);
    if (is_success(status)) {
        /* It is freed; pointers that lay in the freed memory itself get no answer. */
        status_t stored = write_range(arguments[1], arguments[2], base, nbytes);
        (void)stored;
    }
    return status;
}

/* ProcessHandle, BaseAddress*, RegionSize*, NewProtection, OldProtection* */
static status_t protect_virtual(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct target target;
    uaddr_t base;
    uint32_t nbytes;
    uint32_t old = 0;
    status_t status = mm_check_protection(arguments[3]);
    if (is_success(status)) {
        status = read_range(arguments[1], arguments[2], &base, &nbytes);
    }
    if (is_success(status)) {
        status = user_probe_write((uaddr_t){arguments[4]}, sizeof(old));
    }
    if (is_success(status)) {
        status = take_target(arguments[0], PROCESS_VM_OPERATION, &target);
    }
    if (is_error(status)) {
        return status;
    }
    status = mm_protect_virtual(target.space, &base, &nbytes, arguments[3], &old);
    release_target(&target);
    if (is_error(status)) {
        return status;
    }
    status_t stored = write_range(arguments[1], arguments[2], base, nbytes);
    if (is_success(stored)) {
        stored = user_write_u32((uaddr_t){arguments[4]}, old);
    }
    return is_error(stored) ? stored : status;
}

/* ---- NtLockVirtualMemory, NtUnlockVirtualMemory -----------------------------------------------
 */

static status_t check_map_type(uint32_t type)
{
    if (type == 0 || (type & ~(NT_MAP_PROCESS | NT_MAP_SYSTEM)) != 0) {
        return STATUS_INVALID_PARAMETER;
    }
    return (type & NT_MAP_SYSTEM) != 0 ? STATUS_PRIVILEGE_NOT_HELD : STATUS_SUCCESS;
}

/* ProcessHandle, BaseAddress*, RegionSize*, MapType */
static status_t lock_virtual(const uint32_t *arguments,
                             status_t (*perform)(struct space *, uaddr_t *, uint32_t *))
{
    struct target target;
    uaddr_t base = {0};
    uint32_t nbytes = 0;
    status_t status = check_map_type(arguments[3]);
    if (is_success(status)) {
        status = read_range(arguments[1], arguments[2], &base, &nbytes);
    }
    if (is_success(status)) {
        status = mm_check_lock_range(base, nbytes);
    }
    if (is_success(status)) {
        status = take_target(arguments[0], PROCESS_VM_OPERATION, &target);
    }
    if (is_error(status)) {
        return status;
    }
    status = perform(target.space, &base, &nbytes);
    release_target(&target);
    if (is_error(status)) {
        return status;
    }
    status_t stored = write_range(arguments[1], arguments[2], base, nbytes);
    return is_error(stored) ? stored : status;
}

static status_t perform_lock_virtual(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    return lock_virtual(arguments, mm_lock_virtual);
}

status_t sys_NtLockVirtualMemory(const uint32_t *arguments, struct trap_frame *frame)
{
    return commit_and_grow(perform_lock_virtual, arguments, frame);
}

status_t sys_NtUnlockVirtualMemory(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    return lock_virtual(arguments, mm_unlock_virtual);
}

status_t sys_NtProtectVirtualMemory(const uint32_t *arguments, struct trap_frame *frame)
{
    return commit_and_grow(protect_virtual, arguments, frame);
}

/* ---- NtQueryVirtualMemory ---------------------------------------------------------------------
 */

/* ProcessHandle, BaseAddress, InformationClass, Information, Length, ReturnLength* */
enum query_argument { ARG_PROCESS, ARG_BASE, ARG_CLASS, ARG_BUFFER, ARG_LENGTH, ARG_RETURNED };

static status_t store_length(const uint32_t *arguments, uint32_t nbytes)
{
    if (arguments[ARG_RETURNED] == 0) {
        return STATUS_SUCCESS;
    }
    return user_write_u32((uaddr_t){arguments[ARG_RETURNED]}, nbytes);
}

static status_t query_region(const uint32_t *arguments, struct space *space)
{
    struct nt_memory_basic_information answer;
    struct memory_region region;
    if (arguments[ARG_LENGTH] < sizeof(answer)) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    status_t status = mm_query_virtual(space, (uaddr_t){arguments[ARG_BASE]}, &region);
    if (is_error(status)) {
        return status;
    }
    answer = (struct nt_memory_basic_information){
        .base_address = region.base.v,
        .allocation_base = region.allocation_base.v,
        .allocation_protect = region.allocation_protection,
        .region_size = region.nbytes,
        .state = region.state,
        .protect = region.protection,
        .type = region.type,
    };
    status = copy_to_user((uaddr_t){arguments[ARG_BUFFER]}, &answer, sizeof(answer));
    return is_success(status) ? store_length(arguments, sizeof(answer)) : status;
}

static status_t query_frames(const uint32_t *arguments, struct space *space)
{
    struct quire_frame frames[FRAMES_AT_ONCE];
    uint32_t address = arguments[ARG_BASE] & ~PAGE_MASK;
    uint32_t count = arguments[ARG_LENGTH] / (uint32_t)sizeof(frames[0]);
    uint32_t done = 0;
    if (count == 0) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    if (address >= USER_END) {
        return STATUS_INVALID_PARAMETER;
    }
    count = min_u32(count, (USER_END - address) >> PAGE_SHIFT);
    while (done < count) {
        uint32_t n = min_u32(count - done, FRAMES_AT_ONCE);
        status_t status =
            mm_query_frames(space, (uaddr_t){address + (done << PAGE_SHIFT)}, n, frames);
        if (is_success(status)) {
            uint32_t offset = done * (uint32_t)sizeof(frames[0]);
            status = copy_to_user((uaddr_t){arguments[ARG_BUFFER] + offset}, frames,
                                  n * (uint32_t)sizeof(frames[0]));
        }
        if (is_error(status)) {
            return status;
        }
        done += n;
    }
    return store_length(arguments, done * (uint32_t)sizeof(frames[0]));
}

static void describe_region(struct space *space, const struct memory_region *region,
                            struct quire_region_pages *answer)
{
    struct mm_region_pages pages;
    mm_count_region(space, region->base, region->nbytes, &pages);
    *answer = (struct quire_region_pages){
        .region = {.base = region->base.v,
                   .nbytes = region->nbytes,
                   .allocation_base = region->allocation_base.v,
                   .state = region->state,
                   .protection = region->protection,
                   .allocation_protection = region->allocation_protection,
                   .type = region->type,
                   .resident_pages = pages.resident,
                   .linked_chunks = pages.linked_chunks},
        .private_pages = pages.private_pages,
        .shared_pages = pages.shared_pages,
        .linked_pages = pages.linked_pages,
        .nearby_pages = pages.nearby,
        .paged_out_pages = pages.paged_out,
        .unknown_pages = pages.table_out,
        .private_tables = pages.private_tables,
    };
}

/* The next region at or after ADDRESS that is not free; false: there is none. */
static bool next_region(struct space *space, uint32_t address, struct quire_region_pages *answer)
{
    while (address < USER_END) {
        struct memory_region region;
        if (is_error(mm_query_virtual(space, (uaddr_t){address}, &region)) || region.nbytes == 0) {
            return false;
        }
        if (region.state != MEM_FREE) {
            describe_region(space, &region, answer);
            return true;
        }
        uint32_t end = region.base.v + region.nbytes;
        if (end <= address) {
            return false;
        }
        address = end;
    }
    return false;
}

/* NBYTES of each: a struct quire_region, or all of a struct quire_region_pages. */
static status_t query_regions(const uint32_t *arguments, struct space *space, uint32_t nbytes)
{
    struct quire_region_pages pages;
    uint32_t done = 0;
    uint32_t address = arguments[ARG_BASE];
    if (arguments[ARG_LENGTH] < nbytes) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    while (arguments[ARG_LENGTH] - done >= nbytes && next_region(space, address, &pages)) {
        status_t status = copy_to_user((uaddr_t){arguments[ARG_BUFFER] + done}, &pages, nbytes);
        if (is_error(status)) {
            return status;
        }
        done += nbytes;
        address = pages.region.base + pages.region.nbytes;
    }
    return store_length(arguments, done);
}

/* MemoryMappedFilenameInformation: the module's name, as far as the kernel knows it. */
static status_t query_name(const uint32_t *arguments, const struct target *target)
{
    char name[MODULE_NAME_NBYTES];
    uint32_t base;
    if (!image_name_at(target->process, target->space, arguments[ARG_BASE], name, sizeof(name),
                       &base)) {
        return STATUS_INVALID_ADDRESS;
    }
    uint16_t text[MODULE_NAME_NBYTES];
    uint16_t length = 0;
    while (name[length] != '\0') {
        text[length] = (uint8_t)name[length];
        length++;
    }
    text[length] = 0;
    uint32_t text_nbytes = length * 2u + STRING_MAXIMUM_EXTRA;
    uint32_t nbytes = (uint32_t)sizeof(struct nt_unicode_string) + text_nbytes;
    struct nt_unicode_string string = {(uint16_t)(length * 2u), (uint16_t)text_nbytes,
                                       arguments[ARG_BUFFER] + (uint32_t)sizeof(string)};
    if (arguments[ARG_LENGTH] < nbytes) {
        return is_error(store_length(arguments, nbytes)) ? STATUS_ACCESS_VIOLATION
                                                         : STATUS_BUFFER_OVERFLOW;
    }
    status_t status = copy_to_user((uaddr_t){arguments[ARG_BUFFER]}, &string, sizeof(string));
    if (is_success(status)) {
        status = copy_to_user((uaddr_t){string.buffer}, text, text_nbytes);
    }
    return is_success(status) ? store_length(arguments, nbytes) : status;
}

status_t sys_NtQueryVirtualMemory(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct target target;
    status_t status = take_target(arguments[ARG_PROCESS], PROCESS_QUERY_INFORMATION, &target);
    if (is_error(status)) {
        return status;
    }
    switch (arguments[ARG_CLASS]) {
    case NT_MEMORY_BASIC_INFORMATION:
        status = query_region(arguments, target.space);
        break;
    case NT_MEMORY_WORKING_SET:
        status = query_working_set(arguments, target.space);
        break;
    case NT_MEMORY_WORKING_SET_INFORMATION:
        status = query_working_set_ex(arguments, target.space);
        break;
    case NT_MEMORY_MAPPED_NAME:
        status = query_name(arguments, &target);
        break;
    case MEMORY_QUIRE_FRAMES:
        status = query_frames(arguments, target.space);
        break;
    case MEMORY_QUIRE_REGIONS:
        status = query_regions(arguments, target.space, sizeof(struct quire_region));
        break;
    case MEMORY_QUIRE_REGION_PAGES:
        status = query_regions(arguments, target.space, sizeof(struct quire_region_pages));
        break;
    default:
        status = STATUS_INVALID_INFO_CLASS;
        break;
    }
    release_target(&target);
    return status;
}

/* ---- NtReadVirtualMemory, NtWriteVirtualMemory ------------------------------------------------
 */

/* One piece from or to the other space, by way of BUFFER. *DONE says how far it came. */
static status_t copy_piece(struct space *space, uint32_t there, uint32_t here, void *buffer,
                           uint32_t nbytes, bool is_write, uint32_t *done)
{
    *done = 0;
    if (is_write) {
        status_t status = copy_from_user(buffer, (uaddr_t){here}, nbytes);
        return is_success(status) ? mm_write_space(space, (uaddr_t){there}, buffer, nbytes, done)
                                  : status;
    }
    uint32_t copied = 0;
    status_t status = mm_read_space(space, (uaddr_t){there}, buffer, nbytes, &copied);
    if (copied > 0) {
        status_t stored = copy_to_user((uaddr_t){here}, buffer, copied);
        if (is_error(stored)) {
            return stored;
        }
        *done = copied;
    }
    return status;
}

/* NT's words for a copy that failed: nothing came, or a part. */
static status_t copy_status(status_t status, uint32_t done)
{
    if (is_success(status)) {
        return STATUS_SUCCESS;
    }
    return done > 0 ? STATUS_PARTIAL_COPY : status;
}

/* ProcessHandle, BaseAddress, Buffer, Length, Done* */
static status_t copy_virtual(const uint32_t *arguments, uint32_t access, bool is_write)
{
    struct target target;
    uint32_t nbytes = arguments[3];
    uint32_t done = 0;
    status_t status = user_range_check((uaddr_t){arguments[2]}, nbytes);
    if (is_success(status)) {
        status = user_range_check((uaddr_t){arguments[1]}, nbytes);
    }
    if (is_success(status)) {
        status = take_target(arguments[0], access, &target);
    }
    if (is_error(status)) {
        return status;
    }
    void *buffer = mm_allocate(COPY_NBYTES);
    if (buffer == NULL) {
        status = STATUS_INSUFFICIENT_RESOURCES;
    }
    while (is_success(status) && done < nbytes) {
        uint32_t piece = min_u32(nbytes - done, COPY_NBYTES);
        uint32_t copied;
        status = copy_piece(target.space, arguments[1] + done, arguments[2] + done, buffer, piece,
                            is_write, &copied);
        done += copied;
        if (is_success(status) && thread_self()->terminating) {
            status = STATUS_THREAD_IS_TERMINATING; /* nobody waits for 2 GiB */
        }
    }
    mm_free(buffer, COPY_NBYTES);
    release_target(&target);
    if (arguments[4] != 0) {
        status_t stored = user_write_u32((uaddr_t){arguments[4]}, done);
        status = is_error(stored) ? stored : status;
    }
    return copy_status(status, done);
}

status_t sys_NtReadVirtualMemory(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    return copy_virtual(arguments, PROCESS_VM_READ, false);
}

status_t sys_NtWriteVirtualMemory(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    return copy_virtual(arguments, PROCESS_VM_WRITE, true);
}
