/*
 * tests/host/fs_fixture.c: for tests of open files: a mounted volume, user memory for transfers,
 * and short forms of opening, reading and writing.
 */
#include "fs_fixture.h"

#include <stdio.h>
#include <string.h>

#include "mm/init.h"
#include "mm/section.h"
#include "mm_fixture.h"
#include "sim.h"
#include "test.h"

#define PATH_MAX_ 2048u

uint8_t ff_buffer[FF_BUFFER_NBYTES];
uint32_t ff_information;
struct space *ff_space;

void ff_begin(uint32_t block_bytes, const char *size, const char *options)
{
    fx_begin(block_bytes, size, options, 3);
    ff_start();
}

void ff_start(void)
{
    REQUIRE(is_success(mm_balancer_start()));
    ff_space = fixture_space();
    sim_lend_memory(FF_BUFFER, ff_buffer, FF_BUFFER_NBYTES);
}

void ff_end(void)
{
    EXPECT_EQUAL(fx_end(), 0);
    fx_end_work();
}

void ff_remount(void)
{
    fx_remount();
}

uint32_t ff_widen(const char *text, uint16_t *wide)
{
    uint32_t n = 0;

    for (; text[n] != 0; n++) {
        wide[n] = (uint8_t)text[n];
    }
    return n;
}

status_t ff_try_open(const char *path, uint32_t access, uint32_t share, uint32_t disposition,
                     uint32_t options, struct open_file **open)
{
    uint16_t wide[PATH_MAX_];
    const struct open_request request = {
        .path = wide,
        .path_length = ff_widen(path, wide),
        .access = access,
        .share = share,
        .disposition = disposition,
        .options = options,
    };
    return fs_open(&request, open, &ff_information);
}

struct open_file *ff_open(const char *path, uint32_t access, uint32_t disposition, uint32_t options)
{
    struct open_file *open;

    EXPECT_STATUS(ff_try_open(path, access, FF_SHARE, disposition, options, &open), STATUS_SUCCESS);
    return open;
}

status_t ff_find(const char *path)
{
    struct open_file *open;
    status_t status = ff_try_open(path, FILE_READ_ATTRIBUTES, FF_SHARE, FILE_OPEN, 0, &open);

    if (is_success(status)) {
        fs_close(open);
    }
    return status;
}

static const struct range_owner nobody;

status_t ff_write(struct open_file *open, uint64_t offset, uint32_t nbytes, uint32_t *done)
{
    return fs_write(open, &nobody, offset, FF_BUFFER, nbytes, done);
}

status_t ff_read(struct open_file *open, uint64_t offset, uint32_t nbytes, uint32_t *done)
{
    return fs_read(open, &nobody, offset, FF_BUFFER, nbytes, done);
}

static uint8_t byte_at(uint64_t offset, uint32_t seed)
{
    uint64_t x = (offset / 5 + 1) * 0x9E3779B97F4A7C15ull + seed * 0x100000001B3ull;

    return (uint8_t)(x >> 32 ^ offset);
}

void ff_make_bytes(uint8_t *bytes, uint64_t offset, uint32_t nbytes, uint32_t seed)
{
    for (uint32_t i = 0; i < nbytes; i++) {
        bytes[i] = byte_at(offset + i, seed);
    }
}

void ff_fill(struct open_file *open, uint64_t offset, uint32_t nbytes, uint32_t seed)
{
    while (nbytes > 0) {
        uint32_t n = nbytes < FF_BUFFER_NBYTES ? nbytes : FF_BUFFER_NBYTES;
        uint32_t done = 0;
        ff_make_bytes(ff_buffer, offset, n, seed);
        EXPECT_STATUS(ff_write(open, offset, n, &done), STATUS_SUCCESS);
        EXPECT_EQUAL(done, n);
        offset += n;
        nbytes -= n;
    }
}

/* Whether the bytes are what they should be: from SEED, or zero. */
static bool compare(struct open_file *open, uint64_t offset, uint32_t nbytes, uint32_t seed,
                    bool zero)
{
    while (nbytes > 0) {
        uint32_t n = nbytes < FF_BUFFER_NBYTES ? nbytes : FF_BUFFER_NBYTES;
        uint32_t done = 0;
        status_t status = ff_read(open, offset, n, &done);
        if (is_error(status) || done != n) {
            fprintf(stderr, "at %llu: 0x%08x, %u of %u bytes\n", (unsigned long long)offset,
                    (unsigned)status, done, n);
            return false;
        }
        for (uint32_t i = 0; i < n; i++) {
            uint8_t wanted = zero ? 0 : byte_at(offset + i, seed);
            if (ff_buffer[i] != wanted) {
                fprintf(stderr, "byte %llu is %02x, not %02x\n", (unsigned long long)(offset + i),
                        ff_buffer[i], wanted);
                return false;
            }
        }
        offset += n;
        nbytes -= n;
    }
    return true;
}

bool ff_holds(struct open_file *open, uint64_t offset, uint32_t nbytes, uint32_t seed)
{
    return compare(open, offset, nbytes, seed, false);
}

bool ff_is_zero(struct open_file *open, uint64_t offset, uint32_t nbytes)
{
    return compare(open, offset, nbytes, 0, true);
}

uint64_t ff_size(struct open_file *open)
{
    struct file_information information;

    fs_query(open, &information);
    return information.nbytes;
}

status_t ff_rename(struct open_file *open, const char *path, bool replace)
{
    uint16_t wide[PATH_MAX_];
    const struct open_request target = {.path = wide, .path_length = ff_widen(path, wide)};

    return fs_rename(open, &target, replace);
}

status_t ff_link(struct open_file *open, const char *path)
{
    uint16_t wide[PATH_MAX_];
    const struct open_request target = {.path = wide, .path_length = ff_widen(path, wide)};

    return fs_link(open, &target, false);
}

status_t ff_section(struct open_file *open, uint64_t nbytes, uint32_t protection,
                    uint32_t attributes, struct section *section)
{
    *section = (struct section){0};
    return fs_create_section(open, section, nbytes, protection, attributes, NULL);
}

void ff_end_section(struct section *section)
{
    struct file_claim *claim = section->claim;

    mm_section_destroy(section);
    fs_release_claim(claim);
}
