/*
 * tests/bench/linux/files.c: tests/bench/files.c in the terms of POSIX, for the peer.
 *
 * `init FIRST SECOND`: two files on the ext2 file system of the first virtio disk, by their paths
 * from its root. A view is mmap with MAP_SHARED, a flush is msync with MS_SYNC. Nothing is advised:
 * reading ahead is what the kernel makes of the order of the faults. ../filepasses.h says what is
 * done with the files.
 */
#include "../filepasses.h"
#include "linux.h"

#define DISK "/disk"

struct file {
    int descriptor;
};

static struct file open_file(const char *path)
{
    struct file file;
    char name[300];

    snprintf(name, sizeof name, DISK "/%s", path);
    file.descriptor = open(name, O_RDWR);
    if (file.descriptor < 0) {
        give_up(name);
    }
    return file;
}

static void settle(void)
{
    usleep(100000);
}

static char *map_view(struct file *file, int writes)
{
    return map_file(file->descriptor, nbytes, writes ? PROT_READ | PROT_WRITE : PROT_READ,
                    MAP_SHARED);
}

static void unmap_view(char *view)
{
    if (munmap(view, nbytes) != 0) {
        give_up("munmap");
    }
}

static void flush_view(char *view)
{
    if (msync(view, nbytes, MS_SYNC) != 0) {
        give_up("msync");
    }
}

static void rewind_file(struct file *file)
{
    lseek(file->descriptor, 0, SEEK_SET);
}

static void move_block(struct file *file, char *block, unsigned count, int writes)
{
    ssize_t moved =
        writes ? write(file->descriptor, block, count) : read(file->descriptor, block, count);

    if (moved != (ssize_t)count) {
        give_up(writes ? "write" : "read");
    }
}

int main(int argc, char **argv)
{
    struct stat status;

    set_up();
    mkdir(DISK, 0755);
    if (mount("/dev/vda", DISK, "ext2", 0, NULL) != 0) {
        give_up("mount");
    }
    if (argc < 3) {
        give_up("the command line");
    }
    /* Before them stand options that the kernel did not know. */
    struct file first = open_file(argv[argc - 2]), second = open_file(argv[argc - 1]);
    if (fstat(first.descriptor, &status) != 0) {
        give_up("fstat");
    }
    nbytes = (unsigned)status.st_size;
    calibrate();
    show_frequency();
    count_idle();
    show_files(&first, &second);
    printf("done\n");
    finish();
    return 0;
}
