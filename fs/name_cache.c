/*
 * fs/name_cache.c: what names in directories led to, lately.
 *
 * A component of a path that was looked up before, under the same spelling, gives its inode and its
 * name on disk without a look at the directory. Direct-mapped: directory and name together choose
 * the one entry that can hold them, and a newer pair takes the place of an older one. Only names
 * that were found are kept, and none longer than CACHED_NAME_CHARACTERS. The root is kept under
 * directory 0 and no name.
 *
 * What an entry says of a file counts only while no struct file of it exists, which knows better.
 * So an inode's entries are forgotten when its struct file ends; and whoever changes a directory
 * forgets what leads to it and the names in it (fsi_directory_changed).
 */
#include "fs/internal.h"

#include "kernel/string.h"

#define NO_INODE 0u

static struct cached_name names[CACHED_NAMES]; /* [file-system lock] */

/* The entry that NAME in DIRECTORY would have. */
static struct cached_name *entry_of(uint32_t directory, const uint16_t *name, uint32_t length)
{
    uint32_t hash = directory * 0x9E3779B1u + length;

    for (uint32_t i = 0; i < length; i++) {
        hash = (hash ^ name[i]) * 0x01000193u;
    }
    return &names[(hash ^ hash >> 16) % ARRAY_COUNT(names)];
}

const struct cached_name *fsi_name_find(const struct volume *volume, uint32_t directory,
                                        const uint16_t *name, uint32_t length)
{
    const struct cached_name *entry = entry_of(directory, name, length);

    if (entry->number == NO_INODE || entry->volume != volume || entry->directory != directory ||
        entry->length != length || memcmp(entry->name, name, length * sizeof(uint16_t)) != 0) {
        return NULL;
    }
    return entry;
}

void fsi_name_remember(const struct walked *walked, const uint16_t *name, uint32_t length,
                       const uint16_t *found, uint32_t found_length)
{
    struct cached_name *entry = entry_of(walked->parent, name, length);

    if (length > CACHED_NAME_CHARACTERS || found_length > CACHED_NAME_CHARACTERS) {
        return;
    }
    entry->volume = walked->volume;
    entry->directory = walked->parent;
    entry->number = walked->number;
    entry->length = (uint16_t)length;
    entry->found_length = (uint16_t)found_length;
    memcpy(entry->name, name, length * sizeof(uint16_t));
    memcpy(entry->found, found, found_length * sizeof(uint16_t));
    entry->inode = walked->inode;
}

void fsi_names_forget_inode(const struct volume *volume, uint32_t number)
{
    for (uint32_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (names[i].volume == volume &&
            (names[i].number == number || names[i].directory == number)) {
            names[i].number = NO_INODE;
        }
    }
}

void fsi_names_forget(void)
{
    for (uint32_t i = 0; i < ARRAY_COUNT(names); i++) {
        names[i].number = NO_INODE;
    }
}
