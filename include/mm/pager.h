/*
 * include/mm/pager.h: where a segment's contents come from and go to: the operations that a file
 * system, an image or a device registers with the segment it makes.
 */
#ifndef MM_PAGER_H
#define MM_PAGER_H

#include "quire/annotate.h"
#include "quire/status.h"
#include "quire/types.h"

#define PAGER_READ_PAGES    128u /* pages of one page_in at most */
#define PAGER_RESERVE_PAGES 32u  /* pages of the run of one reserve */
#define PAGER_WRITE_PAGES   171u /* pages of one page_out at most: a third of a chunk */

struct segment;

/* None is called with a lock of mm/ held. All may block but must not wait for frames. */
struct pager_operations {
    const char *kind; /* "file", "image", ... for reports */
    /*
     * Fills NPAGES frames with the contents of pages [first, first + npages); bytes past the end
     * of the contents are zero. On an error every frame is undefined.
     */
    status_t (*page_in)(void *context, uint32_t first, uint32_t npages, const pfn_t *frames);
    /*
     * Page WANTED, inside the run of PAGER_RESERVE_PAGES pages from FIRST on, is about to be
     * stored to: sees to it that it can be written without any allocation. *READY gets a bit for
     * each page of the run of which that is true now (of WANTED in any case). NULL: the contents
     * cannot be changed.
     * => STATUS_DISK_FULL and the like: what whoever stores gets.
     */
    status_t (*reserve)(void *context, uint32_t first, uint32_t wanted, uint32_t *ready);
    /*
     * Writes NPAGES pages, all ready; returns when the device has them. What lies past the end of
     * the contents in the last frame may be zeroed first: no store can reach it meanwhile.
     */
    status_t (*page_out)(void *context, uint32_t first, uint32_t npages, const pfn_t *frames);
    /*
     * Writes what is needed to find the contents that were paged out; DURABLE: with a device
     * flush after it.
     */
    status_t (*sync)(void *context, bool durable);
    /* The segment is gone: the pager may free CONTEXT. */
    void (*released)(void *context);
};

#endif
