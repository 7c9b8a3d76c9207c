/*
 * mm/transfer.c: copying between another process's memory and the kernel's: the pages are faulted
 * in as that process would, then copied page by page through a window under the space lock.
 */
#include "kernel/paging.h"
#include "kernel/string.h"
#include "mm/await.h"
#include "mm/fault.h"
#include "mm/link.h"
#include "mm/virtual.h"

/*
 * The frame that PAGE shows now for the kind of access, or PFN_NONE. => the space's lock held, and
 * of a view's page its chunk's: it stays while they are.
 */
static pfn_t shown_frame(const struct space *space, uint32_t page, enum access_kind kind)
{
    pte_t pde = pte_read(mi_directory_entry(space, page / CHUNK_PAGES));
    if (!pte_is_valid(pde)) {
        return PFN_NONE;
    }
    pte_t *entry = (pte_t *)frame_address(pte_frame(pde)) + page % CHUNK_PAGES;
    pte_t value = pte_read(entry);
    if (!pte_is_valid(value)) {
        return PFN_NONE;
    }
    if (kind == ACCESS_WRITE) {
        if ((pde.v & value.v & PTE_WRITE) == 0) {
            return PFN_NONE;
        }
        /* The store goes past the MMU: mark the page as the MMU would. */
        while (!pte_compare_exchange(entry, value, (pte_t){value.v | PTE_ACCESSED | PTE_DIRTY})) {
            value = pte_read(entry); /* a CPU set the accessed bit meanwhile, or the page left */
            if (!pte_is_valid(value) || (value.v & PTE_WRITE) == 0) {
                return PFN_NONE;
            }
        }
    }
    return pte_frame(value);
}

/* Copies inside one page; false when the page is not (or no longer) there. => the locks above. */
static bool copy_locked(const struct space *space, uaddr_t address, void *buffer, uint32_t nbytes,
                        enum access_kind kind)
{
    pfn_t frame = shown_frame(space, address.v >> PAGE_SHIFT, kind);
    if (!pfn_is_none(frame)) {
        char *window = window_open(frame);
        if (kind == ACCESS_WRITE) {
            memcpy(window + (address.v & PAGE_MASK), buffer, nbytes);
        } else {
            memcpy(buffer, window + (address.v & PAGE_MASK), nbytes);
        }
        window_close(window);
    }
    return !pfn_is_none(frame);
}

static bool copy_in_page(struct space *space, uaddr_t address, void *buffer, uint32_t nbytes,
                         enum access_kind kind)
{
    bool done = false;
    uint32_t page = address.v >> PAGE_SHIFT;
    mutex_lock(&space->lock);
    const struct vad *vad = mi_vad_find(space, page);
    if (vad != NULL && vad_is_view(vad)) {
        struct chunk *chunk = mi_chunk(vad->segment, mi_segment_page(vad, page) / CHUNK_PAGES);
        spin_lock(&chunk->lock);
        done = copy_locked(space, address, buffer, nbytes, kind);
        spin_unlock(&chunk->lock);
    } else if (vad != NULL) {
        done = copy_locked(space, address, buffer, nbytes, kind);
    }
    mutex_unlock(&space->lock);
    return done;
}

static status_t transfer_pages(struct space *space, uaddr_t address, char *buffer, uint32_t nbytes,
                               enum access_kind kind, uint32_t *copied)
{
    const struct access access = {.kind = kind, .user = true};
    *copied = 0;
    while (nbytes > 0) {
        if (address.v >= USER_END) {
            return STATUS_ACCESS_VIOLATION;
        }
        uint32_t piece = min_u32(nbytes, PAGE_BYTES - (address.v & PAGE_MASK));
        while (!copy_in_page(space, address, buffer, piece, kind)) {
            struct fault_report report;
            if (mm_access_fault(space, address, &access, &report) != FAULT_DONE) {
                return report.status;
            }
        }
        address.v += piece;
        buffer += piece;
        nbytes -= piece;
        *copied += piece;
    }
    return STATUS_SUCCESS;
}

static status_t transfer(struct space *space, uaddr_t address, char *buffer, uint32_t nbytes,
                         enum access_kind kind, uint32_t *copied)
{
    status_t status = transfer_pages(space, address, buffer, nbytes, kind, copied);
    mi_await_nothing();
    return status;
}

status_t mm_read_space(struct space *space, uaddr_t source, void *target, uint32_t nbytes,
                       uint32_t *copied)
{
    return transfer(space, source, target, nbytes, ACCESS_READ, copied);
}

status_t mm_write_space(struct space *space, uaddr_t target, const void *source, uint32_t nbytes,
                        uint32_t *copied)
{
    return transfer(space, target, (char *)(uintptr_t)source, nbytes, ACCESS_WRITE, copied);
}
