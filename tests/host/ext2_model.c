/*
 * tests/host/ext2_model.c: random changes of a volume, and a model that knows what every file
 * holds.
 */
#define _GNU_SOURCE
#include "ext2_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/constants.h"
#include "ext2_fixture.h"
#include "fs/fresh.h"
#include "log_disk.h"
#include "mm/pfn.h"
#include "mm/pool.h"
#include "test.h"

#define ROOT EXT2_ROOT_INODE

struct model_file fx_files[FX_FILES_MAX] = {
    {.exists = true, .is_directory = true, .inode = ROOT},
}; /* by id; 0 is the root */
uint32_t fx_nfiles;
struct change fx_changes[FX_CHANGES_MAX];
uint32_t fx_nchanges;
struct snapshot fx_snapshots[FX_SNAPSHOTS];
uint32_t fx_nsnapshots;
static bool verbose;

void fx_note(enum change_kind kind, const struct model_file *file, uint32_t page)
{
    REQUIRE(fx_nchanges < FX_CHANGES_MAX);
    struct change *change = &fx_changes[fx_nchanges++];
    *change = (struct change){.kind = kind,
                              .id = file->id,
                              .log = log_disk_count(),
                              .page = page,
                              .nbytes = file->nbytes,
                              .parent = file->parent};
    memcpy(change->name, file->name, NAME_MAX_);
    if (verbose) {
        static const char *const words[] = {"made", "written", "cut", "named", "gone"};
        printf("# %u: %s %u (%s in %u), page %u, %llu bytes, log %u\n", fx_nchanges - 1,
               words[kind], file->id, file->name, file->parent, page,
               (unsigned long long)file->nbytes, change->log);
    }
}

uint32_t fx_word_of(uint32_t seed, uint32_t page, uint32_t i)
{
    uint32_t x = (seed * 2654435761u) ^ (page * 40503u) ^ (i * 0x9E3779B1u);

    return seed == 0 || i % FX_UNIT_WORDS == 0 ? seed : x ^ x >> 15;
}

uint32_t fx_make_seed(const struct model_file *file)
{
    return (1 + sim_random(1u << 22)) << 8 | (file->inode & 0xFFu);
}

static uint32_t seed_of(const struct model_file *file, uint32_t page)
{
    for (uint32_t i = 0; i < file->npages; i++) {
        if (file->pages[i].number == page) {
            return file->pages[i].seed;
        }
    }
    return 0;
}

bool fx_set_seed(struct model_file *file, uint32_t page, uint32_t seed)
{
    for (uint32_t i = 0; i < file->npages; i++) {
        if (file->pages[i].number == page) {
            file->pages[i].seed = seed;
            return true;
        }
    }
    if (file->npages == FX_PAGES_MAX) {
        return false;
    }
    file->pages[file->npages++] = (struct page){page, seed};
    return true;
}

/* A file or directory that exists, at random; 0 when there is none. */
static uint32_t any_file(bool is_directory)
{
    for (uint32_t tries = 0; tries < 50 && fx_nfiles > 1; tries++) {
        uint32_t id = 1 + sim_random(fx_nfiles - 1);
        if (fx_files[id].exists && fx_files[id].is_directory == is_directory) {
            return id;
        }
    }
    return 0;
}

static uint32_t find_named(uint32_t parent, const char *name)
{
    for (uint32_t id = 1; id < fx_nfiles; id++) {
        if (fx_files[id].exists && fx_files[id].parent == parent &&
            strcmp(fx_files[id].name, name) == 0) {
            return id;
        }
    }
    return 0;
}

struct ext2_name fx_name_of(const char *name, uint32_t parent)
{
    return (struct ext2_name){.directory = fx_files[parent].inode,
                              .bytes = (const uint8_t *)name,
                              .nbytes = (uint32_t)strlen(name)};
}

/* ---- changes ---- */

/* A stand-in for the struct file that an open file has. */
static void init_file(struct file *file, uint32_t inode, uint64_t nbytes)
{
    memset(file, 0, sizeof(*file));
    file->volume = &fsi_volumes[0];
    file->inode = inode;
    file->information.nbytes = nbytes;
    mutex_init(&file->paging_lock, RANK_FILE_PAGING);
}

/* Fills a page's frame as the model has it, zero past the end of the file. */
static void fill_page(const struct model_file *file, uint32_t page, uint8_t *bytes)
{
    uint32_t *words = (uint32_t *)(void *)bytes;
    uint64_t begin = (uint64_t)page * PAGE_BYTES;

    for (uint32_t i = 0; i < PAGE_BYTES / 4; i++) {
        words[i] = fx_word_of(seed_of(file, page), page, i);
    }
    if (file->nbytes < begin + PAGE_BYTES) {
        uint32_t inside = file->nbytes > begin ? (uint32_t)(file->nbytes - begin) : 0;
        memset(bytes + inside, 0, PAGE_BYTES - inside);
    }
}

/* Writes pages of the file as a page-out would; RESERVE: their blocks first. */
status_t fx_write_pages(const struct model_file *model, uint32_t first, uint32_t npages, bool lost)
{
    struct file file;
    pfn_t frames[PAGER_READ_PAGES];
    uint8_t *bytes = mm_allocate(npages * PAGE_BYTES);

    REQUIRE(bytes != NULL && npages <= 16);
    init_file(&file, model->inode, model->nbytes);
    status_t status = fsi_file_reserve(&file, first, npages);
    for (uint32_t i = 0; i < npages; i++) {
        fill_page(model, first + i, bytes + i * PAGE_BYTES);
        frames[i] = frame_of(bytes + i * PAGE_BYTES);
    }
    if (is_success(status) && !lost) {
        status = fsi_file_page_out(&file, first, npages, frames);
    }
    mm_free(bytes, npages * PAGE_BYTES);
    return status;
}

void fx_make_name(char *name)
{
    snprintf(name, NAME_MAX_, "%c%0*u", 'a' + (char)sim_random(26), 1 + (int)sim_random(20),
             sim_random(40));
}

static void make_file(bool is_directory)
{
    char name[NAME_MAX_];
    uint32_t parent = sim_random(3) != 0 ? any_file(true) : 0;
    uint32_t number = 0;

    fx_make_name(name);
    const struct ext2_name wanted = fx_name_of(name, parent);
    bool exists = find_named(parent, name) != 0;
    if (fx_nfiles == FX_FILES_MAX) {
        return;
    }
    struct model_file *file = &fx_files[fx_nfiles];
    *file = (struct model_file){
        .exists = true, .is_directory = is_directory, .id = fx_nfiles, .parent = parent};
    memcpy(file->name, name, NAME_MAX_);
    fx_note(CHANGE_MADE, file, 0);
    status_t status = ext2_create(fx_volume(), &wanted, is_directory ? 0x41ED : 0x81A4, &number);
    if (exists) {
        EXPECT_STATUS(status, STATUS_OBJECT_NAME_COLLISION);
        return;
    }
    if (status != STATUS_DISK_FULL) {
        EXPECT_STATUS(status, STATUS_SUCCESS);
        file->inode = number;
        fx_nfiles++;
    }
}

/* The end of the file moves to NBYTES; the model forgets what lies beyond. */
void fx_change_size(struct model_file *file, uint64_t nbytes)
{
    uint64_t old = file->nbytes;

    if (nbytes > old && old % PAGE_BYTES != 0 &&
        seed_of(file, (uint32_t)(old >> PAGE_SHIFT)) != 0) {
        return; /* its last page would have to be zeroed in the cache */
    }
    file->nbytes = nbytes;
    fx_note(CHANGE_CUT, file, 0);
    EXPECT_STATUS(ext2_set_size(fx_volume(), file->inode, nbytes), STATUS_SUCCESS);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < file->npages; i++) {
        if ((uint64_t)file->pages[i].number << PAGE_SHIFT < nbytes) {
            file->pages[kept++] = file->pages[i];
        }
    }
    file->npages = kept;
}

/* Bytes of some pages, at the end or inside, sparse or not. */
static void write_file(uint32_t id, uint32_t limit)
{
    struct model_file *file = &fx_files[id];
    uint32_t end = (uint32_t)((file->nbytes + PAGE_MASK) >> PAGE_SHIFT);
    uint32_t npages = 1 + sim_random(12);
    uint32_t first = sim_random(3) == 0 ? sim_random(end + 1) : end;

    if (sim_random(8) == 0) {
        first += sim_random(limit);
    }
    uint64_t nbytes = ((uint64_t)first + npages) << PAGE_SHIFT;
    if (sim_random(3) == 0) {
        nbytes -= sim_random(PAGE_BYTES);
    }
    if (nbytes > file->nbytes) {
        fx_change_size(file, nbytes);
    }
    if (file->nbytes < nbytes || file->npages + npages > FX_PAGES_MAX) {
        return;
    }
    uint32_t seed = fx_make_seed(file);
    fx_note(CHANGE_WRITTEN, file, first);
    for (uint32_t i = 1; i < npages; i++) {
        fx_note(CHANGE_WRITTEN, file, first + i);
    }
    bool lost = sim_random(6) == 0; /* reserved, but never written: it stays, or becomes, zero */
    for (uint32_t i = 0; i < npages; i++) {
        if (lost && seed_of(file, first + i) != 0) {
            return;
        }
        REQUIRE(fx_set_seed(file, first + i, lost ? 0 : seed));
    }
    status_t status = fx_write_pages(file, first, npages, lost);
    if (status == STATUS_DISK_FULL) {
        for (uint32_t i = 0; i < npages; i++) {
            fx_set_seed(file, first + i, 0);
        }
        fx_change_size(file, (uint64_t)first << PAGE_SHIFT); /* whatever there is of it */
    } else {
        EXPECT_STATUS(status, STATUS_SUCCESS);
    }
}

static void forget(uint32_t id, uint32_t links)
{
    EXPECT_EQUAL(links, 0);
    fx_files[id].exists = false;
    EXPECT_STATUS(ext2_release(fx_volume(), fx_files[id].inode), STATUS_SUCCESS);
}

static bool is_empty(uint32_t id)
{
    for (uint32_t i = 1; i < fx_nfiles; i++) {
        if (fx_files[i].exists && fx_files[i].parent == id) {
            return false;
        }
    }
    return true;
}

static void remove_file(uint32_t id)
{
    struct model_file *file = &fx_files[id];
    const struct ext2_name name = fx_name_of(file->name, file->parent);
    uint32_t number = 0;
    uint32_t links = 9;

    fx_note(CHANGE_GONE, file, 0);
    status_t status = ext2_remove(fx_volume(), &name, &number, &links);
    if (!is_empty(id)) {
        EXPECT_STATUS(status, STATUS_DIRECTORY_NOT_EMPTY);
        return;
    }
    EXPECT_STATUS(status, STATUS_SUCCESS);
    EXPECT_EQUAL(number, file->inode);
    forget(id, links);
}

static bool is_inside(uint32_t id, uint32_t directory)
{
    for (; id != 0; id = fx_files[id].parent) {
        if (id == directory) {
            return true;
        }
    }
    return false;
}

/* A directory that moved has another inode, and so have those inside. */
static void renumber(uint32_t id, uint32_t number)
{
    bool moved = fx_files[id].inode != number;

    fx_files[id].inode = number;
    for (uint32_t i = 1; i < fx_nfiles && moved; i++) {
        if (fx_files[i].exists && fx_files[i].is_directory && fx_files[i].parent == id) {
            uint8_t buffer[EXT2_BLOCK_MAX];
            uint8_t found[EXT2_NAME_BYTES];
            uint32_t nbytes;
            uint32_t inside = 0;
            struct ext2_inode inode;
            REQUIRE(is_success(ext2_read_inode(fx_volume(), number, &inode)));
            REQUIRE(is_success(ext2_lookup(fx_volume(), &inode, (const uint8_t *)fx_files[i].name,
                                           (uint32_t)strlen(fx_files[i].name), buffer, found,
                                           &nbytes, &inside)));
            renumber(i, inside);
        }
    }
}

static void rename_file(uint32_t id)
{
    struct model_file *file = &fx_files[id];
    uint32_t parent = sim_random(2) != 0 ? any_file(true) : file->parent;
    uint32_t other = sim_random(3) == 0 ? any_file(false) : 0;
    char name[NAME_MAX_];
    struct ext2_renamed renamed = {0};
    char old_name[NAME_MAX_];

    fx_make_name(name);
    memcpy(old_name, file->name, NAME_MAX_);
    if (other != 0) {
        parent = fx_files[other].parent;
        memcpy(name, fx_files[other].name, NAME_MAX_);
    }
    other = find_named(parent, name);
    if (is_inside(parent, id) || other == id ||
        (file->is_directory &&
         fx_image_nbytes < 1u << 20)) { /* a disk that is full has no room for it */
        return;
    }
    const struct ext2_name from = fx_name_of(old_name, file->parent);
    const struct ext2_name to = fx_name_of(name, parent);
    bool possible = other == 0 || (!fx_files[other].is_directory && !file->is_directory);
    if (possible) {
        if (other != 0) {
            fx_note(CHANGE_GONE, &fx_files[other], 0);
        }
        file->parent = parent;
        memcpy(file->name, name, NAME_MAX_);
        fx_note(CHANGE_NAMED, file, 0);
    }
    status_t status = ext2_rename(fx_volume(), &from, &to, &renamed);
    EXPECT_STATUS(status, possible ? STATUS_SUCCESS : STATUS_OBJECT_NAME_COLLISION);
    if (possible && other != 0) {
        EXPECT_EQUAL(renamed.replaced, fx_files[other].inode);
        forget(other, renamed.links);
    } else if (possible) {
        EXPECT_EQUAL(renamed.replaced, 0);
    }
    if (is_success(status)) {
        EXPECT(file->is_directory || renamed.number == file->inode);
        renumber(id, renamed.number);
    }
}

/* One more name, and then, when that is durable, one less. */
static void link_file(uint32_t id)
{
    struct model_file *file = &fx_files[id];
    uint32_t parent = sim_random(2) != 0 ? any_file(true) : file->parent;
    const struct model_file old = *file;
    char name[NAME_MAX_];
    uint32_t number = 0;
    uint32_t links = 9;

    fx_make_name(name);
    const struct ext2_name from = fx_name_of(old.name, old.parent);
    const struct ext2_name to = fx_name_of(name, parent);
    if (find_named(parent, name) != 0) {
        EXPECT_STATUS(ext2_link(fx_volume(), &to, file->inode), STATUS_OBJECT_NAME_COLLISION);
        return;
    }
    file->parent = parent;
    memcpy(file->name, name, NAME_MAX_);
    fx_note(CHANGE_NAMED, file, 0);
    status_t status = ext2_link(fx_volume(), &to, file->inode);
    if (status == STATUS_DISK_FULL) {
        file->parent = old.parent;
        memcpy(file->name, old.name, NAME_MAX_);
        return;
    }
    EXPECT_STATUS(status, STATUS_SUCCESS);
    EXPECT_STATUS(ext2_sync(fx_volume()), STATUS_SUCCESS);
    EXPECT_STATUS(ext2_remove(fx_volume(), &from, &number, &links), STATUS_SUCCESS);
    EXPECT(number == file->inode && links == 1);
}

void fx_take_snapshot(void)
{
    REQUIRE(fx_nsnapshots < FX_SNAPSHOTS);
    struct snapshot *snapshot = &fx_snapshots[fx_nsnapshots++];
    snapshot->log = log_disk_count();
    snapshot->nchanges = fx_nchanges;
    snapshot->nfiles = fx_nfiles;
    snapshot->files = malloc(fx_nfiles * sizeof(fx_files[0]));
    REQUIRE(snapshot->files != NULL);
    memcpy(snapshot->files, fx_files, fx_nfiles * sizeof(fx_files[0]));
}

void fx_sync_volume(void)
{
    EXPECT_STATUS(ext2_sync(fx_volume()), STATUS_SUCCESS);
    EXPECT_EQUAL(fresh_count(&fx_volume()->fresh), 0);
    fx_take_snapshot();
}

void fx_change_something(uint32_t limit)
{
    uint32_t what = sim_random(21);
    uint32_t id = any_file(what == 17 || what == 18);

    if (what < 5 || id == 0) {
        make_file(what == 0 || what == 4);
    } else if (what < 11) {
        write_file(id, limit);
    } else if (what < 13) {
        fx_change_size(&fx_files[id], sim_random((uint32_t)fx_files[id].nbytes + 1));
    } else if (what < 15 || what == 17) {
        rename_file(id);
    } else if (what < 19) {
        remove_file(id);
    } else if (what < 20) {
        link_file(id);
    } else {
        struct ext2_settings settings = {.write_time = 130000000000000000ll + sim_random(1u << 30)};
        EXPECT_STATUS(ext2_set_information(fx_volume(), fx_files[id].inode, &settings),
                      STATUS_SUCCESS);
    }
}

void fx_begin_model(void)
{
    fx_files[0] = (struct model_file){.exists = true, .is_directory = true, .inode = ROOT};
    fx_nfiles = 1;
    log_disk_start(fx_disk, fx_volume()->block_bytes);
    fx_take_snapshot();
}

/* ---- looking at the result ---- */

/* Compares pages of an open file with the model; those of DOUBT are not looked at. */
bool fx_has_contents(struct open_file *open, const struct model_file *file, uint64_t nbytes,
                     bool (*doubt)(uint32_t id, uint32_t page))
{
    static uint8_t wanted[PAGE_BYTES];
    static uint8_t got[PAGE_BYTES];

    for (uint32_t i = 0; i <= file->npages; i++) {
        uint32_t page = i < file->npages ? file->pages[i].number : (uint32_t)(nbytes >> 13);
        uint64_t begin = (uint64_t)page << PAGE_SHIFT;
        uint32_t done;
        if (begin >= nbytes || (doubt != NULL && doubt(file->id, page))) {
            continue;
        }
        uint32_t n = nbytes - begin < PAGE_BYTES ? (uint32_t)(nbytes - begin) : PAGE_BYTES;
        fill_page(file, page, wanted);
        if (is_error(fs_read_kernel(open, begin, got, n, &done)) || done != n ||
            memcmp(wanted, got, n) != 0) {
            fprintf(stderr, "file %u (%s): page %u of %llu bytes is not what it was\n", file->id,
                    file->name, page, (unsigned long long)nbytes);
            return false;
        }
    }
    return true;
}

/* The model's path of a file. */
static void path_of(uint32_t id, char *path, size_t size)
{
    char rest[400];

    strcpy(path, "");
    for (; id != 0; id = fx_files[id].parent) {
        snprintf(rest, sizeof(rest), "%s", path);
        snprintf(path, size, "\\%s%.380s", fx_files[id].name, rest);
    }
    snprintf(rest, sizeof(rest), "%s", path);
    snprintf(path, size, "C:%.390s", rest[0] == 0 ? "\\" : rest);
}

/* Everything of the model is there. */
void fx_check_model(void)
{
    for (uint32_t id = 1; id < fx_nfiles; id++) {
        char path[512];
        struct open_file *open;
        struct file_information information;
        if (!fx_files[id].exists) {
            continue;
        }
        path_of(id, path, sizeof(path));
        status_t status = fx_open_path(path, &open);
        if (is_error(status)) {
            fprintf(stderr, "%s (file %u)\n", path, id);
            EXPECT_STATUS(status, STATUS_SUCCESS);
            continue;
        }
        fs_query(open, &information);
        EXPECT_EQUAL(information.is_directory, fx_files[id].is_directory);
        EXPECT_EQUAL(information.index, fx_files[id].inode);
        if (!fx_files[id].is_directory) {
            EXPECT_EQUAL(information.nbytes, fx_files[id].nbytes);
            EXPECT(fx_has_contents(open, &fx_files[id], fx_files[id].nbytes, NULL));
        }
        fs_close(open);
    }
}
