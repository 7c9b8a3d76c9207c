/*
 * tests/host/ext2_raw.h: what an image says, read without the file system under test: whether
 * entries name inodes that are initialised, and inodes with contents have a name.
 */
#ifndef TESTS_HOST_EXT2_RAW_H
#define TESTS_HOST_EXT2_RAW_H

#include "fs/ext2.h"

/*
 * Walks the tree of the image in fx_image from the root. What is wrong, or NULL:
 *   - an entry names an inode that is not initialised (in use, with links); where LOSING, one
 *     without links is taken for a file that loses its last name;
 *   - an inode in use that has blocks has no name: e2fsck would ask what to do with it;
 *   - a directory's contents are not a directory's.
 */
const char *raw_find_wrong(bool losing);

#endif
