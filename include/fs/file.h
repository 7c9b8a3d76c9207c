/*
 * include/fs/file.h: files: opening and creating with share modes, reading, writing, names that
 * change, listing directories, and sections made from files.
 *
 * A `struct file` stands for one file on disk while anyone uses it, however often it is opened; it
 * owns the file's one data segment, the place of its image segment, and the share-mode claims.
 * A `struct open_file` is one open: what a file handle's object holds. A `struct file_claim` is
 * what a section keeps of the open that made it when the handle is long closed.
 */
#ifndef FS_FILE_H
#define FS_FILE_H

#include "kernel/lock.h"
#include "quire/annotate.h"
#include "quire/list.h"
#include "quire/status.h"

struct section;
struct segment;
struct file_claim;
struct volume;

#define FILE_NAME_CHARACTERS 255u  /* of one component, UTF-16 */
#define FILE_PATH_CHARACTERS 1024u /* of a whole path, UTF-16 */

/* What is known of a file. Times are NT's: 100 ns since 1601. */
struct file_information {
    uint64_t nbytes;
    uint64_t allocation_nbytes;
    int64_t creation_time;
    int64_t access_time;
    int64_t write_time;
    int64_t change_time;
    uint32_t attributes; /* FILE_ATTRIBUTE_ */
    uint32_t links;
    uint64_t index; /* the same number: the same file */
    bool is_directory;
    bool delete_pending; /* the name goes when the last open of it does */
};

/*
 * One file or directory on disk, while it is in use. Of the information, the size of a file changes
 * under main and paging lock, everything else under the paging lock.
 */
struct file {
    struct list link;        /* [file-system lock] in the volume's list of files */
    struct list unused_link; /* [file-system lock] in the list of files that nobody uses */
    struct volume *volume;   /* [c] */
    uint32_t inode;          /* [file-system lock] of a directory; [c] of a file */
    uint32_t users;          /* [file-system lock] opens and claims */
    struct file_information information;
    struct list opens;        /* [file-system lock] of struct open_file */
    struct list claims;       /* [file-system lock] of struct file_claim */
    bool unlinked;            /* [file-system lock] no name is left: it ends with its last user */
    bool released;            /* [file-system lock] its inode has been given up already */
    struct mutex main_lock;   /* RANK_FILE_MAIN: size, writing, making sections */
    struct mutex paging_lock; /* RANK_FILE_PAGING: the block map */
    struct segment *data;     /* [main lock] one reference; NULL before the first use */
    struct segment *image;    /* [main lock] one reference; NULL: no image segment yet */
    bool image_is_stale;      /* [paging lock] pages were written, or cut off, since it was made */
    bool times_changed;       /* [paging lock] the inode does not know yet */
    uint32_t cuts;            /* [paging lock] how often the file became shorter */
    uint64_t changed_at;      /* [paging lock] the sync that makes the block map durable */
    uint32_t write_errors;    /* [paging lock] page-outs that failed, */
    status_t write_error;     /* and why the last one did */
};

/* One open of a file. */
struct open_file {
    struct list link;        /* [file-system lock] in file->opens */
    struct file *file;       /* [c] */
    uint32_t parent;         /* [file-system lock] the directory with its name; 0: the root */
    uint32_t access;         /* [c] granted: FILE_ and standard rights */
    uint32_t share;          /* [c] FILE_SHARE_ */
    uint32_t options;        /* [c] FILE_WRITE_THROUGH, FILE_SYNCHRONOUS_IO_NONALERT, ... */
    bool deletes;            /* [file-system lock] its name goes with the last open of that name */
    struct mutex lock;       /* RANK_OPEN: position, listing; one transfer at a time */
    uint64_t position;       /* [lock] */
    uint32_t errors_told;    /* [lock] how many of file->write_errors a flush has told of */
    uint32_t cursor;         /* [lock] directories: the offset of the next entry */
    bool listing;            /* [lock] a pattern has been set */
    bool listed;             /* [lock] at least one entry has been given */
    uint16_t *pattern;       /* [lock] NULL: every name */
    uint32_t pattern_length; /* [lock] characters */
    uint16_t *path;          /* [file-system lock] `\dir\name` with the names as they are on disk */
    uint32_t path_length;    /* [file-system lock] characters; no zero follows */
};

/* What NtCreateFile tells in IO_STATUS_BLOCK.Information. */
#define FILE_WAS_SUPERSEDED  0u
#define FILE_WAS_OPENED      1u
#define FILE_WAS_CREATED     2u
#define FILE_WAS_OVERWRITTEN 3u

struct open_request {
    const uint16_t *path;   /* UTF-16, not terminated: `\??\C:\a\b`, `C:\a\b` or `\a\b`; with
                               ROOT: relative to it, no backslash at the beginning */
    uint32_t path_length;   /* characters */
    struct open_file *root; /* a directory, or NULL */
    uint32_t access;        /* specific rights: see fs_map_access */
    uint32_t share;         /* FILE_SHARE_ */
    uint32_t disposition;   /* FILE_OPEN, ... */
    uint32_t attributes;    /* of what is created or overwritten: FILE_ATTRIBUTE_ */
    uint32_t options;       /* FILE_DIRECTORY_FILE, FILE_NON_DIRECTORY_FILE, ... */
};

/* Generic rights become a file's specific rights; MAXIMUM_ALLOWED stays for fs_open. */
uint32_t fs_map_access(uint32_t access);

/*
 * Opens, creates, overwrites, as the disposition says. *INFORMATION: FILE_WAS_. May block; no locks
 * but a handle's reference.
 * => checked in this order: OBJECT_NAME_INVALID, NAME_TOO_LONG, INVALID_PARAMETER;
 *    OBJECT_PATH_NOT_FOUND, OBJECT_NAME_NOT_FOUND; DELETE_PENDING; OBJECT_NAME_COLLISION;
 *    FILE_IS_A_DIRECTORY, NOT_A_DIRECTORY; ACCESS_DENIED, CANNOT_DELETE (a read-only file);
 *    SHARING_VIOLATION; CANNOT_DELETE; USER_MAPPED_FILE; MEDIA_WRITE_PROTECTED for whatever would
 *    write to a volume that is not writable. DISK_FULL. FILE_CORRUPT_ERROR,
 *    INSUFFICIENT_RESOURCES and what the device says at any time.
 */
MUST_CHECK status_t fs_open(const struct open_request *request, struct open_file **open,
                            uint32_t *information);

/* The same for the kernel's own use: PATH in ASCII (`C:\quire\...`), to read and to execute. */
MUST_CHECK status_t fs_open_kernel(const char *path, struct open_file **open);

/*
 * Ends an open. Sections made from it live on. With the last open a file goes that is to be
 * deleted. May block; no locks.
 */
void fs_close(struct open_file *open);

/* What the file is like. Never fails and needs no access right: the caller checks those. */
void fs_query(struct open_file *open, struct file_information *information);

/*
 * A copy of the open's path, from mm_allocate, of *LENGTH characters (mm_free: that many and one
 * more, of two bytes each); NULL without memory.
 */
uint16_t *fs_copy_path(struct open_file *open, uint32_t *length);

/* What a handle with FILE_WRITE_ATTRIBUTES changes; 0: leave it as it is. Times are NT's. */
struct file_settings {
    int64_t creation_time;
    int64_t access_time;
    int64_t write_time;
    int64_t change_time;
    uint32_t attributes; /* FILE_ATTRIBUTE_, those that are kept (fs/ext2_inode.c); NORMAL: none */
};
MUST_CHECK status_t fs_set_information(struct open_file *open,
                                       const struct file_settings *settings);

/*
 * Whether the name goes with the last open (DELETE was granted).
 * => CANNOT_DELETE: read-only, the root, or a section of it exists; DIRECTORY_NOT_EMPTY.
 */
MUST_CHECK status_t fs_set_disposition(struct open_file *open, bool delete);

/*
 * Gives the file the name that TARGET (path, path_length, root) says, on the same volume (DELETE
 * was granted). REPLACE: a file that has it gives way.
 * => OBJECT_NAME_COLLISION; ACCESS_DENIED: that file is read-only, in use or a directory, or
 *    something in the directory that moves is open, or it would move into itself; NOT_SAME_DEVICE;
 *    those of a walk; DISK_FULL.
 */
MUST_CHECK status_t fs_rename(struct open_file *open, const struct open_request *target,
                              bool replace);

/*
 * Gives the file one more name, durably. It lives until the last one goes.
 * => those of fs_rename; FILE_IS_A_DIRECTORY; TOO_MANY_LINKS. When the device fails at the end, the
 *    name is there all the same.
 */
MUST_CHECK status_t fs_link(struct open_file *open, const struct open_request *target,
                            bool replace);

/*
 * The size of a file (FILE_WRITE_DATA was granted); what a file gains reads as zeroes.
 * => USER_MAPPED_FILE: it would become smaller, and a section of it exists; INVALID_PARAMETER: a
 *    directory, or larger than a file can be; DISK_FULL.
 */
MUST_CHECK status_t fs_set_size(struct open_file *open, uint64_t nbytes);

/* The same for the space it takes: less than its size cuts it short, more changes nothing. */
MUST_CHECK status_t fs_set_allocation(struct open_file *open, uint64_t nbytes);

/* By path, without opening: no share mode is looked at. REQUEST: path, path_length, root. */
MUST_CHECK status_t fs_query_path(const struct open_request *request,
                                  struct file_information *information);

#define FILE_AT_POSITION UINT64_MAX       /* an offset: the open's position, which moves on */
#define FILE_AT_END      (UINT64_MAX - 1) /* an offset of a write: the end of the file */

/* Who reads, writes, or locks bytes. */
struct range_owner {
    const void *process;
    uint32_t key;
};

/*
 * Reads NBYTES from OFFSET (or FILE_AT_POSITION) to user memory of the calling thread; *DONE is
 * how much came, less than asked only at the end of the file or with an error.
 * => END_OF_FILE when offset is at or past the end (and nbytes is not 0); INVALID_DEVICE_REQUEST
 *    for a directory; FILE_LOCK_CONFLICT; INVALID_PARAMETER without buffering, for parts of
 *    sectors; ACCESS_VIOLATION, IN_PAGE_ERROR's cause. The access right is the caller's to check
 *    (FILE_READ_DATA).
 */
MUST_CHECK status_t fs_read(struct open_file *open, const struct range_owner *owner,
                            uint64_t offset, uaddr_t target, uint32_t nbytes, uint32_t *done);

/*
 * Writes NBYTES of user memory at OFFSET, FILE_AT_POSITION or FILE_AT_END (which is also meant when
 * the open may only append); *DONE is how much was written. With FILE_WRITE_THROUGH or without
 * buffering it is durable on return.
 * => those of fs_read; DISK_FULL; USER_MAPPED_FILE: an image section of the file exists;
 *    INVALID_PARAMETER: larger than a file can be; what the device says. A write that would make
 *    the file larger and fails leaves it as it was, or as long as *DONE says.
 */
MUST_CHECK status_t fs_write(struct open_file *open, const struct range_owner *owner,
                             uint64_t offset, uaddr_t source, uint32_t nbytes, uint32_t *done);

/* The same to kernel memory; does not touch the position. */
MUST_CHECK status_t fs_read_kernel(struct open_file *open, uint64_t offset, void *target,
                                   uint32_t nbytes, uint32_t *done);

/* Whether transfers through OPEN have a position: those of others must say where. */
bool fs_is_synchronous(const struct open_file *open);

uint64_t fs_get_position(struct open_file *open);
void fs_set_position(struct open_file *open, uint64_t position);

/*
 * Everything of the file, with its metadata, is durable on return.
 * => what the device says, now or in a page-out since the last flush through this open.
 */
MUST_CHECK status_t fs_flush(struct open_file *open);

/*
 * Locks [offset, offset + nbytes) of the file for OWNER through OPEN, as fs/range_lock.c says. The
 * lock goes when it is unlocked (exactly that range), when the open is closed, or with
 * fs_release_ranges, at the end of a process. May block for long when it may WAIT.
 * => LOCK_NOT_GRANTED, INVALID_LOCK_RANGE, RANGE_NOT_LOCKED; THREAD_IS_TERMINATING.
 */
MUST_CHECK status_t fs_lock_range(struct open_file *open, const struct range_owner *owner,
                                  uint64_t offset, uint64_t nbytes, bool exclusive, bool wait);
MUST_CHECK status_t fs_unlock_range(struct open_file *open, const struct range_owner *owner,
                                    uint64_t offset, uint64_t nbytes);
void fs_release_ranges(const void *process);

struct directory_entry {
    struct file_information information;
    uint32_t next_cursor; /* for fs_directory_accept */
    uint32_t name_length; /* characters */
    uint16_t name[FILE_NAME_CHARACTERS + 1];
};

/*
 * Listing, as NtQueryDirectoryFile wants it: fs_directory_begin sets the pattern (`*`, `?`, and
 * NT's `<`, `>`, `"`; NULL: every name) on the first call and when RESTART is set, and otherwise
 * does nothing; fs_directory_next shows the next entry that matches without moving on;
 * fs_directory_accept moves past it. An entry is too large for a stack frame: mm_allocate it.
 * => STATUS_NO_SUCH_FILE when nothing matches at all, STATUS_NO_MORE_FILES at the end,
 *    STATUS_INVALID_PARAMETER when OPEN is no directory.
 */
MUST_CHECK status_t fs_directory_begin(struct open_file *open, const uint16_t *pattern,
                                       uint32_t pattern_length, bool restart);
MUST_CHECK status_t fs_directory_next(struct open_file *open, struct directory_entry *entry);
void fs_directory_accept(struct open_file *open, const struct directory_entry *entry);

/*
 * Makes SECTION a section of the file: data, or image with SEC_IMAGE. Checks protection and
 * attributes, the access that the open was granted (STATUS_ACCESS_DENIED), and the file's size,
 * which a section that may write raises to what it wants; section->claim then holds the share-mode
 * claim. nbytes 0: the whole file. PROBLEM (64 bytes, may
 * be NULL) says in words what is wrong with an image.
 * => the statuses of mm_section_create_file and mm_section_create_image; INVALID_FILE_FOR_SECTION
 *    for a directory.
 */
MUST_CHECK status_t fs_create_section(struct open_file *open, struct section *section,
                                      uint64_t nbytes, uint32_t protection, uint32_t attributes,
                                      char *problem);

/*
 * Makes a section of a file larger: *NBYTES, or what it has when that is more. A section whose
 * views may store makes the file longer, too.
 * => SECTION_NOT_EXTENDED: no file's, an image, or it may not make the file longer; DISK_FULL.
 */
MUST_CHECK status_t fs_extend_section(struct section *section, uint64_t *nbytes);

/*
 * Views that grow (MEM_RESERVE): room for one of NBYTES from OFFSET of the section, which may be
 * any (of what cannot grow, or has no such offset, nothing is done); and the section, of a file,
 * made to reach to NBYTES, a multiple of a page: the file only if it does not have that page at
 * all. => as fs_extend_section; SECTION_TOO_BIG.
 */
MUST_CHECK status_t fs_reserve_section(const struct section *section, uint64_t offset,
                                       uint32_t nbytes);
MUST_CHECK status_t fs_extend_section_to_page(struct section *section, uint64_t nbytes);

/* Gives the claim of a section back, after mm_section_destroy. May block; no locks. */
void fs_release_claim(struct file_claim *claim);

#endif
