/*
 * tests/kernel/test_files.c: self-tests of files: reading a file whose contents are known
 * (tools/pattern makes it), listing, claims of sections, several threads that read at once.
 */
#include "abi/constants.h"
#include "fs/file.h"
#include "fs/volume.h"
#include "kernel/thread.h"
#include "mm/cache.h"
#include "mm/pool.h"
#include "mm/section.h"
#include "mm/stack.h"

#include "tests/kernel/selftest.h"

#define PATTERN_PATH   "C:\\quire\\test\\pattern.bin"
#define PATTERN_NBYTES 5000123u
#define BUFFER_NBYTES  24571u /* a prime */
#define READERS        4u

static bool is_there(void)
{
    struct open_file *file;

    if (!fs_is_mounted() || is_error(fs_open_kernel(PATTERN_PATH, &file))) {
        selftest_skip("no disk with " PATTERN_PATH);
        return false;
    }
    fs_close(file);
    return true;
}

static uint8_t pattern_byte(uint32_t offset)
{
    uint32_t word = offset / 4;

    return (uint8_t)((word * 0x9E3779B1u + word) >> offset % 4 * 8);
}

static bool is_pattern(const uint8_t *bytes, uint32_t offset, uint32_t nbytes)
{
    for (uint32_t i = 0; i < nbytes; i++) {
        if (bytes[i] != pattern_byte(offset + i)) {
            return false;
        }
    }
    return true;
}

/* Reads [first, end) of the pattern in steps; whether all of it was right. */
static bool read_range(uint32_t first, uint32_t end, uint8_t *buffer)
{
    struct open_file *file;
    bool right = true;
    uint32_t done;

    if (is_error(fs_open_kernel(PATTERN_PATH, &file))) {
        return false;
    }
    for (uint32_t at = first; at < end && right; at += done) {
        uint32_t n = min_u32(BUFFER_NBYTES, end - at);
        status_t status = fs_read_kernel(file, at, buffer, n, &done);
        right = is_success(status) && done == n && is_pattern(buffer, at, n);
    }
    fs_close(file);
    return right;
}

static void read_whole(void)
{
    struct open_file *file;
    struct file_information information;
    uint32_t done;

    if (!is_there()) {
        return;
    }
    uint8_t *buffer = mm_allocate(BUFFER_NBYTES);
    REQUIRE(buffer != NULL);
    fs_drain();
    EXPECT(read_range(0, PATTERN_NBYTES, buffer));
    EXPECT_STATUS(fs_open_kernel(PATTERN_PATH, &file), STATUS_SUCCESS);
    fs_query(file, &information);
    EXPECT_EQUAL(information.nbytes, PATTERN_NBYTES);
    EXPECT_STATUS(fs_read_kernel(file, PATTERN_NBYTES - 10, buffer, 100, &done), STATUS_SUCCESS);
    EXPECT_EQUAL(done, 10);
    EXPECT_STATUS(fs_read_kernel(file, PATTERN_NBYTES, buffer, 1, &done), STATUS_END_OF_FILE);
    fs_close(file);
    mm_free(buffer, BUFFER_NBYTES);
    fs_drain();
}
SELFTEST("files: a file to double indirect blocks, byte for byte", read_whole);

static void list_root(void)
{
    struct open_file *root;
    bool found = false;
    static const uint16_t path[] = {'C', ':', '\\'};
    const struct open_request request = {.path = path,
                                         .path_length = 3,
                                         .access = FILE_READ_DATA,
                                         .share = FILE_SHARE_READ,
                                         .disposition = FILE_OPEN,
                                         .options = FILE_DIRECTORY_FILE};
    uint32_t information;

    if (!is_there()) {
        return;
    }
    struct directory_entry *entry = mm_allocate(sizeof(*entry));
    REQUIRE(entry != NULL);
    EXPECT_STATUS(fs_open(&request, &root, &information), STATUS_SUCCESS);
    EXPECT_STATUS(fs_directory_begin(root, NULL, 0, true), STATUS_SUCCESS);
    while (is_success(fs_directory_next(root, entry))) {
        found = found || (entry->name_length == 5 && entry->name[0] == 'q' &&
                          entry->name[4] == 'e' && entry->information.is_directory);
        fs_directory_accept(root, entry);
    }
    EXPECT_STATUS(fs_directory_next(root, entry), STATUS_NO_MORE_FILES);
    EXPECT(found);
    fs_close(root);
    mm_free(entry, sizeof(*entry));
    fs_drain();
}
SELFTEST("files: the root directory holds quire", list_root);

static void section_keeps_file(void)
{
    struct open_file *file;
    struct section section = {0};
    uint8_t bytes[64];

    if (!is_there()) {
        return;
    }
    EXPECT_STATUS(fs_open_kernel(PATTERN_PATH, &file), STATUS_SUCCESS);
    EXPECT_STATUS(fs_create_section(file, &section, 0, PAGE_READWRITE, SEC_COMMIT, NULL),
                  STATUS_ACCESS_DENIED);
    status_t status = fs_create_section(file, &section, 0, PAGE_READONLY, SEC_COMMIT, NULL);
    fs_close(file);
    EXPECT_STATUS(status, STATUS_SUCCESS);
    REQUIRE(is_success(status));
    EXPECT_EQUAL(section.nbytes, PATTERN_NBYTES);
    EXPECT_STATUS(mm_cache_read(section.segment, 4500001, bytes, sizeof(bytes)), STATUS_SUCCESS);
    EXPECT(is_pattern(bytes, 4500001, sizeof(bytes)));
    struct file_claim *claim = section.claim;
    mm_section_destroy(&section);
    fs_release_claim(claim);
    fs_drain();
}
SELFTEST("files: a section outlives the handle it was made from", section_keeps_file);

struct reader {
    struct thread thread;
    struct waitable ended;
    void *stack;
    uint8_t *buffer;
    uint32_t first;
    bool right;
};

static struct reader *readers[READERS];

static void reader_entry(void *argument)
{
    struct reader *reader = argument;

    reader->right = read_range(reader->first, reader->first + 600000, reader->buffer);
}

/* The thread has left its stack. */
static void reader_reaped(struct thread *thread)
{
    event_set(&container_of(thread, struct reader, thread)->ended);
}

/* Starts reader N, which reads a part that overlaps its neighbours'; false without memory. */
static bool start_reader(uint32_t n)
{
    struct reader *reader = mm_allocate(sizeof(*reader));

    readers[n] = reader;
    if (reader == NULL) {
        return false;
    }
    reader->buffer = mm_allocate(BUFFER_NBYTES);
    if (reader->buffer == NULL || is_error(mm_create_kernel_stack(&reader->stack))) {
        mm_free(reader->buffer, BUFFER_NBYTES);
        mm_free(reader, sizeof(*reader));
        readers[n] = NULL;
        return false;
    }
    reader->first = n * 300000;
    waitable_init_event(&reader->ended, true, false);
    const struct thread_parameters parameters = {.name = "reader",
                                                 .entry = reader_entry,
                                                 .argument = reader,
                                                 .stack_base = reader->stack,
                                                 .stack_nbytes = KERNEL_STACK_BYTES,
                                                 .priority = PRIORITY_NORMAL,
                                                 .reap = reader_reaped};
    thread_init(&reader->thread, &parameters);
    thread_start(&reader->thread);
    return true;
}

static void end_reader(struct reader *reader)
{
    EXPECT_STATUS(wait_for(&reader->ended, WAIT_FOREVER, false), STATUS_SUCCESS);
    EXPECT(reader->right);
    mm_destroy_kernel_stack(reader->stack);
    mm_free(reader->buffer, BUFFER_NBYTES);
    mm_free(reader, sizeof(*reader));
}

static void read_together(void)
{
    if (!is_there()) {
        return;
    }
    fs_drain(); /* so that the pages are absent */
    for (uint32_t i = 0; i < READERS; i++) {
        EXPECT(start_reader(i));
    }
    for (uint32_t i = 0; i < READERS; i++) {
        if (readers[i] != NULL) {
            end_reader(readers[i]);
        }
    }
    fs_drain();
}
SELFTEST("files: four threads read overlapping parts at once", read_together);
