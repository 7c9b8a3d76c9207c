/*
 * include/mm/pagefile.h: the paging file as the file system hands it over: where it lies on its
 * device. mm/ reads and writes it below the file system.
 */
#ifndef MM_PAGEFILE_H
#define MM_PAGEFILE_H

#include "quire/annotate.h"
#include "quire/status.h"
#include "quire/types.h"

struct block_device;

/* A piece that is contiguous on the device. */
struct pagefile_extent {
    uint64_t sector;
    uint32_t npages;
};

/*
 * Starts paging to the file: commit's limit grows by its pages. EXTENTS is copied. Once, by a
 * thread that may block.
 * => STATUS_INVALID_PARAMETER without pages or with more than PAGEFILE_PAGES_MAX,
 * STATUS_INSUFFICIENT_RESOURCES, STATUS_COMMITMENT_LIMIT.
 */
MUST_CHECK status_t mm_pagefile_open(struct block_device *device,
                                     const struct pagefile_extent *extents, uint32_t nextents);

#define PAGEFILE_PAGES_MAX (4u << 18) /* 4 GiB */

/*
 * How the file grows: NPAGES more, whose pieces are told in EXTENTS (room for MAX). May block; no
 * locks of mm/.
 */
void mm_pagefile_register_extend(status_t (*operation)(uint32_t npages,
                                                       struct pagefile_extent *extents,
                                                       uint32_t max, uint32_t *nextents));

/*
 * The file has at least MINIMUM pages at once, and may grow to MAXIMUM (both up to
 * PAGEFILE_PAGES_MAX). => OBJECT_NAME_NOT_FOUND without a paging file, INSUFFICIENT_RESOURCES,
 * DISK_FULL, what the device says: it may have grown then, but not to MINIMUM. No locks.
 */
MUST_CHECK status_t mm_pagefile_set_limits(uint32_t minimum, uint32_t maximum);

/*
 * The calling thread was refused commit: grows the file so that its charge finds room, and SLACK
 * pages more where there are that many. False when it was not refused any, when the greatest size
 * would not be enough, or the disk has not as much (what it has is kept then). True with nothing
 * done, when there is room by now. No locks.
 */
bool mm_pagefile_grow(uint32_t slack);

/*
 * Grows the file, where it may, while there is still some commit left: for the calling thread is
 * about to charge little by little what it would be hard to begin anew. No locks.
 */
void mm_pagefile_keep_ahead(void);

struct mm_pagefile_usage {
    uint32_t total_pages;
    uint32_t used_pages;
    uint32_t peak_pages; /* the most that were in use at once */
    uint64_t pages_written;
    uint64_t pages_read;
    uint64_t write_requests;
    uint64_t read_requests;
    uint64_t write_errors;
};
void mm_read_pagefile_usage(struct mm_pagefile_usage *now);

#endif
