/*
 * mm/page_in.h: bringing pages into memory: of a segment, from its pager or the paging file; of an
 * address space, from the paging file.
 */
#ifndef MM_PAGE_IN_H
#define MM_PAGE_IN_H

#include "kernel/paging.h"
#include "quire/annotate.h"
#include "quire/status.h"

struct chunk;
struct segment;
struct space;

void mi_page_in_init(void);

/*
 * Brings PAGE, and neighbours that it pays to bring; or waits for whoever already does. Blocks; no
 * locks. The page may be gone again when it returns: look again.
 * => what the pager said, of PAGE; the paging file: what the device said, or STATUS_DATA_ERROR when
 *    the contents are not what was written.
 */
MUST_CHECK status_t mi_page_in(struct segment *segment, uint32_t page);
/*
 * The same with COUNT pages from PAGE on, as far as they are absent and one request takes them, and
 * no others; of what is no file as above.
 */
MUST_CHECK status_t mi_page_in_run(struct segment *segment, uint32_t page, uint32_t count);
MUST_CHECK status_t mi_page_in_private(struct space *space, uint32_t page);

/*
 * Brings the prototype table of a chunk, which is out, or waits for a frame to make it. HELD: the
 * space whose lock the caller holds, or NULL. Look again.
 * => what the disk said.
 */
MUST_CHECK status_t mi_page_in_table(struct chunk *chunk, struct space *held);

/* Waits until the contents of FRAME, which were on their way, are there or not. No locks. */
void mi_wait_for_page_in(pfn_t frame);

#endif
