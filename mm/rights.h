/*
 * mm/rights.h: what a protection lets one do: the rule by which a section limits its views, and a
 * view its pages (write-copy counts as reading).
 */
#ifndef MM_RIGHTS_H
#define MM_RIGHTS_H

#include "mm/pte.h"

#define RIGHT_READ    1u
#define RIGHT_WRITE   2u
#define RIGHT_EXECUTE 4u

uint32_t mi_rights_of(prot_t prot);

#endif
