/*
 * include/mm/pager.h: where a segment's contents come from: the operations that a file system, an
 * image or a device registers with the segment it makes.
 */
#ifndef MM_PAGER_H
#define MM_PAGER_H

#include "quire/annotate.h"
#include "quire/status.h"
#include "quire/types.h"

#define PAGER_CLUSTER_PAGES 32u /* pages of one page_in at most */

struct segment;

struct pager_operations {
    const char *kind; /* "file", "image", ... for reports */
    /*
     * Fills NPAGES frames with the contents of pages [first, first + npages); bytes past the end
     * of the contents are zero. Blocks. No mm lock held. On an error every frame is undefined.
     */
    status_t (*page_in)(void *context, uint32_t first, uint32_t npages, const pfn_t *frames);
    /* The segment is gone: the pager may free CONTEXT. May block. */
    void (*released)(void *context);
};

#endif
