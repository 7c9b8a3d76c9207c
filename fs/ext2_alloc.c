/*
 * fs/ext2_alloc.c: free space of ext2: the bitmaps of blocks and inodes, and the counts.
 *
 * Contiguity. A file that grows gets its next block where the last one ended. The first time, and
 * when something is in the way, a run of WINDOW_BLOCKS free blocks is looked for, and kept for that
 * file alone: a few such windows exist at once, in memory only, so that files that grow side by
 * side do not interleave. When there is no such run, any free block will do, windows or not.
 *
 * Giving up. Blocks that a file had may still be its on the disk. They stay marked as used, and are
 * noted here, until everything is written (ext2_sync); only then are their bits cleared, so nobody
 * gets a block that two files could have after a crash. Inodes likewise.
 */
#include "fs/ext2.h"
#include "fs/ext2_format.h"
#include "kernel/string.h"
#include "quire/assert.h"

#define WINDOW_BLOCKS        64u
#define NONE                 UINT32_MAX
#define PENDING_IS_DIRECTORY 0x80000000u

/* ---- bits and counts ---- */

static bool bit_is_set(const uint8_t *bits, uint32_t bit)
{
    return ((uint32_t)bits[bit / 8] >> bit % 8 & 1u) != 0;
}

static void turn_bit(uint8_t *bits, uint32_t bit)
{
    bits[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

/* The first clear bit of [from, limit), or NONE. */
static uint32_t find_clear(const uint8_t *bits, uint32_t from, uint32_t limit)
{
    for (uint32_t i = from; i < limit;) {
        if (i % 8 == 0 && bits[i / 8] == 0xFF) {
            i += 8;
        } else if (bit_is_set(bits, i)) {
            i++;
        } else {
            return i;
        }
    }
    return NONE;
}

/* How many bits from FROM on are clear, at most MAX, before LIMIT. */
static uint32_t count_clear(const uint8_t *bits, uint32_t from, uint32_t limit, uint32_t max)
{
    uint32_t count = 0;

    while (count < max && from + count < limit && !bit_is_set(bits, from + count)) {
        count++;
    }
    return count;
}

static void add16(uint8_t *bytes, int32_t change)
{
    put16(bytes, get16(bytes) + (uint32_t)change);
}

static void add32(uint8_t *bytes, int32_t change)
{
    put32(bytes, get32(bytes) + (uint32_t)change);
}

static uint32_t group_first(const struct ext2 *ext2, uint32_t group)
{
    return ext2->first_data_block + group * ext2->blocks_per_group;
}

static uint32_t blocks_in_group(const struct ext2 *ext2, uint32_t group)
{
    return min_u32(ext2->blocks_per_group, ext2->nblocks - group_first(ext2, group));
}

/* The blocks of metadata that a change of one group's bits needs, all pinned. */
struct group_space {
    struct metadata_block *descriptors;
    struct metadata_block *bitmap;
    struct metadata_block *superblock;
    uint8_t *descriptor;
    uint8_t *sb;
};

static void put_space(struct ext2 *ext2, struct group_space *space)
{
    metadata_put(&ext2->metadata, space->descriptors);
    metadata_put(&ext2->metadata, space->bitmap);
    metadata_put(&ext2->metadata, space->superblock);
}

/* Gets them; FIELD: of the descriptor, which bitmap. */
static status_t get_space(struct ext2 *ext2, uint32_t group, uint32_t field,
                          struct group_space *space)
{
    memset(space, 0, sizeof(*space));
    status_t status = ext2_get_group_locked(ext2, group, &space->descriptors, &space->descriptor);
    if (is_success(status)) {
        status = ext2_get_superblock_locked(ext2, &space->superblock, &space->sb);
    }
    if (is_success(status)) {
        status = metadata_get(&ext2->metadata, get32(space->descriptor + field), &space->bitmap);
    }
    if (is_error(status)) {
        put_space(ext2, space);
    }
    return status;
}

static void dirty_space(struct ext2 *ext2, struct group_space *space)
{
    metadata_dirty(&ext2->metadata, space->descriptors);
    metadata_dirty(&ext2->metadata, space->bitmap);
    metadata_dirty(&ext2->metadata, space->superblock);
}

/* Turns COUNT bits of blocks from BIT on; CHANGE is added to what is free. */
static void change_blocks(struct ext2 *ext2, struct group_space *space, uint32_t bit,
                          uint32_t count, int32_t change)
{
    for (uint32_t i = 0; i < count; i++) {
        turn_bit(space->bitmap->bytes, bit + i);
    }
    add16(space->descriptor + GROUP_FREE_BLOCKS, change);
    add32(space->sb + SB_FREE_BLOCKS, change);
    ext2->free_blocks += (uint32_t)change;
    dirty_space(ext2, space);
}

/* ---- windows ---- */

static struct ext2_window *find_window(struct ext2 *ext2, uint32_t inode)
{
    for (uint32_t i = 0; i < EXT2_WINDOWS; i++) {
        if (ext2->windows[i].inode == inode) {
            return &ext2->windows[i];
        }
    }
    return NULL;
}

void ext2_close_window_locked(struct ext2 *ext2, uint32_t inode)
{
    struct ext2_window *window = find_window(ext2, inode);

    if (window != NULL) {
        window->inode = 0;
    }
}

/* The least recently used one, for INODE. */
static void open_window(struct ext2 *ext2, uint32_t inode, uint32_t first, uint32_t count)
{
    struct ext2_window *window = find_window(ext2, inode);

    if (window == NULL) {
        window = &ext2->windows[0];
        for (uint32_t i = 1; i < EXT2_WINDOWS && window->inode != 0; i++) {
            struct ext2_window *other = &ext2->windows[i];
            if (other->inode == 0 || (int32_t)(other->used - window->used) < 0) {
                window = other;
            }
        }
    }
    *window = (struct ext2_window){inode, first, first + count, ext2->metadata.change};
}

/* How many of the COUNT blocks from FIRST on are in nobody else's window; *END: of that window. */
static uint32_t outside_windows(const struct ext2 *ext2, uint32_t inode, uint32_t first,
                                uint32_t count, uint32_t *end)
{
    for (uint32_t i = 0; i < EXT2_WINDOWS; i++) {
        const struct ext2_window *window = &ext2->windows[i];
        if (window->inode == 0 || window->inode == inode || window->next >= first + count ||
            window->end <= first) {
            continue;
        }
        *end = window->end;
        count = window->next > first ? window->next - first : 0;
    }
    return count;
}

/* ---- allocating blocks ---- */

/* What is looked for in one group. */
struct run_search {
    uint32_t inode;
    uint32_t least; /* blocks that a run must have */
    uint32_t most;  /* blocks that are of use */
    bool windows;   /* those of others are left alone */
};

/* The first run of the group at or after block FROM: its first block, or NONE. */
static uint32_t find_run(const struct ext2 *ext2, const uint8_t *bits, uint32_t group,
                         uint32_t from, const struct run_search *search, uint32_t *count)
{
    uint32_t base = group_first(ext2, group);
    uint32_t limit = blocks_in_group(ext2, group);

    for (uint32_t bit = from - base; bit < limit;) {
        bit = find_clear(bits, bit, limit);
        if (bit == NONE) {
            break;
        }
        uint32_t n = count_clear(bits, bit, limit, search->most);
        uint32_t next = base + bit + n;
        *count = search->windows ? outside_windows(ext2, search->inode, base + bit, n, &next) : n;
        if (*count >= search->least) {
            return base + bit;
        }
        bit = next - base;
    }
    return NONE;
}

/* Looks in every group, GOAL's first and from there on. */
static status_t search_groups(struct ext2 *ext2, uint32_t goal, const struct run_search *search,
                              uint32_t *first, uint32_t *count)
{
    uint32_t start = (goal - ext2->first_data_block) / ext2->blocks_per_group;

    for (uint32_t i = 0; i <= ext2->ngroups; i++) { /* GOAL's twice: what lies before GOAL, too */
        uint32_t group = (start + i) % ext2->ngroups;
        uint32_t from = i == 0 ? goal : group_first(ext2, group);
        struct group_space space;
        status_t status = get_space(ext2, group, GROUP_BLOCK_BITMAP, &space);
        if (is_error(status)) {
            return status;
        }
        bool full = get16(space.descriptor + GROUP_FREE_BLOCKS) == 0;
        *first = full ? NONE : find_run(ext2, space.bitmap->bytes, group, from, search, count);
        put_space(ext2, &space);
        if (*first != NONE) {
            return STATUS_SUCCESS;
        }
    }
    return STATUS_DISK_FULL;
}

/* Marks the blocks of a run, which lies in one group, as used. */
static status_t take_run(struct ext2 *ext2, uint32_t first, uint32_t count)
{
    uint32_t group = (first - ext2->first_data_block) / ext2->blocks_per_group;
    struct group_space space;
    status_t status = STATUS_SUCCESS;

    for (uint32_t i = 0; i < count && is_success(status); i++) {
        status = ext2_check_own_locked(ext2, first + i); /* a bitmap may be damaged */
    }
    if (is_success(status)) {
        status = get_space(ext2, group, GROUP_BLOCK_BITMAP, &space);
    }
    if (is_success(status)) {
        change_blocks(ext2, &space, first - group_first(ext2, group), count, -(int32_t)count);
        put_space(ext2, &space);
    }
    return status;
}

/* How many blocks at GOAL itself can be had for INODE, at most MAX. */
static status_t count_at_goal(struct ext2 *ext2, uint32_t inode, uint32_t goal, uint32_t max,
                              uint32_t *count)
{
    uint32_t group = (goal - ext2->first_data_block) / ext2->blocks_per_group;
    uint32_t bit = goal - group_first(ext2, group);
    uint32_t end;
    struct group_space space;
    status_t status = get_space(ext2, group, GROUP_BLOCK_BITMAP, &space);

    if (is_success(status)) {
        *count = count_clear(space.bitmap->bytes, bit, blocks_in_group(ext2, group), max);
        *count = outside_windows(ext2, inode, goal, *count, &end);
        put_space(ext2, &space);
    }
    return status;
}

/* Where a run for INODE begins, and how many blocks it can have. */
static status_t choose_run(struct ext2 *ext2, uint32_t inode, uint32_t goal, uint32_t max,
                           uint32_t *first, uint32_t *count)
{
    uint32_t wanted = max_u32(max, WINDOW_BLOCKS);
    const struct run_search spacious = {inode, WINDOW_BLOCKS, wanted, true};
    const struct run_search any = {inode, 1, max, false};
    status_t status = count_at_goal(ext2, inode, goal, wanted, count);

    if (is_error(status) || *count > 0) {
        *first = goal;
        return status;
    }
    status = search_groups(ext2, goal, &spacious, first, count);
    if (status == STATUS_DISK_FULL) {
        status = search_groups(ext2, goal, &any, first, count);
    }
    return status;
}

/* A block near the inode: in its group, where others of the group begin. */
static uint32_t default_goal(const struct ext2 *ext2, uint32_t inode)
{
    return group_first(ext2, (inode - 1) / ext2->inodes_per_group);
}

status_t ext2_allocate_run_locked(struct ext2 *ext2, uint32_t inode, uint32_t goal, uint32_t max,
                                  uint32_t *first, uint32_t *count)
{
    uint32_t found = 0;
    uint32_t room = 0;

    if (!ext2_is_possible_block(ext2, goal)) {
        const struct ext2_window *window = find_window(ext2, inode);
        goal =
            window != NULL && window->next < window->end ? window->next : default_goal(ext2, inode);
    }
    status_t status = choose_run(ext2, inode, goal, max, &found, &room);
    if (is_success(status)) {
        *first = found;
        *count = min_u32(room, max);
        status = take_run(ext2, found, *count);
    }
    if (is_success(status)) {
        open_window(ext2, inode, found + *count, max_u32(room, *count) - *count);
    }
    return status;
}

/* Clears the bits of a run, group by group. False: they cannot be what they should be. */
static bool clear_run(struct ext2 *ext2, uint32_t first, uint32_t count)
{
    while (count > 0) {
        uint32_t group = (first - ext2->first_data_block) / ext2->blocks_per_group;
        uint32_t bit = first - group_first(ext2, group);
        uint32_t n = min_u32(count, blocks_in_group(ext2, group) - bit);
        struct group_space space;
        if (is_error(get_space(ext2, group, GROUP_BLOCK_BITMAP, &space))) {
            return false;
        }
        bool used = true;
        for (uint32_t i = 0; i < n; i++) {
            used = used && bit_is_set(space.bitmap->bytes, bit + i);
        }
        if (used) {
            change_blocks(ext2, &space, bit, n, (int32_t)n);
        }
        put_space(ext2, &space);
        if (!used) {
            return false;
        }
        first += n;
        count -= n;
    }
    return true;
}

void ext2_return_run_locked(struct ext2 *ext2, uint32_t first, uint32_t count)
{
    fresh_drop(&ext2->fresh, first, count);
    ext2->damaged |= !clear_run(ext2, first, count);
}

bool ext2_has_room_locked(const struct ext2 *ext2, uint32_t count)
{
    return ext2->npending + count <= EXT2_PENDING && ext2->npending_inodes < EXT2_PENDING;
}

void ext2_free_run_locked(struct ext2 *ext2, uint32_t first, uint32_t count)
{
    struct ext2_pending *last = ext2->npending == 0 ? NULL : &ext2->pending[ext2->npending - 1];

    fresh_drop(&ext2->fresh, first, count);
    if (last != NULL && last->first + last->count == first) {
        last->count += count;
    } else if (last != NULL && first + count == last->first) {
        last->first = first;
        last->count += count;
    } else {
        VERIFY(ext2->pending != NULL && ext2->npending < EXT2_PENDING);
        ext2->pending[ext2->npending++] = (struct ext2_pending){first, count};
    }
}

/* ---- inodes ---- */

/* The group for a new directory: the one with the most free blocks of those with free inodes. */
static uint32_t choose_directory_group(struct ext2 *ext2, uint32_t parent_group)
{
    uint32_t best = parent_group;
    uint32_t most = 0;

    for (uint32_t i = 0; i < ext2->ngroups; i++) {
        uint32_t group = (parent_group + i) % ext2->ngroups;
        struct metadata_block *block;
        uint8_t *descriptor;
        if (is_error(ext2_get_group_locked(ext2, group, &block, &descriptor))) {
            return parent_group;
        }
        uint32_t free_blocks = get16(descriptor + GROUP_FREE_BLOCKS);
        if (get16(descriptor + GROUP_FREE_INODES) > 0 && free_blocks > most) {
            best = group;
            most = free_blocks;
        }
        metadata_put(&ext2->metadata, block);
    }
    return best;
}

static void change_inode(struct ext2 *ext2, struct group_space *space, uint32_t bit,
                         bool is_directory, int32_t change)
{
    turn_bit(space->bitmap->bytes, bit);
    add16(space->descriptor + GROUP_FREE_INODES, change);
    add16(space->descriptor + GROUP_DIRECTORIES, is_directory ? -change : 0);
    add32(space->sb + SB_FREE_INODES, change);
    dirty_space(ext2, space);
}

/* Takes a free inode of the group, *BIT; NONE when it has none. */
static status_t take_inode(struct ext2 *ext2, uint32_t group, bool is_directory, uint32_t *bit)
{
    uint32_t first = group == 0 ? ext2->first_inode - 1 : 0;
    struct group_space space;
    status_t status = get_space(ext2, group, GROUP_INODE_BITMAP, &space);

    if (is_error(status)) {
        return status;
    }
    *bit = find_clear(space.bitmap->bytes, first, ext2->inodes_per_group);
    if (*bit != NONE) {
        change_inode(ext2, &space, *bit, is_directory, -1);
    }
    put_space(ext2, &space);
    return STATUS_SUCCESS;
}

status_t ext2_allocate_inode_locked(struct ext2 *ext2, uint32_t parent, bool is_directory,
                                    uint32_t *number)
{
    uint32_t start = (parent - 1) / ext2->inodes_per_group;

    if (is_directory) {
        start = choose_directory_group(ext2, start);
    }
    for (uint32_t i = 0; i < ext2->ngroups; i++) {
        uint32_t group = (start + i) % ext2->ngroups;
        uint32_t bit;
        status_t status = take_inode(ext2, group, is_directory, &bit);
        if (is_error(status)) {
            return status;
        }
        if (bit != NONE) {
            *number = group * ext2->inodes_per_group + bit + 1;
            return STATUS_SUCCESS;
        }
    }
    return STATUS_DISK_FULL;
}

void ext2_return_inode_locked(struct ext2 *ext2, uint32_t number, bool is_directory)
{
    uint32_t bit = (number - 1) % ext2->inodes_per_group;
    struct group_space space;

    if (is_error(
            get_space(ext2, (number - 1) / ext2->inodes_per_group, GROUP_INODE_BITMAP, &space))) {
        ext2->damaged = true;
        return;
    }
    if (bit_is_set(space.bitmap->bytes, bit)) {
        change_inode(ext2, &space, bit, is_directory, 1);
    } else {
        ext2->damaged = true;
    }
    put_space(ext2, &space);
}

void ext2_free_inode_locked(struct ext2 *ext2, uint32_t number, bool is_directory)
{
    VERIFY(ext2->npending_inodes < EXT2_PENDING);
    ext2->pending_inodes[ext2->npending_inodes++] =
        number | (is_directory ? PENDING_IS_DIRECTORY : 0);
}

status_t ext2_apply_pending_locked(struct ext2 *ext2)
{
    status_t status = STATUS_SUCCESS;

    metadata_begin_change(&ext2->metadata);
    while (is_success(status) && ext2->npending > 0) {
        const struct ext2_pending *last = &ext2->pending[--ext2->npending];
        ext2->damaged |= !clear_run(ext2, last->first, last->count);
        if (metadata_is_full(&ext2->metadata)) {
            status = metadata_sync(&ext2->metadata);
        }
    }
    while (is_success(status) && ext2->npending_inodes > 0) {
        uint32_t number = ext2->pending_inodes[--ext2->npending_inodes];
        ext2_return_inode_locked(ext2, number & ~PENDING_IS_DIRECTORY,
                                 (number & PENDING_IS_DIRECTORY) != 0);
        if (metadata_is_full(&ext2->metadata)) {
            status = metadata_sync(&ext2->metadata);
        }
    }
    return status;
}
