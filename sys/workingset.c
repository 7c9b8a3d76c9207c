/*
 * sys/workingset.c: the pages of a process that are valid now, as NtQueryVirtualMemory lists them.
 *
 * MemoryWorkingSetList gives all of them; MemoryWorkingSetExInformation tells of the addresses that
 * the caller has put into the buffer. Pages seen through a linked table are valid as others are.
 */
#include "abi/constants.h"
#include "abi/process.h"
#include "kernel/paging.h"
#include "kernel/usercopy.h"
#include "mm/statistics.h"
#include "sys/statistics.h"

/* ProcessHandle, BaseAddress, InformationClass, Information, Length, ReturnLength* */
enum query_argument { ARG_PROCESS, ARG_BASE, ARG_CLASS, ARG_BUFFER, ARG_LENGTH, ARG_RETURNED };

#define ENTRIES_AT_ONCE 64u

static status_t store_length(const uint32_t *arguments, uint32_t nbytes)
{
    if (arguments[ARG_RETURNED] == 0) {
        return STATUS_SUCCESS;
    }
    return user_write_u32((uaddr_t){arguments[ARG_RETURNED]}, nbytes);
}

/* NT's numbers for a protection in a working-set list: not the PAGE_ flags. */
static uint32_t list_protection(uint32_t protection)
{
    static const uint8_t numbers[] = {0 /* NOACCESS */,          1 /* READONLY */,
                                      4 /* READWRITE */,         5 /* WRITECOPY */,
                                      2 /* EXECUTE */,           3 /* EXECUTE_READ */,
                                      6 /* EXECUTE_READWRITE */, 7 /* EXECUTE_WRITECOPY */};
    uint32_t number = numbers[(uint32_t)__builtin_ctz(protection) & 7u];
    return number | ((protection & PAGE_NOCACHE) != 0 ? NT_WORKING_SET_NOCACHE : 0);
}

/* A page of the process's own has a share count of 0. */
static uint32_t share_count(const struct mm_page *page)
{
    return page->is_shareable ? min_u32(page->shares, NT_WORKING_SET_SHARE_MAX) : 0;
}

static uint32_t list_entry_of(uint32_t number, const struct mm_page *page)
{
    return number << PAGE_SHIFT | list_protection(page->protection) |
           share_count(page) << NT_WORKING_SET_SHARE_SHIFT |
           (page->is_shareable ? NT_WORKING_SET_SHARED : 0);
}

/* Stores as many as there is room for; *COUNT: how many there are. */
static status_t store_list(struct space *space, uint32_t address, uint32_t room, uint32_t *count)
{
    uint32_t words[ENTRIES_AT_ONCE];
    uint32_t held = 0;
    uint32_t done = 0;
    uint32_t number = 0;
    struct mm_page page;
    for (*count = 0; mm_next_valid_page(space, &number, &page); number++) {
        if (*count < room) {
            words[held++] = list_entry_of(number, &page);
        }
        (*count)++;
        if (held == ENTRIES_AT_ONCE) {
            status_t status = copy_to_user((uaddr_t){address + done * 4u}, words, held * 4u);
            if (is_error(status)) {
                return status;
            }
            done += held;
            held = 0;
        }
    }
    return copy_to_user((uaddr_t){address + done * 4u}, words, held * 4u);
}

status_t query_working_set(const uint32_t *arguments, struct space *space)
{
    uint32_t count;
    if (arguments[ARG_LENGTH] < sizeof(struct nt_memory_working_set)) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    uint32_t room = arguments[ARG_LENGTH] / 4u - 1;
    status_t status = user_range_check((uaddr_t){arguments[ARG_BUFFER]}, arguments[ARG_LENGTH]);
    if (is_success(status)) {
        status = store_list(space, arguments[ARG_BUFFER] + 4u, room, &count);
    }
    if (is_success(status)) {
        status = user_write_u32((uaddr_t){arguments[ARG_BUFFER]}, count);
    }
    if (is_error(status)) {
        return status;
    }
    return count > room ? STATUS_INFO_LENGTH_MISMATCH : store_length(arguments, (count + 1) * 4u);
}

static uint32_t attributes_of(struct space *space, uint32_t address)
{
    struct mm_page page;
    if (address >= USER_END) {
        return 0;
    }
    mm_query_page(space, (uaddr_t){address}, &page);
    uint32_t shared = page.is_shareable ? NT_WORKING_SET_EX_SHARED : 0;
    if (!page.is_valid) {
        return shared;
    }
    return NT_WORKING_SET_EX_VALID | shared | share_count(&page) << NT_WORKING_SET_EX_SHARE_SHIFT |
           (page.protection & NT_WORKING_SET_EX_PROTECTION_MASK)
               << NT_WORKING_SET_EX_PROTECTION_SHIFT;
}

status_t query_working_set_ex(const uint32_t *arguments, struct space *space)
{
    struct nt_memory_working_set_ex entries[ENTRIES_AT_ONCE];
    uint32_t left = arguments[ARG_LENGTH] / (uint32_t)sizeof(entries[0]);
    uint32_t address = arguments[ARG_BUFFER];
    if (left == 0 || arguments[ARG_LENGTH] % sizeof(entries[0]) != 0) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    while (left > 0) {
        uint32_t count = min_u32(left, ENTRIES_AT_ONCE);
        uint32_t nbytes = count * (uint32_t)sizeof(entries[0]);
        status_t status = copy_from_user(entries, (uaddr_t){address}, nbytes);
        for (uint32_t i = 0; is_success(status) && i < count; i++) {
            entries[i].virtual_attributes = attributes_of(space, entries[i].virtual_address);
        }
        if (is_success(status)) {
            status = copy_to_user((uaddr_t){address}, entries, nbytes);
        }
        if (is_error(status)) {
            return status;
        }
        address += nbytes;
        left -= count;
    }
    return store_length(arguments, arguments[ARG_LENGTH]);
}
