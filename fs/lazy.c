/*
 * fs/lazy.c: the thread that writes the file system's own blocks now and then, so that a name that
 * came, changed or went is on the disk some seconds later, whatever becomes of the machine. (The
 * pages of files have a writer of their own, in mm/, which has each file's blocks written too.)
 */
#include "fs/internal.h"

#include "kernel/clock.h"
#include "kernel/log.h"
#include "kernel/thread.h"
#include "mm/stack.h"

#define PERIOD 5000000000ll /* nanoseconds */

static struct thread writer;

/* Writes what is dirty; when that fails it stays so, and is tried again. */
static void write_volume(struct volume *volume, status_t *told)
{
    struct ext2 *ext2 = &volume->ext2;

    status_t status = ext2_has_changes(ext2) ? ext2_sync(ext2) : STATUS_SUCCESS;
    if (is_error(status) && status != *told) {
        log_print("quire: %c:\\ cannot be written: status 0x%08x\n", volume->letter,
                  (unsigned)status);
    }
    *told = status;
}

static void writer_main(void *argument)
{
    status_t told[VOLUMES_MAX] = {0};

    (void)argument;
    for (;;) {
        status_t slept;
        thread_sleep_until(clock_now() + PERIOD, false, &slept);
        for (uint32_t i = 0; i < VOLUMES_MAX; i++) {
            if (fsi_volumes[i].mounted) {
                write_volume(&fsi_volumes[i], &told[i]);
            }
        }
    }
}

status_t fs_start_writer(void)
{
    return mm_start_thread(&writer, "volume writer", writer_main, PRIORITY_NORMAL);
}
