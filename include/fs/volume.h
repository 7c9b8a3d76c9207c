/*
 * include/fs/volume.h: the mounted volumes: disk 0 with an ext2 file system, whose root is C:\, and
 * disk 1, D:\, when it is there and holds one.
 *
 * A volume that was not unmounted cleanly, or that has features that Quire cannot write, is
 * read-only: what would change it is refused with STATUS_MEDIA_WRITE_PROTECTED.
 */
#ifndef FS_VOLUME_H
#define FS_VOLUME_H

#include "quire/annotate.h"
#include "quire/status.h"

struct pagefile_extent;

/*
 * Mounts disk 0 as C:\, and disk 1 as D:\ if it can be. Once, after devices_start, by a thread that
 * may block. When it fails it has logged one line that says why ("quire: no disk found: ...",
 * "quire: cannot use disk 0: ...").
 * => STATUS_NO_SUCH_DEVICE without a disk, STATUS_NOT_SUPPORTED for a file system with features
 *    that Quire does not know, STATUS_FILE_CORRUPT_ERROR, or what the disk said.
 */
MUST_CHECK status_t fs_start(void);

/*
 * Gives C:\pagefile.sys to the memory manager, when the volume has one: it stays open and shares
 * nothing. Once, after fs_start. Has logged what is wrong when it fails; the system runs without.
 */
MUST_CHECK status_t fs_start_paging(void);

/*
 * Makes C:\pagefile.sys of NPAGES, in place of a file of that name that nobody uses, and pages to
 * it from now on. When it fails there is no such file. No locks.
 * => SHARING_VIOLATION, MEDIA_WRITE_PROTECTED, DISK_FULL, INSUFFICIENT_RESOURCES, what the device
 *    says.
 */
MUST_CHECK status_t fs_create_pagefile(uint32_t npages);

/*
 * Makes the paging file NPAGES longer. EXTENTS (room for MAX) and *NEXTENTS tell where the new
 * pages lie: as many as there is room to tell of and as lie in one piece each, at most NPAGES; what
 * follows the last of them is not kept. On an error the file is as it was. May block; no lock of
 * mm/. => NO_SUCH_DEVICE without a paging file, MEDIA_WRITE_PROTECTED, DISK_FULL, what the device
 * says.
 */
MUST_CHECK status_t fs_extend_pagefile(uint32_t npages, struct pagefile_extent *extents,
                                       uint32_t max, uint32_t *nextents);

/* Gives the paging file up, of which mm/ uses nothing any more: for tests. */
void fs_stop_paging(void);

/*
 * Starts the thread that writes, every five seconds, what has changed of the volumes themselves:
 * names, sizes, free space. Once, after fs_start.
 * => INSUFFICIENT_RESOURCES, COMMITMENT_LIMIT.
 */
MUST_CHECK status_t fs_start_writer(void);

/* Whether C:\ is mounted. */
bool fs_is_mounted(void);

struct volume_information {
    uint32_t block_bytes; /* what space is given out in */
    uint64_t total_blocks;
    uint64_t free_blocks;
    uint32_t serial;
    int64_t created; /* NT time */
    uint16_t label[17];
    uint32_t label_length; /* characters */
    bool read_only;
};

/* Of the volume that OPEN lies on. */
struct open_file;
MUST_CHECK status_t fs_query_volume(const struct open_file *open,
                                    struct volume_information *information);

/*
 * Forgets files that nobody uses but whose contents are still kept for the next open: the named
 * drain of the tests, and what frees memory when it runs short. May block; no locks.
 */
void fs_drain(void);

/*
 * Writes all that was changed, files' pages too, and says on the disk that all is well; what fails
 * is tried again a few times, then logged. May block; no locks. The volume can still be used.
 */
void fs_finish(void);

/*
 * fs_finish, and forgets the volumes, of which nothing is open: for tests. What could not be
 * written is lost. fs_start may be called again.
 */
void fs_stop(void);

#endif
