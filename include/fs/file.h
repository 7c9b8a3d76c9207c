/*
 * include/fs/file.h: files: opening with share modes, reading, listing directories, and sections
 * made from files.
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
};

/* One file or directory on disk, while it is in use. */
struct file {
    struct list link;        /* [file-system lock] in the table of files */
    struct list unused_link; /* [file-system lock] in the list of files that nobody uses */
    uint32_t inode;          /* [c] */
    uint32_t users;          /* [file-system lock] opens and claims */
    uint16_t mode;           /* [c] as ext2 has it */
    struct file_information information; /* [main lock and paging lock to write, either to read] */
    struct list opens;                   /* [file-system lock] of struct open_file */
    struct list claims;                  /* [file-system lock] of struct file_claim */
    struct mutex main_lock;              /* RANK_FILE_MAIN: size, making sections */
    struct mutex paging_lock;            /* RANK_FILE_PAGING: the block map */
    struct segment *data;                /* [main lock] one reference; NULL before the first use */
    struct segment *image;               /* [main lock] one reference; NULL: no image segment yet */
};

/* One open of a file. */
struct open_file {
    struct list link;        /* [file-system lock] in file->opens */
    struct file *file;       /* [c] */
    uint32_t access;         /* [c] granted: FILE_ and standard rights */
    uint32_t share;          /* [c] FILE_SHARE_ */
    uint32_t options;        /* [c] FILE_WRITE_THROUGH, FILE_SYNCHRONOUS_IO_NONALERT, ... */
    struct mutex lock;       /* RANK_FILE_MAIN: position, listing; one read at a time */
    uint64_t position;       /* [lock] */
    uint32_t cursor;         /* [lock] directories: the offset of the next entry */
    bool listing;            /* [lock] a pattern has been set */
    bool listed;             /* [lock] at least one entry has been given */
    uint16_t *pattern;       /* [lock] NULL: every name */
    uint32_t pattern_length; /* [lock] characters */
    uint16_t *path;          /* [c] `\dir\name` with the names as they are on disk; no zero */
    uint32_t path_length;    /* [c] characters */
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
    uint32_t options;       /* FILE_DIRECTORY_FILE, FILE_NON_DIRECTORY_FILE, ... */
};

/* Generic rights and MAXIMUM_ALLOWED become a file's specific rights. */
uint32_t fs_map_access(uint32_t access);

/*
 * Opens. *INFORMATION is FILE_WAS_OPENED. May block; no locks but a handle's reference.
 * => checked in this order: OBJECT_NAME_INVALID, NAME_TOO_LONG, INVALID_PARAMETER;
 *    OBJECT_PATH_NOT_FOUND, OBJECT_NAME_NOT_FOUND; OBJECT_NAME_COLLISION; FILE_IS_A_DIRECTORY,
 *    NOT_A_DIRECTORY; SHARING_VIOLATION; CANNOT_DELETE; USER_MAPPED_FILE;
 *    MEDIA_WRITE_PROTECTED for whatever would write, create or delete.
 *    FILE_CORRUPT_ERROR, INSUFFICIENT_RESOURCES at any time.
 */
MUST_CHECK status_t fs_open(const struct open_request *request, struct open_file **open,
                            uint32_t *information);

/* The same for the kernel's own use: PATH in ASCII (`C:\quire\...`), to read and to execute. */
MUST_CHECK status_t fs_open_kernel(const char *path, struct open_file **open);

/* Ends an open. Sections made from it live on. May block; no locks. */
void fs_close(struct open_file *open);

/* What the file is like. Never fails and needs no access right: the caller checks those. */
void fs_query(struct open_file *open, struct file_information *information);

/* By path, without opening: no share mode is looked at. REQUEST: path, path_length, root. */
MUST_CHECK status_t fs_query_path(const struct open_request *request,
                                  struct file_information *information);

#define FILE_AT_POSITION UINT64_MAX /* an offset: from the open's position, which moves on */

/*
 * Reads NBYTES from OFFSET (or FILE_AT_POSITION) to user memory of the calling thread; *DONE is
 * how much came, less than asked only at the end of the file or with an error.
 * => END_OF_FILE when offset is at or past the end (and nbytes is not 0); INVALID_DEVICE_REQUEST
 *    for a directory; ACCESS_VIOLATION, IN_PAGE_ERROR's cause. The access right is the caller's to
 *    check (FILE_READ_DATA).
 */
MUST_CHECK status_t fs_read(struct open_file *open, uint64_t offset, uaddr_t target,
                            uint32_t nbytes, uint32_t *done);

/* The same to kernel memory; does not touch the position. */
MUST_CHECK status_t fs_read_kernel(struct open_file *open, uint64_t offset, void *target,
                                   uint32_t nbytes, uint32_t *done);

uint64_t fs_get_position(struct open_file *open);
void fs_set_position(struct open_file *open, uint64_t position);

/* Makes what was written durable: nothing to do while the volume is read-only. */
MUST_CHECK status_t fs_flush(struct open_file *open);

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
 * attributes, the access that the open was granted (STATUS_ACCESS_DENIED), and the file's size;
 * section->claim then holds the share-mode claim. nbytes 0: the whole file. PROBLEM (64 bytes, may
 * be NULL) says in words what is wrong with an image.
 * => the statuses of mm_section_create_file and mm_section_create_image; INVALID_FILE_FOR_SECTION
 *    for a directory.
 */
MUST_CHECK status_t fs_create_section(struct open_file *open, struct section *section,
                                      uint64_t nbytes, uint32_t protection, uint32_t attributes,
                                      char *problem);

/* Gives the claim of a section back, after mm_section_destroy. May block; no locks. */
void fs_release_claim(struct file_claim *claim);

#endif
