/*
 * include/sys/section.h: section objects: an object header around mm's section.
 */
#ifndef SYS_SECTION_H
#define SYS_SECTION_H

#include "mm/section.h"
#include "sys/object.h"

struct section_object {
    struct object object;
    struct section section;
};

extern struct object_type section_type;

/* Registers the type, and with mm that a view counts as a use of its section. */
void section_start(void);

/* An object around a section that the caller creates next, with the caller's reference. */
MUST_CHECK status_t section_object_create(struct section_object **section);

/* The access that a view of PROTECTION needs on the section's handle (ACC06). */
MUST_CHECK status_t section_access_of(uint32_t protection, uint32_t *access);

#endif
