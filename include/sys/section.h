/*
 * include/sys/section.h: section objects: an object header around mm's section.
 */
#ifndef SYS_SECTION_H
#define SYS_SECTION_H

#include "mm/section.h"
#include "sys/object.h"

struct open_file;

struct section_object {
    struct object object;
    struct section section;
};

extern struct object_type section_type;

/* Registers the type, and with mm that a view counts as a use of its section. */
void section_start(void);

/*
 * A section in an object of its own, with the caller's reference: memory, or a file as
 * fs_create_section makes it (PROBLEM: 64 bytes, or NULL).
 * => their statuses; STATUS_INSUFFICIENT_RESOURCES.
 */
MUST_CHECK status_t section_create_memory(uint64_t nbytes, uint32_t protection, uint32_t attributes,
                                          struct section_object **section);
MUST_CHECK status_t section_create_file(struct open_file *open, uint64_t nbytes,
                                        uint32_t protection, uint32_t attributes, char *problem,
                                        struct section_object **section);

/* The access that a view of PROTECTION needs on the section's handle (ACC06). */
MUST_CHECK status_t section_access_of(uint32_t protection, uint32_t *access);

#endif
