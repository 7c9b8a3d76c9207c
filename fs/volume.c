/*
 * fs/volume.c: mounting disks as C:\ and D:\, and what concerns a volume as a whole.
 */
#include "fs/internal.h"

#include "fs/name.h"
#include "fs/transfer.h"
#include "kernel/log.h"
#include "kernel/string.h"
#include "quire/assert.h"

#define FINISH_TRIES 3u /* a disk that failed once may not fail again */

struct volume fsi_volumes[VOLUMES_MAX];

bool fs_is_mounted(void)
{
    return fsi_volumes[0].mounted;
}

/* Mounts disk N as drive LETTER. */
static status_t mount(struct volume *volume, uint32_t n, char letter)
{
    struct block_device *device = block_device_get(n);
    char problem[EXT2_PROBLEM_BYTES] = "";

    list_init(&volume->files);
    volume->letter = letter;
    if (device == NULL) {
        return STATUS_NO_SUCH_DEVICE;
    }
    status_t status = ext2_mount(&volume->ext2, device, problem);
    if (is_error(status)) {
        log_print("quire: cannot use %s: %s\n", device->name, problem);
        return status;
    }
    volume->mounted = true;
    log_print("%s: %c:\\, ext2, %u blocks of %u bytes\n", device->name, letter,
              volume->ext2.nblocks, volume->ext2.block_bytes);
    if (!volume->ext2.writable) {
        log_print("%s: %c:\\ is read-only: %s\n", device->name, letter,
                  volume->ext2.read_only_reason);
    }
    return STATUS_SUCCESS;
}

status_t fs_start(void)
{
    fsi_start_table();
    mutex_lock(&fsi.lock);
    fsi_names_forget();
    mutex_unlock(&fsi.lock);
    transfer_start();
    if (block_device_get(0) == NULL) {
        log_print("quire: no disk found: Quire needs a virtio-blk disk with an ext2 file system\n");
    }
    status_t status = mount(&fsi_volumes[0], 0, 'C');
    for (uint32_t i = 1; i < VOLUMES_MAX && is_success(status); i++) {
        status_t other = mount(&fsi_volumes[i], i, (char)('C' + i));
        (void)other; /* there need not be one; what is wrong with it has been said */
    }
    return status;
}

status_t fs_query_volume(const struct open_file *open, struct volume_information *information)
{
    struct volume *volume = open->file->volume;
    struct ext2 *ext2 = &volume->ext2;

    *information = (struct volume_information){
        .block_bytes = ext2->block_bytes,
        .total_blocks = ext2->nblocks,
        .free_blocks = ext2_count_free(ext2),
        .serial = get32(ext2->uuid),
        .created = ((int64_t)ext2->created + 11644473600ll) * 10000000ll,
        .read_only = !ext2->writable,
    };
    information->label_length = name_to_utf16(
        (const uint8_t *)ext2->label, (uint32_t)strnlen(ext2->label, 16), information->label);
    return STATUS_SUCCESS;
}

void fs_drain(void)
{
    for (uint32_t i = 0; i < VOLUMES_MAX; i++) {
        if (fsi_volumes[i].mounted) {
            mutex_lock(&fsi.lock);
            fsi_names_forget();
            mutex_unlock(&fsi.lock);
            fsi_forget_files(FORGET_ALL);
            metadata_drop_clean(&fsi_volumes[i].ext2.metadata);
        }
    }
}

static status_t try_to_finish(struct volume *volume)
{
    status_t status = fsi_write_back_all(volume);

    fsi_release_unlinked(volume);
    status_t finished = ext2_finish(&volume->ext2);
    return is_error(status) ? status : finished;
}

/* Writes everything of one volume. What failed stays dirty; nobody will try again later. */
static void finish(struct volume *volume)
{
    status_t status = try_to_finish(volume);

    for (uint32_t i = 1; i < FINISH_TRIES && is_error(status); i++) {
        status = try_to_finish(volume);
    }
    if (is_error(status)) {
        log_print("quire: %c:\\ could not be written: status 0x%08x\n", volume->letter,
                  (unsigned)status);
    }
}

void fs_finish(void)
{
    for (uint32_t i = 0; i < VOLUMES_MAX; i++) {
        if (fsi_volumes[i].mounted) {
            finish(&fsi_volumes[i]);
        }
    }
}

void fs_stop(void)
{
    fs_finish();
    for (uint32_t i = 0; i < VOLUMES_MAX; i++) {
        struct volume *volume = &fsi_volumes[i];
        if (volume->mounted) {
            fsi_forget_files(FORGET_EVEN_DIRTY);
            VERIFY(list_is_empty(&volume->files));
            volume->mounted = false;
            ext2_unmount(&volume->ext2);
        }
    }
}
