/*
 * fs/internal.h: what the files of fs/ share: the volumes, the table of files, paths.
 *
 * Lock order (see kernel/lock.h): an open's lock, a file's main lock, the file-system lock; a
 * file's paging lock below them; the transfer lock last.
 */
#ifndef FS_INTERNAL_H
#define FS_INTERNAL_H

#include "fs/ext2.h"
#include "fs/file.h"
#include "fs/volume.h"
#include "kernel/lock.h"
#include "mm/pager.h"

#define PATH_DEPTH_MAX 128u
#define VOLUMES_MAX    2u

/* A mounted file system. */
struct volume {
    bool mounted;      /* [c] after fs_start */
    char letter;       /* [c] of its drive */
    struct ext2 ext2;  /* [c] */
    struct list files; /* [file-system lock] of struct file: every one that exists */
};
extern struct volume fsi_volumes[VOLUMES_MAX];

/* What all volumes have in common. */
struct file_system {
    struct mutex lock;      /* RANK_FILE_SYSTEM: "file-system lock" */
    struct list unused;     /* [lock] of struct file: users 0, oldest first */
    uint32_t nunused;       /* [lock] */
    uint64_t unused_nbytes; /* [lock] */
    uint64_t unused_limit;  /* [c] bytes of unused files that are kept */
};
extern struct file_system fsi;

/* ---- the table of files (table.c) ---- */

/* Once, before the first volume is mounted. */
void fsi_start_table(void);

/* The file of inode NUMBER, if it exists; it has perhaps no user. */
struct file *fsi_find_file(const struct volume *volume, uint32_t number) REQUIRES(fsi.lock);

/* file.c: the blocks of a directory are the file system's; for programs it has no size. */
void fsi_hide_directory_size(struct file_information *information);

/* The file of inode NUMBER with one more user. */
MUST_CHECK status_t fsi_take_file(struct volume *volume, uint32_t number,
                                  const struct ext2_inode *inode, struct file **file)
    REQUIRES(fsi.lock);

/*
 * One user less. The last one of a file without a name gives its inode up. May block; at most an
 * open's or a main lock is held.
 */
void fsi_release_file(struct file *file);

/* Which of the files that nobody uses go: too many, all that can be written, all. No locks. */
enum forget { FORGET_EXCESS, FORGET_ALL, FORGET_EVEN_DIRTY };
void fsi_forget_files(enum forget which);

/* Writes what is dirty of all files of the volume: the first error. No locks. */
MUST_CHECK status_t fsi_write_back_all(struct volume *volume);

/* Gives up the inodes of files that have users left but no name. No locks. */
void fsi_release_unlinked(struct volume *volume);

/* The information of a directory that was changed is read anew, and the name cache told. */
void fsi_directory_changed(struct volume *volume, uint32_t number) REQUIRES(fsi.lock);

/* The file's segment of data; an empty file may have none (NULL). No locks, or main lock held. */
MUST_CHECK status_t fsi_file_segment(struct file *file, struct segment **segment);
MUST_CHECK status_t fsi_file_segment_locked(struct file *file, struct segment **segment)
    REQUIRES(file->main_lock);

/* ---- the pager of files' data segments (pager.c): CONTEXT is the struct file ---- */

extern const struct pager_operations fsi_file_pager;
MUST_CHECK status_t fsi_file_page_in(void *context, uint32_t first, uint32_t npages,
                                     const pfn_t *frames);

/*
 * Writes pages of the file from FRAMES, as far as the file goes; the rest of them becomes zero. All
 * their blocks exist. Needs no memory. => what the device says.
 */
MUST_CHECK status_t fsi_file_page_out(void *context, uint32_t first, uint32_t npages,
                                      const pfn_t *frames);

/*
 * Sees to it that the pages [first, first + npages), as far as the file goes, have all their
 * blocks, so that they may become dirty. May write metadata, and so wait for page-outs.
 * => DISK_FULL, INSUFFICIENT_RESOURCES, FILE_CORRUPT_ERROR, what the device says.
 */
MUST_CHECK status_t fsi_file_reserve(struct file *file, uint32_t first, uint32_t npages);

/* Sees to it that page WANTED has its blocks; *READY: which pages of the run do. Of the pager. */
MUST_CHECK status_t fsi_pager_reserve(void *context, uint32_t first, uint32_t wanted,
                                      uint32_t *ready);

/*
 * On success what is needed to find the contents that were paged out is on the disk; DURABLE: and
 * everything that the device has completed survives a power cut. No lock but open and main.
 */
MUST_CHECK status_t fsi_file_sync(void *context, bool durable);

/* The inode learns when the file was written last. */
MUST_CHECK status_t fsi_write_times(struct file *file);

/* The file was written now; its blocks or its size are not yet durable. */
void fsi_touch_times_locked(struct file *file) REQUIRES(file->paging_lock);
void fsi_note_change_locked(struct file *file) REQUIRES(file->paging_lock);

/* ---- sizes (size.c) ---- */

/*
 * The file becomes larger. [from, nbytes) gets its blocks; the rest of what is new stays a hole.
 * => DISK_FULL, INVALID_PARAMETER, ...: nothing has changed.
 */
MUST_CHECK status_t fsi_grow_locked(struct file *file, uint64_t nbytes, uint64_t from)
    REQUIRES(file->main_lock);

/* The file becomes smaller. => USER_MAPPED_FILE: a section exists; what the device says. */
MUST_CHECK status_t fsi_shrink_locked(struct file *file, uint64_t nbytes) REQUIRES(file->main_lock);

/* The same where no section reaches past NBYTES: a growth is taken back. */
MUST_CHECK status_t fsi_cut_locked(struct file *file, uint64_t nbytes) REQUIRES(file->main_lock);

/* Once, before anything is locked (range_lock.c). */
void fsi_start_ranges(void);

/* ---- names (path.c, name_cache.c, delete.c) ---- */

/* A component of the path that is being looked at: characters of fsi_path.text. */
struct component {
    uint16_t start;
    uint16_t length;
};

/* Scratch space of the walk along a path. [file-system lock] */
struct path {
    struct volume *volume;
    uint8_t block[EXT2_BLOCK_MAX];       /* a directory block */
    uint16_t text[FILE_PATH_CHARACTERS]; /* the components as they were asked for */
    uint32_t text_length;
    struct component components[PATH_DEPTH_MAX];
    uint32_t ncomponents;
    bool ends_in_separator;
    uint16_t found[EXT2_NAME_BYTES];     /* a component as it is on disk */
    uint16_t disk[FILE_PATH_CHARACTERS]; /* the path as it is on disk */
    uint32_t disk_length;
};
extern struct path fsi_path;

/* Where a walk ended. */
struct walked {
    struct volume *volume;
    uint32_t parent; /* the directory of the last component; 0: there is none, this is the root */
    uint32_t number; /* what the path names */
    struct ext2_inode inode;
};

/*
 * Walks REQUEST's path: what it names, and fsi_path.disk.
 * => STATUS_OBJECT_NAME_NOT_FOUND: all but the last component exist, WALKED tells volume and
 *    parent, and fsi_path.disk is the parent's.
 */
MUST_CHECK status_t fsi_walk(const struct open_request *request, struct walked *walked)
    REQUIRES(fsi.lock);

/*
 * After a walk that ended with STATUS_OBJECT_NAME_NOT_FOUND: the last component, as it was asked
 * for, becomes part of fsi_path.disk, and NAME is what a directory entry will hold (BYTES:
 * EXT2_NAME_BYTES). => OBJECT_NAME_INVALID, NAME_TOO_LONG.
 */
MUST_CHECK status_t fsi_name_new(const struct walked *walked, uint8_t *bytes,
                                 struct ext2_name *name) REQUIRES(fsi.lock);

/* After a walk: takes the last component from fsi_path.disk again. */
void fsi_drop_name(void) REQUIRES(fsi.lock);

/* The last component of a path as it is on disk: what its directory entry holds. */
MUST_CHECK status_t fsi_name_of_path(uint32_t parent, const uint16_t *path, uint32_t length,
                                     uint8_t *bytes, struct ext2_name *name);

/* An entry of the name cache: what NAME in DIRECTORY led to. */
#define CACHED_NAMES           32u
#define CACHED_NAME_CHARACTERS 32u
struct cached_name {
    const struct volume *volume;
    uint32_t directory; /* its inode; 0: this is the root */
    uint32_t number;    /* the inode found; 0: the entry is empty */
    uint16_t length, found_length;
    uint16_t name[CACHED_NAME_CHARACTERS];  /* as it was asked for */
    uint16_t found[CACHED_NAME_CHARACTERS]; /* as it is on disk */
    struct ext2_inode inode;
};

/*
 * The name cache: the entry of NAME in DIRECTORY, or NULL; and a new one, of what NAME in
 * WALKED->parent led to. An entry found is good as long as the lock is held and none is made.
 */
const struct cached_name *fsi_name_find(const struct volume *volume, uint32_t directory,
                                        const uint16_t *name, uint32_t length) REQUIRES(fsi.lock);
void fsi_name_remember(const struct walked *walked, const uint16_t *name, uint32_t length,
                       const uint16_t *found, uint32_t found_length) REQUIRES(fsi.lock);

/* Forgets what leads to the inode, and the names in it; or everything. */
void fsi_names_forget_inode(const struct volume *volume, uint32_t number) REQUIRES(fsi.lock);
void fsi_names_forget(void) REQUIRES(fsi.lock);

/*
 * Takes the name at the end of PATH, in directory PARENT, away from FILE. => DIRECTORY_NOT_EMPTY,
 * what ext2_remove says.
 */
MUST_CHECK status_t fsi_unlink(struct file *file, uint32_t parent, const uint16_t *path,
                               uint32_t length) REQUIRES(fsi.lock);

/* Whether OPEN is one of the name at the end of PATH, in directory PARENT; a file may have several.
 */
bool fsi_has_name(const struct open_file *open, uint32_t parent, const uint16_t *path,
                  uint32_t length) REQUIRES(fsi.lock);

/* Whether that name of FILE goes with its last open; and whether any name of it does. */
bool fsi_name_is_going(const struct file *file, uint32_t parent, const uint16_t *path,
                       uint32_t length) REQUIRES(fsi.lock);
bool fsi_is_going(const struct file *file) REQUIRES(fsi.lock);

/* STATUS_DIRECTORY_NOT_EMPTY when a directory holds more than `.` and `..`. */
MUST_CHECK status_t fsi_check_empty(struct volume *volume, uint32_t number) REQUIRES(fsi.lock);

/* ---- sharing (share.c) ---- */

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
    REQUIRES(fsi.lock);

/* Whether a section of the file exists; IMAGE: one that is an image. */
bool fsi_is_mapped(const struct file *file, bool image);

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

static inline bool fsi_is_writable(const struct file *file)
{
    return file->volume->ext2.writable;
}

#endif
