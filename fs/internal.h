/*
 * fs/internal.h: what the files of fs/ share: the mounted volume, the table of files, paths.
 *
 * Lock order (see kernel/lock.h): a file's main lock, or an open's lock, then the file-system
 * lock; a file's paging lock below both; the transfer lock last.
 */
#ifndef FS_INTERNAL_H
#define FS_INTERNAL_H

#include "fs/ext2.h"
#include "fs/file.h"
#include "fs/volume.h"
#include "kernel/lock.h"
#include "mm/pager.h"

#define PATH_DEPTH_MAX 128u

/* A component of the path that is being looked at: characters of fsi_volume.text. */
struct component {
    uint16_t start;
    uint16_t length;
};

/* An entry of the name cache (fs/name_cache.c): what NAME in DIRECTORY led to. */
#define CACHED_NAMES           32u
#define CACHED_NAME_CHARACTERS 32u
struct cached_name {
    uint32_t directory; /* its inode; 0: this is the root */
    uint32_t number;    /* the inode found; 0: the entry is empty */
    uint16_t length, found_length;
    uint16_t name[CACHED_NAME_CHARACTERS];  /* as it was asked for */
    uint16_t found[CACHED_NAME_CHARACTERS]; /* as it is on disk */
    struct ext2_inode inode;
};

struct volume {
    struct mutex lock; /* RANK_FILE_SYSTEM: "file-system lock" */
    bool mounted;      /* [c] after fs_start */
    struct ext2 ext2;  /* [c] */

    struct list files;      /* [lock] of struct file: every one that exists */
    struct list unused;     /* [lock] of struct file: users 0, oldest first */
    uint32_t nunused;       /* [lock] */
    uint64_t unused_nbytes; /* [lock] */
    uint64_t unused_limit;  /* [c] bytes of unused files that are kept */

    /* Scratch space. [lock] */
    uint8_t block[EXT2_BLOCK_MAX];       /* a directory block */
    uint16_t text[FILE_PATH_CHARACTERS]; /* the components of a path */
    uint32_t text_length;
    struct component components[PATH_DEPTH_MAX];
    uint32_t ncomponents;
    bool ends_in_separator;
    uint16_t found[EXT2_NAME_BYTES];     /* a component as it is on disk */
    uint16_t path[FILE_PATH_CHARACTERS]; /* the path as it is on disk */
    uint32_t path_length;

    struct cached_name names[CACHED_NAMES]; /* [lock] */
};

extern struct volume fsi_volume;

/*
 * Makes the segment of the file's data, if there is none yet; an empty file has none (NULL). May
 * block; no locks.
 */
MUST_CHECK status_t fsi_file_segment(struct file *file, struct segment **segment);

/*
 * The file of inode NUMBER with one more user. => file-system lock.
 */
MUST_CHECK status_t fsi_take_file(uint32_t number, const struct ext2_inode *inode,
                                  struct file **file) REQUIRES(fsi_volume.lock);

/* One user less. May block; no locks. */
void fsi_release_file(struct file *file);

/* The page_in of files' data segments (CONTEXT is the struct file), and their pager. */
MUST_CHECK status_t fsi_file_page_in(void *context, uint32_t first, uint32_t npages,
                                     const pfn_t *frames);
extern const struct pager_operations fsi_file_pager;

/*
 * Writes pages of the file from FRAMES, as far as the file goes. All their blocks exist. Needs no
 * memory. => what the device says.
 */
MUST_CHECK status_t fsi_file_page_out(void *context, uint32_t first, uint32_t npages,
                                      const pfn_t *frames);

/*
 * Sees to it that the pages [first, first + npages), as far as the file goes, have all their
 * blocks, so that they may become dirty. May write metadata, and so wait for page-outs.
 * => DISK_FULL, INSUFFICIENT_RESOURCES, FILE_CORRUPT_ERROR, what the device says.
 */
MUST_CHECK status_t fsi_file_reserve(struct file *file, uint32_t first, uint32_t npages);

/*
 * Walks REQUEST's path: *NUMBER and *INODE of what it names, and fsi_volume.path.
 * => STATUS_OBJECT_NAME_NOT_FOUND: all but the last component exist.
 */
MUST_CHECK status_t fsi_walk(const struct open_request *request, uint32_t *number,
                             struct ext2_inode *inode) REQUIRES(fsi_volume.lock);

/*
 * The name cache: the entry of NAME in DIRECTORY, or NULL; and a new one, that of inode NUMBER.
 * => file-system lock. An entry found is good as long as the lock is held and none is made.
 */
const struct cached_name *fsi_name_find(uint32_t directory, const uint16_t *name, uint32_t length)
    REQUIRES(fsi_volume.lock);
void fsi_name_remember(uint32_t directory, const uint16_t *name, uint32_t length,
                       const uint16_t *found, uint32_t found_length, uint32_t number,
                       const struct ext2_inode *inode) REQUIRES(fsi_volume.lock);

/* Empties the name cache. => file-system lock, or nobody else uses the volume. */
void fsi_names_forget(void);

/*
 * The sharing check: what an open of FILE with ACCESS and SHARE meets.
 * => STATUS_SHARING_VIOLATION, STATUS_CANNOT_DELETE, STATUS_USER_MAPPED_FILE.
 */
struct share_request {
    uint32_t access;
    uint32_t share;
    bool truncates;
    bool deletes_on_close;
};
MUST_CHECK status_t fsi_check_sharing(const struct file *file, const struct share_request *request)
    REQUIRES(fsi_volume.lock);

/* What a section keeps of the open that made it. */
struct file_claim {
    struct list link;  /* [lock] in file->claims */
    struct file *file; /* [c] it counts as a user */
    bool writable;     /* [c] its views may store: opens must share writing */
    bool image;        /* [c] nobody may open the file for writing */
};

/* A copy of LENGTH characters, or NULL; freed with fsi_free_text. */
uint16_t *fsi_copy_text(const uint16_t *text, uint32_t length);
void fsi_free_text(uint16_t *text, uint32_t length);

#endif
