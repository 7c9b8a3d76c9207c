/*
 * include/sys/name.h: object names and OBJECT_ATTRIBUTES, captured once.
 */
#ifndef SYS_NAME_H
#define SYS_NAME_H

#include "quire/annotate.h"
#include "quire/list.h"
#include "quire/status.h"

struct object;

/* A name in its type's name space: what follows `\BaseNamedObjects\`. */
struct object_name {
    struct list link;      /* [name-space lock] in the type's bucket */
    struct object *object; /* [name-space lock] whose name it is */
    uint32_t hash;         /* of the name without regard to case */
    uint32_t length;       /* characters */
    uint16_t characters[];
};

#define NAME_DIRECTORY         u"\\BaseNamedObjects\\"
#define NAME_DIRECTORY_LENGTH  18u
#define KNOWN_DIRECTORY        u"\\KnownDlls\\" /* of the kernel's own sections: open only */
#define KNOWN_DIRECTORY_LENGTH 11u
#define NAME_NBYTES_MAX        65532u /* of a whole path (NAM25) */

static inline uint32_t object_name_nbytes(const struct object_name *name)
{
    return (uint32_t)sizeof(struct object_name) + name->length * 2u;
}

void object_name_free(struct object_name *name); /* NULL is allowed */

/* A name from ASCII, for tests and the kernel itself; NULL when memory is short. */
struct object_name *object_name_make(const char *text);

bool object_name_equal(const struct object_name *a, const struct object_name *b, bool fold_case);

/* OBJECT_ATTRIBUTES as a call captured them. */
struct object_attributes {
    uint32_t attributes;      /* OBJ_ */
    struct object_name *name; /* NULL: none; the caller frees what is left here */
};

enum name_purpose { NAME_CREATE, NAME_OPEN };

/*
 * Reads the OBJECT_ATTRIBUTES at ADDRESS once. To create, ADDRESS may be NULL and the name may
 * be missing or empty.
 * => NAM facts: STATUS_INVALID_PARAMETER, STATUS_OBJECT_PATH_SYNTAX_BAD,
 *    STATUS_OBJECT_PATH_NOT_FOUND, STATUS_OBJECT_NAME_INVALID, STATUS_DATATYPE_MISALIGNMENT,
 *    STATUS_ACCESS_VIOLATION, STATUS_OBJECT_TYPE_MISMATCH, STATUS_INSUFFICIENT_RESOURCES.
 */
MUST_CHECK status_t capture_attributes(uaddr_t address, enum name_purpose purpose,
                                       struct object_attributes *captured);

/*
 * Only the flags of the OBJECT_ATTRIBUTES at ADDRESS (0: none): for objects without names.
 */
MUST_CHECK status_t capture_flags(uaddr_t address, uint32_t *attributes);

/*
 * A UNICODE_STRING's text, in memory from mm_allocate (*nbytes long; NULL when empty).
 * => as above; STATUS_NAME_TOO_LONG above LIMIT bytes.
 */
MUST_CHECK status_t capture_string(uaddr_t unicode_string, uint32_t limit, uint16_t **text,
                                   uint32_t *nbytes);

#endif
