/*
 * tests/host/test_ext2_write.c: writing ext2: random sequences of changes on images that mke2fs
 * makes, judged by e2fsck; and the power cut at every point of them.
 *
 * A model knows what every file holds. At each sync it is kept with the place in the disk's log:
 * what it says then is promised. For a cut, the disk is rebuilt from the log, e2fsck -p repairs it
 * (it may exit with 0 or 1), the result is mounted, and all that was promised before the cut and
 * not changed after must be there, byte for byte.
 */
#define _GNU_SOURCE
#include "test.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/constants.h"
#include "fs/fresh.h"
#include "fs/internal.h"
#include "kernel/clock.h"
#include "log_disk.h"
#include "mm/fault.h"
#include "mm/init.h"
#include "mm/pagefile.h"
#include "mm/pfn.h"
#include "mm/pool.h"

#define MIB         (1ull << 20)
#define NAME_MAX_   24
#define FILES_MAX   400 /* ever made in one run */
#define PAGES_MAX   160 /* written of one file */
#define SNAPSHOTS   64
#define CHANGES_MAX 400
#define ROOT        EXT2_ROOT_INODE

extern char **environ;

/* ---- images and host tools ---- */

static char work[64]; /* directory of this test, on the host */
static uint8_t *image;
static size_t image_nbytes;

static void begin_work(void)
{
    struct stat status;

    strcpy(work, stat("/dev/shm", &status) == 0 ? "/dev/shm/quire-XXXXXX" : "/tmp/quire-XXXXXX");
    REQUIRE(mkdtemp(work) != NULL);
}

static void end_work(void)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/image", work);
    unlink(path);
    snprintf(path, sizeof(path), "%s/said", work);
    unlink(path);
    rmdir(work);
}

static void write_image(const uint8_t *bytes)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/image", work);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    REQUIRE(file >= 0 && write(file, bytes, image_nbytes) == (ssize_t)image_nbytes);
    close(file);
}

static void read_image(uint8_t *bytes)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/image", work);
    int file = open(path, O_RDONLY);
    REQUIRE(file >= 0 && read(file, bytes, image_nbytes) == (ssize_t)image_nbytes);
    close(file);
}

static void show_said(void)
{
    char command[128];

    fflush(NULL);
    snprintf(command, sizeof(command), "cat %s/said >&2", work);
    if (system(command) != 0) {
        fprintf(stderr, "nothing was said\n");
    }
}

/* Runs e2fsck with OPTION on the image; its exit code. */
static int e2fsck(const char *option)
{
    char program[] = "/sbin/e2fsck";
    char how[8];
    char path[96];
    char said[96];
    pid_t child;
    int status = -1;
    posix_spawn_file_actions_t actions;

    snprintf(how, sizeof(how), "%s", option);
    snprintf(path, sizeof(path), "%s/image", work);
    snprintf(said, sizeof(said), "%s/said", work);
    char *const arguments[] = {program, how, path, NULL};
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, said, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    REQUIRE(posix_spawn(&child, program, &actions, NULL, arguments, environ) == 0);
    REQUIRE(waitpid(child, &status, 0) == child && WIFEXITED(status));
    posix_spawn_file_actions_destroy(&actions);
    return WEXITSTATUS(status);
}

static void make_image(uint32_t block_bytes, const char *size, const char *options)
{
    char command[256];
    struct stat status;

    begin_work();
    snprintf(command, sizeof(command),
             "PATH=$PATH:/sbin mke2fs -q -F -t ext2 -b %u %s %s/image %s >/dev/null 2>&1",
             block_bytes, options, work, size);
    REQUIRE(system(command) == 0);
    snprintf(command, sizeof(command), "%s/image", work);
    REQUIRE(stat(command, &status) == 0);
    image_nbytes = (size_t)status.st_size;
    image = malloc(image_nbytes);
    REQUIRE(image != NULL);
    read_image(image);
}

/* ---- the machine ---- */

static const struct trap_operations operations = {.window_fault = mm_window_fault};
static struct sim_disk *disk;

/* QUIRE_SEED, in the environment, makes other runs of these tests. */
static uint32_t seed_offset(void)
{
    const char *text = getenv("QUIRE_SEED");

    return text == NULL ? 0 : (uint32_t)atoi(text);
}

static void boot(uint32_t seed)
{
    sim_boot(&(struct sim_config){.ram = {{0, 16 * MIB}}, .seed = seed + seed_offset()});
    trap_register(&operations);
    REQUIRE(is_success(mm_init(&boot_info)));
    disk = sim_disk_memory(image_nbytes / SECTOR_BYTES);
    disk->latency = 1000;
    memcpy(disk->contents, image, image_nbytes);
}

static struct ext2 *volume(void)
{
    return &fsi_volume.ext2;
}

/* Makes an image, a machine with it, and mounts it. */
static void begin(uint32_t block_bytes, const char *size, const char *options, uint32_t seed)
{
    make_image(block_bytes, size, options);
    boot(seed);
    REQUIRE(is_success(fs_start()));
    REQUIRE(volume()->writable);
}

/* Unmounts; what e2fsck says of the disk. */
static int end(void)
{
    fs_stop();
    write_image(disk->contents);
    int code = e2fsck("-fn");
    if (code != 0) {
        show_said();
    }
    return code;
}

/* ---- the model ---- */

struct page {
    uint32_t number;
    uint32_t seed;
};

struct model_file {
    bool exists;
    bool is_directory;
    uint32_t id;
    uint32_t inode;
    uint32_t parent; /* id; 0: the root */
    char name[NAME_MAX_];
    uint64_t nbytes;
    uint32_t npages;
    struct page pages[PAGES_MAX]; /* those that were written; the others are zero */
};

/* What may have happened to a file. */
enum change_kind { CHANGE_MADE, CHANGE_WRITTEN, CHANGE_CUT, CHANGE_NAMED, CHANGE_GONE };

struct change {
    enum change_kind kind;
    uint32_t id;
    uint32_t log; /* how much of it was there when the change began */
    uint32_t page;
    uint64_t nbytes;
    uint32_t parent;
    char name[NAME_MAX_];
};

struct snapshot {
    uint32_t log;      /* promised from here on */
    uint32_t nchanges; /* made before */
    uint32_t nfiles;
    struct model_file *files;
};

static struct model_file files[FILES_MAX]; /* by id; 0 is the root */
static uint32_t nfiles;
static struct change changes[CHANGES_MAX];
static uint32_t nchanges;
static struct snapshot snapshots[SNAPSHOTS];
static uint32_t nsnapshots;
static bool verbose;

static void note(enum change_kind kind, const struct model_file *file, uint32_t page)
{
    REQUIRE(nchanges < CHANGES_MAX);
    struct change *change = &changes[nchanges++];
    *change = (struct change){.kind = kind,
                              .id = file->id,
                              .log = log_disk_count(),
                              .page = page,
                              .nbytes = file->nbytes,
                              .parent = file->parent};
    memcpy(change->name, file->name, NAME_MAX_);
    if (verbose) {
        static const char *const words[] = {"made", "written", "cut", "named", "gone"};
        printf("# %u: %s %u (%s in %u), page %u, %llu bytes, log %u\n", nchanges - 1, words[kind],
               file->id, file->name, file->parent, page, (unsigned long long)file->nbytes,
               change->log);
    }
}

static uint32_t word_of(uint32_t seed, uint32_t page, uint32_t i)
{
    uint32_t x = (seed * 2654435761u) ^ (page * 40503u) ^ (i * 0x9E3779B1u);

    return seed == 0 ? 0 : x ^ x >> 15;
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

static bool set_seed(struct model_file *file, uint32_t page, uint32_t seed)
{
    for (uint32_t i = 0; i < file->npages; i++) {
        if (file->pages[i].number == page) {
            file->pages[i].seed = seed;
            return true;
        }
    }
    if (file->npages == PAGES_MAX) {
        return false;
    }
    file->pages[file->npages++] = (struct page){page, seed};
    return true;
}

/* A file or directory that exists, at random; 0 when there is none. */
static uint32_t any_file(bool is_directory)
{
    for (uint32_t tries = 0; tries < 50 && nfiles > 1; tries++) {
        uint32_t id = 1 + sim_random(nfiles - 1);
        if (files[id].exists && files[id].is_directory == is_directory) {
            return id;
        }
    }
    return 0;
}

static uint32_t find_named(uint32_t parent, const char *name)
{
    for (uint32_t id = 1; id < nfiles; id++) {
        if (files[id].exists && files[id].parent == parent && strcmp(files[id].name, name) == 0) {
            return id;
        }
    }
    return 0;
}

static struct ext2_name name_of(const char *name, uint32_t parent)
{
    return (struct ext2_name){.directory = files[parent].inode,
                              .bytes = (const uint8_t *)name,
                              .nbytes = (uint32_t)strlen(name)};
}

/* ---- changes ---- */

/* A stand-in for the struct file that an open file has. */
static void init_file(struct file *file, uint32_t inode, uint64_t nbytes)
{
    memset(file, 0, sizeof(*file));
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
        words[i] = word_of(seed_of(file, page), page, i);
    }
    if (file->nbytes < begin + PAGE_BYTES) {
        uint32_t inside = file->nbytes > begin ? (uint32_t)(file->nbytes - begin) : 0;
        memset(bytes + inside, 0, PAGE_BYTES - inside);
    }
}

/* Writes pages of the file as a page-out would; RESERVE: their blocks first. */
static status_t write_pages(const struct model_file *model, uint32_t first, uint32_t npages,
                            bool lost)
{
    struct file file;
    pfn_t frames[PAGER_CLUSTER_PAGES];
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

static void make_name(char *name)
{
    snprintf(name, NAME_MAX_, "%c%0*u", 'a' + (char)sim_random(26), 1 + (int)sim_random(20),
             sim_random(40));
}

static void make_file(bool is_directory)
{
    char name[NAME_MAX_];
    uint32_t parent = sim_random(3) != 0 ? any_file(true) : 0;
    uint32_t number = 0;

    make_name(name);
    const struct ext2_name wanted = name_of(name, parent);
    bool exists = find_named(parent, name) != 0;
    if (nfiles == FILES_MAX) {
        return;
    }
    struct model_file *file = &files[nfiles];
    *file = (struct model_file){
        .exists = true, .is_directory = is_directory, .id = nfiles, .parent = parent};
    memcpy(file->name, name, NAME_MAX_);
    note(CHANGE_MADE, file, 0);
    status_t status = ext2_create(volume(), &wanted, is_directory ? 0x41ED : 0x81A4, &number);
    if (exists) {
        EXPECT_STATUS(status, STATUS_OBJECT_NAME_COLLISION);
        return;
    }
    if (status != STATUS_DISK_FULL) {
        EXPECT_STATUS(status, STATUS_SUCCESS);
        file->inode = number;
        nfiles++;
    }
}

/* The end of the file moves to NBYTES; the model forgets what lies beyond. */
static void change_size(struct model_file *file, uint64_t nbytes)
{
    uint64_t old = file->nbytes;

    if (nbytes > old && old % PAGE_BYTES != 0 &&
        seed_of(file, (uint32_t)(old >> PAGE_SHIFT)) != 0) {
        return; /* its last page would have to be zeroed in the cache */
    }
    file->nbytes = nbytes;
    note(CHANGE_CUT, file, 0);
    EXPECT_STATUS(ext2_set_size(volume(), file->inode, nbytes), STATUS_SUCCESS);
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
    struct model_file *file = &files[id];
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
        change_size(file, nbytes);
    }
    if (file->nbytes < nbytes || file->npages + npages > PAGES_MAX) {
        return;
    }
    uint32_t seed = 1 + sim_random(1u << 30);
    note(CHANGE_WRITTEN, file, first);
    for (uint32_t i = 1; i < npages; i++) {
        note(CHANGE_WRITTEN, file, first + i);
    }
    bool lost = sim_random(6) == 0; /* reserved, but never written: it stays, or becomes, zero */
    for (uint32_t i = 0; i < npages; i++) {
        if (lost && seed_of(file, first + i) != 0) {
            return;
        }
        REQUIRE(set_seed(file, first + i, lost ? 0 : seed));
    }
    status_t status = write_pages(file, first, npages, lost);
    if (status == STATUS_DISK_FULL) {
        for (uint32_t i = 0; i < npages; i++) {
            set_seed(file, first + i, 0);
        }
        change_size(file, (uint64_t)first << PAGE_SHIFT); /* whatever there is of it */
    } else {
        EXPECT_STATUS(status, STATUS_SUCCESS);
    }
}

static void forget(uint32_t id, uint32_t links)
{
    EXPECT_EQUAL(links, 0);
    files[id].exists = false;
    EXPECT_STATUS(ext2_release(volume(), files[id].inode), STATUS_SUCCESS);
}

static bool is_empty(uint32_t id)
{
    for (uint32_t i = 1; i < nfiles; i++) {
        if (files[i].exists && files[i].parent == id) {
            return false;
        }
    }
    return true;
}

static void remove_file(uint32_t id)
{
    struct model_file *file = &files[id];
    const struct ext2_name name = name_of(file->name, file->parent);
    uint32_t number = 0;
    uint32_t links = 9;

    note(CHANGE_GONE, file, 0);
    status_t status = ext2_remove(volume(), &name, &number, &links);
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
    for (; id != 0; id = files[id].parent) {
        if (id == directory) {
            return true;
        }
    }
    return false;
}

/* A directory that moved has another inode, and so have those inside. */
static void renumber(uint32_t id, uint32_t number)
{
    bool moved = files[id].inode != number;

    files[id].inode = number;
    for (uint32_t i = 1; i < nfiles && moved; i++) {
        if (files[i].exists && files[i].is_directory && files[i].parent == id) {
            uint8_t buffer[EXT2_BLOCK_MAX];
            uint8_t found[EXT2_NAME_BYTES];
            uint32_t nbytes;
            uint32_t inside = 0;
            struct ext2_inode inode;
            REQUIRE(is_success(ext2_read_inode(volume(), number, &inode)));
            REQUIRE(is_success(ext2_lookup(volume(), &inode, (const uint8_t *)files[i].name,
                                           (uint32_t)strlen(files[i].name), buffer, found, &nbytes,
                                           &inside)));
            renumber(i, inside);
        }
    }
}

static void rename_file(uint32_t id)
{
    struct model_file *file = &files[id];
    uint32_t parent = sim_random(2) != 0 ? any_file(true) : file->parent;
    uint32_t other = sim_random(3) == 0 ? any_file(false) : 0;
    char name[NAME_MAX_];
    struct ext2_renamed renamed = {0};
    char old_name[NAME_MAX_];

    make_name(name);
    memcpy(old_name, file->name, NAME_MAX_);
    if (other != 0) {
        parent = files[other].parent;
        memcpy(name, files[other].name, NAME_MAX_);
    }
    other = find_named(parent, name);
    if (is_inside(parent, id) || other == id ||
        (file->is_directory && image_nbytes < MIB)) { /* a disk that is full has no room for it */
        return;
    }
    const struct ext2_name from = name_of(old_name, file->parent);
    const struct ext2_name to = name_of(name, parent);
    bool possible = other == 0 || (!files[other].is_directory && !file->is_directory);
    if (possible) {
        if (other != 0) {
            note(CHANGE_GONE, &files[other], 0);
        }
        file->parent = parent;
        memcpy(file->name, name, NAME_MAX_);
        note(CHANGE_NAMED, file, 0);
    }
    status_t status = ext2_rename(volume(), &from, &to, &renamed);
    EXPECT_STATUS(status, possible ? STATUS_SUCCESS : STATUS_OBJECT_NAME_COLLISION);
    if (possible && other != 0) {
        EXPECT_EQUAL(renamed.replaced, files[other].inode);
        forget(other, renamed.links);
    } else if (possible) {
        EXPECT_EQUAL(renamed.replaced, 0);
    }
    if (is_success(status)) {
        EXPECT(file->is_directory || renamed.number == file->inode);
        renumber(id, renamed.number);
    }
}

static void take_snapshot(void)
{
    REQUIRE(nsnapshots < SNAPSHOTS);
    struct snapshot *snapshot = &snapshots[nsnapshots++];
    snapshot->log = log_disk_count();
    snapshot->nchanges = nchanges;
    snapshot->nfiles = nfiles;
    snapshot->files = malloc(nfiles * sizeof(files[0]));
    REQUIRE(snapshot->files != NULL);
    memcpy(snapshot->files, files, nfiles * sizeof(files[0]));
}

static void sync_volume(void)
{
    EXPECT_STATUS(ext2_sync(volume()), STATUS_SUCCESS);
    EXPECT_EQUAL(fresh_count(), 0);
    take_snapshot();
}

static void change_something(uint32_t limit)
{
    uint32_t what = sim_random(20);
    uint32_t id = any_file(what == 17 || what == 18);

    if (what < 5 || id == 0) {
        make_file(what == 0 || what == 4);
    } else if (what < 11) {
        write_file(id, limit);
    } else if (what < 13) {
        change_size(&files[id], sim_random((uint32_t)files[id].nbytes + 1));
    } else if (what < 15 || what == 17) {
        rename_file(id);
    } else if (what < 19) {
        remove_file(id);
    } else {
        struct ext2_settings settings = {.write_time = 130000000000000000ll + sim_random(1u << 30)};
        EXPECT_STATUS(ext2_set_information(volume(), files[id].inode, &settings), STATUS_SUCCESS);
    }
}

static void begin_model(void)
{
    files[0] = (struct model_file){.exists = true, .is_directory = true, .inode = ROOT};
    nfiles = 1;
    log_disk_start(disk, volume()->block_bytes);
    take_snapshot();
}

/* ---- looking at the result ---- */

static status_t open_path(const char *path, struct open_file **open)
{
    uint16_t wide[512];
    uint32_t n = 0;
    uint32_t information;

    for (; path[n] != 0; n++) {
        wide[n] = (uint8_t)path[n];
    }
    const struct open_request request = {
        .path = wide,
        .path_length = n,
        .access = FILE_READ_DATA | FILE_READ_ATTRIBUTES,
        .share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
        .disposition = FILE_OPEN,
    };
    return fs_open(&request, open, &information);
}

/* Compares pages of an open file with the model; those of DOUBT are not looked at. */
static bool has_contents(struct open_file *open, const struct model_file *file, uint64_t nbytes,
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
    for (; id != 0; id = files[id].parent) {
        snprintf(rest, sizeof(rest), "%s", path);
        snprintf(path, size, "\\%s%.380s", files[id].name, rest);
    }
    snprintf(rest, sizeof(rest), "%s", path);
    snprintf(path, size, "C:%.390s", rest[0] == 0 ? "\\" : rest);
}

/* Everything of the model is there. */
static void check_model(void)
{
    for (uint32_t id = 1; id < nfiles; id++) {
        char path[512];
        struct open_file *open;
        struct file_information information;
        if (!files[id].exists) {
            continue;
        }
        path_of(id, path, sizeof(path));
        status_t status = open_path(path, &open);
        if (is_error(status)) {
            fprintf(stderr, "%s (file %u)\n", path, id);
            EXPECT_STATUS(status, STATUS_SUCCESS);
            continue;
        }
        fs_query(open, &information);
        EXPECT_EQUAL(information.is_directory, files[id].is_directory);
        EXPECT_EQUAL(information.index, files[id].inode);
        if (!files[id].is_directory) {
            EXPECT_EQUAL(information.nbytes, files[id].nbytes);
            EXPECT(has_contents(open, &files[id], files[id].nbytes, NULL));
        }
        fs_close(open);
    }
}

/* ---- the cuts ---- */

static const struct snapshot *promised; /* before the cut */
static uint32_t the_cut;

/* Calls VISIT for the changes of ID (or all: 0) that may be on the disk, in part or whole. */
static const struct change *next_change(uint32_t *at, uint32_t id)
{
    for (; *at < nchanges && changes[*at].log <= the_cut; (*at)++) {
        if (id == 0 || changes[*at].id == id) {
            return &changes[(*at)++];
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
    const struct model_file *file = id < promised->nfiles ? &promised->files[id] : &files[id];
    char path[512];
    uint32_t at = promised->nchanges;
    const struct change *change;

    if (id == 0) {
        snprintf(path, sizeof(path), "C:%s", rest[0] == 0 ? "\\" : rest);
        return is_success(open_path(path, open));
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
        right = right && has_contents(open, &part, whole, is_doubtful);
    }
    fs_close(open);
    return right;
}

static uint32_t ncuts;
static bool expects_failure;

/* One cut: false, and the image stays in memory, when something is wrong. */
static bool check_cut(uint32_t cut, uint64_t missing)
{
    bool right = true;

    ncuts++;
    the_cut = cut;
    promised = &snapshots[0];
    for (uint32_t i = 0; i < nsnapshots && snapshots[i].log <= cut; i++) {
        promised = &snapshots[i];
    }
    log_disk_rebuild(image, cut, missing);
    write_image(image);
    int code = e2fsck("-p");
    if (code != 0 && code != 1) {
        fprintf(stderr, "e2fsck -p ends with %d\n", code);
        show_said();
        right = false;
    }
    read_image(disk->contents);
    if (right && is_success(fs_start())) {
        for (uint32_t id = 1; id < promised->nfiles && right; id++) {
            const struct model_file *file = &promised->files[id];
            if (file->exists && !has_changed(id, CHANGE_GONE)) {
                right = check_promised_file(file);
            }
        }
        fs_stop();
    }
    if (!right && !expects_failure) {
        test_fail(__FILE__, __LINE__, "cut %u, missing 0x%llx, snapshot at %u with %u changes", cut,
                  (unsigned long long)missing, promised->log, promised->nchanges);
    }
    return right;
}

/* Every cut; and at the end of each window between flushes, subsets of what it wrote. */
static void check_cuts(void)
{
    uint32_t total = log_disk_count();
    bool right = true;

    log_disk_stop();
    for (uint32_t cut = 0; cut <= total && right; cut++) {
        right = check_cut(cut, 0);
        uint32_t pending = log_disk_pending(cut);
        bool ends = cut == total || log_disk_is_flush(cut);
        if (!ends || pending == 0 || !right) {
            continue;
        }
        uint64_t all = pending >= 64 ? UINT64_MAX : (1ull << pending) - 1;
        uint32_t samples = pending <= 3 ? (uint32_t)all : 7;
        for (uint32_t i = 1; i <= samples && right; i++) {
            uint64_t bits = ((uint64_t)sim_random(1u << 31) << 31) ^ sim_random(1u << 31);
            right = check_cut(cut, pending <= 3 ? i : bits & all);
        }
    }
    printf("# %u writes and flushes, %u cuts\n", total, ncuts);
}

/* COUNT random changes on a new image, logged. */
static void make_changes(uint32_t block_bytes, const char *options, uint32_t seed, uint32_t count)
{
    verbose = getenv("QUIRE_VERBOSE") != NULL;
    begin(block_bytes, "2M", options, seed);
    begin_model();
    for (uint32_t i = 0; i < count; i++) {
        change_something(200);
        if (sim_random(9) == 0) {
            sync_volume();
        }
    }
    fs_stop();
    take_snapshot();
}

static void crash_test(uint32_t block_bytes, const char *options, uint32_t seed, uint32_t count)
{
    make_changes(block_bytes, options, seed, count);
    check_cuts();
    end_work();
}

TEST("ext2 writing: the power cut at every write, 1 KiB blocks")
{
    crash_test(1024, "-N 64", 1, 60);
}

TEST("ext2 writing: the power cut at every write, 4 KiB blocks")
{
    crash_test(4096, "-N 64", 2, 60);
}

TEST("ext2 writing: a disk that does not heed flushes is found out")
{
    bool right = true;

    make_changes(1024, "-N 64", 1, 60);
    log_disk_stop();
    log_disk_ignore_flushes();
    expects_failure = true;
    for (uint32_t cut = 20; cut <= log_disk_count() && right; cut += 3) {
        right = check_cut(cut, 0x5555555555555555ull << cut % 7);
    }
    EXPECT(!right);
    end_work();
}

/* ---- sequences that end by themselves ---- */

static void run_test(uint32_t block_bytes, const char *size, const char *options, uint32_t seed,
                     uint32_t limit)
{
    verbose = getenv("QUIRE_VERBOSE") != NULL;
    begin(block_bytes, size, options, seed);
    begin_model();
    log_disk_stop();
    for (uint32_t i = 0; i < 300; i++) {
        nchanges = 0;
        change_something(limit);
        if (sim_random(25) == 0) {
            EXPECT_STATUS(ext2_sync(volume()), STATUS_SUCCESS);
        }
        if (i % 100 == 99) {
            check_model();
            fs_drain();
        }
    }
    EXPECT_EQUAL(end(), 0);
    REQUIRE(is_success(fs_start()));
    check_model();
    fs_stop();
    end_work();
}

TEST("ext2 writing: random changes, 1 KiB blocks")
{
    run_test(1024, "16M", "", 11, 40000);
}

TEST("ext2 writing: random changes, 2 KiB blocks and old inodes")
{
    run_test(2048, "8M", "-I 128 -O ^filetype", 12, 3000);
}

TEST("ext2 writing: random changes, 4 KiB blocks")
{
    run_test(4096, "16M", "-O ^dir_index", 13, 400000);
}

TEST("ext2 writing: random changes on a disk that is nearly full")
{
    run_test(1024, "700K", "-N 40", 14, 50);
}

/* ---- space ---- */

static uint32_t create(const char *text, bool is_directory)
{
    uint32_t number = 0;
    const struct ext2_name name = name_of(text, 0);

    REQUIRE(is_success(ext2_create(volume(), &name, is_directory ? 0x41ED : 0x81A4, &number)));
    return number;
}

static void remove_name(const char *text)
{
    uint32_t number = 0;
    uint32_t links = 9;
    const struct ext2_name name = name_of(text, 0);

    EXPECT_STATUS(ext2_remove(volume(), &name, &number, &links), STATUS_SUCCESS);
    EXPECT_EQUAL(links, 0);
    EXPECT_STATUS(ext2_release(volume(), number), STATUS_SUCCESS);
}

static void begin_small(uint32_t block_bytes, const char *size, const char *options)
{
    begin(block_bytes, size, options, 7);
    files[0].inode = ROOT;
}

/* How many pieces the blocks [0, count) of a file lie in. */
static uint32_t count_pieces(uint32_t number, uint32_t count)
{
    uint32_t blocks[EXT2_MAP_BATCH];
    uint32_t pieces = 0;
    uint32_t last = 0;

    for (uint32_t first = 0; first < count;) {
        uint32_t n = count - first;
        REQUIRE(is_success(ext2_map(volume(), number, first, &n, blocks)));
        for (uint32_t i = 0; i < n; i++) {
            /* An indirect block may lie between two blocks of the file. */
            pieces += blocks[i] != last + 1 && blocks[i] != last + 2 && blocks[i] != last + 3;
            last = blocks[i];
        }
        first += n;
    }
    return pieces;
}

TEST("ext2 writing: files that grow side by side are contiguous")
{
    uint32_t numbers[4];
    static const char *const names[] = {"a", "b", "c", "d"};

    begin_small(1024, "16M", "");
    for (uint32_t i = 0; i < 4; i++) {
        numbers[i] = create(names[i], false);
        EXPECT_STATUS(ext2_set_size(volume(), numbers[i], 2 * MIB), STATUS_SUCCESS);
    }
    for (uint32_t block = 0; block < 2048; block += 4) {
        for (uint32_t i = 0; i < 4; i++) {
            EXPECT_STATUS(ext2_allocate(volume(), numbers[i], block, 4, true), STATUS_SUCCESS);
        }
    }
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t pieces = count_pieces(numbers[i], 2048);
        printf("# %s: %u pieces\n", names[i], pieces);
        EXPECT(pieces <= 2048 / 64 + 4);
    }
    uint32_t alone = create("alone", false);
    EXPECT_STATUS(ext2_set_size(volume(), alone, 2 * MIB), STATUS_SUCCESS);
    for (uint32_t block = 0; block < 2048; block += 4) {
        EXPECT_STATUS(ext2_allocate(volume(), alone, block, 4, true), STATUS_SUCCESS);
    }
    EXPECT(count_pieces(alone, 2048) <= 3);
    EXPECT_EQUAL(end(), 0);
    end_work();
}

TEST("ext2 writing: a disk that is full, and empty again")
{
    char name[16];
    uint32_t number = 0;
    status_t status = STATUS_SUCCESS;

    begin_small(1024, "2M", "-N 48");
    create("first", false);
    remove_name("first");
    EXPECT_STATUS(ext2_sync(volume()), STATUS_SUCCESS);
    uint32_t before = volume()->free_blocks;
    uint32_t large = create("large", false);
    EXPECT_STATUS(ext2_set_size(volume(), large, 8 * MIB), STATUS_SUCCESS);
    EXPECT_STATUS(ext2_allocate(volume(), large, 0, 8192, true), STATUS_DISK_FULL);
    EXPECT(volume()->free_blocks <= 1); /* an indirect block and its first block are two */
    EXPECT_STATUS(ext2_set_size(volume(), large, 1 * MIB), STATUS_SUCCESS);
    EXPECT_STATUS(ext2_sync(volume()), STATUS_SUCCESS);
    EXPECT(volume()->free_blocks > 300);
    remove_name("large");
    EXPECT_STATUS(ext2_sync(volume()), STATUS_SUCCESS);
    EXPECT_EQUAL(volume()->free_blocks, before);

    uint32_t made = 0;
    for (; made < 60 && is_success(status); made++) {
        snprintf(name, sizeof(name), "file%u", made);
        const struct ext2_name wanted = name_of(name, 0);
        status = ext2_create(volume(), &wanted, 0x81A4, &number);
    }
    EXPECT_STATUS(status, STATUS_DISK_FULL);
    EXPECT(made > 30);
    for (uint32_t i = 0; i + 1 < made; i++) {
        snprintf(name, sizeof(name), "file%u", i);
        remove_name(name);
    }
    create("again", true);
    remove_name("again");
    EXPECT_STATUS(ext2_sync(volume()), STATUS_SUCCESS);
    EXPECT_EQUAL(volume()->free_blocks, before);
    EXPECT_EQUAL(end(), 0);
    end_work();
}

TEST("ext2 writing: files above 2 GiB, the feature set before the first of them")
{
    struct model_file *file = &files[1];

    make_image(4096, "2M", "-N 64 -O ^large_file");
    boot(1);
    REQUIRE(is_success(fs_start()));
    begin_model();
    make_name(file->name);
    *file = (struct model_file){.exists = true, .id = 1, .name = "large"};
    nfiles = 2;
    note(CHANGE_MADE, file, 0);
    file->inode = create("large", false);
    change_size(file, 5ull << 30);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t page = i == 0   ? 3
                        : i == 1 ? (3u << 30 >> 12) + 1
                                 : (uint32_t)(5ull << 30 >> 12) - 1;
        note(CHANGE_WRITTEN, file, page);
        REQUIRE(set_seed(file, page, 77 + i));
        EXPECT_STATUS(write_pages(file, page, 1, false), STATUS_SUCCESS);
    }
    sync_volume();
    change_size(file, (3ull << 30) + 5 * 4096);
    sync_volume();
    check_model();
    EXPECT_EQUAL(end(), 0);
    take_snapshot();
    check_cuts();
    end_work();
}

TEST("ext2 writing: times are kept to 100 ns, the time of creation too")
{
    struct ext2_inode inode;
    struct ext2_settings settings = {.creation_time = 116444736000000000ll + 1234567891,
                                     .write_time = 133500000001234567ll,
                                     .access_time = 158500000000000001ll,
                                     .set_read_only = true,
                                     .read_only = true};

    begin_small(1024, "2M", "");
    uint32_t number = create("file", false);
    EXPECT_STATUS(ext2_read_inode(volume(), number, &inode), STATUS_SUCCESS);
    int64_t now = clock_system_time();
    EXPECT(now - inode.information.creation_time < 10000000);
    EXPECT_EQUAL(inode.information.write_time, inode.information.creation_time);
    EXPECT_STATUS(ext2_set_information(volume(), number, &settings), STATUS_SUCCESS);
    fs_stop();
    REQUIRE(is_success(fs_start()));
    EXPECT_STATUS(ext2_read_inode(volume(), number, &inode), STATUS_SUCCESS);
    EXPECT_EQUAL(inode.information.creation_time, settings.creation_time);
    EXPECT_EQUAL(inode.information.write_time, settings.write_time);
    EXPECT_EQUAL(inode.information.access_time, settings.access_time);
    EXPECT_EQUAL(inode.information.attributes, FILE_ATTRIBUTE_ARCHIVE | FILE_ATTRIBUTE_READONLY);
    EXPECT_EQUAL(end(), 0);
    end_work();
}

/* ---- what goes wrong ---- */

TEST("ext2 writing: a volume that was not unmounted cleanly is read-only until e2fsck -p")
{
    uint32_t number = 0;
    const struct ext2_name name = {ROOT, (const uint8_t *)"other", 5};

    begin_small(1024, "2M", "");
    create("file", false);
    EXPECT_STATUS(ext2_sync(volume()), STATUS_SUCCESS);
    memcpy(image, disk->contents, image_nbytes);
    fs_stop();
    memcpy(disk->contents, image, image_nbytes);
    REQUIRE(is_success(fs_start()));
    EXPECT(!volume()->writable);
    EXPECT_STATUS(ext2_create(volume(), &name, 0x81A4, &number), STATUS_MEDIA_WRITE_PROTECTED);
    fs_stop();
    write_image(image);
    EXPECT_EQUAL(e2fsck("-p"), 1);
    read_image(disk->contents);
    REQUIRE(is_success(fs_start()));
    EXPECT(volume()->writable);
    EXPECT_STATUS(ext2_create(volume(), &name, 0x81A4, &number), STATUS_SUCCESS);
    EXPECT_EQUAL(end(), 0);
    end_work();
}

/* The inode that NAME has, 0 without one; on a damaged image, any number. */
static uint32_t resolve(const struct ext2_name *name, bool wild)
{
    uint8_t buffer[EXT2_BLOCK_MAX];
    uint8_t found[EXT2_NAME_BYTES];
    uint32_t nbytes;
    uint32_t number = 0;
    struct ext2_inode inode;

    if (wild) {
        return 1 + sim_random(30);
    }
    if (is_error(ext2_read_inode(volume(), name->directory, &inode)) ||
        !inode.information.is_directory ||
        is_error(ext2_lookup(volume(), &inode, name->bytes, name->nbytes, buffer, found, &nbytes,
                             &number))) {
        return 0;
    }
    return number;
}

/* A random call on NAME or OTHER. */
static status_t call_one(const struct ext2_name *name, const struct ext2_name *other,
                         uint32_t *directory, bool wild)
{
    uint32_t number = 0;
    uint32_t links = 1;
    struct ext2_renamed renamed = {0};
    status_t status;

    switch (sim_random(8)) {
    case 0:
    case 1:
        return ext2_create(volume(), name, sim_random(3) != 0 ? 0x81A4 : 0x41ED, &number);
    case 2:
        status = ext2_remove(volume(), name, &number, &links);
        return is_success(status) && links == 0 ? ext2_release(volume(), number) : status;
    case 3:
        status = ext2_rename(volume(), name, other, &renamed);
        return is_success(status) && renamed.replaced != 0 && renamed.links == 0
                   ? ext2_release(volume(), renamed.replaced)
                   : status;
    case 4:
        number = resolve(name, wild);
        *directory = number == 0 ? ROOT : number;
        return STATUS_SUCCESS;
    case 5:
        number = resolve(name, wild);
        return ext2_set_size(volume(), number, (uint64_t)sim_random(2000) << sim_random(18));
    case 6: {
        struct ext2_inode inode;
        uint32_t first = sim_random(20000) >> sim_random(14);
        uint32_t count = 1 + sim_random(40);
        number = resolve(name, wild);
        status = ext2_read_inode(volume(), number, &inode);
        uint64_t end = (uint64_t)(first + count) << volume()->block_shift;
        if (is_error(status) || inode.information.is_directory ||
            (!wild && inode.information.nbytes < end)) {
            return status;
        }
        return ext2_allocate(volume(), number, first, count, sim_random(4) != 0);
    }
    default:
        return ext2_sync(volume());
    }
}

/* Random calls whose results do not matter: names may exist or not, memory and disk may fail. */
static void call_anything(uint32_t count, bool wild)
{
    static const char *const names[] = {"a", "b", "dir", "c", "sub", "longer-name-here", "x"};
    uint32_t directory = ROOT;

    for (uint32_t i = 0; i < count; i++) {
        const char *one = names[sim_random(7)];
        const char *two = names[sim_random(7)];
        const struct ext2_name name = {directory, (const uint8_t *)one, (uint32_t)strlen(one)};
        const struct ext2_name other = {directory, (const uint8_t *)two, (uint32_t)strlen(two)};
        status_t status = call_one(&name, &other, &directory, wild);
        (void)status;
    }
}

/* Flips bits of metadata, mostly. */
static void damage(uint8_t *contents, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t limit = sim_random(3) == 0 ? (uint32_t)image_nbytes : 65536;
        uint32_t place = 1024 + sim_random(limit - 1024);
        if (place == 1024 + 58) {
            continue; /* the state: nothing would be written */
        }
        contents[place] ^= (uint8_t)(1u << sim_random(8));
    }
}

static void damage_test(uint32_t block_bytes, uint32_t count)
{
    uint32_t nwritable = 0;

    begin_small(block_bytes, "2M", "-N 64");
    call_anything(60, false);
    fs_stop();
    memcpy(image, disk->contents, image_nbytes);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(disk->contents, image, image_nbytes);
        damage(disk->contents, 1 + i % 30);
        if (is_success(fs_start())) {
            nwritable += volume()->writable;
            call_anything(40, true);
            fs_stop();
        }
    }
    printf("# %u of %u damaged images were written to\n", nwritable, count);
    EXPECT(nwritable > count / 10);
    end_work();
}

TEST("ext2 writing: damaged images, 1 KiB blocks")
{
    damage_test(1024, 400);
}

TEST("ext2 writing: damaged images, 4 KiB blocks")
{
    damage_test(4096, 400);
}

TEST("ext2 writing: requests that fail leave a file system that e2fsck -p repairs")
{
    begin_small(1024, "2M", "-N 64");
    for (uint32_t round = 0; round < 12; round++) {
        disk->fail_one_in = 10;
        call_anything(100, false);
        disk->fail_one_in = 0;
        fs_stop();
        write_image(disk->contents);
        int code = e2fsck("-p");
        if (code > 1) {
            show_said();
        }
        EXPECT(code == 0 || code == 1);
        EXPECT_EQUAL(e2fsck("-fn"), 0);
        read_image(disk->contents);
        REQUIRE(is_success(fs_start()));
        EXPECT(volume()->writable);
    }
    fs_stop();
    end_work();
}

TEST("ext2 writing: the Nth allocation fails")
{
    uint32_t failed = 0;

    begin_small(1024, "2M", "-N 64");
    for (uint32_t n = 1; n < 40; n++) {
        mm_pool_fail_after(n);
        call_anything(30, false);
        failed += n;
    }
    mm_pool_fail_after(0);
    EXPECT(failed > 0);
    EXPECT_EQUAL(end(), 0);
    end_work();
}

/* ---- the paging file ---- */

TEST("ext2 writing: the paging file grows")
{
    struct pagefile_extent extents[64];
    uint32_t nextents = 0;
    uint32_t total = 0;
    struct open_file *open;

    begin_small(1024, "8M", "");
    uint32_t number = create("pagefile.sys", false);
    EXPECT_STATUS(ext2_set_size(volume(), number, MIB), STATUS_SUCCESS);
    EXPECT_STATUS(ext2_allocate(volume(), number, 0, 1024, true), STATUS_SUCCESS);
    EXPECT_STATUS(fs_extend_pagefile(1, extents, 64, &nextents), STATUS_NO_SUCH_DEVICE);
    REQUIRE(is_success(fs_start_paging()));
    EXPECT_STATUS(open_path("C:\\pagefile.sys", &open), STATUS_SHARING_VIOLATION);
    EXPECT_STATUS(fs_extend_pagefile(300, extents, 64, &nextents), STATUS_SUCCESS);
    for (uint32_t i = 0; i < nextents; i++) {
        total += extents[i].npages;
        for (uint32_t page = 0; page < extents[i].npages; page++) {
            /* Each is where the file system says, past what there was. */
            uint64_t sector = extents[i].sector + page * 8ull;
            EXPECT(sector / 2 < volume()->nblocks);
        }
    }
    EXPECT(total >= 290 && total <= 300); /* pages in two pieces are not told of */
    EXPECT(fresh_count() <= 1024);        /* what is new is not cleared */
    EXPECT_STATUS(fs_extend_pagefile(100000, extents, 64, &nextents), STATUS_DISK_FULL);
    EXPECT_STATUS(fs_extend_pagefile(10, extents, 64, &nextents), STATUS_SUCCESS);
    fs_stop_paging();
    EXPECT_EQUAL(end(), 0);
    end_work();
}

/* ---- several threads ---- */

#define WORKERS 4

static bool workers_failed;

/* Works in a directory of its own: its files are as it left them, whatever the others do. */
static void work_in_directory(void *argument)
{
    uint32_t directory = *(uint32_t *)argument;
    struct model_file *mine = calloc(1, sizeof(*mine));
    char text[16];

    REQUIRE(mine != NULL);
    for (uint32_t i = 0; i < 12; i++) {
        snprintf(text, sizeof(text), "file%u", i % 5);
        const struct ext2_name name = {directory, (const uint8_t *)text, (uint32_t)strlen(text)};
        uint32_t links = 1;
        status_t status = ext2_create(volume(), &name, 0x81A4, &mine->inode);
        if (status == STATUS_OBJECT_NAME_COLLISION) {
            status = ext2_remove(volume(), &name, &mine->inode, &links);
            status = is_success(status) ? ext2_release(volume(), mine->inode) : status;
            workers_failed |= is_error(status);
            continue;
        }
        mine->nbytes = 20 * PAGE_BYTES;
        mine->npages = 0;
        workers_failed |=
            is_error(status) || is_error(ext2_set_size(volume(), mine->inode, mine->nbytes));
        for (uint32_t page = 0; page < 20; page += 4) {
            for (uint32_t j = 0; j < 4; j++) {
                set_seed(mine, page + j, directory * 100 + i);
            }
            workers_failed |= is_error(write_pages(mine, page, 4, false));
        }
        if (sim_random(3) == 0) {
            workers_failed |= is_error(ext2_sync(volume()));
        }
    }
    free(mine);
}

static void threads_test(uint32_t seed)
{
    static uint32_t directories[WORKERS];
    static const char *const names[] = {"one", "two", "three", "four"};

    make_image(1024, "4M", "-N 128");
    sim_boot(&(struct sim_config){.ram = {{0, 16 * MIB}}, .seed = seed, .preempt_one_in = 3});
    trap_register(&operations);
    REQUIRE(is_success(mm_init(&boot_info)));
    disk = sim_disk_memory(image_nbytes / SECTOR_BYTES);
    disk->shuffle = true;
    memcpy(disk->contents, image, image_nbytes);
    REQUIRE(is_success(fs_start()));
    files[0].inode = ROOT;
    for (uint32_t i = 0; i < WORKERS; i++) {
        directories[i] = create(names[i], true);
        sim_thread(names[i], work_in_directory, &directories[i], 8);
    }
    sim_join();
    EXPECT(!workers_failed);
    EXPECT_STATUS(ext2_sync(volume()), STATUS_SUCCESS);
    for (uint32_t i = 0; i < WORKERS; i++) {
        char path[32];
        struct open_file *open;
        struct model_file wanted = {.nbytes = 20 * PAGE_BYTES};
        snprintf(path, sizeof(path), "C:\\%s\\file1", names[i]);
        REQUIRE(is_success(open_path(path, &open)));
        for (uint32_t page = 0; page < 20; page++) {
            set_seed(&wanted, page, directories[i] * 100 + 11);
        }
        EXPECT(has_contents(open, &wanted, wanted.nbytes, NULL));
        fs_close(open);
    }
    EXPECT_EQUAL(end(), 0);
    end_work();
}

TEST("ext2 writing: several threads at once")
{
    threads_test(3 + seed_offset());
}
