/*
 * mm/protect.h: changing the protection of pages.
 */
#ifndef MM_PROTECT_H
#define MM_PROTECT_H

#include "mm/vad.h"

/* => space lock held. Committed pages of [first, last] of a private region take PROT. */
MUST_CHECK status_t mi_protect_private(struct vad *vad, uint32_t first, uint32_t last, prot_t prot);

/* Whether a view's pages may have PROT: STATUS_SECTION_PROTECTION when it needs more rights. */
MUST_CHECK status_t mi_check_view_protection(const struct vad *vad, prot_t prot);

/*
 * => space lock held. Charges a view all its pages as private copies, once, when PROT is
 * write-copy: mi_protect_view cannot fail after it. STATUS_COMMITMENT_LIMIT, nothing changed.
 */
MUST_CHECK status_t mi_charge_copies(struct vad *vad, prot_t prot);

/* => space lock held. Takes that charge back: what it was made for has failed. */
void mi_uncharge_copies(struct vad *vad, uint32_t commit_before);

/*
 * => space lock held. Pages of [first, last] of a view take PROT. Charges private copies when PROT
 * is write-copy and the view was not: STATUS_COMMITMENT_LIMIT, nothing changed.
 */
MUST_CHECK status_t mi_protect_view(struct vad *vad, uint32_t first, uint32_t last, prot_t prot);

#endif
