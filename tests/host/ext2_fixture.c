/*
 * tests/host/ext2_fixture.c: for tests that write ext2: an image that mke2fs makes, a machine
 * with it, and e2fsck to judge what becomes of it.
 */
#define _GNU_SOURCE
#include "ext2_fixture.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/constants.h"
#include "inject.h"
#include "mm/fault.h"
#include "mm/init.h"
#include "test.h"

extern char **environ;

/* ---- images and host tools ---- */

static char work[64]; /* directory of this test, on the host */
uint8_t *fx_image;
size_t fx_image_nbytes;

static void begin_work(void)
{
    struct stat status;

    strcpy(work, stat("/dev/shm", &status) == 0 ? "/dev/shm/quire-XXXXXX" : "/tmp/quire-XXXXXX");
    REQUIRE(mkdtemp(work) != NULL);
    test_at_end(fx_end_work);
}

void fx_end_work(void)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/image", work);
    unlink(path);
    snprintf(path, sizeof(path), "%s/said", work);
    unlink(path);
    rmdir(work);
}

void fx_write_image(const uint8_t *bytes)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/image", work);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    REQUIRE(file >= 0 && write(file, bytes, fx_image_nbytes) == (ssize_t)fx_image_nbytes);
    close(file);
}

void fx_read_image(uint8_t *bytes)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/image", work);
    int file = open(path, O_RDONLY);
    REQUIRE(file >= 0 && read(file, bytes, fx_image_nbytes) == (ssize_t)fx_image_nbytes);
    close(file);
}

void fx_show_said(void)
{
    char command[128];

    fflush(NULL);
    snprintf(command, sizeof(command), "cat %s/said >&2", work);
    if (system(command) != 0) {
        fprintf(stderr, "nothing was said\n");
    }
}

/* Runs e2fsck with OPTION on the image; its exit code. */
int fx_e2fsck(const char *option)
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

/* Of every image, so that each run of a test comes to the same points. */
#define UUID "51756972-6500-4000-8000-000000000001"

void fx_make_image(uint32_t block_bytes, const char *size, const char *options)
{
    char command[320];
    struct stat status;

    begin_work();
    snprintf(command, sizeof(command),
             "PATH=$PATH:/sbin E2FSPROGS_FAKE_TIME=1700000000 mke2fs -q -F -t ext2 -b %u "
             "-U " UUID " -E hash_seed=" UUID " %s %s/image %s >/dev/null 2>&1",
             block_bytes, options, work, size);
    REQUIRE(system(command) == 0);
    snprintf(command, sizeof(command), "%s/image", work);
    REQUIRE(stat(command, &status) == 0);
    fx_image_nbytes = (size_t)status.st_size;
    fx_image = malloc(fx_image_nbytes);
    REQUIRE(fx_image != NULL);
    fx_read_image(fx_image);
}

/* ---- the machine ---- */

static enum fault_result user_fault(uaddr_t address, const struct access *access,
                                    struct fault_report *report)
{
    return mm_access_fault(thread_self()->space, address, access, report);
}

static const struct trap_operations operations = {.user_page_fault = user_fault,
                                                  .window_fault = mm_window_fault};
struct sim_disk *fx_disk;
uint64_t fx_ram_nbytes = 16ull << 20;
uint32_t fx_ncpus = 1;

/* QUIRE_SEED, in the environment, makes other runs of these tests. */
uint32_t fx_seed_offset(void)
{
    const char *text = getenv("QUIRE_SEED");

    return text == NULL ? 0 : (uint32_t)atoi(text);
}

void fx_boot(uint32_t seed, uint32_t preempt_one_in)
{
    sim_boot(&(struct sim_config){.ram = {{0, fx_ram_nbytes}},
                                  .ncpus = fx_ncpus,
                                  .explore = fx_ncpus > 1,
                                  .seed = seed + fx_seed_offset(),
                                  .preempt_one_in = preempt_one_in});
    trap_register(&operations);
    REQUIRE(is_success(mm_init(&boot_info)));
    fx_disk = sim_disk_memory(fx_image_nbytes / SECTOR_BYTES);
    fx_disk->latency = 1000;
    memcpy(fx_disk->contents, fx_image, fx_image_nbytes);
    inject_booted();
}

struct ext2 *fx_volume(void)
{
    return &fsi_volumes[0].ext2;
}

/* Makes an image, a machine with it, and mounts it. */
void fx_begin(uint32_t block_bytes, const char *size, const char *options, uint32_t seed)
{
    fx_make_image(block_bytes, size, options);
    fx_boot(seed, 0);
    REQUIRE(is_success(fs_start()));
    REQUIRE(fx_volume()->writable);
}

void fx_remount(void)
{
    fs_stop();
    REQUIRE(is_success(fs_start()) && fx_volume()->writable);
}

/* Unmounts; what e2fsck says of the disk. */
int fx_end(void)
{
    fs_stop();
    fx_write_image(fx_disk->contents);
    int code = fx_e2fsck("-fn");
    if (code != 0) {
        fx_show_said();
    }
    return code;
}

/* ---- files of the root ---- */

static struct ext2_name root_name(const char *text)
{
    return (struct ext2_name){EXT2_ROOT_INODE, (const uint8_t *)text, (uint32_t)strlen(text)};
}

status_t fx_open_path(const char *path, struct open_file **open)
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

uint32_t fx_create(const char *text, bool is_directory)
{
    uint32_t number = 0;
    const struct ext2_name name = root_name(text);

    REQUIRE(is_success(ext2_create(fx_volume(), &name, is_directory ? 0x41ED : 0x81A4, &number)));
    return number;
}

void fx_remove_name(const char *text)
{
    uint32_t number = 0;
    uint32_t links = 9;
    const struct ext2_name name = root_name(text);

    EXPECT_STATUS(ext2_remove(fx_volume(), &name, &number, &links), STATUS_SUCCESS);
    EXPECT_EQUAL(links, 0);
    EXPECT_STATUS(ext2_release(fx_volume(), number), STATUS_SUCCESS);
}

void fx_begin_small(uint32_t block_bytes, const char *size, const char *options)
{
    fx_begin(block_bytes, size, options, 7);
}

/* Runs COMMANDS of debugfs on the image, which holds what the disk does, and mounts the
 * result. */
void fx_edit_image(const char *commands)
{
    char command[512];

    fs_stop();
    fx_write_image(fx_disk->contents);
    snprintf(command, sizeof(command),
             "printf '%s' | PATH=$PATH:/sbin debugfs -w -f - %s/image >/dev/null 2>&1", commands,
             work);
    REQUIRE(system(command) == 0);
    fx_read_image(fx_disk->contents);
    REQUIRE(is_success(fs_start()));
}

status_t fx_look_up(uint32_t directory, const char *text, uint32_t *number)
{
    uint8_t buffer[EXT2_BLOCK_MAX];
    uint8_t found[EXT2_NAME_BYTES];
    uint32_t nbytes;
    struct ext2_inode inode;

    REQUIRE(is_success(ext2_read_inode(fx_volume(), directory, &inode)));
    return ext2_lookup(fx_volume(), &inode, (const uint8_t *)text, (uint32_t)strlen(text), buffer,
                       found, &nbytes, number);
}
