/*
 * mm/regions.h: removing whole regions: what an address space does at its end, and the calls by
 * which views and private memory go.
 */
#ifndef MM_REGIONS_H
#define MM_REGIONS_H

#include "quire/types.h"

struct section;
struct space;
struct vad;

/* => space lock held. Frees a private region with all it holds. */
void mi_release_private(struct space *space, struct vad *vad);

/*
 * => space lock held. Takes a view out of its space; the section that it still references goes to
 * mi_view_gone once the lock is released.
 */
struct section *mi_remove_view(struct space *space, struct vad *vad);

/* => space lock held. Tells the section's owner that a view is about to exist. */
void mi_view_comes(struct section *section);

/* => no locks. Tells the section's owner that a view is gone; may end the section. */
void mi_view_gone(struct section *section);

/* The size of a section that may be extended at this moment. */
uint64_t mi_section_nbytes(const struct section *section);

#endif
