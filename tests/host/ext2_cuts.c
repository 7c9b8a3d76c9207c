/*
 * tests/host/ext2_cuts.c: the power cut at every point of a disk's log.
 *
 * The model is kept at each sync, with the place in the log: what it says then is promised. For a
 * cut, the disk is rebuilt from the log, e2fsck -p repairs it (it may exit with 0 or 1), the
 * result is mounted, and all that was promised before the cut and not changed after must be there,
 * byte for byte. And no file shows what a block of it held for another file.
 */
#include <stdio.h>
#include <string.h>

#include "ext2_fixture.h"
#include "ext2_model.h"
#include "log_disk.h"
#include "test.h"

#define LARGEST_READ (8u << 20) /* of a file, to look for what is not its own */

/* ---- the cuts ---- */

static const struct snapshot *promised; /* before the cut */
static uint32_t the_cut;

/* The next change of ID (0: of any file) that may be on the disk, in part or whole; or NULL. */
static const struct change *next_change(uint32_t *at, uint32_t id)
{
    for (; *at < fx_nchanges && fx_changes[*at].log <= the_cut; (*at)++) {
        if (id == 0 || fx_changes[*at].id == id) {
            return &fx_changes[(*at)++];
        }
    }
    return NULL;
}

static bool has_changed(uint32_t id, enum change_kind kind)
{
    const struct change *change;
    uint32_t at = promised->nchanges;

    while ((change = next_change(&at, id)) != NULL) {
        if (change->kind == kind) {
            return true;
        }
    }
    return false;
}

static bool is_doubtful(uint32_t id, uint32_t page)
{
    const struct change *change;
    uint32_t at = promised->nchanges;

    while ((change = next_change(&at, id)) != NULL) {
        if (change->kind == CHANGE_WRITTEN && change->page == page) {
            return true;
        }
    }
    return false;
}

/* The least that the file was long since it was promised. */
static uint64_t least_size(const struct model_file *file)
{
    const struct change *change;
    uint64_t least = file->nbytes;
    uint32_t at = promised->nchanges;

    while ((change = next_change(&at, file->id)) != NULL) {
        if (change->kind == CHANGE_CUT && change->nbytes < least) {
            least = change->nbytes;
        }
    }
    return least;
}

/* Opens the file of the snapshot under any of the names that it may have. */
static bool open_any(uint32_t id, uint32_t depth, const char *rest, struct open_file **open)
{
    const struct model_file *file = id < promised->nfiles ? &promised->files[id] : &fx_files[id];
    char path[512];
    uint32_t at = promised->nchanges;
    const struct change *change;

    if (id == 0) {
        snprintf(path, sizeof(path), "C:%s", rest[0] == 0 ? "\\" : rest);
        return is_success(fx_open_path(path, open));
    }
    if (depth > 12) {
        return false;
    }
    if (id < promised->nfiles) {
        snprintf(path, sizeof(path), "\\%s%s", file->name, rest);
        if (open_any(file->parent, depth + 1, path, open)) {
            return true;
        }
    }
    while ((change = next_change(&at, id)) != NULL) {
        if (change->kind == CHANGE_NAMED || change->kind == CHANGE_MADE) {
            snprintf(path, sizeof(path), "\\%s%s", change->name, rest);
            if (open_any(change->parent, depth + 1, path, open)) {
                return true;
            }
        }
    }
    return false;
}

static bool check_promised_file(const struct model_file *file)
{
    struct open_file *open;
    struct file_information information;

    if (!open_any(file->id, 0, "", &open)) {
        fprintf(stderr, "file %u (%s in %u) is not there\n", file->id, file->name, file->parent);
        return false;
    }
    fs_query(open, &information);
    bool right = information.is_directory == file->is_directory;
    if (right && !file->is_directory) {
        uint64_t least = least_size(file);
        bool same = !has_changed(file->id, CHANGE_CUT);
        right = same ? information.nbytes == file->nbytes : information.nbytes >= least;
        if (!right) {
            fprintf(stderr, "file %u (%s): %llu bytes, not %llu\n", file->id, file->name,
                    (unsigned long long)information.nbytes, (unsigned long long)least);
        }
        struct model_file part = *file;
        part.nbytes = least;
        uint64_t whole = same ? least : least & ~(uint64_t)PAGE_MASK;
        right = right && fx_has_contents(open, &part, whole, is_doubtful);
    }
    fs_close(open);
    return right;
}

/* Whether a unit of a page is what the file of INODE can hold: zeroes, or a beginning of its own.
 */
static bool is_own_unit(const uint32_t *words, uint32_t count, uint32_t inode, uint32_t page,
                        uint32_t unit)
{
    uint32_t i = 0;

    if (count > 0 && words[0] != 0 && (words[0] & 0xFFu) != (inode & 0xFFu)) {
        return false;
    }
    while (i < count && words[0] != 0 &&
           words[i] == fx_word_of(words[0], page, unit * FX_UNIT_WORDS + i)) {
        i++;
    }
    while (i < count && words[i] == 0) {
        i++;
    }
    return i == count;
}

/* Whether the whole words of an open file are its own. */
static bool is_own(struct open_file *open, uint32_t inode, uint64_t nbytes)
{
    static uint32_t words[PAGE_BYTES / 4];

    for (uint64_t begin = 0; begin < nbytes; begin += PAGE_BYTES) {
        uint32_t n = nbytes - begin < PAGE_BYTES ? (uint32_t)(nbytes - begin) : PAGE_BYTES;
        uint32_t page = (uint32_t)(begin >> PAGE_SHIFT);
        uint32_t done;
        if (is_error(fs_read_kernel(open, begin, words, n, &done)) || done != n) {
            return false;
        }
        for (uint32_t at = 0; at < n / 4; at += FX_UNIT_WORDS) {
            uint32_t count = min_u32(FX_UNIT_WORDS, n / 4 - at);
            if (!is_own_unit(words + at, count, inode, page, at / FX_UNIT_WORDS)) {
                fprintf(stderr, "inode %u: page %u, word %u is not its own\n", inode, page, at);
                return false;
            }
        }
    }
    return true;
}

/* Whether every file, whatever names it, holds only what is its own. */
static bool check_nothing_stale(void)
{
    bool right = true;

    for (uint32_t inode = 12; inode <= fx_volume()->ninodes && right; inode++) {
        struct ext2_inode found;
        struct file *file;
        status_t status = ext2_read_inode(fx_volume(), inode, &found);
        if (is_error(status) || (found.mode & EXT2_TYPE_MASK) != EXT2_TYPE_FILE ||
            found.information.nbytes > LARGEST_READ) {
            continue;
        }
        mutex_lock(&fsi.lock);
        status = fsi_take_file(&fsi_volumes[0], inode, &found, &file);
        mutex_unlock(&fsi.lock);
        if (is_success(status)) {
            struct open_file open = {.file = file};
            right = is_own(&open, inode, found.information.nbytes);
            fsi_release_file(file);
        }
    }
    return right;
}

static uint32_t ncuts;
bool fx_expects_failure;

/* One cut: false, and the image stays in memory, when something is wrong. */
bool fx_check_cut(uint32_t cut, uint64_t missing)
{
    bool right = true;

    ncuts++;
    the_cut = cut;
    promised = &fx_snapshots[0];
    for (uint32_t i = 0; i < fx_nsnapshots && fx_snapshots[i].log <= cut; i++) {
        promised = &fx_snapshots[i];
    }
    log_disk_rebuild(fx_image, cut, missing);
    fx_write_image(fx_image);
    int code = fx_e2fsck("-p");
    if (code != 0 && code != 1) {
        fprintf(stderr, "e2fsck -p ends with %d\n", code);
        fx_show_said();
        right = false;
    }
    fx_read_image(fx_disk->contents);
    if (right && is_success(fs_start())) {
        for (uint32_t id = 1; id < promised->nfiles && right; id++) {
            const struct model_file *file = &promised->files[id];
            if (file->exists && !has_changed(id, CHANGE_GONE)) {
                right = check_promised_file(file);
            }
        }
        right = right && check_nothing_stale();
        fs_stop();
    }
    if (!right && !fx_expects_failure) {
        test_fail(__FILE__, __LINE__, "cut %u, missing 0x%llx, snapshot at %u with %u changes", cut,
                  (unsigned long long)missing, promised->log, promised->nchanges);
    }
    return right;
}

/* Every cut; and at the end of each window between flushes, subsets of what it wrote. */
void fx_check_cuts(void)
{
    uint32_t total = log_disk_count();
    bool right = true;

    log_disk_stop();
    for (uint32_t cut = 0; cut <= total && right; cut++) {
        right = fx_check_cut(cut, 0);
        uint32_t pending = log_disk_pending(cut);
        bool ends = cut == total || log_disk_is_flush(cut);
        if (!ends || pending == 0 || !right) {
            continue;
        }
        uint64_t all = pending >= 64 ? UINT64_MAX : (1ull << pending) - 1;
        uint32_t samples = pending <= 3 ? (uint32_t)all : 7;
        for (uint32_t i = 1; i <= samples && right; i++) {
            uint64_t bits = ((uint64_t)sim_random(1u << 31) << 31) ^ sim_random(1u << 31);
            right = fx_check_cut(cut, pending <= 3 ? i : bits & all);
        }
    }
    printf("# %u writes and flushes, %u cuts\n", total, ncuts);
}
