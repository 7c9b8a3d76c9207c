/*
 * include/sys/handle.h: a process's handles: small values 4, 8, 12 ... that name objects with the
 * access that was granted.
 */
#ifndef SYS_HANDLE_H
#define SYS_HANDLE_H

#include "kernel/lock.h"
#include "quire/annotate.h"
#include "quire/status.h"

struct object;
struct object_type;

#define HANDLE_BLOCK_ENTRIES 128u
#define HANDLE_BLOCKS_MAX    2048u /* 262144 handles */

#define HANDLE_INHERIT 1u /* children get it */
#define HANDLE_PROTECT 2u /* cannot be closed */
#define HANDLE_FLAGS   3u

struct handle_entry {
    uintptr_t object; /* address and HANDLE_ flags; 0: free or only reserved */
    uint32_t access;  /* granted */
};

struct handle_block {
    struct handle_entry *entries;
    uint32_t free[HANDLE_BLOCK_ENTRIES / 32u]; /* a bit for each free entry */
};

/*
 * Entries lie in blocks; a directory lists the blocks. Three levels of bitmaps lead to the lowest
 * free entry in a fixed number of steps.
 */
struct handle_table {
    struct spinlock lock;                        /* RANK_HANDLE_TABLE */
    struct handle_block *blocks;                 /* the directory */
    uint32_t nblocks;                            /* in use */
    uint32_t directory_size;                     /* room for */
    uint32_t count;                              /* open handles */
    bool is_closed;                              /* the process has ended: nothing can be opened */
    uint32_t block_free[HANDLE_BLOCKS_MAX / 32]; /* a bit for each block with a free entry */
    uint32_t summary[HANDLE_BLOCKS_MAX / 1024];  /* a bit for each word of those that is not 0 */
};

/* Allocates nothing before the first handle. */
void handle_table_init(struct handle_table *table);

/* Closes everything; nothing can be opened afterwards. May block; no locks. */
void handle_table_close(struct handle_table *table);

/* Copies the inheritable handles of PARENT, values and access, to the empty table CHILD. */
MUST_CHECK status_t handle_table_inherit(struct handle_table *child, struct handle_table *parent);

/*
 * Reserves the lowest free entry: it is no handle before handle_fill.
 * => STATUS_INSUFFICIENT_RESOURCES; STATUS_PROCESS_IS_TERMINATING.
 */
MUST_CHECK status_t handle_reserve(struct handle_table *table, uint32_t *handle);
void handle_release(struct handle_table *table, uint32_t handle); /* the reserved entry */

/* Makes a reserved entry a handle; the caller hands over one ob_add_handle of OBJECT. */
void handle_fill(struct handle_table *table, uint32_t handle, struct object *object,
                 uint32_t access, uint32_t flags);

/* All in one: adds the usage, too. */
MUST_CHECK status_t handle_open(struct handle_table *table, struct object *object, uint32_t access,
                                uint32_t flags, uint32_t *handle);

/* STATUS_INVALID_HANDLE, STATUS_HANDLE_NOT_CLOSABLE. May block; no locks. */
MUST_CHECK status_t handle_close(struct handle_table *table, uint32_t handle);

struct handle_information {
    struct object *object; /* referenced */
    uint32_t access;
    uint32_t flags;
};
MUST_CHECK status_t handle_query(struct handle_table *table, uint32_t handle,
                                 struct handle_information *information);
MUST_CHECK status_t handle_set_flags(struct handle_table *table, uint32_t handle, uint32_t flags);

/*
 * The object that HANDLE names, referenced; of TYPE (NULL: any), with at least ACCESS granted.
 * => STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH, STATUS_ACCESS_DENIED.
 */
MUST_CHECK status_t handle_reference(struct handle_table *table, uint32_t handle,
                                     const struct object_type *type, uint32_t access,
                                     struct object **object);

/* The same in the current process, the pseudo-handles of process and thread included. */
MUST_CHECK status_t ob_reference(uint32_t handle, const struct object_type *type, uint32_t access,
                                 struct object **object);

/*
 * Ends a call that made OBJECT: opens a handle with the captured ATTRIBUTES and name in the current
 * process, and stores its value at TARGET. Consumes the caller's reference, whatever happens.
 * => STATUS_OBJECT_NAME_EXISTS, STATUS_OBJECT_NAME_COLLISION, ...
 */
struct object_attributes;
MUST_CHECK status_t ob_publish(struct object *object, struct object_attributes *attributes,
                               uint32_t desired_access, uaddr_t target);

/* Opens an object by name: what NtOpenEvent and its kin do. */
MUST_CHECK status_t ob_open_by_name(struct object_type *type, uaddr_t target, uint32_t access,
                                    uaddr_t attributes);

/* Stores 0 at TARGET: what a call does with a handle's place before anything else (CFM26). */
MUST_CHECK status_t ob_clear_target(uaddr_t target);

#endif
