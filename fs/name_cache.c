/*
 * fs/name_cache.c: what names in directories led to, lately.
 *
 * A component of a path that was looked up before, under the same spelling, gives its inode and its
 * name on disk without a look at the directory. Direct-mapped: directory and name together choose
 * the one entry that can hold them, and a newer pair takes the place of an older one. Only names
 * that were found are kept, and none longer than CACHED_NAME_CHARACTERS. The root is kept under
 * directory 0 and no name.
 *
 * Whoever changes a directory or an inode empties the cache afterwards (fsi_names_forget), as
 * fs_drain and mounting do.
 */
#include "fs/internal.h"

#include "kernel/string.h"

#define NO_INODE 0u

/* The entry that NAME in DIRECTORY would have. */
static struct cached_name *entry_of(uint32_t directory, const uint16_t *name, uint32_t length)
{
    uint32_t hash = directory * 0x9E3779B1u + length;

    for (uint32_t i = 0; i < length; i++) {
        hash = (hash ^ name[i]) * 0x01000193u;
    }
    return &fsi_volume.names[(hash ^ hash >> 16) % ARRAY_COUNT(fsi_volume.names)];
}

const struct cached_name *fsi_name_find(uint32_t directory, const uint16_t *name, uint32_t length)
{
    const struct cached_name *entry = entry_of(directory, name, length);

    if (entry->number == NO_INODE || entry->directory != directory || entry->length != length ||
        memcmp(entry->name, name, length * sizeof(uint16_t)) != 0) {
        return NULL;
    }
    return entry;
}

void fsi_name_remember(uint32_t directory, const uint16_t *name, uint32_t length,
                       const uint16_t *found, uint32_t found_length, uint32_t number,
                       const struct ext2_inode *inode)
{
    struct cached_name *entry = entry_of(directory, name, length);

    if (length > CACHED_NAME_CHARACTERS || found_length > CACHED_NAME_CHARACTERS) {
        return;
    }
    entry->directory = directory;
    entry->number = number;
    entry->length = (uint16_t)length;
    entry->found_length = (uint16_t)found_length;
    memcpy(entry->name, name, length * sizeof(uint16_t));
    memcpy(entry->found, found, found_length * sizeof(uint16_t));
    entry->inode = *inode;
}

void fsi_names_forget(void)
{
    for (uint32_t i = 0; i < ARRAY_COUNT(fsi_volume.names); i++) {
        fsi_volume.names[i].number = NO_INODE;
    }
}
